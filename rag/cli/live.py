"""An answer while it comes: provisional text at once, which settles into the final answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rag.cli.common import console, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from rag.events import AnswerStream
    from rag.types import Answer, Sentence

_PICTURES = 15  # a second: a person sees no more, and a slow terminal draws no more
_KEPT_FREE = 2  # lines of the terminal


class Shown:
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
        """Return the picture: what is provisional is dim."""
        from rich.text import Text

        from rag.types import Answer

        settled = Answer(
            question="", standalone="", sentences=tuple(self._sentences), abstained=False,
            confidence=0.0, generator="",
        ).text  # fmt: skip
        settled, rest = printable(settled), printable(self._written[self._place :].rstrip())
        gap = " " if settled and rest and not rest.startswith("\n") else ""
        return Text.assemble((settled, "bold"), gap, (rest, "dim"))


def follow(stream: AnswerStream) -> Answer | None:
    """Show a stream on the terminal until it ends; return its answer, of which nothing remains.

    Ctrl-C goes through: ``stream.stop()`` then has the part that holds.
    """
    shown = Shown()
    out = console()
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
                        refresh_per_second=_PICTURES,
                        transient=True,
                    )
                    live.start(refresh=True)
            elif event.kind in ("sentence", "sentence_withdrawn"):
                shown.settle(event.place, event.sentence)
    finally:
        if live is not None:
            live.stop()
    return stream.answer


def _tail(text: Text, out: Console) -> Text:
    """Return the last lines that fit on the screen: more than that could not be taken back."""
    from rich.text import Text

    lines = text.wrap(out, max(out.width, 1))
    return Text("\n").join(lines[-max(out.height - _KEPT_FREE, 1) :])


def on_terminal() -> bool:
    """Tell whether a person is looking: text that changes is for nobody else."""
    return sys.stdout.isatty()
