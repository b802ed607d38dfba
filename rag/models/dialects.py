"""The protocols that servers of language models speak: how a request is put, how a reply is read.

A request is written once, as OpenAI's chat completions have it, and put into the words of the
others.
"""

from __future__ import annotations

from collections.abc import Mapping
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


DIALECTS: Mapping[str, Dialect] = {"chat": Chat()}
"""By the name that ``llm.api`` has for them."""
