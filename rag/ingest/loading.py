"""Items to documents, ahead of the one that is being written, with a limit on every wait.

Loading and extraction go on in threads of their own while the caller embeds and writes. The threads
are daemons and the extracting child can be killed: neither a server that says nothing nor a file
system that is gone keeps the process from ending.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from rag.errors import SourceError
from rag.ingest.extract import Extracted
from rag.ingest.fetch import Item, discover
from rag.ingest.fetched import Fetched
from rag.ingest.worker import Worker, borrowed, extract
from rag.settings import FetchSettings
from rag.types import Document, Failure

EXTRACTOR_VERSION = 3
"""Raised when the same bytes would give another text, so that unchanged items are read again."""

_DOWNLOADS = 4  # side by side
_AHEAD = 8  # items loaded ahead of the one in work
_PARTS_AHEAD = 2
_TICK = 0.2  # seconds after which a waiting thread looks whether it is still wanted


@dataclass(frozen=True)
class Part:
    """What was read next: some documents of an item, a page of it, or that it could not be read.

    ``found`` is None for an item whose bytes are those of last time and for a page; ``page`` is
    (pages done, pages in all); ``last`` tells that nothing more comes of the item.
    """

    number: int
    item: Item
    digest: str = ""
    found: Extracted | None = None
    error: SourceError | None = None
    page: tuple[int, int] | None = None
    last: bool = True


def as_source_error(name: str, error: BaseException) -> SourceError:
    """A SourceError as it is, and one that says in a sentence what no reader foresaw."""
    if isinstance(error, SourceError):
        return error
    said = " ".join(str(error).split())[:200].rstrip(".")
    reason = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return SourceError(f"{name} cannot be read ({reason}); open it, save it again and retry.")


def read_documents(source: str, settings: FetchSettings) -> list[Document]:
    """The documents of a source, without an index; raises SourceError at the first fault."""
    documents: list[Document] = []
    with discover(source, settings, base=Path.cwd()) as listing:
        for found in listing:
            if isinstance(found, Failure):
                raise SourceError(found.reason)
            documents += extract(found.load()).documents
    return documents


def read_ahead(items: Sequence[Item], last_digest: Callable[[str], str | None]) -> Iterator[Part]:
    """Yield the parts of each item, in order; ``last_digest`` gives that of an item's last reading.

    Whatever an item raises becomes a part with an ``error``.
    """
    parts: queue.Queue[Part | BaseException | None] = queue.Queue(_PARTS_AHEAD)
    stop = threading.Event()

    def put(part: Part | BaseException | None) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                parts.put(part, timeout=_TICK)
                return
        raise _StoppedError

    def run(worker: Worker) -> None:
        try:
            for number, (item, loading) in enumerate(_loading(items, stop)):
                _read(worker, Part(number, item), loading, last_digest(item.uri), put)
            put(None)
        except _StoppedError:
            pass
        except BaseException as error:  # the catalog is gone, say: raised where the parts are
            with suppress(_StoppedError):
                put(error)

    with borrowed() as worker:  # killed when the caller gives up
        threading.Thread(target=run, args=(worker,), name="rag-extract", daemon=True).start()
        try:
            while (part := parts.get()) is not None:
                if isinstance(part, BaseException):
                    raise part
                yield part
        finally:
            stop.set()


class _StoppedError(Exception):
    """Nobody waits for the rest."""


def _read(
    worker: Worker,
    part: Part,
    loading: Future[Fetched],
    last_digest: str | None,
    put: Callable[[Part], None],
) -> None:
    """Put the parts of one item."""
    held: Extracted | None = None  # the last part is told as such

    def on_page(done: int, total: int) -> None:
        put(replace(part, page=(done, total), last=False))

    try:
        loaded = loading.result()
        part = replace(part, digest=f"{EXTRACTOR_VERSION}:{sha256(loaded.data).hexdigest()}")
        if part.digest == last_digest:
            put(part)
            return
        for found in worker.extract(loaded, on_page):
            if held is not None:
                put(replace(part, found=held, last=False))
            held = found
    except SourceError as error:
        put(replace(part, found=held, error=error))
    else:
        put(replace(part, found=held))


def _loading(
    items: Sequence[Item], stop: threading.Event
) -> Iterator[tuple[Item, Future[Fetched]]]:
    """Load items in order, a few ahead of the one in work, so that waiting overlaps.

    A future holds a SourceError for whatever an item raises.
    """
    tasks: queue.SimpleQueue[tuple[Item, Future[Fetched]] | None] = queue.SimpleQueue()

    def serve() -> None:
        while (task := tasks.get()) is not None and not stop.is_set():
            item, future = task
            try:
                future.set_result(item.load())
            except BaseException as error:
                future.set_exception(as_source_error(item.uri, error))

    for _ in range(_DOWNLOADS):
        threading.Thread(target=serve, name="rag-fetch", daemon=True).start()
    ahead: deque[tuple[Item, Future[Fetched]]] = deque()
    try:
        for item in items:
            ahead.append((item, Future()))
            tasks.put(ahead[-1])
            if len(ahead) > _AHEAD:
                yield ahead.popleft()
        yield from ahead
    finally:
        for _ in range(_DOWNLOADS):
            tasks.put(None)
