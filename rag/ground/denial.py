"""What a text denies: words of negation, each with what it denies.

A "no" or "not" reaches to the end of its clause, "except" one phrase, "forbidden" its whole clause.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from rag.ground.canonical import canonical
from rag.ground.evidence import stem_set
from rag.ground.statements import statements
from rag.text.terms import STOPWORDS, content_terms, stems

# These say nothing about whether something is so.
_NOISE = re.compile(
    r"\bi\s*(?:['’]\s*m|am) not (?:sure|certain)\b[^,.;]*|\b(?:not|no) (?:only|just|merely|"
    r"(?:later|more|less|fewer|earlier|longer|sooner) than|doubt|matter)\b|\bno\.?\s(?=\d)|"
    r"\bwhether or not\b|\bif not\b|\bbut also\b|\bnot until\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?P<after>not|no|never|none|neither|nor|cannot|without|nobody|nothing|nowhere|unable|"
    r"fails? to|failed to|failing to|refus\w+ to|nicht|kein\w*|nunca|jamais|aucune?|sin|ohne|"
    r"unless|instead of|rather than|hardly|barely|lacks?(?: of)?|lacked|lacking|absence of|"
    r"free (?:of|from))\b(?!-)|(?P<short>n['’]t)\b"
    r"|\b(?P<whole>no longer|stop(?:s|ped|ping)?(?= \w+ing\b)|ceas(?:e|es|ed)|discontinued|"
    r"\w+-free|prohibit\w*|forbid\w*|forbad\w*|"
    r"bans?|banned|exclud\w*|disabl\w+|optional\w*|impossible|refus(?:e|es|ed))\b"
    r"|\b(?P<except>except(?: for)?|excepting|apart from|other than|with the exception of|"
    r"but not)\b",
    re.IGNORECASE,
)
_PHRASE_END = re.compile(
    r"[,;.:]|\b(?:is|are|was|were|be|has|have|had|can|could|may|must|will|would|do|does|did|should|"
    r"on|in|at|from|if|when|and|or|who|which|that)\b",
    re.IGNORECASE,
)
_CLAUSES = re.compile(
    r"[;:()–—]|, (?=(?:and|but|so|while|whereas|although|because|which)\b)"
    r"| but | because | although | while | whereas | however ",
    re.IGNORECASE,
)
_ONLY = re.compile(
    r"^\W*only (?P<who>(?:[\w'’-]+ ){1,5}?)(?P<what>(?:can|may|could|is|are|was|were|has|have|had|"
    r"will|must|do|does|did|should)\b.*)$",
    re.IGNORECASE,
)
_ONLY_IN = re.compile(
    r"\bonly (?:(?:available|valid|open|allowed|possible|sold|used) )?(?:for|to|in|on|by|with|at|"
    r"from|during|between) (?:the )?([\w-]+(?: [\w-]+)?)",
    re.IGNORECASE,
)
_ROOT = 6
"""Letters that words of one family share."""

_LITTLE = STOPWORDS | {"one"}
_ALL_BUT = re.compile(
    r"\b((?:every|all|any|each)\w*(?:\s\w+){0,2}) but "
    r"(?!(?:also|not|never|is|are|was|were|has|have|had|do|does|did|can|could|will|would)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Denial:
    """``word`` denies ``scope``; ``all_of`` says that the whole scope has to be meant.

    ``implied`` scopes are not of the text's own words.
    """

    word: str
    scope: frozenset[str]
    all_of: bool = False
    implied: bool = False


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """Take out what looks like a negation and is none."""
    return _ALL_BUT.sub(r"\1 except ", canonical(_NOISE.sub(" ", text)))


@lru_cache(maxsize=4096)
def denials(clause: str) -> tuple[Denial, ...]:
    """Return the negations of a clause that was cleaned."""
    found: list[Denial] = []
    for match in _DENIAL.finditer(clause):
        word, after = match[0].casefold(), clause[match.end() :]
        if match["whole"]:
            found.append(Denial(word, stem_set(clause)))
        elif match["except"]:
            cut = _PHRASE_END.search(after.lstrip()[1:])
            phrase = after.lstrip()[: cut.start() + 1] if cut else after
            found.append(Denial(word, frozenset(content_terms(phrase)), True))
        elif after.startswith(" {"):
            found.append(Denial(word, stem_set(clause)))
        elif after.startswith(" ["):
            implied = frozenset(content_terms(after.partition("]")[0]))
            found.append(Denial(word, implied, implied=True))
        else:
            scope = content_terms(after)
            near = scope[:3] if word in ("no", "without", "ohne", "sin", "instead of") else scope
            found.append(Denial(word, frozenset(near)))
    return tuple(found)


def clauses(text: str) -> list[str]:
    """Cut a sentence where what was denied is over."""
    return list(_clauses_of(text))


@lru_cache(maxsize=2048)
def _clauses_of(text: str) -> tuple[str, ...]:
    return tuple(c for c in _CLAUSES.split(text) if len(c.split()) >= 2) or (text,)


def nearest(
    clause_list: list[str], wanted_by: str,
    related: Callable[[str, frozenset[str]], bool] = lambda _term, _there: False,
) -> str:  # fmt: skip
    """Return the clause that is meant: a denial in another one says nothing about it."""
    if len(clause_list) == 1:
        return clause_list[0]
    wanted = set(content_terms(wanted_by))
    every = stem_set(wanted_by)
    topic = next((s.topic for s in statements(wanted_by)), frozenset())

    return max(
        clause_list,
        key=lambda c: (
            # "Excludes labour" speaks of what is covered, too.
            sum(t in stem_set(c) or related(t, stem_set(c)) for t in wanted)
            + 1.5 * bool(topic and topic <= stem_set(c)),
            len(every & stem_set(c)),
        ),
    )


def _kin(term: str, there: frozenset[str]) -> bool:
    """Tell whether a word of the same family is there: register, registration."""
    return len(term) >= _ROOT and any(word[:_ROOT] == term[:_ROOT] for word in there)


def applying(
    clause: str, other: str, related: Callable[[str, frozenset[str]], bool]
) -> list[Denial]:
    """Return the negations of a clause that deny something which the other text speaks of."""
    there = stem_set(other) - _LITTLE
    return [
        denial
        for denial in denials(clause)
        if denial.scope
        and (all if denial.all_of else any)(
            term in there or related(term, there) or _kin(term, there)
            for term in denial.scope - _LITTLE
        )
    ]


def elsewhere(
    denied: list[Denial], clause_list: list[str], chosen: str, topic: frozenset[str]
) -> bool:
    """Tell whether another clause than the chosen one denies what these deny."""
    scopes = [d.scope - _LITTLE - topic for d in denied]
    said = stem_set(chosen)
    return any(
        len(scope & other.scope) > len(scope & said)
        for clause in clause_list if clause != chosen
        for other in denials(clause) if not other.implied for scope in scopes
    )  # fmt: skip


def only_besides(claim: str, clause: str) -> bool:
    """Tell whether a claim denies of others what the evidence says of one thing only.

    "Only available in English" says that it is not available in German.
    """
    match = _ONLY.match(clause)
    found = match["who"] if match else "".join(_ONLY_IN.findall(clause)[:1])
    one = set(stems(found)) - _LITTLE
    own = stem_set(clean(re.sub(r"\bnon-\w+", "", claim)))
    return bool(one) and not one & own


def only_others(claim: str, clause: str) -> str:
    """Return whom "only" means in the evidence, where a claim says it of somebody else; or ""."""
    match = _ONLY.match(clause)
    if not match:
        return ""
    who, what = set(stems(match["who"])) - _LITTLE, set(content_terms(match["what"]))
    own = stem_set(claim)
    if who and what and not who & own and len(what & own) >= 0.6 * len(what):
        return match["who"].strip()
    return ""
