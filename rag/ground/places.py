"""Where the values of the evidence stand, and which of them is nearest to what a claim says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.ground.evidence import stem_set
from rag.ground.quantities import quantities
from rag.ground.quantity import Quantity
from rag.ground.statements import Statement, statement_at, statements
from rag.text.dates import Moment, blanked, moments
from rag.text.terms import content_terms

_LONGEST = 25
"""Words of a statement; a longer one says too much to tell which part a value belongs to."""

_GAIN = 1.0
"""Weight of terms by which another value's surroundings must be nearer to the claim."""

_SIDE = 6
"""Characters between values that are said of the same thing."""

_AROUND = 0.5
"""What a term counts that is in the sentence of a value, but in another statement."""

_HEAD = re.compile(
    r"\b(?P<verb>[a-z]+(?:ed|en|id|old|ent|aid|ought|uilt|ade|egan|ook|ell|ose)|"
    r"(?:begin|close|commence|end|expire|launch|leave|open|start)(?:e?s)?)\s"
    r"(?:(?P<by>on|in|at|by|from|since|until|before|after)\s)?(?:the\s)?$"
)
_WHERE = re.compile(r"\b(in|at|for|from|to|on|with|by)\s(?:the\s)?([A-ZÀ-ÖØ-Þ][\w-]+)")


@dataclass(frozen=True, slots=True)
class Place:
    """A value of the evidence with the stems around it: in its statement, in its sentence.

    ``head`` is the verb that a date belongs to, with its preposition. ``where`` are the names after
    prepositions.
    """

    unit: int
    value: Quantity | Moment
    near: frozenset[str]
    around: frozenset[str]
    topic: frozenset[str]
    verb: str
    gapped: bool = False
    head: tuple[str, str] = ("", "")
    where: frozenset[tuple[str, str]] = frozenset()
    text: str = ""


@lru_cache(maxsize=64)
def places(units: tuple[str, ...]) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """Return the numbers and the dates of the evidence, those that follow from others too."""
    numbers: list[Place] = []
    dates: list[Place] = []
    for index, unit in enumerate(units):
        parts = statements(unit, units[index - 1] if index else "")
        around = stem_set(unit).union(*(part.subject for part in parts))
        for quantity in quantities(blanked(unit)):
            numbers.append(_place(index, unit, quantity, parts, around))
        for moment in moments(unit):
            dates.append(_place(index, unit, moment, parts, around))
    return tuple(numbers), tuple(dates)


def _place(
    index: int, unit: str, value: Quantity | Moment, parts: tuple[Statement, ...],
    around: frozenset[str],
) -> Place:  # fmt: skip
    found = statement_at(parts, value.start, value.end)
    head = head_of(unit, value)
    if not found:
        return Place(index, value, around, around, frozenset(), "", head=head)
    near = found.stems | found.subject
    where = where_of(found.text)
    return Place(
        index,
        value,
        near,
        around,
        found.topic,
        found.verb,
        found.gapped,
        head,
        where,
        found.text,
    )


@lru_cache(maxsize=1024)
def where_of(text: str) -> frozenset[tuple[str, str]]:
    """Return the names that follow a preposition, each with it: "in York"."""
    return frozenset((m[1], stem) for m in _WHERE.finditer(text) for stem in stem_set(m[2]))


def head_of(text: str, value: Quantity | Moment) -> tuple[str, str]:
    """Return the participle right before a date, and the preposition between them."""
    if not isinstance(value, Moment):
        return ("", "")
    match = _HEAD.search(text[max(0, value.start - 40) : value.start])
    if not match:
        return ("", "")
    return next(iter(stem_set(match["verb"])), ""), (match["by"] or "").casefold()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a claim says of a value: its terms, and those of the subject."""

    terms: tuple[str, ...]
    topic: frozenset[str]
    where: frozenset[tuple[str, str]] = frozenset()


def asked_of(part: str, value: Quantity | Moment) -> Asked:
    """Return the terms of the statement of a claim that a value stands in, without the value."""
    found = statements(part)
    own = statement_at(found, value.start, value.end)
    inside = set(content_terms(part[value.start : value.end]))
    if own is None:
        return Asked(tuple(t for t in content_terms(part) if t not in inside), frozenset())
    terms = tuple(
        t for t in dict.fromkeys((*content_terms(own.text), *own.subject)) if t not in inside
    )
    if len(terms) < 2:
        terms = tuple(t for t in content_terms(part) if t not in inside)
    return Asked(terms, own.topic - inside, where_of(own.text))


def about(place: Place, asked: Asked) -> bool:
    """Tell whether the sentence of a value speaks of what the claim speaks of."""
    return sum(term in place.around for term in asked.terms) >= 0.6 * len(asked.terms)


def outdone(
    part: str, value: Quantity | Moment, matches: Iterable[Place], rivals: Sequence[Place]
) -> str:
    """Return another value that stands nearer to what the claim says than any that agrees."""
    if not rivals or part.count(" ") > _LONGEST:
        return ""
    asked = asked_of(part, value)
    head = head_of(part, value)
    given = ""
    for match in matches:
        apart = [r for r in rivals if not _joined(r, match)]
        stronger = [r for r in apart if _governs(head, r, match) or _nearer(r, match, asked)]
        if not stronger:
            return ""
        given = given or stronger[0].value.shown
    return given


def _joined(one: Place, other: Place) -> bool:
    """Tell whether two values stand side by side: "in the 1980s and 1990s"."""
    first, second = sorted((one.value, other.value), key=lambda value: value.start)
    return one.unit == other.unit and one.near == other.near and second.start - first.end <= _SIDE


def _governs(head: tuple[str, str], rival: Place, match: Place) -> bool:
    """Tell whether the claim's verb has the other date: "dated 7 March, paid on 4 April"."""
    return bool(head[0]) and rival.head == head and match.head[0] not in ("", head[0])


def _nearer(rival: Place, match: Place, asked: Asked) -> bool:
    subject = _subjects(rival, match, asked.topic)
    if subject:
        return subject > 0
    if _elsewhere(rival, match, asked.where):
        return True
    same = rival.unit == match.unit
    around = _AROUND / 2 if same else _AROUND
    gain = loss = 0.0
    for term in asked.terms:
        difference = _at(rival, term, around) - _at(match, term, around)
        gain, loss = gain + max(difference, 0.0), loss + max(-difference, 0.0)
    enough = (0.7 if same else 1.0) * _GAIN
    return gain >= (1.5 if loss else enough) and gain >= 2 * loss


def _elsewhere(rival: Place, match: Place, asked: frozenset[tuple[str, str]]) -> bool:
    """Tell whether "in York" is said of the rival, and "in Leeds" of the match."""
    other = {preposition for preposition, _ in match.where - asked}
    return not asked & match.where and any(pair[0] in other for pair in asked & rival.where)


def _subjects(rival: Place, match: Place, topic: frozenset[str]) -> int:
    """Compare by the subject of two statements of the same kind: 1 for the rival, -1 for the match.

    "Students get 50 % off the annual plan. Teachers get 30 %." says nothing else of teachers.
    """
    if not topic or not rival.topic or not match.topic or rival.topic == match.topic:
        return 0
    # "Cabin bags" and "checked bags" are told apart whatever is said of them.
    kinds = rival.topic & match.topic & topic
    if not kinds and (not rival.verb or rival.verb != match.verb):
        return 0
    mine, theirs = topic & match.topic, topic & rival.topic
    # What only one of them has beside the claim's words: it is another subject.
    strange = match.topic - topic - rival.topic
    strange_rival = rival.topic - topic - match.topic
    if mine - theirs:
        return -1 if strange_rival and not (theirs - mine and strange) else 0
    return 1 if theirs - mine and strange else 0


def _at(place: Place, term: str, around: float) -> float:
    return 1.0 if term in place.near else around if term in place.around else 0.0
