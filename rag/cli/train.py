"""``rag train``: make the models that are shipped, or your own; needs the train extra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rag.cli.common import JsonOption, print_json
from rag.errors import MissingExtraError, UsageError

app = typer.Typer(help="Train models (needs the train extra).", no_args_is_help=True)


@app.command()
def reader(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for examples, checkpoints and weights.")
    ],
    data: Annotated[
        Path | None,
        typer.Argument(
            help="The development data.", metavar="DATA", envvar="RAG_DATA", show_default=False
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", help="Stop after so long; the same command goes on.", min=0),
    ] = None,
    scale: Annotated[float, typer.Option("--scale", help="Share of the data.", min=0.0001)] = 1.0,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ….")] = "cpu",
    threads: Annotated[int | None, typer.Option("--threads", help="Of the processor.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the cross-encoder that ranks, reads and checks; goes on from its last checkpoint."""
    if data is None or not (data / "qa").is_dir():
        raise UsageError("name the folder of the development data, or set RAG_DATA")
    try:
        from rag.train.command import train_reader
    except ImportError:
        raise MissingExtraError("Training", "train") from None
    result = train_reader(
        data, out, scale=scale, minutes=minutes, device=device, threads=threads,
        log=lambda line: typer.echo(line, err=True),
    )  # fmt: skip
    if as_json:
        print_json(result)
        return
    for name, figures in result["figures"].items():
        typer.echo(f"{name:24} " + "  ".join(f"{k} {v:.3f}" for k, v in figures.items()))
    typer.echo(f"weights: {result['weights']}" if result["done"] else "not done: run it again")
