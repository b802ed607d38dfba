"""A real HTTP server on loopback whose answers a test lays out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the head and the body are sent apart
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.times.append(time.monotonic())
        route = self.server.routes.get(self.path)
        if route is None:
            self.reply(404, b"no")
        else:
            route(self)

    def reply(
        self, status: int, body: bytes, media_type: str = "text/html", **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, Callable[[Handler], None]] = {}
        self.requests: list[str] = []
        self.times: list[float] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def page(self, path: str, body: bytes | str, media_type: str = "text/html", status: int = 200):
        data = body.encode() if isinstance(body, str) else body
        self.routes[path] = lambda handler: handler.reply(status, data, media_type)

    def redirect(self, path: str, to: str) -> None:
        self.routes[path] = lambda handler: handler.reply(302, b"", Location=to)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up early is part of the tests

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
