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
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.errors import IndexCorruptError, StoreError
from rag.types import Chunk, Document, Failure, Filter, Heading, Page, Passage

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1

_SCHEMA = """
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
    published TEXT, digest TEXT NOT NULL, metadata TEXT NOT NULL
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
"""

_FIRST_STATE = (
    f"INSERT INTO state VALUES ('format', '{FORMAT}'), ('generation', '0'), ('store', '1');"
)

_VECTOR = "<f2"


def key_of(chunk_id: str) -> int:
    """Return the number (60 bits) under which the stores know a chunk."""
    return int(chunk_id[:15], 16)


@dataclass(frozen=True, slots=True)
class Entry:
    """A document to be written with its chunks; ``contents[i]`` digests what chunk i embeds."""

    item: str
    document: Document
    chunks: Sequence[Chunk]
    contents: Sequence[str]


class Catalog:
    """One SQLite file. Threads may share it; each statement group runs under a lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        fresh = not path.exists()
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
            if fresh or not self._tables():
                self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {_FIRST_STATE} COMMIT;")
            elif (found := self.state("format")) != str(FORMAT):
                raise IndexCorruptError(
                    f"{path} has format {found}, this version reads {FORMAT}: "
                    "move the folder aside and ingest again"
                )
        except sqlite3.DatabaseError as error:
            raise IndexCorruptError(_corrupt(path, error)) from error

    def close(self) -> None:
        """Close the file; the catalog is of no use afterwards."""
        with self._lock:
            self._db.close()

    def _tables(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])

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

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise IndexCorruptError(_corrupt(self.path, error)) from error

    def _rows_in(
        self, statement: str, values: Iterable[Any], before: Sequence[Any] = ()
    ) -> list[sqlite3.Row]:
        """Run ``… IN (?)`` over any number of values: SQLite unpacks them from one JSON list."""
        listed = json.dumps(list(values))
        return self._rows(
            statement.replace("(?)", "(SELECT value FROM json_each(?))"), [*before, listed]
        )

    # State

    def state(self, key: str) -> str | None:
        """Return a value of the index's state."""
        rows = self._rows("SELECT value FROM state WHERE key = ?", [key])
        return rows[0]["value"] if rows else None

    def set_state(self, key: str, value: str) -> None:
        """Set a value of the index's state."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", [key, value])

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
        generation = self.generation + 1
        self.set_state("generation", str(generation))
        return generation

    # Documents and chunks

    def put(
        self, entries: Iterable[Entry], vectors: Mapping[str, NDArray[np.float32]], store: int
    ) -> None:
        """Write documents in place of earlier versions, whose chunks become pending."""
        with self.transaction():
            for entry in entries:
                self._retire(store, [entry.document.id])
                self.update_document(entry.item, entry.document)
                self.put_chunks(entry, vectors, store)

    def put_chunks(
        self, entry: Entry, vectors: Mapping[str, NDArray[np.float32]], store: int
    ) -> None:
        """Write the chunks of one document with their vectors; they are no longer pending."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        store, key_of(c.id), c.id, c.document_id, c.start, c.end,
                        json.dumps(c.headings, ensure_ascii=False), c.page, content,
                    )
                    for c, content in zip(entry.chunks, entry.contents, strict=True)
                ],
            )  # fmt: skip
            self._db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                [
                    (store, key_of(c.id), vectors[content].astype(_VECTOR).tobytes())
                    for c, content in zip(entry.chunks, entry.contents, strict=True)
                ],
            )
            self._db.executemany(
                "DELETE FROM pending WHERE store = ? AND key = ?",
                [(store, key_of(c.id)) for c in entry.chunks],
            )

    def update_document(self, item: str, document: Document) -> None:
        """Replace what is recorded about a document whose chunks stay as they are."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                _document_row(item, document),
            )

    def delete_documents(self, ids: Sequence[str], store: int) -> None:
        """Remove documents; their chunks become pending."""
        with self.transaction():
            self._retire(store, ids)
            self._db.executemany("DELETE FROM documents WHERE id = ?", [(i,) for i in ids])

    def _retire(self, store: int, document_ids: Sequence[str]) -> None:
        for document_id in document_ids:
            self._db.execute(
                "INSERT OR IGNORE INTO pending SELECT store, key FROM chunks "
                "WHERE store = ? AND document = ?",
                [store, document_id],
            )
            self._db.execute(
                "DELETE FROM vectors WHERE store = ?1 AND key IN "
                "(SELECT key FROM chunks WHERE store = ?1 AND document = ?2)",
                [store, document_id],
            )
            self._db.execute(
                "DELETE FROM chunks WHERE store = ? AND document = ?", [store, document_id]
            )

    def document(self, document_id: str) -> Document | None:
        """Return a document by id."""
        rows = self._rows("SELECT * FROM documents WHERE id = ?", [document_id])
        return _document(rows[0]) if rows else None

    def find(self, uri: str) -> list[Document]:
        """Return the documents of exactly this uri, else those whose uri ends in it."""
        rows = self._rows("SELECT * FROM documents WHERE uri = ?", [uri]) or self._rows(
            "SELECT * FROM documents WHERE substr(uri, -length(?1)) = ?1 ORDER BY uri",
            ["/" + uri.lstrip("./")],
        )
        return [_document(row) for row in rows]

    def document_uris(self) -> list[str]:
        """Return the uris of all documents, in order."""
        return [row["uri"] for row in self._rows("SELECT uri FROM documents ORDER BY uri")]

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yield (item, document), ordered by uri, reading one at a time."""
        for row in self._rows("SELECT id FROM documents ORDER BY uri"):
            for full in self._rows("SELECT * FROM documents WHERE id = ?", [row["id"]]):
                yield full["item"], _document(full)

    def documents_of(self, item: str) -> list[Document]:
        """Return the documents that came out of an item (one file may hold many rows)."""
        rows = self._rows("SELECT * FROM documents WHERE item = ? ORDER BY rowid", [item])
        return [_document(row) for row in rows]

    def uris_of(self, item: str) -> dict[str, str]:
        """Return id -> uri of the documents that came out of an item."""
        rows = self._rows("SELECT id, uri FROM documents WHERE item = ? ORDER BY rowid", [item])
        return {row["id"]: row["uri"] for row in rows}

    def counts(self) -> dict[str, int]:
        """Return how many sources, documents, chunks and failures there are."""
        store = self.store
        return {
            "sources": self._rows("SELECT count(*) AS n FROM sources")[0]["n"],
            "documents": self._rows("SELECT count(*) AS n FROM documents")[0]["n"],
            "chunks": self._rows("SELECT count(*) AS n FROM chunks WHERE store = ?", [store])[0][
                "n"
            ],
            "failures": self._rows("SELECT count(*) AS n FROM failures")[0]["n"],
        }

    def is_empty(self) -> bool:
        """Tell whether there is no document at all."""
        return not self._rows("SELECT 1 FROM documents LIMIT 1")

    def languages(self) -> frozenset[str]:
        """Return the languages of the indexed documents; "" stands for not known."""
        rows = self._rows("SELECT DISTINCT coalesce(language, '') AS language FROM documents")
        return frozenset(row["language"] for row in rows)

    def allowed(self, wanted: Filter) -> set[str]:
        """Return the ids of the documents that a filter lets through."""
        clauses, values = ["1"], []
        for bound, sign in ((wanted.after, ">="), (wanted.before, "<=")):
            if bound is not None:
                clauses.append(f"published {sign} ?")
                values.append(bound.isoformat())
        for name, value in wanted.where.items():
            clause, arguments = _condition(name, value)
            clauses.append(clause)
            values.extend(arguments)
        rows = self._rows(f"SELECT id FROM documents WHERE {' AND '.join(clauses)}", values)
        return {row["id"] for row in rows}

    def live(self, keys: Iterable[int], store: int) -> dict[int, str]:
        """Return key -> document id for those keys that are chunks of the current version."""
        rows = self._rows_in(
            "SELECT key, document FROM chunks WHERE store = ? AND key IN (?)", keys, [store]
        )
        return {row["key"]: row["document"] for row in rows}

    def has_chunks(self, store: int) -> bool:
        """Tell whether there is any chunk in a store."""
        return bool(self._rows("SELECT 1 FROM chunks WHERE store = ? LIMIT 1", [store]))

    def keys(self, store: int) -> set[int]:
        """Return the keys of all chunks in a store."""
        return {r["key"] for r in self._rows("SELECT key FROM chunks WHERE store = ?", [store])}

    def uris(self, store: int) -> dict[int, str]:
        """Return the uri of the document of every chunk, by key."""
        rows = self._rows(
            "SELECT c.key, d.uri FROM chunks c JOIN documents d ON d.id = c.document "
            "WHERE c.store = ?",
            [store],
        )
        return {row["key"]: row["uri"] for row in rows}

    def vectors(self, keys: Iterable[int], store: int) -> dict[int, NDArray[np.float32]]:
        """Return key -> vector, to half precision: a cosine is right to four decimals."""
        rows = self._rows_in(
            "SELECT key, vector FROM vectors WHERE store = ? AND key IN (?)", keys, [store]
        )
        return {row["key"]: _vector(row["vector"]) for row in rows}

    def known(self, contents: Iterable[str], store: int) -> dict[str, NDArray[np.float32]]:
        """Return content digest -> vector of what is embedded already, word for word."""
        rows = self._rows_in(
            "SELECT c.content, v.vector FROM chunks c JOIN vectors v USING (store, key) "
            "WHERE c.store = ? AND c.content IN (?) GROUP BY c.content",
            contents,
            [store],
        )
        return {row["content"]: _vector(row["vector"]) for row in rows}

    def chunks_of(self, document: Document, store: int) -> list[tuple[Chunk, str]]:
        """Return the chunks of a document in reading order, with the digests of their words."""
        rows = self._rows(
            "SELECT * FROM chunks WHERE store = ? AND document = ? ORDER BY start",
            [store, document.id],
        )
        return [(_chunk(row, document.text), row["content"]) for row in rows]

    def passages(self, keys: Sequence[int], store: int) -> dict[int, Passage]:
        """Return key -> passage, its score still 0, for those keys that are live."""
        rows = self._rows_in(
            "SELECT c.*, d.title, d.uri, d.published, d.language, d.digest, d.metadata, "
            "d.headings AS outline, d.pages, "
            "substr(d.text, c.start + 1, c.end - c.start) AS words "
            "FROM chunks c JOIN documents d ON d.id = c.document "
            "WHERE c.store = ? AND c.key IN (?)",
            keys,
            [store],
        )
        return {row["key"]: _passage(row) for row in rows}

    def beside(self, passage: Passage, store: int, *, after: bool) -> Passage | None:
        """Return the passage of the chunk before or after in the same document, if there is one."""
        sign, order = (">", "ASC") if after else ("<", "DESC")
        rows = self._rows(
            f"SELECT key FROM chunks WHERE store = ? AND document = ? AND start {sign} ? "
            f"ORDER BY start {order} LIMIT 1",
            [store, passage.chunk.document_id, passage.chunk.start],
        )
        return next(iter(self.passages([row["key"] for row in rows], store).values()), None)

    # Pending: keys that a crash may have left in the stores without a chunk in the catalog

    def expect(self, keys: Iterable[int], store: int) -> None:
        """Record keys before they are written, so that a crash leaves a trace."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO pending VALUES (?, ?)", [(store, k) for k in keys]
            )

    def pending(self, store: int) -> list[int]:
        """Return the keys that no chunk stands for: they may be deleted from the stores."""
        return [
            row["key"]
            for row in self._rows(
                "SELECT key FROM pending p WHERE store = ?1 AND NOT EXISTS "
                "(SELECT 1 FROM chunks c WHERE c.store = ?1 AND c.key = p.key)",
                [store],
            )
        ]

    def settle(self, store: int) -> None:
        """Forget what was pending, once the stores hold none of it."""
        with self.transaction():
            self._db.execute("DELETE FROM pending WHERE store = ?", [store])

    def adopt(self, store: int) -> None:
        """Make a rebuilt store the one in force and drop the chunks of the others."""
        with self.transaction():
            self.set_state("store", str(store))
            for table in ("chunks", "vectors", "pending"):
                self._db.execute(f"DELETE FROM {table} WHERE store != ?", [store])

    def abandon(self, store: int) -> None:
        """Drop what an unfinished rebuild left of a store."""
        with self.transaction():
            for table in ("chunks", "vectors", "pending"):
                self._db.execute(f"DELETE FROM {table} WHERE store = ?", [store])

    # Sources, items and failures

    def put_source(self, location: str, kind: str, now: str) -> None:
        """Remember a source that was asked for."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO sources VALUES (?, ?, ?) ON CONFLICT (location) "
                "DO UPDATE SET kind = excluded.kind, ingested_at = excluded.ingested_at",
                [location, kind, now],
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

    def delete_source(self, location: str) -> list[str]:
        """Forget a source; return the items that no other source claims."""
        with self.transaction():
            orphans = self.orphans(location, keep=())
            self._db.execute("DELETE FROM sources WHERE location = ?", [location])
            self._db.execute("DELETE FROM failures WHERE source = ?", [location])
            return orphans

    def orphans(self, location: str, keep: Iterable[str]) -> list[str]:
        """Return the items that only this source claims and that are not to be kept."""
        kept = set(keep)
        rows = self._rows(
            "SELECT item FROM item_sources WHERE source = ?1 AND item NOT IN "
            "(SELECT item FROM item_sources WHERE source != ?1)",
            [location],
        )
        return [row["item"] for row in rows if row["item"] not in kept]

    def items_of(self, location: str) -> set[str]:
        """Return the items that a source claims."""
        rows = self._rows("SELECT item FROM item_sources WHERE source = ?", [location])
        return {row["item"] for row in rows}

    def sources_of(self, item: str) -> list[str]:
        """Return the sources that claim an item."""
        rows = self._rows("SELECT source FROM item_sources WHERE item = ? ORDER BY source", [item])
        return [row["source"] for row in rows]

    def clear_source_failures(self, location: str) -> None:
        """Forget the failures of a source, which is about to be read again."""
        with self.transaction():
            self._db.execute("DELETE FROM failures WHERE source = ?", [location])

    def items_of_document(self, document_id: str) -> list[str]:
        """Return the item that a document came out of, if it is known."""
        rows = self._rows("SELECT item FROM documents WHERE id = ?", [document_id])
        return [row["item"] for row in rows]

    def claim(self, location: str, item: str) -> None:
        """Record that an item belongs to a source."""
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO item_sources VALUES (?, ?)", [location, item])

    def unclaim(self, location: str, items: Iterable[str]) -> None:
        """Record that items no longer belong to a source."""
        with self.transaction():
            self._db.executemany(
                "DELETE FROM item_sources WHERE source = ? AND item = ?",
                [(location, item) for item in items],
            )

    def item_digest(self, item: str) -> str | None:
        """Return the digest of the bytes that an item had when it was last indexed."""
        rows = self._rows("SELECT digest FROM items WHERE uri = ?", [item])
        return rows[0]["digest"] if rows else None

    def put_item(self, item: str, digest: str, now: str) -> None:
        """Record the bytes of an item as indexed; an empty digest means: read it again."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", [item, digest, now])

    def clear_failures(self, item: str) -> None:
        """Forget the failures of an item and of the rows in it."""
        with self.transaction():
            self._db.execute(
                "DELETE FROM failures WHERE uri = ?1 OR substr(uri, 1, length(?1) + 1) = ?1 || '#'",
                [item],
            )

    def delete_items(self, items: Iterable[str]) -> None:
        """Forget items whose documents are gone."""
        listed = [(item,) for item in items]
        with self.transaction():
            self._db.executemany("DELETE FROM items WHERE uri = ?", listed)
            self._db.executemany("DELETE FROM item_sources WHERE item = ?", listed)
            self._db.executemany("DELETE FROM failures WHERE uri = ?", listed)

    def put_failure(self, failure: Failure, source: str, now: str) -> None:
        """Record a failure; the item's digest is forgotten so that it is tried again."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)",
                [failure.uri, source, failure.reason, now],
            )
            self._db.execute("UPDATE items SET digest = '' WHERE uri = ?", [failure.uri])

    def failures(self) -> list[Failure]:
        """Return what could not be read at the last try."""
        rows = self._rows("SELECT uri, reason FROM failures ORDER BY uri")
        return [Failure(uri=row["uri"], reason=row["reason"]) for row in rows]

    def check_integrity(self) -> list[str]:
        """Return SQLite's own complaints about the file, if any."""
        found = [row[0] for row in self._rows("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found


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


def _document_row(item: str, document: Document) -> tuple[Any, ...]:
    return (
        document.id,
        item,
        document.uri,
        document.title,
        document.text,
        json.dumps([h.model_dump() for h in document.headings], ensure_ascii=False),
        json.dumps([(p.number, p.start, p.end) for p in document.pages]),
        document.language,
        document.published.isoformat() if document.published else None,
        document.digest,
        json.dumps(dict(document.metadata), ensure_ascii=False),
    )


def _document(row: sqlite3.Row) -> Document:
    return Document(
        id=row["id"],
        uri=row["uri"],
        title=row["title"],
        text=row["text"],
        headings=tuple(Heading(**h) for h in json.loads(row["headings"])),
        pages=tuple(Page(number=n, start=s, end=e) for n, s, e in json.loads(row["pages"])),
        language=row["language"],
        published=date.fromisoformat(row["published"]) if row["published"] else None,
        digest=row["digest"],
        metadata=json.loads(row["metadata"]),
    )


def _chunk(row: sqlite3.Row, text: str) -> Chunk:
    return Chunk(
        id=row["id"],
        document_id=row["document"],
        start=row["start"],
        end=row["end"],
        text=text[row["start"] : row["end"]],
        headings=tuple(json.loads(row["headings"])),
        page=row["page"],
    )


def _passage(row: sqlite3.Row) -> Passage:
    headings = tuple(json.loads(row["headings"]))
    return Passage(
        chunk=Chunk(
            id=row["id"],
            document_id=row["document"],
            start=row["start"],
            end=row["end"],
            text=row["words"],
            headings=headings,
            page=row["page"],
        ),
        document_digest=row["digest"],
        title=row["title"],
        uri=row["uri"],
        score=0.0,
        published=date.fromisoformat(row["published"]) if row["published"] else None,
        language=row["language"],
        outline=_outline(json.loads(row["outline"]), row["start"], row["end"]),
        pages=tuple(
            Page(number=number, start=start, end=end)
            for number, start, end in json.loads(row["pages"])
            if start < row["end"] and row["start"] < end
        ),
        metadata=json.loads(row["metadata"]),
    )


def _outline(headings: Sequence[Mapping[str, Any]], start: int, end: int) -> tuple[Heading, ...]:
    """Return the headings that a chunk stands under, then those inside it."""
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
    return tuple(Heading(**heading) for heading in (*above, *inside))


_FULL = ("is full", "no space left", "disk i/o error", "os error 28")


def is_disk_full(error: Exception) -> bool:
    """Tell whether a store failed for want of space: it is then no worse than before."""
    return any(sign in str(error).lower() for sign in _FULL)


def no_space(folder: Path, error: Exception) -> str:
    """Return the sentence for that."""
    return (
        f"the disk of {folder} is full or failing ({error}): free some space, then run it again; "
        "what was there is unharmed"
    )


def _corrupt(path: Path, error: Exception) -> str:
    if is_disk_full(error):
        return no_space(path.parent, error)
    return (
        f"the catalog {path} cannot be read ({error}): restore it from a backup, "
        "or move the folder aside and ingest again"
    )
