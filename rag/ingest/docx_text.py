"""The text of one paragraph of Word, and what is anchored in it: boxes, notes, comments, pictures.

Insertions under revision, content controls, results of fields and formulas are text; deletions,
hidden and struck-out runs, codes of fields, the hint in a control that is not filled in and the
pronunciation over a word are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from rag.ingest.docx_objects import linear
from rag.ingest.docx_package import MC, M, R, W, is_deleted, switch, value, whole
from rag.ingest.docx_styles import Style, Styles, look_of
from rag.ingest.docx_symbols import from_font, symbol

PAGE_MARK = "\ue000"
"""Stands where a header has the number of the page."""
_STRUCK = "\x00"
_STRUCK_GAP = re.compile(f"{_STRUCK}(?=\\w)")
_POWER = "\x01"
"""Stands between a number and a raised one, so that 10 and 3 do not come out as 103."""
_POWERS = tuple("0123456789-−–+")
_FRACTION = re.compile(f"{_POWER}(?=\\d{{1,3}}[/⁄]\\d)")
_HINT = re.compile(
    r"\W{0,3}(?:click|tap|choose|select|enter|type)\b.{0,60}"
    r"\b(?:here|text|date|item|option|value|name|list|picture)\b",
    re.I,
)
_MAX_NESTED = 50
_W14 = "{http://schemas.microsoft.com/office/word/2010/wordml}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SKIPPED = frozenset(
    f"{W}{name}"
    for name in (
        "pPr rPr del moveFrom delText delInstrText rt rubyPr sdtPr sdtEndPr smartTagPr customXmlPr "
        "tblPr tcPr trPr tblGrid sectPr softHyphen"
    ).split()
)
_BREAKS = {
    f"{W}tab": "\t",
    f"{W}ptab": "\t",
    f"{W}br": "\n",
    f"{W}cr": "\n",
    f"{W}noBreakHyphen": "-",
    f"{W}pgNum": PAGE_MARK,
}
_REFERENCES = {f"{W}{kind}Reference": kind for kind in ("footnote", "endnote", "comment")}
_GRAPHICS = frozenset([f"{W}drawing", f"{W}pict", f"{W}object"])
_PAGE_FIELD = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES|SECTION)\b", re.I)
_SYMBOL_FIELD = re.compile(
    r"\s*SYMBOL\s+(?:0x([0-9a-f]{1,5})|(\d{1,6}))(?:\s+\\f\s+\"?([^\"\\]{1,60})|\s|$)", re.I
)
_MADE_UP = re.compile(
    r"automatically generated|AI-generated|^\S+\.(?:png|jpe?g|gif|bmp|tiff?|emf|wmf|svg)$", re.I
)


class Anchored(NamedTuple):
    """Something anchored in a paragraph that is read after it.

    ``kind`` is ``box`` (an element with blocks), ``text``, ``footnote``, ``endnote`` or ``comment``
    (their ids), ``chart`` or ``diagram`` (ids of relations), ``left out`` (a sentence to note).
    """

    kind: str
    what: Any


@dataclass
class _Field:
    start: int
    code: list[str] = field(default_factory=list)
    has_result: bool = False
    shown: str = ""


@dataclass
class Paragraph:
    """Reads one paragraph; ``struck`` and ``hidden`` tell whether any text was left out for it."""

    styles: Styles
    style: Style
    in_header: bool = False
    pieces: list[str] = field(default_factory=list)
    anchored: list[Anchored] = field(default_factory=list)
    struck: bool = False
    hidden: bool = False
    raised_end: int = -1
    fields: list[_Field] = field(default_factory=list)

    def text(self) -> str:
        """What was read, spaces as they are."""
        text = _FRACTION.sub(" ", "".join(self.pieces)).replace(_POWER, "^")
        return _STRUCK_GAP.sub(" ", text).replace(_STRUCK, "")

    def walk(self, element: Any, font: str | None = None) -> None:
        """Read what is in the element, which is a paragraph or a part of one."""
        for child in element:
            tag = child.tag
            if tag == f"{W}r":
                self._run(child)
            elif tag == f"{W}t":
                self.pieces.append(from_font(child.text or "", font))
            elif tag in _BREAKS:
                # What tabs set apart in a header are texts of their own.
                at_tab = self.in_header and _BREAKS[tag] == "\t"
                self.pieces.append("\n" if at_tab else _BREAKS[tag])
            elif tag in _SKIPPED:
                continue
            elif tag == f"{W}sym":
                self.pieces.append(_symbol(child.get(f"{W}font"), child.get(f"{W}char")))
            elif tag == f"{W}fldChar":
                self._field_mark(child)
            elif tag == f"{W}instrText":
                if self.fields:
                    self.fields[-1].code.append(child.text or "")
            elif tag == f"{W}fldSimple":
                code = [child.get(f"{W}instr") or ""]
                self.fields.append(_Field(len(self.pieces), code, has_result=True))
                self.walk(child)
                self._end_field()
            elif tag in _GRAPHICS:
                self._graphics(child)
            elif tag == f"{MC}AlternateContent":
                self._alternatives(child, font)
            elif tag == f"{M}oMath":
                self.pieces.append(linear(child))
            elif tag == f"{M}oMathPara":
                self.pieces.append("\n".join(map(linear, child.iterchildren(f"{M}oMath"))))
            elif tag in _REFERENCES:
                self.anchored.append(Anchored(_REFERENCES[tag], child.get(f"{W}id")))
            elif tag == f"{W}sdt":
                self._control(child)
            elif tag == f"{W}subDoc":
                self._leave_out("a part of the document is in a file of its own and is not read")
            else:
                self.walk(child, font)
                if tag == f"{W}p":
                    self.pieces.append("\n")

    def _run(self, element: Any) -> None:
        properties = element.find(f"{W}rPr")
        named = value(properties, "rStyle")
        if _is_hint(element, self.styles.get(named).name if named else ""):
            self._leave_out("the hint in a field that is not filled in is left out")
            return
        if is_deleted(properties):
            return
        look = self.style.look
        if named:  # what a style of both kinds switches on is off again
            of_run = self.styles.get(named).look
            look = of_run._replace(
                hidden=bool(look.hidden) != bool(of_run.hidden),
                struck=bool(look.struck) != bool(of_run.struck),
                raised=look.raised or of_run.raised,
            ).over(look)
        look = look_of(properties).over(look)
        start = len(self.pieces)
        self.walk(element, look.font)
        if not (look.hidden or look.struck):
            if look.raised:
                self._raise(start)
            return
        text = "".join(self.pieces[start:])
        del self.pieces[start:]
        if text.strip():
            self.hidden |= bool(look.hidden)
            self.struck |= not look.hidden
        at_edge = text[:1].isspace() or text[-1:].isspace()
        if at_edge and self.pieces[-1:] != [_STRUCK]:
            self.pieces.append(_STRUCK)

    def _raise(self, start: int) -> None:
        """Mark what was read since then as a power, where it would go on with a number."""
        before = next(filter(None, reversed(self.pieces[max(0, start - 3) : start])), "")
        is_first = self.raised_end != start
        self.raised_end = len(self.pieces)
        if is_first and before[-1:].isdigit() and "".join(self.pieces[start:]).startswith(_POWERS):
            self.pieces[start] = _POWER + self.pieces[start]

    def _control(self, element: Any) -> None:
        before = len(self.pieces)
        content = element.find(f"{W}sdtContent")
        if content is not None:
            self.walk(content)
        box = element.find(f"{W}sdtPr/{_W14}checkbox/{_W14}checked")
        if box is not None and not self._says(before):
            self.pieces.append("☒" if box.get(f"{_W14}val") in ("1", "true") else "☐")

    def _alternatives(self, element: Any, font: str | None) -> None:
        """Read the first alternative that says something: they all say the same."""
        for child in element:
            read = Paragraph(self.styles, self.style, self.in_header)
            read.walk(child, font)
            if read.anchored or "".join(read.pieces).strip():
                self.pieces += read.pieces
                self.anchored += read.anchored
                self.struck |= read.struck
                self.hidden |= read.hidden
                return

    def _field_mark(self, element: Any) -> None:
        kind = element.get(f"{W}fldCharType")
        if kind == "begin":
            self.fields.append(_Field(len(self.pieces), shown=_form_field(element)))
        elif self.fields and kind == "separate":
            del self.pieces[self.fields[-1].start :]  # of fields inside the code
            self.fields[-1].has_result = True
        elif kind == "end":
            self._end_field()

    def _end_field(self) -> None:
        if not self.fields:
            return
        ended = self.fields.pop()
        code = "".join(ended.code)
        if not ended.has_result:
            del self.pieces[ended.start :]
        if self.in_header and _PAGE_FIELD.match(code):
            self.pieces[ended.start :] = [PAGE_MARK]
        elif len(self.fields) < _MAX_NESTED and not self._says(ended.start):
            symbol_field = _SYMBOL_FIELD.match(code)  # its result is not in the file
            if symbol_field and not ended.shown:
                in_hex, decimal, font = symbol_field.groups()
                number = int(in_hex, 16) if in_hex else int(decimal)
                ended.shown = symbol((font or "").strip(), number)
            self.pieces.append(ended.shown)

    def _says(self, start: int) -> bool:
        return any(self.pieces[i].strip() for i in range(start, len(self.pieces)))

    def _graphics(self, element: Any) -> None:
        for child in element:
            tag = child.tag
            name = tag.rpartition("}")[2]
            if name == "txbxContent":
                self.anchored.append(Anchored("box", child))
                continue
            if tag == f"{_A}txBody":
                lines = ("".join(t.text or "" for t in p.iter(f"{_A}t")) for p in child)
                self.anchored.append(Anchored("text", "\n".join(filter(None, lines))))
                continue
            if tag == f"{MC}AlternateContent":
                before = len(self.anchored)
                for alternative in child:
                    self._graphics(alternative)
                    if len(self.anchored) > before:
                        break
                continue
            if name in ("docPr", "cNvPr"):
                self._picture(child.get("descr"))
            elif name in ("imagedata", "shape", "rect", "group"):
                self._picture(child.get("alt"))
            elif name == "textpath" and (child.get("string") or "").strip():
                self.anchored.append(Anchored("text", child.get("string")))
            elif name == "chart" and "chartex" in tag:
                self._leave_out("a chart of a newer kind is not read")
            elif name == "chart":
                self.anchored.append(Anchored("chart", child.get(f"{R}id")))
            elif name == "relIds" and "diagram" in tag:
                self.anchored.append(Anchored("diagram", child.get(f"{R}dm")))
            elif name == "OLEObject":
                program = (child.get("ProgID") or "an unknown kind")[:80]
                self._leave_out(f"an embedded object ({program}) is not read")
            self._graphics(child)

    def _picture(self, description: str | None) -> None:
        text = " ".join((description or "").split())
        if text and not _MADE_UP.search(text):
            shown = Anchored("text", f"Picture: {text}")
            if shown not in self.anchored[-2:]:  # said of the frame and of what is in it
                self.anchored.append(shown)

    def _leave_out(self, note: str) -> None:
        self.anchored.append(Anchored("left out", note))


def _is_hint(run: Any, style: str) -> bool:
    """Tell the words that a content control shows until it is filled in.

    A program that fills it in may forget the switch, so they have to look like a hint, too.
    """
    control = next(run.iterancestors(f"{W}sdt"), None)
    if control is None or not switch(control.find(f"{W}sdtPr"), "showingPlcHdr"):
        return False
    words = "".join(t.text or "" for t in islice(control.iter(f"{W}t"), 20))
    return style.lower() == "placeholder text" or _HINT.match(words) is not None


def plain(element: Any) -> Iterator[str]:
    """Text of an element that cannot be read in a better way, in pieces."""
    for found in element.iter(f"{W}t", f"{W}tab", f"{W}br", f"{M}t"):
        yield found.text or " "


def _symbol(font: str | None, code: str | None) -> str:
    try:
        return symbol(font or "symbol", int((code or "")[:6], 16))
    except ValueError:
        return "\ufffd"


def _form_field(mark: Any) -> str:
    """What a box to tick or a list to choose from shows in an old form."""
    box = mark.find(f"{W}ffData/{W}checkBox")
    if box is not None:
        ticked = switch(box, "checked")
        return "☒" if (switch(box, "default") if ticked is None else ticked) else "☐"
    choice = mark.find(f"{W}ffData/{W}ddList")
    if choice is None:
        return ""
    entries = [entry.get(f"{W}val") or "" for entry in choice.iterchildren(f"{W}listEntry")]
    index = whole(value(choice, "result") or value(choice, "default"), 0, 0, 10**6)
    return entries[index] if index < len(entries) else ""
