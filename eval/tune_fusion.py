"""Choose the fusion's weight on the development sets.

    python eval/tune_fusion.py DATA [--cache DIR] [--chunk-size N] [--sets scifact,cisi]

Prints nDCG@10 of each side alone and of their fusion at every weight, documents scored by their
best chunk, and the difference between the weight in force and the better side with a 95% interval
(paired bootstrap over queries). DATA defaults to RAG_DATA.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
from pathlib import Path

from beir import SETS, build, ndcg
from common import interval

from rag.evaluate.beir import Beir, read_beir
from rag.index.index import Index
from rag.models.embedder import load_embedder
from rag.protocols import Embedder
from rag.retrieve.fuse import fuse
from rag.retrieve.hybrid import HybridRetriever
from rag.settings import Settings
from rag.types import Filter

WEIGHTS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
Candidates = dict[str, tuple[dict[int, float], dict[int, float], float]]


def candidates(beir: Beir, index: Index, embedder: Embedder, settings: Settings) -> Candidates:
    """Return query -> (cosines, BM25 scores, bound of BM25) of all candidates."""
    retriever = HybridRetriever(index, embedder, settings.retrieve)
    vectors = embedder.embed([query.text for query in beir.queries.values()], query=True)
    found = {}
    with index.reading() as view:
        for query, vector in zip(beir.queries.values(), vectors, strict=True):
            dense, lexical = retriever.candidates(view, query.text, vector, Filter())
            found[query.id] = dense, lexical, view.lexical_bound(query.text)
    return found


def run_of(found: Candidates, owner: dict[int, str], weight: float) -> dict[str, dict[str, float]]:
    """Fuse, and score each document by its best chunk."""
    run: dict[str, dict[str, float]] = {}
    for query, (dense, lexical, bound) in found.items():
        best: dict[str, float] = {}
        for key, score in fuse(dense, lexical, weight, bound).items():
            best.setdefault(owner[key], score)
        run[query] = dict(list(best.items())[:100])
    return run


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/beir"))
    parser.add_argument("--chunk-size", type=int, default=None)
    parser.add_argument("--sets", default=",".join(SETS))
    options = parser.parse_args()
    if not options.data:
        sys.exit("name the data folder, or set RAG_DATA")
    settings = Settings.load(chunk={"size": options.chunk_size} if options.chunk_size else {})
    embedder = load_embedder(settings.models)
    print("set".ljust(16), *(f"w={weight:.1f}" for weight in WEIGHTS), sep="  ")
    for name in options.sets.split(","):
        beir = read_beir(Path(options.data) / "retrieval" / name, SETS[name])
        folder = options.cache / f"{name}-{settings.fingerprint(embedder.identity)}"
        index = build(beir, folder, embedder, settings)
        saved = folder / "candidates.pickle"
        if not saved.exists():
            saved.write_bytes(pickle.dumps(candidates(beir, index, embedder, settings)))
        found: Candidates = pickle.loads(saved.read_bytes())
        keys = sorted({key for dense, *_ in found.values() for key in dense})
        owner = {key: p.uri for key, p in index.catalog.passages(keys).items()}
        scores = {w: ndcg(beir.qrels, run_of(found, owner, w)) for w in WEIGHTS}
        print(name.ljust(16), *(f"{values.mean():.3f}" for values in scores.values()), sep="  ")
        single = max((scores[0.0], scores[1.0]), key=lambda values: float(values.mean()))
        shipped = scores[settings.retrieve.dense_weight]
        low, high = interval(shipped - single)
        print(f"    w={settings.retrieve.dense_weight} over the better side: "
              f"{(shipped - single).mean():+.3f} [{low:+.3f}, {high:+.3f}], n={len(shipped)}, "
              f"chunks={index.catalog.counts()['chunks']}")  # fmt: skip
        index.close()


if __name__ == "__main__":
    main()
