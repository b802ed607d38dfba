"""Hard questions in parts: which are sent, what is taken from the reply, what the parts bring."""

from __future__ import annotations

import pytest
from answer_helpers import passage

from rag.answer.decompose import compound, read, together


@pytest.mark.parametrize(
    "question",
    [
        "What is the difference between a restart and a factory reset?",
        "Is the Family plan cheaper than the Pro plan?",
        "How long do refunds take and who pays for the parcel?",
        "Who wrote the manual of the camera that records in 4K?",
        "How do Norway and Spain compare? Which is cheaper?",
        "Compared to the Hub 1, how far does the Hub 2 reach?",
    ],
)
def test_hard_questions(question: str) -> None:
    assert compound(question)


@pytest.mark.parametrize(
    "question",
    [
        "How long do refunds take?",
        "What does shipping to Norway cost?",
        "How do I reset the hub to factory settings?",
        "Does it work with black and white cameras?",
    ],
)
def test_questions_that_are_looked_up_as_they_are(question: str) -> None:
    assert not compound(question)


ASK = "What costs more, shipping to Norway or to Spain?"


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        ("What does shipping to Norway cost?\nWhat does shipping to Spain cost?", 2),
        ("1. What does shipping to Norway cost?\n2) What does shipping to Spain cost?\n", 2),
        ("- What does shipping to Norway cost?\n- What does shipping to Norway cost?", 0),
        (ASK, 0),
        ("", 0),
        ("What does shipping to Norway cost?\nWhat does shipping to Brightwater cost?", 0),
        ("What does shipping to Norway cost in 2019?\nAnd to Spain?", 0),
        ("\n".join(f"What is {letter}?" for letter in "abcdefg"), 0),
    ],
)
def test_replies(reply: str, parts: int) -> None:
    assert len(read(reply, ASK)) == parts


def test_every_part_has_its_best_in_front() -> None:
    first, second, third = (passage(f"Text {n}.", uri=f"{n}.md") for n in range(3))
    found = together([[first, second], [third, first]], 8)
    assert found == [first, third, second]
    assert together([[first, second], [third]], 2) == [first, third]
    assert together([[], []], 8) == []
