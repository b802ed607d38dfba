"""The same index with its vectors on a real Chroma server."""

from __future__ import annotations

import gc
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.errors import StoreError
from rag.pipeline import Pipeline

# Chroma's HTTP client leaves its sockets to the garbage collector, closed or not.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def _collect_what_chroma_left() -> Iterator[None]:
    yield
    gc.collect()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    program = shutil.which("chroma", path=str(Path(sys.executable).parent))
    assert program, "chromadb installs it"
    running = subprocess.Popen(
        [program, "run", "--path", str(tmp_path / "server"), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    running.terminate()
    running.wait(20)


def test_ingest_ask_and_rebuild_over_a_server(
    server: str, tmp_path: Path, make_pipeline: Callable[..., Pipeline]
) -> None:
    (tmp_path / "refunds.md").write_text("# Refunds\n\nRefunds take five business days.\n")
    pipeline = make_pipeline(index={"url": server})
    assert pipeline.ingest(tmp_path / "refunds.md").added
    assert "five business days" in pipeline.ask("How long do refunds take?").text
    assert not (tmp_path / ".rag" / "stores" / "1" / "chroma").exists()
    assert pipeline.rebuild() == 1
    assert pipeline.index.verify() == []
    assert "five business days" in pipeline.ask("How long do refunds take?").text


def test_a_server_that_is_away(tmp_path: Path, make_pipeline: Callable[..., Pipeline]) -> None:
    (tmp_path / "refunds.md").write_text("# Refunds\n\nRefunds take five business days.\n")
    pipeline = make_pipeline(index={"url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(StoreError, match=r"does not answer .* start it or mend index\.url"):
        pipeline.ingest(tmp_path / "refunds.md")
