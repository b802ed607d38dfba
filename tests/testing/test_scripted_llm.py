"""The server that ships: what it promises to the tests of others, with nothing of ours but it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from rag.testing.scripted_llm import (
    HANG_UP,
    ScriptedServer,
    bytewise,
    completion,
    error,
    slow,
    stream,
    truncated,
)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(models=["a", "b"]) as made:
        yield made


def ask(server: ScriptedServer, **body: Any) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
    body = {"messages": [{"role": "user", "content": "hello"}], **body}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    try:
        return response.status, headers, response.read().decode()
    finally:
        connection.close()


def events_in(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_replies_in_order_then_the_function(server: ScriptedServer) -> None:
    server.enqueue("one", error(429, "slow", retry_after="7"), slow(0.01, completion("two")))
    server.respond = lambda request: f"you said {request.text}"
    assert json.loads(ask(server)[2])["choices"][0]["message"]["content"] == "one"
    status, headers, _ = ask(server)
    assert (status, headers["retry-after"]) == (429, "7")
    assert "two" in ask(server)[2]
    assert "you said hello" in ask(server)[2]
    assert [request.text for request in server.requests] == ["hello"] * 4


def test_a_text_is_streamed_to_who_asks_for_it(server: ScriptedServer) -> None:
    server.enqueue(completion("five  days", sent=7, finish="length"))
    _, headers, text = ask(server, stream=True)
    assert headers["content-type"] == "text/event-stream"
    events = events_in(text)
    pieces = [e["choices"][0]["delta"].get("content") for e in events if e["choices"]]
    assert [piece for piece in pieces if piece] == ["five  ", "days"]
    assert events[-1]["usage"]["prompt_tokens"] == 7
    assert [e["choices"][0]["finish_reason"] for e in events if e["choices"]][-1] == "length"


def test_a_stream_in_bytes_is_the_same_stream(server: ScriptedServer) -> None:
    server.enqueue(stream("five"), bytewise(stream("five"), pause=0))
    assert ask(server)[2] == ask(server)[2]


def test_breaking_off(server: ScriptedServer) -> None:
    server.enqueue(HANG_UP, truncated("five"))
    with pytest.raises(http.client.RemoteDisconnected):
        ask(server)
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(server)
    assert b"five" in caught.value.partial


def test_the_list_of_models(server: ScriptedServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
    connection.request("GET", "/v1/models")
    assert [m["id"] for m in json.loads(connection.getresponse().read())["data"]] == ["a", "b"]
    connection.close()
    assert server.lookups[0].method == "GET"
