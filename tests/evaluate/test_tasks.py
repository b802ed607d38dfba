"""Ranking, reading, grounding and rewriting, measured with the real parts on small data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import Done

from rag.errors import DataError, UsageError
from rag.evaluate import grounding, qa, retrieval, rewrite
from rag.evaluate.beir import read_beir
from rag.evaluate.runs import read_run
from rag.types import Turn, Verdict

PAGES = {
    "refunds": "Refunds take five business days after the parcel has arrived at our warehouse.",
    "hub": "The light of the hub is red when it is offline, and green when it works.",
    "plans": "The Plus plan costs 4.99 euros a month and has ten cameras.",
    "shipping": "Parcels to Norway take eight days and cost 12 euros.",
}
QUERIES = {
    "q1": ("how long do refunds take", {"refunds": 2, "shipping": 1}),
    "q2": ("why is the hub red", {"hub": 1}),
    "q3": ("price of the plus plan", {"plans": 1, "hub": 0}),
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    write(folder / "corpus.jsonl", [{"_id": k, "title": k, "text": v} for k, v in PAGES.items()])
    write(
        folder / "queries.jsonl",
        [{"_id": k, "text": text} for k, (text, _) in QUERIES.items()]
        + [{"_id": "unjudged", "text": "nothing"}],
    )
    (folder / "qrels").mkdir()
    lines = [
        f"{q}\t{d}\t{grade}" for q, (_, found) in QUERIES.items() for d, grade in found.items()
    ]
    (folder / "qrels" / "test.tsv").write_text(
        "\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n"
    )
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Broken:
    """A stage that crashes on every call that mentions a word."""

    def __init__(self, stage: Any, word: str) -> None:
        self._stage = stage
        self._word = word

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._stage, name)
        if not callable(real):
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            if self._word in str(arguments):
                raise RuntimeError("the stage fell over")
            return real(*arguments, **named)

        return call


# Ranking


def test_stages_side_by_side(beir: Path, make_pipeline: Any, cache: Path) -> None:
    runs = retrieval.evaluate(read_beir(beir), make_pipeline())
    assert list(runs) == ["dense", "lexical", "fused", "reranked"]
    for run in runs.values():
        body = run.summary()
        assert (body["n"], body["failed"]) == (3, 0)
        assert body["recall_at_100"] == body["mrr_at_10"] == 1
        assert body["ndcg_at_10_ci"][0] <= body["ndcg_at_10"] <= body["ndcg_at_10_ci"][1] == 1
        assert body["latency_ms"]["p95"] >= body["latency_ms"]["p50"] > 0
        assert read_run(run.path).summary() == body
    [index] = (cache / "retrieval").iterdir()
    before = (index / "catalog.db").stat().st_mtime_ns
    again = retrieval.evaluate(read_beir(beir), make_pipeline(), stages=["fused"])["fused"]
    assert [p.name for p in (cache / "retrieval").iterdir()] == [index.name]
    assert again.summary()["ndcg_at_10"] == runs["fused"].summary()["ndcg_at_10"]
    assert (index / "catalog.db").stat().st_mtime_ns == before  # nothing was written


def test_an_index_that_an_interruption_left_is_completed(
    beir: Path, make_pipeline: Any, cache: Path
) -> None:
    found = read_beir(beir)
    pipeline = make_pipeline()
    documents = list(found.documents())
    name = next(iter(retrieval.evaluate(found, pipeline, stages=["fused"]).values()))
    [index] = (cache / "retrieval").iterdir()
    with pipeline.variant(index) as own:
        own.index.remove([documents[0].id])
    again = retrieval.evaluate(found, pipeline, stages=["fused"])["fused"]
    assert again.summary()["recall_at_100"] == name.summary()["recall_at_100"] == 1


def test_ranking_measures_agree_with_another_implementation() -> None:
    from sklearn.metrics import ndcg_score

    qrels = {"a": 3, "b": 0, "c": 1, "d": 2, "e": 1}
    ranking = {"b": 5.0, "a": 4.0, "x": 3.0, "e": 2.0, "c": 1.0}
    measured = retrieval.measures(qrels, ranking)
    # scikit-learn ranks what it is given: what was not found has to stand below the tenth place.
    padding = [f"nothing {n}" for n in range(10)]
    names = [*ranking, *padding, "d"]
    gains = [[qrels.get(name, 0) for name in names]]
    scores = [[*ranking.values(), *[0.0] * 10, -1.0]]
    assert measured["ndcg_at_10"] == pytest.approx(ndcg_score(gains, scores, k=10), abs=1e-6)
    ideal = 3 + 2 / 1.584963 + 1 / 2 + 1 / 2.321928
    ours = 3 / 1.584963 + 1 / 2.321928 + 1 / 2.584963
    assert measured["ndcg_at_10"] == pytest.approx(ours / ideal, abs=1e-5)
    assert measured["mrr_at_10"] == 0.5
    assert measured["recall_at_10"] == measured["recall_at_100"] == 0.75
    nothing = retrieval.measures({"a": 0}, ranking)
    assert set(nothing.values()) == {0.0}


def test_a_follow_up_is_rewritten_first(beir: Path, make_pipeline: Any) -> None:
    turn = {"role": "user", "text": "Tell me about the Plus plan."}
    rows = [{"_id": "q3", "text": "How much does it cost?", "history": [turn]}]
    write(beir / "queries.jsonl", rows)
    (beir / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq3\tplans\t1\n")
    found = read_beir(beir)
    [with_it] = retrieval.evaluate(found, make_pipeline(), stages=["lexical"]).values()
    [without] = retrieval.evaluate(
        found, make_pipeline(), stages=["lexical"], rewrite=False
    ).values()
    assert "plus" in with_it.rows[0]["standalone"].lower()
    assert without.rows[0]["standalone"] == "How much does it cost?"
    assert with_it.header["options"]["rewrite"] is True


def test_queries_that_crash_or_find_nothing_score_zero_and_are_named(
    beir: Path, make_pipeline: Any, embedder: Any
) -> None:
    rows = [{"_id": q, "text": text} for q, (text, _) in QUERIES.items()]
    rows[1]["text"] = "zzzzz"
    write(beir / "queries.jsonl", rows)
    pipeline = make_pipeline(embedder=Broken(embedder, "price of"))
    [dense] = retrieval.evaluate(read_beir(beir), pipeline, stages=["dense"]).values()
    body = dense.summary()
    assert (body["n"], body["failed"]) == (3, 1)
    assert body["failures"] == [{"id": "q3", "reason": "RuntimeError: the stage fell over"}]
    assert body["recall_at_100"] == pytest.approx(2 / 3, abs=1e-4)
    [lexical] = retrieval.evaluate(read_beir(beir), pipeline, stages=["lexical"]).values()
    assert lexical.summary()["failures"] == [{"id": "q2", "reason": "nothing came back"}]


def test_a_stage_that_is_not_there(beir: Path, make_pipeline: Any) -> None:
    found = read_beir(beir)
    with pytest.raises(UsageError, match="there is no stage sparse to measure: choose from dense"):
        retrieval.evaluate(found, make_pipeline(), stages=["sparse"])
    with pytest.raises(UsageError, match="--out takes the run of one stage"):
        retrieval.evaluate(found, make_pipeline(), out=Path("x.jsonl"))


# Reading

CONTEXT = " ".join(PAGES.values())
QA = [
    {"id": "a", "title": "Shop", "context": CONTEXT, "question": "How long do refunds take?",
     "answers": [{"text": "five business days", "start": 13}], "answerable": True},
    {"id": "b", "title": "Shop", "context": CONTEXT, "question": "Who won the cup in 1998?",
     "answers": [], "answerable": False},
    {"id": "c", "title": "Shop", "context": PAGES["plans"], "question": "What does Plus cost?",
     "answers": [], "answerable": True},
]  # fmt: skip


def test_reading(tmp_path: Path, make_pipeline: Any) -> None:
    path = write(tmp_path / "qa.jsonl", QA)
    body = qa.evaluate(path, make_pipeline()).summary()
    assert (body["n"], body["failed"]) == (3, 0)
    assert body["answerable_f1"] > 0.4  # of the one question whose answer is known
    assert body["answered"] == 1
    assert 0 <= body["no_answer_accuracy"] <= 1
    assert body["answerable_auroc"] == 1
    assert body["risk_coverage"][-1][0] == 1
    again = qa.evaluate(path, make_pipeline()).summary()
    for one in (body, again):
        del one["run"], one["latency_ms"]
    assert body == again


@pytest.mark.parametrize(
    ("given", "row", "expected"),
    [
        # SQuAD 2.0's script: an unanswerable question has the one right answer ""
        ("", 1, {"f1": 1, "exact_match": 1, "no_answer_accuracy": 1}),
        ("the cup", 1, {"f1": 0, "exact_match": 0, "no_answer_accuracy": 0}),
        ("", 0, {"f1": 0, "exact_match": 0, "answerable_f1": 0, "answered": 0}),
        ("Five business days!", 0, {"f1": 1, "exact_match": 1, "answered": 1}),
        ("in five days", 0, {"f1": 2 * 2 / 6, "exact_match": 0}),
    ],
)
def test_reading_follows_the_published_rule(
    given: str, row: int, expected: dict[str, float]
) -> None:
    case = qa.QaRow.model_validate(QA[row])
    measured = qa.measures(case, given, given, 0.5)
    assert {name: measured[name] for name in expected} == pytest.approx(expected)


def test_a_tenth_of_readings_that_crash_stay_in_the_denominator(
    tmp_path: Path, make_pipeline: Any
) -> None:
    rows = [QA[0] | {"id": f"q{n}"} for n in range(18)] + [QA[1] | {"id": "u1"}]
    rows += [QA[1] | {"id": "u2", "question": "What about the comet?"}]
    rows[3] = rows[3] | {"question": "How long do refunds take for a comet?"}
    path = write(tmp_path / "qa.jsonl", rows)
    pipeline = make_pipeline()
    whole = qa.evaluate(path, pipeline).summary()
    broken = make_pipeline(reader=Broken(pipeline.reader, "comet"))
    body = qa.evaluate(path, broken).summary()
    assert (body["n"], body["failed"]) == (20, 2)
    assert [failure["id"] for failure in body["failures"]] == ["q3", "u2"]
    [lost] = (row for row in read_run(Path(whole["run"])).rows if row["id"] == "q3")
    kept = whole["answerable_f1"] * 18 - lost["measures"]["answerable_f1"]
    assert body["answerable_f1"] == pytest.approx(kept / 18, abs=1e-3)
    assert body["no_answer_accuracy"] <= 0.5
    assert body["answerable_auroc"] < whole["answerable_auroc"]


# Grounding

CLAIMS = [
    {"id": "1", "claim": "Refunds take five business days.", "evidence": [PAGES["refunds"]],
     "label": "supported", "source": "shop", "group": "g"},
    {"id": "2", "claim": "Refunds take nine weeks.", "evidence": [PAGES["refunds"]],
     "label": "unsupported", "source": "shop", "group": "g"},
    {"id": "3", "claim": "The moon is made of cheese.", "evidence": [PAGES["hub"]],
     "label": "unsupported", "source": "sky"},
    {"id": "4", "claim": "The hub is green when it works.", "evidence": [PAGES["hub"]],
     "label": "supported", "source": "sky"},
]  # fmt: skip


def test_grounding(tmp_path: Path, make_pipeline: Any) -> None:
    path = write(tmp_path / "claims.jsonl", CLAIMS)
    body = grounding.evaluate(path, make_pipeline()).summary()
    assert (body["n"], body["failed"]) == (4, 0)
    assert body["balanced_accuracy"] == body["auroc"] == body["f1_unsupported"] == 1
    assert body["balanced_accuracy_three_way"] is None  # nothing is partial here
    assert body["claims_per_second"] > 0
    assert list(body["by_source"]) == ["shop", "sky"]
    assert body["by_source"]["shop"]["balanced_accuracy_ci"] is None  # one group


class Checker:
    """Crashes at one claim, does not judge another, is right about the rest."""

    def check(self, claims: Any, evidence: Any) -> list[Verdict]:
        if any("nine weeks" in claim for claim in claims):
            raise RuntimeError("out of memory")
        return [
            Verdict(claim=claim)
            if "moon" in claim
            else Verdict(claim=claim, label="supported", support=0.9)
            for claim in claims
        ]


def test_claims_that_crash_are_wrong_and_those_not_judged_not_supported(
    tmp_path: Path, make_pipeline: Any
) -> None:
    path = write(tmp_path / "claims.jsonl", CLAIMS)
    body = grounding.evaluate(path, make_pipeline(checker=Checker())).summary()
    assert body["failures"] == [{"id": "2", "reason": "RuntimeError: out of memory"}]
    assert body["not_judged"] == 1
    assert body["balanced_accuracy"] == 0.75  # of the two that are unsupported, one is found
    assert body["auroc"] == 0.5  # the crashed one is wrong and sure of it


# Rewriting

TURNS = [
    {"id": "1", "history": [{"role": "user", "text": "What is the Plus plan?"}],
     "question": "How much does it cost?", "rewrite": "How much does the Plus plan cost?"},
    {"id": "2", "history": [], "question": "Where is Norway?", "rewrite": "Where is Norway?"},
]  # fmt: skip


class Rewriter:
    def rewrite(self, history: Any, question: str) -> str:
        if not history:
            raise ValueError("no history")
        return "How much does the Plus plan cost?"


def test_rewriting(tmp_path: Path, make_pipeline: Any) -> None:
    path = write(tmp_path / "turns.jsonl", TURNS)
    body = rewrite.evaluate(path, make_pipeline()).summary()
    assert (body["n"], body["failed"]) == (2, 0)
    assert body["term_f1_oracle"] == 1
    better = max(body["term_f1_as_said"], body["term_f1_history"])
    assert body["term_f1_gain"] == pytest.approx(body["term_f1"] - better, abs=1e-4)
    body = rewrite.evaluate(path, make_pipeline(rewriter=Rewriter())).summary()
    assert body["failures"] == [{"id": "2", "reason": "ValueError: no history"}]
    assert body["term_f1"] == body["rouge_l"] == 0.5
    assert rewrite.measures(
        rewrite.RewriteRow(
            id="x",
            history=(Turn(role="user", text="hubs"),),
            question="cost?",
            rewrite="cost of hubs",
        ),
        "cost",
    )["term_f1_oracle"] == 1  # fmt: skip


# Interrupting and going on


def test_an_interrupted_run_is_gone_on_with(tmp_path: Path, make_pipeline: Any) -> None:
    path = write(tmp_path / "turns.jsonl", [TURNS[0] | {"id": f"t{n}"} for n in range(6)])
    asked: list[str] = []

    class Stopping(Rewriter):
        def rewrite(self, history: Any, question: str) -> str:
            asked.append(question)
            if len(asked) == 4:
                raise KeyboardInterrupt
            return super().rewrite(history, question)

    pipeline = make_pipeline(rewriter=Stopping())
    stopped = rewrite.evaluate(path, pipeline)
    assert (len(stopped.rows), stopped.interrupted) == (3, True)
    with stopped.path.open("a") as file:
        file.write('{"id": "t3", "meas')  # what a crash leaves of a line
    done = rewrite.evaluate(path, pipeline, resume=True)
    assert (done.path, done.interrupted, len(asked)) == (stopped.path, False, 7)
    assert [row["id"] for row in done.rows] == [f"t{n}" for n in range(6)]
    assert read_run(done.path).summary() == done.summary()
    assert done.summary()["term_f1"] == 1
    # complete, so there is nothing left to ask
    assert rewrite.evaluate(path, pipeline, resume=True).path == done.path
    assert len(asked) == 7
    # other data is another run
    other = write(tmp_path / "turns.jsonl", TURNS[:1])
    assert rewrite.evaluate(other, pipeline, resume=True).path != done.path
    with pytest.raises(
        UsageError, match="is a run of other data, options, settings, weights or prompts"
    ):
        rewrite.evaluate(other, pipeline, resume=True, out=done.path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a run file: its first line is not a header of `rag eval`"),
        ('{"id": "a"}\n', "is not a run file: its first line is not a header of `rag eval`"),
        ("[1]\n", ":1: this is not a line of a run: it is no object"),
        ('HEADER\n{"id": "a"}\n', ":2: this is not a case of a run"),
        ("HEADER\nROW\nnonsense\nROW\n", ":3: this is not a line of a run: Expecting value"),
        ("HEADER\nROW\nROW\n", ":3: the case t0 is there twice"),
        ('{"kind": "x", "data": 1, "options": {}, "planned": 1, "seed": 0, "schema": 99}\n',
         "has schema 99 and this version reads 2: run the evaluation again"),
        ('{"kind": "x", "data": 1, "options": {}, "planned": 1, "seed": 0, "schema": 1}\n',
         "is a run of kind x, which this version does not know: retrieval, qa"),
    ],
)  # fmt: skip
def test_what_is_not_a_run_is_refused(
    tmp_path: Path, make_pipeline: Any, text: str, message: str
) -> None:
    path = write(tmp_path / "turns.jsonl", [TURNS[0] | {"id": "t0"}])
    run = rewrite.evaluate(path, make_pipeline())
    header, row = run.path.read_text().splitlines()
    bad = tmp_path / "bad.jsonl"
    bad.write_text(text.replace("HEADER", header).replace("ROW", row))
    with pytest.raises(DataError) as caught:
        read_run(bad)
    assert f"{bad}{'' if message.startswith(':') else ' '}{message}" in str(caught.value)


# From the command line


def test_every_command_prints_one_object(
    rag: Callable[..., Done], beir: Path, tmp_path: Path
) -> None:
    write(tmp_path / "qa.jsonl", QA)
    write(tmp_path / "claims.jsonl", CLAIMS)
    write(tmp_path / "turns.jsonl", TURNS)
    wanted = {
        ("retrieval", str(beir), "--stage", "fused"): "ndcg_at_10 mrr_at_10 recall_at_10 "
        "recall_at_100",
        ("qa", "qa.jsonl"): "f1 exact_match answerable_f1 no_answer_accuracy answerable_auroc aurc",
        ("grounding", "claims.jsonl"): "balanced_accuracy auroc f1_unsupported calibration_error",
        ("rewrite", "turns.jsonl"): "term_f1 term_f1_gain rouge_l",
    }
    for command, names in wanted.items():
        done = rag("eval", *command, "--json")
        assert done.status == 0, done.err
        body = json.loads(done.out)
        for name in names.split():
            assert name in body, (command, name)
            assert f"{name}_ci" in body
        assert body["failed"] == 0
        assert Path(body["run"]).exists()
        assert rag("eval", *command).out.startswith(body["data"]["file"])
        assert "| measure |" in rag("eval", *command, "--markdown").out
    every = json.loads(rag("eval", "retrieval", str(beir), "--json").out)
    assert set(every) == {"schema", "dense", "lexical", "fused", "reranked"}
    assert every["fused"]["ndcg_at_10"] > 0
    assert "lexical" in rag("eval", "retrieval", str(beir)).out


def test_failed_cases_are_named_on_the_terminal(
    rag: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_pipeline: Any
) -> None:
    write(tmp_path / "turns.jsonl", [TURNS[1] | {"id": f"t{n}"} for n in range(25)])
    monkeypatch.setattr(
        "rag.cli.evaluate.open_pipeline", lambda _: make_pipeline(rewriter=Rewriter())
    )
    done = rag("eval", "rewrite", "turns.jsonl")
    assert done.status == 0
    assert done.err.startswith("failed  t0: ValueError: no history\n")
    assert "… and 5 more, all named in the run file\n" in done.err


def test_bad_data_is_one_message(rag: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "qa.jsonl").write_text('{"id": "a"}\nnonsense\n')
    done = rag("eval", "qa", "qa.jsonl")
    assert (done.status, done.out) == (1, "")
    assert "qa.jsonl:2: this is not JSON" in done.err
    done = rag("eval", "retrieval", str(tmp_path / "nowhere"))
    assert done.status == 1
    assert "nowhere" in done.err
