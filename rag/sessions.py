"""Conversations that are kept: one file of JSON lines each, under the index folder.

The first line says what the file is, each other one is an answer as ``--json`` prints it. A file is
written anew after every turn and put in place of the old one at once, so that whatever stops the
program leaves the turns before it whole. Only its owner may read it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from rag.errors import StoreError, UsageError
from rag.types import SCHEMA, Answer, Turn, Value

FOLDER = "sessions"
_ID = re.compile(r"[\w-]{1,64}")


class Summary(Value):
    """One line about a session, for a list."""

    id: str
    begun: datetime
    answers: int
    opening: str


class Session:
    """A conversation on disk. The file is made with the first answer."""

    def __init__(self, folder: Path, name: str | None = None) -> None:
        self.begun = datetime.now().astimezone().replace(microsecond=0)
        self.id = name or f"{self.begun:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self.path = folder / FOLDER / f"{self.id}.jsonl"
        self.answers: list[Answer] = []

    def add(self, answer: Answer) -> None:
        """Add an answer and write the file. Raises StoreError."""
        self.answers.append(answer)
        header = {"schema": SCHEMA, "session": self.id, "begun": self.begun.isoformat()}
        rows = [header, *(one.to_json() for one in self.answers)]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        try:
            _replace(self.path, text)
        except OSError as error:
            raise StoreError(
                f"the conversation cannot be kept in {self.path} ({error.strerror}): make room or "
                "allow writing there, or talk on with --no-save"
            ) from None


def load(folder: Path, name: str) -> Session:
    """A session by its id, or by the beginning of one that no other has.

    Raises UsageError if there is none, StoreError if it cannot be read.
    """
    if not _ID.fullmatch(name):
        raise UsageError(f"{name!r} is no session: `rag chat --list` has them")
    found = [path for path in _files(folder) if path.stem.startswith(name)]
    exact = [path for path in found if path.stem == name] or found
    if len(exact) != 1:
        what = "there is no session" if not exact else f"{len(exact)} sessions begin with"
        raise UsageError(f"{what} {name}: `rag chat --list` has them")
    return _read(folder, exact[0])


def latest(folder: Path) -> Session:
    """The session that was last written to. Raises UsageError if there is none."""
    files = sorted(_files(folder), key=lambda path: (path.stat().st_mtime_ns, path.stem))
    if not files:
        raise UsageError("there is no conversation to go on with: begin one with `rag chat`")
    return _read(folder, files[-1])


def summaries(folder: Path) -> list[Summary]:
    """All sessions, the latest first; what cannot be read is left out."""
    found = []
    for path in _files(folder):
        try:
            session = _read(folder, path)
        except StoreError:
            continue
        opening = session.answers[0].question if session.answers else ""
        answers = len(session.answers)
        found.append(Summary(id=session.id, begun=session.begun, answers=answers, opening=opening))
    return sorted(found, key=lambda summary: (summary.begun, summary.id), reverse=True)


def turns_of(answer: Answer) -> tuple[Turn, Turn]:
    """What a question and its answer add to a conversation."""
    said = " ".join(sentence.shown for sentence in answer.sentences) or answer.abstention
    return Turn(role="user", text=answer.question), Turn(role="assistant", text=said)


def markdown(answers: Sequence[Answer]) -> str:
    """A conversation as Markdown: questions as headings, answers with their sources."""
    return "\n\n".join(f"## {answer.question}\n\n{answer}" for answer in answers) + "\n"


def write(path: Path, answers: Sequence[Answer]) -> None:
    """Write a conversation to a file: JSON if it is named ``.json``, else Markdown."""
    if path.suffix == ".json":
        body = {"schema": SCHEMA, "answers": [answer.to_json() for answer in answers]}
        content = json.dumps(body, ensure_ascii=False, indent=2) + "\n"
    else:
        content = markdown(answers)
    path.write_text(content, "utf-8")


def _files(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("*.jsonl"))


def _read(folder: Path, path: Path) -> Session:
    session = Session(folder, path.stem)
    try:
        header, *rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        session.begun = datetime.fromisoformat(header["begun"])
        for row in rows:
            values = {key: row[key] for key in row if key not in ("schema", "text")}
            session.answers.append(Answer.model_validate(values))
    except (OSError, ValueError, TypeError, LookupError, ValidationError):
        raise StoreError(
            f"the conversation in {path} cannot be read: move the file away, or begin another"
        ) from None
    return session


def _replace(path: Path, text: str) -> None:
    """Put a new file in place of the old one at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")  # for its owner's eyes
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
