"""The linter of question sets: each fault is caught, what needs a person is only listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evaluate_helpers import FakePipeline, answer

from rag.evaluate.datasets import Case
from rag.evaluate.lint import LintReport, lint, overlap, spread
from rag.pipeline import Pipeline

PAGES = {
    "refunds.md": "# Refunds\n\nRefunds take five business days.\nThey cost 12 EUR in Norway.",
    "hub.md": "The hub's ring is red\nwhen it is offline.",
}


def row(name: str = "q1", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "question": f"How long until I have my money {name}?",
        "type": "fact",
        "answers": ["5 business days"],
        "answerable": True,
        "evidence": [{"uri": "refunds.md", "quote": "Refunds take five business days."}],
        "history": [],
    } | changes


UNANSWERABLE = {"answerable": False, "answers": [], "evidence": [], "type": "unanswerable"}


def check(
    tmp_path: Path, *rows: dict[str, Any], pipeline: FakePipeline | None = None
) -> LintReport:
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return lint(path, pipeline or FakePipeline(tmp_path, PAGES))


def test_a_sound_set_is_clean(tmp_path: Path) -> None:
    report = check(tmp_path, row("a"), row("b", **UNANSWERABLE))
    assert report.clean
    assert not report.to_look_at
    assert not report.notes
    assert report.types == {"fact": 1, "unanswerable": 1}
    assert report.to_json()["schema"] == 2


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"evidence": [{"uri": "x.md", "quote": "five"}]}, "document", "no document x.md"),
        (
            {"evidence": [{"uri": "refunds.md", "quote": "Refunds take 5 business days."}]},
            "quote",
            "it has “Refunds take”, then not “5 business days.”",
        ),
        (
            {"answers": ["Purple"], "evidence": [{"uri": "hub.md", "quote": "Purple"}]},
            "quote",
            "not even its first word",
        ),
        ({"answers": ["purple parrots", "99"]}, "answer", "nor any of their words or numbers"),
        ({"needs": [["fife", "6"], "five"]}, "need", "no quote has the need “fife”, “6”"),
        ({"rivals": ["five", "six"]}, "rival", "a quote has the rival “five”"),
        ({"answers": []}, "shape", "there is no accepted answer"),
        ({"evidence": []}, "shape", "there is no evidence"),
        ({"answerable": False, "evidence": []}, "shape", "there are accepted answers"),
        ({"answerable": False, "answers": []}, "shape", "but there is evidence"),
        ({"type": "multi-hop"}, "shape", "needs two quotes or more"),
        ({"type": "Conflict"}, "shape", "needs two quotes or more"),
        ({"type": "comparison"}, "shape", "needs two quotes or more"),
        ({"type": "follow_up"}, "shape", "a follow-up needs a history"),
    ],
)
def test_faults(tmp_path: Path, changes: dict[str, Any], kind: str, message: str) -> None:
    report = check(tmp_path, row("sound"), row("bad", **changes))
    [fault] = report.faults
    assert (fault.line, fault.id, fault.kind) == (2, "bad", kind)
    assert message in fault.message


def test_needs_and_rivals_of_what_is_unanswerable_are_a_fault(tmp_path: Path) -> None:
    for changes in ({"needs": ["five"]}, {"rivals": ["five"]}):
        [fault] = check(tmp_path, row(**UNANSWERABLE, **changes)).faults
        assert fault.message == "unanswerable, but there are needs or rivals"


def test_needs_and_rivals_that_tell_answers_apart_are_clean(tmp_path: Path) -> None:
    changes = {"needs": [["5 days", "Five"], "refunds"], "rivals": ["six", "days busin"]}
    assert check(tmp_path, row(**changes)).clean


def test_faults_of_the_file_are_reported_beside_the_others(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    rows = [row("a"), row("a"), row("b", answers=["purple"])]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows) + "{\n")
    report = lint(path, FakePipeline(tmp_path, PAGES))
    assert [(f.line, f.kind) for f in report.faults] == [
        (2, "format"),
        (3, "answer"),
        (4, "format"),
    ]


def test_white_space_is_noted(tmp_path: Path) -> None:
    quote = "ring is red when it is offline"
    changes = {"answers": ["red"], "evidence": [{"uri": "hub.md", "quote": quote}]}
    report = check(tmp_path, row(**changes))
    assert report.clean
    assert [note.kind for note in report.notes] == ["white_space"]


@pytest.mark.parametrize("accepted", ["business week", "5 working days", "yes", "12 days"])
def test_an_answer_in_other_words_is_to_look_at(tmp_path: Path, accepted: str) -> None:
    evidence = [{"uri": "refunds.md", "quote": PAGES["refunds.md"]}]
    report = check(tmp_path, row(answers=[accepted], evidence=evidence))
    assert report.clean
    assert [finding.kind for finding in report.to_look_at] == ["answer"]


def test_duplicates(tmp_path: Path) -> None:
    said = [{"role": "user", "text": "What is it?"}, {"role": "assistant", "text": "A hub."}]
    report = check(
        tmp_path,
        row("a", question="How long do refunds take?"),
        row("b", question="how long do REFUNDS take?"),
        row("c", question="How long will the refund be taking?"),
        row("d", question="How long do refunds take?", history=said),
        row("e", question="How long do 2 refunds take?"),
        row("f", question="And that?", history=said),
        row("g", question="And this?", history=said),
    )
    assert [(f.id, f.kind) for f in report.faults] == [("b", "duplicate")]
    assert [(f.id, f.kind) for f in report.to_look_at] == [("c", "near_duplicate")]
    assert "the words of a" in report.to_look_at[0].message


def test_an_unanswerable_question_that_gets_an_answer_is_to_look_at(tmp_path: Path) -> None:
    pipeline = FakePipeline(tmp_path, PAGES)
    quote = "They cost 12 EUR in Norway."
    pipeline.answers["Price in Norway?"] = answer((quote, pipeline.document("refunds.md"), quote))
    changes = {**UNANSWERABLE, "question": "Price in Norway?"}
    report = check(tmp_path, row("a", **UNANSWERABLE), row("b", **changes), pipeline=pipeline)
    assert report.clean
    [finding] = report.to_look_at
    assert (finding.id, finding.kind) == ("b", "answerable")
    assert quote in finding.message
    assert len(pipeline.asked) == 2


def test_overlap_is_of_stems(tmp_path: Path) -> None:
    changes = {"question": "How many business days does the refunding of a parcel take?"}
    # business, day, refund, take stand in the quote; parcel does not.
    assert overlap(Case.model_validate(row(**changes))) == pytest.approx(4 / 5)
    shares = spread([0.0, 0.2, 0.4, 1.0])
    assert (shares.median, shares.under_a_third) == (0.3, 0.5)
    assert (shares.lower_quartile, shares.upper_quartile) == (0.15, 0.55)
    assert spread([]).median is None
    report = check(tmp_path, row("a", **changes), row("b", **UNANSWERABLE))
    assert report.overlap.n == 1
    assert report.overlap_by_type["unanswerable"].n == 0
    [table] = report.tables()
    assert table.rows[-1][0] == "all"
    assert "| fact | 1 | 0 | .80 | .80 to .80 | .00 |" in table.markdown()
    assert table.plain().splitlines()[1].startswith("type")


@pytest.mark.parametrize("half", ["dev", "test"])
def test_the_sample_questions_are_clean(
    sample: Pipeline, half: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipeline, "ask", lambda *_, **__: answer())  # lists only, and slow
    report = lint(Path(__file__).parents[2] / "eval" / "questions" / f"{half}.jsonl", sample)
    assert [fault.message for fault in report.faults] == []
    assert sum(report.unanswerable.values()) >= 40
    assert report.overlap.under_a_third is not None
    assert report.overlap.under_a_third > 1 / 3  # string matching does not win this set
