"""The statements of a sentence: its clauses, each with the subject that it takes from another.

"The fund lost 3 % in May and gained 5 % in June. It was closed in July." makes three statements of
the fund. What stands in one statement is said of its own subject, and a value in another one is
not. English only, by the words at the seams; a part without a verb belongs to its neighbour unless
it begins with a noun ("Ann paints doors, Bob windows").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rag.ground.evidence import stem_set
from rag.ground.seams import (
    DETERMINERS,
    PREPOSITIONS,
    Words,
    begins_with_verb,
    has_verb,
    is_bare_count,
    is_count,
    is_object,
    pieces_of,
    verb_place,
    words_of,
)
from rag.ground.verbs import AUXILIARY
from rag.text.terms import STOPWORDS, content_terms
from rag.text.units import ORDINALS

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
