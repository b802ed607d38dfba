"""``rag report``: runs as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rag.cli.common import echo


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run files.", metavar="RUN...")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="The page.", show_default="beside the first run", metavar="PAGE.html"
        ),
    ] = None,
) -> None:
    """Put runs on one HTML page: figures, charts, the worst cases; compared with the first."""
    from rag.evaluate.kinds import read_run
    from rag.evaluate.report import write

    echo(write([read_run(path) for path in runs], out))
