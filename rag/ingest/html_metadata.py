"""What a page says of itself: title, author, date, language. Never the date it was fetched.

trafilatura knows the many ways in which pages name their author and write a date. It is given only
what is declared, or stands in an element named so and can be nothing else: it would take a version
for a date, half a title for the title, and longer on long pages than reading the text.
The byline that says the same as author and date is hidden, for it is no part of the text.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache, lru_cache
from itertools import islice
from typing import Any

from lxml import html as lxml_html

from rag.ingest.blocks import one_line
from rag.ingest.html_hidden import remove_unseen
from rag.ingest.metadata import parse_date
from rag.text.words import MONTHS

_AUTHOR = re.compile(r"author|byline|creator", re.I)
_DATE = re.compile(r"date|publi|created|issued|updated|posted|modified|byline|footer|\btime", re.I)
_COMMENT = re.compile(r"comment|reply|related", re.I)
_PARTED = re.compile(r" ?[|:·•»«/] ?| [-–—]{1,3} | ?— ?")
_DECLARED_TITLES = ("og:title", "twitter:title", "citation_title", "dc.title", "dcterms.title")
_MAX_HEADINGS = 40
_META = ("name", "property", "itemprop", "http-equiv", "pubdate")
_PILCROW = "¶#§🔗\uf0c1"
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
_MONTH = rf"(?:{'|'.join(MONTHS)})"
_PLAIN_DATE = re.compile(
    r"\b(?:19|20)\d\d(?:-[01]\d-|/[01]\d/)[0-3]\d(?!\d)|"
    r"\b[0-3]?\d\.[01]?\d\.(?:19|20)\d\d\b|"
    rf"\b[0-3]?\d(?:st|nd|rd|th|er|º|\.)?(?: de)? (?P<month>{_MONTH})\b\.?,?(?: de)? "
    r"(?:19|20)\d\d\b|"
    rf"\b(?P<month_first>{_MONTH})\.? [0-3]?\d(?:st|nd|rd|th)?,? (?:19|20)\d\d\b",
    re.I,
)
_NUMBERS = re.compile(r"\d+")
_LETTERS = re.compile(r"\w+")


def read_metadata(root: Any) -> tuple[str | None, str | None, date | None, str | None]:
    """Title, author, date of publication and language as the page declares them."""
    title = _title(root)
    named = (e for e in root.iter("*") if e.tag == "address" or _is_named(e, _AUTHOR))
    bylines = [e for e in named if e.tag != "meta" and _is_short(e)]
    author = one_line(_ask(root, _AUTHOR, "author", bylines)) or None
    published = parse_date(_ask(root, _DATE, "date", ())) or _dated(root)
    _hide_byline(root, author, published)
    return title, author, published, _language(root)


def _ask(root: Any, names: re.Pattern[str], wanted: str, bylines: Iterable[Any]) -> str:
    """Ask trafilatura for a value, from what is declared under such names and from bylines."""
    from trafilatura.metadata import extract_metadata

    page = lxml_html.fromstring("<html><head></head><body></body></html>")
    head, body = page
    for element in root.iter("meta", "script"):
        if element.tag == "script":
            is_declared = element.get("type") == "application/ld+json"
        else:
            is_declared = any(names.search(element.get(key) or "") for key in _META)
        if is_declared:
            head.append(copy.deepcopy(element))
            head[-1].tail = None
    body.extend(map(copy.deepcopy, bylines))
    config = {"extensive_search": False, "original_date": True}
    try:
        return str(getattr(extract_metadata(page, date_config=config), wanted) or "")
    except ImportError:
        raise  # a missing library is no fault of the page
    except Exception:  # its heuristics are many and pages are odd; metadata is not worth a failure
        return ""


def _dated(root: Any) -> date | None:
    """The first date in an element that is named as one, or is a ``time`` outside of sentences."""
    is_short = cache(_is_short)  # of one parent many may ask
    for element in root.iter("*"):
        is_named = element.tag != "meta" and _is_named(element, _DATE)
        if not (is_named or (element.tag == "time" and is_short(element.getparent()))):
            continue
        if not _is_short(element) or _is_beside(element):
            continue
        for text in (element.get("datetime"), element.get("title"), element.text_content()):
            if (found := _PLAIN_DATE.search(one_line(text or ""))) and (day := _read(found)):
                return day
    return None


def _read(found: re.Match[str]) -> date | None:
    written = found["month"] or found["month_first"]
    if written is None:
        return parse_date(found[0])
    day, year = sorted(map(int, _NUMBERS.findall(found[0])))
    return parse_date(f"{year}-{MONTHS[written.lower()]}-{day}")


def _is_named(element: Any, names: re.Pattern[str]) -> bool:
    return any(
        (value := element.get(key)) and _has_name(names, value)
        for key in ("class", "itemprop", "id", "rel")
    )


def _is_beside(element: Any) -> bool:
    """Tell what dates a comment or another page."""
    return any(
        around.tag in ("aside", "nav") or _COMMENT.search(around.get("class") or "")
        for around in islice(element.iterancestors(), _MAX_HEADINGS)
    )


def _is_short(element: Any) -> bool:
    size = 0
    for count, inside in enumerate(element.iter()):
        size += len(inside.text or "") + (len(inside.tail or "") if count else 0)
        if max(size, count) > _MAX_CANDIDATE:
            return False
    return True


@lru_cache(maxsize=4096)
def _has_name(names: re.Pattern[str], value: str) -> bool:
    return bool(names.search(value))


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
    """The words and numbers that the date can be written with."""
    if published is None:
        return set()
    day, month = published.day, published.month
    written = f"{day} {day}st {day}nd {day}rd {day}th {day}er {day:02} {month} {month:02}"
    names = {name for name, number in MONTHS.items() if number == month}
    return names | {str(published.year), *written.split()}


def _title(root: Any) -> str | None:
    """The heading that stands in the title, or else the title, of which no part is cut off.

    Without one, what the page declares to others, or its first heading.
    """
    title = one_line(root.findtext(".//title") or "")
    declared = [
        one_line(meta.get("content") or "")
        for meta in root.iter("meta")
        if (meta.get("property") or meta.get("name") or "").lower() in _DECLARED_TITLES
    ]
    headings = _headings(root)
    for name in filter(None, [title, *declared]):
        parts = _parts_of(name)
        standing = [text for text in headings if text.casefold() in parts]
        if standing:
            return max(standing, key=len)
        if len(headings) == 1 and name.casefold() in headings[0].casefold():
            return headings[0]  # "3. Packaging" says more than "Packaging"
    return next(filter(None, [*declared, title, *headings]), None)


def _headings(root: Any) -> list[str]:
    found = root.xpath(".//h1") or root.xpath("(.//h2)[1]")
    holder = lxml_html.Element("div")
    holder.extend(copy.deepcopy(heading) for heading in found[:_MAX_HEADINGS] if _is_short(heading))
    count = len(holder)
    holder.extend(copy.deepcopy(sheet) for sheet in root.iter("style"))  # they may strike it out
    remove_unseen(holder, "//*[self::h1 or self::h2]//*")
    texts = (one_line(heading.text_content()).rstrip(_PILCROW) for heading in holder[:count])
    return list(filter(None, map(str.rstrip, texts)))


def _parts_of(title: str) -> set[str]:
    """The runs of parts of a title that begin or end it, or stand between separators."""
    title = title.casefold()
    ends = [0, *(edge for cut in _PARTED.finditer(title) for edge in cut.span()), len(title)]
    if len(ends) > _MAX_HEADINGS:
        return {title}
    return {title[start:end] for start in ends[::2] for end in ends[1::2] if start < end}


def _language(root: Any) -> str | None:
    declared = root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    code = re.match(r"\s*([a-z]{2})\s*(?:[-_,;]|$)", declared.lower())
    return code[1] if code else None
