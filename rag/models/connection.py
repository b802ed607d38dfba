"""The connection to a server of language models: waited for with bounds, left at any moment.

The one file that knows the openai package.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self

from rag.errors import ModelError
from rag.events import STOPPING, Stopping
from rag.models.wire import WireFault, complaint_of
from rag.settings import AZURE_VERSION, PRESETS, LlmSettings

if TYPE_CHECKING:
    from openai import OpenAI, OpenAIError

OPENAI = PRESETS["openai"].base_url

_NO_KEY = "none"  # what a server without keys is sent: the client insists on something
_ANTHROPIC = "2023-06-01"  # the version of its protocol
_GRACE = 0.2  # seconds after which the client's own bound should have been met


def connected(settings: LlmSettings, where: str, seconds: float) -> OpenAI:
    """The client of a server, which has nothing from the environment; nothing is sent."""
    from openai import AzureOpenAI, DefaultHttpxClient, OpenAI

    class Direct(DefaultHttpxClient):
        """Follows nothing elsewhere, where the key and the question would go with it."""

        def __del__(self) -> None:
            with contextlib.suppress(Exception):  # as the client's own does
                self.close()

    # These are always given: the client would fill in others from the environment, and names of
    # accounts at OpenAI's too, which are nobody else's business.
    key = settings.api_key
    given: dict[str, Any] = {
        "api_key": key.get_secret_value() if key else _NO_KEY,
        "timeout": seconds,
        "max_retries": 0,  # what to try again is known to us
        "http_client": Direct(timeout=seconds, follow_redirects=False),
        "default_headers": {n: said.get_secret_value() for n, said in settings.headers.items()},
    }
    if settings.protocol == "anthropic":
        own = {"anthropic-version": _ANTHROPIC, "x-api-key": given["api_key"]}
        given["default_headers"] = {**own, **given["default_headers"]}
    if where != OPENAI:
        given |= {"organization": "", "project": ""}
    if settings.place is PRESETS["azure"] and not where.rstrip("/").endswith("/v1"):
        version = settings.api_version or AZURE_VERSION
        return AzureOpenAI(azure_endpoint=where, api_version=version, **given)
    return OpenAI(base_url=where, **given)


def extra_headers(settings: LlmSettings) -> dict[str, Any]:
    """The headers of every request that a client cannot be given once and for all."""
    from openai import Omit

    # The key goes into a header of Anthropic's own, and nowhere else.
    return {"Authorization": Omit()} if settings.protocol == "anthropic" else {}


_LOOK = 2.0  # seconds for what is nice to know
_LOOK_BYTES = 16_000_000  # OpenRouter's list has some hundred thousand


def fetched(
    client: OpenAI, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, Any]
) -> Any:
    """The JSON at a URL, with POST where there is a body; soon, or not at all.

    Raises WireFault, and ModelError if it is to stop.
    """
    quick = client.with_options(timeout=_LOOK, max_retries=0)
    options: Any = {"headers": {"X-Stainless-Raw-Response": "stream", **headers}}

    def ask() -> Any:
        with client_faults():
            if body is None:
                return quick.get(url, cast_to=object, options=options)
            return quick.post(url, cast_to=object, body=body, options=options)

    until = time.monotonic() + _LOOK
    response: Any = until_stopped(STOPPING.get() or Stopping(), ask, _LOOK)
    received = bytearray()
    try:
        for chunk in bytes_of(response, Watch(_LOOK, _LOOK, lambda: None)):
            received += chunk
            if len(received) > _LOOK_BYTES or time.monotonic() > until:
                raise WireFault("late")
        return json.loads(received)
    except (ValueError, RecursionError):
        raise WireFault("strange") from None
    finally:
        response.close()


@contextlib.contextmanager
def client_faults() -> Iterator[None]:
    """Raise the errors of the client as WireFault."""
    from openai import OpenAIError

    try:
        yield
    except OpenAIError as error:
        raise _fault_of(error) from None


class Watch:
    """Hangs up once nothing has come for too long: the client has one bound for all silences."""

    def __init__(self, first: float, seconds: float, hang_up: Callable[[], object]) -> None:
        self.fired = False
        self._seconds = seconds
        self._hang_up = hang_up
        self._needed = first != seconds  # else the client's own bound will do
        self._lock = threading.Lock()
        self._closed = False
        self._until = time.monotonic() + first
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        if self._needed:
            self._arm()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:  # the connection may belong to another request from here on
            self._closed = True
        if self._timer:
            self._timer.cancel()

    def progress(self) -> None:
        """A token came: wait for the next one."""
        before, self._until = self._until, time.monotonic() + self._seconds
        if self._timer and self._until < before:
            self._timer.cancel()
            self._arm()

    def _arm(self) -> None:
        self._timer = threading.Timer(max(0.0, self._until - time.monotonic()), self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        with self._lock:
            if self._closed:
                return
            if time.monotonic() < self._until:
                self._arm()
            else:
                self.fired = True
                self._hang_up()


def bytes_of(response: Any, watch: Watch) -> Iterator[bytes]:
    """Yield the body as it comes. Raises WireFault for what the connection does."""
    try:
        yield from response.iter_bytes()
    except Exception as error:
        # The client's own errors here are httpx's or httpx2's, by release: their names say which.
        names = {kind.__name__ for kind in type(error).__mro__}
        if watch.fired or names & {"TimeoutException", "APITimeoutError"}:
            raise WireFault("late", passing=True) from None
        if names & {"RequestError", "StreamError", "APIConnectionError", "OSError"}:
            raise WireFault("cut", passing=True) from None
        raise
    if watch.fired:
        raise WireFault("late", passing=True)


def raise_if_stopped(stopping: Stopping) -> None:
    """Raise ModelError if it is to stop."""
    if stopping.is_set():
        raise ModelError("it was stopped from outside")


def until_stopped(stopping: Stopping, ask: Callable[[], Any], seconds: float) -> Any:
    """The response to a request. Raises ModelError as soon as it is to stop, WireFault if late.

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

    raise_if_stopped(stopping)
    threading.Thread(target=call, daemon=True, name="rag-ask").start()
    try:
        with stopping.calling(outcome.cancel):
            return outcome.result(seconds + _GRACE)
    except TimeoutError:
        raise WireFault("late", passing=True) from None
    except CancelledError:
        raise ModelError("it was stopped from outside") from None
    finally:
        outcome.cancel()  # Ctrl-C


def hang_up(response: Any) -> None:
    """Close the connection of a response, also under a thread that is waiting for its bytes.

    Closing a socket wakes nobody who waits for it; shutting it down does.
    """
    with contextlib.suppress(AttributeError, KeyError, OSError):
        stream = response.http_response.extensions["network_stream"]
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def _fault_of(error: OpenAIError) -> WireFault:
    """What an error of the client means."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    match error:
        case APITimeoutError():
            return WireFault("late", passing=True)
        case APIConnectionError():
            return WireFault("unreachable", str(error.__cause__ or error), passing=True)
        case APIStatusError():
            response = error.response
            try:
                body = json.loads(response.content)
            except (ValueError, RecursionError):
                body = response.text
            complaint = complaint_of(body, response.status_code, _asked_pause(response.headers))
            if not complaint.said:
                complaint = replace(complaint, said=str(response.reason_phrase or "nothing"))
            final = response.headers.get("x-should-retry", "").lower() == "false"
            passing = complaint.passing and not final
            return WireFault("status", passing=passing, complaint=complaint)
    return WireFault("unknown", str(error))


def _asked_pause(headers: Mapping[str, str]) -> float | None:
    """The seconds after which a server wants to be asked again, in a header of any form."""
    asked = headers.get("retry-after", "").strip()
    with contextlib.suppress(ValueError):
        return max(0.0, float(headers.get("retry-after-ms", "")) / 1000)
    with contextlib.suppress(ValueError):
        return max(0.0, float(asked))
    with contextlib.suppress(ValueError):
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    return None
