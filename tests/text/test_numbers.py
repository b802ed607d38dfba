"""Quantities: every way to write one is equal."""

from __future__ import annotations

import pytest

from rag.text.numbers import quantities, same


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1,200 pallets", "1200 pallets", True),
        ("45 , 000 species", "45,000 species", True),
        ("1.000 Euro", "1000 Euro", True),
        ("2,5 kg", "2.5 kg", True),
        ("a dozen eggs", "twelve eggs", True),
        ("two hundred and fifty people", "250 people", True),
        ("the twenty-fifth", "the 25th", True),
        ("€3.5 million", "3,500,000 euros", True),
        ("$2.4k", "2,400 dollars", True),
        ("20 dollars", "20 euros", False),
        ("1.5 km", "1,500 metres", True),
        ("5 kg", "5 g", False),
        ("75 cl", "750 ml", True),
        ("ninety minutes", "one and a half hours", True),
        ("two weeks", "14 days", True),
        ("a fortnight is two weeks", "14 days", True),
        ("24 months", "2 years", True),
        ("six weeks", "six months", False),
        ("half of the water", "50 % of the water", True),
        ("three quarters of the staff", "75 percent of the staff", True),
        ("half a watt", "0.5 W", True),
        ("minus 18 degrees", "-18 °C", True),
        ("minus 18 degrees", "plus 18 degrees", False),
        ("30 users", "30 %", False),
        ("15 %", "30 of the 200 users", True),
        ("40 bottles per hour", "40 bottles a minute", False),
        ("version 2", "v2", True),
        ("about 5,000 people", "4,950 people", True),
        ("version 2.2.1", "version 2.2.10", False),
        ("fifteen paid leave days", "15 days", True),
        ("2 hours 30 minutes", "150 minutes", True),
        ("2½ hours", "two and a half hours", True),
        ("twice a week", "weekly", False),
        ("3/4 of the staff", "75 % of the staff", True),
        ("one in five patients", "20% of patients", True),
        ("of the 60 seats, 15", "25 % of the seats", True),
        ("two thirds of the men", "67% of the men", True),
        ("grew by half", "grew by 50 %", True),
        ("double the rate", "twice the rate", True),
        ("5 miles", "8 km", True),
        ("98.6 °F", "37 °C", True),
        ("120 m²", "120 square metres", True),
        ("10 hectares", "0.1 square kilometres", True),
        ("2.3 million people", "2,314,559 people", True),
        ("2.4 million people", "2,314,559 people", False),
    ],
)
def test_quantities(one: str, other: str, equal: bool) -> None:
    assert any(same(a, b) for a in quantities(one) for b in quantities(other)) is equal
