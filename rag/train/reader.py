"""``rag train reader``: one cross-encoder that ranks and reads.

The encoder begins as all-MiniLM-L6-v2. Over its states stand two heads: relevance of a passage to a
question, and start and end of the answer (the first token stands for "not here"). Every example
teaches the heads that it knows something about. A run is fixed by its seed, writes checkpoints and
can go on from them, on a CPU or a GPU. Imports torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from rag.evaluate.text_metrics import f1
from rag.models.cross_encoder import MAX_TOKENS, MODEL_FILE, CrossEncoder
from rag.models.embedder import load_embedder
from rag.models.runtime import read_tokenizer
from rag.settings import Settings
from rag.train import loop
from rag.train.base import load_start
from rag.train.encoder import Headed, load_encoder, packaged, padded
from rag.train.examples import Example, Question, load, save, second_text
from rag.train.export import write_graph
from rag.train.loop import Log
from rag.train.manuals import MANUALS
from rag.train.mixture import Amounts, further, held_apart, mixture

_IGNORED = -100  # of a target that a head has nothing to learn from
_UNIT = 96  # tokens of a pair up to which it is one unit of those that a question is held against
QUESTION_CHARACTERS = 600


@dataclass(frozen=True)
class Plan(loop.Plan):
    """What a run is fixed by."""

    learning_rate: float = 1.5e-4
    epochs: float = 1.75
    batch_tokens: int = 4608
    relevance_weight: float = 0.5
    list_weight: float = 0.5
    dropout: float = 0.0


FURTHER: dict[str, Any] = {
    "seed": Plan.seed + 1, "learning_rate": 1e-4, "decay": 0.5, "dropout": 0.1, "epochs": 1.0
}  # fmt: skip
"""What is other than in ``Plan`` where a run begins with a trained reader.

Without dropout, a second pass learns texts by heart and reads others worse (eval/LOG.md).
"""


class ReaderModel(nn.Module):  # type: ignore[misc]
    """An encoder with heads: (batch, sequence) ids to relevance and span logits."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        width = encoder.config.hidden_size
        self.encoder = encoder
        self.pooled = nn.Linear(width, width)
        self.spans = nn.Linear(width, 2)
        self.relevance = nn.Linear(width, 1)
        for layer in (self.pooled, self.spans, self.relevance):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, ids: Any, mask: Any, types: Any) -> tuple[Any, Any]:
        """Relevance (batch,) and spans (batch, sequence, 2) as logits."""
        states = self.encoder(
            input_ids=ids, attention_mask=mask, token_type_ids=types
        ).last_hidden_state
        first = functional.gelu(self.pooled(states[:, 0]))
        return self.relevance(first)[:, 0], self.spans(states)


def new_model(folder: Path, plan: Plan) -> ReaderModel:
    """A model over the encoder in ``folder``; word and position tables stay as they are."""
    torch.manual_seed(plan.seed)
    return ReaderModel(
        load_encoder(folder, plan.frozen_layers, plan.dropout, add_pooling_layer=False)
    )


@dataclass(frozen=True)
class Encoded:
    """One example as numbers; targets that are not there are ``_IGNORED`` or NaN."""

    ids: list[int]
    types: list[int]
    allowed: tuple[int, int]  # tokens of the second text's own words
    start: int
    end: int
    relevance: float
    question: int = -1  # the same for the units that one question chooses from, else -1


def encode(examples: Sequence[Example], tokenizer: Any) -> list[Encoded]:
    """Tokenize pairs, at most ``MAX_TOKENS`` long, and put the spans on tokens.

    An answer that was cut off with the end of its passage is no longer there.
    """
    tokenizer.enable_truncation(MAX_TOKENS, strategy="only_second")
    found: list[Encoded] = []
    asked: dict[str, int] = {}
    for begin in range(0, len(examples), 1000):  # encodings are large: not all of them at once
        part = examples[begin : begin + 1000]
        encodings = tokenizer.encode_batch(
            [(e.first[:QUESTION_CHARACTERS], e.second) for e in part]
        )
        for example, one in zip(part, encodings, strict=True):
            chosen = example.source == MANUALS and len(one.ids) <= _UNIT
            question = asked.setdefault(example.first, len(asked)) if chosen else -1
            found.append(_encoded(example, one, question))
    return found


def _encoded(example: Example, encoding: Any, question: int) -> Encoded:
    places = zip(encoding.sequence_ids, encoding.offsets, strict=True)
    inside = [n for n, (which, (at, _)) in enumerate(places) if which == 1 and at >= example.prefix]
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
        question=question,
    )


def batches(encoded: Sequence[Encoded], plan: Plan, epoch: int) -> list[list[int]]:
    """The batches of a pass, as positions of examples of like length.

    The units that one question chooses from are in one batch.
    """
    together: dict[int, list[int]] = {}
    for n, one in enumerate(encoded):
        # What belongs to no question has a negative key of its own.
        together.setdefault(one.question if one.question >= 0 else ~n, []).append(n)
    groups = list(together.values())
    lengths = [max(len(encoded[n].ids) for n in group) for group in groups]
    counts = [len(group) for group in groups]
    found = loop.by_length(lengths, plan.batch_tokens, f"{plan.seed}/{epoch}", counts)
    return [[n for group in batch for n in groups[group]] for batch in found]


def tensors(members: Sequence[Encoded], device: str) -> dict[str, Any]:
    """A padded batch; ``allowed`` is 0 where an answer may begin, and -1e4 elsewhere."""
    ids, mask = padded([one.ids for one in members], step=loop.STEP)
    types, _ = padded([one.types for one in members], step=loop.STEP)
    allowed = torch.full(ids.shape, -1e4)
    allowed[:, 0] = 0
    for row, one in enumerate(members):
        allowed[row, slice(*one.allowed)] = 0
    batch = {"ids": ids, "mask": mask, "types": types, "allowed": allowed}
    for name in ("start", "end", "relevance", "question"):
        batch[name] = torch.tensor([getattr(one, name) for one in members])
    return {name: tensor.to(device) for name, tensor in batch.items()}


def loss_of(model: ReaderModel, batch: dict[str, Any], plan: Plan) -> tuple[Any, dict[str, float]]:
    """The loss of a batch, each head's over the examples that it knows, and the parts.

    A part counts by the share of the batch that it is about.
    """
    relevance, spans = model(batch["ids"], batch["mask"], batch["types"])
    parts: dict[str, Any] = {}
    shares: dict[str, Any] = {}
    count = len(batch["ids"])
    known = batch["start"] != _IGNORED
    if known.any():
        spans = spans.float() + batch["allowed"][:, :, None]
        parts["span"] = 0.5 * sum(
            functional.cross_entropy(spans[:, :, side], batch[name], ignore_index=_IGNORED)
            for side, name in enumerate(("start", "end"))
        )
        shares["span"] = known.sum() / count
    known = ~torch.isnan(batch["relevance"])
    if known.any():
        parts["relevance"] = plan.relevance_weight * functional.binary_cross_entropy_with_logits(
            relevance.float()[known], batch["relevance"][known]
        )
        shares["relevance"] = known.sum() / count
    chosen = list_loss(relevance.float(), batch["relevance"], batch["question"])
    if chosen is not None:
        parts["list"], shares["list"] = plan.list_weight * chosen, 1.0
    total = sum(part * shares[name] for name, part in parts.items())
    return total, {name: float(part.detach()) for name, part in parts.items()}


def list_loss(scores: Any, relevance: Any, question: Any) -> Any | None:
    """How far the units that answer are from being the first of their question's, in nats.

    The mean over questions of the negative log of their share of the softmax (Gao et al., "Rethink
    Training of BERT Rerankers in Multi-Stage Retrieval Pipeline", ECIR 2021); None where no
    question has both units that answer and others. All of shape (batch,).
    """
    losses = []
    for one in question[question >= 0].unique():
        mine = question == one
        own, answers = scores[mine], relevance[mine] == 1
        if answers.any() and not answers.all():
            losses.append(torch.logsumexp(own, 0) - torch.logsumexp(own[answers], 0))
    return torch.stack(losses).mean() if losses else None


def train(
    model: ReaderModel,
    encoded: Sequence[Encoded],
    plan: Plan,
    out: Path,
    *,
    later: Sequence[Encoded] | None = None,
    **options: Unpack[loop.Options],
) -> bool:
    """Train to the end of the plan, going on from ``out/checkpoint.pt``; return whether it is done.

    ``later`` is read by passes after the first (default: the same again). The order of batches
    depends on the seed alone.
    """
    batches = schedule(encoded, encoded if later is None else later, plan)
    device = options.get("device", "cpu")

    def loss(batch: list[Encoded]) -> tuple[Any, dict[str, float]]:
        return loss_of(model, tensors(batch, device), plan)

    return loop.run(model, batches, loss, plan, out, **options)


def schedule(
    encoded: Sequence[Encoded], later: Sequence[Encoded], plan: Plan
) -> list[list[Encoded]]:
    """The batches of all passes: the first over ``encoded``, others over ``later``."""

    def of_pass(epoch: int) -> list[list[Encoded]]:
        members = later if epoch else encoded
        return [[members[n] for n in batch] for batch in batches(members, plan, epoch)]

    return loop.schedule(plan.epochs, of_pass)


def export_reader(model: ReaderModel, file: Path) -> str:
    """Write the quantised graph to ``file``; return its SHA-256."""
    graph = Headed(model, MAX_TOKENS, ("relevance",), ("spans",))
    return write_graph(graph, file, ("relevance", "spans"))


# The command


def train_reader(
    data: Path,
    out: Path,
    *,
    epochs: float | None = None,
    start: Path | None = None,
    manuals: Path | None = None,
    questions: Sequence[Path] = (),
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

    ``start`` is a checkpoint or an exported graph to begin with: the first pass then reads what
    passes after the first do, other draws of it with another ``seed``. ``manuals`` is an index of
    manuals that the ``questions`` are about: these passes then read them too.
    With ``averaged`` the weights at its end are averaged with those of that checkpoint, which has
    ``share`` of the mean, and are written to ``averaged.pt`` too.
    Returns ``done``, the plan, the figures on what is held apart and where the weights are. Figures
    are those of the exported, quantised file: what is measured is what is shipped.
    """
    if threads:
        torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    plan = replace(Plan(), **(FURTHER if start else {}))
    plan = replace(plan, seed=plan.seed if seed is None else seed, epochs=epochs or plan.epochs)
    amounts = Amounts().scaled(scale) if scale < 1 else Amounts()
    embedder = load_embedder(Settings().models)
    folder = packaged()
    model = new_model(folder, plan)
    if start:
        load_start(model, start)
    tokenizer = read_tokenizer(folder / "tokenizer.json")

    def drawn(file: Path, *, again: bool) -> list[Encoded]:
        if not file.exists() and again:
            save(further(data, embedder, amounts, plan.seed, manuals, questions, log), file)
        elif not file.exists():
            save(mixture(data, embedder, amounts, Plan.seed, log), file)
        return encode(load(file, Example), tokenizer)

    later = drawn(out / "further.jsonl.gz", again=True) if start or plan.epochs > 1 else []
    encoded = later if start else drawn(out / "examples.jsonl.gz", again=False)
    done = train(model, encoded, plan, out, later=later, device=device, log=log, minutes=minutes)
    if done and averaged is not None:
        loop.average(model, averaged, out / "averaged.pt", share)
    digest = export_reader(model, out / MODEL_FILE)
    found = figures(CrossEncoder(weights=out), held_apart(data, embedder, amounts, Plan.seed))
    result = {"done": done, "plan": asdict(plan), "amounts": asdict(amounts), "digest": digest,
              "figures": found, "weights": str(out / MODEL_FILE)}  # fmt: skip
    (out / "figures.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return result


# What an exported reader is worth


def figures(encoder: CrossEncoder, held: dict[str, list[Question]]) -> dict[str, dict[str, float]]:
    """What an exported reader is worth on every set that is held apart."""
    return {
        f"qa/{name}": _reading_figures(questions, read(encoder, questions))
        for name, questions in held.items()
    }


def read(encoder: CrossEncoder, questions: Sequence[Question]) -> list[tuple[str, float, float]]:
    """(best span, its margin over "not here", relevance of the chunk) of each question."""
    texts = [second_text(question.title, question.chunk) for question in questions]
    judged = encoder.judge([(q.text, text) for q, (text, _) in zip(questions, texts, strict=True)])
    found = []
    for (text, prefix), one in zip(texts, judged, strict=True):
        start, end, margin = one.best(prefix, len(text)) or (0, 0, -1e4)
        found.append((text[start:end], margin, one.relevance))
    return found


def _reading_figures(
    questions: Sequence[Question], read: Sequence[tuple[str, float, float]]
) -> dict[str, float]:
    """``f1`` is of the best span, answerable questions only.

    With unanswerable ones also the AUROC of the margin and the best F1 that a threshold on it
    gives.
    """
    from sklearn.metrics import roc_auc_score

    scores = np.array(
        [
            f1(words, question.answer) if question.answerable else 0.0
            for question, (words, _, _) in zip(questions, read, strict=True)
        ]
    )
    known = np.array([question.answerable for question in questions])
    margins = np.array([margin for _, margin, _ in read])
    found = {"n": len(scores), "f1": float(scores[known].mean())}
    if not known.all():
        found["answerable_auroc"] = float(roc_auc_score(known, margins))
        found["best_f1"] = max(
            float(np.where(margins >= at, scores, ~known).mean())
            for at in np.quantile(margins, np.linspace(0, 1, 101))
        )
    return found
