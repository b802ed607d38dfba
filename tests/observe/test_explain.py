"""The way of a question, told from its row."""

from __future__ import annotations

import json

import pytest
from rows_helper import ASKED, found, row

from rag.observe.explain import Explanation
from rag.rows import Feedback


def test_an_answer_is_explained() -> None:
    told = Explanation(row(), [Feedback(row().id, ASKED, "better", "see there", "docs/9.md")])
    assert told.outcome == "answered (confidence 0.40; 0.14 is needed)"
    assert told.ranks["dense"] == {f"{2:032x}": 1, f"{1:032x}": 2, f"{3:032x}": 3}
    assert told.cited == {f"{2:032x}": [1]}
    assert told.first == "by 0.100: fused 0.70 against 0.55"
    assert told.otherwise == [
        "it is 0.26 above the threshold of 0.14",
        "answer.abstain = “cautious” or “balanced” or “eager” would answer",
        "dense alone would have put first: Document 2 (docs/2.md, 0:100)",
        "what [1] cites ranks dense 1, lexical 2, fused 2, rerank 2",
        "the reader saw an answer likeliest in: Document 1 (docs/1.md, 0:100)",
    ]
    text = "\n".join(told.lines(lambda one: f"text of {one.uri}"))
    for part in (
        "1. Document 1 (docs/1.md, 0:100)\n     dense 0.500 (no. 2) · lexical 9.000 (no. 1)",
        "2. Document 2 (docs/2.md, 0:100)  cited [1]",
        "“text of docs/2.md”",
        "Found, but ranked too low to be read:\n  3. Document 3",
        "Said:\n  supported 0.98: A refund takes",
        "Left out and noted:\n  the documents mention “Ólafsdóttir” nowhere",
        "Feedback:\n  better: see there: docs/9.md",
        "92: retrieve 12, read 80",
    ):
        assert part in text


def test_json_has_ranks_and_fates() -> None:
    body = json.loads(json.dumps(Explanation(row()).to_json()))
    assert body["found"][0]["ranks"] == {"lexical": 1, "dense": 2, "fused": 1, "rerank": 1}
    assert [one["fate"] for one in body["found"]] == [
        "read",
        "cited [1]",
        "ranked too low to be read",
    ]
    assert body["found"][0]["text"] is None
    assert body["outcome"].startswith("answered")


def abstaining(**changes: object) -> Explanation:
    return Explanation(row(**{"said": (), "abstained": True, **changes}))


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"confidence": 0.12}, "abstained: none of the 2 passages that were read answers it"),
        ({"found": ()}, "abstained: nothing was found; a filter may have left nothing"),
        ({"confidence": 0.9}, "abstained: of what was drafted nothing held"),
        ({"error": "stopped"}, "stopped before its end"),
        ({"error": "ModelError: no reply"}, "failed: ModelError: no reply"),
        ({"asked_back": True}, "asked back, as it may mean several things"),
    ],
)
def test_why_there_is_no_answer(changes: dict[str, object], outcome: str) -> None:
    assert abstaining(**changes).outcome.startswith(outcome)
    assert abstaining(**changes).lines()


def test_another_risk_would_have_answered() -> None:
    told = abstaining(confidence=0.12).otherwise
    assert told[:3] == [
        "it is 0.02 under the threshold of 0.14",
        "answer.abstain = “eager” would answer",
        "answer.abstain = “cautious” or “balanced” would abstain",
    ]


def test_what_is_not_kept_is_said_so() -> None:
    lines = Explanation(row(question="", standalone="", repeat="ab")).lines()
    assert "Question: (not kept; equal ones have ab)" in lines


def test_a_single_passage_leads_nothing() -> None:
    told = Explanation(row(found=(found(1, dense=0.4, lexical=1.0, rerank=0.2),)))
    assert told.first == ""
