"""The protocols that servers of language models speak: how a request is put, how a reply is read.

A request is written once, as OpenAI's chat completions have it, and put into the words of the
others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rag.models.wire import Delta, Reading, WireFault, raise_error_in
from rag.text.terms import encodable

STOPPED, LONGEST, FILTERED, TOOLS = "stop", "length", "content_filter", "tool_calls"
"""Why a reply stopped, in OpenAI's words."""

_FINISHES = {
    STOPPED: ("eos", "eos_token", "end_turn", "stop_sequence", "completed"),
    LONGEST: (
        "max_tokens", "max_output_tokens", "max_length", "model_length",
        "model_context_window_exceeded",
    ),
    FILTERED: (
        "safety", "recitation", "prohibited_content", "blocklist", "spii", "sensitive", "refusal",
        "content_filtered", "guardrail_intervened",
    ),
    TOOLS: ("function_call", "tool_use", "malformed_function_call"),
    "error": (
        "abort", "failed", "network_error", "insufficient_system_resource", "cancelled", "canceled",
    ),
}  # fmt: skip
_FINISHED = {word: name for name, words in _FINISHES.items() for word in words}

_CHAT_COUNTS = {"input": "prompt_tokens", "output": "completion_tokens"}
_COUNTS = {"input": "input_tokens", "output": "output_tokens"}


class Dialect(Reading, Protocol):
    """One protocol: where requests go, what they hold, and how replies are read."""

    path: str

    def body(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent, from arguments as OpenAI's chat completions have them."""


class Chat:
    """OpenAI's chat completions, which most servers speak."""

    path = "/chat/completions"

    def body(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent."""
        return dict(arguments)

    def whole(self, body: Any) -> Delta:
        """A reply that came at once. Raises WireFault."""
        try:
            choice = body["choices"][0]
            raise_error_in({"error": choice.get("error")})
            message = choice["message"] if "message" in choice else {"content": choice["text"]}
            text, hidden, refusal = _said(message)
            finished = _finish(choice.get("finish_reason"))
            return Delta(text, hidden, refusal, finished, _usage(body, _CHAT_COUNTS))
        except (AttributeError, IndexError, KeyError, TypeError):
            raise WireFault("strange") from None

    def step(self, body: Any) -> Delta:
        """An event of a stream. Raises WireFault."""
        try:
            usage = _usage(body, _CHAT_COUNTS)
            choices = body.get("choices") or []
            if not choices:
                return Delta(usage=usage)
            choice = choices[0]
            raise_error_in({"error": choice.get("error")})
            finished = _finish(choice.get("finish_reason"))
            # Some servers stream the events of plain completions, or a message in the only one.
            said = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
            try:
                text, hidden, refusal = _said(said)
            except TypeError:
                raise WireFault("malformed", "an event has a text that is not text") from None
            return Delta(text, hidden, refusal, finished, usage)
        except (AttributeError, IndexError, KeyError, TypeError):
            raise _malformed() from None


def _said(message: Mapping[str, Any]) -> tuple[str, int, str]:
    """Text, characters of reasoning and refusal. Raises TypeError for what is no text."""
    text, hidden, refusal = _content(message.get("content"))
    for key in ("reasoning_content", "reasoning", "thinking"):
        if isinstance(thought := message.get(key), str):
            hidden += len(thought)
            break
    refused = message.get("refusal")
    return text, hidden, refusal or (encodable(refused) if isinstance(refused, str) else "")


def _content(content: Any) -> tuple[str, int, str]:
    """The same of a content, which is a text or the parts of one."""
    if content is None or isinstance(content, str):
        return encodable(content or ""), 0, ""
    texts: list[str] = []
    refusal, hidden = "", 0
    for part in [content] if isinstance(content, Mapping) else content:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = part.get("type")  # AttributeError: it is no part
        if kind in ("thinking", "reasoning"):
            thought = part.get("thinking", part.get("text"))
            hidden += len(thought if isinstance(thought, str) else _content(thought)[0])
        elif kind == "refusal":
            refusal += encodable(str(part.get("refusal") or ""))
        elif kind in ("text", "output_text", None):
            value = part["text"]
            value = value.get("value") if isinstance(value, Mapping) else value
            if not isinstance(value, str):
                raise TypeError("no text")
            texts.append(value)
    return encodable("".join(texts)), hidden, refusal


def _finish(value: Any) -> str | None:
    """Why it stopped, in OpenAI's words where there is one. Raises WireFault for an error."""
    if not isinstance(value, str) or not value:
        return None
    word = value.lower().removeprefix("finish_reason_")
    word = _FINISHED.get(word, word)
    if word == "error":
        raise WireFault("failed", f"it stopped for: {value}", passing=True)
    return word


def _usage(body: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, int] | None:
    """The tokens that were counted, by our names; None where there is no count."""
    reported = body.get("usage")
    if not isinstance(reported, Mapping):
        return None
    places = {name: (reported, key) for name, key in names.items()}
    for name, detail, key in (
        ("cached", f"{names['input']}_details", "cached_tokens"),
        ("reasoning", f"{names['output']}_details", "reasoning_tokens"),
    ):
        if isinstance(details := reported.get(detail), Mapping):
            places[name] = (details, key)
    if "cached" not in places and "prompt_cache_hit_tokens" in reported:  # as DeepSeek has it
        places["cached"] = (reported, "prompt_cache_hit_tokens")
    counts = {name: where.get(key) for name, (where, key) in places.items()}
    return {n: c for n, c in counts.items() if isinstance(c, int) and c >= 0} or None


def _malformed() -> WireFault:
    return WireFault("malformed", "an event is not one of a completion")


class Responses:
    """OpenAI's responses. Nothing of them is stored there."""

    path = "/responses"

    def body(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent; it knows no seed and no texts to stop at."""
        body = {k: v for k, v in arguments.items() if k not in (*_CHAT_ALONE, "seed", "stop")}
        system, said = _apart(arguments["messages"])
        # OpenAI takes messages without a type; llama.cpp takes none of an assistant's without.
        body["input"] = [{"type": "message", **message} for message in said]
        if system:
            body["instructions"] = system
        if limit := _limit(arguments):
            body["max_output_tokens"] = limit
        if wanted := arguments.get("response_format"):
            held = wanted.get("json_schema", {})
            body["text"] = {"format": {"type": wanted["type"], **held}}
        if effort := body.pop("reasoning_effort", None):
            body["reasoning"] = {"effort": effort}
        return {"store": False, **body}

    def whole(self, body: Any) -> Delta:
        """A reply that came at once. Raises WireFault."""
        try:
            texts, refusal, hidden = [], "", 0
            for item in body["output"]:
                if item.get("type") == "reasoning":
                    parts = [*(item.get("summary") or ()), *(item.get("content") or ())]
                    hidden += sum(len(part.get("text") or "") for part in parts)
                elif item.get("type") == "message":
                    text, _, refused = _content(item["content"])
                    texts.append(text)
                    refusal += refused
            finished = self._finished(body)
            called = any(map(_is_call, body["output"]))
            if called and not any(texts):
                finished = TOOLS
            return Delta(
                "".join(texts), hidden, refusal, finished, _usage(body, _COUNTS), last=True
            )
        except (AttributeError, KeyError, TypeError):
            raise WireFault("strange") from None

    def step(self, body: Any) -> Delta:
        """An event of a stream. Raises WireFault."""
        try:
            kind, said = body["type"], body.get("delta")
            if kind == "response.output_text.delta":
                return Delta(encodable(said))
            if kind == "response.refusal.delta":
                return Delta(refusal=encodable(said))
            if kind.startswith("response.reasoning") and isinstance(said, str):
                return Delta(hidden=len(said))
            if kind in ("response.completed", "response.incomplete", "response.failed"):
                response = body["response"]
                raise_error_in({"error": response.get("error")})
                usage = _usage(response, _COUNTS)
                called = any(_is_call(item) for item in response.get("output") or ())
                finished = TOOLS if called else self._finished(response)
                return Delta(finished=finished, usage=usage, last=True)
            return Delta()
        except (AttributeError, KeyError, TypeError):
            raise _malformed() from None

    def _finished(self, response: Mapping[str, Any]) -> str | None:
        details = response.get("incomplete_details") or {}
        return _finish(details.get("reason") or response.get("status"))


class Anthropic:
    """Anthropic's messages. A limit is wanted with every request, and no schema is taken."""

    path = "/messages"

    def body(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent; thoughts are paid for beside the reply, and want no temperature."""
        left_out = (*_CHAT_ALONE, "seed", "stop", "response_format", "reasoning_effort")
        body = {k: v for k, v in arguments.items() if k not in left_out}
        system, body["messages"] = _apart(arguments["messages"])
        if system:
            body["system"] = system
        if arguments.get("stop"):
            body["stop_sequences"] = arguments["stop"]
        body["max_tokens"] = _limit(arguments) or _ANTHROPIC_LIMIT
        if budget := _BUDGETS.get(arguments.get("reasoning_effort", "")):
            body["thinking"] = {"type": "enabled", "budget_tokens": budget}
            body["max_tokens"] += budget
            body.pop("temperature", None)
        return body

    def whole(self, body: Any) -> Delta:
        """A reply that came at once. Raises WireFault."""
        try:
            text, hidden = "", 0
            for part in body["content"]:
                if part["type"] == "text":
                    text += encodable(part["text"])
                elif part["type"] == "thinking":
                    hidden += len(part["thinking"])
            finished = _finish(body.get("stop_reason"))
            return Delta(text, hidden, finished=finished, usage=self._usage(body))
        except (AttributeError, KeyError, TypeError):
            raise WireFault("strange") from None

    def step(self, body: Any) -> Delta:
        """An event of a stream. Raises WireFault."""
        try:
            match body["type"]:
                case "message_start":
                    return Delta(usage=self._usage(body["message"]))
                case "content_block_start":
                    return Delta(encodable(body["content_block"].get("text") or ""))
                case "content_block_delta":
                    said = body["delta"]
                    hidden = len(said.get("thinking") or "")
                    return Delta(encodable(said.get("text") or ""), hidden)
                case "message_delta":
                    finished = _finish(body["delta"].get("stop_reason"))
                    return Delta(finished=finished, usage=self._usage(body))
                case "message_stop":
                    return Delta(last=True)
            return Delta()
        except (AttributeError, KeyError, TypeError):
            raise _malformed() from None

    def _usage(self, body: Mapping[str, Any]) -> dict[str, int] | None:
        """The tokens that were counted; what was read from memory or put there was sent too."""
        counts = _usage(body, _COUNTS)
        reported = body.get("usage")
        if counts is None or "input" not in counts or not isinstance(reported, Mapping):
            return counts
        read = reported.get("cache_read_input_tokens")
        written = reported.get("cache_creation_input_tokens")
        if isinstance(read, int):
            counts["cached"] = read
        if isinstance(written, int):
            counts["written"] = written
        counts["input"] += sum(n for n in (read, written) if isinstance(n, int))
        return counts


_CHAT_ALONE = (
    "messages", "max_tokens", "max_completion_tokens", "response_format", "stream_options",
)  # fmt: skip
_ANTHROPIC_LIMIT = 4096  # tokens, where nobody says how long a reply may be
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384}  # tokens of thoughts


def _is_call(item: Mapping[str, Any]) -> bool:
    return item.get("type") == "function_call"


def _limit(arguments: Mapping[str, Any]) -> int | None:
    return arguments.get("max_tokens") or arguments.get("max_completion_tokens")


def _apart(messages: Sequence[Mapping[str, str]]) -> tuple[str, list[dict[str, str]]]:
    """What the system says, and the messages beside that."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    return system, [dict(message) for message in messages if message["role"] != "system"]


DIALECTS: Mapping[str, Dialect] = {
    "chat": Chat(),
    "responses": Responses(),
    "anthropic": Anthropic(),
}
"""By the name that ``llm.api`` has for them."""
