"""The record: a SQLite file with a row for every question, and one for all that is said of it.

``asked`` has a column for whatever rows are chosen and counted by; ``bodies`` the whole row,
packed; ``hours`` counts by the hour, of which health is told without a look at the rows. Processes
may write it side by side. ``Record`` reads, forgets and exports; ``recorder`` writes what comes in.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
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


def key_of(path: Path) -> bytes:
    """The key of the hashes of a record, 32 bytes beside it; it is made with the record."""
    file = path.with_name(path.name + ".key")
    if not file.exists():
        draft = path.with_name(f"{file.name}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(secrets.token_bytes(32))
        with suppress(FileExistsError):  # the first process that gets here decides
            os.link(draft, file)
        draft.unlink()
    return file.read_bytes()


def hashed(text: str, key: bytes) -> str:
    """32 hexadecimal digits that nobody can tell the text from who has not the key."""
    encoded = " ".join(text.casefold().split()).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(encoded, key=key, digest_size=16).hexdigest()


def delete(db: sqlite3.Connection, which: str, *values: Any, most: int = 1000) -> int:
    """Delete some of the rows that fit, with what was said of them; return how many."""
    db.execute("BEGIN IMMEDIATE")
    chosen = f"SELECT seq, id FROM asked WHERE {which} LIMIT {most}"
    rows = [tuple(row) for row in db.execute(chosen, values)]
    db.executemany("DELETE FROM feedback WHERE id = ?", [(answer,) for _, answer in rows])
    db.executemany("DELETE FROM asked WHERE seq = ?", [(seq,) for seq, _ in rows])
    db.execute("COMMIT")
    return len(rows)


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

    def info(self) -> dict[str, Any]:
        """Where it is, how large (bytes), and what is in it."""
        first, last = self._db.execute("SELECT min(at), max(at) FROM asked").fetchone()
        said = self._db.execute("SELECT count(*) FROM feedback").fetchone()[0]
        return {
            "path": str(self.path),
            "bytes": self.path.stat().st_size,
            "rows": len(self),
            "feedback": said,
            "dropped": sum(n for what, _, n, _ in self.counts() if what == "dropped"),
            "first": None if first is None else moment(first),
            "last": None if last is None else moment(last),
        }

    def first_hour(self) -> int | None:
        """The first hour (since 1970) that was counted; None of an empty record."""
        found: int | None = self._db.execute("SELECT min(hour) FROM hours").fetchone()[0]
        return found

    def hours(
        self, end: int, step: int, length: int, most: int
    ) -> Iterator[tuple[int, str, int, int, float]]:
        """What was counted in windows of ``length`` hours that end every ``step`` hours.

        The last ends before the hour ``end``, and has the number 0; ``most`` more lie before it.
        Gives (number, what, bucket, how many, their sum).
        """
        yield from self._db.execute(
            "SELECT (?1 - 1 - hour) / ?2, what, bucket, sum(n), sum(total) FROM hours "
            "WHERE hour >= ?1 - ?2 * (?4 + 1) AND hour < ?1 AND (?1 - 1 - hour) % ?2 < ?3 "
            "GROUP BY 1, what, bucket",
            (end, step, length, most),
        )

    def counts(self) -> Iterator[tuple[str, int, int, float]]:
        """All that was ever counted: (what, bucket, how many, their sum)."""
        yield from self._db.execute(
            "SELECT what, bucket, sum(n), sum(total) FROM hours GROUP BY what, bucket"
        )

    def forget(self, *, user: str | None = None, text: str | None = None) -> int:
        """Delete what a user asked, or whatever says a text; return how many rows that were.

        The text is looked for in questions, answers and remarks, capitals or not; where they were
        not kept, it is a whole question. Nothing of a row is left in the file: afterwards the whole
        of it is written anew. Raises StoreError if another process does not let that happen.
        """
        key, gone = key_of(self.path), 0
        if user:
            while deleted := delete(self._db, "user = ?", hashed(user, key)):
                gone += deleted
        if text and text.strip():
            self._db.create_function("says", 1, _Saying(text))
            which = (
                "repeat = ?1 OR says((SELECT body FROM bodies WHERE bodies.seq = asked.seq)) "
                "OR id IN (SELECT id FROM feedback WHERE instr(lower(words), lower(?2)))"
            )
            found = self._db.execute(
                f"SELECT id FROM asked WHERE {which}", (hashed(text, key), text)
            )
            for (answer,) in found.fetchall():
                gone += delete(self._db, "id = ?", answer)
        self._rewrite()
        return gone

    def _rewrite(self) -> None:
        """Leave nothing of what was deleted, neither in the file nor in its log."""
        try:
            self._db.execute("VACUUM")
            busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            raise self._half_done(str(error)) from None
        if busy:
            raise self._half_done("another process is reading")

    def _half_done(self, why: str) -> StoreError:
        return StoreError(
            f"the rows are deleted, but {self.path} could not be written anew ({why}), so that "
            "traces of them are left: run it again"
        )

    def export(
        self, since: float | None = None, until: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """Rows as JSON objects, oldest first, with the ``feedback`` that they got."""
        for row in self.rows(since, until):
            yield as_json(row, self.feedback(row.id))

    def _bodies(self, rest: str, *values: Any) -> list[Row]:
        rows = self._db.execute(f"SELECT body FROM asked JOIN bodies USING (seq) {rest}", values)
        return [unpacked(body) for (body,) in rows]


def as_json(row: Row, feedback: list[Feedback]) -> dict[str, Any]:
    """A row and what was said of it as one JSON object; times are UTC, ISO 8601."""
    found: dict[str, Any] = _rows().dump_python(row, mode="json")
    said = [{**asdict(one), "at": moment(one.at)} for one in feedback]
    return {**found, "at": moment(row.at), "feedback": said}


def moment(at: float) -> str:
    """A time as ISO 8601, in UTC.

    >>> moment(0.5)
    '1970-01-01T00:00:00.500+00:00'
    """
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


class _Saying:
    """Tells whether the row of a body says a text."""

    def __init__(self, text: str) -> None:
        self._text = " ".join(text.casefold().split())
        # What cannot be ruled out by the bytes alone is looked at.
        self._words = [json.dumps(w, ensure_ascii=False)[1:-1] for w in self._text.split()]

    def __call__(self, body: bytes) -> bool:
        packed = zlib.decompress(body).decode().casefold()
        if not all(word in packed for word in self._words):
            return False
        row = unpacked(body)
        said = (row.question, row.standalone, *(s.text for s in row.said), *row.problems)
        return any(self._text in " ".join(one.casefold().split()) for one in said)


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
