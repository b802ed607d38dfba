"""``rag ask`` and ``rag search``: one answer with its footnotes, or the passages for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
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
    printable,
)
from rag.errors import ModelError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from rag.events import AnswerStream
    from rag.types import Answer, Passage, Plan, Sentence

_FRAMES = 15  # a second: a person sees no more, and a slow terminal draws no more
_FREE_LINES = 2  # of the terminal


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
            _show_plan(pipeline.plan(asked, **chosen), as_json=as_json)
            raise typer.Exit
        answer = _answered(pipeline.stream(asked, **chosen), stream=stream, as_json=as_json)
    raise typer.Exit(3 if answer.abstained else 0)


def _answered(events: AnswerStream, *, stream: bool, as_json: bool) -> Answer:
    """Print an answer; stopped by Ctrl-C or a fault of the model, what holds of it."""
    try:
        if on_terminal() and not stream and not as_json:
            follow(events)
        for event in events:
            if stream and as_json:
                print_json(event.to_json())
            elif stream and event.sentence:
                echo(event.sentence.marked)
    except (KeyboardInterrupt, ModelError):
        told = events.answer is not None and stream and as_json  # as the last of the events
        partial = events.stop()
        if partial is not None and as_json and not told:
            print_json(partial.to_json())
        elif partial is not None and not as_json:
            show_answer(partial, text=not stream)
        raise
    answer = events.answer
    assert answer is not None  # the last event of a stream holds it
    if as_json and not stream:
        print_json(answer.to_json())
    elif not as_json:
        show_answer(answer, text=not stream)
    return answer


def show_answer(answer: Answer, *, text: bool = True) -> None:
    """Print an answer for a person; what is already on the screen can be left out."""
    out = console()
    head, gap, rest = str(answer).partition("\n\n")
    if text or answer.abstained:
        out.print(highlighted(head, answer.sentences))
    if gap:
        out.print(f"\n{rest}" if text else rest)


def highlighted(text: str, sentences: Sequence[Sentence]) -> Text:
    """The text of an answer, bold where its sentences say what was asked for."""
    from rich.text import Text

    shown, at = Text(printable(text)), 0
    for sentence in sentences:
        if sentence.highlight:
            at = max(shown.plain.find(printable(sentence.shown), at), at)
            ahead = sentence.shown.removesuffix(sentence.text)
            begin = at + len(printable(ahead + sentence.text[: sentence.highlight[0]]))
            shown.stylize("bold", begin, begin + len(printable(sentence.highlighted)))
    return shown


def _show_plan(plan: Plan, *, as_json: bool) -> None:
    """Print a plan: for people the messages as they read, for programs the whole body."""
    if as_json:
        print_json({"dry_run": plan.to_json()})
        return
    out = console()
    if plan.reason is not None:
        out.print(f"Nothing would be sent: {plan.reason}")
        return
    for number, request in enumerate(plan.requests, 1):
        more = f" {number}" if len(plan.requests) > 1 else ""
        out.print(f"Request{more}: {request.purpose}", style="bold")
        out.print(f"POST {request.url}")
        out.print(f"Authorization: {request.authorization}")
        if request.masked:
            counts = ", ".join(f"{count} {kind}" for kind, count in request.masked.items())
            out.print(f"Masked: {counts}")
        others = {k: v for k, v in request.body.items() if k != "messages"}
        out.print(json.dumps(others, ensure_ascii=False))
        for message in request.body["messages"]:
            out.print(f"\n--- {message['role']}", style="cyan")
            out.print(message["content"])
        out.print()
    out.print(f"About {plan.tokens} tokens. Nothing was sent.")


# An answer while it comes


class LiveText:
    """What is on the screen: sentences that are final, and behind them what is not yet."""

    def __init__(self) -> None:
        self._sentences: list[Sentence] = []
        self._written = ""
        self._place = 0

    def add(self, text: str) -> None:
        """Add provisional text."""
        self._written += text

    def settle(self, place: int, sentence: Sentence | None = None) -> None:
        """Put a final sentence, or nothing, for the provisional text up to a place."""
        if sentence is not None:
            self._sentences.append(sentence)
        self._place = max(self._place, place)

    def text(self) -> Text:
        """The picture: what is provisional is dim."""
        from rich.text import Text

        from rag.types import Answer

        settled = Answer(
            question="",
            standalone="",
            sentences=tuple(self._sentences),
            abstained=False,
            confidence=0.0,
            generator="",
        ).text
        settled, rest = printable(settled), printable(self._written[self._place :].rstrip())
        gap = " " if settled and rest and not rest.startswith("\n") else ""
        return Text.assemble((settled, "bold"), gap, (rest, "dim"))


def follow(stream: AnswerStream) -> None:
    """Show provisional text on the terminal until a stream ends; nothing of it remains there.

    Ctrl-C goes through: ``stream.stop()`` then has the part that holds.
    """
    shown, out = LiveText(), console()
    live: Live | None = None
    try:
        for event in stream:
            if event.kind == "token":
                shown.add(event.text)
                if live is None:  # only now: what is not provisional is about to come whole
                    from rich.live import Live

                    live = Live(
                        console=out,
                        get_renderable=lambda: _tail(shown.text(), out),
                        refresh_per_second=_FRAMES,
                        transient=True,
                    )
                    live.start(refresh=True)
            elif event.kind in ("sentence", "sentence_withdrawn"):
                shown.settle(event.place, event.sentence)
    finally:
        if live is not None:
            live.stop()


def _tail(text: Text, out: Console) -> Text:
    """The last lines that fit on the screen: more than that could not be taken back."""
    from rich.text import Text

    lines = text.wrap(out, max(out.width, 1))
    return Text("\n").join(lines[-max(out.height - _FREE_LINES, 1) :])


def on_terminal() -> bool:
    """Tell whether a person is looking: text that changes is for nobody else."""
    return sys.stdout.isatty()


# Passages


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
    with open_pipeline(index) as pipeline:
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


def show_passages(passages: Sequence[Passage]) -> None:
    """Print passages with their places, scores and words."""
    out = console()
    for number, passage in enumerate(passages, start=1):
        out.print(f"{number}. {passage.place}", style="bold")
        out.print(f"   {passage.uri}", style="cyan")
        out.print(f"   {passage.explain()}", style="dim")
        out.print("   " + " ".join(passage.chunk.text.split())[:400])
