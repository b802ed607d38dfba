"""Questions and answers as statements."""

from __future__ import annotations

import pytest

from rag.train.claims import declared


@pytest.mark.parametrize(
    ("question", "answer", "statement"),
    [
        ("Who built the tower?", "Anna Weber", "Anna Weber built the tower."),
        ("Who was the first mayor of Lyon?", "Weber", "Weber was the first mayor of Lyon."),
        ("What is the capital of France?", "Paris", "The capital of France is Paris."),
        ("What was the street called in 1900?", "Rue A", "The street was called Rue A in 1900."),
        ("When was the tower built?", "1894", "The tower was built in 1894."),
        ("When was it sold?", "11 April 1998", "It was sold on 11 April 1998."),
        ("Where did she study law?", "Basel", "She did study law in Basel."),
        ("In what year did they leave Lyon?", "1931", "They did leave Lyon in 1931."),
        ("What year did they leave Lyon?", "1931", "They did leave Lyon in 1931."),
        ("What does the tower carry on top?", "a flag", "The tower carries a flag on top."),
        ("What does SVCD stand for?", "Super Video CD", "SVCD stands for Super Video CD."),
        ("Which firm made the lamps?", "Lux", "Lux made the lamps."),
        ("How many lamps did the firm make?", "300", "The firm did make 300 lamps."),
        ("Where is the office?", "on the first floor", "The office is on the first floor."),
    ],
)
def test_what_is_said(question: str, answer: str, statement: str) -> None:
    assert declared(question, answer) == statement


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is it open?", "yes"),
        ("Why did they leave?", "the fire"),
        ("The tower has how many steps?", "310"),
        ("What did the man who was elected do?", "nothing"),
        ("Who built it?", ""),
        ("Who?", "Weber"),
        ("", "Weber"),
        ("Who built it?", " ".join(["word"] * 13)),
    ],
)
def test_what_no_rule_turns_round_is_left_out(question: str, answer: str) -> None:
    assert declared(question, answer) is None
