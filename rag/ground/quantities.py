"""Quantities of a text in one scale: 1,200 and 1200, twelve and a dozen, 1.5 km and 1,500 m.

A quantity belongs to its unit and to what it counts. Words are English; digits are read in any
language.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from rag.ground.numerals import Token, decimal, low_at, spelled, tokens_of
from rag.text.terms import STOPWORDS, stems
from rag.text.units import CURRENCIES, FRACTIONS, ORDINALS, SCALES, SMALL, unit_of

_PERSONS = frozenset(
    "peopl person men women man woman friend individu speaker boy girl adult children kid child "
    "guy ladi".split()
)
_BESIDE_UNIT = frozenset("working business calendar full whole consecutive more further".split())
_LABELS = frozenset(
    "version v no number nr room gate page chapter section line platform step level extension "
    "firmware release model type class part phase article zone unit track lane table figure "
    "appendix building hall floor row terminal bus route tram".split()
)

_MORE = re.compile(
    r"(?:\bat least|\bminimum(?: of)?|\bmore than|\bover|\babove|\bexceed\w*|\bno(?:t)? (?:less|"
    r"fewer) than|\b(?:larger|longer|greater|higher|older) than|\bmin\.|>)\s*(?:€|\$|£)?\s*$"
)
_LESS = re.compile(
    r"(?:\bat most|\bmaximum(?: of)?|\b(?:less|fewer) than|\bunder|\bbelow|\bup to|\bwithin|"
    r"\bno(?:t)? (?:more|longer|later) than|\b(?:smaller|shorter|lower|younger) than|"
    r"\b(?:capped|limited) (?:at|to)|\bmax\.|<)\s*(?:€|\$|£)?\s*$"
)
_MORE_AFTER = re.compile(r"\s*(?:\w+\s)?(?:\w+\s)?(?:or|and) (?:more|above|over|older|longer)\b|\+")
_LESS_AFTER = re.compile(r"\s*(?:\w+\s)?(?:\w+\s)?(?:or|and) (?:less|fewer|below|under|younger)\b")
_ABOUT = re.compile(
    r"\b(?:about|around|roughly|approximately|nearly|almost|circa|some)\s*[€$£]?\s*$"
)
_ROLE = re.compile(r"\b(by|from|to)\s*[€$£]?\s*(?:about|around|only)?\s*$")
_JOINED = re.compile(r"\s*(?:to|and|-|–|—|or|bis|à|a)\s*[€$£]?\s*$")


@dataclass(frozen=True, slots=True)
class Quantity:
    """``kind`` is a base unit, "" for a count, "th" for an ordinal, "#" for a number in a name.

    ``things`` are stems of what is counted, or of the name. ``asked`` is False for numbers that a
    claim need not prove ("one"). ``span`` is the range that it is an end of.
    """

    value: float
    kind: str
    things: frozenset[str]
    start: int
    end: int
    shown: str
    bound: str = ""
    role: str = ""
    per: str = ""
    about: bool = False
    asked: bool = True
    span: tuple[float, float] | None = None
    other: float | None = None


@lru_cache(maxsize=2048)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Return the quantities of a text in order; dates are to be blanked before."""
    tokens = tokens_of(text)
    found: list[Quantity] = []
    place = 0
    while place < len(tokens):
        read = _fraction(text, tokens, place) or _number(text, tokens, place)
        if read:
            found.append(read[0])
            place = read[1]
        else:
            place += 1
    return tuple(_ratios(text, _ranges(text, found)))


def _fraction(text: str, tokens: list[Token], place: int) -> tuple[Quantity, int] | None:
    """Read "half a watt", "a quarter of the applicants", "two thirds of it", "half of it"."""
    count, at = 1.0, place
    if low_at(tokens, at) in ("a", "one", "two", "three", "four"):
        count, at = SMALL.get(low_at(tokens, at), 1.0), at + 1
        at += low_at(tokens, at) == "-"
    word = low_at(tokens, at)
    before = low_at(tokens, place - 1)
    if word not in FRACTIONS or before in ORDINALS or before in ("the", "last", "next"):
        return None
    if at == place and word != "half":
        return None
    after = low_at(tokens, at + 1)
    value = count * FRACTIONS[word]
    start = tokens[place].start
    skip = at + 1
    if after == "of":
        skip += 1
    if low_at(tokens, skip) in ("a", "an"):
        skip += 1
    unit = unit_of(low_at(tokens, skip))
    if unit and (skip > at + 1 or tokens[at].end < tokens[skip].start):
        end = tokens[skip].end
        made = _made(text, value * unit[1], unit[0], frozenset(), start, end)
        return made, skip + 1
    if after in ("of", "the", "all", "our", "its", "their"):
        end = tokens[at].end
        things = _things(tokens, at + 1 + (after == "of"))
        return _made(text, 100 * value, "%", things, start, end), at + 1
    return None


def _number(text: str, tokens: list[Token], place: int) -> tuple[Quantity, int] | None:
    token = tokens[place]
    if token.kind == "code":
        whole = frozenset({token.text})
        return _made(text, 0.0, "code", whole, token.start, token.end), place + 1
    if token.kind == "digits":
        if token.start and (text[token.start - 1].isalnum() or text[token.start - 1] == "_"):
            return _glued(text, tokens, place)
        if token.low[-1].isalpha():
            value = float(re.sub(r"\D", "", token.low[:-2]) or 0)
            ordinal = _made(text, value, "th", _things(tokens, place + 1), token.start, token.end)
            return ordinal, place + 1
        value, other = decimal(token.text)
        return _finished(text, tokens, place, place + 1, value, other)
    words = spelled(tokens, place)
    if not words:
        return None
    value, after, ordinal_word = words
    if ordinal_word:
        end = tokens[after - 1].end
        asked = value > 2
        made = _made(text, value, "th", _things(tokens, after), token.start, end)
        return replace(made, asked=asked), after
    return _finished(text, tokens, place, after, value, None)


def _glued(text: str, tokens: list[Token], place: int) -> tuple[Quantity, int] | None:
    """Read v2; other letters before a digit make a name (X2), which is no quantity."""
    before = low_at(tokens, place - 1)
    if before not in _LABELS:
        return None
    value, _ = decimal(tokens[place].text)
    start, end = tokens[place - 1].start, tokens[place].end
    return _made(text, value, "#", frozenset(), start, end), place + 1


def _finished(
    text: str, tokens: list[Token], first: int, at: int, value: float, other: float | None
) -> tuple[Quantity, int]:
    """Read what follows a number: scale, unit, what it counts; and what stands before it."""
    start, end = tokens[first].start, tokens[at - 1].end
    before = low_at(tokens, first - 1)
    if before == "." and low_at(tokens, first - 2) == "no":
        before = "no"
    currency = (unit_of(before) or ("",))[0]
    currency = currency if currency in CURRENCIES else ""
    scale = low_at(tokens, at)
    while scale in SCALES or (scale == "m" and currency):
        value *= SCALES.get(scale, 1e6)
        end, at = tokens[at].end, at + 1
        scale = low_at(tokens, at)
    if (
        scale == "and"
        and low_at(tokens, at + 1) in ("a", "one")
        and low_at(tokens, at + 2) == "half"
    ):
        value, end, at = value + 0.5, tokens[at + 2].end, at + 3
    signed = before in ("minus", "−") or (before == "-" and _loose(text, tokens, first - 1))
    unit_at = at + (low_at(tokens, at) in ("-", *_BESIDE_UNIT))
    unit_at += low_at(tokens, unit_at) in _BESIDE_UNIT
    unit_at += (
        1 if low_at(tokens, unit_at) == "per" and low_at(tokens, unit_at + 1) == "cent" else 0
    )
    unit = ("%", 1.0) if low_at(tokens, unit_at) == "cent" else unit_of(low_at(tokens, unit_at))
    if unit and unit_at == at and low_at(tokens, at) in ("m", "g", "l", "h", "s", "v", "w"):
        unit = unit if tokens[at].text.islower() or tokens[at].text in "WVL" else None
    squared = ""
    if low_at(tokens, at) in ("square", "cubic") and unit_of(low_at(tokens, at + 1)):
        unit_at, squared = at + 1, low_at(tokens, at)
        unit = unit_of(low_at(tokens, at + 1))
    kind, factor = unit or (currency, 1.0)
    if currency:
        kind, factor = currency, (1.0 if kind == currency else factor)
        unit = unit if unit and unit[0] == currency else None
    if unit:
        end, at = tokens[unit_at].end, unit_at + 1
        if kind == "°" and low_at(tokens, at) in ("c", "celsius", "f", "fahrenheit"):
            kind = "°F" if low_at(tokens, at)[0] == "f" else kind
            end, at = tokens[at].end, at + 1
        if kind == "°" and text[end : end + 11].casefold().startswith(" below zero"):
            signed = True
    per = ""
    label = tokens[first - 1] if first else None
    things = _things(tokens, at)
    if not unit and not currency and label and label.kind == "word":
        hyphen = False
        name = label.text[:1].isupper() and label.low not in STOPWORDS
        name = name and tokens[first].start - label.end <= 1
        if (name and first > 1) or label.low in _LABELS:
            kind, things = "#", frozenset({*stems(label.text), *things})
    elif before == "-" and not signed and first > 1 and tokens[first - 2].kind == "word":
        hyphen = tokens[first - 2].end == tokens[first - 1].start
        if hyphen and not unit:
            kind, things = "#", frozenset(stems(tokens[first - 2].text)) | things
    for step in range(at, min(at + 3, len(tokens))):
        if tokens[step].low in ("per", "a", "an", "each", "every", "/"):
            over = unit_of(low_at(tokens, step + 1))
            per = f"{over[1]:g}{over[0]}" if over else ""
            break
    made = _made(text, -value * factor if signed else value * factor, kind + squared, things,
                 start, end)  # fmt: skip
    lone = value == 1 and tokens[first].low == "one" and not unit
    # Two people need no number in the evidence: they may be named there one by one.
    lone = lone or (value < 5 and not things.isdisjoint(_PERSONS) and _in_letters(tokens[first]))
    return replace(
        made, per=per, asked=not lone, other=None if other is None else other * factor
    ), at


def _in_letters(token: Token) -> bool:
    """Tell whether a number is written in letters."""
    return token.kind == "word"


def _loose(text: str, tokens: list[Token], place: int) -> bool:
    """Tell whether a hyphen is a sign: nothing before it, a digit right after."""
    at = tokens[place]
    return text[at.end : at.end + 1].isdigit() and (at.start == 0 or text[at.start - 1] in " (\n:")


def _things(tokens: list[Token], place: int) -> frozenset[str]:
    """Return the stems of the next words up to a function word: what is counted."""
    if low_at(tokens, place) == "of":
        place += 1
        while low_at(tokens, place) in ("the", "its", "our", "all") or (
            place < len(tokens) and tokens[place].kind == "digits"
        ):
            place += 1
    found: list[str] = []
    for token in tokens[place : place + 3]:
        if token.kind != "word" or token.low in STOPWORDS:
            break
        found += stems(token.text)
    return frozenset(found)


def _made(
    text: str, value: float, kind: str, things: frozenset[str], start: int, end: int
) -> Quantity:
    left = text[max(0, start - 30) : start].casefold()
    right = text[end : end + 30].casefold()
    bound = ""
    if _MORE.search(left) or _MORE_AFTER.match(right):
        bound = ">"
    elif _LESS.search(left) or _LESS_AFTER.match(right):
        bound = "<"
    role = _ROLE.search(left)
    if role and role[1] == "to" and left[: role.start()].endswith(("up ", "due ", "close ")):
        role = None
    return Quantity(
        value, kind, things, start, end, text[start:end], bound, role[1] if role else "",
        about=bool(_ABOUT.search(left)),
    )  # fmt: skip


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


def _ratios(text: str, found: list[Quantity]) -> list[Quantity]:
    """Add the share of "30 of the 200 users" and "one in five"; nobody need prove it."""
    more = [
        Quantity(100 * one.value / two.value, "%", two.things, one.start, two.end, "", asked=False)
        for one, two in pairwise(found)
        if two.value and not one.kind and not two.kind and one.value <= two.value
        and re.fullmatch(r"\s*(?:out\s)?(?:of|in)\s(?:the\s|every\s)?",
                         text[one.end : two.start].casefold())
    ]  # fmt: skip
    return [*found, *more]


def same(claim: Quantity, said: Quantity) -> bool:
    """Tell whether the evidence's quantity is the claim's."""
    if claim.kind == "code" or said.kind == "code":
        return claim.kind == said.kind and claim.things == said.things
    kinds = {claim.kind, said.kind}
    if claim.kind != said.kind and not kinds <= {"", "#"} and not _bare(claim, said):
        return False
    if claim.per and said.per and claim.per != said.per:
        return False
    limit = 0.05 if claim.about else 1e-6
    mine = [claim.value] if claim.other is None else [claim.value, claim.other]
    theirs = [said.value] if said.other is None else [said.value, said.other]
    return any(math.isclose(a, b, rel_tol=limit) for a in mine for b in theirs)


def _bare(claim: Quantity, said: Quantity) -> bool:
    """A claim that leaves the unit out ("it costs 9") may mean any."""
    return not claim.kind and not claim.things
