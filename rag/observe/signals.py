"""One signal of a stream: what is usual, bets that it changed, and how far chance would take them.

A bet multiplies its stake with each value that comes, by as much as the value is likelier if it is
right; in the mean by 1 as long as nothing changed. The evidence of a signal is the sum over all
windows at which a bet may have been opened. Scores are ranked among what came before; the counts of
classes need no ranks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.types import Value

Array = NDArray[np.float64]

HORIZON = 1_000
"""Windows over which a clean stream alarms with a chance of at most ``CHANCE``."""

SAVED = ("values", "total", "best", "start")  # the arrays of a signal
_MOST = 20_000  # values that are remembered; then the usual stands still
_RECENT = 64  # windows that are kept for the effect, the examples and to be forgotten
_EXAMPLES = 5  # of a window
MOST_LABELS = 8  # that are watched one by one; the others are one more
_OTHER = "(other)"

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
# The share of one label grows by so much, but not by nearly all that others have.
_GAINS = (0.05, 0.12)
_AT_MOST = 0.8


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


@dataclass
class Seen:
    """A window that is remembered: its values, and how many were remembered before it."""

    number: int
    at: str
    place: int
    values: list[float]
    examples: list[list[str]]  # for each way in which it may change


class Signal:
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
        self.seen: list[Seen] = []
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
        seen = Seen(number, at, len(self.values), values.tolist(), examples)
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

    def changed(self) -> tuple[list[Seen], Array, Array]:
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


class Scores(Signal):
    """Numbers that may all become larger or smaller."""

    ordered: Array

    def __init__(self, name: str, values: Array) -> None:
        super().__init__(name, len(_TILTS))
        self.restore(values)

    def gains(self, values: Array, rank: Array, *, growing: bool) -> Array:
        """By ranks; equal values are ranked by chance."""
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
        """The largest, and the smallest."""
        order = np.argsort(read, kind="stable")
        return [order[::-1][:_EXAMPLES], order[:_EXAMPLES]]

    def remember(self, values: Array) -> None:
        """Count values as usual."""
        self.values = np.append(self.values, values)
        values = np.sort(values)
        self.ordered = np.insert(self.ordered, np.searchsorted(self.ordered, values), values)

    def restore(self, values: Array) -> None:
        """Have these values as all that is usual."""
        self.values, self.ordered = values, np.sort(values)

    def effect(self, things: str) -> tuple[str, Effect, int]:
        """The change of the mean."""
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


class Counts(Signal):
    """Numbers of classes, of which some become more frequent.

    A bet says that ``parts[bet]`` of the traffic turned into classes with the shares ``into[bet]``;
    ``into`` has shape (bets, classes).
    """

    def __init__(self, name: str, values: Array, parts: Array, into: Array) -> None:
        super().__init__(name, len(parts))
        self.parts, self.into = parts, into
        self.restore(values)

    def gains(self, values: Array, rank: Array, *, growing: bool) -> Array:
        """By the counts of classes; chance has no part in it."""
        classes = values.astype(int)
        counts, known = self.counts[classes], np.full(len(classes), float(len(self.values)))
        if growing:  # those before it in the window count too
            counts = counts + (np.tri(len(classes), k=-1) * (classes == classes[:, None])).sum(1)
            known += np.arange(len(classes))
        return np.asarray(self.stakes(self.into[:, classes], counts, known).sum(axis=1))

    def stakes(self, into: Array, counts: Array, known: Array | float) -> Array:
        """The gain of each bet from a value in a class that ``counts`` of ``known`` values are in.

        The value is counted before it is judged: each of all that are known by then was as likely
        to be the last, so that the mean is 1 however few are known.
        """
        parts = self.parts.reshape(-1, *[1] * (into.ndim - 1))
        return np.log1p(parts * (into * (known + 1) / (counts + 1) - 1))

    def remember(self, values: Array) -> None:
        """Count values as usual."""
        self.restore(np.append(self.values, values))

    def restore(self, values: Array) -> None:
        """Have these values as all that is usual."""
        self.values = values
        self.counts = np.bincount(values.astype(int), minlength=self.into.shape[1]).astype(float)

    def change(self, what: str, classes: NDArray[np.bool_]) -> Effect:
        """The change of the share of some classes."""
        _, before, now = self.changed()
        return _change(what, classes[before.astype(int)], classes[now.astype(int)])


class Novelty(Counts):
    """Numbers of which more may be large; ``lines`` are rising, each beyond some known values."""

    def __init__(self, name: str, lines: Array, values: Array, parts: Sequence[float]) -> None:
        self.lines, self.reach = lines, list(parts)  # what part of the known is beyond each line
        places = [_BEYOND.index(part) for part in parts]
        beyond = [[1.0, *(shares[place] for place in places), 0.0] for _, shares in _NOVEL]
        super().__init__(
            name, values, np.array([part for part, _ in _NOVEL]), -np.diff(beyond, axis=1)
        )

    @classmethod
    def of(cls, name: str, column: Array) -> Novelty:
        """Draw the lines by known values; of two that would be one, the wider one."""
        places: dict[int, float] = {}
        for part in _BEYOND:
            places.setdefault(max(1, round(part * len(column))), part)
        lines = np.sort(column)[[-place for place in places]]
        values = np.searchsorted(lines, column).astype(float)
        return cls(name, lines, values, list(places.values()))

    def state(self) -> dict[str, Any]:
        """With the lines, and what they were drawn for."""
        return {**super().state(), "parts": self.reach, "lines": self.lines.tolist()}

    def classes(self, read: Array) -> Array:
        """How many lines each is beyond."""
        return np.searchsorted(self.lines, read).astype(float)

    def examples(self, read: Array) -> list[NDArray[np.int64]]:
        """The farthest."""
        return [np.argsort(-read, kind="stable")[:_EXAMPLES]]

    def effect(self, things: str) -> tuple[str, Effect, int]:
        """The change of the share that is very far."""
        line = int(np.abs(np.array(self.reach) - _SHOWN).argmin())
        what = f"share farther from the known {things} than {1 - self.reach[line]:.0%} of them were"
        classes = np.arange(len(self.lines) + 1) > line
        return f"More {things} unlike the known ones", self.change(what, classes), 0


class Labels(Counts):
    """Words; ``names`` are watched one by one, the last of them is all others."""

    def __init__(
        self, name: str, names: Sequence[str], values: Array, parts: Sequence[float]
    ) -> None:
        self.names = list(names)
        into = np.tile(np.eye(len(names)), (len(_GAINS), 1))
        super().__init__(name, values, np.array(parts), into)

    @classmethod
    def of(cls, name: str, words: Sequence[str | None], most: int = MOST_LABELS) -> Labels:
        """Watch the most frequent words."""
        counts = Counter(word for word in words if word is not None)
        names = [*(word for word, _ in counts.most_common(most)), _OTHER]
        shares = np.array([counts[word] for word in names]) / counts.total()
        # A bet on hardly more than is usual would win by the error of what is known.
        parts = [min(gain / max(1 - share, gain), _AT_MOST) for gain in _GAINS for share in shares]
        numbers = cls(name, names, np.zeros(0), parts).read(words)
        return cls(name, names, numbers[~np.isnan(numbers)], parts)

    def state(self) -> dict[str, Any]:
        """With the names of the labels."""
        return {**super().state(), "names": self.names, "parts": self.parts.tolist()}

    def read(self, column: Sequence[str | None]) -> Array:
        """The number of each label; what is not watched by name has the last."""
        numbers = {name: float(number) for number, name in enumerate(self.names)}
        other = float(len(self.names) - 1)
        return np.array([np.nan if x is None else numbers.get(x, other) for x in column], float)

    def examples(self, read: Array) -> list[NDArray[np.int64]]:
        """Some of each label."""
        return [np.flatnonzero(read == number)[:_EXAMPLES] for number in range(len(self.names))]

    def effect(self, things: str) -> tuple[str, Effect, int]:
        """The change of the share of the label that the best bet is on."""
        label = self.lead % len(self.names)
        named = f"{self.name} {self.names[label]}"
        classes = np.arange(len(self.names)) == label
        return f"More {things} with {named}", self.change(f"share of {named}", classes), label


def _tilted(normal: Array, count: int = 1) -> Array:
    """The gains of each bet (last axis) from the sum of ``count`` normal scores."""
    tilts = np.array(_TILTS)
    return np.asarray(np.asarray(normal)[..., None] * tilts - count * tilts**2 / 2)


def _normal(ranks: Array) -> Array:
    from scipy.special import ndtri

    return -np.asarray(ndtri(ranks))


def restored(state: Mapping[str, Any], arrays: Mapping[str, Any]) -> Signal:
    """A signal as it was saved: its numbers are in ``arrays``, after its name."""
    name = state["name"]
    values, total, best, start = (arrays[f"{name}/{part}"] for part in SAVED)
    signal: Signal
    match state["kind"]:
        case "Novelty":
            signal = Novelty(name, np.array(state["lines"]), values, state["parts"])
        case "Labels":
            signal = Labels(name, state["names"], values, state["parts"])
        case _:
            signal = Scores(name, values)
    signal.total, signal.best, signal.start = total, best, start
    signal.limit, signal.part, signal.lead = state["limit"], state["part"], state["lead"]
    signal.raised, signal.since = state["raised"], state["since"]
    signal.seen = [Seen(**one) for one in state["seen"]]
    return signal


# --- limits ---------------------------------------------------------------------------------------

_STREAMS = 200  # clean ones that are simulated
_LARGEST = 20  # of the streams' maxima, that the tail is read off


def _limit(draw: Callable[[np.random.Generator], Array], chance: float, seed: int) -> float:
    """The logarithm of the evidence that a clean stream of ``HORIZON`` windows reaches by chance.

    ``draw`` gives the gains of one window for all streams, of shape (streams, bets). The maximum
    has a tail of index 1, as bets gain nothing in the mean: it is read off where there are enough
    and drawn out. It is never more than ``HORIZON / chance``, which needs no simulation.
    """
    generator = np.random.default_rng(seed)
    total = np.full((_STREAMS, 1), -np.inf)
    most = np.full(_STREAMS, -np.inf)
    for _ in range(HORIZON):
        total = np.logaddexp(total, 0.0) + draw(generator)
        most = np.maximum(most, np.logaddexp.reduce(total, axis=1) - np.log(total.shape[1]))
    at = np.sort(most)[-_LARGEST]
    unsure = 1 + 2 / np.sqrt(_LARGEST)
    tail = unsure * _LARGEST / _STREAMS / chance
    return float(min(at + np.log(tail), np.log(HORIZON / chance)))


@lru_cache(maxsize=64)
def scores_limit(size: int, chance: float, seed: int) -> float:
    """The limit of scores, whose ranks are even whatever they are."""

    def draw(generator: np.random.Generator) -> Array:
        return _tilted(np.sqrt(size) * generator.standard_normal(_STREAMS), size)

    return _limit(draw, chance, seed)


def counts_limit(signal: Counts, size: int, chance: float, seed: int) -> float:
    """Draws the shares of each stream as the known counts leave them open, and learns on."""
    counts = np.tile(signal.counts, (_STREAMS, 1))
    shares = np.random.default_rng(seed).dirichlet(signal.counts + 0.5, _STREAMS)

    def draw(generator: np.random.Generator) -> Array:
        drawn = generator.multinomial(size, shares)
        known = float(counts[0].sum())
        # as if one after the other, each class with half of what it gets in the window
        gains = signal.stakes(signal.into[:, None], counts + drawn // 2, known + size // 2)
        counts[:] += drawn if known < _MOST else 0
        return np.asarray((gains * drawn).sum(axis=-1).T)

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
