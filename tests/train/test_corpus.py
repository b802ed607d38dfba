"""Training on one's own questions: faults are told, documents stay apart, better installs."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from train.tiny import tiny_bert, write_rows

from rag.errors import DataError, ModelError, UsageError
from rag.evaluate.datasets import QaRow

torch = pytest.importorskip("torch", reason="needs the train extra")
pytestmark = [
    pytest.mark.train,
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore"),  # warnings of torch's exporter are not ours
]

from rag.models.cross_encoder import load_cross_encoder  # noqa: E402
from rag.settings import ModelSettings  # noqa: E402
from rag.train import corpus as room  # noqa: E402
from rag.train.reader import Plan, new_model  # noqa: E402


def words(text: str) -> int:
    return len(text.split())


def rows(documents: int = 24, answered: int = 3, **changed: Any) -> list[dict[str, Any]]:
    """Return four questions on each of some bridges; the last of them have no answer."""
    found = []
    for n in range(documents):
        year = str(1800 + n)
        text = f"Bridge {n} was opened in {year} and is painted green. It is long."
        for m in range(4):
            known = m < answered
            answers = [{"text": year, "start": text.index(year) if m else -1}] if known else []
            found.append(
                {"id": f"{n}-{m}", "title": f"Bridge {n}", "context": text,
                 "question": f"When was bridge {n} opened?" if known else "Who sang there?",
                 "answers": answers, "answerable": known, **changed}
            )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def checkpoint(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished reader that finds an answer everywhere."""
    torch.set_num_threads(1)  # what is so small only waits for a second one
    model = new_model(base, Plan())
    torch.nn.init.zeros_(model.spans.weight)
    file = tmp_path_factory.mktemp("reader") / "checkpoint.pt"
    torch.save({"model": model.state_dict(), "plan": asdict(Plan()), "step": 1}, file)
    return file


class TestReading:
    def test_documents_are_held_apart_whole(self, tmp_path: Path) -> None:
        write_rows(tmp_path / "questions.jsonl", rows())
        found = room.read_corpus(tmp_path, words)
        assert len(found.learnt) + len(found.held) == 96
        assert 16 <= len(found.held) <= 24
        assert not {r.title for r in found.learnt} & {r.title for r in found.held}
        assert not {r.context for r in found.learnt} & {r.context for r in found.held}
        assert found == room.read_corpus(tmp_path, words)
        # An answer without a place is looked for.
        assert found.unplaced == 0
        for question in found.taught:
            if question.answerable:
                assert question.chunk[question.start : question.end].isdigit()

    def test_one_title_for_all_is_told_apart_by_context(self, tmp_path: Path) -> None:
        write_rows(tmp_path / "questions.jsonl", rows(title="Help"))
        found = room.read_corpus(tmp_path, words)
        assert not {r.context for r in found.learnt} & {r.context for r in found.held}

    def test_a_document_with_most_questions_is_learnt_from(self, tmp_path: Path) -> None:
        many = [{**row, "id": f"{row['id']}-{n}"} for n in range(20) for row in rows(1)]
        write_rows(tmp_path / "questions.jsonl", [*many, *rows(4)[4:]])
        found = room.read_corpus(tmp_path, words)
        assert "Bridge 0" not in {row.title for row in found.held}
        assert found.held

    def test_faults_are_told_with_file_and_line(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"there is no questions\.jsonl in"):
            room.read_corpus(tmp_path, words)
        made = rows(3)
        made[1]["answers"] = [{"text": "1800", "start": 3}]
        del made[2]["context"]
        write_rows(tmp_path / "questions.jsonl", made)
        with pytest.raises(DataError) as caught:
            room.read_corpus(tmp_path, words)
        assert "questions.jsonl:2: 0-1: answers[1] is not at 3" in str(caught.value)
        assert "questions.jsonl:3: 0-2: the field context is missing" in str(caught.value)

    def test_too_little_is_said(self, tmp_path: Path) -> None:
        write_rows(tmp_path / "questions.jsonl", rows(1))
        with pytest.raises(DataError, match="on one context only"):
            room.read_corpus(tmp_path, words)
        write_rows(tmp_path / "questions.jsonl", rows(6, answers=[], answerable=False))
        with pytest.raises(DataError, match="no question whose answer is in its context"):
            room.read_corpus(tmp_path, words)


class TestTraining:
    def test_without_a_reader_to_begin_with_it_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="--from CHECKPOINT") as caught:
            room.train_on_corpus(tmp_path, tmp_path / "out")
        assert "\n" not in str(caught.value)

    def test_a_file_that_is_no_checkpoint_is_one_sentence(self, tmp_path: Path, base: Path) -> None:
        write_rows(tmp_path / "questions.jsonl", rows())
        broken = tmp_path / "checkpoint.pt"
        for state in (b"nonsense", {"weights": 1}, {"model": {"a": torch.ones(1)}, "plan": {},
                                                    "step": 1}):  # fmt: skip
            if isinstance(state, bytes):
                broken.write_bytes(state)
            else:
                torch.save(state, broken)
            with pytest.raises(ModelError) as caught:
                room.train_on_corpus(tmp_path, tmp_path, base=base, log=lambda _: None)
            assert "\n" not in str(caught.value)
            assert "checkpoint.pt" in str(caught.value)

    def test_it_learns_and_installs_what_is_better(
        self, tmp_path: Path, base: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Three of four questions have no answer, and to say so is soon learnt."""
        write_rows(tmp_path / "c" / "questions.jsonl", rows(60, answered=1))
        monkeypatch.setattr(room, "PLAN", Plan(learning_rate=5e-3, batch_tokens=1024))
        place, out = tmp_path / "reader", tmp_path / "out"

        def train(**options: Any) -> dict[str, Any]:
            return room.train_on_corpus(
                tmp_path / "c", out, start=checkpoint, base=base, install=place, epochs=3,
                threads=1, log=lambda _: None, **options,
            )  # fmt: skip

        first = train(minutes=0.0)
        assert not first["done"]
        assert not place.exists()
        result = train()  # goes on
        assert result["done"]
        f1 = result["figures"]["f1"]
        assert f1["before"] < 0.25
        assert f1["after"] > 0.7, f1
        assert result["better"], result["said"]
        assert result["installed"] == str(place)
        assert f'models.reader = "{place}"' in result["said"]
        reader = load_cross_encoder(ModelSettings(reader=str(place)))
        text = "Bridge 0 was opened in 1800 and is painted green. It is long."
        [judged] = reader.judge([("Who sang there?", text)])
        assert judged.best(0, len(text))[2] < 0

    def test_what_is_not_better_is_not_installed(
        self, tmp_path: Path, base: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_rows(tmp_path / "questions.jsonl", rows(30))
        monkeypatch.setattr(room, "train", lambda *_, **__: True)
        monkeypatch.setattr(room, "_exported", lambda *_, **__: Said("1800"))
        place = tmp_path / "reader"
        result = room.train_on_corpus(
            tmp_path, tmp_path / "out", start=checkpoint, base=base, install=place, epochs=1,
            threads=1, log=lambda _: None,
        )  # fmt: skip
        assert not result["better"]
        assert result["installed"] is None
        assert not place.exists()
        assert "No difference is visible: nothing was replaced" in result["said"]

    def test_the_best_span_of_all_chunks_is_compared_by_question(self) -> None:
        held = [QaRow.model_validate_json(json.dumps(row)) for row in rows(8)]
        gaps = room._compared(held, Said("green"), Said("18"), words)
        assert len(held) == 32
        assert gaps["f1"].a == 0
        assert gaps["f1"].b == 0  # a part of a number is another number
        better = room._compared(held, Said("green"), Said(r"18\d\d"), words)["f1"]
        assert better.b == pytest.approx(0.75)  # it also answers what has no answer
        assert better.better is True
        assert "It is better" in room._said(better, held, Path("own"), None)
        few = room._compared(held[:8], Said("green"), Said(r"18\d\d"), words)["f1"]
        said = room._said(few, held[:8], Path("own"), None)
        assert few.better is None
        assert "Fewer than 6 contexts cannot tell: nothing was replaced" in said


class Said:
    """A reader that always says the first thing like that."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def judge(self, pairs: list[tuple[str, str]]) -> list[Any]:
        return [self.of(text) for _, text in pairs]

    def of(self, text: str) -> Any:
        found = re.search(self.pattern, text)

        class Judged:
            def best(self, begin: int, end: int) -> tuple[int, int, float] | None:
                return (found.start(), found.end(), 1.0) if found else None

        return Judged()
