"""Answers in the words of a language model, from numbered passages alone.

What comes out is a draft: text with ``[n]`` marks, which have still to be turned into exact spans
and held against them. The model's word for it that a passage says something counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from rag.answer.replies import SCHEMA, JsonReply, PlainReply
from rag.answer.request import Request, Requests
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
