"""Whether what a model wrote answers the question, by what the reader thinks of what it cites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rag.answer.question import understand
from rag.text.terms import content_terms, fold
from rag.types import Citation, Passage, Sentence

BESIDE = 0.02
"""Share of the best unit's relevance under which what a sentence rests on answers nothing.

Of 250 development questions (sample, manuals) whose evidence was found, .036 have none above it; of
the other units in the passages, .73 are under it."""

BESIDE_UNCITED = 0.3
"""The same for a sentence whose own marks bear it out in nothing: what models copy out of passages
has none. .20 of the questions have no evidence above it, .95 of the other units are under it."""

_STEP = " › "  # between the headings of a place


@dataclass(frozen=True)
class Point:
    """A question over the passages that the sentences of its answer cite by number, from 1."""

    question: str
    passages: Sequence[Passage]

    def missed_by(self, sentence: Sentence, *, least: float = BESIDE) -> str:
        """Why a sentence does not answer; "" where it does, or where nobody can tell.

        It repeats the question, or it rests on what has less than ``least`` of the best unit's
        relevance.
        """
        if self._names_a_place(sentence.text):
            return "it only repeats where a passage stands"
        if self._echoes(sentence.text):
            return "it only repeats the question"
        if max(map(self.relevance, sentence.citations), default=1.0) < least:
            return "it is not what was asked"
        return ""

    def relevance(self, citation: Citation) -> float:
        """Of the most relevant unit in a citation, as a share of the best; 1 if nobody read it."""
        passage = self.passages[citation.number - 1]
        units = _units(passage)
        if not units or not self._best:
            return 1.0
        start, end = citation.start - passage.chunk.start, citation.end - passage.chunk.start
        return max((p for a, b, p in units if a < end and start < b), default=0.0) / self._best

    @cached_property
    def _best(self) -> float:
        return max((p for passage in self.passages for *_, p in _units(passage)), default=0.0)

    def _echoes(self, text: str) -> bool:
        asked = understand(self.question)
        if fold(self.question) and fold(text).endswith(fold(self.question)):
            return True
        if asked.foreign or asked.wants == "yesno":
            return False
        said = set(content_terms(text))
        return bool(said) and said <= {*asked.terms("en"), *content_terms(asked.text)}

    def _names_a_place(self, text: str) -> bool:
        said = fold(text)
        places = [fold(passage.place) for passage in self.passages if _STEP in passage.place]
        return any(place in said or (_STEP in text and said in place) for place in places)


def _units(passage: Passage) -> Sequence[tuple[int, int, float]]:
    return passage.reading.sentences if passage.reading else ()
