"""Conformance checks: does a stage of yours keep the rules of its seam?

    from rag.testing import check_retriever
    check_retriever(MyRetriever(), question="What do my documents answer?")

Each check returns None, or raises AssertionError with a sentence that names the broken rule. They
bring their own small passages (``sample_passages``) and need no index, model or network.
``rag.testing.scripted_llm`` is a server that plays a language model, faults included.
"""

from rag.testing.conformance import (
    check_checker,
    check_embedder,
    check_generator,
    check_observer,
    check_reader,
    check_reranker,
    check_retriever,
    check_rewriter,
)
from rag.testing.samples import sample_documents, sample_passages

__all__ = [
    "check_checker",
    "check_embedder",
    "check_generator",
    "check_observer",
    "check_reader",
    "check_reranker",
    "check_retriever",
    "check_rewriter",
    "sample_documents",
    "sample_passages",
]
