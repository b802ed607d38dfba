"""The pieces of the checker on their own: claims, evidence, quotation and values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ground.evidence import LONGEST_UNIT, Claim, Evidence
from rag.ground.quotation import quoted_from
from rag.ground.values import compare


@given(st.lists(st.text(max_size=300), max_size=4))
def test_units_are_verbatim_and_distinct(texts: list[str]) -> None:
    evidence = Evidence.of(texts)
    assert all(any(unit in text for text in texts) for unit in evidence.units)
    assert len(set(evidence.units)) == len(evidence.units)
    assert evidence == Evidence.of(texts[::-1])


def test_long_units_are_cut_without_loss() -> None:
    text = "word " * (LONGEST_UNIT * 2 + 7)
    numbered = " ".join(f"w{i}" for i in range(len(text.split())))
    evidence = Evidence.of([numbered])
    assert sorted(" ".join(evidence.units).split()) == sorted(numbered.split())
    assert max(len(unit.split()) for unit in evidence.units) == LONGEST_UNIT


@pytest.mark.parametrize(
    ("claim", "body"),
    [
        ("What does it cost? It costs 9 euros.", "It costs 9 euros."),
        ("**Prices**\nIt costs 9 euros.", "It costs 9 euros."),
        ("It costs 9 euros. Anything else?", "It costs 9 euros."),
        ("It costs 9 euros. [2]", "It costs 9 euros."),
        ("**It costs 9 euros.**", "**It costs 9 euros.**"),
        ("No.", ""),
        ("Right to repair is law.", "Right to repair is law."),
        ("Is it open?", ""),
        ("Here are the steps:", ""),
    ],
)
def test_what_a_claim_states(claim: str, body: str) -> None:
    assert Claim.of(claim).body == body


@pytest.mark.parametrize(
    ("claim", "text", "quoted"),
    [
        ("the parcel arrives", "If the parcel arrives late, we pay.", True),
        ("the parcel arrives late", "If the parcel arrives late, we pay.", False),
        ("the parcel arrives late", "The parcel arrives late. And we pay.", True),
        ("the parcel arrives late", "In that case, the parcel arrives late, and we pay.", False),
        ("Smoke on the roof.", "You may:\n\n- Smoke on the roof.\n- Sleep.", True),
        ("Smoke on the roof.", "Employees must not:\n\n- Sleep.\n- Smoke on the roof.", False),
        ("The office is closed.", "Wrong: The office is closed.", False),
        ("It was 5 °C.", "It was 5 °C below zero.", False),
        ("Growth was 2%.", "Growth was –2%.", False),
        ("The balance is 40 euros.", "The balance is (40) euros.", False),
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
        ("Pro | 10 euros", "Basic | 10 euros\nPro | 30 euros", False),
        ("Children; 40 euros.", "Children pay nothing. A ticket costs 40 euros.", False),
        ("It was 5 °C.", "It was -5 °C.", False),
        ("It was −5 °C.", "It was -5 °C.", True),
        ("Use it below < 5 V", "Use it below > 5 V", False),
        ("The pool is open.", "Is it true that the pool is open?", False),
        ("The pool is open.", "The pool is open if it rains.", False),
        ("Open on Sundays.", "It is not open on Sundays.", False),
        ("the parcel is here on Monday", "The parcel is here on Monday, not later.", False),
    ],
)
def test_quotation(claim: str, text: str, quoted: bool) -> None:
    assert bool(quoted_from(claim, [text])) is quoted


@given(st.text(alphabet="ab .,\n;", max_size=30), st.text(alphabet="ab .,\n;", max_size=30))
def test_quotation_never_fails(claim: str, text: str) -> None:
    for place in quoted_from(claim, [text]):
        assert place in text


@pytest.mark.parametrize(
    ("claim", "text", "otherwise", "lost"),
    [
        ("It was 5 °C.", "It was −5 °C.", True, False),
        ("It was -5 °C.", "It was minus 5 °C.", False, False),
        ("The fee is 25 euros.", "The fee is 15 euros.", True, False),
        ("The fee is 25 euros.", "There is a fee.", False, True),
        ("It weighs two kilos.", "It weighs 2,000 g.", False, False),
        ("It takes two weeks.", "It takes 14 days.", False, False),
        ("It comes in three sizes.", "It comes in small, medium and large.", False, True),
        ("It opened on 7 March 2024.", "It opened on 2024-03-07.", False, False),
        ("It opened on 8 March 2024.", "It opened on 7 March 2024.", True, False),
        ("It was founded by Anna Schmidt.", "It was founded by Maria Keller.", False, True),
        ("More than 300 people came.", "350 people came.", False, False),
        ("The balance is 40 euros.", "The balance is -40 euros.", True, False),
    ],
)
def test_values(claim: str, text: str, otherwise: bool, lost: bool) -> None:
    values = compare(claim, [text])
    assert (bool(values.otherwise), bool(values.lost)) == (otherwise, lost), values


def test_the_other_value_is_the_nearest() -> None:
    units = ["You have 30 days to change your mind.", "A refund takes up to five business days."]
    values = compare("A refund takes ten business days.", units)
    assert values.otherwise == (
        "the evidence gives five business days for this, not ten business days",
    )


ODD = st.text(
    alphabet=st.sampled_from("aZé .,;:-'’%€$£°/()0123456789 \n−–一"), max_size=40
) | st.lists(
    st.sampled_from(
        "half a quarter of the third 3rd 0 12 99999999999999999999 13/13/2024 31.12. may May "
        "Monday to noon 1990s Q3 minus - v2 X3 Mr Ann Bob by from not unless only except "
        "un- million dozen and hundred 0000-00-00 ½ ²".split()
    ),
    max_size=12,
).map(" ".join)


@given(ODD)
def test_a_text_gives_no_value_otherwise_than_itself(text: str) -> None:
    assert compare(text, [text]) == compare("", [text])
