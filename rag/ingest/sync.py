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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rag.errors import RagError, SourceError
from rag.ingest.chunk import chunk_document
from rag.ingest.fetch import Discovery, Item, discover, escaped
from rag.ingest.loading import Part, foreign, read_ahead
from rag.protocols import Embedder
from rag.settings import Settings
from rag.types import Chunk, Document, Failure, Rename, SyncReport, digest_of

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

_Held = tuple[str, Document, list[Chunk]]


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

    added: dict[str, None] = field(default_factory=dict)  # in order, and quick to take from
    changed: dict[str, None] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    renamed: list[Rename] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    embedded: int = 0


@dataclass
class _Open:
    """An item whose parts are coming in: what is left of its earlier documents, by id."""

    uri: str
    earlier: dict[str, str]
    digest: str = ""
    seen: set[str] = field(default_factory=set)


class Ingest:
    """One run over some sources. ``make_entry`` and ``words_of`` come from the index stage.

    With ``prune``, also most of a source may vanish; without, that is kept and reported.
    """

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
        prune: bool = False,
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
        self._prune = prune
        self._place: tuple[str, float, int] = ("", 0, 0)
        self._open: _Open | None = None
        self._held: list[_Held] = []
        self._held_chunks = 0
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
        self._tell(escaped(source), 0, 0)
        try:
            listing = discover(source, self._settings.fetch, base=self._base)
            found = list(listing)
        except (OSError, ValueError, RuntimeError) as error:  # a name that is none
            self._tally.failed.append(
                Failure(uri=escaped(source), reason=escaped(str(foreign(source, error))))
            )
            return
        with listing:
            self._listed(source, listing, found)

    def _listed(self, source: str, listing: Discovery, found: Sequence[Item | Failure]) -> None:
        catalog = self._store.catalog
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
            missing = listing.kind == "missing" and before is not None
            catalog.put_source(location, before if missing else listing.kind, _now())
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
            told = Failure(uri=failure.uri, reason=failure.reason + kept)
            self._fail(told, location, remember=bool(items or known))
        for part in read_ahead(items, self._settings.fetch.workers, catalog.item_digest):
            self._part(location, part, len(items))
        self._flush()
        self._tell(escaped(source), len(items), len(items))
        if complete:
            # Whatever could not be listed or read keeps its place: only what is surely gone goes.
            present = {item.uri for item in items} | {failure.uri for failure in failures}
            self._complete.append((location, known, before, present))

    def _part(self, location: str, part: Part, total: int) -> None:
        """Take what was read of an item: all of it, some rows, or a sign of life."""
        catalog = self._store.catalog
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
                catalog.put_item(uri, "", _now())
            for failure in part.found.failures:
                self._fail(failure, location, item=uri)
            self._tally.notes.extend(_placed(uri, escaped(note)) for note in part.found.notes)
            for document in part.found.documents:
                try:
                    self._document(self._open, document)
                except RagError as error:
                    if not isinstance(error, SourceError):
                        raise
                    self._fail(Failure(uri=document.uri, reason=str(error)), location, item=uri)
                except Exception as error:
                    reason = str(foreign(document.uri, error))
                    self._fail(Failure(uri=document.uri, reason=reason), location, item=uri)
        if part.error is not None:
            kept = " Its earlier version is kept." if catalog.uris_of(uri) else ""
            self._fail(Failure(uri=uri, reason=f"{part.error}{kept}"), location, item=uri)
        if part.last and self._open is not None:
            self._open.digest = part.digest
            self._finished.append(self._open)
            self._open = None

    def _document(self, item: _Open, document: Document) -> None:
        catalog = self._store.catalog
        item.earlier.pop(document.id, None)
        owner = self._owners.get(document.id)
        if owner is None:
            owner = next(iter(catalog.items_of_document(document.id)), item.uri)
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
        self._held.append((item.uri, document, chunks))
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
                self._store.remove(list(item.earlier))
                self._tally.removed.extend(item.earlier.values())
            self._store.catalog.put_item(item.uri, item.digest, _now())

    def _write(self, held: Sequence[_Held]) -> None:
        """Write documents; one that cannot be becomes a failure, and the others are written."""
        faults = self._try_to_write(held)
        if len(faults) == len(held):
            self._blame_documents(faults[0][1])
        for (item, document, _), fault in faults:
            self._tally.added.pop(document.uri, None)
            self._tally.changed.pop(document.uri, None)
            self._written.pop(document.digest, None)
            location = next(iter(self._store.catalog.sources_of(item)), "")
            reason = str(foreign(document.uri, fault))
            self._fail(Failure(uri=document.uri, reason=reason), location, item=item)

    def _blame_documents(self, fault: Exception) -> None:
        """Raise a fault again that is not for the documents: the store's, or the embedder's."""
        if not _is_of_a_document(fault):
            raise fault
        try:
            self._embedder.embed(["a"])
        except Exception:
            raise fault from None

    def _try_to_write(self, held: Sequence[_Held]) -> list[tuple[_Held, Exception]]:
        """Return the documents that cannot be written, found by halving, with what they raise."""
        try:
            self._embed_and_put(held)
        except Exception as error:
            if len(held) == 1:
                return [(held[0], error)]
            half = len(held) // 2
            return self._try_to_write(held[:half]) + self._try_to_write(held[half:])
        return []

    def _embed_and_put(self, held: Sequence[_Held]) -> None:
        entries, words = [], dict[str, str]()
        for item, document, chunks in held:
            contents = []
            for chunk in chunks:
                text = self._words_of(document.own_title, chunk.headings, chunk.text)
                contents.append(digest_of(text))
                words[contents[-1]] = text
            entries.append(self._make_entry(item, document, chunks, contents))
        what, done, total = self._place

        def tick(embedded: int, of: int) -> None:
            if of > self._settings.index.write_batch:  # one long document
                self._on_progress(f"{what}, {embedded} of {of} parts", done + embedded / of, total)

        vectors = embed_missing(
            self._embedder, words, self._store.known(words), self._settings.index.write_batch, tick
        )
        self._tally.embedded += vectors.embedded
        self._store.put(entries, vectors.by_content)

    def _vanished(
        self, location: str, known: set[str], kind: str | None, present: set[str]
    ) -> None:
        """Remove what a source held and holds no more, unless that is suspiciously much."""
        catalog = self._store.catalog
        gone = set(catalog.orphans(location, keep=present))
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
            self._fail(Failure(uri=location, reason=reason), location)
            for item in kept:
                del documents[item]
                catalog.put_item(item, _GONE, _now())
        elif not present and known and not documents:
            reason = "nothing of it is there any more; other sources hold what was indexed from it"
            self._fail(Failure(uri=location, reason=reason), location)
        # Documents first and the claim to them last, so that a crash in between is made good.
        for item in documents:
            catalog.put_item(item, "", _now())
        self._store.remove([document.id for found in documents.values() for document in found])
        catalog.delete_items(documents)
        catalog.unclaim(location, (known - present) - (gone - documents.keys()))
        for item in shared.keys() & documents.keys():
            if item in shared[item]:  # a source that was this file alone
                catalog.delete_source(item)
        for document in (document for found in documents.values() for document in found):
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

    def _fail(
        self, failure: Failure, location: str, *, item: str | None = None, remember: bool = True
    ) -> None:
        """Report a failure; ``item`` is what is to be read again for it."""
        failure = Failure(uri=escaped(failure.uri), reason=escaped(failure.reason))
        self._tally.failed.append(failure)
        if item is not None:
            self._failing.add(item)
        if remember:
            self._store.catalog.put_failure(failure, location, _now())


def _placed(uri: str, note: str) -> str:
    """Return a note on a file with the folder that the file is in."""
    folder, slash, name = uri.rpartition("/")
    return f"{folder}{slash}{note}" if note.startswith(name) else f"{uri}: {note}"


def _is_of_a_document(error: Exception) -> bool:
    """Tell whether a document and not the store is to blame, as far as the error tells."""
    cause = error.__cause__ if isinstance(error, RagError) else error
    if isinstance(error, RagError) and not isinstance(error, SourceError):
        return isinstance(cause, UnicodeError | TypeError | OverflowError)
    return True


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
    embedder: Embedder,
    words: Mapping[str, str],
    known: Mapping[str, NDArray[np.float32]],
    batch: int = 512,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Embedded:
    """Embed what is not known, ``batch`` texts at a time; ``words`` is content digest -> text.

    ``on_batch`` is called with (texts done, texts in all).
    """
    missing = [content for content in words if content not in known]
    by_content = dict(known)
    waiting = iter(missing)
    while part := list(islice(waiting, batch)):
        vectors = embedder.embed([words[content] for content in part])
        by_content.update(zip(part, vectors, strict=True))
        on_batch(len(by_content) - len(known), len(missing))
    return Embedded(by_content, len(missing))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
