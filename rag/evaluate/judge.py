"""A language model that grades answers: optional, and measured against people where they graded.

A reply that cannot be read in full is a failure of the judge. It counts as 0 and is named: never a
pass, and never left out of the denominator.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag.errors import ModelError
from rag.evaluate.datasets import Case
from rag.evaluate.runs import Result, since
from rag.evaluate.statistics import Array
from rag.models.chat import READY, LanguageModel
from rag.prompts import as_data, load_prompt, object_schema
from rag.types import Answer, Citation, Usage

ASPECTS = ("relevance", "completeness", "faithfulness")
TOP = 4
"""The best grade; a grade is a whole number from 0, and its share of this is the measure."""

_FENCE = re.compile(r"```(?:json)?[ \t]*\r?\n(.*)\n[ \t]*```", re.DOTALL | re.IGNORECASE)
_KEPT = 500  # characters of a reply that could not be read, for the row


class Grade(BaseModel):
    """A grade with its reason; the reason comes first, so that the grade can follow from it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reason: str
    grade: int = Field(ge=0, le=TOP)


class Grades(BaseModel):
    """What a judge says of one answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    relevance: Grade
    completeness: Grade
    faithfulness: Grade


_GRADE = object_schema(
    reason={"type": "string"}, grade={"type": "integer", "enum": list(range(TOP + 1))}
)
SCHEMA = object_schema(**dict.fromkeys(ASPECTS, _GRADE))
"""The form of a reply, for servers that can hold a model to it."""


@dataclass(frozen=True)
class Judgement:
    """What came of judging one answer: grades, or why there are none.

    Without grades and without ``failed`` no model was asked: the case decides by itself.
    """

    measures: Mapping[str, float | None]
    grades: Grades | None = None
    failed: str | None = None
    reply: str | None = None
    usage: Usage | None = None
    milliseconds: float | None = None

    def row(self) -> dict[str, Any]:
        """What a run file keeps of it, apart from the measures."""
        if self.milliseconds is None:
            return {"judge": None, "judge_failed": None}
        return {
            "judge": {
                "grades": self.grades.model_dump() if self.grades else None,
                "reply": self.reply,
                "usage": self.usage.model_dump() if self.usage else None,
                "latency_ms": self.milliseconds,
            },
            "judge_failed": self.failed,
        }


def measures(value: float | None) -> dict[str, float | None]:
    """The same value for each measure of the judge."""
    return {f"judged_{aspect}": value for aspect in ASPECTS}


class LanguageModelJudge:
    """Grades answers with a language model, one call an answer."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._prompt = load_prompt("judge", "nonce", "data")

    @property
    def identity(self) -> dict[str, str]:
        """What the grades depend on: the model's name and the digest of the prompt."""
        return {"model": self._model.name, "prompt": self._prompt.digest}

    def prepare(self) -> None:
        """Ask the model for a word; raises the ModelError that every question would meet.

        Its few tokens belong to no case and are in no figure.
        """
        self._model.complete(READY)

    def judge(self, case: Case, answer: Answer) -> Judgement:
        """Grade an answer in fractions of 1.

        None for unanswerable questions: abstention has measures of its own. An abstention from an
        answerable one is neither relevant nor complete, and there is nothing to be faithful in it.
        No model is asked for either. A call that fails is a failure of the judge too.
        """
        if not case.answerable:
            return Judgement(measures(None))
        if answer.abstained:
            return Judgement({**measures(0.0), "judged_faithfulness": None})
        began = time.perf_counter()
        try:
            reply = self._model.complete(self.messages(case, answer), schema=SCHEMA)
        except ModelError as error:
            return Judgement(measures(0.0), failed=str(error), milliseconds=since(began))
        took = since(began)
        try:
            grades = read_grades(reply.text)
        except ValueError as error:
            reason = "the reply was cut off" if reply.cut_off else f"unreadable reply: {error}"
            return Judgement(
                measures(0.0),
                failed=reason,
                reply=reply.text[:_KEPT],
                usage=reply.usage,
                milliseconds=took,
            )
        fractions = {f"judged_{aspect}": getattr(grades, aspect).grade / TOP for aspect in ASPECTS}
        return Judgement(fractions, grades, usage=reply.usage, milliseconds=took)

    def messages(self, case: Case, answer: Answer) -> list[dict[str, str]]:
        """What the model is sent: orders in one message, data in another."""
        conversation = [turn.model_dump() for turn in case.history]
        data = {
            **({"conversation": conversation} if conversation else {}),
            "question": case.question,
            "accepted_answers": list(case.answers),
            "answer": [f"{s.marker} {s.marked}".strip() for s in answer.sentences],
            "passages": _passages(answer),
        }
        return self._prompt.over(as_data([data]))


def _passages(answer: Answer) -> list[dict[str, Any]]:
    """For each mark where it leads and the passages that its quotes stand in, whole.

    A quote alone may lack what it refers to; a quote that no passage holds stands for itself.
    """
    texts: dict[int, dict[str, None]] = {}
    places: dict[int, str] = {}
    for citation in answer.citations:
        places.setdefault(citation.number, citation.place)
        texts.setdefault(citation.number, {})[_around(citation, answer)] = None
    return [{"mark": n, "place": places[n], "texts": list(texts[n])} for n in sorted(texts)]


def _around(citation: Citation, answer: Answer) -> str:
    for passage in answer.passages:
        chunk = passage.chunk
        same = chunk.document_id == citation.document_id
        if same and chunk.start <= citation.start and citation.end <= chunk.end:
            return chunk.text
    return citation.quote


def read_grades(text: str) -> Grades:
    """Read the grades of a reply that is one JSON object, in a fence or not, and nothing else.

    Raises ValueError with what is wrong. Words around the object are refused: what a model says
    beside its grades may well take them back.
    """
    text = text.strip()
    fenced = _FENCE.fullmatch(text)
    try:
        return Grades.model_validate_json(fenced[1] if fenced else text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


# A whole run


def total(usages: Iterable[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """The sum of what models reported; None of nothing."""
    known = [usage for usage in usages if usage]
    if not known:
        return None
    costs = [usage["cost"] for usage in known if usage["cost"] is not None]
    return {
        "input_tokens": sum(usage["input_tokens"] for usage in known),
        "output_tokens": sum(usage["output_tokens"] for usage in known),
        "cached_tokens": _counted(known, "cached_tokens"),
        "reasoning_tokens": _counted(known, "reasoning_tokens"),
        "cost": round(sum(costs), 6) if costs else None,
        "currency": _all_of(known, "currency"),
        "prices": _all_of(known, "prices"),
    }


def _counted(usages: Sequence[Mapping[str, Any]], name: str) -> int | None:
    counts = [usage[name] for usage in usages if usage.get(name) is not None]
    return sum(counts) if counts else None


def _all_of(usages: Sequence[Mapping[str, Any]], name: str) -> str | None:
    """What they say, each once; older runs do not say it."""
    return ", ".join(dict.fromkeys(filter(None, (usage.get(name) for usage in usages)))) or None


def summary(rows: Sequence[Result], *, ran: bool) -> dict[str, Any]:
    """What a run's summary says of the judge; None throughout if there was none."""
    judged = [row for row in rows if row.get("judge")]
    failures = [
        {"id": row["id"], "reason": row["judge_failed"]} for row in judged if row["judge_failed"]
    ]
    return {
        "judge_failed": failures if ran else None,
        "judge_usage": total(row["judge"]["usage"] for row in judged),
        "judge_agreement": _agreement(judged),
    }


def _agreement(judged: Sequence[Result]) -> dict[str, Any] | None:
    """How far the judge's grades agree with people's, by aspect; None without labels."""
    labelled = {
        aspect: [r for r in judged if (r.get("human_labels") or {}).get(aspect) is not None]
        for aspect in ASPECTS
    }
    return {name: _agreement_on(name, rows) for name, rows in labelled.items() if rows} or None


def _agreement_on(aspect: str, rows: Sequence[Result]) -> dict[str, Any]:
    """Rank correlation, share of equal grades and mean absolute difference.

    A reply that could not be read has no grade to compare: it is counted in ``failed``.
    """
    graded = [row for row in rows if row["judge"]["grades"]]
    humans = np.array([row["human_labels"][aspect] for row in graded])
    judges = np.array([row["judge"]["grades"][aspect]["grade"] / TOP for row in graded])
    same = np.round(humans * TOP) == np.round(judges * TOP)
    return {
        "n": len(graded),
        "failed": len(rows) - len(graded),
        "spearman": _spearman(humans, judges),
        "exact": round(float(same.mean()), 4) if graded else None,
        "mean_difference": round(float(np.abs(humans - judges).mean()), 4) if graded else None,
    }


def _spearman(one: Array, other: Array) -> float | None:
    if len(one) < 3 or not (np.ptp(one) and np.ptp(other)):
        return None  # one value alone has no order
    from scipy.stats import spearmanr

    return round(float(spearmanr(one, other).statistic), 4)
