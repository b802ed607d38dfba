"""Sources to bytes: real files, a real HTTP server on loopback."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from web_server import Handler, Server

from rag.errors import SourceError
from rag.ingest.fetch import Discovery, Item, discover
from rag.ingest.web import Fetcher, canonical_url, is_public
from rag.settings import FetchSettings
from rag.types import Failure

LOCAL = FetchSettings(private_addresses=True, timeout=5)


def run(source: str | Path, base: Path, settings: FetchSettings = LOCAL, **options):
    found = discover(str(source), settings, base=base, **options)
    return found, list(found)


def uris(entries) -> list[str]:
    return [entry.uri for entry in entries if isinstance(entry, Item)]


def failures(entries) -> list[str]:
    return [entry.reason for entry in entries if isinstance(entry, Failure)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.md", "a.txt", "sub/c.html", "sub/deep/d.MD", ".hidden/x.md", "sub/.y.md"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    (tmp_path / "docs" / "logo.png").write_bytes(b"\x89PNG")
    (tmp_path / "docs" / "Makefile").write_text("all:")
    (tmp_path / ".rag").mkdir()
    (tmp_path / ".rag" / "z.md").write_text("index")
    return tmp_path


@pytest.fixture
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def fetcher():
    with Fetcher(LOCAL) as found:
        yield found


class TestFiles:
    def test_a_file_is_one_item_with_its_bytes(self, tree: Path) -> None:
        found, entries = run(tree / "docs/b.md", tree)
        assert (found.kind, found.location, found.complete) == ("file", "docs/b.md", True)
        fetched = entries[0].load()
        assert (fetched.uri, fetched.data, fetched.name) == (
            "docs/b.md",
            b"content of b.md",
            "b.md",
        )
        assert fetched.modified is not None and fetched.modified.tzinfo is not None

    def test_a_folder_is_listed_in_order_without_hidden_and_foreign_files(self, tree: Path) -> None:
        found, entries = run(tree, tree)
        assert (found.kind, found.location, found.complete) == ("folder", ".", True)
        assert uris(entries) == [
            "docs/a.txt",
            "docs/b.md",
            "docs/sub/c.html",
            "docs/sub/deep/d.MD",
        ]
        assert found.notes == [".: 2 files of other types were skipped (.png 1, no suffix 1)."]

    def test_a_file_outside_of_the_base_has_a_file_uri(self, tree: Path, tmp_path: Path) -> None:
        _, entries = run(tree / "docs/b.md", tree / "docs/sub")
        assert uris(entries) == [(tree / "docs/b.md").as_uri()]

    def test_the_location_is_a_source_again(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for source, base in (("docs", tree), ("docs/**/*.md", tree), ("docs", tree / "docs/sub")):
            first, entries = run(tree / source, base)
            monkeypatch.chdir(base)
            again, same = run(first.location, base)
            assert uris(same) == uris(entries) != []
            assert (again.kind, again.location) == (first.kind, first.location)

    def test_relative_sources_are_meant_from_the_working_directory(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tree / "docs/sub")
        assert uris(run("../b.md", tree)[1]) == ["docs/b.md"]
        assert uris(run(".", tree)[1]) == ["docs/sub/c.html", "docs/sub/deep/d.MD"]

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("docs/*.md", ["docs/b.md"]),
            ("docs/**/*.[mM][dD]", ["docs/b.md", "docs/sub/deep/d.MD"]),
            ("docs/s*/*", ["docs/sub/c.html"]),
            ("**", ["docs/a.txt", "docs/b.md", "docs/sub/c.html", "docs/sub/deep/d.MD"]),
        ],
    )
    def test_a_glob(self, tree: Path, pattern: str, expected: list[str]) -> None:
        found, entries = run(tree / pattern, tree)
        assert (found.kind, found.location, uris(entries)) == ("glob", pattern, expected)
        assert found.complete

    def test_a_name_with_glob_signs_is_a_file_if_it_exists(self, tree: Path) -> None:
        (tree / "what[1]?.md").write_text("x")
        assert run(tree / "what[1]?.md", tree)[0].kind == "file"

    @pytest.mark.parametrize("source", ["nothing", "nothing/*.md", "docs/*.pdf"])
    def test_what_does_not_exist_is_a_failure(self, tree: Path, source: str) -> None:
        found, entries = run(tree / source, tree)
        assert len(entries) == 1 and source in failures(entries)[0]
        assert "check the path" in failures(entries)[0]
        assert found.complete is False or not uris(entries)

    def test_symlink_loops_end_and_second_links_are_not_read_twice(self, tree: Path) -> None:
        (tree / "docs/sub/up").symlink_to(tree / "docs")
        (tree / "docs/sub/self").symlink_to(tree / "docs/sub/self")
        (tree / "docs/0.md").symlink_to(tree / "docs/b.md")
        (tree / "docs/0").symlink_to(tree / "docs/sub")
        found, entries = run(tree / "docs", tree)
        expected = ["docs/a.txt", "docs/b.md", "docs/sub/c.html", "docs/sub/deep/d.MD"]
        assert uris(entries) == expected
        assert found.complete

    def test_a_broken_link_says_so_when_read(self, tree: Path) -> None:
        (tree / "gone.md").symlink_to(tree / "nowhere.md")
        _, entries = run(tree / "gone.md", tree)
        with pytest.raises(SourceError, match="does not exist"):
            entries[0].load()

    def test_a_pipe_is_refused_without_waiting_for_it(self, tree: Path) -> None:
        os.mkfifo(tree / "docs/pipe.txt")
        _, entries = run(tree / "docs/pipe.txt", tree)
        with pytest.raises(SourceError, match="not an ordinary file"):
            entries[0].load()

    def test_a_large_file_names_the_setting(self, tree: Path) -> None:
        _, entries = run(tree / "docs/b.md", tree, FetchSettings(max_bytes=5))
        with pytest.raises(SourceError, match=r"larger than 5 bytes \(setting fetch.max_bytes\)"):
            entries[0].load()

    def test_a_folder_that_cannot_be_listed_makes_the_listing_incomplete(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scandir = os.scandir

        def refuse(path):
            if str(path).endswith("sub"):
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        found, entries = run(tree / "docs", tree)
        assert uris(entries) == ["docs/a.txt", "docs/b.md"]
        assert "The folder cannot be listed: permission denied;" in failures(entries)[0]
        assert not found.complete

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs to drop privileges")
    def test_a_file_without_permission_as_another_user(self, tree: Path) -> None:
        path = tree / "docs/b.md"
        path.chmod(0)
        for folder in (tree, *tree.parents):
            if folder != Path("/") and folder.stat().st_uid == os.geteuid():
                folder.chmod(folder.stat().st_mode | 0o011)
        script = textwrap.dedent(
            f"""
            import os
            from pathlib import Path
            from rag.ingest.fetch import discover
            from rag.errors import SourceError
            from rag.settings import FetchSettings
            os.setuid(65534)
            item = next(iter(discover({str(path)!r}, FetchSettings(), base=Path({str(tree)!r}))))
            try:
                item.load()
            except SourceError as error:
                print(error)
            """
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert "docs/b.md cannot be read: permission denied" in done.stdout

    def test_a_name_that_is_not_utf8_has_a_uri_that_can_be_stored(self, tree: Path) -> None:
        with open(os.fsencode(tree / "docs") + b"/caf\xe9.txt", "w") as file:  # noqa: PTH123
            file.write("x")
        found = [uri for uri in uris(run(tree / "docs", tree)[1]) if "caf" in uri]
        assert found == ["docs/caf\\xe9.txt"]


class TestUrls:
    def test_a_page(self, server: Server, tmp_path: Path) -> None:
        server.page("/guide", "<h1>Hi</h1>", "text/html; charset=utf-8")
        source = server.url("/guide#part").replace("http", "HTTP")
        found, entries = run(source, tmp_path)
        fetched = entries[0].load()
        assert (found.kind, found.location, found.complete) == ("url", server.url("/guide"), True)
        assert (fetched.uri, fetched.data, fetched.name) == (
            found.location,
            b"<h1>Hi</h1>",
            "guide",
        )
        assert fetched.media_type == "text/html; charset=utf-8"
        assert server.requests == ["/guide"]  # the listing's own request serves the first load
        entries[0].load()
        assert server.requests == ["/guide"] * 2

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("HTTPS://Example.COM:443/A%20b?q=1#x", "https://example.com/A%20b?q=1"),
            ("http://example.com:80", "http://example.com/"),
            ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
        ],
    )
    def test_addresses_are_made_canonical(self, url: str, expected: str) -> None:
        assert canonical_url(url) == expected == canonical_url(expected)

    @pytest.mark.parametrize(
        ("url", "sentence"),
        [
            ("ftp://example.com/x", "only http and https"),
            ("https:///x", "names no host"),
            ("https://me:secret@example.com/", "user name or password"),
            ("http://[::1/", "not a valid address"),
        ],
    )
    def test_addresses_that_cannot_be_meant(self, url: str, sentence: str, tmp_path: Path) -> None:
        found, entries = run(url, tmp_path)
        assert sentence in failures(entries)[0]
        assert "secret" not in failures(entries)[0]
        assert not found.complete

    def test_redirects_are_followed_and_remembered(self, server: Server, fetcher: Fetcher) -> None:
        server.redirect("/a", "/b")
        server.redirect("/b", "c?x=1")
        server.page("/c?x=1", "end")
        fetched = fetcher.get(server.url("/a"))
        assert (fetched.uri, fetched.final_uri) == (server.url("/a"), server.url("/c?x=1"))

    def test_redirect_loops_and_chains_end(self, server: Server, fetcher: Fetcher) -> None:
        server.redirect("/a", "/b")
        server.redirect("/b", "/a")
        with pytest.raises(SourceError, match="in a circle"):
            fetcher.get(server.url("/a"))
        for number in range(10):
            server.redirect(f"/{number}", f"/{number + 1}")
        with pytest.raises(SourceError, match="more than 5 times"):
            fetcher.get(server.url("/0"))
        server.redirect("/file", "file:///etc/passwd")
        with pytest.raises(SourceError, match="only http and https"):
            fetcher.get(server.url("/file"))

    @pytest.mark.parametrize(
        ("status", "sentence", "requests"),
        [
            (404, "does not exist (404)", 1),
            (403, "refuses access", 1),
            (401, "asks for a login", 1),
            (410, "gone for good", 1),
            (418, "status 418", 1),
            (500, "status 500 (Internal Server Error); try again later", 2),
        ],
    )
    def test_error_statuses(
        self, server: Server, fetcher: Fetcher, status: int, sentence: str, requests: int
    ) -> None:
        server.page("/x", "", status=status)
        with pytest.raises(SourceError) as caught:
            fetcher.get(server.url("/x"))
        assert sentence in str(caught.value)
        assert len(server.requests) == requests

    def test_a_failure_that_passes_is_tried_again(self, server: Server, fetcher: Fetcher) -> None:
        def route(handler: Handler) -> None:
            first = len(server.requests) == 1
            handler.reply(500 if first else 200, b"ok", **({"Retry_After": "0"} if first else {}))

        server.routes["/x"] = route
        assert fetcher.get(server.url("/x")).data == b"ok"

    def test_retry_after_is_honoured_within_the_time_limit(
        self, server: Server, fetcher: Fetcher
    ) -> None:
        server.routes["/x"] = lambda h: (
            h.reply(429, b"", Retry_After="1") if len(server.requests) == 1 else h.reply(200, b"ok")
        )
        assert fetcher.get(server.url("/x")).data == b"ok"
        assert server.times[1] - server.times[0] >= 0.9
        server.routes["/y"] = lambda h: h.reply(429, b"", Retry_After="3600")
        started = time.monotonic()
        with pytest.raises(SourceError, match="slow down"):
            fetcher.get(server.url("/y"))
        assert time.monotonic() - started < 1

    def test_a_huge_body_is_cut_off_whatever_its_length_says(self, server: Server) -> None:
        def route(handler: Handler) -> None:
            handler.send_response(200)
            handler.end_headers()
            for _ in range(10_000):
                handler.wfile.write(b"x" * 10_000)

        server.routes["/huge"] = route
        with (
            Fetcher(LOCAL.model_copy(update={"max_bytes": 50_000})) as fetcher,
            pytest.raises(SourceError, match=r"fetch\.max_bytes"),
        ):
            fetcher.get(server.url("/huge"))

    def test_a_compressed_bomb_is_cut_off(self, server: Server) -> None:
        bomb = gzip.compress(b"\0" * 20_000_000)
        server.routes["/bomb"] = lambda h: h.reply(200, bomb, Content_Encoding="gzip")
        with (
            Fetcher(LOCAL.model_copy(update={"max_bytes": 1_000_000})) as fetcher,
            pytest.raises(SourceError, match=r"fetch\.max_bytes"),
        ):
            fetcher.get(server.url("/bomb"))

    @pytest.mark.parametrize("part", ["body", "headers"])
    def test_slow_bytes_do_not_outlast_the_time_limit(self, server: Server, part: str) -> None:
        def route(handler: Handler) -> None:
            if part == "body":
                handler.send_response(200)
                handler.send_header("Content-Length", "1000")
                handler.end_headers()
            for _ in range(60):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)

        server.routes["/slow"] = route
        started = time.monotonic()
        with (
            Fetcher(LOCAL.model_copy(update={"timeout": 0.4})) as fetcher,
            pytest.raises(SourceError, match=r"longer than 0.4 s \(setting fetch.timeout\)"),
        ):
            fetcher.get(server.url("/slow"))
        assert time.monotonic() - started < 1.5

    def test_a_closed_port_is_a_sentence(self, fetcher: Fetcher) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(SourceError, match="cannot be reached"):
            fetcher.get(f"http://127.0.0.1:{port}/")

    def test_a_broken_answer_is_a_sentence(self, server: Server, fetcher: Fetcher) -> None:
        server.routes["/x"] = lambda handler: handler.wfile.write(b"nonsense\r\n\r\n")
        with pytest.raises(SourceError, match="cannot be re"):
            fetcher.get(server.url("/x"))

    def test_the_delay_keeps_requests_to_a_host_apart(self, server: Server) -> None:
        server.page("/x", "ok")
        with Fetcher(LOCAL.model_copy(update={"delay": 0.2})) as fetcher:
            threads = [
                threading.Thread(target=fetcher.get, args=(server.url("/x"),)) for _ in range(3)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        times = sorted(server.times)
        assert all(after - before > 0.15 for before, after in pairwise(times))


class TestPrivateAddresses:
    @pytest.mark.parametrize(
        "address",
        "127.0.0.1 10.1.2.3 192.168.0.1 169.254.169.254 0.0.0.0 224.0.0.1 100.64.0.1 ::1 fe80::1 "
        "fc00::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::".split(),
    )
    def test_are_told_apart(self, address: str) -> None:
        assert not is_public(address)

    def test_public_ones_pass(self) -> None:
        assert is_public("93.184.216.34") and is_public("2606:2800:220:1:248:1893:25c8:1946")

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
    def test_are_refused(self, server: Server, host: str, tmp_path: Path) -> None:
        url = server.url("/x").replace("127.0.0.1", host)
        found, entries = run(url, tmp_path, FetchSettings())
        assert "private address; set fetch.private_addresses = true" in failures(entries)[0]
        assert not server.requests and not found.complete

    def test_are_refused_as_the_end_of_a_redirect(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The first host poses as a public one, so that only the second is private.
        server.redirect("/a", server.url("/secret").replace("127.0.0.1", "localhost"))
        monkeypatch.setattr("rag.ingest.web.is_public", lambda address: address == "127.0.0.1")
        resolve = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **more: resolve(
                "127.0.0.2" if host == "localhost" else host, *rest, **more
            ),
        )
        with (
            Fetcher(FetchSettings()) as fetcher,
            pytest.raises(SourceError, match="localhost is a private address"),
        ):
            fetcher.get(server.url("/a"))
        assert server.requests == ["/a"]

    def test_a_name_is_resolved_once_and_that_address_is_connected_to(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        resolve = socket.getaddrinfo

        def rebinding(host, *rest, **more):
            if host != "rebind.example":
                return resolve(host, *rest, **more)
            asked.append(host)
            return resolve("127.0.0.1" if len(asked) > 1 else "203.0.113.7", *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        monkeypatch.setattr("rag.ingest.web.is_public", lambda address: address == "203.0.113.7")
        connected: list[str] = []

        def connect(self, host, *rest, **more):
            connected.append(host)
            raise SourceError("far enough")

        monkeypatch.setattr("httpcore.SyncBackend.connect_tcp", connect)
        with Fetcher(FetchSettings()) as fetcher, pytest.raises(SourceError, match="far enough"):
            fetcher.get("http://rebind.example/")
        assert (asked, connected) == (["rebind.example"], ["203.0.113.7"])


def sitemap(*urls: str, tag: str = "url", root: str = "urlset") -> str:
    entries = "".join(f"<{tag}><loc>{url}</loc></{tag}>" for url in urls)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0"?><{root} xmlns="{space}">{entries}</{root}>'


class TestSitemaps:
    def found(self, server: Server, tmp_path: Path, path: str, **changes) -> tuple[Discovery, list]:
        found = discover(server.url(path), LOCAL.model_copy(update=changes), base=tmp_path)
        with found:
            return found, list(found)

    def test_pages_are_listed_once_and_other_hosts_refused(
        self, server: Server, tmp_path: Path
    ) -> None:
        pages = [server.url("/a"), server.url("/a#x"), "https://evil.example/", server.url("/b")]
        server.page("/sitemap.xml", sitemap(*pages), "application/xml")
        found, entries = self.found(server, tmp_path, "/sitemap.xml")
        assert (found.kind, found.complete) == ("sitemap", True)
        assert uris(entries) == [server.url("/a"), server.url("/b")]
        assert found.notes == [f"{server.url('/sitemap.xml')}: 1 entries of other hosts refused."]

    def test_the_body_tells_whatever_the_name(self, server: Server, tmp_path: Path) -> None:
        server.page("/pages", sitemap(server.url("/a")), "text/xml")
        found, entries = self.found(server, tmp_path, "/pages")
        assert (found.kind, uris(entries)) == ("sitemap", [server.url("/a")])

    def test_an_index_and_gzip(self, server: Server, tmp_path: Path) -> None:
        nested = [server.url("/one.xml"), server.url("/two.xml.gz"), server.url("/none.xml")]
        index = sitemap(*nested, tag="sitemap", root="sitemapindex")
        server.page("/sitemap_index.xml", index)
        server.page("/one.xml", sitemap(server.url("/a")))
        server.page("/two.xml.gz", gzip.compress(sitemap(server.url("/b")).encode()))
        found, entries = self.found(server, tmp_path, "/sitemap_index.xml")
        assert uris(entries) == [server.url("/a"), server.url("/b")]
        assert "does not exist" in failures(entries)[0]
        assert not found.complete

    def test_bounds(self, server: Server, tmp_path: Path) -> None:
        server.page("/sitemap.xml", sitemap(*(server.url(f"/{n}") for n in range(9))))
        found, entries = self.found(server, tmp_path, "/sitemap.xml", max_pages=4)
        assert len(uris(entries)) == 4 and not found.complete
        assert "only the first 4 pages" in found.notes[0]
        for depth in range(9):
            deeper = sitemap(server.url(f"/d{depth + 1}"), tag="sitemap", root="sitemapindex")
            server.page(f"/d{depth}", deeper)
        found, entries = self.found(server, tmp_path, "/d0")
        assert "more sitemaps than are followed" in failures(entries)[0]
        assert not found.complete

    def test_a_sitemap_that_refers_to_itself_ends(self, server: Server, tmp_path: Path) -> None:
        index = sitemap(server.url("/sitemap.xml"), tag="sitemap", root="sitemapindex")
        server.page("/sitemap.xml", index)
        found, entries = self.found(server, tmp_path, "/sitemap.xml")
        assert entries == [] and found.complete

    def test_robots_txt_is_respected(self, server: Server, tmp_path: Path) -> None:
        server.page("/robots.txt", "User-agent: *\nDisallow: /private/\n", "text/plain")
        pages = [server.url("/a"), server.url("/private/b")]
        server.page("/sitemap.xml", sitemap(*pages))
        found, entries = self.found(server, tmp_path, "/sitemap.xml")
        assert uris(entries) == [server.url("/a")]
        assert "1 pages left out, as robots.txt asks" in found.notes[0]
        assert server.requests.count("/robots.txt") == 1

    @pytest.mark.parametrize("body", ["<html><body>no</body></html>", "", "<urlset"])
    def test_what_is_no_sitemap_is_a_failure(
        self, server: Server, tmp_path: Path, body: str
    ) -> None:
        server.page("/sitemap.xml", body)
        found, entries = self.found(server, tmp_path, "/sitemap.xml")
        assert len(failures(entries)) == 1 and not found.complete

    def test_entities_are_not_expanded(self, server: Server, tmp_path: Path) -> None:
        bomb = '<!DOCTYPE u [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + sitemap("&x;")[21:]
        server.page("/sitemap.xml", bomb)
        _, entries = self.found(server, tmp_path, "/sitemap.xml")
        assert uris(entries) == []
