"""Word documents to blocks: headings by style, lists with their numbers, tables, boxes, notes.

The XML is walked, because only it has what a page of Word shows beyond plain paragraphs: fields,
content controls, text boxes, merged cells, revisions. What is anchored in a paragraph (a text box,
a footnote, a comment, a chart) follows it as blocks of its own; headers and footers come first.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

from rag.errors import SourceError
from rag.ingest.blocks import Block, Parsed, ReadBlocks, one_line
from rag.ingest.docx_objects import read_chart, read_diagram
from rag.ingest.docx_package import MC, M, Package, R, Relation, W, is_deleted, value
from rag.ingest.docx_styles import Numbering, Style, Styles, place_of
from rag.ingest.docx_table import cell_text, read_grid
from rag.ingest.docx_text import PAGE_MARK, Anchored, Paragraph, plain
from rag.ingest.fetched import Fetched
from rag.ingest.metadata import parse_date

_OUTLINE = frozenset("012345678")
_MAX_CHUNK_DEPTH = 3
_LIST_STYLE = re.compile(r"list ?(bullet|number) ?(\d)?", re.I)
_TERM_STYLE = re.compile(r"definition ?term|list heading", re.IGNORECASE)
_DEFINITION_STYLE = re.compile(r"definition(?: ?(?:definition|list))?|list contents", re.IGNORECASE)
_CONTINUES = ("list paragraph", "list continue", "listparagraph", "listcontinue")
_INLINE = frozenset(
    [f"{W}{name}" for name in ("r", "t", "hyperlink", "fldSimple")]
    + [f"{M}oMath", f"{M}oMathPara", f"{MC}AlternateContent"]
)
_NO_TEXT = frozenset(
    f"{W}{name}" for name in ("del", "moveFrom", "sectPr", "pPr", "tcPr", "sdtPr", "bookmarkStart")
)
_PAGE_WORDS = frozenset(
    "page pages pg p seite seiten von s página páginas pagina pagine pág pag de di del sur sida "
    "side av af van of strana str z sivu стр страница из 第 页 頁 共 ページ".split()
) | {""}
_APART = re.compile(r"\n| \| ")


def read(data: bytes, name: str, read_blocks: ReadBlocks, depth: int = 0) -> Parsed:
    """Blocks and properties of a Word document; raises SourceError for what is none.

    ``read_blocks`` reads documents of other formats that are kept whole inside this one; ``depth``
    is the number of Word documents that this one is inside of.
    """
    package = Package.open(data, name)
    root = package.xml(package.main or "")
    if root is None:
        raise SourceError(
            f"{name} is damaged: the text in it cannot be read; open it in Word and save it again "
            "as .docx."
        )
    reader = _Reader(package, root, read_blocks, depth)
    reader.document()
    properties = _properties(package)
    language = properties.get("language", "")[:2].lower()
    tags = properties.get("keywords")
    return Parsed(
        blocks=reader.blocks,
        title=properties.get("title") or reader.title,
        author=properties.get("creator"),
        published=parse_date(properties.get("modified")) or parse_date(properties.get("created")),
        language=language if language.isalpha() else None,
        metadata={"tags": tags} if tags else {},
        notes=package.notes,
    )


def _properties(package: Package) -> dict[str, str]:
    found: dict[str, str] = {}
    for relation in package.relations("").values():
        if relation.kind == "core-properties":
            root = package.xml(relation.target)
            for element in root if root is not None else ():
                if text := one_line("".join(element.itertext())):
                    found[str(element.tag).rpartition("}")[2]] = text
    return found


class _Reader:
    def __init__(self, package: Package, root: Any, read_blocks: ReadBlocks, depth: int) -> None:
        self.package = package
        self.root = root
        self.read_blocks = read_blocks
        self.depth = depth
        self.relations = package.relations(package.main or "")
        self.styles = Styles(self.part("styles"))
        self.numbering = Numbering(self.part("numbering"), self.styles)
        self.notes = {
            kind: _by_id(self.part(f"{kind}s")) for kind in ("footnote", "endnote", "comment")
        }
        self.blocks: list[Block] = []
        self.title: str | None = None
        self.groups = 0
        self.in_list = False
        self.item_level = 0
        self.named_count = 0
        self.in_header = False
        self.cells = 0
        self.headings = 0
        self.carried: tuple[list[str], list[Anchored]] = ([], [])
        self.deferred: list[Anchored] = []
        self.shown: set[str] = set()

    def part(self, kind: str) -> Any | None:
        for relation in self.relations.values():
            if relation.kind == kind and not relation.external:
                root = self.package.xml(relation.target)
                if root is None:
                    self.package.note(f"{relation.target or kind} is missing or cannot be read")
                return root
        return None

    def document(self) -> None:
        body = self.root.find(f"{W}body")
        self.body(self.root if body is None else body)
        for kind, elements in self.notes.items():  # those that nothing refers to
            self.anchored([Anchored(kind, note_id) for note_id in elements])
        self.blocks[:0] = self.headers()

    def body(self, element: Any) -> None:
        """Read the blocks in an element; one that fails is read as plain text."""
        for child in element:
            before = len(self.blocks)
            try:
                self.block(child)
            except (SourceError, MemoryError):
                raise
            except Exception as error:
                reason = one_line(str(error))[:100] or type(error).__name__
                self.package.note(f"a part of the text is read without its form ({reason})")
                self.blocks[before:] = [Block("paragraph", "".join(plain(child)))]
        self.flush()

    def block(self, element: Any) -> None:
        tag = element.tag
        if tag == f"{W}p":
            self.paragraph(element, element)
        elif tag == f"{W}tbl":
            self.table(element)
        elif tag == f"{W}sdt":
            content = element.find(f"{W}sdtContent")
            gallery = value(element, "sdtPr/docPartObj/docPartGallery")
            if content is not None and "Contents" not in gallery:
                self.body(content)
        elif tag == f"{W}altChunk":
            self.chunk(self.relations.get(element.get(f"{R}id")))
        elif tag in _INLINE:
            self.paragraph(element, [element])
        elif tag not in _NO_TEXT:
            self.body(element)

    def paragraph(self, element: Any, content: Any) -> None:
        if len(element) == 0 and not self.carried[0] and element is content:
            return  # a million of them cost nothing
        properties = element.find(f"{W}pPr")
        style_id = value(properties, "pStyle") or None
        style = self.styles.get(style_id)
        pieces, anchored = self.carried
        self.carried = ([], [])
        read = Paragraph(self.styles, style, self.in_header, pieces, anchored)
        read.walk(content)
        if read.struck:
            self.package.note("text that is struck out is left out")
        if read.hidden:
            self.package.note("hidden text is left out")
        text = read.text()
        # One with the next: its end is deleted, or it is a drop cap.
        if properties is not None and (
            is_deleted(properties.find(f"{W}rPr"))
            or any(
                f.get(f"{W}dropCap") in ("drop", "margin") for f in properties.iter(f"{W}framePr")
            )
        ):
            self.carried = ([text], read.anchored)
            return
        if style.name.lower().startswith("toc "):
            return
        listed = self.listed(properties, style, style_id)
        outline = value(properties, "outlineLvl")
        level = int(outline) + 1 if outline in _OUTLINE else 0 if outline else style.heading
        if text.strip():
            self.add(text, style.name, level, listed, element)
        elif self.cells and listed is not None and listed[0] != "-":
            self.blocks.append(Block("paragraph", listed[0].rstrip(".")))  # a column of numbers
        self.anchored(read.anchored)

    def add(
        self, text: str, style: str, level: int, listed: tuple[str, int] | None, element: Any
    ) -> None:
        marker, depth = listed or ("", 0)
        if level and len(text) <= 500:
            self.in_list = False
            self.headings += 1
            if style == "Title" and self.title is None:
                self.title = one_line(text)
            if marker not in ("", "-"):
                text = f"{marker} {text}"
            self.blocks.append(Block("heading", text, level=level, anchor=_bookmark(element)))
        elif marker:
            if not self.in_list:
                self.groups += 1
                self.in_list = True
            self.item_level = depth
            self.blocks.append(Block("item", text, level=depth, marker=marker, group=self.groups))
        elif _TERM_STYLE.fullmatch(style):
            self.in_list, self.item_level = True, 0
            self.groups += 1
            term = one_line(text)
            self.blocks.append(Block("item", term, marker="-", group=self.groups, term=term))
        elif _DEFINITION_STYLE.fullmatch(style) and self.in_list:
            last = self.blocks[-1]
            if last.term == last.text:
                text = f"{last.term.rstrip(':')}: {one_line(text)}"
                self.blocks[-1] = replace(last, text=text)
            else:
                self.blocks.append(Block("paragraph", _lines(text), level=self.item_level + 1))
        else:
            self.in_list = self.in_list and bool(listed or style.lower().startswith(_CONTINUES))
            below = self.item_level + 1 if self.in_list else 0
            self.blocks.append(Block("paragraph", _lines(text), level=below))

    def listed(
        self, properties: Any | None, style: Style, style_id: str | None
    ) -> tuple[str, int] | None:
        """Count the paragraph in its list; return marker and depth, None for no item."""
        list_id, level = place_of(properties)
        if list_id is None:
            list_id = style.place.list_id
            level = style.place.level if level is None else level
            if level is None and list_id is not None:
                level = self.numbering.level_of(list_id, style_id)
        named = _LIST_STYLE.match(style.name)
        depth = max(int(named[2]) - 1, 0) if named and named[2] else 0
        if list_id == "0":
            return None
        if list_id is not None and (named is None or list_id in self.numbering.lists):
            return self.numbering.marker(list_id, level or 0), level or depth
        if named is None:
            return None
        self.named_count = self.named_count + 1 if self.in_list else 1
        return f"{self.named_count}." if named[1].lower() == "number" else "-", depth

    def flush(self) -> None:
        """Add what was to be joined to a paragraph that does not come."""
        (pieces, anchored), self.carried = self.carried, ([], [])
        if text := "".join(pieces).strip():
            self.in_list = False
            self.blocks.append(Block("paragraph", _lines(text)))
        self.anchored(anchored)

    def table(self, element: Any) -> None:
        self.flush()
        self.in_list = False
        grid = read_grid(element, self.cell)
        if grid.flows():
            cells = {id(cell): cell for row in grid.rows for cell in row}
            for cell in cells.values():
                self.blocks += cell.blocks
        else:
            self.groups += 1
            self.blocks += grid.lines(self.groups)
        if grid.shortened:
            self.package.note(
                "a long text in a merged cell of a table is not repeated in every row"
            )
        if not self.cells:
            deferred, self.deferred = self.deferred, []
            self.anchored(deferred)

    def cell(self, element: Any) -> list[Block]:
        self.cells += 1
        try:
            return self.collected(element)
        finally:
            self.cells -= 1

    def collected(self, element: Any) -> list[Block]:
        """Blocks in an element, apart from all others."""
        outer = self.blocks, self.in_list, self.item_level, self.carried
        self.blocks, self.in_list, self.carried = [], False, ([], [])
        try:
            self.body(element)
            return self.blocks
        finally:
            self.blocks, self.in_list, self.item_level, self.carried = outer

    def anchored(self, anchored: list[Anchored]) -> None:
        """Read what is anchored in a paragraph, after it; in a table, after the table."""
        for what in anchored:
            if self.cells and what.kind not in ("box", "text"):
                self.deferred.append(what)
                continue
            for block in self.blocks_of(what):
                kind, level = block.kind, block.level
                if kind == "heading" and self.headings:
                    kind, level = "paragraph", 0  # of a box, not of the text
                if kind == "paragraph" and self.in_list:
                    level = self.item_level + 1
                self.blocks.append(replace(block, kind=kind, level=level))

    def blocks_of(self, anchored: Anchored) -> list[Block]:
        kind, what = anchored
        if kind == "box":
            headings, self.headings = self.headings, 0
            blocks = self.collected(what)
            self.headings = headings
            return blocks
        if kind == "text":
            return [Block("paragraph", _lines(what))]
        if kind == "left out":
            self.package.note(what)
            return []
        if kind in self.notes:
            element = self.notes[kind].pop(what, None)
            blocks = [] if element is None else self.collected(element)
            if kind != "comment" or element is None:
                return blocks
            author = one_line(element.get(f"{W}author") or "")
            text = cell_text(blocks)
            comment = f"Comment by {author}: {text}" if author else f"Comment: {text}"
            return [Block("paragraph", comment)] if text else []
        relation = self.relations.get(what)
        if self.is_shown(relation):
            return []
        root = None if relation is None else self.package.xml(relation.target)
        self.groups += 1
        reader = read_chart if kind == "chart" else read_diagram
        blocks = [] if root is None else reader(root, self.groups)
        if not blocks:
            self.package.note(f"a {kind} is not read")
        return blocks

    def is_shown(self, relation: Relation | None) -> bool:
        """Whether a part was read before: it may be shown a million times."""
        target = "" if relation is None else relation.target
        shown = target in self.shown
        self.shown.add(target)
        if shown and target:
            self.package.note(f"{target} is shown more than once and read once")
        return shown

    def headers(self) -> list[Block]:
        """What headers and footers say, each once, beside numbers of pages."""
        targets: dict[str, None] = {}
        for place in ("header", "footer"):
            for element in self.root.iter(f"{W}{place}Reference"):
                relation = self.relations.get(element.get(f"{R}id"))
                if relation is not None and not relation.external:
                    targets[relation.target] = None
        told = {one_line(block.text) for block in self.blocks} if targets else set()
        found: list[Block] = []
        self.in_header = True
        for target in targets:
            root = self.package.xml(target)
            if root is None:
                self.package.note(f"{target} is missing or cannot be read")
                continue
            self.relations = self.package.relations(target)
            for block in self.collected(root):
                lines = dict.fromkeys(map(_without_page, _APART.split(block.text)))
                new = [line for line in lines if line and line not in told]
                told.update(new)
                found.append(Block("paragraph", "\n".join(new)))
        return found

    def chunk(self, relation: Relation | None) -> None:
        """Read a document of any format that is kept whole inside this one."""
        self.flush()
        if self.is_shown(relation):
            return
        data = None if relation is None or relation.external else self.package.blob(relation.target)
        if data is None or relation is None:
            self.package.note("a document kept inside this one is missing")
            return
        target = relation.target
        try:
            if not data.startswith(b"PK\x03\x04"):
                blocks, notes = self.read_blocks(Fetched(target, data, name=target))
            elif self.depth >= _MAX_CHUNK_DEPTH:
                raise SourceError(f"{target} is a document inside too many others.")
            else:
                inner = read(data, target, self.read_blocks, self.depth + 1)
                blocks, notes = inner.blocks, inner.notes
        except MemoryError:
            raise
        except Exception as error:
            reason = one_line(str(error))
            self.package.note(f"a document kept inside this one is left out: {reason}")
            return
        self.in_list = False
        for block in blocks:
            group = block.group + self.groups if block.group else 0
            self.blocks.append(replace(block, group=group))
        self.groups += max((block.group for block in blocks), default=0)
        for note in notes:
            self.package.note(f"{target}: {note}")


def _by_id(root: Any | None) -> dict[str, Any]:
    """Notes or comments by id, without the lines that separate notes from the text."""
    found: dict[str, Any] = {}
    for element in root if root is not None else ():
        if element.get(f"{W}type") in (None, "normal"):
            note_id = element.get(f"{W}id") or ""
            found[f"{note_id} again {len(found)}" if note_id in found else note_id] = element
    return found


def _lines(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def _bookmark(element: Any) -> str | None:
    for mark in element.iterchildren(f"{W}bookmarkStart"):
        if (name := mark.get(f"{W}name")) != "_GoBack":
            return cast("str | None", name)
    return None


def _without_page(line: str) -> str:
    """Line of a header without the number of the page and the words around it."""
    line = one_line(line)
    if PAGE_MARK not in line:
        return "" if line.isdecimal() and len(line) < 5 else line
    kept: list[str] = []
    for number, piece in enumerate(line.split(PAGE_MARK)):
        words = piece.split()
        while words and _is_page_word(words[-1]):
            words.pop()
        while number and words and _is_page_word(words[0]):
            del words[0]
        kept += words
    return " ".join(kept)


def _is_page_word(word: str) -> bool:
    return word.strip(".,:;()[]/|–—-·").lower() in _PAGE_WORDS
