"""The shipped cross-encoder: one pass over a pair of texts gives relevance, span and support.

Question and passage, or claim and evidence, go in together. What comes out are logits: how relevant
the passage is, where in it the answer begins and ends, and how far the evidence supports the claim.
The card beside the weights (JSON) says what they are and how large they must be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag.errors import ModelError
from rag.models.embedder import TOKENIZER_FILE, WEIGHTS
from rag.models.runtime import TextModel
from rag.settings import BUILT_IN, ModelSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

MODEL_FILE = "reader-l6-int8.onnx"
MAX_TOKENS = 256
_LIKELY = 20  # spans that the answer is chosen from
_TEMPERATURE = 0.5  # of their probabilities
LONGEST = 40  # tokens of an answer


@dataclass(frozen=True)
class Pair:
    """What one pass says of a pair; all numbers are logits.

    ``starts`` and ``ends`` are over ``places``, the characters (start, end) of the tokens of the
    second text; ``nothing`` is the logit of "the answer is not here", start and end together.
    """

    relevance: float
    support: float
    nothing: float
    starts: Floats
    ends: Floats
    places: tuple[tuple[int, int], ...]

    def best(self, begin: int, end: int) -> tuple[int, int, float] | None:
        """Return (start, end, margin over nothing) of the best answer in ``begin:end``.

        The margin is that of the likeliest span; the answer is the span that shares most with all
        that are likely (minimum Bayes risk, by the F1 of their tokens). Offsets are characters of
        the second text; None where no token lies in there.
        """
        inside = [
            n for n, (start, stop) in enumerate(self.places) if start >= begin and stop <= end
        ]
        if not inside:
            return None
        low, high = inside[0], inside[-1] + 1
        sums = self.starts[low:high, None] + self.ends[None, low:high]
        size = high - low
        allowed = np.triu(np.ones((size, size), bool))
        allowed &= ~np.triu(np.ones((size, size), bool), LONGEST)
        sums = np.where(allowed, sums, -np.inf).ravel()
        likely = np.argpartition(-sums, min(_LIKELY, len(sums)) - 1)[:_LIKELY]
        likely = likely[np.isfinite(sums[likely])]
        firsts, lasts = np.divmod(likely, size)
        margin = float(sums[likely].max()) - self.nothing
        chosen = _most_shared(firsts, lasts, sums[likely])
        return self.places[low + firsts[chosen]][0], self.places[low + lasts[chosen]][1], margin


def _most_shared(firsts: Floats, lasts: Floats, logits: Floats) -> int:
    """Return which of the spans has the highest expected F1 with the one that is right."""
    probabilities = np.exp((logits - logits.max()) / _TEMPERATURE)
    shared = np.minimum(lasts[:, None], lasts) - np.maximum(firsts[:, None], firsts) + 1
    lengths = lasts - firsts + 1
    scores = 2 * np.maximum(shared, 0) / (lengths[:, None] + lengths)
    return int((scores @ probabilities).argmax())


class CrossEncoder:
    """The shipped reader. Loaded at the first use; threads may share one.

    Raises ModelError where its files are missing or cannot be loaded.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        batch_tokens: int = ModelSettings.model_fields["batch_tokens"].default,
        weights: Path | None = None,
    ) -> None:
        folder = weights or WEIGHTS
        file = folder / MODEL_FILE
        if not file.exists():
            raise ModelError(f"{file} is missing; reinstall footnote-rag.")
        self._file = file
        tokenizer = folder / TOKENIZER_FILE
        self._model = TextModel(
            file,
            tokenizer if tokenizer.exists() else WEIGHTS / TOKENIZER_FILE,
            max_tokens=MAX_TOKENS,
            threads=threads,
            batch_tokens=batch_tokens,
        )

    @cached_property
    def identity(self) -> str:
        """Name and digest of the weights."""
        return f"{self._file.stem}@{hashlib.sha256(self._file.read_bytes()).hexdigest()[:16]}"

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in tokens, without special ones and without a limit."""
        return self._model.count_tokens(text)

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Pair]:
        """Return what the model says of each pair; the second text is cut at the token limit."""
        encodings = self._model.encode_pairs(pairs)
        found = []
        for encoding, (relevance, support, spans) in zip(
            encodings, self._model.run(encodings), strict=True
        ):
            second = [n for n, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
            low, high = (second[0], second[-1] + 1) if second else (0, 0)
            found.append(
                Pair(
                    relevance=float(relevance),
                    support=float(support),
                    nothing=float(spans[0].sum()),
                    starts=spans[low:high, 0],
                    ends=spans[low:high, 1],
                    places=tuple(encoding.offsets[low:high]),
                )
            )
        return found


def load_cross_encoder(settings: ModelSettings) -> CrossEncoder:
    """Return the reader that the settings name: ``built-in``, or a folder of ``rag train reader``.

    Raises ModelError if there is none.
    """
    folder = None
    if settings.reader != BUILT_IN:
        folder = Path(settings.reader).expanduser()
        if not (folder / MODEL_FILE).is_file():
            raise ModelError(
                f"models.reader is {settings.reader!r}, and there is no {MODEL_FILE} in it: name "
                "a folder that rag train reader wrote, or built-in."
            )
    return CrossEncoder(
        threads=settings.threads, batch_tokens=settings.batch_tokens, weights=folder
    )
