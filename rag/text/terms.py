"""Terms, numbers and names: what overlap, citation choice and grounding compare.

Stems come from the same analysers as the lexical index, so that "matches" means one thing.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

STEMMERS = {
    "ar": "arabic", "da": "danish", "nl": "dutch", "en": "english", "fi": "finnish",
    "fr": "french", "de": "german", "el": "greek", "hu": "hungarian", "it": "italian",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "es": "spanish",
    "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
"""ISO 639-1 codes that have a stemmer, with the stemmer's name in tantivy."""

# Function words of questions and statements: they say how something is asked, not what about.
STOPWORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being below
    between both but by can could did do does doing don down during each else few for from further
    get gets got had has have having he her here hers him his how i if in into is it its itself just
    let lets may me might more most must my no nor not now of off on once only or other our ours out
    over own per please same shall she should so some such than that the their theirs them then
    there these they this those through to too under until up upon us very was we were what whats
    when where which while who whom whose why will with within without would you your yours
    tell know want need like much many long
    """.split()
)

_PART = re.compile(r"[^\W_]+")
_CLITIC = re.compile(r"['’](?:s|t|re|ve|ll|d|m)\b")


_STOPWORD_LISTS = frozenset("da de es fi fr hu it nl no pt ru sv".split())


@lru_cache(maxsize=64)
def analyzer(language: str | None, *, drop_stopwords: bool = False) -> Any:
    """Return the tantivy analyser of a language: words, lower case, stem, no accents.

    Accents are folded after the stemmer, which needs them, so that "café" and "cafe" meet.
    English stop words are ours (``STOPWORDS``); other languages have those of Snowball.
    """
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    builder = (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(80))
        .filter(Filter.lowercase())
    )
    if drop_stopwords and language in _STOPWORD_LISTS:
        builder = builder.filter(Filter.stopword(STEMMERS[language]))
    if language in STEMMERS:
        builder = builder.filter(Filter.stemmer(STEMMERS[language]))
    return builder.filter(Filter.ascii_fold()).build()


def stems(text: str, language: str | None = "en") -> list[str]:
    """Return every word's stem in order, stop words included."""
    return list(analyzer(language).analyze(encodable(text)))


@lru_cache(maxsize=4096)
def content_terms(text: str, language: str | None = "en") -> tuple[str, ...]:
    """Return the distinct stems of the words that carry meaning, in order of appearance."""
    words = [w for w in _PART.findall(_CLITIC.sub(" ", text.casefold())) if w not in STOPWORDS]
    kept = analyzer(language, drop_stopwords=True).analyze(encodable(" ".join(words)))
    return tuple(dict.fromkeys(kept))


@lru_cache(maxsize=1024)
def without_stopwords(text: str, language: str | None) -> str:
    """Return the words of a text that are no stop words of its language, as they are.

    A question's own stop words are taken out before it is put to an index in another language,
    where they may be words with a meaning: the German "die" is an English verb.
    """
    if language not in _STOPWORD_LISTS:
        return text
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    tokens = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase())
    kept = tokens.filter(Filter.stopword(STEMMERS[language])).build().analyze(encodable(text))
    return " ".join(kept) or text


def encodable(text: str) -> str:
    """Replace lone surrogates, which have no UTF-8, character by character: offsets stay."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def fold(text: str) -> str:
    """Return the text in lower case without accents and with single spaces, for comparisons."""
    if text.isascii():
        return " ".join(text.casefold().split())
    # Compatibility letters decompose to capitals too, and some small letters to several.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar enero janvier", "february feb februar febrero février",
            "march mar märz marzo mars", "april apr abril avril", "may mai mayo",
            "june jun juni junio juin", "july jul juli julio juillet",
            "august aug agosto août", "september sep sept septiembre septembre",
            "october oct oktober octubre octobre", "november nov noviembre novembre",
            "december dec dezember diciembre décembre",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip

_NUMBER_WORDS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}

_NUMBER = re.compile(r"(?<![\w.])\d++(?:[.,\u202f  ]\d{3})*(?:[.,]\d++)?(?![\w]*\d)")
_SCALE = re.compile(r"\s?(k|thousand|m|mn|million|bn|billion)\b", re.IGNORECASE)
_SCALES = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "million": 1e6,
    "bn": 1e9,
    "billion": 1e9,
}


def numbers(text: str) -> frozenset[str]:
    """Return the numbers that a text states, as plain decimals: ``1,000`` and ``1000`` are equal.

    Words from zero to twenty and the tens count; "one" alone does not, it is mostly a pronoun.
    """
    found = set()
    for match in _NUMBER.finditer(text):
        value = _value(match[0])
        scale = _SCALE.match(text, match.end())
        if scale and scale[1].casefold() in ("thousand", "million", "billion", "bn", "mn"):
            value *= _SCALES[scale[1].casefold()]
        found.add(f"{value:.10g}")
    for word in _PART.findall(text.casefold()):
        if word in _NUMBER_WORDS and word != "one":
            found.add(str(_NUMBER_WORDS[word]))
    return frozenset(found)


def _value(digits: str) -> float:
    digits = re.sub(r"[\u202f  ]", "", digits)
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?", digits) and digits.count(".") > 1:
        digits = digits.replace(".", "").replace(",", ".")
    else:
        digits = digits.replace(",", ".")
    try:
        return float(digits)
    except ValueError:
        return float(re.sub(r"\D", "", digits) or 0)


def month_number(word: str) -> int | None:
    """Return 1 to 12 for the name or usual abbreviation of a month in lower case."""
    return _MONTHS.get(word.removesuffix("."))


MONTH_NAMES = tuple(_MONTHS)
"""The names of months that are known, in lower case."""


def months(text: str) -> frozenset[int]:
    """Return the months that a text names, 1 to 12; "may" only where a day or year is beside it."""
    found = set()
    for match in re.finditer(r"[^\W\d_]+", text.casefold()):
        number = _MONTHS.get(match[0])
        if number and (
            match[0] not in ("may", "mar", "sep", "mars")
            or re.search(r"\d", text[max(0, match.start() - 4) : match.end() + 5])
        ):
            found.add(number)
    return frozenset(found)


_NAME = re.compile(r"(?<!^)(?<![.!?:] )(?<![\"“(])\b[A-ZÄÖÜÉ][\w’'-]+(?:\s+[A-ZÄÖÜÉ][\w’'-]+)*")


def names(text: str) -> frozenset[str]:
    """Return capitalised words inside sentences, folded: an approximation of the names in it.

    The first word of a sentence is left out, because its capital says nothing.
    """
    found = set()
    for match in _NAME.finditer(text):
        for word in match[0].split():
            folded = fold(word).removesuffix("'s").removesuffix("’s").strip("'’-")
            if folded and folded not in STOPWORDS and folded not in _MONTHS:
                found.add(folded)
    return frozenset(found)


_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|cannot|without|nobody|nothing|nowhere|unable|fails? to|"
    r"lacks?|nicht|kein\w*|nunca|jamais|aucune?|sin|ohne)\b|n['’]t\b",
    re.IGNORECASE,
)


def negations(text: str) -> int:
    """Return how many words of negation a text has."""
    return len(_NEGATION.findall(text))
