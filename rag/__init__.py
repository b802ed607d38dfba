"""Footnote: cited answers from your own documents.

Public names load on first use, so that ``import rag`` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.errors import RagError
    from rag.pipeline import Pipeline
    from rag.settings import Settings
    from rag.types import (
        Answer,
        Chunk,
        Citation,
        Document,
        Passage,
        Sentence,
        SyncReport,
        Turn,
        Verdict,
    )

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Chunk",
    "Citation",
    "Document",
    "Passage",
    "Pipeline",
    "RagError",
    "Sentence",
    "Settings",
    "SyncReport",
    "Turn",
    "Verdict",
    "__version__",
]

_HOMES = {"Pipeline": "rag.pipeline", "RagError": "rag.errors", "Settings": "rag.settings"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'rag' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "rag.types")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
