"""Whether the numbers and dates of a claim are those that the evidence gives for the same thing.

A value that occurs only for something else does not count: another value of its kind stands where
the evidence speaks of what the claim speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.ground.clauses import Statement, statement_at, statements
from rag.ground.evidence import stem_set
from rag.ground.negation import clean
from rag.text.dates import (
    SOFT,
    Moment,
    blanked,
    conflicting,
    missing,
    moments,
    month_name,
    opposed,
    passed,
    says,
)
from rag.text.numbers import FACTOR, Quantity, quantities, same
from rag.text.terms import content_terms, negations

_LONGEST = 25
"""Words of a statement; a longer one says too much to tell which part a value belongs to."""

_GAIN = 1.0
"""Weight of terms by which another value's surroundings must be nearer to the claim."""

_AROUND = 0.5
"""What a term counts that is in the sentence of a value, but in another statement."""

_HEAD = re.compile(
    r"\b(?P<verb>[a-z]+(?:ed|en|id|old|ent|aid|ought|uilt|ade|egan|ook|ell|ose)|"
    r"(?:begin|close|commence|end|expire|launch|leave|open|start)(?:e?s)?)\s"
    r"(?:(?P<by>on|in|at|by|from|since|until|before|after)\s)?(?:the\s)?$"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A value of the evidence with the stems around it: in its statement, in its sentence.

    ``head`` is the verb that a date belongs to, with its preposition.
    """

    value: Quantity | Moment
    near: frozenset[str]
    around: frozenset[str]
    unit: int
    head: tuple[str, str]
    text: str = ""


@lru_cache(maxsize=64)
def places(units: tuple[str, ...]) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """The numbers and the dates of the evidence."""
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
    index: int,
    unit: str,
    value: Quantity | Moment,
    parts: tuple[Statement, ...],
    around: frozenset[str],
) -> Place:
    found = statement_at(parts, value.start, value.end)
    head = head_of(unit, value)
    if not found:
        return Place(value, around, around, index, head)
    return Place(value, found.stems | found.subject, around, index, head, found.text)


def head_of(text: str, value: Quantity | Moment) -> tuple[str, str]:
    """The participle right before a date, and the preposition between them."""
    if not isinstance(value, Moment):
        return ("", "")
    match = _HEAD.search(text[max(0, value.start - 40) : value.start])
    if not match:
        return ("", "")
    return next(iter(stem_set(match["verb"])), ""), (match["by"] or "").casefold()


def asked_of(part: str, value: Quantity | Moment) -> tuple[str, ...]:
    """The terms of the statement of a claim that a value stands in, without the value."""
    own = statement_at(statements(part), value.start, value.end)
    inside = set(content_terms(part[value.start : value.end]))
    every = tuple(term for term in content_terms(part) if term not in inside)
    if own is None:
        return every
    terms = dict.fromkeys((*content_terms(own.text), *own.subject))
    kept = tuple(term for term in terms if term not in inside)
    return kept if len(kept) > 1 else every


def about(place: Place, asked: tuple[str, ...]) -> bool:
    """Tell whether the sentence of a value speaks of what the claim speaks of."""
    return sum(term in place.around for term in asked) >= 0.6 * len(asked)


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
        stronger = [r for r in rivals if _governs(head, r, match) or _nearer(r, match, asked)]
        if not stronger:
            return ""
        given = given or stronger[0].value.shown
    return given


def _governs(head: tuple[str, str], rival: Place, match: Place) -> bool:
    """Tell whether the claim's verb has the other date: "dated 7 March, paid on 4 April"."""
    return bool(head[0]) and rival.head == head and match.head[0] not in ("", head[0])


def _nearer(rival: Place, match: Place, asked: tuple[str, ...]) -> bool:
    same = rival.unit == match.unit
    around = _AROUND / 2 if same else _AROUND
    gain = loss = 0.0
    for term in asked:
        difference = _at(rival, term, around) - _at(match, term, around)
        gain, loss = gain + max(difference, 0.0), loss + max(-difference, 0.0)
    enough = (0.7 if same else 1.0) * _GAIN
    return gain >= (1.5 if loss else enough) and gain >= 2 * loss


def _at(place: Place, term: str, around: float) -> float:
    return 1.0 if term in place.near else around if term in place.around else 0.0


def check_dates(
    part: str,
    places_: tuple[Place, ...],
    numbers: list[Quantity],
    proved: set[str],
    *,
    placed: bool,
    crowded: bool = False,
) -> Iterator[tuple[str, bool]]:
    """Yield what is wrong with the dates of a statement, and whether it is a year.

    The terms of those that are right are added to ``proved``. Where it is ``crowded`` they need
    only occur.
    """
    asked = [moment for moment in moments(part) if not moment.span]
    said = [place.value for place in places_ if isinstance(place.value, Moment)]
    if crowded:
        there = {field for value in said for field in value.fields}
        lost = (moment for moment in asked if not there.issuperset(moment.fields))
        yield from ((f"the date {moment.shown} is not in the evidence", False) for moment in lost)
        return
    free = [
        p
        for p in places_
        if isinstance(p.value, Moment) and not any(says(other, p.value) for other in asked)
    ]
    for moment in asked:
        if any(
            other is not moment
            and (other.start, other.end) == (moment.start, moment.end)
            and any(says(other, value) for value in said)
            for other in asked
        ):
            continue
        matches = [p for p in places_ if isinstance(p.value, Moment) and says(moment, p.value)]
        rivals = [p for p in free if isinstance(p.value, Moment) and conflicting(moment, p.value)]
        gone = missing(moment, said)
        year = moment.get("year")
        if (
            "year" in gone
            and year
            and any(
                not number.kind and year[0] in (number.value, number.other) for number in numbers
            )
        ):
            gone.remove("year")
        if gone or not matches:
            if any(passed(moment, value) for value in said):
                continue
            soft = {name for name, _, _ in moment.fields} <= SOFT
            if soft:
                about_it = asked_of(part, moment)
                rivals = [p for p in rivals if about(p, about_it)]
                if rivals and placed:
                    yield f"the evidence gives {rivals[0].value.shown}, not {moment.shown}", False
            elif "month" in gone:
                yield (
                    f"the month {month_name(moment) or moment.shown} is not in the evidence",
                    False,
                )
            elif "year" in gone and year:
                named = year[0] if year[0] == year[1] else moment.shown
                yield f"the number {named} is not in the evidence", True
            elif gone or (len(moment.fields) > 1 and said):
                kind = "time" if "minute" in gone else "day" if "weekday" in gone else "date"
                yield f"the {kind} {moment.shown} is not in the evidence", False
        elif placed:
            reason = _misdated(part, moment, matches, rivals)
            if reason:
                yield reason, False
            else:
                proved.update(content_terms(part[moment.start : moment.end]))


def _misdated(part: str, moment: Moment, matches: list[Place], rivals: list[Place]) -> str:
    """Return why a date is in the evidence, but not for this; or ""."""
    values = [p.value for p in matches if isinstance(p.value, Moment)]
    if all(opposed(moment, value) for value in values):
        return f"the evidence says '{values[0].relation}' {moment.shown}, the claim does not"
    given = outdone(part, moment, matches, rivals)
    return f"the evidence gives {given} for this, not {moment.shown}" if given else ""


_STRICT = re.compile(
    r"(?<!\bno )(?<!\bnot )\b(?:(?:more|less|fewer|larger|longer|greater|higher|older|smaller|"
    r"shorter|"
    r"lower|younger) than|over|above|under|below|exceed\w*)\s*[€$£]?\s*$",
    re.IGNORECASE,
)


_EXACT = 1000
"""From here on people say "over a million" of a million."""

# COVID-19 and SARS-CoV-2 are names that happen to end in a digit.
_NAMED = re.compile(r"\b(?:[A-Z]\w*|covid)(?:-\w+)*-\d+\w*")

_LITTLE = frozenset("take took made make total amount place happen long last altogeth".split())
"""Stems of words that say nothing beside a value: "it took 90 minutes"."""

_CROWD = 60_000
"""Pairs of a value of the claim and one of the evidence from which on they need only occur: what is
a dump of numbers says nothing of any of them."""

_NEAR = 60  # characters


@dataclass(frozen=True, slots=True)
class Facts:
    """Findings: ``numbers`` and ``dates`` are reasons for people.

    ``proved`` are the terms of values that the evidence has, perhaps in other words.
    """

    numbers: tuple[str, ...]
    dates: tuple[str, ...]
    proved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Said:
    """A number of the evidence with its place."""

    place: Place
    value: Quantity


def check(parts: Sequence[str], units: tuple[str, ...], *, placed: bool) -> Facts:
    """Compare the values in the statements of a claim with those of the evidence.

    With ``placed`` a value has to be the one that English evidence gives for the same thing; else
    it need only occur.
    """
    numbers, dates = places(units)
    said = [_Said(p, p.value) for p in numbers if isinstance(p.value, Quantity)]
    values = [s.value for s in said]
    asked = sum(len(_asked(part)) + len(moments(part)) for part in parts)
    crowded = asked * (len(said) + len(dates)) > _CROWD
    lost_numbers: dict[str, None] = {}
    lost_dates: dict[str, None] = {}
    proved: set[str] = set()
    for part in parts:
        for moment_reason, is_year in check_dates(
            part, dates, values, proved, placed=placed, crowded=crowded
        ):
            (lost_numbers if is_year else lost_dates)[moment_reason] = None
        if crowded:
            lost_numbers |= dict.fromkeys(_unsaid(part, values))
            continue
        for reason in _numbers(part, said, dates, proved, placed=placed):
            lost_numbers[reason] = None
    if proved:
        proved |= _LITTLE
    return Facts(tuple(lost_numbers), tuple(lost_dates), frozenset(proved))


def _asked(part: str) -> tuple[Quantity, ...]:
    """The numbers of a statement, without those in names."""
    return quantities(blanked(_NAMED.sub(lambda match: " " * len(match[0]), part)))


def _unsaid(part: str, said: Sequence[Quantity]) -> Iterator[str]:
    """Yield the numbers that occur nowhere in the evidence, whatever they are said of there."""
    there = {round(v, 6) for one in said for v in (one.value, one.other) if v is not None}
    for quantity in _asked(part):
        if quantity.asked and round(quantity.value, 6) not in there:
            yield f"the number {_plain(quantity, part)} is not in the evidence"


def _numbers(
    part: str, said: list[_Said], dates: tuple[Place, ...], proved: set[str], *, placed: bool
) -> Iterator[str]:
    asked = _asked(part)
    wholes = [q for q in asked if not q.asked or q.kind == FACTOR]
    free = [s for s in said if not any(same(q, s.value) for q in asked)]
    for quantity in asked:
        if not quantity.asked and not (placed and quantity.kind == "th"):
            continue
        matches = [s for s in said if same(quantity, s.value)]
        alike = [s for s in said if _alike(quantity, s.value)]
        if quantity.kind == FACTOR and not alike:
            continue  # nothing says how many times as much
        if not quantity.asked and (matches or not alike):
            continue
        if not matches and any(
            whole is not quantity
            and whole.start <= quantity.start
            and quantity.end <= whole.end
            and any(same(whole, s.value) for s in said)
            for whole in wholes
        ):
            continue  # "three times as many" where the evidence has "tripled"
        if matches:
            reason = _misplaced(part, quantity, matches, alike, free) if placed else ""
            if reason:
                yield reason
                continue
        elif not _explained(quantity, alike, dates):
            yield f"the number {_plain(quantity, part)} is not in the evidence"
            continue
        proved.update(content_terms(part[quantity.start : quantity.end]))


def _given(value: str, quantity: Quantity) -> str:
    return f"the evidence gives {value} for this, not {quantity.shown.strip(' -')}"


def _explained(quantity: Quantity, alike: Sequence[_Said], dates: tuple[Place, ...]) -> bool:
    """Tell whether a number that is not in the evidence follows from what is."""
    return _dated(quantity, dates) or (
        bool(quantity.bound)
        and not quantity.span
        and any(not s.value.bound and covers(quantity, s.value) for s in alike)
    )


def _misplaced(
    part: str, quantity: Quantity, matches: list[_Said], alike: list[_Said], free: list[_Said]
) -> str:
    """Return why a number is in the evidence, but not for this; or "".

    ``free`` are the numbers of the evidence that the claim has not.
    """
    shown = quantity.shown.strip(" -")
    values = [s.value for s in matches]
    other_side = quantity.bound and all(v.bound and v.bound != quantity.bound for v in values)
    # "More than 25 MB cannot be sent" says "up to 25 MB can".
    if other_side and not (_denies(part) and not any(_denies(s.place.text) for s in matches)):
        return f"the evidence has {shown} as a limit on the other side"
    left = part[max(0, quantity.start - _NEAR) : quantity.start]
    strict = quantity.bound and not quantity.span and quantity.value < _EXACT
    if strict and _STRICT.search(left) and not any(v.bound or v.about or v.span for v in values):
        return f"the evidence has {shown} itself, the claim says {quantity.bound} {shown}"
    if (
        alike
        and not quantity.kind
        and all(v.things and not v.things & quantity.things for v in values)
    ):
        return _given(alike[0].value.shown, quantity)
    if quantity.things and not quantity.kind:
        # "4 LAN ports and 2 USB ports" does not say "4 USB ports".
        best = max(len(v.things & quantity.things) for v in values)
        closer = [s.value for s in alike if quantity.things <= s.value.things]
        if (
            closer
            and best < len(quantity.things)
            and all(v.things - quantity.things for v in values)
        ):
            return _given(closer[0].shown, quantity)
    near = set(map(id, alike))
    rivals = [s.place for s in free if id(s) in near]
    given = outdone(part, quantity, [s.place for s in matches], rivals)
    return _given(given, quantity) if given else ""


def covers(rule: Quantity, case: Quantity) -> bool:
    """Tell whether a range or a limit has a value in it."""
    if rule.span:
        return rule.span[0] <= case.value <= rule.span[1]
    return (rule.bound == ">" and case.value > rule.value) or (
        rule.bound == "<" and case.value <= rule.value
    )


def _denies(text: str) -> bool:
    """Tell whether a statement has a negation; that of "no more than" is none."""
    return negations(clean(text)) > 0


def _plain(quantity: Quantity, part: str) -> str:
    """The number as the claim writes it, without its unit where that is a word apart."""
    words = quantity.shown.split()
    return words[0] if words and quantity.shown in part else quantity.shown


def _alike(one: Quantity, other: Quantity) -> bool:
    bounds = {one.bound, other.bound}
    if one.kind != other.kind or bounds == {"<", ">"}:
        return False
    if one.kind in ("", "#", "th"):
        return bool(one.things & other.things) and other.asked
    return other.asked


def _dated(quantity: Quantity, dates: tuple[Place, ...]) -> bool:
    """A number may be a part of a date in the evidence: "the 15th", "2019"."""
    if quantity.kind not in ("", "th"):
        return False
    fields = ("day",) if quantity.kind == "th" else ("day", "year")
    number = int(quantity.value) if abs(quantity.value) < 1e9 else -1
    return not quantity.things and any(
        p.value.get(name) == (number, number)
        for p in dates
        if isinstance(p.value, Moment)
        for name in fields
    )
