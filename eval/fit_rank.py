"""Fit the reranker: ``python eval/fit_rank.py [DATA] [--cache DIR]`` (or ``RAG_DATA``).

Two steps. The probability p that a passage is relevant, from what the cross-encoder says of it, is
fitted on questions whose articles it has not seen and on DSTC11, whose licences allow it. How much
p and the words weigh beside fusion is then chosen on all development sets, for questions and for
other queries apart, each set left out once to see whether the choice holds there. Writes
``rag/retrieve/rank.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from beir import SETS, build, ndcg
from common import data_folder, interval
from fit_cross_reading import build as build_questions
from fit_reading import LICENCES, Cached, fit
from fit_reading import SETS as QUESTION_SETS

from rag.answer.reader import Model
from rag.evaluate.beir import read_beir
from rag.models.cross_encoder import CrossEncoder, Judge
from rag.models.embedder import load_embedder
from rag.models.runtime import sigmoid
from rag.pipeline import Pipeline
from rag.retrieve import rank
from rag.retrieve.hybrid import HybridRetriever
from rag.settings import Settings

OUT = Path(rank.__file__).with_name("rank.json")
GRID = {
    "relevance": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7),
    "coverage": (0.0, 0.05, 0.1, 0.2, 0.3, 0.4),
    "title": (0.0, 0.05, 0.1, 0.15, 0.2),
}
NOTHING = dict.fromkeys(GRID, 0.0)
LEAST = 3e-4  # a gain below it is no reason to change a weight
DEPTH = 20  # passages of fusion's order that are judged
TAIL = 150  # passages of fusion's order behind those, so that documents are not lost

Blend = dict[str, dict[str, float]]  # kind of query -> weight by name


@dataclass(frozen=True)
class One:
    """A passage of a query: its document, scores by name and what the model says."""

    document: str
    scores: Mapping[str, float]
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
            One(p.uri, p.scores, rank.model_features(judged[n], p) if n < DEPTH else None)
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
            rows.append(rank.model_features(judged, passage))
            labels.append(int(n in {m for m, _, _ in case.spans}))
    return rows, labels


def fitted(data: Path, sets: dict[str, dict[str, Ranked]], judge: Judge, scale: float) -> Any:
    """Fit p; the questions and DSTC11 weigh the same, relevant and other passages too."""
    rows, labels = learnt(data, judge, scale)
    parts = [(rows, labels)]
    more = [
        (one.features, int(query.grades.get(one.document, 0) > 0))
        for query in sets["dstc11"].values()
        for one in query.passages[:DEPTH]
        if one.features
    ]
    parts.append(([row for row, _ in more], [label for _, label in more]))
    weights = [1000 * 0.5 / labels.count(label) for _, labels in parts for label in labels]
    every = [row for rows, _ in parts for row in rows]
    return fit(rank.MODEL_FEATURES, every, [n for _, labels in parts for n in labels], weights)


class Bench:
    """Sets of queries as arrays, so that many choices of weights can be measured."""

    def __init__(
        self, sets: dict[str, dict[str, Ranked]], model: dict[str, Any], depth: int
    ) -> None:
        self.sets = {name: list(queries.values()) for name, queries in sets.items()}
        self.pool, self.depth = 2 * depth, depth
        logit = Model(model["bias"], model["weights"]).logit
        self._known = {
            name: [
                np.array(
                    [
                        (
                            one.scores["fused"],
                            sigmoid(logit(one.features)) if one.features else 0.0,
                            *(one.scores[name] for name in rank.WORD_FEATURES),
                        )
                        for one in query.passages
                    ]
                )
                for query in queries
            ]
            for name, queries in self.sets.items()
        }  # fmt: skip
        self.asks = {n: [rank.asks(q.text) for q in queries] for n, queries in self.sets.items()}
        self.fused = {
            name: self.ndcg(name, {"question": NOTHING, "other": NOTHING}) for name in sets
        }

    def ndcg(self, name: str, blend: Blend) -> Any:
        """Return nDCG@10 of each query of a set, ordered as the reranker does it."""
        found = {}
        for n, (query, known) in enumerate(zip(self.sets[name], self._known[name], strict=True)):
            weights = blend["question" if self.asks[name][n] else "other"]
            base = known[:, 0].copy()
            words = [weights[name] for name in rank.WORD_FEATURES]
            base[: self.pool] += known[: self.pool, 2:] @ words
            read = np.argsort(-base[: self.pool], kind="stable")[: self.depth]
            base[read] += weights["relevance"] * known[read, 1]
            base[self.pool :] -= 10.0  # what is not brought to the reranker stays behind
            best: dict[str, float] = {}
            for place in np.argsort(-base, kind="stable"):
                best.setdefault(query.passages[place].document, float(base[place]))
                if len(best) == 10:
                    break
            found[str(n)] = best
        return ndcg({str(n): q.grades for n, q in enumerate(self.sets[name])}, found)

    def gain(self, names: Iterable[str], blend: Blend) -> float:
        """Return the mean gain over fusion, every set counting the same."""
        return float(np.mean([(self.ndcg(n, blend) - self.fused[n]).mean() for n in names]))

    def chosen(self, names: Sequence[str]) -> Blend:
        """Climb one weight at a time, as long as the sets gain by it."""
        blend = {kind: dict(NOTHING) for kind in ("question", "other")}
        best = self.gain(names, blend)
        while True:
            before = best
            for kind, weights in blend.items():
                for feature, grid in GRID.items():
                    for value in grid:
                        old, weights[feature] = weights[feature], value
                        gain = self.gain(names, blend) if value != old else best
                        if gain > best + LEAST:
                            best = gain
                        else:
                            weights[feature] = old
                    print(f"    {kind} {feature} {weights[feature]} {best:+.4f}", flush=True)
            if best <= before + LEAST:
                return blend


def report(bench: Bench) -> tuple[Blend, dict[str, str]]:
    """Print what the choice is worth on every set, also where that is left out of choosing."""
    blend = bench.chosen(list(bench.sets))
    figures: dict[str, str] = {}
    gains = []
    for name in bench.sets:
        difference = bench.ndcg(name, blend) - bench.fused[name]
        low, high = interval(difference)
        rest = [other for other in bench.sets if other != name]
        apart = bench.gain([name], bench.chosen(rest))
        gains.append((difference.mean(), apart))
        fused = bench.fused[name].mean()
        figures[name] = (
            f"{fused:.3f} -> {fused + difference.mean():.3f} "
            f"({difference.mean():+.4f} [{low:+.4f}, {high:+.4f}]; chosen without it {apart:+.4f})"
        )
        print(f"  {name}: {figures[name]}", flush=True)
    means = np.mean(gains, axis=0)
    figures["mean"] = f"{means[0]:+.4f}; each set left out of its choice {means[1]:+.4f}"
    print(f"  mean {figures['mean']}; blend {blend}")
    for feature in GRID:
        without = {kind: {**weights, feature: 0.0} for kind, weights in blend.items()}
        print(f"  without {feature}: mean {bench.gain(list(bench.sets), without):+.4f}")
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
    data = data_folder(options.data, "retrieval/*/corpus.jsonl.gz")
    encoder = CrossEncoder(weights=options.weights)
    judge = Judge(encoder)
    sets: dict[str, dict[str, Ranked]] = defaultdict(dict)
    for name in SETS:
        scored = "-".join((*rank.WORD_FEATURES, *rank.MODEL_FEATURES))
        model_id = encoder.identity.rpartition("@")[2]
        kept = options.cache / f"judged-{name}-{model_id}-{scored}.pkl"
        if not kept.exists():
            kept.write_bytes(pickle.dumps(collect(data, name, judge, options.cache)))
        sets[name] = pickle.loads(kept.read_bytes())
        print(f"judged {name}: {len(sets[name])} queries", flush=True)
    model = fitted(data, sets, judge, options.scale)
    blend, figures = report(Bench(sets, model, options.depth))
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
