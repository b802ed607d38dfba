import time
from datetime import date

import pytest
from answer_helpers import check_exact, passage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.answer.extract import ExtractiveGenerator, dangles
from rag.answer.question import understand
from rag.answer.reader import read_words
from rag.protocols import Generator
from rag.settings import AnswerSettings
from rag.types import Reading, Scope

REFUNDS = passage(
    "You have 30 days from delivery to return hardware. The box may be open. "
    "Once the parcel is scanned, a refund takes up to five business days. "
    "Banks add one to three days of their own.",
    title="Getting your money back", uri="refunds.md",
)  # fmt: skip
STEPS = passage(
    "## Factory reset\n\nDo this before you sell a Hub:\n\n"
    "1. Make a backup of the Hub.\n2. Remove the Hub from your account. Wait for the mail.\n"
    "3. Hold the button for twenty seconds.\n\nThe Hub is as new.",
    title="Resetting a Hub", headings=("Factory reset",), uri="reset.md",
)  # fmt: skip
PLANS = passage(
    "Plan: Plus; Price per month: EUR 4.99; Devices: 20; Support: chat\n"
    "Plan: Family; Price per month: EUR 8.99; Devices: 50; Support: chat and phone",
    title="Plans and prices", uri="plans.md",
)  # fmt: skip


def as_read(given, *sentences, answers=()):
    """A passage with (start, end, relevance) of its sentences, as if it had been read."""
    reading = Reading(relevance=0.9, no_answer=0.1, answers=answers, sentences=sentences)
    return given.model_copy(update={"reading": reading})


def texts(sentences):
    return [s.text for s in sentences]


def test_the_words_that_were_asked_for_are_highlighted_in_their_sentence(ask):
    answer = ask("How long does a refund take?", REFUNDS)
    assert answer[0].text.startswith("Once the parcel is scanned")
    assert answer[0].highlighted == "five business days"
    assert not any(sentence.highlight for sentence in answer[1:])


@pytest.mark.parametrize("read", [True, False])
def test_works_without_a_reading(ask, read):
    answer = ask("How long does a refund take?", STEPS, REFUNDS, read=read)
    assert any("five business days" in text for text in texts(answer))


def test_steps_come_whole_and_in_order(ask):
    answer = ask("How do I do a factory reset of my Hub?", REFUNDS, STEPS)
    assert texts(answer) == [
        "Do this before you sell a Hub:",
        "Make a backup of the Hub.",
        "Remove the Hub from your account. Wait for the mail.",
        "Hold the button for twenty seconds.",
    ]
    assert [s.kind for s in answer] == ["text", "step", "step", "step"]
    assert [s.marker for s in answer] == ["", "1.", "2.", "3."]


def test_most_steps(ask):
    answer = ask("How do I do a factory reset of my Hub?", STEPS, max_steps=2)
    assert [s.marker for s in answer] == ["", "1.", "2."]


def test_steps_go_on_in_the_next_chunk_and_before(ask):
    first = passage("1. Open the app.\n2. Tap Cancel.", title="Cancel a plan", uri="c.md")
    second = passage(
        "3. Confirm.\n4. Keep the mail.", title="Cancel a plan", uri="c.md",
        start=first.chunk.end + 1, score=0.9,
    )  # fmt: skip
    for given_ in ((first, second), (second, first)):
        answer = ask("How do I cancel my plan?", *given_)
        assert [s.marker for s in answer] == ["1.", "2.", "3.", "4."]
        assert texts(answer)[2] == "Confirm."


def test_two_lists_are_told_apart_by_their_headings(ask):
    lists = passage(
        "## Network reset\n\n1. Hold for ten seconds.\n2. Choose a network.\n\n"
        "## Factory reset\n\n1. Hold for twenty seconds.\n2. Let go at red.",
        title="Network reset and factory reset", uri="r.md",
    )  # fmt: skip
    assert texts(ask("How do I do a factory reset?", lists))[0] == "Hold for twenty seconds."
    assert texts(ask("How do I do a network reset?", lists))[0] == "Hold for ten seconds."


def test_german_steps(ask):
    steps = passage(
        "## Hub zurücksetzen\n\n1. Halten Sie die Taste gedrückt.\n2. Warten Sie zwei Minuten.",
        title="Hub zurücksetzen", uri="de.md", language="de",
    )  # fmt: skip
    answer = ask("Wie kann ich meinen Hub zurücksetzen?", steps)
    assert [s.marker for s in answer] == ["1.", "2."]


def test_german_fact(ask):
    money = passage(
        "Das Etikett ist kostenlos. Die Rückerstattung dauert fünf Werktage. Danke.",
        title="Erstattung", uri="de.md", language="de",
    )  # fmt: skip
    answer = ask("Wie lange dauert die Rückerstattung?", money)
    assert "Die Rückerstattung dauert fünf Werktage." in texts(answer)


def test_a_cell_is_highlighted_in_its_row(ask):
    answer = ask("How much is the Family plan per month?", PLANS)
    assert texts(answer)[0].startswith("Plan: Family")
    assert answer[0].highlighted == "EUR 8.99"


def test_a_figure_is_highlighted_with_its_sign(ask):
    cold = passage("The hub works at -10 °C and above. It is white.", title="Hub", uri="hub.md")
    text = cold.chunk.text
    at = text.index("10 °C")
    cold = as_read(cold, (0, text.index(" It is"), 0.9), answers=((at, at + 5, 0.9),))
    answer = ask("How cold may it be?", cold, read=False)
    assert answer[0].highlighted == "-10 °C"


def test_a_line_that_leads_to_a_list_brings_it(ask):
    hub = passage(
        "The hub is set up once. Without settings it makes a file that:\n\n"
        "- names the rooms\n- turns on the lights\n\nIt is white.",
        title="Hub", uri="hub.md",
    )  # fmt: skip
    text = hub.chunk.text
    first, second = text.index(" Without"), text.index("\n")
    hub = as_read(hub, (0, first, 0.9), (first + 1, second, 0.8))
    answer = ask("What does setup do?", hub, read=False)
    assert [(s.kind, s.text) for s in answer] == [
        ("text", "The hub is set up once."),
        ("text", "Without settings it makes a file that:"),
        ("item", "names the rooms"),
        ("item", "turns on the lights"),
    ]


def test_what_leans_on_its_heading_is_shown_with_it(ask):
    text = "- use it outdoors, or near a pool\n- cover it with a cloth"
    plug = passage(text, title="Plug", uri="plug.md", headings=("Do not",))
    first = text.index("\n")
    answer = ask("Can I use it outdoors?", as_read(plug, (2, first, 0.9)), read=False)
    assert [(s.subject, s.text) for s in answer] == [("Do not", "use it outdoors, or near a pool")]


def test_an_item_that_is_no_sentence_is_shown_with_its_heading(ask):
    text = "- Water damage\n- Damage by fire is paid by your insurance."
    terms = passage(text, title="Terms", uri="terms.md", headings=("Not covered",))
    for start, end, subject in ((2, text.index("\n"), "Not covered"), (17, len(text), "")):
        [answer] = ask("Is it covered?", as_read(terms, (start, end, 0.9)), read=False)
        assert (answer.subject, answer.text) == (subject, text[start:end])


def test_a_pronoun_is_shown_with_what_it_stands_for(ask):
    text = "It has a sensor against dry running. The cable is 10 metres long."
    pump = passage(text, title="Pumps", uri="pumps.md", headings=("Aquila P250",))
    end = text.index(" The")
    answer = ask("Does it have a sensor?", as_read(pump, (0, end, 0.9)), read=False)
    assert [s.subject for s in answer] == ["Aquila P250"]


def test_a_comparison_shows_both_sides(ask):
    answer = ask("What is the difference between Plus and Family?", REFUNDS, PLANS)
    assert sorted(text[:12] for text in texts(answer)[:2]) == ["Plan: Family", "Plan: Plus; "]


def test_a_comparison_over_documents(ask):
    hub = passage("The Wren Hub knows only 2.4 GHz Wi-Fi.", title="Wren Hub", uri="1.md")
    cam = passage("The Wren Cam knows 5 GHz Wi-Fi too.", title="Wren Cam", uri="2.md")
    answer = ask("Compare the Wi-Fi of the Hub and the Cam", hub, cam)
    assert {c.uri for s in answer for c in s.citations} == {"1.md", "2.md"}


def test_a_definition_is_preferred(ask):
    glossary = passage(
        "Type the pairing code in the app. A pairing code is a number printed under the Hub. "
        "The pairing code expires.",
        title="Words", uri="g.md",
    )  # fmt: skip
    answer = ask("What is a pairing code?", glossary)
    assert "A pairing code is a number printed under the Hub." in texts(answer)[:2]


def test_a_label_stays_with_its_definition(ask):
    glossary = passage("Zone. Area drawn in the picture.\n\nTariff. Price of power.", uri="g.md")
    assert texts(ask("What is a zone?", glossary))[0] == "Zone. Area drawn in the picture."


def test_yes_or_no_leads_with_what_decides(ask):
    answer = ask("May the box be open?", REFUNDS)
    assert texts(answer)[0] == "The box may be open."


def test_a_question_in_the_text_is_answered_not_quoted(ask):
    faq = passage(
        "Do hubs count as devices? No. They never have.\n\nIs it free? Live view stays free.",
        title="FAQ", uri="faq.md",
    )  # fmt: skip
    answer = ask("Do hubs count as devices?", faq)
    assert not any("?" in text for text in texts(answer))
    assert answer


def test_a_leaning_sentence_brings_the_one_before_it(ask):
    text = passage("The Hub has a battery. It keeps radios and automations running.", uri="h.md")
    answer = texts(ask("What keeps radios and automations running?", text))
    assert answer == ["The Hub has a battery.", "It keeps radios and automations running."]


def test_nothing_is_said_twice(ask):
    copies = [
        passage("A refund takes up to five business days.", uri=f"{n}.md", title="Refunds")
        for n in range(4)
    ]
    answer = ask("How long does a refund take?", *copies)
    assert len([s for s in answer if s.kind == "text"]) == 1


def test_at_most_as_many_sentences_as_set(ask):
    long = passage(" ".join(f"The hub number {n} needs port {n}." for n in range(30)), uri="l.md")
    assert len(ask("Which ports does the hub need?", long)) <= 5
    text = [s for s in ask("hub port", long, max_sentences=1) if s.kind == "text"]
    assert len(text) <= 1


@pytest.mark.parametrize(
    ("sentence", "leans"),
    [
        ("It keeps running.", True), ("However, it ends.", True), ("In this case we pay.", True),
        ("The Hub keeps running.", False), ("Item prices vary.", False),
        ("Dabei hilft die App.", True), ("Thesis work is free.", False),
    ],
)  # fmt: skip
def test_dangles(sentence, leans):
    assert dangles(sentence) is leans


@pytest.mark.parametrize("text", ["", " ", "\n\n", "## Only a heading", "```\n```"])
def test_passages_without_sentences(ask, text):
    assert ask("How long does it take?", passage(text)) == []
    assert ask("How long does it take?", passage(text), read=False) == []


def test_no_passages(ask):
    assert ask("How long?") == []
    assert read_words(understand("How long?"), []).readings([]) == []


def test_long_passages_are_read_in_time(ask):
    filler = "The quick brown fox jumps over the lazy dog near the river bank. " * 160
    long = [passage(filler + REFUNDS.chunk.text, uri=f"{n}.md") for n in range(8)]
    began = time.perf_counter()
    answer = ask("How long does a refund take?", *long)
    assert time.perf_counter() - began < 20
    assert "five business days" in " ".join(texts(answer))


def test_the_same_every_time(ask):
    drafts = [ask("How long does a refund take?", REFUNDS, STEPS, PLANS) for _ in range(3)]
    assert drafts[0] == drafts[1] == drafts[2]


def test_newer_version_is_answered_from(ask):
    old = passage(
        "Hardware may be returned within 14 days of delivery.",
        title="Policy (version 2)", uri="old.md", published=date(2023, 4, 1),
    )  # fmt: skip
    new = passage(
        "Hardware may be returned within 30 days of delivery.",
        title="Policy (version 3)", uri="new.md", published=date(2025, 2, 1), score=0.8,
    )  # fmt: skip
    assert "14" not in " ".join(texts(ask("How long may hardware be returned?", old, new)))
    assert "30" not in " ".join(
        texts(ask("How long could hardware be returned in 2023?", old, new))
    )


def test_is_a_generator():
    generator = ExtractiveGenerator(AnswerSettings())
    assert isinstance(generator, Generator)
    assert generator.name == "extractive"


_WORDS = st.sampled_from(
    "refund days 30 EUR 5 . : ; | ? ! - 1. 2. # ## \n \n\n the Hub It costs Plan: Price: "
    "Müller ß 日本。 “quoted” (a) ``` é\u0301 🙂 \t * i.e. may 2024-01-05 a@b.example".split(" ")
)
_TEXT = st.lists(_WORDS, max_size=60).map(" ".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    question=st.sampled_from(
        ["How long do refunds take?", "How do I reset the Hub?", "refund", "Hub or Plan?",
         "What is the difference between Hub and Plan?", "What is a Hub?", "Is it 30?", "", "?",
         "Price in 2024", "Wie lange dauert das?"]
    ),
    parts=st.lists(_TEXT | st.text(max_size=80), max_size=4),
    read=st.booleans(),
)  # fmt: skip
def test_every_span_is_exact(question, parts, read):
    given_ = [
        passage(text, uri=f"{n % 2}.md", start=1000 * n, published=date(2020 + n, 1, 1))
        for n, text in enumerate(parts)
    ]
    seen = read_words(understand(question), given_).readings(given_) if read else given_
    check_exact(list(ExtractiveGenerator(AnswerSettings()).draft(question, seen, [])), given_)
    for before, after in zip(given_, seen, strict=True):
        reading = after.reading
        assert after.chunk == before.chunk
        if reading:
            assert 0 <= reading.no_answer <= 1
            for start, end, p in (*reading.sentences, *reading.answers):
                assert 0 <= start < end <= len(before.chunk.text)
                assert 0 <= p <= 1


def test_what_a_customer_asked_is_no_answer(ask):
    ticket = passage(
        "customer_message: Which battery does the door sensor use? You say CR1.\n\n"
        "resolution: It uses a CR2032.",
        uri="t.jsonl",
    )
    answer = texts(ask("Which battery does the door sensor use?", ticket))
    assert answer[-1] == "resolution: It uses a CR2032."
    assert "You say CR1." not in answer


def test_steps_whose_heading_says_nothing(ask):
    steps = passage("## Steps\n\n1. Ask for a return number.\n2. Post the parcel.", uri="s.md")
    assert [s.marker for s in ask("How do I get a return number?", steps)] == ["1.", "2."]


def test_a_sentence_of_an_entry_is_shown_under_its_term(ask):
    text = "- pool_size: How many are kept ready.\n\n  It is 20 when nothing is set."
    scope = Scope(kind="term", title="pool_size", start=0, end=len(text))
    source = passage(text).model_copy(update={"scopes": (scope,)})
    sentences = ask("What is pool_size when nothing is set?", source)
    [told] = [one for one in sentences if one.kind == "text" and "20" in one.text]
    before = sentences[: sentences.index(told)]
    assert "pool_size" in told.shown or any("pool_size" in one.shown for one in before)
    assert told.citations[0].quote == told.text == "It is 20 when nothing is set."


def test_code_comes_with_the_line_that_introduces_it(ask):
    text = "Restart the hub from the command line like this:\n\n```\nhub restart --now\n```\n\nBye."
    sentences = ask("How can the hub be restarted from the command line?", passage(text))
    assert [one.kind for one in sentences][:2] == ["text", "code"]
    assert sentences[1].text == "```\nhub restart --now\n```"
