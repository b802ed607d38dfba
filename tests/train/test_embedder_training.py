"""Training the embedder: what counts as a negative, a tiny run, and the folder that it leaves."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from train.tiny import tiny_bert

from rag.errors import UsageError
from rag.models.embedder import BuiltInEmbedder, load_embedder
from rag.models.runtime import read_tokenizer
from rag.settings import ModelSettings

torch = pytest.importorskip("torch", reason="needs the train extra")
pytestmark = [
    pytest.mark.train,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),  # warnings of torch's exporter are not ours
]

from rag.train.embedder import (  # noqa: E402
    Encoded,
    Plan,
    Triple,
    batches,
    conclusion,
    encode,
    loss_of,
    new_model,
    train,
    train_embedder,
    triples,
    write_model,
)
from rag.train.examples import SHIPPED_QA, held, load, save  # noqa: E402

PLAN = Plan(learning_rate=5e-3, batch=8, epochs=3, frozen_layers=0, kept=0.0)
COLOURS = "red green blue black white brown pink grey gold silver".split()


def found(count: int = 24) -> list[Triple]:
    """Return triples in which the colour says what belongs together."""
    return [
        Triple(f"Which bridge is {COLOURS[n % 10]}?", f"Bridge {n} is {COLOURS[n % 10]}.",
               f"Bridge {n} is {COLOURS[(n + 1) % 10]}.")
        for n in range(count)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)  # what is so small only waits for a second one
    return tiny_bert(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    return read_tokenizer(base / "tokenizer.json")


def gzipped(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with little of everything that is read."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for n in range(30):
        year = str(1800 + n)
        text = f"Bridge {n} was opened in {year} and is painted {COLOURS[n % 10]}."
        rows += [
            {"id": f"{n}", "title": f"Bridge {n}", "context": text, "answerable": True,
             "question": f"When was bridge {n} opened?",
             "answers": [{"text": year, "start": text.index(year)}]},
            {"id": f"{n}-none", "title": f"Bridge {n}", "context": text, "answerable": False,
             "question": "Who sang there?", "answers": []},
        ]  # fmt: skip
    for name in SHIPPED_QA:
        gzipped(folder / "qa" / f"{name}.jsonl.gz", rows if name == "squad1-train" else rows[:2])
    for name in ("one", "two"):
        place = folder / "retrieval" / name
        texts = [f"The {c} bridge was opened long ago." for c in COLOURS]
        documents = [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(texts)]
        queries = [{"_id": f"q{n}", "text": f"Is it {c}?"} for n, c in enumerate(COLOURS)]
        gzipped(place / "corpus.jsonl.gz", documents)
        gzipped(place / "queries.jsonl.gz", queries)
        (place / "qrels").mkdir()
        judged = "".join(f"q{n}\td{n}\t1\n" for n in range(10))
        (place / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    return folder


def test_triples_hold_no_answer_in_the_negative_and_no_held_article(
    data: Path, tmp_path: Path
) -> None:
    embedder = BuiltInEmbedder(threads=1)
    made = triples(data, embedder, PLAN, log=lambda _: None)
    assert made == triples(data, embedder, PLAN, log=lambda _: None)
    assert len(made) >= 20
    for triple in made:
        title = triple.positive.split("\n")[0]
        assert not held(f"squad1-train/{title}")
        year = triple.positive.split("opened in ")[1][:4]
        assert triple.negative.startswith("Bridge ")
        assert triple.negative == triple.positive or year not in triple.negative
    assert sum(triple.negative == triple.positive for triple in made) < 4  # drawn at random
    assert len(triples(data, embedder, replace(PLAN, scale=0.5), log=lambda _: None)) < len(made)
    save(made, tmp_path / "t.jsonl.gz")
    assert load(tmp_path / "t.jsonl.gz", Triple) == made


def test_batches_are_whole_fixed_and_new_in_each_epoch(tokenizer: Any) -> None:
    encoded = encode(found(), tokenizer)
    made = batches(encoded, PLAN, 0)
    assert sorted(n for batch in made for n in batch) == list(range(24))
    assert made == batches(encoded, PLAN, 0) != batches(encoded, PLAN, 1)
    assert len(batches(encoded[:5], PLAN, 0)) == 1


def test_what_says_the_same_is_no_negative(base: Path) -> None:
    model = new_model(base, PLAN)

    def loss(*asks_and_says: tuple[int, int, int]) -> float:
        members = [
            Encoded([101, 2000 + a, 102], [101, 3000 + p, 102], [101, 3000 + n, 102], a, (p, n))
            for a, p, n in asks_and_says
        ]
        with torch.inference_mode():
            return float(loss_of(model, members, PLAN, "cpu"))

    assert loss((1, 1, 1)) == pytest.approx(0, abs=1e-5)
    assert loss((1, 1, 1), (1, 1, 1)) == pytest.approx(0, abs=1e-5)
    assert loss((1, 1, 1), (1, 2, 2)) == pytest.approx(0, abs=1e-5)  # one question, two answers
    assert loss((1, 1, 1), (2, 1, 1)) == pytest.approx(0, abs=1e-5)  # one answer to two
    assert loss((1, 1, 1), (2, 2, 2)) > 0.01


def test_a_tiny_run_learns_and_goes_on(base: Path, tokenizer: Any, tmp_path: Path) -> None:
    encoded = encode(found(), tokenizer)
    whole = new_model(base, PLAN)
    with torch.inference_mode():
        before = float(loss_of(whole, encoded[:8], PLAN, "cpu"))
    assert train(whole, encoded, PLAN, tmp_path / "whole")
    with torch.inference_mode():
        assert float(loss_of(whole, encoded[:8], PLAN, "cpu")) < 0.7 * before

    parts = new_model(base, PLAN)
    assert not train(parts, encoded, PLAN, tmp_path / "parts", minutes=0.0)
    again = new_model(base, PLAN)
    assert train(again, encoded, PLAN, tmp_path / "parts")
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    with pytest.raises(UsageError, match="is of another plan"):
        train(again, encoded, replace(PLAN, seed=1), tmp_path / "parts")


def test_lower_layers_stay_and_weights_are_mixed(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = new_model(base, replace(PLAN, frozen_layers=1))
    still = {name for name, value in model.encoder.named_parameters() if not value.requires_grad}
    assert any(name.startswith("embeddings.") for name in still)
    assert any(name.startswith("encoder.layer.0.") for name in still)
    assert not any(name.startswith("encoder.layer.1.") for name in still)
    with torch.no_grad():
        for value in model.encoder.parameters():
            value.add_(1)
    write_model(model, base, replace(PLAN, kept=0.75), tmp_path / "mixed")
    before = load_file(base / "model.safetensors")
    after = load_file(tmp_path / "mixed" / "model.safetensors")
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value + 0.25)


def test_the_command_trains_exports_measures_and_replaces_nothing(
    data: Path, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def run(**options: Any) -> dict[str, Any]:
        return train_embedder(
            data, out, plan=replace(PLAN, batch=16, epochs=2), base=base, threads=1,
            cache=tmp_path / "cache", log=lambda _: None, **options,
        )  # fmt: skip

    first = run(minutes=0.0)
    assert not first["done"]
    assert "sets" not in first
    result = run()
    assert result["done"]
    assert set(result["sets"]) == {"one", "two"}
    for one in result["sets"].values():
        assert one["better"] is not True  # random weights against the shipped ones
        assert 0 <= one["after"] <= one["before"] <= 1
        assert one["queries"] == 10
    assert result["better_on_every_set"] is False
    assert "Nothing was replaced" in result["said"]
    assert json.loads((out / "figures.json").read_text()) == json.loads(json.dumps(result))
    page = (out / "minilm-l6-int8.md").read_text()
    assert "rag train embedder" in page
    assert "| one | " in page

    trained = load_embedder(ModelSettings(embedder=str(out)))
    assert isinstance(trained, BuiltInEmbedder)
    assert trained.identity == result["identity"] != BuiltInEmbedder().identity
    assert trained.embed(["a bridge"]).shape == (1, 32)


def test_the_conclusion_names_the_sets() -> None:
    def of(**better: bool | None) -> str:
        return conclusion({name: {"better": one} for name, one in better.items()})

    assert of(a=True, b=True) == "It is better than the shipped embedder on every set."
    assert "better on a; worse on b; not visibly different on the rest" in of(
        a=True, b=False, c=None
    )
    assert "every set: not visibly different. Nothing was replaced." in of(a=None)
    assert "Nothing was measured" in of()
