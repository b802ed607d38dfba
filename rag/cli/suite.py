"""``rag eval suite``, ``rag eval from-record``: what runs by itself, and cases from the record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.common import IndexOption, JsonOption, echo, print_json, progress
from rag.cli.evaluate import MarkdownOption, show

if TYPE_CHECKING:
    from rag.evaluate.history import Entry, History
    from rag.evaluate.suite import Outcome


def suite(
    file: Annotated[Path, typer.Argument(help="What to measure.", metavar="SUITE.toml")],
    index: IndexOption = None,
    history: Annotated[
        Path | None,
        typer.Option(
            "--history", help="Folder of the runs.", show_default="as the suite says", metavar="DIR"
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page", help="The page.", show_default="in the history", metavar="PAGE.html"
        ),
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option(
            "--accept", help="Measure nothing: the last time is good from now on.", metavar="REASON"
        ),
    ] = None,
    markdown: MarkdownOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a set of evaluations and hold each against its last good run.

    The first run is good, and so is one that you accept. Exit status 5 means: something is worse;
    1: something could not be measured.
    """
    from rag.evaluate.history import History
    from rag.evaluate.suite import opener, read_suite, run_suite

    found = read_suite(file)
    kept = History((history or found.history).absolute())
    if accept is not None:
        entry = kept.accept(accept)
        place = _write(file.stem, kept, None, page)
        body = {"accepted": entry.id, "reason": entry.accepted, "page": str(place)}
        if as_json:
            print_json(body)
        else:
            echo(f"{entry.id} is good from now on: {entry.accepted}\npage: {place}")
        return
    with progress("Measuring") as on_progress:
        outcome, entry = run_suite(found, kept, opener(found, index), on_progress)
    place = _write(file.stem, kept, outcome, page)
    if not as_json:
        bullet = "- " if markdown else "  "
        echo(outcome.verdict)
        for name, why in outcome.failures.items():
            echo(f"{bullet}{name} was not measured: {why}")
        for line in (*outcome.regressions, *outcome.notes):
            echo(f"{bullet}{line}")
        echo()
    show(
        lambda: {**outcome.to_json(), **_named(entry, kept, place)},
        outcome.tables,
        markdown=markdown,
        as_json=as_json,
    )
    echo(f"page: {place}", err=True)
    if outcome.status:
        raise typer.Exit(outcome.status)


def _named(entry: Entry, history: History, page: Path) -> dict[str, Any]:
    return {"id": entry.id, "history": str(history.folder), "page": str(page)}


def _write(name: str, history: History, outcome: Outcome | None, page: Path | None) -> Path:
    from rag.evaluate.report import write_page
    from rag.evaluate.suite_page import suite_page

    entries = history.entries()
    text = suite_page(name, entries, history.good_ids(entries), outcome)
    return write_page(text, page or history.folder / "suite.html")
