"""``python -m rag.train.measure_quantisation DATA --float FILE``: what 8 bits cost and gain.

Ranks all documents of a BEIR set by exact cosine with the quantised and with the float32 weights:
nDCG@10 of both, the paired difference with a bootstrap interval, and speed in the same run. The
float32 file comes from ``python -m rag.train.export --float-out``. Needs ir-measures (dev extra).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.errors import DataError, MissingExtraError, RagError
from rag.models.embedder import CARD_FILE, MODEL_FILE, TOKENIZER_FILE, WEIGHTS, WeightsCard
from rag.models.runtime import TextModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Qrels = dict[str, dict[str, int]]

SEED = 20240601
RESAMPLES = 10_000
DEPTH = 10
TIMED_TOKENS = 128
TIMED_TEXTS = 128
HEADING = "## Measured"


def read_set(folder: Path, split: str) -> tuple[dict[str, str], dict[str, str], Qrels]:
    """Read a BEIR folder: documents (title and text), queries and judgements of the split.

    Only queries with a relevant document stay. Raises DataError naming the file that is missing.
    """
    documents = {
        row["_id"]: f"{row.get('title', '')} {row['text']}".strip()
        for row in _rows(folder / "corpus.jsonl.gz")
    }
    queries = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl.gz")}
    qrels: Qrels = {}
    try:
        with (folder / "qrels" / f"{split}.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read; give a BEIR folder.") from None
    judged = {query: found for query, found in qrels.items() if max(found.values()) > 0}
    return documents, {query: queries[query] for query in judged}, judged


def ndcg(
    model: TextModel, documents: dict[str, str], queries: dict[str, str], qrels: Qrels
) -> Floats:
    """Return nDCG@10 of each query, in the order of ``queries``, over all documents."""
    try:
        import ir_measures
    except ImportError:
        raise MissingExtraError("Measuring nDCG", "dev") from None
    scores = embed(model, list(queries.values())) @ embed(model, list(documents.values())).T
    names = np.array(list(documents))
    best = np.argsort(-scores, axis=1, kind="stable")[:, : DEPTH * 2]
    run = {
        query: {str(names[i]): float(scores[row, i]) for i in best[row]}
        for row, query in enumerate(queries)
    }
    measure = ir_measures.nDCG @ DEPTH
    values = {m.query_id: m.value for m in ir_measures.iter_calc([measure], qrels, run)}
    return np.array([values.get(query, 0.0) for query in queries])


def embed(model: TextModel, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors of the texts, shape (len(texts), dimension)."""
    return np.stack([vector for (vector,) in model.run(model.encode(texts))])


def interval(differences: Floats) -> tuple[float, float]:
    """Return the 95% percentile bootstrap interval of the mean; queries are resampled."""
    generator = np.random.default_rng(SEED)
    picks = generator.integers(0, len(differences), (RESAMPLES, len(differences)))
    low, high = np.quantile(differences[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def speeds(models: Sequence[TextModel], texts: Sequence[str], rounds: int = 5) -> list[float]:
    """Return sequences a second at 128 tokens for each model: the best round, taken in turns."""
    best = [float("inf")] * len(models)
    encodings = [model.encode(texts) for model in models]
    for _ in range(rounds):
        for place, model in enumerate(models):
            start = time.perf_counter()
            model.run(encodings[place])
            best[place] = min(best[place], time.perf_counter() - start)
    return [len(texts) / seconds for seconds in best]


def latency(model: TextModel, texts: Sequence[str]) -> float:
    """Return the median milliseconds that one short text alone takes, tokenising included."""
    embed(model, texts[:3])
    taken = []
    for text in texts:
        start = time.perf_counter()
        embed(model, [text])
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1000


def cold_load(rounds: int = 5) -> float:
    """Return the median seconds in which a fresh process imports and loads the shipped model."""
    program = (
        "import numpy, pydantic, time; start = time.perf_counter()\n"
        "from rag.models.embedder import BuiltInEmbedder\n"
        "BuiltInEmbedder().load(); print(time.perf_counter() - start)"
    )
    taken = [
        float(subprocess.check_output([sys.executable, "-c", program], text=True))
        for _ in range(rounds)
    ]
    return float(np.median(taken))


def measure(folder: Path, split: str, float_file: Path, weights: Path) -> dict[str, Any]:
    """Return all figures; fractions of 1, sequences a second, milliseconds, seconds, bytes."""
    if not float_file.is_file():
        raise DataError(
            f"{float_file} is missing; python -m rag.train.export --float-out makes it."
        )
    documents, queries, qrels = read_set(folder, split)
    card = WeightsCard.read(weights / CARD_FILE)
    files = {"int8": weights / MODEL_FILE, "float32": float_file}

    def load(name: str, max_tokens: int) -> TextModel:
        return TextModel(files[name], weights / TOKENIZER_FILE, max_tokens=max_tokens)

    figures: dict[str, Any] = {"set": f"{folder.name} {split}", "queries": len(queries)}
    values = {}
    for name in files:
        values[name] = ndcg(load(name, card.max_tokens), documents, queries, qrels)
        figures[f"ndcg_{name}"] = float(values[name].mean())
    differences = values["int8"] - values["float32"]
    figures["difference"] = float(differences.mean())
    figures["interval"] = interval(differences)
    models = [load(name, TIMED_TOKENS) for name in files]
    long = [t for t in list(documents.values())[:2000] if models[0].count_tokens(t) > TIMED_TOKENS]
    rates = speeds(models, long[:TIMED_TEXTS])
    sample = list(queries.values())[:200]
    for name, model, rate in zip(files, models, rates, strict=True):
        figures[f"sequences_per_second_{name}"] = rate
        figures[f"query_ms_{name}"] = latency(model, sample)
        figures[f"bytes_{name}"] = files[name].stat().st_size
    figures["cold_load_seconds"] = cold_load()
    figures["cores"] = os.cpu_count()
    return figures


def page(figures: dict[str, Any]) -> str:
    """Return the figures as the section of the model card."""
    low, high = figures["interval"]
    fast, slow = (figures[f"sequences_per_second_{name}"] for name in ("int8", "float32"))
    return f"""{HEADING}
By `python -m rag.train.measure_quantisation`, exact cosine over whole documents (title and text,
cut at the length above), {figures["set"]} of BEIR, {figures["queries"]} queries,
{figures["cores"]} cores; speeds depend on the machine and its load, so read the ratio.

| | int8 | float32 |
| --- | --- | --- |
| nDCG@10 | {figures["ndcg_int8"]:.4f} | {figures["ndcg_float32"]:.4f} |
| sequences a second at {TIMED_TOKENS} tokens | {fast:.0f} | {slow:.0f} |
| one query alone, median ms | {figures["query_ms_int8"]:.1f} | {figures["query_ms_float32"]:.1f} |
| file | {figures["bytes_int8"] / 1e6:.1f} MB | {figures["bytes_float32"] / 1e6:.1f} MB |

Difference of nDCG@10 (int8 less float32): {figures["difference"]:+.4f}, 95% interval of the paired
bootstrap {low:+.4f} to {high:+.4f}. Speed: {fast / slow:.2f} times float32.
Load in a fresh process (with onnxruntime, without numpy and pydantic):
{figures["cold_load_seconds"]:.2f} s.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rag.train.measure_quantisation", description=__doc__
    )
    parser.add_argument("data", type=Path, nargs="?", help="BEIR folder (default: under RAG_DATA)")
    parser.add_argument("--split", default="train")
    parser.add_argument("--float", dest="float_file", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--card", type=Path, help="model card whose figures are to be replaced")
    options = parser.parse_args(arguments)
    try:
        folder = options.data or _default_data()
        figures = measure(folder, options.split, options.float_file, options.weights)
    except RagError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    if options.card:
        text = options.card.read_text("utf-8").split(HEADING)[0]
        options.card.write_text(text + page(figures), "utf-8")
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def _default_data() -> Path:
    root = os.environ.get("RAG_DATA")
    if not root:
        raise DataError("No data: give the folder of a BEIR set, or set RAG_DATA to its parent.")
    return Path(root) / "retrieval" / "scifact"


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read ({error}); give a BEIR folder.") from None


if __name__ == "__main__":
    raise SystemExit(main())
