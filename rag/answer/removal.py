"""Taking a mark out of its sentence: what goes with it, what stays whole, whose it was.

A mark takes along the spaces before it, brackets and emphasis that hold nothing else, a doubled
stop, an empty line; and a list of sources at the end goes as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rag.answer.forms import BLANK, Mark
from rag.answer.protected import FILLER
from rag.answer.wording import (
    CLOSING,
    ENTRY,
    LABEL,
    LISTED_ENTRY,
    OPENING,
    SOURCES_HEADING,
    standing_for,
)


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces ``text[start:end]``; its numbers go to a sentence beside the place."""

    start: int
    end: int
    put: str = ""
    numbers: tuple[int, ...] = ()
    ahead: bool = False  # whether they belong to what follows


_JOINED = re.compile(
    rf"{BLANK}*(?:[,;、，；&+/]|,?{BLANK}(?:and|und|et|y|e|и){BLANK})?{BLANK}*", re.IGNORECASE
)
_EMPHASIS = ("***", "**", "*", "__", "_")
_LINE_FRONT = re.compile(
    rf"(?:[ \t>]|{BLANK})*(?:(?:[-*•‣+]|\(?\w{{1,3}}[.)]|#{{1,6}})[ \t]+)?(?:\[[ xX]\] )?{BLANK}*"
)
_BARE_FRONT = re.compile(rf"(?:[ \t>]|{BLANK})*(?:[-*•‣+]|\d{{1,3}}[.)]|#{{1,6}})?{BLANK}*")
_STOPPED = re.compile(r"[.!?。！？…][\"'”’»)\]*_]*$")
_LISTED = re.compile(r"[ \t>]*(?:(?:[-*•‣+]|\(?\w{1,3}[.)])[ \t]|#{1,6}[ \t]|\|)")
_BEHIND_LAST = " \t\r.*_)]|!?…。！？"
_NOTHING = re.compile(rf"(?:{BLANK}|\.)*")
_NEAR = 120  # characters before a mark that can have to do with it
_ENDS = ".!?…。！？"
_PAUSES = ",;:，；、"
_TIGHT_BEFORE = frozenset(".,;:!?)]}…。，、；：！？）】»'’\"”|*_~/-–—%") | {""}
_TIGHT_BEHIND = frozenset("([{“«„¿¡/-–—（「『|") | {""}
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_PLURAL = re.compile(r"(?:s|es)\b")


def runs(mask: str, marks: Sequence[Mark]) -> Iterator[list[Mark]]:
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


def removal(
    text: str, mask: str, run: Sequence[Mark], numbers: tuple[int, ...], lines: Lines
) -> Edit:
    """Decide what to take out with a run of marks, what to put there, and whose the marks are."""
    start, end = _widened(mask, run[0].start, run[-1].end)
    line, stop = _line(mask, start, end)
    before, after = _near(mask, line, start), mask[end : min(stop, end + _NEAR)]
    if _BARE_FRONT.fullmatch(before) and _NOTHING.fullmatch(mask, end, stop):
        whole = whole_lines(mask, start, end)
        return Edit(*whole, numbers=numbers, ahead=not mask[: whole[0]].strip())
    words = standing_for(before, after, len(numbers) > 1)
    if words and (start, end) == (run[0].start, run[-1].end):
        return Edit(start, end, words, numbers)
    if _LINE_FRONT.fullmatch(before):
        colon = re.match(rf"{BLANK}*:?{BLANK}*", after)
        end += colon.end() if colon else 0
        return Edit(start, end, "", numbers, _leads(mask, line, lines))
    in_front = line in lines.begun and line not in lines.ended
    ahead = in_front and bool(_STOPPED.search(before.rstrip()))
    return Edit(*_tidied(text, start, end, line, stop), numbers, ahead)


def _widened(mask: str, start: int, end: int) -> tuple[int, int]:
    """Take in emphasis, brackets and words of reference that hold nothing but the marks."""
    while True:
        emphasis = next((e for e in _EMPHASIS if _wraps(mask, start, end, e)), "")
        if emphasis:
            start, end = start - len(emphasis), end + len(emphasis)
            continue
        if start and mask[start - 1] == "^":
            start, end = start - 1, end + mask.startswith("^", end)
            continue
        line, stop = _line(mask, start, end)
        opening = OPENING.search(mask, max(line, start - 60), start)
        closing = CLOSING.match(mask, end, stop)
        if opening and closing:
            start, end = opening.start(), closing.end()
            continue
        before = _near(mask, line, start)
        label = LABEL.search(before) if _NOTHING.fullmatch(mask, end, stop) else None
        if label:
            return start - len(before) + label.start(), stop
        return start, end


def _near(mask: str, line: int, start: int) -> str:
    """Return what stands on the line before a place; only its end, marked as one, if it is long."""
    return mask[line:start] if start - line <= _NEAR else FILLER + mask[start - _NEAR : start]


def _wraps(mask: str, start: int, end: int, emphasis: str) -> bool:
    size = len(emphasis)
    left = start - size
    if left < 0 or mask[left:start] != emphasis or mask[end : end + size] != emphasis:
        return False
    return left == 0 or mask[left - 1].isspace() or mask[left - 1] in _ENDS + "(["


def _line(mask: str, start: int, end: int) -> tuple[int, int]:
    stop = mask.find("\n", end)
    return mask.rfind("\n", 0, start) + 1, len(mask) if stop < 0 else stop


def whole_lines(mask: str, start: int, end: int) -> tuple[int, int]:
    """Take the lines out altogether, with the empty ones above them, or below at the very top."""
    line, stop = _line(mask, start, end)
    above = len(mask[:line].rstrip())
    if above:
        return min(mask.find("\n", above), line), stop
    below = re.compile(r"\s*\n").match(mask, stop)
    return line, below.end() if below else stop


def _tidied(text: str, start: int, end: int, line: int, stop: int) -> tuple[int, int, str]:
    """Return what to take out, and what to put there, so that spaces and stops come out right."""
    blanks = re.compile(rf"{BLANK}*")
    while start > line and blanks.fullmatch(text[start - 1]):
        start -= 1
    behind = blanks.match(text, end, stop)
    rest = behind.end() if behind else end
    left, right = text[start - 1 : start] if start > line else "", text[rest : rest + 1]
    right = "" if rest >= stop else right
    if right in (".", ",") or left in _TIGHT_BEHIND - {"-", "–", "—", "|"}:
        end = rest
    if left in _PAUSES and right and right in _PAUSES + _ENDS:
        return start - 1, rest, ""
    if left in _ENDS and right == "." and text[rest : rest + 2] != "..":
        return start, rest + 1, ""
    joined = rest == end and left and right and wants_space(left, text[end : min(stop, end + 8)])
    return start, end, " " if joined else ""


def wants_space(left: str, right: str) -> bool:
    """Tell whether two pieces that a mark held apart need a space between them."""
    if left.isspace() or right[:1].isspace():
        return False
    if left == right[:1] == "*":
        return True  # the end of one emphasis and the beginning of another
    if left in _TIGHT_BEHIND or right[:1] in _TIGHT_BEFORE:
        return False
    if _WIDE.match(left) or _WIDE.match(right):
        return False
    return not (left.isalpha() and _PLURAL.match(right))


@dataclass(frozen=True, slots=True)
class Lines:
    """Which lines begin and end with a mark, by where they start."""

    begun: frozenset[int]
    ended: frozenset[int]

    @classmethod
    def of(cls, mask: str, marks: Sequence[Mark]) -> Lines:
        """Look at where each mark stands on its line."""
        begun, ended = set(), set()
        for mark in marks:
            line, stop = _line(mask, mark.start, mark.end)
            if _LINE_FRONT.fullmatch(mask, line, mark.start):
                begun.add(line)
            if stop - mark.end < 40 and not mask[mark.end : stop].strip(_BEHIND_LAST):
                ended.add(line)
        return cls(frozenset(begun), frozenset(ended))


def _leads(mask: str, line: int, lines: Lines) -> bool:
    """Tell whether a mark at the front of a line belongs to that line rather than to the one above.

    It does not where the line above is prose without a mark at its end and this one has its own.
    """
    top = mask.rfind("\n", 0, max(0, line - 1)) + 1
    above = mask[top : max(0, line - 1)]
    if _LISTED.match(mask, line) or not above.strip() or _LISTED.match(above):
        return True
    return top in lines.ended or line not in lines.ended


def bibliography(mask: str, marks: Sequence[Mark]) -> int | None:
    """Return where a list of sources begins that the model put at the end; None without one."""
    lines = [(m.start(), m.end()) for m in re.finditer(r"[^\n]+", mask) if m[0].strip()]
    heads = {line: _heads(mask, line, marks) for line in lines[-40:]}
    headed = first = len(lines)
    while headed and heads.get(lines[headed - 1]) is not None:
        headed -= 1
        numbered = headed + 1 == first and ENTRY.match(mask, *lines[headed])
        first = headed if numbered else first
    # Without marks at the front it may be any list; but below marked text it is one of sources.
    sure = any(m.end <= lines[headed][0] for m in marks) if headed < len(lines) else True
    sure = sure or all(heads[line] for line in lines[headed:])
    if headed and sure and SOURCES_HEADING.match(mask[slice(*lines[headed - 1])]):
        start = lines[headed - 1][0]
    elif 0 < first < len(lines) and _cited_above(
        mask, lines[first][0], marks, heads, lines[first:]
    ):
        start = lines[first][0]
        if re.fullmatch(r"\s*[-*_]{3,}\s*", mask[slice(*lines[first - 1])]):
            start = lines[first - 1][0]
    else:
        return None
    return start if mask[:start].strip() else None


def _heads(mask: str, line: tuple[int, int], marks: Sequence[Mark]) -> tuple[int, ...] | None:
    """Return the numbers at the front of an entry; None for a line that is none.

    A line with a mark elsewhere is a statement: "Sources:" may announce those of energy.
    """
    start, stop = line
    here = [mark for mark in marks if start <= mark.start < stop]
    if not (ENTRY.match(mask, start, stop) or LISTED_ENTRY.match(mask, start, stop)):
        return None
    if here and (len(here) > 1 or mask[start : here[0].start].strip(" \t>-*•+_")):
        return None
    return tuple(number for mark in here for number, _ in mark.pairs)


def _cited_above(
    mask: str,
    start: int,
    marks: Sequence[Mark],
    heads: Mapping[tuple[int, int], tuple[int, ...] | None],
    lines: Sequence[tuple[int, int]],
) -> bool:
    """Tell entries without a heading from statements: cited above, once each, no full stop."""
    above = mask[:start]
    if not above.endswith("\n\n") and not above.rstrip().endswith(("---", "***")):
        return False
    cited = {n for mark in marks if mark.end <= start for pair in mark.pairs for n in pair}
    numbers = [number for line in lines for number in heads[line] or (0,)]
    stopped = any(_STOPPED.search(mask[slice(*line)].rstrip()) for line in lines)
    return not stopped and len(set(numbers)) == len(numbers) and cited.issuperset(numbers)
