"""``python eval/measure_quantisation.py DATA --float FILE``: what 8 bits cost and gain.

Ranks all documents of a BEIR set by exact cosine with the quantised and with the float32 weights:
nDCG@10 of both, the paired difference with a bootstrap interval, and speed in the same run. The
float32 file comes from ``python -m rag.train.export --float-out``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.errors import DataError, RagError
from rag.evaluate.beir import Beir, read_beir
from rag.evaluate.retrieval import measures
from rag.models.embedder import CARD_FILE, MODEL_FILE, TOKENIZER_FILE, WEIGHTS, WeightsCard
from rag.models.runtime import TextModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SEED = 20240601
RESAMPLES = 10_000
DEPTH = 10
TIMED_TOKENS = 128
TIMED_TEXTS = 128
HEADING = "## Measured"


def documents(beir: Beir) -> list[str]:
    """Return title and text of each document as one."""
    return [f"{title} {text}".strip() for title, text in beir.corpus.values()]


def judged(beir: Beir) -> list[str]:
    """Return the ids of the queries that have a relevant document."""
    return [query for query, grades in beir.qrels.items() if max(grades.values()) > 0]


def ndcg(model: TextModel, beir: Beir) -> Floats:
    """Return nDCG@10 of each of the ``judged`` queries, by exact cosine over all documents."""
    queries, names = judged(beir), list(beir.corpus)
    asked = embed(model, [beir.queries[query].text for query in queries])
    scores = asked @ embed(model, documents(beir)).T
    found = []
    for query, row in zip(queries, scores, strict=True):
        best = np.argsort(-row, kind="stable")[: DEPTH * 2]
        ranking = {names[n]: float(row[n]) for n in best}
        found.append(measures(beir.qrels[query], ranking)["ndcg_at_10"])
    return np.array(found)


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
        "BuiltInEmbedder().embed(['a']); print(time.perf_counter() - start)"
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
    beir = read_beir(folder, split)
    card = WeightsCard.read(weights / CARD_FILE)
    files = {"int8": weights / MODEL_FILE, "float32": float_file}

    def load(name: str, max_tokens: int) -> TextModel:
        return TextModel(files[name], weights / TOKENIZER_FILE, max_tokens=max_tokens)

    queries = judged(beir)
    figures: dict[str, Any] = {"set": f"{folder.name} {split}", "queries": len(queries)}
    values = {name: ndcg(load(name, card.max_tokens), beir) for name in files}
    figures |= {f"ndcg_{name}": float(found.mean()) for name, found in values.items()}
    differences = values["int8"] - values["float32"]
    figures["difference"] = float(differences.mean())
    figures["interval"] = interval(differences)
    models = [load(name, TIMED_TOKENS) for name in files]
    long = [t for t in documents(beir)[:2000] if models[0].count_tokens(t) > TIMED_TOKENS]
    rates = speeds(models, long[:TIMED_TEXTS])
    sample = [beir.queries[query].text for query in queries[:200]]
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
By `python eval/measure_quantisation.py`, exact cosine over whole documents (title and text,
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="BEIR folder (default: under RAG_DATA)")
    parser.add_argument("--split", default="train")
    parser.add_argument("--float", dest="float_file", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--card", type=Path, help="model card whose figures are to be replaced")
    options = parser.parse_args(arguments)
    root = os.environ.get("RAG_DATA")
    try:
        if not (options.data or root):
            raise DataError("No data: give a BEIR folder, or set RAG_DATA to its parent.")
        folder = options.data or Path(str(root)) / "retrieval" / "scifact"
        figures = measure(folder, options.split, options.float_file, options.weights)
    except RagError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    if options.card:
        text = options.card.read_text("utf-8").split(HEADING)[0]
        options.card.write_text(text + page(figures), "utf-8")
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
