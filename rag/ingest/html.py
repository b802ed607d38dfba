"""HTML to blocks: the main content of a page, with its headings, anchors, lists, tables and code.

The page's own tree is walked, because only it has the ids, the numbers and the code as written.
Menus, consent texts and feedback prompts around the content are told by what they are made of.
Where the page does not say what its content is, trafilatura judges which blocks at its edges are
furniture, as long as what it keeps shows that it understood the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, islice, takewhile
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from rag.ingest.blocks import Block, linearise, one_line

MAIN_SHARE = 0.25
"""A declared main element with a smaller share of the page's words is not believed."""
NAMED_SHARE = 0.85
"""An element that is only named as the main one by its id has to hold this share of the prose."""
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
_MAIN_IDS = " or ".join(
    f"@id='{name}'" for name in ("content", "main", "page-content", "main-content", "maincontent")
)
_COOKIES = re.compile(r"cookie|\b(?:gdpr|rgpd|dsgvo)\b", re.I)
_CONSENT = re.compile(
    r"\b(?:accept|agree|consent|allow|got it|opt|necessary|preferences|akzept|zustimm|"
    r"einverstanden|"
    r"annehmen|einwillig|notwendig|accepte|refuse|necesari|acept|rechaz|accett|rifiut|aceit|"
    r"accepteer|akkoord|weiger|akceptuj|zgadzam)",
    re.I,
)
_MAX_CONSENT = 600
_MAX_INTRODUCTION = 1500
_LAST_CONTROLS = 12
_MAX_PROMPT_DEPTH = 8
_QUESTION = re.compile(r"[^?？؟.]{8,120}[?？؟]")
_VOTE = re.compile(
    r"(?:yes|no|ja|nein|nee|oui|non|s[ií]|sim|não|tak|nie|helpful|not helpful|\W{1,3})[.!,]?", re.I
)
_COPYRIGHT = re.compile(r"©|\(c\)|copyright|rights reserved", re.I)
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
    _remove_surroundings(body)
    main = _declared_main(body)
    if main is not None:
        _remove_prompt(main)
        blocks = _walk(main)
        if _count(blocks) >= MAIN_SHARE * _count(_walk(body)):
            return Content(blocks, "main")
    _remove_prompt(body)
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
    # The name alone says little: it must hold the title and all but a little of the prose.
    title, prose = _title(body), _prose(body)
    for element in reversed(body.xpath(f".//*[{_MAIN_IDS}]")[:4]):
        holds_title = title is None or element in title.iterancestors()
        if holds_title and _prose(element) >= NAMED_SHARE * prose:
            return element
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


# --- what surrounds the content --------------------------------------------------------------


def _remove_surroundings(body: Any) -> None:
    """Remove lists of links and consent texts that stand before the title or after the content."""
    title = _title(body)
    if title is None:
        return
    path = [title, *title.iterancestors()]
    path = path[: path.index(body)]
    before = [sibling for element in path for sibling in element.itersiblings(preceding=True)]
    introduction = sum(map(_prose, filter(_is_element, before)))
    if len(path) > _MAX_DEPTH or introduction > max(_MAX_INTRODUCTION, MAIN_SHARE * _prose(body)):
        return  # it heads a later part of the page
    content = _content_block(body, title)
    after = path[path.index(content) :] if content is not body else []
    for sibling in [sibling for element in after for sibling in element.itersiblings()]:
        _strip(sibling, _asks_for_consent)
    for sibling in before:
        _strip(sibling, _is_consent)
    if content is body:
        for last in body[-3:]:
            if last not in path and last.tag in ("div", "section") and _asks_for_consent(last):
                _remove(last)


def _is_element(node: Any) -> bool:
    return isinstance(node.tag, str)


def _title(body: Any) -> Any:
    """Return the heading that the page begins with; a link, as a logo is, only if all are."""
    headings = body.xpath(".//h1") or body.xpath(".//h2")[:1]
    named = [heading for heading in headings if _linked(heading) < len(_squeezed(heading))]
    return next(iter(named or headings), None)


def _content_block(body: Any, title: Any) -> Any:
    """Return the smallest element around the title that holds most of the prose."""
    enough = TRUSTED_SHARE * _prose(body)
    return next((e for e in title.iterancestors() if e is body or _prose(e) >= enough), body)


def _strip(element: Any, is_consent: Callable[[Any], bool], depth: int = 0) -> None:
    """Remove the menus and consent texts in an element outside the content, or all of it."""
    if not _is_element(element) or depth > _MAX_DEPTH:
        return
    if _is_menu(element):
        _remove(element)
        return
    for child in list(element):
        if child.tag in _BLOCKS:
            _strip(child, is_consent, depth + 1)
    if _is_menu(element) or is_consent(element):
        _remove(element)


def _is_menu(element: Any) -> bool:
    """Tell whether an element consists of links, but for a few words between them."""
    text = len(_squeezed(element))
    linked = _linked(element)
    if not text or text - linked > 200:
        return False
    if any(_prose(inside) > max(40, _linked(inside)) for inside in element.iter("p")):
        return False  # a paragraph beside the links may be prose
    several = sum(1 for link in element.iter("a") if link.get("href")) > 1
    return linked >= (0.6 if several else 0.8) * text and (several or text <= 60)


def _is_consent(element: Any) -> bool:
    text = _squeezed(element)
    named = _COOKIES.search(text) and _CONSENT.search(text)
    return bool(named) and len(text) <= _MAX_CONSENT


def _asks_for_consent(element: Any) -> bool:
    """Tell whether there is a control to consent with: a text alone may be part of the content."""
    return _is_consent(element) and any(
        _CONSENT.search(label) and len(label) <= 40
        for label in map(_squeezed, element.iter("a", "button"))
    )


def _squeezed(element: Any) -> str:
    return " ".join(element.text_content().split())


def _linked(element: Any) -> int:
    links = element.iter("a")
    return sum(len(_squeezed(link)) for link in links if link.get("href"))


def _prose(element: Any) -> int:
    """Return the count of characters outside of links."""
    return len(_squeezed(element)) - _linked(element)


def _remove_prompt(main: Any) -> None:
    """Remove the question at the end of the content that the page asks of its readers."""
    prompts: list[Any] = []
    for control in list(filter(_is_vote, main.iter("button", "input", "a")))[-_LAST_CONTROLS:]:
        around = islice(control.iterancestors(), _MAX_PROMPT_DEPTH)
        inside = takewhile(lambda element: element is not main, around)
        prompt = next(iter(list(takewhile(_is_prompt, inside))[::-1]), None)
        if prompt is not None and _text_outside(prompt) and prompt not in prompts:
            prompts.append(prompt)
    # Several questions with buttons are answered by the page itself.
    if len(prompts) == 1 and _is_last(prompts[0], main):
        _remove(prompts[0])


def _is_vote(control: Any) -> bool:
    """Tell whether a control answers: a button, or a link that leads nowhere or says yes or no."""
    if control.tag == "input":
        return control.get("type") in ("button", "submit", "radio", "image")
    label = _squeezed(control)
    href = (control.get("href") or "").strip().lower()
    pressed = (
        control.tag == "button"
        or control.get("role") == "button"
        or href == "#"
        or href.startswith("javascript:")
    )
    return len(label) <= 30 and (pressed or bool(href and _VOTE.fullmatch(label)))


def _is_prompt(element: Any) -> bool:
    """Tell whether an element holds one question and controls, or controls alone."""
    if len(element.text_content()) > 400:
        return False
    text = _text_outside(element)
    return not text or bool(_QUESTION.fullmatch(text))


def _text_outside(element: Any) -> str:
    """Return the text that is not in controls."""
    parts: list[str] = []

    def gather(part: Any, depth: int = 0) -> None:
        parts.append(part.text or "")
        for child in part:
            if depth > _MAX_DEPTH:
                parts.append(child.text_content())
            elif _is_element(child) and not _is_control(child):
                gather(child, depth + 1)
            parts.append(child.tail or "")

    gather(element)
    return " ".join(re.sub("[|/]", " ", "".join(parts)).split())


def _is_control(element: Any) -> bool:
    if element.tag == "a":
        return _is_vote(element)
    return element.tag in ("button", "input", "label", "select", "textarea", "svg", "script")


def _is_last(element: Any, main: Any) -> bool:
    following: list[Block] = []
    while element is not main:
        if element.tail and element.tail.strip():
            return False
        for sibling in element.itersiblings():
            if _is_element(sibling):
                following += _walk_one(sibling)
        element = element.getparent()
    text = " ".join(block.text for block in following)
    return not text or (len(text) <= 200 and bool(_COPYRIGHT.search(text)))


def _walk_one(element: Any) -> list[Block]:
    walker = _Walker(strict=True)
    walker.element(element)
    walker.flush()
    return walker.blocks


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
            elif _is_element(child):
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
        names = [self.cell(cell) for cell in table.header]
        for has_title, rows in groupby(table.rows, lambda row: len(row) == 1 < len(names)):
            self.blocks += linearise(
                [] if has_title else names,
                ([self.cell(cell) for cell in row] for row in rows),
                group=self.groups,
                level=self.level,
            )

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
