"""Time an evaluation of 1,000 questions end to end: ``python eval/thousand.py [DATA]``.

The questions are those of five retrieval sets, put to an index of the documents of two of them,
some 10,000 chunks, through ``rag eval answers`` as a user would. Nothing is judged but the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import chain, islice
from pathlib import Path

from beir import SETS

from rag.evaluate.beir import read_beir
from rag.pipeline import Pipeline

CORPORA = ("scifact", "medquad-liveqa")


def main() -> None:
    """Index, ask, print seconds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"))
    parser.add_argument("--questions", type=int, default=1000)
    options = parser.parse_args()
    if options.data is None:
        sys.exit("where is the development data? Name its folder or set RAG_DATA")
    sets = {name: read_beir(Path(options.data) / "retrieval" / name, SETS[name]) for name in SETS}
    with tempfile.TemporaryDirectory() as place, Pipeline.open(Path(place) / ".rag") as pipeline:
        chunks = pipeline.add(chain.from_iterable(sets[name].documents() for name in CORPORA))
        file = Path(place) / "questions.jsonl"
        queries = chain.from_iterable(
            sets[name].queries.values()
            for name in (*CORPORA, *(n for n in SETS if n not in CORPORA))
        )
        rows = [
            {"id": f"q{n}", "question": query.text, "type": "timed", "answers": ["unknown"],
             "answerable": True}
            for n, query in enumerate(islice(queries, options.questions))
        ]  # fmt: skip
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "rag.cli.main", "eval", "answers", str(file), "--index",
             str(pipeline.folder), "--json"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        seconds = time.perf_counter() - began
    body = json.loads(done.stdout)
    print(
        f"{body['n']} questions on {chunks} chunks: {seconds:.0f} s, {body['failed']} failed, "
        f"p50 {body['latency_ms']['p50']} ms, p95 {body['latency_ms']['p95']} ms"
    )


if __name__ == "__main__":
    main()
