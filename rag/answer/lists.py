"""Lists in passages: the steps of a procedure, whole and in order, over the ends of chunks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rag.text.sentences import Span, sentences
from rag.text.terms import content_terms
from rag.types import Citation, Passage

_ADJACENT = 4  # characters between two chunks that follow each other: line ends only


@dataclass(frozen=True, slots=True)
class Entry:
    """One step or item, or what stands between two: offsets into the passage's chunk."""

    passage: int
    start: int
    end: int
    marker: str  # empty for a paragraph or code that belongs to the step before it


@dataclass
class Listing:
    """A list in one passage or several; ``lead`` is the line that introduces it."""

    entries: list[Entry]
    lead: Entry | None = None
    heading: str = ""
    opens: bool = False  # nothing but headings before it in the chunk
    closes: bool = False  # nothing after it in the chunk
    before: list[Entry] = field(default_factory=list)  # from the chunk's start to a later step
    after: list[Entry] = field(default_factory=list)  # from the last step to the chunk's end

    @property
    def passage(self) -> int:
        """The passage in which it begins."""
        return self.entries[0].passage

    @property
    def numbers(self) -> list[int]:
        """The numbers of the steps, in order; empty for a list of bullets."""
        return [n for n in (number(entry.marker) for entry in self.entries) if n is not None]

    @property
    def ordered(self) -> bool:
        """Whether the list counts its entries."""
        return number(self.entries[0].marker) is not None

    @property
    def may_go_on(self) -> bool:
        """Whether its next entry may stand in the next chunk: a step may be cut in the middle."""
        return self.closes or (self.ordered and bool(self.after))

    @property
    def lacks_beginning(self) -> bool:
        """Whether it began earlier: numbers show it, even behind the rest of the step before."""
        return self.numbers[0] > 1 if self.ordered else self.opens


def number(marker: str) -> int | None:
    """Return what a marker counts; None for a bullet.

    >>> number("3."), number("c)"), number("-")
    (3, 3, None)
    """
    digits = re.sub(r"\D", "", marker)
    if digits:
        return int(digits)
    letter = re.sub(r"[^a-z]", "", marker)
    return ord(letter) - ord("a") + 1 if len(letter) == 1 else None


def listings(index: int, passage: Passage) -> list[Listing]:
    """The lists of one passage in reading order."""
    text = passage.chunk.text
    found: list[Listing] = []
    current: Listing | None = None
    held: list[Span] = []  # between two steps, if another step follows
    lead: Span | None = None
    heading = ""
    only_headings = True
    rest: list[Entry] | None = []  # of a step that began in the chunk before
    for span in sentences(text):
        if span.kind == "item" and span.marker:
            if current is None or not _continues(text, current, span, held):
                leads = lead and lead.kind == "text" and lead.of(text).rstrip().endswith(":")
                current = Listing(
                    [Entry(index, span.start, span.end, span.marker)],
                    Entry(index, lead.start, lead.end, "") if lead and leads else None,
                    heading,
                    opens=only_headings,
                    before=rest or [],
                )
                found.append(current)
            else:
                current.entries += [Entry(index, s.start, s.end, "") for s in held]
                current.entries.append(Entry(index, span.start, span.end, span.marker))
            held, rest = [], None
        elif span.kind == "item" and current is not None and not held:
            last = current.entries[-1]
            current.entries[-1] = Entry(index, last.start, span.end, last.marker)
        elif span.kind in ("text", "code") and current is not None:
            held.append(span)
        else:
            current, held = None, []
        if span.kind == "heading":
            heading, lead = span.of(text), None
            rest = None
        else:
            lead = span
            only_headings = False
            if rest is not None:
                rest.append(Entry(index, span.start, span.end, ""))
    if found and current is found[-1]:
        current.closes = not held
        current.after = [Entry(index, s.start, s.end, "") for s in held]
    return found


def _continues(text: str, current: Listing, span: Span, held: Sequence[Span]) -> bool:
    counted = number(span.marker)
    if counted is None:
        indented = text[text.rfind("\n", 0, span.start) + 1] in " \t"
        return not held and (indented or not current.ordered)
    return not current.ordered or not current.numbers or counted == current.numbers[-1] + 1


def runs_over(passage: Passage) -> tuple[bool, bool]:
    """Tell whether a list of the passage began before its chunk, and whether it may go on after.

    For whoever can fetch the neighbours: steps are only complete with the chunks beside them.
    """
    found = listings(0, passage)
    if not found:
        return False, False
    return passage.chunk.start > 0 and found[0].lacks_beginning, found[-1].may_go_on


def joined(listing: Listing, passages: Sequence[Passage]) -> Listing:
    """The list with what stands of it in the chunks before and after, if they are here."""
    whole = listing
    while whole.may_go_on and (more := _neighbour(whole, passages, after=True)):
        whole = replace(whole, entries=_both(whole, more), closes=more.closes, after=more.after)
    while whole.lacks_beginning and (more := _neighbour(whole, passages, after=False)):
        whole = replace(more, entries=_both(more, whole), closes=whole.closes, after=whole.after)
    return whole


def _both(first: Listing, second: Listing) -> list[Entry]:
    """The entries of two parts of a list, and what stands between their steps."""
    return [*first.entries, *first.after, *second.before, *second.entries]


def _neighbour(whole: Listing, passages: Sequence[Passage], *, after: bool) -> Listing | None:
    edge = passages[whole.entries[-1 if after else 0].passage]
    for n, passage in enumerate(passages):
        here = any(entry.passage == n for entry in whole.entries)
        if here or not (follows(edge, passage) if after else follows(passage, edge)):
            continue
        found = listings(n, passage)
        if not found:
            return None
        beside = found[0] if after else found[-1]
        goes_on = _goes_on(whole, beside) if after else _goes_on(beside, whole)
        return beside if goes_on else None
    return None


def follows(first: Passage, second: Passage) -> bool:
    """Tell whether the second passage is the next of its document, under the same heading."""
    one, other = first.chunk, second.chunk
    near = one.document_id == other.document_id and 0 <= other.start - one.end <= _ADJACENT
    ours, theirs = set(one.headings), set(other.headings)
    return near and (theirs <= ours or ours <= theirs)


def goes_on(first: Passage, second: Passage) -> bool:
    """Tell whether a list of one passage goes on in the next one."""
    one, other = listings(0, first), listings(1, second)
    return bool(one and other) and follows(first, second) and _goes_on(one[-1], other[0])


def _goes_on(first: Listing, second: Listing) -> bool:
    """Tell whether the second part follows the first: by the count, or with nothing between."""
    if first.ordered != second.ordered:
        return False
    if not first.ordered:
        return first.closes and second.opens
    counted = second.numbers[0] == first.numbers[-1] + 1
    between = second.opens or bool(second.before)
    return counted and first.may_go_on and between


def not_shown(passages: Sequence[Passage], last: Citation, shown: int) -> str:
    """What to say where an answer of so many entries ends before its list does, else ""."""
    for n, passage in enumerate(passages):
        start, end = last.start - passage.chunk.start, last.end - passage.chunk.start
        if passage.chunk.document_id != last.document_id or start < 0:
            continue
        for listing in listings(n, passage):
            whole = joined(listing, passages).entries
            at = [k for k, e in enumerate(whole) if (e.passage, e.start, e.end) == (n, start, end)]
            more = sum(bool(entry.marker) for entry in whole[at[0] + 1 :]) if at else 0
            if more:
                return (
                    f"{shown} of {shown + more} entries are shown, the others are in {last.place}"
                )
    return ""


def context(
    listing: Listing, passages: Sequence[Passage], *, nearest: bool = False
) -> frozenset[str]:
    """The stems of what the list stands under: title, headings, the line before it.

    With ``nearest``, only of the last heading and the line before it.
    """
    passage = passages[listing.passage]
    last = listing.heading or (passage.chunk.headings or (passage.title,))[-1]
    words = [last] if nearest else [passage.title, *passage.chunk.headings, last]
    if listing.lead:
        words.append(passage.chunk.text[listing.lead.start : listing.lead.end])
    return frozenset(content_terms(" ".join(words), passage.language or "en"))


def contents(listing: Listing, passages: Sequence[Passage]) -> frozenset[str]:
    """The stems of the entries."""
    passage = passages[listing.passage]
    words = " ".join(passages[e.passage].chunk.text[e.start : e.end] for e in listing.entries)
    return frozenset(content_terms(words, passage.language or "en"))
