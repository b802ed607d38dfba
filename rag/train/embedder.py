"""``rag train embedder``: all-MiniLM-L6-v2 made to find the chunk that answers a question.

Contrastive: in a batch, a question has to be nearer to its own chunk than to all others, among them
one each that looks right and does not hold the answer. Only the upper layers learn, and the result
is the mean of the weights before and after, which forgets less. Imports torch.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import nn
from torch.nn import functional

from rag.errors import DataError
from rag.evaluate.beir import read_beir
from rag.evaluate.compare import compare
from rag.evaluate.retrieval import KIND, evaluate
from rag.evaluate.runs import Run, cache_folder
from rag.models.embedder import BuiltInEmbedder, WeightsCard
from rag.models.runtime import read_tokenizer
from rag.pipeline import Pipeline
from rag.settings import Settings
from rag.train import loop
from rag.train.encoder import load_encoder, mean_pooled, packaged, padded
from rag.train.examples import (
    SHIPPED_QA,
    asked,
    load,
    near_misses,
    read_questions,
    save,
    second_text,
)
from rag.train.export import CARD_PAGE, MAX_TOKENS, export
from rag.train.loop import Log

if TYPE_CHECKING:
    from rag.evaluate.beir import Beir
    from rag.protocols import Embedder

NAME = "all-MiniLM-L6-v2-tuned-int8"
_QUERY_TOKENS = 64
_MIXED = 8  # batches whose members are of like length
_NEVER = -1e4  # of a score that is left out

_PAGE = """# {name}

all-MiniLM-L6-v2 (Apache-2.0), trained further by `rag train embedder` to find the chunk that
answers a question. To use it: `models.embedder = "this folder"`, then `rag index rebuild`.

- **Trained on**: {sets} (their licences are in the README of the development data), {questions}
  questions, each with its chunk and one that looks right and is not.
- **Plan**: {plan}
- **Digest**: SHA-256 `{digest}`

nDCG@10 of exact and approximate cosine over whole collections, the shipped embedder and this one:

| set | shipped | this | difference, 95% interval |
| --- | --- | --- | --- |
{rows}

{said}
"""


@dataclass(frozen=True)
class Plan(loop.Plan):
    """What a run is fixed by; ``kept`` is the share of the first weights in the last ones."""

    learning_rate: float = 2e-5
    warm_up: float = 0.06
    decay: float = 0.94
    frozen_layers: int = 3
    batch: int = 64
    temperature: float = 0.05
    kept: float = 0.5
    scale: float = 1.0


@dataclass(frozen=True)
class Triple:
    """A question, the chunk that answers it, and one near it that does not."""

    query: str
    positive: str
    negative: str


def triples(data: Path, embedder: Embedder, plan: Plan, log: Log = print) -> list[Triple]:
    """The training examples, shuffled; the same for the same seed and data.

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


class EmbedderModel(nn.Module):  # type: ignore[misc]
    """An encoder with mean pooling: (batch, sequence) ids and mask to unit vectors."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids: Any, mask: Any) -> Any:
        """The mean of the states under the mask, scaled to length 1."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return mean_pooled(states.float(), mask)


def new_model(folder: Path, plan: Plan) -> EmbedderModel:
    """A model over the encoder in ``folder`` whose tables and lower layers stay."""
    torch.manual_seed(plan.seed)
    return EmbedderModel(load_encoder(folder, plan.frozen_layers))


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
    numbers: dict[str, int] = {}

    def ids(texts: list[str], limit: int) -> list[list[int]]:
        tokenizer.enable_truncation(limit)
        return [list(one.ids) for one in tokenizer.encode_batch_fast(texts)]

    def number(text: str) -> int:
        return numbers.setdefault(text, len(numbers))

    columns = zip(
        found,
        ids([triple.query for triple in found], _QUERY_TOKENS),
        ids([triple.positive for triple in found], MAX_TOKENS),
        ids([triple.negative for triple in found], MAX_TOKENS),
        strict=True,
    )
    return [
        Encoded(
            query,
            positive,
            negative,
            number(f"? {t.query}"),
            (number(t.positive), number(t.negative)),
        )
        for t, query, positive, negative in columns
    ]


def batches(encoded: Sequence[Encoded], plan: Plan, epoch: int) -> list[list[int]]:
    """Batches of positions in an order that the seed fixes; the last few are left out.

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
    """The symmetric InfoNCE loss of a batch (van den Oord et al., 2018; CLIP's two sides).

    A chunk that is the answer of several questions, or questions that read the same, are no
    negatives of each other.
    """
    chunks = [one.positive for one in members] + [one.negative for one in members]
    queries = model(*padded([one.query for one in members], device=device))
    passages = model(*padded(chunks, device=device))
    says = torch.tensor([one.says[0] for one in members] + [one.says[1] for one in members])
    asks = torch.tensor([one.asks for one in members])
    count = len(members)
    alike = (asks[None, :] == asks[:, None]).float()
    same = alike @ (says[None, :] == says[:count, None]).float() > 0  # answers it, or its like
    same[:, :count] &= ~torch.eye(count, dtype=torch.bool)
    with torch.autocast(loop.device_type(device), enabled=False):
        scores = (queries @ passages.T) / plan.temperature
        scores = scores.masked_fill(same.to(device), _NEVER)
        targets = torch.arange(count, device=device)
        return 0.5 * (
            functional.cross_entropy(scores, targets)
            + functional.cross_entropy(scores[:, :count].T, targets)
        )


def train(
    model: EmbedderModel,
    encoded: Sequence[Encoded],
    plan: Plan,
    out: Path,
    **options: Unpack[loop.Options],
) -> bool:
    """Train to the end of the plan, going on from ``out/checkpoint.pt``; return if it is done."""
    steps = loop.schedule(plan.epochs, lambda epoch: batches(encoded, plan, epoch))

    def loss(batch: list[int]) -> tuple[Any, dict[str, float]]:
        found = loss_of(model, [encoded[n] for n in batch], plan, options.get("device", "cpu"))
        return found, {"contrast": float(found.detach())}

    return loop.run(model, steps, loss, plan, out, **options)


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


# The command


def train_embedder(
    data: Path,
    out: Path,
    *,
    plan: Plan | None = None,
    scale: float = 1.0,
    minutes: float | None = None,
    device: str = "cpu",
    threads: int | None = None,
    base: Path | None = None,
    cache: Path | None = None,
    log: Log = print,
) -> dict[str, Any]:
    """Train, export and measure an embedder in ``out``; an interrupted run is gone on with.

    Returns ``done``, the plan and, once it is done, nDCG@10 of the dense side before and after on
    every retrieval set of ``data``, and whether it is better on all of them. ``base`` is the folder
    of another BERT model to begin with, ``cache`` where the indexes of the shipped embedder are
    kept.
    """
    if threads:
        torch.set_num_threads(threads)
    plan = replace(plan or Plan(), scale=min(1.0, scale))
    folder = base or packaged()
    out.mkdir(parents=True, exist_ok=True)
    shipped = BuiltInEmbedder(threads=threads)
    kept = out / f"triples-{plan.scale:g}.jsonl.gz"
    if not kept.exists():
        save(triples(data, shipped, plan, log), kept)
    found = load(kept, Triple)
    if len(found) < 2:
        raise DataError(f"{data} gives {len(found)} examples: more are needed to learn from")
    model = new_model(folder, plan)
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    encoded = encode(found, tokenizer)
    done = train(model, encoded, plan, out, device=device, log=log, minutes=minutes)
    result: dict[str, Any] = {"done": done, "plan": asdict(plan), "examples": len(found)}
    if not done:
        return result
    write_model(model, folder, plan, out / "model")
    card = export(out, source=out / "model", name=NAME)
    trained = BuiltInEmbedder(weights=out, threads=threads)
    sets = measure(data, shipped, trained, out, cache=cache, log=log)
    result |= {
        "weights": str(out),
        "identity": trained.identity,
        "sets": sets,
        "better_on_every_set": bool(sets) and all(one["better"] is True for one in sets.values()),
        "said": conclusion(sets),
    }
    (out / CARD_PAGE).write_text(_page(result, card), "utf-8")
    (out / "figures.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return result


def measure(
    data: Path,
    before: Embedder,
    after: Embedder,
    out: Path,
    *,
    cache: Path | None = None,
    log: Log = print,
) -> dict[str, dict[str, Any]]:
    """For each retrieval set of ``data`` what the dense side is worth with both embedders.

    The run files stay in ``out/runs``; the index of ``after`` is thrown away.
    """
    found: dict[str, dict[str, Any]] = {}
    folders = [f for f in (data / "retrieval").glob("*") if (f / "qrels").is_dir()]
    for folder in sorted(folders):
        beir = read_beir(folder)
        log(f"measuring {beir.name}: {len(beir.corpus)} documents, {len(beir.queries)} queries")
        with tempfile.TemporaryDirectory(dir=out) as scratch:
            one = _dense(beir, before, out, "before", cache or cache_folder() / "retrieval")
            other = _dense(beir, after, out, "after", Path(scratch))
        comparison = compare(one, other)
        gap = comparison.metrics[KIND.primary]
        found[beir.name] = {"queries": comparison.n, **gap.before_and_after}
        log(f"nDCG@10 {gap.a:.4f} before, {gap.b:.4f} after")
    return found


def conclusion(sets: dict[str, dict[str, Any]]) -> str:
    """Say in one sentence on which sets the trained embedder is better."""
    if not sets:
        return "Nothing was measured: the data folder has no retrieval sets."
    better, worse = (
        [name for name, one in sets.items() if one["better"] is value] for value in (True, False)
    )
    if len(better) == len(sets):
        return "It is better than the shipped embedder on every set."
    words = [f"better on {', '.join(better)}"] if better else []
    words += [f"worse on {', '.join(worse)}"] if worse else []
    if len(better) + len(worse) < len(sets):
        words.append("not visibly different on the rest" if words else "not visibly different")
    return (
        f"It is not better than the shipped embedder on every set: {'; '.join(words)}. Nothing was "
        "replaced."
    )


def _dense(beir: Beir, embedder: Embedder, out: Path, name: str, cache: Path) -> Run:
    place = out / "runs" / f"{beir.name}-{name}.jsonl"
    with Pipeline(out / ".rag", Settings(), embedder=embedder) as pipeline:
        return evaluate(beir, pipeline, stages=("dense",), out=place, cache=cache)["dense"]


def _page(result: dict[str, Any], card: WeightsCard) -> str:
    rows = [
        f"| {name} | {one['before']:.4f} | {one['after']:.4f} | {one['difference']:+.4f}, "
        + ("–" if one["ci"] is None else f"{one['ci'][0]:+.4f} to {one['ci'][1]:+.4f}")
        + " |"
        for name, one in result["sets"].items()
    ]
    return _PAGE.format(
        name=card.name,
        sets=", ".join(SHIPPED_QA),
        questions=result["examples"],
        plan=", ".join(f"{key} {value}" for key, value in result["plan"].items()),
        digest=card.digest,
        rows="\n".join(rows),
        said=result["said"],
    )
