"""The statements of a sentence: its clauses, each with the subject that it takes from another.

"The fund lost 3 % in May and gained 5 % in June. It was closed in July." makes three statements of
the fund. What stands in one statement is said of its own subject. English only, by the words at the
seams; a part without a verb belongs to its neighbour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from rag.ground.evidence import IRREGULAR_VERBS, stem_set
from rag.text.terms import STOPWORDS, content_terms
from rag.text.words import SMALL

MODAL = frozenset("can could may might must shall should will would cannot".split())
AUXILIARY = frozenset(
    """
    is are was were be been being am has have had do does did can could may might must shall
    should will would cannot isn't aren't wasn't weren't hasn't haven't hadn't don't doesn't
    didn't can't couldn't won't wouldn't mustn't shouldn't needn't
    """.split()
)
PAST = frozenset(
    """
    became began bought brought built came caught chose cost cut drew drove fell felt fought
    found gave got grew held hit kept knew laid led left lent lost made meant met paid put ran
    read rose said sang sank sat saw sent set shot shut sold spent spoke stood stole struck swam
    taught took told thought understood went won wore wrote beat bore broke flew forgot froze
    hid rang shook threw woke withdrew overtook
    """.split()
)
_BASE = frozenset(
    """
    accept achieve act add adjust admit affect agree aim allow announce answer appear apply
    appoint approve argue arrive ask assess assist attend avoid award bear become begin believe
    belong block borrow break bring build buy calculate call carry cause celebrate change charge
    check choose claim clean close collect combine come compete complete confirm connect consist
    contain continue contribute control convert cost cover create cross cut decide declare
    decline decrease deliver demand depart depend describe deserve design destroy detect
    determine develop differ direct discover discuss display divide draw drink drive drop earn
    eat edit employ enable end enjoy ensure enter establish examine exceed exclude exist expect
    expire explain export express extend face fail fall feed feel fill finance find finish fit
    fix flow fly follow forbid form found fund gain get give go govern grow guarantee guide
    handle happen head hear help hide hire hold host house hunt identify import improve include
    increase indicate inform inherit inhibit injure insist inspect install intend introduce
    invent invest investigate invite involve issue join keep kill know lack last launch lay lead
    learn leave lend let lie lift limit link list live load lose love lower maintain make manage
    manufacture mark marry matter mean measure meet mention merge monitor move need obtain
    occupy occur offer open operate oppose order organise organize oversee own pass pay perform
    permit place plan play point prefer prepare present prevent print produce prohibit promise
    promote protect prove provide publish purchase push qualify raise reach react read receive
    recommend record recover reduce refer reflect refuse regulate reject release rely remain
    remember remove rent repair repeat replace reply report represent require rescue reserve
    resign respond rest restrict result retain retire return reveal rise rule run save say score
    see seek seem sell send serve set share show shrink sign sing sit solve speak spend split
    sponsor stand start state stay steal stop store strengthen study succeed suffer suggest
    supervise supply support suspend take teach tell test think train transfer translate travel
    treat turn undergo understand use vary visit vote wait walk want warn wash waste wear weigh
    win withdraw work worsen write
    """.split()
)


@cache
def _pasts() -> frozenset[str]:
    return frozenset(word for group in IRREGULAR_VERBS.split() for word in group.split("/")[1:])


def is_past(word: str) -> bool:
    """Tell whether a word in lower case is the past form or the participle of a verb."""
    return word in PAST or word in _pasts() or (word.endswith("ed") and len(word) > 3)


@lru_cache(maxsize=4096)
def is_base(word: str) -> bool:
    """Tell whether a word is the plain form of a verb: "they cover"."""
    return word in _BASE


@lru_cache(maxsize=4096)
def is_third(word: str) -> bool:
    """Tell whether a word may be a verb in -s: "it covers", "it relies"."""
    if not word.endswith("s") or word.endswith("ss"):
        return False
    return word[:-1] in _BASE or word[:-2] in _BASE or f"{word[:-3]}y" in _BASE


Words = tuple[str, ...]

_PLURAL = frozenset("people staff men women children police we you they i who".split())
_SEAM = re.compile(
    r"(?P<strong>;\s|:\s|\s[–—-]\s|—|,?\s(?:whereas|while|although|though|but|because)\s(?!also\b))"
    r"|(?P<who>,\s(?:who|which|whose|where)\s)"
    r"|(?P<and>,?\s(?:and|or|then|so)\s)|(?P<comma>,\s)",
    re.IGNORECASE,
)
_CLAUSE = 300  # characters: what no clause is longer than
_NEXT, _NEXT_CLAUSE = re.compile(r", "), re.compile(r", (?:and|but|while|so)\b|; ")
_WORD = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*")
DETERMINERS = frozenset(
    "the a an this that these those its his her their our my your no every each all".split()
)
PREPOSITIONS = frozenset(
    "in on at by for from to of with without within during until till since after before between "
    "through over under about as than per into onto towards via against among across near".split()
)


def pieces_of(sentence: str) -> list[tuple[int, int, str]]:
    """Cut where another statement begins: start, end and the kind of seam before it."""
    cuts: list[tuple[int, int, str]] = []
    before: Words = ()
    for match in _SEAM.finditer(sentence):
        begun = max(cuts[-1][1] if cuts else 0, match.start() - _CLAUSE)
        left = words_of(sentence[begun : match.start()])
        # "And cocoa in the east" follows the last clause that has a verb.
        left = left if has_verb(left) or not before else before
        right = sentence[match.end() : match.end() + 80]
        kind = match.lastgroup or ""
        right = (_NEXT if kind == "comma" else _NEXT_CLAUSE).split(right)[0]
        if _cuts(kind, left, words_of(right)):
            cuts.append((match.start(), match.end(), kind))
            before = left
    starts = [0, *(end for _, end, _ in cuts)]
    ends = [*(start for start, _, _ in cuts), len(sentence)]
    return list(zip(starts, ends, ["", *(kind for _, _, kind in cuts)], strict=True))


def _cuts(kind: str, left: Words, right: Words) -> bool:
    if not left or not right:
        return False
    if kind == "strong":
        return len(left) > 1 or len(right) > 1
    if kind == "who":
        return True
    first = right[0].casefold()
    if len(left) < 3 and not (has_verb(left) or begins_with_verb(left)):
        return False
    if begins_with_verb(right):
        return has_verb(left) or begins_with_verb(left)
    if first in PREPOSITIONS:
        return kind == "and" and (
            (has_verb(right) and has_verb(left)) or _repeated(left, right, first)
        )
    return has_verb(right) and (kind != "comma" or has_verb(left))


def _repeated(left: Words, right: Words, preposition: str) -> bool:
    """Tell whether "at 9:30 on Sundays" follows "at 7:45 on weekdays"."""
    again = [n for n, word in enumerate(left[:-1]) if word.casefold() == preposition]
    return (
        len(right) > 3
        and not has_verb(right)
        and _measures(right[1])
        and any(_measures(left[n + 1]) for n in again)
        and any(word.casefold() in PREPOSITIONS for word in right[2:6])
    )


def _measures(word: str) -> bool:
    return word[:1].isdigit() or word.casefold() in SMALL or word.casefold() in ("a", "an")


@lru_cache(maxsize=4096)
def words_of(text: str) -> Words:
    """The words of a text as they are written."""
    return tuple(_WORD.findall(text))


_BEFORE_VERBS = frozenset("not never no also then later now still".split())


@lru_cache(maxsize=4096)
def begins_with_verb(words: Words) -> bool:
    """Tell whether a part has no subject of its own: "was sold", "joins the river"."""
    if not words[0][:1].islower():
        return False
    before = 0
    while words[before].casefold() in _BEFORE_VERBS and before + 1 < len(words):
        before += 1
        if not words[before][:1].islower():
            return False
    words = words[before:]
    first = words[0].casefold().replace("’", "'")
    if first in AUXILIARY or is_past(first):
        return True
    after = words[1] if len(words) > 1 else ""
    if (
        is_base(first)
        and after
        and (after.casefold() in DETERMINERS | PREPOSITIONS or after[0].isdigit())
    ):
        return True
    return is_third(first) and bool(after) and after.casefold() not in AUXILIARY | {"of"}


def has_verb(words: Words) -> bool:
    """Tell whether a clause has a verb."""
    return verb_place(words) is not None


@lru_cache(maxsize=4096)
def verb_place(words: Words) -> int | None:
    """Return where the verb of a clause probably stands.

    A word in -s may be a plural ("employees at"): another verb after it comes first.
    """
    likely: int | None = None
    for place, word in enumerate(words):
        low = word.casefold().replace("’", "'")
        # May is a month where it has a capital.
        if low in AUXILIARY | PAST and (word[0].islower() or (not place and low in AUXILIARY)):
            return place
        if not place or not word[0].islower():
            continue
        before = words[place - 1].casefold()
        if is_base(low) and (
            before in _PLURAL or (before.endswith("s") and before not in STOPWORDS)
        ):
            return place
        if low in STOPWORDS or before in DETERMINERS:
            continue
        if low.endswith("ed") and len(low) > 4:
            return place
        if is_third(low) and likely is None and before not in PREPOSITIONS:
            likely = place
    return likely


_PRONOUN = frozenset("it he she they its his her their this these those both".split())
_NAMES = re.compile(r"[A-ZÀ-ÖØ-Þ][\w’'&-]*(?:\s(?:(?:of|the|for|and|&)\s)?[A-ZÀ-ÖØ-Þ\d][\w’'&-]*)*")


@dataclass(frozen=True, slots=True)
class Statement:
    """``start`` and ``end`` in its sentence; ``subject`` are stems that it takes from elsewhere.

    ``topic`` is its subject, own or taken. ``meant`` is the name that "who",
    "he" or "it" stands for.
    """

    text: str
    start: int
    end: int
    stems: frozenset[str]
    subject: frozenset[str]
    topic: frozenset[str]
    meant: str = ""


@lru_cache(maxsize=1024)
def statements(sentence: str, before: str = "") -> tuple[Statement, ...]:
    """The statements of a sentence; ``before`` is the sentence before it in its text."""
    found: list[Statement] = []
    pieces = pieces_of(sentence)
    for index, (start, end, seam) in enumerate(pieces):
        text = sentence[start:end]
        words = words_of(text)
        if not words:
            continue
        first, meant = words[0].casefold(), ""
        subject: frozenset[str] = frozenset()
        if seam == "who":
            meant = _last_name(sentence[: pieces[index - 1][1]])
            subject = frozenset(content_terms(meant))
        elif found and (first in _PRONOUN or begins_with_verb(words) or not has_verb(words)):
            subject = found[-1].topic
        elif not found and first in _PRONOUN:
            meant = _antecedent(first, before)
            subject = frozenset(content_terms(meant))
        place = verb_place(words)
        topic = _topic(words, place, subject or (found[-1].topic if found else subject))
        found.append(Statement(text, start, end, stem_set(text), subject, topic, meant))
    return tuple(found)


def statement_at(found: tuple[Statement, ...], start: int, end: int) -> Statement | None:
    """The statement that has a place of its sentence."""
    return next((s for s in found if s.start <= start and end <= s.end), None)


def _topic(words: Words, place: int | None, taken: frozenset[str]) -> frozenset[str]:
    """The subject: what stands before the verb, or what the statement took from another."""
    if begins_with_verb(words) or words[0].casefold() in _PRONOUN:
        return taken
    if place is None:
        return frozenset(content_terms(" ".join(words[:2])))
    if words[0].casefold() in PREPOSITIONS:
        # "On the first Sunday of the month entry is free": of the entry.
        return frozenset(content_terms(words[place - 1]))
    return frozenset(content_terms(" ".join(words[:place])))


def _last_name(text: str) -> str:
    """Return what a relative clause belongs to: the name or the words before it."""
    names = [m[0] for m in _NAMES.finditer(text) if m.end() >= len(text.rstrip()) - 1]
    return names[-1] if names else " ".join(words_of(text)[-2:])


def _antecedent(pronoun: str, before: str) -> str:
    """Return what a pronoun means: a name for "its" and "he", else the subject that came before."""
    if not before:
        return ""
    words = words_of(before)
    place = verb_place(words)
    subject = before if place is None else " ".join(words[:place])
    if pronoun in ("its", "his", "her", "he", "she"):
        for text in (subject, before) if pronoun in ("he", "she") else (subject,):
            names = [m[0] for m in _NAMES.finditer(text) if m[0].casefold() not in STOPWORDS]
            names = [n for n in names if not text.startswith(n) or " " in n or text is subject]
            if names:
                return names[-1]
    return " ".join(words_of(subject)[:4])
