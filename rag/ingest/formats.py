"""Which format bytes are in: magic bytes first, then the suffix, then the declared media type."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

from rag.ingest.decode import FEW, wide

Format = Literal["html", "markdown", "text", "pdf", "docx", "csv", "jsonl", "mail", "mbox"]

_SUFFIXES_OF: dict[Format, str] = {
    "html": ".html .htm .xhtml",
    "markdown": ".md .markdown",
    "text": ".txt .text .rst .log",
    "pdf": ".pdf",
    "docx": ".docx .docm .dotx .dotm",
    "csv": ".csv .tsv",
    "jsonl": ".jsonl .ndjson",
    "mail": ".eml .mht .mhtml",
    "mbox": ".mbox",
}
SUFFIXES = {suffix: kind for kind, suffixes in _SUFFIXES_OF.items() for suffix in suffixes.split()}
"""What a folder is searched for."""

_OFFICE = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_WORD = "application/vnd.ms-word"
_MEDIA_TYPES_OF: dict[Format, str] = {
    "html": "text/html application/xhtml+xml",
    "markdown": "text/markdown text/x-markdown",
    "text": "text/plain",
    "pdf": "application/pdf",
    "docx": f"{_OFFICE}.document {_OFFICE}.template {_WORD}.document.macroenabled.12 "
    f"{_WORD}.template.macroenabled.12",
    "csv": "text/csv text/tab-separated-values",
    "jsonl": "application/jsonl application/x-ndjson application/x-jsonlines",
    "mail": "message/rfc822 multipart/related application/x-mimearchive",
    "mbox": "application/mbox",
}
_MEDIA_TYPES = {name: kind for kind, names in _MEDIA_TYPES_OF.items() for name in names.split()}

# What ordinary text may begin with is told by more than the letters of a format's mark.
_FOREIGN = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "a PNG image"),
    (re.compile(rb"\xff\xd8\xff"), "a JPEG image"),
    (re.compile(rb"GIF8[79]a(?=.{0,99}\x00)", re.S), "a GIF image"),
    (re.compile(rb"RIFF.{4}(?:WAVE|WEBP|AVI |RMID|CDDA)", re.S), "an image, sound or film"),
    (re.compile(rb"\x1f\x8b"), "a gzip archive"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7-Zip archive"),
    (re.compile(rb"Rar!\x1a\x07"), "a RAR archive"),
    (re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), "a bzip2 archive"),
    (re.compile(rb"\xfd7zXZ\x00"), "an xz archive"),
    (re.compile(rb"\{\\rtf[0-9]{0,2}\s?[\\{]"), "an RTF document"),
    (re.compile(rb"SQLite format 3\x00"), "an SQLite database"),
    (re.compile(rb"\x7fELF"), "a program"),
    (re.compile(rb"MZ(?=.{0,99}\x00)", re.S), "a program"),
    (re.compile(rb"ID3[\x02-\x04]"), "a sound file"),
    (re.compile(rb"OggS\x00"), "a sound file"),
    (re.compile(rb"%!PS(?:-Adobe|\s*[\r\n])"), "a PostScript file"),
)
_PROLOGUE = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s++|<!--.*?-->|<\?[^>]*+>)*+", re.S)
_HTML_START = re.compile(rb"<(?:!doctype\s{1,9}html|html|head|body)\b", re.I)
_HTML_END = re.compile(rb"</(?:html|body)\b", re.I)
_PDF_PARTS = (b" obj", b"startxref", b"%%EOF")
_MAX_PROLOGUE = 100_000
_NOT_TEXT = ("pdf", "docx")


def format_of(name: str, data: bytes, media_type: str | None) -> Format | str:
    r"""The format, or a phrase such as ``a PNG image`` for what cannot be read.

    >>> format_of("notes.md", b"# Notes", None), format_of("logo.md", b"\xff\xd8\xff", None)
    ('markdown', 'a JPEG image')
    """
    head = data[:4096]
    declared = _declared(name, media_type)
    if _is_pdf(data, declared):
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        from rag.ingest.docx_package import zip_kind

        return zip_kind(data)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        from rag.ingest.docx_package import ole_kind

        return ole_kind(data)
    if not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        for magic, phrase in _FOREIGN:
            if magic.match(head):
                return phrase
        if head.count(0) > max(FEW, 0.01 * len(head)) and not wide(data):
            return "binary data"
    if declared in ("pdf", "docx"):
        return f"not really {'a PDF' if declared == 'pdf' else 'a Word document'}"
    # A text may begin with <html>, too, but it does not end as a page does.
    ends_as_html = declared is None or _HTML_END.search(data[-_MAX_PROLOGUE:])
    if declared in (None, "text") and ends_as_html and _begins_as_html(data):
        return "html"
    return declared or "text"


def _is_pdf(data: bytes, declared: Format | None) -> bool:
    """Tell a PDF, with junk before it where nothing else is declared, from a text about PDF."""
    place = data[:1024].find(b"%PDF-")
    if place < 0:
        return False
    if declared == "pdf":
        return True
    is_whole = any(part in data for part in _PDF_PARTS)
    at_start = not data[:place].strip(b"\xef\xbb\xbf\x00 \t\r\n")
    return is_whole and (at_start or (declared is None and not _begins_as_html(data)))


def _begins_as_html(data: bytes) -> bool:
    """Tell whether the first tag, after declarations and comments, is that of a page."""
    head = data[:_MAX_PROLOGUE]
    prologue = _PROLOGUE.match(head)
    return bool(prologue and _HTML_START.match(head, prologue.end()))


def suffix_of(name: str) -> str:
    """The suffix in lower case, with its dot."""
    return PurePosixPath(name).suffix.lower()


def _declared(name: str, media_type: str | None) -> Format | None:
    bare = (media_type or "").partition(";")[0].strip().lower()
    by_type = _MEDIA_TYPES.get(bare)
    by_suffix = SUFFIXES.get(suffix_of(name))
    # Servers send text/plain for Markdown and CSV, and a page may be called anything at all.
    if by_type is None or (by_type == "text" and by_suffix not in _NOT_TEXT):
        return by_suffix or by_type
    return by_type
