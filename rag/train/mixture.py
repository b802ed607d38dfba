"""What the shipped reader is trained on and in which amounts, and what is held apart to measure it.

The mixture is drawn with a seed from the development data's sets whose licence allows it; what is
held apart is never in it. ``--scale`` makes everything smaller, for tests and for a first look.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rag.train.claims import answered_claims, made_claims, read_claims, stated_claims
from rag.train.examples import (
    HELD_CLAIMS,
    SHIPPED_CLAIMS,
    SHIPPED_QA,
    Example,
    Question,
    changed_questions,
    from_question,
    hard_negatives,
    read_questions,
    sought_sentences,
)
from rag.train.tables import table_questions

if TYPE_CHECKING:
    from rag.protocols import Embedder

Item = TypeVar("Item")


@dataclass(frozen=True)
class Amounts:
    """How many examples of each sort; sets smaller than that are taken whole."""

    squad: int = 80_000
    squad_again: int = 36_000
    squad_negatives: int = 45_000
    other_negatives: int = 9_000
    sought: int = 12_000
    changed: int = 14_000
    made: int = 14_000
    answered: int = 9_000
    snli: int = 12_000
    stated: int = 28_000  # in later passes
    tables: int = 9_000  # likewise
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
    sets = {
        name: read_questions(data, name, embedder.count_tokens, held_apart=False)
        for name in SHIPPED_QA
    }
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
    found += made_claims(squad, random_, amounts.made)
    found += answered_claims(answerable, random_, amounts.answered)
    for name in SHIPPED_CLAIMS:
        claims = read_claims(data, name, embedder, held_apart=False)
        random_.shuffle(claims)
        found += claims[: amounts.snli] if name == "snli" else claims * amounts.repeats
    random_.shuffle(found)
    log(f"{len(found)} examples")
    return found


_AGAIN = {"squad1-train": 0.6, "squad1-train/negative": 0.4, "sought": 0.4, "sought/negative": 0.4,
          "made": 0.3, "answered": 0.4}  # fmt: skip
"""Share of a source that later passes read again: what short runs learn well needs less of it."""


def later(
    data: Path, embedder: Embedder, examples: Sequence[Example], amounts: Amounts, seed: int
) -> list[Example]:
    """What passes after the first read: part of ``examples``, claims stated anew, tables."""
    random_ = random.Random(f"{seed}/later")
    found = [e for e in examples if random_.random() < _AGAIN.get(e.source, 1.0)]
    for name, share in (("squad1-train", 0.85), ("qed-train", 0.15)):
        questions = read_questions(data, name, embedder.count_tokens, held_apart=False)
        answerable = [q for q in questions if q.answerable]
        found += stated_claims(answerable, random_, int(amounts.stated * share))
    found += table_questions(random_, amounts.tables)
    random_.shuffle(found)
    return found


# What is held apart


@dataclass(frozen=True)
class Held:
    """Sets that no weight has seen: questions with their chunks, claims with their evidence."""

    questions: dict[str, list[Question]]
    claims: dict[str, list[Example]]


def held_apart(data: Path, embedder: Embedder, amounts: Amounts, seed: int) -> Held:
    """The articles, groups and whole sets that are kept for the figures."""
    random_ = random.Random(seed)

    def some(items: list[Item]) -> list[Item]:
        random_.shuffle(items)
        return items[: amounts.measured]

    questions = {
        name: some(read_questions(data, name, embedder.count_tokens, held_apart=True))
        for name in SHIPPED_QA
    }
    claims = {
        name: some(read_claims(data, name, embedder, held_apart=part))
        for part, names in ((None, HELD_CLAIMS), (True, SHIPPED_CLAIMS))
        for name in names
    }
    return Held(questions, claims)
