"""Score fusion: a convex combination of min–max-normalised dense and lexical scores.

Scores, not ranks: how far apart two candidates are is what a rank throws away. See Bruch, Gai and
Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (TOIS 2023).
"""

from __future__ import annotations

from collections.abc import Mapping


def fuse(
    dense: Mapping[int, float], lexical: Mapping[int, float], weight: float
) -> dict[int, float]:
    """Return key -> ``weight``·dense + (1 - ``weight``)·lexical, each scaled to 0…1, best first.

    ``dense`` has to hold the true cosine of every candidate, those of the lexical side included.
    A candidate without a lexical score shares no word with the question, or too little to be among
    the candidates: it counts as 0 there. Ties are broken by key, so that runs repeat.
    """
    scaled_dense = _scaled(dense, min(dense.values(), default=0.0))
    scaled_lexical = _scaled(lexical, 0.0)
    fused = {
        key: weight * scaled_dense[key] + (1 - weight) * scaled_lexical.get(key, 0.0)
        for key in dense
    }
    return dict(sorted(fused.items(), key=lambda item: (-item[1], item[0])))


def _scaled(scores: Mapping[int, float], low: float) -> dict[int, float]:
    span = max(scores.values(), default=0.0) - low
    return {key: (score - low) / span if span > 0 else 1.0 for key, score in scores.items()}
