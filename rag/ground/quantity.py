"""A quantity as read from a text: value, unit, what it counts, and the bound that it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.ground.numerals import Token, low_at
from rag.text.terms import STOPWORDS, stems

_MORE = re.compile(
    r"(?:\bat least|\bminimum(?: of)?|\bmore than|\bover|\babove|(?<!not )(?<!never )(?<!n't "
    r")(?<!cannot )\bexceed\w*|\bno(?:t)? (?:less|"
    r"fewer) than|\b(?:larger|longer|greater|higher|older) than|\bmin\.|>)\s*(?:€|\$|£)?\s*$"
)
_LESS = re.compile(
    r"(?:\bat most|\bmaximum(?: of)?|\b(?:less|fewer) than|\bunder|\bbelow|\bup to|\bwithin|"
    r"\b(?:not|never|cannot|n't) exceed\w*|\bno(?:t)? (?:more|longer|later) than|\b(?:smaller|"
    r"shorter|lower|younger) than|"
    r"\b(?:capped|limited) (?:at|to)|\bmax\.|<)\s*(?:€|\$|£)?\s*$"
)
_MORE_AFTER = re.compile(r"\s*(?:\w+\s)?(?:\w+\s)?(?:or|and) (?:more|above|over|older|longer)\b|\+")
_LESS_AFTER = re.compile(r"\s*(?:\w+\s)?(?:\w+\s)?(?:or|and) (?:less|fewer|below|under|younger)\b")
_ABOUT = re.compile(
    r"\b(?:about|around|roughly|approximately|nearly|almost|circa|some)\s*[€$£]?\s*$"
)
_ROLE = re.compile(r"\b(by|from|to)\s*[€$£]?\s*(?:about|around|only)?\s*$")


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
    raw: float | None = None


def things_at(tokens: list[Token], place: int) -> frozenset[str]:
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


def made(
    text: str, value: float, kind: str, things: frozenset[str], start: int, end: int
) -> Quantity:
    """Make a quantity, with the bound and the role that the words around it give."""
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
