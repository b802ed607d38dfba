"""``rag ingest`` as a process: interrupted anywhere, without a terminal, and what it tells."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Done
from web_server import Server

from rag.cli import common

RAG = [sys.executable, "-m", "rag.cli.start"]


def interrupted(folder: Path, source: str, after: float) -> tuple[int, float, str]:
    """Return status, seconds until the end, and stderr of an ingest that is sent Ctrl-C."""
    process = subprocess.Popen(
        [*RAG, "ingest", source],
        cwd=folder,
        env=os.environ | {"RAG_FETCH__PRIVATE_ADDRESSES": "true", "RAG_FETCH__TIMEOUT": "60"},
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = process.communicate(timeout=60)
    return process.returncode, time.monotonic() - began, err


def test_ctrl_c_while_a_long_file_is_read_and_embedded(tmp_path: Path) -> None:
    words = "".join(
        f"Hall {n % 70} holds the item {n} and no other one.\n\n" for n in range(60_000)
    )
    (tmp_path / "big.txt").write_text(words)
    for after in (1.0, 3.0):
        status, seconds, err = interrupted(tmp_path, "big.txt", after)
        assert (status, seconds < 4) == (130, True)  # 0.5 on a quiet machine
        assert "Traceback" not in err and "interrupted" in err


def test_ctrl_c_while_a_server_says_nothing(tmp_path: Path) -> None:
    server = Server()
    server.routes["/"] = lambda handler: time.sleep(30)
    status, seconds, err = interrupted(tmp_path, server.url("/"), 2.0)
    server.stop()
    assert (status, seconds < 4) == (130, True)
    assert "Traceback" not in err


def test_without_a_terminal_it_says_how_far_it_is(
    rag: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "_PROGRESS_EVERY", 0.0)
    (tmp_path / "docs").mkdir()
    for n in range(3):
        (tmp_path / "docs" / f"{n}.md").write_text(f"# Note {n}\n\nIt is note {n}.\n")
    done = rag("ingest", "docs", "--json")
    assert done.status == 0 and len(done.json["added"]) == 3
    assert re.search(r"Ingesting: 2 of 3, [\d.e+]+ a second, about \d+ s left: docs/2.md", done.err)


def test_the_bar_moves_within_a_long_file(tmp_path: Path) -> None:
    text = "".join(f"Hall {n % 70} holds the item {n}. " + "It is kept there. " * 40 + "\n\n"
                   for n in range(150))  # fmt: skip
    (tmp_path / "big.txt").write_text(text)
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*RAG, "ingest", "big.txt"], cwd=tmp_path, stderr=terminal, stdout=subprocess.DEVNULL,
        env=os.environ | {"COLUMNS": "150", "TERM": "xterm", "RAG_INDEX__WRITE_BATCH": "64"},
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(controller, 65536)
        except OSError:
            break
        shown += piece
    os.close(controller)
    assert process.wait() == 0
    assert re.search(r"big.txt, 64 of \d+ parts", shown.decode("utf-8", "replace"))


def test_prune_is_what_the_failure_says(rag: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for n in range(6):
        (tmp_path / "docs" / f"{n}.md").write_text(f"# Note {n}\n\nIt is note {n}.\n")
    assert rag("ingest", "docs").status == 0
    for n in range(5):
        (tmp_path / "docs" / f"{n}.md").unlink()
    done = rag("ingest", "docs")
    assert done.status == 4 and "`rag ingest --prune docs`" in done.out
    done = rag("ingest", "--prune", "docs", "--json")
    assert done.status == 0 and len(done.json["removed"]) == 5
