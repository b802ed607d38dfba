"""What is read of replies: the same of a whole one as of one that comes in pieces."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.text.replies import Cleaner, other_language, spoken, whole

FILE = Path(__file__).parent / "replies.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text("utf-8").strip().split("\n")]
SEEDS = range(4)


def read(row: dict[str, Any], pieces: Sequence[str]) -> dict[str, Any]:
    cleaner = Cleaner(answer=row.get("answer", True), structured=row.get("structured", False))
    given = "".join(map(cleaner.feed, pieces))
    try:
        given += cleaner.finish()
    except ValueError:
        return {"text": "", "error": True}
    text = given[cleaner.retracted :]
    found = {"text": text.rstrip(), "refused": cleaner.refused, "looped": cleaner.looped,
             "ended": cleaner.ended}  # fmt: skip
    if "cut" in row:
        found["cut"] = whole(text)
    return {key: value for key, value in found.items() if key in ("text", "cut") or value}


def in_pieces(text: str, seed: int) -> list[str]:
    sizes = random.Random(seed)
    pieces = []
    while text:
        size = sizes.choice((1, 2, 3, 4, 7, 15, 40))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["kind"])
def test_replies(row: dict[str, Any]) -> None:
    wanted = {k: row[k] for k in ("text", "refused", "looped", "ended", "cut", "error") if k in row}
    assert read(row, [row["reply"]]) == wanted
    assert read(row, list(row["reply"])) == wanted
    for seed in SEEDS:
        assert read(row, in_pieces(row["reply"], seed)) == wanted, seed


def test_there_is_enough_to_read() -> None:
    assert len(ROWS) > 350
    assert sum("looped" in row for row in ROWS) >= 8
    assert sum("refused" in row for row in ROWS) >= 40


def test_what_is_certain_comes_early() -> None:
    cleaner = Cleaner()
    assert cleaner.feed("The mill holds 60 grams. [1] ") == "The mill holds 60 grams. [1] "
    assert cleaner.feed("Turn the ring le") == "Turn the ring le"
    assert cleaner.feed("ft.<|im_e") == "ft."
    assert cleaner.feed("nd|>More.") == ""
    assert cleaner.ended


def test_a_loop_is_seen_at_its_third_turn() -> None:
    cleaner = Cleaner()
    turns = 0
    while not cleaner.looped:
        cleaner.feed("Turn the ring to the left. [1] ")
        turns += 1
    assert turns == 3


def test_spoken() -> None:
    for row in ROWS:
        if row.get("answer") is False:
            assert spoken(row["reply"]) == row["text"]


@pytest.mark.parametrize(
    ("question", "text", "language"),
    [
        ("How much does the mill hold?", "Die Mühle fasst sechzig Gramm, so sagt das Heft.", "de"),
        ("How much does the mill hold?", "磨豆机可以装六十克咖啡豆。", "zh"),
        ("How much does the mill hold?", "The mill holds sixty grams of beans in all.", None),
        ("Wie viel passt in die Mühle hinein?", "Sechzig Gramm.", None),
        ("xyzzy 42", "Die Mühle fasst sechzig Gramm Bohnen, sagt das Heft.", None),
        ("How much does the mill hold?", "", None),
    ],
)  # fmt: skip
def test_another_language(question: str, text: str, language: str | None) -> None:
    assert other_language(question, text) == language
