"""Two runs of one kind over the same data, case by case: did anything get better or worse?

One metric decides, and is tested as it is; the others are corrected for their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rag.errors import DataError, UsageError
from rag.evaluate.explain import clipped, explain
from rag.evaluate.paired import Difference, differences, median_ratio
from rag.evaluate.prompting import prompts_that_differ
from rag.evaluate.runs import Row, Run
from rag.evaluate.statistics import Metric
from rag.evaluate.tables import Table, number, signed, spoken
from rag.types import SCHEMA

SHOWN = 5
_NAMED = 4  # metrics that a verdict names before it counts them
_CLIP = 60
_SAME = 1e-9  # less than that between two results of a case is a tie
_OF_THE_DAY = {"created", "planned", "schema", "kind"}  # of a header: no cause of a difference


@dataclass(frozen=True)
class Change:
    """A case whose result changed, with both values of the primary metric."""

    id: str
    a: float
    b: float
    row_a: Row
    row_b: Row


@dataclass(frozen=True)
class Latency:
    """Median milliseconds a case of both runs, and the median of the paired ratios B / A."""

    a: float
    b: float
    ratio: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Comparison:
    """Two runs compared over the ``n`` cases that both have; differences are B - A.

    ``better`` and ``worse`` are the cases of the primary metric in which B wins and loses, most
    changed first; both and ``ties`` are None for a metric that a single case does not have.
    ``left_out`` counts the cases that only A and only B have.
    """

    a: Run
    b: Run
    n: int
    primary: str
    metrics: Mapping[str, Difference]
    better: tuple[Change, ...] | None
    worse: tuple[Change, ...] | None
    ties: int | None
    latency: Latency | None
    left_out: tuple[int, int]
    differs: Mapping[str, tuple[Any, Any]]
    seed: int
    show: int = SHOWN

    @property
    def regression(self) -> bool:
        """Whether B is worse on the primary metric."""
        return self.metrics[self.primary].better is False

    @property
    def verdict(self) -> str:
        """What was found, in one sentence."""
        return _verdict(self)

    @property
    def notes(self) -> tuple[str, ...]:
        """Which cases are not compared, and why; which prompts were others."""
        return tuple(_notes(self))

    @property
    def changed(self) -> tuple[Change, ...]:
        """The cases that changed most: first those that got better, then those that got worse."""
        return (*(self.better or ())[: self.show], *(self.worse or ())[: self.show])

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        return {
            "schema": SCHEMA,
            "kind": self.a.kind.name,
            "a": _described(self.a),
            "b": _described(self.b),
            "n": self.n,
            "primary": self.primary,
            "verdict": self.verdict,
            "regression": self.regression,
            "metrics": {name: _figures(one) for name, one in self.metrics.items()},
            "latency_ms": _latency_json(self.latency),
            "wins": None if self.better is None else len(self.better),
            "losses": None if self.worse is None else len(self.worse),
            "ties": self.ties,
            "changed": [_change_json(self.a.kind.name, change) for change in self.changed],
            "left_out": dict(zip("ab", self.left_out, strict=True)),
            "notes": list(self.notes),
            "differs": {key: list(values) for key, values in self.differs.items()},
            "seed": self.seed,
        }

    def tables(self) -> list[Table]:
        """Return the metrics with their tests, and the cases that changed most."""
        tables = [_metrics_table(self)]
        if self.changed:
            tables.append(_changed_table(self))
        return tables

    def what_differs(self) -> list[str]:
        """Return a line for each setting, weight and version that is not the same in both."""
        lines = [
            f"{key}: {_shown(one)} -> {_shown(other)}" for key, (one, other) in self.differs.items()
        ]
        return lines or ["nothing that a run file records, so the code or the machine"]


def compare(
    a: Run, b: Run, *, primary: str | None = None, seed: int = 0, show: int = SHOWN
) -> Comparison:
    """Compare two runs; ``primary`` decides, by default the kind's own metric.

    Raises DataError for runs that cannot be compared and UsageError for an unknown metric.
    """
    _comparable(a, b)
    kind = a.kind
    primary = primary or kind.primary
    names = [metric.name for metric in kind.metrics]
    if primary not in names:
        raise UsageError(
            f"runs of kind {kind.name} have no metric {primary}: choose from {', '.join(names)}"
        )
    first, second = _paired(a, b)
    metric = kind.metric(primary)
    better, worse, ties = _changes(metric, first, second)
    return Comparison(
        a=a,
        b=b,
        n=len(first.rows),
        primary=primary,
        metrics=differences(
            kind.metrics, primary, first.columns, second.columns, first.groups, seed
        ),
        better=better,
        worse=worse,
        ties=ties,
        latency=_latency(first, second, seed),
        left_out=(len(a.rows) - len(first.rows), len(b.rows) - len(first.rows)),
        differs=_differs(a.header, b.header),
        seed=seed,
        show=show,
    )


def _comparable(a: Run, b: Run) -> None:
    """Raise DataError unless two runs are of one kind and of the same data."""
    if a.kind.name != b.kind.name:
        raise DataError(
            f"these runs are of different kinds: {a.path} is of kind {a.kind.name} and "
            f"{b.path} of kind {b.kind.name}"
        )
    one, other = a.header["data"], b.header["data"]
    if one["digest"] == other["digest"]:
        return
    if one["file"] == other["file"]:
        raise DataError(
            f"{one['file']} changed between these runs ({one['n']} {a.kind.cases} of digest "
            f"{one['digest']} in {a.path}, {other['n']} of digest {other['digest']} in {b.path}): "
            "measure both on the same data"
        )
    raise DataError(
        f"these runs are of different data: {a.path} of {one['file']} and {b.path} of "
        f"{other['file']}"
    )


def _paired(a: Run, b: Run) -> tuple[Run, Run]:
    """Return both runs with the cases that they share, in the order of A. Raises DataError."""
    partners = {row["id"]: row for row in b.rows}
    pairs = [(row, partners[row["id"]]) for row in a.rows if row["id"] in partners]
    if not pairs:
        raise DataError(
            f"no case is in both runs: {a.path} has {len(a.rows)} and {b.path} {len(b.rows)}"
        )
    one, other = zip(*pairs, strict=True)
    return Run(a.path, a.kind, a.header, one), Run(b.path, b.kind, b.header, other)


def _changes(
    metric: Metric, a: Run, b: Run
) -> tuple[tuple[Change, ...] | None, tuple[Change, ...] | None, int | None]:
    """Return the cases in which B wins, those in which it loses, and the number of ties."""
    if metric.per_case is None:
        return None, None, None
    before, after = metric.per_case(a.columns), metric.per_case(b.columns)
    gaps = (after - before) * (-1 if metric.lower_is_better else 1)
    # Equal changes stand in the order of the file; the last digits of a difference are noise.
    order = np.argsort(-np.abs(gaps).round(9), kind="stable")
    changed = [
        (
            float(gaps[n]),
            Change(a.rows[n]["id"], float(before[n]), float(after[n]), a.rows[n], b.rows[n]),
        )
        for n in order
        if abs(gaps[n]) > _SAME  # not NaN: the metric applies in both
    ]
    return (
        tuple(change for gap, change in changed if gap > 0),
        tuple(change for gap, change in changed if gap < 0),
        int((np.abs(gaps) <= _SAME).sum()),
    )


def _latency(a: Run, b: Run, seed: int) -> Latency | None:
    """Return the latency of the cases that failed in neither run; None if there are none."""
    places = [
        n
        for n, (one, other) in enumerate(zip(a.rows, b.rows, strict=True))
        if one["latency_ms"] and other["latency_ms"] and not (one["failed"] or other["failed"])
    ]
    if not places:
        return None
    before, after = (np.array([run.rows[n]["latency_ms"] for n in places]) for run in (a, b))
    ratio, interval = median_ratio(after, before, [a.groups[n] for n in places], seed)
    return Latency(float(np.median(before)), float(np.median(after)), ratio, interval)


def _differs(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    one, other = (dict(flat({k: v for k, v in x.items() if k not in _OF_THE_DAY})) for x in (a, b))
    return {
        key: (one.get(key), other.get(key))
        for key in (*one, *(key for key in other if key not in one))
        if one.get(key) != other.get(key)
    }


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested objects with their dotted names."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


# In words


def _verdict(found: Comparison) -> str:
    one = found.metrics[found.primary]
    name = spoken(found.primary)
    cases = found.a.kind.cases
    if one.same:
        head = f"A and B have the same {name} in each of {found.n} {cases}"
        return f"{head}{_others(found, silent=True)}."
    if one.difference is None or one.interval is None:
        return f"Nothing can be said about {name}: too few {cases} in both runs have it."
    figures = f"{name}{' (lower is better)' if one.metric.lower_is_better else ''}: {_signed(one)}"
    if one.better is None:
        could = f"; {found.n} {cases} could show {one.smallest_effect:.3f} or more"
        return f"No difference visible on {figures}{could}{_others(found, silent=True)}."
    return f"B is {'better' if one.better else 'worse'} on {figures}{_others(found)}."


def _others(found: Comparison, *, silent: bool = False) -> str:
    """Return what the other metrics say; ``silent`` about those that show no difference."""
    words = {True: "better", False: "worse", None: "no difference visible"}
    decided = found.metrics[found.primary].better
    if decided is not None:
        words |= {decided: f"also {words[decided]}", not decided: f"but {words[not decided]}"}
    text = ""
    for better in (True, False, None):
        names = [
            spoken(name)
            for name, one in found.metrics.items()
            if name != found.primary and one.better is better and not one.same
        ]
        if names and not (silent and better is None):
            listed = ", ".join(names) if len(names) <= _NAMED else f"{len(names)} other measures"
            text += f"; {words[better]} on {listed}"
    return text


def _signed(one: Difference) -> str:
    assert one.difference is not None and one.interval is not None
    low, high = one.interval
    return f"{one.difference:+.3f} [{low:+.3f}, {high:+.3f}]"


def _notes(found: Comparison) -> Iterator[str]:
    cases = found.a.kind.cases
    for letter, run in (("A", found.a), ("B", found.b)):
        if run.interrupted:
            yield f"{letter} was interrupted: {len(run.rows)} of {run.header['planned']} {cases}"
    for letter, count in zip("AB", found.left_out, strict=True):
        if count:
            yield f"left out: {count} {cases} that only {letter} has"
    for letter, run in (("A", found.a), ("B", found.b)):
        failed = sum(row["failed"] is not None for row in run.rows)
        if failed:
            yield f"{failed} {cases} failed in {letter} and count as wrong"
    yield from prompts_that_differ(found.a.header, found.b.header)


def _metrics_table(found: Comparison) -> Table:
    rows = [
        [
            name,
            number(one.a),
            number(one.b),
            signed(one.difference),
            _interval(one.interval),
            _p(one.p),
            "decides" if one.p_holm is None else _p(one.p_holm),
        ]
        for name, one in found.metrics.items()
        if one.a is not None or one.b is not None
    ]
    if found.latency:
        one = found.latency
        ratio = "" if one.interval is None else f"[{one.interval[0]:.2f}, {one.interval[1]:.2f}]"
        rows.append(
            ["latency p50, ms", number(one.a, 1), number(one.b, 1), f"× {one.ratio:.2f}", ratio]
            + [""] * 2
        )
    head = ["measure", "A", "B", "B - A", "95% interval", "p", "p, Holm"]
    title = f"{found.a.header['data']['file']}: {found.n} {found.a.kind.cases} in both"
    return Table(title, head, rows)


def _interval(interval: Sequence[float] | None) -> str:
    return f"[{signed(interval[0])}, {signed(interval[1])}]" if interval else "–"


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else number(value)


def _changed_table(found: Comparison) -> Table:
    kind = found.a.kind.name
    assert found.better is not None and found.worse is not None
    title = (
        f"most changed in {spoken(found.primary)}: {len(found.better)} {found.a.kind.cases} better "
        f"in B, {len(found.worse)} worse, {found.ties} the same"
    )
    rows = []
    for change in found.changed:
        one, other = explain(kind, change.row_a), explain(kind, change.row_b)
        words = [clipped(text, _CLIP) for text in (one.question, one.said, other.said)]
        rows.append([change.id, number(change.a, 2), number(change.b, 2), *words])
    head = ["case", "A", "B", "asked", "A said", "B said"]
    return Table(title, head, rows, words=frozenset({0, 3, 4, 5}))


def _shown(value: Any) -> str:
    return "not there" if value is None else str(value)


# As JSON


def _described(run: Run) -> dict[str, Any]:
    return {
        "run": str(run.path),
        "data": run.header["data"],
        "options": run.header["options"],
        "created": run.header.get("created"),
        "n": len(run.rows),
        "failed": sum(row["failed"] is not None for row in run.rows),
        "interrupted": run.interrupted,
    }


def _figures(one: Difference) -> dict[str, Any]:
    return {
        "a": _rounded(one.a),
        "b": _rounded(one.b),
        "difference": _rounded(one.difference),
        "ci": _both_rounded(one.interval),
        "p": _rounded(one.p),
        "p_holm": _rounded(one.p_holm),
        "smallest_effect": _rounded(one.smallest_effect),
        "lower_is_better": one.metric.lower_is_better,
        "better": one.better,
    }


def _latency_json(one: Latency | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "a": round(one.a, 2),
        "b": round(one.b, 2),
        "ratio": round(one.ratio, 4),
        "ci": _both_rounded(one.interval),
    }


def _change_json(kind: str, change: Change) -> dict[str, Any]:
    one, other = explain(kind, change.row_a), explain(kind, change.row_b)
    return {
        "id": change.id,
        "a": _rounded(change.a),
        "b": _rounded(change.b),
        "question": one.question,
        "expected": one.expected,
        "said_a": one.said,
        "said_b": other.said,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _both_rounded(interval: Sequence[float] | None) -> list[float] | None:
    return [round(value, 4) for value in interval] if interval else None
