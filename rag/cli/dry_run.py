"""``--dry-run``: what would be sent to whom, to the letter, the key left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rag.cli.common import console, print_json

if TYPE_CHECKING:
    from rag.plan import Plan


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """Print a plan: for people the messages as they read, for programs the whole body."""
    if as_json:
        print_json({"dry_run": plan.to_json()})
        return
    out = console()
    if plan.reason is not None:
        out.print(f"Nothing would be sent: {plan.reason}")
        return
    for number, request in enumerate(plan.requests, 1):
        more = f" {number}" if len(plan.requests) > 1 else ""
        out.print(f"Request{more}: {request.purpose}", style="bold")
        out.print(f"POST {request.url}")
        out.print(f"Authorization: {request.authorization}")
        others = {k: v for k, v in request.body.items() if k != "messages"}
        out.print(json.dumps(others, ensure_ascii=False))
        for message in request.body["messages"]:
            out.print(f"\n--- {message['role']}", style="cyan")
            out.print(message["content"])
        out.print()
    out.print(f"About {plan.tokens} tokens. Nothing was sent.")
