"""Manual pages as troff lays them out for a terminal, in text files and in web pages."""

from __future__ import annotations

import html
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ingest.blocks import Block
from rag.ingest.extract import extract
from rag.ingest.fetched import Fetched
from rag.ingest.manual import read_manual
from rag.types import Document

PAGE = """\
KETTLE(1)                      Kitchen commands                      KETTLE(1)

NAME
       kettle - boil water for tea and keep it warm

SYNOPSIS
       kettle [-q] [-t degrees]
              [--keep-warm=MINUTES] cups

DESCRIPTION
   Heating
       The  kettle command heats as many cups of water as it is told to, and
       says when they are hot. A cup that is not filled is left out of  ac-
       count, and the heating stops when the kettle is lifted off its base.

   Lids
       The lid has to be closed while the water is being heated on the base.

OPTIONS
       -q     Make no sound when the water boils. The lamp is lit all the
              same.

       -t degrees
              Heat the water to so many degrees. The default is ninety-five
              of them.

              Green tea wants fewer of them, and so does a cup of white tea.

       -v, --verbose
              Say more.
       --keep-warm=MINUTES
              Keep the water warm for so long. The following ones are known:

              short  Ten minutes after the water boiled for the first time.

              long   An hour, during which the lamp of the base stays on.

EXAMPLES
       To boil two cups of water without a sound, type this at the prompt:

           kettle -q 2
             # or kettle 2

       It says nothing at all, which is what the option asks for in the end.

FILES
       /etc/kettle.conf
              Settings of the kettle.

KETTLE 2.0                       4 May 2024                          KETTLE(1)
"""
CODE = """\
NAME = "kettle"

def boil(cups):
    if cups:
        return heat(cups)
    return None
"""
CAPITALS = """\
DESCRIPTION

The kettle boils water for tea and keeps it warm for a while after it.

OPTIONS

The lid has to be closed while the water is being heated on the base.
"""


def document(name: str, text: str) -> Document:
    return extract(Fetched(uri=name, data=text.encode(), name=name)).documents[0]


def terms(blocks: list[Block]) -> list[str]:
    return [block.term for block in blocks if block.term]


def read(text: str) -> list[Block]:
    blocks = read_manual(text)
    assert blocks is not None
    return blocks


def in_page(text: str) -> str:
    return f"<html><body><pre>{html.escape(text)}</pre></body></html>"


@pytest.mark.parametrize(("name", "text"), [("kettle.1.txt", PAGE), ("a.html", in_page(PAGE))])
def test_a_page_is_read_with_its_options(name: str, text: str) -> None:
    found = document(name, text)
    titles = ["NAME", "SYNOPSIS", "DESCRIPTION", "Heating", "Lids", "OPTIONS", "EXAMPLES", "FILES"]
    assert [heading.title for heading in found.headings] == titles
    assert "left out of account, and the heating stops" in found.text
    assert "- -q: Make no sound when the water boils. The lamp is lit all the same.\n" in found.text
    assert "```\nkettle -q 2\n  # or kettle 2\n```" in found.text
    assert "Kitchen commands" not in found.text
    [scope] = [scope for scope in found.scopes if scope.title == "-t degrees"]
    assert found.text[scope.start : scope.end].endswith("and so does a cup of white tea.")


def test_the_terms_are_those_that_hang_out() -> None:
    blocks = read(PAGE)
    assert terms(blocks) == [
        "-q",
        "-t degrees",
        "-v, --verbose",
        "--keep-warm=MINUTES",
        "short",
        "long",
        "/etc/kettle.conf",
    ]
    assert [block.level for block in blocks if block.term] == [0, 0, 0, 0, 1, 1, 0]


def test_a_word_of_a_term_that_stands_where_texts_begin_is_no_text() -> None:
    assert "-rinse n" in terms(read(PAGE.replace("-t degrees", "-rinse n")))
    text = PAGE.replace("-t degrees\n              Heat", "-t deg Heat")
    assert "-t deg" in terms(read(text))


def test_overstruck_letters_are_bold_ones() -> None:
    assert read(PAGE.replace("-q ", "-\b-q\bq ")) == read(PAGE)


def test_lines_that_had_room_stay_apart_and_options_keep_their_hyphens() -> None:
    text = PAGE.replace(
        "heating stops when the kettle is lifted off",
        "kettle keeps the cups warm where the --keep-",
    )
    text = (
        text.replace(" its base.\n", "\n       warm.\n")
        + "\nAUTHORS\n       A. Cook\n       B. Tea\n"
    )
    blocks = read(text)
    assert blocks[-1].text == "A. Cook\nB. Tea"
    assert any("the --keep-warm." in block.text for block in blocks)


def test_names_in_a_row_share_their_definition() -> None:
    text = PAGE.replace("       -q     Make", "       -Q (ignored)\n\n       -q     Make")
    assert "-Q (ignored), -q" in terms(read(text))


@pytest.mark.parametrize("text", [CODE, CAPITALS, PAGE.replace("\n       ", "\n"), "", "NAME\n"])
def test_what_is_laid_out_in_another_way_is_left_alone(text: str) -> None:
    assert read_manual(text) is None


def test_code_in_a_page_stays_code() -> None:
    assert f"```\n{CODE}```" in document("a.html", in_page(CODE)).text


WORD = st.from_regex(r"[a-z]{2,9}", fullmatch=True)
PROSE = st.lists(WORD, min_size=12, max_size=40)


@given(st.lists(st.tuples(WORD, PROSE), min_size=1, max_size=5), st.integers(60, 100))
def test_no_word_is_lost_and_every_option_found(
    entries: list[tuple[str, list[str]]], width: int
) -> None:
    text = "NAME\n       kettle - boil water\n\nDESCRIPTION\n"
    text += textwrap.indent(textwrap.fill(" ".join(["water"] * 60), width - 7), " " * 7) + "\n\n"
    for option, words in entries:
        body = textwrap.indent(textwrap.fill(" ".join(words), width - 14), " " * 14)
        text += f"       --{option}=N\n{body}.\n\n"
    blocks = read(text)
    assert terms(blocks) == [f"--{option}=N" for option, _ in entries]
    said = " ".join(block.text for block in blocks)
    assert said.replace(":", "").split() == text.replace(":", "").split()


def test_values_at_the_end_of_a_line_are_no_running_heads() -> None:
    page = (
        "NAME\n       foo - does things\n\nDESCRIPTION\n"
        + "       The program does many things with all of the files that there are.\n\n" * 4
        + "       --port\n              It listens there, and by default it is this number:\n"
        "              8080\n\n              stack   8192\n"
    )
    text = extract(Fetched("a.txt", page.encode(), name="a.txt")).documents[0].text
    assert "8080" in text
    assert "stack" in text


def test_headings_with_nothing_indented_right_below_them() -> None:
    lines = "     this is a text of words and more\n" * 9
    page = f"NAME\nfoo - does bar things here now\n{lines}\nDESCRIPTION\nit does\n{lines}"
    assert (
        "foo - does bar" in extract(Fetched("a.txt", page.encode(), name="a.txt")).documents[0].text
    )
