"""Score fusion: a convex combination of scaled dense and lexical scores.

Scores, not ranks: how far apart two candidates are is what a rank throws away. See Bruch, Gai and
Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (TOIS 2023).
"""

from __future__ import annotations

from collections.abc import Mapping


def fuse(
    dense: Mapping[int, float], lexical: Mapping[int, float], weight: float, bound: float
) -> dict[int, float]:
    """Return key -> ``weight``·dense + (1 - ``weight``)·lexical, each 0…1, best first.

    ``dense`` has to hold the true cosine of every candidate, those of the lexical side included; it
    is scaled from its least to its greatest value. ``lexical`` is divided by ``bound``, the score
    of a perfect match: scaled by its own maximum instead, a stray word in common would count as
    much as a full match. A candidate without a lexical score counts as 0 there. Ties are broken by
    key, so that runs repeat.
    """
    low = min(dense.values(), default=0.0)
    span = max(dense.values(), default=0.0) - low
    fused = {
        key: weight * ((cosine - low) / span if span > 0 else 1.0)
        + (1 - weight) * (lexical.get(key, 0.0) / bound if bound > 0 else 0.0)
        for key, cosine in dense.items()
    }
    return dict(sorted(fused.items(), key=lambda item: (-item[1], item[0])))
