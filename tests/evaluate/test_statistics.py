"""Metrics and intervals held against scipy's and scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from rag.evaluate.statistics import (
    Array,
    Metric,
    area_under_risk_coverage,
    auroc,
    balanced_accuracy,
    calibration_bins,
    calibration_error,
    draws,
    f1_of_class,
    figures,
    mean,
    mean_of_confident,
    percentiles,
    ratio,
    risk_coverage,
)

F1 = mean("f1", "")


def column(*values: float | None) -> Array:
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def of(metric: Metric, **columns: Array) -> float:
    return metric.of(columns)


def test_means_leave_out_only_what_does_not_apply() -> None:
    metrics = [F1, mean("x", "")]
    columns = {"f1": column(1, 0, 0.5), "x": column(None, 0.5, None)}
    result = figures(metrics, columns, [0, 1, 2], seed=0)
    assert result["f1"] == 0.5
    assert result["x"] == 0.5
    assert result["x_ci"] is None  # one case says nothing about spread
    assert figures([F1], {"f1": column()}, [], seed=0) == {"f1": None, "f1_ci": None}
    assert figures([F1], columns, [7, 7, 7], seed=0)["f1_ci"] is None


def test_intervals_agree_with_scipy() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(1).beta(2, 1, size=150)
    theirs = bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(2)
    ).confidence_interval
    ours = figures([F1], {"f1": values}, range(150), seed=3)["f1_ci"]
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.01)


def test_intervals_repeat_and_widen_with_conversations() -> None:
    values = {"f1": column(*(float(n // 4 % 2) for n in range(200)))}  # four turns each
    alone = figures([F1], values, range(200), seed=5)["f1_ci"]
    together = figures([F1], values, [n // 4 for n in range(200)], seed=5)["f1_ci"]
    assert alone == figures([F1], values, range(200), seed=5)["f1_ci"]
    assert together[1] - together[0] > 1.7 * (alone[1] - alone[0])


def test_draws_count_every_group_once_on_average() -> None:
    weights = np.concatenate(list(draws([0, 0, 1, 2], seed=0)))
    assert weights.shape == (2000, 4)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(4), abs=0.05)


def test_auroc_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(4)
    positive = (random.random(120) < 0.7).astype(float)
    scores = np.round(random.random(120) + 0.3 * positive, 1)  # many ties
    metric = auroc("auroc", "", score="s", positive="p")
    assert of(metric, s=scores, p=positive) == pytest.approx(roc_auc_score(positive, scores))
    # weighted as if cases came several times: the bootstrap relies on it
    weights = random.integers(0, 4, size=120)
    repeated = roc_auc_score(np.repeat(positive, weights), np.repeat(scores, weights))
    weighted = metric.figure({"s": scores, "p": positive}, weights[None, :].astype(float))
    assert weighted[0] == pytest.approx(repeated)
    assert np.isnan(of(metric, s=column(0.1, 0.2), p=column(1, 1)))
    assert np.isnan(of(metric, s=column(None), p=column(1)))


def test_classes_agree_with_scikit_learn() -> None:
    from sklearn.metrics import balanced_accuracy_score, f1_score

    random = np.random.default_rng(5)
    gold = random.integers(0, 3, size=200).astype(float)
    said = np.where(random.random(200) < 0.6, gold, random.integers(0, 3, size=200))
    three = balanced_accuracy("b", "", predicted="s", gold="g", classes=3)
    assert of(three, s=said, g=gold) == pytest.approx(balanced_accuracy_score(gold, said))
    unsupported = f1_of_class("f", "", predicted="s", gold="g", value=0.0)
    assert of(unsupported, s=said, g=gold) == pytest.approx(f1_score(gold == 0, said == 0))
    assert np.isnan(of(three, s=said, g=np.minimum(gold, 1)))  # one class does not occur


def test_calibration() -> None:
    metric = calibration_error("c", "", score="s", positive="p")
    # two bins: mean score .25 against 0 positives, mean score .95 against half of them
    scores, positive = column(0.2, 0.25, 0.9, 1.0), column(0, 0, 1, 0)
    assert of(metric, s=scores, p=positive) == pytest.approx((2 * 0.225 + 2 * 0.45) / 4)
    assert calibration_bins(scores, positive) == [
        {"n": 2, "mean_score": 0.225, "positive": 0.0},
        {"n": 2, "mean_score": 0.95, "positive": 0.5},
    ]


def test_risk_and_coverage_by_hand() -> None:
    metric = area_under_risk_coverage("aurc", "", score="s", gain="g")
    scores, gain = column(0.9, 0.8, 0.7, None), column(1, 0, 1, 1)
    # risks 0, 1, 0: running means 0, 1/2, 1/3
    assert of(metric, s=scores, g=gain) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    assert risk_coverage(scores, gain, points=3) == [
        [0.3333, 0.0], [0.6667, 0.5], [1.0, 0.3333],
    ]  # fmt: skip
    ties = column(0.5, 0.5)
    assert of(metric, s=ties, g=column(1, 0)) == of(metric, s=ties, g=column(0, 1)) == 0.5


def test_the_more_confident_half_by_hand() -> None:
    metric = mean_of_confident("m", "", score="s", gain="g")
    assert of(metric, s=column(0.1, 0.9, 0.8, 0.2, 1), g=column(0, 1, 0, 1, None)) == 0.5
    odd = {"s": column(0.9, 0.5, 0.1), "g": column(1, 0, 0)}
    assert of(metric, **odd) == pytest.approx(1 / 1.5)  # the one in the middle counts half
    ties = column(0.5, 0.5)
    assert of(metric, s=ties, g=column(1, 0)) == of(metric, s=ties, g=column(0, 1)) == 0.5
    assert np.isnan(of(metric, s=column(0.5), g=column(None)))
    drawn = metric.figure(odd, np.array([[1.0, 3.0, 0.0], [0.0, 0.0, 0.0]]))
    assert drawn == pytest.approx([0.5, np.nan], nan_ok=True)


def test_a_ratio_is_of_sums() -> None:
    metric = ratio("r", "", over="o", under="u")
    columns = {"o": column(1, 0, 0, None), "u": column(1, 3, 0, None)}
    assert of(metric, **columns) == 0.25
    assert metric.per_case
    assert metric.per_case(columns) == pytest.approx([1, 0, np.nan, np.nan], nan_ok=True)
    assert figures([metric], columns, range(4), seed=0)["r_ci"][0] >= 0
    assert np.isnan(of(metric, o=column(0), u=column(0)))


def test_percentiles() -> None:
    assert percentiles([1.0, 2.0, 3.0]) == {"p50": 2.0, "p95": 2.9}
    assert percentiles([]) == {"p50": None, "p95": None}
