"""Sitemaps: the pages that a site lists of itself, within bounds and as its robots.txt allows."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from lxml import etree

from rag.errors import SourceError
from rag.ingest.fetched import Fetched, too_large
from rag.ingest.web import Fetcher, canonical_url
from rag.types import Failure

MAX_DEPTH = 3
MAX_SITEMAPS = 200

_NAME = re.compile(r"/sitemap[^/]*\.xml(?:\.gz)?$", re.I)
_ROOT = re.compile(rb"<(?:\w+:)?(?:urlset|sitemapindex)[\s>]")


def looks_like_sitemap(url: str) -> bool:
    """Tell by the name alone."""
    return bool(_NAME.search(urlsplit(url).path))


def is_sitemap(data: bytes) -> bool:
    """Tell by the body, gzipped or not."""
    try:
        head = _inflate(data, 4096) if data[:2] == b"\x1f\x8b" else data[:4096]
    except zlib.error:
        return False
    return bool(_ROOT.search(head))


class Sitemap:
    """One sitemap with all those that it refers to.

    ``complete`` is true after ``pages`` has ended without a bound, a broken part or a missing
    robots.txt in the way. Entries of other hosts are refused and noted.
    """

    def __init__(self, fetcher: Fetcher, root: Fetched) -> None:
        self.complete = False
        self.notes: list[str] = []
        self._fetcher = fetcher
        self._root = root
        self._hosts = {_host(root.uri), _host(root.final_uri or root.uri)}
        self._robots: dict[str, RobotFileParser] = {}
        self._foreign = self._disallowed = 0

    def pages(self) -> Iterator[str | Failure]:
        """Yield the canonical address of each page once, and what could not be read."""
        limit = self._fetcher.settings.max_pages
        seen: set[str] = set()
        whole = True
        for entry in self._entries():
            if isinstance(entry, Failure):
                whole = False
                yield entry
            elif entry not in seen and self._allowed(entry):
                if len(seen) == limit:
                    whole = False
                    self.notes.append(
                        f"{self._root.uri}: only the first {limit} pages were taken "
                        "(setting fetch.max_pages)."
                    )
                    break
                seen.add(entry)
                yield entry
        self.complete = whole
        if self._foreign:
            self.notes.append(f"{self._root.uri}: {self._foreign} entries of other hosts refused.")
        if self._disallowed:
            self.notes.append(
                f"{self._root.uri}: {self._disallowed} pages left out, as robots.txt asks."
            )

    def _entries(self) -> Iterator[str | Failure]:
        """Yield page addresses, reading nested sitemaps breadth first."""
        seen = {self._root.uri}
        waiting: list[tuple[str, int, Fetched | None]] = [(self._root.uri, 0, self._root)]
        while waiting:
            uri, depth, fetched = waiting.pop(0)
            try:
                pages, nested = self._parse(fetched or self._fetcher.get(uri))
            except SourceError as error:
                yield Failure(uri=uri, reason=str(error))
                continue
            yield from filter(self._is_ours, pages)
            new = [url for url in filter(self._is_ours, nested) if url not in seen]
            if new and (depth == MAX_DEPTH or len(seen) + len(new) > MAX_SITEMAPS):
                reason = f"{uri} refers to more sitemaps than are followed; name them one by one."
                yield Failure(uri=uri, reason=reason)
                continue
            seen.update(new)
            waiting += [(url, depth + 1, None) for url in dict.fromkeys(new)]

    def _parse(self, fetched: Fetched) -> tuple[list[str], list[str]]:
        """Return the addresses of pages and of nested sitemaps."""
        data = fetched.data
        limit = self._fetcher.settings.max_bytes
        try:
            if data[:2] == b"\x1f\x8b":
                data = _inflate(data, limit + 1)
                if len(data) > limit:
                    raise too_large(fetched.uri, limit)
            parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
            root = etree.fromstring(data, parser)
        except (zlib.error, etree.XMLSyntaxError, ValueError):
            root = None
        if root is None or _local(root) not in ("urlset", "sitemapindex"):
            raise SourceError(f"{fetched.uri} is not a sitemap that can be read; check it.")
        urls = [
            (loc.text or "").strip()
            for entry in root
            for loc in entry
            if _local(entry) in ("url", "sitemap") and _local(loc) == "loc"
        ]
        whole = [url for url in map(_canonical, urls) if url]
        return (whole, []) if _local(root) == "urlset" else ([], whole)

    def _is_ours(self, url: str) -> bool:
        ours = _host(url) in self._hosts
        self._foreign += not ours
        return ours

    def _allowed(self, url: str) -> bool:
        allowed = self._rules(url).can_fetch(self._fetcher.settings.user_agent, url)
        self._disallowed += not allowed
        return allowed

    def _rules(self, url: str) -> RobotFileParser:
        parts = urlsplit(url)
        root = f"{parts.scheme}://{parts.netloc}"
        if root not in self._robots:
            rules = self._robots[root] = RobotFileParser()
            try:
                text = self._fetcher.get(f"{root}/robots.txt").data.decode("utf-8", "replace")
            except SourceError:
                text = ""  # none, or out of reach: its pages would then fail one by one
            rules.parse(text.splitlines())
            delay = rules.crawl_delay(self._fetcher.settings.user_agent)
            if delay:
                self._fetcher.slow_down(parts.netloc, float(delay))
        return self._robots[root]


def _inflate(data: bytes, limit: int) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(data, limit)


def _canonical(url: str) -> str | None:
    try:
        return canonical_url(url)
    except SourceError:
        return None


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""
