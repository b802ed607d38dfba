"""BEIR folders: what is tolerated, and every fault of the three files named at once."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import DataError
from rag.evaluate.beir import Beir, Query, read_beir
from rag.types import Turn

HEADER = "query-id\tcorpus-id\tscore\n"
CORPUS = [
    {"_id": "d1", "title": "Refunds", "text": "A refund takes five days.", "metadata": {}},
    {"_id": "d2", "title": "", "text": "The plan has 40 seats.", "url": "x"},
]
QUERIES = [
    {"_id": "q1", "text": "How long does a refund take?"},
    {"_id": "q0", "text": "Judged in no split?"},
    {"_id": "q2", "text": "And seats?", "history": [{"role": "user", "text": "Plus?", "n": 1}]},
]
QRELS = HEADER + "q2\td2\t2\nq2\td1\t0\nq1\td1\t1\n"


def encoded(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def write(folder: Path, **contents: bytes | str | list[Any] | None) -> Path:
    """Write a folder; ``corpus``, ``queries`` or a split may be replaced, or left out by None."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    if not contents.keys() - {"corpus", "queries"}:
        contents["test"] = QRELS
    for name, content in ({"corpus": CORPUS, "queries": QUERIES} | contents).items():
        if content is None:
            continue
        rows = name in ("corpus", "queries")
        path = folder / f"{name}.jsonl" if rows else folder / "qrels" / f"{name}.tsv"
        data = encoded(content) if isinstance(content, list) else content
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def told(folder: Path, split: str | None = None) -> list[str]:
    """The lines of the error, each without the folder that it begins with."""
    with pytest.raises(DataError) as caught:
        read_beir(folder, split)
    return [line.removeprefix(str(folder)) for line in str(caught.value).split("\n")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "small"


# What is tolerated


def test_a_collection(folder: Path) -> None:
    beir = read_beir(write(folder))
    assert (beir.name, beir.folder, beir.split) == ("small", folder, "test")
    assert beir.corpus == {
        "d1": ("Refunds", "A refund takes five days."),
        "d2": ("", "The plan has 40 seats."),
    }
    assert beir.queries == {
        "q1": Query(id="q1", text="How long does a refund take?"),
        "q2": Query(id="q2", text="And seats?", history=(Turn(role="user", text="Plus?"),)),
    }
    assert list(beir.queries) == list(beir.qrels) == ["q1", "q2"]
    assert beir.qrels == {"q1": {"d1": 1}, "q2": {"d2": 2, "d1": 0}}


def test_the_name_of_the_folder_one_stands_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(folder))
    assert read_beir(Path()).name == "small"


def test_packing_line_ends_and_a_byte_order_mark_do_not_change_the_digest(tmp_path: Path) -> None:
    def windows(content: bytes) -> bytes:
        return b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n") + b"\r\n"

    plain = read_beir(write(tmp_path / "plain"))
    corpus, queries, qrels = encoded(CORPUS), encoded(QUERIES), QRELS.encode()
    other = write(
        tmp_path / "windows", corpus=windows(corpus), queries=windows(queries), test=windows(qrels)
    )
    packed = write(tmp_path / "packed", corpus=None, queries=None, test=gzip.compress(qrels))
    (packed / "corpus.jsonl.gz").write_bytes(gzip.compress(windows(corpus)))
    (packed / "queries.jsonl.gz").write_bytes(gzip.compress(queries))
    for found in (read_beir(other), read_beir(packed)):
        assert (found.digest, found.corpus_digest) == (plain.digest, plain.corpus_digest)
        assert (found.corpus, found.queries, found.qrels) == (
            plain.corpus,
            plain.queries,
            plain.qrels,
        )


@pytest.mark.parametrize(
    ("changes", "same_corpus"),
    [
        ({"corpus": [CORPUS[0], CORPUS[1] | {"text": "The plan has 41 seats."}]}, False),
        ({"corpus": [CORPUS[0], CORPUS[1] | {"title": "Plan"}]}, False),
        ({"queries": [QUERIES[0], QUERIES[2] | {"history": []}]}, True),
        ({"test": QRELS.replace("d2\t2", "d2\t1")}, True),
        ({"dev": QRELS}, True),
    ],
)
def test_a_change_of_the_content_changes_the_digest(
    tmp_path: Path, changes: dict[str, Any], same_corpus: bool
) -> None:
    one, other = read_beir(write(tmp_path / "a")), read_beir(write(tmp_path / "b", **changes))
    assert one.digest != other.digest
    assert (one.corpus_digest == other.corpus_digest) == same_corpus


def test_a_change_of_what_is_not_measured_keeps_the_digest(tmp_path: Path) -> None:
    one = read_beir(write(tmp_path / "a"))
    corpus = [CORPUS[0] | {"url": "y"}, CORPUS[1]]
    other = read_beir(write(tmp_path / "b", corpus=corpus, queries=[QUERIES[0], QUERIES[2]]))
    assert one.digest == other.digest


@pytest.mark.parametrize("header", ["", HEADER, "query_id\tcorpus_id\tscore\n", "\n" + HEADER])
def test_the_header_may_be_left_out(folder: Path, header: str) -> None:
    beir = read_beir(write(folder, test=header + "q1\td1\t1\n\nq2\td2\t +2 \n"))
    assert beir.qrels == {"q1": {"d1": 1}, "q2": {"d2": 2}}


def test_numbers_as_ids_are_their_digits(folder: Path) -> None:
    corpus = [{"_id": 1, "text": "One."}, {"_id": "2", "title": None, "text": "Two."}]
    beir = read_beir(write(folder, corpus=corpus, queries=[{"_id": 7, "text": "?a"}],
                           test="7\t1\t1\n7\t2\t0\n"))  # fmt: skip
    assert beir.corpus == {"1": ("", "One."), "2": ("", "Two.")}
    assert beir.qrels == {"7": {"1": 1, "2": 0}}


def test_a_query_without_a_relevant_document_counts(folder: Path) -> None:
    beir = read_beir(write(folder, test=HEADER + "q1\td1\t0\nq2\td1\t-1\n"))
    assert beir.qrels == {"q1": {"d1": 0}, "q2": {"d1": -1}}
    assert list(beir.queries) == ["q1", "q2"]


def test_the_same_judgement_twice_is_one(folder: Path) -> None:
    assert read_beir(write(folder, test="q1\td1\t1\nq1\td1\t1\n")).qrels == {"q1": {"d1": 1}}


def test_empty_documents_are_part_of_published_collections(folder: Path) -> None:
    corpus = [*CORPUS, {"_id": "d3", "title": "", "text": ""}]
    beir = read_beir(write(folder, corpus=corpus))
    assert [document.text for document in beir.documents()][2] == ""


def test_documents_have_their_id_as_uri_and_their_language(folder: Path) -> None:
    corpus = [
        CORPUS[0],
        {"_id": "title", "title": "Where the refunds are", "text": " "},
        {"_id": "said", "title": "", "text": "x y", "language": "DE-ch"},
        {"_id": "told", "title": "", "text": "Возврат занимает пять дней, если счёт оплачен."},
        {"_id": "unknown", "title": "", "text": "42", "language": ["en"]},
    ]
    documents = list(read_beir(write(folder, corpus=corpus, test="q1\td1\t1")).documents())
    assert [document.uri for document in documents] == ["d1", "title", "said", "told", "unknown"]
    assert (documents[0].title, documents[0].text) == ("Refunds", "A refund takes five days.")
    assert documents[1].text == "Where the refunds are"
    assert [document.language for document in documents] == ["en", "en", "de", "ru", None]


# Splits


def test_the_split_may_be_left_out_where_there_is_one(folder: Path) -> None:
    write(folder, dev=QRELS)
    (folder / "qrels" / "._dev.tsv").write_bytes(b"\x00\x05")  # as archives from a Mac have them
    assert read_beir(folder).split == read_beir(folder, "dev").split == "dev"


def test_several_splits_are_listed(folder: Path) -> None:
    write(folder, test=QRELS, dev="q1\td1\t1")
    assert told(folder) == [" has several splits: say which with --split: dev, test"]
    assert read_beir(folder, "dev").qrels == {"q1": {"d1": 1}}


@pytest.mark.parametrize("split", ["train", "", "../qrels/dev", "dev.tsv"])
def test_an_unknown_split_lists_those_that_exist(folder: Path, split: str) -> None:
    write(folder, test=QRELS, dev=QRELS)
    assert told(folder, split) == [f" has no split {split}: there is dev, test"]


# Faults of the folder


def test_a_folder_that_is_not_there(folder: Path) -> None:
    message = " is no folder: name one that holds corpus.jsonl and qrels/"
    assert told(folder) == [message]
    folder.write_text("x")
    assert told(folder) == [message]


def test_every_missing_file_is_named(folder: Path) -> None:
    folder.mkdir()
    for split, name in ((None, "SPLIT"), ("dev", "dev")):
        assert told(folder, split) == [
            " has 3 faults:",
            "/corpus.jsonl: it cannot be read: No such file or directory",
            "/queries.jsonl: it cannot be read: No such file or directory",
            f"/qrels: there are no judgements: they belong into {name}.tsv",
        ]


def test_a_folder_in_place_of_a_file(folder: Path) -> None:
    write(folder, corpus=None, test=None)
    (folder / "corpus.jsonl").mkdir()
    (folder / "qrels" / "test.tsv").mkdir()
    assert told(folder) == [
        " has 2 faults:",
        "/corpus.jsonl: it cannot be read: Is a directory",
        "/qrels/test.tsv: it cannot be read: Is a directory",
    ]


def test_empty_files(folder: Path) -> None:
    assert told(write(folder, corpus="", queries="\n", test=HEADER)) == [
        " has 3 faults:",
        "/corpus.jsonl: there are no documents in it",
        "/queries.jsonl: there are no queries in it",
        "/qrels/test.tsv: there are no judgements in it",
    ]


@pytest.mark.parametrize("name", ["corpus", "queries"])
def test_a_gzip_file_that_was_cut_off_is_one_fault(folder: Path, name: str) -> None:
    write(folder, **{name: None})
    many = [{"_id": f"x{n}", "text": f"{n * 7919}"} for n in range(500)]
    packed = gzip.compress(encoded(many + (CORPUS if name == "corpus" else QUERIES)))
    (folder / f"{name}.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    (folder / "qrels" / "test.tsv").write_text(QRELS)
    [line] = told(folder)  # no judgement of a document that may be in the part that is lost
    assert line.startswith(f"/{name}.jsonl.gz:")
    assert "the gzip file is broken or cut off here" in line


# Faults of a line


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"corpus": [*CORPUS, {"title": "x", "text": "y"}]},
         ["/corpus.jsonl:3: the field _id is missing"]),
        ({"corpus": [*CORPUS, {"id": "x", "text": "y"}]},
         ["/corpus.jsonl:3: there is no field id: is it _id?"]),
        ({"corpus": [*CORPUS, {"_id": "d3", "title": "x"}]},
         ["/corpus.jsonl:3: d3: the field text is missing"]),
        ({"corpus": [*CORPUS, {"_id": "d3", "text": None}]},
         ["/corpus.jsonl:3: d3: text: it should be a valid string"]),
        ({"corpus": [*CORPUS, {"_id": "d\t3", "text": "x"}]},
         ["/corpus.jsonl:3: d\\t3: _id: it holds a tab, a line break or the like"]),
        ({"corpus": [*CORPUS, CORPUS[0]]},
         ["/corpus.jsonl:3: the id d1 is already on line 1: give it another"]),
        ({"queries": [*QUERIES, {"_id": "q3"}]},
         ["/queries.jsonl:4: q3: the field text is missing"]),
        ({"queries": [*QUERIES, {"_id": "q3", "text": " "}]},
         ["/queries.jsonl:4: q3: text is empty"]),
        ({"queries": [*QUERIES, {"_id": "q3", "text": "x", "history": ["y"]}]},
         ["/queries.jsonl:4: q3: history[1]: it should be an object"]),
        ({"queries": [*QUERIES, {"_id": "q1", "text": "x"}]},
         ["/queries.jsonl:4: the id q1 is already on line 1: give it another"]),
        ({"test": QRELS + "q1\td1\n"},
         ["/qrels/test.tsv:5: a judgement has 3 columns with tabs between them "
          "(query-id, corpus-id, score), this has 2"]),
        ({"test": QRELS + "q1 0 d1 1\n"},
         ["/qrels/test.tsv:5: a judgement has 3 columns with tabs between them "
          "(query-id, corpus-id, score), this has 1"]),
        ({"test": QRELS + "q1\td1\t1\tx\n"},
         ["/qrels/test.tsv:5: a judgement has 3 columns with tabs between them "
          "(query-id, corpus-id, score), this has 4"]),
        ({"test": "qid\tdocid\trel\n" + QRELS.removeprefix(HEADER)},
         ["/qrels/test.tsv:1: the score is a whole number such as 0 or 1, this is “rel”"]),
        ({"test": QRELS + HEADER},
         ["/qrels/test.tsv:5: the score is a whole number such as 0 or 1, this is “score”"]),
        ({"test": QRELS + "q1\td1\t1.5\n"},
         ["/qrels/test.tsv:5: the score is a whole number such as 0 or 1, this is “1.5”"]),
        ({"test": QRELS + "q1\td1\t1_0\n"},
         ["/qrels/test.tsv:5: the score is a whole number such as 0 or 1, this is “1_0”"]),
        ({"test": QRELS + "q1\td1\t" + "9" * 9999},
         ["/qrels/test.tsv:5: the score is a whole number such as 0 or 1, "
          f"this is “{'9' * 79}…”"]),
        ({"test": QRELS.encode() + b"q1\td\xff\t1\n"},
         ["/qrels/test.tsv:5: this is not UTF-8 text: byte 5 of the line"]),
        ({"test": QRELS + "q9\td1\t1\n"},
         ["/qrels/test.tsv:5: there is no query q9 in queries.jsonl"]),
        ({"test": QRELS + "q1\td9\t0\n"},
         ["/qrels/test.tsv:5: there is no document d9 in corpus.jsonl"]),
        ({"test": QRELS + "q9\td\x009\t1\n"},
         ["/qrels/test.tsv:5: there is no query q9 in queries.jsonl",
          "/qrels/test.tsv:5: there is no document d\\x009 in corpus.jsonl"]),
        ({"test": QRELS + "q1\td1\t0\nq1\td1\t2\n"},
         [f"/qrels/test.tsv:{line}: document d1 has the score {score} for query q1, "
          "and 1 on line 4: keep one" for line, score in ((5, 0), (6, 2))]),
    ],
)  # fmt: skip
def test_a_line_that_is_wrong(folder: Path, changes: dict[str, Any], messages: list[str]) -> None:
    lines = told(write(folder, **changes))
    assert lines == messages if len(messages) == 1 else lines[1:] == messages


def test_faults_of_all_three_files_are_reported_together(folder: Path) -> None:
    write(
        folder,
        corpus=encoded(CORPUS) + b"{\n" + encoded([{"_id": "d3"}, CORPUS[1]]),
        queries=[*QUERIES, {"_id": "q3", "text": ""}, [1]],
        test=QRELS + "q3\td3\t1\nq1\td4\tx\nq1\td4\t1\n",
    )
    assert told(folder) == [
        " has 7 faults:",
        "/corpus.jsonl:3: this is not JSON: EOF while parsing an object at column 1",
        "/corpus.jsonl:4: d3: the field text is missing",
        "/corpus.jsonl:5: the id d2 is already on line 2: give it another",
        "/queries.jsonl:4: q3: text is empty",
        "/queries.jsonl:5: a row is a JSON object, this is list",
        # q3 and d3 are there, though their rows have faults of their own.
        "/qrels/test.tsv:6: the score is a whole number such as 0 or 1, this is “x”",
        "/qrels/test.tsv:7: there is no document d4 in corpus.jsonl",
    ]


def test_many_faults_are_counted_not_all_spelled_out(folder: Path) -> None:
    lines = told(write(folder, corpus="x\n" * 70, test="q1\tx\t1\n" + "y\n" * 70))
    assert lines[0] == " has 141 faults:"
    assert (len(lines), lines[-1]) == (42, "… and 101 more")
    assert lines[21].startswith("/qrels/test.tsv:1: ")


# Bytes that nobody thought of, size, and the real folders


def check(beir: Beir) -> None:
    assert beir.queries.keys() == beir.qrels.keys()
    assert all(judged.keys() <= beir.corpus.keys() for judged in beir.qrels.values())


IDS = st.sampled_from(["d1", "d2", "q1", "q2", "", " ", "\r", 'x"', "\x00", 1, -1, None])
ROWS = st.one_of(
    st.binary(max_size=30),
    st.fixed_dictionaries(
        {"_id": IDS, "text": st.text(max_size=3) | st.integers()},
        optional={"title": IDS, "history": st.lists(IDS, max_size=1), "language": IDS},
    ).map(lambda row: json.dumps(row).encode()),
)
JUDGED = st.one_of(
    st.binary(max_size=20),
    st.tuples(IDS, IDS, IDS).map(lambda columns: "\t".join(map(str, columns)).encode()),
)


@settings(max_examples=200, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(corpus=st.lists(ROWS, max_size=3), queries=st.lists(ROWS, max_size=3),
       judged=st.lists(JUDGED, max_size=3), whole=st.booleans())  # fmt: skip
def test_no_bytes_raise_anything_but_a_data_error(
    folder: Path, corpus: list[bytes], queries: list[bytes], judged: list[bytes], whole: bool
) -> None:
    if whole:  # so that some are right
        corpus, queries = [encoded(CORPUS), *corpus[:1]], [encoded(QUERIES)]
        judged = [b"q1\td1\t1", *judged[:1]]
    write(folder, corpus=b"\n".join(corpus), queries=b"\n".join(queries), test=b"\n".join(judged))
    try:
        beir = read_beir(folder)
    except DataError as error:
        assert all(line.startswith(str(folder)) for line in str(error).split("\n"))
    else:
        check(beir)
        assert len(list(beir.documents())) == len(beir.corpus)


def test_a_large_folder_takes_about_a_second(folder: Path) -> None:
    corpus = [{"_id": str(n), "title": "T", "text": f"Word {n} " * 150} for n in range(12_000)]
    judged = "".join(f"q1\t{n}\t1\n" for n in range(12_000))
    write(folder, corpus=corpus, test=judged)
    begun = time.perf_counter()
    assert len(read_beir(folder).corpus) == 12_000
    assert time.perf_counter() - begun < 4  # 0.2 s on an idle machine


@pytest.mark.parametrize(
    ("name", "documents", "queries", "judgements"),
    [
        ("scifact", 5183, 807, 917),
        ("vaswani", 11429, 93, 2083),
        ("cisi", 1460, 76, 3114),
        ("medquad-liveqa", 1935, 103, 2311),
        ("dstc11", 5508, 942, 3507),
    ],
)
def test_the_development_data_has_no_fault(
    data: Path, name: str, documents: int, queries: int, judgements: int
) -> None:
    beir = read_beir(data / "retrieval" / name)
    check(beir)
    found = len(beir.corpus), len(beir.queries), sum(map(len, beir.qrels.values()))
    assert found == (documents, queries, judgements)
    assert any(query.history for query in beir.queries.values()) == (name == "dstc11")


def test_a_real_folder_unpacked_has_the_same_digest(data: Path, folder: Path) -> None:
    packed = data / "retrieval" / "cisi"
    shutil.copytree(packed / "qrels", folder / "qrels")
    for name in ("corpus", "queries"):
        content = gzip.decompress((packed / f"{name}.jsonl.gz").read_bytes())
        (folder / f"{name}.jsonl").write_bytes(content.replace(b"\n", b"\r\n"))
    assert read_beir(folder).digest == read_beir(packed).digest
