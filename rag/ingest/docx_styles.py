"""Styles and automatic numbers of a Word document: what a paragraph is, and the marker it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rag.ingest.docx_package import W, switch, value, whole
from rag.ingest.docx_symbols import symbol
from rag.text.words import ORDINALS, SMALL

_HEADING = re.compile(r"heading ?([1-9])", re.I)
_PLACE = re.compile(r"%([1-9])")
_LEVELS = 9
_TELLING = "✓✗☐☑☒"
_ROMAN = dict(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        "m cm d cd c xc l xl x ix v iv i".split(),
        strict=True,
    )
)
_WORDS = {
    form: {number: word.capitalize() for word, number in words.items()}
    for form, words in (("cardinalText", SMALL), ("ordinalText", ORDINALS))
}
_ALPHABETS = {
    "lowerLetter": "abcdefghijklmnopqrstuvwxyz",
    "upperLetter": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "russianLower": "абвгдежзиклмнопрстуфхцчшщыэюя",
    "russianUpper": "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЭЮЯ",
    "chicago": "*†‡§",
}
_DIGITS = "〇一二三四五六七八九"
_CHINESE = ("chineseCounting", "japaneseCounting", "chineseCountingThousand", "ideographDigital")


class Place(NamedTuple):
    """A list (None: that of the base style) and the depth in it (None: the one of the style)."""

    list_id: str | None = None
    level: int | None = None


_NO_PLACE = Place()


def place_of(properties: Any | None) -> Place:
    """Where ``w:pPr`` puts a paragraph among the lists."""
    found = None if properties is None else properties.find(f"{W}numPr")
    if found is None:
        return _NO_PLACE
    number, level = found.find(f"{W}numId"), found.find(f"{W}ilvl")
    return Place(
        None if number is None else number.get(f"{W}val", "0"),
        None if level is None else whole(level.get(f"{W}val"), 0, 0, _LEVELS - 1),
    )


class Look(NamedTuple):
    """What ``w:rPr`` says of text, None where it does not: ``raised`` is as a power stands."""

    hidden: bool | None = None
    struck: bool | None = None
    raised: bool | None = None
    font: str | None = None

    def over(self, base: Look) -> Look:
        """The same with what it does not say taken from ``base``."""
        own = {name: found for name, found in self._asdict().items() if found is not None}
        return base._replace(**own)


_NO_LOOK = Look()


def look_of(properties: Any | None) -> Look:
    """Look of ``w:rPr``; struck out once or twice, and the font for Latin text."""
    if properties is None:
        return _NO_LOOK
    single, double = switch(properties, "strike"), switch(properties, "dstrike")
    align = value(properties, "vertAlign")
    shift = whole(value(properties, "position"), 0, -1, 1)
    fonts = properties.find(f"{W}rFonts")
    return Look(
        hidden=switch(properties, "vanish"),
        struck=None if single is double is None else bool(single or double),
        raised=align == "superscript" if align else shift > 0 if shift else None,
        font=None if fonts is None else fonts.get(f"{W}ascii") or fonts.get(f"{W}hAnsi") or None,
    )


@dataclass(frozen=True, slots=True)
class Style:
    """What a style and those it is based on say. ``heading`` is 1 to 9, 0 for text."""

    name: str
    heading: int = 0
    place: Place = _NO_PLACE
    look: Look = _NO_LOOK


class Styles:
    """The styles by id; one that is missing is known by its id alone, as ``Heading1``."""

    def __init__(self, root: Any | None) -> None:
        self.elements: dict[str, Any] = {}
        self.known: dict[str, Style] = {}
        self.default = ""
        for element in () if root is None else root.iterchildren(f"{W}style"):
            style_id = element.get(f"{W}styleId") or ""
            self.elements[style_id] = element
            is_default = element.get(f"{W}default") in ("1", "true")
            if is_default and element.get(f"{W}type") == "paragraph":
                self.default = style_id

    def get(self, style_id: str | None) -> Style:
        """Style of a paragraph (None: the default one) or of a run."""
        style_id = self.default if style_id is None else style_id
        chain: dict[str, None] = {}
        step = style_id
        while step not in self.known and step not in chain:
            chain[step] = None
            step = value(self.elements.get(step), "basedOn") or step
        style = self.known.get(step, Style(""))
        for step in reversed(chain):
            style = self.known[step] = self._derived(style, step)
        return self.known[style_id]

    def _derived(self, base: Style, style_id: str) -> Style:
        element = self.elements.get(style_id)
        name = value(element, "name", style_id)
        match = _HEADING.match(name)
        heading = int(match[1]) if match else 1 if name == "Title" else base.heading
        if element is None:
            return replace(base, name=name, heading=heading)
        properties = element.find(f"{W}pPr")
        if not match and (outline := value(properties, "outlineLvl")):
            heading = (whole(outline, 9, 0, 9) + 1) % 10
        place = place_of(properties)
        return Style(
            name,
            heading,
            Place(
                base.place.list_id if place.list_id is None else place.list_id,
                base.place.level if place.level is None else place.level,
            ),
            look_of(element.find(f"{W}rPr")).over(base.look),
        )


@dataclass(frozen=True, slots=True)
class _Level:
    form: str = "bullet"
    text: str = "-"
    start: int = 1
    restart: int | None = None
    legal: bool = False
    style: str = ""


class Numbering:
    """Counts as Word does: all lists of one definition share their counters."""

    def __init__(self, root: Any | None, styles: Styles) -> None:
        self.styles = styles
        self.abstract: dict[str, Any] = {}
        self.linked: dict[str, str] = {}
        self.lists: dict[str, Any] = {}
        self.levels: dict[str, tuple[str, dict[int, _Level], set[int]]] = {}
        self.counters: dict[str, list[int | None]] = {}
        self.begun: set[tuple[str, int]] = set()
        for element in () if root is None else root:
            if element.tag == f"{W}abstractNum":
                key = element.get(f"{W}abstractNumId") or ""
                self.abstract[key] = element
                self.linked.setdefault(value(element, "styleLink"), key)
            elif element.tag == f"{W}num":
                self.lists[element.get(f"{W}numId") or ""] = element

    def level_of(self, list_id: str, style_id: str | None) -> int:
        """Level that a list reserves for paragraphs of the style, or the first."""
        if style_id is None or list_id not in self.lists:
            return 0
        levels = self._levels(list_id)[1]
        return next((number for number, level in levels.items() if level.style == style_id), 0)

    def marker(self, list_id: str, level: int) -> str:
        """Count one item and return what it shows: ``2.1``, ``-`` for a bullet, or nothing."""
        if list_id not in self.lists:
            return "-"
        key, levels, restarted = self._levels(list_id)
        counters = self.counters.setdefault(key, [None] * _LEVELS)
        if level in restarted and (list_id, level) not in self.begun:
            counters[level] = None
        self.begun.add((list_id, level))
        own = levels.get(level, _Level())
        count = counters[level]
        counters[level] = own.start if count is None else count + 1
        for deeper in range(level + 1, _LEVELS):
            restart = levels[deeper].restart if deeper in levels else None
            if restart is None or level < restart:
                counters[deeper] = None
        if own.form == "bullet":
            return own.text

        def shown(match: re.Match[str]) -> str:
            place = int(match[1]) - 1
            of = levels.get(place, _Level(form="decimal"))
            count = counters[place]
            form = "decimal" if own.legal and of.form != "none" else of.form
            return formatted(of.start if count is None else count, form)

        return _PLACE.sub(shown, own.text)

    def _levels(self, list_id: str) -> tuple[str, dict[int, _Level], set[int]]:
        """The definition, its levels with what the list overrides, and which it restarts."""
        if list_id in self.levels:
            return self.levels[list_id]
        element = self.lists[list_id]
        key = self._definition(value(element, "abstractNumId"))
        levels: dict[int, _Level] = {}
        for child in self.abstract[key].iterchildren(f"{W}lvl") if key in self.abstract else ():
            levels[_depth(child)] = _level(child)
        restarted: set[int] = set()
        for override in element.iterchildren(f"{W}lvlOverride"):
            number = _depth(override)
            child, start = override.find(f"{W}lvl"), override.find(f"{W}startOverride")
            if child is not None:
                levels[number] = _level(child)
            if start is not None:
                restarted.add(number)
                first = whole(start.get(f"{W}val"), 1, 0, 10**9)
                levels[number] = replace(levels.get(number, _Level()), start=first)
        self.levels[list_id] = key, levels, restarted
        return self.levels[list_id]

    def _definition(self, key: str) -> str:
        """Follow the links of list styles to the definition that has the levels."""
        for _ in range(_LEVELS):
            link = value(self.abstract.get(key), "numStyleLink")
            if not link:
                break
            target = self.lists.get(self.styles.get(link).place.list_id or "")
            linked = value(target, "abstractNumId")
            if linked in ("", key):
                linked = self.linked.get(link, key)
            if linked == key:
                break
            key = linked
        return key


def _depth(element: Any) -> int:
    return whole(element.get(f"{W}ilvl"), 0, 0, _LEVELS - 1)


def _level(element: Any) -> _Level:
    format_element = next(element.iter(f"{W}numFmt"), None)  # it may stand in alternatives
    form = "decimal" if format_element is None else format_element.get(f"{W}val", "decimal")
    if form == "custom" and format_element is not None:
        sample = format_element.get(f"{W}format", "")
        form = f"zeros {len(sample.split(',')[0].strip())}"
    text = value(element, "lvlText", f"%{_depth(element) + 1}.")
    if form == "bullet":
        font = look_of(element.find(f"{W}rPr")).font or "symbol"
        shown = symbol(font, ord(text)) if len(text) == 1 else text
        text = shown if shown and shown in _TELLING else "-"
    restart = element.find(f"{W}lvlRestart")
    return _Level(
        form,
        text[:200],
        whole(value(element, "start"), 1, 0, 10**9),
        None if restart is None else whole(restart.get(f"{W}val"), 0, 0, _LEVELS),
        bool(switch(element, "isLgl")),
        value(element, "pStyle"),
    )


def formatted(number: int, form: str) -> str:
    """Number in a form of Word's (``w:numFmt``), in digits where the form is not known.

    >>> formatted(4, "upperRoman"), formatted(28, "lowerLetter"), formatted(2, "ordinal")
    ('IV', 'bb', '2nd')
    """
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        text = ""
        for worth, letters in _ROMAN.items():
            text += letters * (number // worth)
            number %= worth
        return text if form == "lowerRoman" else text.upper()
    if form in _ALPHABETS and 0 < number <= 780:
        alphabet = _ALPHABETS[form]
        return alphabet[(number - 1) % len(alphabet)] * ((number - 1) // len(alphabet) + 1)
    if form in _WORDS:
        return _WORDS[form].get(number, str(number))
    if form.startswith("zeros "):
        return str(number).zfill(min(int(form[6:]), 9))
    if form.startswith("decimalEnclosedCircle") and 0 < number <= 20:
        return chr(0x2460 + number - 1)
    if form in _CHINESE and not 0 < number < 100:
        return "".join(_DIGITS[int(digit)] for digit in str(number))
    match form:
        case "none":
            return ""
        case "ordinal":
            teen = 10 < number % 100 < 14
            return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
        case "decimalZero":
            return str(number).zfill(2)
        case "hex":
            return f"{number:X}"
        case "numberInDash":
            return f"- {number} -"
        case "decimalFullWidth":
            return "".join(chr(0xFF10 + int(digit)) for digit in str(number))
    if form not in _CHINESE:
        return str(number)
    tens, ones = divmod(number, 10)
    return (
        (_DIGITS[tens] if tens > 1 else "")
        + ("十" if tens else "")
        + (_DIGITS[ones] if ones else "")
    )
