"""What of a page cannot be seen, or is struck out: it is emptied before the page is read.

What a control of the page discloses (the answers of an accordion, the panels of tabs) can be seen,
whatever its state is at the moment the page was saved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

_HIDING = {
    "display": re.compile(r"none\b"),
    "visibility": re.compile(r"hidden\b|collapse\b"),
    "opacity": re.compile(r"0?(?:\.0{1,9})?$"),
    "font-size": re.compile(r"0(?:\.0{1,9})?(?:px|pt|em|rem|%)?$"),
    "clip": re.compile(r"rect\( ?[01](?:px)?[, ]{1,3}[01]"),
    **dict.fromkeys(("left", "right", "top", "text-indent"), re.compile(r"-\d{3}")),
}
_STRIKING = frozenset(["text-decoration", "text-decoration-line"])
_SIMPLE_SELECTOR = re.compile(r"(?:[a-z][a-z0-9]*)?[.#][\w-]+", re.I)
_NAMES = re.compile(r"[.#][\w-]+")
_STRUCK = frozenset(["del", "s", "strike"])
_NEAR = 100
_MAX_INSIDE = 2000
"""An element that only readers of screens are to skip is of the page if it holds more prose."""

_CELLS = ("td", "th")
_MENU_CLASS = re.compile(r"hamburger|\bnav|menu|dropdown|offcanvas", re.I)
_MENU_LABEL = re.compile(
    r"\W*(?:(?:main |site |open |close |toggle |show |hide )*(?:menu|navigation|nav|search|close|"
    r"more|less|all|filters?|settings|copy|share|login|log in|sign in))?\W*",
    re.I,
)
_DISCLOSING_CLASS = re.compile(r"accordion|collaps|disclos|expand|faq|question", re.I)
_DISCLOSING_TOGGLES = frozenset(["collapse", "tab", "pill", "list", "accordion"])
_DISCLOSING = ("aria-expanded", "aria-controls")
_BINDINGS = ("", ":", "x-bind:", "v-bind:")
_MAX_LABEL = 300


def remove_hidden(root: Any) -> None:
    """Empty what is hidden or struck out, and what scripts and styles hold."""
    effects = _effects_of_sheets(root)
    disclosed = _disclosed_ids(root)
    cells: dict[Any, str] = {}
    for element in root.xpath(
        "//*[@style or @hidden or @aria-hidden or @class or @id or self::del or self::s"
        " or self::strike]"
    ):
        effect = _effect(element, effects)
        if effect == "struck":
            _remove_struck(element)
        elif effect and not (
            _is_disclosed(element, disclosed) or _is_of_page(element, effect, cells)
        ):
            remove(element)
    for element in root.iter("script", "style"):
        element.text = None


def remove(element: Any) -> None:
    """Leave nothing of the element but its place, which costs the same however many there are."""
    if element.tag not in ("html", "body"):
        element.clear(keep_tail=True)
        element.tag = "wbr"


def _remove_struck(element: Any) -> None:
    """Remove struck-out text: of two prices no number, but of two spellings one word is left."""
    before, following, parent = element.getprevious(), element.getnext(), element.getparent()
    if before is not None:
        left = before.tail or before.text
    else:
        left = None if parent is None else parent.text
    right = element.tail or (None if following is None else following.text)
    letters = f"{(left or '0')[-1]}{element.text or '0'}{(right or '0')[0]}"
    remove(element)
    if not letters.isalpha() and letters[-1].isalnum():
        element.tail = f" {element.tail or ''}"


def discloses(control: Any) -> bool:
    """Tell whether a control shows and hides a part of the text that its label is the title of."""
    if (control.get("aria-haspopup") or "false") != "false":
        return False
    names = control.get("class") or ""
    if _MENU_CLASS.search(names) or _MENU_LABEL.fullmatch(label_of(control)):
        return False
    toggle = control.get("data-bs-toggle") or control.get("data-toggle")
    if toggle:
        return toggle in _DISCLOSING_TOGGLES
    return (
        control.get("role") == "tab"
        or any(before + name in control.attrib for name in _DISCLOSING for before in _BINDINGS)
        or bool(_DISCLOSING_CLASS.search(names))
        or label_of(control).endswith(("?", "？", "؟"))
    )


def label_of(control: Any) -> str:
    """Return the text of a control, or as much of it as a label can be."""
    parts: list[str] = []
    size = 0
    for part in control.itertext():
        parts.append(part)
        size += len(part)
        if size > _MAX_LABEL:
            break
    return " ".join("".join(parts).split())


def _disclosed_ids(root: Any) -> set[str]:
    ids: set[str] = set()
    for control in root.xpath(
        "//*[@aria-controls or @data-bs-target or @data-target or @data-bs-toggle or @data-toggle"
        " or @role='tab']"
    ):
        if discloses(control):
            for name in ("aria-controls", "data-bs-target", "data-target", "href"):
                ids.update(part.lstrip("#") for part in (control.get(name) or "").split())
    return ids


def _is_disclosed(element: Any, ids: set[str]) -> bool:
    if element.get("role") == "tabpanel" or element.get("id") in ids:
        return True
    before = element.getprevious()
    if before is None or not isinstance(before.tag, str):
        return False
    control = before if before.tag == "button" else next(before.iter("button"), None)
    titled = before.tag == "button" or re.fullmatch("h[1-6]|dt", before.tag)
    return control is not None and bool(titled) and discloses(control)


def _is_of_page(element: Any, effect: str, cells: dict[Any, str]) -> bool:
    """Tell whether what is hidden from readers of screens only is text to everyone else."""
    if effect != "unread":
        return False
    cell = next(element.iterancestors(*_CELLS), None)
    if cell is not None:
        if cell not in cells:
            cells[cell] = label_of(cell)
        if cells[cell] == label_of(element):
            return True  # a tick that is all there is
    prose = 0
    for inside in islice(element.iter(), _MAX_INSIDE):
        prose += len((inside.text or "").strip()) if inside.tag != "a" else 0
        prose += len((inside.tail or "").strip()) if inside is not element else 0
    return prose > _NEAR or bool(element.tag == "img" and element.get("alt"))


def _effect(element: Any, effects: dict[str, str]) -> str | None:
    """Return ``struck``, ``hidden``, or ``unread`` for what is only hidden from screen readers."""
    if element.tag in _STRUCK:
        return "struck"
    if (element.get("hidden") or "hidden" in element.attrib or None) not in (None, "until-found"):
        return "hidden"
    style = element.get("style")
    found = _effect_of_style(style) if style else None
    if found is None and effects:
        names = (element.get("class") or "").split()
        selectors = [f".{name}" for name in names] + [f"#{element.get('id')}"]
        known = (
            effects.get(selector) or effects.get(element.tag + selector) for selector in selectors
        )
        found = next(filter(None, known), None)
    if found is None and (element.get("aria-hidden") or "").lower() == "true":
        return "unread"
    return found


def _effect_of_style(style: str) -> str | None:
    found = None
    for name, value in _declarations(style):
        hiding = _HIDING.get(name)
        if hiding and hiding.match(value):
            return "hidden"
        if name in _STRIKING and "line-through" in value:
            found = "struck"
    return found


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    for declaration in style.lower().split(";"):
        name, _, value = declaration.partition(":")
        yield name.strip(), " ".join(value.replace("!important", "").split())[:80]


def _effects_of_sheets(root: Any) -> dict[str, str]:
    """Return what the page's own style sheets do by simple selectors, outside of @media.

    What another rule shows again (of a tab that is open, on a wide screen) can be seen.
    """
    effects: dict[str, str] = {}
    shown: set[str] = set()
    for sheet in root.iter("style"):
        for selectors, style, nested in _rules(sheet.text or ""):
            effect = _effect_of_style(style)
            if effect is None and any(name == "display" for name, _ in _declarations(style)):
                shown.update(_NAMES.findall(selectors))
            elif effect and not nested:
                for selector in map(str.strip, selectors.split(",")):
                    if _SIMPLE_SELECTOR.fullmatch(selector):
                        effects[selector] = effect
    return {
        selector: effect
        for selector, effect in effects.items()
        if effect == "struck" or shown.isdisjoint(_NAMES.findall(selector))
    }


def _rules(sheet: str) -> Iterator[tuple[str, str, bool]]:
    """Yield selectors, declarations, and whether they stand in an at-rule, of a style sheet."""
    first, *commented = sheet.split("/*")
    css = first + "".join(part.partition("*/")[2] for part in commented)
    prelude, depth = "", 0
    for part in re.split(r"([{}])", css):
        if part == "{":
            depth += 1
        elif part == "}":
            depth = max(depth - 1, 0)
        elif depth and prelude and not prelude.startswith("@"):
            yield prelude, part, depth > 1
            prelude = ""
        else:
            prelude = part.rpartition(";")[2].strip()
