"""Questions that were asked become cases: drafts from the record, and a person who accepts them.

A draft has the answer that was given with its evidence, and says in ``note`` what people made of
it. Nothing of that is a label: a row counts once somebody has looked at it and taken ``draft`` out
of it, in an editor or in ``rag eval review``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.errors import DataError, SourceError, UsageError
from rag.evaluate.datasets import Case, Evidence, read_rows
from rag.evaluate.text_metrics import contains, locate
from rag.rows import EXPLICIT, Feedback, Row
from rag.text.terms import fold

if TYPE_CHECKING:
    from rag.observe.record import Record
    from rag.pipeline import Pipeline

_WORDS = {
    "right": "said to be right",
    "wrong": "said to be wrong",
    "better": "a better place was named",
    "words": "a remark",
    "copied": "copied",
    "opened": "a source was opened",
    "again": "asked again",
    "handed_over": "handed over to a person",
}


@dataclass(frozen=True)
class _Asked:
    """A question, how often it was asked, and its last row with all that was said of any."""

    row: Row
    times: int
    said: tuple[Feedback, ...]

    @property
    def judged(self) -> int:
        """How many people said something of its answers."""
        return sum(one.kind in EXPLICIT for one in self.said)

    def kind(self, name: str) -> list[Feedback]:
        """What was said of one kind."""
        return [one for one in self.said if one.kind == name]


def draft_asked(
    record: Record,
    pipeline: Pipeline,
    path: Path,
    *,
    count: int = 50,
    since: float | None = None,
    judged: bool = False,
    known: Sequence[Path] = (),
) -> list[Case]:
    """Draft ``count`` rows from what was asked and write them; return them.

    Those that people said something of come first, then those that were asked most often; with
    ``judged`` there are no others. Questions that a ``known`` file has are left out. Raises
    DataError if the file is there already, UsageError if nothing was kept to draft from.
    """
    if path.exists():
        raise DataError(f"{path} is there already: name another file with --out, or move it away")
    have = {fold(case.question) for file in known for case in read_rows(file, Case).rows}
    asked = _gathered(record, since)
    if not asked:
        raise UsageError(
            "the record holds no question in full: nothing was asked in that time, or observe.text "
            'is not "full"'
        )
    chosen = [one for key, one in asked.items() if key not in have and (one.judged or not judged)]
    chosen.sort(key=lambda one: (-one.judged, -one.times, -one.row.at))
    cases = [_case(one, pipeline) for one in chosen[:count]]
    if cases:
        write_cases(path, cases)
    return cases


def _gathered(record: Record, since: float | None) -> dict[str, _Asked]:
    """Every question with words, by what equal ones have in common; what was said of its rows."""
    said: dict[str, list[Feedback]] = {}
    for one in record.feedback():
        said.setdefault(one.id, []).append(one)
    found: dict[str, _Asked] = {}
    for row in record.rows(since=since):
        question = row.standalone or row.question
        if not question.strip():
            continue
        key = fold(question)
        before = found.get(key)
        more = before.said if before else ()
        times = before.times if before else 0
        found[key] = _Asked(row, times + 1, (*more, *said.get(row.id, ())))
    return found


def _case(asked: _Asked, pipeline: Pipeline) -> Case:
    row = asked.row
    notes = [f"asked {asked.times} times" if asked.times > 1 else "asked once"]
    notes += [_said(one) for one in asked.said]
    # Whoever calls the answer wrong says nothing of what is right.
    wrong = bool(asked.kind("wrong"))
    answers: tuple[str, ...] = ()
    evidence: list[Evidence] = []
    if row.error:
        notes.append(f"it failed: {row.error}")
    elif row.abstained:
        notes.append("got no answer")
    elif wrong:
        notes.append(f"the answer was: {' '.join(one.text for one in row.said)}")
    else:
        answers = tuple(dict.fromkeys(" ".join(one.text.split()) for one in row.said if one.text))
        evidence = _quoted(row, pipeline, notes)
    evidence += _better(asked, pipeline, notes)
    return Case(
        id=f"asked-{row.id}",
        question=" ".join((row.standalone or row.question).split()),
        type=row.kind or "asked",
        answerable=bool(answers or evidence),
        answers=answers,
        evidence=tuple(evidence),
        draft=True,
        note="; ".join(notes),
    )


def _said(one: Feedback) -> str:
    more = ": ".join(filter(None, (one.uri, one.words)))
    return f"{_WORDS[one.kind]} ({more})" if more else _WORDS[one.kind]


def _quoted(row: Row, pipeline: Pipeline, notes: list[str]) -> list[Evidence]:
    """What the answer cited, as far as the documents still say so."""
    found: dict[tuple[str, str], Evidence] = {}
    for cited in (citation for sentence in row.said for citation in sentence.citations):
        text = _text(cited.uri, pipeline)
        if cited.quote.strip() and locate(text, cited.quote).spans:
            found[cited.uri, cited.quote] = Evidence(uri=cited.uri, quote=cited.quote)
        else:
            notes.append(f"{cited.uri} does not say any more what was cited")
    return list(found.values())


def _better(asked: _Asked, pipeline: Pipeline, notes: list[str]) -> list[Evidence]:
    """The passage that was found in a document which somebody called the better place."""
    made = []
    for uri in dict.fromkeys(one.uri for one in asked.kind("better") if one.uri):
        spans = [(f.start, f.end) for f in asked.row.found if f.uri == uri]
        quote = _text(uri, pipeline)[slice(*spans[0])].strip() if spans else ""
        if quote:
            made.append(Evidence(uri=uri, quote=quote))
        else:
            notes.append(f"find the quote in {uri}")
    return made


def _text(uri: str, pipeline: Pipeline) -> str:
    try:
        return pipeline.document(uri).text
    except SourceError:
        return ""


# Accepting


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """Write rows in the format of question files, all or none of them. Raises DataError."""
    text = "".join(json.dumps(_fields(case), ensure_ascii=False) + "\n" for case in cases)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from None


def _fields(case: Case) -> Mapping[str, Any]:
    kept = {"id", "question", "type", "answerable", "answers", "evidence"}
    body = case.model_dump(mode="json", exclude_defaults=True)
    return {**case.model_dump(mode="json", include=kept), **body}


def accepted(case: Case, answers: Sequence[str]) -> Case:
    """A draft that somebody has looked at: with these accepted answers, or none of them.

    Without an answer it is a question that the documents do not answer.
    """
    evidence = case.evidence if answers else ()
    return case.model_copy(
        update={
            "answers": tuple(answers),
            "answerable": bool(answers),
            "evidence": evidence,
            "needs": case.needs if answers else (),
            "rivals": case.rivals if answers else (),
            "draft": False,
        }
    )


def faults(case: Case) -> list[str]:
    """What keeps a draft from being accepted as it stands."""
    if not case.answerable:
        return []
    found = []
    if not case.answers:
        found.append("no accepted answer")
    if not case.evidence:
        found.append("no evidence: write the row's uri and quote in an editor")
    elif case.answers and not any(
        contains(one.quote, answer) for one in case.evidence for answer in case.answers
    ):
        found.append("no accepted answer stands in the evidence")
    return found
