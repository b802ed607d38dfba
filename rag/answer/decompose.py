"""Hard questions in parts: what has to be looked up, so that each part brings its own evidence.

Only a question that looks like several is sent to the model; the others are looked up as they are.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

from rag.answer.questions import understand
from rag.errors import ModelError
from rag.models.chat import ChatModel
from rag.prompts import as_data, load_prompt, spoken
from rag.text.terms import names, numbers
from rag.types import Passage, Usage, digest_of

MOST = 4
"""Parts of a question at most."""

_TOKENS = 300
_LONGEST = 300  # characters of a part
_BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s*")
# Another question behind an "and", or a thing that is named only by what it does or has.
_SEVERAL = re.compile(
    r"\b(?:and|or|und|oder|y|et)\s+(?:how|what|when|where|which|who|why|does|do|is|are|can|wie|was|"
    r"wann|wo|welche\w*|wer|cómo|qué|cuándo|dónde|comment|quand|où|quel\w*)\b"
    r"|\b(?:both|each of|respectively|compared? (?:to|with)|versus|vs\.?|differ\w*|"
    r"more than|less than|cheaper|longer|shorter|faster|slower|unterschied|diferencia|différence)\b"
    r"|\b(?:of|for|in|by|from) the \w+ (?:that|which|who|whose|where)\b"
    r"|\?.+\?",
    re.IGNORECASE | re.DOTALL,
)


def compound(question: str) -> bool:
    """Tell whether a question looks as if it had to be looked up in parts."""
    return understand(question).wants == "comparison" or bool(_SEVERAL.search(question))


class Decomposer:
    """Asks the model for the parts. Threads may share it; ``usage`` is this thread's latest."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model
        self._prompt = load_prompt("parts", "nonce", "data")
        self._own = threading.local()

    @property
    def usage(self) -> Usage | None:
        """What the latest call of this thread cost; None if nothing was sent."""
        return getattr(self._own, "usage", None)

    def messages(self, question: str) -> list[dict[str, str]]:
        """Return what is sent."""
        data = as_data([{"question": question}])
        return self._prompt.messages(nonce=digest_of(self._prompt.digest, data)[:16], data=data)

    def planned(self, question: str) -> dict[str, Any]:
        """Return the body of the request that ``parts`` would send. Nothing is sent."""
        return self._model.planned(self.messages(question), max_tokens=_TOKENS, streamed=False)

    def parts(self, question: str) -> tuple[str, ...]:
        """Return two to four questions, or none where it is better looked up as it is.

        A model that cannot be asked is no reason to fail here: the answer will say so.
        """
        self._own.usage = None
        if not compound(question):
            return ()
        try:
            reply = self._model.complete(self.messages(question), max_tokens=_TOKENS)
        except ModelError:
            return ()
        self._own.usage = reply.usage
        return () if reply.cut_off else read(spoken(reply.text), question)


def read(text: str, question: str) -> tuple[str, ...]:
    """Return the parts of a reply; none if they bring in what the question does not name."""
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines()]
    found = list(dict.fromkeys(line for line in lines if any(c.isalnum() for c in line)))
    if not 2 <= len(found) <= MOST or any(len(line) > _LONGEST for line in found):
        return ()
    known = question.casefold()
    for line in found:
        if not numbers(line) <= numbers(question):
            return ()
        if any(name not in known for name in names(line)):
            return ()
    return tuple(found)


def together(found: Sequence[Sequence[Passage]], k: int) -> list[Passage]:
    """Return the passages of all parts in turns, each once: every part has its best in front."""
    merged: dict[str, Passage] = {}
    longest = max(map(len, found), default=0)
    for rank in range(longest):
        for passages in found:
            if rank < len(passages):
                merged.setdefault(passages[rank].chunk.id, passages[rank])
    return list(merged.values())[:k]
