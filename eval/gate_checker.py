"""Hold the shipped checker to its floors, on claims of other writers and on natural ones.

    python eval/gate_checker.py [DATA]       DATA: the folder that holds groundedness/, or RAG_DATA

A floor is the lower end of the interval that was measured when it was set: a figure below it is a
loss that chance does not explain, and the exit status is 5. Sets of ``eval/claims`` were written by
people who knew nothing of the checker; no weight has seen any of these claims.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rag import Pipeline
from rag.evaluate.grounding import evaluate

CLAIMS = Path(__file__).with_name("claims")


@dataclass(frozen=True)
class Gate:
    """A file of claims, how many of it are judged, and the floor of the AUROC."""

    file: str
    auroc: float
    limit: int | None = None


GATES = (
    Gate("helpdesk.jsonl", 0.87),
    Gate("encyclopaedia.jsonl", 0.69),
    Gate("mixed.jsonl", 0.73),
)
NATURAL = (
    Gate("scifact-train.jsonl.gz", 0.74, limit=500),
    Gate("q2.jsonl.gz", 0.68, limit=500),
)


def judge(path: Path, gate: Gate, pipeline: Pipeline) -> tuple[str, bool]:
    """Return a line of the table, and whether the floor holds."""
    with tempfile.TemporaryDirectory() as folder:
        run = evaluate(path, pipeline, out=Path(folder) / "run.jsonl", limit=gate.limit)
    found = run.summary()
    holds = found["auroc"] >= gate.auroc
    figures = [
        f"{name} {found[name]:.3f} [{found[name + '_ci'][0]:.3f}, {found[name + '_ci'][1]:.3f}]"
        for name in ("auroc", "balanced_accuracy")
    ]
    floor = f"floor {gate.auroc:.3f} {'holds' if holds else 'BROKEN'}"
    return f"{gate.file:24} {found['n']:5} claims  {'  '.join(figures)}  {floor}", holds


def main() -> int:
    """Measure every set and compare it with its floor."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"))
    folder = parser.parse_args().data
    files = [(CLAIMS / gate.file, gate) for gate in GATES]
    if folder and (Path(folder) / "groundedness").is_dir():
        files += [(Path(folder) / "groundedness" / gate.file, gate) for gate in NATURAL]
    else:
        where = folder or "RAG_DATA, which is not set"
        print(f"There is no folder groundedness in {where}: natural claims are left out.",
              file=sys.stderr)  # fmt: skip
    broken = 0
    with tempfile.TemporaryDirectory() as index, Pipeline.open(Path(index) / ".rag") as pipeline:
        for path, gate in files:
            line, holds = judge(path, gate, pipeline)
            broken += not holds
            print(line, flush=True)
    return 5 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
