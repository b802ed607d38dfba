"""CSV text to rows of cells, as programs and people write it.

The delimiter is the one that gives most lines the same number of cells. A quote that is opened and
never properly closed is a character of its line, and never swallows the lines below.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator

_DELIMITERS = ",;\t|"
_NONE = "\x1f"  # for a table of one column
_SEP = re.compile(r"\s*+\"?sep=(\\t|.)(?:[ \t\"]|\1)*+(?:\n|$)", re.I)
_SAMPLE_LINES = 100
_SAMPLE = 20_000
_LARGEST_FIELD = 100_000_000
_MOST_ATTEMPTS = 3


def split(text: str, name: str) -> tuple[list[list[str]], list[str]]:
    """Return the rows, blank ones included, and what is doubtful about them."""
    csv.field_size_limit(_LARGEST_FIELD)
    text = text.removeprefix("\ufeff").replace("\0", "")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    said = _SEP.match(text)  # a line for Excel
    if said:
        text = text[said.end() :]
        delimiter = "\t" if said[1] == r"\t" else said[1]
    else:
        delimiter = "\t" if name.lower().endswith(".tsv") else _delimiter(text)
    found = _Lines(text.split("\n"), delimiter)
    rows = list(found.rows())
    notes = []
    if found.unclosed:
        notes.append(f"{found.unclosed} lines have a quote that is not closed; it was kept as text")
    return rows, notes


def _delimiter(text: str) -> str:
    lines = text[:_SAMPLE].split("\n")[:_SAMPLE_LINES]
    best, best_share = _NONE, 0.0
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in _Lines(lines, delimiter).rows() if any(row))
        several = [(count, width) for width, count in widths.items() if width > 1]
        share = max(several, default=(0, 0))[0] / max(widths.total(), 1)
        # Prose has commas, too: most lines have to agree, or the header has to be divided.
        if share > best_share and (share > 0.5 or delimiter in lines[0]):
            best, best_share = delimiter, share
    return best


class _Lines:
    """Lines on their way to rows; ``unclosed`` counts those with a quote that is only text."""

    def __init__(self, lines: list[str], delimiter: str) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._odd = -1  # the last line found with an odd number of quotes
        self._attempts: Counter[int] = Counter()
        self.unclosed = 0

    def rows(self) -> Iterator[list[str]]:
        index = 0
        while index < len(self._lines):
            line = self._lines[index]
            index += 1
            if '"' not in line:
                yield line.split(self._delimiter) if line else []
                continue
            cells, is_open = self._parse(line)
            if is_open:
                end = self._next_odd(index)
                whole = self._joined(index - 1, end)
                if whole is None:
                    self.unclosed += 1
                else:
                    cells, index = whole, end + 1
            yield cells

    def _parse(self, line: str) -> tuple[list[str], bool]:
        """Return the cells of a line, and whether it ends within quotes."""
        try:
            return self._read(line, strict=True), False
        except csv.Error as error:
            is_open = "unexpected end" in str(error)
        if is_open:
            return line.split(self._delimiter), True
        return self._read(line, strict=False), False

    def _read(self, text: str, *, strict: bool) -> list[str]:
        lines = text.split("\n")
        lines[:-1] = [f"{line}\n" for line in lines[:-1]]
        reader = csv.reader(lines, delimiter=self._delimiter, strict=strict, skipinitialspace=True)
        return next(reader, [])

    def _next_odd(self, index: int) -> int:
        """Return the next line at which an open quote can end; the number of lines if none does."""
        if self._odd < index:
            self._odd = next(
                (at for at in range(index, len(self._lines)) if self._lines[at].count('"') % 2),
                len(self._lines),
            )
        return self._odd

    def _joined(self, start: int, end: int) -> list[str] | None:
        if end == len(self._lines) or self._attempts[end] == _MOST_ATTEMPTS:
            return None
        self._attempts[end] += 1
        try:
            return self._read("\n".join(self._lines[start : end + 1]), strict=True)
        except csv.Error:
            return None
