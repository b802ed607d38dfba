"""One number of a text with what stands beside it: scale, unit, what it counts, a name's number."""

from __future__ import annotations

import re
from dataclasses import replace

from rag.ground.numerals import Token, decimal, low_at, spelled
from rag.ground.quantity import Quantity, made, things_at
from rag.text.terms import STOPWORDS, stems
from rag.text.units import CURRENCIES, FRACTIONS, ORDINALS, SCALES, SMALL, unit_of

_PERSONS = frozenset(
    "peopl person men women man woman friend individu speaker boy girl adult children kid child "
    "guy ladi".split()
)
_BESIDE_UNIT = frozenset(
    "working business calendar full whole consecutive more further additional extra".split()
)
_HEAD_UNITS = frozenset(
    "hours days nights weeks months years minutes euros dollars yen kilometres kilometers miles "
    "kilometre kilometer kilograms kilogrammes litres liters percent".split()
)
_WHOLE = ("of", "the", "all", "our", "its", "their", "his", "her", "your")
_SIMPLE = re.compile(r"[1-9]/(?:[2-9]|10)(?!\d|[.,/]\d)")
_PARTS = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3}
_LABELS = frozenset(
    "version v no number nr room gate page chapter section line platform step level extension "
    "firmware release model type class part phase article zone unit track lane table figure "
    "appendix building hall floor row terminal bus route tram".split()
)


def fraction(text: str, tokens: list[Token], place: int) -> tuple[Quantity, int] | None:
    """Read "half a watt", "a quarter of the applicants", "3/4 of it", "by a third"."""
    before = low_at(tokens, place - 1)
    read = _share(text, tokens, place, before)
    if not read:
        return None
    value, at = read
    after = low_at(tokens, at)
    start, end = tokens[place].start, tokens[at - 1].end
    skip = at + (after == "of")
    if low_at(tokens, skip) in ("a", "an"):
        skip += 1
    unit = unit_of(low_at(tokens, skip))
    if unit and (skip > at or end < tokens[skip].start):
        end = tokens[skip].end
        return made(text, value * unit[1], unit[0], frozenset(), start, end), skip + 1
    if low_at(tokens, skip) in SCALES and skip > at:
        # "Half a dozen", "a quarter of a million".
        whole = SCALES[low_at(tokens, skip)] * value
        return _finished(text, tokens, place, skip + 1, whole, None)
    if (after in _WHOLE and low_at(tokens, at + 1) != "way") or before == "by":
        things = things_at(tokens, at + (after in _WHOLE and after != "of"))
        return made(text, 100 * value, "%", things, start, end), at
    return None


def _share(text: str, tokens: list[Token], place: int, before: str) -> tuple[float, int] | None:
    """Read a fraction in words, in digits (3/4) or as one sign: its value and the next place."""
    token = tokens[place]
    if token.low in _PARTS:
        return _PARTS[token.low], place + 1
    if (
        token.kind == "digits"
        and low_at(tokens, place + 1) == "/"
        and _SIMPLE.match(text, token.start)
    ):
        return decimal(token.text)[0] / decimal(tokens[place + 2].text)[0], place + 3
    count, at = 1.0, place
    if token.low in ("a", "one", "two", "three", "four"):
        count, at = SMALL.get(token.low, 1.0), at + 1
        at += low_at(tokens, at) == "-"
    word = low_at(tokens, at)
    if word not in FRACTIONS or before in ORDINALS or before in ("the", "last", "next"):
        return None
    if at == place and word != "half":
        return None
    return count * FRACTIONS[word], at + 1


def number(text: str, tokens: list[Token], place: int) -> tuple[Quantity, int] | None:
    """Read a number here, in digits or words, and the place after it."""
    token = tokens[place]
    if token.kind == "code":
        whole = frozenset({token.text})
        return made(text, 0.0, "code", whole, token.start, token.end), place + 1
    if token.kind == "digits":
        if token.start and (text[token.start - 1].isalnum() or text[token.start - 1] == "_"):
            return _glued(text, tokens, place)
        if token.low[-1].isalpha():
            value = float(re.sub(r"\D", "", token.low[:-2]) or 0)
            ordinal = made(text, value, "th", things_at(tokens, place + 1), token.start, token.end)
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
        built = made(text, value, "th", things_at(tokens, after), token.start, end)
        return replace(built, asked=asked), after
    return _finished(text, tokens, place, after, value, None)


def _glued(text: str, tokens: list[Token], place: int) -> tuple[Quantity, int] | None:
    """Read v2; other letters before a digit make a name (X2), which is no quantity."""
    before = low_at(tokens, place - 1)
    if before not in _LABELS:
        return None
    value, _ = decimal(tokens[place].text)
    start, end = tokens[place - 1].start, tokens[place].end
    return made(text, value, "#", frozenset(), start, end), place + 1


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
        if low_at(tokens, at) in SCALES:  # two and a half million
            value, end, at = value * SCALES[tokens[at].low], tokens[at].end, at + 1
    if low_at(tokens, at) in _PARTS:
        value, end, at = value + _PARTS[low_at(tokens, at)], tokens[at].end, at + 1
    signed = before in ("minus", "−") or (before == "-" and _loose(text, tokens, first - 1))
    unit_at = at + (low_at(tokens, at) in ("-", *_BESIDE_UNIT))
    unit_at += low_at(tokens, unit_at) in _BESIDE_UNIT
    unit_at += (
        1 if low_at(tokens, unit_at) == "per" and low_at(tokens, unit_at + 1) == "cent" else 0
    )
    unit = ("%", 1.0) if low_at(tokens, unit_at) == "cent" else unit_of(low_at(tokens, unit_at))
    if not unit:
        unit_at = _head_unit(tokens, at)
        unit = unit_of(low_at(tokens, unit_at)) if unit_at > at else None
    if unit and unit_at == at and low_at(tokens, at) in ("m", "g", "l", "h", "s", "v", "w"):
        unit = unit if tokens[at].text.islower() or tokens[at].text in "WVL" else None
    power = {"square": "²", "cubic": "³"}.get(low_at(tokens, at), "")
    if power and unit_of(low_at(tokens, at + 1)):
        unit_at, side = at + 1, unit_of(low_at(tokens, at + 1)) or ("", 1.0)
        unit = (side[0] + power, side[1] ** (2 if power == "²" else 3))
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
    things = things_at(tokens, at)
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
    built = made(text, -value * factor if signed else value * factor, kind, things,
                 start, end)  # fmt: skip
    lone = value == 1 and tokens[first].low == "one" and not unit
    # Two people need no number in the evidence: they may be named there one by one.
    lone = lone or (value < 5 and not things.isdisjoint(_PERSONS) and _in_letters(tokens[first]))
    return replace(
        built, raw=value, per=per, asked=not lone, other=None if other is None else other * factor
    ), at


def _head_unit(tokens: list[Token], place: int) -> int:
    """Return where the unit of "fifteen paid leave days" stands; ``place`` if there is none."""
    for step in range(place, min(place + 3, len(tokens))):
        token = tokens[step]
        if token.kind != "word" or token.low in STOPWORDS:
            break
        if step > place and token.low in _HEAD_UNITS:
            return step
    return place


def _in_letters(token: Token) -> bool:
    """Tell whether a number is written in letters."""
    return token.kind == "word"


def _loose(text: str, tokens: list[Token], place: int) -> bool:
    """Tell whether a hyphen is a sign: nothing before it, a digit right after."""
    at = tokens[place]
    return text[at.end : at.end + 1].isdigit() and (at.start == 0 or text[at.start - 1] in " (\n:")
