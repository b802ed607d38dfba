"""Lines of a PDF to blocks: paragraphs, words parted by hyphens, headings from sizes, tables.

What repeats at the edge of most pages is dropped, and a paragraph that runs over the end of a page
stays one paragraph.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, pairwise

from rag.ingest.blocks import Block, linearise
from rag.ingest.joint import Joint
from rag.ingest.pdf_entries import SAME, Entries, Entry
from rag.ingest.pdf_table import Cell, Line, Table

# The number of a page stands apart: alone, behind a rule or dash, or after the word for a page.
_FIRST_NUMBER = re.compile(r"^(\d{1,6})(?:\s*+$|\s*+[|–—·•]|\s++-\s)")
_LEADING_NUMBER = re.compile(r"^(\d{1,6})\s++(?=[A-Z])")
_LAST_NUMBER = re.compile(
    r"(?:^[-–—\s]*+|[|–—·•]\s*+|\s-\s*+|\b(?:page|seite|página|pagina|p\.)\s*+|"
    r"\s(?=\d{1,6}\s?(?:/|of|von|de|di|sur)\s?\d))"
    r"(\d{1,6})(?:\s*+(?:/|of|von|de|di|sur)\s*+\d{1,6})?[\s|–—-]*+$",
    re.I,
)
# Runs of spaces are taken whole: a long one would be tried in n ways.
_PAGE_NUMBER = re.compile(
    r"[-–—|\s]*+(?:page|seite|p\.|página|pagina)?\s*+\d{1,4}\s*+"
    r"(?:(?:/|of|von|de|di|sur)\s*+\d{1,4})?[-–—|\s]*+",
    re.I,
)
_ITEM = re.compile(r"([•◦▪‣●○■□–*-]|\d{1,3}[.)]|[a-z][.)])\s+(?=\S)")
_BULLETED = re.compile(r"[•◦▪‣●○■□]|.*?(?: \.){4}")
_ENDS = tuple('.!?:;…"”»)')
_LARGER = 1.15
_MAX_HEADING = 150
_MAX_RUNNING_ROWS = 2
_SHORT_PAGE = 4  # lines
_NUMERALS = "0123456789ivxlcIVXLC"
_DOTS = " .…·_"


def without_furniture(pages: list[list[Line]]) -> list[list[Line]]:
    """Lines of each page without headers, footers and page numbers at its edges."""
    edges = [_edges(lines) for lines in pages]
    body = _body_height(line for lines in pages for line in lines)
    repeated = Counter(key for lines in edges for key in set().union(*map(_running, lines)))
    offsets = Counter(offset for lines in edges for offset in set().union(*map(_offsets, lines)))
    needed = max(2.0, 0.5 * sum(map(bool, pages)))

    def is_furniture(line: Line, is_short: bool) -> bool:
        if len(pages) < 2 or line.height >= _LARGER * body:
            return False  # "Chapter 1" at the top is a heading
        if line.table is not None and len(line.table.rows) > _MAX_RUNNING_ROWS:
            return False  # a report has the same table on each page, with other figures
        is_number = _PAGE_NUMBER.fullmatch(line.text) is not None
        if is_number and any(letter in "/|" or letter.isalpha() for letter in line.text):
            return True  # "Page 3", "3 of 9"; a number alone may be a year, or what is due
        said, found = _running(line), _offsets(line)
        again = all(repeated[key] >= needed for key in said)
        if any("#" in key for key in said):
            again = again and any(offsets[offset] >= needed for offset in found)
        if again and said != {"#"} and not is_short and (len(pages) > 2 or found):
            return True  # of two pages that end alike, only with a page number
        if leading := _LEADING_NUMBER.match(line.text):
            found -= {("first", int(leading[1]) - line.page)}  # "3 Results" may head a chapter
        counted = any(offsets[offset] >= needed for offset in found)
        if is_number:
            is_year = len(line.text.strip(" -–—")) == 4  # or what else has four figures
            return (counted and not is_year) or ("first", 0) in found
        return counted and len(pages) > 2

    furniture = {
        id(line)
        for lines, edge in zip(pages, edges, strict=True)
        for line in edge
        # On a form or a slide of a few lines, what is the same on every page is what it says.
        if is_furniture(line, is_short=not line.flow and len(lines) <= _SHORT_PAGE)
    }
    return [[line for line in lines if id(line) not in furniture] for lines in pages]


def _body_height(lines: Iterable[Line]) -> float:
    """The height that most of the text has."""
    sizes: Counter[float] = Counter()
    for line in lines:
        if line.flow >= 0:
            sizes[line.height] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 1.0


def _edges(lines: list[Line]) -> list[Line]:
    edges: list[Line] = []
    for flow in {line.flow for line in lines if line.flow >= 0}:
        inside = (line for line in lines if line.flow == flow)
        by_height = sorted(inside, key=lambda line: -line.middle)
        edges += by_height[:2] + by_height[2:][-2:]
    return edges


def _offsets(line: Line) -> set[tuple[str, int]]:
    """How far the numbers at its ends are from the page's own: the same on every page."""
    parts = line.parts or [line]
    first = _FIRST_NUMBER.match(parts[0].text) or _LEADING_NUMBER.match(parts[0].text)
    last = _LAST_NUMBER.search(parts[-1].text)
    found = {("first", int(first[1]) - line.page)} if first else set()
    return found | ({("last", int(last[1]) - line.page)} if last else set())


def _running(line: Line) -> set[str]:
    """What a running title says, by its parts: the number of a page may stand apart."""
    texts = (
        _LEADING_NUMBER.sub("#", _FIRST_NUMBER.sub("#", part.text)) for part in line.parts or [line]
    )
    return {_LAST_NUMBER.sub("#", text.lower()) for text in texts}


def outline_key(page: int, title: str) -> tuple[int, str]:
    """What a heading and its entry in the outline have in common."""
    return page, re.sub(r"\W+", "", title).lower()


def join_lines(
    lines: list[Line], outline: dict[tuple[int, str], int]
) -> tuple[list[Block], list[tuple[float, str]]]:
    """Blocks of a document, and the height and text of each heading on its first page.

    ``outline`` has the levels of headings by ``outline_key``.
    """
    joined = _Paragraphs(lines, outline)
    joined.build()
    return joined.blocks, [(h, joined.blocks[at].text) for h, at in joined.first_headings]


class _Paragraphs:
    def __init__(self, lines: list[Line], outline: dict[tuple[int, str], int]) -> None:
        self.lines = lines
        self.outline = outline
        self.body = _body_height(lines)
        self.leading = self.typical_leading()
        self.running = self.find_running()
        larger = [line for line in lines if self.is_larger(line)]
        heights = sorted({line.height for line in larger}, reverse=True)
        self.ranks = {height: rank for rank, height in enumerate(heights, 1)}
        tops = [line for line in larger if line.height == heights[0]]
        # A title that is not in the outline stands above what is.
        self.titled = int(len(tops) == 1 and not self.marked(tops[0]))
        self.joint = Joint([line.text for line in lines])
        self.right = self.right_edges()
        self.entries = Entries(lines, self.is_plain, lambda line: self.is_short(line, line.left))
        self.rows = set(self.find_rows())
        self.blocks: list[Block] = []
        self.tail: list[str] = []
        self.group = 0
        self.names: list[str] = []
        self.open: list[Entry] = []  # what is being defined, and around it
        self.ended: Entry | None = None
        self.entry_group = 0
        self.untold = False  # the last term waits for what is said of it
        self.first_headings: list[tuple[float, int]] = []  # height and index, on the first page

    def build(self) -> None:
        previous: Line | None = None
        for line in self.lines:
            level = self.heading_level(line)
            entry = self.entries.found.get(id(line))
            goes_back = self.leave(line, previous, is_heading=level > 0)
            if level:
                self.add_heading(line, level, previous)
            elif entry is not None:
                self.add_entry(line, entry)
            elif line.table is not None:
                self.add_table(line, line.table, previous)
            elif id(line) in self.rows or _undotted(line.text) != line.text:
                self.add_row(line)
            elif self.untold and not _ITEM.match(line.text):
                self.tell(line.text)
            elif previous is None or goes_back or self.begins(previous, line):
                self.begin(line)
            else:
                self.go_on(line)
            previous = replace(line, text=entry.rest, parts=[]) if entry else line
        self.close()

    def leave(self, line: Line, previous: Line | None, *, is_heading: bool) -> bool:
        """End the definitions that a line is not in; tells whether there are any."""
        self.ended, count = None, len(self.open)
        is_column = previous is not None and (
            (previous.page, previous.column) != (line.page, line.column)
            and line.left > self.right.get((previous.page, previous.column), previous.right)
        )
        left = self.entries.left(line)
        while self.open:
            is_in = left > self.open[-1].inner - SAME
            if is_in and not (is_heading or is_column or line.flow):
                break
            self.ended = self.open.pop()
        return len(self.open) < count

    def put(self, block: Block) -> None:
        self.close()
        if block.kind != "heading":
            block = replace(block, level=block.level + len(self.open))
        self.blocks.append(block)
        self.untold = False
        self.tail = [block.text]

    def close(self) -> None:
        """Give the last block its text, of all of its lines."""
        if self.blocks:
            self.blocks[-1] = replace(self.blocks[-1], text="".join(self.tail))

    def marked(self, line: Line) -> int:
        """Level of a line in the outline, 0 for none."""
        return self.outline.get(outline_key(line.page, line.text), 0)

    def is_larger(self, line: Line) -> bool:
        return (
            line.height >= _LARGER * self.body
            and id(line) not in self.running
            and len(line.text) <= _MAX_HEADING
            and line.table is None
            and not line.flow
            and len(line.parts) < 2
            and any(letter.isalpha() for letter in line.text)
            and not _BULLETED.match(line.text)
            and _undotted(line.text) == line.text
        )

    def find_running(self) -> set[int]:
        """Ids of the larger lines that are paragraphs; raises ``body`` to the height of most.

        Most of a text may be in smaller letters, as listings are.
        """
        runs: list[list[Line]] = []
        for line in self.lines:
            if line.height < _LARGER * self.body or line.table is not None or line.flow:
                continue
            last = runs[-1][-1] if runs else None
            same = last and abs(last.height - line.height) <= 0.05 * line.height
            if last and same and self.is_near(last, line):
                runs[-1].append(line)
            else:
                runs.append([line])
        long = [run for run in runs if sum(len(line.text) for line in run) > _MAX_HEADING]
        prose = [line for run in long if _is_prose(run) for line in run]
        needed = max(0.02 * sum(len(line.text) for line in self.lines), 500)
        for line in sorted(prose, key=lambda line: -line.height):
            needed -= len(line.text)
            if needed < 0:
                self.body = max(self.body, line.height)
                break
        return set(map(id, chain.from_iterable(long)))

    def heading_level(self, line: Line) -> int:
        if marked := self.marked(line):
            return min(marked + self.titled, 6)
        return min(self.ranks[line.height], 6) if self.is_larger(line) else 0

    def add_heading(self, line: Line, level: int, previous: Line | None) -> None:
        if (
            previous is not None
            and self.blocks
            and self.blocks[-1].kind == "heading"
            and previous.height == line.height
            and self.is_near(previous, line)
            and not self.marked(line)
        ):  # a title of two lines
            self.tail[-1], text = self.joint.join(self.tail[-1], line.text)
            self.tail.append(text)
        else:
            self.put(Block("heading", line.text, level=level, page=line.page))
            if line.page == 1:
                self.first_headings.append((line.height, len(self.blocks) - 1))

    def add_entry(self, line: Line, entry: Entry) -> None:
        """Begin what is said of a term; a further line of the term is in it already."""
        if entry.term:
            goes_on = self.ended is not None and abs(self.ended.left - entry.left) <= SAME
            if not self.open and not goes_on:
                self.group += 1
                self.entry_group = self.group
            term = entry.term
            self.put(Block("item", term, 0, "-", self.entry_group, page=line.page, term=term))
            self.open.append(entry)
            self.untold = True
        if entry.rest:
            self.tell(entry.rest)

    def tell(self, text: str) -> None:
        """Begin the definition of the last term."""
        self.tail.append(f": {text}")
        self.untold = False

    def add_row(self, line: Line) -> None:
        if not self.blocks or self.blocks[-1].kind != "row":
            self.group += 1
        text = " | ".join(part.text for part in line.parts) or _undotted(line.text)
        self.put(Block("row", text, group=self.group, page=line.page))

    def add_table(self, line: Line, table: Table, previous: Line | None) -> None:
        names = table.names(self.cell)
        rows = [[self.cell(cell) for cell in row] for row in table.rows[table.header :]]
        if (
            previous is not None
            and previous.table is not None
            and (previous.page, previous.column) != (line.page, line.column)
            and table.continues(previous.table)
            and any(self.names)
            and (not any(names) or names == self.names)
        ):  # the rest of a table after the end of a page, its header repeated there or left out
            if not table.header and rows[0] == self.names:
                rows = rows[1:]
            names = self.names
        else:
            self.group += 1
        for block in linearise(names, rows, group=self.group):
            self.put(replace(block, page=line.page))
        # A header alone at the foot of a page is told as a row, and names the columns of the rest.
        alone = len(table.rows) == 1 and all(cell.bold for cell in table.rows[0])
        self.names = rows[0] if alone and rows else names

    def cell(self, cell: Cell) -> str:
        """Text of a cell, its wrapped lines joined."""
        text = ""
        for line in cell.lines:
            text = "".join(self.joint.join(text, line)) if text else line
        return text

    def begin(self, line: Line) -> None:
        item = _ITEM.match(line.text)
        if not item:
            self.put(Block("paragraph", line.text, page=line.page))
            return
        if not self.blocks or self.blocks[-1].kind != "item":
            self.group += 1
        marker = item[1] if item[1][0].isalnum() else "-"
        text = line.text[item.end() :]
        self.put(Block("item", text, marker=marker, group=self.group, page=line.page))

    def begins(self, previous: Line, line: Line) -> bool:
        """Whether the line begins a paragraph of its own."""
        last = self.blocks[-1]
        if last.kind in ("heading", "row") or line.flow != previous.flow or _ITEM.match(line.text):
            return True
        if self.is_label(previous) or self.is_label(line):
            return True
        if abs(previous.height - line.height) > 0.12 * previous.height:
            return True
        ended = previous.text.endswith(_ENDS)
        if not self.is_near(previous, line):
            jumped = (previous.page, previous.column) != (line.page, line.column)
            return not (jumped and not ended and line.text[:1].islower())
        short = self.is_short(previous, line.left)
        if last.kind == "item":
            return ended and (short or line.left < previous.left - 0.5 * line.height)
        indented = line.left - previous.left > 0.8 * line.height
        return indented or (short and ended)

    def is_plain(self, line: Line) -> bool:
        return not self.heading_level(line) and _undotted(line.text) == line.text

    def is_short(self, line: Line, left: float) -> bool:
        right = self.right.get((line.page, line.column), line.right)
        return right - line.right > 0.25 * (right - left)

    def is_label(self, line: Line) -> bool:
        """Whether a line has gaps that do not come from being spaced to fill its column."""
        return bool(line.parts) and (_has_wide_gap(line) or self.is_short(line, line.left))

    def is_near(self, previous: Line, line: Line) -> bool:
        if previous.page != line.page or previous.column != line.column:
            return False
        step = previous.middle - line.middle
        return 0 < step <= 1.35 * max(self.leading.get(line.height, 0), 1.1 * line.height)

    def go_on(self, line: Line) -> None:
        last = self.blocks[-1]
        self.tail[-1], text = self.joint.join(self.tail[-1], line.text)
        if last.page != line.page and last.kind == "paragraph":
            separator = text[: len(text) - len(text.lstrip())]
            self.put(Block("paragraph", text.lstrip(), page=line.page, joins=separator))
        else:
            self.tail.append(text)

    def typical_leading(self) -> dict[float, float]:
        steps: dict[float, list[float]] = {}
        for above, below in pairwise(self.lines):
            step = above.middle - below.middle
            same = above.page == below.page and above.height == below.height
            if same and 0 < step < 2.5 * below.height:
                steps.setdefault(below.height, []).append(step)
        # Half of the steps may be between the items of lists, which stand further apart.
        return {height: sorted(found)[len(found) // 4] for height, found in steps.items()}

    def find_rows(self) -> Iterable[int]:
        """Ids of the lines that are rows of cells: two or more, one below the other.

        A line alone only has wide gaps, and so has one that is spaced to fill its column.
        """
        edges = Counter(_sides(line) for line in self.lines if len(line.parts) < 2)
        for pair in pairwise(self.lines):
            for line, other in (pair, pair[::-1]):
                if (
                    len(line.parts) > 1
                    and (edges[_sides(line)] < 3 or _has_wide_gap(line))
                    and (len(other.parts) > 1 or other.table)
                    and abs(line.middle - other.middle) <= 4 * line.height
                    and (line.page, line.column) == (other.page, other.column)
                ):
                    yield id(line)

    def right_edges(self) -> dict[tuple[int, int], float]:
        edges: dict[tuple[int, int], float] = {}
        for line in self.lines:
            if line.table is None:  # it may be wider than the text
                place = (line.page, line.column)
                edges[place] = max(edges.get(place, line.right), line.right)
        return edges


def _undotted(text: str) -> str:
    """Line of a table of contents without the dots before the number of the page."""
    entry = text.rstrip(_NUMERALS)
    title = entry.rstrip(_DOTS)
    dots = len(entry) - len(title) - entry.count(" ", len(title))
    return f"{title} | {text[len(entry) :]}" if title and dots >= 4 else text


def _sides(line: Line) -> tuple[int, int, int, int]:
    return line.page, line.column, round(line.left), round(line.right)


def _is_prose(lines: list[Line]) -> bool:
    """Whether lines go on in the middle of a sentence, as those of an index do not."""
    firsts = [line.text[:1] for line in lines]
    going_on = sum(first.isalpha() and not first.isupper() for first in firsts)
    return going_on >= 0.3 * len(lines)


def _has_wide_gap(line: Line) -> bool:
    return any(b.left - a.right > 4 * line.height for a, b in pairwise(line.parts))
