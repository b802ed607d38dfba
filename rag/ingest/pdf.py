"""PDF to blocks: paragraphs rebuilt from lines, words from hyphens, headings from sizes.

pdfium reads the file; what repeats at the edge of most pages is dropped, and a paragraph that runs
over the end of a page stays one paragraph.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from threading import Lock
from typing import Any

from rag.errors import SourceError
from rag.ingest.blocks import Block, Parsed, linearise, one_line
from rag.ingest.metadata import parse_date
from rag.ingest.pdf_form import read_annotations, read_string, read_xfa, without_machine_made
from rag.ingest.pdf_letters import Line
from rag.ingest.pdf_page import read_lines
from rag.ingest.pdf_table import Cell, Table
from rag.text.language import detect

_LOCK = Lock()  # pdfium is not safe for threads
_DIGITS = re.compile(r"\d{1,6}")
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
_JUNK_TITLE = re.compile(
    r"(?:microsoft word|powerpoint)\b.*|(?:untitled|unbenannt|sans titre)\b.{0,20}"
    r"|(?:binder|book|document|dokument|layout|model|presentation|slide|title|titel)\W{0,2}\d*"
    r"|version [\d.]+|matlab"
    r"|.*\.(?:ai|cdr|docx?|dvi|eps|fm|html?|indd|jpe?g|lyx|md|odp|odt|pdf|png|pptx?|ps|pub|qxd|rtf"
    r"|tex|tiff?|txt|vsdx?|wpd|xlsx?)",
    re.I,
)
_CONTENTS = frozenset(
    "contents tableofcontents inhalt inhaltsverzeichnis sommaire tabledesmatières contenido "
    "contenidos índice indice sumario sumário inhoud inhoudsopgave abstract zusammenfassung "
    "содержание оглавление 目次 目录 目錄 차례 목차".split()
)
_PLACEHOLDER = re.compile(r"[\[<{].*[\]>}]")
_MIN_LETTERS = 2
_BULLETED = re.compile(r"[•◦▪‣●○■□]|.*?(?: \.){4}")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST_PART = re.compile(r"([^\W\d_]+)[-\u2010]$")
_HYPHENED = re.compile(r"[^\W_][-\u2010]$")
_OPEN_END = re.compile(r"[^\s/–—\u2010-][-/–—\u2010]$")
"""A hyphen, dash or stroke that the next line follows without a space; between spaces, a sign."""
_OPEN_START = re.compile(r"\d[–—]\d|\w—[^\W\d_]")
_UNSPACED = re.compile("[\u3001-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffee]{2}")
"""Chinese and Japanese, which know no spaces that a line's end could stand for."""
_FIRST_PART = re.compile(r"[^\W\d_]+")
_ENDS = tuple('.!?:;…"”»)')
_LARGER = 1.15
_SAME_SIZE = 0.05
_MIN_RUNNING = 0.02
_MIN_PROSE = 500
_MIN_GOING_ON = 0.3
_ABOUT = 0.8
_NOTE_MARKS = " *∗†‡"
_MAX_HEADING = 150
_MAX_RUNNING_ROWS = 2
_SHORT_PAGE = 4  # lines
_YEAR = 4  # figures
_MOST_BROKEN = 1000
"""Broken pages in a row after which no more are looked for."""
_MAX_NAMED = 10
_NUMERALS = "0123456789ivxlcIVXLC"
_DOTS = " .…·_"
_MIN_DOTS = 4
_MAX_WORD = 60
_MAX_LABEL = 6
_SAMPLE = 100
_MIN_PART = 3
_SUSPENDED = ("and", "or", "und", "oder")
"""After a hyphen that stands for the rest of a word: "pre- and post-war"."""
_PREFIXES = frozenset(
    "anti auto com con counter dis fore inter macro micro mis mono multi out over para photo post "
    "pre pro sub super tele trans under".split()
)
_SUFFIXES = frozenset("able age ally ers ing ings ion less ment ness ship ward wards wise".split())
_WIDE_GAP = 4.0
_NEAR_ROWS = 4.0


def read(data: bytes, name: str, *, on_page: Callable[[int, int], object] | None = None) -> Parsed:
    """Return the blocks of a PDF; raises SourceError for a protected, broken or scanned one.

    ``on_page`` is told how many pages of how many are read.
    """
    with _LOCK:
        lines, outline, info, notes = _load(data, name, on_page)
    pages = len(lines)
    body = _without_furniture(lines)
    paragraphs = _Paragraphs(list(chain.from_iterable(body if any(body) else lines)), outline)
    blocks = paragraphs.build()
    title, author = (one_line(info.get(key, "")) for key in ("Title", "Author"))
    if not _is_title(title):
        title = paragraphs.title()
    return Parsed(
        blocks=blocks,
        pages=pages,
        title=title or None,
        author=author if _says_something(author) else None,
        published=_date(info),
        notes=notes,
    )


def _load(
    data: bytes, name: str, on_page: Callable[[int, int], object] | None
) -> tuple[list[list[Line]], dict[tuple[int, str], int], dict[str, str], list[str]]:
    import pypdfium2
    from pypdfium2 import raw

    logging.getLogger("pypdfium2").addHandler(logging.NullHandler())  # nothing for stderr
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
    has_form = raw.FPDF_GetFormType(document) != raw.FORMTYPE_NONE
    config = raw.FPDF_FORMFILLINFO(version=2)
    form = raw.FPDFDOC_InitFormFillEnvironment(document, config) if has_form else None
    try:
        lines: list[list[Line]] = []
        skipped = _Skipped()
        broken = skipped.broken
        count = len(document)
        for index in range(count):
            try:
                found = _page(document, index, form, skipped)
            except pypdfium2.PdfiumError:
                broken.append(index + 1)
                found = []
                if len(broken) >= _MOST_BROKEN and index + 1 - broken[-_MOST_BROKEN] < _MOST_BROKEN:
                    break  # there are no such pages: the count is a lie
            lines.append(found)
            if on_page:
                on_page(index + 1, count)
        outline = {
            (mark.page_index + 1, _key(mark.title)): mark.level + 1
            for mark in map(_bookmark, document.get_toc())
            if mark is not None
        }
        info = {
            key: read_string(raw.FPDF_GetMetaText, document, key.encode())
            for key in ("Title", "Author", "CreationDate", "ModDate")
        }
        if not any(lines):
            raise SourceError(_no_text(name, skipped))
        return lines, outline, info, _notes(document, skipped)
    finally:
        if form:
            raw.FPDFDOC_ExitFormFillEnvironment(form)
        document.close()


@dataclass
class _Skipped:
    """Pages that are but a picture, and those that cannot be read; comments left out, by page."""

    pictures: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    comments: dict[int, int] = field(default_factory=dict)


def _no_text(name: str, skipped: _Skipped) -> str:
    if skipped.pictures:
        return f"{name} has no text (scanned?): run OCR first, e.g. with ocrmypdf."
    if skipped.broken:
        return f"{name} has no text, its pages are damaged; open it in a viewer and save it again."
    return f"{name} has no text that can be read; leave it out."


def _page(document: Any, index: int, form: Any, skipped: _Skipped) -> list[Line]:
    from pypdfium2 import raw

    page = document[index]
    try:
        textpage = page.get_textpage()
        try:
            fields, found = read_annotations(page, form)
            comments = without_machine_made(found)
            if len(comments) < len(found):
                skipped.comments[index + 1] = len(found) - len(comments)
            lines = read_lines(page, textpage, index + 1, fields)
        finally:
            textpage.close()
        if not lines and _has_picture(page):
            skipped.pictures.append(index + 1)
        if not index and document.get_formtype() == raw.FORMTYPE_XFA_FULL:
            comments += read_xfa(document)
        flows = range(-len(comments), 0)
        return lines + [
            Line(text, 0, 0, 0, 0, 1.0, page=index + 1, flow=flow)
            for flow, text in zip(flows, comments, strict=True)
        ]
    finally:
        page.close()


def _has_picture(page: Any) -> bool:
    from pypdfium2 import raw

    pictures = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
    return next(pictures, None) is not None


def _notes(document: Any, skipped: _Skipped) -> list[str]:
    """Return what of the document was not read."""
    from pypdfium2 import raw

    notes: list[str] = []
    if skipped.pictures:
        notes.append(
            f"no text on {_listed(skipped.pictures)} (scanned?); run OCR first, e.g. with "
            "ocrmypdf, to have it read"
        )
    if skipped.broken:
        notes.append(
            f"{_listed(skipped.broken)} cannot be read; open it in a viewer and save it again"
        )
    if skipped.comments:
        count = sum(skipped.comments.values())
        notes.append(
            f"{count} comment{'s' * (count > 1)} on {_listed(list(skipped.comments))} left out, "
            "which a program seems to have made; copy what matters of them into a file"
        )
    attached = raw.FPDFDoc_GetAttachmentCount(document)
    if attached > 0:
        names = [
            one_line(
                read_string(raw.FPDFAttachment_GetName, raw.FPDFDoc_GetAttachment(document, index))
            )
            for index in range(min(attached, _MAX_NAMED))
        ]
        more = ", ..." if attached > _MAX_NAMED else ""
        notes.append(
            f"{attached} attached file{'s' * (attached > 1)} not read "
            f"({', '.join(filter(None, names))}{more}); save each as a file of its own and add it"
        )
    if raw.FPDF_GetFormType(document) == raw.FORMTYPE_XFA_FULL:
        notes.append(
            "an XFA form, of which only the values were read, without the questions; print it to a "
            "PDF to have all of it read"
        )
    return notes


def _listed(pages: list[int]) -> str:
    named = ", ".join(map(str, pages[:_MAX_NAMED]))
    more = f" and {len(pages) - _MAX_NAMED} more" if len(pages) > _MAX_NAMED else ""
    return f"page{'s' * (len(pages) > 1)} {named}{more}"


@dataclass
class _Mark:
    title: str
    level: int
    page_index: int


def _bookmark(item: Any) -> _Mark | None:
    from pypdfium2 import raw

    target = item.get_dest()
    page = target.get_index() if target else None
    title = read_string(raw.FPDFBookmark_GetTitle, item)
    return None if page is None else _Mark(title, item.level, page)


def _says_something(text: str) -> bool:
    """Tell whether a text is words, and neither signs nor "[Name]", left from a template."""
    letters = sum(map(str.isalnum, text))
    return (
        any(map(str.isalpha, text))
        and letters >= min(_MIN_LETTERS, len(text))
        and 2 * letters >= len("".join(text.split()))
        and not _PLACEHOLDER.fullmatch(text)
    )


def _is_title(text: str) -> bool:
    is_junk = _key(text) in _CONTENTS or _JUNK_TITLE.fullmatch(text)
    return _says_something(text) and not is_junk


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

    def is_furniture(line: Line, is_short: bool) -> bool:
        if len(pages) < 2 or line.height >= _LARGER * body:
            return False  # "Chapter 1" at the top is a heading
        if line.table is not None and len(line.table.rows) > _MAX_RUNNING_ROWS:
            return False  # a report has the same table on each page, with other figures
        if _PAGE_NUMBER.fullmatch(line.text) and (
            not set(line.text).isdisjoint("/|") or any(map(str.isalpha, line.text))
        ):
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
        if _PAGE_NUMBER.fullmatch(line.text):
            is_year = len(line.text.strip(" -–—")) == _YEAR  # or what else has four figures
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
    """Return the height that most of the text has."""
    sizes: Counter[float] = Counter()
    for line in lines:
        if line.flow >= 0:
            sizes[line.height] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 1.0


def _offsets(line: Line) -> set[tuple[str, int]]:
    """Return how far the numbers at its ends are from the page's own: the same on every page."""
    parts = line.parts or [line]
    first = _FIRST_NUMBER.match(parts[0].text) or _LEADING_NUMBER.match(parts[0].text)
    last = _LAST_NUMBER.search(parts[-1].text)
    found = {("first", int(first[1]) - line.page)} if first else set()
    return found | ({("last", int(last[1]) - line.page)} if last else set())


def _edges(lines: list[Line]) -> list[Line]:
    edges: list[Line] = []
    for flow in {line.flow for line in lines if line.flow >= 0}:
        inside = (line for line in lines if line.flow == flow)
        by_height = sorted(inside, key=lambda line: -line.middle)
        edges += by_height[:2] + by_height[2:][-2:]
    return edges


def _running(line: Line) -> set[str]:
    """Return what a running title says, by its parts: the number of a page may stand apart."""
    texts = (
        _LEADING_NUMBER.sub("#", _FIRST_NUMBER.sub("#", part.text)) for part in line.parts or [line]
    )
    return {_LAST_NUMBER.sub("#", text.lower()) for text in texts}


def _undotted(text: str) -> str:
    """Return a line of a table of contents without the dots before the number of the page."""
    entry = text.rstrip(_NUMERALS)
    title = entry.rstrip(_DOTS)
    dots = len(entry) - len(title) - entry.count(" ", len(title))
    return f"{title} | {text[len(entry) :]}" if title and dots >= _MIN_DOTS else text


def _edges_of(line: Line) -> tuple[int, int, int, int]:
    return line.page, line.column, round(line.left), round(line.right)


def _is_prose(lines: list[Line]) -> bool:
    """Tell whether lines go on in the middle of a sentence, as those of an index do not."""
    firsts = [line.text[:1] for line in lines]
    going_on = sum(first.isalpha() and not first.isupper() for first in firsts)
    return going_on >= _MIN_GOING_ON * len(lines)


def _has_wide_gap(line: Line) -> bool:
    return any(b.left - a.right > _WIDE_GAP * line.height for a, b in pairwise(line.parts))


def _is_beside(line: Line, other: Line) -> bool:
    near = abs(line.middle - other.middle) <= _NEAR_ROWS * line.height
    return near and (line.page, line.column) == (other.page, other.column)


def _is_compound(
    first: str, second: str, whole: str, is_hyphened: bool, words: Callable[[], frozenset[str]]
) -> bool:
    """Tell whether a hyphen belongs to the words, and does not only part one at a line's end.

    What has a hyphen already is likely to go on with one, whatever its parts: "up-to-date".
    """
    if len(first) == 1 or (first.isupper() and len(first) < _MAX_LABEL):  # X-ray, GPS-based
        return True
    first = first.lower()
    if first.endswith("ez") and second == "vous":  # French
        return True
    is_part = min(len(first), len(second)) < _MIN_PART or first in _PREFIXES or second in _SUFFIXES
    if is_part and not is_hyphened:
        return False
    known = words()
    return first in known and second in known and whole not in known


@lru_cache(maxsize=1)
def _english_words() -> frozenset[str]:
    """Return the words among the shipped model's pieces, those most used in English."""
    from rag.models.embedder import TOKENIZER_FILE, WEIGHTS

    vocabulary = json.loads((WEIGHTS / TOKENIZER_FILE).read_text("utf-8"))["model"]["vocab"]
    return frozenset(word for word in vocabulary if word.isalpha())


class _Paragraphs:
    """Joins lines to blocks."""

    def __init__(self, lines: list[Line], outline: dict[tuple[int, str], int]) -> None:
        self.lines = lines
        self.outline = outline
        self.body = _body_height(lines)
        self.leading = self.typical_leading()
        self.running: set[int] = set()
        self.running = self.find_running()
        larger = {line.height for line in lines if self.is_larger(line)}
        self.ranks = {height: rank for rank, height in enumerate(sorted(larger, reverse=True), 1)}
        tops = [line for line in lines if self.ranks.get(line.height) == 1 and self.is_larger(line)]
        # A title that is not in the outline stands above what is.
        self.titled = int(len(tops) == 1 and (tops[0].page, _key(tops[0].text)) not in outline)
        self.words = {word.lower() for line in lines for word in _WORD.findall(line.text)}
        self.right = self.right_edges()
        self.rows = set(self.find_rows())
        self.blocks: list[Block] = []
        self.tail: list[str] = []
        self.group = 0
        self.names: list[str] = []
        self.titles: list[tuple[float, int]] = []

    def build(self) -> list[Block]:
        previous: Line | None = None
        for line in self.lines:
            level = self.heading_level(line)
            if level:
                self.add_heading(line, level, previous)
            elif line.table is not None:
                self.add_table(line, line.table, previous)
            elif id(line) in self.rows or _undotted(line.text) != line.text:
                self.add_row(line)
            elif previous is None or self.begins(previous, line):
                self.begin(line)
            else:
                self.go_on(line)
            previous = line
        self.close()
        return self.blocks

    def put(self, block: Block) -> None:
        self.close()
        self.blocks.append(block)
        self.tail = [block.text]

    def close(self) -> None:
        """Give the last block its text, of all of its lines."""
        if self.blocks:
            self.blocks[-1] = replace(self.blocks[-1], text="".join(self.tail))

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
        """Return the ids of the larger lines that are paragraphs, and raise ``body`` to theirs.

        Most of a text may be in smaller letters, as listings are.
        """
        runs: list[list[Line]] = []
        for line in self.lines:
            if line.height < _LARGER * self.body or line.table is not None or line.flow:
                continue
            last = runs[-1][-1] if runs else None
            same = last and abs(last.height - line.height) <= _SAME_SIZE * line.height
            if last and same and self.is_near(last, line):
                runs[-1].append(line)
            else:
                runs.append([line])
        long = [run for run in runs if sum(len(line.text) for line in run) > _MAX_HEADING]
        prose = [line for run in long if _is_prose(run) for line in run]
        needed = max(_MIN_RUNNING * sum(len(line.text) for line in self.lines), _MIN_PROSE)
        for line in sorted(prose, key=lambda line: -line.height):
            needed -= len(line.text)
            if needed < 0:
                self.body = max(self.body, line.height)
                break
        return set(map(id, chain.from_iterable(long)))

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
            self.tail[-1], text = self.join(self.tail[-1], line.text)
            self.tail.append(text)
        else:
            self.put(Block("heading", line.text, level=level, page=line.page))
            if line.page == 1:
                self.titles.append((line.height, len(self.blocks) - 1))

    def first_headings(self) -> Iterable[tuple[float, str]]:
        return ((height, self.blocks[at].text.rstrip(_NOTE_MARKS)) for height, at in self.titles)

    def title(self) -> str:
        """Return the first of the largest headings of the first page, or an empty text."""
        titles = [(height, text) for height, text in self.first_headings() if _is_title(text)]
        largest = max((height for height, _ in titles), default=0.0)
        return next((text for height, text in titles if height >= _ABOUT * largest), "")

    def add_row(self, line: Line) -> None:
        if not self.blocks or self.blocks[-1].kind != "row":
            self.group += 1
        text = " | ".join(part.text for part in line.parts) or _undotted(line.text)
        self.put(Block("row", text, group=self.group, page=line.page))

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
            self.put(replace(block, page=line.page))
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
            self.put(Block("paragraph", line.text, page=line.page))
            return
        if not self.blocks or self.blocks[-1].kind != "item":
            self.group += 1
        marker = item[1] if item[1][0].isalnum() else "-"
        text = line.text[item.end() :]
        self.put(Block("item", text, marker=marker, group=self.group, page=line.page))

    def begins(self, previous: Line, line: Line) -> bool:
        """Tell whether the line begins a paragraph of its own."""
        last = self.blocks[-1]
        if last.kind in ("heading", "row") or line.flow != previous.flow or _ITEM.match(line.text):
            return True
        if self.is_label(previous) or self.is_label(line):
            return True
        if abs(previous.height - line.height) > 0.12 * previous.height:
            return True
        if not self.is_near(previous, line):
            jumped = previous.page != line.page or previous.column != line.column
            unfinished = not previous.text.endswith(_ENDS) and line.text[:1].islower()
            return not (jumped and unfinished)
        short = self.is_short(previous, line.left)
        ended = previous.text.endswith(_ENDS)
        if last.kind == "item":
            return ended and (short or line.left < previous.left - 0.5 * line.height)
        indented = line.left - previous.left > 0.8 * line.height
        return indented or (short and ended)

    def is_short(self, line: Line, left: float) -> bool:
        right = self.right.get((line.page, line.column), line.right)
        return right - line.right > 0.25 * (right - left)

    def is_label(self, line: Line) -> bool:
        """Tell whether a line has gaps that do not come from being spaced to fill its column."""
        return bool(line.parts) and (_has_wide_gap(line) or self.is_short(line, line.left))

    def is_near(self, previous: Line, line: Line) -> bool:
        if previous.page != line.page or previous.column != line.column:
            return False
        step = previous.middle - line.middle
        return 0 < step <= 1.35 * max(self.leading.get(line.height, 0), 1.1 * line.height)

    def go_on(self, line: Line) -> None:
        last = self.blocks[-1]
        self.tail[-1], text = self.join(self.tail[-1], line.text)
        if last.page != line.page and last.kind == "paragraph":
            separator = text[: len(text) - len(text.lstrip())]
            self.put(Block("paragraph", text.lstrip(), page=line.page, joins=separator))
        else:
            self.tail.append(text)

    def join(self, before: str, after: str) -> tuple[str, str]:
        """Return both texts as they are to stand together, a hyphen at the line's end undone."""
        if before.endswith("\u00ad"):
            return before[:-1], after
        head, tail = _LAST_PART.search(before[-_MAX_WORD:]), _FIRST_PART.match(after)
        capitals = head and tail and f"{head[1]}{tail[0]}".isupper() and len(tail[0]) > 1
        if not head or not tail or not (after[0].islower() or capitals):
            closed = (
                _OPEN_END.search(before[-2:])
                or _OPEN_START.match(before[-1:] + after[:2])
                or _UNSPACED.fullmatch(before[-1:] + after[:1])
            )
            return before, after if closed else f" {after}"
        whole = f"{head[1]}{tail[0]}".lower()
        is_hyphened = _HYPHENED.search(before[-_MAX_WORD:][: head.start()]) is not None
        if tail[0] in _SUSPENDED and whole not in _english_words():
            return before, f" {after}"
        compound = f"{head[1]}-{tail[0]}".lower()
        if whole not in self.words and (
            compound in self.words or self.is_compound(head[1], tail[0], whole, is_hyphened)
        ):
            return before, after
        return before[:-1], after

    def is_compound(self, first: str, second: str, whole: str, is_hyphened: bool) -> bool:
        if second.isupper() and len(first) > 1:  # all is in capitals, so the first is no acronym
            first, second = first.lower(), second.lower()
        return _is_compound(first, second, whole, is_hyphened, lambda: self.known)

    @cached_property
    def known(self) -> frozenset[str]:
        """The words that tell a compound: English ones, which in another language mislead."""
        middle = len(self.lines) // 2  # titles and contents come first
        sample = " ".join(line.text for line in self.lines[middle : middle + _SAMPLE])
        return _english_words() if detect(sample)[0] in ("en", None) else frozenset()

    def typical_leading(self) -> dict[float, float]:
        steps: dict[float, list[float]] = {}
        for above, below in zip(self.lines, self.lines[1:], strict=False):
            step = above.middle - below.middle
            same = above.page == below.page and above.height == below.height
            if same and 0 < step < 2.5 * below.height:
                steps.setdefault(below.height, []).append(step)
        # Half of the steps may be between the items of lists, which stand further apart.
        return {height: sorted(found)[len(found) // 4] for height, found in steps.items()}

    def find_rows(self) -> Iterable[int]:
        """Yield the ids of the lines that are rows of cells: two or more, one below the other.

        A line alone only has wide gaps, and so has one that is spaced to fill its column.
        """
        edges = Counter(_edges_of(line) for line in self.lines if len(line.parts) < 2)
        for above, line, below in zip(
            [None, *self.lines], self.lines, [*self.lines[1:], None], strict=False
        ):
            if len(line.parts) > 1 and (edges[_edges_of(line)] < 3 or _has_wide_gap(line)):
                for other in (above, below):
                    if other and (len(other.parts) > 1 or other.table) and _is_beside(line, other):
                        yield id(line)

    def right_edges(self) -> dict[tuple[int, int], float]:
        edges: dict[tuple[int, int], float] = {}
        for line in self.lines:
            if line.table is not None:
                continue  # it may be wider than the text
            place = (line.page, line.column)
            edges[place] = max(edges.get(place, line.right), line.right)
        return edges
