"""Bytes to text: byte order mark, what is declared, UTF-8, and only then a guess."""

from __future__ import annotations

import codecs
import re

from rag.errors import SourceError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.I)
_META = re.compile(rb"<(?:meta[^>]+charset|\?xml[^>]+encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.I)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_SAMPLE = 100_000


def decode(
    data: bytes, name: str, media_type: str | None = None, *, markup: bool = False
) -> tuple[str, list[str]]:
    """Return the text and what is doubtful about it; raises SourceError when it is no text at all."""
    text = _decode(data, media_type, markup)
    sample = text[:_SAMPLE]
    if len(_CONTROL.findall(sample)) > 0.01 * len(sample):
        raise SourceError(f"{name} is binary data, not text; convert it to text or PDF first.")
    return text, []


def _decode(data: bytes, media_type: str | None, markup: bool) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    declared = _declared(data, media_type, markup)
    for encoding in filter(None, (declared, _wide(data), "utf-8")):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    lenient = data.decode("utf-8", "replace")
    if lenient.count("\ufffd") <= 0.001 * len(lenient):
        return lenient  # a few broken bytes in UTF-8
    return data.decode(_guess(data), "replace")


def _declared(data: bytes, media_type: str | None, markup: bool) -> str | None:
    match = _CHARSET.search(media_type or "")
    name = match[1] if match else None
    if name is None and markup and (found := _META.search(data[:4096])):
        name = found[1].decode("ascii", "replace")
    if name is None:
        return None
    name = name.lower()
    # As browsers do: what is called Latin-1 is Windows-1252. UTF-16 without a mark is none.
    if name in ("iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii"):
        return "utf-8" if data.isascii() or _is_utf8(data) else "windows-1252"
    return None if name.startswith("utf-16") else name


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wide(data: bytes) -> str | None:
    """Tell UTF-16 without a mark by its zeros, which UTF-8 would take for text."""
    head = data[:2048]
    if 4 * head.count(0) < len(head):
        return None
    return "utf-16-le" if head[1::2].count(0) > head[0::2].count(0) else "utf-16-be"


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_SAMPLE]).best()
    return best.encoding if best else "windows-1252"
