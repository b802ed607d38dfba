"""One page of a PDF to lines in reading order, from the boxes of its characters.

pdfium gives characters in the order in which they were drawn, which is the reading order more often
than not. It is left only where the page shows two columns that fill their width, as running text
does and table cells do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from rag.ingest.pdf_form import Field, with_fields
from rag.ingest.pdf_letters import Letters, is_semitic, turned_rules
from rag.ingest.pdf_table import (
    Grid,
    Line,
    Rule,
    Start,
    aligned,
    between_rules,
    find_grids,
    read_rules,
    read_table,
)

_MIN_COLUMN_LINES = 4
_MAX_GUTTERS = 20
"""So many of the widest white strips are tried."""


def read_lines(page: Any, textpage: Any, number: int, fields: Sequence[Field] = ()) -> list[Line]:
    """Lines of a page in reading order, the values of form fields beside their labels.

    What is turned against most of the page follows, direction by direction, in flows of its own.
    """
    letters = Letters(textpage)
    rules = read_rules(page)
    main, *others = letters.directions or [0]
    apart = {turn: letters.segments(turn) for turn in others}
    lines: list[Line] = []
    for flow, turn in enumerate([main, *others]):
        across, upright = turned_rules(*rules, turn)
        if flow:
            segments, grids = apart[turn], find_grids(across, upright)
            _mark(grids, segments)
        else:
            segments, grids = _in_grids(letters, turn, find_grids(across, upright))
            segments = _without_line_numbers(segments)
            for other in others:  # a label may be turned to save room in its table
                segments += _taken(apart[other], main - other, grids)
            with_fields(segments, [field.turned(turn) for field in fields], grids)
        for column, part in _ordered(segments, grids, across):
            for line in part:
                line.column, line.flow = column, flow
            lines += part
    slants: dict[float, int] = {}
    for degrees, line in letters.slanted():  # its places are of use among its like only
        line.flow = slants.setdefault(degrees, len(others) + 1 + len(slants))
        line.column = -line.flow
        lines.append(line)
    for line in lines:
        line.page = number
    return lines


def _in_grids(letters: Letters, turn: int, grids: list[Grid]) -> tuple[list[Line], list[Grid]]:
    """Runs of letters, and the grids that are no frames around ordinary text."""
    segments = letters.segments(turn, grids)
    kept = [
        grid
        for grid, inside in zip(grids, _by_grid(segments, len(grids)), strict=True)
        if read_table(grid, inside)
    ]
    return (segments if len(kept) == len(grids) else letters.segments(turn, kept)), kept


def _without_line_numbers(segments: list[Line]) -> list[Line]:
    """Leave out numbers in the margin that count the lines of running text."""
    numbers = [s for s in segments if s.text.isdecimal() and s.grid is None and len(s.text) < 6]
    if len(numbers) < 5:
        return segments
    numbers.sort(key=lambda segment: -segment.middle)
    steps = {int(below.text) - int(above.text) for above, below in pairwise(numbers)}
    counted = {id(number) for number in numbers}
    text = [segment for segment in segments if id(segment) not in counted]
    running = sum(segment.text[:1].islower() for segment in text)
    if (
        len(steps) > 1
        or not 0 < min(steps) <= 10
        or max(number.right for number in numbers) >= min((s.left for s in text), default=0.0)
        or running < 0.3 * len(text)
        or median(len(segment.text) for segment in text) < 30
    ):
        return segments
    return text


def _taken(segments: list[Line], turn: int, grids: list[Grid]) -> list[Line]:
    """Take out those in the grids, with their places on a page turned so many quarters back."""
    placed = [segment.turned(turn) for segment in segments]
    _mark(grids, placed)
    segments[:] = [s for s, p in zip(segments, placed, strict=True) if p.grid is None]
    return [segment for segment in placed if segment.grid is not None]


def _ordered(
    segments: list[Line], grids: list[Grid], across: list[Rule]
) -> list[tuple[int, list[Line]]]:
    """(column, lines) in reading order, what stands in a table as one line."""
    segments = _with_tables(segments, grids)
    segments = _with_tables(segments, _mark(between_rules(across, _plain(segments)), segments))
    ordered = _columns(segments)
    if ordered is None:
        segments = _with_tables(segments, _mark(aligned(_plain(segments)), segments))
        ordered = _in_flows(_in_rows(segments))
    return ordered


def _plain(segments: Iterable[Line]) -> list[Line]:
    return [segment for segment in segments if segment.table is None]


def _by_grid(segments: Iterable[Line], count: int) -> list[list[Line]]:
    found: list[list[Line]] = [[] for _ in range(count)]
    for segment in segments:
        if segment.grid is not None:
            found[segment.grid].append(segment)
    return found


def _mark(grids: list[Grid], segments: Iterable[Line]) -> list[Grid]:
    for segment in segments:
        middle = (segment.left + segment.right) / 2
        holding = (i for i, grid in enumerate(grids) if grid.holds(middle, segment.middle))
        segment.grid = None if segment.table else next(holding, None)
    return grids


def _with_tables(segments: list[Line], grids: list[Grid]) -> list[Line]:
    """Put in the place of what stands in a grid one line with the table."""
    by_grid = _by_grid(segments, len(grids))
    tables = [read_table(grid, found) for grid, found in zip(grids, by_grid, strict=True)]
    seen: set[int] = set()
    lines: list[Line] = []
    for segment in segments:
        index = segment.grid
        table = None if index is None else tables[index]
        if index is None or table is None:
            lines.append(segment)
        elif index not in seen:
            seen.add(index)
            line = _row(by_grid[index])
            line.text = "\n".join(" | ".join(cell.text for cell in row) for row in table.rows)
            line.table, line.grid, line.parts = table, None, []
            lines.append(line)
    return lines


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
    return [_row(_in_order(row)) for row in rows]


def _in_order(row: list[Line]) -> list[Line]:
    """Segments of a row from the left, or from the right where most are read so."""
    backwards = 2 * sum(_is_backwards(segment.text) for segment in row) > len(row)
    return sorted(row, key=lambda segment: -segment.right if backwards else segment.left)


def _is_backwards(text: str) -> bool:
    letters = [] if text.isascii() else [letter for letter in text if letter.isalpha()]
    return 2 * sum(map(is_semitic, letters)) > len(letters)


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
    starts = list(first.starts)
    offset = len(first.text) + 1
    for before, part in pairwise(parts):
        font = part.starts[0].font if part.starts else ""
        starts.append(Start(offset, part.left, part.left - before.right, font))
        starts += [start._replace(offset=offset + start.offset) for start in part.starts[1:]]
        offset += len(part.text) + 1
    return Line(
        text=" ".join(part.text for part in parts),
        left=first.left,
        bottom=min(part.bottom for part in parts),
        right=max(part.right for part in parts),
        top=max(part.top for part in parts),
        height=median(part.height for part in parts),
        bold=all(part.bold for part in parts),
        parts=parts,
        starts=starts,
    )


def _columns(segments: list[Line], depth: int = 0) -> list[tuple[int, list[Line]]] | None:
    """(column, lines) in reading order, or None for a page of one column."""
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
    """Middle of the white strip between two columns of running text."""
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
    gaps: list[tuple[float, float]] = []
    for segment in narrow:
        gap = segment.left - reach
        if gap >= 0.5 * height and reach > left_edge:
            gaps.append((gap, (segment.left + reach) / 2))
        reach = max(reach, segment.right)
    widest = sorted(gaps, key=lambda found: -found[0])[:_MAX_GUTTERS]
    return next((middle for _, middle in widest if _are_columns(narrow, middle)), None)


def _are_columns(segments: Iterable[Line], gutter: float) -> bool:
    sides: tuple[list[Line], list[Line]] = ([], [])
    for segment in segments:
        sides[segment.left >= gutter].append(segment)
    if min(map(len, sides)) < _MIN_COLUMN_LINES:
        return False
    for side in sides:
        width = max(s.right for s in side) - min(s.left for s in side)
        if median(s.right - s.left for s in side) < 0.7 * width:
            return False
        if median(len(s.text) for s in side) < 15:
            return False
    tops = [max(s.top for s in side) for side in sides]
    bottoms = [min(s.bottom for s in side) for side in sides]
    shared = min(tops) - max(bottoms)
    return shared > 0.5 * min(top - bottom for top, bottom in zip(tops, bottoms, strict=True))
