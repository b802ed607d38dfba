"""Whether two runs over the same cases differ: intervals, randomisation tests, Holm, power.

Everything is paired, and over groups: cases that are no independent observations, such as the turns
of a conversation, are drawn and exchanged together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from rag.evaluate.statistics import CONFIDENCE, RESAMPLES, Array, Columns, Metric, draws

ALPHA = 1 - CONFIDENCE
POWER = 0.8

_MOST = 9_999  # exchanges that a test draws; with the observed one, p has steps of 1 in 10,000
_LEAST = 2_000
_BUDGET = 10_000_000  # exchanges times cases, which is what a test costs
_AT_ONCE = 500_000  # weights held in memory at a time: few enough for the processor's cache
_DEVIATES = NormalDist().inv_cdf(1 - ALPHA / 2) + NormalDist().inv_cdf(POWER)


@dataclass(frozen=True)
class Difference:
    """A metric in two runs. ``difference`` is B - A; None where it applies in one run only.

    ``p_holm`` is None for the metric that decides, which needs no correction. ``smallest_effect``
    is the difference that so many cases would show in four of five comparisons.
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
    """Whether the metric's columns are equal in every case, so that there is nothing to test."""

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
    """Return the difference of each metric; the cases of ``a``, ``b`` and ``groups`` are paired."""
    values = {metric.name: (metric.of(a), metric.of(b)) for metric in metrics}
    same = {
        metric.name: all(np.array_equal(a[c], b[c], equal_nan=True) for c in metric.columns)
        for metric in metrics
    }
    to_test = [m for m in metrics if not same[m.name] and not np.isnan(values[m.name]).any()]
    resampled = bootstrap(to_test, a, b, groups, seed)
    p_values = randomisation(to_test, a, b, groups, seed)
    found = {
        metric.name: _difference(
            metric,
            values[metric.name],
            resampled.get(metric.name, np.empty(0)),
            p_values.get(metric.name, 1.0),
            same=same[metric.name],
        )
        for metric in metrics
    }
    others = {name: p for name, p in p_values.items() if name != primary}
    # What is the same in every case cannot be found to differ however the cases are exchanged, and
    # takes no part in the correction (Tarone, 1990, "A modified Bonferroni method").
    corrected = dict.fromkeys(found, 1.0) | holm(others)
    return {
        name: one if name == primary else replace(one, p_holm=corrected[name])
        for name, one in found.items()
    }


def _difference(
    metric: Metric, values: tuple[float, float], resampled: Array, p: float, *, same: bool
) -> Difference:
    a, b = (None if math.isnan(value) else value for value in values)
    if same:
        gap: float | None = 0.0
        interval: tuple[float, float] | None = None if a is None else (0.0, 0.0)
    else:
        gap = None if a is None or b is None else b - a
        interval = interval_of(resampled)
    error = standard_error(resampled)
    return Difference(
        metric, a, b, gap, interval, p, None, smallest_effect(error) if error else None, same
    )


# Intervals


def bootstrap(
    metrics: Sequence[Metric], a: Columns, b: Columns, groups: Sequence[int], seed: int
) -> dict[str, Array]:
    """Return resampled differences of each metric; both runs have the same groups in a draw.

    Source: Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, chapter 8. Empty
    where fewer than two groups can be drawn.
    """
    if len(set(groups)) < 2 or not metrics:
        return {}
    found: dict[str, list[Array]] = {metric.name: [] for metric in metrics}
    for weights in draws(groups, seed, RESAMPLES):
        for metric in metrics:
            gap = metric.figure(b, weights) - metric.figure(a, weights)
            found[metric.name].append(gap[~np.isnan(gap)])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def interval_of(resampled: Array) -> tuple[float, float] | None:
    """Return the 95% percentile interval of resampled differences; None of fewer than two."""
    if len(resampled) < 2:
        return None
    low, high = np.percentile(resampled, (100 * ALPHA / 2, 100 * (1 - ALPHA / 2)))
    return float(low), float(high)


def standard_error(resampled: Array) -> float | None:
    """Return the standard error of a difference, the deviation of its bootstrap values."""
    return float(np.std(resampled, ddof=1)) if len(resampled) > 1 else None


def smallest_effect(error: float) -> float:
    """Return the difference that a test at .05, two-sided, finds with a power of .8.

    (z(.975) + z(.8)) = 2.8 standard errors: Bloom (1995), *Minimum Detectable Effects*,
    Evaluation Review 19(5).
    """
    return _DEVIATES * error


# Tests


def randomisation(
    metrics: Sequence[Metric], a: Columns, b: Columns, groups: Sequence[int], seed: int
) -> dict[str, float]:
    """Return the p-value of each metric by a paired randomisation test, two-sided.

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
    both = {
        name: np.concatenate((a[name], b[name]))
        for metric in metrics
        for name in metric.columns
    }  # fmt: skip
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
    """Return the p-value of a mean: the sums of the groups' differences change their signs.

    None for what is no mean, or one over other cases in A than in B, which does not add up so.
    """
    if not metric.is_mean:
        return None
    [column] = metric.columns
    gap = b[column] - a[column]
    if not np.array_equal(np.isnan(a[column]), np.isnan(b[column])):
        return None
    from scipy import stats

    _, rows = np.unique(np.asarray(groups, dtype=np.int64), return_inverse=True)
    sums = np.bincount(rows, weights=np.nan_to_num(gap))
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
    """Return how many exchanges are drawn for so many cases."""
    return min(_MOST, max(_LEAST, _BUDGET // cases))


def _few(groups: Sequence[int]) -> bool:
    return 2.0 ** min(len(set(groups)), 64) <= _MOST + 1


def _exchanges(groups: Sequence[int], seed: int) -> Iterator[Array]:
    """Yield blocks of shape (exchanges, cases): 1 where a case changes places, else 0."""
    _, rows = np.unique(np.asarray(groups, dtype=np.int64), return_inverse=True)
    count = int(rows.max()) + 1
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
    """Return p-values corrected for their number: the m-th smallest of n times n - m + 1.

    Source: Holm (1979), *A simple sequentially rejective multiple test procedure*. A corrected
    value is never less than that of a smaller p-value, nor more than 1.
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
    """Return the median of paired ratios and its interval, by the bootstrap over groups."""
    ratios = over / under
    order = np.argsort(ratios)
    found = []
    if len(set(groups)) > 1:
        for weights in draws(groups, seed, RESAMPLES):
            drawn = np.cumsum(weights[:, order], axis=1)
            found.append(ratios[order][(drawn >= drawn[:, -1:] / 2).argmax(axis=1)])
    resampled = np.concatenate(found) if found else np.empty(0)
    return float(np.median(ratios)), interval_of(resampled)
