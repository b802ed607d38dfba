"""``rag record``, ``rag feedback``, ``rag explain`` and ``rag health``: what the record says."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rag.cli.common import IndexOption, JsonOption, echo, open_pipeline, print_json
from rag.errors import RagError, UsageError

if TYPE_CHECKING:
    from rag.observe.explain import TextOf
    from rag.observe.health import Freshness
    from rag.observe.record import Record
    from rag.pipeline import Pipeline
    from rag.rows import FeedbackKind

_ALARM = 6  # exit status
_UNITS = {"m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+)([mhd])")

app = typer.Typer(no_args_is_help=True, help="The record of every question.")

RecordOption = Annotated[
    Path | None,
    typer.Option("--record", help="Record.", show_default="observe.path", metavar="FILE"),
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="From this time on: a date, or 24h, 7d ago.", metavar="TIME"),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", help="Before this time.", metavar="TIME")
]


@contextmanager
def opened(index: Path | None, record: Path | None) -> Iterator[tuple[Pipeline, Record]]:
    """The pipeline, and the record that was named or that the settings name."""
    from rag.observe.record import Record

    with open_pipeline(index) as pipeline:
        path = record or pipeline.record_path
        if path is None:
            raise UsageError(
                "nothing is recorded here: set observe.path in rag.toml, or name a file with "
                "--record"
            )
        with Record.open(path) as found:
            yield pipeline, found


def seconds(option: str, value: str | None, now: float) -> float | None:
    """Seconds since 1970 of a date, a time, or so long ago."""
    if value is None:
        return None
    if ago := _DURATION.fullmatch(value):
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise UsageError(
            f"{option} {value}: write YYYY-MM-DD, a time like 2026-01-31T08:00, or 24h or 7d"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


@app.command()
def info(
    index: IndexOption = None, record: RecordOption = None, as_json: JsonOption = False
) -> None:
    """Show where the record is, and what is in it."""
    with opened(index, record) as (_, found):
        told = found.info()
    if as_json:
        print_json(told)
    else:
        for name, value in told.items():
            echo(f"{name:10} {value}")


@app.command()
def export(
    since: SinceOption = None,
    until: UntilOption = None,
    index: IndexOption = None,
    record: RecordOption = None,
) -> None:
    """Print rows as JSON lines, oldest first, each with its feedback."""
    now = time.time()
    first, last = seconds("--since", since, now), seconds("--until", until, now)
    with opened(index, record) as (_, found):
        for row in found.export(first, last):
            print_json(row)


@app.command()
def forget(
    user: Annotated[
        str | None, typer.Option("--user", help="Whoever asked, as named then.", metavar="NAME")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="Words that the rows have.", metavar="TEXT")
    ] = None,
    index: IndexOption = None,
    record: RecordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what a person asked, or all rows that say a text, for good."""
    if not (user or (text and text.strip())):
        raise UsageError("name whom or what to forget: --user NAME or --text TEXT")
    with opened(index, record) as (_, found):
        gone = found.forget(user=user, text=text)
    if as_json:
        print_json({"forgotten": gone})
    else:
        echo(f"{gone} rows are gone; exports and backups are yours to look through.")


def feedback(
    answer: Annotated[str, typer.Argument(help="Of the answer, or its beginning.", metavar="ID")],
    kind: Annotated[
        str,
        typer.Argument(
            help="right, wrong, better, words, copied, opened, again or handed-over.",
            metavar="KIND",
        ),
    ],
    words: Annotated[str, typer.Option("--words", help="A remark.", metavar="TEXT")] = "",
    uri: Annotated[
        str, typer.Option("--uri", help="Where the answer is, or what was opened.", metavar="URI")
    ] = "",
    index: IndexOption = None,
) -> None:
    """Record what a person said of an answer, or did with it."""
    with opened(index, None) as (pipeline, found):
        said = cast("FeedbackKind", kind.replace("-", "_"))  # it is looked at there
        pipeline.feedback(found.row(answer).id, said, words=words, uri=uri)


def explain(
    answer: Annotated[
        str, typer.Argument(help="Of an answer; else the last one.", metavar="[ID]")
    ] = "",
    index: IndexOption = None,
    record: RecordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the way of a recorded question: what was found, read, left out, and why."""
    from rag.observe.explain import Explanation

    with opened(index, record) as (pipeline, found):
        row = found.row(answer) if answer else found.latest()
        told = Explanation(row, found.feedback(row.id))
        text_of = _text_of(pipeline)
        if as_json:
            print_json(told.to_json(text_of))
        else:
            for line in told.lines(text_of):
                echo(line)


def _text_of(pipeline: Pipeline) -> TextOf:
    """What says what a passage was, where the index still has it."""
    from rag.rows import Found

    def text_of(one: Found) -> str | None:
        try:
            document = pipeline.index.catalog.find(one.uri)
        except RagError:
            return None
        chunks = pipeline.index.catalog.chunks_of(document[0]) if document else []
        return next((chunk.text for chunk, _ in chunks if chunk.id == one.chunk), None)

    return text_of


def health(
    hours: Annotated[
        int, typer.Option("--hours", help="Length of the window.", min=1, metavar="N")
    ] = 24,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page as well.", metavar="FILE")
    ] = None,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Print Prometheus's text format (needs its extra).")
    ] = False,
    index: IndexOption = None,
    record: RecordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the last hours against earlier ones. Exit status 6 means: something alarms."""
    from rag.observe.health import health as measured
    from rag.observe.traffic import with_drift

    now = time.time()
    with opened(index, record) as (pipeline, found):
        fresh = _freshness(pipeline)
        if prometheus:
            from rag.observe.prometheus import exposition

            sys.stdout.write(exposition(found, fresh))
            return
        stale_after = pipeline.settings.observe.stale_after
        told = measured(found, now, hours=hours, index=fresh, stale_after=stale_after)
        told = with_drift(told, found, pipeline.embedder)
    if html is not None:
        from rag.observe.page import page

        try:
            html.write_text(page(told), "utf-8")
        except OSError as error:
            raise UsageError(f"--html {html}: {error.strerror}: name another file") from None
    if as_json:
        print_json(told.to_json())
    else:
        for line in told.lines():
            echo(line)
    raise typer.Exit(_ALARM if told.alarms else 0)


def _freshness(pipeline: Pipeline) -> Freshness | None:
    """How old the index is; None where there is none."""
    from rag.observe.health import Freshness

    try:
        catalog = pipeline.index.catalog
    except RagError:
        return None
    times = [datetime.fromisoformat(row["ingested_at"]) for row in catalog.sources()]
    newest = max((at.timestamp() for at in times), default=None)
    counts = catalog.counts()
    return Freshness(newest, counts["documents"], len(catalog.failures()))
