"""Clauses with what they leave out put back."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ground.ellipsis import complete


@pytest.mark.parametrize(
    ("sentence", "last"),
    [
        ("Oxygen was found by Lund, nitrogen by Hahn.", "nitrogen was found by Hahn."),
        ("Breakfast is included, lunch is not.", "lunch is not included"),
        ("Ann speaks French, her brother does not.", "her brother does not speaks French"),
        ("It opens at 7:45 on weekdays and at 9:30 on Sundays.", "It opens at 9:30 on Sundays."),
        ("The bug was found by Elena and fixed by Marco.", "The bug was fixed by Marco."),
        ("Ann teaches maths on Monday and physics on Friday.", "Ann teaches physics on Friday."),
        ("The cable is made of copper and the plug of brass.", "the plug is made of brass."),
        ("Adults pay 9 euros, children 4 euros.", "children pay 4 euros."),
        ("Tom has a dog, Ann a cat.", "Ann has a cat."),
        ("The cake contains nuts but no milk.", "The cake contains no milk."),
        ("Bikes are for hire in Rome but not in Milan.", "Bikes are for hire not in Milan."),
        ("The train stops in Ulm, and it has no bar.", "The train has no bar."),
        ("Tea is grown in the north, rice in the south, and figs in the east.",
         "figs is grown in the east."),
        ("Our offices are in Oslo, Turin and Ghent.", "Our offices are in Oslo, Turin and Ghent."),
    ],
)  # fmt: skip
def test_complete(sentence: str, last: str) -> None:
    assert complete(sentence)[-1] == last


def test_a_condition_stays_with_its_clause() -> None:
    assert complete("Unless it rains, the fair is outdoors.") == (
        "Unless it rains, the fair is outdoors.",
    )


@given(st.text(alphabet="ab ,.;'’AIt0isnotand", max_size=200))
def test_any_text(text: str) -> None:
    complete(text)


def test_long_text_is_fast() -> None:
    start = time.process_time()
    complete("is not, and " * 3 + "x" * 100_000)
    assert time.process_time() - start < 2
