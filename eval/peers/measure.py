"""One set, all peers: what is timed is done in turns, so that a busy minute hurts all alike."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalogue import Peer
from common import write_documents
from environments import PeerError, prepare
from sides import Side

from rag.evaluate.beir import Beir

TOP = 10  # results a question asks for where it is timed
TIMED, BLOCK = 200, 25  # questions that are timed, and how many a peer answers in its turn
OTHERS = 2  # questions that each turn begins with, off the clock
PASSES = 3  # a question counts with its best time: other programs' work is not the peer's
CHUNKS, DOCUMENTS = 300, 100  # how deep rankings go
WARMING = 10  # documents indexed before the clock starts
ROUNDS, SAMPLE = 5, 200  # timed ingestions, in turns like the questions, and documents in each


@dataclass
class Measured:
    """What one peer did on one set; ``failure`` says why the rest is not there.

    ``milliseconds`` has a list for each block, in the order in which they were asked.
    """

    peer: str
    user_lines: int
    failure: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    rounds: list[dict[str, float]] = field(default_factory=list)
    ingestion: dict[str, float] = field(default_factory=dict)
    milliseconds: list[list[float]] = field(default_factory=list)
    peak: float = 0.0
    ndcg: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)


def measure(beir: Beir, peers: Sequence[Peer], cache: Path, threads: int) -> list[Measured]:
    """Measure all peers on a set; one that fails is among the results with its reason."""
    results = {peer.key: Measured(peer.key, peer.user_lines) for peer in peers}
    with tempfile.TemporaryDirectory(prefix="peers-") as temporary, contextlib.ExitStack() as stack:
        home = Path(temporary)
        names = list(beir.corpus)
        documents = write_documents(beir, names, home / "documents")
        few = write_documents(beir, names[:WARMING], home / "few")
        queries = {name: query.text for name, query in beir.queries.items()}
        questions = list(queries.values())
        sides: list[Side] = []

        def each(what: str, act: Callable[[Side, Measured], None], order: int = 0) -> None:
            """Let every peer that has not failed do something, the ``order``-th first."""
            for side in [*sides[order:], *sides[:order]]:
                say(f"{beir.name}: {side.peer.title}: {what}")
                try:
                    act(side, results[side.peer.key])
                except PeerError as error:
                    results[side.peer.key].failure = str(error)
                    sides.remove(side)

        for peer in peers:
            say(f"{beir.name}: {peer.title}: environment and models")
            try:
                python = prepare(peer, cache)
                log = cache / "logs" / f"{beir.name}-{peer.key}.log"
                side = Side(peer, python, home / peer.key, log, threads)
                stack.callback(side.close)
                results[peer.key].versions = side.call("load", list(peer.packages))
                side.call("warm", few, questions[0])
                sides.append(side)
            except PeerError as error:
                results[peer.key].failure = str(error)

        def ingest(side: Side, names: list[str], folder: str) -> dict[str, float]:
            load = os.getloadavg()[0]
            taken: dict[str, float] = side.call("ingest", folder)
            if taken["documents"] != len(names):
                raise PeerError(f"indexed {taken['documents']:.0f} of {len(names)} documents")
            return {**taken, "load_before": load}

        for turn in range(ROUNDS):
            sample = names[turn * SAMPLE : (turn + 1) * SAMPLE] or names[:SAMPLE]
            folder = write_documents(beir, sample, home / f"sample-{turn}")

            def take_turn(
                side: Side, result: Measured, sample: list[str] = sample, folder: str = folder
            ) -> None:
                result.rounds.append(ingest(side, sample, folder))

            each(f"ingesting {len(sample)} documents", take_turn, turn % (len(sides) or 1))

        def ingest_all(side: Side, result: Measured) -> None:
            result.ingestion = ingest(side, names, documents)

        each(f"ingesting all {len(names):,} documents", ingest_all)
        others, timed = questions[:OTHERS], questions[OTHERS : OTHERS + TIMED]
        blocks = [timed[start : start + BLOCK] for start in range(0, len(timed), BLOCK)]
        for turn, block in enumerate(blocks * PASSES):

            def answer(side: Side, result: Measured, block: list[str] = block) -> None:
                result.milliseconds.append(side.call("search", block, others, TOP))

            each(f"{len(block)} questions", answer, turn % (len(sides) or 1))

        def rank(side: Side, result: Measured) -> None:
            result.peak = side.call("peak")  # before the deep rankings, which no user asks for
            found = side.call("rank", queries, CHUNKS)
            run = {query: by_document(hits) for query, hits in found.items()}
            result.ndcg, result.recall = qualities(beir.qrels, run)

        each(f"{len(questions)} rankings", rank)
    return list(results.values())


def best_times(blocks: Sequence[Sequence[float]]) -> list[float]:
    """Return the best time of each question over the passes."""
    asked = len(blocks) // PASSES
    passes = [
        [time for block in blocks[start : start + asked] for time in block]
        for start in range(0, len(blocks), asked)
    ]
    return [min(times) for times in zip(*passes, strict=True)]


def by_document(hits: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return the best documents, each at the place of its best chunk.

    Scores count down by place: what a peer scores the same stays in the peer's own order.
    """
    names = dict.fromkeys(name for name, _ in sorted(hits, key=lambda hit: -hit[1]))
    return {name: float(DOCUMENTS - place) for place, name in enumerate(list(names)[:DOCUMENTS])}


def qualities(
    qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]
) -> tuple[list[float], list[float]]:
    """Return nDCG@10 and recall@100 of each query; one without hits counts 0."""
    import ir_measures
    from ir_measures import R, nDCG

    ndcg, recall = nDCG @ TOP, R @ DOCUMENTS
    found: dict[Any, dict[str, float]] = {ndcg: {}, recall: {}}
    for metric in ir_measures.iter_calc([ndcg, recall], qrels, run):
        found[metric.measure][metric.query_id] = metric.value
    of = {measure: [found[measure].get(query, 0.0) for query in qrels] for measure in found}
    return of[ndcg], of[recall]


def say(progress: str) -> None:
    """Tell the person who waits."""
    print(f"  {progress} …", file=sys.stderr, flush=True)
