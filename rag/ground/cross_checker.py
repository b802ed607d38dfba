"""The checker of claims in English: a cross-encoder reads claim and evidence, too.

The model sees a claim with the sentences of the evidence that are nearest to it, from all texts
together: support is over their union, and a window that is silent contradicts nothing. Its logit is
one more feature of the regression, and the findings on numbers, names, dates and negation cap it
as in checker.py. Claims in other languages are judged as there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rag.ground.checker import HeuristicChecker, Weights
from rag.ground.claims import Claim
from rag.ground.evidence import Evidence
from rag.ground.features import Measured
from rag.models.judge import LANGUAGES, Scorer
from rag.text.language import detect

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag.protocols import Embedder
    from rag.settings import GroundSettings

    Vectors = Mapping[str, NDArray[np.float32]]

WEIGHTS = Path(__file__).with_name("cross_checker.json")
MODEL_FEATURES = ("model",)
EVIDENCE_CHARACTERS = 900
"""Evidence that is read at once, as in training: its nearest sentences, in their order."""

_CLAIM_CHARACTERS = 400
_SCALE = 5.0  # the logit is divided by it


@cache
def _shipped() -> Weights:
    return Weights.read(WEIGHTS, MODEL_FEATURES)


class CrossChecker(HeuristicChecker):
    """Judges claims with a cross-encoder as well. Threads may share one."""

    def __init__(
        self,
        encoder: Scorer,
        embedder: Embedder,
        settings: GroundSettings,
        weights: Weights | None = None,
    ) -> None:
        super().__init__(embedder, settings)
        self._encoder = encoder
        self._cross_weights = weights

    def _supports(
        self,
        pairs: Sequence[tuple[Claim, Evidence]],
        measured: Sequence[Measured | None],
        vectors: Vectors,
    ) -> list[float]:
        supports = super()._supports(pairs, measured, vectors)
        chosen = [
            n for n, (claim, _) in enumerate(pairs) if measured[n] is not None and known(claim)
        ]
        logits = self.logits([pairs[n] for n in chosen], vectors)
        weights = self._cross_weights or _shipped()
        for n, logit in zip(chosen, logits, strict=True):
            one = measured[n]
            if one is not None:
                supports[n] = weights.support(one, {"model": logit})
        return supports

    def logits(self, pairs: Sequence[tuple[Claim, Evidence]], vectors: Vectors) -> list[float]:
        """Return the model's logit of support for each claim, scaled."""
        texts = [
            (claim.body[:_CLAIM_CHARACTERS], nearest(claim, evidence, vectors))
            for claim, evidence in pairs
        ]
        return [pair.support / _SCALE for pair in self._encoder.judge(texts)] if texts else []


def known(claim: Claim) -> bool:
    """Tell whether the model knows the language of a claim; short ones say nothing of theirs."""
    language, _ = detect(claim.body)
    return language is None or language in LANGUAGES


def nearest(claim: Claim, evidence: Evidence, vectors: Vectors) -> str:
    """Return the sentences that are nearest to a claim, in their order, as much as is read."""
    if sum(len(text) + 1 for text in evidence.texts) <= EVIDENCE_CHARACTERS:
        return "\n".join(evidence.texts)
    vector = vectors[claim.body]
    cosines = [float(vectors[unit] @ vector) for unit in evidence.units]
    kept: list[int] = []
    room = EVIDENCE_CHARACTERS
    for place in sorted(range(len(cosines)), key=lambda n: (-cosines[n], n)):
        if len(evidence.units[place]) <= room:
            kept.append(place)
            room -= len(evidence.units[place]) + 1
    return " ".join(evidence.units[place] for place in sorted(kept))
