"""Sentences about another year, code, release, colour or country than the question's."""

from __future__ import annotations

import time

import pytest

from rag.answer.abstain import Rivals


@pytest.mark.parametrize(
    ("question", "text", "rival"),
    [
        ("How many tonnes came back in 2024?", "In 2023 we received 11.4 tonnes.", "2023"),
        ("How many Hubs were online in November 2025?",
         "Measure: Hubs online; January 2025: 141,700", "January 2025"),
        ("Are you open on Sunday?", "Day: Saturday; Hours: 10-16", "Saturday"),
        ("Leak sensor shows L-05. What now?", "Code: L-04; Meaning: contacts dirty", "L-04"),
        ("On what day was app 5.9 released?", "App 5.8 came on 24 March.", "App 5.8"),
        ("What changed in firmware 4.7.1?", "We stopped three: 4.3.1, 4.5.2 and 4.7.0.", "4.3.1"),
        ("What does section 4 say?", "Section 9 says that nobody pays.", "Section 9"),
        ("When did version 5 of the handbook come out?", "Version 7, in force from 15 January.",
         "Version 7"),
        ("What does slowly blinking turquoise mean?", "Colour: Violet; Slow: not used",
         "Violet"),
        ("Which carrier brings parcels to Luxembourg?", "Country: Germany; Carrier: Paketweg",
         "Germany"),
        ("Qui livre au Luxembourg ?", "Pays : Allemagne ; Transporteur : Paketweg", "Allemagne"),
        ("What happened in the UK?", "The Netherlands imposed prison sentences.", "Netherlands"),
    ],
)  # fmt: skip
def test_what_stands_in_its_place_is_named(question: str, text: str, rival: str) -> None:
    assert Rivals(question).of(text) == rival


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How many tonnes came back in 2024?", "We received 11.4 tonnes in 2024, 9 in 2023."),
        ("How many tonnes came back in 2024?", "We received 11.4 tonnes."),
        ("What held in 2024?", "Since 2023 returns are free."),  # bounds hold of later years too
        ("What was the fee in 2024?", "Orders before the release of March 2025 cost EUR 3."),
        ("I ordered on 20 May 2024. What holds?", "From 1 June 2024 there are six months."),
        ("What happened after 2020?", "In 2023 the company was sold."),
        ("What does L-05 mean?", "L-05: the probe is dry. L-04: contacts dirty."),
        ("My WC-20 shows C-14. What now?", "On a WC-10, C-14 means that the lens is steamed up."),
        ("iOS 16.2 gives E-231.", "This happens on iOS 16.0 to 16.3."),
        ("Does it run on iOS 16.2?", "The app needs at least iOS 15.0."),
        ("Does it run on iOS 16.2?", "It runs on iOS 15.0 or later."),
        ("What changed in firmware 4.7.1?", "We stopped it on 12.6.2025 for 10.0.0.1."),
        ("My pack is B2347. Is it recalled?", "Only B2344 to B2349 are affected."),
        ("Why was I charged EUR 4.50?", "Standard costs EUR 5.95."),
        ("How much is 2.5 kg?", "Parcels of 1.5 kg cost EUR 4."),
        ("Which colour is the LED of the white Hub?", "The ring turns amber, then red."),
        ("Where do I send it from Spain?", "Send it to Venlo, Netherlands."),
        ("Which country does France trade with?", "Germany is the largest partner."),
        ("Is it sold in the United States?", "The U.S. shop opened in May."),
        ("What does it cost?", "In 2023, L-04 was violet in Germany."),
        ("", ""),
    ],
)
def test_what_does_not_exclude_the_question_passes(question: str, text: str) -> None:
    assert Rivals(question).of(text) == ""


def test_a_heading_names_what_its_rows_leave_out() -> None:
    rivals = Rivals("What is express to Luxembourg?")
    assert rivals.of("Country: Germany; Express: EUR 9", "Benelux and Germany") == "Germany"
    assert rivals.of("Country: Germany; Express: EUR 9", "Germany and Luxembourg") == ""
    assert Rivals("How much in 2024?").of("In 2023 it was 4.", "Report 2024") == "2023"


def test_long_texts_take_no_time() -> None:
    rivals = Rivals("What did release 4.1 of L-05 cost in Belgium in 2024?")
    started = time.process_time()
    for text in ("A-1 " * 20_000, "1.1.1." * 20_000, "step " * 20_000, "Ä" * 100_000):
        rivals.of(text)
    assert time.process_time() - started < 5
