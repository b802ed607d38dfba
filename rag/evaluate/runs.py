"""Runs: what was measured with what, a line a case, in a file that can be read again.

The first line of a run file is a header: data, settings, fingerprint, digests of the weights and
of the prompts, versions, seed. Every further line is a case, written as soon as it is measured, so
that an interruption loses nothing and ``resume`` can go on. A case that failed is a line too.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

import rag
from rag.errors import DataError, UsageError
from rag.evaluate.datasets import AnyRow, read_rows
from rag.evaluate.statistics import Array, Metric, figures, percentiles
from rag.evaluate.tables import Table, between, number
from rag.prompts import digests
from rag.settings import BUILT_IN, LANGUAGE_MODEL, Settings
from rag.types import SCHEMA, digest_of

if TYPE_CHECKING:
    from rag.pipeline import Pipeline

Progress = Callable[[str, float, int], None]
Result = dict[str, Any]
"""What came of a case: ``id``, ``failed``, ``measures``, ``latency_ms``, and what explains them.

``processor_ms`` is the processor time of the process, which a busy machine moves far less.
"""

Measure = Callable[[Sequence[AnyRow]], Sequence[Result]]
"""Gives the results of some cases without what describes them; one may say why it ``failed``."""

RIGHT = "right"
"""The last of the stages, where nothing was lost."""

KINDS = ("retrieval", "qa", "grounding", "rewrite", "answers")

_PACKAGES = (
    "footnote-rag chromadb ir-measures llama-index-core numpy onnxruntime pydantic scipy tantivy "
    "tokenizers"
).split()
_READ = (1, SCHEMA)  # schemas; the first had other answers, the same figures
_NOT_IDENTITY = ("seed", "created", "planned")  # of a header: what may differ in a resumed run


@dataclass(frozen=True)
class Kind:
    """What a sort of run measures: its metrics, and the one that decides a comparison.

    ``sliced_by`` is the key of a row by which figures are also given; ``heads`` are the metrics
    shown by slice, with the heads of their columns. ``extra`` adds what is not a metric.
    ``describe`` gives what a result says of its case, ``worst`` the measures of one that failed.
    ``explain`` puts a result into words: what was said, what was expected (None where only grades
    of documents are known), what its sources are called, and the sources. ``stages`` says of each
    stage of the pipeline, in its order, how a case is lost there, which a row names as ``stage``.
    """

    name: str
    cases: str
    metrics: tuple[Metric, ...]
    primary: str
    describe: Callable[[Any], Result]
    worst: Callable[[Any], Mapping[str, float | None]]
    explain: Callable[[Result], tuple[str, str | None, str, Sequence[Source]]]
    sliced_by: str | None = None
    heads: Mapping[str, str] = field(default_factory=dict)
    extra: Callable[[Run], dict[str, Any]] = lambda _: {}
    show: Callable[[Run], list[Table]] = lambda _: []
    stages: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a metric needs."""
        return tuple(dict.fromkeys(name for metric in self.metrics for name in metric.columns))

    def metric(self, name: str) -> Metric:
        """The metric of this name."""
        return next(metric for metric in self.metrics if metric.name == name)

    def explained(self, row: Result) -> Explained:
        """A case of a run in words."""
        said, expected, title, sources = self.explain(row)
        return Explained(
            question=str(row.get("claim") or row.get("question") or row["id"]),
            said=f"failed: {row['failed']}" if row["failed"] else said,
            expected=expected,
            sources_title=title,
            sources=tuple(sources),
            notes=tuple(row.get("reasons") or row.get("problems") or ()),
        )


@dataclass(frozen=True)
class Source:
    """A text that a case rests on: its name, and what is to be said of it."""

    name: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Explained:
    """A case in words; ``expected`` is None where only grades of documents are known."""

    question: str
    said: str
    expected: str | None
    sources_title: str
    sources: tuple[Source, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """A run as it stands in its file, complete or not."""

    path: Path
    kind: Kind
    header: Mapping[str, Any]
    rows: tuple[Result, ...]

    @property
    def name(self) -> str:
        """What was measured, for a heading: the data and, if one was chosen, the stage."""
        stage = self.header["options"].get("stage")
        name = str(self.header["data"]["file"])
        return f"{name}, {stage}" if stage else name

    @property
    def failed(self) -> int:
        """How many cases failed."""
        return sum(row["failed"] is not None for row in self.rows)

    @property
    def interrupted(self) -> bool:
        """Whether cases are missing because somebody stopped the run."""
        return len(self.rows) < int(self.header["planned"])

    @cached_property
    def stages(self) -> dict[str, int]:
        """How many cases were lost at each stage, in order; nothing where no row says it.

        The ``stage`` of a row is empty if nothing was lost, and None if that cannot be told.
        """
        told = [row["stage"] for row in self.rows if row.get("stage") is not None]
        found = Counter(stage or RIGHT for stage in told)
        return {stage: found[stage] for stage in self.kind.stages} if found else {}

    @cached_property
    def groups(self) -> list[int]:
        """A number for each case; those that must be resampled together share theirs."""
        numbers: dict[str, int] = {}
        # The id of a case without a group cannot be that of a group: groups come with a mark.
        keys = [f"g {row['group']}" if row.get("group") else f"c {row['id']}" for row in self.rows]
        return [numbers.setdefault(key, len(numbers)) for key in keys]

    @cached_property
    def columns(self) -> dict[str, Array]:
        """Every column that the metrics need; NaN where one does not apply to a case."""
        return columns(self.rows, self.kind.columns)

    def summary(self) -> dict[str, Any]:
        """The figures as one JSON object; fractions of 1, with 95% intervals."""
        return {
            "schema": SCHEMA,
            "kind": self.kind.name,
            "data": self.header["data"],
            "options": self.header["options"],
            **self._figures(self.rows, self.groups),
            "planned": self.header["planned"],
            "interrupted": self.interrupted,
            "seed": self.header["seed"],
            "primary": self.kind.primary,
            **({"stages": self.stages} if self.stages else {}),
            **self.kind.extra(self),
            "failures": [
                {"id": row["id"], "reason": row["failed"]} for row in self.rows if row["failed"]
            ],
            **self._slices(),
            "run": str(self.path),
        }

    def _figures(self, rows: Sequence[Result], groups: Sequence[int]) -> dict[str, Any]:
        """Counts, every metric with its interval, and the latency of what did not fail."""
        kind = self.kind
        done = [row["latency_ms"] for row in rows if row["failed"] is None]
        times = [took for took in done if took is not None]
        return {
            "n": len(rows),
            "failed": len(rows) - len(done),
            **figures(kind.metrics, columns(rows, kind.columns), groups, self.header["seed"]),
            **({"latency_ms": percentiles(times)} if times or not rows else {}),
        }

    def _slices(self) -> dict[str, Any]:
        key = self.kind.sliced_by
        if key is None:
            return {}
        members: dict[str, list[int]] = {}
        for n, row in enumerate(self.rows):
            members.setdefault(str(row.get(key) or ""), []).append(n)
        slices = {
            name: self._figures([self.rows[n] for n in found], [self.groups[n] for n in found])
            for name, found in sorted(members.items(), key=lambda item: -len(item[1]))
        }
        return {f"by_{key}": slices}

    def tables(self) -> list[Table]:
        """Every metric with its interval, then the main ones by slice."""
        body = self.summary()
        title = f"{self.name}: {body['n']} {self.kind.cases}, {body['failed']} failed"
        rows = [
            [m.name, number(body[m.name]), between(body[f"{m.name}_ci"]), m.described]
            for m in self.kind.metrics
            if body[m.name] is not None  # no judge was asked, no case is of that sort
        ]
        if "latency_ms" in body:
            rows += [
                [f"latency {name}", number(body["latency_ms"][name], 1), "", "milliseconds a case"]
                for name in ("p50", "p95")
            ]
        head = ["measure", "value", "95% interval", "what it says"]
        tables = [Table(title, head, rows, words=frozenset({0, 3})), *self.kind.show(self)]
        tables += stage_tables({"questions": self})
        slices = body.get(f"by_{self.kind.sliced_by}", {})
        if len(slices) > 1:
            tables.append(self._slice_table({**slices, "all": body}))
        return tables

    def _slice_table(self, slices: Mapping[str, Any]) -> Table:
        heads = self.kind.heads
        timed = [key for key in ("p50", "p95") if "latency_ms" in slices["all"]]
        renamed = "; ".join(f"{head}: {name}" for name, head in heads.items() if head != name)
        return Table(
            f"{self.name} by {self.kind.sliced_by}" + (f" ({renamed})" if renamed else ""),
            [str(self.kind.sliced_by), "n", *heads.values(), *(f"{key} ms" for key in timed)],
            [
                [
                    name,
                    str(one["n"]),
                    *(number(one[key], 2) for key in heads),
                    *(number(one["latency_ms"][key], 0) for key in timed),
                ]
                for name, one in slices.items()
            ],
        )


def columns(rows: Sequence[Result], names: Iterable[str]) -> dict[str, Array]:
    """The named measures of the rows as arrays; NaN for None, where one does not apply."""
    return {
        name: np.array([row["measures"].get(name) for row in rows], dtype=float) for name in names
    }


def stage_tables(runs: Mapping[str, Run]) -> list[Table]:
    """Where the cases of runs of one kind were lost, a column a run; no table if no run says it."""
    if not any(run.stages for run in runs.values()):
        return []
    [kind, *_] = [run.kind for run in runs.values()]
    rows = [
        [stage, *(str(run.stages.get(stage, "–")) for run in runs.values()), said]
        for stage, said in kind.stages.items()
    ]
    words = frozenset({0, len(runs) + 1})
    return [Table("Where answers were lost", ["stage", *runs, "what it says"], rows, words)]


def side_by_side(runs: Mapping[str, Run]) -> Table:
    """The metrics of several runs of one kind, a column a run."""
    bodies = {name: run.summary() for name, run in runs.items()}
    [first, *_], [body, *_] = runs.values(), bodies.values()
    rows = [
        [name, *(f"{number(one[name])} ({between(one[f'{name}_ci'])})" for one in bodies.values())]
        for name in (metric.name for metric in first.kind.metrics)
    ]
    rows += [
        [f"latency {name}, ms", *(number(b["latency_ms"][name], 1) for b in bodies.values())]
        for name in ("p50", "p95")
    ]
    title = f"{first.header['data']['file']}: {body['n']} {first.kind.cases}"
    failed = sum(one["failed"] for one in bodies.values())
    return Table(f"{title}, {failed} failed (95% intervals)", ["measure", *bodies], rows)


# Making a run


class Options(TypedDict, total=False):
    """How a run goes, not what it measures.

    ``limit`` takes the first cases only, ``out`` names the run file, ``seed`` is that of the
    intervals, ``resume`` goes on with the last run of the same data and settings.
    """

    limit: int | None
    out: Path | None
    seed: int
    resume: bool
    on_progress: Progress | None


def each(result_of: Callable[[AnyRow], Result]) -> Measure[AnyRow]:
    """The measure that takes one case after another."""
    return lambda cases: [result_of(case) for case in cases]


def measure_file(
    kind: Kind,
    path: Path,
    model: type[AnyRow],
    pipeline: Pipeline,
    measure: Measure[AnyRow],
    options: Options,
    *,
    batch: int = 1,
    prepare: Callable[[], dict[str, Any]] = dict,
) -> Run:
    """Measure the rows of a file with a pipeline, but for drafts; raises DataError for a bad file.

    ``prepare`` is called once the file is read; what it returns are further options of the run.
    """
    found = read_rows(path, model)
    rows = [row for row in found.rows if not getattr(row, "draft", False)]
    if not rows:
        raise DataError(
            f"all {len(found.rows)} {model.noun} of {path} are drafts, which are no labels: go "
            "through them with `rag eval review`"
        )
    data = {"file": path.name, "digest": found.digest, "n": len(rows)}
    if left := len(found.rows) - len(rows):
        data["drafts"] = left
    limit = options.get("limit")
    return measure_cases(
        kind,
        pipeline,
        data,
        {"limit": limit, **prepare()},
        rows[:limit],
        measure,
        options,
        batch=batch,
    )


def measure_cases(
    kind: Kind,
    pipeline: Pipeline,
    data: Mapping[str, Any],
    chosen: Mapping[str, Any],
    cases: Sequence[AnyRow],
    measure: Measure[AnyRow],
    options: Options,
    *,
    batch: int = 1,
) -> Run:
    """Measure cases with a pipeline; ``data`` and ``chosen``, what was asked for, go on record."""
    first = header(kind, pipeline, data, chosen, len(cases), options.get("seed", 0))
    return execute(kind, first, cases, measure, options, pipeline.folder / "runs", batch=batch)


def header(
    kind: Kind,
    pipeline: Pipeline,
    data: Mapping[str, Any],
    chosen: Mapping[str, Any],
    planned: int,
    seed: int,
) -> dict[str, Any]:
    """The first line of a run file: everything that the figures depend on."""
    asked = language_model(kind.name, pipeline.settings)
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "schema": SCHEMA,
        "kind": kind.name,
        "data": dict(data),
        "options": dict(chosen),
        "planned": planned,
        "seed": seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": pipeline.fingerprint,
        "weights": {"embedder": pipeline.embedder.identity, **_fitted()},
        "settings": pipeline.settings.model_dump(mode="json", exclude={"observe"}),
        **({"language_model": asked} if asked else {}),
        "versions": versions,
    }


def _fitted() -> dict[str, str]:
    """The digests of the fitted coefficients beside the code, and of the shipped reader."""
    root = Path(rag.__file__).parent
    folders = ("answer", "ground", "retrieve")
    files = sorted(path for folder in folders for path in root.glob(f"{folder}/*.json"))
    files += root.glob("models/weights/reader*.onnx")
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in files
    }


def language_model(kind: str, settings: Settings) -> dict[str, Any] | None:
    """The name of the model that runs of a kind ask, and the digests of its prompts by name.

    None where no model is asked; a judge is an option of the run and not in here. A form of reply
    that a server may refuse is named beside the one that then takes its place.
    """
    names = sorted(_prompts(kind, settings)) if settings.language_model else []
    return {"name": settings.language_model, "prompts": digests(names)} if names else None


def _prompts(kind: str, settings: Settings) -> Iterator[str]:
    writes = settings.answer.generator == "auto"
    here = settings.models.generator != BUILT_IN  # it has no schema, and perhaps no chat template
    if kind in ("answers", "retrieval") and settings.models.reranker == LANGUAGE_MODEL:
        yield "rerank"
    if kind in ("answers", "retrieval", "rewrite") and writes:
        yield "rewrite"
    if kind in ("answers", "qa") and settings.answer.generator == "rewrite":
        yield "reword"
    if settings.llm.mask and not here:
        yield "masked"
    if kind in ("answers", "qa") and writes:
        yield "answer_small" if settings.llm.prompt == "small" else "answer"
        yield from ("answer_marks", "repair", "repair_marks")
        yield f"style_{settings.answer.style}"
        if settings.llm.holds_schema and not here:
            yield from ("answer_json", "repair_json")
    if kind == "answers" and writes and settings.answer.decompose:
        yield "parts"
    if here:
        yield "plain"


def execute(
    kind: Kind,
    first: Mapping[str, Any],
    cases: Sequence[AnyRow],
    measure: Measure[AnyRow],
    options: Options,
    folder: Path,
    *,
    batch: int = 1,
) -> Run:
    """Measure the cases and write the run, without ``out`` to a new file in ``folder``.

    What ``measure`` raises is a failed case (of a batch, each case is then tried by itself). Ctrl-C
    ends the run: it then covers what was done. With ``resume``, the last run of the same data,
    options, settings, weights and prompts is gone on with, if there is one.
    """
    path, rows = options.get("out"), list[Result]()
    on_progress = options.get("on_progress")
    if options.get("resume"):
        path, rows = _earlier(path, folder, first, {case.id for case in cases})
    place = path or _new_place(folder, first)
    done = {row["id"] for row in rows}
    left = [case for case in cases if case.id not in done]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Written anew even when resumed: the line that an interruption cut short has to go.
        file = place.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{place} cannot be written ({error.strerror}): name a place with --out"
        ) from None
    with file, suppress(KeyboardInterrupt):
        for row in (first, *rows):
            _write(file, row)
        for start in range(0, len(left), batch):
            for row in _results(kind, left[start : start + batch], measure):
                _write(file, row)
                rows.append(row)
                if on_progress:
                    on_progress(str(row["id"]), len(rows), len(cases))
    return Run(place, kind, first, tuple(rows))


def _results(kind: Kind, cases: Sequence[AnyRow], measure: Measure[AnyRow]) -> Iterator[Result]:
    began = time.process_time()
    try:
        found = measure(cases)
    except Exception as error:
        if len(cases) > 1:
            for case in cases:
                yield from _results(kind, [case], measure)
            return
        found = [{"failed": f"{type(error).__name__}: {error}"}]
    used = round((time.process_time() - began) * 1000 / len(cases), 3)
    for case, one in zip(cases, found, strict=True):
        own: Result = {"failed": None, "measures": {}, "latency_ms": None, "processor_ms": used}
        row = {**kind.describe(case), **own, **one}
        yield row if row["failed"] is None else {**row, "measures": dict(kind.worst(case))}


def since(began: float) -> float:
    """Milliseconds since a time of ``time.perf_counter``."""
    return round((time.perf_counter() - began) * 1000, 3)


def _write(file: Any, row: Mapping[str, Any]) -> None:
    # Flushed line by line: a run that is killed leaves what it measured.
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    file.flush()


def _new_place(folder: Path, first: Mapping[str, Any]) -> Path:
    stem = _stem(first)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    taken = len(list(folder.glob(f"{stem}-{stamp}*.jsonl")))
    return folder / f"{stem}-{stamp}{f'-{taken}' if taken else ''}.jsonl"


def _stem(first: Mapping[str, Any]) -> str:
    name = str(first["data"]["file"]).removesuffix(".gz").removesuffix(".jsonl")
    stage = first["options"].get("stage")
    return f"{name}-{stage}" if stage else name


# Reading and resuming


def read_run(path: Path) -> Run:
    """Read a run file; raises DataError that says what is wrong with it, and where."""
    header, rows = read_run_file(path)
    if header["kind"] not in KINDS:
        raise DataError(
            f"{path} is a run of kind {header['kind']}, which this version does not know: "
            f"{', '.join(KINDS)}"
        )
    return Run(path, kind_named(header["kind"]), header, tuple(rows))


def kind_named(name: str) -> Kind:
    """The kind of run of one of ``KINDS``, each of which has a module of its own."""
    kind: Kind = import_module(f"rag.evaluate.{name}").KIND
    return kind


def read_run_file(path: Path) -> tuple[dict[str, Any], list[Result]]:
    """Header and results of a run file; a last line that was cut off by a crash is left out.

    Raises DataError that says what is wrong with the file, and where.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a run file: it is not UTF-8 text") from None
    objects: list[dict[str, Any]] = []
    for number_, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            if number_ == len(lines) and objects:  # no line end after it: it was being written
                break
            raise DataError(f"{path}:{number_}: this is not a line of a run: {error}") from None
        if not isinstance(value, dict):
            raise DataError(f"{path}:{number_}: this is not a line of a run: it is no object")
        objects.append(value)
    if not objects or not {"kind", "data", "options", "planned", "seed"} <= objects[0].keys():
        raise DataError(f"{path} is not a run file: its first line is not a header of `rag eval`")
    if objects[0].get("schema") not in _READ:
        raise DataError(
            f"{path} has schema {objects[0].get('schema')} and this version reads {SCHEMA}: "
            "run the evaluation again"
        )
    rows = objects[1:]
    seen: set[str] = set()
    for position, row in enumerate(rows, start=2):
        if not {"id", "measures", "failed", "latency_ms"} <= row.keys():
            raise DataError(f"{path}:{position}: this is not a case of a run")
        if row["id"] in seen:
            raise DataError(f"{path}:{position}: the case {row['id']} is there twice")
        seen.add(row["id"])
    return objects[0], rows


def _earlier(
    path: Path | None, folder: Path, first: Mapping[str, Any], wanted: set[str]
) -> tuple[Path | None, list[Result]]:
    """The last run that ``first`` could be the header of, and its rows."""
    places = [path] if path else sorted(folder.glob(f"{_stem(first)}-*.jsonl"), reverse=True)
    for place in places:
        if not place.exists():
            continue
        try:
            before, rows = read_run_file(place)
        except DataError:
            if path:
                raise
            continue
        if _identity(before) == _identity(first):
            return place, [row for row in rows if row["id"] in wanted]
        if path:
            raise UsageError(
                f"{path} is a run of other data, options, settings, weights or prompts: name "
                "another place with --out, or leave out --resume"
            )
    return path, []


def _identity(first: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in first.items() if key not in _NOT_IDENTITY}
    return digest_of(json.dumps(kept, sort_keys=True, ensure_ascii=False))


def cache_folder() -> Path:
    """Where indexes of evaluation data are kept: ``RAG_CACHE``, else the user's cache."""
    if place := os.environ.get("RAG_CACHE"):
        return Path(place).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("footnote-rag", appauthor=False))
