"""Fit what the reader makes of the cross-encoder: ``python eval/fit_cross_reading.py [DATA]``.

The same questions over the same index as in fit_reading.py, but only from articles that neither the
cross-encoder nor (for the figures) this fit has seen; and questions that people asked of documents,
as the pipeline finds passages for them: ``--asked INDEX QUESTIONS``, once for the manuals of
eval/manuals/tune.jsonl and once for the sample corpus with eval/questions/dev.jsonl.
Writes ``rag/answer/cross_reading.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from common import data_folder
from fit_reading import (
    LICENCES,
    SEED,
    SETS,
    Asked,
    Cached,
    Corpus,
    Read,
    _as_typed,
    _asked,
    _texts,
    calibrated,
    f1,
    fit,
    interval,
    load,
    read_all,
    report_answerable,
)

from rag.answer import reader
from rag.answer.features import sentence_features, units_of
from rag.answer.question import Question, understand
from rag.answer.reader import Answers, Model, Study
from rag.evaluate.answers import locate_evidence
from rag.evaluate.datasets import Case, read_rows
from rag.models.cross_encoder import MODEL_FILE, CrossEncoder, Judge, Judged
from rag.models.embedder import load_embedder
from rag.models.runtime import sigmoid
from rag.pipeline.answering import follows_up, with_the_talk, with_whole_lists
from rag.pipeline.pipeline import Pipeline
from rag.settings import Settings
from rag.train.examples import held
from rag.types import Filter, digest_of

OUT = Path(reader.__file__).with_name("cross_reading.json")
ASKED = "asked"
_LOOKED = 1200  # questions on articles


@dataclass
class Seen:
    """A question with all that was computed once; ``held`` is apart from this fit too."""

    read: Read
    question: Question
    study: Study
    judged: dict[int, Judged]
    found: reader.Signals
    looks: dict[int, dict[str, float]] = field(default_factory=dict)

    def labels(self) -> list[int]:
        """Return 1 for units with the gold answer, 0 for others, -1 where nobody knows."""
        return self.read.labels()


def apart(row: dict[str, Any]) -> bool:
    """Tell whether the cross-encoder has seen nothing of the article of a row."""
    article = row["title"] or row.get("doc_id") or digest_of(row["context"])
    tenths = 3 if row["set"] == "squad2-dev-half" else 1
    return held(f"{row['set']}/{article}", tenths=tenths)


def build(folder: Path, embedder: Cached, scale: float) -> tuple[Corpus, list[Asked]]:
    """Return the indexed corpus and questions: gold, near, own and far as in fit_reading.py."""
    chooser = random.Random(SEED)
    corpus = Corpus(embedder)
    for row in load(folder, "squad2-dev-half"):
        corpus.add(row["title"], row["context"], row["title"])  # whole articles: real near misses
    amounts = {"squad2-dev-half": 1800, "squad1-train": 1500, "qed-train": 600,
               "policyqa-dev": 200, "covidqa": 150}  # fmt: skip
    asked: list[Asked] = []
    outside: list[dict[str, Any]] = []
    for name, amount in amounts.items():
        rows = [row for row in load(folder, name) if apart(row)]
        chooser.shuffle(rows)
        if name == "squad1-train":
            titles = sorted({row["title"] for row in rows})
            chooser.shuffle(titles)
            left_out = set(titles[: len(titles) // 4])
            outside += [row for row in rows if row["title"] in left_out][: int(450 * scale)]
            rows = [row for row in rows if row["title"] not in left_out]
            for row in rows:
                corpus.add(row["title"], row["context"], row["title"])
        if name == "qed-train":
            cut = int(150 * scale)
            outside, rows = outside + rows[:cut], rows[cut:]
        for row in rows[: int(amount * scale)]:
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


def as_asked(index: Path, questions: Path, settings: Settings) -> list[Read]:
    """The questions of a set, with what the pipeline finds for them."""
    found = []
    with Pipeline.open(index, settings=settings) as pipeline:
        for case in read_rows(questions, Case).rows:
            text = case.question
            if case.history:
                text = pipeline.rewriter.rewrite(case.history, case.question)
            ranked = pipeline.search(text)
            if follows_up(case.question, text, case.history):
                ranked = with_the_talk(pipeline, case.question, case.history, ranked, Filter())
            passages = with_whole_lists(pipeline, ranked)
            gold, _ = locate_evidence(case, pipeline)
            spans = tuple(
                (n, start - passage.chunk.start, end - passage.chunk.start)
                for n, passage in enumerate(passages)
                for document, places in gold
                for start, end in places
                if document == passage.chunk.document_id
            )
            kind = "gold" if case.answerable else "own"
            asked = Asked(case.id, text, ASKED, kind, case.answers, frozenset(), spans)
            units = [unit for n, one in enumerate(passages) for unit in units_of(n, one)]
            rows = sentence_features(understand(text), passages, units)
            found.append(Read(asked, [*range(len(passages))], passages, units, rows, held=False))
    return found


def seen_all(read: Sequence[Read], judge: Judge, embedder: Cached) -> list[Seen]:
    """Run the cross-encoder over the passages of every question."""
    found = []
    for item in read:
        # Only five articles of SQuAD 2.0 are left: this split has some of them on both sides.
        item.held = item.asked.group != ASKED and held(f"reading/{item.asked.group}", tenths=4)
        question = understand(item.asked.question)
        study = reader.read_words(question, item.passages, embedder)
        judged = reader.judged(judge, question, item.passages)
        if not judged:
            continue  # taken for another language: the other reader's
        found_, _ = reader.signals_of(question, item.passages, study, judged)
        found.append(Seen(item, question, study, judged, found_))
    return found


def look(item: Seen, judge: Judge) -> Seen:
    """The question after the second look, with the models that are in force for the first."""
    passages = item.read.passages
    near = reader.nearer(relevances(item), item.study.units, passages)
    study = replace(item.study, relevance=near)
    looks = reader.look_features(judge, item.question, passages, study, item.judged)
    return replace(item, study=study, looks=looks)


def use(models: dict[str, Any]) -> None:
    """Put the models in force for the reader's own code, so that later stages build on them."""
    loaded = {name: Model(m["bias"], m["weights"]) for name, m in models.items()}
    reader.models = lambda _: loaded  # type: ignore[assignment]


def relevances(item: Seen) -> list[float]:
    """Return the relevance of the units as the reader computes it."""
    relevance = list(item.study.relevance)
    for n, row in item.found.rows.items():
        relevance[n] = sigmoid(reader.models("")["sentence"].logit(row))
    return relevance


def fit_sentences(items: Sequence[Seen]) -> dict[str, Any]:
    """Fit relevance on the questions that have an answer."""
    pairs = [
        (row, label)
        for item in items
        if item.read.asked.kind == "gold"
        for labels in [item.labels()]
        for n, row in item.found.rows.items()
        if (label := labels[n]) >= 0
    ]
    rows, labels = zip(*pairs, strict=True)
    print(f"  {len(rows)} sentences, {sum(labels)} with the answer")
    return fit(reader.SENTENCE_FEATURES, rows, labels, strength=0.1)


def fit_spans(items: Sequence[Seen]) -> dict[str, Any]:
    """Fit the probability that the best span of a sentence is the answer."""
    rows, labels = [], []
    for item in items:
        if _sort(item) != "gold":
            continue
        relevance = relevances(item)
        for n in sorted(item.found.spans, key=lambda n: -relevance[n])[:6]:
            rows.append(
                reader.span_features(
                    item.question, item.read.passages, item.study, item.found, relevance, n
                )
            )
            said = _words(item, n)
            labels.append(int(max((f1(said, a) for a in item.read.asked.answers), default=0) > 0.6))
    print(f"  {len(rows)} spans, {sum(labels)} right")
    return fit(reader.SPAN_FEATURES, rows, labels)


def _words(item: Seen, n: int) -> str:
    start, end = item.found.spans[n]
    return item.read.passages[item.study.units[n].passage].chunk.text[start:end]


def answers_of(item: Seen) -> tuple[list[float], Answers]:
    """Return relevance and answers as the reader computes them."""
    relevance = relevances(item)
    return relevance, reader.answers_of(
        item.question, item.read.passages, item.study, item.found, relevance
    )


def fit_look(items: Sequence[Seen]) -> dict[str, Any]:
    """Fit the relevance of the best units, each read again alone under its place."""
    rows, labels, weights = [], [], []
    many = sum(item.read.asked.group != ASKED for item in items) / max(1, len(items))
    for item in items:
        if item.read.asked.kind != "gold":
            continue
        known = item.labels()
        pairs = [(row, known[n]) for n, row in item.looks.items() if known[n] >= 0]
        rows += [row for row, _ in pairs]
        labels += [label for _, label in pairs]
        weights += [1 - many if item.read.asked.group != ASKED else many] * len(pairs)
    print(f"  {len(rows)} units looked at, {sum(labels)} with the answer")
    return fit(reader.LOOK_FEATURES, rows, labels, weights, strength=0.1)


def passages_of(item: Seen) -> list[dict[str, float]]:
    """Return the features of each passage of a question."""
    return [
        reader.passage_features(n, item.read.passages[n], item.study, item.found, item.looks)
        for n in item.judged
    ]


def answered(item: Seen) -> int:
    """Tell whether the best unit of all holds the answer."""
    relevance = reader.after_look(item.study, item.looks)
    best = max(range(len(relevance)), key=relevance.__getitem__)
    return int(item.read.asked.kind == "gold" and item.labels()[best] != 0)


def fit_answerable(items: Sequence[Seen]) -> dict[str, Any]:
    """Fit whether what is shown of the best passage answers, then calibrate; see fit_reading.py.

    Questions that people asked of documents count as much as all others, in the share that they
    asked them in; of the others, half have an answer.
    """
    labels = [answered(item) for item in items]
    counts: dict[str, int] = defaultdict(int)
    sort = [_sort(item) for item in items]
    for one in sort:
        counts[one] += 1
    shares = {"gold": 1 / 2, "near": 1 / 6, "own": 1 / 6, "far": 1 / 6, ASKED: 1.0}
    weights = [1000 * shares[one] / counts[one] for one in sort]
    features = [passages_of(item) for item in items]
    chosen = [max(rows, key=lambda row: row["look"]) for rows in features]
    for _ in range(6):
        model = fit(reader.PASSAGE_FEATURES, chosen, labels, weights, strength=0.3)
        logit = Model(model["bias"], model["weights"]).logit
        chosen = [max(rows, key=logit) for rows in features]
    evidence = [{"evidence": logit(row)} for row in chosen]
    return calibrated(model, fit(["evidence"], evidence, labels, weights, strength=10.0))


def _sort(item: Seen) -> str:
    asked = item.read.asked
    return ASKED if asked.group == ASKED else asked.kind


def report_reading(items: Sequence[Seen]) -> dict[str, str]:
    """Print how often the best sentence is right and what the best span is worth."""
    figures = {}
    of_gold = [item for item in items if item.read.asked.kind == "gold" and item.read.held]
    groups = [item.read.asked.group for item in of_gold]
    tops: dict[int, list[float]] = {1: [], 3: []}
    scores: list[float] = []
    short: list[tuple[float, float, str]] = []
    for item in of_gold:
        relevance, answers = answers_of(item)
        labels = item.labels()
        order = sorted(range(len(relevance)), key=lambda n: -relevance[n])
        for k, hits in tops.items():
            hits.append(float(any(labels[n] == 1 for n in order[:k])))
        spans = [(p, n, s, e) for n, found in answers.items() for s, e, p in found]
        if spans:
            p, n, start, end = max(spans)
            said = item.read.passages[n].chunk.text[start:end]
            scores.append(max((f1(said, a) for a in item.read.asked.answers), default=0.0))
            short.append((p, scores[-1], item.read.asked.group))
        else:
            scores.append(0.0)
    for k, hits in tops.items():
        figures[f"sentence top-{k}"] = interval(hits, groups)
    figures["best span F1, of eight passages"] = interval(scores, groups)
    for at in (0.2, 0.3, 0.4, 0.5, 0.6):
        kept = [(float(score > 0.6), group) for p, score, group in short if p >= at]
        if kept:
            share = interval(*map(list, zip(*kept, strict=True)))
            figures[f"spans from {at}"] = f"right {share} of {len(kept)}/{len(short)}"
    for name, figure in figures.items():
        print(f"  {name}: {figure}")
    return figures


def run(
    data: Path, weights: Path | None, scale: float, sets: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Do everything but writing."""
    began = time.perf_counter()
    settings = Settings()
    if weights:
        models = settings.models.model_copy(update={"reader": str(weights)})
        settings = settings.model_copy(update={"models": models})
    embedder = load_embedder(settings.models)
    cached = Cached(embedder)
    corpus, asked = build(data, cached, scale)
    print(f"{len(corpus.passages)} passages, {len(asked)} questions")
    read = read_all(corpus, asked)
    for index, questions in sets:
        read += as_asked(Path(index), Path(questions), settings)
    encoder = CrossEncoder(weights=weights)
    judge = Judge(encoder)
    items = seen_all(read, judge, cached)
    kinds = {k: sum(i.read.asked.kind == k for i in items) for k in ("gold", "near", "own", "far")}
    print(f"read {kinds}, {time.perf_counter() - began:.0f} s")
    return fit_all(items, judge, encoder.identity, kinds, scale)


def fit_all(
    items: list[Seen], judge: Judge, identity: str, kinds: dict[str, int], scale: float
) -> dict[str, Any]:
    """Fit the three models one on the other and report on the articles held apart."""
    fitted = [item for item in items if not item.read.held]
    models: dict[str, Any] = {"sentence": fit_sentences(fitted)}
    use(models)
    models["span"] = fit_spans(fitted)
    use(models)
    figures = report_reading(items)
    # A second look is slow: enough of the questions for two small models, and for their figures.
    of_people = [item for item in items if _sort(item) == ASKED]
    others = [item for item in items if _sort(item) != ASKED]
    some = others[:: max(1, len(others) // _LOOKED)]
    items = [look(item, judge) for item in [*some, *of_people]]
    fitted = [item for item in items if not item.read.held]
    models["look"] = fit_look(fitted)
    use(models)
    models["passage"] = fit_answerable(fitted)
    use(models)
    rated = [answered(item) for item in items if _sort(item) == ASKED]
    print(f"  asked by people, fitted on: best unit right {sum(rated) / max(1, len(rated)):.3f}")
    logit = reader.models("")["passage"].logit
    confidence = [
        sigmoid(
            max(logit(row) for row in passages_of(item))
            - reader.PENALTY * reader.lacking(item.question, item.read.passages)
        )
        for item in items
    ]
    threshold, more = report_answerable([item.read for item in items], confidence)
    return {
        "command": "python eval/fit_cross_reading.py DATA --asked INDEX QUESTIONS … "
        f"--scale {scale}",
        "data": {name: LICENCES[name] for name in SETS}
        | dict.fromkeys(("eval/manuals/tune.jsonl", "eval/questions/dev.jsonl"), "this project"),
        "cross_encoder": identity,
        "seed": SEED,
        "questions": kinds,
        "figures": figures | more,
        "abstain_below": round(threshold, 3),
        "models": models,
    }


def main() -> int:
    """Fit, report, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"), type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the questions to use")
    parser.add_argument(
        "--asked", nargs=2, action="append", required=True, metavar=("INDEX", "QUESTIONS")
    )
    parser.add_argument("--weights", type=Path, help=f"folder of {MODEL_FILE}; as shipped if unset")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    data = data_folder(options.data, "qa/*.jsonl.gz")
    result = run(data, options.weights, options.scale, options.asked)
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
