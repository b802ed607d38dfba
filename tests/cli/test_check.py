"""``rag check``: what it shows, and that it holds as a gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Done

SAFE = "The key of the safe is kept in the blue drawer. The safe is opened twice a week.\n"


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    file = tmp_path / "safe.md"
    file.write_text(SAFE)
    return file


def answer(folder: Path, name: str, text: str) -> str:
    (folder / "answers").mkdir(exist_ok=True)
    (folder / "answers" / name).write_text(text)
    return f"answers/{name}"


def test_a_contradiction_is_shown_with_its_words(
    rag: Callable[..., Done], tmp_path: Path, evidence: Path
) -> None:
    file = answer(tmp_path, "a.md", "The key of the safe is in the red drawer.\n")
    done = rag("check", "--answer", file, "--evidence", "safe.md")
    assert done.status == 3
    assert done.out.startswith("contradicted")
    assert "*red*" in done.out
    assert "*blue*" in done.out
    assert "1 sentence: 1 contradicted" in done.out
    assert rag("check", "--answer", file, "--evidence", "safe.md", "--exit-zero").status == 0
    body = rag("check", "--answer", file, "--evidence", "safe.md", "--json").json
    [row] = body["verdicts"]
    assert row["contradicted_by"] == "The key of the safe is kept in the blue drawer."
    words = [row["claim"][start:end] for start, end in row["words"]["claim"]]
    assert "red" in words
    assert body["counts"] == {"contradicted": 1}


def test_a_folder_of_answers_is_a_gate(
    rag: Callable[..., Done], tmp_path: Path, evidence: Path
) -> None:
    answer(tmp_path, "good.md", "The safe is opened twice a week. I hope this helps!\n")
    done = rag("check", "--answer", "answers", "--evidence", "safe.md")
    assert done.status == 0
    assert "2 sentences: 1 supported, 1 not judged" in done.out
    answer(tmp_path, "code.md", "```\nls\n```\n")
    done = rag("check", "--answer", "answers", "--evidence", "safe.md")
    assert "answers/code.md: there is no sentence to check in it" in done.out
    answer(tmp_path, "later.txt", "The safe is never opened.\n")
    done = rag("check", "--answer", "answers", "--evidence", "safe.md")
    assert done.status == 3
    assert "answers/good.md" in done.out
    assert "answers/later.txt" in done.out


def test_an_answer_of_rag_ask_is_held_against_its_citations(
    rag: Callable[..., Done], tmp_path: Path, evidence: Path
) -> None:
    rag("ingest", "safe.md")
    asked = rag("ask", "Where is the key of the safe?", "--json")
    answer(tmp_path, "a.json", json.dumps(asked.json))
    assert rag("check", "--answer", "answers").status == 0
    changed = asked.json
    for sentence in changed["sentences"]:
        sentence["text"] = sentence["text"].replace("blue", "red")
    answer(tmp_path, "a.json", json.dumps(changed))
    assert rag("check", "--answer", "answers").status == 3


def test_lines_of_a_paragraph_are_one_text_and_tables_are_rows(
    rag: Callable[..., Done], tmp_path: Path, evidence: Path
) -> None:
    text = f"{SAFE}\n| Drawer | Key |\n|---|---|\n| blue | safe |\n"
    evidence.write_text(text)
    wrapped = text.replace("kept in", "kept\nin").replace("twice a", "twice\r\na")
    for name in ("wrapped.txt", "wrapped.md"):
        file = answer(tmp_path, name, wrapped)
        done = rag("check", "--answer", file, "--evidence", "safe.md")
        assert done.status == 0, done.out
        assert "3 sentences: 3 supported" in done.out


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.md": "It is open."}, "name the evidence"),
        ({"a.json": "{}"}, "is no answer of rag ask --json"),
        ({"a.pdf": "x"}, "there is no answer in"),
    ],
)
def test_what_cannot_be_checked_is_said(
    rag: Callable[..., Done], tmp_path: Path, files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        answer(tmp_path, name, text)
    done = rag("check", "--answer", "answers")
    assert done.status in (1, 2)
    assert message in done.err
