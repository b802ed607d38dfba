"""CSV and JSON lines to documents: one a row, with nothing of the row lost."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import quote

from rag.errors import SourceError
from rag.ingest import csv_rows
from rag.ingest.blocks import Block, one_line
from rag.ingest.dates import parse_date
from rag.ingest.front_matter import JSON
from rag.text.units import unit_of
from rag.types import Failure, MetadataValue

_TITLES = ("title", "subject", "question", "name")
_TEXTS = ("text", "body", "content", "answer")
_DATES = ("date", "published", "created", "updated")
_IDS = ("id", "_id")
_LONG = 80
_LONGEST_ID = 200
_DEEPEST = 20
_ABOVE = 300  # characters above the header that are told with every row
_EXCEL_TEXT = re.compile(r'="(.*)"', re.S)


@dataclass(frozen=True, slots=True)
class Record:
    """One row: ``fragment`` is what follows ``#`` in its uri."""

    fragment: str
    title: str | None
    blocks: list[Block]
    published: date | None
    metadata: dict[str, MetadataValue]


@dataclass
class Rows:
    """The rows of a table, read one by one, with what could not be read and what is doubtful."""

    records: Iterable[Record]
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_csv(text: str, name: str, uri: str) -> Rows:
    """Return the rows under the header; numbers count the rows below it, from 1.

    Lines above the header are told with every row, units below it with its names. A row with more
    cells than the header keeps them under the names of their columns.
    """
    cells, notes = csv_rows.split(text, name)
    cells = [row for row in cells if any(map(str.strip, row))]
    above, cells = _split_above(cells)
    header = _unique(cells[0]) if cells else []
    if len(cells) > 2 and (units := _units(cells[1])):
        for index, unit in enumerate(units[: len(header)]):
            header[index] += f" ({unit})" if unit else ""
        del cells[1]
    if not cells[1:]:
        raise SourceError(f"{name} holds no rows.")
    widest = max(map(len, cells))
    if widest > len(header):
        long = sum(len(row) > len(header) and any(row[len(header) :]) for row in cells)
        if long:
            notes.append(f"{long} rows have more cells than the header has names")
        header = _unique(header + [""] * (widest - len(header)))
    rows = [(number, dict(zip(header, map(_value, row), strict=False)))
            for number, row in enumerate(cells[1:], 1)]  # fmt: skip
    return Rows(_records(rows, above), notes=notes)


def _split_above(cells: list[list[str]]) -> tuple[str, list[list[str]]]:
    """Cut off what stands above the header: lines of one cell, where the rows have several."""
    # A header of two names may have an empty one; in wider tables programs fill a title up.
    start = next(
        (index for index, row in enumerate(cells[:50])
         if sum(bool(cell.strip()) for cell in row) > 1 or len(row) == 2), 0
    )  # fmt: skip
    if start + 1 >= len(cells):  # there is no row below
        start = 0
    return "\n".join(one_line(" ".join(row)) for row in cells[:start]), cells[start:]


def _unique(names: list[str]) -> list[str]:
    found: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for index, raw in enumerate(names, 1):
        name = base = one_line(_value(raw)) or f"column {index}"
        while name in found:
            counts[base] += 1
            name = f"{base} {counts[base] + 1}"
        found[name] = None
    return list(found)


def _units(row: list[str]) -> list[str]:
    """Return the units of a row that holds nothing else."""
    units = [one_line(cell).strip("[]()") for cell in row]
    return units if all(not unit or unit_of(unit.lower()) for unit in units) else []


def _value(cell: str) -> str:
    # What Excel writes so that it does not take a code for a number.
    match = _EXCEL_TEXT.fullmatch(cell.strip()) if cell.startswith("=") else None
    return match[1] if match else cell


def read_jsonl(text: str, name: str, uri: str) -> Rows:
    """Return the objects; numbers are those of the lines, or of the objects in one JSON text."""
    text = text.removeprefix("\ufeff")
    whole = _whole(text)
    failures: list[Failure] = []
    rows: list[tuple[int, Mapping[str, Any]]] = []
    lines = text.split("\n" if "\n" in text else "\r")
    for number, line in enumerate(lines if whole is None else whole, 1):
        if isinstance(line, str) and whole is None:
            if not line.strip():
                continue
            try:
                value = JSON.decode(line)
            except (ValueError, RecursionError) as error:
                reason = f"Line {number} of {name} is not valid JSON ({error}); mend it."
                failures.append(Failure(uri=f"{uri}#row={number}", reason=reason))
                continue
        else:
            value = line
        if isinstance(value, dict):
            rows.append((number, value))
        else:
            reason = f"Line {number} of {name} is not a JSON object; mend it."
            failures.append(Failure(uri=f"{uri}#row={number}", reason=reason))
    if not rows:
        raise SourceError(failures[0].reason if failures else f"{name} holds no rows.")
    return Rows(_records(rows), failures)


def _whole(text: str) -> list[Any] | None:
    """Return the values of a file that is one array, or objects over several lines; else None."""
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


def _records(rows: Sequence[tuple[int, Mapping[str, Any]]], above: str = "") -> Iterator[Record]:
    identifiers = [_identifier(row) for _, row in rows]
    counts = Counter(identifiers)
    unique = bool(rows) and None not in counts and max(counts.values()) == 1
    if len(above) > _ABOVE:
        yield Record("top", None, [_paragraphs(above)], None, {})
        above = ""
    for (number, row), identifier in zip(rows, identifiers, strict=True):
        yield _record(f"id={identifier}" if unique else f"row={number}", row, one_line(above))


def _names(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        key.lower(): key for key in reversed(list(row))
    }  # the first of those that differ in case


def _identifier(row: Mapping[str, Any]) -> str | None:
    names = _names(row)
    for name in _IDS:
        value = row.get(names.get(name, ""))
        if isinstance(value, str | int) and (identifier := one_line(str(value)[:1000])):
            escaped = quote(identifier, safe="/:@ .~").replace(" ", "%20")
            return escaped if len(escaped) <= _LONGEST_ID else None
    return None


def _record(fragment: str, row: Mapping[str, Any], above: str) -> Record:
    values: dict[str, MetadataValue] = {}
    for key, value in _flat(row):
        values.setdefault(key, value)
    names = _names(row)
    title_key = _first(names, values, _TITLES)
    date_key = next(
        (names[name] for name in _DATES if parse_date(values.get(names.get(name, "")))), None
    )
    texts = [names[name] for name in _TEXTS if names.get(name) in values]
    title = one_line(str(values.pop(title_key))) if title_key else None
    titles = [part for part in (above, title) if part]
    blocks = [Block("heading", part, level=level) for level, part in enumerate(titles, 1)]
    blocks += [_paragraphs(str(values.pop(key))) for key in texts]
    short: dict[str, MetadataValue] = {}
    for key, value in values.items():
        if isinstance(value, str) and _is_prose(value):
            blocks.append(_paragraphs(f"{_label(key)}: {value.strip()}"))
        else:
            short[key] = one_line(value) if isinstance(value, str) else value
    if short:
        line = "; ".join(f"{one_line(key)}: {value}" for key, value in short.items())
        blocks.append(Block("row", line))
    published = parse_date(values.get(date_key)) if date_key else None
    return Record(fragment, title, blocks, published, short)


def _is_prose(value: str) -> bool:
    """Tell what is said from what is filed: a sentence is a paragraph, a label is not."""
    words = value.split()
    return len(value) > _LONG or "\n" in value or (len(words) > 2 and words[-1][-1] in ".!?")


def _label(key: str) -> str:
    label = one_line(key).replace("_", " ")
    return label[:1].upper() + label[1:]


def _paragraphs(text: str) -> Block:
    return Block("paragraph", text.strip())


def _first(
    names: Mapping[str, str], values: Mapping[str, Any], wanted: tuple[str, ...]
) -> str | None:
    for name in wanted:
        key = names.get(name)
        if key and str(values.get(key, "")).strip():
            return key
    return None


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
                left += [part for pair in reversed(list(item.items())) for part in reversed(pair)]
            elif isinstance(item, list):
                left += reversed(item)
            else:
                found.append(str(item))
        return ", ".join(found)
