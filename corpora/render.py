"""Render the PDF and DOCX documents of the sample corpus from Markdown.

Every file in ``sources/`` is Markdown with YAML front matter. The ``format``
key (``pdf`` or ``docx``) picks the renderer, ``layout: two-column`` sets a PDF
in two columns, and the output lands at the same relative path below the corpus
folder. Output depends on the source alone: dates come from the front matter,
so running the script twice gives the same bytes.

Usage: python corpora/render.py [--sources DIR] [--out DIR]
"""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import docx
import frontmatter
from docx.document import Document as DocxDocument
from docx.shared import Pt
from docx.text.paragraph import Paragraph
from fpdf import FPDF
from fpdf.enums import MethodReturnValue

HERE = Path(__file__).resolve().parent
ZIP_EPOCH = (2025, 1, 1, 0, 0, 0)
INLINE = re.compile(r"(\*\*.+?\*\*|`[^`]+`)")
EMPHASIS = re.compile(r"(?<!\*)\*([^*\n]+)\*(?!\*)")
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


@dataclass
class Block:
    """One block of a Markdown source."""

    kind: str  # heading, paragraph, bullets, steps, table or code
    text: str = ""
    level: int = 0
    items: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def parse_blocks(markdown: str) -> Iterator[Block]:
    """Split the Markdown subset used by the sources into blocks (single emphasis is dropped)."""
    lines = EMPHASIS.sub(r"\1", markdown).splitlines()
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.strip():
            i += 1
        elif line.startswith("```"):
            end = next(j for j in range(i + 1, len(lines)) if lines[j].startswith("```"))
            yield Block("code", text="\n".join(lines[i + 1 : end]))
            i = end + 1
        elif match := re.match(r"(#{1,4}) (.+)", line):
            yield Block("heading", text=match[2], level=len(match[1]))
            i += 1
        elif line.startswith("|"):
            rows = []
            while i < len(lines) and lines[i].startswith("|"):
                rows.append([cell.strip() for cell in lines[i].strip().strip("|").split("|")])
                i += 1
            yield Block("table", rows=[rows[0], *rows[2:]])
        elif marker := re.match(r"(- |\d+\. )", line):
            kind = "bullets" if marker[1] == "- " else "steps"
            items: list[str] = []
            while i < len(lines) and lines[i].strip():
                item = re.match(r"(?:- |\d+\. )(.+)", lines[i])
                if item:
                    items.append(item[1])
                else:
                    items[-1] += " " + lines[i].strip()
                i += 1
            yield Block(kind, items=items)
        else:
            text = [line.strip()]
            i += 1
            while i < len(lines) and lines[i].strip() and lines[i][0] not in "|#`":
                text.append(lines[i].strip())
                i += 1
            yield Block("paragraph", text=" ".join(text))


def creation_time(meta: dict[str, Any]) -> datetime:
    """Return the front matter date as noon UTC."""
    value = meta["date"]
    day = value if isinstance(value, date) else date.fromisoformat(str(value))
    return datetime.combine(day, time(12), tzinfo=UTC)


class PdfPages(FPDF):  # type: ignore[misc]
    """A4 pages with a footer, in one or two columns."""

    GUTTER = 8.0

    def __init__(self, meta: dict[str, Any]) -> None:
        super().__init__(format="A4")
        self.meta = meta
        self.columns = 2 if meta.get("layout") == "two-column" else 1
        self.column = 0
        self.column_top = 20.0
        self.outer_left = 20.0
        self.column_width = (210 - 2 * 20 - self.GUTTER * (self.columns - 1)) / self.columns
        self.base_size = 9.5 if self.columns == 2 else 10.5
        self.set_auto_page_break(True, margin=22)
        self.set_creation_date(creation_time(meta))
        self.set_title(str(meta["title"]))
        self.set_author(str(meta["author"]))
        self.set_lang(str(meta["language"]))
        self.set_subject(str(meta.get("product", "Wrenhaven help centre")))
        self.set_keywords(", ".join(meta.get("tags", [])))
        self.select_column(0)

    def select_column(self, column: int) -> None:
        """Move the margins to a column."""
        self.column = column
        left = self.outer_left + column * (self.column_width + self.GUTTER)
        self.set_left_margin(left)
        self.set_right_margin(210 - left - self.column_width)
        self.set_x(left)

    @property
    def accept_page_break(self) -> bool:
        """Go to the next column if there is one, else to the next page."""
        if self.column < self.columns - 1:
            self.select_column(self.column + 1)
            self.set_y(self.column_top)
            return False
        self.select_column(0)
        self.column_top = 20.0
        return True

    def footer(self) -> None:
        """Print the title, the date and the page number."""
        self.set_y(-14)
        self.set_font("Helvetica", "", 8)
        self.set_x(20)
        self.cell(110, 5, f"{self.meta['title']} - {self.meta['date']}")
        self.cell(60, 5, f"Wrenhaven - page {self.page_no()} of {{nb}}", align="R")

    def reserve(self, height: float) -> None:
        """Break now if the next element would not fit."""
        if self.get_y() + height > self.page_break_trigger and self.accept_page_break:
            self.add_page()
            self.set_y(20)

    def title_block(self) -> None:
        """Print the title and the byline over the full width."""
        self.set_font("Helvetica", "B", 18)
        self.multi_cell(170, 8, str(self.meta["title"]), align="L", new_x="LMARGIN", new_y="NEXT")
        self.set_font("Helvetica", "", 9)
        byline = f"{self.meta['author']} - {self.meta['date']}"
        if "version" in self.meta:
            byline += f" - version {self.meta['version']}"
        self.multi_cell(170, 6, byline, new_x="LMARGIN", new_y="NEXT")
        self.ln(4)
        self.column_top = self.get_y()

    def text_block(self, text: str, indent: float = 0.0) -> None:
        """Print a paragraph with bold runs."""
        self.set_font("Helvetica", "", self.base_size)
        self.set_x(self.l_margin + indent)
        width = self.column_width - indent
        self.multi_cell(
            width, 5, text.replace("`", ""), align="L", markdown=True, new_x="LMARGIN", new_y="NEXT"
        )

    def list_item(self, marker: str, text: str) -> None:
        """Print one list item after its marker."""
        self.set_font("Helvetica", "", self.base_size)
        self.reserve(5)
        self.cell(7, 5, marker)
        self.text_block(text, indent=7)
        self.ln(1)

    def table_block(self, rows: list[list[str]]) -> None:
        """Print a ruled table, breaking between rows."""
        size = self.base_size - 1
        columns = list(zip(*rows, strict=True))
        longest = [max(map(len, column)) for column in columns]
        words = [max(len(word) for cell in column for word in cell.split()) for column in columns]
        weights = [max(min(n, 34), word + 3, 7) for n, word in zip(longest, words, strict=True)]
        widths = [self.column_width * w / sum(weights) for w in weights]
        for number, row in enumerate(rows):
            self.set_font("Helvetica", "B" if number == 0 else "", size)
            cells = [
                self.multi_cell(
                    width, 4.6, text, align="L", dry_run=True, output=MethodReturnValue.LINES
                )
                for width, text in zip(widths, row, strict=True)
            ]
            height = 4.6 * max(len(lines) for lines in cells) + 1.6
            self.reserve(height)
            x, y = self.l_margin, self.get_y()
            for width, lines in zip(widths, cells, strict=True):
                self.rect(x, y, width, height)
                for offset, line in enumerate(lines):
                    self.set_xy(x, y + 0.8 + 4.6 * offset)
                    self.cell(width, 4.6, line)
                x += width
            self.set_xy(self.l_margin, y + height)
        self.ln(3)

    def block(self, block: Block) -> None:
        """Print one block."""
        if block.kind == "heading":
            self.reserve(20)
            self.ln(2)
            self.set_font("Helvetica", "B", {1: 15, 2: 13, 3: 11}.get(block.level, 10))
            self.start_section(block.text, level=max(block.level - 2, 0))
            self.multi_cell(
                self.column_width, 6, block.text, align="L", new_x="LMARGIN", new_y="NEXT"
            )
            self.ln(1)
        elif block.kind == "paragraph":
            self.text_block(block.text)
            self.ln(2)
        elif block.kind in {"bullets", "steps"}:
            for number, item in enumerate(block.items, start=1):
                self.list_item("-" if block.kind == "bullets" else f"{number}.", item)
            self.ln(1)
        elif block.kind == "table":
            self.table_block(block.rows)
        else:
            self.set_font("Courier", "", self.base_size - 1.5)
            self.multi_cell(
                self.column_width, 4.4, block.text, align="L", new_x="LMARGIN", new_y="NEXT"
            )
            self.ln(2)


def render_pdf(meta: dict[str, Any], blocks: list[Block]) -> bytes:
    """Return the PDF of a parsed source."""
    pdf = PdfPages(meta)
    pdf.add_page()
    pdf.set_y(20)
    pdf.title_block()
    for block in blocks:
        pdf.block(block)
    return bytes(pdf.output())


def add_runs(paragraph: Paragraph, text: str) -> None:
    """Add text to a paragraph, with bold and code runs."""
    for part in INLINE.split(LINK.sub(r"\1 (\2)", text)):
        if part.startswith("**"):
            paragraph.add_run(part[2:-2]).bold = True
        elif part.startswith("`"):
            paragraph.add_run(part[1:-1]).font.name = "Courier New"
        elif part:
            paragraph.add_run(part)


def new_numbering(document: DocxDocument) -> int:
    """Return the id of a fresh numbered list that starts at one."""
    numbering = document.part.numbering_part.element
    style: Any = document.styles["List Number"].element
    first = style.pPr.numPr.numId.val
    abstract = numbering.num_having_numId(first).abstractNumId.val
    num = numbering.add_num(abstract)
    num.add_lvlOverride(ilvl=0).add_startOverride(1)
    return int(num.numId)


def add_docx_block(document: DocxDocument, block: Block) -> None:
    """Append one block to a Word document."""
    if block.kind == "heading":
        document.add_heading(block.text, level=max(block.level - 1, 1))
    elif block.kind == "paragraph":
        add_runs(document.add_paragraph(), block.text)
    elif block.kind == "bullets":
        for item in block.items:
            add_runs(document.add_paragraph(style="List Bullet"), item)
    elif block.kind == "steps":
        number = new_numbering(document)
        for item in block.items:
            paragraph = document.add_paragraph(style="List Number")
            properties: Any = paragraph._p.get_or_add_pPr()
            numbered = properties.get_or_add_numPr()
            numbered.get_or_add_ilvl().val = 0
            numbered.get_or_add_numId().val = number
            add_runs(paragraph, item)
    elif block.kind == "table":
        table = document.add_table(rows=0, cols=len(block.rows[0]), style="Table Grid")
        for index, row in enumerate(block.rows):
            for cell, text in zip(table.add_row().cells, row, strict=True):
                add_runs(cell.paragraphs[0], f"**{text}**" if index == 0 else text)
        document.add_paragraph()
    else:
        run = document.add_paragraph().add_run(block.text)
        run.font.name, run.font.size = "Courier New", Pt(9)


def render_docx(meta: dict[str, Any], blocks: list[Block]) -> bytes:
    """Return the Word document of a parsed source."""
    document = docx.Document()
    created = creation_time(meta).replace(tzinfo=None)
    core = document.core_properties
    core.title, core.author, core.language = meta["title"], meta["author"], meta["language"]
    core.created = core.modified = created
    core.last_modified_by = meta["author"]
    core.keywords = ", ".join(meta.get("tags", []))
    core.category = str(meta.get("audience", "customers"))
    core.comments = ""
    document.add_heading(str(meta["title"]), level=0)
    for block in blocks:
        add_docx_block(document, block)
    raw, packed = io.BytesIO(), io.BytesIO()
    document.save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            info = zipfile.ZipInfo(name, date_time=ZIP_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, source.read(name))
    return packed.getvalue()


def render_tree(sources: Path, out: Path) -> list[Path]:
    """Render every source and return the paths written."""
    written = []
    for path in sorted(sources.rglob("*.md")):
        post = frontmatter.loads(path.read_text(encoding="utf-8"))
        meta, blocks = dict(post.metadata), list(parse_blocks(post.content))
        kind = str(meta["format"])
        data = (render_pdf if kind == "pdf" else render_docx)(meta, blocks)
        target = out / path.relative_to(sources).with_suffix(f".{kind}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        written.append(target)
    return written


def main() -> None:
    """Parse the command line and render."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--sources", type=Path, default=HERE / "sources")
    parser.add_argument("--out", type=Path, default=HERE / "wrenhaven")
    args = parser.parse_args()
    for path in render_tree(args.sources, args.out):
        print(path)


if __name__ == "__main__":
    main()
