"""Render a conversation with a scripted model as a picture: python eval/picture_chat.py.

What the model writes is laid out here; what is cited, checked, withdrawn and suggested is not.
"""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from rag.cli.ask import LiveText
from rag.pipeline import Chat, Pipeline
from rag.resources import resource
from rag.settings import AnswerSettings, LlmSettings
from rag.testing.scripted_llm import ScriptedServer, stream

TARGET = Path(__file__).parent / "chat.svg"
TALK = (
    (
        "How many days of video history does the Family plan have?",
        ("The Family plan keeps video for 30 days. [1] ", "It is free ", "in Lisbon. [1]"),
        "1: -",
    ),
    (
        "How long do refunds take?",
        ("Refunds take five business days. [1]",),
        "1: -",
    ),
)  # fmt: skip


def main() -> None:
    """Hold the conversation over the sample corpus and write the picture."""
    console = Console(record=True, width=104, file=io.StringIO(), highlight=False)
    with tempfile.TemporaryDirectory() as folder, ScriptedServer() as server:
        corpora = Path(folder) / "corpora"
        corpora.symlink_to(resource("corpora"))
        with Pipeline.open(Path(folder) / ".rag") as quoting:
            quoting.ingest(corpora / "wrenhaven")
            llm = LlmSettings(model="small", base_url=server.base_url)
            with quoting.variant(llm=llm, answer=AnswerSettings()) as pipeline:
                talk = pipeline.chat()
                console.print(Text.assemble(("$ ", "dim"), "rag chat --model small"))
                for question, pieces, repaired in TALK:
                    _turn(console, talk, server, question, pieces, repaired)
    svg = console.export_svg(title="rag chat")
    # The viewer's own monospace font will do: a picture in a README should load nothing.
    TARGET.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), "utf-8")


def _turn(
    console: Console,
    talk: Chat,
    server: ScriptedServer,
    question: str,
    pieces: tuple[str, ...],
    repaired: str,
) -> None:
    if talk.history:
        server.enqueue(question)  # it stands on its own
    server.enqueue(stream(*pieces), repaired)
    console.print(Text.assemble(("› ", "bold cyan"), question))
    shown = LiveText()
    events = talk.stream(question)
    for event in events:
        if event.kind == "token":
            shown.add(event.text)
        elif event.kind in ("sentence", "sentence_withdrawn"):
            if event.kind == "sentence_withdrawn":  # as it was before it was withdrawn
                console.print(Text.assemble(shown.text(), ("   (as it streams)\n", "italic dim")))
            shown.settle(event.place, event.sentence)
    answer = events.answer
    assert answer is not None  # the last event holds it
    talk.remember(answer)
    server.requests.clear()
    head, _, rest = str(answer).partition("\n\n")
    console.print(Text(head, "bold"))
    console.print()
    console.print(Text(rest))
    suggested = talk.pipeline.related(answer, 2)
    if suggested:
        said = "\n".join(["", "You may also ask:", *(f"  {one}" for one in suggested)])
        console.print(Text(said, "dim"))
    console.print()


if __name__ == "__main__":
    main()
