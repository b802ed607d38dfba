"""``rag search``: the passages for a question, each with the scores that rank it."""

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
    from rag.types import Passage


def search(
    question: QuestionArgument,
    k: Annotated[int | None, typer.Option("-k", help="How many passages.", min=1)] = None,
    where: WhereOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find passages; every one says why it ranks where it does."""
    asked = " ".join(question)
    pipeline = open_pipeline(index)
    passages, _, problem = pipeline.ranking(asked, k, **filters(where, after, before))
    if problem:
        console(stderr=True).print(f"Note: {problem}")
    if as_json:
        rows = [passage.model_dump(mode="json") for passage in passages]
        print_json({"question": asked, "passages": rows})
        return
    if not passages:
        console(stderr=True).print("There is no passage to show; a filter may leave none.")
    show_passages(passages)


def show_passages(passages: list[Passage] | tuple[Passage, ...]) -> None:
    """Print passages with their places, scores and words."""
    out = console()
    for number, passage in enumerate(passages, start=1):
        out.print(f"{number}. {passage.place}", style="bold")
        out.print(f"   {passage.uri}", style="cyan")
        out.print(f"   {passage.explain()}", style="dim")
        out.print("   " + " ".join(passage.chunk.text.split())[:400])
