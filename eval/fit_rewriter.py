"""Fit the rewriter of follow-up questions: ``python eval/fit_rewriter.py [DATA]`` (``RAG_DATA``).

CAsT, GECOR and CQR: people wrote what a question means on its own. Each content word of the history
that the question lacks is wanted if the person's question has it. Beside them talks that are made
(``made_talks.py``): about hundreds of subjects, and with changes of subject, after which nothing is
wanted. Two models, one on top of the other: ridge regression on form, attention and states, then
boosted trees on form and on what the first says of the word, its rivals and its neighbours (fitted
to what it says of dialogues that it has not seen). Whole dialogues are held apart, then whole sets
with all that is made from them. Writes ``rag/retrieve/query_rewriting.json``.
"""

from __future__ import annotations

import argparse
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
from common import json_rows
from made_talks import ALONE, Made, Maker
from rewriter_figures import figures, made_figures

from rag.evaluate.text_metrics import term_f1, terms
from rag.models.embedder import TokenStates
from rag.retrieve.query_rewriting import WEIGHTS, is_courtesy, pick
from rag.retrieve.rewriting_features import (
    Conversation,
    form_array,
    form_features,
    neighbour_features,
    read_conversation,
    similarity_features,
    state_features,
)
from rag.types import Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

SEED = 20260101
FOLDS = 5
SETS = ("cast-2019-2021", "gecor", "cqr-dev")
# Share of each part in the fit of (ridge, trees). By size GECOR, one domain, would be all that
# counts; CQR's people repeat all there is of a thing ("4 miles away at 91 El Camino Real with heavy
# traffic"), which the states tell apart by its subject, but which the trees take for a rule. With
# less of what stands alone, words are added after a change of subject; with less of what is offered
# by name, names are left out.
SHARES = {
    "cast-2019-2021": (0.27, 0.27), "gecor": (0.25, 0.25), "cqr-dev": (0.08, 0.03),
    "mixed cast-2019-2021": (0.04, 0.04), "mixed gecor": (0.04, 0.04),
    "mixed cqr-dev": (0.02, 0.01),
    "made": (0.22, 0.25), "offer": (0.05, 0.12), "alone": (0.16, 0.28),
}  # fmt: skip
PARTS = tuple(SHARES)
LICENCES = {
    "cast-2019-2021": "MIT", "gecor": "MIT", "cqr-dev": "MIT-0", "squad1-train": "CC BY-SA 4.0",
    "banking77": "CC BY 4.0", "clinc150": "CC BY 3.0", "hwu64": "CC BY 4.0",
}  # fmt: skip
RIDGE = 0.03
TREES: dict[str, Any] = {
    "max_iter": 150,
    "learning_rate": 0.08,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "l2_regularization": 5.0,
    "max_features": 0.3,
    "early_stopping": False,
}


@dataclass
class Asked:
    """One turn, with the terms of what was said, of the history and of the rewrite.

    ``set`` is the set or the kind that was made, ``base`` the set that it comes from, if any.
    """

    set: str
    base: str
    group: str
    said: frozenset[str]
    history: frozenset[str]
    wanted: frozenset[str]
    read: Conversation
    rows: slice = field(default_factory=lambda: slice(0, 0))

    @property
    def part(self) -> int:
        """Return which share of the fit it belongs to."""
        made = "alone" if self.set in ALONE else "made"
        mixed = f"mixed {self.base}" if self.base else made
        return PARTS.index(self.set if self.set in PARTS else mixed)

    @property
    def fold(self) -> int:
        """Dialogues go to folds by their names."""
        return int(hashlib.sha256(self.group.encode()).hexdigest(), 16) % FOLDS

    def score(self, probabilities: Floats) -> float:
        """Return the term F1 of what would be added."""
        return term_f1(self.said | self.chosen(probabilities), self.wanted)

    def chosen(self, probabilities: Floats) -> frozenset[str]:
        """Return the terms that would be added."""
        alone = not len(probabilities) or is_courtesy(self.read)
        picks = [] if alone else pick(self.read, probabilities)
        return frozenset(self.read.candidates[n].term for n in picks)


def load(folder: Path) -> Iterator[Asked]:
    """Yield the turns of all sets, then what is made."""
    maker = Maker(folder, SEED)
    rewritten = {
        name: [
            (dialogue(name, r["id"]), r) for r in json_rows(folder / "rewrite" / f"{name}.jsonl.gz")
        ]
        for name in SETS
    }
    for name, found in rewritten.items():
        for group, row in found:
            yield asked(Made(name, group, row["history"], row["question"], row["rewrite"]), name)
    for talk_made in maker.talks():
        yield asked(talk_made, "")
    for name, found in rewritten.items():
        for talk_made in maker.mixed(found, replies=name != "cast-2019-2021"):
            yield asked(talk_made, name)


def asked(made: Made, base: str) -> Asked:
    """Return a talk as what the models and the figures need of it."""
    history = [Turn(**turn) for turn in made.history]
    return Asked(
        set=made.kind,
        base=base,
        group=made.group,
        said=terms(made.question),
        history=terms(" ".join(turn.text for turn in history)),
        wanted=terms(made.rewrite),
        read=read_conversation(history, made.question),
    )


def dialogue(name: str, row: str) -> str:
    """Return the dialogue that a row is of: cast2020-81_5, gecor-240-1-ellipsis, cqr-dev-149-3."""
    if name == "gecor":
        return "-".join(row.split("-")[:2])
    return row.rsplit("_" if name.startswith("cast") else "-", 1)[0]


def looks(turns: Sequence[Asked], cache: Path | None) -> Iterator[Array]:
    """Yield what ``state_features`` says of each turn, from a folder where it is already there."""
    states = TokenStates()
    for name in dict.fromkeys((turn.set, turn.base) for turn in turns):
        chosen = [turn for turn in turns if (turn.set, turn.base) == name]
        texts = [[*(said.text for said in turn.read.turns), turn.read.question] for turn in chosen]
        file = cache and cache / f"{hashlib.sha256(json.dumps(texts).encode()).hexdigest()}.npy"
        if file and file.exists():
            yield np.load(file)
            continue
        found = np.concatenate(
            [state_features(turn.read, states).astype(np.float16) for turn in chosen]
        )
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, found)
        yield found


class Table:
    """All candidates of all turns: what the models see of them, and which are wanted."""

    def __init__(self, turns: Sequence[Asked], cache: Path | None = None) -> None:
        order = {name: n for n, name in enumerate(dict.fromkeys((t.set, t.base) for t in turns))}
        self.turns = sorted(
            (turn for turn in turns if turn.read.candidates), key=lambda t: order[t.set, t.base]
        )
        self.names = tuple(form_features(self.turns[0].read)[0])
        at, formed = 0, []
        for turn in self.turns:
            turn.rows = slice(at, at + len(turn.read.candidates))
            at = turn.rows.stop
            formed.append(form_array(turn.read, self.names))
        self.forms = np.concatenate(formed)
        self.wanted = np.array(
            [c.term in turn.wanted for turn in self.turns for c in turn.read.candidates], np.float32
        )
        sizes = [len(turn.read.candidates) for turn in self.turns]
        self.fold = np.repeat([turn.fold for turn in self.turns], sizes)
        self.part = np.repeat([turn.part for turn in self.turns], sizes)
        self.base = np.repeat([turn.base for turn in self.turns], sizes)
        self.even = np.repeat(1 / np.array(sizes), sizes)
        looked = np.concatenate(list(looks(self.turns, cache))).astype(np.float32)
        self.level = np.concatenate([similarity_features(looked[turn.rows]) for turn in self.turns])
        rows = np.concatenate([self.forms, looked], axis=1)
        self.mean, self.deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
        rows -= self.mean
        rows /= self.deviation
        self._rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
        self._sums: dict[tuple[int, int], tuple[Array, Array, int]] = {}
        for cell in {(int(a), int(f)) for a, f in zip(self.part, self.fold, strict=True)}:
            mask = (self.part == cell[0]) & (self.fold == cell[1])
            part = self._rows[mask]
            self._sums[cell] = (part.T @ part, part.T @ self.wanted[mask], len(part))

    def ridge(self, folds: Sequence[int], out: str = "") -> Array:
        """Return the first model, fitted to those folds of all that does not come from ``out``."""
        size = self._rows.shape[1]
        left, right = np.zeros((size, size)), np.zeros(size)
        for number, name in enumerate(PARTS):
            cells = [self._sums[number, f] for f in folds if (number, f) in self._sums]
            if out and name.endswith(out):
                continue
            share = SHARES[name][0] / max(1, sum(cell[2] for cell in cells))
            for gram, products, _ in cells:
                left += share * gram
                right += share * products
        left[np.diag_indices(size - 1)] += RIDGE
        return np.asarray(np.linalg.solve(left, right), np.float32)

    def first(self, folds: Sequence[int], out: str = "") -> Array:
        """Return the first model's result for every candidate, never from its own dialogue."""
        models = [self.ridge([f for f in folds if f != fold], out) for fold in range(FOLDS)]
        found = self._rows @ np.stack(models, axis=1)
        return np.asarray(found[np.arange(len(self.fold)), self.fold], np.float32)

    def second(self, first: Array) -> Array:
        """Return the rows of the trees."""
        near = [neighbour_features(turn.read, first[turn.rows]) for turn in self.turns]
        return np.concatenate([self.forms, np.concatenate(near), self.level], axis=1)

    def fit(self, rows: Array, mask: Mask) -> Any:
        """Return trees fitted to the rows of a mask.

        Each part has its share whatever its size, each turn of it the same whatever the length of
        its history: words that are far from a short question would drown the others.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        weights = np.zeros(len(rows))
        for number, (_, share) in enumerate(SHARES.values()):
            inside = mask & (self.part == number)
            if inside.any():
                weights[inside] = share * self.even[inside] / self.even[inside].sum()
        weights *= mask.sum() / weights.sum()
        trees = HistGradientBoostingClassifier(**TREES, random_state=SEED)
        return trees.fit(rows[mask], self.wanted[mask], sample_weight=weights[mask])

    def held_out(self, split: str) -> Floats:
        """Return probabilities of dialogues ("fold") or sets ("set") that the models never saw."""
        result = np.zeros(len(self.wanted))
        for out in range(FOLDS) if split == "fold" else SETS:
            held: Mask = self.fold == out if isinstance(out, int) else self.base == out
            folds = [f for f in range(FOLDS) if f != out]
            rows = self.second(self.first(folds, out if isinstance(out, str) else ""))
            result[held] = self.fit(rows, ~held).predict_proba(rows[held])[:, 1]
        return result

    def final(self) -> dict[str, Any]:
        """Return the weights of both models, fitted to everything."""
        folds = range(FOLDS)
        solved = self.ridge(folds)
        linear = solved[:-1] / self.deviation
        trees = self.fit(self.second(self.first(folds)), np.ones(len(self.wanted), bool))
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, print the figures, write the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--cache", type=Path, help="keep what the embedder sees in this folder")
    given = parser.parse_args(arguments)
    if not given.data:
        parser.error("name the data folder, or set RAG_DATA")
    began = time.monotonic()
    turns = list(load(Path(given.data)))
    table = Table(turns, given.cache)
    said = f"{len(turns)} turns, {len(table.wanted)} candidates, {table.wanted.mean():.3f} wanted"
    print(f"{said} ({time.monotonic() - began:.0f} s)", flush=True)
    found: dict[str, Any] = {}
    for split, title in (("fold", "dialogues held apart"), ("set", "the whole set held apart")):
        probabilities = table.held_out(split)
        found[title] = figures(turns, probabilities, SETS, SEED)
        if split == "fold":
            found[title] |= made_figures(table.turns, probabilities, SETS)
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
