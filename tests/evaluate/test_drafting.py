"""Question sets that a model drafts: what holds is written and marked, what does not is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rag.errors import DataError, ModelError
from rag.evaluate.datasets import Case, read_rows
from rag.evaluate.drafting import draft
from rag.evaluate.lint import lint
from rag.models import chat
from rag.models.chat import ChatModel
from rag.settings import LlmSettings, Settings
from rag.testing.scripted_llm import Request, ScriptedServer, error
from rag.types import Chunk, Document

DAYS = "Refunds take five business days after the parcel has arrived."
TEXTS = {
    "refunds.md": f"{DAYS} The money goes back to the card\nthat you paid with.",
    "hub.md": "The light of the hub is red when it is offline. Hold the button to restart it.",
}


class Corpus:
    """What drafting needs of a pipeline."""

    settings = Settings()

    def __init__(self) -> None:
        self.documents = [
            Document.make(uri=uri, title=uri.removesuffix(".md").title(), text=text)
            for uri, text in TEXTS.items()
        ]

    def document(self, uri: str) -> Document:
        return next(document for document in self.documents if document.uri == uri)

    def ask(self, question: str, *, history: Any = (), recorded: bool = True) -> Any:
        return SimpleNamespace(abstained=True, confidence=0.0)

    def passages_to_ask_about(self) -> Iterator[tuple[Document, Sequence[Chunk]]]:
        for document in self.documents:
            yield document, [
                Chunk(id=document.id, document_id=document.id, start=0, end=len(document.text),
                      text=document.text)
            ]  # fmt: skip


@pytest.fixture
def model(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatModel]:
    monkeypatch.setattr(chat, "_PAUSES", (0.01, 0.02))
    made = ChatModel(LlmSettings(model="small", base_url=server.base_url, retries=0, timeout=5))
    yield made
    made.close()


def reply(*rows: Any) -> str:
    keys = ("question", "answer", "quote")
    found = [dict(zip(keys, row, strict=True)) if isinstance(row, tuple) else row for row in rows]
    return json.dumps({"questions": found})


GOOD = ("When is my money back?", "five business days", DAYS)
BROKEN_LINE = ("Where is the sum sent?", "card that you paid with",
               "The money goes back to the card that you paid with.")  # fmt: skip
LIGHT = ("What colour shows a lost connection?", "red", "The light of the hub is red when it is "
         "offline.")  # fmt: skip

Respond = Callable[[Request], str]


def by_document(refunds: str, hub: str) -> Respond:
    return lambda request: refunds if "Refunds take" in request.text else hub


def test_what_holds_is_written(server: ScriptedServer, model: ChatModel, tmp_path: Path) -> None:
    server.respond = by_document(reply(GOOD, BROKEN_LINE), f"```json\n{reply(LIGHT)}\n```")
    path = tmp_path / "drafts.jsonl"
    corpus = Corpus()
    drafts = draft(corpus, model, path, count=10)
    cases = read_rows(path, Case).rows
    assert {case.question for case in cases} == {GOOD[0], BROKEN_LINE[0], LIGHT[0]}
    assert all(case.draft and case.answerable for case in cases)
    for case in cases:
        [evidence] = case.evidence
        assert evidence.quote in corpus.document(evidence.uri).text  # to the letter
    report = lint(path, corpus)
    assert report.clean
    assert sum(note.kind == "draft" for note in report.notes) == 3
    assert drafts.rejected == []
    assert drafts.to_json()["requests"] == 2
    assert drafts.to_json()["usage"]["input_tokens"] == 200


NEAR = {"question": "How are refunds paid out to a closed account?"}
TOLD = {"question": "How long does a refund take to arrive?"}


class Sure(Corpus):
    """A pipeline that is sure of an answer to one question."""

    def ask(self, question: str, *, history: Any = (), recorded: bool = True) -> Any:
        sure = question == TOLD["question"]
        nearest = SimpleNamespace(uri="refunds.md", chunk=SimpleNamespace(text=DAYS))
        return SimpleNamespace(
            abstained=not sure, confidence=0.9 if sure else 0.3, passages=[nearest], sentences=[]
        )


def near_misses(*rows: Any) -> Respond:
    """Draft a question with an answer, and these where there is to be none."""
    drafted = json.dumps({"questions": list(rows)})
    return lambda request: drafted if "hardly answer" in request.text else reply(GOOD)


def test_near_misses_are_drafted_beside_them(
    server: ScriptedServer, model: ChatModel, tmp_path: Path
) -> None:
    server.respond = near_misses(NEAR, TOLD)
    path = tmp_path / "drafts.jsonl"
    drafts = draft(Sure(), model, path, count=1, unanswerable=1)
    good, near = read_rows(path, Case).rows
    assert (good.question, good.answerable) == (GOOD[0], True)
    assert (near.question, near.type) == (NEAR["question"], "unanswerable")
    assert near.draft
    assert not near.answerable
    assert near.answers == near.evidence == ()
    assert [near.id, good.id] == ["draft-002", "draft-001"]
    assert lint(path, Sure()).clean
    assert drafts.to_json()["unanswerable"] == 1


def test_what_is_answered_is_no_near_miss(
    server: ScriptedServer, model: ChatModel, tmp_path: Path
) -> None:
    server.respond = near_misses(TOLD)
    drafts = draft(Sure(), model, tmp_path / "drafts.jsonl", count=0, unanswerable=5)
    assert drafts.cases == []
    assert len(drafts.rejected) == 2
    assert all("answered (confidence 0.90) in refunds.md: How long" in r for r in drafts.rejected)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"question": GOOD[0]}, "the same question as another"),
        ({"question": "What does the passage leave out of refunds?"}, "it speaks of the passage"),
        ({"question": "?"}, "another form"),
        ("What of refunds?", "another form"),
    ],
)
def test_near_misses_that_are_no_good(
    server: ScriptedServer, model: ChatModel, tmp_path: Path, row: Any, why: str
) -> None:
    server.respond = near_misses(row)
    drafts = draft(Corpus(), model, tmp_path / "drafts.jsonl", count=1, unanswerable=1)
    assert len(drafts.cases) == 1
    assert any(why in reason for reason in drafts.rejected), drafts.rejected


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (("When is my money back?", "two days", "Refunds take two days."), "quote is not in"),
        (("When is my money back?", "two days", DAYS), "answer is not in the quote"),
        (("What does the passage say of refunds?", "five business days", DAYS), "of the passage"),
        (("five business days?", "five business days", DAYS), "asks nothing beside its answer"),
        (("", "five business days", DAYS), "another form"),
        ({"question": "x"}, "another form"),
        (None, "another form"),
    ],
)
def test_what_does_not_hold_is_told(
    server: ScriptedServer, model: ChatModel, tmp_path: Path, row: Any, why: str
) -> None:
    server.respond = by_document(reply(row), reply())
    drafts = draft(Corpus(), model, tmp_path / "drafts.jsonl")
    assert drafts.cases == []
    assert any(why in reason for reason in drafts.rejected), drafts.rejected


def test_no_more_than_wanted(server: ScriptedServer, model: ChatModel, tmp_path: Path) -> None:
    server.respond = by_document(reply(GOOD, BROKEN_LINE), reply(LIGHT))
    drafts = draft(Corpus(), model, tmp_path / "drafts.jsonl", count=1)
    assert len(drafts.cases) == 1
    assert len(server.requests) == 1


def test_the_same_question_twice(server: ScriptedServer, model: ChatModel, tmp_path: Path) -> None:
    server.respond = by_document(reply(GOOD, GOOD), "no JSON at all")
    drafts = draft(Corpus(), model, tmp_path / "drafts.jsonl")
    assert len(drafts.cases) == 1
    assert len(drafts.rejected) == 2


def test_a_file_is_not_written_over(model: ChatModel, tmp_path: Path) -> None:
    path = tmp_path / "drafts.jsonl"
    path.write_text("accepted by hand\n")
    with pytest.raises(DataError, match="is there already"):
        draft(Corpus(), model, path)


def test_a_model_that_is_gone_is_an_error(
    server: ScriptedServer, model: ChatModel, tmp_path: Path
) -> None:
    server.respond = lambda _: error(401, "no")  # type: ignore[assignment,return-value]
    with pytest.raises(ModelError, match="wants a key"):
        draft(Corpus(), model, tmp_path / "drafts.jsonl")
    assert len(server.requests) == 1
    assert not (tmp_path / "drafts.jsonl").exists()


def test_what_was_drafted_is_not_lost(
    server: ScriptedServer, model: ChatModel, tmp_path: Path
) -> None:
    server.respond = by_document(reply(GOOD), reply(LIGHT))
    path = tmp_path / "drafts.jsonl"

    def stop(title: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draft(Corpus(), model, path, on_progress=stop)
    assert len(read_rows(path, Case).rows) == 1
