"""A conversation as words with places, and what can be said of each word by looking.

For every content term of the history that a follow-up question lacks: who said it, when, how often,
where in its sentence and beside what, and what kind of question it would complete. The features are
about form, never about which word it is, so that they hold for talk about anything.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

from rag.retrieve.rewrite import depends
from rag.text.terms import content_terms
from rag.types import Turn

USER_TURNS = 12  # of the user's turns that are read: the first one and the last ones
ASSISTANT_TURNS = 2
"""That many of the assistant's are read: on CAsT, GECOR and CQR one holds all but .015 (term F1) of
what all of them hold, two all but .006."""
TURN_WORDS = 80  # of a turn; what follows is rarely what a follow-up means
TURN_CHARACTERS = 2000
CANDIDATES = 100  # terms that are judged, the latest ones

_TOKEN = re.compile(r"[^\W_]+")
_CLITICS = frozenset("s t re ve ll d m".split())
_SENTENCE_END = re.compile(r"[.!?;:]\s|[\n\r]|[.!?]['\")]*\s")
JOIN = re.compile(r"[ \t]?[-'’&/.]?[ \t]?")  # between words of one phrase

_ROLES = {
    word: role
    for role, words in {
        "of": "of",
        "about": "about regarding concerning",
        "preposition": "in on at for from to with by into near during between after before without "
        "under over through against within",
        "determiner": "the a an this that these those some any which what each all both other such",
        "possessive": "my your his her its their our whose",
        "be": "is are was were be been being am isn aren wasn weren",
        "auxiliary": "do does did can could will would should may might must shall has have had "
        "don doesn didn won",
        "pronoun": "i you he she it they we me him them us one ones there",
        "question": "who whom when where why how",
        "conjunction": "and or but so if than as because while",
    }.items()
    for word in words.split()
}
BEFORE = ("start", "of", "about", "preposition", "determiner", "possessive", "be", "auxiliary",
          "pronoun", "question", "conjunction", "other")  # fmt: skip
AFTER = ("end", "of", "preposition", "be", "auxiliary", "pronoun", "conjunction", "other")

CHATTER = frozenset(
    """
    thanks thank please ok okay yes no hi hello great good sure hey really actually cool nice tell
    show explain describe give find me know want like need help looking question information
    another different some any example examples interesting sorry goodbye bye welcome oh wow hmm
    """.split()
)

# What a question may lean on, by kind.
LEANS = {
    "it": r"\b(?:it|its|itself)\b",
    "they": r"\b(?:they|them|their|theirs|themselves)\b",
    "these": r"\b(?:these|those)\b",
    "person": r"\b(?:he|him|his|she|her|hers)\b",
    "this": r"\b(?:this|that)\b",
    "there": r"\bthere\b(?! (?:is|are|was|were|any|a)\b)(?<!is there)(?<!are there)",
    "one": r"\b(?:one|ones|either|neither|both|same|such)\b",
    "other": r"\b(?:others?|else|another|more|instead|also|too|similar|different)\b",
    "what_about": r"^\W*(?:(?:and|so|ok(?:ay)?|but|no|yes)\W+)?(?:(?:what|how) about|and)\b",
    "opening": r"^\W*(?:and|but|or|so|then|also|ok(?:ay)?|oh|no|yes|yeah|sure|great)\b",
    "yes": r"^\W*(?:yes|yeah|yep|sure|ok(?:ay)?|please|great|perfect)\b",
    "no": r"^\W*(?:no|nope|not)\b",
    "thanks": r"\b(?:thank|thanks|bye|goodbye)\b",
    "the": r"\bthe\b",
    "the_noun_of": r"\b(?:of|in|for|about|between) ",
    "ends_short": r"\b(?:of|in|for|about|to|with|from|it|that|them|there)\W*$",
    "mark": r"\?\s*$",
    "compares": r"\b(?:compare|difference|differences|versus|vs|than|between|better|related)\b",
    "most": r"\b(?:most|best|main|first|last|largest|biggest|common|important|\w+est)\b",
}
_LEANS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in LEANS.items()}
_ASKS = {
    "what": r"^\W*(?:what|which)\b",
    "how": r"^\W*how\b",
    "how_many": r"\bhow (?:much|many|long|far|old|big|often)\b",
    "why": r"\bwhy\b",
    "who": r"^\W*(?:who|whose|whom)\b",
    "when": r"^\W*(?:when|where)\b",
    "yes_no": r"^\W*(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had)\b",
    "order": r"^\W*(?:tell|give|show|describe|explain|find|please|let|send|i|let's|compare)\b",
}
_ASKS_COMPILED = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _ASKS.items()}


@dataclass(frozen=True, slots=True)
class Word:
    """A content word at its place: ``back`` counts the turns of its speaker, 0 is the last."""

    text: str
    term: str
    turn: int
    start: int
    end: int
    user: bool
    back: int
    sentence: int
    position: int
    phrase: int  # number of the run of content words it belongs to
    left: int  # words of that run before it
    right: int  # and after it
    before: str  # what kind of word stands before the run
    after: str
    verb: bool  # stands where a verb would
    first: bool  # opens its sentence


@dataclass(slots=True)
class Said:
    """One turn that is read."""

    turn: int
    user: bool
    back: int
    text: str
    words: list[Word]
    asks: bool = False
    leans: bool = False


@dataclass(slots=True)
class Candidate:
    """A term of the history that the question lacks, with every place it was said."""

    term: str
    words: list[Word] = field(default_factory=list)


@dataclass(slots=True)
class Talk:
    """A history as far as it is read, and a question."""

    question: str
    asked: list[Word]
    turns: list[Said]  # oldest first
    candidates: list[Candidate]


def read(history: Sequence[Turn], question: str) -> Talk:
    """Cut the turns that count into words and gather the terms that the question lacks."""
    turns = []
    users = [n for n, turn in enumerate(history) if turn.role == "user"]
    others = [n for n, turn in enumerate(history) if turn.role != "user"]
    chosen = {*users[:1], *users[-USER_TURNS:], *others[-ASSISTANT_TURNS:]}
    back = {n: len(users) - 1 - k for k, n in enumerate(users)}
    back |= {n: len(others) - 1 - k for k, n in enumerate(others)}
    for n in sorted(chosen):
        turn = history[n]
        text = turn.text[:TURN_CHARACTERS]
        user = turn.role == "user"
        said = Said(n, user, back[n], text, list(cut(text, n, user, back[n])))
        said.asks = text.rstrip().endswith("?")
        said.leans = user and depends(text)
        turns.append(said)
    asked = list(cut(question[:TURN_CHARACTERS], len(history), True, -1))
    have = {word.term for word in asked}
    found: dict[str, Candidate] = {}
    for said in reversed(turns):
        for word in said.words:
            if word.term not in have:
                found.setdefault(word.term, Candidate(word.term)).words.append(word)
    candidates = list(found.values())[:CANDIDATES]
    return Talk(question, asked, turns, candidates)


@lru_cache(maxsize=256)
def cut(text: str, turn: int, user: bool, back: int) -> tuple[Word, ...]:
    """Return the content words of a text with their places."""
    tokens: list[tuple[str, int, int, str, int]] = []  # text, start, end, term, sentence
    sentence, last = 0, 0
    for match in _TOKEN.finditer(text):
        gap = text[last : match.start()]
        if gap[-1:] in ("'", "’") and match[0].casefold() in _CLITICS:
            last = match.end()
            continue
        if last and (gap.endswith((".", "?", "!")) or _SENTENCE_END.search(gap)):
            sentence += 1
        if len(tokens) >= TURN_WORDS:
            break
        tokens.append((match[0], match.start(), match.end(), _term(match[0]), sentence))
        last = match.end()
    words: list[Word] = []
    number = 0
    n = 0
    while n < len(tokens):
        if not tokens[n][3]:
            n += 1
            continue
        end = n + 1
        while (
            end < len(tokens)
            and tokens[end][3]
            and tokens[end][4] == tokens[n][4]
            and _joined(text[tokens[end - 1][2] : tokens[end][1]])
        ):
            end += 1
        before = _kind(tokens, n - 1, tokens[n][4], "start")
        after = _kind(tokens, end, tokens[n][4], "end")
        for k in range(n, end):
            word, start, stop, term, place = tokens[k]
            opens = k == 0 or tokens[k - 1][4] != place
            words.append(
                Word(
                    word, term, turn, start, stop, user, back, place, k, number, k - n, end - 1 - k,
                    before, after, k == n and before in ("pronoun", "auxiliary"), opens,
                )
            )  # fmt: skip
        number += 1
        n = end
    return tuple(words)


def _joined(gap: str) -> bool:
    return bool(JOIN.fullmatch(gap)) or gap in ("'s ", "’s ", "s' ", "s’ ")


def _kind(
    tokens: Sequence[tuple[str, int, int, str, int]], n: int, sentence: int, edge: str
) -> str:
    if not 0 <= n < len(tokens) or tokens[n][4] != sentence:
        return edge
    return _ROLES.get(tokens[n][0].casefold(), "other")


@lru_cache(maxsize=8192)
def _term(word: str) -> str:
    found = content_terms(word)
    return found[0] if found else ""


@cache
def _ranks() -> dict[str, int]:
    from rag.models.embedder import TOKENIZER_FILE, WEIGHTS

    vocabulary = json.loads((WEIGHTS / TOKENIZER_FILE).read_text("utf-8"))["model"]["vocab"]
    return {piece: n for piece, n in vocabulary.items() if not piece.startswith("##")}


@lru_cache(maxsize=8192)
def rarity(word: str) -> float:
    """Return how rare a word is, 0 to 1, by its place in the tokenizer's list of common pieces."""
    rank = _ranks().get(word.casefold())
    return 1.0 if rank is None else min(1.0, math.log(max(rank, 1000) / 1000) / 3.5)


def question_features(talk: Talk) -> dict[str, float]:
    """Return what the question looks like, and the conversation before it."""
    text, asked = talk.question, talk.asked
    row = {f"q_{name}": float(bool(p.search(text))) for name, p in _LEANS.items()}
    row |= {f"q_{name}": float(bool(p.search(text))) for name, p in _ASKS_COMPILED.items()}
    users = [said for said in talk.turns if said.user]
    others = [said for said in talk.turns if not said.user]
    terms = [word.term for word in asked if word.text.casefold() not in CHATTER]
    in_history = {word.term for said in talk.turns for word in said.words}
    last = {word.term for said in users[-1:] for word in said.words}
    reply = {word.term for said in others[-1:] for word in said.words}
    rare = sorted((rarity(word.text) for word in asked), reverse=True)
    row |= {
        "q_depends": float(depends(text)),
        "q_terms": min(10, len(set(terms))),
        "q_words": min(25, len(_TOKEN.findall(text[:TURN_CHARACTERS]))),
        "q_sentences": min(3, asked[-1].sentence if asked else 0),
        "q_rarest": rare[0] if rare else 0.0,
        "q_rare_mean": sum(rare) / len(rare) if rare else 0.0,
        "q_names": min(4, sum(w.text[:1].isupper() and not w.first for w in asked)),
        "q_known": len(in_history & set(terms)) / max(1, len(set(terms))),
        "q_known_count": min(4, len(in_history & set(terms))),
        "q_in_last": min(3, len(last & set(terms))),
        "q_in_reply": min(3, len(reply & set(terms))),
        "q_verb": float(any(w.verb for w in asked)),
        "turns": min(10, len(users)),
        "has_reply": float(bool(others)),
        "reply_asks": float(bool(others) and others[-1].asks),
        "reply_words": min(80, len(others[-1].words)) if others else 0,
        "last_leans": float(bool(users) and users[-1].leans),
        "last_terms": min(20, len(last)),
        "candidates": len(talk.candidates),
    }
    return row


def features(talk: Talk) -> list[dict[str, float]]:
    """Return one row of features for each candidate."""
    shared = question_features(talk)
    asked_terms = {word.term for word in talk.asked}
    users = [said for said in talk.turns if said.user]
    stands = [said.back for said in users if not said.leans]
    said_of = {said.turn: said for said in talk.turns}
    by_sentence: dict[tuple[int, int], set[str]] = {}
    by_phrase: dict[tuple[int, int], list[str]] = {}
    for said in talk.turns:
        for word in said.words:
            by_sentence.setdefault((word.turn, word.sentence), set()).add(word.term)
            by_phrase.setdefault((word.turn, word.phrase), []).append(word.term)
    firsts = {users[0].turn} if users else set()
    rows = []
    for candidate in talk.candidates:
        words = candidate.words
        by_user = [w for w in words if w.user]
        by_other = [w for w in words if not w.user]
        main = max(by_user or words, key=lambda w: (w.turn, -w.position))
        said = said_of[main.turn]
        back_user = min((w.back for w in by_user), default=20)
        back_other = min((w.back for w in by_other), default=20)
        origin = min(words, key=lambda w: (w.turn, w.position))
        casefolded = main.text.casefold()
        linked = [asked_terms & set(by_phrase[w.turn, w.phrase]) for w in words]
        beside = [asked_terms & by_sentence[w.turn, w.sentence] for w in words]
        latest = max(words, key=lambda w: w.turn)
        row = dict(shared)
        row |= {
            "back_user": min(8, back_user),
            "back_other": min(8, back_other),
            "user_turns": min(5, len({w.turn for w in by_user})),
            "other_turns": min(5, len({w.turn for w in by_other})),
            "times": min(6, len(words)),
            "in_first": float(any(w.turn in firsts for w in words)),
            "in_last": float(back_user == 0),
            "in_reply": float(back_other == 0),
            "share": len({w.turn for w in by_user}) / max(1, len(users)),
            "origin_user": float(origin.user),
            "origin_turn": min(8, len([s for s in users if s.turn > origin.turn])),
            "new_in_reply": float(not by_user),
            "echoed": float(bool(by_user) and back_other == 0),
            "breaks": min(5, sum(back < back_user for back in stands)),
            "stood": float(main.user and not said.leans),
            "lean_turn": float(main.user and said.leans),
            "turn_terms": min(20, len(said.words)),
            "place": main.position / max(1, said.words[-1].position) if said.words else 0.0,
            "reply_place": min(60, next((w.position for w in by_other if w.back == 0), 60)),
            "sentence": min(5, main.sentence),
            "capital": float(any(w.text[:1].isupper() and not w.first for w in words)),
            "capitals": float(main.text[:1].isupper()),
            "number": float(main.text[:1].isdigit()),
            "rarity": rarity(main.text),
            "length": min(14, len(main.text)),
            "plural": float(casefolded.endswith("s") and not casefolded.endswith("ss")),
            "ing": float(casefolded.endswith("ing")),
            "ed": float(casefolded.endswith("ed")),
            "ly": float(casefolded.endswith("ly")),
            "adjective": float(
                casefolded.endswith(("al", "ive", "ous", "ful", "ic", "able", "ant"))
            ),
            "action": float(casefolded.endswith(("tion", "sion", "ment", "ness", "ity", "ance"))),
            "chatter": float(casefolded in CHATTER),
            "phrase": min(5, main.left + main.right + 1),
            "left": min(3, main.left),
            "right": min(3, main.right),
            "longest": min(5, max(w.left + w.right + 1 for w in words)),
            "head": float(any(w.right == 0 for w in words)),
            "verb": float(any(w.verb for w in words)),
            "linked": float(any(linked)),
            "beside": float(any(beside)),
            "beside_share": max(len(b) for b in beside) / max(1, len(asked_terms)),
            "asks": float(said.asks),
            "latest_left": min(3, latest.left),
            "latest_right": min(3, latest.right),
        }
        before, after = {w.before for w in words}, {w.after for w in words}
        row |= {f"before_{kind}": float(main.before == kind) for kind in BEFORE}
        row |= {f"after_{kind}": float(main.after == kind) for kind in AFTER}
        row["ever_about"] = float("about" in before)
        row["ever_of"] = float("of" in before)
        row["ever_end"] = float("end" in after)
        rows.append(row)
    return rows
