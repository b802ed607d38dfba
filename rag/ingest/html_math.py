"""MathML to one line of text: 1/2 and x^2, where its tokens alone would say 12 and x2."""

from __future__ import annotations

from typing import Any

_SILENT = frozenset(["annotation", "annotation-xml", "mphantom"])
_MAX_DEPTH = 60


def read_math(element: Any, depth: int = 0) -> str:
    """Return a formula, or a part of one, as it is typed on a line."""
    tag = _name(element)
    if tag in _SILENT:
        return ""
    if depth > _MAX_DEPTH:
        return " ".join("".join(element.itertext()).split())
    parts = [read_math(child, depth + 1) for child in element if isinstance(child.tag, str)]
    if not parts:
        return " ".join((element.text or "").split())
    if tag == "mfrac" and len(parts) == 2:
        return f"{_grouped(parts[0])}/{_grouped(parts[1])}"
    if tag in ("msup", "mover") and len(parts) == 2:
        return f"{parts[0]}^{_grouped(parts[1])}"
    if tag in ("msub", "munder") and len(parts) == 2:
        return f"{parts[0]}_{_grouped(parts[1])}"
    if tag in ("msubsup", "munderover") and len(parts) == 3:
        return f"{parts[0]}_{_grouped(parts[1])}^{_grouped(parts[2])}"
    if tag == "msqrt":
        return f"√{_grouped(''.join(parts))}"
    if tag == "mroot" and len(parts) == 2:
        return f"{_grouped(parts[0])}^(1/{parts[1]})"
    between = {"mtable": "; ", "mtr": ", ", "mfenced": ", "}.get(tag, "")
    joined = between.join(filter(None, parts))
    return f"({joined})" if tag == "mfenced" else joined


def _name(element: Any) -> str:
    return str(element.tag).rpartition(":")[2].lower()


def _grouped(part: str) -> str:
    return part if len(part) < 2 or part.isalnum() else f"({part})"
