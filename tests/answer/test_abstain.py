"""What a question takes for granted, looked up in passages: names, codes, years, units."""

from __future__ import annotations

import time

import pytest

from rag.answer.abstain import Vocabulary, forms_of, identifiers, lacks, missing_unit, unmentioned

TEXT = """Plans and prices
Free has two cameras; Plus costs EUR 4.99 a month since 2024 and Family EUR 7.99. A Hub 2 draws
3.5 W and weighs 210 g. E-117 means that the hub has another owner. App 6.4 came in December 2025.
The cell CR-2032 is by Nordvolt. Parcels to Norway and Switzerland take five business days; 8%
arrive late. Record in 4K with the WC-20."""
PASSAGES = Vocabulary([TEXT])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many cameras are in the Premium plan?", ["Premium"]),
        ("How many cameras are in the Free plan?", []),
        ("Do you take American Express?", ["American", "Express"]),
        ("What does E-118 mean?", ["E-118"]),
        ("What does E117 mean?", []),
        ("what is e-117", []),
        ("How much is Plus in 2027?", ["2027"]),
        ("How much was Plus in 2024?", []),
        ("What came with app 5.9?", ["5.9"]),
        ("What came with app 6.4?", []),
        ("How heavy is the Hub2?", []),
        ("How heavy is the Hub 2's case?", []),
        ("Does it record in 8K?", ["8K"]),
        ("Does it record in 4K?", []),
        ("Do the WC-20s record at night?", []),
        ("Who makes the cells, Nordvolt's rival Südakku?", ["Südakku"]),
        ("How long do parcels take to Norwai?", []),  # a slip of the pen
        ("I live in Ohio. How long do parcels take?", []),  # only the sentence that asks
        ("Premium plan: how many cameras?", []),  # a capital at the beginning says nothing
        ("What Does The Premium Plan Cost?", []),  # nor does it where all words have one
        ("When in October does the camera arrive?", []),
        ("What has changed since mid-2024?", []),
        ("Is 1,500 in range? And 10.2024?", []),
    ],
)
def test_names_codes_versions_and_years(question: str, expected: list[str]) -> None:
    assert unmentioned(question, PASSAGES) == expected


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("How much is Plus in pounds sterling?", True),
        ("How many dollars is Plus a month?", True),
        ("How many euros is Plus a month?", False),
        ("What is Plus in Norwegian kroner?", False),  # "in Norwegian": the name tells, not this
        ("Weight of a Hub 2 in grams?", False),
        ("Weight of a Hub 2 in kg?", False),  # another size of the same unit
        ("How many watts does a Hub 2 draw?", False),
        ("What percentage arrives late?", False),
        ("Capacity of the cell in mAh?", True),
        ("How many megabytes of memory has it?", True),
        ("How many cameras are there?", False),
        ("What happens in general?", False),
        ("", False),
    ],
)
def test_units(question: str, missing: bool) -> None:
    assert bool(missing_unit(question, PASSAGES)) == missing


def test_what_is_lacking_is_said_in_words() -> None:
    assert lacks("Which rate for Sweden or Finland?", PASSAGES) == (
        "nothing found mentions “Sweden” or “Finland”"
    )
    assert lacks("How much is it in pounds?", PASSAGES) == (
        "nothing found gives a figure for “in pounds”"
    )
    assert lacks("How much is Plus?", PASSAGES) is None
    assert lacks("How much is Plus?", Vocabulary([])) == "nothing found mentions “Plus”"


def test_names_of_other_languages_are_not_looked_up() -> None:
    asked = "Welche Kabel passen in den Wandhalter?"
    assert unmentioned(asked, PASSAGES)
    assert lacks(asked, PASSAGES, english=False) is None
    assert lacks("Was bedeutet E-118?", PASSAGES, english=False)


@pytest.mark.parametrize(
    "text",
    ["a1" + "a" * 5000 + "_", "a1" + "-a" * 5000 + "_", "." * 20_000, "a-" * 10_000, "a" * 200_000,
     "1" * 100_000, "1." * 50_000 + "x", "USD " * 20_000, "A1-" * 20_000],
    ids=lambda text: text[:4],
)  # fmt: skip
def test_whatever_is_in_a_passage_is_searched_at_once(text: str) -> None:
    began = time.process_time()
    lacks(f"How many Foo {text[:4000]}?", Vocabulary([text]))
    assert time.process_time() - began < 2


def test_a_question_of_many_names_is_bounded() -> None:
    letters = str.maketrans("0123456789", "abcdefghij")
    words = " ".join(f"word{n}x" for n in range(3000)).translate(letters)
    names = " ".join(f"and Worm{n}xq" for n in range(300)).translate(letters)
    assert 0 < len(unmentioned(f"{names}?", Vocabulary([words]))) <= 12


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("What is the default of max_locks_per_transaction?", ["max_locks_per_transaction"]),
        ("does --keep-first take a number", ["--keep-first"]),
        ("Is it set in upsd.conf or with queue.size=5?", ["upsd.conf", "queue.size"]),
        ("What does closeTimeout do on an ATmega328?", ["closeTimeout"]),
        ("I bought it yesterday.Can I return it? Mr.Smith says incl.VAT", []),
        ("max_connectionsの既定値は何ですか", ["max_connections"]),
        ("Wie viel Urlaub haben Mitarbeiter_innen?", []),
        ("Is ABC12345 or SAVE20NOW valid until Jan2025 in EUR100 on firma.de?", []),
        ("How many MB may a video.mov have on server_a.lan?", []),
        ("Is a well-known follow-up re-read e.g. in 30s or 10GB at 3.5V?", []),
        ("Mail of me@my_host.example or https://my_site.example/a_b is lost", []),
        ("How do I log in to cloud.wren.example?", []),
        ("What is WHAT IS IT and NATO?", []),
        ("Can I log in with GitHub on my MacBook or iPhone, at what p95?", []),
        ("Is MaxFilesPerMinute a limit?", ["MaxFilesPerMinute"]),
    ],
)
def test_what_a_question_names_as_a_machine_would(question: str, named: list[str]) -> None:
    assert identifiers(question) == named


def test_a_name_may_be_one_of_many_that_a_text_gives_a_pattern_for() -> None:
    assert "MY_PATH_<" in forms_of("MY_PATH_PYTHON3")
    assert forms_of("max_size") == ["max_size"]
