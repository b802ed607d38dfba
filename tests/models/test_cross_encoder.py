"""Questions held against passages: windows, offsets, and what is remembered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rag.models.cross_encoder import CrossEncoder, Judge, Pair
from rag.types import Chunk, Passage


class Counted:
    """The real cross-encoder, counting the pairs that it is given."""

    def __init__(self, encoder: CrossEncoder) -> None:
        self._encoder = encoder
        self.pairs: list[tuple[str, str]] = []

    def count_tokens(self, text: str) -> int:
        return self._encoder.count_tokens(text)

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Pair]:
        self.pairs += pairs
        return self._encoder.judge(pairs)


@pytest.fixture(scope="module")
def encoder() -> CrossEncoder:
    return CrossEncoder()


def passage(text: str, title: str = "", headings: tuple[str, ...] = ()) -> Passage:
    chunk = Chunk(
        id=text[:20], document_id="d", start=0, end=len(text), text=text, headings=headings
    )
    return Passage(chunk=chunk, document_digest="d", title=title, uri="u", score=1.0)


TOWER = "The tower in Lyon was built in 1894 by Anna Weber. It is 85 metres high."
QUESTION = "When was the tower in Lyon built?"


def test_spans_are_places_in_the_passage_whatever_stands_above_it(encoder: CrossEncoder) -> None:
    for title, headings in (("", ()), ("Towers of France", ()), ("Towers", ("Towers", "Lyon"))):
        [judged] = Judge(encoder).judge(QUESTION, [passage(TOWER, title, headings)])
        best = judged.best(0, len(TOWER))
        assert best is not None
        assert TOWER[best[0] : best[1]] == "1894"


def test_a_part_that_holds_no_token_has_no_span(encoder: CrossEncoder) -> None:
    [judged] = Judge(encoder).judge(QUESTION, [passage(TOWER)])
    assert judged.best(3, 3) is None
    second = TOWER.index("It is")
    best = judged.best(second, len(TOWER))
    assert best is not None
    assert best[0] >= second


def test_relevant_passages_stand_above_others(encoder: CrossEncoder) -> None:
    other = passage("The ferry to Bergen leaves at nine and takes cars and bicycles.")
    right, wrong = Judge(encoder).judge(QUESTION, [passage(TOWER), other])
    assert right.relevance > wrong.relevance
    spans = right.best(0, len(TOWER)), wrong.best(0, len(other.chunk.text))
    assert spans[0] is not None
    assert spans[1] is not None
    assert spans[0][2] > spans[1][2]


def test_a_long_passage_is_read_in_windows_of_whole_sentences(encoder: CrossEncoder) -> None:
    filler = " ".join(f"Visitor number {n} said little about anything at all." for n in range(60))
    text = f"{filler} {TOWER} {filler}"
    counted = Counted(encoder)
    [judged] = Judge(counted).judge(QUESTION, [passage(text, "Towers")])
    assert len(judged.windows) > 3
    assert all(
        text[w.start : w.end].endswith(".") and text[w.start] in "VTI" for w in judged.windows
    )
    assert {n for w in judged.windows for n in range(w.start, w.end)} >= {
        n for n, letter in enumerate(text) if not letter.isspace()
    }
    best = judged.best(0, len(text))
    assert best is not None
    assert text[best[0] : best[1]] == "1894"


def test_what_was_judged_is_not_judged_again(encoder: CrossEncoder) -> None:
    counted = Counted(encoder)
    judge = Judge(counted)
    first = judge.judge(QUESTION, [passage(TOWER), passage("Other words.")])
    again = judge.judge(QUESTION, [passage("Other words."), passage(TOWER)])
    assert len(counted.pairs) == 2
    assert [j.relevance for j in again] == [j.relevance for j in reversed(first)]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("?", "."),
        ("w " * 3000, TOWER),
        ("When?", "x" * 5000),
        ("When?", "word " * 3000),
        ("Wann? 🙂 \ud800", "\ud800 Antwort 🙂" * 50),
        ("a" * 5000, "b"),
    ],
)
def test_odd_texts_are_judged(encoder: CrossEncoder, question: str, text: str) -> None:
    [judged] = Judge(encoder).judge(question, [passage(text, "T" * 3000, ("H " * 500,))])
    best = judged.best(0, len(text))
    assert best is None or 0 <= best[0] < best[1] <= len(text)


def test_no_passages_need_no_model(encoder: CrossEncoder) -> None:
    assert Judge(encoder).judge("When?", []) == []


def _pair(starts: list[float], ends: list[float]) -> Pair:
    places = tuple((5 * n, 5 * n + 4) for n in range(len(starts)))
    logits = (np.array(values, np.float32) for values in (starts, ends))
    return Pair(0.0, 1.0, *logits, places)


def test_the_answer_shares_most_with_what_is_likely() -> None:
    """One span alone is likeliest, but most of the probability lies about another place."""
    starts, ends = [-9.0] * 60, [-9.0] * 60
    starts[0], ends[0] = 3.2, 3.2
    starts[50:52], ends[52:54] = [3.0, 2.9], [3.0, 2.9]
    start, end, margin = _pair(starts, ends).best(0, 300) or (0, 0, 0.0)
    assert (start, end) == (5 * 50, 5 * 52 + 4)
    assert margin == pytest.approx(3.2 + 3.2 - 1.0)


def test_one_likely_span_is_the_answer() -> None:
    assert _pair([9, -9, 0], [-9, 9, 0]).best(0, 100) == (0, 9, 17.0)
    assert _pair([9, -9, 0], [-9, 9, 0]).best(10, 14) == (10, 14, -1.0)
    assert _pair([9, -9, 0], [-9, 9, 0]).best(1, 4) is None
