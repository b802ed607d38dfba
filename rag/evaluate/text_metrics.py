"""How texts are compared: SQuAD's measures, containment, terms, ROUGE-L; where a quote stands."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rag.text.terms import content_terms
from rag.text.words import SMALL

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SYMBOLS = str.maketrans({"€": " eur ", "$": " usd ", "£": " gbp ", "%": " percent ", "°": " "})
_TOKEN = re.compile(r"\d+(?:[.,]\d+)+(?![^\W_])|[^\W_]+")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SPACED = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_SIGNS = str.maketrans(
    dict.fromkeys("“”„‟«»″", '"')
    | dict.fromkeys("‘’‚‛′", "'")
    | dict.fromkeys("‐‑‒–−", "-")
    | {"—": " - ", "―": " - ", "`": ""}
)
_EMPHASIS = re.compile(r"(?<![\w*/.])(\*{1,3})(?=[^\s*])(.*?)(?<=[^\s*])\1(?![\w*])", re.DOTALL)
_SHORT_OPTION = re.compile(r"((?<![\w-])-[A-Z](?![-.]?\w))")
_FINAL = re.compile(r"(?<=[^\s.,])[.,]$")
_LITERAL = re.compile(r"(?:--?)?(?:(?<!\.)\.)?\w+(?:(?:[-.]|(?<=\d),(?=\d))\w+|'t\b)*")
_WORDS_OF_NUMBERS = {word: str(value) for word, value in SMALL.items() if word != "one"}


def squad_normalise(text: str) -> str:
    """Lower the case and take out punctuation, articles and double spaces, as SQuAD does.

    Source: ``normalize_answer`` in the official evaluation script of SQuAD 2.0
    (Rajpurkar, Jia and Liang, 2018), to the letter: ASCII punctuation only, English articles only.

    >>> squad_normalise("The Pro plan.")
    'pro plan'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(prediction: str, answer: str) -> float:
    """1 if two texts are equal in SQuAD's comparison, else 0; ``compute_exact`` of its script."""
    return float(squad_normalise(prediction) == squad_normalise(answer))


def f1(prediction: str, answer: str) -> float:
    """F1 over the bags of words of two texts; ``compute_f1`` of the SQuAD script.

    >>> f1("five business days", "five days")
    0.8
    """
    predicted, wanted = squad_normalise(prediction).split(), squad_normalise(answer).split()
    shared = sum((Counter(predicted) & Counter(wanted)).values())
    return _f1(shared, predicted, wanted)


def term_f1(predicted: Iterable[str], wanted: Iterable[str]) -> float:
    """F1 over two sets of terms; two empty sets are equal."""
    ours, theirs = frozenset(predicted), frozenset(wanted)
    return _f1(len(ours & theirs), ours, theirs)


def rouge_l(prediction: str, reference: str) -> float:
    """ROUGE-L, F1 of the longest common subsequence of words (Lin, 2004; beta = 1)."""
    from rapidfuzz.distance import LCSseq

    ours, theirs = words(prediction), words(reference)
    return _f1(LCSseq.similarity(ours, theirs), ours, theirs)


def _f1(shared: int, ours: Collection[str], theirs: Collection[str]) -> float:
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * shared / (len(ours) + len(theirs))


def terms(text: str) -> frozenset[str]:
    """The stems of the words of an English text that carry meaning."""
    return frozenset(content_terms(text, "en"))


def words(text: str) -> list[str]:
    """The words and numbers of a text in a form in which equal ones are equal.

    Case, accents and punctuation go; ``1,000`` is ``1000``, ``4,99`` is ``4.99``, ``five`` is
    ``5`` ("one" stays a word: it is mostly a pronoun), ``€`` is ``eur`` and ``%`` ``percent``.

    >>> words("Café: five for 4,99 €")
    ['cafe', '5', 'for', '4.99', 'eur']
    """
    text = _SPACED.sub("", text).translate(_SYMBOLS).casefold().replace("per cent", "percent")
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return [_WORDS_OF_NUMBERS.get(token, _number(token)) for token in _TOKEN.findall(plain)]


def _number(token: str) -> str:
    if _THOUSANDS.fullmatch(token):
        return token.replace(",", "")
    return token.replace(",", ".") if token.count(",") == 1 else token


def contains(text: str, answer: str) -> bool:
    """Tell whether the answer occurs in the text as a run of whole words and numbers."""
    wanted = words(answer)
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(words(text))} "


def stands(text: str, value: str) -> bool:
    """Tell whether a value stands in a text with its punctuation, from token edge to token edge.

    A token is a run of letters, digits and ``_`` that goes on over a single ``-`` or ``.`` before
    another of them, over a ``,`` between digits and over the end of "can't"; ``-``, ``--`` or ``.``
    before it belong to it. So ``-S`` is no "s", ``--max`` not in ``--max-size``, ``5`` in none of
    ``5.5``, ``-5`` and ``1,500``, ``foo_bar`` not in ``foo_bar_baz``.

    Case, the kind of white space, quotes and dashes, Markdown's backquotes and emphasis, and a full
    stop or comma that ends the value do not matter. A one-letter option keeps its case: ``-S`` and
    ``-s`` are two.

    >>> stands("Pass **`--max`**, or “5” – at most.", '--max, or "5" - AT  most')
    True
    >>> stands("Pass --max-size 5.5 or -5", "--max") or stands("Pass --max-size 5.5 or -5", "5")
    False
    """
    text, value = _literal(text), _FINAL.sub("", _literal(value))
    inside = {
        place
        for token in _LITERAL.finditer(text)
        for place in range(token.start() + 1, token.end())
    }
    starts = (found.start() for found in re.finditer(f"(?={re.escape(value)})", text))
    return bool(value) and any(inside.isdisjoint((at, at + len(value))) for at in starts)


def _literal(text: str) -> str:
    text = _EMPHASIS.sub(r"\2", unicodedata.normalize("NFC", text).translate(_SIGNS))
    parts = _SHORT_OPTION.split(" ".join(text.split()))
    return "".join(part if n % 2 else part.casefold() for n, part in enumerate(parts))


# Quotes


@dataclass(frozen=True)
class Place:
    """Every occurrence of a quote as (start, end); ``exact`` if it is there to the letter."""

    spans: tuple[tuple[int, int], ...]
    exact: bool


def locate(text: str, quote: str) -> Place:
    """Find every occurrence of a quote; white space may differ, as extraction may change it.

    >>> locate("Refunds take\\nfive days.", "take five days")
    Place(spans=((8, 22),), exact=False)
    """
    words = quote.split()
    for pattern, exact in ((re.escape(quote), True), (r"\s+".join(map(re.escape, words)), False)):
        spans = tuple(match.span() for match in re.finditer(pattern, text)) if words else ()
        if spans:
            return Place(spans, exact)
    return Place((), exact=False)


def longest_start(text: str, quote: str) -> str:
    """The longest beginning of the quote, in whole words, that the text has."""
    words = quote.split()
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if locate(text, " ".join(words[:middle])).spans:
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low])


def overlaps(start: int, end: int, spans: tuple[tuple[int, int], ...]) -> bool:
    """Tell whether ``start:end`` shares a character with any of the spans."""
    return any(start < right and left < end for left, right in spans)
