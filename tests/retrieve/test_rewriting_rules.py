"""Follow-ups that need the talk, and questions that do not."""

from __future__ import annotations

import pytest

from rag.retrieve.query_rewriting import RuleRewriter
from rag.retrieve.rewriting_features import depends
from rag.types import Turn

HISTORY = [
    Turn(role="user", text="What does shipping to Norway cost?"),
    Turn(role="assistant", text="EUR 14.90."),
]


@pytest.mark.parametrize(
    "question",
    [
        "and how long does it take?",
        "What about Sweden?",
        "How long does it take?",
        "And express?",
        "why?",
        "Is that with tax?",
        "What about the second one?",
        "und wie lange dauert es?",
        "How do I track it?",
        "Can I change them later?",
    ],
)
def test_follow_ups_lean_on_the_talk(question: str) -> None:
    assert depends(question)
    rewritten = RuleRewriter().rewrite(HISTORY, question)
    assert rewritten.startswith(question.strip())
    assert "Norway" in rewritten


@pytest.mark.parametrize(
    "question",
    [
        "How many devices does the Family plan include?",
        "Is there a limit on API keys?",
        "How do I reset the hub to factory settings?",
        "Which sensors work outdoors in winter?",
        "Is it possible to export readings as CSV?",
    ],
)
def test_questions_that_stand_alone_are_left_alone(question: str) -> None:
    assert not depends(question)
    assert RuleRewriter().rewrite(HISTORY, question) == question


def test_without_a_history_nothing_changes() -> None:
    assert RuleRewriter().rewrite([], "and how long does it take?") == "and how long does it take?"


def test_the_topic_is_that_of_the_last_question_that_stood_alone() -> None:
    history = [
        Turn(role="user", text="How do I reset the hub to factory settings?"),
        Turn(role="assistant", text="Hold the button."),
        *HISTORY,
        Turn(role="user", text="and how long does it take?"),
        Turn(role="assistant", text="Six days."),
    ]
    rewritten = RuleRewriter().rewrite(history, "What about insurance for it?")
    assert "Norway" in rewritten
    assert "hub" not in rewritten


def test_what_the_question_says_already_is_not_said_again() -> None:
    rewritten = RuleRewriter().rewrite(HISTORY, "And shipping to Sweden?")
    assert rewritten.casefold().count("shipping") == 1
