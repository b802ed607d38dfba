"""The default generator: one to four sentences taken word for word from the passages.

No language model: what it says is what the documents say, so every sentence equals its quote. A
fact is led by its span, a procedure keeps its steps, a comparison shows both sides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rag.answer.candidates import Candidate, collect, dangles, repeats, with_readings
from rag.answer.features import context_terms, coverage, holds, weigh
from rag.answer.injection import asks_about_models, tainted
from rag.answer.lists import Entry, Listing, contents, context, joined, listings
from rag.answer.questions import Question, terms_of, understand
from rag.settings import AnswerSettings
from rag.types import Citation, Passage, Sentence, Turn

SHORT_FROM = 0.5
"""Probability of a span from which it leads the answer; see the figures in reading.json."""

# "What is the import tax for …" asks for a value although its type is not known.
_ATTRIBUTE = re.compile(r"(?:what|which) (?:is|are|was|were) (?:the|my|our) ", re.IGNORECASE)
_ENOUGH = 0.45  # of the best sentence's relevance, that another one needs to be added
_ENOUGH_BESIDE_FACT = 0.6  # the same where a short answer has said it already
_ADDING = 0.35  # of those, for a sentence that has a word of the question that none had so far
_LIST_FROM = 0.45  # fit of a list to a procedure's question

Kind = Literal["short", "text", "item", "step"]


class ExtractiveGenerator:
    """Composes an answer of verbatim sentences. Threads may share it."""

    name = "extractive"

    def __init__(self, settings: AnswerSettings) -> None:
        self._settings = settings

    def draft(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> Iterator[Sentence]:
        """Yield sentences cited to their exact spans; none when there is nothing to quote."""
        asked = understand(question)
        read = with_readings(asked, passages)
        candidates = collect(asked, read)
        if not candidates:
            return
        yield from self._compose(asked, read, candidates)

    def _compose(
        self, question: Question, passages: list[Passage], candidates: list[Candidate]
    ) -> Iterator[Sentence]:
        numbering = _Numbering(passages)
        listing = _list_for(question, passages, candidates)
        if listing is not None:
            yield from _steps(listing, passages, numbering, self._settings.max_steps)
            return
        short = _short(question, passages, candidates)
        if short is not None:
            yield numbering.sentence(short.passage, short.start, short.end, "short")
        chosen = choose(question, passages, candidates, short, self._settings.max_sentences)
        for candidate in chosen:
            span = candidate.unit.span
            kind: Kind = "item" if span.kind in ("item", "row") else "text"
            yield numbering.sentence(candidate.passage, span.start, span.end, kind)


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


# --- a short answer -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Short:
    passage: int
    start: int
    end: int
    candidate: Candidate


def _short(
    question: Question, passages: Sequence[Passage], candidates: Sequence[Candidate]
) -> _Short | None:
    """Return the span that leads, if the question wants a fact and one is likely enough."""
    attribute = question.wants == "open" and _ATTRIBUTE.match(question.text)
    if not (question.wants_fact or attribute):
        return None
    best: tuple[float, _Short] | None = None
    for candidate in candidates:
        reading = passages[candidate.passage].reading
        span = candidate.unit.span
        for start, end, probability in reading.answers if reading else ():
            inside = span.start <= start and end <= span.end and end - start < span.end - span.start
            if inside and probability >= SHORT_FROM and (best is None or probability > best[0]):
                best = probability, _Short(candidate.passage, start, end, candidate)
    return best[1] if best else None


# --- sentences ----------------------------------------------------------------------------------


def choose(
    question: Question,
    passages: Sequence[Passage],
    candidates: Sequence[Candidate],
    short: _Short | None,
    most: int,
) -> list[Candidate]:
    """Return the sentences of the answer in the order in which they read well."""
    if question.wants == "comparison" and len(question.sides) == 2:
        taken = _both_sides(question, passages, candidates, most)
    else:
        first = [short.candidate] if short else []
        enough = _ENOUGH_BESIDE_FACT if short else _ENOUGH
        asked = frozenset(question.terms(passages[candidates[0].passage].language))
        taken = _best(candidates, first, min(most, 2) if short else most, enough, asked)
    taken = _led(taken, candidates, most)
    lead = short.candidate if short else taken[0] if question.wants == "yesno" else None
    return _in_reading_order(taken, lead)


def _best(
    candidates: Sequence[Candidate],
    first: list[Candidate],
    most: int,
    enough: float,
    asked: frozenset[str] = frozenset(),
) -> list[Candidate]:
    """Take the best sentences, and from passages in use what says a word that is still missing."""
    taken = list(first)
    top = max([candidates[0].relevance, *(c.relevance for c in first)])
    for candidate in candidates:
        if len(taken) >= most:
            break
        lacking = asked.difference(*(c.unit.terms for c in taken))
        adds = bool(lacking & candidate.unit.terms) and candidate.passage in {
            c.passage for c in taken
        }
        if taken and candidate.relevance < enough * top * (_ADDING if adds else 1.0):
            continue
        if candidate not in taken and not repeats(candidate, taken):
            taken.append(candidate)
    return taken


def _both_sides(
    question: Question, passages: Sequence[Passage], candidates: Sequence[Candidate], most: int
) -> list[Candidate]:
    """Take the best evidence for each side from sentences that speak of it."""
    sides = [_side_terms(question, n) for n in (0, 1)]
    taken: list[Candidate] = []
    for round_ in range(max(1, most // 2)):
        for own, other in ((sides[0], sides[1]), (sides[1], sides[0])):
            scored = [
                (candidate.relevance * _speaks_of(own, other, candidate, passages), candidate)
                for candidate in candidates
                if candidate not in taken and not repeats(candidate, taken)
            ]
            best = max(scored, key=lambda pair: (pair[0], -pair[1].passage), default=None)
            if best is None or best[0] <= 0 or len(taken) >= most:
                continue
            if round_ == 0 or best[0] >= _ENOUGH * max(c.relevance for c in taken):
                taken.append(best[1])
    return taken or _best(candidates, [], most, _ENOUGH)


def _side_terms(question: Question, n: int) -> frozenset[str]:
    own, other = (set(terms_of(side, "en")) for side in (question.sides[n], question.sides[1 - n]))
    return frozenset(own - other or own)


def _speaks_of(
    own: frozenset[str],
    other: frozenset[str],
    candidate: Candidate,
    passages: Sequence[Passage],
) -> float:
    """Return how far a sentence is about one side: 1.2 for both, 1 for it alone, 0 for neither."""
    terms = candidate.unit.terms
    if own and own <= terms:
        return 1.2 if other and other <= terms else 1.0
    around = context_terms(passages[candidate.passage])
    if own and own <= terms | around and not other <= terms:
        return 0.7
    return 0.4 * len(own & terms) / len(own) if own else 0.0


def _led(taken: list[Candidate], candidates: Sequence[Candidate], most: int) -> list[Candidate]:
    """Put the sentence that another one leans on before it, if there is room."""
    by_place = {(c.passage, c.unit.position): c for c in candidates}
    result = list(taken)
    for candidate in taken:
        before = by_place.get((candidate.passage, candidate.unit.position - 1))
        if (
            before is not None
            and before not in result
            and dangles(candidate.text)
            and before.unit.span.kind == "text"
        ):
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
    question: Question, passages: Sequence[Passage], candidates: Sequence[Candidate]
) -> Listing | None:
    """Return a list that answers as a whole: steps of a procedure, or what a line announces."""
    if question.wants == "procedure":
        return _best_list(question, passages, candidates)
    top = candidates[0]
    if top.text.rstrip().endswith(":") and top.unit.span.kind == "text":
        for listing in listings(top.passage, passages[top.passage]):
            if listing.lead and listing.lead.start == top.unit.span.start:
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
    best: tuple[float, Listing] | None = None
    for listing in found:
        fit = _fit(question, passages, listing, found)
        if best is None or fit > best[0]:
            best = fit, listing
    if best and best[0] >= _LIST_FROM:
        return joined(best[1], passages)
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

    def share(parts: Callable[[Listing], frozenset[str]]) -> float:
        """What tells these lists apart weighs more than what all of them stand under."""
        groups = [parts(rival) for rival in rivals]
        terms = [t for t in question.terms(language) if any(holds(t, g, language) for g in groups)]
        return coverage(weigh(terms, groups), parts(listing), language) if terms else 0.0

    heading = share(lambda one: context(one, passages))
    nearest = share(lambda one: context(one, passages, nearest=True))
    inside = share(lambda one: contents(one, passages))
    order = 1.0 if listing.ordered else 0.3
    known = context(listing, passages) | contents(listing, passages)
    topic = coverage(dict.fromkeys(question.terms(language), 1.0), known, language)
    told = 0.4 * heading + 0.3 * nearest + 0.1 * inside + 0.1 * order + 0.1 / (1 + listing.passage)
    return topic * told


def _steps(
    listing: Listing, passages: Sequence[Passage], numbering: _Numbering, most: int
) -> Iterator[Sentence]:
    barred = {
        n: [] if asks_about_models(passages[n].title) else tainted(passages[n].chunk.text)
        for n in {entry.passage for entry in listing.entries}
    }
    entries = [listing.lead, *listing.entries] if listing.lead else listing.entries
    shown = 0
    for entry in entries:
        if any(a < entry.end and entry.start < b for a, b in barred.get(entry.passage, [])):
            continue
        shown += bool(entry.marker)
        if shown > most:
            return
        yield numbering.sentence(
            entry.passage, entry.start, entry.end, _kind(entry, listing), _marker(entry, listing)
        )


def _kind(entry: Entry, listing: Listing) -> Kind:
    if not entry.marker:
        return "text"
    return "step" if listing.ordered and _marker(entry, listing) else "item"


def _marker(entry: Entry, listing: Listing) -> str:
    digits = entry.marker.strip("(")
    return digits if listing.ordered and any(c.isalnum() for c in digits) else ""
