"""What a page says of itself: title, author, date, language. Never the date it was fetched.

trafilatura knows the many ways in which pages say it. It is given only the parts of the page that
can hold such a thing: on long pages its search would take longer than reading the text.
"""

from __future__ import annotations

import copy
import re
from datetime import date
from functools import lru_cache
from typing import Any

from lxml import html as lxml_html

from rag.ingest.blocks import one_line
from rag.ingest.dates import parse_date

_NAMED = re.compile(r"date|author|byline|publish|updated|posted|modified|footer", re.I)
_TELLING = frozenset(["time", "h1", "address"])
_PILCROW = re.compile(r"\s*[¶#§]$")
_MAX_CANDIDATE = 300


def read_metadata(root: Any) -> tuple[str | None, str | None, date | None, str | None]:
    """Return title, author, date of publication and language as the page declares them."""
    from trafilatura.metadata import extract_metadata

    reduced = _reduce(root)
    try:
        found = extract_metadata(
            reduced, date_config={"extensive_search": False, "original_date": True}
        )
    except Exception:  # its heuristics are many and pages are odd; metadata is not worth a failure
        return _title(root), None, None, _language(root)
    title = _PILCROW.sub("", one_line(found.title or "")) or _title(root)
    author = one_line(found.author or "") or None
    return title, author, parse_date(found.date), _language(root)


def _reduce(root: Any) -> Any:
    reduced = lxml_html.Element("html", dict(root.attrib))
    head = root.find("head")
    reduced.append(lxml_html.Element("head") if head is None else copy.deepcopy(head))
    body = lxml_html.Element("body")
    reduced.append(body)
    for script in root.xpath("//body//script[@type='application/ld+json']"):
        body.append(copy.deepcopy(script))
    for element in root.iter("*"):
        telling = element.tag in _TELLING or any(
            (value := element.get(name)) and _is_telling(value)
            for name in ("class", "itemprop", "id", "rel")
        )
        if telling and element.tag != "meta" and _is_short(element):
            body.append(copy.deepcopy(element))
    return reduced


def _is_short(element: Any) -> bool:
    return len("".join(element.itertext())) <= _MAX_CANDIDATE


@lru_cache(maxsize=4096)
def _is_telling(name: str) -> bool:
    return bool(_NAMED.search(name))


def _title(root: Any) -> str | None:
    return one_line(root.findtext(".//title") or "") or None


def _language(root: Any) -> str | None:
    declared = root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    if not declared:
        for meta in root.iter("meta"):
            if (meta.get("http-equiv") or "").lower() == "content-language":
                declared = meta.get("content") or ""
    code = re.split(r"[-_,;]", declared.strip().lower())[0]
    return code if re.fullmatch(r"[a-z]{2}", code) else None
