"""The history of a suite: a folder with the runs by digest, and a line for every time it was run.

``runs/DIGEST.jsonl`` is a run file under the digest of its bytes, complete from the moment it is
there. ``history.jsonl`` has a line for every time the suite was run, with its figures, and one for
every time a person accepted one. Lines are only ever added, under a lock: processes may share a
folder, and what a crash cut off is taken away by the next one that writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.errors import DataError, UsageError
from rag.evaluate.runs import Run, read_run

FORMAT = 1  # of the lines

KEPT = 30
"""Times of which all run files are kept; of older ones those that are compared with, and the
figures of all."""

_LEFT = 24 * 3600.0  # seconds after which a file that no line knows is deleted


@dataclass(frozen=True)
class Entry:
    """One time that the suite was run.

    ``runs`` are the digests of the run files by evaluation, ``figures`` is metric -> [value, low,
    high] by evaluation, ``regressions`` and ``failures`` say in sentences what was wrong.
    ``accepted`` is the reason why a person took it for good; None where nobody did.
    """

    id: str
    created: str
    runs: Mapping[str, str]
    figures: Mapping[str, Mapping[str, list[float | None]]]
    regressions: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    accepted: str | None = None

    @property
    def status(self) -> str:
        """In a word: failed, worse, accepted, or fine."""
        if self.accepted is not None:
            return "accepted"
        return "failed" if self.failures else "worse" if self.regressions else "fine"


class History:
    """What a folder remembers of a suite."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runs = folder / "runs"
        self._lines = folder / "history.jsonl"

    def entries(self) -> list[Entry]:
        """Every time that the suite was run, oldest first. Raises DataError for a broken file."""
        found: dict[str, dict[str, Any]] = {}
        for line in self._read():
            if "accept" in line:
                if line["accept"] in found:
                    found[line["accept"]]["accepted"] = line["reason"]
            else:
                found[line["id"]] = line
        return [
            Entry(
                one["id"],
                one["created"],
                one["runs"],
                one["figures"],
                tuple(one["regressions"]),
                one["failures"],
                one.get("accepted"),
            )
            for one in found.values()
        ]

    def good(self, evaluation: str) -> tuple[Entry, Run] | None:
        """The run that an evaluation is held against, and its time; None before its first.

        It is of the last time that a person accepted; else of the first time that there was one.
        """
        found = self._good(self.entries(), evaluation)
        return None if found is None else (found, self.run(found.runs[evaluation]))

    def good_ids(self, entries: list[Entry]) -> dict[str, str]:
        """The id of the good time, by evaluation."""
        names = {name for one in entries for name in one.runs}
        found = {name: self._good(entries, name) for name in names}
        return {name: one.id for name, one in found.items() if one}

    @staticmethod
    def _good(entries: list[Entry], evaluation: str) -> Entry | None:
        have = [one for one in entries if evaluation in one.runs]
        accepted = [one for one in have if one.accepted is not None]
        return accepted[-1] if accepted else have[0] if have else None

    def run(self, digest: str) -> Run:
        """A run by its digest. Raises DataError if it is not there any more, or not as it was."""
        path = self._runs / f"{digest}.jsonl"
        mend = "put it back, or begin anew in an empty history folder"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}): {mend}") from None
        if _digest(content) != digest:
            raise DataError(f"{path} is not what it was when it was written: {mend}")
        return read_run(path)

    def place(self, evaluation: str) -> Path:
        """Where a process may write the run of an evaluation before it is added."""
        self._make()
        return self._runs / f".{os.getpid()}-{evaluation}.part"

    def keep(self, run: Run) -> Run:
        """Take a run file from where it is and name it by its digest; return the run there."""
        kept = self._runs / f"{_digest(run.path.read_bytes())}.jsonl"
        with run.path.open("rb") as file:
            os.fsync(file.fileno())
        run.path.replace(kept)
        return replace(run, path=kept)

    def add(self, runs: Mapping[str, Run], **told: Any) -> Entry:
        """Add a time that the suite was run; its runs are kept already."""
        digests = {name: run.path.stem for name, run in runs.items()}
        now = datetime.now(UTC)
        mark = _digest(json.dumps([digests, os.getpid(), now.isoformat()]).encode())[:6]
        created = now.isoformat(timespec="seconds")
        entry = Entry(f"{now:%Y%m%d-%H%M%S}-{mark}", created, digests, **told)
        kept = {name: value for name, value in vars(entry).items() if name != "accepted"}
        with self._locked():
            self._append({"schema": FORMAT, **kept})
            self._tidy()
        return entry

    def accept(self, reason: str) -> Entry:
        """Take the last time for good from now on. Raises UsageError where that cannot be."""
        if not reason.strip():
            raise UsageError("--accept wants a reason: say in a few words why it is good as it is")
        with self._locked():
            entries = self.entries()
            if not entries:
                raise UsageError(f"there is nothing to accept in {self.folder}: run the suite once")
            last = entries[-1]
            if missing := sorted(last.failures.keys() - last.runs.keys()):
                raise UsageError(
                    f"{last.id} cannot be accepted: {', '.join(missing)} could not be "
                    "measured; mend it and run the suite again"
                )
            created = datetime.now(UTC).isoformat(timespec="seconds")
            reason = " ".join(reason.split())
            line = {"accept": last.id, "reason": reason, "created": created}
            self._append({"schema": FORMAT, **line})
            return self.entries()[-1]

    def _make(self) -> None:
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self.folder} cannot be made ({error.strerror}): name another with --history"
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import portalocker

        self._make()
        with (self.folder / ".lock").open("a") as handle:
            portalocker.lock(handle, portalocker.LockFlags.EXCLUSIVE)
            try:
                yield
            finally:
                portalocker.unlock(handle)

    def _read(self) -> Iterator[dict[str, Any]]:
        try:
            lines = self._lines.read_text("utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return
        except OSError as error:
            raise DataError(f"{self._lines} cannot be read: {error.strerror}") from None
        for number, line in enumerate(lines[:-1], start=1):  # after the last end: cut off
            try:
                value = json.loads(line)
                known = value["schema"] == FORMAT
            except (ValueError, LookupError, TypeError):
                raise DataError(
                    f"{self._lines}:{number}: this is no line of a history: take it out"
                ) from None
            if not known:
                raise DataError(
                    f"{self._lines}:{number} has schema {value['schema']} and this version reads "
                    f"{FORMAT}: begin anew in an empty history folder"
                )
            yield value

    def _append(self, value: Mapping[str, Any]) -> None:
        line = json.dumps(value, ensure_ascii=False).encode() + b"\n"
        with self._lines.open("ab+") as file:
            file.seek(0)
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)  # what a crash cut off
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _tidy(self) -> None:
        """Delete run files that nothing will be held against any more."""
        entries = self.entries()
        good = set(self.good_ids(entries).values())
        needed = {
            digest
            for one in entries
            if one in entries[-KEPT:] or one.id in good
            for digest in one.runs.values()
        }
        known = {digest for one in entries for digest in one.runs.values()}
        for path in self._runs.iterdir():
            # What no line knows is of a process that was killed, unless it is at it just now.
            left = path.stem not in known and time.time() - path.stat().st_mtime > _LEFT
            if left or path.stem in known - needed:
                path.unlink(missing_ok=True)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
