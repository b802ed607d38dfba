"""The reader of questions in English: what the cross-encoder sees in passages, calibrated.

For every sentence the model gives the best span in it and how far that is above "the answer is not
here". Small logistic regressions weigh this against what the features and cosines of reading.py
say; their weights and the command that makes them are in ``cross_reading.json``. Passages and
questions in other languages are left to reading.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from rag.answer.features import Unit, context_terms, holds, question_terms
from rag.answer.questions import Question, understand
from rag.answer.reading import EMBEDDED, Answers, Model, Study, sigmoid, studied
from rag.answer.requirements import Passages, lacks
from rag.answer.rivals import Rivals
from rag.answer.spans import typed, types_for
from rag.models.cross_encoder import LANGUAGES, Judge, Judged
from rag.protocols import Embedder
from rag.text.terms import content_terms
from rag.types import Passage

SENTENCE_FEATURES = ("words", "margin", "gap", "relevance", "relevance_gap")
SPAN_FEATURES = ("sentence", "margin", "gap", "relevance", "exact", "typed", "untyped", "length",
                 "said")  # fmt: skip
PASSAGE_FEATURES = ("margin", "relevance", "dense")

_SPANNED = 6  # sentences in which answers are looked for, over all passages
_ANSWERS = 3  # spans kept for a passage
_SCALE = 10.0  # logits are divided by it, so that they are numbers like the other features
_FOREIGN = 1.0
"""Log-odds that a passage in another language loses to those that the model has read: what such a
passage shares with a question are names more often than an answer. Set by hand."""
UNHEARD = 2.5
"""Log-odds that a question loses by a name, code, year or unit that no passage has
(requirements.py), or if the likeliest answer is about another one (rivals.py). Set by hand: 44% of
the development questions without an answer name what is nowhere, 2% of those with an answer (5% and
0.6% in SQuAD 2.0, whose own fit gives 1.3); the likeliest answer is another's in 17 of 404 and 2 of
676."""
_LEAST = -2.0  # a margin below -20 says no more than -20


@cache
def models() -> dict[str, Model]:
    """Return the fitted models: ``sentence``, ``span``, ``passage`` and ``answerable``."""
    text = files("rag.answer").joinpath("cross_reading.json").read_text("utf-8")
    raw: dict[str, Any] = json.loads(text)
    return {
        name: Model(float(model["bias"]), dict(model["weights"]))
        for name, model in raw["models"].items()
    }


class CrossReader:
    """Reads passages with a cross-encoder and an embedder. Threads may share it."""

    def __init__(self, judge: Judge, embedder: Embedder, embedded: int = EMBEDDED) -> None:
        self._judge = judge
        self._embedder = embedder
        self._embedded = embedded

    def read(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """Return the same passages in the same order with ``reading`` filled in."""
        asked = understand(question)
        study = studied(asked, passages, self._embedder, self._embedded)
        read = seen(asked, passages, study, judged(self._judge, asked, passages))
        return [
            passage.model_copy(update={"reading": read.reading(n)})
            for n, passage in enumerate(passages)
        ]


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

    ``liked`` is the unit that the model would have answered from, though it was turned down.
    """

    rows: dict[int, dict[str, float]]
    spans: dict[int, tuple[int, int]]
    liked: int | None = None


def signals(study: Study, judged: Mapping[int, Judged], turned: Collection[int] = ()) -> Signals:
    """Return what the model says of each unit, beside what its words say.

    Units that are ``turned`` down hold no answer, whatever the model says; see rivals.py.
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
    liked = max(margins, key=margins.__getitem__, default=None)
    for n in turned:
        margins[n] = _LEAST
        spans.pop(n, None)
    top = max(margins.values(), default=0.0)
    about = {n: passage.relevance / _SCALE for n, passage in judged.items()}
    nearest = max(about.values(), default=0.0)
    rows = {
        n: {
            "words": _logit(study.relevance[n]) / _SCALE,
            "margin": margin,
            "gap": margin - top,
            "relevance": about[study.units[n].passage],
            "relevance_gap": about[study.units[n].passage] - nearest,
        }
        for n, margin in margins.items()
    }
    return Signals(rows, spans, liked if liked in turned else None)


def seen(
    question: Question, passages: Sequence[Passage], study: Study, judged: Mapping[int, Judged]
) -> Study:
    """Return the study with what the model says of the passages that it has read."""
    unheard = lacking(question, passages, study)
    if not judged:
        calibrated = [logit - UNHEARD * unheard for logit in study.calibrated]
        return replace(study, calibrated=calibrated)
    rivals = Rivals(question.text)
    turned = {
        n
        for n, unit in enumerate(study.units)
        if unit.passage in judged and rivals.of(*_said(unit, passages[unit.passage]))
    }
    found = signals(study, judged, turned)
    if found.liked is not None:
        passage = passages[study.units[found.liked].passage]
        unheard = unheard or not (rivals.of_release or rivals.names(passage.chunk.text))
    relevance = list(study.relevance)
    # Both sides of a comparison are wanted, and the model looks for one span that answers.
    if question.wants != "comparison":
        for n, row in found.rows.items():
            relevance[n] = sigmoid(models()["sentence"].logit(row))
    answers = _answers(question, passages, study, found, relevance)
    evidence, calibrated = list(study.evidence), list(study.calibrated)
    for n in judged:
        features = passage_features(n, passages[n], study, found)
        evidence[n] = models()["passage"].logit(features)
        calibrated[n] = models()["answerable"].logit({"evidence": evidence[n]})
    calibrated = [
        logit - UNHEARD * unheard - (_FOREIGN if n not in judged else 0.0)
        for n, logit in enumerate(calibrated)
    ]
    return replace(
        study, relevance=relevance, answers=answers, evidence=evidence, calibrated=calibrated
    )


def _said(unit: Unit, passage: Passage) -> tuple[str, str]:
    """Return a unit as it is read, and what stands over it."""
    over = " ".join((passage.title, *passage.chunk.headings, unit.heading))
    return f"{unit.lead} {unit.text}".lstrip(), over


def lacking(question: Question, passages: Sequence[Passage], study: Study) -> bool:
    """Tell whether the passages lack what the question takes for granted.

    Of a yes-or-no question that is every number, too: "does it hold 500 devices?".
    """
    if lacks(question.text, Passages.of(passages), english=not question.foreign):
        return True
    if question.wants != "yesno" or question.foreign:
        return False
    language = passages[0].language or "en"
    terms = frozenset().union(
        *(context_terms(passage) for passage in passages), *(unit.terms for unit in study.units)
    )
    return any(
        specific and not holds(stem, terms, language)
        for stem, specific, _ in question_terms(question.text, language)
    )


def _answers(
    question: Question,
    passages: Sequence[Passage],
    study: Study,
    found: Signals,
    relevance: Sequence[float],
) -> Answers:
    """Return the spans of the best sentences; a table's cells are found by its headers alone."""
    cells = [unit for unit in study.units if unit.span.kind == "row"]
    read = {study.units[n].passage for n in found.rows}
    kept: Answers = {
        n: [
            span
            for span in spans
            if n not in read
            or any(c.passage == n and c.span.start <= span[0] < c.span.end for c in cells)
        ]
        for n, spans in study.answers.items()
    }
    order = sorted(found.spans, key=lambda n: (-relevance[n], n))[:_SPANNED]
    for n in order:
        unit = study.units[n]
        if unit.span.kind == "row":
            continue
        start, end = found.spans[n]
        features = span_features(question, passages, study, found, relevance, n)
        probability = sigmoid(models()["span"].logit(features))
        kept.setdefault(unit.passage, []).append((start, end, probability))
    return {n: sorted(spans, key=lambda s: (-s[2], s[0]))[:_ANSWERS] for n, spans in kept.items()}


def span_features(
    question: Question,
    passages: Sequence[Passage],
    study: Study,
    found: Signals,
    relevance: Sequence[float],
    n: int,
) -> dict[str, float]:
    """Return the features of the best span of a unit."""
    row, unit = found.rows[n], study.units[n]
    start, end = found.spans[n]
    text = passages[unit.passage].chunk.text[start:end]
    language = passages[unit.passage].language or "en"
    types = types_for(question)
    fits = bool(types) and bool(typed(text, types))
    words = content_terms(text, language)
    terms = set(question.terms(language))
    return {
        "sentence": _logit(relevance[n]) / _SCALE,
        "margin": row["margin"],
        "gap": row["gap"],
        "relevance": row["relevance"],
        "exact": float(question.exact),
        "typed": float(fits),
        "untyped": float(bool(types) and not fits),
        "length": min(1.0, len(text.split()) / 12),
        "said": len(terms.intersection(words)) / len(words) if words else 0.0,
    }


def passage_features(n: int, passage: Passage, study: Study, found: Signals) -> dict[str, float]:
    """Return the features of whether a passage answers the question at all.

    What the words say is left out: people who ask in other words than the documents' would be told
    that there is no answer.
    """
    own = [row for m, row in found.rows.items() if study.units[m].passage == n]
    return {
        "margin": max((row["margin"] for row in own), default=_LEAST),
        "relevance": max((row["relevance"] for row in own), default=-1.0),
        "dense": passage.scores.get("dense", 0.0),
    }


def _logit(probability: float) -> float:
    clipped = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(clipped / (1 - clipped))
