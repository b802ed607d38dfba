"""``rag compare`` and ``rag report``: what is printed where, and the exit status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import run_files
from command import Done
from run_files import ranked


@pytest.fixture
def runs(tmp_path: Path) -> None:
    """The second run is better than the first."""
    low = [0.2 + n % 7 / 20 for n in range(40)]
    run_files.write(tmp_path / "a.jsonl", "retrieval", ranked(low))
    high = [value + 0.1 + n % 3 / 50 for n, value in enumerate(low)]
    run_files.write(tmp_path / "b.jsonl", "retrieval", ranked(high))
    run_files.write(tmp_path / "qa.jsonl", "qa", [{"f1": 1.0}])
    data = {"file": "other.jsonl", "digest": "d2", "n": 1}
    run_files.write(tmp_path / "other.jsonl", "retrieval", ranked([1]), data=data)
    data = {"file": "data.jsonl", "digest": "d2", "n": 1}
    run_files.write(tmp_path / "edited.jsonl", "retrieval", ranked([1]), data=data)
    data["digest"] = "d1"
    run_files.write(tmp_path / "apart.jsonl", "retrieval", ranked([1]), first=99, data=data)
    (tmp_path / "words.jsonl").write_text("not a run\n")
    (tmp_path / "rows.jsonl").write_text('{"id": "a"}\n')


@pytest.mark.usefixtures("runs")
def test_better_is_status_zero(rag: Callable[..., Done]) -> None:
    done = rag("compare", "a.jsonl", "b.jsonl")
    assert (done.status, done.err) == (0, "")
    first, empty, *rest = done.out.splitlines()
    assert first.startswith("B is better on nDCG@10: +0.1")
    assert (empty, rest[:2]) == ("", ["A: a.jsonl", "B: b.jsonl"])
    assert "data.jsonl: 40 queries in both" in done.out
    assert "most changed in nDCG@10: 40 queries better in B, 0 worse, 0 the same" in done.out
    assert "most changed" not in rag("compare", "a.jsonl", "b.jsonl", "--show", "0").out
    markdown = rag("compare", "a.jsonl", "b.jsonl", "--markdown").out
    assert "| ndcg_at_10 |" in markdown
    assert "\n- A: a.jsonl\n" in markdown


@pytest.mark.usefixtures("runs")
def test_worse_is_status_five(rag: Callable[..., Done]) -> None:
    done = rag("compare", "b.jsonl", "a.jsonl", "--json", "--seed", "3")
    assert done.status == 5
    body = done.json
    assert (body["schema"], body["kind"], body["regression"]) == (2, "retrieval", True)
    assert body["metrics"]["ndcg_at_10"]["difference"] < 0
    assert body["seed"] == 3
    named = rag("compare", "b.jsonl", "a.jsonl", "--primary", "recall_at_10")
    assert (named.status, named.out[:25]) == (5, "B is worse on recall@10: ")
    assert rag("compare", "a.jsonl", "a.jsonl").status == 0


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["a.jsonl", "none.jsonl"], 1, "none.jsonl cannot be read: No such file or directory"),
        (
            ["words.jsonl", "a.jsonl"], 1,
            "words.jsonl:1: this is not a line of a run: Expecting value: line 1 column 1 (char 0)",
        ),
        (
            ["rows.jsonl", "a.jsonl"], 1,
            "rows.jsonl is not a run file: its first line is not a header of `rag eval`",
        ),
        (
            ["a.jsonl", "qa.jsonl"], 1,
            "these runs are of different kinds: a.jsonl is of kind retrieval and qa.jsonl of kind "
            "qa",
        ),
        (
            ["a.jsonl", "other.jsonl"], 1,
            "these runs are of different data: a.jsonl of data.jsonl and other.jsonl of "
            "other.jsonl",
        ),
        (
            ["a.jsonl", "edited.jsonl"], 1,
            "data.jsonl changed between these runs (40 queries of digest d1 in a.jsonl, 1 of "
            "digest d2 in edited.jsonl): measure both on the same data",
        ),
        (
            ["a.jsonl", "apart.jsonl"], 1,
            "no case is in both runs: a.jsonl has 40 and apart.jsonl 1",
        ),
        (
            ["a.jsonl", "b.jsonl", "--primary", "f1"], 2,
            "runs of kind retrieval have no metric f1: choose from ndcg_at_10, mrr_at_10, "
            "recall_at_10, recall_at_100",
        ),
        (["a.jsonl", "b.jsonl", "--json", "--markdown"], 2, "--markdown and --json: choose one"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_one_sentence(
    rag: Callable[..., Done], arguments: list[str], status: int, message: str
) -> None:
    done = rag("compare", *arguments)
    assert (done.status, done.out, done.err) == (status, "", f"rag: {message}\n")


def test_wrong_usage(rag: Callable[..., Done]) -> None:
    assert rag("compare", "a.jsonl").status == 2
    assert rag("compare", "a.jsonl", "b.jsonl", "--seed", "-1").status == 2
    assert rag("report").status == 2


@pytest.mark.usefixtures("runs")
def test_a_report(rag: Callable[..., Done]) -> None:
    done = rag("report", "a.jsonl", "b.jsonl")
    assert (done.status, done.out, done.err) == (0, "a.html\n", "")
    assert "B is better on nDCG@10" in Path("a.html").read_text("utf-8")
    assert rag("report", "qa.jsonl", "--out", "page.html").out == "page.html\n"
    wrong = rag("report", "a.jsonl", "--out", "a.jsonl")
    assert (wrong.status, wrong.out) == (2, "")
    assert wrong.err == "rag: a.jsonl is a run file: name another place with --out\n"
    missing = rag("report", "a.jsonl", "none.jsonl")
    assert (missing.status, missing.out) == (1, "")
    assert missing.err == "rag: none.jsonl cannot be read: No such file or directory\n"
