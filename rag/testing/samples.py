"""Small documents and passages that the conformance checks run on."""

from __future__ import annotations

from datetime import date
from typing import Any

from rag.types import Chunk, Document, Passage, digest_of

QUESTIONS = (
    "How long do refunds take?",
    "What does the Pro plan cost?",
    "How do I reset my password?",
)
"""Each is answered word for word by the sample passages."""

_TEXTS = {
    "refunds": (
        "Refunds",
        "How refunds work.\n\n"
        "Refunds take 14 days from the day we receive the parcel. "
        "The money goes back to the card that was used for the order.\n\n"
        "Gift cards are not refundable. Opened software cannot be returned.",
        date(2025, 3, 1),
    ),
    "plans": (
        "Plans and prices",
        "The Basic plan costs 9 euros a month. The Pro plan costs 19 euros a month.\n\n"
        "The Pro plan includes five seats and support by telephone.",
        date(2025, 1, 15),
    ),
    "password": (
        "Passwords",
        "To reset your password, choose Forgot password on the sign-in page. "
        "A link arrives by e-mail and is valid for 30 minutes.\n\n"
        "Naïve café owners — and everybody else — should use a long password. 🔑",
        None,
    ),
}


def sample_documents() -> list[Document]:
    """Return three short documents of a help centre."""
    return [
        Document.make(
            uri=f"https://help.example.com/{name}", title=title, text=text, published=published
        )
        for name, (title, text, published) in _TEXTS.items()
    ]


def sample_passages() -> list[Passage]:
    """Return a passage for each paragraph of the sample documents, scores descending.

    Most begin in the middle of their document, so that an offset into the wrong text shows.
    """
    places = [
        (document, start, end)
        for document in sample_documents()
        for start, end in _paragraphs(document.text)
    ]
    return [
        _passage(document, start, end, 0.9 - 0.1 * rank)
        for rank, (document, start, end) in enumerate(places)
    ]


def _paragraphs(text: str) -> list[tuple[int, int]]:
    spans, start = [], 0
    for paragraph in text.split("\n\n"):
        spans.append((start, start + len(paragraph)))
        start += len(paragraph) + 2
    return spans


def _passage(document: Document, start: int, end: int, score: float) -> Passage:
    score = round(score, 3)
    scores: dict[str, float] = {"dense": score, "lexical": 10 * score, "fused": score}
    values: dict[str, Any] = {"published": document.published, "scores": scores, "score": score}
    return Passage(
        chunk=Chunk(
            id=digest_of(document.id, str(start), str(end)),
            document_id=document.id,
            start=start,
            end=end,
            text=document.text[start:end],
            headings=(document.title,),
        ),
        document_digest=document.digest,
        title=document.title,
        uri=document.uri,
        language="en",
        **values,
    )
