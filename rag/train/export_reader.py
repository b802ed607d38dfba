"""From a trained reader to the graph that is shipped: our encoder, the heads, eight bits."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rag.errors import ModelError
from rag.train.encoder import Encoder
from rag.train.export import WEIGHT_LIMIT, to_onnx
from rag.train.loop import read_checkpoint
from rag.train.quantise import quantise
from rag.train.reader import MAX_TOKENS, ReaderModel

OUTPUTS = ("relevance", "support", "spans")


class ExportedReader(nn.Module):  # type: ignore[misc]
    """The reader in the form that is exported: the same numbers, few nodes."""

    def __init__(self, model: ReaderModel) -> None:
        super().__init__()
        state = {
            name.removeprefix("encoder."): tensor.detach().float().cpu()
            for name, tensor in model.state_dict().items()
            if name.startswith("encoder.")
        }
        self.encoder = Encoder(state, model.encoder.config.to_dict(), MAX_TOKENS)
        self.heads = {
            name: (layer.weight.detach().float().cpu(), layer.bias.detach().float().cpu())
            for name, layer in (
                ("pooled", model.pooled),
                ("relevance", model.relevance),
                ("support", model.support),
                ("spans", model.spans),
            )
        }

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        """Return relevance (batch,), support (batch,) and spans (batch, sequence, 2) as logits."""
        states = self.encoder.states(input_ids, attention_mask, token_type_ids)
        first = functional.gelu(functional.linear(states[:, 0], *self.heads["pooled"]))
        return (
            functional.linear(first, *self.heads["relevance"])[:, 0],
            functional.linear(first, *self.heads["support"])[:, 0],
            functional.linear(states, *self.heads["spans"]),
        )


def export_reader(model: ReaderModel, file: Path, *, float_file: Path | None = None) -> str:
    """Write the quantised graph to ``file``; return its SHA-256. ``float_file`` gets the other."""
    import onnx

    exported = ExportedReader(model).eval()
    with tempfile.TemporaryDirectory() as scratch:
        floats = float_file or Path(scratch) / "float.onnx"
        to_onnx(exported, floats, outputs=OUTPUTS)
        graph = onnx.load(floats)
    onnx.save(quantise(graph, weight_limit=WEIGHT_LIMIT), file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def load_checkpoint(file: Path, model: ReaderModel) -> dict[str, Any]:
    """Put the weights of a checkpoint into the model; return its plan.

    Raises ModelError for a file that is no checkpoint of such a model.
    """
    state = read_checkpoint(file)
    try:
        model.load_state_dict(state["model"])
    except (RuntimeError, TypeError, AttributeError):
        raise ModelError(f"{file} holds the weights of another model than the reader.") from None
    plan: dict[str, Any] = json.loads(json.dumps(state["plan"]))
    return plan


def average(model: ReaderModel, file: Path, out: Path, share: float) -> None:
    """Mix ``share`` of another checkpoint's weights into the model and write the result to ``out``.

    Two ends of one run are better than either (Wortsman et al., "Model soups", ICML 2022): later
    passes read texts again and begin to know them by heart. Raises ModelError as
    ``load_checkpoint`` does.
    """
    own = {
        name: tensor.detach().float().cpu().clone() for name, tensor in model.state_dict().items()
    }
    load_checkpoint(file, model)
    mixed = {
        name: torch.lerp(own[name], other.detach().float().cpu(), share)
        for name, other in model.state_dict().items()
    }
    model.load_state_dict(mixed)
    torch.save(read_checkpoint(file) | {"model": mixed}, out)
