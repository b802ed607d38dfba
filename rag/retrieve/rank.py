"""The last word on the order: what fusion found near, weighed with what a cross-encoder read.

``rerank = (fused + blend · p) / (1 + blend)``, where p is the probability that the passage is
relevant: a logistic regression over what the model says of question and passage. The blend differs
for questions and for key words or statements. Numbers and the command that makes them are in
``rank.json``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from rag.models.judge import LANGUAGES, Judge, Judged
from rag.text.language import detect
from rag.types import Passage

FEATURES = ("relevance", "margin")

_QUESTION = re.compile(
    r"\?\s*$|^\W*(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|"
    r"could|will|would|should|may|must|has|have|had)\b",
    re.IGNORECASE,
)
_SCALE = 10.0  # logits are divided by it
_AT_ONCE = 8  # passages that are judged before it is asked whether more need to be


@cache
def model() -> Mapping[str, Any]:
    """Return what ``rank.json`` holds: ``bias`` and ``weights`` of p, and ``blend`` by kind."""
    found: dict[str, Any] = json.loads(
        files("rag.retrieve").joinpath("rank.json").read_text("utf-8")
    )
    return found


class LearnedReranker:
    """Orders the best passages of fusion again. Threads may share it.

    The first ``depth`` passages are read; those behind them keep their order and stay behind.
    """

    def __init__(self, judge: Judge, depth: int) -> None:
        self._judge = judge
        self._depth = depth

    def rerank(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """Return at most ``k`` of the passages, best first, with ``scores['rerank']`` set.

        A question in a language that the model was not trained on leaves the order as it is.
        """
        blend = self._blend(question)
        ranked: list[tuple[float, int, Passage]] = []
        for begin in range(0, len(passages), _AT_ONCE):
            part = passages[begin : begin + _AT_ONCE]
            read = blend > 0 and begin < self._depth and not _decided(ranked, part, blend, k)
            ranked += [
                (score, begin + n, passage)
                for n, (score, passage) in enumerate(self._scored(question, part, blend, read))
            ]
        ranked.sort(key=lambda one: (-one[0], one[1]))
        return [passage for _, _, passage in ranked[:k]]

    def _blend(self, question: str) -> float:
        language, _ = detect(question)
        if language is not None and language not in LANGUAGES:
            return 0.0
        blend: dict[str, float] = model()["blend"]
        return blend["question" if asks(question) else "other"]

    def _scored(
        self, question: str, passages: Sequence[Passage], blend: float, read: bool
    ) -> list[tuple[float, Passage]]:
        known = [n for n, p in enumerate(passages) if (p.language or "en") in LANGUAGES]
        judged: dict[int, Judged] = {}
        if read and known:
            found = self._judge.judge(question, [passages[n] for n in known])
            judged = dict(zip(known, found, strict=True))
        scored = []
        for n, passage in enumerate(passages):
            scores = dict(passage.scores)
            # A passage in another language is not to lose by not being read.
            p = probability(judged[n], passage) if n in judged else 0.5 if read else 0.0
            if n in judged:
                scores["relevance"] = p
            score = (_fused(passage) + blend * p) / (1 + blend)
            scores["rerank"] = score
            scored.append((score, passage.model_copy(update={"score": score, "scores": scores})))
        return scored


def asks(query: str) -> bool:
    """Tell whether a query is put as a question; key words and statements are not."""
    return bool(_QUESTION.search(query))


def _decided(
    ranked: Sequence[tuple[float, int, Passage]], rest: Sequence[Passage], blend: float, k: int
) -> bool:
    """Tell whether nothing that the model may say brings a passage of the rest into the first k."""
    if len(ranked) < k:
        return False
    last = sorted((score for score, _, _ in ranked), reverse=True)[k - 1]
    return last > (max(_fused(passage) for passage in rest) + blend) / (1 + blend)


def _fused(passage: Passage) -> float:
    return passage.scores.get("fused", passage.score)


def features(judged: Judged, passage: Passage) -> dict[str, float]:
    """Return what the model says of a passage, by the names of ``FEATURES``."""
    best = judged.best(0, len(passage.chunk.text))
    return {
        "relevance": judged.relevance / _SCALE,
        "margin": max(-2.0, best[2] / _SCALE) if best else -2.0,
    }


def probability(judged: Judged, passage: Passage) -> float:
    """Return the probability that a passage is relevant, by what the model says of it."""
    values = features(judged, passage)
    logit = model()["bias"] + sum(w * values[name] for name, w in model()["weights"].items())
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))
