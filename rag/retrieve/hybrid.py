"""The built-in retriever: candidates from both sides of an index, fused, duplicates collapsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from rag.protocols import Embedder
from rag.retrieve.fuse import fuse
from rag.settings import RetrieveSettings
from rag.text.language import detect
from rag.text.numbers import numbers
from rag.text.terms import content_terms
from rag.types import Filter, Passage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SAME = 0.9  # Jaccard overlap of terms from which two passages say the same


class View(Protocol):
    """What the retriever needs of an index while it holds it open."""

    def dense(self, vector: NDArray[np.float32], n: int, wanted: Filter) -> dict[int, float]:
        """Return key -> cosine of the nearest chunks."""

    def lexical(self, question: str, n: int, wanted: Filter) -> dict[int, float]:
        """Return key -> BM25 of the chunks that share words."""

    def lexical_bound(self, question: str) -> float:
        """Return what no BM25 score for the question can exceed."""

    def idf(self, question: str, language: str | None) -> Mapping[str, float]:
        """Return stem -> inverse document frequency of the question's terms in a language."""

    def vectors(self, keys: Sequence[int]) -> Mapping[int, NDArray[np.float32]]:
        """Return key -> vector."""

    def passages(self, keys: Sequence[int]) -> Mapping[int, Passage]:
        """Return key -> passage."""


class Searchable(Protocol):
    """An index that can be held open for reading."""

    def reading(self) -> AbstractContextManager[Any]:
        """Yield a ``View``."""


class HybridRetriever:
    """Dense and lexical candidates fused by score. Threads may share it."""

    def __init__(self, index: Searchable, embedder: Embedder, settings: RetrieveSettings) -> None:
        self._index = index
        self._embedder = embedder
        self._settings = settings

    def retrieve(self, question: str, k: int, wanted: Filter | None = None) -> list[Passage]:
        """Return at most ``k`` passages that pass the filter, best first."""
        wanted = wanted or Filter()
        vector = self._embedder.embed([question], query=True)[0]
        with self._index.reading() as view:
            dense, lexical, fused = self.scores(view, question, vector, wanted)
            depth = 2 * k if self._settings.collapse_duplicates else k
            while True:
                keys = list(fused)[:depth]
                found = view.passages(keys)
                passages = [
                    _scored(found[key], fused[key], dense[key], lexical.get(key))
                    for key in keys
                    if key in found
                ]
                if not self._settings.collapse_duplicates:
                    break
                passages = collapse(passages, k)
                if len(passages) == k or depth >= len(fused):
                    break
                depth *= 2  # copies fill the top: what differs stands further down
            languages = {passage.language for passage in passages}
            idf = {language: view.idf(question, language) for language in languages}
        return [_with_matches(p, question, idf[p.language]) for p in passages[:k]]

    def scores(
        self, view: View, question: str, vector: NDArray[np.float32], wanted: Filter
    ) -> tuple[dict[int, float], dict[int, float], dict[int, float]]:
        """Return key -> cosine, BM25 and fused score of the candidates; the last best first."""
        dense, lexical = self.candidates(view, question, vector, wanted)
        weight, bound = self.dense_weight(question), view.lexical_bound(question)
        return dense, lexical, fuse(dense, lexical, weight, bound)

    def candidates(
        self, view: View, question: str, vector: NDArray[np.float32], wanted: Filter
    ) -> tuple[dict[int, float], dict[int, float]]:
        """Return key -> cosine of all candidates, and key -> BM25 of those that share words."""
        n = self._settings.candidates
        dense = dict(view.dense(vector, n, wanted))
        lexical = view.lexical(question, n, wanted)
        # Candidates of the lexical side need their true cosine: any filling-in costs accuracy.
        for key, other in view.vectors([key for key in lexical if key not in dense]).items():
            dense[key] = float(vector @ other)
        return dense, {key: score for key, score in lexical.items() if key in dense}

    def dense_weight(self, question: str) -> float:
        """Return the weight of the dense side for a question in its language."""
        return (
            self._settings.unknown_language_dense_weight
            if self.unknown_language(question)
            else self._settings.dense_weight
        )

    def unknown_language(self, question: str) -> str | None:
        """Return the question's language if it is one that the embedder does not know."""
        if self._embedder.languages is None:
            return None
        language, _ = detect(question)
        return language if language and language not in self._embedder.languages else None


def collapse(passages: Sequence[Passage], k: int) -> list[Passage]:
    """Fold passages that say the same into the best ranked of them, up to ``k`` that differ.

    Two that differ in a number do not say the same: they may be versions that disagree. Of two
    equal ones, the newer takes the place of the better ranked.
    """
    kept: list[tuple[Passage, frozenset[str], frozenset[str]]] = []
    for passage in passages:
        terms = frozenset(content_terms(passage.chunk.text, passage.language or "en"))
        figures = numbers(passage.chunk.text)
        for position, (other, other_terms, other_figures) in enumerate(kept):
            if figures == other_figures and _jaccard(terms, other_terms) >= _SAME:
                kept[position] = (_merged(other, passage), other_terms, other_figures)
                break
        else:
            if len(kept) < k:
                kept.append((passage, terms, figures))
    return [passage for passage, _, _ in kept]


def _merged(first: Passage, second: Passage) -> Passage:
    newer = bool(second.published and first.published and second.published > first.published)
    keep, drop = (second, first) if newer else (first, second)
    places = dict.fromkeys((*first.duplicates, *second.duplicates, drop.uri))
    return keep.model_copy(
        update={
            "score": first.score,
            "scores": first.scores,
            "duplicates": tuple(place for place in places if place != keep.uri),
        }
    )


def _jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / len(left | right) if left or right else 1.0


def _scored(passage: Passage, fused: float, dense: float, lexical: float | None) -> Passage:
    scores = {"dense": dense, "lexical": lexical or 0.0, "fused": fused}
    return passage.model_copy(update={"score": fused, "scores": scores})


def _with_matches(passage: Passage, question: str, idf: Mapping[str, float]) -> Passage:
    """Say which terms of the question a passage has, and their share of the question's idf.

    ``coverage`` is that share in the whole passage, ``title`` in its title and headings: unlike in
    BM25, a rare term that is there once counts in full.
    """
    language = passage.language or "en"
    above = set(content_terms(" ".join((passage.title, *passage.chunk.headings)), language))
    present = above.union(content_terms(passage.chunk.text, language))
    matched = tuple(term for term in content_terms(question, language) if term in present)
    total = sum(idf.values())
    scores = dict(passage.scores)
    for name, terms in (("coverage", present), ("title", above)):
        found = sum(weight for term, weight in idf.items() if term in terms)
        scores[name] = found / total if total else 0.0
    return passage.model_copy(update={"matched": matched, "scores": scores})
