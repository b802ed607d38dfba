"""8-bit weights and activations for an ONNX graph, with one scale a token.

ONNX Runtime's own dynamic quantisation takes one scale for the whole batch, so the vector of a text
depends on its neighbours (cosine down to .988 on MiniLM). Here every row of a linear layer's input,
i.e. every token, has its own symmetric scale: the vectors are nearer to those in float, and a text
has the same one in every batch. The price is a tenth to a seventh of the speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ACTIVATION_LIMIT = 127
"""Activations become round(x / scale) in -127..127, stored with 128 added."""

_LEAST_OUTPUTS = 16
"""Narrower layers, the heads of a model, cost nothing in float and decide much."""


class _Graph:
    """The nodes and constants of the new graph while it grows."""

    def __init__(self, model: Any) -> None:
        self.constants = {item.name: item for item in model.graph.initializer}
        self.nodes: list[Any] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def table(self, name: str) -> NDArray[np.float32] | None:
        """Return the constant of that name if it is a matrix of float32."""
        from onnx import numpy_helper

        if name not in self.constants:
            return None
        value = numpy_helper.to_array(self.constants[name])
        return value if value.ndim == 2 and value.dtype == np.float32 else None

    def add(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output


def quantise(model: Any, *, weight_limit: int, table_rows: int = 1000) -> Any:
    """Return the ``onnx.ModelProto`` with its linear layers and large tables in 8 bits; in place.

    A linear layer is a MatMul of a (tokens, inputs) array with a constant matrix: its weights get
    one scale an output and integers in ±``weight_limit``. 63 (7 bits) keeps processors without VNNI
    from saturating when they add two products in 16 bits; 127 is for those that have it. Tables of
    ``table_rows`` rows or more that are looked up by Gather get one scale a row.
    """
    from onnx import helper

    graph = _Graph(model)
    replaced: set[str] = set()
    rows: dict[str, tuple[str, str]] = {}
    for node in model.graph.node:
        name = node.input[1] if node.op_type == "MatMul" else node.input[0] if node.input else ""
        weights = graph.table(name)
        if node.op_type == "MatMul" and weights is not None and weights.shape[1] >= _LEAST_OUTPUTS:
            source = node.input[0]
            if source not in rows:
                rows[source] = _quantise_rows(graph, source)
            _linear(graph, node, weights, *rows[source], weight_limit)
            replaced.add(name)
        elif node.op_type == "Gather" and weights is not None and len(weights) >= table_rows:
            _lookup(graph, node, weights)
            replaced.add(name)
        else:
            graph.nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(graph.nodes)
    del model.graph.initializer[:]
    model.graph.initializer.extend(v for n, v in graph.constants.items() if n not in replaced)
    del model.graph.value_info[:]
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def to_integers(
    weights: NDArray[np.float32], axis: int, limit: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return integers in ±limit and the scales (kept dimensions) that undo them, by ``axis``."""
    scales = np.abs(weights).max(axis=axis, keepdims=True) / limit
    scales[scales == 0] = 1
    integers = np.clip(np.round(weights / scales), -limit, limit)
    return integers.astype(np.int8), scales.astype(np.float32)


def _quantise_rows(graph: _Graph, source: str) -> tuple[str, str]:
    """Add the nodes that turn ``source`` into bytes; return the names of these and of the scales.

    scale = max(abs(row)) / 127; the scales have the shape (tokens, 1).
    """
    from onnx import numpy_helper

    axis = graph.constant("quantise.axis", np.array([1], np.int64))
    high = graph.add("ReduceMax", [source, axis], f"{source}.high", keepdims=1)
    low = graph.add("ReduceMin", [source, axis], f"{source}.low", keepdims=1)
    mirrored = graph.add("Neg", [low], f"{source}.mirrored")
    # A row of zeros would divide by zero.
    tiny = graph.constant("quantise.tiny", np.array(1e-12, np.float32))
    largest = graph.add("Max", [high, mirrored, tiny], f"{source}.largest")
    step = graph.constant("quantise.step", np.array(1 / ACTIVATION_LIMIT, np.float32))
    scale = graph.add("Mul", [largest, step], f"{source}.scale")
    flat = graph.add("Squeeze", [scale, axis], f"{source}.flat")
    shape = graph.add("Shape", [flat], f"{source}.shape")
    middle = numpy_helper.from_array(np.array([128], np.uint8))
    zero = graph.add("ConstantOfShape", [shape], f"{source}.zero", value=middle)
    integers = graph.add("QuantizeLinear", [source, flat, zero], f"{source}.integers", axis=0)
    return integers, scale


def _linear(
    graph: _Graph, node: Any, weights: NDArray[np.float32], integers: str, scale: str, limit: int
) -> None:
    name, output = node.input[1], node.output[0]
    quantised, scales = to_integers(weights, 0, limit)
    product = graph.add(
        "MatMulIntegerToFloat",
        [
            integers,
            graph.constant(f"{name}.integers", quantised),
            graph.constant("quantise.one", np.array(1, np.float32)),
            graph.constant(f"{name}.scales", scales[0]),
            graph.constant("quantise.middle", np.array(128, np.uint8)),
        ],
        f"{output}.product",
        domain="com.microsoft",
    )
    graph.add("Mul", [product, scale], output)


def _lookup(graph: _Graph, node: Any, table: NDArray[np.float32]) -> None:
    from onnx import TensorProto

    (name, ids), output = node.input, node.output[0]
    quantised, scales = to_integers(table, 1, 127)
    integers = graph.constant(f"{name}.integers", quantised)
    found = graph.add("Gather", [integers, ids], f"{output}.found")
    numbers = graph.add("Cast", [found], f"{output}.numbers", to=TensorProto.FLOAT)
    scale = graph.add("Gather", [graph.constant(f"{name}.scales", scales), ids], f"{output}.scale")
    graph.add("Mul", [numbers, scale], output)
