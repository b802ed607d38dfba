"""How healthy answers are: a window of the record held against earlier ones of the same length.

The earlier windows stand at the same time of earlier days, so that a night is compared with nights;
four weeks of them hold every day of the week. The *usual band* of a measure is where nine in ten of
them lie. To be outside is worth a look, and happens all the time. An *alarm* is meant to be rare,
however often one looks: a share (of abstentions, of answers that take longer than 19 in 20 usually
do) alarms where a beta-binomial model of the earlier windows, with their variation put at the upper
end of what they allow for, gives it a probability under ``LEVEL``, and where it has moved by enough
to matter. eval/LOG.md has the false alarms and the delays that were measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from rag.observe.record import Record, moment
from rag.observe.recorder import RATIO, bucket_of

HOURS = 24  # length of a window
WINDOWS = 28  # earlier ones
LEAST_WINDOWS = 7  # that have to be there before anything is judged by them
LEAST = 20  # cases of a share in the window
LEVEL = 1e-5
"""Probability of what is not yet an alarm, for each measure and look."""

BAND = (0.05, 0.95)
_TIMES = 3.0  # a rate alarms below the lowest by as much, or above the highest
_COSTLY = 2.0  # times the highest cost of a question
_DROPPED = 0.01  # share of rows that were lost
_FAILING = 0.5  # share of errors that alarms without a history

Unit = Literal["share", "ms", "per hour", "hours", "cost"]
State = Literal["usual", "unusual", "alarm", "unknown"]
Key = tuple[str, int]


@dataclass(frozen=True)
class Window:
    """What was counted in some hours: (what, bucket) -> how many, and their sum."""

    start: float
    hours: float
    n: dict[Key, int] = field(default_factory=dict)
    totals: dict[Key, float] = field(default_factory=dict)

    def count(self, what: str) -> int:
        """How many, over all buckets."""
        return sum(n for (name, _), n in self.n.items() if name == what)

    def starting(self, prefix: str) -> dict[str, int]:
        """How many of each that begins so, by the rest of its name."""
        found: dict[str, int] = defaultdict(int)
        for (name, _), n in self.n.items():
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] += n
        return dict(found)

    def sum(self, what: str) -> float:
        """Their sum, over all buckets."""
        return sum(total for (name, _), total in self.totals.items() if name == what)

    def buckets(self, what: str) -> dict[int, int]:
        """Bucket -> how many."""
        return {bucket: n for (name, bucket), n in self.n.items() if name == what}

    @property
    def answered(self) -> int:
        """Questions that came to their end: those that failed or were stopped have no answer."""
        return self.count("asked") - self.errors - self.count("stopped")

    @property
    def errors(self) -> int:
        """Questions that failed."""
        return sum(self.starting("error:").values())

    def quantile(self, what: str, q: float) -> float | None:
        """A quantile of milliseconds, known to 5%; None of nothing."""
        return quantile(self.buckets(what), q)


def quantile(buckets: dict[int, int], q: float) -> float | None:
    """The quantile in the middle of its bucket."""
    total = sum(buckets.values())
    reached = 0
    for bucket in sorted(buckets):
        reached += buckets[bucket]
        if reached >= q * total:
            return float(RATIO ** (bucket + 0.5))
    return None


@dataclass(frozen=True)
class Measure:
    """One measure of a window: its ``value`` from ``n`` cases, and what is usual.

    ``history`` has (start, value) of the earlier windows, oldest first; ``band`` is where nine in
    ten of those lie. ``because`` says why it alarms.
    """

    name: str
    unit: Unit
    value: float | None
    n: int
    band: tuple[float, float] | None = None
    state: State = "unknown"
    because: str = ""
    history: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Freshness:
    """The state of an index: when it was last brought up to date (None: never), what failed."""

    newest: float | None
    documents: int
    failed: int


@dataclass(frozen=True)
class Health:
    """The measures of a window, and what alarms."""

    at: float
    start: float
    hours: float
    windows: int
    asked: int
    measures: tuple[Measure, ...]
    errors: dict[str, int]
    feedback: dict[str, int]
    index: Freshness | None = None
    notes: tuple[str, ...] = ()

    @property
    def alarms(self) -> list[str]:
        """Each alarm in a sentence."""
        return [one.because for one in self.measures if one.state == "alarm"]

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {**asdict(self), "at": moment(self.at), "start": moment(self.start),
                "alarms": self.alarms}  # fmt: skip

    def lines(self) -> list[str]:
        """The same for a person: a table, and what alarms."""
        told = [
            f"{self.asked} questions in the {self.hours:g} hours to {moment(self.at)[:16]} (UTC), "
            f"against {self.windows} earlier windows",
            "",
            f"{'':26}{'now':>12}{'usual':>26}   cases",
        ]
        for one in self.measures:
            band = " – ".join(said(edge, one.unit) for edge in one.band or ())
            mark = {"alarm": "ALARM", "unusual": "unusual"}.get(one.state, "")
            value = said(one.value, one.unit)
            told.append(f"{one.name:26}{value:>12}{band:>26}   {one.n:<8} {mark}".rstrip())
        for title, counts in (("Errors", self.errors), ("Feedback", self.feedback)):
            if counts:
                named = ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))
                told += ["", f"{title}: {named}"]
        told += ["", *(f"Note: {note}" for note in self.notes)] if self.notes else []
        told += ["", *(f"ALARM: {alarm}" for alarm in self.alarms)]
        return told if self.alarms else [*told, "Nothing alarms."]


def said(value: float | None, unit: str) -> str:
    """A value for a person.

    >>> said(0.1234, "share"), said(1234.0, "ms"), said(None, "ms")
    ('12.3%', '1,234 ms', '-')
    """
    if value is None:
        return "-"
    if unit == "share":
        return f"{100 * value:.1f}%"
    return f"{value:,.0f} ms" if unit == "ms" else f"{value:,.4g}"


# The windows


def windows(record: Record, now: float, hours: int, most: int) -> tuple[Window, list[Window]]:
    """Return the window that ends now, and the earlier ones, oldest first.

    Earlier ones lie whole days back, apart from each other, in the time that the record covers.
    """
    step = max(24, -(-hours // 24) * 24)
    end = int(now // 3600) + 1
    first = record.first_hour()
    counted: dict[int, Window] = {
        back: Window((end - back * step - hours) * 3600.0, float(hours))
        for back in range(most + 1)
        if back == 0 or (first is not None and end - back * step - hours >= first)
    }
    for back, what, bucket, n, total in record.hours(end, step, hours, most):
        if back in counted:
            counted[back].n[what, bucket] = n
            counted[back].totals[what, bucket] = total
    current = counted.pop(0)
    elapsed = (now - current.start) / 3600
    return (
        Window(current.start, elapsed, current.n, current.totals),
        [counted[back] for back in sorted(counted, reverse=True)],
    )


# What is measured


@dataclass(frozen=True)
class _Share:
    """A share of cases: ``of`` gives (how many, of how many) of a window.

    It alarms where it moves by ``change`` to the bad side: up, down or either.
    """

    name: str
    of: Callable[[Window], tuple[int, int]]
    change: float
    bad: Literal["up", "down", "either"] = "up"


_JUDGED = ("right", "wrong", "better")

_SHARES = (
    _Share("abstained", lambda w: (w.count("abstained"), w.answered), 0.05, "either"),
    _Share("not sure", lambda w: (w.count("unsure"), w.answered), 0.05),
    _Share("asked back", lambda w: (w.count("asked_back"), w.answered), 0.05),
    _Share(
        "sentences supported", lambda w: (w.count("supported"), w.count("judged")), 0.03, "down"
    ),
    _Share("versions disagree", lambda w: (w.count("conflicts"), w.answered), 0.05),
    _Share(
        "called wrong",
        lambda w: (
            w.count("feedback:wrong") + w.count("feedback:better"),
            sum(w.count(f"feedback:{kind}") for kind in _JUDGED),
        ),
        0.1,
    ),
    _Share("errors", lambda w: (w.errors, w.count("asked")), 0.02),
    _Share("stopped", lambda w: (w.count("stopped"), w.count("asked")), 0.05),
)


def health(
    record: Record,
    now: float,
    *,
    hours: int = HOURS,
    most: int = WINDOWS,
    index: Freshness | None = None,
    stale_after: float | None = None,
) -> Health:
    """Hold the ``hours`` up to ``now`` (seconds since 1970) against up to ``most`` earlier windows.

    An ``index`` alarms ``stale_after`` hours without an ingest.
    """
    current, earlier = windows(record, now, hours, most)
    stages = sorted(set(current.starting("ms:")) | {n for w in earlier for n in w.starting("ms:")})
    measures = [
        _rate(current, earlier),
        *(
            m
            for what in ("ms", *(f"ms:{name}" for name in stages))
            for m in _slow(what, current, earlier)
        ),
        *(_shared(share, current, earlier) for share in _SHARES),
        *_costs(current, earlier),
        *_dropped(current),
        *_stale(index, now, stale_after),
    ]
    notes = []
    if len(earlier) < LEAST_WINDOWS:
        notes.append(
            f"the record has {len(earlier)} earlier windows; from {LEAST_WINDOWS} on it is known "
            "what is usual"
        )
    if index is not None and index.failed:
        notes.append(f"{index.failed} sources could not be read at the last ingest: `rag sources`")
    return Health(
        at=now,
        start=current.start,
        hours=round(current.hours, 2),
        windows=len(earlier),
        asked=current.count("asked"),
        measures=tuple(measures),
        errors=current.starting("error:"),
        feedback=current.starting("feedback:"),
        index=index,
        notes=tuple(notes),
    )  # fmt: skip


def _band(values: Sequence[float]) -> tuple[float, float] | None:
    if len(values) < LEAST_WINDOWS:
        return None
    low, high = np.quantile(values, BAND)
    return float(low), float(high)


def _measure(
    name: str,
    unit: Unit,
    value: float | None,
    n: int,
    history: Sequence[tuple[float, float]],
    because: str,
) -> Measure:
    """A measure with its band; ``because`` is "" where it does not alarm."""
    band = _band([one for _, one in history])
    state: State = "unknown"
    if because:
        state = "alarm"
    elif value is not None and band is not None:
        state = "usual" if band[0] <= value <= band[1] else "unusual"
    return Measure(name, unit, value, n, band, state, because, tuple(history))


def _rate(current: Window, earlier: Sequence[Window]) -> Measure:
    n = current.count("asked")
    history = [(w.start, w.count("asked") / w.hours) for w in earlier]
    rates, because = [rate for _, rate in history], ""
    if len(rates) >= LEAST_WINDOWS:
        low, high = (edge * current.hours for edge in (min(rates) / _TIMES, max(rates) * _TIMES))
        usual = f"{min(rates):.3g} to {max(rates):.3g} an hour are usual"
        if poisson_tail(n, low, upper=False) < LEVEL:
            because = (
                f"only {n} questions in {current.hours:.1f} hours, where {usual}: is it reachable?"
            )
        elif poisson_tail(n, high, upper=True) < LEVEL:
            because = f"{n} questions in {current.hours:.1f} hours, where {usual}: who asks?"
    rate = n / current.hours if current.hours else None
    return _measure("questions", "per hour", rate, n, history, because)


def _slow(what: str, current: Window, earlier: Sequence[Window]) -> list[Measure]:
    """Median and 95th percentile; the latter alarms by the share of answers that is beyond."""
    title = what.partition(":")[2].removesuffix("_ms") or "answer"
    n, found = current.count(what), []
    limit = quantile(_pooled(earlier, what), 0.95)
    because = ""
    if limit is not None:
        bound = bucket_of(limit)

        def slow(window: Window) -> tuple[int, int]:
            buckets = window.buckets(what)
            return sum(n for b, n in buckets.items() if b > bound), sum(buckets.values())

        if moved(_Share(title, slow, 0.10), current, earlier):
            share = slow(current)[0] / n
            because = (
                f"{title}: {said(share, 'share')} take longer than {said(limit, 'ms')}, as 5% "
                "usually do"
            )
    for q, name in ((0.5, "p50"), (0.95, "p95")):
        past = [(w.start, value) for w in earlier if (value := w.quantile(what, q)) is not None]
        value = current.quantile(what, q)
        why = because if q == 0.95 else ""
        found.append(_measure(f"{title} {name}", "ms", value, n, past, why))
    return found


def _pooled(earlier: Sequence[Window], what: str) -> dict[int, int]:
    pooled: dict[int, int] = defaultdict(int)
    for window in earlier:
        for bucket, n in window.buckets(what).items():
            pooled[bucket] += n
    return pooled


def _shared(share: _Share, current: Window, earlier: Sequence[Window]) -> Measure:
    k, n = share.of(current)
    past = [(w.start, a / b) for w in earlier for a, b in [share.of(w)] if b]
    because = ""
    if moved(share, current, earlier):
        usual = sum(share.of(w)[0] for w in earlier) / sum(share.of(w)[1] for w in earlier)
        because = (
            f"{share.name}: {said(k / n, 'share')} of {n}, where {said(usual, 'share')} are usual"
        )
    elif share.name == "errors" and n >= LEAST and k / n >= _FAILING:
        because = f"errors: {k} of {n} questions fail"
    return _measure(share.name, "share", k / n if n else None, n, past, because)


def _costs(current: Window, earlier: Sequence[Window]) -> list[Measure]:
    n = current.count("cost")
    past = [(w.start, w.sum("cost") / w.count("cost")) for w in earlier if w.count("cost")]
    if not n and not past:
        return []
    value, because = current.sum("cost") / n if n else None, ""
    highest = max((one for _, one in past), default=0.0)
    if value and n >= LEAST and len(past) >= LEAST_WINDOWS and value > _COSTLY * highest:
        because = f"a question costs {value:.3g}, where {highest:.3g} was the most"
    return [_measure("cost of a question", "cost", value, n, past, because)]


def _dropped(current: Window) -> list[Measure]:
    lost, kept = current.count("dropped"), current.count("asked")
    if not lost:
        return []
    share = lost / (lost + kept)
    because = ""
    if share >= _DROPPED:
        because = f"{lost} rows were lost: raise observe.queue, or find what keeps the disk busy"
    return [_measure("rows lost", "share", share, lost + kept, (), because)]


def _stale(index: Freshness | None, now: float, stale_after: float | None) -> list[Measure]:
    if index is None:
        return []
    age = None if index.newest is None else (now - index.newest) / 3600
    because = ""
    if stale_after is not None and (age is None or age > stale_after):
        since = "ever" if age is None else f"for {age:.0f} hours"
        because = f"no ingest {since}, {stale_after:g} is the most: run `rag ingest`"
    return [_measure("hours since an ingest", "hours", age, index.documents, (), because)]


# When a share has moved


def moved(share: _Share, current: Window, earlier: Sequence[Window]) -> bool:
    """Tell whether a share is where clean windows like the earlier ones next to never are."""
    k, n = share.of(current)
    past = np.array([share.of(window) for window in earlier], float).reshape(-1, 2)
    past = past[past[:, 1] > 0]
    if n < LEAST or len(past) < LEAST_WINDOWS:
        return False
    mean, spread = usual(past)
    gap = k / n - past[:, 0].sum() / past[:, 1].sum()
    up, down = share.bad in ("up", "either"), share.bad in ("down", "either")
    if up and gap >= share.change:
        return beta_binomial_tail(k, n, mean, spread) < LEVEL
    if down and -gap >= share.change:
        return beta_binomial_tail(n - k, n, 1 - mean, spread) < LEVEL
    return False


def usual(past: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
    """Mean and intraclass correlation of a share to come, from rows (how many, of how many).

    The variation between windows is put at the upper end of its 90% interval, for they are few, and
    what the mean itself is uncertain by is added.
    """
    from scipy.special import gammaincinv

    k, n = past[:, 0], past[:, 1]
    windows, total = len(past), n.sum()
    mean = (k.sum() + 0.5) / (total + 1)
    within = mean * (1 - mean)
    squares = windows * (n / total * (k / n - mean) ** 2).sum()
    chi2 = 2 * gammaincinv((windows - 1) / 2, 0.05)  # the lower quantile
    between = max(squares / chi2 - within * windows / total, 0.0)
    spread = between * (1 + 1 / windows) + within / (total + 1)
    return float(mean), float(min(max(spread / within, 1e-7), 0.9))


def beta_binomial_tail(k: int, n: int, mean: float, spread: float) -> float:
    """P(at least ``k`` of ``n``) where the share varies about its mean with that correlation."""
    from scipy.special import betaln, gammaln

    if k <= 0:
        return 1.0
    a, b = mean * (1 / spread - 1), (1 - mean) * (1 / spread - 1)
    i = np.arange(k, n + 1)
    choose = gammaln(n + 1) - gammaln(i + 1) - gammaln(n - i + 1)
    logs = choose + betaln(i + a, n - i + b) - betaln(a, b)
    return float(min(np.exp(logs).sum(), 1.0))


def poisson_tail(n: int, mean: float, *, upper: bool) -> float:
    """P(at least ``n``) or P(at most ``n``) of a Poisson variable."""
    from scipy.special import gammainc, gammaincc

    if upper:
        return float(gammainc(n, mean)) if n else 1.0
    return float(gammaincc(n + 1, mean))
