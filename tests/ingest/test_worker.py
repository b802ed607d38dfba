"""Extraction in a child process: what no bytes can do to the process that ingests them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from rag.errors import SourceError
from rag.ingest import worker as worker_module
from rag.ingest.fetch import with_timeout
from rag.ingest.fetched import Fetched
from rag.ingest.worker import Worker, borrowed, extract

NOTE = Fetched(uri="docs/note.md", data=b"# Note\n\nThe hut is open.\n", name="note.md")
PDF = Fetched(uri="docs/a.pdf", data=b"%PDF-1.4\n%%EOF\n", name="a.pdf")


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker whose child finds, in place of pdfium, a library that misbehaves as told."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("rag.ingest.worker._idle", [])
    return Worker(seconds=1, memory=1_000_000_000)


def misbehave(folder: Path, how: str) -> None:
    (folder / "pypdfium2.py").write_text(how)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("while True: pass", "a.pdf takes longer than 1 s to read"),
        ("held = bytearray(3_000_000_000)", "a.pdf takes more than 1 GB of memory to read"),
        ("import os; os.abort()", "a library broke down over it"),
        ("import os; os._exit(0)", "a library broke down over it"),
        ("import sys; sys.exit(3)", "a library broke down over it"),
        ("print('noise on standard output'); raise OSError('no')", "a.pdf cannot be read (no)"),
        ("import no_such_library", "needs a library that cannot be imported here (No module named"),
        ("(lambda f: f(f))(lambda f: f(f))", "a.pdf cannot be read (maximum recursion depth"),
    ],
)
def test_a_library_that_misbehaves_costs_one_file(
    worker: Worker, tmp_path: Path, how: str, said: str
) -> None:
    misbehave(tmp_path, how)
    with pytest.raises(SourceError) as caught:
        list(worker.extract(PDF))
    assert said in str(caught.value) and str(caught.value).endswith(".")
    [part] = worker.extract(NOTE)
    assert part.documents[0].text == "# Note\n\nThe hut is open."
    worker.kill()


@pytest.mark.parametrize("program", ["", "/no/such/python", "/bin/false"])
def test_without_an_interpreter_files_are_read_here(
    monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr("rag.ingest.worker._proved", [False])
    monkeypatch.setattr("sys.executable", program)
    worker_module._can_start.cache_clear()
    [part] = Worker().extract(NOTE)
    assert part.documents[0].uri == "docs/note.md"
    worker_module._can_start.cache_clear()


def test_documents_come_as_they_were_made() -> None:
    rows = "".join(f'{{"id": "{n}", "text": "Row {n} is here.", "n": {n}}}\n' for n in range(700))
    jsonl = Fetched(uri="docs/r.jsonl", data=(rows + "{broken\n").encode(), name="r.jsonl")
    from rag.ingest import extract as here

    assert extract(jsonl) == here.extract(jsonl)
    assert extract(NOTE) == here.extract(NOTE)
    with borrowed() as worker:
        sizes = [len(part.documents) for part in worker.extract(jsonl)]
    assert sizes == [256, 256, 188]


def test_a_large_parent_keeps_its_child() -> None:
    """What a parent holds counts as the child's peak on Linux, which is no reason to start anew."""
    held = b"\1" * 1_200_000_000
    worker = Worker()
    list(worker.extract(NOTE))
    child = worker._child
    for _ in range(3):
        list(worker.extract(NOTE))
        time.sleep(0.2)
    assert worker._child is child and child is not None and child.poll() is None
    worker.kill()
    assert len(held)


def test_given_up_in_the_middle_the_next_file_gets_its_own_answer() -> None:
    rows = b"".join(b'{"id": "%d", "text": "Row."}\n' % n for n in range(1000))
    worker = Worker()
    for _ in worker.extract(Fetched(uri="r.jsonl", data=rows, name="r.jsonl")):
        break
    [part] = worker.extract(NOTE)
    assert part.documents[0].uri == "docs/note.md"
    worker.kill()


def test_killed_from_another_thread_it_ends_at_once(worker: Worker, tmp_path: Path) -> None:
    misbehave(tmp_path, "import time; time.sleep(60)")
    threading.Timer(0.7, worker.kill).start()
    began = time.monotonic()
    with pytest.raises(SourceError):
        list(worker.extract(PDF))
    assert time.monotonic() - began < 5


def test_a_call_that_does_not_return_is_left_behind() -> None:
    assert with_timeout(5, lambda: 3, "late") == 3
    with pytest.raises(ZeroDivisionError):
        with_timeout(5, lambda: 1 // 0, "late")
    with pytest.raises(SourceError, match="the disk is gone"):
        with_timeout(0.05, threading.Event().wait, "the disk is gone")
