"""``rag ask``: one answer with its footnotes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.common import (
    AfterOption,
    BeforeOption,
    IndexOption,
    JsonOption,
    KeepOption,
    ModelOption,
    QuestionArgument,
    StyleOption,
    WhereOption,
    console,
    echo,
    filters,
    open_pipeline,
    print_json,
)
from rag.cli.live import follow, on_terminal
from rag.errors import ModelError

if TYPE_CHECKING:
    from rag.events import AnswerStream
    from rag.types import Answer


def ask(
    question: QuestionArgument,
    where: WhereOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    model: ModelOption = None,
    style: StyleOption = None,
    keep_unsupported: KeepOption = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print each sentence as soon as it is checked.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what a language model would be sent; send none.")
    ] = False,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question with citations. Exit status 3 means: not in the documents."""
    asked, chosen = " ".join(question), filters(where, after, before)
    with open_pipeline(
        index, model=model, style=style, keep_unsupported=keep_unsupported
    ) as pipeline:
        if dry_run:
            from rag.cli.dry_run import show_plan

            show_plan(pipeline.plan(asked, **chosen), as_json=as_json)
            raise typer.Exit
        answer = _answered(pipeline.stream(asked, **chosen), stream=stream, as_json=as_json)
    raise typer.Exit(3 if answer.abstained else 0)


def _answered(events: AnswerStream, *, stream: bool, as_json: bool) -> Answer:
    """Print an answer; stopped by Ctrl-C or a fault of the model, what holds of it."""
    try:
        answer = _followed(events, stream=stream, as_json=as_json)
    except (KeyboardInterrupt, ModelError):
        told = events.answer is not None and stream and as_json  # as the last of the events
        partial = events.stop()
        if partial is not None and as_json and not told:
            print_json(partial.to_json())
        elif partial is not None and not as_json:
            show_answer(partial, text=not stream)
        raise
    if as_json and not stream:
        print_json(answer.to_json())
    elif not as_json:
        show_answer(answer, text=not stream)
    return answer


def _followed(events: AnswerStream, *, stream: bool, as_json: bool) -> Answer:
    """Go through the events and print what is to be printed on the way."""
    if on_terminal() and not stream and not as_json:
        follow(events)
    for event in events:
        if stream and as_json:
            print_json(event.to_json())
        elif stream and event.sentence:
            echo(event.sentence.marked)
    assert events.answer is not None  # the last event of a stream holds it
    return events.answer


def show_answer(answer: Answer, *, text: bool = True) -> None:
    """Print an answer for a person; what is already on the screen can be left out."""
    out = console()
    head, gap, rest = str(answer).partition("\n\n")
    if text or answer.abstained:
        out.print(head, style="bold")
    if gap:
        out.print(f"\n{rest}" if text else rest)
