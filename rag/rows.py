"""What an observer is given: a row for every question, and one for whatever is said of it later.

They are plain values, made while an answer waits for them, so that making one costs next to
nothing; an observer does the rest in its own time. ``id`` is that of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

FeedbackKind = Literal[
    "right", "wrong", "better", "words", "copied", "opened", "again", "handed_over"
]
KINDS: tuple[FeedbackKind, ...] = get_args(FeedbackKind)
EXPLICIT = KINDS[:4]
"""What a person said; the others are what a person did."""

STOPPED = "stopped"
"""The ``error`` of an answer that nobody waited for."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found, with the score of every stage that saw it.

    ``document.text[start:end]`` of the document at ``uri`` is what it said. ``relevance`` and
    ``no_answer`` are the reader's probabilities, None for a passage that was not read: it ranked
    too low. ``score`` is the one that decided the order.
    """

    chunk: str
    uri: str
    title: str
    start: int
    end: int
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)
    relevance: float | None = None
    no_answer: float | None = None

    @property
    def read(self) -> bool:
        """Whether the reader saw it."""
        return self.no_answer is not None


@dataclass(frozen=True, slots=True)
class Cited:
    """What a sentence is footnoted with: ``document.text[start:end] == quote``."""

    number: int
    uri: str
    start: int
    end: int
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of the answer and what the checker made of it; None where it was not judged."""

    text: str
    label: str | None
    support: float | None
    citations: tuple[Cited, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One question and what became of it.

    ``at`` is when it was asked, in seconds since 1970. ``found`` has the passages that were read,
    in the reader's order, then those that ranked too low. ``least`` is the confidence under which
    there would have been no answer. ``timings`` are milliseconds by stage. ``versions`` say what
    answered: digests of weights, prompts, settings and index; ``generation`` counts its writes.
    ``propensity`` is the probability with which the ``arm`` of an experiment was drawn. ``error``
    is empty unless it failed.

    In a record, ``user`` is a keyed hash, and ``repeat`` is what equal questions have in common.
    The question, the words of ``said`` and the quotes are empty where they are not to be kept.
    """

    id: str
    at: float
    question: str
    standalone: str
    kind: str = ""
    language: str | None = None
    repeat: str = ""
    user: str = ""
    turns: int = 0
    generator: str = ""
    found: tuple[Found, ...] = ()
    said: tuple[Said, ...] = ()
    abstained: bool = True
    unsure: bool = False
    asked_back: bool = False
    confidence: float = 0.0
    least: float = 0.0
    conflicts: int = 0
    problems: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    generation: int = 0
    arm: str = ""
    propensity: float = 1.0
    error: str = ""

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return sum(self.timings.values())

    @property
    def nearest(self) -> float | None:
        """The best cosine of a passage that was found; None where none has one."""
        return max((f.scores["dense"] for f in self.found if "dense" in f.scores), default=None)

    @property
    def judged(self) -> list[Said]:
        """The sentences that the checker judged."""
        return [sentence for sentence in self.said if sentence.label is not None]


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person said of an answer, or did with it: ``id`` is the answer's.

    ``right`` and ``wrong`` judge it, ``better`` names in ``uri`` where the answer stands, and
    ``words`` are a remark. ``copied``, ``opened`` (a source, in ``uri``), ``again`` (asked the same
    again) and ``handed_over`` (to a person) are what somebody did.
    """

    id: str
    at: float
    kind: FeedbackKind
    words: str = ""
    uri: str = ""
