"""HTML to trees, however broken it is, and what all that read a tree need."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree
from lxml import html as lxml_html

HEADINGS = frozenset(["h1", "h2", "h3", "h4", "h5", "h6"])
BLOCKS = HEADINGS | frozenset(
    "address article blockquote body caption center dd details dialog div dl dt fieldset "
    "figcaption figure footer form frameset header hgroup hr html legend li listing main menu nav "
    "noframes ol optgroup option p plaintext pre search section summary table tbody td tfoot th "
    "thead tr ul xmp".split()
)
"""Elements that end the paragraph before them."""
MAX_DEPTH = 120
"""Elements within elements; what is deeper is only text. No page made for people comes near."""

_LONG_TAG = re.compile(r"<([a-zA-Z][\w:-]*+)[^<>]{20000,}+>")
_PAGE_END = re.compile(r"</(?:body|html)\s*+>", re.I)
_MAX_ATTRIBUTES = 1000
_TAG = re.compile(r"</?+([a-zA-Z][\w:-]*+)[^<>]*+>")
_KEPT_TAGS = frozenset("html head body title style script textarea br meta".split())
_MAX_LABEL = 300


def parse(text: str) -> Any:
    """The tree of a page; None when it has no element."""
    # libxml2 forgets what stands after the end of a page.
    text = _PAGE_END.sub("", text.replace("\0", ""))
    text = _LONG_TAG.sub(_with_few_attributes, text)
    root, is_whole = _parse(text)
    # libxml2 stops at 2,048 elements within elements: then all that nests is made paragraphs.
    return root if is_whole else _parse(_TAG.sub(_flat, text))[0]


def _parse(text: str) -> tuple[Any, bool]:
    parser = lxml_html.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        root = lxml_html.document_fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        root = None
    return root, not any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log)


def _with_few_attributes(tag: re.Match[str]) -> str:
    # libxml2 compares every attribute of an element with every other.
    return f"<{tag[1]}>" if len(tag[0].split()) > _MAX_ATTRIBUTES else tag[0]


def _flat(tag: re.Match[str]) -> str:
    name = tag[1].lower()
    return tag[0] if name in _KEPT_TAGS else "<p>" if name in BLOCKS else ""


def remove(element: Any) -> None:
    """Leave nothing of the element but its place, which costs the same however many there are."""
    if element.tag not in ("html", "body"):
        element.clear(keep_tail=True)
        element.tag = "wbr"


def text_of(element: Any) -> str:
    """The text in an element, on one line."""
    return " ".join(element.text_content().split())


def label_of(element: Any) -> str:
    """The text in an element, or as much of it as a label can be."""
    parts: list[str] = []
    size = 0
    for part in element.itertext():
        parts.append(part)
        size += len(part)
        if size > _MAX_LABEL:
            break
    return " ".join("".join(parts).split())


def holds(element: Any, *tags: str) -> bool:
    """Tell whether an element is, or has inside it, one of these."""
    return next(element.iter(*tags), None) is not None


def is_within(element: Any, *tags: str) -> bool:
    """Tell whether an element is inside one of these."""
    return next(element.iterancestors(*tags), None) is not None
