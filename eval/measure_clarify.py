"""How rare asking back is, and how often it is right: ``eval/measure_clarify.py INDEX``.

INDEX is an index of the sample corpus (``rag ingest corpora/wrenhaven``). The development questions
are specific, so hardly any may be asked back; the table of the tests has questions that name none
of several things, and others that look alike and are clear.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag.pipeline import Pipeline
from rag.types import Turn

ROOT = Path(__file__).parents[1]
DEVELOPMENT = ROOT / "eval" / "questions" / "dev.jsonl"
TABLE = ROOT / "tests" / "answer" / "ambiguous.jsonl"


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the questions of a file."""
    for line in path.read_text("utf-8").splitlines():
        yield json.loads(line)


def main() -> None:
    """Ask all of them and print what is asked back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    counts: dict[str, list[bool]] = {}
    with Pipeline.open(parser.parse_args().index) as pipeline:
        for row in (*rows(DEVELOPMENT), *rows(TABLE)):
            if "ambiguous" in row:
                kind = "table, unclear" if row["ambiguous"] else "table, clear"
            else:
                kind = f"development, {'' if row['answerable'] else 'not '}answerable"
            history = [Turn(**turn) for turn in row.get("history", ())]
            found = pipeline.ask(row["question"], history=history).clarification
            counts.setdefault(kind, []).append(found is not None)
            if found is not None:
                print(f"{kind}: {row['question']} {found.text}", flush=True)
    for kind, asked in counts.items():
        print(f"{kind}: {sum(asked)} of {len(asked)} asked back")


if __name__ == "__main__":
    main()
