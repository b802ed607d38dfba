"""Definition and option lists of a PDF: terms at the left, and what is said of them further in.

Much else looks so: quotations, verse, code, the first lines of paragraphs, tables. Nothing is an
entry by itself, therefore: several in a row must have one edge and one indentation, terms that read
or look like names, and definitions that read like sentences and keep their indentation when they go
on. Where that is in doubt, a line stays what it would be without this.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import mode
from typing import NamedTuple

from rag.ingest.pdf_table import WIDE_GAP, Line

SAME = 1.6
"""Points by which two lines with the same left edge may miss one another."""
_LEAST, _MOST = 0.9, 16.0
"""How far a definition stands in from its term, in line heights."""
_LONGEST_TERM = 80
_MOST_WORDS = 10
_MOST_TERMS = 6
_STEP = 2.6
_MIN_PAIRS = 3
_MIN_SHARE = 0.6
_LONG_SECTION = 12
_LOOK = 4
_ENDS = (".", "!", "?", ":", ";", ",", "。", "：")
_ELLIPSIS = ("...", "…", ". . .")
_NO_TERM = re.compile(r"[•◦▪‣●○■□]|\(?(?:\d|[ivx]{1,4}[.)]|[a-z][.)])[\d.)]*(?:\s|$)|[-–—*]\s")
_NAME = re.compile(r"[-/+@$%&]\S|.*[=<>\[\]_()/\\]|\S+$")
_PAGE = re.compile(r"[^\W\d] ?[\d ]+$")
_WORD = re.compile(r"[^\W\d_]{2,}")
_FIXED = re.compile(r"mon[ol]|cour|consol|typew|menlo|fixed|term|code|tt(?:\d|$|-)", re.I)


class Entry(NamedTuple):
    """A term, the left edges of it and of its definition, and what of that is in the same line.

    Further lines of the term have none of their own.
    """

    term: str
    left: float
    inner: float
    rest: str


class _Pair(NamedTuple):
    """A line that may be the last of a term, and what speaks for and against it."""

    term: str
    rest: str
    left: float
    inner: float
    is_name: bool
    is_told: bool
    is_set_off: bool

    @property
    def key(self) -> tuple[int, int]:
        return round(self.left), round(self.inner - self.left)


@dataclass
class _List:
    left: float
    key: tuple[int, int]
    first: int
    last: int = 0
    pairs: list[tuple[int, _Pair]] = field(default_factory=list)

    def share(self, of: Iterable[bool]) -> float:
        return sum(of) / len(self.pairs)

    def is_clear(self) -> bool:
        """Whether what is seen of the list alone is that of one."""
        pairs = [pair for _, pair in self.pairs]
        if len(pairs) == 1 and not pairs[0].is_set_off:
            return False
        if len({pair.term for pair in pairs}) < _MIN_SHARE * len(pairs):
            return False  # they are bullets, or the same line of many programs
        return (
            self.share(pair.is_name for pair in pairs) >= _MIN_SHARE
            and self.share(pair.is_told for pair in pairs) >= _MIN_SHARE
        )


class Entries:
    """The entries among the lines of a document: ``found`` has them by the ids of lines."""

    def __init__(
        self,
        lines: Sequence[Line],
        is_plain: Callable[[Line], bool],
        is_short: Callable[[Line], bool],
    ) -> None:
        """Take what tells lines of text from headings, and those that end before the edge."""
        self._lines = lines
        self._is_short = is_short
        self._plain = [not line.flow and line.table is None and is_plain(line) for line in lines]
        self._shifts = _shifts(lines)
        self._lefts = list(map(self.left, lines))
        fonts: Counter[str] = Counter()
        for line in lines:
            for font, length in _fonts(line, 0):
                fonts[font] += length
        self._font = max(fonts, key=fonts.__getitem__, default="")
        self._known: frozenset[tuple[int, int]] = frozenset()
        self.found = self._find()

    def left(self, line: Line) -> float:
        """The left edge of a line, as if all pages had the margins of an even one."""
        return line.left - self._shifts[line.page % 2]

    def _find(self) -> dict[int, Entry]:
        pairs = [self._pair(index) for index in range(len(self._lines))]
        seen = (pair for pair in pairs if pair and pair.is_name and pair.is_told)
        self._known = frozenset(key for pair in seen for key in _around(pair.key))
        lists = [found for found in self._lists(pairs) if found.is_clear()]
        counts: Counter[tuple[int, int]] = Counter()
        for found in lists:
            if len(found.pairs) > 1:
                for key in _around(found.key):
                    counts[key] += len(found.pairs)
        full = (
            round(left)
            for left, line, plain in zip(self._lefts, self._lines, self._plain, strict=True)
            if plain and not self._is_short(line)
        )
        prose = {edge + by for edge in full for by in (-1, 0, 1)}
        first_lines = self._first_lines()
        entries: dict[int, Entry] = {}
        for found in lists:
            if 4 * first_lines[found.key] > counts[found.key]:
                continue
            size = (found.last - found.first + 1) / len(found.pairs)
            if size > _LONG_SECTION and round(found.left) not in prose:
                continue  # sections, whose text stands in from their headings
            if counts[found.key] >= _MIN_PAIRS + (len(found.pairs) < 2):
                for index, pair in found.pairs:
                    entries |= self._entry(index, pair)
        return entries

    def _first_lines(self) -> Counter[tuple[int, int]]:
        """How many paragraphs begin further in than they go on, by the edges."""
        counts: Counter[tuple[int, int]] = Counter()
        for index, line in enumerate(self._lines[:-1]):
            left, step = self._lefts[index + 1], self._lefts[index] - self._lefts[index + 1]
            if (
                step > _LEAST * line.height
                and self._plain[index]
                and self._plain[index + 1]
                and not self._is_short(line)
                and not line.text.endswith(_ENDS)
                and self._is_next(index)
            ):
                counts.update(_around((round(left), round(step))))
        return counts

    def _lists(self, pairs: Sequence[_Pair | None]) -> Iterator[_List]:
        """Pairs with the same edges and nothing but their definitions between them."""
        open_: list[_List] = []
        before: Line | None = None
        for index, line in enumerate(self._lines):
            left = self._lefts[index]
            pair = pairs[index] or self._short_pair(index)
            if before and line.column != before.column and left > before.right:
                left = float("-inf")  # the next column
            while open_ and (
                left < open_[-1].left - SAME
                or (
                    left <= open_[-1].left + SAME
                    and not (pair and pair.key in _around(open_[-1].key))
                    and not self._leads_to(index, pairs, open_[-1].key)
                )
            ):
                open_[-1].last = index - 1
                yield open_.pop()
            if pair:
                if not open_ or open_[-1].left < pair.left - SAME:
                    open_.append(_List(pair.left, pair.key, index))
                open_[-1].pairs.append((index, pair))
            before = line
        for found in open_:
            found.last = len(self._lines) - 1
            yield found

    def _leads_to(self, index: int, pairs: Sequence[_Pair | None], key: tuple[int, int]) -> bool:
        """Whether a line is one of several terms that the last of them goes on with."""
        for at in range(index, min(index + _MOST_TERMS, len(self._lines))):
            if pair := pairs[at]:
                return pair.key in _around(key) and index in self._terms(at)
        return False

    def _terms(self, last: int) -> list[int]:
        """The lines of a term of which the last is known: each a name at the same edge."""
        found = [last]
        while len(found) < _MOST_TERMS and found[0] > 0:
            at = found[0] - 1
            line, below = self._lines[at], self._lines[at + 1]
            if not (
                self._plain[at]
                and abs(self._lefts[at] - self._lefts[last]) <= SAME
                and self._is_next(at)
                and line.page == below.page
                and self._is_short(line)
                and _is_term(line.text)
                and _NAME.match(line.text)
                and self._begins(at)
            ):
                break
            found.insert(0, at)
        if len(found) == _MOST_TERMS or self._is_in_code(found[0]):
            return []
        return found

    def _is_in_code(self, index: int) -> bool:
        """Whether the line above is no term, but stands and looks as this one does."""
        if not index or not self._is_next(index - 1):
            return False
        above, line = self._lines[index - 1 : index + 1]
        if abs(self._lefts[index - 1] - self._lefts[index]) > SAME or not line.starts:
            return False
        return {start.font for start in above.starts} == {line.starts[0].font} != {self._font}

    def _entry(self, last: int, pair: _Pair) -> dict[int, Entry]:
        *before, end = self._terms(last)
        names = ", ".join([*(self._lines[at].text for at in before), pair.term])
        places = [*before, end]
        return {
            id(self._lines[at]): Entry(
                names if at == places[0] else "",
                pair.left,
                pair.inner,
                pair.rest if at == end else "",
            )
            for at in places
        }

    def _pair(self, index: int) -> _Pair | None:
        """A line with a definition below it, or one beside that goes on below."""
        if not self._plain[index] or not self._begins(index):
            return None
        line = self._lines[index]
        inner = self._inner(index)
        if inner is None:
            return None
        fonts = {_main_font(self._lines[index + 1], 0), self._font} - {""}
        for start in line.starts[1:]:
            at = start.left - self._shifts[line.page % 2]
            hangs = start.gap >= WIDE_GAP * line.height and abs(at - inner) <= SAME
            runs_in = (
                start.font in fonts
                and not self._is_short(line)
                and line.starts[0].font not in fonts
            )
            if hangs or runs_in:
                return self._made(
                    index, line.text[: start.offset], inner, line.text[start.offset :]
                )
        if self._is_short(line) and len(line.parts) < 2:
            return self._made(index, line.text, inner, "")
        return None

    def _short_pair(self, index: int) -> _Pair | None:
        """A line with its whole definition beside its term, where others show the edges."""
        if not self._plain[index] or not self._begins(index):
            return None
        line, left = self._lines[index], self._lefts[index]
        for start in line.starts[1:]:
            inner = start.left - line.left + left
            key = round(left), round(inner - left)
            if start.gap >= WIDE_GAP * line.height and key in self._known:
                return self._made(
                    index, line.text[: start.offset], inner, line.text[start.offset :]
                )
        return None

    def _made(self, index: int, term: str, inner: float, rest: str) -> _Pair | None:
        term = term.strip()
        if not _is_term(term) or not self._terms(index):
            return None
        line, left = self._lines[index], self._lefts[index]
        told = [rest] if rest else []
        body: Line = line
        offset = len(line.text) - len(rest)
        for at in range(index + 1, min(index + 1 + _LOOK, len(self._lines))):
            if not self._plain[at] or self._lefts[at] < inner - SAME:
                break
            if not told:
                body, offset = self._lines[at], 0
            told.append(self._lines[at].text)
        text = " ".join(told)
        words = _WORD.findall(text)
        font = _main_font(body, offset)
        own = line.starts[0].font if line.starts else ""
        is_code = _is_fixed(font) and not _is_fixed(self._font)
        is_sentence = (len(words) >= 5 and not _PAGE.search(text)) or (
            len(words) > 1 and text.rstrip().endswith((".", "!"))
        )
        is_set_off = bool(own and font) and own not in (font, self._font)
        is_name = _NAME.match(term) is not None
        mostly = 2 * sum(map(len, words)) >= len(text.replace(" ", ""))
        return _Pair(
            term,
            rest,
            left,
            inner,
            is_name=is_set_off or is_name,
            is_told=is_sentence and mostly and not is_code,
            is_set_off=is_set_off or (is_name and not term.isalpha()),
        )

    def _inner(self, index: int) -> float | None:
        """The edge of the lines below that stand in from a line."""
        line, left = self._lines[index], self._lefts[index]
        found: list[float] = []
        for at in range(index + 1, min(index + 1 + _LOOK, len(self._lines))):
            if not self._plain[at] or self._lefts[at] <= left + _LEAST * line.height:
                break
            if not found and not self._is_next(index):
                break
            found.append(self._lefts[at])
        inner = min(found, default=left)
        return inner if _LEAST <= (inner - left) / line.height <= _MOST else None

    def _is_next(self, index: int) -> bool:
        """Whether the line after one goes on from it: below, or at the top of another page."""
        line, below = self._lines[index], self._lines[index + 1]
        if (line.page, line.column) != (below.page, below.column):
            return below.page == line.page + 1
        return 0 < line.middle - below.middle <= _STEP * max(line.height, below.height)

    def _begins(self, index: int) -> bool:
        """Whether a line is not in the middle of a paragraph."""
        if not index or not self._plain[index - 1]:
            return True
        before, line = self._lines[index - 1], self._lines[index]
        if (before.page, before.column) == (line.page, line.column) and not self._is_next(
            index - 1
        ):
            return True
        return (
            before.text.endswith((*_ENDS[:4], ")", "”", '"'))
            or self._is_short(before)
            or self._lefts[index - 1] > self._lefts[index] + _LEAST * line.height
        )


def _around(key: tuple[int, int]) -> list[tuple[int, int]]:
    """Edges that differ by no more than rounding."""
    return [(key[0] + x, key[1] + y) for x in (-1, 0, 1) for y in (-1, 0, 1)]


def _shifts(lines: Sequence[Line]) -> tuple[float, float]:
    """How far the margins of even and of odd pages are from one another, as in a bound book."""
    edges: dict[int, float] = {}
    for line in lines:
        if not line.flow and line.table is None:
            edges[line.page] = min(edges.get(line.page, line.left), line.left)
    sides = [[round(edge) for page, edge in edges.items() if page % 2 == odd] for odd in (0, 1)]
    if min(map(len, sides)) < _LONG_SECTION:
        return 0.0, 0.0
    even, odd = map(mode, sides)
    sure = all(side.count(mode(side)) > 0.6 * len(side) for side in sides)
    return (0.0, float(odd - even)) if sure else (0.0, 0.0)


def _fonts(line: Line, offset: int) -> Iterator[tuple[str, int]]:
    ends = [start.offset for start in line.starts[1:]] + [len(line.text)]
    for start, end in zip(line.starts, ends, strict=False):
        if start.offset >= offset:
            yield start.font, end - start.offset


def _main_font(line: Line, offset: int) -> str:
    fonts: Counter[str] = Counter()
    for font, length in _fonts(line, offset):
        fonts[font] += length
    return fonts.most_common(1)[0][0] if fonts else ""


def _is_fixed(font: str) -> bool:
    return _FIXED.search(font) is not None


def _is_term(text: str) -> bool:
    if (
        not text.isprintable()
        or not 0 < len(text) <= _LONGEST_TERM
        or len(text.split()) > _MOST_WORDS
    ):
        return False
    if not any(map(str.isalnum, text)):
        return len(text) <= 3 and text not in "•◦▪‣●○■□-−–—*|"
    if text.endswith(_ENDS) and not text.endswith(_ELLIPSIS):
        return False
    return not _NO_TERM.match(text) and any(map(str.isalpha, text))
