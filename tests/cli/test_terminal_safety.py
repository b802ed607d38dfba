"""What documents are called and say never steers a terminal, and no encoding of it stops us."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Done

from rag.cli.ask import LiveText, highlighted
from rag.cli.common import console, echo, print_json, printable
from rag.pipeline import Pipeline
from rag.protocols import Embedder
from rag.types import Answer, Sentence

TITLE = "\x1b]0;owned\x07"  # sets the title of a window
TURNED = "\u202egpj.exe"  # is read backwards
EVIL = f"{TITLE}{TURNED}[red]x[link=http:a]\x9b31m\u2028\u200f"
TURNS = "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
OBEYED = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), *TURNS} - {*"\n\t"}


def safe(text: str) -> bool:
    return OBEYED.isdisjoint(text) and not any("\ud800" <= c <= "\udfff" for c in text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Path:
    """A folder with an index of hostile names, for tests to copy."""
    folder = tmp_path_factory.mktemp("hostile")
    docs = folder / "docs"
    docs.mkdir()
    page = f"---\ntitle: Plans {EVIL}\n---\nThe price of the Pro plan is 9 euros a month.\n"
    (docs / f"{EVIL}.md").write_text(page, "utf-8")
    (docs / f"{EVIL}.pdf").write_text("this is no PDF", "utf-8")
    (docs / "日本 é.md").write_text("# 日本 é\n\nTokyo – is “big”.\n", "utf-8")
    with Pipeline.open(folder / ".rag", embedder=embedder) as pipeline:
        pipeline.ingest(docs)
    return folder


@pytest.fixture
def indexed(rag: Callable[..., Done], made: Path, tmp_path: Path) -> Callable[..., Done]:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return rag


def test_what_is_escaped_and_what_is_not() -> None:
    assert printable(EVIL) == (
        r"\x1b]0;owned\x07\u202egpj.exe[red]x[link=http:a]\x9b31m\u2028\u200f"
    )
    assert printable("\ud83d\udcff\r\x00\u2067") == r"\ud83d\udcff\r\x00\u2067"
    kept = "a\tb\nc é 日本 עברית العربية 👩\u200d👧 \xa0\xad“”"
    assert printable(kept) == kept
    assert all(not safe(c) and safe(printable(c)) for c in OBEYED)


@pytest.mark.parametrize(
    "command",
    [
        ["ask", "What is the price of the Pro plan?"],
        ["ask", "--stream", "What is the price of the Pro plan?"],
        ["ask", "Who was king of Spain?", EVIL],
        ["search", "price of the Pro plan"],
        ["sources", "--documents"],
        ["show", EVIL],
        ["show", f"nothing {EVIL}"],
        ["index", "info"],
        ["index", "verify"],
        ["models"],
        ["check", "--answer", f"docs/{EVIL}.md", "--evidence", f"docs/{EVIL}.md"],
        ["check", "--answer", EVIL, "--evidence", f"{EVIL}\udcff"],
        ["eval", "answers", EVIL],
        ["compare", EVIL, EVIL],
        ["report", f"{EVIL}\udcff"],
        ["search", "price", "--where", EVIL],
        ["search", "price", "--where", "title=\udcff"],
        ["search", "price \udcff"],
        ["ingest", EVIL],
        ["remove", EVIL],
        ["remove", "docs"],
        ["ingest", "docs"],
        [EVIL],
        ["ask", f"--{EVIL}"],
        ["show", "a", "--span", EVIL],
    ],
    ids=lambda command: printable(" ".join(command))[:40],
)
def test_nothing_steers_the_terminal(indexed: Callable[..., Done], command: list[str]) -> None:
    done = indexed(*command)
    assert done.out or done.err
    assert safe(done.out)
    assert safe(done.err)
    assert "Traceback" not in done.err


def test_a_conversation(indexed: Callable[..., Done]) -> None:
    said = (
        f"price of the Pro plan?\n/sources\n/why\n/related\n/{EVIL}\n/save {EVIL}.md\n\udcff 9?\n"
    )
    done = indexed("chat", stdin=said)
    assert done.status == 0
    assert "9 euros a month" in done.out
    assert r"\u202egpj.exe" in done.out
    assert "Traceback" not in done.err
    assert safe(done.out + done.err)
    assert safe(indexed("chat", "--list").out)
    assert safe(indexed("chat", "--export", "-").out)


def test_json_is_faithful(indexed: Callable[..., Done]) -> None:
    done = indexed("ask", "--json", f"price of the Pro plan {TURNED}\u2028\x9b?")
    assert safe(done.out.rstrip("\n"))
    assert done.json["question"] == f"price of the Pro plan {TURNED} \x9b?"
    [citation] = done.json["sentences"][-1]["citations"]
    assert ascii(TURNED)[1:-1] in citation["uri"]  # a uri is escaped where it is made


def test_json_of_anything(capsys: pytest.CaptureFixture[str]) -> None:
    body = {"text": f"{EVIL}\ud800é", EVIL: ["\r\n"]}
    print_json(body)
    out = capsys.readouterr().out
    assert safe(out.rstrip("\n"))
    assert "é" in out
    assert {key: value for key, value in json.loads(out).items() if key != "schema"} == body


def test_tables_and_what_is_live(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    name = f"{TURNED}[red]x"
    table = Table(f"a {name}")
    table.add_row(name)
    out.print(table)
    out.print(Text(name))
    shown = LiveText()
    shown.add(name)
    out.print(shown.text())
    out.print(name, style="bold")
    echo(name)
    printed = capsys.readouterr().out
    assert safe(printed)
    assert printed.count(printable(name)) == printed.count("gpj.exe") == 6


def test_a_fault_that_nobody_expected(
    indexed: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    indexed("sources")
    sys.excepthook(ValueError, ValueError(EVIL), None)
    assert capsys.readouterr().err == f"ValueError: {printable(EVIL)}\n"


def test_a_terminal_of_another_encoding(indexed: Callable[..., Done], tmp_path: Path) -> None:
    def run(encoding: str, *arguments: str, said: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "rag.cli.main", *arguments], cwd=tmp_path, input=said.encode(),
            env={**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"}, capture_output=True,
            check=True,
        )  # fmt: skip
        assert b"Traceback" not in done.stderr
        return done.stdout.decode(encoding)

    assert r"\u65e5\u672c \xe9" in run("ascii", "sources", "--documents")
    known = json.loads(run("latin-1", "sources", "--documents", "--json"))
    assert "日本 é" in [document["title"] for document in known["documents"]]
    talk = run("ascii", "chat", said="Is Tokyo big? 日本 é\n/why\n")
    assert r"Tokyo \u2013 is \u201cbig\u201d." in talk


def test_an_answer_prints_escaped() -> None:
    answer = Answer(question=EVIL, standalone=EVIL, sentences=(), abstained=True, confidence=0.0,
                    generator="")  # fmt: skip
    assert safe(printable(str(answer)))


def test_what_was_asked_for_is_bold_where_it_stands() -> None:
    text = "Of 12 gates \x1b at most 12 open."
    at = text.rindex("12")
    said = [
        Sentence(text="Gates open for 12 hours."),
        Sentence(text=text, subject="12", highlight=(at, at + 2)),
    ]
    shown = highlighted("\n".join(sentence.marked for sentence in said), said)
    lines = "Gates open for 12 hours.\n12: Of 12 gates \\x1b at most 12 open."
    assert shown.plain == lines
    assert [(span.start, span.end) for span in shown.spans] == [
        (lines.rindex("12"), lines.rindex("12") + 2)
    ]


def test_a_fact_of_schema_1_is_a_sentence() -> None:
    old = Sentence.model_validate({"text": "12", "kind": "short"})
    assert (old.kind, old.highlight, old.highlighted) == ("text", None, "")
