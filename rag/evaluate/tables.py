"""Tables that can be read anywhere: aligned text for a pipe, Markdown for a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A title, column names and rows of the same length; numbers are already formatted.

    ``words`` are the columns that hold words and stand to the left; the others stand to the right.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[int] = frozenset({0})

    def plain(self) -> str:
        """The table as aligned text."""
        table = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.columns))]
        lines = [
            "  ".join(
                cell.ljust(width) if i in self.words else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        return "\n".join([self.title, *lines])

    def markdown(self) -> str:
        """The table as GitHub's Markdown, with its title as a paragraph above."""
        rule = ["---" if i in self.words else "---:" for i in range(len(self.columns))]
        rows = [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
            for row in (self.columns, rule, *self.rows)
        ]
        return "\n".join([f"{self.title}:", "", *rows])


def number(value: float | None, digits: int = 3) -> str:
    """A fraction as ``.123``, a dash for what does not apply."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.removeprefix("0") if text.startswith("0.") else text


def between(interval: Sequence[float] | None, digits: int = 3) -> str:
    """An interval as ``.120 to .140``, a dash for none."""
    if not interval:
        return "–"
    return f"{number(interval[0], digits)} to {number(interval[1], digits)}"


def signed(value: float | None) -> str:
    """A difference as ``+.012`` or ``-.012``, a dash for none."""
    if value is None:
        return "–"
    return ("-" if round(value, 3) < 0 else "+") + number(abs(value))


_SPOKEN = {
    "ndcg": "nDCG", "mrr": "MRR", "f1": "F1", "auroc": "AUROC", "aurc": "AURC", "rouge": "ROUGE",
}  # fmt: skip


def spoken(name: str) -> str:
    """The name of a metric as people say it.

    >>> spoken("ndcg_at_10")
    'nDCG@10'
    """
    text = name.replace("_at_", "@").replace("rouge_l", "rouge-L").replace("_", " ")
    return re.sub(rf"\b(?:{'|'.join(_SPOKEN)})", lambda found: _SPOKEN[found[0]], text)
