"""Estimates of tokens, held against what real vocabularies count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.text.tokens import estimate_tokens

# Texts with the tokens that tiktoken 0.14 counts in them.
LINES = Path(__file__).with_name("tokens.jsonl").read_text("utf-8").splitlines()
COUNTED = [json.loads(line) for line in LINES]


@pytest.mark.parametrize("row", COUNTED, ids=lambda row: row["kind"])
def test_it_is_rather_too_many_than_too_few(row: dict[str, Any]) -> None:
    older, newer = row["cl100k_base"], row["o200k_base"]
    assert max(older, newer) <= estimate_tokens(row["text"]) <= 2.1 * older


def test_a_foreign_name_does_not_make_english_foreign() -> None:
    text = "The return period is thirty days after receipt of the goods. " * 8
    assert estimate_tokens(f"{text} Zoë") == estimate_tokens(text) + 2
