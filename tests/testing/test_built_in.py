"""The built-in stages pass the checks that users' own stages are run through."""

from __future__ import annotations

from rag.pipeline import Pipeline
from rag.testing import (
    check_checker,
    check_embedder,
    check_generator,
    check_reader,
    check_retriever,
    check_rewriter,
)


def test_every_built_in_stage_conforms(sample: Pipeline) -> None:
    check_embedder(sample.embedder)
    check_retriever(sample.retriever, question="How long do refunds take?")
    check_reader(sample.reader)
    check_rewriter(sample.rewriter)
    check_generator(sample.generator)
    check_checker(sample.checker)
