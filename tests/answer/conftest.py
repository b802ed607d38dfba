"""Fixtures of the answer tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from answer_helpers import CountingEmbedder, check_exact

from rag.answer.extractive import ExtractiveGenerator
from rag.answer.reading import SimilarityReader
from rag.settings import AnswerSettings
from rag.types import Passage, Sentence

Ask = Callable[..., list[Sentence]]


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def ask(embedder: CountingEmbedder) -> Ask:
    """Read and draft, and check what holds of every answer."""

    def asked(
        question: str, *passages: Passage, read: bool = True, **settings: int
    ) -> list[Sentence]:
        seen = list(passages)
        if read:
            seen = SimilarityReader(embedder).read(question, seen)
        drafted = list(ExtractiveGenerator(AnswerSettings(**settings)).draft(question, seen, []))
        check_exact(drafted, passages)
        return drafted

    return asked
