"""What is compared: the statements of a claim, and evidence as distinct sentences.

Texts are put in a canonical order first, so that a verdict does not depend on the order in which
the evidence was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.text.sentences import sentences
from rag.text.terms import content_terms

_HEADING = re.compile(r"(\*\*|__)[^*_.!]+\1:?$")
_MARK = re.compile(r"\s*\[\d{1,3}\]")  # of a citation


@dataclass(frozen=True, slots=True)
class Claim:
    """``parts`` are the sentences that state something; ``body`` is the text made of them."""

    text: str
    parts: tuple[str, ...]
    body: str

    @classmethod
    def of(cls, text: str) -> Claim:
        """Find the statements; a claim that only asks, leads in or is empty has no parts."""
        plain = _MARK.sub("", text)
        spans = [span for span in sentences(plain) if span.kind != "heading"]
        all_parts = [piece for span in spans for piece in _pieces(span.of(plain))]
        parts = tuple(part for part in all_parts if _states(part))
        whole = len(parts) == len(all_parts)
        return cls(text, parts, plain.strip() if whole else " ".join(parts))


def _states(sentence: str) -> bool:
    """Tell a sentence that can state something from a question, a heading and a lead-in."""
    bare = sentence.rstrip("\"'”’»*_) ")
    if bare.endswith(("?", "？", ":", "：")) or _HEADING.match(sentence):
        return False
    # "Yes" and "no" alone say nothing without the question.
    word = "".join(character for character in bare.casefold() if character.isalnum())
    return bool(word) and word not in ("yes", "no")


LONGEST_UNIT = 60
"""Words; a longer sentence (a transcript without full stops) is cut: the embedder sees it all."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """``units`` are the distinct sentences of the texts, verbatim."""

    texts: tuple[str, ...]
    units: tuple[str, ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Evidence:
        """Split the texts; those without a word in them do not count as evidence."""
        kept = tuple(sorted({text for text in texts if any(c.isalnum() for c in text)}))
        return _split(kept)


@lru_cache(maxsize=32)
def _split(texts: tuple[str, ...]) -> Evidence:
    return Evidence(texts, tuple(dict.fromkeys(unit for text in texts for unit in _units(text))))


def _units(text: str) -> Iterator[str]:
    for span in sentences(text):
        yield from _pieces(span.of(text))


def _pieces(sentence: str) -> Iterator[str]:
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


def by_shared_terms(claim: str, units: Sequence[str]) -> list[int]:
    """The places of sentences, those first that share most terms with the claim."""
    terms = set(content_terms(claim))
    shared = [len(terms & set(content_terms(unit))) for unit in units]
    return sorted(range(len(units)), key=lambda place: (-shared[place], place))
