"""The command line as a contract: what is printed where, and the exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Done

from rag.pipeline import Pipeline

COMMANDS = (
    "demo ingest sources show remove index search ask chat check models eval compare report "
    "train".split()
)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "refunds.md").write_text(
        "---\ndate: 2025-02-01\naudience: public\n---\n# Refunds\n\n"
        "Refunds take five business days after the parcel has arrived.\n"
    )
    (folder / "hub.md").write_text("# Hub\n\nThe light of the hub is red when it is offline.\n")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(rag: Callable[..., Done], command: str) -> None:
    done = rag(command, "--help")
    assert done.status == 0
    assert f"rag {command}" in done.out


def test_help_and_version(rag: Callable[..., Done]) -> None:
    assert all(command in rag("--help").out for command in COMMANDS)
    assert rag("--version").out.startswith("rag 0.")


def test_the_main_job(rag: Callable[..., Done], docs: Path) -> None:
    report = rag("ingest", "docs", "--json")
    assert report.status == 0
    assert report.json["added"] == ["docs/hub.md", "docs/refunds.md"]
    again = rag("ingest", "docs")
    assert again.out.startswith("0 added, 0 changed, 2 unchanged")
    answer = rag("ask", "How", "long", "do", "refunds", "take?", "--json")
    assert answer.status == 0
    body = answer.json
    assert body["schema"] == 2
    assert not body["abstained"]
    citation = body["sentences"][-1]["citations"][0]
    assert citation["uri"] == "docs/refunds.md"
    span = f"{citation['start']}:{citation['end']}"
    assert rag("show", citation["uri"], "--span", span).out == citation["quote"] + "\n"
    found = rag("search", "refund", "-k", "1", "--json").json
    assert set(found["passages"][0]["scores"]) >= {"dense", "lexical", "fused"}
    assert "docs  folder, 2 documents" in rag("sources").out
    assert rag("index", "info", "--json").json["chunks"] == 2
    assert rag("index", "verify").status == 0
    assert rag("index", "rebuild", "--json").json["chunks"] == 2
    assert rag("remove", "docs/hub.md").out.startswith("1 document removed\n  note    ")
    assert rag("remove", "docs").status == 0
    assert rag("ask", "anything").status == 1


def test_abstaining_is_status_three(rag: Callable[..., Done], docs: Path) -> None:
    rag("ingest", "docs")
    done = rag("ask", "Who was the first person on the moon?")
    assert done.status == 3
    assert "could not find an answer" in done.out
    assert "Nearest passages:" in done.out


def test_streaming_prints_events(rag: Callable[..., Done], docs: Path) -> None:
    rag("ingest", "docs")
    done = rag("ask", "How long do refunds take?", "--stream", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert events[0]["kind"] == "passages"
    assert events[-1]["kind"] == "answer"
    assert all(event["schema"] == 2 for event in events)
    plain = rag("ask", "How long do refunds take?")
    streamed = rag("ask", "How long do refunds take?", "--stream")
    assert streamed.out.splitlines()[0] == plain.out.splitlines()[0]


def test_filters(rag: Callable[..., Done], docs: Path) -> None:
    rag("ingest", "docs")
    only = rag("search", "refund", "--where", "audience=public", "--json").json["passages"]
    assert [p["uri"] for p in only] == ["docs/refunds.md"]
    none = rag("search", "refund", "--after", "2026-01-01")
    assert (none.status, none.out) == (0, "")
    assert "There is no passage to show" in none.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["ask", ""], 2, "the question is empty"),
        (["ask", "why " * 10_000], 2, "shorten it"),
        (["search", "x", "--where", "nonsense"], 2, "write it as KEY=VALUE"),
        (["search", "x", "--after", "soon"], 2, "write the date as YYYY-MM-DD"),
        (["show", "nothing.md"], 1, "no document nothing.md is indexed"),
        (["show", "hub.md", "--span", "5"], 2, "write START:END"),
        (["show", "hub.md", "--span", "0:99999"], 2, "write START:END"),
        (["remove", "nothing"], 1, "`rag sources --documents` lists all"),
        (["ask", "x", "--index", "elsewhere"], 1, "make one with `rag ingest SOURCE`"),
        (["check", "--answer", "missing.txt", "--evidence", "docs/hub.md"], 1, "cannot be read"),
        (["check", "--answer", "docs/hub.md", "--evidence", "no.md"], 1, "no file or folder"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    rag: Callable[..., Done], docs: Path, arguments: list[str], status: int, message: str
) -> None:
    rag("ingest", "docs")
    done = rag(*arguments)
    assert done.status == status
    assert message in done.err
    assert done.err.startswith("rag: ")
    assert len(done.err.splitlines()) == 1
    assert done.out == ""


@pytest.mark.parametrize("arguments", [["nonsense"], ["ask"], ["ingest"], ["search", "x", "-k0"]])
def test_wrong_usage_is_status_two(rag: Callable[..., Done], arguments: list[str]) -> None:
    assert rag(*arguments).status == 2


def test_failed_sources_are_status_four(rag: Callable[..., Done], docs: Path) -> None:
    (docs / "empty.md").write_text("")
    done = rag("ingest", "docs")
    assert done.status == 4
    assert "failed  docs/empty.md" in done.out
    assert "is empty" in done.out
    assert "failed  docs/empty.md" in rag("sources").out


def test_check_judges_any_text(rag: Callable[..., Done], docs: Path) -> None:
    text = "Refunds take five business days. Refunds take ninety years."
    done = rag("check", "--answer", "-", "--evidence", "docs/refunds.md", "--json", stdin=text)
    assert done.status == 3  # one sentence is not supported
    assert [v["label"] for v in done.json["verdicts"]] == ["supported", "unsupported"]
    shown = rag(
        "check", "--answer", "-", "--evidence", "docs/hub.md", "docs/refunds.md", stdin=text
    )
    assert shown.out.startswith("supported")
    assert rag("check", "--answer", "-", "--evidence", "docs/hub.md").status == 2


def test_chat_from_a_pipe(rag: Callable[..., Done], docs: Path, tmp_path: Path) -> None:
    rag("ingest", "docs")
    lines = [
        "/why",
        "How long do refunds take?",
        "/sources",
        "/why",
        "?!",
        "/save talk.md",
        "/save talk.json",
        "/save /nonexistent/talk.md",
        "/nonsense",
        "/new",
        "/quit",
        "never asked",
    ]
    done = rag("chat", stdin="\n".join(lines))
    assert done.status == 0
    assert "Nothing was asked yet." in done.err
    assert "five business days" in done.out
    assert "dense" in done.out
    assert "the question is empty" in done.err
    assert "There is no command /nonsense" in done.err
    assert "cannot be written" in done.err
    assert "[1]" in (tmp_path / "talk.md").read_text()
    assert json.loads((tmp_path / "talk.json").read_text())["schema"] == 2


def test_models(rag: Callable[..., Done]) -> None:
    done = rag("models", "--json")
    assert done.status == 0
    assert done.json["models"][0]["state"].startswith("ready: all-MiniLM-L6-v2")


def test_a_broken_index_is_one_sentence(
    rag: Callable[..., Done], docs: Path, tmp_path: Path
) -> None:
    rag("ingest", "docs")
    for path in (tmp_path / ".rag").glob("catalog.db*"):
        path.write_bytes(b"rubbish" * 1000)
    done = rag("ask", "anything")
    assert done.status == 1
    assert "move the folder aside and ingest again" in done.err


def test_interrupting_an_ingest_is_status_130(
    rag: Callable[..., Done], docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Pipeline, "ingest", stop)
    done = rag("ingest", "docs")
    assert done.status == 130
    assert "run the same command to go on" in done.err


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("rag show refunds.md | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}", "0"),
        ("rag search refunds | true; echo ${PIPESTATUS[0]}", "0"),
        ("rag ask refunds > /dev/full; echo $?", "1"),
        (
            "yes 'It is pink.' | head -300 > a.md; "
            "rag check --answer a.md --evidence docs/hub.md | true; echo ${PIPESTATUS[0]}",
            "3",
        ),
        ("rag search refunds >&-; echo $?", "0"),
        ("PYTHONIOENCODING=ascii rag search refunds | head -1 | cut -c1-2; echo $?", "1.\n0"),
        ("printf 'caf\\xe9.' | rag check --answer - --evidence docs/hub.md; echo $?", "1"),
    ],
)
def test_odd_streams(docs: Path, tmp_path: Path, line: str, printed: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        f"rag ingest docs >/dev/null && {line}", shell=True, executable="/bin/bash",
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == printed
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


def test_the_demo(rag: Callable[..., Done], tmp_path: Path) -> None:
    done = rag("demo")
    assert done.status == 0
    assert done.out.count("› ") >= 3
    assert "Sources:" in done.out
    assert "could not find an answer" in done.out
    assert " ingest FOLDER, then " in done.err
    assert list(tmp_path.iterdir()) == []
