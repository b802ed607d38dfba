"""Quoted sentences said in a language model's words, each only where it says what its quote says.

The quote stays wherever that cannot be shown, so even the smallest model can do no harm: what it
writes is held against its quote in both directions, and has to keep every figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rag.answer.citations import evidence_of
from rag.answer.llm.request import sanitized
from rag.errors import ModelError
from rag.models.chat import LanguageModel
from rag.prompts import load_prompt
from rag.text.numbers import numbers
from rag.text.replies import other_language, spoken
from rag.text.terms import names
from rag.types import PlannedRequest, Sentence, Usage, Verdict

if TYPE_CHECKING:
    from rag.protocols import Checker

_LONGEST = 600  # characters of a quote that is said again; more is a table or a page run together
_LONGER = 1.6  # times as long as its quote that a sentence may be, and
_SLACK = 60  # so many characters
_SAME_FROM = 0.75
"""Support in both directions from which two sentences say the same.

A small model's sentences went wrong under it ("reached the customer in 2024" for "pay the 2024
price"); of adversarial pairs (PAWS-X, English) .48 of those that say the same are above it, and of
what is above it .70 say the same.
"""


class Reworded(NamedTuple):
    """What is shown for a sentence: the sentence itself where the model did not do better."""

    sentence: Sentence
    usage: Usage | None = None
    problem: str = ""


class Reworder:
    """Has a model say quoted sentences. Threads may share it.

    ``shown_from`` is the support that a sentence needs from its quote.
    """

    def __init__(self, model: LanguageModel, checker: Checker, *, shown_from: float) -> None:
        self.name = model.name
        self._model = model
        self._checker = checker
        self._shown_from = shown_from
        self._prompt = load_prompt("reword", "question", "note")

    def messages(self, question: str, sentence: Sentence) -> list[dict[str, str]]:
        """Return what is sent for one sentence."""
        note = " ".join(sentence.shown.split())
        return self._prompt.messages(question=sanitized(question), note=sanitized(note))

    def planned(self, question: str, sentence: Sentence) -> PlannedRequest | None:
        """The request that ``reword`` would send, which is not sent; None if it would send none."""
        if not _sayable(sentence):
            return None
        messages = self.messages(question, sentence)
        return self._model.planned(
            "a quote, to be said in other words",
            messages,
            max_tokens=_tokens(sentence),
            streamed=False,
        )

    def reword(self, question: str, sentence: Sentence) -> Reworded:
        """The sentence in the model's words, with its citations; itself where they do not hold.

        Lists, code and what is very long stay as they are. A model that cannot be asked is a
        problem and no error: the quote answers.
        """
        if not _sayable(sentence):
            return Reworded(sentence)
        try:
            reply = self._model.complete(
                self.messages(question, sentence), max_tokens=_tokens(sentence)
            )
        except ModelError as error:
            return Reworded(sentence, problem=f"quoted word for word: {error}")
        said = " ".join(spoken(reply.text).split()).strip('"“”')
        if reply.cut_off or not self._fits(said, sentence, question):
            return Reworded(sentence, reply.usage)
        verdict = self._same(said, sentence)
        if verdict is None:
            return Reworded(sentence, reply.usage)
        start = said.casefold().find(sentence.highlighted.casefold())
        told = {
            "text": said,
            "subject": "",
            "verdict": verdict,
            "highlight": (start, start + len(sentence.highlighted))
            if sentence.highlight and start >= 0
            else None,
        }
        return Reworded(sentence.model_copy(update=told), reply.usage)

    def _fits(self, said: str, sentence: Sentence, question: str) -> bool:
        """Whether it can be the same: a whole sentence with the same figures and no new names."""
        quote = sentence.shown
        return (
            said.endswith((".", "!", "。", "！"))
            and said != quote
            and len(said) <= _LONGER * len(quote) + _SLACK
            and numbers(said) == numbers(quote)
            and names(said) <= names(f"{question} {sentence.citations[0].place} {quote}")
            and not other_language(quote, said)
        )

    def _same(self, said: str, sentence: Sentence) -> Verdict | None:
        """The verdict where quote and sentence bear each other out, else None."""
        there, back = self._checker.check(
            [said, sentence.text], [evidence_of(sentence.citations), [said]]
        )
        same = _holds(there, max(_SAME_FROM, self._shown_from)) and _holds(back, _SAME_FROM)
        return there if same else None


def _sayable(sentence: Sentence) -> bool:
    return sentence.kind not in ("code", "step") and len(sentence.text) <= _LONGEST


def _tokens(sentence: Sentence) -> int:
    return 32 + len(sentence.shown) // 2


def _holds(verdict: Verdict, least: float) -> bool:
    return verdict.label == "supported" and (verdict.support or 0.0) >= least
