"""Charts and diagrams (SmartArt) of Word to blocks: what they say in words and numbers."""

from __future__ import annotations

from typing import Any

from rag.ingest.blocks import Block, linearise, one_line
from rag.ingest.docx_package import M

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_D = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_MAX_POINTS = 10_000
_MAX_SERIES = 100


def read_chart(root: Any, group: int) -> list[Block]:
    """Return the title of a chart and a row for each category, with the value of each series."""
    title = root.find(f"{_C}chart/{_C}title")
    name = _words(title) if title is not None else ""
    blocks = [Block("paragraph", f"Chart: {name}")] if name else []
    header, columns = [""], []
    categories: dict[int, str] = {}
    for series in list(root.iter(f"{_C}ser"))[:_MAX_SERIES]:
        label = series.find(f"{_C}tx")
        header.append(" ".join(_points(label).values()) if label is not None else "")
        for tag in ("cat", "xVal"):
            if (found := series.find(f"{_C}{tag}")) is not None:
                categories = categories or _points(found)
        values = next(
            (e for tag in ("val", "yVal") if (e := series.find(f"{_C}{tag}")) is not None), None
        )
        columns.append(_points(values) if values is not None else {})
    places = sorted(set(categories).union(*columns))
    rows = [[categories.get(i, ""), *(column.get(i, "") for column in columns)] for i in places]
    return blocks + linearise(header, rows, group=group)


def _points(element: Any) -> dict[int, str]:
    """Return the points by index; the inmost level where categories have several."""
    level = next(element.iter(f"{_C}lvl"), element)
    found: dict[int, str] = {}
    for point in level.iter(f"{_C}pt"):
        index = point.get("idx") or ""
        if index.isdecimal() and len(index) < 9 and len(found) < _MAX_POINTS:
            found[int(index)] = one_line(point.findtext(f"{_C}v") or "")
    if not found and (text := element.findtext(f"{_C}v")):
        found[0] = one_line(text)
    return found


def read_diagram(root: Any, group: int) -> list[Block]:
    """Return an item for each shape with text, each below the one it belongs to."""
    texts: dict[str, str] = {}
    for point in root.iter(f"{_D}pt"):
        if point.get("type") not in ("pres", "parTrans", "sibTrans"):
            texts[point.get("modelId") or ""] = _words(point)
    below: dict[str, list[tuple[int, str]]] = {}
    owned: set[str] = set()
    for link in root.iter(f"{_D}cxn"):
        if link.get("type") in (None, "parOf") and link.get("destId") in texts:
            order = link.get("srcOrd") or "0"
            place = int(order) if order.isdecimal() and len(order) < 9 else 0
            below.setdefault(link.get("srcId") or "", []).append((place, link.get("destId")))
            owned.add(link.get("destId"))
    blocks: list[Block] = []
    seen: set[str] = set()
    stack = [(key, 0) for key in reversed(texts) if key not in owned]
    stack = stack or [(key, 0) for key in reversed(texts)]
    while stack:
        key, level = stack.pop()
        if key in seen:
            continue
        seen.add(key)
        text = texts.get(key, "")
        if text:
            blocks.append(Block("item", text, level=min(level, 8), marker="-", group=group))
        deeper = level + bool(text)
        stack += [(child, deeper) for _, child in sorted(below.get(key, []), reverse=True)]
    return blocks


def _words(element: Any) -> str:
    """Return the text, paragraphs apart."""
    lines = (
        "".join(t.text or "" for t in p.iter(f"{_A}t", f"{M}t")) for p in element.iter(f"{_A}p")
    )
    text = one_line(" ".join(lines))
    return text or one_line(" ".join(v.text or "" for v in element.iter(f"{_C}v")))
