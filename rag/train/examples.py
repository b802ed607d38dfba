"""Training examples for the reader: pairs of texts with what each of its heads should say.

Questions with passages come from question-answering sets, claims with evidence from grounding sets;
both are also made harder here, by rule and with a seed: passages that look right and hold no
answer, questions whose names and numbers were exchanged, claims whose figures or negations were
changed. Whole articles, documents and sets are held apart for the figures (``HELD``).
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.ingest.chunk import chunk_document
from rag.settings import ChunkSettings
from rag.text.sentences import sentences
from rag.text.terms import STOPWORDS, content_terms
from rag.types import Document, digest_of

if TYPE_CHECKING:
    from rag.protocols import Embedder

CHUNK = ChunkSettings()
SHIPPED_QA = ("squad1-train", "squad2-dev-half", "qed-train", "policyqa-dev", "covidqa")
SHIPPED_CLAIMS = ("snli", "wice-dev", "begin-dev", "summedits-news", "summedits-samsum",
                  "summedits-scitldr")  # fmt: skip
HELD_CLAIMS = ("healthver-dev", "climate-fever", "scifact-train", "sick", "q2",
               "summedits-podcast", "summedits-qmsumm")  # fmt: skip
"""Grounding sets that no weight has seen: they decide, and some have no licence to train on."""


@dataclass(frozen=True)
class Example:
    """Two texts and the targets of the heads; None where a head has nothing to learn from it.

    ``start`` and ``end`` are characters of ``second``; both -1 means that no answer is there.
    ``prefix`` characters of ``second`` are title and headings, where no answer can be.
    """

    first: str
    second: str
    source: str
    prefix: int = 0
    relevance: float | None = None
    start: int | None = None
    end: int | None = None
    support: float | None = None


@dataclass(frozen=True)
class Question:
    """A question of a set with its chunk: offsets of the answer are into the chunk's text."""

    id: str
    text: str
    title: str
    chunk: str
    start: int
    end: int
    source: str
    article: str
    answerable: bool = True


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def held(name: str, *, tenths: int = 1) -> bool:
    """Tell whether an article or a group is held apart: one or more tenths of them, by digest."""
    return int(digest_of("held", name)[:8], 16) % 10 < tenths


# Questions


def read_questions(
    data: Path, name: str, count_tokens: Callable[[str], int], *, held_apart: bool
) -> list[Question]:
    """Return the questions of a set, each with the chunk of its context that holds the answer."""
    found = []
    chunks = Chunks(count_tokens)
    for row in rows(data / "qa" / f"{name}.jsonl.gz"):
        article = f"{name}/{row['title'] or row.get('doc_id') or digest_of(row['context'])}"
        # SQuAD 2 has sixteen articles: a quarter of them, so that one odd article does not decide.
        if held(article, tenths=3 if name == "squad2-dev-half" else 1) != held_apart:
            continue
        question = question_of(row, name, article, chunks)
        if question is not None:
            found.append(question)
    return found


def question_of(row: dict[str, Any], source: str, article: str, chunks: Chunks) -> Question | None:
    """Return a row's question with its chunk; None where nobody says where the answer is."""
    place = _answer_place(row)
    if place is None:
        return None
    piece, start, end = chunks.around(row["title"], row["context"], *place)
    return Question(row["id"], row["question"], row["title"], piece, start, end, source, article,
                    bool(row["answerable"]))  # fmt: skip


def _answer_place(row: dict[str, Any]) -> tuple[int, int] | None:
    """Return the first answer's place in the context, (-1, -1) for none, None if not known."""
    if not row["answerable"]:
        return -1, -1
    for answer in row["answers"]:
        starts = [answer["start"]] if answer["start"] >= 0 else answer.get("starts", [])
        if starts:
            # The text may occur several times; the sentence that shares most words is meant.
            best = max(starts, key=lambda s: _shared(row["question"], row["context"], s))
            return best, best + len(answer["text"])
    return None


def _shared(question: str, context: str, start: int) -> int:
    """Return how many terms of the question stand in the sentence at a place."""
    here = next((s for s in sentences(context) if s.start <= start < s.end), None)
    said = context[here.start : here.end] if here else ""
    return len(set(content_terms(question)) & set(content_terms(said)))


class Chunks:
    """Cuts contexts as ingestion does and remembers them."""

    def __init__(self, count_tokens: Callable[[str], int]) -> None:
        self._count = count_tokens
        self._known: dict[str, list[tuple[int, int]]] = {}

    def of(self, title: str, text: str) -> list[tuple[int, int]]:
        """Return (start, end) of the chunks of a text."""
        key = digest_of(title, text)
        if key not in self._known:
            document = Document.make(uri="t", title=title, text=text, language="en")
            self._known[key] = [
                (c.start, c.end) for c in chunk_document(document, CHUNK, self._count, "")
            ]
        return self._known[key]

    def around(self, title: str, text: str, start: int, end: int) -> tuple[str, int, int]:
        """Return the chunk that holds a span and the span in it; the longest chunk for no span."""
        cut = self.of(title, text) or [(0, len(text))]
        if start < 0:
            a, b = max(cut, key=lambda c: c[1] - c[0])
            return text[a:b], -1, -1
        for a, b in cut:
            if a <= start and end <= b:
                return text[a:b], start - a, end - a
        # The answer runs over the edge of a chunk: both chunks then.
        a = max(c[0] for c in cut if c[0] <= start)
        b = min((c[1] for c in cut if c[1] >= end), default=len(text))
        return text[a:b], start - a, end - a


def second_text(title: str, text: str) -> tuple[str, int]:
    """Return what a passage looks like to the reader, and how much of it is not its text."""
    return (f"{title}\n{text}", len(title) + 1) if title else (text, 0)


def from_question(question: Question, random_: random.Random) -> Example:
    """Return the pair of a question and its own chunk."""
    title = question.title if random_.random() < 0.7 else ""
    second, prefix = second_text(title, question.chunk)
    known = question.answerable
    return Example(
        first=asked(question.text, random_),
        second=second,
        source=question.source,
        prefix=prefix,
        # An unanswerable question is about its paragraph: how relevant that is, nobody says.
        relevance=1.0 if known else None,
        start=question.start + prefix if known else -1,
        end=question.end + prefix if known else -1,
    )


def asked(question: str, random_: random.Random) -> str:
    """Return a question as people type it: mostly as it is, at times without mark or as words."""
    roll = random_.random()
    if roll < 0.75:
        return question
    if roll < 0.88:
        return question.rstrip(" ?")
    if roll < 0.95:
        return _words(question)
    letters = list(question)
    place = random_.randrange(max(1, len(letters) - 1))
    letters[place : place + 2] = reversed(letters[place : place + 2])
    return "".join(letters)


def _words(text: str) -> str:
    """Return a text without its common words, as people type into a search box."""
    words = [w for w in re.findall(r"[\w'’.-]+", text) if w.lower() not in STOPWORDS]
    return " ".join(words) if len(words) > 1 else text


Place = tuple[str, str, str]  # article, title, text of a chunk


def hard_negatives(
    questions: Sequence[Question], embedder: Embedder, random_: random.Random, count: int
) -> list[Example]:
    """Return pairs of questions with chunks near them that do not hold their answers.

    Near is: of the ten nearest chunks by cosine, one that neither is the gold one nor contains an
    answer, drawn evenly. Half come from any article, half from the question's own.
    """
    chosen = random_.sample(list(questions), min(count, len(questions)))
    found = []
    for question, usable in zip(
        chosen, near_misses(chosen, questions, embedder, random_), strict=True
    ):
        if usable:
            found.append(
                _not_here(asked(question.text, random_), random_.choice(usable),
                          f"{question.source}/negative", random_)
            )  # fmt: skip
    return found


def near_misses(
    chosen: Sequence[Question],
    questions: Sequence[Question],
    embedder: Embedder,
    random_: random.Random,
) -> list[list[Place]]:
    """Return for each chosen question the chunks near it that do not hold its answer.

    The chunks are those of ``questions``; for half of the chosen, of the same article.
    """
    pool = _chunks_of(questions)
    near = _nearest(
        [q.text for q in chosen],
        [q.article if random_.random() < 0.5 else None for q in chosen],
        pool,
        embedder,
    )
    found = []
    for question, ranked in zip(chosen, near, strict=True):
        answer = question.chunk[question.start : question.end].lower()
        found.append(
            [
                pool[n] for n in ranked
                if pool[n][2] != question.chunk and answer not in pool[n][2].lower()
            ]
        )  # fmt: skip
    return found


def sought_sentences(
    questions: Sequence[Question], embedder: Embedder, random_: random.Random, count: int
) -> list[Example]:
    """Return pairs for statements and keywords: a sentence with what stood around it, or near it.

    The inverse cloze task (Lee et al., "Latent Retrieval for Weakly Supervised Open Domain Question
    Answering", ACL 2019): a sentence is taken out of its chunk, which stays relevant to it; a near
    chunk of another article is not. Half of the sentences are cut down to their words.
    """
    pool = _chunks_of(questions)
    chosen: list[tuple[str, Place, str]] = []
    for place in random_.sample(pool, len(pool)):
        if len(chosen) == count // 2:
            break
        spans = [s for s in sentences(place[2]) if 40 < s.end - s.start < 250]
        if len(spans) > 2:
            span = random_.choice(spans)
            rest = place[2][: span.start] + place[2][span.end :].lstrip()
            chosen.append((place[2][span.start : span.end], place, rest.strip()))
    near = _nearest([said for said, _, _ in chosen], [None] * len(chosen), pool, embedder)
    found = []
    for (said, place, rest), ranked in zip(chosen, near, strict=True):
        query = _words(said) if random_.random() < 0.5 else said
        second, prefix = second_text(place[1] if random_.random() < 0.5 else "", rest)
        found.append(Example(query, second, "sought", prefix, relevance=1.0))
        usable = [n for n in ranked if pool[n][0] != place[0]]
        if usable:
            pair = _not_here(query, pool[random_.choice(usable)], "sought/negative", random_)
            found.append(replace(pair, start=None, end=None))
    return found


def _chunks_of(questions: Sequence[Question]) -> list[Place]:
    return sorted({(q.article, q.title, q.chunk) for q in questions})


def _not_here(query: str, place: Place, source: str, random_: random.Random) -> Example:
    second, prefix = second_text(place[1] if random_.random() < 0.7 else "", place[2])
    return Example(query, second, source, prefix, relevance=0.0, start=-1, end=-1)


def _nearest(
    queries: Sequence[str],
    within: Sequence[str | None],
    pool: Sequence[Place],
    embedder: Embedder,
    count: int = 12,
) -> list[list[int]]:
    """Return the positions of the nearest chunks of each query, in an article if one is named."""
    vectors = np.asarray(embedder.embed([f"{title}\n{text}" for _, title, text in pool]))
    members: dict[str, list[int]] = defaultdict(list)
    for position, (article, _, _) in enumerate(pool):
        members[article].append(position)
    asked_vectors = np.asarray(embedder.embed(list(queries), query=True))
    found: list[list[int]] = []
    for begin in range(0, len(queries), 256):
        scores = asked_vectors[begin : begin + 256] @ vectors.T
        for inside, row in zip(within[begin : begin + 256], scores, strict=True):
            places = np.arange(len(pool)) if inside is None else np.array(members[inside])
            if len(places) > count:
                places = places[np.argpartition(-row[places], count)[:count]]
            found.append([int(n) for n in sorted(places, key=lambda n: (-row[n], n))])
    return found


# Questions that were changed so that their passage no longer answers them

_NAME = re.compile(r"(?<![.?!] )(?<!^)\b[A-Z][\w’'-]+(?: (?:of |the )?[A-Z][\w’'-]+)*")
_NUMBER = re.compile(r"\b\d[\d,.]*\b(?<![.,])")
_OPPOSITES = {
    a: b
    for pair in (
        "first last", "before after", "largest smallest", "highest lowest", "most least",
        "more fewer", "north south", "east west", "increase decrease", "begin end",
        "longest shortest", "oldest newest", "early late", "father mother", "brother sister",
        "win lose", "won lost", "maximum minimum", "old new", "male female", "upper lower",
        "best worst", "majority minority", "earliest latest", "founded dissolved", "born die",
        "public private", "positive negative", "rise fall", "major minor", "inside outside",
        "always never", "accept refuse", "allow forbid", "with without", "above below",
        "buy sell", "enable disable", "add remove", "open close", "include exclude",
    )
    for a, b in (pair.split(), pair.split()[::-1])
}  # fmt: skip


def changed(question: str, others: str, random_: random.Random) -> str | None:
    """Return a question that asks something else: a name, a number or a word was exchanged."""
    ways: list[tuple[re.Match[str], str]] = []
    names = list(_NAME.finditer(question))
    elsewhere = [n for n in _NAME.findall(others) if n not in question]
    if names and elsewhere:
        ways.append((random_.choice(names), random_.choice(elsewhere)))
    numbers = list(_NUMBER.finditer(question))
    if numbers:
        match = random_.choice(numbers)
        ways.append((match, _another_number(match.group(), random_)))
    for match in re.finditer(r"\w+", question):
        if (other := _OPPOSITES.get(match.group().lower())) is not None:
            ways.append((match, other))
    if not ways:
        return None
    match, new = random_.choice(ways)
    return question[: match.start()] + new + question[match.end() :]


def _another_number(text: str, random_: random.Random) -> str:
    digits = [n for n, c in enumerate(text) if c.isdigit()]
    place = random_.choice(digits)
    choices = [d for d in "123456789" if d != text[place]]
    return text[:place] + random_.choice(choices) + text[place + 1 :]


def changed_questions(
    questions: Sequence[Question], random_: random.Random, count: int
) -> list[Example]:
    """Return pairs of changed questions with the chunk that answered them before."""
    texts: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        texts[question.article].append(question.text)
    found: list[Example] = []
    for question in random_.sample(list(questions), len(questions)):
        if len(found) == count:
            break
        others = " ".join(random_.choices(texts[question.article], k=6)) + " " + question.chunk
        other = changed(question.text, others, random_)
        if other:
            pair = from_question(replace(question, answerable=False, text=other), random_)
            found.append(replace(pair, source=f"{question.source}/changed"))
    return found
