"""The checker's cross-encoder: does evidence support a claim, contradict it, or not say?

One pass over claim and evidence gives four logits; the last is that of a sentence that states
nothing ("Hope this helps!", "The documents do not say"). The model is told where lines end, which a
word-piece tokenizer drops: in a table, what stands in one row is said of one thing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np

from rag.models.cross_encoder import Options, PairModel
from rag.text.words import ENGLISH_MONTHS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUPPORT_FILE = "checker-l6-int8.onnx"
CLAIM_CHARACTERS = 400
VERDICTS = ("supported", "contradicted", "not said", "no statement")
"""What the outputs stand for, in their order."""

SUPPORTED, CONTRADICTED, NOT_SAID, NO_STATEMENT = range(len(VERDICTS))

_AS_READ = str.maketrans({"\n": " ¶ ", "−": "-", "–": "-", "‑": "-", "✓": "yes", "✔": "yes",
                          "✗": "no", "✘": "no"})  # fmt: skip


_ISO_DATE = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\b")


def as_read(text: str) -> str:
    """A text as the model gets it: signs and dates that it knows, a mark at each end of a line.

    >>> as_read("Oslo: −5\\n2024-03-09: 12")
    'Oslo: -5 ¶ 9 March 2024: 12'
    """
    return _ISO_DATE.sub(_spoken, text.strip()).translate(_AS_READ)


def _spoken(date: re.Match[str]) -> str:
    return f"{int(date[3])} {ENGLISH_MONTHS[int(date[2]) - 1]} {date[1]}"


class SupportModel(PairModel):
    """The shipped checker's weights."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__(SUPPORT_FILE, **options)

    def logits(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """(pairs, 4) logits in the order of ``VERDICTS``; evidence is cut at the token limit."""
        if not pairs:
            return np.zeros((0, len(VERDICTS)), np.float32)
        read = [(as_read(claim)[:CLAIM_CHARACTERS], as_read(text)) for claim, text in pairs]
        return np.stack([out for (out,) in self._model.run(self._model.encode_pairs(read))])


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities of the outputs, (pairs, 4)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    found: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
