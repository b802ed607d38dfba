"""HTTP with limits: which hosts, how many bytes, how long, how many redirects, how often.

The address that is connected to is the address that was checked, at every hop, so neither a
redirect nor a name that changes its address between check and use leads into a private network.
Whatever a server answers, and whenever the reading is stopped, the outcome is a page or a sentence.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import responses
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import PurePosixPath
from string import ascii_letters, digits, punctuation
from typing import Any, Self, TypeVar
from urllib.parse import quote, unquote, urljoin, urlsplit

import httpcore
import httpx

from rag.errors import SourceError
from rag.ingest.fetched import Fetched, too_large
from rag.settings import FetchSettings

BACKOFF = 0.5
"""Seconds before the second attempt when the server does not say."""

MAX_DELAY = 30.0
"""The most seconds between requests that a site's robots.txt can ask for."""

STEP = 65_536
"""The most bytes that come out of one step of unpacking."""

MAX_LAYERS = 4
"""More packings around each other than anyone needs."""

GZIP = b"\x1f\x8b"
_SLICE = 8192  # what follows the end of a packed member is copied: little, however many members
_MAX_REDIRECTS = 5
_MAX_NAME = 200
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset(f"{ascii_letters}{digits}-._~")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REASONS = {
    401: "asks for a login; save the page as a file and ingest that",
    403: "refuses access; save the page as a file and ingest that",
    404: "does not exist (404); check the address",
    410: "is gone for good (410); remove it from the sources",
    429: "asks to slow down (429); set fetch.delay or try again later",
}

_GLOBAL_UNICAST = ip_network("2000::/3")
"""All of IPv6 that is given to hosts; what is translated to IPv4 is judged as IPv4."""

_NAT64 = ip_network("64:ff9b::/96")
# Blocks of the registries of IANA that ``is_global`` lacks, or has in some versions only: protocol
# assignments, relays to 6to4, protocol assignments with Teredo, documentation.
_SPECIAL = tuple(map(ip_network, "192.0.0.0/24 192.88.99.0/24 2001::/23 3fff::/20".split()))

_T = TypeVar("_T")


class TransientError(SourceError):
    """A failure that may pass; ``after`` is how long the server asks to wait, in seconds."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Fetcher:
    """Reads URLs within the limits of the settings. Threads may share one; close it at the end."""

    def __init__(self, settings: FetchSettings) -> None:
        self.settings = settings
        self._turns: dict[str, float] = {}
        self._delays: dict[str, float] = {}
        self._lock = threading.Lock()
        self._opened: _Connections | None = None

    def get(self, url: str) -> Fetched:
        """What the URL holds; raises SourceError with one sentence."""
        uri = canonical_url(url)
        connections = self._connections()  # made before any turn is waited for
        connections.start_clock()
        try:
            try:
                return self._attempt(uri, connections)
            except TransientError as error:
                pause = BACKOFF if error.after is None else error.after
                if connections.closed.is_set() or pause >= connections.left():
                    raise  # the time limit would cut off a second attempt
            connections.sleep(pause)
            return self._attempt(uri, connections)
        except Exception as error:
            if connections.closed.is_set():
                raise SourceError(f"{uri} was not read to its end; ingest it again.") from None
            if isinstance(error, SourceError):
                raise
            if isinstance(error, httpcore.TimeoutException):
                limit = f"{self.settings.timeout:g} s (setting fetch.timeout)"
                raise TransientError(
                    f"{uri} took longer than {limit}; try again or raise it."
                ) from None
            raise SourceError(f"{uri} cannot be read: {_plain(error)}.") from None
        finally:
            if connections.closed.is_set():
                connections.close()  # the one that this request leaves behind

    def slow_down(self, host: str, delay: float) -> None:
        """Keep ``delay`` seconds between requests to the host, ``MAX_DELAY`` at most."""
        self._delays[host] = min(delay, MAX_DELAY)

    def close(self) -> None:
        """Close the connections, from any thread: a ``get`` that waits raises SourceError at once.

        A later ``get`` opens new ones.
        """
        with self._lock:
            connections, self._opened = self._opened, None
        if connections is not None:
            connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connections(self) -> _Connections:
        """Those in use, made when they are first needed."""
        with self._lock:
            if self._opened is None:
                self._opened = _Connections(self.settings)
                weakref.finalize(self, self._opened.close)
            return self._opened

    def _attempt(self, uri: str, connections: _Connections) -> Fetched:
        here = uri
        seen = {here}
        for _ in range(_MAX_REDIRECTS + 1):
            self._wait_for_turn(urlsplit(here).netloc, connections)
            try:
                answer = self._request(uri, here, connections)
            except httpcore.NetworkError as error:
                raise _connection_error(uri, error) from None
            except httpcore.ProtocolError as error:
                raise TransientError(
                    f"{uri} cannot be read, its answer is broken or breaks off ({_plain(error)}); "
                    "try again or save the page as a file."
                ) from None
            if isinstance(answer, Fetched):
                return answer
            here = answer
            if here in seen:
                raise SourceError(f"{uri} redirects in a circle; open it in a browser and check.")
            seen.add(here)
        raise SourceError(
            f"{uri} redirects more than {_MAX_REDIRECTS} times; use the address that it ends at."
        )

    def _request(self, uri: str, here: str, connections: _Connections) -> Fetched | str:
        """The page, or the address that it redirects to."""
        with connections.ask(here) as response:
            location = _header(response, "location")
            if location is not None and response.status in _REDIRECTS:
                return _redirect(uri, here, location)
            _check_status(uri, response)
            return Fetched(
                uri=uri,
                data=self._read(uri, response, connections),
                media_type=_header(response, "content-type"),
                name=_name_of(here),
                modified=_date(_header(response, "last-modified") or ""),
                final_uri=here,
            )

    def _read(self, uri: str, response: httpcore.Response, connections: _Connections) -> bytes:
        """The body; every layer of it keeps to the limits, so that none can be a bomb."""

        def limited(pieces: Iterable[bytes]) -> Iterator[bytes]:
            size = 0
            for piece in pieces:
                connections.left_or_raise()
                size += len(piece)
                if size > self.settings.max_bytes:
                    raise too_large(uri, self.settings.max_bytes)
                yield piece

        pieces = limited(response.iter_stream())
        codings = _codings(uri, response)
        for coding in codings:
            pieces = limited(unpacked(pieces, coding))
        try:
            return b"".join(pieces)
        except zlib.error as error:
            raise TransientError(
                f"{uri} is packed as {', '.join(codings)} and cannot be unpacked: "
                f"{_plain(error)}; try again or save the page as a file."
            ) from None

    def _wait_for_turn(self, host: str, connections: _Connections) -> None:
        delay = max(self.settings.delay, self._delays.get(host, 0.0))
        if not delay:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._turns.get(host, now))
            self._turns[host] = turn + delay
        connections.sleep(turn - now)
        connections.extend_clock(turn - now)  # our own manners do not count against the server


def canonical_url(url: str) -> str:
    """The URL in ASCII, with a lower-case host, without its default port and its fragment.

    Raises SourceError for what cannot be fetched.

    >>> canonical_url("HTTP://Example.org:80/%7Ea b#top")
    'http://example.org/~a%20b'
    """
    shown = _printable(url.rpartition("@")[2])  # whatever stands before may be a password
    try:
        parsed = httpx.URL(url.strip())
        path = _ESCAPE.sub(_normal_escape, parsed.raw_path.decode("ascii").partition("?")[0])
        canonical = parsed.copy_with(fragment=None, path=path)
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceError(f"{shown} is not a valid address: {_plain(error)}.") from None
    if parsed.scheme not in ("http", "https"):
        raise SourceError(f"{shown} cannot be fetched; only http and https addresses can.")
    if not parsed.host:
        raise SourceError(f"{shown} names no host; write it as https://host/path.")
    if parsed.userinfo:
        raise SourceError(
            f"The address of {parsed.host} holds a user name or password, which would be stored "
            "in the index; save the page as a file and ingest that."
        )
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise SourceError(f"{shown} names a port that there is not; correct or leave out the port.")
    return str(canonical)


def _normal_escape(match: re.Match[str]) -> str:
    """Decode only what means the same without an escape: %2F is no slash, nor %3F a query."""
    letter = unquote(match[0])
    return letter if letter in _UNRESERVED else match[0].upper()


@cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # once: reading them takes longer than a page


class _Connections(httpcore.NetworkBackend):
    """Connects to addresses that were checked, ends every wait at the deadline or when closed."""

    def __init__(self, settings: FetchSettings) -> None:
        self.closed = threading.Event()
        self._settings = settings
        self._inner = httpcore.SyncBackend()
        self._clock = threading.local()  # a request stays in its thread
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._waiting: set[Future[Any]] = set()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_certificates(),
            network_backend=self,
            max_connections=None,  # the callers' threads are limit enough
            keepalive_expiry=5.0,
        )

    def ask(self, uri: str) -> AbstractContextManager[httpcore.Response]:
        """The context in which the answer can be read."""
        url = httpx.URL(uri)
        return self._pool.stream(
            "GET",
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers={
                "Host": url.netloc,
                "User-Agent": self._settings.user_agent,
                "Accept": "text/html,*/*;q=0.8",
                "Accept-Encoding": "gzip, deflate",
            },
        )

    def close(self) -> None:
        """End every wait and close what is idle; what is in use is closed by its own thread."""
        self.closed.set()
        with self._lock:
            for future in self._waiting:
                future.cancel()
            for handle in self._sockets:
                with suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)
        for connection in self._pool.connections:
            if connection.is_idle():
                connection.close()

    def sleep(self, seconds: float) -> None:
        self.closed.wait(seconds)

    def start_clock(self) -> None:
        self._clock.deadline = time.monotonic() + self._settings.timeout

    def extend_clock(self, seconds: float) -> None:
        self._clock.deadline += seconds

    def left(self) -> float:
        return float(self._clock.deadline - time.monotonic())

    def left_or_raise(self) -> float:
        if self.closed.is_set():
            raise httpcore.ReadError("closed")
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
        error: Exception = httpcore.ConnectError(f"{host} has no address")
        addresses = self._abandonable(self._resolve, host, port)
        for number, address in enumerate(addresses):
            share = self.left_or_raise() / (len(addresses) - number)  # one may be out of order
            try:
                stream = self._abandonable(
                    self._inner.connect_tcp, address, port, share, local_address, socket_options
                )
            except (httpcore.NetworkError, httpcore.ConnectTimeout) as failed:
                error = failed
            else:
                return self._timed(stream)
        raise error

    def forget(self, handle: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(handle)
            handle.close()

    def _timed(self, stream: httpcore.NetworkStream) -> _TimedStream:
        # A second handle on the connection, which stays valid when TLS takes over the first.
        handle = stream.get_extra_info("socket").dup()
        with self._lock:
            self._sockets.add(handle)
        timed = _TimedStream(stream, self, handle)
        if self.closed.is_set():  # after it was added, so that one of the two threads sees it
            timed.close()
        return timed

    def _abandonable(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call what cannot be interrupted in a thread that is left behind when time is up."""
        outcome: Future[_T] = Future()

        def call() -> None:
            try:
                found = function(*arguments)
            except BaseException as error:
                with suppress(InvalidStateError):
                    outcome.set_exception(error)
                return
            try:
                outcome.set_result(found)
            except InvalidStateError:  # nobody waits any more
                if isinstance(found, httpcore.NetworkStream):
                    found.close()

        left = self.left_or_raise()
        with self._lock:
            self._waiting.add(outcome)
        threading.Thread(target=call, daemon=True, name="rag-connect").start()
        try:
            if self.closed.is_set():
                outcome.cancel()
            return outcome.result(left)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        finally:
            outcome.cancel()
            with self._lock:
                self._waiting.discard(outcome)

    def _resolve(self, host: str, port: int) -> list[str]:
        sentence = f"The host {host} cannot be found; check the address and the network."
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise TransientError(sentence) from None
            raise SourceError(sentence) from None
        except UnicodeError:  # a part of the name is empty or too long
            raise SourceError(sentence) from None
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        if not self._settings.private_addresses and not all(map(is_public, addresses)):
            raise SourceError(
                f"{host} is a private address; set fetch.private_addresses = true to allow it."
            )
        return addresses


class _TimedStream(httpcore.NetworkStream):
    def __init__(
        self, inner: httpcore.NetworkStream, connections: _Connections, handle: socket.socket
    ) -> None:
        self._inner = inner
        self._connections = connections
        self._handle = handle

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._inner.read(max_bytes, self._connections.left_or_raise())
        if not data:
            self._connections.left_or_raise()  # the end that we made is not the page's end
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._connections.left_or_raise())

    def close(self) -> None:
        self._inner.close()
        self._connections.forget(self._handle)

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            left = self._connections.left_or_raise()
            inner = self._inner.start_tls(ssl_context, server_hostname, left)
        except BaseException:
            self.close()
            raise
        return _TimedStream(inner, self._connections, self._handle)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _check_status(uri: str, response: httpcore.Response) -> None:
    status = response.status
    if status in (200, 203):
        return
    reason = _REASONS.get(status)
    if reason is None:
        advice = "try again later" if status >= 500 else "check the address"
        reason = f"answers with status {status} ({responses.get(status, 'unknown')}); {advice}"
    if status >= 500 or status == 429:
        raise TransientError(f"{uri} {reason}.", _retry_after(response))
    raise SourceError(f"{uri} {reason}.")


def _retry_after(response: httpcore.Response) -> float | None:
    value = (_header(response, "retry-after") or "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    when = _date(value)
    return None if when is None else max(0.0, (when - datetime.now(UTC)).total_seconds())


def _redirect(uri: str, here: str, location: str) -> str:
    raw = location.encode("latin-1")
    try:
        there = raw.decode("utf-8")
    except UnicodeDecodeError:
        there = quote(raw, safe=punctuation)
    try:
        return canonical_url(urljoin(here, there))
    except (SourceError, ValueError) as error:
        raise SourceError(f"{uri} redirects to what is no page: {_plain(error)}.") from None


def _codings(uri: str, response: httpcore.Response) -> list[str]:
    """How the body is packed, the outermost first."""
    named = ",".join(_headers(response, "content-encoding"))
    codings = [coding.strip().lower() for coding in named.split(",")]
    codings = [coding.removeprefix("x-") for coding in codings if coding not in ("", "identity")]
    if len(codings) > MAX_LAYERS or set(codings) - {"gzip", "deflate"}:
        raise SourceError(
            f"{uri} is packed as {_printable(', '.join(codings))}, which cannot be unpacked here; "
            "save the page as a file and ingest that."
        )
    return codings[::-1]


def _headers(response: httpcore.Response, name: str) -> list[str]:
    wanted = name.encode()
    return [value.decode("latin-1") for key, value in response.headers if key.lower() == wanted]


def _header(response: httpcore.Response, name: str) -> str | None:
    return next(iter(_headers(response, name)), None)


def _connection_error(uri: str, error: Exception) -> SourceError:
    message = _plain(error)
    if "CERTIFICATE" in message.upper():
        return SourceError(f"{uri} has a certificate that cannot be trusted: {message}.")
    return TransientError(f"{uri} cannot be reached ({message}); check the address and try again.")


def _plain(error: Exception) -> str:
    return _printable(str(error).strip().rstrip(".")) or type(error).__name__


def _printable(text: str) -> str:
    """The text for a sentence: without signs that a terminal would obey, and not long."""
    return text[:300] if text[:300].isprintable() else ascii(text[:300])[1:-1]


def _date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _name_of(url: str) -> str:
    """The file's name: its last part when decoded, too, and nothing that is not printed."""
    parts = urlsplit(url)
    name = PurePosixPath(unquote(PurePosixPath(parts.path).name)).name
    return "".join(filter(str.isprintable, name))[-_MAX_NAME:] or parts.netloc


def is_public(address: str) -> bool:
    """Tell whether an IP address is on the public internet, also one wrapped in IPv6.

    Raises ValueError for what is no IP address.

    >>> is_public("10.0.0.1"), is_public("::ffff:8.8.8.8")
    (False, True)
    """
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is None and ip not in _GLOBAL_UNICAST:
            return False
        ip = inner or ip
    return ip.is_global and not ip.is_multicast and not any(ip in block for block in _SPECIAL)


def unpacked(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Yield what is packed in the pieces; ``coding`` is gzip (all its members) or deflate.

    Raises zlib.error where it is damaged or cut off, after all that comes before. What follows the
    end is left out, as browsers do. Nothing at all unpacks to nothing.
    """
    decoder = None
    rest = b""
    members = 0
    for piece in _sliced(pieces):
        rest += piece
        while decoder or len(rest) >= 2:
            if decoder is None:
                if members and not (coding == "gzip" and rest.startswith(GZIP)):
                    return
                decoder = zlib.decompressobj(_window(coding, rest))
            data = decoder.decompress(rest, STEP)
            if data:
                yield data
            rest = decoder.unconsumed_tail
            if decoder.eof:
                rest = decoder.unused_data
                decoder = None
                members += 1
            elif not rest and len(data) < STEP:
                break
    if decoder or (rest and not members):
        raise zlib.error("it is cut off")


def _sliced(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), _SLICE):
            yield piece[start : start + _SLICE]


def _window(coding: str, head: bytes) -> int:
    if coding == "gzip":
        return 16 + zlib.MAX_WBITS
    # The standard's deflate has a header; that of many servers has none.
    has_header = head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
