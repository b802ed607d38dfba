"""Suggested questions: how a heading becomes one, and which headings do not."""

from __future__ import annotations

import pytest
from answer_helpers import passage

from rag.answer.related import suggested
from rag.types import Answer, Heading


def asked(heading: str, *, language: str = "en", question: str = "Who made it?") -> list[str]:
    """Return what a page with that heading suggests."""
    found = passage("Some words.", title="Wren Hub", language=language)
    outline = (Heading(level=2, title=heading, start=0),)
    answer = Answer(
        question=question, standalone=question, abstained=False, confidence=0.9, generator="none",
        passages=(found.model_copy(update={"outline": outline}),),
    )  # fmt: skip
    return list(suggested(answer))


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("How long do devices get updates?", "How long do devices get updates?"),
        ("3. Which VAT rate applies?", "Which VAT rate applies?"),
        ("Set up your hub", "How do I set up my hub?"),
        ("Change a coin cell", "How do I change a coin cell?"),
        ("2.1 Change the WB-20", "How do I change the WB-20?"),
        ("Shut off the water:", "How do I shut off the water?"),
        ("Download or export the list", "How do I download or export the list?"),
    ],
)
def test_headings_that_ask_or_say_what_to_do(heading: str, question: str) -> None:
    assert asked(heading) == [question]


@pytest.mark.parametrize(
    "heading",
    ["Change log", "Resetting the hub", "Test results", "Report card", "Update history", "Battery",
     "Buy the right ones", "Open source", "The order form"],
)  # fmt: skip
def test_other_headings_are_topics(heading: str) -> None:
    assert asked(heading) == [f"What does “Wren Hub” say about “{heading}”?"]


def test_other_languages_keep_their_form() -> None:
    assert asked("Import the list", language="de") == [
        "Was steht zu „Import the list“ in „Wren Hub“?"
    ]


@pytest.mark.parametrize(
    "heading", ["Overview", "FAQ", "See also", "Related articles", "one " * 13]
)
def test_dull_and_long_headings_suggest_nothing(heading: str) -> None:
    assert asked(heading) == []


def test_what_was_asked_is_not_suggested() -> None:
    assert asked("Change the coin cell", question="How can I change a coin cell?") == []
