"""Whether a claim is said word for word in the evidence: then there is nothing to estimate.

Words are compared without case, accents and punctuation. A claim may be joined from several texts,
each statement or line from one of them. What states something has to be whole sentences or lines
there: a part ("5 °C" of "5 °C below zero", "late" of "if it is late") may say something else, and
so may an item under "Don't".
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
    r"\b(?:if|unless|whether|except|only|false|untrue|myths?|wenn|falls|si)\b",
    re.IGNORECASE,
)
_SIGN = re.compile(r"(?<![\w)])[-−–+<>≤≥±.](?=\s?\d)|\((?=\d[\d.,]*\))|[<>!=]=|\+\+|\^")
_LETTER = re.compile(r"[^\W_]|[%€$£]")
_LOOKED_BACK = 2000  # characters, for a line that leads to a sentence
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
            if not states or not (any(map(_LETTER.search, around)) or _undone(text, start, right)):
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


def _undone(text: str, start: int, right: int) -> bool:
    """Tell whether a question mark, or the line that leads to the sentence, may take it back."""
    lines = text[max(0, start - _LOOKED_BACK) : start].splitlines()
    leads = (n for n in reversed(lines) if n.startswith("#") or n.rstrip().endswith(":"))
    lead = next(leads, "")
    return text[right : right + 2].lstrip().startswith("?") or bool(
        negations(lead) or _SCOPE.search(lead)
    )
