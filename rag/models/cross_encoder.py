"""The shipped cross-encoder: one pass over question and passage gives relevance and span.

What comes out are logits: how relevant the passage is, and where in it the answer begins and ends.
``Judge`` holds a question against passages for ranking and reading: with title and headings, in
windows where they are longer than the model reads, and once only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np

from rag.errors import ModelError
from rag.models.embedder import TOKENIZER_FILE, WEIGHTS
from rag.models.runtime import Memory, TextModel
from rag.settings import BUILT_IN, ModelSettings
from rag.text.sentences import sentences
from rag.types import Passage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

MODEL_FILE = "reader-l6-int8.onnx"
MAX_TOKENS = 256
_LIKELY = 20  # spans that the answer is chosen from
_TEMPERATURE = 0.5  # of their probabilities
LONGEST = 40  # tokens of an answer
LANGUAGES = frozenset({"en"})
"""What the shipped cross-encoder was trained on."""

_QUESTION = 96  # tokens of a question; what is beyond is cut off
_HEAD = 32  # tokens of title and headings
_SPECIAL = 4  # tokens of the model itself
_REMEMBERED = 512  # pairs


@dataclass(frozen=True)
class Pair:
    """What one pass says of a pair; all numbers are logits.

    ``starts`` and ``ends`` are over ``places``, the characters (start, end) of the tokens of the
    second text; ``nothing`` is the logit of "the answer is not here", start and end together.
    """

    relevance: float
    nothing: float
    starts: Floats
    ends: Floats
    places: tuple[tuple[int, int], ...]

    def best(self, begin: int, end: int) -> tuple[int, int, float] | None:
        """(start, end, margin over nothing) of the best answer in ``begin:end``.

        The margin is that of the likeliest span; the answer is the span that shares most with all
        that are likely (minimum Bayes risk, by the F1 of their tokens). Offsets are characters of
        the second text; None where no token lies in there.
        """
        inside = [
            n for n, (start, stop) in enumerate(self.places) if start >= begin and stop <= end
        ]
        if not inside:
            return None
        low, high = inside[0], inside[-1] + 1
        sums = self.starts[low:high, None] + self.ends[None, low:high]
        size = high - low
        allowed = np.triu(np.ones((size, size), bool))
        allowed &= ~np.triu(np.ones((size, size), bool), LONGEST)
        sums = np.where(allowed, sums, -np.inf).ravel()
        likely = np.argpartition(-sums, min(_LIKELY, len(sums)) - 1)[:_LIKELY]
        likely = likely[np.isfinite(sums[likely])]
        firsts, lasts = np.divmod(likely, size)
        margin = float(sums[likely].max()) - self.nothing
        chosen = _most_shared(firsts, lasts, sums[likely])
        return self.places[low + firsts[chosen]][0], self.places[low + lasts[chosen]][1], margin


def _most_shared(firsts: Floats, lasts: Floats, logits: Floats) -> int:
    """Which of the spans has the highest expected F1 with the one that is right."""
    probabilities = np.exp((logits - logits.max()) / _TEMPERATURE)
    shared = np.minimum(lasts[:, None], lasts) - np.maximum(firsts[:, None], firsts) + 1
    lengths = lasts - firsts + 1
    scores = 2 * np.maximum(shared, 0) / (lengths[:, None] + lengths)
    return int((scores @ probabilities).argmax())


class PairModel:
    """A model of pairs of texts, ``file`` in a folder of weights. Loaded at the first use.

    Threads may share one. ``weights`` is None for what ships. Raises ModelError where its files are
    missing or cannot be loaded.
    """

    def __init__(
        self,
        file: str,
        *,
        threads: int | None = None,
        batch_tokens: int = ModelSettings.model_fields["batch_tokens"].default,
        weights: Path | None = None,
    ) -> None:
        folder = weights or WEIGHTS
        self._file = folder / file
        if not self._file.exists():
            raise ModelError(f"{self._file} is missing; reinstall footnote-rag.")
        tokenizer = folder / TOKENIZER_FILE
        self._model = TextModel(
            self._file,
            tokenizer if tokenizer.exists() else WEIGHTS / TOKENIZER_FILE,
            max_tokens=MAX_TOKENS,
            threads=threads,
            batch_tokens=batch_tokens,
        )

    @cached_property
    def identity(self) -> str:
        """Name and digest of the weights."""
        return f"{self._file.stem}@{hashlib.sha256(self._file.read_bytes()).hexdigest()[:16]}"

    def count_tokens(self, text: str) -> int:
        """The length of a text in tokens, without special ones and without a limit."""
        return self._model.count_tokens(text)


class Options(TypedDict, total=False):
    """How a ``PairModel`` runs, and where its weights are."""

    threads: int | None
    batch_tokens: int
    weights: Path | None


class CrossEncoder(PairModel):
    """The shipped reader."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__(MODEL_FILE, **options)

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Pair]:
        """What the model says of each pair; the second text is cut at the token limit.

        >>> text = "The tower was built in 1894."
        >>> [pair] = CrossEncoder().judge([("When was it built?", text)])
        >>> start, end, margin = pair.best(0, len(text))
        >>> text[start:end]
        '1894'
        """
        encodings = self._model.encode_pairs(pairs)
        found = []
        runs = self._model.run(encodings)
        for encoding, (relevance, *_, spans) in zip(encodings, runs, strict=True):
            second = [n for n, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
            low, high = (second[0], second[-1] + 1) if second else (0, 0)
            found.append(
                Pair(
                    relevance=float(relevance),
                    nothing=float(spans[0].sum()),
                    starts=spans[low:high, 0],
                    ends=spans[low:high, 1],
                    places=tuple(encoding.offsets[low:high]),
                )
            )
        return found


def load_cross_encoder(settings: ModelSettings) -> CrossEncoder:
    """The reader that the settings name: ``built-in``, or a folder of ``rag train reader``.

    Raises ModelError if there is none.
    """
    folder = None
    if settings.reader != BUILT_IN:
        folder = Path(settings.reader).expanduser()
        if not (folder / MODEL_FILE).is_file():
            raise ModelError(
                f"models.reader is {settings.reader!r}, and there is no {MODEL_FILE} in it: name "
                "a folder that rag train reader wrote, or built-in."
            )
    return CrossEncoder(
        threads=settings.threads, batch_tokens=settings.batch_tokens, weights=folder
    )


# Questions and passages


def under(names: Iterable[str], count_tokens: Callable[[str], int]) -> str:
    """The line of names that a text is read under, outermost first; "" for none.

    Where it is too long, its middle goes: the nearest name says most of what a text is about, the
    title what that belongs to.
    """
    path = [*dict.fromkeys(name for name in names if name)]
    while len(path) > 2 and count_tokens(" · ".join(path)) > _HEAD:
        del path[1]
    if count_tokens(" · ".join(path)) > _HEAD:
        path = [cut(name, _HEAD // len(path), count_tokens) for name in path]
    return " · ".join(path) + "\n" if path else ""


def cut(text: str, tokens: int, count_tokens: Callable[[str], int]) -> str:
    """The beginning of a text that has at most so many tokens."""
    words = text.split(" ")
    while len(words) > 1 and count_tokens(" ".join(words)) > tokens:
        words = words[: max(1, len(words) * 3 // 4)]
    return " ".join(words)[: tokens * 12]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a passage that was read at once: ``offset`` + place in ``pair`` = place in it."""

    pair: Pair
    offset: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What the model says of a passage; ``relevance`` is a logit, that of the best window."""

    relevance: float
    windows: tuple[Window, ...]

    def best(self, start: int, end: int) -> tuple[int, int, float] | None:
        """(start, end, margin over "not here") of the best answer in a part of the passage.

        Offsets are into ``chunk.text``; the margin is a logit. None where nothing was read.
        """
        found = None
        for window in self.windows:
            low, high = max(start, window.start), min(end, window.end)
            if low >= high:
                continue
            span = window.pair.best(low - window.offset, high - window.offset)
            if span and (found is None or span[2] > found[2]):
                found = (span[0] + window.offset, span[1] + window.offset, span[2])
        return found


class Judge:
    """Runs a cross-encoder over a question and passages. Threads may share it."""

    def __init__(self, encoder: CrossEncoder) -> None:
        self._encoder = encoder
        self._memory: Memory[tuple[str, str], Pair] = Memory(_REMEMBERED)

    def judge(self, question: str, passages: Sequence[Passage]) -> list[Judged]:
        """What the model says of each passage, in their order."""
        question = cut(question, _QUESTION, self._encoder.count_tokens)
        parts = [self._windows(question, passage) for passage in passages]
        wanted = [(question, text) for windows in parts for text, _, _, _ in windows]
        pairs = self._memory.results(wanted, self._encoder.judge)
        found = []
        for windows in parts:
            judged = tuple(
                Window(pairs[question, text], offset, start, end)
                for text, offset, start, end in windows
            )
            found.append(Judged(max(w.pair.relevance for w in judged), judged))
        return found

    def look(self, question: str, texts: Sequence[tuple[Sequence[str], str]]) -> list[Judged]:
        """What the model says of single texts, each (the names it stands under, text)."""
        count = self._encoder.count_tokens
        question = cut(question, _QUESTION, count)
        heads = [under(names, count) for names, _ in texts]
        wanted = [(question, head + text) for head, (_, text) in zip(heads, texts, strict=True)]
        pairs = self._memory.results(wanted, self._encoder.judge)
        return [
            Judged(pairs[pair].relevance, (Window(pairs[pair], -len(head), 0, len(text)),))
            for pair, head, (_, text) in zip(wanted, heads, texts, strict=True)
        ]

    def _windows(self, question: str, passage: Passage) -> list[tuple[str, int, int, int]]:
        """(text as the model sees it, offset, start, end) of the windows of a passage.

        Windows are whole sentences; each begins with the last one of the window before it.
        """
        count = self._encoder.count_tokens
        head = under((passage.title, *passage.chunk.headings), count)
        text = passage.chunk.text
        room = MAX_TOKENS - _SPECIAL - count(question) - count(head)
        if count(text) <= room:
            return [(head + text, -len(head), 0, len(text))]
        spans = [(s.start, s.end) for s in sentences(text)] or [(0, len(text))]
        costs = [count(text[start:end]) for start, end in spans]
        found = []
        first = 0
        while first < len(spans):
            last, used = first, costs[first]
            while last + 1 < len(spans) and used + costs[last + 1] <= room:
                last += 1
                used += costs[last]
            start, end = spans[first][0], spans[last][1]
            found.append((head + text[start:end], start - len(head), start, end))
            if last + 1 >= len(spans):
                break
            first = last if last > first and costs[last] < room // 3 else last + 1
        return found
