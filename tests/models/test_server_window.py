"""What servers say of their windows, in the forms of each; nothing of it can fail an answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from rag.answer.llm.generate import LanguageModelGenerator
from rag.models.chat import ChatModel, probe
from rag.models.server_window import nothing_sent
from rag.settings import LlmSettings
from rag.testing import sample_passages
from rag.testing.scripted_llm import HANG_UP, Scripted, ScriptedServer, babble, error, raw, slow
from rag.text.tokens import DEFAULT_WINDOW

Make = Callable[..., ChatModel]


@pytest.fixture(autouse=True)
def _crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds may be too short for a server here, which shares its processor with tests."""
    monkeypatch.setattr("rag.models.connection._LOOK", 30.0)


def page(body: Any) -> Scripted:
    return raw(json.dumps(body).encode())


def listed(**fields: Any) -> Scripted:
    others = [{"id": "other", "max_model_len": 999}]
    return page({"object": "list", "data": [*others, {"id": "small", **fields}]})


def props(tokens: Any) -> Scripted:
    return page({"default_generation_settings": {"n_ctx": tokens}, "total_slots": 2})


LLAMA = {"owned_by": "llamacpp"}
OLLAMA = listed(owned_by="library")
STUDIO = listed(owned_by="organization_owner")
SERVERS: dict[str, tuple[dict[str, Scripted], int]] = {
    "llama.cpp": ({"/v1/models": listed(**LLAMA, meta={"n_ctx": 4096, "n_ctx_train": 9999})}, 4096),
    "llama.cpp, of a slot": (
        {"/v1/models": listed(**LLAMA, meta={"n_ctx": 8000}), "/props": props(2000)}, 2000,
    ),
    "llama.cpp, older": (
        {"/v1/models": listed(**LLAMA, meta={"n_ctx_train": 131072}), "/props": props(6144)}, 6144,
    ),
    "llama.cpp that hides its props": (
        {"/v1/models": listed(**LLAMA, meta={"n_ctx_train": 2048})}, 2048,
    ),
    "llama.cpp of a long training": (
        {"/v1/models": listed(**LLAMA, meta={"n_ctx_train": 131072})}, DEFAULT_WINDOW,
    ),
    "llama.cpp, under the name of its file": (
        {"/v1/models": page({"data": [{"id": "/x.gguf", **LLAMA, "meta": {"n_ctx": 512}}]})}, 512,
    ),
    "vLLM": ({"/v1/models": listed(owned_by="vllm", max_model_len=16384)}, 16384),
    "OpenRouter": (
        {"/v1/models": listed(context_length=200000, top_provider={"context_length": 64000})},
        64000,
    ),
    "Groq": ({"/v1/models": listed(context_window=131072)}, 131072),
    "Mistral": ({"/v1/models": listed(max_context_length=32768)}, 32768),
    "Ollama, loaded": (
        {"/v1/models": OLLAMA, "/api/ps": page({"models": [
            {"name": "other:latest", "context_length": 1}, {"name": "small:latest",
             "context_length": 12000}]})}, 12000,
    ),
    "Ollama, set in the file of the model": (
        {"/v1/models": OLLAMA, "/api/show": page({"parameters": 'stop "x"\nnum_ctx     6000',
         "model_info": {"llama.context_length": 131072}})}, 6000,
    ),
    "Ollama, as it comes": (
        {"/v1/models": OLLAMA, "/api/show": page({"model_info": {"x.context_length": 131072}})},
        4096,
    ),
    "Ollama, a small model": (
        {"/v1/models": OLLAMA, "/api/show": page({"model_info": {"x.context_length": 2048}})}, 2048,
    ),
    "LM Studio, loaded": (
        {"/v1/models": STUDIO, "/api/v0/models": listed(max_context_length=131072,
         loaded_context_length=5000)}, 5000,
    ),
    "LM Studio, not loaded": (
        {"/v1/models": STUDIO, "/api/v0/models": listed(max_context_length=4096)}, 4096,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVERS)
def test_each_has_a_place_for_it(server: ScriptedServer, make: Make, name: str) -> None:
    server.pages, tokens = SERVERS[name]
    model = make()
    assert model.window.tokens == tokens
    asked = len(server.lookups)
    assert model.window.tokens == tokens
    assert len(server.lookups) == asked <= 4  # it is asked once
    assert server.requests == [] or "/api/show" in server.requests[0].path


ODD = {
    "nothing": {},
    "no list": {"/v1/models": page([1, 2])},
    "an error": {"/v1/models": error(500, "broken")},
    "no JSON": {"/v1/models": raw(b"<html>", "text/html")},
    "a list of texts": {"/v1/models": page({"data": ["small"]})},
    "nulls": {"/v1/models": page({"data": [{"id": "small", "meta": None, "max_model_len": None}]})},
    "zero": {"/v1/models": listed(max_model_len=0)},
    "below zero": {"/v1/models": listed(max_model_len=-1)},
    "absurdly much": {"/v1/models": listed(max_model_len=10**12)},
    "a text": {"/v1/models": listed(max_model_len="8192")},
    "a truth": {"/v1/models": listed(max_model_len=True)},
    "hangs up": {"/v1/models": HANG_UP},
    "nested": {"/v1/models": raw(b"[" * 100_000)},
    "odd props": {
        "/v1/models": listed(**LLAMA),
        "/props": page({"default_generation_settings": 7}),
    },
    "odd Ollama": {"/v1/models": OLLAMA, "/api/ps": page([]), "/api/show": page("no")},
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_counts_as_not_said(server: ScriptedServer, make: Make, name: str) -> None:
    server.pages = ODD[name]
    expected = 4096 if "Ollama" in name else DEFAULT_WINDOW
    assert make().window.tokens == expected


@pytest.mark.parametrize("reply", [slow(20, listed(max_model_len=512)), babble()])
def test_a_server_that_takes_its_time_is_not_waited_for(
    server: ScriptedServer, make: Make, monkeypatch: pytest.MonkeyPatch, reply: Scripted
) -> None:
    monkeypatch.setattr("rag.models.connection._LOOK", 0.3)
    server.pages = {"/v1/models": reply}
    began = time.monotonic()
    assert make().window.tokens == DEFAULT_WINDOW
    assert time.monotonic() - began < 10


def test_the_user_has_the_last_word(server: ScriptedServer, make: Make) -> None:
    server.pages = {"/v1/models": listed(max_model_len=512)}
    model = make(context_tokens=2000)
    assert model.window.tokens == 2000
    assert server.lookups == []
    assert model.limits.explained() == (
        "2000 tokens, llm.context_tokens; the server's is 512 tokens, as /models has it"
    )


def test_nothing_is_sent_where_nothing_may_be(server: ScriptedServer, make: Make) -> None:
    server.pages = {"/v1/models": listed(max_model_len=512)}
    model = make()
    with nothing_sent():
        assert model.window.tokens == DEFAULT_WINDOW
    assert server.lookups == []
    assert model.window.tokens == 512


@pytest.mark.parametrize("preset", ["openai", "azure", "gemini", "deepseek"])
def test_those_that_never_say_are_not_asked(
    server: ScriptedServer, make: Make, preset: str
) -> None:
    assert make(preset=preset).window.tokens == DEFAULT_WINDOW
    assert server.lookups == []


def test_a_probe_says_where_it_is_from(server: ScriptedServer, make: Make) -> None:
    server.respond = lambda _: "ready"
    assert probe(make()).window == (
        "8192 tokens, the default: the server does not say; set llm.context_tokens"
    )
    server.pages = SERVERS["Ollama, as it comes"][0]
    assert probe(make()).window == (
        "4096 tokens; what Ollama gives allows 4096 at most and says no more"
    )


# Counting


def counting(tokens: int, kind: str = "llama.cpp") -> dict[str, Scripted]:
    if kind == "vllm":
        body: Any = {"count": tokens, "max_model_len": 3000}
        return {"/v1/models": listed(owned_by="vllm", max_model_len=3000), "/tokenize": page(body)}
    body = {"tokens": list(range(tokens))}
    return {"/v1/models": listed(**LLAMA, meta={"n_ctx": 3000}), "/tokenize": page(body)}


def sent(model: ChatModel, number: int) -> int:
    generator = LanguageModelGenerator(model, model.settings)
    shared = sample_passages()[0]
    passages = [shared] * number
    return generator.request("How long?", passages, ()).sent


@pytest.mark.parametrize("kind", ["llama.cpp", "vllm"])
def test_near_the_limit_the_server_counts(server: ScriptedServer, make: Make, kind: str) -> None:
    estimated = sent(make(context_tokens=3000), 200)  # no page counts yet
    server.pages = counting(4000, kind)
    server.lookups.clear()
    model = make()
    assert sent(model, 2) == 2
    assert [request.path for request in server.lookups if "tokenize" in request.path] == []
    assert sent(model, 200) > 1.5 * estimated
    assert sent(model, 200) > 1.5 * estimated
    [counted] = [request for request in server.lookups if request.path == "/tokenize"]  # once
    assert counted.body.keys() == ({"content"} if kind == "llama.cpp" else {"model", "prompt"})


@pytest.mark.parametrize("reply", [error(404, "no"), page({"tokens": "x"}), page({"count": 10**9})])
def test_a_count_that_cannot_be_is_not_believed(
    server: ScriptedServer, make: Make, reply: Scripted
) -> None:
    estimated = sent(make(context_tokens=3000), 200)
    server.pages = {**counting(1), "/tokenize": reply}
    assert sent(make(), 200) == estimated


def test_it_goes_with_the_settings(server: ScriptedServer) -> None:
    model = ChatModel(LlmSettings(model="small", base_url=f"{server.base_url}/", retries=0))
    server.pages = SERVERS["llama.cpp, older"][0]
    assert model.window.tokens == 6144
    assert [request.path for request in server.lookups] == ["/v1/models", "/props"]
    model.close()
