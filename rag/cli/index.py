"""``rag index``: look at an index, verify it, make its stores again."""

from __future__ import annotations

from typing import Annotated

import typer

from rag.cli.common import IndexOption, JsonOption, console, open_pipeline, print_json

app = typer.Typer(help="Look at the index, verify it, rebuild it.", no_args_is_help=True)


@app.command()
def info(index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Show what is in the index and what it was built with."""
    pipeline = open_pipeline(index)
    catalog = pipeline.index.catalog
    size = sum(f.stat().st_size for f in pipeline.folder.rglob("*") if f.is_file())
    body = {
        "folder": str(pipeline.folder),
        **catalog.counts(),
        "languages": sorted(catalog.languages()),
        "bytes": size,
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
    from rag.cli.ingest import progress

    pipeline = open_pipeline(index)
    if quiet:
        chunks = pipeline.rebuild()
    else:
        with progress("Rebuilding") as on_progress:
            chunks = pipeline.rebuild(on_progress)
    if as_json:
        print_json({"chunks": chunks})
    else:
        console().print(f"{chunks} chunks written")
