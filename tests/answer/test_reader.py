"""Reading with the cross-encoder: exact spans, confidence, languages, the pass that is shared."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from answer_helpers import passage

from rag.answer.extract import ExtractiveGenerator
from rag.answer.question import understand
from rag.answer.reader import CrossEncoderReader, models, read_words
from rag.models.cross_encoder import CrossEncoder, Judge
from rag.protocols import Embedder, Reader
from rag.settings import AnswerSettings
from rag.testing import check_reader

TOWER = "The tower in Lyon was built in 1894 by Anna Weber. It is 85 metres high."
FERRY = "The ferry to Bergen leaves at nine and takes cars and bicycles."


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(CrossEncoder())


@pytest.fixture
def reader(judge: Judge, embedder: Embedder) -> CrossEncoderReader:
    return CrossEncoderReader(judge, embedder)


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    from rag.models.embedder import load_embedder
    from rag.settings import Settings

    return load_embedder(Settings().models)


def test_keeps_the_rules_of_its_seam(reader: CrossEncoderReader) -> None:
    assert isinstance(reader, Reader)
    check_reader(reader)
    assert reader.read("When?", []) == []


@pytest.mark.parametrize(
    ("question", "answer"),
    [("When was the tower in Lyon built?", "1894"), ("Who built the tower in Lyon?", "Anna Weber"),
     ("How high is the tower in Lyon?", "85 metres")],
)  # fmt: skip
def test_the_best_span_is_the_answer(
    reader: CrossEncoderReader, question: str, answer: str
) -> None:
    seen = reader.read(question, [passage(FERRY, uri="f"), passage(TOWER, uri="t")])
    reading = seen[1].reading
    assert reading is not None
    start, end, probability = reading.answers[0]
    assert answer in TOWER[start:end]
    assert probability > 0.3
    assert len(TOWER[start:end]) < 20
    assert seen[0].reading is not None
    assert reading.relevance > seen[0].reading.relevance


def confidence(reader: Reader, question: str, *texts: str) -> float:
    seen = reader.read(question, [passage(text, uri=text) for text in texts])
    return max(1 - p.reading.no_answer for p in seen if p.reading)


def test_confidence_tells_what_is_not_there(reader: CrossEncoderReader) -> None:
    known = confidence(reader, "When was the tower in Lyon built?", TOWER, FERRY)
    assert known > 0.5
    assert confidence(reader, "When was the tower in Lyon painted?", TOWER, FERRY) < known
    assert confidence(reader, "Who is the mayor of Utrecht?", TOWER, FERRY) < 0.2


def test_a_yes_or_no_question_about_something_unheard_of(reader: CrossEncoderReader) -> None:
    camera = "The camera records in 2K during the day and in 1080p at night."
    known = confidence(reader, "Does the camera record in 2K?", camera)
    assert confidence(reader, "Does the camera record in 8K?", camera) < min(0.2, known)


def test_what_the_model_does_not_know_is_read_by_words(
    reader: CrossEncoderReader, embedder: Embedder
) -> None:
    german = passage("Die Rückerstattung dauert fünf Werktage.", language="de")
    question = "Wie lange dauert die Rückerstattung?"
    plain = read_words(understand(question), [german], embedder)
    assert reader.read(question, [german]) == plain.readings([german])
    english, other = reader.read(
        "How long does a refund take?", [passage("A refund takes five working days."), german]
    )
    assert english.reading is not None
    assert other.reading is not None
    assert english.reading.relevance > other.reading.relevance


def test_the_numbers_say_where_they_come_from() -> None:
    raw = json.loads(files("rag.answer").joinpath("cross_reading.json").read_text("utf-8"))
    command = "python eval/fit_cross_reading.py DATA --asked INDEX QUESTIONS … --scale 0.35"
    assert raw["command"] == command
    allowed = {"CC BY-SA 4.0", "CC BY-SA 3.0", "MIT", "Apache-2.0", "this project"}
    assert set(raw["data"].values()) <= allowed
    assert raw["figures"]
    assert set(models("cross_reading.json")) == {"sentence", "span", "look", "passage"}


def test_what_is_said_of_another_year_is_no_answer(reader: CrossEncoderReader) -> None:
    text = "In 2023 we received 11.4 tonnes of old devices. Most of them were phones."
    right, wrong = (f"How many tonnes of old devices did you receive in {y}?" for y in (2023, 2024))
    assert confidence(reader, right, text, FERRY) > 0.5
    assert confidence(reader, wrong, text, FERRY, "The report of 2024 is late.") < 0.1
    [read] = reader.read(wrong, [passage(text)])
    assert read.reading is not None
    assert not any("11.4" in text[start:end] for start, end, _ in read.reading.answers)


def test_another_row_of_the_table_is_no_answer(reader: CrossEncoderReader) -> None:
    rows = "Country: Germany; Express: EUR 9.00\nCountry: Poland; Express: EUR 14.00"
    question = "What does express to Poland cost?"
    [read] = reader.read(question, [passage(rows, title="Shipping")])
    assert read.reading is not None
    assert rows[slice(*read.reading.answers[0][:2])] == "EUR 14.00"
    without = confidence(reader, question, rows.partition("\n")[0], FERRY)
    assert without < confidence(reader, question, rows, FERRY) / 3


def test_the_reason_is_given(reader: CrossEncoderReader) -> None:
    text = "The Free plan has no video history. This is because video costs us money. Bye now."
    question = "Why does the Free plan have no video history?"
    read = reader.read(question, [passage(text, title="Plans")])
    drafted = list(ExtractiveGenerator(AnswerSettings()).draft(question, read, []))
    assert "This is because video costs us money." in [sentence.text for sentence in drafted]


def test_what_only_repeats_the_question_does_not_lead(reader: CrossEncoderReader) -> None:
    text = "A pairing code is a number printed under the Hub. The pairing code expires."
    read = reader.read("What is a pairing code?", [passage(text)])
    drafted = ExtractiveGenerator(AnswerSettings()).draft("What is a pairing code?", read, [])
    assert next(drafted).text != "pairing code expires"
