"""From a question to passages: of the index, of a retriever that was given, or of one text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from inspect import signature
from typing import TYPE_CHECKING, Any

from rag.errors import QuestionError, UsageError
from rag.retrieve.llm_rerank import Ranking
from rag.settings import AnswerSettings
from rag.text.terms import encodable
from rag.types import Document, Filter, Passage

if TYPE_CHECKING:
    from rag.pipeline.stages import Stages

_COMPLETED = 4  # best passages whose lists are completed from the chunks beside them
_NEIGHBOURS = 2  # chunks on either side


def ranked(
    stages: Stages, question: str, k: int, wanted: Filter, *, asking: bool = True
) -> Ranking:
    """Retrieve and rank; a language model is asked to rank only if ``asking``."""
    found = candidates(stages, question, k, wanted)
    if ranker := stages.model_ranker:
        return ranker.rank(question, found, k) if asking else Ranking(found[:k])
    reranker = stages.reranker
    return Ranking(reranker.rerank(question, found, k) if reranker else found[:k])


def candidates(stages: Stages, question: str, k: int, wanted: Filter) -> list[Passage]:
    """Retrieve as many passages as the reranker reads, ``k`` without one."""
    if not stages.custom_retriever:
        stages.index.require(stages.fingerprint)
    retriever: Any = stages.retriever
    depth = k
    if reranker := stages.reranker:
        depth = max(k, getattr(reranker, "pool", stages.settings.retrieve.rerank))
    passages: list[Passage]
    if wanted:
        try:
            signature(retriever.retrieve).bind(question, depth, wanted)
        except TypeError:
            raise UsageError("this retriever takes no filter: ask without one") from None
        passages = retriever.retrieve(question, depth, wanted)
    else:
        passages = retriever.retrieve(question, depth)
    return passages


def with_whole_lists(stages: Stages, passages: list[Passage]) -> list[Passage]:
    """Put the chunks beside those whose list they begin or end: steps have to be complete.

    Passages of a retriever that was given stay as they are: their chunks are not in the index.
    """
    if stages.custom_retriever:
        return passages
    from rag.answer.lists import runs_over

    catalog = stages.index.catalog
    here = {passage.chunk.id for passage in passages}
    whole: list[Passage] = []
    for rank, passage in enumerate(passages):
        run = [passage]
        for after in (False, True):
            edge = passage
            for _ in range(_NEIGHBOURS if rank < _COMPLETED else 0):
                if not runs_over(edge)[after]:
                    break
                beside = catalog.beside(edge, after=after)
                if beside is None or beside.chunk.id in here:
                    break
                here.add(beside.chunk.id)
                scores = {"beside": passage.score, **passage.scores}
                edge = beside.model_copy(update={"score": passage.score, "scores": scores})
                run = [*run, edge] if after else [edge, *run]
        whole += run
    return whole


def nearest(stages: Stages, question: str, document: Document) -> list[Passage]:
    """Cut a text that is not indexed into passages, the nearest to the question first."""
    from rag.index.catalog import words_of
    from rag.ingest.chunk import chunk_document

    settings, embedder = stages.settings, stages.embedder
    chunks = chunk_document(document, settings.chunk, embedder.count_tokens, "")
    if not chunks:
        return []
    query = embedder.embed([question], query=True)[0]
    words = [words_of(document.own_title, chunk.headings, chunk.text) for chunk in chunks]
    cosines = (embedder.embed(words) @ query).tolist()
    passages = [
        Passage(
            chunk=chunk,
            document_digest=document.digest,
            title=document.title,
            uri=document.uri,
            score=cosine,
            scores={"dense": cosine},
            language=document.language,
        )
        for chunk, cosine in zip(chunks, cosines, strict=True)
    ]
    return sorted(passages, key=lambda passage: -passage.score)


def question_of(text: str, settings: AnswerSettings) -> str:
    """Return the question on one line. Raises QuestionError if it is empty or too long."""
    question = " ".join(encodable(text).split())
    if not any(character.isalnum() for character in question):
        raise QuestionError("the question is empty: write what you want to know")
    limit = settings.max_question_characters
    if len(question) > limit:
        raise QuestionError(
            f"the question has {len(question):,} characters, more than "
            f"answer.max_question_characters ({limit:,}): shorten it"
        )
    return question


def filter_of(where: Mapping[str, Any] | None, after: date | None, before: date | None) -> Filter:
    """Build a filter; values are compared as text, ``True`` as "true"."""
    texts = {
        encodable(key): str(value).lower() if isinstance(value, bool) else encodable(str(value))
        for key, value in (where or {}).items()
    }
    return Filter(where=texts, after=after, before=before)
