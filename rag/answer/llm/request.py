"""What a language model is sent for an answer: instructions, and passages as data that fit.

A passage is a value in a line of JSON, between two marker lines that depend on all that stands
between them: no passage can end its line, forge a marker or begin another message. What could pose
as a citation mark or as a token of a role is changed, orders to a model and characters that nobody
can see are left out. Quotes are taken from the passage itself afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from rag.answer.injection import asks_about_models, tainted
from rag.answer.llm.citation_marks import neutralise
from rag.errors import SettingsError
from rag.prompts import as_data, list_schema, load_prompt, object_schema
from rag.settings import Style
from rag.text.language import detect
from rag.text.replies import REFUSAL
from rag.text.sentences import sentences
from rag.text.tokens import Window
from rag.types import Passage, Turn

CITED: Mapping[str, Any] = {
    "text": {"type": "string"},
    "citations": list_schema({"type": "integer"}),
}
SCHEMA: Mapping[str, Any] = object_schema(
    answerable={"type": "boolean"}, sentences=list_schema(object_schema(**CITED))
)
"""The form of a JSON reply, for servers that can hold a model to it."""

REPLY_TOKENS: Mapping[Style, int] = {"brief": 256, "normal": 512, "detailed": 1536, "steps": 1024}
"""What is kept free for the reply where ``llm.max_tokens`` is not set."""

LONGEST_REPLY = 1024
"""Tokens at which a server is told to stop, where ``llm.max_tokens`` is not set and a style needs
no more. It is more than is kept free: our counts are high, and a reply that is cut helps nobody."""

_MESSAGE = 8  # tokens that a message costs beside its text
_EASY = 0.75  # of a window: an estimate of so much is no reason to count exactly
_TURNS = 6  # of a conversation at most, and a quarter of the room
_LEFT_OUT = "(left out)"
# Without a glyph, or there to hide others: letters of tags, directions, spaces of no width, and
# variation selectors that do not follow a character of their own. Joiners stay: scripts need them.
_HIDDEN = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
    "|[\U000e0000-\U000e0fff]|(?<=[\ufe00-\ufe0f])[\ufe00-\ufe0f]+"
    "|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)


@dataclass(frozen=True)
class Request:
    """What is sent for one answer: ``messages``, in which the first ``sent`` passages stand.

    ``[1]`` is the first of them. ``tokens`` is an estimate of all messages, ``kept`` are those kept
    free for the reply; ``structured`` says that it is asked for as JSON.
    """

    messages: list[dict[str, str]]
    sent: int
    tokens: int
    kept: int
    structured: bool


class Requests:
    """Makes requests from the prompts, which are read and checked once.

    ``small`` ones are for models that a long instruction is too much for: few words, passages as
    plain text, one worked example, neither the conversation nor JSON. Nothing marks off their data
    from the rest: what a passage talks such a model into fails the check of each sentence.
    """

    def __init__(
        self,
        window: Callable[[], Window],
        style: Style,
        *,
        reply_tokens: int | None = None,
        small: bool = False,
    ) -> None:
        self._window = window
        self._reply = reply_tokens or REPLY_TOKENS[style]
        self._small = load_prompt("answer_small", "refusal", "data") if small else None
        self._prompt = load_prompt("answer", "form", "language", "style", "nonce", "data")
        marks, as_json = load_prompt("answer_marks", "refusal"), load_prompt("answer_json")
        self._forms = {
            False: marks.messages(refusal=REFUSAL)[0]["content"],
            True: as_json.parts[0][1],
        }
        self._style = load_prompt(f"style_{style}").parts[0][1]

    def within(self, tokens: int, name: str) -> Requests:
        """The same for a window of so many tokens, which is bounded by what has this ``name``."""
        advice = "give the model a larger window at its server"
        window = replace(self._window(), tokens=tokens, name=name, advice=advice)
        made = copy(self)
        made._window = lambda: window
        return made

    def make(
        self,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Turn],
        *,
        structured: bool,
    ) -> Request:
        """Return what to send. Passages that do not fit are dropped from the tail.

        Of a first passage that does not fit alone, whole sentences are kept. Raises SettingsError
        if there is no room for as much as that. Where not all fits easily, a server that counts
        tokens is asked to, once.
        """
        asked = {"question": sanitized(question)}
        structured = structured and not self._small
        history = () if self._small else history
        rows = [row_of(n, p, question) for n, p in enumerate(passages, 1)]
        window = self._window()
        turns = _turns(history, window.tokens // 4, window)
        everything = self._messages(question, [*turns, *rows, asked], structured)
        if _estimate(everything, window) + self._reply > _EASY * window.tokens:
            window = window.measured("\n".join(message["content"] for message in everything))
        room = self._room(asked, structured, window)
        turns = _turns(history, room // 4, window)
        room -= _cost(turns, window)
        rows = fitting(rows, room, window)
        if passages and not rows:
            raise SettingsError(
                f"not even a sentence of a passage fits into what {window.name} "
                f"({window.tokens}) leaves beside the question and the reply: {window.advice}"
            )
        messages = self._messages(question, [*turns, *rows, asked], structured)
        tokens = _estimate(messages, window)
        return Request(messages, len(rows), tokens, self._reply, structured)

    def _room(self, asked: Mapping[str, Any], structured: bool, window: Window) -> int:
        """The tokens that are left for passages and conversation."""
        alone = self._messages(asked["question"], [asked], structured)
        needed = _estimate(alone, window) + self._reply
        if needed >= window.tokens:
            raise SettingsError(
                f"the instructions, the question and the reply need about {needed} tokens and "
                f"{window.name} is {window.tokens}: {window.advice}, lower llm.max_tokens, or "
                "ask in fewer words"
            )
        return window.tokens - needed

    def _messages(
        self, question: str, rows: Sequence[Mapping[str, Any]], structured: bool
    ) -> list[dict[str, str]]:
        from babel import Locale

        if self._small:
            return self._small.messages(refusal=REFUSAL, data="\n\n".join(map(_plain, rows)))
        name = Locale("en").languages.get(detect(question)[0] or "")
        known = f", which is {name}" if name else ""
        return self._prompt.over(
            as_data(rows),
            form=self._forms[structured],
            language=f"Write the answer in the language of the question{known}.",
            style=self._style,
        )


def _estimate(messages: Sequence[Mapping[str, str]], window: Window) -> int:
    return sum(window.count(message["content"]) + _MESSAGE for message in messages)


def sanitized(text: str) -> str:
    """Return a text as a model gets it: no marks but ours, nothing that people cannot see."""
    return neutralise(_HIDDEN.sub("", text)).replace(REFUSAL, REFUSAL.lower().replace("_", " "))


def row_of(number: int, passage: Passage, question: str) -> dict[str, Any]:
    """Return a passage as a model is sent it, without orders to models unless they are asked of."""
    text = _HIDDEN.sub("", passage.chunk.text)  # first: it may cut the words of an order apart
    if not asks_about_models(question):
        for start, end in reversed(tainted(text)):
            text = f"{text[:start]}{_LEFT_OUT}{text[end:]}"
    place = _HIDDEN.sub("", passage.place)
    source = _LEFT_OUT if tainted(place) else place
    return {"passage": number, "source": sanitized(source), "text": sanitized(text)}


def _plain(row: Mapping[str, Any]) -> str:
    if "question" in row:
        return f"Question: {row['question']}"
    return f"[{row['passage']}] {row['source']}\n{row['text']}"


def _turns(history: Sequence[Turn], room: int, window: Window) -> list[dict[str, Any]]:
    """The last turns that fit, as one row; none if there are none."""
    kept: list[dict[str, str]] = []
    for turn in reversed(history[-_TURNS:]):
        longer = [{"role": turn.role, "text": sanitized(turn.text)}, *kept]
        if _cost([{"conversation": longer}], window) > room:
            break
        kept = longer
    return [{"conversation": kept}] if kept else []


def fitting(rows: Sequence[dict[str, Any]], room: int, window: Window) -> list[dict[str, Any]]:
    """The first rows that fit into so many tokens; of a first that does not, sentences."""
    kept: list[dict[str, Any]] = []
    for row in rows:
        room -= _cost([row], window)
        if room < 0:
            break
        kept.append(row)
    if kept or not rows:
        return kept
    row = rows[0]
    room += _cost([row], window)
    for span in reversed(sentences(row["text"])):
        shorter = {**row, "text": row["text"][: span.end]}
        if _cost([shorter], window) <= room:
            return [shorter]
    return []


def _cost(rows: Sequence[Mapping[str, Any]], window: Window) -> int:
    return window.count(as_data(rows)) + len(rows)
