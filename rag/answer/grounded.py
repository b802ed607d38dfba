"""A model's text to our sentences: marks read, each turned into an exact quote of its passage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from rag.answer.alignment import Aligned, Aligner
from rag.answer.marks import Marked, Parsed, parse
from rag.types import Citation, Passage, Sentence

if TYPE_CHECKING:
    from rag.protocols import Checker, Embedder

Kind = Literal["text", "item", "step", "code"]


def cite(
    text: str, passages: Sequence[Passage], embedder: Embedder, checker: Checker | None = None
) -> tuple[list[Sentence], list[str]]:
    """Return the sentences of a text that was written over numbered passages, and problems.

    ``[1]`` is ``passages[0]``. Every citation is an exact span of its passage, and citations are
    numbered from 1 by first use. A sentence without a mark, or with marks that nothing in their
    passages bears out, comes without citations: what becomes of it is for the verification.
    """
    parsed = parse(text, len(passages))
    sentences, problems = cited(parsed, passages, Aligner(embedder, checker))
    return sentences, [*parsed.problems, *problems]


def cited(
    parsed: Parsed,
    passages: Sequence[Passage],
    aligner: Aligner,
    numbering: dict[int, int] | None = None,
) -> tuple[list[Sentence], list[str]]:
    """Turn the numbers of parsed sentences into citations, and name those that bear out nothing.

    ``numbering`` gives each passage, by index, its number in the answer; it is added to, so that a
    stream can go through an answer in several calls. Headings are left out; what one is marked with
    goes to the sentence below it, if that has no mark of its own.
    """
    numbering = {} if numbering is None else numbering
    marked = list(without_headings(parsed.sentences))
    pairs = [(sentence, number - 1) for sentence in marked for number in sentence.numbers]
    found = iter(aligner.align([(sentence.text, passages[index]) for sentence, index in pairs]))
    sentences: list[Sentence] = []
    problems: list[str] = []
    for sentence in marked:
        spans = {number - 1: next(found) for number in sentence.numbers}
        citations = _citations(spans, passages, numbering)
        problems += [
            f"the cited passage “{passages[index].place}” says nothing about: {sentence.text}"
            for index, span in spans.items()
            if span is None
        ]
        sentences.append(_sentence(sentence, citations))
    return sentences, problems


def without_headings(sentences: Sequence[Marked]) -> Iterator[Marked]:
    """Yield all but the headings; the marks of one go to the sentence below it."""
    held: tuple[int, ...] = ()
    for sentence in sentences:
        if sentence.kind == "heading":
            held = sentence.numbers
            continue
        if held and not sentence.numbers:
            yield Marked(
                sentence.text, sentence.start, sentence.end, sentence.kind, sentence.marker, held
            )
        else:
            yield sentence
        held = ()


def _citations(
    spans: dict[int, Aligned | None], passages: Sequence[Passage], numbering: dict[int, int]
) -> tuple[Citation, ...]:
    return tuple(
        Citation.of(
            numbering.setdefault(index, len(numbering) + 1), passages[index], span.start, span.end
        )
        for index, span in spans.items()
        if span is not None
    )


def _sentence(marked: Marked, citations: tuple[Citation, ...]) -> Sentence:
    counted = any(c.isalnum() for c in marked.marker)
    kind: Kind = "text"
    if marked.kind == "code":
        kind = "code"
    elif marked.kind == "row" or marked.marker:
        kind = "step" if counted else "item"
    return Sentence(
        text=marked.text,
        citations=citations,
        kind=kind,
        marker=marked.marker.lstrip("(") if counted else "",
    )
