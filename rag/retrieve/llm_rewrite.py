"""Follow-up questions to standalone ones, by a language model that is held to the conversation."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from rag.errors import ModelError
from rag.models.chat import Completing
from rag.prompts import as_data, load_prompt, spoken
from rag.protocols import Rewriter
from rag.text.numbers import numbers
from rag.text.terms import names
from rag.types import Turn, Usage, digest_of

_TURNS = 6
_SHOWN = 1200  # characters of a turn
_LONGER = 300  # characters that a standalone question may have more than the question
_TOKENS = 200


class LanguageModelRewriter:
    """Asks the model; what it adds must come from the conversation, or the rules decide.

    Threads may share it. ``usage`` is what the latest call of this thread cost.
    """

    def __init__(self, model: Completing, rules: Rewriter) -> None:
        self._model = model
        self._rules = rules
        self._prompt = load_prompt("rewrite", "nonce", "data")
        self._own = threading.local()

    @property
    def usage(self) -> Usage | None:
        """What the latest call of this thread cost; None if nothing was sent."""
        return getattr(self._own, "usage", None)

    def rewrite(self, history: Sequence[Turn], question: str) -> str:
        """Return the standalone question; with an empty history, the question unchanged.

        A model that cannot be asked is no reason to fail: the rules need none.
        """
        self._own.usage = None
        if not history:
            return self._rules.rewrite(history, question)
        try:
            reply = self._model.complete(self.messages(history, question), max_tokens=_TOKENS)
        except ModelError:
            return self._rules.rewrite(history, question)
        self._own.usage = reply.usage
        said = _line(spoken(reply.text))
        if reply.cut_off or not _faithful(said, question, history):
            return self._rules.rewrite(history, question)
        return said

    def messages(self, history: Sequence[Turn], question: str) -> list[dict[str, str]]:
        """Return what is sent."""
        turns = [{"role": t.role, "text": t.text[:_SHOWN]} for t in history[-_TURNS:]]
        row: dict[str, Any] = {"conversation": turns, "question": question}
        data = as_data([row])
        return self._prompt.messages(nonce=digest_of(self._prompt.digest, data)[:16], data=data)


def _line(text: str) -> str:
    """Return the one line of a reply without quotes around it; empty if there are several."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        return ""
    line = lines[0]
    for opening, closing in ('""', "“”", "«»", "''"):
        if len(line) > 2 and line.startswith(opening) and line.endswith(closing):
            return line[1:-1].strip()
    return line


def _faithful(said: str, question: str, history: Sequence[Turn]) -> bool:
    """Tell whether a rewriting is a question of this conversation, without anything new."""
    if not any(c.isalnum() for c in said) or len(said) > len(question) + _LONGER:
        return False
    known = "\n".join([question, *(turn.text for turn in history)])
    lowered = known.casefold()
    invented = [name for name in names(said) if name not in lowered]
    return not invented and numbers(said) <= numbers(known)
