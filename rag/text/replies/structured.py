"""Replies in JSON: each sentence as soon as it is whole, however loosely it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_SENTENCES = re.compile(r"[\"']sentences[\"']\s*:\s*\[|\A\s*\[")
_UNANSWERABLE = re.compile(r"[\"']answerable[\"']\s*:\s*false", re.IGNORECASE)
_ANSWER = re.compile(r"[\"'](?:answer|text|response|reply)[\"']\s*:\s*(?=[\"'])")
_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?P<single>(?:[^'\\]|\\.|(?<=\w)'(?=\w))*)'"
_LOOSE = re.compile(
    rf"{_STRING}|(?P<comma>,(?=\s*[}}\]]))|\b(?P<word>True|False|None)\b", re.DOTALL
)
_PART = re.compile(rf"{_STRING}|[{{}}\[\]\"']", re.DOTALL)
_WORDS = {"True": "true", "False": "false", "None": "null"}
_LINE = re.compile(r"(?:\d{1,3}[.)]|[-*•])\s")  # a sentence that begins a line of its own


def marks_of(numbers: Any) -> str:
    """Return ``[1][2]`` for a list of numbers that a model gave; what is no number is left out.

    >>> marks_of([1, 2, "three"])
    '[1][2]'
    """
    given = numbers if isinstance(numbers, list) else ()
    return "".join(f"[{n}]" for n in given if type(n) is int and n >= 0)


def loads(text: str) -> Any:
    """JSON as models write it: single quotes, commas too many, words of Python. Raises ValueError.

    >>> loads("{'answerable': True, 'sentences': ['It takes five days.',],}")
    {'answerable': True, 'sentences': ['It takes five days.']}
    """
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return json.loads(_LOOSE.sub(_strictly, text), strict=False)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _strictly(found: re.Match[str]) -> str:
    if found["comma"]:
        return ""
    if found["word"]:
        return _WORDS[found["word"]]
    if found["single"] is None:
        return found[0]
    return '"' + re.sub(r'(?<!\\)"', r"\"", found["single"].replace("\\'", "'")) + '"'


class Structured:
    """A reply of sentences with their citations as text with ``[n]`` marks, or one of a string.

    An item counts once it is whole; of a string that breaks off, ``finish`` returns what there is.
    """

    def __init__(self) -> None:
        self.refused = False
        self.read = False  # whether anything could be read
        self._buffer = ""
        self._at: int | None = None  # where the next sentence begins
        self._given = 0

    def feed(self, piece: str) -> str:
        """Take a piece and return the sentences that have become whole."""
        self._buffer += piece
        if self._at is None:
            found = _SENTENCES.search(self._buffer)
            if _UNANSWERABLE.search(self._buffer, 0, found.start() if found else 2**31):
                self.refused = self.read = True
            if found is None:
                return ""
            self._at = found.end()
        shown = ""
        while not self.refused and (item := self._next_item()) is not None:
            shown += self._rendered(item)
        return shown

    def finish(self) -> str:
        """Return what was held back."""
        if self._at is not None or self.refused:
            if not self._given and self._buffer.startswith("]", self._at or 0):
                self.refused = self.read = True  # the list is whole, and there is nothing in it
            return ""
        found = _ANSWER.search(self._buffer)
        if found is None:
            return ""
        begun = self._buffer[found.end() :]
        string = _PART.match(begun)
        whole = string and len(string[0]) > 1
        try:
            text = loads(string[0] if string and whole else begun.rstrip("\\") + begun[0])
        except ValueError:
            return ""
        marks = re.search(r"[\"']citations[\"']\s*:\s*(\[[\d\s,]*\])", self._buffer)
        return self._rendered({"text": text, "citations": loads(marks[1]) if marks else []})

    def _next_item(self) -> Any:
        """The next whole item of the list; None if there is none yet."""
        at = self._at or 0
        while at < len(self._buffer) and self._buffer[at] in " \t\r\n,":
            at += 1
        self._at = at
        end = self._end_of_item(at)
        if not end:
            return None
        try:
            item = loads(self._buffer[at:end])
        except ValueError:
            item = {}
        self._at = end
        return item

    def _end_of_item(self, at: int) -> int:
        """Where the item that begins there ends; 0 if it is not whole or there is none."""
        depth = 0
        for part in _PART.finditer(self._buffer, at):
            if part[0] in "\"'" or (not depth and (part.start() != at or part[0] in "]}")):
                return 0
            depth += (part[0] in "{[") - (part[0] in "}]")
            if not depth:  # behind an apostrophe the string may go on
                return part.end() if part[0][0] != "'" or part.end() < len(self._buffer) else 0
        return 0

    def _rendered(self, item: Any) -> str:
        sentence = item if isinstance(item, Mapping) else {"text": item}
        text = sentence.get("text")
        if not isinstance(text, str) or not text.strip():
            return ""
        text = text.strip()
        before = ("\n" if _LINE.match(text) else " ") if self._given else ""
        self._given += 1
        self.read = True
        return f"{before}{text} {marks_of(sentence.get('citations'))}".rstrip()
