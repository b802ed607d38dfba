"""``rag ingest``: bring an index up to date with sources, and report what changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.common import IndexOption, JsonOption, console, open_pipeline, print_json

if TYPE_CHECKING:
    from rag.ingest.sync import Progress


def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, URLs, sitemaps.", metavar="SOURCE..."),
    ],
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read sources into the index; report what changed."""
    pipeline = open_pipeline(index)
    try:
        with progress("Ingesting") as on_progress:
            report = pipeline.ingest(*sources, on_progress=on_progress)
    except KeyboardInterrupt:
        sys.stderr.write("\nrag: what was written is complete, run the same command to go on")
        raise
    if as_json:
        print_json(report.to_json())
    else:
        console().print(str(report))
    raise typer.Exit(4 if report.failed else 0)


@contextmanager
def progress(title: str) -> Iterator[Progress | None]:
    """Show a progress bar on a terminal; elsewhere nothing at all."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}", markup=False),
        console=console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(title, total=None, what="")

        def on_progress(what: str, done: int, known: int) -> None:
            bar.update(task, completed=done, total=known or None, what=what[-60:])

        yield on_progress
