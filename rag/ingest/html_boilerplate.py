"""What stands around the content of a page goes: menus, consent texts, prompts.

They are told by what they are made of: links with few words between them, a text on cookies with a
control to accept them, a question to the reader with buttons. In doubt a part is content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice, takewhile
from typing import Any, NamedTuple

from lxml import etree

from rag.ingest.blocks import Block
from rag.ingest.html_hidden import discloses
from rag.ingest.html_parse import (
    BLOCKS,
    HEADINGS,
    MAX_DEPTH,
    holds,
    is_within,
    label_of,
    remove,
    text_of,
)

NAMED_SHARE = 0.85
"""An element that is only named as the main one by its id has to hold this share of the prose."""
FURNITURE_SHARE = 0.5
"""What is named or marked as furniture is content if it holds a larger share of the text."""
CONTENT_SHARE = 0.6
"""The smallest element with this share of the prose is the content, of a page that names none."""
INTRODUCTION_SHARE = 0.25
"""A title with a larger share of the prose before it heads a later part of the page."""

_COOKIES = re.compile(r"cookie|\b(?:gdpr|rgpd|dsgvo)\b", re.I)
_CONSENT = re.compile(
    r"\b(?:accept|agree|consent|allow|got it|opt|necessary|preferences|akzept|zustimm|"
    r"einverstanden|"
    r"annehmen|einwillig|notwendig|accepte|refuse|necesari|acept|rechaz|accett|rifiut|aceit|"
    r"accepteer|akkoord|weiger|akceptuj|zgadzam)",
    re.I,
)
_MAX_CONSENT = 600
_MAX_INTRODUCTION = 1500
_MAX_LINKS = 30
# A row of a table and an item of a list are not read apart from the others.
_CONTAINERS = frozenset("article aside center div footer form header section".split())
_MAX_CURRENT = 120
_LAST_CONTROLS = 12
_MAX_PROMPT = 400
_MAX_PROMPT_DEPTH = 8
_QUESTION = re.compile(r"[^?？؟.]{8,120}[?？؟]")
_VOTE = re.compile(
    r"(?:yes|no|ja|nein|nee|oui|non|s[ií]|sim|não|tak|nie|helpful|not helpful|\W{1,3})[.!,]?", re.I
)
_COPYRIGHT = re.compile(r"©|\(c\)|copyright|rights reserved", re.I)
_WORDS_OF_NAMES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_NAMES = frozenset(
    "ad ads advert advertisement advertising comments consent cookie cookies copyright dialog "
    "disqus feedback footer gdpr header login masthead modal newsletter overlay popular popup "
    "promo promos promotion promotions recommended related respond share sharing sidebar signup "
    "skip social sponsor sponsored subscribe subscription toast toc trending widget widgets".split()
)
_INVITATION = re.compile(
    r"\W*(?:advertisement|sponsored|related|recommended|read (?:also|more|next)|"
    r"you (?:may|might) (?:also )?(?:like|enjoy)|more (?:from|on|stories)|most (?:read|popular)|"
    r"popular|trending|latest|share (?:this|on|via|by)|follow us|subscribe|newsletter|"
    r"sign up|log in|comments?)\b",
    re.I,
)
_NETWORKS = (
    "(?:facebook|x|twitter|linkedin|whatsapp|reddit|pinterest|mastodon|bluesky|telegram|threads|"
    "tumblr|e-?mail)"
)
_SHARE = re.compile(
    r"(?:share|post|tweet|pin|send)(?: this)?(?: (?:page|article|story))?"
    rf" (?:on|to|via|by|in|with) {_NETWORKS}|"
    r"(?:share|tweet) this(?: (?:page|article|story|post))?|"
    rf"(?:auf|bei|per|sur|en|su|op|no|w) {_NETWORKS} (?:teilen|partager|compartir|condividi|delen)|"
    r"(?:teilen|partager|compartir|condividi|delen|compartilhar) (?:auf|sur|en|su|op|no) "
    rf"{_NETWORKS}",
    re.I,
)
_SHARE_PROMPT = re.compile(
    r"\W*(?:(?:share|teilen|partager|compartir|condividi|delen|compartilhar)[\w ]{0,20})?\W*", re.I
)
_SHARING = re.compile(
    r"facebook\.com/(?:sharer|share|dialog)|(?:twitter|x)\.com/(?:intent|share|home\?)|"
    r"linkedin\.com/(?:share|sharing|cws)|reddit\.com/submit|pinterest\.\w+/pin/create|"
    r"(?:wa\.me|whatsapp\.com/send|whatsapp://send|t\.me/share|tumblr\.com/share)",
    re.I,
)
_TO_TOP = re.compile(
    r"\W*(?:(?:(?:back|return|go|jump|scroll) )?(?:up )?(?:to )?(?:the )?top(?: of (?:the )?page)?|"
    r"(?:zurück )?(?:nach|zum) (?:oben|(?:seiten)?anfang)|(?:volver )?arriba|"
    r"(?:retour )?(?:en )?haut(?: de (?:la )?page)?|"
    r"(?:terug )?naar boven|torna su|(?:voltar )?ao topo|[↑⇑▲]+)\W*",
    re.I,
)
_PARTS = frozenset("article aside center div form section ul".split())
_MAX_SHARING = 12
_MAX_PROMPT_WORDS = 30
_MAX_INSIDE = 100
_CONTROLS = frozenset("button input label select textarea svg script".split())
_SECTIONS = ("article", "section", "main", "blockquote", "figure")
_FURNITURE_ROLES = frozenset(
    "navigation banner contentinfo complementary search dialog alertdialog menu menubar".split()
)
_OVERLAY = re.compile(r"cookie|gdpr|consent|cc-|popup|modal|dialog", re.I)
_UNSEEN = re.compile(r"screen-reader-text|sr-only|visually-?hidden", re.I)
_FURNITURE = re.compile(
    r"(?:^|\s)(?:cookie[\w-]*|gdpr[\w-]*|consent[\w-]*|cc-(?:window|banner)|newsletter[\w-]*|"
    r"breadcrumbs?|sidebar|sphinxsidebar\w*|nav(?:bar|igation|header|footer)?|toc|skip-?link|"
    r"skip-to-\w+|social|share|sharing|share-?buttons|(?:social|share|sharing)[-_]+(?:social|share|"
    r"sharing|buttons?|links?|icons?|bar|list|menu|nav|media|tools|widget|container|wrapper)|related|related-?(?:posts|articles|links)|"
    r"pagination|pager|advert\w*|ads?|promo|popup|modal|site-?(?:header|footer)|page-?footer|"
    r"footer|comments?-?(?:form|respond)|edit-?(?:link|page)|headerlink|mw-editsection|"
    r"(?:topic )?contents (?:topic|local)|topic contents|back-to-top|no-?print|"
    r"screen-reader-text|sr-only|visually-?hidden)(?=$|\s)",
    re.I,
)
# Ids are stricter: a section on cookies may well have the id "cookies".
_FURNITURE_ID = re.compile(
    r"cookie-?(?:banner|bar|consent|notice|law|popup)|sidebar|nav|navbar|navigation|footer|"
    r"breadcrumbs?|header-nav|site-(?:header|footer)|newsletter-?\w*",
    re.I,
)
_MAIN_IDS = " or ".join(
    f"@id='{name}'" for name in ("content", "main", "page-content", "main-content", "maincontent")
)
# Words beside the text that belong to it: footnotes and notes.
REMARK = re.compile(
    r"foot-?notes?|admonition|callout|alert|note|tip|hint|warning|caution|important|danger|aside",
    re.I,
)
_COPYRIGHT_LINE = re.compile(
    r"(?:(?:copyright|©|\(c\)(?= ?\d{4}))[ ,:]{0,2}){1,2}(?:\(c\) ?)?"
    r"(?:(?:19|20)\d\d[ ,/–-]{0,3}){0,4}(?:[^\d.!?]|\.(?! ?[A-Z])|(?<=\b\w)\.){0,90}(?:\. ?)?"
    r"(?:(?:all|alle|tous|todos|tutti) [\w ]{5,30})?\.?|"
    r"(?:all rights reserved|alle rechte vorbehalten|tous droits réservés)\.?",
    re.I,
)
_CLAIMED = re.compile(r"©|\(c\)|\b(?:19|20)\d\d\b|rights reserved", re.I)
_MAX_COPYRIGHT = 200
_TYPED = frozenset(["text", "search", "email", "password", "tel", "url"])
_MAX_FORM = 300


class Size(NamedTuple):
    """How much an element holds: characters, those of them in links, and links."""

    text: int = 0
    linked: int = 0
    links: int = 0

    @property
    def prose(self) -> int:
        """The count of characters outside of links."""
        return self.text - self.linked


Sizes = dict[Any, Size]


def measure(root: Any) -> Sizes:
    """The size of every element, in one pass from the leaves to the root."""
    sizes: Sizes = {}
    text = linked = links = 0
    stack: list[tuple[int, int, int]] = []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            stack.append((text, linked, links))
            text, linked, links = _length(element.text), 0, 0
            continue
        if element.tag == "a" and element.get("href"):
            linked, links = text, links + 1
        sizes[element] = Size(text, linked, links)
        before = stack.pop()
        text += before[0] + (_length(element.tail) if element is not root else 0)
        linked, links = linked + before[1], links + before[2]
    return sizes


def _length(text: str | None) -> int:
    return len(" ".join(text.split())) if text else 0


def remove_surroundings(body: Any, sizes: Sizes) -> None:
    """Remove lists of links and consent texts that stand before the content or after it.

    ``sizes`` are kept right: of what is removed the size is nothing.
    """
    named = next(body.getroottree().iter("title"), None)
    name = "" if named is None else label_of(named)
    title = title_of(body, sizes)
    content = _largest(body, sizes) if title is None else title
    path = [content, *content.iterancestors()]
    path = path[: path.index(body) + 1]
    before = [sibling for element in path[:-1] for sibling in element.itersiblings(preceding=True)]
    introduction = sum(sizes[sibling].prose for sibling in before)
    if introduction > max(_MAX_INTRODUCTION, INTRODUCTION_SHARE * sizes[body].prose):
        return  # it heads a later part of the page
    if title is not None:
        enough = CONTENT_SHARE * sizes[body].prose
        content = next((e for e in path[1:] if sizes[e].prose >= enough), body)
    for element in path[path.index(content) : -1]:
        for sibling in list(element.itersiblings()):
            _strip(sibling, _asks_for_consent, sizes, "")
    current = "" if title is None else text_of(title)
    for sibling in before:
        if _is_row_of_links(sibling, sizes, current):
            remove(sibling)
        else:
            _strip(sibling, _is_consent, sizes, name)
    if content is body:
        _strip_edges(body, path, sizes, title is None, name)


def _strip_edges(body: Any, path: list[Any], sizes: Sizes, untitled: bool, name: str) -> None:
    """Strip the first and last parts of a body that holds the content without a part around it."""
    if untitled:
        for first in takewhile(lambda first: sizes[first].prose <= 80, list(body)):
            if sizes[first].links > 2:
                _strip(first, _is_consent, sizes, name)
    for last in body[-3:]:
        if last not in path and last.tag in ("div", "section") and _asks_for_consent(last, sizes):
            remove(last)
    for last in reversed(body):
        if not sizes[last].text and not (last.tail or "").strip():
            continue
        if last in path or (last.tail or "").strip() or not _is_row_of_links(last, sizes):
            break
        before = last.getprevious()
        if before is None or before.tag in HEADINGS:
            break  # the links are what it heads
        remove(last)


def _is_row_of_links(element: Any, sizes: Sizes, current: str = "") -> bool:
    """Tell a line such as ``Home | Next`` from a sentence or a list: no word is between its links.

    The name of the ``current`` page may stand there, too.
    """
    size = sizes[element]
    if element.tag not in ("p", "div", "center") or not size.links:
        return False
    if size.links + bool(current) < 2 or size.links > _MAX_LINKS or size.prose > _MAX_CURRENT:
        return False
    rest = _without(text_of(element), [current, *map(label_of, element.iter("a"))])
    return not (re.search(r"[\w,]", rest) or holds(element, "ul", "ol", "dl"))


def title_of(body: Any, sizes: Sizes) -> Any:
    """The heading that the page begins with; a link, as a logo is, only if all are."""
    headings = body.xpath(".//h1") or body.xpath("(.//h2)[1]")
    named = (heading for heading in headings if sizes[heading].prose > 0)
    return next(named, headings[0] if headings else None)


def _largest(body: Any, sizes: Sizes) -> Any:
    """The smallest element that holds most of the prose."""
    enough = CONTENT_SHARE * sizes[body].prose
    element = body
    while enough:
        inner = (e for e in element if e.tag in BLOCKS and sizes[e].prose >= enough)
        largest = next(inner, None)
        if largest is None or largest.tag not in ("div", "section", "center", "article"):
            break
        element = largest
    return element


def _strip(
    element: Any, is_consent: Callable[[Any, Sizes], bool], sizes: Sizes, name: str, depth: int = 0
) -> None:
    """Remove the menus and consent texts in an element outside the content, or all of it.

    Of a part that says the ``name`` of the page beside its links only the links go.
    """
    if depth > MAX_DEPTH:
        return
    size = sizes[element]
    is_named = 3 < len(name) <= size.prose and name in label_of(element)
    if not (_is_menu(size) and not is_named) and element.tag in _CONTAINERS:
        for child in list(element):
            if child.tag not in BLOCKS:
                continue
            was = sizes[child]
            _strip(child, is_consent, sizes, name, depth + 1)
            now = sizes[child]
            size = Size(*(a - b + c for a, b, c in zip(size, was, now, strict=True)))
        sizes[element] = size
    if _is_menu(size) or is_consent(element, sizes):
        sizes[element] = Size()
        remove(element)


def _is_menu(size: Size) -> bool:
    """Tell whether an element consists of links, but for a few words between them."""
    if not size.text or size.prose > 200:
        return False
    several = size.links > 1
    return size.linked >= (0.6 if several else 0.8) * size.text and (several or size.text <= 60)


def _is_consent(element: Any, sizes: Sizes) -> bool:
    if sizes.get(element, Size()).text > _MAX_CONSENT:
        return False
    text = text_of(element)
    return bool(_COOKIES.search(text) and _CONSENT.search(text))


def _asks_for_consent(element: Any, sizes: Sizes) -> bool:
    """Tell whether there is a control to consent with: a text alone may be part of the content."""
    return _is_consent(element, sizes) and any(
        _CONSENT.search(label) and len(label) <= 40
        for label in map(label_of, element.iter("a", "button"))
    )


def is_around(element: Any, sizes: Sizes) -> bool:
    """Tell what asks for a click, a name or an opinion beside the content from what tells.

    It is named so, consists of links, begins as an invitation does, or is short and has fields.
    """
    size = sizes.get(element, Size())
    names = _WORDS_OF_NAMES.findall(f"{element.get('class') or ''} {element.get('id') or ''}")
    is_named = element.tag in _PARTS and not _NAMES.isdisjoint(map(str.lower, names))
    if is_named or (size.links and 3 * size.linked >= size.text):
        return True
    first = next((text for text in element.itertext() if text.strip()), "")
    if _INVITATION.match(first) or "©" in label_of(element) or _is_consent(element, sizes):
        return True
    inside = element.iter("button", "input", "textarea", "select", "nav")
    return size.text <= _MAX_CONSENT and any(
        control.tag != "button" or not discloses(control) for control in inside
    )


def is_sharing(element: Any, sizes: Sizes) -> bool:
    """Tell whether all that an element holds is links to share the page or to go to its top."""
    size = sizes.get(element)
    if size is None or not 0 < size.links <= _MAX_SHARING or size.prose > _MAX_PROMPT_WORDS:
        return False
    links = [inside for inside in islice(element.iter(), _MAX_INSIDE) if inside.tag == "a"]
    if len(links) != size.links or not all(map(_is_share_link, links)):
        return False
    rest = _without(text_of(element), map(label_of, links))
    return len(rest) <= 2 * _MAX_PROMPT_WORDS and bool(_SHARE_PROMPT.fullmatch(rest))


def _is_share_link(link: Any) -> bool:
    href = link.get("href") or ""
    return is_to_top(link) or bool(_SHARING.search(href) or _SHARE.fullmatch(label_of(link)))


def _without(text: str, labels: Iterable[str]) -> str:
    for label in filter(None, labels):
        text = text.replace(label, "", 1)
    return text


def is_to_top(link: Any) -> bool:
    """Tell whether a link leads to the top of its page and says so."""
    label = label_of(link) if (link.get("href") or "").startswith("#") else ""
    return len(label) <= _MAX_PROMPT_WORDS and bool(_TO_TOP.fullmatch(label))


# --- what is named as furniture, and where the content is ---


def is_furniture(element: Any, sizes: Sizes, prose: int) -> bool:
    """Tell what is marked or named as no part of the content, of a page with so much prose."""
    tag, names, role = element.tag.lower(), element.get("class") or "", element.get("role")
    if tag in BLOCKS and is_sharing(element, sizes):
        return True
    if tag == "form":
        return _is_small_form(element)
    if tag == "aside" or role == "complementary":
        named = not REMARK.search(names) and is_around(element, sizes)
    elif tag == "header":  # of the site, not of an article
        named = not is_within(element, *_SECTIONS)
    elif tag in ("nav", "footer") or role in _FURNITURE_ROLES:
        named = True
    elif (found := _FURNITURE.search(names)) and _UNSEEN.search(found[0]):
        named = not is_within(element, "td", "th")
    else:
        has_id = tag == "div" and _FURNITURE_ID.fullmatch(element.get("id") or "")
        named = bool(found or has_id)
    return named and not _is_content(element, tag, f"{names} {role}", sizes, prose)


def _is_content(element: Any, tag: str, names: str, sizes: Sizes, prose: int) -> bool:
    """Tell whether what is called furniture holds the title or most of the text."""
    if tag == "nav" or _OVERLAY.search(names):
        return False
    if tag == "footer":
        around = element.getparent()
        if around is not None and around.tag in ("blockquote", "figure"):
            return True  # who said it
        if is_within(element, *_SECTIONS, "td", "li"):
            return element in sizes and not is_around(element, sizes)
    if holds(element, "h1", "main"):
        return tag not in ("nav", "footer", "aside")
    size = sizes.get(element)
    if size is None or "©" in label_of(element):
        return False
    return size.prose > max(_MAX_FORM, FURNITURE_SHARE * prose)


def _is_small_form(element: Any) -> bool:
    """Tell a form to search, log in or subscribe with from a page, or choices, in a form."""
    if holds(element, "p", "h1"):
        return False
    kinds = ((field.get("type") or "text").lower() for field in element.iter("input"))
    asks = holds(element, "textarea") or not _TYPED.isdisjoint(kinds)
    return asks and len(label_of(element)) <= _MAX_FORM


def declared_main(body: Any, sizes: Sizes) -> Any:
    """The element that a page marks or names as its main one; None if there is no such."""
    title = title_of(body, sizes)

    def holds_title(element: Any) -> bool:
        return title is None or element in title.iterancestors()

    for path in (".//main", ".//*[@role='main']", ".//*[@itemprop='articleBody']"):
        if found := body.xpath(path):
            return max(found, key=lambda element: sizes[element].text)
    articles = body.xpath(".//article")
    if len(articles) == 1 and holds_title(articles[0]):
        return articles[0]
    # The name alone says little: it must hold the title and all but a little of the prose.
    for element in reversed(body.xpath(f".//*[{_MAIN_IDS}]")[:4]):
        if holds_title(element) and sizes[element].prose >= NAMED_SHARE * sizes[body].prose:
            return element
    return None


def is_copyright(block: Block) -> bool:
    """Tell a line that claims the copyright from a sentence on it."""
    text = block.text if len(block.text) <= _MAX_COPYRIGHT else ""
    return bool(_COPYRIGHT_LINE.fullmatch(text) and _CLAIMED.search(text))


def without_copyright(blocks: list[Block]) -> list[Block]:
    """Drop the lines at the end that claim the copyright."""
    while len(blocks) > 1 and blocks[-1].kind == "paragraph" and is_copyright(blocks[-1]):
        blocks.pop()
    return blocks


# --- the question at the end -----------------------------------------------------------------


def remove_prompt(main: Any, has_text: Callable[[Any], str]) -> None:
    """Remove the question at the end of the content that the page asks of its readers.

    ``has_text`` reads an element; what it returns after the prompt may be a copyright line.
    """
    prompts: list[Any] = []
    for control in list(filter(_is_vote, main.iter("button", "input", "a")))[-_LAST_CONTROLS:]:
        around = islice(control.iterancestors(), _MAX_PROMPT_DEPTH)
        inside = takewhile(lambda element: element is not main, around)
        for prompt in list(takewhile(_is_prompt, inside))[-1:]:
            if text_outside(prompt) and prompt not in prompts:
                prompts.append(prompt)
    # Several questions with buttons are answered by the page itself.
    if len(prompts) == 1 and _is_last(prompts[0], main, has_text):
        remove(prompts[0])


def _is_vote(control: Any) -> bool:
    """Tell whether a control answers: a button, or a link that leads nowhere or says yes or no."""
    if control.tag == "input":
        return control.get("type") in ("button", "submit", "radio", "image")
    label = label_of(control)
    href = (control.get("href") or "").strip().lower()
    leads_nowhere = href == "#" or href.startswith("javascript:")
    is_button = control.tag == "button" and not discloses(control)
    pressed = is_button or leads_nowhere or control.get("role") == "button"
    return len(label) <= 30 and (pressed or bool(href and _VOTE.fullmatch(label)))


def _is_prompt(element: Any) -> bool:
    """Tell whether an element holds one question and controls, or controls alone."""
    if any(size > _MAX_PROMPT for size in accumulate(map(len, element.itertext()))):
        return False
    text = text_outside(element)
    return not text or bool(_QUESTION.fullmatch(text))


def text_outside(element: Any) -> str:
    """The text of a small element that is not in controls."""
    text = "".join(_outside(element, 0)).replace("|", " ").replace("/", " ")
    return " ".join(text.split())


def _outside(element: Any, depth: int) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if depth > MAX_DEPTH:
            yield child.text_content()
        elif not (_is_vote(child) if child.tag == "a" else child.tag in _CONTROLS):
            yield from _outside(child, depth + 1)
        yield child.tail or ""


def _is_last(element: Any, main: Any, read: Callable[[Any], str]) -> bool:
    text = ""
    while element is not main:
        if element.tail and element.tail.strip():
            return False
        for sibling in element.itersiblings():
            text = f"{text} {read(sibling)}".strip()
            if len(text) > 200:
                return False
        element = element.getparent()
    return not text or bool(_COPYRIGHT.search(text))
