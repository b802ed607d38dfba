"""Ranking: a BEIR collection indexed as the pipeline would, its queries ranked stage by stage.

Documents are scored by the best of their chunks, 100 deep, and nothing that says the same is
collapsed. The index is kept by the content of the corpus, so that the next run begins at once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rag.errors import IndexMissingError, ModelError, UsageError
from rag.evaluate.beir import Beir, Query
from rag.evaluate.runs import (
    Kind,
    Options,
    Progress,
    Result,
    Run,
    Source,
    cache_folder,
    each,
    measure_cases,
    since,
)
from rag.evaluate.statistics import mean
from rag.retrieve.hybrid import HybridRetriever
from rag.types import Filter, digest_of

if TYPE_CHECKING:
    from rag.pipeline import Pipeline

STAGES = ("dense", "lexical", "fused", "reranked")
DEPTH = 100
"""Documents that are ranked for a query."""

_CHUNKS = 400  # asked of a single side, so that the best of them belong to 100 documents
_SHOWN = 5  # of a ranking, kept in the run for whoever looks at its worst cases
_CLIP = 300  # characters of a document that is shown


def _explain(row: Result) -> tuple[str, None, str, list[Source]]:
    ranking = row.get("ranking") or []
    sources = [
        Source(one["title"] or one["id"], one["text"], f"{one['score']:.3f}, {_judged(one)}")
        for one in ranking
    ]
    right = [str(n) for n, one in enumerate(ranking, start=1) if (one["grade"] or 0) > 0]
    first = sources[0].name if sources else "nothing"
    said = f"relevant at {', '.join(right) or 'none'} of {len(ranking)}; first: {first}"
    return said, None, "First in the ranking", sources


def _judged(document: dict[str, Any]) -> str:
    grade = document["grade"]
    if grade is None:
        return "not judged"
    return f"relevant, grade {grade}" if grade > 0 else "judged not relevant"


def _describe(query: Query) -> Result:
    return {"id": query.id, "group": None, "question": query.text}


_METRICS = (
    mean("ndcg_at_10", "nDCG of the first ten documents, graded"),
    mean("mrr_at_10", "1 / rank of the first relevant document among ten"),
    mean("recall_at_10", "relevant documents among the first ten"),
    mean("recall_at_100", "relevant documents among the first hundred"),
)
KIND = Kind(
    name="retrieval",
    cases="queries",
    metrics=_METRICS,
    primary="ndcg_at_10",
    describe=_describe,
    worst=lambda _: {metric.name: 0.0 for metric in _METRICS},
    explain=_explain,
)


def evaluate(
    beir: Beir,
    pipeline: Pipeline,
    *,
    stages: Sequence[str] = (),
    rewrite: bool = True,
    cache: Path | None = None,
    **options: Unpack[Options],
) -> dict[str, Run]:
    """Rank the queries of a collection at each stage; without ``stages``, at every one there is.

    ``pipeline`` lends its settings, embedder, rewriter and reranker; the corpus gets an index of
    its own in ``cache``. A query with a history is rewritten first, unless ``rewrite`` is false.
    Where a language model ranks and fails, the order of fusion is measured, as it would be used,
    and the row says so. Raises UsageError for a stage that is not there, ModelError for a language
    model that cannot rank at all.
    """
    reranker = pipeline.reranker
    there = STAGES if reranker is not None else STAGES[:-1]
    for stage in stages:
        if stage not in there:
            raise UsageError(
                f"there is no stage {stage} to measure"
                + (" without a reranker" if stage in STAGES else "")
                + f": choose from {', '.join(there)}"
            )
    if options.get("out") and len(stages) != 1:
        raise UsageError("--out takes the run of one stage: name it with --stage")
    limit = options.get("limit")
    queries = list(beir.queries.values())[:limit]
    data = {"file": beir.name, "digest": beir.digest, "n": len(beir.queries)}
    cache = cache or cache_folder() / "retrieval"
    own = _indexed(beir, pipeline, cache, options.get("on_progress"))
    runs: dict[str, Run] = {}
    with own:
        for stage in stages or there:
            measure = each(_Ranker(own, beir, stage, rewrite=rewrite).measured)
            chosen = {"split": beir.split, "stage": stage, "rewrite": rewrite, "limit": limit}
            runs[stage] = measure_cases(KIND, pipeline, data, chosen, queries, measure, options)
            if runs[stage].interrupted:
                break
    return runs


def _indexed(beir: Beir, pipeline: Pipeline, cache: Path, on_progress: Progress | None) -> Pipeline:
    """A pipeline over an index of the corpus; what is there already is not made again."""
    name = f"{beir.name}-{digest_of(beir.corpus_digest, pipeline.fingerprint)[:16]}"
    own = pipeline.variant(cache / name)
    there: set[str] = set()
    with suppress(IndexMissingError):
        catalog = own.index.catalog
        if catalog.counts()["documents"] == len(beir.corpus):
            return own
        there = {document.uri for _, document in catalog.documents()}  # an interruption left it
    missing = [document for document in beir.documents() if document.uri not in there]

    def indexing(what: str, done: float, _: int) -> None:
        if on_progress:
            on_progress(f"indexing {what}", done, len(missing))

    own.add(missing, indexing)
    return own


class _Ranker:
    """Ranks documents for queries at a stage. Raises ModelError for a model that cannot rank."""

    def __init__(self, pipeline: Pipeline, beir: Beir, stage: str, *, rewrite: bool) -> None:
        if not isinstance(pipeline.retriever, HybridRetriever):
            raise UsageError("stages can be measured of the built-in retriever only")
        self._pipeline = pipeline
        self._retriever = pipeline.retriever
        self._beir = beir
        self._stage = stage
        self._rewrite = rewrite
        self._document = pipeline.index.catalog.uris()
        _, problem = self._rank("warm-up")
        if problem:  # better now than in every row
            raise ModelError(problem)

    def measured(self, query: Query) -> Result:
        began = time.perf_counter()
        question = query.text
        if query.history and self._rewrite:
            question = self._pipeline.rewriter.rewrite(query.history, question)
        ranking, problem = self._rank(question)
        took = since(began)
        if not ranking:
            return {"failed": "nothing came back"}
        grades = self._beir.qrels[query.id]
        shown = [
            {
                "id": name,
                "score": round(score, 4),
                "grade": grades.get(name),
                "title": self._beir.corpus[name][0],
                "text": self._beir.corpus[name][1][:_CLIP],
            }
            for name, score in islice(ranking.items(), _SHOWN)
        ]
        return {
            "measures": measures(grades, ranking),
            "latency_ms": took,
            "standalone": question,
            "problem": problem,
            "ranking": shown,
        }

    def _rank(self, question: str) -> tuple[dict[str, float], str | None]:
        """Document -> score of its best chunk, best first, at most ``DEPTH``.

        With it goes why it is the order of fusion, where a model should have ranked.
        """
        problem: str | None = None
        if self._stage == "reranked":
            found = self._pipeline.ranking(question, _CHUNKS)
            scored, problem = [(p.uri, p.score) for p in found.passages], found.problem
        else:
            scored = self._scores(question)
        best: dict[str, float] = {}
        for name, score in scored:
            best[name] = max(score, best.get(name, score))
        ordered = sorted(best.items(), key=lambda item: (-item[1], item[0]))
        return dict(ordered[:DEPTH]), problem

    def _scores(self, question: str) -> list[tuple[str, float]]:
        """Document and score of each chunk that the stage finds."""
        with self._pipeline.index.reading() as view:
            if self._stage == "lexical":
                scores = view.lexical(question, _CHUNKS, Filter())
            else:
                vector = self._pipeline.embedder.embed([question], query=True)[0]
                if self._stage == "dense":
                    scores = view.dense(vector, _CHUNKS, Filter())
                else:
                    scores = self._retriever.scores(view, question, vector, Filter())[2]
        return [(self._document[key], score) for key, score in scores.items()]


def measures(qrels: dict[str, int], ranking: dict[str, float]) -> dict[str, float]:
    """The metrics of one query by ir-measures; a grade above 0 is relevant."""
    import ir_measures
    from ir_measures import RR, R, nDCG

    wanted = (nDCG @ 10, RR @ 10, R @ 10, R @ 100)
    names = dict(zip(wanted, (metric.name for metric in _METRICS), strict=True))
    found = ir_measures.iter_calc(list(names), {"q": qrels}, {"q": ranking})
    return {names[one.measure]: round(float(one.value), 6) for one in found}
