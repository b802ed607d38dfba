"""Questions that were asked become drafts; only what somebody accepted is measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from evaluate_helpers import FakePipeline

from rag.errors import DataError, UsageError
from rag.evaluate.answers import evaluate
from rag.evaluate.asked import accepted, draft_asked, faults, write_cases
from rag.evaluate.datasets import Case, read_rows
from rag.observe.record import Record
from rag.observe.recorder import Recorder
from rag.rows import Cited, Feedback, Found, Row, Said
from rag.settings import ObserveSettings

PAGE = "Refunds take five business days. The hub is white. Plugs cost EUR 20."
QUOTE = "Refunds take five business days."


@pytest.fixture
def fake(tmp_path: Path) -> Any:
    return FakePipeline(tmp_path / ".rag", {"page.md": PAGE})


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    recorder = Recorder(tmp_path / "record.db", ObserveSettings())
    cited = (Cited(1, "page.md", 0, len(QUOTE), QUOTE),)
    gone = (Cited(1, "page.md", 0, 3, "Refunds take a year."),)
    found = (Found("c", "page.md", "Page", 33, 69, 0.5),)
    said = (Said("Refunds take five business days.", "supported", 0.9, cited),)
    for row in (
        Row("a1", 1.0, "How long?", "How long do refunds take?", said=said, abstained=False),
        Row("a2", 2.0, "how long do refunds take", "How long do refunds take?", said=said,
            abstained=False),
        Row("b", 3.0, "What colour?", "What colour is the hub?", said=said, found=found,
            abstained=False),
        Row("c", 4.0, "Who?", "Who is the boss?"),
        Row("d", 5.0, "Old?", "How old is it?", abstained=False,
            said=(Said("A year.", None, None, gone),)),
        Feedback("a1", 6.0, "right"),
        Feedback("b", 7.0, "wrong", words="it is about\x1b colours"),
        Feedback("b", 8.0, "better", uri="page.md"),
    ):  # fmt: skip
        recorder.record(row)
    recorder.close()
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


def test_drafts_say_what_people_made_of_the_answer(
    record: Record, fake: Any, tmp_path: Path
) -> None:
    out = tmp_path / "drafts.jsonl"
    cases = {case.question: case for case in draft_asked(record, fake, out)}
    assert list(cases) == [  # those that somebody said something of come first
        "What colour is the hub?",
        "How long do refunds take?",
        "How old is it?",
        "Who is the boss?",
    ]
    assert all(case.draft for case in read_rows(out, Case).rows)
    right = cases["How long do refunds take?"]
    assert (right.answers, right.evidence[0].quote) == ((QUOTE,), QUOTE)
    assert right.note == "asked 2 times; said to be right"
    wrong = cases["What colour is the hub?"]
    assert wrong.answers == ()  # it was wrong
    assert wrong.evidence[0].quote == "The hub is white. Plugs cost EUR 20."
    assert "said to be wrong (it is about" in wrong.note
    assert "the answer was: Refunds take" in wrong.note
    assert "does not say any more" in cases["How old is it?"].note
    assert not cases["Who is the boss?"].answerable
    with pytest.raises(DataError, match="there already"):
        draft_asked(record, fake, out)
    more = tmp_path / "more.jsonl"
    assert draft_asked(record, fake, more, known=[out]) == []
    assert not more.exists()
    assert len(draft_asked(record, fake, more, judged=True)) == 2
    with pytest.raises(UsageError, match="no question in full"):
        draft_asked(record, fake, tmp_path / "late.jsonl", since=100.0)


def test_drafts_are_never_measured(record: Record, fake: Any, tmp_path: Path) -> None:
    out = tmp_path / "drafts.jsonl"
    cases = draft_asked(record, fake, out)
    with pytest.raises(DataError, match=r"all 4 questions of .* are drafts"):
        evaluate(out, fake)
    looked_at = accepted(cases[1], ["five business days"])
    assert faults(looked_at) == []
    write_cases(out, [cases[0], looked_at, *cases[2:]])
    run = evaluate(out, fake)
    assert [row["id"] for row in run.rows] == [looked_at.id]
    assert run.header["data"]["drafts"] == 3


def test_what_is_no_label_is_not_accepted(record: Record, fake: Any, tmp_path: Path) -> None:
    wrong, right, *_ = draft_asked(record, fake, tmp_path / "drafts.jsonl")
    assert faults(accepted(right, ["a week"])) == ["no accepted answer stands in the evidence"]
    assert faults(accepted(wrong, ["white"])) == []
    bare = wrong.model_copy(update={"evidence": ()})
    assert "no evidence" in faults(accepted(bare, ["white"]))[0]
    none = accepted(right, ())
    assert (none.answerable, none.evidence, faults(none)) == (False, (), [])


def test_rows_are_written_as_people_write_them(tmp_path: Path) -> None:
    case = Case(id="q", question="Who?", type="fact", answers=(), answerable=False, note="n")
    write_cases(tmp_path / "q.jsonl", [case])
    body = json.loads((tmp_path / "q.jsonl").read_text())
    assert body == {
        "id": "q", "question": "Who?", "type": "fact", "answers": [], "answerable": False,
        "evidence": [], "note": "n",
    }  # fmt: skip
