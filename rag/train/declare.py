"""A question and an answer as one sentence: "Who built it?", "Weber" to "Weber built it".

Claims that people wrote about a text say its facts in other words; so do the questions of reading
sets, whose answers are known. The rules follow Demszky, Guu and Liang, "Transforming Question
Answering Datasets Into Natural Language Inference Datasets" (2018), with word lists instead of a
parser: what they cannot turn round is left out.
"""

from __future__ import annotations

import re

from rag.ground.clauses import AUXILIARY, MODAL, PAST, is_base

_WH = re.compile(
    r"^(?:(?P<place>in|on|at|by|for|from|to|with|during|of|under) )?"
    r"(?P<wh>who|whom|what|which|when|where|how many|how much|how long|how old)\b ?",
    re.IGNORECASE,
)
_DO = frozenset({"do", "does", "did"})
_BE = frozenset({"is", "are", "was", "were"})
_ENDS = frozenset("of in on at by for from to with as about into after before over under".split())
_DETERMINERS = frozenset("the a an his her its their this that these those our".split())
_PARTICIPLES = PAST | frozenset(
    "born known done gone seen taken given written shown chosen broken spoken driven worn drawn "
    "grown thrown called named".split()
)
_CALLED = frozenset({"called", "named", "considered", "titled"})
_LONGEST = 12  # words between a question word and its verb, and of an answer


def declared(question: str, answer: str) -> str | None:
    """Return the statement that answers a question, or None where no rule fits."""
    question = " ".join(question.split()).rstrip(" ?.")
    match = _WH.match(question)
    words_of_answer = answer.split()
    if match is None or not words_of_answer or len(words_of_answer) > _LONGEST:
        return None
    wh = match["wh"].lower()
    place = (match["place"] or "").lower()
    words = question[match.end() :].split()
    at = next((n for n, word in enumerate(words[:_LONGEST]) if word.lower() in AUXILIARY), None)
    noun = words[:at] if at is not None else []
    if at is None or (noun and noun[-1].lower() in _DETERMINERS):
        return _subject(wh, place, words, answer)
    auxiliary, rest = words[at], words[at + 1 :]
    if not rest or any(word.lower() in AUXILIARY for word in rest):
        return None  # another clause: which verb is meant, the words do not tell
    value = _value(wh, place, noun, answer)
    if value is None:
        return None
    if auxiliary.lower() in _BE and not place and wh in ("who", "what", "which"):
        return _copula(wh, auxiliary, rest, value)
    verb = _verb(rest, past=auxiliary.lower() not in _DO and auxiliary.lower() not in MODAL)
    if verb is None:
        if place or wh not in ("when", "where") or auxiliary.lower() not in _BE:
            return None
        return _sentence([*rest, auxiliary, value])  # "Where is the office": it is there
    subject, tail = rest[:verb], rest[verb:]
    if auxiliary.lower() == "does":
        tail[0] = _third(tail[0])
    middle = [] if auxiliary.lower() in ("do", "does") else [auxiliary]
    at_the_end = value.split(maxsplit=1)[0].lower() in _ENDS or tail[-1].lower() in _ENDS
    if at_the_end or wh in ("when", "where", "how long"):
        return _sentence([*subject, *middle, *tail, value])
    return _sentence([*subject, *middle, tail[0], value, *tail[1:]])


def _subject(wh: str, place: str, words: list[str], answer: str) -> str | None:
    """Return the statement where the question word is the subject: "Who built it"."""
    if place or wh in ("when", "where", "how long", "how old", "whom") or len(words) < 2:
        return None
    if wh == "who":
        return _sentence([answer, *words])
    verb = next(
        (n for n, word in enumerate(words[:5])
         if n and (word.lower() in PAST or (word.endswith("ed") and len(word) > 4))),
        None,
    )  # fmt: skip
    if wh in ("how many", "how much"):
        return None if verb is None else _sentence([answer, *_counted(answer, words[:verb]),
                                                    *words[verb:]])  # fmt: skip
    if words[0].lower() in PAST or words[0].endswith("ed"):
        return _sentence([answer, *words])
    return None if verb is None else _sentence([answer, *words[verb:]])


def _copula(wh: str, auxiliary: str, rest: list[str], value: str) -> str:
    """Return "the capital of France is Paris", or "Weber was elected", by what stands after it."""
    called = next((n for n, word in enumerate(rest) if n and word.lower() in _CALLED), None)
    if called is not None:
        return _sentence([*rest[:called], auxiliary, rest[called], value, *rest[called + 1 :]])
    if rest[0].lower() in _DETERMINERS and wh != "who" and rest[-1].lower() not in _ENDS:
        return _sentence([*rest, auxiliary, value])
    if rest[-1].lower() in _ENDS:
        return _sentence([*rest[:-1], auxiliary, rest[-1], value]) if len(rest) > 1 else _sentence(
            [value, auxiliary, *rest]
        )  # fmt: skip
    return _sentence([value, auxiliary, *rest])


def _value(wh: str, place: str, noun: list[str], answer: str) -> str | None:
    """Return the answer as it stands in the statement: with its preposition or its unit."""
    first = answer.split(maxsplit=1)[0].lower()
    if place:
        return answer if first == place else f"{place} {answer}"
    if wh in ("how many", "how much"):
        return " ".join([answer, *_counted(answer, noun)])
    if wh == "when" and first not in _ENDS and re.search(r"\d{4}", answer):
        return f"on {answer}" if re.match(r"\d{1,2} [A-Z]|[A-Z]\w+ \d{1,2}\b", answer) else (
            f"in {answer}"
        )  # fmt: skip
    if wh == "where" and first not in _ENDS:
        return f"in {answer}"
    if noun and noun[0].lower() in ("year", "month", "century", "decade", "city", "country"):
        return answer if first in _ENDS else f"in {answer}"
    return answer


def _counted(answer: str, noun: list[str]) -> list[str]:
    """Return what was counted, where the answer is a bare number."""
    return noun if re.fullmatch(r"[\w.,-]+", answer) else []


def _verb(rest: list[str], *, past: bool) -> int | None:
    """Return where the verb of a subject and its predicate stands, None where that is not clear."""
    for n in range(1, min(len(rest), _LONGEST)):
        word, before = rest[n].lower(), rest[n - 1].lower()
        if before in _DETERMINERS or before in _ENDS:
            continue
        if past:
            if word in _PARTICIPLES or (len(word) > 4 and word.endswith(("ed", "ing"))):
                return n
        elif is_base(word):
            return n
    return None


def _third(verb: str) -> str:
    """Return a plain verb in the third person: "it carries"."""
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "x", "ch", "sh", "o")) else f"{verb}s"


def _sentence(words: list[str]) -> str:
    said = " ".join(words)
    return f"{said[0].upper()}{said[1:]}."
