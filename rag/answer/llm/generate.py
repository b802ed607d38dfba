"""Drafts of answers, written by a language model from numbered passages alone.

A draft is text with ``[n]`` marks, which have still to be turned into exact spans (``align``) and
held against them (``verify``): the model's word for it that a passage says something counts for
nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rag.answer.llm.align import cite
from rag.answer.llm.citation_marks import marks_of
from rag.answer.llm.request import REFUSAL, SCHEMA, Request, Requests
from rag.errors import ContextOverflowError, ModelError, SettingsError, UsageError
from rag.models.chat import LanguageModel, Reply, ReplyStream
from rag.settings import LlmSettings, Style
from rag.text.sentences import sentences
from rag.types import Passage, Sentence, Turn, Usage

if TYPE_CHECKING:
    from rag.protocols import Embedder

_EXCUSE = 400  # characters after which a model that found no answer is stopped explaining itself
_FEWER = 2  # times that fewer passages are sent, where a server takes less than was thought
_ENDED = re.compile(r"[.!?…。！？:][\"'”’»)\]*_]*(?:\s*\[\d+\])*$")


class Draft(Iterator[str]):
    """The text of an answer as it comes, with ``[n]`` marks. ``close`` stops the model at once.

    ``refused`` says that the model found no answer in the passages; there is no text then.
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
    ) -> None:
        self.request = request
        self._smaller = smaller
        self.refused = False
        self.text = ""
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
        text = self.text.rstrip()
        stopped = self.cut_off or (self.reply and self.reply.stopped_for)
        if not stopped or _ENDED.search(text):
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
        reading = JsonReply() if schema else PlainReply()
        self._stream = self._model.stream(self.request.messages, schema=schema)
        try:
            for piece in self._stream:
                if shown := reading.feed(piece):
                    self.text += shown
                    yield shown
                if reading.refused and len(self._stream.reply.text) > _EXCUSE:
                    break
            if not self._closed and (rest := reading.finish()):
                self.text += rest
                yield rest
        except ModelError as error:
            error.partial = self.text
            raise
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
        self._requests = Requests(model.window, style, reply_tokens=settings.max_tokens)

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

        return Draft(self.request(question, passages, history), self.model, smaller)

    def draft(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> Iterator[Sentence]:
        """Yield cited sentences, none if the model finds no answer. Raises ModelError."""
        if self._embedder is None:
            raise UsageError("LanguageModelGenerator.draft needs embedder=…; draft_text does not")
        if not passages:
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


# --- what a model replies, as text with [n] marks, while it is still coming -----------------------
# ``feed`` returns what is certain so far, ``finish`` the rest. ``refused`` says that the model
# found no answer in the passages.

_DRESSED = re.compile(r"[\s*_\"'`(\[]*")  # what may stand before a refusal
_THINK, _THOUGHT = "<think>", "</think>"
_SENTENCES = re.compile(r'"sentences"\s*:\s*\[')
_UNANSWERABLE = re.compile(r'"answerable"\s*:\s*false')
_LINE = re.compile(r"(?:\d{1,3}[.)]|[-*•])\s")  # a sentence that begins a line of its own


class _WithoutThoughts:
    """Drops what a model thinks aloud at first."""

    def __init__(self) -> None:
        self._held = ""
        self._past = False

    def feed(self, piece: str) -> str:
        if self._past:
            return piece
        self._held += piece
        text = self._held.lstrip()
        if text.startswith(_THINK):
            _, ended, text = text.partition(_THOUGHT)
            self._past = bool(ended)
        else:
            self._past = not _THINK.startswith(text)  # nor is it empty
        return text.lstrip() if self._past else ""

    def finish(self) -> str:
        """Return what was held, unless it is a thought: then the reply itself never came."""
        return "" if self._past or self._held.lstrip().startswith(_THINK) else self._held


class PlainReply:
    """Text as it comes, without a refusal."""

    def __init__(self) -> None:
        self.refused = False
        self._pending = ""
        self._begun = False
        self._spoken = _WithoutThoughts()

    def feed(self, piece: str) -> str:
        """Take a piece and return what can be shown."""
        return self._certain(self._spoken.feed(piece))

    def finish(self) -> str:
        """Return what was held back."""
        return self._certain(self._spoken.finish(), final=True)

    def _certain(self, more: str, *, final: bool = False) -> str:
        self._pending += more
        if self.refused or not (self._begun or self._begins(final=final)):
            return ""
        text = self._pending.replace(REFUSAL, "")  # an answer that ends in one is an answer
        sizes = range(min(len(REFUSAL) - 1, len(text)), 0, -1)
        held = 0 if final else next((n for n in sizes if text.endswith(REFUSAL[:n])), 0)
        self._pending = text[len(text) - held :]
        return text[: len(text) - held]

    def _begins(self, *, final: bool) -> bool:
        """Tell whether there is text that is no refusal; a refusal is noted."""
        self._pending = self._pending.lstrip()
        bare = self._pending[_DRESSED.match(self._pending).end() :]  # type: ignore[union-attr]
        self.refused = bare.startswith(REFUSAL)
        self._begun = not self.refused and (final or not REFUSAL.startswith(bare))
        return self._begun


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
        self._spoken = _WithoutThoughts()
        self._outside = PlainReply()
        self._plain: bool | None = None  # not known yet

    def feed(self, piece: str) -> str:
        """Take a piece and return the sentences that have become whole."""
        if self._plain:
            return self._as_text(piece)
        self._buffer += self._spoken.feed(piece)
        start = self._buffer.lstrip()
        if self._plain is None and start and not "```json".startswith(start):
            self._plain = not start.startswith(("{", "```"))
        if self._plain is None:
            return ""
        return self._as_text(self._buffer) if self._plain else self._sentences()

    def finish(self) -> str:
        """Return what was held back. Raises ValueError if there was nothing that can be read."""
        if self._plain is None:
            self._plain = True
            return self._as_text(self._buffer + self._spoken.finish()) + self._as_text(None)
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

    def _sentences(self) -> str:
        if self._at is None:
            found = _SENTENCES.search(self._buffer)
            if _UNANSWERABLE.search(self._buffer, 0, found.start() if found else 2**31):
                self.refused = True
            if found is None:
                return ""
            self._at = found.end()
        shown = ""
        while not self.refused and (item := self._next_item()) is not None:
            shown += self._rendered(item)
        return shown

    def _next_item(self) -> Any:
        """The next whole item of the list; None if there is none yet."""
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
        text = sentence.get("text")
        if not isinstance(text, str) or not text.strip():
            return ""
        text = text.strip()
        before = ("\n" if _LINE.match(text) else " ") if self._given else ""
        self._given += 1
        return f"{before}{text} {marks_of(sentence.get('citations'))}".rstrip()
