"""What a pipeline tells of its questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.errors import ModelError, UsageError
from rag.observe.record import Record
from rag.pipeline import Pipeline
from rag.rows import Feedback, Row
from rag.types import Document, Passage, Sentence, Turn

TEXT = (
    "# Refunds\n\nA refund takes up to five business days.\n\n# Returns\n\nSend it back in 30 days."
)
ASK = "How long does a refund take?"


class Kept:
    """An ``Observer`` that keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.feedback: list[Feedback] = []

    def record(self, row: Row | Feedback) -> None:
        (self.rows if isinstance(row, Row) else self.feedback).append(row)  # type: ignore[attr-defined]


class Failing:
    """A generator that fails."""

    def draft(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> Iterator[Sentence]:
        raise ModelError("the model says nothing")


@pytest.fixture
def made(make_pipeline: Any) -> Any:
    def make(**given: Any) -> Pipeline:
        pipeline: Pipeline = make_pipeline(**given)
        pipeline.add([Document.make(uri="refunds.md", title="Refunds", text=TEXT, language="en")])
        return pipeline

    return make


def test_nothing_is_recorded_by_default(made: Any, tmp_path: Path) -> None:
    pipeline = made()
    answer = pipeline.ask(ASK)
    assert answer.id is None
    assert not list(tmp_path.glob("*.db"))
    with pytest.raises(UsageError, match=r"set observe\.path"):
        pipeline.feedback(answer, "right")


def test_a_question_is_a_row_and_its_answer_has_the_id(made: Any, tmp_path: Path) -> None:
    pipeline = made(observe={"path": "kept/record.db"})
    answer = pipeline.ask(ASK, user="ann")
    pipeline.feedback(answer, "right", words="thanks")
    pipeline.feedback(answer.id, "opened", uri="refunds.md")
    pipeline.ask("Nobody is to know of this", recorded=False)
    pipeline.close()
    with Record.open(tmp_path / "kept" / "record.db") as record:
        [row] = record.rows()
        assert answer.to_json()["id"] == row.id == answer.id
        assert (row.question, row.language, row.kind) == (ASK, "en", "duration")
        assert row.confidence == answer.confidence
        assert row.least == pipeline.settings.answer.threshold
        assert dict(row.timings) == dict(answer.timings)
        assert [one.text for one in row.said] == [one.shown for one in answer.sentences]
        assert row.said[0].label == "supported"
        assert row.said[0].citations[0].quote == answer.citations[0].quote
        assert {one.chunk for one in row.found if one.read} == {p.chunk.id for p in answer.passages}
        assert {"dense", "lexical", "fused", "rerank"} <= row.found[0].scores.keys()
        assert row.versions["embedder"] == pipeline.embedder.identity
        assert row.versions["checker"].startswith("checker-")
        assert row.versions["index"] == pipeline.fingerprint
        assert row.generation == pipeline.index.catalog.generation > 0
        assert row.propensity == 1.0
        assert [one.kind for one in record.feedback(row.id)] == ["right", "opened"]


def test_an_observer_of_ones_own_is_told(made: Any) -> None:
    kept = Kept()
    pipeline = made(observer=kept)
    talk = pipeline.chat(user="bob")
    answers = [talk.ask(ASK), talk.ask("And a return?")]
    assert [row.id for row in kept.rows] == [answer.id for answer in answers]
    assert [row.turns for row in kept.rows] == [0, 1]
    assert {row.user for row in kept.rows} == {"bob"}
    pipeline.feedback(answers[0], "wrong")
    assert kept.feedback[0].id == answers[0].id
    with pytest.raises(UsageError, match="feedback is one of right, wrong"):
        pipeline.feedback(answers[0], "meh")
    with pipeline.variant() as other:
        assert other.ask(ASK).id is None  # whoever measures is nobody who asks
    assert len(kept.rows) == 2


def test_abstaining_says_what_was_found(made: Any) -> None:
    kept = Kept()
    answer = made(observer=kept).ask("Who was the first person on the moon?")
    [row] = kept.rows
    assert answer.abstained
    assert row.abstained
    assert row.said == ()
    assert row.found
    assert row.confidence < row.least


def test_an_observer_that_fails_costs_no_answer(made: Any) -> None:
    class Broken:
        def record(self, row: Row | Feedback) -> None:
            raise OSError("the disk is full")

    assert not made(observer=Broken()).ask(ASK).abstained


def test_a_failure_is_a_row(made: Any) -> None:
    kept = Kept()
    with pytest.raises(ModelError):
        made(observer=kept, generator=Failing()).ask(ASK)
    [row] = kept.rows
    assert row.error == "ModelError: the model says nothing"
    assert not row.abstained
    assert row.found


def test_a_stream_that_is_stopped_is_a_row(made: Any) -> None:
    kept = Kept()
    events = made(observer=kept).stream(ASK)
    assert next(events).kind == "passages"
    assert not kept.rows
    events.close()
    [row] = kept.rows
    assert row.error == "stopped"
    assert row.found


def test_a_stream_that_is_left_after_its_answer_is_whole(made: Any) -> None:
    kept = Kept()
    events = made(observer=kept).stream(ASK)
    for event in events:
        if event.answer:
            break
    events.close()
    assert [row.error for row in kept.rows] == [""]
    assert kept.rows[0].said


def test_a_stream_that_nobody_reads_is_no_question(made: Any) -> None:
    kept = Kept()
    made(observer=kept).stream(ASK).close()
    assert kept.rows == []
