"""``rag chat``: a conversation on the terminal, or line by line from a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rag.cli.ask import show_answer
from rag.cli.common import IndexOption, JsonOption, console, open_pipeline, print_json
from rag.cli.search import show_passages
from rag.errors import RagError

if TYPE_CHECKING:
    from rag.pipeline import Chat

HELP = """\
/sources      the sources of the last answer, with their quotes
/why          why its passages rank as they do
/save FILE    write the conversation to a file (.json, or Markdown)
/new          forget what was said
/help         this list
/quit         leave (or Ctrl-D); Ctrl-C stops a question"""


def chat(index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Ask, follow up, look at the sources. /help lists the commands."""
    pipeline = open_pipeline(index)
    counts = pipeline.index.catalog.counts()
    pipeline.index.require(pipeline.fingerprint)
    if sys.stdin.isatty() and not as_json:
        typer.echo(f"{counts['documents']} documents. Ask a question, or /help.", err=True)
    converse(pipeline.chat(), as_json=as_json)


def converse(talk: Chat, *, as_json: bool = False) -> None:
    """Read questions and commands until the input ends."""
    for line in _lines(talk.pipeline.folder):
        text = line.strip()
        if not text:
            continue
        try:
            if text in ("/quit", "/exit", "/q"):
                return
            if text.startswith("/"):
                _command(talk, text)
                continue
            answer = talk.ask(text)
            if as_json:
                print_json(answer.to_json())
            else:
                show_answer(answer)
                typer.echo()
        except RagError as error:
            typer.echo(f"rag: {error}", err=True)
        except KeyboardInterrupt:
            typer.echo("stopped; the conversation is as it was before the question", err=True)


def _lines(folder: Path) -> Iterator[str]:
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    session: PromptSession[str] = PromptSession(history=FileHistory(str(folder / "chat_history")))
    while True:
        try:
            yield session.prompt("› ")
        except KeyboardInterrupt:
            continue  # clears the line, as in a shell
        except EOFError:
            return


def _command(talk: Chat, text: str) -> None:
    name, _, argument = text.partition(" ")
    commands: dict[str, Callable[[], None]] = {
        "/help": lambda: typer.echo(HELP),
        "/sources": lambda: _sources(talk),
        "/why": lambda: _why(talk),
        "/save": lambda: _save(talk, argument.strip()),
        "/new": lambda: _new(talk),
    }
    if name not in commands:
        typer.echo(f"There is no command {name}. These there are:\n{HELP}", err=True)
    elif name in ("/sources", "/why") and not talk.answers:
        typer.echo("Nothing was asked yet.", err=True)
    else:
        commands[name]()


def _sources(talk: Chat) -> None:
    answer = talk.answers[-1]
    if not answer.citations:
        typer.echo("The last answer cites nothing. /why shows the nearest passages.", err=True)
    for citation in answer.citations:
        out = console()
        out.print(f"[{citation.number}] {citation.place}", style="bold")
        out.print(f"    {citation.link} characters {citation.start}-{citation.end}", style="cyan")
        out.print(f"    “{citation.quote}”")


def _why(talk: Chat) -> None:
    answer = talk.answers[-1]
    if answer.standalone != answer.question:
        typer.echo(f"Asked as: {answer.standalone}")
    show_passages(answer.passages)


def _new(talk: Chat) -> None:
    talk.history.clear()
    talk.answers.clear()
    typer.echo("A new conversation.", err=True)


def _save(talk: Chat, name: str) -> None:
    if not name:
        typer.echo("Name a file: /save talk.md", err=True)
        return
    path = Path(name).expanduser()
    if path.suffix == ".json":
        from rag.types import SCHEMA

        body = {"schema": SCHEMA, "answers": [answer.to_json() for answer in talk.answers]}
        content = json.dumps(body, ensure_ascii=False, indent=2)
    else:
        content = "\n\n".join(f"## {a.question}\n\n{a}" for a in talk.answers)
    try:
        path.write_text(content + "\n", "utf-8")
    except OSError as error:
        typer.echo(f"rag: {path} cannot be written: {error.strerror}", err=True)
    else:
        typer.echo(f"{len(talk.answers)} answers written to {path}", err=True)
