"""What the record keeps, gives back, and forgets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from rows_helper import ASKED, row

from rag.errors import StoreError, UsageError
from rag.observe.record import Record
from rag.observe.recorder import Recorder
from rag.rows import Feedback, Row
from rag.settings import ObserveSettings


def kept(path: Path, rows: Iterable[Row | Feedback], **settings: object) -> Path:
    recorder = Recorder(path, ObserveSettings.model_validate(settings))
    for one in rows:
        recorder.record(one)
    recorder.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "record.db"


def bytes_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob("record.db*"))


def test_a_row_comes_back_as_it_was(path: Path) -> None:
    given = row(user="ann", cost=0.5, input_tokens=3)
    with Record.open(kept(path, [given])) as record:
        [back] = record.rows()
    assert len(back.user) == len(back.repeat) == 32
    assert replace(back, user="ann", repeat="") == given


def test_the_file_is_for_its_owner_and_ours(path: Path) -> None:
    kept(path, [row()])
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    with Record.open(path) as record:
        assert record._db.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
        assert record._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


@pytest.mark.parametrize("text", ["hash", "none"])
def test_what_is_not_to_be_kept_is_nowhere_in_the_file(path: Path, text: str) -> None:
    rows = [
        row("a"),
        row("b", at=ASKED + 1),
        Feedback(f"{'a':0>16}", ASKED, "wrong", "says Ólafur"),
    ]
    with Record.open(kept(path, rows, text=text)) as record:
        one, other = record.rows()
        assert (one.question, one.standalone, one.said[0].text) == ("", "", "")
        assert one.said[0].citations[0].quote == ""
        assert one.said[0].label == "supported"
        assert one.problems == ("the documents mention",)
        assert bool(one.repeat) == (text == "hash")
        assert one.repeat == other.repeat  # equal questions can be told, or neither has anything
        assert record.feedback()[0].words == ""
    assert "Ólaf".encode() not in bytes_of(path)
    assert b"refunds" not in bytes_of(path)


def test_texts_go_through_the_mask(path: Path) -> None:
    recorder = Recorder(
        path, ObserveSettings(), mask=lambda text: text.replace("Ólafsdóttir", "[NAME]")
    )
    recorder.record(row())
    recorder.record(Feedback(f"{'a':0>16}", ASKED, "words", "Ms Ólafsdóttir"))
    recorder.close()
    with Record.open(path) as record:
        [one] = record.rows()
        assert one.question == "Refunds, how long, Ms [NAME] asks?"
        assert one.problems == ("the documents mention “[NAME]” nowhere",)
        assert record.feedback()[0].words == "Ms [NAME]"


def test_rows_are_chosen_by_time_and_column(path: Path) -> None:
    rows = [
        row("a", user="ann"),
        row("b", at=ASKED + 10, abstained=True, said=()),
        row("c", at=ASKED + 20, language=None, standalone="4711"),
    ]
    with Record.open(kept(path, rows)) as record:
        assert [one.id[-1] for one in record.rows(since=ASKED + 10)] == ["b", "c"]
        assert [one.id[-1] for one in record.rows(until=ASKED + 10)] == ["a"]
        assert [one.id[-1] for one in record.rows(abstained=True)] == ["b"]
        assert [one.id[-1] for one in record.rows(language=None)] == ["c"]
        assert [one.id[-1] for one in record.rows(user="ann")] == ["a"]
        assert list(record.columns("id", "nearest", abstained=True)) == [(rows[1].id, 0.7)]
        assert len(record) == 3
        assert record.latest().id == rows[2].id
        with pytest.raises(UsageError, match="a row has no colour"):
            list(record.rows(colour="red"))


def test_a_row_is_found_by_the_beginning_of_its_id(path: Path) -> None:
    ids = ("ab12000000000000", "ab34000000000000")
    with Record.open(kept(path, [row(one) for one in ids])) as record:
        assert record.row("ab1").id == ids[0]
        assert record.row(ids[1]).id == ids[1]
        for name, fault in (("ab", "several begin with ab"), ("x", "no 'x'"), ("", "no ''")):
            with pytest.raises(UsageError, match=fault):
                record.row(name)


def test_feedback_lies_beside_its_row(path: Path) -> None:
    given = [
        row("a"),
        Feedback(row("a").id, ASKED + 5, "wrong", "it is ten days", "docs/9.md"),
        Feedback("another", ASKED + 6, "copied"),
    ]
    with Record.open(kept(path, given)) as record:
        assert record.feedback(row("a").id) == [given[1]]
        assert record.feedback() == given[1:]
        assert record.feedback(since=ASKED + 6) == [given[2]]


def test_export_is_json(path: Path) -> None:
    given = [row("a"), Feedback(row("a").id, ASKED + 5, "right")]
    with Record.open(kept(path, given)) as record:
        [body] = json.loads(json.dumps(list(record.export())))
    assert body["at"] == "2027-01-15T08:00:00.000+00:00"
    assert body["found"][0]["scores"]["dense"] == 0.5
    assert body["feedback"][0]["kind"] == "right"


def test_forgetting_a_person_leaves_nothing_in_the_file(path: Path) -> None:
    rows = [row(f"{n:x}", user="ann" if n % 2 else "bob", at=ASKED + n) for n in range(40)]
    said = [Feedback(rows[1].id, ASKED, "words", "zebra crossing")]
    with Record.open(kept(path, [*rows, *said])) as record:
        assert b"zebra" in bytes_of(path)
        assert record.forget(user="nobody") == 0
        assert record.forget(user="ann") == 20
        assert len(record) == 20
        assert not record.feedback()
        assert b"zebra" not in bytes_of(path)
        assert record.forget(text="ms ÓLAFSDÓTTIR") == 20
        assert len(record) == 0
        assert "Ólaf".encode() not in bytes_of(path)
        assert rows[0].id.encode() not in bytes_of(path)


def test_a_text_is_forgotten_wherever_somebody_said_it(path: Path) -> None:
    rows = [
        row("a", question="My card\n“4711” fails", standalone="x"),
        row("b", problems=('left out: card\n"4711"',)),
        row("c"),
        row("d", question="4711 is not asked of", at=ASKED - 1),
        Feedback(row("c").id, ASKED, "words", "card 4711?"),
    ]
    with Record.open(kept(path, rows)) as record:
        assert record.forget(text="Card “4711”") == 1
        assert record.forget(text='card "4711"') == 1
        assert record.forget(text="card 4711") == 1
        assert record.forget(text="  ") == 0
        assert [one.id for one in record.rows()] == [row("d").id]


def test_where_texts_are_not_kept_a_whole_question_is_forgotten(path: Path) -> None:
    with Record.open(kept(path, [row("a"), row("b", standalone="other")], text="hash")) as record:
        assert record.forget(text="how long do refunds take for ms ólafsdóttir?") == 1


def test_the_old_is_deleted(path: Path) -> None:
    now = time.time()
    old = [row(f"{n:x}", at=now - 3 * 86_400) for n in range(1500)]
    said = [Feedback(old[0].id, now - 3 * 86_400, "right")]
    kept(path, [*old, *said, row("new", at=now)], queue=5000)
    before = path.stat().st_size
    with Record.open(kept(path, [row("newer", at=now)], retention=2)) as record:
        assert [one.id for one in record.rows()] == [row("new").id, row("newer").id]
        assert not record.feedback()
        assert record.info()["rows"] == 2
    assert path.stat().st_size < before / 5


def test_what_is_no_record_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no record at .*set observe\.path"):
        Record.open(tmp_path / "none.db")
    other = tmp_path / "notes.txt"
    other.write_text("these are notes, and they stay as they are " * 40)
    for make in (Record.open, lambda path: Recorder(path, ObserveSettings())):
        with pytest.raises(StoreError, match="cannot be used"):
            make(other)
    assert other.read_text().startswith("these are notes")
    with pytest.raises(StoreError, match="cannot be used"):
        Recorder(tmp_path / "notes.txt" / "record.db", ObserveSettings())


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    db = sqlite3.connect(tmp_path / "other.db")
    db.execute("CREATE TABLE mine (x)")
    db.close()
    with pytest.raises(StoreError, match="is no record"):
        Recorder(tmp_path / "other.db", ObserveSettings())


def test_an_empty_record_has_no_latest(path: Path) -> None:
    with Record.open(kept(path, [])) as record, pytest.raises(UsageError, match="is empty"):
        record.latest()
