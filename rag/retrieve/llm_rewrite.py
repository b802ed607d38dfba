"""Follow-up questions to standalone ones, by a language model that is held to the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from rag.errors import ModelError
from rag.models.chat import LanguageModel
from rag.prompts import as_data, load_prompt
from rag.protocols import Rewriter
from rag.text.numbers import numbers
from rag.text.replies import spoken
from rag.text.terms import names
from rag.types import Turn, Usage

_TURNS = 6
_SHOWN = 1200  # characters of a turn
_LONGER = 300  # characters that a standalone question may have more than the question
_TOKENS = 200


class Standalone(NamedTuple):
    """A question that stands on its own; ``usage`` is None where no model replied."""

    question: str
    usage: Usage | None = None


class LanguageModelRewriter:
    """Asks the model; what it adds must come from the conversation, or the rules decide.

    Threads may share it.
    """

    def __init__(self, model: LanguageModel, rules: Rewriter) -> None:
        self._model = model
        self._rules = rules
        self._prompt = load_prompt("rewrite", "nonce", "data")

    def rewrite(self, history: Sequence[Turn], question: str) -> str:
        """The standalone question; with an empty history, the question unchanged."""
        return self.standalone(history, question).question

    def standalone(self, history: Sequence[Turn], question: str) -> Standalone:
        """Return it with what it cost.

        A model that cannot be asked is no reason to fail: the rules need none.
        """
        usage = None
        with suppress(ModelError):
            if history:
                messages = self.messages(history, question)
                reply = self._model.complete(messages, max_tokens=_TOKENS)
                usage, said = reply.usage, _line(spoken(reply.text))
                if not reply.cut_off and _faithful(said, question, history):
                    return Standalone(said, usage)
        return Standalone(self._rules.rewrite(history, question), usage)

    def messages(self, history: Sequence[Turn], question: str) -> list[dict[str, str]]:
        """Return what is sent."""
        turns = [{"role": t.role, "text": t.text[:_SHOWN]} for t in history[-_TURNS:]]
        return self._prompt.over(as_data([{"conversation": turns, "question": question}]))


def _line(text: str) -> str:
    """The one line of a reply without quotes around it; empty if there are several."""
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
