"""What the inside of the shipped embedder says of each token of a conversation.

One pass over a history and a question together: which tokens look at which (attention), and what
each token has come to mean (hidden states). The weights are the embedder's own, opened a second
time with more outputs, whichever embedder the settings name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.models.embedder import MODEL_FILE, TOKENIZER_FILE, WEIGHTS
from rag.models.runtime import open_session
from rag.text.terms import encodable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

    Array = NDArray[np.float32]

MAX_TOKENS = 256
_OPEN, _CLOSE = 101, 102  # the tokens [CLS] and [SEP]
_ATTENTION = ("softmax", *(f"softmax_{layer}" for layer in range(1, 6)))
_STATES = ("layer_norm_4", "layer_norm_6", "layer_norm_8", "layer_norm_10", "layer_norm_12")
"""Layers 2 to 6, after the feed-forward part."""


@dataclass(frozen=True, slots=True)
class Inside:
    """Texts as the model sees them together.

    ``attention[head, from, to]`` has the heads of all layers; ``states[layer, token]`` those of
    ``_STATES``; ``places[text]`` lists (start, end, token) with offsets in that text.
    """

    attention: Array
    states: Array
    places: list[list[tuple[int, int, int]]]


class TokenStates:
    """Looks inside the shipped embedder; the model is loaded at the first use."""

    def __init__(self) -> None:
        self._lock = Lock()

    def look(self, texts: Sequence[tuple[str, int]]) -> Inside:
        """Read texts, each cut to its number of tokens, as one; where it is too long, its end.

        Raises ModelError where the weights are missing or others than the ones we know.
        """
        with self._lock:  # two threads would load the model twice
            session, tokenizer = self._session, self._tokenizer
        ids, places = [_OPEN], []
        for text, limit in texts:
            encoding = tokenizer.encode(encodable(text), add_special_tokens=False)
            pairs = list(zip(encoding.ids, encoding.offsets, strict=True))[:limit]
            places.append([(a, b, len(ids) + n) for n, (_, (a, b)) in enumerate(pairs)])
            ids += [*(token for token, _ in pairs), _CLOSE]
        over = max(0, len(ids) - MAX_TOKENS)
        ids = [_OPEN, *ids[over + 1 :]]
        tokens = np.array([ids], np.int64)
        given = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": np.zeros_like(tokens),
        }
        outputs: list[Any] = session.run([*_ATTENTION, *_STATES], given)
        heads = len(_ATTENTION)
        return Inside(
            attention=np.concatenate(outputs[:heads], axis=1)[0],
            states=np.stack([output.reshape(len(ids), -1) for output in outputs[heads:]]),
            places=[[(a, b, n - over) for a, b, n in place if n > over] for place in places],
        )

    @cached_property
    def _session(self) -> InferenceSession:
        return open_session(WEIGHTS / MODEL_FILE, (*_ATTENTION, *_STATES))

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(WEIGHTS / TOKENIZER_FILE))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer
