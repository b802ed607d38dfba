"""The writer: nothing waits for it, nothing that it wrote is lost, several write one file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rows_helper import ASKED, row

from rag.observe.record import Record
from rag.observe.recorder import Recorder, bucket_of, observer_of
from rag.rows import Feedback
from rag.settings import ObserveSettings
from rag.testing import check_observer

HERE = str(Path(__file__).parent)

SCRIPT = """
import os, sys, time
sys.path.insert(0, {here!r})
from rows_helper import row
from rag.observe.recorder import Recorder
from rag.settings import ObserveSettings
recorder = Recorder({path!r}, ObserveSettings(queue=5000))
"""


def script(path: Path, body: str) -> str:
    begin = SCRIPT.replace("Recorder({path!r}", "Recorder(__import__('pathlib').Path({path!r})")
    return begin.format(here=HERE, path=str(path)) + body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.db"


def count(path: Path) -> int:
    with Record.open(path) as record:
        return len(record)


def test_it_keeps_the_rules_of_its_seam(path: Path) -> None:
    recorder = Recorder(path, ObserveSettings())
    check_observer(recorder)
    recorder.close()
    with Record.open(path) as record:
        assert len(record) == 2
        assert len(record.feedback()) == 2


def test_a_full_queue_drops_and_counts(path: Path) -> None:
    recorder = Recorder(path, ObserveSettings(queue=5))
    blocker = sqlite3.connect(path)
    blocker.execute("BEGIN IMMEDIATE")  # as long as this lasts nothing can be written
    began = time.perf_counter()
    for n in range(5000):
        recorder.record(row(f"{n:x}"))
    assert time.perf_counter() - began < 5  # it waited for nothing
    blocker.execute("COMMIT")
    blocker.close()
    assert recorder.flush(60)
    recorder.record(row("last"))
    recorder.close()
    with Record.open(path) as record:
        told = record.info()
    assert told["dropped"] > 0
    assert told["rows"] + told["dropped"] == 5001


def test_a_row_that_cannot_be_kept_costs_no_other(path: Path) -> None:
    recorder = Recorder(path, ObserveSettings())
    recorder.record(row("a"))
    recorder.record(row("b", timings={"read_ms": object()}))
    recorder.record(row("c", found=(object(),)))
    recorder.record(row("d"))
    recorder.close()
    recorder.record(row("e"))  # and it may be used again
    recorder.close()
    with Record.open(path) as record:
        assert [one.id for one in record.rows()] == [row(name).id for name in "ade"]
        assert record.info()["dropped"] == 2


def test_a_file_that_goes_away_is_made_again(path: Path) -> None:
    recorder = Recorder(path, ObserveSettings())
    recorder.record(row("a"))
    recorder.close()
    for file in path.parent.glob("record.db*"):
        file.unlink()
    recorder.record(row("b"))
    recorder.close()
    assert count(path) == 1


def test_the_end_of_a_process_writes_what_is_queued(path: Path) -> None:
    body = "for n in range(1200): recorder.record(row(f'{n:x}'))\n"
    subprocess.run([sys.executable, "-c", script(path, body)], check=True, timeout=60)
    assert count(path) == 1200


def test_two_processes_write_one_record(path: Path) -> None:
    writers = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                script(
                    path,
                    f"for n in range(600):\n recorder.record(row(f'{name}{{n:x}}'))\n"
                    " if n % 50 == 0: time.sleep(.02)\n",
                ),
            ]
        )
        for name in ("a", "b")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with Record.open(path) as record:
        assert len(record) == 1200
        asked = sum(n for what, _, n, _ in record.counts() if what == "asked")
        assert asked == 1200
        assert record._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize("rounds", range(3))
def test_sigkill_loses_no_committed_row_and_blocks_nothing(path: Path, rounds: int) -> None:
    body = """
n = 0
while True:
    recorder.record(row(f'{n:x}'))
    n += 1
    if n % 20 == 0:
        recorder.flush()
        print(n, flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script(path, body)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(5 + 7 * rounds):
        said = process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait(30)
    process.stdout.close()
    committed = int(rest[-1] if rest else said)
    began = time.perf_counter()
    recorder = Recorder(path, ObserveSettings())
    recorder.record(row("after"))
    recorder.close()
    assert time.perf_counter() - began < 10
    with Record.open(path) as record:
        ids = {one for (one,) in record.columns("id")}
        assert {row(f"{n:x}").id for n in range(committed)} <= ids
        assert row("after").id in ids
        assert record._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_writes_its_own_rows_and_none_of_its_parents(path: Path) -> None:
    recorder = Recorder(path, ObserveSettings())
    recorder.record(row("parent"))
    recorder.flush()
    recorder.record(row("queued"))
    child = os.fork()
    if not child:
        status = 1
        try:
            recorder.record(row("child"))
            recorder.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    recorder.record(row("later"))
    recorder.close()
    with Record.open(path) as record:
        ids = [one for (one,) in record.columns("id")]
    assert sorted(ids) == sorted(row(name).id for name in ("parent", "queued", "child", "later"))


def test_hours_count_what_happened(path: Path) -> None:
    recorder = Recorder(path, ObserveSettings())
    recorder.record(row("a"))
    recorder.record(row("b", abstained=True, said=(), conflicts=2))
    recorder.record(row("c", error="ModelError: no reply"))
    recorder.record(row("d", error="stopped"))
    recorder.record(Feedback(row("a").id, ASKED, "wrong"))
    recorder.close()
    with Record.open(path) as record:
        counted = {what: (n, total) for what, bucket, n, total in record.counts() if not bucket}
        times = {(what, bucket): n for what, bucket, n, _ in record.counts() if what == "ms"}
    assert counted["asked"][0] == 4
    assert counted["abstained"][0] == counted["conflicts"][0] == counted["judged"][0] == 1
    assert counted["error:ModelError"][0] == counted["stopped"][0] == 1
    assert counted["feedback:wrong"][0] == 1
    assert times == {("ms", bucket_of(92.5)): 2}
    assert 1.1 ** bucket_of(92.5) <= 92.5 < 1.1 ** (bucket_of(92.5) + 1)


def test_private_values_are_not_kept_where_that_is_wanted(tmp_path: Path) -> None:
    settings = ObserveSettings.model_validate({"mask": "emails,numbers"})
    observer = observer_of(settings, tmp_path / "r.db")
    observer.record(row(question="Why was jo@example.com not refunded?"))
    observer.close()
    with Record.open(tmp_path / "r.db") as record:
        assert [one.question for one in record.rows()] == ["Why was [email] not refunded?"]
