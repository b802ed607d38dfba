"""The statements of a sentence, and what is said of another name in one of them."""

from __future__ import annotations

import pytest

from rag.ground.clauses import statements
from rag.ground.roles import taken


@pytest.mark.parametrize(
    ("claim", "units", "found"),
    [
        ("The office is in Hal.", ("The office is in Rost.", "The factory is in Hal."), True),
        ("The office is in Rost.", ("The office is in Rost.", "The factory is in Hal."), False),
        ("Moss scored.", ("Moss passed the ball to Pell, who scored late.",), True),
        ("Pell scored.", ("Moss passed the ball to Pell, who scored late.",), False),
        ("Dorn carried it out.", ("Moss carried it out, assisted by Dorn.",), True),
    ],
)
def test_taken_from_another(claim: str, units: tuple[str, ...], found: bool) -> None:
    assert bool(taken(claim, units)) is found


@pytest.mark.parametrize(
    ("sentence", "before", "expected"),
    [
        ("The fund lost 3 % in May and gained 5 % in June.", "", [set(), {"fund"}]),
        ("It was closed in July.", "The fund lost 3 % in May.", [{"fund"}]),
        ("He told Ann Reed, who left.", "", [set(), {"ann", "reed"}]),
        ("The ferry carries 180 cars and 900 passengers.", "", [set()]),
        ("The plan covers theft, and Bob sells it.", "", [set(), set()]),
    ],
)
def test_statements(sentence: str, before: str, expected: list[set[str]]) -> None:
    assert [set(s.subject) for s in statements(sentence, before)] == expected
