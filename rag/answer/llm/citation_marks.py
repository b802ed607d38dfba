"""Text that a model wrote over numbered passages: its marks, and the text without them.

``parse`` takes every mark out, says which passages each sentence cites, and names the marks that
point nowhere. Which forms are marks, and what only looks like one, is in ``mark_forms``. Whose a
mark is:

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
from typing import Literal, NamedTuple

from rag.answer.llm.mark_forms import (
    BLANK,
    FILLER,
    HIDDEN,
    HUGE,
    Mark,
    blocks,
    definitions,
    find,
    masked,
)
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

    >>> parsed = parse("It takes five days [1]. Call us [7].", 2)
    >>> parsed.text, parsed.sentences[0].numbers
    ('It takes five days. Call us.', (1,))
    >>> parsed.problems
    ('the mark [7] was taken out: the passages are numbered 1 to 2',)
    """
    draft = _Draft(text, max(0, count))
    for _ in range(_PASSES):
        if not draft.improve():
            break
    return Parsed(draft.text, tuple(_attributed(draft)), tuple(dict.fromkeys(draft.problems)))


def neutralise(passage_text: str) -> str:
    """The text of a passage for a prompt, with ``(ref 3)`` for whatever could pose as mark.

    Only for the eyes of the model: citations are aligned with the passage itself and quote that.
    ``(ref 3)`` is no mark to ``parse``, so it may be repeated in an answer.

    >>> neutralise("As shown in [3].")
    'As shown in (ref 3).'
    """
    for _ in range(_PASSES):
        marks = find(masked(passage_text), None)
        if not marks:
            break
        for mark in reversed(marks):
            spaced = mark.start and _wants_space(passage_text[mark.start - 1], "(")
            named = ", ".join(map(_range, mark.pairs)) or mark.label
            put = f"{' ' * bool(spaced)}(ref {named})"
            passage_text = passage_text[: mark.start] + put + passage_text[mark.end :]
    return passage_text


def _range(pair: tuple[int, int]) -> str:
    first, last = ("…" if number == HUGE else str(number) for number in pair)
    return first if first == last else f"{first}-{last}"


# --- taking marks out ---------------------------------------------------------------------------


class _Anchor(NamedTuple):
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

    def _edits(self, mask: str) -> Iterator[_Edit]:
        gone, targets = definitions(mask)
        marks = [m for m in find(mask, self.count) if not any(a <= m.start < b for a, b in gone)]
        listed = _bibliography(mask, marks)
        if listed is not None:
            gone = [span for span in gone if span[1] <= listed] + [(listed, len(mask))]
            marks = [mark for mark in marks if mark.start < listed]
        edits = [_Edit(*_whole_lines(mask, start, end)) for start, end in gone]
        lines = _marked_lines(mask, marks)
        for run in _runs(mask, marks):
            numbers = self._resolved(run, targets)
            edits.append(_removal(self.text, mask, run, numbers, lines))
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
        if first > last:
            return "it runs backwards"
        if 0 < first <= self.count < last:
            return f"it reaches beyond passage {self.count}"
        inside = first > 0 and last <= self.count
        return "" if inside else f"the passages are numbered 1 to {self.count}"

    def _complain(self, mark: Mark, pair: tuple[int, int] | None, reason: str) -> None:
        shown = re.sub(rf"[{HIDDEN}]", "", self.text[mark.start : mark.end])
        shown = " ".join(shown.split())
        if len(shown) > 24:
            shown = shown[:22] + "…" + shown[-1]
        part = f"{_range(pair)} in {shown}" if pair else shown
        self.problems.append(f"the mark {part} was taken out: {reason}")

    def _apply(self, edits: Sequence[_Edit]) -> None:
        pieces: list[str] = []
        anchors: list[_Anchor] = []
        place = shift = 0
        held = list(self.anchors)
        for edit in [*edits, _Edit(len(self.text), len(self.text))]:
            while held and (held[0].place < edit.end or edit.start == len(self.text)):
                old = held.pop(0)
                moved = min(old.place, max(edit.start, place)) + shift
                anchors.append(old._replace(place=moved))
            pieces += [self.text[place : edit.start], edit.put]
            if edit.numbers:
                noun = len(edit.put) if edit.put.strip() else 0
                anchors.append(_Anchor(edit.start + shift + noun, edit.numbers, edit.ahead))
            place = edit.end
            shift += len(edit.put) - (edit.end - edit.start)
        self.text = "".join(pieces)
        self.anchors = sorted(anchors, key=lambda anchor: anchor.place)


def _trimming(text: str) -> Iterator[_Edit]:
    """Trim empty lines at the beginning and all space at the end, but nothing of a code block."""
    lead = re.match(r"(?:[^\S\n]*\n)+", text)
    if lead:
        yield _Edit(0, lead.end())
    end = max(len(text.rstrip()), *(stop for _, stop in blocks(text)[-1:]), 0)
    if end < len(text) and end >= (lead.end() if lead else 0):
        yield _Edit(end, len(text))


# --- whose a mark is ----------------------------------------------------------------------------


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


# --- what goes with a mark that is taken out ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Edit:
    """Replaces ``text[start:end]``; its numbers go to a sentence beside the place."""

    start: int
    end: int
    put: str = ""
    numbers: tuple[int, ...] = ()
    ahead: bool = False  # whether they belong to what follows


_JOINED = re.compile(
    rf"{BLANK}*(?:[,;、，；&+/]|,?{BLANK}(?:and|und|et|y|e|и){BLANK})?{BLANK}*", re.IGNORECASE
)
_EMPHASIS = re.compile(r"(?:(?<=[\s.!?…。！？(\[])|(?<!.))(?:\*{1,3}|_{1,2})$", re.DOTALL)
_LINE_FRONT = re.compile(
    rf"(?:[ \t>]|{BLANK})*(?:(?:[-*•‣+]|\(?\w{{1,3}}[.)]|#{{1,6}})[ \t]+)?(?:\[[ xX]\] )?{BLANK}*"
)
_BARE_FRONT = re.compile(rf"(?:[ \t>]|{BLANK})*(?:[-*•‣+]|\d{{1,3}}[.)]|#{{1,6}})?{BLANK}*")
_STOPPED = re.compile(r"[.!?。！？…][\"'”’»)\]*_]*$")
_LISTED = re.compile(r"[ \t>]*(?:(?:[-*•‣+]|\(?\w{1,3}[.)])[ \t]|#{1,6}[ \t]|\|)")
_BEHIND_LAST = " \t\r.*_)]|!?…。！？"
_BLANKS_FIRST, _BLANKS_LAST = re.compile(rf"\A{BLANK}+"), re.compile(rf"{BLANK}+\Z")
_NOTHING = re.compile(rf"(?:{BLANK}|\.)*")
_NEAR = 120  # characters before a mark that can have to do with it
_ENDS = ".!?…。！？"
_PAUSES = ",;:，；、"
_TIGHT_BEFORE = frozenset(".,;:!?)]}…。，、；：！？）】»'’\"”|*_~/-–—%") | {""}
_TIGHT_BEHIND = frozenset("([{“«„¿¡/-–—（「『|") | {""}
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_PLURAL = re.compile(r"(?:s|es)\b")


def _runs(mask: str, marks: Sequence[Mark]) -> Iterator[list[Mark]]:
    """Put marks together that stand side by side: ``[1][2]``, ``[1], [2]``, ``[1] and [2]``."""
    run: list[Mark] = []
    for mark in marks:
        near = run and mark.start - run[-1].end < 40
        if run and not (near and _JOINED.fullmatch(mask, run[-1].end, mark.start)):
            yield run
            run = []
        run.append(mark)
    if run:
        yield run


def _removal(
    text: str, mask: str, run: Sequence[Mark], numbers: tuple[int, ...], lines: _Lines
) -> _Edit:
    """Decide what to take out with a run of marks, what to put there, and whose the marks are."""
    start, end = _widened(mask, run[0].start, run[-1].end)
    line, stop = _line(mask, start, end)
    before, after = _near(mask, line, start), mask[end : min(stop, end + _NEAR)]
    if _BARE_FRONT.fullmatch(before) and _NOTHING.fullmatch(mask, end, stop):
        whole = _whole_lines(mask, start, end)
        return _Edit(*whole, numbers=numbers, ahead=not mask[: whole[0]].strip())
    words = _standing_for(before, after, len(numbers) > 1)
    if words and (start, end) == (run[0].start, run[-1].end):
        return _Edit(start, end, words, numbers)
    if _LINE_FRONT.fullmatch(before):
        colon = re.match(rf"{BLANK}*:?{BLANK}*", after)
        end += colon.end() if colon else 0
        return _Edit(start, end, "", numbers, _leads(mask, line, lines))
    in_front = line in lines.begun and line not in lines.ended
    ahead = in_front and bool(_STOPPED.search(before.rstrip()))
    return _Edit(*_tidied(text, start, end, line, stop), numbers, ahead)


def _widened(mask: str, start: int, end: int) -> tuple[int, int]:
    """Take in emphasis, brackets and words of reference that hold nothing but the marks."""
    while True:
        emphasis = _EMPHASIS.search(mask, max(0, start - 4), start)
        if emphasis and mask.startswith(emphasis[0], end):
            start, end = emphasis.start(), end + len(emphasis[0])
            continue
        if start and mask[start - 1] == "^":
            start, end = start - 1, end + mask.startswith("^", end)
            continue
        line, stop = _line(mask, start, end)
        opening = _OPENING.search(mask, max(line, start - 60), start)
        closing = _CLOSING.match(mask, end, stop)
        if opening and closing:
            start, end = opening.start(), closing.end()
            continue
        before = _near(mask, line, start)
        label = _LABEL.search(before) if _NOTHING.fullmatch(mask, end, stop) else None
        if label:
            return start - len(before) + label.start(), stop
        return start, end


def _near(mask: str, line: int, start: int) -> str:
    """Return what stands on the line before a place; only its end, marked as one, if it is long."""
    return mask[line:start] if start - line <= _NEAR else FILLER + mask[start - _NEAR : start]


def _line(mask: str, start: int, end: int) -> tuple[int, int]:
    stop = mask.find("\n", end)
    return mask.rfind("\n", 0, start) + 1, len(mask) if stop < 0 else stop


def _whole_lines(mask: str, start: int, end: int) -> tuple[int, int]:
    """Take the lines out altogether, with the empty ones above them, or below at the very top."""
    line, stop = _line(mask, start, end)
    above = len(mask[:line].rstrip())
    if above:
        return min(mask.find("\n", above), line), stop
    below = re.compile(r"\s*\n").match(mask, stop)
    return line, below.end() if below else stop


def _tidied(text: str, start: int, end: int, line: int, stop: int) -> tuple[int, int, str]:
    """Return what to take out, and what to put there, so that spaces and stops come out right."""
    start = line + len(_BLANKS_LAST.sub("", text[line:start]))
    rest = stop - len(_BLANKS_FIRST.sub("", text[end:stop]))
    left, right = text[max(line, start - 1) : start], text[rest : min(stop, rest + 1)]
    if right in (".", ",") or left in _TIGHT_BEHIND - {"-", "–", "—", "|"}:
        end = rest
    if left in _PAUSES and right and right in _PAUSES + _ENDS:
        return start - 1, rest, ""
    if left in _ENDS and right == "." and text[rest : rest + 2] != "..":
        return start, rest + 1, ""
    joined = rest == end and left and right and _wants_space(left, text[end : min(stop, end + 8)])
    return start, end, " " if joined else ""


def _wants_space(left: str, right: str) -> bool:
    """Tell whether two pieces that a mark held apart need a space between them."""
    if left.isspace() or right[:1].isspace():
        return False
    if left == right[:1] == "*":
        return True  # the end of one emphasis and the beginning of another
    if left in _TIGHT_BEHIND or right[:1] in _TIGHT_BEFORE:
        return False
    return not (_WIDE.search(left + right[:1]) or (left.isalpha() and _PLURAL.match(right)))


class _Lines(NamedTuple):
    """Which lines begin and end with a mark, by where they start."""

    begun: set[int]
    ended: set[int]


def _marked_lines(mask: str, marks: Sequence[Mark]) -> _Lines:
    lines = _Lines(set(), set())
    for mark in marks:
        line, stop = _line(mask, mark.start, mark.end)
        if _LINE_FRONT.fullmatch(mask, line, mark.start):
            lines.begun.add(line)
        if stop - mark.end < 40 and not mask[mark.end : stop].strip(_BEHIND_LAST):
            lines.ended.add(line)
    return lines


def _leads(mask: str, line: int, lines: _Lines) -> bool:
    """Tell whether a mark at the front of a line belongs to that line rather than to the one above.

    It does not where the line above is prose without a mark at its end and this one has its own.
    """
    top = mask.rfind("\n", 0, max(0, line - 1)) + 1
    above = mask[top : max(0, line - 1)]
    if _LISTED.match(mask, line) or not above.strip() or _LISTED.match(above):
        return True
    return top in lines.ended or line not in lines.ended


def _bibliography(mask: str, marks: Sequence[Mark]) -> int | None:
    """Return where a list of sources begins that the model put at the end; None without one."""
    lines = [(m.start(), m.end()) for m in re.finditer(r"[^\n]+", mask) if m[0].strip()]
    heads = {line: _heads(mask, line, marks) for line in lines[-40:]}
    headed = first = len(lines)
    while headed and heads.get(lines[headed - 1]) is not None:
        headed -= 1
        numbered = headed + 1 == first and _ENTRY.match(mask, *lines[headed])
        first = headed if numbered else first
    entries = lines[headed:]
    # Without marks at the front it may be any list; but below marked text it is one of sources.
    sure = all(heads[line] for line in entries) or any(m.end <= entries[0][0] for m in marks)
    if headed and sure and _SOURCES_HEADING.match(mask[slice(*lines[headed - 1])]):
        start = lines[headed - 1][0]
    elif first < len(lines) and _cited_above(mask, marks, heads, lines[first:]):
        ruled = first and re.fullmatch(r"\s*[-*_]{3,}\s*", mask[slice(*lines[first - 1])])
        start = lines[first - 1 if ruled else first][0]
    else:
        return None
    return start if mask[:start].strip() else None


def _heads(mask: str, line: tuple[int, int], marks: Sequence[Mark]) -> tuple[int, ...] | None:
    """The numbers at the front of an entry; None for a line that is none.

    A line with a mark elsewhere is a statement: "Sources:" may announce those of energy.
    """
    start, stop = line
    here = [mark for mark in marks if start <= mark.start < stop]
    if not (_ENTRY.match(mask, start, stop) or _LISTED_ENTRY.match(mask, start, stop)):
        return None
    if here and (len(here) > 1 or mask[start : here[0].start].strip(" \t>-*•+_")):
        return None
    return tuple(number for mark in here for number, _ in mark.pairs)


def _cited_above(
    mask: str,
    marks: Sequence[Mark],
    heads: Mapping[tuple[int, int], tuple[int, ...] | None],
    lines: Sequence[tuple[int, int]],
) -> bool:
    """Tell entries without a heading from statements: cited above, once each, no full stop."""
    start = lines[0][0]
    above = mask[:start]
    if not above.endswith("\n\n") and not above.rstrip().endswith(("---", "***")):
        return False
    cited = {n for mark in marks if mark.end <= start for pair in mark.pairs for n in pair}
    numbers = [number for line in lines for number in heads[line] or (0,)]
    stopped = any(_STOPPED.search(mask[slice(*line)].rstrip()) for line in lines)
    return not stopped and len(set(numbers)) == len(numbers) and cited.issuperset(numbers)


# --- words around marks -------------------------------------------------------------------------

_REFERRING = (
    r"(?:e\.g|z\. ?B|see(?: also)?|cf|as per|per|from|"
    r"(?:as )?(?:stated|described|noted|shown) in|according to|sources?|"
    r"refs?|references?|citations?|passages?|siehe(?: auch)?|vgl|quellen?|laut|gemäß|"
    r"véase|ver|fuentes?|según|voir|selon|réf|источник|см|参见|来源)"
)
# A bracket, with or without words of reference, before a mark, and the one that closes behind it.
_OPENING = re.compile(rf"\\?[(\[（［]\s*(?:{_REFERRING}\.?\s*:?\s*)?$", re.IGNORECASE)
_CLOSING = re.compile(r"\s*\\?[)\]）］]")
_LABELS = (
    r"(?:sources?|references?|refs?|citations?|footnotes?|bibliography|works cited|"
    r"quellen?(?:angaben?|nachweise?)?|belege?|fußnoten?|einzelnachweise|fuentes?|referencias?|"
    r"citas|sources? (?:used|cited)|références?|notes de bas de page|fonti?e?|bronnen|"
    r"источники?|来源|來源|参考文献|出典|المصادر|مراجع)"
)
# "Source:" before a mark, at the beginning of a line or behind a full stop.
_LABEL = re.compile(
    r"(?:^|(?<=[.!?。…])[ \t]*|(?<=[.!?。…][)\"”])[ \t]+)"
    rf"[ \t>]*(?:[-*•][ \t]+)?[*_]*{_LABELS}[*_]*\s*[:：][*_]*[ \t]*$",
    re.IGNORECASE,
)
# A line that announces the list of sources at the end.
_SOURCES_HEADING = re.compile(
    rf"^[ \t]*(?:#{{1,6}}[ \t]*)?[*_]{{0,3}}{_LABELS}[ \t]*[:：]?[*_]{{0,3}}[ \t]*[:：]?[ \t\r]*$",
    re.IGNORECASE,
)
# How a line of such a list begins, and how it may begin as well where a heading announces it.
_LISTED_ENTRY = re.compile(r"[ \t>]*[-*•+]\s")
_ENTRY = re.compile(
    r"[ \t>]*(?:[-*•+]\s+)?[*_]{0,2}(?:\\?[\[【(（]\s*\^?\s*\d{1,9}\s*\\?[\]】)）]|[⁰¹²³⁴-⁹]+|"
    r"\d{1,3}[.):]\s|<sup>|(?:sources?|passages?|quellen?|fuentes?|documents?)\s*\[?\d{1,3}\b)",
    re.IGNORECASE,
)
# Words that need an object, with what stands for one source and for several.
_BEFORE = [
    (re.compile(rf"(?<!\w){words}\s+$", re.IGNORECASE), one, several)
    for words, one, several in (
        (r"(?:according to|as per|based on|(?:stated|described|explained|noted|mentioned|shown|"
         r"listed|documented|defined|specified|given|found|reported|outlined|said|written|cited) "
         r"(?:in|by)|see(?: also)?|refer to|both)", "the source", "the sources"),
        (r"(?:laut|gemäß|nach angaben von|(?:beschrieben|erklärt|angegeben|genannt|steht|"
         r"aufgeführt|wie) in)", "der Quelle", "den Quellen"),
        (r"(?:siehe(?: auch)?)", "die Quelle", "die Quellen"),
        (r"(?:según|de acuerdo con|véase|como se (?:indica|explica|describe) en|"
         r"(?:descrito|indicado|explicado|mencionado) en)", "la fuente", "las fuentes"),
        (r"(?:selon|d['’]après|voir|(?:décrit|indiqué|expliqué|mentionné)e?s? dans)",
         "la source", "les sources"),
    )
]  # fmt: skip
# Verbs that need a subject.
_AFTER = [
    (re.compile(rf"[ \t]+(?:also |clearly |only )?{words}\b"), one, several)
    for words, one, several in (
        (r"(?:states?|says?|explains?|notes?|describes?|shows?|mentions?|reports?|"
         r"specif(?:y|ies)|lists?|confirms?|adds?|indicates?|suggests?|recommends?|claims?|"
         r"defines?|provides?)", "The source", "The sources"),
        (r"(?:besagt|nennt|beschreibt|erklärt|sagt|zeigt|erwähnt|bestätigt)", "Die Quelle", ""),
        (r"(?:besagen|nennen|beschreiben|erklären|sagen|zeigen)", "", "Die Quellen"),
        (r"(?:dicen?|indican?|explican?|señalan?|mencionan?)", "La fuente", "Las fuentes"),
        (r"(?:dit|disent|indiquent?|précisent?|expliquent?)", "La source", "Les sources"),
    )
]  # fmt: skip
_CONJUNCTION = re.compile(
    r"\b(?:as|and|but|while|whereas|that|although|and also|während|aber|dass|mientras que|pero|"
    r"tandis que|mais)\s+$",
    re.IGNORECASE,
)
_SENTENCE_START = re.compile(r"(?:^|[.!?。…][\"'”’)»]*\s+|^[ \t>]*(?:[-*•+]|\d+[.)])\s+)$")


def _standing_for(before: str, after: str, several: bool) -> str:
    """The words that a mark stands for in its sentence; empty where it can simply go.

    ``before`` and ``after`` are what stands on the line on either side of it.
    """
    for pattern, one, more in _BEFORE:
        if pattern.search(before):
            words = more if several else one
            return words.removeprefix("the ") if before.casefold().endswith("both ") else words
    starts = bool(_SENTENCE_START.search(before))
    if starts or _CONJUNCTION.search(before):
        for pattern, one, more in _AFTER:
            words = more if several else one
            if words and pattern.match(after):
                return words if starts else words[0].lower() + words[1:]
    return ""
