"""Weights of a shipped graph read back to float, so that a training can begin with them.

The names are those that ``rag.train.export`` leaves in the graph. Weights of eight bits come back
within their rounding, which the first steps of a training mend. Imports torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from rag.errors import ModelError
from rag.train.loop import load_weights


def load_start(model: Any, file: Path) -> None:
    """Begin with the weights of a checkpoint or of an exported graph (``.onnx``).

    Raises ModelError for a file that has none of such a model.
    """
    if file.suffix == ".onnx":
        load_graph(model, file)
    else:
        load_weights(model, file)


def load_graph(model: Any, file: Path, *, heads: bool = True) -> None:
    """Put the weights of an exported graph into a model, those of its heads if wanted.

    Raises ModelError for a graph of another model, or one whose heads cannot be read back.
    """
    state = read_back(file, model.encoder.config.to_dict())
    for name, own in model.state_dict().items():
        if not heads and not name.startswith("encoder."):
            continue
        if name not in state:
            raise ModelError(
                f"the heads of {file} cannot be read back: it lacks {name}, as graphs of earlier "
                "versions and of other models do. Begin with a checkpoint."
            )
        try:  # of the positions, a graph has those that it reads
            own[: len(state[name])].copy_(state[name])
        except RuntimeError:
            raise ModelError(f"{file} holds the weights of another model than this one.") from None


def read_back(file: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The state of encoder and heads in a quantised graph, by the names of its model.

    ``config`` is the encoder's. Graphs that are older than names of heads give the encoder alone.
    Raises ModelError for a graph that was not exported here.
    """
    import onnx
    from onnx import numpy_helper

    try:
        graph = onnx.load(file).graph
    except Exception as error:  # protobuf's errors have no common class
        raise ModelError(f"{file} cannot be read as an ONNX graph: {error}.") from None
    known = {item.name: item for item in graph.initializer}

    def values(name: str) -> Any:
        if f"{name}.integers" in known:
            integers = numpy_helper.to_array(known[f"{name}.integers"]).astype(np.float32)
            return torch.from_numpy(integers * numpy_helper.to_array(known[f"{name}.scales"]))
        return torch.from_numpy(numpy_helper.to_array(known[name]).astype(np.float32))

    try:
        state = {
            f"encoder.embeddings.{one}_embeddings.weight": values(f"encoder.{one}s")
            for one in ("word", "position")
        }
        state["encoder.embeddings.token_type_embeddings.weight"] = values("encoder.types")
        for side in ("weight", "bias"):
            state[f"encoder.embeddings.LayerNorm.{side}"] = values(f"encoder.norm.{side}")
        for number in range(config["num_hidden_layers"]):
            state |= _layer(values, number, config["hidden_size"] // config["num_attention_heads"])
    except KeyError as error:
        raise ModelError(f"{file} is no graph of rag train: it lacks {error}.") from None
    for name in known:
        if name.startswith("heads."):
            state[name.removeprefix("heads.")] = values(name).t().contiguous()
    return state


def _layer(values: Any, number: int, head: int) -> dict[str, Any]:
    """One layer: linear layers are kept as (inputs, outputs), and query, key, value as one."""
    here, there = f"encoder.layers.{number}.", f"encoder.encoder.layer.{number}."
    found: dict[str, Any] = {}
    weights = values(f"{here}projections.weight").T.chunk(3)
    biases = values(f"{here}projections.bias").chunk(3)
    for name, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
        scale = head**0.5 if name == "query" else 1.0  # export puts attention's 1/sqrt(d) into it
        found[f"{there}attention.self.{name}.weight"] = (weight * scale).contiguous()
        found[f"{there}attention.self.{name}.bias"] = bias * scale
    for ours, theirs in (
        ("attended", "attention.output.dense"),
        ("up", "intermediate.dense"),
        ("down", "output.dense"),
    ):
        found[f"{there}{theirs}.weight"] = values(f"{here}{ours}.weight").T.contiguous()
        found[f"{there}{theirs}.bias"] = values(f"{here}{ours}.bias")
    for ours, theirs in (("attended_norm", "attention.output"), ("norm", "output")):
        for side in ("weight", "bias"):
            found[f"{there}{theirs}.LayerNorm.{side}"] = values(f"{here}{ours}.{side}")
    return found
