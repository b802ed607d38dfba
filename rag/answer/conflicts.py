"""Versions that disagree: two dated documents say different numbers, or yes and no, of one thing.

The newer one is preferred, or the one in force on the date that the question names. Precision
first: a warning about two sentences that do not speak of the same thing is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from rag.answer.features import units_of
from rag.answer.question import understand
from rag.answer.tables import cells
from rag.text.numbers import numbers
from rag.text.terms import content_terms, fold, names, negations
from rag.text.words import ENGLISH_MONTHS
from rag.types import Passage, Sentence

SAME_THING = 0.5  # Jaccard overlap of the terms, numbers left out
SAME_THING_OF_VERSIONS = 0.3  # between versions of one document, by their titles
_RELEVANT = 0.05
_MOST = 3


@dataclass(frozen=True, slots=True)
class Statement:
    """What a dated document says: ``passage.chunk.text[start:end]``."""

    passage: Passage
    start: int
    end: int

    @property
    def text(self) -> str:
        """The words."""
        return self.passage.chunk.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two statements that disagree, and which of them the answer goes by."""

    older: Statement
    newer: Statement
    as_of: date | None = None

    @property
    def preferred(self) -> Statement:
        """The newer one, or the one that was in force at ``as_of``."""
        return self.newer if _newer_holds(self.newer.passage, self.as_of) else self.older

    def describe(self) -> str:
        """Return one sentence for ``answer.problems``, with both quotes and both dates."""
        old, new = _quoted(self.older), _quoted(self.newer)
        if self.preferred is self.newer:
            return f"versions disagree: {old} is older than {new}, which is preferred"
        return (
            f"versions disagree: {new} came after {self.as_of}, "
            f"so {old}, the version of that time, is preferred"
        )


def find(
    question: str, passages: Sequence[Passage], sentences: Sequence[Sentence]
) -> list[Conflict]:
    """Return where the cited sentences of an answer disagree with a version of another date.

    A version that holds the same short answer does not disagree, whatever else it says.
    """
    asked = understand(question)
    short = next((fold(s.highlighted) for s in sentences if s.highlight), None)
    found: dict[tuple[str, str], Conflict] = {}
    for cited in _cited(passages, sentences):
        for other in _others(cited, passages):
            if not disagree(cited, other, asked.terms(cited.passage.language)):
                continue
            if short and re.search(rf"(?<!\w){re.escape(short)}(?!\w)", fold(other.text)):
                continue
            older, newer = sorted((cited, other), key=lambda s: s.passage.published or date.min)
            pair = (older.passage.chunk.document_id, newer.passage.chunk.document_id)
            found.setdefault(pair, Conflict(older, newer, asked.as_of))
    return list(found.values())[:_MOST]


def _statements(passage: Passage) -> list[Statement]:
    return [Statement(passage, unit.span.start, unit.span.end) for unit in units_of(0, passage)]


def _cited(passages: Sequence[Passage], sentences: Sequence[Sentence]) -> list[Statement]:
    """The sentences of dated passages that the answer cites, each once."""
    found: dict[tuple[str, int, int], Statement] = {}
    for citation in (citation for sentence in sentences for citation in sentence.citations):
        for passage in passages:
            chunk = passage.chunk
            within = chunk.start <= citation.start < citation.end <= chunk.end
            if passage.published and within and chunk.document_id == citation.document_id:
                start, end = citation.start - chunk.start, citation.end - chunk.start
                for one in _statements(passage):
                    if one.start < end and start < one.end:
                        found[chunk.id, one.start, one.end] = one
    return list(found.values())


def _others(cited: Statement, passages: Sequence[Passage]) -> list[Statement]:
    found = []
    for passage in passages:
        same = passage.chunk.document_id == cited.passage.chunk.document_id
        if same or passage.published in (None, cited.passage.published):
            continue
        scores = {s[:2]: s[2] for s in passage.reading.sentences} if passage.reading else {}
        found += [
            one
            for one in _statements(passage)
            if scores.get((one.start, one.end), 1.0) >= _RELEVANT
        ]
    return found


def prefers(first: Passage, second: Passage, as_of: date | None) -> bool:
    """Tell whether the first of two dated passages is the version to go by."""
    if first.published is None or second.published is None or first.published == second.published:
        return False
    if first.published > second.published:
        return _newer_holds(first, as_of)
    return not _newer_holds(second, as_of)


def _newer_holds(newer: Passage, as_of: date | None) -> bool:
    return as_of is None or newer.published is None or newer.published <= as_of


_VERSION = re.compile(
    r"\(.*?\)|\bv(?:ersion|\.)?\s*[\d.]+|\bv\d\S*|\d+|\b(?:version|fassung|versi[óo]n|from|until|in|"
    rf"since|of|ab|vom|archived?|old|new|previous|current|{'|'.join(ENGLISH_MONTHS).lower()})\b|"
    r"[^\w\s]"
)


def same_work(first: Passage, second: Passage) -> bool:
    """Tell whether two documents are versions of one, by titles without numbers and dates."""
    left, right = _without_version(first.title), _without_version(second.title)
    return bool(left) and left == right


@lru_cache(maxsize=1024)
def _without_version(title: str) -> str:
    return " ".join(_VERSION.sub(" ", fold(title)).split())


def disagree(first: Statement, second: Statement, asked: Sequence[str] = ()) -> bool:
    """Tell whether two statements say different things of the same; ``asked`` are stems."""
    if first.passage.language != second.passage.language:
        return False
    left, right = first.text, second.text
    keys = _row_key(left), _row_key(right)
    if any(keys):
        return keys[0] == keys[1] and _cells_differ(left, right)
    versions = same_work(first.passage, second.passage)
    if not _same_thing(first, second, versions, frozenset(asked)):
        return False
    return _figures_differ(numbers(left), numbers(right)) or bool(negations(left)) != bool(
        negations(right)
    )


def _row_key(text: str) -> str:
    if " | " in text:
        return fold(text.partition(" | ")[0])
    found = cells(text)
    return fold(text[found[0].start : found[0].end]) if len(found) >= 2 else ""


def _cells_differ(left: str, right: str) -> bool:
    if " | " in left and " | " in right:
        return _figures_differ(numbers(left), numbers(right))
    values = [
        {fold(cell.header): fold(row[cell.start : cell.end]) for cell in cells(row)[1:]}
        for row in (left, right)
    ]
    return any(
        _figures_differ(numbers(values[0][key]), numbers(values[1][key]))
        for key in values[0].keys() & values[1].keys()
    )


def _figures_differ(left: frozenset[str], right: frozenset[str]) -> bool:
    return bool(left) and bool(right) and not (left <= right or right <= left)


def _same_thing(first: Statement, second: Statement, versions: bool, asked: frozenset[str]) -> bool:
    left, right = (_words(s) for s in (first, second))
    shared = left & right
    if not left or not right or len(shared) < 2:
        return False
    overlap = len(shared) / len(left | right)
    if versions:
        return overlap >= SAME_THING_OF_VERSIONS or len(shared & asked) >= 2
    theirs, ours = names(first.text), names(second.text)
    other_names = theirs - ours and ours - theirs
    return overlap >= SAME_THING and len(shared) >= 3 and not other_names


def _words(statement: Statement) -> frozenset[str]:
    terms = content_terms(statement.text, statement.passage.language or "en")
    return frozenset(term for term in terms if not any(c.isdigit() for c in term))


def _quoted(statement: Statement) -> str:
    text = " ".join(statement.text.split())
    if len(text) > 120:
        text = text[:119].rsplit(" ", 1)[0] + " …"
    return f"“{text}” ({statement.passage.title}, {statement.passage.published})"
