"""Bad input of every kind: one clear sentence, the right status, and nothing indexed is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docx
import pytest
from command import Done
from fpdf import FPDF
from web_server import Server

Rag = Callable[..., Done]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def place(rag: Rag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index with one good document in it."""
    monkeypatch.setenv("RAG_FETCH__PRIVATE_ADDRESSES", "true")
    monkeypatch.setenv("RAG_FETCH__TIMEOUT", "2")
    (tmp_path / "good.md").write_text("# Refunds\n\nRefunds take five business days.\n")
    assert rag("ingest", "good.md").status == 0
    return tmp_path


def still_there(rag: Rag) -> None:
    answer = rag("ask", "How long do refunds take?")
    assert answer.status == 0, answer.err
    assert "five business days" in answer.out


def empty(path: Path) -> None:
    path.write_bytes(b"")


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 400)


def locked_pdf(path: Path) -> None:
    pdf = FPDF()
    pdf.set_encryption(owner_password="owner", user_password="user")
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    pdf.cell(text="A secret.")
    pdf.output(str(path))


def blank_pdf(path: Path) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.output(str(path))


def broken_pdf(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7\nrubbish")


def broken_docx(path: Path) -> None:
    docx.Document().save(str(path))
    path.write_bytes(path.read_bytes()[:500])


def large(path: Path) -> None:
    path.write_text("All work and no play. " * 2_400_000)


def picture(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("empty.md", empty, "is empty"),
        ("binary.txt", binary, "binary"),
        ("locked.pdf", locked_pdf, "is protected by a password"),
        ("blank.pdf", blank_pdf, "has no text"),
        ("broken.pdf", broken_pdf, "broken.pdf"),
        ("broken.docx", broken_docx, "is a ZIP archive"),
        ("large.txt", large, "fetch.max_bytes"),
        ("picture.html", picture, "image"),
        ("missing.md", lambda path: None, "There is no file or folder"),
    ],
)
def test_files(
    rag: Rag, place: Path, name: str, make: Callable[[Path], None], message: str
) -> None:
    make(place / name)
    done = rag("ingest", name)
    assert done.status == 4
    [line] = [line for line in done.out.splitlines() if "failed  " in line]
    assert message in line
    assert done.err == ""
    assert rag("ingest", name, "good.md").status == 4
    still_there(rag)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "cp1252"])
def test_another_encoding_is_read(rag: Rag, place: Path, encoding: str) -> None:
    text = "Die Rückerstattung dauert fünf Tage. Größere Beträge überweisen wir später.\n" * 4
    (place / "other.txt").write_bytes(text.encode(encoding))
    assert rag("ingest", "other.txt").status == 0
    assert "Rückerstattung dauert fünf Tage" in rag("show", "other.txt").out


@contextmanager
def somebody_else() -> Iterator[None]:
    """Root may read anything, so a test of permissions is another user for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


def test_a_folder_without_permission(
    rag: Rag, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        Path(name).chmod(0o777)
        closed = Path(name, "closed")
        closed.mkdir()
        closed.chmod(0)
        Path(name, "open.md").write_text("# Hub\n\nThe hub is red.\n")
        monkeypatch.chdir(name)
        with somebody_else():
            done = rag("ingest", ".")
        closed.chmod(0o755)
    assert done.status == 4
    assert "1 added" in done.out
    assert "permission" in done.out.lower()


def slow(handler: object) -> None:
    time.sleep(5)


def test_urls(rag: Rag, place: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.redirect("/loop", "/loop")
    server.routes["/slow"] = slow
    server.page("/lies.html", b"\x89PNG\r\n\x1a\n" + bytes(1000))
    server.page("/error", "broken", status=500)
    server.page("/good", "<main><h1>Hub</h1><p>The hub is red.</p></main>")
    expected = {
        "/loop": "redirect",
        "/slow": "took longer than 2 s (setting fetch.timeout)",
        "/none": "404",
        "/error": "500",
        "/lies.html": "image",
    }
    for path, message in expected.items():
        done = rag("ingest", server.url(path))
        assert done.status == 4, path
        [line] = [line for line in done.out.splitlines() if "failed  " in line]
        assert message in line, line
    assert rag("ingest", server.url("/good")).status == 0
    monkeypatch.setenv("RAG_FETCH__PRIVATE_ADDRESSES", "false")
    refused = rag("ingest", server.url("/good"))
    assert refused.status == 4
    assert "fetch.private_addresses" in refused.out
    still_there(rag)


def test_an_unreadable_setting(rag: Rag, place: Path) -> None:
    (place / "rag.toml").write_text("[retrieve]\nkk = 3\n")
    done = rag("ask", "How long do refunds take?")
    assert done.status == 2
    assert done.err.startswith("rag: retrieve.kk: there is no such setting")
    assert len(done.err.splitlines()) == 1


def documents(place: Path) -> int:
    with closing(sqlite3.connect(place / ".rag" / "catalog.db")) as catalog:
        return int(catalog.execute("SELECT count(*) FROM documents").fetchone()[0])


def test_ctrl_c_in_an_ingest(rag: Rag, place: Path) -> None:
    folder = place / "many"
    folder.mkdir()
    for n in range(2000):
        (folder / f"{n}.md").write_text(f"# Page {n}\n\n" + f"Page {n} says this. " * 60)
    running = subprocess.Popen(
        [sys.executable, "-m", "rag.cli.main", "ingest", "many"], cwd=place,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while documents(place) < 100 and time.monotonic() < until:  # it is in the middle of it
        time.sleep(0.05)
    running.send_signal(2)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "run the same command to go on" in errors
    assert "Traceback" not in errors
    assert rag("index", "verify").status == 0
    still_there(rag)
