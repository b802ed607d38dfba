"""The checker of claims in English: a cross-encoder reads claim and evidence, too.

The model sees a claim with the sentences of the evidence that are nearest to it, from all texts
together: support is over their union, and a window that is silent contradicts nothing. Of long
evidence it reads the nearest sentences once more, with less around them. Its logit is one more
feature of the regression, and the findings on numbers, names, dates and negation cap it as in
checker.py. Claims in other languages are judged as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rag.ground.checker import HeuristicChecker, Weights
from rag.ground.claims import Claim
from rag.ground.evidence import Evidence
from rag.models.cross_encoder import LANGUAGES, CrossEncoder
from rag.text.language import detect

if TYPE_CHECKING:
    from rag.ground.checker import Judged, Pair, Vectors
    from rag.protocols import Embedder
    from rag.settings import GroundSettings

WEIGHTS = Path(__file__).with_name("cross_checker.json")
MODEL_FEATURES = ("model",)
EVIDENCE_CHARACTERS = 900
"""Evidence that is read at once, as in training: its nearest sentences, in their order."""

NEARER_CHARACTERS = 450
"""Read once more of evidence that is longer: the mean of both logits counts."""

_CLAIM_CHARACTERS = 400
_SCALE = 5.0  # the logit is divided by it


@cache
def _shipped() -> Weights:
    return Weights.read(WEIGHTS, MODEL_FEATURES)


class CrossChecker(HeuristicChecker):
    """Judges claims with a cross-encoder as well. Threads may share one."""

    def __init__(
        self,
        encoder: CrossEncoder,
        embedder: Embedder,
        settings: GroundSettings,
        weights: Weights | None = None,
    ) -> None:
        super().__init__(embedder, settings)
        self._encoder = encoder
        self._cross_weights = weights

    def _judged(self, pairs: Sequence[Pair]) -> list[Judged]:
        def read(places: Sequence[int], vectors: Vectors) -> dict[int, float]:
            found = self.logits([pairs[n] for n in places], vectors)
            return dict(zip(places, found, strict=True))

        # Short evidence is read beside the embedding, as no vectors are needed to cut it. A single
        # claim is not: a thread costs what it saves.
        english = [n for n, (claim, _) in enumerate(pairs) if known(claim)]
        whole = [n for n in english if fits(pairs[n][1])]
        ahead = whole if len(whole) > 1 else []
        with ThreadPoolExecutor(1) as aside:
            reading = aside.submit(read, ahead, {}) if ahead else None
            vectors = self._vectors(pairs)
            measured = self._measured(pairs, vectors)
            logits = read(sorted({*english} - {*ahead}), vectors)
            logits |= reading.result() if reading else {}
        weights = self._cross_weights or _shipped()
        return [
            (one, weights.support(one, {"model": logits[n]}) if n in logits else self._plain(one))
            for n, one in enumerate(measured)
        ]

    def logits(self, pairs: Sequence[Pair], vectors: Vectors) -> list[float]:
        """Return the model's logit of support for each claim, scaled.

        ``vectors`` need not have those of evidence that ``fits``.
        """
        near = [n for n, (_, evidence) in enumerate(pairs) if not fits(evidence)]
        views = [(n, EVIDENCE_CHARACTERS) for n in range(len(pairs))]
        views += [(n, NEARER_CHARACTERS) for n in near]
        texts = [
            (pairs[n][0].body[:_CLAIM_CHARACTERS], nearest(*pairs[n], vectors, room))
            for n, room in views
        ]
        found = [pair.support / _SCALE for pair in self._encoder.judge(texts)] if texts else []
        for n, other in zip(near, found[len(pairs) :], strict=True):
            found[n] = (found[n] + other) / 2
        return found[: len(pairs)]


def known(claim: Claim) -> bool:
    """Tell whether the model knows the language of a claim; short ones say nothing of theirs."""
    language, _ = detect(claim.body)
    return language is None or language in LANGUAGES


def fits(evidence: Evidence) -> bool:
    """Tell whether all of the evidence is read at once."""
    return sum(len(text) + 1 for text in evidence.texts) <= EVIDENCE_CHARACTERS


def nearest(
    claim: Claim, evidence: Evidence, vectors: Vectors, room: int = EVIDENCE_CHARACTERS
) -> str:
    """Return the sentences that are nearest to a claim, in their order, in ``room`` characters.

    The nearest one is there in any case.
    """
    if fits(evidence):
        return "\n".join(evidence.texts)
    vector = vectors[claim.body]
    cosines = [float(vectors[unit] @ vector) for unit in evidence.units]
    kept: list[int] = []
    for place in sorted(range(len(cosines)), key=lambda n: (-cosines[n], n)):
        if not kept or len(evidence.units[place]) <= room:
            kept.append(place)
            room -= len(evidence.units[place]) + 1
    return " ".join(evidence.units[place] for place in sorted(kept))
