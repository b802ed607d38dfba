"""The sentences that an extracted answer may be made of, with what each is worth."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from rag.answer.conflicts import Statement, disagree, prefers, same_work
from rag.answer.features import Unit, defines, units_of
from rag.answer.injection import asks_about_models, tainted
from rag.answer.questions import Question
from rag.answer.reading import read, sigmoid
from rag.text.numbers import numbers
from rag.types import Passage, Reading

_COMPARED = 24  # candidates that are held against each other for versions that disagree
_RIVAL = 0.4  # of an older sentence's relevance, that a newer version needs to replace it
_CONTRARY = 0.1  # the same where it plainly says otherwise
_SAME = 0.7  # overlap of terms from which two sentences say the same

_DANGLING = re.compile(
    r"^[\"“(]?(?:(?:it|its|this|that|these|those|they|their|them|he|she|his|her|such|however|but|"
    r"and|so|"
    r"then|also|therefore|otherwise|instead|moreover|furthermore|still|thus|hence|both|neither|"
    r"in (?:this|that|such|either) cases?|after (?:that|this)|if so|if not|for (?:this|"
    r"that) reason|"
    r"for example|afterwards|likewise|later|the (?:former|latter)|"
    r"diese\w*|dies|dabei|danach|dann|aber|außerdem|jedoch|deshalb|sonst|es|"
    r"esto|esta|este|además|pero|entonces|sin embargo|por eso|luego|"
    r"cela|ceci|cette|ensuite|mais|donc|puis|cependant|il|elle|ils|elles)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One unit of a passage and the probability that it answers."""

    unit: Unit
    relevance: float

    @property
    def passage(self) -> int:
        """Which passage it stands in."""
        return self.unit.passage

    @property
    def text(self) -> str:
        """Its words."""
        return self.unit.text

    @property
    def key(self) -> tuple[int, int]:
        """Passage and start: unique, and in reading order within a passage."""
        return self.unit.passage, self.unit.span.start


def with_readings(question: Question, passages: Sequence[Passage]) -> list[Passage]:
    """Return the passages, those that nobody read judged by their words alone."""
    if all(passage.reading is not None for passage in passages):
        return list(passages)
    judged = read(question, passages, None)
    return [own if own.reading else other for own, other in zip(passages, judged, strict=True)]


def collect(question: Question, passages: Sequence[Passage]) -> list[Candidate]:
    """Return what may be quoted, best first: nothing aimed at models, nothing outdated."""
    literal = asks_about_models(question.text)
    found: list[Candidate] = []
    for n, passage in enumerate(passages):
        units = units_of(n, passage)
        barred = [] if literal else tainted(passage.chunk.text)
        before = 0.0
        for unit in units:
            score = own = _relevance(passage.reading, unit)
            if question.wants == "reason" and _BECAUSE.search(unit.text):
                score = max(score, 0.8 * before)  # the fact was asked about, this is its reason
            before = own
            if score > 0 and not any(a < unit.span.end and unit.span.start < b for a, b in barred):
                found.append(Candidate(unit, _adjusted(question, passage, unit, score)))
    found.sort(key=lambda c: (-c.relevance, c.key))
    return in_force(found, passages, question.as_of, question)


def _relevance(reading: Reading | None, unit: Unit) -> float:
    if reading is None:
        return 0.0
    overlapping = [
        relevance
        for start, end, relevance in reading.sentences
        if start < unit.span.end and unit.span.start < end
    ]
    return max(overlapping, default=0.0)


_PAST = re.compile(
    r"\b(?:between|from) [^.;]{0,25}\b20\d\d (?:and|to) [^.;]{0,25}\b20\d\d\b|\b(?:until|before|"
    r"till) [^.;]{0,15}\b20\d\d\b"
    r"|\b(?:were|was) (?:lower|higher|replaced|switched off|withdrawn|discontinued)\b|"
    r"\bused to\b|\bformerly\b",
    re.IGNORECASE,
)
_ASKS_OF_PAST = re.compile(
    r"\b(?:was|were|did|had|before|until|earlier|previous\w*|old|former)\b", re.IGNORECASE
)
_RECORD = re.compile(r"id: [^;]+; \w+: ", re.IGNORECASE)  # what a record is filed under
_BECAUSE = re.compile(
    r"\b(?:because|due to|so that|reason|therefore|weil|denn|damit|grund|porque|debido|"
    r"motivo|parce qu\w*|raison)\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"\n    \S|^(?:def|class|import|from|return|curl|const|function)\b|[{;]\s*$")
_ASKS_FOR_CODE = re.compile(
    r"\b(?:code|example|snippet|command|curl|python|script|request body|header|json|beispiel|"
    r"ejemplo|exemple)\b",
    re.IGNORECASE,
)
_READABLE = 600  # characters
_FINISHED = re.compile(r"[.!?:;…。！？][\"'”’»)\]*_]*$")


def _adjusted(question: Question, passage: Passage, unit: Unit, score: float) -> float:
    """Weigh what the reader does not know: how a sentence would read as an answer."""
    odds = 1.0
    if unit.span.kind == "text" and not _FINISHED.search(unit.text):
        odds *= 0.1  # a line of a page's furniture more often than a sentence
    if unit.span.kind == "text" and unit.text[0].islower() and unit.span.start == 0:
        odds *= 0.2  # the rest of a sentence that began in the chunk before
    if unit.span.kind == "text" and len(unit.text.split()) < 3:
        odds *= 0.2
    if len(unit.text) > _READABLE:
        odds *= 0.02  # a page of an index or a table run together: nobody reads it as a sentence
    if question.wants == "reason" and _BECAUSE.search(unit.text):
        odds *= 5.0
    if (unit.span.kind == "code" or _CODE.search(unit.text)) and not _ASKS_FOR_CODE.search(
        question.text
    ):
        odds *= 0.1
    if _RECORD.match(unit.text):
        odds *= 0.001
    if (
        question.as_of is None
        and not _ASKS_OF_PAST.search(question.text)
        and _PAST.search(unit.text)
    ):
        odds *= 0.4
    if (
        question.wants == "definition"
        and unit.span.kind != "row"
        and defines(unit.text, frozenset(question.terms(passage.language)), passage.language)
    ):
        odds *= 20.0
    return sigmoid(_logit(score) + math.log(odds))


def _logit(probability: float) -> float:
    clipped = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(clipped / (1 - clipped))


def in_force(
    candidates: Sequence[Candidate],
    passages: Sequence[Passage],
    as_of: date | None,
    question: Question,
) -> list[Candidate]:
    """Leave out what another dated version says otherwise, if that one is to be gone by."""
    dated = [c for c in candidates[:_COMPARED] if passages[c.passage].published]
    dropped = {
        candidate.key
        for candidate in dated
        if any(_replaces(rival, candidate, passages, as_of, question) for rival in dated)
    }
    return [candidate for candidate in candidates if candidate.key not in dropped]


def _replaces(
    rival: Candidate,
    candidate: Candidate,
    passages: Sequence[Passage],
    as_of: date | None,
    question: Question,
) -> bool:
    """Tell whether a sentence of the version to go by stands in place of another one."""
    new, old = passages[rival.passage], passages[candidate.passage]
    if rival.relevance < _CONTRARY * candidate.relevance or not prefers(new, old, as_of):
        return False
    if rival.relevance >= _RIVAL * candidate.relevance and same_work(new, old):
        return True
    terms = question.terms(old.language)
    return disagree(_statement(candidate, passages), _statement(rival, passages), terms)


def _statement(candidate: Candidate, passages: Sequence[Passage]) -> Statement:
    span = candidate.unit.span
    return Statement(passages[candidate.passage], span.start, span.end)


def dangles(text: str) -> bool:
    """Tell whether a sentence leans on the one before it by its first word."""
    return bool(_DANGLING.match(text))


def repeats(candidate: Candidate, taken: Sequence[Candidate]) -> bool:
    """Tell whether a sentence says nothing that those taken do not say."""
    own, figures = candidate.unit.terms, numbers(candidate.text)
    for other in taken:
        if not own or candidate.text == other.text:
            return True
        if not figures <= numbers(other.text):
            continue
        if len(own & other.unit.terms) / len(own) >= 0.85:
            return True
        if len(own & other.unit.terms) / len(own | other.unit.terms) >= _SAME:
            return True
    return False
