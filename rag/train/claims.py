"""Claims with evidence for the checker, made of the texts and questions of reading sets.

Claims that people wrote about a text say its facts in other words; so do the questions of reading
sets, whose answers are known: ``declared`` turns "Who built it?", "Weber" into "Weber built it".
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.text.sentences import sentences
from rag.train.examples import (
    NAME,
    NUMBER,
    Example,
    Question,
    changed,
    drawn,
    drawn_text,
)
from rag.train.verbs import AUXILIARY, BASE, MODAL, PAST

if TYPE_CHECKING:
    from rag.protocols import Embedder

EVIDENCE_CHARACTERS = 900
"""Evidence of a claim that is read at once: its best sentences, in their order."""

_AUXILIARIES = re.compile(
    r"\b(is|are|was|were|can|could|has|have|had|will|would|may|must|does|did)\b"
)


def best_evidence(
    claims: Sequence[str], evidence: Sequence[Sequence[str]], embedder: Embedder
) -> list[str]:
    """For each claim the sentences nearest to it, in order, as much as is read at once."""
    wholes = ["\n".join(texts) for texts in evidence]
    long = [n for n, whole in enumerate(wholes) if len(whole) > EVIDENCE_CHARACTERS]
    units = {n: [wholes[n][s.start : s.end] for s in sentences(wholes[n])] for n in long}
    distinct = list(dict.fromkeys(text for texts in units.values() for text in texts))
    vectors = dict(zip(distinct, embedder.embed(distinct), strict=True)) if distinct else {}
    about = dict(zip(long, embedder.embed([claims[n] for n in long]), strict=True)) if long else {}
    for n in long:
        scores = [float(vectors[text] @ about[n]) for text in units[n]]
        kept: list[int] = []
        room = EVIDENCE_CHARACTERS
        for place in sorted(range(len(scores)), key=lambda p: -scores[p]):
            if len(units[n][place]) <= room:
                kept.append(place)
                room -= len(units[n][place]) + 1
        wholes[n] = " ".join(units[n][place] for place in sorted(kept))
    return wholes


def made_claims(questions: Sequence[Question], random_: random.Random, count: int) -> list[Example]:
    """Claims made of the sentences of chunks: as said, shortened, or with a fact changed."""

    def make(question: Question) -> Example | None:
        spans = [span.of(question.chunk) for span in sentences(question.chunk)]
        usable = [text for text in spans if 40 < len(text) < 300]
        if not usable:
            return None
        said = random_.choice(usable)
        claim: str | None = said
        support = 1.0
        if random_.random() < 0.5:
            further, support = _negated(said), 0.0
            claim = changed(said, question.chunk, random_, further=further, numbers_around=True)
        if claim is None:
            return None
        if random_.random() < 0.5 and support:
            claim = _shortened(claim)
        second, prefix = drawn_text(question.title, question.chunk, random_, 0.5)
        return Example(claim, second, "made", prefix, support=support)

    return drawn(questions, random_, count, make)


def _negated(said: str) -> list[str]:
    """The sentence with its first auxiliary denied, or no longer denied, if it has one."""
    if not (verb := _AUXILIARIES.search(said)):
        return []
    after = said[verb.end() :]
    denied = after.removeprefix(" not") if after.startswith(" not ") else " not" + after
    return [said[: verb.end()] + denied]


def _shortened(claim: str) -> str:
    """Drop what stands in brackets and after the last comma: what is left is still said."""
    without = re.sub(r"\s*\([^)]*\)", "", claim)
    head, comma, tail = without.rpartition(", ")
    if comma and len(head) > 40 and len(tail.split()) > 3 and not tail.startswith("and"):
        return head + "."
    return without


def swapped_claims(
    questions: Sequence[Question], random_: random.Random, count: int
) -> list[Example]:
    """Sentences of passages as they stand, and with two names or two figures in each other's place.

    All words are the same: only who did what to whom, and which figure is whose, tells them apart
    (after PAWS: Zhang et al., NAACL 2019). ``count`` is of both together.
    """
    chunks = sorted({(q.title, q.chunk) for q in questions})
    random_.shuffle(chunks)
    found: list[Example] = []
    for title, chunk in chunks:
        said = [s.of(chunk) for s in sentences(chunk) if s.kind == "text"]
        places = [n for n, text in enumerate(said) if 50 < len(text) < 240]
        random_.shuffle(places)
        for n in places[:2]:
            if (other := _swapped(said[n], random_)) is None:
                continue
            near = said[max(0, n - random_.randint(0, 2)) : n + 1 + random_.randint(0, 2)]
            evidence, _ = drawn_text(title, " ".join(near), random_, 0.2)
            for text, support in ((said[n], 1.0), (other, 0.0)):
                # Else whatever is not said to the letter would be taken for not supported.
                claim = _by_pronoun(text, random_) if random_.random() < 0.5 else text
                found.append(Example(claim, evidence, "swapped", support=support))
        if len(found) >= count:
            break
    return found[:count]


_SUBJECT = re.compile(
    r"(?:The [a-z]+|[A-Z][\w’'-]+(?: [A-Z][\w’'-]+){0,2})"
    r"(?= (?:is|was|has|had|can|will|may|became|won|took|\w{3,}[^e]ed) )"
)


def _by_pronoun(said: str, random_: random.Random) -> str:
    """A sentence with its short subject told by a pronoun, as answers do; as it is without one."""
    pronoun = random_.choice(("It", "It", "He", "She"))
    found = _SUBJECT.match(said)
    return pronoun + said[found.end() :] if found else said


_LISTED = re.compile(r"[\s,;&/–-]*(?:\b(?:and|or|und|of|the|to|with|between)\b[\s,]*)*")
"""Between two names of a list, its others left out, or of one name: they may change places."""


def _nameless(text: str) -> str:
    return NUMBER.sub("", NAME.sub("", text))


def _swapped(said: str, random_: random.Random) -> str | None:
    """A sentence with two names or figures of one form exchanged; None where it has none."""
    years = [m for m in NUMBER.finditer(said) if re.fullmatch(r"1[5-9]\d\d|20\d\d", m[0])]
    figures = [m for m in NUMBER.finditer(said) if m not in years]
    ways = []
    for kind in (list(NAME.finditer(said)), years, figures):
        ways += [
            (one, other)
            for n, one in enumerate(kind)
            for other in kind[n + 1 :]
            if one[0] not in other[0]
            and other[0] not in one[0]
            and not _LISTED.fullmatch(_nameless(said[one.end() : other.start()]))
        ]
    if not ways:
        return None
    one, other = random_.choice(ways)
    between = said[one.end() : other.start()]
    return said[: one.start()] + other[0] + between + one[0] + said[other.end() :]


def stated_claims(
    questions: Sequence[Question], random_: random.Random, count: int
) -> list[Example]:
    """Statements made of questions and answers, which say a passage's facts in other words.

    Half have the right answer; a third the answer to another question about the same chunk, that
    begins with the same word if there is one; the rest stand before another chunk of the article,
    without the right answer.
    """
    by_chunk: dict[str, list[Question]] = defaultdict(list)
    by_article: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        by_chunk[question.chunk].append(question)
        by_article[question.article].append(question)

    def make(question: Question) -> Example | None:
        answer, chunk, right = question.answer, question.chunk, question.answer.lower()
        roll = random_.random()
        if roll >= 0.5:
            if roll >= 0.84:
                around = by_article[question.article]
                others = [q for q in around if right not in q.chunk.lower()]
            else:
                others = [q for q in by_chunk[chunk] if not _overlap(q.answer, answer)]
            alike = [q for q in others if q.text.split()[:1] == question.text.split()[:1]]
            if not others:
                return None
            other = random_.choice(alike or others)
            if roll >= 0.84:
                chunk = other.chunk
            else:
                answer = other.answer
        claim = declared(question.text, answer)
        if claim is None:
            return None
        second, prefix = drawn_text(question.title, chunk, random_, 0.5)
        return Example(claim, second, "stated", prefix, support=float(roll < 0.5))

    return drawn(questions, random_, count, make)


def _overlap(one: str, other: str) -> bool:
    one, other = one.lower(), other.lower()
    return one in other or other in one


# Questions and answers as statements

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
    """A question and an answer as one statement, or None where no rule fits.

    The rules follow Demszky, Guu and Liang, "Transforming Question Answering Datasets Into Natural
    Language Inference Datasets" (2018), with word lists instead of a parser.

    >>> declared("When was the tower built?", "1894")
    'The tower was built in 1894.'
    """
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
    """The statement where the question word is the subject: "Who built it"."""
    if place or wh in ("when", "where", "how long", "how old", "whom") or len(words) < 2:
        return None
    if wh == "who":
        return _sentence([answer, *words])
    verb = next(
        (
            n
            for n, word in enumerate(words[:5])
            if n and (word.lower() in PAST or (word.endswith("ed") and len(word) > 4))
        ),
        None,
    )
    counts = wh in ("how many", "how much")
    if not counts and (words[0].lower() in PAST or words[0].endswith("ed")):
        return _sentence([answer, *words])
    if verb is None:
        return None
    return _sentence([answer, *(_counted(answer, words[:verb]) if counts else []), *words[verb:]])


def _copula(wh: str, auxiliary: str, rest: list[str], value: str) -> str:
    """ "The capital of France is Paris" or "Weber was elected", by what stands after the verb."""
    called = next((n for n, word in enumerate(rest) if n and word.lower() in _CALLED), None)
    if called is not None:
        return _sentence([*rest[:called], auxiliary, rest[called], value, *rest[called + 1 :]])
    if rest[0].lower() in _DETERMINERS and wh != "who" and rest[-1].lower() not in _ENDS:
        return _sentence([*rest, auxiliary, value])
    if rest[-1].lower() in _ENDS and len(rest) > 1:
        return _sentence([*rest[:-1], auxiliary, rest[-1], value])
    return _sentence([value, auxiliary, *rest])


def _value(wh: str, place: str, noun: list[str], answer: str) -> str:
    """The answer as it stands in the statement: with its preposition or its unit."""
    first = answer.split(maxsplit=1)[0].lower()
    if place:
        return answer if first == place else f"{place} {answer}"
    if wh in ("how many", "how much"):
        return " ".join([answer, *_counted(answer, noun)])
    if first in _ENDS:
        return answer
    if wh == "when" and re.search(r"\d{4}", answer):
        day = re.match(r"\d{1,2} [A-Z]|[A-Z]\w+ \d{1,2}\b", answer)
        return f"on {answer}" if day else f"in {answer}"
    period = noun and noun[0].lower() in ("year", "month", "century", "decade", "city", "country")
    return f"in {answer}" if wh == "where" or period else answer


def _counted(answer: str, noun: list[str]) -> list[str]:
    """What was counted, where the answer is a bare number."""
    return noun if re.fullmatch(r"[\w.,-]+", answer) else []


def _verb(rest: list[str], *, past: bool) -> int | None:
    """Where the verb of a subject and its predicate stands, None where that is not clear."""
    for n in range(1, min(len(rest), _LONGEST)):
        word, before = rest[n].lower(), rest[n - 1].lower()
        if before in _DETERMINERS or before in _ENDS:
            continue
        participle = word in _PARTICIPLES or (len(word) > 4 and word.endswith(("ed", "ing")))
        if participle if past else word in BASE:
            return n
    return None


def _third(verb: str) -> str:
    """A plain verb in the third person: "it carries"."""
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "x", "ch", "sh", "o")) else f"{verb}s"


def _sentence(words: list[str]) -> str:
    said = " ".join(words)
    return f"{said[0].upper()}{said[1:]}."
