"""Whether a claim says the opposite of the sentence that it is closest to.

Negations and pairs of opposites are counted together, because two of them cancel: "is not allowed"
and "is forbidden" agree. The lists are small on purpose: they are checks, not a model of language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from rag.ground.denial import applying, clauses, clean, nearest, only_others
from rag.ground.evidence import stem_set
from rag.text.terms import numbers, stems

_PAIRS = """
    increase/decrease increase/reduce raise/reduce raise/lower rise/fall rose/fell grow/shrink
    grew/shrank higher/lower high/low more/less more/fewer most/least before/after earlier/later
    first/last early/late all/none every/no always/never everyone/nobody allow/forbid
    allow/prohibit allowed/forbidden permit/prohibit permit/forbid accept/reject accept/refuse
    accept/decline include/exclude open/close start/end start/stop begin/end enable/disable
    succeed/fail success/failure win/lose won/lost buy/sell bought/sold positive/negative
    better/worse best/worst larger/smaller large/small bigger/smaller big/small longer/shorter
    long/short older/newer oldest/newest faster/slower fast/slow cheaper/dearer expensive/cheap
    true/false agree/disagree possible/impossible able/unable support/oppose gain/lose gain/loss
    up/down left/right inside/outside indoors/outdoors empty/full day/night hot/cold warm/cold
    active/inactive public/private maximum/minimum over/under above/below beneficial/harmful
    promote/inhibit activate/inhibit enhance/inhibit induce/suppress cause/prevent free/paid
    rarely/often rarely/always rarely/usually seldom/often
    voluntary/required voluntary/mandatory voluntary/compulsory optional/compulsory
    mandatory/optional required/optional necessary/unnecessary legal/illegal likely/unlikely
    valid/invalid correct/incorrect complete/incomplete arrive/depart borrow/lend love/hate
    upper/lower north/south east/west male/female strong/weak easy/difficult easy/hard
    precede/follow harmful/harmless useful/useless
    safe/dangerous approve/reject approve/deny grant/deny add/remove online/offline input/output
    upgrade/downgrade eligible/ineligible present/absent
"""
# The claim says more than the evidence: one direction only.
_STRONGER = """
    all/some all/most every/some every/most always/often always/sometimes always/usually
    must/may must/can must/should all/only every/only everyone/only anyone/only everybody/only
"""
_PREFIXES = ("un", "non", "in", "im", "dis", "ir", "il")
_PREFIXED = re.compile(
    r"^(?:non-?(?=\w{4})|un(?=\w{4})|(?:in|im|ir|il|dis)(?=\w{3,}"
    r"(?:able|ible|[ae]nt|[ae]te|al|ive|ect|id|ar|ary|ic|ous|ally|ly|ed|ing)$))"
)
_YEAR = re.compile(r"1\d{3}|20\d\d")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")

_Table = dict[str, dict[str, str]]


def _stem(word: str) -> str:
    return next(iter(stems(word)))


def _table(pairs: str, *, both: bool) -> _Table:
    """Map the stem of the claim's word to the stems of opposites, with the words to show."""
    table: _Table = {}
    for pair in pairs.split():
        left, right = pair.split("/")
        table.setdefault(_stem(left), {})[_stem(right)] = right
        if both:
            table.setdefault(_stem(right), {})[_stem(left)] = left
    return table


@cache
def _opposites() -> tuple[_Table, _Table]:
    """Stem the lists once, at the first use: the stemmer is not loaded at import."""
    return _table(_PAIRS, both=True), _table(_STRONGER, both=False)


def opposites(stem: str) -> frozenset[str]:
    """Return the stems that are opposites of one."""
    return frozenset(_opposites()[0].get(stem, ()))


@dataclass(frozen=True, slots=True)
class Polarity:
    """``opposed``: the claim denies what the sentence says, or says more.

    ``converse``: only a pair of opposites says so, which may be two views of one thing.
    """

    opposed: bool
    reasons: tuple[str, ...] = ()
    converse: bool = False


def compare(claim: str, sentence: str) -> Polarity:
    """Compare one statement with the evidence sentence that it is closest to."""
    claim, sentence = clean(claim), clean(sentence)
    here, there = nearest(clauses(claim), sentence), nearest(clauses(sentence), claim)
    antonyms = _antonyms(claim, sentence)
    # A word of negation that is one of a pair of opposites counts once, as such.
    pairs = {stem for _, *both in antonyms for stem in both}
    own = _without(pairs, [d.word for d in applying(here, sentence, related)])
    said = _without(pairs, [d.word for d in applying(there, claim, related)])
    turns: list[str] = []
    if len(own) % 2 != len(said) % 2:
        if len(said) % 2:
            turns.append("the evidence says 'not', the claim does not")
        else:
            turns.append("the claim says 'not', the evidence does not")
    turns += [reason for reason, *_ in antonyms] + _prefixed(claim, sentence)
    others = only_others(claim, there)
    if others:
        turns.append(f"the evidence says it only of {others}")
    if len(turns) % 2 == 0:
        turns = []
    converse = len(turns) == 1 and bool(antonyms)
    turns += _stronger(claim, sentence)
    return Polarity(bool(turns), tuple(turns), converse)


def _without(pairs: set[str], words: list[str]) -> list[str]:
    return [word for word in words if pairs.isdisjoint(stems(word))]


def related(term: str, there: frozenset[str]) -> bool:
    """Tell whether a word's opposite, or the word with or without un-, is among others."""
    return not there.isdisjoint(_relatives(term))


@lru_cache(maxsize=8192)
def _relatives(term: str) -> frozenset[str]:
    with_prefix = {f"{prefix}{term}" for prefix in _PREFIXES}
    without = {term.removeprefix(prefix) for prefix in _PREFIXES} - {term}
    return opposites(term) | with_prefix | {word for word in without if len(word) > 2}


def other_numbers(claim: str, sentence: str) -> list[str]:
    """Find a price, count or duration where the sentence gives another one.

    Years are left out: sentences with the same content often count time from elsewhere.
    """
    mine = {number for number in numbers(claim) if not _YEAR.fullmatch(number)}
    theirs = {number for number in numbers(sentence) if not _YEAR.fullmatch(number)}
    if not mine or not theirs or mine & theirs:
        return []
    return [f"the nearest sentence gives other numbers: {', '.join(sorted(theirs)[:3])}"]


def _antonyms(claim: str, sentence: str) -> list[tuple[str, str, str]]:
    """Return the first pair of opposites: the reason, and both stems."""
    both, _ = _opposites()
    mine, theirs = stem_set(claim), stem_set(sentence)
    said = {stem: word for word in _words(claim) for stem in stems(word)}
    shown = {stem: word for word in _words(sentence) for stem in stems(word)}
    return [
        (
            f"the evidence says '{shown.get(other, word)}' where the claim says "
            f"'{said.get(own, own)}'",
            own,
            other,
        )
        for own in sorted(mine - theirs)
        for other, word in both.get(own, {}).items()
        if other in theirs and other not in mine
    ][:1]


def _stronger(claim: str, sentence: str) -> list[str]:
    _, table = _opposites()
    mine, theirs = stem_set(claim), stem_set(sentence)
    return [
        f"the claim says '{own}' where the evidence says only '{word}'"
        for own in sorted(mine - theirs)
        for other, word in table.get(own, {}).items()
        if other in theirs and other not in mine
    ][:1]


def _prefixed(claim: str, sentence: str) -> list[str]:
    """Find refundable against non-refundable or unrefundable, either way round."""
    mine, theirs = set(_words(claim)), set(_words(sentence))
    for own, other in ((mine, theirs), (theirs, mine)):
        for word in sorted(own - other):
            root = _PREFIXED.sub("", word)
            if root != word and root not in ("less", "til") and root in other and root not in own:
                here, there = (root, word) if own is theirs else (word, root)
                return [f"the evidence says '{there}' where the claim says '{here}'"]
    return []


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
