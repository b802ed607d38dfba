"""Fixtures of the answer tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from answer_helpers import CountingEmbedder, check_exact

from rag.answer.extract import ExtractiveGenerator
from rag.answer.question import understand
from rag.answer.reader import read_words
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
            seen = read_words(understand(question), seen, embedder).readings(seen)
        drafted = list(ExtractiveGenerator(AnswerSettings(**settings)).draft(question, seen, []))
        check_exact(drafted, passages)
        return drafted

    return asked
