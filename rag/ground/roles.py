"""Who does what to whom: names of a claim that change places with each other in the evidence.

Only an exact exchange counts (A bought B, B bought A), and only where the same is said otherwise.
The passive and "X's manager is Y" are turned back first. English only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.ground.evidence import stem_set
from rag.text.terms import STOPWORDS, content_terms, fold, stems

TITLES = {
    "mr": "he", "mister": "he", "sir": "he", "mrs": "she", "ms": "she", "miss": "she",
    "lady": "she", "madam": "she", "dr": "", "doctor": "", "prof": "", "professor": "",
    "captain": "", "judge": "", "president": "", "herr": "he", "frau": "she",
}  # fmt: skip
_WORD = r"(?:[A-ZÀ-ÖØ-Þ][\w’'&-]*|(?<=\s)\d+(?:\.\d+)*\b|[a-z]\.)"
_NAME = re.compile(rf"\b[A-ZÀ-ÖØ-Þ][\w&-]*(?:\.(?=\s[A-Z]))?(?:\s{_WORD}(?:\.(?=\s[A-Z]))?)*")
_OWN = re.compile(r"['’]s?\s*$")
_BEFORE = re.compile(
    r"\b(from|to|by|of|for|with|against|over|under|into|than|as|in|on|at|between|and|or|"
    r"before|after|above|below|behind)\s+(?:the\s+|an?\s+)?(?:[a-z-]+\s+)?$"
)
_PASSIVE = re.compile(
    r"\b(?:is|are|was|were|be|been|being|gets?|got)\s(?:\w+ly\s)?(?:not\s)?\w+(?:ed|en|t|n|id|ld|"
    r"de|un|ng|ought|ade|ung|ept|elt)\b[^.;]*\bby\b"
)
_BE = re.compile(r"^[^a-z]*\s*(?:is|are|was|were|became|remains?|be)\b")
_SYMMETRIC = re.compile(
    r"\b(?:and|married|marry|met|meets?|next to|near|between|together|partners?|similar|same as|"
    r"differ\w*|equals?|border\w*|friends?|siblings?|brothers?|sisters?|cousins?|colleagues?|"
    r"twin\w*|merged?|versus|vs|share\w*|both)\b"
)
_CUT = re.compile(r"[;:]|,\s(?:and|but|while|whereas)\b|\b(?:while|whereas|but)\b|\.\s")
_ITS = re.compile(r"\b(?:its|his|her|their|it|there)\b", re.IGNORECASE)
_ORDER = ("be", "subject", "object")
_SAME = {
    word: group[0]
    for group in (
        line.split()
        for line in (
            "buy bought acquire acquired purchase purchased take-over",
            "lead leads led head heads headed run runs manage manages managed direct directs",
            "replace replaced succeed succeeded", "beat defeat defeated", "hire hired employ",
            "write wrote written author authored", "found founded establish established",
            "own owns possess", "pay paid", "teach taught instruct", "help helped assist",
        )
    )
    for word in group
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entity:
    """A run of capitalised words: folded, without title and possessive; and its role."""

    words: tuple[str, ...]
    gender: str
    role: str
    start: int
    end: int
    shown: str


@lru_cache(maxsize=2048)
def entities(text: str) -> tuple[Entity, ...]:
    """Return the names in a clause with their roles; a capital at the start may be none."""
    found: list[Entity] = []
    for match in _NAME.finditer(text):
        words, gender = [], ""
        for word in re.findall(r"[\w&]+(?:-[\w&]+)*", re.sub(r"['’]s?(?=\s|$)", "", match[0])):
            folded = fold(word)
            if folded in TITLES:
                gender = TITLES[folded]
            elif folded not in STOPWORDS or (word.isupper() and len(word) > 1):
                words.append(folded)
        if words:
            end = match.end()
            found.append(Entity(tuple(words), gender, "", match.start(), end, match[0]))
    return tuple(_with_role(text, entity, found) for entity in found)


def _with_role(text: str, entity: Entity, found: Sequence[Entity]) -> Entity:
    before, after = text[: entity.start], text[entity.end :]
    role = _BEFORE.search(before)
    if entity.shown.endswith(("'s", "’s", "'", "’")) or _OWN.match(after[:2]):
        name = "of"
    elif role:
        name = role[1]
    else:
        first = re.match(r"\W*(?:the\s|an?\s)?$", before, re.IGNORECASE) is not None
        subject = first or _subject(before, entity, found)
        name = "subject" if subject else "object"
        if _BE.match(after) or re.search(
            r"\b(?:is|was|are|were|became|remains)\s(?:the\s)?$", before
        ):
            name = "be"
    if _PASSIVE.search(text):
        name = {"subject": "object", "be": "object", "by": "subject"}.get(name, name)
    return Entity(entity.words, entity.gender, name, entity.start, entity.end, entity.shown)


def _subject(before: str, entity: Entity, found: Sequence[Entity]) -> bool:
    """After an opening phrase ("In the spring, Dorn …") the first name is the subject."""
    opening = re.match(r"^\W*(?:[A-Z][a-z]*)\b[^.;]*,\s(?:the\s)?$", before) is not None
    return opening and not any(e.end <= entity.start and e.role in _ORDER for e in found)


def known(name: Entity, other: Entity) -> bool:
    """Tell whether two names may be of the same: one has all words of the other, or the last."""
    if name.gender and other.gender and name.gender != other.gender:
        return False
    mine, theirs = set(name.words), set(other.words)
    return mine <= theirs or theirs <= mine or _initials(name, other) or _initials(other, name)


def _initials(short: Entity, long: Entity) -> bool:
    return len(long.words) > 1 and short.words == ("".join(word[0] for word in long.words),)


def swapped(claim: str, sentence: str) -> str:
    """Return why two names of a claim stand the other way round in the sentence, or ""."""
    if _SYMMETRIC.search(claim) and not re.search(r"\bfrom\b.*\bto\b|\bbetween\b", claim):
        return ""
    for piece in _CUT.split(sentence):
        pair = _exchange(claim, piece)
        if pair and _same_deed(claim, piece, entities(claim)):
            return f"the evidence has {pair[0].shown} and {pair[1].shown} the other way round"
    return ""


def exchanged(claim: str, sentence: str) -> bool:
    """Tell whether two names of a claim stand the other way round, whatever is said of them."""
    return any(_exchange(claim, piece) for piece in _CUT.split(sentence))


def _exchange(claim: str, piece: str) -> tuple[Entity, Entity] | None:
    mine, theirs = entities(claim), entities(piece)
    for index, one in enumerate(mine):
        for two in mine[index + 1 :]:
            if set(one.words) & set(two.words):
                continue
            first = next((e for e in theirs if known(one, e)), None)
            second = next((e for e in theirs if known(two, e) and e is not first), None)
            if first is None or second is None or set(first.words) == set(second.words):
                continue
            if _exchanged(one, two, first, second):
                return one, two
    return None


def _exchanged(one: Entity, two: Entity, first: Entity, second: Entity) -> bool:
    return (
        one.role != two.role
        and one.role == second.role
        and two.role == first.role
        and "and" not in (one.role, two.role)
    )


def _same_deed(claim: str, piece: str, names: Sequence[Entity]) -> bool:
    """Tell whether the words beside the names are those of the claim, or mean the same."""
    own = {stem for name in names for word in name.words for stem in stems(word)}
    terms = [term for term in content_terms(claim) if term not in own and not term.isdigit()]
    there = stem_set(piece)
    groups = {_SAME[w] for w in re.findall(r"[a-z-]+", piece.casefold()) if w in _SAME}
    shared = sum(term in there for term in terms)
    shared += any(
        _SAME.get(word) in groups and not there & set(stems(word))
        for word in re.findall(r"[a-z-]+", claim.casefold()) if word in _SAME
    )  # fmt: skip
    return bool(shared) and shared >= 0.6 * len(terms)


def taken(claim: str, pieces: Sequence[str]) -> str:
    """Return why what a claim says of a name is said of another name in its place, or "".

    Nothing is found where some statement has the name together with all that the claim says.
    """
    for name in entities(claim):
        if name.role not in ("subject", "be", "object"):
            continue
        own = {stem for word in name.words for stem in stems(word)}
        terms = {t for t in content_terms(claim) if t not in own}
        terms &= frozenset().union(*(stem_set(piece) for piece in pieces))
        if not terms:
            continue
        with_name = [n for n, piece in enumerate(pieces) if _has(piece, name)]
        if not any(_predicate(pieces[n], own) for n in with_name):
            continue
        if any(terms <= stem_set(pieces[n]) | _next(pieces, n) for n in with_name):
            continue
        for n, piece in enumerate(pieces):
            before = stem_set(pieces[n - 1]) if n and _ITS.search(piece) else frozenset()
            if (
                n in with_name
                or not stem_set(piece) & terms
                or not terms <= stem_set(piece) | before
            ):
                continue
            for other in entities(piece):
                strange = not set(other.words) & set(map(fold, claim.split())) and not known(
                    name, other
                )
                if other.role == name.role and strange:
                    return f"the evidence says this of {other.shown}, not of {name.shown}"
    return ""


def _next(pieces: Sequence[str], n: int) -> frozenset[str]:
    """What follows with a pronoun or without a name of its own is said of the same name."""
    after = pieces[n + 1] if n + 1 < len(pieces) else ""
    return stem_set(after) if after and not any(
        e.role in ("subject", "be", "object") for e in entities(after)
    ) else frozenset()  # fmt: skip


def _has(piece: str, name: Entity) -> bool:
    return any(known(name, other) for other in entities(piece))


def _predicate(piece: str, own: set[str]) -> bool:
    """Tell whether a piece says something beside the name: "and Emil Strand" does not."""
    words = [w for w in re.findall(r"[^\W\d_]+", piece) if w.islower() and w not in STOPWORDS]
    return any(not own.issuperset(stems(word)) for word in words)
