"""Questions held against passages by the cross-encoder: one pass that ranking and reading share.

A passage goes in with its title and headings, in windows if it is longer than the model reads at
once. What was judged last is remembered, so that reading costs nothing where ranking has been.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from rag.models.cross_encoder import MAX_TOKENS, Pair
from rag.text.sentences import sentences
from rag.types import Passage

LANGUAGES = frozenset({"en"})
"""What the shipped cross-encoder was trained on."""

_QUESTION = 96  # tokens of a question; what is beyond is cut off
_HEAD = 32  # tokens of title and headings
_SPECIAL = 4  # tokens of the model itself
_REMEMBERED = 512  # pairs


class Scorer(Protocol):
    """What is needed of a cross-encoder."""

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Pair]:
        """Return what the model says of each pair."""

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in tokens, without special ones."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a passage that was read at once: ``offset`` + place in ``pair`` = place in it."""

    pair: Pair
    offset: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What the model says of a passage; ``relevance`` is a logit, that of the best window."""

    relevance: float
    windows: tuple[Window, ...]

    def best(self, start: int, end: int) -> tuple[int, int, float] | None:
        """Return (start, end, margin over "not here") of the best answer in a part of the passage.

        Offsets are into ``chunk.text``; the margin is a logit. None where nothing was read.
        """
        found = None
        for window in self.windows:
            low, high = max(start, window.start), min(end, window.end)
            if low >= high:
                continue
            span = window.pair.best(low - window.offset, high - window.offset)
            if span and (found is None or span[2] > found[2]):
                found = (span[0] + window.offset, span[1] + window.offset, span[2])
        return found


class Judge:
    """Runs a cross-encoder over a question and passages. Threads may share it."""

    def __init__(self, encoder: Scorer) -> None:
        self._encoder = encoder
        self._known: OrderedDict[tuple[str, str], Pair] = OrderedDict()
        self._lock = Lock()

    def judge(self, question: str, passages: Sequence[Passage]) -> list[Judged]:
        """Return what the model says of each passage, in their order."""
        question = self._cut(question, _QUESTION)
        cut = [self._windows(question, passage) for passage in passages]
        pairs = self._pairs([(question, text) for windows in cut for text, _, _, _ in windows])
        found = []
        for windows in cut:
            judged = tuple(
                Window(pairs[question, text], offset, start, end)
                for text, offset, start, end in windows
            )
            found.append(Judged(max(w.pair.relevance for w in judged), judged))
        return found

    def _pairs(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Pair]:
        with self._lock:
            known = {pair: self._known[pair] for pair in wanted if pair in self._known}
        new = [pair for pair in dict.fromkeys(wanted) if pair not in known]
        known.update(zip(new, self._encoder.judge(new), strict=True) if new else ())
        with self._lock:
            for pair in wanted:
                self._known[pair] = known[pair]
                self._known.move_to_end(pair)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _windows(self, question: str, passage: Passage) -> list[tuple[str, int, int, int]]:
        """Return (text as the model sees it, offset, start, end) of the windows of a passage.

        Windows are whole sentences; each begins with the last one of the window before it.
        """
        path = dict.fromkeys(part for part in (passage.title, *passage.chunk.headings) if part)
        head = self._cut(" · ".join(path), _HEAD)
        head = f"{head}\n" if head else ""
        text = passage.chunk.text
        count = self._encoder.count_tokens
        room = MAX_TOKENS - _SPECIAL - count(question) - count(head)
        if count(text) <= room:
            return [(head + text, -len(head), 0, len(text))]
        spans = [(s.start, s.end) for s in sentences(text)] or [(0, len(text))]
        costs = [count(text[start:end]) for start, end in spans]
        found = []
        first = 0
        while first < len(spans):
            last, used = first, costs[first]
            while last + 1 < len(spans) and used + costs[last + 1] <= room:
                last += 1
                used += costs[last]
            start, end = spans[first][0], spans[last][1]
            found.append((head + text[start:end], start - len(head), start, end))
            if last + 1 >= len(spans):
                break
            first = last if last > first and costs[last] < room // 3 else last + 1
        return found

    def _cut(self, text: str, tokens: int) -> str:
        """Return the beginning of a text that has at most so many tokens."""
        words = text.split(" ")
        while len(words) > 1 and self._encoder.count_tokens(" ".join(words)) > tokens:
            words = words[: max(1, len(words) * 3 // 4)]
        return " ".join(words)[: tokens * 12]
