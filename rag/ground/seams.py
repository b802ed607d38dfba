"""Where a sentence is cut into clauses, and where the verb of a clause stands. English only."""

from __future__ import annotations

import re
from functools import lru_cache

from rag.ground.verbs import AUXILIARY, PAST, is_base, is_third
from rag.text.terms import STOPWORDS

Words = tuple[str, ...]

_PLURAL = frozenset("people staff men women children police we you they i who".split())
_SEAM = re.compile(
    r"(?P<strong>;\s|:\s|\s[–—-]\s|—|,?\s(?:whereas|while|although|though|but|because)\s(?!also\b))"
    r"|(?P<who>,\s(?:who|which|whose|where)\s)"
    r"|(?P<and>,?\s(?:and|or|then|so)\s)|(?P<comma>,\s)",
    re.IGNORECASE,
)
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
    for match in _SEAM.finditer(sentence):
        left = sentence[cuts[-1][1] if cuts else 0 : match.start()]
        right = sentence[match.end() :]
        kind = match.lastgroup or ""
        if _cuts(kind, words_of(left), words_of(right[:80])):
            cuts.append((match.start(), match.end(), kind))
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
        return kind == "and" and has_verb(right) and has_verb(left)
    if kind == "comma":
        return (has_verb(right) and has_verb(left)) or _gapped(left, right)
    return has_verb(right) or _gapped(left, right)


def _gapped(left: Words, right: Words) -> bool:
    """Tell whether "Ropane in the evening", "4 hours for high ones" follows its like."""
    head = right[:6]
    place = next((n for n, word in enumerate(head) if word.casefold() in PREPOSITIONS), 0)
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
    if first in AUXILIARY or first in PAST or (first.endswith("ed") and len(first) > 3):
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
