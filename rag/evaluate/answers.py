"""End to end: every question of a file asked of an index, each answer held against what is known.

A run is a file of JSON lines: a header that says what was measured with what, then a line a case
as soon as it is answered, so that an interruption loses nothing.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import rag
from rag.errors import ModelError, SourceError, StoreError, UsageError
from rag.evaluate.metrics import (
    AUROC,
    MEASURES,
    Gold,
    Measured,
    auroc,
    measure,
    percentiles,
    said,
    short,
    summarise,
    worst,
)
from rag.evaluate.questions import Case, QuestionFile, groups, read_cases
from rag.evaluate.quotes import locate
from rag.evaluate.tables import Table, number
from rag.protocols import Embedder
from rag.settings import Settings
from rag.types import SCHEMA, Answer, Document, Passage

Progress = Callable[[str, int, int], None]

_PACKAGES = (
    "footnote-rag chromadb llama-index-core numpy onnxruntime pydantic tantivy tokenizers".split()
)
_BY_TYPE = {
    "f1": "F1",
    "containment": "found",
    "evidence_retrieved": "seen",
    "citation_precision": "cite P",
    "citation_recall": "cite R",
    "document_cited": "doc cited",
    "abstention_right": "abst. right",
    "abstention_wrong": "abst. wrong",
}
"""The measures that fit beside each other in 80 columns, with the heads of their columns."""


class Asked(Protocol):
    """What a run needs of a pipeline."""

    folder: Path
    settings: Settings

    @property
    def embedder(self) -> Embedder:
        """The embedder in force."""
        ...

    @property
    def fingerprint(self) -> str:
        """What the index is known by."""
        ...

    def search(self, question: str, k: int | None = None) -> list[Passage]:
        """Return passages."""
        ...

    def document(self, uri: str) -> Document:
        """Return a document by its uri or the end of it."""
        ...

    def ask(self, question: str, *, history: Any = ()) -> Answer:
        """Answer a question."""
        ...


class Outcome(NamedTuple):
    """What came of one case; ``failed`` says why nothing did."""

    case: Case
    measured: Measured
    milliseconds: float
    confidence: float
    failed: str | None = None


class Report(NamedTuple):
    """The outcomes of a run, complete or not. Figures are fractions of 1."""

    file: Path
    outcomes: Sequence[Outcome]
    planned: int
    seed: int
    run: Path
    unlocated: Sequence[str]

    @property
    def interrupted(self) -> bool:
        """Whether cases are missing because somebody stopped the run."""
        return len(self.outcomes) < self.planned

    def to_json(self) -> dict[str, Any]:
        """Return the figures as one JSON object with the ``schema`` version."""
        return {
            "schema": SCHEMA,
            "file": str(self.file),
            **figures(self.outcomes, self.seed),
            **self.separation(),
            "planned": self.planned,
            "interrupted": self.interrupted,
            "seed": self.seed,
            "failures": [
                {"id": outcome.case.id, "reason": outcome.failed}
                for outcome in self.outcomes
                if outcome.failed
            ],
            "unlocated_quotes": list(self.unlocated),
            "by_type": {
                name: figures(outcomes, self.seed) for name, outcomes in self.by_type().items()
            },
            "run": str(self.run),
        }

    def separation(self) -> dict[str, Any]:
        """Return how well confidence tells answerable questions from unanswerable ones."""
        cases = [outcome.case for outcome in self.outcomes]
        value, interval = auroc(
            [outcome.confidence for outcome in self.outcomes],
            [case.answerable for case in cases],
            groups(cases),
            self.seed,
        )
        return {"answerable_auroc": value, "answerable_auroc_ci": interval}

    def by_type(self) -> dict[str, list[Outcome]]:
        """Return the outcomes of each type, the commonest type first."""
        types: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            types.setdefault(outcome.case.type, []).append(outcome)
        return dict(sorted(types.items(), key=lambda item: -len(item[1])))

    def tables(self) -> list[Table]:
        """Return all measures with their intervals, then the main ones by type."""
        body = self.to_json()
        title = f"{self.file.name}: {body['n']} questions, {body['failed']} failed"
        overall = [
            [name, number(body[name]), _between(body[f"{name}_ci"]), meaning]
            for name, meaning in {**MEASURES, "answerable_auroc": AUROC}.items()
        ]
        kinds = {**body["by_type"], "all": body}
        rows = [
            [name, str(kind["n"]), *(number(kind[key], 2) for key in _BY_TYPE),
             *(number(kind["latency_ms"][key], 0) for key in ("p50", "p95"))]
            for name, kind in kinds.items()
        ]  # fmt: skip
        return [
            Table(
                title,
                ["measure", "value", "95% interval", "what it says"],
                overall,
                words=frozenset({0, 3}),
            ),
            Table(
                f"{self.file.name} by type (found: containment; seen: evidence_retrieved)",
                ["type", "n", *_BY_TYPE.values(), "p50 ms", "p95 ms"],
                rows,
            ),
        ]


def _between(interval: list[float] | None) -> str:
    return f"{number(interval[0])} to {number(interval[1])}" if interval else "–"


def figures(outcomes: Sequence[Outcome], seed: int) -> dict[str, Any]:
    """Return counts, every measure with its interval, and the latency of what did not fail."""
    return {
        "n": len(outcomes),
        "failed": sum(outcome.failed is not None for outcome in outcomes),
        **summarise([o.measured for o in outcomes], groups(o.case for o in outcomes), seed),
        "latency_ms": percentiles([o.milliseconds for o in outcomes if o.failed is None]),
    }


def evaluate(
    path: Path,
    pipeline: Asked,
    *,
    limit: int | None = None,
    out: Path | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Report:
    """Ask every question of a file, or the first ``limit``, and measure the answers.

    Writes a run file (default: in ``runs`` of the index folder). Ctrl-C ends the run: the report
    then covers what was done, and says that it was interrupted. Raises DataError for a bad file
    and StoreError or ModelError if the index or its model is not fit to be asked at all.
    """
    found = read_cases(path)
    cases = found.cases[:limit]
    _prepare(pipeline)
    run = out or _default_place(pipeline, path)
    outcomes: list[Outcome] = []
    unlocated: list[str] = []
    try:
        run.parent.mkdir(parents=True, exist_ok=True)
        file = run.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{run} cannot be written ({error.strerror}): name a place with --out"
        ) from None
    with file, suppress(KeyboardInterrupt):
        _write(file, header(found, pipeline, limit=limit, seed=seed))
        for done, case in enumerate(cases, start=1):
            gold, missing = locate_evidence(case, pipeline)
            unlocated += [case.id] if missing else []
            outcome, row = _ask(case, gold, pipeline)
            _write(file, row)
            outcomes.append(outcome)
            if on_progress:
                on_progress(case.id, done, len(cases))
    return Report(path, outcomes, len(cases), seed, run, unlocated)


def _prepare(pipeline: Asked) -> None:
    """Load what the first question would load, and let what fails every question fail now."""
    try:
        pipeline.search("warm-up", 1)
    except (StoreError, ModelError, UsageError):
        raise
    except Exception:
        return  # a stage that crashes is what the run is there to count


def locate_evidence(case: Case, pipeline: Asked) -> tuple[Gold, bool]:
    """Return where the gold quotes stand, and whether any could not be found.

    A quote that is not found stays as one without spans: nothing overlaps it, and it counts.
    """
    gold: list[tuple[str, tuple[tuple[int, int], ...]]] = []
    for evidence in case.evidence:
        try:
            document = pipeline.document(evidence.uri)
        except SourceError:
            gold.append(("", ()))
        else:
            gold.append((document.id, locate(document.text, evidence.quote).spans))
    return gold, any(not spans for _, spans in gold)


def _ask(case: Case, gold: Gold, pipeline: Asked) -> tuple[Outcome, dict[str, Any]]:
    """Ask one question; whatever is raised is a failed case, except an interruption."""
    began = time.perf_counter()
    answer: Answer | None = None
    failed = None
    try:
        answer = pipeline.ask(case.question, history=case.history)
        if answer is None or not (answer.abstained or said(answer).strip()):
            failed, answer = "nothing came back", None
    except Exception as error:
        failed = f"{type(error).__name__}: {error}"
    milliseconds = round((time.perf_counter() - began) * 1000, 3)
    measured = measure(case, answer, gold) if answer else worst(case)
    # A crash is on the wrong side of every threshold.
    confidence = answer.confidence if answer else float(not case.answerable)
    outcome = Outcome(case, measured, milliseconds, confidence, failed)
    return outcome, _row(outcome, answer)


def _row(outcome: Outcome, answer: Answer | None) -> dict[str, Any]:
    case = outcome.case
    row: dict[str, Any] = {
        **case.model_dump(mode="json", include={"id", "type", "question", "answerable"}),
        "accepted": list(case.answers),
        "group": "/".join(case.conversation) if case.history else None,
        "failed": outcome.failed,
        "measures": dict(outcome.measured),
        "latency_ms": outcome.milliseconds,
    }
    if answer is None:
        return row
    return row | {
        "standalone": answer.standalone,
        "answer": said(answer),
        "short": short(answer),
        "abstained": answer.abstained,
        "confidence": answer.confidence,
        "generator": answer.generator,
        "verdicts": [s.verdict.label if s.verdict else None for s in answer.sentences],
        "citations": [
            c.model_dump(mode="json", include={"number", "uri", "start", "end", "quote"})
            for c in answer.citations
        ],
        "passages": [
            {"uri": p.uri, "start": p.chunk.start, "end": p.chunk.end, "score": p.score}
            for p in answer.passages
        ],
        "problems": list(answer.problems),
        "timings": dict(answer.timings),
        "usage": answer.usage.model_dump() if answer.usage else None,
    }


# The run file


def header(found: QuestionFile, pipeline: Asked, *, limit: int | None, seed: int) -> dict[str, Any]:
    """Return the first line of a run file: everything that the figures depend on."""
    return {
        "schema": SCHEMA,
        "kind": "answers",
        "data": {"file": found.path.name, "digest": found.digest, "n": len(found.cases)},
        "limit": limit,
        "seed": seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": pipeline.fingerprint,
        "weights": {"embedder": pipeline.embedder.identity, **_fitted()},
        "settings": pipeline.settings.model_dump(mode="json"),
        "versions": {"python": platform.python_version(), **dict(_versions())},
    }


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            yield name, importlib.metadata.version(name)


def _fitted() -> dict[str, str]:
    """Return the digests of the fitted coefficients that lie beside the code."""
    root = Path(rag.__file__).parent
    files = sorted(
        path for folder in ("answer", "ground") for path in root.glob(f"{folder}/*.json")
    )
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in files
    }


def _write(file: Any, row: dict[str, Any]) -> None:
    # Flushed line by line: a run that is killed leaves what it measured.
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    file.flush()


def _default_place(pipeline: Asked, path: Path) -> Path:
    name = path.name.removesuffix(".gz").removesuffix(".jsonl")
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = pipeline.folder / "runs"
    taken = len(list(folder.glob(f"{name}-{stamp}*.jsonl")))
    return folder / f"{name}-{stamp}{f'-{taken}' if taken else ''}.jsonl"
