"""Each rule of each seam is caught when a stage breaks it, and correct stages pass."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
from stages import (
    EchoRewriter,
    HashEmbedder,
    SentenceGenerator,
    SentenceReader,
    WordChecker,
    WordReranker,
    WordRetriever,
)

import rag.testing
from rag.answer.extract import ExtractiveGenerator
from rag.errors import QuestionError
from rag.ground.checker import SupportChecker
from rag.models.embedder import BuiltInEmbedder
from rag.models.support import SupportModel
from rag.protocols import Embedder
from rag.retrieve.query_rewriting import RuleRewriter
from rag.settings import Settings
from rag.testing import (
    check_checker,
    check_embedder,
    check_generator,
    check_reader,
    check_reranker,
    check_retriever,
    check_rewriter,
    sample_documents,
    sample_passages,
)
from rag.types import Chunk, Passage, Reading, Turn, Verdict


def breaking(stage: Any, verb: str, change: Callable[[Any], Any]) -> Any:
    """Let the result of one method pass through ``change``."""
    method = getattr(stage, verb)

    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(stage, name)

    broken = Broken()
    setattr(broken, verb, lambda *args, **kwargs: change(method(*args, **kwargs)))
    return broken


def test_public_names() -> None:
    assert sorted(rag.testing.__all__) == rag.testing.__all__
    for name in rag.testing.__all__:
        assert callable(getattr(rag.testing, name))


def test_sample_passages_are_exact() -> None:
    documents = {document.id: document for document in sample_documents()}
    passages = sample_passages()
    assert passages == sample_passages()
    assert sum(passage.chunk.start > 0 for passage in passages) > 2
    for passage in passages:
        chunk = passage.chunk
        document = documents[chunk.document_id]
        assert document.text[chunk.start : chunk.end] == chunk.text
        assert document.digest == passage.document_digest
    scores = [passage.score for passage in passages]
    assert scores == sorted(scores, reverse=True)


def test_correct_stages_pass() -> None:
    check_embedder(HashEmbedder())
    check_retriever(WordRetriever(sample_passages()))
    check_reranker(WordReranker())
    check_reader(SentenceReader())
    check_rewriter(EchoRewriter())
    check_generator(SentenceGenerator())
    check_checker(WordChecker())


def test_our_embedder() -> None:
    # What is remembered would hide what a batch does to a vector.
    check_embedder(BuiltInEmbedder(remembered=0))


def test_our_checker(embedder: Embedder) -> None:
    check_checker(SupportChecker(SupportModel(), embedder, Settings().ground))


def test_our_rewriter() -> None:
    check_rewriter(RuleRewriter())


def test_our_generator() -> None:
    check_generator(ExtractiveGenerator(Settings().answer))


# Embedder


def attribute(name: str, value: Any) -> Any:
    return type("Changed", (HashEmbedder,), {name: value})()


_calls = count(1)
BROKEN_EMBEDDERS = {
    "there must be a method": object(),
    "identity must be a text": attribute("identity", ""),
    "identity must stay the same": attribute("identity", property(lambda _: f"{next(_calls)}")),
    "dimension must be a positive": attribute("dimension", 0),
    "max_tokens must be a positive": attribute("max_tokens", None),
    "languages must be a frozenset": attribute("languages", ["english"]),
    "special tokens do not count": attribute("count_tokens", lambda _, t: len(t.split()) + 2),
    "must grow with the text": attribute("count_tokens", lambda _, t: min(len(t.split()), 512)),
    "must return a numpy array": breaking(HashEmbedder(), "embed", lambda v: v.tolist()),
    "the shape must be": breaking(HashEmbedder(), "embed", lambda v: v[:, :-1]),
    "the type must be float32": breaking(HashEmbedder(), "embed", lambda v: v.astype(float)),
    "every number must be finite": breaking(HashEmbedder(), "embed", lambda v: v / np.float32(0)),
    "rows must have length 1": breaking(HashEmbedder(), "embed", lambda v: v * 2),
    "no texts must give shape": breaking(
        HashEmbedder(), "embed", lambda v: v if len(v) else np.zeros((0,), np.float32)
    ),
    "the same vectors again": breaking(
        HashEmbedder(), "embed", lambda v: np.roll(v, next(_calls), axis=1)
    ),
    "row i must belong to text i": breaking(
        HashEmbedder(), "embed", lambda v: v[np.argsort(v @ v.sum(axis=0))]
    ),
    "alone and in a batch": breaking(
        HashEmbedder(), "embed", lambda v: np.roll(v, len(v) == 1, axis=1)
    ),
    "a paraphrase must be nearer": breaking(
        HashEmbedder(), "embed", lambda v: np.eye(256, dtype=np.float32)[v.argmax(axis=1) * 0]
    ),
}


@pytest.mark.parametrize("rule", BROKEN_EMBEDDERS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_broken_embedders(rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_embedder(BROKEN_EMBEDDERS[rule])


# Retriever, reranker, reader


def changed(passage: Passage, **fields: Any) -> Passage:
    return passage.model_copy(update=fields)


def invented(passage: Passage) -> Passage:
    return changed(passage, chunk=passage.chunk.model_copy(update={"id": "invented"}))


def shifted(passage: Passage) -> Passage:
    return changed(passage, chunk=passage.chunk.model_copy(update={"end": passage.chunk.end + 1}))


def first(change: Callable[[Passage], Passage]) -> Callable[[list[Passage]], list[Passage]]:
    return lambda found: [change(found[0]), *found[1:]] if found else found


LIST_RULES: dict[str, Callable[[list[Passage]], Any]] = {
    "must return a list": tuple,
    "every item must be a rag.Passage": lambda found: [p.model_dump() for p in found],
    "the same chunk must not be returned twice": lambda f: [f[0], *f[:-1]] if len(f) > 1 else f,
    "a score must be finite": first(lambda p: changed(p, score=float("nan"))),
    "but has": first(shifted),
    "scores must descend": lambda found: found[::-1],
}


@pytest.mark.parametrize("rule", LIST_RULES)
def test_broken_lists(rule: str) -> None:
    retriever = WordRetriever(sample_passages())
    with pytest.raises(AssertionError, match=rule):
        check_retriever(breaking(retriever, "retrieve", LIST_RULES[rule]))
    with pytest.raises(AssertionError, match=rule):
        check_reranker(breaking(WordReranker(), "rerank", LIST_RULES[rule]))


class Careless(WordRetriever):
    def retrieve(self, question: str, k: int) -> list[Passage]:
        if not question.strip():
            raise ZeroDivisionError
        return super().retrieve(question, k)


class Strict(WordRetriever):
    def retrieve(self, question: str, k: int) -> list[Passage]:
        if not question.strip():
            raise QuestionError("The question is empty.")
        return super().retrieve(question, k)


class Generous(WordRetriever):
    def retrieve(self, question: str, k: int) -> list[Passage]:
        return super().retrieve(question, k + 1)


class Moody(WordRetriever):
    def retrieve(self, question: str, k: int) -> list[Passage]:
        mood = next(_calls)
        return [changed(p, score=p.score + mood) for p in super().retrieve(question, k)]


def test_broken_retrievers() -> None:
    check_retriever(Strict(sample_passages()))
    for broken, rule in (
        (Generous(sample_passages()), "at most k passages"),
        (Careless(sample_passages()), "must give passages or a RagError"),
        (Moody(sample_passages()), "same order again"),
        (WordRetriever([]), "pass a question that it answers"),
    ):
        with pytest.raises(AssertionError, match=rule):
            check_retriever(broken)


def without_rerank(passage: Passage) -> Passage:
    return changed(passage, scores={k: v for k, v in passage.scores.items() if k != "rerank"})


RERANKER_RULES: dict[str, Callable[[list[Passage]], Any]] = {
    "must not invent passages": first(invented),
    "must not change a passage": first(lambda p: changed(p, title="Another")),
    "must be set on every passage": first(without_rerank),
    "scores of earlier stages": first(lambda p: changed(p, scores={"rerank": p.score})),
    "return k passages where there are as many": lambda found: found[:2],
}


@pytest.mark.parametrize("rule", RERANKER_RULES)
def test_broken_rerankers(rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_reranker(breaking(WordReranker(), "rerank", RERANKER_RULES[rule]))


class Emptying(WordReranker):
    def rerank(self, question: str, passages: Any, k: int) -> list[Passage]:
        found = super().rerank(question, passages, k)
        if k > len(passages) > 0:
            passages.clear()
        return found


class Inventive(WordReranker):
    def rerank(self, question: str, passages: Any, k: int) -> list[Passage]:
        return super().rerank(question, passages or sample_passages(), k)


class Undecided(WordReranker):
    def rerank(self, question: str, passages: Any, k: int) -> list[Passage]:
        found = super().rerank(question, passages, k)
        mood = next(_calls)
        return [changed(p, score=p.score + mood) for p in found]


def test_rerankers_that_misuse_their_input() -> None:
    for broken, rule in (
        (Emptying(), "that was given must not be changed"),
        (Inventive(), "no passages must give an empty list"),
        (Undecided(), "the same order again"),
    ):
        with pytest.raises(AssertionError, match=rule):
            check_reranker(broken)


def reading(**fields: Any) -> Callable[[list[Passage]], list[Passage]]:
    values = {"relevance": 0.5, "no_answer": 0.5, **fields}
    return first(lambda p: changed(p, reading=Reading(**values)))


READER_RULES: dict[str, Callable[[list[Passage]], Any]] = {
    "must return a list": tuple,
    "same passages in the same order": lambda found: found[::-1],
    "must not change a passage": first(lambda p: changed(p, score=9.0)),
    "reading must be set": first(lambda p: changed(p, reading=None)),
    "relevance must be between": reading(relevance=3.0),
    "no_answer must be between": reading(no_answer=float("nan")),
    "a span must lie in": reading(answers=((0, 9999, 0.5),)),
    "probability of a span": reading(answers=((0, 3, 7.0),)),
    "answers must be best first": reading(answers=((0, 3, 0.1), (0, 4, 0.9))),
    "reading order and not overlap": reading(sentences=((0, 9, 0.1), (5, 12, 0.9))),
    "must read the same again": first(
        lambda p: changed(p, reading=Reading(relevance=1 / next(_calls), no_answer=0.5))
    ),
}


@pytest.mark.parametrize("rule", READER_RULES)
def test_broken_readers(rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_reader(breaking(SentenceReader(), "read", READER_RULES[rule]))


def test_a_reader_that_invents_from_nothing() -> None:
    class Inventing(SentenceReader):
        def read(self, question: str, passages: Any) -> list[Passage]:
            return super().read(question, passages or sample_passages())

    with pytest.raises(AssertionError, match="no passages must give an empty list"):
        check_reader(Inventing())


# Rewriter, generator


class Forgetful(EchoRewriter):
    def rewrite(self, history: Any, question: str) -> str:
        rewritten = super().rewrite(history, question)
        if len(history) > 1:
            history.pop()
        return rewritten


def test_broken_rewriters() -> None:
    for broken, rule in (
        (breaking(EchoRewriter(), "rewrite", str.upper), "without a history"),
        (Forgetful(), "must give the same again|must not be changed"),
        (breaking(EchoRewriter(), "rewrite", lambda q: "" if "(" in q else q), "return a question"),
        (
            breaking(EchoRewriter(), "rewrite", lambda q: f"{q}{next(_calls)}" if "(" in q else q),
            "must give the same again",
        ),
    ):
        with pytest.raises(AssertionError, match=rule):
            check_rewriter(broken)


def cited(**fields: Any) -> Callable[[Any], list[Any]]:
    def change(drafted: Any) -> list[Any]:
        return [
            sentence.model_copy(
                update={"citations": (sentence.citations[0].model_copy(update=fields),)}
            )
            for sentence in drafted
        ]

    return change


GENERATOR_RULES: dict[str, Callable[[Any], Any]] = {
    "must yield rag.types.Sentence": lambda drafted: [s.text for s in drafted],
    "a sentence must not be empty": lambda d: [s.model_copy(update={"text": " "}) for s in d],
    "every sentence must be cited": lambda d: [s.model_copy(update={"citations": ()}) for s in d],
    "cites a document that was not given": cited(document_id="nowhere"),
    "cites an empty span": cited(start=7, end=7, quote=""),
    "a quote must be the text at its offsets": cited(quote="Something else."),
    "digest, uri and title": cited(title="Another"),
    "none of the questions was answered": lambda drafted: [],
    "same sentences again": lambda d: [
        s.model_copy(update={"text": f"{s.text} {next(_calls)}"}) for s in d
    ],
}


@pytest.mark.parametrize("rule", GENERATOR_RULES)
def test_broken_generators(rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_generator(breaking(SentenceGenerator(), "draft", GENERATOR_RULES[rule]))


def test_an_offset_into_the_chunk_is_caught() -> None:
    """The classic mistake: chunk offsets passed on as if they were the document's."""

    def change(drafted: Any) -> list[Any]:
        changed_sentences = []
        for sentence in drafted:
            citation = sentence.citations[0]
            moved = {"start": citation.start + 1, "end": citation.end + 1}
            changed_sentences.append(
                sentence.model_copy(update={"citations": (citation.model_copy(update=moved),)})
            )
        return changed_sentences

    with pytest.raises(AssertionError, match="a quote must be the text at its offsets"):
        check_generator(breaking(SentenceGenerator(), "draft", change))


def test_generators_that_misuse_their_input() -> None:
    class Remembering(SentenceGenerator):
        def draft(self, question: str, passages: Any, history: Any) -> Any:
            history.append(Turn(role="user", text=question))
            return super().draft(question, passages, [])

    class Shuffling(SentenceGenerator):
        def draft(self, question: str, passages: Any, history: Any) -> Any:
            passages.reverse()
            return iter(list(super().draft(question, passages, history)))

    class Inventing(SentenceGenerator):
        def draft(self, question: str, passages: Any, history: Any) -> Any:
            return super().draft(question, passages or sample_passages(), history)

    class OneNumber(SentenceGenerator):
        def draft(self, question: str, passages: Any, history: Any) -> Any:
            for document in dict.fromkeys(p.chunk.document_id for p in passages):
                mine = [p for p in passages if p.chunk.document_id == document]
                yield from super().draft("refunds cost password", mine, history)

    for broken, rule in (
        (Remembering(), "the history that was given"),
        (Shuffling(), "the passages that were given"),
        (Inventing(), "without passages there must be no sentence"),
        (OneNumber(), "must stand for one document only"),
    ):
        with pytest.raises(AssertionError, match=rule):
            check_generator(broken)


def test_a_sampling_generator_may_vary() -> None:
    vary = GENERATOR_RULES["same sentences again"]
    check_generator(breaking(SentenceGenerator(), "draft", vary), deterministic=False)


# Checker


def judged(**fields: Any) -> Callable[[list[Verdict]], list[Verdict]]:
    return lambda verdicts: [
        v.model_copy(update=fields) if v.label is not None else v for v in verdicts
    ]


CHECKER_RULES: dict[str, Callable[[list[Verdict]], Any]] = {
    "each claim must have a verdict": lambda verdicts: verdicts[:2],
    "in the order of the claims": lambda verdicts: verdicts[::-1],
    "both be None, or neither": judged(support=None),
    "support must be between": judged(support=1.5),
    "must be verbatim": judged(evidence=("A sentence from elsewhere.",)),
    "word for word must be supported": judged(label="partial"),
    "a claim about something else": judged(label="supported", support=0.9),
    "no claims must give no verdicts": lambda v: v or [Verdict(claim="")],
    "an empty claim must not be judged": lambda verdicts: [
        v if v.label else v.model_copy(update={"label": "supported", "support": 1.0})
        for v in verdicts
    ],
    "the same verdicts again": lambda verdicts: [
        v.model_copy(update={"reasons": (str(next(_calls)),)}) for v in verdicts
    ],
}


@pytest.mark.parametrize("rule", CHECKER_RULES)
def test_broken_checkers(rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_checker(breaking(WordChecker(), "check", CHECKER_RULES[rule]))


class Optimist(WordChecker):
    def _one(self, claim: str, texts: Any) -> Verdict:
        texts = [text for text in texts if text.strip()] or [claim]
        return super()._one(claim, texts).model_copy(update={"evidence": ()})


class Strictest(WordChecker):
    """The trap: one silent passage counts against the claim."""

    def _one(self, claim: str, texts: Any) -> Verdict:
        verdicts = [super(Strictest, self)._one(claim, [text]) for text in texts]
        return min(verdicts, key=lambda v: v.support or 0.0, default=super()._one(claim, texts))


class Single(WordChecker):
    """The other trap: the best passage alone decides."""

    def _one(self, claim: str, texts: Any) -> Verdict:
        verdicts = [super(Single, self)._one(claim, [text]) for text in texts]
        return max(verdicts, key=lambda v: v.support or 0.0, default=super()._one(claim, texts))


class FirstOnly(WordChecker):
    def _one(self, claim: str, texts: Any) -> Verdict:
        verdict = super()._one(claim, texts)
        if len(texts) > 3 and "45" in claim and verdict.support:
            bonus = 0.1 if "14 days" in "".join(texts[:2]) else 0.0
            return verdict.model_copy(update={"support": max(0.0, verdict.support - bonus)})
        return verdict


class Crowd(WordChecker):
    def check(self, claims: Any, evidence: Any) -> list[Verdict]:
        verdicts = super().check(claims, evidence)
        return [
            v.model_copy(update={"support": v.support / 2})
            if len(claims) > 3 and "45" in v.claim and v.support
            else v
            for v in verdicts
        ]


def test_checkers_that_misjudge() -> None:
    for broken, rule in (
        (Optimist(), "without evidence a claim must be unsupported"),
        (Strictest(), "word for word must be supported|silent must not take support"),
        (Single(), "two passages must be able"),
        (FirstOnly(), "order of the evidence must not matter"),
        (Crowd(), "alone and in a batch"),
    ):
        with pytest.raises(AssertionError, match=rule):
            check_checker(broken)


def test_a_chunk_needs_no_index() -> None:
    """A user's own passages work as well as ours."""
    text = "Parcels cost 4 euros."
    passage = Passage(
        chunk=Chunk(id="c", document_id="d", start=5, end=5 + len(text), text=text),
        document_digest="x", title="Parcels", uri="file:///p", score=1.0,
    )  # fmt: skip
    check_generator(SentenceGenerator(), passages=[passage], questions=["What do parcels cost?"])
    check_reranker(WordReranker(), passages=[passage])
    check_reader(SentenceReader(), passages=[passage])
