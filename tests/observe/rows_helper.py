"""Rows as a pipeline makes them."""

from __future__ import annotations

from typing import Any

from rag.rows import Cited, Found, Row, Said

ASKED = 1_800_000_000.0
QUOTE = "A refund takes up to five business days."


def found(n: int, *, dense: float, lexical: float, rerank: float | None = None) -> Found:
    scores = {"dense": dense, "lexical": lexical, "fused": (dense + lexical / 10) / 2}
    read = rerank is not None
    return Found(
        chunk=f"{n:032x}",
        uri=f"docs/{n}.md",
        title=f"Document {n}",
        start=0,
        end=100,
        score=rerank if rerank is not None else scores["fused"],
        scores={**scores, "rerank": rerank} if rerank is not None else scores,
        relevance=rerank if read else None,
        no_answer=1 - rerank if rerank is not None else None,
    )


def row(name: str = "a", **changes: Any) -> Row:
    given: dict[str, Any] = {
        "id": f"{name:0>16}",
        "at": ASKED,
        "question": "Refunds, how long, Ms Ólafsdóttir asks?",
        "standalone": "How long do refunds take for Ms Ólafsdóttir?",
        "kind": "duration",
        "language": "en",
        "generator": "extractive",
        "found": (
            found(1, dense=0.5, lexical=9.0, rerank=0.4),
            found(2, dense=0.7, lexical=4.0, rerank=0.3),
            found(3, dense=0.2, lexical=2.0),
        ),
        "said": (Said(QUOTE, "supported", 0.98, (Cited(1, "docs/2.md", 10, 50, QUOTE),)),),
        "abstained": False,
        "confidence": 0.4,
        "least": 0.14,
        "problems": ("the documents mention “Ólafsdóttir” nowhere",),
        "timings": {"retrieve_ms": 12.5, "read_ms": 80.0},
        "versions": {"rag": "0.1.0"},
    }
    return Row(**{**given, **changes})
