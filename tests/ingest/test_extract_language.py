"""The language of documents and of short questions: precision before recall."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rag.text.language import detect, language_of


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


JAPANESE = "パッケージの依存関係が満たされていないときは破損しているといいます。"
RUSSIAN = "Пакет считается повреждённым, если его зависимости не удовлетворены. "
ENGLISH = "The package is broken when the things that it depends on are not there. "


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (f"aptitude の使い方。{JAPANESE}apt-get install libfoo-dev libbar などを使います。", "ja"),
        ("設定 ファイル：The quick settings パネル", "ja"),
        ("如何在 Debian 系统上安装 nginx 和 redis", "zh"),
        ("《の》是一本关于日本的书，作者在书中讲述了他在东京的生活和工作。", "zh"),
        ("관리자는 apt-get install libfoo 명령으로 패키지를 설치합니다", "ko"),
        ("Как настроить nginx и redis на Debian", "ru"),
        (f"Введение. {ENGLISH * 3}", "en"),
        (f"Table of Contents 1. Introduction 2. Index {JAPANESE * 60}", "ja"),
        (f"{'Contents Index Preface ' * 60}{RUSSIAN * 200}", "ru"),
        ("What does 愛してる mean?", "en"),
        ("أريد أن أجد البرنامج التلفزيوني From Where to Eternity", "ar"),
    ],
)
def test_a_script_with_latin_names_in_it(text: str, language: str) -> None:
    assert detect(text)[0] == language


def test_hashes_and_code_have_no_language() -> None:
    hashes = (
        "alabaster==0.7.16 --hash=sha256:75a8b99c28a5dad50dd7f8ccdd447a121ddb3892da9e53d1ca \\ "
    )
    assert detect(hashes * 40)[0] is None
    assert detect("https://a.org/wiki/Der_Müller user@a.org self.words foo_bar() " * 9)[0] is None
    assert detect(f"{RUSSIAN} {hashes * 3}")[0] == "ru"


def test_a_text_in_two_scripts_is_in_neither_language() -> None:
    assert detect((RUSSIAN + "Ein Paket ist kaputt, wenn ihm etwas fehlt oder nicht passt. ") * 9)[
        0
    ] in ("ru", None)


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        (ENGLISH, "ch", "en"),
        (ENGLISH, "zz", "en"),
        (RUSSIAN, "en", "ru"),
        (JAPANESE, "zh", "ja"),
        (JAPANESE, "tw", "ja"),
        ("東京", "ja", "ja"),
        ("Preglednica", "sl", "sl"),
        ("O paquete está roto cando lle faltan cousas das que depende.", "gl", "gl"),
        ("Paket je pokvaren.", "sr", "sr"),
        ("12345", "de", "de"),
    ],
)
def test_a_declared_language_is_believed_unless_it_cannot_be(
    text: str, declared: str, language: str
) -> None:
    assert language_of(text, declared) == language
