"""The rules of a ``Rewriter`` and a ``Generator``."""

from __future__ import annotations

from collections.abc import Sequence

from rag.protocols import Generator, Rewriter
from rag.testing.rules import Rules
from rag.testing.samples import QUESTIONS, sample_passages
from rag.types import Citation, Passage, Sentence, Turn


def _history() -> list[Turn]:
    return [
        Turn(role="user", text="How long do refunds take?"),
        Turn(role="assistant", text="Refunds take 14 days."),
    ]


def check_rewriter(rewriter: Rewriter) -> None:
    """Raise AssertionError unless the rewriter keeps the rules of its seam."""
    rules = Rules(rewriter, "rewrite")
    for question in (*QUESTIONS, "and for gift cards?"):
        rules.must(
            rewriter.rewrite([], question) == question,
            f"without a history the question must stay as it is: {question!r}",
        )
    histories = (_history(), _history()[:1], _history()[1:], _history() * 20)
    for given in histories:
        before = list(given)
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
        rules.must(given == before, "the history that was given must not be changed")


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
    rules = Rules(generator, "draft")
    given = list(passages if passages is not None else sample_passages())
    before = list(given)
    answered = 0
    for question in questions:
        for history in ([], _history()):
            turns = list(history)
            drafted = list(generator.draft(question, given, turns))
            _check_sentences(rules, drafted, given)
            answered += bool(drafted)
            rules.must(turns == history, "the history that was given must not be changed")
            rules.must(given == before, "the passages that were given must not be changed")
            if deterministic:
                again = list(generator.draft(question, given, turns))
                rules.must(drafted == again, "the same input must give the same sentences again")
    rules.must(answered, "none of the questions was answered; pass questions that it answers")
    rules.must(
        not list(generator.draft(questions[0], [], [])),
        "without passages there must be no sentence: nothing could be cited",
    )


def _check_sentences(rules: Rules, drafted: list[Sentence], given: list[Passage]) -> None:
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


def _check_citation(rules: Rules, citation: Citation, given: list[Passage]) -> None:
    """The quote is exactly what some given passage has at that place of its document."""
    passages = [p for p in given if p.chunk.document_id == citation.document_id]
    rules.must(passages, f"[{citation.number}] cites a document that was not given: {citation.uri}")
    rules.must(citation.start < citation.end, f"[{citation.number}] cites an empty span")
    exact = [
        passage
        for passage in passages
        if passage.chunk.start <= citation.start
        and citation.end <= passage.chunk.end
        and passage.chunk.text[
            citation.start - passage.chunk.start : citation.end - passage.chunk.start
        ]
        == citation.quote
    ]
    rules.must(
        exact,
        f"a quote must be the text at its offsets into the document: "
        f"{citation.start}:{citation.end} of {citation.uri} is not {citation.quote!r}",
    )
    rules.must(
        any(
            (citation.document_digest, citation.uri, citation.title)
            == (p.document_digest, p.uri, p.title)
            for p in exact
        ),
        f"digest, uri and title of [{citation.number}] must be those of its passage",
    )
