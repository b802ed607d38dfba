"""Attention that learns fast on processors, for models of transformers. Imports torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

_NAME = "footnote"


def load_encoder(folder: Path, **options: Any) -> Any:
    """Return the BERT encoder in a folder with this attention and without dropout.

    An epoch or two over many texts do not overfit: without dropout, a step takes half as long.
    """
    from transformers import AutoModel
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(_NAME, _attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(_NAME, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
    return AutoModel.from_pretrained(
        str(folder), attn_implementation=_NAME, local_files_only=True,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **options,
    )  # fmt: skip


def freeze(encoder: Any, layers: int) -> None:
    """Leave the tables and the lowest layers of an encoder as they are."""
    for module in [encoder.embeddings, *encoder.encoder.layer[:layers]]:
        for parameter in module.parameters():
            parameter.requires_grad = False


def _attention(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float, **_: Any
) -> tuple[Any, None]:
    """Attention as plain products, all in the type of the states.

    On a processor with bfloat16, the backward pass of PyTorch's own fused attention alone takes
    longer than all the rest: with this, twice as many pairs are learnt from in a second.
    """
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask.to(scores.dtype)
    with torch.autocast(query.device.type, enabled=False):
        shares = torch.softmax(scores, -1)
    return torch.matmul(shares, value).transpose(1, 2).contiguous(), None
