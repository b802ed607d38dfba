"""What a page says of itself: title, author, date, language. Never the date it was fetched.

trafilatura knows the many ways in which pages say it. It is given only the parts of the page that
can hold such a thing: on long pages its search would take longer than reading the text.
The byline that says the same as author and date is hidden, for it is no part of the text.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from itertools import islice
from typing import Any

from lxml import html as lxml_html

from rag.ingest.blocks import one_line
from rag.ingest.dates import parse_date

_NAMED = re.compile(r"date|author|byline|publish|updated|posted|modified|footer", re.I)
_TELLING = frozenset(["time", "h1", "address"])
_PILCROW = "¶#§"
_MAX_CANDIDATE = 300
_BYLINE_TAGS = frozenset("p div span small address time em i ul ol li header section".split())
_INLINE = frozenset(["a", "b", "strong", "img", "abbr"])
_BYLINE_WORDS = frozenset(
    "last updated update modified revised reviewed edited published posted written created by "
    "on at the in of date author and aktualisiert aktualisierung zuletzt geändert "
    "veröffentlicht erstellt geschrieben stand von vom am mis mise à jour publié publiée "
    "modifié rédigé écrit dernière par le actualizado actualizada actualización publicado "
    "publicada modificado escrito última por el de aggiornato pubblicato scritto da di il "
    "atualizado atualizada atualização em bijgewerkt gepubliceerd laatst gewijzigd geschreven "
    "door op".split()
)
_MONTHS = (
    "january jan januar janvier enero januari gennaio janeiro",
    "february feb februar février febrero februari febbraio fevereiro",
    "march mar märz mars marzo maart março",
    "april apr avril abril aprile",
    "may mai mayo mei maggio maio",
    "june jun juni juin junio giugno junho",
    "july jul juli juillet julio luglio julho",
    "august aug août agosto augustus",
    "september sep sept septembre septiembre settembre setembro",
    "october oct oktober octobre octubre ottobre outubro",
    "november nov novembre noviembre novembro",
    "december dec dezember décembre diciembre dicembre dezembro",
)
_LETTERS = re.compile(r"\w+")


def read_metadata(root: Any) -> tuple[str | None, str | None, date | None, str | None]:
    """Return title, author, date of publication and language as the page declares them."""
    from trafilatura.metadata import extract_metadata

    reduced = _reduce(root)
    try:
        found = extract_metadata(
            reduced, date_config={"extensive_search": False, "original_date": True}
        )
    except ImportError:
        raise  # a missing library is no fault of the page
    except Exception:  # its heuristics are many and pages are odd; metadata is not worth a failure
        return _title(root), None, None, _language(root)
    title = one_line(found.title or "")
    title = title.removesuffix(title[-1:]).rstrip() if title[-1:] in _PILCROW else title
    title = title or _title(root) or ""
    author = one_line(found.author or "") or None
    published = parse_date(found.date)
    _hide_byline(root, author, published)
    return title or None, author, published, _language(root)


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
    size = 0
    for count, inside in enumerate(element.iter()):
        size += len(inside.text or "") + (len(inside.tail or "") if count else 0)
        if max(size, count) > _MAX_CANDIDATE:
            return False
    return True


@lru_cache(maxsize=4096)
def _is_telling(name: str) -> bool:
    return bool(_NAMED.search(name))


def _hide_byline(root: Any, author: str | None, published: date | None) -> None:
    """Hide what stands beside the title and says nothing but the author and the date."""
    title = root.find(".//h1")
    if title is None or not (author or published):
        return
    name = _LETTERS.findall((author or "").lower())
    known = _date_words(published) | set(name) | _BYLINE_WORDS
    needed = {str(published.year)} if published else set(name)
    beside = [near for near in title.itersiblings(preceding=True) if near.tag in _BYLINE_TAGS]
    for element in [*beside[:2], *islice(_following(title), 40)]:
        words = set(_LETTERS.findall("".join(element.itertext()).lower()))
        if element.tag in _BYLINE_TAGS and words <= known and words & (needed | set(name[-1:])):
            element.set("hidden", "")
        elif words and (element.tag not in _BYLINE_TAGS | _INLINE or element.tag in ("p", "li")):
            break  # the text has begun


def _following(element: Any) -> Iterator[Any]:
    """Yield the elements after one, in the order of the page."""
    while element is not None:
        for sibling in element.itersiblings():
            yield from (inside for inside in sibling.iter() if isinstance(inside.tag, str))
        element = element.getparent()


def _date_words(published: date | None) -> set[str]:
    """Return the words and numbers that the date can be written with."""
    if published is None:
        return set()
    day, month, year = published.day, published.month, published.year
    ordinals = {f"{day}{ending}" for ending in ("", "st", "nd", "rd", "th", "er")}
    numbers = {f"{day:02}", str(month), f"{month:02}", str(year)}
    return ordinals | numbers | set(_MONTHS[month - 1].split())


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
