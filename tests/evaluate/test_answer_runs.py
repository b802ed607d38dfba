"""End-to-end runs: the denominators hold, figures repeat, the run file says what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import Done
from evaluate_helpers import FakePipeline, answer

from rag.errors import DataError, IndexMissingError, UsageError
from rag.evaluate.answers import evaluate
from rag.pipeline import Pipeline

PAGE = "Refunds take five business days. The hub is white."
QUOTE = "Refunds take five business days."


def rows(count: int) -> list[dict[str, Any]]:
    """Every fifth question is unanswerable."""
    made = []
    for n in range(count):
        known = n % 5 != 4
        made.append(
            {
                "id": f"q{n}",
                "question": f"question {n}",
                "type": "fact" if known else "unanswerable",
                "answerable": known,
                "answers": ["5 business days"] if known else [],
                "evidence": [{"uri": "page.md", "quote": QUOTE}] if known else [],
            }
        )
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows(20)))
    return path


@pytest.fixture
def fake(tmp_path: Path) -> FakePipeline:
    """Answers every answerable question rightly and abstains from the others."""
    pipeline = FakePipeline(tmp_path / ".rag", {"page.md": PAGE})
    right = answer((QUOTE, pipeline.document("page.md"), QUOTE))
    for row in rows(20):
        if row["answerable"]:
            pipeline.answers[row["question"]] = right
    return pipeline


def crash() -> None:
    raise RuntimeError("the model fell over")


def read_run(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    first, *rest = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return first, rest


def test_a_perfect_run(file: Path, fake: FakePipeline) -> None:
    body = evaluate(file, fake).summary()
    assert (body["schema"], body["n"], body["failed"], body["failures"]) == (2, 20, 0, [])
    for name in ("containment", "citation_precision", "citation_recall", "abstention_right"):
        assert body[name] == 1, name
        assert body[f"{name}_ci"] == [1, 1]
    assert body["abstention_wrong"] == body["answered_unanswerable"] == 0
    assert body["abstention_precision"] == 1
    assert body["answerable_f1"] == 0.5
    assert body["f1"] == pytest.approx((16 * 0.5 + 4) / 20)
    assert body["latency_ms"]["p95"] >= body["latency_ms"]["p50"] >= 0
    assert body["answerable_auroc"] == 1
    assert list(body["by_type"]) == ["fact", "unanswerable"]
    assert body["by_type"]["unanswerable"]["containment"] is None
    assert body["by_type"]["fact"]["n"] == 16


def test_a_tenth_that_crashes_or_returns_nothing_stays_in_the_denominator(
    file: Path, fake: FakePipeline
) -> None:
    nothing = answer((QUOTE, fake.document("page.md"), QUOTE)).model_copy(update={"sentences": ()})
    fake.answers |= {
        "question 0": crash,
        "question 1": lambda: None,
        "question 4": crash,  # an unanswerable one: a crash is no abstention
        "question 5": nothing,
    }
    run = evaluate(file, fake)
    body = run.summary()
    assert (body["n"], body["failed"]) == (20, 4)
    assert body["containment"] == pytest.approx(13 / 16, abs=1e-4)
    assert body["citation_recall"] == pytest.approx(13 / 16, abs=1e-4)
    assert body["answerable_f1"] == pytest.approx(13 / 16 * 0.5, abs=1e-4)
    assert body["f1"] == pytest.approx((13 * 0.5 + 3) / 20, abs=1e-4)
    assert body["abstention_right"] == 0.75
    # 13 of 16 answerable ones stand above 3 of 4 unanswerable ones, and nothing above the fourth
    assert body["answerable_auroc"] == pytest.approx(13 * 3 / (16 * 4), abs=1e-4)
    assert body["abstention_wrong"] == pytest.approx(3 / 16, abs=1e-4)
    assert body["failures"][0] == {"id": "q0", "reason": "RuntimeError: the model fell over"}
    assert [f["id"] for f in body["failures"]] == ["q0", "q1", "q4", "q5"]
    assert body["by_type"]["unanswerable"]["failed"] == 1
    _, lines = read_run(run.path)
    assert [line["failed"] for line in lines if line["id"] == "q1"] == ["nothing came back"]


def test_a_run_says_where_answers_were_lost(file: Path, fake: FakePipeline) -> None:
    changed = rows(20)
    for row in changed[:15]:
        row["answers"] = row["answers"] and ["five business days"]
    changed[5]["evidence"] = []  # where it is lost cannot be told
    file.write_text("".join(json.dumps(r) + "\n" for r in changed))
    page = fake.document("page.md")
    beside = answer(("The hub is white.", page, "The hub is white."), confidence=0.5)
    unsure = answer((QUOTE, page, QUOTE), confidence=0.2)
    fake.answers |= {
        "question 0": crash,
        "question 1": beside,
        "question 2": answer(),
        "question 3": unsure,
        "question 4": unsure,  # unanswerable
    }
    run = evaluate(file, fake)
    body = run.summary()
    assert body["stages"] == {
        "failed": 1,
        "page": 1,
        "passage": 0,
        "unit": 1,
        "abstained": 0,
        "shown": 0,
        "answer": 4,
        "right": 8,
    }
    assert run.rows[3]["stage"] == ""
    assert run.rows[4]["stage"] is run.rows[5]["stage"] is None
    assert body["right"] == pytest.approx(9 / 16, abs=1e-4)  # those five that are named by "5" too
    assert body["wrong"] == pytest.approx(6 / 16, abs=1e-4)
    assert body["abstention_wrong"] == pytest.approx(2 / 16, abs=1e-4)  # the crash is both
    assert body["page_found"] == pytest.approx(13 / 15, abs=1e-4)
    assert body["sentence_precision"] == pytest.approx(12 / 14, abs=1e-4)
    # Of 16 answers, one of them a crash, the eight most confident: 8 of 12 equal ones are right.
    assert body["right_confident"] == pytest.approx(8 / 12, abs=1e-4)
    assert body["aurc_ci"][0] < body["aurc"] < body["aurc_ci"][1]
    [_, table, _] = run.tables()
    assert table.title == "Where answers were lost"
    assert list(table.columns) == ["stage", "questions", "what it says"]
    assert table.rows[3][:2] == ["unit", "1"]
    assert "| right | 8 |" in table.markdown()


def test_the_run_file_says_what_was_measured(file: Path, fake: FakePipeline) -> None:
    run = evaluate(file, fake, limit=3, seed=7)
    assert run.path.parent == fake.folder / "runs"
    assert run.path.name.startswith("q-")
    head, lines = read_run(run.path)
    assert (head["schema"], head["kind"], head["seed"]) == (2, "answers", 7)
    assert (head["options"], head["planned"]) == ({"limit": 3}, 3)
    assert head["data"]["file"] == "q.jsonl"
    assert head["data"]["n"] == 20
    assert len(head["data"]["digest"]) == 32
    assert head["fingerprint"] == "print"
    assert head["settings"]["answer"]["abstain_below"] == fake.settings.answer.abstain_below
    assert head["weights"]["embedder"] == "fake"
    assert {"answer/reading.json", "ground/checker.json"} <= set(head["weights"])
    assert "numpy" in head["versions"]
    assert [line["id"] for line in lines] == ["q0", "q1", "q2"]
    assert lines[0]["citations"][0]["quote"] == QUOTE
    assert lines[0]["measures"]["containment"] == 1
    assert evaluate(file, fake, limit=3).path != run.path


def test_same_seed_same_figures(file: Path, fake: FakePipeline) -> None:
    fake.answers["question 0"] = crash
    bodies = [evaluate(file, fake, seed=1).summary() for _ in range(2)]
    for body in bodies:
        for figures in (body, *body["by_type"].values()):
            figures.pop("latency_ms")
        assert body.pop("run")
    assert bodies[0] == bodies[1]


def test_an_interruption_keeps_what_was_done(file: Path, fake: FakePipeline) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    fake.answers["question 7"] = stop
    run = evaluate(file, fake)
    body = run.summary()
    assert (body["n"], body["planned"], body["interrupted"]) == (7, 20, True)
    assert body["containment"] == 1
    assert len(read_run(run.path)[1]) == 7


def test_quotes_that_are_gone_are_named_and_count(file: Path, fake: FakePipeline) -> None:
    changed = rows(20)
    changed[0]["evidence"] = [{"uri": "gone.md", "quote": QUOTE}]
    changed[1]["evidence"] = [{"uri": "page.md", "quote": "something else"}]
    file.write_text("".join(json.dumps(r) + "\n" for r in changed))
    body = evaluate(file, fake).summary()
    assert body["unlocated_quotes"] == ["q0", "q1"]
    assert body["citation_recall"] == pytest.approx(14 / 16)


def test_what_fails_every_question_fails_at_once(file: Path, fake: FakePipeline) -> None:
    with pytest.raises(IndexMissingError):
        evaluate(file, Pipeline.open(file.parent / "nowhere" / ".rag"))
    with pytest.raises(UsageError, match="name a place with --out"):
        evaluate(file, fake, out=file / "run.jsonl")
    (file.parent / "bad.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"bad\.jsonl has 5 faults"):
        evaluate(file.parent / "bad.jsonl", fake)
    assert not fake.asked


@pytest.fixture
def rag(rag: Callable[..., Done], tmp_path: Path, make_pipeline: Any) -> Callable[..., Done]:
    """Run the command line over a tiny real index."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "refunds.md").write_text(
        "# Refunds\n\nRefunds take five business days after the parcel has arrived.\n"
    )
    (docs / "hub.md").write_text("# Hub\n\nThe light of the hub is red when it is offline.\n")
    make_pipeline().ingest(docs)
    return rag


SMALL = [
    {
        "id": "a",
        "question": "How long do refunds take?",
        "type": "fact",
        "answers": ["5 business days", "five business days"],
        "needs": ["refunds", ["take", "last"]],
        "rivals": ["six"],
        "answerable": True,
        "evidence": [{"uri": "docs/refunds.md", "quote": "Refunds take five business days"}],
    },
    {
        "id": "b",
        "question": "Who was the first person on the moon?",
        "type": "unanswerable",
        "answers": [],
        "answerable": False,
    },
]


def test_a_real_run_from_the_command_line(rag: Callable[..., Done]) -> None:
    Path("q.jsonl").write_text("".join(json.dumps(r) + "\n" for r in SMALL))
    done = rag("eval", "answers", "q.jsonl", "--json", "--out", "run.jsonl")
    assert (done.status, done.err) == (0, "run file: run.jsonl\n")
    [line] = done.out.splitlines()
    body = json.loads(line)
    assert (body["n"], body["failed"], body["run"]) == (2, 0, "run.jsonl")
    for name in ("containment", "evidence_retrieved", "citation_recall", "abstention_right"):
        assert body[name] == 1, name
    assert body["right"] == body["evidence_first"] == body["unit_first"] == 1
    assert body["wrong"] == body["aurc"] == 0
    assert body["stages"]["right"] == 1
    plain = rag("eval", "answers", "q.jsonl", "--limit", "1").out
    assert plain.startswith("q.jsonl: 1 questions, 0 failed\nmeasure")
    assert "\nWhere answers were lost\nstage" in plain
    page = rag("eval", "answers", "q.jsonl", "--markdown").out
    assert "| all | 2 | 1.00 |" in page or "| all | 2 | ." in page
    assert rag("eval", "answers", "q.jsonl", "--markdown", "--json").status == 2
    assert len(list(Path(".rag/runs").glob("q-*.jsonl"))) == 2


def test_linting_from_the_command_line(rag: Callable[..., Done]) -> None:
    path = Path("q.jsonl")
    path.write_text("".join(json.dumps(r) + "\n" for r in SMALL))
    done = rag("eval", "lint", "q.jsonl")
    assert done.status == 0
    assert done.out.startswith("Faults: none\n\nTo look at: none\n")
    path.write_text(json.dumps(SMALL[0] | {"answers": ["purple"]}) + "\n")
    done = rag("eval", "lint", "q.jsonl")
    assert done.status == 1
    assert "  q.jsonl:1: a: no accepted answer stands in the quotes" in done.out
    done = rag("eval", "lint", "q.jsonl", "--json")
    body = json.loads(done.out)
    assert (done.status, body["clean"], body["faults"][0]["kind"]) == (1, False, "answer")


def test_bad_data_is_status_one_with_every_line(rag: Callable[..., Done]) -> None:
    Path("q.jsonl").write_text('{"id": "a"}\nnonsense\n')
    done = rag("eval", "answers", "q.jsonl")
    assert (done.status, done.out) == (1, "")
    assert "q.jsonl:1: a: the field question is missing" in done.err
    assert "q.jsonl:2: this is not JSON" in done.err
