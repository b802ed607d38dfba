"""A language model behind a server: what it is asked, and asked again, until it has replied."""

from __future__ import annotations

import contextlib
import random
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

from rag.errors import ContextOverflowError, ModelError, SettingsError
from rag.events import STOPPING, Stopping
from rag.models.connection import (
    OPENAI,
    Watch,
    bytes_of,
    client_faults,
    connected,
    extra_headers,
    fetched,
    hang_up,
    raise_if_stopped,
    until_stopped,
)
from rag.models.dialects import DIALECTS, LONGEST, STOPPED
from rag.models.llm_messages import ErrorMessages
from rag.models.prices import usage_of
from rag.models.refusals import LIMITS, Mends, loading, no_credit, overflows, sizes
from rag.models.server_window import ServerWindow
from rag.models.wire import Delta, Ending, WireFault, read_reply, read_stream
from rag.settings import PRESETS, LlmSettings
from rag.text.terms import encodable
from rag.text.tokens import Window
from rag.types import PlannedRequest, Usage

if TYPE_CHECKING:
    from openai import OpenAI

ENDLESS = 400_000
"""Characters after which a stream counts as endless where ``max_tokens`` is not set."""

_TOKEN = 20  # characters that a token has at most, for servers that do not heed max_tokens
_REASON = re.compile(r"[A-Za-z][A-Za-z_. -]{0,30}")  # as servers name one; not what they may echo
_PAUSES = (0.5, 8.0)  # seconds, the first and the longest, as the client's own
_WAIT = 60.0  # seconds that a server may ask to be waited for
_LOADING = 1.0  # seconds between looks at a model that is being loaded
_MENDED = frozenset({400, 404, 405, 415, 422, 500, 501})  # may be about what is in a request
# Without stream_options servers report no usage of a stream.
_STREAMING = {"stream": True, "stream_options": {"include_usage": True}}
READY = [{"role": "user", "content": "Reply with the word: ready"}]
_PROBE_TOKENS = 16  # enough for a word; a model that reasons first may say nothing in them
_NAMES = 5  # of other models, where the wanted one is not listed

Messages = Sequence[Mapping[str, str]]
"""What a model is sent: texts with a ``role``, and the text itself as ``content``."""

Schema = Mapping[str, Any] | None
"""A JSON schema that a reply is to have the form of."""


def sendable(messages: Messages) -> list[dict[str, str]]:
    """The messages without what no encoding has, e.g. half a surrogate pair."""
    return [{key: encodable(text) for key, text in message.items()} for message in messages]


@dataclass(frozen=True)
class Reply:
    """What a model answered. ``finished`` is the server's word for why it stopped, e.g. ``stop``.

    ``usage`` is what the server reported; its cost is None where a price is not set or the server
    reported nothing. ``refusal`` are the words of a model that declines, apart from its text.
    """

    text: str
    usage: Usage
    finished: str | None
    refusal: str = ""

    @property
    def cut_off(self) -> bool:
        """Whether the reply ended because it had reached its longest."""
        return self.finished == LONGEST

    @property
    def stopped_for(self) -> str | None:
        """Why the reply ended before its end, if not for its length."""
        if self.finished in (None, STOPPED, LONGEST):
            return None
        return self.finished if _REASON.fullmatch(self.finished) else "it does not say why"


def missing(settings: LlmSettings) -> str | None:
    """What has to be set before the model can be asked; None if nothing is missing."""
    place = settings.place
    if settings.model is None:
        return (
            "no language model is configured: set llm.model in rag.toml or RAG_LLM__MODEL, and "
            "llm.base_url for a server other than OpenAI's"
        )
    if settings.address is None:
        return (
            f"{place.label} has an address for every resource: set llm.base_url or {place.address} "
            "to https://NAME.openai.azure.com, and llm.model to the name of the deployment"
        )
    if settings.api_key is None and place.key and (not settings.base_url or not place.base_url):
        return (
            f"there is no key for {place.label}: set {place.key} in the environment, or "
            "llm.base_url for a server of your own"
        )
    return None


def total_usage(usages: Iterable[Usage | None]) -> Usage | None:
    """Add up what requests cost; None where none was sent.

    There is no cost where one of them has none, or they go by several lists of prices.
    """
    known = [usage for usage in usages if usage is not None]
    if not known:
        return None
    costs = [usage.cost for usage in known if usage.cost is not None]
    lists = {(usage.currency, usage.prices) for usage in known}
    priced = len(costs) == len(known) and len(lists) == 1
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in known),
        output_tokens=sum(usage.output_tokens for usage in known),
        cached_tokens=_sum(usage.cached_tokens for usage in known),
        reasoning_tokens=_sum(usage.reasoning_tokens for usage in known),
        cost=sum(costs) if priced else None,
        currency=known[0].currency if priced else None,
        prices=known[0].prices if priced else None,
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


class ReplyStream(Iterator[str], ABC):
    """The pieces of a reply as they come. Nothing is sent before the first ``next``.

    A reply that breaks off raises ModelError after the pieces that came, with ``partial`` as their
    text. Use it in a ``with`` statement where the loop may be left early.
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._usage = Usage()
        self._finished: str | None = None
        self._refusal = ""
        self._pieces = self._run()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> str:
        return next(self._pieces)

    @property
    def reply(self) -> Reply:
        """What there is of the reply so far; all of it once the pieces have ended."""
        return Reply("".join(self._text), self._usage, self._finished, self._refusal)

    def whole(self) -> Reply:
        """The reply once it is all there."""
        with self:
            for _ in self:
                pass
        return self.reply

    @abstractmethod
    def close(self) -> None:
        """Stop at once, from any thread. The pieces end; what was given stays."""

    @abstractmethod
    def _run(self) -> Generator[str, None, None]: ...


class LanguageModel(ABC):
    """What replies to messages. Threads may share one."""

    name: str

    @property
    @abstractmethod
    def window(self) -> Window:
        """What it reads and writes together."""

    @property
    def takes_schema(self) -> bool:
        """Whether replies can be held to a JSON schema."""
        return False

    def complete(
        self, messages: Messages, *, schema: Schema = None, max_tokens: int | None = None
    ) -> Reply:
        """The whole reply. Raises ModelError with what to do about it.

        With ``schema`` it is held to that as far as the model can be: the text has to be checked
        all the same.
        """
        return self.stream(messages, schema=schema, max_tokens=max_tokens).whole()

    @abstractmethod
    def stream(
        self, messages: Messages, *, schema: Schema = None, max_tokens: int | None = None
    ) -> ReplyStream:
        """The pieces of the reply."""

    @abstractmethod
    def empty(self, reply: Reply) -> str:
        """The sentence for a reply without a word, which is no error by itself."""

    def planned(
        self,
        purpose: str,
        messages: Messages,
        *,
        schema: Schema = None,
        max_tokens: int | None = None,
        streamed: bool = True,
    ) -> PlannedRequest | None:
        """The request as it would be sent, but not sent; None for a model that runs here."""
        return None

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Hang up; asked again, it connects again."""


class ChatModel(LanguageModel):
    """The configured language model. Threads may share one; nothing is sent before it is asked.

    What passes (a rate limit, a crash, silence) is tried again with growing pauses, a stream only
    as long as nothing of it was given. What a server refuses (a schema for its replies, a
    temperature, to stream) is left out from then on, or put as the server wants it.

    ``reply_tokens`` is the longest reply where neither a call nor ``llm.max_tokens`` says so: a
    model that rambles stops there. Thoughts count too, so that a reply that has nothing else when
    its tokens are used up is asked for once more without a limit, and so are all that follow.
    Raises SettingsError if no model is configured.
    """

    def __init__(self, settings: LlmSettings, *, reply_tokens: int | None = None) -> None:
        if reason := missing(settings):
            raise SettingsError(reason)
        self.name = str(settings.model)
        self.settings = settings
        self.where = str(settings.address)
        self.errors = ErrorMessages(settings, self.where)
        self._reply_tokens = reply_tokens
        self._dialect = DIALECTS[settings.protocol]
        # OpenAI's own server wants the later name; others learn it later or never.
        limit = "max_completion_tokens" if self.where == OPENAI else "max_tokens"
        self._mends = Mends(tuple(settings.extra_body), limit=limit)
        self.limits = ServerWindow(settings, self._look_up if self._tells else lambda *_: None)
        self._thinks = False  # so that a limit of ours may leave nothing for the reply

    def __repr__(self) -> str:
        return f"ChatModel({self.name!r}, base_url={self.where!r})"

    @property
    def takes_schema(self) -> bool:
        """Whether a schema is worth giving: by the settings, and until the server refuses one."""
        return self.settings.holds_schema and self._mends.takes_format

    @property
    def window(self) -> Window:
        """What it reads and writes together; the server is asked where the settings do not say."""
        return self.limits.window

    @property
    def url(self) -> str:
        """Where replies are asked for, without what Azure wants to have in it."""
        return f"{self.where.rstrip('/')}{self._dialect.path}"

    @property
    def authorization(self) -> str:
        """Whether a key goes with a request, never which."""
        key = "*** (a key from the environment)" if self.settings.api_key else "no key"
        return ", ".join([key, *(f"{name}: ***" for name in self.settings.headers)])

    def close(self) -> None:
        """Hang up; asked again, it connects again."""
        if client := self.__dict__.pop("_client", None):
            client.close()

    def complete(
        self, messages: Messages, *, schema: Schema = None, max_tokens: int | None = None
    ) -> Reply:
        """The reply, asked for at once."""
        return ChatStream(self, messages, schema, max_tokens, {}).whole()

    def stream(
        self, messages: Messages, *, schema: Schema = None, max_tokens: int | None = None
    ) -> ChatStream:
        """The pieces of the reply."""
        return ChatStream(self, messages, schema, max_tokens, _STREAMING)

    def planned(
        self,
        purpose: str,
        messages: Messages,
        *,
        schema: Schema = None,
        max_tokens: int | None = None,
        streamed: bool = True,
    ) -> PlannedRequest:
        """The request as it would be sent. Nothing is sent."""
        more = _STREAMING if streamed else {}
        body = self._body(self._mends.applied(self._arguments(messages, schema, max_tokens, more)))
        return PlannedRequest(
            purpose=purpose, url=self.url, authorization=self.authorization, body=body
        )

    def empty(self, reply: Reply) -> str:
        """The sentence for a reply without a word."""
        return self.errors.empty(reply.finished, reply.refusal)

    def models(self) -> list[str]:
        """The names of the models that the server lists. Raises ModelError."""
        client = self._client.with_options(max_retries=self.settings.retries)
        try:
            with client_faults():
                listed = client.models.list(extra_headers=extra_headers(self.settings))
            return [encodable(str(model.id)) for model in listed.data]
        except WireFault as fault:
            raise ModelError(self.errors.of_fault(fault, began=False)) from None
        except (AttributeError, TypeError, ValueError):
            raise ModelError(self.errors.of("strange")) from None

    @property
    def _tells(self) -> bool:
        """Whether it is worth asking the server about itself; some are known to say nothing."""
        own = self.settings.preset is not None or self.where == OPENAI
        return self.settings.place.tells_window or not own

    def _look_up(self, path: str, body: Mapping[str, Any] | None) -> Any:
        """The JSON at a path of the server, or of its API; None for any fault."""
        root = re.sub(r"/v\d\w*$", "", self.where.rstrip("/"))
        url = f"{root}{path}" if path.startswith("/") else f"{self.where.rstrip('/')}/{path}"
        try:
            return fetched(self._client, url, body, extra_headers(self.settings))
        except (WireFault, ModelError):
            return None

    @cached_property
    def _client(self) -> OpenAI:
        return connected(self.settings, self.where, max(self.settings.timeout, self._first))

    @property
    def _first(self) -> float:
        return self.settings.first_token_timeout or self.settings.timeout

    def _arguments(
        self, messages: Messages, schema: Schema, max_tokens: int | None, more: Mapping[str, Any]
    ) -> dict[str, Any]:
        settings = self.settings
        arguments: dict[str, Any] = {
            "model": self.name,
            "messages": sendable(messages),
            "temperature": settings.temperature,
        }
        ours = None if self._thinks else max_tokens
        if longest := ours or settings.max_tokens or (None if self._thinks else self._reply_tokens):
            arguments["max_tokens"] = longest
        if schema is not None:
            held = {"name": "reply", "schema": dict(schema), "strict": True}
            arguments["response_format"] = {"type": "json_schema", "json_schema": held}
        if settings.seed is not None:
            arguments["seed"] = settings.seed
        if settings.stop:
            arguments["stop"] = list(settings.stop)
        if settings.reasoning_effort:
            arguments["reasoning_effort"] = settings.reasoning_effort
        return {**arguments, **more, **settings.extra_body}

    def _body(self, kept: dict[str, Any]) -> dict[str, Any]:
        """The arguments that this server takes, in the words of its protocol."""
        if kept.get("reasoning_effort") == "off":
            rest = {key: value for key, value in kept.items() if key != "reasoning_effort"}
            kept = {**self.settings.place.thoughtless, **rest}
        return self._dialect.body(kept)


class ChatStream(ReplyStream):
    """The pieces of a server's reply; one piece where the arguments do not ask for a stream."""

    def __init__(
        self,
        model: ChatModel,
        messages: Messages,
        schema: Schema,
        max_tokens: int | None,
        more: Mapping[str, Any],
        *,
        tiny: bool = False,
    ) -> None:
        super().__init__()
        self._model = model
        self._made = partial(model._arguments, messages, schema, max_tokens, more)
        self._arguments = self._made()
        # A limit that the user did not set must not cost a model that thinks its reply.
        own = max_tokens is None and model.settings.max_tokens is not None
        self._limited = "max_tokens" in self._arguments and not own and not tiny
        self._stopping = Stopping()
        self._tries = model.settings.retries  # that are left
        self._was_late = False
        self._pause, self._longest = _PAUSES
        self._counted: dict[str, int] = {}
        self._kept: dict[str, Any] = {}  # of the arguments, what was sent last
        self._begun_at = 0.0

    def close(self) -> None:
        """Hang up; the server may stop at the same moment."""
        self._stopping.set()
        with contextlib.suppress(ValueError):  # another thread is waiting in it, and ends it
            self._pieces.close()

    def _run(self) -> Generator[str, None, None]:
        outer = STOPPING.get() or Stopping()
        self._begun_at = time.monotonic()
        with outer.calling(self._stopping.set):
            while not self._stopping.is_set():
                try:
                    yield from self._once()
                    if not self._only_thought():
                        break
                except WireFault as fault:
                    began = bool(self._text)
                    if self._stopping.is_set() or (not began and self._again(fault)):
                        continue
                    raise self._error(fault, began=began) from None
            if self._finished is None:
                raise_if_stopped(outer)  # what there is of it is not all

    def _only_thought(self) -> bool:
        """Whether its tokens went into thoughts, and it is asked again without our limit.

        Thoughts that were given already, in the text, are gone on with: nobody has read them out.
        """
        text = "".join(self._text).lstrip()
        spent = not text or (text.startswith("<think>") and "</think>" not in text)
        if not (self._limited and self._finished == LONGEST and spent) or self._refusal:
            return False
        self._limited = False
        self._model._thinks = True
        self._arguments = self._made()
        self._text.clear()
        self._finished = None
        return True

    def _again(self, fault: WireFault) -> bool:
        """Whether to send it again, after a pause if so; never once it is to stop."""
        asked = None
        if complaint := fault.complaint:
            mendable = complaint.status in _MENDED
            if mendable and self._model._mends.learn(complaint, self._arguments, self._kept):
                return True
            if loading(complaint) and time.monotonic() < self._begun_at + self._model._first:
                return not self._stopping.wait(min(complaint.wait or _LOADING, self._model._first))
            asked = complaint.wait
            if overflows(complaint) or no_credit(complaint) or (asked or 0) > _WAIT:
                return False
        late = fault.kind == "late"
        # A server that is slow may be at work on it still: each try adds to that.
        if not fault.passing or self._tries <= 0 or (late and self._was_late):
            return False
        self._was_late = self._was_late or late
        self._tries -= 1
        # By chance a little less, so that not everybody comes back at the same moment.
        pause = self._pause * (1 - random.random() / 4) if asked is None else asked
        stopped = self._stopping.wait(pause)
        self._pause = min(2 * self._pause, self._longest)
        return not stopped

    def _error(self, fault: WireFault, *, began: bool) -> ModelError:
        sentence = self._model.errors.of_fault(fault, began=began)
        if fault.complaint and not began and overflows(fault.complaint):
            window, sent = sizes(fault.complaint)
            return ContextOverflowError(sentence, window=window, sent=sent)
        return ModelError(sentence, partial="".join(self._text))

    def _sent(self) -> Any:
        """The response, its body not read. Raises WireFault."""
        model = self._model

        def ask() -> Any:
            # What with_streaming_response does: the body is read here, whatever it is.
            raw = {"X-Stainless-Raw-Response": "stream", **extra_headers(model.settings)}
            body = model._body(self._kept)
            return model._client.post(
                model._dialect.path, cast_to=object, body=body, options={"headers": raw}
            )

        self._kept = model._mends.applied(self._arguments)
        with client_faults():
            return until_stopped(self._stopping, ask, model._first)

    def _once(self) -> Iterator[str]:
        response = self._sent()
        end = partial(hang_up, response)
        try:
            with self._stopping.calling(end), self._watch(end) as watch:
                ending = Ending(self._model.settings.stop)
                for delta in chain(self._deltas(response, watch), [Delta(last=True)]):
                    if delta.usage:
                        self._counted |= delta.usage
                        self._usage = usage_of(self._counted, self._model.settings)
                    self._finished = delta.finished or self._finished
                    self._refusal += delta.refusal
                    if text := ending.kept(delta.text, last=delta.last):
                        self._text.append(text)
                        yield text
                    if self._stopping.is_set():
                        return
                self._finished = STOPPED if ending.met else self._why()
        finally:
            response.close()

    def _why(self) -> str | None:
        """Why it stopped: some servers, and proxies that translate, say no more than that it did.

        As many tokens as were allowed are the sign of a reply that was cut off.
        """
        limit = next((self._kept[name] for name in LIMITS if name in self._kept), None)
        spent = limit is not None and self._counted.get("output") == limit
        return LONGEST if spent and self._finished == STOPPED else self._finished

    def _watch(self, end: Callable[[], object]) -> Watch:
        return Watch(self._model._first, self._model.settings.timeout, end)

    def _deltas(self, response: Any, watch: Watch) -> Iterator[Delta]:
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        model = self._model
        chunks = bytes_of(response, watch)
        # Some servers do not stream, and some do nothing else.
        events = media_type == "text/event-stream"
        if not events and (media_type == "application/json" or "stream" not in self._arguments):
            yield read_reply(chunks, model._first, model._dialect)
            return
        if media_type not in ("text/event-stream", "text/plain", ""):
            raise WireFault("strange", media_type)
        tokens = self._arguments.get("max_tokens")
        yield from read_stream(
            chunks,
            model._dialect,
            first=model._first,
            seconds=model.settings.timeout,
            longest=max(tokens * _TOKEN, 1000) if tokens else ENDLESS,
            media_type=media_type if media_type == "text/plain" else "",
            progress=watch.progress,
        )


# Is it there? What is asked only when somebody wants to know


@dataclass(frozen=True)
class Probe:
    """What a server answered: the models that it lists and one tiny completion.

    ``window`` is what the model takes at once and who says so; ``missing`` is what to do, None
    where all is well.
    """

    listed: str
    window: str
    answered: str
    missing: str | None

    @property
    def ready(self) -> bool:
        """Whether the model answers."""
        return self.missing is None


def probe(model: ChatModel) -> Probe:
    """Ask the server which models it has, and the model for one word. Raises nothing."""
    listed, window = _listed(model), model.limits.explained()
    began = time.perf_counter()
    try:
        reply = ChatStream(model, READY, None, _PROBE_TOKENS, {}, tiny=True).whole()
    except ModelError as error:
        return Probe(listed, window, "no", str(error))
    took = f"{time.perf_counter() - began:.1f} s"
    usage = f"{reply.usage.input_tokens} + {reply.usage.output_tokens} tokens"
    said = "a word" if reply.text.strip() else "nothing in so few tokens, but without an error,"
    return Probe(listed, window, f"{said} in {took}, {usage}", None)


def _listed(model: ChatModel) -> str:
    """Say whether the server lists the model. Many serve what they do not list, or list nothing."""
    try:
        names = model.models()
    except ModelError as error:
        return f"no list of models: {error}"
    if model.settings.place is PRESETS["azure"]:
        return f"{len(names)} models; a deployment has a name of its own, which is not among them"
    if model.name in names:
        return f"{len(names)} models, {model.name} among them"
    some = ", ".join(sorted(map(model.errors.clean, names))[:_NAMES]) or "none"
    return f"{len(names)} models, {model.name} not among them; there are: {some}"
