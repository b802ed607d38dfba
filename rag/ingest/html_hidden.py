"""What of a page cannot be seen, or is struck out: it is emptied before the page is read.

What a control of the page discloses (the answers of an accordion, the panels of tabs) can be seen,
whatever its state is at the moment the page was saved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any

from rag.ingest.html_parse import HEADINGS, label_of, remove

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

_MENU_CLASS = re.compile(r"hamburger|\bnav|menu|dropdown|offcanvas", re.I)
_MENU_LABEL = re.compile(
    r"\W*(?:(?:main |site |open |close |toggle |show |hide )*(?:menu|navigation|nav|search|close|"
    r"more|less|all|filters?|settings|copy|share|login|log in|sign in))?\W*",
    re.I,
)
_DISCLOSING_CLASS = re.compile(r"accordion|collaps|disclos|expand|faq|question", re.I)
_DISCLOSING_TOGGLES = frozenset(["collapse", "tab", "pill", "list", "accordion"])
_DISCLOSING = ("aria-expanded", "aria-controls")
_QUESTION_MARKS = ("?", "？", "؟")
_TITLES = HEADINGS | {"dt", "summary", "label"}
_PRESSED = ("onclick", "@click", "x-on:click", "v-on:click")
_PANELS = frozenset("div section p ul ol dl table".split())
_ICONS = "+-−–▲▼▴▾▸▶►›»⌄×✕> "
_OVERLAY = re.compile(r"modal|popup|popover|tooltip|dialog|dropdown|toast|cookie|consent", re.I)
_OVERLAY_ROLES = frozenset("alert alertdialog dialog menu status tooltip".split())
_MAX_WRAPPERS = 3
_MAX_PARTS = 60
_BINDINGS = ("", ":", "x-bind:", "v-bind:")
_MAX_LABEL = 300


def remove_hidden(root: Any) -> None:
    """Empty what is hidden or struck out, and what scripts and styles hold."""
    remove_unseen(root)
    for element in root.iter("script", "style"):
        element.text = None


def remove_unseen(root: Any, path: str = "//*") -> None:
    """Empty those elements at a path that are hidden or struck out."""
    effects = _effects_of_sheets(root)
    disclosed, controls = _disclosed_ids(root)
    label_of_cell = cache(label_of)
    for element in root.xpath(
        f"{path}[@style or @hidden or @aria-hidden or @class or @id or self::del or self::s"
        " or self::strike]"
    ):
        effect = _effect(element, effects)
        if effect == "struck":
            _remove_struck(element)
        elif effect and not (
            _is_disclosed(element, disclosed, controls)
            or _is_of_page(element, effect, label_of_cell)
        ):
            remove(element)


def _remove_struck(element: Any) -> None:
    """Remove struck-out text: of two prices no number, but of two spellings one word is left."""
    before, following, parent = element.getprevious(), element.getnext(), element.getparent()
    left = before.tail if before is not None else parent.text if parent is not None else None
    right = element.tail or (None if following is None else following.text)
    letters = f"{(left or '0')[-1]}{element.text or ''}{(right or '0')[0]}"
    remove(element)
    if not letters.isalpha() and letters[-1].isalnum():
        element.tail = f" {element.tail or ''}"


def _is_of_menu(control: Any) -> bool:
    return (
        (control.get("aria-haspopup") or "false") != "false"
        or bool(_MENU_CLASS.search(control.get("class") or ""))
        or bool(_MENU_LABEL.fullmatch(label_of(control)))
    )


def discloses(control: Any) -> bool:
    """Tell whether a control shows and hides a part of the text that its label is the title of."""
    if _is_of_menu(control):
        return False
    toggle = control.get("data-bs-toggle") or control.get("data-toggle")
    if toggle:
        return toggle in _DISCLOSING_TOGGLES
    return (
        control.get("role") == "tab"
        or any(before + name in control.attrib for name in _DISCLOSING for before in _BINDINGS)
        or bool(_DISCLOSING_CLASS.search(control.get("class") or ""))
        or label_of(control).endswith(_QUESTION_MARKS)
    )


def _disclosed_ids(root: Any) -> tuple[set[str], set[str]]:
    """The ids of what controls disclose, and those of the controls."""
    ids: set[str] = set()
    controls: set[str] = set()
    for control in root.xpath(
        "//*[@aria-controls or @data-bs-target or @data-target or @data-bs-toggle or @data-toggle"
        " or @aria-expanded or @role='tab']"
    ):
        if discloses(control):
            for name in ("aria-controls", "data-bs-target", "data-target", "href"):
                ids.update(part.lstrip("#") for part in (control.get(name) or "").split())
            controls.add(control.get("id") or "")
    return ids, controls - {""}


def _is_disclosed(element: Any, ids: set[str], controls: set[str]) -> bool:
    if element.get("role") == "tabpanel" or element.get("id") in ids:
        return True
    if element.get("aria-labelledby") in controls:
        return True
    names = f"{element.get('class')} {element.get('id')}"
    if element.get("role") in _OVERLAY_ROLES or _OVERLAY.search(names):
        return False
    title = _before(element)
    return title is not None and _opens(title, element)


def _before(element: Any) -> Any:
    """The element that ends directly before one that may be all that a wrapper holds."""
    for _ in range(_MAX_WRAPPERS):
        before = element.getprevious()
        if before is not None:
            return None if (before.tail or "").strip() else before
        is_all = element.getnext() is None and not (element.tail or "").strip()
        element = element.getparent()
        if element is None or not is_all or (element.text or "").strip():
            return None
    return None


def _opens(title: Any, panel: Any) -> bool:
    """Tell whether a title is, is in, or is around, a control that opens the panel."""
    label = label_of(title).strip(_ICONS)
    if not label or len(label) > _MAX_LABEL:
        return False
    parts = list(islice(title.iter("*"), _MAX_PARTS))
    titled = any(part.tag in _TITLES for part in parts)
    opens = titled or _is_one_of_several(title, panel)
    name = panel.get("id") or ""
    for part in parts:
        if label_of(part).strip(_ICONS) != label or not _is_pressed(part, name):
            continue
        if discloses(part) or (opens and not _is_of_menu(part)):
            part.set("aria-expanded", "false")  # its label is a title
            return True
    asks = titled or bool(_DISCLOSING_CLASS.search(title.get("class") or ""))
    return asks and label.endswith(_QUESTION_MARKS)


def _is_one_of_several(title: Any, panel: Any) -> bool:
    """Tell whether another title follows the panel, or another panel stands before the title."""
    if panel.tag not in _PANELS or panel.getprevious() is not title:
        return False
    pairs = ((panel.getnext(), title), (title.getprevious(), panel))
    return any(
        other is not None and other.tag == one.tag and other.get("class") == one.get("class")
        for other, one in pairs
    )


def _is_pressed(part: Any, name: str) -> bool:
    if part.tag == "a":
        href = (part.get("href") or "#").strip().lower()
        return href in ("#", f"#{name.lower()}") or href.startswith("javascript:")
    if part.tag == "label":
        before = part.getprevious()
        return before is not None and before.get("type") in ("checkbox", "radio")
    return (
        part.tag in ("button", "summary")
        or part.get("role") == "button"
        or part.get("tabindex") == "0"
        or any(attribute in part.attrib for attribute in _PRESSED)
    )


def _is_of_page(element: Any, effect: str, label_of_cell: Callable[[Any], str]) -> bool:
    """Tell whether what is hidden from readers of screens only is text to everyone else."""
    if effect != "unread":
        return False
    cell = next(element.iterancestors("td", "th"), None)
    if cell is not None and label_of_cell(cell) == label_of(element):
        return True  # a tick that is all there is
    prose = 0
    for inside in islice(element.iter(), _MAX_INSIDE):
        prose += len((inside.text or "").strip()) if inside.tag != "a" else 0
        prose += len((inside.tail or "").strip()) if inside is not element else 0
    return prose > _NEAR or bool(element.tag == "img" and element.get("alt"))


def _effect(element: Any, effects: dict[str, str]) -> str | None:
    """``struck``, ``hidden``, or ``unread`` for what is only hidden from screen readers."""
    if element.tag in _STRUCK:
        return "struck"
    if (element.get("hidden") or "hidden" in element.attrib or None) not in (None, "until-found"):
        return "hidden"
    style = element.get("style")
    found = _effect_of_style(style) if style else None
    if found is None and effects:
        names = [f".{name}" for name in (element.get("class") or "").split()]
        selectors = [*names, f"#{element.get('id')}"]
        known = (effects.get(one) or effects.get(element.tag + one) for one in selectors)
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
    """What the page's own style sheets do by simple selectors, outside of @media.

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
