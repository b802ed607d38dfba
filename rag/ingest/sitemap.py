"""Sitemaps: the pages that a site lists of itself, within bounds and as its robots.txt allows."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import urljoin, urlsplit

from lxml import etree
from protego import Protego

from rag.errors import SourceError
from rag.ingest.decode import decode
from rag.ingest.fetched import Fetched, too_large
from rag.ingest.web import (
    GZIP,
    MAX_DELAY,
    MAX_LAYERS,
    STEP,
    Fetcher,
    TransientError,
    canonical_url,
    unpacked,
)
from rag.types import Failure

MAX_DEPTH = 3
MAX_SITEMAPS = 200
MAX_ROBOTS = 512_000
"""Bytes of a robots.txt that are read: what RFC 9309 asks for."""

_NAME = re.compile(r"/sitemap[^/]*\.xml(?:\.gz)?$", re.I)
_ROOTS = ("urlset", "sitemapindex")
_OTHERS = {"rss": "an RSS feed", "rdf": "an RSS feed", "feed": "an Atom feed", "html": "a web page"}
_DECLARATION = re.compile(r"<\?xml[^>]{0,500}>")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});)")
_AGENT = re.compile(r"user[-\s]*agent", re.I)
_WORD = re.compile(r"(?<![\w-])")


def looks_like_sitemap(url: str) -> bool:
    """Tell by the name alone."""
    return bool(_NAME.search(urlsplit(url).path))


def is_sitemap(data: bytes, url: str = "") -> bool:
    """Tell by the body, gzipped or not; a list of addresses is one if the url calls it so."""
    for _ in range(MAX_LAYERS):
        if data.startswith(GZIP):
            try:
                data = next(unpacked([data], "gzip"), b"")
            except zlib.error:
                return False
    head = data[:STEP].replace(b"\0", b"")  # of UTF-16 the ASCII is left
    if _root(head) in _ROOTS:
        return True
    name = PurePosixPath(urlsplit(url).path).name.lower()
    return "sitemap" in name and bool(_addresses(head.decode("utf-8", "replace")))


class Sitemap:
    """One sitemap with all those that it refers to.

    ``complete`` is false where a bound, a part that is broken or cannot be read, or a robots.txt
    out of reach kept ``pages`` from all. Entries of other hosts are refused and noted.
    """

    def __init__(self, fetcher: Fetcher, root: Fetched) -> None:
        self.complete = True
        self.notes: list[str] = []
        self._fetcher = fetcher
        self._root = root
        self._hosts = {_host(root.uri), _host(root.final_uri or root.uri)}
        self._robots: dict[str, Protego | None] = {}
        self._foreign = self._disallowed = 0
        self._unread: list[str] = []

    def pages(self) -> Iterator[str | Failure]:
        """Yield the canonical address of each page once, and what could not be read."""
        limit = self._fetcher.settings.max_pages
        seen: set[str] = set()
        for entry in self._entries():
            if isinstance(entry, Failure):
                self.complete = False
                yield entry
            elif entry not in seen:
                try:
                    if not self._allowed(entry):
                        continue
                except TransientError as error:
                    self.complete = False
                    yield Failure(uri=urljoin(entry, "/robots.txt"), reason=str(error))
                    continue
                if len(seen) == limit:
                    self.complete = False
                    self._note(f"only the first {limit} pages were taken (setting fetch.max_pages)")
                    break
                seen.add(entry)
                yield entry
        if self._foreign:
            self._note(f"{self._foreign} entries of other hosts refused")
        if self._disallowed:
            self._note(f"{self._disallowed} pages left out, as robots.txt asks")
        if self._unread:
            self.complete = False
            first = ascii(self._unread[0][:100])
            self._note(f"{len(self._unread)} entries are no addresses of pages, the first {first}")

    def _note(self, sentence: str) -> None:
        self.notes.append(f"{self._root.uri}: {sentence}.")

    def _entries(self) -> Iterator[str | Failure]:
        """Yield page addresses, reading nested sitemaps breadth first."""
        seen = {self._root.uri}
        waiting: list[tuple[str, int, Fetched | None]] = [(self._root.uri, 0, self._root)]
        while waiting:
            uri, depth, fetched = waiting.pop(0)
            try:
                fetched = fetched or self._fetcher.get(uri)
                listing = self._read(fetched)
            except SourceError as error:
                yield Failure(uri=uri, reason=str(error))
                continue
            base = fetched.final_uri or uri
            yield from filter(self._is_ours, self._absolute(iter(listing.pages), base))
            nested = iter(listing.nested)
            for url in filter(self._is_ours, self._absolute(nested, base)):
                if url in seen:
                    continue
                if depth == MAX_DEPTH or len(seen) == MAX_SITEMAPS:
                    left = 1 + sum(1 for _ in nested)
                    reason = (
                        f"{uri} refers to more sitemaps than are followed ({left} left out); "
                        "name them one by one."
                    )
                    yield Failure(uri=uri, reason=reason)
                    break
                seen.add(url)
                waiting.append((url, depth + 1, None))

    def _read(self, fetched: Fetched) -> _Listing:
        """What the sitemap lists; what is cut off or broken is read as far as it goes."""
        data, whole = self._unzipped(fetched)
        guesses: list[str] = []
        text = decode(data, fetched.uri, fetched.media_type, markup=True, notes=guesses)
        listing = _parse(text)
        if listing.root not in _ROOTS:
            addresses = _addresses(text)
            if not addresses:
                what = _OTHERS.get(listing.root.lower(), "not a sitemap that can be read")
                is_what = what if what.startswith("not") else f"{what}, not a sitemap"
                raise SourceError(f"{fetched.uri} is {is_what}; check the address.")
            listing = _Listing("", True, pages=dict.fromkeys(addresses))
        whole &= listing.whole
        if not (whole or listing.pages or listing.nested):
            raise SourceError(f"{fetched.uri} is cut off before its first entry; try again later.")
        if not whole:
            self.complete = False
            self._note(
                f"{fetched.uri} is cut off or broken; what can be read of it is, and no page is "
                "removed because it is missing there"
            )
        elif guesses:
            self._note(f"{fetched.uri}: {guesses[0]}")
        return listing

    def _unzipped(self, fetched: Fetched) -> tuple[bytes, bool]:
        """The bytes that are packed, and whether these are all."""
        data = fetched.data
        limit = self._fetcher.settings.max_bytes
        whole = True
        for _ in range(MAX_LAYERS):
            if not data.startswith(GZIP):
                break
            inner = bytearray()
            try:
                for piece in unpacked([data], "gzip"):
                    inner += piece
                    if len(inner) > limit:
                        raise too_large(fetched.uri, limit)
            except zlib.error:
                whole = False
            data = bytes(inner)
        return data, whole

    def _absolute(self, urls: Iterator[str], base: str) -> Iterator[str]:
        for url in urls:
            address = url
            if url.startswith("/"):
                address = urljoin(base, url)
            elif url.partition("/")[0].lower() in self._hosts:
                address = f"{urlsplit(base).scheme}://{url}"
            try:
                yield canonical_url(address)
            except SourceError:
                self._unread.append(url)

    def _is_ours(self, url: str) -> bool:
        ours = _host(url) in self._hosts
        self._foreign += not ours
        return ours

    def _allowed(self, url: str) -> bool:
        """Tell whether robots.txt lets us; raises TransientError once if it cannot be had."""
        root = urljoin(url, "/")
        if root not in self._robots:
            self._robots[root] = None
            self._robots[root] = self._rules(root)
        rules = self._robots[root]
        if rules is None:
            return False
        allowed = rules.can_fetch(url, self._fetcher.settings.user_agent)
        self._disallowed += not allowed
        return allowed

    def _rules(self, root: str) -> Protego:
        """The rules as RFC 9309 has it: none where there are none, else no page is ours."""
        agent = self._fetcher.settings.user_agent
        try:
            data = self._fetcher.get(f"{root}robots.txt").data
        except TransientError as error:
            raise TransientError(
                f"{error} As long as the rules cannot be read, no page that is listed there is; "
                "those that are named one by one are."
            ) from None
        except SourceError:
            data = b""
        rules = Protego.parse("\n".join(_rule_lines(data, agent)))
        delay = rules.crawl_delay(agent)
        if delay:
            self._fetcher.slow_down(_host(root), delay)
            if delay > MAX_DELAY:
                self._note(
                    f"robots.txt asks for {delay:g} s between requests; {MAX_DELAY:g} s are kept"
                )
        return rules


@dataclass
class _Listing:
    """What one sitemap says: the name of its root element, each entry once, if it is whole."""

    root: str
    whole: bool
    pages: dict[str, None] = field(default_factory=dict)
    nested: dict[str, None] = field(default_factory=dict)


def _rule_lines(data: bytes, agent: str) -> Iterator[str]:
    """Yield the lines of a robots.txt, all names that cannot be ours made one.

    Protego multiplies the rules of a group with its names, and a hostile file has many of both.
    """
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    lines = data[:MAX_ROBOTS].decode(encoding, "replace").removeprefix("\ufeff").splitlines()
    if len(data) > MAX_ROBOTS:
        lines.pop()  # half a line would be another rule
    agent = agent.lower()
    words = [match.start() for match in _WORD.finditer(agent)]
    names = {}
    for number, line in enumerate(lines):
        if match := _AGENT.match(stripped := line.strip()):
            name = stripped[match.end() :].partition("#")[0].strip(": \t").lower()
            names[number] = name.replace("*", "") or name
    ours = max(
        (name for name in names.values() if any(agent.startswith(name, word) for word in words)),
        key=len,
        default="",
    )
    for number, line in enumerate(lines):
        name = names.get(number, "")
        yield line if name in ("", "*", ours) else "User-agent: -"


def _escape_ampersands(text: str) -> str:
    """Escape ampersands that stand alone, but for those in CDATA: links are full of them.

    Entities that the document defines are not known either, so none can expand.
    """
    parts = []
    for part in text.split("]]>"):
        markup, opening, data = part.partition("<![CDATA[")
        parts.append(_BARE_AMPERSAND.sub("&amp;", markup) + opening + data)
    return "]]>".join(parts)


def _parse(text: str) -> _Listing:
    data = _escape_ampersands(_without_declaration(text)).encode("utf-8", "replace")
    parser = _parser("end")
    listing = _Listing("", True)
    try:
        for start in range(0, len(data), STEP):
            parser.feed(data[start : start + STEP])
            for _, element in parser.read_events():
                entry = element.getparent()
                while entry is not None and (earlier := element.getprevious()) is not None:
                    entry.remove(earlier)  # what is read already, so that memory stays small
                kind = _local_name(entry)
                if _local_name(element) == "loc" and kind in ("url", "sitemap"):
                    found = listing.pages if kind == "url" else listing.nested
                    found[(element.text or "").strip()] = None
        # Entries that end only now were cut off, and so may their addresses be.
        listing.root = _local_name(parser.close())
    except etree.LxmlError:  # nothing is there
        listing.whole = False
    # A prefix that is not declared is no reason to doubt the entries.
    errors = parser.feed_error_log
    listing.whole &= not any(error.domain_name != "NAMESPACE" for error in errors)
    return listing


def _root(head: bytes) -> str:
    """The name of the first element, without its prefix."""
    parser = _parser("start")
    try:
        parser.feed(_without_declaration(head.decode("utf-8", "replace")).encode())
        return _local_name(next(iter(parser.read_events()))[1])
    except (etree.LxmlError, StopIteration):
        return ""


def _without_declaration(text: str) -> str:
    """The document without its XML declaration: the encoding that it names is done with."""
    text = text.lstrip("\ufeff\ufffd \t\r\n")
    declaration = _DECLARATION.match(text)
    return text[declaration.end() :].lstrip() if declaration else text


def _parser(event: str) -> etree.XMLPullParser:
    return etree.XMLPullParser(
        events=(event,),
        resolve_entities=False,
        no_network=True,
        recover=True,
        remove_comments=True,
        remove_pis=True,
    )


def _addresses(text: str) -> list[str]:
    """The lines of a text that lists addresses; none if it is another text."""
    lines = list(filter(None, map(str.strip, text.removeprefix("\ufeff").splitlines())))
    addresses = sum(line.lower().startswith(("http://", "https://")) for line in lines)
    return lines if 2 * addresses > len(lines) else []


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _local_name(element: etree._Element | None) -> str:
    name = element.tag if element is not None and isinstance(element.tag, str) else ""
    return name.rpartition("}")[2].rpartition(":")[2]
