"""The checker of claims: measured features, and a cross-encoder that reads claim and evidence.

The model sees a claim with the sentences of the evidence that are nearest to it, from all texts
together: support is over their union, and a window that is silent contradicts nothing. Its logit is
one more feature of a logistic regression; findings on numbers, names, dates and negation cap the
support. Claims in other languages are judged by the features alone. The weights in ``checker.json``
and ``cross_checker.json`` come from ``eval/fit_checker.py``, which also says how well they do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from rag.errors import ModelError
from rag.ground.evidence import Claim, Evidence
from rag.ground.features import FEATURES, Measured, measure
from rag.ground.quotation import quoted_from
from rag.models.cross_encoder import LANGUAGES, CrossEncoder
from rag.models.runtime import sigmoid
from rag.protocols import require_lists
from rag.text.language import detect
from rag.types import Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag.protocols import Embedder
    from rag.settings import GroundSettings

    Vectors = Mapping[str, NDArray[np.float32]]
    Pair = tuple[Claim, Evidence]
    Judged = tuple[Measured, float]


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
        """The estimated probability that the claim is supported."""
        values = {**dict(zip(FEATURES, measured.values, strict=True)), **(more or {})}
        score = self.bias + sum(w * values[name] for name, w in self.weights.items())
        probability = sigmoid(score)
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
        require_lists(claims, evidence)
        pairs = [
            (Claim.of(claim), Evidence.of(texts))
            for claim, texts in zip(claims, evidence, strict=True)
        ]
        places = [
            n
            for n, (claim, texts) in enumerate(pairs)
            if claim.parts and texts.units and not quoted_from(claim.body, texts.texts)
        ]
        judged = self._judged([pairs[n] for n in places]) if places else []
        found = dict(zip(places, judged, strict=True))
        return [self._verdict(*pair, found.get(n)) for n, pair in enumerate(pairs)]

    def load(self) -> None:
        """Load models and tables now rather than at the first claim. Raises ModelError."""
        self.check(["Paris lies north of Lyon."], [["Lyon lies south of Paris."]])

    def _judged(self, pairs: Sequence[Pair]) -> list[Judged]:
        """Measure each claim and return the probability of its support with that."""
        measured = self._measured(pairs, self._vectors(pairs))
        return [(one, self._plain(one)) for one in measured]

    def _plain(self, measured: Measured) -> float:
        return (self._weights or _shipped()).support(measured)

    def _measured(self, pairs: Sequence[Pair], vectors: Vectors) -> list[Measured]:
        return [measure(claim, evidence, vectors.__getitem__) for claim, evidence in pairs]

    def _vectors(self, pairs: Sequence[Pair]) -> Vectors:
        """Embed each distinct text once, all in one batch."""
        texts = ((claim.body, *claim.parts, *evidence.units) for claim, evidence in pairs)
        needed = sorted(set(chain.from_iterable(texts)))
        return dict(zip(needed, self._embedder.embed(needed), strict=True))

    def _verdict(self, claim: Claim, evidence: Evidence, judged: Judged | None) -> Verdict:
        if not claim.parts:
            return Verdict(claim=claim.text, reasons=("there is nothing to check in it",))
        if not evidence.units:
            return Verdict(
                claim=claim.text,
                label="unsupported",
                support=0.0,
                reasons=("there is no evidence",),
            )
        if judged is None:
            quotes = quoted_from(claim.body, evidence.texts)
            return self._labelled(claim, VERBATIM, quotes, ("the evidence says it word for word",))
        measured, support = judged
        # Of what is supported, a word that the evidence has not is no objection.
        doubtful = self._settings.label(support) != "supported"
        reasons = measured.reasons if doubtful else ()
        if doubtful and measured["nearest"] < DISTANT:
            reasons = ("nothing in the evidence is about this", *reasons)
        shown = tuple(evidence.units[index] for index in measured.nearest[:QUOTES])
        return self._labelled(claim, support, shown, reasons)

    def _labelled(
        self, claim: Claim, support: float, quotes: tuple[str, ...], reasons: tuple[str, ...]
    ) -> Verdict:
        return Verdict(
            claim=claim.text,
            label=self._settings.label(support),
            support=round(support, 4),
            evidence=quotes[:QUOTES],
            reasons=reasons,
        )


CROSS_WEIGHTS = Path(__file__).with_name("cross_checker.json")
MODEL_FEATURES = ("model",)
EVIDENCE_CHARACTERS = 900
"""Evidence that is read at once, as in training: its nearest sentences, in their order."""

NEARER_CHARACTERS = 450
"""Read once more of evidence that is longer: the mean of both logits counts."""

_CLAIM_CHARACTERS = 400
_SCALE = 5.0  # the logit is divided by it


@cache
def _shipped_cross() -> Weights:
    return Weights.read(CROSS_WEIGHTS, MODEL_FEATURES)


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
        weights = self._cross_weights or _shipped_cross()
        return [
            (one, weights.support(one, {"model": logits[n]}) if n in logits else self._plain(one))
            for n, one in enumerate(measured)
        ]

    def logits(self, pairs: Sequence[Pair], vectors: Vectors) -> list[float]:
        """The model's logit of support for each claim, scaled.

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
    """The sentences that are nearest to a claim, in their order, in ``room`` characters.

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
