"""Measure where a footnote lands: ``python eval/tune_alignment.py DATA``.

DATA is the development data folder. SciFact and WiCE name the sentences that bear a claim out;
a claim beside the passage of another claim has none. The first lines are of the settings in force;
then each setting of the weights and thresholds is tried.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from common import json_rows

from rag.answer.llm import align
from rag.answer.llm.align import Aligned, Aligner
from rag.models.embedder import load_embedder
from rag.settings import Settings
from rag.types import Chunk, Passage, digest_of

SETS = {"scifact-train": "rationales", "wice-dev": "oracle"}
ROWS = 300  # of each set


@dataclass(frozen=True)
class Case:
    """A claim, its passage, and where in it the sentences are that bear the claim out."""

    claim: str
    passage: Passage
    gold: tuple[tuple[int, int], ...]


def cases(folder: Path, name: str) -> list[Case]:
    """Read the rows whose evidence sentences are named."""
    found = []
    for row in json_rows(folder / "groundedness" / f"{name}.jsonl.gz"):
        places = {n for n in _flat(row[SETS[name]]) if n < len(row["evidence"])}
        if row["label"] == "unsupported" or not places or len(row["evidence"]) < 4:
            continue
        starts, text = [], ""
        for sentence in row["evidence"]:
            starts.append(len(text))
            text += sentence.strip() + " "
        gold = tuple((starts[n], starts[n] + len(row["evidence"][n].strip())) for n in places)
        found.append(Case(row["claim"], _passage(row["id"], text), gold))
    return found[:ROWS]


def _flat(places: object) -> list[int]:
    if isinstance(places, int):
        return [places]
    return [n for part in places for n in _flat(part)] if isinstance(places, list) else []


def _passage(name: str, text: str) -> Passage:
    chunk = Chunk(id=name, document_id=digest_of(name), start=0, end=len(text), text=text)
    return Passage(chunk=chunk, document_digest="", title=name, uri=name, score=1.0, language="en")


def inside(found: Aligned, gold: tuple[tuple[int, int], ...]) -> float:
    """Return the share of a span that lies in sentences of the gold."""
    shared = sum(max(0, min(found.end, b) - max(found.start, a)) for a, b in gold)
    return shared / (found.end - found.start)


def measure(aligner: Aligner, data: list[Case]) -> dict[str, float]:
    """Return how often the span is right, how often there is none, and how long it is."""
    right = aligner.align([(case.claim, case.passage) for case in data])
    shifted = [*data[len(data) // 2 :], *data[: len(data) // 2]]
    others = aligner.align([(a.claim, b.passage) for a, b in zip(data, shifted, strict=True)])
    hits = [
        found is not None and inside(found, case.gold) >= 0.5
        for found, case in zip(right, data, strict=True)
    ]
    return {
        "hit": sum(hits) / len(data),
        "none": sum(found is None for found in right) / len(data),
        "none beside another passage": sum(found is None for found in others) / len(data),
        "characters": sum(f.end - f.start for f in right if f) / max(1, sum(map(bool, right))),
    }


def show(label: str, aligner: Aligner, data: dict[str, list[Case]]) -> None:
    """Print a line for each set."""
    for name, rows in data.items():
        found = ", ".join(f"{key} {value:.3f}" for key, value in measure(aligner, rows).items())
        print(f"{label} {name}: {found}", flush=True)


def main(folder: Path) -> None:
    """Print what is in force, then a line for each setting and set."""
    settings = Settings()
    embedder = load_embedder(settings.models)
    aligner = Aligner(embedder)
    data = {name: cases(folder, name) for name in SETS}
    print({name: len(rows) for name, rows in data.items()})
    show("in force", aligner, data)
    grid = [
        (*weights, 0.3, 0.34)
        for weights in product((0.0, 0.25, 0.45, 0.65, 0.85), (0.0, 0.15), (0.05, 0.1, 0.2, 9.0))
    ]
    grid += [(0.45, 0.15, 0.1, *t) for t in ((0.2, 0.5), (0.3, 0.34), (0.3, 0.5), (0.4, 0.5))]
    for cosine, numbers, both, distant, shared in grid:
        align._COSINE, align._NUMBERS = cosine, numbers
        align._TERMS = 1 - cosine - numbers
        align._BOTH, align.DISTANT, align.SHARED = both, distant, shared
        show(f"cosine {cosine} numbers {numbers} both {both} {distant}/{shared}", aligner, data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
