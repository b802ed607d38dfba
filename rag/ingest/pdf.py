"""PDF files to blocks: opens them with pdfium, and says what of them was not read."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import Any

import pypdfium2
from pypdfium2 import raw

from rag.errors import SourceError
from rag.ingest.blocks import Parsed, one_line
from rag.ingest.metadata import parse_date
from rag.ingest.pdf_form import read_annotations, read_string, read_xfa
from rag.ingest.pdf_page import read_lines
from rag.ingest.pdf_paragraphs import join_lines, outline_key, without_furniture
from rag.ingest.pdf_table import Line

_LOCK = Lock()  # pdfium is not safe for threads
_JUNK_TITLE = re.compile(
    r"(?:microsoft word|powerpoint)\b.*|(?:untitled|unbenannt|sans titre)\b.{0,20}"
    r"|(?:binder|book|document|dokument|layout|model|presentation|slide|title|titel)\W{0,2}\d*"
    r"|version [\d.]+|matlab"
    r"|.*\.(?:ai|cdr|docx?|dvi|eps|fm|html?|indd|jpe?g|lyx|md|odp|odt|pdf|png|pptx?|ps|pub|qxd|rtf"
    r"|tex|tiff?|txt|vsdx?|wpd|xlsx?)",
    re.I,
)
_NO_TITLES = frozenset(
    "contents tableofcontents inhalt inhaltsverzeichnis sommaire tabledesmatières contenido "
    "contenidos índice indice sumario sumário inhoud inhoudsopgave abstract zusammenfassung "
    "содержание оглавление 目次 目录 目錄 차례 목차".split()
)
_PLACEHOLDER = re.compile(r"[\[<{].*[\]>}]")
_NOTE_MARKS = " *∗†‡"
_MOST_BROKEN = 1000
"""Broken pages in a row after which no more are looked for."""
_MAX_NAMED = 10


@dataclass
class _Skipped:
    """Pages that are but a picture, and those that cannot be read; comments left out, by page."""

    pictures: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    comments: dict[int, int] = field(default_factory=dict)


def read(data: bytes, name: str, *, on_page: Callable[[int, int], object] | None = None) -> Parsed:
    """Blocks and properties of a PDF; raises SourceError for a protected, broken or scanned one.

    ``on_page`` is told how many pages of how many are read.
    """
    with _LOCK:
        lines, outline, info, notes = _load(data, name, on_page)
    body = without_furniture(lines)
    blocks, headings = join_lines(list(chain.from_iterable(body if any(body) else lines)), outline)
    title, author = one_line(info["Title"]), one_line(info["Author"])
    if not _is_title(title):
        # The first of the largest headings of the first page.
        titles = [(height, text.rstrip(_NOTE_MARKS)) for height, text in headings]
        titles = [(height, text) for height, text in titles if _is_title(text)]
        largest = max((height for height, _ in titles), default=0.0)
        title = next((text for height, text in titles if height >= 0.8 * largest), "")
    dates = (info[key].removeprefix("D:")[:8] for key in ("ModDate", "CreationDate"))
    return Parsed(
        blocks=blocks,
        title=title or None,
        author=author if _says_something(author) else None,
        published=next(filter(None, map(parse_date, dates)), None),
        pages=len(lines),
        notes=notes,
    )


def _load(
    data: bytes, name: str, on_page: Callable[[int, int], object] | None
) -> tuple[list[list[Line]], dict[tuple[int, str], int], dict[str, str], list[str]]:
    """Lines by page, levels of headings in the outline, properties, notes."""
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
        if not any(lines):
            raise SourceError(_no_text(name, skipped))
        outline: dict[tuple[int, str], int] = {}
        for mark in document.get_toc():
            target = mark.get_dest()
            page = target.get_index() if target else None
            if page is not None:
                title = read_string(raw.FPDFBookmark_GetTitle, mark)
                outline[outline_key(page + 1, title)] = mark.level + 1
        info = {
            key: read_string(raw.FPDF_GetMetaText, document, key.encode())
            for key in ("Title", "Author", "CreationDate", "ModDate")
        }
        return lines, outline, info, _notes(document, skipped)
    finally:
        if form:
            raw.FPDFDOC_ExitFormFillEnvironment(form)
        document.close()


def _page(document: Any, index: int, form: Any, skipped: _Skipped) -> list[Line]:
    page = document[index]
    try:
        textpage = page.get_textpage()
        try:
            fields, comments, left_out = read_annotations(page, form)
            if left_out:
                skipped.comments[index + 1] = left_out
            lines = read_lines(page, textpage, index + 1, fields)
        finally:
            textpage.close()
        pictures = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
        if not lines and next(pictures, None) is not None:
            skipped.pictures.append(index + 1)
        if not index and document.get_formtype() == raw.FORMTYPE_XFA_FULL:
            comments += read_xfa(document)
        return lines + [
            Line(text, 0, 0, 0, 0, 1.0, page=index + 1, flow=flow)
            for flow, text in enumerate(comments, -len(comments))
        ]
    finally:
        page.close()


def _no_text(name: str, skipped: _Skipped) -> str:
    if skipped.pictures:
        return f"{name} has no text (scanned?): run OCR first, e.g. with ocrmypdf."
    if skipped.broken:
        return f"{name} has no text, its pages are damaged; open it in a viewer and save it again."
    return f"{name} has no text that can be read; leave it out."


def _notes(document: Any, skipped: _Skipped) -> list[str]:
    """What of the document was not read."""
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


def _says_something(text: str) -> bool:
    """Whether a text is words, and neither signs nor "[Name]", left from a template."""
    letters = sum(map(str.isalnum, text))
    return (
        any(map(str.isalpha, text))
        and letters >= min(2, len(text))
        and 2 * letters >= len("".join(text.split()))
        and not _PLACEHOLDER.fullmatch(text)
    )


def _is_title(text: str) -> bool:
    is_junk = outline_key(0, text)[1] in _NO_TITLES or _JUNK_TITLE.fullmatch(text)
    return _says_something(text) and not is_junk
