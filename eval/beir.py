"""BEIR folders for the benchmarks: indexing as the pipeline would, measuring."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rag.evaluate.beir import Beir
from rag.index.catalog import Entry
from rag.index.index import Index
from rag.ingest.chunk import chunk_document
from rag.ingest.sync import embed_missing
from rag.protocols import Embedder
from rag.settings import Settings

SETS = {
    "scifact": "train",
    "vaswani": "test",
    "cisi": "test",
    "medquad-liveqa": "test",
    "dstc11": "dev",
}
"""Development sets under ``retrieval/`` of the data folder, with the split that has judgements."""

_BATCH = 2000  # documents written at a time


def build(beir: Beir, folder: Path, embedder: Embedder, settings: Settings) -> Index:
    """Return the index of a collection in ``folder``, built the first time and then reused."""
    fingerprint = settings.fingerprint(embedder.identity)
    index = Index(folder, settings.index, create=True)
    if index.catalog.counts()["documents"] >= len(beir.corpus):
        return index
    with index.writing(fingerprint):
        entries: list[Entry] = []
        for done, document in enumerate(beir.documents(), start=1):
            chunks = chunk_document(document, settings.chunk, embedder.count_tokens, fingerprint)
            entries.append(Entry(document.uri, document, chunks))
            if len(entries) == _BATCH or done == len(beir.corpus):
                index.put(entries, embed_missing(embedder, entries, None)[0])
                entries = []
    return index


def ndcg(qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]) -> np.ndarray:
    """Return nDCG@10 of each query of the qrels, in their order; a query without hits counts 0."""
    import ir_measures
    from ir_measures import nDCG

    found = {
        metric.query_id: metric.value for metric in ir_measures.iter_calc([nDCG @ 10], qrels, run)
    }
    return np.array([found.get(query, 0.0) for query in qrels])
