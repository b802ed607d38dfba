"""A server on loopback that speaks OpenAI's protocol and says, or breaks, what a test lays out.

    with ScriptedServer() as server:
        server.enqueue("five days", error(429, "slow down"), stream("five ", "days"), HANG_UP)
        settings = LlmSettings(model="any", base_url=server.base_url)

Replies go out in that order; ``server.respond`` answers what the queue does not. A reply that is a
text or a ``completion`` is streamed to a client that asks for a stream. ``server.requests`` has all
that came. It needs no network, no key and nothing but the standard library.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from typing import Any

EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Request:
    """What a client sent; header names are in small letters."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    method: str = "POST"

    @property
    def text(self) -> str:
        """What all messages say."""
        said = [message["content"] for message in self.body.get("messages", ())]
        said += [message["content"] for message in self.body.get("input", ())]
        aside = self.body.get("system"), self.body.get("instructions")
        return "\n".join([*filter(None, aside), *said])


@dataclass(frozen=True)
class Scripted:
    """A reply to the byte: ``body`` at once, or ``chunks`` one after the other.

    ``delay`` is waited for before the status line, ``pause`` before each chunk; ``hang_up`` closes
    the connection instead of a reply, ``cut`` after the last chunk, without the end that the
    protocol wants. ``stay`` keeps the connection open and silent after the last chunk.
    """

    body: bytes = b""
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang_up: bool = False
    chunks: Iterable[bytes] | None = None
    pause: float = 0.0
    cut: bool = False
    stay: float = 0.0


# Replies


def completion(
    text: str | None, *, sent: int = 100, received: int = 10, **changes: Any
) -> Scripted:
    """A completion; ``changes`` replace its fields, e.g. ``choices=[]`` or ``usage=None``."""
    choice = {
        "index": 0,
        "finish_reason": changes.pop("finish", "stop"),
        "message": {"role": "assistant", "content": text},
    }
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [choice],
        "usage": _usage(sent, received),
    } | changes
    return Scripted(json.dumps(body).encode())


def error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    retry_after: str | None = None,
) -> Scripted:
    """An error as OpenAI words it; a client that tries again may do so at once.

    With ``retry_after`` it has that header instead, in seconds or as a date.
    """
    body = {"error": {"message": message, "type": "error", "code": code, "param": param}}
    headers = {"retry-after-ms": "1"} if retry_after is None else {"retry-after": retry_after}
    return Scripted(json.dumps(body).encode(), status, headers=headers)


def raw(body: bytes, media_type: str = "application/json", status: int = 200) -> Scripted:
    """Any bytes under any media type."""
    return Scripted(body, status, media_type)


def slow(seconds: float, reply: str | Scripted) -> Scripted:
    """The same reply, so much later."""
    return replace(_scripted(reply), delay=seconds)


HANG_UP = Scripted(hang_up=True)
"""No reply at all: the connection is closed."""


# Streams


def event(text: str | None = None, *, finish: str | None = None, **changes: Any) -> bytes:
    """One event of a stream; ``changes`` replace its fields, e.g. ``usage={...}``."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "scripted",
        "choices": [
            {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
        ],
    } | changes
    return line(json.dumps(body))


def line(data: str) -> bytes:
    """One event whose data is anything at all."""
    return f"data: {data}\n\n".encode()


DONE = line("[DONE]")
"""The line that ends a stream."""


def named(data: dict[str, Any]) -> bytes:
    """An event named as the type of its data, as in responses and Anthropic's messages."""
    return f"event: {data['type']}\n".encode() + line(json.dumps(data))


def stream(
    *pieces: str, finish: str = "stop", sent: int = 100, received: int = 10, pause: float = 0.0
) -> Scripted:
    """A whole stream of these pieces, with its usage in an event of its own, as OpenAI has it."""
    usage = event(choices=[], usage=_usage(sent, received))
    opening = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    said = map(event, pieces)
    return events(event(choices=[opening]), *said, event(finish=finish), usage, DONE, pause=pause)


def events(*chunks: bytes, pause: float = 0.0) -> Scripted:
    """A stream of these bytes, whatever they are; it ends as the transport wants it."""
    return Scripted(media_type=EVENTS, chunks=chunks, pause=pause)


def respelled(reply: Scripted, line_end: bytes) -> Scripted:
    """The same stream with other ends of lines, e.g. ``b"\\r"``, one chunk for each of its own."""
    chunks = [chunk.replace(b"\n", line_end) for chunk in reply.chunks or ()]
    return replace(reply, chunks=chunks)


def truncated(*pieces: str) -> Scripted:
    """A stream that breaks off after these pieces: no reason to stop, no end."""
    return Scripted(media_type=EVENTS, chunks=[event(piece) for piece in pieces], cut=True)


def stalled(*pieces: str, seconds: float = 5.0) -> Scripted:
    """A stream that falls silent after these pieces and stays open."""
    chunks = [event(piece) for piece in pieces]
    return Scripted(media_type=EVENTS, chunks=chunks, stay=seconds, cut=True)


def endless(piece: str = "on and on ") -> Scripted:
    """A stream that never stops of itself."""
    return Scripted(media_type=EVENTS, chunks=repeat(event(piece)))


def babble(prefix: bytes = b"data: ", filler: bytes = b"x" * 1000) -> Scripted:
    """A stream whose first line never ends."""
    return Scripted(media_type=EVENTS, chunks=chain([prefix], repeat(filler)))


def heartbeat(pause: float = 0.05) -> Scripted:
    """A stream of comments, which keep the connection alive and say nothing, for ever."""
    return Scripted(media_type=EVENTS, chunks=repeat(b": working\n\n"), pause=pause)


def bytewise(reply: Scripted, pause: float = 0.001) -> Scripted:
    """The same reply, one byte at a time."""
    whole = b"".join(reply.chunks) if reply.chunks is not None else reply.body
    return replace(reply, body=b"", chunks=[bytes([byte]) for byte in whole], pause=pause)


def _usage(sent: int, received: int) -> dict[str, int]:
    total = sent + received
    return {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": total}


def _scripted(reply: str | Scripted) -> Scripted:
    return completion(reply) if isinstance(reply, str) else reply


def _as_stream(reply: Scripted) -> Scripted:
    """A completion as the stream that says the same, word by word."""
    body = json.loads(reply.body)
    choice, usage = body["choices"][0], body.get("usage") or {}
    made = stream(
        *re.findall(r"\S+\s*|\s+", choice["message"]["content"] or ""),
        finish=choice["finish_reason"],
        sent=usage.get("prompt_tokens", 0),
        received=usage.get("completion_tokens", 0),
    )
    return replace(made, delay=reply.delay)


def _is_completion(reply: Scripted) -> bool:
    if reply.status != 200 or reply.chunks is not None or reply.hang_up:
        return False
    try:
        body = json.loads(reply.body)
        message = body["choices"][0]["message"]
        return isinstance(message["content"], str | None) and message.keys() <= {"role", "content"}
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


# The server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_GET(self) -> None:
        """Answer with a page, or the list of models; any other path is not there."""
        request = self._request("GET", {})
        self.server.lookups.append(request)
        path = request.path.partition("?")[0]
        page = self.server.pages.get(path)
        if page is None and path.endswith("/models"):
            listed = [{"id": name, "object": "model"} for name in self.server.models]
            page = raw(json.dumps({"object": "list", "data": listed}).encode())
        self._send(page or error(404, "not here"))

    def do_POST(self) -> None:
        """Answer with a page, or the next reply of the queue."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = self._request("POST", json.loads(body))
        if page := self.server.pages.get(request.path):
            self.server.lookups.append(request)
            self._send(page)
            return
        reply = self.server.next_reply(request)
        if request.body.get("stream") and _is_completion(reply):
            reply = _as_stream(reply)
        self._send(reply)

    def _request(self, method: str, body: dict[str, Any]) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.path, headers, body, method)

    def _send(self, reply: Scripted) -> None:
        time.sleep(reply.delay)
        if reply.hang_up:
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.media_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.chunks is None:
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._send_chunks(reply)

    def _send_chunks(self, reply: Scripted) -> None:
        try:
            for chunk in self._wanted(reply.chunks or ()):
                time.sleep(reply.pause)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            if self.server.stopping.wait(reply.stay) or reply.cut:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
            self.server.left.set()

    def _wanted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield chunks until the server stops: some replies have no end."""
        for chunk in chunks:
            if self.server.stopping.is_set():
                return
            if chunk:  # an empty one would be the end
                yield chunk

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class ScriptedServer(ThreadingHTTPServer):
    """The server; it listens from the start until ``stop``, or to the end of a ``with`` statement.

    ``requests`` are the requests for replies, in order; ``models`` are the names that it lists;
    ``left`` is set once a client hung up in the middle of a reply. ``pages`` are what is at other
    paths, or in place of the list; ``lookups`` are the requests for those.
    """

    daemon_threads = True

    def __init__(self, models: Sequence[str] = ("small",)) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Request] = []
        self.lookups: list[Request] = []
        self.pages: dict[str, Scripted] = {}
        self.models = list(models)
        self.respond: Callable[[Request], str | Scripted] = lambda _: error(418, "none enqueued")
        self.left = threading.Event()
        self.stopping = threading.Event()
        self._queue: list[Scripted] = []
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """What to set ``llm.base_url`` to."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def enqueue(self, *replies: str | Scripted) -> None:
        """Lay out the next replies."""
        self._queue += map(_scripted, replies)

    def next_reply(self, request: Request) -> Scripted:
        """Note a request and return the reply to it."""
        with self._lock:
            self.requests.append(request)
            return self._queue.pop(0) if self._queue else _scripted(self.respond(request))

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that gives up on a slow reply is part of the tests."""

    def stop(self) -> None:
        """Close the server and what it still sends."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
