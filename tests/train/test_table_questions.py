"""Questions about rows of tables."""

from __future__ import annotations

import random

from rag.train.tables import kinds, table_questions

MADE = table_questions(random.Random(7), 2000)


def test_an_answer_is_the_value_of_its_row() -> None:
    answered = [one for one in MADE if one.source == "table"]
    assert 0.55 < len(answered) / len(MADE) < 0.65
    for one in answered:
        assert one.start is not None and one.end is not None
        assert one.prefix <= one.start < one.end <= len(one.second)
        row = one.second[: one.start].rpartition("\n")[2]
        assert row.endswith((": ", " "))  # a header stands before the value
        assert one.second[one.end : one.end + 1] in ("", ";", ",", "\n")


def test_what_is_not_shown_is_not_answered() -> None:
    missing = [one for one in MADE if one.source == "table/missing"]
    assert all((one.start, one.end) == (-1, -1) for one in missing)
    assert {one.relevance for one in missing} == {None, 0.0}


def test_the_seed_decides() -> None:
    assert table_questions(random.Random(7), 50) == MADE[:50]
    assert table_questions(random.Random(8), 50) != MADE[:50]


def test_every_kind_can_leave_a_column_out() -> None:
    for kind in kinds():
        assert len(kind.columns) > 6  # as many as a table shows at most
        assert all("{}" in question for column in kind.columns for question in column.questions)
