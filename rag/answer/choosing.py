"""Replies to "Which one do you mean: A, B or C?": the second, B, or the name of it."""

from __future__ import annotations

import re
from typing import NamedTuple

from rag.text.terms import content_terms, fold
from rag.types import Clarification, Option

_ORDINALS = {
    word: place
    for place, words in enumerate(
        (
            "first 1st one 1 a erste ersten primero primera premier première",
            "second 2nd two 2 b zweite zweiten segundo segunda deuxième second seconde",
            "third 3rd three 3 c dritte dritten tercero tercera troisième",
            "fourth 4th four 4 d vierte vierten cuarto cuarta quatrième",
        )
    )
    for word in map(fold, words.split())
}
_PLACE = re.compile(r"(?:the |number |no\. ?|option |der |die |das |el |la |le )?([\w]+)(?: one)?")
_ANY = re.compile(
    r"(?:(?:all|any|both|either|each|every)(?: (?:of (?:them|these|those|it)|one))?|whichever|"
    r"no matter|(?:it )?does(?:n['’]t| not) matter|i do(?:n['’]t| not) know|egal|alle|todos|tous)"
)
_ASKS = re.compile(
    r"\?|^(?:how|what|when|where|which|who|why|is|are|do|does|did|can|could|will|should|and|but|"
    r"thanks?|thank|no|nothing|never|forget|stop|quit|ok|okay|hello|hi)\b"
)
_ANOTHER = 4  # words of a name that is none of the options
_BESIDE = 2  # words beside the name of an option that a reply may have


class Meant(NamedTuple):
    """The question that a reply stands for, and the one document to answer it from, if any."""

    question: str
    uri: str | None = None


def meant(asked: Clarification, reply: str, *, open_ended: bool) -> Meant | None:
    """Return what a reply leads to; None for one that is none, such as another question.

    With ``open_ended`` the question was asked back and stood alone: "all" is then a reply, and so
    is the name of a thing beyond the options where there are such.
    """
    said = fold(reply).strip(" .!,;:\"'“”()")
    if option := _chosen(asked, said):
        return Meant(option.question, option.uri)
    if not open_ended or _ASKS.search(said):
        return None
    if _ANY.fullmatch(said):
        return Meant(asked.question)
    named = asked.more and 0 < len(said.split()) <= _ANOTHER and content_terms(said)
    if not named:
        return None
    documents = {option.uri for option in asked.options}
    uri = documents.pop() if len(documents) == 1 else None
    return Meant(about(asked.question, " ".join(reply.split()).strip(" .!,;:")), uri)


def about(question: str, name: str) -> str:
    """Return the question as one about a single thing."""
    return f"{question.rstrip(' ?.!')} for {name}?"


def _chosen(asked: Clarification, said: str) -> Option | None:
    named = _named(asked, said)
    if named is not None:
        return named
    options = asked.options
    if re.fullmatch(r"(?:the )?last(?: one)?", said):
        return options[-1]
    place = _PLACE.fullmatch(said)
    position = _ORDINALS.get(place[1]) if place else None
    return options[position] if position is not None and position < len(options) else None


def _named(asked: Clarification, said: str) -> Option | None:
    """Return the one option that a reply names: by all of its name or by what others lack."""
    for option in asked.options:
        if said == fold(option.label):
            return option
    words = set(content_terms(said.rstrip(" ?")))
    names = [set(content_terms(option.label)) for option in asked.options]
    shared = set.intersection(*names)
    hits = [len(words & (name - shared)) for name in names]
    best = max(hits)
    if not best or hits.count(best) > 1:
        return None
    place = hits.index(best)
    beside = words - names[place]
    asks = bool(_ASKS.search(said)) and bool(beside)
    return asked.options[place] if len(beside) <= _BESIDE and not asks else None
