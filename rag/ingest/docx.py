"""Word documents to blocks: headings by style, lists with their numbers, tables, footnotes.

python-docx opens the file and knows its styles; the text of a paragraph is taken from the XML,
because insertions under revision, content controls and fields are text, too, and hidden runs and
deletions are not.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from rag.errors import SourceError
from rag.ingest.blocks import Block, linearise, one_line

_MAX_UNPACKED = 300_000_000
_HEADING = re.compile(r"heading (\d)", re.I)
_LIST_STYLE = re.compile(r"list (bullet|number)\s*(\d)?", re.I)
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_SKIPPED = frozenset([f"{_W}del", f"{_W}moveFrom", f"{_W}delText", f"{_W}instrText", _MC_FALLBACK])
_NUMERIC = re.compile(r"[\d.,%€$£\s-]+")


@dataclass
class Word:
    """What a Word document holds and says of itself."""

    blocks: list[Block]
    title: str | None
    author: str | None
    published: date | None
    language: str | None
    tags: str | None


def read(data: bytes, name: str) -> Word:
    """Return the blocks and properties; raises SourceError when it is no Word document."""
    import docx

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MAX_UNPACKED:
                raise SourceError(f"{name} unpacks to an absurd size; it is not read.")
        document = docx.Document(io.BytesIO(data))
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"{name} is not a Word document that can be read ({one_line(str(error))}); "
            "save it again as .docx."
        ) from None
    reader = _Reader(document)
    reader.body(document.element.body)
    reader.footnotes()
    properties = document.core_properties
    modified = properties.modified or properties.created
    return Word(
        blocks=reader.blocks,
        title=one_line(properties.title or "") or reader.title,
        author=one_line(properties.author or "") or None,
        published=modified.date() if modified else None,
        language=(properties.language or "")[:2].lower() or None,
        tags=one_line(properties.keywords or "") or None,
    )


@dataclass
class _Reader:
    document: Any
    blocks: list[Block] = field(default_factory=list)
    title: str | None = None
    groups: int = 0
    in_list: bool = False
    counters: dict[tuple[str, int], int] = field(default_factory=dict)

    def body(self, element: Any) -> None:
        for child in element:
            if child.tag == f"{_W}p":
                self.paragraph(child)
            elif child.tag == f"{_W}tbl":
                self.in_list = False
                self.table(child)
            elif child.tag == f"{_W}sdt":
                gallery = child.find(f".//{_W}docPartGallery")
                contents = gallery is not None and "Contents" in gallery.get(f"{_W}val", "")
                content = child.find(f"{_W}sdtContent")
                if content is not None and not contents:
                    self.body(content)
            elif child.tag in (f"{_W}ins", f"{_W}customXml", f"{_W}smartTag"):
                self.body(child)

    def paragraph(self, element: Any) -> None:
        from docx.text.paragraph import Paragraph

        text = _text(element)
        if not text.strip():
            return
        style = Paragraph(element, self.document).style
        name = (style.name if style is not None else None) or ""
        if name.lower().startswith("toc "):
            return
        heading = _HEADING.match(name)
        if heading or name == "Title":
            self.in_list = False
            if name == "Title" and self.title is None:
                self.title = one_line(text)
            level = int(heading[1]) if heading else 1
            self.blocks.append(Block("heading", text, level=level, anchor=_bookmark(element)))
        elif (place := self.list_place(element, style, name)) is not None:
            self.item(text, *place)
        else:
            self.in_list = False
            self.blocks.append(Block("paragraph", _lines(text)))

    def item(self, text: str, list_id: str, level: int, numbered: bool) -> None:
        if not self.in_list:
            self.groups += 1
            self.in_list = True
        marker = "-"
        if numbered:
            number = self.counters[list_id, level] = self.counters.get((list_id, level), 0) + 1
            marker = f"{number}."
        for key in [k for k in self.counters if k[0] == list_id and k[1] > level]:
            del self.counters[key]
        self.blocks.append(Block("item", text, level=level, marker=marker, group=self.groups))

    def list_place(self, element: Any, style: Any, name: str) -> tuple[str, int, bool] | None:
        """Return list, depth and whether it is numbered; None for what is no list item."""
        found = _numbering(element)
        while found is None and style is not None:
            found = _numbering(style.element)
            style = style.base_style
        named = _LIST_STYLE.match(name)
        if found is None or found[0] == "0":
            return None if named is None or found else (name, 0, named[1].lower() == "number")
        list_id, level = found
        if named and named[2] and level == 0:
            level = int(named[2]) - 1
        numbered = self.is_numbered(list_id, level)
        return list_id, level, numbered

    def is_numbered(self, list_id: str, level: int) -> bool:
        try:
            numbering = self.document.part.numbering_part.element
        except (KeyError, NotImplementedError):
            return False
        found = numbering.xpath(
            f"w:abstractNum[@w:abstractNumId=../w:num[@w:numId='{list_id}']"
            f"/w:abstractNumId/@w:val]/w:lvl[@w:ilvl='{level}']/w:numFmt/@w:val"
        )
        return bool(found) and found[0] not in ("bullet", "none")

    def table(self, element: Any) -> None:
        rows = [_cells(row) for row in element.iterchildren(f"{_W}tr")]
        rows = [row for row in rows if any(cell.strip() for cell in row)]
        if not rows:
            return
        self.groups += 1
        header = rows[0] if _has_header(element, rows) else []
        self.blocks += linearise(header, rows[1:] if header else rows, group=self.groups)

    def footnotes(self) -> None:
        from lxml import etree

        for relation in self.document.part.rels.values():
            if relation.is_external or not relation.reltype.endswith(("/footnotes", "/endnotes")):
                continue
            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            root = etree.fromstring(relation.target_part.blob, parser)
            for note in root:
                if note.get(f"{_W}type") is None and (text := _text(note).strip()):
                    self.blocks.append(Block("paragraph", text))


def _text(element: Any) -> str:
    return "".join(_pieces(element))


def _pieces(element: Any) -> Iterator[str]:
    for child in element:
        tag = child.tag
        if tag in _SKIPPED or not isinstance(tag, str):
            continue
        if tag == f"{_W}t":
            yield child.text or ""
        elif tag == f"{_W}tab":
            yield "\t"
        elif tag in (f"{_W}br", f"{_W}cr"):
            yield "\n"
        elif tag == f"{_W}noBreakHyphen":
            yield "-"
        elif tag == f"{_W}r" and _is_hidden(child):
            continue
        elif tag not in (f"{_W}pPr", f"{_W}rPr"):
            yield from _pieces(child)
            if tag == f"{_W}p":
                yield "\n"


def _is_hidden(run: Any) -> bool:
    vanish = run.find(f"{_W}rPr/{_W}vanish")
    return vanish is not None and vanish.get(f"{_W}val", "1") not in ("0", "false")


def _lines(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def _numbering(element: Any) -> tuple[str, int] | None:
    found = element.find(f"{_W}pPr/{_W}numPr")
    if found is None:
        return None
    number, level = found.find(f"{_W}numId"), found.find(f"{_W}ilvl")
    if number is None:
        return None
    depth = level.get(f"{_W}val", "0") if level is not None else "0"
    return number.get(f"{_W}val", "0"), int(depth) if depth.isdigit() else 0


def _bookmark(element: Any) -> str | None:
    mark = element.find(f"{_W}bookmarkStart")
    return None if mark is None else mark.get(f"{_W}name")


def _cells(row: Any) -> list[str]:
    cells: list[str] = []
    for cell in row.iter(f"{_W}tc"):
        if next(cell.iterancestors(f"{_W}tr")) is not row:
            continue  # of a table inside the cell: its text is in the cell's
        cells.append(one_line(_text(cell)))
        span = cell.find(f"{_W}tcPr/{_W}gridSpan")
        width = span.get(f"{_W}val", "1") if span is not None else "1"
        cells += [""] * (int(width) - 1 if width.isdigit() else 0)
    return cells


def _has_header(element: Any, rows: list[list[str]]) -> bool:
    """Tell whether the first row names the columns: marked as such, bold, or plainly labels."""
    if len(rows) < 2 or len(rows[0]) < 2 or not all(rows[0]):
        return False
    first = element.find(f"{_W}tr")
    if first.find(f"{_W}trPr/{_W}tblHeader") is not None:
        return True
    runs = [run for run in first.iter(f"{_W}r") if _text(run).strip()]
    if runs and all(run.find(f"{_W}rPr/{_W}b") is not None for run in runs):
        return True
    labels = all(len(cell) <= 40 and not _NUMERIC.fullmatch(cell) for cell in rows[0])
    return len(rows[0]) > 2 and labels
