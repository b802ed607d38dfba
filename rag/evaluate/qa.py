"""Reading: a question asked of one context alone, with SQuAD's measures and selective risk."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rag.evaluate.answers import (
    ANSWERABLE_AUROC,
    NO_ANSWER,
    accepted,
    answer_text,
    short_answer,
    sources,
)
from rag.evaluate.datasets import QaRow
from rag.evaluate.runs import Kind, Options, Result, Run, Source, each, measure_file, since
from rag.evaluate.statistics import (
    area_under_risk_coverage,
    calibration_bins,
    mean,
    risk_coverage,
)
from rag.evaluate.tables import Table, number
from rag.evaluate.text_metrics import exact_match, f1
from rag.types import Answer, digest_of

if TYPE_CHECKING:
    from rag.pipeline import Pipeline

_SHOWN = 3  # passages kept in the run, nearest first: a context may be a whole paper


def _extra(run: Run) -> dict[str, Any]:
    columns = run.columns
    return {
        "risk_coverage": risk_coverage(columns["confidence"], columns["gain"]),
        "calibration": calibration_bins(columns["confidence"], columns["answerable"]),
    }


def _show(run: Run) -> list[Table]:
    curve = _extra(run)["risk_coverage"]
    chosen = [point for position, point in enumerate(curve) if position % 4 == 3]
    rows = [[number(coverage, 2), number(risk)] for coverage, risk in chosen]
    title = "risk (1 - F1) where only the most confident are answered"
    return [Table(title, ["coverage", "risk"], rows, words=frozenset())]


def _explain(row: Result) -> tuple[str, str, str, list[Source]]:
    guess = f" (would have said: {row['guess']})" if row.get("guess") else ""
    said = row.get("answer") or f"{NO_ANSWER}{guess}"
    return said, accepted(row), "Passages that were read", sources(row)


def _describe(case: QaRow) -> Result:
    return {
        "id": case.id,
        "group": digest_of(case.context)[:16],  # questions on one text succeed or fail together
        "question": case.question,
        "title": case.title,
        "answerable": case.answerable,
        "accepted": [answer.text for answer in case.answers],
    }


def _worst(case: QaRow) -> dict[str, float]:
    # A crash is no abstention: it is wrong, and on the wrong side of every threshold.
    values = measures(case, "", "", float(not case.answerable))
    kept = {name: values[name] for name in ("confidence", "answerable")}
    return dict.fromkeys(values, 0.0) | kept


KIND = Kind(
    name="qa",
    cases="questions",
    metrics=(
        mean("f1", "SQuAD F1; unanswerable: 1 for no answer, else 0"),
        mean("exact_match", "SQuAD exact match, in the same way"),
        mean("answerable_f1", "F1, answerable questions only"),
        mean("answerable_exact_match", "exact match, answerable questions only"),
        mean("no_answer_accuracy", "unanswerable questions that got no answer"),
        mean("answered", "answerable questions that got an answer"),
        ANSWERABLE_AUROC,
        area_under_risk_coverage(
            "aurc", "mean risk (1 - F1) over all coverages", score="confidence", gain="gain"
        ),
    ),
    primary="f1",
    describe=_describe,
    worst=_worst,
    explain=_explain,
    extra=_extra,
    show=_show,
)


def evaluate(path: Path, pipeline: Pipeline, **options: Unpack[Options]) -> Run:
    """Ask every question of its own context; raises DataError for a bad file.

    The answer below the threshold of abstention is recorded too: the risk–coverage curve needs what
    would have been said.
    """
    answer_settings = pipeline.settings.answer
    threshold = answer_settings.threshold
    candid = pipeline.variant(answer=answer_settings.model_copy(update={"abstain_below": 0.0}))
    measure = each(partial(_ask, candid, threshold))
    return measure_file(KIND, path, QaRow, pipeline, measure, options)


def _ask(pipeline: Pipeline, threshold: float, case: QaRow) -> Result:
    began = time.perf_counter()
    answer: Answer | None = pipeline.read(case.question, case.context, title=case.title)
    took = since(began)
    if answer is None or not (answer.abstained or answer_text(answer).strip()):
        return {"failed": "nothing came back"}
    guess = span(answer)
    given = guess if answer.confidence >= threshold else ""
    return {
        "measures": measures(case, given, guess, answer.confidence),
        "latency_ms": took,
        "answer": given,
        "guess": guess,
        "confidence": answer.confidence,
        "passages": [{"text": passage.chunk.text} for passage in answer.passages[:_SHOWN]],
        "problems": list(answer.problems),
    }


def span(answer: Answer) -> str:
    """The words that answer: those highlighted, else the reader's best span, else all."""
    if any(sentence.highlight for sentence in answer.sentences):
        return short_answer(answer)
    spans = [
        (probability, passage.chunk.text[start:end])
        for passage in answer.passages
        if passage.reading
        for start, end, probability in passage.reading.answers
    ]
    return max(spans)[1] if spans and answer.sentences else answer_text(answer)


def measures(case: QaRow, given: str, guess: str, confidence: float) -> dict[str, float]:
    """The columns of one case: ``given`` is the answer, empty for none.

    Where a question is called answerable and the data names no answer, only the decision to answer
    can be measured.
    """
    decided = {"confidence": confidence, "answerable": float(case.answerable)}
    accepted = [answer.text for answer in case.answers]
    if not case.answerable:
        silent = float(not given)
        return {
            **decided,
            "f1": silent,
            "exact_match": silent,
            "no_answer_accuracy": silent,
            "gain": 0.0,
        }
    answered = {**decided, "answered": float(bool(given))}
    if not accepted:
        return answered
    best_f1 = max(f1(given, text) for text in accepted)
    best_match = max(exact_match(given, text) for text in accepted)
    return {
        **answered,
        "f1": best_f1,
        "exact_match": best_match,
        "answerable_f1": best_f1,
        "answerable_exact_match": best_match,
        "gain": max(f1(guess, text) for text in accepted),
    }
