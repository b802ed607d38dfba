"""The measures of one answer, on cases that can be checked by hand."""

from __future__ import annotations

import pytest
from evaluate_helpers import answer, passage

from rag.evaluate.answers import _MEASURES, KIND, accepted, measure, short_answer, stage, worst
from rag.evaluate.datasets import Case, Evidence
from rag.evaluate.text_metrics import locate
from rag.types import Document

TEXT = "Refunds take five business days. The hub is white. Plus costs EUR 4.99 a month."
PAGE = Document.make(uri="page.md", title="Page", text=TEXT)
OTHER = Document.make(uri="other.md", title="Other", text="The hub is white and round.")


def case(**changes: object) -> Case:
    values = {
        "id": "q1",
        "question": "How long?",
        "type": "fact",
        "answers": ("five business days", "5 days"),
        "answerable": True,
        "evidence": (Evidence(uri="page.md", quote="Refunds take five business days."),),
    }
    return Case.model_validate(values | changes)


GOLD = [(PAGE.id, locate(TEXT, "Refunds take five business days.").spans)]
NOTHING = {"answers": (), "answerable": False, "evidence": ()}


def test_a_right_answer() -> None:
    quote = "Refunds take five business days."
    measured = measure(case(), answer((quote, PAGE, quote)), GOLD)
    assert measured["f1"] == measured["answerable_f1"] == pytest.approx(2 * 3 / (5 + 3))
    for name in ("containment", "evidence_retrieved", "citation_precision", "citation_recall"):
        assert measured[name] == 1, name
    assert measured["document_cited"] == measured["supported"] == 1
    assert measured["abstention_wrong"] == 0
    assert measured["abstention_right"] is None
    assert measured["abstention_precision"] is None


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({}, 1),
        ({"answers": ("6 days", "FIVE business days.")}, 1),
        ({"answers": ("5 business days",)}, 0),  # what is accepted is named as it is shown
        ({"needs": ("refunds", ("a", "take"))}, 1),
        ({"needs": ("refunds", ("gives", "took"))}, 0),
        ({"rivals": ("six", "day")}, 1),
        ({"rivals": ("six", "business days")}, 0),
        ({"rivals": ("1",)}, 1),  # the mark is none of its words
    ],
)
def test_right_is_an_accepted_answer_with_all_needs_and_no_rival(
    changes: dict[str, object], right: float
) -> None:
    quote = "Refunds take five business days."
    measured = measure(case(**changes), answer((quote, PAGE, quote)), GOLD)
    assert (measured["right"], measured["wrong"]) == (right, 1 - right)
    assert measured["correct"] == measured["correct_if_answered"] == right


def test_right_is_of_all_sentences() -> None:
    said = answer(("Five", PAGE, "five"), ("business days.", PAGE, "business days"))
    assert measure(case(needs=("five business",)), said, GOLD)["right"] == 1
    unknown = measure(case(answers=()), said, GOLD)
    assert unknown["right"] is unknown["wrong"] is unknown["correct"] is None


def test_what_was_expected_in_words() -> None:
    row = KIND.describe(case(needs=("a", ("b", "c")), rivals=("d",)))
    assert accepted(row) == "five business days | 5 days; with a; with b or c; without d"


def test_sentences_beside_the_evidence_are_counted() -> None:
    said = answer(("Five.", PAGE, "five"), ("White.", PAGE, "The hub"), ("White.", OTHER, "The"))
    bare = said.model_copy(
        update={
            "sentences": (*said.sentences, said.sentences[0].model_copy(update={"citations": ()})),
        }
    )
    measured = measure(case(), bare, GOLD)
    assert (measured["sentences_on_evidence"], measured["sentences_shown"]) == (1, 4)
    silent = measure(case(), answer(), GOLD)
    assert (silent["sentences_on_evidence"], silent["sentences_shown"]) == (0, 0)


RIGHT, BESIDE = ("five business days", PAGE, "five business days"), ("White.", PAGE, "The hub")
QUOTED, WHITE, PLUS = passage(PAGE, "five"), passage(PAGE, "The hub"), [(PAGE.id, ((50, 60),))]
CUT = QUOTED.model_copy(update={"chunk": QUOTED.chunk.model_copy(update={"end": 33})})


@pytest.mark.parametrize(
    ("parts", "passages", "gold", "lost"),
    [
        ([RIGHT], [QUOTED], GOLD, ""),
        ([RIGHT], [], GOLD, ""),  # wherever it is from
        ([BESIDE], [], GOLD, "page"),
        ([BESIDE], [passage(OTHER), passage(OTHER, "white")], GOLD, "page"),
        ([BESIDE], [CUT], PLUS, "passage"),
        ([], [CUT], PLUS, "passage"),
        ([BESIDE], [WHITE, QUOTED], GOLD, "unit"),
        ([], [WHITE], GOLD, "unit"),
        ([], [QUOTED, WHITE], GOLD, "abstained"),
        ([BESIDE], [QUOTED], GOLD, "shown"),
        ([("Soon.", PAGE, "five")], [WHITE], GOLD, "answer"),  # shown, though it was not the best
    ],
)
def test_where_an_answer_was_lost(parts: list, passages: list, gold: list, lost: str) -> None:
    said = answer(*parts).model_copy(update={"passages": tuple(passages)})
    measured = measure(case(), said, gold)
    assert stage(measured) == lost
    assert lost in ("", *KIND.stages)
    assert measured["page_found"] == (bool(passages) and passages[0].uri == PAGE.uri)
    assert measured["unit_first"] == (passages[:1] == [QUOTED])


def test_the_first_passage_and_the_citations_are_looked_at_apart() -> None:
    said = answer(RIGHT).model_copy(update={"passages": (passage(OTHER), QUOTED)})
    measured = measure(case(), said, GOLD)
    assert (measured["evidence_first"], measured["evidence_retrieved"]) == (0, 1)
    assert (measured["evidence_shown"], measured["unit_first"]) == (1, 1)
    beside = measure(case(), answer(BESIDE), GOLD)
    assert (beside["evidence_first"], beside["evidence_shown"]) == (1, 0)


def test_where_nothing_can_be_told_no_stage_is_named() -> None:
    said = answer(RIGHT)
    assert stage(measure(case(**NOTHING), said, [])) is None
    assert stage(measure(case(evidence=()), said, [])) is None
    assert stage(measure(case(answers=()), said, GOLD)) is None


def test_f1_is_of_what_is_highlighted_where_something_is() -> None:
    text = "Refunds take five business days."
    said = answer((text, PAGE, text), (TEXT, PAGE, TEXT))
    assert short_answer(said) == f"{text}\n{TEXT}"
    first = said.sentences[0].model_copy(update={"highlight": (13, 31)})
    told = said.model_copy(update={"sentences": (first, *said.sentences[1:])})
    assert short_answer(told) == "five business days"
    assert measure(case(), told, GOLD)["f1"] == 1


def test_citations_are_held_against_the_gold_of_the_same_document() -> None:
    said = answer(
        ("Five days.", PAGE, "five business days"),
        ("White.", PAGE, "The hub is white."),
        ("White.", OTHER, "The hub is white"),
    )
    gold = [*GOLD, (PAGE.id, locate(TEXT, "Plus costs EUR 4.99").spans)]
    measured = measure(case(), said, gold)
    assert measured["citation_precision"] == pytest.approx(1 / 3)
    assert measured["citation_recall"] == pytest.approx(1 / 2)
    elsewhere = measure(case(), answer(("White.", OTHER, "The hub")), gold)
    assert elsewhere["citation_precision"] == elsewhere["document_cited"] == 0
    assert elsewhere["evidence_retrieved"] == 0


def test_a_gold_quote_that_is_not_found_counts_as_missed() -> None:
    measured = measure(case(), answer(("x", PAGE, "five")), [*GOLD, ("", ())])
    assert measured["citation_recall"] == 0.5


def test_abstaining() -> None:
    silent = answer()
    wrong, right = measure(case(), silent, GOLD), measure(case(**NOTHING), silent, [])
    assert wrong["f1"] == wrong["containment"] == wrong["right"] == wrong["wrong"] == 0
    assert (wrong["correct"], right["correct"]) == (0, 1)
    assert wrong["correct_if_answered"] is right["correct_if_answered"] is right["right"] is None
    assert wrong["citation_precision"] == wrong["citation_recall"] == 0  # no flattering silence
    assert wrong["abstention_wrong"] == right["abstention_right"] == right["f1"] == 1
    assert wrong["abstention_precision"] == 0
    assert right["abstention_precision"] == 1
    assert right["answerable_f1"] is right["containment"] is right["citation_recall"] is None
    assert right["supported"] is None  # nothing was judged
    made_up = measure(case(**NOTHING), answer(("x", PAGE, "five")), [])
    assert made_up["f1"] == made_up["abstention_right"] == 0
    assert made_up["correct"] == made_up["correct_if_answered"] == 0
    assert made_up["answered_unanswerable"] == 1


@pytest.mark.parametrize("of", [case(), case(**NOTHING), case(evidence=()), case(answers=())])
def test_a_crash_has_the_worst_value_of_all_that_applies(of: Case) -> None:
    measured = worst(of)
    assert set(measured) == {*_MEASURES, "confidence", "answerable"}
    applied = measure(of, answer(("x", PAGE, "five")), GOLD if of.evidence else [])
    for name in set(_MEASURES) - {"abstention_precision"}:
        if applied[name] is None:
            assert measured[name] is None
        else:
            lower = "wrong abstention_wrong answered_unanswerable sentences_shown".split()
            assert measured[name] == float(name in lower), name
