"""Footnote as a user writes it: a folder of text files goes in, the default retrieval comes out."""

from __future__ import annotations

# user code: begin
from pathlib import Path

from rag import Pipeline


def build(documents: str, folder: str) -> Pipeline:
    """Index a folder of text files."""
    pipeline = Pipeline.open(Path(folder) / ".rag")
    pipeline.ingest(documents)
    return pipeline


def search(pipeline: Pipeline, query: str, k: int) -> list[tuple[str, float]]:
    """Return the names and scores of the best chunks."""
    return [(Path(p.uri).stem, p.score) for p in pipeline.search(query, k)]


# user code: end


def ranking(pipeline: Pipeline) -> Pipeline:
    """Return the same index without collapsing: judgements count each near-duplicate."""
    from rag.retrieve.hybrid import HybridRetriever

    index, embedder, settings = pipeline.index, pipeline.embedder, pipeline.settings
    retriever = HybridRetriever(index, embedder, settings.retrieve, collapse=False)
    return Pipeline.open(pipeline.folder, settings=settings, embedder=embedder, retriever=retriever)


def forget() -> None:
    """Drop the terms of chunks that were shown before: questions are timed more than once."""
    from rag.text.terms import content_terms

    content_terms.cache_clear()


def count(pipeline: Pipeline) -> dict[str, int]:
    """Return how many documents and chunks are indexed."""
    counts = pipeline.index.catalog.counts()
    return {"documents": counts["documents"], "chunks": counts["chunks"]}
