"""Entry point of ``rag``: assembles the commands and turns errors into sentences and statuses."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from rag.cli import (
    ask,
    chat,
    check,
    demo,
    evaluate,
    index,
    ingest,
    models,
    remove,
    search,
    show,
    sources,
)
from rag.errors import RagError

app = typer.Typer(
    name="rag",
    help="Cited answers from your own documents.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from rag import __version__

        typer.echo(f"rag {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.command("ingest")(ingest.ingest)
app.command("sources")(sources.sources)
app.command("show")(show.show)
app.command("remove")(remove.remove)
app.add_typer(index.app, name="index")
app.command("search")(search.search)
app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.command("check")(check.check)
app.add_typer(evaluate.app, name="eval")
app.command("models")(models.models)


def main() -> None:
    """Run the command line; the exit status follows the contract in the README."""
    try:
        app(standalone_mode=True)
    except RagError as error:
        sys.stderr.write(f"rag: {error}\n")
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.stderr.write("\nrag: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away (`rag search … | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
