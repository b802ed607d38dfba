"""How well drift is found, and how rarely it is imagined: ``eval/drift.py DATA``.

DATA is the data folder (``classify/``). ``--runs FIT TEST`` are run files of ``rag eval answers``:
confidences and abstentions of all streams are drawn from their rows (a few hundred are too few to
be halved), and the quality estimate is learnt on the first and held against the second.

    clean    streams of 1,000 windows of 100; the known questions are of one half of a set, the
             stream of the other
    found    the same streams, changed from their first window on
    beside   PSI, MMD, KS and a mean with limits that 20,000 clean windows of the very stream gave
             (which nobody has); ADWIN at a delta without alarms in three clean streams (river)
    quality  the share of right answers without labels, beside ATC and DoC

Vectors are kept in ``--cache``. Intervals are 95%, Clopper and Pearson.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import data_folder, json_rows
from numpy.typing import NDArray
from scipy.stats import binomtest

from rag.models.embedder import BuiltInEmbedder
from rag.observe.drift import NOVELTY, TOPIC, WINDOW, Known, Sample, Watch
from rag.observe.quality import Quality

Array = NDArray[Any]
WINDOWS = 1_000
LANGUAGES = {"en": 0.8, "de": 0.15, "fr": 0.05}
# The known set, what comes into it, and the share of that in a window.
CHANGES = {
    "bank, 5% of an assistant": ("banking77", "hwu64", 0.05),
    "shop, 5% out of scope": ("bitext", "clinc150 oos", 0.05),
    "assistant, 5% out of scope": ("clinc150", "clinc150 oos", 0.05),
    "bank, 20% unseen intents": ("banking77", "unseen", 0.2),
    "assistant, 20% unseen intents": ("clinc150", "unseen", 0.2),
}


@dataclass(frozen=True)
class Rows:
    """Rows of one kind, with what a watch derives from their vectors."""

    vectors: Array
    novelty: Array
    topics: Array


class Stream:
    """Known rows, and windows drawn from rows that the watch has not seen."""

    def __init__(self, sets: dict[str, Any], runs: Sequence[Any], known: str, far: str, size: int,
                 seed: int) -> None:  # fmt: skip
        self.rng = np.random.default_rng(seed)
        vectors, labels = sets[known]["v"], sets[known]["label"]
        rows = self.rng.permutation(np.flatnonzero(labels != "oos"))
        if far == "unseen":
            intents = self.rng.permutation(np.unique(labels[rows]))
            unseen = np.isin(labels[rows], intents[: len(intents) // 5])
            strange, rows = vectors[rows[unseen]], rows[~unseen]
        elif far:
            name, _, label = far.partition(" ")
            other = sets[name]
            strange = other["v"][other["label"] == label] if label else other["v"]
            strange = strange[self.rng.permutation(len(strange))[:1500]]
        else:
            strange = vectors[:0]
        half = len(rows) // 2
        usual = vectors[rows[:half][:size]]
        self.runs = self.rng.permutation(len(runs)) if runs else np.arange(0)
        self.confidence = np.array([row["confidence"] for row in runs])
        self.abstained = np.array(["yes" if row["abstained"] else "no" for row in runs])
        # The watch derives novelty and topics itself from what it learns on; windows are drawn
        # from rows of which they are computed once.
        names = [str(row) for row in range(len(usual))]
        start = time.process_time()
        self.watch = Watch.fit(self._with_others(Sample(names, usual)), seed=seed)
        self.fit_s = time.process_time() - start
        self.known = Known.of(usual, names, seed)
        self.mean = usual.mean(axis=0)
        self.own = np.sort(self.known.own_novelty())
        self.shares = Counter(self.known.topics(usual))
        self.pool = self._rows(vectors[rows[half:]][:3000])
        self.strange = self._rows(strange)

    def _rows(self, vectors: Array) -> Rows:
        parts = [vectors[at : at + 1000] for at in range(0, len(vectors), 1000)]
        none = np.zeros(0)
        return Rows(
            vectors,
            np.concatenate([none, *map(self.known.novelty, parts)]),
            np.array([topic for part in parts for topic in self.known.topics(part)]),
        )

    def _with_others(self, sample: Sample, *, language: float = 0.0,
                     confidence: float = 0.0, abstained: float = 0.0) -> Sample:  # fmt: skip
        """Languages, confidences and abstentions beside; the shares that change are named."""
        count = len(sample.ids)
        shares = np.array(list(LANGUAGES.values())) + language * np.array([-1, 1, 0])
        labels: dict[str, Any] = {
            "language": self.rng.choice(list(LANGUAGES), count, p=shares).tolist()
        }
        scores: dict[str, Any] = {}
        if len(self.runs):
            rows = self.rng.choice(self.runs, count)
            scores["confidence"] = self.confidence[rows] - confidence
            said = self.abstained[rows]
            said[self.rng.random(count) < abstained] = "yes"
            labels["abstained"] = said.tolist()
        return Sample(
            sample.ids, sample.vectors, {**sample.scores, **scores}, {**sample.labels, **labels}
        )

    def window(self, share: float = 0.0, **others: float) -> tuple[Sample, Array]:
        """A window with so many strange rows, and its vectors."""
        strange = round(WINDOW * share)
        rows = self.rng.integers(0, len(self.pool.novelty), WINDOW - strange)
        more = self.rng.integers(0, max(1, len(self.strange.novelty)), strange)

        def both(name: str) -> Array:
            usual = getattr(self.pool, name)[rows]
            return np.concatenate([usual, getattr(self.strange, name)[more]]) if strange else usual

        sample = Sample(
            [str(row) for row in range(WINDOW)],
            scores={NOVELTY: both("novelty")},
            labels={TOPIC: both("topics").tolist()},
        )
        return self._with_others(sample, **others), both("vectors")


def interval(hits: int, trials: int) -> str:
    """A share with its interval."""
    if not trials:
        return "–"
    exact = binomtest(hits, trials).proportion_ci()
    return f"{hits / trials:.2f} [{exact.low:.2f}, {exact.high:.2f}]"


def clean(make: Callable[..., Stream], sizes: Sequence[int], trials: int, seed: int) -> None:
    """Streams of 1,000 clean windows, each with known questions of its own."""
    print("\n| known set | known | streams | any alarm | by signal | CPU s to fit, ms a window |")
    print("| --- | --- | --- | --- | --- | --- |")
    for known in ("banking77", "clinc150"):
        for size in sizes:
            alarmed, by, fits, took = 0, Counter[str](), [], []
            for trial in range(trials):
                stream = make(known, "", size, seed + trial)
                start, windows = time.process_time(), 0
                on: list[Any] = []
                while windows < WINDOWS and not on:
                    on = stream.watch.see(stream.window()[0])
                    windows += 1
                alarmed += bool(on)
                by.update(alarm.signal for alarm in on)
                fits.append(stream.fit_s)
                took.append(1000 * (time.process_time() - start) / windows)
            print(
                f"| {known} | {size} | {trials} | {interval(alarmed, trials)} | {dict(by)} |"
                f" {np.median(fits):.1f}, {np.median(took):.1f} |",
                flush=True,
            )


def first_alarm(stream: Stream, before: int, most: int, share: float, **others: float) -> int:
    """The window after the change at which there is an alarm; ``most + 1`` for none."""
    for _ in range(before):
        if stream.watch.see(stream.window()[0]):
            stream.watch.resume()
    for number in range(1, most + 1):
        if stream.watch.see(stream.window(share, **others)[0]):
            return number
    return most + 1


def found(
    make: Callable[..., Stream], sizes: Sequence[int], trials: int, before: int, seed: int
) -> None:
    """Changes, from the first window or after some clean ones."""
    changes: list[tuple[str, str, str, float, dict[str, float]]] = [
        (name, known, far, share, {}) for name, (known, far, share) in CHANGES.items()
    ]
    changes += [
        ("10% of the languages", "banking77", "", 0.0, {"language": 0.1}),
        ("confidence lower by .1", "banking77", "", 0.0, {"confidence": 0.1}),
        ("10% more without an answer", "banking77", "", 0.0, {"abstained": 0.1}),
    ]
    print(f"\nAfter {before} clean windows:")
    print("| change | known | within 3 windows | within 5 | within 10 | median |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, known, far, share, others in changes:
        for size in sizes:
            at = np.array(
                [
                    first_alarm(make(known, far, size, seed + t), before, 10, share, **others)
                    for t in range(trials)
                ]
            )
            within = (interval(int((at <= most).sum()), trials) for most in (3, 5, 10))
            print(f"| {name} | {size} | {' | '.join(within)} | {np.median(at):.0f} |", flush=True)


def beside(make: Callable[..., Stream], size: int, trials: int, seed: int) -> None:
    """What others watch, with limits that only the stream itself can give."""
    print("\n| change | known | statistic | within 3 windows |")
    print("| --- | --- | --- | --- |")
    for name, (known, far, share) in CHANGES.items():
        hits: Counter[str] = Counter()
        for trial in range(trials):
            stream = make(known, far, size, seed + trial)
            limits = np.quantile(
                [list(statistics(stream, 0.0).values()) for _ in range(20_000 // trials)],
                1 - 0.05 / WINDOWS,
                axis=0,
            )
            windows = [statistics(stream, share) for _ in range(3)]
            for place, statistic in enumerate(windows[0]):
                hits[statistic] += any(
                    list(window.values())[place] > limits[place] for window in windows
                )
        for statistic in windows[0]:
            print(f"| {name} | {size} | {statistic} | {interval(hits[statistic], trials)} |")
        adwin(make, name, size, trials, seed)


def statistics(stream: Stream, share: float) -> dict[str, float]:
    """Of one window against the known questions."""
    sample, vectors = stream.window(share)
    novelty, topics = np.asarray(sample.scores[NOVELTY]), np.asarray(sample.labels[TOPIC])
    places = np.searchsorted(stream.own, np.sort(novelty), "right") / len(stream.own)
    ecdf = np.arange(1, len(novelty) + 1) / len(novelty)
    counts = Counter(topics.tolist())
    psi = 0.0
    for topic in stream.known.names:
        was, now = stream.shares[topic] / len(stream.own), counts[topic] / WINDOW
        psi += (max(now, 1e-3) - max(was, 1e-3)) * np.log(max(now, 1e-3) / max(was, 1e-3))
    return {
        "PSI of topics": float(psi),
        "MMD (linear kernel)": float(np.linalg.norm(vectors.mean(axis=0) - stream.mean)),
        "KS of novelty": float(np.abs(places - ecdf).max()),
        "mean novelty": float(novelty.mean()),
    }


def adwin(make: Callable[..., Stream], name: str, size: int, trials: int, seed: int) -> None:
    """River's ADWIN over the novelty of question after question."""
    try:
        from river.drift import ADWIN  # type: ignore[import-not-found]
    except ImportError:
        print(f"| {name} | {size} | ADWIN | (river is not installed) |")
        return
    known, far, share = CHANGES[name]

    def alarms(stream: Stream, delta: float, before: int, after: int) -> bool:
        one = ADWIN(delta=delta)
        for value in stream.rng.permutation(stream.own):
            one.update(float(value))
        for number in range(before + after):
            drawn = stream.window(share if number >= before else 0.0)[0].scores[NOVELTY]
            for value in stream.rng.permutation(np.asarray(drawn)):
                one.update(float(value))
                if one.drift_detected:
                    return True
        return False

    for delta in (2e-3, 1e-4, 1e-6, 1e-9, 1e-12):
        quiet = not any(
            alarms(make(known, far, size, seed + t), delta, WINDOWS, 0) for t in range(3)
        )
        if quiet:
            hits = sum(alarms(make(known, far, size, seed + t), delta, 0, 3) for t in range(trials))
            print(f"| {name} | {size} | ADWIN, delta {delta:g} | {interval(hits, trials)} |")
            return
    print(f"| {name} | {size} | ADWIN | alarms on clean streams at every delta |")


def quality(fit: Sequence[Any], test: Sequence[Any], seed: int) -> None:
    """Estimates for windows of 100 answers of the second run, learnt on the first."""

    def answered(rows: Sequence[Any]) -> tuple[Array, Array]:
        kept = [row for row in rows if row["measures"]["correct_if_answered"] is not None]
        return (
            np.array([row["confidence"] for row in kept]),
            np.array([row["measures"]["correct_if_answered"] for row in kept]),
        )

    (given, right), (asked, truth) = answered(fit), answered(test)
    learnt = Quality.fit(given, right, seed)
    limit = np.quantile(given, 1 - right.mean())
    rng = np.random.default_rng(seed)
    errors: dict[tuple[str, str], list[float]] = {}
    covered: dict[str, list[bool]] = {}
    order = np.argsort(asked)
    mixes = {
        "as they come": np.full(len(asked), 1 / len(asked)),
        "hard ones twice": np.where(np.isin(np.arange(len(asked)), order[: len(order) // 2]), 2, 1),
        "easy ones twice": np.where(np.isin(np.arange(len(asked)), order[len(order) // 2 :]), 2, 1),
    }
    for mix, weights in mixes.items():
        for _ in range(500):
            rows = rng.choice(len(asked), WINDOW, p=weights / weights.sum())
            estimate, is_so = learnt.estimate(asked[rows]), truth[rows].mean()
            covered.setdefault(mix, []).append(estimate.low <= is_so <= estimate.high)
            for method, said in {
                "ours": estimate.share,
                "mean confidence": asked[rows].mean(),
                "ATC": (asked[rows] > limit).mean(),
                "DoC": right.mean() + asked[rows].mean() - given.mean(),
                "as it was": right.mean(),
            }.items():
                errors.setdefault((mix, method), []).append(abs(said - is_so))
    print(f"\nRight of the answers given: {right.mean():.3f} of {len(right)} judged,"
          f" {truth.mean():.3f} of {len(truth)} to be estimated")  # fmt: skip
    print("| windows of 100 | " + " | ".join(m for x, m in errors if x == "as they come")
          + " | interval holds |")  # fmt: skip
    for mix in mixes:
        cells = [f"{np.mean(values):.3f}" for (x, _), values in errors.items() if x == mix]
        print(f"| {mix} | " + " | ".join(cells) + f" | {np.mean(covered[mix]):.2f} |")


def embedded(data: Path, cache: Path) -> Iterator[tuple[str, Any]]:
    """The sets with their vectors."""
    for name in ("banking77", "clinc150", "hwu64", "bitext"):
        file = cache / f"{name}.npz"
        if not file.is_file():
            rows = json_rows(data / "classify" / f"{name}.jsonl.gz")
            embedder = BuiltInEmbedder(threads=1)
            vectors = embedder.embed([row["text"] for row in rows])
            cache.mkdir(parents=True, exist_ok=True)
            np.savez(file, v=vectors, label=np.array([row["label"] for row in rows]))
        with np.load(file) as arrays:
            yield name, {"v": arrays["v"], "label": arrays["label"]}


def main() -> None:
    """Run the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"))
    parser.add_argument("--parts", nargs="+", default=["clean", "found", "beside", "quality"])
    parser.add_argument("--runs", nargs=2, type=Path, metavar=("FIT", "TEST"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/drift"))
    parser.add_argument("--known", nargs="+", type=int, default=[300, 1000, 3000])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--before", type=int, default=0, help="clean windows before a change")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    runs = [
        [row for row in json_rows(path) if "confidence" in row.get("measures", {})]
        for path in given.runs or ()
    ]
    sets = dict(embedded(data_folder(given.data, "classify/*.jsonl.gz"), given.cache))

    def make(known: str, far: str, size: int, seed: int) -> Stream:
        return Stream(sets, [row for run in runs for row in run], known, far, size, seed)

    if "clean" in given.parts:
        clean(make, given.known, given.trials, given.seed)
    if "found" in given.parts:
        found(make, given.known, given.trials, given.before, given.seed)
    if "beside" in given.parts:
        beside(make, max(given.known), given.trials, given.seed)
    if "quality" in given.parts and runs:
        quality(runs[0], runs[1], given.seed)


if __name__ == "__main__":
    main()
