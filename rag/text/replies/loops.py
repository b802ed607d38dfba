"""Words that come again and again: a small model may go on with them to the end of its tokens."""

from __future__ import annotations

import re
from collections import defaultdict

_LONGEST = 150  # words of what is repeated
_AGAIN = 8  # repeated words from which it may be a loop, where they are three or more
_TAIL = 200  # characters without a word that the number of an item may begin with
_FEW_AGAIN = 20  # where they are one or two: "very, very", cells of a table
_WORD = re.compile(
    r"(?P<no>\[\d+\]|(?:(?<=\n)|\A)[ \t>]*\(?\d+[.)](?=\s))"
    r"|(?P<word>[\u3040-\u30ff\u3400-\u9fff]|(?:(?![\u3040-\u30ff\u3400-\u9fff])\w)+)"
)
_CLOSING = re.compile(r"[.!?…。！？,;:\"'”’»)\]*_%]*(?:[ \t]*\[\d+\])*[.!?…]?")
_BREAK = re.compile(r"[.!?…。！？\n]")
_GAP = re.compile(r"[\n*_\"“«(‘#\[-]")  # what before a word belongs to it


class Loops:
    """Stops text whose words repeat what came right before them, and gives it once.

    Twice more make a loop, or as many as are eight words; numbers count as words, those of list
    items and citation marks do not. Words that may be a repetition wait until they are none.
    """

    def __init__(self) -> None:
        self.looped = False
        self._text = ""  # all that came
        self._given = 0
        self._read = 0  # how far it was split into words
        self._words: list[str] = []
        self._ends: list[int] = []
        self._begins: list[bool] = []  # whether a sentence or a line begins with the word
        self._places: dict[str, list[int]] = defaultdict(list)
        self._runs: dict[int, int] = {}  # distance to how many words in a row are as those before

    def feed(self, piece: str, *, code: bool = False, final: bool = False) -> str:
        """Return the text that is certain. Code repeats itself as it likes."""
        if self.looped:
            return ""
        self._text += piece
        if code:
            self._runs.clear()
            self._add("", len(self._text), starts=True)
            self._read = len(self._text)
        if self._repeats(final):
            self.looped = True
            return self._up_to(self._end_of(self._held_from() - 1))
        return self._up_to(len(self._text) if final or code else self._certain())

    def _repeats(self, final: bool) -> bool:
        """Split what is new into words, up to one that makes a loop."""
        for found in _WORD.finditer(self._text, self._read):
            # It may go on, or be the number of a list item.
            if len(self._text) - found.end() <= found[0].isdigit() and not final:
                return False
            self._read = found.end()
            if found["word"] and self._add(
                found["word"].casefold(), found.end(), starts=self._starts(found.start())
            ):
                return True
        # What is no word is not looked through again: but for a number's beginning.
        tail = max(self._text.rfind("\n", self._read), len(self._text) - _TAIL)
        self._read = max(self._read, tail)
        return False

    def _add(self, word: str, end: int, *, starts: bool) -> bool:
        now = len(self._words)
        recent = [n for n in self._places[word] if word and now - n <= _LONGEST]
        self._runs = {now - n: self._runs.get(now - n, 0) + 1 for n in recent}
        self._places[word] = [*recent, now]
        self._words.append(word)
        self._ends.append(end)
        self._begins.append(starts)
        shortest = {run: distance for distance, run in sorted(self._runs.items(), reverse=True)}
        most = 0
        for run, distance in sorted(shortest.items(), key=lambda pair: pair[1]):
            if run <= most:
                continue  # it repeats within itself
            most = run
            least = max(2 * distance, _AGAIN if distance > 2 else _FEW_AGAIN)
            if run >= least and any(map(str.isalpha, "".join(self._words[-distance:]))):
                self._runs = {distance: run}
                return True
        return False

    def _held_from(self) -> int:
        """The first word that waits, as it and those behind it may be a repetition.

        In the middle of a sentence one word alone proves nothing, and does not wait.
        """
        now = len(self._words)
        starts = [now - run for run in self._runs.values()]
        return min((n if self._begins[n] else n + 1 for n in starts), default=now)

    def _end_of(self, word: int) -> int:
        """Where a word ends, with what closes its sentence."""
        if word < 0:
            return 0
        return _CLOSING.match(self._text, self._ends[word]).end()  # type: ignore[union-attr]

    def _certain(self) -> int:
        now, held = len(self._words), self._held_from()
        closed = self._end_of(min(held, now) - 1)
        if held < now or not now:
            return closed if now else len(self._text)
        begun = _WORD.search(self._text, self._read)
        if begun and begun["word"]:
            partial = begun["word"].casefold()
            known = {self._words[now - distance] for distance in self._runs}
            if self._starts(begun.start()):
                known |= self._places.keys()
            if any(w.startswith(partial) for w in known):
                return closed
            if self._text[begun.start() - 1] != "[":
                return len(self._text)
        gap = _GAP.search(self._text, max(closed, self._given))
        return gap.start() if gap else len(self._text)

    def _starts(self, place: int) -> bool:
        """Tell whether a sentence or a line starts there."""
        before = self._text[self._ends[-1] if self._ends else 0 : place]
        return not self._ends or bool(_BREAK.search(before))

    def _up_to(self, place: int) -> str:
        shown = self._text[self._given : max(place, self._given)]
        self._given = max(place, self._given)
        return shown
