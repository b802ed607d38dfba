"""Entry point of ``rag``: assembles the commands and turns errors into sentences and statuses."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from traceback import format_exception
from types import TracebackType
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from rag.cli import (
    ask,
    chat,
    check,
    demo,
    evaluate,
    index,
    ingest,
    models,
    observe,
    suite,
    train,
)  # fmt: skip
from rag.cli.common import drop_output, echo, printable
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


for _command in (
    demo.demo,
    ingest.ingest,
    index.sources,
    index.show,
    index.remove,
    ask.search,
    ask.ask,
    chat.chat,
    check.check,
    evaluate.compare,
    evaluate.report,
    models.models,
    observe.health,
    observe.explain,
    observe.feedback,
):
    app.command()(_command)
evaluate.app.command()(suite.suite)
evaluate.app.command()(suite.from_record)
evaluate.app.command()(suite.review)
for _name, _group in (
    ("index", index.app),
    ("eval", evaluate.app),
    ("train", train.app),
    ("record", observe.app),
):
    app.add_typer(_group, name=_name)


def main() -> None:
    """Run the command line; the exit status follows the contract in the README."""
    _mend_streams()
    sys.excepthook = _report
    command = typer.main.get_command(app)
    try:
        # Not through typer's own main: it has statuses of its own for a closed pipe and Ctrl-C.
        with command.make_context("rag", sys.argv[1:]) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except (KeyboardInterrupt, EOFError, typer.Abort):
        _leave("\nrag: interrupted", 130)
    except Exception as error:
        _explain(error)
    sys.exit(0)


def _explain(error: Exception) -> NoReturn:
    """Leave with a sentence for what is expected to go wrong; raise again what is not."""
    if _interrupted(error):
        _leave("\nrag: interrupted", 130)
    match error:
        case RagError():
            _leave(f"rag: {error}", error.exit_status)
        case TyperException():
            # Of a usage error, typer exports neither the class nor the type of its show().
            show = getattr(error, "show", None)
            if show is not None:
                error.message = printable(str(error.message or ""))
                show()
            sys.exit(error.exit_code)
        case BrokenPipeError():
            # The reader of our output went away (`rag search … | head`): nothing is wrong.
            drop_output()
            sys.exit(0)
        case OSError():
            _leave(f"rag: the output cannot be written: {error.strerror}", 1)
    raise error


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what nobody expected as Python does, without what would steer the terminal."""
    echo("".join(format_exception(kind, error, trace)), err=True, nl=False)


def _interrupted(error: BaseException | None) -> bool:
    """Tell whether Ctrl-C is behind an error: a library that it hits while loading hides it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _leave(message: str, status: int) -> NoReturn:
    echo(message, err=True)
    sys.exit(status)


def _mend_streams() -> None:
    """Make output possible where a stream is closed or its encoding lacks a character."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    for stream, errors in (
        (sys.stdin, "surrogateescape"),
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
    ):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)


if __name__ == "__main__":
    main()
