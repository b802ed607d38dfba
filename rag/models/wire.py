"""What a server of language models sends, read with bounds: a reply at once, or as a stream.

Nothing here trusts the server to be quick, to stop or to keep to its protocol. What it does wrong
is a ``WireFault``, for which ``ErrorMessages`` has the words; what it says of an error is a
``Complaint``, however it is wrapped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

Kind = Literal[
    "late", "cut", "strange", "malformed", "endless", "failed", "unreachable", "unknown", "status"
]

BODY_BYTES = 16_000_000
"""Longest reply that is read when it comes at once."""
LINE_BYTES = 2_000_000
"""Longest line, and longest event, of a stream that is read."""

_DONE = "[DONE]"
_BOM = b"\xef\xbb\xbf"
_PASSING = frozenset({408, 409, 425, 429})  # and all from 500


@dataclass(frozen=True)
class Complaint:
    """What a server says of an error. ``status`` is 500 where it has none.

    ``code`` has every word for its kind, ``param`` the argument that it is about. ``wait`` are the
    seconds after which to come back; ``window`` and ``sent`` are tokens, where it counts them.
    """

    said: str
    status: int = 500
    code: str = ""
    param: str = ""
    wait: float | None = None
    window: int | None = None
    sent: int | None = None

    @property
    def passing(self) -> bool:
        """Whether another try may help."""
        return self.status >= 500 or self.status in _PASSING


class WireFault(Exception):  # noqa: N818 - a fault of the server; ModelError is our error
    """A server that did not answer as it should; ``passing`` if another try may help."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        passing: bool = False,
        complaint: Complaint | None = None,
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.passing = passing
        self.complaint = complaint


@dataclass(frozen=True)
class Delta:
    """A step of a reply: text, why it stopped, what it used, or signs of life alone.

    ``refusal`` are the model's words for why it does not answer; ``last``: nothing follows.
    """

    text: str = ""
    hidden: int = 0  # characters of reasoning, which are not part of the reply
    refusal: str = ""
    finished: str | None = None
    usage: Mapping[str, int] | None = None
    last: bool = False


class Reading(Protocol):
    """How the values of one protocol are read. Raises WireFault."""

    def whole(self, body: Any) -> Delta:
        """A reply that came at once."""

    def step(self, body: Any) -> Delta:
        """An event of a stream."""


class _Deadline:
    """Waits so many seconds for progress: bytes alone, such as a server's comments, are none."""

    def __init__(self, first: float, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + first

    def progress(self) -> None:
        """Begin to wait anew."""
        self._until = time.monotonic() + self._seconds

    def check(self) -> None:
        """Raise WireFault if there was no progress for too long."""
        if time.monotonic() > self._until:
            raise WireFault("late", passing=True)


class Ending:
    """Ends a text before the first of ``stops``, which not all servers heed, and some leave in.

    What may be the beginning of one is held until more is there, or nothing follows.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.met = False
        self._stops = stops
        self._held = ""

    def kept(self, text: str, *, last: bool = False) -> str:
        """What is surely before the end, of this text and what was held."""
        held = "" if self.met else self._held + text
        places = [held.find(stop) for stop in self._stops if stop in held]
        self.met = self.met or bool(places)
        if places or last:
            self._held = ""
            return held[: min(places, default=None)]
        begun = (n for stop in self._stops for n in range(len(stop)) if held.endswith(stop[:n]))
        place = len(held) - max(begun, default=0)
        self._held = held[place:]
        return held[:place]


# A reply at once


def read_reply(chunks: Iterable[bytes], seconds: float, reading: Reading) -> Delta:
    """A whole reply. Raises WireFault."""
    deadline = _Deadline(seconds, seconds)
    received = bytearray()
    for chunk in chunks:
        received += chunk
        if len(received) > BODY_BYTES:
            raise WireFault("endless", f"{BODY_BYTES:,} bytes")
        deadline.check()
    try:
        body = json.loads(bytes(received).removeprefix(_BOM))
    except (ValueError, RecursionError):
        raise WireFault("strange") from None
    raise_error_in(body)
    return reading.whole(body)


# A stream


def read_stream(
    chunks: Iterable[bytes],
    reading: Reading,
    *,
    first: float,
    seconds: float,
    longest: int,
    media_type: str,
    progress: Callable[[], object] = lambda: None,
) -> Iterator[Delta]:
    """Yield the steps of a streamed reply. Raises WireFault, at the latest after ``longest``.

    ``longest`` counts characters, those of reasoning too; ``first`` and ``seconds`` are waited for
    the first token and for each of the others, and ``progress`` is called with every one.
    ``media_type`` is for the message if there is no event in it.
    """
    deadline = _Deadline(first, seconds)
    length = 0
    finished = events = False
    received = _events(chunks, deadline)
    while True:
        try:
            name, body = next(received)
        except StopIteration:
            break
        except WireFault as fault:
            if finished and fault.kind in ("cut", "late"):
                return  # it is whole, whatever becomes of the connection
            raise
        if body == _DONE:
            return
        events = True
        raise_error_in(body, sure=name == "error")
        delta = reading.step(body)
        if delta.text or delta.hidden or delta.refusal or delta.finished:
            deadline.progress()
            progress()
        length += len(delta.text) + len(delta.refusal) + delta.hidden
        if length > longest:
            raise WireFault("endless", f"{longest:,} characters")
        finished = finished or delta.finished is not None
        yield delta
        if delta.last:
            return
    # Some servers leave the last line out; without a reason to stop, the reply was cut.
    if not events:
        raise WireFault("strange", media_type) if media_type else WireFault("cut", passing=True)
    if not finished:
        raise WireFault("cut", passing=True)


def _events(chunks: Iterable[bytes], deadline: _Deadline) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each event.

    One is given as soon as its data is whole: some servers leave out the empty line behind it.
    """
    name = held = ""
    for line in _lines(chunks, deadline):
        field, data = _field_of(line)
        if field == "event":
            name = data
        elif field == "error":  # llama.cpp says an error in a field of its own
            name = field
        if field in ("data", "error") and data:
            held = f"{held}\n{data}" if held else data
            if len(held) > LINE_BYTES:
                raise WireFault("endless", f"{LINE_BYTES:,} bytes in one event")
        if not held:
            name = name if field else ""
            continue
        try:
            value = held if held == _DONE else json.loads(held)
        except (ValueError, RecursionError):
            if field:
                continue  # its next line may make it whole
            value = _unread(name, held)
        yield name, value
        name = held = ""
    if held:
        yield name, _unread(name, held)


def _unread(name: str, held: str) -> str:
    """What is no JSON, if it is an error in plain words. Raises WireFault."""
    if name != "error":
        raise WireFault("malformed", "an event is not JSON")
    return held


def _lines(chunks: Iterable[bytes], deadline: _Deadline) -> Iterator[bytes]:
    """Yield lines without their ends, which are LF, CR LF or CR alone."""
    pending = bytearray()
    begun = returned = False
    for chunk in chunks:
        pending += chunk.removeprefix(b"\n") if returned else chunk  # the end of CR LF
        returned = chunk.endswith(b"\r")
        if b"\n" in chunk or b"\r" in chunk:
            whole = bytes(pending).splitlines(keepends=True)
            pending = bytearray(b"" if not whole or whole[-1][-1:] in b"\r\n" else whole.pop())
            for line in whole:
                yield line.rstrip(b"\r\n") if begun else line.rstrip(b"\r\n").removeprefix(_BOM)
                begun = True
        if len(pending) > LINE_BYTES:
            raise WireFault("endless", f"{LINE_BYTES:,} bytes in one line")
        deadline.check()
    if pending:
        yield bytes(pending) if begun else bytes(pending).removeprefix(_BOM)


def _field_of(line: bytes) -> tuple[str, str]:
    """Name and value of a line; an empty one has neither, and a comment says nothing."""
    text = line.decode("utf-8", "replace")
    if not text.strip():
        return "", ""
    name, colon, value = text.partition(":")
    if name in ("data", "error", "event", "id", "retry"):
        return name, value.strip()
    if colon and not name:
        return "comment", ""
    if text.lstrip().startswith("{"):
        return "data", text.strip()  # an error that lacks the name of its field
    raise WireFault("malformed", f"a line begins with {text[:20]!r}")


# What a server says of an error

_MESSAGES = (
    "message", "msg", "error", "detail", "errors", "error_msg", "error_message", "status_msg",
    "base_resp",
)  # fmt: skip
_WRAPPINGS = ("error", "errors", "base_resp", "choices")
_REPLIES = ("choices", "content", "output", "response", "type")
_STATUS_OF = {
    "overloaded": 529, "rate_limit": 429, "too_many_requests": 429, "timeout": 504,
    "insufficient_quota": 402, "insufficient_balance": 402, "billing": 402,
    "context_length_exceeded": 400, "exceed_context_size": 400, "invalid_request": 400,
    "invalid_prompt": 400, "badrequest": 400, "bad_request": 400, "authentication": 401,
    "invalid_api_key": 401, "permission": 403, "not_found": 404, "request_too_large": 413,
}  # fmt: skip


def raise_error_in(body: Any, *, sure: bool = False) -> None:
    """Raise what a server says in place of a reply although the status was a good one.

    ``sure`` if it said that it is an error, whatever its form.
    """
    if isinstance(body, list) and len(body) == 1:
        body = body[0]  # as Gemini has it
    if not sure and not _is_error(body):
        return
    complaint = complaint_of(body)
    raise WireFault(
        "failed",
        complaint.said or "nothing",
        passing=complaint.passing,
        complaint=complaint,
    )


def _is_error(body: Any) -> bool:
    if not isinstance(body, Mapping):
        return False
    if body.get("error") or body.get("type") == "error":
        return True
    result = body.get("base_resp")  # as MiniMax has it, beside a reply too
    if isinstance(result, Mapping) and result.get("status_code"):
        return True
    if any(key in body for key in _REPLIES):
        return False
    return any(isinstance(body.get(key), str | list) and body[key] for key in _MESSAGES)


_DEEPEST = 8  # that a message is wrapped


def complaint_of(body: Any, status: int = 0, wait: float | None = None) -> Complaint:
    """What the body of an error says, however it is wrapped; ``status`` is that of its line."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    inner = body
    while isinstance(inner, Mapping):
        found = next((inner[key] for key in _WRAPPINGS if inner.get(key)), 0)
        found = found[0] if isinstance(found, list) and found else found
        if not isinstance(found, Mapping):
            break
        inner = found
    fields: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    outer: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    codes = [fields.get(key) for key in ("code", "type", "status", "status_code")]
    code = " ".join(str(one) for one in codes if isinstance(one, str | int) and one).lower()
    numbers = [
        int(one)
        for one in code.split()
        if one.isdecimal() and len(one) == 3 and 400 <= int(one) < 600
    ]
    if not status:
        status = next(iter(numbers), 0) or next(
            (number for word, number in _STATUS_OF.items() if word in code), 500
        )
    if wait is None:
        wait = _number(outer.get("estimated_time"))  # of a model that is being loaded
    return Complaint(
        error_message(inner) or error_message(body),
        status,
        code,
        str(fields.get("param") or ""),
        wait,
        _count(fields.get("n_ctx")),
        _count(fields.get("n_prompt_tokens")),
    )


def error_message(body: Any, deep: int = 0) -> str:
    """The message in the body of an error, however it is wrapped, but for what is nested absurdly.

    >>> error_message({"error": {"message": "no such model"}})
    'no such model'
    """
    inside = partial(error_message, deep=deep + 1)
    if isinstance(body, str):
        return body
    if deep > _DEEPEST or not isinstance(body, list | Mapping):
        return ""
    if isinstance(body, list):
        return "; ".join(filter(None, map(inside, body)))
    if isinstance(body.get("loc"), list):  # pydantic's, as FastAPI sends it
        place = ".".join(str(part) for part in body["loc"] if part != "body")
        return f"{place}: {inside(body.get('msg'))}"
    said = next(filter(None, (inside(body.get(key)) for key in _MESSAGES)), "")
    metadata = body.get("metadata")  # OpenRouter has the provider's own words there
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return f"{said}: {raw}" if isinstance(raw, str) and raw else said


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e6 else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
