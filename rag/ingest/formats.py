"""Which format bytes are in: magic bytes first, then the suffix, then the declared media type."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

Format = Literal["html", "markdown", "text", "pdf", "docx", "csv", "jsonl"]

SUFFIXES: dict[str, Format] = {
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".log": "text",
    ".pdf": "pdf",
    ".docx": "docx",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""What a folder is searched for."""

_MEDIA_TYPES: dict[str, Format] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/plain": "text",
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/x-jsonlines": "jsonl",
}

_FOREIGN = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "an image, sound or film"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or encrypted Office file"),
    (b"{\\rtf", "an RTF document"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"ID3", "a sound file"),
    (b"OggS", "a sound file"),
    (b"%!PS", "a PostScript file"),
)
_HTML_START = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_TEXT_LIKE = ("text", "markdown", "csv", "jsonl", "html")


def format_of(name: str, data: bytes, media_type: str | None) -> Format | str:
    """Return the format, or a phrase such as ``a PNG image`` for what cannot be read."""
    head = data[:4096]
    if b"%PDF-" in head[:1024] and not _HTML_START.match(head):
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return "docx" if b"word/" in data else "a ZIP archive"
    declared = _declared(name, media_type)
    if not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        for magic, phrase in _FOREIGN:
            if head.startswith(magic) and (b"\x00" in head or not magic.isalnum()):
                return phrase
        if b"\x00" in head and head[:3] != b"\xef\xbb\xbf" and not _is_wide_text(head):
            return "binary data"
    if declared in ("pdf", "docx"):
        return f"not really {'a PDF' if declared == 'pdf' else 'a Word document'}"
    if _HTML_START.match(head.removeprefix(b"\xef\xbb\xbf")) and declared in (None, "text"):
        return "html"
    return declared or "text"


def suffix_of(name: str) -> str:
    """Return the suffix in lower case, with its dot."""
    return PurePosixPath(name).suffix.lower()


def _declared(name: str, media_type: str | None) -> Format | None:
    bare = (media_type or "").partition(";")[0].strip().lower()
    by_type = _MEDIA_TYPES.get(bare)
    by_suffix = SUFFIXES.get(suffix_of(name))
    # Servers send text/plain for Markdown and CSV, and a page may be called anything at all.
    if by_type is None or (by_type == "text" and by_suffix in _TEXT_LIKE):
        return by_suffix or by_type
    return by_type


def _is_wide_text(head: bytes) -> bool:
    """Tell UTF-16 or UTF-32 without a byte order mark: zeros in a regular place, nothing odd."""
    even, odd = head[0::2], head[1::2]
    zeros = (even.count(0), odd.count(0))
    return max(zeros) > 0.7 * len(odd) and min(zeros) < 0.3 * len(odd)
