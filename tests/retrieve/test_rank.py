"""The reranker: order, bounds, languages, and how little it reads when all is decided."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files

import pytest

from rag.models.cross_encoder import CrossEncoder, Judge, Pair
from rag.retrieve.rank import LearnedReranker, asks, model
from rag.testing import check_reranker
from rag.types import Chunk, Passage


class Counted:
    """The real cross-encoder, counting the pairs that it is given."""

    def __init__(self, encoder: CrossEncoder) -> None:
        self._encoder = encoder
        self.pairs = 0

    def count_tokens(self, text: str) -> int:
        return self._encoder.count_tokens(text)

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Pair]:
        self.pairs += len(pairs)
        return self._encoder.judge(pairs)


@pytest.fixture(scope="module")
def encoder() -> CrossEncoder:
    return CrossEncoder()


def passage(text: str, fused: float, language: str = "en") -> Passage:
    chunk = Chunk(id=text, document_id=text, start=0, end=len(text), text=text)
    return Passage(
        chunk=chunk, document_digest="d", title="", uri=text, score=fused,
        scores={"dense": fused, "lexical": 1.0, "fused": fused}, language=language,
    )  # fmt: skip


ANSWER = "The tower in Lyon was built in 1894 by Anna Weber."
OTHERS = [f"In Lyon there is a tower, and house number {n} stands beside it." for n in range(30)]


def test_keeps_the_rules_of_its_seam(encoder: CrossEncoder) -> None:
    check_reranker(LearnedReranker(Judge(encoder), 24))
    check_reranker(LearnedReranker(Judge(encoder), 1))


def test_the_passage_that_answers_comes_up(encoder: CrossEncoder) -> None:
    given = [passage(text, 0.5) for text in OTHERS[:4]] + [passage(ANSWER, 0.5)]
    found = LearnedReranker(Judge(encoder), 24).rerank("When was the tower built?", given, 5)
    assert found[0].chunk.text == ANSWER
    assert found[0].scores["relevance"] > found[1].scores["relevance"]
    assert all(0 <= p.score == p.scores["rerank"] <= 1 for p in found)
    assert "rerank" in found[0].explain()


def test_what_is_behind_the_depth_keeps_its_order_and_stays_behind(encoder: CrossEncoder) -> None:
    given = [passage(text, 0.9 - 0.01 * n) for n, text in enumerate(OTHERS)]
    found = LearnedReranker(Judge(encoder), 8).rerank("When was the tower built?", given, 30)
    assert [p.uri for p in found[8:]] == [p.uri for p in given[8:]]
    assert {p.uri for p in found[:8]} == {p.uri for p in given[:8]}


def test_reading_stops_where_nothing_more_can_come_up(encoder: CrossEncoder) -> None:
    counted = Counted(encoder)
    given = [passage(text, 0.9 if n < 8 else 0.05) for n, text in enumerate(OTHERS)]
    LearnedReranker(Judge(counted), 24).rerank("When was the tower built?", given, 4)
    assert counted.pairs == 8
    LearnedReranker(Judge(counted), 24).rerank("When was the tower built?", given, 12)
    assert counted.pairs > 8


def test_other_languages_keep_the_order_of_fusion(encoder: CrossEncoder) -> None:
    counted = Counted(encoder)
    given = [passage(text, 0.9 - 0.01 * n) for n, text in enumerate(OTHERS)]
    question = "Wann wurde der Turm in Lyon gebaut, und wer hat ihn damals gebaut?"
    found = LearnedReranker(Judge(counted), 24).rerank(question, given, 30)
    assert [p.uri for p in found] == [p.uri for p in given]
    assert counted.pairs == 0


def test_a_passage_in_another_language_is_not_lost(encoder: CrossEncoder) -> None:
    german = passage("Der Turm wurde 1894 gebaut.", 0.9, language="de")
    given = [german, *(passage(text, 0.4) for text in OTHERS[:5])]
    found = LearnedReranker(Judge(encoder), 24).rerank("When was the tower built?", given, 3)
    assert found[0].uri == german.uri


@pytest.mark.parametrize(
    ("query", "asked"),
    [("When was it built?", True), ("how long do refunds take", True), ("refund time", False),
     ("Vitamin C shortens colds.", False), ("", False)],
)  # fmt: skip
def test_questions_are_told_from_key_words(query: str, asked: bool) -> None:
    assert asks(query) == asked


def test_the_numbers_say_where_they_come_from() -> None:
    raw = json.loads(files("rag.retrieve").joinpath("rank.json").read_text("utf-8"))
    assert raw["command"].startswith("python eval/fit_rank.py")
    licences = {"CC BY-SA 4.0", "CC BY-SA 3.0", "MIT", "Apache-2.0", "CDLA-Sharing 1.0"}
    assert set(raw["data"].values()) <= licences
    assert raw["figures"]
    assert set(model()["blend"]) == {"question", "other"}
