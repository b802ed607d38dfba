"""Evidence as the checker compares it: distinct sentences, and windows of neighbours in one text.

Texts are put in a canonical order first, so that a verdict does not depend on the order in which
the evidence was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.ground.verbs import with_forms
from rag.text.sentences import sentences
from rag.text.terms import stems

LONGEST_UNIT = 60
"""Words; a longer sentence (a transcript without full stops) is cut: the embedder sees it all."""

WINDOWS = (2, 3)


@dataclass(frozen=True, slots=True)
class Evidence:
    """``units`` are verbatim sentences; ``windows`` are tuples of indices of neighbouring units."""

    texts: tuple[str, ...]
    units: tuple[str, ...]
    windows: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Evidence:
        """Split the texts; those without a word in them do not count as evidence."""
        kept = tuple(sorted({text for text in texts if any(c.isalnum() for c in text)}))
        return _split(kept)


@lru_cache(maxsize=32)
def _split(texts: tuple[str, ...]) -> Evidence:
    position: dict[str, int] = {}
    windows: dict[tuple[int, ...], None] = {}
    for text in texts:
        run = [position.setdefault(unit, len(position)) for unit in _units(text)]
        for size in WINDOWS:
            for start in range(len(run) - size + 1):
                windows[tuple(run[start : start + size])] = None
    return Evidence(texts, tuple(position), tuple(windows))


def _units(text: str) -> Iterator[str]:
    for span in sentences(text):
        sentence = span.of(text)
        if len(sentence) <= 4 * LONGEST_UNIT or len(sentence.split()) <= LONGEST_UNIT:
            yield sentence
        else:
            yield from _cut(sentence)


def _cut(sentence: str) -> Iterator[str]:
    """Cut after every ``LONGEST_UNIT`` words; each piece is a slice of the sentence."""
    start, words = 0, 0
    for index, letter in enumerate(sentence):
        if letter.isspace() and not sentence[index - 1].isspace():
            words += 1
            if words == LONGEST_UNIT:
                yield sentence[start:index]
                start, words = index + 1, 0
    if sentence[start:].strip():
        yield sentence[start:].strip()


@lru_cache(maxsize=4096)
def stem_set(text: str) -> frozenset[str]:
    """Return the stems of all words of a text, with the other forms of irregular verbs."""
    return with_forms(frozenset(stems(text)))
