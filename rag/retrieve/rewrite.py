"""Follow-up questions to standalone ones, by rule.

A follow-up leans on what was said: a pronoun, an ellipsis ("and how long does it take?", "what
about Spain?"). The rule adds the terms of the conversation's topic that the question lacks, so that
retrieval sees what the person means; a question that stands by itself is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.text.terms import STOPWORDS, content_terms
from rag.types import Turn

_OPENING = re.compile(
    r"^\s*(?:and|but|or|so|then|also|ok(?:ay)?|und|aber|y|et|what about|how about|what if|why not|"
    r"was ist mit|y qué|et pour)\b[\s,]*",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\b(?:it|its|they|them|their|theirs|this|that|these|those|he|him|his|she|her|hers|there|one|"
    r"ones|same|such|the (?:first|second|third|last|latter|former|others?)|either|neither|both|"
    r"instead|else|too|otherwise|dabei|dafür|damit|davon|diese[rsmn]?|eso|esto|ça|cela|celui|"
    r"celle)\b",
    re.IGNORECASE,
)
# "that", "there" and "one" are no reference where the question itself says what they stand for.
_EMPTY = re.compile(
    r"\b(?:is|are|was|were) there\b|\bthere (?:is|are|was|were)\b|\bis it (?:possible|true|ok)\b|"
    r"\bdoes it (?:cost|take) to\b|\bit (?:costs?|takes?) to\b|\bone of the\b|"
    r"\b\w+ that (?:is|are|has|have|can|will)\b|"
    r"\bso that\b|\bthose who\b",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_CHATTER = frozenset(
    """
    thanks thank please ok okay yes no hi hello great good sure hey really actually cool
    nice tell show explain describe give find me know want like need help looking question
    information another different some any example examples
    """.split()
)


# What was asked of the topic; the follow-up asks something else of it.
_ASKED = frozenset(
    """
    cost costs price prices take takes long work works mean means happen happens get possible
    """.split()
)


class RuleRewriter:
    """Adds the topic of the last turns to a question that does not stand on its own."""

    def __init__(self, max_terms: int = 6) -> None:
        self._max_terms = max_terms

    def rewrite(self, history: Sequence[Turn], question: str) -> str:
        """Return the question, with the topic's words appended in brackets where it needs them."""
        if not history or not depends(question):
            return question
        topic = self._topic(history, question)
        return f"{question.strip()} ({' '.join(topic)})" if topic else question

    def _topic(self, history: Sequence[Turn], question: str) -> list[str]:
        """Take the content words of the nearest user turn that says what the talk is about."""
        have = set(content_terms(question))
        topic: list[str] = []
        for turn in reversed([turn for turn in history if turn.role == "user"]):
            words = []
            for word in _WORDS.findall(_OPENING.sub("", turn.text)):
                terms = content_terms(word)
                if word.casefold() in _CHATTER | _ASKED or not terms or have.issuperset(terms):
                    continue
                have.update(terms)
                words.append(word)
            topic = words + topic
            if not depends(turn.text):
                break  # this one stood on its own, so the topic is complete
        return topic[: self._max_terms]


def depends(question: str) -> bool:
    """Tell whether a question leans on what was said before."""
    opening = _OPENING.match(question)
    rest = _EMPTY.sub(" ", question[opening.end() :] if opening else question)
    content = [w for w in _WORDS.findall(rest) if w.casefold() not in STOPWORDS | _CHATTER]
    return bool(opening) or bool(_REFERENCE.search(rest)) or len(content) < 2
