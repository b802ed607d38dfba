"""What is compared: the statements of a claim, and evidence as distinct sentences with windows.

Texts are put in a canonical order first, so that a verdict does not depend on the order in which
the evidence was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from rag.text.sentences import sentences
from rag.text.terms import stems

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


LONGEST_UNIT = 60
"""Words; a longer sentence (a transcript without full stops) is cut: the embedder sees it all."""

WINDOWS = (2, 3)


@dataclass(frozen=True, slots=True)
class Evidence:
    """``units`` are verbatim sentences; ``windows`` are tuples of indices of neighbouring units."""

    texts: tuple[str, ...]
    units: tuple[str, ...]
    windows: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Evidence:
        """Split the texts; those without a word in them do not count as evidence."""
        kept = tuple(sorted({text for text in texts if any(c.isalnum() for c in text)}))
        return _split(kept)


@lru_cache(maxsize=32)
def _split(texts: tuple[str, ...]) -> Evidence:
    position: dict[str, int] = {}
    windows: dict[tuple[int, ...], None] = {}
    for text in texts:
        run = [position.setdefault(unit, len(position)) for unit in _units(text)]
        for size in WINDOWS:
            for start in range(len(run) - size + 1):
                windows[tuple(run[start : start + size])] = None
    return Evidence(texts, tuple(position), tuple(windows))


def _units(text: str) -> Iterator[str]:
    for span in sentences(text):
        sentence = span.of(text)
        if len(sentence) <= 4 * LONGEST_UNIT or len(sentence.split()) <= LONGEST_UNIT:
            yield sentence
        else:
            yield from _cut(sentence)


def _cut(sentence: str) -> Iterator[str]:
    """Cut after every ``LONGEST_UNIT`` words; each piece is a slice of the sentence."""
    start, words = 0, 0
    for index, letter in enumerate(sentence):
        if letter.isspace() and not sentence[index - 1].isspace():
            words += 1
            if words == LONGEST_UNIT:
                yield sentence[start:index]
                start, words = index + 1, 0
    if sentence[start:].strip():
        yield sentence[start:].strip()


# "Find" and "leave" are not there: "found" and "left" are more often other words.
IRREGULAR_VERBS = """
    beat/beaten become/became begin/began/begun bind/bound bite/bit/bitten blow/blew/blown
    break/broke/broken bring/brought build/built buy/bought catch/caught choose/chose/chosen
    come/came deal/dealt draw/drew/drawn drink/drank/drunk drive/drove/driven eat/ate/eaten
    fall/fell/fallen feed/fed feel/felt fight/fought fly/flew/flown forbid/forbad/forbidden
    forget/forgot/forgotten freeze/froze/frozen get/got/gotten give/gave/given go/went/gone
    grow/grew/grown hang/hung hear/heard hide/hid/hidden hold/held keep/kept know/knew/known
    lead/led lend/lent lose/lost make/made mean/meant meet/met pay/paid prove/proven
    ride/rode/ridden rise/rose/risen run/ran say/said see/seen seek/sought sell/sold send/sent
    shake/shook/shaken show/shown shrink/shrank/shrunk sing/sang/sung sink/sank/sunk sit/sat
    sleep/slept speak/spoke/spoken spend/spent stand/stood steal/stole/stolen strike/struck
    swear/swore/sworn sweep/swept swim/swam/swum take/took/taken teach/taught tear/torn
    tell/told think/thought throw/threw/thrown undergo/underwent/undergone
    understand/understood wake/woke/woken wear/wore/worn win/won withdraw/withdrew/withdrawn
    write/wrote/written
"""


@cache
def _forms() -> dict[str, frozenset[str]]:
    """Map the stem of each irregular form to the stems of all of its verb."""
    groups = [
        frozenset(stem for word in group.split("/") for stem in stems(word))
        for group in IRREGULAR_VERBS.split()
    ]
    return {stem: group for group in groups for stem in group}


def with_forms(found: frozenset[str]) -> frozenset[str]:
    """Add the stems of the other forms of irregular verbs: wrote, written."""
    table = _forms()
    more = [table[stem] for stem in found if stem in table]
    return found.union(*more) if more else found


@lru_cache(maxsize=4096)
def stem_set(text: str) -> frozenset[str]:
    """The stems of all words of a text, with the other forms of irregular verbs."""
    return with_forms(frozenset(stems(text)))
