"""Question files: JSON lines, one question each, read completely before anything is measured.

A row is::

    {"id": "dev-029", "question": "What VAT …?", "type": "table", "answerable": true,
     "answers": ["8.1 %", "8.1%"],
     "evidence": [{"uri": "billing/invoices-and-vat.md", "quote": "Rate on plans: 8.1 %"}],
     "history": [{"role": "user", "text": "…"}, {"role": "assistant", "text": "…"}]}

``evidence`` and ``history`` may be left out. Evidence is a quote and not offsets, so that a set
outlives a change of the extraction.
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydantic_core
from pydantic import StringConstraints, ValidationError

from rag.errors import DataError
from rag.types import Turn, Value

_SHOWN = 100  # faults that are spelled out; a file of another format has one on every line
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Words = Annotated[str, StringConstraints(pattern=r"\S")]


class Evidence(Value):
    """What supports the answer: a verbatim quote of a document."""

    uri: Words
    quote: Words


class Case(Value):
    """One question with what is known about its answer."""

    id: Words
    question: Words
    type: Words
    answers: tuple[Words, ...]
    answerable: bool
    evidence: tuple[Evidence, ...] = ()
    history: tuple[Turn, ...] = ()

    @property
    def conversation(self) -> tuple[str, str]:
        """What the turns of one conversation share: the id up to its last ``-``, and the opening.

        The id alone does not tell: ``q-1`` and ``q-2`` may be any two questions.
        """
        opening = self.history[0].text if self.history else self.question
        return self.id.rpartition("-")[0] or self.id, " ".join(opening.split())


@dataclass(frozen=True)
class Fault:
    """Something wrong with a line of a file; line 0 is the file as a whole."""

    line: int
    message: str


@dataclass(frozen=True)
class QuestionFile:
    """What a file holds: the cases that can be read, where they stand, and what is wrong."""

    path: Path
    cases: tuple[Case, ...]
    lines: dict[str, int]
    faults: tuple[Fault, ...]
    digest: str


def read_cases(path: Path) -> QuestionFile:
    """Return the cases of a ``.jsonl`` or ``.jsonl.gz`` file, in its order.

    Raises DataError that names every fault with its line, all at once.
    """
    found = scan(path)
    if found.faults:
        raise DataError(described(path, found.faults))
    return found


def described(path: Path, faults: Iterable[Fault]) -> str:
    """Return the faults one below the other, each with file and line."""
    lines = [f"{path}:{f.line}: {f.message}" if f.line else f"{path}: {f.message}" for f in faults]
    if len(lines) == 1:
        return lines[0]
    more = [f"… and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([f"{path} has {len(lines)} faults:", *lines[:_SHOWN], *more])


def scan(path: Path) -> QuestionFile:
    """Return what can be read and what is wrong with the rest; never raises for bad data."""
    cases: list[Case] = []
    lines: dict[str, int] = {}
    faults: list[Fault] = []
    digest = hashlib.sha256()
    for number, line in _lines(path, faults):
        digest.update(line + b"\n")
        if not line.strip():
            continue
        case = _case(line, number, faults)
        if case and case.id in lines:
            message = f"the id {case.id} is already on line {lines[case.id]}: give it another"
            faults.append(Fault(number, message))
        elif case:
            lines[case.id] = number
            cases.append(case)
    if not cases and not faults:
        faults.append(Fault(0, "there are no questions in it"))
    return QuestionFile(path, tuple(cases), lines, tuple(faults), digest.hexdigest()[:32])


def _lines(path: Path, faults: list[Fault]) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines without their ends; what stops the reading becomes a fault."""
    number = 0
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP  # the content decides, not the name
            raw.seek(0)
            with gzip.open(raw) if packed else raw as file:
                for number, line in enumerate(file, start=1):
                    text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                    yield number, text.rstrip(b"\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        faults.append(Fault(number + 1, f"the gzip file is broken or cut off here ({error})"))
    except OSError as error:
        faults.append(Fault(0, f"it cannot be read: {error.strerror or error}"))


def _case(line: bytes, number: int, faults: list[Fault]) -> Case | None:
    try:
        text = line.decode("utf-8")
        row = pydantic_core.from_json(text, allow_inf_nan=False)
    except UnicodeDecodeError as error:
        faults.append(Fault(number, f"this is not UTF-8 text: byte {error.start + 1} of the line"))
        return None
    except ValueError as error:
        faults.append(Fault(number, f"this is not JSON: {str(error).replace('line 1 ', '')}"))
        return None
    if not isinstance(row, dict):
        faults.append(Fault(number, f"a row is a JSON object, this is {type(row).__name__}"))
        return None
    name = f"{row['id']}: " if isinstance(row.get("id"), str) and row["id"].strip() else ""
    for key in sorted(set(row) - set(Case.model_fields)):
        near = difflib.get_close_matches(key, Case.model_fields, n=1, cutoff=0.8)
        if near:
            faults.append(Fault(number, f"{name}there is no field {key}: is it {near[0]}?"))
    known = {key: row[key] for key in Case.model_fields if key in row}
    try:
        # Strict about types, and JSON knows no tuples: so back through JSON.
        return Case.model_validate_json(pydantic_core.to_json(known), strict=True)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            faults.append(Fault(number, name + _sentence(item)))
        return None


def _sentence(item: Any) -> str:
    """Say what is wrong with a field in the words of the format."""
    field = "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in item["loc"])
    field = field.removeprefix(".")
    match item["type"]:
        case "missing":
            return f"the field {field} is missing"
        case "extra_forbidden":
            return f"there is no field {field}"
        case "string_pattern_mismatch":
            return f"{field} is empty"
        case _:
            message = item["msg"][0].lower() + item["msg"][1:]
            return f"{field}: {message.replace('input should', 'it should')}"


def groups(cases: Iterable[Case]) -> list[int]:
    """Return a number for each case; the turns of one conversation share theirs."""
    numbers: dict[tuple[str, str], int] = {}
    return [numbers.setdefault(case.conversation, len(numbers)) for case in cases]
