"""The trained choice of the words that a follow-up leans on."""

from __future__ import annotations

import gzip
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import ModelError
from rag.evaluate.text_metrics import term_f1, terms
from rag.retrieve.query_rewriting import (
    Model,
    RuleRewriter,
    TrainedRewriter,
    choose,
    with_whole_names,
    without_replies,
    without_rivals,
)
from rag.retrieve.rewriting_features import read_conversation, words_of_turn
from rag.types import Turn

REWRITER = TrainedRewriter()
FLOORS = {"switch": 0.76, "follow": 0.73}  # of the table, a row or two below what was measured


def talk(*texts: str) -> list[Turn]:
    """User and assistant in turns; an empty text of the assistant is left out."""
    roles = ("user", "assistant")
    return [Turn(role=roles[n % 2], text=text) for n, text in enumerate(texts) if text or not n % 2]


NORWAY = talk("What does shipping to Norway cost?", "EUR 14.90.")
DOGS = talk("Tell me about the Bernese Mountain Dog.", "", "What are the colours?", "")


@pytest.mark.parametrize(
    ("history", "question", "wanted"),
    [
        (NORWAY, "and how long does it take?", {"shipping", "Norway"}),
        (NORWAY, "What about Sweden?", {"shipping"}),
        (DOGS, "How long do they live?", {"Bernese", "Dog"}),
        (talk("What is throat cancer?", ""), "Is it treatable?", {"throat", "cancer"}),
        (
            talk("I am looking for a cheap restaurant.", "What kind of food would you like?"),
            "I don't care",
            {"food"},
        ),
    ],
)
def test_a_follow_up_gets_the_words_it_leans_on(
    history: list[Turn], question: str, wanted: set[str]
) -> None:
    rewritten = REWRITER.rewrite(history, question)
    assert rewritten.startswith(f"{question} (")
    assert rewritten.endswith(")")
    added = set(rewritten[len(question) + 2 : -1].split())
    assert wanted <= added
    assert added <= {word.strip("?.") for turn in history for word in turn.text.split()}


@pytest.mark.parametrize(
    "question",
    [
        "How do I reset the hub to factory settings?",
        "Which sensors work outdoors in winter?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert REWRITER.rewrite(NORWAY, question) == question


TABLE = [
    json.loads(line)
    for line in Path(__file__).with_name("follow_ups.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("kind", ["switch", "follow"])
def test_most_of_the_table_is_right(kind: str) -> None:
    """Rows written by hand: words that are added (``add``), and not ("*": none at all)."""
    rows = [row for row in TABLE if row["kind"] == kind]
    wrong = []
    for row in rows:
        rewritten = REWRITER.rewrite(talk(*row["history"]), row["question"])
        added = terms(rewritten) - terms(row["question"])
        unwanted = added if row["leave"] == ["*"] else added & terms(" ".join(row["leave"]))
        if unwanted or not terms(" ".join(row["add"])) <= added:
            wrong.append(rewritten)
    assert len(wrong) <= (1 - FLOORS[kind]) * len(rows), "\n".join(wrong)


def test_after_a_change_of_subject_the_new_one_is_added() -> None:
    history = [
        *talk("How do I reset the hub to factory settings?", "Hold the button for ten seconds."),
        *NORWAY,
    ]
    rewritten = REWRITER.rewrite(history, "And how long does it take?")
    assert "shipping Norway" in rewritten
    assert "button" not in rewritten


def test_words_stay_in_their_order_and_together() -> None:
    rewritten = REWRITER.rewrite(DOGS, "How long do they live?")
    assert "Bernese Mountain Dog" in rewritten


def test_without_anything_to_lean_on_nothing_changes() -> None:
    assert REWRITER.rewrite([], " and how long does it take?") == " and how long does it take?"
    assert REWRITER.rewrite(NORWAY, "  ") == "  "
    assert REWRITER.rewrite(talk("?", "..."), "and then?") == "and then?"
    assert REWRITER.rewrite(talk("🙂🙂", "👍"), "and then?") == "and then?"


@pytest.mark.parametrize(
    ("history", "question"),
    [
        (talk("Was kostet der Versand nach Norwegen?", "14,90 Euro."), "und wie lange dauert es?"),
        (talk("¿Cuánto cuesta el envío a Noruega?", "14,90 euros."), "¿y cuánto tarda eso?"),
    ],
)
def test_other_languages_go_by_rule(history: list[Turn], question: str) -> None:
    assert REWRITER.rewrite(history, question) == RuleRewriter().rewrite(history, question)


texts = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        [
            "", "why?", "it", "\ud800", "a" * 5000, "word " * 900, "日本語の質問ですか", "😀 ok",
            "x\x00y", "'s", "What about its price?", "İstanbul’da", "e\u0301" * 40, "1.2.3 - 4",
        ]
    ),
)  # fmt: skip
turns = st.builds(Turn, role=st.sampled_from(["user", "assistant"]), text=texts)


@given(history=st.lists(turns, max_size=6), question=texts)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_history_is_survived_and_the_question_stays(history: list[Turn], question: str) -> None:
    rewritten = REWRITER.rewrite(history, question)
    assert rewritten == question or rewritten.startswith(f"{question.strip()} (")
    assert rewritten == REWRITER.rewrite(history, question)


@given(texts)
@settings(max_examples=80, deadline=None)
def test_words_are_where_they_say(text: str) -> None:
    for word in words_of_turn(text, 0, True, 0):
        assert text[word.start : word.end] == word.text


def test_a_long_talk_is_read_in_part() -> None:
    history = talk(*(f"Question {n} about topic{n} and matter{n}?" for n in range(200)))
    seen = read_conversation(history, "and that?")
    assert len(seen.turns) < 20
    assert len(seen.candidates) <= 100


def test_a_name_is_carried_over_whole() -> None:
    seen = read_conversation(
        talk("A quiet gym, please.", "How about the Marlow Bridge House?"), "Is it open?"
    )
    assert [c.term for c in seen.candidates] == ["marlow", "bridg", "hous", "quiet", "gym"]
    for part in range(3):
        assert sorted(with_whole_names(seen, [part])) == [0, 1, 2]
    assert with_whole_names(seen, [4]) == [4]
    assert with_whole_names(seen, []) == []


@pytest.mark.parametrize("text", ["Thanks a lot, bye!", "ok thank you", "Hello"])
def test_thanks_ask_about_nothing(text: str) -> None:
    assert REWRITER.rewrite(NORWAY, text) == text


def test_the_figure_of_a_short_reply_stays_behind() -> None:
    seen = read_conversation(NORWAY, "And to Sweden?")
    by_term = {candidate.term: n for n, candidate in enumerate(seen.candidates)}
    chosen = [by_term["norway"], by_term["eur"], by_term["14"]]
    assert without_replies(seen, chosen) == [by_term["norway"]]
    longer = talk("Find a station.", "The nearest one is 4 miles away, at 91 Main Street.")
    seen = read_conversation(longer, "Take me there")
    assert without_replies(seen, range(len(seen.candidates))) == [*range(len(seen.candidates))]


@pytest.mark.parametrize(
    ("said", "question", "left"),
    [
        ("What does shipping to Norway cost?", "And to Sweden?", {"ship", "cost"}),
        ("What does shipping to Norway cost?", "What about Sweden", {"ship", "cost"}),
        ("What does express shipping to the United States cost?", "and to Peru?",
         {"express", "ship", "cost"}),
        ("What does the Studio plan cost?", "And the Solo plan?", {"cost"}),
        ("Does Visa work in Norway?", "And in Sweden?", {"visa", "work"}),
        ("What does shipping to Norway cost?", "And how long does it take?",
         {"ship", "norway", "cost"}),
        ("What does shipping to Norway cost?", "And express?", {"ship", "norway", "cost"}),
    ],
)  # fmt: skip
def test_a_name_goes_where_another_takes_its_place(
    said: str, question: str, left: set[str]
) -> None:
    seen = read_conversation(talk(said, "No."), question)
    kept = without_rivals(seen, range(len(seen.candidates)))
    assert {seen.candidates[n].term for n in kept} == left


def test_as_many_words_as_help() -> None:
    assert choose(3, np.array([0.9, 0.05, 0.95])) == [2, 0]
    assert choose(3, np.array([0.05, 0.02])) == []
    assert len(choose(0, np.full(50, 0.99))) <= 12


def test_threads_may_share_one() -> None:
    rewriter, found = TrainedRewriter(), []
    threads = [
        threading.Thread(target=lambda: found.append(rewriter.rewrite(DOGS, "How big are they?")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_it_costs_little() -> None:
    REWRITER.rewrite(NORWAY, "and how long does it take?")
    began = time.process_time()
    for n in range(10):
        REWRITER.rewrite(NORWAY, f"and how long does it take for {n} items?")
    assert (time.process_time() - began) / 10 < 0.1  # a few milliseconds; slow machines run tests


def test_weights_that_are_not_ours_are_named(tmp_path: Path) -> None:
    for content in (None, "{", '{"forms": []}'):
        file = tmp_path / "weights.json"
        if content is not None:
            file.write_text(content)
        with pytest.raises(ModelError, match=r"weights\.json cannot be used"):
            Model(file)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "floor"), [("cast-2019-2021", 0.78), ("gecor", 0.82), ("cqr-dev", 0.85)]
)
def test_it_is_better_than_doing_nothing(data: Path, name: str, floor: float) -> None:
    """Dialogues that it was fitted to: this finds what is broken, not how good it is."""
    with gzip.open(data / "rewrite" / f"{name}.jsonl.gz", "rt", encoding="utf8") as lines:
        rows = [json.loads(line) for line in lines]
    rows = rows[:: max(1, len(rows) // 150)]
    scores = []
    for row in rows:
        ours = REWRITER.rewrite([Turn(**turn) for turn in row["history"]], row["question"])
        scores.append(term_f1(terms(ours), terms(row["rewrite"])))
    assert np.mean(scores) > floor
