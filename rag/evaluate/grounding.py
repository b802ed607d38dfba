"""Grounding: the checker's verdict on claims whose support people have judged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rag.evaluate.datasets import GroundingRow
from rag.evaluate.runs import Kind, Options, Result, Run, Source, measure_file
from rag.evaluate.statistics import (
    auroc,
    balanced_accuracy,
    calibration_bins,
    calibration_error,
    f1_of_class,
    miscalled,
    squared_error,
)
from rag.evaluate.tables import Table, number

if TYPE_CHECKING:
    from rag.pipeline import Pipeline
    from rag.types import Verdict

LABELS = {"unsupported": 0.0, "partial": 1.0, "supported": 2.0}
_BATCH = 16  # claims judged at a time: the checker embeds them together
_NOT_JUDGED = -1.0


def _extra(run: Run) -> dict[str, Any]:
    milliseconds = sum(row["latency_ms"] or 0.0 for row in run.rows)
    judged = sum(row["latency_ms"] is not None for row in run.rows)
    return {
        "not_judged": sum(row.get("said", "") is None for row in run.rows),
        "claims_per_second": round(1000 * judged / milliseconds, 1) if milliseconds else None,
        "calibration": calibration_bins(run.columns["support"], run.columns["supported"]),
    }


def _show(run: Run) -> list[Table]:
    found = _extra(run)
    bins = [
        [str(row["n"]), number(row["mean_score"]), number(row["positive"])]
        for row in found["calibration"]
    ]
    title = (
        f"calibration ({found['claims_per_second']} claims a second, "
        f"{found['not_judged']} not judged)"
    )
    return [Table(title, ["claims", "support, mean", "supported, share"], bins, frozenset())]


def _explain(row: Result) -> tuple[str, str, str, list[Source]]:
    support = row["measures"].get("support")
    said = str(row.get("said")) + ("" if support is None else f" (support {support:.2f})")
    sources = [Source("", text) for text in row.get("evidence") or []]
    return said, str(row["gold"]), "Evidence that was held against it", sources


def _describe(case: GroundingRow) -> Result:
    return {
        "id": case.id,
        "group": case.group,
        "source": case.source,
        "claim": case.claim,
        "gold": case.label,
    }


def _gold(case: GroundingRow) -> dict[str, float]:
    return {"supported": float(case.label == "supported"), "label": LABELS[case.label]}


def _worst(case: GroundingRow) -> dict[str, float]:
    gold = _gold(case)
    wrong = 1 - gold["supported"]
    return {**gold, "said_supported": wrong, "said_label": _NOT_JUDGED, "support": wrong}


KIND = Kind(
    name="grounding",
    cases="claims",
    metrics=(
        balanced_accuracy(
            "balanced_accuracy",
            "mean recall of supported and not (partial is not)",
            predicted="said_supported",
            gold="supported",
        ),
        balanced_accuracy(
            "balanced_accuracy_three_way",
            "mean recall of supported, partial, unsupported",
            predicted="said_label",
            gold="label",
            classes=3,
        ),
        auroc(
            "auroc",
            "chance that a supported claim has more support than another",
            score="support",
            positive="supported",
        ),
        f1_of_class(
            "f1_unsupported",
            "F1 of finding claims that are not supported",
            predicted="said_supported",
            gold="supported",
            value=0.0,
        ),
        miscalled(
            "unsupported_passed",
            "claims without support that are called supported",
            predicted="said_supported",
            gold="supported",
            value=0.0,
        ),
        miscalled(
            "supported_doubted",
            "supported claims that are not called so",
            predicted="said_supported",
            gold="supported",
            value=1.0,
        ),
        calibration_error(
            "calibration_error",
            "gap between support and share supported, ten bins",
            score="support",
            positive="supported",
        ),
        squared_error(
            "brier",
            "squared distance of support from 1 where supported, else 0",
            score="support",
            positive="supported",
        ),
    ),
    primary="balanced_accuracy",
    describe=_describe,
    worst=_worst,
    explain=_explain,
    sliced_by="source",
    heads={
        "balanced_accuracy": "bal. acc.",
        "auroc": "auroc",
        "f1_unsupported": "F1 uns.",
        "calibration_error": "cal. err.",
    },
    extra=_extra,
    show=_show,
)


def evaluate(path: Path, pipeline: Pipeline, **options: Unpack[Options]) -> Run:
    """Judge every claim by its evidence; raises DataError for a bad file."""

    def measure(batch: Sequence[GroundingRow]) -> list[Result]:
        began = time.perf_counter()
        verdicts = pipeline.checker.check(
            [case.claim for case in batch], [list(case.evidence) for case in batch]
        )
        took = (time.perf_counter() - began) * 1000 / len(batch)
        return [_result(case, one, took) for case, one in zip(batch, verdicts, strict=True)]

    return measure_file(KIND, path, GroundingRow, pipeline, measure, options, batch=_BATCH)


def _result(case: GroundingRow, verdict: Verdict, took: float) -> Result:
    # What is not judged is not supported: it never passes, and is counted.
    label, support = verdict.label or "unsupported", verdict.support or 0.0
    return {
        "measures": {
            **_gold(case),
            "said_supported": float(label == "supported"),
            "said_label": LABELS[label],
            "support": support,
        },
        "latency_ms": round(took, 3),
        "said": verdict.label,
        "reasons": list(verdict.reasons),
        "evidence": list(verdict.evidence),
    }
