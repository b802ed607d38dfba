"""CSV and JSON lines to documents: one a row, with nothing of the row lost."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

from rag.errors import SourceError
from rag.ingest.blocks import Block, one_line
from rag.ingest.dates import parse_date
from rag.types import Failure, MetadataValue

_TITLES = ("title", "subject", "question", "name")
_TEXTS = ("text", "body", "content", "answer")
_DATES = ("date", "published", "created", "updated")
_IDS = ("id", "_id")
_LONG = 80
_DELIMITERS = ",;\t|"
_LARGEST_FIELD = 100_000_000


@dataclass(frozen=True)
class Record:
    """One row: ``fragment`` is what follows ``#`` in its uri."""

    fragment: str
    title: str | None
    blocks: list[Block]
    published: date | None
    metadata: dict[str, MetadataValue]


def read_csv(text: str, name: str, uri: str) -> tuple[list[Record], list[Failure]]:
    """Return the rows under the header; numbers count the rows below it, from 1."""
    csv.field_size_limit(_LARGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, name))
    failures: list[Failure] = []
    rows: list[tuple[int, Mapping[str, Any]]] = []
    header = [one_line(field) for field in next(reader, [])]
    keys = [field or f"column {index}" for index, field in enumerate(header, 1)]
    number = 0
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        number += 1
        if len(cells) > len(keys):
            reason = f"Row {number} of {name} has {len(cells)} cells under {len(keys)} headers."
            failures.append(Failure(uri=f"{uri}#row={number}", reason=reason))
            continue
        rows.append((number, dict(zip(keys, cells, strict=False))))
    return _records(rows), failures


def read_jsonl(text: str, name: str, uri: str) -> tuple[list[Record], list[Failure]]:
    """Return the objects; numbers are those of the lines."""
    rows: list[tuple[int, Mapping[str, Any]]] = []
    failures: list[Failure] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = f"Line {number} of {name} is not valid JSON ({error}); mend it."
        else:
            if isinstance(value, dict):
                rows.append((number, {str(key): item for key, item in value.items()}))
                continue
            reason = f"Line {number} of {name} is not a JSON object; mend it."
        failures.append(Failure(uri=f"{uri}#row={number}", reason=reason))
    return _records(rows), failures


def _delimiter(text: str, name: str) -> str:
    if name.lower().endswith(".tsv"):
        return "\t"
    first = text[: text.find("\n")] if "\n" in text else text
    try:
        found = csv.Sniffer().sniff(text[:20_000], _DELIMITERS).delimiter
    except csv.Error:
        found = ","
    # The sniffer takes prose for columns now and then; the header knows better.
    return found if found in first else max(_DELIMITERS, key=first.count)


def _records(rows: list[tuple[int, Mapping[str, Any]]]) -> list[Record]:
    lowered = [(number, {key.lower(): key for key in row}, row) for number, row in rows]
    identifiers = [_identifier(names, row) for _, names, row in lowered]
    counts = Counter(identifiers)
    unique = bool(rows) and None not in counts and max(counts.values()) == 1
    return [
        _record(f"id={identifier}" if unique else f"row={number}", names, row)
        for (number, names, row), identifier in zip(lowered, identifiers, strict=True)
    ]


def _identifier(names: Mapping[str, str], row: Mapping[str, Any]) -> str | None:
    for name in _IDS:
        value = row.get(names.get(name, ""))
        if isinstance(value, str | int) and str(value).strip():
            return quote(str(value).strip(), safe="/:@ .~").replace(" ", "%20")
    return None


def _record(fragment: str, names: Mapping[str, str], row: Mapping[str, Any]) -> Record:
    values = dict(_flat(row))
    title_key = _first(names, values, _TITLES)
    date_key = next(
        (names[name] for name in _DATES if parse_date(values.get(names.get(name, "")))), None
    )
    texts = [names[name] for name in _TEXTS if names.get(name) in values]
    title = one_line(str(values.pop(title_key))) if title_key else None
    blocks = [Block("heading", title, level=1)] if title else []
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


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, MetadataValue]]:
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list):
            if value and all(isinstance(item, str | int | float) for item in value):
                yield name, ", ".join(map(str, value))
            elif value:
                yield name, json.dumps(value, ensure_ascii=False)
        elif isinstance(value, bool | int | float) or (isinstance(value, str) and value.strip()):
            yield name, value


def check_rows(records: list[Record], failures: list[Failure], name: str) -> None:
    """Raise SourceError when there is not a single row that can be used."""
    if not records:
        reason = failures[0].reason if failures else f"{name} holds no rows."
        raise SourceError(reason)
