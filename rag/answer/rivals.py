"""Sentences that say of another year, month, code, version or country what a question asks of one.

"In 2023 we received 11.4 tonnes" does not answer a question about 2024, and the row of Germany
none about Luxembourg. Models take such a sentence for the answer more easily than any other, since
all other words agree.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, cached_property

from rag.ground.dates import Moment, conflicting, moments
from rag.text.terms import STOPWORDS
from rag.text.units import CURRENCIES

_CODE = re.compile(r"(?<![\w-])([A-Z]{1,4})-?(\d{1,5})(?!\w)")
_VERSION = re.compile(
    r"\b([^\W\d_]+) (\d{1,3}(?:\.\d{1,3})+)(?!\.?\d|,\d|\w| ?(?:%|[^\W\d_]{1,2}\b))"
)
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
    r"\b(?:before|after|since|until|till|from|by|as of)\b[^.;:]{0,40}$", re.IGNORECASE
)
_BEGINS = re.compile(r"(?:^|[.:;|] )(?:\w{1,3} ){0,2}$")
_ASKS_COUNTRY = re.compile(r"\b(?:which|what) (?:\w+ )?countr(?:y|ies)\b", re.IGNORECASE)
_NAME = re.compile(r"(?<!\w)[^\W\d_a-z][^\W\d_]")
_SHORT = {
    "UK": "GB", "U.K.": "GB", "Great Britain": "GB", "US": "US", "USA": "US", "U.S.": "US",
    "U.S.A.": "US", "Holland": "NL", "Turkey": "TR", "Czech Republic": "CZ",
}  # fmt: skip


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
    def _named(self) -> dict[str, dict[str, bool]]:
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

    def _other(self, text: str, heading: str) -> str:
        if not self._named:
            return ""
        there, over = _named(text), _named(heading)
        if any(asked.keys() & there[kind].keys() for kind, asked in self._named.items()):
            return ""
        for kind, asked in self._named.items():
            rivals = [name for name, leads in there[kind].items() if leads]
            if rivals and asked.keys().isdisjoint(over[kind]):
                return f"{kind} {rivals[0]}"
        return ""


def _kind(moment: Moment, text: str) -> tuple[str, ...]:
    names = tuple(name for name, _, _ in moment.fields)
    bound = _BOUND.search(text, max(0, moment.start - 60), moment.start)
    return () if bound or "day" in names or "minute" in names else names


def _named(text: str) -> defaultdict[str, dict[str, bool]]:
    """Return what a text names by its kind: L-05, release 4.10.1, step 3, red, Belgium.

    With each, whether the text is about it. Of a country or a colour that is so where a sentence
    or a cell begins with it: "send it to Venlo, Netherlands" holds for customers in Spain.
    """
    found = defaultdict[str, dict[str, bool]](dict)
    for pattern in (_CODE, _NUMBERED, _VERSION):
        for match in pattern.finditer(text):
            # What lies between the ends of a range may be meant as well.
            if _RANGE.search(text, max(0, match.start() - 16), match.end() + 8):
                continue
            kind = match[1] if pattern is _CODE else match[1].lower()
            if pattern is _VERSION:
                if match[1] in CURRENCIES or kind in STOPWORDS:
                    continue
                kind = "release"
            found[kind][match[2]] = True
    patterns = [("colour", _COLOUR, _COLOURS)]
    if _NAME.search(text):
        patterns.append(("country", *_countries()))
    for kind, names, values in patterns:
        for match in names.finditer(text):
            leads = bool(_BEGINS.search(text, max(0, match.start() - 16), match.start()))
            value = values[match[0].lower()]
            found[kind][value] = leads or found[kind].get(value, False)
    return found


@cache
def _countries() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return a pattern for the names of countries, and their ISO 3166 codes by small letters."""
    from babel import Locale

    codes = dict(_SHORT)
    for language in ("en", "de", "fr", "es"):
        for code, name in Locale(language).territories.items():
            if len(code) == 2 and code.isalpha() and code not in ("EU", "EZ", "UN", "ZZ"):
                codes.setdefault(name, code)
    words = "|".join(map(re.escape, sorted(codes, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])")
    return pattern, {name.lower(): code for name, code in codes.items()}
