from datetime import date

import pytest

from rag.answer.question import terms_of, typed, understand


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ("How long do refunds take?", "duration"),
        ("How many days do I have to return hardware?", "duration"),
        ("How often are backups made?", "duration"),
        ("refund time plus plan", "duration"),
        ("When did the recall begin?", "date"),
        ("In what year was the company founded?", "date"),
        ("What time does support open?", "date"),
        ("How much does the Family plan cost?", "money"),
        ("What is the fee above the limit?", "money"),
        ("price family plan", "money"),
        ("What percentage is deducted?", "percent"),
        ("How many devices can I pair?", "number"),
        ("Who wrote the guide?", "open"),
        ("Where is the repair centre?", "open"),
        ("Which plan includes phone support?", "open"),
        ("Can I return an opened device?", "yesno"),
        ("Is there a restocking fee?", "yesno"),
        ("What is a pairing code?", "open"),
        ("What does error E-104 mean?", "open"),
        ("How do I reset my hub?", "procedure"),
        ("steps to cancel", "procedure"),
        ("reset hub", "procedure"),
        ("Why is my ring red?", "open"),
        ("What is the difference between Plus and Family?", "comparison"),
        ("Plus vs Family", "comparison"),
        ("What happens if I lose my phone?", "open"),
        ("E-117", "open"),
        ("Wie lange dauert die Rückerstattung?", "duration"),
        ("Wie kann ich meinen Hub zurücksetzen?", "procedure"),
        ("Was kostet der Tarif Family?", "money"),
        ("Wann begann der Rückruf?", "date"),
        ("Warum blinkt der Ring?", "open"),
        ("Was ist ein Kopplungscode?", "open"),
        ("Kann ich ein Gerät zurückgeben?", "yesno"),
        ("¿Cuánto cuesta el plan Family?", "money"),
        ("¿Cuánto tiempo tarda el reembolso?", "duration"),
        ("¿Cómo puedo cancelar?", "procedure"),
        ("Combien de temps dure la garantie ?", "duration"),
        ("Comment puis-je annuler ?", "procedure"),
        ("Pourquoi le voyant est-il rouge ?", "open"),
    ],
)
def test_type(text, wants):
    assert understand(text).wants == wants


@pytest.mark.parametrize(
    "text",
    [
        "compare network reset and factory reset",
        "Which is cheaper, Plus or Family?",
        "Is Plus cheaper than Family?",
        "Unterschied zwischen Plus und Family",
    ],
)
def test_two_things_held_against_each_other(text):
    assert understand(text).wants == "comparison"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("What was the fee in 2023?", date(2023, 12, 31)),
        ("As of March 2024, what was the fee?", date(2024, 3, 31)),
        ("What was the fee on 5 May 2024?", date(2024, 5, 5)),
        ("fee on 2024-02-10", date(2024, 2, 10)),
        ("fee on 2024-02", date(2024, 2, 29)),
        ("Wie hoch war die Gebühr im Jahr 2023?", date(2023, 12, 31)),
        ("What is the fee?", None),
        ("What happened at 2024-99-01?", None),
        ("Error 2023 on the hub", None),
    ],
)
def test_date_of_the_question(text, day):
    assert understand(text).as_of == day


def test_terms_leave_out_the_asking():
    assert terms_of("How much does the Family plan cost?", "en") == ("famili", "plan")
    assert terms_of("Wie lange dauert die Rückerstattung?", "de") == ("ruckerstatt",)
    assert "die" not in terms_of("Wie lange dauert die Rückerstattung?", "en")
    assert terms_of("What does it mean?", "en")  # nothing else is left, so this counts


def test_odd_questions_do_not_fail():
    for text in ("", "?", "…", "  ", "🙂", "a" * 4000, "(((", "how how how " * 300):
        understand(text)


SPANS = [
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
]


@pytest.mark.parametrize(("question", "sentence", "expected"), SPANS)
def test_first_span(question, sentence, expected):
    found = typed(sentence, understand(question).types)
    assert sentence[found[0].start : found[0].end] == expected


@pytest.mark.parametrize(
    ("sentence", "name"),
    [
        ("There is nothing to see here.", "date"),
        ("He may leave in version 2.1 of it.", "date"),
        ("The first one is red.", "money"),
        ("It is as good as new.", "percent"),
    ],
)
def test_no_span(sentence, name):
    assert typed(sentence, (name,)) == []
