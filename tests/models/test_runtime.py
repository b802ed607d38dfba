import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rag.errors import ModelError
from rag.models.embedder import MODEL_FILE, TOKENIZER_FILE, WEIGHTS
from rag.models.runtime import TextModel, batches, sigmoid

LENGTHS = [5, 200, 7, 7, 1, 300, 64, 64, 64, 2]


@pytest.fixture(scope="module")
def model():
    return TextModel(
        WEIGHTS / MODEL_FILE, WEIGHTS / TOKENIZER_FILE, max_tokens=64, threads=1, batch_tokens=256
    )


@pytest.mark.parametrize("limit", [1, 64, 200, 10_000])
def test_batches_hold_every_position_once_and_keep_the_limit(limit):
    groups = batches(LENGTHS, limit)
    assert sorted(i for group in groups for i in group) == list(range(len(LENGTHS)))
    for group in groups:
        padded = max(LENGTHS[i] for i in group) * len(group)
        assert padded <= limit or len(group) == 1


def test_batches_put_like_lengths_together():
    assert batches([9, 1, 9, 1], 18) == [[0, 2], [1, 3]]


def test_batches_of_nothing():
    assert batches([], 100) == []
    assert batches([0, 0], 100) == [[0, 1]]


def test_nothing_heavy_is_imported_with_the_module():
    program = (
        "import sys, rag.models.runtime, rag.models.embedder, rag.models.hub\n"
        "print([m for m in ('onnxruntime', 'tokenizers', 'torch', 'sentence_transformers')"
        " if m in sys.modules])"
    )
    found = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert found.strip() == "[]"


def test_outputs_come_in_the_order_of_the_inputs(model):
    texts = ["a " * n + word for n, word in [(3, "cat"), (50, "dog"), (1, "sun"), (20, "sea")] * 5]
    together = model.run(model.encode(texts))
    for text, (vector,) in zip(texts, together, strict=True):
        ((alone,),) = model.run(model.encode([text]))
        np.testing.assert_allclose(vector, alone, atol=1e-4)


def test_a_few_inputs_are_shared_among_the_threads(model):
    two = TextModel(
        WEIGHTS / MODEL_FILE, WEIGHTS / TOKENIZER_FILE, max_tokens=64, threads=2, batch_tokens=256
    )
    texts = [f"Number {n} of the sentences that four claims are held against." for n in range(9)]
    with_one, with_two = model.run(model.encode(texts)), two.run(two.encode(texts))
    np.testing.assert_allclose(np.stack(with_one), np.stack(with_two), atol=1e-6)


def test_running_nothing_gives_nothing(model):
    assert model.run(model.encode([])) == []


def test_texts_are_cut_to_the_limit_but_counted_whole(model):
    (encoding,) = model.encode(["word " * 500])
    assert len(encoding) == 64
    assert model.count_tokens("word " * 500) == 500


def test_pairs_are_cut_in_the_second_text_and_carry_offsets(model):
    first, second = "Who sells wrens?", "Nobody sells wrens. " * 50
    (encoding,) = model.encode_pairs([(first, second)])
    assert len(encoding) == 64
    assert encoding.sequence_ids.count(0) == model.count_tokens(first)
    words = [
        second[slice(*o)]
        for o, s in zip(encoding.offsets, encoding.sequence_ids, strict=True)
        if s == 1
    ]
    assert words[:4] == ["Nobody", "sells", "wren", "##s"[2:]]
    assert len(model.run([encoding])) == 1


def test_a_first_text_that_fills_the_model_is_refused(model):
    with pytest.raises(ModelError, match="fills the 64 tokens"):
        model.encode_pairs([("word " * 100, "second")])


def test_lone_surrogates_keep_the_offsets(model):
    (encoding,) = model.encode_pairs([("q", "ab \ud83d wren")])
    start, end = encoding.offsets[-2]
    assert "ab \ud83d wren"[start:end] == "wren"


def test_one_session_serves_many_threads():
    model = TextModel(
        WEIGHTS / MODEL_FILE, WEIGHTS / TOKENIZER_FILE, max_tokens=64, threads=1, batch_tokens=256
    )
    texts = [f"Sentence number {n} of a few." for n in range(12)]

    def work(_):
        return np.stack([v for (v,) in model.run(model.encode(texts))]), model.count_tokens(
            texts[0]
        )

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    for vectors, count in results:
        np.testing.assert_array_equal(vectors, results[0][0])
        assert count == results[0][1]


def test_a_file_that_is_no_model_is_a_model_error(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    (tmp_path / "tokenizer.json").write_text("{}")
    model = TextModel(tmp_path / "model.onnx", tmp_path / "tokenizer.json", max_tokens=8)
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded"):
        model.run([])
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be loaded"):
        model.encode(["x"])
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be loaded"):
        model.count_tokens("x")


@pytest.mark.parametrize(("logit", "expected"), [(0, 0.5), (1e6, 1.0), (-1e6, 0.0)])
def test_sigmoid(logit, expected):
    assert sigmoid(logit) == pytest.approx(expected)
