"""Where a quote stands in a document: to the letter, or but for white space."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Every occurrence of a quote as (start, end); ``exact`` if it is there to the letter."""

    spans: tuple[tuple[int, int], ...]
    exact: bool


def locate(text: str, quote: str) -> Place:
    """Return where the quote occurs; no spans at all if it does not.

    White space may differ, because a change of the extraction may break lines elsewhere.
    """
    words = quote.split()
    for pattern, exact in ((re.escape(quote), True), (r"\s+".join(map(re.escape, words)), False)):
        spans = tuple(match.span() for match in re.finditer(pattern, text)) if words else ()
        if spans:
            return Place(spans, exact)
    return Place((), exact=False)


def longest_start(text: str, quote: str) -> str:
    """Return the longest beginning of the quote, in whole words, that the text has."""
    words = quote.split()
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if locate(text, " ".join(words[:middle])).spans:
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low])


def overlaps(start: int, end: int, spans: tuple[tuple[int, int], ...]) -> bool:
    """Tell whether ``start:end`` shares a character with any of the spans."""
    return any(start < right and left < end for left, right in spans)
