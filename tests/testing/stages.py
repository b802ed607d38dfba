"""Simple stages that keep the rules, for the conformance checks and as examples."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from rag.text.sentences import sentences
from rag.types import Citation, Passage, Reading, Sentence, Turn, Verdict

_SYNONYMS = {"money": "refunds", "back": "refunds", "two": "14", "weeks": "days"}


def words(text: str) -> list[str]:
    found = re.findall(r"\w+", text.casefold())
    return [_SYNONYMS.get(word, word) for word in found]


class HashEmbedder:
    """A bag of hashed words; knows a few synonyms."""

    identity = "hashed words, 1"
    dimension = 256
    max_tokens = 512
    languages = None

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for word in words(text) or ["nothing"]:
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def overlap(question: str, text: str) -> float:
    wanted = set(words(question))
    return len(wanted & set(words(text))) / (len(wanted) or 1)


class WordRetriever:
    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = list(passages)

    def retrieve(self, question: str, k: int) -> list[Passage]:
        scored = [
            passage.model_copy(update={"score": overlap(question, passage.chunk.text)})
            for passage in self.passages
        ]
        return sorted(scored, key=lambda p: -p.score)[:k]


class WordReranker:
    def rerank(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        scored = []
        for passage in passages:
            score = overlap(question, passage.chunk.text)
            scores = {**passage.scores, "rerank": score}
            scored.append(passage.model_copy(update={"score": score, "scores": scores}))
        return sorted(scored, key=lambda p: -p.score)[:k]


class SentenceReader:
    def read(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        return [
            passage.model_copy(update={"reading": self._reading(question, passage.chunk.text)})
            for passage in passages
        ]

    def _reading(self, question: str, text: str) -> Reading:
        scored = tuple((s.start, s.end, overlap(question, s.of(text))) for s in sentences(text))
        best = max(score for *_, score in scored)
        answers = tuple(sorted(scored, key=lambda span: -span[2]))
        return Reading(relevance=best, no_answer=1 - best, answers=answers, sentences=scored)


class EchoRewriter:
    def rewrite(self, history: Sequence[Turn], question: str) -> str:
        asked = [turn.text for turn in history if turn.role == "user"]
        return f"{question} ({asked[-1]})" if asked else question


class SentenceGenerator:
    def draft(
        self, question: str, passages: Sequence[Passage], history: Sequence[Turn]
    ) -> Iterator[Sentence]:
        spans = [
            (overlap(question, span.of(passage.chunk.text)), passage, span)
            for passage in passages
            for span in sentences(passage.chunk.text)
        ]
        score, passage, span = max(spans, key=lambda item: item[0], default=(0.0, None, None))
        if passage is not None and span is not None and score > 0.2:
            yield Sentence(
                text=span.of(passage.chunk.text),
                citations=(Citation.of(1, passage, span.start, span.end),),
            )


class WordChecker:
    def check(self, claims: Sequence[str], evidence: Sequence[Sequence[str]]) -> list[Verdict]:
        return [self._one(claim, texts) for claim, texts in zip(claims, evidence, strict=True)]

    def _one(self, claim: str, texts: Sequence[str]) -> Verdict:
        if not words(claim):
            return Verdict(claim=claim)
        said = " ".join(texts)
        support = overlap(claim, said) if words(said) else 0.0
        label = "supported" if support > 0.9 else "partial" if support > 0.5 else "unsupported"
        return Verdict(claim=claim, label=label, support=support, evidence=tuple(texts)[:1])
