"""The rules of every seam, each as a check that raises AssertionError where it is broken."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from rag.errors import RagError
from rag.protocols import (
    Checker,
    Embedder,
    Generator,
    Observer,
    Reader,
    Reranker,
    Retriever,
    Rewriter,
)
from rag.rows import Feedback, Row
from rag.testing.samples import QUESTIONS, sample_passages
from rag.types import Citation, Passage, Reading, Sentence, Turn, Verdict


class _Rules:
    """Reports broken rules of one stage: ``rules.must(condition, "rows have length 1")``."""

    def __init__(self, stage: Any, verb: str) -> None:
        self.name = f"{type(stage).__name__}.{verb}"
        self.must(callable(getattr(stage, verb, None)), f"there must be a method {verb}()")

    def must(self, condition: object, rule: str) -> None:
        if not condition:
            raise AssertionError(f"{self.name}: {rule}")

    def fraction(self, value: float, what: str) -> None:
        inside = math.isfinite(value) and 0.0 <= value <= 1.0
        self.must(inside, f"{what} must be between 0 and 1, it is {value}")

    def passages(self, found: Any, k: int) -> None:
        """At most k distinct passages, scores descending."""
        self.must(isinstance(found, list), f"must return a list, not {type(found).__name__}")
        self.must(all(isinstance(p, Passage) for p in found), "every item must be a rag.Passage")
        self.must(len(found) <= k, f"must return at most k passages: {len(found)} for k={k}")
        ids = [passage.chunk.id for passage in found]
        self.must(len(set(ids)) == len(ids), "the same chunk must not be returned twice")
        for passage in found:
            chunk = passage.chunk
            self.must(math.isfinite(passage.score), f"a score must be finite, not {passage.score}")
            self.must(
                chunk.end - chunk.start == len(chunk.text),
                f"chunk {chunk.id} covers {chunk.start}:{chunk.end} "
                f"but has {len(chunk.text)} characters",
            )
        scores = [passage.score for passage in found]
        self.must(
            all(a >= b for a, b in pairwise(scores)),
            f"scores must descend, best first: {[round(score, 4) for score in scores]}",
        )

    def untouched(self, given: Sequence[Passage], found: Iterable[Passage], *free: str) -> None:
        """Every passage is one of those given, and only the fields in ``free`` may differ."""
        known = {passage.chunk.id: passage for passage in given}
        fields = dict.fromkeys(free)
        for passage in found:
            name = passage.chunk.id
            self.must(name in known, f"must not invent passages: {name} was not given")
            self.must(
                passage.model_copy(update=fields) == known[name].model_copy(update=fields),
                f"must not change a passage other than its {', '.join(free)}: {name}",
            )


_AT_ONCE = 0.5  # seconds, on a machine that is busy with other things

# Embedder


_TEXTS = (
    "Refunds take 14 days.",
    "You get your money back within two weeks.",
    "The mountain is covered in snow.",
    "A",
    "Naïve café — 東京 🔑",
    "",
)
_CLOSE = 0.999
"""Least cosine of two vectors of one text; quantised models may differ a little by batch."""


def check_embedder(embedder: Embedder, *, close: float = _CLOSE) -> None:
    """Raise AssertionError unless the embedder keeps the rules of its seam.

    ``close`` is the least cosine between two vectors of the same text, alone and in a batch.
    """
    rules = _Rules(embedder, "embed")
    _describes_itself(rules, embedder)
    count = embedder.count_tokens
    rules.must(count("") == 0, "count_tokens('') must be 0: special tokens do not count")
    rules.must(
        0 < count("refunds") < count("refunds take fourteen days")
        and count("days " * (embedder.max_tokens + 50)) > embedder.max_tokens,
        "count_tokens must grow with the text, beyond max_tokens too",
    )
    for query in (False, True):
        _shapes(rules, embedder, query=query)
    _same_text_same_vector(rules, embedder, close)
    refund, paraphrase, other = embedder.embed(_TEXTS[:3])
    rules.must(
        float(refund @ paraphrase) > float(refund @ other),
        "a paraphrase must be nearer than a sentence about something else",
    )


def _describes_itself(rules: _Rules, embedder: Embedder) -> None:
    identity = embedder.identity
    rules.must(isinstance(identity, str) and identity, "identity must be a text that is not empty")
    rules.must(identity == embedder.identity, "identity must stay the same")
    for name in ("dimension", "max_tokens"):
        value = getattr(embedder, name)
        positive = isinstance(value, int) and value > 0
        rules.must(positive, f"{name} must be a positive integer, it is {value!r}")
    languages = embedder.languages
    rules.must(
        languages is None
        or (isinstance(languages, frozenset) and all(len(code) == 2 for code in languages)),
        f"languages must be a frozenset of ISO 639-1 codes or None, it is {languages!r}",
    )


def _shapes(rules: _Rules, embedder: Embedder, *, query: bool) -> None:
    texts = [*_TEXTS, "a very long text " * 2000]
    vectors = embedder.embed(texts, query=query)
    rules.must(isinstance(vectors, np.ndarray), "must return a numpy array")
    expected = (len(texts), embedder.dimension)
    rules.must(vectors.shape == expected, f"the shape must be {expected}, it is {vectors.shape}")
    rules.must(vectors.dtype == np.float32, f"the type must be float32, it is {vectors.dtype}")
    rules.must(np.isfinite(vectors).all(), "every number must be finite, for an empty text too")
    lengths = np.linalg.norm(vectors, axis=1)
    worst = int(np.abs(lengths - 1).argmax())
    rules.must(
        abs(float(lengths[worst]) - 1) < 1e-3,
        f"rows must have length 1; the one of {texts[worst][:30]!r} has {lengths[worst]:.4f}",
    )
    shape, expected = np.shape(embedder.embed([], query=query)), (0, embedder.dimension)
    rules.must(shape == expected, f"no texts must give shape {expected}, not {shape}")


def _same_text_same_vector(rules: _Rules, embedder: Embedder, close: float) -> None:
    texts = [text for text in _TEXTS if text]
    vectors = embedder.embed(texts)
    rules.must(
        np.array_equal(vectors, embedder.embed(texts)),
        "the same texts must give the same vectors again",
    )
    backwards = embedder.embed(texts[::-1])[::-1]
    rules.must(
        float((vectors * backwards).sum(axis=1).min()) > close,
        "row i must belong to text i, in whatever order the texts come",
    )
    alone = np.vstack([embedder.embed([text]) for text in texts])
    rules.must(
        float((vectors * alone).sum(axis=1).min()) > close,
        "a text must have the same vector alone and in a batch",
    )


# Retriever, reranker, reader


def check_retriever(retriever: Retriever, *, question: str = QUESTIONS[0]) -> None:
    """Raise AssertionError unless the retriever keeps the rules of its seam.

    ``question`` has to be one for which it finds something.
    """
    rules = _Rules(retriever, "retrieve")
    for k in (1, 2, 10):
        rules.passages(retriever.retrieve(question, k), k)
    found = retriever.retrieve(question, 10)
    rules.must(found, f"nothing is found for {question!r}; pass a question that it answers")
    rules.must(
        _ranking(found) == _ranking(retriever.retrieve(question, 10)),
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
    rules = _Rules(reranker, "rerank")
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
        _ranking(reranker.rerank(QUESTIONS[1], given, 3))
        == _ranking(reranker.rerank(QUESTIONS[1], given, 3)),
        "the same question must give the same order again",
    )


def _ranking(passages: Sequence[Passage]) -> list[tuple[str, float]]:
    return [(passage.chunk.id, round(passage.score, 6)) for passage in passages]


def check_reader(reader: Reader, *, passages: Sequence[Passage] | None = None) -> None:
    """Raise AssertionError unless the reader keeps the rules of its seam."""
    rules = _Rules(reader, "read")
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


def _check_reading(rules: _Rules, reading: Reading, length: int) -> None:
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
    rules.must(
        all(one[1] <= other[0] for one, other in pairwise(reading.sentences)),
        "sentences must be in reading order and not overlap",
    )


# Rewriter, generator


_HISTORY = (
    Turn(role="user", text="How long do refunds take?"),
    Turn(role="assistant", text="Refunds take 14 days."),
)


def check_rewriter(rewriter: Rewriter) -> None:
    """Raise AssertionError unless the rewriter keeps the rules of its seam."""
    rules = _Rules(rewriter, "rewrite")
    for question in (*QUESTIONS, "and for gift cards?"):
        rules.must(
            rewriter.rewrite([], question) == question,
            f"without a history the question must stay as it is: {question!r}",
        )
    for history in (_HISTORY, _HISTORY[:1], _HISTORY[1:], _HISTORY * 20):
        given = list(history)
        for question in ("and for gift cards?", "How do I reset my password?", "why?", "😀"):
            rewritten = rewriter.rewrite(given, question)
            rules.must(
                isinstance(rewritten, str) and rewritten.strip(),
                f"must return a question, not {rewritten!r}",
            )
            rules.must(
                rewritten == rewriter.rewrite(given, question),
                "the same history and question must give the same again",
            )
        rules.must(given == list(history), "the history that was given must not be changed")


def check_generator(
    generator: Generator,
    *,
    questions: Sequence[str] = QUESTIONS,
    passages: Sequence[Passage] | None = None,
    deterministic: bool = True,
) -> None:
    """Raise AssertionError unless the generator keeps the rules of its seam.

    It has to answer at least one of the questions from the passages. Set ``deterministic`` to
    False for a language model that samples.
    """
    rules = _Rules(generator, "draft")
    given = list(passages if passages is not None else sample_passages())
    before = list(given)
    answered = 0
    for question in questions:
        for history in ((), _HISTORY):
            turns = list(history)
            drafted = list(generator.draft(question, given, turns))
            _check_sentences(rules, drafted, given)
            answered += bool(drafted)
            rules.must(turns == list(history), "the history that was given must not be changed")
            rules.must(given == before, "the passages that were given must not be changed")
            if deterministic:
                again = list(generator.draft(question, given, turns))
                rules.must(drafted == again, "the same input must give the same sentences again")
    rules.must(answered, "none of the questions was answered; pass questions that it answers")
    rules.must(
        not list(generator.draft(questions[0], [], [])),
        "without passages there must be no sentence: nothing could be cited",
    )


def _check_sentences(rules: _Rules, drafted: list[Sentence], given: list[Passage]) -> None:
    sources: dict[int, str] = {}
    for sentence in drafted:
        rules.must(
            isinstance(sentence, Sentence),
            f"must yield rag.types.Sentence, not {type(sentence).__name__}",
        )
        rules.must(sentence.text.strip(), "a sentence must not be empty")
        rules.must(sentence.citations, f"every sentence must be cited: {sentence.text!r} is not")
        for citation in sentence.citations:
            _check_citation(rules, citation, given)
            source = sources.setdefault(citation.number, citation.document_id)
            rules.must(
                source == citation.document_id,
                f"the number [{citation.number}] must stand for one document only",
            )


def _check_citation(rules: _Rules, citation: Citation, given: list[Passage]) -> None:
    """The quote is exactly what some given passage has at that place of its document."""
    number, start, end = citation.number, citation.start, citation.end
    passages = [p for p in given if p.chunk.document_id == citation.document_id]
    rules.must(passages, f"[{number}] cites a document that was not given: {citation.uri}")
    rules.must(start < end, f"[{number}] cites an empty span")
    exact = [
        p
        for p in passages
        if p.chunk.start <= start
        and end <= p.chunk.end
        and p.chunk.text[start - p.chunk.start : end - p.chunk.start] == citation.quote
    ]
    rules.must(
        exact,
        f"a quote must be the text at its offsets into the document: "
        f"{start}:{end} of {citation.uri} is not {citation.quote!r}",
    )
    head = (citation.document_digest, citation.uri, citation.title)
    rules.must(
        any(head == (p.document_digest, p.uri, p.title) for p in exact),
        f"digest, uri and title of [{number}] must be those of its passage",
    )


# Checker


_REFUND = "Refunds take 14 days from the day we receive the parcel."
_PLAN = "The Pro plan costs 19 euros a month."
_SLACK = 0.02
"""Least difference of support that counts: quantised models may differ a little by batch."""


def check_checker(checker: Checker) -> None:
    """Raise AssertionError unless the checker keeps the rules of its seam."""
    rules = _Rules(checker, "check")
    texts = [passage.chunk.text for passage in sample_passages()]
    _well_formed(rules, checker, texts)
    _not_judged(rules, checker, texts)
    _union(rules, checker, texts)
    _stable(rules, checker, texts)


def _well_formed(rules: _Rules, checker: Checker, texts: list[str]) -> None:
    rules.must(checker.check([], []) == [], "no claims must give no verdicts")
    claims = [_REFUND, "The office has a swimming pool on the roof.", _PLAN]
    verdicts = checker.check(claims, [texts] * 3)
    rules.must(len(verdicts) == 3, f"each claim must have a verdict: {len(verdicts)} for 3 claims")
    rules.must(
        [verdict.claim for verdict in verdicts] == claims,
        "verdicts must be in the order of the claims and repeat them",
    )
    for verdict in verdicts:
        rules.must(
            (verdict.label is None) == (verdict.support is None),
            "label and support must both be None, or neither",
        )
        if verdict.support is not None:
            rules.fraction(verdict.support, "support")
        for quote in verdict.evidence:
            rules.must(
                any(quote in text for text in texts),
                f"the evidence of a verdict must be verbatim from what was given: {quote!r}",
            )
    said, invented, also_said = verdicts
    for verdict in (said, also_said):
        rules.must(
            verdict.label == "supported",
            f"a claim that the evidence says word for word must be supported: {verdict.claim!r}",
        )
    rules.must(
        invented.label != "supported" and _support(invented) < _support(said),
        f"a claim about something else must not be supported: {invented.claim!r}",
    )


def _not_judged(rules: _Rules, checker: Checker, texts: list[str]) -> None:
    for empty in ("", "   "):
        verdict = checker.check([empty], [texts])[0]
        rules.must(
            verdict.label is None and verdict.support is None,
            "an empty claim must not be judged: label and support None, never 1.0",
        )
    for nothing in ([], [""], ["  ", ""]):
        verdict = checker.check([_REFUND], [nothing])[0]
        rules.must(
            verdict.label == "unsupported" and _support(verdict) <= _SLACK,
            f"without evidence a claim must be unsupported with support 0, not {verdict.label}",
        )


def _union(rules: _Rules, checker: Checker, texts: list[str]) -> None:
    """One passage's silence is no contradiction, and two may support a claim together."""
    alone = checker.check([_PLAN], [[_PLAN]])[0]
    among = checker.check([_PLAN], [[*texts, _PLAN]])[0]
    rules.must(
        among.label == alone.label and _support(among) >= _support(alone) - 0.1,
        "evidence is a union: passages that are silent must not take support away",
    )
    joined = f"{_REFUND} {_PLAN}"
    both, first, second = checker.check([joined] * 3, [[_REFUND, _PLAN], [_REFUND], [_PLAN]])
    rules.must(
        both.label == "supported" and _support(both) > max(_support(first), _support(second)),
        "evidence is a union: two passages must be able to support a claim together",
    )


def _stable(rules: _Rules, checker: Checker, texts: list[str]) -> None:
    claims = [_REFUND, "Refunds take 45 days.", "Software may be sent back.", _PLAN]
    batch = checker.check(claims, [texts] * len(claims))
    rules.must(
        batch == checker.check(claims, [texts] * len(claims)),
        "the same claims must get the same verdicts again",
    )
    backwards = checker.check(claims, [texts[::-1]] * len(claims))
    for verdict, turned in zip(batch, backwards, strict=True):
        single = checker.check([verdict.claim], [texts])[0]
        rules.must(
            abs(_support(verdict) - _support(turned)) <= _SLACK,
            f"the order of the evidence must not matter: {verdict.claim!r}",
        )
        rules.must(
            abs(_support(verdict) - _support(single)) <= _SLACK,
            f"a claim must get the same verdict alone and in a batch: {verdict.claim!r}",
        )


def _support(verdict: Verdict) -> float:
    return -1.0 if verdict.support is None else verdict.support


# Observer


def check_observer(observer: Observer) -> None:
    """Run the rules of ``rag.protocols.Observer``: it takes whatever comes, at once, quietly."""
    rules = _Rules(observer, "record")
    row = Row("0" * 16, time.time(), "How long do refunds take?", "How long do refunds take?")
    odd = replace(
        row, id="1" * 16, question="", language=None, error="ModelError: \ud800", cost=0.0
    )
    for given in (
        row,
        odd,
        Feedback(row.id, row.at, "wrong", "no"),
        Feedback("?", row.at, "opened"),
    ):
        began = time.perf_counter()
        try:
            returned = observer.record(given)  # type: ignore[func-returns-value]
        except Exception as error:
            raise AssertionError(f"{rules.name}: must not raise, it raised {error!r}") from error
        took = time.perf_counter() - began
        rules.must(returned is None, f"must return nothing, not {type(returned).__name__}")
        rules.must(took < _AT_ONCE, f"must not keep an answer waiting: it took {took:.2f} s")
