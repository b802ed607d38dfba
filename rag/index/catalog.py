"""The catalog: a SQLite file that is the truth about what is indexed.

Documents with their full text, chunks and their vectors, sources, failures, and what a crash may
have left behind. The dense and the lexical store can be rebuilt from here.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rag.errors import IndexCorruptError, StoreError
from rag.types import Chunk, Document, Failure, Filter, Passage, Scope, digest_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = Mapping[str, NDArray[np.float32]]

FORMAT = 2

_SCHEMA = f"""
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
    location TEXT PRIMARY KEY, kind TEXT NOT NULL, ingested_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE items (
    uri TEXT PRIMARY KEY, digest TEXT NOT NULL, ingested_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE item_sources (
    source TEXT NOT NULL REFERENCES sources ON DELETE CASCADE,
    item TEXT NOT NULL,
    PRIMARY KEY (source, item)
) WITHOUT ROWID;
CREATE INDEX item_sources_item ON item_sources (item);
CREATE TABLE failures (
    uri TEXT PRIMARY KEY, source TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE documents (
    id TEXT PRIMARY KEY, item TEXT NOT NULL, uri TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
    text TEXT NOT NULL, headings TEXT NOT NULL, pages TEXT NOT NULL, language TEXT,
    published TEXT, digest TEXT NOT NULL, metadata TEXT NOT NULL, scopes TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX documents_item ON documents (item);
CREATE INDEX documents_language ON documents (language);
CREATE TABLE chunks (
    store INTEGER NOT NULL, key INTEGER NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
    start INTEGER NOT NULL, end INTEGER NOT NULL, headings TEXT NOT NULL, page INTEGER,
    content TEXT NOT NULL, PRIMARY KEY (store, key)
) WITHOUT ROWID;
CREATE INDEX chunks_document ON chunks (store, document);
CREATE INDEX chunks_content ON chunks (store, content);
CREATE TABLE vectors (
    store INTEGER NOT NULL, key INTEGER NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (store, key)
) WITHOUT ROWID;
CREATE TABLE pending (store INTEGER NOT NULL, key INTEGER NOT NULL, PRIMARY KEY (store, key))
    WITHOUT ROWID;
INSERT INTO state VALUES ('format', '{FORMAT}'), ('generation', '0'), ('store', '1');
"""

# Statements that bring the format before up to each.
_MIGRATIONS = {2: "ALTER TABLE documents ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]'"}
_CURRENT = "store = (SELECT value FROM state WHERE key = 'store')"
_LISTED = "IN (SELECT value FROM json_each(?))"  # any number of values, as one JSON list
_OF_STORE = ("chunks", "vectors", "pending")
_RETIRE = (  # the chunks of a document
    "INSERT OR IGNORE INTO pending SELECT store, key FROM chunks "
    f"WHERE {_CURRENT} AND document = ?",
    f"DELETE FROM vectors WHERE {_CURRENT} AND key IN "
    f"(SELECT key FROM chunks WHERE {_CURRENT} AND document = ?)",
    f"DELETE FROM chunks WHERE {_CURRENT} AND document = ?",
)
_VECTOR = "<f2"


def key_of(chunk_id: str) -> int:
    """The number (60 bits) under which the stores know a chunk."""
    return int(chunk_id[:15], 16)


def words_of(title: str, headings: Sequence[str], text: str) -> str:
    """Return what is embedded and indexed for a chunk: where it stands, then what it says.

    >>> words_of("Refunds", ["Refunds", "Cards"], "Five days.")
    'Refunds\\nCards\\nFive days.'
    """
    path = dict.fromkeys(part for part in (title, *headings) if part)
    return "\n".join([*path, text])


@dataclass(frozen=True)
class Entry:
    """A document to be written with its chunks; ``item`` is the file or page it came out of."""

    item: str
    document: Document
    chunks: Sequence[Chunk]

    @cached_property
    def words(self) -> list[str]:
        """What is embedded of each chunk."""
        return [words_of(self.document.own_title, c.headings, c.text) for c in self.chunks]

    @cached_property
    def contents(self) -> list[str]:
        """The digest of that: equal words have one vector."""
        return [digest_of(text) for text in self.words]


class Catalog:
    """One SQLite file. Threads may share it; each statement group runs under a lock.

    Chunks are those of the pair of stores in force, unless a ``store`` is named.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        if not os.access(path.parent, os.W_OK):
            raise StoreError(
                f"{path.parent} cannot be written to, and reading an index needs its locks: "
                "change the permissions, or copy the folder to where you may write"
            )
        try:
            self._db = sqlite3.connect(
                path, check_same_thread=False, timeout=30, isolation_level=None
            )
            self._db.row_factory = sqlite3.Row
            if self._db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            else:
                self._migrate(int(self.state("format") or 0))
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from error

    def _migrate(self, found: int) -> None:
        """Bring an older file up to date; it is read with what it has until it is ingested again.

        Its chunks are those of an older chunker, so that the index asks for a rebuild by itself.
        """
        if not 0 < found <= FORMAT:
            raise IndexCorruptError(
                f"{self.path} has format {found}, this version reads {FORMAT}: "
                "move the folder aside and ingest again"
            )
        if found == FORMAT:
            return
        with self.transaction():
            for number in range(int(self.state("format") or 0) + 1, FORMAT + 1):
                self._db.execute(_MIGRATIONS[number])
            self.set_state("format", str(FORMAT))

    def close(self) -> None:
        """Close the file; the catalog is of no use afterwards."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested transactions join the outer one."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.commit()
            except BaseException as error:
                self._db.rollback()
                if isinstance(error, sqlite3.Error):
                    raise StoreError(
                        f"{self.path} cannot be written ({error}): mend that, then run it again; "
                        "what was there is unharmed"
                    ) from error
                raise

    def _rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise self._unreadable(error) from error

    def _column(self, statement: str, *values: Any) -> list[Any]:
        return [row[0] for row in self._rows(statement, *values)]

    def _value(self, statement: str, *values: Any) -> Any | None:
        return next(iter(self._column(statement, *values)), None)

    def _write(self, statement: str, rows: Iterable[Sequence[Any]] = ((),)) -> None:
        with self.transaction():
            self._db.executemany(statement, rows)

    def _unreadable(self, error: Exception) -> IndexCorruptError:
        remedy = "restore it from a backup, or move the folder aside and ingest again"
        return corrupt("the catalog", self.path, f"{error}", remedy)

    # State

    def state(self, key: str) -> str | None:
        """Return a value of the index's state."""
        return self._value("SELECT value FROM state WHERE key = ?", key)

    def set_state(self, key: str, value: str) -> None:
        """Set a value of the index's state."""
        self._write("INSERT OR REPLACE INTO state VALUES (?, ?)", [(key, value)])

    @property
    def generation(self) -> int:
        """Counts the writes: a reader that sees it move opens the stores again."""
        return int(self.state("generation") or 0)

    @property
    def store(self) -> int:
        """Number of the pair of stores in force; a rebuild makes the next."""
        return int(self.state("store") or 1)

    def advance(self) -> int:
        """Move the generation on by one and return it."""
        with self.transaction():
            self._write("UPDATE state SET value = value + 1 WHERE key = 'generation'")
            return self.generation

    # Documents and chunks

    def put(self, entries: Iterable[Entry], vectors: Vectors) -> None:
        """Write documents in place of earlier versions, whose chunks become pending."""
        store = self.store
        with self.transaction():
            for entry in entries:
                self._retire(entry.document.id)
                self.update_document(entry.item, entry.document)
                self.put_chunks(entry, vectors, store)

    def put_chunks(self, entry: Entry, vectors: Vectors, store: int) -> None:
        """Write the chunks of one document with their vectors; they are no longer pending."""
        keys = [key_of(chunk.id) for chunk in entry.chunks]
        chunks = [
            (
                store,
                key,
                c.id,
                c.document_id,
                c.start,
                c.end,
                json.dumps(c.headings, ensure_ascii=False),
                c.page,
                content,
            )
            for key, c, content in zip(keys, entry.chunks, entry.contents, strict=True)
        ]
        packed = [
            (store, key, vectors[content].astype(_VECTOR).tobytes())
            for key, content in zip(keys, entry.contents, strict=True)
        ]
        with self.transaction():
            self._write("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", chunks)
            self._write("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", packed)
            self._write(
                "DELETE FROM pending WHERE store = ? AND key = ?", [(store, key) for key in keys]
            )

    def update_document(self, item: str, document: Document) -> None:
        """Replace what is recorded about a document whose chunks stay as they are."""
        headings = [heading.model_dump() for heading in document.headings]
        row = (
            document.id, item, document.uri, document.title, document.text,
            json.dumps(headings, ensure_ascii=False),
            json.dumps([(page.number, page.start, page.end) for page in document.pages]),
            document.language, document.published and document.published.isoformat(),
            document.digest, json.dumps(dict(document.metadata), ensure_ascii=False),
            json.dumps([(s.kind, s.title, s.start, s.end) for s in document.scopes],
                       ensure_ascii=False),
        )  # fmt: skip
        self._write(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [row]
        )

    def delete_documents(self, ids: Sequence[str]) -> None:
        """Remove documents; their chunks become pending."""
        with self.transaction():
            for document_id in ids:
                self._retire(document_id)
                self._write("DELETE FROM documents WHERE id = ?", [(document_id,)])

    def _retire(self, document_id: str) -> None:
        for statement in _RETIRE:
            self._write(statement, [(document_id,)])

    def _documents(self, rest: str, *values: Any) -> list[Document]:
        return [_document(row) for row in self._rows(f"SELECT * FROM documents {rest}", *values)]

    def document(self, document_id: str) -> Document | None:
        """Return a document by id."""
        return next(iter(self._documents("WHERE id = ?", document_id)), None)

    def find(self, uri: str) -> list[Document]:
        """The documents of exactly this uri, else those whose uri ends in it."""
        end = "/" + uri.lstrip("./")
        return self._documents("WHERE uri = ?", uri) or self._documents(
            "WHERE substr(uri, -length(?1)) = ?1 ORDER BY uri", end
        )

    def document_uris(self) -> list[str]:
        """The uris of all documents, in order."""
        return self._column("SELECT uri FROM documents ORDER BY uri")

    def headings_with(self, text: str) -> list[str]:
        """The headings of the documents that have a text in one of them, as JSON; case apart."""
        return self._column(
            "SELECT headings FROM documents WHERE instr(lower(headings), lower(?)) LIMIT 100", text
        )

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yield (item, document), ordered by uri, reading one at a time."""
        for document_id in self._column("SELECT id FROM documents ORDER BY uri"):
            for row in self._rows("SELECT * FROM documents WHERE id = ?", document_id):
                yield row["item"], _document(row)

    def documents_of(self, item: str) -> list[Document]:
        """The documents that came out of an item (one file may hold many rows)."""
        return self._documents("WHERE item = ? ORDER BY rowid", item)

    def uris_of(self, item: str) -> dict[str, str]:
        """Return id -> uri of the documents that came out of an item."""
        rows = self._rows("SELECT id, uri FROM documents WHERE item = ? ORDER BY rowid", item)
        return {row["id"]: row["uri"] for row in rows}

    def counts(self) -> dict[str, int]:
        """Return how many sources, documents, chunks and failures there are."""
        rows = self._rows(
            "SELECT (SELECT count(*) FROM sources) AS sources, "
            "(SELECT count(*) FROM documents) AS documents, "
            f"(SELECT count(*) FROM chunks WHERE {_CURRENT}) AS chunks, "
            "(SELECT count(*) FROM failures) AS failures"
        )
        return dict(rows[0])

    def is_empty(self) -> bool:
        """Tell whether there is no document at all."""
        return self._value("SELECT 1 FROM documents LIMIT 1") is None

    def languages(self) -> frozenset[str]:
        """The languages of the indexed documents; "" stands for not known."""
        return frozenset(self._column("SELECT DISTINCT coalesce(language, '') FROM documents"))

    def allowed(self, wanted: Filter) -> set[str]:
        """The ids of the documents that a filter lets through."""
        bounds = (("published >= ?", wanted.after), ("published <= ?", wanted.before))
        conditions = [
            *((clause, [bound.isoformat()]) for clause, bound in bounds if bound is not None),
            *(_condition(name, value) for name, value in wanted.where.items()),
        ]
        clauses = " AND ".join(clause for clause, _ in conditions) or "1"
        values = [value for _, arguments in conditions for value in arguments]
        return set(self._column(f"SELECT id FROM documents WHERE {clauses}", *values))

    def live(self, keys: Iterable[int]) -> dict[int, str]:
        """Return key -> document id for those keys that are chunks of the current version."""
        statement = f"SELECT key, document FROM chunks WHERE {_CURRENT} AND key {_LISTED}"
        return {row["key"]: row["document"] for row in self._rows(statement, _list(keys))}

    def has_chunks(self) -> bool:
        """Tell whether there is any chunk."""
        return self._value(f"SELECT 1 FROM chunks WHERE {_CURRENT} LIMIT 1") is not None

    def keys(self) -> set[int]:
        """The keys of all chunks."""
        return set(self._column(f"SELECT key FROM chunks WHERE {_CURRENT}"))

    def uris(self) -> dict[int, str]:
        """The uri of the document of every chunk, by key."""
        rows = self._rows(
            "SELECT c.key, d.uri FROM chunks c JOIN documents d ON d.id = c.document "
            f"WHERE {_CURRENT}"
        )
        return {row["key"]: row["uri"] for row in rows}

    def vectors(self, keys: Iterable[int]) -> dict[int, NDArray[np.float32]]:
        """Return key -> vector, to half precision: a cosine is right to four decimals."""
        statement = f"SELECT key, vector FROM vectors WHERE {_CURRENT} AND key {_LISTED}"
        return {row["key"]: _vector(row["vector"]) for row in self._rows(statement, _list(keys))}

    def known(self, contents: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Return content digest -> vector of what is embedded already, word for word."""
        rows = self._rows(
            "SELECT c.content, v.vector FROM chunks c JOIN vectors v USING (store, key) "
            f"WHERE c.{_CURRENT} AND c.content {_LISTED} GROUP BY c.content",
            _list(contents),
        )
        return {row["content"]: _vector(row["vector"]) for row in rows}

    def chunks_of(self, document: Document) -> list[tuple[Chunk, str]]:
        """The chunks of a document in reading order, with the digests of their words."""
        rows = self._rows(
            f"SELECT * FROM chunks WHERE {_CURRENT} AND document = ? ORDER BY start", document.id
        )
        text = document.text
        return [(_chunk(row, text[row["start"] : row["end"]]), row["content"]) for row in rows]

    def passages(self, keys: Iterable[int]) -> dict[int, Passage]:
        """Return key -> passage, its score still 0, for those keys that are live."""
        rows = self._rows(
            "SELECT c.*, d.title, d.uri, d.published, d.language, d.digest, d.metadata, "
            "d.headings AS outline, d.scopes, d.pages, "
            "substr(d.text, c.start + 1, c.end - c.start) AS words "
            "FROM chunks c JOIN documents d ON d.id = c.document "
            f"WHERE c.{_CURRENT} AND c.key {_LISTED}",
            _list(keys),
        )
        return {row["key"]: _passage(row) for row in rows}

    def beside(self, passage: Passage, *, after: bool) -> Passage | None:
        """The passage of the chunk before or after in the same document, if there is one."""
        sign, order = (">", "ASC") if after else ("<", "DESC")
        keys = self._column(
            f"SELECT key FROM chunks WHERE {_CURRENT} AND document = ? AND start {sign} ? "
            f"ORDER BY start {order} LIMIT 1",
            passage.chunk.document_id,
            passage.chunk.start,
        )
        return next(iter(self.passages(keys).values()), None)

    # Pending: keys that a crash may have left in the stores without a chunk in the catalog

    def expect(self, keys: Iterable[int], store: int) -> None:
        """Record keys before they are written, so that a crash leaves a trace."""
        self._write("INSERT OR IGNORE INTO pending VALUES (?, ?)", [(store, k) for k in keys])

    def pending(self) -> list[int]:
        """The keys that no chunk stands for: they may be deleted from the stores."""
        return self._column(
            f"SELECT key FROM pending p WHERE {_CURRENT} AND NOT EXISTS "
            "(SELECT 1 FROM chunks c WHERE c.store = p.store AND c.key = p.key)"
        )

    def settle(self) -> None:
        """Forget what was pending, once the stores hold none of it."""
        self._write(f"DELETE FROM pending WHERE {_CURRENT}")

    def adopt(self, store: int) -> None:
        """Make a rebuilt store the one in force and drop the chunks of the others."""
        with self.transaction():
            self.set_state("store", str(store))
            for table in _OF_STORE:
                self._write(f"DELETE FROM {table} WHERE store != ?", [(store,)])

    def abandon(self, store: int) -> None:
        """Drop what an unfinished rebuild left of a store."""
        with self.transaction():
            for table in _OF_STORE:
                self._write(f"DELETE FROM {table} WHERE store = ?", [(store,)])

    # Sources, items and failures

    def put_source(self, location: str, kind: str) -> None:
        """Remember a source that was asked for."""
        self._write(
            "INSERT INTO sources VALUES (?, ?, ?) ON CONFLICT (location) "
            "DO UPDATE SET kind = excluded.kind, ingested_at = excluded.ingested_at",
            [(location, kind, _now())],
        )

    def sources(self) -> list[dict[str, Any]]:
        """Return every source with its kind, date, and numbers of documents and failures."""
        rows = self._rows(
            "SELECT s.*, (SELECT count(*) FROM item_sources i JOIN documents d ON d.item = i.item "
            "WHERE i.source = s.location) AS documents, "
            "(SELECT count(*) FROM failures f WHERE f.source = s.location) AS failures "
            "FROM sources s ORDER BY s.location"
        )
        return [dict(row) for row in rows]

    def delete_source(self, location: str) -> None:
        """Forget a source, what it claims and what failed of it."""
        with self.transaction():
            self._write("DELETE FROM sources WHERE location = ?", [(location,)])
            self.clear_source_failures(location)

    def orphans(self, location: str) -> list[str]:
        """The items that only this source claims."""
        return self._column(
            "SELECT item FROM item_sources WHERE source = ?1 AND item NOT IN "
            "(SELECT item FROM item_sources WHERE source != ?1)",
            location,
        )

    def items_of(self, location: str) -> set[str]:
        """The items that a source claims."""
        return set(self._column("SELECT item FROM item_sources WHERE source = ?", location))

    def sources_of(self, item: str) -> list[str]:
        """The sources that claim an item."""
        return self._column("SELECT source FROM item_sources WHERE item = ? ORDER BY source", item)

    def item_of(self, document_id: str) -> str | None:
        """The item that a document came out of, if it is known."""
        return self._value("SELECT item FROM documents WHERE id = ?", document_id)

    def claim(self, location: str, item: str) -> None:
        """Record that an item belongs to a source."""
        self._write("INSERT OR IGNORE INTO item_sources VALUES (?, ?)", [(location, item)])

    def unclaim(self, location: str, items: Iterable[str]) -> None:
        """Record that items no longer belong to a source."""
        self._write(
            "DELETE FROM item_sources WHERE source = ? AND item = ?",
            [(location, item) for item in items],
        )

    def item_digest(self, item: str) -> str | None:
        """The digest of the bytes that an item had when it was last indexed."""
        return self._value("SELECT digest FROM items WHERE uri = ?", item)

    def put_item(self, item: str, digest: str) -> None:
        """Record the bytes of an item as indexed; an empty digest means: read it again."""
        self._write("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", [(item, digest, _now())])

    def delete_items(self, items: Iterable[str]) -> None:
        """Forget items whose documents are gone."""
        listed = [(item,) for item in items]
        with self.transaction():
            self._write("DELETE FROM items WHERE uri = ?", listed)
            self._write("DELETE FROM item_sources WHERE item = ?", listed)
            self._write("DELETE FROM failures WHERE uri = ?", listed)

    def put_failure(self, failure: Failure, source: str) -> None:
        """Record a failure; the item's digest is forgotten so that it is tried again."""
        with self.transaction():
            self._write(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)",
                [(failure.uri, source, failure.reason, _now())],
            )
            self._write("UPDATE items SET digest = '' WHERE uri = ?", [(failure.uri,)])

    def clear_failures(self, item: str) -> None:
        """Forget the failures of an item and of the rows in it."""
        self._write(
            "DELETE FROM failures WHERE uri = ?1 OR substr(uri, 1, length(?1) + 1) = ?1 || '#'",
            [(item,)],
        )

    def clear_source_failures(self, location: str) -> None:
        """Forget the failures of a source."""
        self._write("DELETE FROM failures WHERE source = ?", [(location,)])

    def failures(self) -> list[Failure]:
        """Return what could not be read at the last try."""
        rows = self._rows("SELECT uri, reason FROM failures ORDER BY uri")
        return [Failure(**dict(row)) for row in rows]

    def check_integrity(self) -> list[str]:
        """Return SQLite's own complaints about the file, if any."""
        return [line for line in self._column("PRAGMA integrity_check") if line != "ok"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _list(values: Iterable[Any]) -> str:
    return json.dumps(list(values))


def _vector(blob: bytes) -> NDArray[np.float32]:
    return np.frombuffer(blob, dtype=_VECTOR).astype(np.float32)


def _condition(name: str, value: str) -> tuple[str, list[str]]:
    if name == "uri":
        return "(uri = ? OR substr(uri, -length(?)) = ?)", [value, *["/" + value.lstrip("./")] * 2]
    if name == "source":
        return (
            "item IN (SELECT item FROM item_sources WHERE source = ? "
            "OR substr(source, -length(?)) = ?)",
            [value, *["/" + value.strip("./")] * 2],
        )
    if name in ("language", "title"):
        return f"lower({name}) = lower(?)", [value]
    return (
        "EXISTS (SELECT 1 FROM json_each(metadata) j "
        "WHERE j.key = ? AND lower(CASE j.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
        "ELSE CAST(j.value AS TEXT) END) = lower(?))",
        [name, value],
    )


def _document(row: sqlite3.Row) -> Document:
    values = dict(row)
    del values["item"]
    unpacked = {name: json.loads(values[name]) for name in ("headings", "metadata")}
    scopes = _scopes(row, 0, len(values["text"]))
    return Document(**{**values, **unpacked, "pages": _pages(row), "scopes": scopes})


def _scopes(row: sqlite3.Row, start: int, end: int) -> list[Scope]:
    """The scopes of a document that have some of ``start:end``."""
    return [
        Scope(kind=kind, title=title, start=begin, end=stop)
        for kind, title, begin, stop in _listed(row["scopes"])
        if begin < end and start < stop
    ]


@lru_cache(maxsize=32)
def _listed(scopes: str) -> list[tuple[Literal["term", "lead"], str, int, int]]:
    """A manual may have thousands, and a question finds several passages of it."""
    found: list[tuple[Literal["term", "lead"], str, int, int]] = json.loads(scopes)
    return found


def _pages(row: sqlite3.Row) -> list[dict[str, int]]:
    pages = json.loads(row["pages"])
    return [{"number": number, "start": start, "end": end} for number, start, end in pages]


def _chunk(row: sqlite3.Row, text: str) -> Chunk:
    return Chunk(
        id=row["id"],
        document_id=row["document"],
        start=row["start"],
        end=row["end"],
        text=text,
        headings=json.loads(row["headings"]),
        page=row["page"],
    )


def _passage(row: sqlite3.Row) -> Passage:
    start, end = row["start"], row["end"]
    return Passage(
        chunk=_chunk(row, row["words"]),
        document_digest=row["digest"],
        title=row["title"],
        uri=row["uri"],
        score=0.0,
        published=row["published"],
        language=row["language"],
        outline=_outline(json.loads(row["outline"]), start, end),
        scopes=_scopes(row, start, end),
        pages=[page for page in _pages(row) if page["start"] < end and start < page["end"]],
        metadata=json.loads(row["metadata"]),
    )


def _outline(
    headings: Sequence[Mapping[str, Any]], start: int, end: int
) -> list[Mapping[str, Any]]:
    """The headings that a chunk stands under, then those inside it."""
    above: list[Mapping[str, Any]] = []
    inside: list[Mapping[str, Any]] = []
    for heading in headings:
        if heading["start"] >= end:
            break
        if heading["start"] >= start:
            inside.append(heading)
        else:
            above = [other for other in above if other["level"] < heading["level"]]
            above.append(heading)
    return [*above, *inside]


_FULL = ("is full", "no space left", "disk i/o error", "os error 28")


def corrupt(what: str, path: Path, error: str, remedy: str) -> IndexCorruptError:
    """The error for a file or folder of the index that fails; a full disk is told apart."""
    if any(sign in error.lower() for sign in _FULL):
        folder = path if path.is_dir() else path.parent
        return IndexCorruptError(
            f"the disk of {folder} is full or failing ({error}): free some space, then run it "
            "again; what was there is unharmed"
        )
    return IndexCorruptError(f"{what} {path} cannot be read ({error}): {remedy}")
