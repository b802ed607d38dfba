"""The measures on cases that can be checked by hand, and intervals against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from evaluate_helpers import answer

from rag.evaluate.metrics import (
    MEASURES,
    auroc,
    contains,
    f1,
    measure,
    percentiles,
    short,
    squad_normalise,
    summarise,
    words,
    worst,
)
from rag.evaluate.questions import Case, Evidence
from rag.evaluate.quotes import locate, longest_start, overlaps
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


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Beatles!", "beatles"),
        ("an apple, a pear\tand the plum", "apple pear and plum"),
        ("theatre another", "theatre another"),  # articles are whole words
        ("U.S.A.", "usa"),  # punctuation goes without leaving a space
        ("twenty-five", "twentyfive"),
        ("Là-bas – ça", "làbas – ça"),  # accents and non-ASCII dashes stay: the rule as published
        ("", ""),
    ],
)
def test_squad_normalisation(text: str, normal: str) -> None:
    assert squad_normalise(text) == normal


@pytest.mark.parametrize(
    ("prediction", "accepted", "value"),
    [
        ("the Eiffel Tower", "Eiffel Tower", 1.0),
        ("Eiffel", "Eiffel Tower", 2 / 3),
        ("tower tower", "tower", 2 / 3),  # bags, not sets
        ("London", "Paris", 0.0),
        ("", "Paris", 0.0),
        ("the", "a", 1.0),  # both empty after normalising
    ],
)
def test_squad_f1(prediction: str, accepted: str, value: float) -> None:
    assert f1(prediction, accepted) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "accepted", "found"),
    [
        ("It takes 16 days.", "6", False),
        ("It takes 6 days.", "6", True),
        ("It costs 6.50.", "6", False),
        ("It costs EUR 1,000.", "1000", True),
        ("Es kostet 4,99 EUR.", "4.99", True),
        ("Il coûte 12\u202f500 francs", "12500", True),
        ("It costs €4.99.", "EUR 4.99", True),
        ("a rate of 8.1 %", "8.1%", True),
        ("five business days", "5 business days", True),
        ("one of the hubs", "1", False),
        ("ÉTÉ à Liège", "ete a liege", True),
        ("Open Account › Plan › Cancel.", "Account > Plan > Cancel", True),
        ("The warranty covers it", "warrant", False),
        ("firmware 4.10.1", "4.10", False),
        ("model WC-20", "WC 20", True),
        ("anything", "%", False),
        ("anything", "?", False),
    ],
)
def test_containment_stops_at_words_and_numbers(text: str, accepted: str, found: bool) -> None:
    assert contains(text, accepted) is found


def test_words_are_comparable() -> None:
    assert words("Über 1,234.50 €!") == ["uber", "1234.50", "eur"]


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
    assert short(both) == "five business days"
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
    assert set(measured) == set(MEASURES)
    applied = measure(of, answer(("x", PAGE, "five")), GOLD if of.evidence else [])
    for name in set(MEASURES) - {"abstention_precision"}:
        if applied[name] is None:
            assert measured[name] is None
        else:
            lower = name in ("abstention_wrong", "answered_unanswerable")
            assert measured[name] == float(lower), name


def test_means_leave_out_only_what_does_not_apply() -> None:
    rows = [{"f1": 1.0, "x": None}, {"f1": 0.0, "x": 0.5}, {"f1": 0.5, "x": None}]
    result = summarise(rows, [0, 1, 2], seed=0)
    assert result["f1"] == 0.5
    assert result["x"] == 0.5
    assert result["x_ci"] is None  # one case says nothing about spread
    assert summarise([], [], seed=0)["f1"] is None
    assert summarise(rows, [7, 7, 7], seed=0)["f1_ci"] is None


def test_intervals_agree_with_scipy() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(1).beta(2, 1, size=150)
    theirs = bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(2)
    ).confidence_interval
    ours = summarise([{"f1": float(v)} for v in values], range(150), seed=3)["f1_ci"]
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.01)


def test_intervals_repeat_and_widen_with_conversations() -> None:
    rows = [{"f1": float(n // 4 % 2)} for n in range(200)]  # four equal turns a conversation
    alone = summarise(rows, range(200), seed=5)["f1_ci"]
    together = summarise(rows, [n // 4 for n in range(200)], seed=5)["f1_ci"]
    assert alone == summarise(rows, range(200), seed=5)["f1_ci"]
    assert isinstance(alone, list)
    assert isinstance(together, list)
    assert together[1] - together[0] > 1.7 * (alone[1] - alone[0])


def test_auroc_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(4)
    answerable = generator.random(120) < 0.7
    scores = np.round(generator.random(120) + 0.3 * answerable, 1)  # many ties
    value, interval = auroc(list(scores), list(answerable), range(120), seed=0)
    assert value == pytest.approx(roc_auc_score(answerable, scores), abs=1e-4)
    assert interval
    assert interval[0] < value < interval[1]
    assert auroc([0.1, 0.2], [True, True], range(2), seed=0) == (None, None)
    assert auroc([], [], [], seed=0) == (None, None)


def test_percentiles() -> None:
    assert percentiles([1.0, 2.0, 3.0]) == {"p50": 2.0, "p95": 2.9}
    assert percentiles([]) == {"p50": None, "p95": None}


def test_quotes_are_found_to_the_letter_or_but_for_white_space() -> None:
    assert locate("a b a b", "a b").spans == ((0, 3), (4, 7))
    assert locate("a b", "a b").exact
    loose = locate("x a\n  b.c", "a b.c")
    assert (loose.spans, loose.exact) == (((2, 9),), False)
    assert locate("a bxc", "a b.c").spans == ()
    assert locate("anything", " ").spans == ()
    assert longest_start("The hub is white.", "The hub is red") == "The hub is"
    assert longest_start("x", "y") == ""
    assert overlaps(0, 3, ((2, 5),))
    assert not overlaps(0, 2, ((2, 5),))
