"""Bytes to documents: chooses the format and hands the bytes to its reader.

Whatever goes wrong inside a reader or a library leaves here as a SourceError that names the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rag.errors import SourceError
from rag.ingest.fetched import Fetched
from rag.types import Document, Failure


@dataclass(frozen=True)
class Extracted:
    """The documents of one source (one, or one a row) and the rows that could not be read."""

    documents: list[Document]
    failures: list[Failure] = field(default_factory=list)


def extract(fetched: Fetched) -> Extracted:
    """Return the documents in the bytes; raises nothing but SourceError."""
    raise SourceError(f"{fetched.name} cannot be read yet.")
