"""The checker of claims: a cross-encoder reads claim and evidence, and values are compared.

The model sees each sentence of a claim with the sentences of the evidence that are nearest to it,
from all texts together: support is over their union, and a text that is silent contradicts nothing.
Its log-odds become a probability by a logistic regression (``checker.json``, from
``eval/fit_checker.py``); a value that the evidence gives otherwise can only lower it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from rag.errors import ModelError
from rag.ground.deciding import Span, deciding_words
from rag.ground.evidence import Claim, Evidence, by_shared_terms
from rag.ground.quotation import quoted_from
from rag.ground.values import Values, compare
from rag.models.runtime import sigmoid
from rag.models.support import (
    CONTRADICTED,
    NO_STATEMENT,
    SUPPORTED,
    SupportModel,
    log_softmax,
)
from rag.protocols import require_lists
from rag.text.language import detect
from rag.types import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag.protocols import Embedder
    from rag.settings import GroundSettings

    Vectors = Mapping[str, NDArray[np.float32]]
    Pair = tuple[Claim, Evidence]
    Statement = tuple[str, Evidence]

WEIGHTS = Path(__file__).with_name("checker.json")
LANGUAGES = frozenset({"en"})
"""What the shipped checker was trained on."""

QUOTES = 3
"""Evidence sentences shown with a verdict, at most."""

VERBATIM = 0.98
"""Support of a claim that is said word for word: not 1, what surrounds a quotation matters."""

EVIDENCE_CHARACTERS = 900
"""Evidence that is read at once, as in training: its nearest sentences, in their order."""

NEARER_CHARACTERS = 450
"""Read once more of evidence that is longer: the mean of both counts."""

_ROOMS = (EVIDENCE_CHARACTERS, NEARER_CHARACTERS)

_ALONE = 4  # texts at most that are read one by one where together they contradict
_REASONS = 6  # that are given at most
_SENTENCES = 8  # of the evidence that are asked which of them contradicts


FEATURES = ("odds", "contradicted", "length")
"""What the regression is on.

- ``odds``: log-odds of supported against contradicted or not said
- ``contradicted``: log-odds of contradicted against not said, 0 where it is the less likely
- ``length``: log(1 + characters of the evidence / 100)
"""


class Weights(BaseModel):
    """What ``checker.json`` holds: support = sigmoid(bias + Σ weight·feature), then the cap.

    ``cap`` is the highest support of a claim with a value that the evidence gives otherwise.
    Further keys say where the numbers come from.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    bias: float
    weights: dict[str, float]
    cap: float

    @classmethod
    def read(cls, file: Path = WEIGHTS) -> Weights:
        """Read the file. Raises ModelError if it is missing or for other features than ours."""
        try:
            weights = cls.model_validate(json.loads(file.read_bytes()))
        except (OSError, ValueError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{file} cannot be read ({reason}); reinstall footnote-rag.") from None
        if unknown := set(weights.weights) - set(FEATURES):
            raise ModelError(
                f"{file} has weights for unknown features ({', '.join(sorted(unknown))}); "
                "run eval/fit_checker.py again or reinstall footnote-rag."
            )
        return weights

    def support(self, read: Read) -> float:
        """The estimated probability that what was read is supported.

        Of several sentences each has to hold: the least counts, and the claim as a whole as much.
        """
        score = min(map(self._score, read.parts))
        if read.whole:
            score = (score + self._score(read.whole)) / 2
        return min(sigmoid(score), self.cap) if read.otherwise else sigmoid(score)

    def _score(self, reading: Reading) -> float:
        features = reading.features
        return self.bias + sum(w * features[name] for name, w in self.weights.items())


@cache
def _shipped() -> Weights:
    return Weights.read()


@dataclass(frozen=True)
class Reading:
    """What the model says of one sentence of a claim: log-probabilities in ``VERDICTS``' order.

    ``logs`` is their mean over what was read; ``characters`` is how long all of the evidence is.
    """

    part: str
    logs: tuple[float, ...]
    characters: int
    values: Values

    @property
    def features(self) -> dict[str, float]:
        """What the regression is on: see ``FEATURES``."""
        supported, contradicted, silent, _ = self.logs
        return {
            "odds": supported - float(np.logaddexp(contradicted, silent)),
            "contradicted": max(contradicted - silent, 0.0),
            "length": math.log(1 + self.characters / 100),
        }

    @property
    def states(self) -> bool:
        """Whether the sentence states anything that evidence could bear out."""
        return self.logs[NO_STATEMENT] < max(self.logs[:NO_STATEMENT])

    @property
    def contradicts(self) -> bool:
        """Whether the evidence most likely says otherwise."""
        return self.logs[CONTRADICTED] == max(self.logs)


@dataclass(frozen=True)
class Read:
    """What was read of a claim: its sentences that state something, and all of it if several."""

    parts: tuple[Reading, ...]
    whole: Reading | None = None

    @property
    def otherwise(self) -> bool:
        """Whether the evidence gives a value of the claim otherwise."""
        return any(part.values.otherwise for part in self.parts)


class SupportChecker:
    """Judges claims with the shipped model. Threads may share one.

    ``weights`` is None for the shipped ones.
    """

    def __init__(
        self,
        model: SupportModel,
        embedder: Embedder,
        settings: GroundSettings,
        weights: Weights | None = None,
    ) -> None:
        self._model = model
        self._embedder = embedder
        self._settings = settings
        self._weights = weights

    @property
    def identity(self) -> str:
        """Name and digest of the weights."""
        return self._model.identity

    def check(self, claims: Sequence[str], evidence: Sequence[Sequence[str]]) -> list[Verdict]:
        """Return a verdict for each claim, judged against the union of ``evidence[i]``.

        A claim that states nothing (empty, thanks, a question) or is in a language that the model
        does not know has label and support None. One without evidence is unsupported with support
        0. Raises UsageError if the lengths differ.
        """
        require_lists(claims, evidence)
        pairs = [
            (Claim.of(claim), Evidence.of(texts))
            for claim, texts in zip(claims, evidence, strict=True)
        ]
        found: list[Verdict | None] = [self._at_sight(*pair) for pair in pairs]
        open_ = [n for n, verdict in enumerate(found) if verdict is None]
        reads = self.read([pairs[n] for n in open_]) if open_ else []
        for n, read in zip(open_, reads, strict=True):
            found[n] = self._verdict(*pairs[n], read)
        return [verdict for verdict in found if verdict is not None]

    def load(self) -> None:
        """Load models and tables now rather than at the first claim. Raises ModelError."""
        self.check(["Paris lies north of Lyon."], [["Lyon lies south of Paris."]])

    def read(self, pairs: Sequence[Pair]) -> list[Read]:
        """What the model says of each claim; one without statements or evidence has no parts."""
        texts = [
            (text, evidence)
            for claim, evidence in pairs
            for text in (*claim.parts, *([claim.body] if len(claim.parts) > 1 else ()))
            if evidence.units
        ]
        readings = iter(self._each_alone(texts, self._readings(texts)))
        found = []
        for claim, evidence in pairs:
            parts = [next(readings) for _ in claim.parts if evidence.units]
            whole = next(readings) if len(parts) > 1 else None
            found.append(Read(tuple(part for part in parts if part.states), whole))
        return found

    def _readings(self, texts: Sequence[Statement]) -> list[Reading]:
        """Read each text with its evidence; with long evidence once more, with less of it."""
        vectors = self._vectors([(text, ev) for text, ev in texts if not fits(ev)])
        views = [
            (n, nearest(text, evidence, vectors, room))
            for n, (text, evidence) in enumerate(texts)
            for room in _ROOMS[: 1 if fits(evidence) else None]
        ]
        logs = log_softmax(self._model.logits([(texts[n][0], view) for n, view in views]))
        owners = np.array([n for n, _ in views])
        return [
            Reading(
                text,
                tuple(float(value) for value in logs[owners == n].mean(axis=0)),
                sum(map(len, evidence.texts)),
                compare(text, evidence.units),
            )
            for n, (text, evidence) in enumerate(texts)
        ]

    def _each_alone(self, texts: Sequence[Statement], together: Sequence[Reading]) -> list[Reading]:
        """Read what seems contradicted with each text alone: one that bears it out is enough.

        "The hub needs two minutes" in one text seems to contradict the five days of another.
        """
        found = list(together)
        for n, (text, evidence) in enumerate(texts):
            if found[n].contradicts and 1 < len(evidence.texts) <= _ALONE:
                alone = self._readings([(text, Evidence.of([one])) for one in evidence.texts])
                best = max(alone, key=lambda reading: reading.features["odds"])
                if best.logs[SUPPORTED] == max(best.logs):
                    found[n] = replace(found[n], logs=best.logs)
        return found

    def deciding(self, claim: str, sentence: str) -> tuple[list[Span], list[Span]]:
        """(start, end) of the words that decide that a sentence contradicts a claim, in both."""
        return deciding_words(self._model, claim, sentence)

    def _vectors(self, texts: Sequence[Statement]) -> Vectors:
        """Embed each distinct text once, all in one batch."""
        needed = sorted({text for own, evidence in texts for text in (own, *evidence.units)})
        return dict(zip(needed, self._embedder.embed(needed), strict=True)) if needed else {}

    def _at_sight(self, claim: Claim, evidence: Evidence) -> Verdict | None:
        """The verdict where nothing has to be read for it."""
        if not claim.parts:
            return Verdict.of_nothing(claim.text)
        if not evidence.units:
            return self._judged(claim, 0.0, (), ("there is no evidence",))
        # As it stands, marks and all: of "Yes[5]" the mark is a part.
        same = (claim.text,) if claim.text in evidence.texts else ()
        if quotes := same or quoted_from(claim.body, evidence.texts):
            return self._judged(claim, VERBATIM, quotes, ("the evidence says it word for word",))
        language, _ = detect(claim.body)
        if language is not None and language not in LANGUAGES:
            lost = [compare(part, evidence.units).lost for part in claim.parts]
            why = f"the checker does not know the language of it ({language})"
            reasons = (why, *chain.from_iterable(lost))
            return Verdict(claim=claim.text, reasons=reasons, readable=False)
        return None

    def _verdict(self, claim: Claim, evidence: Evidence, read: Read) -> Verdict:
        if not read.parts:
            return Verdict.of_nothing(claim.text)
        weights = self._weights or _shipped()
        order = by_shared_terms(claim.body, evidence.units)
        quotes = tuple(evidence.units[place] for place in order)
        verdict = self._judged(claim, weights.support(read), quotes, ())
        if verdict.label == "supported":
            return verdict
        supports = {part: weights.support(Read((part,))) for part in read.parts}
        weakest = min(read.parts, key=supports.__getitem__)
        doubtful = [
            part for part in read.parts if self._settings.label(supports[part]) != "supported"
        ] or [weakest]
        against = self._against(weakest, evidence, order)
        reasons = _reasons(read, doubtful, against)
        # What is true in part is not contradicted as a whole, nor is it made up.
        holds = len(doubtful) < len(read.parts) and not against
        label = "partial" if holds else "unsupported" if against else verdict.label
        return verdict.model_copy(
            update={"label": label, "reasons": reasons, "contradicted_by": against}
        )

    def _against(self, reading: Reading, evidence: Evidence, order: Sequence[int]) -> str:
        """The sentence of the evidence that contradicts a statement, "" if none does."""
        if not reading.contradicts:
            return ""
        units = [evidence.units[place] for place in order[:_SENTENCES]]
        logs = log_softmax(self._model.logits([(reading.part, unit) for unit in units]))
        return units[int(logs[:, CONTRADICTED].argmax())]

    def _judged(
        self, claim: Claim, support: float, quotes: Sequence[str], reasons: tuple[str, ...]
    ) -> Verdict:
        return Verdict(
            claim=claim.text,
            label=self._settings.label(support),
            support=round(support, 4),
            evidence=tuple(quotes[:QUOTES]),
            reasons=reasons,
        )


def _reasons(read: Read, doubtful: Sequence[Reading], against: str) -> tuple[str, ...]:
    """Why a claim is not, or not wholly, supported."""
    found = [f"the evidence says otherwise: “{against}”"] if against else []
    found += [reason for part in doubtful for reason in part.values.reasons]
    if len(doubtful) < len(read.parts):
        found += [f"not supported: “{part.part}”" for part in doubtful]
    return tuple(dict.fromkeys(found))[:_REASONS] or ("the evidence does not say it",)


def fits(evidence: Evidence) -> bool:
    """Tell whether all of the evidence is read at once."""
    return sum(len(text) + 1 for text in evidence.texts) <= EVIDENCE_CHARACTERS


def nearest(part: str, evidence: Evidence, vectors: Vectors, room: int) -> str:
    """The sentences that are nearest to a statement, in their order, in ``room`` characters.

    The nearest one is there in any case; evidence that ``fits`` is taken whole, without vectors.
    """
    if fits(evidence):
        return "\n".join(evidence.texts)
    vector = vectors[part]
    cosines = [float(vectors[unit] @ vector) for unit in evidence.units]
    kept: list[int] = []
    for place in sorted(range(len(cosines)), key=lambda n: (-cosines[n], n)):
        if not kept or len(evidence.units[place]) <= room:
            kept.append(place)
            room -= len(evidence.units[place]) + 1
    return " ".join(evidence.units[place] for place in sorted(kept))
