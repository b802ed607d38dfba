"""``rag demo``: the sample corpus in a temporary index, three questions, then a prompt."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rag.cli.ask import show_answer
from rag.cli.common import JsonOption, console, echo, print_json, progress

QUESTIONS = (
    "How long do refunds take?",
    "What is the difference between a restart and a factory reset?",
    "Does the Wren Cam record in 8K?",
)


def demo(as_json: JsonOption = False) -> None:
    """Try it: index the sample help centre, ask three questions, then ask your own."""
    from rag.cli.chat import converse
    from rag.pipeline import Pipeline
    from rag.resources import resource

    with tempfile.TemporaryDirectory(prefix="footnote-demo-") as folder:
        pipeline = Pipeline.open(Path(folder) / ".rag")
        with progress("Reading the sample corpus") as on_progress:
            report = pipeline.ingest(resource("corpora", "wrenhaven"), on_progress=on_progress)
        out, err = console(), console(stderr=True)
        err.print(
            f"The help centre of Wrenhaven, a company that does not exist: {len(report.added)} "
            f"documents indexed in {report.seconds:.1f} s, here on this machine.\n"
        )
        talk = pipeline.chat()
        for question in QUESTIONS:
            began = time.perf_counter()
            answer = pipeline.ask(question)
            talk.answers.append(answer)
            if as_json:
                print_json(answer.to_json())
                continue
            out.print(f"› {question}", style="bold cyan")
            show_answer(answer)
            err.print(f"({(time.perf_counter() - began) * 1000:.0f} ms)\n", style="dim")
        if sys.stdin.isatty() and sys.stdout.isatty() and not as_json:
            echo("Your turn: ask, or /help, or Ctrl-D to leave.", err=True)
            converse(talk)
        elif not as_json:
            rag = "rag" if shutil.which("rag") else os.path.relpath(sys.argv[0])
            echo(
                f"Ask your own: {rag} demo in a terminal, or {rag} ingest FOLDER, then {rag} ask.",
                err=True,
            )
        pipeline.close()
