"""Passages in the order in which a language model would read them: one request for the whole list.

What comes back is only ever an order of what was given. A passage that asks for a better place can
at worst get it; it cannot add, change or remove another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rag.errors import ModelError
from rag.models.chat import LanguageModel
from rag.prompts import as_data, load_prompt
from rag.text.replies import spoken
from rag.types import Passage, PlannedRequest, Usage

DEPTH = 20
"""Passages that are shown to the model; those behind keep their order."""

_SHOWN = 1000  # characters of a passage
_NUMBER = re.compile(r"\d+")
_TOKENS = 6  # of the reply for each passage
_FREE = 200
_NOT_ORDERED = "the passages are in the order of retrieval, not that of the model"


Row = Callable[[int, Passage, str], Mapping[str, Any]]
"""Number, passage and question to what is sent: ``passage``, ``source`` and ``text``."""


class Ranking(NamedTuple):
    """Passages, best first. ``problem`` says why the order is not the model's, if it is not.

    ``usage`` is what the model cost; None where none was asked.
    """

    passages: list[Passage]
    usage: Usage | None = None
    problem: str | None = None


class LanguageModelReranker:
    """A ``Reranker`` that asks the model once for each question. Threads may share it.

    ``row`` makes what is sent of a passage, or rather of the beginning of its text. Passages that
    do not fit into the model's window keep their order behind the others.
    """

    def __init__(self, model: LanguageModel, *, depth: int = DEPTH, row: Row | None = None) -> None:
        self.name = f"{model.name}, listwise"
        self._model = model
        self._depth = max(1, depth)
        self._row = row or _row
        self._prompt = load_prompt("rerank", "nonce", "data")

    def rerank(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """Return at most ``k`` of the passages, best first; the score is a place, not a measure.

        Raises ModelError. A reply that names none of them leaves their order.
        """
        return _in_order(passages, self._asked(question, passages)[0], k)

    def rank(self, question: str, passages: Sequence[Passage], k: int) -> Ranking:
        """Do the same; a model that fails or names none leaves the passages as they came."""
        try:
            first, usage = self._asked(question, passages)
        except ModelError as error:
            return Ranking(list(passages[:k]), problem=f"{_NOT_ORDERED}: {error}")
        if usage and not first:
            problem = f"{_NOT_ORDERED}: {self._model.name} named none of them"
            return Ranking(list(passages[:k]), usage, problem)
        return Ranking(_in_order(passages, first, k), usage)

    def _asked(self, question: str, passages: Sequence[Passage]) -> tuple[list[int], Usage | None]:
        """The places that the model names, best first; no usage where it was not asked."""
        messages, shown = self.messages(question, passages)
        if shown < 2:
            return [], None
        reply = self._model.complete(messages, max_tokens=reply_tokens(shown))
        return read(spoken(reply.text), shown), reply.usage

    def planned(self, question: str, passages: Sequence[Passage]) -> PlannedRequest | None:
        """Return the request that would be sent; None for none."""
        messages, shown = self.messages(question, passages)
        if shown < 2:
            return None
        why = f"the order of {shown} passages, which it holds"
        return self._model.planned(why, messages, max_tokens=reply_tokens(shown), streamed=False)

    def messages(
        self, question: str, passages: Sequence[Passage]
    ) -> tuple[list[dict[str, str]], int]:
        """Return what is sent, and how many of the passages are in it."""
        asked = {"question": question}
        count = self._model.window.count
        around = self._prompt.parts[0][1] + self._prompt.parts[1][1] + as_data([asked])
        room = self._model.window.tokens - _FREE - count(around)
        rows = []
        for number, passage in enumerate(passages[: self._depth], 1):
            row = dict(self._row(number, passage, question))
            row["text"] = row["text"][:_SHOWN]
            room -= count(as_data([row])) + _TOKENS
            if room < 0:
                break
            rows.append(row)
        return self._prompt.over(as_data([*rows, asked])), len(rows)


def _in_order(passages: Sequence[Passage], first: Sequence[int], k: int) -> list[Passage]:
    """Put those at the places ``first`` in front; the others keep their order behind them."""
    order = dict.fromkeys([*first, *range(len(passages))])
    ranked = []
    for rank, place in enumerate(list(order)[:k]):
        score = 1 - rank / len(order)
        scores = {**passages[place].scores, "rerank": score}
        ranked.append(passages[place].model_copy(update={"score": score, "scores": scores}))
    return ranked


def _row(number: int, passage: Passage, _question: str) -> dict[str, Any]:
    return {"passage": number, "source": passage.place, "text": passage.chunk.text}


def reply_tokens(shown: int) -> int:
    """Return how long a reply about so many passages may be."""
    return max(64, _TOKENS * shown)


def read(text: str, count: int) -> list[int]:
    """The places from 0 that a reply names, each once; what is out of range is left out."""
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
