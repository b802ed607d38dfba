"""What kind of answer a question wants: a small classifier over the embedder.

It is learnt from 3,800 questions that eight people wrote and named the kind of: that a list is
wanted is in no word of asking ("what are my options", "which fields does it write"). Weights,
figures and the command that makes them are in ``kind.json``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rag.protocols import Embedder

FILE = Path(__file__).with_suffix(".json")
LIST_FROM = 0.2
"""Probability of a list from which a whole list answers; the figures in ``kind.json`` are at it."""

COMPARISON_FROM = 0.5
"""The same of a comparison, from which its sides are shown side by side."""


@cache
def _model() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


def kinds_of(question: str, embedder: Embedder) -> dict[str, float]:
    """The probability of each kind; none for an embedder that the classifier was not fitted on."""
    model = _model()
    if embedder.identity != model["embedder"]:
        return {}
    vector = embedder.embed([question], query=True)[0]
    logits = np.array(model["weights"]) @ vector + np.array(model["bias"])
    shares = np.exp(logits - logits.max())
    return dict(zip(model["kinds"], (shares / shares.sum()).tolist(), strict=True))
