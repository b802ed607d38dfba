"""``rag train embedder``: all-MiniLM-L6-v2 made to find the chunk that answers a question.

Contrastive: in a batch, a question has to be nearer to its own chunk than to all others, among them
one each that looks right and does not hold the answer. Only the upper layers learn, and the result
is the mean of the weights before and after, which forgets less. Imports torch.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from rag.train import loop
from rag.train.attention import freeze, load_encoder
from rag.train.examples import SHIPPED_QA, asked, near_misses, read_questions, second_text
from rag.train.loop import Log

if TYPE_CHECKING:
    from rag.protocols import Embedder

MAX_TOKENS = 256
_QUERY_TOKENS = 64
_MIXED = 8  # batches whose members are of like length
_NEVER = -1e4  # of a score that is left out


@dataclass(frozen=True)
class Plan:
    """What a run is fixed by; ``kept`` is the share of the first weights in the last ones."""

    seed: int = 20261121
    learning_rate: float = 2e-5
    warm_up: float = 0.06
    decay: float = 0.94
    weight_decay: float = 0.01
    batch: int = 64
    epochs: float = 1.0
    temperature: float = 0.05
    frozen_layers: int = 3
    kept: float = 0.5
    scale: float = 1.0


@dataclass(frozen=True)
class Triple:
    """A question, the chunk that answers it, and one near it that does not."""

    query: str
    positive: str
    negative: str


def triples(data: Path, embedder: Embedder, plan: Plan, log: Log = print) -> list[Triple]:
    """Return the training examples, shuffled; the same for the same seed and data.

    From the answerable questions of the sets whose licence allows it, without the articles that are
    held apart. A question with no chunk near it but its own has any other for its negative.
    """
    random_ = random.Random(plan.seed)
    questions = [
        question
        for name in SHIPPED_QA
        for question in read_questions(data, name, embedder.count_tokens, held_apart=False)
        if question.answerable
    ]
    random_.shuffle(questions)
    questions = questions[: max(2, int(len(questions) * plan.scale))]
    log(f"{len(questions)} questions")
    near = near_misses(questions, questions, embedder, random_)
    found = []
    for question, usable in zip(questions, near, strict=True):
        other = random_.choice(questions)
        _, title, text = random_.choice(usable or [(other.article, other.title, other.chunk)])
        found.append(
            Triple(
                query=asked(question.text, random_),
                positive=second_text(question.title, question.chunk)[0],
                negative=second_text(title, text)[0],
            )
        )
    log(f"{sum(map(bool, near))} with a chunk that looks right and is not")
    return found


def save(found: Iterable[Triple], file: Path) -> None:
    """Write triples as gzipped JSON lines: making them takes minutes."""
    fresh = file.with_suffix(".new")
    with gzip.open(fresh, "wt", encoding="utf-8") as lines:
        for triple in found:
            lines.write(json.dumps(asdict(triple), ensure_ascii=False) + "\n")
    fresh.replace(file)


def load(file: Path) -> list[Triple]:
    """Read what ``save`` wrote."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [Triple(**json.loads(line)) for line in lines]


class EmbedderModel(nn.Module):  # type: ignore[misc]
    """An encoder with mean pooling: (batch, sequence) ids and mask to unit vectors."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids: Any, mask: Any) -> Any:
        """Return the mean of the states under the mask, scaled to length 1."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        mean = (states * weights).sum(1) / weights.sum(1)
        return functional.normalize(mean, dim=-1)


def new_model(folder: Path, plan: Plan) -> EmbedderModel:
    """Return a model over the encoder in ``folder`` whose tables and lower layers stay."""
    torch.manual_seed(plan.seed)
    model = EmbedderModel(load_encoder(folder))
    freeze(model.encoder, plan.frozen_layers)
    return model


@dataclass(frozen=True)
class Encoded:
    """A triple as token ids; ``asks`` and ``says`` number its question and its chunks by text."""

    query: list[int]
    positive: list[int]
    negative: list[int]
    asks: int
    says: tuple[int, int]


def encode(found: Sequence[Triple], tokenizer: Any) -> list[Encoded]:
    """Tokenize triples, each text at most ``MAX_TOKENS`` long."""
    tokenizer.no_padding()
    numbers: dict[str, int] = {}

    def ids(texts: list[str], limit: int) -> list[list[int]]:
        tokenizer.enable_truncation(limit)
        return [list(one.ids) for one in tokenizer.encode_batch_fast(texts)]

    def number(text: str) -> int:
        return numbers.setdefault(text, len(numbers))

    return [
        Encoded(
            query, positive, negative, number(f"? {triple.query}"),
            (number(triple.positive), number(triple.negative)),
        )
        for triple, query, positive, negative in zip(
            found,
            ids([triple.query for triple in found], _QUERY_TOKENS),
            ids([triple.positive for triple in found], MAX_TOKENS),
            ids([triple.negative for triple in found], MAX_TOKENS),
            strict=True,
        )
    ]  # fmt: skip


def batches(encoded: Sequence[Encoded], plan: Plan, epoch: int) -> list[list[int]]:
    """Return batches of positions in an order that the seed fixes; the last few are left out.

    Some batches at a time are sorted by the length of their chunks, so that little is padding; the
    other members of a batch stay random, as negatives should be. Where there are fewer triples than
    a batch holds, they are one.
    """
    shuffler = random.Random(f"{plan.seed}/{epoch}")
    order = list(range(len(encoded)))
    shuffler.shuffle(order)
    size = min(plan.batch, len(order))
    found: list[list[int]] = []
    for begin in range(0, len(order), size * _MIXED):
        part = order[begin : begin + size * _MIXED]
        part.sort(key=lambda n: len(encoded[n].positive) + len(encoded[n].negative))
        found += [part[place : place + size] for place in range(0, len(part) - size + 1, size)]
    shuffler.shuffle(found)
    return found


def loss_of(model: EmbedderModel, members: Sequence[Encoded], plan: Plan, device: str) -> Any:
    """Return the symmetric InfoNCE loss of a batch (van den Oord et al., 2018; CLIP's two sides).

    A chunk that is the answer of several questions, or questions that read the same, are no
    negatives of each other.
    """
    queries = model(*_padded([one.query for one in members], device))
    passages = model(*_padded([one.positive for one in members]
                              + [one.negative for one in members], device))  # fmt: skip
    says = torch.tensor([one.says[0] for one in members] + [one.says[1] for one in members])
    asks = torch.tensor([one.asks for one in members])
    count = len(members)
    alike = (asks[None, :] == asks[:, None]).float()
    same = alike @ (says[None, :] == says[:count, None]).float() > 0  # answers it, or its like
    same[:, :count] &= ~torch.eye(count, dtype=torch.bool)
    with torch.autocast(device.split(":", maxsplit=1)[0], enabled=False):
        scores = (queries @ passages.T) / plan.temperature
        scores = scores.masked_fill(same.to(device), _NEVER)
        targets = torch.arange(count, device=device)
        return 0.5 * (
            functional.cross_entropy(scores, targets)
            + functional.cross_entropy(scores[:, :count].T, targets)
        )


def _padded(rows: Sequence[list[int]], device: str) -> tuple[Any, Any]:
    width = max(len(row) for row in rows)
    ids, mask = (torch.zeros((len(rows), width), dtype=torch.long) for _ in range(2))
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return ids.to(device), mask.to(device)


def train(
    model: EmbedderModel,
    encoded: Sequence[Encoded],
    plan: Plan,
    out: Path,
    *,
    device: str = "cpu",
    log: Log = print,
    checkpoint_every: float = 300.0,
    stop_after: float | None = None,
) -> bool:
    """Train to the end of the plan, going on from ``out/checkpoint.pt`` if that is there.

    With ``stop_after`` seconds it stops early. Returns whether the plan is done.
    """
    whole, part = divmod(plan.epochs, 1)
    steps: list[list[int]] = []
    for epoch in range(int(whole) + (part > 0)):
        found = batches(encoded, plan, epoch)
        steps += found if epoch < whole else found[: int(len(found) * part)]

    def step_loss(step: int) -> tuple[Any, dict[str, float], int]:
        loss = loss_of(model, [encoded[n] for n in steps[step]], plan, device)
        return loss, {"contrast": float(loss.detach())}, len(steps[step])

    return loop.run(
        model, len(steps), step_loss, plan, out, device=device, log=log,
        checkpoint_every=checkpoint_every, stop_after=stop_after,
    )  # fmt: skip


def write_model(model: EmbedderModel, base: Path, plan: Plan, folder: Path) -> None:
    """Write a folder that is ``base`` with the trained weights, ``kept`` of the old ones in them.

    Weights between those before and after fine-tuning lose less of what was known (Wortsman et al.,
    "Robust fine-tuning of zero-shot models", CVPR 2022).
    """
    from safetensors.torch import (  # type: ignore[import-not-found, unused-ignore]
        load_file,
        save_file,
    )

    shutil.copytree(base, folder, dirs_exist_ok=True)
    (folder / "model.safetensors").unlink()  # a copy may be read-only
    before = load_file(base / "model.safetensors")
    after = {name: tensor.detach().cpu() for name, tensor in model.encoder.state_dict().items()}
    mixed = {
        name: tensor
        if name.removeprefix("bert.") not in after or not tensor.is_floating_point()
        else plan.kept * tensor.float()
        + (1 - plan.kept) * after[name.removeprefix("bert.")].float()
        for name, tensor in before.items()
    }
    save_file(mixed, folder / "model.safetensors", metadata={"format": "pt"})
