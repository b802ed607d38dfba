"""Embedders from the Hugging Face hub or a local folder, through sentence-transformers.

This file, ``hub_pairs`` and ``hub_chat`` own the ``hub`` extra. Code that comes with a model is
never run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.errors import MissingExtraError, ModelError
from rag.text.terms import encodable

if TYPE_CHECKING:
    from rag.protocols import Vectors


class HubEmbedder:
    """Any text model that sentence-transformers can load, by hub name or folder.

    Questions and passages get the prompts that the model itself defines for them (E5, BGE and
    others need that). With ``offline`` only what is already on this machine is looked at. The model
    is loaded at construction; threads may share an instance and take turns.

    Raises MissingExtraError without the hub extra, ModelError if the model cannot be loaded.
    """

    def __init__(self, name: str, *, offline: bool = False) -> None:
        self._model = open_model("SentenceTransformer", "embedder", name, offline=offline)
        self._name = name
        # Fast tokenizers keep truncation as state: two threads at once end in "Already borrowed".
        self._lock = RLock()

    @cached_property
    def identity(self) -> str:
        """Name and digest of everything that shapes a vector: weights, pooling, prompts, length.

        A folder goes by its last part, so that an index can move with its model.
        """
        folder = Path(self._name)
        name = folder.resolve().name if folder.is_dir() else self._name
        return f"{name}@{_digest(self._model)}"

    @cached_property
    def dimension(self) -> int:
        """Length of a vector."""
        size = self._model.get_embedding_dimension()
        return int(size) if size is not None else self.embed(["size"]).shape[1]

    @property
    def max_tokens(self) -> int:
        """Longest input in tokens, special ones included; what is beyond is cut off."""
        return int(self._model.max_seq_length or 512)

    @property
    def languages(self) -> frozenset[str] | None:
        """None: models of the hub do not say it reliably."""
        return None

    def count_tokens(self, text: str) -> int:
        """Return the length of the text in the model's own tokens, without special ones."""
        with self._lock:
            encoded = self._model.tokenizer(
                encodable(text), add_special_tokens=False, truncation=False, verbose=False
            )
        return len(encoded["input_ids"])

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Return an array of shape (len(texts), dimension), float32, rows of length 1.

        ``query`` chooses the model's own prompt for questions instead of that for passages.
        """
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        encode = self._model.encode_query if query else self._model.encode_document
        with self._lock:
            vectors = encode(
                [encodable(text) for text in texts],
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return np.asarray(vectors, np.float32)


def open_model(kind: str, what: str, name: str, *, offline: bool) -> Any:
    """Load a model by the class of sentence-transformers that is called ``kind``.

    ``what`` is what the messages call it. Raises MissingExtraError and ModelError.
    """
    try:
        import sentence_transformers
    except ImportError:
        raise MissingExtraError(f"The {what} {name!r}", "hub") from None
    try:
        return getattr(sentence_transformers, kind)(
            name, trust_remote_code=False, local_files_only=offline
        )
    except Exception as error:  # the libraries below raise a dozen unrelated classes
        raise ModelError(not_loaded(what, name, offline, error)) from None


def _digest(model: Any) -> str:
    """Return 16 hexadecimal digits over settings and weights (about 1 GB a second)."""
    settings = {
        "prompts": dict(model.prompts),
        "length": model.max_seq_length,
        "modules": [
            module.get_config_dict() if hasattr(module, "get_config_dict") else None
            for module in list(model)[1:]
        ],
    }
    state = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        state.update(name.encode())
        # By way of flat float32: numpy has no bfloat16.
        state.update(tensor.detach().cpu().float().numpy().tobytes())
    return state.hexdigest()[:16]


def not_loaded(what: str, name: str, offline: bool, error: Exception) -> str:
    """Return the sentence for a model that cannot be loaded."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    reason = lines[0].strip().rstrip(".")[:200] if lines else type(error).__name__
    advice = (
        "it is not on this machine and models.offline is set"
        if offline
        else "check the name and the network, or give the path of a folder"
    )
    return f"The {what} {name!r} cannot be loaded: {advice} ({reason})."
