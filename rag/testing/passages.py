"""The rules of a ``Retriever``, a ``Reranker`` and a ``Reader``."""

from __future__ import annotations

from collections.abc import Sequence

from rag.errors import RagError
from rag.protocols import Reader, Reranker, Retriever
from rag.testing.rules import Rules
from rag.testing.samples import QUESTIONS, sample_passages
from rag.types import Passage, Reading


def check_retriever(retriever: Retriever, *, question: str = QUESTIONS[0]) -> None:
    """Raise AssertionError unless the retriever keeps the rules of its seam.

    ``question`` has to be one for which it finds something.
    """
    rules = Rules(retriever, "retrieve")
    for k in (1, 2, 10):
        rules.passages(retriever.retrieve(question, k), k)
    found = retriever.retrieve(question, 10)
    rules.must(found, f"nothing is found for {question!r}; pass a question that it answers")
    rules.must(
        _told_apart(found) == _told_apart(retriever.retrieve(question, 10)),
        "the same question must give the same passages in the same order again",
    )
    for strange in ("zxqv wblrg", "?!", '("AND OR NOT*', "", "word " * 3000):
        try:
            rules.passages(retriever.retrieve(strange, 3), 3)
        except RagError:
            continue  # a deliberate error is an answer too
        except AssertionError:
            raise
        except Exception as error:
            rules.must(False, f"{strange[:20]!r} must give passages or a RagError, not {error!r}")


def check_reranker(reranker: Reranker, *, passages: Sequence[Passage] | None = None) -> None:
    """Raise AssertionError unless the reranker keeps the rules of its seam."""
    rules = Rules(reranker, "rerank")
    given = list(passages if passages is not None else sample_passages())
    before = list(given)
    for k in (1, 3, len(given), len(given) + 5):
        found = reranker.rerank(QUESTIONS[0], given, k)
        rules.must(given == before, "the list that was given must not be changed")
        rules.passages(found, k)
        rules.must(
            len(found) == min(k, len(given)),
            f"must return k passages where there are as many: {len(found)} for k={k}",
        )
        rules.untouched(given, found, "score", "scores", "reading")
        for passage in found:
            rules.must("rerank" in passage.scores, "scores['rerank'] must be set on every passage")
            old = next(p.scores for p in given if p.chunk.id == passage.chunk.id)
            rules.must(
                all(passage.scores.get(name) == old[name] for name in old if name != "rerank"),
                "the scores of earlier stages must be kept",
            )
    rules.must(reranker.rerank(QUESTIONS[0], [], 3) == [], "no passages must give an empty list")
    rules.must(
        _told_apart(reranker.rerank(QUESTIONS[1], given, 3))
        == _told_apart(reranker.rerank(QUESTIONS[1], given, 3)),
        "the same question must give the same order again",
    )


def check_reader(reader: Reader, *, passages: Sequence[Passage] | None = None) -> None:
    """Raise AssertionError unless the reader keeps the rules of its seam."""
    rules = Rules(reader, "read")
    given = list(passages if passages is not None else sample_passages())
    found = reader.read(QUESTIONS[0], given)
    rules.must(isinstance(found, list), f"must return a list, not {type(found).__name__}")
    rules.must(
        [p.chunk.id for p in found] == [p.chunk.id for p in given],
        "must return the same passages in the same order",
    )
    rules.untouched(given, found, "reading")
    for passage in found:
        rules.must(passage.reading is not None, "reading must be set on every passage")
        if passage.reading is not None:
            _check_reading(rules, passage.reading, len(passage.chunk.text))
    rules.must(reader.read(QUESTIONS[0], []) == [], "no passages must give an empty list")
    rules.must(found == reader.read(QUESTIONS[0], given), "the same input must read the same again")


def _check_reading(rules: Rules, reading: Reading, length: int) -> None:
    rules.fraction(reading.relevance, "relevance")
    rules.fraction(reading.no_answer, "no_answer")
    for start, end, probability in (*reading.answers, *reading.sentences):
        rules.must(
            0 <= start < end <= length,
            f"a span must lie in the chunk's text: {start}:{end} of {length} characters",
        )
        rules.fraction(probability, "the probability of a span")
    chances = [probability for _, _, probability in reading.answers]
    rules.must(chances == sorted(chances, reverse=True), "answers must be best first")
    ends = [0] + [end for _, end, _ in reading.sentences]
    starts = [start for start, _, _ in reading.sentences]
    rules.must(
        all(end <= start for end, start in zip(ends, starts, strict=False)),
        "sentences must be in reading order and not overlap",
    )


def _told_apart(passages: Sequence[Passage]) -> list[tuple[str, float]]:
    return [(passage.chunk.id, round(passage.score, 6)) for passage in passages]
