"""The pieces of the checker on their own: claims, evidence, quotation and polarity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ground.evidence import LONGEST_UNIT, Claim, Evidence
from rag.ground.negation import compare
from rag.ground.quotation import quoted_from


@given(st.lists(st.text(max_size=300), max_size=4))
def test_units_are_verbatim_and_distinct(texts: list[str]) -> None:
    evidence = Evidence.of(texts)
    assert all(any(unit in text for text in texts) for unit in evidence.units)
    assert len(set(evidence.units)) == len(evidence.units)
    assert evidence == Evidence.of(texts[::-1])
    for window in evidence.windows:
        assert all(0 <= index < len(evidence.units) for index in window)


def test_windows_do_not_cross_texts() -> None:
    evidence = Evidence.of(["One is here. Two is here.", "Three is here."])
    joined = {tuple(evidence.units[i] for i in window) for window in evidence.windows}
    assert joined == {("One is here.", "Two is here.")}


def test_long_units_are_cut_without_loss() -> None:
    text = "word " * (LONGEST_UNIT * 2 + 7)
    numbered = " ".join(f"w{i}" for i in range(len(text.split())))
    evidence = Evidence.of([numbered])
    assert sorted(" ".join(evidence.units).split()) == sorted(numbered.split())
    assert max(len(unit.split()) for unit in evidence.units) == LONGEST_UNIT


@pytest.mark.parametrize(
    ("claim", "body"),
    [
        ("Thanks for asking! It costs 9 euros.", "It costs 9 euros."),
        ("It costs 9 euros. Anything else?", "It costs 9 euros."),
        ("It costs 9 euros.", "It costs 9 euros."),
        ("Right to repair is law.", "Right to repair is law."),
        ("Hello!", ""),
    ],
)
def test_what_a_claim_states(claim: str, body: str) -> None:
    assert Claim.of(claim).body == body


@pytest.mark.parametrize(
    ("claim", "text", "quoted"),
    [
        ("the parcel arrives", "If the parcel arrives late, we pay.", True),
        ("the parcel arrives late", "If the parcel arrives late, we pay.", False),
        ("the parcel arrives late", "Then the parcel arrives late, and we pay.", True),
        ("we will pay", "We will pay\nnobody.", True),
        ("refundable", "It is non-refundable.", False),
        ("14", "It takes 14.5 hours.", False),
        ("14%", "It takes 14 hours.", False),
        ("arcel", "The parcel.", False),
        ("don't send it", "Don’t send it back.", True),
        ("cafe owners pay", "Café owners pay.", True),
        ("ships are red and the cars are blue", "Ships are red. Cars are blue.", False),
        ("Ships are red. Cars are blue.", "Cars are blue. Ships are red.", True),
        ("Ships are red. Cars are green.", "Cars are blue. Ships are red.", False),
    ],
)
def test_quotation(claim: str, text: str, quoted: bool) -> None:
    assert bool(quoted_from(claim, [text])) is quoted


@given(st.text(alphabet="ab .,\n;", max_size=30), st.text(alphabet="ab .,\n;", max_size=30))
def test_quotation_never_fails(claim: str, text: str) -> None:
    for place in quoted_from(claim, [text]):
        assert place in text


@pytest.mark.parametrize(
    ("claim", "sentence", "opposed"),
    [
        ("It is open.", "It is closed.", True),
        ("It is not open.", "It is closed.", False),
        ("It is open.", "It is not closed.", False),
        ("It is open.", "It is open.", False),
        ("It is unlimited.", "It is limited.", True),
        ("Runs until noon.", "Runs til noon.", False),
        ("Always use it.", "Use it sometimes.", True),
        ("Use it sometimes.", "Always use it.", False),
        ("It opened.", "It failed to open.", True),
        ("I'm not sure, but it opens at nine.", "It opens at nine.", False),
        ("It opens at nine, not at ten.", "It opens at nine.", False),
        ("Open before noon, close after noon.", "It opens before noon and closes after it.", False),
    ],
)
def test_polarity(claim: str, sentence: str, opposed: bool) -> None:
    assert compare(claim, sentence).opposed is opposed
