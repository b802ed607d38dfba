"""The same words the other way round: "lactose into glucose", "copper is heavier than iron".

Names are compared with their roles in roles.py; this needs none, and takes only what is exact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rag.ground.evidence import stem_set
from rag.ground.polarity import opposites
from rag.ground.statements import statements
from rag.ground.verbs import AUXILIARY, MODAL, is_base
from rag.text.terms import STOPWORDS, content_terms, stems

_PIVOTS = frozenset("into to over before after".split())
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_THAN = re.compile(r"\bthan\b(?:\s(?:that|those|the|in|of|is|are|does|do|an?)\b)*", re.IGNORECASE)
_COMPARATIVE = re.compile(r"\b(?:more|less|fewer|better|worse|\w{2,}er)\b", re.IGNORECASE)
_PAST = ("ed", "en", "wn", "ght", "ade", "uilt", "eld", "old", "aid", "un", "ept")
_ADVERBIAL = re.compile(r"\s(?:in|on|at|after|before|during|when|while|because|and|since|until)\s")
_PLAIN = frozenset("the a an its his her their our my this that these those".split())


def mirrored(claim: str, sentence: str) -> str:
    """Return why two things of a claim stand the other way round in a sentence, or ""."""
    mine, theirs = _around(claim), _around(sentence)
    for pivot, left, right in mine:
        if left != right and (pivot, right, left) in theirs and (pivot, left, right) not in theirs:
            return f"the evidence has the two sides of “{pivot}” the other way round"
    if _THAN.search(claim) and _THAN.search(sentence):
        return _compared(claim, sentence)
    return _turned(claim, sentence)


def _turned(claim: str, sentence: str) -> str:
    """Return why subject and object of the same verb change places, or ""."""
    for mine in _clauses(claim):
        for theirs in _clauses(sentence):
            if (
                mine.verb == theirs.verb
                and mine.topic & theirs.after and mine.after & theirs.topic
                and not mine.topic & theirs.topic and not mine.after & theirs.after
            ):  # fmt: skip
                return "the evidence has subject and object the other way round"
    return ""


@dataclass(frozen=True, slots=True)
class _Clause:
    verb: str
    topic: frozenset[str]
    after: frozenset[str]


@lru_cache(maxsize=1024)
def _clauses(text: str) -> tuple[_Clause, ...]:
    """Return clauses with a full verb: "is" alone says the same of both sides."""
    found = []
    for statement in statements(text):
        verb, _, participle = statement.verb.partition(" ")
        if verb in MODAL and is_base(participle):
            verb, participle = participle, ""
        if (
            not statement.topic
            or not verb
            or (verb in AUXILIARY and not participle.endswith(_PAST))
        ):
            continue
        place = re.search(rf"\b{re.escape(participle or verb)}\b", statement.text, re.IGNORECASE)
        rest = statement.text[place.end() :] if place else ""
        rest = _ADVERBIAL.split(rest, maxsplit=1)[0]
        stem = next(iter(stems(participle or verb)), "")
        # "And fixed by Ann" leaves "was" out.
        passive = "passive " if participle or rest.startswith(" by ") else ""
        found.append(_Clause(passive + stem, statement.topic, frozenset(content_terms(rest))))
    return tuple(found)


@lru_cache(maxsize=1024)
def _around(text: str) -> frozenset[tuple[str, str, str]]:
    """Return the words of direction with the stems on both sides."""
    words = [w.casefold() for w in _WORD.findall(text)]
    found = set()
    for place, word in enumerate(words):
        if word not in _PIVOTS or not place:
            continue
        after = next((w for w in words[place + 1 : place + 4] if w not in _PLAIN), "")
        before = words[place - 1]
        if after and before not in STOPWORDS | AUXILIARY and after not in STOPWORDS:
            found.add((word, next(iter(stems(before)), ""), next(iter(stems(after)), "")))
    return frozenset(found)


def _compared(claim: str, sentence: str) -> str:
    one, two = _sides(claim), _sides(sentence)
    if not one or not two:
        return ""
    (mine, than, word), (theirs, other, said) = one, two
    same = bool(word & said)
    turned = bool(mine & other - than) and bool(than & theirs - mine)
    straight = bool(mine & theirs - other - than) and bool(than & other)
    if same and turned and not straight:
        return "the evidence has the two sides of the comparison the other way round"
    if straight and not turned and any(opposites(w) & said for w in word) and not same:
        return "the evidence has the two sides of the comparison the other way round"
    return ""


@lru_cache(maxsize=1024)
def _sides(text: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]] | None:
    """Return what is compared with what, and by which word."""
    match = _THAN.search(text)
    if not match:
        return None
    before, after = text[: match.start()], text[match.end() :]
    words = _COMPARATIVE.findall(before)
    found = statements(before)
    right = frozenset(content_terms(re.split(r"[,;.]|\b(?:and|but|in|on|at)\b", after)[0]))
    if not words or not found or not right:
        return None
    return found[-1].topic, right, stem_set(words[-1])
