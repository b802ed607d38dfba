"""What each part of the reader's training is worth: ``eval/ablate_reader.py DATA --out DIR``.

Trains the same small reader again and again, each time without one sort of examples or one task,
and compares it on what is held apart with the one that had all: differences with 95% intervals from
a bootstrap over articles. Needs the extra ``footnote-rag[train]`` and
``DIR/examples.jsonl.gz``, which ``rag train reader DATA --out DIR`` writes. Each run is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rag.evaluate.text_metrics import f1
from rag.models.cross_encoder import MODEL_FILE, CrossEncoder
from rag.models.embedder import load_embedder
from rag.models.runtime import read_tokenizer
from rag.settings import Settings
from rag.train.examples import Example, Question, load
from rag.train.mixture import Amounts, held_apart


def _keep_all(example: Example) -> bool:
    return True


@dataclass(frozen=True)
class Variant:
    """A training without something: the examples that stay, and the weights of the losses."""

    keep: Callable[[Example], bool] = _keep_all
    plan: tuple[tuple[str, Any], ...] = ()


VARIANTS = {
    "joint": Variant(),
    "joint, another seed": Variant(plan=(("seed", 7),)),
    "no loss on relevance": Variant(plan=(("relevance_weight", 0.0),)),
    "no hard negatives": Variant(lambda e: not e.source.endswith("/negative")),
    "no changed questions": Variant(lambda e: not e.source.endswith("/changed")),
    "no QED": Variant(lambda e: not e.source.startswith("qed")),
}


def trained(
    variant: Variant, examples: Sequence[Example], folder: Path, minutes: float
) -> CrossEncoder:
    """Train a variant (or go on with it) and return the reader that is exported to ``folder``."""
    from rag.train.encoder import packaged
    from rag.train.reader import Plan, encode, export_reader, new_model, train

    plan = replace(Plan(), epochs=1.0, **dict(variant.plan))
    source = packaged()
    tokenizer = read_tokenizer(source / "tokenizer.json")
    model = new_model(source, plan)
    kept = [example for example in examples if variant.keep(example)]
    train(model, encode(kept, tokenizer), plan, folder, log=lambda _: None, minutes=minutes)
    export_reader(model, folder / MODEL_FILE)
    return CrossEncoder(weights=folder)


def measured(encoder: CrossEncoder, held: dict[str, list[Question]]) -> dict[str, Any]:
    """Return per set what each question's span is worth, its margin, and what is relevant."""
    from rag.train.reader import read

    found: dict[str, Any] = {}
    for name, questions in held.items():
        here = read(encoder, questions)
        others = [
            replace(one, title=questions[other].title, chunk=questions[other].chunk)
            for one, other in zip(questions, _elsewhere(questions), strict=True)
        ]
        found[name] = {
            "f1": [
                f1(words, question.answer) if question.answerable else None
                for (words, _, _), question in zip(here, questions, strict=True)
            ],
            "margin": [margin for _, margin, _ in here],
            "relevance": [
                [right, wrong]
                for (_, _, right), (_, _, wrong) in zip(here, read(encoder, others), strict=True)
            ],
            "groups": [question.article for question in questions],
        }
    return found


def _elsewhere(questions: Sequence[Question]) -> list[int]:
    """Return for each question one whose chunk is another, of the same article where there is."""
    found = []
    for n, question in enumerate(questions):
        order = [*range(n + 1, len(questions)), *range(n)]
        other = [m for m in order if questions[m].chunk != question.chunk]
        same = [m for m in other if questions[m].article == question.article]
        found.append((same or other)[0])
    return found


def auroc(gold: Any, scores: Any) -> float:
    """Return the area under the ROC curve; a half where there is one class only."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(gold, scores)) if len(set(gold)) == 2 else 0.5


def columns(run: dict[str, Any]) -> dict[str, tuple[Any, Any, Any, Callable[[Any, Any], float]]]:
    """Return by figure (gold, scores, groups, how to compute it)."""
    found: dict[str, Any] = {}
    for label, one in run.items():
        known = np.array([value is not None for value in one["f1"]])
        groups = np.unique(one["groups"], return_inverse=True)[1]
        scores = np.array([value or 0.0 for value in one["f1"]])
        found[f"{label} F1"] = (known[known], scores[known], groups[known], lambda g, s: s.mean())
        if not known.all():
            found[f"{label} answerable AUROC"] = (known, np.array(one["margin"]), groups, auroc)
        pairs = np.array(one["relevance"])[known]
        found[f"{label} right passage first"] = (
            known[known], pairs[:, 0] > pairs[:, 1], groups[known], lambda g, s: s.mean(),
        )  # fmt: skip
    return found


def difference(one: Any, other: Any, draws: int = 400) -> tuple[float, float, float]:
    """Return the difference of a figure and its 95% interval from resampled groups."""
    gold, left, groups, figure = one
    right = other[1]
    members = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    rng = np.random.default_rng(20261121)
    found = []
    for _ in range(draws):
        chosen = np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))])
        found.append(figure(gold[chosen], right[chosen]) - figure(gold[chosen], left[chosen]))
    low, high = np.quantile(found, [0.025, 0.975])
    return figure(gold, right) - figure(gold, left), float(low), float(high)


def report(runs: dict[str, dict[str, Any]]) -> None:
    """Print the joint reader's figures and every other's differences from them."""
    joint = columns(runs["joint"])
    print("\n| figure | joint | " + " | ".join(name for name in runs if name != "joint") + " |")
    print("|" + " --- |" * (len(runs) + 1))
    for label, one in joint.items():
        row = [label, f"{one[3](one[0], one[1]):.3f}"]
        for name, run in runs.items():
            if name != "joint":
                mean, low, high = difference(one, columns(run)[label])
                star = "*" if low > 0 or high < 0 else ""
                row.append(f"{mean:+.3f}{star} [{low:+.3f}, {high:+.3f}]")
        print("| " + " | ".join(row) + " |")


def main() -> int:
    """Train what has not been trained yet, then compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"), type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of examples.jsonl.gz")
    parser.add_argument("--pairs", type=int, default=15_000, help="examples of the joint training")
    parser.add_argument("--minutes", type=float, default=20.0, help="most that one run may take")
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), help="variants to train")
    options = parser.parse_args()
    kept = options.out / "examples.jsonl.gz"
    if options.data is None or not kept.exists():
        print(
            "Give the data folder, and with --out one in which “rag train reader” has begun.",
            file=sys.stderr,
        )
        return 2
    embedder = load_embedder(Settings().models)
    held = held_apart(Path(options.data), embedder, Amounts(measured=400), 20261121)
    examples = load(kept, Example)[: options.pairs]
    runs = {}
    for name, variant in VARIANTS.items():
        folder = options.out / "ablations" / f"{name.replace(' ', '-')}-{options.pairs}"
        file = folder / "measured.json"
        if not file.exists() and (not options.only or name in options.only):
            began = time.perf_counter()
            encoder = trained(variant, examples, folder, options.minutes)
            file.write_text(json.dumps(measured(encoder, held)), "utf-8")
            (folder / "checkpoint.pt").unlink()
            (folder / MODEL_FILE).unlink()
            print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
        if file.exists():
            runs[name] = json.loads(file.read_text("utf-8"))
    if "joint" in runs:
        report(runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
