"""Metadata of a file: front matter, dates, and plain values under clean names.

Front matter stands above the text of a Markdown file, in YAML, TOML or JSON.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

from rag.ingest.blocks import one_line
from rag.types import MetadataValue

# A blank line after the first mark makes it a rule, and what follows is text.
_YAML = re.compile(r"\A---[ \t]*\n(?:(?![ \t]*\n)(.*?\n))?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_TOML = re.compile(r"\A\+\+\+[ \t]*\n(.*?\n)?\+\+\+[ \t]*(?:\n|\Z)", re.S)
_LINE = re.compile(r"([\w.-]{1,80})[ \t]{0,9}[:=][ \t]+(\S.*)")
_LONGEST_FRONT_MATTER = 200_000
_MOST_ALIASES = 20  # each of them can double what the one before stands for
_DEEPEST_YAML = 50

_MOST = 500  # names
_LONGEST = 10_000  # characters of a value
_DEEPEST = 20
_VISITED = 10_000  # values in all: a few aliases in YAML can stand for billions

_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?=$|[T\s])")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?=$|T)")
_LONGEST_DATE = 60
_WRITTEN_DATES = (
    "%Y/%m/%d|%d.%m.%Y|%d %B %Y|%d %b %Y|%B %d, %Y|%b %d, %Y|"
    "%a, %d %b %Y %H:%M:%S %z|%a, %d %b %Y %H:%M:%S GMT"
).split("|")


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) < 4000 else digits  # more are refused by Python


JSON = json.JSONDecoder(parse_int=_integer, parse_constant=str)
"""Reads integers of any length and NaN, as text."""


def split_front_matter(text: str) -> tuple[dict[str, Any], str, str | None]:
    r"""The front matter, the body, and what is wrong with the front matter, if anything.

    What is wrong as a whole is read line by line, so that a title with a colon in it is no loss.

    >>> split_front_matter("---\ntitle: Returns\n---\nText.")
    ({'title': 'Returns'}, 'Text.', None)
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.startswith("{"):
        return _split_json(text)
    is_yaml = _YAML.match(text)
    match = is_yaml or _TOML.match(text)
    if not match or match.end() > _LONGEST_FRONT_MATTER:
        return {}, text, None
    source, body = match[1] or "", text[match.end() :]
    problem = None
    try:
        values = _load_yaml(source) if is_yaml else tomllib.loads(source)
    except (ValueError, TypeError, RecursionError) as error:
        found = (_LINE.fullmatch(line) for line in source.split("\n"))
        values = {line[1]: line[2].strip().strip("\"'") for line in found if line}
        deep = isinstance(error, RecursionError)
        problem = "nested too deep" if deep else one_line(str(error)) or "no reason given"
    is_text = not (problem and set(source) & set(":="))  # it stands between two rules
    if is_text and (not isinstance(values, dict) or not values):
        return {}, text, None
    return {str(key): value for key, value in values.items()}, body, problem


def _split_json(text: str) -> tuple[dict[str, Any], str, str | None]:
    try:
        values, end = JSON.raw_decode(text[:_LONGEST_FRONT_MATTER])
    except (ValueError, RecursionError):
        return {}, text, None
    if not isinstance(values, dict) or not text[end:].lstrip(" \t").startswith("\n"):
        return {}, text, None
    return values, text[end:], None


def _load_yaml(source: str) -> Any:
    """Load safe YAML in which no few lines can stand for billions; raises ValueError."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        aliases = depth = 0
        for event in yaml.parse(source, Loader=loader):
            aliases += isinstance(event, yaml.AliasEvent)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if aliases > _MOST_ALIASES or depth > _DEEPEST_YAML:
                raise ValueError("too many aliases or too deep")
        return yaml.load(source, Loader=loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def scalars(values: Mapping[Any, Any]) -> dict[str, MetadataValue]:
    """What can be stored and searched: text on one line, int of 64 bits, finite float, bool.

    Maps within maps get names like ``a.b``, lists are joined with commas, dates are ISO, other
    numbers are text. What is empty, and what is beyond the limits above, is left out.

    >>> scalars({"tags": ["a", "b"], "owner": {"name": "Ann"}, "draft": None})
    {'tags': 'a, b', 'owner.name': 'Ann'}
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


def parse_date(value: object) -> date | None:
    """The date, or None for what is none or could be two.

    >>> parse_date("May 3, 2024"), parse_date("03/04/2024")
    (datetime.date(2024, 5, 3), None)
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    match = _YEAR_FIRST.match(text) or _COMPACT.match(text)
    try:
        if match:
            return date(int(match[1]), int(match[2]), int(match[3] or 1))
    except ValueError:
        return None
    for form in _WRITTEN_DATES if len(text) <= _LONGEST_DATE else ():
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None
