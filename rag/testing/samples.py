"""Small documents and passages that the conformance checks run on."""

from __future__ import annotations

import re
from datetime import date

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
    """Three short documents of a help centre.

    >>> [document.title for document in sample_documents()]
    ['Refunds', 'Plans and prices', 'Passwords']
    """
    return [
        Document.make(
            uri=f"https://help.example.com/{name}", title=title, text=text, published=published
        )
        for name, (title, text, published) in _TEXTS.items()
    ]


def sample_passages() -> list[Passage]:
    """A passage for each paragraph of the sample documents, scores descending.

    Most begin in the middle of their document, so that an offset into the wrong text shows.
    """
    passages: list[Passage] = []
    for document in sample_documents():
        for paragraph in re.finditer(r".+", document.text):
            passages.append(_passage(document, *paragraph.span(), 0.9 - 0.1 * len(passages)))
    return passages


def _passage(document: Document, start: int, end: int, score: float) -> Passage:
    score = round(score, 3)
    chunk = Chunk(
        id=digest_of(document.id, str(start), str(end)),
        document_id=document.id,
        start=start,
        end=end,
        text=document.text[start:end],
        headings=(document.title,),
    )
    return Passage(
        chunk=chunk,
        document_digest=document.digest,
        title=document.title,
        uri=document.uri,
        language="en",
        published=document.published,
        score=score,
        scores={"dense": score, "lexical": 10 * score, "fused": score},
    )
