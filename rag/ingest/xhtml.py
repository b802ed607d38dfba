"""What a page written as XML may hold and HTML may not: its own entities, and CDATA."""

from __future__ import annotations

import re
from html import escape

_MAX_START = 4000
_MAX_VALUE = 1000
_MAX_GROWTH = 1_000_000
"""Characters that a page may grow by when its entities are filled in."""
_ENTITY = re.compile(r"""<!ENTITY\s+([\w.-]+)\s+(?:"([^"]*)"|'([^']*)')""")
_SUBSET_END = re.compile(r"\]\s{0,9}>")
_CDATA = "<![CDATA["


def to_html(text: str) -> str:
    """Return the page with its own entities filled in and the text of CDATA as other text."""
    return _with_text_of_cdata(_with_entities(text))


def _with_entities(text: str) -> str:
    start = text[:_MAX_START].upper().find("<!DOCTYPE")
    opening = text.find("[", start, start + _MAX_START) if start >= 0 else -1
    if opening < 0 or ">" in text[start:opening]:
        return text
    closing = _SUBSET_END.search(text, opening)
    if closing is None:
        return text
    values: dict[str, str] = {
        name: double or single
        for name, double, single in _ENTITY.findall(text, opening, closing.start())
        if len(double or single) <= _MAX_VALUE
    }
    body, left = text[closing.end() :], _MAX_GROWTH

    def fill(reference: re.Match[str]) -> str:
        nonlocal left
        value = values.get(reference[1])
        if value is None or len(value) > left:
            return str(reference[0])
        left -= len(value)
        return value

    for _ in range(2):  # an entity may hold another
        body = re.sub(r"&([\w.-]+);", fill, body) if values else body
    return f"{text[:opening]}>{body}"


def _with_text_of_cdata(text: str) -> str:
    first, *parts = text.split(_CDATA)
    done, in_script = [first], _ends_in_script(first, False)
    for part in parts:
        inside, end, after = part.partition("]]>")
        if in_script or not end:
            done.append(_CDATA + part)
        else:
            done += [escape(inside, quote=False), after]
        in_script = _ends_in_script(part, in_script)
    return "".join(done)


def _ends_in_script(part: str, before: bool) -> bool:
    part = part.lower()
    opened = max(part.rfind("<script"), part.rfind("<style"))
    closed = max(part.rfind("</script"), part.rfind("</style"))
    return before if opened == closed else opened > closed
