"""Fit the weights of the heuristic groundedness checker and measure it, set by set.

    python eval/fit_checker.py DATA          DATA: the folder that holds groundedness/, or RAG_DATA

Writes ``rag/ground/checker.json`` and prints a table. Every figure of a set is from weights that
saw nothing of its family (all SummEdits sets are one family). Sets whose licence does not allow
shipping, or states none, are measured and never fitted on. The seed is fixed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import data_folder, json_rows
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from rag.ground.checker import (
    MODEL_FEATURES,
    VERBATIM,
    WEIGHTS,
    CrossChecker,
    HeuristicChecker,
    Weights,
)
from rag.ground.checker import WEIGHTS as CROSS_WEIGHTS
from rag.ground.evidence import Claim, Evidence, stem_set
from rag.ground.features import FEATURES, SIGNS, Measured, measure, weight
from rag.ground.quotation import quoted_from
from rag.models.cross_encoder import CrossEncoder
from rag.models.embedder import load_embedder
from rag.settings import Settings
from rag.text.terms import content_terms
from rag.train.examples import SHIPPED_CLAIMS, held

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag.protocols import Embedder

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

SEED = 20
FITTED = {
    "summedits-podcast": "Apache-2.0",
    "summedits-news": "Apache-2.0",
    "summedits-qmsumm": "Apache-2.0",
    "summedits-samsum": "Apache-2.0",
    "summedits-scitldr": "Apache-2.0",
    "wice-dev": "ODC-BY, text CC BY-SA",
    "begin-dev": "CC BY 4.0, CDLA-Sharing 1.0",
    "q2": "Apache-2.0",
    "snli": "CC BY-SA 4.0",
}
MEASURED = ("healthver-dev", "climate-fever", "scifact-train", "sick")
SAMPLE = 2000
"""Rows of the large sets (SNLI, CLIMATE-FEVER, SICK): more would not move the figures."""

STRENGTH = 1.0
"""Inverse strength of the L2 penalty on standardised features (scikit-learn's C)."""

CAPS = {
    "numbers": 0.4, "months": 0.4, "opposed": 0.25, "aside": 0.45, "strangers": 0.4, "swapped": 0.4,
}  # fmt: skip
"""Support is at most this with such a finding, so that no amount of likeness outvotes it."""

REPEATS = 300


@dataclass(frozen=True)
class Row:
    """One claim: ``measured`` is None where there is nothing to check or to compare with."""

    measured: Measured | None
    verbatim: bool
    coverage: float
    supported: bool
    group: str
    more: dict[str, float] = field(default_factory=dict)

    def support(self, weights: Weights) -> float:
        """Return the support as the checker gives it; not judged counts as not supported."""
        if self.measured is None:
            return 0.0
        return VERBATIM if self.verbatim else weights.support(self.measured, self.more)


Rows = list[Row]


def main() -> int:
    """Fit, write, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"))
    parser.add_argument(
        "--threshold",
        type=float,
        default=Settings().ground.supported_from,
        help="supported_from at which accuracy is measured (default: the shipped one)",
    )
    parser.add_argument(
        "--cross",
        action="store_true",
        help="fit the checker that reads with the cross-encoder, on what that has not seen",
    )
    parser.add_argument("--weights", type=Path, help="folder of the cross-encoder's weights")
    arguments = parser.parse_args()
    folder, threshold = data_folder(arguments.data, "groundedness/*.jsonl.gz"), arguments.threshold
    cross = arguments.cross
    embedder = load_embedder(Settings().models)
    sets: dict[str, Rows] = {}
    encoder = CrossEncoder(weights=arguments.weights) if cross else None
    for name in (*FITTED, *MEASURED):
        rows = load(Path(folder), name)
        if cross and name in SHIPPED_CLAIMS:
            rows = [r for r in rows if held(f"{name}/{r.get('group') or r['id']}", tenths=2)]
        sets[name] = measured_rows(rows, embedder, encoder)
        print(f"measured {name}: {len(sets[name])} rows", file=sys.stderr)
    names: Sequence[str] = FEATURES
    signs: Sequence[int] = SIGNS
    if cross:
        names, signs = (*FEATURES, *MODEL_FEATURES), (*SIGNS, 1)
    held_out = {name: fit(sets, names, signs, leave_out=family(name)) for name in FITTED}
    weights = fit(sets, names, signs)
    held_out |= dict.fromkeys(MEASURED, weights)
    if cross:
        shift, held_out = moved(sets, held_out, threshold)
        weights = moved_by(weights, shift)
    supports = {
        name: np.array([row.support(held_out[name]) for row in rows]) for name, rows in sets.items()
    }
    print_best_threshold(sets, supports)
    figures = table(sets, supports, threshold)
    write(weights, figures, sets, embedder, encoder)
    checker = (
        CrossChecker(encoder, embedder, Settings().ground, weights)
        if encoder
        else HeuristicChecker(embedder, Settings().ground, weights)
    )
    check_same(Path(folder), checker, sets["q2"], weights)
    return 0


def moved(
    sets: dict[str, Rows], held_out: dict[str, Weights], threshold: float
) -> tuple[float, dict[str, Weights]]:
    """Return how far to move the bias, and each set's weights moved by what all others ask for.

    Sets that are fitted say their evidence's words again; people's claims about papers and pages do
    not, and get less support. The move makes ``threshold`` best in the mean over sets that neither
    the cross-encoder nor the regression has seen.
    """
    unseen = [name for name in sets if name not in SHIPPED_CLAIMS]
    steps = [round(float(step), 2) for step in np.arange(-0.5, 1.51, 0.05)]
    accuracy = {
        name: np.array(
            [
                balanced(
                    truth(sets[name]),
                    np.array(
                        [
                            row.support(moved_by(held_out[name], s)) >= threshold
                            for row in sets[name]
                        ]
                    ),
                )
                for s in steps
            ]
        )
        for name in unseen
    }

    def best(names: Iterable[str]) -> float:
        return steps[int(np.mean([accuracy[name] for name in names], axis=0).argmax())]

    shift = best(unseen)
    print(f"bias moved by {shift}; without each set: ", end="")
    print(*(f"{name} {best(o for o in unseen if o != name)}" for name in unseen))
    apart = {name: best(o for o in unseen if family(o) != family(name)) for name in sets}
    return shift, {name: moved_by(w, apart[name]) for name, w in held_out.items()}


def moved_by(weights: Weights, shift: float) -> Weights:
    """Return weights with another bias."""
    return weights.model_copy(update={"bias": round(weights.bias + shift, 4)})


def load(folder: Path, name: str) -> list[dict[str, Any]]:
    """Read a set; large ones are sampled with the fixed seed."""
    found = json_rows(folder / "groundedness" / f"{name}.jsonl.gz")
    return random.Random(SEED).sample(found, SAMPLE) if len(found) > 2 * SAMPLE else found


def family(name: str) -> str:
    """Return what has to be left out together."""
    return name.partition("-")[0]


def measured_rows(
    rows: Sequence[dict[str, Any]], embedder: Embedder, encoder: CrossEncoder | None = None
) -> Rows:
    """Measure every row; texts are embedded once, whatever number of rows share them."""
    pairs = [(Claim.of(row["claim"]), Evidence.of(row["evidence"])) for row in rows]
    texts = sorted({t for claim, ev in pairs for t in (claim.body, *claim.parts, *ev.units) if t})
    vectors = dict(zip(texts, embedder.embed(texts), strict=True))
    logits: list[float | None] = [None] * len(pairs)
    if encoder:
        checker = CrossChecker(encoder, embedder, Settings().ground)
        judged = [n for n, (claim, ev) in enumerate(pairs) if claim.parts and ev.units]
        found = checker.logits([pairs[n] for n in judged], vectors)
        for n, logit in zip(judged, found, strict=True):
            logits[n] = logit
    return [
        Row(
            measured=measure(claim, evidence, vectors.__getitem__)
            if claim.parts and evidence.units
            else None,
            verbatim=bool(claim.parts) and bool(quoted_from(claim.body, evidence.texts)),
            coverage=coverage(claim, evidence),
            supported=row["label"] == "supported",
            group=str(row.get("group") or row["claim"]),
            more={} if logit is None else {"model": logit},
        )
        for (claim, evidence), row, logit in zip(pairs, rows, logits, strict=True)
    ]


def coverage(claim: Claim, evidence: Evidence) -> float:
    """Return the weighted share of the claim's terms that occur anywhere: a baseline."""
    terms = content_terms(claim.body)
    known = frozenset().union(*(stem_set(unit) for unit in evidence.units))
    total = sum(map(weight, terms))
    return sum(weight(term) for term in terms if term in known) / total if total else 0.0


def fit(
    sets: dict[str, Rows], features: Sequence[str], signs: Sequence[int], leave_out: str = ""
) -> Weights:
    """Fit on the families that may be shipped, each with the same weight, classes balanced.

    A weight whose sign makes no sense is dropped, the worst first, and the rest fitted again.
    """
    names = [name for name in FITTED if family(name) != leave_out]
    values: list[Floats] = []
    labels: list[Bools] = []
    shares: list[Floats] = []
    for name in names:
        rows = [(row.measured, row) for row in sets[name] if not row.verbatim]
        kept = [
            ((*measured.values, *row.more.values()), row.supported)
            for measured, row in rows
            if measured
        ]
        supported = np.array([label for _, label in kept])
        members = sum(family(other) == family(name) for other in names)
        share = np.where(supported, 0.5 / supported.sum(), 0.5 / (~supported).sum()) / members
        values.append(np.array([value for value, _ in kept]))
        labels.append(supported)
        shares.append(share)
    return _regress(
        features, signs, np.vstack(values), np.concatenate(labels), np.concatenate(shares)
    )


def _regress(
    features: Sequence[str],
    signs: Sequence[int],
    values: Floats,
    labels: Bools,
    weighting: Floats,
) -> Weights:
    weighting = weighting / weighting.mean()
    mean = np.average(values, 0, weighting)
    scale = np.sqrt(np.average((values - mean) ** 2, 0, weighting)) + 1e-9
    standard = (values - mean) / scale
    keep = list(range(len(features)))
    while True:
        model = LogisticRegression(C=STRENGTH, max_iter=1000)
        model.fit(standard[:, keep], labels, sample_weight=weighting)
        fitted = dict(zip(keep, model.coef_[0], strict=True))
        wrong = [j for j in keep if fitted[j] * signs[j] <= 0]
        if not wrong:
            break
        keep.remove(max(wrong, key=lambda j: abs(fitted[j])))
    raw = {j: float(fitted[j] / scale[j]) for j in keep}
    bias = float(model.intercept_[0]) - sum(raw[j] * float(mean[j]) for j in keep)
    named = {features[j]: round(value, 4) for j, value in raw.items()}
    return Weights(bias=round(bias, 4), weights=named, caps=CAPS)


def best_threshold(sets: dict[str, Rows], scores: Callable[[str], Floats]) -> tuple[float, float]:
    """Return the threshold with the best balanced accuracy over the fitted families, and that."""
    candidates = [round(t, 2) for t in np.arange(0.02, 1.0, 0.02)]
    families: dict[str, list[str]] = {}
    for name in FITTED:
        families.setdefault(family(name), []).append(name)

    def accuracy(threshold: float) -> float:
        return float(
            np.mean(
                [
                    np.mean([balanced(truth(sets[n]), scores(n) >= threshold) for n in members])
                    for members in families.values()
                ]
            )
        )

    return max(((t, accuracy(t)) for t in candidates), key=lambda pair: pair[1])


def print_best_threshold(sets: dict[str, Rows], supports: dict[str, Floats]) -> None:
    """Say which supported_from the fitted families would choose, families left out."""
    threshold, accuracy = best_threshold(sets, supports.__getitem__)
    print(f"best supported_from over fitted families: {threshold} ({accuracy:.3f})")


def truth(rows: Rows) -> Bools:
    """Return which rows are supported; partial counts as not."""
    return np.array([row.supported for row in rows])


def balanced(labels: Bools, predicted: Bools) -> float:
    """Return the mean of the two recalls."""
    return float(balanced_accuracy_score(labels, predicted))


def calibration_error(labels: Bools, support: Floats) -> float:
    """Expected calibration error over ten bins of equal width (Naeini et al., AAAI 2015)."""
    bins = np.minimum((support * 10).astype(int), 9)
    gaps = [
        (bins == b).mean() * abs(support[bins == b].mean() - labels[bins == b].mean())
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def interval(
    rows: Rows, values: Floats, figure: Callable[[Bools, Floats], float]
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


def table(
    sets: dict[str, Rows], supports: dict[str, Floats], threshold: float
) -> dict[str, dict[str, float]]:
    """Print a row for each set, the means, and return the figures."""
    cosine = {n: np.array([_feature(row, "nearest") for row in rows]) for n, rows in sets.items()}
    covered = {n: np.array([row.coverage for row in rows]) for n, rows in sets.items()}
    cosine_from, _ = best_threshold(sets, cosine.__getitem__)
    covered_from, _ = best_threshold(sets, covered.__getitem__)
    print(
        f"threshold {threshold}; baselines: cosine from {cosine_from}, coverage from {covered_from}"
    )
    print(
        "set                  rows unjudged verbatim  balanced accuracy   AUROC               "
        "F1 unsup  ECE    always cosine coverage  AUROC: cosine coverage"
    )
    figures: dict[str, dict[str, float]] = {}
    for name, rows in sets.items():
        labels, support = truth(rows), supports[name]
        low, high = interval(rows, support, lambda y, p: balanced(y, p >= threshold))
        auc_low, auc_high = interval(rows, support, lambda y, p: float(roc_auc_score(y, p)))
        figures[name] = {
            "balanced_accuracy": balanced(labels, support >= threshold),
            "auroc": float(roc_auc_score(labels, support)),
            "f1_unsupported": float(f1_score(~labels, support < threshold)),
            "ece": calibration_error(labels, support),
            "always": 0.5,
            "cosine": balanced(labels, cosine[name] >= cosine_from),
            "coverage": balanced(labels, covered[name] >= covered_from),
            "cosine_auroc": float(roc_auc_score(labels, cosine[name])),
            "coverage_auroc": float(roc_auc_score(labels, covered[name])),
        }
        print(_row(name, rows, figures[name], (low, high), (auc_low, auc_high)))
    means = {"fitted": [*FITTED], "held out": [*MEASURED], "all": [*sets]}
    for title, names in means.items():
        figures[f"mean, {title}"] = _mean(figures, names)
        print(f"mean, {title}: " + _line(figures[f"mean, {title}"]))
    return figures


def _row(
    name: str,
    rows: Rows,
    values: dict[str, float],
    accuracy: tuple[float, float],
    auroc: tuple[float, float],
) -> str:
    counts = f"{len(rows):5} {sum(r.measured is None for r in rows):7}"
    counts += f" {sum(r.verbatim for r in rows):8}"
    measured = f"{values['balanced_accuracy']:.3f} [{accuracy[0]:.3f}, {accuracy[1]:.3f}]"
    measured += f"  {values['auroc']:.3f} [{auroc[0]:.3f}, {auroc[1]:.3f}]"
    measured += f"  {values['f1_unsupported']:.3f}     {values['ece']:.3f}"
    baselines = f"{values['cosine']:.3f}  {values['coverage']:.3f}"
    baselines += f"            {values['cosine_auroc']:.3f}  {values['coverage_auroc']:.3f}"
    return f"{name:20} {counts}  {measured}  0.500  {baselines}"


def _feature(row: Row, name: str) -> float:
    return row.measured[name] if row.measured else 0.0


def _mean(figures: dict[str, dict[str, float]], names: Iterable[str]) -> dict[str, float]:
    chosen = [figures[name] for name in names]
    return {key: float(np.mean([values[key] for values in chosen])) for key in chosen[0]}


def _line(values: dict[str, float]) -> str:
    return "  ".join(f"{key} {value:.3f}" for key, value in values.items())


def write(
    weights: Weights,
    figures: dict[str, dict[str, float]],
    sets: dict[str, Rows],
    embedder: Embedder,
    encoder: CrossEncoder | None,
) -> None:
    """Write the weights with where they come from."""
    option, model = (" --cross", {"cross_encoder": encoder.identity}) if encoder else ("", {})
    content = {
        "command": "python eval/fit_checker.py DATA" + option,
        "embedder": embedder.identity,
        **model,
        "fitted_on": {
            name: {"rows": len(sets[name]), "licence": licence} for name, licence in FITTED.items()
        },
        "figures": {
            title: {key: round(value, 3) for key, value in figures[title].items()}
            for title in figures
            if title.startswith("mean")
        },
        **weights.model_dump(),
    }
    file = CROSS_WEIGHTS if encoder else WEIGHTS
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf8")


def check_same(folder: Path, checker: HeuristicChecker, rows: Rows, weights: Weights) -> None:
    """Make sure that the checker itself says what was measured."""
    raw = load(folder, "q2")[:50]
    verdicts = checker.check([row["claim"] for row in raw], [row["evidence"] for row in raw])
    for verdict, row in zip(verdicts, rows, strict=False):
        if abs((verdict.support or 0.0) - row.support(weights)) > 1e-3:
            raise SystemExit(f"The checker and the measurement differ on: {verdict.claim}")


if __name__ == "__main__":
    sys.exit(main())
