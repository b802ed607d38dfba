"""Questions with several answers of one kind: when to ask which is meant, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.answer.clarify import meant
from rag.pipeline import Pipeline
from rag.resources import resource
from rag.sessions import Session, load
from rag.settings import AnswerSettings, Settings
from rag.types import Answer, Clarification, Option

LAMPS = {
    "Alder": (12, "ten", 40, "Hold the switch for five seconds until the light blinks"),
    "Birch": (30, "six", 65, "Pull the plug and put it back after a minute"),
    "Cedar": (8, "three", 25, "Press the ring three times in a row"),
}
PAGE = """# {name} desk lamp

The {name} desk lamp is made of wood.

## Battery

The battery lasts {hours} hours at full brightness. It is charged through the foot of the lamp.

## Warranty

The warranty of the lamp runs for {years} years from the day of purchase.

## Price

The lamp costs {price} euros in our shop.

## Reset

1. {reset}.
2. Wait until the light is steady.
"""
PLANS = """---
date: 2025-01-01
---
# Plans

| Plan | Price per month | Devices | Storage |
| --- | --- | --- | --- |
| Basic | EUR 3 | 5 | none |
| Home | EUR 6 | 20 | 10 GB |
| Office | EUR 12 | 90 | 50 GB |
| School | EUR 4 | 200 | 50 GB |
| Village | EUR 40 | 900 | 90 GB |

You can change the plan at any time in the app.
"""
OLD_PLANS = """---
date: 2023-01-01
---
# Plans in 2023

What a plan costs per month:

| Plan | Price per month | Devices |
| --- | --- | --- |
| Basic | EUR 2 | 4 |
| Home | EUR 5 | 15 |
| Office | EUR 9 | 60 |
"""
SHOP = """# Opening hours

The shop in Utrecht is open from nine to six on weekdays.

# Returns

A lamp can be returned within 30 days of delivery.
"""
HOURS = "How long does the battery last?"
COST = "What does a plan cost per month?"


@pytest.fixture(scope="module")
def lamps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("lamps")
    docs = folder / "docs"
    docs.mkdir()
    for name, (hours, years, price, reset) in LAMPS.items():
        text = PAGE.format(name=name, hours=hours, years=years, price=price, reset=reset)
        (docs / f"{name}.md").write_text(text)
    (docs / "plans.md").write_text(PLANS)
    (docs / "plans-2023.md").write_text(OLD_PLANS)
    (docs / "shop.md").write_text(SHOP)
    with Pipeline.open(folder / ".rag", settings=Settings()) as pipeline:
        pipeline.ingest(docs)
        yield pipeline


def names(answer: Answer) -> set[str]:
    assert answer.clarification is not None, answer.text
    return {option.label for option in answer.clarification.options}


@pytest.mark.parametrize(
    "question", [HOURS, "What does the lamp cost?", "How long is the warranty?",
                 "How do I reset the lamp?"],
)  # fmt: skip
def test_pages_of_one_kind_with_an_answer_each(lamps: Pipeline, question: str) -> None:
    answer = lamps.ask(question)
    assert names(answer) == {f"{name} desk lamp" for name in LAMPS}
    assert not answer.abstained  # the best answer is given all the same
    assert str(answer).endswith(f"Hint: {answer.clarification.text}")  # type: ignore[union-attr]


def test_rows_of_a_table_with_an_answer_each(lamps: Pipeline) -> None:
    answer = lamps.ask(COST)
    assert answer.clarification is not None
    assert answer.clarification.text == (
        "Which one do you mean: Basic, Home, Office, School or another?"
    )
    assert answer.clarification.more
    assert [option.question for option in answer.clarification.options][1] == (
        "What does a plan cost per month for Home?"
    )
    assert "Basic" not in names(lamps.ask("How much storage does a plan have?"))  # it has none


@pytest.mark.parametrize(
    "question",
    [
        "How long does the battery of the Birch lamp last?",
        "What does the plan Office cost per month?",
        "Which plan costs EUR 12?",
        "How long can a lamp be returned?",
        "When is the shop open?",
        "What is the difference between the plans Home and Office?",
        "Is the Cedar desk lamp made of wood?",
        "Who was the first person on the moon?",
    ],
)
def test_what_is_clear_is_left_alone(lamps: Pipeline, question: str) -> None:
    assert lamps.ask(question).clarification is None


def test_the_answer_is_the_same_with_and_without(lamps: Pipeline) -> None:
    without = lamps.variant(answer=AnswerSettings(clarify=False)).ask(HOURS)
    given = lamps.ask(HOURS)
    assert without.clarification is None
    assert "Hint:" not in str(without)
    same = {"timings": {}, "clarification": None}
    assert given.model_copy(update=same) == without.model_copy(update=same)


def test_the_event_comes_before_the_answer(lamps: Pipeline) -> None:
    events = list(lamps.stream(HOURS))
    kinds = [event.kind for event in events]
    assert kinds[:2] == ["passages", "clarification"]
    assert kinds[-1] == "answer"
    answer = events[-1].answer
    assert answer is not None
    assert events[1].clarification == answer.clarification
    assert events[1].to_json()["clarification"]["text"] in str(answer)


# --- in a conversation ----------------------------------------------------------------------------


@pytest.mark.parametrize("reply", ["{place}", "the {place} one", "Birch", "the Birch lamp please"])
def test_a_reply_is_answered_as_the_question_it_stands_for(lamps: Pipeline, reply: str) -> None:
    talk = lamps.chat(ask_back=True)
    asked = talk.ask(HOURS)
    assert asked.abstained
    assert asked.sentences == ()
    assert asked.clarification is not None
    assert str(asked) == asked.clarification.text
    assert talk.history[-1].text == asked.clarification.text
    labels = [option.label for option in asked.clarification.options]
    place = ("first", "second", "third")[labels.index("Birch desk lamp")]
    answer = talk.ask(reply.format(place=place))
    assert answer.standalone == "How long does the battery last for Birch desk lamp?"
    assert answer.sentences[0].highlighted.startswith("30 hours")
    assert answer.clarification is None
    assert {passage.title for passage in answer.passages} == {"Birch desk lamp"}
    assert talk.ask("When is the shop open?").text.startswith("The shop in Utrecht is open")


def after_asking_back(lamps: Pipeline, question: str, reply: str) -> Answer:
    talk = lamps.chat(ask_back=True)
    assert talk.ask(question).abstained
    return talk.ask(reply)


def test_the_version_in_force_answers_alone(lamps: Pipeline) -> None:
    answer = after_asking_back(lamps, COST, "Home")
    assert answer.sentences[0].highlighted == "EUR 6"
    assert {passage.title for passage in answer.passages} == {"Plans"}


def test_a_thing_that_was_not_listed(lamps: Pipeline) -> None:
    assert after_asking_back(lamps, COST, "Village").sentences[0].highlighted == "EUR 40"


def test_whichever_gets_the_best_answer(lamps: Pipeline) -> None:
    answer = after_asking_back(lamps, COST, "it doesn't matter")
    assert answer.standalone == COST
    assert answer.sentences
    assert answer.clarification is not None  # beside the answer now: never twice in a row


def test_another_question_is_no_reply(lamps: Pipeline) -> None:
    talk = lamps.chat(ask_back=True)
    talk.ask(HOURS)
    assert talk.ask("When is the shop open?").text.startswith("The shop in Utrecht is open")


def test_a_conversation_that_is_resumed_knows_what_was_asked_back(
    lamps: Pipeline, tmp_path: Path
) -> None:
    talk = lamps.chat(Session(tmp_path), ask_back=True)
    assert talk.session is not None
    talk.ask(HOURS)
    later = lamps.chat(load(tmp_path, talk.session.id), ask_back=True)
    assert later.ask("Cedar").sentences[0].highlighted == "8 hours"


def test_without_asking_back_a_hint_can_be_taken_up(lamps: Pipeline) -> None:
    talk = lamps.chat()
    assert talk.ask(HOURS).sentences
    assert talk.ask("Alder").sentences[0].highlighted == "12 hours"


# --- replies --------------------------------------------------------------------------------------

PLAN = Clarification(
    question="What does it cost?",
    options=tuple(
        Option(label=label, question=f"What does it cost for {label}?", uri="prices.md")
        for label in ("Wren Hub", "Wren Hub 2", "Wren Cam Outdoor", "Business by invoice")
    ),
    more=True,
    text="Which one do you mean?",
)


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("2", "Wren Hub 2"),
        ("the second", "Wren Hub 2"),
        ("The second one.", "Wren Hub 2"),
        ("number 3", "Wren Cam Outdoor"),
        ("B", "Wren Hub 2"),
        ("c)", "Wren Cam Outdoor"),
        ("the last one", "Business by invoice"),
        ("die zweite", "Wren Hub 2"),
        ("Wren Hub", "Wren Hub"),
        ("wren hub 2", "Wren Hub 2"),
        ("I mean the Wren Hub 2", "Wren Hub 2"),
        ("the outdoor cam please", "Wren Cam Outdoor"),
        ("outdoor", "Wren Cam Outdoor"),
        ("Business", "Business by invoice"),
        ("Business?", "Business by invoice"),
        ("the plug", "the plug"),
    ],
)
def test_replies_that_choose(reply: str, label: str) -> None:
    assert meant(PLAN, reply, open_ended=True) == (f"What does it cost for {label}?", "prices.md")


@pytest.mark.parametrize("reply", ["all of them", "any", "Either", "doesn't matter", "alle"])
def test_replies_that_leave_it_open(reply: str) -> None:
    assert meant(PLAN, reply, open_ended=True) == (PLAN.question, None)
    assert meant(PLAN, reply, open_ended=False) is None


@pytest.mark.parametrize(
    "reply",
    ["How do I cancel the outdoor one?", "What about refunds?", "thanks", "never mind", "Wren",
     "what does the outdoor cam weigh", "the fifth", "!",
     "I want to talk about something else now"],
)  # fmt: skip
def test_replies_that_are_none(reply: str) -> None:
    assert meant(PLAN, reply, open_ended=False) is None
    if reply not in ("Wren", "the fifth"):  # names of things beyond the options, for all we know
        assert meant(PLAN, reply, open_ended=True) is None


# --- the sample corpus ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The sample corpus as it is used: the embedder of these tests is a made one."""
    folder = tmp_path_factory.mktemp("corpus") / ".rag"
    with Pipeline.open(folder, settings=Settings()) as pipeline:
        pipeline.ingest(resource("corpora", "wrenhaven"))
        yield pipeline


@pytest.mark.timeout(1200)
def test_the_table_of_questions_on_the_sample_corpus(corpus: Pipeline) -> None:
    """Rare by design: nothing that is clear may be asked back, some that is unclear is missed."""
    path = Path(__file__).with_name("ambiguous.jsonl")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found = {row["id"]: corpus.ask(row["question"]).clarification for row in rows}
    wrong = [row["question"] for row in rows if found[row["id"]] and not row["ambiguous"]]
    assert wrong == []
    unclear = [row for row in rows if row["ambiguous"]]
    assert len(unclear) >= 25
    asked = [row for row in unclear if found[row["id"]]]
    assert len(asked) >= 15, [row["question"] for row in unclear if row not in asked]
