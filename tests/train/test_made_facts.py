"""Claims about made worlds: every frame gives both sorts, and what is wrong is wrong."""

from __future__ import annotations

import random
import re

import pytest

from rag.train.facts import Fact, Frame, fact_claims, frames, lists

MADE = fact_claims(random.Random(7), 2000)


def test_half_are_supported_and_nothing_is_left_to_fill_in() -> None:
    assert sum(one.support == 1.0 for one in MADE) == len(MADE) // 2
    for one in MADE:
        assert one.source == "facts"
        assert not re.search(r"[{}]|\s$|\.\.$", one.first + one.second)
        assert one.first[0].isupper() or not one.first[0].isalpha()


def test_the_seed_decides() -> None:
    assert fact_claims(random.Random(7), 50) == MADE[:50]
    assert fact_claims(random.Random(8), 50) != MADE[:50]


def test_some_frames_are_held_apart() -> None:
    apart = fact_claims(random.Random(7), 200, held_apart=True)
    assert not {one.second for one in apart} & {one.second for one in MADE}


def _slots(template: str) -> set[str]:
    return {name for slot in re.findall(r"\{([^}]*)\}", template)
            for name in re.split(r"\.(?:less|more|last)|[+-]", slot) if name}  # fmt: skip


@pytest.mark.parametrize("frame", frames(), ids=lambda frame: frame.topic)
def test_a_frame_tells_all_of_its_slots(frame: Frame) -> None:
    for told in frame.evidence:
        assert _slots(told) == set(frame.slots)
    for claim in (*frame.true, *frame.false):
        assert _slots(claim) <= set(frame.slots)
    assert min(map(len, (frame.evidence, frame.true, frame.false))) > 2
    assert all(len(lists()[sort]) > 9 for sort in frame.slots.values() if "." in sort)


@pytest.mark.parametrize("sort", ["few", "count", "many", "year", "money", "date", "time", "days"])
def test_less_is_smaller_and_more_is_larger(sort: str) -> None:
    random_ = random.Random(3)
    value = Fact(
        sort, {"date": 730_000.0, "time": 720.0, "many": 150_000.0, "year": 1950.0}.get(sort, 12.0)
    )
    for _ in range(50):
        assert value.moved(random_, -1).amount < value.amount < value.moved(random_, 1).amount
