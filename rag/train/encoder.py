"""A BERT encoder written for export: few nodes, tokens in one flat list, no masks of masks.

The weights are those of Hugging Face's ``BertModel``; the same numbers come out (a test compares
them). Exporting that class instead gives a graph three times as long. Linear layers see arrays of
shape (tokens, width), which is what ``rag.train.quantise`` looks for. Imports torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional


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
        """Return the last token states, (batch, sequence, width); those of padding mean nothing."""
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
        """Return the mean of the states under the mask, scaled to length 1."""
        states = self.states(input_ids, attention_mask, token_type_ids)
        mask = attention_mask.to(states.dtype).unsqueeze(-1)
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return functional.normalize(mean, dim=-1)


def _norm(state: dict[str, Any], prefix: str, epsilon: float) -> Any:
    weight, bias = state[f"{prefix}.weight"], state[f"{prefix}.bias"]
    norm = nn.LayerNorm(weight.shape[0], eps=epsilon)
    norm.weight = nn.Parameter(weight, requires_grad=False)
    norm.bias = nn.Parameter(bias, requires_grad=False)
    return norm
