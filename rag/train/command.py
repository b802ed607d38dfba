"""From the data folder to a file of weights: examples, training, export, figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from rag.models.cross_encoder import MODEL_FILE, CrossEncoder
from rag.models.embedder import load_embedder
from rag.settings import Settings
from rag.train.export import packaged
from rag.train.export_reader import average, export_reader, load_checkpoint
from rag.train.reader import Plan, encode, new_model, train
from rag.train.recipe import (
    Amounts,
    Held,
    claim_figures,
    held_apart,
    later,
    load,
    mixture,
    pairs_of,
    reading_figures,
    save,
)

Log = Callable[[str], None]

FURTHER: dict[str, Any] = {
    "seed": Plan.seed + 1, "learning_rate": 1e-4, "decay": 0.6, "dropout": 0.1
}  # fmt: skip
"""What is other than in ``Plan`` where a run begins with a trained reader.

Without dropout, a second pass learns texts by heart and reads others worse (eval/LOG.md).
"""


def train_reader(
    data: Path,
    out: Path,
    *,
    epochs: float = Plan.epochs,
    start: Path | None = None,
    averaged: Path | None = None,
    share: float = 0.65,
    seed: int | None = None,
    scale: float = 1.0,
    minutes: float | None = None,
    device: str = "cpu",
    threads: int | None = None,
    log: Log = print,
) -> dict[str, Any]:
    """Train, export and measure the reader in ``out``; an interrupted run is gone on with.

    ``start`` is a checkpoint to begin with: all passes then read what later passes do, other draws
    of it with another ``seed``.
    With ``averaged`` the weights at its end are averaged with those of that checkpoint, which has
    ``share`` of the mean, and are written to ``averaged.pt`` too.
    Returns ``done``, the plan, the figures on what is held apart and where the weights are. Figures
    are those of the exported, quantised file: what is measured is what is shipped.
    """
    from tokenizers import Tokenizer

    if threads:
        torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    first = Plan(epochs=epochs)
    plan = replace(first, **FURTHER) if start else first
    if seed is not None:
        plan = replace(plan, seed=seed)
    amounts = Amounts().scaled(scale) if scale < 1 else Amounts()
    embedder = load_embedder(Settings().models)
    kept = out / "examples.jsonl.gz"
    if not kept.exists():
        save(mixture(data, embedder, amounts, first.seed, log), kept)
    folder = packaged()
    model = new_model(folder, plan)
    if start:
        load_checkpoint(start, model)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    examples = load(kept)
    again = None
    if start or plan.epochs > 1:
        again = encode(later(data, embedder, examples, amounts, plan.seed), tokenizer)
    encoded = again if start and again else encode(examples, tokenizer)
    done = train(
        model, encoded, plan, out, later=again, device=device, log=log,
        stop_after=None if minutes is None else minutes * 60,
    )  # fmt: skip
    if done and averaged is not None:
        average(model, averaged, out / "averaged.pt", share)
    digest = export_reader(model, out / MODEL_FILE)
    found = figures(CrossEncoder(weights=out), held_apart(data, embedder, amounts, first.seed))
    result = {"done": done, "plan": asdict(plan), "amounts": asdict(amounts), "digest": digest,
              "figures": found, "weights": str(out / MODEL_FILE)}  # fmt: skip
    (out / "figures.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return result


def figures(encoder: CrossEncoder, held: Held) -> dict[str, dict[str, float]]:
    """Return what an exported reader is worth on every set that is held apart."""
    found = {}
    for name, questions in held.questions.items():
        pairs = pairs_of(questions)
        read = []
        for (_, text, prefix), judged in zip(
            pairs, encoder.judge([(q, t) for q, t, _ in pairs]), strict=True
        ):
            best = judged.best(prefix, len(text))
            start, end, margin = best or (0, 0, -1e4)
            read.append((text[start:end], margin))
        found[f"qa/{name}"] = reading_figures(questions, read)
    for name, claims in held.claims.items():
        judged_claims = encoder.judge([(claim.first, claim.second) for claim in claims])
        found[f"claims/{name}"] = claim_figures(claims, [one.support for one in judged_claims])
    return found
