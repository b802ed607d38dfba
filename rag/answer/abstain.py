"""Why passages may not answer although they look near: what a question names is not in them.

Passages that never mention the "Premium plan", E-118, 2027 or a price in pounds hardly answer a
question about them (``lacks``), and "In 2023 we received 11.4 tonnes" does not answer one about
2024 (``Rivals``). Models read over such differences most easily; here they are looked up.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from itertools import islice
from typing import NamedTuple, Self

from rag.text.dates import Moment, conflicting, moments
from rag.text.numbers import CURRENCIES, unit_of
from rag.text.terms import STOPWORDS, content_terms, fold
from rag.text.words import DAYS, ENGLISH_MONTHS
from rag.types import Passage

_SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?=\S)[^.!?]*)*[.!?]*")
_NAME = re.compile(r"(?<=[\s(\"“‘'/-])[A-ZÄÖÜÀ-Þ][^\W\d_]+(?:[’'-][^\W\d_]+)*")
_CODE = re.compile(  # bounded, for what is searched may be anything
    r"(?<![\w-])(?:(?:[^\W\d_]{1,20}-){0,3}(?:[^\W\d_]{1,20}\d{1,12}|[^\W\d_]{1,20}-\d{1,12})"
    r"(?:-?[A-Z\d]{1,12}){0,4}+|\d{1,12}[A-Z]{1,2})(?=s?\b)",
    re.IGNORECASE,
)
_VERSION = re.compile(
    r"(?<=[^\W\d_] )\d{1,3}(?:\.\d{1,3})+(?!\d|[\w%]|\.\d| ?(?:%|[^\W\d_]{1,2}\b))"
)
_DATED = re.compile(r"[^\W\d_]+-(?:1[5-9]|20)\d\d")  # mid-2024
_YEAR = re.compile(r"(?<![\w.,/-])(?:1[5-9]|20)\d\d(?![\w,/-]|\.\d)")
_WORD = re.compile(r"[^\W_]+")
_MOST_NAMES = 12  # that are looked up, for spelling costs time
_NAMED_AND_NUMBERED = re.compile(r"\b([^\W\d_]{1,30})[ -](\d{1,12})\b")
_CALENDAR = frozenset(
    [*map(str.lower, ENGLISH_MONTHS), *DAYS, "christmas", "easter", "new", "year", "eve"]
)
_ASKED_UNIT = re.compile(
    r"\b(?:how (?:many|much) (?:(?:more|extra|full|total|whole) )?|in )"
    r"(?P<unit>[^\W\d_]{1,12}|[€$£%])(?P<more> (?:sterling|kron\w+|per ?cent\w*|relative))?\b"
    r"|\b(?P<percent>percent(?:age)?|per cent)\b",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"(?P<before>[€$£¥]|\b[A-Z]{3})?\s?\d[\d.,]*\s?-?(?P<after>%|°\s?[CF]?|[€$£¥]|[^\W\d_]+)?"
)
_MORE_UNITS = {
    "chf": "CHF", "franc": "CHF", "francs": "CHF", "sek": "SEK", "nok": "NOK", "dkk": "DKK",
    "kroner": "NOK", "krone": "NOK", "kronor": "SEK", "pln": "PLN", "zloty": "PLN", "zlotys": "PLN",
    "cent": "EUR", "cents": "EUR",
}  # fmt: skip


class Vocabulary:
    """What is looked up in: the words, titles and headings of all passages found for a question."""

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> Self:
        """Take the texts of passages."""
        texts = (" ".join((p.title, *p.chunk.headings, p.chunk.text)) for p in passages)
        return cls(texts, passages[0].language if passages else None)

    def __init__(self, texts: Iterable[str], language: str | None = "en") -> None:
        self.text = "\n".join(texts)
        self._language = language
        folded = fold(self.text)
        self.words = frozenset(_WORD.findall(folded))
        self.terms = frozenset(content_terms(self.text, language))
        self.codes = {m[0].replace("-", "") for m in _CODE.finditer(folded)} | {
            m[1] + m[2] for m in _NAMED_AND_NUMBERED.finditer(folded)
        }

    def has_name(self, name: str) -> bool:
        """Tell whether the name, a form of it, or one that is spelled nearly so, is there."""
        return all(
            word in self.words
            or len(word) < 3
            or not self.terms.isdisjoint(content_terms(word, self._language))
            or bool(get_close_matches(word, self.words, 1, 0.82))
            for word in _WORD.findall(fold(name))
        )

    def has_code(self, code: str) -> bool:
        """Tell whether the code is there, written with or without its hyphen."""
        plain = fold(code).replace("-", "")
        return plain in self.codes or re.sub(r"(?<=\d)s$", "", plain) in self.codes

    def units(self) -> set[str]:
        """The kinds of unit that numbers are given in."""
        parts = (m[side] for m in _QUANTITY.finditer(self.text) for side in ("before", "after"))
        return {kind for part in parts if part and (kind := _kind_of_unit(part))}


def unmentioned(question: str, there: Vocabulary, *, english: bool = True) -> list[str]:
    """The names, codes, versions and years of a question that no passage has.

    Names are left out of questions in other languages, which may write them in their own way.
    """
    names = islice(_names(question), _MOST_NAMES) if english else ()
    return [
        *(name for name in names if not there.has_name(name)),
        *(
            code
            for code in (match[0] for match in _CODE.finditer(question))
            if any(map(str.isupper, code)) and not _DATED.fullmatch(code)
            if not there.has_code(code)
        ),
        *(version for version in _VERSION.findall(question) if version not in there.text),
        *(year for year in _YEAR.findall(question) if year not in there.words),
    ]


def lacks(question: str, there: Vocabulary, *, english: bool = True) -> str | None:
    """Return in words what the passages lack of what the question takes for granted, if anything.

    >>> lacks("What is E-118?", Vocabulary(["E-117 means that the hub has an owner."]))
    'nothing found mentions “E-118”'
    """
    names = list(dict.fromkeys(unmentioned(question, there, english=english)))
    if names:
        return "nothing found mentions " + " or ".join(f"“{name}”" for name in names[:3])
    unit = missing_unit(question, there)
    return f"nothing found gives a figure for “{unit}”" if unit else None


def missing_unit(question: str, there: Vocabulary) -> str | None:
    """The unit that the question asks for, if no passage gives a number in it."""
    units: set[str] | None = None
    for match in _ASKED_UNIT.finditer(question):
        more = (match["more"] or "").strip().lower()
        percent = match["percent"] or more.startswith("per")
        if kind := "%" if percent else _kind_of_unit(match["unit"]):
            units = there.units() if units is None else units
            if kind not in units and not (kind == "month" and "s" in units):
                return match[0]
    return None


def _names(question: str) -> Iterator[str]:
    """Yield the capitalised words within the sentence that asks; none where all words are so."""
    asking = [m[0] for m in _SENTENCE.finditer(question) if m[0].rstrip().endswith("?")]
    for sentence in asking or [question]:
        words = _WORD.findall(sentence)
        if sum(word[:1].isupper() for word in words) * 2 > len(words) + 2:
            continue
        for match in _NAME.finditer(sentence.strip()):
            name = fold(match[0])
            if name not in _CALENDAR and name not in STOPWORDS:
                yield match[0]


def _kind_of_unit(word: str) -> str | None:
    lower = fold(word)
    found = unit_of(lower)
    return found[0] if found else _MORE_UNITS.get(lower)


_IDENTIFIER = re.compile(
    r"(?<![\w@/:.\\-])(?:"
    r"--[a-z][\w-]{1,60}"  # --dry-run
    r"|(?-i:(?![A-Z][a-z]+_[a-z]+\b))[a-z]\w*_[\w.]*\w"  # max_connections, no Kund_innen
    r"|[a-z]\w{2,}(?-i:(?:\.(?:[a-z]\w+|[A-Z][a-z]+[A-Z]\w*))+)"  # main.cf, not "paid.Can"
    # camelCase, and three words in CamelCase: of two, as one, are most names of products
    r"|(?-i:[a-z]{2,}(?:[A-Z][a-z\d]+)+|[A-Z][a-z]+(?:[A-Z][a-z]+){2,})"
    r")(?![\w@/\\-]|\.\w)",
    re.IGNORECASE | re.ASCII,
)
_OWN = re.compile(
    r"\.(?:com|org|net|edu|gov|io|info|eu|de|at|ch|uk|fr|es|it|nl|example|local|localhost|lan|corp|"
    r"home|internal|pdf|docx?|xlsx?|pptx?|odt|rtf|epub|csv|txt|json|html?|eml|jpe?g|png|gif|svg|"
    r"webp|heic|mp[34]|mov|avi|zip|tar|gz|exe)$",
    re.IGNORECASE,
)


def identifiers(question: str) -> list[str]:
    """What a question names as a machine would: options, settings, files, functions.

    Addresses and documents are the asker's own, a word with a hyphen is a word, and letters with
    digits are as often a model, an order or a month: passages are searched for those (``lacks``).

    >>> identifiers("Does --dry-run skip max_size in main.cf, e.g. for mail.corp.example?")
    ['--dry-run', 'max_size', 'main.cf']
    """
    found = (match[0] for match in _IDENTIFIER.finditer(question))
    return [name for name in dict.fromkeys(found) if not _OWN.search(name)]


def forms_of(identifier: str) -> list[str]:
    """An identifier, and the patterns with a part left to the reader that it may be one of.

    >>> forms_of("MY_PATH_X")
    ['MY_PATH_X', 'MY_PATH_<', 'MY_PATH_{', 'MY_PATH_*']
    """
    cuts = [match.end() for match in re.finditer(r"(?<=\w)[_.]", identifier)][1:]
    return [identifier, *(identifier[:cut] + sign for cut in cuts for sign in "<{*")]


# --- another year, code or country than the question's ------------------------------------------

_CODE_PARTS = re.compile(r"(?<![\w-])([A-Z]{1,4})-?(\d{1,5})(?!\w)")
_NAMED_VERSION = re.compile(
    r"\b([^\W\d_]+) (\d{1,3}(?:\.\d{1,3})+)(?!\.?\d|,\d|\w| ?(?:%|[^\W\d_]{1,2}\b))"
)
_RELEASE = re.compile(r"(?<![\w.])()(\d{1,3}\.\d{1,3}\.\d{1,3})(?!\w|\.\d)")
_NUMBERED = re.compile(
    r"\b(version|chapter|section|article|clause|step|phase|stage|level|class|category|type|grade|"
    r"model|series|generation|season|episode|volume|page|table|figure|annex|zone)(?:: | )(\d{1,4})"
    r"(?!\w|[.,]?\d)",
    re.IGNORECASE,
)
_COLOURS = {
    word: group.split()[0]
    for group in ("red", "green", "blue", "white", "black", "pink magenta", "brown", "gold",
                  "orange amber yellow", "violet purple", "turquoise cyan teal", "grey gray silver")
    for word in group.split()
}  # fmt: skip
_COLOUR = re.compile(rf"\b(?:{'|'.join(_COLOURS)})\b", re.IGNORECASE)
_RANGE = re.compile(r"\d\s?(?:to|until|through|bis|–|-)\s?[A-Z]{0,4}-?\d")
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
_NAME_WORD = re.compile(r"[^\W\d_][\w’'.-]*")
_LONGEST_COUNTRY = 5  # words of the name of a country
_SHORT_COUNTRIES = {
    "UK": "GB", "U.K.": "GB", "Great Britain": "GB", "US": "US", "USA": "US", "U.S.": "US",
    "U.S.A.": "US", "Holland": "NL", "Turkey": "TR", "Czech Republic": "CZ",
}  # fmt: skip


class Mention(NamedTuple):
    """How a text names something, and whether the text, a sentence or a cell begins with it."""

    shown: str
    leads: bool


Named = defaultdict[str, dict[str, Mention]]  # kind -> value -> mention


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

    @property
    def of_release(self) -> bool:
        """Whether the question is about a release: what holds of one may hold of the next."""
        return "release" in self._asked

    def names(self, text: str) -> bool:
        """Tell whether a text names a code, number, colour or country that is asked about."""
        return self._shares(self._named(text))

    def _moment(self, text: str) -> str:
        """Days are left out, and dates that bound: a rule "from 1 June" holds of other days too."""
        there = moments(text) if self._moments else ()
        kinds = {_fields_of(moment, self.question) for moment in self._moments}
        kinds |= {_fields_of(moment, text) for moment in there}
        if not there or len(kinds) != 1 or () in kinds:
            return ""
        rival = all(conflicting(asked, said) for asked in self._moments for said in there)
        return there[0].shown if rival else ""

    def _other(self, text: str, heading: str) -> str:
        if not self._asked or self._shares(there := self._named(text)):
            return ""
        over = self._named(heading)
        for kind, asked in self._asked.items():
            leading = [mention.shown for mention in there[kind].values() if mention.leads]
            if leading and asked.keys().isdisjoint(over[kind]):
                return leading[0]
        return ""

    def _named(self, text: str) -> Named:
        return _named(text, countries="country" in self._asked)

    def _shares(self, there: Named) -> bool:
        return any(asked.keys() & there[kind].keys() for kind, asked in self._asked.items())


def _fields_of(moment: Moment, text: str) -> tuple[str, ...]:
    names = tuple(name for name, _, _ in moment.fields)
    bound = _BOUND.search(text, max(0, moment.start - 60), moment.start)
    return () if bound or "day" in names or "minute" in names else names


def _named(text: str, *, countries: bool = True) -> Named:
    """Return what a text names by its kind: L-05, release 4.10.1, step 3, red, Belgium.

    Codes and numbers lead wherever they stand, a country or a colour only where a sentence or a
    cell begins with it: "send it to Venlo, Netherlands" holds for customers in Spain.
    """
    found: Named = defaultdict(dict)
    for pattern in (_CODE_PARTS, _NUMBERED, _NAMED_VERSION, _RELEASE):
        for match in pattern.finditer(text):
            # What lies between the ends of a range, or beyond one, may be meant as well.
            if (
                _RANGE.search(text, max(0, match.start() - 16), match.end() + 8)
                or _BOUND.search(text, max(0, match.start() - 40), match.start())
                or _OPEN.match(text, match.end())
            ):
                continue
            if pattern in (_CODE_PARTS, _NUMBERED):
                kind = match[1] if pattern is _CODE_PARTS else match[1].lower()
                found[kind][match[2]] = Mention(match[0], True)
            elif match[1] not in CURRENCIES and match[1].lower() not in STOPWORDS:
                found["release"][match[2]] = Mention(match[0], True)
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
    words = list(_NAME_WORD.finditer(text))
    for n, word in enumerate(words):
        if not word[0][0].isupper() or word[0].lower() in STOPWORDS:
            continue
        for last in reversed(words[n : n + _LONGEST_COUNTRY]):
            name = text[word.start() : last.end()]
            if code := _countries().get(name) or _countries().get(name.rstrip(".")):
                yield code, word.start(), name
                break


@cache
def _countries() -> dict[str, str]:
    from babel import Locale

    codes = dict(_SHORT_COUNTRIES)
    for language in ("en", "de", "fr", "es"):
        for code, name in Locale(language).territories.items():
            if len(code) == 2 and code.isalpha() and code not in ("EU", "EZ", "UN", "ZZ"):
                codes.setdefault(name, code)
    return codes
