"""Styles and automatic numbers of a Word document: what a paragraph is, and the marker it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rag.ingest.docx_package import W
from rag.ingest.docx_symbols import symbol

_HEADING = re.compile(r"heading ?([1-9])", re.I)
_PLACE = re.compile(r"%([1-9])")
_LEVELS = 9
_TELLING = "✓✗☐☑☒"
_ROMAN = (
    (1000, "m"),
    (900, "cm"),
    (500, "d"),
    (400, "cd"),
    (100, "c"),
    (90, "xc"),
    (50, "l"),
    (40, "xl"),
    (10, "x"),
    (9, "ix"),
    (5, "v"),
    (4, "iv"),
    (1, "i"),
)
_CARDINALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_DIGITS = "〇一二三四五六七八九"
_ALPHABETS = {
    "lowerLetter": "abcdefghijklmnopqrstuvwxyz",
    "upperLetter": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "russianLower": "абвгдежзиклмнопрстуфхцчшщыэюя",
    "russianUpper": "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЭЮЯ",
    "chicago": "*†‡§",
}


def value(element: Any, path: str, default: str = "") -> str:
    """Return ``w:val`` of the child at the path (as ``w:numId``, without the prefix)."""
    found = element.find("/".join(f"{W}{step}" for step in path.split("/")))
    return default if found is None else found.get(f"{W}val", default)


def whole(text: str | None, default: int, low: int, high: int) -> int:
    """Return the number within the limits; the default for what is none."""
    text = (text or "").strip()
    if not text.lstrip("+-").isdecimal():
        return default
    return max(low, min(high, int(text) if len(text) < 12 else high))


def switch(element: Any, name: str) -> bool | None:
    """Return whether a property is on in ``w:rPr``; None when it is not mentioned."""
    found = None if element is None else element.find(f"{W}{name}")
    return None if found is None else found.get(f"{W}val", "1") not in ("0", "false", "off")


class Place(NamedTuple):
    """A list (None: that of the base style) and the depth in it (None: the one of the style)."""

    list_id: str | None
    level: int | None


def place_of(properties: Any | None) -> Place | None:
    """Return where ``w:pPr`` puts a paragraph among the lists."""
    found = None if properties is None else properties.find(f"{W}numPr")
    if found is None:
        return None
    number, level = found.find(f"{W}numId"), found.find(f"{W}ilvl")
    return Place(
        None if number is None else number.get(f"{W}val", "0"),
        None if level is None else whole(level.get(f"{W}val"), 0, 0, _LEVELS - 1),
    )


@dataclass(frozen=True, slots=True)
class Style:
    """What a style and those it is based on say. ``heading`` is 1 to 9, 0 for text."""

    name: str
    heading: int = 0
    list_id: str | None = None
    level: int | None = None
    hidden: bool = False
    struck: bool = False
    font: str | None = None
    raised: bool = False


class Styles:
    """The styles by id; one that is missing is known by its id alone, as ``Heading1``."""

    def __init__(self, root: Any | None) -> None:
        self.elements: dict[str, Any] = {}
        self.known: dict[str, Style] = {}
        self.default = ""
        for element in () if root is None else root.iterchildren(f"{W}style"):
            style_id = element.get(f"{W}styleId") or ""
            self.elements[style_id] = element
            if element.get(f"{W}type") == "paragraph" and element.get(f"{W}default") in (
                "1",
                "true",
            ):
                self.default = style_id

    def get(self, style_id: str | None) -> Style:
        """Return the style of a paragraph (None: the default one) or of a run."""
        style_id = self.default if style_id is None else style_id
        chain: dict[str, None] = {}
        step = style_id
        while step not in self.known and step not in chain:
            chain[step] = None
            element = self.elements.get(step)
            base = "" if element is None else value(element, "basedOn")
            if not base:
                break
            step = base
        style = self.known.get(step, Style(""))
        for step in reversed(chain):
            style = self.known[step] = self._derived(style, step)
        return self.known[style_id]

    def _derived(self, base: Style, style_id: str) -> Style:
        element = self.elements.get(style_id)
        name = style_id if element is None else value(element, "name", style_id)
        match = _HEADING.match(name)
        heading = int(match[1]) if match else 1 if name == "Title" else base.heading
        if element is None:
            return replace(base, name=name, heading=heading)
        properties, run = element.find(f"{W}pPr"), element.find(f"{W}rPr")
        if properties is not None and not match:
            outline = value(properties, "outlineLvl")
            heading = (whole(outline, 9, 0, 9) + 1) % 10 if outline else heading
        place = place_of(properties)
        hidden, struck = switch(run, "vanish"), is_struck(run)
        return Style(
            name,
            heading,
            base.list_id if place is None or place.list_id is None else place.list_id,
            base.level if place is None or place.level is None else place.level,
            base.hidden if hidden is None else hidden,
            base.struck if struck is None else struck,
            font_of(run) or base.font,
            base.raised if (raised := is_raised(run)) is None else raised,
        )


def is_struck(properties: Any | None) -> bool | None:
    """Return whether ``w:rPr`` strikes the text out, once or twice; None when it does not say."""
    single, double = switch(properties, "strike"), switch(properties, "dstrike")
    return None if single is double is None else bool(single or double)


def is_raised(properties: Any | None) -> bool | None:
    """Return whether ``w:rPr`` raises the text, as a power is; None when it does not say."""
    align = "" if properties is None else value(properties, "vertAlign")
    shift = 0 if properties is None else whole(value(properties, "position"), 0, -1, 1)
    return align == "superscript" if align else shift > 0 if shift else None


def font_of(properties: Any | None) -> str | None:
    """Return the font that ``w:rPr`` names for Latin text."""
    fonts = None if properties is None else properties.find(f"{W}rFonts")
    return None if fonts is None else fonts.get(f"{W}ascii") or fonts.get(f"{W}hAnsi")


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
        """Return the level that a list reserves for paragraphs of the style, or the first."""
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
        return _PLACE.sub(
            lambda match: self._shown(int(match[1]) - 1, own, levels, counters), own.text
        )

    def _shown(
        self, level: int, own: _Level, levels: dict[int, _Level], counters: list[int | None]
    ) -> str:
        of = levels.get(level, _Level(form="decimal"))
        count = counters[level]
        form = "decimal" if own.legal and of.form != "none" else of.form
        return formatted(of.start if count is None else count, form)

    def _levels(self, list_id: str) -> tuple[str, dict[int, _Level], set[int]]:
        """Return the definition, its levels with what the list overrides, and which it restarts."""
        if list_id in self.levels:
            return self.levels[list_id]
        element = self.lists[list_id]
        key = self._definition(value(element, "abstractNumId"))
        levels: dict[int, _Level] = {}
        for child in self.abstract[key].iterchildren(f"{W}lvl") if key in self.abstract else ():
            levels[whole(child.get(f"{W}ilvl"), 0, 0, _LEVELS - 1)] = _level(child)
        restarted: set[int] = set()
        for override in element.iterchildren(f"{W}lvlOverride"):
            number = whole(override.get(f"{W}ilvl"), 0, 0, _LEVELS - 1)
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
            element = self.abstract.get(key)
            link = "" if element is None else value(element, "numStyleLink")
            if not link:
                break
            target = self.lists.get(self.styles.get(link).list_id or "")
            linked = "" if target is None else value(target, "abstractNumId")
            if linked in ("", key):
                linked = self.linked.get(link, key)
            if linked == key:
                break
            key = linked
        return key


def _level(element: Any) -> _Level:
    number = whole(element.get(f"{W}ilvl"), 0, 0, _LEVELS - 1)
    format_element = next(element.iter(f"{W}numFmt"), None)  # it may stand in alternatives
    form = "decimal" if format_element is None else format_element.get(f"{W}val", "decimal")
    if form == "custom" and format_element is not None:
        sample = format_element.get(f"{W}format", "")
        form = f"zeros {len(sample.split(',')[0].strip())}"
    text = value(element, "lvlText", f"%{number + 1}.")
    if form == "bullet":
        font = font_of(element.find(f"{W}rPr")) or "symbol"
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
    """Return the number in a form of Word's, as ``upperRoman``; in digits where it is not known."""
    if form == "none":
        return ""
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        roman = _roman(number)
        return roman if form == "lowerRoman" else roman.upper()
    if form in _ALPHABETS and 0 < number <= 780:
        alphabet = _ALPHABETS[form]
        return alphabet[(number - 1) % len(alphabet)] * ((number - 1) // len(alphabet) + 1)
    if form == "ordinal":
        teen = 10 < number % 100 < 14
        return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
    if form in ("cardinalText", "ordinalText") and number <= 20:
        return (_CARDINALS if form == "cardinalText" else _ORDINALS)[number].capitalize()
    if form.startswith("zeros "):
        return str(number).zfill(min(int(form[6:]), 9))
    if form == "decimalZero":
        return str(number).zfill(2)
    if form in ("hex", "numberInDash"):
        return f"{number:X}" if form == "hex" else f"- {number} -"
    if form.startswith("decimalEnclosedCircle") and 0 < number <= 20:
        return chr(0x2460 + number - 1)
    if form == "decimalFullWidth":
        return "".join(chr(0xFF10 + int(digit)) for digit in str(number))
    if form in (
        "chineseCounting",
        "japaneseCounting",
        "chineseCountingThousand",
        "ideographDigital",
    ):
        return _chinese(number)
    return str(number)


def _roman(number: int) -> str:
    text = ""
    for worth, letters in _ROMAN:
        text += letters * (number // worth)
        number %= worth
    return text


def _chinese(number: int) -> str:
    if not 0 < number < 100:
        return "".join(_DIGITS[int(digit)] for digit in str(number))
    tens, ones = divmod(number, 10)
    return (
        (_DIGITS[tens] if tens > 1 else "")
        + ("十" if tens else "")
        + (_DIGITS[ones] if ones else "")
    )
