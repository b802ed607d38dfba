"""Hard questions in parts: what has to be looked up, so that each part brings its own evidence.

Only a question that looks like several is sent to the model; the others are looked up as they are.
A part may need the answer of an earlier one: ``#1`` stands for what the documents say to the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rag.answer.question import understand
from rag.errors import ModelError
from rag.models.chat import LanguageModel
from rag.prompts import as_data, load_prompt
from rag.text.numbers import numbers
from rag.text.replies import spoken
from rag.text.terms import names
from rag.types import Passage, PlannedRequest, Usage

MOST = 4
"""Parts of a question at most."""

DEPTH = 3
"""Parts that build on each other at most."""

_TOKENS = 300
_LONGEST = 300  # characters of a part
_FILLED = 200  # characters of an answer that is put into a later part
_BULLET = re.compile(r"^\s*(?:[-*•]|[#(]?\d{1,2}[.):])\s*")
_SLOT = re.compile(r"#(\d{1,2})\b")
# Another question behind an "and", or a thing that is named only by what it does or has.
_SEVERAL = re.compile(
    r"\b(?:and|or|und|oder|y|et)\s+(?:how|what|when|where|which|who|why|does|do|is|are|can|wie|was|"
    r"wann|wo|welche\w*|wer|cómo|qué|cuándo|dónde|comment|quand|où|quel\w*)\b"
    r"|\b(?:both|each of|respectively|compared? (?:to|with)|versus|vs\.?|differ\w*|"
    r"more than|less than|cheaper|longer|shorter|faster|slower|unterschied|diferencia|différence)\b"
    r"|\b(?:of|for|in|by|from) the (?:\w+ ){1,3}"
    r"(?:(?:that|which|who|whose|where)\b|with the (?:\w+est|most|least)\b)"
    r"|\?.+\?",
    re.IGNORECASE | re.DOTALL,
)


def compound(question: str) -> bool:
    """Tell whether a question looks as if it had to be looked up in parts.

    >>> compound("Is the Family plan cheaper than the Pro plan?")
    True
    """
    return understand(question).wants == "comparison" or bool(_SEVERAL.search(question))


class Parts(NamedTuple):
    """Two to four questions, or none; ``usage`` is None where no model was asked."""

    questions: tuple[str, ...] = ()
    usage: Usage | None = None


class Decomposer:
    """Asks the model for the parts. Threads may share it."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._prompt = load_prompt("parts", "nonce", "data")

    def messages(self, question: str) -> list[dict[str, str]]:
        """Return what is sent."""
        return self._prompt.over(as_data([{"question": question}]))

    def planned(self, question: str) -> PlannedRequest | None:
        """The request that ``parts`` would send. Nothing is sent."""
        why = "the parts of the question, each of which is looked up; then, if it has none,"
        return self._model.planned(why, self.messages(question), max_tokens=_TOKENS, streamed=False)

    def parts(self, question: str) -> Parts:
        """The parts of a question, none where it is better looked up as it is.

        ``filled`` puts the answers of earlier parts into those that need them.

        A model that cannot be asked is no reason to fail here: the answer will say so.
        """
        if not compound(question):
            return Parts()
        try:
            reply = self._model.complete(self.messages(question), max_tokens=_TOKENS)
        except ModelError:
            return Parts()
        found = () if reply.cut_off else read(spoken(reply.text), question)
        return Parts(found, reply.usage)


def read(text: str, question: str) -> tuple[str, ...]:
    """The parts of a reply; none if they bring in what the question does not name."""
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines()]
    lines = [line for line in lines if any(c.isalnum() for c in line)]
    found = list(dict.fromkeys(lines))
    if not 2 <= len(found) <= MOST or any(len(line) > _LONGEST for line in found):
        return ()
    if any(map(_SLOT.search, found)) and (
        len(found) < len(lines) or _SLOT.search(question) or not _in_order(found)
    ):
        return ()  # what the marks stand for cannot be told
    known = question.casefold()
    for line in (_SLOT.sub("", line) for line in found):
        if not numbers(line) <= numbers(question):
            return ()
        if any(name not in known for name in names(line)):
            return ()
    return tuple(found)


def _in_order(parts: Sequence[str]) -> bool:
    """Tell whether every part needs earlier ones only, and no more of them in a row than may be."""
    depths: list[int] = []
    for part in parts:
        needed = _needed(part)
        if not all(0 <= n < len(depths) for n in needed):
            return False
        depths.append(1 + max((depths[n] for n in needed), default=0))
    return max(depths) <= DEPTH


def _needed(part: str) -> list[int]:
    return [int(number) - 1 for number in _SLOT.findall(part)]


def filled(part: str, answers: Sequence[str]) -> str:
    """Return a part with the answers of earlier parts in place; empty if one of them is."""
    if not all(answers[n] for n in _needed(part)):
        return ""
    return _SLOT.sub(lambda slot: answers[int(slot[1]) - 1], part)


def answer_in(passages: Sequence[Passage], threshold: float) -> str:
    """Return what passages that were read for a part say to it, as short as they do.

    Empty where the reader is less sure than ``threshold``: a later part would be led astray.
    """
    read = [(p.reading.no_answer, n) for n, p in enumerate(passages) if p.reading]
    if not read or 1 - min(read)[0] < threshold:
        return ""
    passage = passages[min(read)[1]]
    assert passage.reading is not None
    spans = passage.reading.answers[:1] or sorted(passage.reading.sentences, key=lambda s: -s[2])
    said = " ".join(passage.chunk.text[spans[0][0] : spans[0][1]].split()) if spans else ""
    return said.rstrip(".!?")[:_FILLED]


def together(found: Sequence[Sequence[Passage]], k: int) -> list[Passage]:
    """The passages of all parts in turns, each once: every part has its best in front."""
    merged: dict[str, Passage] = {}
    longest = max(map(len, found), default=0)
    for rank in range(longest):
        for passages in found:
            if rank < len(passages):
                merged.setdefault(passages[rank].chunk.id, passages[rank])
    return list(merged.values())[:k]
