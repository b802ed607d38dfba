"""``rag ask``: one answer with its footnotes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.common import (
    AfterOption,
    BeforeOption,
    IndexOption,
    JsonOption,
    QuestionArgument,
    WhereOption,
    console,
    filters,
    open_pipeline,
    print_json,
)

if TYPE_CHECKING:
    from rag.types import Answer


def ask(
    question: QuestionArgument,
    where: WhereOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print each sentence as soon as it is checked.")
    ] = False,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question with citations. Exit status 3 means: not in the documents."""
    pipeline = open_pipeline(index)
    asked, chosen = " ".join(question), filters(where, after, before)
    answer: Answer | None = None
    for event in pipeline.stream(asked, **chosen):
        if stream and as_json:
            print_json(event.to_json())
        elif stream and event.sentence:
            typer.echo(event.sentence.marked)
        answer = event.answer
    assert answer is not None  # the last event of a stream holds it
    if as_json and not stream:
        print_json(answer.to_json())
    elif not as_json:
        show_answer(answer, text=not stream)
    raise typer.Exit(3 if answer.abstained else 0)


def show_answer(answer: Answer, *, text: bool = True) -> None:
    """Print an answer for a person; what is already on the screen can be left out."""
    out = console()
    head, gap, rest = str(answer).partition("\n\n")
    if text or answer.abstained:
        out.print(head, style="bold")
    if gap:
        out.print(f"\n{rest}" if text else rest)
