"""Whether what a model wrote answers the question, by what the reader thinks of what it cites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.answer.question import understand
from rag.text.terms import content_terms
from rag.types import Passage, Sentence

BESIDE = 0.02
"""Share of the best unit's relevance under which what a sentence rests on answers nothing.

Of 250 development questions (sample, manuals) whose evidence was found, .036 have none above it; of
the other units in the passages, .73 are under it."""


@dataclass(frozen=True)
class Point:
    """A question over the passages that the sentences of its answer cite by number, from 1."""

    question: str
    passages: Sequence[Passage]

    def missed_by(self, sentence: Sentence) -> str:
        """Why a sentence does not answer; "" where it does, or where nobody can tell.

        It repeats the question, or it rests on what the reader thinks irrelevant beside the best.
        """
        if self._echoes(sentence.text):
            return "it only repeats the question"
        best = max((p for passage in self.passages for *_, p in _units(passage)), default=0.0)
        if not best or not sentence.citations:
            return ""
        if (
            max(self._relevance(c.number, c.start, c.end) for c in sentence.citations)
            < BESIDE * best
        ):
            return "it is not what was asked"
        return ""

    def _echoes(self, text: str) -> bool:
        asked = understand(self.question)
        if asked.foreign or asked.wants == "yesno":
            return False
        return set(content_terms(text)) <= {*asked.terms("en"), *content_terms(asked.text)}

    def _relevance(self, number: int, start: int, end: int) -> float:
        """What the reader thinks of the most relevant unit in a citation; 1 if it has read none."""
        passage = self.passages[number - 1]
        start, end = start - passage.chunk.start, end - passage.chunk.start
        inside = [p for a, b, p in _units(passage) if a < end and start < b]
        return max(inside, default=0.0 if _units(passage) else 1.0)


def _units(passage: Passage) -> Sequence[tuple[int, int, float]]:
    return passage.reading.sentences if passage.reading else ()
