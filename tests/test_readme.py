"""The README's examples run, and what it names exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rag.errors import RagError
from rag.resources import resource
from rag.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a checkout, so that the examples leave nothing in the real one."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "corpora").mkdir()
    (folder / "corpora" / "wrenhaven").symlink_to(resource("corpora", "wrenhaven"))
    return folder


@pytest.mark.timeout(400)
def test_shell_examples(checkout: Path) -> None:
    [block] = blocks("console")
    for line in block.splitlines():
        assert line.startswith("$ rag ") or line.startswith("$ echo "), line
        done = subprocess.run(
            line[2:], shell=True, cwd=checkout, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert done.stdout or "rag chat" in line, line


@pytest.mark.timeout(200)
def test_python_example(tmp_path: Path) -> None:
    [block] = blocks("python")
    (tmp_path / "corpora").symlink_to(resource("corpora"))
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, env=ENVIRONMENT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Sources:" in done.stdout
    assert "supported" in done.stdout


def test_settings_example(tmp_path: Path) -> None:
    [block] = blocks("toml")
    (tmp_path / "rag.toml").write_text(block)
    settings = Settings.load(tmp_path)
    for group, values in tomllib.loads(block).items():
        for name, value in values.items():
            if name != "url":  # the example shows how, the default is none
                assert getattr(getattr(Settings(), group), name) == value, f"{group}.{name}"
    assert settings.index.url


def test_make_targets_and_files_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make (\w+)`?", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for path in re.findall(r"\]\(([\w./-]+)\)|`((?:eval|rag|corpora)/[\w./-]+)`", README):
        name = path[0] or path[1]
        assert (ROOT / name).exists() or name == "rag/", name


def test_every_exit_status_is_documented() -> None:
    documented = {int(n) for n in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert documented == {0, 1, 2, 3, 4, 5, 6, 130}
    assert RagError.exit_status in documented


def test_the_changelog_names_the_commands() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    for command in "ingest search ask chat check sources demo".split():
        assert command in changelog
