"""CSV and JSON lines to documents: one a row, with nothing of the row lost.

CSV is read as programs and people write it. The delimiter is the one that gives most lines the same
number of cells. A quote that is opened and never properly closed is a character of its line, and
never swallows the lines below.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, zip_longest
from typing import Any
from urllib.parse import quote

from rag.errors import SourceError
from rag.ingest.blocks import Block, Parsed, one_line
from rag.ingest.metadata import JSON, parse_date
from rag.text.numbers import unit_of
from rag.text.rows import written
from rag.types import Failure, MetadataValue

_DELIMITERS = ",;\t|"
_NONE = "\x1f"  # for a table of one column
_SEP = re.compile(r"\s*+\"?sep=(\\t|.)(?:[ \t\"]|\1)*+(?:\n|$)", re.I)
_SAMPLE_LINES = 100
_SAMPLE = 20_000
_LARGEST_FIELD = 100_000_000
_MOST_ATTEMPTS = 3

_TITLES = ("title", "subject", "question", "name")
_TEXTS = ("text", "body", "content", "answer")
_DATES = ("date", "published", "created", "updated")
_IDS = ("id", "_id")
_LONG = 80
_LONGEST_ID = 200
_DEEPEST = 20
_ABOVE = 300  # characters above the header that are told with every row
_MOST_ABOVE = 50
_NOTE_MARKS = ("*", "†", "‡", "#", "¹")
_DIGIT = re.compile(r"\d")
_EXCEL_TEXT = re.compile(r'="(.*)"', re.S)


@dataclass
class Rows:
    """The rows of a table with their fragments (what follows ``#`` in a uri), read one by one.

    ``failures`` are those that could not be read; ``notes`` say what is doubtful.
    """

    records: Iterable[tuple[str, Parsed]]
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_csv(text: str, name: str, uri: str) -> Rows:
    r"""The rows under the header; numbers count the rows below it, from 1.

    Lines above the header are told with every row, units below it with its names. A row with more
    cells than the header keeps them under the names of their columns.

    >>> found = read_csv("Plan,Price\nBasic,9\n", "a.csv", "a")
    >>> [(fragment, row.blocks[-1].text) for fragment, row in found.records]
    [('row=1', 'Plan: Basic; Price: 9')]
    """
    cells, notes = _cells(text, name)
    above, cells = _split_above([[*map(_value, row)] for row in cells])
    cells, below = _split_below(cells)
    tables = list(_tables(cells))
    if not tables:
        raise SourceError(f"{name} holds no rows.")
    rows: list[dict[str, str]] = []
    long = 0
    for header, values in tables:
        long += sum(any(map(str.strip, row[len(header) :])) for row in values)
        names = _unique(header + [""] * (max(map(len, values)) - len(header)))
        rows += (dict(zip(names, row, strict=False)) for row in values)
    if long:
        notes.append(f"{long} rows have more cells than the header has names")
    if len(tables) > 1:
        notes.append(f"it was read as {len(tables)} tables, each with a header of its own")
    foot = (
        (f"row={number}", Parsed([_paragraph(line)]))
        for number, line in enumerate(below, len(rows) + 1)
    )
    return Rows(chain(_records(list(enumerate(rows, 1)), above), foot), notes=notes)


def _is_blank(row: Sequence[str]) -> bool:
    return not any(map(str.strip, row))


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def _split_above(cells: list[list[str]]) -> tuple[str, list[list[str]]]:
    """Cut off what stands above the header: lines of one cell, where the rows have several.

    A comment, and what is narrower than the table and parted from it by a blank line, stands above
    it, too.
    """
    cells = cells[next((index for index, row in enumerate(cells) if not _is_blank(row)), 0) :]
    comments = next((i for i, row in enumerate(cells[:_MOST_ABOVE]) if not _is_comment(row)), 0)
    if comments and _is_header(cells[comments - 1], cells[comments : comments + 2]):
        comments -= 1
        cells[comments][0] = cells[comments][0].lstrip("# ")
    # A header of two names may have an empty one; in wider tables programs fill a title up.
    start = next(
        (
            index
            for index, row in enumerate(cells[comments:_MOST_ABOVE], comments)
            if _filled(row) > (len(row) != 2)
        ),
        comments,
    )
    title, gap, top, first = [*cells[start : start + 4], [], [], [], []][:4]
    if _is_blank(gap) and len(title) < len(top) == len(first) and _is_labels(top):
        start += 2
    if all(map(_is_blank, cells[start + 1 :])):  # there is no row below
        start = comments
    above = [" ".join(row) for row in cells[:start]]
    texts = (line.lstrip("#") if n < comments else line for n, line in enumerate(above))
    return "\n".join(filter(None, map(one_line, texts))), cells[start:]


def _is_comment(row: Sequence[str]) -> bool:
    return _is_blank(row) or row[0].startswith(("# ", "##"))


def _is_header(comment: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell the names of columns in a comment from words with a comma in them."""
    first = rows[0]
    spaced = [any(cell[:1] == " " for cell in row[1:]) for row in (comment, first)]
    has_header = _is_labels(first) and any(map(_has_number, rows[1:]))
    return len(comment) == len(first) > 1 and spaced[0] == spaced[1] and not has_header


def _is_labels(row: Sequence[str]) -> bool:
    """Tell whether a row may name columns: every cell is filled, and none is a number."""
    return all(cell.strip() and not _DIGIT.search(cell) for cell in row)


def _split_below(cells: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Cut off the notes at the foot of a table: lines of one cell that are no row."""
    end = len(cells)
    width = max(map(len, cells), default=0)
    while end > 2 and width > 1:
        row = cells[end - 1]
        is_alone = len(row) == 1 and (_is_blank(cells[end - 2]) or len(row[0].split()) > 2)
        is_note = _filled(row) == 1 and row[0].lstrip().startswith(_NOTE_MARKS)
        if not (_is_blank(row) or is_alone or is_note):
            break
        end -= 1
    if _filled(cells[end - 1] if cells else []) < 2:
        return cells, []
    return cells[:end], [" ".join(row).strip() for row in cells[end:] if not _is_blank(row)]


def _tables(cells: list[list[str]]) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield header and rows of each table; blank lines stand between them.

    Rows below a blank line are a table of their own only if the first of them is all labels, they
    are all of another width than the header, and a number stands in them.
    """
    header: list[str] = []
    rows: list[list[str]] = []
    for is_blank, block in groupby(cells, _is_blank):
        part = [] if is_blank else list(block)
        is_new = (
            len(part) > 1
            and _is_labels(part[0])
            and {len(row) for row in part} == {len(part[0])} != {len(header)}
        )
        if not header or (rows and is_new and len(part[0]) > 1 and any(map(_has_number, part[1:]))):
            if rows:
                yield header, rows
            header, rows = (part[0], []) if part else (header, rows)
            part = part[1:]
            if len(part) > 1 and (units := _units(part[0])):
                named = zip_longest(map(one_line, header), units[: len(header)], fillvalue="")
                header = [f"{name} ({unit})" if unit else name for name, unit in named]
                part = part[1:]
        rows += (row for row in part if row != header)
    if rows:
        yield header, rows


def _has_number(row: Sequence[str]) -> bool:
    return any(map(_DIGIT.search, row))


def _unique(names: list[str]) -> list[str]:
    """Names that differ: what is doubled gets a number that no other column has."""
    plain = [one_line(raw) or f"column {index}" for index, raw in enumerate(names, 1)]
    found: dict[str, None] = {}
    counts: Counter[str] = Counter()
    taken = set(plain)
    for base in plain:
        name = base
        while name in found or (name != base and name in taken):
            counts[base] += 1
            name = f"{base} {counts[base] + 1}"
        found[name] = None
    return list(found)


def _units(row: list[str]) -> list[str]:
    """The units of a row that holds nothing else."""
    units = [one_line(cell).strip("[]()") for cell in row]
    return units if all(not unit or unit_of(unit.lower()) for unit in units) else []


def _value(cell: str) -> str:
    # What Excel writes so that it does not take a code for a number.
    match = _EXCEL_TEXT.fullmatch(cell.strip()) if cell.startswith("=") else None
    return match[1] if match else cell


def read_jsonl(text: str, name: str, uri: str) -> Rows:
    """The objects; numbers are those of the lines, or of the objects in one JSON text."""
    text = text.removeprefix("\ufeff")
    whole = _whole(text)
    failures: list[Failure] = []
    rows: list[tuple[int, Mapping[str, Any]]] = []
    lines = text.split("\n" if "\n" in text else "\r")
    for number, item in enumerate(lines if whole is None else whole, 1):
        value, problem = item, "a JSON object"
        if whole is None:
            if not item.strip():
                continue
            try:
                value = JSON.decode(item)
            except (ValueError, RecursionError) as error:
                why = "nested too deep" if isinstance(error, RecursionError) else error
                problem = f"valid JSON ({why})"
        if isinstance(value, dict):
            rows.append((number, value))
        else:
            reason = f"Line {number} of {name} is not {problem}; mend it."
            failures.append(Failure(uri=f"{uri}#row={number}", reason=reason))
    if not rows:
        raise SourceError(failures[0].reason if failures else f"{name} holds no rows.")
    return Rows(_records(rows), failures)


def _whole(text: str) -> list[Any] | None:
    """The values of a file that is one array, or objects over several lines; else None."""
    text = text.strip()
    if not text.startswith(("[", "{")):
        return None
    try:
        if text[0] == "{":
            JSON.decode(text[: text.find("\n")])
            return None  # a line an object
    except (ValueError, RecursionError):
        pass
    values: list[Any] = []
    place = 0
    try:
        while place < len(text):
            value, place = JSON.raw_decode(text, place)
            values.append(value)
            place += len(text[place : place + 1000]) - len(text[place : place + 1000].lstrip())
    except (ValueError, RecursionError):
        return None
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


def _records(
    rows: Sequence[tuple[int, Mapping[str, Any]]], above: str = ""
) -> Iterator[tuple[str, Parsed]]:
    identifiers = [_identifier(row) for _, row in rows]
    counts = Counter(identifiers)
    unique = bool(rows) and None not in counts and max(counts.values()) == 1
    if len(above) > _ABOVE:
        yield "top", Parsed([_paragraph(above)])
        above = ""
    for (number, row), identifier in zip(rows, identifiers, strict=True):
        fragment = f"id={identifier}" if unique else f"row={number}"
        yield fragment, _record(row, one_line(above))


def _names(row: Mapping[str, Any]) -> dict[str, str]:
    return {key.lower(): key for key in reversed(list(row))}  # of two cases the first


def _identifier(row: Mapping[str, Any]) -> str | None:
    names = _names(row)
    for name in _IDS:
        value = row.get(names.get(name, ""))
        if isinstance(value, str | int) and (identifier := one_line(str(value)[:1000])):
            escaped = quote(identifier, safe="/:@ .~").replace(" ", "%20")
            return escaped if len(escaped) <= _LONGEST_ID else None
    return None


def _record(row: Mapping[str, Any], above: str) -> Parsed:
    values: dict[str, MetadataValue] = {}
    for key, value in _flat(row):
        values.setdefault(key, value)
    names = _names(row)
    keys = {name: names[name] for name in names if names[name] in values}
    title_key = next((keys[name] for name in _TITLES if name in keys), None)
    dates = (parse_date(values[keys[name]]) for name in _DATES if name in keys)
    published = next(filter(None, dates), None)
    texts = [keys[name] for name in _TEXTS if name in keys]
    title = one_line(str(values[title_key])) if title_key else None
    is_alone = len(values) == 1  # a heading without a text would not be found
    if title_key and not is_alone:
        del values[title_key]
    titles = [part for part in (above, "" if is_alone else title) if part]
    blocks = [Block("heading", part, level=level) for level, part in enumerate(titles, 1)]
    blocks += [_paragraph(str(values.pop(key))) for key in texts]
    short: dict[str, MetadataValue] = {}
    for key, value in values.items():
        if isinstance(value, str) and _is_prose(value):
            label = one_line(key).replace("_", " ")
            blocks.append(_paragraph(f"{label[:1].upper()}{label[1:]}: {value.strip()}"))
        else:
            short[key] = one_line(value) if isinstance(value, str) else value
    if short:
        cells = ((one_line(key), str(value)) for key, value in short.items())
        blocks.append(Block("row", written(cells)))
    return Parsed(blocks, title, published=published, metadata=short)


def _is_prose(value: str) -> bool:
    """Tell what is said from what is filed: a sentence is a paragraph, a label is not."""
    words = value.split()
    return len(value) > _LONG or "\n" in value or (len(words) > 2 and words[-1][-1] in ".!?")


def _paragraph(text: str) -> Block:
    return Block("paragraph", text.strip())


def _flat(
    row: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, MetadataValue]]:
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and depth < _DEEPEST:
            yield from _flat(value, f"{name}.", depth + 1)
        elif isinstance(value, list | Mapping):
            if value:
                yield name, _joined(value)
        elif isinstance(value, float) and not math.isfinite(value):
            yield name, str(value)
        elif isinstance(value, bool | int | float) or (isinstance(value, str) and value.strip()):
            yield name, value


def _joined(value: Any) -> str:
    """Write a list of plain values with commas, what is deeper as JSON, the deepest flat."""
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value))
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        found: list[str] = []
        left = [value]
        while left:
            item = left.pop()
            if isinstance(item, Mapping):
                item = list(chain.from_iterable(item.items()))
            if isinstance(item, list):
                left += reversed(item)
            else:
                found.append(str(item))
        return ", ".join(found)


# --- CSV to cells ---


def _cells(text: str, name: str) -> tuple[list[list[str]], list[str]]:
    """The rows, blank ones included, and what is doubtful about them."""
    csv.field_size_limit(_LARGEST_FIELD)
    text = text.removeprefix("\ufeff").replace("\0", "")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if said := _SEP.match(text):  # a line for Excel
        text = text[said.end() :]
        delimiter = "\t" if said[1] == r"\t" else said[1]
    else:
        delimiter = "\t" if name.lower().endswith(".tsv") else _delimiter(text)
    found = _Lines(text.split("\n"), delimiter)
    rows, count = list(found.rows()), found.unclosed
    note = f"{count} lines have a quote that is not closed; it was kept as text"
    return rows, [note] if count else []


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


@dataclass
class _Lines:
    """Lines on their way to rows; ``unclosed`` counts those with a quote that is only text."""

    lines: list[str]
    delimiter: str
    odd: int = -1  # the last line found with an odd number of quotes
    attempts: Counter[int] = field(default_factory=Counter)
    unclosed: int = 0

    def rows(self) -> Iterator[list[str]]:
        index = 0
        while index < len(self.lines):
            line = self.lines[index]
            index += 1
            if '"' not in line:
                yield line.split(self.delimiter) if line else []
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
        """The cells of a line, and whether it ends within quotes."""
        try:
            return self._read([line], strict=True), False
        except csv.Error as error:
            if "unexpected end" in str(error):
                return line.split(self.delimiter), True
        return self._read([line], strict=False), False

    def _read(self, lines: list[str], *, strict: bool) -> list[str]:
        ended = (f"{line}\n" for line in lines)
        reader = csv.reader(ended, delimiter=self.delimiter, strict=strict, skipinitialspace=True)
        return next(reader, [])

    def _next_odd(self, index: int) -> int:
        """The next line at which an open quote can end; the number of lines if none does."""
        if self.odd < index:
            count = len(self.lines)
            odd = (at for at in range(index, count) if self.lines[at].count('"') % 2)
            self.odd = next(odd, count)
        return self.odd

    def _joined(self, start: int, end: int) -> list[str] | None:
        if end == len(self.lines) or self.attempts[end] == _MOST_ATTEMPTS:
            return None
        self.attempts[end] += 1
        try:
            return self._read(self.lines[start : end + 1], strict=True)
        except csv.Error:
            return None
