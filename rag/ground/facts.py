"""Whether the numbers and dates of a claim are those that the evidence gives for the same thing.

A value that occurs only for something else does not count: another value of its kind stands where
the evidence speaks of what the claim speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.ground.dated import check_dates
from rag.ground.denial import clean
from rag.ground.frequencies import FACTOR, FREQUENCY
from rag.ground.places import Place, about, asked_of, outdone, places
from rag.ground.quantities import quantities, same
from rag.ground.quantity import Quantity
from rag.text.dates import Moment, blanked, moments
from rag.text.terms import content_terms, negations

# COVID-19 and SARS-CoV-2 are names that happen to end in a digit.
_NAMED = re.compile(r"\b(?:[A-Z]\w*|covid)(?:-\w+)*-\d+\w*")
_STRICT = re.compile(
    r"(?<!\bno )(?<!\bnot )\b(?:(?:more|less|fewer|larger|longer|greater|higher|older|smaller|"
    r"shorter|"
    r"lower|younger) than|over|above|under|below|exceed\w*)\s*[€$£]?\s*$",
    re.IGNORECASE,
)

_HEDGE = re.compile(
    r"\b(?:about|around|roughly|approximately|nearly|almost|exactly|precisely|just|only|total of)"
    r"\s(?:[€$£]\s?)?$",
    re.IGNORECASE,
)
_LITTLE = frozenset("take took made make total amount place happen long last altogeth".split())
"""Stems of words that say nothing beside a value: "it took 90 minutes"."""

_CROWD = 60_000
"""Pairs of a value of the claim and one of the evidence from which on they need only occur: what is
a dump of numbers says nothing of any of them."""

_NEAR = 60  # characters

_EXACT = 1000
"""From here on people say "over a million" of a million."""


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


def check(parts: Sequence[str], units: tuple[str, ...], *, english: bool) -> Facts:
    """Compare the values in the statements of a claim with those of the evidence."""
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
            part, dates, values, proved, english=english, crowded=crowded
        ):
            (lost_numbers if is_year else lost_dates)[moment_reason] = None
        if crowded:
            lost_numbers |= dict.fromkeys(_unsaid(part, values))
            continue
        for reason in _numbers(part, said, dates, proved, english=english):
            lost_numbers[reason] = None
    if proved:
        proved |= _LITTLE
    return Facts(tuple(lost_numbers), tuple(lost_dates), frozenset(proved))


def _asked(part: str) -> tuple[Quantity, ...]:
    """Return the numbers of a statement, without those in names."""
    return quantities(blanked(_NAMED.sub(lambda match: " " * len(match[0]), part)))


def _unsaid(part: str, said: Sequence[Quantity]) -> Iterator[str]:
    """Yield the numbers that occur nowhere in the evidence, whatever they are said of there."""
    there = {round(v, 6) for one in said for v in (one.value, one.other) if v is not None}
    for quantity in _asked(part):
        if quantity.asked and round(quantity.value, 6) not in there:
            yield f"the number {_plain(quantity, part)} is not in the evidence"


def _numbers(
    part: str, said: list[_Said], dates: tuple[Place, ...], proved: set[str], *, english: bool
) -> Iterator[str]:
    asked = _asked(part)
    wholes = [q for q in asked if not q.asked or q.kind == FACTOR]
    free = [s for s in said if not any(same(q, s.value) for q in asked)]
    for quantity in asked:
        often = quantity.kind.startswith(FREQUENCY)
        if not quantity.asked and not (english and (quantity.kind == "th" or often)):
            continue
        matches = [s for s in said if same(quantity, s.value)]
        matches = matches or [s for s in said if _elided(quantity, s.value, said)]
        alike = [s for s in said if _alike(quantity, s.value)]
        if quantity.kind == FACTOR and not alike:
            continue  # nothing says how many times as much
        if often:
            about_it = asked_of(part, quantity)
            alike = [] if matches else [s for s in alike if about(s.place, about_it)]
            if alike:
                yield _given(alike[0].value.shown, quantity)
            continue
        if not quantity.asked and (matches or not alike):
            continue
        if not matches and any(
            whole is not quantity and whole.start <= quantity.start and quantity.end <= whole.end
            and any(same(whole, s.value) for s in said)
            for whole in wholes
        ):  # fmt: skip
            continue  # "three times a day" where the evidence has "every eight hours"
        if matches:
            reason = _misplaced(part, quantity, matches, alike, free) if english else ""
            if reason:
                yield reason
                continue
        elif not _explained(quantity, alike, dates):
            yield f"the number {_plain(quantity, part)} is not in the evidence"
            continue
        hedge = _HEDGE.search(before(part, quantity))
        start = quantity.start - len(hedge[0]) if hedge else quantity.start
        proved.update(content_terms(part[start : quantity.end]))


def _elided(claim: Quantity, said: Quantity, everything: list[_Said]) -> bool:
    """Tell whether "eight to ten" leaves out the unit that another number has."""
    return (
        said.asked and not said.kind and not said.things and bool(claim.kind)
        and claim.raw == said.value and claim.kind not in ("th", "#", "code")
        and any(s.value.kind == claim.kind for s in everything)
    )  # fmt: skip


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
    strict = (
        quantity.bound
        and not quantity.span
        and quantity.value < _EXACT
        and _STRICT.search(before(part, quantity))
    )
    if strict and not any(v.bound or v.about or v.span for v in values):
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
    # "Films for a week" and "one in the second" have left out what makes them alike.
    near = set(map(id, alike))
    rivals = [s.place for s in free if id(s) in near]
    rivals += [
        s.place for s in free
        if s.place.gapped and s.value.kind in ("", quantity.kind)
        and not (s.value.things or id(s) in near)
    ]  # fmt: skip
    given = outdone(part, quantity, [s.place for s in matches], rivals)
    return _given(given, quantity) if given else ""


def before(part: str, quantity: Quantity) -> str:
    """Return what stands close before a number."""
    return part[max(0, quantity.start - _NEAR) : quantity.start]


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
    """Return the number as the claim writes it, without its unit where that is a word apart."""
    words = quantity.shown.split()
    return words[0] if words and quantity.shown in part else quantity.shown


def _alike(one: Quantity, other: Quantity) -> bool:
    if one.kind.startswith(FREQUENCY):
        return other.kind.startswith(FREQUENCY)
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
        for p in dates if isinstance(p.value, Moment) for name in fields
    )  # fmt: skip
