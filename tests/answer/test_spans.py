import pytest

from rag.answer.questions import understand
from rag.answer.spans import best_cell, cells, typed, types_for

TABLE = [
    ("How long do refunds take?", "A refund takes up to five business days.", "five business days"),
    ("How long is it?", "You have 30 days from delivery.", "30 days"),
    ("How long is it?", "The refund is on its way in 2 to 3 weeks.", "2 to 3 weeks"),
    ("How long is it?", "Die Frist beträgt 14 Tage.", "14 Tage"),
    ("How long is it?", "Das Geld kommt innerhalb von fünf Werktagen.", "fünf Werktagen"),
    ("How long is it?", "El reembolso tarda 14 días hábiles.", "14 días hábiles"),
    ("How long is it?", "Le remboursement prend 3 jours ouvrés.", "3 jours ouvrés"),
    ("How long is it?", "It takes half an hour.", "half an hour"),
    ("How often is it?", "The bucket is emptied every 24 hours.", "every 24 hours"),
    ("How often is it?", "Backups are made daily at night.", "daily"),
    ("How much does it cost?", "It costs EUR 8.99 a month.", "EUR 8.99"),
    ("How much does it cost?", "Der Abzug beträgt 14,00 EUR.", "14,00 EUR"),
    ("How much does it cost?", "It sold for $3.5 million.", "$3.5 million"),
    ("How much does it cost?", "Storage costs us 21 cents.", "21 cents"),
    ("How much does it cost?", "It is £1,200 in all.", "£1,200"),
    ("What percentage is it?", "The fee is 10 % of the price.", "10 %"),
    ("What percentage is it?", "About 12.5 percent agreed.", "12.5 percent"),
    ("What percentage is it?", "Das sind 15 Prozent.", "15 Prozent"),
    ("When did it happen?", "It began on 19 August 2024.", "19 August 2024"),
    ("When did it happen?", "It began on August 19, 2024.", "August 19, 2024"),
    ("When did it happen?", "It began on 2024-08-19.", "2024-08-19"),
    ("When did it happen?", "Es begann am 19. August 2024.", "19. August 2024"),
    ("When did it happen?", "Empezó el 2 de marzo de 2024.", "2 de marzo de 2024"),
    ("When did it happen?", "It was founded in 1066.", "1066"),
    ("When did it happen?", "This was in the 1990s.", "1990s"),
    ("When did it happen?", "It ended in March 2024.", "March 2024"),
    ("When did it happen?", "It is the 10th century.", "10th century"),
    ("What time is it?", "We open at 09:00 CET.", "09:00 CET"),
    ("What time is it?", "Calls end at 5 p.m. there.", "5 p.m."),
    ("What time is it?", "Geöffnet von 8 bis 18 Uhr.", "von 8 bis 18 Uhr"),
    ("How many devices are there?", "The plan holds 250 devices.", "250"),
    ("How many devices are there?", "It holds 1,000 of them.", "1,000"),
    ("How many cameras are there?", "Plus includes four cameras.", "four"),
    ("How high is it?", "The mast is 12 m high.", "12 m"),
    ("Who met him?", "The duke met Robert de Grandmesnil.", "Robert de Grandmesnil"),
    ("Who was it?", "They chose William the Conqueror.", "William the Conqueror"),
    ("Where is it?", "The warehouse is in Venlo.", "Venlo"),
    ("Which battle was it?", "They fought the Battle of Hastings.", "Battle of Hastings"),
    ("What email address do I use?", "Write to help@wren.example today.", "help@wren.example"),
    ("What is the URL?", "See https://api.wren.example/v2 for it.", "https://api.wren.example/v2"),
    ("What is the phone number?", "Call +31 20 555 0100 now.", "+31 20 555 0100"),
]


@pytest.mark.parametrize(("question", "sentence", "expected"), TABLE)
def test_first_span(question, sentence, expected):
    found = typed(sentence, types_for(understand(question)))
    assert sentence[found[0].start : found[0].end] == expected


@pytest.mark.parametrize(
    ("sentence", "name"),
    [
        ("There is nothing to see here.", "date"),
        ("He may leave in version 2.1 of it.", "date"),
        ("The first one is red.", "money"),
        ("It is as good as new.", "percent"),
        ("all in lower case", "name"),
        ("Refunds are quick.", "name"),
    ],
)
def test_no_span(sentence, name):
    assert typed(sentence, (name,)) == []


ROW = "Plan: Family; Month: 6.99; Year: 69.90; Devices: 40; Video history: 21 days; Users: 8"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How much does Family cost per month?", "6.99"),
        ("How much is Family for a year?", "69.90"),
        ("How many devices on Family?", "40"),
        ("How long is the video history of the Family plan?", "21 days"),
        ("How many users does Family have?", "8"),
        ("Which plan has 8 users?", "Family"),
    ],
)
def test_cell(question, expected):
    cell, fit = best_cell(understand(question), ROW, "en")
    assert ROW[cell.start : cell.end] == expected
    assert fit > 0.5


def test_cell_of_another_row_or_of_none():
    _, fit = best_cell(understand("How much does Plus cost per month?"), ROW, "en")
    assert fit < 0.7
    assert best_cell(understand("Which plan has 9 users?"), ROW, "en") is None
    assert best_cell(understand("How long?"), "No table here.", "en") is None
    assert best_cell(understand("how long"), "id: T-1; time: 5 days", "en") is None


def test_cells_are_exact():
    assert [ROW[c.start : c.end] for c in cells(ROW)] == [
        "Family", "6.99", "69.90", "40", "21 days", "8",
    ]  # fmt: skip
    row = "Name: Anna; Adresse: https://a.example/x: y"
    assert [row[c.start : c.end] for c in cells(row)] == ["Anna", "https://a.example/x: y"]
