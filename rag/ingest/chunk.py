"""Documents to chunks that follow headings and sentences, with exact offsets.

A long section is cut at its paragraphs, a long paragraph at its sentences, items and rows, a long
sentence at its phrases, words, and letters at last. Only offsets are kept on the way, so that
``document.text[chunk.start:chunk.end] == chunk.text`` always holds.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, takewhile

from rag.settings import ChunkSettings
from rag.text.sentences import iterate
from rag.types import Chunk, Document, Heading, Scope, digest_of

_COUNTED = 100_000  # characters that are given to the tokenizer at once
_SHORT = 24
_LETTERS = 8  # of a word without end that are counted together
_LONGEST_MARKER = 200
_BLANK_LINE = re.compile(r"\n\n")
_PHRASE_END = re.compile(r"[,.;。？！]")
_SPACE = re.compile(" ")


@dataclass(frozen=True, slots=True)
class _Section:
    """The body under one heading, whose own line begins at ``over`` and is not part of it."""

    over: int
    start: int
    end: int
    path: tuple[str, ...]


def chunk_document(
    document: Document,
    settings: ChunkSettings,
    count_tokens: Callable[[str], int],
    fingerprint: str,
) -> list[Chunk]:
    """Cut a document into chunks of at most ``settings.size`` tokens, in reading order.

    A chunk carries the path of headings it stands under; the headings' own lines are left out.
    Where a short section (under ``settings.minimum`` tokens) is joined with its neighbour, those
    that they do not share are in the text, each over its own.
    """
    count_tokens = _caching(count_tokens)
    cutter = _Cutter(document, settings, count_tokens)
    chunks: list[Chunk] = []
    seen: set[tuple[int, int]] = set()
    for section in _merged_sections(document, settings, count_tokens):
        for start, end in cutter.pieces(section):
            if (start, end) in seen:
                continue
            seen.add((start, end))
            chunks.append(
                Chunk(
                    id=digest_of(document.id, document.digest, str(start), str(end), fingerprint),
                    document_id=document.id,
                    start=start,
                    end=end,
                    text=document.text[start:end],
                    headings=(*section.path, *cutter.names(start, end)),
                    page=_page(document, start),
                )
            )
    return chunks


def _caching(count_tokens: Callable[[str], int]) -> Callable[[str], int]:
    """Count short texts once: a file may have millions of lines of one word, and few words."""
    remembered = lru_cache(maxsize=65_536)(count_tokens)
    return lambda text: remembered(text) if len(text) <= _SHORT else count_tokens(text)


def _sections(document: Document) -> Iterator[_Section]:
    text, path = document.text, list[Heading]()
    over = begin = 0
    for heading in document.headings:
        yield _Section(over, begin, heading.start, tuple(h.title for h in path))
        while path and path[-1].level >= heading.level:
            path.pop()
        path.append(heading)
        over, newline = heading.start, text.find("\n", heading.start)
        begin = len(text) if newline < 0 else newline + 1
    yield _Section(over, begin, len(text), tuple(h.title for h in path))


def _merged_sections(
    document: Document, settings: ChunkSettings, count_tokens: Callable[[str], int]
) -> Iterator[_Section]:
    """Yield the sections that have a body, short neighbours of one branch joined."""
    held: _Section | None = None
    held_tokens = 0
    for section in _sections(document):
        body = document.text[section.start : section.end]
        if not body.strip():
            continue
        tokens = count_tokens(body[: 20 * settings.size])
        if held is not None:
            short = min(held_tokens, tokens) < settings.minimum
            fits = held_tokens + tokens <= settings.size
            shared = _common(held.path, section.path)
            if short and fits and len(shared) >= len(held.path) - 1:
                path = shared or held.path
                start = held.start if path == held.path else held.over
                held = _Section(held.over, start, section.end, path)
                held_tokens += tokens
                continue
            yield held
        held, held_tokens = section, tokens
    if held is not None:
        yield held


def _common(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))
    return tuple(one for one, _ in pairs)


class _Cutter:
    """Cuts the sections of a document: at its entries first, as small as it has to be."""

    def __init__(
        self, document: Document, settings: ChunkSettings, count_tokens: Callable[[str], int]
    ) -> None:
        self._text = document.text
        self._size = settings.size
        self._minimum = settings.minimum
        self._count = count_tokens
        self._entries = [scope for scope in document.scopes if scope.kind == "term"]
        self._scopes = [*reversed(document.scopes)]  # those that are still to come, the next last
        self._open: list[Scope] = []
        self._counted: dict[tuple[int, int], int] = {}

    def names(self, start: int, end: int) -> list[str]:
        """The terms and leads that all of a chunk is read under; chunks are asked for in order."""
        while self._scopes and self._scopes[-1].start <= start:
            self._open.append(self._scopes.pop())
        self._open = [scope for scope in self._open if scope.end > start]
        return [scope.title for scope in self._open if end <= scope.end]

    def pieces(self, section: _Section) -> Iterator[tuple[int, int]]:
        """Yield the spans of a section's chunks: as many whole parts in each as it holds.

        An entry is a chunk of its own, or several, unless it is short.
        """
        start, tokens, before = section.start, 0, None
        for left, count, entry in self._parts(section.start, section.end):
            if left > start and (tokens + count > self._size or entry is not before):
                yield from _stripped(self._text, start, left)
                start, tokens = left, 0
            tokens += count
            before = entry
        yield from _stripped(self._text, start, section.end)

    def _parts(
        self, start: int, end: int, entry: Scope | None = None
    ) -> Iterator[tuple[int, int, Scope | None]]:
        """Yield (start, tokens, the entry that it stands in) of the largest parts that fit.

        The entries within one that fits stay with it, and so do short ones with each other.
        """
        tokens = self._tokens(start, end)
        fits = tokens <= self._size if entry else tokens <= self._minimum
        inside = [] if fits else self._inside(start, end)
        if not inside:
            for left, count in self._cut(start, end, tokens):
                yield left, count, entry
            return
        left = start
        for scope in inside:
            if scope.start > left:
                yield from self._parts(left, scope.start, entry)
            is_short = self._tokens(scope.start, scope.end) < self._minimum
            yield from self._parts(scope.start, scope.end, entry if is_short else scope)
            left = scope.end
        if left < end:
            yield from self._parts(left, end, entry)

    def _inside(self, start: int, end: int) -> list[Scope]:
        """The outermost entries of a stretch that are not all of it."""
        found: list[Scope] = []
        first = bisect_left(self._entries, start, key=lambda scope: scope.start)
        for scope in islice(self._entries, first, None):
            if scope.start >= end:
                break
            is_all = scope.start == start and scope.end >= end
            if not is_all and scope.end <= end and (not found or scope.start >= found[-1].end):
                found.append(scope)
        return found

    def _tokens(self, start: int, end: int) -> int:
        """The length of a stretch; what is very long is not counted to its end."""
        if end - start > _COUNTED:
            return self._size + 1
        if (start, end) not in self._counted:  # an entry is asked for as a part and by itself
            self._counted = {(start, end): self._count(self._text[start:end])}
        return self._counted[start, end]

    def _cut(self, start: int, end: int, tokens: int, level: int = 0) -> Iterator[tuple[int, int]]:
        """Yield (start, tokens) of the largest parts that fit: all of it, paragraphs, units, …"""
        if tokens <= self._size or level == len(_CUTS):
            yield start, tokens
            return
        for left, right in _stretches(start, end, _CUTS[level](self._text, start, end)):
            yield from self._cut(left, right, self._tokens(left, right), level + 1)


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    words = text[start:end].strip()
    if words:
        start = text.index(words[0], start)
        yield start, start + len(words)


def _unit_starts(text: str) -> Iterator[int]:
    """Yield where the sentences, items and rows begin, with the marker before them."""
    line = seen = 0
    for span in iterate(text):
        line = text.rfind("\n", seen, span.start) + 1 or line
        seen = span.start
        yield line if _opens_line(text, line, span.start) else span.start


def _opens_line(text: str, line: int, start: int) -> bool:
    """Tell whether only a marker of a list or heading stands before a unit on its line."""
    before = text[line:start] if start - line < _LONGEST_MARKER else ", ,"
    return len(before.split()) <= 1 and not before.rstrip().endswith((",", "!", "?"))


def _stretches(start: int, end: int, places: Iterable[int]) -> Iterator[tuple[int, int]]:
    for place in places:
        if place > start:
            yield start, place
            start = place
    if end > start:
        yield start, end


# Where a text may be cut, the largest parts first.
_CUTS: tuple[Callable[[str, int, int], Iterable[int]], ...] = (
    lambda text, start, end: (match.start() for match in _BLANK_LINE.finditer(text, start, end)),
    lambda text, start, end: (start + place for place in _unit_starts(text[start:end])),
    lambda text, start, end: (match.end() for match in _PHRASE_END.finditer(text, start, end)),
    lambda text, start, end: (match.start() for match in _SPACE.finditer(text, start, end)),
    lambda text, start, end: range(start, end, _LETTERS),
)


def _page(document: Document, start: int) -> int | None:
    """The number of the page a place is on; after the last page, it is on that."""
    if not document.pages:
        return None
    after = bisect_right(document.pages, start, key=lambda page: page.start)
    return document.pages[max(after - 1, 0)].number
