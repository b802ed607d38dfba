"""What a server of OpenAI's protocol sends, read with bounds: a reply at once, or as a stream.

Nothing here trusts the server to be quick, to stop or to keep to the protocol. What it does wrong
is a ``WireFault``, for which ``ErrorMessages`` has the words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rag.settings import LlmSettings
from rag.text.terms import encodable

Kind = Literal["late", "cut", "strange", "malformed", "endless", "failed"]

BODY_BYTES = 16_000_000
"""Longest reply that is read when it comes at once."""
LINE_BYTES = 2_000_000
"""Longest line of a stream that is read."""

_PASSING = frozenset({408, 409, 429})  # and all from 500


class WireFault(Exception):  # noqa: N818 - a fault of the server; ModelError is our error
    """A server that did not answer as it should; ``passing`` if another try may help."""

    def __init__(self, kind: Kind, detail: str = "", *, passing: bool = False) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.passing = passing


@dataclass(frozen=True)
class Delta:
    """A step of a reply: text, why it stopped, what it used, or signs of life alone."""

    text: str = ""
    hidden: int = 0  # characters of reasoning, which are not part of the reply
    finished: str | None = None
    usage: Mapping[str, Any] | None = None


class _Deadline:
    """Waits so many seconds for progress: bytes alone, such as a server's comments, are none."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.progress()

    def progress(self) -> None:
        """Begin to wait anew."""
        self._until = time.monotonic() + self._seconds

    def check(self) -> None:
        """Raise WireFault if there was no progress for too long."""
        if time.monotonic() > self._until:
            raise WireFault("late", passing=True)


# A reply at once


def read_reply(chunks: Iterable[bytes], seconds: float) -> Delta:
    """A whole reply. Raises WireFault."""
    deadline = _Deadline(seconds)
    received = bytearray()
    for chunk in chunks:
        received += chunk
        if len(received) > BODY_BYTES:
            raise WireFault("endless", f"{BODY_BYTES:,} bytes")
        deadline.check()
    body = _parsed(bytes(received), "strange")
    _raise_error_in(body)
    try:
        choice = body["choices"][0]
        text = choice["message"]["content"]
        finished = choice.get("finish_reason")
    except (AttributeError, IndexError, KeyError, TypeError):
        raise WireFault("strange") from None
    if not isinstance(text, str | None):
        raise WireFault("strange")
    return Delta(encodable(text or ""), finished=_word(finished), usage=_mapping(body.get("usage")))


# A stream


def read_stream(
    chunks: Iterable[bytes], *, seconds: float, longest: int, reading: str
) -> Iterator[Delta]:
    """Yield the steps of a streamed reply. Raises WireFault, at the latest after ``longest``.

    ``longest`` counts characters, those of reasoning too. ``reading`` is the stream's media type,
    for the message if there is no event in it.
    """
    deadline = _Deadline(seconds)
    length = 0
    finished = events = False
    for line in _lines(chunks, deadline):
        data = _data_of(line)
        if data == "[DONE]":
            return
        if data is None:
            continue
        events = True
        delta = _delta_of(_parsed(data.encode(), "malformed"))
        if delta.text or delta.hidden or delta.finished:
            deadline.progress()
        length += len(delta.text) + delta.hidden
        if length > longest:
            raise WireFault("endless", f"{longest:,} characters")
        finished = finished or delta.finished is not None
        yield delta
    # Some servers leave the last line out; without a reason to stop, the reply was cut.
    if not events:
        raise WireFault("strange", reading) if reading else WireFault("cut", passing=True)
    if not finished:
        raise WireFault("cut", passing=True)


def _lines(chunks: Iterable[bytes], deadline: _Deadline) -> Iterator[bytes]:
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        if b"\n" in chunk:
            *whole, rest = pending.split(b"\n")
            yield from map(bytes, whole)
            pending = rest
        if len(pending) > LINE_BYTES:
            raise WireFault("endless", f"{LINE_BYTES:,} bytes in one line")
        deadline.check()
    if pending:
        yield bytes(pending)


def _data_of(line: bytes) -> str | None:
    """What an event says; None of a comment, an empty line and the fields beside it."""
    text = line.decode("utf-8", "replace").rstrip("\r")
    name, colon, value = text.partition(":")
    if colon and name in ("data", "error"):  # llama.cpp says an error in a field of its own
        return value.strip() or None
    if not text.strip() or not name or name in ("event", "id", "retry"):
        return None
    if text.lstrip().startswith("{"):
        return text.strip()  # an error that lacks the name of its field
    raise WireFault("malformed", f"a line begins with {text[:20]!r}")


def _delta_of(body: Any) -> Delta:
    _raise_error_in(body)
    try:
        usage = _mapping(body.get("usage"))
        choices = body.get("choices") or []
        if not choices:
            return Delta(usage=usage)
        delta = choices[0].get("delta") or {}
        text, hidden = delta.get("content"), delta.get("reasoning_content", delta.get("reasoning"))
        finished = choices[0].get("finish_reason")
    except (AttributeError, IndexError, KeyError, TypeError):
        raise WireFault("malformed", "an event is not one of a completion") from None
    if not isinstance(text, str | None):
        raise WireFault("malformed", "an event has a text that is not text")
    return Delta(
        encodable(text or ""), len(hidden) if isinstance(hidden, str) else 0, _word(finished), usage
    )


# What both share


def _parsed(body: bytes, kind: Kind) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise WireFault(kind, "an event is not JSON" if kind == "malformed" else "") from None


def _raise_error_in(body: Any) -> None:
    """Raise what a server says in place of a reply although the status was a good one."""
    if not isinstance(body, Mapping):
        return
    error = body.get("error")
    if not error and "choices" not in body and isinstance(body.get("message"), str):
        error = body  # as vLLM and llama.cpp have it
    if not error:
        return
    code = error.get("code") if isinstance(error, Mapping) else None
    status = int(str(code)) if str(code).isdecimal() else 500
    passing = status >= 500 or status in _PASSING
    raise WireFault("failed", error_message(error) or "nothing", passing=passing)


def error_message(body: Any) -> str:
    """The message in the body of an error, however it is wrapped."""
    while isinstance(body, Mapping):
        body = next((body[key] for key in ("message", "error", "detail") if body.get(key)), None)
    return str(body or "")


def _mapping(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


# --- what to say of it ----------------------------------------------------------------------------

_SENTENCES = {
    "late": "{where} did not answer within {timeout:g} seconds {retries}: raise llm.timeout, or "
    "try later",
    "late, begun": "{where} fell silent in the middle of its reply for {timeout:g} seconds: ask "
    "again, or raise llm.timeout",
    "cut": "{where} hung up before it answered {retries}: ask again, and look into the log of the "
    "server if it stays so",
    "cut, begun": "{where} broke off in the middle of its reply: ask again",
    "malformed": "{where} sent a stream that cannot be read ({said}): ask again; if it stays so, "
    "the server does not keep to OpenAI's protocol",
    "endless": "{where} did not stop and was cut off after {said}: set llm.max_tokens, or choose "
    "another model",
    "failed": "{where} gave up {retries}: try later. It said: {said}",
    "failed, begun": "{where} gave up in the middle of its reply: ask again. It said: {said}",
    "strange": "{where} answered, but not as OpenAI's protocol has it: is llm.base_url the root of "
    "its API (it often ends in /v1)?",
    "strange, of a kind": "{where} answered with {said}, but not as OpenAI's protocol has it: is "
    "llm.base_url the root of its API (it often ends in /v1)?",
    "unreachable": "there is no connection to {where} ({said}): is the server running, and is "
    "llm.base_url right?",
    "unknown": "{where} cannot be asked: {said}",
    "empty": "{where} gave an empty reply: ask again, or choose another llm.model",
    "empty, stopped": "{where} gave an empty reply (it stopped for: {said}): ask again, or choose "
    "another llm.model",
    "empty, cut off": "{where} gave an empty reply: {model} had used up its tokens before it said "
    "anything; raise llm.max_tokens",
    "no key": "{where} wants a key: set RAG_LLM__API_KEY in the environment{more}",
    # Without the server's words, which may have a part of the key.
    "401": "{where} refuses the key: check RAG_LLM__API_KEY{more} in the environment",
    "403": "{where} does not allow this key to use {model}: {said}",
    "404": "{where} does not know the model {model}: check llm.model, and that llm.base_url is the "
    "root of its API (it often ends in /v1). It said: {said}",
    "no credit": "the account at {where} has no credit left: {said}",
    "429": "{where} still limits the rate {retries}{more}: wait, or raise llm.retries. It said: "
    "{said}",
    "500": "{where} fails with status {status} {retries}: try later. It said: {said}",
    "refused": "{where} refuses the request with status {status}: check llm.model and the other "
    "settings in [llm]. It said: {said}",
}
_SHOWN = 200  # characters of what a server says of an error


class ErrorMessages:
    """What went wrong with one server: a sentence each, with what to do about it.

    No sentence holds a key, and what a server said is one short line in it.
    """

    def __init__(self, settings: LlmSettings, where: str) -> None:
        self._settings = settings
        self._known = {
            "where": where,
            "model": settings.model,
            "timeout": settings.timeout,
            "retries": f"(llm.retries is {settings.retries})",
        }

    def of(self, kind: str, said: str = "", **more: Any) -> str:
        """A sentence of the table."""
        return _SENTENCES[kind].format(said=self.clean(said), **self._known, **more)

    def of_fault(self, fault: WireFault, *, began: bool) -> str:
        """The sentence for a reply that came wrong; ``began`` if there was text of it."""
        kind: str = fault.kind
        if began and f"{kind}, begun" in _SENTENCES:
            kind = f"{kind}, begun"
        elif kind == "strange" and fault.detail:
            kind = "strange, of a kind"
        return self.of(kind, fault.detail)

    def empty(self, finished: str | None) -> str:
        """The sentence for a reply without a word; ``finished`` is why it stopped."""
        if finished == "length":
            return self.of("empty, cut off")
        return self.of("empty, stopped" if finished else "empty", finished or "")

    def of_status(self, status: int, code: str | None, said: str, wait: str | None) -> str:
        """The sentence for a status that is an error; ``wait`` is its Retry-After."""
        kind, more, variable = str(status), "", self._settings.place.key
        if status == 401 and self._settings.api_key is None:
            kind = "no key"
            if variable:
                more = f" ({variable} is not sent to a server that rag.toml names)"
        elif status == 401 and variable:
            more = f", or {variable} if that is not set,"
        elif status == 429 and code == "insufficient_quota":
            kind = "no credit"
        elif status == 429 and wait and wait.strip().isdecimal() and len(wait.strip()) < 8:
            more = f", and asks for a pause of {int(wait)} seconds"  # it may also be a date
        elif status >= 500:
            kind = "500"
        elif kind not in _SENTENCES:
            kind = "refused"
        return self.of(kind, said, status=status, more=more)

    def clean(self, text: str) -> str:
        """A server's words as a message can hold them: one line, not long, no key."""
        key = self._settings.api_key
        if key and len(key.get_secret_value()) > 3:  # a local server's "x" is no secret
            text = text.replace(key.get_secret_value(), "***")
        line = "".join(c if c.isprintable() else " " for c in text)
        line = " ".join(line.split()).rstrip(".")
        return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
