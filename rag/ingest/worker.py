"""Extraction in a child process, so that no bytes take more than so much time and memory.

A library that loops, or asks for gigabytes, inside one call can be ended by nobody but the system.
The child is started at the first file, serves one file at a time, and ends when it is left idle or
its parent is gone. Where no interpreter can be started, extraction runs in the calling process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import IO, Any

try:
    import resource
except ImportError:  # Windows has none: the parent's own clock has to do
    resource = None  # type: ignore[assignment]

from rag.errors import SourceError
from rag.ingest import extract as extraction
from rag.ingest.extract import Extracted
from rag.ingest.fetched import Fetched
from rag.types import Document

SECONDS = 20
"""Processor time for one file, or for one page of it where it has pages."""
MEMORY = 2_000_000_000
"""Bytes of address space of the child."""
_MOST_PAGES = 30  # times SECONDS, for all pages together
_WALL = 4  # times SECONDS without a sign of life: a crowded machine is slow, not stuck
_IDLE = 10.0  # seconds after which the child ends itself
_LARGE = 1_000_000_000  # bytes in use after which it is started anew
_PART = 256  # documents sent at a time

OnPage = Callable[[int, int], None]  # (pages done, pages in all)

_START = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from rag.ingest.worker import serve; serve(int(sys.argv[1]))"
)


def extract(fetched: Fetched, on_page: OnPage | None = None) -> Extracted:
    """All documents in the bytes; raises nothing but SourceError."""
    whole = Extracted([])
    with borrowed() as worker:
        for part in worker.extract(fetched, on_page):
            whole.documents.extend(part.documents)
            whole.failures.extend(part.failures)
            whole.notes.extend(part.notes)
    return whole


@contextlib.contextmanager
def borrowed() -> Iterator[Worker]:
    """Lend a worker to one thread; the child of one that was used before is at work sooner."""
    worker = _idle.pop() if _idle else Worker()
    whole = False
    try:
        yield worker
        whole = True
    except SourceError:
        whole = True
        raise
    finally:
        if whole and not _idle:  # one is enough
            _idle.append(worker)
        else:
            worker.kill()


class Worker:
    """A child process that extracts, started when it is needed. One thread at a time uses it."""

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self._seconds = seconds
        self._memory = memory
        self._child: subprocess.Popen[bytes] | None = None
        self._late = self._killed = False

    def extract(self, fetched: Fetched, on_page: OnPage | None = None) -> Iterator[Extracted]:
        """Yield the documents some at a time, so that a million rows need not fit in memory.

        Raises nothing but SourceError. Given up in the middle, it ends the child.
        """
        try:
            yield from self._extract(fetched, on_page)
        except _NoChildError:
            try:
                yield extraction.extract(fetched, on_page)
            except MemoryError:
                raise SourceError(self._ending(fetched.name or fetched.uri, _NO_MEMORY)) from None

    def _extract(self, fetched: Fetched, on_page: OnPage | None) -> Iterator[Extracted]:
        done = False
        try:
            for kind, *values in self._frames(fetched):
                if kind == "page" and on_page:
                    on_page(*values)
                elif kind == "error":
                    done = True
                    raise SourceError(*values)
                elif kind == "part":
                    done = values[0] is not None
                    failures, notes = values[0] or ([], [])
                    documents = [Document.model_construct(**state) for state in values[1]]
                    yield Extracted(documents, failures, notes)
        finally:
            if not done:  # what it still sends would answer the next file
                self._discard()

    def _frames(self, fetched: Fetched) -> Iterator[tuple[Any, ...]]:
        status = 0
        for _ in range(2):
            said = False
            for frame in self._answers(fetched):
                said = _proved[0] = True
                yield frame
                if frame[0] == "error" or (frame[0] == "part" and frame[1] is not None):
                    return
            status = self._end()
            if said or status or self._late or self._killed:
                break
            # Its end was its own and due before this file reached it: a new one is asked.
        if not _proved[0] and not self._killed and not _can_start():
            raise _NoChildError
        raise SourceError(self._ending(fetched.name or fetched.uri, status))

    def _answers(self, fetched: Fetched) -> Iterator[tuple[Any, ...]]:
        """Yield what the child says until it falls silent for good."""
        child = self._started(fetched)
        alive = time.monotonic()
        timer = self._watch(child)
        try:
            while True:
                yield pickle.load(child.stdout)  # type: ignore[arg-type]
                if time.monotonic() - alive > 1:
                    timer.cancel()
                    alive, timer = time.monotonic(), self._watch(child)
        except (EOFError, OSError, pickle.UnpicklingError):
            return
        finally:
            timer.cancel()

    def _started(self, fetched: Fetched) -> subprocess.Popen[bytes]:
        """Send the file to the child, and to a new one if that has just ended itself."""
        self._late = False
        while True:
            if self._child is not None and self._child.poll() is not None:
                self._end()
            fresh = self._child is None
            try:
                child = self._child = self._child or _start(self._memory)
            except (OSError, ValueError) as error:
                raise _NoChildError from error
            assert child.stdin is not None
            if self._killed:  # from another thread, a moment ago
                self._discard()
                raise SourceError("Reading was ended.")
            try:
                pickle.dump((self._seconds, fetched), child.stdin, pickle.HIGHEST_PROTOCOL)
                child.stdin.flush()
            except OSError:
                if fresh:
                    return child  # its end will be told
                self._end()
            else:
                return child

    def _watch(self, child: subprocess.Popen[bytes]) -> threading.Timer:
        def end() -> None:
            self._late = True
            child.kill()

        timer = threading.Timer(_WALL * self._seconds, end)
        timer.daemon = True
        timer.start()
        return timer

    def _ending(self, name: str, status: int) -> str:
        """Say how the child ended, as far as that tells."""
        if self._late or -status == getattr(signal, "SIGXCPU", None):
            return (
                f"{name} takes longer than {self._seconds:g} s to read; split it or leave it out."
            )
        room = f"{self._memory / 1e9:g} GB of memory"
        if status == _NO_MEMORY:
            return f"{name} takes more than {room} to read; split it or leave it out."
        return (
            f"{name} cannot be read: a library broke down over it, or {room} were not enough "
            f"(status {status}); open it, save it again and retry."
        )

    def kill(self) -> None:
        """End the child for good, also one in the middle of a file; from any thread."""
        self._killed = True
        self._discard()

    def _discard(self) -> None:
        if child := self._child:
            child.kill()
            self._end()

    def _end(self) -> int:
        """Wait for the child's end and return its status."""
        child, self._child = self._child, None
        if child is None:  # killed from another thread
            return 0
        status = child.wait()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError, ValueError):  # what was not sent yet is for nobody
                pipe.close()  # type: ignore[union-attr]
        return status


@atexit.register
def _close() -> None:
    while _idle:
        _idle.pop().kill()


class _NoChildError(Exception):
    """No interpreter can be started here."""


_proved = [False]  # whether a child has ever answered
_idle: list[Worker] = []


@lru_cache(maxsize=1)
def _can_start() -> bool:
    """Tell whether an interpreter can be started here that knows this package.

    ``sys.executable`` may be a program that has Python inside.
    """
    with contextlib.suppress(OSError, ValueError):
        child = _start(MEMORY)
        try:
            hello = Fetched(uri="a.txt", data=b"a", name="a.txt")
            child.communicate(pickle.dumps((SECONDS, hello)), timeout=_WALL * SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            return False
        return child.returncode == 0
    return False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # its pipes are the parent's


def _start(memory: int) -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise OSError("no interpreter is known")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-c", _START, str(memory), *filter(None, map(str, sys.path))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what libraries mutter over a broken file is for nobody
        env=os.environ | threads,
        start_new_session=True,  # Ctrl-C is for the parent, which ends the child
    )


# --- the child -------------------------------------------------------------------------------

_NO_MEMORY = 77


def serve(memory: int) -> None:
    """Answer requests on standard input until it ends; standard output carries the answers."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    requests = sys.stdin.buffer
    inherited = _peak()  # Linux counts what the parent had when it forked
    _limit_memory(memory)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    while _is_asked(requests):
        try:
            seconds, fetched = pickle.load(requests)
        except (EOFError, OSError, pickle.UnpicklingError):
            return  # the parent is gone, perhaps in the middle of a file
        try:
            _answer(fetched, seconds, answers)
            answers.flush()
        except MemoryError:
            os._exit(_NO_MEMORY)
        except BrokenPipeError:
            os._exit(0)  # the parent is gone
        if _peak() > max(_LARGE, inherited):
            return


def _end_with(parent: int) -> None:
    """End when the parent is gone, in the middle of a file, too."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def _answer(fetched: Fetched, seconds: float, answers: IO[bytes]) -> None:
    def send(*frame: Any) -> None:
        pickle.dump(frame, answers, pickle.HIGHEST_PROTOCOL)

    clock = _Clock(seconds)

    def on_page(done: int, total: int) -> None:
        clock.go_on()
        send("page", done, total)
        answers.flush()

    try:
        found = extraction.extract(fetched, on_page)
    except SourceError as error:
        send("error", str(error))
        return
    clock.go_on()
    states = [document.__dict__ for document in found.documents]
    starts = range(0, max(len(states), 1), _PART)
    for start in starts:
        rest = (found.failures, found.notes) if start == starts[-1] else None
        send("part", rest, states[start : start + _PART])
        clock.go_on()


class _Clock:
    """The processor time that is left: as much for every page, so many times as much for all."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.process_time() + _MOST_PAGES * seconds
        self._set = 0.0
        self.go_on()

    def go_on(self) -> None:
        now = time.process_time()
        if now - self._set < 1 and self._set:
            return
        self._set = now
        if resource:
            _, hard = resource.getrlimit(resource.RLIMIT_CPU)
            until = int(min(now + self._seconds, self._end)) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


def _limit_memory(memory: int) -> None:
    if resource:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _is_asked(requests: IO[bytes]) -> bool:
    # Windows cannot wait for a pipe.
    return os.name == "nt" or bool(select.select([requests], [], [], _IDLE)[0])


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if resource else 0
