"""Evaluation sets as JSON lines: what a row holds, and reading it before anything is measured.

A file may be plain or gzip'ed (its content decides, not its name), begin with a byte order mark and
end its lines as on Windows; blank lines are skipped. All that is wrong is collected with its line
and reported at once. A row of a question file is::

    {"id": "dev-029", "question": "What VAT …?", "type": "table", "answerable": true,
     "answers": ["8.1 %", "8.1%"], "needs": [["Pro", "Team"], "a year"], "rivals": ["2.6 %"],
     "evidence": [{"uri": "billing/invoices-and-vat.md", "quote": "Rate on plans: 8.1 %"}],
     "history": [{"role": "user", "text": "…"}, {"role": "assistant", "text": "…"}]}

An answer is right if it has any of ``answers``, all of ``needs`` (of a list, any) and none of
``rivals``, which are what a wrong answer would say. All from ``needs`` on may be left out, and so
may ``human_labels``: how a person graded the pipeline's answer, for holding a judge against.
``draft`` is true for what no person has accepted yet: it is not measured. ``note`` is for people.
Evidence is a quote and not offsets, so that a set outlives a change of the extraction.
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import pydantic_core
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from rag.errors import DataError
from rag.types import Label, Turn, Value

_SHOWN = 20  # faults of a file that are spelled out; one of another format has one on every line
_CLIPPED = 80  # characters of a value from a file in a message; it may have millions
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Words = Annotated[str, StringConstraints(pattern=r"\S")]
"""A text that says something: not empty and not only spaces."""


def _number_as_text(value: Any) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else value


def _on_one_line(name: str) -> str:
    if _CONTROL.search(name):
        raise pydantic_core.PydanticCustomError("name", "It holds a tab, a line break or the like")
    return name


def _turn(value: Any) -> Any:
    """Leave out what a source adds to a turn, which ``Turn`` itself does not allow."""
    if not isinstance(value, dict):
        return value
    return {field: value[field] for field in Turn.model_fields if field in value}


def _alternatives(value: Any) -> Any:
    """Take one text for a list of one; a tuple, because validation after this is strict."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Need = Annotated[tuple[Words, ...], BeforeValidator(_alternatives), Field(min_length=1)]
"""What an answer has to say: a text, or several of which any will do."""

Name = Annotated[Words, BeforeValidator(_number_as_text), AfterValidator(_on_one_line)]
"""An id: words on one line, so that it fits into a table; a whole number counts as its digits."""

History = tuple[Annotated[Turn, BeforeValidator(_turn)], ...]
"""The turns before a question, oldest first."""


# Rows


class Row(Value):
    """Base of the rows that a file may hold: each has an id of its own.

    ``noun`` is what messages call them. Fields that the model does not have are left out. One whose
    name is close to a required field that is missing is a fault; ``by_hand``, for a format that
    people write, so is one that is close to any field.
    """

    model_config = ConfigDict(extra="ignore")
    noun: ClassVar[str] = "rows"
    by_hand: ClassVar[bool] = False

    id: Words

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the row though each of its fields is well formed."""
        return iter(())


class Evidence(Value):
    """What supports the answer: a verbatim quote of a document."""

    uri: Words
    quote: Words


class HumanLabels(Value):
    """How a person graded an answer, as fractions of 1; what was not graded is left out."""

    relevance: float | None = Field(None, ge=0, le=1)
    completeness: float | None = Field(None, ge=0, le=1)
    faithfulness: float | None = Field(None, ge=0, le=1)


class Case(Row):
    """One question on an index, with what is known about its answer."""

    model_config = ConfigDict(extra="forbid")
    noun: ClassVar[str] = "questions"
    by_hand: ClassVar[bool] = True

    question: Words
    type: Words
    answers: tuple[Words, ...]
    answerable: bool
    needs: tuple[Need, ...] = ()
    rivals: tuple[Words, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    history: tuple[Turn, ...] = ()
    human_labels: HumanLabels | None = None
    draft: bool = False
    note: str = ""

    @property
    def conversation(self) -> tuple[str, str]:
        """What the turns of one conversation share: the id up to its last ``-``, and the opening.

        The id alone does not tell: ``q-1`` and ``q-2`` may be any two questions.
        """
        opening = self.history[0].text if self.history else self.question
        return self.id.rpartition("-")[0] or self.id, " ".join(opening.split())


class QaAnswer(Value):
    """An answer of a QA row; ``start`` is a character position in the context, -1 unknown."""

    model_config = ConfigDict(extra="ignore")

    text: Words
    start: int = Field(default=-1, ge=-1)


class QaRow(Row):
    """A question on one text. ``context[start : start + len(text)] == text`` for each answer.

    An answerable question may come without answers: that there is one is then all that is known.
    """

    id: Name
    title: str = ""
    context: Words
    question: Words
    answers: tuple[QaAnswer, ...]
    answerable: bool

    def problems(self) -> Iterator[str]:
        """Yield each answer that is not where it says, and answers to what has none."""
        if self.answers and not self.answerable:
            yield "it has answers although it is not answerable: one of the two is wrong"
        for number, answer in enumerate(self.answers, start=1):
            start, text = answer.start, answer.text
            if start < 0 or self.context.startswith(text, start):
                continue
            place = self.context.find(text)
            found = self.context[start : start + len(text)]
            yield f"answers[{number}] is not at {shown(str(start))} of the context: " + (
                f"there is “{shown(found)}”, and “{shown(text)}” begins at {place}"
                if place >= 0
                else f"“{shown(text)}” is nowhere in it"
            )


class GroundingRow(Row):
    """A claim with its evidence and how far that supports it.

    Rows of one ``group`` share a document or a claim, so they are no independent observations.
    """

    id: Name
    evidence: tuple[str, ...] = Field(min_length=1)
    claim: Words
    label: Label
    source: str = ""
    group: Name | None = None

    def problems(self) -> Iterator[str]:
        """Yield that the evidence says nothing, if so."""
        if not any(text.strip() for text in self.evidence):
            yield "evidence is empty"


class RewriteRow(Row):
    """A question as it was said in a conversation, and written so that it stands on its own."""

    id: Name
    history: History
    question: Words
    rewrite: Words


AnyRow = TypeVar("AnyRow", bound=Row)


# Files


@dataclass(frozen=True)
class Fault:
    """Something wrong with a line of a file; line 0 is the file as a whole."""

    path: Path
    line: int
    message: str


@dataclass(frozen=True)
class RowFile(Generic[AnyRow]):
    """What a file holds: the rows that can be read, where they stand, and what is wrong.

    ``lines`` has the line of each id in ``rows``, ``broken`` the ids of rows with a fault as far as
    they can be told; ``whole`` says whether the file could be read to its end. ``digest`` covers
    the content of the lines: packing, line ends and a byte order mark do not change it.
    """

    path: Path
    rows: tuple[AnyRow, ...]
    lines: dict[str, int]
    faults: tuple[Fault, ...]
    digest: str
    broken: frozenset[str]
    whole: bool


def read_rows(path: Path, model: type[AnyRow]) -> RowFile[AnyRow]:
    """Read a ``.jsonl`` or ``.jsonl.gz`` file, in its order.

    Raises DataError that names every fault with its line, all at once.
    """
    found = scan_rows(path, model)
    if found.faults:
        raise DataError(described(path, found.faults))
    return found


def scan_rows(path: Path, model: type[AnyRow]) -> RowFile[AnyRow]:
    """Read what can be read and note what is wrong with the rest; never raises for bad data."""
    reader = _Reader(model)
    rows: list[AnyRow] = []
    lines: dict[str, int] = {}
    faults: list[Fault] = []
    stopped: list[Fault] = []
    digest = hashlib.sha256()
    for number, line in read_lines(path, stopped):
        digest.update(line + b"\n")
        if not line.strip():
            continue
        row, messages = reader.read(line)
        problems = [f"{shown(row.id)}: {problem}" for problem in row.problems()] if row else []
        if row and row.id in lines:
            place = lines[row.id]
            messages.append(f"the id {shown(row.id)} is already on line {place}: give it another")
        elif row and problems:
            reader.broken.add(row.id)
        elif row:
            lines[row.id] = number
            rows.append(row)
        faults += [Fault(path, number, message) for message in messages + problems]
    faults += stopped
    if not rows and not faults:
        faults.append(Fault(path, 0, f"there are no {model.noun} in it"))
    return RowFile(
        path,
        tuple(rows),
        lines,
        tuple(faults),
        digest.hexdigest()[:32],
        frozenset(reader.broken),
        whole=not stopped,
    )


def read_lines(path: Path, faults: list[Fault]) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines without their ends; what stops the reading is added to ``faults``."""
    number = 0
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            with gzip.open(raw) if packed else raw as file:
                for number, line in enumerate(file, start=1):
                    text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                    yield number, text.rstrip(b"\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"the gzip file is broken or cut off here ({error})"
        faults.append(Fault(path, number + 1, message))
    except OSError as error:
        faults.append(Fault(path, 0, f"it cannot be read: {error.strerror or error}"))


def decoded(line: bytes) -> str:
    """Decode UTF-8; raises ValueError with what to say of a line that is none."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"this is not UTF-8 text: byte {error.start + 1} of the line"
        raise ValueError(message) from None


def described(whole: Path, faults: Iterable[Fault]) -> str:
    """List the faults of the files that make up a ``whole``, each with file and line."""
    of_file: dict[Path, list[str]] = {}
    for fault in faults:
        place = f"{fault.path}:{fault.line}" if fault.line else f"{fault.path}"
        of_file.setdefault(fault.path, []).append(f"{place}: {fault.message}")
    count = sum(map(len, of_file.values()))
    lines = [line for found in of_file.values() for line in found[:_SHOWN]]
    if count == 1:
        return lines[0]
    more = [f"… and {count - len(lines)} more"] if count > len(lines) else []
    return "\n".join([f"{whole} has {count} faults:", *lines, *more])


def shown(value: str) -> str:
    """Write a value of a file as a message can hold it: on one line, and not too long."""
    clipped = value if len(value) <= _CLIPPED else value[: _CLIPPED - 1] + "…"
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], clipped)


class _Reader(Generic[AnyRow]):
    """Reads lines as rows of one model, and remembers the ids of those that it could not read."""

    def __init__(self, model: type[AnyRow]) -> None:
        self.broken: set[str] = set()
        self._model = model
        fields = model.model_fields
        self._fields = [info.alias or name for name, info in fields.items()]
        self._id = fields["id"].alias or "id"

    def read(self, line: bytes) -> tuple[AnyRow | None, list[str]]:
        """The row and what is wrong with its fields' names, or why there is no row."""
        # One pass in Rust for the rows that are right, nearly all of them. It would let NaN pass,
        # which JSON does not have.
        if not self._model.by_hand and b"NaN" not in line and b"Infinity" not in line:
            try:
                return self._model.model_validate_json(line.decode("utf-8"), strict=True), []
            except ValueError:
                pass
        try:
            text = decoded(line)
        except ValueError as error:
            return None, [str(error)]
        try:
            value = pydantic_core.from_json(text, allow_inf_nan=False)
        except ValueError as error:
            return None, [f"this is not JSON: {str(error).replace('line 1 ', '')}"]
        if not isinstance(value, dict):
            return None, [f"a row is a JSON object, this is {type(value).__name__}"]
        return self._row(value)

    def _row(self, value: dict[str, Any]) -> tuple[AnyRow | None, list[str]]:
        identity = _number_as_text(value.get(self._id))
        named = isinstance(identity, str) and bool(identity.strip())
        name = f"{shown(identity)}: " if named else ""
        near = self._near(value)
        messages = [name + said for said in near.values()] if self._model.by_hand else []
        known = {field: value[field] for field in self._fields if field in value}
        try:
            # Strict about types, and JSON knows no tuples: so back through JSON.
            row = self._model.model_validate_json(pydantic_core.to_json(known), strict=True)
        except ValidationError as error:
            for item in error.errors(include_url=False, include_input=False):
                instead = None if self._model.by_hand else self._instead(item, near)
                messages.append(name + (instead or _sentence(item)))
            if named:
                self.broken.add(identity)
            return None, messages
        return row, messages

    def _near(self, value: Mapping[str, Any]) -> dict[str, str]:
        """Say of each unknown field that is close to a known one which it may be."""
        near: dict[str, str] = {}
        for key in sorted(set(value) - set(self._fields)):
            for field in difflib.get_close_matches(key, self._fields, n=1, cutoff=0.8):
                near[key] = f"there is no field {shown(key)}: is it {field}?"
        return near

    def _instead(self, item: Any, near: Mapping[str, str]) -> str | None:
        """Find the misspelling that explains why a field is missing."""
        if item["type"] != "missing" or len(item["loc"]) > 1:
            return None
        field = f": is it {item['loc'][0]}?"
        return next((said for said in near.values() if said.endswith(field)), None)


def _sentence(item: Any) -> str:
    """Say what is wrong with a field in the words of the format."""
    field = "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in item["loc"])
    field = shown(field.removeprefix("."))
    match item["type"]:
        case "missing":
            return f"the field {field} is missing"
        case "extra_forbidden":
            return f"there is no field {field}"
        case "string_pattern_mismatch" | "too_short":
            return f"{field} is empty"
        case _:
            message = item["msg"][0].lower() + item["msg"][1:]
            return f"{field}: {message.replace('input should', 'it should')}"
