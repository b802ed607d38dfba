"""Metadata: plain values under clean names, whatever a file declares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, time
from typing import Any

from rag.ingest.blocks import one_line
from rag.types import MetadataValue

_MOST = 500  # names
_LONGEST = 10_000  # characters of a value
_DEEPEST = 20
_VISITED = 10_000  # values in all: a few aliases in YAML can stand for billions


def scalars(values: Mapping[Any, Any]) -> dict[str, MetadataValue]:
    """Return what can be stored and searched: text on one line, int of 64 bits, finite float, bool.

    Maps within maps get names like ``a.b``, lists are joined with commas, dates are ISO, other
    numbers are text. What is empty, and what is beyond the limits above, is left out.
    """
    found: dict[str, MetadataValue] = {}
    for name, value in _flat(values, "", _DEEPEST, iter(range(_VISITED))):
        if name and value != "":
            found.setdefault(name, value)
        if len(found) == _MOST:
            break
    return found


def _flat(
    values: Mapping[Any, Any], prefix: str, depth: int, budget: Iterator[int]
) -> Iterator[tuple[str, MetadataValue]]:
    for key, value in values.items():
        if next(budget, None) is None:
            return
        plain = _plain(key)
        name = f"{prefix}{'' if plain is None else plain}"[:_LONGEST]
        if isinstance(value, Mapping):
            if depth:
                yield from _flat(value, f"{name}.", depth - 1, budget)
        elif isinstance(value, list | tuple | set | frozenset):
            yield name, ", ".join(_items(value, depth, budget))[:_LONGEST]
        elif (clean := _plain(value)) is not None:
            yield name, clean


def _items(values: Any, depth: int, budget: Iterator[int]) -> Iterator[str]:
    for value in values:
        if next(budget, None) is None:
            return
        if isinstance(value, list | tuple | set | frozenset):
            if depth:
                yield from _items(value, depth - 1, budget)
        elif isinstance(value, Mapping):
            if depth:
                yield from (f"{k}: {v}" for k, v in _flat(value, "", depth - 1, budget))
        elif (clean := _plain(value)) not in (None, ""):
            yield str(clean)


def _plain(value: object) -> MetadataValue | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return one_line(value[: 2 * _LONGEST])[:_LONGEST]
    if isinstance(value, int):
        if value.bit_length() < 64:
            return value
        # Python writes no more than 4,300 digits in decimal.
        return str(value) if value.bit_length() < 14_000 else f"{value:#x}"[:_LONGEST]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value.isoformat() if isinstance(value, date | time) else None
