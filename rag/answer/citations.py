"""What stands between a generator and the reader of an answer: only exact citations get through."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.types import Citation, Passage, Sentence


def exact_only(
    drafted: Sequence[Sentence], passages: Sequence[Passage]
) -> tuple[list[Sentence], list[str]]:
    """The sentences with those citations that quote a passage to the letter, and problems.

    A sentence that is left without any is dropped; every omission is named.
    """
    kept: list[Sentence] = []
    problems: list[str] = []
    for sentence in drafted:
        exact = tuple(c for c in sentence.citations if any(quotes(c, p) for p in passages))
        if not exact:
            problems.append(f"a sentence without evidence was dropped: {sentence.text}")
            continue
        if len(exact) < len(sentence.citations):
            problems.append(f"a citation that points nowhere was taken out of: {sentence.text}")
        kept.append(sentence.model_copy(update={"citations": exact}))
    return kept, problems


def quotes(citation: Citation, passage: Passage) -> bool:
    """Tell whether a citation is a span of the passage, to the letter."""
    chunk = passage.chunk
    start, end = citation.start - chunk.start, citation.end - chunk.start
    same = citation.document_id == chunk.document_id
    return same and 0 <= start < end and chunk.text[start:end] == citation.quote


_VALUE = re.compile(r"[\w.,:/-]*\d[\w.,:/%-]*")


def evidence_of(citations: Sequence[Citation]) -> list[str]:
    """The quotes as evidence, each under a line that says where it stands.

    Title, headings and terms need not be repeated by a passage, and say what it holds for. What a
    title or heading numbers or dates is taken out: that a section is the third, or a page of 2024,
    bears out no value; a term may say which code or year a value belongs to.
    """
    found = []
    for citation in citations:
        over = [_VALUE.sub("", part).strip() for part in (citation.title, *citation.headings)]
        path = dict.fromkeys(part for part in (*over, *citation.terms) if part)
        found.append("\n".join(part for part in (" · ".join(path), citation.quote) if part))
    return list(dict.fromkeys(found))


def renumbered(
    sentences: Sequence[Sentence], numbers: dict[int, int] | None = None
) -> list[Sentence]:
    """Number the citations from 1 without gaps, by first use.

    ``numbers`` holds what was given so far, and is added to: for an answer that comes in parts.
    """
    numbers = {} if numbers is None else numbers

    def again(citation: Citation) -> Citation:
        number = numbers.setdefault(citation.number, len(numbers) + 1)
        return citation.model_copy(update={"number": number})

    return [
        sentence.model_copy(update={"citations": tuple(map(again, sentence.citations))})
        for sentence in sentences
    ]


def numbered(sentences: Sequence[Sentence], passages: Sequence[Passage]) -> list[Sentence]:
    """The sentences with the places of the quoted passages, from 1, as numbers."""

    def place(citation: Citation) -> Citation:
        number = next(n for n, passage in enumerate(passages, 1) if quotes(citation, passage))
        return citation.model_copy(update={"number": number})

    return [
        sentence.model_copy(update={"citations": tuple(map(place, sentence.citations))})
        for sentence in sentences
    ]
