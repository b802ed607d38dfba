"""The built-in retriever: candidates from both sides of an index, fused, duplicates collapsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rag.index.index import Index, View
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

UNKNOWN_LANGUAGE_DENSE_WEIGHT = 0.2  # where the embedder does not know the question's language
_DUPLICATE_FROM = 0.9  # Jaccard overlap of terms from which two passages say the same


class HybridRetriever:
    """Dense and lexical candidates fused by score; with ``collapse``, what says the same is folded.

    Threads may share it.
    """

    def __init__(
        self, index: Index, embedder: Embedder, settings: RetrieveSettings, *, collapse: bool = True
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._settings = settings
        self._collapse = collapse

    def retrieve(self, question: str, k: int, wanted: Filter | None = None) -> list[Passage]:
        """Return at most ``k`` passages that pass the filter, best first."""
        vector = self._embedder.embed([question], query=True)[0]
        with self._index.reading() as view:
            dense, lexical, fused = self.scores(view, question, vector, wanted or Filter())

            def best(n: int) -> list[Passage]:
                keys = list(fused)[:n]
                found = view.passages(keys)
                return [
                    _scored(found[key], dense[key], lexical.get(key, 0.0), fused[key])
                    for key in keys
                    if key in found
                ]

            if self._collapse:
                depth = 2 * k
                while len(passages := collapse(best(depth), k)) < k and depth < len(fused):
                    depth *= 2  # copies fill the top: what differs stands further down
            else:
                passages = best(k)
            languages = {passage.language for passage in passages}
            idf = {language: view.idf(question, language) for language in languages}
        return [with_word_features(p, question, idf[p.language]) for p in passages]

    def scores(
        self, view: View, question: str, vector: NDArray[np.float32], wanted: Filter
    ) -> tuple[dict[int, float], dict[int, float], dict[int, float]]:
        """Return key -> cosine, BM25 and fused score of the candidates; the last best first."""
        dense, lexical = self.candidates(view, question, vector, wanted)
        weight = (
            UNKNOWN_LANGUAGE_DENSE_WEIGHT
            if self.unknown_language(question)
            else self._settings.dense_weight
        )
        return dense, lexical, fuse(dense, lexical, weight, view.lexical_bound(question))

    def candidates(
        self, view: View, question: str, vector: NDArray[np.float32], wanted: Filter
    ) -> tuple[dict[int, float], dict[int, float]]:
        """Return key -> cosine of all candidates, and key -> BM25 of those that share words."""
        dense = view.dense(vector, self._settings.candidates, wanted)
        lexical = view.lexical(question, self._settings.candidates, wanted)
        # Candidates of the lexical side need their true cosine: any filling-in costs accuracy.
        for key, other in view.vectors([key for key in lexical if key not in dense]).items():
            dense[key] = float(vector @ other)
        return dense, {key: score for key, score in lexical.items() if key in dense}

    def unknown_language(self, question: str) -> str | None:
        """The question's language if it is one that the embedder does not know."""
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
            if figures == other_figures and _jaccard(terms, other_terms) >= _DUPLICATE_FROM:
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


def _scored(passage: Passage, dense: float, lexical: float, fused: float) -> Passage:
    scores = {"dense": dense, "lexical": lexical, "fused": fused}
    return passage.model_copy(update={"score": fused, "scores": scores})


def with_word_features(passage: Passage, question: str, idf: Mapping[str, float]) -> Passage:
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
