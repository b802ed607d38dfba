"""What the commands share: options, output, and opening a pipeline."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from rag.pipeline import Pipeline

IndexOption = Annotated[
    Path | None,
    typer.Option("--index", help="Index folder.", show_default="nearest .rag", metavar="DIR"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", help="Only documents with this source, language or metadata value.",
                 metavar="KEY=VALUE"),
]  # fmt: skip
AfterOption = Annotated[
    str | None, typer.Option("--after", help="Only published on or after.", metavar="DATE")
]
BeforeOption = Annotated[
    str | None, typer.Option("--before", help="Only published on or before.", metavar="DATE")
]
QuestionArgument = Annotated[list[str], typer.Argument(help="The question.", metavar="QUESTION...")]


def open_pipeline(index: Path | None) -> Pipeline:
    """Open the pipeline of the index folder that was named, or of the nearest one."""
    from rag.pipeline import Pipeline

    return Pipeline.open(index)


def filters(
    where: Sequence[str] | None, after: str | None = None, before: str | None = None
) -> dict[str, Any]:
    """Turn filter options into the keyword arguments of ``search`` and ``ask``."""
    pairs = {}
    for condition in where or ():
        key, equals, value = condition.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--where {condition}: write it as KEY=VALUE")
        pairs[key.strip()] = value.strip()
    return {"where": pairs, "after": _date("--after", after), "before": _date("--before", before)}


def _date(option: str, value: str | None) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise UsageError(f"{option} {value}: write the date as YYYY-MM-DD") from None


def print_json(body: Mapping[str, Any]) -> None:
    """Write one JSON object on one line, with the version of its schema."""
    from rag.types import SCHEMA

    value = {"schema": SCHEMA, **body}
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def console(*, stderr: bool = False) -> Console:
    """Return a console; text is never taken for markup, because documents are data."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # the entry point knows what it means

    return Output(
        stderr=stderr,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=not sys.stdout.isatty(),
    )
