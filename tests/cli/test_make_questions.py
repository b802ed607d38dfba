"""``rag eval make-questions`` with near misses: what the model drafts, looked up here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import Done

from rag.models import chat
from rag.pipeline import Pipeline
from rag.protocols import Embedder
from rag.settings import Settings
from rag.testing.scripted_llm import Request, ScriptedServer

Rag = Callable[..., Done]

DAYS = "Refunds take five business days after the parcel has arrived."
ANSWERED = "How many business days do refunds take after the parcel has arrived?"
NEAR = "Who was the first person on the moon?"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Path:
    folder = tmp_path_factory.mktemp("drafted")
    (folder / "refunds.md").write_text(f"# Refunds\n\n{DAYS}\n")
    with Pipeline.open(folder / ".rag", settings=Settings(), embedder=embedder) as pipeline:
        pipeline.ingest(folder / "refunds.md")
    return folder / ".rag"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        yield made


@pytest.fixture
def draft(
    rag: Rag, index: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch,
    embedder: Embedder,
) -> Rag:  # fmt: skip
    monkeypatch.setattr(chat, "_PAUSES", (0.01, 0.02))
    monkeypatch.setattr("rag.models.embedder.load_embedder", lambda _: embedder)
    for name, value in {
        "LLM__MODEL": "small", "LLM__BASE_URL": server.base_url, "LLM__RETRIES": "0",
        "MODELS__RERANKER": "llm",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"RAG_{name}", value)
    return lambda *more: rag("eval", "make-questions", "--index", str(index), *more)


def drafting(request: Request) -> str:
    if "hardly answer" in request.text:
        return json.dumps({"questions": [{"question": ANSWERED}, {"question": NEAR}]})
    row = {"question": "When is my money back?", "answer": "five business days", "quote": DAYS}
    return json.dumps({"questions": [row]})


def test_near_misses_are_looked_up_without_the_model(draft: Rag, server: ScriptedServer) -> None:
    server.respond = drafting
    done = draft("-n", "1", "--unanswerable", "2", "--out", "mine.jsonl")
    assert done.status == 0, done
    assert "2 drafts in mine.jsonl, 1 of them without an answer; 1 left out" in done.out
    assert "it seems to be answered (confidence" in done.err
    assert ANSWERED in done.err
    rows = [json.loads(line) for line in Path("mine.jsonl").read_text("utf-8").splitlines()]
    assert [(row["question"], row["answerable"]) for row in rows] == [
        ("When is my money back?", True),
        (NEAR, False),
    ]
    assert len(server.requests) == 2  # one for each kind: nothing is sent to look them up
    again = draft("-n", "0")
    assert (again.status, again.out) == (2, "")
    assert "raise -n or --unanswerable" in again.err
