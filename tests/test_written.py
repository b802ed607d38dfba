"""The pipeline with a language model: wiring, streaming, verification, stopping, what is sent."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.answer.llm.generate import LanguageModelGenerator
from rag.answer.llm.request import REFUSAL
from rag.errors import ModelError
from rag.events import AnswerStream
from rag.models import chat as chat_module
from rag.pipeline import Pipeline
from rag.protocols import Embedder
from rag.settings import AnswerSettings, LlmSettings, Settings
from rag.testing.scripted_llm import (
    Request,
    Scripted,
    ScriptedServer,
    completion,
    error,
    slow,
    stalled,
    stream,
    truncated,
)
from rag.types import Answer, Turn, Verdict

ASK = "When do refunds reach my card?"
REFUNDS = (
    "---\ndate: 2025-02-01\n---\n# Refunds\n\n"
    "Refunds take five business days after the parcel has arrived. The money goes back to the card "
    "that you paid with. Shipping costs are not refunded.\n"
)
HUB = "# Hub\n\nThe light of the hub is red when it is offline. Hold the button to restart it.\n"
DAYS = "Refunds take five business days after the parcel has arrived."
CARD = "The money goes back to the card that you paid with."
INVENTED = "Couriers bring flowers on Sundays in Lisbon."

Make = Callable[..., Pipeline]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("written")
    (folder / "docs").mkdir()
    (folder / "docs" / "refunds.md").write_text(REFUNDS)
    (folder / "docs" / "hub.md").write_text(HUB)
    pipeline = Pipeline.open(folder / ".rag", settings=Settings(), embedder=embedder)
    assert len(pipeline.ingest(folder / "docs").added) == 2
    yield pipeline
    pipeline.close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        yield made


@pytest.fixture
def make(base: Pipeline, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(chat_module, "_PAUSES", (0.01, 0.02))
    made: list[Pipeline] = []

    def make(answer: dict[str, Any] | None = None, **llm: Any) -> Pipeline:
        given = {"model": "small", "base_url": server.base_url, "retries": 0, "timeout": 5.0}
        pipeline = base.variant(
            llm=LlmSettings(**{**given, **llm}), answer=AnswerSettings(**(answer or {}))
        )
        made.append(pipeline)
        return pipeline

    yield make
    for pipeline in made:
        pipeline.close()


def exact(pipeline: Pipeline, answer: Answer) -> None:
    assert answer.abstained == (not answer.sentences)
    for citation in answer.citations:
        document = pipeline.index.catalog.document(citation.document_id)
        assert document is not None
        assert document.text[citation.start : citation.end] == citation.quote
    numbers = [c.number for s in answer.sentences for c in s.citations]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(set(numbers)) + 1))


# --- wiring ---------------------------------------------------------------------------------------


def test_a_model_writes_where_one_is_configured(
    base: Pipeline, make: Make, server: ScriptedServer
) -> None:
    assert base.generator.name == "extractive"  # type: ignore[attr-defined]
    assert base.language_model is None
    pipeline = make()
    assert isinstance(pipeline.generator, LanguageModelGenerator)
    server.enqueue(f"Refunds take five business days after arrival. [1] {CARD} [1]")
    answer = pipeline.ask(ASK)
    exact(pipeline, answer)
    assert answer.generator == "small"
    assert answer.text == f"Refunds take five business days after arrival. [1] {CARD} [1]"
    assert {s.verdict.label for s in answer.sentences if s.verdict} == {"supported"}
    assert answer.usage is not None
    assert answer.usage.input_tokens == 100
    assert answer.problems == ()


def test_a_model_that_is_set_need_not_write(make: Make, server: ScriptedServer) -> None:
    pipeline = make({"generator": "extractive"})
    assert pipeline.ask(ASK, history=TALK).generator == "extractive"
    assert "no language model writes" in str(pipeline.plan(ASK).reason)
    assert server.requests == []


def test_a_text_of_its_own_is_read_by_the_model_too(make: Make, server: ScriptedServer) -> None:
    server.enqueue("The repair takes nine days in all. [1]")
    answer = make().read("How long does it take?", "The repair takes nine days in all.")
    assert answer.text == "The repair takes nine days in all. [1]"


def test_the_style_is_sent(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"{DAYS} [1]")
    make({"style": "brief"}).ask(ASK)
    assert "in one sentence" in server.requests[0].text


def test_replies_in_json(make: Make, server: ScriptedServer) -> None:
    said = [{"text": text, "citations": [1]} for text in (DAYS, CARD)]
    server.enqueue(json.dumps({"answerable": True, "sentences": said}))
    pipeline = make(structured=True)
    assert pipeline.ask(ASK).text == f"{DAYS} [1] {CARD} [1]"
    assert server.requests[0].body["response_format"]["type"] == "json_schema"


def test_nothing_is_sent_where_the_documents_have_nothing(
    make: Make, server: ScriptedServer
) -> None:
    answer = make({"ask_model_from": 0.5}).ask("Who was the first person on the moon?")
    assert answer.abstained
    assert answer.passages
    assert server.requests == []
    assert answer.usage is None


# --- verification ---------------------------------------------------------------------------------


def test_every_step_of_a_repair_is_told(make: Make, server: ScriptedServer) -> None:
    server.enqueue(
        f"{DAYS} [2] {INVENTED} [1] Shipping is refunded after 40 days. [1] {CARD} [9]",
        "1: -\n2: Shipping costs are not refunded. [1]",
    )
    pipeline = make()
    answer = pipeline.ask("What should I know about refunds?")
    exact(pipeline, answer)
    assert [s.text for s in answer.sentences] == [DAYS, "Shipping costs are not refunded.", CARD]
    said = "\n".join(answer.problems)
    assert "the mark [9] was taken out" in said
    assert f"cited again, to “Refunds (2025-02-01)”, which bears it out: {DAYS}" in said
    assert "written again, since the number 40 is not in the evidence" in said
    assert f"left out: {INVENTED}" in said
    assert answer.usage is not None
    assert answer.usage.input_tokens == 200  # the repair is counted


def test_one_request_mends_all(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"{INVENTED} [1] {INVENTED.replace('Sundays', 'Mondays')} [1]", "1: -\n2: -")
    answer = make().ask(ASK)
    assert len(server.requests) == 2
    assert INVENTED not in answer.text
    assert len([problem for problem in answer.problems if "left out" in problem]) == 2


# What does not answer, and what the documents say themselves


def test_where_nothing_holds_the_documents_are_quoted(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"{INVENTED} [1]", "1: -")
    pipeline = make()
    answer = pipeline.ask(ASK)
    exact(pipeline, answer)
    assert answer.sentences[0].text == DAYS
    assert "small wrote nothing that holds: the documents are quoted" in answer.problems


def test_a_value_that_the_model_leaves_out_is_quoted(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"{CARD} [1]")
    pipeline = make()
    answer = pipeline.ask("How long do refunds to my card take?")
    exact(pipeline, answer)
    assert [s.text for s in answer.sentences] == [CARD, DAYS]
    assert [c.number for s in answer.sentences for c in s.citations] == [1, 1]
    assert "small does not say what the documents do: the documents are quoted" in answer.problems


@pytest.mark.parametrize("text", [DAYS, "It takes 5 business days after the parcel has arrived."])
def test_a_value_that_the_model_has_is_not_quoted(
    make: Make, server: ScriptedServer, text: str
) -> None:
    server.enqueue(f"{text} [1]")
    assert [s.text for s in make().ask(ASK).sentences] == [text]


def test_the_model_may_find_that_there_is_no_answer(make: Make, server: ScriptedServer) -> None:
    server.enqueue(REFUSAL)
    assert make().ask(ASK).abstained


def test_what_was_not_asked_is_left_out(make: Make, server: ScriptedServer) -> None:
    light = "The light of the hub is red when it is offline."
    server.enqueue(f"{DAYS} [1] {light} [2]")
    answer = make().ask(ASK)
    assert [s.text for s in answer.sentences] == [DAYS]
    assert f"left out, it is not what was asked: {light}" in answer.problems


def test_a_repeated_question_is_left_out(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"Refunds do reach my card. [1] {DAYS} [1]")
    answer = make().ask(ASK)
    assert [s.text for s in answer.sentences] == [DAYS]
    assert any("it only repeats the question" in problem for problem in answer.problems)


# Quotes in the words of a model


def test_quotes_are_said_in_the_words_of_a_model(make: Make, server: ScriptedServer) -> None:
    said = "After the parcel has arrived, refunds take five business days."
    server.enqueue(said)
    answer = make({"generator": "rewrite"}).ask(ASK)
    [sentence] = answer.sentences
    assert sentence.text == said
    assert sentence.citations[0].quote == DAYS
    assert sentence.verdict is not None and sentence.verdict.label == "supported"
    assert answer.generator == "extractive, in the words of small"
    assert answer.usage is not None
    [request] = server.requests
    assert DAYS in request.text


@pytest.mark.parametrize(
    "said",
    [
        "Refunds take six business days after the parcel has arrived.",  # another figure
        "Refunds take five business days.",  # less than the quote
        "Refunds never take five business days after the parcel has arrived.",  # the contrary
        "Refunds take five business days after the parcel has arrived, for a fee.",  # more
        "Refunds take five business days after the parcel",  # no whole sentence
        "Erstattungen dauern fünf Geschäftstage, nachdem das Paket angekommen ist.",
        REFUSAL,
    ],
)
def test_words_that_say_something_else_give_way_to_the_quote(
    make: Make, server: ScriptedServer, said: str
) -> None:
    server.enqueue(said)
    answer = make({"generator": "rewrite"}).ask(ASK)
    assert [s.text for s in answer.sentences] == [DAYS]


def test_a_model_that_cannot_reword_is_asked_once(make: Make, server: ScriptedServer) -> None:
    server.enqueue(error(500, "down"))
    answer = make({"generator": "rewrite"}).ask("What should I know about refunds?")
    assert len(server.requests) == 1
    assert all(s.text == s.citations[0].quote for s in answer.sentences)
    assert len([problem for problem in answer.problems if "quoted word for word" in problem]) == 1


# Small models


def test_what_a_small_model_writes_stands_beside_the_quotes(
    make: Make, server: ScriptedServer
) -> None:
    said = "It takes five business days after the parcel has arrived."
    server.enqueue(f"{said} [1]", f"{DAYS} [1]")
    pipeline = make(prompt="small")
    assert [s.text for s in pipeline.ask(ASK).sentences] == [said, DAYS]
    assert [s.text for s in pipeline.ask(ASK).sentences] == [DAYS]


def test_a_small_model_is_sent_little(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"{DAYS} [1]", f"{DAYS} [1]")
    for prompt in ("full", "small"):
        assert make(prompt=prompt).ask(ASK).text == f"{DAYS} [1]"
    full, small = (request.body["messages"] for request in server.requests)
    assert [message["role"] for message in small] == ["system", "user", "assistant", "user"]
    assert len(str(small)) < len(str(full)) / 2
    assert small[-1]["content"].endswith(f"Question: {ASK}")
    assert "[2]" not in small[-1]["content"]  # the other passage says nothing of it


def test_a_repair_that_fails_loses_no_answer(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"{DAYS} [1] {INVENTED} [1]", error(500, "down"))
    answer = make().ask(ASK)
    assert [s.text for s in answer.sentences] == [DAYS]
    assert any("could not be written again" in problem for problem in answer.problems)


def test_unsupported_sentences_are_kept_where_that_is_wanted(
    make: Make, server: ScriptedServer
) -> None:
    server.enqueue(f"{DAYS} [1] {INVENTED} [1]", "1: -")
    answer = make({"keep_unsupported": True}).ask(ASK)
    assert answer.sentences[1].text == INVENTED
    assert answer.text.endswith("[not supported]")


def test_what_is_said_twice_is_shown_once(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"{DAYS} [1] {CARD} [1] {DAYS} [1]")
    answer = make().ask(ASK)
    assert [s.text for s in answer.sentences] == [DAYS, CARD]
    assert answer.problems == (f"left out, it was said before: {DAYS}",)


def test_a_refusal_is_an_abstention(make: Make, server: ScriptedServer) -> None:
    server.enqueue(REFUSAL)
    answer = make().ask(ASK)
    assert answer.abstained
    assert answer.problems == ("small found no answer in the passages",)
    assert answer.usage is not None


def test_a_reply_that_was_cut_off_keeps_its_whole_sentences(
    make: Make, server: ScriptedServer
) -> None:
    server.enqueue(stream(f"{DAYS} [1] The money", finish="length"))
    answer = make().ask(ASK)
    assert answer.text == f"{DAYS} [1]"
    assert "raise llm.max_tokens" in answer.problems[0]


def test_a_reply_that_a_filter_stopped_says_so(make: Make, server: ScriptedServer) -> None:
    server.enqueue(stream(f"{DAYS} [1] The money", finish="content_filter"))
    answer = make().ask(ASK)
    assert answer.text == f"{DAYS} [1]"
    assert answer.problems[0] == (
        "small was stopped before the end of its answer (content_filter): ask in other words, or "
        "choose another llm.model"
    )


def test_an_answer_has_a_limit_that_leaves_room_for_the_prompt(
    make: Make, server: ScriptedServer
) -> None:
    too_long = (
        "maximum context length is 1000 tokens. However, you requested 1624 tokens (600 in the "
        "messages, 1024 in the completion)"
    )
    server.enqueue(error(400, too_long), f"{DAYS} [1]")
    assert make().ask(ASK).text == f"{DAYS} [1]"
    first, second = (request.body for request in server.requests)
    assert (first["max_tokens"], second["max_tokens"]) == (1024, 400)
    assert first["messages"] == second["messages"]


# --- streaming ------------------------------------------------------------------------------------


def test_the_events(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"{DAYS} [1] {INVENTED} [1] {CARD} [1]", "1: -")
    events = list(make().stream(ASK))
    kinds = [event.kind for event in events]
    assert kinds[0] == "passages"
    assert kinds[1] == "token"
    assert kinds[-1] == "answer"
    written = "".join(event.text for event in events if event.kind == "token")
    assert written == f"{DAYS} [1] {INVENTED} [1] {CARD} [1]"
    answer = events[-1].answer
    assert answer is not None
    assert tuple(event.sentence for event in events if event.sentence) == answer.sentences
    [withdrawn] = [event for event in events if event.kind == "sentence_withdrawn"]
    assert withdrawn.text == INVENTED
    places = [e.place for e in events if e.kind in ("sentence", "sentence_withdrawn")]
    assert places == sorted(places)
    assert places[-1] == len(written)
    assert kinds.index("sentence") < len(kinds) - 4  # the first is final while others are written
    for event in events:
        assert event.to_json()["kind"] == event.kind


def test_what_turns_out_to_be_a_thought_is_withdrawn(make: Make, server: ScriptedServer) -> None:
    thought = "They want to know of refunds. Passage 1 tells of five days, so I say"
    server.enqueue(stream(*re.findall(r"\S+\s*", f"{thought} that.\n</think>\n\n{DAYS} [1]")))
    server.enqueue(stream(f"{thought} that.</think>{REFUSAL}"))
    pipeline = make()
    events = list(pipeline.stream(ASK))
    answer = events[-1].answer
    assert answer is not None
    exact(pipeline, answer)
    assert answer.text == f"{DAYS} [1]"
    [withdrawn] = [event for event in events if event.kind == "sentence_withdrawn"]
    written = "".join(event.text for event in events if event.kind == "token")
    assert withdrawn.place is not None
    assert written[withdrawn.place :].strip() == f"{DAYS} [1]"
    assert thought.split(maxsplit=1)[0] in withdrawn.text
    [sentence] = [event for event in events if event.kind == "sentence"]
    assert sentence.place == len(written)
    assert pipeline.ask(ASK).abstained


def test_replies_that_are_odd_are_noted(make: Make, server: ScriptedServer) -> None:
    server.enqueue(stream(f"{DAYS} [1] ", *[f"{CARD} [1] "] * 50))
    answer = make().ask(ASK)
    assert [s.text for s in answer.sentences] == [DAYS, CARD]
    assert answer.problems == ("small was stopped, as it said the same again and again",)
    german = (
        "Die Rückerstattung dauert fünf Werktage, nachdem das Paket bei uns angekommen ist. [1]"
    )
    server.enqueue(german, "1: -")
    assert "small answered in another language (de)" in make().ask(ASK).problems


def test_streaming_ends_with_what_asking_gives(make: Make, server: ScriptedServer) -> None:
    replies = (f"{DAYS} [1] {INVENTED} [1] {CARD} [2]", "1: Shipping costs are not refunded. [1]")
    pipeline = make()
    server.enqueue(*replies)
    streamed = [event.answer for event in pipeline.stream(ASK) if event.answer]
    server.enqueue(*replies)
    asked = pipeline.ask(ASK)
    [whole] = streamed
    assert whole.model_copy(update={"timings": {}}) == asked.model_copy(update={"timings": {}})


class Recording:
    """A checker that notes when it is asked, and takes its time."""

    def __init__(self, order: list[str]) -> None:
        self._order = order

    def check(self, claims: Sequence[str], evidence: Sequence[Sequence[str]]) -> list[Verdict]:
        if claims:
            self._order.append("check")
        time.sleep(0.05)
        return [Verdict(claim=c, label="supported", support=1.0) for c in claims]


def test_no_check_comes_before_the_first_token(
    base: Pipeline, server: ScriptedServer, embedder: Embedder
) -> None:
    order: list[str] = []
    pipeline = Pipeline.open(
        base.folder,
        settings=Settings(llm=LlmSettings(model="small", base_url=server.base_url)),
        embedder=embedder,
        checker=Recording(order),
    )
    server.enqueue(f"{DAYS} [1] {CARD} [1]")
    for event in pipeline.stream(ASK):
        order.append(event.kind)
    pipeline.close()
    assert order.index("token") < order.index("check")
    assert "check" in order


# --- stopping -------------------------------------------------------------------------------------


def until(events: AnswerStream, kind: str) -> None:
    for event in events:
        if event.kind == kind:
            return


def test_a_stream_that_is_stopped_leaves_what_holds(make: Make, server: ScriptedServer) -> None:
    pipeline = make()
    server.enqueue(stalled(f"{DAYS} [1] The money ", "goes back ", "to ", seconds=20))
    events = pipeline.stream(ASK)
    until(events, "sentence")
    answer = events.stop()
    assert answer is not None
    exact(pipeline, answer)
    assert answer.text == f"{DAYS} [1]"
    assert answer.problems[-1] == "stopped before its end"
    assert events.stop() is answer
    assert list(events) == []


def test_what_waits_for_a_repair_is_not_lost(make: Make, server: ScriptedServer) -> None:
    server.enqueue(stalled(f"{INVENTED} [1] {CARD} [1] And then it ", "goes ", "on", seconds=20))
    events = make().stream(ASK)
    until(events, "token")
    until(events, "token")
    answer = events.stop()
    assert answer is not None
    assert [s.text for s in answer.sentences] == [CARD]
    assert any(INVENTED in problem for problem in answer.problems)
    assert len(server.requests) == 1  # nothing more is sent


def test_stopped_too_early_there_is_nothing(make: Make, server: ScriptedServer) -> None:
    server.enqueue(stalled("Refunds take ", seconds=20))
    events = make().stream(ASK)
    until(events, "token")
    assert events.stop() is None


def test_an_interrupt_in_the_middle_of_waiting(make: Make, server: ScriptedServer) -> None:
    """Ctrl-C comes while the next token is waited for."""
    server.enqueue(stalled(f"{DAYS} [1] The money ", "goes back ", seconds=20))
    events = make().stream(ASK)
    until(events, "sentence")
    main = threading.main_thread().ident
    threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        for _ in events:
            pass
    answer = events.stop()
    assert answer is not None
    assert answer.text == f"{DAYS} [1]"


SOON = 2.0  # seconds in which a stream ends that is stopped


class Elsewhere(threading.Thread):
    """Another thread that goes through a stream, with what it sees and what it trips over."""

    def __init__(self, events: AnswerStream) -> None:
        super().__init__()
        self.events, self.seen, self.error = events, list[str](), ""
        self.begun, self.settled = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        self.begun.set()
        try:
            for event in self.events:
                self.seen.append(event.kind)
                if event.kind == "sentence":
                    self.settled.set()
        except Exception as error:
            self.error = repr(error)

    def ended(self) -> list[str]:
        self.join(SOON)
        assert not self.is_alive()
        assert not self.error
        return self.seen


def stopped(events: AnswerStream) -> Answer | None:
    began = time.perf_counter()
    answer = events.stop()
    assert time.perf_counter() - began < SOON
    assert events.stop() is answer
    assert list(events) == []
    return answer


def test_another_thread_stops_it_in_the_middle(make: Make, server: ScriptedServer) -> None:
    pipeline = make()
    server.enqueue(stalled(f"{DAYS} [1] The money ", "goes back ", "to ", seconds=20))
    reading = Elsewhere(pipeline.stream(ASK))
    assert reading.settled.wait(20)
    time.sleep(0.2)  # until it waits for bytes
    answer = stopped(reading.events)
    assert answer is not None
    exact(pipeline, answer)
    assert (answer.text, answer.problems[-1]) == (f"{DAYS} [1]", "stopped before its end")
    assert "answer" not in reading.ended()
    assert len(server.requests) == 1


def test_another_thread_stops_it_before_the_first_byte(make: Make, server: ScriptedServer) -> None:
    server.enqueue(slow(20, f"{DAYS} [1]"))
    reading = Elsewhere(make(timeout=30, retries=2).stream(ASK))
    while not server.requests:
        time.sleep(0.01)
    assert stopped(reading.events) is None
    assert set(reading.ended()) <= {"passages"}
    assert len(server.requests) == 1


def test_another_thread_stops_it_while_it_pauses_before_another_try(
    make: Make, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_module, "_PAUSES", (20.0, 20.0))
    server.enqueue(truncated())
    reading = Elsewhere(make(retries=2).stream(ASK))
    while not server.requests:
        time.sleep(0.01)
    time.sleep(0.2)
    assert stopped(reading.events) is None
    assert set(reading.ended()) <= {"passages"}
    assert len(server.requests) == 1


def test_another_thread_stops_it_while_a_sentence_is_written_again(
    make: Make, server: ScriptedServer
) -> None:
    server.enqueue(f"{INVENTED} [1] {CARD} [1]", slow(20, "never read"))
    reading = Elsewhere(make().stream(ASK))
    while len(server.requests) < 2:
        time.sleep(0.01)
    answer = stopped(reading.events)
    assert answer is not None
    assert [s.text for s in answer.sentences] == [CARD]
    assert any(INVENTED in problem for problem in answer.problems)
    assert "answer" not in reading.ended()


def test_another_thread_stops_it_while_the_question_is_rewritten(
    make: Make, server: ScriptedServer
) -> None:
    server.enqueue(slow(20, "never read"))
    history = [Turn(role="user", text=ASK), Turn(role="assistant", text=DAYS)]
    reading = Elsewhere(make().stream("And to which card?", history=history))
    while not server.requests:
        time.sleep(0.01)
    assert stopped(reading.events) is None
    reading.ended()
    assert len(server.requests) == 1


@pytest.mark.parametrize("wait", [0.0, 0.002, 0.01, 0.03, 0.06, 0.1, 0.15, 0.3])
def test_another_thread_stops_it_at_any_moment(
    make: Make, server: ScriptedServer, wait: float
) -> None:
    pipeline = make()
    server.enqueue(stream(*f"{DAYS} [1] {CARD} [1]".split(" "), pause=0.005))
    events = pipeline.stream(ASK)
    reading = Elsewhere(events)
    reading.begun.wait()
    time.sleep(wait)
    answer = stopped(events)
    reading.ended()
    if answer is not None:
        exact(pipeline, answer)


def test_stopped_before_it_is_begun(make: Make, server: ScriptedServer) -> None:
    events = make().stream(ASK)
    assert stopped(events) is None
    assert server.requests == []


def test_a_quoted_answer_is_stopped_too(base: Pipeline) -> None:
    events = base.stream(ASK)
    reading = Elsewhere(events)
    reading.join()
    answer = stopped(events)
    assert answer is not None
    assert reading.ended()[-1] == "answer"
    assert DAYS in answer.text


def test_a_whole_answer_stays_whole(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"{DAYS} [1]")
    events = make().stream(ASK)
    whole = [event.answer for event in events][-1]
    assert events.stop() is whole


def test_a_reply_that_breaks_off_is_an_error(make: Make, server: ScriptedServer) -> None:
    pipeline = make()
    server.enqueue(*[truncated(f"{DAYS} [1] {INVENTED} [1] {CARD} [1] The ", "end")] * 2)
    events = pipeline.stream(ASK)
    seen = []
    with pytest.raises(ModelError, match="broke off in the middle"):
        for event in events:
            seen.append(event)
    answer = seen[-1].answer
    assert answer is not None
    exact(pipeline, answer)
    assert answer.text == f"{DAYS} [1] {CARD} [1]"
    assert tuple(event.sentence for event in seen if event.sentence) == answer.sentences
    assert answer.problems[-1].startswith("stopped before its end: http")
    assert [e.text for e in seen if e.kind == "sentence_withdrawn"] == [INVENTED, "The end"]
    assert events.stop() is answer
    assert len(server.requests) == 1  # the model is not asked to mend what failed
    with pytest.raises(ModelError, match="broke off in the middle"):
        pipeline.ask(ASK)


def test_a_reply_that_breaks_off_too_early_leaves_nothing(
    make: Make, server: ScriptedServer
) -> None:
    server.enqueue(truncated("Refunds take 5.", "5"))
    events = make().stream(ASK)
    with pytest.raises(ModelError):
        list(events)
    assert events.stop() is None


def test_json_that_breaks_off_keeps_its_whole_sentences(make: Make, server: ScriptedServer) -> None:
    said = json.dumps({"text": DAYS, "citations": [1]})
    server.enqueue(truncated('{"answerable": true, "sentences": [', said, ', {"text": "The mon'))
    events = make(structured=True).stream(ASK)
    with pytest.raises(ModelError, match="broke off"):
        list(events)
    assert events.answer is not None
    assert events.answer.text == f"{DAYS} [1]"


# --- what is sent ---------------------------------------------------------------------------------


def test_a_plan_is_what_is_sent(make: Make, server: ScriptedServer) -> None:
    pipeline = make(api_key="secret-key-1")
    plan = pipeline.plan(ASK)
    assert server.requests == []
    [request] = plan.requests
    assert request.url == f"{server.base_url}/chat/completions"
    assert "secret-key-1" not in str(plan) + repr(plan) + str(plan.to_json())
    assert request.authorization.startswith("***")
    server.enqueue(f"{DAYS} [1]")
    pipeline.ask(ASK)
    [sent] = server.requests
    assert sent.body == request.body
    assert sent.headers["authorization"] == "Bearer secret-key-1"


def test_a_plan_may_be_to_send_nothing(base: Pipeline, make: Make) -> None:
    assert "no language model is configured" in str(base.plan(ASK).reason)
    plan = make({"ask_model_from": 0.9}).plan("Who was the first person on the moon?")
    assert "next to nothing" in str(plan.reason)
    assert plan.requests == ()


# --- conversation ---------------------------------------------------------------------------------

TALK = [Turn(role="user", text=ASK), Turn(role="assistant", text=DAYS)]


def rewriting(reply: str) -> Callable[[Request], str | Scripted]:
    """Answer requests to rewrite with the reply, and all others with a sentence."""

    def respond(request: Request) -> str | Scripted:
        asked = "write that question" in request.text
        return completion(reply, sent=7) if asked else f"{CARD} [1]"

    return respond


def test_follow_ups_are_rewritten_by_the_model(make: Make, server: ScriptedServer) -> None:
    server.respond = rewriting("Where does the money of refunds go?")
    answer = make().ask("and where does it go?", history=TALK)
    assert answer.standalone == "Where does the money of refunds go?"
    assert answer.question == "and where does it go?"
    assert answer.usage is not None
    assert answer.usage.input_tokens == 107


@pytest.mark.parametrize(
    "reply",
    [
        "Where does the money of Brightwater refunds go?",
        "Where do refunds of 500 euros go?",
        "Sure!\nHere is the question.",
        "",
        "where " * 200,
    ],
)
def test_a_rewriting_that_invents_is_not_used(
    make: Make, server: ScriptedServer, reply: str
) -> None:
    server.respond = rewriting(reply)
    answer = make().ask("and where does it go?", history=TALK)
    assert answer.standalone.startswith("and where does it go?")
    assert "refunds" in answer.standalone


def test_without_a_history_nothing_is_rewritten(make: Make, server: ScriptedServer) -> None:
    server.enqueue(f"{DAYS} [1]")
    assert make().ask(ASK).standalone == ASK
    assert len(server.requests) == 1


def test_a_model_that_is_gone_is_met_by_the_answer(make: Make, server: ScriptedServer) -> None:
    pipeline = make()
    server.stop()
    with pytest.raises(ModelError, match="is the server running"):
        pipeline.ask("and where does it go?", history=TALK)


# --- versions that disagree -----------------------------------------------------------------------


def test_versions_that_disagree_are_both_told(
    server: ScriptedServer, embedder: Embedder, tmp_path: Path
) -> None:
    for year, days in ((2023, "ten"), (2025, "five")):
        (tmp_path / f"refunds-{year}.md").write_text(
            f"---\ndate: {year}-02-01\n---\n# Refund policy {year}\n\n"
            f"Refunds take {days} business days after the parcel has arrived.\n"
        )
    llm = LlmSettings(model="small", base_url=server.base_url)
    with Pipeline.open(
        tmp_path / ".rag", settings=Settings(llm=llm), embedder=embedder
    ) as pipeline:
        pipeline.ingest(tmp_path)
        said = "Refunds take {} business days after the parcel has arrived."
        server.respond = lambda _: f"{said.format('five')} [1] {said.format('ten')} [2]"
        answer = pipeline.ask(ASK)
        exact(pipeline, answer)
    assert [s.text for s in answer.sentences] == [said.format("five"), said.format("ten")]
    assert {str(c.published) for c in answer.citations} == {"2023-02-01", "2025-02-01"}
    assert any(problem.startswith("versions disagree: ") for problem in answer.problems)


# --- hard questions -------------------------------------------------------------------------------

BOTH = "What is the difference between a red light of the hub and the refund of a parcel?"
PARTS = "What does a red light of the hub mean?\nHow is a parcel refunded?"


def splitting(parts: str, answer: str) -> Callable[[Request], str | Scripted]:
    return lambda request: parts if "You split a question" in request.text else answer


def test_a_hard_question_is_looked_up_in_parts(make: Make, server: ScriptedServer) -> None:
    server.respond = splitting(PARTS, "The light of the hub is red when it is offline. [2]")
    pipeline = make()
    answer = pipeline.ask(BOTH)
    exact(pipeline, answer)
    assert len(server.requests) == 2
    assert BOTH in server.requests[1].text
    assert {p.uri.rpartition("/")[2] for p in answer.passages} == {"refunds.md", "hub.md"}
    assert "decompose_ms" in answer.timings
    assert answer.usage is not None
    assert answer.usage.input_tokens == 200
    assert not answer.abstained


@pytest.mark.parametrize("parts", [BOTH, "", "What of Brightwater?\nWhat of Lisbon?"])
def test_without_parts_it_is_looked_up_as_it_is(
    make: Make, server: ScriptedServer, parts: str
) -> None:
    server.respond = splitting(parts or " ", f"{DAYS} [1]")
    answer = make({"ask_model_from": 0.0}).ask(BOTH)
    assert len(server.requests) == 2
    assert answer.passages


def test_taking_questions_apart_can_be_turned_off(make: Make, server: ScriptedServer) -> None:
    server.respond = splitting(PARTS, f"{DAYS} [1]")
    make({"decompose": False, "ask_model_from": 0.0}).ask(BOTH)
    assert len(server.requests) == 1


def test_the_plan_of_a_hard_question(make: Make, server: ScriptedServer) -> None:
    server.respond = splitting(" ", f"{DAYS} [1]")
    pipeline = make({"ask_model_from": 0.0})
    plan = pipeline.plan(BOTH)
    pipeline.ask(BOTH)
    assert [request.body for request in plan.requests] == [r.body for r in server.requests]


# --- settings -------------------------------------------------------------------------------------


def test_a_model_with_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_LLM__API_KEY", "for-another")
    monkeypatch.setenv("RAG_LLM__BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("GROQ_API_KEY", "for-groq")
    llm = Settings.with_model(tmp_path, "ollama/llama3.2").llm
    assert (llm.preset, llm.model) == ("ollama", "llama3.2")
    assert llm.address == "http://127.0.0.1:11434/v1"
    assert llm.api_key is None
    llm = Settings.with_model(tmp_path, "groq/some/model").llm
    assert llm.model == "some/model"
    assert llm.api_key is not None
    assert llm.api_key.get_secret_value() == "for-groq"
    llm = Settings.with_model(tmp_path, "meta-llama/Llama").llm
    assert (llm.model, llm.address) == ("meta-llama/Llama", "http://127.0.0.1:9/v1")
    assert llm.api_key is not None
    monkeypatch.setenv("RAG_LLM__PRESET", "vllm")
    llm = Settings.with_model(tmp_path, "vllm/other").llm
    assert llm.address == "http://127.0.0.1:9/v1"


def test_the_plan_of_quotes_to_reword(make: Make, server: ScriptedServer) -> None:
    plan = make({"generator": "rewrite"}).plan(ASK)
    [request] = plan.requests
    assert DAYS in str(request.body["messages"])
    assert not server.requests
