"""The runner's end of a peer: a process in the peer's environment that answers requests."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from catalogue import WORKERS, Peer
from environments import PeerError

_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
}


class Side:
    """A peer at work in a folder of its own."""

    def __init__(self, peer: Peer, python: Path, home: Path, log: Path, threads: int) -> None:
        self.peer, self._log = peer, log
        limits = dict.fromkeys(
            ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAG_MODELS__THREADS"), str(threads)
        )
        takes = "folder" if peer.takes_folder else "texts"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as stderr:
            self._process = subprocess.Popen(
                [str(python), str(WORKERS / "serving.py"), peer.worker, str(home), str(threads),
                 takes],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                # Settings of ours, and packages of whoever runs this, are not the peers'.
                env={k: v for k, v in os.environ.items() if not k.startswith(("RAG_", "PYTHON"))}
                | limits
                | _QUIET,
            )  # fmt: skip

    def call(self, method: str, *arguments: Any) -> Any:
        """Have the peer do something and return what came of it. Raises PeerError."""
        assert self._process.stdin and self._process.stdout  # both are pipes
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([method, arguments]) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            raise PeerError(f"stopped at {method!r} with status {status} (see {self._log})")
        reply = json.loads(line)
        if "error" in reply:
            raise PeerError(f"{method!r} failed: {reply['error']}")
        return reply["value"]

    def close(self) -> None:
        """Let the peer go."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
