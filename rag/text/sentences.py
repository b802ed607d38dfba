"""Sentences with offsets: the unit that is cited, checked and shown.

Rules rather than a model, because every answer needs them in a millisecond and every offset has to
be exact. A line that is a heading, a list item, a table row or code is a unit of its own and never
runs into its neighbour; prose is cut at sentence ends with abbreviations, initials, decimals and
version numbers left whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rag.text.rows import is_row

Kind = Literal["heading", "item", "row", "code", "text"]

_WRAPPED = 45  # characters from which a line may have been broken for its length
_HEADING = re.compile(r"#{1,6} +\S")
_MARKER = re.compile(r"\s*(?P<marker>[-*•‣]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+(?=\S)")

# An end mark with closing quotes and brackets, then space before what can begin a sentence.
_END = re.compile(
    r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’»)\]])|(?<=[.!?…][\"'”’»)\]][\"'”’»)\]]))"
    r"(?:\s*\[\d+\])*\s+(?=[\"'“‘«(\[¿¡]*[^\W_])|(?<=[。！？])",
)

_ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof sr jr st mt no nos vol vols fig figs eq eqs sec secs ch art ed eds rev
    dept inc ltd co corp bros al etc vs cf ca approx est min max misc tel ext p pp para cl
    e.g i.e a.m p.m u.s u.k u.n d.c ph.d jan feb mar apr jun jul aug sep sept oct nov dec
    mon tue wed thu fri sat sun gen col lt sgt capt rep sen gov hon rd ave blvd bzw ca d.h
    evtl ggf inkl nr z.b u.a usw vgl zzgl abs str hr fr art núm pág ej sra srta ud uds dpto
    p.ej av env éd mme mlle bd
    """.split()
)
# These may also end a sentence, so what follows decides: a capital starts a new one.
_EITHER = frozenset(
    """
    etc a.m p.m inc ltd co corp jr sr u.s u.k usw bros
    """.split()
)
_LAST_WORD = re.compile(r"([^\s(\[\"'“‘«]+)\.$")
_NEAR = 200  # characters around an end mark
_INITIAL = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Span:
    """``text[start:end]`` is the unit without its marker.

    ``marker`` is that of a list item (``-`` or ``3.``) on the first sentence of the item only.
    """

    start: int
    end: int
    kind: Kind
    marker: str = ""

    def of(self, text: str) -> str:
        """The words of the span."""
        return text[self.start : self.end]


def sentences(text: str) -> list[Span]:
    """Split into units in reading order; between them there is only space, markers and ``#``s."""
    return list(iterate(text))


def iterate(text: str) -> Iterator[Span]:
    """Yield the units one by one, for texts that have millions of them."""
    in_code = False
    paragraph: list[int] = []  # start and end of the prose that is being gathered
    wrapped = False  # whether the line before is long enough to go on in this one
    for start, end in _lines(text):
        line = text[start:end]
        if line.lstrip().startswith("```"):
            yield from _flush(text, paragraph)
            in_code = not in_code
            continue
        if in_code:
            if line.strip():
                yield _trimmed(text, start, end, "code")
            continue
        if not line.strip():
            yield from _flush(text, paragraph)
            continue
        marker = _MARKER.match(line)
        if _HEADING.match(line):
            yield from _flush(text, paragraph)
            yield _trimmed(text, start + line.index(" "), end, "heading")
        elif marker:
            yield from _flush(text, paragraph)
            yield from _item(text, start + marker.end(), end, marker["marker"])
        elif is_row(line):
            yield from _flush(text, paragraph)
            yield _trimmed(text, start, end, "row")
        elif paragraph and wrapped:
            paragraph[1] = end
        else:
            yield from _flush(text, paragraph)
            paragraph[:] = [start, end]
        wrapped = end - start >= _WRAPPED
    yield from _flush(text, paragraph)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield start, end
        start = end + 1
    yield start, len(text)


def _flush(text: str, paragraph: list[int]) -> Iterator[Span]:
    if paragraph:
        start, end = paragraph
        paragraph.clear()
        for left, right in _cut(text, start, end):
            yield _trimmed(text, left, right, "text")


def _item(text: str, start: int, end: int, marker: str) -> Iterator[Span]:
    for left, right in _cut(text, start, end):
        span = _trimmed(text, left, right, "item")
        yield Span(span.start, span.end, "item", marker)
        marker = ""


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    left = start
    for match in _END.finditer(text, start, end):
        # What decides stands close by: a line may have thousands of full stops that end nothing.
        before = text[max(left, match.start() - _NEAR) : match.start()]
        after = text[match.end() : min(end, match.end() + _NEAR)]
        if match.start() > left and _ends(before, after):
            yield left, match.start()
            left = match.end()
    if text[left:end].strip():
        yield left, end


def _ends(before: str, after: str) -> bool:
    """Decide whether an end mark between two pieces of prose really ends a sentence."""
    starts_upper = not after.lstrip("\"'“‘«([¿¡")[:1].islower()
    word = _LAST_WORD.search(before)
    if not word:
        return starts_upper or not before.endswith("…")
    last = word[1].casefold()
    if last in _EITHER:
        return starts_upper
    if last in _ABBREVIATIONS:
        # "No." and "Fig." stand before a number; "sat." and "mar." may close a sentence.
        return starts_upper and last in {"sat", "sun", "mar", "no"} and not after[:1].isdigit()
    if _INITIAL.fullmatch(word[1]) and word[1] != "I":
        return False  # J. R. R. Tolkien
    if last.isdigit() and len(last) <= 2 and word.start() == 0:
        return False  # a list number that stands inside a paragraph
    return starts_upper


def _trimmed(text: str, start: int, end: int, kind: Kind) -> Span:
    piece = text[start:end]
    lead = len(piece) - len(piece.lstrip())
    return Span(start + lead, start + len(piece.rstrip()), kind)
