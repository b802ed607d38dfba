"""Bytes to documents: chooses the format and hands the bytes to its reader.

Whatever goes wrong inside a reader or a library leaves here as a SourceError that names the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath

from rag.errors import SourceError
from rag.ingest.blocks import Block, assemble, one_line
from rag.ingest.dates import parse_date
from rag.ingest.decode import decode
from rag.ingest.fetched import Fetched
from rag.ingest.formats import format_of
from rag.types import Document, Failure, MetadataValue

_MAX_TITLE = 300
_DATES = ("published", "date", "updated")
_LANGUAGE_SAMPLE = 4000


@dataclass(frozen=True)
class Extracted:
    """The documents of one source (one, or one a row) and the rows that could not be read.

    ``notes`` are sentences on what was read with doubt or left out: a guessed encoding, an attachment.
    """

    documents: list[Document]
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Draft:
    """What a reader found, before it becomes a Document."""

    blocks: list[Block]
    title: str | None = None
    author: str | None = None
    published: date | None = None
    language: str | None = None
    pages: int = 0
    metadata: dict[str, MetadataValue] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def extract(fetched: Fetched) -> Extracted:
    """Return the documents in the bytes; raises nothing but SourceError."""
    name = fetched.name or fetched.uri
    try:
        return _extract(fetched, name)
    except SourceError:
        raise
    except ImportError as error:
        raise SourceError(
            f"{name} needs a library that cannot be imported here ({one_line(str(error))[:200]}); "
            "install footnote-rag again, with all that it depends on."
        ) from error
    except Exception as error:
        reason = one_line(str(error))[:200] or type(error).__name__
        raise SourceError(
            f"{name} cannot be read ({reason}); open it, save it again and retry."
        ) from error


def _extract(fetched: Fetched, name: str) -> Extracted:
    if not fetched.data.strip():
        raise SourceError(f"{name} is empty; put text in it or leave it out.")
    kind = format_of(name, fetched.data, fetched.media_type)
    if kind in ("csv", "jsonl"):
        return _rows(fetched, name, kind)
    if kind not in _READERS:
        raise SourceError(f"{name} is {kind}; convert it to text, HTML, PDF or Word first.")
    draft = _READERS[kind](fetched, name)
    document = _document(fetched, draft, name)
    if not document.text:
        raise SourceError(f"{name} has no text that can be read; leave it out or convert it.")
    return Extracted([document], notes=[f"{name}: {note}" for note in draft.notes])


def _document(fetched: Fetched, draft: _Draft, name: str) -> Document:
    text, headings, pages = assemble(draft.blocks, draft.pages)
    title = one_line(draft.title or "") or (headings[0].title if headings else "")
    metadata = dict(draft.metadata)
    if draft.author:
        metadata.setdefault("author", draft.author)
    if fetched.final_uri and fetched.final_uri != fetched.uri:
        metadata["final_uri"] = fetched.final_uri
    return Document.make(
        uri=fetched.uri,
        title=title[:_MAX_TITLE] or PurePosixPath(name).stem,
        text=text,
        headings=headings,
        pages=pages,
        language=draft.language or _detect(draft.blocks),
        published=draft.published,
        metadata=metadata,
    )


def _detect(blocks: Iterable[Block]) -> str | None:
    from rag.text.language import detect

    sample: list[str] = []
    size = 0
    for block in blocks:
        if block.kind != "code":
            sample.append(block.text)
            size += len(block.text)
            if size > _LANGUAGE_SAMPLE:
                break
    return detect(one_line(" ".join(sample)[:_LANGUAGE_SAMPLE]))[0]


def _rows(fetched: Fetched, name: str, kind: str) -> Extracted:
    from rag.ingest import records

    read = records.read_csv if kind == "csv" else records.read_jsonl
    text, notes = decode(fetched.data, name, fetched.media_type)
    found, failures = read(text, name, fetched.uri)
    records.check_rows(found, failures, name)
    documents = [
        _document(
            Fetched(uri=f"{fetched.uri}#{record.fragment}", data=b""),
            _Draft(
                record.blocks,
                title=record.title or f"{PurePosixPath(name).stem} {record.fragment}",
                published=record.published,
                metadata=record.metadata,
            ),
            name,
        )
        for record in found
    ]
    return Extracted(
        [document for document in documents if document.text],
        failures,
        [f"{name}: {note}" for note in notes],
    )


def _html(fetched: Fetched, name: str) -> _Draft:
    from rag.ingest import html
    from rag.ingest.html_metadata import read_metadata

    text, notes = decode(fetched.data, name, fetched.media_type, markup=True)
    root = html.parse(text)
    if root is None:
        raise SourceError(f"{name} has no text that can be read; leave it out or convert it.")
    title, author, published, language = read_metadata(root)
    blocks = html.read(root).blocks
    return _Draft(blocks, title, author, published, language, notes=notes)


def _markdown(fetched: Fetched, name: str) -> _Draft:
    from rag.ingest import markdown

    text, notes = decode(fetched.data, name, fetched.media_type)
    values, body, error = markdown.split_front_matter(text)
    by_name: Mapping[str, object] = {key.lower(): value for key, value in values.items()}
    metadata = markdown.scalars(values)
    language = str(by_name.get("language") or by_name.get("lang") or "")[:2].lower()
    dated = next((key for key in _DATES if parse_date(by_name.get(key))), None)
    for key in list(metadata):
        if key.lower() in ("title", "language", "lang", dated):
            del metadata[key]  # it has a place of its own
    if error:
        metadata["front_matter_error"] = error
    return _Draft(
        markdown.read(body),
        title=str(by_name.get("title") or ""),
        published=parse_date(by_name.get(dated)) if dated else None,
        language=language or None,
        metadata=metadata,
        notes=notes,
    )


def _text(fetched: Fetched, name: str) -> _Draft:
    from rag.ingest import plain

    text, notes = decode(fetched.data, name, fetched.media_type)
    return _Draft(plain.read(text), title=PurePosixPath(name).stem, notes=notes)


def _pdf(fetched: Fetched, name: str) -> _Draft:
    from rag.ingest import pdf

    found = pdf.read(fetched.data, name)
    return _Draft(found.blocks, found.title, found.author, found.published, None, found.pages)


def _docx(fetched: Fetched, name: str) -> _Draft:
    from rag.ingest import docx

    found = docx.read(fetched.data, name)
    metadata: dict[str, MetadataValue] = {"tags": found.tags} if found.tags else {}
    return _Draft(
        found.blocks,
        found.title,
        found.author,
        found.published,
        found.language,
        metadata=metadata,
    )


_READERS = {"html": _html, "markdown": _markdown, "text": _text, "pdf": _pdf, "docx": _docx}
