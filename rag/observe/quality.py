"""How many answers are right, where nobody looked: from their confidences, with its error.

Some hundred judged answers say how often an answer of a confidence is right (a logistic curve); the
mean over a window is what to expect of it. It rests on a confidence meaning what it meant when the
answers were judged: after a change of the reader, the checker or the documents, judge some again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.errors import UsageError
from rag.types import Value

Array = NDArray[np.float64]

_FEWEST = 50
_DRAWS = 300  # of the judged answers, for the error of the curve
_STEPS = 25
_RIDGE = 1.0  # the curve is flat where too little is known
_EDGE = 1e-3


class Estimate(Value):
    """The share of ``answers`` that are right, with its 95% interval."""

    share: float
    low: float
    high: float
    answers: int


class Quality(Value):
    """Curves of right answers by confidence: the first is the best, the others say how sure it is.

    Each is (height, slope) over the logit of the confidence. A pydantic value: it is saved by
    ``model_dump_json``.
    """

    curves: tuple[tuple[float, float], ...]

    @classmethod
    def fit(
        cls, confidences: Sequence[float] | Array, right: Sequence[float] | Array, seed: int = 0
    ) -> Quality:
        """Learn from judged answers, ``right`` from 0 to 1; UsageError for fewer than 50."""
        given, gains = np.asarray(confidences, float), np.asarray(right, float)
        if len(given) < _FEWEST or len(given) != len(gains):
            raise UsageError(
                f"{len(given)} confidences and {len(gains)} judgements: give {_FEWEST} or more of"
                " both, one for each answer."
            )
        count = len(given)
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), _DRAWS)
        weights = np.vstack([np.ones(count), drawn])
        return cls(curves=tuple((float(a), float(b)) for a, b in _curves(given, gains, weights)))

    def estimate(self, confidences: Sequence[float] | Array) -> Estimate:
        """The share of right ones among answers with these confidences.

        The interval covers what the curve does not know and the luck of this many answers.
        """
        given = np.asarray(confidences, float)
        if not len(given):
            return Estimate(share=0.5, low=0.0, high=1.0, answers=0)
        heights, slopes = np.array(self.curves).T[:, :, None]
        chances = _sigmoid(heights + slopes * _logit(given))
        share = float(chances[0].mean())
        luck = (chances[0] * (1 - chances[0])).mean() / len(given)
        error = 1.96 * float(np.sqrt(chances[1:].mean(axis=1).var() + luck))
        return Estimate(
            share=share,
            low=max(0.0, share - error),
            high=min(1.0, share + error),
            answers=len(given),
        )


def _curves(given: Array, right: Array, weights: Array) -> Array:
    """A logistic regression for each row of weights, of shape (rows, 2), by Newton's method."""
    columns = np.stack([np.ones(len(given)), _logit(given)], axis=1)
    curves = np.zeros((len(weights), 2))
    ridge = _RIDGE * np.diag([0.0, 1.0]) + 1e-6 * np.eye(2)
    for _ in range(_STEPS):
        chances = _sigmoid(curves @ columns.T)
        slopes = (weights * (right - chances)) @ columns - curves @ ridge
        bends = np.einsum("rn,ni,nj->rij", weights * chances * (1 - chances), columns, columns)
        curves += np.clip(np.linalg.solve(bends + ridge, slopes[:, :, None])[:, :, 0], -2, 2)
    return curves


def _logit(shares: Array) -> Array:
    kept = np.clip(shares, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(kept / (1 - kept)))


def _sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-values)))
