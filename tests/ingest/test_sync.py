"""What an ingest reports and keeps: added, changed, unchanged, removed, renamed, failed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF

from rag.errors import SourceError, UsageError
from rag.index.catalog import Catalog, Entry
from rag.index.index import Index
from rag.ingest.chunk import chunk_document
from rag.pipeline import Pipeline
from rag.types import Document, Rename

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
    assert "2 of the 2 files" in report.failed[0].reason
    assert "kept; `rag ingest --prune docs`" in report.failed[0].reason
    assert pipeline.search("refunds")
    assert pipeline.ingest(docs, prune=True).removed == ("docs/hub.md", "docs/refunds.md")
    assert pipeline.index.verify() == []


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
    assert body["schema"] == 2
    assert body["added"] == ["docs/hub.md", "docs/refunds.md"]


@pytest.mark.parametrize("moment", ["put", "put_item", "remove", "delete_items", "unclaim"])
def test_a_crash_at_any_step_is_made_good(
    make_pipeline: Callable[..., Pipeline],
    docs: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    pipeline = make_pipeline()
    pipeline.ingest(docs)
    (docs / "refunds.md").write_text(REFUNDS.replace("five", "nine"))
    (docs / "hub.md").unlink()
    place = Index if moment in ("put", "remove") else Catalog
    done = getattr(place, moment)

    def crash(self: Any, *arguments: Any, **options: Any) -> None:
        done(self, *arguments, **options)
        raise SystemExit("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(place, moment, crash)
        with pytest.raises(SystemExit):
            pipeline.ingest(docs)
    (docs / "hub.md").write_text(HUB)  # it comes back, and the change is taken back
    (docs / "refunds.md").write_text(REFUNDS)
    pipeline.ingest(docs)
    assert pipeline.index.verify() == []
    assert pipeline.index.catalog.counts()["documents"] == 2
    assert "five business days" in pipeline.search("refunds")[0].chunk.text
    assert "red when it is offline" in pipeline.search("light of the hub")[0].chunk.text


def test_a_row_that_fails_keeps_its_earlier_version(pipeline: Pipeline, docs: Path) -> None:
    good = [json.dumps({"id": name, "body": f"Row {name} says this."}) for name in "ab"]
    (docs / "t.jsonl").write_text("\n".join(good))
    pipeline.ingest(docs / "t.jsonl")
    (docs / "t.jsonl").write_text(good[0] + "\n{broken")
    report = pipeline.ingest(docs / "t.jsonl")
    assert report.failed
    assert not report.removed
    assert pipeline.document("t.jsonl#id=b")


def test_a_new_language_moves_the_words(pipeline: Pipeline, docs: Path) -> None:
    page = "---\nlanguage: {}\n---\n# Karten\n\nDie Karte wird gesperrt.\n"
    (docs / "card.md").write_text(page.format("en"))
    pipeline.ingest(docs / "card.md")
    (docs / "card.md").write_text(page.format("de"))
    report = pipeline.ingest(docs / "card.md")
    assert report.changed == ("docs/card.md",)
    assert report.chunks_embedded == 0
    assert pipeline.search("gesperrt")[0].scores["lexical"] > 0


def test_moves_between_sources_and_other_spellings(pipeline: Pipeline, docs: Path) -> None:
    other = docs.parent / "other"
    other.mkdir()
    (other / "x.md").write_text("# X\n\nSomething else.\n")
    pipeline.ingest(docs, other)
    (docs / "hub.md").rename(other / "hub.md")
    report = pipeline.ingest(docs, other, f"{docs}/", str(docs))
    assert [(r.old, r.new) for r in report.renamed] == [("docs/hub.md", "other/hub.md")]
    assert report.unchanged == ("docs/refunds.md", "other/x.md")
    assert not report.removed


def test_failures_end_with_their_cause(pipeline: Pipeline, docs: Path) -> None:
    (docs / "bad.md").write_text("")
    assert pipeline.ingest(docs).failed
    (docs / "bad.md").unlink()
    assert not pipeline.ingest(docs).failed
    assert pipeline.index.catalog.failures() == []
    assert pipeline.ingest(docs / "typo.md").failed
    assert pipeline.index.catalog.failures() == []


@pytest.mark.parametrize("name", ["/", "..", "../docs", "cs", "elsewhere/docs"])
def test_remove_takes_nothing_that_was_not_named(
    pipeline: Pipeline, docs: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pipeline.ingest(docs)
    monkeypatch.chdir(docs.parent)
    with pytest.raises(SourceError, match="no document"):
        pipeline.remove(name)
    assert pipeline.remove("./docs/").removed


def test_what_has_headings_only_is_noted(pipeline: Pipeline, docs: Path) -> None:
    (docs / "bare.md").write_text("# Only\n\n## Headings\n")
    report = pipeline.ingest(docs / "bare.md")
    assert "nothing of it can be found" in report.notes[0]
    assert pipeline.index.verify() == []


def test_citations_name_the_page_and_heading_of_their_own_place(
    pipeline: Pipeline, docs: Path
) -> None:
    pdf = FPDF()
    pdf.set_font("helvetica", size=12)
    for text in ("The first page is about shells.", "A pearl costs forty euros."):
        pdf.add_page()
        pdf.multi_cell(0, text=text)
    pdf.output(str(docs / "pages.pdf"))
    (docs / "short.md").write_text(
        "# Costs\n\n## Lockers\n\nA locker costs two euros.\n\n## Keys\n\nA key costs six euros.\n"
    )
    pipeline.ingest(docs)
    [pearl] = {c.page for c in pipeline.ask("How much does a pearl cost?").citations}
    assert pearl == 2
    for thing in ("locker", "key"):
        [place] = {
            (c.headings[-1].lower(), c.anchor)
            for c in pipeline.ask(f"How much does a {thing} cost?").citations
            if thing in c.quote
        }
        assert place == (f"{thing}s", f"{thing}s")


def test_a_rebuild_that_had_to_wait_keeps_what_was_written_meanwhile(
    make_pipeline: Callable[..., Pipeline], docs: Path
) -> None:
    pipeline, other = make_pipeline(), make_pipeline()
    pipeline.ingest(docs / "hub.md")
    with pipeline.index.writing(pipeline.fingerprint):
        thread = threading.Thread(target=other.rebuild)
        thread.start()
        time.sleep(0.3)
        entries = []
        for n in range(5):
            document = Document.make(uri=f"{n}", title="", text=f"Late page number {n}.")
            chunks = chunk_document(document, pipeline.settings.chunk, len, pipeline.fingerprint)
            entries.append(Entry(f"{n}", document, chunks))
        vectors = pipeline.embedder.embed([e.document.text for e in entries])
        contents = [e.contents[0] for e in entries]
        pipeline.index.put(entries, dict(zip(contents, vectors, strict=True)))
    thread.join(60)
    assert pipeline.index.verify() == []
    assert "Late page number 3." in {p.chunk.text for p in pipeline.search("late page number 3")}
