"""``rag train checker``: a cross-encoder that tells support, contradiction and silence apart.

It begins with the shipped reader, or any BERT encoder, and learns from the pairs of ``contrasts``
what ``VERDICTS`` names; where a source does not tell contradicted from not said, the sum of both
counts. A run is fixed by its seed, writes checkpoints and can go on from them. Imports torch.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from rag.errors import ModelError
from rag.models.cross_encoder import MAX_TOKENS, MODEL_FILE
from rag.models.embedder import TOKENIZER_FILE, WEIGHTS, load_embedder
from rag.models.runtime import read_tokenizer
from rag.models.support import (
    CLAIM_CHARACTERS,
    CONTRADICTED,
    NOT_SAID,
    SUPPORT_FILE,
    SUPPORTED,
    VERDICTS,
    SupportModel,
    as_read,
)
from rag.settings import BUILT_IN, Settings
from rag.train import contrasts, loop
from rag.train.base import load_graph, load_start
from rag.train.contrasts import UNSUPPORTED, Amounts, Pair
from rag.train.encoder import Headed, load_encoder, packaged, padded
from rag.train.examples import HELD_CLAIMS, held, load, save
from rag.train.export import write_graph
from rag.train.loop import Log


@dataclass(frozen=True)
class Plan(loop.Plan):
    """What a run is fixed by."""

    learning_rate: float = 1e-4
    epochs: float = 1.5
    decay: float = 0.5
    batch_tokens: int = 3072
    dropout: float = 0.1


class CheckerModel(nn.Module):  # type: ignore[misc]
    """An encoder with one head: (batch, sequence) ids to (batch, 4) logits."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        width = encoder.config.hidden_size
        self.encoder = encoder
        self.pooled = nn.Linear(width, width)
        self.verdict = nn.Linear(width, len(VERDICTS))
        for layer in (self.pooled, self.verdict):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, ids: Any, mask: Any, types: Any) -> Any:
        """Logits in the order of ``VERDICTS``."""
        states = self.encoder(
            input_ids=ids, attention_mask=mask, token_type_ids=types
        ).last_hidden_state
        return self.verdict(functional.gelu(self.pooled(states[:, 0])))


def new_model(base: str, plan: Plan) -> tuple[CheckerModel, Any]:
    """A model over the encoder that ``base`` names, and its tokenizer.

    ``built-in`` is the shipped reader read back to float; else a folder of ``rag train reader`` or
    one with a BERT model of Hugging Face. Raises ModelError where there is none.
    """
    torch.manual_seed(plan.seed)
    folder = WEIGHTS if base == BUILT_IN else Path(base).expanduser()
    graph = folder / MODEL_FILE
    if not graph.is_file() and not (folder / "config.json").is_file():
        raise ModelError(
            f"--base is {base!r}, and there is neither {MODEL_FILE} nor config.json in it: name a "
            "folder of rag train reader, one with a BERT model, or built-in."
        )
    source = packaged() if graph.is_file() else folder
    encoder = load_encoder(source, plan.frozen_layers, plan.dropout, add_pooling_layer=False)
    model = CheckerModel(encoder)
    if graph.is_file():
        load_graph(model, graph, heads=False)
    own = folder / TOKENIZER_FILE
    file = own if own.is_file() else source / "tokenizer.json"
    return model, read_tokenizer(file)


@dataclass(frozen=True)
class Encoded:
    """One pair as numbers."""

    ids: list[int]
    types: list[int]
    label: int


def encode(pairs: Sequence[Pair], tokenizer: Any) -> list[Encoded]:
    """Tokenize pairs as the shipped model reads them, at most ``MAX_TOKENS`` long."""
    tokenizer.enable_truncation(MAX_TOKENS, strategy="only_second")
    found: list[Encoded] = []
    for begin in range(0, len(pairs), 1000):
        part = pairs[begin : begin + 1000]
        texts = [(as_read(p.claim)[:CLAIM_CHARACTERS], as_read(p.evidence)) for p in part]
        found += [
            Encoded(list(one.ids), list(one.type_ids), pair.label)
            for pair, one in zip(part, tokenizer.encode_batch(texts), strict=True)
        ]
    return found


def loss_of(model: CheckerModel, members: Sequence[Encoded], device: str) -> Any:
    """The mean negative log-likelihood of the labels; ``UNSUPPORTED`` is either of two."""
    ids, mask = padded([one.ids for one in members], step=loop.STEP, device=device)
    types, _ = padded([one.types for one in members], step=loop.STEP, device=device)
    labels = torch.tensor([one.label for one in members], device=device)
    logs = functional.log_softmax(model(ids, mask, types).float(), -1)
    either = torch.logsumexp(logs[:, [CONTRADICTED, NOT_SAID]], -1, keepdim=True)
    return -torch.cat([logs, either], -1).gather(1, labels[:, None]).mean()


def export_checker(model: CheckerModel, file: Path) -> str:
    """Write the quantised graph to ``file``; return its SHA-256."""
    return write_graph(Headed(model, MAX_TOKENS, ("verdict",)), file, ("verdict",))


def train_checker(
    data: Path,
    written: Path,
    out: Path,
    *,
    base: str = BUILT_IN,
    start: Path | None = None,
    averaged: Path | None = None,
    share: float = 0.5,
    seed: int | None = None,
    epochs: float = Plan.epochs,
    without: Sequence[str] = (),
    scale: float = 1.0,
    minutes: float | None = None,
    device: str = "cpu",
    threads: int | None = None,
    log: Log = print,
) -> dict[str, Any]:
    """Train, export and measure the checker in ``out``; an interrupted run is gone on with.

    ``written`` is the folder of written pairs, ``without`` names sources that are left out.
    ``start`` is a checkpoint or an exported graph to begin with, over other draws with another
    ``seed``. With ``averaged`` the weights at the end are averaged with those of that checkpoint,
    which has ``share`` of the mean, and are written to ``averaged.pt`` too. Returns ``done``, the
    plan, the figures of the exported file on what is held apart and where it is.
    """
    if threads:
        torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    plan = replace(Plan(), epochs=epochs, seed=Plan.seed if seed is None else seed)
    embedder = load_embedder(Settings().models)
    kept = out / "pairs.jsonl.gz"
    if not kept.exists():
        drawn = contrasts.mixture(
            data, written, embedder, Amounts(), plan.seed, share=scale, log=log
        )
        save(drawn, kept)
    model, tokenizer = new_model(base, plan)
    if start:
        load_start(model, start)
    pairs = [pair for pair in load(kept, Pair) if pair.source not in without]
    encoded = encode(pairs, tokenizer)

    lengths = [len(one.ids) for one in encoded]

    def of_pass(epoch: int) -> list[list[Encoded]]:
        order = loop.by_length(lengths, plan.batch_tokens, f"{plan.seed}/{epoch}")
        return [[encoded[n] for n in batch] for batch in order]

    def loss(batch: list[Encoded]) -> tuple[Any, dict[str, float]]:
        found = loss_of(model, batch, device)
        return found, {"loss": float(found.detach())}

    steps = loop.schedule(plan.epochs, of_pass)
    done = loop.run(model, steps, loss, plan, out, device=device, log=log, minutes=minutes)
    if done and averaged is not None:
        loop.average(model, averaged, out / "averaged.pt", share)
    digest = export_checker(model, out / SUPPORT_FILE)
    found = figures(SupportModel(weights=out), held_pairs(data, written, embedder))
    result = {"done": done, "plan": asdict(plan), "without": list(without), "digest": digest,
              "figures": found, "weights": str(out / SUPPORT_FILE)}  # fmt: skip
    (out / "figures.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return result


# What an exported checker is worth


def held_pairs(
    data: Path, written: Path, embedder: Any, most: int = 1_500
) -> dict[str, list[Pair]]:
    """What no weight has seen: whole sets, held-apart groups of the others, by name."""
    found = {f"{name} *": contrasts.read_pairs(data, name, embedder)[:most] for name in HELD_CLAIMS}
    for source in contrasts.SOURCES:
        pairs = contrasts.read_pairs(data, source.name, embedder, held_apart=True)
        found[source.name] = pairs[:most]
    own = contrasts.written(written)
    around = [pair.evidence for pair in own]
    own += contrasts.statements(written, around, random.Random(Plan.seed)) if own else []
    for pair in own:
        if held(pair.group, tenths=1):
            found.setdefault(pair.source, []).append(pair)
    return found


def figures(model: SupportModel, sets: dict[str, list[Pair]]) -> dict[str, dict[str, float]]:
    """Of each set and each kind in it: AUROC and balanced accuracy of "supported"."""
    found = {}
    for name, pairs in sets.items():
        logits = model.logits([(pair.claim, pair.evidence) for pair in pairs])
        parts: dict[str, list[int]] = {name: list(range(len(pairs)))}
        for n, pair in enumerate(pairs):
            if pair.kind:
                parts.setdefault(f"{name}/{pair.kind}", []).append(n)
        for part, places in parts.items():
            labels = np.array([pairs[n].label for n in places])
            if 0 < (labels == SUPPORTED).sum() < len(labels):
                found[part] = _figures(labels, logits[places])
    return found


def _figures(labels: Any, logits: Any) -> dict[str, float]:
    """``labels`` is the balanced accuracy of the labels, where three of them occur."""
    from scipy.special import logsumexp
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    gold = labels == SUPPORTED
    odds = logits[:, 0] - logsumexp(logits[:, 1:], axis=1)
    found = {
        "n": len(gold),
        "auroc": float(roc_auc_score(gold, odds)),
        "balanced_accuracy": float(balanced_accuracy_score(gold, odds > 0)),
    }
    told = labels != UNSUPPORTED
    if len(set(labels[told])) > 2:
        found["labels"] = float(balanced_accuracy_score(labels[told], logits[told].argmax(1)))
    return found
