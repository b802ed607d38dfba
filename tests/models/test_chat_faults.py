"""Whatever a server does wrong: one exact sentence, in time, with what came before it kept.

Each line of the table of issue 6 is tried against the loopback server, streamed and at once.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from rag.errors import ModelError
from rag.models import chat, wire
from rag.models.chat import ChatModel
from rag.settings import LlmSettings
from rag.testing.scripted_llm import (
    DONE,
    EVENTS,
    HANG_UP,
    Scripted,
    ScriptedServer,
    babble,
    bytewise,
    completion,
    endless,
    error,
    event,
    events,
    heartbeat,
    line,
    raw,
    slow,
    stalled,
    stream,
    truncated,
)
from rag.types import Usage

KEY = "sk-hush-hush-1234567890"
ASK = [{"role": "user", "content": "How long?"}]

Make = Callable[..., ChatModel]
Say = Callable[[ChatModel], str]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        yield made


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_PAUSES", (0.01, 0.02))


@pytest.fixture
def make(server: ScriptedServer) -> Iterator[Make]:
    made: list[ChatModel] = []

    def make(**settings: Any) -> ChatModel:
        given = {"model": "small", "base_url": server.base_url, "api_key": KEY, "retries": 1}
        made.append(ChatModel(LlmSettings(**{**given, "timeout": 0.5, **settings})))
        return made[-1]

    yield make
    for model in made:
        model.close()


def at_once(model: ChatModel) -> str:
    return model.complete(ASK).text


def streamed(model: ChatModel) -> str:
    return "".join(model.stream(ASK))


BOTH = pytest.mark.parametrize("say", [at_once, streamed])


def sentence_of(say: Say, model: ChatModel) -> tuple[str, str]:
    """Return the error's sentence without the address, and what had come."""
    began = time.perf_counter()
    with pytest.raises(ModelError) as caught:
        say(model)
    assert time.perf_counter() - began < 4
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "hush" not in sentence
    assert caught.value.exit_status == 1
    assert caught.value.__cause__ is None
    return sentence.replace(model.where, "SERVER"), caught.value.partial


# --- the table: faults before the first token ----------------------------------------------------

PROTOCOL = (
    "but not as OpenAI's protocol has it: is llm.base_url the root of its API (it often ends in "
    "/v1)?"
)
LATE = "SERVER did not answer within 0.5 seconds: raise llm.timeout, or try later"
BEFORE: dict[str, tuple[list[str | Scripted], str, int]] = {
    "401": (
        [error(401, "Incorrect API key: sk-hu***890")],
        "SERVER refuses the key: check RAG_LLM__API_KEY, or OPENAI_API_KEY if that is not set, in "
        "the environment",
        1,
    ),
    "401 that is a 400, LiteLLM's": (
        [raw(b'{"error":{"message":"No connected db.","type":"no_db_connection","param":null,'
             b'"code":"400"}}', status=400)],
        "SERVER refuses the key: check RAG_LLM__API_KEY, or OPENAI_API_KEY if that is not set, in "
        "the environment",
        1,
    ),
    "403": (
        [error(403, "not in your plan.")],
        "SERVER does not allow this key to use small: not in your plan",
        1,
    ),
    "404 model": (
        [error(404, "The model 'small' does not exist")],
        "SERVER does not know the model small: check llm.model, and that llm.base_url is the root "
        "of its API (it often ends in /v1). It said: The model 'small' does not exist",
        1,
    ),
    "404 model that is a 400, LiteLLM's": (
        [raw(b'{"error":{"message":"/chat/completions: Invalid model name passed in model=small. '
             b'Call `/v1/models` to view available models for your key.","type":'
             b'"invalid_request_error","param":null,"code":"400"}}', status=400)],
        "SERVER does not know the model small: check llm.model, and that llm.base_url is the root "
        "of its API (it often ends in /v1). It said: /chat/completions: Invalid model name passed "
        "in model=small. Call `/v1/models` to view available models for your key",
        1,
    ),
    "429 without Retry-After": (
        [replace(error(429, "slow down"), headers={})] * 2,
        "SERVER still limits the rate (llm.retries is 1): wait, or raise llm.retries. It said: "
        "slow down",
        2,
    ),
    "429 with a short Retry-After": (
        [error(429, "slow down", retry_after="1")] * 2,
        "SERVER still limits the rate (llm.retries is 1), and asks for a pause of 1 seconds: "
        "wait, or raise llm.retries. It said: slow down",
        2,
    ),
    "429 with a Retry-After of an hour is not waited for": (
        [error(429, "come back later", retry_after="3600")],
        "SERVER still limits the rate (llm.retries is 1), and asks for a pause of 3600 seconds: "
        "wait, or raise llm.retries. It said: come back later",
        1,
    ),
    "429 without credit": (
        [error(429, "You exceeded your quota", code="insufficient_quota")],
        "the account at SERVER has no credit left: You exceeded your quota",
        1,
    ),
    "500": (
        [error(500, "out of memory")] * 2,
        "SERVER fails with status 500 (llm.retries is 1): try later. It said: out of memory",
        2,
    ),
    "500 without a word, transformers'": (
        [raw(b"Internal Server Error", "text/plain", 500)] * 2,
        "SERVER fails with status 500 (llm.retries is 1) and does not say why: check that it has "
        "the model small, and look into its log",
        2,
    ),
    "500 that is HTML": (
        [raw(b"<h1>Bad gateway</h1>", "text/html", 502)] * 2,
        "SERVER fails with status 502 (llm.retries is 1): try later. It said: "
        "<h1>Bad gateway</h1>",
        2,
    ),
    "400": (
        [error(400, "no adapter is loaded")],
        "SERVER refuses the request with status 400: check llm.model and the other settings in "
        "[llm]. It said: no adapter is loaded",
        1,
    ),
    "timeout": ([slow(1.5, "late")] * 2, LATE, 2),
    "malformed JSON": ([raw(b'{"choices": [{"mess')], f"SERVER answered, {PROTOCOL}", 1),
    "JSON of another kind": ([raw(b'{"hello": "world"}')], f"SERVER answered, {PROTOCOL}", 1),
    "not UTF-8": ([raw(b"\xff\xfe\x00")], f"SERVER answered, {PROTOCOL}", 1),
    "nested without end": ([raw(b"[" * 100_000)], f"SERVER answered, {PROTOCOL}", 1),
    "an error under a good status": (
        [raw(b'{"error": {"code": 502, "message": "the provider is down"}}')] * 2,
        "SERVER gave up (llm.retries is 1): try later. It said: the provider is down",
        2,
    ),
    "an error under a good status that stays": (
        [raw(b'{"object": "error", "message": "too long", "code": 400}')],
        "SERVER gave up (llm.retries is 1): try later. It said: too long",
        1,
    ),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("fault", BEFORE)
def test_a_fault_before_the_first_token(
    server: ScriptedServer, make: Make, say: Say, fault: str
) -> None:
    replies, sentence, tries = BEFORE[fault]
    server.enqueue(*replies)
    assert sentence_of(say, make()) == (sentence, "")
    assert len(server.requests) == tries


@BOTH
def test_a_refused_connection(make: Make, say: Say) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    sentence, _ = sentence_of(say, make(base_url=address))
    assert sentence == (
        "there is no connection to SERVER ([Errno 111] Connection refused): is the server "
        "running, and is llm.base_url right?"
    )


@BOTH
def test_a_server_that_hangs_up(server: ScriptedServer, make: Make, say: Say) -> None:
    server.enqueue(HANG_UP, HANG_UP)
    sentence, _ = sentence_of(say, make())
    assert sentence == (
        "there is no connection to SERVER (Server disconnected without sending a response): is "
        "the server running, and is llm.base_url right?"
    )
    assert len(server.requests) == 2


@BOTH
def test_a_key_that_is_wanted(server: ScriptedServer, make: Make, say: Say) -> None:
    server.enqueue(error(401, "who are you"))
    sentence, _ = sentence_of(say, make(api_key=None))
    assert sentence == (
        "SERVER wants a key: set RAG_LLM__API_KEY in the environment (OPENAI_API_KEY is not sent "
        "to a server that rag.toml names)"
    )


@BOTH
@pytest.mark.parametrize("form", ["text/html", "image/png", "application/x-ndjson"])
def test_a_wrong_content_type(server: ScriptedServer, make: Make, say: Say, form: str) -> None:
    server.enqueue(raw(b"<html>Welcome</html>", form))
    sentence, _ = sentence_of(say, make())
    said = f" with {form}" if say is streamed else ""
    assert sentence == f"SERVER answered{said}, {PROTOCOL}"


# --- faults of streams alone ----------------------------------------------------------------------

SILENT = (
    "SERVER fell silent in the middle of its reply for 0.5 seconds: ask again, or raise llm.timeout"
)
HUNG_UP = (
    "SERVER hung up before it answered (llm.retries is 1): ask again, and look into the log of "
    "the server if it stays so"
)


def unreadable(what: str) -> str:
    return (
        f"SERVER sent a stream that cannot be read ({what}): ask again; if it stays so, the "
        "server does not keep to OpenAI's protocol"
    )


STREAMS: dict[str, tuple[list[Scripted], str, str, int]] = {
    "silence before the first token": ([stalled()] * 2, LATE, "", 2),
    "comments before the first token": ([heartbeat()] * 2, LATE, "", 2),
    "events without text before the first token": (
        [Scripted(media_type=EVENTS, chunks=itertools.repeat(event("")), pause=0.02)] * 2,
        LATE,
        "",
        2,
    ),
    "silence after the first token": ([stalled("five ", "days")], SILENT, "five days", 1),
    "comments after the first token": (
        [events(event("five"), *[b": working\n\n"] * 40, pause=0.05)],
        SILENT,
        "five",
        1,
    ),
    "cut before the first token": ([truncated()] * 2, HUNG_UP, "", 2),
    "cut after the first token": (
        [truncated("five ", "da")],
        "SERVER broke off in the middle of its reply: ask again",
        "five da",
        1,
    ),
    "ended without a reason to stop": (
        [events(event("five"))],
        "SERVER broke off in the middle of its reply: ask again",
        "five",
        1,
    ),
    "malformed JSON before the first token": (
        [events(line('{"choices": [{"del'))], unreadable("an event is not JSON"), "", 1,
    ),
    "malformed JSON after the first token": (
        [events(event("five"), line("{oops"), event("days", finish="stop"), DONE)],
        unreadable("an event is not JSON"), "five", 1,
    ),
    "a line that is no field": (
        [events(event("five"), b"oops\n\n")],
        unreadable("a line begins with 'oops'"), "five", 1,
    ),
    "an event of another kind": (
        [events(line("[1, 2]"))], unreadable("an event is not one of a completion"), "", 1,
    ),
    "a text that is no text": (
        [events(event(choices=[{"delta": {"content": [{"text": 5}]}}]))],
        unreadable("an event has a text that is not text"), "", 1,
    ),
    "an error before the first token": (
        [events(line('{"error": {"message": "overloaded", "code": 503}}'))] * 2,
        "SERVER gave up (llm.retries is 1): try later. It said: overloaded", "", 2,
    ),
    "an error after the first token": (
        [events(event("five"), line('{"error": {"message": "overloaded"}}'))],
        "SERVER gave up in the middle of its reply: ask again. It said: overloaded", "five", 1,
    ),
    "an error as llama.cpp has it": (
        [events(b'error: {"code": 400, "message": "no such slot"}\n\n')],
        "SERVER gave up (llm.retries is 1): try later. It said: no such slot", "", 1,
    ),
    "an error without the name of its field": (
        [events(event("five"), b'{"error": "boom"}\n')],
        "SERVER gave up in the middle of its reply: ask again. It said: boom", "five", 1,
    ),
    "text that is no stream": (
        [raw(b"\n\n", "text/plain")], f"SERVER answered with text/plain, {PROTOCOL}", "", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", STREAMS)
def test_a_fault_of_a_stream(server: ScriptedServer, make: Make, fault: str) -> None:
    replies, sentence, partial, tries = STREAMS[fault]
    server.enqueue(*replies)
    assert sentence_of(streamed, make()) == (sentence, partial)
    assert len(server.requests) == tries


def test_what_came_before_a_cut_is_given_piece_by_piece(server: ScriptedServer, make: Make) -> None:
    server.enqueue(truncated("five ", "days"))
    got = []
    with pytest.raises(ModelError, match="broke off"):
        got.extend(make().stream(ASK))
    # extend() keeps what it took before the error.
    assert got == ["five ", "days"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "after 400,000 characters"),
        ({"max_tokens": 60}, "after 1,200 characters"),
        ({"max_tokens": 5}, "after 1,000 characters"),
    ],
)
def test_an_endless_stream(
    server: ScriptedServer, make: Make, settings: dict[str, int], sentence: str
) -> None:
    server.enqueue(endless("on and on " * 100 if not settings else "on and on "))
    said, partial = sentence_of(streamed, make(**settings))
    assert said == (
        f"SERVER did not stop and was cut off {sentence}: set llm.max_tokens, or choose another "
        "model"
    )
    assert partial.startswith("on and on on")
    assert len(partial) <= int(sentence.split()[1].replace(",", ""))
    assert server.left.wait(5)


def test_endless_reasoning(server: ScriptedServer, make: Make) -> None:
    thought = event(choices=[{"delta": {"reasoning_content": "hm " * 500}}])
    server.enqueue(Scripted(media_type=EVENTS, chunks=itertools.repeat(thought)))
    said, _ = sentence_of(streamed, make())
    assert "did not stop and was cut off after 400,000 characters" in said


def test_an_endless_line(
    server: ScriptedServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "LINE_BYTES", 50_000)
    server.enqueue(babble())
    said, _ = sentence_of(streamed, make())
    assert "was cut off after 50,000 bytes in one line" in said


def test_an_endless_body(
    server: ScriptedServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "BODY_BYTES", 50_000)
    server.enqueue(Scripted(chunks=itertools.repeat(b" " * 1000)))
    said, _ = sentence_of(at_once, make())
    assert "was cut off after 50,000 bytes" in said


def test_a_body_that_drips(server: ScriptedServer, make: Make) -> None:
    server.enqueue(*[Scripted(chunks=itertools.repeat(b" "), pause=0.05) for _ in range(2)])
    assert sentence_of(at_once, make()) == (LATE, "")


# --- empty replies --------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("reply", [completion(""), completion(None)])
def test_an_empty_reply_is_a_reply(
    server: ScriptedServer, make: Make, say: Say, reply: Scripted
) -> None:
    server.enqueue(reply)
    assert say(make()) == ""


@pytest.mark.parametrize(
    ("finished", "sentence"),
    [
        ("stop", "SERVER gave an empty reply (it stopped for: stop): ask again, or choose another "
                 "llm.model"),
        (None, "SERVER gave an empty reply: ask again, or choose another llm.model"),
        ("content_filter", "SERVER held the reply back (its content filter): word the question "
                           "otherwise, or choose another llm.model"),
        ("tool_calls", "SERVER called a tool instead of answering: choose another llm.model, or "
                       "turn tools off at the server"),
        ("length", "SERVER gave an empty reply: small had used up its tokens before it said "
                   "anything; raise llm.max_tokens"),
    ],
)  # fmt: skip
def test_the_sentence_for_an_empty_reply(make: Make, finished: str | None, sentence: str) -> None:
    model = make()
    said = model.empty(chat.Reply("", Usage(), finished))
    assert said.replace(model.where, "SERVER") == sentence


# --- tried again ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        error(429, "busy"),
        error(500, "oh no"),
        HANG_UP,
        slow(1.5, "late"),
        stalled(),
        truncated(),
        events(line('{"error": {"message": "overloaded", "code": 529}}')),
    ],
)
def test_a_stream_is_tried_again_before_its_first_token(
    server: ScriptedServer, make: Make, first: Scripted
) -> None:
    server.enqueue(first, stream("five ", "days"))
    assert streamed(make()) == "five days"
    assert len(server.requests) == 2


def test_tries_are_counted_together(server: ScriptedServer, make: Make) -> None:
    """The client's own tries and ours do not multiply."""
    server.enqueue(error(500, "oh no"), truncated(), error(500, "oh no"))
    with pytest.raises(ModelError, match="fails with status 500"):
        streamed(make(retries=2))
    assert len(server.requests) == 3
    server.enqueue(truncated())
    with pytest.raises(ModelError, match="hung up before it answered"):
        streamed(make(retries=0))
    assert len(server.requests) == 4


def test_pauses_grow_up_to_a_bound(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(chat, "_PAUSES", (0.5, 8.0))
    running = make(retries=7).stream(ASK)
    monkeypatch.setattr(running._stopping, "wait", slept.append)
    while running._again(wire.WireFault("cut", passing=True)):
        pass
    assert len(slept) == 7
    for pause, full in zip(slept, (0.5, 1, 2, 4, 8, 8, 8), strict=True):
        assert 0.75 * full <= pause <= full


# --- good streams ---------------------------------------------------------------------------------


def test_a_stream_with_its_usage_and_cost(server: ScriptedServer, make: Make) -> None:
    server.enqueue(stream("five", " days", sent=2000, received=500))
    model = make(prices={"input": 1.5, "output": 4})
    running = model.stream(ASK, max_tokens=70)
    assert server.requests == []
    assert list(running) == ["five", " days"]
    reply = running.reply
    assert (reply.text, reply.finished) == ("five days", "stop")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (2000, 500)
    assert reply.usage.cost == pytest.approx((2000 * 1.5 + 500 * 4) / 1e6)
    [request] = server.requests
    assert request.body == {
        "model": "small",
        "messages": ASK,
        "temperature": 0.0,
        "max_tokens": 70,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    "reply",
    [
        events(event("five days"), event(finish="stop")),  # no [DONE]
        events(event("five days"), event(finish="stop"), DONE.rstrip()),  # no empty line
        events(event("five "), event("days", finish="stop", usage={"prompt_tokens": 1}), DONE),
        events(b": hello\r\nevent: message\r\nid: 1\r\nretry: 5\r\n",
               event("five days", finish="stop").replace(b"\n", b"\r\n"), DONE),
        events(event(choices=[], prompt_filter_results=[]), event("five days", finish="stop")),
        events(event(choices=None), event("five days", finish="stop")),
        replace(stream("five", " days"), media_type="text/event-stream; charset=utf-8"),
        replace(stream("five", " days"), media_type="text/plain"),
        Scripted(event("five days") + DONE, media_type=EVENTS),
        bytewise(stream("five", " days")),
        stream(*"five days"),
    ],
)  # fmt: skip
def test_streams_as_servers_have_them(server: ScriptedServer, make: Make, reply: Scripted) -> None:
    server.enqueue(reply)
    assert streamed(make(timeout=10)) == "five days"


def test_letters_that_are_cut_in_transport(server: ScriptedServer, make: Make) -> None:
    text = "fünf Tage — 五天 😀"
    body = json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]},
                      ensure_ascii=False)  # fmt: skip
    server.enqueue(bytewise(events(line(body), DONE)))
    assert streamed(make()) == text


def test_half_a_character_is_no_trouble(server: ScriptedServer, make: Make) -> None:
    server.enqueue(events(event("five\ud83d", finish="stop"), DONE), completion("\udc00days"))
    assert streamed(make()) == "five?"
    assert at_once(make()) == "?days"


def test_reasoning_is_not_part_of_the_reply_and_keeps_it_alive(
    server: ScriptedServer, make: Make
) -> None:
    thought = event(choices=[{"delta": {"reasoning_content": "hm"}}])
    server.enqueue(events(*[thought] * 12, event("five days", finish="stop"), DONE, pause=0.06))
    assert streamed(make()) == "five days"


def test_a_slow_stream_is_not_a_silent_one(server: ScriptedServer, make: Make) -> None:
    server.enqueue(stream(*["word "] * 10, pause=0.08))
    assert streamed(make()) == "word " * 10


def test_the_first_piece_does_not_wait_for_the_last(server: ScriptedServer, make: Make) -> None:
    server.enqueue(stalled("five", seconds=2))
    began = time.perf_counter()
    with closing(make(timeout=5).stream(ASK)) as running:
        assert next(running) == "five"
        assert time.perf_counter() - began < 1


# --- what a server does not take ------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "Unrecognized request argument supplied: stream_options"),
        error(400, "extra fields not permitted", param="stream_options"),
        raw(b'{"detail": [{"loc": ["body", "stream_options"], "msg": "extra"}]}', status=422),
    ],
)
def test_usage_of_a_stream_that_a_server_does_not_know(
    server: ScriptedServer, make: Make, refusal: Scripted
) -> None:
    server.enqueue(refusal, "five days", "six days")
    model = make()
    assert streamed(model) == "five days"
    assert streamed(model) == "six days"
    assert ["stream_options" in r.body for r in server.requests] == [True, False, False]
    assert all(r.body["stream"] for r in server.requests)


def test_a_server_that_does_not_stream(server: ScriptedServer, make: Make) -> None:
    server.respond = lambda request: (
        error(400, "no streaming", code="unsupported_value", param="stream")
        if "stream" in request.body
        else "five days"
    )
    model = make()
    assert streamed(model) == "five days"
    assert "stream_options" not in server.requests[-1].body


def test_a_server_that_answers_at_once_all_the_same(server: ScriptedServer, make: Make) -> None:
    whole = completion("five days", sent=7, received=3).body
    server.enqueue(Scripted(chunks=[whole]))
    running = make().stream(ASK)
    assert list(running) == ["five days"]
    assert running.reply.usage.input_tokens == 7


def test_a_schema_that_is_refused_is_known_from_then_on(server: ScriptedServer, make: Make) -> None:
    server.enqueue(*[error(400, "no", param="response_format")] * 2, "five days")
    model = make(structured=True)
    assert model.takes_schema
    assert "".join(model.stream(ASK, schema={"type": "object"})) == "five days"
    assert not model.takes_schema
    assert not make().takes_schema


# --- cancelled ------------------------------------------------------------------------------------


def test_closing_hangs_up_at_once(server: ScriptedServer, make: Make) -> None:
    server.enqueue(endless())
    running = make().stream(ASK)
    assert next(running) == "on and on "
    running.close()
    assert server.left.wait(2)
    assert list(running) == []
    assert running.reply.text == "on and on "
    assert running.reply.finished is None


def test_leaving_a_with_statement_hangs_up(server: ScriptedServer, make: Make) -> None:
    server.enqueue(endless())
    with make().stream(ASK) as running:
        next(running)
    assert server.left.wait(2)


def test_another_thread_may_close(server: ScriptedServer, make: Make) -> None:
    server.enqueue(stalled("five", seconds=20))
    running = make(timeout=20).stream(ASK)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.extend(running))
    reader.start()
    while not running.reply.text:
        time.sleep(0.01)
    time.sleep(0.1)  # until it waits for bytes
    running.close()
    reader.join(2)
    assert not reader.is_alive()
    assert got == ["five"]


def test_closing_before_the_start_sends_nothing(server: ScriptedServer, make: Make) -> None:
    running = make().stream(ASK)
    running.close()
    assert list(running) == []
    assert server.requests == []


def test_a_model_can_be_asked_again_after_every_fault(server: ScriptedServer, make: Make) -> None:
    model = make(retries=0)
    for fault in (truncated("a"), events(line("{")), endless(), raw(b"{"), HANG_UP):
        server.enqueue(fault, "five days")
        with pytest.raises(ModelError):
            "".join(model.stream(ASK, max_tokens=10))
        assert streamed(model) == "five days"


def test_threads_share_a_model(server: ScriptedServer, make: Make) -> None:
    server.respond = lambda request: request.text
    model = make(timeout=10)
    said: dict[int, str] = {}

    def ask(n: int) -> None:
        said[n] = "".join(model.stream([{"role": "user", "content": f"number {n}"}]))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {n: f"number {n}" for n in range(8)}
