"""Which one do you mean? Asked back in a conversation, a hint below an answer elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Done

from rag.pipeline import Pipeline
from rag.settings import Settings
from rag.testing.scripted_llm import ScriptedServer

Rag = Callable[..., Done]

COST = "What does a plan cost per month?"
TEXT = "Which one do you mean: Basic, Home or Office?"
PLANS = """# Plans

| Plan | Price per month | Devices |
| --- | --- | --- |
| Basic | EUR 3 | 5 |
| Home | EUR 6 | 20 |
| Office | EUR 12 | 90 |
"""
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans")
    (folder / "plans.md").write_text(PLANS)
    with Pipeline.open(folder / ".rag", settings=Settings()) as pipeline:
        pipeline.ingest(folder / "plans.md")
    return folder / ".rag"


def test_ask_answers_and_hints(rag: Rag, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = rag("ask", COST, "--index", str(index))
    assert done.status == 0
    assert done.out.startswith("- Plan: Basic; Price per month: EUR 3; ")
    assert done.out.endswith(f"\nHint: {TEXT}\n")
    body = rag("ask", COST, "--index", str(index), "--json").json
    assert body["clarification"]["text"] == TEXT
    assert [option["label"] for option in body["clarification"]["options"]] == [
        "Basic", "Home", "Office"
    ]  # fmt: skip
    rows = rag("ask", COST, "--index", str(index), "--json", "--stream").out.splitlines()
    assert json.loads(rows[1])["kind"] == "clarification"
    monkeypatch.setenv("RAG_ANSWER__CLARIFY", "false")
    assert "Hint" not in rag("ask", COST, "--index", str(index)).out


def test_chat_asks_back_and_understands_the_reply(rag: Rag, index: Path) -> None:
    done = rag("chat", "--index", str(index), stdin=f"{COST}\nthe second\n/why\n")
    assert done.status == 0
    asked, _, rest = done.out.partition("\n")
    assert asked == TEXT
    assert rest.lstrip().startswith("- Plan: Home; Price per month: EUR 6; ")
    assert "Asked as: What does a plan cost per month for Home?" in done.out
    shown = rag("chat", "--index", str(index), "--export", "-")
    assert shown.out.startswith(f"## {COST}\n\n{TEXT}\n\n## the second\n\n- Plan: Home; ")


def test_no_model_is_asked_before_it_is_clear(
    rag: Rag, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer() as server:
        monkeypatch.setenv("RAG_LLM__BASE_URL", server.base_url)
        server.respond = lambda _: "Home costs EUR 6 per month. [1]"
        arguments = ("chat", "--index", str(index), "--model", "small", "--json", "--no-save")
        assert rag(*arguments, stdin=f"{COST}\n").json["clarification"]["text"] == TEXT
        assert server.requests == []
        done = rag(*arguments, stdin=f"{COST}\nHome\n")
        answer = json.loads(done.out.splitlines()[-1])
        assert answer["text"] == "Home costs EUR 6 per month. [1]"
        assert answer["standalone"] == "What does a plan cost per month for Home?"
        assert len(server.requests) == 1  # no rewriting: the reply is understood by itself
