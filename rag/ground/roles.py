"""Who does what to whom: names of a claim that the evidence has in another role, or nowhere.

Only an exact exchange counts (A bought B, B bought A), or the same said of another name in its
place (Ann leads the audit team, Bob the tax team). English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from rag.ground.clauses import Statement, begins_with_verb, statements
from rag.ground.evidence import stem_set
from rag.text.dates import blanked, moments, says
from rag.text.numbers import quantities, same, unit_of
from rag.text.terms import STOPWORDS, content_terms, fold, stems
from rag.text.words import DAYS, MONTHS, SMALL

TITLES = {
    "mr": "he", "mister": "he", "sir": "he", "mrs": "she", "ms": "she", "miss": "she",
    "lady": "she", "madam": "she", "dr": "", "doctor": "", "prof": "", "professor": "",
    "captain": "", "judge": "", "president": "", "herr": "he", "frau": "she",
}  # fmt: skip
_NAME_WORD = r"(?:[a-z]?[A-ZÀ-ÖØ-Þ][\w’'&-]*|(?<=\s)\d+(?:\.\d+)*\b|[a-z]\.)"
_HEAD = (
    r"(?:Court|Bank|University|Ministry|Department|Office|Institute|House|Museum|Board|Council|Bureau|"
    r"Chamber|Church|Republic|Kingdom|Isle|Gulf|Bay|Cape|Port|Federation|Association|Society|Academy|"
    r"School|College|Faculty|Cent(?:re|er)|League|City|Free State|Duke|Duchess|Prince|"
    r"Princess)\s(?:of|for)\s"
    r"(?:the\s)?(?=[A-Z])"
)
_NAME = re.compile(
    rf"\b(?:{_HEAD})?[a-z]?[A-ZÀ-ÖØ-Þ][\w&-]{{0,60}}(?:\.(?=\s[A-Z]))?"
    rf"(?:\s(?:&\s)?(?:{_HEAD})?{_NAME_WORD}(?:\.(?=\s[A-Z]))?)*"
)
_POSSESSIVE = re.compile(r"['’]s?\s*$")
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
ROSTER = 20
"""Names in one sentence from which on it is a list: who does what is not to be told."""

_ORDER = ("be", "subject", "object")


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
    """The names in a clause with their roles; a capital at the start may be none."""
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
    if entity.shown.endswith(("'s", "’s", "'", "’")) or _POSSESSIVE.match(after[:2]):
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
    return mine <= theirs or theirs <= mine


@lru_cache(maxsize=2048)
def _pieces(sentence: str) -> tuple[str, ...]:
    return tuple(_CUT.split(sentence))


def swapped(claim: str, sentence: str) -> str:
    """Return why two names of a claim stand the other way round in the sentence, or ""."""
    if _SYMMETRIC.search(claim) and not re.search(r"\bfrom\b.*\bto\b|\bbetween\b", claim):
        return ""
    for piece in _pieces(sentence):
        pair = _exchange(claim, piece)
        if pair and _same_deed(claim, piece, entities(claim)):
            return f"the evidence has {pair[0].shown} and {pair[1].shown} the other way round"
    return ""


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
    """The name of a sentence that may be the claim's, one with the same words first."""
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
    shared = sum(term in there for term in terms)
    return bool(shared) and shared >= 0.6 * len(terms)


_WORD = re.compile(r"[^\W_]+(?:[-'’.&][^\W_]+)*")
_NO_LETTER = re.compile(r"\W")
_PLAIN = re.compile(r"[^\W_]+")
_OWN = re.compile(r"['’]s?$")
_CAPITALS = re.compile(
    r"[A-ZÀ-ÖØ-Þ][\w’'-]{0,60}(?:\s(?:of|the|for|and|&)?\s?[A-ZÀ-ÖØ-Þ][\w’'-]{0,60})+"
)
_CODE = re.compile(r"(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Z][\w-]*")
_TIME = re.compile(
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|q[1-4]|h[12]|am|pm|ad|bc|ce|i|v\d.*|\d.*|u\.?s\.?a?|u\.?k|eu|tv|"
    r"someone|everyone|everybody|somebody|nobody|anyone|mom|dad|mum|mother|father|internet|"
    r"covid.*|coronavirus|sars.*|earth|god|online|ceo|dna|rna|pdf|wi-?fi|it"
)
_NEVER_LOST = frozenset(
    """
    celsius fahrenheit monday mondays tuesday tuesdays wednesday wednesdays thursday thursdays
    friday fridays saturday saturdays sunday sundays mount lake river city inc ltd llc gmbh corp
    corporation
    """.split()
)
"""Words with a capital that are judged as values, or say what sort of thing a name is of."""

_ENDINGS = re.compile(r"(?:'s|’s|s|es|n|an|ian|ean|ese|ish|i|ic|al|er|ers)$")
_PEOPLES = {
    people: country
    for people, _, country in (
        pair.partition("/")
        for pair in "danish/denmark danes/denmark dutch/netherlands french/france german/germany "
        "spanish/spain british/britain british/kingdom english/england welsh/wales irish/ireland "
        "scottish/scotland swiss/switzerland greek/greece turkish/turkey swedish/sweden "
        "finnish/finland norwegian/norway polish/poland czech/czechia portuguese/portugal "
        "chinese/china japanese/japan thai/thailand peruvian/peru filipino/philippines "
        "icelandic/iceland belgian/belgium argentine/argentina cypriot/cyprus".split()
    )
}
_FIRST = frozenset(
    """
    every each all both most many some several few any such another only even just over under
    more less fewer about around nearly almost half since during after before until while when
    although unlike despite however today
    """.split()
)
"""Words that stand before a name at the beginning of a claim and are no part of it."""

_PRESENT = 0.6
"""Share of a statement's other terms that the evidence must have for a name to be wrong in it."""


@lru_cache(maxsize=64)
def said(texts: tuple[str, ...]) -> tuple[frozenset[str], str, frozenset[str]]:
    """Return folded words, the text without spaces and hyphens, and the initials of names."""
    text = "\n".join(texts)
    folded = fold(text)
    plain = _WORD.findall(folded)
    words = {*plain, *_NEVER_LOST}
    words.update(
        part for word in words.copy() if not word.isalnum() for part in _NO_LETTER.split(word)
    )
    runs = [
        "".join(w[0] for w in _PLAIN.findall(run) if w[0].isupper()).casefold()
        for run in _CAPITALS.findall(text)
    ]
    # The Department of Energy is the DOE, too.
    runs += [
        "".join(w[0] for w in _PLAIN.findall(run)).casefold() for run in _CAPITALS.findall(text)
    ]
    initials = {run[start:] for run in runs for start in range(len(run) - 1)}
    # "Chief financial officer" is a CFO.
    small = "".join(word[0] for word in plain if word not in STOPWORDS)
    initials.update(small[n : n + 3] for n in range(len(small) - 2))
    return frozenset(words), re.sub(r"[\W_]", "", folded), frozenset(initials)


def strangers(parts: tuple[str, ...], texts: tuple[str, ...], units: tuple[str, ...]) -> list[str]:
    """The names of a claim that are not in the evidence, as they are written."""
    words, joined, initials = said(texts)
    everything = frozenset().union(*(stem_set(unit) for unit in units))
    found: dict[str, None] = {}
    for part in parts:
        capitals = {stem for w in _WORD.findall(part) if w[:1].isupper() for stem in stems(w)}
        terms = [term for term in content_terms(part) if term not in capitals]
        # Where little else is in the evidence, it is the wording that differs.
        if sum(term in everything for term in terms) < _PRESENT * len(terms):
            continue
        spelled_out = [
            "".join(word[0] for word in run.split() if word[0].isupper()).casefold()
            for run in _CAPITALS.findall(part)
        ]
        acronyms = any(
            run[start:] in words for run in spelled_out for start in range(max(0, len(run) - 2))
        )
        if acronyms:
            continue
        for name in _names(part):
            # Of Sims-based only Sims is a name.
            folded = fold("-".join(w for w in name.split("-") if w[:1].isupper() and w[1:])) or (
                fold(name)
            )
            plain = _NO_LETTER.sub("", folded)
            if (
                words.issuperset(_NO_LETTER.split(folded))
                or folded in initials
                or ((len(plain) > 3 or not plain.isalpha()) and plain in joined)
                or everything.issuperset(stems(folded))
                or _related(folded, words)
            ):
                continue
            found[name] = None
    return list(found)


def _names(part: str) -> Iterator[str]:
    matches = list(_WORD.finditer(part))
    capitals = sum(m[0][0].isupper() for m in matches)
    if len(matches) > 3 and capitals > 0.8 * len(matches):
        return
    for place, match in enumerate(matches):
        word = _OWN.sub("", match[0])
        low = fold(word)
        if (
            not word[:1].isupper()
            or low in STOPWORDS
            or low in TITLES
            or (place == 0 and low in _FIRST)
            or _TIME.fullmatch(low)
            or low in MONTHS
            or unit_of(low)
        ):
            continue
        before = part[: match.start()].rstrip()
        initial = place == 0 or before.endswith((".", "!", "?", ":", '"', "“", "("))
        if (
            _CODE.fullmatch(word)
            or (word.isupper() and len(word) > 1)
            or (
                len(word) > 1
                and (
                    not initial
                    or (
                        place + 1 < len(matches)
                        and matches[place + 1][0][0].isupper()
                        and part[match.end() : matches[place + 1].start()] == " "
                    )
                )
            )
        ):
            yield word


def _related(name: str, words: frozenset[str]) -> bool:
    """Tell whether the evidence has the name with another ending: Norway's, Germans, German."""
    other = {_PEOPLES.get(name)} | {long for long, short in _PEOPLES.items() if short == name}
    if other & words:
        return True
    root = _ENDINGS.sub("", name)
    return len(root) >= 4 and any(
        word.startswith(root)
        and _ENDINGS.sub("", word)[: len(root) + 1].startswith(root)
        and len(word) <= len(root) + 4
        for word in words
    )


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
        n
        for n, s in enumerate(found)
        # Initials share no word with what they stand for.
        if (initials or not own.isdisjoint(s.stems) or not own.isdisjoint(s.subject))
        and _has(s, name, own)
    ]
    if not any(_predicate(found[n].text, own) for n in with_name):
        return ""
    for n in with_name:
        said = found[n].stems | found[n].subject
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
    if all(w in SMALL or w in DAYS or w.isdigit() or w in MONTHS for w in other.words):
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
