"""Fit how passages are read by words alone: ``python eval/fit_reading.py [DATA]`` (``RAG_DATA``).

Questions of SQuAD 2.0, SQuAD 1.1, QED, PolicyQA and COVID-QA are asked of an index of their
paragraphs, as the pipeline does it: dense and BM25 scores fused, eight passages read. Half of the
questions have no answer there: (a) the paragraph with the answer is taken out and its article left
in, (b) SQuAD 2.0's own unanswerable ones, (c) the article is not indexed. Whole articles are held
apart for the figures. Writes ``rag/answer/reading.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import data_folder, json_rows

from rag.answer import reader
from rag.answer.features import (
    COSINES,
    WORDS_SENTENCE_FEATURES,
    Unit,
    in_context,
    sentence_features,
    units_of,
)
from rag.answer.question import understand
from rag.models.runtime import sigmoid
from rag.protocols import Embedder
from rag.settings import OPERATING_POINTS
from rag.text.sentences import sentences
from rag.text.terms import content_terms, fold
from rag.types import Chunk, Passage, digest_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

SEED = 20260101
K = 8
CHARACTERS = 900  # of a passage: about 160 tokens, the default chunk
SETS = "squad2-dev-half squad1-train qed-train policyqa-dev covidqa".split()
LICENCES = {
    "squad2-dev-half": "CC BY-SA 4.0",
    "squad1-train": "CC BY-SA 4.0",
    "qed-train": "CC BY-SA 3.0",
    "policyqa-dev": "MIT",
    "covidqa": "Apache-2.0",
}
# These sets are prose: what tables, lists and code are worth they cannot say, so it is set by hand.
BY_HAND = {
    "no_words": -3.0,
    "cell": 1.5,
    "code": -0.5,
    "asks": -2.0,
}


@dataclass(frozen=True)
class Asked:
    """One question with what it is asked of: ``kind`` is gold, near, own or far."""

    id: str
    question: str
    group: str
    kind: str
    answers: tuple[str, ...]
    gold: frozenset[int] = frozenset()  # passages that hold the answer
    spans: tuple[tuple[int, int, int], ...] = ()  # passage, start, end


class Cached:
    """An embedder that computes a text once: the same sentences come back for many questions."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Array] = {}
        self.identity = embedder.identity
        self.dimension = embedder.dimension
        self.max_tokens = embedder.max_tokens
        self.languages = embedder.languages
        self.count_tokens: Callable[[str], int] = embedder.count_tokens

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Array:
        """Return the vectors, of which only new ones are computed."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), 2048):
            batch = new[start : start + 2048]
            self._known.update(zip(batch, self._embedder.embed(batch, query=query), strict=True))
        return np.stack([self._known[text] for text in texts])


class Corpus:
    """Passages with exact cosine and BM25 (k1 = 0.9, b = 0.4), fused as the retriever does."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.passages: list[Passage] = []
        self.articles: list[str] = []
        self._of_text: dict[str, list[int]] = {}

    def add(self, title: str, text: str, article: str) -> list[int]:
        """Add a paragraph, cut to passages, and return their numbers; known text is not added."""
        known = self._of_text.get(title + text)
        if known is not None:
            return known
        numbers = []
        for start, end in pieces(text):
            numbers.append(len(self.passages))
            chunk = Chunk(
                id=digest_of(title, text, str(start)),
                document_id=digest_of(article),
                start=start,
                end=end,
                text=text[start:end],
            )
            self.passages.append(
                Passage(
                    chunk=chunk, document_digest="", title=title, uri=article, score=0.0,
                    language="en",
                )
            )  # fmt: skip
            self.articles.append(article)
        self._of_text[title + text] = numbers
        return numbers

    def index(self) -> None:
        """Embed everything and count terms."""
        words = [f"{p.title}\n{p.chunk.text}" for p in self.passages]
        self._vectors = self._embedder.embed(words)
        self._postings: dict[str, dict[int, int]] = defaultdict(dict)
        self._lengths = np.zeros(len(words), dtype=np.float32)
        for n, text in enumerate(words):
            terms = _stems(text)
            self._lengths[n] = len(terms)
            for term in terms:
                self._postings[term][n] = self._postings[term].get(n, 0) + 1

    def retrieve(self, question: str, out: frozenset[int], weight: float = 0.6) -> list[int]:
        """Return the numbers of the ``K`` best passages with their scores kept for ``scored``."""
        dense = self._vectors @ self._embedder.embed([question], query=True)[0]
        lexical = self._bm25(question)
        self._dense, self._lexical = dense, lexical
        hidden = list(out)
        candidates = set(np.argsort(-dense)[:200].tolist()) | set(
            np.argsort(-lexical)[:200].tolist()
        )
        chosen = np.array(sorted(candidates - set(hidden)))
        fused = weight * _scale(dense[chosen]) + (1 - weight) * _scale(lexical[chosen])
        order = np.argsort(-fused, kind="stable")[:K]
        self._fused = dict(zip(chosen[order].tolist(), fused[order].tolist(), strict=True))
        return [int(n) for n in chosen[order]]

    def scored(self, n: int) -> Passage:
        """Return a passage with the scores of the last retrieval."""
        scores = {
            "dense": float(self._dense[n]),
            "lexical": float(self._lexical[n]),
            "fused": self._fused[n],
        }
        return self.passages[n].model_copy(update={"score": self._fused[n], "scores": scores})

    def _bm25(self, question: str) -> Array:
        total = len(self.passages)
        scores = np.zeros(total, dtype=np.float32)
        average = float(self._lengths.mean())
        for term in content_terms(question):
            posting = self._postings.get(term)
            if not posting:
                continue
            where = np.fromiter(posting, dtype=np.int64)
            counts = np.fromiter(posting.values(), dtype=np.float32)
            idf = np.log(1 + (total - len(where) + 0.5) / (len(where) + 0.5))
            norm = 0.9 * (1 - 0.4 + 0.4 * self._lengths[where] / average)
            scores[where] += idf * counts * 1.9 / (counts + norm)
        return scores


def _stems(text: str) -> list[str]:
    from rag.text.terms import stems

    return stems(text)


def _scale(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def pieces(text: str) -> Iterator[tuple[int, int]]:
    """Cut a long paragraph at sentence ends into passages of about ``CHARACTERS``."""
    start = end = 0
    for span in sentences(text):
        if span.end - start > CHARACTERS and end > start:
            yield start, end
            start = span.start
        end = span.end
    if end > start:
        yield start, end


# --- the questions ------------------------------------------------------------------------------


def load(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of one set of the data folder."""
    return [row | {"set": name} for row in json_rows(folder / "qa" / f"{name}.jsonl.gz")]


def sample(folder: Path, chooser: random.Random, scale: float) -> tuple[list[Any], list[Any]]:
    """Return rows whose paragraphs are indexed and rows whose articles are not (kind c)."""
    inside, outside = [], []
    amounts = {"squad2-dev-half": 1560, "squad1-train": 900, "qed-train": 540,
               "policyqa-dev": 180, "covidqa": 150}  # fmt: skip
    for name, amount in amounts.items():
        rows = load(folder, name)
        chooser.shuffle(rows)
        if name == "squad1-train":
            titles = sorted({row["title"] for row in rows})
            chooser.shuffle(titles)
            indexed, left_out = set(titles[:60]), set(titles[60:240])
            outside += [row for row in rows if row["title"] in left_out][: int(420 * scale)]
            rows = [row for row in rows if row["title"] in indexed]
        if name == "qed-train":
            outside += rows[-int(240 * scale) :]
            rows = rows[: -int(240 * scale)]
        inside += rows[: int(amount * scale)]
    return inside, outside


def build(folder: Path, embedder: Embedder, scale: float) -> tuple[Corpus, list[Asked]]:
    """Return the indexed corpus and the questions of all four kinds."""
    chooser = random.Random(SEED)
    inside, outside = sample(folder, chooser, scale)
    corpus = Corpus(embedder)
    asked = []
    for row in load(folder, "squad2-dev-half"):
        corpus.add(row["title"], row["context"], row["title"])  # whole articles: real near misses
    for row in inside:
        numbers = corpus.add(row["title"], row["context"], row["title"] or row["id"])
        asked += list(_asked(corpus, row, numbers))
    indexed = set(corpus.articles)
    asked += [
        Asked(row["id"], row["question"], row["title"], "far", _texts(row))
        for row in outside
        if row["title"] not in indexed
    ]
    corpus.index()
    return corpus, [_as_typed(case, chooser) for case in asked]


def _texts(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(answer["text"] for answer in row["answers"])


def _asked(corpus: Corpus, row: dict[str, Any], numbers: list[int]) -> Iterator[Asked]:
    answers, group = _texts(row), row["title"] or row["id"]
    if not row["answerable"]:
        yield Asked(row["id"], row["question"], group, "own", answers)
        return
    spans = []
    for answer in row["answers"]:
        start = answer["start"]
        if start < 0:
            start = row["context"].find(answer["text"])
        for n in numbers:
            chunk = corpus.passages[n].chunk
            if chunk.start <= start and start + len(answer["text"]) <= chunk.end:
                left = start - chunk.start
                spans.append((n, left, left + len(answer["text"])))
    if spans:
        gold = frozenset(numbers)
        yield Asked(row["id"], row["question"], group, "gold", answers, gold, tuple(spans))
        if int(hashlib.sha256(row["id"].encode()).hexdigest(), 16) % 2:
            yield Asked(row["id"] + "-near", row["question"], group, "near", answers, gold)


def _as_typed(case: Asked, chooser: random.Random) -> Asked:
    """Turn a quarter of the questions into what people type: key words, or all in lower case."""
    draw = chooser.random()
    if draw < 0.15:
        kept = [w for w in case.question.rstrip("?").split() if content_terms(w)]
        return replace(case, question=" ".join(kept).lower()) if len(kept) > 1 else case
    if draw < 0.25:
        return replace(case, question=case.question.rstrip("?").lower())
    return case


# --- reading them -------------------------------------------------------------------------------


@dataclass
class Read:
    """A question with its passages, units and features."""

    asked: Asked
    numbers: list[int]
    passages: list[Passage]
    units: list[Unit]
    rows: list[dict[str, float]]
    held: bool

    def labels(self) -> list[int]:
        """Return 1 for units that hold the gold answer, 0 for others, -1 where nobody knows."""
        found = []
        for unit in self.units:
            number = self.numbers[unit.passage]
            gold = any(
                n == number and start < unit.span.end and unit.span.start < end
                for n, start, end in self.asked.spans
            )
            said = any(fold(text) in fold(unit.text) for text in self.asked.answers if text)
            found.append(1 if gold else -1 if said else 0)
        return found


def read_all(corpus: Corpus, asked: Iterable[Asked]) -> list[Read]:
    """Retrieve and compute the features of every question; drop what turns out to be answered."""
    found = []
    for case in asked:
        out = case.gold if case.kind == "near" else frozenset()
        numbers = corpus.retrieve(case.question, out)
        if case.kind == "gold" and not any(n in numbers for n, _, _ in case.spans):
            continue  # the retriever's fault, not the reader's
        passages = [corpus.scored(n) for n in numbers]
        if case.kind in ("near", "far"):
            everything = fold(" ".join(p.chunk.text for p in passages))
            if any(fold(text) in everything for text in case.answers):
                continue
        question = understand(case.question)
        units = [unit for n, passage in enumerate(passages) for unit in units_of(n, passage)]
        rows = sentence_features(question, passages, units)
        held = int(hashlib.sha256(case.group.encode()).hexdigest(), 16) % 10 < 4
        found.append(Read(case, numbers, passages, units, rows, held))
    return found


def add_cosines(read: list[Read], embedder: Cached) -> None:
    """Embed every unit of every question, once a text."""
    embedder.embed(
        [
            in_context(understand(item.asked.question), item.passages[unit.passage], unit)
            for item in read
            for unit in item.units
        ]
    )
    for item in read:
        reader.add_cosines(
            understand(item.asked.question), item.passages, item.units, item.rows, embedder,
            range(len(item.units)),
        )  # fmt: skip


# --- fitting ------------------------------------------------------------------------------------


def fit(
    names: Sequence[str],
    rows: Sequence[dict[str, float]],
    labels: Sequence[int],
    weights: Sequence[float] | None = None,
    strength: float = 1.0,
) -> dict[str, Any]:
    """Return a logistic regression over the named features, folded back to their own units."""
    from sklearn.linear_model import LogisticRegression

    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    middle, spread = matrix.mean(0), matrix.std(0)
    spread[spread == 0] = 1.0
    model = LogisticRegression(C=strength, max_iter=2000)
    model.fit((matrix - middle) / spread, np.array(labels), sample_weight=weights)
    weight = model.coef_[0] / spread
    bias = float(model.intercept_[0] - (weight * middle).sum())
    return {
        "bias": round(bias, 5),
        "weights": {name: round(float(w), 5) for name, w in zip(names, weight, strict=True)},
    }


def use(models: dict[str, Any]) -> None:
    """Put the models in force for the reader's own code, so that later stages build on them."""
    loaded = {name: reader.Model(m["bias"], m["weights"]) for name, m in models.items()}
    reader.models = lambda _: loaded  # type: ignore[assignment]


def fit_sentences(read: list[Read], names: Sequence[str]) -> dict[str, Any]:
    """Fit relevance on the questions that have an answer."""
    rows, labels = [], []
    for item in read:
        if item.asked.kind != "gold":
            continue
        for row, label in zip(item.rows, item.labels(), strict=True):
            if label >= 0:
                rows.append(row)
                labels.append(label)
    print(f"  {len(rows)} sentences, {sum(labels)} with the answer")
    model = fit([name for name in names if name not in BY_HAND], rows, labels, strength=0.01)
    model["weights"] |= {name: BY_HAND[name] for name in names if name in BY_HAND}
    return model


def relevances(item: Read) -> list[float]:
    """Return the relevance of the units as the reader computes it."""
    return [sigmoid(reader.models("")["sentence"].logit(row)) for row in item.rows]


def fit_spans(read: list[Read]) -> dict[str, Any]:
    """Fit the probability that a typed span is the answer."""
    rows, labels = [], []
    for item in read:
        if item.asked.kind != "gold":
            continue
        question, relevance = understand(item.asked.question), relevances(item)
        order = sorted(range(len(relevance)), key=lambda n: -relevance[n])[:6]
        for n in order:
            unit = item.units[n]
            for start, end, row in reader.words_span_features(
                question, item.passages, unit, relevance[n]
            ):
                said = unit.text[start:end]
                rows.append(row)
                labels.append(int(max((f1(said, a) for a in item.asked.answers), default=0) >= 0.6))
    print(f"  {len(rows)} spans, {sum(labels)} right")
    names = [name for name in reader.WORDS_SPAN_FEATURES if not name.startswith("cell")]
    model = fit(names, rows, labels)
    # A cell's log-odds are -7 + 8 · fit + relevance, by hand: there are no tables here.
    slope = 1.0 - model["weights"]["relevance"]
    model["weights"] |= {"cell": -7.0 - model["bias"] - slope, "cell_fit": 8.0}
    return model


def f1(said: str, gold: str) -> float:
    """Return the overlap of words of two answers, articles left out, as SQuAD counts it."""
    left = [w for w in fold(said).split() if w not in ("a", "an", "the")]
    right = [w for w in fold(gold).split() if w not in ("a", "an", "the")]
    common = sum(min(left.count(w), right.count(w)) for w in set(left))
    return 2 * common / (len(left) + len(right)) if common else 0.0


def judge(item: Read, embedder: Cached) -> list[dict[str, float]]:
    """Return the passage features of a question, as the reader computes them."""
    return reader.words_passage_features(
        understand(item.asked.question), item.passages, item.units, relevances(item), embedder
    )


def fit_answerable(read: list[Read], features: list[list[dict[str, float]]]) -> dict[str, Any]:
    """Fit whether a question is answered by its best passage, then calibrate that.

    The pipeline takes the maximum over the passages, so the model is fitted on the passage that it
    finds best itself, in a few rounds (multiple-instance learning, after MI-SVM, Andrews 2003).
    """
    labels = [int(item.asked.kind == "gold") for item in read]
    shares = {"gold": 1.0, "near": 1 / 3, "own": 1 / 3, "far": 1 / 3}
    counts: dict[str, int] = defaultdict(int)
    for item in read:
        counts[item.asked.kind] += 1
    weights = [1000 * shares[item.asked.kind] / counts[item.asked.kind] for item in read]
    chosen = [max(rows, key=lambda row: row["relevance"]) for rows in features]
    for _ in range(6):
        model = fit(reader.WORDS_PASSAGE_FEATURES, chosen, labels, weights, strength=0.3)
        logit = reader.Model(model["bias"], model["weights"]).logit
        chosen = [max(rows, key=logit) for rows in features]
    evidence = [{"evidence": logit(row)} for row in chosen]
    return calibrated(model, fit(["evidence"], evidence, labels, weights, strength=10.0))


def calibrated(model: dict[str, Any], scale: dict[str, Any]) -> dict[str, Any]:
    """Return a model whose log-odds are those of ``scale`` over its own."""
    slope = scale["weights"]["evidence"]
    return {
        "bias": round(slope * model["bias"] + scale["bias"], 5),
        "weights": {name: round(slope * w, 5) for name, w in model["weights"].items()},
    }


# --- figures ------------------------------------------------------------------------------------


def interval(values: Sequence[float], groups: Sequence[str]) -> str:
    """Return the mean with a 95% bootstrap interval over whole groups (articles)."""
    of_group: dict[str, list[float]] = defaultdict(list)
    for value, group in zip(values, groups, strict=True):
        of_group[group].append(value)
    sums = np.array([[sum(v), len(v)] for v in of_group.values()])
    chooser = np.random.default_rng(SEED)
    picks = chooser.integers(0, len(sums), (1000, len(sums)))
    totals = sums[picks].sum(1)
    low, high = np.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
    return f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]"


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return the probability that a positive scores above a negative, ties half."""
    from sklearn.metrics import roc_auc_score

    labels = [1] * len(positive) + [0] * len(negative)
    return float(roc_auc_score(labels, [*positive, *negative]))


def auroc_interval(positive: list[tuple[str, float]], negative: list[tuple[str, float]]) -> str:
    """Return the AUROC with a 95% bootstrap interval over articles."""
    groups = sorted({group for group, _ in positive + negative})
    chooser = np.random.default_rng(SEED)
    by: dict[str, tuple[list[float], list[float]]] = {group: ([], []) for group in groups}
    for side, rows in enumerate((positive, negative)):
        for group, value in rows:
            by[group][side].append(value)
    draws = []
    for _ in range(200):
        picked = [by[groups[n]] for n in chooser.integers(0, len(groups), len(groups))]
        left = [v for pair in picked for v in pair[0]]
        right = [v for pair in picked for v in pair[1]]
        if left and right:
            draws.append(auroc(left, right))
    low, high = np.quantile(draws, [0.025, 0.975])
    value = auroc([v for _, v in positive], [v for _, v in negative])
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def report_sentences(read: list[Read]) -> dict[str, str]:
    """Print and return how often the best and one of the best three sentences hold the answer."""
    figures = {}
    for name, score in (
        ("retrieval order", lambda item: [-float(n) for n in range(len(item.units))]),
        ("cosine", lambda item: [row["cosine"] for row in item.rows]),
        ("words", relevances),
        ("reader", lambda item: [reader.models("")["embedded"].logit(row) for row in item.rows]),
    ):
        tops: dict[int, list[float]] = {1: [], 3: []}
        groups = []
        for item in read:
            if item.asked.kind != "gold" or not item.held:
                continue
            values, labels = score(item), item.labels()
            order = sorted(range(len(values)), key=lambda n: -values[n])
            groups.append(item.asked.group)
            for k, hits in tops.items():
                hits.append(float(any(labels[n] == 1 for n in order[:k])))
        for k, hits in tops.items():
            figures[f"{name} top-{k}"] = interval(hits, groups)
            print(f"  sentence, {name:16} top-{k} {figures[f'{name} top-{k}']}")
    return figures


def report_answerable(read: list[Read], confidence: list[float]) -> tuple[float, dict[str, str]]:
    """Print AUROC by kind and the operating point; return the threshold and the figures."""
    fitted = [(i, c) for i, c in zip(read, confidence, strict=True) if not i.held]
    held = [(i, c) for i, c in zip(read, confidence, strict=True) if i.held]
    threshold = float(np.quantile([c for i, c in fitted if i.asked.kind == "gold"], 0.14))
    figures = {}
    of = {
        kind: [(i.asked.group, c) for i, c in held if i.asked.kind == kind]
        for kind in ("gold", "near", "own", "far")
    }
    every = of["near"] + of["own"] + of["far"]
    for kind, rows in [*list(of.items())[1:], ("all", every)]:
        figures[f"AUROC {kind}"] = auroc_interval(of["gold"], rows)
        print(f"  AUROC against {kind:5} {figures[f'AUROC {kind}']}  ({len(rows)})")
    for at in (threshold, *sorted(OPERATING_POINTS.values()), 0.2, 0.3, 0.5):
        parts = []
        for kind, rows in of.items():
            share = interval([float(c < at) for _, c in rows], [g for g, _ in rows])
            parts.append(f"{kind} {share}")
            if at == threshold:
                figures[f"abstained {kind}"] = share
        print(f"  abstaining below {at:.3f}: " + " · ".join(parts))
    labels = [float(i.asked.kind == "gold") for i, _ in held]
    report_calibration([c for _, c in held], labels)
    return threshold, figures


def report_calibration(confidence: list[float], labels: list[float]) -> None:
    """Print, for each tenth of the confidence, how often the question has an answer."""
    order = np.argsort(confidence)
    for part in np.array_split(order, 8):
        stated = np.mean([confidence[n] for n in part])
        true = np.mean([labels[n] for n in part])
        print(f"    confidence {stated:.2f}: answerable {true:.2f} (n={len(part)})")
    ranked = sorted(zip(confidence, labels, strict=True), reverse=True)
    parts = []
    for share in (0.25, 0.5, 0.75, 1.0):
        kept = [label for _, label in ranked[: int(share * len(ranked))]]
        parts.append(f"{share:.0%}: {1 - np.mean(kept):.3f}")
    print("    risk (share unanswerable) at coverage " + ", ".join(parts))


def main() -> int:
    """Fit, report, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"), type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the questions to use")
    parser.add_argument("--out", type=Path, default=Path(reader.__file__).with_name("reading.json"))
    options = parser.parse_args()
    data = data_folder(options.data, "qa/*.jsonl.gz")
    from rag.models.embedder import load_embedder
    from rag.settings import Settings

    write(options.out, run(data, load_embedder(Settings().models), options.scale))
    return 0


def run(data: Path, embedder: Embedder, scale: float = 1.0) -> dict[str, Any]:
    """Do everything but writing."""
    began = time.perf_counter()
    cached = Cached(embedder)
    corpus, asked = build(data, cached, scale)
    print(f"{len(corpus.passages)} passages, {len(asked)} questions")
    read = read_all(corpus, asked)
    add_cosines(read, cached)
    kinds = {k: sum(i.asked.kind == k for i in read) for k in ("gold", "near", "own", "far")}
    print(f"read {kinds}, {time.perf_counter() - began:.0f} s")
    return fit_all(read, cached, kinds)


def fit_all(read: list[Read], embedder: Cached, kinds: dict[str, int]) -> dict[str, Any]:
    """Fit the four models one on the other and report on the articles held apart."""
    fitted = [item for item in read if not item.held]
    models: dict[str, Any] = {
        "sentence": fit_sentences(fitted, WORDS_SENTENCE_FEATURES),
        "embedded": fit_sentences(fitted, (*COSINES, *WORDS_SENTENCE_FEATURES)),
    }
    use(models)
    figures = report_sentences(read)
    models["span"] = fit_spans(fitted)
    features = [judge(item, embedder) for item in read]
    chosen = [f for f, item in zip(features, read, strict=True) if not item.held]
    models["passage"] = fit_answerable(fitted, chosen)
    use(models)
    logit = reader.models("")["passage"].logit
    confidence = [sigmoid(max(logit(row) for row in rows)) for rows in features]
    threshold, more = report_answerable(read, confidence)
    return {
        "command": "python eval/fit_reading.py DATA",
        "data": {name: LICENCES[name] for name in SETS},
        "embedder": embedder.identity,
        "seed": SEED,
        "questions": kinds,
        "figures": figures | more,
        "abstain_below": round(threshold, 3),
        "models": models,
    }


def write(path: Path, result: dict[str, Any]) -> None:
    """Write the weights with where they come from."""
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
