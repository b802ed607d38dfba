"""Plain text to blocks: its paragraphs as they are, line breaks included."""

from __future__ import annotations

from rag.ingest.blocks import Block, normalise

_LONGEST_TITLE = 200


def read(text: str) -> list[Block]:
    """Return the text as one block, as it may have millions of paragraphs.

    A single short line at the top that does not read like a sentence of the text is its title.
    """
    text = normalise(text)
    first, _, rest = text.partition("\n\n")
    if rest and _is_title(first):
        return [Block("heading", first.strip(), level=1), Block("paragraph", rest)]
    return [Block("paragraph", text)] if text.strip() else []


def _is_title(part: str) -> bool:
    line = part.strip()
    return "\n" not in line and len(line) <= _LONGEST_TITLE and line[-1] not in ".!?,;:"
