"""Conversations on disk: kept whole, listed, gone on with, exported."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Done

from rag.errors import StoreError, UsageError
from rag.pipeline import Pipeline
from rag.sessions import Session, latest, load, markdown, summaries
from rag.types import Answer, Sentence

Rag = Callable[..., Done]


def answer(question: str, text: str = "It takes five days.") -> Answer:
    return Answer(
        question=question, standalone=question, sentences=(Sentence(text=text),) if text else (),
        abstained=not text, confidence=0.5, generator="test",
    )  # fmt: skip


def test_a_session_comes_back_as_it_was(tmp_path: Path) -> None:
    session = Session(tmp_path)
    assert not session.path.exists()  # nothing was said yet
    session.add(answer("How long?"))
    session.add(answer("And where?", ""))
    again = load(tmp_path, session.id)
    assert again.answers == session.answers
    assert again.begun == session.begun
    assert latest(tmp_path).id == session.id
    assert stat.S_IMODE(session.path.stat().st_mode) == 0o600
    assert [path.name for path in session.path.parent.iterdir()] == [session.path.name]
    for line in session.path.read_text("utf-8").splitlines():
        assert json.loads(line)["schema"] == 2


def test_the_latest_is_the_one_last_written_to(tmp_path: Path) -> None:
    first, second = Session(tmp_path, "one"), Session(tmp_path, "two")
    first.add(answer("How long?"))
    second.add(answer("Where?"))
    os.utime(second.path, (1, 1))
    assert latest(tmp_path).id == "one"
    assert load(tmp_path, "tw").id == "two"
    assert {(s.id, s.answers, s.opening) for s in summaries(tmp_path)} == {
        ("one", 1, "How long?"), ("two", 1, "Where?")
    }  # fmt: skip


@pytest.mark.parametrize("name", ["", "../x", "nothing", "a b"])
def test_a_session_that_is_not_there(tmp_path: Path, name: str) -> None:
    Session(tmp_path, "one").add(answer("How long?"))
    Session(tmp_path, "two").add(answer("How long?"))
    with pytest.raises(UsageError, match="--list"):
        load(tmp_path, name)


def test_there_is_none_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="begin one"):
        latest(tmp_path)
    assert summaries(tmp_path) == []


@pytest.mark.parametrize(
    "text", ["", "{", '{"begun": "soon"}', '{"begun": "2025-01-01"}\n{"a": 1}']
)
def test_a_file_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sessions" / "broken.jsonl"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(StoreError, match="cannot be read: move the file away"):
        load(tmp_path, "broken")
    assert summaries(tmp_path) == []


def test_what_stops_a_write_leaves_the_turns_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(tmp_path)
    session.add(answer("How long?"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        session.add(answer("And where?"))
    assert [a.question for a in load(tmp_path, session.id).answers] == ["How long?"]
    assert [path.name for path in session.path.parent.iterdir()] == [session.path.name]


@pytest.mark.timeout(400)
def test_a_conversation_goes_on(sample: Pipeline, tmp_path: Path) -> None:
    session = Session(tmp_path)
    talk = sample.chat(session)
    talk.ask("What does shipping to Norway cost?")
    later = sample.chat(load(tmp_path, session.id))
    assert later.history == talk.history
    assert "Norway" in later.ask("and how long does it take?").standalone
    assert len(load(tmp_path, session.id).answers) == 2
    text = markdown(later.answers)
    assert text.startswith("## What does shipping to Norway cost?\n\n")
    assert "\nSources:\n" in text


@pytest.mark.timeout(400)
def test_related_questions_have_an_answer(sample: Pipeline) -> None:
    first = sample.ask("How many days of video history does the Family plan have?")
    found = sample.related(first)
    assert 0 < len(found) <= 3
    assert len(set(found)) == len(found)
    for question in found:
        assert not sample.ask(question).abstained, question
        assert question != first.question


def test_the_command_line(rag: Rag, tmp_path: Path) -> None:
    (tmp_path / "refunds.md").write_text("# Refunds\n\nRefunds take five business days.\n")
    rag("ingest", "refunds.md")
    assert "There is no conversation yet" in rag("chat", "--list").err
    assert rag("chat", "--resume").status == 2
    assert rag("chat", "--no-save", stdin="How long do refunds take?\n").status == 0
    assert rag("chat", "--list", "--json").json["sessions"] == []
    assert rag("chat", stdin="How long do refunds take?\n").status == 0
    [kept] = rag("chat", "--list", "--json").json["sessions"]
    assert kept["answers"] == 1
    assert kept["opening"] == "How long do refunds take?"
    assert kept["id"] in rag("chat", "--list").out
    more = rag("chat", "--resume", stdin="/sources\nWhat take five business days?\n")
    assert "“Refunds take five business days.”" in more.out
    assert rag("chat", "--list", "--json").json["sessions"][0]["answers"] == 2
    assert rag("chat", "--export", "talk.md").status == 0
    written = (tmp_path / "talk.md").read_text("utf-8")
    assert written.count("## ") == 2
    assert rag("chat", "--export", "-", "--session", kept["id"]).out == written
    rag("chat", "--export", "talk.json")
    assert len(json.loads((tmp_path / "talk.json").read_text("utf-8"))["answers"]) == 2
    assert rag("chat", "--resume", "--session", kept["id"]).status == 2
    assert "cannot be written" in rag("chat", "--export", "no/such/talk.md").err


def test_a_conversation_that_cannot_be_kept_goes_on(rag: Rag, tmp_path: Path) -> None:
    (tmp_path / "refunds.md").write_text("# Refunds\n\nRefunds take five business days.\n")
    rag("ingest", "refunds.md")
    (tmp_path / ".rag" / "sessions").write_text("in the way")
    done = rag("chat", stdin="How long do refunds take?\nHow long do refunds take?\n")
    assert done.status == 0
    assert done.out.count("Sources:") == 2
    assert done.err.count("cannot be kept") == 1
    assert "--no-save" in done.err
