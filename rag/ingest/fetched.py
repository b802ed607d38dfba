"""What reading a source gives: bytes, and what is known of them before they are understood."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rag.errors import SourceError


@dataclass(frozen=True)
class Fetched:
    """The bytes of one source.

    ``uri`` is canonical; ``media_type`` is the header as the server sent it, with its charset;
    ``name`` is the file's name; ``modified`` has a time zone; ``final_uri`` is where redirects led.
    """

    uri: str
    data: bytes
    media_type: str | None = None
    name: str = ""
    modified: datetime | None = None
    final_uri: str | None = None


def too_large(name: str, limit: int) -> SourceError:
    """The error for a source above the size limit."""
    return SourceError(
        f"{name} is larger than {limit:,} bytes (setting fetch.max_bytes); raise it or split it."
    )
