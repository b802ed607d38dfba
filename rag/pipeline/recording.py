"""What becomes of a question, as a row for the observer. Making one has to cost next to nothing."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from rag.events import STOPPING, AnswerStream, Event
from rag.rows import STOPPED, Cited, Found, Row, Said
from rag.types import Answer, Passage, Sentence

if TYPE_CHECKING:
    from rag.pipeline.answering import Answering
    from rag.protocols import Observer

_ERROR = 300  # characters of a fault that are kept

_log = logging.getLogger("rag.observe")


def recorded(answering: Answering) -> AnswerStream:
    """The steps of an answer, of which the observer, if there is one, is told in the end."""
    observer = answering.stages.observer
    if observer is None:
        return answering.stream()
    answering.id = secrets.token_hex(8)
    return AnswerStream(_told(answering, observer), answering.partial)


def _told(answering: Answering, observer: Observer) -> Generator[Event, None, None]:
    """The same steps; the observer is told in the end, however that comes."""
    at, answer, error = time.time(), None, ""
    try:
        with closing(answering.steps()) as steps:
            for event in steps:
                answer = event.answer or answer
                yield event
    except (GeneratorExit, KeyboardInterrupt):
        error = "" if answer else STOPPED
        raise
    except Exception as fault:
        stopping = STOPPING.get()
        stopped = stopping is not None and stopping.is_set()
        error = STOPPED if stopped else f"{type(fault).__name__}: {fault}"[:_ERROR]
        raise
    finally:
        try:
            observer.record(row_of(answering, answer, at, error))
        except Exception:
            _log.exception("an answer was not recorded")


def row_of(answering: Answering, answer: Answer | None, at: float, error: str) -> Row:
    """The row of a question, with whatever there was of an answer to it."""
    from rag.answer.question import understand
    from rag.text.language import detect

    sentences: tuple[Sentence, ...] = ()
    if answer is not None:
        sentences = answer.sentences
    elif answering.writing is not None:
        sentences = tuple(answering.writing.sentences)
    read = {passage.chunk.id: passage for passage in answering.passages}
    rest = {one.chunk.id: one for one in answering.found if one.chunk.id not in read}
    usage = answer.usage if answer else None
    stages = answering.stages
    return Row(
        id=answering.id or "",
        at=at,
        question=answering.question,
        standalone=answering.standalone,
        kind=understand(answering.standalone).wants,
        language=detect(answering.standalone)[0],
        user=answering.user,
        turns=len(answering.history) // 2,
        generator=answer.generator if answer else "",
        found=tuple(_found(one) for one in (*read.values(), *rest.values())),
        said=tuple(_said(sentence) for sentence in sentences),
        abstained=answer.abstained if answer else False,
        unsure=answer.unsure if answer else False,
        asked_back=bool(answer and answer.clarification and not sentences),
        confidence=answering.confidence,
        least=answering.least,
        conflicts=answering.conflicts,
        problems=answer.problems if answer else tuple(answering.notes),
        timings=dict(answering.clock.laps),
        input_tokens=usage.input_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
        cost=usage.cost if usage else None,
        versions=stages.versions,
        generation=0 if stages.has_own("retriever") else stages.index.catalog.generation,
        error=error,
    )


def _found(passage: Passage) -> Found:
    chunk, reading = passage.chunk, passage.reading
    return Found(
        chunk=chunk.id,
        uri=passage.uri,
        title=passage.title,
        start=chunk.start,
        end=chunk.end,
        score=passage.score,
        scores=passage.scores,
        relevance=reading.relevance if reading else None,
        no_answer=reading.no_answer if reading else None,
    )


def _said(sentence: Sentence) -> Said:
    verdict = sentence.verdict
    return Said(
        text=sentence.shown,
        label=verdict.label if verdict else None,
        support=verdict.support if verdict else None,
        citations=tuple(
            Cited(one.number, one.uri, one.start, one.end, one.quote) for one in sentence.citations
        ),
    )
