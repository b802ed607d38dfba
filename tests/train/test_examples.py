"""Training examples: spans are exact, changes change something, what is held apart stays apart."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.protocols import Embedder
from rag.train.claims import (
    best_evidence,
    made_claims,
    stated_claims,
    swapped_claims,
)
from rag.train.contrasts import SOURCES, UNSUPPORTED, read_pairs
from rag.train.examples import (
    HELD_CLAIMS,
    SHIPPED_QA,
    Example,
    Question,
    changed,
    changed_questions,
    from_question,
    hard_negatives,
    held,
    read_questions,
    sentence_pairs,
)

CONTEXT = (
    "The tower in Lyon was built in 1894 by Anna Weber. It is 85 metres high. "
    "In 1921 it was sold to the city of Geneva, which painted it green. "
    "Visitors can climb 310 steps to the top."
)
TOWER = Question(
    id="1", text="When was the tower in Lyon built?", title="Tower", chunk=CONTEXT,
    start=CONTEXT.index("1894"), end=CONTEXT.index("1894") + 4, source="s", article="a",
)  # fmt: skip


def packed(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def question(n: int) -> Question:
    text = f"The bridge number {n} in Oslo was opened in {1800 + n} by Erik Dahl{n} himself."
    return Question(
        id=str(n), text=f"When was bridge {n} opened?", title=f"Bridge {n}", chunk=text,
        start=text.index(str(1800 + n)), end=text.index(str(1800 + n)) + 4, source="s",
        article=f"a{n % 3}",
    )  # fmt: skip


def test_a_span_is_where_its_answer_stands() -> None:
    for seed in range(20):
        example = from_question(TOWER, random.Random(seed))
        assert example.second[example.start : example.end] == "1894"
        assert example.second[example.prefix :] == CONTEXT
        assert example.relevance == 1


def test_single_sentences_the_one_that_answers_and_those_beside_it() -> None:
    pairs = sentence_pairs([TOWER], random.Random(0), 5)
    assert [pair.relevance for pair in pairs] == [1.0, 0.0, 0.0]
    first, *others = pairs
    assert first.second[first.prefix :] == "The tower in Lyon was built in 1894 by Anna Weber."
    assert first.second[first.start : first.end] == "1894"
    assert all((pair.start, pair.end) == (-1, -1) for pair in others)
    assert not sentence_pairs([replace(TOWER, answerable=False)], random.Random(0), 5)


def test_names_and_figures_change_places_but_not_those_of_one_list() -> None:
    sold = "Last year the old tower was sold by the Weber family to the Geneva council."
    listed = "Today the painted copies of it stand in the towns of Oslo, Rome and Bergen."
    owner = replace(TOWER, chunk=f"{sold} {listed}", start=0, end=4)
    found = [e for seed in range(20) for e in swapped_claims([owner], random.Random(seed), 10)]
    assert {e.first for e in found if e.support} == {sold}
    assert {e.first for e in found if not e.support} == {
        "Last year the old tower was sold by the Geneva family to the Weber council."
    }
    assert all(sold in e.second for e in found)


def test_a_pronoun_stands_for_a_short_subject_in_some() -> None:
    sold = "The tower was sold by the Weber family to the Geneva council in Lyon."
    owner = replace(TOWER, chunk=sold, start=0, end=3)
    found = [e for seed in range(40) for e in swapped_claims([owner], random.Random(seed), 10)]
    rest = sold.removeprefix("The tower")
    assert {e.first for e in found if e.support} == {sold, *(p + rest for p in ("It", "He", "She"))}


def test_unanswerable_questions_have_no_span_and_no_say_on_relevance() -> None:
    unknown = from_question(
        Question(**{**TOWER.__dict__, "answerable": False}), random.Random(0)
    )  # fmt: skip
    assert (unknown.start, unknown.end, unknown.relevance) == (-1, -1, None)


def test_questions_are_read_with_the_chunk_that_answers(tmp_path: Path, embedder: Embedder) -> None:
    long = " ".join(f"Sentence number {n} says little about anything at all." for n in range(60))
    context = f"{long} {CONTEXT}"
    row = {
        "id": "x", "title": "Tower", "context": context, "question": "Who built it?",
        "answers": [{"text": "Anna Weber", "start": context.index("Anna Weber")}],
        "answerable": True,
    }  # fmt: skip
    packed(tmp_path / "qa" / "squad1-train.jsonl.gz", [row])
    apart = held("squad1-train/Tower")
    [found] = read_questions(tmp_path, "squad1-train", embedder.count_tokens, held_apart=apart)
    assert found.chunk[found.start : found.end] == "Anna Weber"
    assert found.chunk in context
    assert embedder.count_tokens(found.chunk) <= 200
    assert not read_questions(
        tmp_path, "squad1-train", embedder.count_tokens, held_apart=not apart
    )  # fmt: skip


def test_of_several_places_the_one_in_question_is_taken(tmp_path: Path, embedder: Embedder) -> None:
    context = "In 1894 a storm came. The tower in Lyon was built in 1894."
    row = {
        "id": "x", "title": "T", "context": context, "question": TOWER.text, "answerable": True,
        "answers": [{"text": "1894", "start": -1, "starts": [3, context.rindex("1894")]}],
    }  # fmt: skip
    packed(tmp_path / "qa" / "squad1-train.jsonl.gz", [row])
    apart = held("squad1-train/T")
    [found] = read_questions(tmp_path, "squad1-train", embedder.count_tokens, held_apart=apart)
    assert found.start == context.rindex("1894")


def test_a_changed_question_asks_something_else() -> None:
    seen = {changed(TOWER.text, CONTEXT, random.Random(seed)) for seed in range(30)}
    assert TOWER.text not in seen
    assert any(text and "Geneva" in text for text in seen)
    assert changed("what is it?", "", random.Random(0)) is None
    [example] = changed_questions([TOWER], random.Random(1), 1)
    assert (example.start, example.relevance) == (-1, None)


def test_hard_negatives_do_not_hold_the_answer(embedder: Embedder) -> None:
    questions = [question(n) for n in range(12)]
    found = hard_negatives(questions, embedder, random.Random(0), 12)
    assert found
    answers = {q.text.rstrip("?").split()[3]: str(1800 + int(q.id)) for q in questions}
    for example in found:
        assert (example.start, example.relevance) == (-1, 0.0)
        for number, year in answers.items():
            if f"bridge {number} " in f"{example.first} ":
                assert year not in example.second


def test_made_claims_say_what_is_there_or_do_not() -> None:
    questions = [TOWER, *map(question, range(40))]
    found = made_claims(questions, random.Random(0), 40)
    assert {example.support for example in found} == {0.0, 1.0}
    for example in found:
        inside = example.first.rstrip(".") in example.second
        assert inside or not example.support or "(" in example.second or "," in example.second
        assert not (inside and example.support == 0.0)


def test_long_evidence_is_cut_to_what_is_about_the_claim(embedder: Embedder) -> None:
    noise = [f"The weather on day {n} was neither good nor bad for sailing." for n in range(80)]
    evidence = [*noise[:40], "The tower was painted green by Geneva.", *noise[40:]]
    [seen] = best_evidence(["Geneva painted the tower green."], [evidence], embedder)
    assert "The tower was painted green by Geneva." in seen
    assert len(seen) <= 900
    assert best_evidence(["x"], [["short"]], embedder) == ["short"]


def test_claims_are_read_by_groups(tmp_path: Path, embedder: Embedder) -> None:
    rows = [
        {"id": str(n), "evidence": ["Green."], "claim": "Green?", "label": "partial",
         "source": "s", "group": f"g{n}"}
        for n in range(50)
    ]  # fmt: skip
    packed(tmp_path / "groundedness" / "wice-dev.jsonl.gz", rows)
    trained = read_pairs(tmp_path, "wice-dev", embedder, held_apart=False)
    apart = read_pairs(tmp_path, "wice-dev", embedder, held_apart=True)
    assert len(trained) + len(apart) == 50
    assert 2 < len(apart) < 25
    assert {pair.label for pair in trained} == {UNSUPPORTED}


def test_sets_without_a_licence_are_for_measuring_only() -> None:
    forbidden = {"healthver-dev", "climate-fever", "scifact-train", "sick"}
    assert not forbidden & {*SHIPPED_QA, *(source.name for source in SOURCES)}
    assert forbidden < set(HELD_CLAIMS)


@pytest.mark.data
def test_the_real_sets_give_exact_spans(data: Path, embedder: Embedder) -> None:
    found = read_questions(data, "squad2-dev-half", embedder.count_tokens, held_apart=True)
    assert len(found) > 800
    assert any(not q.answerable for q in found)
    example: Example
    for one in found[:200]:
        example = from_question(one, random.Random(0))
        if one.answerable:
            assert example.second[example.start : example.end].strip()


def test_stated_claims_are_true_false_or_about_another_chunk() -> None:
    other = replace(TOWER, id="2", text="When was the tower in Lyon sold?",
                    start=CONTEXT.index("1921"), end=CONTEXT.index("1921") + 4)  # fmt: skip
    far = replace(question(1), article=TOWER.article)
    found = stated_claims([TOWER, other, far] * 30, random.Random(0), 90)
    said = {(e.first, e.second.removeprefix("Tower\n"), e.support) for e in found}
    assert ("The tower in Lyon was built in 1894.", CONTEXT, 1.0) in said
    assert ("The tower in Lyon was built in 1921.", CONTEXT, 0.0) in said
    assert ("The tower in Lyon was built in 1894.", far.chunk, 0.0) in said
    assert not any(support for claim, chunk, support in said if chunk == far.chunk != CONTEXT
                   and "Lyon" in claim)  # fmt: skip
