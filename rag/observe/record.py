"""The record: a SQLite file with a row for every question, and one for all that is said of it.

``asked`` has a column for whatever rows are chosen and counted by; ``bodies`` the whole row,
packed; ``hours`` counts by the hour, of which health is told without a look at the rows. Processes
may write it side by side. ``Record`` reads, forgets and exports; ``recorder`` writes what comes in.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.errors import StoreError, UsageError
from rag.rows import Feedback, Row

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = 1
APPLICATION = 0x466F6F74  # what tells the file from other SQLite files
BUSY = 30.0  # seconds to wait for another process that writes

_SCHEMA = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
CREATE TABLE asked (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at REAL NOT NULL, question TEXT NOT NULL,
    standalone TEXT NOT NULL, repeat TEXT NOT NULL, user TEXT NOT NULL, language TEXT,
    kind TEXT NOT NULL, turns INTEGER NOT NULL, generator TEXT NOT NULL, abstained INTEGER NOT NULL,
    unsure INTEGER NOT NULL, asked_back INTEGER NOT NULL, confidence REAL NOT NULL, nearest REAL,
    sentences INTEGER NOT NULL, judged INTEGER NOT NULL, supported INTEGER NOT NULL, support REAL,
    conflicts INTEGER NOT NULL, milliseconds REAL NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cost REAL, version TEXT NOT NULL,
    generation INTEGER NOT NULL, arm TEXT NOT NULL,
    propensity REAL NOT NULL, error TEXT NOT NULL
);
CREATE INDEX asked_at ON asked (at);
CREATE INDEX asked_user ON asked (user) WHERE user != '';
CREATE TABLE bodies (
    seq INTEGER PRIMARY KEY REFERENCES asked ON DELETE CASCADE, body BLOB NOT NULL
);
CREATE TABLE feedback (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL,
    words TEXT NOT NULL, uri TEXT NOT NULL
);
CREATE INDEX feedback_id ON feedback (id);
CREATE INDEX feedback_at ON feedback (at);
CREATE TABLE hours (
    hour INTEGER NOT NULL, what TEXT NOT NULL, bucket INTEGER NOT NULL, n INTEGER NOT NULL,
    total REAL NOT NULL, PRIMARY KEY (hour, what, bucket)
) WITHOUT ROWID;
"""
COLUMNS = (
    "id at question standalone repeat user language kind turns generator abstained unsure "
    "asked_back confidence nearest sentences judged supported support conflicts milliseconds "
    "input_tokens output_tokens cost version generation arm propensity error"
).split()
"""What rows are chosen by, and what ``Record.columns`` gives."""


@cache
def _rows() -> TypeAdapter[Row]:
    from pydantic import TypeAdapter

    return TypeAdapter(Row)


def packed(row: Row) -> bytes:
    """A row as it lies in ``bodies``."""
    return zlib.compress(_rows().dump_json(row), 6)


def unpacked(body: bytes) -> Row:
    """The row of a body."""
    return _rows().validate_json(zlib.decompress(body))


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open a record, or make one. Raises StoreError that says what is wrong with it."""
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # for its owner's eyes
        elif not path.is_file():
            raise StoreError(
                f"there is no record at {path}: set observe.path, and ask something first"
            )
        db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        _prepare(db, path)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the record {path} cannot be used ({error}): name another") from None
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")  # another process may have been faster
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _SCHEMA.split(";\n"):
                db.execute(statement)
        db.execute("COMMIT")
    known = [
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    ]
    if known != [APPLICATION, FORMAT]:
        what = "is no record" if known[0] != APPLICATION else f"has format {known[1]}"
        raise StoreError(f"{path} {what}, this version reads format {FORMAT}: name another file")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA foreign_keys = ON")


class Record:
    """A record to read. One thread at a time."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db

    @classmethod
    def open(cls, path: str | Path) -> Record:
        """Open a record that is there. Raises StoreError."""
        path = Path(path).expanduser().absolute()
        return cls(path, connect(path))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM asked").fetchone()[0])

    def row(self, answer: str) -> Row:
        """A row by its id, or by the beginning of one that no other has.

        Raises UsageError where there is none, or several.
        """
        which = "WHERE id >= ?1 AND id < ?1 || char(1114111) ORDER BY id LIMIT 2"
        found = self._bodies(which, answer) if answer else []
        if len(found) == 1 or (found and found[0].id == answer):
            return found[0]
        what = f"the ids of several begin with {answer}" if found else f"there is no {answer!r}"
        raise UsageError(f"{what} in the record: `rag record export` prints the ids")

    def latest(self) -> Row:
        """The question that was asked last. Raises UsageError if the record is empty."""
        for row in self._bodies("ORDER BY at DESC, seq DESC LIMIT 1"):
            return row
        raise UsageError(f"the record {self.path} is empty: ask something first")

    def rows(
        self, since: float | None = None, until: float | None = None, **where: Any
    ) -> Iterator[Row]:
        """Rows asked from ``since`` to before ``until`` (seconds since 1970), oldest first.

        ``where`` names columns (``COLUMNS``) and the value that they have, e.g. ``abstained=True``.
        Raises UsageError for another name.
        """
        chosen, values = _chosen(since, until, where)
        statement = f"SELECT body FROM asked JOIN bodies USING (seq) {chosen} ORDER BY at, seq"
        for (body,) in self._db.execute(statement, values):
            yield unpacked(body)

    def columns(
        self, *names: str, since: float | None = None, until: float | None = None, **where: Any
    ) -> Iterator[tuple[Any, ...]]:
        """These columns alone of the rows that ``rows`` would give: some 20 times as fast."""
        _known(names)
        chosen, values = _chosen(since, until, where)
        statement = f"SELECT {', '.join(names)} FROM asked {chosen} ORDER BY at, seq"
        for row in self._db.execute(statement, values):
            yield tuple(row)

    def feedback(
        self, answer: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[Feedback]:
        """What was said of one answer, or of any in a time, oldest first."""
        rows = self._db.execute(
            "SELECT id, at, kind, words, uri FROM feedback WHERE (?1 IS NULL OR id = ?1) "
            "AND at >= ?2 AND at < ?3 ORDER BY at, seq",
            (answer, since if since is not None else 0.0, until if until is not None else 1e12),
        )
        return [Feedback(*row) for row in rows]

    def _bodies(self, rest: str, *values: Any) -> list[Row]:
        rows = self._db.execute(f"SELECT body FROM asked JOIN bodies USING (seq) {rest}", values)
        return [unpacked(body) for (body,) in rows]


def _known(names: tuple[str, ...]) -> None:
    if unknown := sorted({*names} - {*COLUMNS}):
        raise UsageError(f"a row has no {', '.join(unknown)}: it has {', '.join(COLUMNS)}")


def _chosen(
    since: float | None, until: float | None, where: dict[str, Any]
) -> tuple[str, list[Any]]:
    """A WHERE clause, perhaps empty, and its values."""
    _known(tuple(where))
    parts = [f"{name} IS ?" for name in where]
    values = list(where.values())
    for comparison, bound in (("at >= ?", since), ("at < ?", until)):
        if bound is not None:
            parts.append(comparison)
            values.append(bound)
    return ("WHERE " + " AND ".join(parts) if parts else ""), values
