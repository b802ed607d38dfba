"""``rag ingest``: bring an index up to date with sources, and report what changed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.common import (
    IndexOption,
    JsonOption,
    console,
    echo,
    open_pipeline,
    print_json,
    printable,
)

if TYPE_CHECKING:
    from rag.ingest.sync import Progress

_EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, URLs, sitemaps.", metavar="SOURCE..."),
    ],
    index: IndexOption = None,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Remove what is gone from a source, even most of it."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read sources into the index; report what changed."""
    pipeline = open_pipeline(index)
    try:
        with progress("Ingesting") as on_progress, _once_is_enough():
            report = pipeline.ingest(*sources, on_progress=on_progress, prune=prune)
    except KeyboardInterrupt:
        echo("\nrag: interrupted; what was written is complete, run the same command to go on",
             err=True)  # fmt: skip
        raise typer.Exit(130) from None
    if as_json:
        print_json(report.to_json())
    else:
        console().print(str(report))
    raise typer.Exit(4 if report.failed else 0)


@contextmanager
def _once_is_enough() -> Iterator[None]:
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


@contextmanager
def progress(title: str) -> Iterator[Progress | None]:
    """Show a progress bar on a terminal; elsewhere a line now and then, if it takes long."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn(title),
        BarColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}", markup=False),
        console=console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(title, total=None, what="", count="")

        def on_progress(what: str, done: float, known: int) -> None:
            count = f"{int(done)}/{known or '?'}"
            bar.update(
                task, completed=done, total=known or None, what=printable(what)[-60:], count=count
            )

        yield on_progress


def _lines(title: str) -> Progress:
    """Return what prints how far it is, how fast, and what is left, every ten seconds."""
    began = told = time.monotonic()
    at, before = 0.0, 0.0  # where this source began to count

    def on_progress(what: str, done: float, known: int) -> None:
        nonlocal began, told, at, before
        now = time.monotonic()
        if done < before - 1:  # the next source; within one, what is done never falls by an item
            began, at = now, done
        before = done
        if now - told < _EVERY:
            return
        told = now
        rate = (done - at) / max(now - began, 1e-3)
        left = f", about {_time(max(known - done, 0) / rate)} left" if known and rate else ""
        count = f"{int(done)} of {known}" if known else f"{int(done)}"
        echo(f"{title}: {count}, {rate:.3g} a second{left}: {what}", err=True)
        sys.stderr.flush()

    return on_progress


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes} min" if minutes > 9 else f"{minutes} min {rest} s" if minutes else f"{rest} s"
    )
