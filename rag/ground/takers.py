"""What a claim says of one name and the evidence says of another.

"Ann leads the audit team. Bob leads the tax team." does not support "Bob leads the audit team"; nor
does "The office is in Rost. The factory is in Hal." support "The office is in Hal". English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from rag.ground.evidence import stem_set
from rag.ground.quantities import quantities, same
from rag.ground.roles import ROSTER, TITLES, Entity, entities, known
from rag.ground.seams import begins_with_verb
from rag.ground.statements import Statement, statements
from rag.text.date_patterns import DAYS
from rag.text.dates import blanked, moments, says
from rag.text.terms import STOPWORDS, content_terms, fold, month_number, stems
from rag.text.units import SMALL

_SUBORDINATE = re.compile(
    r",?\s(?:after|before|when|while|because|following|since|as|although|though|until)\s", re.I
)
_FURTHER = re.compile(r"\b(?:also|too|another|further|as well|likewise|both)\b", re.IGNORECASE)
_PLACED = frozenset("in at to from on of with for into under near".split())
_ITS = re.compile(r"\b(?:its|his|her|their|it|there)\b", re.IGNORECASE)
_CORE = frozenset(("subject", "be", "object", "by"))


@lru_cache(maxsize=64)
def _statements(units: tuple[str, ...]) -> tuple[Statement, ...]:
    return tuple(
        s for n, unit in enumerate(units) for s in statements(unit, units[n - 1] if n else "")
    )


def taken(claim: str, units: tuple[str, ...]) -> str:
    """Return why what a claim says of a name is said of another name in its place, or "".

    Nothing is found where some statement has the name together with all that the claim says.
    """
    found = _statements(units)
    everything = frozenset().union(*(s.stems for s in found))
    main = _SUBORDINATE.split(claim)[0] if len(_SUBORDINATE.split(claim)[0].split()) > 1 else claim
    topic = next((s.topic for s in statements(main)), frozenset())
    for name in entities(main) if len(entities(main)) <= ROSTER else ():
        if name.role not in _CORE and name.role not in _PLACED:
            continue
        own = {stem for word in name.words for stem in stems(word)}
        # "A is older than B": B may be what the evidence calls older.
        own_too = {s for e in entities(main) if e.role == "than" for w in e.words for s in stems(w)}
        terms = {t for t in content_terms(main) if t not in own | own_too | _titles()} & everything
        if name.role in _PLACED:
            # "From the late Jurassic": what stands before the name belongs to it.
            terms -= set(content_terms(" ".join(main[: name.start].split()[-1:])))
        if not terms or (len(terms) < 2 and name.role in _PLACED and not terms & topic):
            continue
        reason = _taken(main, name, own, terms, found)
        if reason:
            return reason
    return ""


def _taken(
    claim: str, name: Entity, own: set[str], terms: set[str], found: Sequence[Statement]
) -> str:
    initials = name.shown.isupper() or len(own) > 2
    with_name = [
        n for n, s in enumerate(found)
        # Initials share no word with what they stand for.
        if (initials or not own.isdisjoint(s.stems) or not own.isdisjoint(s.subject))
        and _has(s, name, own)
    ]  # fmt: skip
    if not any(_predicate(found[n].text, own) for n in with_name):
        return ""
    for n in with_name:
        said = found[n].stems | found[n].subject | _next(found, n)
        reason = _other_subject(name, found[n], terms, claim) if terms <= said else ""
        if reason:
            return reason
        if terms <= said or (terms & said and _FURTHER.search(found[n].text)):
            return ""
    for n, statement in enumerate(found):
        before = found[n - 1].stems if n and _ITS.search(statement.text) else frozenset()
        if (
            n in with_name
            or not statement.stems & terms
            or not terms <= statement.stems | statement.subject | before
            or not _same_values(claim, statement.text)
        ):
            continue
        for other in _takers(statement, name.role):
            compared = any(known(one, other) and one.role == "than" for one in entities(claim))
            strange = not any(known(one, other) for one in entities(claim))
            strange = strange and not set(other.words) <= {*map(fold, claim.split())}
            if strange or compared:
                return f"the evidence says this of {other.shown}, not of {name.shown}"
    return ""


def _other_subject(name: Entity, statement: Statement, terms: set[str], claim: str) -> str:
    """Return why a name is there, but not as the one who does it: "A won ahead of B"."""
    there = entities(statement.text)
    own = next((e for e in there if known(name, e)), None)
    first = next((e for e in there if e.role == "subject"), None)
    mine = next(iter(statements(claim)), None)
    if (
        name.role == "subject" and own and first and mine and not known(name, first)
        and own.role in ("of", "from", "over", "against", "with", "for", "to")
        and not any(known(e, first) for e in entities(claim))
        and mine.verb and mine.verb == statement.verb
        and mine.verb.split()[0] in statement.text[first.end : own.start].casefold().split()
        and _same_values(claim, statement.text)
    ):  # fmt: skip
        return f"the evidence says this of {first.shown}, not of {name.shown}"
    return ""


def _takers(statement: Statement, role: str) -> Iterator[Entity]:
    """Yield the names that have a role in a statement; a pronoun's is its subject."""
    for other in entities(statement.text):
        if _no_name(statement, other):
            continue
        # "Contact Ann" and "Ann is contacted" have her in different roles.
        if other.role == role or (other.role in _CORE and role in _CORE):
            yield other
    if role in ("subject", "be") and statement.meant[:1].isupper():
        yield from entities(statement.meant)[-1:]


def _no_name(statement: Statement, other: Entity) -> bool:
    """Tell whether a capital is that of a date, a number or the first word of a sentence."""
    if all(w in SMALL or w in DAYS or w.isdigit() or month_number(w) for w in other.words):
        return True
    after = tuple(statement.text[other.end :].split()[:2])
    alone = len(other.words) == 1 and not statement.text[: other.start].strip(" \"'“(")
    return (
        alone
        and not other.shown.isupper()
        and not (after and (begins_with_verb(after) or other.role == "of"))
    )


def _same_values(claim: str, statement: str) -> bool:
    """Tell whether a statement has the numbers and dates of a claim: else it says another thing."""
    there, dates = quantities(blanked(statement)), moments(statement)
    return all(
        any(same(q, other) for other in there) for q in quantities(blanked(claim)) if q.asked
    ) and all(any(says(m, other) for other in dates) for m in moments(claim) if not m.span)


def _next(found: Sequence[Statement], n: int) -> frozenset[str]:
    """What follows without a name of its own is said of the same name."""
    if n + 1 >= len(found):
        return frozenset()
    after = found[n + 1]
    if after.meant[:1].isupper() or any(e.role in _CORE for e in entities(after.text)):
        return frozenset()
    return after.stems


def _has(statement: Statement, name: Entity, own: set[str]) -> bool:
    return any(known(name, other) for other in entities(statement.text)) or (
        bool(statement.subject) and own <= statement.subject | _titles()
    )


@cache
def _titles() -> frozenset[str]:
    return stem_set(" ".join(TITLES))


def _predicate(piece: str, own: set[str]) -> bool:
    """Tell whether a piece says something beside the name: "and Emil Strand" does not."""
    words = [w for w in re.findall(r"[^\W\d_]+", piece) if w.islower() and w not in STOPWORDS]
    return any(not own.issuperset(stems(word)) for word in words)
