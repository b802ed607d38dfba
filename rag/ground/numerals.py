"""Numbers as they are written, in digits or English words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.text.units import ORDINALS, SCALES, SMALL

_TOKEN = re.compile(
    r"(?P<code>\d+(?:\.\d+){2,})"
    r"|(?P<digits>(?:\d{1,3}(?:(?:[,\u202f\u00a0 ]| , )\d{3})+(?!\d)|\d{1,3}(?:\.\d{3}){2,}|\d+)"
    r"(?:[.,]\d+)?(?:(?<=\d)(?:st|nd|rd|th)\b)?)"
    r"|(?P<word>(?:[ckm]?m[²³]|(?![½¼¾⅓⅔])[^\W\d_])+(?:['’][^\W\d_]+)?)|(?P<sign>°[CF]?|[½¼¾⅓⅔]|[^\s\w])"
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
    """Return the text of a token in lower case; empty outside of the list."""
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
    """Return the value, and another where a point may be a separator of thousands (1.000)."""
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
