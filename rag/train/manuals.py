"""Examples from real manuals: the unit that answers a question, and those that look like it.

People wrote questions about manuals without knowing the program (``eval/manuals/train*.jsonl.gz``):
each names the words that answer, and words nearby that a careless reader would take for it. The
manuals are indexed as any folder is; what retrieval brings for a question beside the words that
answer is what they have to be told apart from. A unit is read as it is when a question is answered:
under the title, the headings and the terms that it stands under.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.answer.features import Unit, path_of, units_of
from rag.answer.question import understand
from rag.answer.reader import read_words
from rag.errors import DataError, SourceError
from rag.evaluate.text_metrics import locate, overlaps
from rag.index.catalog import key_of
from rag.models.cross_encoder import under
from rag.train.examples import Example, asked, rows

if TYPE_CHECKING:
    from rag.pipeline.pipeline import Pipeline
    from rag.types import Passage

MANUALS = "manuals"
"""The source of these examples."""

_RETRIEVED = 24  # passages by fusion
_SAME = 0.6  # share of its terms from which a unit may say what the answer says


@dataclass(frozen=True)
class Amounts:
    """What a question is held against besides the words that answer it, and those named wrong."""

    near: int = 6  # units, the likest first
    far: int = 2  # other units that retrieval brings
    passages: int = 2


@dataclass(frozen=True)
class Spot:
    """A question with the units that answer it, and those that somebody says do not.

    ``answer`` is the shortest run of words that answers, "" where only a whole unit does.
    """

    question: str
    answer: str
    right: Sequence[tuple[Passage, Unit]]
    wrong: Sequence[tuple[Passage, Unit]]
    source: str

    def pairs(
        self,
        pool: Sequence[Passage],
        count_tokens: Callable[[str], int],
        random_: random.Random,
        amounts: Amounts,
    ) -> Iterator[Example]:
        """The question with the units, with look-alikes from the pool, and with whole passages."""
        first = asked(self.question, random_)

        def pair(names: Sequence[str], text: str, *, answers: bool, at: int = 0) -> Example:
            prefix = under(names, count_tokens)
            start = end = None if answers else -1
            if answers and self.answer and (place := text.find(self.answer, at)) >= 0:
                start, end = len(prefix) + place, len(prefix) + place + len(self.answer)
            return Example(
                first, prefix + text, self.source, len(prefix), float(answers), start, end
            )

        for passage, unit in self.right:
            yield pair(path_of(passage, unit), unit.text, answers=True)
        others = list(self._others(pool))
        near, rest = others[: amounts.near], others[amounts.near :]
        far = random_.sample(rest, min(amounts.far, len(rest)))
        for passage, unit in (*self.wrong, *near, *far):
            yield pair(path_of(passage, unit), unit.text, answers=False)
        for passage, unit in self.right[:1]:
            yield pair(_path(passage), passage.chunk.text, answers=True, at=unit.span.start)
        known = {passage.chunk.id for passage, _ in self.right}
        beside = [p for p in pool if p.chunk.id not in known and not self._may_answer(p.chunk.text)]
        for passage in beside[: amounts.passages]:
            yield pair(_path(passage), passage.chunk.text, answers=False)

    def _others(self, pool: Sequence[Passage]) -> Iterator[tuple[Passage, Unit]]:
        """The units of the pool that do not answer, the likest by their words first."""
        known = {unit.text for _, unit in (*self.right, *self.wrong)}
        study = read_words(understand(self.question), pool)
        order = sorted(range(len(study.units)), key=lambda n: -study.relevance[n])
        for unit in (study.units[n] for n in order):
            if unit.text in known or self._may_answer(unit.text) or self._says_the_same(unit):
                continue
            known.add(unit.text)
            yield pool[unit.passage], unit

    def _may_answer(self, text: str) -> bool:
        return bool(self.answer) and self.answer.casefold() in text.casefold()

    def _says_the_same(self, unit: Unit) -> bool:
        return any(
            len(unit.terms & other.terms) >= _SAME * max(1, len(other.terms))
            for _, other in self.right
        )


def _path(passage: Passage) -> tuple[str, ...]:
    return (passage.title, *passage.chunk.headings)


def manual_examples(
    file: Path,
    pipeline: Pipeline,
    random_: random.Random,
    amounts: Amounts = Amounts(),
    log: Callable[[str], None] = print,
) -> list[Example]:
    """The examples of a file of questions over an index of the manuals that they are about.

    Raises DataError if none of the manuals is in the index.
    """
    found: list[Example] = []
    lost = 0
    for row in rows(file):
        right, wrong = (list(_units(row[name], pipeline)) for name in ("evidence", "wrong"))
        if row["evidence"] and not right:
            lost += 1
            continue
        for text in row["questions"]:
            spot = Spot(text, row["answer"], right, wrong, MANUALS)
            pool = pipeline.retriever.retrieve(text, _RETRIEVED)
            found += spot.pairs(pool, pipeline.embedder.count_tokens, random_, amounts)
    if not found:
        raise DataError(f"{file}: none of its manuals is in the index: see eval/manuals/collect.py")
    log(f"{len(found)} pairs from {file.name}; the places of {lost} questions were not found")
    return found


def _units(quotes: Sequence[dict[str, str]], pipeline: Pipeline) -> Iterator[tuple[Passage, Unit]]:
    """Every unit that shares a character with one of the quotes."""
    catalog = pipeline.index.catalog
    for quote in quotes:
        try:
            document = pipeline.document(quote["uri"])
        except SourceError:
            continue
        spans = locate(document.text, quote["quote"]).spans
        chunks = [c for c, _ in catalog.chunks_of(document) if overlaps(c.start, c.end, spans)]
        for passage in catalog.passages([key_of(chunk.id) for chunk in chunks]).values():
            for unit in units_of(0, passage):
                at = passage.chunk.start
                if overlaps(at + unit.span.start, at + unit.span.end, spans):
                    yield passage, unit
