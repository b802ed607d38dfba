"""What answers: weights, prompts, settings and index, each as a name or digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from rag.settings import Settings
from rag.types import digest_of

_WITH_WEIGHTS = ("embedder", "encoder", "reranker", "reader", "checker", "generator")


class Versions(Mapping[str, str]):
    """By name, what answers with these settings and the stages that are ``loaded``.

    It is looked up when it is first read, and not while an answer waits.
    """

    def __init__(
        self, settings: Settings, loaded: Mapping[str, Any], fingerprint: Callable[[], str]
    ) -> None:
        self._settings = settings
        self._stages = dict(loaded)
        self._fingerprint = fingerprint

    @cached_property
    def _found(self) -> dict[str, str]:
        from rag import __version__

        found = {"rag": __version__, "fitted": _fitted()}
        for name in _WITH_WEIGHTS:
            if stage := self._stages.get(name):
                known = getattr(stage, "identity", None) or getattr(stage, "name", None)
                found[name] = str(known or type(stage).__name__)
        if "model" in self._stages:
            found["prompts"] = _prompts()
        found["settings"] = digest_of(self._settings.model_dump_json(exclude={"observe"}))[:16]
        found["index"] = self._fingerprint()
        return found

    def __getitem__(self, name: str) -> str:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


@cache
def _fitted() -> str:
    """The digest of all that was fitted: the coefficients beside the code."""
    root = Path(__file__).parent.parent
    folders = ("answer", "ground", "retrieve")
    return _digest(file for folder in folders for file in root.glob(f"{folder}/*.json"))


@cache
def _prompts() -> str:
    from rag.resources import resource

    return _digest(resource("prompts").glob("*.txt"))


def _digest(files: Iterable[Path]) -> str:
    state = hashlib.sha256()
    for file in sorted(files):
        state.update(file.name.encode())
        state.update(file.read_bytes())
    return state.hexdigest()[:16]
