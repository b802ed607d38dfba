"""The best place for a footnote: which span of a passage says what a sentence says.

Candidates are the sentences of the passage, and pairs of neighbours where one alone says too
little. Every span is offsets into ``passage.chunk.text``, so that ``Citation.of`` quotes it to the
letter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from rag.answer.llm.citation_marks import Marked, parse
from rag.text.numbers import numbers
from rag.text.sentences import sentences
from rag.text.terms import content_terms, stems
from rag.types import Citation, Passage, Sentence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag.protocols import Embedder

    Vector = NDArray[np.float32]

LONGEST = 400
"""Characters of a unit; a longer sentence (a transcript without full stops) is cut at a space."""

DISTANT = 0.3
"""Cosine under which a unit that shares next to no terms is not about the sentence."""

SHARED = 0.34
"""Share of the sentence's terms that makes a unit be about it whatever the cosine says."""

# Weights of a score; they sum to 1. From cosine 0.25 up, the settings that were tried are within a
# few points of each other (eval/tune_alignment.py); these also find a pair where both halves count.
_TERMS, _COSINE, _NUMBERS = 0.4, 0.45, 0.15
_BOTH = 0.1  # what a pair must add to the better of its halves: a short quote is a better quote


@dataclass(frozen=True, slots=True)
class Aligned:
    """``passage.chunk.text[start:end]`` speaks of the sentence; ``score`` is a fraction of 1."""

    start: int
    end: int
    score: float


class Aligner:
    """Finds the spans for the sentences of one answer; keeps the vectors it has seen.

    Make one for each answer: it grows with what it embeds. Threads must not share it, but one may
    ``prepare`` passages while another aligns.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: dict[str, Vector] = {}

    def align(self, pairs: Sequence[tuple[str, Passage]]) -> list[Aligned | None]:
        """The best span for each sentence in its passage; None where nothing is about it.

        Everything is embedded in one batch.
        """
        return [best[0] if best else None for best in self.ranked(pairs)]

    def prepare(self, passage: Passage) -> None:
        """Embed the sentences of a passage, so that aligning does not have to."""
        text = passage.chunk.text
        self._embed({text[start:end] for start, end in _cut(text)})

    def ranked(self, pairs: Sequence[tuple[str, Passage]]) -> list[list[Aligned]]:
        """The spans that are about each sentence in its passage, best first."""
        cut = [_cut(passage.chunk.text) for _, passage in pairs]
        wanted = {sentence for sentence, _ in pairs}
        for (_, passage), spans in zip(pairs, cut, strict=True):
            wanted.update(passage.chunk.text[start:end] for start, end in spans)
        self._embed(wanted)
        return [
            self._ranked(sentence, passage, units)
            for (sentence, passage), units in zip(pairs, cut, strict=True)
        ]

    def _embed(self, texts: Collection[str]) -> None:
        lacking = sorted(text for text in texts if text not in self._vectors)
        if lacking:
            self._vectors.update(zip(lacking, self._embedder.embed(lacking), strict=True))

    def _ranked(
        self, sentence: str, passage: Passage, spans: Sequence[tuple[int, int]]
    ) -> list[Aligned]:
        """Return what is about the sentence, best first; a pair only where it adds enough."""
        text = passage.chunk.text
        language = passage.language
        worth = {term: _weight(term) for term in content_terms(sentence, language)}
        figures = numbers(sentence)
        vectors = [self._vectors[text[start:end]] for start, end in spans]
        own = self._vectors[sentence]
        scores: dict[tuple[int, int], float] = {}
        found: list[tuple[float, int, Aligned]] = []
        for first, last in _candidates(text, spans):
            start, end = spans[first][0], spans[last][1]
            direction = vectors[first] + vectors[last]
            cosine = float(direction @ own) / max(float(np.linalg.norm(direction)), 1e-6)
            unit = text[start:end]
            held = sum(worth[term] for term in worth.keys() & _stem_set(unit, language))
            shared = held / sum(worth.values()) if worth else 0.0
            score = _TERMS * shared + _COSINE * max(0.0, cosine)
            if figures:
                score += _NUMBERS * len(figures & numbers(unit)) / len(figures)
            else:
                score /= _TERMS + _COSINE
            scores[first, last] = score
            if first < last:
                score -= _BOTH
                if score <= max(scores[first, first], scores[last, last]):
                    continue
            if cosine >= DISTANT or shared >= SHARED:
                found.append((-round(score, 5), start, Aligned(start, end, score)))
        return [aligned for _, _, aligned in sorted(found, key=lambda entry: entry[:2])]


def _weight(term: str) -> float:
    """Return 1 for short words up to 3 for long ones: long words are rarer and say more."""
    return 3.0 if term.isdigit() else min(1.0 + max(0, len(term) - 4) * 0.25, 3.0)


@lru_cache(maxsize=4096)
def _stem_set(text: str, language: str | None) -> frozenset[str]:
    return frozenset(stems(text, language))


# --- the passage --------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _cut(text: str) -> tuple[tuple[int, int], ...]:
    """The sentences of a passage that have a word in them; very long ones in pieces."""
    return tuple(
        piece
        for span in sentences(text)
        for piece in _pieces(text, span.start, span.end)
        if any(c.isalnum() for c in text[slice(*piece)])
    )


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > LONGEST:
        space = text.rfind(" ", start + LONGEST // 2, start + LONGEST)
        if space < 0:
            break
        yield start, space
        start = space + 1
    yield start, end


def _candidates(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield first and last of every sentence and every two without a paragraph's end between."""
    yield from ((index, index) for index in range(len(spans)))
    for index, ((_, end), (start, _)) in enumerate(pairwise(spans)):
        if "\n\n" not in text[end:start] and "#" not in text[end:start]:
            yield index, index + 1


# --- marks to citations -------------------------------------------------------------------------


def cite(
    text: str, passages: Sequence[Passage], embedder: Embedder
) -> tuple[list[Sentence], list[str]]:
    """The sentences of a text that was written over numbered passages, and problems.

    ``[1]`` is ``passages[0]``. Every citation is an exact span of its passage, and citations are
    numbered from 1 by first use. A sentence without a mark, or with marks that nothing in their
    passages bears out, comes without citations: what becomes of it is for the verification.
    """
    parsed = parse(text, len(passages))
    sentences, problems = cited(parsed.sentences, passages, Aligner(embedder))
    return sentences, [*parsed.problems, *problems]


def cited(
    marked: Sequence[Marked],
    passages: Sequence[Passage],
    aligner: Aligner,
    numbering: dict[int, int] | None = None,
) -> tuple[list[Sentence], list[str]]:
    """Turn the numbers of sentences into citations, and name those that bear out nothing.

    ``numbering`` gives each passage, by index, its number in the answer; it is added to, so that a
    stream can go through an answer in several calls. Headings are left out; what one is marked with
    goes to the sentence below it, if that has no mark of its own.
    """
    numbering = {} if numbering is None else numbering
    marked = list(without_headings(marked))
    pairs = [(sentence, number - 1) for sentence in marked for number in sentence.numbers]
    found = iter(aligner.align([(sentence.text, passages[index]) for sentence, index in pairs]))
    sentences: list[Sentence] = []
    problems: list[str] = []
    for sentence in marked:
        spans = {number - 1: next(found) for number in sentence.numbers}
        citations = []
        for index, span in spans.items():
            if span is None:
                place = passages[index].place
                problems.append(f"the cited passage “{place}” says nothing about: {sentence.text}")
                continue
            n = numbering.setdefault(index, len(numbering) + 1)
            citations.append(Citation.of(n, passages[index], span.start, span.end))
        counted = any(c.isalnum() for c in sentence.marker)
        kind: Literal["text", "item", "step", "code"] = "text"
        if sentence.kind == "code":
            kind = "code"
        elif sentence.kind == "row" or sentence.marker:
            kind = "step" if counted else "item"
        marker = sentence.marker.lstrip("(") if counted else ""
        made = Sentence(text=sentence.text, citations=tuple(citations), kind=kind, marker=marker)
        sentences.append(made)
    return sentences, problems


def without_headings(sentences: Sequence[Marked]) -> Iterator[Marked]:
    """Yield all but the headings; the marks of one go to the sentence below it."""
    held: tuple[int, ...] = ()
    for sentence in sentences:
        if sentence.kind == "heading":
            held = sentence.numbers
            continue
        yield replace(sentence, numbers=sentence.numbers or held)
        held = ()
