"""Drafts of questions that the documents do not answer, though they are about their subject.

The model's word that there is no answer counts for little: it has seen one passage. Every draft is
looked up, and one that the reader finds answered is left out. What is left is for a person to read.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from rag.errors import QuestionError
from rag.evaluate.lint import Asked
from rag.evaluate.questions import Case
from rag.types import Value

ANSWERED = 0.5
"""Confidence from which a passage answers. Above that of abstention: a set of questions that are
all abstained from already would measure nothing."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "questions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"question": {"type": "string"}},
                "required": ["question"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["questions"],
    "additionalProperties": False,
}


class Unanswerable(Value):
    """A question as it was drafted."""

    question: str = Field(min_length=8, max_length=400)


def read(row: Any) -> Unanswerable | None:
    """Return a row of a reply; None for one of another form."""
    try:
        return Unanswerable.model_validate(row)
    except ValidationError:
        return None


def answered(question: str, pipeline: Asked) -> str:
    """Return why a question seems to be answered after all; empty if nothing answers it."""
    try:
        answer = pipeline.ask(question)
    except QuestionError as error:
        return str(error)
    if answer.confidence < ANSWERED or not answer.passages:
        return ""
    nearest = answer.passages[0].uri
    return f"it seems to be answered (confidence {answer.confidence:.2f}) in {nearest}"


def case(question: str, number: int) -> Case:
    """Return the row of a question."""
    return Case(
        id=f"draft-{number:03}",
        question=question,
        type="unanswerable",
        answers=(),
        answerable=False,
        draft=True,
    )
