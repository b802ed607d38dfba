"""OpenAI's responses and Anthropic's messages: what is sent, what is read, what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rag.errors import ContextOverflowError, ModelError
from rag.models.chat import ChatModel, Reply
from rag.settings import Settings
from rag.testing.scripted_llm import (
    Scripted,
    ScriptedServer,
    bytewise,
    error,
    events,
    named,
    raw,
    respelled,
)

ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}]
USER = [ASK[1]]
INPUT = [{"type": "message", **ASK[1]}]
SCHEMA = {"type": "object", "properties": {"days": {"type": "integer"}}}
KEY = "sk-hush-hush-1234567890"

Make = Callable[..., ChatModel]


def text_item(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(parts)}


FIVE = {"type": "output_text", "text": "five ", "annotations": []}
DAYS = {"type": "output_text", "text": "days"}
COUNTED = {
    "input_tokens": 50, "input_tokens_details": {"cached_tokens": 40},
    "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 4},
}  # fmt: skip


def response(*output: Any, **fields: Any) -> dict[str, Any]:
    return {"object": "response", "status": "completed", "error": None, "output": list(output),
            "usage": COUNTED, **fields}  # fmt: skip


def delta(kind: str, said: str) -> bytes:
    return named({"type": f"response.{kind}.delta", "delta": said})


def ended(kind: str = "completed", **fields: Any) -> bytes:
    return named({"type": f"response.{kind}", "response": response(**{"status": kind, **fields})})


def at_once(value: Any, status: int = 200) -> Scripted:
    return raw(json.dumps(value).encode(), status=status)


CUT = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
HELD = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
STEPS = (
    named({"type": "response.created", "response": {}}),
    named({"type": "response.output_item.added", "item": {"type": "message"}}),
    delta("output_text", "five "),
    delta("output_text", "days"),
    named({"type": "response.output_text.done", "text": "five days"}),
)
RESPONSES: dict[str, tuple[Scripted, tuple[str, str | None, str]]] = {
    "at once": (at_once(response(text_item(FIVE, DAYS))), ("five days", "stop", "")),
    "thoughts first": (
        at_once(response({"type": "reasoning", "summary": [{"text": "hm"}]}, text_item(DAYS))),
        ("days", "stop", ""),
    ),
    "a refusal": (
        at_once(response(text_item({"type": "refusal", "refusal": "No."}))), ("", "stop", "No."),
    ),
    "cut off": (at_once(response(text_item(FIVE), **CUT)), ("five ", "length", "")),
    "held back": (at_once(response(**HELD)), ("", "content_filter", "")),
    "a tool": (at_once(response({"type": "function_call"})), ("", "tool_calls", "")),
    "a stream": (events(*STEPS, ended()), ("five days", "stop", "")),
    "a stream, CR LF": (respelled(events(*STEPS, ended()), b"\r\n"), ("five days", "stop", "")),
    "a stream, a byte at a time": (bytewise(events(*STEPS, ended()), 0), ("five days", "stop", "")),
    "a stream that is cut off": (
        events(*STEPS[:3], ended("incomplete", **CUT)), ("five ", "length", ""),
    ),
    "a stream of thoughts": (
        events(delta("reasoning_summary_text", "hm"), *STEPS, ended()), ("five days", "stop", ""),
    ),
    "a stream that declines": (events(delta("refusal", "No."), ended()), ("", "stop", "No.")),
    "a stream that calls a tool": (
        events(ended(output=[{"type": "function_call"}])), ("", "tool_calls", ""),
    ),
    "something behind its end": (events(*STEPS, ended(), b"oops\n\n"), ("five days", "stop", "")),
}  # fmt: skip


@pytest.mark.parametrize("quirk", RESPONSES)
def test_responses(server: ScriptedServer, make: Make, quirk: str) -> None:
    reply, outcome = RESPONSES[quirk]
    server.enqueue(reply)
    got: Reply = make(api="responses", prices={"input": 1, "output": 2}).stream(ASK).whole()
    assert (got.text, got.finished, got.refusal) == outcome
    assert (got.usage.input_tokens, got.usage.output_tokens) == (50, 9)
    assert (got.usage.cached_tokens, got.usage.reasoning_tokens) == (40, 4)
    assert got.usage.cost == pytest.approx(68 / 1e6)
    assert server.requests[0].path == "/v1/responses"


def test_what_responses_are_asked_with(server: ScriptedServer, make: Make) -> None:
    server.respond = lambda _: at_once(response(text_item(DAYS)))
    model = make(api="responses", max_tokens=50, seed=1, stop=("END",), reasoning_effort="low")
    model.stream(ASK, schema=SCHEMA).whole()
    assert server.requests[0].body == {
        "model": "small", "instructions": "Be brief.", "input": INPUT, "temperature": 0.0,
        "max_output_tokens": 50, "reasoning": {"effort": "low"}, "store": False, "stream": True,
        "text": {"format": {"type": "json_schema", "name": "reply", "schema": SCHEMA,
                            "strict": True}},
    }  # fmt: skip
    assert server.requests[0].text == "Be brief.\nHow long?"
    make(api="responses", reasoning_effort="off").complete(USER)
    assert server.requests[1].body == {
        "model": "small", "input": INPUT, "temperature": 0.0, "reasoning": {"effort": "none"},
        "store": False,
    }  # fmt: skip


CUT_OFF = {  # llama.cpp's, and LiteLLM's translation of that
    "responses": response(
        {**text_item({"type": "output_text", "annotations": [], "text": "1, 2, 3, "}),
         "status": "completed"},
        usage={"input_tokens": 28, "output_tokens": 24, "total_tokens": 52},
    ),
    "anthropic": {
        "type": "message", "role": "assistant", "model": "smol", "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 24, "cache_read_input_tokens": 27},
        "content": [{"type": "text", "text": "1, 2, 3, "}],
        "stop_reason": "end_turn", "stop_details": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("api", CUT_OFF)
def test_all_tokens_used_up_without_a_word_of_it(
    server: ScriptedServer, make: Make, api: str
) -> None:
    server.respond = lambda _: at_once(CUT_OFF[api])
    assert make(api=api).complete(ASK, max_tokens=24).cut_off
    assert not make(api=api).complete(ASK, max_tokens=25).cut_off


def test_what_responses_refuse(server: ScriptedServer, make: Make) -> None:
    server.enqueue(
        error(400, "Unsupported parameter: 'temperature'", param="temperature"),
        error(400, "Unsupported parameter: 'reasoning.effort'", param="reasoning.effort"),
        error(400, "Invalid schema", param="text.format.schema"),
        at_once(response(text_item(DAYS))),
    )
    model = make(api="responses", reasoning_effort="low")
    assert model.complete(USER, schema=SCHEMA).text == "days"
    assert server.requests[-1].body == {
        "model": "small", "input": INPUT, "store": False,
        "text": {"format": {"type": "json_object"}},
    }  # fmt: skip


FAILED = {"error": {"code": "server_error", "message": "boom"}}
FAULTS: dict[str, tuple[str, Scripted, str]] = {
    "failed": ("responses", at_once(response(status="failed", **FAILED)), "gave up .* said: boom"),
    "failed in a stream": ("responses", events(ended("failed", **FAILED)), "gave up .* said: boom"),
    "failed without words": (
        "responses", at_once(response(status="failed")), "gave up .* stopped for: failed",
    ),
    "an error in a stream": (
        "responses", events(named({"type": "error", "message": "boom", "code": "x"})),
        "gave up .* said: boom",
    ),
    "cut": ("responses", events(*STEPS[:2]), "hung up before it answered"),
    "not a response": ("responses", at_once({"choices": []}), "not as OpenAI's protocol has it"),
    "no event of one": ("responses", events(named({"type": "response.output_text.delta"})),
                        "an event is not one of a completion"),
    "overloaded": (
        "anthropic",
        events(named({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})),
        "gave up .* said: busy",
    ),
    "not a message": ("anthropic", at_once({"choices": []}), "not as Anthropic's protocol has it"),
    "no event of a message": ("anthropic", events(named({"type": "content_block_delta"})),
                              "an event is not one of a completion"),
    "no credit": (
        "anthropic", error(400, "Your credit balance is too low"), "has no credit left: Your",
    ),
    "no key": ("anthropic", error(401, "invalid x-api-key"), "refuses the key: check RAG_LLM__API"),
}  # fmt: skip


@pytest.mark.parametrize("quirk", FAULTS)
def test_faults(server: ScriptedServer, make: Make, quirk: str) -> None:
    api, reply, sentence = FAULTS[quirk]
    server.enqueue(reply)
    with pytest.raises(ModelError, match=sentence) as caught:
        "".join(make(api=api).stream(ASK))
    assert "hush" not in str(caught.value)


# --- Anthropic's messages -------------------------------------------------------------------------


def spoken(*content: Any, **fields: Any) -> Scripted:
    usage = {"input_tokens": 10, "output_tokens": 9, "cache_read_input_tokens": 40}
    return at_once({"type": "message", "role": "assistant", "content": list(content),
                    "stop_reason": "end_turn", "usage": usage, **fields})  # fmt: skip


def block(**said: str) -> bytes:
    return named({"type": "content_block_delta", "index": 0, "delta": said})


START = named({"type": "message_start", "message": {"content": [], "usage": {
    "input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 40}}})  # fmt: skip
OPEN = named({"type": "content_block_start", "content_block": {"type": "text", "text": ""}})
END = named({"type": "message_stop"})


def stopped(reason: str = "end_turn") -> bytes:
    return named(
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9}}
    )


SAID = (START, OPEN, named({"type": "ping"}), block(type="text_delta", text="five "))
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "x"}
MESSAGES: dict[str, tuple[Scripted, tuple[str, str | None]]] = {
    "at once": (spoken({"type": "text", "text": "five days"}), ("five days", "stop")),
    "two parts": (
        spoken({"type": "text", "text": "five "}, {"type": "text", "text": "days"}),
        ("five days", "stop"),
    ),
    "thoughts first": (spoken(THOUGHT, {"type": "text", "text": "five"}), ("five", "stop")),
    "cut off": (spoken(stop_reason="max_tokens"), ("", "length")),
    "declined": (spoken(stop_reason="refusal"), ("", "content_filter")),
    "a tool": (spoken({"type": "tool_use"}, stop_reason="tool_use"), ("", "tool_calls")),
    "a stream": (
        events(*SAID, block(type="text_delta", text="days"), stopped(), END), ("five days", "stop"),
    ),
    "a stream, CR": (
        respelled(events(*SAID, stopped("stop_sequence"), END), b"\r"), ("five ", "stop"),
    ),
    "a stream with thoughts": (
        events(START, block(type="thinking_delta", thinking="hm"),
               block(type="signature_delta", signature="x"), *SAID[1:], stopped(), END),
        ("five ", "stop"),
    ),
    "a stream that is cut off": (events(*SAID, stopped("max_tokens"), END), ("five ", "length")),
    "a stream without its end": (events(*SAID, stopped()), ("five ", "stop")),
    "an event of a kind to come": (
        events(*SAID, named({"type": "brand_new"}), stopped(), END), ("five ", "stop"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("quirk", MESSAGES)
def test_messages(server: ScriptedServer, make: Make, quirk: str) -> None:
    reply, outcome = MESSAGES[quirk]
    server.enqueue(reply)
    got = make(preset="anthropic").stream(ASK).whole()
    assert (got.text, got.finished) == outcome
    usage = got.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (50, 9, 40)
    [request] = server.requests
    assert request.path == "/v1/messages"
    assert request.headers["x-api-key"] == KEY
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in request.headers


def test_what_messages_are_asked_with(server: ScriptedServer, make: Make) -> None:
    server.respond = lambda _: spoken({"type": "text", "text": "five"})
    make(preset="anthropic", seed=1, stop=("END",)).stream(ASK, schema=SCHEMA).whole()
    assert server.requests[0].body == {
        "model": "small", "system": "Be brief.", "messages": USER, "temperature": 0.0,
        "max_tokens": 4096, "stop_sequences": ["END"], "stream": True,
    }  # fmt: skip
    make(preset="anthropic", max_tokens=100, reasoning_effort="low").complete(USER)
    assert server.requests[1].body == {
        "model": "small", "messages": USER, "max_tokens": 2148,
        "thinking": {"type": "enabled", "budget_tokens": 2048},
    }  # fmt: skip
    make(preset="anthropic", reasoning_effort="off").complete(USER)
    assert server.requests[2].body.keys() == {"model", "messages", "temperature", "max_tokens"}


def test_what_messages_refuse(server: ScriptedServer, make: Make) -> None:
    most = "max_tokens: 9000 > 4096, which is the maximum allowed number of output tokens for small"
    server.enqueue(
        error(400, most),
        error(400, "`temperature` is deprecated for this model."),
        spoken({"type": "text", "text": "five"}),
        error(400, "prompt is too long: 208310 tokens > 200000 maximum"),
    )
    model = make(preset="anthropic", max_tokens=9000)
    assert model.complete(USER).text == "five"
    assert server.requests[-1].body == {"model": "small", "messages": USER, "max_tokens": 4096}
    with pytest.raises(ContextOverflowError) as caught:
        model.complete(USER)
    assert caught.value.window == 200_000


def test_another_preset_brings_its_own_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("RAG_LLM__API", "responses")
    monkeypatch.setenv("RAG_LLM__HEADERS", '{"X-Team": "mine"}')
    monkeypatch.setenv("RAG_LLM__EXTRA_BODY", '{"top_k": 5}')
    assert Settings.load(llm={"model": "m"}).llm.protocol == "responses"
    chosen = Settings.with_model(None, "anthropic/small").llm
    assert (chosen.protocol, chosen.headers, chosen.extra_body) == ("anthropic", {}, {})
