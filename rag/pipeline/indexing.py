"""What changes the index, and how a document is named when it is looked up there."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from posixpath import normpath, splitext
from typing import TYPE_CHECKING
from urllib.parse import unquote

from rag.errors import SourceError
from rag.types import Document, SyncReport

if TYPE_CHECKING:
    from rag.index.catalog import Catalog
    from rag.ingest.sync import Progress
    from rag.pipeline.stages import Stages

_LIKE = 60  # of 100, from which on a uri is named in place of one that is not there


def ingest(
    stages: Stages, sources: Iterable[str], on_progress: Progress | None, *, prune: bool
) -> SyncReport:
    """Bring the index up to date with sources."""
    from rag.ingest.sync import Ingest

    index = stages.open_index(create=True)
    with index.writing(stages.fingerprint):
        index.catalog.set_state("embedder", stages.embedder.identity)
        return Ingest(
            index,
            stages.embedder,
            stages.settings,
            base=stages.folder.parent,
            on_progress=on_progress,
            prune=prune,
        ).run(list(sources))


def remove(stages: Stages, source: str) -> SyncReport:
    """Forget a source and the documents that no other source holds; or a single document."""
    index = stages.index
    catalog = index.catalog
    with index.writing(stages.fingerprint):
        location = _location(stages, source)
        if location is None:
            documents = [document_of(stages, source)]
            item = catalog.item_of(documents[0].id)
            items = [item] if item and len(catalog.documents_of(item)) == 1 else []
        else:
            items = catalog.orphans(location)
            documents = [d for item in items for d in catalog.documents_of(item)]
        # The source goes last: whatever stops this, it can be asked for again.
        index.remove([document.id for document in documents])
        catalog.delete_items(items)
        if location is not None:
            catalog.delete_source(location)
    note = f"{source} is part of a source, and comes back when that is ingested again"
    return SyncReport(
        removed=tuple(document.uri for document in documents),
        notes=() if location is not None else (note,),
    )


def _location(stages: Stages, source: str) -> str | None:
    """The source that is meant: by its name, its path, or the end of its path."""
    from rag.ingest.fetch import discover

    known = [row["location"] for row in stages.index.catalog.sources()]
    base = stages.folder.parent
    with discover(source, stages.settings.fetch, base=base) as listing:
        named = [location for location in known if location in (source, listing.location)]
    if not named and not source.startswith(("/", "..")):
        named = [location for location in known if location.endswith(f"/{source.rstrip('/')}")]
    if len(named) > 1 and source not in named:
        raise SourceError(f"{source} may be {' or '.join(named)}: give the whole location")
    return source if source in named else next(iter(named), None)


def rebuild(stages: Stages, on_progress: Progress | None) -> int:
    """Make the stores again from the catalog; return how many chunks were written."""
    index, embedder = stages.index, stages.embedder
    with index.rebuilding(stages.fingerprint) as put:
        # Counted inside: another process may have written while this one waited for its turn.
        total = index.catalog.counts()["documents"]
        same = index.catalog.state("embedder") == embedder.identity
        known = index.catalog if same else None
        written = _write(stages, index.catalog.documents(), put, known, on_progress, total)
        index.catalog.set_state("embedder", embedder.identity)
    return written


def add(stages: Stages, documents: Iterable[Document], on_progress: Progress | None) -> int:
    """Index documents that belong to no source; return how many chunks were written."""
    index = stages.open_index(create=True)
    with index.writing(stages.fingerprint):
        index.catalog.set_state("embedder", stages.embedder.identity)
        items = ((document.uri, document) for document in documents)
        return _write(stages, items, index.put, index.catalog, on_progress, 0)


def _write(
    stages: Stages,
    items: Iterable[tuple[str, Document]],
    put: Callable[..., None],
    known: Catalog | None,
    on_progress: Progress | None,
    total: int,
) -> int:
    """Chunk, embed and write documents, some at a time."""
    from rag.index.catalog import Entry
    from rag.ingest.chunk import chunk_document
    from rag.ingest.sync import embed_missing

    settings, embedder = stages.settings, stages.embedder
    fingerprint = stages.fingerprint
    written = held = 0
    entries: list[Entry] = []

    def flush() -> None:
        put(entries, embed_missing(embedder, entries, known)[0])
        entries.clear()

    for done, (item, document) in enumerate(items, start=1):
        chunks = chunk_document(document, settings.chunk, embedder.count_tokens, fingerprint)
        entries.append(Entry(item, document, chunks))
        written += len(chunks)
        held += len(chunks)
        if held >= settings.index.write_batch:
            flush()
            held = 0
        if on_progress:
            on_progress(document.uri, done, total)
    flush()
    return written


def document_of(stages: Stages, uri: str) -> Document:
    """Return a document by its uri, its path, or the end of either, as a person may write it.

    Raises SourceError, which names the nearest ones where there is none.
    """
    from rag.ingest.fetch import escaped

    catalog, uri = stages.index.catalog, escaped(uri)
    found = [document.uri for document in catalog.find(uri)]
    if not found:
        known = catalog.document_uris()
        found = _meant(uri, known, stages.folder.parent)
        if not found:
            near = _nearest(uri, known)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise SourceError(
                f"no document {uri} is indexed{hint} (`rag sources --documents` lists all)"
            )
    if len(found) > 1:
        names = ", ".join(found[:5])
        raise SourceError(f"{uri} may be any of {len(found)} documents: {names}")
    return catalog.find(found[0])[0]


def _meant(uri: str, known: Sequence[str], base: Path) -> list[str]:
    """The uris that a name may stand for: those that fit it most strictly, perhaps none.

    How its letters are written does not matter. A suffix may be left out, and so may what stands
    behind a "#", on either side: the place in a page, or the row of a table.
    """
    path = Path(os.path.abspath(_key(uri, fold=False)))  # noqa: PTH100  (resolve follows links)
    names = [_key(uri), _key(str(path))]
    if path.is_relative_to(base):
        names.append(_key(path.relative_to(base).as_posix()))
    keys = [_key(one) for one in known]
    bare = [key.partition("#")[0] for key in keys]
    shapes = (keys, [splitext(k)[0] for k in keys], bare, [splitext(k)[0] for k in bare])
    for mine in (
        names,
        [n.rpartition("#")[0] for n in names],
        [n.partition("#")[0] for n in names],
    ):
        wanted = [name for name in mine if name not in ("", ".")]
        for forms in shapes:
            for fits in (str.__eq__, lambda key, name: key.endswith(f"/{name}")):
                found = [
                    one
                    for one, key in zip(known, forms, strict=True)
                    if any(fits(key, name) for name in wanted)
                ]
                if found:
                    return found
    return []


def _key(uri: str, *, fold: bool = True) -> str:
    """Return a uri or path as it is compared: however its letters and separators are written."""
    text = unicodedata.normalize("NFC", unquote(uri.strip().replace("\\", "/")))
    if text.casefold().startswith("file://"):
        text = text[len("file://") :].removeprefix("localhost")
    text = normpath(text)
    return text.casefold() if fold else text


def _nearest(uri: str, known: Sequence[str]) -> list[str]:
    """The uris that are written most like a name."""
    from rapidfuzz import fuzz, process

    keys = dict(enumerate(map(_key, known)))
    found = process.extract(_key(uri), keys, scorer=fuzz.WRatio, limit=3, score_cutoff=_LIKE)
    return [known[place] for _, _, place in found]
