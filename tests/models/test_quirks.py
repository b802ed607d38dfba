"""What servers do that OpenAI's does not: a table, and for each line of it the exact outcome.

The wordings are those of the servers that are named, to the letter where they have one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rag.errors import ModelError
from rag.models.chat import ChatModel, Reply
from rag.testing.scripted_llm import (
    DONE,
    EVENTS,
    HANG_UP,
    Scripted,
    ScriptedServer,
    bytewise,
    completion,
    event,
    events,
    line,
    raw,
    respelled,
    slow,
    stalled,
    stream,
    truncated,
)

ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}]

Make = Callable[..., ChatModel]


def message(finish: str | None = "stop", **fields: Any) -> Scripted:
    """A reply at once whose message has these fields."""
    return completion(None, choices=[{"message": fields, "finish_reason": finish}])


def step(finish: str | None = None, **delta: Any) -> bytes:
    """An event whose delta has these fields."""
    return event(choices=[{"delta": delta, "finish_reason": finish}])


def said(reply: Reply) -> tuple[str, str | None, str]:
    return reply.text, reply.finished, reply.refusal


# --- what a reply looks like: text, why it stopped, refusal ---------------------------------------

PART = {"type": "text", "text": "five"}
WHOLE: dict[str, tuple[Scripted, tuple[str, str | None, str]]] = {
    "parts": (message(content=[PART, {"type": "text", "text": "s"}]), ("fives", "stop", "")),
    "one part without a list": (message(content=PART), ("five", "stop", "")),
    "parts that are texts": (message(content=["five", " days"]), ("five days", "stop", "")),
    "a part without a kind": (message(content=[{"text": "five"}]), ("five", "stop", "")),
    "a text in a value": (
        message(content=[{"type": "text", "text": {"value": "five"}}]), ("five", "stop", "")
    ),
    "a thought among the parts": (
        message(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, PART]),
        ("five", "stop", ""),
    ),
    "a picture among the parts": (
        message(content=[{"type": "image_url", "image_url": {}}, PART]), ("five", "stop", "")
    ),
    "no parts": (message(content=[]), ("", "stop", "")),
    "no content": (message(role="assistant"), ("", "stop", "")),
    "a refusal": (message(content=None, refusal="I cannot."), ("", "stop", "I cannot.")),
    "a refusal among the parts": (
        message(content=[{"type": "refusal", "refusal": "No."}]), ("", "stop", "No.")
    ),
    "an empty refusal": (message(content="five", refusal=None), ("five", "stop", "")),
    "reasoning beside it": (message(content="five", reasoning_content="hm"), ("five", "stop", "")),
    "tool calls": (
        message("tool_calls", content=None, tool_calls=[{"id": "1"}]), ("", "tool_calls", "")
    ),
    "a plain completion": (
        completion(None, choices=[{"text": "five", "finish_reason": "stop"}]), ("five", "stop", "")
    ),
    "more fields than are known": (
        message(content="five", annotations=[], audio=None), ("five", "stop", "")
    ),
    "a byte order mark": (
        raw(b"\xef\xbb\xbf" + completion("five").body), ("five", "stop", "")
    ),
    "a stream that nobody asked for": (stream("five", " days"), ("five days", "stop", "")),
    "an error that is null": (
        replace(completion("five", error=None)), ("five", "stop", "")
    ),
    "MiniMax's all is well": (
        completion("five", base_resp={"status_code": 0, "status_msg": "success"}),
        ("five", "stop", ""),
    ),
}  # fmt: skip


@pytest.mark.parametrize("quirk", WHOLE)
def test_a_reply_at_once(server: ScriptedServer, make: Make, quirk: str) -> None:
    reply, outcome = WHOLE[quirk]
    server.enqueue(reply)
    assert said(make().complete(ASK)) == outcome


FINISHES = {
    "stop": "stop", "eos_token": "stop", "end_turn": "stop", "STOP": "stop",
    "length": "length", "MAX_TOKENS": "length", "model_length": "length",
    "content_filter": "content_filter", "SAFETY": "content_filter",
    "RECITATION": "content_filter", "sensitive": "content_filter",
    "tool_calls": "tool_calls", "function_call": "tool_calls", "tool_use": "tool_calls",
    "": None, "whatever": "whatever",
}  # fmt: skip


@pytest.mark.parametrize("word", FINISHES)
def test_why_it_stopped(server: ScriptedServer, make: Make, word: str) -> None:
    server.enqueue(completion("five", finish=word))
    assert make().complete(ASK).finished == FINISHES[word]


@pytest.mark.parametrize("word", ["error", "abort", "insufficient_system_resource"])
def test_a_reply_that_stopped_for_an_error(server: ScriptedServer, make: Make, word: str) -> None:
    server.enqueue(completion("fi", finish=word), "five")
    assert make(retries=1).complete(ASK).text == "five"
    server.enqueue(events(event("fi"), event(finish=word), DONE))
    with pytest.raises(ModelError, match=f"in the middle .* It said: it stopped for: {word}$"):
        "".join(make().stream(ASK))


EMPTY = {
    "content_filter": "SERVER held the reply back (its content filter): word the question "
    "otherwise, or choose another llm.model",
    "tool_calls": "SERVER called a tool instead of answering: choose another llm.model, or turn "
    "tools off at the server",
    "length": "SERVER gave an empty reply: small had used up its tokens before it said anything; "
    "raise llm.max_tokens",
    "pause": "SERVER gave an empty reply (it stopped for: pause): ask again, or choose another "
    "llm.model",
}


@pytest.mark.parametrize("finish", EMPTY)
def test_a_reply_without_a_word(server: ScriptedServer, make: Make, finish: str) -> None:
    server.enqueue(completion(None, finish=finish))
    model = make()
    assert model.empty(model.complete(ASK)).replace(model.where, "SERVER") == EMPTY[finish]


# --- streams: all of these say "five days" --------------------------------------------------------

FIVE, DAYS = event("five "), event("days", finish="stop")
SPREAD = (
    b'data: {"choices": [\ndata: {"delta": {"content": "five days"},\n'
    b'data:  "finish_reason": "stop"}]}\n\n'
)
STREAMS: dict[str, Scripted] = {
    "CR LF": respelled(stream("five ", "days"), b"\r\n"),
    "CR alone": respelled(stream("five ", "days"), b"\r"),
    "CR LF, a byte at a time": bytewise(respelled(events(FIVE, DAYS, DONE), b"\r\n"), 0),
    "CR alone, a byte at a time": bytewise(respelled(events(FIVE, DAYS, DONE), b"\r"), 0),
    "CR LF cut in two": events(FIVE.rstrip() + b"\r", b"\n\r", b"\n", DAYS, DONE),
    "a byte order mark": events(b"\xef\xbb\xbf", FIVE, DAYS, DONE),
    "a byte order mark in the first event": events(b"\xef\xbb\xbf" + FIVE, DAYS, DONE),
    "data over several lines": events(SPREAD, DONE),
    "data over several lines, CR LF": respelled(events(SPREAD, DONE), b"\r\n"),
    "no empty lines": events(*(one.rstrip() + b"\n" for one in (FIVE, DAYS, DONE))),
    "empty lines in between": events(b"\n\n", FIVE, b"\n\n\n", DAYS, b"\n", DONE),
    "no space after the colon": events(FIVE.replace(b"data: ", b"data:"), DAYS, DONE),
    "comments": events(b": OPENROUTER PROCESSING\n\n", FIVE, b":\n\n", DAYS, DONE),
    "a comment in an event": events(b": hm\n" + FIVE, DAYS, DONE),
    "names of events": events(b"event: message\n" + FIVE, b"event: message\n" + DAYS, DONE),
    "an event with a name alone": events(b"event: ping\n\n", FIVE, DAYS, DONE),
    "an event with empty data": events(b"data: \n\n", b"data:\n\n", FIVE, DAYS, DONE),
    "ids and pauses": events(b"id: 7\nretry: 10\n" + FIVE, DAYS, DONE),
    "no [DONE]": events(FIVE, DAYS),
    "no [DONE], cut": replace(events(FIVE, DAYS), cut=True),
    "no [DONE], and never an end": replace(events(FIVE, DAYS), stay=30.0),
    "no end of the last line": events(FIVE, DAYS.rstrip()),
    "[DONE] without a reason to stop": events(FIVE, event("days"), DONE),
    "something behind [DONE]": events(FIVE, DAYS, DONE, b"oops\n\n"),
    "usage behind the reason to stop": events(FIVE, DAYS, event(choices=[], usage={}), DONE),
    "usage in every event": events(event("five ", usage={"prompt_tokens": 1}), DAYS, DONE),
    "usage that is null": events(event("five ", usage=None), DAYS, DONE),
    "no choices at first": events(event(choices=[], prompt_filter_results=[{}]), FIVE, DAYS, DONE),
    "choices that are null": events(event(choices=None), FIVE, DAYS, DONE),
    "no delta": events(event(choices=[{"index": 0, "finish_reason": None}]), FIVE, DAYS, DONE),
    "a delta that is null": events(event(choices=[{"delta": None}]), FIVE, DAYS, DONE),
    "content that is null": events(step(role="assistant", content=None), FIVE, DAYS, DONE),
    "parts": events(step(content=[{"type": "text", "text": "five "}]), DAYS, DONE),
    "thoughts among parts": events(
        step(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]),
        FIVE, DAYS, DONE,
    ),
    "reasoning": events(step(reasoning_content="hm"), FIVE, DAYS, DONE),
    "reasoning by another name": events(step(reasoning="hm", content=""), FIVE, DAYS, DONE),
    "plain completions": events(
        event(choices=[{"text": "five "}]),
        event(choices=[{"text": "days", "finish_reason": "stop"}]),
    ),
    "a message in the only event": events(
        event(choices=[{"message": {"content": "five days"}, "finish_reason": "stop"}]), DONE
    ),
    "the reason to stop in every event": events(event("five ", finish=""), DAYS, DONE),
    "tool calls that are empty": events(step(content="five ", tool_calls=[]), DAYS, DONE),
    "charset": replace(stream("five ", "days"), media_type=f"{EVENTS};charset=UTF-8"),
    "no media type": replace(stream("five ", "days"), media_type=""),
    "JSON in place of a stream": completion("five days", system_fingerprint=None),
}  # fmt: skip


@pytest.mark.parametrize("quirk", STREAMS)
def test_a_stream(server: ScriptedServer, make: Make, quirk: str) -> None:
    server.enqueue(STREAMS[quirk])
    running = make(timeout=1.0).stream(ASK)
    assert "".join(running) == "five days"
    assert running.reply.refusal == ""


def test_an_event_is_given_when_its_data_is_whole(server: ScriptedServer, make: Make) -> None:
    server.enqueue(replace(events(FIVE.rstrip() + b"\n"), stay=3.0))
    began = time.perf_counter()
    with make().stream(ASK) as running:
        assert next(running) == "five "
    assert time.perf_counter() - began < 1.5


ENDS: dict[str, tuple[list[str], str]] = {
    "left in, transformers'": (["1, ", "2, ", "END"], "1, 2, "),
    "not heeded": (["1, EN", "D 2, END 3"], "1, "),
    "in pieces": (["1, E", "N", "D"], "1, "),
    "only begun": (["1, E", "Nd ##", " EN"], "1, ENd ## EN"),
    "another one": (["1, ", "##", "# END"], "1, "),
    "at once": (["END"], ""),
}


@pytest.mark.parametrize("quirk", ENDS)
def test_a_text_to_stop_at(server: ScriptedServer, make: Make, quirk: str) -> None:
    pieces, outcome = ENDS[quirk]
    server.enqueue(stream(*pieces), completion("".join(pieces)))
    model = make(stop=("END", "###"))
    running = model.stream(ASK)
    assert "".join(running) == outcome
    assert running.reply.finished == "stop"
    assert model.complete(ASK).text == outcome


def test_what_comes_behind_a_text_to_stop_at_is_counted(server: ScriptedServer, make: Make) -> None:
    server.enqueue(stream("five", "END", " more", finish="length", received=40))
    reply = make(stop=("END",)).complete(ASK)
    assert (reply.text, reply.finished, reply.usage.output_tokens) == ("five", "stop", 40)


def test_a_refusal_in_a_stream(server: ScriptedServer, make: Make) -> None:
    server.enqueue(events(step(refusal="I "), step("stop", refusal="cannot."), DONE))
    assert said(make().stream(ASK).whole()) == ("", "stop", "I cannot.")


def test_usage_with_its_details(server: ScriptedServer, make: Make) -> None:
    counted = {
        "prompt_tokens": 50, "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }  # fmt: skip
    deepseek = {"prompt_tokens": 50, "completion_tokens": 9, "prompt_cache_hit_tokens": 40}
    server.enqueue(
        completion("five", usage=counted), events(DAYS, event(choices=[], usage=deepseek), DONE)
    )
    usage = make().complete(ASK).usage
    assert (usage.input_tokens, usage.cached_tokens, usage.reasoning_tokens) == (50, 40, 4)
    usage = make().stream(ASK).whole().usage
    assert (usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens) == (9, 40, None)


# --- errors under a good status -------------------------------------------------------------------

IN_BODY: dict[str, tuple[Any, str]] = {
    "an object": ({"error": {"message": "boom", "code": 400}}, "boom"),
    "a text": ({"error": "boom"}, "boom"),
    "a list": ([{"error": {"message": "boom", "status": "INVALID"}}], "boom"),
    "FastAPI's": ({"detail": "boom"}, "boom"),
    "several": ({"errors": [{"message": "boom"}]}, "boom"),
    "MiniMax's": ({"base_resp": {"status_code": 1004, "status_msg": "boom"}}, "boom"),
    "by number": ({"code": 1301, "msg": "boom"}, "boom"),
    "vLLM's": ({"object": "error", "message": "boom", "code": 400}, "boom"),
    "Anthropic's": ({"type": "error", "error": {"type": "api_error", "message": "boom"}}, "boom"),
    "in a choice": ({"choices": [{"error": {"code": 502, "message": "boom"}}]}, "boom"),
    "OpenRouter's": (
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "boom"}}},
        "Provider returned error: boom",
    ),
}


@pytest.mark.parametrize("form", ["at once", "event", "named event"])
@pytest.mark.parametrize("quirk", IN_BODY)
def test_an_error_under_a_good_status(
    server: ScriptedServer, make: Make, quirk: str, form: str
) -> None:
    given, sentence = IN_BODY[quirk]
    data = json.dumps(given)
    replies = {"at once": raw(data.encode()), "event": events(line(data)),
               "named event": events(b"event: error\n" + line(data))}  # fmt: skip
    server.enqueue(replies[form])
    model = make()
    with pytest.raises(ModelError) as caught:
        model.complete(ASK) if form == "at once" else "".join(model.stream(ASK))
    assert str(caught.value).replace(model.where, "SERVER") == (
        f"SERVER gave up (llm.retries is 0): try later. It said: {sentence}"
    )


def test_an_error_in_plain_words(server: ScriptedServer, make: Make) -> None:
    server.enqueue(events(b"event: error\ndata: out of memory\n\n"))
    with pytest.raises(ModelError, match=r"gave up .* It said: out of memory$"):
        "".join(make().stream(ASK))


# --- time -----------------------------------------------------------------------------------------

LATE: dict[str, tuple[Scripted, dict[str, Any], str]] = {
    "before the status": (slow(1.0, "five"), {}, "0.2 seconds: raise llm.timeout, or try later"),
    "before the first token": (stalled(), {}, "0.2 seconds: raise llm.timeout, or try later"),
    "before the status, by a bound of its own": (
        slow(1.2, "five"), {"first_token_timeout": 0.3, "timeout": 3.0},
        "0.3 seconds: raise llm.first_token_timeout, or try later",
    ),
    "before the first token, by a bound of its own": (
        stalled(), {"first_token_timeout": 0.3, "timeout": 3.0},
        "0.3 seconds: raise llm.first_token_timeout, or try later",
    ),
}  # fmt: skip


@pytest.mark.parametrize("quirk", LATE)
def test_a_slow_server_is_asked_twice_at_most(
    server: ScriptedServer, make: Make, quirk: str
) -> None:
    reply, settings, sentence = LATE[quirk]
    server.respond = lambda _: reply
    began = time.perf_counter()
    with pytest.raises(ModelError, match=f"did not answer within {sentence}$"):
        "".join(make(**{"retries": 5, "timeout": 0.2, **settings}).stream(ASK))
    assert time.perf_counter() - began < 2.5
    assert len(server.requests) == 2


def test_a_slow_prompt_and_quick_tokens(server: ScriptedServer, make: Make) -> None:
    server.enqueue(slow(0.6, stream("five ", "days")))
    model = make(first_token_timeout=3.0, timeout=0.2)
    assert "".join(model.stream(ASK)) == "five days"
    server.enqueue(events(b": reading\n\n", *[b"\n"] * 5, FIVE, DAYS, DONE, pause=0.08))
    assert "".join(model.stream(ASK)) == "five days"


def test_silence_between_tokens_has_the_shorter_bound(server: ScriptedServer, make: Make) -> None:
    server.enqueue(stalled("five ", seconds=5))
    began = time.perf_counter()
    with pytest.raises(ModelError, match=r"silent .* for 0\.2 seconds") as caught:
        "".join(make(first_token_timeout=4.0, timeout=0.2, retries=3).stream(ASK))
    assert caught.value.partial == "five "
    assert time.perf_counter() - began < 2
    assert len(server.requests) == 1


AFTER = [stalled("five ", seconds=1), truncated("five "), events(FIVE, line('{"error": "x"}'))]


@pytest.mark.parametrize("reply", AFTER)
def test_nothing_is_asked_again_after_a_token(
    server: ScriptedServer, make: Make, reply: Scripted
) -> None:
    server.respond = lambda _: reply
    with pytest.raises(ModelError):
        "".join(make(retries=3, timeout=0.3).stream(ASK))
    assert len(server.requests) == 1


def test_a_dropped_connection_is_no_silence(server: ScriptedServer, make: Make) -> None:
    server.enqueue(HANG_UP, HANG_UP, HANG_UP, "five")
    assert make(retries=3).complete(ASK).text == "five"


# --- a limit that we set --------------------------------------------------------------------------

THOUGHTS = {
    "hidden": completion("", finish="length"),
    "in a stream": events(step(reasoning_content="hm"), event(finish="length"), DONE),
    "in the text": completion("<think>Five? Or", finish="length"),
}


@pytest.mark.parametrize("quirk", THOUGHTS)
def test_a_model_that_thinks_is_not_cut_by_a_limit_of_ours(
    server: ScriptedServer, make: Make, quirk: str
) -> None:
    server.enqueue(THOUGHTS[quirk], "five", "six")
    model = make(reply_tokens=64)
    running = model.stream(ASK)
    assert "".join(running).endswith("five")
    assert running.reply.text == "five"
    assert model.complete(ASK, max_tokens=20).text == "six"
    assert [request.body.get("max_tokens") for request in server.requests] == [64, None, None]


def test_a_limit_of_the_user_stays(server: ScriptedServer, make: Make) -> None:
    server.enqueue(completion("", finish="length"))
    assert make(reply_tokens=64, max_tokens=32).complete(ASK).cut_off
    assert server.requests[0].body["max_tokens"] == 32
    server.enqueue(completion("Five days are", finish="length"))
    assert make(reply_tokens=64).complete(ASK).cut_off  # it rambles; that is what it is for
    assert len(server.requests) == 2
