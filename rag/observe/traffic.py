"""Whether the questions of a record have changed: ``drift`` over its last rows, for health."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rag.observe.drift import Alarm, Sample, Vectors, Watch
from rag.observe.health import Health, Measure
from rag.observe.record import Record

if TYPE_CHECKING:
    from rag.protocols import Embedder

KNOWN, SEEN = 400, 400
"""Rows that say what is usual, and the most that are held against them, newest last."""
WINDOW = 100
LEAST = 300
"""Rows of the first kind under which nobody can tell."""

Embed = Callable[[Sequence[str]], Vectors]


class _Asked(NamedTuple):
    id: str
    at: float
    question: str
    repeat: str
    language: str | None
    kind: str
    confidence: float
    support: float | None
    abstained: int


def drift(record: Record, until: float, embed: Embed) -> tuple[Measure, str]:
    """The share of signals that changed for good, and a note where they are not watched, or "".

    The oldest of the last rows before ``until`` say what is usual, windows of 100 that follow are
    held against them, so that a change shows however slowly it came. Where the record keeps no
    text, questions are told by language and kind alone and ``embed`` is not called.
    """
    rows = list(_once(record, until))[-(KNOWN + SEEN) :]
    usual, seen = rows[:KNOWN], rows[KNOWN:]
    if len(rows) < LEAST + WINDOW:
        note = f"drift is watched from {LEAST + WINDOW} questions on; the record has {len(rows)}"
        return Measure("drift", "share", None, len(seen)), note
    if len(rows) < KNOWN + WINDOW:
        usual, seen = rows[:LEAST], rows[LEAST:]
    kept = embed if all(row.question for row in rows) else None
    watch = Watch.fit(_sample(usual, kept))
    alarms: list[Alarm] = []
    for start in range(0, len(seen), WINDOW):
        alarms = watch.see(_sample(seen[start : start + WINDOW], kept))
    words = {row.id: row.question for row in rows} if kept else {}
    because = "; ".join(str(_in_words(alarm, words)) for alarm in alarms)
    found = Measure(
        "drift",
        "share",
        len(alarms) / watch.watched,
        len(seen),
        state="alarm" if alarms else "usual",
        because=because,
    )
    note = "questions that were recorded without their text are not told apart by what they say"
    return found, "" if kept else note


def with_drift(told: Health, record: Record, embedder: Embedder) -> Health:
    """Health with what has become of the questions up to its time."""
    measure, note = drift(record, told.at, lambda texts: embedder.embed(texts, query=True))
    notes = (*told.notes, note) if note else told.notes
    return replace(told, measures=(*told.measures, measure), notes=notes)


def _once(record: Record, until: float) -> Iterator[_Asked]:
    """The rows without those that ask what the row before asked: one person trying again."""
    before = None
    for values in record.columns(*_Asked._fields, until=until, error=""):
        row = _Asked(*values)
        if row.repeat != before or not row.repeat:
            yield row
        before = row.repeat


def _sample(rows: Sequence[_Asked], embed: Embed | None) -> Sample:
    support = np.array([np.nan if row.support is None else row.support for row in rows])
    labels: dict[str, Any] = {
        "language": [row.language for row in rows],
        "kind": [row.kind or None for row in rows],
        "abstained": ["yes" if row.abstained else "no" for row in rows],
    }
    return Sample(
        ids=[row.id for row in rows],
        vectors=embed([row.question for row in rows]) if embed else None,
        scores={"confidence": [row.confidence for row in rows], "support": support},
        labels=labels,
        at=f"{datetime.fromtimestamp(rows[0].at, UTC):%Y-%m-%d %H:%M}",
    )


def _in_words(alarm: Alarm, words: dict[str, str]) -> Alarm:
    """The alarm with questions in the place of the names of their rows, where they are kept."""
    groups = (tuple(words[name] for name in group if name in words) for group in alarm.examples)
    return alarm.model_copy(update={"examples": tuple(filter(None, groups))})
