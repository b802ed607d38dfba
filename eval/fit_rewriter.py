"""Fit the rewriter of follow-up questions: ``python eval/fit_rewriter.py [DATA]`` (``RAG_DATA``).

CAsT, GECOR and CQR: people wrote what a question means on its own. Each content word of the history
that the question lacks is wanted if the person's question has it. Two models, one on top of the
other: ridge regression on form, attention and states, then boosted trees on form and on what the
first says of the word, its rivals and its neighbours (fitted to what it says of dialogues that it
has not seen). Whole dialogues are held apart, then whole sets. Writes ``rag/retrieve/follow.json``.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.evaluate.texts import term_f1, terms
from rag.models.states import TokenStates
from rag.retrieve import follow, talk
from rag.retrieve.talk import Talk
from rag.types import Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

SEED = 20260101
FOLDS = 5
# Share of each set in the fit: by size GECOR, one domain, would be all that counts.
SETS = {"cast-2019-2021": 0.45, "gecor": 0.35, "cqr-dev": 0.2}
LICENCES = {"cast-2019-2021": "MIT", "gecor": "MIT", "cqr-dev": "MIT-0"}
RIDGE = 0.03
TREES: dict[str, Any] = {
    "max_iter": 150,
    "learning_rate": 0.06,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "l2_regularization": 5.0,
    "max_features": 0.3,
    "early_stopping": False,
}


@dataclass
class Asked:
    """One turn of one set, with the terms of what was said, of the history and of the rewrite."""

    set: str
    group: str
    said: frozenset[str]
    history: frozenset[str]
    wanted: frozenset[str]
    read: Talk
    rows: slice = field(default_factory=lambda: slice(0, 0))

    @property
    def fold(self) -> int:
        """Dialogues go to folds by their names."""
        return int(hashlib.sha256(self.group.encode()).hexdigest(), 16) % FOLDS

    def score(self, probabilities: Floats) -> float:
        """Return the term F1 of what would be added."""
        return term_f1(self.said | self.chosen(probabilities), self.wanted)

    def chosen(self, probabilities: Floats) -> frozenset[str]:
        """Return the terms that would be added."""
        own = len({word.term for word in self.read.asked})
        alone = not len(probabilities) or follow.stands_alone(self.read)
        picks = [] if alone else follow.choose(own, probabilities)
        return frozenset(self.read.candidates[n].term for n in picks)


def load(folder: Path) -> Iterator[Asked]:
    """Yield the turns of all sets."""
    for name in SETS:
        with gzip.open(folder / "rewrite" / f"{name}.jsonl.gz", "rt", encoding="utf8") as lines:
            for line in lines:
                row = json.loads(line)
                history = [Turn(**turn) for turn in row["history"]]
                yield Asked(
                    set=name,
                    group=dialogue(name, row["id"]),
                    said=terms(row["question"]),
                    history=terms(" ".join(turn.text for turn in history)),
                    wanted=terms(row["rewrite"]),
                    read=talk.read(history, row["question"]),
                )


def dialogue(name: str, row: str) -> str:
    """Return the dialogue that a row is of: cast2020-81_5, gecor-240-1-ellipsis, cqr-dev-149-3."""
    if name == "gecor":
        return "-".join(row.split("-")[:2])
    return row.rsplit("_" if name.startswith("cast") else "-", 1)[0]


class Table:
    """All candidates of all turns: what the models see of them, and which are wanted."""

    def __init__(self, turns: Sequence[Asked]) -> None:
        self.turns = [turn for turn in turns if turn.read.candidates]
        states = TokenStates()
        self.names = tuple(talk.features(self.turns[0].read)[0])
        at, formed, seen = 0, [], []
        for turn in self.turns:
            turn.rows = slice(at, at + len(turn.read.candidates))
            at = turn.rows.stop
            formed.append(follow.forms(turn.read, self.names))
            seen.append(follow.look(turn.read, states))
        self.forms = np.concatenate(formed)
        self.wanted = np.array(
            [c.term in turn.wanted for turn in self.turns for c in turn.read.candidates], np.float32
        )
        sizes = [len(turn.read.candidates) for turn in self.turns]
        self.fold = np.repeat([turn.fold for turn in self.turns], sizes)
        self.set = np.repeat([list(SETS).index(turn.set) for turn in self.turns], sizes)
        rows = np.concatenate([self.forms, np.concatenate(seen)], axis=1)
        self.mean, self.deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
        rows -= self.mean
        rows /= self.deviation
        self._rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
        self._sums: dict[tuple[int, int], tuple[Array, Array, int]] = {}
        for cell in {(int(a), int(f)) for a, f in zip(self.set, self.fold, strict=True)}:
            mask = (self.set == cell[0]) & (self.fold == cell[1])
            part = self._rows[mask]
            self._sums[cell] = (part.T @ part, part.T @ self.wanted[mask], len(part))

    def ridge(self, folds: Sequence[int], sets: Sequence[int]) -> Array:
        """Return the first model, fitted to those folds of those sets."""
        size = self._rows.shape[1]
        left, right = np.zeros((size, size)), np.zeros(size)
        for number in sets:
            cells = [self._sums[number, f] for f in folds if (number, f) in self._sums]
            share = list(SETS.values())[number] / max(1, sum(cell[2] for cell in cells))
            for gram, products, _ in cells:
                left += share * gram
                right += share * products
        left[np.diag_indices(size - 1)] += RIDGE
        return np.asarray(np.linalg.solve(left, right), np.float32)

    def first(self, folds: Sequence[int], sets: Sequence[int]) -> Array:
        """Return the first model's result for every candidate, never from its own dialogue."""
        result = np.zeros(len(self.wanted), np.float32)
        for fold in range(FOLDS):
            mask = self.fold == fold
            result[mask] = self._rows[mask] @ self.ridge([f for f in folds if f != fold], sets)
        return result

    def second(self, first: Array) -> Array:
        """Return the rows of the trees."""
        near = [follow.around(turn.read, first[turn.rows]) for turn in self.turns]
        return np.concatenate([self.forms, np.concatenate(near)], axis=1)

    def fit(self, rows: Array, mask: Mask) -> Any:
        """Return trees fitted to the rows of a mask; each set has its share, whatever its size."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        weights = np.zeros(len(rows))
        for number, share in enumerate(SETS.values()):
            inside = mask & (self.set == number)
            if inside.any():
                weights[inside] = share / inside.sum()
        weights *= mask.sum() / weights.sum()
        trees = HistGradientBoostingClassifier(**TREES, random_state=SEED)
        return trees.fit(rows[mask], self.wanted[mask], sample_weight=weights[mask])

    def held_out(self, split: str) -> Floats:
        """Return probabilities of dialogues ("fold") or sets ("set") that the models never saw."""
        result = np.zeros(len(self.wanted))
        every = range(len(SETS))
        for out in range(FOLDS) if split == "fold" else every:
            held = (self.fold if split == "fold" else self.set) == out
            folds = [f for f in range(FOLDS) if split != "fold" or f != out]
            rows = self.second(self.first(folds, [s for s in every if split == "fold" or s != out]))
            result[held] = self.fit(rows, ~held).predict_proba(rows[held])[:, 1]
        return result

    def final(self) -> dict[str, Any]:
        """Return the weights of both models, fitted to everything."""
        folds, sets = range(FOLDS), range(len(SETS))
        solved = self.ridge(folds, sets)
        linear = solved[:-1] / self.deviation
        trees = self.fit(self.second(self.first(folds, sets)), np.ones(len(self.wanted), bool))
        found: dict[str, Any] = {
            "forms": self.names,
            "linear_bias": float(solved[-1] - linear @ self.mean),
            "linear": _short(linear),
            "bias": float(np.ravel(trees._baseline_prediction)[0]),
        } | {key: [] for key in "roots features thresholds left right values".split()}
        for (tree,) in trees._predictors:
            start = len(found["features"])
            found["roots"].append(start)
            for n, node in enumerate(tree.nodes, start):
                leaf = bool(node["is_leaf"])
                found["features"].append(0 if leaf else int(node["feature_idx"]))
                found["thresholds"].append(0 if leaf else float(f"{node['num_threshold']:.6g}"))
                found["left"].append(n if leaf else start + int(node["left"]))
                found["right"].append(n if leaf else start + int(node["right"]))
                found["values"].append(float(f"{node['value']:.5g}") if leaf else 0)
        return found


def _short(values: Array) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def figures(turns: Sequence[Asked], probabilities: Floats) -> dict[str, dict[str, str]]:
    """Return term F1 a set with 95% intervals over dialogues, and its way to the oracle."""
    table = {}
    for name in SETS:
        chosen = [turn for turn in turns if turn.set == name]
        values = np.array(
            [
                [
                    turn.score(probabilities[turn.rows]),
                    term_f1(turn.said, turn.wanted),
                    term_f1(turn.said | turn.history, turn.wanted),
                    term_f1(turn.said | turn.history & turn.wanted, turn.wanted),
                ]
                for turn in chosen
            ]
        )
        groups = np.unique([turn.group for turn in chosen], return_inverse=True)[1]
        sums = np.stack([np.bincount(groups, weights=column) for column in values.T], axis=1)
        counts = np.bincount(groups)
        draws = np.random.default_rng(SEED).integers(0, len(counts), (2000, len(counts)))
        means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)[:, None]
        ours, said, history, oracle = values.mean(axis=0)
        table[name] = {
            "turns": str(len(chosen)),
            "term_f1": _interval(float(ours), means[:, 0]),
            "as said": f"{said:.3f}",
            "history": f"{history:.3f}",
            "oracle": f"{oracle:.3f}",
            "of the way": _interval(
                _way(np.array([[ours, said, history, oracle]]))[0], _way(means)
            ),
        }
    return table


def _way(means: Floats) -> Floats:
    best = means[:, 1:3].max(axis=1)
    return np.asarray((means[:, 0] - best) / (means[:, 3] - best))


def _interval(value: float, draws: Floats) -> str:
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, print the figures, write the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"))
    parser.add_argument("--out", type=Path, default=follow.WEIGHTS)
    given = parser.parse_args(arguments)
    if not given.data:
        parser.error("name the data folder, or set RAG_DATA")
    began = time.monotonic()
    turns = list(load(Path(given.data)))
    table = Table(turns)
    said = f"{len(turns)} turns, {len(table.wanted)} candidates, {table.wanted.mean():.3f} wanted"
    print(f"{said} ({time.monotonic() - began:.0f} s)", flush=True)
    found: dict[str, Any] = {}
    for split, title in (("fold", "dialogues held apart"), ("set", "the whole set held apart")):
        found[title] = figures(turns, table.held_out(split))
        print(f"{title} ({time.monotonic() - began:.0f} s)")
        for name, row in found[title].items():
            print(f"  {name:15}", *(f"{key} {value}" for key, value in row.items()), flush=True)
    made = {
        "command": "python eval/fit_rewriter.py DATA",
        "data": LICENCES,
        "seed": SEED,
        "figures": found,
        **table.final(),
    }
    lines = [f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in made.items()]
    given.out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf8")
    print(f"{given.out.name}: {given.out.stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
