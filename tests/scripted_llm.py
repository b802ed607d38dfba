"""A server on loopback that speaks OpenAI's protocol and says what a test lays out.

    server.enqueue("five days", error(429, "slow down"), slow(2, "late"), raw(b"<html>"))

Replies go out in that order; ``server.respond`` answers what the queue does not.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """What all messages say."""
        return "\n".join(message["content"] for message in self.body["messages"])


@dataclass(frozen=True)
class Scripted:
    body: bytes = b""
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang_up: bool = False


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
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": received,
            "total_tokens": sent + received,
        },
    } | changes
    return Scripted(json.dumps(body).encode())


def error(
    status: int, message: str, *, code: str | None = None, param: str | None = None
) -> Scripted:
    """An error as OpenAI words it; a client that tries again may do so at once."""
    body = {"error": {"message": message, "type": "error", "code": code, "param": param}}
    return Scripted(json.dumps(body).encode(), status, headers={"retry-after-ms": "1"})


def raw(body: bytes, media_type: str = "application/json", status: int = 200) -> Scripted:
    return Scripted(body, status, media_type)


def slow(seconds: float, reply: str | Scripted) -> Scripted:
    return replace(_scripted(reply), delay=seconds)


HANG_UP = Scripted(hang_up=True)


def _scripted(reply: str | Scripted) -> Scripted:
    return completion(reply) if isinstance(reply, str) else reply


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, json.loads(body))
        reply = self.server.next_reply(request)
        time.sleep(reply.delay)
        if reply.hang_up:
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.media_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *arguments: object) -> None:
        pass


class ScriptedServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Request] = []
        self.respond: Callable[[Request], str | Scripted] = lambda _: error(418, "none enqueued")
        self._queue: list[Scripted] = []
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def enqueue(self, *replies: str | Scripted) -> None:
        self._queue += map(_scripted, replies)

    def next_reply(self, request: Request) -> Scripted:
        with self._lock:
            self.requests.append(request)
            return self._queue.pop(0) if self._queue else _scripted(self.respond(request))

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that gives up on a slow reply is part of the tests

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
