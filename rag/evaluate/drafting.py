"""A question set drafted by a language model from a user's own documents, for a person to accept.

Every row is held against its document before it is written: the quote stands there to the letter,
the answer stands in the quote. Near misses, questions about the subject that the documents do not
answer, are looked up first: that the model sees no answer counts for little, as it has seen one
passage. What the linter finds a fault in is left out. Each row is marked ``"draft": true`` until
somebody has read it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from rag.errors import DataError, ModelError, QuestionError
from rag.evaluate.datasets import Case, Evidence
from rag.evaluate.lint import lint
from rag.evaluate.runs import Progress
from rag.evaluate.text_metrics import contains, locate
from rag.models.chat import LanguageModel, total_usage
from rag.prompts import as_data, list_schema, load_prompt, object_schema
from rag.text.replies import loads, spoken
from rag.text.terms import content_terms, fold
from rag.types import Chunk, Document, Usage, Value

if TYPE_CHECKING:
    from rag.pipeline import Pipeline

SHORTEST = 200
"""Characters of a passage under which there is little to ask about."""

ANSWERED = 0.5
"""Confidence from which a passage answers. Above that of abstention: a set of questions that are
all abstained from already would measure nothing."""

_TOKENS = 220  # of the reply for each question
_MOST_FAILED = 5  # requests in a row after which the model is given up
_TELLING = re.compile(
    r"\b(?:passage|text|excerpt|document|according to|as mentioned|above|below)\b", re.IGNORECASE
)


class _Unanswerable(Value):
    question: str = Field(min_length=8, max_length=400)


class _Answerable(_Unanswerable):
    answer: str = Field(min_length=1, max_length=400)
    quote: str = Field(min_length=8, max_length=1500)


@dataclass
class Drafts:
    """What came of it: the rows that were written, and why others were not."""

    path: Path
    cases: list[Case] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    asked: int = 0
    usages: list[Usage] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The counts as one JSON object."""
        usage = total_usage(self.usages)
        return {
            "file": str(self.path),
            "questions": len(self.cases),
            "unanswerable": sum(not case.answerable for case in self.cases),
            "rejected": self.rejected,
            "requests": self.asked,
            "usage": usage.model_dump() if usage else None,
        }


def draft(
    pipeline: Pipeline,
    model: LanguageModel,
    path: Path,
    *,
    count: int = 20,
    unanswerable: int = 0,
    each: int = 2,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Drafts:
    """Draft ``count`` questions, at most ``each`` of a passage, and write those that hold.

    So many ``unanswerable`` ones are drafted besides; ``pipeline`` is asked whether it can answer
    them. Passages are taken by chance, from every document in turn. Raises ModelError if the model
    cannot be asked, and DataError if the file is there already: a person may have worked on it.
    """
    if path.exists():
        raise DataError(f"{path} is there already: name another file with --out, or move it away")
    drafts = Drafts(path)
    try:
        for drafter, wanted in (
            (_Drafter(model, each, pipeline), count),
            (_NearMisses(model, each, pipeline), unanswerable),
        ):
            drafter.gather(drafts, wanted, seed, on_progress)
    finally:
        if drafts.cases:  # what was paid for is not lost, whatever stops it
            _write(drafts)
    _leave_out_faults(drafts, pipeline)
    return drafts


class _Drafter:
    """Asks for questions that a passage answers."""

    prompt = "questions"
    form: type[_Unanswerable] = _Answerable

    def __init__(self, model: LanguageModel, each: int, pipeline: Pipeline) -> None:
        self._model = model
        self._each = each
        self._pipeline = pipeline
        self._prompt = load_prompt(self.prompt, "count", "nonce", "data")

    def gather(self, drafts: Drafts, count: int, seed: int, on_progress: Progress | None) -> None:
        """Ask of one passage after another until there are so many more drafts."""
        failed, count = 0, len(drafts.cases) + count
        for document, chunk in _in_turns(self._pipeline.passages_to_ask_about(), seed):
            if len(drafts.cases) >= count:
                return
            drafts.asked += 1
            try:
                rows = self._ask(document, chunk, drafts.usages)
            except ModelError:
                failed += 1
                if drafts.asked == 1 or failed >= _MOST_FAILED:
                    raise
                continue
            failed = 0
            self._take(rows, document, drafts, count)
            if on_progress:
                on_progress(document.title, len(drafts.cases), count)

    def _ask(self, document: Document, chunk: Chunk, usages: list[Usage]) -> list[Any]:
        """What the model drafts of a passage, not looked at yet."""
        source = " › ".join(dict.fromkeys([document.title, *chunk.headings]))
        data = as_data([{"source": source, "passage": chunk.text}])
        reply = self._model.complete(
            self._prompt.over(data, count=str(self._each)),
            schema=_schema(self.form) if self._model.takes_schema else None,
            max_tokens=_TOKENS * self._each,
        )
        usages.append(reply.usage)
        text = spoken(reply.text)
        try:
            body = loads(text[text.index("{") : text.rindex("}") + 1])
            found = body["questions"]
        except (ValueError, LookupError, TypeError):
            return [None]
        return list(found)[: self._each] if isinstance(found, list) else [None]

    def _take(self, rows: Sequence[Any], document: Document, drafts: Drafts, count: int) -> None:
        """Keep the rows that hold, up to so many in all, and note why others do not."""
        known = {fold(case.question) for case in drafts.cases}
        for row in rows:
            if len(drafts.cases) >= count:
                return
            try:
                drafted = self.form.model_validate(row)
            except ValidationError:
                other = "the reply has another form than was asked for"
                drafts.rejected.append(f"{document.uri}: {other}")
                continue
            question = " ".join(drafted.question.split())
            if why := self._wrong(drafted, document, known):
                drafts.rejected.append(f"{document.uri}: {why}: {question}")
                continue
            known.add(fold(question))
            drafts.cases.append(
                Case(
                    id=f"draft-{len(drafts.cases) + 1:03}",
                    question=question,
                    draft=True,
                    **self._answer(drafted, document),
                )
            )

    def _wrong(self, drafted: Any, document: Document, known: set[str]) -> str:
        """Why a draft is no good; empty if nothing is wrong with it."""
        if not locate(document.text, drafted.quote).spans:
            return "the quote is not in the document"
        if not contains(drafted.quote, drafted.answer):
            return "the answer is not in the quote"
        if why := _wrong_question(drafted.question, document, known):
            return why
        if not set(content_terms(drafted.question)) - set(content_terms(drafted.answer)):
            return "it asks nothing beside its answer"
        return ""

    def _answer(self, drafted: Any, document: Document) -> dict[str, Any]:
        # The quote as it stands there: white space may have been changed.
        [(start, end), *_] = locate(document.text, drafted.quote).spans
        return {
            "type": "draft",
            "answers": (" ".join(drafted.answer.split()),),
            "answerable": True,
            "evidence": (Evidence(uri=document.uri, quote=document.text[start:end]),),
        }


class _NearMisses(_Drafter):
    """Asks for questions that a passage comes near to and does not answer."""

    prompt = "near_misses"
    form = _Unanswerable

    def _wrong(self, drafted: Any, document: Document, known: set[str]) -> str:
        question = " ".join(drafted.question.split())
        if why := _wrong_question(question, document, known):
            return why
        try:
            answer = self._pipeline.ask(question, recorded=False)
        except QuestionError as error:
            return str(error)
        if answer.confidence < ANSWERED or not answer.passages:
            return ""
        nearest = answer.passages[0].uri
        return f"it seems to be answered (confidence {answer.confidence:.2f}) in {nearest}"

    def _answer(self, drafted: Any, document: Document) -> dict[str, Any]:
        return {"type": "unanswerable", "answers": (), "answerable": False}


def _schema(form: type[Value]) -> dict[str, Any]:
    """The form of a reply, for servers that can hold a model to it."""
    question = object_schema(**{name: {"type": "string"} for name in form.model_fields})
    return object_schema(questions=list_schema(question))


def _in_turns(
    documents: Iterator[tuple[Document, Sequence[Chunk]]], seed: int
) -> Iterator[tuple[Document, Chunk]]:
    """Yield passages by chance, one of each document before a second of any."""
    chance = random.Random(seed)
    stacks = []
    for document, chunks in documents:
        long = [chunk for chunk in chunks if len(chunk.text) >= SHORTEST] or list(chunks)[:1]
        chance.shuffle(long)
        if long:
            stacks.append((document, long))
    chance.shuffle(stacks)
    while stacks:
        for document, chunks in stacks:
            yield document, chunks.pop()
        stacks = [(document, chunks) for document, chunks in stacks if chunks]


def _wrong_question(question: str, document: Document, known: set[str]) -> str:
    if fold(question) in known:
        return "the same question as another"
    if _TELLING.search(question) and not _TELLING.search(document.title):
        return "it speaks of the passage"
    return ""


def _write(drafts: Drafts) -> None:
    rows = [case.model_dump(mode="json", exclude={"human_labels"}) for case in drafts.cases]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        drafts.path.write_text(text, "utf-8")
    except OSError as error:
        raise DataError(f"{drafts.path} cannot be written: {error.strerror}") from None


def _leave_out_faults(drafts: Drafts, pipeline: Pipeline) -> None:
    """Leave out what the linter finds a fault in, and write the file again."""
    if not drafts.cases:
        return
    faults = {finding.id: finding.message for finding in lint(drafts.path, pipeline).faults}
    if faults:
        drafts.rejected += [f"{name}: {message}" for name, message in faults.items()]
        drafts.cases = [case for case in drafts.cases if case.id not in faults]
        _write(drafts)
