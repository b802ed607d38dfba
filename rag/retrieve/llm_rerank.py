"""Passages in the order in which a language model would read them: one request for the whole list.

What comes back is only ever an order of what was given. A passage that asks for a better place can
at worst get it; it cannot add, change or remove another.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence

from rag.models.chat import Completing
from rag.prompts import as_data, load_prompt, spoken
from rag.text.tokens import estimate_tokens
from rag.types import Passage, Usage, digest_of

DEPTH = 20
"""Passages that are shown to the model; those behind keep their order."""

_SHOWN = 1000  # characters of a passage
_NUMBER = re.compile(r"\d+")
_TOKENS = 6  # of the reply for each passage
_FREE = 200


class LanguageModelReranker:
    """A ``Reranker`` that asks the model once for each question. Threads may share it.

    ``context_tokens`` bounds what is sent; passages that do not fit keep their order behind the
    others. ``usage`` is what the latest call of this thread cost. ``rerank`` raises ModelError.
    """

    def __init__(
        self, model: Completing, *, depth: int = DEPTH, context_tokens: int = 8192
    ) -> None:
        self.name = f"{model.name}, listwise"
        self._model = model
        self._depth = max(1, depth)
        self._context = context_tokens
        self._prompt = load_prompt("rerank", "nonce", "data")
        self._own = threading.local()

    @property
    def usage(self) -> Usage | None:
        """What the latest call of this thread cost; None if nothing was sent."""
        return getattr(self._own, "usage", None)

    def rerank(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """Return at most ``k`` of the passages, best first; the score is a place, not a measure."""
        self._own.usage = None
        order = list(range(len(passages)))
        messages, shown = self.messages(question, passages)
        if shown > 1:
            reply = self._model.complete(messages, max_tokens=max(64, _TOKENS * shown))
            self._own.usage = reply.usage
            first = read(spoken(reply.text), shown)
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

    def messages(
        self, question: str, passages: Sequence[Passage]
    ) -> tuple[list[dict[str, str]], int]:
        """Return what is sent, and how many of the passages are in it."""
        asked = {"question": question}
        room = (
            self._context
            - _FREE
            - estimate_tokens(
                self._prompt.parts[0][1] + self._prompt.parts[1][1] + as_data([asked])
            )
        )
        rows = []
        for number, passage in enumerate(passages[: self._depth], 1):
            text = passage.chunk.text[:_SHOWN]
            row = {"passage": number, "source": passage.place, "text": text}
            room -= estimate_tokens(as_data([row])) + _TOKENS
            if room < 0:
                break
            rows.append(row)
        data = as_data([*rows, asked])
        nonce = digest_of(self._prompt.digest, data)[:16]
        return self._prompt.messages(nonce=nonce, data=data), len(rows)


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
