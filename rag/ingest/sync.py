"""Sources to an index that tells precisely what changed and loses nothing.

An item (a file, a page) is read, and skipped when its bytes are those of last time; its documents
are compared by what they say; only words that were never embedded are embedded. A failure is a
value in the report and leaves the earlier version in place, whatever a document raises. Documents
are written in batches, each complete when it is written: an interrupted ingest goes on where it
stopped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import RagError, SourceError
from rag.index.catalog import Catalog, Entry
from rag.index.index import Index
from rag.ingest.chunk import chunk_document
from rag.ingest.fetch import Discovery, Item, discover, escaped
from rag.ingest.loading import Part, as_source_error, read_ahead
from rag.protocols import Embedder
from rag.settings import Settings
from rag.types import Document, Failure, Rename, SyncReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Progress = Callable[[str, float, int], None]
"""Called with (what is being read, items done, items known); part of a long item is a fraction."""

_KEPT = (
    "{gone} of the {known} files indexed from it are not there any more (a disk that is not "
    "mounted?): their documents are kept; `rag ingest --prune {location}` if they are to go"
)
_MOST = 0.5  # of a source: more than that does not vanish without a question
_FEW = 3  # files that have to vanish before it is asked about
_GONE = "gone"  # in place of the digest of an item that is not there any more and was kept


@dataclass
class _Tally:
    """What has happened so far, by uri."""

    added: dict[str, None] = field(default_factory=dict)  # in order, and quick to take from
    changed: dict[str, None] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    renamed: list[Rename] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Open:
    """An item whose parts are coming in: what is left of its earlier documents, by id."""

    uri: str
    earlier: dict[str, str]
    digest: str = ""
    seen: set[str] = field(default_factory=set)


class Ingest:
    """One run over some sources into an index that it alone writes to.

    With ``prune``, also most of a source may vanish; without, that is kept and reported.
    """

    def __init__(
        self,
        index: Index,
        embedder: Embedder,
        settings: Settings,
        *,
        base: Path,
        on_progress: Progress | None = None,
        prune: bool = False,
    ) -> None:
        self._index = index
        self._catalog = index.catalog
        self._embedder = embedder
        self._settings = settings
        self._fingerprint = settings.fingerprint(embedder.identity)
        self._base = base
        self._on_progress = on_progress or (lambda what, done, known: None)
        self._tally = _Tally()
        self._prune = prune
        self._place: tuple[str, float, int] = ("", 0, 0)
        self._open: _Open | None = None
        self._held: list[Entry] = []
        self._held_chunks = self._embedded = 0
        self._finished: list[_Open] = []  # items whose documents are all held or written
        self._failing: set[str] = set()  # items of which something failed: not read to the end
        self._written: dict[str, list[str]] = {}  # what was added, by digest, for renames
        self._owners: dict[str, str] = {}  # which item a document of this run came out of
        # Sources that were listed to the end: what they held and were before, what they hold now.
        self._complete: list[tuple[str, set[str], str | None, set[str]]] = []
        self._seen: set[str] = set()

    def run(self, sources: Sequence[str]) -> SyncReport:
        """Ingest the sources and return what changed."""
        began = time.monotonic()
        for source in sources:
            self._source(source)
        self._flush()
        for complete in self._complete:
            self._vanished(*complete)
        return SyncReport(
            **{name: tuple(found) for name, found in vars(self._tally).items()},
            chunks_embedded=self._embedded,
            seconds=round(time.monotonic() - began, 3),
        )

    def _source(self, source: str) -> None:
        self._tell(escaped(source), 0, 0)
        try:
            listing = discover(source, self._settings.fetch, base=self._base)
            found = list(listing)
        except (OSError, ValueError, RuntimeError) as error:  # a name that is none
            self._fail(source, str(as_source_error(source, error)))
            return
        with listing:
            self._listed(source, listing, found)

    def _listed(self, source: str, listing: Discovery, found: Sequence[Item | Failure]) -> None:
        catalog = self._catalog
        location = listing.location
        if location in self._seen:
            return  # the same source by another spelling
        self._seen.add(location)
        by_uri: dict[str, Item] = {}
        failures = [failure for failure in found if isinstance(failure, Failure)]
        for item in found:
            if isinstance(item, Item) and by_uri.setdefault(item.uri, item) is not item:
                reason = (
                    "another file has the same name as this one, but for its encoding; rename one"
                )
                failures.append(Failure(uri=item.uri, reason=reason))
        items = list(by_uri.values())
        known = catalog.items_of(location)
        before = next((s["kind"] for s in catalog.sources() if s["location"] == location), None)
        self._tally.notes.extend(map(escaped, listing.notes))
        catalog.clear_source_failures(location)
        if items or known:  # of one that is missing, what it was is still to be known
            kind = before if listing.kind == "missing" and before else listing.kind
            catalog.put_source(location, kind)
        complete = listing.complete or (self._prune and listing.kind == "missing")
        if not items and known and complete:
            failures = []  # told below, with what has vanished
        for failure in failures:
            kept = ""
            if listing.kind == "missing" and known:
                kept = (
                    f" The {len(known)} files indexed from it are kept; "
                    f"`rag ingest --prune {location}` if they are to go."
                )
            # What never was a source is told of, but there is nothing to try again.
            remembered = location if items or known else None
            self._fail(failure.uri, failure.reason + kept, remembered)
        for part in read_ahead(items, catalog.item_digest):
            self._part(location, part, len(items))
        self._flush()
        self._tell(escaped(source), len(items), len(items))
        if complete:
            # Whatever could not be listed or read keeps its place: only what is surely gone goes.
            present = {item.uri for item in items} | {failure.uri for failure in failures}
            self._complete.append((location, known, before, present))

    def _part(self, location: str, part: Part, total: int) -> None:
        """Take what was read of an item: all of it, some rows, or a sign of life."""
        catalog = self._catalog
        uri = part.item.uri
        if part.page is not None:
            done, pages = part.page
            self._tell(f"{uri}, page {done} of {pages}", part.number + done / (pages + 1), total)
            return
        self._tell(uri, part.number, total)
        if part.error is None and part.found is None:
            catalog.claim(location, uri)
            self._tally.unchanged.extend(catalog.uris_of(uri).values())
            return
        if part.found is not None:
            if self._open is None:
                self._open = _Open(uri, catalog.uris_of(uri))
                catalog.claim(location, uri)
                catalog.clear_failures(uri)
                # Until all is written, the item counts as unread: a crash is then made good.
                catalog.put_item(uri, "")
            for failure in part.found.failures:
                self._fail(failure.uri, failure.reason, location, uri)
            self._tally.notes.extend(_placed(uri, escaped(note)) for note in part.found.notes)
            for document in part.found.documents:
                try:
                    self._document(self._open, document)
                except Exception as error:
                    if _is_of_the_store(error):
                        raise
                    reason = str(as_source_error(document.uri, error))
                    self._fail(document.uri, reason, location, uri)
        if part.error is not None:
            kept = " Its earlier version is kept." if catalog.uris_of(uri) else ""
            self._fail(uri, f"{part.error}{kept}", location, uri)
        if part.last and self._open is not None:
            self._open.digest = part.digest
            self._finished.append(self._open)
            self._open = None

    def _document(self, item: _Open, document: Document) -> None:
        catalog = self._catalog
        item.earlier.pop(document.id, None)
        owner = self._owners.get(document.id) or catalog.item_of(document.id) or item.uri
        if owner != item.uri:
            raise SourceError(f"{document.uri} is what {owner} has, too; rename one of them.")
        if document.id in item.seen:
            raise SourceError(f"{document.uri} stands twice in {owner}; give one another id.")
        item.seen.add(document.id)
        self._owners[document.id] = item.uri
        before = catalog.document(document.id)
        if before == document:
            self._tally.unchanged.append(document.uri)
            return
        if before is not None and _indexed_alike(before, document):
            catalog.update_document(item.uri, document)
            self._tally.changed[document.uri] = None
            return
        chunks = chunk_document(
            document, self._settings.chunk, self._embedder.count_tokens, self._fingerprint
        )
        if not chunks:
            self._tally.notes.append(
                f"{document.uri} has headings and no text below them: nothing of it can be found"
            )
        if before is None:
            self._tally.added[document.uri] = None
            self._written.setdefault(document.digest, []).append(document.uri)
        else:
            self._tally.changed[document.uri] = None
        self._held.append(Entry(item.uri, document, chunks))
        self._held_chunks += len(chunks)
        if self._held_chunks >= self._settings.index.write_batch:
            self._flush()

    def _flush(self) -> None:
        """Embed and write what is held; an item counts as read once all its documents are in.

        Only then what it held before and holds no more goes, and only if all of it could be read.
        """
        held, self._held, self._held_chunks = self._held, [], 0
        finished, self._finished = self._finished, []
        if held:
            self._write(held)
        for item in finished:
            if item.uri in self._failing:  # a row that failed keeps its earlier version
                continue
            if item.earlier:
                self._index.remove(list(item.earlier))
                self._tally.removed.extend(item.earlier.values())
            self._catalog.put_item(item.uri, item.digest)

    def _write(self, held: Sequence[Entry]) -> None:
        """Write documents; one that cannot be becomes a failure, and the others are written."""
        faults = self._try_to_write(held)
        if len(faults) == len(held):
            self._blame_documents(faults[0][1])
        for entry, fault in faults:
            uri = entry.document.uri
            self._tally.added.pop(uri, None)
            self._tally.changed.pop(uri, None)
            self._written.pop(entry.document.digest, None)
            location = next(iter(self._catalog.sources_of(entry.item)), "")
            self._fail(uri, str(as_source_error(uri, fault)), location, entry.item)

    def _blame_documents(self, fault: Exception) -> None:
        """Raise a fault again that is not for the documents: the store's, or the embedder's."""
        of_text = isinstance(fault.__cause__, UnicodeError | TypeError | OverflowError)
        if _is_of_the_store(fault) and not of_text:
            raise fault
        try:
            self._embedder.embed(["a"])
        except Exception:
            raise fault from None

    def _try_to_write(self, held: Sequence[Entry]) -> list[tuple[Entry, Exception]]:
        """The documents that cannot be written, found by halving, with what they raise."""
        try:
            self._embed_and_put(held)
        except Exception as error:
            if len(held) == 1:
                return [(held[0], error)]
            half = len(held) // 2
            return self._try_to_write(held[:half]) + self._try_to_write(held[half:])
        return []

    def _embed_and_put(self, held: Sequence[Entry]) -> None:
        what, done, total = self._place
        batch = self._settings.index.write_batch

        def tick(embedded: int, of: int) -> None:
            if of > batch:  # one long document
                self._on_progress(f"{what}, {embedded} of {of} parts", done + embedded / of, total)

        vectors, embedded = embed_missing(self._embedder, held, self._catalog, batch, tick)
        self._embedded += embedded
        self._index.put(held, vectors)

    def _vanished(
        self, location: str, known: set[str], kind: str | None, present: set[str]
    ) -> None:
        """Remove what a source held and holds no more, unless that is suspiciously much."""
        catalog = self._catalog
        gone = set(catalog.orphans(location)) - present
        # A file that two sources name is gone from both if it is gone from the disk.
        shared = {
            item: catalog.sources_of(item)
            for item in known - present - gone
            if self._is_off_disk(item)
        }
        gone.update(shared)
        documents = {item: catalog.documents_of(item) for item in sorted(gone)}
        # One document that was added is the new place of one that is gone.
        moved = {
            document.id: new.pop(0)
            for found in documents.values()
            for document in found
            if (new := self._written.get(document.digest))
        }
        lost = [
            item for item, found in documents.items() if not moved.keys() >= {d.id for d in found}
        ]
        # What was kept once is kept until it is pruned or comes back.
        kept = [item for item in lost if catalog.item_digest(item) == _GONE]
        replaced = kind in ("folder", "sitemap") and location in present
        most = len(lost) - len(kept) > max(_FEW - 1, _MOST * (len(known) - len(kept)))
        if most or not present or replaced:
            kept = lost
        if kept and not self._prune:
            reason = _KEPT.format(gone=len(kept), known=len(known), location=location)
            self._fail(location, reason, location)
            for item in kept:
                del documents[item]
                catalog.put_item(item, _GONE)
        elif not present and known and not documents:
            reason = "nothing of it is there any more; other sources hold what was indexed from it"
            self._fail(location, reason, location)
        # Documents first and the claim to them last, so that a crash in between is made good.
        for item in documents:
            catalog.put_item(item, "")
        going = [document for found in documents.values() for document in found]
        self._index.remove([document.id for document in going])
        catalog.delete_items(documents)
        catalog.unclaim(location, (known - present) - (gone - documents.keys()))
        for item in shared.keys() & documents.keys():
            if item in shared[item]:  # a source that was this file alone
                catalog.delete_source(item)
        for document in going:
            if (new_uri := moved.get(document.id)) is not None:
                self._tally.added.pop(new_uri, None)
                self._tally.renamed.append(Rename(old=document.uri, new=new_uri))
            else:
                self._tally.removed.append(document.uri)

    def _is_off_disk(self, item: str) -> bool:
        if "://" in item or "\\" in item:
            return False
        path = self._base / item
        return not os.path.lexists(path) and path.parent.is_dir()

    def _tell(self, what: str, done: float, total: int) -> None:
        self._place = (what, done, total)
        self._on_progress(what, done, total)

    def _fail(self, uri: str, reason: str, location: str | None = None, item: str = "") -> None:
        """Report a failure, remembered for a ``location``; ``item`` is to be read again for it."""
        failure = Failure(uri=escaped(uri), reason=escaped(reason))
        self._tally.failed.append(failure)
        if item:
            self._failing.add(item)
        if location is not None:
            self._catalog.put_failure(failure, location)


def _placed(uri: str, note: str) -> str:
    """A note on a file with the folder that the file is in."""
    folder, slash, name = uri.rpartition("/")
    return f"{folder}{slash}{note}" if note.startswith(name) else f"{uri}: {note}"


def _is_of_the_store(error: Exception) -> bool:
    return isinstance(error, RagError) and not isinstance(error, SourceError)


def _indexed_alike(before: Document, after: Document) -> bool:
    """Tell whether only what no store holds has changed: a date, an author, a tag."""

    def indexed(document: Document) -> tuple[object, ...]:
        places = document.headings, document.scopes, document.pages
        return document.digest, places, document.language

    return indexed(before) == indexed(after)


def embed_missing(
    embedder: Embedder,
    entries: Sequence[Entry],
    catalog: Catalog | None,
    batch: int = 512,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[str, NDArray[np.float32]], int]:
    """Content digest -> vector for all chunks, and how many were embedded.

    Words that the catalog has vectors of are not embedded again; with None, all are. ``on_batch``
    is called with (texts done, texts in all) after each ``batch`` of them.
    """
    words = {
        content: text
        for entry in entries
        for content, text in zip(entry.contents, entry.words, strict=True)
    }
    vectors = catalog.known(words) if catalog else {}
    missing = [content for content in words if content not in vectors]
    for start in range(0, len(missing), batch):
        part = missing[start : start + batch]
        found = embedder.embed([words[content] for content in part])
        vectors.update(zip(part, found, strict=True))
        on_batch(start + len(part), len(missing))
    return vectors, len(missing)
