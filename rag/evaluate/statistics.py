"""Metrics over the cases of a run, and how sure the figures are.

A metric is a function of columns (a number a case, NaN where it does not apply) and of weights (how
often each case counts), so that one definition gives the figure, its bootstrap interval, and the
paired tests of a comparison.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Columns = Mapping[str, Array]
Figure = Callable[[Columns, Array], Array]
"""(columns of length n, weights of shape (resamples, n)) -> one figure a resample, NaN for none."""

RESAMPLES = 2000
CONFIDENCE = 0.95
BINS = 10
_AT_ONCE = 500_000  # weights held in memory at a time: few enough for the processor's cache


@dataclass(frozen=True)
class Metric:
    """A figure of a run: its key in JSON, what it says, and the columns that it needs.

    ``per_case`` gives what stands for the figure in a single case, with NaN where it does not
    apply; there is none for a figure that only an order of cases has.
    """

    name: str
    meaning: str
    figure: Figure
    columns: tuple[str, ...]
    lower_is_better: bool = False
    by_slice: bool = True
    per_case: Callable[[Columns], Array] | None = None

    @property
    def is_mean(self) -> bool:
        """Whether it is the mean of its one column."""
        return self.per_case is not None and len(self.columns) == 1

    def of(self, columns: Columns) -> float:
        """Return the figure over all cases; NaN where it applies to none."""
        count = len(next(iter(columns.values()), ()))
        return float(self.figure(columns, np.ones((1, count)))[0]) if count else math.nan


def mean(name: str, meaning: str, *, column: str = "", lower_is_better: bool = False) -> Metric:
    """Return a metric that is the mean of a column over the cases that it applies to."""
    column = column or name

    def figure(columns: Columns, weights: Array) -> Array:
        values = columns[column]
        known = ~np.isnan(values)
        return _ratio(weights @ np.where(known, values, 0.0), weights @ known)

    return Metric(
        name, meaning, figure, (column,), lower_is_better, per_case=lambda columns: columns[column]
    )


def auroc(name: str, meaning: str, *, score: str, positive: str) -> Metric:
    """Return the area under the ROC curve of ``score`` for ``positive`` (1 or 0).

    It is the share of pairs in the right order, ties counted half (Hanley and McNeil, 1982); NaN
    without cases of both kinds.
    """

    def figure(columns: Columns, weights: Array) -> Array:
        scores, labels = columns[score], columns[positive]
        known = np.flatnonzero(~(np.isnan(scores) | np.isnan(labels)))
        if not len(known):
            return np.full(len(weights), np.nan)
        above, below = _by_score(scores[known], labels[known], weights[:, known])
        under = np.cumsum(below, axis=0) - below
        right = (above * (under + 0.5 * below)).sum(axis=0)
        return _ratio(right, above.sum(axis=0) * below.sum(axis=0))

    return Metric(name, meaning, figure, (score, positive))


def _by_score(scores: Array, labels: Array, weights: Array) -> tuple[Array, Array]:
    """Return the weight of positives and of the others at each score, lowest first.

    Of shape (scores, resamples); a sparse product, which does not sort each resample.
    """
    from scipy.sparse import csr_array

    values, which = np.unique(scores, return_inverse=True)
    drawn = np.ascontiguousarray(weights.T)
    shape = (len(values), len(scores))
    places = (which, np.arange(len(scores)))
    above: Array = csr_array((labels, places), shape=shape) @ drawn
    below: Array = csr_array((1 - labels, places), shape=shape) @ drawn
    return above, below


def balanced_accuracy(
    name: str, meaning: str, *, predicted: str, gold: str, classes: int = 2
) -> Metric:
    """Return the mean recall over the classes (Brodersen et al., 2010).

    NaN where not all ``classes`` occur: of one class, any constant guess would be perfect.
    """

    def figure(columns: Columns, weights: Array) -> Array:
        right = columns[predicted] == columns[gold]
        values = np.unique(columns[gold][~np.isnan(columns[gold])])
        if len(values) < classes:
            return np.full(len(weights), np.nan)
        of_class = columns[gold][:, None] == values
        recalls = _ratio(weights @ (of_class & right[:, None]), weights @ of_class)
        return np.asarray(recalls.mean(axis=1))

    return Metric(name, meaning, figure, (predicted, gold), per_case=_right(predicted, gold))


def f1_of_class(name: str, meaning: str, *, predicted: str, gold: str, value: float) -> Metric:
    """Return the F1 score of one class, 2·TP / (2·TP + FP + FN)."""

    def figure(columns: Columns, weights: Array) -> Array:
        said, true = columns[predicted] == value, columns[gold] == value
        hits, called, members = (weights @ np.stack([said & true, said, true], axis=1)).T
        return _ratio(2 * hits, called + members)

    return Metric(name, meaning, figure, (predicted, gold), per_case=_right(predicted, gold))


def _right(predicted: str, gold: str) -> Callable[[Columns], Array]:
    """Return a function of columns: 1 for each case that was called what it is, else 0."""

    def per_case(columns: Columns) -> Array:
        right = (columns[predicted] == columns[gold]).astype(float)
        return np.where(np.isnan(columns[gold]), np.nan, right)

    return per_case


def calibration_error(name: str, meaning: str, *, score: str, positive: str) -> Metric:
    """Return the expected calibration error over ten bins of equal width (Guo et al., 2017)."""

    def figure(columns: Columns, weights: Array) -> Array:
        scores, labels = columns[score], columns[positive]
        known = ~(np.isnan(scores) | np.isnan(labels))
        gaps = np.where(known, scores - labels, 0.0)
        inside = bins(scores)[:, None] == np.arange(BINS)
        total = np.abs(weights @ (gaps[:, None] * inside)).sum(axis=1)
        return _ratio(total, weights @ known)

    return Metric(
        name,
        meaning,
        figure,
        (score, positive),
        lower_is_better=True,
        per_case=lambda columns: np.abs(columns[score] - columns[positive]),
    )


def area_under_risk_coverage(name: str, meaning: str, *, score: str, gain: str) -> Metric:
    """Return the mean risk (1 - ``gain``) over all coverages, cases answered by falling score.

    Source: Geifman and El-Yaniv (2017), *Selective Classification for Deep Neural Networks*. Cases
    of equal score count with their mean risk, so that the order of a file does not matter.
    """

    def figure(columns: Columns, weights: Array) -> Array:
        order, risks = _by_confidence(columns[score], columns[gain])
        if not len(order):
            return np.full(len(weights), np.nan)
        weights = weights[:, order]
        answered = np.cumsum(weights, axis=1)
        running = _ratio(np.cumsum(weights * risks, axis=1), answered)
        return _ratio((weights * np.nan_to_num(running)).sum(axis=1), answered[:, -1])

    return Metric(name, meaning, figure, (score, gain), lower_is_better=True)


def risk_coverage(score: Array, gain: Array, points: int = 20) -> list[list[float]]:
    """Return [coverage, risk] at evenly spaced coverages, most confident cases first."""
    order, risks = _by_confidence(score, gain)
    count = len(order)
    running = np.cumsum(risks) / np.arange(1, count + 1) if count else risks
    sizes = sorted({math.ceil(count * step / points) for step in range(1, points + 1)} - {0})
    return [[round(size / count, 4), round(float(running[size - 1]), 4)] for size in sizes]


def _by_confidence(score: Array, gain: Array) -> tuple[NDArray[np.intp], Array]:
    """Return the known cases by falling score, and their risks averaged over equal scores."""
    known = np.flatnonzero(~(np.isnan(score) | np.isnan(gain)))
    order = known[np.argsort(-score[known], kind="stable")]
    if not len(order):
        return order, np.empty(0)
    _, run, sizes = np.unique(-score[order], return_inverse=True, return_counts=True)
    sums = np.bincount(run, weights=1 - gain[order])
    return order, (sums / sizes)[run]


def bins(scores: Array) -> NDArray[np.int64]:
    """Return the bin of each score in 0–1, from 0; -1 where there is none."""
    places = np.minimum((np.nan_to_num(scores) * BINS).astype(np.int64), BINS - 1)
    return np.where(np.isnan(scores), -1, places)


def calibration_bins(scores: Array, labels: Array) -> list[dict[str, float]]:
    """Return for each bin that is not empty its size, mean score and share of positives."""
    which = bins(scores)
    return [
        {
            "n": int((which == position).sum()),
            "mean_score": round(float(scores[which == position].mean()), 4),
            "positive": round(float(labels[which == position].mean()), 4),
        }
        for position in range(BINS)
        if (which == position).any()
    ]


# Intervals


def figures(
    metrics: Iterable[Metric], columns: Columns, groups: Sequence[int], seed: int
) -> dict[str, Any]:
    """Return each metric and its 95% interval, as ``name`` and ``name_ci``; None for no figure.

    Intervals are percentile bootstrap intervals (Efron and Tibshirani, 1993, chapter 13) over
    ``groups``: cases that share one, such as the turns of a conversation, are drawn together. There
    is no interval from fewer than two groups to which the metric applies.
    """
    metrics = list(metrics)
    resampled = _resampled(metrics, columns, groups, seed)
    result: dict[str, Any] = {}
    numbers = np.asarray(groups)
    tail = 50 * (1 - CONFIDENCE)
    for metric, found in zip(metrics, resampled, strict=True):
        value = metric.of(columns)
        known = np.all([~np.isnan(columns[name]) for name in metric.columns], axis=0)
        values = found[~np.isnan(found)]
        sure = len(values) and len(np.unique(numbers[known])) > 1 and not math.isnan(value)
        result[metric.name] = None if math.isnan(value) else round(value, 4)
        result[f"{metric.name}_ci"] = (
            [round(float(v), 4) for v in np.percentile(values, (tail, 100 - tail))]
            if sure
            else None
        )
    return result


def _resampled(
    metrics: Sequence[Metric], columns: Columns, groups: Sequence[int], seed: int
) -> list[Array]:
    found = [np.empty(RESAMPLES) for _ in metrics]
    if not len(groups):
        return [np.empty(0) for _ in metrics]
    done = 0
    for weights in draws(groups, seed):
        for metric, values in zip(metrics, found, strict=True):
            values[done : done + len(weights)] = metric.figure(columns, weights)
        done += len(weights)
    return found


def draws(groups: Sequence[int], seed: int, resamples: int = RESAMPLES) -> Iterable[Array]:
    """Yield weights of bootstrap resamples of the groups, in blocks of shape (resamples, n).

    The counts of a resample are multinomial: the same as drawing one by one, without the loop.
    """
    _, rows = np.unique(np.asarray(groups, dtype=np.int64), return_inverse=True)
    count = int(rows.max()) + 1
    random = np.random.default_rng(seed)
    chances = np.full(count, 1 / count)
    block = max(1, _AT_ONCE // max(1, len(rows)))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        yield random.multinomial(count, chances, size)[:, rows].astype(np.float64)


def percentiles(milliseconds: Sequence[float]) -> dict[str, float | None]:
    """Return ``p50`` and ``p95`` in milliseconds; None of nothing."""
    if not milliseconds:
        return {"p50": None, "p95": None}
    middle, high = np.percentile(milliseconds, (50, 95))
    return {"p50": round(float(middle), 2), "p95": round(float(high), 2)}


def _ratio(over: NDArray[Any], under: NDArray[Any]) -> Array:
    result = np.full(over.shape, np.nan)
    np.divide(over, under, out=result, where=under > 0)
    return result
