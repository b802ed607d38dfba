"""Score fusion, by hand and by its laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.retrieve.fuse import fuse


def test_by_hand() -> None:
    fused = fuse({1: 0.8, 2: 0.4, 3: 0.6}, {2: 6.0, 3: 3.0}, 0.5, bound=12.0)
    assert fused == pytest.approx({1: 0.5, 3: 0.375, 2: 0.25})
    assert list(fused) == [1, 3, 2]


def test_one_candidate_and_none() -> None:
    assert fuse({7: 0.3}, {}, 0.5, bound=0.0) == {7: 0.5}
    assert fuse({}, {}, 0.5, bound=0.0) == {}


def test_ties_are_broken_by_key() -> None:
    assert list(fuse({3: 0.5, 1: 0.5, 2: 0.5}, {}, 0.7, bound=1.0)) == [1, 2, 3]


scores = st.dictionaries(st.integers(0, 40), st.floats(-1, 1), max_size=20)


@given(scores, scores, st.floats(0, 1))
def test_laws(dense: dict[int, float], drawn: dict[int, float], weight: float) -> None:
    lexical = {key: abs(score) for key, score in drawn.items() if key in dense}
    fused = fuse(dense, lexical, weight, bound=1.0)
    assert set(fused) == set(dense)
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in fused.values())
    assert list(fused.values()) == sorted(fused.values(), reverse=True)
