import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from answer_helpers import CountingEmbedder, passage

from rag.answer.question import understand
from rag.answer.reader import models, read_words

ANSWER = passage("A refund takes up to five business days.", title="Refunds", uri="a.md")
OTHER = passage("The Hub has a round button on top.", title="Hub", uri="b.md", score=0.2)


def read(question, *passages):
    return read_words(understand(question), passages).readings(passages)


def test_what_answers_is_relevant():
    seen = read("How long does a refund take?", ANSWER, OTHER)
    assert [p.uri for p in seen] == ["a.md", "b.md"]
    assert seen[0].reading.relevance > seen[1].reading.relevance
    assert seen[0].reading.no_answer < seen[1].reading.no_answer


def test_confidence_falls_without_the_topic():
    def confidence(question):
        return max(1 - p.reading.no_answer for p in read(question, ANSWER))

    assert confidence("How long does a refund take?") > 0.5
    assert confidence("How long does a flight to Paris take?") < 0.3
    assert confidence("Who is the mayor of Utrecht?") < 0.2


def test_a_name_that_is_not_there_is_a_near_miss():
    hub = passage("The warranty of the Wren Hub is two years.", title="Warranty")
    (right,) = read("What is the warranty of the Wren Hub?", hub)
    (wrong,) = read("What is the warranty of the Wren Boiler?", hub)
    assert wrong.reading.no_answer > right.reading.no_answer + 0.2


def test_only_some_sentences_are_embedded():
    embedder = CountingEmbedder()
    many = passage(" ".join(f"The hub has port {n} open." for n in range(100)))
    study = read_words(understand("Which port?"), [many], embedder)
    assert embedder.embedded == 9
    assert len(study.relevance) == 100


def test_headings_are_never_answers():
    text = "## How long refunds take\n\nUp to five days."
    (seen,) = read("How long do refunds take?", passage(text))
    assert [text[s:e] for s, e, _ in seen.reading.sentences] == ["Up to five days."]


def test_a_language_that_the_embedder_does_not_know_is_read_by_its_words():
    embedder = CountingEmbedder()
    german = passage("Die Rückerstattung dauert fünf Werktage.", language="de")
    asked = understand("Wie lange dauert die Rückerstattung?")
    (seen,) = read_words(asked, [german], embedder).readings([german])
    assert embedder.embedded == 0
    assert seen.reading.relevance > 0.1
    text = german.chunk.text
    assert text[slice(*seen.reading.answers[0][:2])] == "fünf Werktage"


def test_weights_say_where_they_come_from():
    raw = json.loads(files("rag.answer").joinpath("reading.json").read_text("utf-8"))
    assert raw["command"] == "python eval/fit_reading.py DATA"
    assert set(raw["data"].values()) <= {"CC BY-SA 4.0", "CC BY-SA 3.0", "MIT", "Apache-2.0"}
    assert raw["figures"]
    assert set(models("reading.json")) == {"sentence", "embedded", "span", "passage"}


def test_the_fit_says_what_it_needs(tmp_path):
    command = [sys.executable, "eval/fit_reading.py", str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == ("No data: give the folder that holds qa/*.jsonl.gz, or set RAG_DATA.\n")
    assert done.stdout == ""
