"""The figures that ``fit_rewriter.py`` prints: term F1 of what would be added, set by set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rag.evaluate.text_metrics import term_f1

if TYPE_CHECKING:
    from fit_rewriter import Asked
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def figures(
    turns: Sequence[Asked], probabilities: Floats, sets: Sequence[str], seed: int
) -> dict[str, dict[str, str]]:
    """Return term F1 a set with 95% intervals over dialogues, and its way to the oracle."""
    table = {}
    for name in sets:
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
        draws = np.random.default_rng(seed).integers(0, len(counts), (2000, len(counts)))
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


def made_figures(
    turns: Sequence[Asked], probabilities: Floats, sets: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return for each made kind the term F1, ours and as said, and how often nothing is added."""
    table = {}
    for name in dict.fromkeys(turn.set for turn in turns if turn.set not in sets):
        chosen = [turn for turn in turns if turn.set == name]
        values = [turn.score(probabilities[turn.rows]) for turn in chosen]
        alone = [not turn.chosen(probabilities[turn.rows]) for turn in chosen]
        table[name] = {
            "turns": str(len(chosen)),
            "term_f1": f"{np.mean(values):.3f}",
            "as said": f"{np.mean([term_f1(t.said, t.wanted) for t in chosen]):.3f}",
            "left alone": f"{np.mean(alone):.3f}",
        }
    return table


def _way(means: Floats) -> Floats:
    best = means[:, 1:3].max(axis=1)
    return np.asarray((means[:, 0] - best) / (means[:, 3] - best))


def _interval(value: float, draws: Floats) -> str:
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
