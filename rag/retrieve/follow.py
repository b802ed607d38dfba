"""Follow-up questions to standalone ones, by a trained choice of words.

A standalone question is mostly the question as it was said and a few words of the talk before it.
So every content word of the history that the question lacks is judged: where and how it was said
(``talk``), and what the shipped embedder's layers make of it when it reads the history and the
question together (``rag.models.states``). A linear model sums up the many numbers of the latter,
trees decide with its result for the word, its neighbours and its rivals. ``follow.json`` holds both
and says what they were fitted to; ``eval/fit_rewriter.py`` makes it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from rag.errors import ModelError
from rag.models.states import TokenStates
from rag.retrieve import talk
from rag.retrieve.rewrite import RuleRewriter, depends
from rag.retrieve.talk import Candidate, Talk, Word
from rag.types import Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Floats = NDArray[np.float64]

WEIGHTS = Path(__file__).with_name("follow.json")
TOKENS = 60  # of a turn of the user or the question; fewer of what the assistant said before
REPLY_TOKENS, OLDER_REPLY_TOKENS = 100, 50
MOST = 12  # words that are added; who needs more asks about something else
ENOUGH = 4  # content words of a question that changes the subject
KEPT = 0.95  # share of a question's own words that a standalone question keeps
LAYER = 2  # of ``Inside.states``: whose states go in as they are, not only as cosines
LANGUAGE_SAMPLE = 300  # characters


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
        seen = np.concatenate([formed, look(read, states)], axis=1)
        first = seen @ self._linear + self._linear_bias
        return self.trees(np.concatenate([formed, around(read, first)], axis=1))

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
        if not read.candidates or stands_alone(read):
            return question
        chosen = choose(len({word.term for word in read.asked}), _model().judge(read, _states()))
        added = _written(read, [read.candidates[n] for n in chosen])
        return f"{question.strip()} ({added})" if added else question


def _may_be_english(history: Sequence[Turn], question: str) -> bool:
    from rag.text.language import detect

    said = [turn.text[:LANGUAGE_SAMPLE] for turn in history if turn.role == "user"]
    return detect(" ".join([question[:LANGUAGE_SAMPLE], *said[-2:]]))[0] in (None, "en")


def stands_alone(read: Talk) -> bool:
    """Tell whether a question says enough by itself, in words that are new to the talk.

    Nobody changes the subject in the sets that the model was fitted to, so it cannot tell.
    """
    terms = {w.term for w in read.asked if w.text.casefold() not in talk.CHATTER}
    known = any(word.term in terms for said in read.turns for word in said.words)
    return len(terms) >= ENOUGH and not known and not depends(read.question)


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


# --- what the models see ------------------------------------------------------------------------


def forms(read: Talk, names: Sequence[str]) -> Array:
    """Return the features of form as an array, a row for each candidate."""
    rows = talk.features(read)
    return np.array([[row[name] for name in names] for row in rows], np.float32)


def look(read: Talk, states: TokenStates) -> Array:
    """Return what the embedder's layers say of each candidate beside the question.

    Attention between the question and the word (all heads), cosines of their states (all layers),
    both also relative to the best candidate, and the states of one layer.
    """
    limits = [
        TOKENS if s.user else REPLY_TOKENS if s.back == 0 else OLDER_REPLY_TOKENS
        for s in read.turns
    ]
    texts = [(said.text, limit) for said, limit in zip(read.turns, limits, strict=True)]
    question = (read.question[: talk.TURN_CHARACTERS], TOKENS)
    inside = states.look([*texts, question])
    places = dict(zip([said.turn for said in read.turns], inside.places, strict=False))
    places[-1] = inside.places[-1]
    asked = [n for _, _, n in places[-1]] or [inside.states.shape[1] - 1]
    content = sorted({n for word in read.asked for n in _tokens(word, places[-1])})
    function = [n for n in asked if n not in content] or asked

    words: list[list[int]] = []  # the tokens of every place where a candidate was said
    owners: list[int] = []
    for row, candidate in enumerate(read.candidates):
        at = [tokens for word in candidate.words if (tokens := _tokens(word, places[word.turn]))]
        words += at
        owners += [row] * len(at)  # none where the window ends before it

    attention, layers = inside.attention, inside.states
    units = layers / np.linalg.norm(layers, axis=2, keepdims=True)
    size = 4 * (len(attention) + len(layers))
    seen = np.zeros((len(read.candidates), size), np.float32)
    state = np.zeros((len(read.candidates), layers.shape[2]), np.float32)
    asked_state = layers[LAYER][asked].mean(axis=0)
    if words:
        flat = [n for tokens in words for n in tokens]
        lengths = np.array([len(tokens) for tokens in words], np.float32)
        starts = np.concatenate([[0], np.cumsum(lengths[:-1])]).astype(np.intp)
        to, units_of = attention[:, asked][:, :, flat], units[:, flat]
        content_unit = units[:, content or asked].mean(axis=1)[:, :, None]
        near, near_function, near_content = (
            np.add.reduceat(units_of @ others, starts, axis=1) / lengths[:, None]
            for others in (
                units[:, asked].transpose(0, 2, 1),
                units[:, function].transpose(0, 2, 1),
                content_unit,
            )
        )
        cosines = np.stack(
            [near.max(axis=2), near.mean(axis=2), near_function.max(axis=2), near_content[:, :, 0]],
            axis=2,
        )
        views = np.concatenate(
            [
                np.add.reduceat(to.mean(axis=1), starts, axis=1).T,
                np.maximum.reduceat(to.max(axis=1), starts, axis=1).T,
                np.maximum.reduceat(
                    attention[:, function][:, :, flat].max(axis=1), starts, axis=1
                ).T,
                np.add.reduceat(attention[:, flat][:, :, asked].sum(axis=2), starts, axis=1).T
                / lengths[:, None],
                cosines.transpose(1, 0, 2).reshape(len(words), -1),
            ],
            axis=1,
        )
        there, firsts, counts = np.unique(owners, return_index=True, return_counts=True)
        seen[there] = np.maximum.reduceat(views, firsts, axis=0)
        own = np.add.reduceat(layers[LAYER][flat], starts, axis=0) / lengths[:, None]
        state[there] = np.add.reduceat(own, firsts, axis=0) / counts[:, None]
    heads = 4 * len(attention)
    seen[:, :heads] = np.log(seen[:, :heads] + 1e-5)
    relative = seen - seen.max(axis=0)
    shared = np.tile(asked_state, (len(state), 1))
    return np.concatenate([seen, relative, state, state * shared, shared], axis=1)


def _tokens(word: Word, places: Sequence[tuple[int, int, int]]) -> list[int]:
    return [n for start, end, n in places if start < word.end and word.start < end]


def around(read: Talk, first: Array) -> Array:
    """Return the first model's result for each candidate beside its rivals and neighbours."""
    result = dict(zip([c.term for c in read.candidates], first.tolist(), strict=True))
    phrases: dict[tuple[int, int], list[float]] = defaultdict(list)
    for said in read.turns:
        for word in said.words:
            if word.term in result:
                phrases[word.turn, word.phrase].append(result[word.term])
    near = []
    for candidate in read.candidates:
        groups = [phrases[word.turn, word.phrase] for word in candidate.words]
        means = [sum(group) / len(group) for group in groups]
        near.append((max(means), max(map(max, groups)), means[0], max(map(min, groups))))
    ordered = np.sort(first)[::-1]
    ranks = np.argsort(np.argsort(-first, kind="stable"), kind="stable")
    second, third = (ordered[n] if len(ordered) > n else 0.0 for n in (1, 2))
    neighbours = np.array(near, np.float32)
    best = ordered[0]
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
