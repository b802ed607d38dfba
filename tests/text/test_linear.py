"""Every regular expression that files are read with takes time in proportion to the text.

The patterns are found by importing the modules; what could slow one down is made from the pattern
itself: long runs of its own parts, after what has to stand before them.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections import deque
from collections.abc import Iterator
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from time import thread_time
from typing import Any

import pytest

import rag.ingest
import rag.text

SMALL, LARGE = 1_500, 6_000
BOUNDED = {
    # Given no more than this many characters by their only callers.
    "rag.ingest.joint._LAST_PART": 200,
    "rag.text.sentences._LAST_WORD": 200,
    "rag.text.replies._DANGLING": 40,
    "rag.text.numbers._ABOUT": 30,
    "rag.text.numbers._LESS": 30,
    "rag.text.numbers._LESS_AFTER": 30,
    "rag.text.numbers._MORE": 30,
    "rag.text.numbers._MORE_AFTER": 30,
    "rag.text.private._CALL": 48,
    "rag.text.private._MADE": 48,
    "rag.text.private._NETWORK": 48,
    "rag.text.private._OWNED": 48,
}
ANCHORED = {
    # Only ever matched at one place of a text, so that they are not tried at each.
    "rag.ingest.records._SEP",
    "rag.ingest.docx_text._PAGE_FIELD",
    "rag.ingest.docx_text._SYMBOL_FIELD",
    "rag.ingest.formats._PROLOGUE",
    "rag.ingest.html._NO_PICTURE",
    "rag.ingest.pdf_entries._NO_TERM",
    "rag.ingest.html_hidden._MENU_LABEL",
    "rag.ingest.html_hidden._SIMPLE_SELECTOR",
    "rag.ingest.html_boilerplate._INVITATION",
    "rag.ingest.html_boilerplate._TO_TOP",
    "rag.ingest.pdf_paragraphs._BULLETED",
    "rag.ingest.pdf._JUNK_TITLE",
    "rag.ingest.pdf_paragraphs._PAGE_NUMBER",
    "rag.ingest.pdf._PLACEHOLDER",
    "rag.text.dates.COUNTED",
    "rag.text.dates.JOIN",
    "rag.text.numbers._JOINED",
    "rag.text.numbers._OF",
    "rag.text.private._AFTER_FIRM",
    "rag.text.private._SETTING_OUT",
    "rag.text.replies._OPENING",
    "rag.text.sentences._MARKER",
}
CLASSES = {
    op.CATEGORY_DIGIT: "7", op.CATEGORY_WORD: "a", op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_DIGIT: "a", op.CATEGORY_NOT_WORD: "-", op.CATEGORY_NOT_SPACE: "a",
}  # fmt: skip


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    seen = set()
    for package in (rag.ingest, rag.text):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                values = value if isinstance(value, tuple | list) else [value]
                for pattern in values:
                    if isinstance(pattern, re.Pattern) and pattern not in seen:
                        seen.add(pattern)
                        yield f"{module.name}.{name}", pattern


def members(items: list[Any]) -> list[str]:
    """Return some letters of a class, or a letter outside of a negated one."""
    chars = []
    for kind, value in items:
        if kind is op.LITERAL:
            chars.append(chr(value))
        elif kind is op.RANGE:
            chars.append(chr(value[0]))
        elif kind is op.CATEGORY:
            chars.append(CLASSES.get(value, "a"))
    if items and items[0][0] is op.NEGATE:
        return [c for c in "a -<" if c not in chars and not (c == "a" and "\\w" in chars)][:2] or [
            "~"
        ]
    return chars


def sample(nodes: Any) -> str:
    """Return a short text that the parts of a pattern may match."""
    text = ""
    for kind, value in nodes:
        if kind is op.LITERAL:
            text += chr(value)
        elif kind is op.NOT_LITERAL:
            text += "a" if chr(value) != "a" else "b"
        elif kind is op.ANY:
            text += "a"
        elif kind is op.IN:
            text += members(value)[0]
        elif kind is op.CATEGORY:
            text += CLASSES.get(value, "a")
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            text += sample(value[2]) * max(value[0], 0)
        elif kind is op.SUBPATTERN:
            text += sample(value[3])
        elif kind is op.ATOMIC_GROUP:
            text += sample(value)
        elif kind is op.BRANCH:
            text += sample(value[1][0])
    return text


def parts(nodes: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield (what stands before, what can be repeated) for everything in a pattern."""
    for kind, value in nodes:
        own = sample([(kind, value)])
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            yield before, sample(value[2])
            yield from parts(value[2], before)
        elif kind is op.IN:
            for member in members(value)[:4]:
                yield before, member
        elif kind is op.SUBPATTERN:
            yield from parts(value[3], before)
        elif kind is op.ATOMIC_GROUP:
            yield from parts(value, before)
        elif kind is op.BRANCH:
            for branch in value[1]:
                yield from parts(branch, before)
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            yield from parts(value[1], before)
        before = (before + own)[-60:]
    if before:
        yield "", before


def hostile(pattern: re.Pattern[Any]) -> list[tuple[str, str, str]]:
    """Return (beginning, what is repeated, end) of the texts to try."""
    source = (
        pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    )
    found: dict[tuple[str, str, str], None] = {}
    units = dict.fromkeys(part for part in parts(parser.parse(source, pattern.flags)) if part[1])
    for before, unit in units:
        for end in ("", "\x01"):
            found[before, unit, end] = None
        found["", before + unit, "\x01"] = None
        if before:
            found["", before, "\x01"] = None
    return list(found)


def seconds(pattern: re.Pattern[Any], text: str, *, anchored: bool = False) -> float:
    given: Any = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "ignore")
    began = thread_time()
    if not anchored:
        deque(pattern.finditer(given), maxlen=0)
    pattern.match(given)
    pattern.fullmatch(given)
    return thread_time() - began


def is_linear(
    pattern: re.Pattern[Any], shape: tuple[str, str, str], *, anchored: bool = False
) -> bool:
    before, unit, end = shape
    for _ in range(4):  # caches may have been taken by another process
        short = seconds(pattern, before + unit * (SMALL // len(unit)) + end, anchored=anchored)
        long = seconds(pattern, before + unit * (LARGE // len(unit)) + end, anchored=anchored)
        if long < 8 * short + 0.005:
            return True
    return False


FOUND = dict(patterns())


def test_the_patterns_are_found() -> None:
    assert len(FOUND) > 60
    assert "rag.ingest.blocks._TRAILING" in FOUND
    assert {*BOUNDED, *ANCHORED} <= FOUND.keys()


@pytest.mark.skipif(sys.gettrace() is not None, reason="tracing distorts times")
@pytest.mark.parametrize("name", [name for name in FOUND if name not in BOUNDED])
def test_a_pattern_is_linear(name: str) -> None:
    pattern = FOUND[name]
    for shape in hostile(pattern):
        assert is_linear(pattern, shape, anchored=name in ANCHORED), shape


def test_the_test_sees_what_is_not_linear() -> None:
    for source in (r"[ \t]+(?=\n)", r"\s*a\s*\s*b", r"<!--.*?-->", r"(?:a|ab)*c|\w+!"):
        pattern = re.compile(source, re.S)
        assert not all(is_linear(pattern, shape) for shape in hostile(pattern)), source


@pytest.mark.parametrize("name", BOUNDED)
def test_a_pattern_for_short_texts_is_fast_on_those(name: str) -> None:
    pattern, most = FOUND[name], BOUNDED[name]
    for before, unit, end in hostile(pattern):
        text = (before + unit * (most // len(unit)))[:most] + end
        assert min(seconds(pattern, text) for _ in range(3)) < 0.005
