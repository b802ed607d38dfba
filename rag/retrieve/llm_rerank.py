"""Passages in the order in which a language model would read them: one request for the whole list.

What comes back is only ever an order of what was given. A passage that asks for a better place can
at worst get it; it cannot add, change or remove another.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rag.errors import ModelError
from rag.models.chat import ChatModel, Completing
from rag.prompts import as_data, load_prompt, spoken
from rag.text.tokens import window_of
from rag.types import Passage, Usage, digest_of

DEPTH = 20
"""Passages that are shown to the model; those behind keep their order."""

_SHOWN = 1000  # characters of a passage
_NUMBER = re.compile(r"\d+")
_TOKENS = 6  # of the reply for each passage
_FREE = 200
_NOT_ORDERED = "the passages are in the order of retrieval, not that of the model"


Row = Callable[[int, Passage, str], Mapping[str, Any]]
"""Number, passage and question to what is sent: ``passage``, ``source`` and ``text``."""


class LanguageModelReranker:
    """A ``Reranker`` that asks the model once for each question. Threads may share it.

    ``row`` makes what is sent of a passage, or rather of the beginning of its text.
    ``context_tokens`` bounds what is sent; passages that do not fit keep their order behind the
    others. ``usage`` is what the latest call of this thread cost. ``rerank`` raises ModelError,
    unless ``lenient``: a model that fails then leaves the passages as they came, and ``problem``
    says so.
    """

    def __init__(
        self,
        model: Completing,
        *,
        depth: int = DEPTH,
        context_tokens: int = 8192,
        lenient: bool = False,
        row: Row | None = None,
    ) -> None:
        self.name = f"{model.name}, listwise"
        self._model = model
        self._depth = max(1, depth)
        self._window = window_of(model, context_tokens)
        self._lenient = lenient
        self._row = row or _row
        self._prompt = load_prompt("rerank", "nonce", "data")
        self._own = threading.local()

    @property
    def usage(self) -> Usage | None:
        """What the latest call of this thread cost; None if nothing was sent."""
        return getattr(self._own, "usage", None)

    @property
    def problem(self) -> str | None:
        """Why the latest call of this thread has no order of the model's; None if it has."""
        return getattr(self._own, "problem", None)

    def rerank(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """Return at most ``k`` of the passages, best first; the score is a place, not a measure."""
        self._own.usage = self._own.problem = None
        order = list(range(len(passages)))
        messages, shown = self.messages(question, passages)
        if shown > 1:
            first = self._asked(messages, shown)
            if self.problem and self._lenient:
                return list(passages[:k])
            order = [*first, *(place for place in order if place not in set(first))]
        scores = [1 - rank / len(order) for rank in range(len(order))]
        return [
            passages[place].model_copy(
                update={
                    "score": score,
                    "scores": {**passages[place].scores, "rerank": score},
                }
            )
            for place, score in list(zip(order, scores, strict=True))[:k]
        ]

    def planned(
        self, model: ChatModel, question: str, passages: Sequence[Passage]
    ) -> tuple[str, dict[str, Any]] | None:
        """Return what the request to ``model`` is for, and its body; None for none."""
        messages, shown = self.messages(question, passages)
        if shown < 2:
            return None
        body = model.planned(messages, max_tokens=reply_tokens(shown), streamed=False)
        return f"the order of {shown} passages, which it holds", body

    def _asked(self, messages: list[dict[str, str]], shown: int) -> list[int]:
        """Return the places that the model names, best first."""
        try:
            reply = self._model.complete(messages, max_tokens=reply_tokens(shown))
        except ModelError as error:
            if not self._lenient:
                raise
            self._own.problem = f"{_NOT_ORDERED}: {error}"
            return []
        self._own.usage = reply.usage
        first = read(spoken(reply.text), shown)
        if not first:
            self._own.problem = f"{_NOT_ORDERED}: {self._model.name} named none of them"
        return first

    def messages(
        self, question: str, passages: Sequence[Passage]
    ) -> tuple[list[dict[str, str]], int]:
        """Return what is sent, and how many of the passages are in it."""
        asked = {"question": question}
        count = self._window.count
        around = self._prompt.parts[0][1] + self._prompt.parts[1][1] + as_data([asked])
        room = self._window.tokens - _FREE - count(around)
        rows = []
        for number, passage in enumerate(passages[: self._depth], 1):
            row = dict(self._row(number, passage, question))
            row["text"] = row["text"][:_SHOWN]
            room -= count(as_data([row])) + _TOKENS
            if room < 0:
                break
            rows.append(row)
        data = as_data([*rows, asked])
        nonce = digest_of(self._prompt.digest, data)[:16]
        return self._prompt.messages(nonce=nonce, data=data), len(rows)


def _row(number: int, passage: Passage, _question: str) -> dict[str, Any]:
    return {"passage": number, "source": passage.place, "text": passage.chunk.text}


def reply_tokens(shown: int) -> int:
    """Return how long a reply about so many passages may be."""
    return max(64, _TOKENS * shown)


def read(text: str, count: int) -> list[int]:
    """Return the places from 0 that a reply names, each once; what is out of range is left out."""
    # The last line that has numbers: some models think aloud before it.
    lines = [line for line in text.splitlines() if _NUMBER.search(line)]
    ordered = [line for line in lines if ">" in line] or lines
    said = (
        " ".join(lines)
        if lines and all(len(_NUMBER.findall(x)) == 1 for x in lines)
        else (ordered[-1] if ordered else "")
    )
    places = [int(number) - 1 for number in _NUMBER.findall(said) if len(number) < 6]
    return [place for place in dict.fromkeys(places) if 0 <= place < count]
