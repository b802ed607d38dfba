"""What a question takes for granted: names, codes and years that it gives, the unit it asks for.

Passages that never mention the "Premium plan", E-118, 2027 or a price in pounds hardly answer a
question about them, however near they are to its other words. Models read over such differences
most easily; here they are looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Self

from rag.text.numbers import unit_of
from rag.text.terms import STOPWORDS, content_terms, fold
from rag.types import Passage

_SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?=\S)[^.!?]*)*[.!?]*")
_NAME = re.compile(r"(?<=[\s(\"“‘'/-])[A-ZÄÖÜÀ-Þ][^\W\d_]+(?:[’'-][^\W\d_]+)*")
_CODE = re.compile(  # bounded, for what is searched may be anything
    r"(?<![\w-])(?:(?:[^\W\d_]{1,20}-){0,3}(?:[^\W\d_]{1,20}\d{1,12}|[^\W\d_]{1,20}-\d{1,12})"
    r"(?:-?[A-Z\d]{1,12}){0,4}+|\d{1,12}[A-Z]{1,2})(?=s?\b)",
    re.IGNORECASE,
)
_VERSION = re.compile(
    r"(?<=[^\W\d_] )\d{1,3}(?:\.\d{1,3})+(?!\d|[\w%]|\.\d| ?(?:%|[^\W\d_]{1,2}\b))"
)
_DATED = re.compile(r"[^\W\d_]+-(?:1[5-9]|20)\d\d")  # mid-2024
_YEAR = re.compile(r"(?<![\w.,/-])(?:1[5-9]|20)\d\d(?![\w,/-]|\.\d)")
_WORD = re.compile(r"[^\W_]+")
_MOST_NAMES = 12  # that are looked up, for spelling costs time
_NAMED_AND_NUMBERED = re.compile(r"\b([^\W\d_]{1,30})[ -](\d{1,12})\b")
_CALENDAR = frozenset(
    "january february march april may june july august september october november december monday "
    "tuesday wednesday thursday friday saturday sunday christmas easter new year eve".split()
)
_ASKED_UNIT = re.compile(
    r"\b(?:how (?:many|much) (?:(?:more|extra|full|total|whole) )?|in )"
    r"(?P<unit>[^\W\d_]{1,12}|[€$£%])(?P<more> (?:sterling|kron\w+|per ?cent\w*|relative))?\b"
    r"|\b(?P<percent>percent(?:age)?|per cent)\b",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"(?P<before>[€$£¥]|\b[A-Z]{3})?\s?\d[\d.,]*\s?-?(?P<after>%|°\s?[CF]?|[€$£¥]|[^\W\d_]+)?"
)
_MORE_UNITS = {
    "chf": "CHF", "franc": "CHF", "francs": "CHF", "sek": "SEK", "nok": "NOK", "dkk": "DKK",
    "kroner": "NOK", "krone": "NOK", "kronor": "SEK", "pln": "PLN", "zloty": "PLN", "zlotys": "PLN",
    "mah": "Ah", "ah": "Ah", "cent": "EUR", "cents": "EUR", "ram": "B", "db": "dB",
    "decibels": "dB",
}  # fmt: skip


class Passages:
    """What is looked up in: the words, titles and headings of all passages found for a question."""

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> Self:
        """Take the texts of passages."""
        texts = (" ".join((p.title, *p.chunk.headings, p.chunk.text)) for p in passages)
        return cls(texts, passages[0].language if passages else None)

    def __init__(self, texts: Iterable[str], language: str | None = "en") -> None:
        self.text = "\n".join(texts)
        self._language = language
        folded = fold(self.text)
        self.words = frozenset(_WORD.findall(folded))
        self.terms = frozenset(content_terms(self.text, language))
        self.codes = frozenset(
            code.replace("-", "") for code in (m[0] for m in _CODE.finditer(folded))
        ) | frozenset(m[1] + m[2] for m in _NAMED_AND_NUMBERED.finditer(folded))

    def has_name(self, name: str) -> bool:
        """Tell whether the name, a form of it, or one that is spelled nearly so, is there."""
        words = _WORD.findall(fold(name))
        return all(
            word in self.words
            or len(word) < 3
            or not self.terms.isdisjoint(content_terms(word, self._language))
            or bool(get_close_matches(word, self.words, 1, 0.82))
            for word in words
        )

    def has_code(self, code: str) -> bool:
        """Tell whether the code is there, written with or without its hyphen."""
        plain = fold(code).replace("-", "")
        return plain in self.codes or re.sub(r"(?<=\d)s$", "", plain) in self.codes

    def units(self) -> frozenset[str]:
        """Return the kinds of unit that numbers are given in."""
        return frozenset(
            kind
            for match in _QUANTITY.finditer(self.text)
            for part in (match["before"], match["after"])
            if part and (kind := _kind(part))
        )


def unheard(question: str, passages: Passages, *, english: bool = True) -> list[str]:
    """Return the names, codes, versions and years of a question that no passage has.

    Names are left out of questions in other languages, which may write them in their own way.
    """
    names = islice(_names(question), _MOST_NAMES) if english else ()
    return [
        *(name for name in names if not passages.has_name(name)),
        *(code for code in _codes(question) if not passages.has_code(code)),
        *(v for v in _VERSION.findall(question) if v not in passages.text),
        *(year for year in _YEAR.findall(question) if year not in passages.words),
    ]


def lacks(question: str, passages: Passages, *, english: bool = True) -> str | None:
    """Return in words what the passages lack of what the question takes for granted, if anything.

    >>> lacks("What is E-118?", Passages(["E-117 means that the hub has an owner."]))
    'nothing found mentions “E-118”'
    """
    names = list(dict.fromkeys(unheard(question, passages, english=english)))
    if names:
        return "nothing found mentions " + " or ".join(f"“{name}”" for name in names[:3])
    unit = missing_unit(question, passages)
    return f"nothing found gives a figure for “{unit}”" if unit else None


def missing_unit(question: str, passages: Passages) -> str | None:
    """Return the unit that the question asks for, if no passage gives a number in it."""
    there: frozenset[str] | None = None
    for match in _ASKED_UNIT.finditer(question):
        kind = "%" if match["percent"] or "%" in (match["more"] or "") else _kind(match["unit"])
        if match["more"] and match["more"].strip().lower().startswith("per"):
            kind = "%"
        if kind is None:
            continue
        there = passages.units() if there is None else there
        if kind not in there and not (kind == "month" and "s" in there):
            return match[0]
    return None


def _names(question: str) -> Iterator[str]:
    """Yield the capitalised words within the sentence that asks; none where all words are so."""
    asking = [m[0] for m in _SENTENCE.finditer(question) if m[0].rstrip().endswith("?")]
    for sentence in asking or [question]:
        words = _WORD.findall(sentence)
        if sum(word[:1].isupper() for word in words) * 2 > len(words) + 2:
            continue
        for match in _NAME.finditer(sentence.strip()):
            name = fold(match[0])
            if name not in _CALENDAR and name not in STOPWORDS:
                yield match[0]


def _codes(question: str) -> Iterator[str]:
    for match in _CODE.finditer(question):
        if any(letter.isupper() for letter in match[0]) and not _DATED.fullmatch(match[0]):
            yield match[0]


def _kind(word: str) -> str | None:
    lower = fold(word)
    found = unit_of(lower)
    return found[0] if found else _MORE_UNITS.get(lower)
