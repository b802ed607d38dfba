"""JSON-lines files: every row is read and checked before anything is measured.

A file may be plain or gzip'ed (its content decides, not its name), begin with a byte order mark and
end its lines as on Windows; blank lines are skipped. All that is wrong is collected with its line
and reported at once, since a file is mended sooner with the whole list than one fault at a time.
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
from typing import Annotated, Any, Generic, TypeVar

import pydantic_core
from pydantic import AfterValidator, BeforeValidator, StringConstraints, ValidationError

from rag.errors import DataError
from rag.types import Value

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


Name = Annotated[Words, BeforeValidator(_number_as_text), AfterValidator(_on_one_line)]
"""An id: words on one line, so that it fits into a table; a whole number counts as its digits."""


class Row(Value):
    """Base of the rows that a file may hold: each has an id of its own."""

    id: Words

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the row though each of its fields is well formed."""
        return iter(())


AnyRow = TypeVar("AnyRow", bound=Row)


@dataclass(frozen=True)
class Fault:
    """Something wrong with a line of a file; line 0 is the file as a whole."""

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
    broken: frozenset[str] = frozenset()
    whole: bool = True


def read_rows(path: Path, model: type[AnyRow]) -> RowFile[AnyRow]:
    """Return the rows of a ``.jsonl`` or ``.jsonl.gz`` file, in its order.

    Raises DataError that names every fault with its line, all at once.
    """
    found = scan_rows(path, model)
    if found.faults:
        raise DataError(described(path, found.faults))
    return found


def scan_rows(
    path: Path, model: type[AnyRow], *, what: str = "rows", ignore_extra: bool = True
) -> RowFile[AnyRow]:
    """Return what can be read and what is wrong with the rest; never raises for bad data.

    Fields that the model does not have are left out. One whose name is close to a required field
    that is missing is a fault; without ``ignore_extra``, as fits a format that is written by hand,
    so is one that is close to any field. ``what`` is what the messages call the rows.
    """
    reader = _Reader(model, ignore_extra=ignore_extra)
    rows: list[AnyRow] = []
    lines: dict[str, int] = {}
    faults: list[Fault] = []
    stopped: list[Fault] = []
    digest = hashlib.sha256()
    for number, line in read_lines(path, stopped):
        digest.update(line)
        digest.update(b"\n")
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
        messages += problems
        faults += [Fault(number, message) for message in messages]
    faults += stopped
    if not rows and not faults:
        faults.append(Fault(0, f"there are no {what} in it"))
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


def decoded(line: bytes) -> str:
    """Return the text of a line. Raises ValueError with what to say of a line that has none."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"this is not UTF-8 text: byte {error.start + 1} of the line"
        raise ValueError(message) from None


def described(path: Path, faults: Iterable[Fault]) -> str:
    """Return the faults one below the other, each with file and line."""
    return described_together(path, ((path, fault) for fault in faults))


def described_together(whole: Path, faults: Iterable[tuple[Path, Fault]]) -> str:
    """Return the faults of several files that make up a ``whole``, e.g. a folder."""
    of_file: dict[Path, list[str]] = {}
    for path, fault in faults:
        place = f"{path}:{fault.line}" if fault.line else f"{path}"
        of_file.setdefault(path, []).append(f"{place}: {fault.message}")
    lines = [line for found in of_file.values() for line in found]
    if len(lines) == 1:
        return lines[0]
    shown_lines = [line for found in of_file.values() for line in found[:_SHOWN]]
    left = len(lines) - len(shown_lines)
    more = [f"… and {left} more"] if left else []
    return "\n".join([f"{whole} has {len(lines)} faults:", *shown_lines, *more])


def shown(value: str) -> str:
    """Return a value of a file as a message can hold it: on one line, and not too long."""
    clipped = value if len(value) <= _CLIPPED else value[: _CLIPPED - 1] + "…"
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], clipped)


class _Reader(Generic[AnyRow]):
    """Reads lines as rows of one model, and remembers the ids of those that it could not read."""

    def __init__(self, model: type[AnyRow], *, ignore_extra: bool) -> None:
        self.broken: set[str] = set()
        self._model = model
        self._ignore_extra = ignore_extra
        fields = model.model_fields
        self._fields = [info.alias or name for name, info in fields.items()]
        self._id = fields["id"].alias or "id"

    def read(self, line: bytes) -> tuple[AnyRow | None, list[str]]:
        """Return the row and what is wrong with its fields' names, or why there is no row."""
        # One pass in Rust for the rows that are right, nearly all of them. It would let NaN pass,
        # which JSON does not have.
        if self._ignore_extra and b"NaN" not in line and b"Infinity" not in line:
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
        messages = [] if self._ignore_extra else [name + said for said in near.values()]
        known = {field: value[field] for field in self._fields if field in value}
        try:
            # Strict about types, and JSON knows no tuples: so back through JSON.
            row = self._model.model_validate_json(pydantic_core.to_json(known), strict=True)
        except ValidationError as error:
            for item in error.errors(include_url=False, include_input=False):
                instead = self._instead(item, near) if self._ignore_extra else None
                messages.append(name + (instead or _sentence(item)))
            if named:
                self.broken.add(identity)
            return None, messages
        return row, messages

    def _near(self, value: Mapping[str, Any]) -> dict[str, str]:
        """Return for each unknown field that is close to a known one what to say of it."""
        near: dict[str, str] = {}
        for key in sorted(set(value) - set(self._fields)):
            for field in difflib.get_close_matches(key, self._fields, n=1, cutoff=0.8):
                near[key] = f"there is no field {shown(key)}: is it {field}?"
        return near

    def _instead(self, item: Any, near: Mapping[str, str]) -> str | None:
        """Return the misspelling that explains why a field is missing, if there is one."""
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
