"""Follow-up questions to standalone ones, by a trained choice of words.

A standalone question is mostly the question as it was said and a few words of the talk before it.
So every content word of the history that the question lacks is judged: where and how it was said
(``talk``), and what the shipped embedder's layers make of it when it reads the history and the
question together (``TokenStates``). A linear model sums up the many numbers of the latter,
trees decide with its result for the word, its neighbours and its rivals, and with how near the
question is to the talk at all: after a change of subject nothing should be added. ``follow.json``
holds both and says what they were fitted to; ``eval/fit_rewriter.py`` makes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from rag.errors import ModelError
from rag.models.embedder import TokenStates
from rag.retrieve import talk
from rag.retrieve.rewrite import RuleRewriter
from rag.retrieve.seen import around, forms, level, look
from rag.retrieve.talk import Candidate, Talk, Word
from rag.types import Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Floats = NDArray[np.float64]

WEIGHTS = Path(__file__).with_name("follow.json")
MOST = 12  # words that are added; who needs more asks about something else
KEPT = 0.95  # share of a question's own words that a standalone question keeps
LANGUAGE_SAMPLE = 300  # characters
SHORT_REPLY = 25  # characters

_BY = "to|in|for|from|at|with|on|of"
_INSTEAD = re.compile(  # "And to Sweden?", "What about the Solo plan?"
    rf"(?:(?i:and what about|what about|how about|and|or|but) (?:(?i:(?P<by>{_BY})) )?|"
    rf"(?i:(?P<first>{_BY})) )(?i:the )?"
    r"[A-Z][\w’'-]*(?: [A-Z\d][\w’'-]*)*(?: [a-z]+)?[ ?.!]*"
)
_FIGURE_BEFORE, _FIGURE_AFTER = re.compile(r"\d ?$"), re.compile(r" ?\d")
_COURTESY = re.compile(r"\b(?:thank|thanks|bye|goodbye|hello|hi|cheers)\b", re.IGNORECASE)
_COURTEOUS = talk.CHATTER | frozenset(
    """
    welcome day nice lot lots wonderful perfect awesome excellent fine nope nothing everything night
    helpful appreciate sounds kind problem covered believe right now everyone love lovely guess
    alright yep yeah
    """.split()
)


class Weights(BaseModel):
    """What ``follow.json`` holds; further keys say where the numbers come from.

    ``linear`` goes with ``forms`` and then ``look``'s columns. The nodes of all trees lie one after
    the other: ``features``, ``thresholds`` (left if not above), ``left`` and ``right``; a leaf is
    its own child. Probability = sigmoid(bias + Σ values of the leaves).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    forms: tuple[str, ...]
    linear_bias: float
    linear: tuple[float, ...]
    bias: float
    roots: tuple[int, ...]
    features: tuple[int, ...]
    thresholds: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    values: tuple[float, ...]

    @classmethod
    def read(cls, file: Path = WEIGHTS) -> Weights:
        """Read the file. Raises ModelError if it is missing or not what it should be."""
        try:
            return cls.model_validate(json.loads(file.read_bytes()))
        except (OSError, ValueError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{file} cannot be used ({reason}); reinstall footnote-rag.") from None


class Model:
    """The weights as arrays: probabilities that candidates belong in the standalone question."""

    def __init__(self, weights: Weights) -> None:
        self.forms = weights.forms
        self._linear = np.array(weights.linear, np.float32)
        self._linear_bias = weights.linear_bias
        self._bias = weights.bias
        self._roots = np.array(weights.roots)
        self._features = np.array(weights.features)
        self._thresholds = np.array(weights.thresholds)
        self._children = np.array([weights.right, weights.left])
        self._values = np.array(weights.values)

    def judge(self, read: Talk, states: TokenStates) -> Floats:
        """Return a probability for each candidate."""
        formed = forms(read, self.forms)
        seen = look(read, states)
        first = np.concatenate([formed, seen], axis=1) @ self._linear + self._linear_bias
        return self.trees(np.concatenate([formed, around(read, first), level(seen)], axis=1))

    def trees(self, rows: Array) -> Floats:
        """Walk down all trees for all rows at once."""
        nodes = np.tile(self._roots, (len(rows), 1))
        each = np.arange(len(rows))[:, None]
        while True:
            lower = rows[each, self._features[nodes]] <= self._thresholds[nodes]
            below = self._children[lower.astype(np.intp), nodes]
            if np.array_equal(below, nodes):
                break
            nodes = below
        total = self._bias + self._values[nodes].sum(axis=1)
        return np.asarray(1 / (1 + np.exp(-total)))


@cache
def _model() -> Model:
    return Model(Weights.read())


@cache
def _states() -> TokenStates:
    return TokenStates()


class TrainedRewriter:
    """Adds the words of the talk that a question leans on; English, other languages by rule.

    The model is loaded at the first question with a history. Threads may share one.
    """

    def __init__(self) -> None:
        self._rule = RuleRewriter()

    def rewrite(self, history: Sequence[Turn], question: str) -> str:
        """Return the question, with words of the talk appended in brackets where it needs them."""
        if not history or not question.strip():
            return question
        if not _may_be_english(history, question):
            return self._rule.rewrite(history, question)
        read = talk.read(history, question)
        if not read.candidates or is_courtesy(read):
            return question
        chosen = choose(len({word.term for word in read.asked}), _model().judge(read, _states()))
        chosen = with_whole_names(read, without_rivals(read, without_replies(read, chosen)))
        added = _written(read, [read.candidates[n] for n in chosen])
        return f"{question.strip()} ({added})" if added else question


def _may_be_english(history: Sequence[Turn], question: str) -> bool:
    from rag.text.language import detect

    said = [turn.text[:LANGUAGE_SAMPLE] for turn in history if turn.role == "user"]
    return detect(" ".join([question[:LANGUAGE_SAMPLE], *said[-2:]]))[0] in (None, "en")


def is_courtesy(read: Talk) -> bool:
    """Tell whether the turn only greets, thanks or says goodbye: it asks about nothing."""
    text = read.question
    return (
        "?" not in text
        and bool(_COURTESY.search(text))
        and all(word.text.casefold() in _COURTEOUS for word in read.asked)
    )


def choose(own: int, probabilities: Floats) -> list[int]:
    """Return the candidates to add, the likeliest first: as many as make the expected F1 highest.

    ``own`` is the number of terms that the question has itself.
    """
    order = np.argsort(-probabilities, kind="stable")
    kept = own * KEPT
    hits = kept + np.concatenate([[0.0], np.cumsum(probabilities[order])])
    added = np.arange(len(order) + 1)
    expected = 2 * hits / (own + added + hits[-1] + 1e-9)
    return [int(n) for n in order[: int(np.argmax(expected[: MOST + 1]))]]


def without_replies(read: Talk, chosen: Sequence[int]) -> list[int]:
    """Return the chosen candidates but for figures, with their units, that a short reply gave.

    "EUR 14.90" answered the question before; the next one is about something else.
    """
    short = {
        said.turn: said.text
        for said in read.turns
        if not said.user and len(said.text) <= SHORT_REPLY
    }

    def figure(word: Word) -> bool:
        text = short.get(word.turn, "")
        return bool(text) and bool(
            word.text[0].isdigit()
            or _FIGURE_BEFORE.search(text[: word.start])
            or _FIGURE_AFTER.match(text[word.end :])
        )

    return [n for n in chosen if not all(map(figure, read.candidates[n].words))]


def without_rivals(read: Talk, chosen: Sequence[int]) -> list[int]:
    """Return the chosen candidates but for names that the question puts another in place of.

    "And to Sweden?" after "What does shipping to Norway cost?" is not about Norway.
    """
    other = _INSTEAD.fullmatch(read.question.strip())
    if other is None:
        return list(chosen)
    texts = {said.turn: said.text for said in read.turns}
    by = (other["by"] or other["first"] or "").lower()
    before = re.compile(rf"(?:^|\W){by}(?: the)?(?: [A-Z][\w’'-]*)* ?$") if by else None

    def rival(word: Word) -> bool:
        if not word.user or word.first or not word.text[0].isupper():
            return False
        return before is None or bool(before.search(texts[word.turn][: word.start]))

    return [n for n in chosen if not any(map(rival, read.candidates[n].words))]


def with_whole_names(read: Talk, chosen: Sequence[int]) -> list[int]:
    """Return the chosen candidates and the rest of the names that they are a part of.

    Half a name finds something else.
    """
    capitals = {
        (word.turn, word.phrase, word.position): n
        for n, candidate in enumerate(read.candidates)
        for word in candidate.words
        if word.text[:1].isupper() and (word.right or not word.first)
    }
    found = dict.fromkeys(chosen)
    for word in [main_word(read.candidates[n]) for n in chosen]:
        for step in (-1, 1):
            place = word.position
            while (n := capitals.get((word.turn, word.phrase, place))) is not None:
                found[n] = None
                place += step
    return list(found)


def _written(read: Talk, chosen: Sequence[Candidate]) -> str:
    """Return the words as they were said, in their order; neighbours keep what joins them."""
    words = sorted((main_word(c) for c in chosen), key=lambda w: (w.turn, w.start))
    texts = {said.turn: said.text for said in read.turns}
    added, end = "", 0
    for n, word in enumerate(words):
        between = texts[word.turn][end : word.start]
        together = n > 0 and words[n - 1].turn == word.turn and talk.JOIN.fullmatch(between)
        added += (between if together else " " if n else "") + word.text
        end = word.end
    return added


def main_word(candidate: Candidate) -> Word:
    """Return the place that stands for a candidate: where the user said it last, if ever."""
    words = [word for word in candidate.words if word.user] or candidate.words
    return max(words, key=lambda word: (word.turn, -word.position))
