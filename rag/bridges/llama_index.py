"""Footnote as LlamaIndex classes: a retriever, a query engine and an embedding.

This file owns the import of llama_index. Nothing here needs an LLM or LlamaIndex's ``Settings``.
LlamaIndex's own defaults run synchronous code on the event loop; here every async method works in a
thread, so that nothing else on the loop has to wait.

    pipeline = Pipeline.open(".rag")
    retriever = FootnoteRetriever(pipeline, k=5)        # anywhere that takes a BaseRetriever
    response = FootnoteQueryEngine(pipeline).query("How long do refunds take?")
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.response.schema import Response
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import (
    NodeRelationship,
    NodeWithScore,
    ObjectType,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from rag.errors import UsageError
from rag.models.embedder import load_embedder
from rag.settings import Settings
from rag.types import Answer, Filter, Passage

if TYPE_CHECKING:
    from llama_index.core.callbacks.base import CallbackManager

    from rag.pipeline import Pipeline
    from rag.protocols import Embedder

# What a model is shown of a node's metadata: the words that the passage was indexed with, and when
# it was published. Scores and ids explain a rank to a program; in a prompt they are noise.
_FOR_EMBEDDING = frozenset({"title", "headings"})
_FOR_LANGUAGE_MODEL = frozenset({"title", "headings", "page", "published"})

_DATE_KEY = "published"


class FootnoteRetriever(BaseRetriever):  # type: ignore[misc]
    """``Pipeline.search`` as a LlamaIndex retriever.

    A node's id is the chunk's id; ``start_char_idx`` and ``end_char_idx`` are offsets into
    ``pipeline.document(uri).text``; its SOURCE is the document. See ``node_of`` for the metadata.
    ``k`` defaults to ``settings.retrieve.k``. ``filters`` are ours or LlamaIndex's: see
    ``filter_of`` for what of theirs there is. Embeddings in a QueryBundle are not looked at.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        k: int | None = None,
        filters: Filter | MetadataFilters | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._k = k
        self._filter = filter_of(filters)
        super().__init__(callback_manager=callback_manager)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._pipeline.search(query_bundle.query_str, self._k, **dict(self._filter))
        return [node_of(passage) for passage in found]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


class FootnoteQueryEngine(BaseQueryEngine):  # type: ignore[misc]
    """``Pipeline.ask`` as a LlamaIndex query engine.

    The response's text carries marks like ``[1]``. ``source_nodes`` are the cited passages and no
    others, in the order of their numbers, which ``node.metadata["citation"]`` repeats; so there are
    none when the engine abstains. ``response.metadata`` is JSON-able: ``abstained``,
    ``confidence`` (a fraction of 1), ``citations`` (each an exact span), ``sentences`` (each with
    its verdict), ``problems``, ``nearest`` (the passages nearest to a question that was not
    answered), ``generator`` and ``timings`` (milliseconds).
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        filters: Filter | MetadataFilters | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._filter = filter_of(filters)
        super().__init__(callback_manager=callback_manager)

    def _get_prompt_modules(self) -> dict[str, Any]:
        return {}

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """The passages that an answer would be drawn from."""
        found = self._pipeline.search(query_bundle.query_str, **dict(self._filter))
        return [node_of(passage) for passage in found]

    def _query(self, query_bundle: QueryBundle) -> Response:
        return response_of(self._pipeline.ask(query_bundle.query_str, **dict(self._filter)))

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        return await asyncio.to_thread(self._query, query_bundle)


class FootnoteEmbedding(BaseEmbedding):  # type: ignore[misc]
    """An ``Embedder`` as a LlamaIndex embedding; without one, the built-in or configured one.

    ``model_name`` is the embedder's identity, so that LlamaIndex's caches tell models apart.
    """

    _embedder: Any = PrivateAttr()

    def __init__(self, embedder: Embedder | None = None, **options: Any) -> None:
        embedder = embedder or load_embedder(Settings.load().models)
        # The embedder buckets a batch by length: LlamaIndex's default of 10 texts gives it no room.
        options.setdefault("embed_batch_size", 256)
        super().__init__(**{**options, "model_name": embedder.identity})
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        """The name that LlamaIndex serialises the component under."""
        return "FootnoteEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._vectors([query], query=True)[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._vectors([text])[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._vectors(texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    def _vectors(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        vectors: list[list[float]] = self._embedder.embed(texts, query=query).tolist()
        return vectors


def node_of(passage: Passage, **more: str | int | float) -> NodeWithScore:
    """Return a passage as a node; ``more`` joins its metadata.

    The metadata is flat, as LlamaIndex's vector stores want it: the document's own keys, then
    ``uri``, ``title``, ``headings`` (the path, joined by " › "), ``page``, ``anchor``,
    ``published`` (ISO), ``language`` and a ``score_NAME`` for each stage. What is not known is
    left out.
    """
    chunk = passage.chunk
    known = {
        "uri": passage.uri,
        "title": passage.title,
        "headings": " › ".join(chunk.headings) or None,
        "page": chunk.page,
        "anchor": passage.anchor,
        _DATE_KEY: passage.published.isoformat() if passage.published else None,
        "language": passage.language,
        **{f"score_{name}": value for name, value in passage.scores.items()},
        **more,
    }
    metadata = dict(passage.metadata) | {k: v for k, v in known.items() if v is not None}
    node = TextNode(
        id_=chunk.id,
        text=chunk.text,
        start_char_idx=chunk.start,
        end_char_idx=chunk.end,
        metadata=metadata,
        excluded_embed_metadata_keys=sorted(metadata.keys() - _FOR_EMBEDDING),
        excluded_llm_metadata_keys=sorted(metadata.keys() - _FOR_LANGUAGE_MODEL),
        relationships={
            NodeRelationship.SOURCE: RelatedNodeInfo(
                node_id=chunk.document_id,
                node_type=ObjectType.DOCUMENT,
                metadata={"uri": passage.uri, "title": passage.title},
                hash=passage.document_digest,
            )
        },
    )
    return NodeWithScore(node=node, score=passage.score)


def response_of(answer: Answer) -> Response:
    """Return an answer as LlamaIndex's response; ``FootnoteQueryEngine`` says what is in it."""
    nearest = answer.passages[:3] if answer.abstained else ()
    return Response(
        response=answer.text or answer.abstention,
        source_nodes=[node_of(passage, citation=n) for n, passage in _cited(answer)],
        metadata={
            "abstained": answer.abstained,
            "confidence": answer.confidence,
            "citations": [citation.model_dump(mode="json") for citation in answer.citations],
            "sentences": [
                sentence.model_dump(mode="json", exclude={"citations"})
                | {"citations": sorted({citation.number for citation in sentence.citations})}
                for sentence in answer.sentences
            ],
            "problems": list(answer.problems),
            "nearest": [
                {"id": p.chunk.id, "uri": p.uri, "place": p.place, "text": p.chunk.text}
                for p in nearest
            ],
            "generator": answer.generator,
            "timings": dict(answer.timings),
        },
    )


def _cited(answer: Answer) -> Iterator[tuple[int, Passage]]:
    """Yield each cited passage once, with the lowest number that cites it."""
    seen: set[str] = set()
    for citation in answer.citations:
        for passage in answer.passages:
            chunk = passage.chunk
            same = chunk.document_id == citation.document_id
            if same and chunk.start <= citation.start and citation.end <= chunk.end:
                if chunk.id not in seen:
                    seen.add(chunk.id)
                    yield citation.number, passage
                break


def filter_of(filters: Filter | MetadataFilters | None) -> Filter:
    """Return LlamaIndex's filters as ours.

    There are ``==`` on any key, and ``==``, ``>=`` and ``<=`` on ``published`` with an ISO date,
    all joined by AND. Raises UsageError for anything else: a filter that is ignored would show
    documents that were meant to be hidden.
    """
    if filters is None:
        return Filter()
    if isinstance(filters, Filter):
        return filters
    where: dict[str, str] = {}
    after: list[date] = []
    before: list[date] = []
    for condition in _conditions(filters):
        key, operator, value = condition.key, condition.operator, str(condition.value)
        if key == _DATE_KEY and operator in _BOUNDS:
            try:
                day = date.fromisoformat(value)
            except ValueError:
                raise UsageError(
                    f"{_DATE_KEY} is compared with a date: write {value} as YYYY-MM-DD"
                ) from None
            after += [day] if operator != FilterOperator.LTE else []
            before += [day] if operator != FilterOperator.GTE else []
        elif operator == FilterOperator.EQ and condition.value is not None:
            if where.setdefault(key, value) != value:
                raise UsageError(f"no document has two values of {key}: ask for one at a time")
        else:
            raise UsageError(
                f"Footnote cannot filter {key} by {operator.value}: use ==, "
                f"or >= and <= on {_DATE_KEY}"
            )
    # All conditions hold together, so the narrowest bounds decide.
    return Filter(where=where, after=max(after, default=None), before=min(before, default=None))


_BOUNDS = (FilterOperator.EQ, FilterOperator.GTE, FilterOperator.LTE)


def _conditions(filters: MetadataFilters) -> Iterator[MetadataFilter]:
    # OR over a single condition is that condition.
    if filters.condition == FilterCondition.NOT or (
        filters.condition == FilterCondition.OR and len(filters.filters) > 1
    ):
        raise UsageError("Footnote joins filters by AND: ask once for each alternative")
    for condition in filters.filters:
        if isinstance(condition, MetadataFilters):
            yield from _conditions(condition)
        else:
            yield condition
