"""Collapsing what says the same, and keeping versions that disagree apart."""

from __future__ import annotations

from datetime import date

from rag.retrieve.hybrid import collapse
from rag.types import Chunk, Passage


def passage(uri: str, text: str, score: float, published: date | None = None) -> Passage:
    chunk = Chunk(id=uri, document_id=uri, start=0, end=len(text), text=text)
    return Passage(
        chunk=chunk, document_digest="d", title=uri, uri=uri, score=score, published=published
    )


SAME = "We refund the whole amount to the card that you paid with once the parcel is here."


def test_equal_passages_fold_into_the_best() -> None:
    kept = collapse(
        [passage("a", SAME, 0.9), passage("b", SAME, 0.8), passage("c", "Other words.", 0.1)], 5
    )
    assert [(p.uri, p.duplicates) for p in kept] == [("a", ("b",)), ("c", ())]


def test_the_newer_of_two_equal_passages_is_kept_with_the_better_score() -> None:
    [kept] = collapse(
        [passage("old", SAME, 0.9, date(2023, 1, 1)), passage("new", SAME, 0.8, date(2025, 1, 1))],
        5,
    )
    assert (kept.uri, kept.score, kept.duplicates) == ("new", 0.9, ("old",))


def test_versions_that_differ_in_a_number_both_stay() -> None:
    text = "Devices may be returned within {} days of delivery, in the box that they came in."
    kept = collapse([passage("a", text.format(14), 0.9), passage("b", text.format(30), 0.8)], 5)
    assert [p.uri for p in kept] == ["a", "b"]


def test_no_more_than_k_and_duplicates_of_what_is_kept_still_count() -> None:
    found = [
        passage("a", SAME, 0.9),
        passage("b", "Something else entirely, on hubs.", 0.8),
        passage("c", SAME, 0.7),
    ]
    assert [(p.uri, p.duplicates) for p in collapse(found, 1)] == [("a", ("c",))]


def test_empty_text_collapses_only_with_itself() -> None:
    assert len(collapse([passage("a", "?", 0.9), passage("b", SAME, 0.8)], 5)) == 2
