"""Whether a sentence answers the question."""

from __future__ import annotations

import pytest
from answer_helpers import passage

from rag.answer.llm.point import BESIDE, BESIDE_UNCITED, Point
from rag.types import Citation, Passage, Reading, Sentence

ASK = "How long do refunds take?"
TEXT = "Refunds take five days. They go to the card. The hub is white."
SPANS = [(0, 23), (24, 44), (45, 62)]
RELEVANCE = (0.8, 0.1, 0.004)


def read(*relevance: float) -> Passage:
    spans = tuple((*span, p) for span, p in zip(SPANS, relevance, strict=True))
    reading = Reading(relevance=0.9, no_answer=0.1, sentences=spans)
    page = passage(TEXT, title="Refunds", headings=("How long",))
    return page.model_copy(update={"reading": reading})


def resting_on(number: int, text: str = "It is so.") -> Sentence:
    return Sentence(text=text, citations=(Citation.of(1, read(*RELEVANCE), *SPANS[number]),))


def test_what_rests_on_something_else_is_not_what_was_asked() -> None:
    point = Point(ASK, [read(*RELEVANCE)])
    assert [point.missed_by(resting_on(n)) for n in range(3)] == [
        "",
        "",
        "it is not what was asked",
    ]
    assert RELEVANCE[2] / RELEVANCE[0] < BESIDE < RELEVANCE[1] / RELEVANCE[0] < BESIDE_UNCITED


def test_what_its_own_mark_does_not_bear_out_has_to_be_more_relevant() -> None:
    point = Point(ASK, [read(*RELEVANCE)])
    assert point.missed_by(resting_on(0), least=BESIDE_UNCITED) == ""
    assert point.missed_by(resting_on(1), least=BESIDE_UNCITED) == "it is not what was asked"


def test_nobody_can_tell_of_what_nobody_has_read() -> None:
    assert Point(ASK, [passage(TEXT)]).missed_by(resting_on(2)) == ""


@pytest.mark.parametrize(
    ("question", "text", "echo"),
    [
        (ASK, "Refunds take long.", True),
        (ASK, "Question: How long do refunds take?", True),
        (ASK, "Refunds take five days.", False),
        ("Are refunds free?", "Refunds are free.", False),  # it may be the answer
        ("Wie lange dauern Erstattungen?", "Erstattungen dauern lange.", False),  # nobody can tell
    ],
)
def test_a_repeated_question_is_no_answer(question: str, text: str, echo: bool) -> None:
    missed = Point(question, [read(*RELEVANCE)]).missed_by(resting_on(0, text))
    assert (missed == "it only repeats the question") is echo


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Refunds › How long", True),
        ("Refunds › How long: five days", True),
        ("Refunds take five days.", False),
        ("Open Settings › Refunds.", False),
    ],
)
def test_a_repeated_place_is_no_answer(text: str, named: bool) -> None:
    missed = Point(ASK, [read(*RELEVANCE)]).missed_by(resting_on(0, text))
    assert (missed == "it only repeats where a passage stands") is named
