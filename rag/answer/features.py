"""The sentences of passages that can be quoted, and what their words say of a question.

The reader, the command that fits its weights and the generator share this file, so that "covers the
question" means one thing. All features are fractions of 1 or small numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.answer.question import Question, terms_of, typed
from rag.answer.tables import best_cell, cells
from rag.text.sentences import Span, sentences
from rag.text.terms import content_terms, fold
from rag.types import Passage

_LONGEST = 600  # characters of a sentence that are embedded; what is longer is a list or a table
_PARTIAL = 0.6  # credit for a compound that holds the term, as Rückerstattung holds Erstattung

WORDS_SENTENCE_FEATURES = (
    "score", "no_words", "cover", "cover_gap", "cover_context", "cover_near", "type_found",
    "type_missing", "quantity", "cell", "code", "length", "first", "asks",
)  # fmt: skip
COSINES = ("cosine", "cosine_gap", "passage_cosine")


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence of a passage that may answer; ``terms`` are the stems of it and its ``lead``.

    ``lead`` is what it is read with but not quoted with: the question of a FAQ that it answers.
    ``heading`` is the nearest one above it, ``names`` are the terms and leads below that which it
    is read under and does not say itself.
    """

    passage: int
    span: Span
    text: str
    terms: frozenset[str]
    position: int
    lead: str = ""
    heading: str = ""
    names: tuple[str, ...] = ()


_ASKS = re.compile(r"\?[\"”’)*_]*$")
_ASKED = re.compile(r"(?:customer|user|client)[_ ](?:message|question)s?: ", re.IGNORECASE)
_SPECIFIC = re.compile(r"[^\W_]*\d[^\W_]*|[A-ZÄÖÜÀ-Þ][\w-]+")
_WORD = re.compile(r"[^\W_]+")


def _specific_words(text: str) -> set[str]:
    """The folded words of a question that are names or hold digits."""
    first = _WORD.search(text)
    found = set()
    for match in _SPECIFIC.finditer(text):
        opening = first is not None and match.start() == first.start()
        if any(c.isdigit() for c in match[0]) or not (opening or text.isupper()):
            found.update(_WORD.findall(fold(match[0])))
    return found


@lru_cache(maxsize=256)
def question_terms(text: str, language: str | None) -> tuple[tuple[str, bool, str], ...]:
    """Return (stem, specific, word) for each content word of a question, in order."""
    wanted = set(terms_of(text, language))
    specific = _specific_words(text)
    found: dict[str, tuple[str, bool, str]] = {}
    for word in _WORD.findall(text):
        for stem in content_terms(word, language or "en"):
            if stem in wanted:
                found.setdefault(stem, (stem, fold(word) in specific, word))
    return tuple(found.values())


def units_of(index: int, passage: Passage) -> list[Unit]:
    """The sentences of a passage that can be quoted, in reading order.

    Headings and the questions of a FAQ are not answers: they go with what stands under them. A
    label such as "Zone." stays with its sentence.
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
        elif after and after.kind == span.kind and _ASKS.search(words):
            lead = words
        else:
            if found and lead == found[-1].lead:  # a question is answered by the next sentence
                lead = ""
            terms = frozenset(content_terms(f"{lead} {words}" if lead else words, language))
            names = _names(passage, span)
            found.append(Unit(index, span, words, terms, len(found), lead, heading, names))
    return found


def path_of(passage: Passage, unit: Unit) -> tuple[str, ...]:
    """All that a unit stands under, outermost first: title, headings, terms, a FAQ's question."""
    headings = [heading.title for heading in passage.path_at(passage.chunk.start + unit.span.start)]
    known = headings or (*passage.chunk.headings, unit.heading)
    return (passage.title, *known, *unit.names, unit.lead)


def _names(passage: Passage, span: Span) -> tuple[str, ...]:
    """What a unit is read under, outermost first, but for what it begins with."""
    words = span.of(passage.chunk.text)
    scopes = passage.scopes_at(passage.chunk.start + span.start)
    return tuple(scope.title for scope in scopes if not words.startswith(scope.title))


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


def context_terms(passage: Passage, *names: str) -> frozenset[str]:
    """The stems of the title, the heading path, and names inside the passage."""
    words = " ".join((passage.title, *passage.chunk.headings, *names))
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
    """The share of the question's worth that the terms hold; 0 for a question of none."""
    total = sum(worth.values())
    if not total:
        return 0.0
    return sum(w * holds(term, terms, language) for term, w in worth.items()) / total


def sentence_features(
    question: Question, passages: Sequence[Passage], units: Sequence[Unit]
) -> list[dict[str, float]]:
    """The features of every unit except those that need an embedding."""
    groups: dict[str, list[frozenset[str]]] = {}
    for unit in units:
        groups.setdefault(passages[unit.passage].language or "en", []).append(unit.terms)
    worths = {own: weigh(question.terms(own), terms) for own, terms in groups.items()}
    top = max((passage.score for passage in passages), default=0.0) or 1.0
    rows = []
    for n, unit in enumerate(units):
        passage = passages[unit.passage]
        language = passage.language or "en"
        worth = worths[language]
        row = _shape(question, unit, language)
        around = unit.terms | context_terms(passage, unit.heading, *unit.names)
        row["cover"] = coverage(worth, unit.terms, language)
        row["cover_context"] = coverage(worth, around, language)
        # The retriever can be led astray by a word of asking; without its topic, nothing answers.
        row["no_words"] = float(row["cover_context"] == 0.0)
        row["score"] = max(0.0, passage.score / top)
        row["passage_cosine"] = passage.scores.get("dense", 0.0)
        beside = (units[m] for m in (n - 1, n + 1) if 0 <= m < len(units))
        near = unit.terms.union(*(u.terms for u in beside if u.passage == unit.passage))
        row["cover_near"] = coverage(worth, near, language) - row["cover"]
        rows.append(row)
    best = max((row["cover"] for row in rows), default=0.0)
    for row in rows:
        row["cover_gap"] = row["cover"] - best
    return rows


def _shape(question: Question, unit: Unit, language: str) -> dict[str, float]:
    main = question.types[:1]
    found = bool(typed(unit.text, main))
    kind = unit.span.kind
    cell = best_cell(question, unit.text, language) if kind == "row" else None
    return {
        "type_found": float(found),
        "type_missing": float(bool(main) and not found),
        "quantity": float(found and main[0] not in ("date", "number")),  # few sentences have one
        "cell": cell[1] if cell else 0.0,
        "code": float(kind == "code"),
        "length": min(1.0, len(unit.terms) / 30),
        "first": float(unit.position == 0),
        "asks": float(bool(_ASKS.search(unit.text))),
    }


def in_context(question: Question, passage: Passage, unit: Unit) -> str:
    """Return what is embedded for a sentence: it with the title and heading it stands under.

    Of a table row, only the cell that names it and the one that may answer: the others would
    drown them.
    """
    names = dict.fromkeys(name for name in (passage.title, unit.heading, *unit.names) if name)
    words = f"{unit.lead} {unit.text}" if unit.lead else unit.text
    is_row = unit.span.kind == "row"
    if is_row and (best := best_cell(question, unit.text, passage.language or "en")):
        cell, key = best[0], cells(unit.text)[0]
        words = f"{cell.header}: {unit.text[cell.start : cell.end]}"
        if key != cell:
            words = f"{key.header} {unit.text[key.start : key.end]}, {words}"
    return f"{' · '.join(names)}: {words[:_LONGEST]}" if names else words[:_LONGEST]
