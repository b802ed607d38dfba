"""Where a sentence is borne out: exact spans, with the embedder that ships."""

import pytest
from answer_helpers import passage

from rag.answer.llm.align import LONGEST, Aligner, cite, cited
from rag.answer.llm.citation_marks import parse
from rag.models.embedder import load_embedder
from rag.protocols import Embedder
from rag.settings import Settings
from rag.types import Answer


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder(Settings().models)


REFUNDS = (
    "# Refunds\n\nYou may return hardware within 30 days of delivery. The parcel must be insured. "
    "A refund takes up to five business days after the scan at the warehouse. It goes to the card "
    "that you paid with.\n\nOpened cables cannot be returned."
)
PLANS = (
    "Plan: Free; Price: EUR 0; Cameras: 1; History: 1 day\n"
    "Plan: Plus; Price: EUR 4; Cameras: 4; History: 14 days\n"
    "Plan: Family; Price: EUR 7; Cameras: 10; History: 60 days"
)
MARKDOWN_TABLE = (
    "| Region | Carrier | Delivery |\n|---|---|---|\n| Benelux | PostNL | 1 to 2 days |\n"
    "| Nordics | Bring | 3 to 5 days |\n| Iberia | Correos | 4 to 6 days |"
)
STEPS = (
    "To reset the hub:\n1. Unplug it for ten seconds.\n2. Hold the button until the light is "
    "amber.\n3. Open the app and choose Add device.\n\nIf the light stays red, call support."
)
BULLETS = (
    "The box contains:\n- the hub and its power supply\n- an Ethernet cable of two metres\n"
    "- four rubber feet"
)
BATTERY = (
    "The battery of the Wren Cam holds for six months. In the cold it holds for three. Charging "
    "takes four hours with the supplied cable. A red light means that it is nearly empty."
)
VERSIONS = (
    "Firmware 3.2 was released on 4 March 2024. It fixed the clock. Firmware 3.3 was released on "
    "19 August 2024. It added Matter."
)
PEOPLE = (
    "Imke Vandersloot founded the company in Venlo in 2014. Her brother Joost joined a year later "
    "and leads the design of the devices. The company has 210 employees."
)
GERMAN = (
    "Die Rückgabe ist innerhalb von 30 Tagen möglich. Die Erstattung dauert höchstens fünf "
    "Werktage. Geöffnete Kabel sind ausgeschlossen."
)
SPANISH = (
    "Puede devolver el producto en 30 días. El reembolso tarda cinco días hábiles. Los cables "
    "abiertos no se admiten."
)
FRENCH = (
    "Le retour est possible sous 30 jours. Le remboursement prend cinq jours ouvrés. Les câbles "
    "ouverts sont exclus."
)
MARKED = "Herons eat fish [3]. They nest in colonies [4, 5]. The chicks leave after 55 days [6]."
CODE = "Send the key in a header.\n\n```sh\ncurl -H 'X-Key: abc' https://api.wren.example\n```"
SECURITY = (
    "Clips are encrypted on the camera before they leave it. The key never leaves your phone. "
    "We therefore cannot watch your clips. Metadata is kept for 30 days."
)

TABLE = [
    (REFUNDS, "Refunds take at most five business days once the warehouse has scanned the parcel.",
     "A refund takes up to five business days after the scan at the warehouse."),
    (REFUNDS, "Hardware can be sent back for 30 days.",
     "You may return hardware within 30 days of delivery."),
    (REFUNDS, "Cables that were opened are excluded from returns.",
     "Opened cables cannot be returned."),
    (REFUNDS, "The money goes back to your payment card.",
     "It goes to the card that you paid with."),
    (REFUNDS, "You need insurance for the parcel.", "The parcel must be insured."),
    (REFUNDS, "Return the hardware within 30 days, in a parcel that is insured.",
     "You may return hardware within 30 days of delivery. The parcel must be insured."),
    (PLANS, "The Plus plan costs EUR 4.", "Plan: Plus; Price: EUR 4; Cameras: 4; History: 14 days"),
    (PLANS, "With Family you can have 10 cameras.",
     "Plan: Family; Price: EUR 7; Cameras: 10; History: 60 days"),
    (PLANS, "Free keeps a history of 1 day.",
     "Plan: Free; Price: EUR 0; Cameras: 1; History: 1 day"),
    (PLANS, "Plus costs EUR 4 and Family costs EUR 7.",
     "Plan: Plus; Price: EUR 4; Cameras: 4; History: 14 days\n"
     "Plan: Family; Price: EUR 7; Cameras: 10; History: 60 days"),
    (MARKDOWN_TABLE, "Bring delivers in the Nordics in 3 to 5 days.",
     "| Nordics | Bring | 3 to 5 days |"),
    (MARKDOWN_TABLE, "In Spain and Portugal (Iberia) the carrier is Correos.",
     "| Iberia | Correos | 4 to 6 days |"),
    (STEPS, "Keep the button pressed until you see an amber light.",
     "Hold the button until the light is amber."),
    (STEPS, "First take it off the mains for ten seconds.", "Unplug it for ten seconds."),
    (STEPS, "Call support when the light remains red.", "If the light stays red, call support."),
    (BULLETS, "An Ethernet cable comes with it.", "an Ethernet cable of two metres"),
    (BULLETS, "There are four feet made of rubber.", "four rubber feet"),
    (BATTERY, "The Wren Cam runs for six months on a charge.",
     "The battery of the Wren Cam holds for six months."),
    (BATTERY, "It is charged in four hours.",
     "Charging takes four hours with the supplied cable."),
    (BATTERY, "When it is almost empty, the light is red.",
     "A red light means that it is nearly empty."),
    (VERSIONS, "Version 3.3 of the firmware came out on 19 August 2024.",
     "Firmware 3.3 was released on 19 August 2024."),
    (VERSIONS, "Version 3.2 of the firmware came out on 4 March 2024.",
     "Firmware 3.2 was released on 4 March 2024."),
    (VERSIONS, "Matter support was added.", "It added Matter."),
    (PEOPLE, "The company was founded in 2014 by Imke Vandersloot.",
     "Imke Vandersloot founded the company in Venlo in 2014."),
    (PEOPLE, "Some 210 people work there.", "The company has 210 employees."),
    (PEOPLE, "Joost is in charge of designing devices.",
     "Her brother Joost joined a year later and leads the design of the devices."),
    (GERMAN, "Erstattungen dauern bis zu fünf Werktage.",
     "Die Erstattung dauert höchstens fünf Werktage."),
    (SPANISH, "Los reembolsos tardan cinco días.", "El reembolso tarda cinco días hábiles."),
    (FRENCH, "Un remboursement prend cinq jours.", "Le remboursement prend cinq jours ouvrés."),
    (MARKED, "Heron chicks leave the nest after 55 days.", "The chicks leave after 55 days [6]."),
    (CODE, "Use curl with the header X-Key.", "curl -H 'X-Key: abc' https://api.wren.example"),
    (SECURITY, "Your phone is the only place of the key.", "The key never leaves your phone."),
    (SECURITY, "Metadata is deleted after 30 days.", "Metadata is kept for 30 days."),
]  # fmt: skip
LANGUAGES = {GERMAN: "de", SPANISH: "es", FRENCH: "fr"}


@pytest.mark.parametrize(("text", "sentence", "expected"), TABLE)
def test_the_best_span(embedder, text, sentence, expected):
    item = passage("Before.\n\n" + text, language=LANGUAGES.get(text, "en"))
    (found,) = Aligner(embedder).align([(sentence, item)])
    assert found is not None
    assert item.chunk.text[found.start : found.end] == expected
    assert 0 < found.score <= 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (REFUNDS, "The moon of Jupiter has an ocean below its ice."),
        (PLANS, "Herons nest in colonies."),
        (STEPS, "The parliament passed the bill in June."),
        (BATTERY, "Returns to Norway need a customs form."),
        ("", "Refunds take five days."),
        ("---\n\n***", "Refunds take five days."),
    ],
)
def test_nothing_is_about_it(embedder, text, sentence):
    assert Aligner(embedder).align([(sentence, passage(text))]) == [None]


class Counting:
    """Counts the calls of the embedder inside it."""

    def __init__(self, embedder):
        self.embedder, self.calls, self.texts = embedder, 0, 0

    def embed(self, texts, *, query=False):
        self.calls += 1
        self.texts += len(texts)
        return self.embedder.embed(texts, query=query)


def test_one_call_embeds_everything_once(embedder):
    counting = Counting(embedder)
    aligner = Aligner(counting)
    item = passage(REFUNDS)
    sentences = ["Refunds take five days.", "Parcels are insured."]
    aligner.align([(sentence, item) for sentence in sentences])
    assert (counting.calls, counting.texts) == (1, 2 + 6)
    aligner.align([(sentences[0], item)])
    assert counting.calls == 1


def test_a_transcript_without_stops_is_quoted_in_part(embedder):
    words = "and so we talked about the weather and the sea and the boats "
    text = words * 20 + "until the refund of five hundred euros arrived at last " + words * 20
    (found,) = Aligner(embedder).align([("A refund of five hundred euros arrived.", passage(text))])
    assert "refund of five hundred euros" in text[found.start : found.end]
    assert found.end - found.start <= 2 * LONGEST + 1


# --- cite -----------------------------------------------------------------------------------------


def exact(sentences, passages):
    for citation in (c for s in sentences for c in s.citations):
        assert any(
            p.chunk.document_id == citation.document_id
            and p.chunk.text[citation.start - p.chunk.start : citation.end - p.chunk.start]
            == citation.quote
            for p in passages
        )


PASSAGES = [
    passage(REFUNDS, uri="refunds.md", title="Refunds", start=1000),
    passage(PLANS, uri="plans.md", title="Plans"),
    passage(BATTERY, uri="battery.md", title="Battery"),
]


def test_cite(embedder):
    text = (
        "## Batteries [3]\n\nThe Wren Cam holds for six months. Plus costs EUR 4 [2]; refunds take "
        "five business days [1].\n\n1. Insure the parcel [1, 7].\n- Nothing else\n\n"
        "```\nx[1]\n```\n"
    )
    sentences, problems = cite(text, PASSAGES, embedder)
    exact(sentences, PASSAGES)
    assert [(s.text, s.kind, s.marker) for s in sentences] == [
        ("The Wren Cam holds for six months.", "text", ""),
        ("Plus costs EUR 4; refunds take five business days.", "text", ""),
        ("Insure the parcel.", "step", "1."),
        ("Nothing else", "item", ""),
        ("```\nx[1]\n```", "code", ""),
    ]
    assert [[(c.number, c.uri) for c in s.citations] for s in sentences] == [
        [(1, "battery.md")], [(2, "plans.md"), (3, "refunds.md")], [(3, "refunds.md")], [], [],
    ]  # fmt: skip
    assert sentences[2].citations[0].quote == "The parcel must be insured."
    assert sentences[2].citations[0].start == 1000 + REFUNDS.index("The parcel")
    assert problems == ["the mark 7 in [1, 7] was taken out: the passages are numbered 1 to 3"]


def test_a_citation_that_bears_out_nothing_is_named(embedder):
    sentences, problems = cite("Plus costs EUR 4 [2]. Herons eat fish [1][2].", PASSAGES, embedder)
    assert [len(s.citations) for s in sentences] == [1, 0]
    assert sentences[0].citations[0].number == 1
    assert problems == [
        "the cited passage “Refunds” says nothing about: Herons eat fish.",
        "the cited passage “Plans” says nothing about: Herons eat fish.",
    ]


def test_a_stream_goes_on_with_its_numbers(embedder):
    aligner, numbering = Aligner(embedder), {}
    first, _ = cited(parse("Plus costs EUR 4 [2].", 3).sentences, PASSAGES, aligner, numbering)
    more = parse("Parcels are insured [1]. Plus has 4 cameras [2].", 3)
    second, _ = cited(more.sentences, PASSAGES, aligner, numbering)
    assert [c.number for s in first + second for c in s.citations] == [1, 2, 1]


def test_without_passages_or_text(embedder):
    assert cite("", PASSAGES, embedder) == ([], [])
    sentences, problems = cite("It is so [1].", [], embedder)
    assert [s.citations for s in sentences] == [()]
    assert problems == ["the mark [1] was taken out: there are no passages"]


def test_code_in_an_answer_keeps_its_fences(embedder):
    sentences, _ = cite("Run it [1].\n```\ncurl x\n```\n[1]", [passage(CODE)], embedder)
    answer = Answer(
        question="q", standalone="q", sentences=tuple(sentences), abstained=False, confidence=1,
        generator="test",
    )  # fmt: skip
    assert answer.text.endswith("\n```\ncurl x\n```\n[1]")
