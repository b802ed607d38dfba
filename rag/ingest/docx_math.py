"""Formulas of Word (OMML) as a line of text: ``(a+b)/c``, ``x^2``, ``x_1``, ``sqrt(x)``."""

from __future__ import annotations

import re
from typing import Any

from rag.ingest.docx_package import MC, M, W

_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_SKIPPED = frozenset([f"{M}ctrlPr", f"{M}rPr", f"{W}rPr", f"{W}del", f"{W}moveFrom"])
_BREAKS = frozenset([f"{W}tab", f"{W}br", f"{W}cr"])


def linear(element: Any) -> str:
    """Return a formula, or any part of one, in the order in which it is read."""
    parts: list[str] = []
    for child in element:
        tag = child.tag
        if tag in (f"{M}t", f"{W}t"):
            parts.append(child.text or "")
        elif tag in _BREAKS:
            parts.append(" ")
        elif tag == f"{MC}AlternateContent":
            parts.append(next(filter(None, map(linear, child)), ""))
        elif tag not in _SKIPPED and not tag.endswith("Pr"):
            form = _FORMS.get(tag)
            parts.append(form(child) if form else linear(child))
    return "".join(parts)


def _part(element: Any, name: str) -> str:
    found = element.find(f"{M}{name}")
    return "" if found is None else linear(found).strip()


def _value(element: Any, name: str, default: str) -> str:
    """Return a property; one that is there without a value is empty."""
    found = element.find(f"{M}{element.tag.rpartition('}')[2]}Pr/{M}{name}")
    return default if found is None else found.get(f"{M}val", "")


def _fraction(element: Any) -> str:
    over, under = _part(element, "num"), _part(element, "den")
    if _value(element, "type", "bar") == "noBar":
        return f"binom({over}, {under})"
    return f"{_grouped(over, words=True)}/{_grouped(under)}"


def _root(element: Any) -> str:
    degree = _part(element, "deg")
    return f"sqrt{f'[{degree}]' if degree else ''}({_part(element, 'e')})"


def _scripts(element: Any) -> str:
    below, above = _part(element, "sub"), _part(element, "sup")
    marks = (f"_{_grouped(below, words=True)}" if below else "") + (
        f"^{_grouped(above)}" if above else ""
    )
    base = _part(element, "e")
    if element.tag == f"{M}sPre":
        return f"{marks} {base}"
    return _grouped(base, words=True) + marks


def _nary(element: Any) -> str:
    below, above = _part(element, "sub"), _part(element, "sup")
    sign = _value(element, "chr", "∫") or "∫"
    marks = (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")
    return f"{sign}{marks} {_part(element, 'e')}"


def _limit(element: Any) -> str:
    mark = "_" if element.tag == f"{M}limLow" else "^"
    return f"{_part(element, 'e')}{mark}{_grouped(_part(element, 'lim'), words=True)}"


def _delimited(element: Any) -> str:
    inside = [linear(child).strip() for child in element.iterchildren(f"{M}e")]
    separator = _value(element, "sepChr", "|")
    return _value(element, "begChr", "(") + separator.join(inside) + _value(element, "endChr", ")")


def _function(element: Any) -> str:
    name, argument = _part(element, "fName"), _part(element, "e")
    return f"{name}{argument}" if _is_wrapped(argument) else f"{name}({argument})"


def _matrix(element: Any) -> str:
    rows = [
        ", ".join(linear(cell).strip() for cell in row.iterchildren(f"{M}e"))
        for row in element.iterchildren(f"{M}mr")
    ]
    text = "; ".join(rows)
    holder = element.getparent().getparent()
    return text if holder is not None and holder.tag == f"{M}d" else f"[{text}]"


def _array(element: Any) -> str:
    return "; ".join(linear(child).strip() for child in element.iterchildren(f"{M}e"))


def _accent(element: Any) -> str:
    sign = _value(element, "chr", "\u0302")
    base = _part(element, "e")
    return base + sign if len(base) == 1 else f"({base}){sign}"


def _bar(element: Any) -> str:
    under = _value(element, "pos", "bot") != "top"
    base = _part(element, "e")
    sign = "\u0332" if under else "\u0305"
    return base + sign if len(base) == 1 else f"{'under' if under else 'over'}line({base})"


_FORMS = {
    f"{M}f": _fraction,
    f"{M}rad": _root,
    f"{M}sSup": _scripts,
    f"{M}sSub": _scripts,
    f"{M}sSubSup": _scripts,
    f"{M}sPre": _scripts,
    f"{M}nary": _nary,
    f"{M}limLow": _limit,
    f"{M}limUpp": _limit,
    f"{M}d": _delimited,
    f"{M}func": _function,
    f"{M}m": _matrix,
    f"{M}eqArr": _array,
    f"{M}acc": _accent,
    f"{M}bar": _bar,
}


def _grouped(text: str, *, words: bool = False) -> str:
    """Return the text in brackets unless it reads as one thing: a number, a letter, with ``words``
    any run of letters and digits."""
    whole = len(text) <= 1 or _NUMBER.fullmatch(text) or (words and text.isalnum())
    return text if whole or _is_wrapped(text) else f"({text})"


def _is_wrapped(text: str) -> bool:
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place == len(text) - 1
    return False
