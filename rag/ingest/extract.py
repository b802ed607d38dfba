"""Bytes to documents: chooses the format and hands the bytes to its reader.

Whatever goes wrong inside a reader or a library leaves here as a SourceError that names the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from rag.errors import SourceError
from rag.ingest.blocks import Block, assemble, one_line
from rag.ingest.dates import parse_date
from rag.ingest.decode import decode
from rag.ingest.fetched import Fetched
from rag.ingest.formats import format_of
from rag.ingest.metadata import scalars
from rag.types import Document, Failure, MetadataValue

if TYPE_CHECKING:
    from rag.ingest.records import Record

_MAX_TITLE = 300
_DATES = ("published", "date", "updated")
_MANY_ROWS = 20_000
_ROWS_SAMPLED = 500


@dataclass(frozen=True)
class Extracted:
    """The documents of one source (one, or one a row) and the rows that could not be read.

    ``notes`` are sentences on what was read with doubt or left out: a guessed encoding, an
    attachment.
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
    language: str | None = None  # an empty one is none, None is to be found out
    pages: int = 0
    metadata: dict[str, MetadataValue] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def extract(fetched: Fetched, on_page: Callable[[int, int], None] | None = None) -> Extracted:
    """Return the documents in the bytes; raises nothing but SourceError.

    ``on_page`` is called with (pages done, pages in all) of a format that has pages.
    """
    name = fetched.name or fetched.uri
    try:
        return _extract(fetched, name, on_page)
    except (SourceError, MemoryError):
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


def _extract(fetched: Fetched, name: str, on_page: Callable[[int, int], None] | None) -> Extracted:
    if not fetched.data.strip():
        raise SourceError(f"{name} is empty; put text in it or leave it out.")
    kind = format_of(name, fetched.data, fetched.media_type)
    if kind in ("csv", "jsonl"):
        return _rows(fetched, name, kind)
    if kind == "mbox":
        return _mbox(fetched, name)
    if kind not in _READERS:
        raise SourceError(f"{name} is {kind}; convert it to text, HTML, PDF or Word first.")
    reader = partial(_pdf, on_page=on_page) if kind == "pdf" else _READERS[kind]
    draft = reader(fetched, name)
    draft.language = _detect(draft.blocks, draft.language) or ""
    document = _document(fetched, draft, name)
    if not document.text:
        raise SourceError(f"{name} has no text that can be read; leave it out or convert it.")
    return Extracted([document], notes=[f"{name}: {note}" for note in draft.notes])


def read_blocks(fetched: Fetched) -> tuple[list[Block], list[str]]:
    """Return the blocks of a document that is part of another, and the notes on it.

    Raises SourceError for what is no document of running text.
    """
    name = fetched.name or fetched.uri
    kind = format_of(name, fetched.data, fetched.media_type)
    if kind not in _READERS:
        raise SourceError(f"{name} is {kind}; convert it to text, HTML, PDF or Word first.")
    draft = _READERS[kind](fetched, name)
    return draft.blocks, draft.notes


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
        language=(_detect(draft.blocks) if draft.language is None else draft.language) or None,
        published=draft.published,
        metadata=scalars(metadata),
    )


def _detect(blocks: Iterable[Block], declared: str | None = None) -> str | None:
    from rag.text.language import language_of

    blocks = list(blocks)
    prose = " ".join(block.text for block in blocks if block.kind != "code")
    if not prose and (code := " ".join(block.text for block in blocks)) and not code.isascii():
        prose = code  # a screen or a poem
    return language_of(prose, declared)


def _rows(fetched: Fetched, name: str, kind: str) -> Extracted:
    from rag.ingest import records

    read = records.read_csv if kind == "csv" else records.read_jsonl
    notes: list[str] = []
    text = decode(fetched.data, name, fetched.media_type, notes=notes)
    found = read(text, name, fetched.uri)
    stem = PurePosixPath(name).stem
    rows = list(found.records)
    language = _shared_language(rows)
    documents = [
        _document(
            Fetched(uri=f"{fetched.uri}#{record.fragment}", data=b""),
            _Draft(
                record.blocks,
                title=record.title or f"{stem} {record.fragment}",
                published=record.published,
                language=language,
                metadata=record.metadata,
            ),
            name,
        )
        for record in rows
    ]
    return Extracted(
        [document for document in documents if document.text],
        found.failures,
        [f"{name}: {note}" for note in (*notes, *found.notes)],
    )


def _shared_language(rows: Sequence[Record]) -> str | None:
    """Return the language of a table with too many rows to look at each; None for several."""
    if len(rows) < _MANY_ROWS:
        return None
    counts = Counter(_detect(row.blocks) for row in rows[:: len(rows) // _ROWS_SAMPLED])
    [(language, count)] = counts.most_common(1)
    return language or "" if count > 0.9 * counts.total() else None


def _html(fetched: Fetched, name: str) -> _Draft:
    from rag.ingest import html
    from rag.ingest.html_metadata import read_metadata

    notes: list[str] = []
    text = decode(fetched.data, name, fetched.media_type, markup=True, notes=notes)
    root = html.parse(text)
    if root is None:
        raise SourceError(f"{name} has no text that can be read; leave it out or convert it.")
    title, author, published, language = read_metadata(root)
    blocks = html.read(root).blocks
    return _Draft(blocks, title, author, published, language, notes=notes)


def _markdown(fetched: Fetched, name: str) -> _Draft:
    from rag.ingest import markdown, plain

    notes: list[str] = []
    text = decode(fetched.data, name, fetched.media_type, notes=notes)
    values, body, error = markdown.split_front_matter(text)
    metadata = markdown.scalars(values)
    by_name = {key.lower(): value for key, value in metadata.items()}
    language = str(by_name.get("language") or by_name.get("lang") or "")[:2].lower()
    dated = next((key for key in _DATES if parse_date(by_name.get(key))), None)
    for key in list(metadata):
        if key.lower() in ("title", "language", "lang", dated):
            del metadata[key]  # it has a place of its own
    if error:
        metadata["front_matter_error"] = error
        notes = [*notes, f"its front matter was read line by line ({error[:200]})"]
    is_plain = markdown.is_too_much(body)
    if is_plain:
        notes = [*notes, "it was read as plain text, as it is too much for a reader of Markdown"]
    return _Draft(
        plain.read(body) if is_plain else markdown.read(body),
        title=str(by_name.get("title") or ""),
        published=parse_date(by_name.get(dated)) if dated else None,
        language=language if language.isascii() and language.isalpha() else None,
        metadata=metadata,
        notes=notes,
    )


def _text(fetched: Fetched, name: str) -> _Draft:
    from rag.ingest import plain

    notes: list[str] = []
    text = decode(fetched.data, name, fetched.media_type, notes=notes)
    return _Draft(plain.read(text), title=PurePosixPath(name).stem, notes=notes)


def _pdf(fetched: Fetched, name: str, on_page: Callable[[int, int], None] | None = None) -> _Draft:
    from rag.ingest import pdf

    found = pdf.read(fetched.data, name, on_page=on_page)
    return _Draft(
        found.blocks,
        found.title,
        found.author,
        found.published,
        pages=found.pages,
        notes=found.notes,
    )


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
        notes=found.notes,
    )


def _mail(fetched: Fetched, name: str) -> _Draft:
    from rag.ingest import mail

    found = mail.read(fetched.data, read_blocks)
    return _Draft(
        found.blocks,
        found.title,
        found.author,
        found.published,
        metadata=dict(found.metadata),
        notes=found.notes,
    )


def _mbox(fetched: Fetched, name: str) -> Extracted:
    from rag.ingest import mail

    found = Extracted([])
    for number, data in enumerate(mail.messages(fetched.data), 1):
        uri = f"{fetched.uri}#{number}"
        try:
            draft = _mail(Fetched(uri, data, name=name), name)
            document = _document(Fetched(uri, b""), draft, f"{PurePosixPath(name).stem} {number}")
        except SourceError as error:
            found.failures.append(Failure(uri=uri, reason=f"Message {number} of {name}: {error}"))
            continue
        found.notes.extend(f"{name}: message {number}: {note}" for note in draft.notes)
        if document.text:
            found.documents.append(document)
        else:
            found.notes.append(f"{name}: message {number} has no text")
    if not found.documents:
        raise SourceError(f"{name} has no message that can be read; leave it out or convert it.")
    return found


_READERS = {
    "html": _html,
    "markdown": _markdown,
    "text": _text,
    "pdf": _pdf,
    "docx": _docx,
    "mail": _mail,
}
