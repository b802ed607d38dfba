"""``rag show``: the text of a document as it is indexed, or a span of it."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from rag.cli.common import IndexOption, JsonOption, echo, open_pipeline, print_json
from rag.errors import UsageError


def show(
    uri: Annotated[str, typer.Argument(help="Uri of a document, or the end of its path.")],
    span: Annotated[
        str | None, typer.Option("--span", help="Only these characters.", metavar="START:END")
    ] = None,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a document, or the span that a citation names."""
    document = open_pipeline(index).document(uri)
    start, end = 0, len(document.text)
    if span is not None:
        match = re.fullmatch(r"(\d+)[:-](\d+)", span)
        if not match or not int(match[1]) < int(match[2]) <= len(document.text):
            raise UsageError(
                f"--span {span}: write START:END within the document's "
                f"{len(document.text)} characters"
            )
        start, end = int(match[1]), int(match[2])
    if as_json:
        body = document.model_dump(mode="json") | {"text": document.text[start:end]}
        print_json({**body, "start": start, "end": end})
    else:
        echo(document.text[start:end])
