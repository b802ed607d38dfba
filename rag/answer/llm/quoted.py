"""What the documents themselves answer, beside what a model made of them."""

from __future__ import annotations

from collections.abc import Sequence

from rag.text.numbers import numbers
from rag.text.terms import fold
from rag.types import Sentence


def lacking(written: Sequence[Sentence], quoted: Sequence[Sentence]) -> list[Sentence]:
    """The quoted sentences to show beside what was written: all where nothing was.

    Else the one that the documents answer with, if nothing of what was written rests on that very
    sentence or says its value.
    """
    if not written:
        return list(quoted)
    answer = next((one for one in quoted if one.highlight), quoted[0] if quoted else None)
    if answer is None or any(_says(sentence, answer) for sentence in written):
        return []
    return [answer]


def _says(written: Sentence, quoted: Sentence) -> bool:
    value, figures = fold(quoted.highlighted), numbers(quoted.highlighted)
    if (value and value in fold(written.text)) or (figures and figures <= numbers(written.text)):
        return True
    return any(
        own.document_id == source.document_id and own.start < source.end and source.start < own.end
        for own in written.citations
        for source in quoted.citations
    )
