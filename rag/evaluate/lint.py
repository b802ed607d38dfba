"""Question sets held against the documents that they ask about.

What is wrong is a fault. What only a person can judge is listed to look at: an accepted answer
that its quotes word differently, questions that ask the same, an unanswerable question that the
pipeline would answer.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.errors import QuestionError, SourceError
from rag.evaluate.datasets import Case, scan_rows
from rag.evaluate.runs import Progress
from rag.evaluate.tables import Table, between, number
from rag.evaluate.text_metrics import contains, locate, longest_start, stands
from rag.text.numbers import numbers
from rag.text.terms import content_terms, fold
from rag.types import SCHEMA, Document, Value

if TYPE_CHECKING:
    from rag.pipeline import Pipeline

FEW = 1 / 3
"""Overlap of a question with its quotes under which string matching does not find the answer."""

_CLIP = 120  # characters of a text in a message
_SEVERAL_QUOTES = frozenset({"comparison", "conflict", "multihop"})
_YES_NO = frozenset("yes no ja nein oui non si".split())  # what no quote has to say


class Finding(Value):
    """Something about one line of the file; ``kind`` is for programs, ``message`` for people."""

    line: int
    id: str
    kind: str
    message: str


class Overlap(Value):
    """Share of the questions' content stems that stand in their quotes, over ``n`` questions."""

    n: int
    median: float | None = None
    lower_quartile: float | None = None
    upper_quartile: float | None = None
    under_a_third: float | None = None


class LintReport(Value):
    """What the linter found; ``clean`` when there is no fault."""

    file: str
    n: int
    conversations: int
    faults: tuple[Finding, ...]
    to_look_at: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    types: dict[str, int]
    unanswerable: dict[str, int]
    overlap: Overlap
    overlap_by_type: dict[str, Overlap]

    @property
    def clean(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """The report as one JSON object with the ``schema`` version."""
        return {"schema": SCHEMA, "clean": self.clean, **self.model_dump(mode="json")}

    def tables(self) -> list[Table]:
        """The counts and the overlap by type, the commonest type first."""
        rows = [
            _row(name, self.types[name], self.unanswerable.get(name, 0), self.overlap_by_type[name])
            for name in self.types
        ]
        total = _row("all", self.n, sum(self.unanswerable.values()), self.overlap)
        columns = ["type", "n", "unanswerable", "overlap: median", "quartiles", "under 1/3"]
        title = f"{self.n} questions, {self.conversations} conversations"
        return [Table(title, columns, [*rows, total])]


def _row(name: str, n: int, unanswerable: int, overlap: Overlap) -> list[str]:
    low, high = overlap.lower_quartile, overlap.upper_quartile
    quartiles = between((low, high), 2) if low is not None and high is not None else "–"
    counts = [name, str(n), str(unanswerable)]
    return [*counts, number(overlap.median, 2), quartiles, number(overlap.under_a_third, 2)]


def lint(path: Path, pipeline: Pipeline, on_progress: Progress | None = None) -> LintReport:
    """Hold a question file against an index; the file's own faults are among the findings."""
    linter = _Linter(path, pipeline)
    linter.run(on_progress)
    cases, found = linter.cases, linter.found
    types = Counter(case.type for case in cases)
    overlaps = {name: linter.overlaps[name] for name, _ in types.most_common()}
    return LintReport(
        file=str(path),
        n=len(cases),
        conversations=len({case.conversation for case in cases if case.history}),
        faults=tuple(sorted(found["faults"], key=lambda fault: fault.line)),
        to_look_at=tuple(found["to_look_at"]),
        notes=tuple(found["notes"]),
        types=dict(types.most_common()),
        unanswerable=dict(Counter(c.type for c in cases if not c.answerable)),
        overlap=spread([share for shares in overlaps.values() for share in shares]),
        overlap_by_type={name: spread(shares) for name, shares in overlaps.items()},
    )


class _Linter:
    """Gathers findings over one file, by the field of the report that they belong to."""

    def __init__(self, path: Path, pipeline: Pipeline) -> None:
        found = scan_rows(path, Case)
        self.cases = found.rows
        self._lines = found.lines
        self._pipeline = pipeline
        self.found: defaultdict[str, list[Finding]] = defaultdict(list)
        self.found["faults"] = [
            Finding(line=fault.line, id="", kind="format", message=fault.message)
            for fault in found.faults
        ]
        self.overlaps: defaultdict[str, list[float]] = defaultdict(list)

    def run(self, on_progress: Progress | None) -> None:
        for done, case in enumerate(self.cases, start=1):
            for message in shape(case):
                self._add("faults", case, "shape", message)
            if case.draft:
                message = 'a draft: read it, and take out "draft" to accept it'
                self._add("notes", case, "draft", message)
            documents = self._quotes(case)
            if case.answerable and case.answers and case.evidence:
                language = next((d.language for d in documents), None) or "en"
                self._answers(case, language)
                self._told_apart(case)
                self.overlaps[case.type].append(overlap(case, language))
            if not case.answerable:
                self._unanswerable(case)
            if on_progress:
                on_progress(case.id, done, len(self.cases))
        self._duplicates()

    def _add(self, field: str, case: Case, kind: str, message: str) -> None:
        line = self._lines[case.id]
        self.found[field].append(Finding(line=line, id=case.id, kind=kind, message=message))

    def _quotes(self, case: Case) -> list[Document]:
        documents: list[Document] = []
        for evidence in case.evidence:
            try:
                document = self._pipeline.document(evidence.uri)
            except SourceError as error:
                self._add("faults", case, "document", str(error))
                continue
            documents.append(document)
            place = locate(document.text, evidence.quote)
            if not place.spans:
                self._add("faults", case, "quote", _missing(document, evidence.uri, evidence.quote))
            elif not place.exact:
                message = f"{evidence.uri} has “{_cut(evidence.quote)}” with other white space"
                self._add("notes", case, "white_space", message)
        return documents

    def _answers(self, case: Case, language: str) -> None:
        quotes = [evidence.quote for evidence in case.evidence]
        if any(contains(quote, answer) for answer in case.answers for quote in quotes):
            return
        evidence = content_terms("\n".join(quotes), language)
        figures = numbers("\n".join(quotes))
        terms = {t for answer in case.answers for t in content_terms(answer, language)} - _YES_NO
        stated = {figure for answer in case.answers for figure in numbers(answer)}
        message = f"no accepted answer stands in the quotes: {_listed(case.answers)}"
        if (terms or stated) and not (terms & set(evidence) or stated & figures):
            self._add("faults", case, "answer", f"{message}, nor any of their words or numbers")
        else:
            self._add("to_look_at", case, "answer", message)

    def _told_apart(self, case: Case) -> None:
        """Hold needs and rivals against the quotes, which are a right answer word for word."""
        quotes = [evidence.quote for evidence in case.evidence]

        def quoted(values: Iterable[str]) -> bool:
            return any(stands(quote, value) for quote in quotes for value in values)

        for need in case.needs:
            if not quoted(need):
                self._add("faults", case, "need", f"no quote has the need {_listed(need)}")
        for rival in case.rivals:
            if quoted([rival]):
                self._add("faults", case, "rival", f"a quote has the rival “{rival}”")

    def _unanswerable(self, case: Case) -> None:
        try:
            answer = self._pipeline.ask(case.question, history=case.history, recorded=False)
        except QuestionError as error:
            self._add("faults", case, "question", str(error))
            return
        if answer.abstained or answer.confidence < self._pipeline.settings.answer.threshold:
            return
        nearest = answer.passages[0]
        said = " ".join(sentence.text for sentence in answer.sentences)
        message = (
            f"“{_cut(case.question)}” may be answerable (confidence {answer.confidence:.2f}): "
            f"“{_cut(said)}”; nearest passage: {nearest.uri} “{_cut(nearest.chunk.text)}”"
        )
        self._add("to_look_at", case, "answerable", message)

    def _duplicates(self) -> None:
        """Find questions that ask the same after the same conversation."""
        same: dict[Any, Case] = {}
        alike: dict[Any, Case] = {}
        for case in self.cases:
            asked, terms = fold(case.question), frozenset(content_terms(case.question))
            before = same.setdefault((case.history, asked), case)
            near = alike.setdefault((case.history, terms or asked), case)
            if before is not case:
                self._add("faults", case, "duplicate", f"the same question as {before.id}")
            elif near is not case:
                message = (
                    f"“{_cut(case.question)}” has the words of {near.id}, “{_cut(near.question)}”"
                )
                self._add("to_look_at", case, "near_duplicate", message)


def shape(case: Case) -> Iterator[str]:
    """Yield what contradicts itself in a row, without looking at any document."""
    kind = re.sub(r"[\W_]", "", case.type).casefold()
    if case.answerable and not case.answers:
        yield "answerable, but there is no accepted answer"
    if case.answerable and not case.evidence:
        yield "answerable, but there is no evidence"
    if not case.answerable and case.answers:
        yield f"unanswerable, but there are accepted answers: {_listed(case.answers)}"
    if not case.answerable and case.evidence:
        yield "unanswerable, but there is evidence"
    if not case.answerable and (case.needs or case.rivals):
        yield "unanswerable, but there are needs or rivals"
    if case.answerable and kind in _SEVERAL_QUOTES and len(case.evidence) == 1:
        yield f"a question of type {case.type} needs two quotes or more"
    if kind == "followup" and not case.history:
        yield "a follow-up needs a history"


def overlap(case: Case, language: str = "en") -> float:
    """The share of the question's content stems that stand in its quotes.

    Both are stemmed in the language of the evidence; a question without content words shares 0.
    """
    asked = set(content_terms(case.question, language))
    told = set(content_terms("\n".join(evidence.quote for evidence in case.evidence), language))
    return len(asked & told) / len(asked) if asked else 0.0


def spread(shares: list[float]) -> Overlap:
    """Median, quartiles and the share of questions under a third."""
    if not shares:
        return Overlap(n=0)
    low, middle, high = (round(float(v), 4) for v in np.percentile(shares, (25, 50, 75)))
    few = sum(share < FEW for share in shares) / len(shares)
    return Overlap(
        n=len(shares),
        median=middle,
        lower_quartile=low,
        upper_quartile=high,
        under_a_third=round(few, 4),
    )


def _missing(document: Document, uri: str, quote: str) -> str:
    """Say how far a quote can be followed, which mostly shows what was changed."""
    start = longest_start(document.text, quote)
    if not start:
        return f"{uri} has not “{_cut(quote)}”, not even its first word"
    rest = " ".join(quote.split())[len(start) :].strip()
    return f"{uri} has not “{_cut(quote)}”: it has “{_cut(start)}”, then not “{_cut(rest)}”"


def _listed(answers: Iterable[str]) -> str:
    return ", ".join(f"“{answer}”" for answer in answers)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _CLIP else text[: _CLIP - 2].rstrip() + " …"
