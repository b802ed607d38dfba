"""Dates as documents write them. Only forms that leave no doubt are read."""

from __future__ import annotations

import re
from datetime import date, datetime

_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?=$|[T\s])")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?=$|T)")
_LONGEST = 60
_WRITTEN = (
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d %B %Y",
    "%d %b %Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S GMT",
)


def parse_date(value: object) -> date | None:
    """Return the date, or None for what is none or could be two (``03/04/2024``)."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    match = _YEAR_FIRST.match(text) or _COMPACT.match(text)
    try:
        if match:
            return date(int(match[1]), int(match[2]), int(match[3] or 1))
    except ValueError:
        return None
    for form in _WRITTEN if len(text) <= _LONGEST else ():
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None
