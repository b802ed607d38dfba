"""Typed spans: where a sentence states a date, a duration, an amount, a name, and so on.

Regular expressions for English, German, Spanish and French. Every span is offsets into the text
that was given, so that a short answer can be cited to the character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rag.answer.questions import Question, Wants
from rag.text.terms import STOPWORDS, content_terms, fold

_WORD_NUMBERS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    "sixteen|eighteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|"
    "eine?[nrms]?|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|vierzehn|zwanzig|"
    "dreißig|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|doce|quince|veinte|treinta|"
    "deux|trois|quatre|cinq|sept|huit|neuf|dix|douze|quatorze|quinze|vingt|trente"
)
_DIGITS = r"\d+(?:[., ]\d{3})*(?:[.,]\d+)?"
_COUNT = (
    rf"(?:{_DIGITS}|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)-\w+|"
    rf"{_WORD_NUMBERS}|half an?|an?|une?)"
)
_PERIOD = (
    r"(?:seconds?|minutes?|mins?|hours?|hrs?|days?|weeks?|fortnights?|months?|years?|decades?|"
    r"centur(?:y|ies)|"
    r"Sekunden?|Minuten?|Stunden?|(?:Werk|Arbeits|Kalender)?[Tt]age?n?|Wochen?|Monate?n?|Jahre?n?|"
    r"segundos?|minutos?|horas?|días?|semanas?|mes(?:es)?|años?|"
    r"secondes?|heures?|jours?|semaines?|mois|ans?|années?)"
)
_MONTH = (
    r"(?:Jan(?:uary|uar|\.)?|Feb(?:ruary|ruar|\.)?|Mar(?:ch|\.)?|März|Apr(?:il|\.)?|May|Mai|"
    r"June?|Juni|July?|Juli|"
    r"Aug(?:ust|\.)?|Sept?(?:ember|\.)?|O[ck]t(?:ober|\.)?|Nov(?:ember|\.)?|De[cz](?:ember|\.)?|"
    r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|"
    r"janvier|février|mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre)"
)
_WEEKDAY = (
    r"(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?s?"
    r"|(?:Mon|Diens|Donners|Frei|Sams|Sonn)tags?|Mittwochs?|montags|freitags|samstags"
)
_MONEY_UNIT = r"(?:EUR|USD|GBP|CHF|SEK|NOK|DKK|€|US\$|\$|£|¥)"

_PATTERNS: dict[str, str] = {
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "url": r"(?:https?://|www\.)[^\s<>\"“”)]+[^\s<>\"“”).,;:]|\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|"
        r"net|io|example|dev|eu|de|uk)"
    r"(?:/[^\s<>\"“”)]*[^\s<>\"“”).,;:])?(?![\w@])",
    "phone": r"(?<![\w-])\+?\(?\d[\d ()/.-]{6,16}\d(?![\w-])",
    "percent": rf"(?:{_DIGITS}|\b(?:{_WORD_NUMBERS}))\s?(?:%|per ?cent\b|percent\b|Prozent\b|"
        rf"por ciento\b|pour cent\b)",
    "money": rf"{_MONEY_UNIT}\s?{_DIGITS}(?:\s?(?:million|billion|k|m|bn)\b)?|"
    rf"(?<![\w.])(?:{_DIGITS}|{_WORD_NUMBERS})\s?(?:million |billion )?"
    r"(?:EUR\b|USD\b|GBP\b|CHF\b|€|\$|£|euros?\b|Euro\b|dollars?\b|pounds?\b|cents?\b|dólares\b)",
    "date": rf"\b(?:\d{{1,2}}(?:st|nd|rd|th|\.)?\s(?:of |de )?{_MONTH}(?:,? (?:de |"
        rf"del )?\d{{4}}\b)?|"
    rf"{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?\b(?![.:]\d)|{_MONTH},? (?:of |"
    rf"de )?\d{{4}}\b|\d{{4}}-\d\d-\d\d\b|"
    r"\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|(?:1[0-9]|20)\d\d(?:s\b|–\d{2,4}\b|\b(?![.,]\d|\s?(?:%|EUR|"
    r"USD|kg|km|m\b)))|"
    rf"(?:\d{{1,2}}(?:st|nd|rd|th)|first|nineteenth|eighteenth|twentieth) centur(?:y|ies)\b|"
    rf"\b(?:{_WEEKDAY})\b)",
    "time": r"\b(?:\d{1,2}[:.]\d{2}(?:\s?[ap]\.?m\b\.?)?|\d{1,2}\s?[ap]\.?m\b\.?|"
        r"(?:von )?\d{1,2} (?:bis \d{1,2} )?Uhr|"
    r"\d{1,2}\s?h(?:eures?)?\b|noon|midnight)(?:\s?(?:to|-|–|and|bis|a)\s?(?:\d{1,2}[:.]\d{2}|"
    r"\d{1,2}\s?[ap]\.?m\b\.?))?"
    r"(?:\s(?:CES?T|UTC|GMT|E[SD]T|P[SD]T))?",
    "duration": rf"(?<![\w.])(?:{_COUNT})(?:\s?(?:to|or|-|–|bis|a|à)\s?(?:{_COUNT}))?[\s-]"
    rf"(?:(?:business|working|calendar|full|more|consecutive|"
    rf"whole)\s)?{_PERIOD}\b(?:\s(?:hábiles|laborables|ouvrés|ouvrables))?|"
    rf"\b(?:daily|weekly|monthly|hourly|yearly|annually|every (?:{_COUNT}\s)?{_PERIOD}|(?:once|"
    rf"twice) (?:a|an|per) {_PERIOD}|"
    r"täglich|wöchentlich|monatlich|immediately|at once|sofort)\b",
    "number": rf"(?<![\w.,-])(?:{_DIGITS}|(?:{_WORD_NUMBERS})(?= \w))"
    r"(?:\s(?:million|billion|thousand|hundred))?"
    r"(?:\s?(?:[kMGT]i?B|[kMG]?Hz|[mk]?[WVA]|m?Ah|[mck]?m|kg|g|lb|°C|°F|dB|dBm|Mbit/s|Mbps|"
    r"metres?|meters?|miles?|feet|ft|inches)\b)?(?![\w]*\d)",
}  # fmt: skip
_COMPILED = {
    name: re.compile(pattern, 0 if name in ("number", "date") else re.IGNORECASE)
    for name, pattern in _PATTERNS.items()
}

_UPPER = r"[A-ZÀ-ÖØ-Þ]"
_NAME = re.compile(
    rf"(?:{_UPPER}[\w'’&-]*|\d*{_UPPER}[\w-]*\d*)"
    rf"(?:(?: (?:of|the|de|del|von|van|der|la|le|du|and|&|for))?(?: (?:de |the |la )?)?"
    rf" ?(?<= ){_UPPER}[\w'’&.-]*\w| \d+\b)*"
)
_CELL = re.compile(r"(?:^|; )(?P<header>[^:;|\n]{1,60}): (?P<value>[^;\n]*[^;\s])")

TYPES: dict[Wants, tuple[str, ...]] = {
    "date": ("date", "time"),
    "time": ("time", "date"),
    "duration": ("duration", "time"),
    "money": ("money", "number"),
    "percent": ("percent",),
    "number": ("number", "percent", "duration", "money"),
    "person": ("name",),
    "place": ("name", "url"),
    "name": ("name",),
    "email": ("email",),
    "url": ("url",),
    "phone": ("phone",),
}
"""What answers each type of question, the best fitting first."""


@dataclass(frozen=True, slots=True)
class Typed:
    """``text[start:end]`` is of that type; ``header`` is set for a table cell."""

    start: int
    end: int
    type: str
    header: str = ""


def typed(text: str, types: tuple[str, ...]) -> list[Typed]:
    """Return the spans of the types in ``text``, in that order of types, then in reading order.

    A span that lies within one of a type named before it is left out.
    """
    found: list[Typed] = []
    for name in types:
        for start, end in _names(text) if name == "name" else _matches(text, name):
            if not any(span.start < end and start < span.end for span in found):
                found.append(Typed(start, end, name))
    return found


def states(text: str, types: tuple[str, ...]) -> bool:
    """Tell whether the text has any span of the types."""
    return any(
        next(_names(text), None) is not None if name == "name" else _COMPILED[name].search(text)
        for name in types
    )


def _matches(text: str, name: str) -> Iterator[tuple[int, int]]:
    for match in _COMPILED[name].finditer(text):
        if match[0].strip():
            yield match.start(), match.end()


def _names(text: str) -> Iterator[tuple[int, int]]:
    for match in _NAME.finditer(text):
        start, end = match.span()
        words = list(re.finditer(r"\S+", match[0]))
        while words and (fold(words[0][0]) in STOPWORDS or words[0][0].isdigit()):
            words.pop(0)
        if not words:
            continue
        start += words[0].start()
        # The capital of a sentence's first word says nothing, unless the name goes on.
        before = text[:start].rstrip()
        opening = not before or before[-1] in ".!?"
        if len(words) == 1 and words[0][0].istitle() and opening:
            continue
        if any(len(word[0]) > 1 for word in words):
            yield start, end


def cells(row: str) -> list[Typed]:
    """Return the values of a row such as ``Plan: Pro; Price: 9`` with their headers."""
    return [
        Typed(match.start("value"), match.end("value"), "cell", match["header"].strip())
        for match in _CELL.finditer(row)
    ]


@lru_cache(maxsize=2048)
def types_for(question: Question) -> tuple[str, ...]:
    """Return the types of span that can answer the question; none for an open question."""
    return TYPES.get(question.wants, ())


_LONGEST_CELL = 80  # characters of a cell that can be a short answer; longer ones are prose


def best_cell(question: Question, row: str, language: str | None) -> tuple[Typed, float] | None:
    """Return the cell that answers a question about the row, and how well it fits (0 to 1).

    The cells that the question names say which row is meant; the cell whose header it names, or
    whose value is of the type it wants, is the answer.
    """
    terms = set(question.terms(language))
    found = cells(row)
    if len(found) < 2 or not terms or found[0].header.lower() == "id":
        return None  # no table, or what a record is filed under
    words = [set(content_terms(row[cell.start : cell.end], language)) for cell in found]
    headers = [set(content_terms(cell.header, language)) for cell in found]
    spoken = set().union(*words, *headers)
    covered = len(terms & spoken) / len(terms)
    if any(term.isdigit() and term not in spoken for term in terms):
        return None  # the question is about another number
    best: tuple[Typed, float] | None = None
    for n, cell in enumerate(found):
        value = row[cell.start : cell.end]
        if (words[n] and words[n] <= terms) or len(value) > _LONGEST_CELL:
            continue  # the question says it already, or it is prose
        # Numbers and units are in every row: only a name in another cell says which row is meant.
        others = set().union(*(words[m] for m in range(len(found)) if m != n))
        named = any(not term.isdigit() for term in others & (terms - headers[n]))
        score = covered * (0.3 * named + 0.7 * fit(question, value, headers[n], terms))
        if best is None or score > best[1]:
            best = cell, score
    return best


def fit(question: Question, value: str, header: set[str], terms: set[str]) -> float:
    """Return how well a cell's header and type match what is wanted, 0 to 1."""
    match = len(header & terms) / len(header) if header else 0.0
    if question.wants == "name":
        return 1.0 if header & question.focus else 0.3 * match
    types = types_for(question)
    if not types or question.wants in ("person", "place"):
        return match
    if question.wants == "number" and question.focus and not header & question.focus:
        return 0.3 * match
    stated = typed(value, types[:1])
    if stated:
        share = max(span.end - span.start for span in stated) / len(value)
        return 0.6 * min(1.0, 2 * share) + 0.4 * match
    return match if states(value, types) or _NUMERIC.fullmatch(value) else 0.0


_NUMERIC = re.compile(r"\W*\d[\d.,]*\W*(?:\w+\W*){0,2}")
