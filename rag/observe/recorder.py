"""What writes the record: a thread of its own behind a queue of a given length, so no answer waits.

Where the queue is full, a row is dropped and counted; the count is in the record. What is committed
survives the end of the process, however it comes; a regular end writes what is queued first.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import queue
import re
import sqlite3
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import floor, isfinite, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.errors import StoreError
from rag.observe.record import COLUMNS, connect, delete, hashed, key_of, packed
from rag.rows import STOPPED, Feedback, Row
from rag.settings import ObserveSettings
from rag.text.language import detect
from rag.text.terms import encodable

if TYPE_CHECKING:
    from rag.protocols import Observer

BATCH = 100  # rows in one transaction
PATIENCE = 10.0  # seconds that the end of a process waits for the last rows
_AGAIN = 1.0  # seconds between two tries to write
_RETAINED_EVERY = 3600.0  # seconds between two looks for rows that are too old
_DAY = 86_400.0
RATIO = 1.1  # of the bounds of a bucket of milliseconds
_CONFIDENCES = 20  # buckets of confidence

Key = tuple[int, str, int]
"""The hour (since 1970), what is counted, and its bucket."""

Counts = Counter[Key]

_log = logging.getLogger("rag.observe")
_alive: weakref.WeakSet[Recorder] = weakref.WeakSet()
_of_parent: list[object] = []  # what a child process must neither use nor close


@dataclass(frozen=True)
class _Mark:
    """A place in the queue that somebody waits for; the ``last`` ends the thread."""

    last: bool = False
    reached: threading.Event = field(default_factory=threading.Event)


class Recorder:
    """The ``Observer`` that keeps a record. Threads may share it; processes may share the file.

    ``mask`` is what every text goes through before it is kept. The file is made, and StoreError is
    raised if it cannot be, at once; whatever happens to it later costs rows and no answer.
    """

    def __init__(
        self, path: Path, settings: ObserveSettings, *, mask: Callable[[str], str] | None = None
    ) -> None:
        self.path = path
        self._settings = settings
        connect(path, create=True).close()
        self._told = Telling(settings.text, key_of(path), mask or str)
        self._begin()
        _alive.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._queue: queue.Queue[Row | Feedback | _Mark] = queue.Queue(self._settings.queue)
        self._thread: threading.Thread | None = None
        self._db: sqlite3.Connection | None = None
        self._dropped = 0
        self._batches = 0
        self._retained = 0.0

    def record(self, row: Row | Feedback) -> None:
        """Keep a row, or what was said of one, in time; where the queue is full, only count it."""
        if self._thread is None:
            self._start()
        try:
            self._queue.put_nowait(row)
        except queue.Full:
            with self._lock:
                self._dropped += 1

    def flush(self, seconds: float = PATIENCE) -> bool:
        """Wait until what came before is written; tell whether it is."""
        mark = _Mark()
        return self._thread is None or (self._put(mark, seconds) and mark.reached.wait(seconds))

    def close(self) -> None:
        """Write what is queued, as long as that goes on, and let go of the file.

        It may be used again.
        """
        while (thread := self._thread) is not None:
            mark, queued = _Mark(last=True), False
            while not (queued and mark.reached.wait(PATIENCE)):
                before = self._batches
                queued = queued or self._put(mark, PATIENCE)
                if not (queued and mark.reached.wait(PATIENCE)) and self._batches == before:
                    _log.warning("%s cannot be written: the last rows are lost", self.path)
                    return
            thread.join()
            with self._lock:
                self._thread = None
            if not self._queue.empty():  # somebody else was not done
                self._start()

    def _put(self, mark: _Mark, seconds: float) -> bool:
        try:
            self._queue.put(mark, timeout=seconds)
        except queue.Full:
            return False
        return True

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rag-record", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            rows: list[Row | Feedback] = []
            mark, item = None, self._queue.get()
            while True:
                if isinstance(item, _Mark):
                    mark = item
                    break
                rows.append(item)
                if len(rows) == BATCH or self._queue.empty():
                    break
                item = self._queue.get()
            while not self._written(rows):
                time.sleep(_AGAIN)
            self._batches += 1
            if mark is None:
                continue
            if mark.last and self._db is not None:
                self._db.close()
                self._db = None
            mark.reached.set()
            if mark.last:
                return

    def _written(self, rows: Sequence[Row | Feedback]) -> bool:
        """Write rows in one transaction, and what was dropped; tell whether that went well."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        try:
            if self._db is None:
                self._db = connect(self.path, create=True)
            bad = write(self._db, rows, self._told, dropped)
            self._retain(self._db)
        except (sqlite3.Error, StoreError) as error:
            _log.warning("the record %s cannot be written now: %s", self.path, error)
            if self._db is not None and self._db.in_transaction:
                self._db.rollback()
            bad, written = dropped, False
        else:
            written = True
        with self._lock:
            self._dropped += bad
        return written

    def _retain(self, db: sqlite3.Connection) -> None:
        """Delete what is older than it may be, now and then."""
        now = time.time()
        if self._settings.retention is None or now - self._retained < _RETAINED_EVERY:
            return
        self._retained = now
        while delete(db, "at < ?", now - self._settings.retention * _DAY):
            pass
        db.execute("DELETE FROM feedback WHERE at < ?", (now - self._settings.retention * _DAY,))
        db.executescript("PRAGMA incremental_vacuum")  # a step of it is a page


def _in_child() -> None:
    """After a fork: the thread, its lock and its file are the parent's; begin anew."""
    for recorder in list(_alive):
        _of_parent.append((recorder._db, recorder._queue, recorder._lock))
        recorder._begin()


def _at_exit() -> None:
    for recorder in list(_alive):
        recorder.close()


os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)


class _Several:
    """An ``Observer`` that tells others."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def record(self, row: Row | Feedback) -> None:
        for observer in self._observers:
            observer.record(row)

    def close(self) -> None:
        for observer in self._observers:
            if isinstance(observer, Recorder):
                observer.close()


def observer_of(settings: ObserveSettings, path: Path | None) -> _Several:
    """What the settings call for. Raises StoreError or MissingExtraError."""
    from rag.text.private import redacted, require_extra

    mask = None
    if kinds := settings.mask:
        require_extra(kinds)
        mask = partial(redacted, kinds=kinds)
    observers: list[Observer] = [] if path is None else [Recorder(path, settings, mask=mask)]
    if settings.otel:
        from rag.observe.otel import Telemetry

        observers.append(Telemetry())
    return _Several(observers)


# What is kept of a row


class Telling:
    """What is kept of rows, as ``observe.text`` has it; texts go through ``mask``."""

    def __init__(self, text: str, key: bytes, mask: Callable[[str], str]) -> None:
        self._text = text
        self._key = key
        self._mask = mask

    def __call__(self, row: Row) -> Row:
        """The row as it is kept."""
        kept = self._kept
        return replace(
            row,
            language=row.language or detect(row.standalone)[0],
            question=kept(row.question),
            standalone=kept(row.standalone),
            repeat="" if self._text == "none" else hashed(row.standalone, self._key),
            user=hashed(row.user, self._key) if row.user else "",
            found=tuple(replace(one, scores=_rounded(one.scores)) for one in row.found),
            said=tuple(
                replace(
                    sentence,
                    text=kept(sentence.text),
                    citations=tuple(replace(c, quote=kept(c.quote)) for c in sentence.citations),
                )
                for sentence in row.said
            ),
            problems=tuple(map(self._remark, row.problems)),
            versions=dict(row.versions),
            error=self._remark(row.error),
        )

    def feedback(self, given: Feedback) -> Feedback:
        """What was said, as it is kept."""
        return replace(given, words=self._kept(given.words))

    def _kept(self, text: str) -> str:
        return self._mask(encodable(text)) if self._text == "full" else ""

    def _remark(self, text: str) -> str:
        """A remark of ours; where texts are not kept, without what it quotes."""
        return self._kept(text) or re.split("[“:]", text)[0].strip()


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(s), 5) for name, s in scores.items() if isfinite(s)}


# Writing


_ASKED = (
    f"INSERT OR REPLACE INTO asked ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
)


def write(
    db: sqlite3.Connection, items: Iterable[Row | Feedback], told: Telling, dropped: int = 0
) -> int:
    """Write rows and what was said of them in one transaction; return how many cannot be kept."""
    rows: list[tuple[Row, bytes]] = []
    said: list[Feedback] = []
    bad = 0
    for item in items:
        try:
            if isinstance(item, Feedback):
                said.append(told.feedback(item))
            else:
                row = told(item)
                rows.append((row, packed(row)))
        except Exception:  # an own stage may put anything into a row
            _log.exception("a row cannot be kept")
            bad += 1
    if rows or said or dropped:
        insert(db, rows, said, dropped)
    return bad


def insert(
    db: sqlite3.Connection,
    rows: Sequence[tuple[Row, bytes]],
    said: Sequence[Feedback] = (),
    dropped: int = 0,
) -> None:
    """Write rows, packed as well, and what was said in one transaction, and count them."""
    counts: Counts = Counter()
    totals: dict[Key, float] = {}
    for row, _ in rows:
        _count(counts, totals, row.at, counted(row))
    for one in said:
        _count(counts, totals, one.at, [(f"feedback:{one.kind}", 0, 1, 0.0)])
    if dropped:
        _count(counts, totals, time.time(), [("dropped", 0, dropped, 0.0)])
    db.execute("BEGIN IMMEDIATE")
    for row, body in rows:
        cursor = db.execute(_ASKED, values_of(row))
        db.execute("INSERT INTO bodies VALUES (?, ?)", (cursor.lastrowid, body))
    db.executemany(
        "INSERT INTO feedback (id, at, kind, words, uri) VALUES (?, ?, ?, ?, ?)",
        [(one.id, one.at, one.kind, one.words, one.uri) for one in said],
    )
    db.executemany(
        "INSERT INTO hours VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
        "SET n = n + excluded.n, total = total + excluded.total",
        [(*key, n, totals[key]) for key, n in counts.items()],
    )
    db.execute("COMMIT")


def values_of(row: Row) -> tuple[Any, ...]:
    """The values of ``COLUMNS``."""
    judged = row.judged
    known = [sentence.support for sentence in judged if sentence.support is not None]
    made = {
        "sentences": len(row.said),
        "judged": len(judged),
        "supported": sum(sentence.label == "supported" for sentence in judged),
        "support": sum(known) / len(known) if known else None,
        "version": version_of(row.versions),
    }
    return tuple(made[name] if name in made else getattr(row, name) for name in COLUMNS)


def version_of(versions: Mapping[str, str]) -> str:
    """Twelve hexadecimal digits that stand for everything that answered."""
    parts = [f"{name}={versions[name]}" for name in sorted(versions)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12] if parts else ""


def bucket_of(milliseconds: float) -> int:
    """The bucket of a time; those of ``bucket`` b lie from 1.1**b to 1.1**(b + 1)."""
    return floor(log(max(milliseconds, 0.01), RATIO))


def counted(row: Row) -> list[tuple[str, int, int, float]]:
    """What a row adds to its hour: (what, bucket, how many, their sum)."""
    judged = row.judged
    found: list[tuple[str, int, int, float]] = [("asked", 0, 1, 0.0)]
    if row.error and row.error != STOPPED:
        return [*found, (f"error:{row.error.partition(':')[0]}", 0, 1, 0.0)]
    if row.error:
        return [*found, (STOPPED, 0, 1, 0.0)]
    shares = {
        "abstained": row.abstained,
        "unsure": row.unsure,
        "asked_back": row.asked_back,
        "conflicts": row.conflicts > 0,
        "judged": len(judged),
        "supported": sum(sentence.label == "supported" for sentence in judged),
    }
    found += [(name, 0, int(n), 0.0) for name, n in shares.items() if n]
    times = {"": row.milliseconds, **{f":{name}": ms for name, ms in row.timings.items()}}
    found += [(f"ms{name}", bucket_of(ms), 1, ms) for name, ms in times.items()]
    confidence = min(int(row.confidence * _CONFIDENCES), _CONFIDENCES - 1)
    found.append(("confidence", confidence, 1, row.confidence))
    found += [
        (f"language:{row.language or '?'}", 0, 1, 0.0),
        (f"kind:{row.kind or '?'}", 0, 1, 0.0),
    ]
    if row.input_tokens or row.output_tokens:
        found.append(("input_tokens", 0, 1, row.input_tokens))
        found.append(("output_tokens", 0, 1, row.output_tokens))
    if row.cost is not None:
        found.append(("cost", 0, 1, row.cost))
    return found


def _count(
    counts: Counts,
    totals: dict[Key, float],
    at: float,
    found: Iterable[tuple[str, int, int, float]],
) -> None:
    for what, bucket, n, total in found:
        key = int(at // 3600), what, bucket
        counts[key] += n
        totals[key] = totals.get(key, 0.0) + total
