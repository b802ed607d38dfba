"""Text that a model wrote over numbered passages: its marks, and the text without them.

``parse`` takes every mark out, says which passages each sentence cites, and names the marks that
point nowhere. Which forms are marks is in ``forms``; what is left alone is in ``protected``. Whose
a mark is:

- it belongs to the sentence it stands in or follows, never to a whole paragraph;
- behind a list item, a table row or a code block it belongs to that;
- alone on a line it belongs to what is above;
- a line that begins with a mark and does not end with one is marked in front throughout.

``neutralise`` goes over the text of passages before a model sees it, so that a passage's own
``[3]`` cannot come back as a mark of ours.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rag.answer.forms import HIDDEN, HUGE, Mark, definitions, find
from rag.answer.protected import blocks, masked
from rag.answer.removal import Edit, Lines, bibliography, removal, runs, wants_space, whole_lines
from rag.text.sentences import Span, sentences

_PASSES = 40
"""Marks inside marks are taken out one layer at a time; no text that means anything has so many."""

Kind = Literal["heading", "item", "row", "code", "text"]


@dataclass(frozen=True, slots=True)
class Marked:
    """A sentence and the passages it cites, in order: ``parsed.text[start:end] == text``.

    A block of code is one, fences and all. ``marker`` is that of a list item.
    """

    text: str
    start: int
    end: int
    kind: Kind = "text"
    marker: str = ""
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """The text without marks, its sentences, and one sentence for each mark that failed."""

    text: str
    sentences: tuple[Marked, ...]
    problems: tuple[str, ...]


def parse(text: str, count: int) -> Parsed:
    """Take the marks out of a text that was written over ``count`` passages.

    Every number of the result is within 1 and ``count``. Code and links come through to the
    letter. A text without marks is only trimmed at its ends, so the result parses to itself.
    """
    draft = _Draft(text, max(0, count))
    for _ in range(_PASSES):
        if not draft.improve():
            break
    return Parsed(draft.text, tuple(_attributed(draft)), tuple(dict.fromkeys(draft.problems)))


def neutralise(passage_text: str) -> str:
    """Return the text of a passage for a prompt, with ``(ref 3)`` for whatever could pose as mark.

    Only for the eyes of the model: citations are aligned with the passage itself and quote that.
    ``(ref 3)`` is no mark to ``parse``, so it may be repeated in an answer.
    """
    for _ in range(_PASSES):
        marks = find(masked(passage_text), None)
        if not marks:
            break
        for mark in reversed(marks):
            spaced = mark.start and wants_space(passage_text[mark.start - 1], "(")
            put = " " * bool(spaced) + _neutral(mark)
            passage_text = passage_text[: mark.start] + put + passage_text[mark.end :]
    return passage_text


def _neutral(mark: Mark) -> str:
    if not mark.pairs:
        return f"(ref {mark.label})"
    return f"(ref {', '.join(_range(pair) for pair in mark.pairs)})"


def _range(pair: tuple[int, int]) -> str:
    first, last = ("…" if number == HUGE else str(number) for number in pair)
    return first if first == last else f"{first}-{last}"


# --- taking marks out -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Anchor:
    place: int
    numbers: tuple[int, ...]
    ahead: bool


@dataclass
class _Draft:
    """The text between two passes, with the numbers of the marks that are out already."""

    text: str
    count: int
    anchors: list[_Anchor] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def improve(self) -> bool:
        """Take out what can be taken out in one pass; False when there is nothing left."""
        mask = masked(self.text)
        edits = list(self._edits(mask)) or list(_trimming(self.text))
        self._apply(edits)
        return bool(edits)

    def _edits(self, mask: str) -> Iterator[Edit]:
        gone, targets = definitions(mask)
        marks = [m for m in find(mask, self.count) if not any(a <= m.start < b for a, b in gone)]
        listed = bibliography(mask, marks)
        if listed is not None:
            gone = [span for span in gone if span[1] <= listed] + [(listed, len(mask))]
            marks = [mark for mark in marks if mark.start < listed]
        edits = [Edit(*whole_lines(mask, start, end)) for start, end in gone]
        lines = Lines.of(mask, marks)
        for run in runs(mask, marks):
            numbers = self._resolved(run, targets)
            edits.append(removal(self.text, mask, run, numbers, lines))
        place = 0
        for edit in sorted(edits, key=lambda edit: edit.start):
            if edit.start >= place:  # what overlaps has its turn in the next pass
                yield edit
                place = edit.end

    def _resolved(
        self, run: Sequence[Mark], targets: Mapping[str, tuple[int, int]]
    ) -> tuple[int, ...]:
        found: dict[int, None] = {}
        for mark in run:
            pairs = (targets[mark.label],) if mark.label in targets else mark.pairs
            if mark.raised and pairs[0][0] > self.count:
                digits = [int(digit) for digit in mark.raised]
                if all(1 <= digit <= self.count for digit in digits):
                    pairs = tuple((digit, digit) for digit in digits)  # ¹² of five passages
            for pair in pairs:
                reason = self._wrong(pair)
                if reason:
                    self._complain(mark, pair if len(pairs) > 1 else None, reason)
                else:
                    found.update(dict.fromkeys(range(pair[0], pair[1] + 1)))
            if not pairs:
                self._complain(mark, None, "no footnote of that name is defined")
        return tuple(found)

    def _wrong(self, pair: tuple[int, int]) -> str:
        """Return what is wrong with a number or a range; empty if nothing is."""
        first, last = pair
        if not self.count:
            return "there are no passages"
        numbered = f"the passages are numbered 1 to {self.count}"
        if first > last:
            return "it runs backwards"
        if first < 1 or last > self.count:
            reaches = f"it reaches beyond passage {self.count}" if 0 < first <= self.count else ""
            return reaches if reaches and first < last else f"{numbered}"
        return ""

    def _complain(self, mark: Mark, pair: tuple[int, int] | None, reason: str) -> None:
        shown = re.sub(rf"[{HIDDEN}]", "", self.text[mark.start : mark.end])
        shown = " ".join(shown.split())
        if len(shown) > 24:
            shown = shown[:22] + "…" + shown[-1]
        part = f"{_range(pair)} in {shown}" if pair else shown
        self.problems.append(f"the mark {part} was taken out: {reason}")

    def _apply(self, edits: Sequence[Edit]) -> None:
        pieces: list[str] = []
        anchors: list[_Anchor] = []
        place = shift = 0
        held = list(self.anchors)
        for edit in [*edits, Edit(len(self.text), len(self.text))]:
            while held and (held[0].place < edit.end or edit.start == len(self.text)):
                old = held.pop(0)
                moved = min(old.place, max(edit.start, place)) + shift
                anchors.append(_Anchor(moved, old.numbers, old.ahead))
            pieces += [self.text[place : edit.start], edit.put]
            if edit.numbers:
                noun = len(edit.put) if edit.put.strip() else 0
                anchors.append(_Anchor(edit.start + shift + noun, edit.numbers, edit.ahead))
            place = edit.end
            shift += len(edit.put) - (edit.end - edit.start)
        self.text = "".join(pieces)
        self.anchors = sorted(anchors, key=lambda anchor: anchor.place)


def _trimming(text: str) -> Iterator[Edit]:
    """Trim empty lines at the beginning and all space at the end, but nothing of a code block."""
    lead = re.match(r"(?:[^\S\n]*\n)+", text)
    if lead:
        yield Edit(0, lead.end())
    end = len(text.rstrip())
    code = blocks(text)
    if code:
        end = max(end, code[-1][1])
    if end < len(text) and end >= (lead.end() if lead else 0):
        yield Edit(end, len(text))


# --- whose a mark is ------------------------------------------------------------------------------


def _attributed(draft: _Draft) -> Iterator[Marked]:
    units = [unit for unit in _units(draft.text) if any(c.isalnum() for c in unit.of(draft.text))]
    numbers: list[dict[int, None]] = [{} for _ in units]
    starts, ends = [unit.start for unit in units], [unit.end for unit in units]
    for anchor in draft.anchors if units else ():
        ended, begun = bisect_right(ends, anchor.place), bisect_left(starts, anchor.place)
        owner = ended if anchor.ahead else begun - 1
        numbers[min(max(owner, 0), len(units) - 1)].update(dict.fromkeys(anchor.numbers))
    for unit, cited in zip(units, numbers, strict=True):
        yield Marked(
            unit.of(draft.text), unit.start, unit.end, unit.kind, unit.marker, tuple(cited)
        )


def _units(text: str) -> Iterator[Span]:
    """Cut into sentences, and each block of code as one."""
    place = 0
    for start, end in [*blocks(text), (len(text), len(text))]:
        for span in sentences(text[place:start]):
            yield Span(span.start + place, span.end + place, span.kind, span.marker)
        if start < end:
            yield Span(start, end, "code")
        place = end
