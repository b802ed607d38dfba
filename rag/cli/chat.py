"""``rag chat``: a conversation on the terminal, or line by line from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.ask import follow, on_terminal, show_answer, show_passages
from rag.cli.common import (
    IndexOption,
    JsonOption,
    KeepOption,
    ModelOption,
    StyleOption,
    console,
    echo,
    open_pipeline,
    print_json,
)
from rag.errors import ModelError, RagError, StoreError, UsageError

if TYPE_CHECKING:
    from prompt_toolkit.history import History

    from rag.pipeline import Chat
    from rag.sessions import Session
    from rag.types import Answer

_SUGGESTED = 2  # related questions below an answer; /related has more

HELP = """\
/sources      the sources of the last answer, with their quotes
/why          why its passages rank as they do
/related      questions on the same pages that have an answer
/usage        tokens and cost of the last answer, and of all in this conversation
/save FILE    write the conversation to a file (.json, or Markdown)
/new          forget what was said
/help         this list
/quit         leave (or Ctrl-D); Ctrl-C stops an answer and keeps what is there of it"""


def chat(
    index: IndexOption = None,
    model: ModelOption = None,
    style: StyleOption = None,
    keep_unsupported: KeepOption = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last conversation.")
    ] = False,
    session: Annotated[
        str | None, typer.Option("--session", help="Go on with this one.", metavar="ID")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the conversations kept.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", help="Write a kept one to a file: .json, else Markdown.", metavar="FILE"
        ),
    ] = None,
    no_save: Annotated[bool, typer.Option("--no-save", help="Keep nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask, follow up, look at the sources. /help lists the commands.

    Where a question has several answers of one kind, it asks which one you mean.
    """
    from rag.sessions import Session

    with open_pipeline(
        index, model=model, style=style, keep_unsupported=keep_unsupported
    ) as pipeline:
        if listing:
            _list(pipeline.folder, as_json=as_json)
            return
        kept = _kept(pipeline.folder, resume=resume, name=session, export=export)
        if export is not None:
            _write(export, kept.answers if kept else [])
            return
        counts = pipeline.index.catalog.counts()
        pipeline.index.require(pipeline.fingerprint)
        talk = pipeline.chat(kept or Session(pipeline.folder), ask_back=True)
        if no_save:
            talk.session = None
        if sys.stdin.isatty() and not as_json:
            echo(f"{counts['documents']} documents. Ask a question, or /help.", err=True)
            if kept is not None and kept.answers:
                last = kept.answers[-1]
                echo(f"Going on with {kept.id}, {len(kept.answers)} answers. Last:", err=True)
                console(stderr=True).print(
                    f"› {last.question}\n{last.text or last.abstention}", style="dim"
                )
        converse(talk, as_json=as_json)


def converse(talk: Chat, *, as_json: bool = False) -> None:
    """Read questions and commands until the input ends."""
    for line in _lines(talk.pipeline.folder if talk.session else None):
        text = line.strip()
        if not text:
            continue
        try:
            if text in ("/quit", "/exit", "/q"):
                return
            if text.startswith("/"):
                _command(talk, text)
            else:
                _ask(talk, text, as_json=as_json)
        except RagError as error:
            echo(f"rag: {error}", err=True)
        except KeyboardInterrupt:
            echo("stopped; the conversation is as it was before the question", err=True)


def _ask(talk: Chat, question: str, *, as_json: bool) -> None:
    events = talk.stream(question)
    whole = False
    try:
        if on_terminal() and not as_json:
            follow(events)
        for _ in events:
            pass
        answer, whole = events.answer, True
    except KeyboardInterrupt:
        answer = events.stop()
        if answer is None:
            raise
        echo("stopped; what holds of the answer is kept", err=True)
    except ModelError as error:
        answer = events.answer
        if answer is None:
            raise
        echo(f"rag: {error}; what holds of the answer is kept", err=True)
    assert answer is not None  # the last event of a stream holds it
    trouble = None
    try:
        talk.remember(answer)  # before anything else can stop it
    except StoreError as error:
        talk.session, trouble = None, error  # the conversation itself goes on; it is said once
    if as_json:
        print_json(answer.to_json())
    else:
        show_answer(answer)
        echo()
        suggesting = on_terminal() and whole and not answer.abstained
        if suggesting and (questions := talk.pipeline.related(answer, _SUGGESTED)):
            lines = ["You may also ask:", *(f"  {q}" for q in questions), ""]
            console().print("\n".join(lines), style="dim")
    if trouble is not None:
        raise trouble


def _lines(folder: Path | None) -> Iterator[str]:
    """Yield what is typed; a folder keeps it for the arrow keys of the next time."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    history: History = InMemoryHistory()
    if folder is not None:
        file = folder / "chat_history"
        file.touch(mode=0o600)
        file.chmod(0o600)  # one of an earlier version may be open to all
        history = FileHistory(str(file))
    session: PromptSession[str] = PromptSession(history=history)
    while True:
        try:
            yield session.prompt("› ")
        except KeyboardInterrupt:
            continue  # clears the line, as in a shell
        except EOFError:
            return


# Conversations that are kept


def _kept(folder: Path, *, resume: bool, name: str | None, export: Path | None) -> Session | None:
    """The conversation to go on with or to export."""
    from rag.sessions import latest, load

    if resume and name is not None:
        raise UsageError("--resume goes on with the last conversation, --session with any: use one")
    if name is not None:
        return load(folder, name)
    return latest(folder) if resume or export is not None else None


def _list(folder: Path, *, as_json: bool) -> None:
    from rag.sessions import summaries

    found = summaries(folder)
    if as_json:
        print_json({"sessions": [summary.model_dump(mode="json") for summary in found]})
        return
    if not found:
        echo("There is no conversation yet: begin one with `rag chat`.", err=True)
    out = console()
    for summary in found:
        number = f"{summary.answers} answer{'s' * (summary.answers != 1)}"
        out.print(f"{summary.id}  {summary.begun:%Y-%m-%d %H:%M}  {number}  {summary.opening}")


# Commands


def _command(talk: Chat, text: str) -> None:
    name, _, argument = text.partition(" ")
    if name not in _COMMANDS:
        echo(f"There is no command {name}. These there are:\n{HELP}", err=True)
    elif name in ("/sources", "/why", "/related", "/usage") and not talk.answers:
        echo("Nothing was asked yet.", err=True)
    else:
        _COMMANDS[name](talk, argument.strip())


def _sources(talk: Chat, _: str) -> None:
    answer, out = talk.answers[-1], console()
    if not answer.citations:
        echo("The last answer cites nothing. /why shows the nearest passages.", err=True)
    for citation in answer.citations:
        out.print(f"[{citation.number}] {citation.place}", style="bold")
        out.print(f"    {citation.link} characters {citation.start}-{citation.end}", style="cyan")
        out.print(f"    “{citation.quote}”")


def _why(talk: Chat, _: str) -> None:
    answer = talk.answers[-1]
    if answer.standalone != answer.question:
        echo(f"Asked as: {answer.standalone}")
    for sentence in answer.sentences:
        verdict = sentence.verdict
        if verdict is not None and verdict.support is not None:
            echo(f"{verdict.support:.2f} {verdict.label}  {sentence.marked}")
    show_passages(answer.passages)


def _related(talk: Chat, _: str) -> None:
    found = talk.pipeline.related(talk.answers[-1])
    if not found:
        echo("The pages of the last answer suggest no other question.", err=True)
    for question in found:
        echo(question)


def _usage(talk: Chat, _: str) -> None:
    from rag.models.chat import total_usage
    from rag.models.prices import in_words

    echo(f"The last answer: {in_words(talk.answers[-1].usage)}")
    echo(f"All {len(talk.answers)}: {in_words(total_usage(a.usage for a in talk.answers))}")


def _new(talk: Chat, _: str) -> None:
    from rag.sessions import Session

    talk.history.clear()
    talk.answers.clear()
    if talk.session is not None:
        talk.session = Session(talk.pipeline.folder)
    echo("A new conversation.", err=True)


def _save(talk: Chat, name: str) -> None:
    if name:
        _write(Path(name), talk.answers)
    else:
        echo("Name a file: /save talk.md", err=True)


_COMMANDS: dict[str, Callable[[Chat, str], None]] = {
    "/help": lambda *_: echo(HELP),
    "/sources": _sources,
    "/why": _why,
    "/related": _related,
    "/usage": _usage,
    "/save": _save,
    "/new": _new,
}


def _write(path: Path, answers: list[Answer]) -> None:
    from rag.sessions import markdown, write

    if str(path) == "-":
        echo(markdown(answers), nl=False)
        return
    path = path.expanduser()
    try:
        write(path, answers)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from None
    echo(f"{len(answers)} answers written to {path}", err=True)
