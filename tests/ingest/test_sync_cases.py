"""Names, links, disks and documents that must not stop an ingest, nor cost it anything else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.errors import SourceError
from rag.ingest.fetch import discover
from rag.pipeline import Pipeline
from rag.settings import FetchSettings
from rag.types import Rename


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "hub.md").write_text("# Hub\n\nThe light of the hub is red when it is offline.\n")
    return folder


@pytest.fixture
def pipeline(make_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return make_pipeline()


def write(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"note{n}.md" for n in range(count)]
    for n, path in enumerate(paths):
        path.write_text(f"# Note {n}\n\nThe number of note {n} is {n}.\n")
    return paths


def uris(pipeline: Pipeline) -> set[str]:
    return {document.uri for _, document in pipeline.index.catalog.documents()}


# Names


def test_names_that_are_not_utf8(pipeline: Pipeline, docs: Path) -> None:
    Path(os.fsdecode(os.fsencode(docs) + b"/caf\xe9.md")).write_text("The cafe opens at nine.\n")
    Path(os.fsdecode(os.fsencode(docs) + b"/tea\xff.txt")).write_text("Tea costs two euros.\n")
    report = pipeline.ingest(docs)
    assert report.added == ("docs/caf\\xe9.md", "docs/hub.md", "docs/tea\\xff.txt")
    assert not report.failed
    assert pipeline.document("docs/tea\\xff.txt").title == "tea\\xff"
    assert pipeline.search("When does the cafe open?")[0].uri == "docs/caf\\xe9.md"
    assert pipeline.ingest(docs).unchanged == report.added
    assert pipeline.index.verify() == []


def test_a_source_with_an_odd_name_is_one_failure(pipeline: Pipeline, docs: Path) -> None:
    odd = ["a\0b.md", "x" * 5000, "caf\udce9.md", "half \ud800.md", "http://[", "file://\0"]
    report = pipeline.ingest(*odd, docs)
    assert len(report.failed) == len(odd) and report.added == ("docs/hub.md",)
    assert "caf\\xe9.md" in report.failed[2].reason
    report.model_dump_json()


def test_two_files_of_one_uri_are_not_both_silently_one(pipeline: Pipeline, docs: Path) -> None:
    Path(os.fsdecode(os.fsencode(docs) + b"/a\xff.md")).write_text("The first text.\n")
    (docs / "a\\xff.md").write_text("The second text.\n")
    (docs / "t.jsonl").write_text('{"id": "x.md", "text": "A row of a table."}\n')
    (docs / "t.jsonl#id=x.md").write_text("A file named like the row.\n")
    for _ in range(2):
        report = pipeline.ingest(docs)
        assert not report.changed
        assert [f.uri for f in report.failed] == ["docs/a\\xff.md", "docs/t.jsonl#id=x.md"]
        assert "rename one" in report.failed[0].reason
        assert "docs/t.jsonl has, too" in report.failed[1].reason


def test_rows_of_one_id_are_told_apart_or_reported(pipeline: Pipeline, docs: Path) -> None:
    (docs / "t.jsonl").write_text(
        '{"id": "a b", "text": "One."}\n{"id": "a%20b", "text": "Two."}\n'
    )
    report = pipeline.ingest(docs)
    assert len(report.added) + len(report.failed) == 3


# Renames


def test_a_renamed_file_without_a_heading_is_a_rename(pipeline: Pipeline, docs: Path) -> None:
    (docs / "p.txt").write_text("The price of a saw is nine euros.\n")
    (docs / "t.csv").write_text("part,price\nsaw,9\nrake,7\n")
    pipeline.ingest(docs)
    (docs / "p.txt").rename(docs / "price.txt")
    (docs / "t.csv").rename(docs / "table.csv")
    report = pipeline.ingest(docs)
    assert report.renamed == (
        Rename(old="docs/p.txt", new="docs/price.txt"),
        Rename(old="docs/t.csv#row=1", new="docs/table.csv#row=1"),
        Rename(old="docs/t.csv#row=2", new="docs/table.csv#row=2"),
    )
    assert (report.chunks_embedded, report.added, report.removed) == (0, (), ())
    assert pipeline.document("price.txt").title == "price"
    assert pipeline.index.verify() == []


# Links


def test_links_out_of_the_folder_and_into_nothing(
    pipeline: Pipeline, docs: Path, tmp_path: Path
) -> None:
    write(tmp_path / "secret", 2)
    (tmp_path / "key.txt").write_text("The key is 4711.\n")
    (docs / "key.txt").symlink_to(tmp_path / "key.txt")
    (docs / "secret").symlink_to(tmp_path / "secret")
    (docs / "broken.md").symlink_to("nowhere")
    (docs / "loop.md").symlink_to("loop.md")
    (docs / "also.md").symlink_to("hub.md")
    (docs / "round").symlink_to(docs)
    report = pipeline.ingest(docs)
    assert report.added == ("docs/hub.md",) and not report.failed
    assert report.notes == (
        "docs: links out of it are not followed (docs/key.txt, docs/secret); "
        "name what they lead to as a source of its own.",
        "docs: links that lead nowhere were skipped (docs/broken.md, docs/loop.md).",
    )
    assert pipeline.ingest(docs / "key.txt").added == ("docs/key.txt",)  # named, it is read
    assert pipeline.ingest(str(docs) + "/*.txt").notes == (
        "docs/*.txt: links out of it are not followed (docs/key.txt); "
        "name what they lead to as a source of its own.",
    )


def test_links_within_the_folder_are_followed(pipeline: Pipeline, docs: Path) -> None:
    write(docs / ".versions", 2)
    (docs / "current").symlink_to(".versions")
    assert pipeline.ingest(docs).added == (
        "docs/current/note0.md",
        "docs/current/note1.md",
        "docs/hub.md",
    )


# What is gone


def test_most_of_a_source_does_not_vanish_without_a_question(
    pipeline: Pipeline, docs: Path
) -> None:
    write(docs / "mount", 8)
    pipeline.ingest(docs)
    for path in (docs / "mount").iterdir():
        path.unlink()  # as if the disk were not mounted
    (docs / "hub.md").write_text("# Hub\n\nThe light of the hub is green.\n")
    report = pipeline.ingest(docs)
    assert report.changed == ("docs/hub.md",) and not report.removed
    assert [(f.uri, f.reason[:29]) for f in report.failed] == [
        ("docs", "8 of the 9 files indexed from")
    ]
    assert "docs/mount/note3.md" in uris(pipeline)
    again = pipeline.ingest(docs)
    assert again.failed == report.failed  # it is asked until it is answered
    assert len(pipeline.ingest(docs, prune=True).removed) == 8
    assert uris(pipeline) == {"docs/hub.md"} and not pipeline.ingest(docs).failed
    assert pipeline.index.verify() == []


def test_what_is_kept_stays_kept_until_it_is_pruned(pipeline: Pipeline, docs: Path) -> None:
    write(docs / "old", 10)
    pipeline.ingest(docs)
    shutil.rmtree(docs / "old")
    for n in range(10):
        (docs / f"new{n}.md").write_text(f"# New {n}\n\nThe new hall {n} has room for {n + 20}.\n")
    for _ in range(3):
        report = pipeline.ingest(docs)
        assert not report.removed and "`rag ingest --prune docs`" in report.failed[0].reason
    write(docs / "old", 4)  # some of it is back
    assert "6 of the" in pipeline.ingest(docs).failed[0].reason
    assert len(pipeline.ingest(docs, prune=True).removed) == 6
    assert not pipeline.ingest(docs).failed and pipeline.index.verify() == []


def test_one_new_file_is_the_new_place_of_one_only(pipeline: Pipeline, docs: Path) -> None:
    for n in range(8):
        (docs / f"copy{n}.md").write_text("# Copy\n\nThe same words.\n")
    pipeline.ingest(docs)
    for path in docs.glob("copy*"):
        path.unlink()
    (docs / "one.md").write_text("# Copy\n\nThe same words.\n")
    report = pipeline.ingest(docs)
    assert not report.removed and "7 of the 9 files" in report.failed[0].reason


def test_rows_with_new_ids_are_never_gone_in_between(
    make_pipeline: Callable[..., Pipeline], embedder: Any, docs: Path
) -> None:
    def rows(name: str, end: str) -> None:
        lines = "".join(f"{name}{n},The row {n} is about saws{end}.\n" for n in range(4))
        (docs / "t.csv").write_text("id,text\n" + lines)

    rows("a", "")
    make_pipeline().ingest(docs)
    rows("b", " and a peanut")
    failing = make_pipeline(embedder=Allergic(embedder, RuntimeError("odd")))
    (docs / "other.md").write_text("Something else.\n")
    report = failing.ingest(docs)
    assert len(report.failed) == 4 and not report.removed
    assert "docs/t.csv#id=a3" in uris(failing)
    rows("b", "")
    report = make_pipeline().ingest(docs)
    assert len(report.removed) + len(report.renamed) == 4 and not report.failed


def test_a_file_of_two_sources_with_a_bad_row(pipeline: Pipeline, docs: Path) -> None:
    (docs / "t.jsonl").write_text(
        '{"id": "1", "text": "One."}\n{bad\n{"id": "2", "text": "Two."}\n'
    )
    report = pipeline.ingest(docs, docs / "t.jsonl")
    assert {failure.uri for failure in report.failed} == {"docs/t.jsonl#row=2"}


def test_a_name_that_begins_with_a_tilde(
    pipeline: Pipeline, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "~nobody-of-this-name.md").write_text("# Tilde\n\nIt is read.\n")
    monkeypatch.chdir(docs)
    report = pipeline.ingest("~nobody-of-this-name.md", "~$lock.docx", "hub.md")
    assert report.added == ("docs/~nobody-of-this-name.md", "docs/hub.md")
    assert "There is no file" in report.failed[0].reason


def test_a_few_files_vanish_as_always(pipeline: Pipeline, docs: Path) -> None:
    paths = write(docs, 6)
    pipeline.ingest(docs)
    for path in paths[:3]:
        path.unlink()
    assert len(pipeline.ingest(docs).removed) == 3


def test_all_files_renamed_at_once_are_not_gone(pipeline: Pipeline, docs: Path) -> None:
    write(docs / "old", 9)
    pipeline.ingest(docs)
    (docs / "old").rename(docs / "new")
    report = pipeline.ingest(docs)
    assert len(report.renamed) == 9 and not report.failed and not report.removed


def test_a_folder_replaced_by_a_file_keeps_what_it_held(pipeline: Pipeline, docs: Path) -> None:
    write(docs / "guide.md", 2)
    pipeline.ingest(docs / "guide.md")
    shutil.rmtree(docs / "guide.md")
    (docs / "guide.md").write_text("The guide is one file now.\n")
    report = pipeline.ingest(docs / "guide.md")
    assert report.added == ("docs/guide.md",)
    assert "2 of the 2 files" in report.failed[0].reason
    assert len(uris(pipeline)) == 3


def test_a_folder_that_is_gone_goes_with_prune(pipeline: Pipeline, docs: Path) -> None:
    pipeline.ingest(docs)
    shutil.rmtree(docs)
    report = pipeline.ingest(docs)
    assert "There is no file or folder" in report.failed[0].reason and not report.removed
    assert pipeline.ingest(docs, prune=True).removed == ("docs/hub.md",)


def test_a_file_that_two_sources_name_goes_when_it_is_gone(
    pipeline: Pipeline, docs: Path, tmp_path: Path
) -> None:
    write(docs / "sub", 2)
    pipeline.ingest(docs, docs / "hub.md", docs / "sub")
    (docs / "hub.md").unlink()
    (docs / "sub" / "note0.md").unlink()
    report = pipeline.ingest(docs)
    assert report.removed == ("docs/hub.md", "docs/sub/note0.md")
    assert uris(pipeline) == {"docs/sub/note1.md"}
    assert [s["location"] for s in pipeline.index.catalog.sources()] == ["docs", "docs/sub"]
    assert pipeline.index.verify() == []


def test_a_hundred_copies_do_not_hide_what_differs(pipeline: Pipeline, docs: Path) -> None:
    rows = '{"text": "The hub is offline."}\n' * 100
    (docs / "rows.jsonl").write_text(rows)
    pipeline.ingest(docs)
    found = pipeline.search("Is the hub offline?", 2)
    assert "docs/hub.md" in [passage.uri for passage in found] and len(found) == 2


def test_a_note_names_the_whole_place(pipeline: Pipeline, docs: Path) -> None:
    (docs / "old.txt").write_bytes("Склад открыт каждый день с девяти часов утра.".encode("koi8-r"))
    [note] = pipeline.ingest(docs).notes
    assert note.startswith("docs/old.txt: the encoding was guessed to be koi8-r")


# Documents that raise


class Allergic:
    """The real embedder, but for texts and counts that it cannot bear."""

    def __init__(self, inner: Any, error: BaseException) -> None:
        self.inner, self.error = inner, error
        self.identity, self.dimension = inner.identity, inner.dimension
        self.max_tokens, self.languages = inner.max_tokens, inner.languages

    def count_tokens(self, text: str) -> int:
        if "nutshell" in text:
            raise self.error
        return int(self.inner.count_tokens(text))

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Any:
        if any("peanut" in text for text in texts):
            raise self.error
        vectors = self.inner.embed(texts, query=query)
        for row, text in enumerate(texts):
            if "hazel" in text:
                vectors = vectors.astype(object)
                vectors[row] = None
        return vectors


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), KeyError("k"), UnicodeDecodeError("utf-8", b"x", 0, 1, "bad")]
)
def test_whatever_a_document_raises_is_its_own_failure(
    make_pipeline: Callable[..., Pipeline], embedder: Any, docs: Path, error: Exception
) -> None:
    write(docs, 5)
    (docs / "a.md").write_text("A peanut is no nut.\n")
    (docs / "b.md").write_text("A word in a nutshell.\n")
    (docs / "c.md").write_text("A hazel is a tree.\n")
    pipeline = make_pipeline(embedder=Allergic(embedder, error))
    report = pipeline.ingest(docs)
    assert sorted(f.uri for f in report.failed) == ["docs/a.md", "docs/b.md", "docs/c.md"]
    assert all(f.reason.endswith("retry.") for f in report.failed)
    assert len(report.added) == 6 and pipeline.index.verify() == []
    healthy = make_pipeline()  # the index is not locked, and what failed is tried again
    assert healthy.ingest(docs).added == ("docs/a.md", "docs/b.md", "docs/c.md")


def test_a_folder_of_nothing_but_bad_documents_stops_nothing(
    make_pipeline: Callable[..., Pipeline], embedder: Any, docs: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for n in range(3):
        (bad / f"{n}.md").write_text(f"A peanut is no nut, says text {n}.\n")
    pipeline = make_pipeline(embedder=Allergic(embedder, RuntimeError("odd")))
    report = pipeline.ingest(bad, docs)
    assert len(report.failed) == 3 and report.added == ("docs/hub.md",)


def test_an_error_that_is_not_of_a_document_stops(
    make_pipeline: Callable[..., Pipeline], embedder: Any, docs: Path
) -> None:
    class Broken(Allergic):
        def embed(self, texts: Sequence[str], *, query: bool = False) -> Any:
            raise self.error

    write(docs, 3)
    with pytest.raises(RuntimeError, match="no memory on the device"):
        make_pipeline(embedder=Broken(embedder, RuntimeError("no memory on the device"))).ingest(
            docs
        )
    assert len(make_pipeline().ingest(docs).added) == 4


# Files that never end


def test_a_local_file_that_never_ends(docs: Path) -> None:
    endless = Path("/proc/kmsg")
    if not os.access(endless, os.R_OK):
        pytest.skip("there is no file here that waits for ever and can be read")
    (docs / "log.txt").symlink_to(endless)
    settings = FetchSettings(timeout=0.3)
    [item] = discover(str(docs / "log.txt"), settings, base=docs)
    with pytest.raises(
        SourceError, match=r"log.txt (took longer than 0.3 s to read|cannot be read)"
    ):
        item.load()


def test_a_pipe_is_no_file(pipeline: Pipeline, docs: Path) -> None:
    os.mkfifo(docs / "pipe.md")
    report = pipeline.ingest(docs)
    assert [f.uri for f in report.failed] == ["docs/pipe.md"] and report.added == ("docs/hub.md",)
    assert "not an ordinary file" in report.failed[0].reason
