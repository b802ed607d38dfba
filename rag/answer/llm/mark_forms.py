r"""The forms in which language models write a citation mark, and what only looks like one.

``find`` works on a ``masked`` text and knows nothing of sentences. In brackets of
any kind: ``[1]``, ``[1, 2]``, ``[1-3]``, ``[^1]``, ``[Source 1]``, ``【1†source】``, ``[1, p. 4]``;
raised: ``¹``, ``<sup>1</sup>``, ``$^{1}$``, ``^1^``; ``\cite{1}``; ``(Source 1)``, and
``(1)`` where every such number in the text stands at the end of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

HIDDEN = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
"""Characters without a glyph, for use in a class: they may stand anywhere in a mark."""

BLANK = rf"[ \t\r\u00a0\u2007\u2009\u200a\u202f\u3000{HIDDEN}]"
"""A class of what is blank inside a line."""

HUGE = 10**9
"""What a number of more than nine digits counts as."""


@dataclass(frozen=True, slots=True)
class Mark:
    """``text[start:end]`` is a mark; ``pairs`` are its numbers as (first, last).

    ``label`` is set for a footnote that has a name or a definition instead of a number.
    """

    start: int
    end: int
    pairs: tuple[tuple[int, int], ...]
    label: str = ""
    raised: str = ""  # the digits, where they may also be several numbers


# --- numbers ------------------------------------------------------------------------------------

_NOUN = (
    r"(?:sources?|passages?|documents?|docs?|references?|refs?|citations?|cite|excerpts?|snippets?|"
    r"contexts?|chunks?|quellen?|belege?|abschnitte?|dokumente?|fuentes?|pasajes?|documentos?|"
    r"referencias?|réf(?:érence)?s?|extraits?|fonti|fonte|источник(?:и|а|ов)?|来源|來源|出典|資料|"
    r"文献|文档|段落)"
)
_PREFIX = rf"(?:\^|(?:{_NOUN}\.?\s*(?:no\.?|nr\.?|number|id)?\s*[:#№_-]?\s*)?[#№]?)"
_DASH = r"(?:[-‐‑‒–—−~〜]|\.\.\.?|…|(?<=\s)(?:to|bis|through|a|à|до)(?=\s))"
_ITEM = re.compile(rf"{_PREFIX}(\d+)(?:\s*{_DASH}\s*{_PREFIX}(\d+))?", re.IGNORECASE)
_SEPARATOR = re.compile(
    r"\s*[,;、，；،&|]\s*(?:(?:and|und|et|y|e|и)\s)?\s*|\s+(?:and|und|et|y|e|и|和)\s+|\s+",
    re.IGNORECASE,
)
_PINPOINT = re.compile(
    r"†.*|(?:\s*[:|]|\s+[-–—])\s+[^\W\d].*|[\s,:]*(?:pp?|pages?|s|seiten?|pág|lines?|l|sect?(?:ion)?|§)\.?\s*\d[\d\s.–-]*",
    re.IGNORECASE | re.DOTALL,
)
_NO_GLYPH = re.compile(f"[{HIDDEN}]")


def _pairs_of(content: str) -> tuple[tuple[int, int], ...]:
    """The numbers of what stands in a mark's brackets; empty where it is something else."""
    content = _NO_GLYPH.sub("", content).rstrip("\\").strip()
    found: list[tuple[int, int]] = []
    place = 0
    while item := _ITEM.match(content, place):
        first = _value(item[1])
        found.append((first, _value(item[2]) if item[2] else first))
        place = item.end()
        if place == len(content) or _PINPOINT.fullmatch(content, place):
            return tuple(found)
        if not (separator := _SEPARATOR.match(content, place)):
            break
        place = separator.end()
    return ()


def _value(digits: str) -> int:
    return int(digits) if len(digits) <= 9 else HUGE


# --- in brackets --------------------------------------------------------------------------------

_SQUARE = re.compile(r"\\?[\[［]([^\[\]［］\0]+)[\]］](?:\(#[^\s()]{0,200}\))?")
_FROM_TO = re.compile(r"[\[【](\d{1,9})[\]】]\s?[-‐‑–—]\s?[\[【](\d{1,9})[\]】]")
_OTHER = re.compile(
    r"【([^【】\0]{1,200})】|〔([^〔〕\0]{1,200})〕"
    r"|\\(?:cite[pt]?|footnotemark|textsuperscript)[\[{]([^\[\]{}]{1,200})[\]}]"
)
# Not [^a-z], which is a class of a regular expression.
_FOOTNOTE = re.compile(r"\s*\^\s*(?P<label>\d+|[^\W_]\w+(?:-\w{2,})*)\s*")
_YEARS = range(1500, 2200)

# What an index stands behind: snake_case, a call, one small letter, a usual name for an array.
_INDEXED = re.compile(
    r"(?:[A-Za-z0-9]_\w*[A-Za-z0-9]|\w\(\)|(?<![\w'’])[a-z]|\b(?:array|arr|argv|args|lst|buf))$"
)
_CODE_AFTER = re.compile(r"\s*[-+*/!:=]?=[^>]|\.[a-z_]\w*(?=[\s(.\[=]|$)")
_ASSIGNED = re.compile(r"(?:[\"']\s*:|[\w\])]\s*[:!=<>+]?=)\s*$")
_CALLED = re.compile(r"[A-Za-z0-9_]\($")
_INTERVAL = re.compile(r"(?:\bintervall?(?:s|os?|es?)?|[∈∉⊂⊆≤≥×∪∩=])\s*$", re.IGNORECASE)
_UNIT = re.compile(
    r"\s?(?:[munpµ]?mol\b|[mµk]?g\b|m?l\b(?!['’])|%|°|[kMG]?Hz\b|m?[VW]\b|kW|[mµn]?s\b(?!['’])|"
    r"min\b|h\b|[kcmnµ]?m\b(?!['’])|[kKMGT]B\b|EUR\b|USD\b|GBP\b|[€£]|\$(?!\d)|k?Pa\b|bar\b)"
)


def _bracketed(masked: str) -> Iterator[Mark]:
    indexed_to = -1  # where the last index of code ended: in m[0][1] the second is one, too
    for match in _SQUARE.finditer(masked):
        start, end = match.span()
        footnote = _FOOTNOTE.fullmatch(_NO_GLYPH.sub("", match[1]))
        if footnote and not footnote["label"].isdigit():
            yield Mark(start, end, (), label=footnote["label"].casefold())
            continue
        pairs = _pairs_of(match[1])
        if start == indexed_to or _is_index(masked, start, end):
            indexed_to = end
        elif not _is_value(masked, start, end, pairs):
            yield Mark(start, end, pairs, label=footnote["label"].casefold() if footnote else "")
    for match in _FROM_TO.finditer(masked):
        yield Mark(*match.span(), ((int(match[1]), int(match[2])),))
    for match in _OTHER.finditer(masked):
        inside = match[match.lastindex or 0]
        # 【4:0†source】 counts something else than our passages.
        elsewhere = re.match(r"\d{1,4}:\d{1,4}†", inside)
        if pairs := ((HUGE, HUGE),) if elsewhere else _pairs_of(inside):
            yield Mark(*match.span(), pairs)


def _is_index(masked: str, start: int, end: int) -> bool:
    """Tell an index into an array from a mark that is glued to a word."""
    before = masked[max(0, start - 60) : start]
    if _INDEXED.search(before) or _ASSIGNED.search(before):
        return True
    return before[-1:].isalnum() and bool(_CODE_AFTER.match(masked, end))


def _is_value(masked: str, start: int, end: int, pairs: tuple[tuple[int, int], ...]) -> bool:
    """Tell an interval, a year or an argument from a mark."""
    if all(number in _YEARS for pair in pairs for number in pair):
        return True
    if len(pairs) == 1 and pairs[0][0] == pairs[0][1]:
        return False
    before = masked[max(0, start - 60) : start]
    measured = _INTERVAL.search(before) or _UNIT.match(masked, end) or _CALLED.search(before)
    return pairs[0] == (0, 0) or bool(measured)


# --- raised -------------------------------------------------------------------------------------

_DIGITS = "⁰¹²³⁴-⁹"
_RAISED = re.compile(rf"⁽?[{_DIGITS}]+(?:[,˒⸴;·⁻⁃'’ ][{_DIGITS}]+)*⁾?")
_SUP = re.compile(
    r"<sup\b[^<>]{0,200}>(?P<in>(?:[^<>\0]|<a\b[^<>]{0,200}>|</a>){1,300})</sup>", re.I
)
_TAG = re.compile(r"<[^<>]*>")
_CARET = re.compile(r"\$\^(\{[^{}$\0]{1,100}\}|\d{1,3})\$|(?<![\^\\])\^(\d{1,3}(?:,\d{1,3})*)\^")
_PLAIN = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁃˒⸴·'’", "0123456789--,,,,,", "⁽⁾")
# x², 10³, km², mc², sin², R²; a year in full does carry a mark: "since 2024¹".
_POWER = re.compile(
    r"(?:(?<!\w)(?:[A-Za-zα-ωΑ-Ωµ]|[ckdmnµ]m|mc|sin|cos|tan|log|exp)|\d\s?(?:ft|in|yd|mi|sec|kg)|"
    r"\d|[⁻⁺+−^_]|\([^()\s]*\)|\})$"
)
_YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d\d$")
_NOT_AFTER = re.compile(r"[ˢᵗʰⁿᵈʳᵉ⁄/⁺⁻]")
_ELEMENT = re.compile(r"[A-Z][a-z]?\b")


def _raised(masked: str) -> Iterator[Mark]:
    for match in _RAISED.finditer(masked):
        plain = match[0].translate(_PLAIN)
        pairs = _pairs_of(plain)
        if pairs and not _is_power(masked, *match.span()):
            yield Mark(*match.span(), pairs, raised=plain if plain.isdigit() else "")
    for match in [*_SUP.finditer(masked), *_CARET.finditer(masked)]:
        inside = match[match.lastindex or 0]
        pairs = _pairs_of(_TAG.sub("", inside).strip().strip("{}[]()").strip())
        if pairs and not _is_power(masked, *match.span()):
            yield Mark(*match.span(), pairs)


def _is_power(masked: str, start: int, end: int) -> bool:
    """Tell an exponent, an isotope or an ordinal from a raised mark."""
    before = masked[max(0, start - 40) : start]
    isotope = _ELEMENT.match(masked, end) and not before[-1:].strip()
    if _NOT_AFTER.match(masked, end) or isotope:
        return True
    return bool(_POWER.search(before)) and not _YEAR.search(before)


# --- round --------------------------------------------------------------------------------------

_OWN_NOUN = (
    r"(?:sources?|passages?|citations?|cite|excerpts?|snippets?|chunks?|quellen?|fuentes?|pasajes?|"
    r"extraits?|fonti|fonte|источник\w{0,2}|来源|來源|出典)"
)
_ROUND = re.compile(r"[(（]([^()（）\[\]\0]{1,200})[)）]")
_WORDED = re.compile(
    rf"\s*(?:(?:see|cf|siehe|vgl|véase|ver|voir|from|in)\b\.?\s*)?(?P<list>{_OWN_NOUN}\W.*|"
    rf"{_OWN_NOUN}\d.*)",
    re.IGNORECASE | re.DOTALL,
)
_LONE = re.compile(r"[(（]\s*(\d{1,3}(?:\s*,\s*\d{1,3})*)\s*[)）]")
_ENDS_WITH_LONE = re.compile(r"[(（]\s*\d{1,3}\s*[)）]\s*[.!?。]?\s*$")
_AT_END = re.compile(rf"{BLANK}*(?:[.!?。…]|\n|$)|\s*\Z")  # space at the end is trimmed, all of it
_STOPPED = re.compile(r"[.!?。…][\"'”’)»]*\s*$")
_COUNTED = re.compile(  # "see step (2)." names a step, and "five (5)." repeats a number
    r"(?:\d|\b(?:step|figure|fig|table|equation|eq|section|sec|part|chapter|pages?|p|point|option|"
    r"version|level|note|appendix|rule|clause|type|class|phase|item|number|no|coordinates|position|"
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|schritt|abbildung|abb|tabelle|"
    r"punkt|stufe|kapitel|seite|ein|eine|zwei|drei|vier|fünf|sechs|acht|zehn|paso|figura|tabla|"
    r"punto|opción|dos|tres|cuatro|cinco|diez|étape|tableau|deux|trois|quatre|cinq|dix)\.?)\s*$",
    re.IGNORECASE,
)


def _rounded(masked: str, count: int | None) -> Iterator[Mark]:
    for match in _ROUND.finditer(masked):
        worded = _WORDED.fullmatch(match[1])
        pairs = _pairs_of(worded["list"]) if worded else ()
        if pairs:
            yield Mark(*match.span(), pairs)
    lone = [(match, _pairs_of(match[1])) for match in _LONE.finditer(masked)]
    if all(_closes(masked, match, pairs, count) for match, pairs in lone):
        for match, pairs in lone:
            yield Mark(*match.span(), pairs)


def _closes(
    masked: str, match: re.Match[str], pairs: tuple[tuple[int, int], ...], count: int | None
) -> bool:
    """Tell whether a number in round brackets stands where only a mark would stand."""
    top = 999 if count is None else count
    if not pairs or not all(1 <= first <= top for first, _ in pairs):
        return False
    line = masked.rfind("\n", 0, match.start()) + 1
    before = masked[max(line, match.start() - 40) : match.start()]
    stopped = bool(_STOPPED.search(before))
    if not before.strip() or not (stopped or before[-1].isspace()) or _COUNTED.search(before):
        return False
    if _AT_END.match(masked, match.end()):
        return True
    # Behind a full stop it may also begin a list: "(1) Open the app. (2) Sign in."
    behind = masked[match.end() :].split("\n", 1)[0]
    return stopped and behind[:1].isspace() and bool(_ENDS_WITH_LONE.search(behind))


# --- all ----------------------------------------------------------------------------------------


def find(masked: str, count: int | None) -> list[Mark]:
    """The marks in reading order; ``count`` is None where any number may be one."""
    marks = [*_bracketed(masked), *_raised(masked), *_rounded(masked, count)]
    result: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        if not result or mark.start >= result[-1].end:
            result.append(mark)
    return result


_DEFINITION = re.compile(
    rf"^{BLANK}{{0,3}}\[(?:\^{BLANK}*(?P<label>[^\[\]\n]{{1,60}}?){BLANK}*|(?P<number>\d{{1,9}}))\]:"
    r"(?P<body>[^\n]*(?(label)(?:\n(?:[ ]{2}|\t)[ \t]*[^\s][^\n]*)*))",
    re.MULTILINE,
)
_POINTS_AT = re.compile(rf"\W*?(?:\[(\d{{1,9}})\]|{_NOUN}\s*[:#№]?\s*(\d{{1,9}})\b)", re.IGNORECASE)


def definitions(masked: str) -> tuple[list[tuple[int, int]], Mapping[str, tuple[int, int]]]:
    """Return where footnotes are defined, and the passage that a definition names, by label.

    ``[1]: …`` defines a source as well where ``[1]`` also stands elsewhere.
    """
    spans: list[tuple[int, int]] = []
    targets: dict[str, tuple[int, int]] = {}
    for match in _DEFINITION.finditer(masked):
        if match["number"] and masked.count(f"[{match['number']}]") == 1:
            continue
        spans.append(match.span())
        if match["label"] and (at := _POINTS_AT.match(match["body"])):
            number = int(at[1] or at[2])
            targets[match["label"].casefold()] = (number, number)
    return spans, targets


# --- where a bracketed number is no citation ----------------------------------------------------

FILLER = "\0"
"""What masked text holds in place of a character: nothing looks into it, and offsets stay true."""

_FENCE = re.compile(r"[ \t>]*(?P<fence>`{3,}|~{3,})(?P<info>.*)", re.DOTALL)
_LIST_ITEM = re.compile(r"[ \t>]*(?:[-*+•‣]|\(?\w{1,3}[.)])[ \t]")
_INDENTED = re.compile(r"(?: {4}| {0,3}\t)[ \t]*\S")
# Between runs of as many backticks, inside one paragraph.
_INLINE_CODE = re.compile(
    r"(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t\r]*\n).)+?(?<!`)(?P=ticks)(?!`)", re.DOTALL
)
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
_DOLLARS = re.compile(r"(?<![\\$\w])\$(?!\^\{?[\[\d])(?=[^\s$])[^$\n]{1,300}(?<!\s)\$(?![\d$])")
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
    """The text with a filler for every character of code, links, formulas and HTML."""
    text = _fill(text, blocks(text))
    for pattern in (_INLINE_CODE, _FORMULA, _DOLLARS, _HTML, _LINK):
        text = _fill(text, [match.span() for match in pattern.finditer(text)])
    text = _fill(text, list(_reference_links(text)))
    return _fill(text, [match.span() for match in _ADDRESS.finditer(text)])


def _fill(text: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in spans:  # line ends stay: what is one line remains one
        text = text[:start] + re.sub(r"[^\n]", FILLER, text[start:end]) + text[end:]
    return text


def blocks(text: str) -> list[tuple[int, int]]:
    """The fenced and the indented code blocks; a fence that is not closed runs to the end.

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
            listed = bool(_LIST_ITEM.match(text, start, end)) or (listed and indented)
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


def _reference_links(text: str) -> Iterator[tuple[int, int]]:
    """Find ``[words][label]`` whose label is defined, and definitions except of bare numbers."""
    definitions = {
        " ".join(m["label"].casefold().split()): m.span() for m in _DEFINING.finditer(text)
    }
    used = {label for label in definitions if not _NUMBERS_ONLY.fullmatch(label)}
    for match in _REFERRING.finditer(text):
        label = " ".join((match["label"] or match["text"][1:-1]).casefold().split())
        if label in definitions and not _NUMBERS_ONLY.fullmatch(match["text"]):
            used.add(label)
            yield match.span()
    for label in used:
        yield definitions[label]
