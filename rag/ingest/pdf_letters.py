"""The letters of a PDF page by the direction in which they are read, and the runs they make.

pdfium tells code, box and matrix of each letter. A turned text is read as if the page had been
turned, so all else need know of upright text only, and a page that lay crooked under the scanner as
if it had lain straight. A slanted text (a watermark, a seal) is taken in the order in which it was
drawn.
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise, repeat
from statistics import median
from typing import Any

import numpy as np
from pypdfium2 import raw

from rag.ingest.pdf_table import WIDE_GAP, Grid, Line, Rule, Start, turned

_GAP = 1.6
"""A gap of so many line heights inside a line is the edge of a column or of a table cell."""
_WORD_GAP = 0.18
"""Justified lines and troff have spaces as narrow as this."""
_SCRIPT = 0.85
"""A raised or lowered letter is smaller than so much of the letters beside it."""
_SHIFT = 0.12
_SCRIPT_GAP = 0.35
_DROP_CAP = 2
"""A first letter that is larger by so many times reaches down over several lines."""
_POWERS = "0123456789-−–+"
_MARK = frozenset("0123456789,")
_MARKED = frozenset(".,;:!?)]’”»\"'")
_NO_GAP = 0.05
"""Letters no further apart are of one word, whatever pdfium puts between them."""
_ACCENTS = dict(
    zip(
        "`´¨ˆ˜ˇ¸˚˘˙˝¯˛",
        "\u0300\u0301\u0308\u0302\u0303\u030c\u0327\u030a\u0306\u0307\u030b\u0304\u0328",
        strict=True,
    )
)
"""The marks that TeX draws over or under a letter, and the same as marks of that letter."""
_ACCENT_REACH = 80
"""So many letters before and after an accent are looked at for the one that it is on."""
_MAX_ACCENTS = 5000
_SPACES = [
    *(0x09, 0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x1F, 0x20, 0x85, 0xA0, 0x1680),
    *range(0x2000, 0x200B),
    *(0x2028, 0x2029, 0x202F, 0x205F, 0x3000),
]
_SPACE, _BREAK, _HYPHEN = 1, 2, 3
_MAX_CODE = 0x10FFFF
_KINDS = np.zeros(_MAX_CODE + 1, np.uint8)
_KINDS[_SPACES] = _SPACE
_KINDS[[0x0A, 0x0D, 0]] = _BREAK
_KINDS[[0x02, 0xFFFE]] = _HYPHEN  # what pdfium gives for a hyphen at the end of a line
_MAX_SLANT = 10.0
"""So many degrees beside a quarter turn are a page that lay crooked under the scanner."""
_SAME_SLANT = 0.3
_BOLD_NAME = re.compile(rb"bold|black|heavy|[-,]bd|cmb", re.I)
_FRACTION = re.compile(r"\^(\d{1,3}[/⁄]\d)")
_SLANTED = -1


def is_semitic(letter: str) -> bool:
    """Whether a letter is of a script that is read from right to left."""
    return (
        "\u0590" <= letter <= "\u08ff"
        or "\ufb1d" <= letter <= "\ufdff"
        or "\ufe70" <= letter <= "\ufefe"
    )


class Letters:
    """The letters of a page, in the order in which they were drawn."""

    def __init__(self, textpage: Any) -> None:
        """Read code, box (left, bottom, right, top) and direction of each."""
        self.handle = textpage.raw
        count = max(textpage.count_chars(), 0)
        self.codes = np.fromiter(
            map(raw.FPDFText_GetUnicode, repeat(self.handle), range(count)), np.uint32, count
        )
        self.codes[self.codes > _MAX_CODE] = 0xFFFD
        kinds = _KINDS[self.codes]
        self.codes[kinds == _HYPHEN] = ord("-")
        self.breaks, self.spaces = kinds == _BREAK, kinds == _SPACE
        boxes = _read_all("FPDFText_GetLooseCharBox", self.handle, range(count), 4)
        self.boxes = boxes[:, [0, 3, 2, 1]]
        self.seen = ~(self.breaks | self.spaces | np.isnan(boxes[:, 0]))
        self.turns = self._turns()
        accents = np.flatnonzero(np.isin(self.codes, list(map(ord, _ACCENTS))) & self.seen)
        for accent in accents[:_MAX_ACCENTS].tolist():
            self._compose(accent)

    def _compose(self, accent: int) -> None:
        """Make one letter of an accent and the letter that it is drawn on, if there is one."""
        first = max(accent - _ACCENT_REACH, 0)
        near = np.arange(first, min(accent + _ACCENT_REACH + 1, len(self.codes)))
        near = near[self.seen[near] & (self.turns[near] == self.turns[accent]) & (near != accent)]
        turn = max(int(self.turns[accent]), 0)
        a, low, b, high = turned(self.boxes[accent], turn)
        left, bottom, right, _ = turned(self.boxes[near].T, turn)
        overlap = np.minimum(right, b) - np.maximum(left, a)
        on = overlap / np.maximum(np.minimum(right - left, b - a), 0.1)
        on[np.abs(bottom - low) > (high - low) / 2] = 0.0
        if not len(near) or on.max() < 0.6:
            return
        base = int(near[on.argmax()])
        letter = {"ı": "i", "ȷ": "j"}.get(chr(self.codes[base]), chr(self.codes[base]))
        composed = unicodedata.normalize("NFC", letter + _ACCENTS[chr(self.codes[accent])])
        if len(composed) > 1:
            return
        self.codes[base] = ord(composed)
        self.seen[accent] = False
        between = slice(min(base, accent) + 1, max(base, accent))
        if not self.seen[between].any():
            self.spaces[between] = self.breaks[between] = False

    def _turns(self) -> Any:
        """0 to 3 quarter turns to the left for each letter, or ``_SLANTED``."""
        turns = np.zeros(len(self.codes), np.int64)
        self.degrees = np.zeros(len(self.codes))
        index = np.flatnonzero(self.seen)
        if not len(index):
            return turns
        # Letters that go on to the right on one line are of one direction: the first is asked.
        _, bottom, right, top = self.boxes[index].T
        level = (np.diff(bottom) == 0) & (np.diff(top) == 0) & (np.diff(right) > 0)
        begins = np.append(True, ~level)
        firsts = index[begins]
        matrices = _read_all("FPDFText_GetMatrix", self.handle, firsts.tolist(), 6)
        degrees = np.nan_to_num(np.degrees(np.arctan2(matrices[:, 1], matrices[:, 0])))
        for number in np.flatnonzero(np.abs(degrees) > 1):
            if raw.FPDFText_GetFontSize(self.handle, int(firsts[number])) < 0:
                degrees[number] += 180
        quarters = np.rint(degrees / 90)
        upright = np.abs(degrees - 90 * quarters) <= _MAX_SLANT
        found = np.where(upright, quarters % 4, _SLANTED).astype(np.int64)
        turns[index] = found[np.cumsum(begins) - 1]
        self.degrees[index] = degrees[np.cumsum(begins) - 1]
        return turns

    @cached_property
    def directions(self) -> list[int]:
        """The quarter turns that occur, the one of most letters first."""
        counts = Counter(self.turns[self.seen].tolist())
        return [turn for turn, _ in counts.most_common() if turn != _SLANTED]

    def segments(self, turn: int, grids: Sequence[Grid] = ()) -> list[Line]:
        """The runs of letters that stand together on one line and in one cell.

        Their places are those on a page turned so that they are upright.
        """
        index = np.flatnonzero(self.seen & (self.turns == turn))
        if not len(index):
            return []
        box = turned(self.boxes[index].T, turn)
        left, bottom, right, top = box if grids else self._straight(box, index)
        height = np.maximum(top - bottom, 1.0)
        spaces, breaks = (np.cumsum(marks)[index] for marks in (self.spaces, self.breaks))
        middles = zip(((left + right) / 2).tolist(), ((bottom + top) / 2).tolist(), strict=True)
        cells = [_cell(grids, x, y) for x, y in middles] if grids else [None] * len(index)
        gap = left[1:] - right[:-1]
        joined = (
            (np.diff(spaces) + np.diff(breaks) == 0)
            & (np.diff(bottom) == 0)
            & (np.diff(top) == 0)
            & (np.diff(right) >= 0)
            & ((gap >= -height[:-1]) | (np.diff(left) == 0))  # a ligature's letters are in one box
            & (gap <= _WORD_GAP * height[:-1])
        )
        if grids:
            joined &= np.array([a == b for a, b in pairwise(cells)], bool)
        starts = np.flatnonzero(np.concatenate(([True], ~joined)))
        ends = np.append(starts[1:], len(index))
        text = self.codes[index].astype("<u4").tobytes().decode("utf-32-le", "replace")
        before = np.maximum(starts - 1, 0)
        columns = (
            starts,
            ends,
            np.minimum.reduceat(left, starts),
            bottom[starts],
            right[ends - 1],
            top[starts],
            height[starts],
            spaces[starts] != spaces[before],
            breaks[starts] != breaks[before],
            index[starts],
        )
        runs: list[_Run] = []
        for start, end, *place in zip(*(column.tolist() for column in columns), strict=True):
            word = _Word(text[start:end], cells[start], *place)
            run = runs[-1] if runs else None
            if run and word.cell != run.last.cell and run.is_in_word(word):
                word.cell = run.last.cell  # wider than its cell, it is where it begins
            font, bold = _font(self.handle, word.index)
            if run is None or word.cell != run.last.cell or not run.goes_on(word):
                runs.append(_Run(self.handle, turn, word, font, bold))
                continue
            run.bold = run.bold and bold
            if word.space and run.is_close(word):
                word.space = not self._is_generated(word.index - 1)
            run.add(word, font)
        return [run.line() for run in runs]

    def _is_generated(self, index: int) -> bool:
        """Whether pdfium made up the space at or before an index."""
        while index and not (self.seen[index] or self.spaces[index]):
            index -= 1
        return bool(raw.FPDFText_IsGenerated(self.handle, index) == 1)

    def _straight(self, box: Sequence[Any], index: Any) -> Sequence[Any]:
        """Boxes of text that is all askew by some degrees as they were meant to be."""
        slants = self.degrees[index] - 90 * np.rint(self.degrees[index] / 90)
        usual = float(np.median(slants))
        same = np.abs(slants - usual) < _SAME_SLANT
        if abs(usual) < _SAME_SLANT or same.mean() < 0.9:
            return box
        left, bottom, right, top = (float(side.mean()) for side in box)
        return straight(box, usual, (left + right) / 2, (bottom + top) / 2)

    def slanted(self) -> list[tuple[float, Line]]:
        """Lines of slanted text and their degrees, in the order in which they were drawn.

        Their places are those on a page turned so that they are upright.
        """
        lines: list[tuple[float, Line]] = []
        wanted = (self.turns == _SLANTED) & self.seen
        if not wanted.any():
            return []
        for run in np.split(np.arange(len(self.codes)), np.flatnonzero(self.breaks)):
            letters = run[wanted[run]]
            if len(letters):
                shown = run[self.spaces[run] | wanted[run]]
                text = " ".join("".join(map(chr, self.codes[shown].tolist())).split())
                degrees = round(float(self.degrees[letters[0]]), 1)
                boxes = straight(self.boxes[letters].T, degrees)
                left, right = float(boxes[0].min()), float(boxes[2].max())
                bottom, top = float(np.median(boxes[1])), float(np.median(boxes[3]))
                lines.append(
                    (degrees, Line(text, left, bottom, right, top, round(top - bottom, 1)))
                )
        return lines


def _read_all(function: str, handle: Any, indices: Sequence[int], width: int) -> Any:
    """What the function writes for each letter, a row of numbers; nan where it fails."""
    count = len(indices)
    values = np.zeros((count, width), np.float32)
    # One call a letter is what reading costs: called with plain numbers, it takes half the time.
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    read = kind(ctypes.cast(getattr(raw, function), ctypes.c_void_p).value or 0)
    start, step = values.ctypes.data, 4 * width
    page = ctypes.cast(handle, ctypes.c_void_p).value
    places = range(start, start + step * count, step)
    done = np.fromiter(map(read, repeat(page), indices, places), np.int32, count)
    result = values.astype(np.float64)
    result[done == 0] = np.nan
    return result


def straight(box: Sequence[Any], degrees: float, x: float = 0.0, y: float = 0.0) -> Sequence[Any]:
    """Boxes of slanted letters turned back around a point, with the size of the letters."""
    left, bottom, right, top = box
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    width, height = right - left, top - bottom
    shrunk = cosine**2 - sine**2
    if abs(shrunk) > 0.1:  # the box around a slanted letter is larger than the letter
        width, height = (
            (size * abs(cosine) - other * abs(sine)) / shrunk
            for size, other in ((width, height), (height, width))
        )
    x, y = (left + right) / 2 - x, (bottom + top) / 2 - y
    x, y = x * cosine + y * sine, np.round(y * cosine - x * sine, 2)
    height = np.round(height, 1)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def turned_rules(
    across: list[Rule], upright: list[Rule], turn: int
) -> tuple[list[Rule], list[Rule]]:
    """The rules in both directions of a page turned so many quarters back."""
    for _ in range(turn % 4):
        across, upright = (
            [Rule(-rule.at, rule.start, rule.end) for rule in upright],
            [Rule(rule.at, -rule.end, -rule.start) for rule in across],
        )
    return across, upright


def _cell(grids: Sequence[Grid], x: float, y: float) -> tuple[int, tuple[int, int]] | None:
    for index, grid in enumerate(grids):
        if grid.holds(x, y):
            return index, grid.cell(x, y)
    return None


def _font(handle: Any, index: int) -> tuple[str, bool]:
    """Name of the font of a letter, and whether it is bold."""
    raw.FPDFText_GetFontInfo(handle, index, _NAME, len(_NAME), None)
    name, is_bold = _named(_NAME.value)
    return name, is_bold or raw.FPDFText_GetFontWeight(handle, index) >= 600


_NAME = ctypes.create_string_buffer(80)


@cache
def _named(name: bytes) -> tuple[str, bool]:
    return name.decode("latin1"), _BOLD_NAME.search(name) is not None


@dataclass(slots=True)
class _Word:
    """Letters of one size that nothing parts; ``space`` or a ``broken`` line stands before them."""

    text: str
    cell: tuple[int, tuple[int, int]] | None
    left: float
    bottom: float
    right: float
    top: float
    height: float
    space: bool
    broken: bool
    index: int


class _Run:
    """Words that are being gathered into one segment."""

    def __init__(self, handle: Any, turn: int, word: _Word, font: str, bold: bool) -> None:
        self.handle, self.turn, self.bold = handle, turn, bold
        self.starts = [Start(0, word.left, 0.0, font)]
        self.length = len(word.text)
        self.last = self.base = word
        self.left, self.bottom, self.right, self.top = word.left, word.bottom, word.right, word.top
        self.height = word.height
        self.parts = [word.text]
        self.gaps: list[float] = []
        self.heights = Counter({word.height: len(word.text)})
        self.weight = self.level = len(word.text)
        self.raised = self.marked = False
        self.alone = len(word.text) == 1

    def gap(self, word: _Word) -> float:
        """How far the word is from what was read; less than 0 where they overlap."""
        right = word.left - self.right
        if right < 0 and (is_semitic(word.text[0]) or is_semitic(self.last.text[-1])):
            return max(right, self.left - word.right)
        return right

    def shift(self, word: _Word) -> float:
        """How far a raised letter stands above what was read, or it above that letter.

        It is 0 where neither is smaller, and less than 0 for a lowered letter.
        """
        if word.bottom == self.bottom:
            return 0.0
        base = self.base.height
        small, large = (word.height, base) if word.height < base else (base, word.height)
        if small > _SCRIPT * large:
            return 0.0
        rise = self.origin(word.index)[1] - self.origin(self.base.index)[1]
        return rise if abs(rise) > _SHIFT * large else 0.0

    def is_close(self, word: _Word) -> bool:
        """Whether a space before a word may be none: at a step up or down, or in no gap."""
        if self.is_level(word):
            # A slanted letter may reach further to the left than the place where it stands.
            gap = max(self.gap(word), self.origin(word.index)[0] - self.right)
            return -0.2 * word.height < gap <= _NO_GAP * word.height
        return word.height < self.height and self.shift(word) != 0

    def is_in_word(self, word: _Word) -> bool:
        gap = abs(word.left - self.last.right)
        return not (word.space or word.broken) and (
            gap <= _NO_GAP * word.height and self.is_level(word)
        )

    def is_level(self, word: _Word) -> bool:
        """Whether a word stands where the last one did, in letters of about its size."""
        small, large = sorted((word.height, self.last.height))
        return small > _SCRIPT * large and abs(word.bottom - self.last.bottom) <= _SHIFT * large

    def origin(self, index: int) -> tuple[float, float]:
        """Where a letter stands: its left, and the height of its line."""
        x, y = ctypes.c_double(), ctypes.c_double()
        raw.FPDFText_GetCharOrigin(self.handle, index, ctypes.byref(x), ctypes.byref(y))
        left, foot, *_ = turned((x.value, y.value, x.value, y.value), self.turn)
        return float(left), float(foot)

    def goes_on(self, word: _Word) -> bool:
        height = self.last.height
        distance = abs((word.top + word.bottom) - (self.top + self.bottom)) / 2
        if distance > 0.6 * max(height, word.top - word.bottom):
            return False
        gap = self.gap(word)
        if word.broken:  # pdfium ends a line at what is raised or lowered
            near = abs(gap) <= _SCRIPT_GAP * max(height, word.height)
            return near and (self.raised or self.shift(word) != 0)
        return -height <= gap <= _GAP * height

    def add(self, word: _Word, font: str) -> None:
        gap, height, shift = self.gap(word), self.last.height, self.shift(word)
        is_drop_cap = _DROP_CAP * word.height <= self.height and len(self.parts) == 1
        if is_drop_cap or (shift and word.height < self.height and not word.broken):
            limit = _SCRIPT_GAP * height
        else:
            limit = _WORD_GAP * max(height, word.height)
        before = self.last.text[-1]
        is_mark = shift and word.height > self.height and before.isdigit()
        is_mark = is_mark or (self.marked and not shift)
        apart = word.space or gap > limit or (is_mark and word.text[0].isalpha())
        raised = shift > 0 and word.height < height
        self.marked = (
            not apart
            and word.text[0] != ","
            and _MARK.issuperset(word.text)
            and (
                (raised and (before.isalpha() or before in _MARKED))
                or (self.marked and self.is_level(word))
            )
        )
        if apart:
            self.parts.append(" ")
            self.length += 1
            if font != self.starts[-1].font or gap >= WIDE_GAP * height:
                self.starts.append(Start(self.length, word.left, gap, font))
        elif raised and before.isdigit() and word.text[0] in _POWERS and not self.marked:
            self.parts.append("^")
            self.length += 1
        self.level = len(word.text) + self.level * self.is_level(word)
        self.weight += len(word.text) * (not shift)
        self.raised = shift != 0 and word.height < self.top - self.bottom
        self.gaps.append(gap if apart else 0.0)
        self.left = word.left if is_drop_cap else min(self.left, word.left)
        self.right = max(self.right, word.right)
        if shift != 0 and self.level > self.weight + 3:
            self.height = word.height  # what came first was a mark before the text, or a large sign
        if word.height >= self.height or is_drop_cap:
            self.bottom, self.top = word.bottom, word.top
            self.base = word
            self.weight = self.level if shift else self.weight
        self.parts.append(word.text)
        self.length += len(word.text)
        self.heights[word.height] += len(word.text)
        self.alone = self.alone and len(word.text) == 1
        self.last = word

    def line(self) -> Line:
        text = "".join(self.parts)
        if self.alone and len(self.gaps) > 2:
            text = self.without_spacing(text)
        text = _FRACTION.sub(r" \1", text)
        return Line(
            text=text,
            left=self.left,
            bottom=self.bottom,
            right=self.right,
            top=self.top,
            height=round(median(self.heights.elements()), 1),
            bold=self.bold,
            grid=self.last.cell[0] if self.last.cell else None,
            starts=self.starts if len(text) == self.length else self.starts[:1],
        )

    def without_spacing(self, text: str) -> str:
        """The words of a title whose letters stand apart."""
        letters = text.replace(" ", "")
        usual = median(self.gaps)
        enough = sum(map(str.isalpha, letters)) >= 0.8 * len(letters)
        if not enough or not 0 < usual <= 0.8 * self.height:
            return text
        spaced = (
            f" {x}" if gap > 1.8 * usual else x
            for x, gap in zip(letters[1:], self.gaps, strict=True)
        )
        return letters[0] + "".join(spaced)
