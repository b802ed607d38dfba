"""What is known about a sentence before it is judged: overlap, closeness, type, place.

The built-in reader, the command that fits its weights and the generator share this file, so that
"covers the question" means one thing. All features are fractions of 1 or small numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.answer.questions import Question, terms_of
from rag.answer.spans import best_cell, cells, states, types_for
from rag.text.sentences import Span, sentences
from rag.text.terms import content_terms, fold
from rag.types import Passage

LONGEST = 600  # characters of a sentence that are embedded; what is longer is a list or a table
_PARTIAL = 0.6  # credit for a compound that holds the term, as Rückerstattung holds Erstattung

SENTENCE_FEATURES = (
    "cosine", "cosine_gap", "passage_cosine", "score", "no_words", "cover", "cover_gap",
    "cover_context", "cover_near", "specific", "type_found", "type_missing", "quantity", "cell",
    "item", "row", "code", "length", "first", "asks", "defines",
)  # fmt: skip
CHEAP_FEATURES = tuple(name for name in SENTENCE_FEATURES if "cosine" not in name)
PASSAGE_FEATURES = (
    "relevance", "second", "margin", "cosine", "passage_cosine", "rank", "cover", "cover_passage",
    "cover_all", "missing", "missing_specific", "has_specific", "missing_rare", "typed",
    "type_found", "span", "terms", "missing_focus",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence of a passage that may answer; ``terms`` are the stems of it and its ``lead``.

    ``lead`` is what it is read with but not quoted with: the question of a FAQ that it answers, or
    the header line of its table. ``heading`` is the nearest one above it.
    """

    passage: int
    span: Span
    text: str
    terms: frozenset[str]
    position: int
    lead: str = ""
    heading: str = ""


_ASKS = re.compile(r"\?[\"”’)*_]*$")
_ASKED = re.compile(r"(?:customer|user|client)[_ ](?:message|question)s?: ", re.IGNORECASE)
_SPECIFIC = re.compile(r"[^\W_]*\d[^\W_]*|[A-ZÄÖÜÀ-Þ][\w-]+")
_WORD = re.compile(r"[^\W_]+")


def specific_words(text: str) -> frozenset[str]:
    """Return the folded words of a question that are names or hold digits."""
    first = _WORD.search(text)
    shouting = text.isupper()
    found = set()
    for match in _SPECIFIC.finditer(text):
        opening = first is not None and match.start() == first.start()
        digits = any(c.isdigit() for c in match[0])
        if digits or not (opening or shouting):
            found.update(_WORD.findall(fold(match[0])))
    return frozenset(found)


@lru_cache(maxsize=256)
def question_terms(text: str, language: str | None) -> tuple[tuple[str, bool, str], ...]:
    """Return (stem, specific, word) for each content word of a question, in order."""
    wanted = set(terms_of(text, language))
    specific = specific_words(text)
    found: dict[str, tuple[str, bool, str]] = {}
    for word in _WORD.findall(text):
        for stem in content_terms(word, language or "en"):
            if stem in wanted and stem not in found:
                found[stem] = (stem, fold(word) in specific, word)
    return tuple(found.values())


def units_of(index: int, passage: Passage) -> list[Unit]:
    """Return the sentences of a passage that can be quoted, in reading order.

    Headings, header lines of tables and the questions of a FAQ are not answers: they go with what
    stands under them. A label such as "Zone." stays with its sentence.
    """
    text, language = passage.chunk.text, passage.language or "en"
    heading = passage.chunk.headings[-1] if passage.chunk.headings else ""
    lead = ""
    asked_until = -1  # the end of a line that only says what a customer asked
    found: list[Unit] = []
    spans = _labelled(text, [span for span in sentences(text) if span.end > span.start])
    for n, span in enumerate(spans):
        words = span.of(text)
        after = spans[n + 1] if n + 1 < len(spans) else None
        if span.kind == "heading":
            heading, lead = words, ""
        elif asked_until >= span.end:
            lead = f"{lead} {words}"
        elif _ASKED.match(words):
            lead = words
            asked_until = len(text) if (end := text.find("\n", span.end)) < 0 else end
        elif _is_header(text, spans, n) or (
            after and after.kind == span.kind and _ASKS.search(words)
        ):
            lead = words
        else:
            if span.kind != "row" and found and lead == found[-1].lead:
                lead = (
                    ""  # a question is answered by the next sentence, a header holds for all rows
                )
            terms = frozenset(content_terms(f"{lead} {words}" if lead else words, language))
            found.append(Unit(index, span, words, terms, len(found), lead, heading))
    return found


_LABEL = re.compile(r"[^\W\d_][^.:!?]{1,40}[.:]")
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|has|have|can|may|will|must|do|does|did|ist|sind|war|hat|kann|darf|muss|"
    r"wird|es|son|est[áa]n?|est|sont)\b",
    re.IGNORECASE,
)


def _labelled(text: str, spans: list[Span]) -> list[Span]:
    """Join a label of up to four words, at the start of a line, with the sentence after it."""
    joined: list[Span] = []
    for span in spans:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.kind == span.kind == "text"
            and "\n" not in text[before.end : span.start]
            and (before.start == 0 or text[before.start - 1] == "\n")
            and _LABEL.fullmatch(before.of(text))
            and len(before.of(text).split()) <= 4
            and not _VERB.search(before.of(text))
        ):
            joined[-1] = Span(before.start, span.end, "text")
        else:
            joined.append(span)
    return joined


def _is_header(text: str, spans: Sequence[Span], n: int) -> bool:
    """Tell whether a line such as ``Port | Purpose`` heads the lines of the same form below it."""
    words, after = spans[n].of(text), spans[n + 1].of(text) if n + 1 < len(spans) else ""
    before = spans[n - 1].of(text) if n else ""
    return (
        " | " in words
        and " | " in after
        and " | " not in before
        and not any(c.isdigit() for c in words)
    )


def context_terms(passage: Passage, heading: str = "") -> frozenset[str]:
    """Return the stems of the title, the heading path and a heading inside the passage."""
    words = " ".join((passage.title, *passage.chunk.headings, heading))
    return frozenset(content_terms(words, passage.language or "en"))


def holds(term: str, terms: frozenset[str], language: str | None) -> float:
    """Return 1 if the term is among the terms, a part if a compound has it, else 0."""
    if term in terms:
        return 1.0
    if (language or "en") == "en" or len(term) < 5:
        return 0.0
    for other in terms:
        if len(other) >= 5 and (term in other or other in term):
            return _PARTIAL
    return 0.0


def weigh(terms: Sequence[str], groups: Sequence[frozenset[str]]) -> dict[str, float]:
    """Return each term's worth among these sentences: what all of them say tells none apart."""
    total = len(groups)
    return {
        term: math.log(1.0 + (total + 1.0) / (1.0 + sum(term in group for group in groups)))
        for term in terms
    }


def coverage(
    worth: Mapping[str, float], terms: frozenset[str], language: str | None = "en"
) -> float:
    """Return the share of the question's worth that the terms hold; 0 for a question of none."""
    total = sum(worth.values())
    if not total:
        return 0.0
    return sum(w * holds(term, terms, language) for term, w in worth.items()) / total


_DEFINES = re.compile(
    r"^\W*(?:(?:an?|the|der|die|das|ein|eine|el|la|un|una|le|les|"
    r"une)\s)?(?P<subject>[^,.;:]{2,60}?)\s"
    r"(?:is|are|means?|refers? to|was|were|stands for|ist|sind|bedeutet|bezeichnet|es|son|"
    r"significa|"
    r"est|sont|signifie|désigne)\s",
    re.IGNORECASE,
)


_LABELLED = re.compile(r"^\W*(?P<subject>[^\W\d_][^.:!?]{1,40})[.:]\s")


def defines(text: str, stems: frozenset[str], language: str | None) -> bool:
    """Tell whether a sentence reads "X is …" where X is what the stems name."""
    match = _LABELLED.match(text) or _DEFINES.match(text)
    if not match or not stems:
        return False
    subject = frozenset(content_terms(match["subject"], language or "en"))
    return bool(subject) and len(subject & stems) / len(subject | stems) > 0.5


def sentence_features(
    question: Question, passages: Sequence[Passage], units: Sequence[Unit]
) -> list[dict[str, float]]:
    """Return the features of every unit except those that need an embedding."""
    worths = _worths(question, passages, units)
    top = max((passage.score for passage in passages), default=0.0) or 1.0
    rows = []
    for n, unit in enumerate(units):
        passage = passages[unit.passage]
        language = passage.language or "en"
        worth = worths[language]
        near = _near(units, n)
        row = _shape(question, unit, language, worth)
        row["passage_cosine"] = passage.scores.get("dense", 0.0)
        around = unit.terms | context_terms(passage, unit.heading)
        row["cover"] = coverage(worth, unit.terms, language)
        row["cover_context"] = coverage(worth, around, language)
        # The retriever can be led astray by a word of asking; without its topic, nothing answers.
        row["no_words"] = float(row["cover_context"] == 0.0)
        row["score"] = max(0.0, passage.score / top)
        row["cover_near"] = coverage(worth, unit.terms | near, language) - row["cover"]
        rows.append(row)
    best = max((row["cover"] for row in rows), default=0.0)
    for row in rows:
        row["cover_gap"] = row["cover"] - best
    return rows


def _worths(
    question: Question, passages: Sequence[Passage], units: Sequence[Unit]
) -> dict[str, dict[str, float]]:
    groups: dict[str, list[frozenset[str]]] = {}
    for unit in units:
        groups.setdefault(passages[unit.passage].language or "en", []).append(unit.terms)
    return {
        language: weigh(question.terms(language), of_language)
        for language, of_language in groups.items()
    }


def _near(units: Sequence[Unit], n: int) -> frozenset[str]:
    here = units[n].passage
    around = [units[m] for m in (n - 1, n + 1) if 0 <= m < len(units)]
    return frozenset().union(*(unit.terms for unit in around if unit.passage == here))


_QUANTITIES = (
    "duration",
    "money",
    "percent",
    "time",
    "email",
    "url",
    "phone",
)  # few sentences have


def _shape(
    question: Question, unit: Unit, language: str, worth: Mapping[str, float]
) -> dict[str, float]:
    types = types_for(question)
    found = bool(types) and states(unit.text, types[:1])
    specific = [s for s, is_specific, _ in question_terms(question.text, language) if is_specific]
    cell = best_cell(question, unit.text, language) if unit.span.kind == "row" else None
    stems = frozenset(worth)
    return {
        "specific": sum(s in unit.terms for s in specific) / len(specific) if specific else 0.0,
        "type_found": float(found),
        "type_missing": float(bool(types) and not found),
        "quantity": float(found and types[0] in _QUANTITIES),
        "cell": cell[1] if cell else 0.0,
        "item": float(unit.span.kind == "item"),
        "row": float(unit.span.kind == "row"),
        "code": float(unit.span.kind == "code"),
        "length": min(1.0, len(unit.terms) / 30),
        "first": float(unit.position == 0),
        "asks": float(bool(_ASKS.search(unit.text))),
        "defines": float(
            question.wants == "definition"
            and unit.span.kind != "row"
            and defines(unit.text, stems, language)
        ),
    }


def in_context(question: Question, passage: Passage, unit: Unit) -> str:
    """Return what is embedded for a sentence: it with the title and heading it stands under.

    Of a table row, only the cell that names it and the one that may answer: the others would
    drown them.
    """
    names = dict.fromkeys(name for name in (passage.title, unit.heading) if name)
    words = f"{unit.lead} {unit.text}" if unit.lead else unit.text
    best = (
        best_cell(question, unit.text, passage.language or "en")
        if unit.span.kind == "row"
        else None
    )
    if best is not None:
        cell, key = best[0], cells(unit.text)[0]
        words = f"{cell.header}: {unit.text[cell.start : cell.end]}"
        if key != cell:
            words = f"{key.header} {unit.text[key.start : key.end]}, {words}"
    return f"{' · '.join(names)}: {words[:LONGEST]}" if names else words[:LONGEST]
