"""A quantity as read from a text: value, unit, what it counts, and the bound that it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.ground.numerals import Token, low_at
from rag.text.terms import STOPWORDS, stems

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
_ROLE = re.compile(r"\b(by|from|to)\s*[€$£]?\s*(?:about|around|only)?\s*$")

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
    role: str = ""
    per: str = ""
    about: bool = False
    asked: bool = True
    span: tuple[float, float] | None = None
    other: float | None = None
    raw: float | None = None


def things_at(tokens: list[Token], place: int) -> frozenset[str]:
    """Return the stems of the next words up to a function word: what is counted."""
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
    value = max(-_LARGEST, min(_LARGEST, value))
    return Quantity(
        value, kind, things, start, end, text[start:end], bound, role[1] if role else "",
        about=bool(_ABOUT.search(left)),
    )  # fmt: skip
