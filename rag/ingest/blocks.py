"""Blocks: what every format is read into, and the one function that makes text of them.

``Document.text`` is light Markdown that a sentence can be quoted from: headings as ``## Title``, a
paragraph a line, list items with their numbers, table rows one per line with their headers, code
between fences. ``assemble`` alone decides the layout, so offsets are right for all formats.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import zip_longest
from typing import Literal, NamedTuple

from rag.ingest.fetched import Fetched
from rag.text.rows import written
from rag.text.sentences import sentences
from rag.types import Heading, MetadataValue, Page, Scope

Kind = Literal["heading", "paragraph", "item", "row", "code"]

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b"
    "\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e007f]"
)
# Joiners carry meaning in Arabic and Indic scripts and in emoji; after other letters they hide.
_STRAY_JOINER = re.compile(
    "(?<![\u0600-\u200b\u200e-\U0010ffff])[\u200c\u200d]+|(?<=[\u200c\u200d])[\u200c\u200d]+"
)
_LINE_BREAK = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_TRAILING = re.compile(r"(?<![ \t])[ \t]+(?=\n)")  # looked at once for each run
_BLANK_LINES = re.compile(r"\n{3,}")
_LONGEST_TITLE = 200


def normalise(text: str) -> str:
    """Text as it is stored: NFC, LF, plain spaces, nothing invisible, at most one blank line.

    Trailing spaces go, lone surrogates become U+FFFD. Applying it twice changes nothing.
    """
    if text.isascii() and text.isprintable():  # most that is one line
        return text.rstrip()
    text = _LINE_BREAK.sub("\n", text)
    if not text.isascii():
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = _SPACE.sub(" ", text)
        text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
        text = unicodedata.normalize("NFC", _STRAY_JOINER.sub("", text))
    else:
        text = _INVISIBLE.sub("", text)
    text = _TRAILING.sub("", text.rstrip())
    return _BLANK_LINES.sub("\n\n", text).lstrip("\n")


def one_line(text: str) -> str:
    r"""Normalised text with every run of white space as one space.

    >>> one_line("two\n  lines")
    'two lines'
    """
    return " ".join(normalise(text).split())


@dataclass(frozen=True, slots=True)
class Block:
    """One heading, paragraph, list item, table row or piece of code.

    ``level`` is 1 to 6 for a heading and the depth of nesting for everything else. Items of one
    list and rows of one table share a ``group``. A paragraph with ``joins`` continues the paragraph
    before it after that separator, as one that runs over the end of a page. A block with a ``term``
    begins what is said of that, which goes on in the deeper blocks after it.
    """

    kind: Kind
    text: str
    level: int = 0
    marker: str = ""
    group: int = 0
    anchor: str | None = None
    page: int | None = None
    joins: str | None = None
    term: str = ""


ReadBlocks = Callable[[Fetched], tuple[list[Block], list[str]]]
"""Reads a document that is part of another: its blocks, and the notes on it, or SourceError."""


@dataclass(slots=True)
class Parsed:
    """What the reader of a format found in one file; ``pages`` counts them.

    An empty ``language`` is none, None is to be found out. ``notes`` are sentences on what was read
    with doubt or left out.
    """

    blocks: list[Block] = field(default_factory=list)
    title: str | None = None
    author: str | None = None
    published: date | None = None
    language: str | None = None
    pages: int = 0
    metadata: dict[str, MetadataValue] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Assembled(NamedTuple):
    """The text with the places in it; ``text[heading.start:]`` begins with the ``#`` signs."""

    text: str
    headings: list[Heading]
    scopes: list[Scope]
    pages: list[Page]


def assemble(blocks: Iterable[Block], page_count: int = 0) -> Assembled:
    """Lay the blocks out as text; with ``page_count``, pages 1 to that number tile the text."""
    parts: list[str] = []
    headings: list[Heading] = []
    page_starts: dict[int, int] = {}
    scopes = _Scopes()
    length = 0
    previous: Block | None = None
    for block in blocks:
        rendered = _render(block)
        if not rendered:
            continue
        gap = "" if previous is None else _gap(previous, block, rendered)
        if gap in ("", " ") and previous is not None:
            rendered = rendered.lstrip()  # it goes on in the same line
        scopes.end_before(block, length)
        length += len(gap)
        if block.kind == "heading":
            title = one_line(block.text)
            level = min(max(block.level, 1), 6)
            headings.append(Heading(level=level, title=title, start=length, anchor=block.anchor))
        if block.page is not None:
            page_starts.setdefault(block.page, length)
        parts += (gap, rendered)
        scopes.begin(block, length, rendered)
        length += len(rendered)
        previous = block
    scopes.end_before(None, length)
    tiled = _tile(page_starts, page_count, length)
    return Assembled("".join(parts), headings, scopes.found, tiled)


class _Scopes:
    """Finds what is read under a term or after a lead, as the blocks go by in order."""

    def __init__(self) -> None:
        self._open: list[tuple[Block, Scope]] = []
        self._before: tuple[Block, int, str] | None = None
        self._ended: list[Scope] = []

    @property
    def found(self) -> list[Scope]:
        """The scopes that have ended, in the order of their starts."""
        return sorted(self._ended, key=lambda scope: (scope.start, -scope.end))

    def end_before(self, block: Block | None, end: int) -> None:
        """End the scopes that a block is not in; without one, all of them."""
        while self._open:
            opener, scope = self._open[-1]
            if block is not None and _belongs(block, opener, scope.kind):
                break
            self._open.pop()
            self._ended.append(scope.model_copy(update={"end": end}))

    def begin(self, block: Block, start: int, rendered: str) -> None:
        """Note what a block that stands at ``start`` opens, and that before it does by this one."""
        if self._before is not None:
            before, began, text = self._before
            if text.endswith((":", "：")):
                if block.kind in _LED and before.kind in ("paragraph", "item"):
                    self._push(block, "lead", _last_sentence(text), start)
            elif _is_named_by(block, before) and _is_name(text):
                self._push(before, "term", one_line(before.text), began)
        term = block.term or (_run_in(block.text) if _is_bullet(block) else "")
        if term:
            self._push(block, "term", one_line(term), start)
        self._before = None if block.kind in ("heading", "code") else (block, start, rendered)

    def _push(self, block: Block, kind: Literal["term", "lead"], title: str, start: int) -> None:
        if 0 < len(title) <= _LONGEST_TITLE:
            self._open.append((block, Scope(kind=kind, title=title, start=start, end=start)))


_LED = frozenset({"item", "row", "code"})
"""Kinds of block that a line ending in a colon introduces."""
_RUN_IN = re.compile(r"([^.!?:;,|]{1,60}?)(?:[:：]| [-–—]{1,2}) \S")
_LONGEST_NAME = 60


def _is_named_by(block: Block, before: Block) -> bool:
    goes_on = block.kind != "heading" and block.level > before.level
    return goes_on and _is_bullet(before) and not before.term


def _is_bullet(block: Block) -> bool:
    return block.kind == "item" and not any(map(str.isalnum, block.marker))


def _run_in(text: str) -> str:
    """The term that an item begins with, as in "verbose: prints more"."""
    found = _RUN_IN.match(text)
    if found is None or found[1].count("(") != found[1].count(")"):  # "(default: 5)"
        return ""
    return found[1]


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and not text.endswith((".", "!", "?", "。"))


def _belongs(block: Block, opener: Block, kind: str) -> bool:
    """Tell whether a block is in the scope that another one opened."""
    if block.kind == "heading":
        return False
    if block.level > opener.level:
        return True
    is_next = block.kind == opener.kind and block.group == opener.group
    return kind == "lead" and is_next and block.level == opener.level and opener.kind != "code"


def _last_sentence(text: str) -> str:
    *_, last = sentences(text)
    return last.of(text).rstrip(":： ")


def _render(block: Block) -> str:
    if block.kind == "code":
        return _fenced(block.text)
    if block.kind == "paragraph":
        text = normalise(block.text)
        indent = "  " * block.level
        return "\n".join(indent + line if line else "" for line in text.split("\n")) if text else ""
    line = one_line(block.text)
    if not line:
        return ""
    if block.kind == "heading":
        return f"{'#' * min(max(block.level, 1), 6)} {line}"
    if block.kind == "item":
        return f"{'  ' * block.level}{one_line(block.marker) or '-'} {line}"
    return line


def _fenced(code: str) -> str:
    code = normalise(code)
    if not code:
        return ""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{code}\n{fence}"


def _gap(previous: Block, block: Block, rendered: str) -> str:
    if block.joins is not None and block.kind == previous.kind == "paragraph":
        # Without a space, a combining mark would change the letter before it.
        return " " if unicodedata.combining(rendered.lstrip()[0]) else block.joins
    same = block.kind == previous.kind and block.group == previous.group
    return "\n" if same and block.kind in ("item", "row") else "\n\n"


def _tile(starts: dict[int, int], count: int, length: int) -> list[Page]:
    pages: list[Page] = []
    end = length
    for number in range(count, 0, -1):
        start = min(starts.get(number, end), end) if number > 1 else 0
        pages.append(Page(number=number, start=start, end=end))
        end = start
    return pages[::-1]


def read_plain(text: str) -> list[Block]:
    """Plain text as one block, line breaks included, as it may have millions of paragraphs.

    A single short line at the top that does not read like a sentence of the text is its title.
    """
    text = normalise(text)
    first, _, rest = text.partition("\n\n")
    title = first.strip()
    is_title = "\n" not in title and len(title) <= _LONGEST_TITLE and title[-1:] not in ".!?,;:"
    if rest and is_title:
        return [Block("heading", title, level=1), Block("paragraph", rest)]
    return [Block("paragraph", text)] if text.strip() else []


def linearise(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, group: int = 0, level: int = 0
) -> list[Block]:
    """Table rows as ``Header: value; Header: value`` blocks, each understood alone.

    Without a header the cells are joined with `` | ``. In a table of one column the header is a row
    of its own: repeated, it would only be noise.

    >>> [block.text for block in linearise(["Plan", "Price"], [["Basic", "9 EUR"]])]
    ['Plan: Basic; Price: 9 EUR']
    """
    names = [one_line(name) for name in header]
    lines: list[str] = []
    if len(names) == 1:
        lines.append(names[0])
        names = []
    for row in rows:
        cells = [one_line(cell) for cell in row]
        if any(names):
            named = zip_longest(names, cells, fillvalue="")
            lines.append(written((name, cell) for name, cell in named if cell))
        else:
            lines.append(" | ".join(filter(None, cells)))
    return [Block("row", line, level=level, group=group) for line in lines if line]
