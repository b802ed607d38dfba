"""The best place for a footnote: which span of a passage says what a sentence says.

Candidates are the sentences of the passage, and pairs of neighbours where one alone says too
little. Every span is offsets into ``passage.chunk.text``, so that ``Citation.of`` quotes it to the
letter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from rag.answer.llm.citation_marks import Marked, Parsed, parse
from rag.text.sentences import sentences
from rag.text.terms import content_terms, numbers, stems
from rag.types import Citation, Passage, Sentence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag.protocols import Checker, Embedder

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
_CHECKED = 3  # candidates for each pair that a checker is asked about


@dataclass(frozen=True, slots=True)
class Aligned:
    """``passage.chunk.text[start:end]`` speaks of the sentence; ``score`` is a fraction of 1."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence of a passage, or its two neighbours ``first`` and ``last`` (else equal)."""

    start: int
    end: int
    first: int
    last: int


class Aligner:
    """Finds the spans for the sentences of one answer; keeps the vectors it has seen.

    Make one for each answer: it grows with what it embeds. Threads must not share it, but one may
    ``prepare`` passages while another aligns.
    """

    def __init__(self, embedder: Embedder, checker: Checker | None = None) -> None:
        self._embedder = embedder
        self._checker = checker
        self._vectors: dict[str, Vector] = {}

    def align(self, pairs: Sequence[tuple[str, Passage]]) -> list[Aligned | None]:
        """Return the best span for each sentence in its passage; None where nothing is about it.

        Everything is embedded in one batch, and the checker, if there is one, is asked once.
        """
        ranked = self.ranked(pairs)
        if self._checker is not None:
            ranked = self._rechecked(pairs, ranked, self._checker)
        return [best[0] if best else None for best in ranked]

    def prepare(self, passage: Passage) -> None:
        """Embed the sentences of a passage, so that aligning does not have to."""
        text = passage.chunk.text
        self._embed({text[start:end] for start, end in _cut(text)})

    def ranked(self, pairs: Sequence[tuple[str, Passage]]) -> list[list[Aligned]]:
        """Return the spans that are about each sentence in its passage, best first."""
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
        claim = _Claim.of(sentence, passage.language)
        vectors = [self._vectors[text[start:end]] for start, end in spans]
        own = self._vectors[sentence]
        scores: dict[tuple[int, int], float] = {}
        found: list[tuple[float, int, Aligned]] = []
        for unit in _candidates(text, spans):
            direction = vectors[unit.first] + vectors[unit.last]
            cosine = float(direction @ own) / max(float(np.linalg.norm(direction)), 1e-6)
            shared = claim.shared(text[unit.start : unit.end])
            score = scores[unit.first, unit.last] = claim.score(shared, cosine)
            if unit.first < unit.last:
                halves = (scores[n, n] for n in (unit.first, unit.last))
                score -= _BOTH
                if score <= max(halves):
                    continue
            if cosine >= DISTANT or shared.terms >= SHARED:
                found.append((-round(score, 5), unit.start, Aligned(unit.start, unit.end, score)))
        return [aligned for _, _, aligned in sorted(found, key=lambda entry: entry[:2])]

    def _rechecked(
        self,
        pairs: Sequence[tuple[str, Passage]],
        ranked: Sequence[Sequence[Aligned]],
        checker: Checker,
    ) -> list[list[Aligned]]:
        """Let the checker's support decide among the best; equals keep their order."""
        asked = [
            (index, aligned) for index, best in enumerate(ranked) for aligned in best[:_CHECKED]
        ]
        verdicts = checker.check(
            [pairs[index][0] for index, _ in asked],
            [[pairs[index][1].chunk.text[a.start : a.end]] for index, a in asked],
        )
        result: list[list[tuple[float, Aligned]]] = [[] for _ in ranked]
        for (index, aligned), verdict in zip(asked, verdicts, strict=True):
            result[index].append(((verdict.support or 0.0) + aligned.score, aligned))
        return [
            [aligned for _, aligned in sorted(best, key=lambda entry: -round(entry[0], 5))]
            for best in result
        ]


# --- the sentence -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shared:
    """Shares of a sentence's terms and numbers; ``numbers`` is None where it states none."""

    terms: float
    numbers: float | None


@dataclass(frozen=True, slots=True)
class _Claim:
    """What of a sentence is looked for."""

    terms: tuple[str, ...]
    numbers: frozenset[str]
    language: str | None

    @classmethod
    def of(cls, sentence: str, language: str | None) -> _Claim:
        return cls(content_terms(sentence, language), numbers(sentence), language)

    def shared(self, unit: str) -> _Shared:
        here = _stem_set(unit, self.language)
        total = sum(map(_weight, self.terms))
        held = sum(_weight(term) for term in self.terms if term in here)
        stated = numbers(unit) if self.numbers else frozenset()
        return _Shared(
            terms=held / total if total else 0.0,
            numbers=len(self.numbers & stated) / len(self.numbers) if self.numbers else None,
        )

    def score(self, shared: _Shared, cosine: float) -> float:
        score = _TERMS * shared.terms + _COSINE * max(0.0, cosine)
        if shared.numbers is None:
            return score / (_TERMS + _COSINE)
        return score + _NUMBERS * shared.numbers


def _weight(term: str) -> float:
    """Return 1 for short words up to 3 for long ones: long words are rarer and say more."""
    return 3.0 if term.isdigit() else min(1.0 + max(0, len(term) - 4) * 0.25, 3.0)


@lru_cache(maxsize=4096)
def _stem_set(text: str, language: str | None) -> frozenset[str]:
    return frozenset(stems(text, language))


# --- the passage --------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _cut(text: str) -> tuple[tuple[int, int], ...]:
    """Return the sentences of a passage that have a word in them; very long ones in pieces."""
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


def _candidates(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[_Unit]:
    """Yield every sentence, then every two neighbours without a paragraph's end between them."""
    for index, (start, end) in enumerate(spans):
        yield _Unit(start, end, index, index)
    for index in range(len(spans) - 1):
        (start, end), (start_after, end_after) = spans[index], spans[index + 1]
        if "\n\n" not in text[end:start_after] and "#" not in text[end:start_after]:
            yield _Unit(start, end_after, index, index + 1)


# --- marks to citations -------------------------------------------------------------------------

Kind = Literal["text", "item", "step", "code"]


def cite(
    text: str, passages: Sequence[Passage], embedder: Embedder, checker: Checker | None = None
) -> tuple[list[Sentence], list[str]]:
    """Return the sentences of a text that was written over numbered passages, and problems.

    ``[1]`` is ``passages[0]``. Every citation is an exact span of its passage, and citations are
    numbered from 1 by first use. A sentence without a mark, or with marks that nothing in their
    passages bears out, comes without citations: what becomes of it is for the verification.
    """
    parsed = parse(text, len(passages))
    sentences, problems = cited(parsed, passages, Aligner(embedder, checker))
    return sentences, [*parsed.problems, *problems]


def cited(
    parsed: Parsed,
    passages: Sequence[Passage],
    aligner: Aligner,
    numbering: dict[int, int] | None = None,
) -> tuple[list[Sentence], list[str]]:
    """Turn the numbers of parsed sentences into citations, and name those that bear out nothing.

    ``numbering`` gives each passage, by index, its number in the answer; it is added to, so that a
    stream can go through an answer in several calls. Headings are left out; what one is marked with
    goes to the sentence below it, if that has no mark of its own.
    """
    numbering = {} if numbering is None else numbering
    marked = list(without_headings(parsed.sentences))
    pairs = [(sentence, number - 1) for sentence in marked for number in sentence.numbers]
    found = iter(aligner.align([(sentence.text, passages[index]) for sentence, index in pairs]))
    sentences: list[Sentence] = []
    problems: list[str] = []
    for sentence in marked:
        spans = {number - 1: next(found) for number in sentence.numbers}
        citations = _citations(spans, passages, numbering)
        problems += [
            f"the cited passage “{passages[index].place}” says nothing about: {sentence.text}"
            for index, span in spans.items()
            if span is None
        ]
        sentences.append(_sentence(sentence, citations))
    return sentences, problems


def without_headings(sentences: Sequence[Marked]) -> Iterator[Marked]:
    """Yield all but the headings; the marks of one go to the sentence below it."""
    held: tuple[int, ...] = ()
    for sentence in sentences:
        if sentence.kind == "heading":
            held = sentence.numbers
            continue
        if held and not sentence.numbers:
            yield Marked(
                sentence.text, sentence.start, sentence.end, sentence.kind, sentence.marker, held
            )
        else:
            yield sentence
        held = ()


def _citations(
    spans: dict[int, Aligned | None], passages: Sequence[Passage], numbering: dict[int, int]
) -> tuple[Citation, ...]:
    return tuple(
        Citation.of(
            numbering.setdefault(index, len(numbering) + 1), passages[index], span.start, span.end
        )
        for index, span in spans.items()
        if span is not None
    )


def _sentence(marked: Marked, citations: tuple[Citation, ...]) -> Sentence:
    counted = any(c.isalnum() for c in marked.marker)
    kind: Kind = "text"
    if marked.kind == "code":
        kind = "code"
    elif marked.kind == "row" or marked.marker:
        kind = "step" if counted else "item"
    return Sentence(
        text=marked.text,
        citations=citations,
        kind=kind,
        marker=marked.marker.lstrip("(") if counted else "",
    )
