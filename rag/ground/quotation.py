"""Whether a claim is said word for word in the evidence: then there is nothing to estimate.

Words are compared without case, accents and punctuation. A claim may be joined from several texts,
each statement or line from one of them. A fragment out of the scope of "not" or "if" in its
sentence is no quotation, nor one that breaks off within a clause ("5 °C" of "5 °C below zero"):
they say something else there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rag.text.sentences import Span, sentences
from rag.text.terms import fold, negations

# Letters of scripts without spaces are words of their own; 14.5, non-refundable and 9% are one.
_SCRIPT = "\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(
    rf"[{_SCRIPT}]|\d+(?:[.,:/]\d+)*|(?:(?![{_SCRIPT}])[^\W_])+(?:[-'’](?:(?![{_SCRIPT}])[^\W_])+)*"
    r"|[%€$£°]"
)
_SEAM = re.compile(r"\s*(?:\n|[.!?…]+(?=\s|$))\s*")
_SCOPE = re.compile(
    r"\b(?:if|unless|whether|except|only|false|untrue|myth|den(?:y|ies|ied)|wenn|falls|si)\b",
    re.IGNORECASE,
)
_SIGN = re.compile(r"(?<![\w)])[-−–+<>≤≥±.](?=\s?\d)|\((?=\d[\d.,]*\))|[<>!=]=|\+\+|\^")
_WORD_BEFORE = re.compile(r"[\w%°€$£)][ \t*_\"“”]{0,9}\Z")
_WORD_AFTER = re.compile(r"[ \t*_\"“”]{0,9}[\w(%€$£]")
_CLAUSE = 4
"""Words from which a fragment states something, as one that ends like a sentence always does; what
begins with a figure is only a value."""


@lru_cache(maxsize=1024)
def _words(text: str) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]:
    """The folded words with where each starts and ends in the text."""
    found = [(fold(m[0]).replace("’", "'"), m.start(), m.end()) for m in _WORD.finditer(text)]
    return (
        tuple(word for word, _, _ in found),
        tuple(start for _, start, _ in found),
        tuple(end for _, _, end in found),
    )


def quoted_from(claim: str, texts: Sequence[str]) -> tuple[str, ...]:
    """The sentences that the claim repeats word for word; empty where it does not."""
    whole = _find(claim, texts)
    if whole:
        return (whole,)
    pieces = [piece for piece in _SEAM.split(claim) if _words(piece)[0]]
    if len(pieces) < 2:
        return ()
    places = [_find(piece, texts) for piece in pieces]
    return tuple(dict.fromkeys(p for p in places if p)) if all(places) else ()


def _find(piece: str, texts: Sequence[str]) -> str | None:
    """The sentences of a text around the first fair occurrence of the piece."""
    wanted = _words(piece)[0]
    states = piece.rstrip().endswith((".", "!")) or (
        len(wanted) >= _CLAUSE and not wanted[0][0].isdigit()
    )
    for text in texts:
        for left, right in _occurrences(wanted, text):
            start, end = _region(text, left, right)
            around = (text[start:left], text[right:end])
            if _signs(piece) != _signs(text[max(start, left - 2) : right + 2]):
                continue
            if not states or not (_broken_off(*around) or _undone(*around)):
                return text[start:end]
    return None


def _signs(text: str) -> list[str]:
    """What makes another value of the same digits and letters: minus, above, a power."""
    return [re.sub("[−–]", "-", sign) for sign in _SIGN.findall(text)]


def _occurrences(wanted: tuple[str, ...], text: str) -> Iterator[tuple[int, int]]:
    words, starts, ends = _words(text)
    size = len(wanted)
    if not size:
        return
    for index in range(len(words) - size + 1):
        if words[index] == wanted[0] and words[index : index + size] == wanted:
            yield starts[index], ends[index + size - 1]


def _region(text: str, left: int, right: int) -> tuple[int, int]:
    """Widen to the sentences that the span touches."""
    touched = [s for s in _sentences(text) if s.end > left and s.start < right]
    if not touched:
        return left, right
    return min(left, touched[0].start), max(right, touched[-1].end)


@lru_cache(maxsize=64)
def _sentences(text: str) -> tuple[Span, ...]:
    return tuple(sentences(text))


def _broken_off(before: str, after: str) -> bool:
    """Tell whether words of the same clause stand before or after the fragment."""
    return bool(_WORD_BEFORE.search(before) or _WORD_AFTER.match(after))


def _undone(before: str, after: str) -> bool:
    """Tell whether the rest of its sentence may take the fragment back, or sets a condition."""
    rest = f"{before} {after}"
    return bool(negations(rest) or _SCOPE.search(rest)) or rest.rstrip().endswith("?")
