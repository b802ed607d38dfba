"""Suites: what is called worse, what the history keeps, and what a crash or a neighbour leaves."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import run_files
from evaluate_helpers import FakePipeline, answer

from rag.errors import DataError, UsageError
from rag.evaluate.history import History
from rag.evaluate.runs import Result, Run
from rag.evaluate.suite import Evaluation, Outcome, Suite, judge, measure, read_suite, run_suite
from rag.evaluate.suite_page import suite_page

PAGE = "Refunds take five business days. The hub is white."
QUOTE = "Refunds take five business days."
COUNT = 40


def suite(folder: Path, **changed: Any) -> Suite:
    one = {
        "kind": "answers",
        "data": folder / "q.jsonl",
        "metrics": {"right": 0.05, "unit_rank": 0.02, "abstention_wrong": 0.0},
    }
    return Suite.model_validate(
        {"history": folder / "history", "evaluation": {"asked": one}} | changed
    )


@pytest.fixture
def pipeline(tmp_path: Path) -> FakePipeline:
    """Answers every question rightly."""
    rows = [
        {
            "id": f"q{n}", "question": f"question {n}", "type": "fact", "answerable": True,
            "answers": ["five business days"], "evidence": [{"uri": "page.md", "quote": QUOTE}],
        }
        for n in range(COUNT)
    ]  # fmt: skip
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fake = FakePipeline(tmp_path / ".rag", {"page.md": PAGE})
    right = answer((QUOTE, fake.document("page.md"), QUOTE))
    fake.answers = {f"question {n}": right for n in range(COUNT)}
    return fake


def run(folder: Path, pipeline: FakePipeline, **changed: Any) -> Outcome:
    opened: Any = pipeline
    outcome, _ = run_suite(suite(folder, **changed), History(folder / "history"), lambda _: opened)
    return outcome


def break_some(pipeline: FakePipeline, count: int) -> None:
    """So many questions get no answer any more."""
    for n in range(count):
        del pipeline.answers[f"question {n}"]


def test_first_is_good_and_worse_is_found(tmp_path: Path, pipeline: FakePipeline) -> None:
    first = run(tmp_path, pipeline)
    assert (first.status, first.regressions) == (0, [])
    assert "first time" in first.verdict
    again = run(tmp_path, pipeline)
    assert (again.status, again.verdict) == (0, "Nothing is worse in 4 measures.")
    break_some(pipeline, 12)
    worse = run(tmp_path, pipeline)
    assert worse.status == 5
    assert [line.split(" is ")[0] for line in worse.regressions] == [
        "asked: right",
        "asked: abstention wrong",
    ]
    # What got worse is not what later runs are held against.
    assert run(tmp_path, pipeline).status == 5


def test_a_small_loss_is_chance_or_tolerated(tmp_path: Path, pipeline: FakePipeline) -> None:
    run(tmp_path, pipeline)
    break_some(pipeline, 2)
    few = run(tmp_path, pipeline)
    assert few.status == 0
    assert few.parts[0].judged[0].loss == pytest.approx(2 / COUNT)
    break_some_more = {f"question {n}" for n in range(2, 12)}
    pipeline.answers = {k: v for k, v in pipeline.answers.items() if k not in break_some_more}
    lenient = {"kind": "answers", "data": tmp_path / "q.jsonl", "metrics": {"right": 0.5}}
    assert run(tmp_path, pipeline, evaluation={"asked": lenient}).status == 0
    assert run(tmp_path, pipeline).status == 5


def test_accepting_moves_what_is_good(tmp_path: Path, pipeline: FakePipeline) -> None:
    history = History(tmp_path / "history")
    with pytest.raises(UsageError, match="nothing to accept"):
        history.accept("because")
    run(tmp_path, pipeline)
    break_some(pipeline, 12)
    assert run(tmp_path, pipeline).status == 5
    with pytest.raises(UsageError, match="reason"):
        history.accept("  ")
    assert history.accept("we answer\n less").accepted == "we answer less"
    assert run(tmp_path, pipeline).status == 0
    assert [entry.status for entry in history.entries()] == ["fine", "accepted", "fine"]


def test_a_set_that_changed_is_paired_on_what_is_the_same(
    tmp_path: Path, pipeline: FakePipeline
) -> None:
    run(tmp_path, pipeline)
    rows = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]
    rows = [*rows[5:], {**rows[0], "id": "new"}]
    rows[0]["question"] = "question 0"  # it was another
    rows[1]["answers"] = ["a week"]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = run(tmp_path, pipeline)
    assert outcome.status == 0
    [part] = outcome.parts
    assert part.comparison is not None
    assert part.comparison.n == COUNT - 7
    assert outcome.notes == [
        "asked: left out: 5 questions that only A has",
        "asked: left out: 1 questions that only B has",
        "asked: left out: 2 questions that were edited in between",
    ]


def test_nothing_in_common_is_a_failure_that_can_be_accepted(
    tmp_path: Path, pipeline: FakePipeline
) -> None:
    run(tmp_path, pipeline)
    text = (tmp_path / "q.jsonl").read_text()
    (tmp_path / "q.jsonl").write_text(text.replace('"id": "q', '"id": "other'))
    outcome = run(tmp_path, pipeline)
    assert outcome.status == 1
    assert "no case is in both runs" in outcome.failures["asked"]
    History(tmp_path / "history").accept("other questions")
    assert run(tmp_path, pipeline).status == 0


def test_what_cannot_be_measured_does_not_stop_the_others(
    tmp_path: Path, pipeline: FakePipeline
) -> None:
    one = suite(tmp_path).evaluation["asked"]
    missing = one.model_copy(update={"data": tmp_path / "none.jsonl"})
    outcome = run(tmp_path, pipeline, evaluation={"gone": missing, "asked": one})
    assert (outcome.status, list(outcome.failures)) == (1, ["gone"])
    assert [part.name for part in outcome.parts] == ["asked"]
    with pytest.raises(UsageError, match="gone could not be measured"):
        History(tmp_path / "history").accept("never mind")


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, pipeline: FakePipeline) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    pipeline.answers["question 3"] = stop
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, pipeline)
    assert History(tmp_path / "history").entries() == []
    assert list((tmp_path / "history" / "runs").iterdir()) == []


def test_a_line_that_a_crash_cut_off_is_taken_away(tmp_path: Path, pipeline: FakePipeline) -> None:
    run(tmp_path, pipeline)
    lines = tmp_path / "history" / "history.jsonl"
    with lines.open("a") as file:
        file.write('{"schema": 1, "id": "half')
    history = History(tmp_path / "history")
    assert len(history.entries()) == 1
    run(tmp_path, pipeline)
    assert len(history.entries()) == 2
    assert "half" not in lines.read_text()
    lines.write_text("words\n" + lines.read_text())
    with pytest.raises(DataError, match=r"history\.jsonl:1: this is no line of a history"):
        history.entries()


def test_a_run_that_was_changed_is_refused(tmp_path: Path, pipeline: FakePipeline) -> None:
    run(tmp_path, pipeline)
    [path] = (tmp_path / "history" / "runs").iterdir()
    path.write_text(path.read_text().replace("five", "six"))
    with pytest.raises(DataError, match="not what it was"):
        run(tmp_path, pipeline)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        run(tmp_path, pipeline)


def test_old_run_files_go_and_their_figures_stay(
    tmp_path: Path, pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.evaluate.history.KEPT", 2)
    for _ in range(5):
        run(tmp_path, pipeline)
    history = History(tmp_path / "history")
    entries = history.entries()
    kept = {path.stem for path in (tmp_path / "history" / "runs").iterdir()}
    assert kept == {entries[n].runs["asked"] for n in (0, 3, 4)}  # the good one and the last two
    assert all(one.figures["asked"]["right"][0] == 1 for one in entries)


def _add(folder: str, name: str) -> None:
    history = History(Path(folder))
    for n in range(20):
        place = history.place(f"one-{n}")
        run_files.write(place, "qa", [{"f1": 1.0}], created=f"{name} {n}")
        kept = history.keep(Run(place, *_kind_and_rows(place)))
        history.add({"one": kept}, figures={"one": {}})


def _kind_and_rows(place: Path) -> tuple[Any, Any, tuple[Result, ...]]:
    from rag.evaluate.runs import read_run

    found = read_run(place)
    return found.kind, found.header, found.rows


def test_two_processes_write_one_history(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_add, args=(str(tmp_path), name)) for name in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
        assert process.exitcode == 0
    entries = History(tmp_path).entries()
    assert len({entry.id for entry in entries}) == 40


# The rule


def made(folder: Path, name: str, values: Sequence[float], **rest: Any) -> Run:
    return run_files.write(folder / f"{name}.jsonl", "retrieval", run_files.ranked(values), **rest)


def ranking(metrics: Sequence[str] = ("ndcg_at_10",), tolerance: float = 0.01) -> Suite:
    one = Evaluation(kind="retrieval", data=Path("d"), metrics=dict.fromkeys(metrics, tolerance))
    return Suite(history=Path("h"), evaluation={"one": one})


def held(one: Suite, before: Run, after: Run) -> Outcome:
    return judge(one, {"one": after}, {"one": (None, before)})


def test_holm_counts_the_metrics_that_moved(tmp_path: Path) -> None:
    before = made(tmp_path, "a", [0.5] * 12)
    after = made(tmp_path, "b", [0.3] * 6 + [0.5] * 6)  # six losses: p is 1/64, one-sided
    assert held(ranking(), before, after).status == 5
    alike = ("ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100")
    assert held(ranking(alike), before, after).status == 0
    assert held(ranking(tolerance=0.2), before, after).status == 0
    better = held(ranking(), after, before)
    assert (better.status, better.parts[0].judged[0].p) == (0, pytest.approx(1 - 1 / 64))


def test_a_busy_machine_is_no_regression(tmp_path: Path) -> None:
    def slow(clock: float, processor: float) -> Run:
        def change(n: int, row: Result) -> Result:
            return {**row, "latency_ms": clock + n / 100, "processor_ms": processor + n / 100}

        name = f"{clock}-{processor}"
        return made(tmp_path, name, [0.5] * 20, change=change)

    before = slow(10, 10)
    busy = held(ranking(), before, slow(30, 11))
    assert busy.status == 0
    assert "the machine was busy" in busy.notes[0]
    slower = held(ranking(), before, slow(30, 29))
    assert slower.status == 5
    assert "latency is" in slower.regressions[0]


def test_cost_is_held_against_what_it_was(tmp_path: Path) -> None:
    def paid(tokens: int) -> Run:
        usage = {"input_tokens": tokens, "output_tokens": 5, "cost": None}
        change = lambda _, row: {**row, "usage": usage}  # noqa: E731
        return made(tmp_path, str(tokens), [0.5] * 20, change=change)

    assert held(ranking(), paid(100), paid(110)).status == 0
    dearer = held(ranking(), paid(100), paid(200))
    assert dearer.regressions == ["one: costs 1.95 times as much"]


# The file


def test_reading_a_suite(tmp_path: Path) -> None:
    file = tmp_path / "suite.toml"
    file.write_text(
        '[evaluation.a]\nkind = "qa"\ndata = "d.jsonl"\nmetrics = { f1 = 0.01 }\n'
        "[evaluation.a.settings.answer]\nabstain = 'eager'\n"
    )
    found = read_suite(file)
    assert found.evaluation["a"].data == tmp_path / "d.jsonl"
    assert found.history == tmp_path / ".rag-suites" / "suite"
    for text, said in {
        "[evaluation": "cannot be read as a suite",
        "": "evaluation: field required",
        '[evaluation.a]\nkind = "no"\n': "evaluation.a.kind",
        '[evaluation.a]\nkind = "qa"\ndata = "d"\nmetrics = { speed = 1e-2 }': "no metric speed",
        '[evaluation.a]\nkind = "qa"\ndata = "d"\nmetrics = { f1 = 2 }': "metrics.f1",
        '[evaluation.a]\nkind = "qa"\ndata = "d"\nstage = "dense"\nmetrics = { f1 = 0 }': "stage",
        '[evaluation."../a"]\nkind = "qa"\ndata = "d"\nmetrics = { f1 = 0 }': "evaluation",
    }.items():
        file.write_text(text)
        with pytest.raises(DataError, match=said):
            read_suite(file)
    with pytest.raises(DataError, match="No such file"):
        read_suite(tmp_path / "none.toml")


def test_our_own_suite_can_be_read() -> None:
    root = Path(__file__).parents[2]
    found = read_suite(root / "eval" / "suite.toml")
    assert all(one.data.is_file() for one in found.evaluation.values())


# The page


def test_the_page_shows_verdict_trends_and_every_time(
    tmp_path: Path, pipeline: FakePipeline
) -> None:
    history = History(tmp_path / "history")
    run(tmp_path, pipeline)
    break_some(pipeline, 12)
    outcome = run(tmp_path, pipeline)
    entries = history.entries()
    page = suite_page("<mine>", entries, history.good_ids(entries), outcome)
    assert "Suite &lt;mine&gt;" in page
    assert "Worse in" in page
    assert page.count("<svg") >= 4
    assert all(one.id in page for one in entries)
    history.accept("less & less")
    entries = history.entries()
    page = suite_page("mine", entries, history.good_ids(entries), None)
    assert "Accepted: less &amp; less." in page


def test_measuring_goes_on_with_what_is_there(tmp_path: Path, pipeline: FakePipeline) -> None:
    opened: Any = pipeline
    for _ in range(2):
        runs, failures = measure(
            suite(tmp_path), lambda _: opened, lambda n: tmp_path / f"{n}.run", resume=True
        )
    assert (len(runs["asked"].rows), failures, len(pipeline.asked)) == (COUNT, {}, COUNT)
