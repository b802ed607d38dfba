"""What 8 bits cost and gain: runs of ``eval/measure_quantisation.py``."""

import gzip
import json
import runpy
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest

from rag.evaluate.beir import read_beir
from rag.models.embedder import MODEL_FILE, TOKENIZER_FILE, WEIGHTS
from rag.models.runtime import TextModel

SCRIPT = Path(__file__).parents[2] / "eval" / "measure_quantisation.py"
interval, judged, main, ndcg, page = itemgetter("interval", "judged", "main", "ndcg", "page")(
    runpy.run_path(str(SCRIPT))
)


@pytest.fixture
def folder(tmp_path):
    documents = [
        {"_id": "d1", "title": "Wrens", "text": "The wren builds several nests."},
        {"_id": "d2", "title": "Refunds", "text": "Refunds take five working days."},
    ]
    queries = [{"_id": "q1", "text": "How long do refunds take?"}, {"_id": "q2", "text": "nests"},
               {"_id": "q3", "text": "What is a wren?"}]  # fmt: skip
    for name, rows in (("corpus", documents), ("queries", queries)):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "train.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\td2\t1\nq2\td2\t1\nq3\td1\t0\n"
    )
    return tmp_path


def test_ndcg_is_a_value_for_each_query_that_has_an_answer(folder):
    pytest.importorskip("ir_measures", reason="needs the dev extra")
    model = TextModel(WEIGHTS / MODEL_FILE, WEIGHTS / TOKENIZER_FILE, max_tokens=64, threads=1)
    beir = read_beir(folder, "train")
    assert judged(beir) == ["q1", "q2"]
    np.testing.assert_allclose(ndcg(model, beir), [1, 1 / np.log2(3)], atol=1e-4)


def test_the_interval_holds_the_mean_and_is_the_same_each_time():
    differences = np.random.default_rng(0).normal(0.01, 0.05, 300)
    low, high = interval(differences)
    assert low < differences.mean() < high
    assert (low, high) == interval(differences)


def test_what_is_missing_is_said(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("RAG_DATA", raising=False)
    assert main(["--float", str(tmp_path / "none.onnx")]) == 1
    assert "set RAG_DATA" in capsys.readouterr().err
    assert main([str(folder), "--float", str(tmp_path / "none.onnx")]) == 1
    assert "none.onnx is missing" in capsys.readouterr().err
    assert main([str(tmp_path / "elsewhere"), "--float", str(WEIGHTS / MODEL_FILE)]) == 1
    assert "elsewhere is no folder" in capsys.readouterr().err


def test_the_page_states_difference_and_interval():
    figures = {
        "set": "scifact train",
        "queries": 807,
        "cores": 2,
        "ndcg_int8": 0.64,
        "ndcg_float32": 0.65,
        "difference": -0.01,
        "interval": (-0.02, 0.001),
        "cold_load_seconds": 0.2,
    }
    for name in ("int8", "float32"):
        figures |= {f"sequences_per_second_{name}": 100.0, f"query_ms_{name}": 2.0}
        figures |= {f"bytes_{name}": 1_000_000}
    text = page(figures)
    assert "-0.0100" in text and "-0.0200 to +0.0010" in text and "807 queries" in text
