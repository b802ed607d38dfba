"""The rows of the evaluation sets: questions on a text, claims with evidence, follow-up questions.

Further fields are extras of the source and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from rag.evaluate.rows import Name, Row, Words, shown
from rag.types import Label, Turn, Value


def _turn(value: Any) -> Any:
    """Leave out what a source adds to a turn, which ``Turn`` itself does not allow."""
    if not isinstance(value, dict):
        return value
    return {field: value[field] for field in Turn.model_fields if field in value}


History = tuple[Annotated[Turn, BeforeValidator(_turn)], ...]
"""The turns before a question, oldest first."""


class QaAnswer(Value):
    """An answer of a QA row; ``start`` is a character position in the context, -1 unknown."""

    model_config = ConfigDict(extra="ignore")

    text: Words
    start: int = Field(default=-1, ge=-1)


class QaRow(Row):
    """A question on one text. ``context[start : start + len(text)] == text`` for each answer.

    An answerable question may come without answers: that there is one is then all that is known.
    """

    model_config = ConfigDict(extra="ignore")

    id: Name
    title: str = ""
    context: Words
    question: Words
    answers: tuple[QaAnswer, ...]
    answerable: bool

    def problems(self) -> Iterator[str]:
        """Yield each answer that is not where it says, and answers to what has none."""
        if self.answers and not self.answerable:
            yield "it has answers although it is not answerable: one of the two is wrong"
        for number, answer in enumerate(self.answers, start=1):
            start, text = answer.start, answer.text
            if start < 0 or self.context.startswith(text, start):
                continue
            place = self.context.find(text)
            found = self.context[start : start + len(text)]
            yield f"answers[{number}] is not at {shown(str(start))} of the context: " + (
                f"there is “{shown(found)}”, and “{shown(text)}” begins at {place}"
                if place >= 0
                else f"“{shown(text)}” is nowhere in it"
            )


class GroundingRow(Row):
    """A claim with its evidence and how far that supports it.

    Rows of one ``group`` share a document or a claim, so they are no independent observations.
    """

    model_config = ConfigDict(extra="ignore")

    id: Name
    evidence: tuple[str, ...] = Field(min_length=1)
    claim: Words
    label: Label
    source: str = ""
    group: Name | None = None

    def problems(self) -> Iterator[str]:
        """Yield that the evidence says nothing, if so."""
        if not any(text.strip() for text in self.evidence):
            yield "evidence is empty"


class RewriteRow(Row):
    """A question as it was said in a conversation, and written so that it stands on its own."""

    model_config = ConfigDict(extra="ignore")

    id: Name
    history: History
    question: Words
    rewrite: Words
