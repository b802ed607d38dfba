"""Catalog, dense and lexical store as one index that many processes read while one writes.

Write order: note the new keys as pending, put the chunks into the stores, commit the catalog,
delete the stale chunks. A reader joins every hit with the catalog, so that a crash at any instant
shows either the old version of a document or the new one; the next writer sweeps what is left.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import portalocker

from rag.errors import (
    FingerprintError,
    IndexBusyError,
    IndexCorruptError,
    IndexMissingError,
    StoreError,
)
from rag.index.catalog import Catalog, Entry, key_of, words_of
from rag.index.dense import DenseStore
from rag.index.lexical import LexicalStore
from rag.settings import IndexSettings
from rag.types import Chunk, Document, Filter, Passage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag.index.catalog import Vectors

# A filter that leaves at most this many documents is pushed down into the stores; beyond that it is
# cheaper to fetch more candidates and drop those that do not fit.
_PUSHED_DOWN = 1000

_DELETED = "lexical_deleted"  # the state that counts the rows deleted from the word index
_MOST_DELETED = 0.02  # of the chunks

_IN_USE = "another process has kept {folder} in use for a minute: end it, then try again"
_BUSY = "another process is writing to {folder}: wait for it to finish, then try again"
_MOST_READ = 200  # chunks in which a name is looked for
_DASH = "[-\u2010-\u2015\u2212]"
_PAUSE = 0.01  # seconds between tries of a lock


@contextmanager
def hold(path: Path, *, shared: bool, timeout: float, busy: str) -> Iterator[None]:
    """Hold a lock on the file, waiting up to ``timeout`` seconds; raise IndexBusyError(busy) then.

    Every call opens the file anew, so that two threads of one process exclude each other as two
    processes do.
    """
    flags = portalocker.LockFlags.SHARED if shared else portalocker.LockFlags.EXCLUSIVE
    deadline = time.monotonic() + timeout
    try:
        handle = path.open("rb" if shared and path.exists() else "ab")
    except OSError as error:
        raise StoreError(f"the lock file {path} cannot be opened: {error.strerror}") from error
    with handle:
        while True:
            try:
                portalocker.lock(handle, flags | portalocker.LockFlags.NON_BLOCKING)
                break
            except portalocker.LockException:
                if time.monotonic() >= deadline:
                    raise IndexBusyError(busy) from None
                time.sleep(_PAUSE)
        try:
            yield
        finally:
            portalocker.unlock(handle)


def _lexical_row(document: Document, chunk: Chunk) -> tuple[int, str, str | None, str]:
    # The name of a file is one of its words here, unlike in what is embedded.
    words = words_of(document.title, chunk.headings, chunk.text)
    return key_of(chunk.id), document.id, document.language, words


class View:
    """The index as one reader sees it while it holds the shared lock."""

    def __init__(self, catalog: Catalog, dense: DenseStore, lexical: LexicalStore) -> None:
        self._catalog = catalog
        self._dense = dense
        self._lexical = lexical
        self._languages = catalog.languages()

    def dense(self, vector: NDArray[np.float32], n: int, wanted: Filter) -> dict[int, float]:
        """Return at most ``n`` key -> cosine of live chunks that pass the filter, best first."""
        total = self._dense.count()
        return self._live(wanted, n, total, lambda m, ids: self._dense.query(vector, m, ids))

    def lexical(self, question: str, n: int, wanted: Filter) -> dict[int, float]:
        """Return at most ``n`` key -> BM25 of live chunks that pass the filter, best first."""
        store, languages = self._lexical, self._languages
        total = store.count()
        return self._live(wanted, n, total, lambda m, ids: store.query(question, m, languages, ids))

    def mentions(self, forms: Sequence[str]) -> bool:
        """Tell whether one of the forms of a name stands in a live chunk, or a heading, as it is.

        Case and the kind of dash do not matter. Where very many chunks have the words of a name, it
        counts as there.
        """
        for form in forms:
            end = "-?" if form.startswith("-") else ""  # --dry is not --dry-run
            name = re.escape(form).replace(r"\-\-", f"{_DASH}{{1,2}}").replace(r"\-", _DASH)
            whole = re.compile(rf"(?<!\w){name}(?!(?<=\w){end}\w)", re.IGNORECASE | re.ASCII)
            if any(map(whole.search, self._catalog.headings_with(form))):  # one may have no body
                return True
            keys = self._lexical.holding(form, _MOST_READ, self._languages)
            too_many = len(keys) == _MOST_READ and form == forms[0]
            if too_many or any(
                whole.search(words_of(p.title, p.chunk.headings, p.chunk.text))
                for p in self._catalog.passages(keys).values()
            ):
                return True
        return False

    def lexical_bound(self, question: str) -> float:
        """Return what no BM25 score for the question can exceed."""
        return self._lexical.bound(question, self._languages)

    def idf(self, question: str, language: str | None) -> dict[str, float]:
        """Return stem -> inverse document frequency of a question's known terms in a language."""
        return self._lexical.idf(question, language)

    def _live(
        self,
        wanted: Filter,
        n: int,
        total: int,
        query: Callable[[int, Sequence[str] | None], list[tuple[int, float]]],
    ) -> dict[int, float]:
        allowed = self._catalog.allowed(wanted) if wanted else None
        pushed = None
        if allowed is not None and len(allowed) <= _PUSHED_DOWN:
            pushed = sorted(allowed)
        asked = n
        while True:
            hits = query(asked, pushed)
            live = self._catalog.live(key for key, _ in hits)
            kept = {
                key: score
                for key, score in hits
                if key in live and (allowed is None or live[key] in allowed)
            }
            # Stale chunks and a wide filter use up places: ask for more until enough are live.
            if len(kept) >= n or len(hits) < asked or asked >= total:
                return dict(list(kept.items())[:n])
            asked = min(asked * 4, total)

    def vectors(self, keys: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """Return key -> vector."""
        return self._catalog.vectors(keys)

    def passages(self, keys: Sequence[int]) -> dict[int, Passage]:
        """Return key -> passage, its score still 0."""
        return self._catalog.passages(keys)


class Index:
    """An index folder. Threads may share it; opening is cheap and loads no store."""

    def __init__(self, folder: Path, settings: IndexSettings, *, create: bool = False) -> None:
        self.folder = folder
        self._settings = settings
        if create:
            try:
                if not folder.exists():  # a folder that was there before is not ours to hide
                    folder.mkdir(parents=True)
                    (folder / ".gitignore").write_text("*\n", "utf-8")
            except OSError as error:
                raise StoreError(
                    f"{folder} cannot be made ({error.strerror}): name another with --index"
                ) from error
        elif not (folder / "catalog.db").exists():
            raise IndexMissingError(
                f"there is no index at {folder}: make one with `rag ingest SOURCE`, "
                "or name another with --index"
            )
        self.catalog = Catalog(folder / "catalog.db")
        self._mutex = threading.Lock()
        self._opened: tuple[int, DenseStore, LexicalStore] | None = None

    def close(self) -> None:
        """Release the stores and the catalog."""
        with self._mutex:
            self._release()
            self.catalog.close()

    # Reading

    @contextmanager
    def reading(self) -> Iterator[View]:
        """Hold the shared lock and yield a view; the stores are opened again if they moved on."""
        with self._lock(shared=True):
            dense, lexical = self._stores()
            yield View(self.catalog, dense, lexical)

    def require(self, fingerprint: str) -> None:
        """Raise unless the index holds something and was built with this fingerprint."""
        if self.catalog.is_empty():
            raise IndexMissingError(
                f"the index at {self.folder} holds no documents: run `rag ingest SOURCE`"
            )
        self.match(fingerprint)

    def match(self, fingerprint: str) -> None:
        """Raise FingerprintError if the index was built with other settings."""
        found = self.catalog.state("fingerprint")
        if found is not None and found != fingerprint:
            raise FingerprintError(
                f"the index at {self.folder} was built by an earlier version, or with another "
                f"embedder or chunk size (fingerprint {found}, the settings give {fingerprint}): "
                "run `rag index rebuild`, then `rag ingest` on what it holds, or restore the "
                "settings"
            )

    # Writing

    @contextmanager
    def writing(self, fingerprint: str) -> Iterator[Index]:
        """Be the only writer, for as long as an ingest takes; sweeps what a crash left."""
        with self._only_writer():
            self.match(fingerprint)
            if self.catalog.state("fingerprint") is None:
                self.catalog.set_state("fingerprint", fingerprint)
            self.sweep()
            try:
                yield self
                self._tidy()
            except BaseException:
                # Ctrl-C in the middle of a batch: leave nothing for `rag index verify` to find.
                # What cannot be swept now (the disk is full) is swept by the next writer.
                with suppress(Exception):
                    self.sweep()
                raise

    def put(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """Write documents in place of their earlier versions; ``vectors`` is by content digest."""
        self._put_chunks(entries, vectors)
        with self._lock(shared=False):
            self.catalog.put(entries, vectors)
            self._clean()

    def remove(self, document_ids: Sequence[str]) -> None:
        """Remove documents."""
        for start in range(0, len(document_ids), self._settings.write_batch):  # readers get turns
            part = document_ids[start : start + self._settings.write_batch]
            with self._lock(shared=False):
                self.catalog.delete_documents(part)
                self._clean()

    def sweep(self) -> None:
        """Delete what a crash left in the stores."""
        if self.catalog.pending():
            with self._lock(shared=False):
                self._clean()

    def _tidy(self) -> None:
        """Write the word index anew once much of it is deleted: BM25 counts deleted chunks, too."""
        if self._deleted() <= _MOST_DELETED * len(self.catalog.keys()):
            return
        with self._lock(shared=False):
            _, lexical = self._stores()
            lexical.replace_all(
                _lexical_row(document, chunk)
                for _, document in self.catalog.documents()
                for chunk, _ in self.catalog.chunks_of(document)
            )
            self._moved()
        self.catalog.set_state(_DELETED, "0")

    def _deleted(self) -> int:
        return int(self.catalog.state(_DELETED) or 0)

    def _put_chunks(
        self,
        entries: Sequence[Entry],
        vectors: Vectors,
        rebuilt: tuple[int, DenseStore, LexicalStore] | None = None,
    ) -> None:
        """Write chunks into the stores in force, or into a pair that is rebuilt beside them."""
        rows = [
            (key_of(chunk.id), entry.document, chunk, content)
            for entry in entries
            for chunk, content in zip(entry.chunks, entry.contents, strict=True)
        ]
        self.catalog.expect(
            [key for key, *_ in rows], rebuilt[0] if rebuilt else self.catalog.store
        )
        for start in range(0, len(rows), self._settings.write_batch):
            part = rows[start : start + self._settings.write_batch]
            with self._lock(shared=False):
                dense, lexical = rebuilt[1:] if rebuilt else self._stores()
                # To half precision, as the catalog keeps them: one that is known from there
                # gives the same cosine as one that is new.
                rounded = np.stack([vectors[content] for *_, content in part]).astype(np.float16)
                dense.put(
                    [key for key, *_ in part],
                    rounded.astype(np.float32),
                    [document.id for _, document, *_ in part],
                )
                lexical.put(_lexical_row(document, chunk) for _, document, chunk, _ in part)
                if not rebuilt:
                    self._moved()

    def _clean(self) -> None:
        """Delete pending chunks from the stores; the exclusive lock is held."""
        stale = self.catalog.pending()
        dense, lexical = self._stores()
        if stale:
            dense.delete(stale)
            lexical.put((), stale=stale)
            self.catalog.set_state(_DELETED, str(self._deleted() + len(stale)))
        self.catalog.settle()
        self._moved()

    # Rebuilding

    @contextmanager
    def rebuilding(self, fingerprint: str) -> Iterator[Callable[[Sequence[Entry], Vectors], None]]:
        """Yield ``put(entries, vectors)`` that fills a new pair of stores beside the old one.

        Readers go on with the old pair until the block ends without an error; then the new pair is
        put in force in one transaction. An error or a crash leaves the old pair as it was.
        """
        with self._only_writer():
            old, new = self.catalog.store, self.catalog.store + 1
            self.catalog.abandon(new)
            shutil.rmtree(self._folder_of(new), ignore_errors=True)
            dense, lexical = self._open_stores(new)
            if dense.count():  # left on a server by a rebuild that did not end
                dense.delete(sorted(dense.keys()))

            def put(entries: Sequence[Entry], vectors: Vectors) -> None:
                self._put_chunks(entries, vectors, (new, dense, lexical))
                with self.catalog.transaction():
                    for entry in entries:
                        self.catalog.put_chunks(entry, vectors, new)

            try:
                yield put
            finally:
                dense.close()
            with self._lock(shared=False):
                with self.catalog.transaction():
                    self.catalog.adopt(new)
                    self.catalog.set_state("fingerprint", fingerprint)
                    self.catalog.set_state(_DELETED, "0")
                    self.catalog.advance()
                with self._mutex:
                    self._release()
                if self._settings.url:
                    self._open_dense(old).drop()
                shutil.rmtree(self._folder_of(old), ignore_errors=True)

    # Verifying

    def verify(self) -> list[str]:
        """Hold the stores against the catalog; return each fault in a sentence."""
        faults = [f"the catalog reports: {line}" for line in self.catalog.check_integrity()]
        with self._lock(shared=True):
            expected = self.catalog.keys()
            dense, lexical = self._stores()
            for name, found in (("vectors", dense.keys()), ("word index", lexical.keys())):
                if missing := len(expected - found):
                    faults.append(f"{missing} chunks are missing from the {name}")
                if extra := len(found - expected):
                    faults.append(f"{extra} stale chunks are left in the {name}")
        for _, document in self.catalog.documents():
            chunks = self.catalog.chunks_of(document)
            entry = Entry("", document, [chunk for chunk, _ in chunks])
            for (chunk, content), expected_content in zip(chunks, entry.contents, strict=True):
                if content != expected_content:
                    faults.append(f"{document.uri}: chunk {chunk.id} is not what was embedded")
            body = document.text
            for heading in reversed(document.headings):
                line = body.find("\n", heading.start)
                body = body[: heading.start] + (body[line:] if line >= 0 else "")
            if body.strip() and not chunks:
                faults.append(f"{document.uri} has text but no chunks")
        return faults

    # Stores and locks

    def _only_writer(self) -> AbstractContextManager[None]:
        path, busy = self.folder / "writer.lock", _BUSY.format(folder=self.folder)
        return hold(path, shared=False, timeout=self._settings.lock_timeout, busy=busy)

    @contextmanager
    def _lock(self, *, shared: bool) -> Iterator[None]:
        # A batch or a query takes moments: a minute is time for any of them to end.
        timeout = max(self._settings.lock_timeout, 60.0)
        busy = _IN_USE.format(folder=self.folder)
        gate, lock = self.folder / "gate.lock", self.folder / "stores.lock"
        if shared:
            # A reader passes the gate and lets go of it: a waiting writer, who keeps the gate, is
            # then only held up by those who read already and is never starved.
            with hold(gate, shared=True, timeout=timeout, busy=busy):
                pass
            with hold(lock, shared=True, timeout=timeout, busy=busy):
                yield
        else:
            with (
                hold(gate, shared=False, timeout=timeout, busy=busy),
                hold(lock, shared=False, timeout=timeout, busy=busy),
            ):
                yield

    def _folder_of(self, store: int) -> Path:
        return self.folder / "stores" / str(store)

    def _open_stores(self, store: int) -> tuple[DenseStore, LexicalStore]:
        return self._open_dense(store), LexicalStore(self._folder_of(store) / "lexical")

    def _open_dense(self, store: int) -> DenseStore:
        name = f"footnote-{self._name()}-{store}"
        return DenseStore(self._folder_of(store) / "chroma", name, self._settings)

    def _name(self) -> str:
        """Return a name for this index that no other on the same Chroma server has."""
        name = self.catalog.state("name")
        if name is None:
            with self.catalog.transaction():
                name = self.catalog.state("name") or uuid.uuid4().hex[:12]
                self.catalog.set_state("name", name)
        return name

    def _stores(self) -> tuple[DenseStore, LexicalStore]:
        """The open stores of the current generation; a lock, shared or not, is held."""
        with self._mutex:
            generation = self.catalog.generation
            if self._opened is None or self._opened[0] != generation:
                self._release()
                store = self.catalog.store
                if not self._folder_of(store).exists() and self.catalog.has_chunks():
                    raise IndexCorruptError(
                        f"{self._folder_of(store)} is gone: "
                        "`rag index rebuild` makes it again from the catalog"
                    )
                dense, lexical = self._open_stores(store)
                if self.catalog.has_chunks() and not (dense.count() and lexical.count()):
                    dense.close()
                    raise IndexCorruptError(
                        f"the stores of {self.folder} are empty, the catalog is not (were they "
                        "deleted, or was index.url changed?): `rag index rebuild` fills them again"
                    )
                self._opened = (generation, dense, lexical)
            return self._opened[1:]

    @property
    def generation(self) -> int:
        """The generation of the catalog that the stores were opened at, where they are open."""
        opened = self._opened
        return opened[0] if opened else self.catalog.generation

    def _moved(self) -> None:
        """Tell other processes to open the stores again; ours saw the change already."""
        with self._mutex:
            generation = self.catalog.advance()
            if self._opened is not None:
                self._opened = (generation, *self._opened[1:])

    def _release(self) -> None:
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None
