"""What a server of OpenAI's protocol sends, read with bounds: a reply at once, or as a stream.

Nothing here trusts the server to be quick, to stop or to keep to the protocol. What it does wrong
is a ``WireFault``, for which ``rag.models.faults`` has the words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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


class Patience:
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
    """Return a whole reply. Raises WireFault."""
    patience = Patience(seconds)
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > BODY_BYTES:
            raise WireFault("endless", f"{BODY_BYTES:,} bytes")
        patience.check()
    return reply_of(_parsed(bytes(body), "strange"))


def reply_of(body: Any) -> Delta:
    """Return what a completion says, which must have exactly what the protocol promises."""
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
    patience = Patience(seconds)
    length = 0
    finished = events = False
    for line in _lines(chunks, patience):
        data = _data_of(line)
        if data == "[DONE]":
            return
        if data is None:
            continue
        events = True
        delta = _delta_of(_parsed(data.encode(), "malformed"))
        if delta.text or delta.hidden or delta.finished:
            patience.progress()
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


def _lines(chunks: Iterable[bytes], patience: Patience) -> Iterator[bytes]:
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        if b"\n" in chunk:
            *whole, rest = pending.split(b"\n")
            yield from map(bytes, whole)
            pending = rest
        if len(pending) > LINE_BYTES:
            raise WireFault("endless", f"{LINE_BYTES:,} bytes in one line")
        patience.check()
    if pending:
        yield bytes(pending)


def _data_of(line: bytes) -> str | None:
    """Return what an event says; None of a comment, an empty line and the fields beside it."""
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
    raise WireFault("failed", said_in(error) or "nothing", passing=passing)


def said_in(body: Any) -> str:
    """Return the message in the body of an error, however it is wrapped."""
    while isinstance(body, Mapping):
        body = next((body[key] for key in ("message", "error", "detail") if body.get(key)), None)
    return str(body or "")


def _mapping(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
