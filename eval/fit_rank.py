"""Fit the reranker: ``python eval/fit_rank.py [DATA] [--cache DIR]`` (or ``RAG_DATA``).

Two steps. The probability p that a passage is relevant, from what the cross-encoder says of it, is
fitted on questions whose articles it has not seen and on DSTC11, whose licences allow it. The blend
with fusion is then chosen on all development sets, for questions and for other queries apart, each
set left out once to see whether the choice holds there. Writes ``rag/retrieve/rank.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from beir import SETS, build, ndcg
from fit_cross_reading import build as build_questions
from fit_reading import LICENCES, Cached, fit
from fit_reading import SETS as QUESTION_SETS
from tune_fusion import interval

from rag.evaluate.beir import read_beir
from rag.models.cross_encoder import CrossEncoder
from rag.models.embedder import load_embedder
from rag.models.judge import Judge
from rag.pipeline import Pipeline
from rag.retrieve import rank
from rag.retrieve.hybrid import HybridRetriever
from rag.settings import Settings

OUT = Path(rank.__file__).with_name("rank.json")
BLENDS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7)
DEPTH = 16  # passages judged, of which the shipped depth is the beginning
TAIL = 150  # passages of fusion's order behind those, so that documents are not lost


@dataclass(frozen=True)
class One:
    """A passage of a query: its document, fusion's score and what the model says."""

    document: str
    fused: float
    features: dict[str, float] | None


@dataclass(frozen=True)
class Ranked:
    """A query with its passages in fusion's order and the grades of documents."""

    text: str
    passages: list[One]
    grades: dict[str, int]


def collect(data: Path, name: str, judge: Judge, cache: Path) -> dict[str, Ranked]:
    """Retrieve and judge for every query of a set; follow-ups are rewritten first."""
    beir = read_beir(data / "retrieval" / name, SETS[name])
    settings = Settings()
    embedder = load_embedder(settings.models)
    index = build(beir, cache / f"ix-{name}", embedder, settings)
    retriever = HybridRetriever(index, embedder, settings.retrieve)
    rewriter = Pipeline(cache, settings, embedder=embedder).rewriter
    found = {}
    for query in beir.queries.values():
        text = rewriter.rewrite(query.history, query.text) if query.history else query.text
        passages = retriever.retrieve(text, TAIL)
        judged = judge.judge(text, passages[:DEPTH])
        ones = [
            One(p.uri, p.scores["fused"], rank.features(judged[n], p) if n < DEPTH else None)
            for n, p in enumerate(passages)
        ]
        found[query.id] = Ranked(text, ones, beir.qrels[query.id])
    return found


def learnt(data: Path, judge: Judge, scale: float) -> tuple[list[dict[str, float]], list[int]]:
    """Return features and labels of passages of questions whose articles the model has not seen."""
    embedder = Cached(load_embedder(Settings().models))
    corpus, asked = build_questions(data, embedder, scale)
    rows, labels = [], []
    for case in asked:
        if case.kind != "gold":
            continue
        numbers = corpus.retrieve(case.question, frozenset())
        passages = [corpus.scored(n) for n in numbers]
        for n, passage, judged in zip(
            numbers, passages, judge.judge(case.question, passages), strict=True
        ):
            rows.append(rank.features(judged, passage))
            labels.append(int(n in {m for m, _, _ in case.spans}))
    return rows, labels


def fitted(data: Path, sets: dict[str, dict[str, Ranked]], judge: Judge, scale: float) -> Any:
    """Fit p; the questions and DSTC11 weigh the same, relevant and other passages too."""
    rows, labels = learnt(data, judge, scale)
    parts = [(rows, labels)]
    more = [
        (one.features, int(query.grades.get(one.document, 0) > 0))
        for query in sets["dstc11"].values()
        for one in query.passages[:16]
        if one.features
    ]
    parts.append(([row for row, _ in more], [label for _, label in more]))
    weights = [1000 * 0.5 / labels.count(label) for _, labels in parts for label in labels]
    every = [row for rows, _ in parts for row in rows]
    return fit(rank.FEATURES, every, [n for _, labels in parts for n in labels], weights)


def order(query: Ranked, model: dict[str, Any], blend: float, depth: int) -> dict[str, float]:
    """Return document -> score as the reranker orders them, each by its best passage."""
    best: dict[str, float] = {}
    for n, one in enumerate(query.passages):
        p = 0.0
        if one.features and n < depth and blend:
            logit = model["bias"] + sum(w * one.features[k] for k, w in model["weights"].items())
            p = 1 / (1 + np.exp(-logit))
        score = (one.fused + blend * p) / (1 + blend)
        best[one.document] = max(score, best.get(one.document, 0.0))
    return dict(sorted(best.items(), key=lambda item: -item[1])[:100])


def measured(
    queries: dict[str, Ranked], model: dict[str, Any], blend: float, depth: int
) -> np.ndarray:
    """Return nDCG@10 of each query."""
    run = {key: order(query, model, blend, depth) for key, query in queries.items()}
    return ndcg({key: query.grades for key, query in queries.items()}, run)


def chosen(
    sets: dict[str, dict[str, Ranked]], table: dict[tuple[str, float], np.ndarray]
) -> dict[str, float]:
    """Return the blend for questions and for other queries with the best mean over sets."""
    best = {}
    for kind, wanted in (("question", True), ("other", False)):
        masks = {
            name: np.array([rank.asks(q.text) == wanted for q in queries.values()])
            for name, queries in sets.items()
        }
        # A set counts by the share of its queries that are of this kind.
        gains = {
            blend: sum(
                (table[name, blend] - table[name, 0.0])[mask].sum() / len(mask)
                for name, mask in masks.items()
            )
            for blend in BLENDS
        }
        best[kind] = max(gains, key=gains.__getitem__)
    return best


def mixed(
    queries: dict[str, Ranked],
    table: dict[tuple[str, float], np.ndarray],
    name: str,
    blend: dict[str, float],
) -> np.ndarray:
    """Return nDCG@10 with the blend of each query's kind."""
    asks = np.array([rank.asks(query.text) for query in queries.values()])
    return np.where(asks, table[name, blend["question"]], table[name, blend["other"]])


def report(sets: dict[str, dict[str, Ranked]], model: dict[str, Any], depth: int) -> Any:
    """Print what every blend is worth on every set; return the choice and its figures."""
    table = {
        (name, blend): measured(queries, model, blend, depth)
        for name, queries in sets.items()
        for blend in BLENDS
    }
    for name in sets:
        print(
            f"{name:16} fused {table[name, 0.0].mean():.4f}  "
            + " ".join(
                f"{b}: {(table[name, b] - table[name, 0.0]).mean():+.4f}" for b in BLENDS[1:]
            )
        )
    blend = chosen(sets, table)
    figures: dict[str, str] = {}
    gains = []
    for name, queries in sets.items():
        rest = {other: found for other, found in sets.items() if other != name}
        difference = mixed(queries, table, name, blend) - table[name, 0.0]
        low, high = interval(difference)
        apart = mixed(queries, table, name, chosen(rest, table)) - table[name, 0.0]
        gains.append((difference.mean(), apart.mean()))
        figures[name] = (
            f"{table[name, 0.0].mean():.3f} -> {table[name, 0.0].mean() + difference.mean():.3f} "
            f"({difference.mean():+.4f} [{low:+.4f}, {high:+.4f}]; "
            f"blend chosen without it {apart.mean():+.4f})"
        )
        print(f"  {name}: {figures[name]}")
    means = np.mean(gains, axis=0)
    figures["mean"] = f"{means[0]:+.4f}; each blend chosen without its set {means[1]:+.4f}"
    print(f"  mean {figures['mean']}; blend {blend}")
    return blend, figures


def main() -> int:
    """Fit, report, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"), type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="for indexes and judgements")
    parser.add_argument("--weights", type=Path, help="folder of the cross-encoder's weights")
    parser.add_argument("--scale", type=float, default=0.5, help="share of the questions to use")
    parser.add_argument("--depth", type=int, default=Settings().retrieve.rerank)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    if options.data is None or not (Path(options.data) / "retrieval").is_dir():
        print("No data: give the folder that holds retrieval/, or set RAG_DATA.", file=sys.stderr)
        return 2
    encoder = CrossEncoder(weights=options.weights)
    judge = Judge(encoder)
    sets: dict[str, dict[str, Ranked]] = defaultdict(dict)
    for name in SETS:
        kept = options.cache / f"judged-{name}-{encoder.identity.rpartition('@')[2]}.pkl"
        if not kept.exists():
            kept.write_bytes(pickle.dumps(collect(options.data, name, judge, options.cache)))
        sets[name] = pickle.loads(kept.read_bytes())
        print(f"judged {name}: {len(sets[name])} queries", flush=True)
    model = fitted(options.data, sets, judge, options.scale)
    blend, figures = report(sets, model, options.depth)
    for depth in (4, 8, 12, 16):
        gains = [
            np.mean(measured(q, model, blend["question"], depth) - measured(q, model, 0.0, depth))
            for q in sets.values()
        ]
        print(f"  depth {depth}: mean gain {np.mean(gains):+.4f} at the questions' blend")
    options.out.write_text(
        json.dumps(
            {
                "command": "python eval/fit_rank.py DATA --cache DIR",
                "data": {
                    **{name: LICENCES[name] for name in QUESTION_SETS},
                    "dstc11": "CDLA-Sharing 1.0",
                },
                "cross_encoder": encoder.identity,
                "figures": figures,
                "blend": blend,
                **model,
            },
            indent=1,
        )
        + "\n",
        "utf-8",
    )
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
