"""What servers refuse, in their words: what is sent next, or the exact sentence.

The wordings are those of the servers that are named, to the letter where they have one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from rag.errors import ContextOverflowError, ModelError
from rag.models.chat import ChatModel
from rag.models.refusals import Mends
from rag.models.wire import Complaint
from rag.testing.scripted_llm import (
    Scripted,
    ScriptedServer,
    error,
    events,
    line,
    raw,
)

ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}]

Make = Callable[..., ChatModel]


SCHEMA = {"type": "object", "properties": {"days": {"type": "integer"}}}


def body(**fields: Any) -> Scripted:
    return raw(json.dumps(fields).encode())


# --- what a server refuses, and what it is sent next ----------------------------------------------

MERGED = [{"role": "user", "content": "Be brief.\n\nHow long?"}]
JSON_ONLY = {"type": "json_object"}
PYDANTIC = {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]}
OPTIONS = {"seed": 7, "stop": ("END",), "reasoning_effort": "low"}
GONE = object()
Mend = tuple[dict[str, Any], Scripted, dict[str, Any]]
MENDS: dict[str, Mend] = {
    "max_tokens, OpenAI's o-series": (
        {"max_tokens": 50},
        error(400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
              "'max_completion_tokens' instead.", code="unsupported_parameter", param="max_tokens"),
        {"max_tokens": GONE, "max_completion_tokens": 50},
    ),
    "max_tokens, without a code": (
        {"max_tokens": 50}, error(400, "Unrecognized request argument supplied: max_tokens"),
        {"max_tokens": GONE, "max_completion_tokens": 50},
    ),
    "max_tokens, pydantic's": (
        {"max_tokens": 50},
        raw(b'{"detail": [{"loc": ["body", "max_tokens"], "msg": "Extra inputs"}]}', status=422),
        {"max_tokens": GONE, "max_completion_tokens": 50},
    ),
    "max_tokens above the most": (
        {"max_tokens": 9000},
        error(400, "max_tokens is too large: 9000. This model supports at most 4096 completion "
              "tokens, whereas you provided 9000.", param="max_tokens"),
        {"max_tokens": 4096},
    ),
    "max_tokens out of range": (
        {"max_tokens": 9000}, error(400, "Range of max_tokens should be [1, 8,192]"),
        {"max_tokens": 8192},
    ),
    "max_tokens, Groq's": (
        {"max_tokens": 9000},
        error(400, "`max_tokens` must be less than or equal to `8192`, the maximum value for "
              "`max_tokens` is less than the `context_window` for this model"),
        {"max_tokens": 8192},
    ),
    "max_tokens beside the prompt, vLLM's": (
        {"max_tokens": 4000},
        error(400, "'max_tokens' or 'max_completion_tokens' is too large: 4000. This model's "
              "maximum context length is 4096 tokens and your request has 900 input tokens "
              "(4000 > 4096 - 900)."),
        {"max_tokens": 3196},
    ),
    "temperature, OpenAI's": (
        {}, error(400, "Unsupported value: 'temperature' does not support 0 with this model. Only "
                  "the default (1) value is supported.", code="unsupported_value",
                  param="temperature"),
        {"temperature": GONE},
    ),
    "temperature, Anthropic's": (
        {}, error(400, "`temperature` may only be set to 1: it must be the default"),
        {"temperature": GONE},
    ),
    "temperature, TGI's": (
        {}, error(422, "Input validation error: `temperature` must be strictly positive"),
        {"temperature": GONE},
    ),
    "temperature is out of date": (
        {}, error(400, "temperature is deprecated for this model"), {"temperature": GONE},
    ),
    "schema, by its name": (
        {"schema": SCHEMA}, error(400, "Invalid parameter: 'response_format' of type 'json_schema' "
                                  "is not supported with this model."),
        {"response_format": JSON_ONLY},
    ),
    "schema, DeepSeek's": (
        {"schema": SCHEMA}, error(400, "This response_format type is unavailable now"),
        {"response_format": JSON_ONLY},
    ),
    "schema, vLLM's grammar": (
        {"schema": SCHEMA}, error(400, "The provided JSON schema contains features not supported "
                                  "by grammar backend xgrammar."),
        {"response_format": JSON_ONLY},
    ),
    "schema, 422": (
        {"schema": SCHEMA},
        raw(b'{"detail": [{"loc": ["body", "response_format"], "msg": "oops"}]}', status=422),
        {"response_format": JSON_ONLY},
    ),
    "stream_options": (
        {"streamed": True}, error(400, "Unrecognized request argument supplied: stream_options"),
        {"stream_options": GONE, "stream": True},
    ),
    "stream_options, Mistral's": (
        {"streamed": True},
        raw(b'{"object": "error", "message": {"detail": [{"loc": ["body", "stream_options"], "msg":'
            b' "Extra inputs are not permitted"}]}, "code": null}', status=422),
        {"stream_options": GONE, "stream": True},
    ),
    "streams": (
        {"streamed": True}, error(400, "Streaming is not supported for this model"),
        {"stream": GONE, "stream_options": GONE},
    ),
    "system, Gemma's template": (
        {}, error(400, "System role not supported"), {"messages": MERGED},
    ),
    "system, llama.cpp's 500": (
        {}, raw(b'{"error":{"code":500,"message":"System role not supported at row 1, column 50",'
                b'"type":"server_error"}}', status=500),
        {"messages": MERGED},
    ),
    "system, o1-mini's": (
        {}, error(400, "Unsupported value: 'messages[0].role' does not support 'system' with this "
                  "model.", code="unsupported_value", param="messages[0].role"),
        {"messages": MERGED},
    ),
    "system, Mistral's template": (
        {}, error(400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        {"messages": MERGED},
    ),
    "system, Gemma at Google": (
        {}, raw(b'[{"error": {"code": 400, "message": "Developer instruction is not enabled for '
                b'models/gemma-3-27b-it", "status": "INVALID_ARGUMENT"}}]', status=400),
        {"messages": MERGED},
    ),
    "seed": (
        OPTIONS, raw(json.dumps(PYDANTIC).encode(), status=422), {"seed": GONE, "stop": ["END"]},
    ),
    "seed, in words": (
        OPTIONS, error(400, "property 'seed' is unsupported"), {"seed": GONE, "stop": ["END"]},
    ),
    "stop": (
        OPTIONS, error(400, "Unsupported parameter: 'stop' is not supported with this model.",
                       param="stop"),
        {"stop": GONE, "seed": 7},
    ),
    "reasoning_effort": (
        OPTIONS, error(400, "Unrecognized request argument supplied: reasoning_effort"),
        {"reasoning_effort": GONE, "seed": 7},
    ),
    "reasoning_effort, Ollama's": (
        OPTIONS, error(400, '"small" does not support thinking'), {"reasoning_effort": GONE},
    ),
    "no thoughts": (
        {"reasoning_effort": "off", "preset": "vllm"},
        error(400, "chat_template_kwargs is not supported for this tokenizer"),
        {"chat_template_kwargs": GONE},
    ),
    "a field of one's own": (
        {"extra_body": {"top_k": 5, "min_p": 0.1}}, error(400, "Unknown field: top_k"),
        {"top_k": GONE, "min_p": 0.1},
    ),
    "a field of one's own, transformers'": (
        {"extra_body": {"nonsense": 1, "min_p": 0.1}},
        raw(b'{"detail":"Unexpected fields in the request: {\'nonsense\'}"}', status=422),
        {"nonsense": GONE, "min_p": 0.1},
    ),
    "an error under a good status": (
        {}, body(error={"code": 400, "message": "temperature is not supported"}),
        {"temperature": GONE},
    ),
    "OpenRouter's wrapping": (
        {}, raw(json.dumps({"error": {
            "message": "Provider returned error", "code": 400, "metadata": {
                "raw": '{"error": {"message": "Unsupported parameter: temperature"}}'}}}).encode(),
            status=400),
        {"temperature": GONE},
    ),
}  # fmt: skip


@pytest.mark.parametrize("quirk", MENDS)
def test_what_a_server_refuses_is_mended(server: ScriptedServer, make: Make, quirk: str) -> None:
    settings, refusal, changed = MENDS[quirk]
    settings = dict(settings)
    schema, streamed = settings.pop("schema", None), settings.pop("streamed", False)
    server.enqueue(refusal, "five days", "six days")
    model = make(**settings)
    ask = (
        (lambda: model.stream(ASK, schema=schema).whole())
        if streamed
        else (lambda: model.complete(ASK, schema=schema))
    )
    assert [ask().text, ask().text] == ["five days", "six days"]
    first, second, third = (request.body for request in server.requests)
    expected = {k: v for k, v in {**first, **changed}.items() if v is not GONE}
    assert second == expected
    # A limit that only left no room beside one prompt stays as it is for others.
    assert third == (first if "beside the prompt" in quirk else expected)


LADDERS: dict[str, tuple[dict[str, Any], list[Scripted], list[Any]]] = {
    "limits, there and back": (
        {"max_tokens": 50},
        [error(400, "unknown argument max_tokens"), error(400, "unknown: max_completion_tokens")],
        [("max_tokens", 50), ("max_completion_tokens", 50), None],
    ),
    "formats, down to none": (
        {"schema": SCHEMA},
        [error(400, "json_schema is not supported"), error(400, "json_object: not supported")],
        ["json_schema", "json_object", None],
    ),
}


@pytest.mark.parametrize("quirk", LADDERS)
def test_what_is_refused_step_by_step(server: ScriptedServer, make: Make, quirk: str) -> None:
    settings, refusals, seen = LADDERS[quirk]
    settings = dict(settings)
    schema = settings.pop("schema", None)
    server.enqueue(*refusals, "five")
    assert make(**settings).complete(ASK, schema=schema).text == "five"
    bodies = [request.body for request in server.requests]
    if schema:
        assert [b.get("response_format", {}).get("type") for b in bodies] == seen
    else:
        limits = [[i for i in b.items() if i[0].startswith("max_")] for b in bodies]
        assert [one[0] if one else None for one in limits] == seen


def test_all_at_once(server: ScriptedServer, make: Make) -> None:
    """A server that takes nothing but messages is found out, one argument after the other."""
    known = {"model", "messages"}

    def respond(request: Any) -> str | Scripted:
        unknown = sorted(request.body.keys() - known)
        return error(400, f"Unknown parameter: {unknown[0]}") if unknown else "five"

    server.respond = respond
    model = make(**OPTIONS, max_tokens=9, extra_body={"top_k": 5})
    assert model.stream(ASK, schema=SCHEMA).whole().text == "five"
    assert server.requests[-1].body.keys() == known
    before = len(server.requests)
    assert model.stream(ASK, schema=SCHEMA).whole().text == "five"
    assert len(server.requests) == before + 1


def test_what_several_threads_are_told_together_is_learnt_once() -> None:
    mends = Mends()
    arguments = {"messages": ASK, "max_tokens": 50}
    sent = mends.applied(arguments)
    for _ in range(4):  # all were refused before one of them was mended
        assert mends.learn(Complaint("Unsupported: 'max_tokens'", 400), arguments, sent)
    assert mends.applied(arguments) == {"messages": ASK, "max_completion_tokens": 50}


# --- more than it takes at once: window and tokens sent, as far as it says them -------------------

OVERFLOWS: dict[str, tuple[Scripted, tuple[int | None, int | None]]] = {
    "OpenAI": (
        error(400, "This model's maximum context length is 8192 tokens. However, your messages "
              "resulted in 9000 tokens. Please reduce the length of the messages.",
              code="context_length_exceeded", param="messages"),
        (8192, 9000),
    ),
    "OpenAI, by its code": (
        error(400, "Your input is larger than I can take.", code="context_length_exceeded"),
        (None, None),
    ),
    "vLLM": (
        error(400, "This model's maximum context length is 4096 tokens. However, you requested "
              "5096 tokens (4096 in the messages, 1000 in the completion)."),
        (4096, 5096),
    ),
    "vLLM, the newer": (
        error(400, "The decoder prompt (length 5000) is longer than the maximum model length of "
              "4096. Make sure that `max_model_len` is no smaller."),
        (4096, 5000),
    ),
    "llama.cpp": (
        raw(b'{"error":{"code":400,"message":"the request exceeds the available context size, try '
            b'increasing it","type":"exceed_context_size_error","n_prompt_tokens":5000,'
            b'"n_ctx":4096}}', status=400),
        (4096, 5000),
    ),
    "llama.cpp, the older": (
        raw(b'{"error":{"code":500,"message":"context shift is disabled, context size exceeded",'
            b'"type":"server_error"}}', status=500),
        (None, None),
    ),
    "llama-cpp-python": (
        error(400, "Requested tokens (5000) exceed context window of 4096",
              code="context_length_exceeded"),
        (4096, 5000),
    ),
    "LM Studio": (
        error(400, "Trying to keep the first 4891 tokens when context the overflows. However, the "
              "model is loaded with context length of only 4096 tokens"),
        (4096, 4891),
    ),
    "Ollama": (error(400, "the input length exceeds the context length"), (None, None)),
    "SGLang": (
        error(400, "The input (5000 tokens) is longer than the model's context length (4096 "
              "tokens)."),
        (4096, 5000),
    ),
    "TGI": (
        error(422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. "
              "Given: 3000 `inputs` tokens and 20 `max_new_tokens`"),
        (2048, 3000),
    ),
    "TGI, the prompt": (
        error(422, "Input validation error: `inputs` must have less than 1000 tokens. Given: 1500"),
        (None, None),
    ),
    "Anthropic": (
        error(400, "prompt is too long: 208310 tokens > 200000 maximum"), (200_000, 208_310),
    ),
    "Anthropic, 413": (
        raw(b'{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the '
            b'maximum size"}}', status=413),
        (None, None),
    ),
    "Mistral": (
        error(400, "Prompt contains 40000 tokens and 0 draft tokens, too large for model with "
              "32768 maximum context length"),
        (32_768, 40_000),
    ),
    "Gemini": (
        error(400, "The input token count (1200000) exceeds the maximum number of tokens allowed "
              "(1048576)."),
        (1_048_576, 1_200_000),
    ),
    "xAI": (
        error(400, "This model's maximum prompt length is 131072 but the request contains 200000 "
              "tokens."),
        (131_072, 200_000),
    ),
    "Bedrock": (error(400, "Input is too long for requested model."), (None, None)),
    "Cohere": (
        error(400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - "
              "received 5000."),
        (4081, 5000),
    ),
    "Qwen": (error(400, "Range of input length should be [1, 6000]"), (6000, None)),
    "GitHub": (
        error(413, "Request body too large for small model. Max size: 8000 tokens.",
              code="tokens_limit_reached"),
        (8000, None),
    ),
    "Zhipu": (error(400, "Prompt 超长", code="1261"), (None, None)),
    "a proxy": (raw(b"<h1>413 Request Entity Too Large</h1>", "text/html", 413), (None, None)),
    "under a good status": (
        body(error={"code": 400, "message": "prompt is too long"}), (None, None),
    ),
    "in a stream": (
        events(line('{"error": {"code": "context_length_exceeded", "message": "too much"}}')),
        (None, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("quirk", OVERFLOWS)
def test_more_than_it_takes(server: ScriptedServer, make: Make, quirk: str) -> None:
    reply, sizes = OVERFLOWS[quirk]
    server.respond = lambda _: reply
    with pytest.raises(ContextOverflowError) as caught:
        "".join(make(retries=2, max_tokens=100).stream(ASK))
    assert (caught.value.window, caught.value.sent) == sizes
    more = f" to {sizes[0]}" if sizes[0] else ""
    assert f"sent more than small takes at once: lower llm.context_tokens{more}. It said: " in str(
        caught.value
    )
    assert len(server.requests) == 1


NO_OVERFLOWS = {
    "a limit per minute": error(429, "too many tokens per minute", retry_after="0"),
    "a number of requests": error(429, "maximum number of requests reached", retry_after="0"),
    "another field": error(400, "model: must not be longer than 64 characters"),
}


@pytest.mark.parametrize("quirk", NO_OVERFLOWS)
def test_what_sounds_like_it(server: ScriptedServer, make: Make, quirk: str) -> None:
    server.respond = lambda _: NO_OVERFLOWS[quirk]
    with pytest.raises(ModelError) as caught:
        make().complete(ASK)
    assert not isinstance(caught.value, ContextOverflowError)


# --- statuses -------------------------------------------------------------------------------------

PAID = "the account at SERVER has no credit left: "
STATUSES: dict[str, tuple[Scripted, str, int]] = {
    "402": (error(402, "Insufficient Balance"), f"{PAID}Insufficient Balance", 1),
    "402 without words": (raw(b"", status=402), f"{PAID}Payment Required", 1),
    "Anthropic's credit": (
        error(400, "Your credit balance is too low to access the API."),
        f"{PAID}Your credit balance is too low to access the API", 1,
    ),
    "OpenAI's quota": (
        error(429, "You exceeded your current quota", code="insufficient_quota"),
        f"{PAID}You exceeded your current quota", 1,
    ),
    "a limit that is asked to be waited for an hour": (
        error(429, "slow down", retry_after="3600"),
        "SERVER still limits the rate (llm.retries is 2), and asks for a pause of 3600 seconds: "
        "wait, or raise llm.retries. It said: slow down", 1,
    ),
    "a limit until tomorrow": (
        error(429, "slow down", retry_after="DATE"),
        "SERVER still limits the rate (llm.retries is 2), and asks for a pause of 86400 seconds: "
        "wait, or raise llm.retries. It said: slow down", 1,
    ),
    "a pause that is none": (
        error(429, "slow down", retry_after="soon"),
        "SERVER still limits the rate (llm.retries is 2): wait, or raise llm.retries. It said: "
        "slow down", 3,
    ),
    "a server that says not to": (
        replace(error(500, "no"), headers={"x-should-retry": "false"}),
        "SERVER fails with status 500 (llm.retries is 2): try later. It said: no", 1,
    ),
    "overloaded, Anthropic's": (
        error(529, "Overloaded"),
        "SERVER fails with status 529 (llm.retries is 2): try later. It said: Overloaded", 3,
    ),
    "a conflict": (
        error(409, "busy"),
        "SERVER refuses the request with status 409: check llm.model and the other settings in "
        "[llm]. It said: busy", 3,
    ),
    "what nobody can mend": (
        error(400, "no adapter is loaded"),
        "SERVER refuses the request with status 400: check llm.model and the other settings in "
        "[llm]. It said: no adapter is loaded", 1,
    ),
    "a refused argument that was not sent": (
        error(400, "Unsupported parameter: logprobs", param="logprobs"),
        "SERVER refuses the request with status 400: check llm.model and the other settings in "
        "[llm]. It said: Unsupported parameter: logprobs", 1,
    ),
    "a 422 of pydantic's": (
        raw(b'{"detail": [{"loc": ["body", "messages", 0], "msg": "Field required"}]}', status=422),
        "SERVER refuses the request with status 422: check llm.model and the other settings in "
        "[llm]. It said: messages.0: Field required", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("quirk", STATUSES)
def test_a_status(server: ScriptedServer, make: Make, quirk: str) -> None:
    reply, sentence, tries = STATUSES[quirk]
    if reply.headers.get("retry-after") == "DATE":
        tomorrow = formatdate(time.time() + 86_400.4, usegmt=True)
        reply = replace(reply, headers={"retry-after": tomorrow})
    server.respond = lambda _: reply
    model = make(retries=2)
    with pytest.raises(ModelError) as caught:
        model.complete(ASK)
    shown = str(caught.value).replace(model.where, "SERVER").replace("86399", "86400")
    assert shown == sentence
    assert len(server.requests) == tries


LOADING = {
    "llama.cpp": raw(
        b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}', status=503
    ),
    "Hugging Face": raw(
        b'{"error": "Model small is currently loading", "estimated_time": 0.02}', status=503
    ),
    "with a pause": replace(
        error(503, "The model is still warming up"), headers={"retry-after": "0.02"}
    ),
}


@pytest.mark.parametrize("quirk", LOADING)
def test_a_model_that_is_loaded_is_waited_for(
    server: ScriptedServer, make: Make, quirk: str
) -> None:
    server.enqueue(*[LOADING[quirk]] * 4, "five")
    assert make(retries=0).complete(ASK).text == "five"
    server.respond = lambda _: LOADING[quirk]
    model = make(retries=0, timeout=0.2)
    with pytest.raises(ModelError) as caught:
        model.complete(ASK)
    assert str(caught.value).replace(model.where, "SERVER") == (
        "SERVER is still loading small after 0.2 seconds: try later, or raise llm.timeout"
    )


# --- settings -------------------------------------------------------------------------------------


def test_settings_are_sent(server: ScriptedServer, make: Make) -> None:
    server.enqueue("five")
    headers = {"X-Team": "my-secret-team"}
    model = make(**OPTIONS, extra_body={"top_k": 5, "temperature": 0.5}, headers=headers)
    model.complete(ASK)
    [request] = server.requests
    assert request.body == {
        "model": "small", "messages": ASK, "temperature": 0.5, "seed": 7, "stop": ["END"],
        "reasoning_effort": "low", "top_k": 5,
    }  # fmt: skip
    assert request.headers["x-team"] == "my-secret-team"


@pytest.mark.parametrize(
    ("preset", "field"),
    [
        (None, {"reasoning_effort": "none"}),
        ("ollama", {"reasoning_effort": "none"}),
        ("vllm", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("llama.cpp", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("openrouter", {"reasoning": {"enabled": False}}),
        ("deepseek", {"thinking": {"type": "disabled"}}),
    ],
)
def test_thinking_is_turned_off(
    server: ScriptedServer, make: Make, preset: str | None, field: dict[str, Any]
) -> None:
    server.enqueue("five")
    make(preset=preset, reasoning_effort="off").complete(ASK)
    body = server.requests[0].body
    assert {k: v for k, v in body.items() if k not in ("model", "messages", "temperature")} == field


def test_headers_are_shown_nowhere(server: ScriptedServer, make: Make) -> None:
    model = make(headers={"X-Team": "my-secret-team"})
    server.enqueue(error(400, "X-Team my-secret-team is not known"))
    with pytest.raises(ModelError, match=r"It said: X-Team \*\*\* is not known") as caught:
        model.complete(ASK)
    assert model.authorization == "*** (a key from the environment), X-Team: ***"
    shown = [str(caught.value), repr(model), repr(model.settings), model.settings.model_dump_json()]
    assert "secret" not in "".join(shown)


@pytest.mark.parametrize("api", ["chat", "anthropic"])
def test_nothing_follows_a_server_elsewhere(server: ScriptedServer, make: Make, api: str) -> None:
    with ScriptedServer() as other:
        server.enqueue(Scripted(b"", 307, headers={"location": f"{other.base_url}/messages"}))
        with pytest.raises(ModelError, match="status 307"):
            make(api=api).complete(ASK)
        assert other.requests == []


def test_no_part_of_a_header_is_told(server: ScriptedServer, make: Make) -> None:
    server.enqueue(error(400, "Incorrect key provided: sk-team-999"))
    with pytest.raises(ModelError) as caught:
        make(headers={"Authorization": "Bearer sk-team-999"}).complete(ASK)
    assert "sk-team-999" not in str(caught.value)
    assert "***" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no", "code": "9" * 5000}},
        {"error": {"message": "context length ,,, exceeded"}},
        {"error": {"message": f"maximum context length is {'9' * 5000} tokens"}},
        {"error": json.loads("[" * 500 + "]" * 500)},
    ],
)
def test_an_absurd_complaint_is_one_all_the_same(
    server: ScriptedServer, make: Make, body: dict[str, Any]
) -> None:
    server.enqueue(raw(json.dumps(body).encode(), status=400))
    with pytest.raises(ModelError):
        make().complete(ASK)
