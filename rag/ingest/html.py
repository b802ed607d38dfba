"""HTML to blocks: the main content of a page, with its headings, anchors, lists, tables and code.

The page's own tree is walked, because only it has the ids, the numbers and the code as written.
What a reader sees is what counts: a picture's text, a power, a formula, the title of a part that
opens are text; what is hidden or struck out is not. Nothing is cut off because of its place on the
page alone: menus, consent texts and prompts around the content are told by what they are made of.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import chain, groupby, islice
from typing import Any

from lxml import etree

from rag.ingest.blocks import Block, Parsed, linearise, one_line
from rag.ingest.html_boilerplate import (
    REMARK,
    Sizes,
    declared_main,
    is_around,
    is_copyright,
    is_furniture,
    is_to_top,
    measure,
    remove_prompt,
    remove_surroundings,
    text_outside,
    without_copyright,
)
from rag.ingest.html_hidden import discloses, remove_hidden
from rag.ingest.html_metadata import read_metadata
from rag.ingest.html_parse import BLOCKS, HEADINGS, MAX_DEPTH, holds, label_of, parse
from rag.ingest.html_table import own_cells, read_math, read_table, take_strays
from rag.ingest.manual import read_manual

MAIN_SHARE = 0.25
"""A declared main element with a smaller share of the page's words is not believed."""

_DROPPED = frozenset(
    "script style template object embed applet canvas audio video map head textarea dialog "
    "datalist rp rt".split()
)
_FORMATTING = ("b", "big", "blink", "em", "font", "nobr", "small", "strong", "tt", "u")
_END = re.compile(r"""\w["'”’»)\]]?[.!?…](?:\s|$)|[。！？।]""")
_DIGIT = re.compile(r"\d")
_DATED = re.compile(r"\b(?:19|20)\d\d\b|version|\bpage\b", re.I)
_MIN_WORDS = 4
_CONTAINERS = frozenset("article aside center div section".split())
_LATIN_END = 0x2E80
_PILCROW = frozenset(["¶", "#", "§", "🔗", "\uf0c1", "permalink"])
_ANCHOR_CLASSES = frozenset(["headerlink", "anchor", "hash-link"])
_POWER = re.compile(r"[-+−–]?[0-9]{1,9}(?:[.,][0-9]{1,9})?|[nkxy]")
_NUMBER = re.compile(r"[-+−–]?[0-9]{1,3}")
_NOTES = re.compile(r"[0-9]{1,3}(?:[, ]{1,2}[0-9]{1,3}){0,9}")
_NOTE_LINK = re.compile(r"foot-?note-?ref|note-?ref\b|\bfnref", re.I)
_RAISED = str.maketrans("0123456789+-−–", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻")
_LOWERED = str.maketrans("0123456789+-−–", "₀₁₂₃₄₅₆₇₈₉₊₋₋₋")
_INTEGER = re.compile(r"-?[0-9]{1,9}")
_NO_PICTURE = re.compile(
    r"\[[^\]]*\]|[^ ]*\.(?:png|jpe?g|gif|svg|webp|avif|bmp|ico)|"
    r"(?:[\w-]+ ){0,2}(?:logo|icon|avatar|spacer|pixel|thumbnail|image|photo|"
    r"picture|img|banner|bullet|separator)[\W\d]*",
    re.I,
)
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|avif)$", re.I)
_TEXTS = frozenset(["td", "th", "li", "dd", "dt", "p", "label", "span", "h1", "h2", "h3", "h4"])
_MAX_OPTIONS = 20
_FEW_LETTERS = 300
_WORD = re.compile(r"\w+")
_ROMAN = ("-c-cc-ccc", "-x-xx-xxx-xl-l-lx-lxx-lxxx-xc", "-i-ii-iii-iv-v-vi-vii-viii-ix")
_MAX_CELL = 1200
_MAX_NAMES = 20_000_000
"""Characters that the names of columns may come to when they are repeated in every row."""
_MAX_EMPTY = 20
_NEAR = 8


def read_page(text: str) -> Parsed:
    """Read a page, and what it says of itself."""
    root = parse(text)
    if root is None:
        return Parsed()
    title, author, published, language = read_metadata(root)
    return Parsed(read(root), title, author, published, language)


def read(root: Any) -> list[Block]:
    """The main content of a parsed page; its hidden parts are removed from the tree."""
    _remove_hidden(root)
    body = root.find("body")
    body = root if body is None else body
    sizes = measure(body)
    is_of_links = sizes[body].links and sizes[body].prose <= _FEW_LETTERS
    links = copy.deepcopy(body) if is_of_links else None
    blocks = _read(body, sizes)
    if links is not None and not _tells(blocks):
        sizes = measure(links)  # where nothing else is left, the links are the content
        found = (_walk(links, sizes, strict=strict) for strict in (True, False))
        blocks = next(filter(_tells, found), blocks) or _walk(links, sizes)
    return blocks


def _tells(blocks: Iterable[Block]) -> bool:
    return _count(block for block in blocks if block.kind != "heading") > 2


def _read(body: Any, sizes: Sizes) -> list[Block]:
    remove_surroundings(body, sizes)
    main = declared_main(body, sizes)
    if main is not None:
        remove_prompt(main, _text_of)
        blocks = _walk(main, sizes)
        if _count(blocks) >= MAIN_SHARE * _count(_walk(body, sizes)):
            return without_copyright(_walk_beside(main, body, sizes))
    remove_prompt(body, _text_of)
    blocks = _walk(body, sizes) or _walk(body, sizes, strict=False)
    return without_copyright(blocks)


def fragment(text: str) -> list[Block]:
    """The blocks of a piece of HTML inside another format."""
    root = parse(text)
    if root is None:
        return []
    _remove_hidden(root)
    return _walk(root, measure(root))


def _remove_hidden(root: Any) -> None:
    remove_hidden(root)
    etree.strip_tags(root, *_FORMATTING)  # a tag never closed would nest all that follows


def _count(blocks: Iterable[Block]) -> int:
    return sum(len(_WORD.findall(block.text)) for block in blocks)


# --- the walk --------------------------------------------------------------------------------


def _walk(element: Any, sizes: Sizes, *, strict: bool = True) -> list[Block]:
    walker = _Walker(strict=strict, sizes=sizes, prose=sizes[element].prose)
    walker.block(element)
    return walker.blocks


def _walk_beside(main: Any, body: Any, sizes: Sizes) -> list[Block]:
    """The blocks of the main element, and those beside it that tell something."""
    walker = _Walker(strict=True, sizes=sizes, prose=sizes[main].prose)
    before: list[Any] = []
    after: list[Any] = []
    element = main
    while element is not body:
        around = element.getparent()
        after += [" ", element.tail or ""]
        for sibling in element.itersiblings():
            after += [sibling, sibling.tail or ""]
        for sibling in element.itersiblings(preceding=True):
            before += [sibling.tail or "", sibling]
        before += [around.text or "", " "]
        element = around
    walker.beside(reversed(before))
    walker.block(main)
    walker.beside(after)
    return walker.blocks


def _is_said(blocks: list[Block], linked: int) -> bool:
    """Tell whether blocks hold a sentence, values, or a heading with words below it."""
    blocks = [block for block in blocks if not is_copyright(block)]
    if 2 * linked > sum(len(block.text) for block in blocks):
        return False
    kinds = {block.kind for block in blocks}
    if kinds & {"row", "code"} or ("heading" in kinds and len(kinds) > 1):
        return True
    return any(
        len(_WORD.findall(block.text)) >= _MIN_WORDS
        if block.kind == "heading" or _END.search(block.text)
        else _DIGIT.search(block.text) and not _DATED.search(block.text)
        for block in blocks
        if block.kind != "heading" or _DIGIT.search(block.text)
    )


def _units(element: Any) -> Iterator[Any]:
    """Yield an element, or the parts of one that only holds other parts."""
    stack = [element]
    while stack:
        part = stack.pop()
        holds_parts = (
            part.tag in _CONTAINERS
            and len(part)
            and all(child.tag in _CONTAINERS for child in part)
            and not any(text and text.strip() for text in (part.text, *(c.tail for c in part)))
        )
        if holds_parts:
            stack += reversed(part)
        else:
            yield part


def _text_of(element: Any) -> str:
    walker = _Walker(strict=True)
    walker.block(element, walker.element)
    return " ".join(block.text for block in walker.blocks)


@dataclass
class _Walker:
    """Goes through the tree once; text gathers in ``buffer`` until a block element ends it.

    ``term`` waits to be said before the next text, ``entry`` is what the next item defines.
    """

    strict: bool
    sizes: Sizes = field(default_factory=dict)
    prose: int = 0
    titled: bool = False
    picture: str = ""
    blocks: list[Block] = field(default_factory=list)
    buffer: list[str] = field(default_factory=list)
    level: int = 0
    group: int = 0
    groups: int = 0
    marker: str | None = None
    term: str = ""
    entry: str = ""
    depth: int = 0
    linked: int = 0

    def beside(self, parts: Iterable[Any]) -> None:
        """Read texts and elements beside the content; only what tells something is kept."""
        kept, headings = self.blocks, list[Block]()
        for is_run, run in groupby(parts, lambda p: isinstance(p, str) or p.tag not in BLOCKS):
            for unit in [list(run)] if is_run else chain.from_iterable(map(_units, run)):
                self.blocks, self.linked = [], 0
                if is_run:
                    for part in unit:
                        self.text(part) if isinstance(part, str) else self.element(part)
                elif not is_around(unit, self.sizes):
                    self.element(unit)
                self.flush()
                self.settle()
                if _is_said(headings + self.blocks, self.linked):
                    kept += headings + self.blocks
                    headings = []
                elif not is_run or self.blocks:
                    headings = [block for block in self.blocks if block.kind == "heading"]
        self.blocks = kept

    def children(self, element: Any) -> None:
        self.text(element.text)
        self.depth += 1
        for child in element:
            if self.depth > MAX_DEPTH:
                self.text(f" {child.text_content()} ")
            else:
                self.element(child)
            self.text(child.tail)
        self.depth -= 1

    def block(self, element: Any, read: Callable[[Any], None] | None = None) -> None:
        self.flush()
        (read or self.children)(element)
        self.flush()

    def text(self, text: str | None) -> None:
        if text:
            self.buffer.append(" ".join(f"|{text}|".split())[1:-1] if "\n" in text else text)

    def element(self, element: Any) -> None:
        tag = element.tag.lower()
        if tag in _DROPPED:
            shown_by = {"template": "shadowrootmode", "textarea": "readonly"}.get(tag)
            if shown_by is None or shown_by not in element.attrib:
                return
        elif self.strict and is_furniture(element, self.sizes, self.prose):
            return
        is_heading = tag in HEADINGS or element.get("role") == "heading"
        handler = self.heading if is_heading else getattr(self, f"_on_{tag}", None)
        if is_heading or tag in BLOCKS:
            self.block(element, handler or self.children)
        elif handler:
            handler(element)
        elif element.get("role") == "img" and not label_of(element):
            self.buffer.append(element.get("aria-label") or "")
        else:
            self.children(element)

    def _on_a(self, element: Any) -> None:
        is_anchor = not _ANCHOR_CLASSES.isdisjoint((element.get("class") or "").split())
        is_sign = (element.get("href") or "")[:1] == "#" and label_of(element).lower() in _PILCROW
        if is_anchor or is_sign or (self.is_alone(element) and is_to_top(element)):
            return
        if _NOTE_LINK.search(f"{element.get('class')} {element.get('role')}"):
            mark = label_of(element)
            if mark.isalnum() and not holds(element, "sup"):
                return self.note(mark)
        before = element.getprevious()
        if before is not None and before.tag == "a" and not before.tail and self.buffer:
            ends = f"{self.buffer[-1][-1:]}{label_of(element)[:1]}"
            if before.get("href") != element.get("href") and ends.isalnum():
                self.buffer.append(" " if ord(max(ends)) < _LATIN_END else "")
        if element.get("href"):
            self.linked += self.sizes[element].text if element in self.sizes else 0
        self.children(element)

    def is_alone(self, element: Any) -> bool:
        """Tell whether there is no text beside an inline element in its block."""
        following = element.getnext()
        ends = following is None or following.tag in BLOCKS or following.tag == "br"
        return (
            ends
            and not (element.tail or "").strip()
            and not any(text.strip() for text in self.buffer[-_NEAR:])
        )

    def flush(self) -> None:
        """End the paragraph or item that the gathered text belongs to."""
        raw, self.buffer = "".join(self.buffer), []
        lines = [" ".join(line.split()) for line in raw.split("\n")]
        text = "\n".join(line for line in lines if line)
        if not text:
            return
        term, self.term = self.term, ""
        if term and term != text:
            text = f"{term}: {text}"
        if self.marker is None:
            self.add(Block("paragraph", text, level=self.level))
        else:
            marker, self.marker = self.marker, None
            entry, self.entry = self.entry, ""
            self.add(Block("item", text, self.level - 1, marker, self.group, term=entry or term))

    def add(self, block: Block) -> None:
        before = self.blocks[-1].text if self.blocks else ""
        if self.picture and self.picture == before and before in block.text:
            self.blocks[-1] = block  # the caption says it again
        elif not (self.picture and self.picture == block.text and block.text in before):
            self.blocks.append(block)

    def settle(self) -> None:
        """Give a marker or term that is still waiting a line of its own."""
        if self.term:
            self.buffer.append(self.term)
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

    def inside(self, element: Any, *, titled: bool = False) -> _Walker:
        """A walker that has read the element by itself."""
        inner = _Walker(self.strict, self.sizes, self.prose, titled, depth=self.depth)
        inner.block(element)
        self.linked += inner.linked
        return inner

    def heading(self, element: Any) -> None:
        read = self.inside(element, titled=not text_outside(element))
        title = one_line(" ".join(block.text for block in read.blocks))
        if not title:
            return
        self.settle()
        parent = element.getparent()
        if parent is not None and REMARK.fullmatch((parent.get("class") or "").split(" ")[0]):
            self.term = title.rstrip(":")  # "Note" heads a remark, not a section
            return
        level = _integer(element.get("aria-level") or element.tag[1:], 2)
        self.add(Block("heading", title, level=min(max(level, 1), 6), anchor=_anchor(element)))
        self.marker = None

    def _on_summary(self, element: Any) -> None:
        before, self.titled = self.titled, not text_outside(element)
        self.children(element)
        self.titled = before

    _on_legend = _on_summary

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
        text = element.text_content().strip("\n")
        if self.level == 0 and (manual := read_manual(text)):
            self.blocks += [replace(block, group=block.group + self.groups) for block in manual]
            self.groups += max(block.group for block in manual)
        else:
            self.add(Block("code", text, level=self.level))

    _on_xmp = _on_listing = _on_plaintext = _on_pre

    def _on_ul(self, element: Any) -> None:
        self._list(element, None)

    _on_menu = _on_ul

    def _on_ol(self, element: Any) -> None:
        last = sum(1 for child in element if child.tag == "li")
        is_reversed = "reversed" in element.attrib
        first = _integer(element.get("start"), last if is_reversed else 1)
        self._list(element, first, -1 if is_reversed else 1, element.get("type") or "1")

    def _list(self, element: Any, number: int | None, step: int = 1, style: str = "1") -> None:
        self.settle()
        self.entry = ""
        if self.marker is not None and self.level:  # a list that is all that its item holds
            self.marker = None
        self.text(element.text)
        self.flush()
        with self.nested():
            for child in element:
                if child.tag == "li":
                    if number is None:
                        self.marker = "-"
                    else:
                        number = _integer(child.get("value"), number)
                        self.marker = _ordinal(number, style)
                        number += step
                    self.children(child)
                else:
                    self.element(child)
                self.flush()
                self.marker = None
                self.text(child.tail)
                self.flush()

    def _on_dl(self, element: Any) -> None:
        self.settle()
        self.text(element.text)
        self.flush()
        entry, terms = "", list[str]()
        with self.nested():
            for child in chain.from_iterable(map(_definitions, element)):
                if isinstance(child, str):
                    self.text(child)
                    self.flush()
                    continue
                if child.tag == "dt":
                    terms.append(self.cell(child, titled=not text_outside(child)).rstrip(":"))
                elif child.tag != "dd" and not terms:  # it is about all of them
                    self.level -= 1
                    self.block(child)
                    self.level += 1
                else:
                    self.term, self.marker = ", ".join(filter(None, terms)), "-"
                    # A term may have several definitions.
                    self.entry = entry = self.term or entry
                    terms = []
                    self.block(child)
                    self.settle()
                self.text(child.tail)
                self.flush()
            for term in filter(None, terms):  # they have no definition, as in a table of contents
                self.term, self.marker = term, "-"
                self.settle()

    def _on_table(self, element: Any) -> None:
        self.settle()
        strays = take_strays(element)
        table = read_table(element, _MAX_CELL)
        caption = element.find("caption")
        if caption is not None:
            self.block(caption)
        self.block(strays)
        if table is None:  # it only arranges blocks
            for cell in own_cells(element):
                self.block(cell)
            return
        self.groups += 1
        lay_out = partial(linearise, group=self.groups)
        text_of = cache(self.cell)  # a cell may stand in several rows
        names = list(map(self.cell, table.header))
        if sum(map(len, names)) * len(table.rows) > _MAX_NAMES:
            self.blocks += lay_out([], [names], level=self.level)
            names = []
        titled = False
        for is_title, rows in groupby(table.rows, lambda row: len(row) == 1 < len(names)):
            cells = [[*map(text_of, row)] for row in rows]
            if is_title:  # it names the rows below it
                titles = lay_out([], cells, level=self.level)
                self.blocks += [replace(title, term=title.text) for title in titles]
            else:
                self.blocks += lay_out(names, cells, level=self.level + titled)
            titled = titled or is_title

    def cell(self, element: Any, *, titled: bool = False) -> str:
        if element is None:
            return ""
        if len(element) == 0 and element.text:
            return one_line(element.text)
        read = self.inside(element, titled=titled)
        text = one_line(" ".join(block.text for block in read.blocks))
        return text or next(filter(None, map(_label_of_picture, islice(element.iter(), 20))), "")

    def _on_caption(self, element: Any) -> None:
        """Read before the rows."""

    def _on_br(self, element: Any) -> None:
        self.buffer.append("\n")

    def _on_sup(self, element: Any) -> None:
        text, before = label_of(element), "".join(self.buffer[-1:])[-1:]
        if text and _leads_to_note(element):
            self.note(text)
        elif _POWER.fullmatch(text) and (before.isdigit() or before == ")"):
            self.buffer.append(f"^{text}")  # 10 to the 6th is not 106
        elif _NUMBER.fullmatch(text) and before.isalpha():
            self.buffer.append(text.translate(_RAISED))
        else:
            self.children(element)

    def note(self, mark: str) -> None:
        """Set the mark of a footnote apart from the word before it."""
        shown = f"[{mark}]" if mark.isalnum() else mark
        self.buffer.append(mark.translate(_RAISED) if _NOTES.fullmatch(mark) else shown)

    def _on_sub(self, element: Any) -> None:
        text, before = label_of(element), "".join(self.buffer[-1:])[-1:]
        following = (element.tail or "")[:1]
        if _NUMBER.fullmatch(text) and (before.isdigit() or following.isdigit()):
            self.buffer.append(text.translate(_LOWERED))  # 10 to the base 2 is not 102
        else:
            self.children(element)

    def _on_q(self, element: Any) -> None:
        self.buffer.append("“")
        self.children(element)
        self.buffer.append("”")

    def _on_ruby(self, element: Any) -> None:
        """Put the reading after the whole word, which would not be found with it inside."""
        self.children(element)
        reading = "".join(label_of(part) for part in element.iter("rt"))
        if reading:
            self.buffer.append(f"({reading})")

    def _on_math(self, element: Any) -> None:
        self.buffer.append(read_math(element) or element.get("alttext") or "")

    def _on_img(self, element: Any) -> None:
        text, around = one_line(element.get("alt") or ""), element.getparent()
        if around is None or not text or _NO_PICTURE.fullmatch(text):
            return
        if around.tag == "a" and not _PICTURE.search(around.get("href") or ""):
            return  # a control
        if around.tag not in _TEXTS and text.isascii() and " " not in text:
            return  # a name
        file = (element.get("src") or "").rpartition("/")[2].partition(".")[0]
        if around.tag not in ("td", "th") and text.lower() == file.lower():
            return
        self.picture = text
        self.buffer.append(f" {text} ")

    def _on_svg(self, element: Any) -> None:
        if texts := " ".join(map(label_of, element.iter("text"))).strip():
            self.flush()
            self.buffer.append(texts)
            self.flush()
        else:
            self.buffer.append(_label_of_picture(element))

    def _on_iframe(self, element: Any) -> None:
        root = parse(element.get("srcdoc") or "")
        if root is not None:
            _remove_hidden(root)
            self.depth += 10
            self.block(root)
            self.depth -= 10

    def _on_noscript(self, element: Any) -> None:
        text = element.text_content()
        if text.strip() and "javascript" not in text.lower():
            self.children(element)

    def _on_button(self, element: Any) -> None:
        if self.titled:
            self.children(element)
        elif discloses(element) or holds(element, *HEADINGS):
            self.block(element)

    def _on_input(self, element: Any) -> None:
        kind = element.get("type") or "text"
        fixed = "disabled" in element.attrib or "readonly" in element.attrib
        if fixed and kind in ("checkbox", "radio"):
            self.buffer.append("[x] " if "checked" in element.attrib else "[ ] ")
        elif fixed and kind not in ("hidden", "password", "button", "submit", "image", "file"):
            self.buffer.append(element.get("value") or "")

    def _on_select(self, element: Any) -> None:
        """Read the choices that a label or a cell asks for; others switch between pages."""
        before, around = element.getprevious(), element.getparent()
        asked = (before is not None and before.tag == "label") or (
            around is not None and around.tag in ("label", "td", "dd", "li")
        )
        options = [label_of(option) for option in islice(element.iter("option"), _MAX_OPTIONS + 1)]
        if asked and len(options) <= _MAX_OPTIONS:
            choices = [option for option in options if option and not option.isdigit()]
            self.buffer.append(f" {', '.join(choices)} ")


def _label_of_picture(element: Any) -> str:
    if element.tag == "svg" and element.get("role") == "img" and not element.get("aria-label"):
        return label_of(element)
    return str(element.get("aria-label") or element.get("title") or "")


def _definitions(child: Any) -> Iterable[Any]:
    """The text, dt and dd that a div may group, or the child itself."""
    if child.tag != "div" or child.find("dt") is None:
        return (child,)
    return (child.text or "", *child)


def _leads_to_note(sup: Any) -> bool:
    link = next(sup.iter("a"), None)
    if link is None:  # a link around it may hold nothing else
        link = sup.getparent()
        is_alone = len(link) == 1 and not f"{link.text or ''}{sup.tail or ''}".strip()
        if link.tag != "a" or not is_alone:
            return False
    return "#" in (link.get("href") or "")


def _anchor(heading: Any) -> str | None:
    """The id that leads to the heading: its own, one inside, or that of what it begins."""
    if name := heading.get("id") or next(_names(heading, "a", "span"), None):
        return str(name)
    element = heading
    for _ in range(6):
        for before in islice(element.itersiblings(preceding=True), _MAX_EMPTY):
            if any(map(str.strip, before.itertext())) or (before.tail or "").strip():
                return None
            if names := list(_names(before, "*")):  # an anchor stands for what follows it
                return names[-1]
        element = element.getparent()
        if element is None or element.tag in ("body", "main", "html"):
            return None
        if (element.text or "").strip():
            return None
        if element.get("id"):
            return str(element.get("id"))
    return None


def _names(element: Any, *tags: str) -> Iterator[str]:
    for inside in element.iter(*tags):
        name = inside.get("id") or (inside.get("name") if inside.tag != "span" else None)
        if name:
            yield str(name)


def _integer(value: str | None, default: int) -> int:
    found = _INTEGER.fullmatch((value or "").strip())
    return int(found[0]) if found else default


def _ordinal(number: int, style: str) -> str:
    text = str(number)
    if style in ("a", "A") and 1 <= number <= 26:
        text = chr(ord("a") + number - 1)
    elif style in ("i", "I") and 1 <= number < 400:
        places = zip(_ROMAN, f"{number:03}", strict=True)
        text = "".join(digits.split("-")[int(digit)] for digits, digit in places)
    return f"{text.upper() if style.isupper() else text}."
