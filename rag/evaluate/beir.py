"""BEIR folders: a corpus, queries, and how relevant each judged document is to a query.

A folder holds ``corpus.jsonl`` and ``queries.jsonl``, plain or as ``.jsonl.gz``, and the judgements
in ``qrels/SPLIT.tsv``: three columns with tabs between them, ``query-id corpus-id score``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from rag.errors import DataError
from rag.evaluate.datasets import (
    Fault,
    History,
    Name,
    Row,
    RowFile,
    Words,
    decoded,
    described,
    read_lines,
    scan_rows,
    shown,
)
from rag.types import Document, digest_of

_HEADER = ["query-id", "corpus-id", "score"]
_SCORE = re.compile(r"[+-]?[0-9]{1,9}")  # int() would also take 1_0 and Arabic digits
_LANGUAGE_SAMPLE = 4000  # characters, as ingestion takes


class _Text(Row):
    """A line of the corpus; a title or a language that is no text is as good as none."""

    noun: ClassVar[str] = "documents"

    id: Name = Field(alias="_id")
    title: str | None = None
    text: str
    language: Any = None


class Query(Row):
    """A query of a test collection; ``history`` is the conversation before it, oldest first."""

    model_config = ConfigDict(populate_by_name=True)
    noun: ClassVar[str] = "queries"

    id: Name = Field(alias="_id")
    text: Words
    history: History = ()


@dataclass(frozen=True)
class Beir:
    """A test collection.

    ``corpus`` has title and text by document id, ``queries`` those with judgements, both in the
    order of their files. ``qrels[query][document]`` is a grade: 0 and less is judged not relevant.
    ``languages`` has the documents whose row states one. ``corpus_digest`` covers ids, titles and
    texts of the documents, ``digest`` these and the queries with their judgements.
    """

    name: str
    folder: Path
    split: str
    corpus: dict[str, tuple[str, str]]
    queries: dict[str, Query]
    qrels: dict[str, dict[str, int]]
    languages: dict[str, str]
    corpus_digest: str
    digest: str

    def documents(self) -> Iterator[Document]:
        """Yield the corpus as documents whose uri is the id; a bare title counts as the text."""
        from rag.text.language import detect

        for name, (title, text) in self.corpus.items():
            words = text if text.strip() else title
            sample = " ".join(words[:_LANGUAGE_SAMPLE].split())
            language = self.languages.get(name) or detect(sample)[0]
            yield Document.make(uri=name, title=title, text=words, language=language)


def read_beir(folder: Path, split: str | None = None) -> Beir:
    """Read the test collection in a folder; the split may be left out where there is one.

    Documents may be empty, as some are in published collections. Raises DataError: for a split that
    does not exist or is left open, and else for every fault of the three files, all at once.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: name one that holds corpus.jsonl and qrels/")
    split, faults = _split(folder, split)
    corpus = scan_rows(_either(folder, "corpus"), _Text)
    queries = scan_rows(_either(folder, "queries"), Query)
    faults = [*corpus.faults, *queries.faults, *faults]
    qrels: dict[str, dict[str, int]] = {}
    if split is not None:
        qrels = _judgements(folder / "qrels" / f"{split}.tsv", queries, corpus, faults)
    if faults:
        raise DataError(described(folder, faults))
    return _collection(folder, split or "", corpus, queries, qrels)


def _split(folder: Path, split: str | None) -> tuple[str | None, list[Fault]]:
    """The split to read, or the fault that there is none. Raises DataError."""
    judged = folder / "qrels"
    # Archives from a Mac have a file ._test.tsv beside test.tsv.
    splits = sorted(path.stem for path in judged.glob("*.tsv") if not path.name.startswith("."))
    if not splits:
        name = split or "SPLIT"
        return None, [Fault(judged, 0, f"there are no judgements: they belong into {name}.tsv")]
    if split is None and len(splits) > 1:
        many = ", ".join(splits)
        raise DataError(f"{folder} has several splits: say which with --split: {many}")
    if split is not None and split not in splits:
        raise DataError(f"{folder} has no split {split}: there is {', '.join(splits)}")
    return split or splits[0], []


def _either(folder: Path, name: str) -> Path:
    """The packed file where it is the only one."""
    plain, packed = folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"
    return packed if packed.exists() and not plain.exists() else plain


def _judgements(
    path: Path, queries: RowFile[Query], corpus: RowFile[_Text], faults: list[Fault]
) -> dict[str, dict[str, int]]:
    """The grades; what is wrong with the file is added to ``faults``."""
    qrels: dict[str, dict[str, int]] = {}
    places: dict[tuple[str, str], int] = {}
    before = len(faults)
    stopped: list[Fault] = []
    lines = ((number, line) for number, line in read_lines(path, stopped) if line.strip())
    for n, (number, line) in enumerate(lines):
        try:
            columns = decoded(line).split("\t")
            if n == 0 and [c.strip().lower().replace("_", "-") for c in columns] == _HEADER:
                continue
            query, document, grade = _judgement(columns)
        except ValueError as error:
            faults.append(Fault(path, number, str(error)))
            continue
        unknown = [*_unknown("query", query, queries), *_unknown("document", document, corpus)]
        faults += [Fault(path, number, message) for message in unknown]
        grades = qrels.setdefault(query, {})
        if grades.setdefault(document, grade) != grade:
            message = (
                f"document {shown(document)} has the score {grade} for query {shown(query)}, "
                f"and {grades[document]} on line {places[query, document]}: keep one"
            )
            faults.append(Fault(path, number, message))
        places.setdefault((query, document), number)
    faults += stopped
    if not qrels and len(faults) == before:
        faults.append(Fault(path, 0, "there are no judgements in it"))
    return qrels


def _judgement(columns: list[str]) -> tuple[str, str, int]:
    """Query, document and grade. Raises ValueError with what to say of the line."""
    if len(columns) != len(_HEADER):
        raise ValueError(
            "a judgement has 3 columns with tabs between them (query-id, corpus-id, score), "
            f"this has {len(columns)}"
        )
    query, document, score = columns
    if not _SCORE.fullmatch(score.strip()):
        raise ValueError(f"the score is a whole number such as 0 or 1, this is “{shown(score)}”")
    return query, document, int(score)


def _unknown(what: str, name: str, rows: RowFile[Any]) -> Iterator[str]:
    """Yield that there is no such row, unless that only follows from a fault of the other file."""
    if rows.whole and name not in rows.lines and name not in rows.broken:
        yield f"there is no {what} {shown(name)} in {rows.path.name}"


def _collection(
    folder: Path,
    split: str,
    corpus: RowFile[_Text],
    queries: RowFile[Query],
    qrels: Mapping[str, dict[str, int]],
) -> Beir:
    texts = {row.id: (row.title or "", row.text) for row in corpus.rows}
    asked = {query.id: query for query in queries.rows if query.id in qrels}
    # Only two letters name a field of the index; en-GB and eng are both English.
    languages = {
        row.id: row.language[:2].lower()
        for row in corpus.rows
        if isinstance(row.language, str) and row.language.strip()
    }
    corpus_digest = digest_of(*(part for name, pair in texts.items() for part in (name, *pair)))
    said = [[q.id, q.text, [[t.role, t.text] for t in q.history]] for q in asked.values()]
    judged = [[query, sorted(qrels[query].items())] for query in asked]
    return Beir(
        name=folder.resolve().name,
        folder=folder,
        split=split,
        corpus=texts,
        queries=asked,
        qrels={query: qrels[query] for query in asked},
        languages=languages,
        corpus_digest=corpus_digest,
        digest=digest_of(corpus_digest, split, json.dumps([said, judged])),
    )
