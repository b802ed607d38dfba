"""One page of a PDF to lines in reading order, from the boxes of its characters.

pdfium gives characters in the order in which they were drawn, which is the reading order more often
than not. It is left only where the page shows two columns that fill their width, as running text
does and table cells do not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

_GAP = 1.6
"""A gap of so many line heights inside a line is the edge of a column or of a table cell."""
_BROKEN_HYPHENS = (0x02, 0xFFFE)
"""What pdfium gives for a hyphen at the end of a line."""
_SHORT_GAP = 0.13
_MIN_COLUMN_LINES = 4
_MIN_FILL = 0.7
_MIN_GUTTER = 0.5


@dataclass
class Line:
    """A line of text: its place in points from the lower left corner, its cells if several."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    height: float
    page: int = 0
    column: int = 0
    cells: list[str] = field(default_factory=list)

    @property
    def middle(self) -> float:
        """The height at which it stands on the page."""
        return (self.top + self.bottom) / 2


def read_lines(textpage: Any, number: int) -> list[Line]:
    """Return the lines of a page in reading order."""
    segments = _segments(textpage)
    ordered = _columns(segments)
    if ordered is None:
        ordered = [(0, _in_rows(segments))]
    lines: list[Line] = []
    for column, part in ordered:
        for line in part:
            line.page, line.column = number, column
            lines.append(line)
    return lines


def _segments(textpage: Any) -> list[Line]:
    """Return the runs of characters that stand together on one line."""
    from pypdfium2 import raw

    found: list[Line] = []
    box = raw.FS_RECTF()
    pointer = ctypes.byref(box)
    handle = textpage.raw
    run = _Run()
    for index in range(textpage.count_chars()):
        code = raw.FPDFText_GetUnicode(handle, index)
        if code in (0x0A, 0x0D, 0):
            run.finish(found)
            continue
        letter = "-" if code in _BROKEN_HYPHENS else chr(code)
        if letter.isspace():
            run.space = True
            continue
        if not raw.FPDFText_GetLooseCharBox(handle, index, pointer):
            continue
        if run.letters and not run.goes_on(box.left, box.bottom, box.top):
            run.finish(found)
        run.add(letter, box.left, box.bottom, box.right, box.top)
    run.finish(found)
    return found


class _Run:
    """Characters that are being gathered into one segment."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.letters: list[str] = []
        self.left = self.bottom = self.right = self.top = 0.0
        self.heights: list[float] = []
        self.space = False

    def goes_on(self, left: float, bottom: float, top: float) -> bool:
        height = self.heights[-1]
        shift = abs((top + bottom) - (self.top + self.bottom)) / 2
        level = shift <= 0.6 * max(height, top - bottom)
        return level and -height <= left - self.right <= _GAP * height

    def add(self, letter: str, left: float, bottom: float, right: float, top: float) -> None:
        if self.letters:
            if self.space or left - self.right > _SHORT_GAP * 2 * self.heights[-1]:
                self.letters.append(" ")
            self.left, self.right = min(self.left, left), max(self.right, right)
            if top - bottom >= self.heights[0]:
                self.bottom, self.top = bottom, top
        else:
            self.left, self.bottom, self.right, self.top = left, bottom, right, top
        self.space = False
        self.letters.append(letter)
        self.heights.append(max(top - bottom, 1.0))

    def finish(self, found: list[Line]) -> None:
        if self.letters:
            found.append(
                Line(
                    text="".join(self.letters),
                    left=self.left,
                    bottom=self.bottom,
                    right=self.right,
                    top=self.top,
                    height=round(median(self.heights), 1),
                )
            )
        self.reset()


def _in_rows(segments: list[Line]) -> list[Line]:
    """Join the segments of one row; by position where the drawing order jumps about."""
    upward = sum(below.middle > above.middle + above.height for above, below in pairwise(segments))
    if upward > 0.3 * len(segments):
        segments = sorted(segments, key=lambda segment: (-round(segment.middle, 0), segment.left))
    rows: list[list[Line]] = []
    for segment in segments:
        if rows and abs(rows[-1][-1].middle - segment.middle) <= 0.4 * segment.height:
            rows[-1].append(segment)
        else:
            rows.append([segment])
    return [_row(sorted(row, key=lambda segment: segment.left)) for row in rows]


def _row(parts: list[Line]) -> Line:
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    return Line(
        text=" ".join(part.text for part in parts),
        left=first.left,
        bottom=min(part.bottom for part in parts),
        right=max(part.right for part in parts),
        top=max(part.top for part in parts),
        height=median(part.height for part in parts),
        cells=[part.text for part in parts],
    )


def _columns(segments: list[Line], depth: int = 0) -> list[tuple[int, list[Line]]] | None:
    """Return (column, lines) in reading order, or None for a page of one column."""
    gutter = _gutter(segments)
    if gutter is None or depth > 2:
        return None
    ordered: list[tuple[int, list[Line]]] = []
    band: list[Line] = []

    def close_band() -> None:
        for side in (
            [segment for segment in band if segment.right <= gutter],
            [segment for segment in band if segment.left >= gutter],
        ):
            side.sort(key=lambda segment: (-segment.middle, segment.left))
            inner = _columns(side, depth + 1)
            for _, lines in inner or [(0, _in_rows(side))]:
                ordered.append((len(ordered) + 1, lines))
        band.clear()

    for segment in sorted(segments, key=lambda segment: -segment.middle):
        if segment.left < gutter < segment.right:
            close_band()
            ordered.append((0, [segment]))
        else:
            band.append(segment)
    close_band()
    return [(column, lines) for column, lines in ordered if lines]


def _gutter(segments: list[Line]) -> float | None:
    """Return the middle of the white strip between two columns of running text."""
    if len(segments) < 2 * _MIN_COLUMN_LINES:
        return None
    left_edge = min(segment.left for segment in segments)
    width = max(segment.right for segment in segments) - left_edge
    narrow = sorted(
        (segment for segment in segments if segment.right - segment.left < 0.6 * width),
        key=lambda segment: segment.left,
    )
    height = median(segment.height for segment in segments)
    reach = left_edge
    best: tuple[float, float] | None = None
    for segment in narrow:
        gap = segment.left - reach
        if gap >= _MIN_GUTTER * height and reach > left_edge and (best is None or gap > best[0]):
            middle = (segment.left + reach) / 2
            if _are_columns(narrow, middle):
                best = (gap, middle)
        reach = max(reach, segment.right)
    return None if best is None else best[1]


def _are_columns(segments: Iterable[Line], gutter: float) -> bool:
    sides: tuple[list[Line], list[Line]] = ([], [])
    for segment in segments:
        sides[segment.left >= gutter].append(segment)
    if min(map(len, sides)) < _MIN_COLUMN_LINES:
        return False
    for side in sides:
        width = max(s.right for s in side) - min(s.left for s in side)
        if median(s.right - s.left for s in side) < _MIN_FILL * width:
            return False
        if median(len(s.text) for s in side) < 15:
            return False
    tops = [max(s.top for s in side) for side in sides]
    bottoms = [min(s.bottom for s in side) for side in sides]
    shared = min(tops) - max(bottoms)
    return shared > 0.5 * min(top - bottom for top, bottom in zip(tops, bottoms, strict=True))
