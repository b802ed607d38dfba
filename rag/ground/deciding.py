"""Which words of a claim and of a sentence decide what the model says of the two.

Each word is hidden in turn (occlusion: Zeiler and Fergus, "Visualizing and Understanding
Convolutional Networks", ECCV 2014): those without which the contradiction goes are marked, of what
is not in both.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from rag.models.support import CONTRADICTED, SUPPORTED
from rag.text.terms import stems

if TYPE_CHECKING:
    from rag.models.support import SupportModel

Span = tuple[int, int]

_WORD = re.compile(r"[-−]?\w(?:\S*\w)?[%°€]?")
_MASK = "[MASK]"
_SHARE = 0.5  # of the largest change, from which a word is marked too
_MOST = 3  # words of one text
_LONGEST = 48  # words of a text; of a longer one, those after them are not tried


def deciding_words(model: SupportModel, claim: str, sentence: str) -> tuple[list[Span], list[Span]]:
    """(start, end) of the deciding words of the claim, and of the sentence that contradicts it."""
    spans = [_differing(claim, sentence), _differing(sentence, claim)]
    hidden = [(_without(claim, span), sentence) for span in spans[0]]
    hidden += [(claim, _without(sentence, span)) for span in spans[1]]
    logits = model.logits([(claim, sentence), *hidden])
    against = logits[:, CONTRADICTED] - logits[:, SUPPORTED]
    changes = against[0] - against[1:]
    return (
        _largest(spans[0], changes[: len(spans[0])]),
        _largest(spans[1], changes[len(spans[0]) :]),
    )


def _differing(text: str, other: str) -> list[Span]:
    """The words that the other text has not; all where it has all: then their order decides."""
    known = set(stems(other))
    words = [match.span() for match in _WORD.finditer(text)]
    own = [(start, end) for start, end in words if not known.issuperset(stems(text[start:end]))]
    return (own or words)[:_LONGEST]


def _without(text: str, span: Span) -> str:
    return f"{text[: span[0]]}{_MASK}{text[span[1] :]}"


def _largest(
    spans: list[Span], changes: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> list[Span]:
    if not spans or changes.max() <= 0:
        return []
    kept = [n for n in np.argsort(-changes)[:_MOST] if changes[n] >= _SHARE * changes.max()]
    return [spans[n] for n in sorted(kept)]
