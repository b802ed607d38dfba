"""HTML to blocks: the main content of a page, with its headings, anchors, lists, tables and code.

The page's own tree is walked, because only it has the ids, the numbers and the code as written.
Where the page does not say what its content is, trafilatura judges which blocks at its edges are
furniture, as long as what it keeps shows that it understood the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from rag.ingest.blocks import Block, linearise, one_line

MAIN_SHARE = 0.25
"""A declared main element with a smaller share of the page's words is not believed."""
TRUSTED_SHARE = 0.6
"""trafilatura is believed on what is furniture when it keeps this share of the page's words."""

_DROPPED = frozenset(
    "script style noscript template iframe object embed applet svg canvas audio video map head "
    "nav footer aside button input select textarea dialog datalist progress meter frameset".split()
)
_BLOCKS = frozenset(
    "address article blockquote body caption center dd details dialog div dl dt fieldset "
    "figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main "
    "menu nav noframes ol optgroup option p pre search section summary table tbody td tfoot th "
    "thead tr ul".split()
)
_FURNITURE_ROLES = frozenset(
    "navigation banner contentinfo complementary search dialog alertdialog menu menubar".split()
)
_FURNITURE = re.compile(
    r"(?:^|\s)(?:cookie[\w-]*|gdpr[\w-]*|consent[\w-]*|cc-(?:window|banner)|newsletter[\w-]*|"
    r"breadcrumbs?|sidebar|sphinxsidebar\w*|nav(?:bar|igation|header|footer)?|toc|skip-?link|"
    r"skip-to-\w+|social|share|sharing|share-?buttons|related|related-?(?:posts|articles|links)|"
    r"pagination|pager|advert\w*|ads?|promo|popup|modal|site-?(?:header|footer)|page-?footer|"
    r"footer|comments?-?(?:form|respond)|edit-?(?:link|page)|headerlink|mw-editsection|"
    r"(?:topic )?contents (?:topic|local)|topic contents|back-to-top|no-?print|"
    r"screen-reader-text|sr-only|visually-?hidden)(?=$|\s)",
    re.I,
)
# Ids are stricter: a section on cookies may well have the id "cookies".
_FURNITURE_ID = re.compile(
    r"cookie-?(?:banner|bar|consent|notice|law|popup)|sidebar|nav|navbar|navigation|footer|"
    r"breadcrumbs?|header-nav|site-(?:header|footer)|newsletter-?\w*",
    re.I,
)
_HIDING = re.compile(
    r"(?<![\w-])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|"
    r"opacity\s*:\s*0(?:\.0*)?\s*(?:;|!|$)|"
    r"font-size\s*:\s*0(?:\.0*)?(?:px|pt|em|rem|%)?\s*(?:;|!|$)|"
    r"(?:left|right|top|text-indent)\s*:\s*-\d{3,}|clip\s*:\s*rect\(\s*[01](?:px)?[,\s]+[01])",
    re.I,
)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_CSS_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_CSS_AT_BLOCK = re.compile(r"@[\w-]+[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_SIMPLE_SELECTOR = re.compile(r"([a-z][a-z0-9]*)?(?:\.([\w-]+)|#([\w-]+))?", re.I)
# Words beside the text that belong to it: footnotes and notes.
_REMARK = re.compile(
    r"foot-?notes?|admonition|callout|alert|note|tip|hint|warning|caution|important|danger|aside",
    re.I,
)
_PILCROW = frozenset(["¶", "#", "§", "🔗", "\uf0c1", "link", "permalink"])
_POWER = re.compile(r"[-+−–]?\d+")
_WORD = re.compile(r"\w+")
_HEADING = re.compile(r"h[1-6]")
_MAX_CELL = 1200
_MAX_DEPTH = 120
"""Elements within elements; what is deeper is only text. No page made for people comes near."""
_TOP = ("heading", 1)


@dataclass
class Content:
    """The blocks of a page, and how they were chosen: ``main``, ``judged`` or ``body``."""

    blocks: list[Block]
    chosen: str
    title: str | None = None


def parse(text: str) -> Any:
    """Return the tree of a page, however broken its HTML is; None when it has no element."""
    parser = lxml_html.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        root = lxml_html.document_fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return None
    return root


def read(root: Any) -> Content:
    """Return the main content of a parsed page; its hidden parts are removed from the tree."""
    _remove_hidden(root)
    body = root.find("body")
    body = root if body is None else body
    main = _declared_main(body)
    if main is not None:
        blocks = _walk(main)
        if _count(blocks) >= MAIN_SHARE * _count(_walk(body)):
            return Content(blocks, "main")
    blocks = _walk(body)
    if not blocks:
        return Content(_walk(body, strict=False), "body")
    judged = _judge(root, blocks)
    return Content(blocks, "body") if judged is None else Content(judged, "judged")


def fragment(root: Any) -> list[Block]:
    """Return the blocks of a piece of HTML inside another format."""
    _remove_hidden(root)
    return _walk(root)


def _count(blocks: Iterable[Block]) -> int:
    return sum(len(_WORD.findall(block.text)) for block in blocks)


def _declared_main(body: Any) -> Any:
    for path in (".//main", ".//*[@role='main']", ".//*[@itemprop='articleBody']", ".//article"):
        found = body.xpath(path)
        if found and (path != ".//article" or len(found) == 1):
            return max(found, key=lambda element: len(element.text_content()))
    return None


def _judge(root: Any, blocks: list[Block]) -> list[Block] | None:
    """Cut off the edges that trafilatura drops; None when it kept too little to be believed."""
    import trafilatura

    try:
        text = trafilatura.extract(
            root, output_format="txt", favor_recall=True, include_comments=False, fast=True
        )
    except Exception:  # whatever goes wrong in its many heuristics, the page can be read without
        return None
    kept = _shingles(text or "")
    words = [_WORD.findall(block.text.lower()) for block in blocks]
    covered = [_covered(found, kept) for found in words]
    total = sum(map(len, words))
    if sum(len(w) * c for w, c in zip(words, covered, strict=True)) < TRUSTED_SHARE * total:
        return None
    inside = [index for index, share in enumerate(covered) if share >= 0.5 and words[index]]
    if not inside:
        return None
    first, last = inside[0], inside[-1]
    while first and blocks[first - 1].kind == "heading":
        first -= 1  # the title of what it kept
    top = next((i for i, block in enumerate(blocks) if (block.kind, block.level) == _TOP), first)
    if blocks[last].kind == "heading":  # then what it heads belongs to the page, too
        headed = takewhile(lambda block: block.kind != "heading", blocks[last + 1 :])
        last += sum(1 for _ in headed)
    return blocks[min(first, top) : last + 1]


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    single: set[tuple[str, ...]] = {(word,) for word in words}
    return single.union(zip(words, words[1:], words[2:], strict=False))


def _covered(words: list[str], kept: set[tuple[str, ...]]) -> float:
    if not words:
        return 0.0
    runs: list[tuple[str, ...]] = list(zip(words, words[1:], words[2:], strict=False))
    runs = runs or [(word,) for word in words]
    return sum(run in kept for run in runs) / len(runs)


# --- what cannot be seen ---------------------------------------------------------------------


def _remove_hidden(root: Any) -> None:
    tags, classes, ids = _hidden_selectors(root)
    for element in root.xpath("//*[@style or @hidden or @aria-hidden or @class or @id]"):
        style = element.get("style")
        names = set((element.get("class") or "").split())
        if (
            "hidden" in element.attrib
            or (element.get("aria-hidden") or "").lower() == "true"
            or (style and _HIDING.search(style))
            or element.get("id") in ids
            or not names.isdisjoint(classes)
            or any((element.tag, name) in tags for name in names)
        ):
            _remove(element)


def _hidden_selectors(root: Any) -> tuple[set[tuple[str, str]], set[str], set[str]]:
    """Return what the page's own style sheets hide by simple selectors, outside of @media."""
    tags: set[tuple[str, str]] = set()
    classes: set[str] = set()
    ids: set[str] = set()
    for sheet in root.iter("style"):
        css = _CSS_AT_BLOCK.sub("", _CSS_COMMENT.sub("", sheet.text or ""))
        for selectors, rules in _CSS_RULE.findall(css):
            if not _HIDING.search(rules):
                continue
            for selector in selectors.split(","):
                match = _SIMPLE_SELECTOR.fullmatch(selector.strip())
                if match and match[3]:
                    ids.add(match[3])
                elif match and match[2] and match[1]:
                    tags.add((match[1].lower(), match[2]))
                elif match and match[2]:
                    classes.add(match[2])
    return tags, classes, ids


def _remove(element: Any) -> None:
    parent = element.getparent()
    if parent is None or element.tag in ("html", "body"):
        return
    tail = element.tail
    if tail:
        before = element.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
    parent.remove(element)


# --- the walk --------------------------------------------------------------------------------


def _walk(element: Any, *, strict: bool = True) -> list[Block]:
    walker = _Walker(strict=strict)
    walker.children(element)
    walker.flush()
    return walker.blocks


@dataclass
class _Walker:
    """Goes through the tree once; text gathers in ``buffer`` until a block element ends it."""

    strict: bool
    blocks: list[Block] = field(default_factory=list)
    buffer: list[str] = field(default_factory=list)
    level: int = 0
    group: int = 0
    groups: int = 0
    marker: str | None = None
    term: str = ""
    depth: int = 0

    def children(self, element: Any) -> None:
        self.text(element.text)
        self.depth += 1
        for child in element:
            if self.depth > _MAX_DEPTH:
                self.text(f" {child.text_content()} ")
            elif isinstance(child.tag, str):
                self.element(child)
            self.text(child.tail)
        self.depth -= 1

    def text(self, text: str | None) -> None:
        if text:
            self.buffer.append(" ".join(f"|{text}|".split())[1:-1] if "\n" in text else text)

    def element(self, element: Any) -> None:
        tag = element.tag.lower()
        if self.is_furniture(element, tag):
            return
        if tag in _BLOCKS:
            self.flush()
            handler = getattr(self, f"_on_{'heading' if _HEADING.fullmatch(tag) else tag}", None)
            (handler or self.children)(element)
            self.flush()
        elif tag == "br":
            self.buffer.append("\n")
        elif tag == "a" and _is_pilcrow(element):
            return
        elif tag == "sup":
            self._on_sup(element)
        elif element.get("role") == "heading":
            self.flush()
            self._on_heading(element)
        else:
            self.children(element)

    def is_furniture(self, element: Any, tag: str) -> bool:
        if tag == "aside" and (not self.strict or _REMARK.search(element.get("class") or "")):
            return False
        if tag in _DROPPED and (self.strict or tag not in ("nav", "footer")):
            return True
        if not self.strict:
            return False
        if tag == "header":  # of the site, not of an article
            return element.find(".//h1") is None
        if tag == "form":
            return element.find(".//p") is None and element.find(".//h1") is None
        if element.get("role") in _FURNITURE_ROLES:
            return True
        names = element.get("class") or ""
        named = _FURNITURE.search(names) or (
            tag == "div" and _FURNITURE_ID.fullmatch(element.get("id") or "")
        )
        # What holds the title or the main part is no furniture, whatever it is called.
        return bool(named) and element.find(".//h1") is None and element.find(".//main") is None

    def flush(self) -> None:
        """End the paragraph or item that the gathered text belongs to."""
        raw, self.buffer = "".join(self.buffer), []
        lines = [" ".join(line.split()) for line in raw.split("\n")]
        text = "\n".join(line for line in lines if line)
        if not text:
            return
        if self.term:
            text, self.term = f"{self.term}: {text}", ""
        if self.marker is None:
            self.add(Block("paragraph", text, level=self.level))
        else:
            marker, self.marker = self.marker, None
            self.add(Block("item", text, level=self.level - 1, marker=marker, group=self.group))

    def add(self, block: Block) -> None:
        self.blocks.append(block)

    def settle(self) -> None:
        """Give a marker or term that is still waiting a line of its own."""
        if self.term:
            text, self.term = self.term, ""
            self.buffer.append(text)
            self.flush()

    @contextmanager
    def nested(self) -> Iterator[None]:
        before = (self.level, self.group)
        if self.level == 0:  # lists within lists belong to the outermost
            self.groups += 1
            self.group = self.groups
        self.level += 1
        yield
        (self.level, self.group), self.marker = before, None

    # Handlers of elements: each finds the buffer empty and leaves what it gathered to be flushed.

    def _on_heading(self, element: Any) -> None:
        level = element.get("aria-level") or element.tag[1:]
        inner = _Walker(strict=self.strict)
        inner.children(element)
        title = one_line("".join(inner.buffer) or " ".join(b.text for b in inner.blocks))
        if not title:
            return
        self.settle()
        parent = element.getparent()
        if parent is not None and _REMARK.fullmatch((parent.get("class") or "").split(" ")[0]):
            self.term = title.rstrip(":")  # "Note" heads a remark, not a section
            return
        number = int(level) if level.isdigit() else 2
        anchor = _anchor(element)
        self.add(Block("heading", title, level=min(max(number, 1), 6), anchor=anchor))
        self.marker = None

    def _on_p(self, element: Any) -> None:
        if "admonition-title" in (element.get("class") or ""):
            self.settle()
            self.term = self.cell(element).rstrip(":")
        else:
            self.children(element)

    def _on_pre(self, element: Any) -> None:
        for line_break in element.iter("br"):
            line_break.tail = "\n" + (line_break.tail or "")
        self.settle()
        self.add(Block("code", element.text_content().strip("\n"), level=self.level))

    def _on_ul(self, element: Any) -> None:
        self._list(element, lambda index: "-")

    _on_menu = _on_ul

    def _on_ol(self, element: Any) -> None:
        start = element.get("start") or "1"
        first = int(start) if start.lstrip("-").isdigit() else 1
        style = element.get("type") or "1"
        self._list(element, lambda index: _ordinal(first + index, style))

    def _list(self, element: Any, marker: Any) -> None:
        self.settle()
        if self.marker is not None and self.level:  # a list that is all that its item holds
            self.marker = None
        with self.nested():
            index = 0
            for child in element:
                if not isinstance(child.tag, str):
                    continue
                if child.tag == "li":
                    value = child.get("value") or ""
                    if value.isdigit():
                        self.marker = f"{value}."
                    else:
                        self.marker = marker(index)
                    index += 1
                    self.children(child)
                    self.flush()
                else:
                    self.element(child)
                    self.flush()

    def _on_dl(self, element: Any) -> None:
        self.settle()
        terms: list[str] = []
        with self.nested():
            for child in _definitions(element):
                if child.tag == "dt":
                    terms.append(self.cell(child).rstrip(":"))
                    continue
                self.term, self.marker = ", ".join(filter(None, terms)), "-"
                terms = []
                self.children(child)
                self.flush()
                self.settle()
            self.term, self.marker = ", ".join(filter(None, terms)), "-"
            self.settle()

    def _on_table(self, element: Any) -> None:
        from rag.ingest.html_table import read_table

        self.settle()
        table = read_table(element, _MAX_CELL)
        caption = element.find("caption")
        if caption is not None:
            self.children(caption)
            self.flush()
        if table is None:  # it only arranges blocks
            for cell in element.iter("td", "th"):
                if _nearest_table(cell) is element:
                    self.children(cell)
                    self.flush()
            return
        self.groups += 1
        rows = linearise(
            [self.cell(cell) for cell in table.header],
            ([self.cell(cell) for cell in row] for row in table.rows),
            group=self.groups,
            level=self.level,
        )
        self.blocks += rows

    def cell(self, element: Any) -> str:
        if element is None:
            return ""
        inner = _Walker(strict=self.strict)
        inner.children(element)
        inner.flush()
        return one_line(" ".join(block.text for block in inner.blocks))

    def _on_caption(self, element: Any) -> None:
        """Read before the rows."""

    def _on_sup(self, element: Any) -> None:
        text = (element.text or "").strip()
        before = "".join(self.buffer[-1:])[-1:]
        if len(element) == 0 and _POWER.fullmatch(text) and (before.isdigit() or before == ")"):
            self.buffer.append("^")  # 10 to the 6th is not 106
        self.children(element)

    def _on_hr(self, element: Any) -> None:
        """A line has nothing to say."""


def _definitions(element: Any) -> Iterator[Any]:
    """Yield dt and dd, also those grouped in a div."""
    for child in element:
        if child.tag == "div" and child.find("dt") is not None:
            yield from _definitions(child)
        elif isinstance(child.tag, str):
            yield child


def _nearest_table(cell: Any) -> Any:
    return next(cell.iterancestors("table"), None)


def _is_pilcrow(link: Any) -> bool:
    names = (link.get("class") or "").split()
    if "headerlink" in names or "anchor" in names or "hash-link" in names:
        return True
    href = link.get("href") or ""
    return href.startswith("#") and link.text_content().strip().lower() in _PILCROW - {"link"}


def _anchor(heading: Any) -> str | None:
    """Return the id that leads to the heading: its own, one inside, or that of what it begins."""
    if heading.get("id"):
        return str(heading.get("id"))
    for inside in heading.iter("a", "span"):
        name = inside.get("id") or (inside.get("name") if inside.tag == "a" else None)
        if name:
            return str(name)
    element = heading
    for _ in range(6):
        before = element.getprevious()
        while before is not None and not _has_text(before):
            if name := _name_inside(before):
                return name
            before = before.getprevious()
        parent = element.getparent()
        if before is not None or parent is None or parent.tag in ("body", "main", "html"):
            return None
        if (parent.text or "").strip():
            return None
        if parent.get("id"):
            return str(parent.get("id"))
        element = parent
    return None


def _name_inside(element: Any) -> str | None:
    """Return the last anchor in an element without text, which stands for what follows it."""
    named = [inside for inside in element.iter("*") if inside.get("id") or inside.get("name")]
    return str(named[-1].get("id") or named[-1].get("name")) if named else None


def _has_text(element: Any) -> bool:
    """Tell whether there is text in the element or between it and the next."""
    return bool(("".join(element.itertext()) + (element.tail or "")).strip())


def _ordinal(number: int, style: str) -> str:
    if style in ("a", "A") and 1 <= number <= 26:
        return f"{chr(ord(style) + number - 1)}."
    return f"{number}."
