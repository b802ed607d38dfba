from datetime import date

import pytest
from answer_helpers import passage

from rag.answer.conflicts import Statement, disagree, find, prefers, same_work
from rag.answer.extract import ExtractiveGenerator
from rag.settings import AnswerSettings

OLD = passage(
    "The customer may return hardware within 14 days of delivery.",
    title="Refund policy (version 2.1)", uri="old.md", published=date(2023, 4, 1),
)  # fmt: skip
NEW = passage(
    "Hardware may be returned within 30 days of delivery.",
    title="Refund policy (version 3.0)", uri="new.md", published=date(2025, 2, 1),
)  # fmt: skip


def found(question, *passages):
    draft = list(ExtractiveGenerator(AnswerSettings()).draft(question, passages, []))
    return find(question, passages, draft)


def test_the_newer_is_preferred_and_both_dates_are_shown():
    (conflict,) = found("How long may I return hardware?", OLD, NEW)
    assert conflict.preferred.passage.uri == "new.md"
    assert conflict.describe() == (
        "versions disagree: “The customer may return hardware within 14 days of delivery.” "
        "(Refund policy (version 2.1), 2023-04-01) is older than "
        "“Hardware may be returned within 30 days of delivery.” "
        "(Refund policy (version 3.0), 2025-02-01), which is preferred"
    )


def test_the_version_of_the_time_is_preferred_if_the_question_names_it():
    (conflict,) = found("How long could I return hardware as of March 2024?", OLD, NEW)
    assert conflict.preferred.passage.uri == "old.md"
    assert "came after 2024-03-31" in conflict.describe()


def statement(text, **more):
    item = passage(text, **{"title": "Policy", "published": date(2024, 1, 1)} | more)
    return Statement(item, 0, len(text))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("A refund takes 5 days after the scan.", "A refund takes 10 days after the scan.", True),
        ("A restocking fee is charged.", "No restocking fee is charged.", True),
        ("A refund takes 5 days after the scan.", "A refund takes 5 days after a scan.", False),
        ("A refund takes 5 days.", "A parcel needs 10 days.", False),
        ("Refunds take 5 days.", "Refunds take 5 days, at most 7.", False),
        ("Plan: Plus; Price: 3", "Plan: Plus; Price: 4", True),
        ("Plan: Plus; Price: 3", "Plan: Family; Price: 4", False),
        ("Plan: Plus; Price: 3", "Plan: Plus; Devices: 4", False),
        ("Write to us within 30 days.", "The battery holds for 10 hours.", False),
    ],
)
def test_disagree(left, right, expected):
    first = statement(left, uri="a.md")
    second = statement(right, uri="b.md", published=date(2025, 1, 1))
    assert disagree(first, second) is expected


def test_other_names_are_other_things():
    first = statement("In all plans the limit of the Wren Cam is 5 zones a camera.", title="A")
    second = statement("In all plans the limit of the Fox Eye is 9 zones a camera.", title="B")
    assert not disagree(first, second)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("Refund policy (version 2.1)", "Refund policy (version 3.0)", True),
        ("Limited warranty, version 1.0", "Limited warranty, version 2.0", True),
        ("Shipping costs 2024", "Shipping costs", True),
        ("Refund policy", "Return policy", False),
        ("2023", "2024", False),
    ],
)
def test_versions_of_one_document(left, right, expected):
    assert same_work(passage("x", title=left), passage("x", title=right)) is expected


def test_undated_and_equal_dates_decide_nothing():
    undated = passage("x", uri="u.md")
    assert not prefers(undated, NEW, None)
    assert not prefers(NEW, undated, None)
    assert not prefers(NEW, NEW, None)
    assert prefers(NEW, OLD, None)
    assert prefers(OLD, NEW, date(2024, 1, 1))
    assert found("How long may I return hardware?", NEW, undated) == []


def test_no_conflict_without_an_answer():
    assert find("How long?", [OLD, NEW], []) == []
