"""Locks between processes (and threads): many readers or one writer of the stores.

Chroma's embedded folder is not safe for a reader beside a writer in another process, so a reader
holds a shared lock round each query and a writer an exclusive one round each batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import portalocker

from rag.errors import IndexBusyError, StoreError

_PAUSE = 0.01  # seconds between tries


@contextmanager
def hold(path: Path, *, shared: bool, timeout: float, busy: str) -> Iterator[None]:
    """Hold a lock on the file, waiting up to ``timeout`` seconds; raise IndexBusyError(busy) then.

    Every call opens the file anew, so that two threads of one process exclude each other as two
    processes do.
    """
    flags = portalocker.LockFlags.SHARED if shared else portalocker.LockFlags.EXCLUSIVE
    deadline = time.monotonic() + timeout
    try:
        handle = path.open("rb" if shared and path.exists() else "ab")
    except OSError as error:
        raise StoreError(f"the lock file {path} cannot be opened: {error.strerror}") from error
    with handle:
        while True:
            try:
                portalocker.lock(handle, flags | portalocker.LockFlags.NON_BLOCKING)
                break
            except portalocker.LockException:
                if time.monotonic() >= deadline:
                    raise IndexBusyError(busy) from None
                time.sleep(_PAUSE)
        try:
            yield
        finally:
            portalocker.unlock(handle)
