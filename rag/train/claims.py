"""Claims with evidence for the reader: those of grounding sets, and those made of reading sets."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.text.sentences import sentences
from rag.train.declare import declared
from rag.train.examples import (
    _NAME,
    _NUMBER,
    _OPPOSITES,
    Example,
    Question,
    _another_number,
    held,
    rows,
    second_text,
)

if TYPE_CHECKING:
    from rag.protocols import Embedder

EVIDENCE_CHARACTERS = 900
"""Evidence of a claim that is read at once: its best sentences, in their order."""


def read_claims(
    data: Path, name: str, embedder: Embedder, *, held_apart: bool | None = None
) -> list[Example]:
    """Return the claims of a set with the best sentences of their evidence.

    ``held_apart`` picks the groups that are (not) held apart, None all of them.
    """
    chosen = [
        row
        for row in rows(data / "groundedness" / f"{name}.jsonl.gz")
        if held_apart is None
        or held(f"{name}/{row.get('group') or row['id']}", tenths=2) == held_apart
    ]
    seen = best_evidence(
        [row["claim"] for row in chosen], [row["evidence"] for row in chosen], embedder
    )
    target = {"supported": 1.0, "partial": 0.0, "unsupported": 0.0}
    return [
        Example(row["claim"], evidence, name, support=target[row["label"]])
        for row, evidence in zip(chosen, seen, strict=True)
    ]


def best_evidence(
    claims: Sequence[str], evidence: Sequence[Sequence[str]], embedder: Embedder
) -> list[str]:
    """Return for each claim the sentences nearest to it, in order, as much as is read at once."""
    wholes = ["\n".join(texts) for texts in evidence]
    long = [n for n, whole in enumerate(wholes) if len(whole) > EVIDENCE_CHARACTERS]
    units = {n: [wholes[n][s.start : s.end] for s in sentences(wholes[n])] for n in long}
    distinct = list(dict.fromkeys(text for texts in units.values() for text in texts))
    vectors = dict(zip(distinct, embedder.embed(distinct), strict=True)) if distinct else {}
    about = dict(zip(long, embedder.embed([claims[n] for n in long]), strict=True)) if long else {}
    for n in long:
        scores = [float(vectors[text] @ about[n]) for text in units[n]]
        kept: list[int] = []
        room = EVIDENCE_CHARACTERS
        for place in sorted(range(len(scores)), key=lambda p: -scores[p]):
            if len(units[n][place]) <= room:
                kept.append(place)
                room -= len(units[n][place]) + 1
        wholes[n] = " ".join(units[n][place] for place in sorted(kept))
    return wholes


_NEGATION = re.compile(r"\b(is|are|was|were|can|could|has|have|had|will|would|may|must|does|did)\b")


def made_claims(questions: Sequence[Question], random_: random.Random, count: int) -> list[Example]:
    """Return claims made of the sentences of chunks: as said, shortened, or with a fact changed."""
    found: list[Example] = []
    for question in random_.sample(list(questions), len(questions)):
        if len(found) >= count:
            break
        spans = [question.chunk[s.start : s.end] for s in sentences(question.chunk)]
        usable = [text for text in spans if 40 < len(text) < 300]
        if not usable:
            continue
        said = random_.choice(usable)
        claim, support = said, 1.0
        if random_.random() < 0.5:
            other = _changed_claim(said, question.chunk, random_)
            if other is None:
                continue
            claim, support = other, 0.0
        if random_.random() < 0.5:
            claim = _shortened(claim) if support else claim
        second, prefix = second_text(question.title if random_.random() < 0.5 else "",
                                     question.chunk)  # fmt: skip
        found.append(Example(claim, second, "made", prefix, support=support))
    return found


def _changed_claim(said: str, chunk: str, random_: random.Random) -> str | None:
    names = [n for n in _NAME.findall(chunk) if n not in said]
    inside = list(_NAME.finditer(said))
    ways: list[str] = []
    if names and inside:
        match = random_.choice(inside)
        ways.append(said[: match.start()] + random_.choice(names) + said[match.end() :])
    numbers = list(_NUMBER.finditer(said))
    if numbers:
        match = random_.choice(numbers)
        other = [n for n in _NUMBER.findall(chunk) if n not in said]
        new = random_.choice(other) if other and random_.random() < 0.5 else _another_number(
            match.group(), random_
        )  # fmt: skip
        ways += [said[: match.start()] + new + said[match.end() :]] * 2
    if verb := _NEGATION.search(said):
        after = said[verb.end() :]
        negated = after.removeprefix(" not") if after.startswith(" not ") else " not" + after
        ways.append(said[: verb.end()] + negated)
    for match in re.finditer(r"\w+", said):
        if (other_word := _OPPOSITES.get(match.group().lower())) is not None:
            ways.append(said[: match.start()] + other_word + said[match.end() :])
    return random_.choice(ways) if ways else None


def _shortened(claim: str) -> str:
    """Drop what stands in brackets and after the last comma: what is left is still said."""
    without = re.sub(r"\s*\([^)]*\)", "", claim)
    head, comma, tail = without.rpartition(", ")
    if comma and len(head) > 40 and len(tail.split()) > 3 and not tail.startswith("and"):
        return head + "."
    return without


def answered_claims(
    questions: Sequence[Question], random_: random.Random, count: int
) -> list[Example]:
    """Return question-and-answer claims: the right answer, or another one of the same chunk."""
    found: list[Example] = []
    for question in random_.sample(list(questions), len(questions)):
        if len(found) >= count:
            break
        answer = question.chunk[question.start : question.end]
        support = 1.0
        if random_.random() < 0.5:
            kind = _NUMBER if _NUMBER.fullmatch(answer) else _NAME
            others = [n for n in kind.findall(question.chunk) if n.lower() not in answer.lower()
                      and answer.lower() not in n.lower()]  # fmt: skip
            if not others:
                continue
            answer, support = random_.choice(others), 0.0
        second, prefix = second_text(question.title if random_.random() < 0.5 else "",
                                     question.chunk)  # fmt: skip
        claim = f"{question.text.rstrip(' ?')}: {answer}"
        found.append(Example(claim, second, "answered", prefix, support=support))
    return found


def stated_claims(
    questions: Sequence[Question], random_: random.Random, count: int
) -> list[Example]:
    """Return statements made of questions and answers, which say a passage's facts in other words.

    Half have the right answer; a third the answer to another question about the same chunk, that
    begins with the same word if there is one; the rest stand before another chunk of the article.
    """
    by_chunk: dict[str, list[Question]] = defaultdict(list)
    by_article: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        by_chunk[question.chunk].append(question)
        by_article[question.article].append(question)
    found: list[Example] = []
    for question in random_.sample(list(questions), len(questions)):
        if len(found) >= count:
            break
        answer, chunk = _answer(question), question.chunk
        roll = random_.random()
        if roll >= 0.5:
            elsewhere = roll >= 0.84
            around = by_article[question.article] if elsewhere else by_chunk[chunk]
            others = [q for q in around if _differs(q, question, elsewhere)]
            alike = [q for q in others if q.text.split()[:1] == question.text.split()[:1]]
            if not others:
                continue
            other = random_.choice(alike or others)
            if elsewhere:
                chunk = other.chunk
            else:
                answer = _answer(other)
        claim = declared(question.text, answer)
        if claim is not None:
            second, prefix = second_text(question.title if random_.random() < 0.5 else "", chunk)
            support = 1.0 if roll < 0.5 else 0.0
            found.append(Example(claim, second, "stated", prefix, support=support))
    return found


def _answer(question: Question) -> str:
    return question.chunk[question.start : question.end]


def _differs(other: Question, question: Question, elsewhere: bool) -> bool:
    """Tell whether another question's answer is wrong here, or its chunk without the right one."""
    right = _answer(question).lower()
    if elsewhere:
        return right not in other.chunk.lower()
    return right not in _answer(other).lower() and _answer(other).lower() not in right
