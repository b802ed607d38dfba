"""Whether the numbers and dates of a claim are those that the evidence gives for the same thing.

A value that occurs only for something else does not count: another value of its kind stands where
the evidence speaks of what the claim speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from rag.ground.dates import Moment, blanked, missing, moments, month_name, opposed, passed, says
from rag.ground.evidence import stem_set
from rag.ground.quantities import Quantity, quantities, same
from rag.text.terms import content_terms

# COVID-19 and SARS-CoV-2 are names that happen to end in a digit.
_NAMED = re.compile(r"\b(?:[A-Z]\w*|covid)(?:-\w+)*-\d+\w*")
_TOTAL = re.compile(
    r"\b(?:total\w*|together|altogether|in all|in sum|combined|overall|sum of|both)\b",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(?:r[oi]se\w*|rais\w+|fell|fall\w*|grew|grow\w*|increas\w+|decreas\w+|reduc\w+|drop\w*|"
    r"cut|lower\w*|climb\w*|shr[aiu]nk\w*|chang\w+|went|up|down)\b",
    re.IGNORECASE,
)
_GENERAL = re.compile(r"^\W*(?:an?|any|anyone|anybody|someone|somebody|if|whoever|every)\b", re.I)
_ATTRIBUTE = re.compile(r"\b(?:with|aged|after|for|of|weighing|costing|worth)\s+$", re.IGNORECASE)
_CLAUSE = re.compile(r"[;:()–—]|,(?=\s)|\b(?:and|but|while|whereas|although)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"^\W*(?:it|he|she|they|its|his|her|their|this|these|both)\b", re.IGNORECASE)
_LONGEST = 25
"""Words of a statement; a longer one says too much to tell which part a value belongs to."""

_GAIN = 1.0
"""Weight of terms by which another value's surroundings must be nearer to the claim."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Findings: ``numbers`` and ``dates`` are reasons for people."""

    numbers: tuple[str, ...]
    dates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A value of the evidence with the stems around it: in its clause, in its sentence."""

    unit: int
    value: Quantity | Moment
    near: frozenset[str]
    around: frozenset[str]


@lru_cache(maxsize=64)
def _places(units: tuple[str, ...]) -> tuple[tuple[_Place, ...], tuple[_Place, ...]]:
    numbers: list[_Place] = []
    dates: list[_Place] = []
    for index, unit in enumerate(units):
        # "It" is what the sentence before begins with.
        meant = index and _PRONOUN.match(unit)
        it = frozenset(content_terms(units[index - 1])[:3] if meant else ())
        around = stem_set(unit) | it
        for quantity in quantities(blanked(unit)):
            numbers.append(_Place(index, quantity, _near(unit, quantity) | it, around))
        for moment in moments(unit):
            dates.append(_Place(index, moment, _near(unit, moment) | it, around))
    return tuple(numbers), tuple(dates)


def _gap(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _near(text: str, value: Quantity | Moment) -> frozenset[str]:
    # "In June, …" belongs to what follows.
    cuts = [m.span() for m in _CLAUSE.finditer(text) if text.count(" ", 0, m.start()) > 2]
    left = max((end for _, end in cuts if end <= value.start), default=0)
    right = min((start for start, _ in cuts if start >= value.end), default=len(text))
    return stem_set(text[left:right])


def check(parts: Sequence[str], units: tuple[str, ...], *, english: bool) -> Facts:
    """Compare the values in the statements of a claim with those of the evidence."""
    numbers, dates = _places(units)
    lost_numbers: dict[str, None] = {}
    lost_dates: dict[str, None] = {}
    for part in parts:
        for moment_reason, is_year in _dates(part, dates, numbers, english=english):
            (lost_numbers if is_year else lost_dates)[moment_reason] = None
        for reason in _numbers(part, numbers, dates, english=english):
            lost_numbers[reason] = None
    return Facts(tuple(lost_numbers), tuple(lost_dates))


def _numbers(
    part: str, places: tuple[_Place, ...], dates: tuple[_Place, ...], *, english: bool
) -> Iterator[str]:
    bare = blanked(_NAMED.sub(_gap, part))
    asked = quantities(bare)
    said = [place for place in places if isinstance(place.value, Quantity)]
    for quantity in asked:
        if not quantity.asked and not (english and quantity.kind == "th"):
            continue
        shown = quantity.shown.strip(" -")
        matches = [p for p in said if isinstance(p.value, Quantity) and same(quantity, p.value)]
        alike = [p for p in said if isinstance(p.value, Quantity) and _alike(quantity, p.value)]
        if not quantity.asked and (matches or not alike):
            continue
        if not matches:
            if not (
                _derived(part, quantity, said)
                or _inside(part, quantity, asked, said)
                or _dated(quantity, dates)
                or (
                    quantity.bound
                    and not quantity.span
                    and any(
                        isinstance(p.value, Quantity)
                        and not p.value.bound
                        and _covers(quantity, p.value)
                        for p in alike
                    )
                )
            ):
                yield f"the number {_plain(quantity, part)} is not in the evidence"
            continue
        if not english:
            continue
        values = [p.value for p in matches if isinstance(p.value, Quantity)]
        if quantity.bound and all(v.bound and v.bound != quantity.bound for v in values):
            yield f"the evidence has {shown} as a limit on the other side"
        elif _CHANGE.search(part) and (
            quantity.role == "by" and all(v.role in ("from", "to") for v in values)
        ):
            yield f"the evidence does not say that {shown} is the difference"
        else:
            others = [q for q in asked if q is not quantity]
            counted = [p.value for p in alike if isinstance(p.value, Quantity)]
            if (
                counted
                and not quantity.kind
                and all(v.things and not v.things & quantity.things for v in values)
            ):
                yield f"the evidence gives {counted[0].shown} for this, not {shown}"
                continue
            rivals = [
                p for p in alike
                if isinstance(p.value, Quantity) and not any(same(q, p.value) for q in asked)
            ]  # fmt: skip
            given = _outdone(part, quantity, matches, rivals, others)
            if given:
                yield f"the evidence gives {given} for this, not {shown}"


def _plain(quantity: Quantity, part: str) -> str:
    """Return the number as the claim writes it, without its unit where that is a word apart."""
    words = quantity.shown.split()
    return words[0] if words and quantity.shown in part else quantity.shown


def _alike(one: Quantity, other: Quantity) -> bool:
    bounds = {one.bound, other.bound}
    if one.kind != other.kind or bounds == {"<", ">"}:
        return False
    if one.kind in ("", "#", "th"):
        return bool(one.things & other.things) and other.asked
    return other.asked


def _derived(part: str, quantity: Quantity, said: list[_Place]) -> bool:
    """Tell whether a total or a difference of stated numbers gives the number."""
    values = [p.value for p in said if isinstance(p.value, Quantity) and p.value.asked
              and p.value.kind == quantity.kind]  # fmt: skip
    if _TOTAL.search(part):
        terms = [value.value for value in values][:12]
        if any(
            abs(sum(picked) - quantity.value) < 1e-6
            for size in (2, 3, 4)
            for picked in combinations(terms, size)
        ):
            return True
    return quantity.role == "by" and any(
        abs(abs(one.value - two.value) - quantity.value) < 1e-6
        for one in values for two in values if one.role == "from" and two.role == "to"
    )  # fmt: skip


def _inside(part: str, quantity: Quantity, asked: tuple[Quantity, ...], said: list[_Place]) -> bool:
    """Tell whether a case ("12 years of service") falls under a rule ("more than 10 years")."""
    if not (_GENERAL.match(part) or _ATTRIBUTE.search(part[: quantity.start])):
        return False
    for place in said:
        value = place.value
        if isinstance(value, Quantity) and value.kind == quantity.kind and _covers(value, quantity):
            rest = [q for q in asked if q is not quantity and q.asked]
            there = [p.value for p in said if p.unit == place.unit]
            if not quantity.kind and not quantity.things & value.things:
                continue
            if all(any(isinstance(v, Quantity) and same(q, v) for v in there) for q in rest):
                return True
    return False


def _covers(rule: Quantity, case: Quantity) -> bool:
    if rule.span:
        return rule.span[0] <= case.value <= rule.span[1]
    return (rule.bound == ">" and case.value > rule.value) or (
        rule.bound == "<" and case.value <= rule.value
    )


def _dated(quantity: Quantity, dates: tuple[_Place, ...]) -> bool:
    """A number may be a part of a date in the evidence: "the 15th", "2019"."""
    if quantity.kind not in ("", "th"):
        return False
    fields = ("day",) if quantity.kind == "th" else ("day", "year")
    number = int(quantity.value) if abs(quantity.value) < 1e9 else -1
    return not quantity.things and any(
        p.value.get(name) == (number, number)
        for p in dates if isinstance(p.value, Moment) for name in fields
    )  # fmt: skip


def _dates(
    part: str, places: tuple[_Place, ...], numbers: tuple[_Place, ...], *, english: bool
) -> Iterator[tuple[str, bool]]:
    asked = [moment for moment in moments(part) if not moment.span]
    said = [place.value for place in places if isinstance(place.value, Moment)]
    for moment in asked:
        if any(
            other is not moment and (other.start, other.end) == (moment.start, moment.end)
            and any(says(other, value) for value in said) for other in asked
        ):  # fmt: skip
            continue
        matches = [p for p in places if isinstance(p.value, Moment) and says(moment, p.value)]
        gone = missing(moment, said)
        year = moment.get("year")
        if "year" in gone and year and any(
            isinstance(p.value, Quantity) and not p.value.kind
            and year[0] in (p.value.value, p.value.other)
            for p in numbers
        ):  # fmt: skip
            gone.remove("year")
        if gone or not matches:
            if any(passed(moment, value) for value in said):
                continue
            if "month" in gone:
                yield f"the month {month_name(moment)} is not in the evidence", False
            elif "year" in gone and year:
                named = year[0] if year[0] == year[1] else moment.shown
                yield f"the number {named} is not in the evidence", True
            elif gone or (len(moment.fields) > 1 and said):
                kind = "time" if "minute" in gone else "day" if "weekday" in gone else "date"
                yield f"the {kind} {moment.shown} is not in the evidence", False
            continue
        if not english:
            continue
        values = [p.value for p in matches if isinstance(p.value, Moment)]
        if all(opposed(moment, value) for value in values):
            yield (
                f"the evidence says '{values[0].relation}' {moment.shown}, the claim does not",
                False,
            )
            continue
        rivals = [
            p for p in places if isinstance(p.value, Moment)
            and {f[0] for f in moment.fields} <= {f[0] for f in p.value.fields}
            and not any(says(other, p.value) for other in asked)
        ]  # fmt: skip
        given = _outdone(part, moment, matches, rivals, ())
        if given:
            yield f"the evidence gives {given} for this, not {moment.shown}", False


def _outdone(
    part: str,
    value: Quantity | Moment,
    matches: Iterable[_Place],
    rivals: Sequence[_Place],
    others: Iterable[Quantity],
) -> str:
    """Return another value that stands nearer to what the claim says than any that agrees."""
    if not rivals or part.count(" ") > _LONGEST:
        return ""
    own = content_terms(part[value.start : value.end])
    terms = [term for term in content_terms(part) if term not in own]
    others = [other for other in others if other.kind != "#"]
    given = ""
    for match in matches:
        stronger = [r for r in rivals if _nearer(r, match, terms, others)]
        if not stronger:
            return ""
        given = given or stronger[0].value.shown
    return given


def _nearer(rival: _Place, match: _Place, terms: Sequence[str], others: Iterable[Quantity]) -> bool:
    gain = loss = 0.0
    for term in terms:
        difference = _at(rival, term) - _at(match, term)
        gain, loss = gain + max(difference, 0.0), loss + max(-difference, 0.0)
    return gain >= (1.5 if loss else 1.0) * _GAIN and gain >= 2 * loss


def _at(place: _Place, term: str) -> float:
    return 1.0 if term in place.near else 0.5 if term in place.around else 0.0
