"""``rag ingest``: bring an index up to date with sources, and report what changed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from rag.cli.common import (
    IndexOption,
    JsonOption,
    console,
    echo,
    open_pipeline,
    print_json,
    progress,
)


def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, URLs, sitemaps.", metavar="SOURCE..."),
    ],
    index: IndexOption = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove what is gone from a source, even most of it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read sources into the index; report what changed."""
    pipeline = open_pipeline(index)
    try:
        with progress("Ingesting") as on_progress, _second_interrupt_exits():
            report = pipeline.ingest(*sources, on_progress=on_progress, prune=prune)
    except KeyboardInterrupt:
        echo(
            "\nrag: interrupted; what was written is complete, run the same command to go on",
            err=True,
        )
        raise typer.Exit(130) from None
    if as_json:
        print_json(report.to_json())
    else:
        console().print(str(report))
    raise typer.Exit(4 if report.failed else 0)


@contextmanager
def _second_interrupt_exits() -> Iterator[None]:
    """Let the first Ctrl-C end the work in order, and a second one end the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def at_once(*_: object) -> None:
        os.write(2, b"\nrag: interrupted\n")
        os._exit(130)  # an index is complete after every batch, whatever ends the process

    def in_order(*_: object) -> None:
        signal.signal(signal.SIGINT, at_once)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, in_order)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
