"""Virtual environments of the peers: one for each file of requirements, made once and kept."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from catalogue import OURS, REPOSITORY, Peer

# Neither ingesting nor searching goes through these.
_NOT_MEASURED = {"evaluate", "cli", "train", "bridges", "__pycache__"}


class PeerError(Exception):
    """A peer cannot be measured; the table says why."""


def digest(*parts: str | bytes) -> str:
    """Return one name for all parts in their order."""
    result = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        result.update(len(data).to_bytes(8, "big") + data)
    return result.hexdigest()[:16]


def digest_of_files(paths: Iterable[Path]) -> str:
    """Return one name for what the files contain."""
    return digest(*(part for path in sorted(paths) for part in (path.name, path.read_bytes())))


@cache
def source_digest() -> str:
    """Return one name for the code here that ingests and searches, as it was when first asked."""
    return digest_of_files(
        path
        for path in (REPOSITORY / "rag").rglob("*")
        if path.is_file() and not _NOT_MEASURED & set(path.relative_to(REPOSITORY / "rag").parts)
    )


def identity(peer: Peer) -> str:
    """Return one name for everything that is installed for a peer."""
    parts = [platform.python_version(), peer.requirements.read_text("utf-8")]
    if peer == OURS:
        parts += [
            (REPOSITORY / n).read_text("utf-8") for n in ("constraints.txt", "pyproject.toml")
        ]
    return digest(*parts)


def prepare(peer: Peer, cache: Path) -> Path:
    """Return the Python of a peer's environment, made the first time. Raises PeerError."""
    folder = cache / "environments" / f"{peer.environment}-{identity(peer)}"
    python = folder / "bin" / "python"
    complete, log = folder / "complete", folder.with_suffix(".log")
    if not complete.exists():
        for older in folder.parent.glob(f"{peer.environment}-*/"):
            shutil.rmtree(older)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", str(folder)], log)
        _pip(python, ["--requirement", str(peer.requirements)], log)
        complete.write_text(source_digest(), "utf-8")
    elif peer == OURS and complete.read_text("utf-8") != source_digest():
        _pip(python, ["--no-deps", "--force-reinstall", "."], log)
        complete.write_text(source_digest(), "utf-8")
    return python


def _pip(python: Path, arguments: list[str], log: Path) -> None:
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    _run([str(python), "-m", "pip", "install", *quiet, *arguments], log)


def _run(command: list[str], log: Path) -> None:
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            command, check=False, cwd=REPOSITORY, stdout=file, stderr=subprocess.STDOUT
        )
    if done.returncode:
        said = [line for line in log.read_text("utf-8").splitlines() if line.startswith("ERROR")]
        reason = said[-1] if said else f"status {done.returncode}"
        raise PeerError(f"its environment cannot be made: {reason} (all of it: {log})")
