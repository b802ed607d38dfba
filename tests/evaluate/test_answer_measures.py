"""The measures of one answer, on cases that can be checked by hand."""

from __future__ import annotations

import pytest
from evaluate_helpers import answer

from rag.evaluate.answers import _MEASURES, measure, short_answer, worst
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


def test_f1_is_of_the_short_answer_where_there_is_one() -> None:
    said = answer(("five business days", PAGE, "five business days"), kind="short")
    more = answer((TEXT, PAGE, TEXT))
    both = said.model_copy(update={"sentences": (*said.sentences, *more.sentences)})
    assert short_answer(both) == "five business days"
    assert measure(case(), both, GOLD)["f1"] == 1


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
    assert wrong["f1"] == wrong["containment"] == 0
    assert wrong["citation_precision"] == wrong["citation_recall"] == 0  # no flattering silence
    assert wrong["abstention_wrong"] == right["abstention_right"] == right["f1"] == 1
    assert wrong["abstention_precision"] == 0
    assert right["abstention_precision"] == 1
    assert right["answerable_f1"] is right["containment"] is right["citation_recall"] is None
    assert right["supported"] is None  # nothing was judged
    made_up = measure(case(**NOTHING), answer(("x", PAGE, "five")), [])
    assert made_up["f1"] == made_up["abstention_right"] == 0
    assert made_up["answered_unanswerable"] == 1


@pytest.mark.parametrize("of", [case(), case(**NOTHING), case(evidence=())])
def test_a_crash_has_the_worst_value_of_all_that_applies(of: Case) -> None:
    measured = worst(of)
    assert set(measured) == {*_MEASURES, "confidence", "answerable"}
    applied = measure(of, answer(("x", PAGE, "five")), GOLD if of.evidence else [])
    for name in set(_MEASURES) - {"abstention_precision"}:
        if applied[name] is None:
            assert measured[name] is None
        else:
            lower = name in ("abstention_wrong", "answered_unanswerable")
            assert measured[name] == float(lower), name
