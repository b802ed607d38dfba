"""Plain text to blocks: its paragraphs as they are, line breaks included."""

from __future__ import annotations

import re

from rag.ingest.blocks import Block, normalise

_LONGEST_TITLE = 200
_BLANK = re.compile(r"\n(?:[ \t]*\n)+")


def read(text: str) -> list[Block]:
    """Return a paragraph for every run of lines between blank lines.

    A single short line at the top that does not read like a sentence of the text is its title.
    """
    parts = [part for part in _BLANK.split(normalise(text)) if part.strip()]
    blocks = [Block("paragraph", part) for part in parts]
    if len(parts) > 1 and _is_title(parts[0]):
        blocks[0] = Block("heading", parts[0].strip(), level=1)
    return blocks


def _is_title(part: str) -> bool:
    line = part.strip()
    return "\n" not in line and len(line) <= _LONGEST_TITLE and line[-1] not in ".!?,;:"
