"""The index: write order, crashes, filters, rebuilding, corruption."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from rag.errors import (
    FingerprintError,
    IndexBusyError,
    IndexCorruptError,
    IndexMissingError,
    StoreError,
)
from rag.index.catalog import Entry, key_of
from rag.index.dense import DenseStore
from rag.index.index import Index, hold
from rag.ingest.chunk import chunk_document
from rag.ingest.sync import embed_missing
from rag.protocols import Embedder
from rag.settings import ChunkSettings, IndexSettings
from rag.types import Document, Filter, Heading, Scope

PRINT = "fingerprint"


class Writer:
    """Writes texts into an index the way an ingest does."""

    def __init__(self, folder: Path, embedder: Embedder, **settings: float) -> None:
        self.embedder = embedder
        self.index = Index(folder, IndexSettings(**settings), create=True)

    def entry(self, uri: str, text: str, **more: object) -> Entry:
        document = Document.make(uri=uri, title=uri, text=text, **{"language": "en", **more})
        chunks = chunk_document(
            document, ChunkSettings(size=32, minimum=0), self.embedder.count_tokens, PRINT
        )
        return Entry(uri, document, chunks)

    def vectors(self, entries: Sequence[Entry]) -> dict[str, np.ndarray]:
        return embed_missing(self.embedder, entries, None)[0]

    def put(self, uri: str, text: str, **more: object) -> Entry:
        entry = self.entry(uri, text, **more)
        with self.index.writing(PRINT):
            self.index.put([entry], self.vectors([entry]))
        return entry

    def found(self, question: str, wanted: Filter | None = None, n: int = 5) -> list[str]:
        vector = self.embedder.embed([question], query=True)[0]
        with self.index.reading() as view:
            keys = list(view.dense(vector, n, wanted or Filter()))
            lexical = list(view.lexical(question, n, wanted or Filter()))
            passages = view.passages(keys + lexical)
        assert set(lexical) <= set(passages)
        return [passages[key].chunk.text for key in dict.fromkeys(keys + lexical)]


@pytest.fixture
def writer(tmp_path: Path, embedder: Embedder) -> Writer:
    return Writer(tmp_path / ".rag", embedder)


def test_what_is_put_is_found(writer: Writer) -> None:
    writer.put("a", "Refunds take five business days.")
    writer.put("b", "The hub has a red light.")
    assert writer.found("how long do refunds take")[0] == "Refunds take five business days."
    assert writer.index.verify() == []


def test_a_new_version_replaces_the_old_one(writer: Writer) -> None:
    writer.put("a", "Refunds take five days.")
    writer.put("a", "Refunds take nine days.")
    assert writer.found("refunds") == ["Refunds take nine days."]
    assert writer.index.verify() == []


@pytest.mark.parametrize("moment", ["dense", "lexical", "catalog", "cleaning"])
def test_a_crash_at_any_instant_shows_one_version_and_is_swept(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    writer.put("a", "Refunds take five days.")
    entry = writer.entry("a", "Refunds take nine days.")
    vectors = writer.vectors([entry])
    place: tuple[object, str] = {
        "dense": (DenseStore, "put"),
        "lexical": (type(writer.index._stores()[1]), "put"),
        "catalog": (type(writer.index.catalog), "put"),
        "cleaning": (DenseStore, "delete"),
    }[moment]

    def crash(*_: object, **__: object) -> None:
        raise SystemExit("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(*place, crash)
        with pytest.raises(SystemExit), writer.index.writing(PRINT):
            writer.index.put([entry], vectors)
    version = "nine" if moment == "cleaning" else "five"
    assert writer.found("refunds") == [f"Refunds take {version} days."]
    reopened = Writer(writer.index.folder, writer.embedder)
    assert reopened.found("refunds") == [f"Refunds take {version} days."]
    with reopened.index.writing(PRINT):
        pass  # the next writer sweeps
    assert reopened.index.verify() == []
    assert reopened.found("refunds") == [f"Refunds take {version} days."]


def test_removed_documents_are_gone_from_every_store(writer: Writer) -> None:
    kept = writer.put("a", "Refunds take five days.")
    gone = writer.put("b", "Refunds take nine days.")
    with writer.index.writing(PRINT):
        writer.index.remove([gone.document.id])
    dense, lexical = writer.index._stores()
    assert dense.keys() == lexical.keys() == {key_of(kept.chunks[0].id)}


def test_filters(writer: Writer) -> None:
    for year in (2023, 2024, 2025):
        writer.put(
            f"docs/{year}/refunds.md",
            f"Refunds of {year}.",
            published=date(year, 1, 1),
            metadata={"audience": "internal" if year == 2024 else "public", "level": year - 2020},
        )
    writer.put("de.md", "Erstattungen dauern fünf Tage.", language="de")

    def only(**wanted: object) -> list[str]:
        return sorted(writer.found("refunds", Filter(**wanted)))

    assert only(after=date(2024, 1, 1)) == ["Refunds of 2024.", "Refunds of 2025."]
    assert only(before=date(2024, 1, 1)) == ["Refunds of 2023.", "Refunds of 2024."]
    assert only(where={"audience": "internal"}) == ["Refunds of 2024."]
    assert only(where={"level": "3"}) == ["Refunds of 2023."]
    assert only(where={"uri": "2025/refunds.md"}) == ["Refunds of 2025."]
    assert only(where={"language": "DE"}) == ["Erstattungen dauern fünf Tage."]
    assert only(where={"audience": "nobody"}) == []


def test_a_selective_filter_still_finds_enough(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [
        writer.entry(f"{n}", f"Refunds rule number {n}.", metadata={"last": n >= 57})
        for n in range(60)
    ]
    with writer.index.writing(PRINT):
        writer.index.put(entries, writer.vectors(entries))
    wanted = Filter(where={"last": "true"})
    pushed_down = sorted(writer.found("refunds", wanted, n=3))
    monkeypatch.setattr("rag.index.index._PUSHED_DOWN", 0)
    assert sorted(writer.found("refunds", wanted, n=3)) == pushed_down
    assert pushed_down == [f"Refunds rule number {n}." for n in (57, 58, 59)]


def test_german_stems(writer: Writer) -> None:
    writer.put("de", "Die Rückerstattungen dauern fünf Tage.", language="de")
    with writer.index.reading() as view:
        assert view.lexical("Rückerstattung", 5, Filter())
        assert view.lexical("ruckerstattung", 5, Filter())
        assert not view.lexical("Versand", 5, Filter())


def test_scripts_without_spaces(writer: Writer) -> None:
    writer.put("ja", "返金には五日かかります。", language="ja")
    with writer.index.reading() as view:
        assert view.lexical("返金", 5, Filter())


def test_another_fingerprint_is_refused_and_rebuild_mends_it(writer: Writer) -> None:
    entry = writer.put("a", "Refunds take five days.")
    with pytest.raises(FingerprintError, match="run `rag index rebuild`"):
        writer.index.require("other")
    with writer.index.rebuilding("other") as put:
        put([entry], writer.vectors([entry]))
    writer.index.require("other")
    assert writer.found("refunds") == ["Refunds take five days."]
    assert writer.index.verify() == []


def test_a_rebuild_that_fails_leaves_the_index_as_it_was(writer: Writer) -> None:
    entry = writer.put("a", "Refunds take five days.")
    with pytest.raises(KeyboardInterrupt), writer.index.rebuilding("other") as put:
        put([entry], writer.vectors([entry]))
        raise KeyboardInterrupt
    writer.index.require(PRINT)
    assert writer.found("refunds") == ["Refunds take five days."]
    with writer.index.rebuilding(PRINT) as put:
        put([entry], writer.vectors([entry]))
    assert writer.index.verify() == []


def test_two_writers_exclude_each_other(tmp_path: Path, embedder: Embedder) -> None:
    writer = Writer(tmp_path / ".rag", embedder, lock_timeout=0.05)
    other = Writer(tmp_path / ".rag", embedder, lock_timeout=0.05)
    with (
        writer.index.writing(PRINT),
        pytest.raises(IndexBusyError, match="another process is writing"),
        other.index.writing(PRINT),
    ):
        pass


def test_a_waiting_writer_is_not_starved_by_readers(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with (
        hold(gate, shared=False, timeout=1, busy="busy"),
        pytest.raises(IndexBusyError, match="busy"),
        hold(gate, shared=True, timeout=0.05, busy="busy"),
    ):
        pass


def test_no_index_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(IndexMissingError, match="make one with `rag ingest SOURCE`"):
        Index(tmp_path / ".rag", IndexSettings())


def test_an_empty_index_says_what_to_do(writer: Writer) -> None:
    with pytest.raises(IndexMissingError, match="holds no documents: run `rag ingest SOURCE`"):
        writer.index.require(PRINT)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Index(tmp_path / "file" / ".rag", IndexSettings(), create=True)


def damage_catalog(folder: Path) -> None:
    for extra in ("catalog.db-wal", "catalog.db-shm"):
        (folder / extra).unlink(missing_ok=True)
    (folder / "catalog.db").write_bytes(b"this is no database" * 100)


def damage_format(folder: Path) -> None:
    with sqlite3.connect(folder / "catalog.db") as db:
        db.execute("UPDATE state SET value = '99' WHERE key = 'format'")


def test_an_older_catalog_is_brought_up_to_date(writer: Writer) -> None:
    writer.put("a", "Refunds take five days.")
    writer.index.close()
    with sqlite3.connect(writer.index.folder / "catalog.db") as db:
        db.execute("ALTER TABLE documents DROP COLUMN scopes")
        db.execute("UPDATE state SET value = '1' WHERE key = 'format'")
    again = Index(writer.index.folder, IndexSettings())
    [(_, document)] = again.catalog.documents()
    assert document.text == "Refunds take five days."
    assert document.scopes == ()
    again.close()


def test_the_terms_that_a_passage_stands_under_come_with_it(writer: Writer) -> None:
    text = "- size: How much is kept.\n\n  The default is 5."
    scope = Scope(kind="term", title="size", start=0, end=len(text))
    writer.put("a", text, scopes=[scope])
    with writer.index.reading() as view:
        [passage] = view.passages(list(view.lexical("default", 5, Filter()))).values()
    assert passage.chunk.headings == ("size",)
    assert passage.scopes_at(text.index("The default")) == [scope]


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("max_size", True),
        ("MAX_SIZE", True),
        ("size_max", False),
        ("max_siz", False),
        ("--dry-run", True),
        ("--dry", False),
        ("run-dry", False),
        ("main.cf", True),
        ("max_packet", True),
        ("--keep-all", True),
        ("delete_all_rows", True),
        ("delete_all", False),
    ],
)
def test_a_name_is_looked_up_as_it_is_written(writer: Writer, name: str, there: bool) -> None:
    writer.put("a", "Set max_size in main.cf, then try it with --dry-run.")
    writer.put("b", "The maximal size is 5.")
    writer.put("c", "您可以使用max_packet参数。 Set \u2013keep-all, too.")
    bare = Heading(level=2, title="delete_all_rows", start=0)
    writer.put("d", "## delete_all_rows\n\n## other\n\nWords.", headings=[bare])
    with writer.index.reading() as view:
        assert view.mentions([name]) is there


@pytest.mark.parametrize("damage", [damage_catalog, damage_format])
def test_a_broken_catalog_is_one_sentence(writer: Writer, damage: Callable[[Path], None]) -> None:
    writer.put("a", "Refunds take five days.")
    writer.index.close()
    damage(writer.index.folder)
    with pytest.raises(IndexCorruptError, match="move the folder aside and ingest again"):
        Index(writer.index.folder, IndexSettings())


@pytest.mark.parametrize(
    "store", ["chroma/chroma.sqlite3", "lexical/meta.json", "chroma", "lexical", ""]
)
def test_broken_stores_are_mended_from_the_catalog(
    tmp_path: Path, embedder: Embedder, store: str
) -> None:
    writer = Writer(tmp_path / ".rag", embedder)
    entry = writer.put("a", "Refunds take five days.")
    writer.index.close()
    place = writer.index.folder / "stores" / "1" / store
    if "/" in store:
        place.write_bytes(b"rubbish")
    else:
        place.rename(tmp_path / "elsewhere")
    again = Writer(writer.index.folder, embedder)
    with pytest.raises(IndexCorruptError, match=r"`rag index rebuild` (?:makes|fills)"):
        again.found("refunds")
    with again.index.rebuilding(PRINT) as put:
        put([entry], again.vectors([entry]))
    assert again.found("refunds") == ["Refunds take five days."]
    assert again.index.verify() == []


def test_equal_words_are_embedded_once(writer: Writer) -> None:
    entry = writer.put("a", "Refunds take five days.")
    known = writer.index.catalog.known([*entry.contents, "something else"])
    assert set(known) == set(entry.contents)
    expected = writer.vectors([entry])[entry.contents[0]]
    assert float(known[entry.contents[0]] @ expected) > 0.999
