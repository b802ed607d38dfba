"""A language model behind OpenAI's protocol: the one file that knows the openai package."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rag.errors import ModelError, SettingsError
from rag.settings import LlmSettings
from rag.types import Usage

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI, OpenAIError

OPENAI = "https://api.openai.com/v1"

_NO_KEY = "none"  # what a server without keys is sent: the client insists on something
_SHOWN = 200  # characters of what a server says of an error
_STRUCTURED = re.compile(r"response_format|json_schema|structured output", re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    """What a model answered. ``finished`` is the server's word for why it stopped, e.g. ``stop``.

    ``usage`` is what the server reported; its cost is None where a price is not set or the server
    reported nothing.
    """

    text: str
    usage: Usage
    model: str
    finished: str | None
    seconds: float

    @property
    def cut_off(self) -> bool:
        """Whether the reply ended because it had reached its longest."""
        return self.finished == "length"


def missing(settings: LlmSettings) -> str | None:
    """Return what has to be set before the model can be asked; None if nothing is missing."""
    if settings.model is None:
        return (
            "no language model is configured: set llm.model in rag.toml or RAG_LLM__MODEL, and "
            "llm.base_url for a server other than OpenAI's"
        )
    if settings.base_url is None and settings.api_key is None:
        return (
            "there is no key for OpenAI: set OPENAI_API_KEY in the environment, or llm.base_url "
            "for a server of your own"
        )
    return None


class ChatModel:
    """The configured language model. Threads may share one; nothing is sent before ``complete``.

    Retries with backoff are the client's own. What a server refuses (a schema for its replies, a
    temperature) is left out from then on. Raises SettingsError if no model is configured.
    """

    def __init__(self, settings: LlmSettings) -> None:
        if reason := missing(settings):
            raise SettingsError(reason)
        self.name = str(settings.model)
        self._settings = settings
        self._where = settings.base_url or OPENAI
        self._refused: set[str] = set()

    def __repr__(self) -> str:
        return f"ChatModel({self.name!r}, base_url={self._where!r})"

    def close(self) -> None:
        """Hang up; asked again, it connects again."""
        if client := self.__dict__.pop("_client", None):
            client.close()

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int | None = None,
    ) -> Reply:
        """Return the reply to messages of ``role`` and ``content``.

        With ``schema`` the server is asked to hold the reply to it, as far as it can: the text has
        to be checked all the same. Raises ModelError with what to do about it.
        """
        from openai import OpenAIError

        began = time.perf_counter()
        try:
            completion = self._create(self._arguments(messages, schema, max_tokens))
        except OpenAIError as error:
            raise ModelError(self._explained(error)) from None
        except ValueError:  # a body that is called JSON and is none
            raise ModelError(self._strange()) from None
        return self._read(completion, time.perf_counter() - began)

    @cached_property
    def _client(self) -> OpenAI:
        from openai import OpenAI

        # All three are always given: the client would fill in others from the environment.
        key = self._settings.api_key
        return OpenAI(
            api_key=key.get_secret_value() if key else _NO_KEY,
            base_url=self._where,
            timeout=self._settings.timeout,
            max_retries=self._settings.retries,
        )

    def _arguments(
        self,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any] | None,
        max_tokens: int | None,
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.name,
            "messages": [
                {key: _encodable(text) for key, text in message.items()} for message in messages
            ],
            "temperature": self._settings.temperature,
        }
        if longest := max_tokens or self._settings.max_tokens:
            arguments["max_tokens"] = longest
        if schema is not None:
            held = {"name": "reply", "schema": dict(schema), "strict": True}
            arguments["response_format"] = {"type": "json_schema", "json_schema": held}
        return arguments

    def _create(self, arguments: dict[str, Any]) -> Any:
        from openai import BadRequestError, UnprocessableEntityError

        while True:
            kept = {key: value for key, value in arguments.items() if key not in self._refused}
            if "max_tokens" in self._refused and "max_tokens" in arguments:
                kept["max_completion_tokens"] = arguments["max_tokens"]  # its later name
            try:
                return self._client.chat.completions.create(**kept)
            except (BadRequestError, UnprocessableEntityError) as error:
                blamed = _blamed(error, kept)
                if blamed is None:
                    raise
                self._refused.add(blamed)  # so the loop ends: there are only so many

    def _read(self, completion: Any, seconds: float) -> Reply:
        try:
            choice = completion.choices[0]
            text = choice.message.content
            finished = choice.finish_reason
            reported = completion.usage
        except (AttributeError, IndexError, KeyError, TypeError):
            raise ModelError(self._strange()) from None
        if text is not None and not isinstance(text, str):
            raise ModelError(self._strange())
        return Reply(text or "", self._usage(reported), self.name, finished, seconds)

    def _usage(self, reported: Any) -> Usage:
        counts = [getattr(reported, name, None) for name in ("prompt_tokens", "completion_tokens")]
        prices = (self._settings.input_price, self._settings.output_price)
        sent, received = (count if isinstance(count, int) else 0 for count in counts)
        cost = None
        if None not in prices and all(isinstance(count, int) for count in counts):
            cost = (sent * (prices[0] or 0) + received * (prices[1] or 0)) / 1_000_000
        return Usage(input_tokens=sent, output_tokens=received, cost=cost)

    def _strange(self) -> str:
        return (
            f"{self._where} answered, but not as OpenAI's protocol has it: is llm.base_url the "
            "root of its API (it often ends in /v1)?"
        )

    def _explained(self, error: OpenAIError) -> str:
        """Return one sentence for an error, and what to do about it."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        match error:
            case APITimeoutError():
                return (
                    f"{self._where} did not answer within {self._settings.timeout:g} seconds "
                    f"(llm.retries is {self._settings.retries}): raise llm.timeout, or try later"
                )
            case APIConnectionError():
                reason = self._clean(str(error.__cause__ or error))
                return (
                    f"there is no connection to {self._where} ({reason}): is the server running, "
                    "and is llm.base_url right?"
                )
            case APIStatusError():
                return self._explained_status(error)
        return f"{self._where} cannot be asked: {self._clean(str(error))}"

    def _explained_status(self, error: APIStatusError) -> str:
        said = self._clean(_message(error))
        match error.status_code:
            case 401 if self._settings.api_key is None:
                return (
                    f"{self._where} wants a key: set RAG_LLM__API_KEY in the environment "
                    "(OPENAI_API_KEY is not sent to a server that rag.toml names)"
                )
            case 401:  # without the server's words, which may have a part of the key
                return (
                    f"{self._where} refuses the key: check RAG_LLM__API_KEY, or OPENAI_API_KEY if "
                    "that is not set, in the environment"
                )
            case 403:
                return f"{self._where} does not allow this key to use {self.name}: {said}"
            case 404:
                return (
                    f"{self._where} does not know the model {self.name}: check llm.model, and that "
                    f"llm.base_url is the root of its API (it often ends in /v1). It said: {said}"
                )
            case 429 if error.code == "insufficient_quota":
                return f"the account at {self._where} has no credit left: {said}"
            case 429:
                return (
                    f"{self._where} still limits the rate (llm.retries is "
                    f"{self._settings.retries}): wait, or raise llm.retries. It said: {said}"
                )
            case status if status >= 500:
                return (
                    f"{self._where} fails with status {status} (llm.retries is "
                    f"{self._settings.retries}): try later. It said: {said}"
                )
            case status:
                return (
                    f"{self._where} refuses the request with status {status}: check llm.model and "
                    f"the other settings in [llm]. It said: {said}"
                )

    def _clean(self, text: str) -> str:
        """Return a server's words as a message can hold them: one line, not long, no key."""
        key = self._settings.api_key
        if key and len(key.get_secret_value()) > 3:  # a local server's "x" is no secret
            text = text.replace(key.get_secret_value(), "***")
        line = "".join(c if c.isprintable() else " " for c in text)
        line = " ".join(line.split()).rstrip(".")
        return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _blamed(error: APIStatusError, arguments: Mapping[str, Any]) -> str | None:
    """Return the argument that a server does not take, of those that can be done without."""
    if "response_format" in arguments and _STRUCTURED.search(f"{error.param} {_message(error)}"):
        return "response_format"
    if (error.code or "").startswith("unsupported_") and error.param in arguments:
        return error.param if error.param in ("temperature", "max_tokens") else None
    return None


def _message(error: APIStatusError) -> str:
    """Return what the server said, without the client's words around it."""
    body = error.body
    while isinstance(body, Mapping):
        body = next((body[key] for key in ("message", "error", "detail") if key in body), None)
    return str(body or error.response.reason_phrase or "nothing")
