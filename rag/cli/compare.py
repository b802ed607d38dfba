"""``rag compare``: is the second of two runs better, worse, or not to be told apart?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rag.cli.common import JsonOption, echo, print_json
from rag.cli.evaluate import MarkdownOption, SeedOption, one_format, show_tables

_REGRESSION = 5


def compare(
    run_a: Annotated[Path, typer.Argument(help="Run file: before.", metavar="RUN_A")],
    run_b: Annotated[Path, typer.Argument(help="Run file: after.", metavar="RUN_B")],
    primary: Annotated[
        str | None,
        typer.Option(
            "--primary",
            help="Metric that decides.",
            show_default="that of the kind",
            metavar="METRIC",
        ),
    ] = None,
    seed: SeedOption = 0,
    show: Annotated[
        int, typer.Option("--show", help="Changed cases to show, each way.", min=0)
    ] = 5,
    markdown: MarkdownOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs over the same data, case by case. Exit status 5 means: B is worse."""
    from rag.evaluate.compare import compare as compared
    from rag.evaluate.kinds import read_run

    one_format(markdown, as_json)
    found = compared(read_run(run_a), read_run(run_b), primary=primary, seed=seed, show=show)
    if as_json:
        print_json(found.to_json())
    else:
        bullet = "- " if markdown else ""
        echo(f"{found.verdict}\n\n{bullet}A: {run_a}\n{bullet}B: {run_b}")
        for line in (*found.notes, *(f"differs: {line}" for line in found.what_differs())):
            echo(f"{bullet}{line}")
        echo()
        show_tables(found.tables(), markdown=markdown)
    if found.regression:
        raise typer.Exit(_REGRESSION)
