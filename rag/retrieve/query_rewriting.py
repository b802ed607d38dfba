"""Follow-up questions to standalone ones: by a trained choice of words, or by rule.

A standalone question is mostly the question as it was said and a few words of the talk before it.
So every content word of the history that the question lacks is judged by what
``rewriting_features`` says of it: a linear model sums up the many numbers of the embedder's layers,
trees decide with its result for the word, its neighbours and its rivals, and with how near the
question is to the talk at all: after a change of subject nothing should be added.
``query_rewriting.json`` holds both and says what they were fitted to; ``eval/fit_rewriter.py``
makes it. Other languages than English go by rule: a question with a pronoun or an ellipsis ("and
how long does it take?", "what about Spain?") gets the terms of the conversation's topic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag.errors import ModelError
from rag.models.embedder import TokenStates
from rag.retrieve.rewriting_features import (
    CHATTER,
    JOIN,
    NO_TOPIC,
    OPENING,
    WORD,
    Candidate,
    Conversation,
    Word,
    depends,
    form_array,
    neighbour_features,
    read_conversation,
    similarity_features,
    state_features,
)
from rag.text.language import detect
from rag.text.terms import content_terms
from rag.types import Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Floats = NDArray[np.float64]

WEIGHTS = Path(__file__).with_suffix(".json")
MOST_ADDED = 12  # words; who needs more asks about something else
MOST_ADDED_BY_RULE = 6
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
_COURTEOUS = CHATTER | frozenset(
    """
    welcome day nice lot lots wonderful perfect awesome excellent fine nope nothing everything night
    helpful appreciate sounds kind problem covered believe right now everyone love lovely guess
    alright yep yeah
    """.split()
)
# What was asked of the topic; the follow-up asks something else of it.
_ASKED = frozenset(
    """
    cost costs price prices take takes long work works mean means happen happens get possible
    """.split()
)


class RuleRewriter:
    """Adds the topic of the last turns to a question that does not stand on its own.

    >>> from rag.types import Turn
    >>> said = Turn(role="user", text="What does shipping to Norway cost?")
    >>> RuleRewriter().rewrite([said], "And how long does it take?")
    'And how long does it take? (shipping Norway)'
    """

    def rewrite(self, history: Sequence[Turn], question: str) -> str:
        """The question, with the topic's words appended in brackets where it needs them."""
        if not history or not depends(question):
            return question
        have = set(content_terms(question))
        topic: list[str] = []
        for turn in reversed([turn for turn in history if turn.role == "user"]):
            words = []
            for word in WORD.findall(OPENING.sub("", turn.text)):
                terms = content_terms(word)
                if word.casefold() in NO_TOPIC | _ASKED or not terms or have.issuperset(terms):
                    continue
                have.update(terms)
                words.append(word)
            topic = words + topic
            if not depends(turn.text):
                break  # this one stood on its own, so the topic is complete
        added = " ".join(topic[:MOST_ADDED_BY_RULE])
        return f"{question.strip()} ({added})" if added else question


class Model:
    """Probabilities that candidates belong in the standalone question, by two models in a file.

    ``linear`` goes with ``forms`` and then the columns of ``state_features``. The nodes of all
    trees lie one after the other: ``features``, ``thresholds`` (left if not above), ``left`` and
    ``right``; a leaf is its own child. Probability = sigmoid(bias + Σ values of the leaves).
    Further keys say where the numbers come from. Raises ModelError for a file that is missing or
    not what it should be.
    """

    def __init__(self, file: Path = WEIGHTS) -> None:
        try:
            given = json.loads(file.read_bytes())
            self.forms = tuple(map(str, given["forms"]))
            self._linear = np.array(given["linear"], np.float32)
            self._linear_bias, self._bias = float(given["linear_bias"]), float(given["bias"])
            self._roots = np.array(given["roots"], np.intp)
            self._features = np.array(given["features"], np.intp)
            self._thresholds = np.array(given["thresholds"], np.float64)
            self._children = np.array([given["right"], given["left"]], np.intp)
            self._values = np.array(given["values"], np.float64)
        except (OSError, ValueError, TypeError, LookupError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{file} cannot be used ({reason}); reinstall footnote-rag.") from None

    def judge(self, read: Conversation, states: TokenStates) -> Floats:
        """Return a probability for each candidate."""
        forms, seen = form_array(read, self.forms), state_features(read, states)
        first = np.concatenate([forms, seen], axis=1) @ self._linear + self._linear_bias
        near = neighbour_features(read, first)
        return self.trees(np.concatenate([forms, near, similarity_features(seen)], axis=1))

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
def _loaded() -> tuple[Model, TokenStates]:
    return Model(), TokenStates()


class TrainedRewriter:
    """Adds the words of the talk that a question leans on; English, other languages by rule.

    The model is loaded at the first question with a history. Threads may share one.
    """

    def rewrite(self, history: Sequence[Turn], question: str) -> str:
        """The question, with words of the talk appended in brackets where it needs them."""
        if not history or not question.strip():
            return question
        if not _may_be_english(history, question):
            return RuleRewriter().rewrite(history, question)
        read = read_conversation(history, question)
        if not read.candidates or is_courtesy(read):
            return question
        model, states = _loaded()
        picked = pick(read, model.judge(read, states))
        added = _written(read, [read.candidates[n] for n in picked])
        return f"{question.strip()} ({added})" if added else question


def _may_be_english(history: Sequence[Turn], question: str) -> bool:
    said = [turn.text[:LANGUAGE_SAMPLE] for turn in history if turn.role == "user"]
    return detect(" ".join([question[:LANGUAGE_SAMPLE], *said[-2:]]))[0] in (None, "en")


def is_courtesy(read: Conversation) -> bool:
    """Tell whether the turn only greets, thanks or says goodbye: it asks about nothing."""
    return (
        "?" not in read.question
        and bool(_COURTESY.search(read.question))
        and all(word.text.casefold() in _COURTEOUS for word in read.asked)
    )


def pick(read: Conversation, probabilities: Floats) -> list[int]:
    """The candidates to add: the likely ones, set right by what the conversation says."""
    likely = choose(len({word.term for word in read.asked}), probabilities)
    return with_whole_names(read, without_rivals(read, without_replies(read, likely)))


def choose(own: int, probabilities: Floats) -> list[int]:
    """The candidates to add, the likeliest first: as many as make the expected F1 highest.

    ``own`` is the number of terms that the question has itself.
    """
    order = np.argsort(-probabilities, kind="stable")
    kept = own * KEPT
    hits = kept + np.concatenate([[0.0], np.cumsum(probabilities[order])])
    added = np.arange(len(order) + 1)
    expected = 2 * hits / (own + added + hits[-1] + 1e-9)
    return [int(n) for n in order[: int(np.argmax(expected[: MOST_ADDED + 1]))]]


def without_replies(read: Conversation, chosen: Sequence[int]) -> list[int]:
    """Leave out figures, with their units, that a short reply gave.

    "EUR 14.90" answered the question before; the next one is about something else.
    """
    short = {t.turn: t.text for t in read.turns if not t.user and len(t.text) <= SHORT_REPLY}

    def figure(word: Word) -> bool:
        text = short.get(word.turn, "")
        return bool(text) and bool(
            word.text[0].isdigit()
            or _FIGURE_BEFORE.search(text[: word.start])
            or _FIGURE_AFTER.match(text[word.end :])
        )

    return [n for n in chosen if not all(map(figure, read.candidates[n].words))]


def without_rivals(read: Conversation, chosen: Sequence[int]) -> list[int]:
    """Leave out names that the question puts another in place of.

    "And to Sweden?" after "What does shipping to Norway cost?" is not about Norway.
    """
    other = _INSTEAD.fullmatch(read.question.strip())
    if other is None:
        return list(chosen)
    texts = {turn.turn: turn.text for turn in read.turns}
    by = (other["by"] or other["first"] or "").lower()
    before = re.compile(rf"(?:^|\W){by}(?: the)?(?: [A-Z][\w’'-]*)* ?$") if by else None

    def rival(word: Word) -> bool:
        if not word.user or word.first or not word.text[0].isupper():
            return False
        return before is None or bool(before.search(texts[word.turn][: word.start]))

    return [n for n in chosen if not any(map(rival, read.candidates[n].words))]


def with_whole_names(read: Conversation, chosen: Sequence[int]) -> list[int]:
    """Add the rest of the names that the chosen are a part of: half a name finds something else."""
    capitals = {
        (word.turn, word.phrase, word.position): n
        for n, candidate in enumerate(read.candidates)
        for word in candidate.words
        if word.text[:1].isupper() and (word.right or not word.first)
    }
    found = dict.fromkeys(chosen)
    for word in [read.candidates[n].main for n in chosen]:
        for step in (-1, 1):
            place = word.position
            while (n := capitals.get((word.turn, word.phrase, place))) is not None:
                found[n] = None
                place += step
    return list(found)


def _written(read: Conversation, chosen: Sequence[Candidate]) -> str:
    """The words as they were said, in their order; neighbours keep what joins them."""
    words = sorted((candidate.main for candidate in chosen), key=lambda w: (w.turn, w.start))
    texts = {turn.turn: turn.text for turn in read.turns}
    added, end = "", 0
    for n, word in enumerate(words):
        between = texts[word.turn][end : word.start]
        together = n > 0 and words[n - 1].turn == word.turn and JOIN.fullmatch(between)
        added += (between if together else " " if n else "") + word.text
        end = word.end
    return added
