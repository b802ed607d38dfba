"""PDF to blocks: paragraphs rebuilt from lines, words from hyphens, headings from sizes.

pdfium reads the file; what repeats at the edge of most pages is dropped, and a paragraph that runs
over the end of a page stays one paragraph.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from threading import Lock
from typing import Any

from rag.errors import SourceError
from rag.ingest.blocks import Block, linearise, one_line
from rag.ingest.dates import parse_date
from rag.ingest.pdf_page import Line, read_lines
from rag.ingest.pdf_table import Cell, Table

_LOCK = Lock()  # pdfium is not safe for threads
_DIGITS = re.compile(r"\d{1,6}")
_LAST_NUMBER = re.compile(
    r"(?<!\d)(\d{1,6})(?:\s*(?:/|of|von|de|di|sur)\s*\d{1,6})?[\s|–—-]*$", re.I
)
_LEADERS = re.compile(r"(?:\. ?){4}|…{2}")
_PAGE_NUMBER = re.compile(
    r"[-–—|\s]*(?:page|seite|p\.|página|pagina)?\s*\d{1,4}\s*(?:(?:/|of|von|de|di|sur)\s*\d{1,4})?"
    r"[-–—|\s]*",
    re.I,
)
_ITEM = re.compile(r"([•◦▪‣●○■□–*-]|\d{1,3}[.)]|[a-z][.)])\s+(?=\S)")
_JUNK_TITLE = re.compile(
    r"^(?:untitled|microsoft word\b.*|.*\.(?:docx?|tex|indd|qxd|pptx?))$", re.I
)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST_PART = re.compile(r"([^\W\d_]+)-$")
_OPEN_END = re.compile(r"[^\s/-][-/]$")
"""A hyphen or stroke that the next line follows without a space; one between spaces is a sign."""
_FIRST_PART = re.compile(r"[^\W\d_]+")
_ENDS = tuple('.!?:;…"”»)')
_LARGER = 1.15
_MAX_HEADING = 150
_MAX_RUNNING_ROWS = 2


@dataclass
class Pdf:
    """What a PDF holds and says of itself."""

    blocks: list[Block]
    pages: int
    title: str | None
    author: str | None
    published: date | None


def read(data: bytes, name: str) -> Pdf:
    """Return the blocks of a PDF; raises SourceError for a protected, broken or scanned one."""
    with _LOCK:
        lines, outline, info, pages = _load(data, name)
    if not any(lines):
        raise SourceError(f"{name} has no text (scanned?): run OCR first, e.g. with ocrmypdf.")
    kept = [line for page in _without_furniture(lines) for line in page]
    title = one_line(info.get("Title", ""))
    blocks = _Paragraphs(kept, outline).build()
    if not title or _JUNK_TITLE.match(title):
        on_first = [block for block in blocks if block.kind == "heading" and block.page == 1]
        title = min(on_first, key=lambda block: block.level).text if on_first else ""
    return Pdf(
        blocks=blocks,
        pages=pages,
        title=title or None,
        author=one_line(info.get("Author", "")) or None,
        published=_date(info),
    )


def _load(
    data: bytes, name: str
) -> tuple[list[list[Line]], dict[tuple[int, str], int], dict[str, str], int]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise SourceError(
                f"{name} is protected by a password; save a copy without one."
            ) from None
        raise SourceError(
            f"{name} is damaged or no PDF at all; open it in a viewer and save it again."
        ) from None
    try:
        lines = [_page(document, index) for index in range(len(document))]
        outline = {
            (item.page_index + 1, _key(item.title)): item.level + 1
            for item in map(_bookmark, document.get_toc())
            if item is not None
        }
        return lines, outline, document.get_metadata_dict(), len(document)
    finally:
        document.close()


def _page(document: Any, index: int) -> list[Line]:
    page = document[index]
    textpage = page.get_textpage()
    try:
        return read_lines(page, textpage, index + 1)
    finally:
        textpage.close()
        page.close()


@dataclass
class _Mark:
    title: str
    level: int
    page_index: int


def _bookmark(item: Any) -> _Mark | None:
    target = item.get_dest()
    page = target.get_index() if target else None
    return None if page is None else _Mark(item.get_title(), item.level, page)


def _key(text: str) -> str:
    return re.sub(r"\W+", "", text).lower()


def _date(info: dict[str, str]) -> date | None:
    for name in ("ModDate", "CreationDate"):
        found = parse_date(info.get(name, "").removeprefix("D:")[:8])
        if found:
            return found
    return None


def _without_furniture(pages: list[list[Line]]) -> list[list[Line]]:
    """Drop headers, footers and page numbers from the edges of the pages."""
    edges = [_edges(lines) for lines in pages]
    body = _body_height(line for lines in pages for line in lines)
    repeated = Counter(key for lines in edges for key in set().union(*map(_running, lines)))
    offsets = Counter(offset for lines in edges for offset in set().union(*map(_offsets, lines)))
    needed = max(2.0, 0.5 * sum(map(bool, pages)))

    def is_furniture(line: Line) -> bool:
        if len(pages) < 2 or line.height >= _LARGER * body:
            return False  # "Chapter 1" at the top is a heading
        if line.table is not None and len(line.table.rows) > _MAX_RUNNING_ROWS:
            return False  # a report has the same table on each page, with other figures
        if _PAGE_NUMBER.fullmatch(line.text):
            return True
        again = all(repeated[key] >= needed for key in _running(line))
        if again and (len(pages) > 2 or _offsets(line)):
            return True  # of two pages that end alike, only with a page number
        return len(pages) > 2 and any(offsets[found] >= needed for found in _offsets(line))

    furniture = {id(line) for lines in edges for line in lines if is_furniture(line)}
    return [[line for line in lines if id(line) not in furniture] for lines in pages]


def _body_height(lines: Iterable[Line]) -> float:
    """Return the height that most of the text has."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.height] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 1.0


def _offsets(line: Line) -> set[tuple[str, int]]:
    """Return how far the numbers at its ends are from the page's own: the same on every page."""
    first, last = _DIGITS.match(line.text), _LAST_NUMBER.search(line.text)
    found = {("first", int(first[0]) - line.page)} if first else set()
    return found | ({("last", int(last[1]) - line.page)} if last else set())


def _edges(lines: list[Line]) -> list[Line]:
    by_height = sorted(lines, key=lambda line: -line.middle)
    return by_height[:2] + by_height[2:][-2:]


def _running(line: Line) -> set[str]:
    """Return what a running title says, by its parts: the number of a page may stand apart."""
    return {_DIGITS.sub("#", part.text.lower()) for part in line.parts or [line]}


class _Paragraphs:
    """Joins lines to blocks."""

    def __init__(self, lines: list[Line], outline: dict[tuple[int, str], int]) -> None:
        self.lines = lines
        self.outline = outline
        self.body = _body_height(lines)
        larger = {line.height for line in lines if self.is_larger(line)}
        self.ranks = {height: rank for rank, height in enumerate(sorted(larger, reverse=True), 1)}
        tops = [line for line in lines if self.ranks.get(line.height) == 1 and self.is_larger(line)]
        # A title that is not in the outline stands above what is.
        self.titled = int(len(tops) == 1 and (tops[0].page, _key(tops[0].text)) not in outline)
        self.words = {word.lower() for line in lines for word in _WORD.findall(line.text)}
        self.leading = self.typical_leading()
        self.right = self.right_edges()
        self.blocks: list[Block] = []
        self.group = 0
        self.names: list[str] = []

    def build(self) -> list[Block]:
        previous: Line | None = None
        for line in self.lines:
            level = self.heading_level(line)
            if level:
                self.add_heading(line, level, previous)
            elif line.table is not None:
                self.add_table(line, line.table, previous)
            elif len(line.parts) > 1:
                self.add_row(line)
            elif previous is None or self.begins(previous, line):
                self.begin(line)
            else:
                self.go_on(previous, line)
            previous = line
        return self.blocks

    def is_larger(self, line: Line) -> bool:
        return (
            line.height >= _LARGER * self.body
            and len(line.text) <= _MAX_HEADING
            and line.table is None
            and len(line.parts) < 2
            and any(letter.isalpha() for letter in line.text)
            and not _LEADERS.search(line.text)
        )

    def heading_level(self, line: Line) -> int:
        marked = self.outline.get((line.page, _key(line.text)))
        if marked:
            return min(marked + self.titled, 6)
        return min(self.ranks[line.height], 6) if self.is_larger(line) else 0

    def add_heading(self, line: Line, level: int, previous: Line | None) -> None:
        last = self.blocks[-1] if self.blocks else None
        if (
            previous is not None
            and last is not None
            and last.kind == "heading"
            and previous.height == line.height
            and self.is_near(previous, line)
            and (line.page, _key(line.text)) not in self.outline
        ):  # a title of two lines
            title = f"{last.text} {line.text}"
            self.blocks[-1] = Block("heading", title, level=last.level, page=last.page)
        else:
            self.blocks.append(Block("heading", line.text, level=level, page=line.page))

    def add_row(self, line: Line) -> None:
        if not self.blocks or self.blocks[-1].kind != "row":
            self.group += 1
        text = " | ".join(part.text for part in line.parts)
        self.blocks.append(Block("row", text, group=self.group, page=line.page))

    def add_table(self, line: Line, table: Table, previous: Line | None) -> None:
        names = table.names(self.cell)
        rows = [[self.cell(cell) for cell in row] for row in table.rows[table.header :]]
        if self.goes_on_from(previous, line, table) and (not any(names) or names == self.names):
            # The rest of a table after a page's end, its header repeated there or left out.
            if not table.header and rows[0] == self.names:
                rows = rows[1:]
            names = self.names
        else:
            self.group += 1
        for block in linearise(names, rows, group=self.group):
            self.blocks.append(replace(block, page=line.page))
        # A header alone at the foot of a page is told as a row, and names the columns of the rest.
        alone = len(table.rows) == 1 and all(cell.bold for cell in table.rows[0])
        self.names = rows[0] if alone and rows else names

    def goes_on_from(self, previous: Line | None, line: Line, table: Table) -> bool:
        """Tell whether a table is the rest of the one that ended the page or column before."""
        if previous is None or previous.table is None or not any(self.names):
            return False
        place = (previous.page, previous.column)
        return place != (line.page, line.column) and table.continues(previous.table)

    def cell(self, cell: Cell) -> str:
        """Return the text of a cell, its wrapped lines joined."""
        text = ""
        for line in cell.lines:
            text = "".join(self.join(text, line)) if text else line
        return text

    def begin(self, line: Line) -> None:
        item = _ITEM.match(line.text)
        if not item:
            self.blocks.append(Block("paragraph", line.text, page=line.page))
            return
        if not self.blocks or self.blocks[-1].kind != "item":
            self.group += 1
        marker = item[1] if item[1][0].isalnum() else "-"
        text = line.text[item.end() :]
        self.blocks.append(Block("item", text, marker=marker, group=self.group, page=line.page))

    def begins(self, previous: Line, line: Line) -> bool:
        """Tell whether the line begins a paragraph of its own."""
        last = self.blocks[-1]
        if last.kind in ("heading", "row") or _ITEM.match(line.text):
            return True
        if abs(previous.height - line.height) > 0.12 * previous.height:
            return True
        if not self.is_near(previous, line):
            jumped = previous.page != line.page or previous.column != line.column
            unfinished = not previous.text.endswith(_ENDS) and line.text[:1].islower()
            return not (jumped and unfinished)
        right = self.right.get((line.page, line.column), line.right)
        short = right - previous.right > 0.25 * (right - line.left)
        ended = previous.text.endswith(_ENDS)
        if last.kind == "item":
            return ended and (short or line.left < previous.left - 0.5 * line.height)
        indented = line.left - previous.left > 0.8 * line.height
        return indented or (short and ended)

    def is_near(self, previous: Line, line: Line) -> bool:
        if previous.page != line.page or previous.column != line.column:
            return False
        step = previous.middle - line.middle
        return 0 < step <= 1.35 * max(self.leading.get(line.height, 0), 1.1 * line.height)

    def go_on(self, previous: Line, line: Line) -> None:
        last = self.blocks[-1]
        joint, text = self.join(last.text, line.text)
        if last.page != line.page and last.kind == "paragraph":
            self.blocks[-1] = Block("paragraph", joint, page=last.page, joins=last.joins)
            separator = text[: len(text) - len(text.lstrip())]
            self.blocks.append(Block("paragraph", text.lstrip(), page=line.page, joins=separator))
            return
        self.blocks[-1] = Block(
            last.kind,
            joint + text,
            marker=last.marker,
            group=last.group,
            page=last.page,
            joins=last.joins,
        )

    def join(self, before: str, after: str) -> tuple[str, str]:
        """Return both texts as they are to stand together, a hyphen at the line's end undone."""
        if before.endswith("\u00ad"):
            return before[:-1], after
        head, tail = _LAST_PART.search(before), _FIRST_PART.match(after)
        if not head or not tail or not after[0].islower():
            return before, after if _OPEN_END.search(before) else f" {after}"
        whole = f"{head[1]}{tail[0]}".lower()
        compound = f"{head[1]}-{tail[0]}".lower()
        if compound in self.words and whole not in self.words:
            return before, after
        return before[:-1], after

    def typical_leading(self) -> dict[float, float]:
        steps: dict[float, list[float]] = {}
        for above, below in zip(self.lines, self.lines[1:], strict=False):
            step = above.middle - below.middle
            same = above.page == below.page and above.height == below.height
            if same and 0 < step < 2.5 * below.height:
                steps.setdefault(below.height, []).append(step)
        # Half of the steps may be between the items of lists, which stand further apart.
        return {height: sorted(found)[len(found) // 4] for height, found in steps.items()}

    def right_edges(self) -> dict[tuple[int, int], float]:
        edges: dict[tuple[int, int], float] = {}
        for line in self.lines:
            if line.table is not None:
                continue  # it may be wider than the text
            place = (line.page, line.column)
            edges[place] = max(edges.get(place, 0.0), line.right)
        return edges
