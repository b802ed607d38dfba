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
_WORD = r"(?:[a-z]?[A-ZÀ-ÖØ-Þ][\w’'&-]*|(?<=\s)\d+(?:\.\d+)*\b|[a-z]\.)"
_HEAD = (
    r"(?:Court|Bank|University|Ministry|Department|Office|Institute|House|Museum|Board|Council|Bureau|"
    r"Chamber|Church|Republic|Kingdom|Isle|Gulf|Bay|Cape|Port|Federation|Association|Society|Academy|"
    r"School|College|Faculty|Cent(?:re|er)|League|City|Free State|Duke|Duchess|Prince|"
    r"Princess)\s(?:of|for)\s"
    r"(?:the\s)?(?=[A-Z])"
)
_NAME = re.compile(
    rf"\b(?:{_HEAD})?[a-z]?[A-ZÀ-ÖØ-Þ][\w&-]{{0,60}}(?:\.(?=\s[A-Z]))?"
    rf"(?:\s(?:&\s)?(?:{_HEAD})?{_WORD}(?:\.(?=\s[A-Z]))?)*"
)
_OWN = re.compile(r"['’]s?\s*$")
_PART = re.compile(r"[\w&]+(?:-[\w&]+)*")
_OWNS = re.compile(r"['’]s?(?=\s|$)")
_AT_START = re.compile(r"\W*(?:the\s|an?\s)?$", re.IGNORECASE)
_BE_BEFORE = re.compile(r"\b(?:is|was|are|were|became|remains)\s(?:the\s)?$")
_BEFORE = re.compile(
    r"\b(from|to|by|of|for|with|against|over|under|into|than|as|in|on|at|between|and|or|"
    r"before|after|above|below|behind)\s+(?:the\s+|an?\s+)?(?:[a-z-]+\s+)?$"
)
_OPENING = re.compile(r"^\W*(?:[A-Z][a-z]*)\b[^.;]*,\s(?:the\s)?$")
_PASSIVE = re.compile(
    r"\b(?:is|are|was|were|be|been|being|gets?|got)\s(?:\w+ly\s)?(?:not\s)?\w+(?:ed|en|t|n|id|ld|"
    r"de|un|ng|ought|ade|ung|ept|elt)\b[^.;]*\bby\b"
)
_BE = re.compile(r"^[^a-z]*\s*(?:is|are|was|were|became|remains?|be)\b")
_SYMMETRIC = re.compile(
    r"\b(?:and|married|marry|met|meets?|next to|near|between|together|partners?|similar|same as|"
    r"differ\w*|equals?|border\w*|(?:is|are|was|were|became)\s(?:\w+\s){0,2}(?:friends?|siblings?|"
    r"brothers?|sisters?|cousins?|colleagues?)|twin\w*|merged?|versus|vs|share\w*|both)\b"
)
_CUT = re.compile(
    r"[;:]|,\s(?:and|but|while|whereas)\b|\b(?:while|whereas|but)\b|(?<!\b[A-Z])(?<!\b[MDSJ][rs])(?<!\bMrs)\.\s"
)
_ITS = re.compile(r"\b(?:its|his|her|their|it|there)\b", re.IGNORECASE)
ROSTER = 20
"""Names in one sentence from which on it is a list: who does what is not to be told."""

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
        for word in _PART.findall(_OWNS.sub("", match[0])):
            folded = fold(word)
            if folded in TITLES:
                gender = TITLES[folded]
            elif folded not in STOPWORDS or (word.isupper() and len(word) > 1):
                words.append(folded)
        if words:
            end = match.end()
            found.append(Entity(tuple(words), gender, "", match.start(), end, match[0]))
    passive = " by " in text and bool(_PASSIVE.search(text))
    return tuple(_with_role(text, entity, found, passive=passive) for entity in found)


def _with_role(text: str, entity: Entity, found: Sequence[Entity], *, passive: bool) -> Entity:
    before, after = text[: entity.start], text[entity.end :]
    role = _BEFORE.search(before[-60:])
    if entity.shown.endswith(("'s", "’s", "'", "’")) or _OWN.match(after[:2]):
        name = "of"
    elif role:
        name = role[1]
    else:
        first = _AT_START.match(before) is not None
        subject = first or _subject(before, entity, found)
        name = "subject" if subject else "object"
        if _BE.match(after) or _BE_BEFORE.search(before[-16:]):
            name = "be"
    if passive:
        name = {"subject": "object", "be": "object", "by": "subject"}.get(name, name)
    return Entity(entity.words, entity.gender, name, entity.start, entity.end, entity.shown)


def _subject(before: str, entity: Entity, found: Sequence[Entity]) -> bool:
    """After an opening phrase ("In the spring, Dorn …") the first name is the subject."""
    opening = before.endswith((", ", ", the ")) and _OPENING.match(before) is not None
    return opening and not any(e.end <= entity.start and e.role in _ORDER for e in found)


def known(name: Entity, other: Entity) -> bool:
    """Tell whether two names may be of the same: one has all words of the other, or the last."""
    if name.gender and other.gender and name.gender != other.gender:
        return False
    mine, theirs = set(name.words), set(other.words)
    return mine <= theirs or theirs <= mine or _initials(name, other) or _initials(other, name)


def _initials(short: Entity, long: Entity) -> bool:
    return len(long.words) > 1 and short.words == ("".join(word[0] for word in long.words),)


@lru_cache(maxsize=2048)
def _pieces(sentence: str) -> tuple[str, ...]:
    return tuple(_CUT.split(sentence))


def swapped(claim: str, sentence: str) -> str:
    """Return why two names of a claim stand the other way round in the sentence, or ""."""
    if _SYMMETRIC.search(claim) and not re.search(r"\bfrom\b.*\bto\b|\bbetween\b", claim):
        return ""
    turned = _other_way(claim, sentence)
    if turned:
        return turned
    for piece in _pieces(sentence):
        pair = _exchange(claim, piece)
        if pair and _same_deed(claim, piece, entities(claim)):
            return f"the evidence has {pair[0].shown} and {pair[1].shown} the other way round"
    return ""


def _other_way(claim: str, sentence: str) -> str:
    """Return why "from Boston" is wrong of what went "from Rotterdam to Boston"."""
    mine, theirs = entities(claim), entities(sentence)
    for name in mine:
        other = {"from": "to", "to": "from"}.get(name.role)
        same = [e for e in theirs if known(name, e)]
        if (
            other and same and all(e.role == other for e in same)
            and any(e.role == name.role for e in theirs)
        ):  # fmt: skip
            return f"the evidence has “{other} {name.shown}”, not “{name.role} {name.shown}”"
    return ""


def exchanged(claim: str, sentence: str) -> bool:
    """Tell whether two names of a claim stand the other way round, whatever is said of them.

    "A sold it to B" and "B bought it from A" have each other's subject.
    """
    for piece in _pieces(sentence):
        mine, theirs = entities(claim), entities(piece)
        one = next((e for e in mine if e.role in _ORDER[:2]), None)
        two = next((e for e in theirs if e.role in _ORDER[:2]), None)
        if _exchange(claim, piece) or (
            one and two and not known(one, two)
            and any(known(one, e) for e in theirs) and any(known(e, two) for e in mine)
        ):  # fmt: skip
            return True
    return False


def _exchange(claim: str, piece: str) -> tuple[Entity, Entity] | None:
    mine, theirs = entities(claim), entities(piece)
    if len(mine) > ROSTER:
        return None
    for index, one in enumerate(mine):
        for two in mine[index + 1 :]:
            if known(one, two):
                continue
            first = _best(one, theirs, None)
            second = _best(two, theirs, first)
            if first is None or second is None or set(first.words) == set(second.words):
                continue
            if _exchanged(one, two, first, second):
                return one, two
    return None


def _best(name: Entity, theirs: Sequence[Entity], taken: Entity | None) -> Entity | None:
    """Return the name of a sentence that may be the claim's, one with the same words first."""
    candidates = [e for e in theirs if known(name, e) and e is not taken]
    return max(candidates, key=lambda e: len(set(e.words) & set(name.words)), default=None)


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
