"""Tables in passages: a row is a line as the extractors write it, ``Plan: Pro; Price: 9``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rag.answer.question import Question, Typed, typed
from rag.text.rows import CELL
from rag.text.terms import content_terms
from rag.types import Passage

_LONGEST_CELL = 80  # characters of a cell that can be a short answer; longer ones are prose
_NUMERIC = re.compile(r"\W*\d[\d.,]*\W*(?:\w+\W*){0,2}")

Row = Mapping[str, str]
"""The cells of a row that are not empty, by their headers."""


def cells(row: str) -> list[Typed]:
    """The values of a row with their headers.

    >>> [cell.header for cell in cells("Plan: Pro; Price: 9")]
    ['Plan', 'Price']
    """
    return [
        Typed(match.start("value"), match.end("value"), "cell", match["header"].strip())
        for match in CELL.finditer(row)
    ]


def best_cell(question: Question, row: str, language: str | None) -> tuple[Typed, float] | None:
    """The cell that answers a question about the row, and how well it fits (0 to 1).

    The cells that the question names say which row is meant; the cell whose header it names, or
    whose value is of the type it wants, is the answer.
    """
    terms = set(question.terms(language))
    found = cells(row)
    if len(found) < 2 or not terms or found[0].header.lower() == "id":
        return None  # no table, or what a record is filed under
    words = [set(content_terms(row[cell.start : cell.end], language)) for cell in found]
    headers = [set(content_terms(cell.header, language)) for cell in found]
    spoken = set().union(*words, *headers)
    covered = len(terms & spoken) / len(terms)
    if any(term.isdigit() and term not in spoken for term in terms):
        return None  # the question is about another number
    best: tuple[Typed, float] | None = None
    for n, cell in enumerate(found):
        value = row[cell.start : cell.end]
        if (words[n] and words[n] <= terms) or len(value) > _LONGEST_CELL:
            continue  # the question says it already, or it is prose
        # Numbers and units are in every row: only a name in another cell says which row is meant.
        others = set().union(*(words[m] for m in range(len(found)) if m != n))
        named = any(not term.isdigit() for term in others & (terms - headers[n]))
        score = covered * (0.3 * named + 0.7 * fit(question, value, headers[n], terms))
        if best is None or score > best[1]:
            best = cell, score
    return best


def fit(question: Question, value: str, header: set[str], terms: set[str]) -> float:
    """Return how well a cell's header and type match what is wanted, 0 to 1."""
    match = len(header & terms) / len(header) if header else 0.0
    types = question.types
    if question.focus and (not types or question.wants == "number"):
        if not header & question.focus:
            return 0.3 * match
        if not types:
            return 1.0  # "which plan …" asks for the name itself
    if not types:
        return match
    stated = typed(value, types[:1])
    if stated:
        share = max(span.end - span.start for span in stated) / len(value)
        return 0.6 * min(1.0, 2 * share) + 0.4 * match
    return match if typed(value, types) or _NUMERIC.fullmatch(value) else 0.0


@dataclass(frozen=True)
class Table:
    """A table of which a passage has rows, the one with the best chance to answer."""

    passage: Passage
    headers: tuple[str, ...]
    rows: tuple[Row, ...]


def confidence(passage: Passage) -> float:
    """The chance that a passage answers, as the reader sees it; 0 if it was not read."""
    return 1 - passage.reading.no_answer if passage.reading else 0.0


def tables(passages: Sequence[Passage], text_of: Callable[[str], str | None]) -> Iterator[Table]:
    """Yield the tables that the passages have rows of, each once.

    ``text_of`` gives the text of a document by its id, in which a table may go on outside of the
    passages; None where there is none.
    """
    done: set[tuple[str, int]] = set()
    for passage in sorted(passages, key=confidence, reverse=True):
        chunk = passage.chunk
        starts = [start for start, row in _rows(chunk.text) if row]
        if not starts:
            continue
        whole = text_of(chunk.document_id)
        text, offset = (chunk.text, 0) if whole is None else (whole, chunk.start)
        wanted = {start + offset for start in starts}
        for block in _blocks(text):
            if not wanted & block.keys() or (chunk.document_id, min(block)) in done:
                continue
            done.add((chunk.document_id, min(block)))
            # Empty cells are left out of a row: what is in any of them is a column.
            headers = tuple(dict.fromkeys(header for row in block.values() for header in row))
            yield Table(passage, headers, tuple(block.values()))


def _blocks(text: str) -> Iterator[dict[int, Row]]:
    """Yield rows that follow each other and have the same first column, by where they begin."""
    for column, group in groupby(_rows(text), key=lambda row: next(iter(row[1]), None)):
        block = dict(group)
        if column is not None and len(block) > 1:
            yield block


def _rows(text: str) -> Iterator[tuple[int, Row]]:
    """Yield where each line begins, and its cells; none where it is no row of a table."""
    place = 0
    for line in text.split("\n"):
        found = cells(line) if "; " in line else []
        is_row = len(found) > 1 and line.startswith(f"{found[0].header}: ")
        yield place, {c.header: line[c.start : c.end] for c in found} if is_row else {}
        place += len(line) + 1
