"""What a run says of its language model: which one, and which prompts to the letter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import run_files
from evaluate_helpers import FakePipeline

import rag.prompts
from rag.errors import UsageError
from rag.evaluate.answers import evaluate
from rag.evaluate.compare import compare
from rag.evaluate.runs import language_model
from rag.pipeline import Pipeline
from rag.prompts import load_prompt
from rag.protocols import Embedder
from rag.resources import resource
from rag.settings import Settings
from rag.testing.scripted_llm import ScriptedServer

DAYS = "Refunds take five business days after the parcel has arrived."
WRITING = {"answer", "answer_marks", "repair", "repair_marks", "rewrite", "style_normal"}


def settings(**groups: dict[str, Any]) -> Settings:
    return Settings.load(**{"llm": {"model": "small", "base_url": "http://127.0.0.1:1"}, **groups})


@pytest.mark.parametrize(
    ("kind", "groups", "names"),
    [
        ("answers", {}, WRITING | {"parts"}),
        ("answers", {"answer": {"decompose": False}}, WRITING),
        ("answers", {"answer": {"style": "brief", "decompose": False}},
         WRITING - {"style_normal"} | {"style_brief"}),
        ("qa", {}, WRITING - {"rewrite"}),
        ("rewrite", {}, {"rewrite"}),
        ("retrieval", {"models": {"reranker": "llm"}}, {"rerank", "rewrite"}),
        ("answers", {"models": {"reranker": "llm"}, "answer": {"generator": "extractive"}},
         {"rerank"}),
        ("qa", {"llm": {"model": "small", "preset": "openai"}},
         WRITING - {"rewrite"} | {"answer_json", "repair_json"}),
    ],
)  # fmt: skip
def test_the_prompts_that_are_sent(
    kind: str, groups: dict[str, dict[str, Any]], names: set[str]
) -> None:
    found = language_model(kind, settings(**groups))
    assert found is not None
    assert found["name"] == "small"
    assert set(found["prompts"]) == names
    assert all(len(digest) == 16 for digest in found["prompts"].values())


def test_no_prompt_is_forgotten() -> None:
    """Whoever adds one says here that no run is sent it, or has it recorded."""
    elsewhere = {"judge", "questions", "near_misses"}  # an option of the run; drafts of questions
    sent: set[str] = set()
    for style in ("brief", "normal", "detailed", "steps"):
        for groups in ({"llm": {"model": "small", "preset": "openai"}},
                       {"llm": {"model": "small", "prompt": "small", "mask": ["emails"]}},
                       {"llm": {"model": "small"}, "answer": {"generator": "rewrite"}},
                       {"models": {"generator": "local", "reranker": "llm"}}):  # fmt: skip
            found = language_model("answers", settings(**{"answer": {"style": style}, **groups}))
            assert found is not None
            sent |= found["prompts"].keys()
    files = {path.stem for path in resource("prompts", "judge.txt").parent.glob("*.txt")}
    assert files == sent | elsewhere


def test_the_digests_are_those_of_the_files() -> None:
    found = language_model("rewrite", settings())
    assert found == {
        "name": "small",
        "prompts": {"rewrite": load_prompt("rewrite", "nonce", "data").digest},
    }


@pytest.mark.parametrize(
    ("kind", "groups"),
    [
        ("grounding", {}),
        ("retrieval", {"answer": {"generator": "extractive"}}),
        ("answers", {"answer": {"generator": "extractive"}}),
        ("answers", {"llm": {}}),
    ],
)
def test_where_no_model_is_asked_there_is_nothing(
    kind: str, groups: dict[str, dict[str, Any]]
) -> None:
    assert language_model(kind, settings(**groups)) is None


@pytest.fixture
def server(server: ScriptedServer) -> ScriptedServer:
    server.respond = lambda _: f"{DAYS} [1]"
    return server


def other_prompt(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put another prompt in place of the one of that name."""
    changed = folder / f"{name}.txt"
    changed.write_text(resource("prompts", f"{name}.txt").read_text("utf-8") + "Be kind.\n")

    def found(kind: str, file: str) -> Path:
        return changed if file == changed.name else resource(kind, file)

    monkeypatch.setattr(rag.prompts, "resource", found)


@pytest.mark.timeout(400)
def test_a_run_has_them_and_a_comparison_says_what_differs(
    server: ScriptedServer, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "refunds.md").write_text(f"# Refunds\n\n{DAYS}\n")
    row = {"id": "q1", "question": "How long do refunds take?", "type": "fact", "answerable": True,
           "answers": ["five business days"],
           "evidence": [{"uri": "refunds.md", "quote": DAYS}]}  # fmt: skip
    questions = tmp_path / "q.jsonl"
    questions.write_text(json.dumps(row) + "\n")
    chosen = Settings.load(
        llm={"model": "small", "base_url": server.base_url}, models={"reranker": "none"}
    )
    with Pipeline.open(tmp_path / ".rag", settings=chosen, embedder=embedder) as pipeline:
        pipeline.ingest(tmp_path / "refunds.md")
        a = evaluate(questions, pipeline, out=tmp_path / "a.jsonl")
        assert a.rows[0]["answer"] == DAYS
        assert a.header["language_model"] == language_model("answers", chosen)
        assert compare(a, evaluate(questions, pipeline, out=tmp_path / "b.jsonl")).notes == ()
        other_prompt("repair", tmp_path, monkeypatch)
        c = evaluate(questions, pipeline, out=tmp_path / "c.jsonl")
        with pytest.raises(UsageError, match="weights or prompts"):
            evaluate(questions, pipeline, out=tmp_path / "a.jsonl", resume=True)
    found = compare(a, c)
    assert found.notes == (
        "the prompts differ (repair): what changed may be their doing and not the pipeline's",
    )
    assert list(found.differs) == ["language_model.prompts.repair"]


def test_a_run_without_a_model_says_nothing_of_one(tmp_path: Path) -> None:
    pipeline = FakePipeline(tmp_path / ".rag", {"page.md": DAYS})
    questions = tmp_path / "q.jsonl"
    row = {"id": "q1", "question": "who?", "type": "unanswerable", "answerable": False,
           "answers": [], "evidence": []}  # fmt: skip
    questions.write_text(json.dumps(row) + "\n")
    assert "language_model" not in evaluate(questions, pipeline).header


def test_judges_that_differ_are_named(tmp_path: Path) -> None:
    runs = [
        run_files.write(
            tmp_path / f"{name}.jsonl", "retrieval", run_files.ranked([0.5] * 20),
            options={"limit": None, "judge": {"model": "small", "prompt": name}},
        )
        for name in "ab"
    ]  # fmt: skip
    assert compare(*runs).notes == (
        "the judges differ, by model or prompt: their grades are not on one scale",
    )
    assert compare(runs[0], runs[0]).notes == ()
