"""Whether the dates and times of a claim are those that the evidence gives for the same thing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.ground.places import Place, about, asked_of, outdone
from rag.ground.quantity import Quantity
from rag.text.dates import (
    Moment,
    conflicting,
    missing,
    moments,
    month_name,
    opposed,
    passed,
    says,
)
from rag.text.periods import SOFT
from rag.text.terms import content_terms

_LIMIT = re.compile(
    r"\b(?:(?P<end>end(?:s|ed|ing)?|finish(?:es|ed)?|"
    r"(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bwere )clos(?:es|ed)|expires?d?|until|over)|"
    r"(?P<start>start(?:s|ed)?|beg[iau]ns?|(?<!\bis )(?<!\bare )(?<!\bwas )open(?:s|ed)?))\s"
    r"(?:on\s|in\s|at\s)?(?:the\s)?$",
    re.IGNORECASE,
)


def check_dates(
    part: str, places_: tuple[Place, ...], numbers: list[Quantity],
    proved: set[str], *, english: bool, crowded: bool = False,
) -> Iterator[tuple[str, bool]]:  # fmt: skip
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
        p for p in places_ if isinstance(p.value, Moment)
        and not any(says(other, p.value) for other in asked)
    ]  # fmt: skip
    for moment in asked:
        if any(
            other is not moment and (other.start, other.end) == (moment.start, moment.end)
            and any(says(other, value) for value in said) for other in asked
        ):  # fmt: skip
            continue
        matches = [p for p in places_ if isinstance(p.value, Moment) and says(moment, p.value)]
        rivals = [p for p in free if isinstance(p.value, Moment) and conflicting(moment, p.value)]
        gone = missing(moment, said)
        year = moment.get("year")
        if "year" in gone and year and any(
            not number.kind and year[0] in (number.value, number.other) for number in numbers
        ):  # fmt: skip
            gone.remove("year")
        if gone or not matches:
            if any(passed(moment, value) for value in said):
                continue
            soft = {name for name, _, _ in moment.fields} <= SOFT
            if soft:
                about_it = asked_of(part, moment)
                rivals = [p for p in rivals if about(p, about_it)]
                if rivals and english:
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
        elif english:
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
    given = outdone(part, moment, matches, rivals) or _not_its_end(part, moment, matches, rivals)
    return f"the evidence gives {given} for this, not {moment.shown}" if given else ""


def _not_its_end(part: str, moment: Moment, matches: list[Place], rivals: list[Place]) -> str:
    """Return the range that has a day inside, where the claim calls that day its start or end."""
    verb = _LIMIT.search(part[max(0, moment.start - 60) : moment.start])
    spans = [p for p in (*matches, *rivals) if isinstance(p.value, Moment) and p.value.span]
    if not verb or not spans:
        return ""
    for match in matches:
        value = match.value
        around = [s.value for s in spans if s.unit == match.unit and s.value.start <= value.start]
        wrong = any(
            s is value or (value.end < s.end if verb["end"] else value.start > s.start)
            for s in around
        )
        if not wrong:
            return ""
    return spans[0].value.shown
