"""Sources to documents without an index: evidence to check against, a look at an extraction."""

from __future__ import annotations

from pathlib import Path

from rag.errors import SourceError
from rag.ingest.fetch import discover
from rag.ingest.worker import extract
from rag.settings import FetchSettings
from rag.types import Document, Failure


def read_documents(source: str, settings: FetchSettings) -> list[Document]:
    """Return the documents of a source; raises SourceError at the first that cannot be read."""
    documents: list[Document] = []
    with discover(source, settings, base=Path.cwd()) as listing:
        for found in listing:
            if isinstance(found, Failure):
                raise SourceError(found.reason)
            documents += extract(found.load()).documents
    return documents
