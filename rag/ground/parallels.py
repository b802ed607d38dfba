"""Claims that mix two statements of the evidence: the subject of one, what is said of the other.

"A leads the audit team. B leads the tax team." does not support "B leads the audit team". Two
statements are laid beside each other word by word; where they differ, a claim has to follow one of
them throughout.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache

from rag.ground.ellipsis import complete
from rag.ground.evidence import stem_set
from rag.ground.polarity import opposites
from rag.ground.seams import PREPOSITIONS
from rag.text.dates import Moment, moments
from rag.text.terms import STOPWORDS, content_terms, fold, negations, stems

_CUT = re.compile(
    r"[;:]\s|,\s(?:and|but|while|whereas|so)\s|,\s|\s(?:and|but|while|whereas)\s", re.IGNORECASE
)
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_IT = frozenset("it he she they its his her their".split())
_BE = frozenset("is are was were be".split())
_MOST = 8  # statements of the evidence that are laid beside each other, at most
_LONGEST = 25
"""Words of a statement; what is longer says too much to be parallel to another."""

_ALIKE = 0.4
"""Share of the words of the shorter statement that stand in the other in the same order."""

_ORDER = re.compile(r"\b(before|after|earlier than|later than|sooner than)\b", re.IGNORECASE)

Slot = tuple[frozenset[str], frozenset[str]]


@lru_cache(maxsize=1024)
def tokens_of(text: str) -> tuple[str, ...]:
    """Return comparable words; a single capital letter (valve A) is a name."""
    found = []
    for match in _TOKEN.finditer(text):
        word = match[0]
        if (len(word) == 1 and word.isupper() and match.start()) or word in ("IT", "US"):
            found.append(f"={word}")
        elif word.casefold() in ("mr", "mrs", "ms"):
            found.append(f"={word.casefold()}")
        else:
            found.extend(stems(fold(word).removesuffix("'s").removesuffix("’s")))
    return tuple(found)


def telling(tokens: tuple[str, ...]) -> frozenset[str]:
    """Return the words that say what about."""
    return frozenset(t for t in tokens if t not in STOPWORDS)


@lru_cache(maxsize=1024)
def _telling_of(text: str) -> frozenset[str]:
    return telling(tokens_of(text))


@lru_cache(maxsize=2048)
def pieces_of(units: tuple[str, ...]) -> tuple[str, ...]:
    """Cut sentences where another statement may begin."""
    found: list[str] = []
    for unit in units:
        cut = complete(unit)
        cut = cut if len(cut) > 1 else tuple(piece.strip() for piece in _CUT.split(unit))
        found += [unit] if len(cut) == 1 else [p for p in cut if len(p.split()) > 2]
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=2048)
def _slots(one: str, two: str) -> tuple[Slot, ...]:
    """Return what stands in the same places of two parallel statements; empty if they are not."""
    left, right = tokens_of(one), tokens_of(two)
    codes = SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    alike = sum(b - a for tag, a, b, _, _ in codes if tag == "equal")
    if max(len(left), len(right)) > _LONGEST or alike < _ALIKE * min(len(left), len(right)):
        return ()
    same = frozenset().union(*(telling(left[a:b]) for tag, a, b, _, _ in codes if tag == "equal"))
    both = {*left} & {*right}
    if not same and not (_BE & {*left} and _BE & {*right} and both & PREPOSITIONS):
        return ()
    slots = []
    for tag, a, b, c, d in codes:
        if tag == "replace":
            # What the other leaves out at its beginning ("and ends in May") is the same.
            size = max(b - a, d - c) if a or c else min(b, d)
            one_side, other_side = left[max(a, b - size) : b], right[max(c, d - size) : d]
            mine, theirs = telling(one_side), telling(other_side)
            # A pronoun stands for whatever the other statement has in its place.
            if set(other_side) & _IT:
                mine = frozenset()
            if set(one_side) & _IT:
                theirs = frozenset()
            slots.append((mine - theirs, theirs - mine))
    return tuple(slots)


def mixed(part: str, units: tuple[str, ...]) -> str:
    """Return why a statement mixes two of the evidence, or ""."""
    words = tokens_of(part)
    if len(words) > _LONGEST:
        return ""
    wanted = telling(words)
    said = frozenset().union(*(_telling_of(unit) for unit in units))
    wanted &= said
    if len(wanted) < 2 or any(
        wanted <= _telling_of(unit) and not _CUT.search(unit) for unit in units
    ):
        return ""
    denied = bool(negations(part))
    pieces = pieces_of(units)
    covered = [wanted & _telling_of(piece) for piece in pieces]
    if any(found == wanted for found in covered):
        return ""
    # "During the night, …" belongs to what follows, whichever that is.
    opening = frozenset().union(*(_telling_of(p) for p in pieces if p.count(" ") < 4))
    order = sorted(range(len(pieces)), key=lambda n: (-len(covered[n]), n))[:_MOST]
    order = sorted(n for n in order if covered[n])
    for place, one in enumerate(order):
        for two in order[place + 1 :]:
            apart = covered[one] - covered[two] and covered[two] - covered[one]
            if apart and wanted <= covered[one] | covered[two] | opening:
                reason = _mixed(wanted, pieces[one], pieces[two], denied)
                if reason:
                    return reason
    return ""


def _mixed(wanted: frozenset[str], one: str, two: str, denied: bool) -> str:
    left = right = False
    for mine, theirs in _slots(one, two):
        if denied and _opposite(mine, theirs):
            continue  # "not paid" follows "unpaid", though the word is in the other
        a, b = bool(wanted & mine), bool(wanted & theirs)
        if a and not b and theirs:
            left = True
        elif b and not a and mine:
            right = True
    return f"it mixes “{one.strip()}” and “{two.strip()}”" if left and right else ""


def _opposite(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    return any(
        other in opposites(own) or own in (f"un{other}", f"in{other}")
        or other in (f"un{own}", f"in{own}")
        for own in mine for other in theirs
    )  # fmt: skip


def disordered(part: str, units: tuple[str, ...]) -> str:
    """Return why two events of a claim came in the other order, where both have dates, or ""."""
    match = _ORDER.search(part)
    if not match:
        return ""
    left, right = part[: match.start()], part[match.end() :]
    first, second = set(content_terms(left)), set(content_terms(right))
    dates = [
        (stem_set(piece), key)
        for unit in units
        for piece in pieces_of((unit,))
        for key in [_when(moments(piece))] if key
    ]  # fmt: skip

    def of(own: set[str], other: set[str], rest: set[str]) -> tuple[int, ...] | None:
        found = [
            (len(own & stems_), key) for stems_, key in dates
            if own - other and own - other - rest <= stems_ and not (other - own) <= stems_
        ]  # fmt: skip
        return max(found)[1] if found else None

    shared = frozenset().union(*(stem_set(u) for u in units))
    absent = (first | second) - shared
    # The verb is said once: "A opened before B" has it on the left only.
    verbs = {t for t in first if sum(t in stems_ for stems_, _ in dates) > 1}
    early, late = of(first - verbs, second, absent), of(second, first - verbs, absent)
    if not early or not late or len(early) != len(late) or early == late:
        return ""
    before = match[1].casefold() in ("before", "earlier than", "sooner than")
    if (early < late) == before:
        return ""
    return "the dates in the evidence give the other order"


def _when(found: tuple[Moment, ...]) -> tuple[int, ...]:
    for moment in found:
        fields = [moment.get(name) for name in ("year", "month", "day")]
        if fields[0]:
            return tuple(field[0] for field in fields if field)
        minute = moment.get("minute")
        if minute:
            return (minute[0],)
    return ()
