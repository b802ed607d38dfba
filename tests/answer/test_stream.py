"""Text that is still coming: the same sentences as of the whole text, each as early as can be."""

from __future__ import annotations

import pytest
from test_citation_marks import CASES

from rag.answer.llm.align import without_headings
from rag.answer.llm.citation_marks import Marked, parse
from rag.answer.llm.stream import IncrementalParser, whole_sentences

COUNT = 5


def whole(text: str) -> list[Marked]:
    return list(without_headings(parse(text, COUNT).sentences))


def grown(text: str, step: int) -> tuple[list[Marked], int]:
    """Feed a text in steps; return its sentences, and how many came before the end."""
    growing = IncrementalParser(COUNT)
    found: list[Marked] = []
    for end in range(step, len(text) + step, step):
        found += growing.feed(text[:end])
    early = len(found)
    found += growing.finish(text)
    assert growing.problems == parse(text, COUNT).problems
    return found, early


def said(sentences: list[Marked]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(one.text, one.marker, one.numbers) for one in sentences]


@pytest.mark.parametrize("step", [5])
def test_the_table_of_outputs_gives_the_same_sentences(step: int) -> None:
    differing = []
    for text, _, _ in CASES:
        found, _ = grown(text.replace("«", "").replace("»", ""), step)
        if said(found) != said(whole(text.replace("«", "").replace("»", ""))):
            differing.append(text)
    assert differing == []


PROSE = (
    "Refunds take five business days. [1] The money goes back to the card, e.g. a Visa card. "
    "[2][3] It costs 4.50 euros in all. [1]\n\nCompanies wait for two weeks. [1, 2]\n"
)
LIST = (
    "Do this:\n1. Open the app on your phone. [1]\n2. Press the button twice. [2]\n3. Wait. [2]\n"
)


@pytest.mark.parametrize(("text", "early"), [(PROSE, 3), (LIST, 2)])
def test_sentences_come_before_the_end(text: str, early: int) -> None:
    found, before = grown(text, 1)
    assert said(found) == said(whole(text))
    assert before >= early


def test_a_sentence_waits_for_its_marks() -> None:
    growing = IncrementalParser(COUNT)
    assert growing.feed("It takes five days. [1") == []
    assert growing.feed("It takes five days. [1] [2") == []
    assert growing.feed("It takes five days. [1] [2] The money") == []
    [first] = growing.feed("It takes five days. [1] [2] The money goes to ")
    assert first.numbers == (1, 2)


def test_marks_in_front_are_waited_for_to_the_end_of_the_line() -> None:
    growing = IncrementalParser(COUNT)
    assert growing.feed("[1] It takes five days. The money goes to the card. And more of it ") == []


def test_open_code_and_footnotes_wait() -> None:
    growing = IncrementalParser(COUNT)
    assert growing.feed("Run this:\n```\nrag ask. And so on it goes. ") == []
    growing = IncrementalParser(COUNT)
    text = "It takes five days.[^1] The money goes to the card.[^2] And so it goes on. "
    assert growing.feed(text) == []
    [first, *_] = growing.finish(text + "\n\n[^1]: 2\n[^2]: 3")
    assert first.numbers


def test_places_are_those_of_the_written_text() -> None:
    text = "Refunds take [1] five days. [2] The money goes to the card.[3] Then nothing happens."
    growing = IncrementalParser(COUNT)
    places = [growing.place_of(text, one) for one in growing.finish(text)]
    assert places[-1] == len(text)
    assert text[places[0] :].startswith("The money")
    assert text[places[1] :].startswith("Then nothing")


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("It takes five days. [1] The money goes", "It takes five days. [1]"),
        ("It takes five days. [1][2]", "It takes five days. [1][2]"),
        ("It takes five days [1]. It costs 3.", "It takes five days [1]."),
        ("It takes five days. [1] It costs 3.", "It takes five days. [1]"),
        ("It takes five days.", ""),
        ("It takes five days. [1", ""),
        ("1. Open the app. [1]\n2. Press", "1. Open the app. [1]"),
        ("", ""),
    ],
)
def test_of_a_text_that_broke_off_only_whole_sentences_count(text: str, whole: str) -> None:
    assert whole_sentences(text) == whole
