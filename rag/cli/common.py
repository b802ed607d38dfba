"""What the commands share: options, output, and opening a pipeline."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.text import Text

    from rag.ingest.sync import Progress
    from rag.pipeline import Pipeline

_PROGRESS_EVERY = 10.0  # seconds between two lines of progress where there is no terminal

IndexOption = Annotated[
    Path | None,
    typer.Option("--index", help="Index folder.", show_default="nearest .rag", metavar="DIR"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        help="Only documents with this source, language or metadata value.",
        metavar="KEY=VALUE",
    ),
]
AfterOption = Annotated[
    str | None, typer.Option("--after", help="Only published on or after.", metavar="DATE")
]
BeforeOption = Annotated[
    str | None, typer.Option("--before", help="Only published on or before.", metavar="DATE")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Language model that writes: ollama/llama3.2, hub:FOLDER, ….",
        metavar="NAME",
    ),
]
StyleOption = Annotated[
    str | None,
    typer.Option(
        "--style", help="Of a language model: brief, normal, detailed or steps.", metavar="STYLE"
    ),
]
KeepOption = Annotated[
    bool,
    typer.Option("--keep-unsupported", help="Mark what the documents do not support; show it."),
]
STYLES = ("brief", "normal", "detailed", "steps")
QuestionArgument = Annotated[list[str], typer.Argument(help="The question.", metavar="QUESTION...")]


def open_pipeline(
    index: Path | None,
    *,
    model: str | None = None,
    style: str | None = None,
    keep_unsupported: bool = False,
) -> Pipeline:
    """Open the pipeline of the index folder that was named, or of the nearest one.

    What is given of a language model goes before the settings.
    """
    from rag.pipeline import Pipeline, find_index
    from rag.settings import Settings

    if model is None and style is None and not keep_unsupported:
        return Pipeline.open(index)
    if model is not None and not model.strip():
        raise UsageError("--model: name a model, e.g. ollama/llama3.2")
    if style is not None and style not in STYLES:
        raise UsageError(f"--style {style}: write one of {', '.join(STYLES)}")
    folder = index.expanduser().absolute() if index is not None else find_index()
    answer: dict[str, Any] = {"keep_unsupported": True} if keep_unsupported else {}
    answer |= {"style": style} if style else {}
    given = {"answer": answer} if answer else {}
    if model is None:
        settings = Settings.load(folder.parent, **given)
    else:
        settings = Settings.with_model(folder.parent, model, **given)
    if settings.language_model is None:
        what = "--style" if style else "--keep-unsupported"
        raise UsageError(
            f"{what} is for answers that a language model writes: add --model, or set llm.model"
        )
    return Pipeline.open(folder, settings=settings)


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
    plain = not (sys.stdout.encoding or "utf-8").casefold().startswith("utf")
    line = json.dumps(value, ensure_ascii=plain)
    sys.stdout.write(_STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", line) + "\n")
    sys.stdout.flush()


# What a terminal obeys or nobody sees: controls but for line ends and tabs, what turns the
# direction of writing, line ends of another kind, halves of characters.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """A text with escapes like ``\\x1b`` in place of what would steer a terminal.

    Names, titles and texts of documents are data; whatever is printed for people comes through
    here, by ``echo`` or ``console``.
    """
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a line for people, in the encoding that the stream has."""
    out = sys.stderr if err else sys.stdout
    out.write(printable(str(text)) + "\n" * nl)
    out.flush()


def drop_output() -> None:
    """Send what is still to be printed nowhere, as nobody reads it any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def console(*, stderr: bool = False) -> Console:
    """A console; text is never taken for markup, because documents are data."""
    from rich.console import Console
    from rich.segment import Segment

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # the entry point knows what it means

        def render_str(self, text: str, **options: Any) -> Text:
            """Take a text, or that of a cell, before it is measured: escapes have a width."""
            return super().render_str(printable(text), **options)

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            """Render; what others made a ``Text`` of comes by here alone."""
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else printable(text), style, control)

    return Output(
        stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=not sys.stdout.isatty()
    )


@contextmanager
def progress(title: str) -> Iterator[Progress | None]:
    """Show a progress bar on a terminal; elsewhere a line now and then, if it takes long."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

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
    """Print how far it is, how fast, and what is left, every ten seconds."""
    began = told = time.monotonic()
    at, before = 0.0, 0.0  # where this source began to count

    def on_progress(what: str, done: float, known: int) -> None:
        nonlocal began, told, at, before
        now = time.monotonic()
        if done < before - 1:  # the next source; within one, what is done never falls by an item
            began, at = now, done
        before = done
        if now - told < _PROGRESS_EVERY:
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
