"""A question set drafted by a language model from a user's own documents, for a person to accept.

Every row is held against its document before it is written: the quote stands there to the letter,
the answer stands in the quote. Questions without an answer are looked up first (``near_misses``).
What the linter finds a fault in is left out. Each row is marked ``"draft": true`` until somebody
has read it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field, ValidationError

from rag.errors import DataError, ModelError
from rag.evaluate import near_misses
from rag.evaluate.lint import Asked, lint
from rag.evaluate.questions import Case, Evidence
from rag.evaluate.quotes import locate
from rag.evaluate.texts import contains
from rag.models.chat import LanguageModel, total_usage
from rag.prompts import as_data, load_prompt, spoken
from rag.text.terms import content_terms, fold
from rag.types import Chunk, Document, Usage, Value, digest_of

SHORTEST = 200
"""Characters of a passage under which there is little to ask about."""

_TOKENS = 220  # of the reply for each question
_OTHER_FORM = "the reply has another form than was asked for"
_MOST_FAILED = 5  # requests in a row after which the model is given up
_TELLING = re.compile(
    r"\b(?:passage|text|excerpt|document|according to|as mentioned|above|below)\b", re.IGNORECASE
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "questions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    name: {"type": "string"} for name in ("question", "answer", "quote")
                },
                "required": ["question", "answer", "quote"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["questions"],
    "additionalProperties": False,
}


class _Drafted(Value):
    question: str = Field(min_length=8, max_length=400)
    answer: str = Field(min_length=1, max_length=400)
    quote: str = Field(min_length=8, max_length=1500)


class Documents(Asked, Protocol):
    """What drafting needs of a pipeline, beside what the linter does."""

    def passages_to_ask_about(self) -> Iterator[tuple[Document, Sequence[Chunk]]]:
        """Yield every document with its chunks."""
        ...


@dataclass
class Drafts:
    """What came of it: the rows that were written, and why others were not."""

    path: Path
    cases: list[Case] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    asked: int = 0
    usages: list[Usage] = field(default_factory=list)

    @property
    def usage(self) -> Usage | None:
        """What all requests cost together; None if none was answered."""
        return total_usage(self.usages)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as one JSON object."""
        usage = self.usage
        return {
            "file": str(self.path),
            "questions": len(self.cases),
            "unanswerable": sum(not case.answerable for case in self.cases),
            "rejected": self.rejected,
            "requests": self.asked,
            "usage": usage.model_dump() if usage else None,
        }


def draft(
    pipeline: Documents,
    model: LanguageModel,
    path: Path,
    *,
    count: int = 20,
    unanswerable: int = 0,
    each: int = 2,
    seed: int = 0,
    on_progress: Callable[[str, float, int], None] | None = None,
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
            (_Drafter(model, each), count),
            (_NearMisses(model, each, pipeline), unanswerable),
        ):
            _gather(drafts, pipeline, drafter, wanted, seed, on_progress)
    finally:
        if drafts.cases:  # what was paid for is not lost, whatever stops it
            _write(drafts)
    _without_faults(drafts, pipeline)
    return drafts


def _gather(
    drafts: Drafts,
    pipeline: Documents,
    drafter: _Drafter,
    count: int,
    seed: int,
    on_progress: Callable[[str, float, int], None] | None,
) -> None:
    failed, count = 0, len(drafts.cases) + count
    for document, chunk in _in_turns(pipeline.passages_to_ask_about(), seed):
        if len(drafts.cases) >= count:
            return
        drafts.asked += 1
        try:
            rows = drafter.ask(document, chunk, drafts.usages)
        except ModelError:
            failed += 1
            if drafts.asked == 1 or failed >= _MOST_FAILED:
                raise
            continue
        failed = 0
        drafter.take(rows, document, drafts, count)
        if on_progress:
            on_progress(document.title, len(drafts.cases), count)


class _Drafter:
    """Asks for questions that a passage answers."""

    prompt = "questions"
    schema = SCHEMA

    def __init__(self, model: LanguageModel, each: int) -> None:
        self._model = model
        self._each = each
        self._prompt = load_prompt(self.prompt, "count", "nonce", "data")

    def ask(self, document: Document, chunk: Chunk, usages: list[Usage]) -> list[Any]:
        """Return what the model drafts of a passage, not looked at yet."""
        source = " › ".join(dict.fromkeys([document.title, *chunk.headings]))
        data = as_data([{"source": source, "passage": chunk.text}])
        messages = self._prompt.messages(
            count=str(self._each), nonce=digest_of(self._prompt.digest, data)[:16], data=data
        )
        reply = self._model.complete(
            messages,
            schema=self.schema if self._model.takes_schema else None,
            max_tokens=_TOKENS * self._each,
        )
        usages.append(reply.usage)
        text = spoken(reply.text)
        try:
            body = json.loads(text[text.index("{") : text.rindex("}") + 1])
            found = body["questions"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return [None]
        return list(found)[: self._each] if isinstance(found, list) else [None]

    def take(self, rows: Sequence[Any], document: Document, drafts: Drafts, count: int) -> None:
        """Keep the rows that hold, up to so many in all, and note why others do not."""
        known = {fold(case.question) for case in drafts.cases}
        for row in rows:
            if len(drafts.cases) >= count:
                return
            found = self.case(row, document, known, len(drafts.cases) + 1)
            if isinstance(found, str):
                drafts.rejected.append(f"{document.uri}: {found}")
            else:
                known.add(fold(found.question))
                drafts.cases.append(found)

    def case(self, row: Any, document: Document, known: set[str], number: int) -> Case | str:
        """Return the case of a row, or why it is none."""
        try:
            drafted = _Drafted.model_validate(row)
        except ValidationError:
            return _OTHER_FORM
        if why := _wrong(drafted, document, known):
            return f"{why}: {' '.join(drafted.question.split())}"
        return _case(drafted, document, number)


class _NearMisses(_Drafter):
    """Asks for questions that a passage comes near to and does not answer."""

    prompt = "near_misses"
    schema = near_misses.SCHEMA

    def __init__(self, model: LanguageModel, each: int, pipeline: Asked) -> None:
        super().__init__(model, each)
        self._pipeline = pipeline

    def case(self, row: Any, document: Document, known: set[str], number: int) -> Case | str:
        """Return the case of a row, or why it is none; one that is answered is none."""
        drafted = near_misses.read(row)
        if drafted is None:
            return _OTHER_FORM
        question = " ".join(drafted.question.split())
        why = _wrong_question(question, document, known)
        why = why or near_misses.answered(question, self._pipeline)
        return f"{why}: {question}" if why else near_misses.case(question, number)


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


def _wrong(drafted: _Drafted, document: Document, known: set[str]) -> str:
    """Return why a draft is no good; empty if nothing is wrong with it."""
    if not locate(document.text, drafted.quote).spans:
        return "the quote is not in the document"
    if not contains(drafted.quote, drafted.answer):
        return "the answer is not in the quote"
    if why := _wrong_question(drafted.question, document, known):
        return why
    if not set(content_terms(drafted.question)) - set(content_terms(drafted.answer)):
        return "it asks nothing beside its answer"
    return ""


def _wrong_question(question: str, document: Document, known: set[str]) -> str:
    if fold(question) in known:
        return "the same question as another"
    if _TELLING.search(question) and not _TELLING.search(document.title):
        return "it speaks of the passage"
    return ""


def _case(drafted: _Drafted, document: Document, number: int) -> Case:
    # The quote as it stands there: white space may have been changed.
    [(start, end), *_] = locate(document.text, drafted.quote).spans
    return Case(
        id=f"draft-{number:03}",
        question=" ".join(drafted.question.split()),
        type="draft",
        answers=(" ".join(drafted.answer.split()),),
        answerable=True,
        evidence=(Evidence(uri=document.uri, quote=document.text[start:end]),),
        draft=True,
    )


def _write(drafts: Drafts) -> None:
    rows = [case.model_dump(mode="json", exclude={"human_labels"}) for case in drafts.cases]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        drafts.path.write_text(text, "utf-8")
    except OSError as error:
        raise DataError(f"{drafts.path} cannot be written: {error.strerror}") from None


def _without_faults(drafts: Drafts, pipeline: Asked) -> None:
    """Leave out what the linter finds a fault in, and write the file again."""
    if not drafts.cases:
        return
    faults = {finding.id: finding.message for finding in lint(drafts.path, pipeline).faults}
    if not faults:
        return
    drafts.rejected += [f"{name}: {message}" for name, message in faults.items()]
    drafts.cases = [case for case in drafts.cases if case.id not in faults]
    _write(drafts)
