"""How a broken rule is reported, and the rules that several seams share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from rag.types import Passage


class Rules:
    """Reports broken rules of one stage: ``rules.must(condition, "rows have length 1")``."""

    def __init__(self, stage: Any, verb: str) -> None:
        self.name = f"{type(stage).__name__}.{verb}"
        verbs = getattr(stage, verb, None)
        self.must(callable(verbs), f"there must be a method {verb}()")

    def must(self, condition: object, rule: str) -> None:
        """Raise AssertionError with the rule unless the condition holds."""
        if not condition:
            raise AssertionError(f"{self.name}: {rule}")

    def fraction(self, value: float, what: str) -> None:
        """A probability or score that has to be a fraction of 1."""
        self.must(
            math.isfinite(value) and 0.0 <= value <= 1.0,
            f"{what} must be between 0 and 1, it is {value}",
        )

    def passages(self, found: Any, k: int) -> None:
        """A list of at most k distinct passages, scores descending."""
        self.must(isinstance(found, list), f"must return a list, not {type(found).__name__}")
        self.must(all(isinstance(p, Passage) for p in found), "every item must be a rag.Passage")
        self.must(len(found) <= k, f"must return at most k passages: {len(found)} for k={k}")
        ids = [passage.chunk.id for passage in found]
        self.must(len(set(ids)) == len(ids), "the same chunk must not be returned twice")
        for passage in found:
            chunk = passage.chunk
            self.must(math.isfinite(passage.score), f"a score must be finite, not {passage.score}")
            self.must(
                chunk.end - chunk.start == len(chunk.text),
                f"chunk {chunk.id} covers {chunk.start}:{chunk.end} "
                f"but has {len(chunk.text)} characters",
            )
        scores = [passage.score for passage in found]
        self.must(
            all(a >= b for a, b in pairwise(scores)),
            f"scores must descend, best first: {[round(score, 4) for score in scores]}",
        )

    def untouched(self, given: Sequence[Passage], found: Sequence[Passage], *free: str) -> None:
        """Every passage is one of those given, and only the fields in ``free`` may differ."""
        known = {passage.chunk.id: passage for passage in given}
        for passage in found:
            original = known.get(passage.chunk.id)
            self.must(
                original is not None,
                f"must not invent passages: {passage.chunk.id} was not given",
            )
            fields = dict.fromkeys(free)
            self.must(
                passage.model_copy(update=fields)
                == (original.model_copy(update=fields) if original else None),
                f"must not change a passage other than its {', '.join(free)}: {passage.chunk.id}",
            )
