"""Dates and times: every way to write one is equal."""

from __future__ import annotations

import pytest

from rag.text.dates import blanked, moments, says


@pytest.mark.parametrize(
    ("claim", "evidence", "said"),
    [
        ("3 March 2024", "2024-03-03", True),
        ("March 3rd, 2024", "03.03.2024", True),
        ("3 April 2024", "03/04/2024", True),
        ("4 March 2024", "03/04/2024", True),
        ("5 May 2024", "03/04/2024", False),
        ("June 2022", "14 June 2022", True),
        ("Q3 2023", "the third quarter of 2023", True),
        ("in Q1 2023", "in March 2023", True),
        ("the 1990s", "in 1994", True),
        ("the nineteenth century", "in 1890", True),
        ("in 2017", "from 2015 to 2019", True),
        ("in 2021", "from 2015 to 2019", False),
        ("on Wednesday", "from Monday to Friday", True),
        ("on Sundays", "on weekdays", False),
        ("at 17:30", "at 5:30 pm", True),
        ("at noon", "at 12:00", True),
        ("at half past nine", "at 9:30 am", True),
        ("at 8 pm", "from 06:00 to 22:00", True),
        ("on 4 November", "from 4 to 8 November 2024", True),
        ("am 3. März 2024", "2024-03-03", True),
        ("in spring 2020", "in April 2020", True),
        ("in autumn 2020", "in spring 2020 and in autumn 2021", False),
        ("in the late 18th century", "on 8 Aug. 1786", True),
        ("at the end of 2026", "in mid-2026", False),
        ("at 19:45", "at a quarter to eight in the evening", True),
        ("at 9 pm", "at 9 in the evening", True),
        ("in the morning", "in the evening", False),
        ("in the morning", "at 9:15 am", True),
        ("in early 2020", "in the first quarter of 2020", True),
        ("on Saturdays", "Mon–Fri 8:00–18:00 and Sat 9:00–13:00", True),
    ],
)
def test_moments(claim: str, evidence: str, said: bool) -> None:
    found = [any(says(m, other) for other in moments(evidence)) for m in moments(claim)]
    assert found and any(found) is said


def test_a_verb_and_a_count_are_no_dates() -> None:
    assert moments("You may go. The hall seats 2017 people.") == ()
    assert blanked("on 3 May 2024 at 9 am").split() == ["on", "at"]
