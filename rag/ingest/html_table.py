"""HTML tables to a header and rows of cells, with spans filled in; layout tables are told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MAX_SPAN = 100
_FLOW = frozenset(["h1", "h2", "h3", "h4", "h5", "h6", "table", "pre", "form", "article", "main"])


@dataclass
class Table:
    """Cells are elements; one that spans several columns or rows stands in each of them."""

    header: list[Any]
    rows: list[list[Any]]


def read_table(element: Any, max_cell: int) -> Table | None:
    """Return the table, or None when it arranges blocks and its cells are to be read one by one."""
    if element.get("role") in ("presentation", "none"):
        return None
    rows = [row for row in element.iter("tr") if next(row.iterancestors("table")) is element]
    lines = [[cell for cell in row if cell.tag in ("td", "th")] for row in rows]
    cells = [cell for line in lines for cell in line]
    has_header = any(cell.tag == "th" for cell in cells)
    if any(_is_flow(cell, max_cell, has_header) for cell in cells):
        return None
    if not has_header and all(len(line) < 2 for line in lines):
        return None  # one column: paragraphs
    grid = _fill(rows)
    head = _header_rows(rows, grid)
    if not head:
        return Table([], grid)
    return Table(grid[0] if head == 1 else _merged(grid[:head]), grid[head:])


def _is_flow(cell: Any, max_cell: int, has_header: bool) -> bool:
    for inside in cell.iter():
        if inside.tag in _FLOW and not (inside.tag == "pre" and has_header):
            return True
    return len(cell.text_content()) > max_cell


def _header_rows(rows: list[Any], grid: list[list[Any]]) -> int:
    count = 0
    for row in rows:
        if row.getparent().tag != "thead":
            break
        count += 1
    if count:
        return min(count, len(grid))
    cells = [cell for cell in rows[0] if cell.tag in ("td", "th")] if rows else []
    return int(len(cells) > 1 and len(rows) > 1 and all(cell.tag == "th" for cell in cells))


def _fill(rows: list[Any]) -> list[list[Any]]:
    grid: list[list[Any]] = []
    hanging: dict[int, tuple[Any, int]] = {}  # column -> (cell that spans rows, rows left)
    for row in rows:
        line: list[Any] = []
        waiting = [cell for cell in row if cell.tag in ("td", "th")]
        while waiting or any(column >= len(line) for column in hanging):
            column = len(line)
            if column in hanging:
                cell, left = hanging.pop(column)
                if left > 1:
                    hanging[column] = (cell, left - 1)
                line.append(cell)
                continue
            if not waiting:
                line.append(None)
                continue
            cell = waiting.pop(0)
            for offset in range(_span(cell, "colspan")):
                line.append(cell if offset == 0 or cell.tag == "th" else None)
                if (down := _span(cell, "rowspan")) > 1:
                    hanging[column + offset] = (cell, down - 1)
        grid.append(line)
        hanging = {column: entry for column, entry in hanging.items() if entry[1] > 0}
    return grid


def _span(cell: Any, name: str) -> int:
    value = (cell.get(name) or "1").strip()
    return min(max(int(value), 1), _MAX_SPAN) if value.isdecimal() else 1


def _merged(head: list[list[Any]]) -> list[Any]:
    from lxml import html

    merged = []
    for column in range(max(map(len, head))):
        cell = html.Element("th")
        parts = dict.fromkeys(
            " ".join(line[column].text_content().split())
            for line in head
            if column < len(line) and line[column] is not None
        )
        cell.text = " ".join(part for part in parts if part)
        merged.append(cell)
    return merged
