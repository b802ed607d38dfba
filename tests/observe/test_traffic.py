"""Drift of the questions of a record, as health tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from rows_helper import ASKED, row

from rag.observe import recorder
from rag.observe.drift import Vectors
from rag.observe.health import health
from rag.observe.record import Record
from rag.observe.traffic import drift
from rag.rows import Row
from rag.settings import ObserveSettings

TOPICS = ("refunds", "hubs", "plans", "cameras")
FOREIGN = "recipe"


def embed(texts: Sequence[str]) -> Vectors:
    """A direction for each topic, and a little for each question."""
    vectors = np.zeros((len(texts), 32), np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        topic, number = text.split()[:2]
        vector[:] = np.random.default_rng(int(number)).normal(0, 0.15, 32)
        vector[[*TOPICS, FOREIGN].index(topic)] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def asked(n: int, *, foreign_from: int | None = None) -> Iterator[Row]:
    rng = np.random.default_rng(7)
    for k in range(n):
        off = foreign_from is not None and k >= foreign_from and rng.uniform() < 0.3
        topic = FOREIGN if off else TOPICS[rng.integers(len(TOPICS))]
        yield row(f"{k:x}", at=ASKED + k, question=f"{topic} {k}?".replace("?", " ?"),
                  standalone=f"{topic} {k}", confidence=float(rng.beta(2, 3)))  # fmt: skip


def record_of(path: Path, rows: Iterator[Row], text: Literal["full", "hash"] = "full") -> Record:
    writer = recorder.Recorder(path, ObserveSettings(text=text, queue=5000))
    for one in rows:
        writer.record(one)
    writer.close()
    return Record.open(path)


def test_a_stream_that_stays_as_it_is_does_not_alarm(tmp_path: Path) -> None:
    with record_of(tmp_path / "r.db", asked(1200)) as record:
        measure, note = drift(record, ASKED + 2000, embed)
    assert (measure.state, measure.value, measure.n, note) == ("usual", 0.0, 400, "")


def test_questions_about_something_else_alarm(tmp_path: Path) -> None:
    with record_of(tmp_path / "r.db", asked(1200, foreign_from=900)) as record:
        measure, _ = drift(record, ASKED + 2000, embed)
    assert measure.state == "alarm"
    assert "recipe 9" in measure.because or "recipe 1" in measure.because  # examples, in words
    assert "add documents that answer them" in measure.because


def test_too_few_questions_are_said_to_be(tmp_path: Path) -> None:
    with record_of(tmp_path / "r.db", asked(120)) as record:
        measure, note = drift(record, ASKED + 2000, embed)
    assert measure.value is None and measure.state == "unknown"
    assert note == "drift is watched from 400 questions on; the record has 120"


def test_without_texts_nothing_is_embedded(tmp_path: Path) -> None:
    def never(texts: Sequence[str]) -> Vectors:
        pytest.fail("there is no text")

    with record_of(tmp_path / "r.db", asked(700), "hash") as record:
        measure, note = drift(record, ASKED + 2000, never)
    assert measure.state == "usual"
    assert "without their text" in note


def test_drift_is_an_alarm_of_health(tmp_path: Path) -> None:
    with record_of(tmp_path / "r.db", asked(1200, foreign_from=900)) as record:
        measure, _ = drift(record, ASKED + 2000, embed)
        told = health(record, ASKED + 2000)
    with_it = replace(told, measures=(*told.measures, measure))
    assert measure.because in with_it.alarms
