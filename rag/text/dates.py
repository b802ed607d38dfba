"""Dates and times of a text as ranges of fields, so that any two ways to write one are equal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from rag.text.words import DAYS, ENGLISH_MONTHS, MONTHS, ORDINALS, SMALL

_HOURS = [*SMALL][1:13]
_CENTURIES = {**ORDINALS, "twenty-first": 21}
_DECADES = {word[:-1] + "ies": value for word, value in SMALL.items() if value >= 20}
_M = "|".join(sorted((re.escape(name) for name in MONTHS), key=len, reverse=True))
_Y = r"1[0-9]\d\d|20\d\d|21\d\d"
_D = r"[12]\d|3[01]|0?[1-9]"
_N = "|".join(_CENTURIES)
_AP = r"a\.?\s?m\b\.?|p\.?\s?m\b\.?|in\sthe\s(?:morning|afternoon|evening)\b|at\snight\b"
_MIN = r"(?:five|ten|twenty(?:[\s-]five)?|[1-5]?\d)"
_MIN_WORD = r"(?:five|ten|twenty(?:[\s-]five)?)"
MOMENT = re.compile(
    # No date begins with another word: one look at it, instead of one for each kind.
    rf"(?<![^\W_])(?=['’\d]|(?:{_M}|{_N}|q[1-4]|the|nineteen|twenty|half|a|quarter|noon|mid(?:day|night)|"
    rf"weekday|weekend|working|business|every|daily|seven|(?:mon|tue|wed|thu|fri|sat|sun)|"
    rf"{'|'.join(_HOURS)}))(?:(?P<iso>\b(?P<iy>{_Y})-(?P<im>0[1-9]|1[0-2])-(?P<id>[0-3]\d)\b)"
    rf"|(?P<num>\b(?P<na>\d\d?)(?P<sep>[/.])(?P<nb>\d\d?)(?P=sep)(?P<ny>{_Y}|\d\d)\b(?![./]\d))"
    rf"|(?P<dm>(?<![\w-])(?:(?P<d0>{_D})(?:st|nd|rd|th|\.)?\s?(?:to|and|bis|-|–)\s?(?:the\s)?)?(?P<d1>{_D})(?:st|nd|rd|th|\.|º)?(?:\s(?:of|de))?\s(?P<m1>{_M})\b\.?"
    rf"(?:,?\s(?:of\s|de\s)?(?P<y1>{_Y}))?)"
    rf"|(?P<md>\b(?P<m2>{_M})\b\.?\s(?:the\s)?(?:(?P<d3>{_D})\s?(?:to|-|–)\s?)?(?P<d2>{_D})(?:st|nd|rd|th)?\b(?![:.]\d|\s?(?:am|pm)\b)"
    rf"(?:,?\s(?P<y2>{_Y}))?)"
    rf"|(?P<my>\b(?P<m3>{_M})\b\.?(?:,?\s(?:of\s|de\s)?(?P<y3>{_Y})\b)?)"
    rf"|(?P<qy>\b(?:q(?P<q1>[1-4])|(?P<q2>first|second|third|fourth|[1-4](?:st|nd|rd|th))\s"
    rf"(?:calendar\s|fiscal\s|financial\s)?quarter)\b(?:,?\s(?:of\s)?(?:the\s)?(?:fiscal\s)?"
    rf"(?:year\s)?(?P<y4>{_Y})\b)?)"
    rf"|(?P<century>\b(?P<c>\d\d?(?:st|nd|rd|th)|{_N})[\s-]century\b)"
    rf"|(?P<decade>\b(?P<dy>1\d\d0|20\d0)(?:\s?['’]\s?)?s\b|['’](?P<ds>[2-9]0)s\b"
    rf"|\b(?:the|nineteen|twenty)[\s-](?P<dw>{'|'.join(_DECADES)})\b)"
    rf"|(?P<past>\b(?P<pw>half|(?:a\s)?quarter|{_MIN}(?:\sminutes)?(?=\spast\s)|"
    rf"(?<=at\s){_MIN_WORD}(?=\sto\s)|{_MIN}\sminutes(?=\sto\s))\s(?P<pt>past|to)\s"
    rf"(?P<ph>\d\d?|{'|'.join(_HOURS)})\b(?!\s?%|\s\w+s\b)"
    rf"\s?(?P<ap3>{_AP})?)"
    rf"|(?P<clock>\b(?P<h1>[01]?\d|2[0-4])(?:[:h]|\.(?=\d\d\s?(?:{_AP}|uhr\b|hrs\b)))(?P<mi>[0-5]\d)(?!\d)\s?(?P<ap1>{_AP})?)"
    rf"|(?P<hour>\b(?P<h2>1[0-2]|[1-9])\s?(?P<ap2>{_AP}))"
    rf"|(?P<oclock>\b(?P<h3>[1-9]|1[0-2]|{'|'.join(_HOURS)})\so['’]clock)"
    r"|(?P<uhr>\b(?P<h4>2[0-3]|1\d|\d)\suhr\b)"
    r"|(?P<noon>\b(?:noon|midday)\b)|(?P<midnight>\bmidnight\b)"
    r"|(?P<weekday>\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:mon|tue|tues|wed|thu|thur|"
    r"thurs|fri|sat|sun)\b\.?(?=\s?(?:to\b|-|–|and\b|,|:|\d)))"
    r"|(?P<week>\b(?:weekdays?|working days|business days|weekends?|every day|daily|"
    r"seven days a week)\b)"
    rf"|(?P<year>(?<![\d.,/:$€£-])\b(?P<yy>{_Y})\b(?![.,]\d|\s?[%€$£°]|-\w|/)))",
    re.IGNORECASE,
)
NO_MONTH = frozenset(("may", "mar", "mars", "sep", "march", "enero", "mai"))
COUNTED = re.compile(
    r"[\s-]+(?!(?:was|is|has|as|this|its|plus|us)\b)(?:[^\W\d_]+s|people|men|women|children)\b",
    re.IGNORECASE,
)
DATED = re.compile(
    r"\b(?:in|since|of|from|until|till|by|to|and|between|during|before|after|early|late|mid)[\s-]$",
    re.IGNORECASE,
)
IN = re.compile(
    r"\b(?:in|of|since|until|by|every|last|next|to|from|early|late|mid)[\s-]$", re.IGNORECASE
)
JOIN = re.compile(r"\s?(?:to|until|till|through|-|–|—|and|bis|al?)\s?(?:the\s)?$", re.IGNORECASE)


def minutes_of(word: str) -> int:
    """Return how many minutes "half", "a quarter" or "twenty-five" past the hour are."""
    words = re.split(r"[\s-]", word.removeprefix("a ").removesuffix(" minutes"))
    named = {"half": 30, "quarter": 15, "five": 5, "ten": 10, "twenty": 20}
    return sum(int(w) if w.isdigit() else named[w] for w in words)


Range = tuple[int, int]
Fields = dict[str, Range]

SOFT = frozenset(("season", "part"))
"""Fields that agree where they overlap, and that a claim need not prove."""

_SEASONS = {"spring": 1, "summer": 2, "autumn": 3, "fall": 3, "winter": 4}
_PARTS = {"dawn": 1, "morning": 1, "mornings": 1, "breakfast": 1, "afternoon": 2, "afternoons": 2,
          "evening": 3, "evenings": 3, "night": 4, "nights": 4, "overnight": 4}  # fmt: skip
_PERIOD = re.compile(
    r"\b(?:(?P<season>(?:(?<=in )|(?<=the )|(?<=of )|(?<=last )|(?<=next )|(?<=this )|(?<=by )|"
    r"(?<=early )|(?<=late )|(?<=since )|(?<=until )|(?<=each )|(?<=every ))(?:spring|summer|"
    r"autumn|"
    r"winter|(?<=the )fall)(?!\s?(?:water|break))|(?:spring|summer|autumn|winter|"
    r"fall)(?=\s(?:of\s)?"
    r"(?:19|20)\d\d\b))(?:\s(?:of\s)?(?P<year>(?:19|20)\d\d)\b)?"
    r"|(?:(?<=the )|(?<=every )|(?<=each )|(?<=this )|(?<=next )|(?<=previous ))(?P<part>mornings?|"
    r"afternoons?|evenings?)\b|(?:(?<=at )|(?<=by )|(?<=the ))(?P<late>nights?|dawn)\b|"
    r"(?P<over>overnight)\b)",
    re.IGNORECASE,
)
_HINT = re.compile(
    r"spring|summer|autumn|winter|fall|noon|morning|evening|night|dawn", re.IGNORECASE
)


def periods(text: str) -> Iterator[tuple[Fields, int, int]]:
    """Yield the seasons and parts of days of a text, with where they stand."""
    for match in _PERIOD.finditer(text) if _HINT.search(text) else ():
        if match["season"]:
            number = _SEASONS[match["season"].casefold()]
            fields: Fields = {"season": (number, number)}
            if match["year"]:
                fields["year"] = (int(match["year"]),) * 2
        else:
            word = (match["part"] or match["late"] or match["over"]).casefold()
            fields = {"part": (_PARTS[word], _PARTS[word])}
        yield fields, match.start(), match.end()


def season_of(month: int) -> Range:
    """The seasons that a month of the northern year can be in."""
    return {3: (1, 4), 6: (1, 2), 9: (2, 3), 12: (3, 4)}.get(month, ((month % 12) // 3 or 4,) * 2)


def part_of(minute: int) -> Range:
    """The parts of the day that a time can be in."""
    limits = ((300, (4, 4)), (720, (1, 1)), (1020, (2, 2)), (1140, (2, 3)), (1260, (3, 3)))
    return next((part for limit, part in limits if minute < limit), (3, 4))


_TIMES = frozenset("clock ap1 mi past ap3 ph hour ap2 oclock uhr h4 noon midnight".split())


@dataclass(frozen=True, slots=True)
class Moment:
    """``fields`` are (name, low, high); ``span`` says that it is a range with all between."""

    fields: tuple[tuple[str, int, int], ...]
    start: int
    end: int
    shown: str
    span: bool = False

    def get(self, name: str) -> Range | None:
        """The range of a field."""
        return next(((low, high) for key, low, high in self.fields if key == name), None)


@lru_cache(maxsize=2048)
def moments(text: str) -> tuple[Moment, ...]:
    """The dates and times of a text; ranges come after their ends."""
    found: list[Moment] = []
    for match in MOMENT.finditer(text):
        first_day = match["d0"] or match["d3"]
        for number, fields in enumerate(_fields(match, text)):
            packed = _packed(fields if first_day else _softened(fields))
            # The first day of "4 to 8 May" is a moment of its own; other readings share a place.
            end = match.end() - (1 if number and first_day else 0)
            found.append(
                Moment(
                    packed,
                    match.start(),
                    end,
                    match[0].strip(),
                    match["week"] is not None,
                )
            )
    soft = [made_of(f, start, end, text[start:end]) for f, start, end in periods(text)]
    # "Autumn 2020" is one moment: its year alone says less.
    found = [m for m in found if not any(s.start <= m.start and m.end <= s.end for s in soft)]
    return (*found, *soft, *_spans(text, found))


def made_of(fields: Fields, start: int, end: int, shown: str) -> Moment:
    """Make a moment of fields."""
    return Moment(_packed(fields), start, end, shown)


def _packed(fields: Fields) -> tuple[tuple[str, int, int], ...]:
    return tuple(sorted((name, low, high) for name, (low, high) in fields.items()))


def _softened(fields: Fields) -> Fields:
    """Add the season of a month and the part of the day of a time."""
    month, minute = fields.get("month"), fields.get("minute")
    if month and month[0] == month[1]:
        return fields | {"season": season_of(month[0])}
    if minute:
        return fields | {"part": part_of(minute[0])}
    return fields


@lru_cache(maxsize=2048)
def blanked(text: str) -> str:
    """The text with its dates and times blanked out, of the same length.

    >>> blanked("on 3 May at 9 am").split()
    ['on', 'at']
    """
    for moment in moments(text):
        if not moment.span:
            gap = " " * (moment.end - moment.start)
            text = text[: moment.start] + gap + text[moment.end :]
    return text


def _fields(match: re.Match[str], text: str) -> Iterable[Fields]:
    """The readings of one match: 03/04/2024 has two."""
    kind = match.lastgroup
    got = match.groupdict()
    if got["iso"]:
        yield _date(int(got["iy"]), int(got["im"]), int(got["id"]))
    elif got["num"]:
        year = int(got["ny"]) + (2000 if len(got["ny"]) == 2 else 0)
        first, second = int(got["na"]), int(got["nb"])
        if 1 <= second <= 12 and 1 <= first <= 31:
            yield _date(year, second, first)
        if got["sep"] == "/" and first != second and 1 <= first <= 12 and 1 <= second <= 31:
            yield _date(year, first, second)
    elif got["dm"] or got["md"]:
        month = MONTHS.get((got["m1"] or got["m2"]).casefold())
        year_ = got["y1"] or got["y2"]
        verb = (got["m1"] or got["m2"]) in ("may", "mar", "march") and not year_
        for day in (got["d1"] or got["d2"], got["d0"] or got["d3"]):
            if month and day and not verb:
                yield _date(int(year_) if year_ else None, month, int(day))
    elif got["my"]:
        word = got["m3"].casefold()
        month = MONTHS.get(word)
        plain = word in NO_MONTH and (not got["m3"][0].isupper() or not match.start())
        short = len(word) <= 4 and word not in ("june", "july", "juin", "juli")
        if month and (got["y3"] or not (plain or (short and not got["m3"][0].isupper()))):
            if word in ("may", "mai") and not got["y3"] and not _after_in(text, match.start()):
                return
            yield _date(int(got["y3"]) if got["y3"] else None, month, None)
    elif got["qy"]:
        quarter = got["q1"] or got["q2"].casefold()
        number = int(quarter[0]) if quarter[0].isdigit() else ORDINALS[quarter]
        fields: Fields = {"quarter": (number, number), "month": (3 * number - 2, 3 * number)}
        yield fields | ({"year": (int(got["y4"]),) * 2} if got["y4"] else {})
    elif got["century"]:
        word = got["c"].casefold()
        number = _CENTURIES.get(word) or int(re.sub(r"\D", "", word) or 0)
        yield {"year": (100 * number - 100, 100 * number - 1)}
    elif got["decade"]:
        base = int(got["dy"] or 0)
        base = base or 1900 + int(got["ds"] or 0) + _DECADES.get((got["dw"] or "").casefold(), 0)
        yield {"year": (base, base + 9)}
    elif kind in _TIMES:
        yield from _time(got)
    elif got["weekday"]:
        word = got["weekday"].casefold().rstrip(".")
        if word in ("sat", "sun") and not got["weekday"][0].isupper():
            return
        day = next(n for n, name in enumerate(DAYS) if name.startswith(word[:3]))
        yield {"weekday": (day, day)}
    elif got["week"]:
        word = got["week"].casefold()
        if word.startswith("weekend"):
            yield {"weekday": (5, 6)}
        else:
            yield {
                "weekday": (0, 6) if word in ("daily", "every day") or "seven" in word else (0, 4)
            }
    elif got["year"] and (
        not COUNTED.match(text, match.end()) or DATED.search(text[: match.start()][-9:])
    ):
        yield {"year": (int(got["yy"]), int(got["yy"]))}


def _after_in(text: str, start: int) -> bool:
    before = text[max(0, start - 8) : start]
    return bool(IN.search(before))


def _time(got: dict[str, str | None]) -> Iterable[Fields]:
    if got["noon"] or got["midnight"]:
        minute = 720 if got["noon"] else 0
        yield {"minute": (minute, minute)}
        return
    hour = got["h1"] or got["h2"] or got["h3"] or got["ph"] or got["h4"] or "0"
    number = int(hour) if hour.isdigit() else SMALL[hour.casefold()]
    named = (got["ap1"] or got["ap2"] or got["ap3"] or "").casefold()
    half = (
        "a"
        if named.endswith("morning")
        else named[:1] and ("a" if named[0] == "a" and not named.startswith("at") else "p")
    )
    if half and number <= 12:
        number = number % 12 + (12 if half == "p" else 0)
    minute = (number % 24) * 60 + int(got["mi"] or 0)
    if got["past"]:
        part = minutes_of((got["pw"] or "").casefold())
        minute = (minute + (part if (got["pt"] or "").casefold() == "past" else -part)) % 1440
    yield {"minute": (minute, minute)}
    if got["oclock"] or (got["past"] and not half):
        yield {"minute": ((minute + 720) % 1440,) * 2}


def _date(year: int | None, month: int, day: int | None) -> Fields:
    fields: Fields = {"month": (month, month)}
    if year is not None:
        fields["year"] = (year, year)
        fields["quarter"] = ((month + 2) // 3,) * 2
    if day is not None:
        fields["day"] = (day, day)
    return fields


def _spans(text: str, found: list[Moment]) -> list[Moment]:
    """Make ranges of neighbours that are joined by "to" and the like."""
    made: list[Moment] = []
    for one, two in pairwise(found):
        between = text[one.end : two.start]
        if not JOIN.fullmatch(between):
            continue
        before = text[max(0, one.start - 9) : one.start].casefold()
        if "and" in between.casefold() and "between" not in before:
            continue
        shared = [name for name in ("year", "month", "weekday", "minute") if one.get(name)]
        name = next((name for name in shared if two.get(name)), "")
        low, high = one.get(name), two.get(name)
        if low and high and low[0] <= high[1] and not one.get("day") and not two.get("day"):
            shown = text[one.start : two.end]
            made.append(Moment(((name, low[0], high[1]),), one.start, two.end, shown, True))
    return made


def says(claim: Moment, said: Moment) -> bool:
    """Tell whether the evidence's moment is the claim's, as far as both state it."""
    shared = False
    for name, low, high in claim.fields:
        there = said.get(name)
        if there is None:
            continue
        inside = (
            low <= there[1] and there[0] <= high
            if name in SOFT
            else low <= there[0] and there[1] <= high
        )
        if not inside and not (said.span and there[0] <= low and high <= there[1]):
            return False
        shared = shared or name != "quarter" or claim.get("month") is None
    return shared


def conflicting(claim: Moment, said: Moment) -> bool:
    """Tell whether two moments cannot be the same: they share a field and differ in it.

    A decade and a year are no rivals: whoever gives one of them does not mean the other.
    """
    shared = [(name, low, high, said.get(name)) for name, low, high in claim.fields]
    differs = False
    for name, low, high, there in shared:
        if there is None:
            continue
        if name == "year" and high - low != there[1] - there[0]:
            return False
        differs = differs or there[1] < low or high < there[0]
    return differs


def missing(claim: Moment, said: Iterable[Moment]) -> list[str]:
    """The fields of a claim's moment that no moment of the evidence can be."""
    everything = tuple(said)
    gone = []
    for name, low, high in claim.fields:
        field = replace(claim, fields=((name, low, high),))
        follows = name == "quarter" and claim.get("month")
        if name not in SOFT and not follows and not any(says(field, other) for other in everything):
            gone.append(name)
    return gone


def month_name(moment: Moment) -> str:
    """The English name of a moment's month."""
    month = moment.get("month")
    alone = month and month[0] == month[1] and 1 <= month[0] <= 12
    return ENGLISH_MONTHS[month[0] - 1] if month and alone else ""


def months(text: str) -> frozenset[int]:
    """The months that a text names, 1 to 12; "may" only where a day or year is beside it."""
    found = set()
    for match in re.finditer(r"[^\W\d_]+", text.casefold()):
        number = MONTHS.get(match[0])
        if number and (
            match[0] not in ("may", "mar", "sep", "mars")
            or re.search(r"\d", text[max(0, match.start() - 4) : match.end() + 5])
        ):
            found.add(number)
    return frozenset(found)
