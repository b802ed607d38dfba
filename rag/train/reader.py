"""``rag train reader``: one cross-encoder that ranks, reads and checks, trained on several tasks.

The encoder begins as all-MiniLM-L6-v2. Over its states stand three heads: relevance of a passage to
a question, start and end of the answer (the first token stands for "not here"), and support of a
claim by evidence. Every example teaches the heads that it knows something about. A run is fixed by
its seed, writes checkpoints and can go on from them, on a CPU or a GPU. Imports torch.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rag.train import loop
from rag.train.attention import freeze, load_encoder
from rag.train.examples import Example
from rag.train.loop import Log

MAX_TOKENS = 256
_STEP = 32  # lengths are padded to multiples of it
_IGNORED = -100  # of a target that a head has nothing to learn from


@dataclass(frozen=True)
class Plan:
    """What a run is fixed by."""

    seed: int = 20261121
    learning_rate: float = 1.5e-4
    warm_up: float = 0.03
    decay: float = 0.35
    batch_tokens: int = 4608
    epochs: float = 1.75
    relevance_weight: float = 0.5
    support_weight: float = 1.0
    frozen_layers: int = 0
    weight_decay: float = 0.01
    dropout: float = 0.0


class ReaderModel(nn.Module):  # type: ignore[misc]
    """An encoder with heads: (batch, sequence) ids to relevance, support and span logits."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        width = encoder.config.hidden_size
        self.encoder = encoder
        self.pooled = nn.Linear(width, width)
        self.spans = nn.Linear(width, 2)
        self.relevance = nn.Linear(width, 1)
        self.support = nn.Linear(width, 1)
        for layer in (self.pooled, self.spans, self.relevance, self.support):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, ids: Any, mask: Any, types: Any) -> tuple[Any, Any, Any]:
        """Return relevance (batch,), support (batch,) and spans (batch, sequence, 2) as logits."""
        states = self.encoder(
            input_ids=ids, attention_mask=mask, token_type_ids=types
        ).last_hidden_state
        first = functional.gelu(self.pooled(states[:, 0]))
        return self.relevance(first)[:, 0], self.support(first)[:, 0], self.spans(states)


@dataclass(frozen=True)
class Encoded:
    """One example as numbers; targets that are not there are ``_IGNORED`` or NaN."""

    ids: list[int]
    types: list[int]
    allowed: tuple[int, int]  # tokens of the second text's own words
    start: int
    end: int
    relevance: float
    support: float


def encode(examples: Sequence[Example], tokenizer: Any) -> list[Encoded]:
    """Tokenize pairs, at most ``MAX_TOKENS`` long, and put the spans on tokens.

    An answer that was cut off with the end of its passage is no longer there.
    """
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS, strategy="only_second")
    found: list[Encoded] = []
    for begin in range(0, len(examples), 1000):  # encodings are large: not all of them at once
        part = examples[begin : begin + 1000]
        encodings = tokenizer.encode_batch([(e.first[:600], e.second) for e in part])
        found += [_encoded(e, one) for e, one in zip(part, encodings, strict=True)]
    return found


def _encoded(example: Example, encoding: Any) -> Encoded:
    inside = [
        n
        for n, (sequence, (begin, _)) in enumerate(
            zip(encoding.sequence_ids, encoding.offsets, strict=True)
        )
        if sequence == 1 and begin >= example.prefix
    ]
    start = end = _IGNORED
    if example.start is not None and example.end is not None:
        start = end = 0
        covered = [
            n
            for n in inside
            if encoding.offsets[n][0] < example.end and example.start < encoding.offsets[n][1]
        ]
        if example.start >= 0 and covered:
            start, end = covered[0], covered[-1]
    return Encoded(
        ids=list(encoding.ids),
        types=list(encoding.type_ids),
        allowed=(inside[0], inside[-1] + 1) if inside else (0, 0),
        start=start,
        end=end,
        relevance=math.nan if example.relevance is None else example.relevance,
        support=math.nan if example.support is None else example.support,
    )


def batches(encoded: Sequence[Encoded], plan: Plan, epoch: int) -> list[list[int]]:
    """Return batches of positions of like length, in an order that the seed fixes.

    Lengths are rounded up to ``_STEP``, and a batch has as many as ``batch_tokens`` allow: so there
    are few shapes, each of which costs a processor a compilation and memory.
    """
    shuffler = random.Random(f"{plan.seed}/{epoch}")
    order = list(range(len(encoded)))
    shuffler.shuffle(order)
    open_: dict[int, list[int]] = {}
    found: list[list[int]] = []
    for position in order:
        width = _rounded(len(encoded[position].ids))
        batch = open_.setdefault(width, [])
        batch.append(position)
        if len(batch) == max(1, plan.batch_tokens // width):
            found.append(open_.pop(width))
    found += open_.values()
    shuffler.shuffle(found)
    return found


def _rounded(length: int) -> int:
    return -(-length // _STEP) * _STEP


def tensors(members: Sequence[Encoded], device: str) -> dict[str, Any]:
    """Return a padded batch; ``allowed`` is 0 where an answer may begin, and -1e4 elsewhere."""
    width = _rounded(max(len(one.ids) for one in members))
    shape = (len(members), width)
    ids, mask, types = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    allowed = torch.full(shape, -1e4)
    for row, one in enumerate(members):
        length = len(one.ids)
        ids[row, :length] = torch.tensor(one.ids)
        types[row, :length] = torch.tensor(one.types)
        mask[row, :length] = 1
        allowed[row, one.allowed[0] : one.allowed[1]] = 0
        allowed[row, 0] = 0
    targets = {
        "start": torch.tensor([one.start for one in members]),
        "end": torch.tensor([one.end for one in members]),
        "relevance": torch.tensor([one.relevance for one in members]),
        "support": torch.tensor([one.support for one in members]),
    }
    batch = {"ids": ids, "mask": mask, "types": types, "allowed": allowed, **targets}
    return {name: tensor.to(device) for name, tensor in batch.items()}


def loss_of(model: ReaderModel, batch: dict[str, Any], plan: Plan) -> tuple[Any, dict[str, float]]:
    """Return the loss of a batch, each head's over the examples that it knows, and the parts."""
    relevance, support, spans = model(batch["ids"], batch["mask"], batch["types"])
    parts: dict[str, Any] = {}
    spans = spans.float() + batch["allowed"][:, :, None]
    if (batch["start"] != _IGNORED).any():
        parts["span"] = 0.5 * sum(
            functional.cross_entropy(spans[:, :, side], batch[name], ignore_index=_IGNORED)
            for side, name in enumerate(("start", "end"))
        )
    for name, logits, weight in (
        ("relevance", relevance, plan.relevance_weight),
        ("support", support, plan.support_weight),
    ):
        known = ~torch.isnan(batch[name])
        if known.any():
            parts[name] = weight * functional.binary_cross_entropy_with_logits(
                logits.float()[known], batch[name][known]
            )
    # A part counts by the share of the batch that it is about.
    count = len(batch["ids"])
    shares = {
        "span": (batch["start"] != _IGNORED).sum() / count,
        "relevance": (~torch.isnan(batch["relevance"])).sum() / count,
        "support": (~torch.isnan(batch["support"])).sum() / count,
    }
    total = sum(part * shares[name] for name, part in parts.items())
    return total, {name: float(part.detach()) for name, part in parts.items()}


def new_model(folder: Path, plan: Plan) -> ReaderModel:
    """Return a model over the encoder in ``folder``; word and position tables stay as they are."""
    torch.manual_seed(plan.seed)
    model = ReaderModel(load_encoder(folder, plan.dropout, add_pooling_layer=False))
    freeze(model.encoder, plan.frozen_layers)
    return model


def train(
    model: ReaderModel,
    encoded: Sequence[Encoded],
    plan: Plan,
    out: Path,
    *,
    later: Sequence[Encoded] | None = None,
    device: str = "cpu",
    log: Log = print,
    checkpoint_every: float = 300.0,
    stop_after: float | None = None,
) -> bool:
    """Train to the end of the plan, going on from ``out/checkpoint.pt`` if that is there.

    ``later`` is read by passes after the first (default: the same again). Writes a checkpoint every
    so many seconds; with ``stop_after`` seconds it stops early. Returns whether the plan is done.
    The order of batches depends on the seed alone.
    """
    steps = list(schedule(encoded, encoded if later is None else later, plan))

    def step_loss(step: int) -> tuple[Any, dict[str, float], int]:
        batch = tensors(steps[step], device)
        return *loss_of(model, batch, plan), len(steps[step])

    return loop.run(
        model, len(steps), step_loss, plan, out, device=device, log=log,
        checkpoint_every=checkpoint_every, stop_after=stop_after,
    )  # fmt: skip


def schedule(
    encoded: Sequence[Encoded], later: Sequence[Encoded], plan: Plan
) -> Iterator[list[Encoded]]:
    """Yield the batches of all passes: the first over ``encoded``, others over ``later``."""
    whole, part = divmod(plan.epochs, 1)
    for epoch in range(int(whole) + (part > 0)):
        members = later if epoch else encoded
        found = batches(members, plan, epoch)
        for batch in found if epoch < whole else found[: int(len(found) * part)]:
            yield [members[n] for n in batch]


# Reading with it, for the figures


def predict(
    model: ReaderModel, encoded: Sequence[Encoded], *, device: str = "cpu"
) -> list[dict[str, Any]]:
    """Return for each example relevance and support logits, the best span's tokens and margin.

    ``margin`` is the best span's logit over that of "not here".
    """
    model.eval()
    found: list[dict[str, Any]] = [{} for _ in encoded]
    order = sorted(range(len(encoded)), key=lambda n: len(encoded[n].ids))
    with torch.inference_mode():
        for begin in range(0, len(order), 32):
            places = order[begin : begin + 32]
            batch = tensors([encoded[n] for n in places], device)
            with torch.autocast(device.split(":", maxsplit=1)[0], dtype=torch.bfloat16):
                relevance, support, spans = model(batch["ids"], batch["mask"], batch["types"])
            spans = (spans.float() + batch["allowed"][:, :, None]).cpu().numpy()
            for row, place in enumerate(places):
                start, end, margin = best_span(spans[row], *encoded[place].allowed)
                found[place] = {
                    "relevance": float(relevance[row]),
                    "support": float(support[row]),
                    "start": start,
                    "end": end,
                    "margin": margin,
                }
    return found


def best_span(logits: Any, begin: int, end: int, longest: int = 40) -> tuple[int, int, float]:
    """Return first and last token of the best span in ``begin:end``, and its margin over none."""
    import numpy as np

    if end <= begin:
        return 0, 0, -1e4
    starts, ends = logits[begin:end, 0], logits[begin:end, 1]
    sums = starts[:, None] + ends[None, :]
    size = end - begin
    band = np.triu(np.ones((size, size), bool)) & ~np.triu(np.ones((size, size), bool), longest)
    sums = np.where(band, sums, -1e9)
    first, last = divmod(int(sums.argmax()), size)
    return begin + first, begin + last, float(sums[first, last] - logits[0].sum())
