"""Formulas (OMML), charts and diagrams (SmartArt) of Word: what they say in words and numbers."""

from __future__ import annotations

import re
from typing import Any

from rag.ingest.blocks import Block, linearise, one_line
from rag.ingest.docx_package import MC, M, W, whole

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_D = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_MAX_POINTS = 10_000
_MAX_SERIES = 100
_MAX_INDEX = 10**8
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_SKIPPED = frozenset([f"{W}del", f"{W}moveFrom"])
_BREAKS = frozenset([f"{W}tab", f"{W}br", f"{W}cr"])


def linear(formula: Any) -> str:
    """Formula, or a part of one, as it is read: ``(a+b)/c``, ``x^2``, ``x_1``, ``sqrt(x)``."""
    parts: list[str] = []
    for child in formula:
        tag = child.tag
        if tag in (f"{M}t", f"{W}t"):
            parts.append(child.text or "")
        elif tag in _BREAKS:
            parts.append(" ")
        elif tag == f"{MC}AlternateContent":
            parts.append(next(filter(None, map(linear, child)), ""))
        elif tag not in _SKIPPED and not tag.endswith("Pr"):
            parts.append(_structure(child))
    return "".join(parts)


def _structure(element: Any) -> str:
    name = element.tag.removeprefix(M)
    match name:
        case "f":
            over, under = _part(element, "num"), _part(element, "den")
            if _value(element, "type", "bar") == "noBar":
                return f"binom({over}, {under})"
            return f"{_grouped(over, words=True)}/{_grouped(under)}"
        case "rad":
            degree = _part(element, "deg")
            return f"sqrt{f'[{degree}]' if degree else ''}({_part(element, 'e')})"
        case "sSup" | "sSub" | "sSubSup" | "sPre" | "nary":
            below, above = _part(element, "sub"), _part(element, "sup")
            marks = f"_{_grouped(below, words=name != 'nary')}" if below else ""
            marks += f"^{_grouped(above)}" if above else ""
            base = _part(element, "e")
            if name == "nary":
                return f"{_value(element, 'chr', '∫') or '∫'}{marks} {base}"
            return f"{marks} {base}" if name == "sPre" else _grouped(base, words=True) + marks
        case "limLow" | "limUpp":
            limit = _grouped(_part(element, "lim"), words=True)
            return f"{_part(element, 'e')}{'_' if name == 'limLow' else '^'}{limit}"
        case "d":
            inside = _value(element, "sepChr", "|").join(_parts(element, "e"))
            return f"{_value(element, 'begChr', '(')}{inside}{_value(element, 'endChr', ')')}"
        case "func":
            argument = _part(element, "e")
            argument = argument if _is_wrapped(argument) else f"({argument})"
            return _part(element, "fName") + argument
        case "m":
            text = "; ".join(", ".join(_parts(row, "e")) for row in element.iterchildren(f"{M}mr"))
            holder = element.getparent().getparent()
            return text if holder is not None and holder.tag == f"{M}d" else f"[{text}]"
        case "eqArr":
            return "; ".join(_parts(element, "e"))
        case "acc":
            base = _part(element, "e")
            return (base if len(base) == 1 else f"({base})") + _value(element, "chr", "\u0302")
        case "bar":
            base, is_over = _part(element, "e"), _value(element, "pos", "bot") == "top"
            if len(base) == 1:
                return base + ("\u0305" if is_over else "\u0332")
            return f"{'over' if is_over else 'under'}line({base})"
        case _:
            return linear(element)


def _parts(element: Any, name: str) -> list[str]:
    return [linear(child).strip() for child in element.iterchildren(f"{M}{name}")]


def _part(element: Any, name: str) -> str:
    found = element.find(f"{M}{name}")
    return "" if found is None else linear(found).strip()


def _value(element: Any, name: str, default: str) -> str:
    """Value of a property; one that is there without a value is empty."""
    found = element.find(f"{element.tag}Pr/{M}{name}")
    return default if found is None else found.get(f"{M}val", "")


def _grouped(text: str, *, words: bool = False) -> str:
    """Text in brackets unless it reads as one thing: a number, a letter, with ``words`` a word."""
    is_one = len(text) <= 1 or _NUMBER.fullmatch(text) or (words and text.isalnum())
    return text if is_one or _is_wrapped(text) else f"({text})"


def _is_wrapped(text: str) -> bool:
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place == len(text) - 1
    return False


def read_chart(root: Any, group: int) -> list[Block]:
    """Title of a chart and a row for each category, with the value of each series."""
    title = root.find(f"{_C}chart/{_C}title")
    name = "" if title is None else _words(title)
    header, columns = [""], []
    categories: dict[int, str] = {}
    for series in list(root.iter(f"{_C}ser"))[:_MAX_SERIES]:
        header.append(" ".join(_points(series, "tx").values()))
        categories = categories or _points(series, "cat") or _points(series, "xVal")
        columns.append(_points(series, "val") or _points(series, "yVal"))
    places = sorted(set(categories).union(*columns))
    rows = [[categories.get(i, ""), *(column.get(i, "") for column in columns)] for i in places]
    blocks = [Block("paragraph", f"Chart: {name}")] if name else []
    return blocks + linearise(header, rows, group=group)


def _points(series: Any, name: str) -> dict[int, str]:
    """Points by index; those of the inmost level where categories have several."""
    element = series.find(f"{_C}{name}")
    if element is None:
        return {}
    found: dict[int, str] = {}
    for point in next(element.iter(f"{_C}lvl"), element).iter(f"{_C}pt"):
        index = whole(point.get("idx"), -1, -1, _MAX_INDEX)
        if index >= 0 and len(found) < _MAX_POINTS:
            found[index] = one_line(point.findtext(f"{_C}v") or "")
    text = element.findtext(f"{_C}v")
    return found or ({0: one_line(text)} if text else {})


def read_diagram(root: Any, group: int) -> list[Block]:
    """List item for each shape with text, each below the one it belongs to."""
    texts: dict[str, str] = {}
    for point in root.iter(f"{_D}pt"):
        if point.get("type") not in ("pres", "parTrans", "sibTrans"):
            texts[point.get("modelId") or ""] = _words(point)
    below: dict[str, list[tuple[int, str]]] = {}
    owned: set[str] = set()
    for link in root.iter(f"{_D}cxn"):
        child = link.get("destId")
        if link.get("type") in (None, "parOf") and child in texts:
            order = whole(link.get("srcOrd"), 0, 0, _MAX_INDEX)
            below.setdefault(link.get("srcId") or "", []).append((order, child))
            owned.add(child)
    blocks: list[Block] = []
    seen: set[str] = set()
    stack = [(key, 0) for key in reversed(texts) if key not in owned]
    stack = stack or [(key, 0) for key in reversed(texts)]
    while stack:
        key, level = stack.pop()
        if key in seen:
            continue
        seen.add(key)
        if text := texts.get(key, ""):
            blocks.append(Block("item", text, level=min(level, 8), marker="-", group=group))
        deeper = level + bool(text)
        stack += [(child, deeper) for _, child in sorted(below.get(key, []), reverse=True)]
    return blocks


def _words(element: Any) -> str:
    """Text of the paragraphs in an element, else of the values in it."""
    lines = (
        "".join(t.text or "" for t in p.iter(f"{_A}t", f"{M}t")) for p in element.iter(f"{_A}p")
    )
    text = one_line(" ".join(lines))
    return text or one_line(" ".join(v.text or "" for v in element.iter(f"{_C}v")))
