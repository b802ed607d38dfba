"""A language model behind OpenAI's protocol: the one file that knows the openai package."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self

from rag.errors import ModelError, SettingsError
from rag.events import STOPPING, Stopping
from rag.models.wire import Delta, ErrorMessages, WireFault, error_message, read_reply, read_stream
from rag.settings import AZURE_VERSION, PRESETS, LlmSettings
from rag.text.terms import encodable
from rag.text.tokens import Window
from rag.types import Usage

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI, OpenAIError

OPENAI = PRESETS["openai"].base_url

LONGEST = 400_000
"""Characters after which a stream counts as endless where ``max_tokens`` is not set."""

_NO_KEY = "none"  # what a server without keys is sent: the client insists on something
_TOKEN = 20  # characters that a token has at most, for servers that do not heed max_tokens
_PAUSES = (0.5, 8.0)  # seconds, the first and the longest, as the client's own
_STRUCTURED = re.compile(r"response_format|json_schema|structured output", re.IGNORECASE)
_OPTIONS = re.compile(r"stream_options|include_usage", re.IGNORECASE)
# Without stream_options servers report no usage of a stream.
_STREAMING = {"stream": True, "stream_options": {"include_usage": True}}
READY = [{"role": "user", "content": "Reply with the word: ready"}]
_PROBE_TOKENS = 16  # enough for a word; a model that reasons first may say nothing in them
_NAMES = 5  # of other models, where the wanted one is not listed
_SPARED = ("temperature", "max_tokens", "stream", "stream_options")

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
    reported nothing.
    """

    text: str
    usage: Usage
    finished: str | None

    @property
    def cut_off(self) -> bool:
        """Whether the reply ended because it had reached its longest."""
        return self.finished == "length"


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
    """Add up what requests cost; None where none was sent, no cost where one of them has none."""
    known = [usage for usage in usages if usage is not None]
    if not known:
        return None
    costs = [usage.cost for usage in known if usage.cost is not None]
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in known),
        output_tokens=sum(usage.output_tokens for usage in known),
        cost=sum(costs) if len(costs) == len(known) else None,
    )


class ReplyStream(Iterator[str], ABC):
    """The pieces of a reply as they come. Nothing is sent before the first ``next``.

    A reply that breaks off raises ModelError after the pieces that came, with ``partial`` as their
    text. Use it in a ``with`` statement where the loop may be left early.
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._usage = Usage()
        self._finished: str | None = None
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
        return Reply("".join(self._text), self._usage, self._finished)

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
    """What replies to messages. Threads may share one.

    ``window`` is what it reads and writes together.
    """

    name: str
    window: Window

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

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Hang up; asked again, it connects again."""


class ChatModel(LanguageModel):
    """The configured language model. Threads may share one; nothing is sent before it is asked.

    What passes (a rate limit, a crash, silence) is tried again with growing pauses, a stream only
    as long as nothing of it was given. What a server refuses (a schema for its replies, a
    temperature, to stream) is left out from then on. Raises SettingsError if no model is
    configured.
    """

    def __init__(self, settings: LlmSettings) -> None:
        if reason := missing(settings):
            raise SettingsError(reason)
        self.name = str(settings.model)
        self.window = Window(settings.context_tokens)
        self.settings = settings
        self.where = str(settings.address)
        self.errors = ErrorMessages(settings, self.where)
        self._refused: set[str] = set()

    def __repr__(self) -> str:
        return f"ChatModel({self.name!r}, base_url={self.where!r})"

    @property
    def takes_schema(self) -> bool:
        """Whether a schema is worth giving: by the settings, and until the server refuses one."""
        return self.settings.holds_schema and "response_format" not in self._refused

    @property
    def url(self) -> str:
        """Where completions are asked for, without what Azure wants to have in it."""
        return f"{self.where.rstrip('/')}/chat/completions"

    @property
    def authorization(self) -> str:
        """Whether a key goes with a request, never which."""
        return "*** (a key from the environment)" if self.settings.api_key else "no key"

    def close(self) -> None:
        """Hang up; asked again, it connects again."""
        if client := self.__dict__.pop("_client", None):
            client.close()

    def complete(
        self, messages: Messages, *, schema: Schema = None, max_tokens: int | None = None
    ) -> Reply:
        """The reply, asked for at once."""
        return ChatStream(self, self._arguments(messages, schema, max_tokens, {})).whole()

    def stream(
        self, messages: Messages, *, schema: Schema = None, max_tokens: int | None = None
    ) -> ChatStream:
        """The pieces of the reply."""
        return ChatStream(self, self._arguments(messages, schema, max_tokens, _STREAMING))

    def planned(
        self,
        messages: Messages,
        *,
        schema: Schema = None,
        max_tokens: int | None = None,
        streamed: bool = True,
    ) -> dict[str, Any]:
        """The body of a request as it would be sent. Nothing is sent."""
        more = _STREAMING if streamed else {}
        return self._kept(self._arguments(messages, schema, max_tokens, more))

    def empty(self, reply: Reply) -> str:
        """The sentence for a reply without a word."""
        return self.errors.empty(reply.finished)

    def models(self) -> list[str]:
        """The names of the models that the server lists. Raises ModelError."""
        from openai import OpenAIError

        try:
            listed = self._client.models.list()
            return [encodable(str(model.id)) for model in listed.data]
        except OpenAIError as error:
            raise ModelError(self._explained(error)) from None
        except (AttributeError, TypeError, ValueError):
            raise ModelError(self.errors.of("strange")) from None

    @cached_property
    def _client(self) -> OpenAI:
        from openai import AzureOpenAI, OpenAI

        # These are always given: the client would fill in others from the environment, and names
        # of accounts at OpenAI's too, which are nobody else's business.
        key = self.settings.api_key
        given: dict[str, Any] = {
            "api_key": key.get_secret_value() if key else _NO_KEY,
            "timeout": self.settings.timeout,
            "max_retries": self.settings.retries,
        }
        if self.where != OPENAI:
            given |= {"organization": "", "project": ""}
        if self.settings.place is PRESETS["azure"] and not self.where.rstrip("/").endswith("/v1"):
            version = self.settings.api_version or AZURE_VERSION
            return AzureOpenAI(azure_endpoint=self.where, api_version=version, **given)
        return OpenAI(base_url=self.where, **given)

    def _arguments(
        self, messages: Messages, schema: Schema, max_tokens: int | None, more: Mapping[str, Any]
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.name,
            "messages": sendable(messages),
            "temperature": self.settings.temperature,
        }
        if longest := max_tokens or self.settings.max_tokens:
            arguments["max_tokens"] = longest
        if schema is not None:
            held = {"name": "reply", "schema": dict(schema), "strict": True}
            arguments["response_format"] = {"type": "json_schema", "json_schema": held}
        return {**arguments, **more}

    def _kept(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments without what the server has refused."""
        kept = {key: value for key, value in arguments.items() if key not in self._refused}
        if "max_tokens" in self._refused and "max_tokens" in arguments:
            kept["max_completion_tokens"] = arguments["max_tokens"]  # its later name
        if "stream" not in kept:
            kept.pop("stream_options", None)
        return kept

    def _cost_of(self, reported: Mapping[str, Any] | None) -> Usage:
        counts = [(reported or {}).get(name) for name in ("prompt_tokens", "completion_tokens")]
        known = [count for count in counts if isinstance(count, int) and count >= 0]
        if len(known) < len(counts):
            return Usage()
        sent, received = known
        cost, each, other = None, self.settings.input_price, self.settings.output_price
        if each is not None and other is not None:
            cost = (sent * each + received * other) / 1_000_000
        return Usage(input_tokens=sent, output_tokens=received, cost=cost)

    def _explained(self, error: OpenAIError) -> str:
        """One sentence for an error of the client, and what to do about it."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        match error:
            case APITimeoutError():
                return self.errors.of("late")
            case APIConnectionError():
                return self.errors.of("unreachable", str(error.__cause__ or error))
            case APIStatusError():
                wait = error.response.headers.get("retry-after")
                return self.errors.of_status(error.status_code, error.code, _message(error), wait)
        return self.errors.of("unknown", str(error))


class ChatStream(ReplyStream):
    """The pieces of a server's reply; one piece where the arguments do not ask for a stream."""

    def __init__(self, model: ChatModel, arguments: dict[str, Any]) -> None:
        super().__init__()
        self._model = model
        self._arguments = arguments
        self._stopping = Stopping()
        self._tries = model.settings.retries  # that are left; the client counts its own against it
        self._pause, self._longest = _PAUSES

    def close(self) -> None:
        """Hang up; the server may stop at the same moment."""
        self._stopping.set()
        with contextlib.suppress(ValueError):  # another thread is waiting in it, and ends it
            self._pieces.close()

    def _run(self) -> Generator[str, None, None]:
        outer = STOPPING.get() or Stopping()
        with outer.calling(self._stopping.set):
            while not self._stopping.is_set():
                try:
                    yield from self._once()
                    break
                except WireFault as fault:
                    began = bool(self._text)
                    if self._stopping.is_set() or (not began and self._again(fault)):
                        continue
                    sentence = self._model.errors.of_fault(fault, began=began)
                    raise ModelError(sentence, partial="".join(self._text)) from None
            if self._finished is None:
                _raise_if_stopped(outer)  # what there is of it is not all

    def _again(self, fault: WireFault) -> bool:
        """Whether to send it again, after a pause if so; never once it is to stop."""
        if not fault.passing or self._tries <= 0:
            return False
        self._tries -= 1
        # By chance a little less, so that not everybody comes back at the same moment.
        stopped = self._stopping.wait(self._pause * (1 - random.random() / 4))
        self._pause = min(2 * self._pause, self._longest)
        return not stopped

    def _sent(self) -> Any:
        """The response, its body not read. Raises ModelError."""
        from openai import BadRequestError, OpenAIError, UnprocessableEntityError

        model = self._model
        while True:
            kept = model._kept(self._arguments)
            client = model._client.with_options(max_retries=self._tries)
            try:
                made = client.chat.completions.with_streaming_response.create(**kept)
                response = _until_stopped(self._stopping, made.__enter__)  # it has a close()
            except (BadRequestError, UnprocessableEntityError) as error:
                blamed = _blamed(error, kept)
                if blamed is None:
                    raise ModelError(model._explained(error)) from None
                model._refused.add(blamed)  # so the loop ends: there are only so many
            except OpenAIError as error:
                raise ModelError(model._explained(error)) from None
            else:
                self._tries -= response.retries_taken
                return response

    def _once(self) -> Iterator[str]:
        response = self._sent()
        try:
            with self._stopping.calling(partial(_hang_up, response)):
                for delta in self._deltas(response):
                    if delta.usage:
                        self._usage = self._model._cost_of(delta.usage)
                    self._finished = delta.finished or self._finished
                    if delta.text:
                        self._text.append(delta.text)
                        yield delta.text
                    if self._stopping.is_set():
                        return
        finally:
            response.close()

    def _deltas(self, response: Any) -> Iterator[Delta]:
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        settings = self._model.settings
        chunks = _bytes_of(response)
        # Some servers do not stream.
        if media_type == "application/json" or "stream" not in self._arguments:
            yield read_reply(chunks, settings.timeout)
            return
        if media_type not in ("text/event-stream", "text/plain", ""):
            raise WireFault("strange", media_type)
        tokens = self._arguments.get("max_tokens")
        yield from read_stream(
            chunks,
            seconds=settings.timeout,
            longest=max(tokens * _TOKEN, 1000) if tokens else LONGEST,
            reading=media_type if media_type == "text/plain" else "",
        )


def _bytes_of(response: Any) -> Iterator[bytes]:
    """Yield the body as it comes. Raises WireFault for what the connection does."""
    try:
        yield from response.iter_bytes()
    except Exception as error:
        # The client's own errors here are httpx's or httpx2's, by release: their names say which.
        names = {kind.__name__ for kind in type(error).__mro__}
        if names & {"TimeoutException", "APITimeoutError"}:
            raise WireFault("late", passing=True) from None
        if names & {"RequestError", "StreamError", "APIConnectionError", "OSError"}:
            raise WireFault("cut", passing=True) from None
        raise


def _raise_if_stopped(stopping: Stopping) -> None:
    if stopping.is_set():
        raise ModelError("it was stopped from outside")


def _until_stopped(stopping: Stopping, ask: Callable[[], Any]) -> Any:
    """The response to a request. Raises ModelError as soon as it is to stop.

    A server may take its time before the first byte, and nothing reaches a thread that waits for
    that: it waits in one of its own, which is left behind.
    """
    outcome: Future[Any] = Future()

    def call() -> None:
        response = None
        try:
            response = ask()
            outcome.set_result(response)
        except InvalidStateError:  # nobody waits any more
            if response is not None:
                response.close()
        except BaseException as error:
            with contextlib.suppress(InvalidStateError):
                outcome.set_exception(error)

    _raise_if_stopped(stopping)
    threading.Thread(target=call, daemon=True, name="rag-ask").start()
    try:
        with stopping.calling(outcome.cancel):
            return outcome.result()
    except CancelledError:
        raise ModelError("it was stopped from outside") from None
    finally:
        outcome.cancel()  # Ctrl-C


def _hang_up(response: Any) -> None:
    """Close the connection of a response, also under a thread that is waiting for its bytes.

    Closing a socket wakes nobody who waits for it; shutting it down does.
    """
    with contextlib.suppress(AttributeError, KeyError, OSError):
        stream = response.http_response.extensions["network_stream"]
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def _blamed(error: APIStatusError, arguments: Mapping[str, Any]) -> str | None:
    """The argument that a server does not take, of those that can be done without."""
    said = f"{error.param} {_message(error)}"
    if "stream_options" in arguments and _OPTIONS.search(said):
        return "stream_options"
    if "response_format" in arguments and _STRUCTURED.search(said):
        return "response_format"
    if (error.code or "").startswith("unsupported_") and error.param in arguments:
        return error.param if error.param in _SPARED else None
    return None


def _message(error: APIStatusError) -> str:
    """What the server said, without the client's words around it."""
    return error_message(error.body) or str(error.response.reason_phrase or "nothing")


# Is it there? What is asked only when somebody wants to know


@dataclass(frozen=True)
class Probe:
    """What a server answered: the models that it lists and one tiny completion.

    ``missing`` is what to do, None where all is well.
    """

    listed: str
    answered: str
    missing: str | None

    @property
    def ready(self) -> bool:
        """Whether the model answers."""
        return self.missing is None


def probe(model: ChatModel) -> Probe:
    """Ask the server which models it has, and the model for one word. Raises nothing."""
    listed = _listed(model)
    began = time.perf_counter()
    try:
        reply = model.complete(READY, max_tokens=_PROBE_TOKENS)
    except ModelError as error:
        return Probe(listed, "no", str(error))
    took = f"{time.perf_counter() - began:.1f} s"
    usage = f"{reply.usage.input_tokens} + {reply.usage.output_tokens} tokens"
    said = "a word" if reply.text.strip() else "nothing in so few tokens, but without an error,"
    return Probe(listed, f"{said} in {took}, {usage}", None)


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
