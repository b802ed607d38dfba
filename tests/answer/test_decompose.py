"""Hard questions in parts: which are sent, what is taken from the reply, what the parts bring."""

from __future__ import annotations

import pytest
from answer_helpers import passage

from rag.answer.llm.decompose import answer_in, compound, filled, read, together
from rag.types import Passage, Reading


@pytest.mark.parametrize(
    "question",
    [
        "What is the difference between a restart and a factory reset?",
        "Is the Family plan cheaper than the Pro plan?",
        "How long do refunds take and who pays for the parcel?",
        "Who wrote the manual of the camera that records in 4K?",
        "Who wrote the manual of the outdoor camera with the longest reach?",
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


HOPS = "Who sells the lens of the camera that records in 4K?"


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        ("Which camera records in 4K?\nWhich lens has #1?\nWho sells #2?", 3),
        ("1. Which camera records in 4K?\n2. Who sells the lens of #1?", 2),
        ("#1: Which camera records in 4K?\n#2: Who sells the lens of #1?", 2),
        ("Who sells the lens of #2?\nWhich camera records in 4K?", 0),  # a later part
        ("Which camera records in 4K?\nWho sells the lens of #2?", 0),  # itself
        ("Which camera records in 4K?\nWho sells the lens of #0?", 0),
        ("Which camera records in 4K?\nWhich camera records in 4K?\nWhose lens has #2?", 0),
        ("Which camera records?\nWhich lens has #1?\nWho sells #2?\nWhere is #3?", 0),  # too deep
        ("Which camera records?\nWhich lens has #1?\nWho sells #2?\nWhere is #1?", 4),
    ],
)
def test_parts_that_build_on_each_other(reply: str, parts: int) -> None:
    assert len(read(reply, HOPS)) == parts


def test_marks_that_the_question_has_itself_are_not_ours() -> None:
    assert read("What is #1?\nWhat does #1 cost?", "How much is rule #1 and what is #1?") == ()


def test_answers_are_put_into_later_parts() -> None:
    assert filled("Which camera records in 4K?", []) == "Which camera records in 4K?"
    assert filled("Who sells #1 and #2?", ["a \\1", "b"]) == "Who sells a \\1 and b?"
    assert filled("Who sells #2?", ["", "b"]) == "Who sells b?"
    assert filled("Who sells #1?", ["", "b"]) == ""


def read_as(text: str, no_answer: float, *answers: tuple[int, int, float]) -> Passage:
    reading = Reading(
        relevance=1 - no_answer,
        no_answer=no_answer,
        answers=answers,
        sentences=((0, len(text), 0.9),),
    )
    return passage(text).model_copy(update={"reading": reading})


def test_the_answer_of_a_part() -> None:
    text = "The Brook Cam records in 4K."
    found = [read_as("Nothing of the kind.", 0.9), read_as(text, 0.1, (4, 13, 0.8))]
    assert answer_in(found, 0.2) == "Brook Cam"
    assert answer_in([read_as(text, 0.1)], 0.2) == text.removesuffix(".")
    assert answer_in([read_as(text, 0.9, (4, 13, 0.8))], 0.2) == ""
    assert answer_in([passage(text)], 0.2) == ""
    assert answer_in([], 0.2) == ""


def test_every_part_has_its_best_in_front() -> None:
    first, second, third = (passage(f"Text {n}.", uri=f"{n}.md") for n in range(3))
    found = together([[first, second], [third, first]], 8)
    assert found == [first, third, second]
    assert together([[first, second], [third]], 2) == [first, third]
    assert together([[], []], 8) == []
