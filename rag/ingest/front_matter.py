"""Front matter: what stands above the text of a Markdown file, in YAML, TOML or JSON."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

from rag.ingest.blocks import one_line

# A blank line after the first mark makes it a rule, and what follows is text.
_YAML = re.compile(r"\A---[ \t]*\n(?:(?![ \t]*\n)(.*?\n))?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_TOML = re.compile(r"\A\+\+\+[ \t]*\n(.*?\n)?\+\+\+[ \t]*(?:\n|\Z)", re.S)
_LINE = re.compile(r"([\w.-]{1,80})[ \t]{0,9}[:=][ \t]+(\S.*)")
_LONGEST = 200_000
_MOST_ALIASES = 20  # each of them can double what the one before stands for
_DEEPEST = 50


def split_front_matter(text: str) -> tuple[dict[str, Any], str, str | None]:
    """Return the front matter, the body, and what is wrong with the front matter, if anything.

    What is wrong as a whole is read line by line, so that a title with a colon in it is no loss.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.startswith("{"):
        return _split_json(text)
    yaml_match, toml_match = _YAML.match(text), _TOML.match(text)
    match = yaml_match or toml_match
    if not match or match.end() > _LONGEST:
        return {}, text, None
    load: Callable[[str], Any] = _load_yaml if yaml_match else tomllib.loads
    source, body = match[1] or "", text[match.end() :]
    try:
        values = load(source)
    except (ValueError, TypeError, RecursionError) as error:
        found = (_LINE.fullmatch(line) for line in source.split("\n"))
        by_line = {line[1]: line[2].strip().strip("\"'") for line in found if line}
        if not by_line and set(source).isdisjoint(":="):  # a text between two rules
            return {}, text, None
        deep = isinstance(error, RecursionError)
        return (
            by_line,
            body,
            "nested too deep" if deep else one_line(str(error)) or "no reason given",
        )
    if not isinstance(values, dict) or not values:  # a text between two rules
        return {}, text, None
    return {str(key): value for key, value in values.items()}, body, None


def _split_json(text: str) -> tuple[dict[str, Any], str, str | None]:
    try:
        values, end = JSON.raw_decode(text[:_LONGEST])
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
            if aliases > _MOST_ALIASES or depth > _DEEPEST:
                raise ValueError("too many aliases or too deep")
        return yaml.load(source, Loader=loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) < 4000 else digits  # more are refused by Python


JSON = json.JSONDecoder(parse_int=_integer, parse_constant=str)
"""Reads integers of any length and NaN, as text."""
