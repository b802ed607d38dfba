"""Pairs that the checker learns from: claims with evidence, three ways where the source tells.

Entailment and fact-checking sets whose licence allows shipping, statements made of questions and
answers, rows of made tables, and pairs written for this project (``eval/contrasts``): two versions
of a passage that differ in one fact, with claims judged against both.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.models.support import CONTRADICTED, NO_STATEMENT, NOT_SAID, SUPPORTED, VERDICTS
from rag.train.claims import best_evidence, made_claims, stated_claims, swapped_claims
from rag.train.examples import Example, Question, held, read_questions, rows
from rag.train.tables import table_claims

if TYPE_CHECKING:
    from rag.protocols import Embedder

UNSUPPORTED = len(VERDICTS)
"""A label beside those of the model: the source does not say whether contradicted or not said."""

_LABELS = {
    "supports": SUPPORTED, "entailment": SUPPORTED, "entailed": SUPPORTED, "entails": SUPPORTED,
    "refutes": CONTRADICTED, "contradiction": CONTRADICTED, "refuted": CONTRADICTED,
    "refute": CONTRADICTED,
    "neutral": NOT_SAID, "not enough info": NOT_SAID,
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A set of claims: how many rows a pass reads at most, and how often it reads a small one."""

    name: str
    rows: int = 100_000
    times: int = 1


SOURCES = (
    Source("nli-vitaminc", 40_000),
    Source("nli-fever"),
    Source("nli-mnli"),
    Source("nli-infotabs"),
    Source("nli-wanli"),
    Source("nli-cad"),
    Source("snli", 8_000),
    Source("nli-fm2", times=2),
    Source("nli-contractnli"),
    Source("nli-scitail"),
    Source("nli-stance"),
    Source("nli-negation", times=3),
    Source("nli-pawsx", times=3),
    Source("nli-conjnli", 2_000),
    Source("nli-logic", 2_000),
    Source("nli-tabfact", 3_000),
    Source("wice-dev", times=2),
    Source("begin-dev", times=2),
    Source("summedits-news", times=2),
    Source("summedits-samsum", times=3),
    Source("summedits-scitldr", times=3),
)
"""What ships. Words shared with the evidence tell all in conjnli and logic; tabfact is slow, and of
tracie nothing was learnt: chance on what was held apart."""


@dataclass(frozen=True)
class Pair:
    """A claim, its evidence and one of the labels; ``group`` keeps rows of one text together.

    ``kind`` is what a source says of its rows, for tables of figures.
    """

    claim: str
    evidence: str
    label: int
    source: str
    group: str = ""
    kind: str = ""


def read_pairs(
    data: Path, name: str, embedder: Embedder, *, held_apart: bool | None = None
) -> list[Pair]:
    """The English pairs of a set, with the best sentences of long evidence.

    ``held_apart`` picks the groups that are (not) held apart, None all of them.
    """
    chosen = [
        (row, group)
        for row in rows(data / "groundedness" / f"{name}.jsonl.gz")
        if row.get("language", "en") == "en" and row.get("lang", "en") == "en"
        for group in [f"{name}/{row.get('group') or row['id']}"]
        if held_apart is None or held(group, tenths=2) == held_apart
    ]
    texts = best_evidence(
        [row["claim"] for row, _ in chosen], [row["evidence"] for row, _ in chosen], embedder
    )
    return [
        Pair(row["claim"], text, label_of(row), name, group, str(row.get("kind") or ""))
        for (row, group), text in zip(chosen, texts, strict=True)
    ]


def label_of(row: dict[str, Any]) -> int:
    """The label of a row: three ways where its source tells the last two apart."""
    if row["label"] == "supported":
        return SUPPORTED
    found = _LABELS.get(str(row.get("source_label")).lower(), UNSUPPORTED)
    return UNSUPPORTED if found == SUPPORTED else found


def written(folder: Path) -> list[Pair]:
    """The pairs of ``eval/contrasts``: every claim against both versions of its passage, others."""
    found = []
    for file in sorted(folder.glob("passages-*.jsonl.gz")):
        for number, group in enumerate(rows(file)):
            name = f"{file.name.split('.')[0]}/{number}"
            found += [
                Pair(claim, group[version], "SCN".index(label), "written", name, group["k"])
                for claim, labels in group["c"]
                for version, label in zip("ab", labels, strict=True)
            ]
    for number, row in enumerate(_rows(folder / "claims.jsonl.gz")):
        text = "\n".join(row["evidence"])
        name = f"claims/{number // 2}"  # two on one text follow one another
        found.append(Pair(row["claim"], text, label_of(row), "written", name, row["kind"]))
    return found


def statements(folder: Path, passages: Sequence[str], random_: random.Random) -> list[Pair]:
    """Sentences that state nothing, and others much like them, each before a passage at random."""
    return [
        Pair(
            row["t"],
            random_.choice(passages),
            NO_STATEMENT if row["y"] == "none" else NOT_SAID,
            "statements",
            f"statements/{number}",
            row["k"],
        )
        for number, row in enumerate(_rows(folder / "statements.jsonl.gz"))
    ]


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    """Those of a file that a folder of your own pairs need not have."""
    if file.is_file():
        yield from rows(file)


@dataclass(frozen=True)
class Amounts:
    """How many pairs a pass has of those that are made, and how often it reads the written."""

    stated: int = 14_000
    made: int = 8_000
    swapped: int = 12_000
    tables: int = 8_000
    written_times: int = 2
    beside: float = 0.25  # share of single sentences that get sentences of other texts around them
    under: float = 0.15  # share of pairs that get a line of titles over the evidence


def mixture(
    data: Path,
    contrasts: Path,
    embedder: Embedder,
    amounts: Amounts,
    seed: int,
    *,
    share: float = 1.0,
    log: Callable[[str], None] = print,
) -> list[Pair]:
    """The pairs of a pass, shuffled; the same for the same seed and data.

    ``share`` makes all amounts smaller.
    """
    random_ = random.Random(seed)

    def some(pairs: list[Pair], most: int) -> list[Pair]:
        random_.shuffle(pairs)
        return pairs[: int(min(most, len(pairs)) * share)]

    found: list[Pair] = []
    for source in SOURCES:
        pairs = read_pairs(data, source.name, embedder, held_apart=False)
        found += some(pairs, source.rows) * source.times
        log(f"{source.name}: {len(pairs)} pairs")
    questions = _questions(data, embedder)
    titles = sorted({question.title for question in questions})
    found = [_beside(pair, found, amounts.beside, random_) for pair in found]
    found = [_under(pair, titles, amounts.under, random_) for pair in found]
    found += _made(questions, amounts, random_, share)
    passages = [pair.evidence for pair in found]
    pairs = written(contrasts)
    for _ in range(amounts.written_times):  # a sentence that states nothing fits every passage
        pairs += statements(contrasts, passages, random_)
    pairs = [pair for pair in pairs if not held(pair.group, tenths=1)]
    found += some(pairs, len(pairs)) * amounts.written_times
    log(f"written: {len(pairs)} pairs")
    random_.shuffle(found)
    log(f"{len(found)} pairs")
    return found


def _questions(data: Path, embedder: Embedder) -> list[Question]:
    return [
        question
        for name in ("squad1-train", "qed-train")
        for question in read_questions(data, name, embedder.count_tokens, held_apart=False)
        if question.answerable
    ]


def _made(
    questions: Sequence[Question], amounts: Amounts, random_: random.Random, share: float
) -> Iterator[Pair]:
    yield from map(_pair, stated_claims(questions, random_, int(amounts.stated * share)))
    yield from map(_pair, made_claims(questions, random_, int(amounts.made * share)))
    for example in swapped_claims(questions, random_, int(amounts.swapped * share)):
        pair = _pair(example)
        yield pair if pair.label == SUPPORTED else replace(pair, label=CONTRADICTED)
    yield from map(_pair, table_claims(random_, int(amounts.tables * share)))


def _pair(example: Example) -> Pair:
    label = {1.0: SUPPORTED, None: NOT_SAID}.get(example.support, UNSUPPORTED)
    return Pair(example.first, example.second, label, example.source)


def _under(pair: Pair, titles: Sequence[str], share: float, random_: random.Random) -> Pair:
    """A pair with titles over its evidence that bear on nothing, as most of a path does."""
    if random_.random() >= share:
        return pair
    path = " · ".join(random_.sample(titles, random_.randint(1, 3)))
    return replace(pair, evidence=f"{path}\n{pair.evidence}")


def _beside(pair: Pair, others: Sequence[Pair], share: float, random_: random.Random) -> Pair:
    """A pair whose short evidence stands among that of others, as a claim meets it in a passage."""
    if len(pair.evidence) > 250 or "\n" in pair.evidence or random_.random() >= share:
        return pair
    around: list[str] = []
    while len(around) < random_.randint(1, 4):
        other = random_.choice(others)
        if other.group != pair.group and len(other.evidence) < 250:
            around.append(other.evidence)
    around.insert(random_.randint(0, len(around)), pair.evidence)
    return replace(pair, evidence=" ".join(around))
