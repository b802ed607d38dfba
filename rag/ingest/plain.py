"""Plain text to blocks: its paragraphs as they are, line breaks included."""

from __future__ import annotations

import re

from rag.ingest.blocks import Block, normalise

_BLANK = re.compile(r"\n(?:[ \t]*\n)+")


def read(text: str) -> list[Block]:
    """Return a paragraph for every run of lines between blank lines."""
    return [Block("paragraph", part) for part in _BLANK.split(normalise(text)) if part.strip()]
