"""How much of what is shown as supported is? Groundedness sets recast as answers with marks.

    python eval/verify_answers.py DATA [ROWS]

Each row is an answer over its evidence as passages, with a mark on the first: half of the
answers are supported, by choice of the rows. Verification cites again and leaves out; no model
writes again; an answer of several sentences is shown if all of them are. Printed for each set:
precision and recall of what is shown, and the points of the curve over the support. Every citation
is held against its passage on the way.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common import json_rows

from rag.answer.llm.citation_marks import parse
from rag.answer.llm.verify import Judged, Verifier
from rag.ground.checker import SupportChecker
from rag.models.embedder import load_embedder
from rag.models.support import SupportModel
from rag.settings import Settings
from rag.types import Chunk, Passage, digest_of

SETS = (
    "wice-dev",
    "begin-dev",
    "q2",
    "scifact-train",
    "snli",
    "summedits-samsum",
    "summedits-news",
)
ROWS = 200
LEVELS = (0.3, 0.4, 0.5, 0.55, 0.6, 0.68, 0.7, 0.8, 0.9)


def main(data: Path, rows: int) -> None:
    """Verify the rows of every set and print the figures."""
    settings = Settings()
    embedder = load_embedder(settings.models)
    checker = SupportChecker(SupportModel(), embedder, settings.ground)
    everything: list[tuple[bool, Judged]] = []
    for name in SETS:
        found = []
        for row in _balanced(data / "groundedness" / f"{name}.jsonl.gz", rows):
            passages = [_passage(text, n) for n, text in enumerate(row["evidence"])]
            sentences = parse(f"{' '.join(row['claim'].split())} [1]", len(passages)).sentences
            judged = Verifier(
                passages, embedder, checker, shown_from=Settings().answer.supported_from
            ).judge(sentences)
            for one in judged:
                _exact(one, passages)
            stated = [one for one in judged if one.state != "empty"]
            if stated:
                worst = min(stated, key=lambda one: one.verdict.support or 0.0)
                found.append((row["label"] == "supported", worst))
        _report(name, found)
        everything += found
    _report("all", everything)


def _balanced(path: Path, wanted_rows: int) -> Iterator[dict[str, Any]]:
    found = json_rows(path)
    chance = random.Random(0)
    chance.shuffle(found)
    for wanted in (True, False):
        yield from [r for r in found if (r["label"] == "supported") is wanted][: wanted_rows // 2]


def _passage(text: str, number: int) -> Passage:
    chunk = Chunk(
        id=digest_of(text, str(number)), document_id=digest_of(str(number)), start=0,
        end=len(text), text=text,
    )  # fmt: skip
    return Passage(
        chunk=chunk, document_digest="", title=f"Evidence {number + 1}", uri=f"{number}.txt",
        score=1.0, language="en",
    )  # fmt: skip


def _exact(judged: Judged, passages: Sequence[Passage]) -> None:
    for citation in judged.sentence.citations:
        text = passages[citation.number - 1].chunk.text
        assert text[citation.start : citation.end] == citation.quote


def _report(name: str, found: Sequence[tuple[bool, Judged]]) -> None:
    supported = sum(label for label, _ in found)
    shown = [label for label, judged in found if judged.state == "kept"]
    print(f"{name:18} n {len(found):4}  shown {_figures(shown, supported)}")
    for level in LEVELS:
        kept = [
            label for label, judged in found
            if judged.state in ("kept", "weak") and (judged.verdict.support or 0.0) >= level
        ]  # fmt: skip
        print(f"{'':18} support from {level:.2f}  {_figures(kept, supported)}")


def _figures(shown: Sequence[bool], supported: int) -> str:
    precision = sum(shown) / len(shown) if shown else 0.0
    return f"precision {precision:.3f}  recall {sum(shown) / max(supported, 1):.3f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else ROWS)
