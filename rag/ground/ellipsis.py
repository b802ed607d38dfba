"""The clauses of a sentence with what they leave out put back, so that each can be read alone.

"Oxygen was found by A, nitrogen by B" gives "nitrogen was found by B"; "breakfast is included,
lunch is not" gives "lunch is not included". English only, by the verb of the clause before.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rag.ground.seams import (
    PREPOSITIONS,
    Words,
    begins_with_verb,
    is_count,
    is_object,
    pieces_of,
    starts_object,
    verb_place,
)
from rag.ground.statements import statements
from rag.ground.verbs import AUXILIARY, is_past

_NEGATED = re.compile(r"^not\s", re.IGNORECASE)
_LONGEST = 40
_WORD = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*")
_PRONOUN = frozenset("it he she they".split())
_BOUND = frozenset("if unless when until except even provided".split())
_NOT = frozenset("not never also then only just".split())
_SHORT = frozenset("not so either too neither".split())


@lru_cache(maxsize=2048)
def complete(sentence: str, before: str = "") -> tuple[str, ...]:
    """Return the clauses of a sentence, each complete; ``before`` is the sentence before it.

    A long sentence (a transcript, a legal text) stays whole: its clauses cannot be told so.
    """
    if sentence.count(" ") > _LONGEST:
        return (sentence,)
    meant = {s.start: s.meant for s in statements(sentence, before)}
    found: list[str] = []
    bound = False  # "unless it rains, …" belongs to what follows
    for start, end, seam in pieces_of(sentence):
        text = sentence[start:end]
        words = tuple(_WORD.findall(text))
        if not words:
            continue
        first = words[0].casefold()
        name = meant.get(start, "")
        bound = bound or (not found and first in _BOUND)
        if seam == "who" and begins_with_verb(words):
            text = f"{name} {text}"
        elif first in _PRONOUN and (name or found):
            text = _join(name or _subject(found[-1]), _from(text, 1))
        elif found and (first in _BOUND or bound):
            found[-1], bound = f"{found[-1]}, {text}", False
            continue
        elif found:
            text = _filled(text, words, found[-1])
        found.append(text)
    return tuple(found)


def _filled(text: str, words: Words, before: str) -> str:
    """Return a clause with the subject, verb or predicate of the one before that it leaves out."""
    others = tuple(_WORD.findall(before))
    place = verb_place(others)
    if not place:
        return text
    if begins_with_verb(words):
        # "Was reported by A and fixed by B": it was fixed by B.
        passive = (
            others[place].casefold() in AUXILIARY and words[0].casefold() not in AUXILIARY
            and len(words) > 1 and words[1].casefold() in PREPOSITIONS
            and is_past(words[0].casefold())
        )  # fmt: skip
        return _join(_upto(before, place + passive), text)
    own = verb_place(words)
    if own is not None:
        if own and words[own].casefold() in AUXILIARY and _SHORT.issuperset(words[own + 1 :]):
            do = words[own].casefold()[:2] == "do" or others[place].casefold() not in AUXILIARY
            rest = _from(before, place + (not do))
            # "Lead is not magnetic, iron is": it is magnetic.
            return _join(text.rstrip(" .;,"), rest if words[own + 1 :] else _NEGATED.sub("", rest))
        return text
    at = next((n for n, word in enumerate(words) if word.casefold() in PREPOSITIONS), None)
    if words[0].casefold() in ("no", "not") and (at is None or words[0].casefold() == "no"):
        # "It covers theft but not loss", "has nuts but no milk".
        return _join(_upto(before, _object(others, place)), text)
    if at is None or at > 4:
        # "Adults pay 9 euros, children 4 euros".
        count = next((n for n, word in enumerate(words) if starts_object(word)), 0)
        much = next((n for n, w in enumerate(others) if n > place and starts_object(w)), 0)
        if not count or not much or at is not None:
            return text
        verb = before[_place(before, place) : _place(before, much)]
        return _join(_upto(text, count), verb, _from(text, count))
    same = [n for n, word in enumerate(others) if n > place and word == words[at].casefold()]
    if not same:
        return text
    if words[0].casefold() in _NOT or not at:
        # "Opens at 7 on weekdays and at 9 on Sundays".
        return _join(_upto(before, same[0]), text)
    if is_object(others, words):
        return _join(_upto(before, _object(others, place)), text)
    head = _upto(text, at)
    return _join(head, before[_place(before, place) : _place(before, same[-1])], _from(text, at))


def _object(words: Words, verb: int) -> int:
    """Return where the object begins: after the verb, or the participle of "has sold"."""
    bare = words[verb].casefold() not in AUXILIARY or any(map(is_count, words[verb + 1 : verb + 2]))
    return verb + 1 if bare else verb + 2


def _subject(clause: str) -> str:
    place = verb_place(tuple(_WORD.findall(clause)))
    return _upto(clause, place) if place else ""


def _place(text: str, word: int) -> int:
    """Return where a word of a text begins."""
    starts = [m.start() for m in _WORD.finditer(text)]
    return starts[word] if word < len(starts) else len(text)


def _upto(text: str, word: int) -> str:
    return text[: _place(text, word)]


def _from(text: str, word: int) -> str:
    return text[_place(text, word) :]


def _join(*parts: str) -> str:
    return " ".join(part.strip() for part in parts if part.strip())
