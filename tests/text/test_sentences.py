import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.sentences import is_row, sentences


def cut(text):
    return [(s.kind, s.of(text)) for s in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It costs 3.50 EUR. Pay.", ["It costs 3.50 EUR.", "Pay."]),
        ("Dr. Smith met J. R. R. Tolkien.", ["Dr. Smith met J. R. R. Tolkien."]),
        ("Use e.g. a coin. Then stop.", ["Use e.g. a coin.", "Then stop."]),
        ("See Fig. 3 for it.", ["See Fig. 3 for it."]),
        ("Version 2.1.3 is out. Get it.", ["Version 2.1.3 is out.", "Get it."]),
        ("He said “Stop.” Then he left.", ["He said “Stop.”", "Then he left."]),
        ("It ended (at last.) They left.", ["It ended (at last.)", "They left."]),
        ("We open at 9 a.m. Calls end later.", ["We open at 9 a.m.", "Calls end later."]),
        ("We open at 9 a.m. on Monday.", ["We open at 9 a.m. on Monday."]),
        ("Acme Inc. was sold. It ended.", ["Acme Inc. was sold.", "It ended."]),
        ("Das gilt z.B. für Hubs. Und mehr.", ["Das gilt z.B. für Hubs.", "Und mehr."]),
        ("¿Qué es? Es un hub.", ["¿Qué es?", "Es un hub."]),
        ("これは文です。次の文です。", ["これは文です。", "次の文です。"]),
        ("Known since 1990.[3] It grew.", ["Known since 1990.", "It grew."]),
        (
            "A line that was broken because it is too long\nand goes on. Next.",
            ["A line that was broken because it is too long\nand goes on.", "Next."],
        ),
        ("Column Type\nname text", ["Column Type", "name text"]),
        ("First paragraph\n\nSecond paragraph", ["First paragraph", "Second paragraph"]),
        ("Wait … what? Yes.", ["Wait … what?", "Yes."]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_prose(text, expected):
    assert [words for _, words in cut(text)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("## Title\n\nText.", [("heading", "Title"), ("text", "Text.")]),
        ("- one\n- two", [("item", "one"), ("item", "two")]),
        ("1. Open it. Wait.\n2. Go.", [("item", "Open it."), ("item", "Wait."), ("item", "Go.")]),
        ("Plan: Pro; Price: 9\nPlan: Plus; Price: 5",
         [("row", "Plan: Pro; Price: 9"), ("row", "Plan: Plus; Price: 5")]),
        ("a | b\n1 | 2", [("row", "a | b"), ("row", "1 | 2")]),
        ("Run:\n\n```\nx = 1. y\nz\n```\n\nDone.",
         [("text", "Run:"), ("code", "x = 1. y"), ("code", "z"), ("text", "Done.")]),
    ],
)  # fmt: skip
def test_kinds(text, expected):
    assert cut(text) == expected


def test_markers_are_kept_on_the_first_sentence_only():
    assert [s.marker for s in sentences("1. Open it. Wait.\n(b) Go.\n- End.")] == [
        "1.", "", "(b)", "-",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("Plan: Pro; Price: 9", True), ("a | b", True), ("Note: this is a sentence.", False),
        ("He said: go; she said: stay.", False), ("", False),
    ],
)  # fmt: skip
def test_rows(line, row):
    assert is_row(line) is row


_PIECES = st.sampled_from(
    ["One.", "two", "Mr.", "3.5", "\n", "\n\n", "# ", "## T\n", "- ", "\n- x", "\n1. ", "a | b",
     "```", "\n```\n", "A: b; C: d", "“Q.”", "(x.)", "?", "!", "…", "。", " ", "\t", "[1]", "é",
     "e.g.", "I."]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=40).map("".join) | st.text(max_size=200))
def test_spans_are_in_order_and_leave_out_only_marks(text):
    end = 0
    between = []
    for span in sentences(text):
        assert end <= span.start < span.end <= len(text)
        assert span.of(text) == span.of(text).strip()
        between.append(text[end : span.start])
        end = span.end
    between.append(text[end:])
    marks = re.compile(
        r"```[^\n]*|#{1,6}(?= )|(?m:^)[ \t]*(?:[-*•‣]|\(?\d{1,3}[.)]|\(?[a-z][.)])(?=\s)"
        r"|(?:\[\d+\])+"
    )
    for gap in between:
        assert not marks.sub("", gap).strip()


def test_full_stops_that_end_nothing_cost_no_more_than_others() -> None:
    began = time.process_time()
    assert sentences("No 5 to 6 % of A. " * 5000)
    assert time.process_time() - began < 2
