"""The command line in this process, over pipelines that share one loaded embedder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Done

from rag.cli import main as entry
from rag.testing.scripted_llm import ScriptedServer


@pytest.fixture
def rag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    make_pipeline: Any,
) -> Callable[..., Done]:  # fmt: skip
    """Run a command in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    for module in ("evaluate", "models"):
        monkeypatch.setattr(f"rag.cli.{module}.open_pipeline", lambda *_, **__: make_pipeline())

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["rag", *arguments])
        with pytest.raises(SystemExit) as caught:
            entry.main()
        captured = capsys.readouterr()
        return Done(int(caught.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        yield made
