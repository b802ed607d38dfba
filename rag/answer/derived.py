"""Numbers that are not said but follow from what is: other units, and sums that show their terms.

Deliberately little. Among enough numbers any number is the sum of two, so a sum, a difference or a
product counts only where the sentence names both of its terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import permutations

from rag.text.numbers import numbers

_TERMS = 8  # numbers of a sentence beyond which no sums are tried
_UNITS: Mapping[str, tuple[str, float]] = {
    **dict.fromkeys(("second", "seconds", "sekunde", "sekunden"), ("time", 1.0)),
    **dict.fromkeys(("minute", "minutes", "minuten"), ("time", 60.0)),
    **dict.fromkeys(("hour", "hours", "stunde", "stunden"), ("time", 3600.0)),
    **dict.fromkeys(("day", "days", "tag", "tage", "tagen"), ("time", 86400.0)),
    **dict.fromkeys(("week", "weeks", "woche", "wochen"), ("time", 604800.0)),
    **dict.fromkeys(("month", "months", "monat", "monate", "monaten"), ("calendar", 1.0)),
    **dict.fromkeys(("year", "years", "jahr", "jahre", "jahren"), ("calendar", 12.0)),
    **dict.fromkeys(("mm", "millimetres", "millimeters"), ("length", 1.0)),
    **dict.fromkeys(("cm", "centimetres", "centimeters"), ("length", 10.0)),
    **dict.fromkeys(("m", "metres", "meters"), ("length", 1000.0)),
    **dict.fromkeys(("km", "kilometres", "kilometers"), ("length", 1e6)),
    **dict.fromkeys(("kb", "kilobytes"), ("size", 1.0)),
    **dict.fromkeys(("mb", "megabytes"), ("size", 1e3)),
    **dict.fromkeys(("gb", "gigabytes"), ("size", 1e6)),
    **dict.fromkeys(("tb", "terabytes"), ("size", 1e9)),
}
_AMOUNT = re.compile(r"\b(?:(?P<number>\d[\d.,]*)[ \u00a0-]?|(?P<word>[^\W\d_]+)[ \u00a0-])"
                     r"(?=(?P<unit>[^\W\d_]+))")  # fmt: skip


def derived(claim: str, evidence: str) -> dict[str, str]:
    """Return the numbers of a claim that follow from the evidence, and how; as plain decimals."""
    said = numbers(evidence)
    lost = numbers(claim) - said
    if not lost:
        return {}
    found = {figure: how for figure, how in _converted(claim, evidence) if figure in lost}
    terms = sorted(numbers(claim) & said)
    if len(terms) <= _TERMS:
        for figure in lost - found.keys():
            for how in _sums(float(figure), terms):
                found[figure] = how
                break
    return found


def in_terms_of(claim: str, figure: str, how: str) -> str:
    """Return the claim with the amount that a figure was converted from; a sum stays as it is."""
    if any(sign in how for sign in "+-×"):
        return claim
    return re.sub(rf"(?<!\w){re.escape(figure)}[ \u00a0-]?[^\W\d_]+", how, claim, count=1)


def _sums(value: float, terms: list[str]) -> Iterator[str]:
    for first, second in permutations(terms, 2):
        a, b = float(first), float(second)
        if _same(a + b, value):
            yield f"{first} + {second}"
        elif _same(a - b, value):
            yield f"{first} - {second}"
        elif _same(a * b, value) and min(a, b) > 1:
            yield f"{first} × {second}"


def _converted(claim: str, evidence: str) -> Iterator[tuple[str, str]]:
    said = list(_amounts(evidence))
    for figure, unit in _amounts(claim):
        kind, size = _UNITS[unit]
        for other, other_unit in said:
            other_kind, other_size = _UNITS[other_unit]
            same = _same(float(figure) * size, float(other) * other_size)
            if kind == other_kind and size != other_size and same:
                yield figure, f"{other} {other_unit}"


def _amounts(text: str) -> Iterator[tuple[str, str]]:
    """Yield numbers with their units, also in words: "two weeks", "one hour"."""
    for found in _AMOUNT.finditer(text):
        unit = found["unit"].casefold()
        if unit not in _UNITS:
            continue
        number = (found["number"] or found["word"]).casefold()
        value = numbers(number) or ({"1"} if number in ("a", "an", "one") else set())
        for figure in value:
            yield figure, unit


def _same(left: float, right: float) -> bool:
    return abs(left - right) <= 1e-9 * max(1.0, abs(left), abs(right))
