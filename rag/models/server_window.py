"""How much a model takes at once, as its server says it: asked when it matters, and never trusted.

Servers have many places for it, and some do not tell. What a server says wrongly, late or absurdly
counts as not said: nothing here raises, and no answer waits long for it.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

from rag.settings import LlmSettings
from rag.text.tokens import DEFAULT_WINDOW, Window

Ask = Callable[[str, Mapping[str, Any] | None], Any]
"""Gets the JSON at a path, with POST where there is a body; None where there is none.

A path that begins with a slash is one of the server, any other of its API.
"""

Counter = Literal["llama.cpp", "vllm"]
"""Who counts the tokens of a text when asked."""

_SIZES = (256, 20_000_000)  # tokens of a window that anybody believes
_NAMES = (
    "loaded_context_length", "max_model_len", "context_length", "context_window",
    "max_context_length", "max_input_tokens",
)  # fmt: skip
_OLLAMA = 4096  # what it takes at least where nobody says more; the rest it drops without a word
_NUM_CTX = re.compile(r"^num_ctx\s+(\d{3,8})\s*$", re.MULTILINE)
_ADVICE = "give the model a larger window at its server"
_COUNTED = 32  # texts whose count is remembered
_LONGEST = 2_000_000  # characters of a text that a server is asked to count


@dataclass(frozen=True)
class Told:
    """What a server says: a window where it is known, else the ``most`` that it can be.

    ``place`` is where it says so, ``counter`` who counts tokens there.
    """

    tokens: int | None = None
    most: int | None = None
    place: str = ""
    counter: Counter | None = None


def told(ask: Ask, model: str) -> Told:
    """What the server of a model says of its window."""
    listed = _entries(ask("models", None), "data")
    entry = _of(listed, model) or (listed[0] if len(listed) == 1 else {})
    owner = str(entry.get("owned_by", "")).lower()
    meta = _mapping(entry.get("meta"))
    if owner == "llamacpp" or "n_ctx_train" in meta:
        return _llama_cpp(ask, meta)
    if owner == "library":
        return _ollama(ask, model)
    if owner == "organization_owner":
        return _lm_studio(ask, model)
    found = [_size(entry.get(name)) for name in _NAMES]
    found.append(_size(_mapping(entry.get("top_provider")).get("context_length")))
    counter: Counter | None = "vllm" if "max_model_len" in entry else None
    return Told(_least(*found), place="/models", counter=counter)


def _llama_cpp(ask: Ask, meta: Mapping[str, Any]) -> Told:
    """Of one slot, where several divide it; what the model was trained for is a bound alone."""
    props = _mapping(_mapping(ask("/props", None)).get("default_generation_settings"))
    of_slot, listed = _size(props.get("n_ctx")), _size(meta.get("n_ctx"))
    most = _size(meta.get("n_ctx_train"))
    place = "/props" if of_slot else "/models"
    return Told(_least(of_slot, listed), most, place, "llama.cpp")


def _ollama(ask: Ask, model: str) -> Told:
    """As the model is loaded now, else as its file says, else the least that Ollama gives."""
    running = _of(_entries(ask("/api/ps", None), "models"), model)
    if tokens := _size(running.get("context_length")):
        return Told(tokens, place="/api/ps")
    shown = _mapping(ask("/api/show", {"model": model}))
    info = _mapping(shown.get("model_info"))
    most = _least(*(_size(n) for key, n in info.items() if key.endswith(".context_length")))
    written = _NUM_CTX.search(str(shown.get("parameters") or ""))
    if written and (tokens := _size(int(written[1]))):
        return Told(_least(tokens, most), place="/api/show")
    return Told(most=_least(_OLLAMA, most), place="what Ollama gives")


def _lm_studio(ask: Ask, model: str) -> Told:
    entry = _of(_entries(ask("/api/v0/models", None), "data"), model)
    tokens, most = (_size(entry.get(f"{of}_context_length")) for of in ("loaded", "max"))
    return Told(_least(tokens, most) if tokens else None, most, "/api/v0/models")


def _entries(body: Any, key: str) -> list[Mapping[str, Any]]:
    found = _mapping(body).get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _of(entries: list[Mapping[str, Any]], model: str) -> Mapping[str, Any]:
    names = {model, f"{model}:latest"}
    return next((e for e in entries if {e.get("id"), e.get("name"), e.get("model")} & names), {})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _size(value: Any) -> int | None:
    least, most = _SIZES
    believed = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    return value if believed else None


def _least(*sizes: int | None) -> int | None:
    return min((size for size in sizes if size is not None), default=None)


# The window that is in force


_SILENT: ContextVar[bool] = ContextVar("silent", default=False)


@contextmanager
def nothing_sent() -> Iterator[None]:
    """Inside, no server is asked for its window: what is not known yet is the default."""
    before = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(before)


class ServerWindow:
    """The window of a model behind a server: ``llm.context_tokens``, else what the server says.

    The server is asked once, when somebody wants to know. Threads may share it.
    """

    def __init__(self, settings: LlmSettings, ask: Ask) -> None:
        self._wanted = settings.context_tokens
        self._model = str(settings.model)
        self._ask = ask
        self._lock = threading.Lock()
        self._told: Told | None = None
        self._counts: OrderedDict[str, int | None] = OrderedDict()

    @property
    def told(self) -> Told:
        """What the server says; nothing as long as it must not be asked."""
        with self._lock:
            if self._told is None and not _SILENT.get():
                self._told = told(self._ask, self._model)
            return self._told or Told()

    @property
    def window(self) -> Window:
        """The window, with the counts of the server where it counts."""
        if self._wanted is not None:
            return Window(self._wanted, exact=self.count)
        says = self.told
        if says.tokens is None and says.most is None:
            return Window(DEFAULT_WINDOW, exact=self.count)
        tokens = says.tokens or min(DEFAULT_WINDOW, says.most or DEFAULT_WINDOW)
        return Window(tokens, exact=self.count, name="the window of its server", advice=_ADVICE)

    def explained(self) -> str:
        """The number and where it comes from. The server is asked."""
        says, tokens = self.told, self.window.tokens
        theirs = f"{says.tokens or says.most} tokens, as {says.place} has it"
        known = says.tokens or says.most
        if self._wanted is not None:
            beside = f"; the server's is {theirs}" if known else ""
            return f"{tokens} tokens, llm.context_tokens{beside}"
        if says.tokens:
            return theirs
        if known:
            return f"{tokens} tokens; {says.place} allows {says.most} at most and says no more"
        return f"{tokens} tokens, the default: the server does not say; set llm.context_tokens"

    def count(self, text: str) -> int | None:
        """The tokens of a text as the server counts them, without special ones; None if unknown."""
        if _SILENT.get() or (counter := self.told.counter) is None or len(text) > _LONGEST:
            return None
        with self._lock:
            if text not in self._counts:
                self._counts[text] = self._counted(counter, text)
                if len(self._counts) > _COUNTED:
                    self._counts.popitem(last=False)
            return self._counts[text]

    def _counted(self, counter: Counter, text: str) -> int | None:
        body = {"content": text}
        if counter == "vllm":
            body = {"model": self._model, "prompt": text}
        reply = _mapping(self._ask("/tokenize", body))
        tokens = reply.get("tokens")
        count = len(tokens) if isinstance(tokens, list) else reply.get("count")
        return count if isinstance(count, int) and 0 < count <= len(text.encode()) + 16 else None
