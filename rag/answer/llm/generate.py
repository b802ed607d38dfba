"""Drafts of answers, written by a language model from numbered passages alone.

A draft is text with ``[n]`` marks, which have still to be turned into exact spans (``align``) and
held against them (``verify``): the model's word for it that a passage says something counts for
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from rag.answer.llm.align import cite
from rag.answer.llm.request import SCHEMA, Request, Requests
from rag.errors import ContextOverflowError, ModelError, SettingsError, UsageError
from rag.models.chat import LanguageModel, Reply, ReplyStream
from rag.settings import AnswerSettings, LlmSettings, Style
from rag.text.replies import Cleaner, other_language, whole
from rag.types import Passage, Sentence, Turn, Usage

if TYPE_CHECKING:
    from rag.protocols import Embedder

_MORE = 400  # characters after the end of its reply after which a model is stopped
_FEW = 4  # passages that a small model is sent at most, and
_BELIEVED = 0.3  # how sure the reader has to be of one, as a share of its surest
_FEWER = 2  # times that fewer passages are sent, where a server takes less than was thought


class Draft(Iterator[str]):
    """The text of an answer as it comes, with ``[n]`` marks. ``close`` stops the model at once.

    ``refused`` says that the model found no answer in the passages; there is no text then.
    ``looped`` that it was stopped, as it said the same again and again. The first ``retracted``
    characters of ``text`` turned out to be a thought or a refusal, and are none of the answer.
    Iterating raises ModelError for a reply that is empty, breaks off or cannot be read, with what
    came before as ``partial``.

    ``smaller`` gives the request to send where a server says that this one is too long, if there is
    one; ``request`` is the one that was sent last.
    """

    def __init__(
        self,
        request: Request,
        model: LanguageModel,
        smaller: Callable[[Request, ContextOverflowError], Request | None] = lambda *_: None,
        question: str = "",
    ) -> None:
        self.request = request
        self._smaller = smaller
        self.refused = False
        self.looped = False
        self.retracted = 0
        self.text = ""
        self._question = question
        self._model = model
        self._stream: ReplyStream | None = None
        self._closed = False
        self._pieces = self._run()

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> str:
        return next(self._pieces)

    @property
    def whole_text(self) -> str:
        """The text so far without a last sentence that the model was not let finish."""
        text = self.text[self.retracted :]
        stopped = self.cut_off or self.looped or (self.reply and self.reply.stopped_for)
        return whole(text) if stopped else text.rstrip()

    @property
    def language(self) -> str | None:
        """The code of its language, where that is surely another than the question's."""
        return other_language(self._question, self.text[self.retracted :])

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
        for _ in range(_FEWER):
            try:
                yield from self._once()
            except ContextOverflowError as error:  # nothing of a reply has come then
                request = self._smaller(self.request, error)
                if request is None:
                    raise
                self.request = request
            else:
                return
        yield from self._once()

    def _once(self) -> Iterator[str]:
        schema = SCHEMA if self.request.structured else None
        reading = Cleaner(structured=self.request.structured)
        self._stream = self._model.stream(self.request.messages, schema=schema)
        read, ended = 0, 2**62
        try:
            for piece in self._stream:
                if shown := self._taken(reading, reading.feed(piece)):
                    yield shown
                read += len(piece)
                if reading.ended:  # what it cost is told at its end, if that comes soon
                    ended = min(ended, read)
                if reading.looped or read > ended + _MORE:
                    break
            if not self._closed and (rest := self._taken(reading, reading.finish())):
                yield rest
        except ModelError as error:
            with suppress(ValueError):
                if rest := self._taken(reading, reading.finish()):
                    yield rest
            error.partial = self.text[self.retracted :]
            raise
        except ValueError:
            raise ModelError(self._unreadable()) from None
        finally:
            self.refused = reading.refused and not self._said
            self._stream.close()
        if not (self.refused or self._closed or self._said):
            raise ModelError(self._model.empty(self._stream.reply))

    @property
    def _said(self) -> bool:
        return bool(self.text[self.retracted :].strip())

    def _taken(self, reading: Cleaner, shown: str) -> str:
        self.text += shown
        self.retracted, self.looped = reading.retracted, reading.looped
        return shown

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

    ``draft`` needs the embedder, to find the spans that are cited; ``request`` and ``draft_text``
    do without.
    """

    def __init__(
        self,
        model: LanguageModel,
        settings: LlmSettings,
        *,
        style: Style = "normal",
        embedder: Embedder | None = None,
    ) -> None:
        self.name = model.name
        self.model = model
        self._embedder = embedder
        self._small = settings.prompt == "small"
        self._requests = Requests(
            lambda: model.window, style, reply_tokens=settings.max_tokens, small=self._small
        )

    def asked_from(self, settings: AnswerSettings) -> float:
        """The confidence from which the model is asked: a small one finds no answer missing."""
        return settings.threshold if self._small else settings.ask_model_from

    def chosen(self, passages: Sequence[Passage]) -> list[Passage]:
        """Those to send: all, or for a small model few, in their order, that may well answer."""
        if not self._small:
            return list(passages)
        sure = {p.chunk.id: 1 - p.reading.no_answer for p in passages if p.reading}
        least = _BELIEVED * max(sure.values(), default=0.0)
        best = sorted(sure, key=lambda name: -sure[name])[:_FEW]
        return [
            p for p in passages if not sure or (p.chunk.id in best and sure[p.chunk.id] >= least)
        ]

    def request(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> Request:
        """Return what would be sent, and how many of the passages are in it. Nothing is sent."""
        structured = self.model.takes_schema
        return self._requests.make(question, passages, history, structured=structured)

    def draft_text(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> Draft:
        """The text as it comes; nothing is sent before the first ``next``.

        Its marks count the passages from 1, up to ``draft.request.sent``.
        """

        def smaller(sent: Request, error: ContextOverflowError) -> Request | None:
            requests = self._requests.within(_room(sent, error), f"what {self.name} takes at once")
            try:
                made = requests.make(question, passages, history, structured=sent.structured)
            except SettingsError:
                return None  # the words of the server say more
            if error.window:
                self._requests = requests  # it need not say so again
            return made

        return Draft(self.request(question, passages, history), self.model, smaller, question)

    def draft(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> Iterator[Sentence]:
        """Yield cited sentences, none if the model finds no answer. Raises ModelError."""
        if self._embedder is None:
            raise UsageError("LanguageModelGenerator.draft needs embedder=…; draft_text does not")
        if not (passages := self.chosen(passages)):
            return
        with self.draft_text(question, passages, history) as draft:
            for _ in draft:
                pass
        if draft.whole_text:
            yield from cite(draft.whole_text, passages[: draft.request.sent], self._embedder)[0]


def _room(sent: Request, error: ContextOverflowError) -> int:
    """The tokens of a window, as we count them, into which a server will take what it refused.

    What it says of its own counts tells how ours compare to them; else it is sent much less.
    """
    ours = sent.tokens + sent.kept
    share = 0.6
    if error.window and error.sent:
        share = 0.9 * error.window / error.sent
    elif error.window:
        share = min(share, 0.9 * error.window / ours)
    return int(ours * min(max(share, 0.1), 0.9))
