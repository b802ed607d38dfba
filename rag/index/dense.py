"""The dense store: unit vectors in Chroma, cosine space, always upserted.

The only file that imports chromadb. It works on a folder or, with a url, on a Chroma server.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rag.errors import IndexCorruptError, StoreError
from rag.index.catalog import corrupt
from rag.settings import IndexSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# ef_search has to reach at least as far as the candidates that are asked for.
_SPACE = {
    "hnsw": {"space": "cosine", "ef_construction": 200, "ef_search": 250, "max_neighbors": 24}
}


class DenseStore:
    """Vectors by key. Not safe across processes by itself: ``Index`` holds the locks."""

    def __init__(self, folder: Path, name: str, settings: IndexSettings) -> None:
        self._folder = folder
        try:
            self._client = _client(folder, settings)
            self._collection = self._client.get_or_create_collection(
                name, configuration=_SPACE, embedding_function=None
            )
            self._batch = min(self._client.get_max_batch_size(), 5000)
            self._count = int(self._collection.count())  # asked anew, it costs as much as a query
        except Exception as error:
            if settings.url:
                raise StoreError(
                    f"the Chroma server at {settings.url} does not answer ({error}): "
                    "start it or mend index.url"
                ) from error
            raise _corrupt(folder, error) from error

    def close(self) -> None:
        """Release the files, so that the folder can be opened afresh or deleted."""
        self._client.close()

    def drop(self) -> None:
        """Delete the whole store: on a server it would outlive the folder."""
        self._guard(self._client.delete_collection, name=self._collection.name)

    def count(self) -> int:
        """Return how many vectors there are, stale ones included."""
        return self._count

    def put(
        self, keys: Sequence[int], vectors: NDArray[np.float32], documents: Sequence[str]
    ) -> None:
        """Upsert vectors of shape (len(keys), dimension) with the document that each belongs to."""
        for start in range(0, len(keys), self._batch):
            part = slice(start, start + self._batch)
            self._guard(
                self._collection.upsert,
                ids=[_id(key) for key in keys[part]],
                embeddings=vectors[part],
                metadatas=[{"document": document} for document in documents[part]],
            )
        self._count = int(self._guard(self._collection.count))

    def delete(self, keys: Sequence[int]) -> None:
        """Delete vectors; unknown keys do not matter."""
        for start in range(0, len(keys), self._batch):
            self._guard(
                self._collection.delete, ids=[_id(key) for key in keys[start : start + self._batch]]
            )
        self._count = int(self._guard(self._collection.count))

    def query(
        self, vector: NDArray[np.float32], n: int, documents: Sequence[str] | None = None
    ) -> list[tuple[int, float]]:
        """Return at most ``n`` (key, cosine), best first, optionally of some documents only."""
        n = min(n, self._count)
        if n == 0 or (documents is not None and not documents):
            return []
        where: Any = None if documents is None else {"document": {"$in": list(documents)}}
        found = self._guard(
            self._collection.query,
            query_embeddings=[vector],
            n_results=n,
            where=where,
            include=["distances"],
        )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return [(int(name, 16), 1.0 - float(distance)) for name, distance in pairs]

    def keys(self) -> set[int]:
        """Return every key, stale ones included."""
        return {int(n, 16) for n in self._guard(self._collection.get, include=[])["ids"]}

    def _guard(self, call: Any, **arguments: Any) -> Any:
        try:
            return call(**arguments)
        except Exception as error:
            raise _corrupt(self._folder, error) from error


def _id(key: int) -> str:
    return f"{key:015x}"


def _client(folder: Path, settings: IndexSettings) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # chromadb warns at import of what we do not use
        import chromadb
        from chromadb.config import Settings

        quiet = Settings(anonymized_telemetry=False, allow_reset=False)
        if not settings.url:
            folder.mkdir(parents=True, exist_ok=True)
            return chromadb.PersistentClient(str(folder), settings=quiet)
        server, token = urlsplit(settings.url), settings.token
        secure = server.scheme == "https"
        return chromadb.HttpClient(
            host=server.hostname or "localhost",
            port=server.port or (443 if secure else 8000),
            ssl=secure,
            headers={"Authorization": f"Bearer {token.get_secret_value()}"} if token else {},
            settings=quiet,
        )


def _corrupt(folder: Path, error: Exception) -> IndexCorruptError:
    remedy = "`rag index rebuild` makes them again from the catalog"
    return corrupt("the vectors in", folder, f"{type(error).__name__}: {error}", remedy)
