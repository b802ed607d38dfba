"""``rag eval``: measure, and check what is measured with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.common import IndexOption, JsonOption, console, open_pipeline, print_json
from rag.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rag.evaluate.lint import Finding
    from rag.evaluate.tables import Table

app = typer.Typer(help="Measure answers; check question sets.", no_args_is_help=True)

FileArgument = Annotated[
    Path, typer.Argument(help="Questions, .jsonl or .jsonl.gz.", metavar="FILE")
]


@app.command()
def lint(file: FileArgument, index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Hold a question set against an index. Exit status 1 means: it has faults."""
    from rag.cli.ingest import progress
    from rag.evaluate.lint import lint as check

    pipeline = open_pipeline(index)
    with progress("Checking") as on_progress:
        report = check(file, pipeline, on_progress)
    if as_json:
        print_json(report.to_json())
    else:
        _show_findings("Faults", report.faults, file)
        _show_findings("To look at", report.to_look_at, file)
        _show_findings("Notes", report.notes, file)
        for table in report.tables():
            _show_table(table)
    raise typer.Exit(0 if report.clean else 1)


def _show_findings(title: str, findings: Sequence[Finding], file: Path) -> None:
    console().print(f"{title}: {len(findings) or 'none'}", style="bold")
    for finding in findings:
        name = f"{finding.id}: " if finding.id else ""
        # Not through rich, which would take `:100:` for an emoji.
        typer.echo(f"  {file}:{finding.line}: {name}{finding.message} [{finding.kind}]")
    typer.echo()


def _show_table(table: Table) -> None:
    """Print a table: ruled on a terminal, aligned text elsewhere."""
    if not sys.stdout.isatty():
        typer.echo(table.plain())
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Ruled
    from rich.text import Text

    ruled = Ruled(title=table.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for position, column in enumerate(table.columns):
        # Heads may wrap between words; nothing is cut short.
        words = position in table.words
        cells = column.split()
        if not position or not words:
            cells += [row[position] for row in table.rows]
        ruled.add_column(
            column, justify="left" if words else "right", min_width=max(map(len, cells))
        )
    for row in table.rows:
        ruled.add_row(*map(Text, row))  # as it is: a name may look like an emoji
    console().print(ruled)


@app.command()
def answers(
    file: FileArgument,
    index: IndexOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Only the first so many.", min=1)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Run file.", show_default="in the index", metavar="RUN.jsonl"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the intervals.", min=0)] = 0,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables as Markdown.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask every question of a set end to end; measure answers, citations, abstentions."""
    from rag.cli.ingest import progress
    from rag.evaluate.answers import evaluate

    if markdown and as_json:
        raise UsageError("--markdown and --json: choose one")
    pipeline = open_pipeline(index)
    with progress("Asking") as on_progress:
        report = evaluate(file, pipeline, limit=limit, out=out, seed=seed, on_progress=on_progress)
    body = report.to_json()
    if as_json:
        print_json(body)
    else:
        for table in report.tables():
            typer.echo(table.markdown()) if markdown else _show_table(table)
            typer.echo()
    for failure in body["failures"]:
        typer.echo(f"failed  {failure['id']}: {failure['reason']}", err=True)
    if report.unlocated:
        typer.echo(
            f"quotes not found, `rag eval lint` says which: {', '.join(report.unlocated)}", err=True
        )
    typer.echo(f"run file: {report.run}", err=True)
    if report.interrupted:
        typer.echo(f"interrupted: {body['n']} of {report.planned} questions were asked", err=True)
        raise typer.Exit(130)
