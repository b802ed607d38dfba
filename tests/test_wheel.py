"""The wheel carries everything that it needs and works outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    [wheel] = folder.glob("footnote_rag-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_what_is_inside(unpacked: Path) -> None:
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    assert "rag/py.typed" in names
    for name in ("minilm", "reader", "checker"):
        assert f"rag/models/weights/{name}-l6-int8.onnx" in names
    assert "rag/_data/corpora/wrenhaven/billing/refunds.md" in names
    assert "rag/_data/prompts/README.md" in names
    assert {
        "rag/answer/reading.json",
        "rag/ground/checker.json",
        "rag/evaluate/report.css",
    } <= names
    assert not any(name.startswith(("tests", "eval")) for name in names)
    licences = [name for name in names if "/licenses/" in name]
    assert {name.rsplit("/", 1)[-1] for name in licences} == {"LICENSE", "NOTICE"}


def test_the_demo_runs_outside_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import rag, sys; assert 'site' in rag.__file__;"
         "from rag.cli.main import main; sys.argv = ['rag', 'demo']; main()"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "five business days" in done.stdout
    assert "could not find an answer" in done.stdout
