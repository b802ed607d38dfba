"""What a PDF page holds beside its text: values of form fields, comments and free text."""

from __future__ import annotations

import ctypes
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from lxml import etree
from pypdfium2 import raw

from rag.ingest.blocks import one_line
from rag.ingest.pdf_table import Grid, Line

_DIGITS = re.compile(r"\d+")
_HIDDEN = 0x02 | 0x20
"""Flags of an annotation that no viewer shows."""
_PASSWORD = 1 << 13
_ABOVE = 2.6
"""A label is at most so many of its own heights above the field."""
_REACH = 60.0
_MAX_ALIKE = 10
_MAX_COMMENTS = 100
"""No reader writes so many comments on a page, nor so many that differ in their numbers only."""
_NO_COMMENT = ("POPUP", "LINK", "WIDGET", "XFAWIDGET")


@dataclass
class Field(Line):
    """A form field that is filled in, or a box to tick."""

    name: str = ""
    is_box: bool = False


def read_string(function: Callable[..., int], *arguments: Any) -> str:
    """UTF-16 string that one of pdfium's functions writes; bad code units as U+FFFD."""
    size, room = 1024, 0
    while size > room:  # pdfium may search long for what it is asked, so it is asked once
        room = size
        buffer = (ctypes.c_ushort * (room // 2 + 1))()
        size = function(*arguments, buffer, room)
    return bytes(buffer)[:size].decode("utf-16-le", "replace").split("\0")[0]


def read_annotations(page: Any, form: Any) -> tuple[list[Field], list[str], int]:
    """Form fields, comments, and how many more comments there are, which a program made.

    ``form`` is None where the document has none.
    """
    silent = {getattr(raw, f"FPDF_ANNOT_{name}") for name in _NO_COMMENT}
    fields: list[Field] = []
    comments: list[str] = []
    alike: Counter[str] = Counter()
    for index in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            kind = raw.FPDFAnnot_GetSubtype(annotation)
            if raw.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
                continue
            if kind == raw.FPDF_ANNOT_WIDGET:
                field = _field(annotation, form)
                fields += [field] if field else []
            elif kind not in silent and (text := _entry(annotation, b"Contents")):
                author = _entry(annotation, b"T")
                if kind != raw.FPDF_ANNOT_FREETEXT:
                    text = f"Comment by {author}: {text}" if author else f"Comment: {text}"
                shape = _DIGITS.sub("#", text)
                alike[shape] += 1
                if alike[shape] <= _MAX_ALIKE and len(comments) < _MAX_COMMENTS:
                    comments.append(text)
        finally:
            raw.FPDFPage_CloseAnnot(annotation)
    return fields, comments, alike.total() - len(comments)


def _entry(annotation: Any, key: bytes) -> str:
    return one_line(read_string(raw.FPDFAnnot_GetStringValue, annotation, key))


def _field(annotation: Any, form: Any) -> Field | None:
    kind = raw.FPDFAnnot_GetFormFieldType(form, annotation) if form else -1

    def form_value(what: str) -> str:
        return one_line(
            read_string(getattr(raw, f"FPDFAnnot_GetFormField{what}"), form, annotation)
        )

    is_box = kind in (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON)
    if kind == -1:  # no form knows of it
        text = _entry(annotation, b"V")
    elif is_box:
        # What FPDFAnnot_IsChecked says is right only of a page that is on a screen.
        state = _entry(annotation, b"AS")
        if not state and kind == raw.FPDF_FORMFIELD_CHECKBOX:
            state = form_value("Value")
        text = "[ ]" if state in ("", "Off") else "[x]"
    elif kind in (raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX):
        options = [
            one_line(read_string(raw.FPDFAnnot_GetOptionLabel, form, annotation, index))
            for index in range(raw.FPDFAnnot_GetOptionCount(form, annotation))
            if raw.FPDFAnnot_IsOptionSelected(form, annotation, index)
        ]
        text = ", ".join(options) or form_value("Value")  # what was typed in where none is chosen
    elif kind == raw.FPDF_FORMFIELD_TEXTFIELD:
        is_password = raw.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD
        text = "" if is_password else form_value("Value")
    else:
        return None
    box = raw.FS_RECTF()
    if not text or not raw.FPDFAnnot_GetRect(annotation, ctypes.byref(box)):
        return None
    name = (
        _entry(annotation, b"T")
        if kind == -1
        else form_value("AlternateName") or form_value("Name")
    )
    left, bottom, right, top = box.left, box.bottom, box.right, box.top
    return Field(text, left, bottom, right, top, top - bottom, name=name, is_box=is_box)


def read_xfa(document: Any) -> list[str]:
    """Values of an XFA form, each with the name of its field."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    values: list[str] = []
    for index in range(raw.FPDF_GetXFAPacketCount(document)):
        size = ctypes.c_ulong()
        if not raw.FPDF_GetXFAPacketContent(document, index, None, 0, ctypes.byref(size)):
            continue
        content = ctypes.create_string_buffer(size.value)
        raw.FPDF_GetXFAPacketContent(document, index, content, size.value, ctypes.byref(size))
        root = etree.fromstring(content.raw, parser) if content.raw.strip(b"\0\r\n ") else None
        for data in [] if root is None else root.iter("{*}data"):
            for leaf in data.iter("{*}*"):
                text = one_line(leaf.text or "")
                if text and not len(leaf):
                    values.append(f"{etree.QName(leaf).localname}: {text}")
    return values


def with_fields(segments: list[Line], fields: Sequence[Field], grids: Sequence[Grid]) -> None:
    """Write each field's value beside its label, else with the field's name as its label.

    A box to tick goes before what stands to its right.
    """
    if not fields:
        return
    labels = sorted(segments, key=lambda segment: segment.middle)
    places = np.array([(s.left, s.bottom, s.right, s.top) for s in labels]).reshape(-1, 4)
    middles = [label.middle for label in labels]
    for field in sorted(fields, key=lambda field: (-field.top, field.left)):
        x, y = (field.left + field.right) / 2, (field.bottom + field.top) / 2
        grid = next((i for i, found in enumerate(grids) if found.holds(x, y)), None)
        low, high = bisect_left(middles, y - _REACH), bisect_left(middles, field.top + _REACH)
        beside = _label(field, places[low:high], y)
        label = None if beside is None else labels[low + beside]
        if label and (grid is None or _is_in_cell(grids[grid], label, x, y)):
            is_before = field.is_box and field.left < label.left
            texts = (field.text, label.text) if is_before else (label.text, field.text)
            label.text = " ".join(texts)
            continue
        if grid is None:
            field.text = f"{field.name}: {field.text}".strip(": ")
        # A field is as high as its lines, of which one is read.
        height = min(field.top - field.bottom, 12.0)
        bottom, top = y - height / 2, y + height / 2
        segments.append(replace(field, bottom=bottom, top=top, height=height, grid=grid))


def _is_in_cell(grid: Grid, label: Line, x: float, y: float) -> bool:
    middle = (label.left + label.right) / 2
    return grid.holds(middle, label.middle) and grid.cell(x, y) == grid.cell(middle, label.middle)


def _label(field: Field, places: Any, y: float) -> int | None:
    """Index of the text that a field belongs to."""
    left, bottom, right, top = places.T
    height = np.maximum(top - bottom, 1.0)
    level = np.abs((bottom + top) / 2 - y) <= 0.7 * np.maximum(
        height, min(field.top - field.bottom, 20.0)
    )
    if field.is_box:
        gap = left - field.right
        after = level & (gap >= -height) & (gap <= 2.5 * height)
        if after.any():
            return int(np.where(after, gap, np.inf).argmin())
    before = level & (left < field.left + 1)
    if before.any():
        return int(np.where(before, right, -np.inf).argmax())
    down = bottom - field.top
    above = (
        (down >= -height) & (down <= _ABOVE * height) & (left < field.right) & (right > field.left)
    )
    return int(np.where(above, down, np.inf).argmin()) if above.any() else None
