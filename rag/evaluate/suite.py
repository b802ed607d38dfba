"""A suite: evaluations that are run together and held against the last good time.

A metric is worse if three things hold: the paired randomisation test says so, one-sided and
corrected by Holm's method for all metrics of the suite that moved; its interval leaves out 0; and
the loss is more than the tolerance that the suite gives it. ``python eval/planted.py`` measures
what that finds and what it lets pass.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rag.errors import DataError, RagError
from rag.evaluate.compare import Comparison, Latency, compare
from rag.evaluate.history import Entry, History
from rag.evaluate.runs import Options, Progress, Run, kind_named
from rag.evaluate.statistics import Difference, holm
from rag.evaluate.tables import Table, number, signed, spoken
from rag.settings import Settings
from rag.types import SCHEMA

if TYPE_CHECKING:
    from rag.pipeline import Pipeline

Opener = Callable[["Evaluation"], "Pipeline"]
"""Opens the pipeline that an evaluation measures."""

_Name = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$")]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evaluation(_Form):
    """One evaluation of a suite.

    ``metrics`` is how much each that matters may lose, as a fraction of 1. ``latency`` and ``cost``
    are the most that a case may take of what it took before, as a ratio; unset, those of the suite.
    """

    kind: Literal["retrieval", "qa", "grounding", "rewrite", "answers"]
    data: Path
    index: Path | None = None
    settings: dict[str, dict[str, Any]] = {}
    metrics: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(min_length=1)
    limit: int | None = Field(None, ge=1)
    split: str | None = None
    stage: str | None = None
    latency: float | None = Field(None, gt=1)
    cost: float | None = Field(None, gt=1)


class Suite(_Form):
    """What ``suite.toml`` holds; paths are absolute once it is read."""

    history: Path
    index: Path | None = None
    level: float = Field(0.05, gt=0, lt=1)
    latency: float = Field(1.5, gt=1)
    cost: float = Field(1.25, gt=1)
    seed: int = Field(0, ge=0)
    evaluation: dict[_Name, Evaluation] = Field(min_length=1)


def read_suite(path: Path) -> Suite:
    """Read a suite; paths in it are relative to its folder. Raises DataError that says what is
    wrong with it.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read as a suite: {reason}") from None
    try:
        suite = Suite.model_validate({"history": f".rag-suites/{path.stem}", **values})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg'][0].lower()}{one['msg'][1:]}"
            for one in error.errors(include_url=False, include_input=False)
        )
        raise DataError(f"{path} is no suite: {wrong}. eval/README.md shows one.") from None
    for name, one in suite.evaluation.items():
        there = [metric.name for metric in kind_named(one.kind).metrics]
        if unknown := one.metrics.keys() - set(there):
            raise DataError(
                f"{path}: evaluation.{name}: {one.kind} has no metric {min(unknown)}: choose from "
                f"{', '.join(there)}"
            )
        if one.kind != "retrieval" and (one.split or one.stage):
            raise DataError(f"{path}: evaluation.{name}: split and stage are for retrieval")
    return _absolute(suite, path.absolute().parent)


def _absolute(suite: Suite, folder: Path) -> Suite:
    def placed(place: Path | None) -> Path | None:
        return None if place is None else folder / place.expanduser()

    evaluations = {
        name: one.model_copy(update={"data": placed(one.data), "index": placed(one.index)})
        for name, one in suite.evaluation.items()
    }
    places = {"history": placed(suite.history), "index": placed(suite.index)}
    return suite.model_copy(update={**places, "evaluation": evaluations})


# Measuring


def measure(
    suite: Suite,
    opener: Opener,
    place: Callable[[str], Path],
    on_progress: Progress | None = None,
    *,
    resume: bool = False,
) -> tuple[dict[str, Run], dict[str, str]]:
    """Run every evaluation into the file that ``place`` names; return runs, and why others failed.

    Ctrl-C ends the suite (KeyboardInterrupt). With ``resume`` what is in the files is gone on with.
    """
    runs: dict[str, Run] = {}
    failures: dict[str, str] = {}
    for name, one in suite.evaluation.items():
        options: Options = {
            "limit": one.limit,
            "out": place(name),
            "seed": suite.seed,
            "resume": resume,
            "on_progress": on_progress and partial(_named, on_progress, name),
        }
        try:
            run = _run(one, opener(one), options)
        except RagError as error:
            failures[name] = str(error)
            continue
        if run.interrupted:
            raise KeyboardInterrupt
        runs[name] = run
    return runs, failures


def _named(on_progress: Progress, name: str, what: str, done: float, known: int) -> None:
    on_progress(f"{name}: {what}", done, known)


def _run(one: Evaluation, pipeline: Pipeline, options: Options) -> Run:
    from rag.evaluate import answers, grounding, qa, rewrite

    if one.kind == "retrieval":
        from rag.evaluate.beir import read_beir
        from rag.evaluate.retrieval import evaluate

        stage = one.stage or ("reranked" if pipeline.reranker else "fused")
        return evaluate(read_beir(one.data, one.split), pipeline, stages=[stage], **options)[stage]
    kinds = {"answers": answers, "grounding": grounding, "qa": qa, "rewrite": rewrite}
    run: Run = kinds[one.kind].evaluate(one.data, pipeline, **options)
    return run


# Judging


@dataclass(frozen=True)
class Judged:
    """A metric in the run and in the good one: what was found, and what is made of it.

    ``p`` is one-sided for a loss and corrected for all metrics of the suite.
    """

    metric: str
    tolerance: float
    found: Difference
    p: float

    @property
    def loss(self) -> float | None:
        """How much worse it is; below 0 where it is better."""
        gap = self.found.difference
        return None if gap is None else gap if self.found.metric.lower_is_better else -gap


@dataclass(frozen=True)
class Ratio:
    """What a case takes now of what it took, and how much of it is allowed."""

    name: str
    value: float
    limit: float
    over: bool
    said: str


@dataclass(frozen=True)
class Part:
    """An evaluation of the outcome; ``against`` and ``comparison`` are None for its first time."""

    name: str
    evaluation: Evaluation
    run: Run
    against: Entry | None
    comparison: Comparison | None
    judged: tuple[Judged, ...]
    ratios: tuple[Ratio, ...]
    level: float

    def worse(self, one: Judged) -> bool:
        """Whether a metric has got worse: no chance, and more than is tolerated."""
        ends = one.found.interval
        clear = ends is not None and not ends[0] <= 0 <= ends[1]
        return clear and one.p <= self.level and (one.loss or 0.0) > one.tolerance

    def better(self, one: Judged) -> bool:
        """Whether a metric has visibly got better."""
        return one.found.better is True and (one.loss or 0.0) < -one.tolerance

    @property
    def regressions(self) -> list[str]:
        """What has got worse, a sentence each."""
        found = []
        for one in self.judged:
            if self.worse(one):
                now, before = (number(value) for value in (one.found.b, one.found.a))
                found.append(
                    f"{self.name}: {spoken(one.metric)} is {now}, was {before} "
                    f"({signed(one.found.difference)}, p {number(one.p)})"
                )
        return found + [f"{self.name}: {one.said}" for one in self.ratios if one.over]


@dataclass(frozen=True)
class Outcome:
    """What came of a suite: the parts that were measured, and why others were not."""

    suite: Suite
    parts: tuple[Part, ...]
    failures: Mapping[str, str]

    @property
    def regressions(self) -> list[str]:
        """What has got worse, a sentence each."""
        return [line for part in self.parts for line in part.regressions]

    @property
    def notes(self) -> list[str]:
        """What has to be known of the comparison, by evaluation; and what got better."""
        found = []
        for part in self.parts:
            if part.comparison is None:
                found.append(f"{part.name}: the first time, which is good from now on")
                continue
            found += [f"{part.name}: {note}" for note in part.comparison.notes]
            found += [
                f"{part.name}: {one.said}" for one in part.ratios if one.said and not one.over
            ]
            if names := [spoken(one.metric) for one in part.judged if part.better(one)]:
                found.append(
                    f"{part.name}: better on {', '.join(names)}; --accept makes it what later runs "
                    "are held against"
                )
        return found

    @property
    def status(self) -> int:
        """The exit status: 1 if an evaluation failed, 5 for a regression, else 0."""
        return 1 if self.failures else 5 if self.regressions else 0

    @property
    def verdict(self) -> str:
        """What was found, in one sentence."""
        if self.failures:
            return f"Not measured: {', '.join(self.failures)}."
        if lines := self.regressions:
            return f"Worse in {len(lines)} of {self._measures} measures."
        if all(part.comparison is None for part in self.parts):
            return "The first time: this is what later runs are held against."
        return f"Nothing is worse in {self._measures} measures."

    @property
    def _measures(self) -> int:
        return sum(len(part.judged) + len(part.ratios) for part in self.parts)

    @property
    def figures(self) -> dict[str, dict[str, list[float | None]]]:
        """Metric -> [value, low, high] by evaluation; milliseconds have no interval."""
        return {part.name: _figures(part) for part in self.parts}

    def to_json(self) -> dict[str, Any]:
        """Everything as one JSON object."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "status": self.status,
            "regressions": self.regressions,
            "failures": dict(self.failures),
            "notes": self.notes,
            "level": self.suite.level,
            "evaluations": {part.name: _described(part) for part in self.parts},
        }

    def tables(self) -> list[Table]:
        """A row a metric that matters, then latency and cost."""
        rows = [
            [
                part.name,
                one.metric,
                number(one.found.a),
                number(one.found.b),
                signed(one.found.difference),
                number(one.tolerance),
                number(one.found.smallest_effect),
                "same" if one.found.same else number(one.p),
                "WORSE" if part.worse(one) else "better" if part.better(one) else "",
            ]
            for part in self.parts
            for one in part.judged
        ]
        rows += [
            [part.name, one.name, "", "", f"× {one.value:.2f}", f"× {one.limit:.2f}", "", "",
             "WORSE" if one.over else ""]
            for part in self.parts
            for one in part.ratios
        ]  # fmt: skip
        head = "evaluation measure good now change tolerated visible p verdict".split()
        words = frozenset({0, 1, 8})
        return [Table("Held against the good run", head, rows, words)] if rows else []


def _figures(part: Part) -> dict[str, list[float | None]]:
    body = part.run.summary()
    found: dict[str, list[float | None]] = {
        name: [body[name], *(body[f"{name}_ci"] or (None, None))]
        for name in part.evaluation.metrics
    }
    if latency := body.get("latency_ms"):
        found["latency_ms"] = [latency["p50"], None, None]
    return found


def _described(part: Part) -> dict[str, Any]:
    return {
        "run": str(part.run.path),
        "n": len(part.run.rows),
        "failed": part.run.failed,
        "against": part.against and part.against.id,
        "compared": part.comparison and part.comparison.n,
        "figures": _figures(part),
        "metrics": {
            one.metric: {
                **one.found.before_and_after,
                "p": one.p,
                "tolerance": one.tolerance,
                "visible": one.found.smallest_effect,
                "worse": part.worse(one),
                "better": part.better(one),
            }
            for one in part.judged
        },
        "ratios": {
            one.name: {"value": one.value, "limit": one.limit, "over": one.over}
            for one in part.ratios
        },
        "regressions": part.regressions,
    }


def judge(
    suite: Suite,
    runs: Mapping[str, Run],
    good: Mapping[str, tuple[Entry | None, Run]],
    failures: Mapping[str, str] | None = None,
) -> Outcome:
    """Hold runs against the good ones. Raises nothing: what cannot be compared is a failure."""
    failed = dict(failures or {})
    compared: dict[str, Comparison] = {}
    for name, run in runs.items():
        if name in good:
            try:
                compared[name] = compare(good[name][1], run, seed=suite.seed, grown=True)
            except DataError as error:
                failed[name] = f"{error}; with --accept it is good as it is from the next time on"
    corrected = holm(
        {
            f"{name} {metric}": one_sided(found.metrics[metric])
            for name, found in compared.items()
            for metric in suite.evaluation[name].metrics
            if not found.metrics[metric].same  # it can be no chance finding, so it does not count
        }
    )
    parts = []
    for name, run in runs.items():
        one, found = suite.evaluation[name], compared.get(name)
        judged = [
            Judged(metric, tolerance, found.metrics[metric], corrected.get(f"{name} {metric}", 1.0))
            for metric, tolerance in one.metrics.items()
            if found
        ]
        ratios = list(_ratios(suite, one, found)) if found else []
        against = good[name][0] if name in good else None
        parts.append(
            Part(name, one, run, against, found, tuple(judged), tuple(ratios), suite.level)
        )
    return Outcome(suite, tuple(parts), failed)


def one_sided(found: Difference) -> float:
    """The p-value of a loss: half of the two-sided one, or what is left of 1 where it gained."""
    gap = found.difference or 0.0
    lost = gap > 0 if found.metric.lower_is_better else gap < 0
    return found.p / 2 if lost else 1 - found.p / 2


def _ratios(suite: Suite, one: Evaluation, found: Comparison) -> Iterator[Ratio]:
    """Yield latency, and cost where a language model was paid by the token."""
    if found.latency:
        yield _latency(found, one.latency or suite.latency)
    shared = {row["id"] for row in found.a.rows} & {row["id"] for row in found.b.rows}
    before, after = (
        sum(_cost(row) for row in run.rows if row["id"] in shared) for run in (found.a, found.b)
    )
    if before and after:
        limit = one.cost or suite.cost
        over = after / before > limit
        said = f"costs {after / before:.2f} times as much" if over else ""
        yield Ratio("cost", after / before, limit, over, said)


def _latency(found: Comparison, limit: float) -> Ratio:
    """By the clock, unless the processor says that only the machine was busy.

    What waits for a language model elsewhere needs no processor of ours: there the clock decides.
    """
    clock, processor = found.latency, found.processor
    assert clock is not None
    over = _above(clock, limit)
    said = f"latency is {clock.ratio:.2f} times what it was, by the median" if over else ""
    waits = found.b.header.get("language_model")
    if over and processor and not waits and not _above(processor, limit):
        over, said = False, (
            f"{clock.ratio:.2f} times as long by the clock, {processor.ratio:.2f} times of "
            "processor time: the machine was busy"
        )  # fmt: skip
    return Ratio("latency", clock.ratio, limit, over, said)


def _above(took: Latency, limit: float) -> bool:
    return took.ratio > limit and (took.interval is None or took.interval[0] > limit)


def _cost(row: Mapping[str, Any]) -> float:
    usage = row.get("usage") or {}
    tokens = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
    return float(tokens if usage.get("cost") is None else usage["cost"])


# All of it


def run_suite(
    suite: Suite, history: History, opener: Opener, on_progress: Progress | None = None
) -> tuple[Outcome, Entry]:
    """Measure a suite, hold it against the good runs of its history, and add it to that."""
    with ExitStack() as stack:
        places = {name: history.place(name) for name in suite.evaluation}
        for place in places.values():
            stack.callback(place.unlink, missing_ok=True)
        measured, failures = measure(suite, opener, places.__getitem__, on_progress)
        runs = {name: history.keep(run) for name, run in measured.items()}
        good: dict[str, tuple[Entry | None, Run]] = {}
        for name in runs:
            if found := history.good(name):
                good[name] = found
        outcome = judge(suite, runs, good, failures)
        entry = history.add(
            runs,
            figures=outcome.figures,
            regressions=tuple(outcome.regressions),
            failures=outcome.failures,
        )
        return outcome, entry


def opener(suite: Suite, index: Path | None) -> Opener:
    """Open pipelines, each once: of ``index``, or as evaluation or suite say, or the nearest."""
    from rag.pipeline import Pipeline, find_index

    opened: dict[str, Pipeline] = {}

    def open_(one: Evaluation) -> Pipeline:
        folder = (index or one.index or suite.index or find_index()).absolute()
        settings = Settings.load(folder.parent, **one.settings)
        key = f"{folder} {settings.model_dump_json()}"
        if key not in opened:
            opened[key] = Pipeline.open(folder, settings=settings)
        return opened[key]

    return open_
