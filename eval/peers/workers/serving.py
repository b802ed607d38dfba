"""The harness around a peer: imports its worker, answers requests, holds the clock.

Runs in the peer's own environment and needs only the standard library. Requests come in as JSON
lines, ``[method, arguments]``; replies go out as ``{"value": ...}`` or ``{"error": ...}``. A worker
has ``build(documents, folder)``, ``search(index, query, k)`` and ``count(index)``. It may have
``ranking(index)``, which returns what the 100 documents deep rankings search, and ``forget()``,
which drops what earlier questions left behind.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any


class Server:
    """One peer: what it built, and what it took."""

    def __init__(self, worker: str, home: str, threads: str, takes: str) -> None:
        self._name, self._home, self._threads = worker, Path(home), int(threads)
        self._takes_folder = takes == "folder"
        self._worker: ModuleType
        self._index: Any = None
        self._built = 0

    def load(self, packages: list[str]) -> dict[str, str]:
        """Import the worker, which loads its models; return the versions of its packages."""
        self._worker = importlib.import_module(self._name)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(self._threads)
        return {package: version(package) for package in packages}

    def warm(self, documents: str, query: str) -> None:
        """Build an index that is then forgotten, and search it."""
        index = self._worker.build(self._given(documents), self._folder("warm"))
        self._worker.search(index, query, 3)

    def ingest(self, documents: str) -> dict[str, float]:
        """Build the index of a folder of text files in place of the last; return what it took."""
        self._index, self._built = None, self._built + 1
        given, folder = self._given(documents), self._folder(f"index-{self._built}")
        start, busy = time.perf_counter(), time.process_time()
        self._index = self._worker.build(given, folder)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        return {"seconds": seconds, "cpu_seconds": busy, **self._worker.count(self._index)}

    def search(self, queries: list[str], others: list[str], k: int) -> list[float]:
        """Return the milliseconds that each query took, after others that are not timed.

        A turn does not start in a cold processor, nor with what was kept of the same queries.
        """
        for query in others:
            self._worker.search(self._index, query, k)
        getattr(self._worker, "forget", lambda: None)()
        times = []
        for query in queries:
            start = time.perf_counter()
            self._worker.search(self._index, query, k)
            times.append((time.perf_counter() - start) * 1000)
        return times

    def rank(self, queries: dict[str, str], k: int) -> dict[str, list[tuple[str, float]]]:
        """Return query -> names and scores of the best ``k`` chunks."""
        ranking = getattr(self._worker, "ranking", lambda index: index)
        index = ranking(self._index)
        return {
            query: [(name, float(score)) for name, score in self._worker.search(index, text, k)]
            for query, text in queries.items()
        }

    def peak(self) -> float:
        """Return the highest resident memory of this process so far, in MB."""
        with contextlib.suppress(OSError):
            for line in Path("/proc/self/status").read_text("ascii").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 if sys.platform != "darwin" else 1024 * 1024)

    def _folder(self, name: str) -> str:
        folder = self._home / name
        folder.mkdir(parents=True)
        return str(folder)

    def _given(self, documents: str) -> str | dict[str, str]:
        """Return what the peer is handed: the folder itself, or its texts by name."""
        if self._takes_folder:
            return documents
        return {path.stem: path.read_text("utf-8") for path in sorted(Path(documents).iterdir())}


def serve(server: Server) -> None:
    """Answer requests from stdin until it ends."""
    # Libraries print what they like on stdout: the replies get a channel of their own.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        method, arguments = json.loads(line)
        try:
            reply = {"value": getattr(server, method)(*arguments)}
        except Exception as error:  # whatever it is, the table has to say it
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    serve(Server(*sys.argv[1:]))
