"""HTTP with limits: which hosts, how many bytes, how long, how many redirects, how often.

The address that is connected to is the address that was checked, at every hop, so neither a
redirect nor a name that changes its address between check and use leads into a private network.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import httpcore
import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.stop import stop_base

from rag.errors import SourceError
from rag.ingest.fetched import Fetched, too_large
from rag.settings import FetchSettings

ATTEMPTS = 2
BACKOFF = 0.5
"""Seconds before the second attempt when the server does not say."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_RETRIED = frozenset({429, 500, 502, 503, 504})
_REASONS = {
    401: "asks for a login; save the page as a file and ingest that",
    403: "refuses access; save the page as a file and ingest that",
    404: "does not exist (404); check the address",
    410: "is gone for good (410); remove it from the sources",
    429: "asks to slow down (429); set fetch.delay or try again later",
}


class TransientError(SourceError):
    """A failure that may pass; ``after`` is how long the server asks to wait, in seconds."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Fetcher:
    """Reads URLs within the limits of the settings. Threads may share one; close it at the end."""

    def __init__(self, settings: FetchSettings) -> None:
        self.settings = settings
        self._backend = _GuardedBackend(settings)
        self._turns: dict[str, float] = {}
        self._delays: dict[str, float] = {}
        self._lock = threading.Lock()
        self._opened: httpx.Client | None = None

    def get(self, url: str) -> Fetched:
        """Return what the URL holds; raises SourceError with one sentence."""
        self._client()  # made before any turn is waited for
        self._backend.start_clock()
        retrying = Retrying(
            stop=_StopLate(self._backend) | stop_after_attempt(ATTEMPTS),
            wait=_pause,
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        try:
            return retrying(self._attempt, url)
        except (httpcore.TimeoutException, httpx.TimeoutException):
            limit = f"{self.settings.timeout:g} s (setting fetch.timeout)"
            raise SourceError(f"{url} took longer than {limit}; try again or raise it.") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise SourceError(f"{url} cannot be read: {_plain(error)}.") from None

    def slow_down(self, host: str, delay: float) -> None:
        """Keep at least ``delay`` seconds between requests to the host, as its robots.txt asks."""
        self._delays[host] = delay

    def close(self) -> None:
        """Close the connections; a later ``get`` opens new ones."""
        with self._lock:
            client, self._opened = self._opened, None
        if client is not None:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _client(self) -> httpx.Client:
        """Return the one client, made when it is first needed: its certificates take time."""
        with self._lock:
            if self._opened is None:
                self._opened = httpx.Client(
                    transport=_Transport(self._backend),
                    follow_redirects=False,
                    timeout=self.settings.timeout,
                    headers={
                        "User-Agent": self.settings.user_agent,
                        "Accept": "text/html,*/*;q=0.8",
                    },
                )
                weakref.finalize(self, self._opened.close)
            return self._opened

    def _attempt(self, url: str) -> Fetched:
        here = canonical_url(url)
        seen = {here}
        for _ in range(self.settings.max_redirects + 1):
            self._wait_for_turn(urlsplit(here).netloc)
            try:
                answer = self._request(url, here)
            except (httpcore.NetworkError, httpcore.ProtocolError) as error:
                raise _connection_error(url, error) from None
            if isinstance(answer, Fetched):
                return answer
            here = answer
            if here in seen:
                raise SourceError(f"{url} redirects in a circle; open it in a browser and check.")
            seen.add(here)
        raise SourceError(
            f"{url} redirects more than {self.settings.max_redirects} times "
            "(setting fetch.max_redirects); use the address that it ends at."
        )

    def _request(self, url: str, here: str) -> Fetched | str:
        """Return the page, or the address that it redirects to."""
        with self._client().stream("GET", here) as response:
            if response.has_redirect_location:
                return canonical_url(str(response.url.join(response.headers["Location"])))
            _check_status(url, response)
            return Fetched(
                uri=canonical_url(url),
                data=self._read(url, response),
                media_type=response.headers.get("Content-Type"),
                name=_name_of(here),
                modified=_date(response.headers.get("Last-Modified")),
                final_uri=here,
            )

    def _read(self, url: str, response: httpx.Response) -> bytes:
        limit = self.settings.max_bytes
        data = bytearray()
        for piece in response.iter_bytes():
            data += piece
            if len(data) > limit:
                raise too_large(url, limit)
        return bytes(data)

    def _wait_for_turn(self, host: str) -> None:
        delay = max(self.settings.delay, self._delays.get(host, 0.0))
        if not delay:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._turns.get(host, now))
            self._turns[host] = turn + delay
        time.sleep(turn - now)
        self._backend.extend_clock(turn - now)  # our own manners do not count against the server


def canonical_url(url: str) -> str:
    """Return the URL with a lower-case host, without its default port and its fragment."""
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceError(f"{url} is not a valid address: {_plain(error)}.") from None
    if parsed.scheme not in ("http", "https"):
        raise SourceError(f"{url} cannot be fetched; only http and https addresses can.")
    if not parsed.host:
        raise SourceError(f"{url} names no host; write it as https://host/path.")
    if parsed.userinfo:
        raise SourceError(
            f"The address of {parsed.host} holds a user name or password, which would be stored "
            "in the index; save the page as a file and ingest that."
        )
    return str(parsed.copy_with(fragment=None, path=parsed.path or "/"))


def is_public(address: str) -> bool:
    """Tell whether an IP address is on the public internet, also one wrapped in IPv6."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, and ends every wait at the deadline."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._inner = httpcore.SyncBackend()
        self._clock = threading.local()  # a request stays in its thread

    def start_clock(self) -> None:
        self._clock.deadline = time.monotonic() + self._settings.timeout

    def extend_clock(self, seconds: float) -> None:
        self._clock.deadline += seconds

    def left(self) -> float:
        seconds: float = self._clock.deadline - time.monotonic()
        return seconds

    def left_or_raise(self) -> float:
        if (seconds := self.left()) <= 0:
            raise httpcore.ReadTimeout
        return seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        error: httpcore.NetworkError | None = None
        for address in self._resolve(host, port):
            try:
                stream = self._inner.connect_tcp(
                    address, port, self.left_or_raise(), local_address, socket_options
                )
            except httpcore.NetworkError as failed:
                error = failed
            else:
                return _TimedStream(stream, self)
        raise error or httpcore.ConnectError(f"{host} has no address")

    def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            sentence = f"The host {host} cannot be found; check the address and the network."
            if error.errno == socket.EAI_AGAIN:
                raise TransientError(sentence) from None
            raise SourceError(sentence) from None
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        if not self._settings.private_addresses and not all(map(is_public, addresses)):
            raise SourceError(
                f"{host} is a private address; set fetch.private_addresses = true to allow it."
            )
        return addresses


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, backend: _GuardedBackend) -> None:
        self._inner = inner
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._backend.left_or_raise())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._backend.left_or_raise())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._backend.left_or_raise()
        return _TimedStream(
            self._inner.start_tls(ssl_context, server_hostname, left), self._backend
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Transport(httpx.BaseTransport):
    """httpx over a pool with our own network backend, which its own transport cannot be given."""

    def __init__(self, backend: _GuardedBackend) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(), network_backend=backend, keepalive_expiry=5.0
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                extensions=request.extensions,
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _StopLate(stop_base):
    """No second attempt that the time limit would cut off."""

    def __init__(self, backend: _GuardedBackend) -> None:
        self._backend = backend

    def __call__(self, state: RetryCallState) -> bool:
        return _pause(state) >= self._backend.left()


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    after = error.after if isinstance(error, TransientError) else None
    return BACKOFF * state.attempt_number if after is None else after


def _check_status(url: str, response: httpx.Response) -> None:
    status = response.status_code
    if status == 200:
        return
    reason = _REASONS.get(status)
    if reason is None:
        advice = "try again later" if status >= 500 else "check the address"
        reason = f"answers with status {status} ({response.reason_phrase or 'unknown'}); {advice}"
    if status in _RETRIED:
        raise TransientError(f"{url} {reason}.", _retry_after(response))
    raise SourceError(f"{url} {reason}.")


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    when = _date(value)
    return None if when is None else max(0.0, (when - datetime.now(UTC)).total_seconds())


def _connection_error(url: str, error: Exception) -> SourceError:
    message = _plain(error)
    if "CERTIFICATE" in message.upper():
        return SourceError(f"{url} has a certificate that cannot be trusted: {message}.")
    return TransientError(f"{url} cannot be reached ({message}); check the address and try again.")


def _plain(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _date(value: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _name_of(url: str) -> str:
    parts = urlsplit(url)
    return unquote(PurePosixPath(parts.path).name) or parts.netloc
