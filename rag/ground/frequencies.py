"""How often, and how many times as much: "twice a day" is every 12 hours, "doubled" is twofold."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.ground.numerals import decimal, spelled, tokens_of
from rag.ground.quantity import Quantity
from rag.text.units import unit_of

_NUMBER = (
    r"\d+(?:[.,]\d+)?|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|"
    r"thirty|forty(?:-five)?|sixty|ninety"
)
_UNIT = r"second|minute|hour|day|night|week|fortnight|month|quarter|year"
_OFTEN = re.compile(
    rf"\b(?:(?P<times>once|twice|(?:(?P<n>{_NUMBER})\s(?:times\s)))(?:a|an|per|each|every|in\s(?:a|an|every))?"
    rf"\s?(?P<unit>{_UNIT})\b|every\s(?P<other>other|second|third|(?P<m>{_NUMBER})\s)?\s?"
    rf"(?P<every>{_UNIT})s?\b|once\severy\s(?P<k>{_NUMBER})\s(?P<once>{_UNIT})s\b"
    r"|(?P<word>hourly|daily|weekly|fortnightly|monthly|quarterly|yearly|annual(?:ly)?)\b)",
    re.IGNORECASE,
)
_WORDS = {"hourly": "hour", "daily": "day", "weekly": "week", "fortnightly": "fortnight",
          "monthly": "month", "quarterly": "quarter", "yearly": "year", "annual": "year",
          "annually": "year"}  # fmt: skip
_TIMES = re.compile(
    rf"\b(?:(?P<double>doubl(?:ed|es|ing)|double (?=the\b|its\b|their\b|that\b|what\b)|two-?fold|"
    rf"twice (?=as\b|the\b|its\b|their\b|that\b))"
    rf"|(?P<triple>(?:tripl|trebl)(?:ed|es|ing)|(?:triple|treble) (?=the\b|its\b|their\b|that\b)|"
    rf"three-?fold)"
    rf"|(?P<quadruple>quadrupl(?:ed|es|ing)|four-?fold)|(?P<tenfold>ten-?fold)"
    rf"|(?P<halved>halv(?:ed|es|ing)|half (?=as\b))"
    rf"|(?P<n>{_NUMBER}|one and a half)(?P<sign>\s?times\s(?=as\b|the\b|its\b|their\b|that\b|"
    rf"more\b|\w+er\b)|-?fold\b))",
    re.IGNORECASE,
)
# The patterns are long: most texts are told at one look.
_OFTEN_HINT = re.compile(r"once|twice|times|every|ly\b|annual", re.IGNORECASE)
_TIMES_HINT = re.compile(r"oubl|wice|tripl|trebl|fold|quadr|halv|half|times", re.IGNORECASE)
_FACTORS = {"double": 2.0, "triple": 3.0, "quadruple": 4.0, "tenfold": 10.0, "halved": 0.5}
FREQUENCY, FACTOR = "often", "times"
"""Kinds of quantities: a period in seconds or months, and a factor."""


def frequencies(text: str) -> Iterator[Quantity]:
    """Yield how often something is, as its period; a claim need not prove it where nothing is."""
    if not _OFTEN_HINT.search(text):
        return
    for match in _OFTEN.finditer(text):
        unit = match["unit"] or match["every"] or match["once"] or _WORDS[match["word"].casefold()]
        period, count = 1.0, 1.0
        if match["times"]:
            count = {"once": 1.0, "twice": 2.0}.get(match["times"].casefold(), 0) or _value(
                match["n"]
            )
        elif match["other"]:
            period = {"other": 2.0, "second": 2.0, "third": 3.0}.get(
                match["other"].casefold(), 0
            ) or _value(match["m"])
        elif match["k"]:
            period = _value(match["k"])
        kind, factor = _base(unit.casefold())
        if count:
            yield _quantity(match, factor * period / count, FREQUENCY + kind)


def factors(text: str) -> Iterator[Quantity]:
    """Yield how many times as much."""
    if not _TIMES_HINT.search(text):
        return
    for match in _TIMES.finditer(text):
        name = next((name for name in _FACTORS if match[name]), "")
        value = _FACTORS[name] if name else _value(match["n"])
        if value:
            yield _quantity(match, value, FACTOR, asked=True)


def _quantity(match: re.Match[str], value: float, kind: str, *, asked: bool = False) -> Quantity:
    return Quantity(value, kind, frozenset(), match.start(), match.end(), match[0].strip(),
                    asked=asked)  # fmt: skip


def _base(unit: str) -> tuple[str, float]:
    if unit == "quarter":
        return "month", 3.0
    return unit_of("day" if unit == "night" else unit) or ("", 1.0)


def _value(text: str) -> float:
    text = text.strip()
    if text.casefold() == "one and a half":
        return 1.5
    if text[0].isdigit():
        return decimal(text)[0]
    read = spelled(tokens_of(text), 0)
    return read[0] if read else 0.0
