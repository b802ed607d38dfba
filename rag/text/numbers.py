"""Quantities of a text in one scale: 1,200 and 1200, twelve and a dozen, 1.5 km and 1,500 m.

A quantity belongs to its unit and to what it counts. Words are English; digits are read in any
language.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from rag.text.terms import STOPWORDS, stems
from rag.text.words import FRACTIONS, ORDINALS, SCALES, SIGNS, SMALL

_UNITS: dict[str, tuple[str, float]] = {
    word: (kind, float(factor))
    for kind, scales in {
        "m": "mm:1e-3 millimetre:1e-3 cm:.01 centimetre:.01 dm:.1 m:1 metre:1 km:1e3 kms:1e3 "
        "kilometre:1e3 mile:1609.344 ft:.3048 foot:.3048 feet:.3048 inch:.0254 inches:.0254 "
        "yard:.9144 yd:.9144",
        "g": "mg:1e-3 milligram:1e-3 g:1 gram:1 gramme:1 kg:1e3 kgs:1e3 kilo:1e3 kilogram:1e3 "
        "tonne:1e6 ton:1e6 lb:453.592 lbs:453.592 ounce:28.3495 oz:28.3495",
        "l": "ml:1e-3 millilitre:1e-3 cl:.01 dl:.1 l:1 litre:1 hl:100 "
        "gallon:3.78541 gal:3.78541 pint:.473176",
        "m²": "m²:1 sqm:1 km²:1e6 hectare:1e4 ha:1e4 acre:4046.86 cm²:1e-4",
        "m³": "m³:1 cm³:1e-6",
        "s": "ms:1e-3 sec:1 second:1 min:60 mins:60 minute:60 h:3600 hr:3600 hrs:3600 hour:3600 "
        "day:86400 week:604800 fortnight:1209600",
        "month": "month:1 year:12 yr:12 yrs:12 decade:120 century:1200 centuries:1200",
        "%": "%:1 percent:1 pct:1 percentage:1",
        "EUR": "€:1 eur:1 euro:1",
        "USD": "$:1 usd:1 dollar:1",
        "GBP": "£:1 gbp:1 pound:1",
        "JPY": "¥:1 yen:1",
        "W": "w:1 watt:1 kw:1e3 kilowatt:1e3 mw:1e6 megawatt:1e6 gw:1e9 gigawatt:1e9",
        "Wh": "wh:1 kwh:1e3 mwh:1e6 gwh:1e9",
        "Ah": "mah:1e-3",
        "bit/s": "kbit:1e3 kbps:1e3 mbit:1e6 mbps:1e6 gbit:1e9 gbps:1e9",
        "Pa": "hpa:100 kpa:1e3 bar:1e5 mbar:100 millibar:100",
        "J": "joule:1 kj:1e3 kilojoule:1e3 calorie:4184 kcal:4184 kilocalorie:4184",
        "A": "ampere:1 amp:1 milliampere:1e-3",
        "V": "v:1 volt:1 kv:1e3",
        "Hz": "hz:1 khz:1e3 mhz:1e6 ghz:1e9",
        "B": "kb:1e3 kilobyte:1e3 mb:1e6 megabyte:1e6 gb:1e9 gigabyte:1e9 tb:1e12 terabyte:1e12",
        "°": "°:1 °c:1 ℃:1 degree:1 celsius:1",
        "°F": "°f:1 fahrenheit:1",
    }.items()
    for word, _, factor in (item.partition(":") for item in scales.split())
}
CURRENCIES = ("EUR", "USD", "GBP", "JPY")
IMPERIAL = frozenset(
    "mile ft foot feet inch inches yard yd lb lbs ounce oz gallon gal pint acre".split()
)
"""Units that are converted to metric ones in round figures only."""


def unit_of(word: str) -> tuple[str, float] | None:
    """Return base unit and factor of a unit's name, in either spelling and number."""
    if word in _UNITS:
        return _UNITS[word]
    word = re.sub(r"(met|lit)er(s?)$", r"\1re\2", word)
    return _UNITS.get(word) or (
        _UNITS.get(word[:-1]) if len(word) > 3 and word[-1] == "s" else None
    )


_TOKEN = re.compile(
    r"(?P<code>\d+(?:\.\d+){2,})"
    r"|(?P<digits>(?:\d{1,3}(?:(?:[,\u202f\u00a0 ]| , )\d{3}){1,9}(?!\d)|"
    r"\d{1,3}(?:\.\d{3}){2,9}|\d+)"
    r"(?:[.,]\d+)?(?:(?<=\d)(?:st|nd|rd|th)\b)?)"
    r"|(?P<word>(?:[ckm]?m[²³]|(?![½¼¾⅓⅔])[^\W\d_])++(?:['’][^\W\d_]++)?)"
    r"|(?P<sign>°[CF]?|[½¼¾⅓⅔]|[^\s\w])"
)


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is code, digits, word or sign."""

    kind: str
    text: str
    low: str
    start: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """Split a text into numbers, words and signs."""
    return [
        Token(m.lastgroup or "", m[0], m[0].casefold(), m.start(), m.end())
        for m in _TOKEN.finditer(text)
    ]


def low_at(tokens: list[Token], place: int) -> str:
    """The text of a token in lower case; empty outside of the list."""
    return tokens[place].low if 0 <= place < len(tokens) else ""


def spelled(tokens: list[Token], place: int) -> tuple[float, int, bool] | None:
    """Read number words from here: value, next place, whether it is an ordinal."""
    total, current, at, some = 0.0, 0.0, place, False
    while at < len(tokens):
        word = tokens[at].low
        if word in SMALL and not (some and current % 100 and SMALL[word] >= 10):
            if some and current % 10 and current % 100 > 20:
                break
            current, some = current + SMALL[word], True
        elif word in ORDINALS:
            if not some:
                return ORDINALS[word], at + 1, True
            if current % 10 or current < 20:
                break
            return total + current + ORDINALS[word], at + 1, True
        elif word in ("hundred", "dozen") and (some or low_at(tokens, at - 1) in ("a", "the")):
            current, some = (current or 1.0) * SCALES[word], True
        elif word in ("thousand", "million", "billion") and (
            some or low_at(tokens, at - 1) in ("a", "one")
        ):
            total, current, some = total + (current or 1.0) * SCALES[word], 0.0, True
        elif not (
            some
            and (word == "-" or (word == "and" and (current >= 100 or total)))
            and (low_at(tokens, at + 1) in SMALL or low_at(tokens, at + 1) in ORDINALS)
        ):
            break
        at += 1
    return (total + current, at, False) if some else None


def decimal(digits: str) -> tuple[float, float | None]:
    """The value, and another where a point may be a separator of thousands (1.000)."""
    plain = re.sub(r"[^\d.,]", "", digits)  # of "45 , 000", as some corpora have it, and of "10th"
    other: float | None = None
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", plain):
        plain = plain.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?", plain):
        whole = plain.replace(".", "").replace(",", ".")
        if plain.count(".") > 1:
            plain = whole
        else:
            other = float(whole)
    plain = plain.replace(",", ".")
    return (float(plain) if plain.count(".") <= 1 else float(re.sub(r"\D", "", plain))), other


_UP = r"(?:more|larger|longer|later|greater|higher|older|heavier|taller|bigger)"
_DOWN = r"(?:less|fewer|smaller|shorter|earlier|lower|younger|lighter)"
_MORE = re.compile(
    r"(?:\bat (?:the (?:very )?)?least|\bminimum(?: (?:\w+ )?(?:of|is))?|\bover|\babove|"
    r"(?<!not )(?<!never )(?<!n't )(?<!cannot )\bexceed\w*|"
    rf"(?<!\bno )(?<!\bnot )(?<!\bnot be )\b{_UP} than|\bno(?:t)? {_DOWN} than|"
    r"\bmin\.|>)\s*(?:€|\$|£)?\s*$"
)
_LESS = re.compile(
    r"(?:\bat (?:the (?:very )?)?most|\bmaximum(?: (?:\w+ )?(?:of|is))?|\bunder|\bbelow|\bup to|"
    r"\bwithin|\b(?:not|never|cannot|n't) exceed\w*|"
    rf"(?<!\bno )(?<!\bnot )\b{_DOWN} than|\bno(?:t)? (?:be )?{_UP} than|"
    r"\b(?:capped|limited) (?:at|to)|\bmax\.|<)\s*(?:€|\$|£)?\s*$"
)
_MORE_AFTER = re.compile(
    r"\s*(?:\w+\s)?(?:\w+\s)?(?:(?:or|and) (?:more|above|over|older|longer)|at (?:the )?least|"
    r"minimum)\b|\+"
)
_LESS_AFTER = re.compile(
    r"\s*(?:\w+\s)?(?:\w+\s)?(?:(?:or|and) (?:less|fewer|below|under|younger)|at (?:the )?most|"
    r"maximum)\b"
)
_ABOUT = re.compile(
    r"\b(?:about|around|roughly|approximately|nearly|almost|circa|some)\s*[€$£]?\s*$"
)

_LARGEST = 1e100
"""A number of hundreds of digits counts as this: infinity cannot be rounded."""


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
    per: str = ""
    about: bool = False
    asked: bool = True
    span: tuple[float, float] | None = None
    other: float | None = None
    raw: float | None = None


def things_at(tokens: list[Token], place: int) -> frozenset[str]:
    """The stems of the next words up to a function word: what is counted."""
    if low_at(tokens, place) == "of" and low_at(tokens, place + 1) in ("which", "whom", "them"):
        # "64 rooms, 12 of which are suites" counts 12 suites.
        place += 3
    elif low_at(tokens, place) == "of":
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


def made(
    text: str, value: float, kind: str, things: frozenset[str], start: int, end: int
) -> Quantity:
    """Make a quantity, with the bound that the words around it give."""
    left = text[max(0, start - 30) : start].casefold()
    right = text[end : end + 30].casefold()
    bound = ""
    if _MORE.search(left) or _MORE_AFTER.match(right):
        bound = ">"
    elif _LESS.search(left) or _LESS_AFTER.match(right):
        bound = "<"
    value = max(-_LARGEST, min(_LARGEST, value))
    return Quantity(
        value,
        kind,
        things,
        start,
        end,
        text[start:end],
        bound,
        about=bool(_ABOUT.search(left)),
    )


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
_LABELS = frozenset(
    """
    version v no number nr room gate page chapter section line platform step level extension
    firmware release model type class part phase article zone unit track lane table figure
    appendix building hall floor row terminal bus route tram
    """.split()
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
    if token.low in SIGNS:
        return SIGNS[token.low], place + 1
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
    if low_at(tokens, at) in SIGNS:
        value, end, at = value + SIGNS[low_at(tokens, at)], tokens[at].end, at + 1
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
    built = made(text, -value * factor if signed else value * factor, kind, things, start, end)
    lone = value == 1 and tokens[first].low == "one" and not unit
    # Two people need no number in the evidence: they may be named there one by one.
    lone |= value < 5 and not things.isdisjoint(_PERSONS) and tokens[first].kind == "word"
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


def _loose(text: str, tokens: list[Token], place: int) -> bool:
    """Tell whether a hyphen is a sign: nothing before it, a digit right after."""
    at = tokens[place]
    return text[at.end : at.end + 1].isdigit() and (at.start == 0 or text[at.start - 1] in " (\n:")


_NUMBER = rf"\d+(?:[.,]\d+)?|{'|'.join([*SMALL][2:])}"
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
_TIMES_HINT = re.compile(r"oubl|wice|tripl|trebl|fold|quadr|halv|half|times", re.IGNORECASE)
_FACTORS = {"double": 2.0, "triple": 3.0, "quadruple": 4.0, "tenfold": 10.0, "halved": 0.5}
FACTOR = "times"
"""The kind of "twice as much"."""


def factors(text: str) -> Iterator[Quantity]:
    """Yield how many times as much."""
    if not _TIMES_HINT.search(text):
        return
    for match in _TIMES.finditer(text):
        name = next((name for name in _FACTORS if match[name]), "")
        value = _FACTORS[name] if name else _value(match["n"])
        if value:
            shown = match[0].strip()
            yield Quantity(value, FACTOR, frozenset(), match.start(), match.end(), shown)


def _value(text: str) -> float:
    text = text.strip()
    if text.casefold() == "one and a half":
        return 1.5
    if text[0].isdigit():
        return decimal(text)[0]
    read = spelled(tokens_of(text), 0)
    return read[0] if read else 0.0


_DIGIT = re.compile(r"[\d½¼¾⅓⅔]")
_LETTERS = re.compile(r"[a-z]+")
_NUMBER_WORDS = frozenset((*SMALL, *ORDINALS, *SCALES, *FRACTIONS))
_JOINED = re.compile(r"\s*(?:to|and|-|–|—|or|bis|à|a)\s*+[€$£]?\s*+$")
_OF = re.compile(
    r"\s*(?:\w+\s)?(?:out\s)?(?:of|in|from)\s(?:the\s|every\s|all\s|its\s|their\s|our\s|his\s|her\s|"
    r"these\s|those\s)?(?:first\s)?"
)
_OF_THEM = re.compile(r"\s(?:of|from among|among)\s(?:them|these|those|which|whom)\b")
_AMONG = re.compile(r"\b(?:of|among|from)\s(?:the\s|all\s|its\s|their\s|our\s)*$", re.IGNORECASE)
_COMPOUND = re.compile(r"\s?(?:and\s)?")
_ROUND = re.compile(r"million|billion|trillion|\bbn\b|\bmn\b|\bm\b", re.IGNORECASE)
_ROUGHLY = 0.05
_CONVERTED = 0.02
_DEGREES = 0.6


@lru_cache(maxsize=2048)
def quantities(text: str) -> tuple[Quantity, ...]:
    """The quantities of a text in order; dates are to be blanked before.

    >>> [(q.value, q.kind) for q in quantities("1.5 km, two thirds of the men")][0]
    (1500.0, 'm')
    """
    # Most sentences have no number, which one look tells.
    low = text.casefold()
    if not _DIGIT.search(low) and _NUMBER_WORDS.isdisjoint(_LETTERS.findall(low)):
        return tuple(factors(text))
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
    found = _compounds(text, _ranges(text, found))
    return (*_ratios(text, found), *factors(text))


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
            last
            and last.kind == one.kind
            and one.kind in ("s", "m", "g", "month")
            and not last.span
            and last.value > one.value
            and not one.bound
            and _unit_word(last) != _unit_word(one)
            and _COMPOUND.fullmatch(text[last.end : one.start])
        ):
            shown = text[last.start : one.end]
            joined[-1] = replace(
                last, value=last.value + one.value, end=one.end, shown=shown, asked=True
            )
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
        math.isclose(a, b, rel_tol=limit, abs_tol=_share_limit(claim, said))
        for a in mine
        for b in theirs
    ) or _rounded(claim, said)


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


_WRITTEN = re.compile(r"(?<![\w.])\d++(?:[.,\u202f  ]\d{3})*(?:[.,]\d++)?(?![\w]*\d)")
_SCALE = re.compile(r"\s?(thousand|mn|million|bn|billion)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")


def numbers(text: str) -> frozenset[str]:
    """The numbers that a text states, as plain decimals: ``1,000`` and ``1000`` are equal.

    Words from zero to twenty and the tens count; "one" alone does not, it is mostly a pronoun.

    >>> sorted(numbers("1,000 of them, or twenty"))
    ['1000', '20']
    """
    found = set()
    for match in _WRITTEN.finditer(text):
        value = decimal(match[0])[0]
        scale = _SCALE.match(text, match.end())
        if scale:
            value *= SCALES[scale[1].casefold()]
        found.add(f"{value:.10g}")
    for word in _WORD.findall(text.casefold()):
        if word in SMALL and word != "one":
            found.add(f"{SMALL[word]:.10g}")
    return frozenset(found)
