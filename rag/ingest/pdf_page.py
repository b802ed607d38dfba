"""One page of a PDF to lines in reading order, from the boxes of its characters.

pdfium gives characters in the order in which they were drawn, which is the reading order more often
than not. It is left only where the page shows two columns that fill their width, as running text
does and table cells do not.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from rag.ingest.pdf_table import (
    Grid,
    Table,
    aligned,
    between_rules,
    find_grids,
    read_rules,
    read_table,
)

_GAP = 1.6
"""A gap of so many line heights inside a line is the edge of a column or of a table cell."""
_BROKEN_HYPHENS = (0x02, 0xFFFE)
"""What pdfium gives for a hyphen at the end of a line."""
_SHORT_GAP = 0.13
_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(rb"bold|black|heavy|[-,]bd|cmb", re.I)
_MIN_COLUMN_LINES = 4
_MIN_FILL = 0.7
_MIN_GUTTER = 0.5


@dataclass
class Line:
    """A line of text: its place in points from the lower left corner, its parts if several.

    A table is one line, with the text of all of its cells.
    """

    text: str
    left: float
    bottom: float
    right: float
    top: float
    height: float
    page: int = 0
    column: int = 0
    bold: bool = False
    grid: int | None = None
    parts: list[Line] = field(default_factory=list)
    table: Table | None = None

    @property
    def middle(self) -> float:
        """The height at which it stands on the page."""
        return (self.top + self.bottom) / 2


def read_lines(page: Any, textpage: Any, number: int) -> list[Line]:
    """Return the lines of a page in reading order."""
    across, upright = read_rules(page)
    grids = find_grids(across, upright)
    segments = _segments(textpage, grids)
    if grids:
        kept = [grid for index, grid in enumerate(grids) if _table(grid, index, segments)]
        if len(kept) < len(grids):  # the others are frames around ordinary text
            grids, segments = kept, _segments(textpage, kept)
    segments = _with_tables(segments, grids)
    grids = between_rules(across, _plain(segments))
    segments = _with_tables(segments, _mark(grids, segments))
    ordered = _columns(segments)
    if ordered is None:
        segments = _with_tables(segments, _mark(aligned(_plain(segments)), segments))
        ordered = _in_flows(_in_rows(segments))
    lines: list[Line] = []
    for column, part in ordered:
        for line in part:
            line.page, line.column = number, column
            lines.append(line)
    return lines


def _plain(segments: Iterable[Line]) -> list[Line]:
    return [segment for segment in segments if segment.table is None]


def _table(grid: Grid, index: int, segments: Iterable[Line]) -> Table | None:
    return read_table(grid, [segment for segment in segments if segment.grid == index])


def _mark(grids: list[Grid], segments: Iterable[Line]) -> list[Grid]:
    for segment in segments:
        middle = (segment.left + segment.right) / 2
        holding = (i for i, grid in enumerate(grids) if grid.holds(middle, segment.middle))
        segment.grid = None if segment.table else next(holding, None)
    return grids


def _with_tables(segments: list[Line], grids: list[Grid]) -> list[Line]:
    """Put in the place of what stands in a grid one line with the table."""
    tables = [_table(grid, index, segments) for index, grid in enumerate(grids)]
    seen: set[int] = set()
    lines: list[Line] = []
    for segment in segments:
        index = segment.grid
        table = None if index is None else tables[index]
        if index is None or table is None:
            lines.append(segment)
        elif index not in seen:
            seen.add(index)
            inside = [part for part in segments if part.grid == index]
            line = _row(inside)
            line.text = "\n".join(" | ".join(cell.text for cell in row) for row in table.rows)
            line.table, line.grid, line.parts = table, None, []
            lines.append(line)
    return lines


def _segments(textpage: Any, grids: list[Grid]) -> list[Line]:
    """Return the runs of characters that stand together on one line and in one cell."""
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
        cell = _cell(grids, (box.left + box.right) / 2, (box.top + box.bottom) / 2)
        if run.letters and (cell != run.cell or not run.goes_on(box.left, box.bottom, box.top)):
            run.finish(found)
        if not run.letters:
            run.cell, run.bold = cell, _is_bold(handle, index)
        elif run.bold:
            run.bold = _is_bold(handle, index)
        run.add(letter, box.left, box.bottom, box.right, box.top)
    run.finish(found)
    return found


def _cell(grids: list[Grid], x: float, y: float) -> tuple[int, tuple[int, int]] | None:
    for index, grid in enumerate(grids):
        if grid.holds(x, y):
            return index, grid.cell(x, y)
    return None


def _is_bold(handle: Any, index: int) -> bool:
    from pypdfium2 import raw

    if raw.FPDFText_GetFontWeight(handle, index) >= _BOLD_WEIGHT:
        return True
    name = ctypes.create_string_buffer(80)
    raw.FPDFText_GetFontInfo(handle, index, name, 80, None)
    return bool(_BOLD_NAME.search(name.value))


class _Run:
    """Characters that are being gathered into one segment."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.letters: list[str] = []
        self.left = self.bottom = self.right = self.top = 0.0
        self.heights: list[float] = []
        self.space = self.bold = False
        self.cell: tuple[int, tuple[int, int]] | None = None

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
                    bold=self.bold,
                    grid=self.cell[0] if self.cell else None,
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
        alone = segment.table or (rows and rows[-1][-1].table)
        if rows and not alone and abs(rows[-1][-1].middle - segment.middle) <= 0.4 * segment.height:
            rows[-1].append(segment)
        else:
            rows.append([segment])
    return [_row(sorted(row, key=lambda segment: segment.left)) for row in rows]


def _in_flows(lines: list[Line]) -> list[tuple[int, list[Line]]]:
    """Part the lines where the drawing goes back up: to a column that shows no gutter."""
    flows: list[list[Line]] = []
    for line in lines:
        if not flows or line.middle > flows[-1][-1].middle + flows[-1][-1].height:
            flows.append([])
        flows[-1].append(line)
    return list(enumerate(flows))


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
        bold=all(part.bold for part in parts),
        parts=parts,
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
