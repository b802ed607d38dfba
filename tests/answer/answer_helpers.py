"""Small passages and an embedder of word counts, so that answers can be checked by eye."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import date

import numpy as np

from rag.text.terms import content_terms
from rag.types import Chunk, Passage, Sentence, digest_of


class CountingEmbedder:
    """Hashed stems as a unit vector: texts that share words are close."""

    identity = "counting"
    dimension = 512
    max_tokens = 256
    languages: frozenset[str] | None = frozenset({"en"})

    def __init__(self) -> None:
        self.embedded = 0

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        self.embedded += len(texts)
        vectors = np.full((len(texts), self.dimension), 1e-3, dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for term in content_terms(text):
                row[zlib.crc32(term.encode()) % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def passage(
    text: str,
    *,
    title: str = "Help",
    headings: tuple[str, ...] = (),
    uri: str = "help.md",
    published: date | None = None,
    language: str | None = "en",
    start: int = 0,
    score: float = 1.0,
) -> Passage:
    chunk = Chunk(
        id=digest_of(uri, str(start), text),
        document_id=digest_of(uri),
        start=start,
        end=start + len(text),
        text=text,
        headings=headings,
    )
    return Passage(
        chunk=chunk, document_digest="d", title=title, uri=uri, score=score,
        scores={"dense": 0.6 * score, "fused": score}, published=published, language=language,
    )  # fmt: skip


def check_exact(sentences: Sequence[Sentence], passages: Sequence[Passage]) -> None:
    """Every sentence has a citation, every quote is where it says, numbers follow first use."""
    numbers: list[int] = []
    for sentence in sentences:
        assert sentence.citations
        for citation in sentence.citations:
            assert sentence.text == citation.quote
            assert any(
                p.chunk.document_id == citation.document_id
                and p.chunk.text[citation.start - p.chunk.start : citation.end - p.chunk.start]
                == citation.quote
                for p in passages
                if p.chunk.start <= citation.start <= citation.end <= p.chunk.end
            )
            numbers.append(citation.number)
    assert list(dict.fromkeys(numbers)) == list(range(1, len(set(numbers)) + 1))
