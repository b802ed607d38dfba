"""The text of one paragraph of Word, and what hangs on it: boxes, notes, comments, pictures.

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

from rag.ingest.docx_math import linear
from rag.ingest.docx_package import MC, M, R, W
from rag.ingest.docx_styles import (
    Style,
    Styles,
    font_of,
    is_raised,
    is_struck,
    switch,
    value,
    whole,
)
from rag.ingest.docx_symbols import from_font, from_private, is_symbol_font, symbol

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
_PRIVATE = re.compile("[\uf020-\uf0ff]")
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
_GRAPHICS = frozenset([f"{W}drawing", f"{W}pict", f"{W}object"])
_PAGE_FIELD = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES|SECTION)\b", re.I)
_SYMBOL_FIELD = re.compile(
    r"\s*SYMBOL\s+(0x[0-9a-f]{1,5}|\d{1,6})(?:\s+\\f\s+\"?([^\"\\]{1,60})|\s|$)", re.I
)
_MADE_UP = re.compile(
    r"automatically generated|AI-generated|^\S+\.(?:png|jpe?g|gif|bmp|tiff?|emf|wmf|svg)$", re.I
)


class Hanging(NamedTuple):
    """Something anchored in a paragraph that is read after it.

    ``kind`` is ``box`` (an element with blocks), ``text``, ``note``, ``endnote`` or ``comment``
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
class Line:
    """Reads one paragraph; ``struck`` and ``hidden`` tell whether any text was left out for it."""

    styles: Styles
    style: Style
    in_header: bool = False
    pieces: list[str] = field(default_factory=list)
    hanging: list[Hanging] = field(default_factory=list)
    struck: bool = False
    hidden: bool = False
    raised_end: int = -1
    fields: list[_Field] = field(default_factory=list)

    def text(self) -> str:
        """Return what was read, spaces as they are."""
        text = "".join(self.pieces)
        if _POWER in text:
            text = _FRACTION.sub(" ", text).replace(_POWER, "^")
        return _STRUCK_GAP.sub(" ", text).replace(_STRUCK, "") if _STRUCK in text else text

    def walk(self, element: Any, font: str | None = None) -> None:
        """Read what is in the element, which is a paragraph or a part of one."""
        for child in element:
            tag = child.tag
            if tag == f"{W}r":
                self._run(child)
            elif tag == f"{W}t":
                self.pieces.append(_shown(child.text or "", font))
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
                self._simple_field(child)
            elif tag in _GRAPHICS:
                self._graphics(child)
            elif tag == f"{MC}AlternateContent":
                self._alternatives(child, font)
            elif tag in (f"{M}oMath", f"{M}oMathPara"):
                many = tag == f"{M}oMathPara"
                formulas = map(linear, child.iterchildren(f"{M}oMath")) if many else [linear(child)]
                self.pieces.append("\n".join(formulas))
            elif tag == f"{W}footnoteReference":
                self.hanging.append(Hanging("note", child.get(f"{W}id")))
            elif tag == f"{W}endnoteReference":
                self.hanging.append(Hanging("endnote", child.get(f"{W}id")))
            elif tag == f"{W}commentReference":
                self.hanging.append(Hanging("comment", child.get(f"{W}id")))
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
        style, font = self.style, self.style.font
        hidden, struck, raised = style.hidden, style.struck, style.raised
        named = "" if properties is None else value(properties, "rStyle")
        if _is_hint(element, self.styles.get(named).name if named else ""):
            self._leave_out("the hint in a field that is not filled in is left out")
            return
        if properties is not None:
            if (
                properties.find(f"{W}del") is not None
                or properties.find(f"{W}moveFrom") is not None
            ):
                return
            if named:  # what a style of both kinds switches on is off again
                of_run = self.styles.get(named)
                hidden, struck = hidden != of_run.hidden, struck != of_run.struck
                font = of_run.font or font
                raised = raised or of_run.raised
            own_hidden, own_struck = switch(properties, "vanish"), is_struck(properties)
            hidden = hidden if own_hidden is None else own_hidden
            struck = struck if own_struck is None else own_struck
            font = font_of(properties) or font
            own_raised = is_raised(properties)
            raised = raised if own_raised is None else own_raised
        start = len(self.pieces)
        if not (hidden or struck):
            self.walk(element, font)
            if raised:
                self._raise(start)
            return
        self.walk(element, font)
        text = "".join(self.pieces[start:])
        if start <= len(self.pieces):
            del self.pieces[start:]
        if text.strip():
            self.hidden |= hidden
            self.struck |= struck and not hidden
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
            line = Line(self.styles, self.style, self.in_header)
            line.walk(child, font)
            if line.hanging or "".join(line.pieces).strip():
                self.pieces += line.pieces
                self.hanging += line.hanging
                self.struck |= line.struck
                self.hidden |= line.hidden
                return

    def _field_mark(self, element: Any) -> None:
        kind = element.get(f"{W}fldCharType")
        if kind == "begin":
            self.fields.append(_Field(len(self.pieces), shown=_form_field(element)))
        elif self.fields and kind == "separate":
            del self.pieces[self.fields[-1].start :]  # of fields inside the code
            self.fields[-1].has_result = True
        elif self.fields and kind == "end":
            ended = self.fields.pop()
            code = "".join(ended.code)
            if not ended.has_result:
                del self.pieces[ended.start :]
            if self.in_header and _PAGE_FIELD.match(code):
                self.pieces[ended.start :] = [PAGE_MARK]
            elif len(self.fields) < _MAX_NESTED and not self._says(ended.start):
                self.pieces.append(ended.shown or _field_of(code))

    def _simple_field(self, element: Any) -> None:
        code = element.get(f"{W}instr") or ""
        if self.in_header and _PAGE_FIELD.match(code):
            self.pieces.append(PAGE_MARK)
            return
        before = len(self.pieces)
        self.walk(element)
        if not self._says(before):
            self.pieces.append(_field_of(code))

    def _says(self, start: int) -> bool:
        return any(self.pieces[i].strip() for i in range(start, len(self.pieces)))

    def _graphics(self, element: Any) -> None:
        for child in element:
            tag = child.tag
            name = tag.rpartition("}")[2]
            if name == "txbxContent":
                self.hanging.append(Hanging("box", child))
                continue
            if tag == f"{MC}AlternateContent":
                self._alternatives_of_graphics(child)
                continue
            if name in ("docPr", "cNvPr"):
                self._picture(child.get("descr"))
            elif name in ("imagedata", "shape", "rect", "group"):
                self._picture(child.get("alt"))
            elif name == "textpath" and (child.get("string") or "").strip():
                self.hanging.append(Hanging("text", child.get("string")))
            elif name == "chart":
                if "chartex" in tag:
                    self._leave_out("a chart of a newer kind is not read")
                else:
                    self.hanging.append(Hanging("chart", child.get(f"{R}id")))
            elif name == "relIds" and "diagram" in tag:
                self.hanging.append(Hanging("diagram", child.get(f"{R}dm")))
            elif name == "OLEObject":
                program = (child.get("ProgID") or "an unknown kind")[:80]
                self._leave_out(f"an embedded object ({program}) is not read")
            elif tag == f"{_A}txBody":
                lines = ("".join(t.text or "" for t in p.iter(f"{_A}t")) for p in child)
                self.hanging.append(Hanging("text", "\n".join(filter(None, lines))))
                continue
            self._graphics(child)

    def _alternatives_of_graphics(self, element: Any) -> None:
        for child in element:
            before = len(self.hanging)
            self._graphics(child)
            if len(self.hanging) > before:
                return

    def _picture(self, description: str | None) -> None:
        text = " ".join((description or "").split())
        if text and not _MADE_UP.search(text):
            shown = Hanging("text", f"Picture: {text}")
            if shown not in self.hanging[-2:]:  # said of the frame and of what is in it
                self.hanging.append(shown)

    def _leave_out(self, note: str) -> None:
        self.hanging.append(Hanging("left out", note))


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
    """Yield the text of an element that cannot be read in a better way."""
    for found in element.iter(f"{W}t", f"{W}tab", f"{W}br", f"{M}t"):
        yield found.text or " "


def _shown(text: str, font: str | None) -> str:
    if font is not None and is_symbol_font(font):
        return from_font(text, font)
    return from_private(text) if _PRIVATE.search(text) else text


def _symbol(font: str | None, code: str | None) -> str:
    try:
        return symbol(font or "symbol", int((code or "")[:6], 16))
    except ValueError:
        return "\ufffd"


def _form_field(mark: Any) -> str:
    """Return what a box to tick or a list to choose from shows in an old form."""
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


def _field_of(code: str) -> str:
    """Return what a field shows whose result is not in the file: a symbol by its number."""
    match = _SYMBOL_FIELD.match(code)
    if match is None:
        return ""
    return symbol(
        (match[2] or "").strip(), int(match[1], 16 if match[1][:2] in ("0x", "0X") else 10)
    )
