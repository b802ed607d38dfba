"""Two runs of one kind over the same data, case by case: did anything get better or worse?

One metric decides, and is tested as it is; the others are corrected for their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rag.errors import DataError, UsageError
from rag.evaluate.runs import Explained, Result, Run, stage_tables
from rag.evaluate.statistics import Difference, Metric, differences, median_ratio
from rag.evaluate.tables import Table, number, signed, spoken
from rag.types import SCHEMA

SHOWN = 5
_NAMED = 4  # metrics that a verdict names before it counts them
_CLIP = 60
_SAME = 1e-9  # less than that between two results of a case is a tie
_OF_THE_DAY = {"created", "planned", "schema", "kind"}  # of a header: no cause of a difference


@dataclass(frozen=True)
class Change:
    """A case whose result changed, with both values of the primary metric and both in words."""

    id: str
    a: float
    b: float
    before: Explained
    after: Explained


@dataclass(frozen=True)
class Latency:
    """Median milliseconds a case of both runs, and the median of the paired ratios B / A.

    By the clock (``latency``) or of processor time, which a busy machine moves far less.
    """

    a: float
    b: float
    ratio: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Comparison:
    """Two runs compared over the ``n`` cases that both have; differences are B - A.

    ``better`` and ``worse`` are the cases of the primary metric in which B wins and loses, most
    changed first; both and ``ties`` are None for a metric that a single case does not have.
    ``stages`` is the table of where they lost cases, if they say it; ``left_out`` counts the cases
    that only A and only B have, ``edited`` those that were put otherwise, which are not paired.
    """

    a: Run
    b: Run
    n: int
    primary: str
    metrics: Mapping[str, Difference]
    better: tuple[Change, ...] | None
    worse: tuple[Change, ...] | None
    ties: int | None
    stages: Sequence[Table]
    latency: Latency | None
    processor: Latency | None
    left_out: tuple[int, int]
    edited: int
    differs: Mapping[str, tuple[Any, Any]]
    seed: int
    show: int

    @property
    def regression(self) -> bool:
        """Whether B is worse on the primary metric."""
        return self.metrics[self.primary].better is False

    @property
    def verdict(self) -> str:
        """What was found, in one sentence."""
        one = self.metrics[self.primary]
        name = spoken(self.primary)
        cases = self.a.kind.cases
        if one.same:
            head = f"A and B have the same {name} in each of {self.n} {cases}"
            return f"{head}{self._others(silent=True)}."
        if one.difference is None or one.interval is None:
            return f"Nothing can be said about {name}: too few {cases} in both runs have it."
        low, high = one.interval
        lower = " (lower is better)" if one.metric.lower_is_better else ""
        figures = f"{name}{lower}: {one.difference:+.3f} [{low:+.3f}, {high:+.3f}]"
        if one.better is None:
            visible = one.smallest_effect  # None where no resample differs from another
            could = f"; {self.n} {cases} could show {visible:.3f} or more" if visible else ""
            return f"No difference visible on {figures}{could}{self._others(silent=True)}."
        return f"B is {'better' if one.better else 'worse'} on {figures}{self._others()}."

    def _others(self, *, silent: bool = False) -> str:
        """What the other metrics say; ``silent`` about those that show no difference."""
        words = {True: "better", False: "worse", None: "no difference visible"}
        decided = self.metrics[self.primary].better
        if decided is not None:
            words |= {decided: f"also {words[decided]}", not decided: f"but {words[not decided]}"}
        text = ""
        for better in (True, False, None):
            names = [
                spoken(name)
                for name, one in self.metrics.items()
                if name != self.primary
                and one.better is better
                and not one.same
                and one.difference is not None
            ]
            if names and not (silent and better is None):
                listed = (
                    ", ".join(names) if len(names) <= _NAMED else f"{len(names)} other measures"
                )
                text += f"; {words[better]} on {listed}"
        return text

    @property
    def notes(self) -> tuple[str, ...]:
        """Which cases and measures are not compared, and why; which prompts were others."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        cases = self.a.kind.cases
        runs = {"A": self.a, "B": self.b}
        for letter, run in runs.items():
            if run.interrupted:
                planned = run.header["planned"]
                yield f"{letter} was interrupted: {len(run.rows)} of {planned} {cases}"
        for letter, count in zip("AB", self.left_out, strict=True):
            if count:
                yield f"left out: {count} {cases} that only {letter} has"
        if self.edited:
            yield f"left out: {self.edited} {cases} that were edited in between"
        for letter, run in runs.items():
            if run.failed:
                yield f"{run.failed} {cases} failed in {letter} and count as wrong"
        found = self.metrics.items()
        lacking = {
            "A": [spoken(name) for name, one in found if one.a is None and one.b is not None],
            "B": [spoken(name) for name, one in found if one.b is None and one.a is not None],
        }
        for letter, names in lacking.items():
            if names:
                yield f"not compared, since {letter} has none: {', '.join(names)}"
        yield from prompts_that_differ(self.a.header, self.b.header)

    @property
    def changed(self) -> tuple[Change, ...]:
        """The cases that changed most: first those that got better, then those that got worse."""
        return (*(self.better or ())[: self.show], *(self.worse or ())[: self.show])

    def counts(self, are: str = "") -> str:
        """How many cases are better, worse and the same; ``are`` makes it a sentence."""
        assert self.better is not None and self.worse is not None
        better = f"{len(self.better)} {self.a.kind.cases} {are}better in B"
        return f"{better}, {len(self.worse)} worse, {self.ties} the same"

    def to_json(self) -> dict[str, Any]:
        """Everything as one JSON object."""
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
            "latency_ms": self.latency
            and {
                "a": round(self.latency.a, 2),
                "b": round(self.latency.b, 2),
                "ratio": round(self.latency.ratio, 4),
                "ci": _rounded(self.latency.interval),
            },
            "wins": None if self.better is None else len(self.better),
            "losses": None if self.worse is None else len(self.worse),
            "ties": self.ties,
            "changed": [
                {
                    "id": one.id,
                    "a": _rounded(one.a),
                    "b": _rounded(one.b),
                    "question": one.before.question,
                    "expected": one.before.expected,
                    "said_a": one.before.said,
                    "said_b": one.after.said,
                }
                for one in self.changed
            ],
            "left_out": dict(zip("ab", self.left_out, strict=True)),
            "notes": list(self.notes),
            "differs": {key: list(values) for key, values in self.differs.items()},
            "seed": self.seed,
        }

    def tables(self) -> list[Table]:
        """The metrics with their tests, where cases were lost, and those that changed most."""
        changed = [self._changed_table()] if self.changed else []
        return [self._metrics_table(), *self.stages, *changed]

    def _metrics_table(self) -> Table:
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
            for name, one in self.metrics.items()
            if one.a is not None or one.b is not None
        ]
        if took := self.latency:
            ratio = f"[{took.interval[0]:.2f}, {took.interval[1]:.2f}]" if took.interval else ""
            medians = [number(took.a, 1), number(took.b, 1), f"× {took.ratio:.2f}"]
            rows.append(["latency p50, ms", *medians, ratio, "", ""])
        head = ["measure", "A", "B", "B - A", "95% interval", "p", "p, Holm"]
        title = f"{self.a.header['data']['file']}: {self.n} {self.a.kind.cases} in both"
        return Table(title, head, rows)

    def _changed_table(self) -> Table:
        rows = []
        for one in self.changed:
            texts = (one.before.question, one.before.said, one.after.said)
            words = [_clipped(text) for text in texts]
            rows.append([one.id, number(one.a, 2), number(one.b, 2), *words])
        head = ["case", "A", "B", "asked", "A said", "B said"]
        title = f"most changed in {spoken(self.primary)}: {self.counts()}"
        return Table(title, head, rows, words=frozenset({0, 3, 4, 5}))

    def what_differs(self) -> list[str]:
        """A line for each setting, weight and version that is not the same in both."""
        lines = [
            f"{key}: {_shown(one)} -> {_shown(other)}" for key, (one, other) in self.differs.items()
        ]
        return lines or ["nothing that a run file records, so the code or the machine"]


def compare(
    a: Run,
    b: Run,
    *,
    primary: str | None = None,
    seed: int = 0,
    show: int = SHOWN,
    grown: bool = False,
) -> Comparison:
    """Compare two runs; ``primary`` decides, by default the kind's own metric.

    With ``grown`` the data may have changed in between: the cases that are the same are compared.
    Raises DataError for runs that cannot be compared and UsageError for an unknown metric.
    """
    _comparable(a, b, grown=grown)
    kind = a.kind
    primary = primary or kind.primary
    names = [metric.name for metric in kind.metrics]
    if primary not in names:
        raise UsageError(
            f"runs of kind {kind.name} have no metric {primary}: choose from {', '.join(names)}"
        )
    first, second, edited = _paired(a, b)
    better, worse, ties = _changes(kind.metric(primary), first, second)
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
        stages=stage_tables({"A": first, "B": second}),
        latency=_latency(first, second, seed, "latency_ms"),
        processor=_latency(first, second, seed, "processor_ms"),
        left_out=(
            len(a.rows) - len(first.rows) - edited,
            len(b.rows) - len(first.rows) - edited,
        ),
        edited=edited,
        differs=_differs(a.header, b.header),
        seed=seed,
        show=show,
    )


def _comparable(a: Run, b: Run, *, grown: bool) -> None:
    """Raise DataError unless two runs are of one kind and of the same data, if that matters."""
    if a.kind.name != b.kind.name:
        raise DataError(
            f"these runs are of different kinds: {a.path} is of kind {a.kind.name} and "
            f"{b.path} of kind {b.kind.name}"
        )
    one, other = a.header["data"], b.header["data"]
    if grown or one["digest"] == other["digest"]:
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


def _paired(a: Run, b: Run) -> tuple[Run, Run, int]:
    """Both runs with the cases that they share, in the order of A; how many were edited.

    Raises DataError if none is shared.
    """
    partners = {row["id"]: row for row in b.rows}
    both = [(row, partners[row["id"]]) for row in a.rows if row["id"] in partners]
    pairs = [(one, other) for one, other in both if _case(a, one) == _case(b, other)]
    if not pairs:
        raise DataError(
            f"no case is in both runs: {a.path} has {len(a.rows)} and {b.path} {len(b.rows)}"
        )
    first, second = zip(*pairs, strict=True)
    made = Run(a.path, a.kind, a.header, first), Run(b.path, b.kind, b.header, second)
    return *made, len(both) - len(pairs)


def _case(run: Run, row: Result) -> tuple[str, str | None]:
    """What a case asks and what it expects."""
    found = run.kind.explained(row)
    return found.question, found.expected


def _changes(
    metric: Metric, a: Run, b: Run
) -> tuple[tuple[Change, ...] | None, tuple[Change, ...] | None, int | None]:
    """The cases in which B wins, those in which it loses, and the number of ties."""
    if metric.per_case is None:
        return None, None, None
    before, after = metric.per_case(a.columns), metric.per_case(b.columns)
    gaps = (after - before) * (-1 if metric.lower_is_better else 1)
    better: list[Change] = []
    worse: list[Change] = []
    # Equal changes stand in the order of the file; the last digits of a difference are noise.
    for n in np.argsort(-np.abs(gaps).round(9), kind="stable"):
        if abs(gaps[n]) > _SAME:  # not NaN: the metric applies in both
            words = (a.kind.explained(a.rows[n]), b.kind.explained(b.rows[n]))
            change = Change(a.rows[n]["id"], float(before[n]), float(after[n]), *words)
            (better if gaps[n] > 0 else worse).append(change)
    return tuple(better), tuple(worse), int((np.abs(gaps) <= _SAME).sum())


def _latency(a: Run, b: Run, seed: int, key: str) -> Latency | None:
    """What the cases took that failed in neither run; None if there are none."""
    places = [
        n
        for n, (one, other) in enumerate(zip(a.rows, b.rows, strict=True))
        if one.get(key) and other.get(key) and not (one["failed"] or other["failed"])
    ]
    if not places:
        return None
    before, after = (np.array([run.rows[n][key] for n in places]) for run in (a, b))
    ratio, interval = median_ratio(after, before, [a.groups[n] for n in places], seed)
    return Latency(float(np.median(before)), float(np.median(after)), ratio, interval)


def _differs(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    one, other = (dict(flat({k: v for k, v in x.items() if k not in _OF_THE_DAY})) for x in (a, b))
    return {
        key: (one.get(key), other.get(key)) for key in one | other if one.get(key) != other.get(key)
    }


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested objects with their dotted names."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def prompts_that_differ(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Yield what two headers of runs say of prompts that were not the same, in sentences."""
    models = a.get("language_model"), b.get("language_model")
    if all(models):
        one, other = (model["prompts"] for model in models if model)
        names = sorted(n for n in one.keys() & other.keys() if one[n] != other[n])
        if names:
            yield (
                f"the prompts differ ({', '.join(names)}): what changed may be their doing and not "
                "the pipeline's"
            )
    judges = [header.get("options", {}).get("judge") for header in (a, b)]
    if all(judges) and judges[0] != judges[1]:
        yield "the judges differ, by model or prompt: their grades are not on one scale"


def _interval(interval: Sequence[float] | None) -> str:
    return f"[{signed(interval[0])}, {signed(interval[1])}]" if interval else "–"


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else number(value)


def _shown(value: Any) -> str:
    return "not there" if value is None else str(value)


def _clipped(text: str) -> str:
    """A text on one line, cut between words if it is long."""
    line = " ".join(text.split())
    if len(line) <= _CLIP:
        return line
    cut = line[: _CLIP - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[_CLIP // 2 :] else cut) + "…"


# As JSON


def _described(run: Run) -> dict[str, Any]:
    return {
        "run": str(run.path),
        "data": run.header["data"],
        "options": run.header["options"],
        "created": run.header.get("created"),
        "n": len(run.rows),
        "failed": run.failed,
        "interrupted": run.interrupted,
    }


def _figures(one: Difference) -> dict[str, Any]:
    return {
        "a": _rounded(one.a),
        "b": _rounded(one.b),
        "difference": _rounded(one.difference),
        "ci": _rounded(one.interval),
        "p": _rounded(one.p),
        "p_holm": _rounded(one.p_holm),
        "smallest_effect": _rounded(one.smallest_effect),
        "lower_is_better": one.metric.lower_is_better,
        "better": one.better,
    }


def _rounded(value: float | tuple[float, float] | None) -> float | list[float] | None:
    if isinstance(value, tuple):
        return [round(end, 4) for end in value]
    return None if value is None else round(value, 4)
