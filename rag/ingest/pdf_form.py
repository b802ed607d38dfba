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
from rag.ingest.pdf_letters import turned
from rag.ingest.pdf_table import Grid, Line

_DIGITS = re.compile(r"\d+")
_HIDDEN = 0x02 | 0x20
"""Flags of an annotation that no viewer shows."""
_PASSWORD = 1 << 13
_SAME_LEVEL = 0.7
_ABOVE = 2.6
"""A label is at most so many of its own heights above the field."""
_TICK_GAP = 2.5
_REACH = 60.0
_BUFFER = 1024
_MAX_ALIKE = 10
_MAX_COMMENTS = 100
"""No reader writes so many comments on a page, nor so many that differ in their numbers only."""
_NO_COMMENT = ("POPUP", "LINK", "WIDGET", "XFAWIDGET")


@dataclass
class Field:
    """A form field that is filled in, or a box to tick; places are in points as in a Line."""

    name: str
    text: str
    left: float
    bottom: float
    right: float
    top: float
    is_box: bool = False

    def turned(self, turn: int) -> Field:
        """The field on a page turned so many quarters back."""
        left, bottom, right, top = turned((self.left, self.bottom, self.right, self.top), turn)
        return replace(self, left=left, bottom=bottom, right=right, top=top)


def read_string(function: Callable[..., int], *arguments: Any) -> str:
    """UTF-16 string that one of pdfium's functions writes; bad code units as U+FFFD."""
    size, room = _BUFFER, 0
    while size > room:  # pdfium may search long for what it is asked, so it is asked once
        room = size
        buffer = (ctypes.c_ushort * (room // 2 + 1))()
        size = function(*arguments, buffer, room)
    return bytes(buffer)[:size].decode("utf-16-le", "replace").split("\0")[0]


def read_annotations(page: Any, form: Any) -> tuple[list[Field], list[str]]:
    """Form fields and comments of a page; ``form`` is None where the document has none."""
    silent = {getattr(raw, f"FPDF_ANNOT_{name}") for name in _NO_COMMENT}
    fields: list[Field] = []
    comments: list[str] = []
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
            elif kind not in silent:
                text = one_line(read_string(raw.FPDFAnnot_GetStringValue, annotation, b"Contents"))
                author = one_line(read_string(raw.FPDFAnnot_GetStringValue, annotation, b"T"))
                if text and kind != raw.FPDF_ANNOT_FREETEXT:
                    text = f"Comment by {author}: {text}" if author else f"Comment: {text}"
                comments += [text] if text else []
        finally:
            raw.FPDFPage_CloseAnnot(annotation)
    return fields, comments


def without_machine_made(comments: list[str]) -> list[str]:
    """The comments of a page that may be a reader's."""
    alike: Counter[str] = Counter()
    kept: list[str] = []
    for comment in comments:
        shape = _DIGITS.sub("#", comment)
        alike[shape] += 1
        if alike[shape] <= _MAX_ALIKE and len(kept) < _MAX_COMMENTS:
            kept.append(comment)
    return kept


def _field(annotation: Any, form: Any) -> Field | None:
    kind = raw.FPDFAnnot_GetFormFieldType(form, annotation) if form else -1
    if kind == -1:  # no form knows of it
        name = read_string(raw.FPDFAnnot_GetStringValue, annotation, b"T")
    else:
        name = read_string(
            raw.FPDFAnnot_GetFormFieldAlternateName, form, annotation
        ) or read_string(raw.FPDFAnnot_GetFormFieldName, form, annotation)
    is_box = kind in (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON)
    if is_box:
        # What FPDFAnnot_IsChecked says is right only of a page that is on a screen.
        state = read_string(raw.FPDFAnnot_GetStringValue, annotation, b"AS")
        if not state and kind == raw.FPDF_FORMFIELD_CHECKBOX:
            state = read_string(raw.FPDFAnnot_GetFormFieldValue, form, annotation)
        text = "[ ]" if state in ("", "Off") else "[x]"
    elif kind in (raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX):
        text = ", ".join(_chosen(annotation, form))
    elif kind == raw.FPDF_FORMFIELD_TEXTFIELD:
        if raw.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD:
            return None
        text = read_string(raw.FPDFAnnot_GetFormFieldValue, form, annotation)
    elif kind == -1:
        text = read_string(raw.FPDFAnnot_GetStringValue, annotation, b"V")
    else:
        return None
    box = raw.FS_RECTF()
    text = one_line(text)
    if not text or not raw.FPDFAnnot_GetRect(annotation, ctypes.byref(box)):
        return None
    return Field(one_line(name), text, box.left, box.bottom, box.right, box.top, is_box)


def _chosen(annotation: Any, form: Any) -> list[str]:
    """Labels of the options that are chosen; what was typed in where none is."""
    count = raw.FPDFAnnot_GetOptionCount(form, annotation)
    chosen = [i for i in range(count) if raw.FPDFAnnot_IsOptionSelected(form, annotation, i)]
    if not chosen:
        return [read_string(raw.FPDFAnnot_GetFormFieldValue, form, annotation)]
    return [read_string(raw.FPDFAnnot_GetOptionLabel, form, annotation, i) for i in chosen]


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
        text = field.text if grid is not None else f"{field.name}: {field.text}".strip(": ")
        height = min(field.top - field.bottom, 12.0)
        bottom, top = y - height / 2, y + height / 2
        segments.append(Line(text, field.left, bottom, field.right, top, height, grid=grid))


def _is_in_cell(grid: Grid, label: Line, x: float, y: float) -> bool:
    middle = (label.left + label.right) / 2
    return grid.holds(middle, label.middle) and grid.cell(x, y) == grid.cell(middle, label.middle)


def _label(field: Field, places: Any, y: float) -> int | None:
    """Index of the text that a field belongs to."""
    left, bottom, right, top = places.T
    height = np.maximum(top - bottom, 1.0)
    level = np.abs((bottom + top) / 2 - y) <= _SAME_LEVEL * np.maximum(
        height, min(field.top - field.bottom, 20.0)
    )
    if field.is_box:
        gap = left - field.right
        after = level & (gap >= -height) & (gap <= _TICK_GAP * height)
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
