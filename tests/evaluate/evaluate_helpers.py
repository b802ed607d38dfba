"""A pipeline that answers from a table, over documents in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rag.errors import SourceError
from rag.settings import Settings
from rag.types import Answer, Chunk, Citation, Document, Passage, Reading, Sentence, Verdict


class FakeEmbedder:
    identity = "fake"


def passage(document: Document, best: str = "") -> Passage:
    """The whole document; its reader thinks the text ``best`` most relevant, if one is given."""
    at = document.text.index(best)
    read = ((at, at + len(best), 0.9), (0, 1, 0.1)) if best else ()
    chunk = Chunk(
        id="c", document_id=document.id, start=0, end=len(document.text), text=document.text
    )
    return Passage(
        chunk=chunk,
        document_digest=document.digest,
        title=document.title,
        uri=document.uri,
        score=1.0,
        reading=Reading(relevance=0.9, no_answer=0.1, sentences=read),
    )


def answer(
    *parts: tuple[str, Document, str],
    question: str = "?",
    kind: Any = "text",
    confidence: float = 0.9,
) -> Answer:
    """Answer with one sentence a part: its text, the document that it cites, and the quote."""
    sentences = []
    for number, (text, document, quote) in enumerate(parts, start=1):
        start = document.text.index(quote)
        cited = Citation.of(number, passage(document), start, start + len(quote))
        verdict = Verdict(claim=text, label="supported", support=0.9)
        sentences.append(Sentence(text=text, citations=(cited,), verdict=verdict, kind=kind))
    return Answer(
        question=question,
        standalone=question,
        sentences=tuple(sentences),
        passages=tuple(passage(document) for _, document, _ in parts),
        abstained=not sentences,
        confidence=confidence if sentences else 0.1,
        generator="fake",
    )


class FakePipeline:
    """Answers by question; a question that is not in the table is abstained from."""

    def __init__(
        self,
        folder: Path,
        documents: Mapping[str, str],
        answers: Mapping[str, Answer | Callable[[], Any]] | None = None,
    ) -> None:
        self.folder = folder
        self.settings = Settings()
        self.embedder: Any = FakeEmbedder()
        self.fingerprint = "print"
        self.documents = {
            uri: Document.make(uri=uri, title=uri, text=text, language="en")
            for uri, text in documents.items()
        }
        self.answers = dict(answers or {})
        self.asked: list[str] = []

    def search(self, question: str, k: int | None = None) -> list[Passage]:
        return []

    def document(self, uri: str) -> Document:
        if uri not in self.documents:
            raise SourceError(f"no document {uri} is indexed")
        return self.documents[uri]

    def ask(self, question: str, *, history: Any = (), recorded: bool = True) -> Any:
        self.asked.append(question)
        found = self.answers.get(question, answer(question=question))
        return found if isinstance(found, Answer) else found()
