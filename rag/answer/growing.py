"""Text that is still being written: which of its sentences nothing that follows can change.

A sentence is closed once the next one is well begun, so that the marks behind it are known to be
all. Lines that begin with a mark, open code and footnotes that are defined at the end of a text
wait for what decides them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.answer.grounded import without_headings
from rag.answer.marks import Marked, parse

_BEGUN = re.compile(r"[^\W\d_]\S*(?:\s+\S+){2}")  # three words: the one before has all its marks
_ENDS = ".!?…。！？:;\n"
_OPENS_WITH_MARK = re.compile(r"\s*(?:(?:[-*•]|\d+[.)])\s+)?[*_]*(?:\[\^?\d|[【（(]\d|[⁰¹²³⁴-⁹])")
_FENCE = re.compile(r"^[ \t>]*(?:```|~~~)", re.MULTILINE)
# Footnotes are defined at the end; round brackets are marks only where there are several.
_UNDECIDED = re.compile(r"\[\^|[.!?]\s*\(\d{1,2}\)")
_OPENINGS, _CLOSINGS = "[(【（", "])】）"
_MARKS = re.compile(r"(?:\s*[\[【（(][\d\s,;–-]+[\])】）])*[ \t]*")
# The end of a sentence that has its marks: no more of it can be missing where the text breaks off.
_WRITTEN_OUT = re.compile(
    r"[.!?…。！？:][\"'”’»)\]*_]*(?:\s*\[\d+\])+(?=\s|$)|\[\d+\][.!?…。！？](?=\s|$)"
)
_SLACK = 200  # characters that marks and markup may put between two letters of a sentence


class GrowingText:
    """Takes the text of a draft as it grows; gives each sentence once, in order."""

    def __init__(self, count: int) -> None:
        self.problems: tuple[str, ...] = ()
        self._count = count
        self._given: list[Marked] = []
        self._looked = -1  # the last end that was looked at
        self._place = 0  # of the text that the sentences given so far stand for

    def feed(self, text: str) -> list[Marked]:
        """Take all of the text that there is and return the sentences that are newly closed."""
        # Cheap first: there is nothing new unless three words came after another end.
        end = max(text.rfind(mark) for mark in _ENDS)
        if end <= self._looked or not _BEGUN.search(text, end + 1):
            return []
        self._looked = end
        settled = _decided(text)
        if not settled or _UNDECIDED.search(settled):
            return []
        found = parse(settled, self._count).sentences
        return self._give(list(without_headings(found)), settled)

    def finish(self, text: str) -> list[Marked]:
        """Take the whole text and return the rest of its sentences; sets ``problems``."""
        parsed = parse(text, self._count)
        self.problems = parsed.problems
        rest = self._after_given(list(without_headings(parsed.sentences)))
        self._given += rest
        return rest

    def place_of(self, text: str, sentence: Marked) -> int:
        """Return where in the written text a sentence ends, with its marks.

        Asked for in the order of the sentences. It is for showing: the marks are out of a
        sentence, so its letters are looked up one after the other.
        """
        place = self._place
        for letter in sentence.text:
            if letter.isspace():
                continue
            found = text.find(letter, place, place + _SLACK)
            if found < 0:
                break
            place = found + 1
        else:
            place = _MARKS.match(text, place).end()  # type: ignore[union-attr]
        self._place = place
        return place

    def _give(self, sentences: list[Marked], text: str) -> list[Marked]:
        if len(sentences) <= len(self._given) + 1:
            return []
        *closed, last = sentences
        # A line that ends may still be followed by one of marks alone.
        if not _BEGUN.search(last.text) or _open_bracket(text[-len(last.text) - 40 :]):
            closed = closed[:-1]
        new = self._after_given(closed)
        self._given += new
        return new

    def _after_given(self, sentences: Sequence[Marked]) -> list[Marked]:
        """Return what comes after the last sentence that was given.

        Seldom more text changes how what came before is cut, e.g. by a list of sources at its end;
        what was given stays as it was.
        """
        if not self._given:
            return list(sentences)
        last = self._given[-1].text
        for place in range(len(sentences) - 1, -1, -1):
            if sentences[place].text == last and place >= len(self._given) - 1:
                return list(sentences[place + 1 :])
        return list(sentences[len(self._given) :])


def written_out(text: str) -> str:
    """Return a text that broke off without what may not be the whole of a sentence.

    "It costs 3." may have begun "It costs 3.50"; behind a mark nothing of a sentence comes.
    """
    ends = [found.end() for found in _WRITTEN_OUT.finditer(text)]
    return text[: ends[-1]] if ends else ""


def _decided(text: str) -> str:
    """Return the text without an end whose meaning hangs on what comes next."""
    fences = [found.start() for found in _FENCE.finditer(text)]
    if len(fences) % 2:
        text = text[: fences[-1]]
    line = text.rfind("\n") + 1
    if _OPENS_WITH_MARK.match(text, line):
        text = text[:line]
    return text


def _open_bracket(text: str) -> bool:
    opened = max(text.rfind(bracket) for bracket in _OPENINGS)
    closed = max(text.rfind(bracket) for bracket in _CLOSINGS)
    return opened > closed
