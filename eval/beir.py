"""BEIR folders for the benchmarks: reading, indexing as the pipeline would, measuring."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rag.index.catalog import Entry
from rag.index.index import Index, words_of
from rag.ingest.chunk import chunk_document
from rag.ingest.sync import embed_missing
from rag.protocols import Embedder
from rag.settings import Settings
from rag.types import Document, digest_of

SETS = {
    "scifact": "train",
    "vaswani": "test",
    "cisi": "test",
    "medquad-liveqa": "test",
    "dstc11": "dev",
}
"""Development sets under ``retrieval/`` of the data folder, with the split that has judgements."""

_BATCH = 2000  # documents written at a time


@dataclass(frozen=True)
class Beir:
    """A test collection: ``qrels[query][document]`` is a grade, 0 for judged not relevant."""

    name: str
    corpus: dict[str, tuple[str, str]]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]

    @classmethod
    def read(cls, folder: Path, split: str) -> Beir:
        """Read ``corpus.jsonl.gz``, ``queries.jsonl.gz`` and ``qrels/SPLIT.tsv``."""
        qrels: dict[str, dict[str, int]] = {}
        for line in (folder / "qrels" / f"{split}.tsv").read_text("utf-8").splitlines()[1:]:
            query, document, grade = line.split("\t")
            qrels.setdefault(query, {})[document] = int(grade)
        queries = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl.gz")}
        return cls(
            folder.name,
            {r["_id"]: (r.get("title", ""), r["text"]) for r in _rows(folder / "corpus.jsonl.gz")},
            {query: queries[query] for query in qrels},
            qrels,
        )

    def documents(self) -> Iterator[Document]:
        """Yield the corpus as documents whose uri is the id."""
        for name, (title, text) in self.corpus.items():
            yield Document.make(uri=name, title=title, text=text or title, language="en")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


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
            contents = [digest_of(words_of(document.title, c.headings, c.text)) for c in chunks]
            entries.append(Entry(document.uri, document, chunks, contents))
            if len(entries) == _BATCH or done == len(beir.corpus):
                words = {
                    content: words_of(e.document.title, c.headings, c.text)
                    for e in entries
                    for c, content in zip(e.chunks, e.contents, strict=True)
                }
                index.put(entries, embed_missing(embedder, words, {}).by_content)
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
