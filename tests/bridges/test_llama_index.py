"""Our pipeline inside LlamaIndex programs, over a small real index."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pytest
from llama_index.core.indices.vector_store import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.response_synthesizers.no_text import NoText
from llama_index.core.schema import MetadataMode, QueryBundle, TextNode
from llama_index.core.tools import QueryEngineTool
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from rag.bridges.llama_index import (
    FootnoteEmbedding,
    FootnoteQueryEngine,
    FootnoteRetriever,
    filter_of,
)
from rag.errors import QuestionError, UsageError
from rag.pipeline import Pipeline
from rag.protocols import Embedder
from rag.types import Filter

REFUNDS = """---
title: Refunds
date: 2025-03-01
plan: home
level: 2
---
# Refunds

## How long it takes

A refund takes 5 business days after we receive the device. Weekends do not count.

## Who pays for the return

We pay for the return label when the device is faulty.
"""
WARRANTY = """---
title: Warranty
date: 2023-06-15
plan: business
---
# Warranty

## How long it lasts

The warranty of a door sensor lasts 24 months. It covers faults of material and manufacture.
"""
BATTERY = """# Batteries

The door sensor runs on one CR2032 battery. The battery lasts about two years.

To change the battery, slide the cover down and take the old one out.
"""
QUESTION = "How long does a refund take?"
UNANSWERABLE = "Who won the football world cup in 1974?"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Pipeline]:
    home = tmp_path_factory.mktemp("bridge")
    documents = home / "documents"
    documents.mkdir()
    for name, text in (("refunds", REFUNDS), ("warranty", WARRANTY), ("battery", BATTERY)):
        (documents / f"{name}.md").write_text(text, "utf-8")
    with Pipeline.open(home / ".rag", embedder=embedder) as opened:
        assert len(opened.ingest(documents).added) == 3
        yield opened


def condition(key: str, operator: FilterOperator, value: str | int) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


# The retriever


def test_nodes_say_where_they_are_from(pipeline: Pipeline) -> None:
    passages = pipeline.search(QUESTION)
    nodes = FootnoteRetriever(pipeline).retrieve(QUESTION)
    assert [n.node_id for n in nodes] == [p.chunk.id for p in passages]
    assert [n.score for n in nodes] == [p.score for p in passages]
    best = nodes[0]
    assert best.metadata["uri"].endswith("refunds.md")
    assert best.metadata["title"] == "Refunds"
    assert best.metadata["headings"] == " › ".join(passages[0].chunk.headings)
    assert best.metadata["published"] == "2025-03-01"
    assert best.metadata["plan"] == "home"
    assert {"score_dense", "score_lexical", "score_fused"} <= best.metadata.keys()
    assert best.node.ref_doc_id == pipeline.document(best.metadata["uri"]).id
    assert best.node.source_node.hash == pipeline.document(best.metadata["uri"]).digest


def test_offsets_point_into_the_document(pipeline: Pipeline) -> None:
    nodes = FootnoteRetriever(pipeline).retrieve("How long does the battery of a sensor last?")
    assert len({n.metadata["uri"] for n in nodes}) == 3
    for found in nodes:
        text = pipeline.document(found.metadata["uri"]).text
        assert text[found.node.start_char_idx : found.node.end_char_idx] == found.node.text


def test_metadata_is_flat_and_prompts_hold_none_of_the_scores(pipeline: Pipeline) -> None:
    for found in FootnoteRetriever(pipeline).retrieve(QUESTION):
        assert all(isinstance(v, str | int | float) for v in found.metadata.values())
        assert "page" not in found.metadata
        for mode in (MetadataMode.LLM, MetadataMode.EMBED):
            shown = found.node.get_content(mode)
            assert "title: " in shown
            assert "score_" not in shown


def test_k_is_the_number_of_nodes(pipeline: Pipeline) -> None:
    assert len(FootnoteRetriever(pipeline, k=1).retrieve(QueryBundle(QUESTION))) == 1


def test_an_empty_question_is_our_error(pipeline: Pipeline) -> None:
    with pytest.raises(QuestionError):
        FootnoteRetriever(pipeline).retrieve("  ")


def test_retriever_inside_a_llama_index_program(pipeline: Pipeline) -> None:
    engine = RetrieverQueryEngine(
        FootnoteRetriever(pipeline),
        NoText(llm=MockLLM()),  # response_mode="no_text" would ask for OpenAI's packages
        node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.5)],
    )
    nodes = engine.query(QUESTION).source_nodes
    assert nodes[0].metadata["title"] == "Refunds"
    assert all(node.score >= 0.5 for node in nodes)


def test_retriever_feeds_a_synthesizer(pipeline: Pipeline) -> None:
    engine = RetrieverQueryEngine(
        FootnoteRetriever(pipeline, k=1),
        get_response_synthesizer(llm=MockLLM(), response_mode="compact"),
    )
    prompt = str(
        engine.query("How long does the warranty last?")
    )  # the mock repeats what it was asked
    assert "lasts 24 months" in prompt
    assert "headings: Warranty › How long it lasts" in prompt


# Filters


@pytest.mark.parametrize(
    "filters",
    [
        Filter(where={"plan": "business"}),
        Filter(before=date(2023, 12, 31)),
        condition("plan", FilterOperator.EQ, "business"),
        condition("uri", FilterOperator.EQ, "warranty.md"),
        condition("published", FilterOperator.LTE, "2023-12-31"),
        condition("published", FilterOperator.EQ, "2023-06-15"),
    ],
)
def test_filters_pass_through(pipeline: Pipeline, filters: Filter | MetadataFilters) -> None:
    nodes = FootnoteRetriever(pipeline, filters=filters).retrieve(QUESTION)
    assert {node.metadata["title"] for node in nodes} == {"Warranty"}
    engine = FootnoteQueryEngine(pipeline, filters=filters)
    assert {n.metadata["title"] for n in engine.retrieve(QueryBundle(QUESTION))} == {"Warranty"}
    cited = engine.query("How long does the warranty of a door sensor last?").source_nodes
    assert {node.metadata["title"] for node in cited} == {"Warranty"}


def test_numbers_are_compared_as_they_are_written(pipeline: Pipeline) -> None:
    retriever = FootnoteRetriever(pipeline, filters=condition("level", FilterOperator.EQ, 2))
    assert {node.metadata["title"] for node in retriever.retrieve(QUESTION)} == {"Refunds"}


def test_filters_are_joined_and_the_narrowest_bounds_hold() -> None:
    parts: list[Any] = [
        condition("plan", FilterOperator.EQ, "home"),
        condition("published", FilterOperator.GTE, "2024-01-01"),
        condition("published", FilterOperator.GTE, "2025-01-01"),
        condition("published", FilterOperator.LTE, "2026-01-01"),
    ]
    assert filter_of(MetadataFilters(filters=parts)) == Filter(
        where={"plan": "home"}, after=date(2025, 1, 1), before=date(2026, 1, 1)
    )
    assert not filter_of(None)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (condition("plan", FilterOperator.NE, "home"), "cannot filter plan by !="),
        (condition("level", FilterOperator.GTE, 2), "cannot filter level by >="),
        (condition("published", FilterOperator.GTE, "spring"), "YYYY-MM-DD"),
        (
            MetadataFilters(
                filters=condition("plan", FilterOperator.EQ, "home").filters * 2,
                condition=FilterCondition.OR,
            ),
            "once for each alternative",
        ),
        (
            MetadataFilters(
                filters=[
                    condition("plan", FilterOperator.EQ, "home"),
                    condition("plan", FilterOperator.EQ, "business"),
                ]
            ),
            "two values of plan",
        ),
    ],
)
def test_a_filter_that_we_do_not_have_is_refused(filters: MetadataFilters, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        filter_of(filters)


# The query engine


def test_engine_answers_with_marks_and_cited_sources(pipeline: Pipeline) -> None:
    response = FootnoteQueryEngine(pipeline).query(QUESTION)
    assert "5 business days" in str(response)
    assert "[1]" in str(response)
    assert response.metadata["abstained"] is False
    assert 0.5 < response.metadata["confidence"] <= 1
    assert response.metadata["nearest"] == []
    assert response.source_nodes[0].metadata["citation"] == 1
    numbers = [node.metadata["citation"] for node in response.source_nodes]
    assert numbers == sorted({c["number"] for c in response.metadata["citations"]})


def test_citations_and_verdicts_are_plain_data(pipeline: Pipeline) -> None:
    metadata = FootnoteQueryEngine(pipeline).query(QUESTION).metadata
    assert json.loads(json.dumps(metadata)) == metadata
    for citation in metadata["citations"]:
        text = pipeline.document(citation["uri"]).text
        assert text[citation["start"] : citation["end"]] == citation["quote"]
    for sentence in metadata["sentences"]:
        assert sentence["citations"]
        assert sentence["verdict"]["label"] in ("supported", "partial")


def test_engine_abstains(pipeline: Pipeline) -> None:
    response = FootnoteQueryEngine(pipeline).query(UNANSWERABLE)
    assert response.metadata["abstained"] is True
    assert response.source_nodes == []
    assert response.metadata["citations"] == []
    assert response.metadata["nearest"]
    assert "could not find an answer" in str(response)


def test_engine_as_a_tool(pipeline: Pipeline) -> None:
    tool = QueryEngineTool.from_defaults(FootnoteQueryEngine(pipeline), description="help centre")
    assert "[1]" in tool.call(QUESTION).content
    assert FootnoteQueryEngine(pipeline).get_prompts() == {}


# Async


async def _together(work: list[Any]) -> list[Any]:
    return list(await asyncio.gather(*work))


class Rendezvous:
    """An embedder that holds each thread, at its first call, until ``number`` have arrived.

    On the event loop, or one after another, the first would wait in vain and fail.
    """

    def __init__(self, embedder: Embedder, number: int) -> None:
        self._embedder = embedder
        self._barrier = threading.Barrier(number)
        self._thread = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    def embed(self, texts: list[str], *, query: bool = False) -> Any:
        if not getattr(self._thread, "arrived", False):
            self._thread.arrived = True
            self._barrier.wait(timeout=20)
        return self._embedder.embed(texts, query=query)


def test_four_retrievals_run_side_by_side(pipeline: Pipeline, embedder: Embedder) -> None:
    with Pipeline.open(pipeline.folder, embedder=Rendezvous(embedder, 4)) as shared:
        retriever = FootnoteRetriever(shared, k=2)
        found = asyncio.run(_together([retriever.aretrieve(QUESTION) for _ in range(4)]))
    assert [nodes[0].metadata["title"] for nodes in found] == ["Refunds"] * 4


def test_four_questions_run_side_by_side(pipeline: Pipeline, embedder: Embedder) -> None:
    questions = [QUESTION, "How long does the battery last?", UNANSWERABLE, QUESTION]
    with Pipeline.open(pipeline.folder, embedder=Rendezvous(embedder, 4)) as shared:
        engine = FootnoteQueryEngine(shared)
        responses = asyncio.run(_together([engine.aquery(question) for question in questions]))
    one_by_one = [str(FootnoteQueryEngine(pipeline).query(question)) for question in questions]
    assert [str(response) for response in responses] == one_by_one


def test_async_embedding_does_not_run_on_the_loop(embedder: Embedder) -> None:
    bridge = FootnoteEmbedding(Rendezvous(embedder, 4))
    work = [
        bridge.aget_query_embedding("one"),
        bridge.aget_query_embedding("two"),
        bridge.aget_text_embedding("three"),
        bridge.aget_text_embedding_batch(["four", "five"]),
    ]
    results = asyncio.run(_together(work))
    assert np.allclose(results[3], embedder.embed(["four", "five"]), atol=1e-6)


# The embedding


def test_embedding_is_the_embedder(embedder: Embedder) -> None:
    bridge = FootnoteEmbedding(embedder)
    texts = ["a refund takes 5 days", "the battery of the sensor"]
    expected = embedder.embed(texts)
    assert np.allclose(bridge.get_text_embedding_batch(texts), expected, atol=1e-6)
    assert np.allclose(bridge.get_text_embedding(texts[0]), expected[0], atol=1e-6)
    query = embedder.embed(texts[:1], query=True)[0]
    assert np.allclose(bridge.get_query_embedding(texts[0]), query, atol=1e-6)
    assert bridge.model_name == embedder.identity
    assert bridge.embed_batch_size == 256


def test_embedding_loads_the_configured_model_and_can_be_written_down(embedder: Embedder) -> None:
    bridge = FootnoteEmbedding(embed_batch_size=8)
    assert bridge.model_name == embedder.identity
    again = FootnoteEmbedding.from_dict(bridge.to_dict())
    assert (again.model_name, again.embed_batch_size) == (bridge.model_name, 8)


def test_embedding_inside_a_llama_index_program(embedder: Embedder) -> None:
    bridge = FootnoteEmbedding(embedder)
    nodes = IngestionPipeline(transformations=[bridge]).run(
        nodes=[
            TextNode(text="A refund takes 5 business days."),
            TextNode(text="The sensor runs on a battery."),
        ]
    )
    index = VectorStoreIndex(nodes, embed_model=bridge)
    found = index.as_retriever(similarity_top_k=1).retrieve("How long do refunds take?")
    assert found[0].text == "A refund takes 5 business days."
