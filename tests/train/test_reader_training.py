"""Training the reader: a tiny run learns, goes on from a checkpoint, and exports what it is."""

from __future__ import annotations

import math
import random
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.train.examples import Example

torch = pytest.importorskip("torch", reason="needs the train extra")
pytestmark = pytest.mark.train

from rag.errors import UsageError  # noqa: E402
from rag.models.cross_encoder import MAX_TOKENS, MODEL_FILE, CrossEncoder  # noqa: E402
from rag.models.runtime import read_tokenizer  # noqa: E402
from rag.train.base import load_start  # noqa: E402
from rag.train.encoder import packaged  # noqa: E402
from rag.train.loop import average, load_weights  # noqa: E402
from rag.train.manuals import MANUALS  # noqa: E402
from rag.train.reader import (  # noqa: E402
    Plan,
    batches,
    encode,
    export_reader,
    list_loss,
    new_model,
    schedule,
    tensors,
    train,
)

PLAN = Plan(learning_rate=5e-4, batch_tokens=512, frozen_layers=4, epochs=6)


def examples(count: int = 96) -> list[Example]:
    """Return questions after a year or a colour, half of which the passage does not answer."""
    random_ = random.Random(0)
    found = []
    for n in range(count):
        year, colour = 1800 + random_.randrange(200), random_.choice("red green blue".split())
        text = f"Bridges\nBridge {n} was opened in {year} and is painted {colour}."
        known = n % 2 == 0
        start = text.index(str(year)) if known else -1
        found.append(
            Example(
                "When was it opened?" if known else "Who sang the anthem of the moon?", text, "t",
                prefix=8, relevance=float(known), start=start, end=start + 4 if known else -1,
            )
        )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return read_tokenizer(packaged() / "tokenizer.json")


def test_passes_after_the_first_read_something_else(tokenizer: Any) -> None:
    encoded = encode(examples(), tokenizer)
    first, later = encoded[:-3], encoded[-3:]
    batches = list(schedule(first, later, replace(PLAN, epochs=2.5)))
    read = [tuple(one.ids) for batch in batches for one in batch]
    assert sorted(read[: len(first)]) == sorted(tuple(one.ids) for one in first)
    assert set(read[len(first) :]) == {tuple(one.ids) for one in later}


def test_targets_are_on_the_tokens_of_the_answer(tokenizer: Any) -> None:
    text = "Tower\nThe tower was built in 1894."
    start = text.index("1894")
    answered = Example("When?", text, "t", prefix=6, start=start, end=start + 4)
    cut = Example("When?", "word " * 400 + "1894", "t", start=2000, end=2004)
    none = Example("When?", text, "t", prefix=6, start=-1, end=-1, relevance=1.0)
    one, far, nowhere = encode([answered, cut, none], tokenizer)
    assert tokenizer.decode(one.ids[one.start : one.end + 1]) == "1894"
    assert one.allowed[0] > 4  # the title is no answer
    assert len(far.ids) == MAX_TOKENS
    assert (far.start, nowhere.start, nowhere.end) == (0, 0, 0)
    assert math.isnan(one.relevance)
    assert nowhere.relevance == 1


def test_batches_hold_everything_once_and_repeat(tokenizer: Any) -> None:
    encoded = encode(examples(), tokenizer)
    found = batches(encoded, PLAN, 0)
    assert sorted(n for batch in found for n in batch) == list(range(len(encoded)))
    assert found == batches(encoded, PLAN, 0)
    assert found != batches(encoded, PLAN, 1)
    for batch in found:
        assert tensors([encoded[n] for n in batch], "cpu")["ids"].numel() <= 512


def test_the_units_of_a_question_stay_together(tokenizer: Any) -> None:
    asked = [
        Example(f"Which gate is {n}?", f"Gate {m} is wide.", MANUALS, relevance=float(m == n))
        for m in range(9)
        for n in range(12)
    ]
    encoded = encode([*examples(20), *asked], tokenizer)
    assert [one.question for one in encoded[:20]] == [-1] * 20
    found = batches(encoded, PLAN, 0)
    assert sorted(n for batch in found for n in batch) == list(range(len(encoded)))
    for question in {one.question for one in encoded[20:]}:
        of_it = [b for b in found if any(encoded[n].question == question for n in b)]
        assert len(of_it) == 1


def test_the_list_loss_is_of_what_answers_among_its_question() -> None:
    scores = torch.tensor([2.0, 0.0, 1.0, 5.0, 9.0, 3.0])
    relevance = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, math.nan])
    question = torch.tensor([0, 0, 0, 1, 2, -1])  # 1 has no answer, 2 nothing to choose from
    expected = math.log(math.exp(2) + 1 + math.e) - 2
    assert float(list_loss(scores, relevance, question)) == pytest.approx(expected, abs=1e-5)
    assert list_loss(scores, relevance, torch.full((6,), -1)) is None


def test_dropout_only_while_training() -> None:
    model = new_model(packaged(), replace(PLAN, dropout=0.25))
    masks = model.encoder.embeddings.dropout
    assert model.encoder.encoder.layer[0].output.dropout is masks
    ones = torch.ones(40, 50, 10)
    torch.manual_seed(1)
    once, twice = masks(ones), masks(ones)
    assert not torch.equal(once, twice)
    assert 0.2 < (once == 0).float().mean() < 0.3
    assert once.mean() == pytest.approx(1.0, abs=0.03)
    torch.manual_seed(1)
    assert torch.equal(masks(ones), once)
    assert masks.eval()(ones) is ones
    assert "mask" not in str(list(model.state_dict()))  # checkpoints fit models without it


@pytest.mark.timeout(300)
def test_a_tiny_run_learns_goes_on_and_exports(tmp_path: Path, tokenizer: Any) -> None:
    lines: list[str] = []
    encoded = encode(examples(), tokenizer)
    model = new_model(packaged(), PLAN)
    assert not train(model, encoded, PLAN, tmp_path, log=lines.append, minutes=0.0)
    again = new_model(packaged(), PLAN)
    assert train(again, encoded, PLAN, tmp_path, log=lines.append)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing of torch's exporter reaches the terminal
        export_reader(again, tmp_path / MODEL_FILE)
    shipped = CrossEncoder(weights=tmp_path)
    made = examples()
    judged = shipped.judge([(one.first, one.second) for one in made])
    best = [pair.best(one.prefix, len(one.second)) for pair, one in zip(judged, made, strict=True)]
    margins = [span[2] for span in best if span]
    assert min(margins[0::2]) > max(margins[1::2])  # answered above not answered
    assert judged[0].relevance > 0 > judged[1].relevance
    right = sum(
        span is not None and span[:2] == (one.start, one.end)
        for span, one in zip(best[::2], made[::2], strict=True)
    )
    assert right > 40  # of 48
    # Eight bits and few nodes say nearly what the model itself says.
    again.eval()
    with torch.inference_mode():
        batch = tensors(encoded[:1], "cpu")
        relevance, spans = again(batch["ids"], batch["mask"], batch["types"])
    assert judged[0].relevance == pytest.approx(float(relevance), abs=0.3)
    # Read back, they are what a further run begins with.
    back = new_model(packaged(), replace(PLAN, seed=1))
    load_start(back, tmp_path / MODEL_FILE)
    back.eval()
    with torch.inference_mode():
        relevance, spans = back(batch["ids"], batch["mask"], batch["types"])
    assert judged[0].relevance == pytest.approx(float(relevance), abs=0.15)
    assert judged[0].nothing == pytest.approx(float(spans[0, 0].sum()), abs=0.3)

    loaded = new_model(packaged(), PLAN)
    assert load_weights(loaded, tmp_path / "checkpoint.pt")["plan"]["epochs"] == 6
    with pytest.raises(UsageError, match="is of another plan"):
        train(loaded, encoded, Plan(seed=1), tmp_path)
    with pytest.raises(UsageError, match="is of another plan"):
        train(loaded, encoded, replace(PLAN, epochs=5), tmp_path)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del kept["plan"]["dropout"]  # written by a version that had none
    torch.save(kept, tmp_path / "checkpoint.pt")
    longer = replace(PLAN, epochs=7)  # a run can be made longer
    train(loaded, encoded, longer, tmp_path, log=lambda _: None)
    assert load_weights(loaded, tmp_path / "checkpoint.pt")["plan"]["epochs"] == 7

    other, mixed = new_model(packaged(), PLAN), tmp_path / "averaged.pt"
    before = other.spans.weight.detach().clone()
    average(other, tmp_path / "checkpoint.pt", mixed, share=0.25)
    expected = 0.75 * before + 0.25 * loaded.spans.weight
    assert torch.allclose(other.spans.weight, expected, atol=1e-6)
    again = new_model(packaged(), PLAN)
    load_weights(again, mixed)
    assert torch.equal(again.spans.weight, other.spans.weight)
