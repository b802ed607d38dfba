"""Examples from manuals: what answers is marked to the letter, and its look-alikes are not it."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag import Pipeline
from rag.errors import DataError
from rag.train.examples import SHIPPED_QA, Example
from rag.train.manuals import manual_examples
from rag.train.mixture import Amounts, further

PAGE = """<title>Sluice</title><h1>Sluice</h1><h2>Options</h2><dl>
<dt><code>--gate-max</code></dt><dd>The most gates that are opened at once. The default is 12.</dd>
<dt><code>--gate-min</code></dt><dd>The fewest gates that stay open. The default is 3.</dd>
<dt><code>--level</code></dt><dd>The level of water at which an alarm is sent, in metres.</dd>
</dl><h2>Alarms</h2><p>Alarms go to the log and, with a mail server set, to the keeper.</p>"""
ROW = {
    "id": "sluice-1",
    "type": "fact",
    "questions": ["how many gates open at the same time?", "--gate-max default"],
    "evidence": [{"uri": "sluice.html", "quote": "The default is 12."}],
    "answer": "12",
    "wrong": [{"uri": "sluice.html", "quote": "The default is 3."}],
}


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("manual")
    (folder / "sluice.html").write_text(PAGE)
    with Pipeline.open(folder / ".rag") as pipeline:
        pipeline.ingest(str(folder / "sluice.html"))
        yield pipeline


def packed(file: Path, *rows: dict[str, Any]) -> Path:
    file.parent.mkdir(exist_ok=True)
    with gzip.open(file, "wt") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    return file


def made(pipeline: Pipeline, folder: Path, *rows: dict[str, Any]) -> list[Example]:
    file = packed(folder / "asked.jsonl.gz", *rows)
    return manual_examples(file, pipeline, random.Random(1), log=lambda _: None)


def texts(examples: Sequence[Example], relevance: float) -> set[str]:
    return {e.second[e.prefix :] for e in examples if e.relevance == relevance}


def test_the_unit_that_answers_and_its_look_alikes(manual: Pipeline, tmp_path: Path) -> None:
    examples = made(manual, tmp_path, ROW)
    right, wrong = texts(examples, 1.0), texts(examples, 0.0)
    assert "The default is 12." in right
    assert {"The default is 3.", "--gate-min: The fewest gates that stay open."} <= wrong
    assert not right & wrong
    assert not any("12" in text for text in wrong)
    unit = next(e for e in examples if e.second.endswith("\nThe default is 12."))
    assert unit.second[: unit.prefix] == "Sluice · Options · --gate-max\n"
    assert unit.start is not None
    assert unit.second[unit.start : unit.end] == "12"


def test_what_nobody_answers_has_no_relevant_text(manual: Pipeline, tmp_path: Path) -> None:
    row = ROW | {"questions": ["Does it open at night?", "night"], "evidence": [], "answer": ""}
    examples = made(manual, tmp_path, row)
    assert examples
    assert not texts(examples, 1.0)
    assert all((e.start, e.end) == (-1, -1) for e in examples)


def test_another_index(manual: Pipeline, tmp_path: Path) -> None:
    row = ROW | {"evidence": [{"uri": "other.html", "quote": "The default is 12."}]}
    with pytest.raises(DataError, match="none of its manuals is in the index"):
        made(manual, tmp_path, row)


def test_a_further_pass_reads_questions_sentences_tables_and_manuals(
    manual: Pipeline, tmp_path: Path
) -> None:
    for name in SHIPPED_QA:
        texts = [f"Bridge {n} is long. It was opened in {1800 + n} by Anna." for n in range(60)]
        packed(tmp_path / "qa" / f"{name}.jsonl.gz", *(
            {"id": f"{name}-{n}", "title": f"Bridge {n}", "context": text, "answerable": True,
             "question": f"When was bridge {n} opened?",
             "answers": [{"text": str(1800 + n), "start": text.index(str(1800 + n))}]}
            for n, text in enumerate(texts)
        ))  # fmt: skip
    file = packed(tmp_path / "asked.jsonl.gz", ROW)
    amounts = Amounts().scaled(0.001)

    def drawn(seed: int, index: Path | None) -> list[Example]:
        return further(tmp_path, manual.embedder, amounts, seed, index, [file], lambda _: None)

    found = drawn(1, manual.folder)
    parts = {"", "/negative", "/changed", "/sentence"}
    assert {e.source for e in found} >= {f"squad1-train{part}" for part in parts}
    assert {"covidqa", "table", "manuals"} < {e.source for e in found}
    assert found == drawn(1, manual.folder) != drawn(2, manual.folder)
    assert "manuals" not in {e.source for e in drawn(1, None)}
    assert not any(e.support for e in found)
