"""The built-in reader: how relevant each sentence is, where the answer stands, if there is one.

In English, the cross-encoder gives for every sentence the best span in it and how far that is above
"the answer is not here". Small logistic regressions weigh this against what the words say; their
weights and the command that makes them are in ``cross_reading.json``. Passages and questions in
languages that it does not know are read by their words alone (``reading.json``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from rag.answer.abstain import Rivals, Vocabulary, lacks
from rag.answer.features import (
    Unit,
    context_terms,
    holds,
    in_context,
    path_of,
    question_terms,
    sentence_features,
    units_of,
)
from rag.answer.question import Question, typed, understand
from rag.answer.tables import best_cell
from rag.models.cross_encoder import LANGUAGES, Judge, Judged
from rag.models.runtime import sigmoid
from rag.protocols import Embedder
from rag.text.terms import content_terms
from rag.types import Passage, Reading

SENTENCE_FEATURES = ("words", "margin", "gap", "relevance", "relevance_gap")
LOOK_FEATURES = ("first", "look", "look_gap", "look_margin", "look_margin_gap")
SPAN_FEATURES = ("sentence", "margin", "gap", "relevance", "length", "said")
PASSAGE_FEATURES = ("margin", "relevance", "dense", "look", "look_margin", "ahead")
WORDS_SPAN_FEATURES = ("relevance", "main_type", "alone", "order", "near_before", "near_after",
                       "focus", "no_focus", "cell", "cell_fit")  # fmt: skip
WORDS_PASSAGE_FEATURES = ("relevance", "margin", "rank", "cover_passage", "missing",
                          "missing_specific", "missing_rare", "terms")  # fmt: skip

_EMBEDDED = 8
"""Sentences that are embedded for a question; the others are judged by their words alone.

In one fit, on articles held apart, the best sentence was right as often with 12 as with all of them
(0.743), with 6 a little less often (0.740), with none in 0.704 of the questions. Of the development
questions on the sample corpus, 8 answers exactly as many as 12 (0.303; 6: 0.289), a third faster.
"""
_SPANNED = 6  # sentences in which answers are looked for, over all passages
_ANSWERS = 3  # spans kept for a passage
_LOOKED = 8  # units that are read once more, alone under their places; 16 answer no more rightly
_SCALE = 10.0  # logits are divided by it, so that they are numbers like the other features
_FOREIGN = 1.0
"""Log-odds that a passage in another language loses to those that the model has read: what such a
passage shares with a question are names more often than an answer. Set by hand."""
PENALTY = 4.0
"""Log-odds that a question loses by a name, code, year or unit that no passage has, or if the
likeliest answer is about another one (abstain.py): enough to turn down what is likely
otherwise. Set by hand: 44% of the development questions
without an answer name what is nowhere, 2% of those with an answer (5% and 0.6% in SQuAD 2.0, whose
own fit gives 1.3); the likeliest answer is another's in 17 of 404 and 2 of 676."""
_NEAR = 10.0
"""Log-odds that a unit gains for each point of its passage's cosine with the question.

Set on the development questions about manuals: with 5, .008 fewer are answered rightly; with the
cosine of the unit's own entry in its place, as many; beside the model's own word for a passage it
says which of two entries that look alike is meant. eval/LOG.md has the other sets."""
_TALK = 2.0
"""Log-odds that a unit gains where its passage is what was talked about before (``talk``).

Set on the follow-ups of the development and tuning questions: with 1 fewer are answered rightly,
with 3 as many; eval/LOG.md."""
_LEAST = -2.0  # a margin below -20 says no more than -20

Answers = dict[int, list[tuple[int, int, float]]]
"""Passage -> (start, end, probability) of the spans that may be the answer, best first."""


@dataclass(frozen=True)
class Model:
    """A logistic regression: ``sigmoid(bias + Σ weight · feature)``."""

    bias: float
    weights: Mapping[str, float]

    def logit(self, features: Mapping[str, float]) -> float:
        """The log-odds; features that the model does not know count nothing."""
        return self.bias + sum(w * features.get(name, 0.0) for name, w in self.weights.items())


@cache
def models(name: str) -> dict[str, Model]:
    """The models of ``reading.json`` or ``cross_reading.json``.

    ``sentence`` judges a sentence (``embedded`` one with its cosine, ``look`` one read alone),
    ``span`` an answer in it, ``passage`` whether a passage answers, calibrated for the best one.
    """
    raw = json.loads(files("rag.answer").joinpath(name).read_text("utf-8"))["models"]
    return {name: Model(float(m["bias"]), dict(m["weights"])) for name, m in raw.items()}


def logit(probability: float, least: float = 1e-4) -> float:
    """The log-odds of a probability, that of ``least`` at the ends."""
    clipped = min(max(probability, least), 1 - least)
    return math.log(clipped / (1 - clipped))


class CrossEncoderReader:
    """Reads passages with a cross-encoder and an embedder. Threads may share it."""

    def __init__(self, judge: Judge, embedder: Embedder) -> None:
        self._judge = judge
        self._embedder = embedder

    def read(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """The same passages in the same order with ``reading`` filled in."""
        asked = understand(question)
        words = read_words(asked, passages, self._embedder)
        return combined(self._judge, asked, passages, words).readings(passages)


@dataclass(frozen=True)
class Study:
    """What is known of passages once they are read: of each unit, and of each passage.

    ``relevance`` are probabilities of the units, ``answers`` the spans that may answer by passage,
    ``answerable`` the log-odds that a passage answers.
    """

    units: Sequence[Unit]
    relevance: Sequence[float]
    answers: Answers
    answerable: Sequence[float]

    def readings(self, passages: Sequence[Passage]) -> list[Passage]:
        """The passages with their readings."""
        return [p.model_copy(update={"reading": self._reading(n)}) for n, p in enumerate(passages)]

    def _reading(self, n: int) -> Reading:
        own = [m for m, unit in enumerate(self.units) if unit.passage == n]
        return Reading(
            relevance=max((self.relevance[m] for m in own), default=0.0),
            no_answer=1.0 - (sigmoid(self.answerable[n]) if own else 0.0),
            answers=tuple(self.answers.get(n, ())),
            sentences=tuple(
                (self.units[m].span.start, self.units[m].span.end, self.relevance[m]) for m in own
            ),
        )


# --- by words alone -------------------------------------------------------------------------------


def read_words(
    question: Question, passages: Sequence[Passage], embedder: Embedder | None = None
) -> Study:
    """Read passages by their words and, where there is an embedder, the nearness of sentences."""
    fitted = models("reading.json")
    units = [unit for n, passage in enumerate(passages) for unit in units_of(n, passage)]
    rows = sentence_features(question, passages, units)
    logits = [fitted["sentence"].logit(row) for row in rows]
    if embedder is not None:
        known = [n for n, u in enumerate(units) if knows(embedder, question, passages[u.passage])]
        chosen = sorted(known, key=lambda n: (-logits[n], n))[:_EMBEDDED]
        add_cosines(question, passages, units, rows, embedder, chosen)
        near = {n: fitted["embedded"].logit(rows[n]) for n in chosen}
        # A sentence that was not embedded must not overtake those that were.
        for n in known:
            logits[n] = near[n] if n in near else min(logits[n], *near.values())
    relevance = [sigmoid(one) for one in logits]
    answers: Answers = {}
    for n in _best_first(relevance)[:_SPANNED]:
        unit = units[n]
        for start, end, features in words_span_features(question, passages, unit, relevance[n]):
            place = unit.span.start + start, unit.span.start + end
            found = *place, sigmoid(fitted["span"].logit(features))
            answers.setdefault(unit.passage, []).append(found)
    answerable = [
        fitted["passage"].logit(features)
        for features in words_passage_features(question, passages, units, relevance, embedder)
    ]
    return Study(units, relevance, _likeliest(answers), answerable)


def _best_first(relevance: Sequence[float]) -> list[int]:
    return sorted(range(len(relevance)), key=lambda n: (-relevance[n], n))


def _likeliest(answers: Answers) -> Answers:
    return {
        n: sorted(spans, key=lambda s: (-s[2], s[0]))[:_ANSWERS] for n, spans in answers.items()
    }


def knows(embedder: Embedder, question: Question, passage: Passage) -> bool:
    """Tell whether cosines mean something: the embedder knows both languages."""
    known = embedder.languages
    if known is None:
        return True
    return (passage.language or "en") in known and not (question.foreign and known == {"en"})


def add_cosines(
    question: Question,
    passages: Sequence[Passage],
    units: Sequence[Unit],
    rows: list[dict[str, float]],
    embedder: Embedder,
    chosen: Sequence[int],
) -> None:
    """Embed the chosen units in one batch and write their cosines into their rows."""
    if not chosen:
        return
    query = embedder.embed([question.text], query=True)[0]
    texts = [in_context(question, passages[units[n].passage], units[n]) for n in chosen]
    cosines = (embedder.embed(texts) @ query).tolist()
    for n, cosine in zip(chosen, cosines, strict=True):
        rows[n]["cosine"] = cosine
        rows[n]["cosine_gap"] = cosine - max(cosines)


def words_span_features(
    question: Question, passages: Sequence[Passage], unit: Unit, relevance: float
) -> list[tuple[int, int, dict[str, float]]]:
    """Return (start, end, features) of the typed spans and cells of one sentence."""
    language = passages[unit.passage].language or "en"
    if unit.span.kind == "row" and ": " in unit.text:
        best = best_cell(question, unit.text, language)
        if best is None:
            return []
        cell, fit = best
        return [(cell.start, cell.end, {"relevance": relevance, "cell": 1.0, "cell_fit": fit})]
    spans = typed(unit.text, question.types)
    terms = set(question.terms(language))
    rows = []
    for order, span in enumerate(spans):
        words = set(content_terms(unit.text[span.start : span.end], language))
        if words and words <= terms:
            continue  # the question says it already
        before = set(content_terms(unit.text[max(0, span.start - 40) : span.start], language))
        after = set(content_terms(unit.text[span.end : span.end + 40], language))
        focused = bool(question.focus & (after | words))
        features = {
            "relevance": relevance,
            "main_type": float(span.type == question.types[0]),
            "alone": 1.0 / sum(other.type == span.type for other in spans),
            "order": 1.0 / (1.0 + order),
            "near_before": min(1.0, len(before & terms) / 3),
            "near_after": min(1.0, len(after & terms) / 3),
            "focus": float(focused),
            "no_focus": float(bool(question.focus) and not focused),
        }
        rows.append((span.start, span.end, features))
    return rows


def words_passage_features(
    question: Question,
    passages: Sequence[Passage],
    units: Sequence[Unit],
    relevance: Sequence[float],
    embedder: Embedder | None = None,
) -> list[dict[str, float]]:
    """Return, for each passage, the features of whether it answers the question at all.

    Words that the embedder cuts into many pieces are rare.
    """
    count_tokens = embedder.count_tokens if embedder else lambda _: 1
    own = [[n for n, unit in enumerate(units) if unit.passage == m] for m in range(len(passages))]
    tops = [max((relevance[n] for n in of_passage), default=0.0) for of_passage in own]
    features = []
    for n, passage in enumerate(passages):
        language = passage.language or "en"
        terms = context_terms(passage).union(*(units[m].terms for m in own[n]))
        asked = question_terms(question.text, language)
        lacking = [term for term in asked if not holds(term[0], terms, language)]
        pieces = {stem: min(4, max(1, count_tokens(word))) for stem, _, word in asked}
        total = sum(pieces.values())
        features.append(
            {
                "relevance": logit(tops[n], 1e-3),
                "margin": tops[n] - max(tops[:n] + tops[n + 1 :], default=0.0),
                "rank": 1.0 / (1.0 + n),
                "cover_passage": 1.0 - len(lacking) / len(asked) if asked else 0.0,
                "missing": min(1.0, len(lacking) / 4),
                "missing_specific": min(1.0, sum(specific for _, specific, _ in lacking) / 2),
                "missing_rare": sum(pieces[s] for s, _, _ in lacking) / total if total else 0.0,
                "terms": min(1.0, len(asked) / 8),
            }
        )
    return features


# --- with the cross-encoder -----------------------------------------------------------------------


def judged(judge: Judge, question: Question, passages: Sequence[Passage]) -> dict[int, Judged]:
    """Return what the model says of the passages whose language it knows, by their position."""
    if question.foreign:
        return {}
    known = [n for n, passage in enumerate(passages) if (passage.language or "en") in LANGUAGES]
    found = judge.judge(question.text, [passages[n] for n in known])
    return dict(zip(known, found, strict=True))


@dataclass(frozen=True)
class Signals:
    """The features of every unit that the model has read, and the best span in it.

    ``rejected_best`` is the rejected unit that the model would have answered from, if it would.
    """

    rows: dict[int, dict[str, float]]
    spans: dict[int, tuple[int, int]]
    rejected_best: int | None = None


def signals(study: Study, judged: Mapping[int, Judged], rejected: Collection[int] = ()) -> Signals:
    """Return what the model says of each unit, beside what its words say.

    Units that are ``rejected`` hold no answer, whatever the model says: they are about another
    year, code or country.
    """
    spans: dict[int, tuple[int, int]] = {}
    margins: dict[int, float] = {}
    for n, unit in enumerate(study.units):
        passage = judged.get(unit.passage)
        if passage is not None:
            best = passage.best(unit.span.start, unit.span.end)
            margins[n] = max(_LEAST, best[2] / _SCALE) if best else _LEAST
            if best:
                spans[n] = best[:2]
    best_unit = max(margins, key=margins.__getitem__, default=None)
    for n in rejected:
        margins[n] = _LEAST
        spans.pop(n, None)
    top = max(margins.values(), default=0.0)
    about = {n: passage.relevance / _SCALE for n, passage in judged.items()}
    nearest = max(about.values(), default=0.0)
    rows = {
        n: {
            "words": logit(study.relevance[n]) / _SCALE,
            "margin": margin,
            "gap": margin - top,
            "relevance": about[study.units[n].passage],
            "relevance_gap": about[study.units[n].passage] - nearest,
        }
        for n, margin in margins.items()
    }
    return Signals(rows, spans, best_unit if best_unit in rejected else None)


def combined(judge: Judge, question: Question, passages: Sequence[Passage], words: Study) -> Study:
    """The study of the words with what the model says of the passages, and of the best units."""
    fitted = models("cross_reading.json")
    read = judged(judge, question, passages)
    missing = lacking(question, passages)
    if not read:
        return replace(words, answerable=[one - PENALTY * missing for one in words.answerable])
    found, another = signals_of(question, passages, words, read)
    missing = missing or another
    relevance = list(words.relevance)
    for n, row in found.rows.items():
        relevance[n] = sigmoid(fitted["sentence"].logit(row))
    answers = answers_of(question, passages, words, found, relevance)
    study = Study(words.units, nearer(relevance, words.units, passages), answers, ())
    looks = look_features(judge, question, passages, study, read)
    answerable = [one - _FOREIGN for one in words.answerable]
    for n in read:
        features = passage_features(n, passages[n], study, found, looks)
        answerable[n] = fitted["passage"].logit(features)
    answerable = [one - PENALTY * missing for one in answerable]
    return replace(study, relevance=after_look(study, looks), answerable=answerable)


def signals_of(
    question: Question, passages: Sequence[Passage], words: Study, read: Mapping[int, Judged]
) -> tuple[Signals, bool]:
    """What the model says of the units, and whether it would answer from one about another thing.

    Units about another year, code or country than the question's hold no answer.
    """
    rivals = Rivals(question.text)
    rejected = {
        n
        for n, unit in enumerate(words.units)
        if unit.passage in read and rivals.of(*_said(unit, passages[unit.passage]))
    }
    found = signals(words, read, rejected)
    if found.rejected_best is None:
        return found, False
    passage = passages[words.units[found.rejected_best].passage]
    return found, not (rivals.of_release or rivals.names(passage.chunk.text))


def after_look(study: Study, looks: Mapping[int, Mapping[str, float]]) -> list[float]:
    """The relevance of the units after the second look: none overtakes those that were looked at.

    >>> after_look(Study([], [0.2], {}, ()), {})
    [0.2]
    """
    fitted = models("cross_reading.json")["look"]
    seen = {n: sigmoid(fitted.logit(row)) for n, row in looks.items()}
    least = min(seen.values(), default=1.0)
    return [seen.get(n, min(one, least)) for n, one in enumerate(study.relevance)]


def look_features(
    judge: Judge,
    question: Question,
    passages: Sequence[Passage],
    study: Study,
    read: Collection[int],
) -> dict[int, dict[str, float]]:
    """What the model says of the best units, each alone under the names that it stands under."""
    best = [n for n in _best_first(study.relevance) if study.units[n].passage in read][:_LOOKED]
    chosen = [study.units[n] for n in best]
    found = judge.look(
        question.text, [(path_of(passages[unit.passage], unit), unit.text) for unit in chosen]
    )
    margins = []
    for unit, one in zip(chosen, found, strict=True):
        span = one.best(0, len(unit.text))
        margins.append(max(_LEAST, span[2] / _SCALE) if span else _LEAST)
    about = [one.relevance / _SCALE for one in found]
    return {
        n: {
            "first": logit(study.relevance[n]) / _SCALE,
            "look": look,
            "look_gap": look - max(about),
            "look_margin": margin,
            "look_margin_gap": margin - max(margins),
        }
        for n, look, margin in zip(best, about, margins, strict=True)
    }


def nearer(
    relevance: Sequence[float], units: Sequence[Unit], passages: Sequence[Passage]
) -> list[float]:
    """The relevance of units, less where their passage is further from the question.

    It is more where the passage is what was talked about before.
    """
    cosines = [passage.scores.get("dense", 0.0) for passage in passages]
    nearest = max(cosines, default=0.0)
    return [
        sigmoid(
            logit(one)
            + _NEAR * (cosines[unit.passage] - nearest)
            + _TALK * passages[unit.passage].scores.get("talk", 0.0)
        )
        for one, unit in zip(relevance, units, strict=True)
    ]


def _said(unit: Unit, passage: Passage) -> tuple[str, str]:
    """Return a unit as it is read, and what stands over it."""
    over = " ".join((passage.title, *passage.chunk.headings, unit.heading))
    return f"{unit.lead} {unit.text}".lstrip(), over


def lacking(question: Question, passages: Sequence[Passage]) -> bool:
    """Tell whether the passages lack what the question takes for granted."""
    there = Vocabulary.of(passages)
    return lacks(question.text, there, english=not question.foreign) is not None


def answers_of(
    question: Question,
    passages: Sequence[Passage],
    words: Study,
    found: Signals,
    relevance: Sequence[float],
) -> Answers:
    """The spans of the best sentences; a table's cells are found by its headers alone."""
    rows = [unit for unit in words.units if unit.span.kind == "row"]
    read = {words.units[n].passage for n in found.rows}
    kept: Answers = {
        n: [
            span
            for span in spans
            if n not in read
            or any(r.passage == n and r.span.start <= span[0] < r.span.end for r in rows)
        ]
        for n, spans in words.answers.items()
    }
    order = sorted(found.spans, key=lambda n: (-relevance[n], n))[:_SPANNED]
    for n in order:
        unit = words.units[n]
        if unit.span.kind != "row":
            features = span_features(question, passages, words, found, relevance, n)
            probability = sigmoid(models("cross_reading.json")["span"].logit(features))
            kept.setdefault(unit.passage, []).append((*found.spans[n], probability))
    return _likeliest(kept)


def span_features(
    question: Question,
    passages: Sequence[Passage],
    study: Study,
    found: Signals,
    relevance: Sequence[float],
    n: int,
) -> dict[str, float]:
    """The features of the best span of a unit."""
    row, passage = found.rows[n], passages[study.units[n].passage]
    start, end = found.spans[n]
    text = passage.chunk.text[start:end]
    words = content_terms(text, passage.language or "en")
    terms = set(question.terms(passage.language or "en"))
    return {
        "sentence": logit(relevance[n]) / _SCALE,
        **{name: row[name] for name in ("margin", "gap", "relevance")},
        "length": min(1.0, len(text.split()) / 12),
        "said": len(terms.intersection(words)) / len(words) if words else 0.0,
    }


def passage_features(
    n: int,
    passage: Passage,
    study: Study,
    found: Signals,
    looks: Mapping[int, Mapping[str, float]],
) -> dict[str, float]:
    """The features of whether a passage answers the question at all.

    What the words say is left out: people who ask in other words than the documents' would be told
    that there is no answer. ``ahead`` is how far its best unit is before that of other passages.
    """
    own = [row for m, row in found.rows.items() if study.units[m].passage == n]
    here = [row for m, row in looks.items() if study.units[m].passage == n]
    others = [row["look"] for m, row in looks.items() if study.units[m].passage != n]
    best = max(here, key=lambda row: row["look"], default=None)
    look = best["look"] if best else -1.0
    return {
        "margin": max((row["margin"] for row in own), default=_LEAST),
        "relevance": max((row["relevance"] for row in own), default=-1.0),
        "dense": passage.scores.get("dense", 0.0),
        "look": look,
        "look_margin": best["look_margin"] if best else _LEAST,
        "ahead": max(0.0, look - max(others, default=-1.0)),
    }
