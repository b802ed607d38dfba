"""A conversation as words with places, and the features by which the trained rewriter judges them.

For every content term of the history that a follow-up question lacks: who said it, when, how often,
where in its sentence and beside what, and what kind of question it would complete
(``form_features``), and what the shipped embedder's layers make of it beside the question
(``state_features``). The features are about form, never about which word it is, so that they hold
for talk about anything.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rag.models.embedder import TokenStates
from rag.text.terms import STOPWORDS, content_terms
from rag.types import Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

USER_TURNS = 12  # of the user's turns that are read: the first one and the last ones
ASSISTANT_TURNS = 2
"""That many of the assistant's are read: on CAsT, GECOR and CQR one holds all but .015 (term F1) of
what all of them hold, two all but .006."""
TURN_WORDS = 80  # of a turn; what follows is rarely what a follow-up means
TURN_CHARACTERS = 2000
CANDIDATES = 100  # terms that are judged, the latest ones

TOKENS = 60  # of a turn of the user or the question; fewer of what the assistant said before
REPLY_TOKENS, OLDER_REPLY_TOKENS = 100, 50
LAYER = 2  # of ``Inside.states``: whose states go in as they are, not only as cosines
LAYERS, HEADS = 6, 72  # of the embedder; all heads, layer by layer
COSINES = 20  # four for each layer of ``Inside.states``

OPENING = re.compile(
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
WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
NO_TOPIC = frozenset(
    """
    thanks thank please ok okay yes no hi hello great good sure hey really actually cool nice tell
    show explain describe give find me know want like need help looking question information
    another different some any example examples
    """.split()
)
CHATTER = NO_TOPIC | frozenset("interesting sorry goodbye bye welcome oh wow hmm".split())

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

_QUESTION_PATTERNS = {
    f"q_{name}": re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        # What a question may lean on
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
        # What it asks for
        "what": r"^\W*(?:what|which)\b",
        "how": r"^\W*how\b",
        "how_many": r"\bhow (?:much|many|long|far|old|big|often)\b",
        "why": r"\bwhy\b",
        "who": r"^\W*(?:who|whose|whom)\b",
        "when": r"^\W*(?:when|where)\b",
        "yes_no": r"^\W*(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had)\b",
        "order": r"^\W*(?:tell|give|show|describe|explain|find|please|let|send|i|let's|compare)\b",
    }.items()
}


def depends(question: str) -> bool:
    """Tell whether a question leans on what was said before.

    >>> depends("And how long does it take?"), depends("How long does shipping to Norway take?")
    (True, False)
    """
    opening = OPENING.match(question)
    rest = _EMPTY.sub(" ", question[opening.end() :] if opening else question)
    content = [w for w in WORD.findall(rest) if w.casefold() not in STOPWORDS | NO_TOPIC]
    return bool(opening) or bool(_REFERENCE.search(rest)) or len(content) < 2


# Words and their places


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


@dataclass(frozen=True, slots=True)
class ReadTurn:
    """One turn that is read; ``back`` as in ``Word``."""

    turn: int
    user: bool
    back: int
    text: str
    words: tuple[Word, ...]
    asks: bool
    leans: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A term of the history that the question lacks, with every place it was said."""

    term: str
    words: list[Word]

    @property
    def main(self) -> Word:
        """The place that stands for it: where the user said it last, if ever."""
        words = [word for word in self.words if word.user] or self.words
        return max(words, key=lambda word: (word.turn, -word.position))


@dataclass(frozen=True, slots=True)
class Conversation:
    """A history as far as it is read, oldest turn first, and a question."""

    question: str
    asked: tuple[Word, ...]
    turns: list[ReadTurn]
    candidates: list[Candidate]


def read_conversation(history: Sequence[Turn], question: str) -> Conversation:
    """Cut the turns that count into words and gather the terms that the question lacks."""
    users = [n for n, turn in enumerate(history) if turn.role == "user"]
    others = [n for n, turn in enumerate(history) if turn.role != "user"]
    back = {n: len(turns) - 1 - k for turns in (users, others) for k, n in enumerate(turns)}
    turns = []
    for n in sorted({*users[:1], *users[-USER_TURNS:], *others[-ASSISTANT_TURNS:]}):
        text, user = history[n].text[:TURN_CHARACTERS], history[n].role == "user"
        words, asks = words_of_turn(text, n, user, back[n]), text.rstrip().endswith("?")
        turns.append(ReadTurn(n, user, back[n], text, words, asks, user and depends(text)))
    asked = words_of_turn(question[:TURN_CHARACTERS], len(history), True, -1)
    have = {word.term for word in asked}
    places: dict[str, list[Word]] = {}
    for turn in reversed(turns):
        for word in turn.words:
            if word.term not in have:
                places.setdefault(word.term, []).append(word)
    candidates = [Candidate(term, words) for term, words in places.items()]
    return Conversation(question, asked, turns, candidates[:CANDIDATES])


class _Token(NamedTuple):
    text: str
    start: int
    end: int
    term: str  # empty for a word without content
    sentence: int


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    sentence, last = 0, 0
    for match in _TOKEN.finditer(text):
        gap = text[last : match.start()]
        clitic = gap[-1:] in ("'", "’") and match[0].casefold() in _CLITICS
        if not clitic:
            if last and (gap.endswith((".", "?", "!")) or _SENTENCE_END.search(gap)):
                sentence += 1
            if len(tokens) >= TURN_WORDS:
                break
            tokens.append(_Token(match[0], *match.span(), _term(match[0]), sentence))
        last = match.end()
    return tokens


@lru_cache(maxsize=256)
def words_of_turn(text: str, turn: int, user: bool, back: int) -> tuple[Word, ...]:
    """The content words of a text with their places."""
    tokens = _tokens(text)
    runs: list[list[int]] = []  # of tokens that make a phrase
    for n, token in enumerate(tokens):
        previous = tokens[n - 1] if n else None
        if not token.term:
            continue
        if (
            previous is not None
            and previous.term
            and previous.sentence == token.sentence
            and _joined(text[previous.end : token.start])
        ):
            runs[-1].append(n)
        else:
            runs.append([n])

    def role(n: int, sentence: int, edge: str) -> str:
        if not 0 <= n < len(tokens) or tokens[n].sentence != sentence:
            return edge
        return _ROLES.get(tokens[n].text.casefold(), "other")

    words = []
    for phrase, run in enumerate(runs):
        sentence = tokens[run[0]].sentence
        before, after = role(run[0] - 1, sentence, "start"), role(run[-1] + 1, sentence, "end")
        for place, n in enumerate(run):
            token = tokens[n]
            words.append(
                Word(
                    token.text,
                    token.term,
                    turn,
                    token.start,
                    token.end,
                    user,
                    back,
                    sentence,
                    position=n,
                    phrase=phrase,
                    left=place,
                    right=len(run) - 1 - place,
                    before=before,
                    after=after,
                    verb=place == 0 and before in ("pronoun", "auxiliary"),
                    first=n == 0 or tokens[n - 1].sentence != sentence,
                )
            )
    return tuple(words)


def _joined(gap: str) -> bool:
    return bool(JOIN.fullmatch(gap)) or gap in ("'s ", "’s ", "s' ", "s’ ")


@lru_cache(maxsize=8192)
def _term(word: str) -> str:
    return next(iter(content_terms(word)), "")


# Features of form


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


def question_features(read: Conversation) -> dict[str, float]:
    """Say what the question looks like, and the conversation before it."""
    text, asked = read.question, read.asked
    users = [turn for turn in read.turns if turn.user]
    others = [turn for turn in read.turns if not turn.user]
    terms = {word.term for word in asked if word.text.casefold() not in CHATTER}
    known = terms & {word.term for turn in read.turns for word in turn.words}
    last = {word.term for turn in users[-1:] for word in turn.words}
    reply = {word.term for turn in others[-1:] for word in turn.words}
    rare = sorted((rarity(word.text) for word in asked), reverse=True)
    return {
        **{name: bool(pattern.search(text)) for name, pattern in _QUESTION_PATTERNS.items()},
        "q_depends": depends(text),
        "q_terms": min(10, len(terms)),
        "q_words": min(25, len(_TOKEN.findall(text[:TURN_CHARACTERS]))),
        "q_sentences": min(3, asked[-1].sentence if asked else 0),
        "q_rarest": rare[0] if rare else 0.0,
        "q_rare_mean": sum(rare) / len(rare) if rare else 0.0,
        "q_names": min(4, sum(w.text[:1].isupper() and not w.first for w in asked)),
        "q_known": len(known) / max(1, len(terms)),
        "q_known_count": min(4, len(known)),
        "q_in_last": min(3, len(last & terms)),
        "q_in_reply": min(3, len(reply & terms)),
        "q_verb": any(w.verb for w in asked),
        "turns": min(10, len(users)),
        "has_reply": bool(others),
        "reply_asks": bool(others) and others[-1].asks,
        "reply_words": min(80, len(others[-1].words)) if others else 0,
        "last_leans": bool(users) and users[-1].leans,
        "last_terms": min(20, len(last)),
        "candidates": len(read.candidates),
    }


def form_features(read: Conversation) -> list[dict[str, float]]:
    """Return a row for each candidate: who said it, when, how often, where and beside what."""
    shared = question_features(read)
    asked_terms = {word.term for word in read.asked}
    users = [turn for turn in read.turns if turn.user]
    stands = [turn.back for turn in users if not turn.leans]
    turn_of = {turn.turn: turn for turn in read.turns}
    by_sentence: dict[tuple[int, int], set[str]] = defaultdict(set)
    by_phrase: dict[tuple[int, int], set[str]] = defaultdict(set)
    for turn in read.turns:
        for word in turn.words:
            by_sentence[word.turn, word.sentence].add(word.term)
            by_phrase[word.turn, word.phrase].add(word.term)
    rows = []
    for candidate in read.candidates:
        words, main = candidate.words, candidate.main
        by_user = [w for w in words if w.user]
        by_other = [w for w in words if not w.user]
        turn = turn_of[main.turn]
        back_user = min((w.back for w in by_user), default=20)
        back_other = min((w.back for w in by_other), default=20)
        origin = min(words, key=lambda w: (w.turn, w.position))
        latest = max(words, key=lambda w: w.turn)
        folded = main.text.casefold()
        beside = [asked_terms & by_sentence[w.turn, w.sentence] for w in words]
        before, after = {w.before for w in words}, {w.after for w in words}
        rows.append(
            {
                **shared,
                "back_user": min(8, back_user),
                "back_other": min(8, back_other),
                "user_turns": min(5, len({w.turn for w in by_user})),
                "other_turns": min(5, len({w.turn for w in by_other})),
                "times": min(6, len(words)),
                "in_first": bool(users) and any(w.turn == users[0].turn for w in words),
                "in_last": back_user == 0,
                "in_reply": back_other == 0,
                "share": len({w.turn for w in by_user}) / max(1, len(users)),
                "origin_user": origin.user,
                "origin_turn": min(8, sum(u.turn > origin.turn for u in users)),
                "new_in_reply": not by_user,
                "echoed": bool(by_user) and back_other == 0,
                "breaks": min(5, sum(back < back_user for back in stands)),
                "stood": main.user and not turn.leans,
                "lean_turn": main.user and turn.leans,
                "turn_terms": min(20, len(turn.words)),
                "place": main.position / max(1, turn.words[-1].position),
                "reply_place": min(60, next((w.position for w in by_other if w.back == 0), 60)),
                "sentence": min(5, main.sentence),
                "capital": any(w.text[:1].isupper() and not w.first for w in words),
                "capitals": main.text[:1].isupper(),
                "number": main.text[:1].isdigit(),
                "rarity": rarity(main.text),
                "length": min(14, len(main.text)),
                "plural": folded.endswith("s") and not folded.endswith("ss"),
                "ing": folded.endswith("ing"),
                "ed": folded.endswith("ed"),
                "ly": folded.endswith("ly"),
                "adjective": folded.endswith(("al", "ive", "ous", "ful", "ic", "able", "ant")),
                "action": folded.endswith(("tion", "sion", "ment", "ness", "ity", "ance")),
                "chatter": folded in CHATTER,
                "phrase": min(5, main.left + main.right + 1),
                "left": min(3, main.left),
                "right": min(3, main.right),
                "longest": min(5, max(w.left + w.right + 1 for w in words)),
                "head": any(w.right == 0 for w in words),
                "verb": any(w.verb for w in words),
                "linked": any(asked_terms & by_phrase[w.turn, w.phrase] for w in words),
                "beside": any(beside),
                "beside_share": max(len(b) for b in beside) / max(1, len(asked_terms)),
                "asks": turn.asks,
                "latest_left": min(3, latest.left),
                "latest_right": min(3, latest.right),
                **{f"before_{kind}": main.before == kind for kind in BEFORE},
                **{f"after_{kind}": main.after == kind for kind in AFTER},
                "ever_about": "about" in before,
                "ever_of": "of" in before,
                "ever_end": "end" in after,
            }
        )
    return rows


def form_array(read: Conversation, names: Sequence[str]) -> Array:
    """The named features of form as an array, a row for each candidate."""
    rows = form_features(read)
    return np.array([[row[name] for name in names] for row in rows], np.float32)


# Features of the embedder's layers


def state_features(read: Conversation, states: TokenStates) -> Array:
    """Return what the embedder's layers say of each candidate beside the question.

    Attention between the question and the word (all heads), cosines of their states (all layers),
    both also relative to the best candidate, and the states of one layer.
    """
    texts = [
        (t.text, TOKENS if t.user else REPLY_TOKENS if t.back == 0 else OLDER_REPLY_TOKENS)
        for t in read.turns
    ]
    inside = states.look([*texts, (read.question[:TURN_CHARACTERS], TOKENS)])
    places = dict(zip([turn.turn for turn in read.turns], inside.places, strict=False))
    question = inside.places[-1]
    attention, layers = inside.attention, inside.states
    asked = [n for _, _, n in question] or [layers.shape[1] - 1]
    content = sorted({n for word in read.asked for n in _tokens_of(word, question)})
    function = [n for n in asked if n not in content] or asked

    words: list[list[int]] = []  # the tokens of every place where a candidate was said
    owners: list[int] = []
    for row, candidate in enumerate(read.candidates):
        at = [tokens for word in candidate.words if (tokens := _tokens_of(word, places[word.turn]))]
        words += at
        owners += [row] * len(at)  # none where the window ends before it

    heads = 4 * len(attention)
    seen = np.zeros((len(read.candidates), heads + 4 * len(layers)), np.float32)
    state = np.zeros((len(read.candidates), layers.shape[2]), np.float32)
    if words:
        flat = [n for tokens in words for n in tokens]
        lengths = np.array([len(tokens) for tokens in words], np.float32)
        starts = np.concatenate([[0], np.cumsum(lengths[:-1])]).astype(np.intp)
        units = layers / np.linalg.norm(layers, axis=2, keepdims=True)
        near, near_function, near_content = (
            np.add.reduceat(units[:, flat] @ others, starts, axis=1) / lengths[:, None]
            for others in (
                units[:, asked].transpose(0, 2, 1),
                units[:, function].transpose(0, 2, 1),
                units[:, content or asked].mean(axis=1)[:, :, None],
            )
        )
        cosines = np.stack(
            [near.max(axis=2), near.mean(axis=2), near_function.max(axis=2), near_content[:, :, 0]],
            axis=2,
        )
        to, to_function = attention[:, asked][:, :, flat], attention[:, function][:, :, flat]
        back = attention[:, flat][:, :, asked]
        views = np.concatenate(
            [
                np.add.reduceat(to.mean(axis=1), starts, axis=1).T,
                np.maximum.reduceat(to.max(axis=1), starts, axis=1).T,
                np.maximum.reduceat(to_function.max(axis=1), starts, axis=1).T,
                np.add.reduceat(back.sum(axis=2), starts, axis=1).T / lengths[:, None],
                cosines.transpose(1, 0, 2).reshape(len(words), -1),
            ],
            axis=1,
        )
        there, firsts, counts = np.unique(owners, return_index=True, return_counts=True)
        seen[there] = np.maximum.reduceat(views, firsts, axis=0)
        own = np.add.reduceat(layers[LAYER][flat], starts, axis=0) / lengths[:, None]
        state[there] = np.add.reduceat(own, firsts, axis=0) / counts[:, None]
    seen[:, :heads] = np.log(seen[:, :heads] + 1e-5)
    shared = np.tile(layers[LAYER][asked].mean(axis=0), (len(state), 1))
    return np.concatenate([seen, seen - seen.max(axis=0), state, state * shared, shared], axis=1)


def _tokens_of(word: Word, places: Sequence[tuple[int, int, int]]) -> list[int]:
    return [n for start, end, n in places if start < word.end and word.start < end]


def similarity_features(states: Array) -> Array:
    """Return how near the question is to the nearest candidate, to each, and their difference.

    ``states`` is from ``state_features``: its cosines, and its attention (mean and most) layer by
    layer.
    """
    kinds = states[:, : 2 * HEADS].reshape(len(states), 2, LAYERS, -1).mean(axis=3)
    cosines = states[:, 4 * HEADS : 4 * HEADS + COSINES]
    near = np.concatenate([cosines, kinds.reshape(len(states), -1)], axis=1)
    best = np.tile(near.max(axis=0), (len(near), 1))
    return np.concatenate([best, near, near - best], axis=1).astype(np.float32)


def neighbour_features(read: Conversation, first: Array) -> Array:
    """The first model's result for each candidate beside its rivals and neighbours."""
    result = dict(zip([c.term for c in read.candidates], first.tolist(), strict=True))
    phrases: dict[tuple[int, int], list[float]] = defaultdict(list)
    for turn in read.turns:
        for word in turn.words:
            if word.term in result:
                phrases[word.turn, word.phrase].append(result[word.term])
    near = []
    for candidate in read.candidates:
        groups = [phrases[word.turn, word.phrase] for word in candidate.words]
        means = [sum(group) / len(group) for group in groups]
        near.append((max(means), max(map(max, groups)), means[0], max(map(min, groups))))
    ordered = np.sort(first)[::-1]
    ranks = np.argsort(np.argsort(-first, kind="stable"), kind="stable")
    best, second, third = (ordered[n] if len(ordered) > n else 0.0 for n in range(3))
    neighbours = np.array(near, np.float32)
    same = np.array([best, np.clip(first, 0, 1).sum(), second, third], np.float32)
    return np.concatenate(
        [
            np.stack([first, np.minimum(ranks, 20), first - best], axis=1),
            np.tile(same, (len(first), 1)),
            neighbours,
            neighbours[:, 1:2] - first[:, None],
        ],
        axis=1,
    ).astype(np.float32)
