"""Run files for tests, written by the library from measures that a test makes up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rag.evaluate.runs import Kind, Result, Run, execute, kind_named
from rag.settings import Settings
from rag.types import SCHEMA


class Case(NamedTuple):
    id: str


def header(kind: Kind, count: int, **changed: Any) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "kind": kind.name,
        "data": {"file": "data.jsonl", "digest": "d1", "n": count},
        "options": {"limit": None},
        "planned": count,
        "seed": 0,
        "created": "2026-01-02T03:04:05+00:00",
        "fingerprint": "print",
        "weights": {"embedder": "fake"},
        "settings": Settings().model_dump(mode="json"),
        "versions": {"python": "3"},
        **changed,
    }


def case(kind: str, number: int) -> Result:
    """What a row of a kind has beside its measures."""
    said: dict[str, dict[str, Any]] = {
        "retrieval": {
            "ranking": [
                {"id": "d1", "score": 0.5, "grade": 1, "title": "One", "text": "first"},
                {"id": "d2", "score": 0.4, "grade": None, "title": "", "text": "second"},
            ]
        },
        "qa": {
            "title": "page", "answerable": True, "accepted": ["yes", "yes indeed"],
            "answer": "yes", "guess": "yes", "passages": [{"text": "it says yes"}],
        },
        "answers": {
            "type": "fact", "answerable": True, "accepted": ["yes"], "answer": "yes, it is",
            "abstained": False,
            "citations": [{"number": 1, "uri": "a.md", "start": 0, "end": 3, "quote": "yes"}],
            "passages": [
                {"uri": "a.md", "start": 0, "end": 9, "score": 0.5, "text": "yes it is"},
                {"uri": "b.md", "start": 0, "end": 9, "score": 0.4, "text": "no it isn't"},
            ],
        },
        "grounding": {
            "source": "made", "claim": f"claim {number}", "gold": "supported", "said": "supported",
            "reasons": ["a reason"], "evidence": ["some evidence"],
        },
        "rewrite": {
            "history": ["what was said before"], "rewrite": "asked in full",
            "standalone": "ours in full",
        },
    }  # fmt: skip
    return {"group": None, "question": f"question {number}", **said[kind]}


def write(
    path: Path,
    kind: str,
    measures: Sequence[Mapping[str, float | None]],
    *,
    change: Callable[[int, Result], Result] = lambda _, row: row,
    first: int = 0,
    **head: Any,
) -> Run:
    """Write a run whose case ``n`` has the measures number ``n - first``."""
    cases = [Case(f"q{n}") for n in range(first, first + len(measures))]

    def values(one: Case) -> dict[str, float | None]:
        return dict(measures[int(one.id[1:]) - first])

    def measure(batch: Sequence[Case]) -> list[Result]:
        return [
            change(
                int(one.id[1:]),
                {
                    **case(kind, int(one.id[1:])), "failed": None, "measures": values(one),
                    "latency_ms": 10.0 + int(one.id[1:]),
                },
            )
            for one in batch
        ]  # fmt: skip

    known = replace(kind_named(kind), describe=lambda one: {"id": one.id}, worst=values)
    whole = header(known, **{"count": len(cases)} | head)
    return execute(known, whole, cases, measure, {"out": path}, path.parent)


def ranked(values: Sequence[float]) -> list[dict[str, float]]:
    """Measures of retrieval: the same value for each."""
    names = [metric.name for metric in kind_named("retrieval").metrics]
    return [dict.fromkeys(names, float(value)) for value in values]
