"""What a model replies, as text with ``[n]`` marks, while it is still coming.

``PlainReply`` and ``JsonReply`` take pieces and give text: ``feed`` what is certain so far,
``finish`` the rest. ``refused`` says that the model found no answer in the passages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

REFUSAL = "NO_ANSWER_IN_PASSAGES"
"""What a model is told to reply if the passages do not answer; it never comes through."""

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "answerable": {"type": "boolean"},
        "sentences": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "citations": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["text", "citations"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["answerable", "sentences"],
    "additionalProperties": False,
}
"""The form of a JSON reply, for servers that can hold a model to it."""

_DRESSED = re.compile(r"[\s*_\"'`(\[]*")  # what may stand before a refusal
_THOUGHT = ("<think>", "</think>")
_SENTENCES = re.compile(r'"sentences"\s*:\s*\[')
_UNANSWERABLE = re.compile(r'"answerable"\s*:\s*false')
_LINE = re.compile(r"(?:\d{1,3}[.)]|[-*•])\s")  # a sentence that begins a line of its own


class PlainReply:
    """Text as it comes, without a refusal and without what a model thinks aloud at first."""

    def __init__(self) -> None:
        self.refused = False
        self._pending = ""
        self._begun = False
        self._thinking: bool | None = None  # not known yet

    def feed(self, piece: str) -> str:
        """Take a piece and return what can be shown."""
        self._pending += piece
        if self._thinking is not False and not self._past_thoughts():
            return ""
        return self._certain(final=False)

    def finish(self) -> str:
        """Return what was held back."""
        if self._thinking:
            self._pending = ""  # it never came to the reply itself
        return self._certain(final=True)

    def _past_thoughts(self) -> bool:
        """Drop a first block of thoughts; tell whether the reply itself has begun."""
        opening, closing = _THOUGHT
        text = self._pending.lstrip()
        if self._thinking is None:
            if not text or (opening.startswith(text) and text != opening):
                return False
            self._thinking = text.startswith(opening)
        if self._thinking:
            _, closed, after = text.partition(closing)
            if not closed:
                return False
            self._thinking, self._pending = False, after.lstrip()
        return True

    def _certain(self, *, final: bool) -> str:
        if self.refused:
            self._pending = ""
            return ""
        if not self._begun and not self._begins(final=final):
            return ""
        text = self._pending.replace(REFUSAL, "")  # an answer that ends in one is an answer
        held = 0 if final else _overlap(text)
        self._pending = text[len(text) - held :]
        return text[: len(text) - held]

    def _begins(self, *, final: bool) -> bool:
        """Tell whether there is text that is no refusal; a refusal is noted."""
        self._pending = self._pending.lstrip()
        bare = self._pending[_DRESSED.match(self._pending).end() :]  # type: ignore[union-attr]
        if bare.startswith(REFUSAL):
            self.refused = True
            return False
        self._begun = final or not REFUSAL.startswith(bare)
        return self._begun


def _overlap(text: str) -> int:
    """Return the length of the longest end of the text with which a refusal may begin."""
    for length in range(min(len(REFUSAL) - 1, len(text)), 0, -1):
        if text.endswith(REFUSAL[:length]):
            return length
    return 0


class JsonReply:
    """A reply of the form of ``SCHEMA``: each sentence as soon as it is whole, with its marks.

    A server may have taken the schema and not held the model to it: what is not JSON is read as
    plain text.
    """

    def __init__(self) -> None:
        self.refused = False
        self._buffer = ""
        self._at: int | None = None  # where the next sentence begins
        self._given = 0
        self._outside = PlainReply()
        self._plain: bool | None = None

    def feed(self, piece: str) -> str:
        """Take a piece and return the sentences that have become whole."""
        if self._plain:
            return self._as_text(piece)
        self._buffer += piece
        if self._plain is None:
            self._plain = self._is_plain()
        if self._plain is None:
            return ""
        return self._as_text(self._buffer) if self._plain else self._sentences()

    def finish(self) -> str:
        """Return what was held back. Raises ValueError if there was nothing that can be read."""
        if self._plain is None:
            self._plain = True
            return self._as_text(self._buffer) + self._as_text(None)
        if self._plain:
            return self._as_text(None)
        if not self._given and not self.refused:
            if self._at is None or not self._buffer.startswith("]", self._at):
                raise ValueError("a JSON object without sentences")
            self.refused = True  # the list is whole, and there is nothing in it
        return ""

    def _as_text(self, piece: str | None) -> str:
        """Give a piece, None for the end, to what reads text."""
        shown = self._outside.finish() if piece is None else self._outside.feed(piece)
        self.refused = self._outside.refused
        return shown

    def _is_plain(self) -> bool | None:
        """Tell text from JSON by its beginning; None as long as there is too little of it."""
        text = self._buffer.lstrip()
        opening, closing = _THOUGHT
        if text.startswith(opening):
            _, closed, after = text.partition(closing)
            if not closed:
                return None
            self._buffer = text = after.lstrip()
        if not text or opening.startswith(text) or "```json".startswith(text):
            return None
        return not text.startswith(("{", "```"))

    def _sentences(self) -> str:
        if self._at is None:
            found = _SENTENCES.search(self._buffer)
            if _UNANSWERABLE.search(self._buffer, 0, found.start() if found else 2**31):
                self.refused = True
            if found is None:
                return ""
            self._at = found.end()
        if self.refused:
            return ""
        shown = ""
        while (item := self._next_item()) is not None:
            shown += self._rendered(item)
        return shown

    def _next_item(self) -> Any:
        """Return the next whole item of the list; None if there is none yet."""
        at = self._at or 0
        while at < len(self._buffer) and self._buffer[at] in " \t\r\n,":
            at += 1
        self._at = at
        if not self._buffer.startswith(("{", '"'), at):
            return None
        try:
            item, self._at = json.JSONDecoder().raw_decode(self._buffer, at)
        except (ValueError, RecursionError):
            return None
        return item

    def _rendered(self, item: Any) -> str:
        sentence = item if isinstance(item, Mapping) else {"text": item}
        text, numbers = sentence.get("text"), sentence.get("citations")
        if not isinstance(text, str) or not text.strip():
            return ""
        text = text.strip()
        marks = "".join(
            f"[{number}]"
            for number in (numbers if isinstance(numbers, list) else ())
            if isinstance(number, int) and not isinstance(number, bool) and number >= 0
        )
        before = ("\n" if _LINE.match(text) else " ") if self._given else ""
        self._given += 1
        return f"{before}{text} {marks}".rstrip()
