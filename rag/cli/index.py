"""``rag index``, ``sources``, ``show``, ``remove``: what is in an index, and what mends it."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import Annotated

import typer

from rag.cli.common import (
    IndexOption,
    JsonOption,
    console,
    echo,
    open_pipeline,
    print_json,
    progress,
)
from rag.errors import UsageError

app = typer.Typer(help="Look at the index, verify it, rebuild it.", no_args_is_help=True)


@app.command()
def info(index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Show what is in the index and what it was built with."""
    pipeline = open_pipeline(index)
    catalog = pipeline.index.catalog
    body = {
        "folder": str(pipeline.folder),
        **catalog.counts(),
        "languages": sorted(catalog.languages()),
        "bytes": sum(f.stat().st_size for f in pipeline.folder.rglob("*") if f.is_file()),
        "embedder": pipeline.embedder.identity,
        "fingerprint": catalog.state("fingerprint"),
        "generation": catalog.generation,
    }
    if as_json:
        print_json(body)
        return
    out = console()
    for name, value in body.items():
        shown = ", ".join(filter(None, value)) if isinstance(value, list) else value
        out.print(f"{name:12} {shown}")


@app.command()
def verify(index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Hold the stores against the catalog; exit status 1 if something is wrong."""
    faults = open_pipeline(index).index.verify()
    if as_json:
        print_json({"ok": not faults, "faults": faults})
    else:
        out = console()
        for fault in faults:
            out.print(fault, style="red")
        out.print("run `rag index rebuild` to mend it" if faults else "the index is sound")
    raise typer.Exit(1 if faults else 0)


@app.command()
def rebuild(
    index: IndexOption = None,
    as_json: JsonOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Make the stores again from the catalog, with the settings in force."""
    pipeline = open_pipeline(index)
    with nullcontext() if quiet else progress("Rebuilding") as on_progress:
        chunks = pipeline.rebuild(on_progress)
    if as_json:
        print_json({"chunks": chunks})
    else:
        console().print(f"{chunks} chunks written")


def sources(
    documents: Annotated[
        bool, typer.Option("--documents", help="List every document too.")
    ] = False,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """List sources with their numbers of documents, and what could not be read."""
    catalog = open_pipeline(index).index.catalog
    rows, failures = catalog.sources(), catalog.failures()
    listed = [document for _, document in catalog.documents()] if documents else []
    if as_json:
        body = {"sources": rows, "failures": [failure.model_dump() for failure in failures]}
        if documents:
            fields = {"uri", "title", "language", "published"}
            body["documents"] = [d.model_dump(mode="json", include=fields) for d in listed]
        print_json(body)
        return
    out = console()
    for row in rows:
        out.print(f"{row['location']}", style="bold", end="")
        count = f"{row['documents']} document{'' if row['documents'] == 1 else 's'}"
        out.print(f"  {row['kind']}, {count}, {row['ingested_at']}")
    for document in listed:
        dated = f" ({document.published})" if document.published else ""
        out.print(f"  {document.uri}  {document.title}{dated}")
    for failure in failures:
        out.print(f"  failed  {failure.uri}: {failure.reason}", style="red")


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
        if not match or not int(match[1]) < int(match[2]) <= end:
            raise UsageError(
                f"--span {span}: write START:END within the document's {end} characters"
            )
        start, end = int(match[1]), int(match[2])
    if as_json:
        body = document.model_dump(mode="json") | {"text": document.text[start:end]}
        print_json({**body, "start": start, "end": end})
    else:
        echo(document.text[start:end])


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
    count = len(report.removed)
    out.print(f"{count} document{'' if count == 1 else 's'} removed")
    for note in report.notes:
        out.print(f"  note    {note}")
