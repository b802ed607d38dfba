"""Render a real question and its answer as the README's picture: python eval/picture.py."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from rag.cli.ask import highlighted
from rag.pipeline import Pipeline
from rag.resources import resource

QUESTION = "How many days of video history does the Family plan have?"
TARGET = Path(__file__).parent / "answer.svg"


def main() -> None:
    """Ask the question of the sample corpus and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        corpora = Path(folder) / "corpora"
        corpora.symlink_to(resource("corpora"))
        with Pipeline.open(Path(folder) / ".rag") as pipeline:
            pipeline.ingest(corpora / "wrenhaven")
            answer = pipeline.ask(QUESTION)
    console = Console(record=True, width=104, file=io.StringIO(), highlight=False)
    console.print(Text.assemble(("$ ", "dim"), f'rag ask "{QUESTION}"'))
    head, _, rest = str(answer).partition("\n\n")
    console.print(highlighted(head, answer.sentences))
    console.print()
    console.print(Text(rest))
    svg = console.export_svg(title="rag ask")
    # The viewer's own monospace font will do: a picture in a README should load nothing.
    TARGET.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
