"""Fixtures: the real embedder, a sample index built once, and no network but loopback."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.pipeline import Pipeline
from rag.protocols import Embedder
from rag.resources import resource
from rag.settings import Settings

_connect = socket.socket.connect

# A shell starts what it puts in the background deaf to Ctrl-C, and what that starts is deaf too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _loopback_only(self: socket.socket, address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else ""
    if host and not (host.startswith("127.") or host in ("localhost", "::1")):
        raise AssertionError(f"a test tried to reach {host}: tests need no network")
    _connect(self, address)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", _loopback_only)
    for name in list(os.environ):
        if name.startswith("RAG_") and name not in ("RAG_DATA", "RAG_DOC_TREES"):
            monkeypatch.delenv(name)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    from rag.models.embedder import load_embedder

    return load_embedder(Settings().models)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Pipeline]:
    """The sample corpus, indexed once; tests only read from it."""
    folder = tmp_path_factory.mktemp("sample") / ".rag"
    pipeline = Pipeline.open(folder, embedder=embedder)
    report = pipeline.ingest(resource("corpora", "wrenhaven"))
    assert not report.failed
    yield pipeline
    pipeline.close()


@pytest.fixture
def make_pipeline(tmp_path: Path, embedder: Embedder) -> Iterator[Any]:
    """Make pipelines over ``tmp_path/.rag`` that share one loaded embedder.

    Arguments are stages by their names, or settings by those of their groups.
    """
    opened: list[Pipeline] = []
    names = "embedder retriever reranker reader rewriter generator checker observer".split()

    def make(**given: Any) -> Pipeline:
        stages = {"embedder": embedder, **{n: given.pop(n) for n in names if n in given}}
        settings = Settings.load(tmp_path, **given)
        pipeline = Pipeline.open(tmp_path / ".rag", settings=settings, **stages)
        opened.append(pipeline)
        return pipeline

    yield make
    for pipeline in opened:
        pipeline.close()


@pytest.fixture(scope="session")
def data() -> Path:
    """The development data, or a skip that says what is missing."""
    place = os.environ.get("RAG_DATA")
    if not place or not Path(place).is_dir():
        pytest.skip("needs the development data: set RAG_DATA to its folder")
    return Path(place)
