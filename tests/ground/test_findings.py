"""The pieces behind the findings of the checker: values, roles, names, negation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.ground.clauses import begins_with_verb, statements
from rag.ground.negation import compare, denials
from rag.ground.roles import strangers, swapped, taken
from rag.ground.values import check
from rag.text.dates import blanked


@pytest.mark.parametrize(
    ("claim", "evidence", "found"),
    [
        ("The fee is 25 euros.", "The fee is 15 euros. A new card is 25 euros.", True),
        ("It has at most 8 doors.", "It has at least 8 doors.", True),
        ("350 people attended.", "More than 300 people attended.", True),
        ("It has 10 cars and 3 vans.", "It has 3 cars and 10 vans.", True),
        ("The shop is on the second floor.", "The shop is on the fifth floor.", True),
        ("Two people talk.", "Ann and Bob talk.", False),
        ("The price doubled.", "The price rose from 40 euros to 80 euros.", False),
        ("It is held on 9 May.", "It was planned for 8 May and moved to 9 May.", False),
        ("More than 300 people came.", "300 people came.", True),
        ("It was paid on 7 March.", "The invoice dated 7 March was paid on 4 April.", True),
        ("It has 4 USB ports.", "It has 4 LAN ports, 1 WAN port and 2 USB ports.", True),
    ],
)
def test_facts(claim: str, evidence: str, found: bool) -> None:
    facts = check((claim,), tuple(f"{e}." for e in evidence.split(".") if e), placed=True)
    assert bool(facts.numbers or facts.dates) is found, facts


@pytest.mark.parametrize(
    ("claim", "sentence", "found"),
    [
        ("Dorn replaced Pell.", "Pell replaced Dorn.", True),
        ("Dorn was replaced by Pell.", "Pell replaced Dorn.", False),
        ("Pell was acquired by Dorn.", "Dorn bought Pell.", False),
        ("Dorn was hired by Pell.", "Pell was hired by Dorn.", True),
        ("Goods go from Rost to Hal.", "Goods go from Hal to Rost.", True),
        ("Goods go to Hal from Rost.", "Goods go from Rost to Hal.", False),
        ("Vane is the manager of Clara.", "Clara's manager is Vane.", False),
        ("Vane is the manager of Clara.", "Clara is the manager of Vane.", True),
        ("Dorn married Pell.", "Pell married Dorn.", False),
        ("Dorn and Pell met.", "Pell and Dorn met.", False),
        ("Zinc is heavier than tin.", "Tin is lighter than zinc.", False),
        ("The judge was questioned by the jury.", "The jury questioned the judge.", False),
    ],
)
def test_swapped(claim: str, sentence: str, found: bool) -> None:
    assert bool(swapped(claim, sentence)) is found


def test_taken() -> None:
    units = ("Sundry is the largest city of Maravia, but Quell is its capital.",)
    assert "Quell" in taken("Sundry is the capital of Maravia.", units)
    assert not taken("Quell is the capital of Maravia.", units)


@pytest.mark.parametrize(
    ("claim", "evidence", "found"),
    [
        ("Maria Silven leads it.", "Marta Silven leads it.", ["Maria"]),
        ("The Orion X3 leads.", "The Orion X2 leads.", ["X3"]),
        ("The WTO leads.", "The World Trade Office leads.", []),
        ("The World Trade Office leads.", "The WTO leads.", []),
        ("Mr Holm leads it.", "Holm leads it.", []),
        ("It is led by Renee Caron.", "Renée Caron leads it. It is led.", []),
        ("It has German ships.", "Germany has ships.", []),
    ],
)
def test_strangers(claim: str, evidence: str, found: list[str]) -> None:
    assert strangers((claim,), (evidence,), (evidence,)) == found


@pytest.mark.parametrize(
    ("claim", "sentence", "denied"),
    [
        ("Smoking is prohibited.", "Smoking is not allowed.", False),
        ("Fog is common.", "Fog is not uncommon.", False),
        ("Fog is uncommon.", "Fog is not uncommon.", True),
        ("The paint contains lead.", "The paint is free of lead.", True),
        ("Kiosks accept cards.", "Kiosks accept not only cash but also cards.", False),
        ("The Pine room has a screen.", "All rooms except the Pine room have a screen.", True),
        ("The Oak room has a screen.", "All rooms except the Pine room have a screen.", False),
        ("Shops stopped selling it.", "Shops no longer sell it.", False),
        ("It can be returned if broken.", "It cannot be returned unless it is unbroken.", True),
        ("All members may vote.", "Only full members may vote.", True),
        ("Interns may vote.", "Only members may vote.", True),
        ("The result was significant.", "The result was insignificant.", True),
        ("Sales of the index increase.", "The increase of sales has an index.", False),
        ("He led it in 2017.", "He led it from 2015 to 2019 without a break.", False),
        ("It has no slot for cards.", "It has no jack, but it has a slot for cards.", True),
        ("A note is unnecessary.", "Staff do not need a note.", False),
        ("Logins are switched off.", "Logins are disabled.", False),
        ("The firm said it was not in talks.", "The firm denied that it was in talks.", False),
        ("The firm confirmed that it was in talks.", "The firm denied that it was in talks.", True),
        ("The chairman did not attend.", "Neither the clerk nor the chairman attended.", False),
        ("Some lines are affected.", "All lines are affected.", False),
        ("Few lines are affected.", "Hardly any lines are affected.", False),
    ],
)
def test_denial(claim: str, sentence: str, denied: bool) -> None:
    assert compare(claim, sentence).opposed is denied


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


@settings(max_examples=200)
@given(ODD, ODD)
def test_nothing_fails_on_odd_text(claim: str, evidence: str) -> None:
    units = (evidence, claim)
    assert check((claim,), units, placed=True) == check((claim,), units, placed=True)
    swapped(claim, evidence)
    taken(claim, units)
    strangers((claim,), units, units)
    compare(claim, evidence)
    denials(claim)
    statements(claim, evidence)
    assert len(blanked(claim)) == len(claim)


@given(ODD)
def test_what_is_said_is_there(text: str) -> None:
    """A statement never lacks a number of its own."""
    facts = check((text,), (text,), placed=True)
    assert not any("not in the evidence" in r for r in (*facts.numbers, *facts.dates))


@pytest.mark.parametrize("word", ["not", "also", "and", "later"])
def test_long_runs_of_one_word_come_to_an_end(word: str) -> None:
    statements("The fee is due and " + f"{word} " * 3000)
    assert begins_with_verb((word,) * 3000 + ("was", "sold")) == (word != "and")
