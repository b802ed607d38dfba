"""Training examples for the reader: pairs of texts with what each of its heads should say.

Questions with passages come from question-answering sets, and are also made harder here, by rule
and with a seed: passages that look right and hold no answer, questions whose names and numbers were
exchanged. Whole articles and sets are held apart for the figures (``held``).
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from rag.ingest.chunk import chunk_document
from rag.settings import ChunkSettings
from rag.text.sentences import sentences
from rag.text.terms import STOPWORDS, content_terms
from rag.types import Document, digest_of

if TYPE_CHECKING:
    from rag.protocols import Embedder

Item = TypeVar("Item")

SHIPPED_QA = ("squad1-train", "squad2-dev-half", "qed-train", "policyqa-dev", "covidqa")
HELD_CLAIMS = ("healthver-dev", "climate-fever", "scifact-train", "sick", "q2",
               "summedits-podcast", "summedits-qmsumm")  # fmt: skip
"""Grounding sets that no weight has seen: they decide, and some have no licence to train on."""


@dataclass(frozen=True)
class Example:
    """Two texts and what a model should say of them; None where it has nothing to learn from it.

    ``start`` and ``end`` are characters of ``second``; both -1 means that no answer is there.
    ``prefix`` characters of ``second`` are title and headings, where no answer can be. ``support``
    is the checker's: how far ``second`` bears out the claim ``first``.
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

    @property
    def answer(self) -> str:
        """The words of the answer."""
        return self.chunk[self.start : self.end]


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def save(items: Iterable[Any], file: Path) -> None:
    """Write dataclass instances as gzipped JSON lines: making examples takes minutes."""
    fresh = file.with_suffix(".new")
    with gzip.open(fresh, "wt", encoding="utf-8") as lines:
        for item in items:
            lines.write(json.dumps(asdict(item), ensure_ascii=False) + "\n")
    fresh.replace(file)


def load(file: Path, kind: type[Item]) -> list[Item]:
    """Read what ``save`` wrote."""
    return [kind(**row) for row in rows(file)]


def held(name: str, *, tenths: int = 1) -> bool:
    """Tell whether an article or a group is held apart: one or more tenths of them, by digest."""
    return int(digest_of("held", name)[:8], 16) % 10 < tenths


# Questions


def read_questions(
    data: Path, name: str, count_tokens: Callable[[str], int], *, held_apart: bool
) -> list[Question]:
    """The questions of a set, each with the chunk of its context that holds the answer."""
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
    """A row's question with its chunk; None where nobody says where the answer is."""
    place = _answer_place(row)
    if place is None:
        return None
    piece, start, end = chunks.around(row["title"], row["context"], *place)
    return Question(
        row["id"],
        row["question"],
        row["title"],
        piece,
        start,
        end,
        source,
        article,
        bool(row["answerable"]),
    )


def _answer_place(row: dict[str, Any]) -> tuple[int, int] | None:
    """The first answer's place in the context, (-1, -1) for none, None if not known."""
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
    """How many terms of the question stand in the sentence at a place."""
    here = next((s for s in sentences(context) if s.start <= start < s.end), None)
    said = context[here.start : here.end] if here else ""
    return len(set(content_terms(question)) & set(content_terms(said)))


class Chunks:
    """Cuts contexts as ingestion does and remembers them."""

    def __init__(self, count_tokens: Callable[[str], int]) -> None:
        self._count = count_tokens
        self._known: dict[str, list[tuple[int, int]]] = {}

    def of(self, title: str, text: str) -> list[tuple[int, int]]:
        """(start, end) of the chunks of a text."""
        key = digest_of(title, text)
        if key not in self._known:
            document = Document.make(uri="t", title=title, text=text, language="en")
            self._known[key] = [
                (c.start, c.end) for c in chunk_document(document, ChunkSettings(), self._count, "")
            ]
        return self._known[key]

    def around(self, title: str, text: str, start: int, end: int) -> tuple[str, int, int]:
        """The chunk that holds a span and the span in it; the longest chunk for no span."""
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
    """What a passage looks like to the reader, and how much of it is not its text.

    >>> second_text("Towers", "It is high.")
    ('Towers\\nIt is high.', 7)
    """
    return (f"{title}\n{text}", len(title) + 1) if title else (text, 0)


def drawn_text(title: str, text: str, random_: random.Random, share: float) -> tuple[str, int]:
    """``second_text``; ``share`` is the probability that the title is in it."""
    return second_text(title if random_.random() < share else "", text)


def drawn(
    questions: Sequence[Question],
    random_: random.Random,
    count: int,
    make: Callable[[Question], Example | None],
) -> list[Example]:
    """What ``make`` gives of questions in a random order, until there are ``count``."""
    found: list[Example] = []
    for question in random_.sample(list(questions), len(questions)):
        if len(found) >= count:
            break
        example = make(question)
        if example is not None:
            found.append(example)
    return found


def from_question(question: Question, random_: random.Random) -> Example:
    """The pair of a question and its own chunk."""
    second, prefix = drawn_text(question.title, question.chunk, random_, 0.7)
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


def sentence_pairs(
    questions: Sequence[Question], random_: random.Random, count: int, beside: int = 2
) -> list[Example]:
    """Pairs of questions with single sentences: the one that answers, and others of its chunk.

    Of the others those come first that share most terms with the question.
    """
    found: list[Example] = []
    for question in random_.sample(list(questions), min(count, len(questions))):
        spans = [s for s in sentences(question.chunk) if s.kind != "heading"]
        right = [s for s in spans if s.start <= question.start and question.end <= s.end]
        if not question.answerable or not right:
            continue
        terms = set(content_terms(question.text))
        others = [
            s
            for s in spans
            if s not in right and question.answer.lower() not in s.of(question.chunk).lower()
        ]
        others.sort(key=lambda s: -len(terms.intersection(content_terms(s.of(question.chunk)))))
        first = asked(question.text, random_)
        for span in (*right, *others[:beside]):
            second, prefix = drawn_text(question.title, span.of(question.chunk), random_, 0.7)
            at = prefix - span.start
            places = (question.start + at, question.end + at) if span in right else (-1, -1)
            found.append(
                Example(
                    first,
                    second,
                    f"{question.source}/sentence",
                    prefix,
                    float(span in right),
                    *places,
                )
            )
    return found


def asked(question: str, random_: random.Random) -> str:
    """A question as people type it: mostly as it is, at times without mark or as words."""
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
    """A text without its common words, as people type into a search box."""
    words = [w for w in re.findall(r"[\w'’.-]+", text) if w.lower() not in STOPWORDS]
    return " ".join(words) if len(words) > 1 else text


class Place(NamedTuple):
    """A chunk and where it stands."""

    article: str
    title: str
    chunk: str


def hard_negatives(
    questions: Sequence[Question], embedder: Embedder, random_: random.Random, count: int
) -> list[Example]:
    """Pairs of questions with chunks near them that do not hold their answers.

    Near is: of the ten nearest chunks by cosine, one that neither is the gold one nor contains an
    answer, drawn evenly. Half come from any article, half from the question's own.
    """
    chosen = random_.sample(list(questions), min(count, len(questions)))
    near = near_misses(chosen, questions, embedder, random_)
    return [
        _not_here(
            asked(question.text, random_),
            random_.choice(usable),
            f"{question.source}/negative",
            random_,
        )
        for question, usable in zip(chosen, near, strict=True)
        if usable
    ]


def near_misses(
    chosen: Sequence[Question],
    questions: Sequence[Question],
    embedder: Embedder,
    random_: random.Random,
) -> list[list[Place]]:
    """For each chosen question the chunks near it that do not hold its answer.

    The chunks are those of ``questions``; for half of the chosen, of the same article.
    """
    within = [q.article if random_.random() < 0.5 else None for q in chosen]
    near = _nearest([q.text for q in chosen], within, _places(questions), embedder)
    return [
        [
            place
            for place in places
            if place.chunk != question.chunk and question.answer.lower() not in place.chunk.lower()
        ]
        for question, places in zip(chosen, near, strict=True)
    ]


def sought_sentences(
    questions: Sequence[Question], embedder: Embedder, random_: random.Random, count: int
) -> list[Example]:
    """Pairs for statements and keywords: a sentence with what stood around it, or near it.

    The inverse cloze task (Lee et al., "Latent Retrieval for Weakly Supervised Open Domain Question
    Answering", ACL 2019): a sentence is taken out of its chunk, which stays relevant to it; a near
    chunk of another article is not. Half of the sentences are cut down to their words.
    """
    pool = _places(questions)
    chosen: list[tuple[str, Place, str]] = []
    for place in random_.sample(pool, len(pool)):
        if len(chosen) == count // 2:
            break
        spans = [s for s in sentences(place.chunk) if 40 < s.end - s.start < 250]
        if len(spans) > 2:
            span = random_.choice(spans)
            rest = place.chunk[: span.start] + place.chunk[span.end :].lstrip()
            chosen.append((span.of(place.chunk), place, rest.strip()))
    near = _nearest([said for said, _, _ in chosen], [None] * len(chosen), pool, embedder)
    found = []
    for (said, place, rest), places in zip(chosen, near, strict=True):
        query = _words(said) if random_.random() < 0.5 else said
        second, prefix = drawn_text(place.title, rest, random_, 0.5)
        found.append(Example(query, second, "sought", prefix, relevance=1.0))
        usable = [other for other in places if other.article != place.article]
        if usable:
            pair = _not_here(query, random_.choice(usable), "sought/negative", random_)
            found.append(replace(pair, start=None, end=None))
    return found


def _places(questions: Sequence[Question]) -> list[Place]:
    return sorted({Place(q.article, q.title, q.chunk) for q in questions})


def _not_here(query: str, place: Place, source: str, random_: random.Random) -> Example:
    second, prefix = drawn_text(place.title, place.chunk, random_, 0.7)
    return Example(query, second, source, prefix, relevance=0.0, start=-1, end=-1)


def _nearest(
    queries: Sequence[str],
    within: Sequence[str | None],
    pool: Sequence[Place],
    embedder: Embedder,
    count: int = 12,
) -> list[list[Place]]:
    """The nearest chunks of each query, of an article if one is named, the nearest first."""
    vectors = np.asarray(embedder.embed([f"{place.title}\n{place.chunk}" for place in pool]))
    members: dict[str | None, list[int]] = defaultdict(list)
    for position, place in enumerate(pool):
        members[place.article].append(position)
        members[None].append(position)
    positions = {article: np.array(inside) for article, inside in members.items()}
    asked_vectors = np.asarray(embedder.embed(list(queries), query=True))
    found: list[list[Place]] = []
    for begin in range(0, len(queries), 256):
        scores = asked_vectors[begin : begin + 256] @ vectors.T
        for inside, row in zip(within[begin : begin + 256], scores, strict=True):
            near = positions[inside]
            if len(near) > count:
                near = near[np.argpartition(-row[near], count)[:count]]
            found.append([pool[n] for n in sorted(near, key=lambda n: (-row[n], n))])
    return found


# Questions that were changed so that their passage no longer answers them

NAME = re.compile(r"(?<![.?!] )(?<!^)\b[A-Z][\w’'-]+(?: (?:of |the )?[A-Z][\w’'-]+)*")
NUMBER = re.compile(r"\b\d[\d,.]*\b(?<![.,])")
OPPOSITES = {
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


def changed(
    text: str,
    around: str,
    random_: random.Random,
    *,
    further: Sequence[str] = (),
    numbers_around: bool = False,
) -> str | None:
    """A text that says or asks something else: a name, a number or a word was exchanged.

    None where nothing can be. Names, and with ``numbers_around`` half of the numbers, come from the
    text ``around``; ``further`` are other changed texts to choose from.
    """
    ways: list[str] = []

    def put(match: re.Match[str], new: str) -> str:
        return text[: match.start()] + new + text[match.end() :]

    names = list(NAME.finditer(text))
    others = [name for name in NAME.findall(around) if name not in text]
    if names and others:
        ways.append(put(random_.choice(names), random_.choice(others)))
    if numbers := list(NUMBER.finditer(text)):
        match = random_.choice(numbers)
        others = [n for n in NUMBER.findall(around) if n not in text] if numbers_around else []
        from_around = others and random_.random() < 0.5
        new = random_.choice(others) if from_around else another_number(match[0], random_)
        ways += [put(match, new)] * (2 if numbers_around else 1)
    ways += further
    for match in re.finditer(r"\w+", text):
        if (opposite := OPPOSITES.get(match[0].lower())) is not None:
            ways.append(put(match, opposite))
    return random_.choice(ways) if ways else None


def another_number(text: str, random_: random.Random) -> str:
    """A number with one digit exchanged."""
    digits = [n for n, c in enumerate(text) if c.isdigit()]
    place = random_.choice(digits)
    choices = [d for d in "123456789" if d != text[place]]
    return text[:place] + random_.choice(choices) + text[place + 1 :]


def changed_questions(
    questions: Sequence[Question], random_: random.Random, count: int
) -> list[Example]:
    """Pairs of changed questions with the chunk that answered them before."""
    texts: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        texts[question.article].append(question.text)

    def make(question: Question) -> Example | None:
        others = " ".join(random_.choices(texts[question.article], k=6)) + " " + question.chunk
        other = changed(question.text, others, random_)
        if not other:
            return None
        pair = from_question(replace(question, answerable=False, text=other), random_)
        return replace(pair, source=f"{question.source}/changed")

    return drawn(questions, random_, count, make)
