"""Of how many a claim and its evidence speak: all, most, some, few, not all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

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
_WORD = re.compile(r"[^\W\d_]+")
_ENTAILED = {
    "all": {"all", "most", "some"}, "allbut": {"allbut", "notall", "most", "some"},
    "most": {"most", "some"}, "some": {"some"}, "few": {"few", "notall", "some"},
    "notall": {"notall"},
}  # fmt: skip
"""What holds where another holds: of all, of most and of some, but not the other way round."""


def overstated(claim: str, sentence: str) -> str:
    """Return why a claim speaks of more (or fewer) of the same than the sentence does, or ""."""
    said = list(_quantified(sentence))
    for kind, shown, things in _quantified(claim) if said else ():
        alike = [(k, s) for k, s, other in said if other & things]
        if alike and not any(kind in _ENTAILED[k] for k, _ in alike):
            only = "" if alike[0][1].startswith("not") else "only "
            return f"the claim says '{shown}' where the evidence says {only}'{alike[0][1]}'"
    return ""


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
