"""How texts are compared: SQuAD's published rule, and the others by hand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.evaluate.text_metrics import (
    contains,
    exact_match,
    f1,
    locate,
    longest_start,
    overlaps,
    rouge_l,
    squad_normalise,
    stands,
    term_f1,
    terms,
    words,
)


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


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("Use -S here.", "-S", True),
        ("It uses signals.", "-S", False),
        ("Use -s here.", "-S", False),  # another option
        ("MUTT -F file", "mutt -f file", False),
        ("Give --MAX=5.", "--max", True),
        ("Give --max-size.", "--max", False),
        ("Give --max.", "max", False),
        ("takes 5.", "5", True),
        ("5, perhaps 6", "5", True),
        ("5.5", "5", False),
        ("x = -5", "5", False),
        ("x = −5", "-5", True),
        ("1,500 rows", "1", False),
        ("1,500 rows", "500", False),
        (".5", "5", False),
        ("wait ...5", "5", True),
        ("5MB", "5", False),
        ("5 to 10 or 5–10", "5-10", True),
        ("foo_bar_baz", "foo_bar", False),
        ("foo_bar_baz, foo_bar.", "foo_bar", True),
        ("edit borg.conf", "borg", False),
        ("the default—5—holds", "5", True),
        ("you can’t", "can", False),
        ("you can’t", "can't", True),
        ("the user's file", "user", True),
        ("Run **`ls  -l`**\nnow", "run ls -l now", True),
        ("of *.py files", "*.py", True),
        ("x.py", "*.py", False),
        ("2*3", "23", False),
        ("“five days”, then", '"five days."', False),
        ("five days, then", "five days.", True),
        ("cd ..", "cd ..", True),
        ("anything", ".", False),
        ("anything", "`", False),
        ("anything", "", False),
    ],
)
def test_values_stand_with_their_punctuation(text: str, value: str, found: bool) -> None:
    assert stands(text, value) is found


_WORD = re.compile(r"[a-z0-9]{2}(?:[_.]?[a-z0-9]){0,4}|[a-z][_.][0-9]", re.ASCII)
WORDS = st.from_regex(_WORD, fullmatch=True)
VALUES = st.builds(str.__add__, st.sampled_from(["", "-", "--"]), WORDS)


@given(
    VALUES,
    st.sampled_from(["{}", "({})", "is {}.", "“{}”, or", "`{}`", "**{}**", "{}: x", "a\n{}"]),
)
def test_a_value_stands_in_what_only_surrounds_it(value: str, around: str) -> None:
    assert stands(around.format(value), value)
    assert stands(around.format(value.upper()), f" {value}. ")


@given(
    WORDS,
    st.sampled_from(["{}x", "{}0", "{}_", "x{}", "0{}", "_{}", "{}-x", "{}.x", "x-{}", "x.{}"]),
)
def test_a_value_does_not_stand_in_a_longer_token(value: str, longer: str) -> None:
    assert not stands(longer.format(value), value)


@given(st.text(), st.text())
def test_any_text_can_be_asked_for(text: str, value: str) -> None:
    assert not stands("", value)
    stands(text, value)


def test_words_are_comparable() -> None:
    assert words("Über 1,234.50 €!") == ["uber", "1234.50", "eur"]


def test_exact_match_is_after_normalisation() -> None:
    assert exact_match("The U.S.A.!", "usa") == 1
    assert exact_match("1956", "in 1956") == 0
    assert exact_match("", "the") == 1  # the rule as published: nothing is left of either


def test_term_f1_is_over_the_stems_that_carry_meaning() -> None:
    assert terms("What are the refunds of the plans?") == terms("refund plan")
    assert term_f1(terms("refund of plans"), terms("refunds for a hub")) == pytest.approx(0.5)
    assert term_f1([], []) == 1
    assert term_f1(["a"], []) == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "value"),
    [
        # Lin (2004), section 3: police killed the gunman / police kill the gunman, the gunman kill
        ("police kill the gunman", "police killed the gunman", 3 / 4),
        ("the gunman kill police", "police killed the gunman", 2 / 4),
        ("gunman the killed police", "police killed the gunman", 1 / 4),
        ("a b", "a x b y", 2 * 2 / 6),
        ("", "", 1.0),
        ("", "a", 0.0),
    ],
)
def test_rouge_l(ours: str, theirs: str, value: float) -> None:
    assert rouge_l(ours, theirs) == pytest.approx(value)


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
