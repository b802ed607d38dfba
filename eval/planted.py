"""Plant nine regressions, three each in ranking, reading and the checker: does the suite see them?

    python eval/planted.py FOLDER [--only NAME] [--clean N]

FOLDER keeps an index of the sample and every run, so that the next call goes on where this one
ended, and what the reader's model and the embedder said of a text, which no fault here changes.
Each fault is planted by its real means, a setting or a stage that errs, in a size that slips
through a review, and is then measured by ``eval/suite.toml`` as any change would be. ``--clean``
runs unchanged code N times, each time with something else that does vary: threads, a busy machine,
an index built anew, a drawn or extended question set. Exit status 5: a fault got through, or
unchanged code raised an alarm.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import shelve
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from rag import Pipeline
from rag.answer import reader
from rag.evaluate.runs import Run
from rag.evaluate.suite import Evaluation, Outcome, Suite, judge, measure, read_suite
from rag.ground import checker
from rag.models import support
from rag.models.cross_encoder import CrossEncoder
from rag.models.embedder import BuiltInEmbedder
from rag.models.runtime import sigmoid
from rag.retrieve import rank
from rag.settings import Settings
from rag.types import Passage

HERE = Path(__file__).parent
CORPUS = HERE.parent / "corpora" / "wrenhaven"

Planting = Callable[[ExitStack], object]


@dataclass(frozen=True)
class Fault:
    """What is planted, where, and how: by settings or by patching a stage."""

    name: str
    where: str
    said: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    plant: Planting = lambda _: None


# Ranking


def _model_unheard(stack: ExitStack) -> None:
    """The reranker's model has no weight in the blend."""
    numbers = deepcopy(dict(rank.model()))
    for blend in numbers["blend"].values():
        blend["relevance"] = 0.0
    stack.enter_context(patch.object(rank, "model", lambda: numbers))


def _coarse(stack: ExitStack) -> None:
    """Scores are rounded to one decimal and equals stand in the reverse order."""
    right = rank.LearnedReranker.rerank

    def rerank(
        self: rank.LearnedReranker, question: str, passages: Sequence[Passage], k: int
    ) -> list[Passage]:
        found = right(self, question, passages, k)[::-1]
        return sorted(found, key=lambda passage: -round(passage.score, 1))

    stack.enter_context(patch.object(rank.LearnedReranker, "rerank", rerank))


# Reading


def _noisy_units(stack: ExitStack) -> None:
    """Noise of one unit of log-odds on what the reader thinks of each sentence."""
    right = reader.after_look
    chance = np.random.default_rng(7)

    def after_look(study: reader.Study, looks: Mapping[int, Mapping[str, float]]) -> list[float]:
        found = right(study, looks)
        noise = chance.normal(0.0, 1.0, len(found))
        return [sigmoid(reader.logit(p) + e) for p, e in zip(found, noise, strict=True)]

    stack.enter_context(patch.object(reader, "after_look", after_look))


def _shifted_spans(stack: ExitStack) -> None:
    """Answers stand four characters further right than the reader found them."""
    right = reader.Study.readings

    def readings(self: reader.Study, passages: Sequence[Passage]) -> list[Passage]:
        found = []
        for passage in right(self, passages):
            assert passage.reading is not None
            last = len(passage.chunk.text)
            moved = tuple(
                (start + 4, min(end + 4, last), p)
                for start, end, p in passage.reading.answers
                if start + 4 < last
            )
            reading = passage.reading.model_copy(update={"answers": moved})
            found.append(passage.model_copy(update={"reading": reading}))
        return found

    stack.enter_context(patch.object(reader.Study, "readings", readings))


# The checker


def _deaf_to_contradictions(stack: ExitStack) -> None:
    """What contradicts a claim counts nothing; only what does not say it does."""
    right = checker.Reading.features.fget  # type: ignore[attr-defined]

    def features(self: checker.Reading) -> dict[str, float]:
        supported, _, silent, _ = self.logs
        return {**right(self), "odds": supported - silent, "contradicted": 0.0}

    stack.enter_context(patch.object(checker.Reading, "features", property(features)))


_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w’'-]+")


def _blind_to_names(stack: ExitStack) -> None:
    """Names within a sentence are all the same to the model."""
    right = support.as_read
    stack.enter_context(patch.object(support, "as_read", lambda text: _NAME.sub("X", right(text))))


def _generous(stack: ExitStack) -> None:
    """Support has one unit of log-odds more than was fitted."""
    fitted = checker.Weights.read()
    more = fitted.model_copy(update={"bias": fitted.bias + 1.0})
    stack.enter_context(patch.object(checker, "_shipped", lambda: more))


FAULTS = (
    Fault("no-model", "ranking", "the reranker's model has no weight", plant=_model_unheard),
    Fault("no-lexical", "ranking", "the lexical side is off", {"retrieve": {"dense_weight": 1.0}}),
    Fault("coarse", "ranking", "scores of one decimal, equals reversed", plant=_coarse),
    Fault("noise", "reading", "noise of 1 on the log-odds of sentences", plant=_noisy_units),
    Fault(
        "threshold", "reading", "abstains under .3, not .14", {"answer": {"abstain": "cautious"}}
    ),
    Fault("shift", "reading", "answer spans four characters to the right", plant=_shifted_spans),
    Fault("deaf", "checker", "contradictions are ignored", plant=_deaf_to_contradictions),
    Fault("names", "checker", "names are ignored", plant=_blind_to_names),
    Fault("generous", "checker", "support inflated by 1 in log-odds", plant=_generous),
)


# What varies though the code is the same


@dataclass(frozen=True)
class Unchanged:
    """A run of unchanged code: what is other than when the good run was made.

    ``drawn`` is the share of the questions that are drawn anew; ``extended`` has it that the good
    run is over the drawn ones, and that all are asked now.
    """

    said: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    busy: bool = False
    anew: bool = False
    drawn: float = 1.0
    extended: bool = False


def unchanged(count: int, share: float) -> list[Unchanged]:
    """So many runs of unchanged code; all but the first over a share of the rows."""
    one, four = ({"models": {"threads": n}} for n in (1, 4))
    parts = [
        Unchanged("one thread", one, drawn=share),
        Unchanged("four threads", four, drawn=share),
        Unchanged("a busy machine", busy=True, drawn=share),
        Unchanged("an index built anew", anew=True, drawn=share),
        Unchanged("other batches", {"models": {"batch_tokens": 1024}}, drawn=share),
        Unchanged("a set that was extended", drawn=share, extended=True),
    ]
    return [Unchanged("again"), *(parts[n % len(parts)] for n in range(count - 1))][:count]


@contextmanager
def busy_machine(processes: int = 3) -> Iterator[None]:
    """Other processes that compute all the time."""
    spin = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in spin:
            process.kill()
            process.wait()


def drawn(suite: Suite, share: float, seed: int, folder: Path) -> Suite:
    """The suite over a share of its rows, drawn without replacement."""
    chance = random.Random(seed)
    evaluations: dict[str, Evaluation] = {}
    for name, one in suite.evaluation.items():
        rows = one.data.read_text("utf-8").splitlines(keepends=True)
        kept = sorted(chance.sample(range(len(rows)), round(share * len(rows))))
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / f"{name}-rows.jsonl"
        data.write_text("".join(rows[n] for n in kept), "utf-8")
        evaluations[name] = one.model_copy(update={"data": data})
    return suite.model_copy(update={"evaluation": evaluations})


# Running


class Remembered:
    """What the models said of a text, kept on disk; what is new is asked.

    The pipeline itself remembers the last texts of a question in the same way.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Answer from what is kept, as long as it lasts."""
        judged, embed = CrossEncoder.judge, BuiltInEmbedder.embed
        with shelve.open(str(self._file)) as kept:

            def each(
                name: str, inputs: Sequence[Any], ask: Callable[[list[Any]], Any]
            ) -> list[Any]:
                keys = [hashlib.sha256(repr((name, one)).encode()).hexdigest() for one in inputs]
                new = {key: one for key, one in zip(keys, inputs, strict=True) if key not in kept}
                if new:
                    kept.update(zip(new, ask(list(new.values())), strict=True))
                return [kept[key] for key in keys]

            def judge_(self: CrossEncoder, pairs: Sequence[tuple[str, str]]) -> list[Any]:
                return each("judge", pairs, lambda new: judged(self, new))

            def embed_(self: BuiltInEmbedder, texts: Sequence[str], *, query: bool = False) -> Any:
                found = each(f"embed {query}", texts, lambda new: embed(self, new, query=query))
                return np.stack(found) if found else embed(self, texts, query=query)

            with (
                patch.object(CrossEncoder, "judge", judge_),
                patch.object(BuiltInEmbedder, "embed", embed_),
            ):
                yield


def index_of(folder: Path, name: str) -> Path:
    """An index of the sample, built if it is not there."""
    index = folder / name
    if not (index / "catalog.db").exists():
        with Pipeline.open(index) as pipeline:
            pipeline.ingest(CORPUS)
    return index


def measured(
    suite: Suite, folder: Path, index: Path, settings: Mapping[str, Any], label: str
) -> dict[str, Run]:
    """The runs of a suite, gone on with where an earlier call ended."""
    folder.mkdir(parents=True, exist_ok=True)

    def said(what: str, done: float, known: int) -> None:
        if done % 50 == 0:
            print(f"{label}: {what}, {done:.0f} of {known}", file=sys.stderr, flush=True)

    with Pipeline.open(index, settings=Settings.load(index.parent, **settings)) as pipeline:
        runs, failures = measure(
            suite, lambda _: pipeline, lambda name: folder / f"{name}.jsonl", said, resume=True
        )
    if failures:
        raise SystemExit(f"{label} could not be measured: {failures}")
    return runs


def told(label: str, outcome: Outcome, *, alarm: bool) -> bool:
    """Print what the suite says; whether it says what it should."""
    right = bool(outcome.regressions) is alarm
    said = f"{len(outcome.regressions)} worse" if outcome.regressions else "nothing worse"
    print(f"{'ok  ' if right else 'LOST'} {label}: {said}", flush=True)
    for line in (*outcome.regressions, *(n for n in outcome.notes if "busy" in n)):
        print(f"       {line}", flush=True)
    return right


def main() -> int:
    """Measure, judge and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", help="one of the faults, or none")
    parser.add_argument("--clean", type=int, default=0)
    parser.add_argument("--share", type=float, default=0.3, help="of the rows of a clean run")
    given = parser.parse_args()
    suite = read_suite(HERE / "suite.toml")
    folder = given.folder.absolute()
    index = index_of(folder, "index")
    remembered = Remembered(folder / "remembered")
    with remembered():
        good = measured(suite, folder / "good", index, {}, "good")
    against: dict[str, tuple[None, Run]] = {name: (None, run) for name, run in good.items()}
    lost = 0
    for fault in FAULTS:
        if given.only in (None, fault.name):
            with ExitStack() as stack:
                stack.enter_context(remembered())
                fault.plant(stack)
                runs = measured(suite, folder / fault.name, index, fault.settings, fault.name)
            found = judge(suite, runs, against)
            lost += not told(f"{fault.where}: {fault.said}", found, alarm=True)
    for n, one in enumerate(unchanged(given.clean, given.share)):
        seeded = suite.model_copy(update={"seed": n})
        own = folder / f"clean-{n}"
        asked = drawn(seeded, one.drawn, n, own) if one.drawn < 1 else seeded
        with ExitStack() as stack:
            if one.busy:
                stack.enter_context(busy_machine())
            where = index_of(folder, "anew") if one.anew else index
            runs = measured(asked, own, where, one.settings, f"clean {n}")
        before = against
        if one.extended:
            before, runs = {name: (None, run) for name, run in runs.items()}, good
        found = judge(seeded, runs, before)
        lost += not told(f"clean {n}, {one.said}: {differing(found)}", found, alarm=False)
    print(json.dumps({"lost": lost}))
    return 5 if lost else 0


def differing(outcome: Outcome) -> str:
    """How many cases are not as they were, of how many that were compared."""
    compared = [part.comparison for part in outcome.parts if part.comparison]
    changed = sum(
        len({c.id for c in (*(one.better or ()), *(one.worse or ()))}) for one in compared
    )
    return f"{changed} of {sum(one.n for one in compared)} cases differ"


if __name__ == "__main__":
    sys.exit(main())
