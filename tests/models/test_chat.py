"""The language model: real client, scripted server. Every error is one sentence, no key shows."""

from __future__ import annotations

import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.errors import ModelError, SettingsError
from rag.models.chat import ChatModel, missing
from rag.settings import LlmSettings
from rag.testing.scripted_llm import HANG_UP, Scripted, ScriptedServer, completion, error, raw, slow

KEY = "sk-hush-hush-1234567890"
ASK = [{"role": "user", "content": "How long?"}]
SCHEMA = {"type": "object", "properties": {"days": {"type": "integer"}}}

Make = Callable[..., ChatModel]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    made = ScriptedServer()
    yield made
    made.stop()


@pytest.fixture
def make(server: ScriptedServer) -> Iterator[Make]:
    made: list[ChatModel] = []

    def make(**settings: Any) -> ChatModel:
        given = {"model": "small", "base_url": server.base_url, "api_key": KEY, "retries": 1}
        made.append(ChatModel(LlmSettings(**{**given, **settings})))
        return made[-1]

    yield make
    for model in made:
        model.close()


def test_a_reply_with_its_usage_and_cost(server: ScriptedServer, make: Make) -> None:
    server.enqueue(completion("five days", sent=2000, received=500))
    reply = make(prices={"input": 1.5, "output": 4}).complete(ASK)
    assert (reply.text, reply.finished, reply.cut_off) == ("five days", "stop", False)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (2000, 500)
    assert reply.usage.cost == pytest.approx((2000 * 1.5 + 500 * 4) / 1e6)
    [request] = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {"model": "small", "messages": ASK, "temperature": 0.0}


def test_cost_is_not_known_without_prices_or_counts(server: ScriptedServer, make: Make) -> None:
    server.enqueue("a", completion("b", usage=None), completion("c", usage={"prompt_tokens": "x"}))
    assert make().complete(ASK).usage.cost is None
    priced = make(prices={"input": 1, "output": 1})
    for _ in range(2):
        usage = priced.complete(ASK).usage
        assert (usage.input_tokens, usage.output_tokens, usage.cost) == (0, 0, None)


def test_a_server_without_keys_needs_none(
    server: ScriptedServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-this-server")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-not-for-this-server")
    server.enqueue("yes")
    assert make(api_key=None).complete(ASK).text == "yes"
    assert "sk-not" not in str(server.requests[0].headers)


def test_text_that_utf8_cannot_hold_is_sent_without_it(server: ScriptedServer, make: Make) -> None:
    server.enqueue("yes")
    make().complete([{"role": "user", "content": "caf\ud800é"}])
    assert server.requests[0].text == "caf?é"


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_a_passing_trouble_is_tried_again(server: ScriptedServer, make: Make, status: int) -> None:
    server.enqueue(error(status, "busy"), "five days")
    assert make().complete(ASK).text == "five days"
    assert len(server.requests) == 2


def test_a_dropped_connection_is_tried_again(server: ScriptedServer, make: Make) -> None:
    server.enqueue(HANG_UP, "five days")
    assert make().complete(ASK).text == "five days"


def test_a_reply_without_text(server: ScriptedServer, make: Make) -> None:
    server.enqueue(completion(None), completion("half a", finish="length"))
    assert make().complete(ASK).text == ""
    assert make().complete(ASK).cut_off


# What a server does not take


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "Unknown field", param="response_format"),
        error(400, "'response_format' of type 'json_schema' is not supported with this model"),
        raw(b'{"detail": [{"loc": ["body", "response_format"], "msg": "extra"}]}', status=422),
    ],
)
def test_a_schema_that_is_refused_is_left_out_from_then_on(
    server: ScriptedServer, make: Make, refusal: Scripted
) -> None:
    server.enqueue(refusal, "a", "b")
    model = make()
    assert model.complete(ASK, schema=SCHEMA).text == "a"
    assert model.complete(ASK, schema=SCHEMA).text == "b"
    held = server.requests[0].body["response_format"]
    assert held["json_schema"]["schema"] == SCHEMA
    assert held["json_schema"]["strict"]
    assert [r.body["response_format"]["type"] for r in server.requests[1:]] == ["json_object"] * 2


def test_a_schema_is_kept_where_it_is_taken(server: ScriptedServer, make: Make) -> None:
    server.enqueue("a", "b", "c")
    model = make()
    for schema in (SCHEMA, SCHEMA, None):
        model.complete(ASK, schema=schema)
    assert ["response_format" in r.body for r in server.requests] == [True, True, False]


def test_other_refusals_are_not_taken_for_one_of_the_schema(
    server: ScriptedServer, make: Make
) -> None:
    server.enqueue(error(400, "maximum context length is 8192 tokens, reduce max_tokens"))
    with pytest.raises(ModelError, match=r"sent more than small takes at once: .* to 8192"):
        make(max_tokens=9000).complete(ASK, schema=SCHEMA)
    assert len(server.requests) == 1


def test_a_model_that_reasons_takes_other_arguments(server: ScriptedServer, make: Make) -> None:
    server.enqueue(
        error(400, "use max_completion_tokens", code="unsupported_parameter", param="max_tokens"),
        error(400, "only the default", code="unsupported_value", param="temperature"),
        "a",
        "b",
    )
    model = make(max_tokens=50)
    model.complete(ASK)
    model.complete(ASK, max_tokens=70)
    first, last = server.requests[0].body, server.requests[-1].body
    assert (first["max_tokens"], first["temperature"]) == (50, 0)
    assert last["max_completion_tokens"] == 70
    assert not {"max_tokens", "temperature"} & last.keys()


# Errors


@pytest.mark.parametrize(
    ("replies", "sentence"),
    [
        ([error(401, "Incorrect API key: sk-hu***890")], "refuses the key: check RAG_LLM__API_KEY"),
        ([error(403, "not in your plan")], "does not allow this key to use small: not in your"),
        ([error(404, "no such model")], "does not know the model small: check llm.model, and that"),
        ([error(429, "slow down")] * 2, r"still limits the rate \(llm.retries is 1\): wait, or"),
        (
            [error(429, "quota", code="insufficient_quota")],
            "the account at .* has no credit left",
        ),
        ([error(500, "oh no")] * 2, "fails with status 500 .* try later. It said: oh no"),
        ([error(418, "teapot")], "refuses the request with status 418: .* It said: teapot"),
        ([raw(b"<html>Not here</html>", "text/html", 404)], "It said: <html>Not here"),
        ([raw(b"", "text/plain", 400)], "It said: "),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence(
    server: ScriptedServer, make: Make, replies: list[Scripted], sentence: str
) -> None:
    server.enqueue(*replies)
    with pytest.raises(ModelError, match=sentence) as caught:
        make().complete(ASK)
    assert server.base_url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == len(replies)


def test_a_key_that_is_wanted(server: ScriptedServer, make: Make) -> None:
    server.enqueue(error(401, "who are you"))
    with pytest.raises(ModelError, match="wants a key: set RAG_LLM__API_KEY in the environment"):
        make(api_key=None).complete(ASK)


@pytest.mark.parametrize(
    "reply",
    [
        completion("", choices=[]),
        completion("", choices=None),
        completion("", choices="none"),
        completion("", choices=[{"message": None}]),
        completion("", choices=[{"message": {"content": [5]}}]),
        raw(b'{"cut": '),
        raw(b"null"),
        raw(b"[]"),
        raw(b"\xff\xfe"),
        raw(b"<html>Welcome</html>", "text/html"),
        raw(b""),
    ],
)
def test_what_is_no_completion(server: ScriptedServer, make: Make, reply: Scripted) -> None:
    server.enqueue(reply)
    with pytest.raises(ModelError, match=r"not as OpenAI's protocol has it: is llm.base_url"):
        make().complete(ASK)


def test_nobody_listens(make: Make) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ModelError, match=f"no connection to {address} .*refused.*running"):
        make(base_url=address, retries=0).complete(ASK)


def test_a_slow_server(server: ScriptedServer, make: Make) -> None:
    server.enqueue(slow(1.0, "late"))
    with pytest.raises(ModelError, match=r"did not answer within 0.2 seconds: raise llm\.timeout"):
        make(timeout=0.2, retries=0).complete(ASK)


def test_what_is_missing_is_said_before_anything_is_sent() -> None:
    with pytest.raises(SettingsError, match=r"no language model is configured: set llm.model"):
        ChatModel(LlmSettings())
    with pytest.raises(SettingsError, match="no key for OpenAI: set OPENAI_API_KEY") as caught:
        ChatModel(LlmSettings(model="small"))
    assert caught.value.exit_status == 2
    assert missing(LlmSettings(model="small", api_key=KEY)) is None
    assert missing(LlmSettings(model="small", base_url="http://127.0.0.1:1/v1")) is None


# The key


def test_the_key_is_nowhere_to_be_seen(
    server: ScriptedServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    model = make()
    server.enqueue("yes", *[error(500, f"I was given {KEY}\x1b[2J and failed")] * 2)
    model.complete(ASK)
    with pytest.raises(ModelError) as caught:
        model.complete(ASK)
    assert "I was given *** [2J and failed" in str(caught.value)
    shown = [
        repr(model),
        str(model.complete),
        caplog.text,
        *traceback.format_exception(caught.value),
    ]
    assert "hush" not in "".join(shown)
    assert "hush" not in repr(vars(model))
    assert "hush" not in "".join(repr(vars(record)) for record in caplog.records)
