import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.dates import months
from rag.text.numbers import numbers
from rag.text.terms import content_terms, fold, names, negations, stems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000 and 1000", {"1000"}),
        ("1.5 million", {"1500000"}),
        ("3,50 EUR", {"3.5"}),
        ("twenty days", {"20"}),
        ("one of them", set()),
        ("1.234.567,5", {"1234567.5"}),
        ("within 14 days, or 30", {"14", "30"}),
        ("WH-200 has none", {"200"}),
        ("", set()),
    ],
)
def test_numbers(text, expected):
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on 1 March 2024", {3}), ("im Dezember", {12}), ("it may be", set()), ("5 May", {5}),
        ("enero y août", {1, 8}),
    ],
)  # fmt: skip
def test_months(text, expected):
    assert months(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Wren Hub is new.", {"wren", "hub"}), ("Hubs are new.", set()),
        ("He met Marit’s friend.", {"marit"}), ("In March we met.", set()),
    ],
)  # fmt: skip
def test_names(text, expected):
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It is not free.", 1),
        ("We don't and can't.", 2),
        ("Kein Abzug.", 1),
        ("Notes are free.", 0),
    ],
)
def test_negations(text, count):
    assert negations(text) == count


def test_terms_are_stems_without_function_words():
    assert content_terms("How do the refunds work?") == ("refund", "work")
    assert content_terms("Die Rückerstattungen", "de")[-1] == "ruckerstatt"
    assert content_terms("Marit's cafés") == ("marit", "cafe")
    assert stems("The refunds") == ["the", "refund"]


def test_fold():
    assert fold("  CAFÉ\nNoël ") == "cafe noel"


@given(st.text(max_size=100))
def test_nothing_fails(text):
    numbers(text), months(text), names(text), negations(text), content_terms(text), fold(text)
    assert fold(fold(text)) == fold(text)
