"""Terms, names and negation: what overlap, citation choice and grounding compare.

Stems come from the same analysers as the lexical index, so that "matches" means one thing.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from rag.text.words import MONTHS

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
    """The tantivy analyser of a language: words, lower case, stem, no accents.

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
    """The distinct stems of the words that carry meaning, in order of appearance."""
    words = [w for w in _PART.findall(_CLITIC.sub(" ", text.casefold())) if w not in STOPWORDS]
    kept = analyzer(language, drop_stopwords=True).analyze(encodable(" ".join(words)))
    return tuple(dict.fromkeys(kept))


@lru_cache(maxsize=1024)
def without_stopwords(text: str, language: str | None) -> str:
    """The words of a text that are no stop words of its language, as they are.

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
    """The text in lower case without accents and with single spaces, for comparisons.

    >>> fold("CAFÉ  Noël")
    'cafe noel'
    """
    if text.isascii():
        return " ".join(text.casefold().split())
    # Compatibility letters decompose to capitals too, and some small letters to several.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


_NAME = re.compile(r"(?<!^)(?<![.!?:] )(?<![\"“(])\b[A-ZÄÖÜÉ][\w’'-]+(?:\s+[A-ZÄÖÜÉ][\w’'-]+)*")


def names(text: str) -> frozenset[str]:
    """Return capitalised words inside sentences, folded: an approximation of the names in it.

    The first word of a sentence is left out, because its capital says nothing.
    """
    found = set()
    for match in _NAME.finditer(text):
        for word in match[0].split():
            folded = fold(word).removesuffix("'s").removesuffix("’s").strip("'’-")
            if folded and folded not in STOPWORDS and folded not in MONTHS:
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
