"""Comparisons: the statistics hold what they promise, the words say what the figures say."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_files
from run_files import ranked

from rag.errors import DataError, UsageError
from rag.evaluate import statistics
from rag.evaluate.compare import compare
from rag.evaluate.runs import KINDS, Run, kind_named
from rag.evaluate.statistics import (
    Array,
    auroc,
    bootstrap,
    differences,
    holm,
    interval_of,
    mean,
    median_ratio,
    randomisation,
    smallest_effect,
)
from rag.evaluate.tables import spoken

VALUE = mean("value", "a value")


def p_value(a: Array, b: Array, groups: Sequence[int] | None = None, seed: int = 0) -> float:
    groups = groups if groups is not None else range(len(a))
    return randomisation([VALUE], {"value": a}, {"value": b}, groups, seed)["value"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw fewer exchanges, for what repeats a test some hundred times."""
    monkeypatch.setattr(statistics, "_MOST", 999)


# Tests


@pytest.mark.usefixtures("quick")
def test_without_a_difference_p_values_are_uniform() -> None:
    random = np.random.default_rng(1)
    found = []
    for _ in range(200):
        common = random.normal(size=40)
        a, b = (common + random.normal(size=40) for _ in range(2))
        found.append(p_value(a, b))
    assert 0.01 <= np.mean(np.array(found) < 0.05) <= 0.10
    assert 0.4 <= np.mean(found) <= 0.6


@pytest.mark.usefixtures("quick")
def test_without_a_difference_groups_keep_the_promise_and_single_cases_would_not() -> None:
    """Ten groups of eight cases that rise and fall together are ten observations, not eighty."""
    random = np.random.default_rng(2)
    groups = np.repeat(np.arange(12), 8)
    with_groups, without = [], []
    for _ in range(100):
        shift = random.normal(size=12)[groups]
        a, b = random.normal(0, 0.3, 96), shift + random.normal(0, 0.3, 96)
        with_groups.append(p_value(a, b, groups.tolist()) <= 0.05)
        without.append(p_value(a, b) <= 0.05)
    assert np.mean(with_groups) <= 0.11
    assert np.mean(without) > 0.3


def test_p_values_agree_with_scipy() -> None:
    from scipy import stats

    random = np.random.default_rng(3)
    for shift in (0.0, 0.1, 0.2, 0.3):
        a = random.normal(size=120)
        b = a + shift + random.normal(size=120)
        ours = p_value(a, b)
        assert ours == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.02)
        theirs = stats.permutation_test(
            (b - a,), lambda x, axis: x.mean(axis=axis), permutation_type="samples",
            vectorized=True, n_resamples=9999, rng=0,
        )  # fmt: skip
        assert ours == pytest.approx(theirs.pvalue, abs=0.02)
    few_a, few_b = a[:9], b[:9]
    theirs = stats.permutation_test(
        (few_b - few_a,), lambda x, axis: x.mean(axis=axis), permutation_type="samples",
        vectorized=True,
    )  # fmt: skip
    assert p_value(few_a, few_b) == pytest.approx(theirs.pvalue)  # both try every exchange


def test_few_cases_are_tested_exactly_and_many_never_have_zero() -> None:
    assert p_value(np.zeros(3), np.ones(3)) == 0.25  # of 8 exchanges 2 are as far apart
    assert p_value(np.zeros(200), np.ones(200)) == pytest.approx(2 / 10_000)  # two sides


def test_a_figure_that_is_no_mean_is_tested_too() -> None:
    random = np.random.default_rng(4)
    area = auroc("area", "", score="score", positive="gold")
    gold = np.repeat([0.0, 1.0], 100)
    blind = {"score": random.normal(size=200), "gold": gold}
    seeing = {"score": random.normal(size=200) + 2 * gold, "gold": gold}
    assert randomisation([area], blind, seeing, range(200), 0)["area"] < 0.001
    other = {"score": random.normal(size=200), "gold": gold}
    assert randomisation([area], blind, other, range(200), 0)["area"] > 0.05


def test_holm_by_hand() -> None:
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}
    assert holm({}) == {}


# Intervals and power


def test_intervals_cover_a_known_difference() -> None:
    random = np.random.default_rng(5)
    covered = []
    for number in range(200):
        a = random.normal(size=60)
        b = a + 0.3 + random.normal(size=60)
        drawn = bootstrap([VALUE], {"value": a}, {"value": b}, range(60), number)["value"]
        low, high = interval_of(drawn) or (0.0, 0.0)
        covered.append(low <= 0.3 <= high)
    assert 0.89 <= np.mean(covered) <= 0.99


@pytest.mark.usefixtures("quick")
def test_the_smallest_effect_is_found_in_four_of_five_comparisons() -> None:
    random = np.random.default_rng(6)
    a, b = {"value": np.zeros(80)}, {"value": random.normal(size=80)}
    found = differences([VALUE], "value", a, b, range(80), 0)["value"]
    error = (found.smallest_effect or 0.0) / smallest_effect(1.0)
    assert error == pytest.approx(b["value"].std() / np.sqrt(80), rel=0.05)
    assert smallest_effect(1.0) == pytest.approx(2.8016, abs=1e-3)
    effect = smallest_effect(1 / np.sqrt(80))
    significant = [
        p_value(np.zeros(80), random.normal(size=80) + effect) <= 0.05 for _ in range(200)
    ]  # fmt: skip
    assert 0.7 <= np.mean(significant) <= 0.9


def test_what_is_the_same_differs_by_nothing_and_weighs_on_nobody() -> None:
    random = np.random.default_rng(7)
    a = {"x": random.normal(size=50), "y": random.normal(size=50), "none": np.full(50, np.nan)}
    b = {**a, "x": a["x"] + 0.5 * random.normal(size=50) + 0.2}
    metrics = [mean(name, "") for name in ("y", "x", "none")]
    found = differences(metrics, "y", a, b, range(50), 0)
    for name in ("y", "none"):
        assert (found[name].difference, found[name].p, found[name].better) == (0, 1, None)
    assert found["x"].p_holm == found["x"].p  # a single test, whatever else there is
    assert found["y"].p_holm is None


def test_one_that_applies_in_one_run_only_has_no_difference() -> None:
    a, b = {"value": np.full(5, np.nan)}, {"value": np.ones(5)}
    found = differences([VALUE], "value", a, b, range(5), 0)["value"]
    assert (found.a, found.b, found.difference, found.interval) == (None, 1.0, None, None)
    assert (found.p, found.better) == (1.0, None)


def test_cases_that_a_metric_does_not_apply_to_in_one_run_are_exchanged_too() -> None:
    a = {"value": np.array([1.0, np.nan, 1.0, 0.0, np.nan, 1.0])}
    b = {"value": np.array([np.nan, 0.0, 1.0, 1.0, 0.0, np.nan])}
    found = differences([VALUE], "value", a, b, range(6), 0)["value"]
    assert (found.a, found.b) == (0.75, 0.5)
    assert 0 < found.p <= 1


def test_ratios_of_latency() -> None:
    from scipy import stats

    random = np.random.default_rng(8)
    before = random.lognormal(3, 0.3, 300)
    after = before * random.lognormal(np.log(0.8), 0.2, 300)
    ratio, interval = median_ratio(after, before, range(300), 0)
    assert ratio == np.median(after / before)
    assert interval
    theirs = stats.bootstrap((after / before,), np.median, method="percentile", rng=0)
    assert interval == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)


def test_thousands_of_claims_take_seconds() -> None:
    random = np.random.default_rng(9)
    count = 4_000
    gold = random.integers(0, 3, count).astype(float)

    def run(noise: float) -> dict[str, Array]:
        support = np.clip(gold / 6 + 0.3 + random.normal(0, noise, count), 0, 1).round(4)
        return {
            "supported": (gold == 2).astype(float), "label": gold, "support": support,
            "said_supported": (support > 0.5).astype(float),
            "said_label": np.digitize(support, [0.42, 0.5]).astype(float),
        }  # fmt: skip

    began = time.process_time()
    metrics = kind_named("grounding").metrics
    found = differences(metrics, "auroc", run(0.2), run(0.3), range(count), 0)
    assert time.process_time() - began < 20  # 3 seconds on a quiet machine; 20,000 take 15
    assert found["auroc"].better is False


# Runs


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Run, Run]:
    """Two runs of 100 queries; the second is better by about .1, and worse in ten."""
    random = np.random.default_rng(0)
    before = random.uniform(0.2, 0.6, 100)
    after = before + np.where(np.arange(100) < 10, -0.05, 0.1)
    a = run_files.write(tmp_path / "a.jsonl", "retrieval", ranked(before))
    b = run_files.write(tmp_path / "b.jsonl", "retrieval", ranked(after))
    return a, b


def test_a_comparison(pair: tuple[Run, Run]) -> None:
    found = compare(*pair)
    assert found.verdict.startswith("B is better on nDCG@10: +0.085 [+0.07")
    assert found.verdict.endswith("; also better on MRR@10, recall@10, recall@100.")
    assert not found.regression
    body = found.to_json()
    assert " ".join(body) == (
        "schema kind a b n primary verdict regression metrics latency_ms wins losses ties "
        "changed left_out notes differs seed"
    )
    assert (body["n"], body["wins"], body["losses"], body["ties"]) == (100, 90, 10, 0)
    one = body["metrics"]["ndcg_at_10"]
    assert one["difference"] == pytest.approx(one["b"] - one["a"], abs=2e-4)
    assert one["ci"][0] < 0.085 < one["ci"][1]
    assert (one["p"], one["p_holm"], one["better"]) == (0.0002, None, True)
    assert body["metrics"]["mrr_at_10"]["p_holm"] == pytest.approx(0.0006)
    assert body["latency_ms"] == {"a": 59.5, "b": 59.5, "ratio": 1, "ci": [1, 1]}
    assert len(body["changed"]) == 10
    assert body["changed"][5] == {
        "id": "q0", "a": body["changed"][5]["a"],
        "b": pytest.approx(body["changed"][5]["a"] - 0.05, abs=2e-4),
        "question": "question 0", "expected": None,
        "said_a": "relevant at 1 of 2; first: One", "said_b": "relevant at 1 of 2; first: One",
    }  # fmt: skip
    assert json.loads(json.dumps(body)) == body
    assert (body["notes"], body["differs"]) == ([], {})
    assert found.what_differs() == ["nothing that a run file records, so the code or the machine"]


def test_the_other_way_round_is_a_regression(pair: tuple[Run, Run]) -> None:
    found = compare(*reversed(pair))
    assert found.regression
    assert found.verdict.startswith("B is worse on nDCG@10: -0.085 [")
    assert found.verdict.endswith("; also worse on MRR@10, recall@10, recall@100.")


def test_same_seed_same_figures(pair: tuple[Run, Run]) -> None:
    assert compare(*pair, seed=1).to_json() == compare(*pair, seed=1).to_json()
    assert compare(*pair, seed=1).to_json() != compare(*pair, seed=2).to_json()


def test_a_run_and_itself(pair: tuple[Run, Run]) -> None:
    found = compare(pair[0], pair[0])
    assert found.verdict == "A and B have the same nDCG@10 in each of 100 queries."
    assert (found.better, found.worse, found.ties) == ((), (), 100)
    assert len(found.tables()) == 1


def test_no_difference_says_what_could_be_seen(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    runs = [
        run_files.write(tmp_path / name, "retrieval", ranked(random.uniform(0, 1, 50)))
        for name in ("a.jsonl", "b.jsonl")
    ]
    found = compare(*runs)
    could = found.metrics["ndcg_at_10"].smallest_effect
    assert found.verdict.startswith("No difference visible on nDCG@10: ")
    assert found.verdict.endswith(f"]; 50 queries could show {could:.3f} or more.")
    assert not found.regression


def test_what_differs_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    settings = run_files.header(kind_named("retrieval"), 0)["settings"]
    other = {**settings, "retrieve": {**settings["retrieve"], "dense_weight": 0.7}}
    a = run_files.write(tmp_path / "a.jsonl", "retrieval", ranked([0.5] * 20), planned=30)
    b = run_files.write(
        tmp_path / "b.jsonl", "retrieval", ranked([0.5] * 20), first=5, settings=other, created="x",
        weights={"embedder": "fake", "new": "1"},
        change=lambda n, row: row if n != 6 else {**row, "failed": "it fell over"},
    )  # fmt: skip
    found = compare(a, b)
    assert found.n == 15
    assert found.notes == (
        "A was interrupted: 20 of 30 queries",
        "left out: 5 queries that only A has",
        "left out: 5 queries that only B has",
        "1 queries failed in B and count as wrong",
    )
    assert found.to_json()["differs"] == {
        "settings.retrieve.dense_weight": [0.5, 0.7],
        "weights.new": [None, "1"],
    }
    assert found.what_differs() == [
        "weights.new: not there -> 1",
        "settings.retrieve.dense_weight: 0.5 -> 0.7",
    ] or found.what_differs() == [
        "settings.retrieve.dense_weight: 0.5 -> 0.7",
        "weights.new: not there -> 1",
    ]


def claims(right: Sequence[bool], support: Sequence[float]) -> list[dict[str, float | None]]:
    made: list[dict[str, float | None]] = []
    for n, (one, score) in enumerate(zip(right, support, strict=True)):
        gold = float(n % 2)
        said = gold if one else 1 - gold
        made.append({"supported": gold, "label": 2 * gold, "said_supported": said,
                     "said_label": 2 * said, "support": score})  # fmt: skip
    return made


def test_a_figure_that_is_no_mean_has_wins_and_losses_by_case(tmp_path: Path) -> None:
    half, most = [n % 4 < 2 for n in range(80)], [n % 8 != 3 for n in range(80)]
    a = run_files.write(tmp_path / "a.jsonl", "grounding", claims(half, [0.2] * 80))
    b = run_files.write(
        tmp_path / "b.jsonl", "grounding", claims(most, [0.1 + 0.8 * (n % 2) for n in range(80)])
    )
    found = compare(a, b)
    assert (len(found.better or ()), len(found.worse or ()), found.ties) == (30, 0, 50)
    assert found.verdict.startswith("B is better on balanced accuracy: +0.375")
    lower = compare(a, b, primary="calibration_error")
    assert lower.verdict.startswith("B is better on calibration error (lower is better): -0.")
    assert lower.metrics["calibration_error"].difference < 0
    assert compare(b, a, primary="calibration_error").regression
    area = compare(a, b, primary="auroc")
    assert (area.better, area.worse, area.ties, area.changed) == (None, None, None, ())
    assert area.to_json()["wins"] is None
    assert len(area.tables()) == 1


def test_every_kind_can_be_compared(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for kind, known in ((kind, kind_named(kind)) for kind in KINDS):
        runs = []
        for name in ("a", "b"):
            values: list[dict[str, Any]] = [
                {column: float(random.integers(0, 2)) for column in known.columns}
                for _ in range(30)
            ]
            runs.append(run_files.write(tmp_path / f"{kind}-{name}.jsonl", kind, values))
        found = compare(*runs)
        assert found.verdict.endswith(".")
        assert set(found.to_json()["metrics"]) == {metric.name for metric in known.metrics}
        assert all(table.plain() and table.markdown() for table in found.tables())


def test_measures_that_one_run_lacks_are_named_and_not_judged(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    before = [{"f1": float(value), "supported": 1.0} for value in random.uniform(0, 0.5, 30)]
    after = [{"f1": (row["f1"] or 0) + 0.2, "right": 1.0, "wrong": 0.0} for row in before]
    a = run_files.write(tmp_path / "a.jsonl", "answers", before)
    b = run_files.write(
        tmp_path / "b.jsonl",
        "answers",
        after,
        change=lambda n, row: {**row, "stage": "unit" if n % 3 else ""},
    )
    found = compare(a, b)
    assert found.verdict.startswith("B is better on F1: +0.2")
    assert found.verdict.endswith("].")
    assert found.notes == (
        "not compared, since A has none: right, wrong",
        "not compared, since B has none: supported",
    )
    [_, stages, _] = found.tables()
    assert list(stages.columns) == ["stage", "A", "B", "what it says"]
    assert [row[1:3] for row in stages.rows if row[0] in ("unit", "right")] == [
        ["–", "20"],
        ["–", "10"],
    ]
    assert compare(a, b, primary="right").verdict.startswith("Nothing can be said about right: ")


def test_what_cannot_be_compared(pair: tuple[Run, Run], tmp_path: Path) -> None:
    a, b = pair
    other = run_files.write(tmp_path / "q.jsonl", "qa", [{"f1": 1.0}])
    with pytest.raises(DataError) as kinds:
        compare(a, other)
    assert str(kinds.value) == (
        f"these runs are of different kinds: {a.path} is of kind retrieval and {other.path} of "
        "kind qa"
    )
    data = {"file": "other.jsonl", "digest": "d2", "n": 100}
    moved = run_files.write(tmp_path / "m.jsonl", "retrieval", ranked([1]), data=data)
    with pytest.raises(DataError) as files:
        compare(a, moved)
    assert str(files.value) == (
        f"these runs are of different data: {a.path} of data.jsonl and {moved.path} of other.jsonl"
    )
    changed = {"file": "data.jsonl", "digest": "d2", "n": 99}
    edited = run_files.write(tmp_path / "e.jsonl", "retrieval", ranked([1]), data=changed)
    with pytest.raises(DataError) as digests:
        compare(a, edited)
    assert str(digests.value) == (
        f"data.jsonl changed between these runs (100 queries of digest d1 in {a.path}, 99 of "
        f"digest d2 in {edited.path}): measure both on the same data"
    )
    apart = run_files.write(
        tmp_path / "f.jsonl", "retrieval", ranked([1]), first=500, data=a.header["data"]
    )
    with pytest.raises(DataError) as none:
        compare(a, apart)
    assert str(none.value) == f"no case is in both runs: {a.path} has 100 and {apart.path} 1"
    with pytest.raises(UsageError) as metric:
        compare(a, b, primary="nonsense")
    assert str(metric.value) == (
        "runs of kind retrieval have no metric nonsense: choose from ndcg_at_10, mrr_at_10, "
        "recall_at_10, recall_at_100"
    )


def test_metrics_are_named_as_people_say_them() -> None:
    names = "ndcg_at_10 mrr_at_10 f1 answerable_f1 f1_unsupported aurc auroc rouge_l_as_said"
    assert [spoken(name) for name in names.split()] == [
        "nDCG@10", "MRR@10", "F1", "answerable F1", "F1 unsupported", "AURC", "AUROC",
        "ROUGE-L as said",
    ]  # fmt: skip
