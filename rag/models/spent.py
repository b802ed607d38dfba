"""What requests to a language model cost together."""

from __future__ import annotations

from collections.abc import Iterable

from rag.types import Usage


class Spent:
    """Adds usages up; ``usage`` is None as long as nothing was sent."""

    def __init__(self) -> None:
        self._all: list[Usage] = []

    def add(self, usage: Usage | None) -> None:
        """Count one request; None is no request."""
        if usage is not None:
            self._all.append(usage)

    @property
    def usage(self) -> Usage | None:
        """The sum."""
        return total(self._all)


def total(usages: Iterable[Usage | None]) -> Usage | None:
    """Return the sum of usages; its cost is None if that of one of them is not known."""
    known = [usage for usage in usages if usage is not None]
    if not known:
        return None
    costs = [usage.cost for usage in known if usage.cost is not None]
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in known),
        output_tokens=sum(usage.output_tokens for usage in known),
        cost=sum(costs) if len(costs) == len(known) else None,
    )
