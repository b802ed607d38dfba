"""The heuristic checker on hand-written pairs, and what must not change a verdict."""

from __future__ import annotations

import json
import time
from itertools import permutations
from pathlib import Path

import pytest

from rag.errors import ModelError, UsageError
from rag.ground.checker import VERBATIM, HeuristicChecker, Weights
from rag.ground.features import FEATURES, SIGNS
from rag.protocols import Embedder
from rag.settings import GroundSettings
from rag.testing import check_checker

SETTINGS = GroundSettings(supported_from=0.5, partial_from=0.3)
REFUND = (
    "Refunds are paid within 14 days of our receiving the parcel. "
    "The money goes back to the card that was used."
)
PLANS = ["The Basic plan costs 9 euros a month.", "The Pro plan costs 19 euros a month."]
FOUNDED = "Wrenhaven was founded by Maria Keller in 2011 in Leeds."


@pytest.fixture(scope="module")
def checker(embedder: Embedder) -> HeuristicChecker:
    return HeuristicChecker(embedder, SETTINGS)


SUPPORTED = {
    "verbatim": ("Refunds are paid within 14 days of our receiving the parcel.", [REFUND]),
    "verbatim without the full stop": ("The money goes back to the card that was used", [REFUND]),
    "other case": ("THE MONEY GOES BACK TO THE CARD that was used.", [REFUND]),
    "fragment": ("14 days", [REFUND]),
    "fragment with a unit": ("19 euros a month", PLANS),
    "joined from two passages": (f"{PLANS[1]} {FOUNDED}", [*PLANS, FOUNDED]),
    "joined fragments": ("14 days; 19 euros a month", [REFUND, *PLANS]),
    "paraphrase": ("You get your money back within 14 days after the parcel arrives.", [REFUND]),
    "paraphrase without shared words": (
        "The doctor recommended rest.",
        ["The physician advised the patient to rest."],
    ),
    "union over two passages": (
        "The Pro plan costs 19 euros and includes five seats.",
        [PLANS[1], "Five seats are included in the Pro plan."],
    ),
    "number in words": ("The trial lasts fourteen days.", ["The trial lasts 14 days."]),
    "number with a separator": ("It holds 10,000 chunks.", ["It holds 10000 chunks at most."]),
    "date in digits": (
        "The update was released in March 2024.",
        ["The update was released on 2024-03-12."],
    ),
    "name": ("The firm was founded by Maria Keller in 2011.", [FOUNDED]),
    "two denials": ("Gift cards are not refundable.", ["Gift cards are non-refundable."]),
    "denial and opposite": ("Smoking is not allowed.", ["Smoking is forbidden in all rooms."]),
    "denial in both": ("You cannot pay by cheque.", ["It is not possible to pay by cheque."]),
    "denial of something else": (
        "Parcels arrive on weekdays.",
        ["Parcels arrive on weekdays, but letters are not delivered."],
    ),
    "German": (
        "Die Rückgabe ist innerhalb von 30 Tagen möglich.",
        ["Die Rückgabe ist innerhalb von 30 Tagen möglich. Danach nehmen wir nichts zurück."],
    ),
    "Spanish": ("El reembolso tarda 5 días", ["El reembolso tarda 5 días hábiles en llegar."]),
    "Japanese": ("返金には14日かかります", ["返金には14日かかります。詳しくはこちら。"]),
    "thanks and a fact": (f"Thanks for asking! {PLANS[0]}", PLANS),
}


@pytest.mark.parametrize("name", SUPPORTED)
def test_supported(checker: HeuristicChecker, name: str) -> None:
    claim, evidence = SUPPORTED[name]
    (verdict,) = checker.check([claim], [evidence])
    assert verdict.label == "supported", verdict
    assert 1 <= len(verdict.evidence) <= 3
    assert all(any(quote in text for text in evidence) for quote in verdict.evidence)


NOT_SUPPORTED = {
    "number": ("Refunds are paid within 45 days.", [REFUND], "the number 45 is not in the"),
    "number in words": ("There are three plans.", PLANS, "the number three is not in"),
    "decimal": ("The fee is 2.5 percent.", ["The fee is 2 percent."], "the number 2.5 is not"),
    "number inside another": ("It takes 14 minutes.", ["It takes 14.5 minutes."], "number 14 is"),
    "year": (
        "Wrenhaven was founded by Maria Keller in 2012.",
        [FOUNDED],
        "the number 2012 is not in the evidence",
    ),
    "month": (
        "The update was released in March 2024.",
        ["The update was released in April 2024."],
        "the month March is not in the evidence",
    ),
    "name": (
        "The company was founded by Anna Schmidt in 2011.",
        [FOUNDED],
        "the name Schmidt is not in the evidence",
    ),
    "not": ("Refunds are not paid within 14 days.", [REFUND], "the claim says 'not'"),
    "no": (
        "Refunds are possible after opening.",
        ["No refunds are possible after opening."],
        "the evidence says 'not'",
    ),
    "fragment out of a denial": (
        "the parcel is insured",
        ["It is not true that the parcel is insured."],
        "the evidence says 'not'",
    ),
    "prefix": (
        "Gift cards are refundable.",
        ["Gift cards are non-refundable."],
        "the evidence says 'non-refundable'",
    ),
    "increase, decrease": (
        "Sales increased last year.",
        ["Sales decreased last year."],
        "the evidence says 'decreased'",
    ),
    "before, after": ("Payment is due before delivery.", ["Payment is due after delivery."], "'a"),
    "allowed, forbidden": (
        "Smoking is allowed in all rooms.",
        ["Smoking is forbidden in all rooms."],
        "the evidence says 'forbidden'",
    ),
    "first, last": ("Use the first column.", ["Use the last column."], "the evidence says 'last'"),
    "include, exclude": ("Prices include tax.", ["Prices exclude tax."], "says 'exclude'"),
    "all, some": ("All plans include support.", ["Some plans include support."], "only 'some'"),
    "another plan's price": ("The Pro plan costs 9 euros a month.", PLANS, "other numbers: 19"),
    "about something else": ("The shop closes early on Sundays.", [REFUND], "nothing in the"),
    "half of it": (
        "The Pro plan costs 19 euros, and every new customer receives a leather notebook.",
        PLANS,
        "not in the evidence",
    ),
    "one word more in it": (f"{PLANS[1]} Horses graze on the roof of the office.", PLANS, "not in"),
    "German number": (
        "Die Rückgabe ist innerhalb von 60 Tagen möglich.",
        ["Die Rückgabe ist innerhalb von 30 Tagen möglich."],
        "the number 60 is not in the evidence",
    ),
}


@pytest.mark.parametrize("name", NOT_SUPPORTED)
def test_not_supported(checker: HeuristicChecker, name: str) -> None:
    claim, evidence, reason = NOT_SUPPORTED[name]
    (verdict,) = checker.check([claim], [evidence])
    assert verdict.label in ("partial", "unsupported"), verdict
    assert any(reason in given for given in verdict.reasons), verdict.reasons


@pytest.mark.parametrize(
    "claim",
    ["", "  \n", "...", "Thanks!", "Sure, of course.", "You're welcome!", "How can I help you?",
     "Let me know if you have other questions.", "I could not find that.", "🙂"],
)  # fmt: skip
def test_nothing_to_check_is_not_judged(checker: HeuristicChecker, claim: str) -> None:
    (verdict,) = checker.check([claim], [[REFUND]])
    assert (verdict.label, verdict.support) == (None, None)
    assert verdict.reasons == ("there is nothing to check in it",)


@pytest.mark.parametrize("evidence", [[], [""], [" \n", ""], ["---"]])
def test_without_evidence_nothing_is_supported(
    checker: HeuristicChecker, evidence: list[str]
) -> None:
    (verdict,) = checker.check([PLANS[0]], [evidence])
    assert (verdict.label, verdict.support) == ("unsupported", 0.0)
    assert verdict.reasons == ("there is no evidence",)


def test_silence_of_a_passage_is_no_contradiction(checker: HeuristicChecker) -> None:
    claim = "You get your money back within 14 days after the parcel arrives."
    alone, among = checker.check([claim] * 2, [[REFUND], [*PLANS, FOUNDED, REFUND]])
    assert among.label == alone.label == "supported"
    assert among.support is not None and alone.support is not None
    assert among.support >= alone.support - 0.05


def test_an_old_version_beside_the_new_one(checker: HeuristicChecker) -> None:
    now, before = "Opened boxes can be returned to us.", "Opened boxes cannot be returned to us."
    claim = "Boxes that are opened can be returned to us."
    (verdict,) = checker.check([claim], [[before, now]])
    assert verdict.label == "supported", verdict


def test_long_evidence(checker: HeuristicChecker) -> None:
    filler = " ".join(
        f"Shelf {n} of the archive holds letters from the estate." for n in range(300)
    )
    text = f"{filler} {REFUND} {filler}"
    assert len(text.split()) > 3000
    claims = ["You get your money back within 14 days after the parcel arrives.", "14 days",
              "Refunds are paid within 995 weeks in cash at the counter."]  # fmt: skip
    paraphrase, fragment, wrong = checker.check(claims, [[text]] * 3)
    assert paraphrase.label == fragment.label == "supported"
    assert paraphrase.evidence[0] in REFUND
    assert wrong.label != "supported", wrong


def test_a_transcript_without_full_stops_is_read_to_its_end(checker: HeuristicChecker) -> None:
    text = "so we talked about the weather and the garden " * 60 + " the parcel costs nine euros"
    (verdict,) = checker.check(["A parcel costs nine euros."], [[text]])
    assert verdict.label == "supported", verdict
    assert all(quote in text for quote in verdict.evidence)


def test_order_of_evidence_does_not_matter(checker: HeuristicChecker) -> None:
    claim = "The Pro plan costs 19 euros and refunds take 14 days."
    orders = [list(order) for order in permutations([*PLANS, REFUND, FOUNDED])]
    verdicts = checker.check([claim] * len(orders), orders)
    assert len(set(verdicts)) == 1


def test_batch_equals_singles_and_repeats(checker: HeuristicChecker) -> None:
    claims = [claim for claim, *_ in [*SUPPORTED.values(), *NOT_SUPPORTED.values()]]
    evidence = [list(pair[1]) for pair in [*SUPPORTED.values(), *NOT_SUPPORTED.values()]]
    batch = checker.check(claims, evidence)
    assert batch == checker.check(claims, evidence)
    for verdict, claim, texts in zip(batch, claims, evidence, strict=True):
        (single,) = checker.check([claim], [texts])
        assert single.label == verdict.label
        assert single.support == pytest.approx(verdict.support, abs=0.01)


def test_verbatim_needs_no_model(embedder: Embedder) -> None:
    class Broken:
        def __getattr__(self, name: str) -> None:
            raise AssertionError(f"the embedder was asked for {name}")

    (verdict,) = HeuristicChecker(Broken(), SETTINGS).check(["14 days"], [[REFUND]])  # type: ignore[arg-type]
    assert verdict.support == VERBATIM


def test_one_batch(embedder: Embedder) -> None:
    class Counting:
        calls = 0

        def embed(self, texts: list[str], *, query: bool = False) -> object:
            self.calls += 1
            return embedder.embed(texts, query=query)

    counting = Counting()
    claims = ["Refunds take two weeks.", "The plan is dear.", "The founder is Maria."]
    HeuristicChecker(counting, SETTINGS).check(claims, [[REFUND], PLANS, [FOUNDED]])  # type: ignore[arg-type]
    assert counting.calls == 1


def test_speed(checker: HeuristicChecker) -> None:
    """Four sentences against 150 tokens take 25 ms at rest; a busy machine gets 20 times that."""
    evidence = [f"{REFUND} {FOUNDED} {' '.join(PLANS)} {REFUND.replace('14', '15')} {FOUNDED} x."]
    claims = ["Refunds need two weeks.", "Maria began it.", "Pro is dearer.", "Cards get it back."]
    times = []
    for _ in range(5):
        started = time.perf_counter()
        checker.check(claims, [evidence] * 4)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.5


def test_thresholds_come_from_the_settings(embedder: Embedder) -> None:
    claim, evidence = SUPPORTED["paraphrase"]
    strict = HeuristicChecker(embedder, GroundSettings(supported_from=0.97, partial_from=0.1))
    assert strict.check([claim], [evidence])[0].label == "partial"
    assert strict.check(["14 days"], [[REFUND]])[0].label == "supported"


def test_misuse(checker: HeuristicChecker) -> None:
    with pytest.raises(UsageError, match="2 claims but evidence for 1"):
        checker.check(["a", "b"], [["c"]])
    with pytest.raises(UsageError, match="not a single text"):
        checker.check(["ab"], ["cd"])  # type: ignore[list-item]


def test_shipped_weights_make_sense() -> None:
    signs = dict(zip(FEATURES, SIGNS, strict=True))
    weights = Weights.read()
    assert weights.weights
    assert all(value * signs[name] > 0 for name, value in weights.weights.items())
    assert all(0 < cap < SETTINGS.supported_from for cap in weights.caps.values())


def test_broken_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reinstall footnote-rag"):
        Weights.read(tmp_path / "missing.json")
    file = tmp_path / "checker.json"
    file.write_text(json.dumps({"bias": 0, "weights": {"mood": 1}, "caps": {}}))
    with pytest.raises(ModelError, match=r"unknown features \(mood"):
        Weights.read(file)


def test_conformance(checker: HeuristicChecker) -> None:
    check_checker(checker)
