"""What a question would send to a language model, before anything is sent."""

from __future__ import annotations

from typing import Any

from rag.types import Value


class PlannedRequest(Value):
    """One request: where to, why, and its body as it would be sent. The key is never in it."""

    purpose: str
    url: str
    authorization: str
    body: dict[str, Any]


class Plan(Value):
    """The requests that are certain. ``reason`` says why there are none.

    What follows from a reply is not in it: sentences that fail the check are sent once more, with
    passages that are in the plan already.
    """

    requests: tuple[PlannedRequest, ...] = ()
    tokens: int = 0
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plan as one JSON object."""
        return self.model_dump(mode="json")
