"""Attention and dropout that learn fast on processors, for transformers. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

_NAME = "footnote"


class Dropout(nn.Module):  # type: ignore[misc]
    """Dropout whose masks are slices of one long random mask, at places that the seed fixes.

    Drawing a number for every value takes a processor half as long as the rest of a forward pass.
    """

    def __init__(self, share: float, seed: int = 0, size: int = 1 << 24) -> None:
        super().__init__()
        drawn = torch.rand(size, generator=torch.Generator().manual_seed(seed)) >= share
        self.register_buffer("mask", drawn.to(torch.bfloat16) / (1 - share), persistent=False)

    def forward(self, states: Any) -> Any:
        """Return states of any shape, some of them 0 and the others larger; all while measuring."""
        if not self.training:
            return states
        begin = int(torch.randint(len(self.mask) - states.numel(), ()))
        return states * self.mask[begin : begin + states.numel()].view(states.shape)


def load_encoder(folder: Path, dropout: float = 0.0, **options: Any) -> Any:
    """Return the BERT encoder in a folder with this attention and, after layers, ``dropout``.

    A first epoch over many texts does not overfit, and a step without dropout is faster.
    """
    from transformers import AutoModel
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(_NAME, _attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(_NAME, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
    with _quiet():
        encoder = AutoModel.from_pretrained(
            str(folder), attn_implementation=_NAME, local_files_only=True,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **options,
        )  # fmt: skip
    if dropout:
        masks = Dropout(dropout)
        encoder.embeddings.dropout = masks
        for layer in encoder.encoder.layer:
            layer.attention.output.dropout = layer.output.dropout = masks
    return encoder


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back transformers' bars and its reports of weights that are not needed."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


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
