"""The learned reranker: fusion's score weighed with what a cross-encoder makes of a passage.

``rerank = (fused + Σ weight · feature) / (1 + Σ weight)`` over ``coverage`` and ``title`` (the
share of the question's idf that the passage, and its title with its headings, have: made in
``hybrid.with_word_features``) and p, the probability that the passage is relevant: a logistic
regression over what the model says of question and passage. The weights differ for questions and
for key words or statements, which want more of the words. Numbers and the command that makes them
are in ``rank.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rag.models.cross_encoder import LANGUAGES, Judge, Judged
from rag.models.runtime import sigmoid
from rag.text.language import detect
from rag.types import Passage

WORD_FEATURES = ("coverage", "title")
"""Scores that ``hybrid`` gives a passage by its words, weighed in ``blend``."""

MODEL_FEATURES = ("logit", "margin")
"""What the cross-encoder says of a passage: the inputs of p."""

_QUESTION = re.compile(
    r"\?\s*$|^\W*(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|"
    r"could|will|would|should|may|must|has|have|had)\b",
    re.IGNORECASE,
)
_SCALE = 10.0  # logits are divided by it
_AT_ONCE = 8  # passages that are judged before it is asked whether more need to be


@cache
def model() -> Mapping[str, Any]:
    """Return what ``rank.json`` holds: ``bias`` and ``weights`` of p, and ``blend`` by kind.

    A blend has the weights of ``relevance`` (which is p), ``coverage`` and ``title``.
    """
    found: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    return found


class LearnedReranker:
    """Orders the best passages of fusion again. Threads may share it.

    All passages are weighed by their words; the first ``depth`` of those are read.
    """

    def __init__(self, judge: Judge, depth: int) -> None:
        self._judge = judge
        self._depth = depth

    @property
    def pool(self) -> int:
        """How many passages to bring: more than are read, for their words may bring them up."""
        return 2 * self._depth

    def rerank(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """Return at most ``k`` of the passages, best first, with ``scores['rerank']`` set.

        A question in a language that the model was not trained on leaves the order as it is.
        """
        language, _ = detect(question)
        if language is not None and language not in LANGUAGES:
            return [_with_scores(p, base_score(p, {}), {}) for p in passages[:k]]
        blend = model()["blend"]["question" if asks(question) else "other"]
        given = sorted(passages, key=lambda passage: -base_score(passage, blend))
        ranked: list[Passage] = []
        for begin in range(0, len(given), _AT_ONCE):
            part = given[begin : begin + _AT_ONCE]
            read = 0 if _decided(ranked, part, blend, k) else max(0, self._depth - begin)
            ranked += self._scored(question, part, blend, read)
        ranked.sort(key=lambda passage: -passage.score)
        return ranked[:k]

    def _scored(
        self, question: str, passages: Sequence[Passage], blend: Mapping[str, float], read: int
    ) -> list[Passage]:
        """The passages with their scores; the first ``read`` of them are read."""
        known = [n for n, p in enumerate(passages[:read]) if (p.language or "en") in LANGUAGES]
        judged: dict[int, Judged] = {}
        if known and blend["relevance"] > 0:
            found = self._judge.judge(question, [passages[n] for n in known])
            judged = dict(zip(known, found, strict=True))
        scored = []
        for n, passage in enumerate(passages):
            relevance = {"relevance": probability(judged[n], passage)} if n in judged else {}
            # A passage in another language is not to lose by not being read.
            p = relevance.get("relevance", 0.5 if n < read else 0.0)
            score = combined(base_score(passage, blend), p, blend)
            scored.append(_with_scores(passage, score, relevance))
        return scored


def base_score(passage: Passage, blend: Mapping[str, float]) -> float:
    """Return what is known before reading: fusion's score and the weighed words."""
    words = sum(blend.get(name, 0.0) * passage.scores.get(name, 0.0) for name in WORD_FEATURES)
    return passage.scores.get("fused", passage.score) + words


def combined(base: float, p: float, blend: Mapping[str, float]) -> float:
    """The score that decides, a fraction of 1."""
    return (base + blend["relevance"] * p) / (1 + sum(blend.values()))


def _with_scores(passage: Passage, score: float, more: Mapping[str, float]) -> Passage:
    scores = {**passage.scores, **more, "rerank": score}
    return passage.model_copy(update={"score": score, "scores": scores})


def asks(query: str) -> bool:
    """Tell whether a query is put as a question; key words and statements are not.

    >>> asks("how long do refunds take"), asks("refund duration")
    (True, False)
    """
    return bool(_QUESTION.search(query))


def _decided(
    ranked: Sequence[Passage], rest: Sequence[Passage], blend: Mapping[str, float], k: int
) -> bool:
    """Tell whether nothing that the model may say brings a passage of the rest into the first k."""
    if len(ranked) < k:
        return False
    last = sorted((passage.score for passage in ranked), reverse=True)[k - 1]
    return last > combined(base_score(rest[0], blend), 1.0, blend)


def model_features(judged: Judged, passage: Passage) -> dict[str, float]:
    """What the model says of a passage, by the names of ``MODEL_FEATURES``."""
    best = judged.best(0, len(passage.chunk.text))
    return {
        "logit": judged.relevance / _SCALE,
        "margin": max(-2.0, best[2] / _SCALE) if best else -2.0,
    }


def probability(judged: Judged, passage: Passage) -> float:
    """The probability that a passage is relevant, by what the model says of it."""
    values = model_features(judged, passage)
    logit = model()["bias"] + sum(w * values[name] for name, w in model()["weights"].items())
    return sigmoid(logit)
