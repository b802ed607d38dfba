"""What an ingest reports and keeps: added, changed, unchanged, removed, renamed, failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag.errors import SourceError, UsageError
from rag.pipeline import Pipeline
from rag.types import Rename

REFUNDS = "---\ndate: 2025-02-01\n---\n# Refunds\n\nRefunds take five business days.\n"
HUB = "# Hub\n\nThe light of the hub is red when it is offline.\n"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "refunds.md").write_text(REFUNDS)
    (folder / "hub.md").write_text(HUB)
    return folder


@pytest.fixture
def pipeline(make_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return make_pipeline()


def test_first_and_second_time(pipeline: Pipeline, docs: Path) -> None:
    report = pipeline.ingest(docs)
    assert report.added == ("docs/hub.md", "docs/refunds.md")
    assert report.chunks_embedded == 2
    again = pipeline.ingest(docs)
    assert again.unchanged == report.added
    assert (again.added, again.changed, again.chunks_embedded) == ((), (), 0)


def test_a_change_embeds_only_what_is_new(pipeline: Pipeline, docs: Path) -> None:
    sections = [f"## Part {n}\n\n" + f"Part {n} says something of its own. " * 30 for n in range(4)]
    (docs / "long.md").write_text("# Long\n\n" + "\n\n".join(sections))
    first = pipeline.ingest(docs).chunks_embedded
    sections[2] = sections[2].replace("something", "anything")
    (docs / "long.md").write_text("# Long\n\n" + "\n\n".join(sections))
    report = pipeline.ingest(docs)
    assert report.changed == ("docs/long.md",)
    assert 0 < report.chunks_embedded < first / 2
    assert pipeline.index.verify() == []


def test_a_new_date_changes_the_document_and_embeds_nothing(pipeline: Pipeline, docs: Path) -> None:
    pipeline.ingest(docs)
    (docs / "refunds.md").write_text(REFUNDS.replace("2025-02-01", "2026-03-01"))
    report = pipeline.ingest(docs)
    assert report.changed == ("docs/refunds.md",)
    assert report.chunks_embedded == 0
    assert str(pipeline.document("refunds.md").published) == "2026-03-01"


def test_removed_and_renamed(pipeline: Pipeline, docs: Path) -> None:
    pipeline.ingest(docs)
    (docs / "hub.md").rename(docs / "the-hub.md")
    (docs / "refunds.md").unlink()
    report = pipeline.ingest(docs)
    assert report.renamed == (Rename(old="docs/hub.md", new="docs/the-hub.md"),)
    assert report.removed == ("docs/refunds.md",)
    assert report.added == ()
    assert report.chunks_embedded == 0
    assert {p.uri for p in pipeline.search("light of the hub")} == {"docs/the-hub.md"}
    assert pipeline.index.verify() == []


def test_a_failure_keeps_the_earlier_version_and_is_tried_again(
    pipeline: Pipeline, docs: Path
) -> None:
    pipeline.ingest(docs)
    (docs / "refunds.md").write_bytes(b"")
    report = pipeline.ingest(docs)
    assert [failure.uri for failure in report.failed] == ["docs/refunds.md"]
    assert "is empty" in report.failed[0].reason
    assert report.unchanged == ("docs/hub.md",)
    assert "five business days" in pipeline.document("refunds.md").text
    assert [f.uri for f in pipeline.index.catalog.failures()] == ["docs/refunds.md"]
    (docs / "refunds.md").write_text(REFUNDS)
    healed = pipeline.ingest(docs)
    assert not healed.failed
    assert "docs/refunds.md" in healed.unchanged
    assert pipeline.index.catalog.failures() == []


def test_an_emptied_folder_loses_nothing(pipeline: Pipeline, docs: Path) -> None:
    pipeline.ingest(docs)
    for path in docs.iterdir():
        path.unlink()
    report = pipeline.ingest(docs)
    assert not report.removed
    assert "their documents are kept: `rag remove docs`" in report.failed[0].reason
    assert pipeline.search("refunds")
    assert pipeline.remove("docs").removed == ("docs/hub.md", "docs/refunds.md")


def test_a_missing_file_is_a_failure_that_removes_nothing(pipeline: Pipeline, docs: Path) -> None:
    pipeline.ingest(docs / "hub.md")
    (docs / "hub.md").unlink()
    report = pipeline.ingest(docs / "hub.md")
    assert "There is no file or folder" in report.failed[0].reason
    assert pipeline.document("hub.md")


def test_a_document_of_two_sources_stays_until_both_are_gone(
    pipeline: Pipeline, docs: Path
) -> None:
    pipeline.ingest(docs, docs / "hub.md")
    assert pipeline.remove("docs").removed == ("docs/refunds.md",)
    assert pipeline.document("hub.md")
    assert pipeline.remove("docs/hub.md").removed == ("docs/hub.md",)


def test_removing_one_document(pipeline: Pipeline, docs: Path) -> None:
    pipeline.ingest(docs)
    assert pipeline.remove("docs/hub.md").removed == ("docs/hub.md",)
    with pytest.raises(SourceError, match="no document nothing is indexed"):
        pipeline.remove("nothing")


def test_rows_are_documents_and_a_bad_row_is_one_failure(pipeline: Pipeline, docs: Path) -> None:
    rows = [
        {"id": "T-1", "subject": "Hub offline", "body": "The hub lost its connection."},
        {"id": "T-2", "subject": "Refund", "body": "Where is my money?"},
    ]
    lines = [json.dumps(rows[0]), "{broken", json.dumps(rows[1])]
    (docs / "tickets.jsonl").write_text("\n".join(lines))
    report = pipeline.ingest(docs / "tickets.jsonl")
    assert report.added == ("docs/tickets.jsonl#id=T-1", "docs/tickets.jsonl#id=T-2")
    assert len(report.failed) == 1
    (docs / "tickets.jsonl").write_text(json.dumps(rows[0]) + "\n")
    report = pipeline.ingest(docs / "tickets.jsonl")
    assert report.removed == ("docs/tickets.jsonl#id=T-2",)
    assert report.unchanged == ("docs/tickets.jsonl#id=T-1",)
    assert pipeline.index.catalog.failures() == []


def test_an_interrupted_ingest_goes_on(
    make_pipeline: Callable[..., Pipeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = make_pipeline(index={"write_batch": 4})
    docs = tmp_path / "docs"
    docs.mkdir()
    for n in range(12):
        (docs / f"{n:02}.md").write_text(f"# Page {n}\n\nPage {n} is about subject{n}.\n")

    def stop(what: str, done: int, known: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.ingest(docs, on_progress=stop)
    kept = pipeline.index.catalog.counts()["documents"]
    assert 0 < kept < 12
    report = pipeline.ingest(docs)
    assert len(report.unchanged) == kept
    assert len(report.added) == 12 - kept
    assert pipeline.index.verify() == []


def test_rebuild_keeps_every_answer(make_pipeline: Callable[..., Pipeline], docs: Path) -> None:
    pipeline = make_pipeline()
    pipeline.ingest(docs)
    before = [p.chunk.text for p in pipeline.search("refunds")]
    pipeline.close()
    other = make_pipeline(chunk={"size": 64})
    seen: list[tuple[str, int, int]] = []
    other.rebuild(lambda *step: seen.append(step))
    assert seen[-1][1:] == (2, 2)
    assert [p.chunk.text for p in other.search("refunds")] == before
    assert other.index.verify() == []


def test_nothing_to_ingest(pipeline: Pipeline) -> None:
    for sources in ((), ("",)):
        with pytest.raises(UsageError, match="nothing to ingest"):
            pipeline.ingest(*sources)


def test_report_reads_well(pipeline: Pipeline, docs: Path) -> None:
    (docs / "bad.txt").write_bytes(bytes(range(256)) * 20)
    report = pipeline.ingest(docs)
    lines = str(report).splitlines()
    assert lines[0].startswith("2 added, 0 changed, 0 unchanged, 0 removed, 0 renamed, 1 failed")
    assert lines[1].startswith("  failed  docs/bad.txt: ")
    body: dict[str, Any] = report.to_json()
    assert body["schema"] == 1
    assert body["added"] == ["docs/hub.md", "docs/refunds.md"]
