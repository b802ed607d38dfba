"""The checker on hand-written pairs, and what must not change a verdict."""

from __future__ import annotations

import json
import time
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from rag.errors import ModelError, UsageError
from rag.ground.checker import (
    EVIDENCE_CHARACTERS,
    VERBATIM,
    WEIGHTS,
    SupportChecker,
    Weights,
    nearest,
)
from rag.ground.evidence import Claim, Evidence
from rag.models.support import SupportModel
from rag.protocols import Embedder
from rag.settings import GroundSettings
from rag.testing import check_checker

SETTINGS = GroundSettings()
REFUND = (
    "Refunds are paid within 14 days of our receiving the parcel. "
    "The money goes back to the card that was used."
)
PLANS = ["The Basic plan costs 9 euros a month.", "The Pro plan costs 19 euros a month."]
FOUNDED = "Wrenhaven was founded by Maria Keller in 2011 in Leeds."
TOWER = "The tower in Lyon was built in 1894 by Anna Weber."
FILLER = " ".join(f"Shelf {n} of the archive holds letters from the estate." for n in range(60))


@pytest.fixture(scope="module")
def checker(embedder: Embedder) -> SupportChecker:
    return SupportChecker(SupportModel(), embedder, SETTINGS)


SUPPORTED = {
    "verbatim": ("Refunds are paid within 14 days of our receiving the parcel.", [REFUND]),
    "verbatim without the full stop": ("The money goes back to the card that was used", [REFUND]),
    "other case": ("THE MONEY GOES BACK TO THE CARD that was used.", [REFUND]),
    "fragment": ("14 days", [REFUND]),
    "fragment with a unit": ("19 euros a month", PLANS),
    "joined from two passages": (f"{PLANS[1]} {FOUNDED}", [*PLANS, FOUNDED]),
    "joined fragments": ("14 days\n19 euros a month", [REFUND, *PLANS]),
    "marks": ("The Basic plan costs 9 euros a month. [1][2]", PLANS),
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
    "Spanish": (
        "El reembolso tarda 5 días hábiles en llegar",
        ["El reembolso tarda 5 días hábiles en llegar."],
    ),
    "Japanese": ("返金には14日かかります", ["返金には14日かかります。詳しくはこちら。"]),
    "a row with footnotes": (
        "Feature: Updates; Copier: Yes[5]; Yeoman: No[6]",
        ["Feature: Updates; Copier: Yes[5]; Yeoman: No[6]"],
    ),
    "thanks and a fact": (f"Thanks for asking! {PLANS[0]}", PLANS),
}


def test_supported(checker: SupportChecker) -> None:
    """A model is wrong now and then: of these, never about more than one in six."""
    verdicts = checker.check([claim for claim, _ in SUPPORTED.values()],
                             [texts for _, texts in SUPPORTED.values()])  # fmt: skip
    wrong = []
    for (name, (_, texts)), verdict in zip(SUPPORTED.items(), verdicts, strict=True):
        if verdict.label != "supported":
            wrong.append(name)
            continue
        assert not verdict.contradicted_by
        assert 1 <= len(verdict.evidence) <= 3
        assert all(any(quote in text for text in texts) for quote in verdict.evidence)
    assert len(wrong) <= len(SUPPORTED) / 6, wrong


def test_one_text_that_bears_a_claim_out_is_enough(checker: SupportChecker) -> None:
    hub = "# Hub\n\nThe hub blinks orange while it is starting. It needs two minutes."
    refunds = "# Refunds\n\nRefunds take five business days after the parcel has arrived."
    claims = ["Refunds take five business days.", "Refunds take six business days."]
    verdicts = checker.check(claims, [[hub, refunds]] * 2)
    assert [verdict.label for verdict in verdicts] == ["supported", "unsupported"]
    assert "five business days" in verdicts[1].contradicted_by


CONTRADICTED = {
    "number": ("Refunds are paid within 45 days.", [REFUND]),
    "year": ("Wrenhaven was founded by Maria Keller in 2012.", [FOUNDED]),
    "not": ("Refunds are not paid within 14 days.", [REFUND]),
    "prefix": ("Gift cards are refundable.", ["Gift cards are non-refundable."]),
    "direction": ("Sales increased last year.", ["Sales decreased last year."]),
    "before, after": ("Payment is due before delivery.", ["Payment is due after delivery."]),
    "allowed": ("Smoking is allowed in all rooms.", ["Smoking is forbidden in all rooms."]),
    "a word": ("The key is in the red drawer.", ["The key is kept in the blue drawer."]),
    "only": ("Children may swim.", ["Only adults may swim."]),
    "another row": ("The Pro plan costs 9 euros a month.", PLANS),
    "far away": ("The tower in Lyon was built in 1920.", [f"{FILLER} {TOWER} {FILLER}"]),
}


@pytest.mark.parametrize("name", CONTRADICTED)
def test_a_contradiction_is_named(checker: SupportChecker, name: str) -> None:
    claim, evidence = CONTRADICTED[name]
    (verdict,) = checker.check([claim], [evidence])
    assert verdict.label in ("unsupported", "partial"), verdict
    assert verdict.contradicted_by
    assert any(verdict.contradicted_by in text for text in evidence)
    assert any(verdict.contradicted_by in reason for reason in verdict.reasons)
    if name == "far away":
        assert verdict.contradicted_by == TOWER


def test_what_is_not_said_is_no_contradiction(checker: SupportChecker) -> None:
    claims = ["The shop closes early on Sundays.", "The firm has four hundred employees."]
    for verdict in checker.check(claims, [[REFUND], [FOUNDED]]):
        assert (verdict.label, verdict.contradicted_by) == ("unsupported", ""), verdict
        assert verdict.reasons


def test_each_sentence_of_a_claim_has_to_hold(checker: SupportChecker) -> None:
    beside = "Horses graze on the roof of the office."
    (verdict,) = checker.check([f"A month of Pro is 19 euros. {beside}"], [PLANS])
    assert verdict.label == "partial", verdict
    assert f"not supported: “{beside}”" in verdict.reasons


def test_deciding_words(checker: SupportChecker) -> None:
    claim, sentence = "The key is in the red drawer.", "The key is kept in the blue drawer."
    of_claim, of_sentence = checker.deciding(claim, sentence)
    assert "red" in [claim[start:end] for start, end in of_claim]
    assert "blue" in [sentence[start:end] for start, end in of_sentence]


@pytest.mark.parametrize(
    "claim",
    ["", "  \n", "...", "Thanks!", "Sure, of course.", "You're welcome!", "How can I help you?",
     "Let me know if you have other questions.", "I could not find that.", "🙂",
     "The documents do not say when it was built.", "Here is what I found:", "## Returns",
     "None of the passages mentions a price."],
)  # fmt: skip
def test_nothing_to_check_is_not_judged(checker: SupportChecker, claim: str) -> None:
    (verdict,) = checker.check([claim], [[REFUND]])
    assert (verdict.label, verdict.support, verdict.readable) == (None, None, True)
    assert verdict.reasons == ("there is nothing to check in it",)


def test_an_unknown_language_is_not_judged(checker: SupportChecker) -> None:
    claim = "Die Rückerstattung dauert in der Regel 12 Werktage nach dem Eingang des Pakets."
    evidence = "Eine Erstattung dauert nach dem Eingang bei uns bis zu fünf Werktage."
    (verdict,) = checker.check([claim], [[evidence]])
    assert (verdict.label, verdict.support, verdict.readable) == (None, None, False)
    assert "does not know the language of it (de)" in verdict.reasons[0]
    assert "the number 12 is not in the evidence" in verdict.reasons


@pytest.mark.parametrize("evidence", [[], [""], [" \n", ""], ["---"]])
def test_without_evidence_nothing_is_supported(
    checker: SupportChecker, evidence: list[str]
) -> None:
    (verdict,) = checker.check([PLANS[0]], [evidence])
    assert (verdict.label, verdict.support) == ("unsupported", 0.0)
    assert verdict.reasons == ("there is no evidence",)


def test_silence_of_a_passage_is_no_contradiction(checker: SupportChecker) -> None:
    claim = "You get your money back within 14 days after the parcel arrives."
    alone, among = checker.check([claim] * 2, [[REFUND], [*PLANS, FOUNDED, REFUND]])
    assert among.label == alone.label == "supported"
    assert among.support is not None and alone.support is not None
    assert among.support >= alone.support - 0.05


def test_long_evidence(checker: SupportChecker) -> None:
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


def test_a_transcript_without_full_stops_is_read_to_its_end(checker: SupportChecker) -> None:
    text = "so we talked about the weather and the garden " * 60 + " the parcel costs nine euros"
    (verdict,) = checker.check(["A parcel costs nine euros."], [[text]])
    assert verdict.label == "supported", verdict
    assert all(quote in text for quote in verdict.evidence)


def test_order_of_evidence_does_not_matter(checker: SupportChecker) -> None:
    claim = "The Pro plan costs 19 euros and refunds take 14 days."
    orders = [list(order) for order in permutations([*PLANS, REFUND, FOUNDED])]
    verdicts = checker.check([claim] * len(orders), orders)
    assert len(set(verdicts)) == 1


def test_batch_equals_singles_and_repeats(checker: SupportChecker) -> None:
    claims = [claim for claim, *_ in [*SUPPORTED.values(), *CONTRADICTED.values()]]
    evidence = [list(pair[1]) for pair in [*SUPPORTED.values(), *CONTRADICTED.values()]]
    batch = checker.check(claims, evidence)
    assert batch == checker.check(claims, evidence)
    for verdict, claim, texts in zip(batch, claims, evidence, strict=True):
        (single,) = checker.check([claim], [texts])
        assert single.label == verdict.label
        assert single.support == pytest.approx(verdict.support, abs=0.01)


def test_verbatim_needs_no_model() -> None:
    class Broken:
        def __getattr__(self, name: str) -> None:
            raise AssertionError(f"a model was asked for {name}")

    verdicts = SupportChecker(Broken(), Broken(), SETTINGS).check(["14 days"], [[REFUND]])  # type: ignore[arg-type]
    assert verdicts[0].support == VERBATIM


def test_vectors_are_needed_for_long_evidence_only(embedder: Embedder) -> None:
    class Counting:
        calls = 0

        def embed(self, texts: list[str], *, query: bool = False) -> object:
            self.calls += 1
            return embedder.embed(texts, query=query)

    counting = Counting()
    checker = SupportChecker(SupportModel(), counting, SETTINGS)  # type: ignore[arg-type]
    claims = ["Refunds take two weeks.", "The plan is dear.", "The founder is Maria."]
    checker.check(claims, [[REFUND], PLANS, [FOUNDED]])
    assert counting.calls == 0
    checker.check(claims, [[REFUND, FILLER], PLANS, [FOUNDED, FILLER]])
    assert counting.calls == 1


def test_the_nearest_sentences_are_read(embedder: Embedder) -> None:
    claim = Claim.of("Anna Weber built the tower in Lyon.")
    evidence = Evidence.of([f"{FILLER} {TOWER} It is 85 metres high. {FILLER}"])
    needed = [claim.body, *evidence.units]
    vectors = dict(zip(needed, embedder.embed(needed), strict=True))
    text = nearest(claim.body, evidence, vectors, EVIDENCE_CHARACTERS)
    assert TOWER in text
    assert len(text) <= EVIDENCE_CHARACTERS
    assert nearest(claim.body, Evidence.of([TOWER]), {}, 10) == TOWER


def test_speed(checker: SupportChecker) -> None:
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
    settings = GroundSettings(supported_from=0.97, partial_from=0.1)
    strict = SupportChecker(SupportModel(), embedder, settings)
    assert strict.check([claim], [evidence])[0].label == "partial"
    assert strict.check(["14 days"], [[REFUND]])[0].label == "supported"


def test_misuse(checker: SupportChecker) -> None:
    with pytest.raises(UsageError, match="2 claims but evidence for 1"):
        checker.check(["a", "b"], [["c"]])
    with pytest.raises(UsageError, match="not a single text"):
        checker.check(["ab"], ["cd"])  # type: ignore[list-item]


def test_the_numbers_say_where_they_come_from() -> None:
    raw = json.loads(WEIGHTS.read_text("utf-8"))
    assert raw["command"] == "python eval/fit_checker.py DATA"
    assert raw["model"] == SupportModel().identity
    weights = Weights.read()
    assert weights.weights["odds"] > 0
    assert 0 <= weights.cap < SETTINGS.supported_from


def test_broken_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reinstall footnote-rag"):
        Weights.read(tmp_path / "missing.json")
    file = tmp_path / "checker.json"
    file.write_text(json.dumps({"bias": 0, "weights": {"mood": 1}, "cap": 0.1}))
    with pytest.raises(ModelError, match=r"unknown features \(mood"):
        Weights.read(file)
    with pytest.raises(ModelError, match="reinstall footnote-rag"):
        SupportModel(weights=tmp_path)


def test_rows_are_read_as_rows(checker: SupportChecker) -> None:
    table = "Size: Small; Price: 3 euros\nSize: Medium; Price: 5 euros\nSize: Large; Price: 8 euros"
    right, wrong = checker.check(
        ["The large one costs 8 euros.", "The small one costs 8 euros."], [[table]] * 2
    )
    assert right.label == "supported"
    assert wrong.label == "unsupported"


def test_logits_do_not_depend_on_the_batch() -> None:
    model = SupportModel()
    pairs = [("It is open.", "It is closed."), ("A cat sits.", f"{FILLER} A cat sat down.")]
    together = model.logits(pairs)
    assert together.shape == (2, 4)
    alone = np.concatenate([model.logits([pair]) for pair in pairs])
    assert np.allclose(together, alone, atol=1e-3)
    assert model.logits([]).shape == (0, 4)


def test_conformance(checker: SupportChecker) -> None:
    check_checker(checker)
