"""From the data folder to an embedder of your own: triples, training, export, figures."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rag.errors import DataError
from rag.evaluate.beir import read_beir
from rag.evaluate.compare import compare
from rag.evaluate.retrieval import KIND, evaluate
from rag.evaluate.runs import Run, cache_folder
from rag.models.embedder import BuiltInEmbedder, WeightsCard
from rag.pipeline import Pipeline
from rag.settings import Settings
from rag.train.embedder import Plan, encode, load, new_model, save, train, triples, write_model
from rag.train.export import CARD_PAGE, export, packaged
from rag.train.loop import Log

if TYPE_CHECKING:
    from rag.evaluate.beir import Beir
    from rag.protocols import Embedder

NAME = "all-MiniLM-L6-v2-tuned-int8"

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
    from tokenizers import Tokenizer

    if threads:
        torch.set_num_threads(threads)
    plan = replace(plan or Plan(), scale=min(1.0, scale))
    folder = base or packaged()
    out.mkdir(parents=True, exist_ok=True)
    shipped = BuiltInEmbedder(threads=threads)
    kept = out / f"triples-{plan.scale:g}.jsonl.gz"
    if not kept.exists():
        save(triples(data, shipped, plan, log), kept)
    found = load(kept)
    if len(found) < 2:
        raise DataError(f"{data} gives {len(found)} examples: more are needed to learn from")
    model = new_model(folder, plan)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    done = train(
        model, encode(found, tokenizer), plan, out, device=device, log=log,
        stop_after=None if minutes is None else minutes * 60,
    )  # fmt: skip
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
    """Return for each retrieval set of ``data`` what the dense side is worth with both embedders.

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
        found[beir.name] = {
            "queries": comparison.n,
            "before": gap.a,
            "after": gap.b,
            "difference": gap.difference,
            "ci": gap.interval,
            "p": gap.p,
            "better": gap.better,
        }
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
    from rag.train.examples import SHIPPED_QA

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
