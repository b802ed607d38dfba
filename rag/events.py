"""The steps of an answer that is streamed, and the stream that can be stopped on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event as Flag
from threading import RLock
from typing import Any, Literal

from rag.errors import ModelError
from rag.types import SCHEMA, Answer, Clarification, Passage, Sentence, Value

_SAID = {
    "passages": ["passages"],
    "clarification": ["clarification"],
    "token": ["text"],
    "sentence": ["sentence", "place"],
    "sentence_withdrawn": ["text", "place"],
    "answer": [],
}  # of each kind of event, the fields beside the answer


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
        """One JSON object with the ``schema`` version and what goes with the kind."""
        said = self.model_dump(mode="json", include={"kind", *_SAID[self.kind]})
        answer = {"answer": self.answer.to_json()} if self.answer else {}
        return {"schema": SCHEMA, **said, **answer}


class Stopping:
    """A wish to stop, for any thread to have, and what is done at once then.

    Whoever waits for bytes gives the call that ends the wait, as a flag would be seen too late.
    """

    def __init__(self) -> None:
        self._flag = Flag()
        self._lock = RLock()  # a handler of signals may come in between
        self._calls: list[Callable[[], object]] = []

    def set(self) -> None:
        """Stop."""
        self._flag.set()
        with self._lock:
            calls = [*self._calls]
        for call in calls:
            call()

    def is_set(self) -> bool:
        """Tell whether to stop."""
        return self._flag.is_set()

    def wait(self, seconds: float) -> bool:
        """Pause, no longer than until it is set; tell whether it is."""
        return self._flag.wait(seconds)

    @contextmanager
    def calling(self, call: Callable[[], object]) -> Iterator[None]:
        """Have something called, perhaps twice, if it is set meanwhile or was before."""
        with self._lock:
            self._calls.append(call)
        try:
            if self.is_set():
                call()
            yield
        finally:
            with self._lock:
                self._calls.remove(call)


STOPPING: ContextVar[Stopping | None] = ContextVar("stopping", default=None)
"""What stops the answer that this thread is working on; None where nothing does."""


class AnswerStream(Iterator[Event]):
    """The events of one answer. ``stop`` ends it early with what there is, e.g. after Ctrl-C.

    It may be stopped from any thread, while another one iterates over it: that one's loop ends.
    """

    def __init__(
        self, events: Generator[Event, None, None], partial: Callable[[], Answer | None]
    ) -> None:
        self.answer: Answer | None = None
        self._events = events
        self._partial = partial
        self._stopping = Stopping()
        self._turn = RLock()  # a generator runs in one thread at a time
        self._running = False

    def __iter__(self) -> AnswerStream:
        return self

    def __next__(self) -> Event:
        with self._turn:
            if self._stopping.is_set():
                raise StopIteration
            token, self._running = STOPPING.set(self._stopping), True
            try:
                event = next(self._events)
            except ModelError:
                if self._stopping.is_set():
                    raise StopIteration from None
                raise
            finally:
                self._running = False
                STOPPING.reset(token)
            self.answer = event.answer or self.answer
            if self._stopping.is_set():
                raise StopIteration
            return event

    def close(self) -> None:
        """Stop; a model that is still writing is hung up on."""
        self._stopping.set()
        with self._turn:
            if not self._running:  # it is where a handler of signals calls this
                self._events.close()

    def stop(self) -> Answer | None:
        """Stop and return the answer: the whole, or of a part the sentences that hold.

        None if there is no such sentence yet. It waits for the thread that iterates to let go.
        """
        self.close()
        with self._turn:
            if self.answer is None and not self._running:
                self.answer = self._partial()
            return self.answer
