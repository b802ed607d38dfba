from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.models import chat
from rag.models.chat import ChatModel
from rag.models.embedder import BuiltInEmbedder
from rag.settings import LlmSettings
from rag.testing.scripted_llm import ScriptedServer

KEY = "sk-hush-hush-1234567890"


@pytest.fixture(scope="session")
def embedder():
    """The shipped model, loaded once; it remembers nothing, so that every call is computed."""
    return BuiltInEmbedder(threads=1, remembered=0)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        yield made


@pytest.fixture
def make(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., ChatModel]]:
    monkeypatch.setattr(chat, "_PAUSES", (0.01, 0.02))
    monkeypatch.setattr(chat, "_LOADING", 0.01)
    made: list[ChatModel] = []

    def make(reply_tokens: int | None = None, **settings: Any) -> ChatModel:
        given = {"model": "small", "base_url": server.base_url, "api_key": KEY, "retries": 0}
        llm = LlmSettings(**{**given, "timeout": 5.0, **settings})
        made.append(ChatModel(llm, reply_tokens=reply_tokens))
        return made[-1]

    yield make
    for model in made:
        model.close()
