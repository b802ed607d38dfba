"""Whether the traffic changed: an alarm that hardly ever comes by chance, and says what changed.

``Watch`` learns what is usual from a few hundred questions and then sees windows of some hundred.
Each value (how far a question is from the known ones, a confidence, a label) is ranked among the
known values and all that came before: in a stream whose order means nothing such ranks are
independent and even, whatever the values are and however few were known (Vovk, 2021, *Testing
randomness online*). Bets on the ranks are multiplied up over all starts at once (Shin, Ramdas and
Rinaldo, 2023, *E-detectors*); where the sum gets so large that it would in one of twenty clean
streams of 1,000 windows, for all signals together, it is an alarm.

What it takes for granted: windows of clean traffic are like each other. A question that one person
sends ten times in a row is one question; pass it once.
"""

from __future__ import annotations

import json
import os
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.errors import DataError, UsageError
from rag.observe.signals import (
    MOST_LABELS,
    SAVED,
    Array,
    Counts,
    Effect,
    Labels,
    Novelty,
    Scores,
    Signal,
    counts_limit,
    restored,
    scores_limit,
)
from rag.types import Value

Vectors = NDArray[np.float32]

CHANCE = 0.05
"""Of any alarm in 1,000 clean windows."""
WINDOW = 100
"""Questions in a window for which the limits are made; others are welcome."""

NOVELTY, TOPIC = "novelty", "topic"
"""The signals that are made of vectors."""

_FEWEST = 50  # known values of a signal, to be watched at all
_NEIGHBOURS = 3  # known questions whose mean distance is the novelty of a question
_ALIKE = 0.6  # cosine of two examples of one group
_TOPICS = (4, 12)  # fewest and most
_PER_TOPIC = 80  # questions
_WEIGHTS = {NOVELTY: 4.0}  # a signal's part of the chance; 1 where none is named

_FORMAT = 1

_ADVICE = {
    "questions": {
        NOVELTY: "Read the examples: add documents that answer them, or tell people where they"
        " belong.",
        TOPIC: "Find out what happened to this topic (a release, an outage, a campaign) and whether"
        " its documents are up to date.",
        "language": "See that documents and an embedder exist for these languages, or say on the"
        " page which ones are answered.",
        "abstained": "Read the examples: missing documents, or a search that no longer finds them?"
        " `rag eval suite` tells which.",
    },
    "documents": {
        NOVELTY: "See whether they belong here (`rag sources`); if they do, learn what is usual"
        " anew."
    },
}
_OTHERWISE = (
    "Look at what was changed at that time (index, settings, weights, prompts) and run"
    " `rag eval suite`; if nothing was, read the examples."
)


@dataclass(frozen=True)
class Sample:
    """Questions (or documents) in the order in which they came, as columns of one length.

    ``ids`` is what examples are called by, and is saved: names of rows rather than what was asked,
    so that nothing has to be forgotten here. ``vectors`` has shape (rows, d), rows of length 1.
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


class Alarm(Value):
    """What changed, since which window (counted from 1), how much, with examples.

    ``raised`` is the window at which it was found. ``chance`` is that of a clean stream of
    1,000 windows to have one of this signal that is as strong. ``examples`` are ids in groups
    of questions that are alike, largest first.
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
    nearest = np.partition(near, -count, axis=1)[:, -count:]
    return np.asarray(1.0 - nearest.mean(axis=1, dtype=np.float64))


# --- all signals ----------------------------------------------------------------------------------


class Watch:
    """Watches one stream of questions, or of documents; not for several threads at once.

    Make one with ``fit`` or ``load``. ``unwatched`` has the signals with too few known values.
    """

    def __init__(
        self, signals: Sequence[Signal], known: Known | None, seed: int, things: str
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
        are ``documents``, say) is watched beside this one. Raises UsageError where there are fewer
        than 50 rows, or nothing in them.
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
        signals: list[Signal] = []
        unwatched = []
        for name, given in scores.items():
            values = np.asarray(given, float)
            values = values[~np.isnan(values)]
            if len(values) < _FEWEST:
                unwatched.append(name)
            else:
                signals.append((Novelty.of if name == NOVELTY else Scores)(name, values))
        for name, words in labels.items():
            if sum(word is not None for word in words) < _FEWEST:
                unwatched.append(name)
                continue
            signals.append(Labels.of(name, words, _TOPICS[1] if name == TOPIC else MOST_LABELS))
        if not signals:
            raise UsageError("Nothing to watch: give vectors, scores or labels that are known.")
        parts = sum(_WEIGHTS.get(signal.name, 1.0) for signal in signals)
        for signal in signals:
            signal.part = part = chance * _WEIGHTS.get(signal.name, 1.0) / parts
            signal.limit = (
                counts_limit(signal, window, part, seed)
                if isinstance(signal, Counts)
                else scores_limit(window, part, seed)
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
                derived.labels if isinstance(signal, Labels) else derived.scores
            )
            seed = zlib.crc32(f"{self._seed} {self.windows} {place}".encode())
            signal.see(self.windows, window.at, columns.get(signal.name, ()), derived.ids, seed)
        if window.vectors is not None and NOVELTY in self._signals:
            self._keep_novel(window.ids, window.vectors)
        return self.alarms

    @property
    def watched(self) -> int:
        """How many signals it watches."""
        return len(self._signals)

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
            for part in SAVED
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
                signals = [restored(one, arrays) for one in state["signals"]]
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

    def _alarm(self, signal: Signal) -> Alarm:
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
            advice=_ADVICE.get(self._things, {}).get(signal.name, _OTHERWISE),
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
