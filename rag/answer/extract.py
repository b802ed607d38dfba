"""The default generator: one to four sentences taken word for word from the passages.

No language model: what it says is what the documents say, so every sentence equals its quote. The
words of a fact are highlighted, a procedure keeps its steps, a comparison shows both sides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rag.answer.conflicts import Statement, disagree, prefers, same_work
from rag.answer.features import Unit, coverage, holds, units_of, weigh
from rag.answer.injection import asks_about_models, overlaps, tainted
from rag.answer.kind import COMPARISON_FROM, LIST_FROM, kinds_of
from rag.answer.lists import Entry, Listing, contents, context, joined, listings
from rag.answer.question import Question, understand
from rag.answer.reader import logit, read_words
from rag.models.runtime import sigmoid
from rag.protocols import Embedder
from rag.settings import AnswerSettings
from rag.text.numbers import numbers
from rag.text.terms import content_terms, fold
from rag.types import Citation, Passage, Reading, Sentence, Turn

SHORT_FROM = 0.5
"""Probability of a span from which it is highlighted; see the figures in cross_reading.json."""

_WHOLE = frozenset({"comparison", "procedure", "yesno"})
"""Types of question that a span shorter than a sentence does not answer."""
_ENOUGH = 0.45  # of the best sentence's relevance, that another one needs to be added
_ENOUGH_BESIDE_FACT = 0.6  # the same where a span has said it already
_LEAST_BESIDE = 0.05  # the same for another side of a comparison
_NEW_TERM = 0.5  # log-odds that it gains for each word of the question that was not spoken of
_LIST_FROM = 0.45  # fit of a list to a procedure's question

Kind = Literal["text", "item", "step", "code"]
_LONGEST_SUBJECT = 80  # characters


class ExtractiveGenerator:
    """Composes an answer of verbatim sentences. Threads may share it.

    Without an embedder, a list answers only where its lead-in or a procedure was asked for.
    """

    name = "extractive"

    def __init__(self, settings: AnswerSettings, embedder: Embedder | None = None) -> None:
        self._settings = settings
        self._embedder = embedder

    def kinds(self, asked: Question) -> Mapping[str, float]:
        """How likely each kind of answer is wanted; empty where nobody knows."""
        if self._embedder is None or asked.foreign:
            return {}
        return kinds_of(asked.text, self._embedder)

    def draft(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> Iterator[Sentence]:
        """Yield sentences cited to their exact spans; none when there is nothing to quote."""
        asked = understand(question)
        passages = with_readings(asked, passages)
        candidates = collect(asked, passages)
        if not candidates:
            return
        numbering = _Numbering(passages)
        kinds = self.kinds(asked)
        listing = _list_for(asked, passages, candidates, whole=kinds.get("list", 0.0) >= LIST_FROM)
        if listing is not None:
            yield from _steps(listing, passages, numbering, self._settings.max_steps)
            return
        short = _short(asked, passages, candidates)
        most = self._settings.max_sentences
        compare = asked.wants == "comparison" or kinds.get("comparison", 0.0) >= COMPARISON_FROM
        chosen = choose(asked, passages, candidates, short, most, compare=compare)
        named = ""
        listed: set[tuple[int, int]] = set()  # what a line ending in a colon has brought
        for before, candidate in zip([None, *chosen], chosen, strict=False):
            span = candidate.unit.span
            if candidate.key in listed:
                continue
            kind: Kind = "item" if span.kind in ("item", "row") else "text"
            follows = before is not None and before.next_is(candidate)
            subject = _subject(passages[candidate.passage], candidate.unit, follows=follows)
            sentence = numbering.sentence(candidate.passage, span.start, span.end, kind)
            told: dict[str, Any] = {"subject": "" if subject == named else subject}
            if short is not None and candidate is short.candidate:
                told["highlight"] = short.start - span.start, short.end - span.start
            yield sentence.model_copy(update=told)
            named = subject
            if code := _code_after(passages[candidate.passage], candidate.unit):
                yield numbering.sentence(candidate.passage, *code, "code")
            elif listing := _led_to(candidate, passages):
                entries = replace(listing, lead=None)
                listed.update((entry.passage, entry.start) for entry in entries.entries)
                yield from _steps(entries, passages, numbering, self._settings.max_steps)


_CODE_BLOCK = re.compile(r"\s*(?P<all>(?P<fence>`{3,})\n.{1,1200}?\n(?P=fence))(?=\s|$)", re.DOTALL)


def _code_after(passage: Passage, unit: Unit) -> tuple[int, int] | None:
    """The block of code that a sentence ending in a colon introduces, and says little without."""
    text, end = passage.chunk.text, unit.span.end
    found = _CODE_BLOCK.match(text, end) if unit.text.endswith(":") else None
    if found is None or overlaps(tainted(text), *found.span("all")):
        return None
    return found.span("all")


def _subject(passage: Passage, unit: Unit, *, follows: bool = False) -> str:
    """What a unit is about, if it does not say so: the term of its entry, or what it leans on.

    An item that is no sentence ("use it outdoors" under "Do not", "Water damage" under "Not
    covered") says the opposite without the line above it, a pronoun may be anybody's; unless it
    ``follows`` the sentence before it.
    """
    start = passage.chunk.start + unit.span.start
    terms = [scope.title for scope in passage.scopes_at(start) if scope.kind == "term"]
    found = terms[-1] if terms else ""
    if not found and not follows and (_is_fragment(unit) or _PRONOUN.match(unit.text)):
        found = unit.names[-1] if unit.names else _above(passage, unit.span.start)
    if fold(found) in fold(unit.text) or len(found) > _LONGEST_SUBJECT:
        return ""
    return found.rstrip(":")


def _above(passage: Passage, start: int) -> str:
    """The nearest heading above a place of a passage, or its title."""
    path = [heading.title for heading in passage.path_at(passage.chunk.start + start)]
    return next(filter(None, [*reversed(path), *reversed(passage.chunk.headings)]), passage.title)


_PRONOUN = re.compile(r"(?:it|its|they|their|this|these|those|he|she|his|her)\b", re.IGNORECASE)


def _is_fragment(unit: Unit) -> bool:
    if unit.span.kind != "item":
        return False
    begins_inside = next(filter(str.isalnum, unit.text), "").islower()
    return begins_inside or not unit.text.rstrip("\"'”’»)*_ ").endswith((".", "!", "?", "…", "。"))


@dataclass
class _Numbering:
    """Gives each passage its number, from 1, in the order of first use."""

    passages: Sequence[Passage]
    used: dict[int, int] = field(default_factory=dict)

    def sentence(
        self, passage: int, start: int, end: int, kind: Kind, marker: str = ""
    ) -> Sentence:
        number = self.used.setdefault(passage, len(self.used) + 1)
        citation = Citation.of(number, self.passages[passage], start, end)
        return Sentence(text=citation.quote, citations=(citation,), kind=kind, marker=marker)


# --- what is highlighted --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Short:
    start: int
    end: int
    candidate: Candidate


def _short(
    question: Question, passages: Sequence[Passage], candidates: Sequence[Candidate]
) -> _Short | None:
    """The span that answers, if one can and is likely enough."""
    if question.wants in _WHOLE:
        return None
    asked = set(question.terms("en"))
    best = 0.0
    short = None
    for candidate in candidates:
        reading, span = passages[candidate.passage].reading, candidate.unit.span
        for start, end, probability in reading.answers if reading else ():
            inside = span.start <= start and end <= span.end and end - start < span.end - span.start
            text = passages[candidate.passage].chunk.text
            words = content_terms(text[start:end])
            if inside and max(SHORT_FROM, best) < probability and not asked.issubset(words):
                signed = start > span.start and _SIGN.search(text[max(0, start - 2) : start])
                best, short = probability, _Short(start - bool(signed), end, candidate)
    return short


_SIGN = re.compile(r"(?<![^\s(])[-−–+±~<>≤≥$€£]\Z")
"""A sign before a figure, which the reader leaves out of its spans: 10 °C is not -10 °C."""


# --- sentences ----------------------------------------------------------------------------------


def choose(
    question: Question,
    passages: Sequence[Passage],
    candidates: Sequence[Candidate],
    short: _Short | None,
    most: int,
    *,
    compare: bool = False,
) -> list[Candidate]:
    """The sentences of the answer in the order in which they read well."""
    if compare:
        taken = _compared(question, passages, candidates, most)
    else:
        first = [short.candidate] if short else []
        enough = _ENOUGH_BESIDE_FACT if short else _ENOUGH
        taken = _best(candidates, first, min(most, 2) if short else most, enough)
    taken = _led(taken, candidates, most)
    lead = short.candidate if short else taken[0] if question.wants == "yesno" else None
    return _in_reading_order(taken, lead)


def _best(
    candidates: Sequence[Candidate], first: list[Candidate], most: int, enough: float
) -> list[Candidate]:
    """Take the best sentences that say more than those taken."""
    taken = list(first)
    top = max([candidates[0].relevance, *(c.relevance for c in first)])
    for candidate in candidates:
        if len(taken) >= most or (taken and candidate.relevance < enough * top):
            break
        if candidate not in taken and not repeats(candidate, taken):
            taken.append(candidate)
    return taken


def _compared(
    question: Question, passages: Sequence[Passage], candidates: Sequence[Candidate], most: int
) -> list[Candidate]:
    """Take the rows that the question names, or the best sentence and those that speak of more."""
    asked = set(question.terms("en"))
    if sides := _named(asked, passages, candidates):
        return sides[:most]

    named = [_subject(passages[c.passage], c.unit) for c in candidates[:_COMPARED]]
    spoken = [
        asked & (candidate.unit.terms | set(content_terms(name)))
        for candidate, name in zip(candidates, named, strict=False)
    ]
    taken, covered = [candidates[0]], spoken[0]
    top = candidates[0].relevance
    while len(taken) < most:
        worth = {
            n: logit(candidate.relevance) + _NEW_TERM * len(spoken[n] - covered)
            for n, candidate in enumerate(candidates[:_COMPARED])
            if candidate.relevance >= (_LEAST_BESIDE if spoken[n] - covered else _ENOUGH) * top
            and candidate not in taken
            and not repeats(candidate, taken)
        }
        if not worth:
            break
        best = max(worth, key=worth.__getitem__)
        taken.append(candidates[best])
        covered = covered | spoken[best]
    return taken


_ROW_NAME = re.compile(r"[^:;\n]+: ([^;\n]+)")


def _named(
    asked: set[str], passages: Sequence[Passage], candidates: Sequence[Candidate]
) -> list[Candidate]:
    """The best rows of one document whose whole name the question says, if there are several."""
    groups: dict[str, dict[frozenset[str], Candidate]] = {}
    for candidate in candidates:
        row = _ROW_NAME.match(candidate.text) if candidate.unit.span.kind == "row" else None
        terms = frozenset(content_terms(row[1])) if row else frozenset()
        if terms and terms <= asked:
            group = groups.setdefault(passages[candidate.passage].chunk.document_id, {})
            group.setdefault(terms, candidate)
    return next((list(group.values()) for group in groups.values() if len(group) > 1), [])


def _led(taken: list[Candidate], candidates: Sequence[Candidate], most: int) -> list[Candidate]:
    """Put the sentence that another one leans on before it, if there is room."""
    by_place = {(c.passage, c.unit.position): c for c in candidates if c.unit.span.kind == "text"}
    result = list(taken)
    for candidate in taken:
        before = by_place.get((candidate.passage, candidate.unit.position - 1))
        if before is None or before in result or not dangles(candidate.text):
            continue
        if len(result) >= most:
            weakest = min(result, key=lambda c: c.relevance)
            if weakest is candidate or len(result) == 1:
                continue
            result.remove(weakest)
        result.append(before)
    return result


def _in_reading_order(taken: Sequence[Candidate], lead: Candidate | None) -> list[Candidate]:
    """Keep what is of one passage together, the best passage first, the decisive one leading."""
    best: dict[int, float] = {}
    for candidate in taken:
        best[candidate.passage] = max(best.get(candidate.passage, 0.0), candidate.relevance)
    if lead is not None:
        best[lead.passage] = 2.0

    def order(candidate: Candidate) -> tuple[float, int, bool, int]:
        leads = candidate is lead and not dangles(candidate.text)
        passage, start = candidate.key
        return -best[candidate.passage], passage, not leads, start

    return sorted(taken, key=order)


# --- lists --------------------------------------------------------------------------------------


def _list_for(
    question: Question,
    passages: Sequence[Passage],
    candidates: Sequence[Candidate],
    *,
    whole: bool,
) -> Listing | None:
    """Return a list that answers as a whole: steps of a procedure, or what a line announces.

    With ``whole`` also the list that the best unit is an entry of.
    """
    if question.wants == "procedure":
        return _best_list(question, passages, candidates)
    top = candidates[0]
    if led := _led_to(top, passages):
        return led
    for listing in listings(top.passage, passages[top.passage]) if whole else ():
        inside = any(entry.start <= top.unit.span.start < entry.end for entry in listing.entries)
        if inside and len(listing.entries) > 1:
            return joined(listing, passages)
    return None


def _led_to(candidate: Candidate, passages: Sequence[Passage]) -> Listing | None:
    """The list that a line ending in a colon introduces."""
    if not candidate.text.rstrip().endswith(":") or candidate.unit.span.kind != "text":
        return None
    for listing in listings(candidate.passage, passages[candidate.passage]):
        if listing.lead and listing.lead.start == candidate.unit.span.start:
            return joined(listing, passages)
    return None


def _best_list(
    question: Question, passages: Sequence[Passage], candidates: Sequence[Candidate]
) -> Listing | None:
    found = [
        listing
        for n, passage in enumerate(passages)
        for listing in listings(n, passage)
        if len(listing.entries) >= 2 and _allowed(listing, candidates)
    ]
    if not found:
        return None
    fits = [_fit(question, passages, listing, found) for listing in found]
    if max(fits) >= _LIST_FROM:
        return joined(found[fits.index(max(fits))], passages)
    for listing in found:  # the best line of all may be one of its steps
        if listing.ordered and candidates[0].key in {(e.passage, e.start) for e in listing.entries}:
            return joined(listing, passages)
    return None


def _allowed(listing: Listing, candidates: Sequence[Candidate]) -> bool:
    """Leave out lists of which no line is a candidate: outdated, or aimed at a model."""
    starts = {(entry.passage, entry.start) for entry in listing.entries}
    return any(candidate.key in starts for candidate in candidates)


def _fit(
    question: Question, passages: Sequence[Passage], listing: Listing, rivals: Sequence[Listing]
) -> float:
    """Return how well a list fits a procedure's question: mostly by what it stands under."""
    language = passages[listing.passage].language

    def share(groups: list[frozenset[str]]) -> float:
        """What tells these lists apart weighs more than what all of them stand under."""
        terms = [t for t in question.terms(language) if any(holds(t, g, language) for g in groups)]
        return coverage(weigh(terms, groups), groups[rivals.index(listing)], language)

    heading = share([context(one, passages) for one in rivals])
    nearest = share([context(one, passages, nearest=True) for one in rivals])
    inside = share([contents(one, passages) for one in rivals])
    order = 1.0 if listing.ordered else 0.3
    known = context(listing, passages) | contents(listing, passages)
    topic = coverage(dict.fromkeys(question.terms(language), 1.0), known, language)
    told = 0.4 * heading + 0.3 * nearest + 0.1 * inside + 0.1 * order + 0.1 / (1 + listing.passage)
    return topic * told


def _steps(
    listing: Listing, passages: Sequence[Passage], numbering: _Numbering, most: int
) -> Iterator[Sentence]:
    barred = {
        n: () if asks_about_models(passages[n].title) else tainted(passages[n].chunk.text)
        for n in {entry.passage for entry in listing.entries}
    }
    entries = [listing.lead, *listing.entries] if listing.lead else listing.entries
    shown = 0
    for entry in entries:
        if overlaps(barred.get(entry.passage, ()), entry.start, entry.end):
            continue
        shown += bool(entry.marker)
        if shown > most:
            return
        marker = _marker(entry, listing)
        kind: Kind = "step" if marker else "item" if entry.marker else "text"
        found = numbering.sentence(entry.passage, entry.start, entry.end, kind, marker)
        if entry is listing.entries[0] and not listing.lead and found.text[:1].islower():
            above = _above(passages[entry.passage], entry.start)
            found = found.model_copy(update={"subject": above})
        yield found


def _marker(entry: Entry, listing: Listing) -> str:
    digits = entry.marker.strip("(")
    return digits if listing.ordered and any(c.isalnum() for c in digits) else ""


# --- what may be quoted, and what it is worth -----------------------------------------------------

_COMPARED = 24  # candidates that are held against each other for versions that disagree
_RIVAL = 0.4  # of an older sentence's relevance, that a newer version needs to replace it
_CONTRARY = 0.1  # the same where it plainly says otherwise
_SAME = 0.7  # overlap of terms from which two sentences say the same

_DANGLING = re.compile(
    r"^[\"“(]?(?:(?:it|its|this|that|these|those|they|their|them|he|she|his|her|such|however|but|"
    r"and|so|then|also|therefore|otherwise|instead|moreover|furthermore|still|thus|hence|both|"
    r"neither|in (?:this|that|such|either) cases?|after (?:that|this)|if so|if not|for (?:this|"
    r"that) reason|for example|afterwards|likewise|later|the (?:former|latter)|diese\w*|dies|dabei|"
    r"danach|dann|aber|außerdem|jedoch|deshalb|sonst|es|esto|esta|este|además|pero|entonces|sin "
    r"embargo|por eso|luego|cela|ceci|cette|ensuite|mais|donc|puis|cependant|il|elle|ils|elles)\b)",
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

    def next_is(self, other: Candidate) -> bool:
        """Tell whether the other one stands right after it."""
        return (self.passage, self.unit.position + 1) == (other.passage, other.unit.position)

    @property
    def key(self) -> tuple[int, int]:
        """Passage and start: unique, and in reading order within a passage."""
        return self.unit.passage, self.unit.span.start


def with_readings(question: Question, passages: Sequence[Passage]) -> list[Passage]:
    """The passages, those that nobody read judged by their words alone."""
    if all(passage.reading is not None for passage in passages):
        return list(passages)
    judged = read_words(question, passages).readings(passages)
    return [own if own.reading else other for own, other in zip(passages, judged, strict=True)]


def collect(question: Question, passages: Sequence[Passage]) -> list[Candidate]:
    """Return what may be quoted, best first: nothing aimed at models, nothing outdated."""
    literal = asks_about_models(question.text)
    found: list[Candidate] = []
    for n, passage in enumerate(passages):
        barred = () if literal else tainted(passage.chunk.text)
        for unit in units_of(n, passage):
            score = _relevance(passage.reading, unit)
            if score > 0 and not overlaps(barred, unit.span.start, unit.span.end):
                found.append(Candidate(unit, _adjusted(question, unit, score)))
    found.sort(key=lambda c: (-c.relevance, c.key))
    return in_force(found, passages, question)


def _relevance(reading: Reading | None, unit: Unit) -> float:
    read = reading.sentences if reading else ()
    inside = (p for start, end, p in read if start < unit.span.end and unit.span.start < end)
    return max(inside, default=0.0)


_RECORD = re.compile(r"id: [^;]+; \w+: ", re.IGNORECASE)  # what a record is filed under
_CODE = re.compile(r"\n    \S|^(?:def|class|import|from|return|curl|const|function)\b|[{;]\s*$")
_ASKS_FOR_CODE = re.compile(
    r"\b(?:code|example|snippet|command|curl|python|script|request body|header|json|beispiel|"
    r"ejemplo|exemple)\b",
    re.IGNORECASE,
)
_READABLE = 600  # characters


def _adjusted(question: Question, unit: Unit, score: float) -> float:
    """Weigh what the reader does not know: how a sentence would read as an answer."""
    odds = 1.0
    if len(unit.text) > _READABLE:
        odds *= 0.02  # a page of an index or a table run together: nobody reads it as a sentence
    is_code = unit.span.kind == "code" or _CODE.search(unit.text)
    if is_code and not _ASKS_FOR_CODE.search(question.text):
        odds *= 0.1
    if _RECORD.match(unit.text):
        odds *= 0.001
    return sigmoid(logit(score) + math.log(odds))


def in_force(
    candidates: Sequence[Candidate], passages: Sequence[Passage], question: Question
) -> list[Candidate]:
    """Leave out what another dated version says otherwise, if that one is to be gone by."""
    dated = [c for c in candidates[:_COMPARED] if passages[c.passage].published]

    def replaces(other: Candidate, candidate: Candidate) -> bool:
        new, old = passages[other.passage], passages[candidate.passage]
        if other.relevance < _CONTRARY * candidate.relevance:
            return False
        if not prefers(new, old, question.as_of):
            return False
        if other.relevance >= _RIVAL * candidate.relevance and same_work(new, old):
            return True
        terms = question.terms(old.language)
        return disagree(_statement(candidate, passages), _statement(other, passages), terms)

    dropped = {one.key for one in dated if any(replaces(other, one) for other in dated)}
    return [candidate for candidate in candidates if candidate.key not in dropped]


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
        shared = len(own & other.unit.terms)
        same = shared >= 0.85 * len(own) or shared >= _SAME * len(own | other.unit.terms)
        if same and figures <= numbers(other.text):
            return True
    return False
