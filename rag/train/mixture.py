"""What the shipped reader is trained on and in which amounts, and what is held apart to measure it.

The mixture is drawn with a seed from the development data's sets whose licence allows it; what is
held apart is never in it. ``--scale`` makes everything smaller, for tests and for a first look.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.pipeline.pipeline import Pipeline
from rag.train import manuals
from rag.train.examples import (
    SHIPPED_QA,
    Example,
    Question,
    changed_questions,
    from_question,
    hard_negatives,
    read_questions,
    sentence_pairs,
    sought_sentences,
)
from rag.train.tables import table_questions

if TYPE_CHECKING:
    from rag.protocols import Embedder


@dataclass(frozen=True)
class Amounts:
    """How many examples of each sort; sets smaller than that are taken whole."""

    squad: int = 80_000
    squad_again: int = 36_000
    squad_negatives: int = 45_000
    other_negatives: int = 9_000
    sought: int = 12_000
    changed: int = 14_000
    further_squad: int = 16_000  # in passes after the first, as all up to the tables
    further_negatives: int = 8_000
    further_around: int = 30_000  # questions of SQuAD that changed ones and sentences are drawn of
    further_changed: int = 3_500
    sentences: int = 16_000
    tables: int = 3_000
    repeats: int = 2  # of small sets
    measured: int = 1_500  # of each set that is held apart

    def scaled(self, scale: float) -> Amounts:
        """Return these amounts times ``scale``."""
        whole = {k: max(20, int(v * scale)) for k, v in asdict(self).items() if k != "repeats"}
        return Amounts(**whole, repeats=self.repeats)


def mixture(
    data: Path,
    embedder: Embedder,
    amounts: Amounts,
    seed: int,
    log: Callable[[str], None] = print,
) -> list[Example]:
    """The training examples, shuffled; the same for the same seed and data."""
    random_ = random.Random(seed)
    sets = _questions(data, embedder)
    log(f"{sum(map(len, sets.values()))} questions read")
    squad = sets["squad1-train"]
    random_.shuffle(squad)
    squad = squad[: max(amounts.squad, amounts.squad_negatives)]

    def of(*names: str) -> list[Question]:
        return [question for name in names for question in sets[name][: amounts.squad]]

    small = of(*SHIPPED_QA[1:])
    chosen = [*squad[: amounts.squad], *small, *of(*SHIPPED_QA[1:3]) * (amounts.repeats - 1)]
    found = [from_question(q, random_) for q in [*chosen, *squad[: amounts.squad_again]]]
    found += hard_negatives(squad, embedder, random_, amounts.squad_negatives)
    others = of("qed-train", "policyqa-dev", "covidqa")
    found += hard_negatives(others, embedder, random_, amounts.other_negatives)
    found += sought_sentences(squad, embedder, random_, amounts.sought)
    log(f"{len(found)} pairs of questions and passages")
    answerable = [question for question in (*squad, *small) if question.answerable]
    found += changed_questions(answerable, random_, amounts.changed)
    random_.shuffle(found)
    log(f"{len(found)} examples")
    return found


def further(
    data: Path,
    embedder: Embedder,
    amounts: Amounts,
    seed: int,
    index: Path | None = None,
    questions: Sequence[Path] = (),
    log: Callable[[str], None] = print,
) -> list[Example]:
    """What passes after the first read: fewer questions, single sentences, tables, manuals.

    ``questions`` are those about the manuals in ``index``; without one there are none.
    """
    random_ = random.Random(seed)
    squad, *others = _questions(data, embedder).values()
    random_.shuffle(squad)
    small = [question for one in others for question in one[: amounts.further_squad]]
    first, rest = squad[: amounts.further_squad], squad[amounts.further_squad :]
    found = [from_question(question, random_) for question in (*first, *small)]
    near = rest[: amounts.further_negatives]
    found += hard_negatives(near, embedder, random_, len(near))
    answerable = [q for q in (*squad[: amounts.further_around], *small) if q.answerable]
    found += changed_questions(answerable, random_, amounts.further_changed)
    found += sentence_pairs(answerable, random_, amounts.sentences)
    found += table_questions(random_, amounts.tables)
    if index is not None:
        with Pipeline.open(index) as pipeline:
            for file in questions:
                found += manuals.manual_examples(file, pipeline, random_, log=log)
    random_.shuffle(found)
    log(f"{len(found)} examples of a further pass")
    return found


def _questions(data: Path, embedder: Embedder, *, apart: bool = False) -> dict[str, list[Question]]:
    return {
        name: read_questions(data, name, embedder.count_tokens, held_apart=apart)
        for name in SHIPPED_QA
    }


def held_apart(
    data: Path, embedder: Embedder, amounts: Amounts, seed: int
) -> dict[str, list[Question]]:
    """The questions of the articles that no weight has seen, which are kept for the figures."""
    random_ = random.Random(seed)
    found = _questions(data, embedder, apart=True)
    for questions in found.values():
        random_.shuffle(questions)
        del questions[amounts.measured :]
    return found
