"""``rag remove``: forget a source or a document."""

from __future__ import annotations

from typing import Annotated

import typer

from rag.cli.common import IndexOption, JsonOption, console, open_pipeline, print_json


def remove(
    source: Annotated[str, typer.Argument(help="A source as `rag sources` lists it, or a uri.")],
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a source, and the documents that only it holds."""
    report = open_pipeline(index).remove(source)
    if as_json:
        print_json(report.to_json())
        return
    out = console()
    out.print(f"{len(report.removed)} documents removed")
    for note in report.notes:
        out.print(f"  note    {note}")
