"""Values that are given by their distance to others: "ten years later", "40 more than Ashby".

What is worked out stands where the distance stands, and what it is said of is there too: "founded
in 1901, ten years before the theatre" says 1911 of the theatre.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache

from rag.ground.quantities import quantities
from rag.ground.quantity import Quantity
from rag.text.dates import Moment, blanked, made_of, moments

_LATER = re.compile(
    r"\s(?:(?P<plus>later|afterwards?|thereafter|after that|after this|on\b(?!\s(?:the|a)\b))\b"
    r"|(?P<minus>earlier|previously|before that|before this|beforehand|prior)\b(?!\sthan)"
    r"|(?P<after>after|later than|from)\s|(?P<before>before|earlier than|prior to)\s)",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"\s(?:\w+\s)?(?P<word>more|higher|larger|longer|taller|older|heavier|greater|bigger|faster|above|"
    r"fewer|less|lower|smaller|shorter|younger|lighter|slower|below|cheaper)\b(?:\s(?!than\b)\w+)?(?P<than>\sthan\s)?",
    re.IGNORECASE,
)
_LESS = frozenset("fewer less lower smaller shorter younger lighter slower below cheaper".split())
_END = re.compile(r"[,;.](?:\s|$)")
_LASTED = re.compile(r"\b(?:lasted|lasts|took|takes)\s$")
_BORN = re.compile(r"\bborn\b[^.;]{0,60}?\b(1\d{3}|20\d\d)\b")
_AGE = re.compile(r"\b(?:at the age of|at age|aged) (\d{1,3})\b")
_DAY_ALONE = re.compile(
    r"\b(?:on|by|until|to|from|since|before|after) the (\d{1,2})(?:st|nd|rd|th)\b"
    r"(?=[.,;)]|$|\s(?:and|at|but|to)\b)"
)
_DAY = 86400.0


@lru_cache(maxsize=256)
def derived_moments(units: tuple[str, ...]) -> tuple[tuple[int, Moment], ...]:
    """Return the moments that durations give, each with the sentence that it stands in."""
    found: list[tuple[int, Moment]] = []
    for index, unit in enumerate(units):
        for alone in _DAY_ALONE.finditer(unit):
            # "Approved on 21 December, given on the 27th".
            base = next((m for m in reversed(moments(unit)) if m.end <= alone.start()
                         and not m.span and m.get("day")), None)  # fmt: skip
            if base and 1 <= int(alone[1]) <= 31:
                fields = {n: (low, high) for n, low, high in base.fields if n in ("month", "year")}
                fields["day"] = (int(alone[1]), int(alone[1]))
                found.append((index, made_of(fields, alone.start(1), alone.end(), alone[0])))
        found += [(index, moment) for moment in _at_age(unit)]
        for lasting in quantities(blanked(unit)):
            if lasting.kind not in ("s", "month") or lasting.span:
                continue
            match = _LATER.match(unit, lasting.end)
            if not match and _LASTED.search(unit, max(0, lasting.start - 8), lasting.start):
                found += [(index, m) for m in _ends(unit, lasting)]
            if match:
                earlier = units[index - 1] if index else ""
                found += [(index, m) for m in _moments(unit, lasting, match, earlier)]
    return tuple(found)


def _ends(unit: str, lasting: Quantity) -> Iterator[Moment]:
    """Yield the end of what began at a time that the sentence gives and lasted so long."""
    base = next((m for m in moments(unit) if m.end <= lasting.start and not m.span), None)
    moved = _moved(base, lasting, 1) if base else {}
    if moved:
        yield made_of(moved, lasting.start, lasting.end, unit[lasting.start : lasting.end])


def _at_age(unit: str) -> Iterator[Moment]:
    """Yield the years in which somebody born in a year is of an age that the sentence gives."""
    born = _BORN.search(unit)
    for match in _AGE.finditer(unit):
        year = int(born[1]) + int(match[1]) if born else 0
        for reached in (year, year + 1) if year else ():
            yield made_of({"year": (reached, reached)}, match.start(1), match.end(), match[0])


def _moments(unit: str, lasting: Quantity, match: re.Match[str], earlier: str) -> Iterator[Moment]:
    here = [m for m in moments(unit) if not m.span]
    before = [m for m in here if m.end <= lasting.start]
    sign = 1 if match["plus"] or match["after"] else -1
    if match["plus"] or match["minus"]:
        bases = before or [m for m in moments(earlier) if not m.span]
        place = (lasting.start, match.end())
        base = bases[-1] if bases else None
    else:
        stop = _END.search(unit, match.end())
        end = stop.start() if stop else len(unit)
        inside = [m for m in here if match.end() <= m.start and m.end <= end]
        if inside:
            base, place = inside[0], (lasting.start, lasting.end)
        else:
            # "A in 1901, ten years before B": it is B's date that is worked out.
            base, place, sign = (before[-1] if before else None), (match.end(), end), -sign
    if base:
        moved = _moved(base, lasting, sign)
        if moved:
            yield made_of(moved, place[0], place[1], unit[lasting.start : lasting.end])


def _moved(base: Moment, lasting: Quantity, sign: int) -> dict[str, tuple[int, int]]:
    fields = {name: (low, high) for name, low, high in base.fields}
    year, month, day = (fields.get(name) for name in ("year", "month", "day"))
    amount = sign * lasting.value
    if lasting.kind == "month":
        months = round(amount)
        if year and not month and not months % 12:
            return {"year": (year[0] + months // 12, year[1] + months // 12)}
        if month and month[0] == month[1]:
            count = (year[0] if year else 2000) * 12 + month[0] - 1 + months
            moved = {"month": (count % 12 + 1,) * 2}
            moved |= {"year": (count // 12,) * 2} if year else {}
            return moved | ({"day": day} if day else {})
        return {}
    if month and day and day[0] == day[1] and abs(amount) >= _DAY:
        try:
            there = date(year[0] if year else 2001, month[0], day[0])
            there += timedelta(days=round(amount / _DAY))
        except (ValueError, OverflowError):
            return {}
        moved = {"month": (there.month,) * 2, "day": (there.day,) * 2}
        return moved | ({"year": (there.year,) * 2} if year else {})
    weekday, minute = fields.get("weekday"), fields.get("minute")
    if weekday and weekday[0] == weekday[1] and abs(amount) >= _DAY:
        return {"weekday": ((weekday[0] + round(amount / _DAY)) % 7,) * 2}
    if minute and abs(amount) < _DAY:
        return {"minute": ((minute[0] + round(amount / 60)) % 1440,) * 2}
    return {}


@lru_cache(maxsize=256)
def derived_quantities(units: tuple[str, ...]) -> tuple[tuple[int, Quantity], ...]:
    """Return the numbers that comparisons give, each with the sentence that it stands in."""
    found: list[tuple[int, Quantity]] = []
    for index, unit in enumerate(units):
        bare = blanked(unit)
        here = quantities(bare)
        for step in here:
            match = _MORE.match(bare, step.end) if step.asked or step.value == 1 else None
            if not match or step.kind in ("th", "#", "code", "%"):
                continue
            sign = -1 if match["word"].casefold() in _LESS else 1
            bases = [q for q in here if q.end <= step.start and q.kind == step.kind and q.asked]
            if bases and match["than"]:
                stop = _END.search(bare, match.end())
                place = (match.end(), stop.start() if stop else len(bare))
                found.append((index, _shifted(bases[-1], -sign * step.value, place)))
                continue
            near = quantities(blanked(units[index - 1])) if index else ()
            bases = bases or [q for q in near if q.kind == step.kind and q.asked]
            if bases:
                place = (step.start, match.end())
                found.append((index, _shifted(bases[-1], sign * step.value, place)))
    return tuple(found)


def _shifted(base: Quantity, by: float, place: tuple[int, int]) -> Quantity:
    value = base.value + by
    return replace(
        base, value=value, start=place[0], end=place[1], shown=f"{value:g}", bound="", role="",
        span=None, other=None,
    )  # fmt: skip


def distances(found: Sequence[Moment]) -> Iterator[tuple[str, float]]:
    """Yield how far dates lie apart: unit ("s" or "month") and amount."""
    for place, one in enumerate(found):
        for two in found[place + 1 :]:
            years, other = one.get("year"), two.get("year")
            months, later = one.get("month"), two.get("month")
            days, end = one.get("day"), two.get("day")
            if years and other and not (months and later):
                yield "month", 12.0 * abs(years[0] - other[0])
            elif months and later and (bool(years) == bool(other)):
                start = years[0] if years else 2001
                stop = other[0] if other else 2001
                yield "month", float(abs((stop - start) * 12 + later[0] - months[0]))
                if days and end:
                    try:
                        gap = date(stop, later[0], end[0]) - date(start, months[0], days[0])
                    except ValueError:
                        continue
                    yield "s", abs(gap.days) * _DAY
                    # From 1 January to 31 December: both days counted.
                    yield "s", (abs(gap.days) + 1) * _DAY
                    after = date(stop, later[0], end[0]) + timedelta(days=1)
                    if after.day == days[0]:
                        yield "month", float((after.year - start) * 12 + after.month - months[0])
            weekday, to = one.get("weekday"), two.get("weekday")
            if weekday and to:
                yield "s", ((to[0] - weekday[0]) % 7) * _DAY
            minute, until = one.get("minute"), two.get("minute")
            if minute and until:
                yield "s", abs(until[0] - minute[0]) * 60.0
