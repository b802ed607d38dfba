"""``rag sources``: what was ingested from where, and what failed."""

from __future__ import annotations

from typing import Annotated

import typer

from rag.cli.common import IndexOption, JsonOption, console, open_pipeline, print_json


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
        body = {
            "sources": rows,
            "failures": [failure.model_dump() for failure in failures],
        }
        if documents:
            body["documents"] = [
                {"uri": d.uri, "title": d.title, "language": d.language,
                 "published": d.published.isoformat() if d.published else None}
                for d in listed
            ]  # fmt: skip
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
