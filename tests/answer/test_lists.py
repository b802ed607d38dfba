import pytest
from answer_helpers import passage

from rag.answer.lists import goes_on, joined, listings, number, runs_over


@pytest.mark.parametrize(
    ("marker", "count"), [("1.", 1), ("(12)", 12), ("c)", 3), ("-", None), ("•", None)]
)
def test_number(marker, count):
    assert number(marker) == count


def test_lists_of_a_passage():
    text = (
        "## A\n\nDo this:\n\n1. One. More of one.\n2. Two.\n\n  A note.\n\n3. Three.\n\nText.\n\n"
        "1. Other.\n2. List.\n\n- a\n- b"
    )
    found = listings(0, passage(text))
    assert [[e.marker for e in one.entries] for one in found] == [
        ["1.", "2.", "", "3."], ["1.", "2."], ["-", "-"],
    ]  # fmt: skip
    first = found[0]
    assert [text[e.start : e.end] for e in first.entries] == [
        "One. More of one.", "Two.", "A note.", "Three.",
    ]  # fmt: skip
    assert first.heading == "A"
    assert text[first.lead.start : first.lead.end] == "Do this:"
    assert [one.closes for one in found] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("3. Three.\n4. Four.\n\nDone.", 100, (True, True)),
        ("3. Three.\n4. Four.\n\n## Done", 100, (True, False)),
        ("Of two.\n\n3. Three.", 100, (True, True)),
        ("Do:\n\n1. One.\n2. Two.", 0, (False, True)),
        ("- One.\n- Two.\n\nDone.", 100, (True, False)),
        ("1. One.\n2. Two.\n\n## Done", 100, (False, False)),
        ("No list.", 5, (False, False)),
    ],
)
def test_runs_over(text, start, expected):
    assert runs_over(passage(text, start=start)) == expected


def test_chunks_that_do_not_touch_are_not_joined():
    first = passage("1. One.\n2. Two.", uri="a.md")
    far = passage("3. Three.", uri="a.md", start=500)
    other = passage("3. Three.", uri="b.md", start=first.chunk.end + 1)
    for second in (far, other):
        assert len(joined(listings(0, first)[0], [first, second]).entries) == 2


def test_a_step_that_is_cut_by_the_end_of_a_chunk_is_whole_again():
    first = passage("1. One.\n2. Two is long.", uri="a.md")
    second = passage(
        "Rest of two.\n\n3. Three.\n\nA note.\n\nThen.", uri="a.md", start=first.chunk.end + 1
    )
    both = [first, second]
    assert goes_on(first, second)
    for n, one in enumerate(both):
        whole = joined(listings(n, one)[0], both)
        assert [both[e.passage].chunk.text[e.start : e.end] for e in whole.entries] == [
            "One.", "Two is long.", "Rest of two.", "Three."
        ]  # fmt: skip


def test_a_list_does_not_go_on_where_the_count_begins_again():
    first = passage("1. One.\n2. Two.", uri="a.md")
    second = passage("1. Other.\n2. List.", uri="a.md", start=first.chunk.end + 1)
    assert not goes_on(first, second)
