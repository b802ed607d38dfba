"""Parts of a day, a year or a decade: mornings, seasons, "early", "mid-", "the end of".

Their limits are not sharp, so that two of them agree where they overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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
_BEFORE = re.compile(
    r"\b(?:(?P<early>early|(?P<start>beginning|start) of)|(?P<mid>mid|middle of)|"
    r"(?P<late>late|(?P<end>end|close) of)|(?P<half>first|second) half of)[\s-](?:the\s|year\s)*$",
    re.IGNORECASE,
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
    """Return the seasons that a month of the northern year can be in."""
    return {3: (1, 4), 6: (1, 2), 9: (2, 3), 12: (3, 4)}.get(month, ((month % 12) // 3 or 4,) * 2)


def part_of(minute: int) -> Range:
    """Return the parts of the day that a time can be in."""
    limits = ((300, (4, 4)), (720, (1, 1)), (1020, (2, 2)), (1140, (2, 3)), (1260, (3, 3)))
    return next((part for limit, part in limits if minute < limit), (3, 4))


def narrowed(fields: Fields, before: str) -> Fields:
    """Return the part of a decade, a year or a month that the words before it name."""
    match = _BEFORE.search(before)
    if not match:
        return fields
    place = (
        0 if match["early"] else 1 if match["mid"] else 2 if match["late"] else
        3 if match["half"].casefold() == "first" else 4
    )  # fmt: skip
    sharp = bool(match["start"] or match["end"])
    year = fields.get("year")
    if year and year[1] > year[0]:
        size = year[1] - year[0] + 1
        low, high = ((0, 0.45), (0.3, 0.7), (0.5, 1), (0, 0.5), (0.5, 1))[place]
        return fields | {
            "year": (year[0] + int(low * size), year[0] + int(high * size) - 1 + (place in (0, 1)))
        }
    if "day" in fields or "weekday" in fields or "minute" in fields:
        return fields
    if year and "month" not in fields and "quarter" not in fields and "season" not in fields:
        ranges = ((1, 5), (5, 8), (8, 12), (1, 6), (7, 12))
        months = ((1, 3), (5, 8), (10, 12))[place] if sharp else ranges[place]
        return fields | {"month": months}
    if "month" in fields and place < 3:
        days = ((1, 10), (8, 22), (20, 31))[place]
        return fields | {"day": ((1, 7), (8, 22), (24, 31))[place] if sharp else days}
    return fields
