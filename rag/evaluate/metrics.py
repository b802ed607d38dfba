"""What is measured of an answer, and how sure the figures are.

Every measure is a fraction of 1 for one case, or None where it does not apply to the case (there
is no gold evidence, say). A figure is the mean over the cases that it applies to, whatever came
back for them: one that crashed has the worst value and stays in the denominator.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.evaluate.questions import Case
from rag.evaluate.quotes import overlaps
from rag.types import Answer

RESAMPLES = 2000

MEASURES = {
    "f1": "SQuAD F1 of the short answer; unanswerable: 1 for an abstention, else 0",
    "answerable_f1": "the same, answerable questions only",
    "containment": "an accepted answer stands in the answer's text",
    "evidence_retrieved": "gold quotes that a retrieved passage overlaps: what could be cited",
    "citation_precision": "cited sentences whose citations overlap the gold evidence",
    "citation_recall": "gold quotes that a citation overlaps",
    "document_cited": "a document of the gold evidence is cited",
    "supported": "sentences that the checker calls supported by what they cite",
    "abstention_right": "unanswerable questions that got no answer",
    "abstention_wrong": "answerable questions that got no answer (lower is better)",
    "abstention_precision": "abstentions that were right",
    "answered_unanswerable": "unanswerable questions that got an answer (lower is better)",
}
"""The measures of a case and what each says; keys of the JSON."""

AUROC = "chance that an answerable question has more confidence than an unanswerable one"
"""What ``answerable_auroc`` says, a measure of all cases together."""

_LOWER_IS_BETTER = frozenset({"abstention_wrong", "answered_unanswerable"})

# document id -> spans of each gold quote in it, one entry a quote
Gold = Sequence[tuple[str, tuple[tuple[int, int], ...]]]
Measured = Mapping[str, float | None]


# Comparing texts

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


# One case


def said(answer: Answer) -> str:
    """Return the words of an answer without its marks."""
    return "\n".join(sentence.text for sentence in answer.sentences)


def short(answer: Answer) -> str:
    """Return the fact that an answer leads with, if it names one, else all of its words."""
    facts = [sentence.text for sentence in answer.sentences if sentence.kind == "short"]
    return " ".join(facts) or said(answer)


def measure(case: Case, answer: Answer, gold: Gold) -> Measured:
    """Return every measure of one answer; ``gold`` is where the case's evidence stands.

    F1 is of the short answer, because SQuAD's measure is for spans. An answerable question that
    got no answer scores 0 on citations too: silence must not look like precision.
    """
    if not case.answerable:
        abstained = float(answer.abstained)
        return {
            **dict.fromkeys(MEASURES),
            "f1": abstained,
            "supported": _supported(answer),
            "abstention_right": abstained,
            "abstention_precision": 1.0 if answer.abstained else None,
            "answered_unanswerable": 1 - abstained,
        }
    text = said(answer)
    best = max((f1(short(answer), a) for a in case.answers), default=0.0) if text else 0.0
    return {
        **dict.fromkeys(MEASURES),
        "f1": best,
        "answerable_f1": best,
        "containment": float(any(contains(text, accepted) for accepted in case.answers)),
        "supported": _supported(answer),
        "abstention_wrong": float(answer.abstained),
        "abstention_precision": 0.0 if answer.abstained else None,
        **(_evidence(answer, gold) if gold else {}),
    }


def _evidence(answer: Answer, gold: Gold) -> dict[str, float | None]:
    """Return citation precision per sentence and recall per quote, after ALCE (Gao et al., 2023).

    ALCE asks a model whether the citations entail the sentence; here people marked the evidence,
    so what counts is overlap with it.
    """
    cited = [sentence.citations for sentence in answer.sentences if sentence.citations]
    flat = [citation for citations in cited for citation in citations]
    right = [
        any(overlaps(c.start, c.end, spans) for c in citations for d, spans in gold
            if d == c.document_id)
        for citations in cited
    ]  # fmt: skip
    found = [
        any(c.document_id == document and overlaps(c.start, c.end, spans) for c in flat)
        for document, spans in gold
    ]
    seen = [
        any(p.chunk.document_id == document and overlaps(p.chunk.start, p.chunk.end, spans)
            for p in answer.passages)
        for document, spans in gold
    ]  # fmt: skip
    return {
        "evidence_retrieved": sum(seen) / len(seen),
        "citation_precision": sum(right) / len(right) if right else 0.0,
        "citation_recall": sum(found) / len(found),
        "document_cited": float(bool({c.document_id for c in flat} & {d for d, _ in gold})),
    }


def _supported(answer: Answer) -> float | None:
    """Return the share of sentences judged supported; None where nothing was judged."""
    labels = [s.verdict.label for s in answer.sentences if s.verdict and s.verdict.label]
    return labels.count("supported") / len(labels) if labels else None


def worst(case: Case) -> Measured:
    """Return the measures of a case that crashed: the worst value of each that applies."""
    applies = {"f1", "supported"} | (
        {"answerable_f1", "containment", "abstention_wrong"}
        if case.answerable
        else {"abstention_right", "answered_unanswerable"}
    )
    if case.answerable and case.evidence:
        applies |= {"evidence_retrieved", "citation_precision", "citation_recall", "document_cited"}
    return {name: float(name in _LOWER_IS_BETTER) if name in applies else None for name in MEASURES}


# Many cases


def summarise(
    measured: Sequence[Measured], groups: Sequence[int], seed: int
) -> dict[str, float | list[float] | None]:
    """Return the mean of each measure and its 95% interval, as ``name`` and ``name_ci``.

    Intervals are percentile bootstrap intervals (Efron and Tibshirani, 1993, chapter 13) over
    ``groups``: cases that share a group, such as the turns of a conversation, are drawn together.
    None where a measure applies to no case; no interval from fewer than two groups.
    """
    names = list(measured[0]) if measured else list(MEASURES)
    values = np.array(
        [[np.nan if (v := row[name]) is None else v for name in names] for row in measured]
    ).reshape(len(measured), len(names))
    means = _ratio(np.nansum(values, axis=0), (~np.isnan(values)).sum(axis=0))
    lows, highs = _interval(values, groups, seed)
    result: dict[str, float | list[float] | None] = {}
    for name, mean, low, high in zip(names, means, lows, highs, strict=True):
        result[name] = None if np.isnan(mean) else round(float(mean), 4)
        result[f"{name}_ci"] = (
            None if np.isnan(low) else [round(float(low), 4), round(float(high), 4)]
        )
    return result


def _interval(
    values: NDArray[np.float64], groups: Sequence[int], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 2.5 and 97.5 percentiles of each column's mean over resampled groups."""
    lows, highs = np.full((2, values.shape[1]), np.nan)
    if not len(values):
        return lows, highs
    rows, drawn = _draws(groups, seed)
    sums = np.zeros((drawn.shape[1], values.shape[1]))
    sizes = np.zeros_like(sums)
    np.add.at(sums, rows, np.nan_to_num(values))
    np.add.at(sizes, rows, ~np.isnan(values))
    means = _ratio(drawn @ sums, drawn @ sizes)
    known = (sizes > 0).sum(axis=0) > 1
    if known.any():
        lows[known], highs[known] = np.nanpercentile(means[:, known], (2.5, 97.5), axis=0)
    return lows, highs


def _draws(groups: Sequence[int], seed: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return each case's group, from 0, and how often each group is in each resample.

    The counts of a resample are multinomial: the same as drawing one by one, without the loop.
    """
    _, rows = np.unique(np.asarray(groups, dtype=np.int64), return_inverse=True)
    count = int(rows.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    return rows, drawn


def auroc(
    confidence: Sequence[float], answerable: Sequence[bool], groups: Sequence[int], seed: int
) -> tuple[float | None, list[float] | None]:
    """Return the area under the ROC curve of confidence for "is answerable", and its interval.

    It is the share of pairs in the right order, ties counted half (Hanley and McNeil, 1982); None
    without cases of both kinds. The interval is a bootstrap over groups, as in ``summarise``.
    """
    scores, positive = np.asarray(confidence, dtype=np.float64), np.asarray(answerable, dtype=bool)
    if positive.all() or not positive.any():
        return None, None
    above, below = scores[positive, None], scores[None, ~positive]
    order = (above > below) + 0.5 * (above == below)
    rows, drawn = _draws(groups, seed)
    weights = drawn[:, rows].astype(np.float64)
    left, right = weights[:, positive], weights[:, ~positive]
    resampled = _ratio(((left @ order) * right).sum(axis=1), left.sum(axis=1) * right.sum(axis=1))
    low, high = np.nanpercentile(resampled, (2.5, 97.5))
    return round(float(order.mean()), 4), [round(float(low), 4), round(float(high), 4)]


def _ratio(over: NDArray[Any], under: NDArray[Any]) -> NDArray[np.float64]:
    result = np.full(over.shape, np.nan)
    np.divide(over, under, out=result, where=under > 0)
    return result


def percentiles(milliseconds: Sequence[float]) -> dict[str, float | None]:
    """Return ``p50`` and ``p95`` in milliseconds; None of nothing."""
    if not milliseconds:
        return {"p50": None, "p95": None}
    middle, high = np.percentile(milliseconds, (50, 95))
    return {"p50": round(float(middle), 1), "p95": round(float(high), 1)}
