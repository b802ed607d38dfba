"""Normalisation and assembly: the properties that every offset depends on."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rag.ingest.blocks import Block, assemble, linearise, normalise, one_line

ANY = st.text(st.characters(codec=None), max_size=80)
AWKWARD = st.text(
    st.sampled_from(
        "ab #-`.|\n\r\t\x0b\x85\u2028\xa0\u2000\u200b\u200c\u200d\u0301\u0338\ud800\udc00"
        "\u212a\u00ad\u0628\u0653\u1100\u1161\U000e0041=é"
    ),
    max_size=40,
)
TEXTS = ANY | AWKWARD
BLOCKS = st.builds(
    Block,
    kind=st.sampled_from(["heading", "paragraph", "item", "row", "code"]),
    text=TEXTS,
    level=st.integers(0, 7),
    marker=st.sampled_from(["", "-", "1.", "a."]),
    group=st.integers(0, 2),
    anchor=st.none() | st.just("here"),
    joins=st.sampled_from([None, None, "", " "]),
)


@given(TEXTS)
def test_normalise_is_idempotent_and_keeps_its_promises(text: str) -> None:
    found = normalise(text)
    assert normalise(found) == found
    assert unicodedata.is_normalized("NFC", found)
    assert "\n\n\n" not in found and " \n" not in found and found == found.rstrip()
    assert not any(
        unicodedata.category(sign) in ("Cc", "Cs") for sign in found if sign not in "\n\t"
    )


def test_normalise_by_example() -> None:
    assert (
        normalise("\ufeffe\u0301te\u00ad\u200bs\xa0a\r\nb \t\n\n\n\nc\0\ud800")
        == "étes a\nb\n\nc\ufffd"
    )
    assert normalise("\ud83d\ude00") == "😀"
    assert normalise("👩\u200d💻 می\u200cخواهم a\u200cb") == "👩\u200d💻 می\u200cخواهم ab"
    assert normalise("a\U000e0068\U000e0069b\u202ec") == "abc"
    assert one_line(" a \n\n b\t") == "a b"


@given(st.lists(BLOCKS, max_size=12), st.integers(1, 4), st.data())
def test_assembled_places_are_right(blocks: list[Block], count: int, data: st.DataObject) -> None:
    numbers = sorted(
        data.draw(st.lists(st.integers(1, count), min_size=len(blocks), max_size=len(blocks)))
    )
    paged = [
        Block(b.kind, b.text, b.level, b.marker, b.group, b.anchor, number, b.joins)
        for b, number in zip(blocks, numbers, strict=True)
    ]
    text, headings, _, pages = assemble(paged, count)
    for heading in headings:
        line = text[heading.start :].split("\n", 1)[0]
        assert line == f"{'#' * heading.level} {heading.title}"
        assert heading.start == 0 or text[heading.start - 1] == "\n"
    expected = [one_line(b.text) for b in blocks if b.kind == "heading" and one_line(b.text)]
    assert [heading.title for heading in headings] == expected
    assert [page.number for page in pages] == list(range(1, count + 1))
    assert pages[0].start == 0 and pages[-1].end == len(text)
    assert all(a.end == b.start for a, b in pairwise(pages))
    assert normalise(text) == text


def test_layout() -> None:
    blocks = [
        Block("heading", "Plans\nand prices", level=1, anchor="plans"),
        Block("paragraph", "First line.\nSecond line."),
        Block("item", "one", marker="1.", group=1),
        Block("item", "inner", level=1, marker="-", group=1),
        Block("paragraph", "of inner", level=2),
        Block("item", "two", marker="2.", group=1),
        Block("item", "other list", marker="-", group=2),
        Block("code", "a = 1\n\n\n  ```\n", level=1),
        Block("paragraph", ""),
        *linearise(["Plan", "Price"], [["Basic", "3 €"], ["Pro", ""]], group=3),
        *linearise([], [["a", "b"]], group=4),
        *linearise(["Only"], [["x"]], group=5),
    ]
    assert assemble(blocks).text == "\n".join(
        [
            "# Plans and prices",
            "",
            "First line.",
            "Second line.",
            "",
            "1. one",
            "  - inner",
            "",
            "    of inner",
            "",
            "2. two",
            "",
            "- other list",
            "",
            "````",
            "a = 1",
            "",
            "  ```",
            "````",
            "",
            "Plan: Basic; Price: 3 €",
            "Plan: Pro",
            "",
            "a | b",
            "",
            "Only",
            "x",
        ]
    )


def test_a_paragraph_goes_on_over_the_end_of_a_page() -> None:
    blocks = [
        Block("paragraph", "It begins here", page=1),
        Block("paragraph", "and ends there.", page=3, joins=" "),
    ]
    text, _, _, pages = assemble(blocks, 4)
    assert text == "It begins here and ends there."
    assert [text[page.start : page.end] for page in pages] == [
        "It begins here ",
        "",
        "and ends there.",
        "",
    ]


def scopes_of(blocks: list[Block]) -> list[tuple[str, str, str]]:
    found = assemble(blocks)
    return [(s.kind, s.title, found.text[s.start : s.end]) for s in found.scopes]


def test_what_is_said_of_a_term_goes_on_in_the_deeper_blocks() -> None:
    blocks = [
        Block("item", "size: How much is kept.", marker="-", group=1, term="size"),
        Block("paragraph", "The default is 5.", level=1),
        Block("item", "small", level=1, marker="-", group=1),
        Block("item", "age: How long.", marker="-", group=1, term="age"),
        Block("paragraph", "After the list."),
    ]
    assert scopes_of(blocks) == [
        ("term", "size", "- size: How much is kept.\n\n  The default is 5.\n\n  - small"),
        ("term", "age", "- age: How long."),
    ]


def test_a_line_that_ends_in_a_colon_leads_what_follows() -> None:
    blocks = [
        Block("paragraph", "It is simple. These may be set:"),
        Block("item", "one", marker="-", group=1),
        Block("item", "two", marker="-", group=1),
        Block("item", "another list", marker="-", group=2),
        Block("paragraph", "Then say:"),
        Block("code", "go"),
        Block("code", "stop"),
        Block("paragraph", "Mind:"),
        Block("paragraph", "the gap"),
    ]
    assert scopes_of(blocks) == [
        ("lead", "These may be set", "- one\n- two"),
        ("lead", "Then say", "```\ngo\n```"),
    ]


def test_bullets_that_begin_with_a_name_are_entries_and_steps_are_not() -> None:
    blocks = [
        Block("item", "verbose: Prints more. Off by default.", marker="-", group=1),
        Block("item", "quiet", marker="-", group=1),
        Block("paragraph", "Prints nothing.", level=1),
        Block("item", "Open it: the lid is on top.", marker="1.", group=2),
        Block("item", "No. It is not: really.", marker="-", group=3),
        Block("item", "Reduce the time (default: 5 s).", marker="-", group=3),
    ]
    assert [(kind, title) for kind, title, _ in scopes_of(blocks)] == [
        ("term", "verbose"),
        ("term", "quiet"),
    ]


@given(st.lists(BLOCKS, max_size=12))
def test_scopes_nest_and_lie_in_the_text(blocks: list[Block]) -> None:
    text, headings, scopes, _ = assemble(blocks)
    for scope in scopes:
        assert 0 <= scope.start < scope.end <= len(text)
        assert not any(scope.start < heading.start < scope.end for heading in headings)
        assert all(
            other.end <= scope.start or scope.end <= other.start
            or (scope.start <= other.start and other.end <= scope.end)
            or (other.start <= scope.start and scope.end <= other.end)
            for other in scopes
        )  # fmt: skip
    assert scopes == sorted(scopes, key=lambda scope: (scope.start, -scope.end))
