"""The tables that passages have rows of, each whole: a row is a line as the extractors write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rag.answer.spans import cells
from rag.types import Passage

Row = Mapping[str, str]
"""The cells of a row that are not empty, by their headers."""


@dataclass(frozen=True)
class Table:
    """A table of which a passage has rows, the one with the best chance to answer."""

    passage: Passage
    headers: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def confidence(self) -> float:
        """The chance that it answers."""
        return confidence(self.passage)


def confidence(passage: Passage) -> float:
    """Return the chance that a passage answers, as the reader sees it; 0 if it was not read."""
    return 1 - passage.reading.no_answer if passage.reading else 0.0


def tables(passages: Sequence[Passage], text_of: Callable[[str], str | None]) -> Iterator[Table]:
    """Yield the tables that the passages have rows of, each once.

    ``text_of`` gives the text of a document by its id, in which a table may go on outside of the
    passages; None where there is none.
    """
    seen: set[tuple[str, int]] = set()
    for passage in sorted(passages, key=confidence, reverse=True):
        chunk = passage.chunk
        starts = [start for start, row in _rows(chunk.text, 0) if row]
        if not starts:
            continue
        whole = text_of(chunk.document_id)
        text, offset = (chunk.text, 0) if whole is None else (whole, chunk.start)
        wanted = {start + offset for start in starts}
        for block in _blocks(text):
            if not wanted & block.keys() or (chunk.document_id, min(block)) in seen:
                continue
            seen.add((chunk.document_id, min(block)))
            # Empty cells are left out of a row: what is in any of them is a column.
            headers = tuple(dict.fromkeys(header for row in block.values() for header in row))
            yield Table(passage, headers, tuple(block.values()))


def _blocks(text: str) -> Iterator[dict[int, Row]]:
    """Yield rows that follow each other and have the same first column, by where they begin."""
    block: dict[int, Row] = {}
    key = None
    for start, row in _rows(text, 0):
        first = next(iter(row), None)
        if first != key and block:
            if len(block) > 1:
                yield block
            block = {}
        key = first
        if row:
            block[start] = row
    if len(block) > 1:
        yield block


def _rows(text: str, place: int) -> Iterator[tuple[int, Row]]:
    """Yield where each line begins, and its cells; none where it is no row of a table."""
    for line in text.split("\n"):
        found = cells(line) if "; " in line else []
        is_row = len(found) > 1 and line.startswith(f"{found[0].header}: ")
        yield place, {c.header: line[c.start : c.end] for c in found} if is_row else {}
        place += len(line) + 1
