"""Chunks: exact spans, nothing lost, sizes kept, headings carried."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.ingest.blocks import Block, assemble
from rag.ingest.chunk import chunk_document
from rag.settings import ChunkSettings
from rag.types import Document, Page


def words(text: str) -> int:
    return len(text.split())


def document(*blocks: Block, pages: int = 0) -> Document:
    text, headings, scopes, found = assemble(blocks, pages)
    return Document.make(
        uri="u", title="T", text=text, headings=headings, scopes=scopes, pages=found
    )


def chunks_of(doc: Document, size: int = 40, minimum: int = 0) -> list[tuple[tuple[str, ...], str]]:
    chunks = chunk_document(doc, ChunkSettings(size=size, minimum=minimum), words, "print")
    for chunk in chunks:
        assert doc.text[chunk.start : chunk.end] == chunk.text
    return [(chunk.headings, chunk.text) for chunk in chunks]


def heading(level: int, text: str) -> Block:
    return Block("heading", text, level=level)


def paragraph(text: str) -> Block:
    return Block("paragraph", text)


def test_chunks_follow_headings() -> None:
    doc = document(
        heading(1, "Refunds"),
        paragraph("Intro."),
        heading(2, "How long"),
        paragraph("Five days."),
        heading(2, "How"),
        paragraph("By card."),
    )
    assert chunks_of(doc) == [
        (("Refunds",), "Intro."),
        (("Refunds", "How long"), "Five days."),
        (("Refunds", "How"), "By card."),
    ]


def test_short_sections_join_their_neighbour_under_the_common_path() -> None:
    doc = document(
        heading(1, "A"), heading(2, "B"), paragraph("One."), heading(2, "C"), paragraph("Two.")
    )
    [(path, text)] = chunks_of(doc, minimum=10)
    assert path == ("A",)
    assert text.startswith("## B\n\nOne.")  # else nothing would say what it stands under
    assert text.endswith("Two.")


def test_long_sections_are_cut_at_sentences() -> None:
    sentence = "This sentence has exactly seven words here. "
    found = chunks_of(document(paragraph(sentence * 30)), size=21)
    assert len(found) == 10
    assert all(text.endswith("here.") and words(text) <= 21 for _, text in found)


def test_pages_are_carried() -> None:
    doc = Document.make(
        uri="u", title="T", text="one two\n\nthree four",
        pages=[Page(number=1, start=0, end=9), Page(number=2, start=9, end=19)],
    )  # fmt: skip
    found = chunk_document(doc, ChunkSettings(size=16, minimum=0), words, "print")
    assert [chunk.page for chunk in found] == [1]


def test_ids_depend_on_the_text_and_the_settings() -> None:
    doc = document(paragraph("Some words."))
    other = document(paragraph("Other words."))
    ids = {
        chunk_document(d, ChunkSettings(), words, mark)[0].id
        for d in (doc, other)
        for mark in ("x", "y")
    }
    assert len(ids) == 4


@pytest.mark.parametrize("text", ["word " * 5000, "x" * 50_000, "a.b.c." * 3000, "é" * 3000])
def test_text_without_sentences_is_cut_all_the_same(text: str) -> None:
    doc = Document.make(uri="u", title="T", text=text.strip())
    found = chunks_of(doc, size=64)
    assert "".join("".join(t.split()) for _, t in found) == "".join(text.split())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["heading", "paragraph", "item", "row"]),
            st.text(alphabet="ab .,!?\n|:éß日🙂", min_size=1, max_size=200),
            st.integers(1, 4),
        ),
        max_size=12,
    ),
    st.integers(16, 48),
    st.integers(0, 20),
)
def test_no_word_of_a_body_is_lost(
    drawn: list[tuple[str, str, int]], size: int, minimum: int
) -> None:
    blocks = [
        heading(level, text) if kind == "heading" else Block(kind, text)  # type: ignore[arg-type]
        for kind, text, level in drawn
    ]
    doc = document(*blocks)
    chunks = chunk_document(doc, ChunkSettings(size=size, minimum=minimum), words, "print")
    covered = set()
    for chunk in chunks:
        assert doc.text[chunk.start : chunk.end] == chunk.text
        assert covered.isdisjoint(range(chunk.start, chunk.end))
        covered.update(range(chunk.start, chunk.end))
    lines = {
        n for h in doc.headings for n in range(h.start, (doc.text + "\n").index("\n", h.start))
    }
    missing = [
        n for n, c in enumerate(doc.text) if not c.isspace() and n not in covered and n not in lines
    ]
    assert missing == []


def entry(term: str, text: str) -> Block:
    return Block("item", f"{term}: {text}", marker="-", group=1, term=term)


def test_an_entry_is_a_chunk_and_says_its_term_in_each_of_its_parts() -> None:
    long = "Every sentence of it has seven words. " * 6
    doc = document(
        heading(1, "Options"),
        entry("size", "How much is kept of all that there is."),
        entry("age", long),
        Block("paragraph", "The default is ten days.", level=1),
        paragraph("What comes after the list is of no entry at all."),
    )
    found = chunks_of(doc, size=24, minimum=4)
    assert found[0] == (("Options", "size"), "- size: How much is kept of all that there is.")
    parts = [text for path, text in found if path == ("Options", "age")]
    assert len(parts) >= 2
    assert any("ten days" in text for text in parts)
    assert found[-1] == (("Options",), "What comes after the list is of no entry at all.")


def test_short_entries_share_a_chunk_and_no_entry_that_fits_is_cut() -> None:
    doc = document(*(entry(f"t{n}", "Two words more.") for n in range(12)))
    found = chunks_of(doc, size=20, minimum=16)
    assert 1 < len(found) < 12
    assert all(line.endswith("more.") for _, text in found for line in text.split("\n"))


def test_a_part_of_a_list_is_under_the_line_that_leads_it() -> None:
    items = [Block("item", f"choice number {n} is one of many", marker="-", group=1)
             for n in range(9)]  # fmt: skip
    doc = document(heading(1, "H"), paragraph("These are allowed:"), *items)
    *_, (path, text) = chunks_of(doc, size=20)
    assert path == ("H", "These are allowed")
    assert "number 8" in text
