"""Quantities of a text in one scale: 1,200 and 1200, twelve and a dozen, 1.5 km and 1,500 m.

A quantity belongs to its unit and to what it counts. Words are English; digits are read in any
language.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

from rag.ground.amounts import fraction, number
from rag.ground.frequencies import factors, frequencies
from rag.ground.numerals import tokens_of
from rag.ground.quantity import Quantity
from rag.text.units import FRACTIONS, IMPERIAL, ORDINALS, SCALES, SMALL, unit_of

_DIGIT = re.compile(r"[\d½¼¾⅓⅔]")
_LETTERS = re.compile(r"[a-z]+")
_NUMBER_WORDS = frozenset((*SMALL, *ORDINALS, *SCALES, *FRACTIONS))
_JOINED = re.compile(r"\s*(?:to|and|-|–|—|or|bis|à|a)\s*[€$£]?\s*$")
_OF = re.compile(
    r"\s*(?:\w+\s)?(?:out\s)?(?:of|in|from)\s(?:the\s|every\s|all\s|its\s|their\s|our\s|his\s|her\s|"
    r"these\s|those\s)?(?:first\s)?"
)
_OF_THEM = re.compile(r"\s(?:of|from among|among)\s(?:them|these|those|which|whom)\b")
_OF_WHICH = re.compile(r"\s(?:of (?:which|whom|them))\b")
_ONCE = re.compile(r"\b(?:once|twice|thrice)\b(?!\s(?:as|the|its|their|that)\b)", re.IGNORECASE)
_AMONG = re.compile(r"\b(?:of|among|from)\s(?:the\s|all\s|its\s|their\s|our\s)*$", re.IGNORECASE)
_ARTICLE = re.compile(
    r"\b(?:an?|one|each|every|per)\s(?:full\s|whole\s|single\s)?"
    r"(?P<unit>second|minute|hour|day|week|fortnight|month|year|decade|century|dozen)\b",
    re.IGNORECASE,
)
_COMPOUND = re.compile(r"\s?(?:and\s)?")
_ROUND = re.compile(r"million|billion|trillion|\bbn\b|\bmn\b|\bm\b", re.IGNORECASE)
_ROUGHLY = 0.05
_CONVERTED = 0.02
_DEGREES = 0.6


@lru_cache(maxsize=2048)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Return the quantities of a text in order; dates are to be blanked before."""
    # Most sentences have no number, which one look tells.
    low = text.casefold()
    if not _DIGIT.search(low) and _NUMBER_WORDS.isdisjoint(_LETTERS.findall(low)):
        return (*frequencies(text), *factors(text), *_articles(text))
    tokens = tokens_of(text)
    found: list[Quantity] = []
    place = 0
    while place < len(tokens):
        read = fraction(text, tokens, place) or number(text, tokens, place)
        if read:
            found.append(read[0])
            place = read[1]
        else:
            place += 1
    found = [
        replace(two, things=two.things | one.things) if _OF_WHICH.match(text, two.end) else two
        for one, two in pairwise([*found[:1], *found])
    ]
    found = _compounds(text, _ranges(text, _with_articles(text, found)))
    often, times = list(frequencies(text)), list(factors(text))
    return (*_ratios(text, found), *often, *times, *_articles(text))


def _articles(text: str) -> list[Quantity]:
    """Read "a week" as one week and "twice" as two, which nobody need prove."""
    made = [
        Quantity(float(("once", "twice", "thrice").index(m[0].casefold()) + 1), "", frozenset(),
                 m.start(), m.end(), m[0], asked=False)
        for m in _ONCE.finditer(text)
    ]  # fmt: skip
    for match in _ARTICLE.finditer(text):
        kind, factor = unit_of(match["unit"].casefold()) or ("", 12.0)
        made.append(
            Quantity(factor, kind, frozenset(), match.start(), match.end(), match[0], asked=False)
        )
    return made


def _with_articles(text: str, found: list[Quantity]) -> list[Quantity]:
    """Put "an hour" before "35 minutes", that both may become one value."""
    starts = {quantity.start for quantity in found}
    more = [
        one for one in _articles(text) if one.kind
        for join in [_COMPOUND.match(text, one.end + 1)] if join and join.end() in starts
    ]  # fmt: skip
    return sorted([*found, *more], key=lambda one: one.start) if more else found


def _ranges(text: str, found: list[Quantity]) -> list[Quantity]:
    """Join the ends of ranges: the first takes the unit of the second, each knows the range."""
    for place in range(len(found) - 1):
        one, two = found[place], found[place + 1]
        between = text[one.end : two.start]
        if not _JOINED.fullmatch(between.casefold()) or two.kind in ("th", "#", "code"):
            continue
        if (
            "and" in between
            and "between" not in text[max(0, one.start - 12) : one.start].casefold()
        ):
            continue
        value, kind = one.value, one.kind
        if not kind and not one.things - two.things:
            unit = unit_of(two.shown.split()[-1].casefold()) if two.kind else None
            value, kind = value * (unit[1] if unit else 1.0), two.kind
        if kind == two.kind and value <= two.value:
            span = (value, two.value)
            found[place] = replace(
                one, value=value, kind=kind, span=span, things=one.things or two.things
            )
            found[place + 1] = replace(two, span=span)
    return found


def _compounds(text: str, found: list[Quantity]) -> list[Quantity]:
    """Join "2 hours and 30 minutes", "7 lb 4 oz": a larger unit right before a smaller one."""
    joined: list[Quantity] = []
    for one in found:
        last = joined[-1] if joined else None
        if (
            last and last.kind == one.kind and one.kind in ("s", "m", "g", "month")
            and not last.span and last.value > one.value and not one.bound
            and _unit_word(last) != _unit_word(one)
            and _COMPOUND.fullmatch(text[last.end : one.start])
        ):  # fmt: skip
            shown = text[last.start : one.end]
            joined[-1] = replace(last, value=last.value + one.value, end=one.end, shown=shown,
                                 asked=True)  # fmt: skip
        else:
            joined.append(one)
    return joined


def _unit_word(quantity: Quantity) -> str:
    return re.split(r"[\d\s.,-]+", quantity.shown)[-1].casefold().removesuffix("s")


def _ratios(text: str, found: list[Quantity]) -> list[Quantity]:
    """Add the share of "30 of the 200 users" and "one in five"; nobody need prove it."""
    more = []
    for one, two in pairwise(found):
        if one.kind == "%" and not two.kind and _OF.fullmatch(text[one.end : two.start].casefold()):
            # "Half of the 60 seats" are 30 seats.
            part = one.value * two.value / 100
            more.append(Quantity(part, "", two.things, one.start, two.end, "", asked=False))
        if one.kind or two.kind or not one.value or not two.value:
            continue
        between = text[one.end : two.start].casefold()
        if one.value <= two.value and _OF.fullmatch(between):
            share, things = one.value / two.value, two.things
        elif two.value <= one.value and (
            _OF_THEM.match(text[two.end : two.end + 12].casefold())
            or _AMONG.search(text[: one.start][-24:])
        ):
            share, things = two.value / one.value, one.things
        else:
            continue
        more.append(Quantity(100 * share, "%", things, one.start, two.end, "", asked=False))
    return [*found, *more]


def same(claim: Quantity, said: Quantity) -> bool:
    """Tell whether the evidence's quantity is the claim's."""
    if claim.kind == "code" or said.kind == "code":
        return claim.kind == said.kind and claim.things == said.things
    kinds = {claim.kind, said.kind}
    if kinds == {"°", "°F"}:
        return abs(_celsius(claim) - _celsius(said)) <= _DEGREES
    if claim.kind != said.kind and not kinds <= {"", "#"} and not _bare(claim, said):
        return False
    if claim.per and said.per and claim.per != said.per:
        return False
    limit = _ROUGHLY if claim.about else 1e-6
    if claim.kind in ("m", "g", "l", "m²") and _imperial(claim) != _imperial(said):
        limit = max(limit, _CONVERTED)
    mine = [claim.value] if claim.other is None else [claim.value, claim.other]
    theirs = [said.value] if said.other is None else [said.value, said.other]
    return any(
        math.isclose(a, b, rel_tol=limit, abs_tol=_share_limit(claim, said)) for a in mine
        for b in theirs
    ) or _rounded(claim, said)  # fmt: skip


def _share_limit(claim: Quantity, said: Quantity) -> float:
    """A share in other words (1 in 3, a third) is compared with what people round it to."""
    return 0.5 if claim.kind == "%" and _written(claim) != _written(said) else 0.0


def _written(quantity: Quantity) -> bool:
    return "%" in quantity.shown or "cent" in quantity.shown.casefold()


def _celsius(quantity: Quantity) -> float:
    return (quantity.value - 32) / 1.8 if quantity.kind == "°F" else quantity.value


def _imperial(quantity: Quantity) -> bool:
    words = re.findall(r"[^\W\d_]+", quantity.shown.casefold())
    return any(word in IMPERIAL or word.removesuffix("s") in IMPERIAL for word in words)


def _rounded(claim: Quantity, said: Quantity) -> bool:
    """Tell whether a figure in millions is the evidence's, rounded to as many digits."""
    if not said.value or not _ROUND.search(claim.shown):
        return False
    digits = re.match(r"[^\d]*(\d+)(?:[.,](\d+))?", claim.shown)
    if not digits:
        return False
    places = len(digits[1] + (digits[2] or ""))
    return places > 1 and float(f"{said.value:.{places - 1}e}") == claim.value


def _bare(claim: Quantity, said: Quantity) -> bool:
    """A claim that leaves the unit out ("it costs 9") may mean any."""
    return not claim.kind and not claim.things
