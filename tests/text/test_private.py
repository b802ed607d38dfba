"""What is found in texts: a table written before the code, and lines that nobody looked at."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from rag.errors import MissingExtraError
from rag.settings import MASK_KINDS
from rag.text.private import apart, private, require_extra

pytest.importorskip("faker", reason="needs the mask extra")

TABLES = Path(__file__).parent.parent / "models"
MARKED = re.compile(r"⟦(\w+):(.*?)⟧", re.DOTALL)


def rows(name: str) -> list[str]:
    lines = (TABLES / name).read_text("utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def parsed(marked: str) -> tuple[str, list[tuple[int, int, str]]]:
    """A text without its marks, and the spans that they name."""
    text, at, wanted = "", 0, []
    for match in MARKED.finditer(marked):
        text += marked[at : match.start()]
        wanted.append((len(text), len(text) + len(match[2]), match[1]))
        text, at = text + match[2], match.end()
    return text + marked[at:], wanted


def figures(name: str) -> dict[str, tuple[int, int, int]]:
    """Right, missed and extra by kind. A value is right where all of its letters are in a span."""
    right, missed, extra = Counter[str](), Counter[str](), Counter[str]()
    for text, wanted in map(parsed, rows(name)):
        found = private(text, MASK_KINDS)
        for start, end, kind in wanted:
            inner = [n for n in range(start, end) if text[n].isalnum()]
            whole = any(one.start <= inner[0] and inner[-1] < one.end for one in found)
            (right if whole else missed)[kind] += 1
        for one in found:
            if not any(one.start < end and start < one.end for start, end, _ in wanted):
                extra[one.kind] += 1
    return {kind: (right[kind], missed[kind], extra[kind]) for kind in MASK_KINDS}


def total(name: str) -> tuple[float, float]:
    """Precision and recall over all kinds."""
    right, missed, extra = (sum(column) for column in zip(*figures(name).values(), strict=True))
    return right / (right + extra), right / (right + missed)


def test_the_table_is_found() -> None:
    assert len(rows("masking.jsonl")) >= 120
    for kind, (right, missed, extra) in figures("masking.jsonl").items():
        assert right >= 5, kind
        assert (missed, extra) == (0, 0), kind


def test_fresh_lines_as_they_were_measured_once() -> None:
    precision, recall = total("masking_fresh.jsonl")
    assert precision >= FRESH[0]
    assert recall >= FRESH[1]


FRESH = (0.89, 0.85)
"""Below the .896 and .860 that these labels give. At the first look it was .886 and .780: four had
the title in the name, which the first table leaves outside, and were mended after it."""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Write to billing@wrenhaven.example.", "@wrenhaven.example"),
        ("Write to billing@wrenhaven.example.", "billing@wrenhaven.example"),
        ("Ask Anna Lindqvist.", "Anna Lindqvist"),
    ],
)
def test_what_is_excepted_is_left(text: str, kept: str) -> None:
    assert private(text, MASK_KINDS)
    assert private(text, MASK_KINDS, [kept]) == []


def test_a_part_that_is_excepted_leaves_the_rest() -> None:
    assert private("Ask Anna Lindqvist.", MASK_KINDS, ["Anna"])


def test_only_the_kinds_that_are_asked_for() -> None:
    text = "Anna Lindqvist, anna@example.org"
    assert [one.kind for one in private(text, ["emails"])] == ["emails"]
    assert private(text, []) == []


def test_spans_over_each_other_are_one() -> None:
    assert apart([(5, 9, "b"), (0, 6, "a"), (9, 9, "c"), (20, 21, "d")]) == [
        (0, 9, "b"),
        (20, 21, "d"),
    ]


def test_a_span_takes_whole_words() -> None:
    text = "联系maria@example.org吧"
    [one] = private(text, ["emails"])
    assert text[one.start : one.end] == "maria@example.org"


@pytest.mark.parametrize("text", ["max_tokens = 8192", "Shipping: 1234", "0.85-1.09", "call 911"])
def test_numbers_that_are_nobodys(text: str) -> None:
    assert private(text, MASK_KINDS) == []


def test_a_quote_inside_a_secret_does_not_end_it() -> None:
    for text in ('password=Qx7"kk9!z', "{'password': 'Qx7\"kk9!z', 'user': 'me'}"):
        [one] = private(text, ["secrets"])
        assert text[one.start : one.end] == 'Qx7"kk9!z'


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.text.private.find_spec", lambda name: None)
    require_extra(["emails", "phones"])
    with pytest.raises(MissingExtraError, match=r"masking names needs an extra.*\[mask\]"):
        require_extra(["names"])
