"""HTML to trees, however broken it is, and what all that read a tree need.

A page written as XML may have entities of its own and CDATA, which HTML may not.
"""

from __future__ import annotations

import re
from html import escape
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

_MAX_START = 4000
_MAX_VALUE = 1000
_MAX_GROWTH = 1_000_000
"""Characters that a page may grow by when its entities are filled in."""
_ENTITY = re.compile(r"""<!ENTITY\s+([\w.-]+)\s+(?:"([^"]*)"|'([^']*)')""")
_SUBSET_END = re.compile(r"\]\s{0,9}>")
_CDATA = "<![CDATA["


def parse(text: str) -> Any:
    """The tree of a page; None when it has no element."""
    # libxml2 forgets what stands after the end of a page.
    text = _PAGE_END.sub("", text.replace("\0", ""))
    text = _LONG_TAG.sub(_with_few_attributes, _with_text_of_cdata(_with_entities(text)))
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


def _with_entities(text: str) -> str:
    start = text[:_MAX_START].upper().find("<!DOCTYPE")
    opening = text.find("[", start, start + _MAX_START) if start >= 0 else -1
    if opening < 0 or ">" in text[start:opening]:
        return text
    closing = _SUBSET_END.search(text, opening)
    if closing is None:
        return text
    found = _ENTITY.findall(text, opening, closing.start())
    declared = {name: double or single for name, double, single in found}
    values: dict[str, str] = {
        name: value for name, value in declared.items() if len(value) <= _MAX_VALUE
    }
    body, left = text[closing.end() :], _MAX_GROWTH

    def fill(reference: re.Match[str]) -> str:
        nonlocal left
        value = values.get(reference[1], "")
        if reference[1] not in values or len(value) > left:
            return str(reference[0])
        left -= len(value)
        return value

    for _ in range(2):  # an entity may hold another
        body = re.sub(r"&([\w.-]+);", fill, body) if values else body
    return f"{text[:opening]}>{body}"


def _with_text_of_cdata(text: str) -> str:
    """Make other text of the text in CDATA, but not in scripts and styles."""
    first, *parts = text.split(_CDATA)
    done, in_script = [first], _ends_in_script(first, False)
    for part in parts:
        inside, end, after = part.partition("]]>")
        done += [_CDATA, part] if in_script or not end else [escape(inside, quote=False), after]
        in_script = _ends_in_script(part, in_script)
    return "".join(done)


def _ends_in_script(part: str, before: bool) -> bool:
    part = part.lower()
    opened = max(part.rfind("<script"), part.rfind("<style"))
    closed = max(part.rfind("</script"), part.rfind("</style"))
    return before if opened == closed else opened > closed


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
