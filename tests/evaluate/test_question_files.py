"""Reading question files: what is tolerated, and every fault named with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rag.errors import DataError
from rag.evaluate.datasets import Case, read_rows


def row(name: str = "q1", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "question": "How long do refunds take?",
        "type": "fact",
        "answers": ["five days"],
        "answerable": True,
        "evidence": [{"uri": "refunds.md", "quote": "five days"}],
        "history": [],
    } | changes


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(r).encode() + b"\n" for r in rows)


def test_a_byte_order_mark_crlf_and_blank_lines_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    text = lines(row("a"), row("b", question="What does it mean: line\u2028break?"))
    path.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n\r\n"))
    found = read_rows(path, Case)
    assert [case.id for case in found.rows] == ["a", "b"]
    assert found.lines == {"a": 1, "b": 3}


def test_gzip_is_told_by_content(tmp_path: Path) -> None:
    plain, packed = tmp_path / "q.jsonl", tmp_path / "q.jsonl.gz"
    plain.write_bytes(lines(row()))
    packed.write_bytes(gzip.compress(lines(row())))
    assert read_rows(plain, Case).rows == read_rows(packed, Case).rows
    assert read_rows(plain, Case).digest == read_rows(packed, Case).digest


def test_evidence_and_history_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    short = {key: value for key, value in row().items() if key not in ("evidence", "history")}
    path.write_bytes(lines(short | {"note": "mine"}))
    [case] = read_rows(path, Case).rows
    assert (case.evidence, case.history) == ((), ())


def test_a_need_is_a_text_or_several_of_which_any_will_do(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(lines(row(needs=["a", ["-S", "--sort"]], rivals=["six days"])))
    [case] = read_rows(path, Case).rows
    assert (case.needs, case.rivals) == ((("a",), ("-S", "--sort")), ("six days",))
    path.write_bytes(lines(case.model_dump(mode="json", exclude={"human_labels"})))
    assert read_rows(path, Case).rows == (case,)
    path.write_bytes(lines(row("b", needs=[[]]), row("c", needs=[" "]), row("d", needs=[3])))
    with pytest.raises(DataError) as caught:
        read_rows(path, Case)
    message = str(caught.value)
    assert "b: needs[1] is empty" in message
    assert "c: needs[1][1] is empty" in message
    assert "d: needs[1]: it should be a valid array" in message


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    missing = {key: value for key, value in row("d").items() if key != "question"}
    path.write_bytes(
        lines(row("a"), row("b", answerable="yes"), row("a"), missing)
        + b'{"id": "e", \n'
        + b"[1]\n"
        + b"\xff\xfe\n"
        + lines(row("h", answers="5 days", evidence=[{"uri": "x.md"}]))
        + lines(row("i", histroy=[]), row("j", question=" "))
        + lines(row("k", history=[{"role": "robot", "text": "hello"}]), row(""))
    )
    with pytest.raises(DataError) as caught:
        read_rows(path, Case)
    message = str(caught.value)
    for number, part in {
        2: "b: answerable: it should be a valid boolean",
        3: "the id a is already on line 1",
        4: "d: the field question is missing",
        5: "this is not JSON",
        6: "a row is a JSON object, this is list",
        7: "this is not UTF-8 text",
        8: "h: answers: it should be a valid array",
        9: "i: there is no field histroy: is it history?",
        10: "j: question is empty",
        11: "k: history[1].role: it should be 'user' or 'assistant'",
        12: "id is empty",
    }.items():
        assert f"{path}:{number}: {part}" in message
    assert f"{path}:8: h: the field evidence[1].quote is missing" in message
    assert message.startswith(f"{path} has 12 faults:")


def test_a_gzip_file_that_was_cut_off_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl.gz"
    many = [row(f"q{n}", question=f"What about {n * 7919 % 1000} and {n}?") for n in range(500)]
    whole = gzip.compress(lines(*many))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"q\.jsonl\.gz:\d+: the gzip file is broken or cut off"):
        read_rows(path, Case)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "there are no questions in it"), (b"\n\r\n", "there are no questions in it")],
)
def test_an_empty_file_is_a_fault(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_rows(path, Case)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_rows(tmp_path / "none.jsonl", Case)


def test_many_faults_are_counted_not_all_spelled_out(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(b"nonsense\n" * 250)
    with pytest.raises(DataError) as caught:
        read_rows(path, Case)
    assert len(str(caught.value).splitlines()) == 22
    assert str(caught.value).endswith("… and 230 more")


def test_the_turns_of_a_conversation_belong_together() -> None:
    opening = [{"role": "user", "text": "What is Plus?"}, {"role": "assistant", "text": "A plan."}]
    rows = [
        row("c01-1", question="What is Plus?"),
        row("c01-2", question="And its price?", history=opening),
        row("c01-3", question="A year?", history=[*opening, *opening]),
        row("dev-1"),
        row("dev-2", question="Another?"),
        row("alone"),
    ]
    talks = [Case.model_validate(r).conversation for r in rows]
    assert talks[0] == talks[1] == talks[2]
    assert len(set(talks)) == 4
