"""Rewriting: our standalone question against a person's, beside what costs nothing."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from rag.evaluate.datasets import RewriteRow
from rag.evaluate.runs import Kind, Options, Result, Run, Source, each, measure_file, since
from rag.evaluate.statistics import Array, Columns, Metric, mean
from rag.evaluate.text_metrics import rouge_l, term_f1, terms

if TYPE_CHECKING:
    from rag.pipeline import Pipeline

_BASELINES = ("term_f1_as_said", "term_f1_history")


def _gain(columns: Columns, weights: Array) -> Array:
    names = ("term_f1", *_BASELINES)
    ours, *others = (mean(name, "").figure(columns, weights) for name in names)
    return np.asarray(ours - np.max(others, axis=0))


def _explain(row: Result) -> tuple[str, str, str, list[Source]]:
    sources = [Source("", text) for text in row.get("history") or []]
    return str(row.get("standalone")), str(row["rewrite"]), "What was said before", sources


def _describe(case: RewriteRow) -> Result:
    return {
        "id": case.id,
        "group": None,
        "history": [turn.text for turn in case.history],
        "question": case.question,
        "rewrite": case.rewrite,
    }


def _worst(case: RewriteRow) -> dict[str, float]:
    ours = dict.fromkeys(("term_f1", "rouge_l", "unchanged"), 0.0)
    return measures(case, case.question) | ours


KIND = Kind(
    name="rewrite",
    cases="turns",
    metrics=(
        mean("term_f1", "F1 of content terms, ours against the human rewrite"),
        Metric(
            "term_f1_gain",
            "ours minus the better of the two baselines",
            _gain,
            ("term_f1", *_BASELINES),
            per_case=lambda columns: columns["term_f1"],  # the baselines are the same in any run
        ),
        mean("rouge_l", "longest common subsequence of words, F1"),
        mean("term_f1_as_said", "baseline: the question as it was said"),
        mean("term_f1_history", "baseline: the whole history in front"),
        mean("term_f1_oracle", "ceiling: the history terms that the rewrite holds"),
        mean("rouge_l_as_said", "baseline: the question as it was said"),
        mean("rouge_l_history", "baseline: the whole history in front"),
        mean("unchanged", "turns whose question was left as it was said"),
    ),
    primary="term_f1",
    describe=_describe,
    worst=_worst,
    explain=_explain,
)


def evaluate(path: Path, pipeline: Pipeline, **options: Unpack[Options]) -> Run:
    """Rewrite every question; raises DataError for a bad file."""
    measure = each(partial(_rewrite, pipeline))
    return measure_file(KIND, path, RewriteRow, pipeline, measure, options)


def _rewrite(pipeline: Pipeline, case: RewriteRow) -> Result:
    began = time.perf_counter()
    standalone: str | None = pipeline.rewriter.rewrite(case.history, case.question)
    took = since(began)
    if not standalone or not standalone.strip():
        return {"failed": "nothing came back"}
    found = measures(case, standalone)
    return {"measures": found, "latency_ms": took, "standalone": standalone}


def measures(case: RewriteRow, standalone: str) -> dict[str, float]:
    """The columns of one case, each between 0 and 1."""
    wanted = terms(case.rewrite)
    said = terms(case.question)
    history = " ".join(turn.text for turn in case.history)
    glued = f"{history} {case.question}"
    return {
        "term_f1": term_f1(terms(standalone), wanted),
        "rouge_l": rouge_l(standalone, case.rewrite),
        "term_f1_as_said": term_f1(said, wanted),
        "rouge_l_as_said": rouge_l(case.question, case.rewrite),
        "term_f1_history": term_f1(terms(glued), wanted),
        "rouge_l_history": rouge_l(glued, case.rewrite),
        "term_f1_oracle": term_f1(said | (terms(history) & wanted), wanted),
        "unchanged": float(standalone.strip() == case.question.strip()),
    }
