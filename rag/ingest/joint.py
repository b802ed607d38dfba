"""Lines that belong together as one text, with the hyphen undone that only parted a word."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache

from rag.text.language import detect

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST_PART = re.compile(r"([^\W\d_]+)[-\u2010]$")
_FIRST_PART = re.compile(r"[^\W\d_]+")
_HYPHENED = re.compile(r"[^\W_][-\u2010]$")
_OPEN_END = re.compile(r"[^\s/–—\u2010-][-/–—\u2010]$")
"""A hyphen, dash or stroke that the next line follows without a space; between spaces, a sign."""
_OPEN_START = re.compile(r"\d[–—]\d|\w—[^\W\d_]")
_UNSPACED = re.compile("[\u3001-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffee]{2}")
"""Chinese and Japanese, which know no spaces that a line's end could stand for."""
_MAX_WORD = 60
_MAX_LABEL = 6
_SUSPENDED = ("and", "or", "und", "oder")
"""After a hyphen that stands for the rest of a word: "pre- and post-war"."""
_PREFIXES = frozenset(
    "anti auto com con counter dis fore inter macro micro mis mono multi out over para photo post "
    "pre pro sub super tele trans under".split()
)
_SUFFIXES = frozenset("able age ally ers ing ings ion less ment ness ship ward wards wise".split())


class Joint:
    """Joins lines by what the other lines of the document know of its words."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Gather the words of a document's lines."""
        self.lines = lines
        self.words = {word.lower() for line in lines for word in _WORD.findall(line)}

    def join(self, before: str, after: str) -> tuple[str, str]:
        """Both texts as they are to stand together, a hyphen at the line's end undone."""
        if before.endswith("\u00ad"):
            return before[:-1], after
        head, tail = _LAST_PART.search(before[-_MAX_WORD:]), _FIRST_PART.match(after)
        capitals = head and tail and f"{head[1]}{tail[0]}".isupper() and len(tail[0]) > 1
        if not head or not tail or not (after[0].islower() or capitals):
            closed = (
                _OPEN_END.search(before[-2:])
                or _OPEN_START.match(before[-1:] + after[:2])
                or _UNSPACED.fullmatch(before[-1:] + after[:1])
            )
            return before, after if closed else f" {after}"
        whole = f"{head[1]}{tail[0]}".lower()
        if tail[0] in _SUSPENDED and whole not in _english_words():
            return before, f" {after}"
        if whole in self.words:
            return before[:-1], after
        is_hyphened = _HYPHENED.search(before[-_MAX_WORD:][: head.start()]) is not None
        compound = f"{head[1]}-{tail[0]}".lower()
        keeps = compound in self.words or self.is_compound(head[1], tail[0], is_hyphened)
        return before if keeps else before[:-1], after

    def is_compound(self, first: str, second: str, is_hyphened: bool) -> bool:
        """Whether a hyphen belongs to the words, and does not only part one at a line's end.

        What has a hyphen already is likely to go on with one, whatever its parts: "up-to-date".
        """
        if second.isupper() and len(first) > 1:  # all is in capitals, so the first is no acronym
            first, second = first.lower(), second.lower()
        if len(first) == 1 or (first.isupper() and len(first) < _MAX_LABEL):  # X-ray, GPS-based
            return True
        first = first.lower()
        if first.endswith("ez") and second == "vous":  # French
            return True
        is_part = min(len(first), len(second)) < 3 or first in _PREFIXES or second in _SUFFIXES
        if is_part and not is_hyphened:
            return False
        return {first, second} <= self.known and first + second not in self.known

    @cached_property
    def known(self) -> frozenset[str]:
        """The words that tell a compound: English ones, which in another language mislead."""
        middle = len(self.lines) // 2  # titles and contents come first
        sample = " ".join(self.lines[middle : middle + 100])
        return _english_words() if detect(sample)[0] in ("en", None) else frozenset()


@lru_cache(maxsize=1)
def _english_words() -> frozenset[str]:
    """The words among the shipped model's pieces, those most used in English."""
    from rag.models.embedder import TOKENIZER_FILE, WEIGHTS

    vocabulary = json.loads((WEIGHTS / TOKENIZER_FILE).read_text("utf-8"))["model"]["vocab"]
    return frozenset(word for word in vocabulary if word.isalpha())
