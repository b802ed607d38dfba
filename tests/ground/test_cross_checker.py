"""The checker with the cross-encoder: unions, windows, languages, and text that is not ours."""

from __future__ import annotations

import json

import pytest

from rag.ground.checker import (
    CROSS_WEIGHTS,
    EVIDENCE_CHARACTERS,
    CrossChecker,
    HeuristicChecker,
    nearest,
)
from rag.ground.evidence import Claim, Evidence
from rag.models.cross_encoder import CrossEncoder
from rag.protocols import Checker, Embedder
from rag.settings import Settings
from rag.testing import check_checker

GROUND = Settings().ground
FILLER = " ".join(f"Visitor number {n} said little about anything at all." for n in range(60))
TOWER = "The tower in Lyon was built in 1894 by Anna Weber."


@pytest.fixture(scope="module")
def checker(embedder: Embedder) -> CrossChecker:
    return CrossChecker(CrossEncoder(), embedder, GROUND)


def test_keeps_the_rules_of_its_seam(checker: CrossChecker) -> None:
    assert isinstance(checker, Checker)
    check_checker(checker)


def test_what_is_said_word_for_word_needs_no_model(checker: CrossChecker) -> None:
    [verdict] = checker.check([TOWER], [[FILLER + " " + TOWER]])
    assert (verdict.label, verdict.evidence) == ("supported", (TOWER,))


def test_silence_of_most_of_the_evidence_contradicts_nothing(checker: CrossChecker) -> None:
    claim = "Anna Weber built the tower in Lyon in 1894."
    alone, among = checker.check([claim, claim], [[TOWER], [FILLER, TOWER, FILLER]])
    assert alone.label == "supported"
    assert among.label == "supported"


def test_support_is_over_the_union(checker: CrossChecker) -> None:
    claim = "The tower in Lyon was built by Anna Weber and is 85 metres high."
    texts = ["The tower in Lyon was built by Anna Weber.", "The tower in Lyon is 85 metres high."]
    both, one = checker.check([claim, claim], [texts, texts[:1]])
    assert both.support is not None
    assert one.support is not None
    assert both.support > one.support
    assert one.label != "supported"


def test_the_nearest_sentences_are_read_in_their_order(embedder: Embedder) -> None:
    claim = Claim.of("Anna Weber built the tower in Lyon.")
    evidence = Evidence.of([f"{FILLER} {TOWER} It is 85 metres high. {FILLER}"])
    needed = [claim.body, *evidence.units]
    vectors = dict(zip(needed, embedder.embed(needed), strict=True))
    text = nearest(claim, evidence, vectors)
    assert TOWER in text
    assert len(text) <= EVIDENCE_CHARACTERS
    short = Evidence.of([TOWER])
    assert nearest(claim, short, vectors) == TOWER


def test_claims_together_are_judged_as_one_by_one(checker: CrossChecker) -> None:
    claims = [
        "Anna Weber built a tower in Lyon.",
        "The tower is 85 metres high.",
        "Der Turm in Lyon ist im Jahr 1894 nach den Plänen von Anna Weber gebaut worden.",
        "Thanks!",
        TOWER,
    ]
    evidence = [[TOWER], [FILLER, TOWER], [TOWER], [TOWER], [FILLER, TOWER]]
    together = checker.check(claims, evidence)
    alone = [checker.check([c], [e])[0] for c, e in zip(claims, evidence, strict=True)]
    assert together == alone


def test_loading_leaves_nothing_behind(checker: CrossChecker) -> None:
    before = checker.check([TOWER], [[FILLER]])
    checker.load()
    assert checker.check([TOWER], [[FILLER]]) == before


def test_other_languages_are_judged_without_the_model(
    checker: CrossChecker, embedder: Embedder
) -> None:
    claim = "Die Rückerstattung dauert in der Regel fünf Werktage nach dem Eingang des Pakets."
    evidence = [["Eine Erstattung dauert nach dem Eingang bei uns bis zu fünf Werktage."]]
    assert checker.check([claim], evidence) == HeuristicChecker(embedder, GROUND).check(
        [claim], evidence
    )


def test_the_numbers_say_where_they_come_from() -> None:
    raw = json.loads(CROSS_WEIGHTS.read_text("utf-8"))
    assert raw["command"] == "python eval/fit_checker.py DATA --cross"
    assert raw["cross_encoder"].startswith("reader-l6-int8@")
    assert all(row["licence"] for row in raw["fitted_on"].values())
