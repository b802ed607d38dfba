"""Documents to chunks that follow headings and sentences, with exact offsets.

LlamaIndex's ``SentenceSplitter`` decides where a long section is cut; a cursor of our own finds
each piece again, so that ``document.text[chunk.start:chunk.end] == chunk.text`` always holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from rag.errors import SourceError
from rag.settings import ChunkSettings
from rag.text.sentences import sentences
from rag.types import Chunk, Document, Heading, digest_of


@dataclass(frozen=True, slots=True)
class _Section:
    """The body under one heading: the heading's own line is not part of it."""

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

    A chunk carries the path of headings it stands under; the headings' own lines are left out,
    unless a short section (under ``settings.minimum`` tokens) was joined with its neighbour.
    """
    chunks: list[Chunk] = []
    seen: set[tuple[int, int]] = set()
    for section in _joined(document, settings, count_tokens):
        for start, end in _pieces(document.text, section, settings.size, count_tokens):
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
                    headings=section.path,
                    page=_page(document, start),
                )
            )
    return chunks


def _sections(document: Document) -> Iterator[_Section]:
    text, path = document.text, list[Heading]()
    begin = 0
    for heading in document.headings:
        yield _Section(begin, heading.start, tuple(h.title for h in path))
        while path and path[-1].level >= heading.level:
            path.pop()
        path.append(heading)
        newline = text.find("\n", heading.start)
        begin = len(text) if newline < 0 else newline + 1
    yield _Section(begin, len(text), tuple(h.title for h in path))


def _joined(
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
            shared = _common(held.path, section.path)
            if (
                short
                and held_tokens + tokens <= settings.size
                and len(shared) >= len(held.path) - 1
            ):
                held = _Section(held.start, section.end, shared or held.path)
                held_tokens += tokens
                continue
            yield held
        held, held_tokens = section, tokens
    if held is not None:
        yield held


def _common(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    length = 0
    while length < min(len(left), len(right)) and left[length] == right[length]:
        length += 1
    return left[:length]


def _pieces(
    text: str, section: _Section, size: int, count_tokens: Callable[[str], int]
) -> Iterator[tuple[int, int]]:
    body = text[section.start : section.end]
    if len(body) <= 20 * size and count_tokens(body) <= size:
        pieces = [body.strip()]
    else:
        pieces = _splitter(size, count_tokens).split_text(body)
    cursor = section.start
    for piece in pieces:
        words = piece.strip()
        if not words:
            continue
        start = text.find(words, cursor, section.end)
        if start < 0:
            # The splitter works on strings; should it ever change one, losing words is no option.
            raise SourceError(f"a piece of the text could not be found again: {words[:60]!r}")
        cursor = start + len(words)
        yield start, cursor


@lru_cache(maxsize=4)
def _splitter(size: int, count_tokens: Callable[[str], int]) -> _Splitter:
    return _Splitter(size, count_tokens)


class _Splitter:
    """LlamaIndex's splitter with our tokens and sentences, and no overlap."""

    def __init__(self, size: int, count_tokens: Callable[[str], int]) -> None:
        from llama_index.core.node_parser import SentenceSplitter

        self._splitter = SentenceSplitter(
            chunk_size=size,
            chunk_overlap=0,  # neighbours are one lookup away
            # it only ever takes the length of what the tokenizer returns
            tokenizer=lambda text: range(count_tokens(text)),
            paragraph_separator="\n\n",
            # Its own sentences know nothing of rows and list items, and cost 1.5 s of NLTK.
            chunking_tokenizer_fn=_units,
        )

    def split_text(self, text: str) -> list[str]:
        return list(self._splitter.split_text(text))


def _units(text: str) -> list[str]:
    """Cut a text into its sentences, items and rows; joined they are the text again."""
    starts = [text.rfind("\n", 0, span.start) + 1 if _opens_line(text, span.start) else span.start
              for span in sentences(text)]  # fmt: skip
    cuts = sorted({0, *starts})
    return [text[left:right] for left, right in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _opens_line(text: str, start: int) -> bool:
    """Tell whether only a marker of a list or heading stands before a unit on its line."""
    before = text[text.rfind("\n", 0, start) + 1 : start]
    return len(before.split()) <= 1 and not before.rstrip().endswith((",", "!", "?"))


def _page(document: Document, start: int) -> int | None:
    for page in document.pages:
        if page.start <= start < page.end:
            return page.number
    return document.pages[-1].number if document.pages else None
