"""Whether the traffic changed: an alarm that hardly ever comes by chance, and says what changed.

``Watch`` learns what is usual from a few hundred questions and then sees windows of some hundred.
Each value (how far a question is from the known ones, a confidence, a label) is ranked among the
known values and all that came before: in a stream whose order means nothing such ranks are
independent and even, whatever the values are and however few were known (Vovk, 2021, *Testing
randomness online*). Bets on the ranks are multiplied up over all starts at once (Shin, Ramdas and
Rinaldo, 2023, *E-detectors*); where the sum gets so large that it would in one of twenty clean
streams of ``HORIZON`` windows, for all signals together, it is an alarm.

What it takes for granted: windows of clean traffic are like each other. A question that one person
sends ten times in a row is one question; pass it once.
"""

from __future__ import annotations

import json
import os
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.errors import DataError, UsageError
from rag.types import Value

Array = NDArray[np.float64]
Vectors = NDArray[np.float32]

HORIZON = 1_000
"""Windows over which a clean stream alarms with a chance of at most ``CHANCE``."""
CHANCE = 0.05
WINDOW = 100
"""Questions in a window for which the limits are made; others are welcome."""

NOVELTY, TOPIC = "novelty", "topic"
"""The signals that are made of vectors."""

_FEWEST = 50  # known values of a signal, to be watched at all
_NEIGHBOURS = 3  # known questions whose mean distance is the novelty of a question
_MOST = 20_000  # values that are remembered; then the usual stands still
_RECENT = 64  # windows that are kept for the effect, the examples and to be forgotten
_EXAMPLES = 5  # of a window
_ALIKE = 0.6  # cosine of two examples of one group
_TOPICS = (4, 12)  # fewest and most
_PER_TOPIC = 80  # questions
_LABELS = 8  # that are watched one by one; the others are one more
_OTHER = "(other)"
_WEIGHTS = {NOVELTY: 4.0}  # a signal's part of the chance; 1 where none is named

# Bets. A part of the traffic is novel, so much of it farther than these parts of the known values.
_BEYOND = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_NOVEL = (
    (0.05, (0.999, 0.995, 0.985, 0.97, 0.94, 0.8)),  # another world: a bank is asked for recipes
    (0.05, (0.985, 0.93, 0.8, 0.57, 0.3, 0.13)),  # beside the topic, in its manner
    (0.1, (0.985, 0.93, 0.8, 0.57, 0.3, 0.13)),
    (0.2, (0.85, 0.5, 0.23, 0.08, 0.03, 0.008)),  # new intents of the same topic
)
_SHOWN = 0.01  # of the known values, beyond which the effect is counted
# All move, by so many standard deviations of a normal score.
_TILTS = (-0.5, -0.25, 0.25, 0.5)
# So much of the traffic turns into questions of one label.
_GAINS = (0.05, 0.2)

_SAVED = ("values", "total", "best", "start")  # the arrays of a signal
_FORMAT = 1

_ADVICE = {
    (
        "questions",
        NOVELTY,
    ): "Read the examples: add documents that answer them, or tell people where they belong.",
    (
        "questions",
        TOPIC,
    ): "Find out what happened to this topic (a release, an outage, a campaign) and whether"
    " its documents are up to date.",
    (
        "questions",
        "language",
    ): "See that documents and an embedder exist for these languages, or say on the page"
    " which ones are answered.",
    (
        "questions",
        "abstained",
    ): "Read the examples: missing documents, or a search that no longer finds them?"
    " `rag eval suite` tells which.",
    (
        "documents",
        NOVELTY,
    ): "See whether they belong here (`rag sources`); if they do, learn what is usual anew.",
}
_OTHERWISE = (
    "Look at what was changed at that time (index, settings, weights, prompts) and run"
    " `rag eval suite`; if nothing was, read the examples."
)


@dataclass(frozen=True)
class Sample:
    """Questions (or documents) in the order in which they came, as columns of one length.

    ``ids`` is what examples are called by. ``vectors`` has shape (rows, d), rows of length 1.
    ``scores`` are numbers by signal, NaN for not known; ``labels`` are words by signal (language,
    kind, ``{"abstained": "yes"}``), None for not known. ``at`` says when, in words of the caller.
    """

    ids: Sequence[str]
    vectors: Vectors | None = None
    scores: Mapping[str, Sequence[float] | Array] = field(default_factory=dict)
    labels: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    at: str = ""

    def __post_init__(self) -> None:
        columns: dict[str, Any] = {**self.scores, **self.labels}
        if self.vectors is not None:
            columns["vectors"] = self.vectors
        for name, column in columns.items():
            if len(column) != len(self.ids):
                raise UsageError(
                    f"{name} has {len(column)} values for {len(self.ids)} rows; give one for each."
                )


class Effect(Value):
    """How much: ``what`` is a share or a mean, ``low`` to ``high`` are 95% of its change.

    The windows were chosen because they look changed, so the change is rather smaller.
    """

    what: str
    before: float
    now: float
    low: float
    high: float

    @property
    def change(self) -> float:
        """Now less before."""
        return self.now - self.before


class Alarm(Value):
    """What changed, since which window (counted from 1), how much, with examples.

    ``raised`` is the window at which it was found. ``chance`` is that of a clean stream of
    ``HORIZON`` windows to have one of this signal that is as strong. ``examples`` are ids in groups of
    questions that are alike, largest first.
    """

    signal: str
    what: str
    since: int
    since_at: str
    raised: int
    windows: int
    chance: float
    effect: Effect
    examples: tuple[tuple[str, ...], ...]
    advice: str

    def __str__(self) -> str:
        when = f"window {self.since}" + (f" ({self.since_at})" if self.since_at else "")
        effect = self.effect
        shown = "; ".join(" | ".join(group) for group in self.examples[:3])
        return (
            f"{self.what} since {when}: {effect.what} {effect.before:.3f} → {effect.now:.3f}, "
            f"{effect.change:+.3f} [{effect.low:+.3f}, {effect.high:+.3f}]. {self.advice}"
            + (f" Examples: {shown}" if shown else "")
        )


class Known:
    """The known questions: how far a question is from them, and which of their topics it has.

    ``vectors`` has shape (n, d), ``centres`` (topics, d); rows of length 1.
    """

    def __init__(self, vectors: Vectors, centres: Vectors, names: Sequence[str]) -> None:
        self.vectors, self.centres, self.names = vectors, centres, list(names)

    @classmethod
    def of(cls, vectors: Vectors, ids: Sequence[str], seed: int) -> Known:
        """Find topics by k-means; a topic is called by the question nearest to its centre."""
        from scipy.cluster.vq import kmeans2

        vectors = np.ascontiguousarray(vectors, np.float32)
        topics = int(np.clip(len(vectors) // _PER_TOPIC, *_TOPICS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a topic that is left empty does no harm
            centres, _ = kmeans2(vectors, topics, minit="points", seed=seed)
        lengths = np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
        centres = (centres / lengths).astype(np.float32)
        nearest = (centres @ vectors.T).argmax(axis=1)
        names = [f"{number + 1}: {ids[place]}" for number, place in enumerate(nearest)]
        return cls(vectors, centres, names)

    def novelty(self, vectors: Vectors) -> Array:
        """The mean distance (1 - cosine) to the three nearest known questions, a row each."""
        return _far(vectors @ self.vectors.T)

    def own_novelty(self) -> Array:
        """The same of each known question among the others."""
        near = self.vectors @ self.vectors.T
        np.fill_diagonal(near, -1.0)
        return _far(near)

    def topics(self, vectors: Vectors) -> list[str]:
        """The name of the topic of each row."""
        return [self.names[topic] for topic in (vectors @ self.centres.T).argmax(axis=1)]


def _far(near: Vectors) -> Array:
    count = min(_NEIGHBOURS, near.shape[1])
    return 1.0 - np.partition(near, -count, axis=1)[:, -count:].mean(axis=1, dtype=np.float64)


# --- one signal -----------------------------------------------------------------------------------


@dataclass
class _Seen:
    """A window that is remembered: its values, and how many were remembered before it."""

    number: int
    at: str
    place: int
    values: list[float]
    examples: list[list[str]]  # for each way in which it may change


class _Signal:
    """Bets on one signal: the evidence of each over all starts, and since its best start.

    ``values`` are all that is usual in the order in which it came, numbers of labels for labels.
    """

    values: Array

    def __init__(self, name: str, bets: int) -> None:
        self.name = name
        self.total = np.full(bets, -np.inf)  # logarithms: sum over all starts,
        self.best = np.zeros(bets)  # and the product since the best one,
        self.start = np.ones(bets, np.int64)  # which is this window
        self.limit, self.part = np.inf, 0.0  # a clean stream gets so far with such a chance
        self.seen: list[_Seen] = []
        self.raised = 0
        self.since = 0
        self.lead = 0

    def see(self, number: int, at: str, column: Any, ids: Sequence[str], seed: int) -> None:
        """Take the column of a window; ``seed`` is for the ranks of equal values."""
        read = self.read(column)
        known = np.flatnonzero(~np.isnan(read))
        read = read[known]
        examples = [[ids[known[place]] for place in places] for places in self.examples(read)]
        values = self.classes(read)
        growing = len(self.values) + len(values) <= _MOST
        if not self.raised and len(values):
            ranks = np.random.default_rng(seed).random(len(values))
            gains = self.gains(values, ranks, growing=growing)
            self.total = np.logaddexp(self.total, 0.0) + gains
            self.start[self.best <= 0] = number
            self.best = np.maximum(self.best, 0.0) + gains
        seen = _Seen(number, at, len(self.values), values.tolist(), examples)
        self.seen = [*self.seen, seen][-_RECENT:]
        if not self.raised:
            if self.evidence >= self.limit:
                self.raised, self.lead = number, int(self.total.argmax())
                self.since = int(self.start[self.lead])
            elif growing:
                self.remember(values)

    @property
    def evidence(self) -> float:
        """The logarithm of the mean over bets."""
        return float(np.logaddexp.reduce(self.total) - np.log(len(self.total)))

    def changed(self) -> tuple[list[_Seen], Array, Array]:
        """The windows since the change, and the values before and since."""
        seen = [one for one in self.seen if one.number >= self.since]
        now = np.array([value for one in seen for value in one.values])
        return seen, self.values[: seen[0].place], now

    def resume(self) -> None:
        """Forget what came since the change, and begin again."""
        self.restore(self.changed()[1])
        self.seen = [one for one in self.seen if one.number < self.since]
        self.raised = self.since = 0
        self.total[:], self.best[:] = -np.inf, 0.0

    def state(self) -> dict[str, Any]:
        """What JSON can hold of it, ``load`` takes it."""
        return {
            "kind": type(self).__name__,
            "name": self.name,
            "limit": self.limit,
            "part": self.part,
            "raised": self.raised,
            "since": self.since,
            "lead": self.lead,
            "seen": [asdict(one) for one in self.seen],
        }

    # what scores and labels have of their own

    def gains(self, values: Array, rank: Array, *, growing: bool) -> Array:
        """The logarithm of what each bet multiplies its stake by."""
        raise NotImplementedError

    def read(self, column: Any) -> Array:
        """A column as numbers, NaN for not known."""
        return np.asarray(column, float)

    def classes(self, read: Array) -> Array:
        """What is remembered of such numbers."""
        return read

    def examples(self, read: Array) -> list[NDArray[np.int64]]:
        """The places of examples for each way in which it may change."""
        raise NotImplementedError

    def remember(self, values: Array) -> None:
        """Count values as usual."""
        raise NotImplementedError

    def restore(self, values: Array) -> None:
        """Have these values as all that is usual."""
        raise NotImplementedError

    def effect(self, things: str) -> tuple[str, Effect, int]:
        """What changed, how much, and the way in which it did; ``things`` are watched."""
        raise NotImplementedError


class _Scores(_Signal):
    """Numbers that may all become larger or smaller."""

    def __init__(self, name: str, values: Array) -> None:
        super().__init__(name, len(_TILTS))
        self.restore(values)

    def gains(self, values: Array, rank: Array, *, growing: bool) -> Array:
        known = len(self.ordered)
        above = known - np.searchsorted(self.ordered, values, "right")
        equal = known - above - np.searchsorted(self.ordered, values, "left")
        count = np.full(len(values), known + 1)
        if growing:  # those before it in the window count too
            earlier = np.tri(len(values), k=-1, dtype=bool)
            above = above + (earlier & (values > values[:, None])).sum(axis=1)
            equal = equal + (earlier & (values == values[:, None])).sum(axis=1)
            count += np.arange(len(values))
        ranks = np.clip((above + rank * (equal + 1)) / count, 1e-12, 1 - 1e-12)
        return _tilted(_normal(ranks).sum(), len(values))

    def examples(self, read: Array) -> list[NDArray[np.int64]]:
        order = np.argsort(read, kind="stable")
        return [order[::-1][:_EXAMPLES], order[:_EXAMPLES]]

    def remember(self, values: Array) -> None:
        self.values = np.append(self.values, values)
        values = np.sort(values)
        self.ordered = np.insert(self.ordered, np.searchsorted(self.ordered, values), values)

    def restore(self, values: Array) -> None:
        self.values, self.ordered = values, np.sort(values)

    def effect(self, things: str) -> tuple[str, Effect, int]:
        _, before, now = self.changed()
        change = float(now.mean() - before.mean())
        error = 1.96 * float(np.sqrt(before.var() / len(before) + now.var() / len(now)))
        effect = Effect(
            what=f"mean of {self.name}",
            before=float(before.mean()),
            now=float(now.mean()),
            low=change - error,
            high=change + error,
        )
        lower = _TILTS[self.lead] < 0
        return f"{self.name} is {'lower' if lower else 'higher'}", effect, int(lower)


class _Counts(_Signal):
    """Numbers of classes, of which some become more frequent.

    A bet says that ``parts[bet]`` of the traffic turned into classes with the shares ``into[bet]``;
    ``into`` has shape (bets, classes).
    """

    def __init__(self, name: str, values: Array, parts: Array, into: Array) -> None:
        super().__init__(name, len(parts))
        self.parts, self.into = parts, into
        self.restore(values)

    def gains(self, values: Array, rank: Array, *, growing: bool) -> Array:
        classes = values.astype(int)
        known, counts = len(self.values), self.counts[classes]
        if growing:  # those before it in the window count too
            counts = counts + (np.tri(len(classes), k=-1) * (classes == classes[:, None])).sum(1)
            known = known + np.arange(len(classes))
        return self.stakes(self.into[:, classes], counts, known).sum(axis=1)

    def stakes(self, into: Array, counts: Array, known: Array | int) -> Array:
        """The gain of each bet from a value in a class that ``counts`` of ``known`` values are in.

        The value is counted before it is judged: each of all that are known by then was as likely
        to be the last, so that the mean is 1 however few are known.
        """
        parts = self.parts.reshape(-1, *[1] * (into.ndim - 1))
        return np.log1p(parts * (into * (known + 1) / (counts + 1) - 1))

    def remember(self, values: Array) -> None:
        self.restore(np.append(self.values, values))

    def restore(self, values: Array) -> None:
        self.values = values
        self.counts = np.bincount(values.astype(int), minlength=self.into.shape[1])

    def change(self, what: str, classes: NDArray[np.bool_]) -> Effect:
        """The change of the share of some classes."""
        _, before, now = self.changed()
        return _change(what, classes[before.astype(int)], classes[now.astype(int)])


class _Novelty(_Counts):
    """Numbers of which more may be large; ``lines`` are rising, each beyond some known values."""

    def __init__(self, name: str, lines: Array, values: Array, parts: Sequence[float]) -> None:
        self.lines, self.reach = lines, list(parts)  # what part of the known is beyond each line
        places = [_BEYOND.index(part) for part in parts]
        beyond = [[1.0, *(shares[place] for place in places), 0.0] for _, shares in _NOVEL]
        super().__init__(
            name, values, np.array([part for part, _ in _NOVEL]), -np.diff(beyond, axis=1)
        )

    @classmethod
    def of(cls, name: str, column: Array) -> _Novelty:
        """Draw the lines by known values; of two that would be one, the wider one."""
        places: dict[int, float] = {}
        for part in _BEYOND:
            places.setdefault(max(1, round(part * len(column))), part)
        lines = np.sort(column)[[-place for place in places]]
        values = np.searchsorted(lines, column).astype(float)
        return cls(name, lines, values, list(places.values()))

    def state(self) -> dict[str, Any]:
        return {**super().state(), "parts": self.reach, "lines": self.lines.tolist()}

    def classes(self, read: Array) -> Array:
        return np.searchsorted(self.lines, read).astype(float)

    def examples(self, read: Array) -> list[NDArray[np.int64]]:
        return [np.argsort(-read, kind="stable")[:_EXAMPLES]]

    def effect(self, things: str) -> tuple[str, Effect, int]:
        line = int(np.abs(np.array(self.reach) - _SHOWN).argmin())
        what = f"share farther from the known {things} than {1 - self.reach[line]:.0%} of them were"
        classes = np.arange(len(self.lines) + 1) > line
        return f"More {things} unlike the known ones", self.change(what, classes), 0


class _Labels(_Counts):
    """Words; ``names`` are watched one by one, the last of them is all others."""

    def __init__(self, name: str, names: Sequence[str], values: Array) -> None:
        self.names = list(names)
        into = np.tile(np.eye(len(names)), (len(_GAINS), 1))
        super().__init__(name, values, np.repeat(_GAINS, len(names)), into)

    @classmethod
    def of(cls, name: str, words: Sequence[str | None], most: int = _LABELS) -> _Labels:
        """Watch the most frequent words."""
        counts = Counter(word for word in words if word is not None)
        names = [*(word for word, _ in counts.most_common(most)), _OTHER]
        numbers = cls(name, names, np.zeros(0)).read(words)
        return cls(name, names, numbers[~np.isnan(numbers)])

    def state(self) -> dict[str, Any]:
        return {**super().state(), "names": self.names}

    def read(self, column: Sequence[str | None]) -> Array:
        numbers = {name: float(number) for number, name in enumerate(self.names)}
        other = float(len(self.names) - 1)
        return np.array([np.nan if x is None else numbers.get(x, other) for x in column], float)

    def examples(self, read: Array) -> list[NDArray[np.int64]]:
        return [np.flatnonzero(read == number)[:_EXAMPLES] for number in range(len(self.names))]

    def effect(self, things: str) -> tuple[str, Effect, int]:
        label = self.lead % len(self.names)
        named = f"{self.name} {self.names[label]}"
        classes = np.arange(len(self.names)) == label
        return f"More {things} with {named}", self.change(f"share of {named}", classes), label


def _tilted(normal: Array, count: int = 1) -> Array:
    """The gains of each bet (last axis) from the sum of ``count`` normal scores."""
    tilts = np.array(_TILTS)
    return np.asarray(normal)[..., None] * tilts - count * tilts**2 / 2


def _normal(ranks: Array) -> Array:
    from scipy.special import ndtri

    return -np.asarray(ndtri(ranks))


def _signal(state: Mapping[str, Any], arrays: Mapping[str, Any]) -> _Signal:
    """A signal as it was saved: its numbers are in ``arrays``, after its name."""
    name = state["name"]
    values, total, best, start = (arrays[f"{name}/{part}"] for part in _SAVED)
    signal: _Signal
    match state["kind"]:
        case "_Novelty":
            signal = _Novelty(name, np.array(state["lines"]), values, state["parts"])
        case "_Labels":
            signal = _Labels(name, state["names"], values)
        case _:
            signal = _Scores(name, values)
    signal.total, signal.best, signal.start = total, best, start
    signal.limit, signal.part, signal.lead = state["limit"], state["part"], state["lead"]
    signal.raised, signal.since = state["raised"], state["since"]
    signal.seen = [_Seen(**one) for one in state["seen"]]
    return signal


# --- limits ---------------------------------------------------------------------------------------

_STREAMS, _LENGTH = 400, 200  # clean streams that are simulated, and their windows
_LARGEST = 40  # of the streams' maxima, that the tail is read off


def _limit(draw: Callable[[np.random.Generator], Array], chance: float, seed: int) -> float:
    """The logarithm of the evidence that a clean stream of ``HORIZON`` windows reaches by chance.

    ``draw`` gives the gains of one window for all streams, of shape (streams, bets). The maximum
    has a tail of index 1, as bets gain nothing in the mean: it is read off where there are enough
    and drawn out. It is never more than ``HORIZON / chance``, which needs no simulation.
    """
    generator = np.random.default_rng(seed)
    total = np.full((_STREAMS, 1), -np.inf)
    most = np.full(_STREAMS, -np.inf)
    for _ in range(_LENGTH):
        total = np.logaddexp(total, 0.0) + draw(generator)
        most = np.maximum(most, np.logaddexp.reduce(total, axis=1) - np.log(total.shape[1]))
    at = np.sort(most)[-_LARGEST]
    unsure = 1 + 2 / np.sqrt(_LARGEST)
    tail = unsure * _LARGEST / _STREAMS * HORIZON / _LENGTH / chance
    return float(min(at + np.log(tail), np.log(HORIZON / chance)))


@lru_cache(maxsize=64)
def _scores_limit(size: int, chance: float, seed: int) -> float:
    def draw(generator: np.random.Generator) -> Array:
        return _tilted(np.sqrt(size) * generator.standard_normal(_STREAMS), size)

    return _limit(draw, chance, seed)


def _counts_limit(signal: _Counts, size: int, chance: float, seed: int) -> float:
    """Draws the shares of each stream as the known counts leave them open, and learns on."""
    counts = np.tile(signal.counts, (_STREAMS, 1))
    shares = np.random.default_rng(seed).dirichlet(signal.counts + 0.5, _STREAMS)

    def draw(generator: np.random.Generator) -> Array:
        drawn = generator.multinomial(size, shares)
        known = counts[0].sum()
        # as if one after the other, each class with half of what it gets in the window
        gains = signal.stakes(signal.into[:, None], counts + drawn // 2, known + size // 2)
        counts[:] += drawn if known < _MOST else 0
        return (gains * drawn).sum(axis=-1).T

    return _limit(draw, chance, seed)


def _change(what: str, before: NDArray[np.bool_], now: NDArray[np.bool_]) -> Effect:
    """Newcombe's interval of a difference of shares."""
    from scipy.stats import binomtest

    shares, lows, highs = [], [], []
    for found in (before, now):
        hits, count = int(found.sum()), max(len(found), 1)
        wilson = binomtest(hits, count).proportion_ci(method="wilson")
        shares.append(hits / count)
        lows.append(wilson.low)
        highs.append(wilson.high)
    change = shares[1] - shares[0]
    return Effect(
        what=what,
        before=shares[0],
        now=shares[1],
        low=change - np.hypot(shares[1] - lows[1], highs[0] - shares[0]),
        high=change + np.hypot(highs[1] - shares[1], shares[0] - lows[0]),
    )


# --- all signals ----------------------------------------------------------------------------------


class Watch:
    """Watches one stream of questions, or of documents; not for several threads at once.

    Make one with ``fit`` or ``load``. ``unwatched`` has the signals with too few known values.
    """

    def __init__(
        self, signals: Sequence[_Signal], known: Known | None, seed: int, things: str
    ) -> None:
        self._signals = {signal.name: signal for signal in signals}
        self._known, self._seed, self._things = known, seed, things
        self._novel: dict[str, Vectors] = {}  # of the examples of novelty
        self.windows = 0
        self.unwatched: list[str] = []

    @classmethod
    def fit(
        cls,
        usual: Sample,
        *,
        chance: float = CHANCE,
        window: int = WINDOW,
        things: str = "questions",
        seed: int = 0,
    ) -> Watch:
        """Learn what is usual; seconds for thousands of rows.

        ``chance`` is for all signals together: give a part of it where a second stream (``things``
        are ``documents``, say) is watched beside this one. Raises UsageError where there are fewer than 50 rows, or nothing in them.
        """
        if len(usual.ids) < _FEWEST:
            raise UsageError(
                f"{len(usual.ids)} rows are too few to learn what is usual; give {_FEWEST} or more,"
                " better 1,000."
            )
        known = None if usual.vectors is None else Known.of(usual.vectors, usual.ids, seed)
        scores, labels = dict(usual.scores), dict(usual.labels)
        if known is not None:
            scores[NOVELTY] = known.own_novelty()
            labels[TOPIC] = known.topics(known.vectors)
        signals: list[_Signal] = []
        unwatched = []
        for name, given in scores.items():
            values = np.asarray(given, float)
            values = values[~np.isnan(values)]
            if len(values) < _FEWEST:
                unwatched.append(name)
            else:
                signals.append((_Novelty.of if name == NOVELTY else _Scores)(name, values))
        for name, words in labels.items():
            if sum(word is not None for word in words) < _FEWEST:
                unwatched.append(name)
                continue
            signals.append(_Labels.of(name, words, _TOPICS[1] if name == TOPIC else _LABELS))
        if not signals:
            raise UsageError("Nothing to watch: give vectors, scores or labels that are known.")
        parts = sum(_WEIGHTS.get(signal.name, 1.0) for signal in signals)
        for signal in signals:
            signal.part = part = chance * _WEIGHTS.get(signal.name, 1.0) / parts
            signal.limit = (
                _counts_limit(signal, window, part, seed)
                if isinstance(signal, _Counts)
                else _scores_limit(window, part, seed)
            )
        watch = cls(signals, known, seed, things)
        watch.unwatched = unwatched
        return watch

    def derived(self, window: Sample) -> Sample:
        """The window with what its vectors say as scores and labels."""
        if window.vectors is None or self._known is None:
            return window
        vectors = np.asarray(window.vectors, np.float32)
        return Sample(
            ids=window.ids,
            scores={**window.scores, NOVELTY: self._known.novelty(vectors)},
            labels={**window.labels, TOPIC: self._known.topics(vectors)},
            at=window.at,
        )

    def see(self, window: Sample) -> list[Alarm]:
        """Take the next window; return the alarms that are on, strongest first.

        What was raised stays on until ``resume``. Signals that the window lacks see nothing.
        """
        self.windows += 1
        derived = self.derived(window)
        for place, signal in enumerate(self._signals.values()):
            columns: Mapping[str, Any] = (
                derived.labels if isinstance(signal, _Labels) else derived.scores
            )
            seed = zlib.crc32(f"{self._seed} {self.windows} {place}".encode())
            signal.see(self.windows, window.at, columns.get(signal.name, ()), derived.ids, seed)
        if window.vectors is not None and NOVELTY in self._signals:
            self._keep_novel(window.ids, window.vectors)
        return self.alarms

    @property
    def alarms(self) -> list[Alarm]:
        """The alarms that are on, strongest first."""
        on = [signal for signal in self._signals.values() if signal.raised]
        on.sort(key=lambda signal: signal.limit - signal.evidence)
        return [self._alarm(signal) for signal in on]

    def resume(self) -> None:
        """Clear all alarms and forget what came since the changes: their cause is gone.

        Where the new traffic is here to stay, ``fit`` on it instead.
        """
        for signal in self._signals.values():
            if signal.raised:
                signal.resume()

    def save(self, path: Path) -> None:
        """Write all that is known to a file (npz and JSON); a crash leaves the old one."""
        state = {
            "format": _FORMAT,
            "seed": self._seed,
            "things": self._things,
            "windows": self.windows,
            "unwatched": self.unwatched,
            "names": self._known.names if self._known else None,
            "novel": list(self._novel),
            "signals": [signal.state() for signal in self._signals.values()],
        }
        arrays: dict[str, Any] = {
            f"{signal.name}/{part}": getattr(signal, part)
            for signal in self._signals.values()
            for part in _SAVED
        }
        if self._known is not None:
            arrays |= {"known": self._known.vectors, "centres": self._known.centres}
            arrays["novel"] = np.array(list(self._novel.values()), np.float32)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        with beside.open("wb") as file:
            np.savez(file, state=np.array(json.dumps(state)), **arrays)
        beside.replace(path)

    @classmethod
    def load(cls, path: Path) -> Watch:
        """Go on from where ``save`` was called. Raises DataError for another file."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                state = json.loads(str(arrays["state"]))
                if state["format"] != _FORMAT:
                    raise ValueError(f"format {state['format']}")
                names = state["names"]
                known = Known(arrays["known"], arrays["centres"], names) if names else None
                signals = [_signal(one, arrays) for one in state["signals"]]
                watch = cls(signals, known, state["seed"], state["things"])
                if known is not None:
                    watch._novel = dict(zip(state["novel"], arrays["novel"], strict=True))
        except FileNotFoundError:
            raise DataError(f"{path} does not exist; fit a watch and save it first.") from None
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path} is no saved watch ({type(error).__name__}: {error}); fit it anew."
            ) from None
        watch.windows, watch.unwatched = state["windows"], state["unwatched"]
        return watch

    def _alarm(self, signal: _Signal) -> Alarm:
        what, effect, way = signal.effect(self._things)
        seen = signal.changed()[0]
        examples = [example for one in seen for example in one.examples[way]]
        vectors = self._novel if signal.name == NOVELTY else {}
        return Alarm(
            signal=signal.name,
            what=what,
            since=signal.since,
            since_at=seen[0].at,
            raised=signal.raised,
            windows=self.windows - signal.since + 1,
            chance=float(signal.part * np.exp(signal.limit - signal.evidence)),
            effect=effect,
            examples=grouped(examples, vectors),
            advice=_ADVICE.get((self._things, signal.name), _OTHERWISE),
        )

    def _keep_novel(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Keep the vectors of the most novel questions of the windows that are kept."""
        rows = {name: row for row, name in enumerate(ids)}
        for name in self._signals[NOVELTY].seen[-1].examples[0]:
            self._novel[name] = np.asarray(vectors[rows[name]], np.float32)
        kept = {name for one in self._signals[NOVELTY].seen for name in one.examples[0]}
        self._novel = {name: self._novel[name] for name in kept if name in self._novel}


def grouped(ids: Sequence[str], vectors: Mapping[str, Vectors]) -> tuple[tuple[str, ...], ...]:
    """Put what is alike into groups, largest first; what has no vector stands alone."""
    groups: list[list[str]] = []
    for name in dict.fromkeys(ids):
        near = (
            group
            for group in groups
            if name in vectors and group[0] in vectors
            if float(vectors[name] @ vectors[group[0]]) >= _ALIKE
        )
        group = next(near, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return tuple(tuple(group) for group in sorted(groups, key=len, reverse=True))
