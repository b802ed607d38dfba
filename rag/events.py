"""The steps of an answer that is streamed, and the stream that can be stopped on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal

from rag.types import SCHEMA, Answer, Clarification, Passage, Sentence, Value


class Event(Value):
    """One step of a streamed answer.

    ``passages`` come first. A ``clarification`` may come next: what to ask back. A ``token`` is
    provisional ``text`` of a language model, with its own marks. A ``sentence`` is final, in
    reading order, with its citations and verdict; it stands for the provisional text up to
    ``place``.
    ``sentence_withdrawn`` says that the provisional ``text`` that ends there is not part of the
    answer. ``answer`` is the whole: its sentences are those of the events. If the model failed on
    the way, it has the part that holds, and its ``problems`` say so; the ModelError comes after it.
    """

    kind: Literal["passages", "clarification", "token", "sentence", "sentence_withdrawn", "answer"]
    passages: tuple[Passage, ...] = ()
    text: str = ""
    sentence: Sentence | None = None
    place: int = 0
    answer: Answer | None = None
    clarification: Clarification | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the event as one JSON object with the ``schema`` version."""
        body: dict[str, Any] = {"schema": SCHEMA, "kind": self.kind}
        match self.kind:
            case "passages":
                body["passages"] = [p.model_dump(mode="json") for p in self.passages]
            case "clarification" if self.clarification:
                body["clarification"] = self.clarification.model_dump(mode="json")
            case "token":
                body["text"] = self.text
            case "sentence" if self.sentence:
                body |= {"sentence": self.sentence.model_dump(mode="json"), "place": self.place}
            case "sentence_withdrawn":
                body |= {"text": self.text, "place": self.place}
        if self.answer:
            body["answer"] = self.answer.to_json()
        return body


class AnswerStream(Iterator[Event]):
    """The events of one answer. ``stop`` ends it early with what there is, e.g. after Ctrl-C."""

    def __init__(
        self, events: Generator[Event, None, None], partial: Callable[[], Answer | None]
    ) -> None:
        self.answer: Answer | None = None
        self._events = events
        self._partial = partial

    def __iter__(self) -> AnswerStream:
        return self

    def __next__(self) -> Event:
        event = next(self._events)
        self.answer = event.answer or self.answer
        return event

    def close(self) -> None:
        """Stop; a model that is still writing is hung up on."""
        self._events.close()

    def stop(self) -> Answer | None:
        """Stop and return the answer: the whole, or of a part the sentences that hold.

        None if there is no such sentence yet.
        """
        self.close()
        if self.answer is None:
            self.answer = self._partial()
        return self.answer
