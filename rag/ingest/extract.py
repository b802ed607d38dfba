"""Bytes to documents: chooses the format and hands the bytes to its reader.

Whatever goes wrong inside a reader or a library leaves here as a SourceError that names the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from rag.errors import SourceError
from rag.ingest.blocks import Block, Parsed, assemble, one_line, read_plain
from rag.ingest.decode import decode
from rag.ingest.fetched import Fetched
from rag.ingest.formats import format_of
from rag.ingest.manual import read_manual
from rag.ingest.metadata import scalars
from rag.types import Document, Failure

_MAX_TITLE = 300
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


def extract(fetched: Fetched, on_page: Callable[[int, int], None] | None = None) -> Extracted:
    """The documents in the bytes; raises nothing but SourceError.

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
    parsed = _parse(fetched, kind, name, on_page)
    parsed.language = _detect(parsed.blocks, parsed.language) or ""
    document = _document(fetched, parsed, name)
    if not document.text:
        raise SourceError(f"{name} has no text that can be read; leave it out or convert it.")
    return Extracted([document], notes=[f"{name}: {note}" for note in parsed.notes])


def read_blocks(fetched: Fetched) -> tuple[list[Block], list[str]]:
    """The blocks of a document that is part of another, and the notes on it.

    Raises SourceError for what is no document of running text.
    """
    name = fetched.name or fetched.uri
    parsed = _parse(fetched, format_of(name, fetched.data, fetched.media_type), name)
    return parsed.blocks, parsed.notes


def _parse(
    fetched: Fetched, kind: str, name: str, on_page: Callable[[int, int], None] | None = None
) -> Parsed:
    """Read running text of any format; the libraries of the others are not loaded."""
    if kind == "pdf":
        from rag.ingest import pdf

        return pdf.read(fetched.data, name, on_page=on_page)
    if kind == "docx":
        from rag.ingest import docx

        return docx.read(fetched.data, name, read_blocks)
    if kind == "mail":
        from rag.ingest import mail

        return mail.read(fetched.data, read_blocks)
    if kind not in ("html", "markdown", "text"):
        raise SourceError(f"{name} is {kind}; convert it to text, HTML, PDF or Word first.")
    notes: list[str] = []
    text = decode(fetched.data, name, fetched.media_type, markup=kind == "html", notes=notes)
    if kind == "html":
        from rag.ingest import html

        parsed = html.read_page(text)
    elif kind == "markdown":
        from rag.ingest import markdown

        parsed = markdown.read_page(text)
    else:
        parsed = Parsed(read_manual(text) or read_plain(text), title=PurePosixPath(name).stem)
    parsed.notes[:0] = notes
    return parsed


def _document(fetched: Fetched, parsed: Parsed, name: str) -> Document:
    text, headings, scopes, pages = assemble(parsed.blocks, parsed.pages)
    title = one_line(parsed.title or "") or (headings[0].title if headings else "")
    metadata = dict(parsed.metadata)
    if parsed.author:
        metadata.setdefault("author", parsed.author)
    if fetched.final_uri and fetched.final_uri != fetched.uri:
        metadata["final_uri"] = fetched.final_uri
    return Document.make(
        uri=fetched.uri,
        title=title[:_MAX_TITLE] or PurePosixPath(name).stem,
        text=text,
        headings=headings,
        scopes=scopes,
        pages=pages,
        language=(_detect(parsed.blocks) if parsed.language is None else parsed.language) or None,
        published=parsed.published,
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
    rows = list(found.records)
    language = _shared_language([row for _, row in rows])
    documents = []
    for fragment, row in rows:
        row.title = row.title or f"{PurePosixPath(name).stem} {fragment}"
        row.language = language
        documents.append(_document(Fetched(f"{fetched.uri}#{fragment}", b""), row, name))
    return Extracted(
        [document for document in documents if document.text],
        found.failures,
        [f"{name}: {note}" for note in (*notes, *found.notes)],
    )


def _shared_language(rows: Sequence[Parsed]) -> str | None:
    """The language of a table with too many rows to look at each; None for several."""
    if len(rows) < _MANY_ROWS:
        return None
    counts = Counter(_detect(row.blocks) for row in rows[:: len(rows) // _ROWS_SAMPLED])
    [(language, count)] = counts.most_common(1)
    return language or "" if count > 0.9 * counts.total() else None


def _mbox(fetched: Fetched, name: str) -> Extracted:
    from rag.ingest import mail

    found = Extracted([])
    for number, data in enumerate(mail.messages(fetched.data), 1):
        uri = f"{fetched.uri}#{number}"
        try:
            parsed = mail.read(data, read_blocks)
            document = _document(Fetched(uri, b""), parsed, f"{PurePosixPath(name).stem} {number}")
        except SourceError as error:
            found.failures.append(Failure(uri=uri, reason=f"Message {number} of {name}: {error}"))
            continue
        found.notes.extend(f"{name}: message {number}: {note}" for note in parsed.notes)
        if document.text:
            found.documents.append(document)
        else:
            found.notes.append(f"{name}: message {number} has no text")
    if not found.documents:
        raise SourceError(f"{name} has no message that can be read; leave it out or convert it.")
    return found
