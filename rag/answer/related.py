"""Questions that the pages of an answer suggest: their other headings, as questions.

A heading that is a question is taken as it stands, one that says what to do is asked how to.

A suggestion is only worth making if it has an answer, which whoever asks for them has to see to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.text.terms import content_terms
from rag.types import Answer, Passage

_WORDS = 12  # of a heading at most: longer ones are sentences
_NUMBERED = re.compile(r"^\s*(?:\d+(?:\.\d+)*[.)]?|[A-Za-z][.)])\s+")
_DULL = frozenset(
    """
    introduction overview contents summary notes note see also references related articles links faq
    einleitung überblick inhalt hinweise introducción resumen índice aperçu sommaire
    """.split()
)
_ASKING = {"de": "Was steht zu „{0}“ in „{1}“?", "es": "¿Qué dice «{1}» sobre «{0}»?",
           "fr": "Que dit « {1} » sur « {0} » ?"}  # fmt: skip
_ENGLISH = "What does “{1}” say about “{0}”?"
# "Change the pack", "Set up your hub": what is to be done, and to what. "Change log" is a thing.
_TASK = re.compile(
    r"(?:add|buy|calibrate|cancel|change|check|choose|clean|close|connect|create|delete|disable|"
    r"download|edit|enable|export|fetch|fit|import|install|invite|make|migrate|mount|move|open|pair|"
    r"pay|read|remove|rename|renew|replace|report|reset|restart|restore|return|run|save|send|share|"
    r"start|stop|test|transfer|uninstall|update|upgrade|use|verify|wire|"
    r"(?:set|back|sign|log) up|(?:turn|switch) (?:on|off)|(?:shut|log|sign) (?:off|out|in))"
    r"(?: (?:and|or) [a-z]+)? (?:an? |the |your |my )(?!.*\b(?:ones?|it|them)$)",
    re.IGNORECASE,
)
_YOUR = re.compile(r"\byour\b")


def suggested(answer: Answer) -> Iterator[str]:
    """Yield questions on what the pages of an answer say beside it, the nearest pages first."""
    known = {frozenset(content_terms(text)) for text in (answer.question, answer.standalone)}
    cited = {citation.document_id for citation in answer.citations}
    for passage in sorted(answer.passages, key=lambda p: p.chunk.document_id not in cited):
        chunk = passage.chunk
        # The section that was quoted has given its answer.
        quoted = any(
            c.document_id == chunk.document_id and chunk.start <= c.start and c.end <= chunk.end
            for c in answer.citations
        )
        # What stands in the passage or directly above it, not the title of the page.
        inside = [heading.title for heading in passage.outline if heading.level > 1]
        for heading in dict.fromkeys([*inside, *chunk.headings[1:]]):
            if quoted and heading in chunk.headings[-1:]:
                continue
            question = _asked(heading, passage)
            terms = frozenset(content_terms(heading))
            if question and terms and not any(terms <= before for before in known):
                known.add(terms)
                yield question


def _asked(heading: str, passage: Passage) -> str | None:
    text = _NUMBERED.sub("", " ".join(heading.split()))
    words = text.casefold().strip(" .:").split()
    if not text or len(words) > _WORDS or _DULL.issuperset(words):
        return None
    if text.endswith("?"):
        return text
    text = text.rstrip(":.")
    if (passage.language or "en") == "en" and _TASK.match(text):
        return f"How do I {_YOUR.sub('my', text[0].lower() + text[1:])}?"
    return _ASKING.get(passage.language or "", _ENGLISH).format(text, passage.title)
