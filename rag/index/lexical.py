"""The lexical store: BM25 in tantivy, one field a language so that each has its own stemmer.

A document is indexed in the field of its language, in English's where that is not known or has no
stemmer; a query asks every field that the index uses, in that field's own stems.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import log
from pathlib import Path
from typing import Any

import tantivy

from rag.errors import IndexCorruptError, RagError
from rag.index.catalog import corrupt
from rag.text.language import detect
from rag.text.terms import STEMMERS, analyzer, content_terms, stems, without_stopwords

_HEAP = 50_000_000  # bytes; tantivy asks for 15 million at least
_K1 = 1.2  # of tantivy's BM25, which cannot be set
_LONGEST_QUERY = 256  # distinct terms; what a longer question adds is noise that costs time

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def field_of(language: str | None) -> str:
    """The field that holds texts of a language."""
    return f"words_{language if language in STEMMERS else 'en'}"


class LexicalStore:
    """Words by key. One writer at a time: ``Index`` holds the locks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        builder = tantivy.SchemaBuilder()
        builder.add_unsigned_field("key", indexed=True, fast=True)
        builder.add_text_field("document", tokenizer_name="raw", index_option="basic")
        for language in STEMMERS:
            builder.add_text_field(
                field_of(language), tokenizer_name=f"stem_{language}", index_option="freq"
            )
        self._schema = builder.build()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._index = tantivy.Index(self._schema, path=str(folder))
            for language in STEMMERS:
                self._index.register_tokenizer(f"stem_{language}", analyzer(language))
            self._index.reload()
        except Exception as error:
            raise _corrupt(folder, error) from error

    def count(self) -> int:
        """Return how many chunks there are, stale ones included."""
        return int(self._index.searcher().num_docs)

    def put(
        self, rows: Iterable[tuple[int, str, str | None, str]], stale: Iterable[int] = ()
    ) -> None:
        """Write (key, document id, language, words), replacing rows of the same key; drop stale."""
        rows = list(rows)
        with self._writer() as writer:
            gone = [*stale, *(row[0] for row in rows)]
            if gone:
                # by query: the by-term call takes every int for a signed one and finds nothing
                writer.delete_documents_by_query(
                    tantivy.Query.term_set_query(self._schema, "key", gone)
                )
            self._add(writer, rows)

    def replace_all(self, rows: Iterable[tuple[int, str, str | None, str]]) -> None:
        """Write all rows anew: what was deleted counts in BM25 until then."""
        with self._writer() as writer:
            writer.delete_all_documents()
            self._add(writer, rows)

    @contextmanager
    def _writer(self) -> Iterator[Any]:
        try:
            writer = self._index.writer(heap_size=_HEAP, num_threads=1)
            yield writer
            writer.commit()
            writer.wait_merging_threads()
            self._index.reload()
        except RagError:
            raise
        except Exception as error:
            raise _corrupt(self._folder, error) from error

    def _add(self, writer: Any, rows: Iterable[tuple[int, str, str | None, str]]) -> None:
        for key, document, language, words in rows:
            row = tantivy.Document()
            row.add_unsigned("key", key)
            row.add_text("document", document)
            row.add_text(field_of(language), spaced(words))
            writer.add_document(row)

    def query(
        self,
        question: str,
        n: int,
        languages: Iterable[str | None],
        documents: Sequence[str] | None = None,
    ) -> list[tuple[int, float]]:
        """Return at most ``n`` (key, BM25 score), best first, optionally of some documents only."""
        if documents is not None and not documents:
            return []
        fields = {field_of(language): language for language in languages}
        clauses = [
            (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, field, stem, "freq"))
            for field in sorted(fields)
            for stem in self._terms(question, field)
        ]
        if not clauses or n < 1:
            return []
        query = tantivy.Query.boolean_query(clauses)
        if documents is not None:
            scope = tantivy.Query.term_set_query(self._schema, "document", list(documents))
            scope = tantivy.Query.const_score_query(scope, 0.0)
            query = tantivy.Query.boolean_query(
                [(tantivy.Occur.Must, query), (tantivy.Occur.Must, scope)]
            )
        return self._best(query, n)

    def _best(self, query: Any, n: int) -> list[tuple[int, float]]:
        try:
            searcher = self._index.searcher()
            hits = searcher.search(query, limit=n, count=False).hits
            keys = searcher.fast_field_values("key", [address for _, address in hits])
        except Exception as error:
            raise _corrupt(self._folder, error) from error
        pairs = [(int(key), float(score)) for key, (score, _) in zip(keys, hits, strict=True)]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def holding(self, text: str, n: int, languages: Iterable[str | None]) -> list[int]:
        """Return the keys of at most ``n`` chunks that have every word of a text."""
        clauses = []
        for field in sorted({field_of(language) for language in languages}):
            terms = stems(spaced(text), field.removeprefix("words_"))
            every = [
                (tantivy.Occur.Must, tantivy.Query.term_query(self._schema, field, term, "basic"))
                for term in dict.fromkeys(terms)
            ]
            clauses.append((tantivy.Occur.Should, tantivy.Query.boolean_query(every)))
        return [key for key, _ in self._best(tantivy.Query.boolean_query(clauses), n)]

    def bound(self, question: str, languages: Iterable[str | None]) -> float:
        """Return what no BM25 score for the question can exceed: all its known terms, saturated.

        The sum over the terms of idf·(k1 + 1), in the language where it is highest. A score over
        its bound says how much of the question a chunk matches, and compares across questions.
        """
        fields = {field_of(language): language for language in languages}
        sums = [sum(self.idf(question, language).values()) for language in fields.values()]
        return max(sums, default=0.0) * (_K1 + 1)

    def idf(self, question: str, language: str | None) -> dict[str, float]:
        """Return stem -> idf of the terms of a question that occur in that language."""
        searcher, field = self._index.searcher(), field_of(language)
        total = searcher.num_docs
        # Deleted rows count until the index is written anew, and may be more than the live ones.
        counts = {
            term: min(searcher.doc_freq(field, term), total)
            for term in self._terms(question, field)
        }
        return {term: log(1 + (total - n + 0.5) / (n + 0.5)) for term, n in counts.items() if n}

    def _terms(self, question: str, field: str) -> list[str]:
        """The stems that carry meaning; of a question without any, all."""
        language = field.removeprefix("words_")
        words = spaced(without_stopwords(question, detect(question)[0]))
        terms = content_terms(words, language) or tuple(dict.fromkeys(stems(words, language)))
        return list(terms[:_LONGEST_QUERY])

    def keys(self) -> set[int]:
        """Return every key, stale ones included."""
        searcher = self._index.searcher()
        limit = max(1, searcher.num_docs)
        hits = searcher.search(tantivy.Query.all_query(), limit=limit, count=False).hits
        return {int(k) for k in searcher.fast_field_values("key", [a for _, a in hits])}


def spaced(text: str) -> str:
    """Put spaces round characters of scripts that write without them, so that each is a word."""
    return _UNSPACED.sub(lambda match: f" {match[0]} ", text)


def _corrupt(folder: Path, error: Exception) -> IndexCorruptError:
    remedy = "`rag index rebuild` makes it again from the catalog"
    return corrupt("the word index in", folder, str(error), remedy)
