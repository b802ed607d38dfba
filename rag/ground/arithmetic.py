"""Whether a number of a claim follows from numbers and dates of the evidence."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import combinations

from rag.ground.frequencies import FACTOR
from rag.ground.quantities import same
from rag.ground.quantity import Quantity
from rag.ground.relative import distances
from rag.text.dates import Moment

_TOTAL = re.compile(
    r"\b(?:total\w*|together|altogether|in all|in sum|combined|overall|sum of|both)\b",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(?:r[oi]se\w*|rais\w+|fell|fall\w*|grew|grow\w*|increas\w+|decreas\w+|reduc\w+|drop\w*|"
    r"cut|lower\w*|climb\w*|shr[aiu]nk\w*|chang\w+|went|up|down)\b",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\b(?:more|fewer|less|higher|lower|larger|smaller|longer|shorter|older|younger|taller|heavier|"
    r"lighter|faster|slower|greater|bigger|cheaper|dearer|difference|ahead|behind|above|below|extra|"
    r"additional|remaining|left|other|expensive|lost|gained|saved)\b",
    re.IGNORECASE,
)
_LASTING = re.compile(
    r"\b(?:after|later|before|earlier|apart|between|for|last(?:s|ed)?|took|takes?|duration|within|old|"
    r"age|long|over|previous\w*|since|spent|held|runs?|ran)\b",
    re.IGNORECASE,
)
_AGED = re.compile(r"\b(?:aged|age of|age|lived to(?: be)?|became)\s+$", re.IGNORECASE)
_GENERAL = re.compile(r"^\W*(?:an?|any|anyone|anybody|someone|somebody|if|whoever|every)\b", re.I)
_ATTRIBUTE = re.compile(r"\b(?:with|aged|after|for|of|weighing|costing|worth)\s+$", re.IGNORECASE)
_MOST = 12
"""Numbers and dates that are combined with each other, at most."""

_POINTS = 0.6
_NEAR = 60  # characters


@lru_cache(maxsize=1024)
def _has(pattern: re.Pattern[str], part: str) -> bool:
    """Search a part once, and not again for each of its numbers."""
    return bool(pattern.search(part))


def changes(part: str) -> bool:
    """Tell whether a statement is about something that rises or falls."""
    return _has(_CHANGE, part)


def before(part: str, quantity: Quantity) -> str:
    """Return what stands close before a number."""
    return part[max(0, quantity.start - _NEAR) : quantity.start]


def follows(
    part: str, quantity: Quantity, said: Iterable[Quantity], dates: Sequence[Moment]
) -> bool:
    """Tell whether a total, a difference, a ratio or the time between dates gives the number."""
    asked = [value for value in said if value.asked]
    values = [value for value in asked if value.kind == quantity.kind][:_MOST]
    if quantity.kind in (FACTOR, "%"):
        return _ratio(part, quantity, asked[: 2 * _MOST])
    if _has(_TOTAL, part):
        terms = [value.value for value in values]
        if any(
            abs(sum(picked) - quantity.value) < 1e-6
            for size in (2, 3, 4)
            for picked in combinations(terms, size)
        ):
            return True
    changed = quantity.role == "by"
    if (changed or _has(_COMPARED, part)) and any(
        abs(abs(one.value - two.value) - quantity.value) < 1e-6
        for one, two in combinations(values, 2)
        if not changed or {one.role, two.role} in ({"from", "to"}, {""})
    ):
        return True
    if not quantity.kind and _AGED.search(before(part, quantity)):
        return any(
            kind == "month" and value / 12 - quantity.value in (0, 1)
            for kind, value in distances(dates[:_MOST])
        )
    return (
        quantity.kind in ("s", "month")
        and len(dates) <= _MOST
        and _has(_LASTING, part)
        and any(
            kind == quantity.kind and math.isclose(value, quantity.value)
            for kind, value in distances(dates)
        )
    )


def _ratio(part: str, quantity: Quantity, asked: Sequence[Quantity]) -> bool:
    pairs = [(a, b) for a, b in combinations(asked, 2) if a.kind == b.kind and a.value and b.value]
    if quantity.kind == FACTOR:
        if any(q.kind == "%" and math.isclose(q.value, 100 * (quantity.value - 1)) for q in asked):
            return True
        return any(
            math.isclose(max(a.value, b.value) / min(a.value, b.value), factor, rel_tol=0.05)
            for a, b in pairs if min(a.value, b.value) > 0
            for factor in (quantity.value, 1 / quantity.value)
        )  # fmt: skip
    if changes(part) and any(
        {a.role, b.role} == {"from", "to"}
        and abs(100 * abs(b.value - a.value) / abs(a.value if a.role == "from" else b.value)
                - quantity.value) <= _POINTS
        for a, b in pairs
    ):  # fmt: skip
        return True
    return changes(part) and any(
        q.kind == FACTOR and math.isclose(100 * abs(q.value - 1), quantity.value) for q in asked
    )


def falls_under(
    part: str, quantity: Quantity, asked: tuple[Quantity, ...],
    said: Iterable[tuple[int, Quantity]],
) -> bool:  # fmt: skip
    """Tell whether a case ("12 years of service") falls under a rule ("more than 10 years")."""
    if quantity.bound or not (_GENERAL.match(part) or _ATTRIBUTE.search(before(part, quantity))):
        return False
    everything = list(said)
    for unit, value in everything:
        if value.kind == quantity.kind and covers(value, quantity):
            rest = [q for q in asked if q is not quantity and q.asked]
            there = [v for place, v in everything if place == unit]
            if not quantity.kind and not quantity.things & value.things:
                continue
            if all(any(same(q, v) for v in there) for q in rest):
                return True
    return False


def covers(rule: Quantity, case: Quantity) -> bool:
    """Tell whether a range or a limit has a value in it."""
    if rule.span:
        return rule.span[0] <= case.value <= rule.span[1]
    return (rule.bound == ">" and case.value > rule.value) or (
        rule.bound == "<" and case.value <= rule.value
    )
