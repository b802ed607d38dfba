"""Lines and tables of a PDF page: rules to grids, grids to rows, and which rows name columns.

A grid is believed where its rules cut it into cells, or where rules lie between its rows and the
columns are apart by white strips. Where one could read it in two ways it is no table, and a row
names the columns only if its letters or its place say so: a header is never guessed.
"""

from __future__ import annotations

import ctypes
import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import pairwise
from operator import attrgetter, neg
from typing import Any, NamedTuple, Self

import numpy as np
from pypdfium2 import raw

_THIN = 3.0
"""Points by which the ends of rules may miss one another."""
_NEAR = 2.5
_MAX_OBJECTS = 4000
_MAX_SEGMENTS = 2000
_MAX_STROKES = 20_000
_MAX_RULES = 600
_MAX_TRIES = 200_000
_MAX_CELLS = 3000
_MAX_CELL = 1200
_MAX_UNSURE_CELL = 200
_MAX_BAND = 400.0
_STRIP = 0.6
"""A white strip between columns is at least so many line heights wide."""
_MAX_HEADER_ROWS = 3
_MAX_LABEL = 40
_DIGIT = re.compile(r"\d")
_SIDES = ("left", "bottom", "right", "top")
WIDE_GAP = 0.6
"""A gap of so many line heights is wider than a space."""


def turned(box: Sequence[Any], turn: int) -> tuple[Any, Any, Any, Any]:
    """Left, bottom, right and top of a box on a page turned so many quarters back."""
    left, bottom, right, top = box
    sides = (
        (left, bottom, right, top),
        (bottom, -right, top, -left),
        (-right, -top, -left, -bottom),
        (-top, left, -bottom, right),
    )
    return sides[turn % 4]


class Start(NamedTuple):
    """Where in a line the letters of another font begin, or those after a gap."""

    offset: int
    left: float
    gap: float
    font: str


@dataclass
class Line:
    """A line of text: its place in points from the lower left corner, its parts if several.

    A table is one line, with the text of all of its cells. ``flow`` is 0 for what is read in the
    direction of the page, and another number for what stands apart from it. ``starts`` are the
    words that a wide gap or a change of font sets apart, the first of the line among them.
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
    flow: int = 0
    starts: list[Start] = field(default_factory=list)

    @property
    def middle(self) -> float:
        """The height at which it stands on the page."""
        return (self.top + self.bottom) / 2

    def turned(self, turn: int) -> Self:
        """The same on a page turned so many quarters back."""
        sides = turned((self.left, self.bottom, self.right, self.top), turn)
        return replace(self, **dict(zip(_SIDES, sides, strict=True)))


@dataclass
class Rule:
    """A straight rule: ``at`` across its direction, from ``start`` to ``end`` along it."""

    at: float
    start: float
    end: float


@dataclass
class Cell:
    """The lines of text in a cell, and whether all of its letters are bold."""

    lines: list[str] = field(default_factory=list)
    bold: bool = False

    @property
    def text(self) -> str:
        """The lines as one."""
        return " ".join(self.lines)


@dataclass
class Table:
    """Rows of cells from the top; ``edges`` bound the columns, ``header`` counts rows."""

    edges: list[float]
    rows: list[list[Cell]]
    header: int

    def names(self, read: Callable[[Cell], str]) -> list[str]:
        """Name of each column, the group above it first."""
        columns = zip(
            *([read(cell) for cell in row] for row in self.rows[: self.header]), strict=True
        )
        return [" ".join(dict.fromkeys(filter(None, parts))) for parts in columns]

    def continues(self, other: Table) -> bool:
        """Whether its columns are those of the other, wherever on the page they stand."""
        mine, theirs = ([edge - t.edges[0] for edge in t.edges] for t in (self, other))
        return len(mine) == len(theirs) and all(
            abs(a - b) <= _THIN for a, b in zip(mine, theirs, strict=True)
        )


@dataclass
class Grid:
    """Columns from the left and bands from the top.

    ``anchors`` has for each place (band, column) the first place of the merged cell that it belongs
    to; without rules between the places there are no merged ones.
    """

    columns: list[float]
    bands: list[float]
    anchors: dict[tuple[int, int], tuple[int, int]]
    ruled: bool = True

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies within its outer rules."""
        return self.columns[0] < x < self.columns[-1] and self.bands[-1] < y < self.bands[0]

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """Band and column of the cell around a point; of a merged one, its first."""
        band = bisect(self.bands, -y, key=neg) - 1
        return self.anchors[band, bisect(self.columns, x) - 1]


# --- rules -----------------------------------------------------------------------------------


def read_rules(page: Any) -> tuple[list[Rule], list[Rule]]:
    """The horizontal and the vertical rules of a page, touching ones as one."""
    across: list[Rule] = []
    upright: list[Rule] = []
    strokes = 0
    for count, item in enumerate(page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=1)):
        if count > _MAX_OBJECTS or strokes > _MAX_STROKES:
            return [], []  # a drawing
        for x0, y0, x1, y1 in _strokes(item):
            strokes += 1
            if abs(y1 - y0) <= _THIN < abs(x1 - x0):
                across.append(Rule((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
            elif abs(x1 - x0) <= _THIN < abs(y1 - y0):
                upright.append(Rule((x0 + x1) / 2, min(y0, y1), max(y0, y1)))
    joined = _joined(across), _joined(upright)
    return joined if max(map(len, joined)) <= _MAX_RULES else ([], [])


def _strokes(item: Any) -> Iterator[tuple[float, float, float, float]]:
    """Ends of the straight lines that a path draws."""
    left, bottom, right, top = item.get_bounds()
    if min(right - left, top - bottom) <= _THIN:
        yield left, bottom, right, top
        return
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(item.raw, ctypes.byref(fill), ctypes.byref(stroke))
    count = raw.FPDFPath_CountSegments(item.raw)
    if count > _MAX_SEGMENTS or not (stroke.value or count > 5):
        return  # a filled area has no edges of its own
    a, b, c, d, e, f = item.get_matrix().get()
    x, y = ctypes.c_float(), ctypes.c_float()
    first = last = (0.0, 0.0)
    for index in range(count):
        segment = raw.FPDFPath_GetPathSegment(item.raw, index)
        raw.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        point = (a * x.value + c * y.value + e, b * x.value + d * y.value + f)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            first = point
        elif kind == raw.FPDF_SEGMENT_LINETO:
            yield *last, *point
        if raw.FPDFPathSegment_GetClose(segment):
            yield *point, *first
        last = point


def _joined(rules: list[Rule]) -> list[Rule]:
    levels: list[list[Rule]] = []
    for rule in sorted(rules, key=attrgetter("at")):
        if not levels or rule.at - levels[-1][-1].at > _NEAR:
            levels.append([])
        levels[-1].append(rule)
    joined: list[Rule] = []
    for level in levels:
        at = sum(rule.at for rule in level) / len(level)
        end = float("-inf")
        for rule in sorted(level, key=attrgetter("start")):
            if rule.start - end <= _NEAR:
                joined[-1].end = end = max(end, rule.end)
            else:
                end = rule.end
                joined.append(Rule(at, rule.start, end))
    return joined


# --- grids -----------------------------------------------------------------------------------


def find_grids(across: list[Rule], upright: list[Rule]) -> list[Grid]:
    """The grids that rules in both directions make, from the top of the page."""
    found: list[Grid] = []
    for rows, columns in _connected(across, upright):
        xs, ys = _places(columns, rows), _places(rows, columns)
        ys.reverse()
        if len(xs) > 2 and 1 < len(ys) <= _MAX_CELLS / len(xs):
            found.append(Grid(xs, ys, _anchors(xs, ys, rows, columns)))
    return sorted(found, key=lambda grid: -grid.bands[0])


def _places(parallel: list[Rule], crossing: list[Rule]) -> list[float]:
    """Where the rules of one direction stand, out to the ends of those that cross them."""
    at = [rule.at for rule in parallel]
    start, end = min(rule.start for rule in crossing), max(rule.end for rule in crossing)
    found: list[float] = []
    for place in sorted([min(start, *at), *at, max(end, *at)]):
        if not found or place - found[-1] > 2 * _THIN:
            found.append(place)
    return found


def _connected(across: list[Rule], upright: list[Rule]) -> Iterator[tuple[list[Rule], list[Rule]]]:
    """The groups of rules that touch one another."""
    if not across or not upright:
        return
    at, start, end = np.array([(r.at, r.start, r.end) for r in across]).T[:, :, None]
    x, low, high = np.array([(r.at, r.start, r.end) for r in upright]).T[:, None, :]
    touching = (
        (start - _THIN <= x) & (x <= end + _THIN) & (low - _THIN <= at) & (at <= high + _THIN)
    )
    left = np.ones(len(across), bool)
    for first in range(len(across)):
        rows = np.zeros(len(across), bool)
        columns = np.zeros(len(upright), bool)
        new = left & (np.arange(len(across)) == first)
        while new.any():
            rows |= new
            columns |= touching[new].any(0)
            new = touching[:, columns].any(1) & ~rows
        left &= ~rows
        if columns.any():
            yield (
                [across[i] for i in np.flatnonzero(rows)],
                [upright[i] for i in np.flatnonzero(columns)],
            )


def _anchors(
    xs: list[float], ys: list[float], rows: list[Rule], columns: list[Rule]
) -> dict[tuple[int, int], tuple[int, int]]:
    def by_place(rules: list[Rule], places: list[float]) -> list[list[Rule]]:
        return [[rule for rule in rules if abs(rule.at - at) <= 2 * _THIN] for at in places]

    def is_ruled(rules: list[Rule], along: float) -> bool:
        return any(rule.start - _THIN <= along <= rule.end + _THIN for rule in rules)

    upright, across = by_place(columns, xs), by_place(rows, ys)
    anchors: dict[tuple[int, int], tuple[int, int]] = {}
    for band, (top, bottom) in enumerate(pairwise(ys)):
        for column, (left, right) in enumerate(pairwise(xs)):
            anchor = (band, column)
            if column and not is_ruled(upright[column], (top + bottom) / 2):
                anchor = anchors[band, column - 1]
            elif band and not is_ruled(across[band], (left + right) / 2):
                anchor = anchors[band - 1, column]
            anchors[band, column] = anchor
    return anchors


def between_rules(across: list[Rule], segments: Sequence[Line]) -> list[Grid]:
    """The grids of tables without upright rules, their columns told by white strips."""
    found: list[Grid] = []
    stacks = _stacks(across)
    if len(stacks) * len(segments) > _MAX_TRIES:
        return []  # a drawing
    for stack in stacks:
        left, right = stack[0].start - _THIN, stack[0].end + _THIN
        within = [s for s in segments if left <= s.left and s.right <= right]
        inside = [s for s in within if stack[-1].at < s.middle < stack[0].at]
        columns = len(_white_strips(inside, left, right))
        if columns < 3:
            continue
        ys = [rule.at for rule in stack]
        above = in_lines(s for s in within if 0 < s.middle - ys[0] < 2 * s.height)[-1:]
        below = in_lines(s for s in within if 0 < ys[-1] - s.middle < 2 * s.height)[:1]
        for line in above + below:  # the outer rules may be left out
            if len(line) > 1 and len(_white_strips([*inside, *line], left, right)) == columns:
                inside += line
                ys += [line[0].top + 1] if line in above else [line[0].bottom - 1]
        found.append(_plain_grid(_white_strips(inside, left, right), sorted(ys, reverse=True)))
    return found


def aligned(segments: Sequence[Line]) -> list[Grid]:
    """The grids of tables without rules: a bold line, and lines below it in its columns."""
    found: list[Grid] = []
    lines = in_lines(segments)
    drawn = {id(segment): index for index, segment in enumerate(segments)}
    # Columns of text are drawn one after the other, the cells of a row together.
    apart = [any(drawn[id(b)] - drawn[id(a)] != 1 for a, b in pairwise(line)) for line in lines]
    start = 0
    while start < len(lines) - 2:
        head = lines[start]
        end = _end_of_columns(lines, start)
        if end - start < 3 or any(apart[start:end]):
            start += 1
            continue
        part = [segment for line in lines[start:end] for segment in line]
        left, right = min(s.left for s in part) - 1, max(s.right for s in part) + 1
        middle = (min(s.bottom for s in head) + max(s.top for s in lines[start + 1])) / 2
        low = min(s.bottom for s in lines[end - 1]) - 1
        ys = [max(s.top for s in head) + 1, middle, low]
        found.append(_plain_grid(_white_strips(part, left, right), ys))
        start = end
    return found


def _end_of_columns(lines: list[list[Line]], start: int) -> int:
    """Index of the first line below a bold one that leaves its columns."""
    head = lines[start]
    if len(head) < 2 or not all(segment.bold for segment in head):
        return start
    if head[0].height > 1.05 * lines[start + 1][0].height:
        return start  # titles
    columns = _merged(head)
    step = 0.0
    for index in range(start + 1, len(lines)):
        line = lines[index]
        down = lines[index - 1][0].middle - line[0].middle
        columns = _merged([*columns, *line])
        if (
            any(segment.bold or segment.height > 1.1 * head[0].height for segment in line)
            or down > (1.2 * step if step else 3 * head[0].height)
            or len(columns) < len(head)
        ):
            return index
        step = max(step, down)
    return len(lines)


def _merged(segments: Iterable[Line]) -> list[Line]:
    """One segment for each column that white strips leave between them."""
    columns: list[Line] = []
    for segment in sorted(segments, key=attrgetter("left")):
        if columns and segment.left - columns[-1].right < _STRIP * segment.height:
            columns[-1].right = max(columns[-1].right, segment.right)
        else:
            columns.append(copy(segment))
    return columns


def _white_strips(segments: Sequence[Line], left: float, right: float) -> list[float]:
    """Edges of the columns: ``left``, the middles of the white strips, ``right``."""
    strips = [(a.right + b.left) / 2 for a, b in pairwise(_merged(segments))]
    return [left, *strips, right]


def _plain_grid(xs: list[float], ys: list[float]) -> Grid:
    places = [(band, column) for band in range(len(ys) - 1) for column in range(len(xs) - 1)]
    return Grid(xs, ys, {place: place for place in places}, ruled=False)


def _stacks(across: list[Rule]) -> list[list[Rule]]:
    """The groups of three or more rules of one width, one below the other."""
    stacks: list[list[Rule]] = []
    for rule in sorted(across, key=lambda rule: -rule.at):
        for stack in stacks:
            last = stack[-1]
            same = abs(last.start - rule.start) <= _THIN and abs(last.end - rule.end) <= _THIN
            if same and last.at - rule.at <= _MAX_BAND:
                stack.append(rule)
                break
        else:
            stacks.append([rule])
    return [stack for stack in stacks if len(stack) > 2]


# --- rows ------------------------------------------------------------------------------------


def read_table(grid: Grid, segments: Iterable[Line]) -> Table | None:
    """What stands in a grid; None when it arranges text or could be read in two ways."""
    inside: dict[tuple[int, int], list[Line]] = {}
    for segment in segments:
        begin = max(segment.left, grid.columns[0]) + segment.height / 2
        place = grid.cell(min(begin, (segment.left + segment.right) / 2), segment.middle)
        inside.setdefault(place, []).append(segment)
    sizes = [sum(len(segment.text) for segment in found) for found in inside.values()]
    is_frame = not grid.ruled or len(grid.bands) == 2
    if max(sizes, default=0) > (_MAX_UNSURE_CELL if is_frame else _MAX_CELL):
        return None
    if not grid.ruled and any(len(line) > 1 for f in inside.values() for line in in_lines(f)):
        return None  # a gap inside a cell: there may be more columns than were seen
    columns = range(len(grid.columns) - 1)
    filled = sorted({band for band, _ in inside})
    if len(filled) == 2:  # what is below the header may be one row or many
        parts = _rows_in_band(grid, [inside.get((filled[1], column), []) for column in columns])
        if parts is None:
            return None
        head = [_cell(inside.get(grid.anchors[filled[0], column], [])) for column in columns]
        rows = [head, *parts]
    else:
        rows = [list(_row(grid, inside, band, columns)) for band in filled]
    full = sum(1 for row in rows if sum(bool(cell.lines) for cell in row) > 1)
    if full < 0.6 * max(len(rows), 1):
        return None
    return Table(grid.columns, rows, count_header(rows))


def _row(
    grid: Grid, inside: dict[tuple[int, int], list[Line]], band: int, columns: range
) -> Iterator[Cell]:
    """The cells of a band: one that spans bands in each, one that spans columns at its first.

    In the first bands a bold one is in all of its columns, because there it names them.
    """
    for column in columns:
        anchor = grid.anchors[band, column]
        cell = _cell(inside.get(anchor, []))
        names = band < _MAX_HEADER_ROWS and cell.bold
        yield cell if anchor[1] == column or names else Cell()


def _rows_in_band(grid: Grid, columns: list[list[Line]]) -> list[list[Cell]] | None:
    """The rows in a band without rules of its own; None where a line may wrap or not."""
    column_of = {id(segment): i for i, column in enumerate(columns) for segment in column}
    lines = [  # from the top, by column
        {column_of[id(segment)]: segment for segment in level}
        for level in in_lines(segment for column in columns for segment in column)
    ]
    rows: list[list[dict[int, Line]]] = []
    for line in lines:
        begins = not rows or _begins_row(grid, rows[-1], line, len(columns))
        if begins is None:
            return None
        if begins:
            rows.append([])
        rows[-1].append(line)
    return [
        [_cell(line[column] for line in row if column in line) for column in range(len(columns))]
        for row in rows
    ]


def _begins_row(
    grid: Grid, row: list[dict[int, Line]], line: dict[int, Line], width: int
) -> bool | None:
    """Whether a line begins a row or wraps: it does not where its word had room above."""
    above = row[-1]
    for column in line.keys() & above.keys():
        word = line[column].text.split(" ")[0]
        letter = (line[column].right - line[column].left) / max(len(line[column].text), 1)
        if above[column].right + letter * (len(word) + 3) < grid.columns[column + 1]:
            return True
    if len(line) == width or (len(line) == width - 1 and 0 not in line and width > 2):
        return None
    return False if len(line) < len(row[0]) and line.keys() <= row[0].keys() else None


def in_lines(segments: Iterable[Line]) -> list[list[Line]]:
    """Segments by the height at which they stand, from the top, each line from the left."""
    lines: list[list[Line]] = []
    for segment in sorted(segments, key=lambda segment: -segment.middle):
        if lines and lines[-1][0].middle - segment.middle <= 0.5 * segment.height:
            lines[-1].append(segment)
        else:
            lines.append([segment])
    return [sorted(line, key=attrgetter("left")) for line in lines]


def _cell(segments: Iterable[Line]) -> Cell:
    found = list(segments)
    lines = [" ".join(segment.text for segment in line) for line in in_lines(found)]
    return Cell(lines, bool(found) and all(segment.bold for segment in found))


def count_header(rows: Sequence[Sequence[Cell]]) -> int:
    """How many rows at the top name the columns: bold ones, or words above figures."""
    bold = [all(cell.bold for cell in row if cell.lines) for row in rows]
    count = bold.index(False) if False in bold else len(rows)
    if 0 < count <= _MAX_HEADER_ROWS and count < len(rows):
        return count
    first, below = rows[0], rows[1:]
    labels = all(
        cell.lines and len(cell.text) <= _MAX_LABEL and not _DIGIT.search(cell.text)
        for cell in first
    )
    if count == 0 and labels and len(first) > 2 and len(below) > 1:
        figures = (all(_DIGIT.search(row[c].text) for row in below) for c in range(len(first)))
        return int(any(figures))
    return 0
