"""``rag eval suite``, ``from-record`` and ``review``: output, exit status, what is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Done

from rag.evaluate.datasets import Case, read_rows
from rag.pipeline import Pipeline
from rag.protocols import Embedder
from rag.settings import Settings

Rag = Callable[..., Done]

QUOTE = "Refunds take five business days after the parcel has arrived."


@pytest.fixture(autouse=True)
def _one_embedder(monkeypatch: pytest.MonkeyPatch, embedder: Embedder) -> None:
    monkeypatch.setattr("rag.models.embedder.load_embedder", lambda _: embedder)


@pytest.fixture
def suite(tmp_path: Path) -> str:
    claims = [
        {"id": f"c{n}", "claim": claim, "evidence": [QUOTE], "label": label, "source": "made"}
        for n, (claim, label) in enumerate(
            [(QUOTE, "supported"), ("Refunds take nine business days.", "unsupported")] * 4
        )
    ]
    (tmp_path / "claims.jsonl").write_text("".join(json.dumps(row) + "\n" for row in claims))
    (tmp_path / "suite.toml").write_text(
        'level = 0.1\nlatency = 1000\n[evaluation.claims]\nkind = "grounding"\n'
        'data = "claims.jsonl"\nmetrics = { unsupported_passed = 0.01 }\n'
    )
    return "suite.toml"


def test_a_suite_from_the_first_run_to_an_accepted_loss(
    rag: Rag, suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rag("eval", "suite", suite, "--index", "none/.rag")
    assert first.status == 0, first
    assert first.out.startswith("The first time: this is what later runs are held against.")
    assert Path(".rag-suites/suite/suite.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    again = rag("eval", "suite", suite, "--index", "none/.rag", "--json")
    assert (again.status, again.json["status"], again.json["regressions"]) == (0, 0, [])
    monkeypatch.setenv("RAG_GROUND__SUPPORTED_FROM", "0")
    monkeypatch.setenv("RAG_GROUND__PARTIAL_FROM", "0")
    worse = rag("eval", "suite", suite, "--index", "none/.rag", "--page", "mine.html")
    assert worse.status == 5
    assert "claims: unsupported passed is 1.000, was .000 (+1.000" in worse.out
    assert "WORSE" in worse.out
    assert "Worse in 1 of" in Path("mine.html").read_text("utf-8")
    taken = rag("eval", "suite", suite, "--accept", "on purpose")
    assert (taken.status, "is good from now on: on purpose" in taken.out) == (0, True)
    assert rag("eval", "suite", suite, "--index", "none/.rag").status == 0


def test_a_suite_that_cannot_be_run(rag: Rag, suite: str) -> None:
    bad = rag("eval", "suite", "none.toml")
    assert (bad.status, "cannot be read as a suite" in bad.err) == (1, True)
    nothing = rag("eval", "suite", suite, "--accept", "why not")
    assert (nothing.status, "nothing to accept" in nothing.err) == (2, True)
    Path("claims.jsonl").unlink()
    failed = rag("eval", "suite", suite, "--index", "none/.rag")
    assert failed.status == 1
    assert "claims was not measured: claims.jsonl" in failed.out.replace(f"{Path.cwd()}/", "")


def test_from_the_record_to_accepted_rows(rag: Rag, tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "refunds.md").write_text(f"# Refunds\n\n{QUOTE}\n")
    settings = Settings.model_validate({"observe": {"path": "asked.db"}})
    with Pipeline.open(tmp_path / ".rag", settings=settings, embedder=embedder) as pipeline:
        pipeline.ingest(tmp_path / "refunds.md")
        pipeline.ask("How many business days do refunds take?")
        pipeline.ask("Who was the first person on the moon?")
    drafted = rag("eval", "from-record", "--record", "asked.db")
    assert drafted.status == 0, drafted
    assert "2 drafts in asked.draft.jsonl" in drafted.out
    # The first is skipped, the second has no answer; then the first is accepted.
    order = [case.answerable for case in read_rows(Path("asked.draft.jsonl"), Case).rows]
    once = ["n" if not answerable else "s" for answerable in order]
    done = rag("eval", "review", "asked.draft.jsonl", stdin="\n".join(once) + "\n")
    assert "1 rows in asked.draft.jsonl are accepted, 1 are drafts" in done.out
    wrong = rag("eval", "review", "asked.draft.jsonl", stdin="e\na fortnight\nq\n")
    assert "not accepted: no accepted answer stands in the evidence" in wrong.out
    done = rag("eval", "review", "asked.draft.jsonl", stdin="e\nfive business days\n")
    assert "2 rows in asked.draft.jsonl are accepted, 0 are drafts" in done.out
    rows = {row.answerable: row for row in read_rows(Path("asked.draft.jsonl"), Case).rows}
    assert rows[True].answers == ("five business days",)
    assert rows[True].evidence[0].quote in QUOTE
    assert rag("eval", "lint", "asked.draft.jsonl").status == 0
    known = rag("eval", "from-record", "--record", "asked.db", "--known", "asked.draft.jsonl",
                "--out", "more.jsonl")  # fmt: skip
    assert (known.status, "every question that was asked is known" in known.out) == (1, True)


def test_a_review_may_stop_at_any_time(rag: Rag, tmp_path: Path) -> None:
    row = {
        "type": "draft", "answerable": True, "answers": ["now"], "draft": True,
        "evidence": [{"uri": "a", "quote": "now"}],
    }  # fmt: skip
    rows = [{"id": f"d{n}", "question": f"When {n}?", **row} for n in range(3)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    stopped = rag("eval", "review", "d.jsonl", stdin="a\nd\n")
    assert stopped.status == 130  # the input ended
    left = read_rows(tmp_path / "d.jsonl", Case).rows
    assert [(one.id, one.draft) for one in left] == [("d0", False), ("d2", True)]
