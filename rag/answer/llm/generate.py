"""Answers in the words of a language model, from numbered passages alone.

What comes out is a draft: text with ``[n]`` marks, which have still to be turned into exact spans
and held against them. The model's word for it that a passage says something counts for nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rag.answer.llm.request import REFUSAL, SCHEMA, Request, Requests
from rag.errors import ModelError, UsageError
from rag.models.chat import LanguageModel, Reply, ReplyStream
from rag.settings import LlmSettings, Style
from rag.text.sentences import sentences
from rag.types import Passage, Sentence, Turn, Usage

Cite = Callable[[str, Sequence[Passage]], Iterable[Sentence]]
"""Turns a text with ``[n]`` marks into sentences cited to spans; ``[1]`` is the first passage."""

_EXCUSE = 400  # characters after which a model that found no answer is stopped explaining itself
_ENDED = re.compile(r"[.!?…。！？:][\"'”’»)\]*_]*(?:\s*\[\d+\])*$")


class Draft(Iterator[str]):
    """The text of an answer as it comes, with ``[n]`` marks. ``close`` stops the model at once.

    ``refused`` says that the model found no answer in the passages; there is no text then.
    Iterating raises ModelError for a reply that is empty, breaks off or cannot be read, with what
    came before as ``partial``.
    """

    def __init__(self, request: Request, model: LanguageModel) -> None:
        self.request = request
        self.refused = False
        self._model = model
        self._text: list[str] = []
        self._stream: ReplyStream | None = None
        self._closed = False
        self._pieces = self._run()

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> str:
        piece = next(self._pieces)
        self._text.append(piece)
        return piece

    @property
    def text(self) -> str:
        """What was given so far."""
        return "".join(self._text)

    @property
    def whole_text(self) -> str:
        """The same without a last sentence that the model was not let finish."""
        text = self.text.rstrip()
        if not self.cut_off or _ENDED.search(text):
            return text
        spans = sentences(text)
        return text[: spans[-1].start].rstrip() if spans else ""

    @property
    def reply(self) -> Reply | None:
        """The reply to the letter, with usage and why it stopped; None where nothing was sent."""
        return self._stream.reply if self._stream else None

    @property
    def usage(self) -> Usage | None:
        """What the server reported; None where nothing was sent."""
        return self.reply.usage if self.reply else None

    @property
    def cut_off(self) -> bool:
        """Whether the reply ended because it had reached its longest."""
        return self.reply is not None and self.reply.cut_off

    def close(self) -> None:
        """Stop. What was given stays."""
        self._closed = True
        if self._stream:
            self._stream.close()

    def _run(self) -> Iterator[str]:
        if not self.request.sent or self._closed:
            return  # nothing could be cited
        schema = SCHEMA if self.request.structured else None
        reading = JsonReply() if schema else PlainReply()
        self._stream = self._model.stream(self.request.messages, schema=schema)
        try:
            for piece in self._stream:
                if shown := reading.feed(piece):
                    yield shown
                if reading.refused and len(self._stream.reply.text) > _EXCUSE:
                    break
            if not self._closed and (rest := reading.finish()):
                yield rest
        except ModelError as error:
            raise ModelError(str(error), partial=self.text) from None
        except ValueError:
            raise ModelError(self._unreadable()) from None
        finally:
            self.refused = reading.refused and not self.text.strip()
            self._stream.close()
        if not (self.refused or self._closed or self.text.strip()):
            raise ModelError(self._model.empty(self._stream.reply))

    def _unreadable(self) -> str:
        if self.cut_off:
            return (
                f"{self._model.name} was cut off before its first sentence was whole: raise "
                "llm.max_tokens"
            )
        return (
            f"{self._model.name} replied in JSON of another form than it was asked for: set "
            "llm.structured to false"
        )


class LanguageModelGenerator:
    """A ``Generator`` over a language model. Threads may share it.

    ``cite`` turns the text into cited sentences; without it only ``draft_text`` can be used, whose
    draft says what it cost.
    """

    def __init__(
        self,
        model: LanguageModel,
        settings: LlmSettings,
        *,
        style: Style = "normal",
        cite: Cite | None = None,
    ) -> None:
        self.name = model.name
        self.model = model
        self.style = style
        self._cite = cite
        self._requests = Requests(model.window, reply_tokens=settings.max_tokens)

    def request(
        self,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Turn],
        *,
        style: Style | None = None,
    ) -> Request:
        """Return what would be sent, and how many of the passages are in it. Nothing is sent."""
        return self._requests.make(
            question,
            passages,
            history,
            style=style or self.style,
            structured=self.model.takes_schema,
        )

    def messages(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> list[dict[str, str]]:
        """Return exactly the messages that would be sent."""
        return self.request(question, passages, history).messages

    def draft_text(
        self,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Turn],
        *,
        style: Style | None = None,
    ) -> Draft:
        """Return the text as it comes; nothing is sent before the first ``next``.

        Its marks count the passages from 1, up to ``draft.request.sent``.
        """
        return Draft(self.request(question, passages, history, style=style), self.model)

    def draft(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> Iterator[Sentence]:
        """Yield cited sentences, none if the model finds no answer. Raises ModelError."""
        if self._cite is None:
            raise UsageError("LanguageModelGenerator.draft needs cite=…; draft_text does not")
        if not passages:
            return
        with self.draft_text(question, passages, history) as draft:
            for _ in draft:
                pass
        if draft.whole_text:
            yield from self._cite(draft.whole_text, passages[: draft.request.sent])


# --- what a model replies, as text, while it is still coming ------------------------------------

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
