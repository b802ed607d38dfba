"""What the shipped reader is trained on and in which amounts, and what it is measured on.

The mixture is drawn with a seed from the development data's sets whose licence allows it; what is
held apart is never in it. ``--scale`` makes everything smaller, for tests and for a first look.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.evaluate.text_metrics import f1
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
    second_text,
    sought_sentences,
)
from rag.train.tables import table_questions

if TYPE_CHECKING:
    from rag.protocols import Embedder

Log = Callable[[str], None]


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
    data: Path, embedder: Embedder, amounts: Amounts, seed: int, log: Log = print
) -> list[Example]:
    """Return the training examples, shuffled; the same for the same seed and data."""
    random_ = random.Random(seed)
    sets = {
        name: read_questions(data, name, embedder.count_tokens, held_apart=False)
        for name in SHIPPED_QA
    }
    squad = sets["squad1-train"]
    random_.shuffle(squad)
    squad = squad[: max(amounts.squad, amounts.squad_negatives)]
    log(f"{sum(map(len, sets.values()))} questions read")
    small = [question for name in SHIPPED_QA[1:] for question in _some(sets[name], amounts)]
    repeated = [q for name in SHIPPED_QA[1:3] for q in _some(sets[name], amounts)]
    found = [from_question(q, random_) for q in (*squad[: amounts.squad], *small)]
    found += [from_question(q, random_) for q in repeated * (amounts.repeats - 1)]
    found += [from_question(q, random_) for q in squad[: amounts.squad_again]]
    found += hard_negatives(squad, embedder, random_, amounts.squad_negatives)
    others = [
        q for name in ("qed-train", "policyqa-dev", "covidqa") for q in _some(sets[name], amounts)
    ]
    found += hard_negatives(others, embedder, random_, amounts.other_negatives)
    found += sought_sentences(squad, embedder, random_, amounts.sought)
    log(f"{len(found)} pairs of questions and passages")
    found += changed_questions(
        [q for q in (*squad, *small) if q.answerable], random_, amounts.changed
    )
    answered = [q for q in (*squad, *small) if q.answerable]
    found += made_claims(squad, random_, amounts.made)
    found += answered_claims(answered, random_, amounts.answered)
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
    """Return what passes after the first read: part of ``examples``, claims stated anew, tables."""
    random_ = random.Random(f"{seed}/later")
    found = [e for e in examples if random_.random() < _AGAIN.get(e.source, 1.0)]
    for name, share in (("squad1-train", 0.85), ("qed-train", 0.15)):
        questions = read_questions(data, name, embedder.count_tokens, held_apart=False)
        answerable = [q for q in questions if q.answerable]
        found += stated_claims(answerable, random_, int(amounts.stated * share))
    found += table_questions(random_, amounts.tables)
    random_.shuffle(found)
    return found


def _some(questions: Sequence[Question], amounts: Amounts) -> Sequence[Question]:
    return questions[: amounts.squad]


def save(examples: Iterable[Example], file: Path) -> None:
    """Write examples as gzipped JSON lines: making them takes minutes."""
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        for example in examples:
            lines.write(json.dumps(asdict(example), ensure_ascii=False) + "\n")


def load(file: Path) -> list[Example]:
    """Read what ``save`` wrote."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [Example(**json.loads(line)) for line in lines]


# What is held apart


@dataclass(frozen=True)
class Held:
    """Sets that no weight has seen: questions with their chunks, claims with their evidence."""

    questions: dict[str, list[Question]]
    claims: dict[str, list[Example]]


def held_apart(data: Path, embedder: Embedder, amounts: Amounts, seed: int) -> Held:
    """Return the articles, groups and whole sets that are kept for the figures."""
    random_ = random.Random(seed)

    def some(items: list[Any]) -> list[Any]:
        random_.shuffle(items)
        return items[: amounts.measured]

    return Held(
        questions={
            name: some(read_questions(data, name, embedder.count_tokens, held_apart=True))
            for name in SHIPPED_QA
        },
        claims={
            name: some(
                read_claims(
                    data, name, embedder, held_apart=True if name in SHIPPED_CLAIMS else None
                )
            )
            for name in (*HELD_CLAIMS, *SHIPPED_CLAIMS)
        },
    )


def reading_figures(questions: Sequence[Question], read: Sequence[Any]) -> dict[str, float]:
    """Return what answers are worth: ``read`` has (words said, margin over "not here") of each.

    ``f1`` is of the best span, answerable questions only; with unanswerable ones also the AUROC of
    the margin, and the best F1 that a threshold on it can give.
    """
    from sklearn.metrics import roc_auc_score

    scores = np.array(
        [
            f1(words, q.chunk[q.start : q.end]) if q.answerable else 0.0
            for q, (words, _) in zip(questions, read, strict=True)
        ]
    )
    known = np.array([q.answerable for q in questions])
    margins = np.array([margin for _, margin in read])
    figures = {"n": len(scores), "f1": float(scores[known].mean())}
    if not known.all():
        figures["answerable_auroc"] = float(roc_auc_score(known, margins))
        figures["best_f1"] = max(
            float(np.where(margins >= at, scores, ~known).mean())
            for at in np.quantile(margins, np.linspace(0, 1, 101))
        )
    return figures


def claim_figures(claims: Sequence[Example], support: Sequence[float]) -> dict[str, float]:
    """Return AUROC and balanced accuracy (logits over 0 are supported) of a set of claims."""
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    gold = np.array([claim.support == 1.0 for claim in claims])
    logits = np.array(support)
    return {
        "n": len(gold),
        "auroc": float(roc_auc_score(gold, logits)),
        "balanced_accuracy": float(balanced_accuracy_score(gold, logits > 0)),
    }


def pairs_of(questions: Sequence[Question]) -> list[tuple[str, str, int]]:
    """Return (question, passage as the reader sees it, characters of it that are no text)."""
    return [(q.text, *second_text(q.title, q.chunk)) for q in questions]
