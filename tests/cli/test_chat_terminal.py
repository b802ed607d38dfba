"""A conversation in a real terminal, with a scripted model: stream, follow up, stop, resume."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from rag.pipeline import Pipeline
from rag.protocols import Embedder
from rag.settings import Settings
from rag.testing.scripted_llm import Request, Scripted, ScriptedServer, stalled, stream

DAYS = "Refunds take five business days after the parcel has arrived."
CARD = "The money goes back to the card that you paid with."
LIGHT = "The light of the hub is red when it is offline."
PROMPT = "\x1b[?2004h"  # the prompt is ready for what is typed or pasted
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()].|\x1b[=>]|\r")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "refunds.md").write_text(
        f"# Refunds\n\n{DAYS} {CARD}\n\n## Which parcels are refunded?\n\n"
        "Parcels that were opened are refunded too.\n"
    )
    (folder / "hub.md").write_text(f"# Hub\n\n{LIGHT} Hold the button to restart it.\n")
    with Pipeline.open(folder / ".rag", settings=Settings(), embedder=embedder) as pipeline:
        pipeline.ingest(folder / "refunds.md", folder / "hub.md")
    return folder / ".rag"


def respond(request: Request) -> str | Scripted:
    """Play a model: the last line of the data has the question."""
    row = json.loads(request.body["messages"][-1]["content"].split("\n")[-3])
    question = row["question"]
    if "write that question" in request.text:
        return "Where does the money of refunds go?" if "and where" in question else question
    if "light" in question:
        return stream(f"{LIGHT} ", "[1]")
    if "restart" in question:
        return stalled(f"{LIGHT} [1] Hold the button ", "for ", "ever ", seconds=120)
    if "money" in question:
        return stream(f"{CARD} ", "[1]", pause=0.05)
    # Slowly, so that every word is on the screen for a while.
    written = (f"{DAYS} ", "[1] ", "Couriers ", "bring ", "flowers ", "on ", "Sundays. ", "[1]")
    return stream(*written, pause=0.15)


class Terminal:
    """The program behind a pseudo-terminal, and what a person would make of its output."""

    def __init__(self, index: Path, server: ScriptedServer, *options: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RAG_")}
        environment = {
            **kept, "RAG_LLM__BASE_URL": server.base_url, "RAG_LLM__MODEL": "small",
            "RAG_LLM__TIMEOUT": "100", "PROMPT_TOOLKIT_NO_CPR": "1",
            "TERM": "xterm-256color", "COLUMNS": "200", "LINES": "40",
        }  # fmt: skip
        self.child: Any = pexpect.spawn(
            sys.executable,
            ["-m", "rag.cli.main", "chat", "--index", str(index), *options],
            env=environment, encoding="utf-8", timeout=100, dimensions=(40, 200),
        )  # fmt: skip

    def wait(self, text: str) -> str:
        """Wait until words are shown; return what came before, without colours and movements."""
        self.child.expect(re.escape(text))
        return _CONTROLS.sub("", self.child.before + self.child.after)

    def type(self, line: str) -> None:
        self.wait(PROMPT)
        self.child.send(line + "\r")

    def leave(self) -> None:
        self.wait(PROMPT)
        self.child.sendeof()
        self.child.expect(pexpect.EOF)
        self.child.close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        made.respond = respond
        yield made


@pytest.mark.timeout(900)
def test_a_session(index: Path, server: ScriptedServer) -> None:
    terminal = Terminal(index, server)
    terminal.wait("Ask a question, or /help.")

    terminal.type("How long do refunds take?")
    shown = terminal.wait("Sources:")
    assert "flowers" in shown  # provisional text was there
    settled = terminal.wait("left out: Couriers bring flowers on Sundays.")
    assert DAYS in settled

    terminal.type("and where does it go?")
    assert CARD in terminal.wait("Sources:")

    terminal.type("/why")
    why = terminal.wait("fused")
    assert "Asked as: Where does the money of refunds go?" in why
    assert "supported" in why

    terminal.type("What does a red light mean?")
    assert LIGHT in terminal.wait("Sources:")

    terminal.type("/sources")
    terminal.wait(f"“{LIGHT}”")

    terminal.type("How do I restart the hub?")
    terminal.wait("for ever")
    time.sleep(0.5)
    terminal.child.sendintr()
    stopped = terminal.wait("stopped before its end")
    assert LIGHT in stopped
    terminal.leave()

    [kept] = (index / "sessions").glob("*.jsonl")
    _, *rows = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == [
        f"{DAYS} [1]", f"{CARD} [1]", f"{LIGHT} [1]", f"{LIGHT} [1]"
    ]  # fmt: skip

    later = Terminal(index, server, "--resume")
    assert "4 answers" in later.wait("Last:")
    later.wait("How do I restart the hub?")
    later.type("How long do refunds take?")
    later.wait("Sources:")
    later.leave()
    assert len(kept.read_text("utf-8").splitlines()) == 6
