"""Question files: JSON lines, one question each, read completely before anything is measured.

A row is::

    {"id": "dev-029", "question": "What VAT …?", "type": "table", "answerable": true,
     "answers": ["8.1 %", "8.1%"],
     "evidence": [{"uri": "billing/invoices-and-vat.md", "quote": "Rate on plans: 8.1 %"}],
     "history": [{"role": "user", "text": "…"}, {"role": "assistant", "text": "…"}]}

``evidence`` and ``history`` may be left out, and so may ``human_labels``: how a person graded the
pipeline's answer, for holding a judge against. ``draft`` is true for what a language model wrote
and no person has accepted yet. Evidence is a quote and not offsets, so that a set
outlives a change of the extraction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from rag.errors import DataError
from rag.evaluate.rows import Fault, Row, Words, described, scan_rows
from rag.types import Turn, Value

__all__ = [
    "Case",
    "Evidence",
    "Fault",
    "HumanLabels",
    "QuestionFile",
    "described",
    "groups",
    "read_cases",
    "scan",
]


class Evidence(Value):
    """What supports the answer: a verbatim quote of a document."""

    uri: Words
    quote: Words


class HumanLabels(Value):
    """How a person graded an answer, as fractions of 1; what was not graded is left out."""

    relevance: float | None = Field(None, ge=0, le=1)
    completeness: float | None = Field(None, ge=0, le=1)
    faithfulness: float | None = Field(None, ge=0, le=1)


class Case(Row):
    """One question with what is known about its answer."""

    id: Words
    question: Words
    type: Words
    answers: tuple[Words, ...]
    answerable: bool
    evidence: tuple[Evidence, ...] = ()
    history: tuple[Turn, ...] = ()
    human_labels: HumanLabels | None = None
    draft: bool = False

    @property
    def conversation(self) -> tuple[str, str]:
        """What the turns of one conversation share: the id up to its last ``-``, and the opening.

        The id alone does not tell: ``q-1`` and ``q-2`` may be any two questions.
        """
        opening = self.history[0].text if self.history else self.question
        return self.id.rpartition("-")[0] or self.id, " ".join(opening.split())


@dataclass(frozen=True)
class QuestionFile:
    """What a file holds: the cases that can be read, where they stand, and what is wrong."""

    path: Path
    cases: tuple[Case, ...]
    lines: dict[str, int]
    faults: tuple[Fault, ...]
    digest: str


def read_cases(path: Path) -> QuestionFile:
    """Return the cases of a ``.jsonl`` or ``.jsonl.gz`` file, in its order.

    Raises DataError that names every fault with its line, all at once.
    """
    found = scan(path)
    if found.faults:
        raise DataError(described(path, found.faults))
    return found


def scan(path: Path) -> QuestionFile:
    """Return what can be read and what is wrong with the rest; never raises for bad data."""
    found = scan_rows(path, Case, what="questions", ignore_extra=False)
    return QuestionFile(path, found.rows, found.lines, found.faults, found.digest)


def groups(cases: Iterable[Case]) -> list[int]:
    """Return a number for each case; the turns of one conversation share theirs."""
    numbers: dict[tuple[str, str], int] = {}
    return [numbers.setdefault(case.conversation, len(numbers)) for case in cases]
