"""``llama_server.py GGUF PORT [SLOTS [TOKENS]]``: llama.cpp's server on loopback, until killed.

``TOKENS`` is the window of each of ``SLOTS`` requests at a time. Needs the real-llm extra.
"""

from __future__ import annotations

import sys
import threading


def serve(model: str, port: int, slots: int = 1, tokens: int = 8192) -> None:
    """Serve until the process ends."""
    import xllamacpp

    wanted = xllamacpp.CommonParams()
    wanted.model.path = model
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = port
    wanted.n_parallel = slots
    wanted.n_ctx = tokens * slots
    wanted.n_gpu_layers = 0
    wanted.warmup = False
    wanted.cpuparams.n_threads = 1  # two wait for each other where others use the cores
    server = xllamacpp.Server(wanted)
    threading.Event().wait()
    del server


if __name__ == "__main__":
    serve(sys.argv[1], *map(int, sys.argv[2:]))
