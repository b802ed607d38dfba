"""What the record costs and what health makes of it.

    python eval/measure_observe.py cost                   # an answer with a record, without one
    python eval/measure_observe.py rows [--rows 1000000]  # a record of so many rows: size, times
    python eval/measure_observe.py alarms [--trials 200]  # false alarms; how soon a fault alarms

``cost`` and ``rows`` ask real questions of the sample corpus; ``rows`` keeps copies of what was
recorded of them, over a year. ``alarms`` draws made-up traffic, in which days and weeks have their
rhythm and each day its own luck, and looks at it once an hour with the tests of health.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from common import interval, json_rows

from rag.observe import recorder
from rag.observe.explain import Explanation
from rag.observe.health import LEVEL, SHARES, SLOWER, WINDOWS, health, likelihood
from rag.observe.record import COLUMNS, Record, connect, key_of, packed
from rag.pipeline import Pipeline
from rag.pipeline.answering import Answering, whole
from rag.pipeline.recording import row_of
from rag.resources import resource
from rag.rows import Feedback, Row
from rag.settings import ObserveSettings, Settings

QUESTIONS = Path(__file__).parent / "questions" / "dev.jsonl"
HOUR, DAY = 3600.0, 86_400.0


class Kept:
    """An ``Observer`` that keeps rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def record(self, row: Row | Feedback) -> None:
        """Keep a row."""
        if isinstance(row, Row):
            self.rows.append(row)


def clocks() -> tuple[float, float]:
    """The time, and that which this thread has had a core."""
    return time.perf_counter(), time.thread_time()


def since(began: tuple[float, float]) -> tuple[float, float]:
    """Milliseconds since then, by both."""
    now = clocks()
    return (now[0] - began[0]) * 1000, (now[1] - began[1]) * 1000


def questions(n: int) -> list[str]:
    """Questions about the sample corpus, again and again."""
    found = [row["question"] for row in json_rows(QUESTIONS) if not row["history"]]
    return [found[i % len(found)] for i in range(n)]


def cost(n: int) -> None:
    """Time what an answer waits for; then ask with a record and without one, in turn."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        settings = Settings(observe=ObserveSettings(path="record.db"))
        with Pipeline(folder / ".rag", settings) as pipeline:
            pipeline.ingest(resource("corpora", "wrenhaven"))
            observer = pipeline.observer
            assert observer is not None  # the settings name a record
            asked = questions(n)
            for question in asked[:5]:
                pipeline.ask(question)
            waited: list[tuple[float, float]] = []
            gaps: list[float] = []
            for number, question in enumerate(asked):
                answering = Answering(pipeline, question)
                answer = whole(answering.stream())
                began = clocks()
                observer.record(row_of(answering, answer, time.time(), ""))
                waited.append(since(began))
                times = {}
                for recorded in (number % 2 == 0, number % 2 == 1):
                    began = clocks()
                    pipeline.ask(question, recorded=recorded)
                    times[recorded] = since(began)[0]
                gaps.append(times[True] - times[False])
    told("the row and the queue, which an answer waits for", [wall for wall, _ in waited])
    told("the same, on a core", [core for _, core in waited])
    low, high = interval(gaps)
    print(f"recorded less not recorded: {statistics.mean(gaps):.3f} [{low:.3f}, {high:.3f}] ms, "
          f"median {statistics.median(gaps):.3f}, {n} pairs")  # fmt: skip


def told(what: str, times: Sequence[float]) -> None:
    """Print quantiles of milliseconds."""
    p50, p95, p99 = np.quantile(times, (0.5, 0.95, 0.99))
    print(f"{what}: p50 {p50:.3f}, p95 {p95:.3f}, p99 {p99:.3f}, most {max(times):.3f} ms")


def rows(n: int, out: Path | None) -> None:
    """Write so many rows, spread over a year, and read them."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        kept = Kept()
        with Pipeline(folder / ".rag", Settings(), observer=kept) as pipeline:
            pipeline.ingest(resource("corpora", "wrenhaven"))
            for question in questions(24):
                pipeline.ask(question, user="someone")
        path = out or folder / "record.db"
        if not path.exists():
            fill(path, kept.rows, n)
        read(path)


def read(path: Path) -> None:
    """Print how large a record is, and how long it takes to read."""
    with Record.open(path) as record:
        count, size = len(record), path.stat().st_size
        print(f"{count:,} rows, {size / 1e9:.2f} GB, {size / count:,.0f} bytes a row")
        last = record.latest()
        [(name,), *_] = record.columns("id", since=last.at)  # a copy's own
        timed("health over 24 hours", lambda: health(record, last.at))
        timed("health over 7 days", lambda: health(record, last.at, hours=168))
        timed("one row, explained", lambda: Explanation(record.row(name)).lines())
        timed("the rows of a day", lambda: list(record.rows(since=last.at - DAY)))
        timed(
            "questions and confidence of four weeks",
            lambda: list(record.columns("question", "confidence", since=last.at - 28 * DAY)),
        )
        timed("all that was ever counted", lambda: list(record.counts()))
        timed("info", record.info)


def timed(what: str, call: Callable[[], object]) -> None:
    """Print how long a call takes, the best of three, and how long it had a core."""
    best = [min(pair) for pair in zip(*(_milliseconds(call) for _ in range(3)), strict=True)]
    print(f"{what}: {best[0]:,.0f} ms, {best[1]:,.0f} of them on a core", flush=True)


def _milliseconds(call: Callable[[], object]) -> tuple[float, float]:
    began = clocks()
    call()
    return since(began)


def fill(path: Path, kept: Sequence[Row], n: int) -> None:
    """Write copies of rows over the year before now, most of them by day.

    What is packed and counted of each that is copied is packed and counted once: it is their number
    that matters here.
    """
    rng = np.random.default_rng(0)
    db = connect(path, create=True)
    db.execute("PRAGMA synchronous = OFF")
    telling = recorder.Telling("full", key_of(path), str)
    rows = [telling(one) for one in kept]
    bodies = [packed(row) for row in rows]
    columns = [recorder.values_of(row)[2:] for row in rows]
    hours = rng.normal(13, 4, n) % 24
    times = time.time() - 365 * DAY + np.sort(np.floor(rng.uniform(0, 365, n)) * DAY + hours * HOUR)
    ids = rng.permutation(n) * 2**40  # in no order, as they are
    each: Counter[tuple[str, int]] = Counter()
    for row in rows:
        for what, bucket, count, _ in recorder.counted(row):
            each[what, bucket] += count
    numbers, counts = np.unique((times // HOUR).astype(int), return_counts=True)
    db.execute("BEGIN IMMEDIATE")
    db.executemany(
        f"INSERT INTO asked (seq, {', '.join(COLUMNS)}) VALUES (?{', ?' * len(COLUMNS)})",
        (
            (seq, f"{number:016x}", at, *columns[seq % len(rows)])
            for seq, (number, at) in enumerate(zip(ids.tolist(), times.tolist(), strict=True))
        ),
    )
    db.executemany(
        "INSERT INTO bodies VALUES (?, ?)", ((seq, bodies[seq % len(rows)]) for seq in range(n))
    )
    db.executemany(
        "INSERT INTO hours VALUES (?, ?, ?, ?, 0)",
        (
            (hour, *key, -(-count * k // len(rows)))
            for hour, k in zip(numbers.tolist(), counts.tolist(), strict=True)
            for key, count in each.items()
        ),
    )
    db.execute("COMMIT")
    db.close()


# Made-up traffic: counts by the hour, drawn from what a day is like

FAULTS = {
    "abstained .15 -> .31": ("abstained", 0.9),
    "abstained .15 -> .22": ("abstained", 0.45),
    "not supported .03 -> .07": ("sentences supported", 0.9),
    "not sure .10 -> .21": ("not sure", 0.9),
    "errors .002 -> .05": ("errors", 3.3),
    "half as fast": ("slow", float(np.log(2))),
}
"""What breaks -> the share that moves (log-odds; of the speed, its log), and by how much."""

LOG_ODDS = {
    "abstained": -1.7,
    "not sure": -2.2,
    "sentences supported": -3.5,
    "asked back": -3.5,
    "versions disagree": -4.0,
    "called wrong": -1.5,
    "errors": -6.0,
    "stopped": -4.5,
}
BUCKETS = np.exp(np.arange(-3, 3, 0.1))  # bounds of times, of a median of 1


def month(
    rng: np.random.Generator,
    days: int,
    each: float,
    moving: str = "",
    by: float = 0.0,
    since: int = 0,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draw hours of traffic: share -> (hours, 2) counts, (hours, buckets) of times.

    A day has its curve, weekends half of it; each share and the speed wander from day to day (a
    standard deviation of .15 in log-odds, half of it remembered), and from ``since`` on one moves.
    """
    hours = np.arange(days * 24)
    curve = 0.15 + 0.85 * np.exp(-(((hours % 24) - 13) ** 2) / 18)
    weekend = np.where((hours // 24) % 7 >= 5, 0.5, 1.0)
    n = rng.poisson(each * curve / curve[:24].sum() * weekend)

    def wander() -> np.ndarray:
        luck, found = rng.normal(0, 0.15), []
        for _ in range(days):
            luck = 0.5 * luck + rng.normal(0, 0.13)
            found.append(luck)
        return np.repeat(found, 24)

    shares = {}
    for name, log_odds in LOG_ODDS.items():
        moved = np.where(hours >= since, by, 0.0) if name == moving else 0.0
        share = 1 / (1 + np.exp(-(log_odds + wander() + moved)))
        of = n * 2 if name == "sentences supported" else n
        if name == "called wrong":
            of = rng.binomial(n, 0.1)  # one in ten says anything
        k = rng.binomial(of, share)
        shares[name] = np.stack([of - k if name == "sentences supported" else k, of], axis=1)
    moved = np.where(hours >= since, by, 0.0) if moving == "slow" else 0.0
    edges = np.log(BUCKETS)[None, :] - (wander() * 0.5 + moved)[:, None]
    below = np.concatenate([norm_cdf(edges / 0.5), np.ones((len(hours), 1))], axis=1)
    odds = np.diff(below, axis=1, prepend=0.0)
    return shares, rng.multinomial(n, odds)


def norm_cdf(x: np.ndarray) -> np.ndarray:
    """The normal distribution."""
    from scipy.special import ndtr

    return np.asarray(ndtr(x))


def looks(
    seed: int, each: float, days: int, moving: str = "", by: float = 0.0
) -> Iterator[tuple[int, str, float]]:
    """Look every hour after four weeks; yield (hours since then, share, how likely it is).

    A fault begins at nine. The tests are those of ``health``, and so are the windows.
    """
    begin = (WINDOWS + 1) * 24
    since = begin + 9 if moving else begin
    rng = np.random.default_rng(seed)
    shares, times = month(rng, WINDOWS + 1 + days, each, moving, by, since)
    summed = {name: np.cumsum(counts, axis=0) for name, counts in shares.items()}
    slow = np.cumsum(times, axis=0)
    known = {share.name: share for share in SHARES}

    def windows(sums: np.ndarray, hour: int) -> np.ndarray:
        """The counts of the window that ends with an hour, and of the earlier ones."""
        ends = hour - 24 * np.arange(WINDOWS + 1)
        starts = np.where(ends[:, None] >= 24, sums[ends - 24], 0)
        return np.asarray(sums[ends] - starts, float)

    for hour in range(since + 1, begin + days * 24):
        for name, sums in summed.items():
            now, *past = windows(sums, hour)
            share = known[name]
            likely = likelihood(int(now[0]), int(now[1]), np.array(past), share.change, share.bad)
            yield hour - since, name, likely
        found = windows(slow, hour)
        pooled = np.cumsum(found[1:].sum(axis=0))
        limit = int(np.searchsorted(pooled, 0.95 * pooled[-1]))
        beyond = np.stack([found[:, limit + 1 :].sum(axis=1), found.sum(axis=1)], axis=1)
        k, n = map(int, beyond[0])
        yield hour - since, "slow", likelihood(k, n, beyond[1:], SLOWER, "up")


def alarms(trials: int, each: float) -> None:
    """Count months with any alarm, and the hours from a fault to its alarm, by the level."""
    levels = sorted({1e-3, 1e-4, 1e-5, LEVEL}, reverse=True)
    least = [min((one[2], one[1]) for one in looks(trial, each, 30)) for trial in range(trials)]
    print(
        f"{each:g} questions a weekday; {trials} clean months of hourly looks, {LEVEL:g} in force"
    )
    for level in levels:
        names = Counter(name for likely, name in least if likely < level)
        print(f"  level {level:g}: {names.total()} months with any alarm {dict(names)}")
    n = max(trials // 5, 10)
    for fault, (moving, by) in FAULTS.items():
        seen = [[*looks(10**6 + trial, each, 5, moving, by)] for trial in range(n)]
        told = []
        for level in levels:
            first = [next((hour for hour, _, p in one if p < level), None) for one in seen]
            hours = sorted(hour for hour in first if hour is not None)
            middle = f" after {statistics.median(hours):.0f} h" if hours else ""
            told.append(f"{level:g}: {len(hours) / n:.2f}{middle}")
        print(f"{fault}: alarms within five days by level: {', '.join(told)}")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("cost", "rows", "alarms"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--each", type=float, default=500, help="questions on a weekday")
    parser.add_argument("--record", type=Path, help="keep the record of rows here, or use it")
    given = parser.parse_args()
    if given.what == "cost":
        cost(given.questions)
    elif given.what == "rows":
        rows(given.rows, given.record)
    else:
        alarms(given.trials, given.each)


if __name__ == "__main__":
    main()
