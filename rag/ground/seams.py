"""Where a sentence is cut into clauses, and where the verb of a clause stands. English only."""

from __future__ import annotations

import re
from functools import lru_cache

from rag.ground.verbs import AUXILIARY, PAST, is_base, is_past, is_third
from rag.text.terms import STOPWORDS

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
