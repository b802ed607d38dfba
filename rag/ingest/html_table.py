"""HTML tables to a header and rows of cells, and MathML to one line of text.

Spans are filled in; tables that only arrange a page are told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from rag.ingest.html_parse import holds, text_of

_MAX_SPAN = 100
_MAX_REPEATED = 10
"""Spans are filled in up to this many places for each cell of a table, then heeded no more."""
_SPAN = re.compile(r"[0-9]{1,6}")
_CELLS = ("td", "th")
_PARTS = frozenset("tr thead tbody tfoot caption colgroup col".split())
_SILENT = frozenset(["annotation", "annotation-xml", "mphantom"])
_MAX_MATH_DEPTH = 60
_FLOW = frozenset(["h1", "h2", "h3", "h4", "h5", "h6", "table", "pre", "form", "article", "main"])


@dataclass
class Table:
    """Cells are elements; one that spans rows stands in each of them, one that spans columns in the
    first, or in the names of all if it is in the header. A row of one cell heads those below it.
    """

    header: list[Any]
    rows: list[list[Any]]


def take_strays(table: Any) -> Any:
    """Give cells without a row one, and return what stands in no cell, in an element of its own.

    Browsers show it, before the table.
    """
    strays = table.makeelement("div")
    parts = [table]
    for part in parts:  # grows
        row, stray = None, etree.SubElement(strays, "div")
        _take_text(stray, part.text)
        part.text = None
        for child in list(part):
            is_cell = child.tag in _CELLS
            if not (is_cell or child.tag in _PARTS or (part.tag != "tr" and _holds_rows(child))):
                row = None
                stray.append(child)  # with the text after it
                continue
            _take_text(stray, child.tail)
            child.tail = None
            if not is_cell:
                row = None
                if child.tag not in ("caption", "colgroup", "col"):
                    parts.append(child)
            elif part.tag != "tr":
                if row is None:
                    row = table.makeelement("tr")
                    child.addprevious(row)
                row.append(child)
        if not len(stray):
            strays.remove(stray)
    return strays


def _take_text(stray: Any, text: str | None) -> None:
    """Add a text, set apart from what stands before the cell or row between them."""
    if text and text.strip():
        etree.SubElement(stray, "span").text = f" {text} "
    elif len(stray) and not (stray[-1].tail or "").endswith(" "):
        stray[-1].tail = f"{stray[-1].tail or ''} "


def _holds_rows(element: Any) -> bool:
    """Tell whether rows of the table stand in an element that is no part of one, as in a form."""
    row = next(element.iter("tr", *_CELLS), None)
    inside = () if row is None else row.iterancestors("table", element.tag)
    return next((around is element for around in inside), False)


def own_rows(table: Any) -> Iterator[Any]:
    """Yield the rows of a table in their order, not those of tables inside it."""
    stack = [iter(table)]
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
        elif child.tag == "tr":
            yield child
        elif child.tag not in ("table", *_CELLS):
            stack.append(iter(child))


def own_cells(table: Any) -> Iterator[Any]:
    """Yield the cells of a table row by row, not those of tables inside it."""
    for row in own_rows(table):
        yield from row.iterchildren(*_CELLS)


def read_table(element: Any, max_cell: int) -> Table | None:
    """The table, or None when it arranges blocks and its cells are to be read one by one."""
    if element.get("role") in ("presentation", "none"):
        return None
    rows = list(own_rows(element))
    lines = [list(row.iterchildren(*_CELLS)) for row in rows]
    cells = [cell for line in lines for cell in line]
    has_header = any(cell.tag == "th" for cell in cells)
    flow = _FLOW - {"pre"} if has_header else _FLOW
    if any(holds(cell, *flow) or len(cell.text_content()) > max_cell for cell in cells):
        return None
    if not has_header and all(len(line) < 2 for line in lines):
        return None  # one column: paragraphs
    grid = _fill(lines)
    width = max(map(len, grid), default=0)
    head = _header_rows(rows, lines, width)
    body = [_told_once(line, width) for line in grid[head:]]
    # A title over the whole width would only be repeated in the name of every column.
    titles = [_told_once(line, width) for line in grid[:head] if _is_title(line, width)]
    header = [line for line in grid[:head] if not _is_title(line, width)]
    return Table(header[0] if len(header) == 1 else list(_merged(header)), titles + body)


def _is_title(line: list[Any], width: int) -> bool:
    return len(line) == width > 1 and all(cell is line[0] for cell in line)


def _told_once(line: list[Any], width: int) -> list[Any]:
    if _is_title(line, width):
        return line[:1]
    told = [None if i and cell is line[i - 1] else cell for i, cell in enumerate(line)]
    return [*told, None] if len(told) == 1 < width else told  # alone it would be a title


def _header_rows(rows: list[Any], lines: list[list[Any]], width: int) -> int:
    in_head = sum(1 for _ in takewhile(lambda row: row.getparent().tag == "thead", rows))
    if in_head:
        return in_head if in_head < len(rows) else 0
    named = 0  # rows of th; a second one belongs to the header where the first has groups
    for line in lines:
        if not line or any(cell.tag != "th" for cell in line):
            break
        named += 1
        if not any(_span(cell, "colspan") > 1 or _span(cell, "rowspan") > 1 for cell in line):
            break
    return named if width > 1 and named < len(rows) else 0


def _fill(lines: list[list[Any]]) -> list[list[Any]]:
    """The cells at every place of the table; where spans overlap, the first cell stays."""
    grid: list[dict[int, Any]] = [{} for _ in lines]
    allowed = _MAX_REPEATED * sum(map(len, lines)) + 10_000
    for number, cells in enumerate(lines):
        column = 0
        for cell in cells:
            while column in grid[number]:
                column += 1
            across, down = _span(cell, "colspan"), _span(cell, "rowspan")
            if allowed < across * down:
                across = down = 1
            allowed -= across * down - 1
            for row in grid[number : number + down]:
                for place in range(column, column + across):
                    row.setdefault(place, cell)
            column += across
    return [[row.get(place) for place in range(max(row, default=-1) + 1)] for row in grid]


def _span(cell: Any, name: str) -> int:
    value = (cell.get(name) or "1").strip()
    return min(max(int(value), 1), _MAX_SPAN) if _SPAN.fullmatch(value) else 1


def _merged(head: list[list[Any]]) -> Iterator[Any]:
    """Name every column by all the cells above it."""
    for column in zip_longest(*head):
        cell = lxml_html.Element("th")
        texts = dict.fromkeys(text_of(part) for part in column if part is not None)
        cell.text = " ".join(filter(None, texts))
        yield cell


# --- formulas ---


def read_math(element: Any, depth: int = 0) -> str:
    """A formula, or a part of one, as typed on a line: 1/2 and x^2, not 12 and x2."""
    tag = str(element.tag).rpartition(":")[2].lower()
    if tag in _SILENT:
        return ""
    if depth > _MAX_MATH_DEPTH:
        return text_of(element)
    parts = [read_math(child, depth + 1) for child in element if isinstance(child.tag, str)]
    if not parts:
        return " ".join((element.text or "").split())
    if tag == "mfrac" and len(parts) == 2:
        return f"{_grouped(parts[0])}/{_grouped(parts[1])}"
    if tag in ("msup", "mover") and len(parts) == 2:
        return f"{parts[0]}^{_grouped(parts[1])}"
    if tag in ("msub", "munder") and len(parts) == 2:
        return f"{parts[0]}_{_grouped(parts[1])}"
    if tag in ("msubsup", "munderover") and len(parts) == 3:
        return f"{parts[0]}_{_grouped(parts[1])}^{_grouped(parts[2])}"
    if tag == "msqrt":
        return f"√{_grouped(''.join(parts))}"
    if tag == "mroot" and len(parts) == 2:
        return f"{_grouped(parts[0])}^(1/{parts[1]})"
    between = {"mtable": "; ", "mtr": ", ", "mfenced": ", "}.get(tag, "")
    joined = between.join(filter(None, parts))
    return f"({joined})" if tag == "mfenced" else joined


def _grouped(part: str) -> str:
    return part if len(part) < 2 or part.isalnum() else f"({part})"
