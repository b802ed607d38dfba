"""Sentences that say of another year, month, code, version or country what a question asks of one.

"In 2023 we received 11.4 tonnes" does not answer a question about 2024, and the row of Germany
none about Luxembourg. Models take such a sentence for the answer more easily than any other, since
all other words agree.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

from rag.text.dates import Moment, conflicting, moments
from rag.text.numbers import CURRENCIES
from rag.text.terms import STOPWORDS

_CODE = re.compile(r"(?<![\w-])([A-Z]{1,4})-?(\d{1,5})(?!\w)")
_VERSION = re.compile(
    r"\b([^\W\d_]+) (\d{1,3}(?:\.\d{1,3})+)(?!\.?\d|,\d|\w| ?(?:%|[^\W\d_]{1,2}\b))"
)
_RELEASE = re.compile(r"(?<![\w.])()(\d{1,3}\.\d{1,3}\.\d{1,3})(?!\w|\.\d)")
_NUMBERED = re.compile(
    r"\b(version|chapter|section|article|clause|step|phase|stage|level|class|category|type|grade|"
    r"model|series|generation|season|episode|volume|page|table|figure|annex|zone)(?:: | )(\d{1,4})"
    r"(?!\w|[.,]?\d)",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\d\s?(?:to|until|through|bis|–|-)\s?[A-Z]{0,4}-?\d")
_COLOURS = {
    word: group.split()[0]
    for group in ("red", "green", "blue", "white", "black", "pink magenta", "brown", "gold",
                  "orange amber yellow", "violet purple", "turquoise cyan teal", "grey gray silver")
    for word in group.split()
}  # fmt: skip
_COLOUR = re.compile(rf"\b(?:{'|'.join(_COLOURS)})\b", re.IGNORECASE)
_BOUND = re.compile(
    r"\b(?:before|after|since|until|till|from|by|as of|at least|than|up to|minimum|required?s?)\b"
    r"[^.;:]{0,40}$",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\+|,? (?:or|and) (?:later|newer|above|higher|up|earlier|older|below|lower)\b|(?: is|,) "
    r"required",
    re.IGNORECASE,
)
_BEGINS = re.compile(r"(?:^|[.:;|?!] )(?:\w{1,3} ){0,2}$")
_ASKS_COUNTRY = re.compile(r"\b(?:which|what) (?:\w+ )?countr(?:y|ies)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_][\w’'.-]*")
_LONGEST = 5  # words of the name of a country
_SHORT = {
    "UK": "GB", "U.K.": "GB", "Great Britain": "GB", "US": "US", "USA": "US", "U.S.": "US",
    "U.S.A.": "US", "Holland": "NL", "Turkey": "TR", "Czech Republic": "CZ",
}  # fmt: skip


class Mention(NamedTuple):
    """How a text names something, and whether the text, a sentence or a cell begins with it."""

    shown: str
    leads: bool


Named = defaultdict[str, dict[str, Mention]]


@dataclass(frozen=True)
class Rivals:
    """What a question names of each kind; ``of`` tells what stands in its place in a text.

    >>> Rivals("How much was it in 2024?").of("In 2023 it was 11.4 tonnes.")
    '2023'
    """

    question: str

    def of(self, text: str, heading: str = "") -> str:
        """Return what a text names instead of what is asked about, or "".

        What stands in its ``heading`` counts as named too, but for dates: those of a sentence go
        before the page's.
        """
        return self._moment(text) or self._other(text, heading)

    @cached_property
    def _moments(self) -> tuple[Moment, ...]:
        return moments(self.question)

    @cached_property
    def _asked(self) -> Named:
        named = _named(self.question)
        if _ASKS_COUNTRY.search(self.question):
            named.pop("country", None)
        return named

    def _moment(self, text: str) -> str:
        """Days are left out, and dates that bound: a rule "from 1 June" holds of other days too."""
        if not self._moments:
            return ""
        there = moments(text)
        kinds = {_kind(moment, self.question) for moment in self._moments}
        if len(kinds | {_kind(moment, text) for moment in there}) != 1 or () in kinds:
            return ""
        rival = all(conflicting(asked, said) for asked in self._moments for said in there)
        return there[0].shown if there and rival else ""

    @property
    def of_release(self) -> bool:
        """Whether the question is about a release: what holds of one may hold of the next."""
        return "release" in self._asked

    def names(self, text: str) -> bool:
        """Tell whether a text names a code, number, colour or country that is asked about."""
        return self._among(self._named(text))

    def _named(self, text: str) -> Named:
        return _named(text, countries="country" in self._asked)

    def _among(self, there: Named) -> bool:
        return any(asked.keys() & there[kind].keys() for kind, asked in self._asked.items())

    def _other(self, text: str, heading: str) -> str:
        if not self._asked or self._among(there := self._named(text)):
            return ""
        over = self._named(heading)
        for kind, asked in self._asked.items():
            rivals = [mention.shown for mention in there[kind].values() if mention.leads]
            if rivals and asked.keys().isdisjoint(over[kind]):
                return rivals[0]
        return ""


def _kind(moment: Moment, text: str) -> tuple[str, ...]:
    names = tuple(name for name, _, _ in moment.fields)
    bound = _BOUND.search(text, max(0, moment.start - 60), moment.start)
    return () if bound or "day" in names or "minute" in names else names


def _named(text: str, *, countries: bool = True) -> Named:
    """Return what a text names by its kind: L-05, release 4.10.1, step 3, red, Belgium.

    Codes and numbers lead wherever they stand, a country or a colour only where a sentence or a
    cell begins with it: "send it to Venlo, Netherlands" holds for customers in Spain.
    """
    found: Named = defaultdict(dict)
    for pattern in (_CODE, _NUMBERED, _VERSION, _RELEASE):
        for match in pattern.finditer(text):
            # What lies between the ends of a range, or beyond one, may be meant as well.
            if (
                _RANGE.search(text, max(0, match.start() - 16), match.end() + 8)
                or _BOUND.search(text, max(0, match.start() - 40), match.start())
                or _OPEN.match(text, match.end())
            ):
                continue
            kind = match[1] if pattern is _CODE else match[1].lower()
            if pattern in (_VERSION, _RELEASE):
                if match[1] in CURRENCIES or kind in STOPWORDS:
                    continue
                kind = "release"
            found[kind][match[2]] = Mention(match[0], True)
    named = [("colour", _COLOURS[m[0].lower()], m.start(), m[0]) for m in _COLOUR.finditer(text)]
    if countries:
        named += [("country", *country) for country in _countries_in(text)]
    for kind, value, start, shown in named:
        begins = bool(_BEGINS.search(text, max(0, start - 16), start))
        if begins or value not in found[kind]:
            found[kind][value] = Mention(shown, begins)
    return found


def _countries_in(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield the ISO 3166 codes of the countries that a text names, where, and how."""
    words = list(_WORD.finditer(text))
    for n, word in enumerate(words):
        if not word[0][0].isupper() or word[0].lower() in STOPWORDS:
            continue
        for last in reversed(words[n : n + _LONGEST]):
            name = text[word.start() : last.end()]
            if code := _countries().get(name) or _countries().get(name.rstrip(".")):
                yield code, word.start(), name
                break


@cache
def _countries() -> dict[str, str]:
    from babel import Locale

    codes = dict(_SHORT)
    for language in ("en", "de", "fr", "es"):
        for code, name in Locale(language).territories.items():
            if len(code) == 2 and code.isalpha() and code not in ("EU", "EZ", "UN", "ZZ"):
                codes.setdefault(name, code)
    return codes
