"""What servers, careless or hostile, answer: pages, packings, robots.txt and sitemaps."""

from __future__ import annotations

import gzip
import resource
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from web_server import Handler, Server

from rag.errors import SourceError
from rag.ingest.fetch import Discovery, Item, discover
from rag.ingest.sitemap import is_sitemap
from rag.ingest.web import MAX_DELAY, STEP, Fetcher, canonical_url, unpacked
from rag.settings import FetchSettings
from rag.types import Failure

LOCAL = FetchSettings(private_addresses=True, timeout=5)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.ingest.web.BACKOFF", 0.01)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(LOCAL) as found:
        yield found


def raw(server: Server, path: str, *parts: bytes) -> str:
    """Let the path answer with just these bytes, then close the connection."""

    def route(handler: Handler) -> None:
        for part in parts:
            handler.wfile.write(part)
        handler.close_connection = True

    server.routes[path] = route
    return server.url(path)


def page(server: Server, body: bytes, *headers: bytes) -> str:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return raw(server, "/x", b"\r\n".join(lines) + b"\r\n\r\n", body)


def refusal(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(SourceError) as caught:
        fetcher.get(url)
    message = str(caught.value)
    assert message.isprintable() and message.endswith(".")
    return message


def deflated(data: bytes, wbits: int) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(data) + packer.flush()


class TestPackings:
    @pytest.mark.parametrize(
        ("coding", "pack"),
        [
            (b"gzip", gzip.compress),
            (b"X-GZIP", gzip.compress),
            (b"deflate", zlib.compress),
            (b"deflate", lambda data: deflated(data, -15)),
            (b"gzip, gzip", lambda data: gzip.compress(gzip.compress(data))),
            (b"deflate , gzip", lambda data: gzip.compress(zlib.compress(data))),
            (b"identity", bytes),
            (b"", bytes),
            (b"identity, gzip", gzip.compress),
            (b"gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
            (b"gzip", lambda data: gzip.compress(data) + b"\0\0\0"),
            (b"gzip", lambda data: gzip.compress(data) + b"junk after the end"),
        ],
    )
    def test_are_undone(
        self, server: Server, fetcher: Fetcher, coding: bytes, pack: Callable[[bytes], bytes]
    ) -> None:
        text = b"a page of some length, " * 20_000
        url = page(server, pack(text), b"Content-Encoding: " + coding)
        assert fetcher.get(url).data == text

    def test_an_empty_body_has_none_whatever_its_header_says(
        self, server: Server, fetcher: Fetcher
    ) -> None:
        assert fetcher.get(page(server, b"", b"Content-Encoding: gzip")).data == b""

    @pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, br", b"\xe2\x80\xaebr", b"aes128"])
    def test_an_unknown_one_has_a_sentence(
        self, server: Server, fetcher: Fetcher, coding: bytes
    ) -> None:
        message = refusal(fetcher, page(server, b"\x8b\x03noise", b"Content-Encoding: " + coding))
        assert "which cannot be unpacked here; save the page as a file" in message

    def test_more_than_anyone_needs_are_refused(self, server: Server, fetcher: Fetcher) -> None:
        many = b"Content-Encoding: " + b", ".join([b"gzip"] * 500)
        assert "cannot be unpacked here" in refusal(fetcher, page(server, b"x", many))

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    @pytest.mark.parametrize("kept", [1, 5, 0.5, -1])
    def test_half_a_page_is_none(
        self, server: Server, fetcher: Fetcher, coding: str, kept: float
    ) -> None:
        whole = (gzip if coding == "gzip" else zlib).compress(bytes(range(256)) * 99)
        end = int(len(whole) * kept) if kept == 0.5 else int(kept)
        url = page(server, whole[:end], f"Content-Encoding: {coding}".encode())
        message = refusal(fetcher, url)
        assert f"is packed as {coding} and cannot be unpacked: it is cut off; try again" in message

    def test_damage_is_told(self, server: Server, fetcher: Fetcher) -> None:
        bad = bytearray(gzip.compress(b"text" * 999))
        bad[-6] ^= 1  # in the checksum
        url = page(server, bytes(bad), b"Content-Encoding: gzip")
        assert "incorrect data check" in refusal(fetcher, url)
        url = page(server, b"<p>plain</p>", b"Content-Encoding: gzip")
        assert "incorrect header check" in refusal(fetcher, url)

    @pytest.mark.parametrize("layers", [1, 2, 3])
    def test_no_bomb_takes_memory(self, server: Server, layers: int) -> None:
        packer = zlib.compressobj(9, wbits=31)
        zeros = bytes(1 << 24)
        bomb = b"".join(packer.compress(zeros) for _ in range(8)) + packer.flush()
        for _ in range(layers - 1):
            bomb = gzip.compress(bomb)
        url = page(server, bomb, b"Content-Encoding: " + b", ".join([b"gzip"] * layers))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with Fetcher(LOCAL.model_copy(update={"max_bytes": 2_000_000})) as fetcher:
            assert "larger than 2,000,000 bytes" in refusal(fetcher, url)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
        assert grown < 40_000 * (1 if sys.platform != "darwin" else 1024)

    def test_a_bomb_that_unpacks_to_nothing_is_cut_off_too(self, server: Server) -> None:
        nothing = gzip.compress(gzip.compress(b"") * 200_000)
        url = page(server, nothing, b"Content-Encoding: gzip, gzip")
        with Fetcher(LOCAL.model_copy(update={"max_bytes": 2_000_000})) as fetcher:
            assert "larger than 2,000,000 bytes" in refusal(fetcher, url)

    def test_steps_are_small_and_few(self) -> None:
        pieces = list(unpacked([gzip.compress(bytes(10_000_000))], "gzip"))
        assert max(map(len, pieces)) == STEP and sum(map(len, pieces)) == 10_000_000
        started = time.process_time()
        members = gzip.compress(b"") * 100_000
        assert list(unpacked([members], "gzip")) == []
        assert time.process_time() - started < 3

    def test_pieces_of_one_byte(self) -> None:
        packed = gzip.compress(b"ab") + gzip.compress(b"cd")
        assert b"".join(unpacked((bytes([byte]) for byte in packed), "gzip")) == b"abcd"


class TestAnswers:
    @pytest.mark.parametrize("status", [201, 204, 205, 206, 300, 304, 305, 418, 451, 999])
    def test_other_statuses_are_no_page(
        self, server: Server, fetcher: Fetcher, status: int
    ) -> None:
        url = raw(server, "/x", b"HTTP/1.1 %d \x80odd\r\nContent-Length: 0\r\n\r\n" % status)
        assert f"status {status}" in refusal(fetcher, url)

    def test_a_body_that_breaks_off_is_no_page(self, server: Server, fetcher: Fetcher) -> None:
        url = raw(server, "/x", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")
        assert "its answer is broken or breaks off" in refusal(fetcher, url)
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        url = raw(server, "/y", chunked, b"4\r\nhalf\r\n")
        assert "its answer is broken or breaks off" in refusal(fetcher, url)

    def test_a_body_longer_than_it_says_spoils_no_other(
        self, server: Server, fetcher: Fetcher
    ) -> None:
        def route(handler: Handler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour and more")

        server.routes["/x"] = route
        server.page("/y", "other")
        assert fetcher.get(server.url("/x")).data == b"four"
        assert fetcher.get(server.url("/y")).data == b"other"

    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)),
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000,
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\x00b\x1b[31m\r\n",
            b"HTTP/1.1 20 OK\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\x15\x03\x01\x00\x02\x02\x46",
            b"",
        ],
        ids=range(10),
    )
    def test_what_is_no_http_has_a_sentence(
        self, server: Server, fetcher: Fetcher, head: bytes
    ) -> None:
        assert "cannot be re" in refusal(fetcher, raw(server, "/x", head, b"\r\nbody"))

    def test_endless_bodies_end(self, server: Server) -> None:
        def route(handler: Handler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                handler.wfile.write(b"1\r\nx\r\n")

        server.routes["/x"] = route
        started = time.monotonic()
        with Fetcher(LOCAL.model_copy(update={"timeout": 0.5})) as fetcher:
            assert "longer than 0.5 s" in refusal(fetcher, server.url("/x"))
        assert time.monotonic() - started < 3

    @pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
    def test_endless_notices_end(self, server: Server, status: bytes) -> None:
        def route(handler: Handler) -> None:
            while True:
                handler.wfile.write(b"HTTP/1.1 " + status + b"\r\n\r\n")

        server.routes["/x"] = route
        with Fetcher(LOCAL.model_copy(update={"timeout": 0.5})) as fetcher:
            assert "longer than 0.5 s" in refusal(fetcher, server.url("/x"))

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (None, None),
            (b"text/html; charset=bogus", "text/html; charset=bogus"),
            (b"text/\xe9", "text/é"),
            (b"", ""),
        ],
    )
    def test_the_type_is_what_the_server_says(
        self, server: Server, fetcher: Fetcher, header: bytes | None, expected: str | None
    ) -> None:
        lines = [] if header is None else [b"Content-Type: " + header]
        assert fetcher.get(page(server, b"<p>x</p>", *lines)).media_type == expected

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (b"Wed, 21 Oct 2015 07:28:00 GMT", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
            (b"Wed, 21 Oct 2015 07:28:00 +0200", datetime(2015, 10, 21, 5, 28, tzinfo=UTC)),
            (b"Wed, 21 Oct 2015 07:28:00", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
            (b"Fri, 31 Dec 9999 23:59:59 -1200", None),
            (b"Mon, 01 Jan " + b"9" * 5000 + b" 00:00:00 GMT", None),
            (b"Mon, 01 Jan 2020 00:00:00 +" + b"9" * 40, None),
            (b"1 Jan 2020 99999999999999999999:0", None),
            (b"yesterday", None),
            (b"", None),
            (b"\xb2\xb3 \xff", None),
            (b", , , , ,", None),
            (b"(((((((((((((((", None),
        ],
    )
    def test_a_date_is_one_or_none(
        self, server: Server, fetcher: Fetcher, header: bytes, expected: datetime | None
    ) -> None:
        assert fetcher.get(page(server, b"x", b"Last-Modified: " + header)).modified == expected

    @pytest.mark.parametrize(
        "value", ["86400", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"], ids=range(3)
    )
    def test_a_server_that_asks_to_wait_for_ages_is_not_waited_for(
        self, server: Server, fetcher: Fetcher, value: str
    ) -> None:
        server.routes["/x"] = lambda handler: handler.reply(503, b"", Retry_After=value)
        started = time.monotonic()
        assert "status 503" in refusal(fetcher, server.url("/x"))
        assert time.monotonic() - started < 1 and len(server.requests) == 1

    @pytest.mark.parametrize("value", ["²", "-5", "nan", "soon", "1e9"])
    def test_a_wait_that_is_none_is_our_own(
        self, server: Server, fetcher: Fetcher, value: str
    ) -> None:
        server.routes["/x"] = lambda handler: (
            handler.reply(503, b"", Retry_After=value)
            if len(server.requests) == 1
            else handler.reply(200, b"ok")
        )
        assert fetcher.get(server.url("/x")).data == b"ok"

    def test_no_cookie_is_kept(self, server: Server, fetcher: Fetcher) -> None:
        got: list[str | None] = []

        def route(handler: Handler) -> None:
            got.append(handler.headers.get("Cookie"))
            handler.reply(200, b"x", Set_Cookie="id=1; Path=/")

        server.routes["/x"] = route
        fetcher.get(server.url("/x"))
        fetcher.get(server.url("/x"))
        assert got == [None, None]


class TestRedirects:
    @pytest.mark.parametrize(
        ("location", "sentence"),
        [
            (b"file:///etc/passwd", "only http and https"),
            (b"javascript:alert(1)", "only http and https"),
            (b"//", "redirects"),
            (b"http://", "redirects"),
            (b"http://[::1", "redirects to what is no page"),
            (b"http://h:99999/", "a port that there is not"),
            (b"http://me:pw@h/", "holds a user name"),
            (b"", "redirects in a circle"),
        ],
    )
    def test_that_lead_nowhere(
        self, server: Server, fetcher: Fetcher, location: bytes, sentence: str
    ) -> None:
        url = raw(
            server,
            "/x",
            b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n",
        )
        message = refusal(fetcher, url)
        assert sentence in message and "pw" not in message and url in message

    @pytest.mark.parametrize(
        ("location", "path"),
        [
            ("/caf\u00e9 au lait".encode(), "/caf%C3%A9%20au%20lait"),
            (b"/caf\xe9", "/caf%E9"),
            (b"?q=%26&r=1", "/x?q=%26&r=1"),
            (b"../../y/./z%2Fw#part", "/y/z%2Fw"),
        ],
    )
    def test_are_followed_as_they_are_meant(
        self, server: Server, fetcher: Fetcher, location: bytes, path: str
    ) -> None:
        raw(
            server,
            "/x",
            b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n",
        )
        server.page(path, "end")
        fetched = fetcher.get(server.url("/x"))
        assert (fetched.data, fetched.final_uri) == (b"end", server.url(path))

    def test_a_hundred_hops_end(self, server: Server, fetcher: Fetcher) -> None:
        for hop in range(100):
            server.redirect(f"/{hop}", f"/{hop + 1}")
        assert "more than 5 times" in refusal(fetcher, server.url("/0"))
        assert len(server.requests) == 6


class TestNames:
    @pytest.mark.parametrize(
        ("url", "canonical"),
        [
            ("http://h/a%2Fb", "http://h/a%2Fb"),
            ("http://h/what%3F%23%25", "http://h/what%3F%23%25"),
            ("http://h/%7ea%41%c3%a9%ff", "http://h/~aA%C3%A9%FF"),
            ("http://h/%00%0a", "http://h/%00%0A"),
            ("http://h/a\u202eb\u0085c\u2028d", "http://h/a%E2%80%AEb%C2%85c%E2%80%A8d"),
            ("http://h/?q=\u202e\u2066#\x07"[:-1], "http://h/?q=%E2%80%AE%E2%81%A6"),
            ("http://h//a//b/../c", "http://h//a//c"),
            ("http://h", "http://h/"),
            ("http://h?q", "http://h/?q"),
        ],
    )
    def test_an_address_is_ascii_and_means_what_it_meant(self, url: str, canonical: str) -> None:
        assert canonical_url(url) == canonical == canonical_url(canonical)
        assert canonical.isascii() and canonical.isprintable()

    @pytest.mark.parametrize(
        "url",
        [
            "http://h/a\x1b[31mred",
            "http://h/\x00",
            "http://h/\ud800",
            "ftp://h/\u202e\x1b]0;title\x07",
            "http://h:0/",
            "http://h:65536/\u202e",
            "http://" + "h" * 70_000,
            "https://me:secret@[::1/",
        ],
        ids=range(8),
    )
    def test_a_refused_one_cannot_play_tricks(self, url: str) -> None:
        with pytest.raises(SourceError) as caught:
            canonical_url(url)
        message = str(caught.value)
        assert message.isprintable() and len(message) < 700 and "secret" not in message

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("/docs/guide.pdf?v=2", "guide.pdf"),
            ("/a%2F..%2Fb.html", "b.html"),
            ("/a%00b%1B%5B31m.txt", "ab[31m.txt"),
            ("/%E2%80%AEfdp.exe", "fdp.exe"),
            ("/caf%E9.txt", "caf\ufffd.txt"),
            ("/" + "n" * 5000 + ".md", "n" * 197 + ".md"),
        ],
    )
    def test_the_name_is_one_name_that_can_be_printed(
        self, server: Server, fetcher: Fetcher, path: str, name: str
    ) -> None:
        server.page(path, "x")
        assert fetcher.get(server.url(path)).name == name


class TestClosing:
    def closed_soon(self, url: str, fetcher: Fetcher) -> str:
        outcome: list[BaseException | str] = []

        def get() -> None:
            try:
                fetcher.get(url)
                outcome.append("a page")
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=get)
        thread.start()
        time.sleep(0.3)
        started = time.monotonic()
        fetcher.close()
        thread.join(5)
        assert not thread.is_alive() and time.monotonic() - started < 1
        assert isinstance(outcome[0], SourceError)
        return str(outcome[0])

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            b"HTTP/1.1 200 OK\r\n\r\nto the end of the connection",
        ],
        ids=["headers", "body", "unmeasured"],
    )
    def test_a_blocked_read_ends(self, server: Server, fetcher: Fetcher, head: bytes) -> None:
        def route(handler: Handler) -> None:
            handler.wfile.write(head)
            handler.rfile.read(1)  # until the client goes
            handler.close_connection = True

        server.routes["/x"] = route
        server.page("/y", "later")
        message = self.closed_soon(server.url("/x"), fetcher)
        assert message == f"{server.url('/x')} was not read to its end; ingest it again."
        assert fetcher.get(server.url("/y")).data == b"later"

    def test_waiting_for_a_turn_or_a_second_attempt_ends(self, server: Server) -> None:
        server.routes["/x"] = lambda handler: handler.reply(503, b"", Retry_After="4")
        with Fetcher(LOCAL) as fetcher:
            self.closed_soon(server.url("/x"), fetcher)
            fetcher.slow_down(server.url("")[7:], 9)
            server.page("/y", "ok")
            fetcher.get(server.url("/y"))
            self.closed_soon(server.url("/y"), fetcher)

    def test_a_blocked_handshake_ends(self, fetcher: Fetcher) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.closed_soon(f"https://127.0.0.1:{silent.getsockname()[1]}/", fetcher)

    def test_a_blocked_connection_ends(self, fetcher: Fetcher) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            fillers = [socket.socket() for _ in range(4)]
            try:
                for filler in fillers:
                    filler.setblocking(False)
                    filler.connect_ex(full.getsockname())
                self.closed_soon(f"http://127.0.0.1:{full.getsockname()[1]}/", fetcher)
            finally:
                for filler in fillers:
                    filler.close()

    def test_a_name_server_that_does_not_answer_is_not_waited_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        over = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20) and [])
        with Fetcher(LOCAL) as fetcher:
            self.closed_soon("http://h.example/", fetcher)
        with Fetcher(LOCAL.model_copy(update={"timeout": 0.3})) as fetcher:
            assert "longer than 0.3 s" in refusal(fetcher, "http://h.example/")
        over.set()

    def test_one_address_out_of_order_leaves_time_for_the_next(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.page("/x", "ok")
        port = server.server_address[1]
        with socket.create_server(("127.0.0.2", port), backlog=0) as full:
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            answers = [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in ("127.0.0.2", "127.0.0.1")
            ]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
            monkeypatch.setattr(
                socket,
                "create_connection",
                lambda address, timeout, **_: _connected(address, timeout),
            )
            with Fetcher(LOCAL.model_copy(update={"timeout": 1})) as fetcher:
                assert fetcher.get(f"http://two.example:{port}/x").data == b"ok"
            for filler in fillers:
                filler.close()

    def test_nothing_stays_open(self, server: Server) -> None:
        server.page("/x", "ok")
        with Fetcher(LOCAL) as fetcher:
            fetcher.get(server.url("/x"))
            (opened,) = fetcher._opened._sockets  # type: ignore[union-attr]
            assert opened.fileno() > 0
        assert opened.fileno() == -1


def _connected(address: tuple[str, int], timeout: float) -> socket.socket:
    """Connect without asking for the address by name, which the test has replaced."""
    found = socket.socket()
    found.settimeout(timeout)
    try:
        found.connect(address)
    except OSError:
        found.close()
        raise
    return found


def sitemap(*urls: str, tag: str = "url", root: str = "urlset") -> str:
    entries = "".join(f"<{tag}><loc>{url}</loc></{tag}>" for url in urls)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0"?><{root} xmlns="{space}">{entries}</{root}>'


def listed(
    server: Server, tmp_path, path: str = "/sitemap.xml", **changes
) -> tuple[Discovery, list[str], list[str]]:
    """Return the discovery, the paths of its pages and its failures."""
    with discover(server.url(path), LOCAL.model_copy(update=changes), base=tmp_path) as found:
        entries = list(found)
    pages = [entry.uri.removeprefix(server.url("")) for entry in entries if isinstance(entry, Item)]
    return found, pages, [entry.reason for entry in entries if isinstance(entry, Failure)]


class TestRobots:
    def pages(self, server: Server, tmp_path, rules: bytes | str, *paths: str) -> list[str]:
        server.page("/robots.txt", rules, "text/plain")
        server.page("/sitemap.xml", sitemap(*map(server.url, paths)))
        found, pages, failures = listed(server, tmp_path)
        assert found.complete and not failures
        return pages

    @pytest.mark.parametrize(
        ("rules", "allowed"),
        [
            ("User-agent: *\nDisallow: /*.pdf$\n", "/a /b/a /a.pdf?x"),
            ("User-agent: *\nDisallow: /\nAllow: /b\n", "/b/a"),
            ("User-agent: *\nAllow: /b/a\nDisallow: /b\n", "/a /b/a /a.pdf /a.pdf?x"),
            ("User-agent: *\nDisallow: /*?\n", "/a /b/a /a.pdf"),
            ("User-agent: *\nDisallow:\n", "/a /b/a /a.pdf /a.pdf?x"),
            ("\ufeffUser-agent: *\r\rDisallow: /a\r", "/b/a"),
            ("user-AGENT:*\r\nDISALLOW:/a # comment\r\n", "/b/a"),
            ("User-agent: other\nDisallow: /\n", "/a /b/a /a.pdf /a.pdf?x"),
            ("User-agent: other\nUser-agent: footnote-rag\nDisallow: /a\n", "/b/a"),
            ("User-agent: *\nDisallow: /\nUser-agent: Footnote-RAG\nDisallow: /a", "/b/a"),
            ("User-agent: note-rag\nDisallow: /\n", "/a /b/a /a.pdf /a.pdf?x"),
            ("<html><body>Not found</body></html>", "/a /b/a /a.pdf /a.pdf?x"),
            (bytes(range(256)) * 99, "/a /b/a /a.pdf /a.pdf?x"),
            ("User-agent: *\nDisallow: /a\n".encode("utf-16"), "/b/a"),
            ("", "/a /b/a /a.pdf /a.pdf?x"),
        ],
        ids=range(15),
    )  # fmt: skip
    def test_rules(self, server: Server, tmp_path, rules: bytes | str, allowed: str) -> None:
        paths = "/a /b/a /a.pdf /a.pdf?x".split()
        assert self.pages(server, tmp_path, rules, *paths) == allowed.split()

    @pytest.mark.parametrize(
        ("asked", "kept"),
        [
            ("2", 2.0),
            ("0.5", 0.5),
            ("86400", MAX_DELAY),
            ("²", None),
            ("9" * 400, None),
            ("nan", None),
            ("inf", None),
            ("-5", None),
            ("", None),
            ("two", None),
            ("0", None),
        ],
        ids=range(11),
    )
    def test_the_delay_that_it_asks_for(
        self, server: Server, fetcher: Fetcher, tmp_path, asked: str, kept: float | None
    ) -> None:
        server.page("/robots.txt", f"User-agent: *\nCrawl-delay: {asked}\n", "text/plain")
        server.page("/sitemap.xml", sitemap(server.url("/a")))
        found = discover(server.url("/sitemap.xml"), LOCAL, base=tmp_path)
        found.fetcher = fetcher
        assert len(list(found)) == 1 and found.complete
        assert list(fetcher._delays.values()) == ([] if kept is None else [kept])
        told = "robots.txt asks for 86400 s between requests; 30 s are kept"
        assert [told in note for note in found.notes] == [True] * (asked == "86400")

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
    def test_where_there_is_none_all_is_allowed(
        self, server: Server, tmp_path, status: int
    ) -> None:
        server.page("/robots.txt", "Disallow: /", status=status)
        server.page("/sitemap.xml", sitemap(server.url("/a")))
        found, pages, failures = listed(server, tmp_path)
        assert (pages, failures, found.complete) == (["/a"], [], True)

    @pytest.mark.parametrize("status", [429, 500, 501, 503])
    def test_where_it_cannot_be_read_nothing_is(
        self, server: Server, tmp_path, status: int
    ) -> None:
        server.routes["/robots.txt"] = lambda handler: handler.reply(status, b"", Retry_After="99")
        server.page("/sitemap.xml", sitemap(server.url("/a"), server.url("/b")))
        found, pages, failures = listed(server, tmp_path)
        assert (pages, found.complete, len(failures)) == ([], False, 1)
        assert "As long as the rules cannot be read, no page that is listed there is" in failures[0]

    def test_it_is_read_where_it_has_moved_to(self, server: Server, tmp_path) -> None:
        server.redirect("/robots.txt", "/rules")
        server.page("/rules", "User-agent: *\nDisallow: /a\n")
        server.page("/sitemap.xml", sitemap(server.url("/a"), server.url("/b")))
        assert listed(server, tmp_path)[1] == ["/b"]

    @pytest.mark.parametrize(
        "rules",
        [
            b"User-agent: *\nDisallow: /b\n" + b"Disallow: /xyz\n" * 600_000,
            b"User-agent: *\nDisallow: /b\n" + b"#" * 9_000_000 + b"\nDisallow: /a",
            b"User-agent: *\nDisallow: /b\nDisallow: /" + b"x" * 9_000_000,
            b"User-agent: *\nDisallow: /b\n"
            + b"".join(b"User agent x%d*\n" % n for n in range(15_000))
            + b"".join(b"Disallow: /%d\n" % n for n in range(18_000)),
            b"User-agent: *\nDisallow: /b\nDisallow: /" + b"*a" * 240_000 + b"$\n",
        ],
        ids=["rules", "comment", "line", "names by rules", "wildcards"],
    )  # fmt: skip
    def test_a_huge_one_is_quickly_read(self, server: Server, tmp_path, rules: bytes) -> None:
        started = time.process_time()
        assert self.pages(server, tmp_path, rules, "/a", "/b", "/c") == ["/a", "/c"]
        assert time.process_time() - started < 3


class TestSitemaps:
    @pytest.mark.parametrize("cut", [0.3, 0.5, 0.9, 0.99])
    @pytest.mark.parametrize("packed", [False, True])
    def test_one_that_is_cut_off_is_not_complete(
        self, server: Server, tmp_path, cut: float, packed: bool
    ) -> None:
        # The last address that is seen may be cut off itself: /page-1 of /page-17.
        paths = [f"/page-{number}" for number in range(40)]
        body = sitemap(*map(server.url, paths)).encode()
        body = gzip.compress(body) if packed else body
        server.page("/sitemap.xml", body[: int(len(body) * cut)])
        found, pages, failures = listed(server, tmp_path)
        assert pages == paths[: len(pages)] and not found.complete
        assert pages or (packed and cut < 0.9)
        assert any("is cut off or broken; what can be read" in note for note in found.notes) or (
            failures and not pages
        )

    def test_a_part_that_is_cut_off_makes_the_whole_incomplete(
        self, server: Server, tmp_path
    ) -> None:
        parts = ["/one.xml", "/two.xml", "/three.xml"]
        server.page(
            "/sitemap.xml", sitemap(*map(server.url, parts), tag="sitemap", root="sitemapindex")
        )
        server.page("/one.xml", sitemap(server.url("/a"))[:-9])
        server.page("/two.xml", sitemap(server.url("/b")))
        server.page("/three.xml", "<html><p>An error, with status 200</p></html>")
        found, pages, failures = listed(server, tmp_path)
        assert (pages, found.complete) == (["/a", "/b"], False)
        assert failures == [
            f"{server.url('/three.xml')} is a web page, not a sitemap; check the address."
        ]

    @pytest.mark.parametrize(
        ("loc", "path"),
        [
            ("{0}/a?x=1&amp;y=2", "/a?x=1&y=2"),
            ("{0}/a?x=1&y=2&copy=3", "/a?x=1&y=2&copy=3"),
            ("<![CDATA[{0}/a?x=1&y=2]]>", "/a?x=1&y=2"),
            ("\n\t {0}/a \r\n", "/a"),
            ("{0}/<!-- no -->a", "/a"),
            ("{0}/caf&#233;", "/caf%C3%A9"),
            ("{0}/a%2Fb", "/a%2Fb"),
            ("/a", "/a"),
            ("//{1}/a", "/a"),
            ("{1}/a", "/a"),
        ],
    )
    def test_spellings_of_an_address(self, server: Server, tmp_path, loc: str, path: str) -> None:
        server.page("/sitemap.xml", sitemap(loc.format(server.url(""), server.url("")[7:])))
        found, pages, failures = listed(server, tmp_path)
        assert (pages, failures, found.complete, found.notes) == ([path], [], True, [])

    @pytest.mark.parametrize(
        "loc", ["", "a.html", "www.example.com/a", "ftp://h/a", "&x;", "http://[::1/", "\u202ea"]
    )
    def test_an_entry_that_is_no_address_is_told(self, server: Server, tmp_path, loc: str) -> None:
        entity = '<!DOCTYPE urlset [<!ENTITY x "http://h/">]>'
        xml = sitemap(loc, server.url("/b")).replace("?><", f"?>{entity}<", 1)
        server.page("/sitemap.xml", xml)
        found, pages, failures = listed(server, tmp_path)
        assert (pages, failures, found.complete) == (["/b"], [], False)
        assert "1 entries are no addresses of pages, the first " in found.notes[0]
        assert found.notes[0].isprintable()

    @pytest.mark.parametrize(
        "change",
        [
            lambda xml: xml.encode("utf-16"),
            lambda xml: xml.encode("utf-8-sig"),
            lambda xml: b"\n\n  " + xml.encode(),
            lambda xml: xml.replace('"1.0"', '"1.0" encoding="UTF-16"').encode(),
            lambda xml: xml.replace('"1.0"', '"1.0" encoding="bogus"').encode(),
            lambda xml: xml.replace("sitemaps.org", "example.org").encode(),
            lambda xml: xml.replace("urlset xmlns=", "urlset other=").encode(),
            lambda xml: xml.replace("<url>", "<url><image:image><image:loc>x</image:loc>"
                                    "</image:image>", 1).encode(),
            lambda xml: xml.replace("<urlset", "<!-- " + "long " * 5000 + "--><urlset").encode(),
            lambda xml: xml.replace("<urlset", '<?xml-stylesheet href="s"?><urlset').encode(),
            lambda xml: gzip.compress(gzip.compress(xml.encode())),
            lambda xml: gzip.compress(xml[:90].encode()) + gzip.compress(xml[90:].encode()),
        ],
        ids=range(12),
    )  # fmt: skip
    @pytest.mark.parametrize("path", ["/sitemap.xml", "/pages"])
    def test_other_forms_are_read_whole(
        self, server: Server, tmp_path, change: Callable[[str], bytes], path: str
    ) -> None:
        server.page(path, change(sitemap(server.url("/a"), server.url("/b"))), "application/xml")
        found, pages, failures = listed(server, tmp_path, path)
        assert (pages, failures, found.complete) == (["/a", "/b"], [], True)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda xml: xml.replace("</loc>", "\x0b</loc>", 1).encode(),
            lambda xml: xml.replace("</url>", "", 1).encode(),
            lambda xml: (xml + "<b>Warning: out of memory").encode(),
        ],
    )
    def test_what_is_broken_is_read_and_not_complete(
        self, server: Server, tmp_path, damage: Callable[[str], bytes]
    ) -> None:
        server.page("/sitemap.xml", damage(sitemap(server.url("/a"), server.url("/b"))))
        found, pages, _ = listed(server, tmp_path)
        assert (pages, found.complete) == (["/a", "/b"], False)

    def test_an_empty_one_is_whole(self, server: Server, tmp_path) -> None:
        server.page("/sitemap.xml", sitemap())
        found, pages, failures = listed(server, tmp_path)
        assert (pages, failures, found.complete) == ([], [], True)

    @pytest.mark.parametrize(
        ("body", "what"),
        [
            ('<rss version="2.0"><channel><item/></channel></rss>', "an RSS feed"),
            ('<feed xmlns="http://www.w3.org/2005/Atom"><entry/></feed>', "an Atom feed"),
            ("<!DOCTYPE html><html><p>Oops</p></html>", "a web page"),
            ("", "not a sitemap that can be read"),
            ("<urlset", "cut off before its first entry"),
            ("<urlset><url><loc>http://h", "cut off before its first entry"),
            ("plain words", "not a sitemap that can be read"),
            ('{"json": 1}', "not a sitemap that can be read"),
        ],
    )
    def test_what_is_none_is_named(self, server: Server, tmp_path, body: str, what: str) -> None:
        server.page("/sitemap.xml", body)
        found, pages, failures = listed(server, tmp_path)
        assert (pages, found.complete) == ([], False)
        assert len(failures) == 1 and f"is {what}" in failures[0]

    def test_a_list_of_addresses(self, server: Server, tmp_path) -> None:
        text = "\ufeff" + "\r\n".join([server.url("/a"), "", f" {server.url('/b')} "])
        server.page("/sitemap-1.txt", text, "text/plain")
        server.page("/links.txt", text, "text/plain")
        found, pages, failures = listed(server, tmp_path, "/sitemap-1.txt")
        assert (found.kind, pages, failures, found.complete) == ("sitemap", ["/a", "/b"], [], True)
        assert listed(server, tmp_path, "/links.txt")[0].kind == "url"
        index = sitemap(server.url("/links.txt"), tag="sitemap", root="sitemapindex")
        server.page("/sitemap.xml", index)
        assert listed(server, tmp_path)[1] == ["/a", "/b"]

    def test_a_list_with_a_line_that_is_none(self, server: Server, tmp_path) -> None:
        server.page("/sitemap.txt", f"{server.url('/a')}\n{server.url('/b')}\nb.html", "text/plain")
        found, pages, _ = listed(server, tmp_path, "/sitemap.txt")
        assert (pages, found.complete) == (["/a", "/b"], False)

    @pytest.mark.parametrize(
        "body",
        [
            b"How to write <urlset xmlns=...> and <sitemapindex>",
            b"<!DOCTYPE html><html><pre><urlset></urlset></pre></html>",
            b"# Sitemaps\n\n    <urlset >\n",
            gzip.compress(b"<html>", mtime=0),
            b"\x1f\x8bno gzip",
            b"%PDF-1.7 <urlset >",
            b"",
        ],
    )
    def test_a_page_about_sitemaps_is_a_page(self, body: bytes) -> None:
        assert not is_sitemap(body)

    def test_entity_bombs_do_not_go_off(self, server: Server, tmp_path) -> None:
        bomb = "".join(
            f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "http://h/"}">' for n in range(20)
        )
        bomb = f"<!DOCTYPE urlset [{bomb}]>"
        server.page(
            "/sitemap.xml", sitemap("&e19;", server.url("/a")).replace("?><", f"?>{bomb}<", 1)
        )
        started = time.process_time()
        assert listed(server, tmp_path)[1] == ["/a"]
        assert time.process_time() - started < 1

    def test_many_entries_and_the_same_ones(self, server: Server, tmp_path) -> None:
        urls = [server.url(f"/{number}") for number in range(5001)]
        server.page("/sitemap.xml", sitemap(*urls, *urls[:99]))
        found, pages, _ = listed(server, tmp_path, max_pages=6000)
        assert (len(pages), found.complete) == (5001, True)

    def test_more_parts_than_are_followed_do_not_hide_the_others(
        self, server: Server, tmp_path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rag.ingest.sitemap.MAX_SITEMAPS", 5)
        parts = [f"/{number}.xml" for number in range(9)]
        for part in parts:
            server.page(part, sitemap(server.url(f"{part}/page")))
        server.page(
            "/sitemap.xml", sitemap(*map(server.url, parts), tag="sitemap", root="sitemapindex")
        )
        found, pages, failures = listed(server, tmp_path)
        assert len(pages) == 4 and not found.complete
        assert "more sitemaps than are followed (5 left out)" in failures[0]

    @pytest.mark.parametrize("layers", [1, 2])
    def test_a_packed_bomb_is_cut_off(self, server: Server, tmp_path, layers: int) -> None:
        bomb = sitemap(server.url("/a")).encode() + b" " * 50_000_000
        for _ in range(layers):
            bomb = gzip.compress(bomb)
        server.page("/sitemap.xml.gz", bomb)
        found, pages, failures = listed(server, tmp_path, "/sitemap.xml.gz", max_bytes=1_000_000)
        assert (pages, found.complete) == ([], False) and "fetch.max_bytes" in failures[0]
