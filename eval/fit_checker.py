"""Fit the checker's regression on what its model has not seen, and measure it set by set.

    python eval/fit_checker.py DATA        DATA: the folder that holds groundedness/, or RAG_DATA

The regression makes a probability of what the model says and of how long the evidence is. It is
fitted on the parts held apart of the sets whose licence allows shipping, every set with the same
weight and both classes with half of it. ``supported_from`` is the lowest support at which at most
``--false-support`` of the unsupported claims of those sets' contrasts pass, in the mean. Every
figure of a fitted set is from a regression that has not seen its family; sets with a star no weight
has seen at all. Writes ``rag/ground/checker.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import data_folder, json_rows
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from rag.ground.checker import FEATURES, WEIGHTS, Read, SupportChecker, Weights
from rag.ground.evidence import Claim, Evidence
from rag.models.embedder import load_embedder
from rag.models.support import SUPPORTED, SupportModel
from rag.settings import Settings
from rag.train.contrasts import SOURCES, written
from rag.train.examples import HELD_CLAIMS, held

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

SEED = 20
ROWS = 600
"""Of each set at most: more would not move the figures."""

CONTRASTS = ("nli-vitaminc", "nli-fever", "nli-infotabs", "nli-cad", "nli-negation", "written")
"""Sets whose unsupported claims differ in little from supported ones: they set the threshold."""

MEASURED = ("nli4ct-train", "nli-noship-anli", "nli-noship-covidfact", "nli-noship-logic",
            "nli-noship-mpe", "nli-noship-summaries")  # fmt: skip
CAP = 0.3
"""Highest support of a claim with a value that the evidence gives otherwise."""

REPEATS = 300


@dataclass(frozen=True)
class Row:
    """One claim with what was read of it; without parts there is nothing to judge."""

    read: Read
    supported: bool
    group: str
    kind: str

    def support(self, weights: Weights) -> float:
        """The support as the checker gives it; what is not judged is not supported."""
        return weights.support(self.read) if self.read.parts else 0.0

    @property
    def features(self) -> list[float]:
        """Those of the weakest sentence and of the whole claim, in the mean."""
        found = [min(self.read.parts, key=lambda part: part.features["odds"]).features]
        found += [self.read.whole.features] if self.read.whole else []
        return [float(np.mean([one[name] for one in found])) for name in FEATURES]


Sets = dict[str, list[Row]]


def main() -> int:
    """Fit, measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"))
    parser.add_argument(
        "--weights", type=Path, help="folder of rag train checker (default: shipped)"
    )
    parser.add_argument("--false-support", type=float, default=0.2)
    parser.add_argument("--dry", action="store_true", help="write no weights")
    options = parser.parse_args()
    data = data_folder(options.data, "groundedness/*.jsonl.gz")
    model = SupportModel(weights=options.weights)
    checker = SupportChecker(model, load_embedder(Settings().models), Settings().ground)
    fitted = read_fitted(data, checker)
    unseen = {f"{n} *": read_set(data, n, checker) for n in (*HELD_CLAIMS, *MEASURED)}
    weights = fit(fitted)
    apart = {name: fit(fitted, without=family(name)) for name in fitted}
    sets = fitted | unseen
    supports = {
        name: np.array([row.support(apart.get(name, weights)) for row in rows])
        for name, rows in sets.items()
    }
    threshold = threshold_for(fitted, supports, options.false_support)
    print(f"false support {options.false_support} on contrasts: supported from {threshold:.2f}")
    figures = table(sets, supports, threshold)
    by_kind(fitted["written"], supports["written"], threshold)
    ablation(sets, supports, weights, threshold)
    reliability(fitted, supports)
    if not options.dry:
        write(weights, threshold, figures, fitted, model)
    return 0


def read_fitted(data: Path, checker: SupportChecker) -> Sets:
    """The parts held apart of what the model was trained on."""
    found = {s.name: read_set(data, s.name, checker, held_apart=True) for s in SOURCES}
    pairs = [
        pair
        for pair in written(Path(__file__).with_name("contrasts"))
        if held(pair.group, tenths=1)
    ]
    found["written"] = read_rows(
        [
            {"claim": p.claim, "evidence": [p.evidence], "group": p.group, "kind": p.kind,
             "label": "supported" if p.label == SUPPORTED else "unsupported"}
            for p in pairs
        ],
        checker,
    )  # fmt: skip
    return found


def read_set(
    data: Path, name: str, checker: SupportChecker, *, held_apart: bool | None = None
) -> list[Row]:
    """Read a set, or what is held apart of it, at most ``ROWS`` drawn with the seed."""
    rows = [
        row
        for row in json_rows(data / "groundedness" / f"{name}.jsonl.gz")
        if row.get("language", "en") == "en"
        and (
            held_apart is None
            or held(f"{name}/{row.get('group') or row['id']}", tenths=2) == held_apart
        )
    ]
    random.Random(SEED).shuffle(rows)
    print(f"reading {name}", file=sys.stderr)
    return read_rows(rows[:ROWS], checker)


def read_rows(rows: Sequence[dict[str, Any]], checker: SupportChecker) -> list[Row]:
    """What the model says of rows."""
    pairs = [(Claim.of(row["claim"]), Evidence.of(row["evidence"])) for row in rows]
    return [
        Row(
            read,
            row["label"] == "supported",
            str(row.get("group") or row["claim"]),
            str(row.get("kind") or ""),
        )
        for row, read in zip(rows, checker.read(pairs), strict=True)
    ]


def family(name: str) -> str:
    """What has to be left out together: sets of one maker or about the same texts."""
    if "fever" in name or "vitaminc" in name or "fm2" in name:
        return "fever"
    if name in ("snli", "nli-cad", "nli-negation"):
        return "snli"
    return "summedits" if name.startswith("summedits") else name


def fit(sets: Sets, without: str = "") -> Weights:
    """The regression over all families but one; ``odds`` may only raise support."""
    values, labels, shares = [], [], []
    for name, rows in sets.items():
        kept = [row for row in rows if row.read.parts]
        if family(name) == without or not kept:
            continue
        supported = np.array([row.supported for row in kept])
        if supported.all() or not supported.any():
            continue
        values += [row.features for row in kept]
        labels.append(supported)
        shares.append(np.where(supported, 0.5 / supported.sum(), 0.5 / (~supported).sum()))
    weighting = np.concatenate(shares)
    model = LogisticRegression(C=10.0, max_iter=1000)
    model.fit(np.array(values), np.concatenate(labels), sample_weight=weighting / weighting.mean())
    named = {f: round(float(w), 4) for f, w in zip(FEATURES, model.coef_[0], strict=True)}
    return Weights(bias=round(float(model.intercept_[0]), 4), weights=named, cap=CAP)


def threshold_for(sets: Sets, supports: dict[str, Floats], most: float) -> float:
    """The lowest support at which at most that share of unsupported contrasts pass, in the mean."""

    def passing(threshold: float) -> float:
        return float(
            np.mean([(supports[n] >= threshold)[~truth(sets[n])].mean() for n in CONTRASTS])
        )

    steps = [round(0.01 * step, 2) for step in range(30, 99)]
    return next(t for t in steps if passing(t) <= most)


def truth(rows: Sequence[Row]) -> Bools:
    """Which rows are supported; partial counts as not."""
    return np.array([row.supported for row in rows])


def interval(
    rows: Sequence[Row], values: Floats, figure: Callable[[Bools, Floats], float]
) -> tuple[float, float]:
    """95% percentile bootstrap that draws whole groups."""
    labels = truth(rows)
    members: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        members.setdefault(row.group, []).append(index)
    groups = [np.array(indices) for indices in members.values()]
    chance = np.random.default_rng(SEED)
    drawn: list[float] = []
    while len(drawn) < REPEATS:
        picks = np.concatenate([groups[g] for g in chance.integers(len(groups), size=len(groups))])
        if 0 < labels[picks].sum() < len(picks):
            drawn.append(figure(labels[picks], values[picks]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def table(sets: Sets, supports: dict[str, Floats], threshold: float) -> dict[str, dict[str, float]]:
    """Print a row for each set and the means; return the figures."""
    print(f"{'set':26} rows  balanced accuracy     AUROC                 kept  false")
    figures: dict[str, dict[str, float]] = {}
    for name, rows in sets.items():
        labels, support = truth(rows), supports[name]
        if labels.all() or not labels.any():
            continue

        def accuracy(gold: Bools, values: Floats) -> float:
            return float(balanced_accuracy_score(gold, values >= threshold))

        found = {
            "balanced_accuracy": accuracy(labels, support),
            "auroc": float(roc_auc_score(labels, support)),
            "kept": float((support >= threshold)[labels].mean()),
            "false": float((support >= threshold)[~labels].mean()),
        }
        figures[name] = found
        line = f"{name:26} {len(rows):4}"
        for key, figure in (("balanced_accuracy", accuracy), ("auroc", roc_auc_score)):
            low, high = interval(rows, support, figure)
            line += f"  {found[key]:.3f} [{low:.3f}, {high:.3f}]"
        print(f"{line}  {found['kept']:.2f}  {found['false']:.2f}")
    means = {
        "natural, never trained on": [f"{n} *" for n in HELD_CLAIMS if n != "sick"],
        "contrasts": CONTRASTS,
    }
    for title, names in means.items():
        figures[title] = {
            key: float(np.mean([figures[n][key] for n in names])) for key in figures[names[0]]
        }
        print(f"{title}: " + "  ".join(f"{k} {v:.3f}" for k, v in figures[title].items()))
    return figures


def by_kind(rows: Sequence[Row], support: Floats, threshold: float) -> None:
    """Print the share judged rightly of each kind of written pairs."""
    print("written pairs held apart, balanced accuracy by kind:")
    for kind in sorted({row.kind for row in rows}):
        places = [n for n, row in enumerate(rows) if row.kind == kind]
        labels = truth([rows[n] for n in places])
        print(f"  {kind:12} {balanced_accuracy_score(labels, support[places] >= threshold):.2f}"
              f"  of {len(places)}")  # fmt: skip


def ablation(sets: Sets, supports: dict[str, Floats], weights: Weights, threshold: float) -> None:
    """Print what comparing values does: verdicts put right and put wrong, and the mean change."""
    without = weights.model_copy(update={"cap": 1.0})
    right = wrong = 0
    changes = []
    for rows in sets.values():
        labels = truth(rows)
        if labels.all() or not labels.any():
            continue
        free = np.array([row.support(without) for row in rows]) >= threshold
        capped = np.array([row.support(weights) for row in rows]) >= threshold
        right += int(((free != capped) & (capped == labels)).sum())
        wrong += int(((free != capped) & (capped != labels)).sum())
        changes.append(
            balanced_accuracy_score(labels, capped) - balanced_accuracy_score(labels, free)
        )
    print(f"values compared: {right} verdicts put right, {wrong} put wrong; "
          f"balanced accuracy {np.mean(changes):+.3f} in the mean of all sets")  # fmt: skip


def _curve(sets: Sets, supports: dict[str, Floats]) -> tuple[Floats, Floats]:
    labels = np.concatenate([truth(rows) for rows in sets.values()])
    support = np.concatenate([supports[name] for name in sets])
    shares, means = calibration_curve(labels, support, n_bins=10)
    return means, shares


def reliability(sets: Sets, supports: dict[str, Floats]) -> None:
    """Print the reliability diagram as a table: mean support and share supported, ten bins."""
    print("support -> share supported (families left out):")
    print(
        "  " + "  ".join(f"{m:.2f}->{s:.2f}" for m, s in zip(*_curve(sets, supports), strict=True))
    )


def write(
    weights: Weights,
    threshold: float,
    figures: dict[str, dict[str, float]],
    sets: Iterable[str],
    model: SupportModel,
) -> None:
    """Write the weights with where they come from."""
    content = {
        "command": "python eval/fit_checker.py DATA",
        "model": model.identity,
        "fitted_on": sorted(sets),
        "supported_from": threshold,
        "figures": {
            title: {key: round(value, 3) for key, value in figures[title].items()}
            for title in ("natural, never trained on", "contrasts")
        },
        **weights.model_dump(),
    }
    WEIGHTS.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf8")


if __name__ == "__main__":
    sys.exit(main())
