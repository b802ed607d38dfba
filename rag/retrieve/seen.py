"""What the models of ``follow`` see of each word that a follow-up question may lean on.

``forms`` where and how it was said, ``look`` what the embedder makes of it beside the question,
``around`` the first model's result beside that of its rivals and neighbours, ``level`` how near
the question is to the talk at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rag.models.embedder import TokenStates
from rag.retrieve import talk
from rag.retrieve.talk import Talk, Word

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

TOKENS = 60  # of a turn of the user or the question; fewer of what the assistant said before
REPLY_TOKENS, OLDER_REPLY_TOKENS = 100, 50
LAYER = 2  # of ``Inside.states``: whose states go in as they are, not only as cosines
LAYERS, HEADS = 6, 72  # of the embedder; all heads, layer by layer
COSINES = 20  # four for each layer of ``Inside.states``


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


def level(seen: Array) -> Array:
    """Return how near the question is to the nearest candidate, to each, and their difference.

    ``seen`` is ``look``'s result: its cosines, and its attention (mean and most) layer by layer.
    """
    kinds = seen[:, : 2 * HEADS].reshape(len(seen), 2, LAYERS, -1).mean(axis=3)
    cosines = seen[:, 4 * HEADS : 4 * HEADS + COSINES]
    near = np.concatenate([cosines, kinds.reshape(len(seen), -1)], axis=1)
    best = np.tile(near.max(axis=0), (len(near), 1))
    return np.concatenate([best, near, near - best], axis=1).astype(np.float32)


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
