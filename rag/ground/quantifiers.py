"""Of how many a claim and its evidence speak: all, most, few, the second largest, at most ten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from rag.ground.quantities import quantities, same
from rag.text.dates import blanked
from rag.text.terms import STOPWORDS, stems
from rag.text.units import unit_of

_QUANTIFIER = re.compile(
    r"\b(?:(?P<notall>not (?:all|every|each|everyone|everybody))"
    r"|(?P<allbut>(?:all|every|everyone) (?:but|except(?: for)?) (?=(?:one|two|three|four|five|"
    r"six|seven|"
    r"eight|nine|ten|a few|a handful|\d+)\b)|(?:almost|nearly|virtually) (?:all|every)(?! "
    r"(?:over)\b))"
    r"|(?P<most>most(?! (?:of the time|often|recent\w*|likely)\b)|the (?:vast )?majority|a "
    r"majority)"
    r"|(?P<few>(?:hardly|scarcely|barely) any|only a few|(?<!a )(?<!the )(?<!next )(?<!last )"
    r"(?<!first )(?<!past )few|a (?:small )?minority)"
    r"|(?P<all>all(?! (?:over|at once|along|round|around|year|day|night)\b)|every|each|everyone|"
    r"everybody)"
    r"|(?P<some>some(?! \d)|several|a few|many|a number|numerous|various))\b",
    re.IGNORECASE,
)
_RANK = re.compile(
    r"\b(?:the|its|\w+['’]s)\s((?:second|third|fourth|fifth|2nd|3rd|4th|5th)[\s-])?"
    r"(\w{2,}(?<!for)(?<!inter)(?<!\bt)est|most \w+)\b",
    re.IGNORECASE,
)
_NOT_ALL = re.compile(
    r"\bnot (?:all|every|each)\b|\b(?:some|several|a few|many)\b[^.;,]{1,60}?(?:\b(?:not?|without|"
    r"lacks?|cannot)\b|n['’]t\b)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_ENTAILED = {
    "all": {"all", "most", "some"}, "allbut": {"allbut", "notall", "most", "some"},
    "most": {"most", "some"}, "some": {"some"}, "few": {"few", "notall", "some"},
    "notall": {"notall"},
}  # fmt: skip
"""What holds where another holds: of all, of most and of some, but not the other way round."""


def overstated(claim: str, sentence: str) -> str:
    """Return why a claim speaks of more (or fewer) of the same than the sentence does, or ""."""
    mine, theirs = _ranks(claim), _ranks(sentence)
    for word in mine.keys() & theirs.keys():
        if mine[word] != theirs[word]:
            return f"the claim says '{mine[word]}{word}', the evidence '{theirs[word]}{word}'"
    said = list(_quantified(sentence))
    for kind, shown, things in _quantified(claim) if said else ():
        alike = [(k, s) for k, s, other in said if other & things]
        if alike and not any(kind in _ENTAILED[k] for k, _ in alike):
            only = "" if alike[0][1].startswith("not") else "only "
            return f"the claim says '{shown}' where the evidence says {only}'{alike[0][1]}'"
    return ""


@lru_cache(maxsize=2048)
def _ranks(text: str) -> dict[str, str]:
    """Return the superlatives of a text, each with its rank: "second largest"."""
    return {
        m[2].casefold(): (m[1] or "").casefold().replace("-", " ") for m in _RANK.finditer(text)
    }


def not_all(text: str) -> bool:
    """Tell whether a text says that something is not so of all: "some rooms have no window"."""
    return bool(_NOT_ALL.search(text))


def limits_differ(claim: str, sentence: str) -> bool:
    """Tell whether one value is a limit upwards in one text and downwards in the other."""
    there = [q for q in quantities(blanked(sentence)) if q.bound]
    return any(
        q.bound and q.bound != other.bound and same(q, other)
        for q in (quantities(blanked(claim)) if there else ()) for other in there
    )  # fmt: skip


@lru_cache(maxsize=2048)
def _found(text: str) -> tuple[tuple[str, str, frozenset[str]], ...]:
    found = []
    for match in _QUANTIFIER.finditer(text):
        words = _WORD.findall(text[match.end() : match.end() + 60])
        words = [word for word in words if word.casefold() not in STOPWORDS][:3]
        # "Every day" says how often.
        if words and not unit_of(words[0].casefold()):
            things = frozenset(stem for word in words[:2] for stem in stems(word))
            found.append((match.lastgroup or "", match[0].casefold(), things))
    return tuple(found)


def _quantified(text: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    yield from _found(text)
