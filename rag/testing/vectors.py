"""The rules of an ``Embedder``."""

from __future__ import annotations

import numpy as np

from rag.protocols import Embedder
from rag.testing.rules import Rules

_TEXTS = (
    "Refunds take 14 days.",
    "You get your money back within two weeks.",
    "The mountain is covered in snow.",
    "A",
    "Naïve café — 東京 🔑",
    "",
)
_CLOSE = 0.999
"""Least cosine of two vectors of one text; quantised models may differ a little by batch."""


def check_embedder(embedder: Embedder, *, close: float = _CLOSE) -> None:
    """Raise AssertionError unless the embedder keeps the rules of its seam.

    ``close`` is the least cosine between two vectors of the same text, alone and in a batch.
    """
    rules = Rules(embedder, "embed")
    _describes_itself(rules, embedder)
    _counts_tokens(rules, embedder)
    for query in (False, True):
        _shapes(rules, embedder, query=query)
    _same_text_same_vector(rules, embedder, close)
    _means_something(rules, embedder)


def _describes_itself(rules: Rules, embedder: Embedder) -> None:
    identity = embedder.identity
    rules.must(isinstance(identity, str) and identity, "identity must be a text that is not empty")
    rules.must(identity == embedder.identity, "identity must stay the same")
    rules.must(
        isinstance(embedder.dimension, int) and embedder.dimension > 0,
        f"dimension must be a positive integer, it is {embedder.dimension!r}",
    )
    rules.must(
        isinstance(embedder.max_tokens, int) and embedder.max_tokens > 0,
        f"max_tokens must be a positive integer, it is {embedder.max_tokens!r}",
    )
    languages = embedder.languages
    rules.must(
        languages is None
        or (isinstance(languages, frozenset) and all(len(code) == 2 for code in languages)),
        f"languages must be a frozenset of ISO 639-1 codes or None, it is {languages!r}",
    )


def _counts_tokens(rules: Rules, embedder: Embedder) -> None:
    count = embedder.count_tokens
    rules.must(count("") == 0, "count_tokens('') must be 0: special tokens do not count")
    rules.must(
        0 < count("refunds") < count("refunds take fourteen days")
        and count("days " * (embedder.max_tokens + 50)) > embedder.max_tokens,
        "count_tokens must grow with the text, beyond max_tokens too",
    )


def _shapes(rules: Rules, embedder: Embedder, *, query: bool) -> None:
    texts = [*_TEXTS, "a very long text " * 2000]
    vectors = embedder.embed(texts, query=query)
    rules.must(isinstance(vectors, np.ndarray), "must return a numpy array")
    expected = (len(texts), embedder.dimension)
    rules.must(
        vectors.shape == expected, f"the shape must be {expected}, it is {tuple(vectors.shape)}"
    )
    rules.must(vectors.dtype == np.float32, f"the type must be float32, it is {vectors.dtype}")
    rules.must(np.isfinite(vectors).all(), "every number must be finite, for an empty text too")
    lengths = np.linalg.norm(vectors, axis=1)
    worst = int(np.abs(lengths - 1).argmax())
    rules.must(
        abs(float(lengths[worst]) - 1) < 1e-3,
        f"rows must have length 1; the one of {texts[worst][:30]!r} has {lengths[worst]:.4f}",
    )
    empty = embedder.embed([], query=query)
    rules.must(
        tuple(np.shape(empty)) == (0, embedder.dimension),
        f"no texts must give shape (0, {embedder.dimension}), not {tuple(np.shape(empty))}",
    )


def _same_text_same_vector(rules: Rules, embedder: Embedder, close: float) -> None:
    texts = [text for text in _TEXTS if text]
    vectors = embedder.embed(texts)
    rules.must(
        np.array_equal(vectors, embedder.embed(texts)),
        "the same texts must give the same vectors again",
    )
    backwards = embedder.embed(texts[::-1])[::-1]
    rules.must(
        float((vectors * backwards).sum(axis=1).min()) > close,
        "row i must belong to text i, in whatever order the texts come",
    )
    alone = np.vstack([embedder.embed([text]) for text in texts])
    rules.must(
        float((vectors * alone).sum(axis=1).min()) > close,
        "a text must have the same vector alone and in a batch",
    )


def _means_something(rules: Rules, embedder: Embedder) -> None:
    refund, paraphrase, other = embedder.embed(_TEXTS[:3])
    rules.must(
        float(refund @ paraphrase) > float(refund @ other),
        "a paraphrase must be nearer than a sentence about something else",
    )
