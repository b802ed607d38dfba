"""``rag check``: is each sentence of a text supported by some evidence?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rag.cli.common import IndexOption, JsonOption, console, open_pipeline, print_json
from rag.errors import SourceError, UsageError

_STYLES = {"supported": "green", "partial": "yellow", "unsupported": "red", None: "dim"}


def check(
    answer: Annotated[
        str, typer.Option("--answer", help="File with the text, - for stdin.", metavar="FILE|-")
    ],
    evidence: Annotated[
        list[str],
        typer.Option("--evidence", help="Files with the evidence, any format.", metavar="FILE..."),
    ],
    more: Annotated[
        list[str] | None, typer.Argument(help="More evidence.", metavar="[FILE...]")
    ] = None,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge each sentence of any text against evidence."""
    from rag.ingest.loading import read_documents

    pipeline = open_pipeline(index)
    fetch = pipeline.settings.fetch
    texts = [d.text for name in (*evidence, *(more or ())) for d in read_documents(name, fetch)]
    verdicts = pipeline.check(_read(answer), texts)
    if not verdicts:
        raise UsageError(f"there is no sentence to check in {answer}")
    if as_json:
        rows = [verdict.model_dump(mode="json") for verdict in verdicts]
        print_json({"verdicts": rows})
        return
    out = console()
    for verdict in verdicts:
        support = "" if verdict.support is None else f" {verdict.support:.2f}"
        out.print(
            f"{verdict.label or 'not judged'}{support}", style=_STYLES[verdict.label], end="  "
        )
        out.print(verdict.claim)
        for reason in verdict.reasons:
            out.print(f"    {reason}", style="dim")


def _read(name: str) -> str:
    if name == "-":
        text = sys.stdin.read()
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise SourceError("what comes from stdin is not UTF-8: convert it first")
        return text
    try:
        return Path(name).read_text("utf-8")
    except UnicodeDecodeError:
        raise SourceError(f"{name} is no text in UTF-8: save it as such first") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SourceError(f"{name} cannot be read ({why}): check the path") from None
