"""The checker that needs no model of its own: measured features and a logistic regression.

It is the honest baseline behind the ``Checker`` seam. The weights in ``checker.json`` come from
``eval/fit_checker.py``, which also says how well they do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from rag.errors import ModelError, UsageError
from rag.ground.claims import Claim
from rag.ground.evidence import Evidence
from rag.ground.features import FEATURES, Measured, measure
from rag.ground.verbatim import quoted_from
from rag.types import Label, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag.protocols import Embedder
    from rag.settings import GroundSettings

WEIGHTS = Path(__file__).with_name("checker.json")
QUOTES = 3
"""Evidence sentences shown with a verdict, at most."""

VERBATIM = 0.98
"""Support of a claim that is said word for word: not 1, what surrounds a quotation matters."""

DISTANT = 0.3
"""Cosine under which nothing in the evidence is about the claim."""


class Weights(BaseModel):
    """What ``checker.json`` holds: support = sigmoid(bias + Σ weight·feature), then the caps.

    ``caps`` are the highest support of a claim with that finding. Further keys say where the
    numbers come from.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    bias: float
    weights: dict[str, float]
    caps: dict[str, float]

    @classmethod
    def read(cls, file: Path = WEIGHTS, more: Sequence[str] = ()) -> Weights:
        """Read the file. Raises ModelError if it is missing or for other features than ours.

        ``more`` are features beside those that are measured.
        """
        try:
            weights = cls.model_validate(json.loads(file.read_bytes()))
        except (OSError, ValueError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{file} cannot be read ({reason}); reinstall footnote-rag.") from None
        unknown = ({*weights.weights} | {*weights.caps}) - {*FEATURES, *more}
        if unknown:
            raise ModelError(
                f"{file} has weights for unknown features ({', '.join(sorted(unknown))}); "
                "run eval/fit_checker.py again or reinstall footnote-rag."
            )
        return weights

    def support(self, measured: Measured, more: Mapping[str, float] | None = None) -> float:
        """Return the estimated probability that the claim is supported."""
        values = {**dict(zip(FEATURES, measured.values, strict=True)), **(more or {})}
        score = self.bias + sum(w * values[name] for name, w in self.weights.items())
        probability = 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
        capped = [cap for name, cap in self.caps.items() if measured[name]]
        return min([probability, *capped])


@cache
def _shipped() -> Weights:
    return Weights.read()


class HeuristicChecker:
    """Judges claims by embeddings, shared terms, numbers, names, dates and negation.

    Threads may share one. ``weights`` is None for the shipped ones.
    """

    def __init__(
        self, embedder: Embedder, settings: GroundSettings, weights: Weights | None = None
    ) -> None:
        self._embedder = embedder
        self._settings = settings
        self._weights = weights

    def check(self, claims: Sequence[str], evidence: Sequence[Sequence[str]]) -> list[Verdict]:
        """Return a verdict for each claim, judged against the union of ``evidence[i]``.

        A claim that states nothing (empty, thanks, a question) has label and support None. One
        without evidence is unsupported with support 0. Raises UsageError if the lengths differ.
        """
        pairs, vectors = self._prepared(claims, evidence)
        measured = [
            measure(claim, texts, vectors.__getitem__)
            if claim.parts and texts.units and not quoted_from(claim.body, texts.texts)
            else None
            for claim, texts in pairs
        ]
        supports = self._supports(pairs, measured, vectors)
        return [
            self._verdict(*pair, one, support)
            for pair, one, support in zip(pairs, measured, supports, strict=True)
        ]

    def _supports(
        self,
        pairs: Sequence[tuple[Claim, Evidence]],
        measured: Sequence[Measured | None],
        vectors: Mapping[str, NDArray[np.float32]],
    ) -> list[float]:
        """Return the probability of support of each claim; 0 where nothing was measured."""
        weights = self._weights or _shipped()
        return [weights.support(one) if one else 0.0 for one in measured]

    def _prepared(
        self, claims: Sequence[str], evidence: Sequence[Sequence[str]]
    ) -> tuple[list[tuple[Claim, Evidence]], dict[str, NDArray[np.float32]]]:
        """Split everything and embed each distinct text once, all in one batch."""
        if len(claims) != len(evidence):
            raise UsageError(
                f"There are {len(claims)} claims but evidence for {len(evidence)}; "
                "give one list of evidence texts for each claim."
            )
        if any(isinstance(texts, str) for texts in evidence):
            raise UsageError("Evidence is a list of texts for each claim, not a single text.")
        pairs = [
            (Claim.of(claim), Evidence.of(texts))
            for claim, texts in zip(claims, evidence, strict=True)
        ]
        needed = sorted(
            set(
                chain.from_iterable(
                    (claim.body, *claim.parts, *texts.units)
                    for claim, texts in pairs
                    if claim.parts and texts.units and not quoted_from(claim.body, texts.texts)
                )
            )
        )
        return pairs, dict(zip(needed, self._embedder.embed(needed), strict=True) if needed else ())

    def _verdict(
        self, claim: Claim, evidence: Evidence, measured: Measured | None, support: float
    ) -> Verdict:
        if not claim.parts:
            return Verdict(claim=claim.text, reasons=("there is nothing to check in it",))
        if not evidence.units:
            return Verdict(
                claim=claim.text,
                label="unsupported",
                support=0.0,
                reasons=("there is no evidence",),
            )
        if measured is None:
            quotes = quoted_from(claim.body, evidence.texts)
            return self._labelled(claim, VERBATIM, quotes, ("the evidence says it word for word",))
        reasons = measured.reasons
        if measured["nearest"] < DISTANT:
            reasons = ("nothing in the evidence is about this", *reasons)
        shown = tuple(evidence.units[index] for index in measured.nearest[:QUOTES])
        return self._labelled(claim, support, shown, reasons)

    def _labelled(
        self, claim: Claim, support: float, quotes: tuple[str, ...], reasons: tuple[str, ...]
    ) -> Verdict:
        return Verdict(
            claim=claim.text,
            label=self._label(support),
            support=round(support, 4),
            evidence=quotes[:QUOTES],
            reasons=reasons,
        )

    def _label(self, support: float) -> Label:
        if support >= self._settings.supported_from:
            return "supported"
        return "partial" if support >= self._settings.partial_from else "unsupported"
