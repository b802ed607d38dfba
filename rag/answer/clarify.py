"""Questions that have an answer for each of several things, of which the question names none.

"How long do the batteries last?" is answered for each device in a table of devices. Whoever asks is
better served by "Which one do you mean?" than by one of the rows. Rare by design: every word of the
question has to be the table's own, none may tell its rows apart, and no other passage may answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import combinations, islice
from typing import NamedTuple

from rag.answer.conflicts import prefers, same_work
from rag.answer.features import context_terms
from rag.answer.lists import listings
from rag.answer.question import Question, Wants, typed, understand
from rag.answer.tables import Row, Table, confidence, fit, tables
from rag.text.terms import STOPWORDS, content_terms, fold
from rag.types import Clarification, Option, Passage

MOST = 4
"""Options that a person is given to choose from."""

_FITS = 0.4  # of a column to what is asked for
_CLEARLY = 0.1  # by which it has to fit better than others, or the question has to name it
_OTHERS: frozenset[Wants] = frozenset({"comparison", "yesno"})
_NEAR = 0.3  # of the best passage's confidence, that the passage of a table needs
_EQUAL = 0.35  # the same for sections that each have an answer
_LIKELY = 0.2  # probability of the answer in each of them
_AKIN = 0.5  # of the words of a title or heading, that all of them share
_SURE = 0.5  # probability of a short answer elsewhere from which nothing is unclear,
_BEYOND = 1.2  # and how much more confidence than in the table
_NOTHING = re.compile(
    r"[\W_]*|(?:none|no|yes|n/a|keine?|nein|ja|no hay|aucune?|non|oui)", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]{2,}")
# Words of a question beside those that say what is asked for: they tell nothing apart.
_GENERIC = frozenset(
    content_terms(
        "last work works run runs stay hold keep kept give given come comes happen count current "
        "currently maximum number total amount exactly usually normally typical buy order show "
        "shown"
    )
)


def unclear(
    question: str,
    passages: Sequence[Passage],
    least: float = 0.0,
    *,
    text_of: Callable[[str], str | None] = lambda _: None,
) -> Clarification | None:
    """Return what to ask back where the passages answer for several things; None where they do not.

    ``passages`` have been read for the question; ``least`` is the confidence from which it has an
    answer at all. ``text_of`` gives the text of a document by its id: a table may go on outside of
    the passages.
    """
    asked = understand(question)
    top = max(map(confidence, passages), default=0.0)
    if asked.foreign or asked.wants in _OTHERS or not passages or top < least:
        return None
    near = [passage for passage in passages if confidence(passage) >= _NEAR * top]
    several = [
        (table, labels)
        for table in tables(near, text_of)
        if (labels := _senses(asked, table)) and not _answered_elsewhere(asked, table, passages)
    ]
    if several:
        table, labels = _in_force(several, asked.as_of)
        return _clarification(question, dict.fromkeys(labels, table.passage))
    found = _sections(asked, [p for p in passages if confidence(p) >= max(least, _EQUAL * top)])
    return _clarification(question, found) if found else None


def _senses(asked: Question, table: Table) -> list[str]:
    """Return what the rows are known by, if each has an answer of its own; else nothing."""
    if asked.wants == "procedure":
        return []
    language = table.passage.language or "en"
    terms = frozenset(asked.terms(language))
    key, *columns = table.headers
    if asked.focus and asked.focus <= _stems(key, language):
        return []  # "which plan …" asks for the name itself
    rows = _meant(terms, table, key, language)
    if len(rows) < 2:
        return []  # the question says which
    said = frozenset.intersection(*(_stems(" ".join(row.values()), language) for row in rows))
    around = context_terms(table.passage) | _stems(" ".join(table.headers), language)
    if not terms or terms - around - said - _GENERIC:
        return []  # it is about something that the table does not speak of, or not by these words
    column = _column(asked, rows, columns, terms, language)
    if column is None:
        return []
    answers = {row[key]: fold(row.get(column, "")) for row in rows}
    named = {k: v for k, v in answers.items() if _is_name(k) and not _NOTHING.fullmatch(v)}
    return list(named) if len(set(named.values())) > 1 else []


def _in_force(
    found: Sequence[tuple[Table, list[str]]], as_of: date | None
) -> tuple[Table, list[str]]:
    """The best table, or the version of it to go by: another date, mostly the same names."""
    best = max(found, key=lambda one: confidence(one[0].passage))
    for other in found:
        shared = len(set(other[1]) & set(best[1]))
        if 2 * shared >= len(best[1]) and prefers(other[0].passage, best[0].passage, as_of):
            best = other
    return best


def _meant(terms: frozenset[str], table: Table, key: str, language: str) -> list[Row]:
    """The rows that the question can mean: all, or those whose name has its words.

    None where it says in other words which: "the device with a CR2032".
    """
    told = terms - _stems(" ".join(table.headers), language)
    said = [_stems(" ".join(row.values()), language) & told for row in table.rows]
    most = max(map(len, said))
    meant = [row for row, words in zip(table.rows, said, strict=True) if len(words) == most]
    apart = frozenset.union(*said) - frozenset.intersection(*said)
    named = all(
        words & apart <= _stems(row[key], language)
        for row, words in zip(table.rows, said, strict=True)
        if row in meant
    )
    return meant if named else []


def _is_name(label: str) -> bool:
    """Tell what a thing may be called from a number, a range of numbers or a mark."""
    return any(word not in STOPWORDS for word in _WORD.findall(fold(label)))


def _column(
    asked: Question,
    rows: Sequence[Row],
    columns: Sequence[str],
    terms: frozenset[str],
    language: str,
) -> str | None:
    """The column that is asked for; None where that is no single one."""
    scored: dict[str, float] = {}
    named: dict[str, int] = {}
    for column in columns:
        header = set(_stems(column, language))
        said = [cell for row in rows if not _NOTHING.fullmatch(cell := row.get(column, ""))]
        fits = [fit(asked, cell, header, set(terms)) for cell in said]
        scored[column] = sum(fits) / len(fits) if len(fits) > 1 else 0.0
        named[column] = len(header & terms)
    best = max(scored.values(), default=0.0)
    close = [column for column, score in scored.items() if score > best - _CLEARLY]
    most = max((named[column] for column in close), default=0)
    meant = [column for column in close if named[column] == most]
    return meant[0] if len(meant) == 1 and best >= _FITS else None


def _answered_elsewhere(asked: Question, table: Table, passages: Sequence[Passage]) -> bool:
    """Tell whether another document has a likely short answer: not one that is a version of it."""
    own = table.passage.chunk.document_id
    types = asked.types[:1]
    return any(
        probability >= _SURE and (not types or typed(passage.chunk.text[start:end], types))
        for passage in passages
        if passage.chunk.document_id != own and not same_work(passage, table.passage)
        if confidence(passage) > _BEYOND * confidence(table.passage)
        for start, end, probability in (passage.reading.answers if passage.reading else ())
    )


def _sections(asked: Question, passages: Sequence[Passage]) -> dict[str, Passage]:
    """Return sections that have each an answer of their own, by their titles or headings.

    They have to be sections of one kind: under the same heading of different documents, or under
    headings or titles that have half of their words in common.
    """
    if not asked.types and asked.wants != "procedure":
        return {}
    found = [(passage, value) for passage in passages if (value := _value(asked, passage))]
    apart = len({passage.chunk.document_id for passage, _ in found}) > 1
    sections: dict[str, tuple[Passage, str]] = {}
    for passage, value in found:
        headings = passage.chunk.headings
        sections.setdefault(
            passage.title if apart or not headings else headings[-1], (passage, value)
        )
    if len({value for _, value in sections.values()}) < max(len(sections), 2):
        return {}
    named = {label: passage for label, (passage, _) in sections.items()}
    return named if _alike(asked, named) else {}


def _value(asked: Question, passage: Passage) -> str:
    """The answer in a passage, of the type asked for; empty where there is none likely."""
    if asked.wants == "procedure":
        steps = any(len(listing.entries) > 1 for listing in listings(0, passage))
        return fold(passage.chunk.text) if steps else ""
    types = asked.types[:1]
    return next(
        (
            fold(passage.chunk.text[start:end])
            for start, end, probability in (passage.reading.answers if passage.reading else ())
            if probability >= _LIKELY and typed(passage.chunk.text[start:end], types)
        ),
        "",
    )


def _alike(asked: Question, sections: Mapping[str, Passage]) -> bool:
    """Tell whether sections are of one kind, and the question is about what they share alone."""
    passages = list(sections.values())
    language = passages[0].language or "en"
    if any(passage.language != passages[0].language for passage in passages):
        return False
    if any(
        one.chunk.document_id != other.chunk.document_id and same_work(one, other)
        for one, other in combinations(passages, 2)
    ):
        return False  # versions of one thing
    names = [_stems(label, language) for label in sections]
    shared = frozenset.intersection(*names)
    headings = {fold(passage.chunk.headings[-1]) for passage in passages if passage.chunk.headings}
    akin = all(len(shared) >= _AKIN * len(name) for name in names)
    if not (akin or len(headings) == 1):
        return False
    if not all(any(not word.isdigit() for word in name - shared) for name in names):
        return False  # "Prices in 2024": what tells it apart is no thing, but its time
    terms = frozenset(asked.terms(language))
    if any(terms & (name - shared) for name in names):
        return False  # the question says which
    return not any(
        terms - context_terms(passage) - _stems(passage.chunk.text, language) - _GENERIC
        for passage in passages
    )


def _stems(text: str, language: str) -> frozenset[str]:
    return frozenset(content_terms(text, language))


def _clarification(question: str, senses: Mapping[str, Passage]) -> Clarification:
    """Return what to ask back about things by their names, each with a passage of its document."""
    chosen = dict(islice(senses.items(), MOST))
    more = len(senses) > MOST
    shown = [label if "," not in label else f"“{label}”" for label in chosen]
    *first, last = [*shown, "another"] if more else shown
    return Clarification(
        question=question,
        options=tuple(
            Option(label=label, question=about(question, label), uri=passage.uri)
            for label, passage in chosen.items()
        ),
        more=more,
        text=f"Which one do you mean: {', '.join(first)} or {last}?",
    )


# --- what is replied ------------------------------------------------------------------------------

_ORDINALS = {
    word: place
    for place, words in enumerate(
        (
            "first 1st one 1 a erste ersten primero primera premier première",
            "second 2nd two 2 b zweite zweiten segundo segunda deuxième second seconde",
            "third 3rd three 3 c dritte dritten tercero tercera troisième",
            "fourth 4th four 4 d vierte vierten cuarto cuarta quatrième",
        )
    )
    for word in map(fold, words.split())
}
_PLACE = re.compile(r"(?:the |number |no\. ?|option |der |die |das |el |la |le )?([\w]+)(?: one)?")
_ANY = re.compile(
    r"(?:(?:all|any|both|either|each|every)(?: (?:of (?:them|these|those|it)|one))?|whichever|"
    r"no matter|(?:it )?does(?:n['’]t| not) matter|i do(?:n['’]t| not) know|egal|alle|todos|tous)"
)
_ASKS = re.compile(
    r"\?|^(?:how|what|when|where|which|who|why|is|are|do|does|did|can|could|will|should|and|but|"
    r"thanks?|thank|no|nothing|never|forget|stop|quit|ok|okay|hello|hi)\b"
)
_ANOTHER = 4  # words of a name that is none of the options
_BESIDE = 2  # words beside the name of an option that a reply may have


class Meant(NamedTuple):
    """The question that a reply stands for, and the one document to answer it from, if any."""

    question: str
    uri: str | None = None


def meant(asked: Clarification, reply: str, *, open_ended: bool) -> Meant | None:
    """Return what a reply leads to; None for one that is none, such as another question.

    With ``open_ended`` the question was asked back and stood alone: "all" is then a reply, and so
    is the name of a thing beyond the options where there are such.
    """
    said = fold(reply).strip(" .!,;:\"'“”()")
    if option := _chosen(asked, said):
        return Meant(option.question, option.uri)
    if not open_ended or _ASKS.search(said):
        return None
    if _ANY.fullmatch(said):
        return Meant(asked.question)
    named = asked.more and 0 < len(said.split()) <= _ANOTHER and content_terms(said)
    if not named:
        return None
    documents = {option.uri for option in asked.options}
    uri = documents.pop() if len(documents) == 1 else None
    return Meant(about(asked.question, " ".join(reply.split()).strip(" .!,;:")), uri)


def about(question: str, name: str) -> str:
    """The question as one about a single thing.

    >>> about("How long does the battery last?", "Birch")
    'How long does the battery last for Birch?'
    """
    return f"{question.rstrip(' ?.!')} for {name}?"


def _chosen(asked: Clarification, said: str) -> Option | None:
    named = _named(asked, said)
    if named is not None:
        return named
    options = asked.options
    if re.fullmatch(r"(?:the )?last(?: one)?", said):
        return options[-1]
    place = _PLACE.fullmatch(said)
    position = _ORDINALS.get(place[1]) if place else None
    return options[position] if position is not None and position < len(options) else None


def _named(asked: Clarification, said: str) -> Option | None:
    """The one option that a reply names: by all of its name or by what others lack."""
    for option in asked.options:
        if said == fold(option.label):
            return option
    words = set(content_terms(said.rstrip(" ?")))
    names = [set(content_terms(option.label)) for option in asked.options]
    shared = set.intersection(*names)
    hits = [len(words & (name - shared)) for name in names]
    best = max(hits)
    if not best or hits.count(best) > 1:
        return None
    place = hits.index(best)
    beside = words - names[place]
    asks = bool(_ASKS.search(said)) and bool(beside)
    return asked.options[place] if len(beside) <= _BESIDE and not asks else None
