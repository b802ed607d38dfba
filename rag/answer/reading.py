"""The built-in reader: how relevant each sentence is, where the answer stands, if there is one.

A logistic regression over features.py and the cosine of question and sentence. Its weights are in
``reading.json``, which names the data and the command they come from. Only the most promising
sentences are embedded, for a reading has to cost less than a blink.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from rag.answer.features import (
    Unit,
    context_terms,
    coverage,
    holds,
    in_context,
    question_terms,
    sentence_features,
    units_of,
)
from rag.answer.questions import Question, understand
from rag.answer.spans import best_cell, typed, types_for
from rag.protocols import Embedder
from rag.text.terms import content_terms
from rag.types import Passage, Reading

EMBEDDED = 8
"""Sentences that are embedded for a question; the others are judged by their words alone.

In one fit, on articles held apart, the best sentence was right as often with 12 as with all of them
(0.743), with 6 a little less often (0.740), with none in 0.704 of the questions. Of the development
questions on the sample corpus, 8 answers exactly as many as 12 (0.303; 6: 0.289), a third faster.
"""

_SPANNED = 6  # sentences in which answers are looked for, over all passages
_ANSWERS = 3  # spans kept for a passage


Answers = dict[int, list[tuple[int, int, float]]]
"""Passage -> (start, end, probability) of the spans that may be the answer, best first."""


@dataclass(frozen=True)
class Model:
    """A logistic regression: ``sigmoid(bias + Σ weight · feature)``."""

    bias: float
    weights: Mapping[str, float]

    def logit(self, features: Mapping[str, float]) -> float:
        """Return the log-odds; features that the model does not know count nothing."""
        return self.bias + sum(w * features.get(name, 0.0) for name, w in self.weights.items())


@cache
def models() -> dict[str, Model]:
    """Return the fitted models by name.

    ``cheap`` and ``sentence`` judge a sentence without and with cosines, ``span`` an answer in it,
    ``passage`` whether a passage answers, ``answerable`` calibrates that for the best passage; with
    ``_words`` the last two do without cosines.
    """
    raw: dict[str, Any] = json.loads(
        files("rag.answer").joinpath("reading.json").read_text("utf-8")
    )
    return {
        name: Model(float(model["bias"]), dict(model["weights"]))
        for name, model in raw["models"].items()
    }


def sigmoid(logit: float) -> float:
    """Return the logistic function of a log-odds, safe at both ends."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-min(logit, 60.0)))
    power = math.exp(max(logit, -60.0))
    return power / (1.0 + power)


class SimilarityReader:
    """Reads passages with an embedder and a few dozen fitted numbers. Threads may share it."""

    def __init__(self, embedder: Embedder, embedded: int = EMBEDDED) -> None:
        self._embedder = embedder
        self._embedded = embedded

    def read(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """Return the same passages in the same order with ``reading`` filled in."""
        return read(understand(question), passages, self._embedder, self._embedded)


def read(
    question: Question,
    passages: Sequence[Passage],
    embedder: Embedder | None,
    embedded: int = EMBEDDED,
) -> list[Passage]:
    """Return the passages with a reading each; without an embedder, by their words alone."""
    study = studied(question, passages, embedder, embedded)
    return [
        passage.model_copy(update={"reading": study.reading(n)})
        for n, passage in enumerate(passages)
    ]


@dataclass(frozen=True)
class Study:
    """What is known of passages once they are read: of each unit, and of each passage.

    ``relevance`` are probabilities of the units, ``answers`` the spans that may answer by passage,
    ``evidence`` the log-odds that a passage answers, ``calibrated`` those with the odds of it all.
    """

    units: Sequence[Unit]
    relevance: Sequence[float]
    answers: Answers
    evidence: Sequence[float]
    calibrated: Sequence[float]

    def reading(self, n: int) -> Reading:
        """Return the reading of a passage."""
        own = [m for m, unit in enumerate(self.units) if unit.passage == n]
        answered = sigmoid(self.calibrated[n]) if own else 0.0
        return Reading(
            relevance=max((self.relevance[m] for m in own), default=0.0),
            no_answer=1.0 - answered,
            answers=tuple(self.answers.get(n, ())),
            sentences=tuple(
                (self.units[m].span.start, self.units[m].span.end, self.relevance[m]) for m in own
            ),
        )


def studied(
    question: Question,
    passages: Sequence[Passage],
    embedder: Embedder | None,
    embedded: int = EMBEDDED,
) -> Study:
    """Return what the features and the cosines say of passages."""
    units = [unit for n, passage in enumerate(passages) for unit in units_of(n, passage)]
    rows = sentence_features(question, passages, units)
    relevance = _relevance(question, passages, units, rows, embedder, embedded)
    answers = _answers(question, passages, units, relevance)
    judged = passage_features(question, passages, units, rows, relevance, answers, embedder)
    evidence, calibrated = [], []
    for passage, features in zip(passages, judged, strict=True):
        suffix = "" if knows(embedder, question, passage) else "_words"
        evidence.append(models()["passage" + suffix].logit(features))
        calibrated.append(models()["answerable" + suffix].logit({"evidence": evidence[-1]}))
    return Study(units, relevance, answers, evidence, calibrated)


def _relevance(
    question: Question,
    passages: Sequence[Passage],
    units: Sequence[Unit],
    rows: list[dict[str, float]],
    embedder: Embedder | None,
    embedded: int,
) -> list[float]:
    """Return the probability of each unit to hold the answer, and add the cosines to ``rows``."""
    cheap = [models()["cheap"].logit(row) for row in rows]
    known = [n for n, unit in enumerate(units) if knows(embedder, question, passages[unit.passage])]
    if embedder is None or not known:
        return [sigmoid(logit) for logit in cheap]
    chosen = sorted(known, key=lambda n: (-cheap[n], n))[:embedded]
    add_cosines(question, passages, units, rows, embedder, chosen)
    full = {n: models()["sentence"].logit(rows[n]) for n in chosen}
    floor = min(full.values())
    # A sentence that did not make it into the batch must not overtake those that did.
    within = set(known)
    return [
        sigmoid(full[n] if n in full else min(cheap[n], floor) if n in within else cheap[n])
        for n in range(len(units))
    ]


def knows(embedder: Embedder | None, question: Question, passage: Passage) -> bool:
    """Tell whether cosines mean something: the embedder knows both languages."""
    if embedder is None:
        return False
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
    query = embedder.embed([question.text], query=True)[0]
    texts = [in_context(question, passages[units[n].passage], units[n]) for n in chosen]
    cosines = embedder.embed(texts) @ query
    best = float(cosines.max())
    for n, value in zip(chosen, cosines.tolist(), strict=True):
        rows[n]["cosine"] = value
        rows[n]["cosine_gap"] = value - best


def _answers(
    question: Question,
    passages: Sequence[Passage],
    units: Sequence[Unit],
    relevance: Sequence[float],
) -> Answers:
    """Return passage -> (start, end, probability) of the spans that may be the answer."""
    found: Answers = {}
    order = sorted(range(len(units)), key=lambda n: (-relevance[n], n))[:_SPANNED]
    for n in order:
        unit = units[n]
        for start, end, features in span_features(question, passages, unit, relevance[n]):
            probability = sigmoid(models()["span"].logit(features))
            offset = unit.span.start
            found.setdefault(unit.passage, []).append((offset + start, offset + end, probability))
    return {n: sorted(spans, key=lambda s: (-s[2], s[0]))[:_ANSWERS] for n, spans in found.items()}


def span_features(
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
    types = types_for(question)
    spans = typed(unit.text, types) if types else []
    terms = set(question.terms(language))
    counts = {name: sum(span.type == name for span in spans) for name in types}
    rows = []
    for order, span in enumerate(spans):
        words = content_terms(unit.text[span.start : span.end], language)
        if words and set(words) <= terms:
            continue  # the question says it already
        around = (
            unit.text[max(0, span.start - 40) : span.start],
            unit.text[span.end : span.end + 40],
        )
        before, after = (set(content_terms(side, language)) for side in around)
        rows.append(
            (
                span.start,
                span.end,
                {
                    "relevance": relevance,
                    "exact": float(question.exact),
                    "main_type": float(span.type == types[0]),
                    "name": float(span.type == "name"),
                    "alone": 1.0 / max(1, counts[span.type]),
                    "order": 1.0 / (1.0 + order),
                    "near_before": min(1.0, len(before & terms) / 3),
                    "near_after": min(1.0, len(after & terms) / 3),
                    "focus": float(bool(question.focus & (after | set(words)))),
                    "no_focus": float(
                        bool(question.focus) and not question.focus & (after | set(words))
                    ),
                    "partly_said": len(set(words) & terms) / len(words) if words else 0.0,
                    "words": min(1.0, len(unit.text[span.start : span.end].split()) / 6),
                },
            )
        )
    return rows


def passage_features(
    question: Question,
    passages: Sequence[Passage],
    units: Sequence[Unit],
    rows: Sequence[Mapping[str, float]],
    relevance: Sequence[float],
    answers: Answers,
    embedder: Embedder | None,
) -> list[dict[str, float]]:
    """Return, for each passage, the features of whether it answers the question at all."""
    best: list[list[int]] = [[] for _ in passages]
    for n in sorted(range(len(units)), key=lambda n: (-relevance[n], n)):
        best[units[n].passage].append(n)
    tops = [relevance[order[0]] if order else 0.0 for order in best]
    everywhere = _everything(passages, units)
    features = []
    for n, passage in enumerate(passages):
        others = [top for m, top in enumerate(tops) if m != n]
        row = _passage_words(question, passage, n, units, everywhere, embedder)
        row["relevance"] = _logit(tops[n])
        row["second"] = _logit(relevance[best[n][1]]) if len(best[n]) > 1 else _logit(0.0)
        row["margin"] = tops[n] - max(others, default=0.0)
        row["rank"] = 1.0 / (1.0 + n)
        row["passage_cosine"] = passage.scores.get("dense", 0.0)
        row["span"] = max((span[2] for span in answers.get(n, ())), default=0.0)
        if best[n]:
            top = rows[best[n][0]]
            row["cosine"] = max(rows[m].get("cosine", 0.0) for m in best[n])
            row["cover"] = top["cover"]
            row["type_found"] = top["type_found"]
        features.append(row)
    return features


def _everything(passages: Sequence[Passage], units: Sequence[Unit]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for unit in units:
        found.setdefault(passages[unit.passage].language or "en", set()).update(unit.terms)
    for passage in passages:
        found.setdefault(passage.language or "en", set()).update(context_terms(passage))
    return {language: frozenset(terms) for language, terms in found.items()}


def _passage_words(
    question: Question,
    passage: Passage,
    n: int,
    units: Sequence[Unit],
    everywhere: Mapping[str, frozenset[str]],
    embedder: Embedder | None,
) -> dict[str, float]:
    language = passage.language or "en"
    own = [unit for unit in units if unit.passage == n]
    terms = frozenset().union(context_terms(passage), *(unit.terms for unit in own))
    asked = question_terms(question.text, language)
    lacking = [
        (stem, specific, word) for stem, specific, word in asked if not holds(stem, terms, language)
    ]
    specific = sum(is_specific for _, is_specific, _ in asked)
    missing_specific = sum(is_specific for _, is_specific, _ in lacking)
    pieces = {stem: _pieces(word, embedder) for stem, _, word in asked}
    total = sum(pieces.values())
    types = types_for(question)
    return {
        "cover_passage": 1.0 - len(lacking) / len(asked) if asked else 0.0,
        "cover_all": coverage(dict.fromkeys(pieces, 1.0), everywhere[language], language),
        "missing": min(1.0, len(lacking) / 4),
        "missing_specific": min(1.0, missing_specific / 2),
        "has_specific": (specific - missing_specific) / specific if specific else 0.0,
        "missing_rare": sum(pieces[stem] for stem, _, _ in lacking) / total if total else 0.0,
        "missing_focus": float(bool(question.focus) and not question.focus & terms),
        "typed": float(bool(types)),
        "terms": min(1.0, len(asked) / 8),
    }


def _pieces(word: str, embedder: Embedder | None) -> float:
    """Return how rare a word is, by the pieces that the embedder cuts it into: 1 is common."""
    return float(min(4, max(1, embedder.count_tokens(word)))) if embedder else 1.0


def _logit(probability: float) -> float:
    clipped = min(max(probability, 1e-3), 1 - 1e-3)
    return math.log(clipped / (1 - clipped))
