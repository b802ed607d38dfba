"""The language of documents and of short questions: precision before recall."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rag.text.language import detect


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How long does delivery take?", "en"),
        ("what is the price of the pro plan", "en"),
        ("Wie lange dauert die Lieferung?", "de"),
        ("Combien de temps prend la livraison ?", "fr"),
        ("¿Cuánto tarda la entrega del pedido?", "es"),
        ("Quanto tempo ci vuole per la consegna?", "it"),
        ("Quanto tempo demora a entrega da encomenda?", "pt"),
        ("Hoe lang duurt de levering van mijn bestelling?", "nl"),
        ("Сколько времени занимает доставка?", "ru"),
        ("Скільки часу займає доставка?", "uk"),
        ("配送にはどのくらいかかりますか", "ja"),
        ("配送需要多长时间", "zh"),
        ("배송은 얼마나 걸리나요", "ko"),
        ("Πόσο διαρκεί η παράδοση;", "el"),
        ("كم يستغرق التوصيل؟", "ar"),
        ("डिलीवरी में कितना समय लगता है?", "hi"),
        ("การจัดส่งใช้เวลานานเท่าไร", "th"),
    ],
)
def test_questions(text: str, language: str) -> None:
    found, probability = detect(text)
    assert found == language
    assert 0.3 < probability <= 1


@pytest.mark.parametrize(
    "text",
    [
        "asyncio queue maxsize",
        "git rebase --onto",
        "SLA 2025",
        "WC-20 PoE 802.3af",
        "iPhone",
        "What does 愛 mean?",
        "Who wrote Les Misérables?",
    ],
)
def test_terms_and_names_are_not_taken_for_another_language(text: str) -> None:
    assert detect(text)[0] in ("en", None)


@pytest.mark.parametrize("text", ["", "  ", "12345", "?!", "🙂"])
def test_no_letters_no_language(text: str) -> None:
    assert detect(text) == (None, 0.0)


def test_a_plain_english_question_does_not_load_the_model() -> None:
    script = (
        "import sys; from rag.text.language import detect;"
        "assert detect('How long does the delivery take?')[0] == 'en';"
        "assert 'py3langid' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
