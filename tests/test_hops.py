"""Questions whose second step needs the answer of the first, from the model's parts to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from rag.models import chat
from rag.pipeline import Pipeline
from rag.protocols import Embedder
from rag.settings import LlmSettings, Settings
from rag.testing.scripted_llm import Request, Scripted, ScriptedServer
from rag.types import Passage

ASK = "Who wrote the manual of the camera that records in 4K?"
FIRST = "Which camera records in 4K?"
SECOND = "Who wrote the manual of #1?"
TEXTS = {
    "cameras": "The Brook Cam records in 4K. The Mill Cam records in full HD.",
    "brook": "Ida Lund wrote the manual of the Brook Cam in spring.",
    "mill": "Jon Berg wrote the manual of the Mill Cam in autumn.",
    "refunds": "Refunds take five business days after the parcel has arrived.",
}
ANSWER = "Ida Lund wrote the manual of the Brook Cam in spring."


class Noting:
    """A reranker that keeps the order and what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def rerank(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        self.asked.append(question)
        return list(passages[:k])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("hops")
    (folder / "docs").mkdir()
    for name, text in TEXTS.items():
        (folder / "docs" / f"{name}.md").write_text(f"# {name.title()}\n\n{text}\n")
    with Pipeline.open(folder / ".rag", settings=Settings(), embedder=embedder) as pipeline:
        pipeline.ingest(folder / "docs")
        yield pipeline


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        yield made


@pytest.fixture
def noting() -> Noting:
    return Noting()


@pytest.fixture
def pipeline(
    base: Pipeline, server: ScriptedServer, noting: Noting, embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Pipeline]:  # fmt: skip
    monkeypatch.setattr(chat, "_PAUSES", (0.01, 0.02))
    llm = LlmSettings(model="small", base_url=server.base_url, retries=0, timeout=60)
    with Pipeline.open(
        base.folder, settings=Settings(llm=llm), embedder=embedder, reranker=noting
    ) as made:
        yield made


def splitting(*parts: str) -> Callable[[Request], str | Scripted]:
    """Reply with the parts, and to the request for an answer with the passage that gives it."""

    def respond(request: Request) -> str:
        if "You split a question" in request.text:
            return "\n".join(parts)
        rows = [line for line in request.text.splitlines() if '"passage":' in line]
        [number] = [n for n, row in enumerate(rows, 1) if ANSWER in row]
        return f"{ANSWER} [{number}]"

    return respond


def test_the_second_step_is_looked_up_with_the_answer_of_the_first(
    pipeline: Pipeline, server: ScriptedServer, noting: Noting
) -> None:
    server.respond = splitting(FIRST, SECOND)
    events = list(pipeline.stream(ASK))
    assert {event.kind for event in events} == {"passages", "token", "sentence", "answer"}
    answer = events[-1].answer
    assert answer is not None
    assert [sentence.text for sentence in answer.sentences] == [ANSWER]
    assert answer.problems == ()
    whole, first, second = noting.asked
    assert (whole, first) == (ASK, FIRST)
    assert "Brook Cam" in second
    assert "Mill" not in second
    assert "#" not in second
    assert len(server.requests) == 2  # the parts and the answer: no more for a step


def test_a_step_that_builds_on_nothing_is_told_and_left_out(
    pipeline: Pipeline, server: ScriptedServer, noting: Noting
) -> None:
    unanswered = "What is the phone number of the moon?"
    server.respond = splitting(unanswered, "Who wrote the manual of #1?", FIRST)
    answer = pipeline.ask(ASK)
    assert noting.asked == [ASK, unanswered, FIRST]
    [problem] = [p for p in answer.problems if p.startswith("a part of the question")]
    assert problem.endswith("it builds on: Who wrote the manual of #1?")
    assert not answer.abstained


def test_steps_that_cannot_be_told_apart_are_not_taken(
    pipeline: Pipeline, server: ScriptedServer, noting: Noting
) -> None:
    server.respond = splitting(SECOND, FIRST)
    assert not pipeline.ask(ASK).abstained
    assert noting.asked == [ASK]
