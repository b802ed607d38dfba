"""``rag train reader --corpus``: the reader trained further on a user's own questions and answers.

Four fifths of the questions teach, by whole documents; the rest decide whether it has become
better, with a paired test of F1 per question. Imports torch.
"""

from __future__ import annotations

import json
import math
import random
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rag.errors import DataError, UsageError
from rag.evaluate.datasets import QaRow, read_rows
from rag.evaluate.qa import KIND, measures
from rag.evaluate.runs import columns
from rag.evaluate.statistics import Difference, differences
from rag.models.cross_encoder import MODEL_FILE, CrossEncoder
from rag.models.embedder import load_embedder
from rag.models.runtime import read_tokenizer, sigmoid
from rag.settings import Settings
from rag.train.base import load_start
from rag.train.encoder import packaged
from rag.train.examples import (
    Chunks,
    Example,
    Question,
    from_question,
    hard_negatives,
    question_of,
    second_text,
)
from rag.train.loop import CHECKPOINT, Log
from rag.train.reader import (
    QUESTION_CHARACTERS,
    Plan,
    ReaderModel,
    encode,
    export_reader,
    new_model,
    train,
)
from rag.types import digest_of

if TYPE_CHECKING:
    from rag.protocols import Embedder

PLAN = Plan(learning_rate=3e-5, epochs=2.0, frozen_layers=2)
"""Gentler than the first training: what the reader can do already is to stay."""

HELD = 0.2
_TELLING = 6
"""Contexts from which a paired test can find a difference at all: 2 / 2^6 is less than .05."""

_FILES = ("questions.jsonl", "questions.jsonl.gz")


@dataclass(frozen=True)
class Corpus:
    """The questions of a folder: those that teach and those that decide, of other documents.

    ``unplaced`` counts the answerable ones that teach nothing, as nobody says where the answer is.
    """

    learnt: tuple[QaRow, ...]
    held: tuple[QaRow, ...]
    digest: str
    taught: tuple[Question, ...]
    unplaced: int


def train_on_corpus(
    corpus: Path,
    out: Path,
    *,
    start: Path | None = None,
    install: Path | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    device: str = "cpu",
    threads: int | None = None,
    base: Path | None = None,
    log: Log = print,
) -> dict[str, Any]:
    """Train a finished reader further, export and measure it; install it if it is better.

    ``start`` is the checkpoint or exported graph to begin with, by default the checkpoint of
    ``out``; ``base`` the folder of its encoder, by default all-MiniLM-L6-v2. An interrupted run is
    gone on with. Raises UsageError where there is nothing to begin with, DataError for faults of
    the questions.
    """
    first = start or out / CHECKPOINT
    if not first.is_file():
        raise UsageError(
            f"there is no reader to begin with at {first}: name the shipped one with --from "
            "built-in, or the checkpoint of a finished run with --from CHECKPOINT"
        )
    if threads:
        torch.set_num_threads(threads)
    embedder = load_embedder(Settings().models)
    found = read_corpus(corpus, embedder.count_tokens)
    log(f"{len(found.learnt)} questions to learn from, {len(found.held)} held apart")
    plan = replace(PLAN, epochs=epochs or PLAN.epochs)
    folder = base or packaged()
    model = new_model(folder, plan)
    load_start(model, first)
    # Another start, other questions or another plan are another run.
    begun = digest_of(found.digest, json.dumps(asdict(plan)), str(first.stat().st_mtime_ns))
    own = out / f"corpus-{begun[:8]}"
    own.mkdir(parents=True, exist_ok=True)
    before = _exported(model, own / "before", again=False)
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    examples = _examples(found.taught, embedder, plan.seed)
    encoded = encode(examples, tokenizer)
    done = train(model, encoded, plan, own, device=device, log=log, minutes=minutes)
    result: dict[str, Any] = {
        "done": done,
        "plan": asdict(plan),
        "questions": {"learnt": len(found.learnt), "held": len(found.held),
                      "without_place": found.unplaced},
        "examples": len(examples),
    }  # fmt: skip
    if not done:
        return result
    after = _exported(model, own)
    gaps = _compared(found.held, before, after, embedder.count_tokens)
    better = gaps[KIND.primary].better is True
    result |= {
        "weights": str(own / MODEL_FILE),
        "figures": {n: gap.before_and_after for n, gap in gaps.items() if gap.a is not None},
        "better": better,
        "installed": str(install) if install and better else None,
    }
    if install and better:
        _install(own / MODEL_FILE, install)
    result["said"] = _said(gaps[KIND.primary], found.held, own, install)
    (own / "figures.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return result


def read_corpus(folder: Path, count_tokens: Callable[[str], int]) -> Corpus:
    """Read ``questions.jsonl`` and hold whole documents apart. Raises DataError.

    A document is what has one title; where that leaves too few, what has one context.
    """
    file = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if file is None:
        raise DataError(f"there is no {_FILES[0]} in {folder}")
    read = read_rows(file, QaRow)
    learnt, held = _split(file, read.rows)
    chunks = Chunks(count_tokens)
    taught = [question_of(_row(row), "corpus", _document(row), chunks) for row in learnt]
    placed = [question for question in taught if question is not None]
    if not any(question.answerable for question in placed):
        raise DataError(f"{file} has no question whose answer is in its context: none to learn")
    return Corpus(learnt, held, read.digest, tuple(placed), len(taught) - len(placed))


def _split(file: Path, rows: Sequence[QaRow]) -> tuple[tuple[QaRow, ...], tuple[QaRow, ...]]:
    for key in (_document, _context):
        groups: dict[str, list[QaRow]] = defaultdict(list)
        for row in rows:
            groups[key(row)].append(row)
        if len(groups) >= 1 / HELD:
            break
    if len(groups) < 2:
        raise DataError(
            f"{file} has questions on one context only: a second one is needed to measure on"
        )
    wanted = HELD * len(rows)
    held: set[str] = set()
    count = 0
    for name in sorted(groups, key=lambda name: digest_of("held", name)):
        # A document with half of the questions is one to learn from.
        if count + len(groups[name]) <= 1.25 * wanted:
            held.add(name)
            count += len(groups[name])
        if count >= wanted:
            break
    held = held or {min(groups, key=lambda name: (len(groups[name]), name))}
    kept = tuple(row for row in rows if key(row) in held)
    texts = {row.context for row in kept}
    return tuple(row for row in rows if key(row) not in held and row.context not in texts), kept


def _document(row: QaRow) -> str:
    return f"title {row.title}" if row.title.strip() else _context(row)


def _context(row: QaRow) -> str:
    return f"context {digest_of(row.context)}"


def _row(row: QaRow) -> dict[str, Any]:
    """A row as the training sets have it: with all places of an answer, where none is given."""
    places = [re.finditer(f"(?={re.escape(answer.text)})", row.context) for answer in row.answers]
    answers = [
        {"text": answer.text, "start": answer.start, "starts": [m.start() for m in found]}
        for answer, found in zip(row.answers, places, strict=True)
    ]
    return {**row.model_dump(), "answers": answers}


def _examples(questions: Sequence[Question], embedder: Embedder, seed: int) -> list[Example]:
    """Each question with its chunk, and with one near it that does not answer it."""
    random_ = random.Random(seed)
    found = [from_question(question, random_) for question in questions]
    answerable = [question for question in questions if question.answerable]
    found += hard_negatives(answerable, embedder, random_, len(answerable))
    random_.shuffle(found)
    return found


def _exported(model: ReaderModel, folder: Path, *, again: bool = True) -> CrossEncoder:
    folder.mkdir(parents=True, exist_ok=True)
    if again or not (folder / MODEL_FILE).exists():
        export_reader(model, folder / f"{MODEL_FILE}.new")
        (folder / f"{MODEL_FILE}.new").replace(folder / MODEL_FILE)
    return CrossEncoder(weights=folder)


# Before and after


def _compared(
    rows: Sequence[QaRow],
    before: CrossEncoder,
    after: CrossEncoder,
    count_tokens: Callable[[str], int],
) -> dict[str, Difference]:
    """The paired differences of every measure of ``rag eval qa``, after less before."""
    one, other = (
        columns([{"measures": m} for m in _measured(rows, encoder, count_tokens)], KIND.columns)
        for encoder in (before, after)
    )
    numbers: dict[str, int] = {}
    groups = [numbers.setdefault(_context(row), len(numbers)) for row in rows]
    return differences(KIND.metrics, KIND.primary, one, other, groups, seed=0)


def _measured(
    rows: Sequence[QaRow], encoder: CrossEncoder, count_tokens: Callable[[str], int]
) -> list[dict[str, float]]:
    """Read each context chunk by chunk; the best span answers, if it beats "not here"."""
    chunks = Chunks(count_tokens)
    texts = [
        [
            second_text(row.title, row.context[start:end])
            for start, end in chunks.of(row.title, row.context) or [(0, len(row.context))]
        ]
        for row in rows
    ]
    pairs = [
        (row.question[:QUESTION_CHARACTERS], text)
        for row, of_row in zip(rows, texts, strict=True)
        for text, _ in of_row
    ]
    judged = iter(encoder.judge(pairs))
    found = []
    for row, of_row in zip(rows, texts, strict=True):
        best, guess = -math.inf, ""
        for text, prefix in of_row:
            span = next(judged).best(prefix, len(text))
            if span is not None and span[2] > best:
                best, guess = span[2], text[span[0] : span[1]]
        given = guess if best >= 0 else ""
        found.append(measures(row, given, guess, sigmoid(best)))
    return found


def _said(gap: Difference, held: Sequence[QaRow], own: Path, install: Path | None) -> str:
    texts = len({row.context for row in held})
    figures = f"F1 on {len(held)} held-out questions of {texts} contexts: "
    if gap.a is None or gap.b is None or gap.difference is None:
        return f"{figures}none has an answer to compare with. Nothing was replaced."
    figures += f"{gap.a:.3f} before, {gap.b:.3f} after, difference {gap.difference:+.3f}"
    if gap.interval is not None:
        figures += f", 95% interval {gap.interval[0]:+.3f} to {gap.interval[1]:+.3f}"
    if gap.better is True:
        done = "Installed. " if install else ""
        return f'{figures}. It is better. {done}To use it: models.reader = "{install or own}"'
    found = "It is worse" if gap.better is False else "No difference is visible"
    if texts < _TELLING:
        found = f"Fewer than {_TELLING} contexts cannot tell"
    return f"{figures}. {found}: nothing was replaced."


def _install(weights: Path, folder: Path) -> None:
    """Put the weights in place at one stroke: the old ones or the new ones are there."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{MODEL_FILE}.new"
    shutil.copyfile(weights, fresh)
    fresh.replace(folder / MODEL_FILE)
