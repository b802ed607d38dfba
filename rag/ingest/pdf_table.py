"""Tables of a PDF page: rules to grids, what stands in a grid to rows, and which rows name columns.

A grid is believed where its rules cut it into cells, or where rules lie between its rows and the
columns are apart by white strips. Where one could read it in two ways it is no table, and a row
names the columns only if its letters or its place say so: a header is never guessed.
"""

from __future__ import annotations

import ctypes
import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

_THIN = 3.0
_NEAR = 2.5
_MAX_OBJECTS = 4000
_MAX_SEGMENTS = 2000
_MAX_RULES = 600
_MAX_CELL = 1200
_MAX_BAND = 400.0
_STRIP = 0.6
"""A white strip between columns is at least so many line heights wide."""
_MAX_HEADER_ROWS = 3
_MAX_LABEL = 40
_DIGIT = re.compile(r"\d")


class Placed(Protocol):
    """A run of text with its place in points, from the lower left corner."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    height: float
    bold: bool


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
    """Rows of cells from the top; ``edges`` are the places of the columns, ``header`` counts rows."""

    edges: list[float]
    rows: list[list[Cell]]
    header: int

    def names(self) -> list[str]:
        """Return the name of each column, the group above it first."""
        head = self.rows[: self.header]
        columns = zip(*head, strict=True)
        return [
            " ".join(dict.fromkeys(cell.text for cell in cells if cell.text)) for cells in columns
        ]

    def continues(self, other: Table) -> bool:
        """Tell whether its columns are those of the other, wherever on the page they stand."""
        mine, theirs = ([edge - t.edges[0] for edge in t.edges] for t in (self, other))
        return len(mine) == len(theirs) and all(
            abs(a - b) <= _THIN for a, b in zip(mine, theirs, strict=True)
        )


@dataclass
class Grid:
    """Columns from the left and bands from the top, and the rules between them."""

    columns: list[float]
    bands: list[float]
    anchors: dict[tuple[int, int], tuple[int, int]]

    def holds(self, x: float, y: float) -> bool:
        """Tell whether a point lies within its outer rules."""
        return self.columns[0] < x < self.columns[-1] and self.bands[-1] < y < self.bands[0]

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """Return band and column of the cell around a point; of a merged one, its first."""
        band = bisect([-edge for edge in self.bands], -y) - 1
        return self.anchors[band, bisect(self.columns, x) - 1]


# --- rules -----------------------------------------------------------------------------------


def read_rules(page: Any) -> tuple[list[Rule], list[Rule]]:
    """Return the horizontal and the vertical rules of a page, touching ones as one."""
    from pypdfium2 import raw

    across: list[Rule] = []
    upright: list[Rule] = []
    for count, item in enumerate(page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=2)):
        if count > _MAX_OBJECTS:
            return [], []  # a drawing
        for x0, y0, x1, y1 in _strokes(item, raw):
            if abs(y1 - y0) <= _THIN < abs(x1 - x0):
                across.append(Rule((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
            elif abs(x1 - x0) <= _THIN < abs(y1 - y0):
                upright.append(Rule((x0 + x1) / 2, min(y0, y1), max(y0, y1)))
    joined = _joined(across), _joined(upright)
    return joined if max(map(len, joined)) <= _MAX_RULES else ([], [])


def _strokes(item: Any, raw: Any) -> Iterator[tuple[float, float, float, float]]:
    """Yield the ends of the straight lines that a path draws."""
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
    joined: list[Rule] = []
    level: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: rule.at):
        if level and rule.at - level[-1].at > _NEAR:
            joined += _joined_level(level)
            level = []
        level.append(rule)
    return joined + _joined_level(level)


def _joined_level(level: list[Rule]) -> list[Rule]:
    joined: list[Rule] = []
    at = sum(rule.at for rule in level) / max(len(level), 1)
    for rule in sorted(level, key=lambda rule: rule.start):
        if joined and rule.start - joined[-1].end <= _NEAR:
            joined[-1].end = max(joined[-1].end, rule.end)
        else:
            joined.append(Rule(at, rule.start, rule.end))
    return joined


# --- grids -----------------------------------------------------------------------------------


def find_grids(across: list[Rule], upright: list[Rule]) -> list[Grid]:
    """Return the grids that rules in both directions make, from the top of the page."""
    found: list[Grid] = []
    for rows, columns in _connected(across, upright):
        left = [rule.start for rule in rows] + [rule.at for rule in columns]
        right = [rule.end for rule in rows] + [rule.at for rule in columns]
        low = [rule.start for rule in columns] + [rule.at for rule in rows]
        high = [rule.end for rule in columns] + [rule.at for rule in rows]
        xs = _distinct([min(left), max(right), *(rule.at for rule in columns)])
        ys = _distinct([min(low), max(high), *(rule.at for rule in rows)])[::-1]
        if len(xs) > 2 and len(ys) > 2:
            found.append(Grid(xs, ys, _anchors(xs, ys, rows, columns)))
    return sorted(found, key=lambda grid: -grid.bands[0])


def _connected(across: list[Rule], upright: list[Rule]) -> Iterator[tuple[list[Rule], list[Rule]]]:
    """Yield the groups of rules that touch one another."""
    left = set(range(len(upright)))
    todo = set(range(len(across)))
    while todo:
        rows: list[int] = [todo.pop()]
        columns: list[int] = []
        queue: list[tuple[bool, int]] = [(True, rows[0])]
        while queue:
            is_row, index = queue.pop()
            if is_row:
                touched = {i for i in left if _touch(across[index], upright[i])}
                left -= touched
                columns += touched
            else:
                touched = {i for i in todo if _touch(across[i], upright[index])}
                todo -= touched
                rows += touched
            queue += [(not is_row, i) for i in touched]
        if columns:
            yield [across[i] for i in rows], [upright[i] for i in columns]


def _touch(across: Rule, upright: Rule) -> bool:
    return (
        across.start - _THIN <= upright.at <= across.end + _THIN
        and upright.start - _THIN <= across.at <= upright.end + _THIN
    )


def _distinct(places: Iterable[float]) -> list[float]:
    found: list[float] = []
    for place in sorted(places):
        if not found or place - found[-1] > 2 * _THIN:
            found.append(place)
    return found


def _anchors(
    xs: list[float], ys: list[float], rows: list[Rule], columns: list[Rule]
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return for each place in the grid the first place of the cell that it belongs to."""

    def is_ruled(rules: list[Rule], at: float, along: float) -> bool:
        return any(
            abs(rule.at - at) <= 2 * _THIN and rule.start - _THIN <= along <= rule.end + _THIN
            for rule in rules
        )

    anchors: dict[tuple[int, int], tuple[int, int]] = {}
    for band, (top, bottom) in enumerate(pairwise(ys)):
        for column, (left, right) in enumerate(pairwise(xs)):
            middle, height = (left + right) / 2, (top + bottom) / 2
            if column and not is_ruled(columns, left, height):
                anchors[band, column] = anchors[band, column - 1]
            elif band and not is_ruled(rows, top, middle):
                anchors[band, column] = anchors[band - 1, column]
            else:
                anchors[band, column] = (band, column)
    return anchors


def between_rules(across: list[Rule], segments: Sequence[Placed]) -> list[Grid]:
    """Return the grids of tables without upright rules, their columns told by white strips."""
    found: list[Grid] = []
    for stack in _stacks(across):
        left, right = stack[0].start - _THIN, stack[0].end + _THIN
        inside = [
            s
            for s in segments
            if left <= s.left and s.right <= right and stack[-1].at < _middle(s) < stack[0].at
        ]
        xs = _white_strips(inside, left, right)
        ys = [rule.at for rule in stack]
        if len(xs) > 2 and len(ys) > 2:
            places = [(b, c) for b in range(len(ys) - 1) for c in range(len(xs) - 1)]
            found.append(Grid(xs, ys, {place: place for place in places}))
    return found


def _stacks(across: list[Rule]) -> list[list[Rule]]:
    """Return the groups of three or more rules of one width, one below the other."""
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


def _white_strips(segments: Sequence[Placed], left: float, right: float) -> list[float]:
    edges = [left]
    reach = None
    for segment in sorted(segments, key=lambda segment: segment.left):
        if reach is not None and segment.left - reach >= _STRIP * segment.height:
            edges.append((reach + segment.left) / 2)
        reach = segment.right if reach is None else max(reach, segment.right)
    return [*edges, right]


def _middle(segment: Placed) -> float:
    return (segment.top + segment.bottom) / 2


# --- rows ------------------------------------------------------------------------------------


def read_table(grid: Grid, segments: Iterable[Placed]) -> Table | None:
    """Return what stands in a grid; None when it arranges text or could be read in two ways."""
    inside: dict[tuple[int, int], list[Placed]] = {}
    for segment in segments:
        place = grid.cell((segment.left + segment.right) / 2, _middle(segment))
        inside.setdefault(place, []).append(segment)
    if any(sum(len(s.text) for s in found) > _MAX_CELL for found in inside.values()):
        return None
    bands = range(len(grid.bands) - 1)
    columns = range(len(grid.columns) - 1)
    rows: list[list[Cell]] = []
    filled = [band for band in bands if any((band, column) in inside for column in columns)]
    if len(filled) == 2:  # what is below the header may be one row or many
        parts = _rows_in_band([inside.get((filled[1], column), []) for column in columns])
        if parts is None:
            return None
        head = [_cell(inside.get(grid.anchors[filled[0], column], [])) for column in columns]
        rows = [head, *parts]
    else:
        rows = [list(_row(grid, inside, band, columns)) for band in filled]
    full = sum(1 for row in rows if sum(bool(cell.lines) for cell in row) > 1)
    if len(rows) < 2 or full < 0.6 * len(rows):
        return None
    return Table(grid.columns, rows, count_header(rows))


def _row(
    grid: Grid, inside: dict[tuple[int, int], list[Placed]], band: int, columns: range
) -> Iterator[Cell]:
    """Yield the cells of a band: one that spans bands in each, one that spans columns at its first.

    In the first bands it is in all of its columns, because there it names them.
    """
    for column in columns:
        anchor = grid.anchors[band, column]
        spanned = anchor[1] != column and (band >= _MAX_HEADER_ROWS or not _is_bold(inside, anchor))
        yield Cell() if spanned else _cell(inside.get(anchor, []))


def _is_bold(inside: dict[tuple[int, int], list[Placed]], anchor: tuple[int, int]) -> bool:
    return all(segment.bold for segment in inside.get(anchor, []))


def _rows_in_band(columns: list[list[Placed]]) -> list[list[Cell]] | None:
    """Return the lines of a band as rows if each has all cells, or as one; None when in doubt."""
    lines = [_in_lines(found) for found in columns]
    counts = {len(found) for found in lines}
    if max(counts) == 1:
        return [[_cell(found) for found in columns]]
    level = all(
        max(_middle(line[0]) for line in row) - min(_middle(line[0]) for line in row) <= _THIN
        for row in zip(*lines, strict=False)
    )
    if len(counts) > 1 or not level or max(counts) < 3:
        return None
    return [[_cell(line) for line in row] for row in zip(*lines, strict=True)]


def _in_lines(segments: Iterable[Placed]) -> list[list[Placed]]:
    lines: list[list[Placed]] = []
    for segment in sorted(segments, key=lambda segment: -_middle(segment)):
        if lines and _middle(lines[-1][0]) - _middle(segment) <= 0.5 * segment.height:
            lines[-1].append(segment)
        else:
            lines.append([segment])
    return [sorted(line, key=lambda segment: segment.left) for line in lines]


def _cell(segments: Iterable[Placed]) -> Cell:
    found = list(segments)
    lines = [" ".join(segment.text for segment in line) for line in _in_lines(found)]
    return Cell(lines, bool(found) and all(segment.bold for segment in found))


def count_header(rows: Sequence[Sequence[Cell]]) -> int:
    """Return how many rows at the top name the columns: bold ones, or words above figures."""
    bold = [all(cell.bold for cell in row if cell.lines) for row in rows]
    count = next((index for index, found in enumerate(bold) if not found), len(rows))
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
