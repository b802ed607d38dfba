"""The embedder that is shipped, and the choice between it and one from the hub.

``BuiltInEmbedder`` is all-MiniLM-L6-v2 with 8-bit weights and activations, pooling included in the
graph; the card beside the weights (JSON) says what they are and how large they must be.
``TokenStates`` reads what stands inside the same graph: attention and hidden states of tokens.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from rag.errors import ModelError
from rag.models.runtime import Memory, TextModel, open_session, read_tokenizer
from rag.settings import BUILT_IN, ModelSettings
from rag.text.terms import encodable
from rag.types import digest_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

    from rag.protocols import Embedder, Vectors

WEIGHTS = Path(__file__).parent / "weights"
MODEL_FILE = "minilm-l6-int8.onnx"
TOKENIZER_FILE = "minilm-l6-tokenizer.json"
CARD_FILE = "minilm-l6-int8.json"

_FEW = 16_000
"""Characters; a longer call is a batch of documents, which nobody asks for again."""


class WeightsCard(BaseModel):
    """What lies beside the weights: sizes in bytes, digests in hexadecimal SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    digest: str
    bytes: int
    tokenizer_digest: str
    tokenizer_bytes: int
    dimension: int
    max_tokens: int
    languages: tuple[str, ...]

    @classmethod
    def read(cls, file: Path) -> WeightsCard:
        """Read a card. Raises ModelError if it is missing or not one."""
        try:
            return cls.model_validate(json.loads(file.read_bytes()))
        except FileNotFoundError:
            raise ModelError(f"{file} is missing; reinstall footnote-rag.") from None
        except (OSError, ValueError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"{file} is not a card of weights ({reason}); reinstall footnote-rag."
            ) from None


class BuiltInEmbedder:
    """The shipped English embedder: 384 dimensions, 256 tokens, no network and no torch.

    A text has one vector, whatever else is in its batch: activations are quantised token by token.
    Construction reads the card only; the model is loaded at the first use. Threads may share one.
    ``weights`` is a folder as ``python -m rag.train.export`` writes it, None for the shipped one.
    The vectors of the last ``remembered`` texts are kept, as a question and a sentence of evidence
    are needed by several stages; those of long calls are not.
    Raises ModelError where files are missing, cut short or do not belong together.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        batch_tokens: int = ModelSettings.model_fields["batch_tokens"].default,
        weights: Path | None = None,
        remembered: int = 2048,
    ) -> None:
        folder = weights or WEIGHTS
        self._memory: Memory[str, NDArray[np.float32]] = Memory(remembered)
        self._card = WeightsCard.read(folder / CARD_FILE)
        # The digest is trusted to the card, as hashing would cost more than loading; the size
        # catches what happens in practice: a cut download and a file of another version.
        _check_size(folder / MODEL_FILE, self._card.bytes)
        _check_size(folder / TOKENIZER_FILE, self._card.tokenizer_bytes)
        self._model = TextModel(
            folder / MODEL_FILE,
            folder / TOKENIZER_FILE,
            max_tokens=self._card.max_tokens,
            threads=threads,
            batch_tokens=batch_tokens,
        )

    @cached_property
    def identity(self) -> str:
        """Name and digest of weights and tokenizer, e.g. ``all-MiniLM-L6-v2-int8@0f3a...``."""
        return f"{self._card.name}@{digest_of(self._card.digest, self._card.tokenizer_digest)[:16]}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._card.dimension

    @property
    def max_tokens(self) -> int:
        """Longest input in tokens, the two special ones included; what is beyond is cut off."""
        return self._card.max_tokens

    @cached_property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of the languages that the model was trained for."""
        return frozenset(self._card.languages)

    def count_tokens(self, text: str) -> int:
        """The length of the text in the model's own tokens, without special ones."""
        return self._model.count_tokens(text)

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """An array of shape (len(texts), dimension), float32, rows of length 1.

        ``query`` makes no difference: this model embeds questions and passages alike.

        >>> BuiltInEmbedder().embed(["Wrens build nests.", "Refunds take a week."]).shape
        (2, 384)
        """
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        if sum(map(len, texts)) > _FEW:
            return self._embedded(texts)
        # Copies, as a row of an array would keep all of it.
        known = self._memory.results(texts, lambda new: map(np.copy, self._embedded(new)))
        return np.stack([known[text] for text in texts])

    def _embedded(self, texts: Sequence[str]) -> Vectors:
        outputs = self._model.run(self._model.encode(texts))
        return np.stack([vector for (vector,) in outputs]).astype(np.float32, copy=False)


def load_embedder(settings: ModelSettings) -> Embedder:
    """The embedder that the settings name.

    That is ``built-in``, a folder as ``rag train embedder`` writes it, or a model of the hub or a
    folder. Raises ModelError if it cannot be found and MissingExtraError if it needs the hub extra.
    """
    folder = Path(settings.embedder).expanduser()
    trained = settings.embedder != BUILT_IN and (folder / CARD_FILE).is_file()
    if trained or settings.embedder == BUILT_IN:
        return BuiltInEmbedder(
            threads=settings.threads,
            batch_tokens=settings.batch_tokens,
            weights=folder if trained else None,
        )
    from rag.models.hub import HubEmbedder

    return HubEmbedder(settings.embedder, offline=settings.offline)


def _check_size(file: Path, expected: int) -> None:
    try:
        found = file.stat().st_size
    except OSError:
        raise ModelError(f"{file} is missing; reinstall footnote-rag.") from None
    if found != expected:
        raise ModelError(
            f"{file} has {found:,} bytes where its card says {expected:,}; reinstall footnote-rag."
        )


# What the inside of the model says of each token

_MAX_TOKENS = 256
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

    attention: NDArray[np.float32]
    states: NDArray[np.float32]
    places: list[list[tuple[int, int, int]]]


class TokenStates:
    """Looks inside the shipped embedder, whichever one the settings name.

    Its weights are opened a second time, with more outputs, at the first use.
    """

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
        over = max(0, len(ids) - _MAX_TOKENS)
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
        return read_tokenizer(WEIGHTS / TOKENIZER_FILE)
