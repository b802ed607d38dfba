"""Protocols of the stages, one method each. Any object with the method fits, without a base class.

``rag.testing`` holds a conformance check for every seam, so that a user's own stage can be tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from rag.errors import UsageError
from rag.rows import Feedback, Row
from rag.types import Passage, Sentence, Turn, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


@runtime_checkable
class Embedder(Protocol):
    """Texts to unit vectors."""

    @property
    def identity(self) -> str:
        """Name and digest of the weights: two embedders with one identity give the same vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """Longest input in tokens; what is beyond is cut off."""
        ...

    @property
    def languages(self) -> frozenset[str] | None:
        """ISO 639-1 codes that the model knows well; None when that is not known."""
        ...

    def count_tokens(self, text: str) -> int:
        """The length of the text in the model's own tokens, without special ones."""
        ...

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """An array of shape (len(texts), dimension), float32, rows of length 1."""
        ...


@runtime_checkable
class Retriever(Protocol):
    """A question to passages."""

    def retrieve(self, question: str, k: int) -> list[Passage]:
        """At most ``k`` passages, best first, scores descending."""
        ...


@runtime_checkable
class Reranker(Protocol):
    """Passages in a better order."""

    def rerank(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """At most ``k`` of the passages, best first, with ``scores['rerank']`` set."""
        ...


@runtime_checkable
class Reader(Protocol):
    """Passages that have been read for the question."""

    def read(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """The same passages in the same order with ``reading`` filled in."""
        ...


@runtime_checkable
class Rewriter(Protocol):
    """A follow-up to a question that stands on its own."""

    def rewrite(self, history: Sequence[Turn], question: str) -> str:
        """The standalone question; with an empty history, the question unchanged."""
        ...


@runtime_checkable
class Generator(Protocol):
    """Passages to the sentences of an answer."""

    def draft(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> Iterator[Sentence]:
        """Yield sentences, each cited to spans of the passages; none at all is an abstention."""
        ...


def require_lists(claims: Sequence[str], evidence: Sequence[Sequence[str]]) -> None:
    """Raise UsageError unless there is a list of evidence texts for each claim."""
    if len(claims) != len(evidence):
        raise UsageError(
            f"There are {len(claims)} claims but evidence for {len(evidence)}; "
            "give one list of evidence texts for each claim."
        )
    if any(isinstance(texts, str) for texts in evidence):
        raise UsageError("Evidence is a list of texts for each claim, not a single text.")


@runtime_checkable
class Checker(Protocol):
    """Claims held against evidence."""

    def check(self, claims: Sequence[str], evidence: Sequence[Sequence[str]]) -> list[Verdict]:
        """A verdict for each claim, judged against the union of ``evidence[i]``."""
        ...


@runtime_checkable
class Observer(Protocol):
    """What is told of every question."""

    def record(self, row: Row | Feedback) -> None:
        """Take a row, or what was said of one, at once: an answer waits for it. Never raises."""
        ...
