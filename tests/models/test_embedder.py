import hashlib
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tokenizers import Tokenizer

from rag.errors import MissingExtraError, ModelError
from rag.models.embedder import (
    CARD_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    WEIGHTS,
    BuiltInEmbedder,
    WeightsCard,
    load_embedder,
)
from rag.protocols import Embedder
from rag.settings import ModelSettings

TEXTS = [
    "The wren builds several nests.",
    "Refunds take five working days.",
    "",
    "How long does a refund take?",
    "A considerably longer passage about birds, their nests and their habits. " * 12,
]
INVARIANCE = 1e-4
"""Cosine distance that a batch may make to a vector; measured: no component moves by over 1e-7."""


def test_it_is_an_embedder(embedder):
    assert isinstance(embedder, Embedder)
    assert (embedder.dimension, embedder.max_tokens) == (384, 256)
    assert embedder.languages == frozenset({"en"})


def test_vectors_are_float32_of_length_1(embedder):
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_an_empty_array(embedder):
    assert embedder.embed([]).shape == (0, 384)


def test_a_text_has_one_vector_whatever_its_batch(embedder):
    together = embedder.embed(TEXTS)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    assert 1 - (together * alone).sum(axis=1).min() < INVARIANCE


def test_what_was_embedded_last_is_not_embedded_again(monkeypatch):
    embedder = BuiltInEmbedder(threads=1, remembered=3)
    run, seen = embedder._model.encode, []
    monkeypatch.setattr(embedder._model, "encode", lambda t: seen.append(list(t)) or run(t))
    first = embedder.embed(["a", "b", "a"])
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(embedder.embed(["b", "c"]), embedder.embed(["b", "c"]))
    embedder.embed(["d", "b"])  # "a" was used longest ago
    embedder.embed(["a"])
    long = "word " * 4000
    embedder.embed([long])
    embedder.embed([long])
    assert seen == [["a", "b"], ["c"], ["d"], ["a"], [long], [long]]


def test_vectors_that_were_given_can_be_written_to(embedder):
    given = embedder.embed(["a wren"])
    kept = given.copy()
    given[:] = 0
    np.testing.assert_array_equal(embedder.embed(["a wren"]), kept)


def test_the_order_of_the_texts_makes_no_difference(embedder):
    texts = [f"{'word ' * (n * 7 % 40)}number {n}" for n in range(60)]
    shuffled = np.random.default_rng(1).permutation(len(texts))
    vectors = embedder.embed([texts[i] for i in shuffled])
    np.testing.assert_allclose(vectors, embedder.embed(texts)[shuffled], atol=1e-3)


def test_like_meanings_are_near(embedder):
    birds, refund, _, question, _ = embedder.embed(TEXTS)
    assert question @ refund > 0.6 > 0.2 > question @ birds


def test_a_query_is_embedded_like_a_passage(embedder):
    np.testing.assert_array_equal(embedder.embed(TEXTS[:1], query=True), embedder.embed(TEXTS[:1]))


def test_a_very_long_text_is_cut_quickly(embedder):
    text = "wren nest " * 10_000
    embedder.embed(["warm"])
    start = time.perf_counter()
    vector = embedder.embed([text])
    assert time.perf_counter() - start < 2
    np.testing.assert_allclose(vector, embedder.embed(["wren nest " * 127]), atol=1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "\x00",
        "nul\x00inside",
        "\ud83d",
        "a\udc00b\ud800",
        "日本語のテキスト",
        "🐦" * 50,
        "\n\t ",
        "x" * 100_000,
    ],
)
def test_odd_texts_have_vectors(embedder, text):
    vector = embedder.embed([text])
    assert np.isfinite(vector).all()
    assert abs(np.linalg.norm(vector) - 1) < 1e-5
    assert embedder.count_tokens(text) >= 0


def test_tokens_are_counted_as_the_model_sees_them(embedder):
    tokenizer = Tokenizer.from_file(str(WEIGHTS / TOKENIZER_FILE))
    for text in [*TEXTS, "naïve café 123,456.78 unbelievably"]:
        assert embedder.count_tokens(text) == len(tokenizer.encode(text, add_special_tokens=False))
        assert embedder.count_tokens(text) == len(tokenizer.encode(text)) - 2


def test_counting_is_fast(embedder):
    sentence = "The quick brown fox jumps over the lazy dog near the river bank."
    embedder.count_tokens(sentence)
    start = time.perf_counter()
    for _ in range(1000):
        embedder.count_tokens(sentence)
    assert time.perf_counter() - start < 1


def test_threads_share_one_embedder():
    embedder = BuiltInEmbedder(threads=1)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: embedder.embed(TEXTS), range(8)))
    for vectors in results:
        np.testing.assert_array_equal(vectors, results[0])


def test_the_card_says_what_the_files_are():
    card = WeightsCard.read(WEIGHTS / CARD_FILE)
    for file, digest, size in [
        (MODEL_FILE, card.digest, card.bytes),
        (TOKENIZER_FILE, card.tokenizer_digest, card.tokenizer_bytes),
    ]:
        content = (WEIGHTS / file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert len(content) == size


def test_the_weights_stay_small():
    assert max(file.stat().st_size for file in WEIGHTS.iterdir()) < 24_000_000


def test_the_identity_names_model_and_weights(embedder, tmp_path):
    assert embedder.identity.startswith("all-MiniLM-L6-v2-int8@")
    for file in (MODEL_FILE, TOKENIZER_FILE):
        shutil.copy(WEIGHTS / file, tmp_path)
    card = json.loads((WEIGHTS / CARD_FILE).read_text())
    (tmp_path / CARD_FILE).write_text(json.dumps(card | {"digest": "0" * 64}))
    assert BuiltInEmbedder(weights=tmp_path).identity != embedder.identity


def test_a_cut_file_is_noticed(tmp_path):
    for file in (CARD_FILE, TOKENIZER_FILE):
        shutil.copy(WEIGHTS / file, tmp_path)
    with pytest.raises(ModelError, match="is missing; reinstall"):
        BuiltInEmbedder(weights=tmp_path)
    (tmp_path / MODEL_FILE).write_bytes((WEIGHTS / MODEL_FILE).read_bytes()[:1000])
    with pytest.raises(ModelError, match="has 1,000 bytes where its card says"):
        BuiltInEmbedder(weights=tmp_path)


def test_garbled_weights_of_the_right_size_are_noticed(tmp_path):
    for file in (CARD_FILE, TOKENIZER_FILE):
        shutil.copy(WEIGHTS / file, tmp_path)
    size = (WEIGHTS / MODEL_FILE).stat().st_size
    (tmp_path / MODEL_FILE).write_bytes(b"\x07" * size)
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        BuiltInEmbedder(weights=tmp_path).embed(["x"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": 1}', "\xff"])
def test_a_card_that_is_none_is_noticed(tmp_path, content):
    (tmp_path / CARD_FILE).write_bytes(content.encode("latin-1"))
    with pytest.raises(ModelError, match="is not a card of weights"):
        BuiltInEmbedder(weights=tmp_path)


def test_no_card_at_all(tmp_path):
    with pytest.raises(ModelError, match="is missing"):
        BuiltInEmbedder(weights=tmp_path)


def test_the_settings_choose_the_embedder(embedder):
    assert load_embedder(ModelSettings()).identity == embedder.identity


def test_a_folder_of_our_own_files_is_an_embedder_too(embedder, tmp_path):
    for file in (CARD_FILE, MODEL_FILE, TOKENIZER_FILE):
        shutil.copy(WEIGHTS / file, tmp_path)
    loaded = load_embedder(ModelSettings(embedder=str(tmp_path)))
    assert isinstance(loaded, BuiltInEmbedder)
    assert loaded.identity == embedder.identity


def test_without_the_hub_extra_the_install_line_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r'pip install "footnote-rag\[hub\]"'):
        load_embedder(ModelSettings(embedder="intfloat/e5-small-v2"))
