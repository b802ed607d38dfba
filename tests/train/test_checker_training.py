"""Training the checker: what it begins with, what it learns from, and that a tiny run learns."""

from __future__ import annotations

import gzip
import json
import random
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytestmark = pytest.mark.train

from tiny import tiny_bert  # noqa: E402

from rag.errors import ModelError  # noqa: E402
from rag.models.cross_encoder import MODEL_FILE  # noqa: E402
from rag.models.embedder import TOKENIZER_FILE, WEIGHTS  # noqa: E402
from rag.models.runtime import read_tokenizer  # noqa: E402
from rag.models.support import (  # noqa: E402
    CONTRADICTED,
    NO_STATEMENT,
    NOT_SAID,
    SUPPORT_FILE,
    SUPPORTED,
    SupportModel,
    as_read,
)
from rag.train import loop  # noqa: E402
from rag.train.base import load_start  # noqa: E402
from rag.train.checker import (  # noqa: E402
    Plan,
    encode,
    export_checker,
    figures,
    loss_of,
    new_model,
)
from rag.train.contrasts import (  # noqa: E402
    UNSUPPORTED,
    Pair,
    label_of,
    statements,
    written,
)
from rag.train.encoder import load_encoder, packaged, padded  # noqa: E402
from rag.train.reader import ReaderModel, export_reader  # noqa: E402

CONTRASTS = Path(__file__).parents[2] / "eval/contrasts"
PLAN = Plan(learning_rate=2e-3, batch_tokens=1024, epochs=30, dropout=0.0)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return read_tokenizer(WEIGHTS / TOKENIZER_FILE)


def test_a_shipped_graph_comes_back_as_it_was(tmp_path: Path) -> None:
    first, _ = new_model("built-in", PLAN)
    export_reader(ReaderModel(first.encoder), tmp_path / MODEL_FILE)
    again, _ = new_model(str(tmp_path), PLAN)
    other = again.encoder.state_dict()
    for name, one in first.encoder.state_dict().items():
        assert torch.allclose(one, other[name], atol=1e-5), name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = load_encoder(packaged(), 0).state_dict()
    assert not torch.allclose(plain["encoder.layer.5.output.dense.weight"],
                              other["encoder.layer.5.output.dense.weight"], atol=1e-2)  # fmt: skip


def test_a_further_run_begins_with_what_a_graph_says(tmp_path: Path) -> None:
    base = str(tiny_bert(tmp_path))
    model, tokenizer = new_model(base, PLAN)
    for one in model.state_dict().values():  # the exporter drops what is zero, or twice the same
        one.add_(torch.randn(one.shape), alpha=0.1)
    export_checker(model, tmp_path / SUPPORT_FILE)
    again, _ = new_model(base, replace(PLAN, seed=1))
    load_start(again.eval(), tmp_path / SUPPORT_FILE)
    pairs = [("It is open.", "It is closed."), ("Who?", "Anna.")]
    encoded = encode([Pair(*pair, NOT_SAID, "t") for pair in pairs], tokenizer)
    ids, mask = padded([one.ids for one in encoded])
    types, _ = padded([one.types for one in encoded])
    with torch.inference_mode():
        logits = again(ids, mask, types)
    assert logits.numpy() == pytest.approx(SupportModel(weights=tmp_path).logits(pairs), abs=0.1)
    with pytest.raises(ModelError, match=r"heads of .* cannot be read back: it lacks spans"):
        load_start(ReaderModel(again.encoder), tmp_path / SUPPORT_FILE)
    with pytest.raises(ModelError, match="of another model"):
        load_start(again, WEIGHTS / MODEL_FILE)


def test_a_base_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--base"):
        new_model(str(tmp_path), PLAN)
    (tmp_path / MODEL_FILE).write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be read as an ONNX graph"):
        new_model(str(tmp_path), PLAN)


def test_where_a_source_merges_two_labels_either_is_right(tokenizer: Any, tmp_path: Path) -> None:
    model, _ = new_model(str(tiny_bert(tmp_path)), PLAN)
    model.eval()
    pair = Pair("It is open.", "It is closed.", UNSUPPORTED, "t")
    shares = {}
    for label in range(5):
        encoded = encode([replace(pair, label=label)], tokenizer)
        shares[label] = float(torch.exp(-loss_of(model, encoded, "cpu").detach()))
    assert shares[UNSUPPORTED] == pytest.approx(shares[CONTRADICTED] + shares[NOT_SAID], abs=1e-5)
    others = shares[SUPPORTED] + shares[NO_STATEMENT]
    assert others + shares[UNSUPPORTED] == pytest.approx(1, abs=1e-5)


def test_pairs_are_read_as_the_model_reads_them(tokenizer: Any) -> None:
    pair = Pair("It was −5 °C.", "Oslo: −5\nRome: 12", SUPPORTED, "t")
    [one] = encode([pair], tokenizer)
    assert "¶" in tokenizer.decode(one.ids)
    assert as_read("a\nb") == "a ¶ b"
    assert one.types[-1] == 1


@pytest.mark.timeout(300)
def test_a_tiny_run_learns_and_exports(tmp_path: Path, tokenizer: Any) -> None:
    chance = random.Random(0)
    pairs = []
    for n in range(60):
        first, second = chance.sample("red green blue black".split(), 2)
        text = f"Bridge {n} is painted {first}."
        pairs.append(Pair(f"Its colour is {first}.", text, SUPPORTED, "t", str(n)))
        pairs.append(Pair(f"Its colour is {second}.", text, CONTRADICTED, "t", str(n)))
        pairs.append(Pair("I hope this helps.", text, NO_STATEMENT, "t", str(n)))
    encoded = encode(pairs, tokenizer)
    model, _ = new_model("built-in", replace(PLAN, learning_rate=3e-4, epochs=4))

    def batches(epoch: int) -> list[list[Any]]:
        order = loop.by_length([len(e.ids) for e in encoded], PLAN.batch_tokens, str(epoch))
        return [[encoded[n] for n in batch] for batch in order]

    def loss(batch: list[Any]) -> tuple[Any, dict[str, float]]:
        found = loss_of(model, batch, "cpu")
        return found, {"loss": float(found.detach())}

    plan = replace(PLAN, learning_rate=3e-4, epochs=4)
    assert loop.run(model, loop.schedule(4, batches), loss, plan, tmp_path, log=lambda _: None)
    export_checker(model, tmp_path / SUPPORT_FILE)
    shipped = SupportModel(weights=tmp_path)
    logits = shipped.logits([(pair.claim, pair.evidence) for pair in pairs])
    right = np.mean(logits.argmax(1) == [pair.label for pair in pairs])
    assert right > 0.9
    found = figures(shipped, {"t": pairs})["t"]
    assert found["auroc"] > 0.9
    assert found["labels"] == pytest.approx(right)


# What it learns from


def test_labels_of_sources() -> None:
    assert label_of({"label": "supported", "source_label": "SUPPORTS"}) == SUPPORTED
    assert label_of({"label": "unsupported", "source_label": "REFUTES"}) == CONTRADICTED
    assert label_of({"label": "unsupported", "source_label": "NOT ENOUGH INFO"}) == NOT_SAID
    assert label_of({"label": "unsupported", "source_label": "not_entailment"}) == UNSUPPORTED
    assert label_of({"label": "partial", "source_label": "partially-support"}) == UNSUPPORTED


def test_written_pairs_are_contrasts() -> None:
    pairs = written(CONTRASTS)
    labels = Counter(pair.label for pair in pairs)
    assert {SUPPORTED, CONTRADICTED, NOT_SAID} <= set(labels)
    assert 0.3 < labels[SUPPORTED] / len(pairs) < 0.6
    for file in CONTRASTS.glob("passages-*.jsonl.gz"):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                group = json.loads(line)
                assert group["a"] != group["b"]
                assert any(label[0] != label[1] for _, label in group["c"]), group


def test_words_in_common_do_not_tell_written_pairs() -> None:
    """Were they to, the model would learn to count them."""
    from sklearn.metrics import roc_auc_score

    pairs = written(CONTRASTS)

    def shared(pair: Pair) -> float:
        words = pair.claim.lower().split()
        return sum(word in pair.evidence.lower() for word in words) / len(words)

    auroc = roc_auc_score([pair.label == SUPPORTED for pair in pairs], list(map(shared, pairs)))
    assert 0.3 < auroc < 0.6


def test_sentences_that_state_nothing_are_beside_any_passage() -> None:
    found = statements(CONTRASTS, ["A.", "B."], random.Random(1))
    assert Counter(pair.label for pair in found).keys() == {NO_STATEMENT, NOT_SAID}
    assert {pair.evidence for pair in found} == {"A.", "B."}
