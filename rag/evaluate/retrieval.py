"""Ranking: a BEIR collection indexed as the pipeline would, its queries ranked stage by stage.

Documents are scored by the best of their chunks, 100 deep, and nothing that says the same is
collapsed. The index is kept by the content of the corpus, so that the next run begins at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.errors import IndexMissingError, ModelError, UsageError
from rag.evaluate.beir import Beir, Query
from rag.evaluate.runs import Kind, Progress, Row, Run, cache_folder, execute, header
from rag.evaluate.statistics import mean
from rag.retrieve.hybrid import HybridRetriever
from rag.types import Filter, digest_of

if TYPE_CHECKING:
    from rag.index.index import View
    from rag.pipeline import Pipeline

STAGES = ("dense", "lexical", "fused", "reranked")
DEPTH = 100
"""Documents that are ranked for a query."""

_CHUNKS = 400  # asked of a single side, so that the best of them belong to 100 documents
_SHOWN = 5  # of a ranking, kept in the run for whoever looks at its worst cases
_CLIP = 300  # characters of a document that is shown

KIND = Kind(
    name="retrieval",
    cases="queries",
    metrics=(
        mean("ndcg_at_10", "nDCG of the first ten documents, graded"),
        mean("mrr_at_10", "1 / rank of the first relevant document among ten"),
        mean("recall_at_10", "relevant documents among the first ten"),
        mean("recall_at_100", "relevant documents among the first hundred"),
    ),
    primary="ndcg_at_10",
)


def evaluate(
    beir: Beir,
    pipeline: Pipeline,
    *,
    stages: Sequence[str] = (),
    rewrite: bool = True,
    limit: int | None = None,
    out: Path | None = None,
    seed: int = 0,
    resume: bool = False,
    cache: Path | None = None,
    on_progress: Progress | None = None,
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
    if out and len(stages) != 1:
        raise UsageError("--out takes the run of one stage: name it with --stage")
    queries = list(beir.queries.values())[:limit]
    own = _indexed(beir, pipeline, cache or cache_folder() / "retrieval", on_progress)
    runs: dict[str, Run] = {}
    with own:
        ranker = _Ranker(own, beir, rewrite=rewrite)
        for stage in stages or there:
            first = header(
                KIND, pipeline, file=beir.name, digest=beir.digest, n=len(beir.queries),
                planned=len(queries), seed=seed,
                options={"split": beir.split, "stage": stage, "rewrite": rewrite, "limit": limit},
            )  # fmt: skip
            runs[stage] = execute(
                KIND, out, pipeline.folder / "runs", first, queries, ranker.at(stage),
                ranker.failed, resume=resume, on_progress=on_progress,
            )  # fmt: skip
            if runs[stage].interrupted:
                break
    return runs


def _indexed(beir: Beir, pipeline: Pipeline, cache: Path, on_progress: Progress | None) -> Pipeline:
    """Return a pipeline over an index of the corpus; what is there already is not made again."""
    name = f"{beir.name}-{digest_of(beir.corpus_digest, pipeline.fingerprint)[:16]}"
    own = pipeline.variant(cache / name)
    there: set[str] = set()
    with suppress(IndexMissingError):
        catalog = own.index.catalog
        if catalog.counts()["documents"] == len(beir.corpus):
            return own
        there = {document.uri for _, document in catalog.documents()}  # an interruption left it
    missing = [document for document in beir.documents() if document.uri not in there]
    own.add(missing, _counted(on_progress, len(missing)))
    return own


def _counted(on_progress: Progress | None, total: int) -> Progress | None:
    if on_progress is None:
        return None
    return lambda what, done, _: on_progress(f"indexing {what}", done, total)


class _Ranker:
    """Ranks documents for queries at a stage."""

    def __init__(self, pipeline: Pipeline, beir: Beir, *, rewrite: bool) -> None:
        if not isinstance(pipeline.retriever, HybridRetriever):
            raise UsageError("stages can be measured of the built-in retriever only")
        self._pipeline = pipeline
        self._retriever = pipeline.retriever
        self._beir = beir
        self._rewrite = rewrite
        catalog = pipeline.index.catalog
        self._document = catalog.uris(catalog.store)
        self._stage = ""

    def at(self, stage: str) -> Any:
        """Return a function that measures a batch of queries at a stage."""
        _, problem = self._rank(stage, "warm-up")
        if problem:  # better now than in every row
            raise ModelError(problem)
        return lambda batch: [self._measured(stage, query) for query in batch]

    def _measured(self, stage: str, query: Query) -> Row:
        began = time.perf_counter()
        question = query.text
        if query.history and self._rewrite:
            question = self._pipeline.rewriter.rewrite(query.history, question)
        ranking, problem = self._rank(stage, question)
        took = round((time.perf_counter() - began) * 1000, 3)
        if not ranking:
            return self.failed(query, "nothing came back")
        return {
            **self._head(query, None),
            "measures": measures(self._beir.qrels[query.id], ranking),
            "latency_ms": took,
            "standalone": question,
            "problem": problem,
            "ranking": [self._shown(query, name, score) for name, score in _top(ranking)],
        }

    def _rank(self, stage: str, question: str) -> tuple[dict[str, float], str | None]:
        """Return document -> score, best first, at most ``DEPTH``.

        With it goes why it is the order of fusion, where a model should have ranked.
        """
        if stage == "reranked":
            found = self._pipeline.ranking(question, _CHUNKS)
            return self._pooled((p.uri, p.score) for p in found.passages), found.problem
        with self._pipeline.index.reading() as view:
            scores = self._scores(stage, view, question, self._retriever)
            return self._pooled((self._document[key], s) for key, s in scores.items()), None

    def _scores(
        self, stage: str, view: View, question: str, retriever: HybridRetriever
    ) -> dict[int, float]:
        if stage == "lexical":
            return view.lexical(question, _CHUNKS, Filter())
        vector = self._pipeline.embedder.embed([question], query=True)[0]
        if stage == "dense":
            return view.dense(vector, _CHUNKS, Filter())
        return retriever.scores(view, question, vector, Filter())[2]

    @staticmethod
    def _pooled(scored: Iterable[tuple[str, float]]) -> dict[str, float]:
        best: dict[str, float] = {}
        for name, score in scored:
            best[name] = max(score, best.get(name, score))
        ordered = sorted(best.items(), key=lambda item: (-item[1], item[0]))
        return dict(ordered[:DEPTH])

    def _shown(self, query: Query, name: str, score: float) -> dict[str, Any]:
        title, text = self._beir.corpus[name]
        return {
            "id": name,
            "score": round(score, 4),
            "grade": self._beir.qrels[query.id].get(name),
            "title": title,
            "text": text[:_CLIP],
        }

    def _head(self, query: Query, failed: str | None) -> Row:
        return {"id": query.id, "group": None, "question": query.text, "failed": failed}

    def failed(self, query: Query, reason: str) -> Row:
        """Return the row of a query that has no ranking: zero, and named."""
        measured = dict.fromkeys((metric.name for metric in KIND.metrics), 0.0)
        return {**self._head(query, reason), "measures": measured, "latency_ms": None}


def _top(ranking: dict[str, float]) -> list[tuple[str, float]]:
    return list(ranking.items())[:_SHOWN]


def measures(qrels: dict[str, int], ranking: dict[str, float]) -> dict[str, float]:
    """Return the metrics of one query by ir-measures; a grade above 0 is relevant."""
    import ir_measures
    from ir_measures import RR, R, nDCG

    names = {
        nDCG @ 10: "ndcg_at_10",
        RR @ 10: "mrr_at_10",
        R @ 10: "recall_at_10",
        R @ 100: "recall_at_100",
    }
    found = ir_measures.iter_calc(list(names), {"q": qrels}, {"q": ranking})
    return {names[one.measure]: round(float(one.value), 6) for one in found}
