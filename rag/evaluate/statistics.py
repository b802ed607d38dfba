"""Metrics over the cases of a run, how sure the figures are, and whether two runs differ.

A metric is a function of columns (a number a case, NaN where it does not apply) and of weights (how
often each case counts), so that one definition gives the figure, its bootstrap interval, and the
paired tests of a comparison. Cases that are no independent observations, such as the turns of a
conversation, form a group: they are drawn and exchanged together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Columns = Mapping[str, Array]
Figure = Callable[[Columns, Array], Array]
"""(columns of length n, weights of shape (resamples, n)) -> one figure a resample, NaN for none."""

RESAMPLES = 2000
ALPHA = 0.05
POWER = 0.8
BINS = 10

_MOST = 9_999  # exchanges that a test draws; with the observed one, p has steps of 1 in 10,000
_LEAST = 2_000
_BUDGET = 10_000_000  # exchanges times cases, which is what a test costs
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
    per_case: Callable[[Columns], Array] | None = None

    @property
    def described(self) -> str:
        """What it says, and which way is better."""
        return f"{self.meaning} (lower is better)" if self.lower_is_better else self.meaning

    def of(self, columns: Columns) -> float:
        """The figure over all cases; NaN where it applies to none."""
        count = len(next(iter(columns.values()), ()))
        return float(self.figure(columns, np.ones((1, count)))[0]) if count else math.nan


def mean(name: str, meaning: str, *, lower_is_better: bool = False) -> Metric:
    """The mean of the column of this name over the cases that it applies to."""

    def figure(columns: Columns, weights: Array) -> Array:
        values = columns[name]
        known = ~np.isnan(values)
        return _ratio(weights @ np.where(known, values, 0.0), weights @ known)

    return Metric(
        name, meaning, figure, (name,), lower_is_better, per_case=lambda columns: columns[name]
    )


def ratio(name: str, meaning: str, *, over: str, under: str) -> Metric:
    """The sum of one column by that of another, where cases have parts to be counted."""

    def figure(columns: Columns, weights: Array) -> Array:
        known = ~(np.isnan(columns[over]) | np.isnan(columns[under]))
        above, below = (weights @ np.where(known, columns[name], 0.0) for name in (over, under))
        return _ratio(above, below)

    def per_case(columns: Columns) -> Array:
        return _ratio(columns[over], columns[under])

    return Metric(name, meaning, figure, (over, under), per_case=per_case)


def auroc(name: str, meaning: str, *, score: str, positive: str) -> Metric:
    """The area under the ROC curve of ``score`` for ``positive`` (1 or 0).

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
    """The weight of positives and of the others at each score, lowest first.

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
    """The mean recall over the classes (Brodersen et al., 2010).

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
    """The F1 score of one class, 2·TP / (2·TP + FP + FN)."""

    def figure(columns: Columns, weights: Array) -> Array:
        said, true = columns[predicted] == value, columns[gold] == value
        hits, called, members = (weights @ np.stack([said & true, said, true], axis=1)).T
        return _ratio(2 * hits, called + members)

    return Metric(name, meaning, figure, (predicted, gold), per_case=_right(predicted, gold))


def miscalled(name: str, meaning: str, *, predicted: str, gold: str, value: float) -> Metric:
    """Of the cases of one class, the share that is called another: 1 less its recall."""

    def per_case(columns: Columns) -> Array:
        wrong = (columns[predicted] != value).astype(float)
        return np.where(columns[gold] == value, wrong, np.nan)

    def figure(columns: Columns, weights: Array) -> Array:
        members = columns[gold] == value
        return _ratio(weights @ (members & (columns[predicted] != value)), weights @ members)

    return Metric(name, meaning, figure, (predicted, gold), lower_is_better=True, per_case=per_case)


def _right(predicted: str, gold: str) -> Callable[[Columns], Array]:
    """1 for each case that was called what it is, else 0."""

    def per_case(columns: Columns) -> Array:
        right = (columns[predicted] == columns[gold]).astype(float)
        return np.where(np.isnan(columns[gold]), np.nan, right)

    return per_case


def calibration_error(name: str, meaning: str, *, score: str, positive: str) -> Metric:
    """The expected calibration error over ten bins of equal width (Guo et al., 2017)."""

    def figure(columns: Columns, weights: Array) -> Array:
        scores, labels = columns[score], columns[positive]
        known = ~(np.isnan(scores) | np.isnan(labels))
        gaps = np.where(known, scores - labels, 0.0)
        inside = bins(scores)[:, None] == np.arange(BINS)
        total = np.abs(weights @ (gaps[:, None] * inside)).sum(axis=1)
        return _ratio(total, weights @ known)

    def per_case(columns: Columns) -> Array:
        return np.abs(columns[score] - columns[positive])

    return Metric(name, meaning, figure, (score, positive), lower_is_better=True, per_case=per_case)


def squared_error(name: str, meaning: str, *, score: str, positive: str) -> Metric:
    """The mean squared distance of ``score`` from ``positive`` (Brier, 1950)."""

    def per_case(columns: Columns) -> Array:
        return np.square(columns[score] - columns[positive])

    def figure(columns: Columns, weights: Array) -> Array:
        errors = per_case(columns)
        known = ~np.isnan(errors)
        return _ratio(weights @ np.where(known, errors, 0.0), weights @ known)

    return Metric(name, meaning, figure, (score, positive), lower_is_better=True, per_case=per_case)


def area_under_risk_coverage(name: str, meaning: str, *, score: str, gain: str) -> Metric:
    """The mean risk (1 - ``gain``) over all coverages, cases answered by falling score.

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


def mean_of_confident(name: str, meaning: str, *, score: str, gain: str) -> Metric:
    """The mean ``gain`` of the half of the cases with the highest scores.

    A case that lies across the middle counts with its part; those of equal score with their mean.
    """

    def figure(columns: Columns, weights: Array) -> Array:
        order, risks = _by_confidence(columns[score], columns[gain])
        weights = weights[:, order]
        half = weights.sum(axis=1) / 2
        taken = np.clip(half[:, None] - np.cumsum(weights, axis=1) + weights, 0.0, weights)
        return _ratio(taken @ (1 - risks), half)

    return Metric(name, meaning, figure, (score, gain))


def risk_coverage(score: Array, gain: Array, points: int = 20) -> list[list[float]]:
    """[coverage, risk] at evenly spaced coverages, most confident cases first."""
    order, risks = _by_confidence(score, gain)
    count = len(order)
    running = np.cumsum(risks) / np.arange(1, count + 1)
    sizes = sorted({math.ceil(count * step / points) for step in range(1, points + 1)} - {0})
    return [[round(size / count, 4), round(float(running[size - 1]), 4)] for size in sizes]


def _by_confidence(score: Array, gain: Array) -> tuple[NDArray[np.intp], Array]:
    """The known cases by falling score, and their risks averaged over equal scores."""
    known = np.flatnonzero(~(np.isnan(score) | np.isnan(gain)))
    order = known[np.argsort(-score[known], kind="stable")]
    if not len(order):
        return order, np.empty(0)
    _, run, sizes = np.unique(-score[order], return_inverse=True, return_counts=True)
    sums = np.bincount(run, weights=1 - gain[order])
    return order, (sums / sizes)[run]


def bins(scores: Array) -> NDArray[np.int64]:
    """The bin of each score in 0–1, from 0; -1 where there is none."""
    places = np.minimum((np.nan_to_num(scores) * BINS).astype(np.int64), BINS - 1)
    return np.where(np.isnan(scores), -1, places)


def calibration_bins(scores: Array, labels: Array) -> list[dict[str, float]]:
    """For each bin that is not empty its size, mean score and share of positives."""
    which = bins(scores)
    inside = [which == position for position in range(BINS)]
    return [
        {
            "n": int(members.sum()),
            "mean_score": round(float(scores[members].mean()), 4),
            "positive": round(float(labels[members].mean()), 4),
        }
        for members in inside
        if members.any()
    ]


# Intervals


def figures(
    metrics: Sequence[Metric], columns: Columns, groups: Sequence[int], seed: int
) -> dict[str, Any]:
    """Each metric and its 95% interval, as ``name`` and ``name_ci``; None for no figure.

    There is no interval from fewer than two groups to which the metric applies.
    """
    resampled = _resampled([partial(m.figure, columns) for m in metrics], groups, seed)
    numbers = np.asarray(groups)
    result: dict[str, Any] = {}
    for metric, values in zip(metrics, resampled, strict=True):
        value = metric.of(columns)
        known = np.all([~np.isnan(columns[name]) for name in metric.columns], axis=0)
        interval = None if math.isnan(value) else interval_of(values)
        if len(np.unique(numbers[known])) < 2:
            interval = None
        result[metric.name] = None if math.isnan(value) else round(value, 4)
        result[f"{metric.name}_ci"] = interval and [round(end, 4) for end in interval]
    return result


def _resampled(
    figures: Sequence[Callable[[Array], Array]], groups: Sequence[int], seed: int
) -> list[Array]:
    """The values of each figure, a function of weights, in bootstrap resamples of the groups.

    Source: Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, chapters 8 and 13.
    NaN is left out; there are none where fewer than two groups can be drawn.
    """
    found: list[list[Array]] = [[np.empty(0)] for _ in figures]
    if len(set(groups)) > 1:
        for weights in draws(groups, seed):
            for figure, parts in zip(figures, found, strict=True):
                values = figure(weights)
                parts.append(values[~np.isnan(values)])
    return [np.concatenate(parts) for parts in found]


def draws(groups: Sequence[int], seed: int) -> Iterator[Array]:
    """Yield weights of bootstrap resamples of the groups, in blocks of shape (resamples, n).

    The counts of a resample are multinomial: the same as drawing one by one, without the loop.
    """
    count, rows = _numbered(groups)
    random = np.random.default_rng(seed)
    chances = np.full(count, 1 / count)
    block = max(1, _AT_ONCE // len(rows))
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        yield random.multinomial(count, chances, size)[:, rows].astype(np.float64)


def _numbered(groups: Sequence[int]) -> tuple[int, NDArray[np.intp]]:
    """The number of groups, and that of each case, from 0."""
    values, rows = np.unique(np.asarray(groups, dtype=np.int64), return_inverse=True)
    return len(values), rows


def interval_of(resampled: Array) -> tuple[float, float] | None:
    """The 95% percentile interval of resampled values; None of fewer than two."""
    if len(resampled) < 2:
        return None
    low, high = np.percentile(resampled, (100 * ALPHA / 2, 100 * (1 - ALPHA / 2)))
    return float(low), float(high)


def percentiles(milliseconds: Sequence[float]) -> dict[str, float | None]:
    """``p50`` and ``p95`` in milliseconds; None of nothing."""
    if not milliseconds:
        return {"p50": None, "p95": None}
    middle, high = np.percentile(milliseconds, (50, 95))
    return {"p50": round(float(middle), 2), "p95": round(float(high), 2)}


def _ratio(over: NDArray[Any], under: NDArray[Any]) -> Array:
    result = np.full(over.shape, np.nan)
    np.divide(over, under, out=result, where=under > 0)
    return result


# Two runs


@dataclass(frozen=True)
class Difference:
    """A metric in two runs. ``difference`` is B - A; None where it applies in one run only.

    ``p_holm`` is None for the metric that decides, which needs no correction. ``smallest_effect``
    is the difference that so many cases would show in four of five comparisons. ``same``: the
    metric's columns are equal in every case, so that there is nothing to test.
    """

    metric: Metric
    a: float | None
    b: float | None
    difference: float | None
    interval: tuple[float, float] | None
    p: float
    p_holm: float | None
    smallest_effect: float | None
    same: bool

    @property
    def before_and_after(self) -> dict[str, Any]:
        """The figures where A is the state before a change and B the one after it, as JSON."""
        return {
            "before": self.a,
            "after": self.b,
            "difference": self.difference,
            "ci": self.interval,
            "p": self.p,
            "better": self.better,
        }

    @property
    def better(self) -> bool | None:
        """Whether B is better, True, or worse, False; None where no difference is visible.

        A difference is visible if the test says so and the interval leaves out 0.
        """
        p = self.p if self.p_holm is None else self.p_holm
        if self.interval is None or p > ALPHA or self.interval[0] <= 0 <= self.interval[1]:
            return None
        return (self.interval[0] > 0) != self.metric.lower_is_better


def differences(
    metrics: Sequence[Metric],
    primary: str,
    a: Columns,
    b: Columns,
    groups: Sequence[int],
    seed: int,
) -> dict[str, Difference]:
    """The difference of each metric; the cases of ``a``, ``b`` and ``groups`` are paired."""
    same = {
        metric.name: all(np.array_equal(a[c], b[c], equal_nan=True) for c in metric.columns)
        for metric in metrics
    }
    to_test = [
        m for m in metrics if not (same[m.name] or math.isnan(m.of(a)) or math.isnan(m.of(b)))
    ]
    resampled = bootstrap(to_test, a, b, groups, seed)
    p_values = randomisation(to_test, a, b, groups, seed)
    found = {
        m.name: _difference(
            m, m.of(a), m.of(b), resampled.get(m.name), p_values.get(m.name, 1.0),
            same=same[m.name],
        )
        for m in metrics
    }  # fmt: skip
    others = {name: p for name, p in p_values.items() if name != primary}
    # What is the same in every case cannot be found to differ however the cases are exchanged, and
    # takes no part in the correction (Tarone, 1990, "A modified Bonferroni method").
    corrected = dict.fromkeys(found, 1.0) | holm(others)
    return {
        name: one if name == primary else replace(one, p_holm=corrected[name])
        for name, one in found.items()
    }


def _difference(
    metric: Metric, a: float, b: float, resampled: Array | None, p: float, *, same: bool
) -> Difference:
    one, other = (None if math.isnan(value) else value for value in (a, b))
    interval: tuple[float, float] | None = None
    effect = None
    if same:
        interval = None if one is None else (0.0, 0.0)
    elif resampled is not None:
        interval = interval_of(resampled)
        # The standard error of a difference is the deviation of its bootstrap values.
        error = float(np.std(resampled, ddof=1)) if len(resampled) > 1 else 0.0
        effect = smallest_effect(error) if error else None
    gap = 0.0 if same else None if one is None or other is None else other - one
    return Difference(metric, one, other, gap, interval, p, None, effect, same)


def bootstrap(
    metrics: Sequence[Metric], a: Columns, b: Columns, groups: Sequence[int], seed: int
) -> dict[str, Array]:
    """Resampled differences of each metric; both runs have the same groups in a draw."""

    def difference(metric: Metric, weights: Array) -> Array:
        return metric.figure(b, weights) - metric.figure(a, weights)

    found = _resampled([partial(difference, metric) for metric in metrics], groups, seed)
    return {metric.name: values for metric, values in zip(metrics, found, strict=True)}


def smallest_effect(error: float) -> float:
    """The difference that a test at .05, two-sided, finds with a power of .8.

    (z(.975) + z(.8)) = 2.8 standard errors: Bloom (1995), *Minimum Detectable Effects*,
    Evaluation Review 19(5).
    """
    return error * (NormalDist().inv_cdf(1 - ALPHA / 2) + NormalDist().inv_cdf(POWER))


def randomisation(
    metrics: Sequence[Metric], a: Columns, b: Columns, groups: Sequence[int], seed: int
) -> dict[str, float]:
    """The p-value of each metric by a paired randomisation test, two-sided.

    If the runs do not differ, the results of a group may as well be exchanged between them (Fisher,
    1935; for ranking: Smucker, Allan and Carterette, 2007). Whole cases are exchanged, so any
    figure can be tested, means or not; gold labels are the same in both runs and so stay. The
    p-value is (k + 1) / (n + 1) over random exchanges (Phipson and Smyth, 2010), and k / n over all
    of them where they are few. Means are tested by ``scipy.stats.permutation_test``; figures that
    are none, such as an AUROC, share exchanges drawn here, since it takes one figure a call.
    """
    means = {metric.name: _mean_test(metric, a, b, groups, seed) for metric in metrics}
    tested = {name: p for name, p in means.items() if p is not None}
    metrics = [metric for metric in metrics if metric.name not in tested]
    if not metrics:
        return tested
    needed = {name for metric in metrics for name in metric.columns}
    both = {name: np.concatenate((a[name], b[name])) for name in needed}
    observed = {metric.name: metric.of(b) - metric.of(a) for metric in metrics}
    extreme = dict.fromkeys(observed, 0)
    total = 0
    for exchanged in _exchanges(groups, seed):
        total += len(exchanged)
        one = np.concatenate((1 - exchanged, exchanged), axis=1)
        other = np.concatenate((exchanged, 1 - exchanged), axis=1)
        for metric in metrics:
            gap = np.abs(metric.figure(both, other) - metric.figure(both, one))
            # A hair less than the observed difference is the same: sums depend on their order.
            reached = abs(observed[metric.name]) * (1 - 1e-9) - 1e-12
            # Where an exchange leaves a run no case to apply to, it speaks for no difference.
            extreme[metric.name] += int((np.isnan(gap) | (gap >= reached)).sum())
    random = int(not _few(groups))
    return tested | {name: min(1.0, (k + random) / (total + random)) for name, k in extreme.items()}


def _mean_test(
    metric: Metric, a: Columns, b: Columns, groups: Sequence[int], seed: int
) -> float | None:
    """The p-value of a mean: the sums of the groups' differences change their signs.

    None for what is no mean, or one over other cases in A than in B, which does not add up so.
    """
    column = metric.columns[0]
    is_mean = metric.per_case is not None and len(metric.columns) == 1
    if not (is_mean and np.array_equal(np.isnan(a[column]), np.isnan(b[column]))):
        return None
    from scipy import stats

    _, rows = _numbered(groups)
    sums = np.bincount(rows, weights=np.nan_to_num(b[column] - a[column]))
    found = stats.permutation_test(
        (sums,),
        lambda drawn, axis: np.sum(drawn, axis=axis),
        permutation_type="samples",
        n_resamples=math.inf if _few(groups) else _number(len(sums)),
        batch=max(1, _AT_ONCE // len(sums)),
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def _number(cases: int) -> int:
    """How many exchanges are drawn for so many cases."""
    return min(_MOST, max(_LEAST, _BUDGET // cases))


def _few(groups: Sequence[int]) -> bool:
    return 2.0 ** min(len(set(groups)), 64) <= _MOST + 1


def _exchanges(groups: Sequence[int], seed: int) -> Iterator[Array]:
    """Yield blocks of shape (exchanges, cases): 1 where a case changes places, else 0."""
    count, rows = _numbered(groups)
    if _few(groups):
        every = np.arange(2**count)[:, None] >> np.arange(count) & 1
        yield every[:, rows].astype(np.float64)
        return
    random = np.random.default_rng(seed)
    left = _number(len(rows))
    while left:
        size = min(left, max(1, _AT_ONCE // (2 * len(rows))))
        yield random.integers(0, 2, (size, count), dtype=np.int8)[:, rows].astype(np.float64)
        left -= size


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values corrected for their number: the m-th smallest of n times n - m + 1.

    Source: Holm (1979), *A simple sequentially rejective multiple test procedure*. A corrected
    value is never less than that of a smaller p-value, nor more than 1.

    >>> holm({"recall": 0.01, "mrr": 0.03})
    {'recall': 0.02, 'mrr': 0.03}
    """
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        corrected[name] = highest
    return corrected


def median_ratio(
    over: Array, under: Array, groups: Sequence[int], seed: int
) -> tuple[float, tuple[float, float] | None]:
    """The median of paired ratios and its interval, by the bootstrap over groups."""
    ratios = over / under
    order = np.argsort(ratios)

    def median(weights: Array) -> Array:
        drawn = np.cumsum(weights[:, order], axis=1)
        return np.asarray(ratios[order][(drawn >= drawn[:, -1:] / 2).argmax(axis=1)])

    [resampled] = _resampled([median], groups, seed)
    return float(np.median(ratios)), interval_of(resampled)
