"""Reading rows: what is tolerated, and every fault named with its line and its words."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import DataError
from rag.evaluate.datasets import Case, GroundingRow, QaRow, RewriteRow, Row, read_rows, scan_rows
from rag.types import Turn

MODELS: dict[type[Row], dict[str, Any]] = {
    QaRow: {
        "id": "q",
        "title": "Refunds",
        "context": "A refund takes five days.",
        "question": "How long does a refund take?",
        "answers": [{"text": "five days", "start": 15}],
        "answerable": True,
    },
    GroundingRow: {"id": "g", "evidence": ["It is blue."], "claim": "Blue.", "label": "supported"},
    RewriteRow: {
        "id": "r",
        "history": [{"role": "user", "text": "What is Plus?"}],
        "question": "And its price?",
        "rewrite": "What is the price of Plus?",
    },
}


def encoded(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def qa(**changes: Any) -> dict[str, Any]:
    return MODELS[QaRow] | changes


def grounding(**changes: Any) -> dict[str, Any]:
    return MODELS[GroundingRow] | changes


def rewrite(**changes: Any) -> dict[str, Any]:
    return MODELS[RewriteRow] | changes


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def told(path: Path, content: bytes, model: type[Row]) -> list[str]:
    """The lines of the error, each without the path that it begins with."""
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_rows(path, model)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(str(path)) or line.startswith("… and ") for line in lines)
    return [line.removeprefix(str(path)) for line in lines]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


# What is tolerated


def test_rows_are_read_in_their_order(file: Path) -> None:
    file.write_bytes(encoded(qa(id="b"), qa(id="a", answers=[], answerable=False)))
    found = read_rows(file, QaRow)
    assert [row.id for row in found.rows] == ["b", "a"]
    assert found.lines == {"b": 1, "a": 2}
    assert found.rows[0].answers[0].text == "five days"
    assert (found.path, found.faults, found.whole) == (file, (), True)


def test_packing_line_ends_and_a_byte_order_mark_do_not_change_the_digest(tmp_path: Path) -> None:
    plain = encoded(qa(id="a"), qa(id="b", question="Line\u2028break?"))
    windows = b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")
    contents = {
        "plain.jsonl": plain,
        "windows.jsonl": windows,
        "unended.jsonl": plain.rstrip(b"\n"),
        "packed.jsonl.gz": gzip.compress(plain),
        "both.jsonl.gz": gzip.compress(windows),
        "parts.jsonl.gz": gzip.compress(plain[:70]) + gzip.compress(plain[70:]),
        "packed_without_the_name.jsonl": gzip.compress(plain),
        "name_without_packing.jsonl.gz": plain,
    }
    found = []
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        found.append(read_rows(tmp_path / name, QaRow))
    assert len({(f.digest, f.rows) for f in found}) == 1
    (tmp_path / "other.jsonl").write_bytes(encoded(qa(id="a"), qa(id="c")))
    assert read_rows(tmp_path / "other.jsonl", QaRow).digest != found[0].digest


def test_blank_lines_are_skipped_and_counted(file: Path) -> None:
    file.write_bytes(b"\n  \r\n" + encoded(qa(id="a")) + b"\n\n" + encoded(qa(id="b")) + b"\n")
    assert read_rows(file, QaRow).lines == {"a": 3, "b": 6}


@pytest.mark.parametrize("model", MODELS)
def test_extras_of_the_source_are_left_out(file: Path, model: type[Row]) -> None:
    extras = {"votes": [1, None], "identity": 3, "starts": {"a": "b"}, "answer_type": "x"}
    file.write_bytes(encoded(MODELS[model] | extras))
    assert read_rows(file, model).rows[0].model_dump().keys() == model.model_fields.keys()


def test_extras_inside_an_answer_and_a_turn_are_left_out(file: Path) -> None:
    file.write_bytes(encoded(qa(answers=[{"text": "five", "starts": [15], "end": 19}])))
    assert read_rows(file, QaRow).rows[0].answers[0].start == -1
    file.write_bytes(encoded(rewrite(history=[{"role": "assistant", "text": "Hi", "turn": 3}])))
    assert read_rows(file, RewriteRow).rows[0].history == (Turn(role="assistant", text="Hi"),)


def test_numbers_as_ids_are_their_digits(file: Path) -> None:
    file.write_bytes(encoded(grounding(id=7, group=-12), grounding(id="8", group=None)))
    rows = read_rows(file, GroundingRow).rows
    assert [(row.id, row.group) for row in rows] == [("7", "-12"), ("8", None)]
    assert told(file, encoded(qa(id=7), qa(id="7")), QaRow) == [
        ":2: the id 7 is already on line 1: give it another"
    ]


def test_an_answerable_question_may_have_no_answers(file: Path) -> None:
    file.write_bytes(encoded(without(qa(answers=[]), "title")))
    [row] = read_rows(file, QaRow).rows
    assert (row.answers, row.answerable, row.title) == ((), True, "")


def test_positions_count_characters(file: Path) -> None:
    context = "🙂 a\u0000b é five"
    answers = [{"text": "five", "start": context.index("five")}]
    file.write_bytes(encoded(qa(context=context, answers=answers)))
    assert read_rows(file, QaRow).rows[0].context == context


# Faults of the file


@pytest.mark.parametrize(
    "content", [b"", b"\n \r\n\t\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)]
)
def test_an_empty_file(file: Path, content: bytes) -> None:
    assert told(file, content, QaRow) == [": there are no rows in it"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl"
    with pytest.raises(DataError) as caught:
        read_rows(path, QaRow)
    assert str(caught.value) == f"{path}: it cannot be read: No such file or directory"


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(tmp_path, QaRow)
    assert str(caught.value) == f"{tmp_path}: it cannot be read: Is a directory"


def test_a_gzip_file_that_was_cut_off(file: Path) -> None:
    rows = [qa(id=f"q{n}", question=f"What of {n * 7919 % 1000}, {n}?") for n in range(500)]
    packed = gzip.compress(encoded(*rows))
    file.write_bytes(packed[: len(packed) // 2])
    found = scan_rows(file, QaRow)
    [fault] = found.faults
    assert fault.line == len(found.rows) + 1 > 100
    assert fault.message == (
        "the gzip file is broken or cut off here "
        "(Compressed file ended before the end-of-stream marker was reached)"
    )
    assert not found.whole


def test_a_gzip_file_with_a_wrong_byte(file: Path) -> None:
    packed = bytearray(gzip.compress(encoded(qa())))
    packed[-8] ^= 1  # of the checksum
    [line] = told(file, bytes(packed), QaRow)
    assert line.startswith(":2: the gzip file is broken or cut off here (CRC check failed")


def test_many_faults_are_counted_not_all_spelled_out(file: Path) -> None:
    lines = told(file, b"nonsense\n" * 250, QaRow)
    assert lines[0] == " has 250 faults:"
    assert (len(lines), lines[-1]) == (22, "… and 230 more")


# Faults of a line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": ', "this is not JSON: EOF while parsing a value at column 7"),
        (b"{'id': 1}", "this is not JSON: key must be a string at column 2"),
        (b'{"id": "a"} {}', "this is not JSON: trailing characters at column 13"),
        (b'{"id": "a\x00"}', "this is not JSON: control character (\\u0000-\\u001F) found"),
        (b'{"id": "\\ud800"}', "this is not JSON: unexpected end of hex escape"),
        (b'{"id": NaN}', "this is not JSON: expected value at column 8"),
        (b'{"x": -Infinity}', "this is not JSON: invalid number at column 8"),
        (b'{"x": ' + b"9" * 5000 + b"}", "this is not JSON: number out of range"),
        (b'{"x": ' + b"[" * 5000, "this is not JSON: recursion limit exceeded"),
        (b'{"id": "caf\xe9"}', "this is not UTF-8 text: byte 12 of the line"),
        (b"\xff\xfe{\x00", "this is not UTF-8 text: byte 1 of the line"),
        (b'{"id": "\xed\xa0\x80"}', "this is not UTF-8 text: byte 9 of the line"),
        (b"[1]", "a row is a JSON object, this is list"),
        (b"null", "a row is a JSON object, this is NoneType"),
    ],
)
def test_a_line_that_is_no_row(file: Path, line: bytes, message: str) -> None:
    [found] = told(file, encoded(qa(id="a")) + line + b"\n", QaRow)
    assert found.startswith(f":2: {message}")


def test_not_a_number_in_an_extra_is_not_json_but_the_word_in_a_text_is_fine(file: Path) -> None:
    row = json.dumps(qa(context="NaN, Infinity", answers=[]))
    file.write_text(row)
    assert read_rows(file, QaRow).rows[0].context == "NaN, Infinity"
    [line] = told(file, row.replace("{", '{"score": NaN, ', 1).encode(), QaRow)
    assert line == ":1: this is not JSON: expected value at column 11"


@pytest.mark.parametrize(
    ("model", "row", "messages"),
    [
        (QaRow, without(qa(), "id"), ["the field id is missing"]),
        (QaRow, without(qa(), "context"), ["q: the field context is missing"]),
        (QaRow, qa(context=" \n"), ["q: context is empty"]),
        (QaRow, qa(question=""), ["q: question is empty"]),
        (QaRow, qa(id=" "), ["id is empty"]),
        (QaRow, qa(id=1.5), ["id: it should be a valid string"]),
        (QaRow, qa(id=True), ["id: it should be a valid string"]),
        (QaRow, qa(id="a\tb"), ["a\\tb: id: it holds a tab, a line break or the like"]),
        (QaRow, qa(id="a\nb"), ["a\\nb: id: it holds a tab, a line break or the like"]),
        (QaRow, qa(id="a\x00"), ["a\\x00: id: it holds a tab, a line break or the like"]),
        (QaRow, qa(answerable="yes"), ["q: answerable: it should be a valid boolean"]),
        (QaRow, qa(answerable=1), ["q: answerable: it should be a valid boolean"]),
        (QaRow, qa(title=None), ["q: title: it should be a valid string"]),
        (QaRow, qa(answers="five"), ["q: answers: it should be a valid array"]),
        (QaRow, qa(answers=["five"]), ["q: answers[1]: it should be an object"]),
        (QaRow, qa(answers=[{"start": 1}]), ["q: the field answers[1].text is missing"]),
        (QaRow, qa(answers=[{"text": ""}]), ["q: answers[1].text is empty"]),
        (QaRow, qa(answers=[{"text": "five", "start": "15"}]),
         ["q: answers[1].start: it should be a valid integer"]),
        (QaRow, qa(answers=[{"text": "five", "start": -2}]),
         ["q: answers[1].start: it should be greater than or equal to -1"]),
        (QaRow, qa(answers=[{"text": "five", "start": 14}]),
         ["q: answers[1] is not at 14 of the context: there is “ fiv”, and “five” begins at 15"]),
        (QaRow, qa(answers=[{"text": "five", "start": 10**90}]),
         [f"q: answers[1] is not at 1{'0' * 78}… of the context: "
          "there is “”, and “five” begins at 15"]),
        (QaRow, qa(answers=[{"text": "five", "start": 15}, {"text": "six", "start": 0}]),
         ["q: answers[2] is not at 0 of the context: “six” is nowhere in it"]),
        (QaRow, qa(answerable=False),
         ["q: it has answers although it is not answerable: one of the two is wrong"]),
        (GroundingRow, grounding(label="refuted"),
         ["g: label: it should be 'supported', 'partial' or 'unsupported'"]),
        (GroundingRow, grounding(claim=" "), ["g: claim is empty"]),
        (GroundingRow, grounding(evidence=[]), ["g: evidence is empty"]),
        (GroundingRow, grounding(evidence=["", " "]), ["g: evidence is empty"]),
        (GroundingRow, grounding(evidence=["a", 3]),
         ["g: evidence[2]: it should be a valid string"]),
        (GroundingRow, grounding(evidence="It is."), ["g: evidence: it should be a valid array"]),
        (RewriteRow, without(rewrite(), "history"), ["r: the field history is missing"]),
        (RewriteRow, rewrite(rewrite=""), ["r: rewrite is empty"]),
        (RewriteRow, rewrite(history=["What is Plus?"]),
         ["r: history[1]: it should be an object"]),
        (RewriteRow, rewrite(history=[{"role": "system", "text": "x"}]),
         ["r: history[1].role: it should be 'user' or 'assistant'"]),
        (RewriteRow, rewrite(question="", history=[{"role": "user"}]),
         ["r: the field history[1].text is missing", "r: question is empty"]),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong(
    file: Path, model: type[Row], row: dict[str, Any], messages: list[str]
) -> None:
    good = MODELS[model] | {"id": "first"}
    lines = told(file, encoded(good, row), model)
    assert lines[-len(messages) :] == [f":2: {message}" for message in messages]


def test_a_misspelling_is_named_where_it_explains_a_missing_field(file: Path) -> None:
    wrong = without(qa(), "answers") | {"anwsers": [], "contexts": "mine"}
    assert told(file, encoded(wrong), QaRow) == [":1: q: there is no field anwsers: is it answers?"]


def test_an_id_twice_names_the_earlier_line(file: Path) -> None:
    content = encoded(qa(id="a")) + b"\n" + encoded(qa(id="a"), qa(id="a"))
    assert told(file, content, QaRow) == [
        " has 2 faults:",
        ":3: the id a is already on line 1: give it another",
        ":4: the id a is already on line 1: give it another",
    ]


def test_all_faults_are_reported_together_in_their_order(file: Path) -> None:
    content = encoded(
        qa(id="a"), qa(id="b", answers=[{"text": "six", "start": 1}], answerable=False), qa(id="a")
    )
    content += b"{\n\xff\n" + encoded([], qa(id="c", question="", answerable=None))
    assert told(file, content, QaRow) == [
        " has 8 faults:",
        ":2: b: it has answers although it is not answerable: one of the two is wrong",
        ":2: b: answers[1] is not at 1 of the context: “six” is nowhere in it",
        ":3: the id a is already on line 1: give it another",
        ":4: this is not JSON: EOF while parsing an object at column 1",
        ":5: this is not UTF-8 text: byte 1 of the line",
        ":6: a row is a JSON object, this is list",
        ":7: c: question is empty",
        ":7: c: answerable: it should be a valid boolean",
    ]


def test_what_can_be_read_is_there_beside_the_faults(file: Path) -> None:
    file.write_bytes(encoded(qa(id="a"), qa(id="b", question=""), without(qa(id=3), "context")))
    found = scan_rows(file, QaRow)
    assert [row.id for row in found.rows] == ["a"]
    assert (found.lines, found.broken) == ({"a": 1}, frozenset({"b", "3"}))


# Size, and bytes that nobody thought of


def test_a_line_of_ten_megabytes(file: Path) -> None:
    long = "x" * 10_000_000
    file.write_bytes(encoded(qa(id="a", context=long, answers=[{"text": long, "start": 0}])))
    assert len(read_rows(file, QaRow).rows[0].context) == 10_000_000
    lines = told(file, encoded(qa(id=long, question=""), {long: 1}, qa(**{long: 1}), [long]), QaRow)
    assert max(len(line) for line in lines) < 200
    assert f":1: {'x' * 79}…: question is empty" in lines


def test_many_rows_take_seconds(file: Path) -> None:
    context = "A refund takes five days. " * 40
    file.write_bytes(encoded(*(qa(id=n, context=context) for n in range(30_000))))
    begun = time.perf_counter()
    assert len(read_rows(file, QaRow).rows) == 30_000
    assert time.perf_counter() - begun < 5  # 0.5 s on an idle machine


LINES = st.one_of(
    st.binary(max_size=60),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*QaRow.model_fields, "claim", "label", "history", "text", "x\n"]),
                inner,
                max_size=7,
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(lines=st.lists(LINES, max_size=5), packed=st.sampled_from([0, 1, 2]), cut=st.integers(0, 90))
def test_no_bytes_raise_anything_but_a_data_error(
    tmp_path: Path, model: type[Row], lines: list[bytes], packed: int, cut: int
) -> None:
    path = tmp_path / "any.jsonl"
    content = b"\n".join(lines)
    if packed:
        content = gzip.compress(content)
        content = content[: len(content) - cut] if packed == 1 else b"\x1f\x8b" + content[3:]
    path.write_bytes(content)
    for read in (lambda: read_rows(path, model), lambda: read_rows(path, Case)):
        try:
            read()
        except DataError as error:
            told = str(error).split("\n")
            assert all(str(path) in line or line.startswith("… and") for line in told)


# The real files


@pytest.mark.parametrize(
    ("folder", "model", "left_out"),
    [
        # texts, and answers without passages: not questions on a text
        ("qa", QaRow, {"covidqa-articles", "qmsum", "qmsum-meetings", "clapnq-train-answers"}),
        ("groundedness", GroundingRow, set()),
        ("rewrite", RewriteRow, {"clariq"}),  # asks for clarification instead
    ],
)
def test_the_development_data_has_no_fault(
    data: Path, folder: str, model: type[Row], left_out: set[str]
) -> None:
    paths = [p for p in sorted((data / folder).iterdir()) if p.name.split(".")[0] not in left_out]
    assert paths
    for path in paths:
        found = read_rows(path, model)
        assert len(found.rows) == len(found.lines) > 100
