"""Where a bracketed number is no citation: code, links, formulas and HTML.

``masked`` puts a filler in their place, character for character, so that whatever looks for marks
cannot see into them and every offset stays true.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

FILLER = "\0"

_FENCE = re.compile(r"[ \t>]*(?P<fence>`{3,}|~{3,})(?P<info>.*)", re.DOTALL)
_ITEM = re.compile(r"[ \t>]*(?:[-*+•‣]|\(?\w{1,3}[.)])[ \t]")
_INDENTED = re.compile(r"(?: {4}| {0,3}\t)[ \t]*\S")
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_TARGET = (
    r"\(\s*<?[^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*>?"
    r"(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)"
)
_TEXT = r"\[(?:[^\[\]\n]|\[[^\[\]\n]*\]){0,300}\]"
# A link into the same page leads nowhere here: [1](#source-1) is a way to write [1].
_LINK = re.compile(rf"!?{_TEXT}(?!\(#){_TARGET}|!?\[[^\[\]\n]*[^\W\d_]{{3}}[^\[\]\n]*\]{_TARGET}")
_REFERRING = re.compile(r"(?P<text>\[[^\[\]\n]{1,300}\])\[(?P<label>[^\[\]\n]{0,100})\]")
_DEFINING = re.compile(r"^ {0,3}\[(?P<label>[^\[\]\n^][^\[\]\n]*)\]:[ \t]*\S.*$", re.MULTILINE)
_NUMBERS_ONLY = re.compile(r"[\[\]\d\s,;–-]+")
_FORMULA = re.compile(
    r"\$\$.{1,3000}?\$\$|\\\[(?!\s*\d[\d\s,;–-]*\\?\]).{1,3000}?\\\]|\\\(.{1,1000}?\\\)"
    r"|\\begin\{(?P<name>\w+\*?)\}.{0,5000}?\\end\{(?P=name)\}",
    re.DOTALL,
)
# As pandoc has it: no space inside the dollars, no digit after them; $^1$ is a raised mark.
_DOLLARS = re.compile(
    r"(?<![\\$\w])\$(?!\^\{?[\[\d])(?=[^\s$])(?P<in>[^$\n]{1,300})(?<!\s)\$(?![\d$])"
)
_MATHEMATICAL = re.compile(r"[\\^_={}+<>|]")
_HTML = re.compile(
    r"<!--.{0,5000}?-->|<(?P<tag>pre|code|script|style)\b[^<>]{0,300}>.{0,5000}?</(?P=tag)\s*>"
    r"|<(?!/?sup\b)(?!a\s+href=[\"']?#)(?!/a>)/?[a-z][^<>\n]{0,500}>",
    re.DOTALL | re.IGNORECASE,
)
# A bracket belongs to an address only where the address goes on behind it.
_ADDRESS = re.compile(
    r"\b(?:https?://|www\.)[^\s<>\[\]\"\0]+(?:\[[^\s\[\]]{0,40}\](?=[\w=&/?#\[])[^\s<>\[\]\"\0]*)*",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return the text with a filler for every character of code, links, formulas and HTML."""
    result = _fill(text, blocks(text))
    result = _fill(result, inline_code(result))
    result = _fill(result, (match.span() for match in _FORMULA.finditer(result)))
    result = _fill(result, (m.span() for m in _DOLLARS.finditer(result) if _is_formula(m["in"])))
    result = _fill(result, (match.span() for match in _HTML.finditer(result)))
    result = _fill(result, (match.span() for match in _LINK.finditer(result)))
    result = _fill(result, _reference_links(result))
    return _fill(result, (match.span() for match in _ADDRESS.finditer(result)))


def blocks(text: str) -> list[tuple[int, int]]:
    """Return the fenced and the indented code blocks; a fence that is not closed runs to the end.

    Fences belong to their block. Indented lines are code only after an empty line, and not below a
    list, where they carry on an item.
    """
    found: list[tuple[int, int]] = []
    fence, begun = "", 0
    listed, free = False, True  # inside a list; behind an empty line
    place = 0
    for line in text.split("\n"):
        start, end = place, place + len(line)
        place = end + 1
        mark = _FENCE.match(text, start, end)
        if fence:
            if mark and mark["fence"].startswith(fence) and not mark["info"].strip():
                found.append((begun, end))
                fence = ""
        elif mark and not (mark["fence"][0] == "`" and "`" in mark["info"]):
            fence, begun = mark["fence"], start
        elif not text[start:end].strip():
            free = True
            continue
        elif free and not listed and _INDENTED.match(text, start, end):
            _extend(found, text, start, end)
            continue
        else:
            indented = text[start] in " \t"
            listed = bool(_ITEM.match(text, start, end)) or (listed and indented)
        free = False
    if fence:
        found.append((begun, len(text)))
    return found


def _extend(found: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    """Add a line of indented code, to the block before it where only empty lines lie between."""
    if found and not text[found[-1][1] : start].strip() and text[found[-1][0]] in " \t":
        found[-1] = (found[-1][0], end)
    else:
        found.append((start, end))


def inline_code(text: str) -> Iterator[tuple[int, int]]:
    """Find code between runs of as many backticks, inside one paragraph."""
    runs = [match.span() for match in re.finditer("`+", text)]
    following: list[int | None] = [None] * len(runs)
    latest: dict[int, int] = {}
    for index in range(len(runs) - 1, -1, -1):
        size = runs[index][1] - runs[index][0]
        following[index] = latest.get(size)
        latest[size] = index
    breaks = [match.start() for match in _BLANK_LINE.finditer(text)]
    index = 0
    while index < len(runs):
        closing = following[index]
        start, inside = runs[index]
        if closing is None or _between(breaks, inside, runs[closing][0]):
            index += 1
            continue
        yield start, runs[closing][1]
        index = closing + 1


def _between(sorted_places: list[int], start: int, end: int) -> bool:
    place = bisect_left(sorted_places, start)
    return place < len(sorted_places) and sorted_places[place] < end


def _is_formula(inside: str) -> bool:
    """Tell a formula from what stands between two prices."""
    return " " not in inside or bool(_MATHEMATICAL.search(inside))


def _reference_links(text: str) -> Iterator[tuple[int, int]]:
    """Find ``[words][label]`` whose label is defined, and definitions except of bare numbers."""
    definitions = {
        " ".join(m["label"].casefold().split()): m.span() for m in _DEFINING.finditer(text)
    }
    if not definitions:
        return
    used = {label for label in definitions if not _NUMBERS_ONLY.fullmatch(label)}
    for match in _REFERRING.finditer(text):
        label = " ".join((match["label"] or match["text"][1:-1]).casefold().split())
        if label in definitions and not _NUMBERS_ONLY.fullmatch(match["text"]):
            used.add(label)
            yield match.span()
    for label in used:
        yield definitions[label]


def _fill(text: str, spans: Iterator[tuple[int, int]] | list[tuple[int, int]]) -> str:
    pieces: list[str] = []
    place = 0
    for start, end in sorted(spans):
        if end <= place:
            continue
        start = max(start, place)  # noqa: PLW2901
        # Line ends stay: what is one line remains one.
        filler = "".join(c if c == "\n" else FILLER for c in text[start:end])
        pieces += [text[place:start], filler]
        place = end
    return "".join(pieces) + text[place:]
