"""A row of a table as one line that is understood alone: how it is written, and read again."""

from __future__ import annotations

import re
from collections.abc import Iterable

CELL = re.compile(r"(?:^|; )(?P<header>[^:;|\n]{1,60}): (?P<value>[^;\n]*[^;\s])")
"""One cell of a row, with the mark before it."""


def written(cells: Iterable[tuple[str, str]]) -> str:
    """Write (header, value) pairs as a row; a value without a header stands alone.

    >>> written([("Plan", "Pro"), ("Price", "9 EUR")])
    'Plan: Pro; Price: 9 EUR'
    """
    return "; ".join(f"{header}: {value}" if header else value for header, value in cells)


def is_row(line: str) -> bool:
    """Tell a row, of headers and values or of bare cells, from a sentence.

    >>> is_row("Plan: Pro; Price: 9 EUR"), is_row("Note: it is closed.")
    (True, False)
    """
    if " | " in line:
        return True
    return len(CELL.findall(line)) >= 2 and not line.rstrip().endswith((".", "!", "?"))
