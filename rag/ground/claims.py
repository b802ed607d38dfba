"""What there is to check in a claim: its statements, without greetings, thanks and questions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.text.sentences import sentences

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# A sentence of these words alone states nothing about the documents.
_CHATTER = frozenset(
    """
    thanks thank you thx welcome hello hi hey dear good morning afternoon evening day bye goodbye
    please sorry sure okay ok yes yeah yep no nope well great nice cool wow awesome perfect fine
    right certainly absolutely you're that's
    course of very much so a lot for the your a an and oh ah hm hmm lol
    haha question asking hallo danke bitte ja nein gern gerne hola gracias sí de nada merci bonjour
    oui non vielen dank
    """.split()
)
_OFFER = re.compile(
    r"^\W*(?:(?:i|we) hope (?:this|that|it) (?:helps|answers)|let me know\b|feel free to\b|"
    r"(?:i|we)(?:['’]m| am| are) (?:happy|glad) to help|(?:please )?(?:do not|don['’]t) hesitate\b|"
    r"(?:i|we) (?:do not|don['’]t|could not|couldn['’]t|cannot|can['’]t) "
    r"(?:know|find|answer|say)\b|"
    r"here (?:is|are) (?:what|the answer)\b.*:\s*$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """``parts`` are the sentences that state something; ``body`` is the text made of them."""

    text: str
    parts: tuple[str, ...]
    body: str

    @classmethod
    def of(cls, text: str) -> Claim:
        """Find the statements; a claim that only asks, greets or is empty has no parts."""
        all_parts = [span.of(text) for span in sentences(text)]
        parts = tuple(part for part in all_parts if _states(part))
        whole = len(parts) == len(all_parts)
        return cls(text, parts, text.strip() if whole else " ".join(parts))


_CLAUSES = re.compile(r"[,;:–—]|\b(?:and|but)\b", re.IGNORECASE)


def clauses(text: str) -> list[str]:
    """Cut roughly where a second statement can begin inside a sentence."""
    return _CLAUSES.split(text)


def _states(sentence: str) -> bool:
    if sentence.rstrip("\"'”’») ").endswith(("?", "？")):
        return False
    words = _WORD.findall(sentence.casefold().replace("’", "'"))
    return any(word not in _CHATTER for word in words) and not _OFFER.match(sentence)
