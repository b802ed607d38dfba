"""How texts are compared: SQuAD's rule, containment, bags of terms, longest common subsequence."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable

from rag.text.terms import content_terms

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def squad_normalise(text: str) -> str:
    """Return the text as SQuAD compares it: lower case, no punctuation, no articles, one space.

    Source: ``normalize_answer`` in the official evaluation script of SQuAD 2.0
    (Rajpurkar, Jia and Liang, 2018), to the letter: ASCII punctuation only, English articles only.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def f1(prediction: str, answer: str) -> float:
    """Return F1 over the bags of words of two texts; ``compute_f1`` of the SQuAD script."""
    predicted, wanted = squad_normalise(prediction).split(), squad_normalise(answer).split()
    if not predicted or not wanted:
        return float(predicted == wanted)
    shared = sum((Counter(predicted) & Counter(wanted)).values())
    return 2 * shared / (len(predicted) + len(wanted))


_SYMBOLS = str.maketrans({"€": " eur ", "$": " usd ", "£": " gbp ", "%": " percent ", "°": " "})
_TOKEN = re.compile(r"\d+(?:[.,]\d+)+(?![^\W_])|[^\W_]+")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SPACED = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_WORDS_OF_NUMBERS = {
    word: str(value)
    for value, word in enumerate(
        "zero _ two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90"}


def words(text: str) -> list[str]:
    """Return the words and numbers of a text in a form in which equal ones are equal.

    Case, accents and punctuation go; ``1,000`` is ``1000``, ``4,99`` is ``4.99``, ``five`` is
    ``5`` ("one" stays a word: it is mostly a pronoun), ``€`` is ``eur`` and ``%`` ``percent``.
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


def exact_match(prediction: str, answer: str) -> float:
    """Return 1 if two texts are equal in SQuAD's comparison; ``compute_exact`` of its script."""
    return float(squad_normalise(prediction) == squad_normalise(answer))


def terms(text: str) -> frozenset[str]:
    """Return the stems of the words of an English text that carry meaning."""
    return frozenset(content_terms(text, "en"))


def term_f1(predicted: Iterable[str], wanted: Iterable[str]) -> float:
    """Return F1 over two sets of terms; two empty sets are equal."""
    ours, theirs = frozenset(predicted), frozenset(wanted)
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * len(ours & theirs) / (len(ours) + len(theirs))


def rouge_l(prediction: str, reference: str) -> float:
    """Return ROUGE-L, F1 of the longest common subsequence of words (Lin, 2004; beta = 1)."""
    from rapidfuzz.distance import LCSseq

    ours, theirs = words(prediction), words(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * LCSseq.similarity(ours, theirs) / (len(ours) + len(theirs))
