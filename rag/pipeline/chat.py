"""A conversation over one pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from rag.events import AnswerStream
from rag.pipeline.answering import Answering, whole
from rag.pipeline.searching import filter_of, question_of
from rag.sessions import turns_of
from rag.types import Answer, Turn

if TYPE_CHECKING:
    from rag.pipeline.pipeline import Pipeline
    from rag.sessions import Session


class Chat:
    """A conversation: every question is asked with what was said before it.

    With a ``session`` (``rag.sessions``) every turn is kept on disk; one that was kept goes on.
    With ``ask_back`` a question that has several answers of one kind gets the question which one is
    meant in place of an answer, never twice in a row; without, it gets both. A reply that names one
    ("the second", or its name) is answered as the question about that one.
    """

    def __init__(
        self, pipeline: Pipeline, session: Session | None = None, *, ask_back: bool = False
    ) -> None:
        self.pipeline = pipeline
        self.session = session
        self.ask_back = ask_back
        self.answers: list[Answer] = list(session.answers) if session else []
        self.history: list[Turn] = [turn for answer in self.answers for turn in turns_of(answer)]

    def ask(self, question: str, **filters: Any) -> Answer:
        """Answer a question or a follow-up and remember both."""
        answer = whole(self.stream(question, **filters))
        self.remember(answer)
        return answer

    def stream(
        self,
        question: str,
        *,
        where: Mapping[str, Any] | None = None,
        after: date | None = None,
        before: date | None = None,
    ) -> AnswerStream:
        """Return the steps of an answer; ``remember`` it, whole or stopped, to go on from there."""
        from rag.answer.clarify import meant

        question = question_of(question, self.pipeline.settings.answer)
        last = self.answers[-1].clarification if self.answers else None
        waiting = last is not None and self.answers[-1].abstained
        return Answering(
            self.pipeline._stages,
            question,
            filter_of(where, after, before),
            tuple(self.history),
            meant(last, question, open_ended=waiting) if last else None,
            self.ask_back and not waiting,
        ).stream()

    def remember(self, answer: Answer) -> None:
        """Add an answer, streamed perhaps, to the conversation. Raises StoreError."""
        self.history += turns_of(answer)
        self.answers.append(answer)
        if self.session is not None:
            self.session.add(answer)
