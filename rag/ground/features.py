"""What is measured of a claim against its evidence, and the findings that a person can follow.

Everything is taken against the union of the evidence. A sentence or window that says nothing about
the claim changes nothing: what counts is the best, and what occurs nowhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rag.ground.evidence import Claim, Evidence, clauses, stem_set
from rag.ground.negation import Polarity, compare, other_numbers, related
from rag.ground.roles import said, strangers, swapped, taken
from rag.ground.values import Facts, check
from rag.text.dates import months
from rag.text.language import detect
from rag.text.terms import content_terms, fold, names, stems

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

FEATURES = (
    "together",
    "nearest",
    "overlap",
    "missing",
    "numbers",
    "names",
    "months",
    "opposed",
    "aside",
    "strangers",
    "swapped",
)
"""The order of ``Measured.values``.

- ``together``: share of the claim's vector that lies in the span of the four nearest sentences
- ``nearest``: cosine of the claim to the nearest sentence or window
- ``overlap``: weighted share of the claim's terms in the sentence that has most of them
- ``missing``: log(1 + weight of the claim's terms that occur nowhere)
- ``numbers``, ``months``: 1 where the claim has a number or date that the evidence does not give
- ``names``: 1 where the claim has a capitalised word that occurs nowhere, else 0
- ``opposed``: 1 where a statement denies the sentence that it is closest to, else 0
- ``aside``: 1 where one statement of several has nothing to do with the evidence, else 0
- ``strangers``: 1 where a claim in English has a name that occurs nowhere, else 0
- ``swapped``: 1 where the evidence says it of another name, or the other way round, else 0
"""

SIGNS = (1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1)
"""The sign that a weight must have to make sense, in the order of ``FEATURES``."""

_NEIGHBOURS = 4
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_ALIGNED_OVERLAP = 0.5
_ALIGNED_COSINE = 0.5
"""From here on a statement and a sentence are about the same thing, so that "not" decides."""

_ASIDE = 0.3
"""Share of terms and cosine under which a sentence has nothing to do with the evidence."""

_CLAUSE_TERMS = 4
"""Terms that a clause needs before the lack of all of them says something."""

_PRESENT = 0.8
"""Share of a statement's terms that the evidence has, so that it can be about something else."""

_PAIRS = 60_000
"""Statements times sentences from which on nobody asks who does what: no claim is that long."""

_SHORT = 200
"""Characters of claim and of evidence up to which rules say which name is meant: in longer ones
they are wrong more often than right (eval/LOG.md)."""


_PAGE = 1500
"""Characters of evidence up to which a number has to be the one given for the same thing."""

_PARALLEL = 1.4
"""Overlap plus cosine of sentences that differ in little but a number."""


@dataclass(frozen=True, slots=True)
class Measured:
    """``values`` follow ``FEATURES``; ``nearest`` are indices of units, best first."""

    values: tuple[float, ...]
    nearest: tuple[int, ...]
    reasons: tuple[str, ...]

    def __getitem__(self, name: str) -> float:
        return self.values[FEATURES.index(name)]


def weight(term: str) -> float:
    """Return 1 for short words up to 3 for long ones: long words are rarer and say more."""
    return 3.0 if term.isdigit() else min(1.0 + max(0, len(term) - 4) * 0.25, 3.0)


def measure(claim: Claim, evidence: Evidence, vector_of: Callable[[str], Vector]) -> Measured:
    """Measure a claim that has parts against evidence that has units.

    ``vector_of`` gives the unit vector of any unit, part or body.
    """
    units = np.stack([vector_of(unit) for unit in evidence.units])
    vector = vector_of(claim.body)
    cosines = units @ vector
    order = sorted(range(len(cosines)), key=lambda i: (-round(float(cosines[i]), 5), i))
    unit_stems = [stem_set(unit) for unit in evidence.units]
    everything = frozenset().union(*unit_stems)
    english = _english(claim.body)
    short = english and len(claim.body) <= _SHORT
    length = sum(map(len, evidence.texts))
    facts = check(claim.parts, evidence.units, placed=short and length <= _PAGE)
    # "14 days" is there where the evidence says "two weeks".
    terms = list(content_terms(claim.body))
    absent = [term for term in terms if term not in everything]
    if facts.proved.issuperset(absent):
        terms, absent = [term for term in terms if term in everything], []
    total = sum(map(weight, terms))
    overlaps = [sum(weight(t) for t in terms if t in s) / (total or 1.0) for s in unit_stems]
    names_lost = _lost_names(claim.body, evidence, everything)
    unknown = strangers(claim.parts, evidence.texts, evidence.units) if english else []
    swaps = _swaps(claim, evidence, everything) if short and length <= _SHORT else ()
    polarity = _polarity(claim, evidence, units, vector_of, facts)
    aside = _aside(claim, everything, units, vector_of)
    values = (
        _together(units[order[:_NEIGHBOURS]], vector),
        max(float(cosines[order[0]]), _best_window(units, evidence.windows, vector)),
        max(overlaps) if terms else 1.0,
        math.log1p(sum(map(weight, absent))),
        float(bool(facts.numbers)),
        float(bool(names_lost)),
        float(bool(facts.dates)),
        float(polarity.opposed),
        float(bool(aside)),
        float(bool(unknown)),
        float(bool(swaps)),
    )
    shown = dict.fromkeys(
        [*unknown, *(w for w in _WORD.findall(claim.body) if _name(w) in names_lost)]
    )
    reasons = (
        *facts.numbers,
        *(f"the name {_bare(word)} is not in the evidence" for word in shown),
        *facts.dates,
        *swaps,
        *polarity.reasons,
        *aside,
        *_unsaid(claim.body, absent, {_name(word) for word in shown}, facts),
    )
    return Measured(values, _ranked(order, cosines, overlaps), reasons)


def _together(nearest: Vector, vector: Vector) -> float:
    """Length of the projection of a unit vector on the span of others: 1 if they compose it.

    Least squares by QR, as in any text on linear algebra; what the span lacks, no sentence says.
    """
    basis, _ = np.linalg.qr(nearest.T.astype(np.float64))
    return min(1.0, float(np.linalg.norm(basis.T @ vector)))


def _best_window(units: Vector, windows: Iterable[tuple[int, ...]], vector: Vector) -> float:
    """Best cosine to the mean of neighbours, which stands for the vector of their joined text."""
    best = -1.0
    for size in (2, 3):
        picks = np.array([w for w in windows if len(w) == size], dtype=np.intp)
        if picks.size:
            means = units[picks].sum(axis=1)
            cosines = (means @ vector) / np.maximum(np.linalg.norm(means, axis=1), 1e-6)
            best = max(best, float(cosines.max()))
    return best


def _ranked(order: list[int], cosines: Vector, overlaps: list[float]) -> tuple[int, ...]:
    """Order units by cosine and shared terms: what a person would be shown."""
    place = {unit: position for position, unit in enumerate(order)}
    return tuple(
        sorted(order, key=lambda i: (-round(float(cosines[i]) + overlaps[i], 5), place[i]))
    )


def _lost_names(body: str, evidence: Evidence, everything: frozenset[str]) -> frozenset[str]:
    words, _, initials = said(evidence.texts)
    return frozenset(
        name
        for name in names(body)
        if name not in words
        and name not in initials
        and not words.issuperset(re.split(r"\W", name))
        and not everything.issuperset(stems(name))
    )


@lru_cache(maxsize=1024)
def _english(body: str) -> bool:
    """Short claims say nothing of their language: they pass for English."""
    return detect(body)[0] in (None, "en")


def _swaps(claim: Claim, evidence: Evidence, everything: frozenset[str]) -> tuple[str, ...]:
    """Find statements that the evidence makes of something else, or the other way round."""
    if len(claim.parts) * len(evidence.units) > _PAIRS:
        return ()
    for part in claim.parts:
        terms = content_terms(part)
        if sum(term in everything for term in terms) < _PRESENT * len(terms):
            continue
        about = [u for u in evidence.units if not stem_set(u).isdisjoint(terms)]
        close = [u for u in about if _shared(terms, u) >= _ALIGNED_OVERLAP]
        turned = [swapped(part, unit) for unit in close]
        # Another sentence may have the names as the claim has them.
        reason = next((t for t in turned if t), "") if turned and all(turned) else ""
        reason = reason or taken(part, evidence.units)
        if reason:
            return (reason,)
    return ()


def _shared(terms: tuple[str, ...], unit: str) -> float:
    return sum(term in stem_set(unit) for term in terms) / (len(terms) or 1)


@lru_cache(maxsize=8192)
def _name(word: str) -> str:
    return fold(word).removesuffix("'s").removesuffix("’s").strip("'’-")


def _bare(word: str) -> str:
    return word.removesuffix("’s").removesuffix("'s")


def _polarity(
    claim: Claim,
    evidence: Evidence,
    units: Vector,
    vector_of: Callable[[str], Vector],
    facts: Facts,
) -> Polarity:
    """Compare every statement with the sentence that it is closest to, if one is close.

    Where some close sentence agrees, another that denies is no reason to doubt: evidence is a
    union, and an old version may stand beside a new one.
    """
    for part in claim.parts:
        # Numbers are compared by themselves: they must not decide which sentence is meant.
        terms = [term for term in content_terms(part) if not term.isdigit()]
        total = sum(map(weight, terms))
        cosines = units @ vector_of(part)
        closest, best = "", 0.0
        for index, unit in enumerate(evidence.units):
            stems_here = stem_set(unit)
            # Opposites speak of the same thing.
            same = [t for t in terms if t in stems_here or related(t, stems_here)]
            overlap = sum(map(weight, same)) / (total or 1.0)
            closeness = overlap + float(cosines[index])
            if (
                closeness > best
                and overlap >= _ALIGNED_OVERLAP
                and cosines[index] >= _ALIGNED_COSINE
                and not unit.endswith("?")
            ):
                closest, best = unit, closeness
        found = compare(part, closest, evidence.units) if closest else Polarity(False)
        if not found.opposed and best >= _PARALLEL and facts.numbers:
            others = other_numbers(part, closest)
            found = Polarity(bool(others), tuple(others))
        if found.opposed:
            return found
    return Polarity(False)


def _aside(
    claim: Claim,
    everything: frozenset[str],
    units: Vector,
    vector_of: Callable[[str], Vector],
) -> list[str]:
    """Find statements beside the evidence: a sentence unlike all of it, a clause without its words.

    A claim of one statement has none: there, likeness as a whole decides.
    """
    for part in claim.parts if len(claim.parts) > 1 else ():
        terms = content_terms(part)
        shared = sum(term in everything for term in terms) / (len(terms) or 1)
        if shared < _ASIDE and float((units @ vector_of(part)).max()) < _ASIDE:
            return [f"nothing in the evidence is about “{part.strip()}”"]
    found = [clause for part in claim.parts for clause in clauses(part)]
    for clause in found if len(found) > 1 else ():
        terms = content_terms(clause)
        if len(terms) >= _CLAUSE_TERMS and everything.isdisjoint(terms):
            return [f"nothing in the evidence is about “{clause.strip()}”"]
    return []


def _unsaid(body: str, absent: list[str], skip: set[str], facts: Facts) -> list[str]:
    """Name up to four further words that the evidence lacks, as the claim writes them."""
    gone = set(absent)
    named = " ".join((*facts.numbers, *facts.dates))
    shown = [
        word
        for word in dict.fromkeys(_WORD.findall(body))
        if set(content_terms(word)) & gone
        and _name(word) not in skip
        and not word[0].isdigit()
        and f" {word} " not in f"{named} "
        and not months(f"{word} 1")
    ]
    return [f"not in the evidence: {', '.join(shown[:4])}"] if shown else []
