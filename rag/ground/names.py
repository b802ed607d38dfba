"""Names of an English claim that its evidence nowhere has.

A capital inside a sentence makes a name, and one at its start where another capital follows; so
does a word of letters and digits (X3). Initials and their expansion are one name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache

from rag.ground.evidence import stem_set
from rag.ground.roles import TITLES
from rag.text.terms import STOPWORDS, content_terms, fold, month_number, stems
from rag.text.units import unit_of

_WORD = re.compile(r"[^\W_]+(?:[-'’.&][^\W_]+)*")
_NO_LETTER = re.compile(r"\W")
_PLAIN = re.compile(r"[^\W_]+")
_OWN = re.compile(r"['’]s?$")
_CAPITALS = re.compile(
    r"[A-ZÀ-ÖØ-Þ][\w’'-]{0,60}(?:\s(?:of|the|for|and|&)?\s?[A-ZÀ-ÖØ-Þ][\w’'-]{0,60})+"
)
_CODE = re.compile(r"(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Z][\w-]*")
_TIME = re.compile(
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|q[1-4]|h[12]|am|pm|ad|bc|ce|i|v\d.*|\d.*|u\.?s\.?a?|u\.?k|eu|tv|"
    r"someone|everyone|everybody|somebody|nobody|anyone|mom|dad|mum|mother|father|internet|"
    r"covid.*|coronavirus|sars.*|earth|god|online|ceo|dna|rna|pdf|wi-?fi|it"
)
_NEVER_LOST = frozenset(
    "celsius fahrenheit monday mondays tuesday tuesdays wednesday wednesdays thursday thursdays "
    "friday fridays saturday saturdays sunday sundays mount lake river city inc ltd llc gmbh corp "
    "corporation".split()
)
"""Words with a capital that are judged as values, or say what sort of thing a name is of."""

_ENDINGS = re.compile(r"(?:'s|’s|s|es|n|an|ian|ean|ese|ish|i|ic|al|er|ers)$")
_PEOPLES = {
    people: country
    for people, _, country in (
        pair.partition("/")
        for pair in "danish/denmark danes/denmark dutch/netherlands french/france german/germany "
        "spanish/spain british/britain british/kingdom english/england welsh/wales irish/ireland "
        "scottish/scotland swiss/switzerland greek/greece turkish/turkey swedish/sweden "
        "finnish/finland norwegian/norway polish/poland czech/czechia portuguese/portugal "
        "chinese/china japanese/japan thai/thailand peruvian/peru filipino/philippines "
        "icelandic/iceland belgian/belgium argentine/argentina cypriot/cyprus".split()
    )
}
_SHORT = {
    short: long
    for short, _, long in (
        pair.partition("/")
        for pair in "bill/william bob/robert rob/robert dick/richard jim/james jack/john "
        "joe/joseph tom/thomas mike/michael dave/david dan/daniel ben/benjamin sam/samuel "
        "alex/alexander andy/andrew tony/anthony steve/stephen chris/christopher nick/nicholas "
        "matt/matthew liz/elizabeth beth/elizabeth kate/katherine sue/susan peggy/margaret "
        "maggie/margaret jenny/jennifer becky/rebecca vicky/victoria ed/edward fred/frederick "
        "greg/gregory".split()
    )
}
_FIRST = frozenset(
    "every each all both most many some several few any such another only even just over under "
    "more less fewer about around nearly almost half since during after before until while when "
    "although unlike despite however today".split()
)
"""Words that stand before a name at the beginning of a claim and are no part of it."""

_LIKE = 0.6
_PRESENT = 0.6
"""Share of a statement's other terms that the evidence must have for a name to be wrong in it."""


@lru_cache(maxsize=64)
def said(texts: tuple[str, ...]) -> tuple[frozenset[str], str, frozenset[str]]:
    """Return folded words, the text without spaces and hyphens, and the initials of names."""
    text = "\n".join(texts)
    folded = fold(text)
    plain = _WORD.findall(folded)
    words = {*plain, *_NEVER_LOST}
    words.update(
        part for word in words.copy() if not word.isalnum() for part in _NO_LETTER.split(word)
    )
    runs = [
        "".join(w[0] for w in _PLAIN.findall(run) if w[0].isupper()).casefold()
        for run in _CAPITALS.findall(text)
    ]
    # The Department of Energy is the DOE, too.
    runs += [
        "".join(w[0] for w in _PLAIN.findall(run)).casefold() for run in _CAPITALS.findall(text)
    ]
    initials = {run[start:] for run in runs for start in range(len(run) - 1)}
    # "Chief financial officer" is a CFO.
    small = "".join(word[0] for word in plain if word not in STOPWORDS)
    initials.update(small[n : n + 3] for n in range(len(small) - 2))
    return frozenset(words), re.sub(r"[\W_]", "", folded), frozenset(initials)


def strangers(parts: tuple[str, ...], texts: tuple[str, ...], units: tuple[str, ...]) -> list[str]:
    """Return the names of a claim that are not in the evidence, as they are written."""
    words, joined, initials = said(texts)
    everything = frozenset().union(*(stem_set(unit) for unit in units))
    found: dict[str, None] = {}
    for part in parts:
        capitals = {stem for w in _WORD.findall(part) if w[:1].isupper() for stem in stems(w)}
        terms = [term for term in content_terms(part) if term not in capitals]
        # Where little else is in the evidence, it is the wording that differs.
        if sum(term in everything for term in terms) < _PRESENT * len(terms):
            continue
        spelled_out = [
            "".join(word[0] for word in run.split() if word[0].isupper()).casefold()
            for run in _CAPITALS.findall(part)
        ]
        acronyms = any(
            run[start:] in words for run in spelled_out for start in range(max(0, len(run) - 2))
        )
        if acronyms:
            continue
        for name in _names(part, words, units):
            # Of Sims-based only Sims is a name.
            folded = fold("-".join(w for w in name.split("-") if w[:1].isupper() and w[1:])) or (
                fold(name)
            )
            plain = _NO_LETTER.sub("", folded)
            if (
                words.issuperset(_NO_LETTER.split(folded))
                or folded in initials
                or ((len(plain) > 3 or not plain.isalpha()) and plain in joined)
                or everything.issuperset(stems(folded))
                or _related(folded, words)
            ):
                continue
            found[name] = None
    return list(found)


def _names(part: str, words: frozenset[str], units: tuple[str, ...]) -> Iterator[str]:
    matches = list(_WORD.finditer(part))
    capitals = sum(m[0][0].isupper() for m in matches)
    if len(matches) > 3 and capitals > 0.8 * len(matches):
        return
    for place, match in enumerate(matches):
        word = _OWN.sub("", match[0])
        low = fold(word)
        if (
            not word[:1].isupper()
            or low in STOPWORDS
            or low in TITLES
            or (place == 0 and low in _FIRST)
            or _TIME.fullmatch(low)
            or month_number(low)
            or unit_of(low)
        ):
            continue
        before = part[: match.start()].rstrip()
        initial = place == 0 or before.endswith((".", "!", "?", ":", '"', "“", "("))
        if _CODE.fullmatch(word) or (word.isupper() and len(word) > 1):
            yield word
        elif not initial or (
            place + 1 < len(matches)
            and matches[place + 1][0][0].isupper()
            and part[match.end() : matches[place + 1].start()] == " "
        ):
            if len(word) > 1:
                yield word
        elif low not in words and _mistaken(part, word, units):
            yield word


def _mistaken(part: str, word: str, units: tuple[str, ...]) -> bool:
    """Tell whether a sentence that says the same begins with a word much like this one."""
    rest = set(content_terms(part)) - set(stems(word))
    for unit in units:
        first = _WORD.search(unit)
        if first and first[0][:1].isupper() and rest and rest <= stem_set(unit):
            ratio = SequenceMatcher(None, fold(word), fold(first[0])).ratio()
            if ratio >= _LIKE and not set(stems(word)) & set(stems(first[0])):
                return True
    return False


def _related(name: str, words: frozenset[str]) -> bool:
    """Tell whether the evidence has the name with another ending: Norway's, Germans, German."""
    other = {_PEOPLES.get(name), _SHORT.get(name)}
    other |= {long for long, short in (*_PEOPLES.items(), *_SHORT.items()) if short == name}
    if other & words:
        return True
    root = _ENDINGS.sub("", name)
    return len(root) >= 4 and any(
        word.startswith(root) and _ENDINGS.sub("", word)[: len(root) + 1].startswith(root)
        and len(word) <= len(root) + 4
        for word in words
    )  # fmt: skip
