"""Tables of which a passage has a few rows, in one piece."""

from __future__ import annotations

import pytest
from answer_helpers import passage

from rag.answer.question import understand
from rag.answer.tables import best_cell, cells, tables
from rag.types import Passage

LEAD = "# Plans\n\nThese are our plans: choose; change.\n\n"
ROWS = (
    "Plan: Basic; Price: EUR 3; Note: for one\n"
    "Plan: Home; Price: EUR 6\n"
    "Plan: Office; Price: EUR 12; Seller: Wrenhaven Ltd.\n"
)
OTHER = "\nCountry: Norway; Rate: 25 %\nCountry: Malta; Rate: 18 %\n\nCountry: Peru; Rate: 18 %\n"
TEXT = LEAD + ROWS + OTHER
WHOLE = [["Basic", "Home", "Office"], ["Norway", "Malta"]]


def names(*passages: Passage, text: str | None = TEXT) -> list[list[str]]:
    return [[next(iter(row.values())) for row in t.rows] for t in tables(passages, lambda _: text)]


def part(first: str, last: str) -> Passage:
    start, end = TEXT.index(first), TEXT.index(last) + len(last)
    return passage(TEXT[start:end], start=start)


def test_a_table_is_completed_from_its_document() -> None:
    assert names(part("Plan: Home", "EUR 6")) == WHOLE[:1]
    assert names(part("These", "Norway; Rate: 25 %")) == WHOLE
    assert names(part("These", "choose; change.")) == []


def test_a_table_of_two_passages_is_one() -> None:
    found = part("Plan: Basic", "for one"), part("Plan: Office", "Ltd.")
    assert names(*found) == WHOLE[:1]


def test_without_its_document_there_are_the_rows_of_the_passage() -> None:
    assert names(part("Plan: Home", "Ltd."), text=None) == [["Home", "Office"]]
    assert names(part("Plan: Home", "EUR 6"), text=None) == []  # a single row is no table


def test_every_column_is_one_and_empty_cells_are_left_out() -> None:
    [table] = tables([part("Plan: Home", "EUR 6")], lambda _: TEXT)
    assert table.headers == ("Plan", "Price", "Note", "Seller")
    assert table.rows[1] == {"Plan": "Home", "Price": "EUR 6"}


@pytest.mark.parametrize(
    "text",
    ["Note: this; and that.\nNote: more; words.\n", "a; b\nc; d\n", "Key: value\nKey: x\n", ""],
)
def test_prose_is_no_table(text: str) -> None:
    assert list(tables([passage(text)], lambda _: text)) == []


ROW = "Plan: Family; Month: 6.99; Year: 69.90; Devices: 40; Video history: 21 days; Users: 8"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How much does Family cost per month?", "6.99"),
        ("How much is Family for a year?", "69.90"),
        ("How many devices on Family?", "40"),
        ("How long is the video history of the Family plan?", "21 days"),
        ("How many users does Family have?", "8"),
        ("Which plan has 8 users?", "Family"),
    ],
)
def test_cell(question: str, expected: str) -> None:
    best = best_cell(understand(question), ROW, "en")
    assert best is not None
    cell, fit = best
    assert ROW[cell.start : cell.end] == expected
    assert fit > 0.5


def test_cell_of_another_row_or_of_none() -> None:
    best = best_cell(understand("How much does Plus cost per month?"), ROW, "en")
    assert best is not None
    assert best[1] < 0.7
    assert best_cell(understand("Which plan has 9 users?"), ROW, "en") is None
    assert best_cell(understand("How long?"), "No table here.", "en") is None
    assert best_cell(understand("how long"), "id: T-1; time: 5 days", "en") is None


def test_cells_are_exact() -> None:
    assert [ROW[c.start : c.end] for c in cells(ROW)] == [
        "Family", "6.99", "69.90", "40", "21 days", "8",
    ]  # fmt: skip
    row = "Name: Anna; Adresse: https://a.example/x: y"
    assert [row[c.start : c.end] for c in cells(row)] == ["Anna", "https://a.example/x: y"]
