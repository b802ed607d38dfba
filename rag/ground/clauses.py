"""The statements of a sentence: its clauses, each with the subject that it takes from another.

"The fund lost 3 % in May and gained 5 % in June. It was closed in July." makes three statements of
the fund. What stands in one statement is said of its own subject. English only, by the words at the
seams; a part without a verb belongs to its neighbour unless it begins with a noun ("Ann paints
doors, Bob windows").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from rag.ground.evidence import IRREGULAR_VERBS, stem_set
from rag.text.terms import STOPWORDS, content_terms
from rag.text.words import ORDINALS

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

_ONE = frozenset(("a", "an", "no"))
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
    if kind == "comma":
        return (has_verb(right) and has_verb(left)) or _gapped(left, right)
    return has_verb(right) or _gapped(left, right)


def _repeated(left: Words, right: Words, preposition: str) -> bool:
    """Tell whether "at 9:30 on Sundays" follows "at 7:45 on weekdays"."""
    again = [n for n, word in enumerate(left[:-1]) if word.casefold() == preposition]
    return (
        len(right) > 3 and not has_verb(right) and _measures(right[1])
        and any(_measures(left[n + 1]) for n in again)
        and any(word.casefold() in PREPOSITIONS for word in right[2:6])
    )  # fmt: skip


def _after_verb(left: Words, right: Words, place: int) -> bool:
    """Tell whether "nitrogen by Hahn" has no verb because the one before "by" is meant."""
    verb = verb_place(left)
    if verb is None or not 0 < place < 4 or place + 1 >= len(right) or has_verb(right):
        return False
    again = [n for n, w in enumerate(left[:-1]) if n > verb and w == right[place].casefold()]
    # What follows has to be of one kind: two names, two numbers, two things.
    return any(
        left[n + 1][0].isupper() == right[place + 1][0].isupper()
        and _measures(left[n + 1]) == _measures(right[place + 1]) for n in again
    )  # fmt: skip


def _counted(left: Words, right: Words) -> bool:
    """Tell whether "children 4 euros" follows "adults pay 9 euros"."""
    verb = verb_place(left)
    place = next((n for n, word in enumerate(right[:4]) if starts_object(word)), 0)
    if verb is None or not place or has_verb(right) or "and" in right[:place]:
        return False
    if right[place] in _ONE:
        # "Ann has a dog, Bob a cat".
        return left[verb + 1 : verb + 2] in (("a",), ("an",), ("no",))
    unit = right[place + 1 : place + 2]
    return any(is_count(w) and left[n + 1 : n + 2] == unit for n, w in enumerate(left) if n > verb)


def is_object(left: Words, right: Words) -> bool:
    """Tell whether "physics on Friday" leaves out who teaches it: the object stands first."""
    verb = verb_place(left)
    place = next((n for n, word in enumerate(right) if word.casefold() in PREPOSITIONS), 0)
    if verb is None or not place:
        return False
    same = next((n for n, w in enumerate(left) if n > verb and w == right[place].casefold()), 0)
    auxiliary = left[verb].casefold() in AUXILIARY
    if auxiliary and is_count(right[0]):
        return any(map(is_count, left[verb + 1 : verb + 2]))  # the part may end there
    between = [w for w in left[verb + 1 + auxiliary : same] if w.casefold() not in DETERMINERS]
    return bool(between) and between[0][:1].isupper() == right[0][:1].isupper()


def _gapped(left: Words, right: Words) -> bool:
    """Tell whether "Ropane in the evening", "4 hours for high ones" follows its like."""
    head = right[:6]
    place = next((n for n, word in enumerate(head) if word.casefold() in PREPOSITIONS), 0)
    if _counted(left, right) or _after_verb(left, right, place):
        return True
    if not place:
        return False
    preposition = head[place].casefold()
    if is_count(head[0]):
        numbers = [n for n, word in enumerate(left) if is_count(word)]
        return bool(numbers) and any(w.casefold() in PREPOSITIONS for w in left[numbers[-1] :])
    again = [n for n, word in enumerate(left[1:-1], 1) if word.casefold() == preposition]
    if any(_measures(left[n + 1]) for n in again) and place + 1 < len(head) and place < 3:
        return _measures(head[place + 1])
    return bool(again) and (
        head[0][:1].isupper() or head[0].casefold() in DETERMINERS
        or (place > 1 and (head[1][:1].isupper() or head[1][:1].isdigit()))
        or head[0].casefold() in map(str.casefold, left)
    )  # fmt: skip


def _measures(word: str) -> bool:
    return is_count(word) or word.casefold() in ("a", "an")


def is_count(word: str) -> bool:
    """Tell whether a word is a number."""
    return word[:1].isdigit() or word.casefold() in ("one", "two", "three", "four", "five", "six")


def starts_object(word: str) -> bool:
    """Tell whether a word is a number or an article: "4 euros", "a cat"."""
    return is_count(word) or word in _ONE


@lru_cache(maxsize=4096)
def words_of(text: str) -> Words:
    """Return the words of a text as they are written."""
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


def is_bare_count(words: Words, place: int | None) -> bool:
    """Tell whether a number alone is the subject: "22 percent were"."""
    return (
        place in (1, 2) and is_count(words[0])
        and words[place - 1].casefold() in ("percent", "%", words[0])
    )  # fmt: skip


_OBJECT = frozenset("it them this that".split())
_PRONOUN = frozenset("it he she they its his her their this these those both".split())
_NAMES = re.compile(r"[A-ZÀ-ÖØ-Þ][\w’'&-]*(?:\s(?:(?:of|the|for|and|&)\s)?[A-ZÀ-ÖØ-Þ\d][\w’'&-]*)*")


@dataclass(frozen=True, slots=True)
class Statement:
    """``start`` and ``end`` in its sentence; ``subject`` are stems that it takes from elsewhere.

    ``topic`` is its subject, own or taken, and ``verb`` its verb. ``meant`` is the name that "who",
    "he" or "it" stands for.
    """

    text: str
    start: int
    end: int
    stems: frozenset[str]
    subject: frozenset[str]
    topic: frozenset[str]
    verb: str
    meant: str = ""
    gapped: bool = False


@lru_cache(maxsize=1024)
def statements(sentence: str, before: str = "") -> tuple[Statement, ...]:
    """Return the statements of a sentence; ``before`` is the sentence before it in its text."""
    found: list[Statement] = []
    pieces = pieces_of(sentence)
    for index, (start, end, seam) in enumerate(pieces):
        text = sentence[start:end]
        words = words_of(text)
        subject: frozenset[str] = frozenset()
        gapped = thing = False
        if not words:
            continue
        first = words[0].casefold()
        meant = ""
        if seam == "who":
            meant = _last_name(sentence[: pieces[index - 1][1]])
            subject = frozenset(content_terms(meant))
        elif (first in _PRONOUN and not (index and _ordinal_head(words))) or (
            not index and _subject_pronoun(words)
        ):
            first = first if first in _PRONOUN else _subject_pronoun(words)
            meant = "" if index and found else _antecedent(first, before)
            subject = frozenset(content_terms(meant))
            if index and found:
                # "The capital is A, its port is B": the port of what has the capital.
                owned = first in ("its", "his", "her", "their")
                subject = _owner(found[-1]) if owned else found[-1].topic
        elif index and found and (begins_with_verb(words) or not has_verb(words)):
            gapped = not begins_with_verb(words) and _nominal(words)
            # "Ropane in the evening" has the verb of the statement before, not its subject.
            subject = _verb_stems(found[-1].text) if gapped else found[-1].topic
            thing = gapped and is_object(words_of(found[-1].text), words)
            if thing:
                subject = found[-1].topic | frozenset(content_terms(found[-1].verb))
            elif words[0].casefold() in PREPOSITIONS:
                # "And at 9:30 on Sundays" has both.
                subject |= _verb_stems(found[-1].text)
            if gapped and (is_count(words[0]) or _ordinal_head(words)):
                subject |= found[-1].topic | _left_out(words_of(found[-1].text), words)
        place = verb_place(words)
        if found and _OBJECT.intersection(map(str.casefold, words[1:])):
            # "They backed the plan; 22 percent were against it."
            before_it = words_of(found[-1].text)
            subject |= frozenset(content_terms(" ".join(before_it[verb_place(before_it) or 0 :])))
        if gapped:
            same = is_count(words[0]) or _ordinal_head(words) or thing
            topic = found[-1].topic if same else _gapped_topic(words)
            verb = found[-1].verb
        else:
            bare = is_bare_count(words, place)
            above = found[-1].topic if found and (bare or not subject) else subject
            topic = _topic(words, place, above)
            subject |= above & topic if bare else frozenset()
            verb = _verb(words, place or 0) if place or begins_with_verb(words) else ""
        found.append(Statement(text, start, end, stem_set(text), subject, topic, verb, meant,
                               gapped))  # fmt: skip
    return tuple(found)


def _subject_pronoun(words: Words) -> str:
    """Return the pronoun of "After that they are gone"."""
    return next((w for w in words[1:4] if w in ("it", "he", "she", "they")), "")


def statement_at(found: tuple[Statement, ...], start: int, end: int) -> Statement | None:
    """Return the statement that has a place of its sentence."""
    return next((s for s in found if s.start <= start and end <= s.end), None)


def _nominal(words: Words) -> bool:
    return words[0].casefold() not in PREPOSITIONS and len(words) > 1


def _verb_stems(text: str) -> frozenset[str]:
    words = words_of(text)
    place = verb_place(words)
    if place is None:
        return frozenset()
    return frozenset(content_terms(" ".join(words[place : place + 2])))


def _gapped_topic(words: Words) -> frozenset[str]:
    end = next((n for n, word in enumerate(words) if word.casefold() in PREPOSITIONS), 1)
    return frozenset(content_terms(" ".join(words[:end])))


def _ordinal_head(words: Words) -> bool:
    """Tell whether "its second in May" leaves its noun out."""
    return (
        len(words) > 2 and words[1].casefold() in ORDINALS and words[2].casefold() in PREPOSITIONS
    )


def _owner(statement: Statement) -> frozenset[str]:
    """Return whose something may be: a name of the subject, else its last word."""
    words = words_of(statement.text)
    head = " ".join(words[: verb_place(words)])
    names = [m[0] for m in _NAMES.finditer(head) if m[0].casefold() not in STOPWORDS | DETERMINERS]
    last = names[-1] if names and " of " not in f" {head} " else head.split()[-1] if head else ""
    return frozenset(content_terms(last)) or statement.topic


def _left_out(before: Words, words: Words) -> frozenset[str]:
    """Return what "and one in the second" leaves out of "three goals in the first half"."""
    ends = [n for n, word in enumerate(before) if word.casefold() in PREPOSITIONS]
    kept = [word for word in before[: ends[-1] if ends else None]
            if not is_count(word) and word.casefold() not in ORDINALS]  # fmt: skip
    if words[-1].casefold() in ORDINALS:
        kept.append(before[-1])
    return frozenset(content_terms(" ".join(kept)))


def _verb(words: Words, place: int) -> str:
    """Return the verb; "is" alone says too little, "is closed" says what."""
    low = words[place].casefold()
    after = words[place + 1].casefold() if place + 1 < len(words) else ""
    return f"{low} {'#' if after[:1].isdigit() else after}" if low in AUXILIARY else low


def _topic(words: Words, place: int | None, taken: frozenset[str]) -> frozenset[str]:
    """Return the subject: what stands before the verb, or what the statement took from another."""
    if begins_with_verb(words) or words[0].casefold() in _PRONOUN:
        return taken
    if place is None:
        return frozenset(content_terms(" ".join(words[:2])))
    if words[0].casefold() in PREPOSITIONS:
        # "On the first Sunday of the month entry is free": of the entry.
        return frozenset(content_terms(words[place - 1]))
    topic = frozenset(content_terms(" ".join(words[:place])))
    # "70 percent of voters did, 22 percent did not": of voters.
    return topic | taken if is_bare_count(words, place) else topic


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
