"""Sources to an index that tells precisely what changed and loses nothing.

An item (a file, a page) is read, and skipped when its bytes are those of last time; its documents
are compared by what they say; only words that were never embedded are embedded. A failure is a
value in the report and leaves the earlier version in place. Documents are written in batches, each
complete when it is written: an interrupted ingest goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rag.errors import SourceError
from rag.ingest.chunk import chunk_document
from rag.ingest.extract import Extracted, extract
from rag.ingest.fetch import Discovery, Item, discover
from rag.ingest.fetched import Fetched
from rag.protocols import Embedder
from rag.settings import Settings
from rag.types import Chunk, Document, Failure, Rename, SyncReport, digest_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Progress = Callable[[str, int, int], None]
"""Called with (what is being read, items done, items known)."""

EXTRACTOR_VERSION = 1
"""Raised when the same bytes would give another text, so that unchanged items are read again."""

_EMPTIED = (
    "nothing is there any more, but {} files are indexed from it; their documents are kept: "
    "`rag remove {}` if they are to go"
)
_AHEAD = 2  # items loaded ahead of the one in work, per download thread


class Store(Protocol):
    """What an ingest needs of an index that it alone writes to."""

    catalog: Any

    def put(self, entries: Sequence[Any], vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Write documents in place of earlier versions."""

    def remove(self, document_ids: Sequence[str]) -> None:
        """Remove documents."""

    def known(self, contents: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of what is embedded already."""


@dataclass
class _Tally:
    """What has happened so far, by uri."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    renamed: list[Rename] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    embedded: int = 0


class Ingest:
    """One run over some sources. ``make_entry`` and ``words_of`` come from the index stage."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        settings: Settings,
        *,
        base: Path,
        make_entry: Callable[[str, Document, Sequence[Chunk], Sequence[str]], Any],
        words_of: Callable[[str, Sequence[str], str], str],
        on_progress: Progress | None = None,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._settings = settings
        self._fingerprint = settings.fingerprint(embedder.identity)
        self._base = base
        self._make_entry = make_entry
        self._words_of = words_of
        self._on_progress = on_progress or (lambda what, done, known: None)
        self._tally = _Tally()
        self._held: list[tuple[str, Document, list[Chunk]]] = []
        self._held_chunks = 0
        self._finished: list[tuple[str, str]] = []  # items whose documents are all held or written
        self._written: dict[str, str] = {}  # digests of added documents, for renames
        self._complete: list[tuple[str, set[str]]] = []  # sources listed to the end: what they hold
        self._seen: set[str] = set()

    def run(self, sources: Sequence[str]) -> SyncReport:
        """Ingest the sources and return what changed."""
        began = time.monotonic()
        for source in sources:
            self._source(source)
        self._flush()
        for location, present in self._complete:
            self._vanished(location, present)
        tally = self._tally
        return SyncReport(
            added=tuple(tally.added),
            changed=tuple(tally.changed),
            unchanged=tuple(tally.unchanged),
            removed=tuple(tally.removed),
            renamed=tuple(tally.renamed),
            failed=tuple(tally.failed),
            notes=tuple(tally.notes),
            chunks_embedded=tally.embedded,
            seconds=round(time.monotonic() - began, 3),
        )

    def _source(self, source: str) -> None:
        self._on_progress(source, 0, 0)
        with discover(source, self._settings.fetch, base=self._base) as listing:
            self._listed(source, listing, list(listing))

    def _listed(self, source: str, listing: Discovery, found: Sequence[Item | Failure]) -> None:
        catalog = self._store.catalog
        location = listing.location
        if location in self._seen:
            return  # the same source by another spelling
        self._seen.add(location)
        items = [item for item in found if isinstance(item, Item)]
        failures = [failure for failure in found if isinstance(failure, Failure)]
        known = catalog.items_of(location)
        self._tally.notes.extend(listing.notes)
        catalog.clear_source_failures(location)
        if items or known:
            catalog.put_source(location, listing.kind, _now())
        if not items and known and listing.complete:
            failures = [Failure(uri=location, reason=_EMPTIED.format(len(known), location))]
        for failure in failures:
            # What never was a source is told of, but there is nothing to try again.
            self._fail(failure, location, remember=listing.kind != "missing" or bool(known))
        if not items:
            return
        for done, (item, loaded) in enumerate(self._load(items)):
            self._on_progress(item.uri, done, len(items))
            self._item(location, item, loaded)
        self._flush()
        self._on_progress(source, len(items), len(items))
        if listing.complete:
            # Whatever could not be listed or read keeps its place: only what is surely gone goes.
            present = {item.uri for item in items} | {failure.uri for failure in failures}
            self._complete.append((location, present))

    def _load(self, items: Sequence[Item]) -> Iterator[tuple[Item, Fetched | SourceError]]:
        """Load items in order, a few ahead of the one in work, so that waiting overlaps."""

        def load(item: Item) -> Fetched | SourceError:
            try:
                return item.load()
            except SourceError as error:
                return error

        workers = self._settings.fetch.workers
        pool = ThreadPoolExecutor(workers, thread_name_prefix="rag-fetch")
        try:
            ahead: list[tuple[Item, Future[Fetched | SourceError]]] = []
            for item in items:
                ahead.append((item, pool.submit(load, item)))
                if len(ahead) > _AHEAD * workers:
                    first, future = ahead.pop(0)
                    yield first, future.result()
            for first, future in ahead:
                yield first, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _item(self, location: str, item: Item, loaded: Fetched | SourceError) -> None:
        catalog = self._store.catalog
        if isinstance(loaded, SourceError):
            self._fail(Failure(uri=item.uri, reason=str(loaded)), location)
            return
        digest = f"{EXTRACTOR_VERSION}:{sha256(loaded.data).hexdigest()}"
        if catalog.item_digest(item.uri) == digest:
            catalog.claim(location, item.uri)
            self._tally.unchanged.extend(d.uri for d in catalog.documents_of(item.uri))
            return
        try:
            extracted = extract(loaded)
        except SourceError as error:
            self._fail(Failure(uri=item.uri, reason=str(error)), location)
            return
        catalog.claim(location, item.uri)
        catalog.clear_failures(item.uri)
        for failure in extracted.failures:
            self._fail(failure, location)
        try:
            self._documents(item.uri, digest, extracted)
        except SourceError as error:
            self._fail(Failure(uri=item.uri, reason=str(error)), location)

    def _documents(self, item: str, digest: str, extracted: Extracted) -> None:
        catalog = self._store.catalog
        earlier = {document.id: document for document in catalog.documents_of(item)}
        # Until all is written, the item counts as unread: a crash in between is then made good.
        catalog.put_item(item, "", _now())
        for document in extracted.documents:
            before = earlier.pop(document.id, None)
            if before == document:
                self._tally.unchanged.append(document.uri)
                continue
            if before is not None and _indexed_alike(before, document):
                catalog.update_document(item, document)
                self._tally.changed.append(document.uri)
                continue
            self._hold(item, document)
            if before is None:
                self._tally.added.append(document.uri)
                self._written[document.digest] = document.uri
            else:
                self._tally.changed.append(document.uri)
        if earlier and not extracted.failures:  # a row that failed keeps its earlier version
            self._store.remove(list(earlier))
            self._tally.removed.extend(document.uri for document in earlier.values())
        # With rows that failed, the item is not done: no digest, so that it is read again.
        self._finished.append((item, "" if extracted.failures else digest))

    def _hold(self, item: str, document: Document) -> None:
        chunks = chunk_document(
            document, self._settings.chunk, self._embedder.count_tokens, self._fingerprint
        )
        if not chunks:
            self._tally.notes.append(
                f"{document.uri} has headings and no text below them: nothing of it can be found"
            )
        self._held.append((item, document, chunks))
        self._held_chunks += len(chunks)
        if self._held_chunks >= self._settings.index.write_batch:
            self._flush()

    def _flush(self) -> None:
        """Embed and write what is held; an item counts as read once all its documents are in."""
        held, self._held, self._held_chunks = self._held, [], 0
        finished, self._finished = self._finished, []
        entries, words = [], dict[str, str]()
        for item, document, chunks in held:
            contents = []
            for chunk in chunks:
                text = self._words_of(document.title, chunk.headings, chunk.text)
                contents.append(digest_of(text))
                words[contents[-1]] = text
            entries.append(self._make_entry(item, document, chunks, contents))
        if entries:
            vectors = embed_missing(self._embedder, words, self._store.known(words))
            self._tally.embedded += vectors.embedded
            self._store.put(entries, vectors.by_content)
        for item, digest in finished:
            self._store.catalog.put_item(item, digest, _now())

    def _vanished(self, location: str, present: set[str]) -> None:
        catalog = self._store.catalog
        gone = catalog.orphans(location, keep=present)
        documents = [document for item in gone for document in catalog.documents_of(item)]
        # Documents first and the claim to them last, so that a crash in between is made good.
        for item in gone:
            catalog.put_item(item, "", _now())
        self._store.remove([document.id for document in documents])
        catalog.delete_items(gone)
        catalog.unclaim(location, catalog.items_of(location) - present)
        for document in documents:
            new = self._written.get(document.digest)
            if new is not None and new in self._tally.added:
                self._tally.added.remove(new)
                self._tally.renamed.append(Rename(old=document.uri, new=new))
            else:
                self._tally.removed.append(document.uri)

    def _fail(self, failure: Failure, location: str, *, remember: bool = True) -> None:
        self._tally.failed.append(failure)
        if remember:
            self._store.catalog.put_failure(failure, location, _now())


def _indexed_alike(before: Document, after: Document) -> bool:
    """Tell whether only what no store holds has changed: a date, an author, a tag."""

    def indexed(document: Document) -> tuple[object, ...]:
        return document.digest, document.headings, document.pages, document.language

    return indexed(before) == indexed(after)


@dataclass(frozen=True)
class Embedded:
    """Vectors by content digest, and how many of them had to be made."""

    by_content: dict[str, NDArray[np.float32]]
    embedded: int


def embed_missing(
    embedder: Embedder, words: Mapping[str, str], known: Mapping[str, NDArray[np.float32]]
) -> Embedded:
    """Embed what is not known; ``words`` is content digest -> text."""
    missing = [content for content in words if content not in known]
    vectors = embedder.embed([words[content] for content in missing]) if missing else ()
    return Embedded({**known, **dict(zip(missing, vectors, strict=True))}, len(missing))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
