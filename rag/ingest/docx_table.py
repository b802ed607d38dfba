"""Tables of Word to a grid of cells: merged, shifted and repeated ones where they show."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, takewhile, zip_longest
from typing import Any

from rag.ingest.blocks import Block, linearise, one_line
from rag.ingest.docx_package import MC, W, switch, value, whole

_MAX_SPAN = 64
_MAX_CELL = 1500
_MAX_NAMES = 2000
_MAX_REPEATED = 2_000_000
_MAX_LABEL = 40
_NUMERIC = re.compile(r"[\d.,%€$£\s-]+")
_HOLDERS = frozenset(
    [f"{W}{name}" for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo")]
    + [f"{MC}AlternateContent", f"{MC}Choice"]
)


@dataclass
class Cell:
    """``blocks`` is what it holds, ``text`` that in a line. A merged cell stands in many places."""

    blocks: list[Block] = field(default_factory=list)
    text: str = ""
    bold: bool = False


@dataclass
class Grid:
    """Rows of one width; ``marked`` of them, from the top, are headers by what the file says."""

    rows: list[list[Cell]]
    marked: int
    shortened: bool = False

    def flows(self) -> bool:
        """Whether the table only arranges what is to be read cell by cell."""
        if max(map(len, self.rows), default=0) < 2:
            return True
        return any(
            len(cell.text) > _MAX_CELL
            or (len(cell.blocks) > 1 and any(block.kind == "heading" for block in cell.blocks))
            for row in self.rows
            for cell in row
        )

    def lines(self, group: int) -> list[Block]:
        """Rows with the names of their columns; one over the whole width has none."""
        titles = len(list(takewhile(_is_title, self.rows)))
        head = self._headers(titles)
        names = _names(self.rows[titles:head])
        values = self._values(self.rows[head:])
        blocks: list[Block] = []
        for is_title, rows in groupby(self.rows[:titles] + self.rows[head:], _is_title):
            if is_title:
                blocks += linearise([], ([row[0].text] for row in rows), group=group)
            else:
                blocks += linearise(names, (next(values) for _ in rows), group=group)
        return blocks

    def _headers(self, first: int) -> int:
        """Index of the first row of values; equal to ``first`` without a header."""
        if len(self.rows) - first < 2:
            return first
        if self.marked > first:
            last = min(self.marked, len(self.rows) - 1)
        else:
            top, below = self.rows[first : first + 2]
            spans = _distinct(top) < len(top) and len(self.rows) - first > 2
            grouped = spans and _is_header(below) and _is_header(top, fewest=2)
            if not grouped and not _is_header(top):
                return first
            last = first + 1 + grouped
        names = sum(len(cell.text) for row in self.rows[first:last] for cell in row)
        return last if names <= _MAX_NAMES else first

    def _values(self, rows: list[list[Cell]]) -> Iterator[list[str]]:
        """The rows that are no titles; a cell is told once in a row, and in every row."""
        budget = _MAX_REPEATED
        above: set[int] = set()
        for row in rows:
            if _is_title(row):
                continue
            line: list[str] = []
            seen: set[int] = set()
            for cell in row:
                told = id(cell) in seen
                seen.add(id(cell))
                if not told and id(cell) in above:
                    budget -= len(cell.text)
                    told = self.shortened = budget < 0
                line.append("" if told else cell.text)
            above = seen
            while line and not line[-1]:
                line.pop()
            yield line


def read_grid(table: Any, read_cell: Callable[[Any], list[Block]]) -> Grid:
    """Grid of ``w:tbl``; ``read_cell`` reads the blocks of ``w:tc``."""
    rows: list[list[Cell]] = []
    marked = 0
    below: dict[int, Cell] = {}  # column -> cell that goes on in the row below
    for row in _children(table, f"{W}tr"):
        properties = row.find(f"{W}trPr")
        if switch(properties, "del") or switch(properties, "hidden"):
            continue
        before, after = (
            whole(value(properties, name), 0, 0, _MAX_SPAN) for name in ("gridBefore", "gridAfter")
        )
        line = [Cell() for _ in range(before)]
        above, below = below, {}
        for element in _children(row, f"{W}tc"):
            if element.find(f"{W}tcPr/{W}cellDel") is not None:
                continue
            span = whole(value(element, "tcPr/gridSpan"), 1, 1, _MAX_SPAN)
            down, across = (element.find(f"{W}tcPr/{W}{name}") for name in ("vMerge", "hMerge"))
            blocks = read_cell(element)
            cell = None
            if down is not None and down.get(f"{W}val") != "restart":
                cell = above.get(len(line))
            if across is not None and across.get(f"{W}val") != "restart" and line:
                cell = line[-1]
            cell = cell or Cell(blocks, cell_text(blocks), _is_bold(element))
            if down is not None:
                below.update(dict.fromkeys(range(len(line), len(line) + span), cell))
            line += [cell] * span
        line += [Cell() for _ in range(after)]
        if not any(cell.text for cell in line):
            continue
        if marked == len(rows) and switch(properties, "tblHeader"):
            marked += 1
        rows.append(line)
    width = max(map(len, rows), default=0)
    if width * len(rows) <= 10 * sum(map(len, rows)) + 1000:  # not one wide row among thousands
        for line in rows:
            line += [Cell() for _ in range(width - len(line))]
    return Grid(rows, marked)


def cell_text(blocks: list[Block]) -> str:
    """Blocks of a cell as one line; items keep their numbers, and bullets among many."""
    parts: list[str] = []
    last = ""
    for block in blocks:
        text = one_line(block.text)
        if block.kind == "item" and (len(blocks) > 1 or block.marker != "-"):
            text = f"{block.marker} {text}"
        if block.kind == last == "row":
            parts[-1] += ";"
        parts.append(text)
        last = block.kind
    return " ".join(filter(None, parts))


def _children(element: Any, tag: str) -> Iterator[Any]:
    """Rows or cells, also those in content controls, insertions and alternatives."""
    stack = [iter(element)]
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
        elif child.tag == tag:
            yield child
        elif child.tag in _HOLDERS:
            stack.append(iter(child))


def _is_title(row: list[Cell]) -> bool:
    return len(row) > 1 and all(cell is row[0] for cell in row)


def _is_bold(element: Any) -> bool:
    runs = [run for run in element.iter(f"{W}r") if run.find(f"{W}t") is not None]
    return bool(runs) and all(switch(run.find(f"{W}rPr"), "b") for run in runs)


def _distinct(row: list[Cell]) -> int:
    return len({id(cell) for cell in row})


def _is_header(row: list[Cell], fewest: int = 3) -> bool:
    """Whether a row names the columns: bold, or plainly labels, and not too few of them."""
    if _distinct(row) < 2 or not all(cell.text for cell in row):
        return False
    labels = all(len(cell.text) <= _MAX_LABEL and not _NUMERIC.fullmatch(cell.text) for cell in row)
    return all(cell.bold for cell in row) or (_distinct(row) >= fewest and labels)


def _names(rows: list[list[Cell]]) -> list[str]:
    columns = zip_longest(*([cell.text for cell in row] for row in rows), fillvalue="")
    return [" ".join(dict.fromkeys(filter(None, parts))) for parts in columns]
