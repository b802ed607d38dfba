from datetime import date

import pytest

from rag.answer.questions import terms_of, understand


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ("How long do refunds take?", "duration"),
        ("How many days do I have to return hardware?", "duration"),
        ("How often are backups made?", "duration"),
        ("refund time plus plan", "duration"),
        ("When did the recall begin?", "date"),
        ("In what year was the company founded?", "date"),
        ("What time does support open?", "time"),
        ("How much does the Family plan cost?", "money"),
        ("What is the fee above the limit?", "money"),
        ("price family plan", "money"),
        ("What percentage is deducted?", "percent"),
        ("How many devices can I pair?", "number"),
        ("Who wrote the guide?", "person"),
        ("Where is the repair centre?", "place"),
        ("Which plan includes phone support?", "name"),
        ("What email address do complaints go to?", "email"),
        ("What is the phone number of support?", "phone"),
        ("What is the base address of the API?", "url"),
        ("Can I return an opened device?", "yesno"),
        ("Is there a restocking fee?", "yesno"),
        ("What is a pairing code?", "definition"),
        ("What does error E-104 mean?", "definition"),
        ("How do I reset my hub?", "procedure"),
        ("steps to cancel", "procedure"),
        ("reset hub", "procedure"),
        ("Why is my ring red?", "reason"),
        ("What is the difference between Plus and Family?", "comparison"),
        ("Plus vs Family", "comparison"),
        ("What happens if I lose my phone?", "open"),
        ("E-117", "open"),
        ("Wie lange dauert die Rückerstattung?", "duration"),
        ("Wie kann ich meinen Hub zurücksetzen?", "procedure"),
        ("Was kostet der Tarif Family?", "money"),
        ("Wann begann der Rückruf?", "date"),
        ("Warum blinkt der Ring?", "reason"),
        ("Was ist ein Kopplungscode?", "definition"),
        ("Kann ich ein Gerät zurückgeben?", "yesno"),
        ("¿Cuánto cuesta el plan Family?", "money"),
        ("¿Cuánto tiempo tarda el reembolso?", "duration"),
        ("¿Cómo puedo cancelar?", "procedure"),
        ("Combien de temps dure la garantie ?", "duration"),
        ("Comment puis-je annuler ?", "procedure"),
        ("Pourquoi le voyant est-il rouge ?", "reason"),
    ],
)
def test_type(text, wants):
    assert understand(text).wants == wants


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("What is the difference between Plus and Family?", ("Plus", "Family")),
        ("compare network reset and factory reset", ("network reset", "factory reset")),
        ("Plus vs Family", ("Plus", "Family")),
        ("Which is cheaper, Plus or Family?", ("Plus", "Family")),
        ("Is Plus cheaper than Family?", ("Plus", "Family")),
        ("Unterschied zwischen Plus und Family", ("Plus", "Family")),
    ],
)
def test_sides(text, sides):
    assert understand(text).sides == sides


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
