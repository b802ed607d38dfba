"""The page: complete, well formed, self-contained, and nothing in a run becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_files
from run_files import ranked

from rag.errors import UsageError
from rag.evaluate.charts import curve, histogram
from rag.evaluate.report import page, worst_cases, write
from rag.evaluate.runs import KINDS, Result, Run, kind_named

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)> & \x00 \ud800 "\''
_EMPTY = {"meta", "br", "img", "link", "input", "hr"}


class Parsed(HTMLParser):
    """Elements and text of a page; every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def make(folder: Path, kind: str, name: str = "a", count: int = 40, **options: Any) -> Run:
    random = np.random.default_rng(0)
    values = [
        {column: float(random.integers(0, 2)) for column in kind_named(kind).columns}
        for _ in range(count)
    ]
    return run_files.write(folder / f"{kind}-{name}.jsonl", kind, values, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_every_kind(tmp_path: Path, kind: str) -> None:
    run = make(tmp_path, kind)
    text = page([run])
    parsed = Parsed(text)
    assert text.startswith("<!DOCTYPE html>")
    assert "Run 1: data.jsonl" in parsed.text
    body = run.summary()
    for metric in run.kind.metrics:
        if body[metric.name] is not None:
            assert metric.name in parsed.text
            assert metric.meaning in parsed.text
    assert "All settings were the defaults." in parsed.text
    charts = {"qa": 3, "answers": 3, "grounding": 2}.get(kind, 1)
    assert len(parsed.of("figure")) == charts
    assert page([run]) == text


def test_the_page_needs_nothing_and_can_be_read_by_everyone(tmp_path: Path) -> None:
    text = page([make(tmp_path, "qa"), make(tmp_path, "qa", "b")])
    parsed = Parsed(text)
    for tag in ("script", "link", "img", "iframe", "object"):
        assert not parsed.of(tag), tag
    assert not re.search(r"(?:src|href)=\"(?!#)|url\(|@import", text)
    [root] = parsed.of("html")
    assert root["lang"] == "en"
    for picture in parsed.of("svg"):
        assert picture["role"] == "img"
        assert picture["aria-label"]
    assert all(head["scope"] in ("col", "row") for head in parsed.of("th"))
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    links = [str(link["href"])[1:] for link in parsed.of("a")]
    assert sorted(links) == sorted(set(ids)) == sorted(ids)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_a_run_is_never_markup(tmp_path: Path, kind: str) -> None:
    def evil(value: Any) -> Any:
        if isinstance(value, str):
            return EVIL
        if isinstance(value, list):
            return [evil(one) for one in value]
        if isinstance(value, dict):
            return {key: evil(one) for key, one in value.items()}
        return value

    def change(number: int, row: Result) -> Result:
        kept = {key: row[key] for key in ("id", "measures", "latency_ms", "group")}
        bad = {key: evil(value) for key, value in row.items()} | kept
        return bad | {"failed": EVIL if number == 3 else None}

    # In memory: a lone surrogate cannot be written, but a page must not fall over it.
    clean = make(tmp_path, kind)
    rows = tuple(change(n, row) for n, row in enumerate(clean.rows))
    head = {**clean.header, "data": {**clean.header["data"], "file": EVIL},
            "settings": {"retrieve": {"k": EVIL}}}  # fmt: skip
    run = Run(clean.path, clean.kind, head, rows)
    text = page([run, run])
    assert text.encode("utf-8")
    parsed = Parsed(text)
    assert not parsed.of("script")
    assert not parsed.of("img")
    assert not any(name.startswith("on") for _, found in parsed.tags for name in found)
    assert '<script>alert("x")</script><img src=x onerror=alert(1)> & � � "\'' in parsed.text


def test_failed_cases_come_first_then_the_worst(tmp_path: Path) -> None:
    values = ranked([1.0, 0.5, 0.2, 0.7, 0.0, 0.2])
    values[5]["mrr_at_10"] = 0.1  # as bad as the third by nDCG, and worse by the next
    run = run_files.write(
        tmp_path / "a.jsonl", "retrieval", values,
        change=lambda n, row: {**row, "failed": "it fell over"} if n == 3 else row,
    )  # fmt: skip
    assert [row["id"] for row in worst_cases(run)] == ["q3", "q4", "q5", "q2", "q1"]
    text = Parsed(page([run])).text
    assert "failed: it fell over" in text
    assert text.index("question 3") < text.index("question 4") < text.index("question 1")
    assert "question 0" not in text


def test_a_case_has_its_passages_and_what_was_expected(tmp_path: Path) -> None:
    text = Parsed(page([make(tmp_path, "answers")])).text
    for words in ("yes, it is", "a.md: cited", "yes it is", "b.md", "Passages that were retrieved"):
        assert words in text
    assert "yes | yes indeed" in Parsed(page([make(tmp_path, "qa")])).text
    assert "what was said before" in Parsed(page([make(tmp_path, "rewrite")])).text
    assert "some evidence" in Parsed(page([make(tmp_path, "grounding")])).text


def test_runs_of_one_kind_and_data_are_compared_with_the_first(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    before = random.uniform(0.2, 0.6, 50)
    after = before + random.uniform(0, 0.2, 50)
    runs = [
        run_files.write(tmp_path / "a.jsonl", "retrieval", ranked(before)),
        make(tmp_path, "qa"),
        run_files.write(tmp_path / "b.jsonl", "retrieval", ranked(after)),
        run_files.write(
            tmp_path / "c.jsonl", "retrieval", ranked(after),
            data={"file": "other", "digest": "d2", "n": 50},
        ),
        run_files.write(tmp_path / "d.jsonl", "retrieval", ranked(after), first=99),
    ]  # fmt: skip
    runs[4] = Run(runs[4].path, runs[4].kind, runs[0].header, runs[4].rows)
    parsed = Parsed(page(runs))
    sections = [one["id"] for one in parsed.of("section")]
    assert sections == ["compare-3", "run-1", "run-2", "run-3", "run-4", "run-5"]
    assert "B is better on nDCG@10: +0.1" in parsed.text
    assert len([one for one in parsed.of("svg") if one.get("class") == "small"]) == 4


def test_where_answers_were_lost_stands_with_each_run_and_side_by_side(tmp_path: Path) -> None:
    runs = [
        make(
            tmp_path,
            "answers",
            name,
            change=lambda n, row, lost=lost: {**row, "stage": lost if n % 2 else ""},
        )
        for name, lost in (("a", "page"), ("b", "unit"))
    ]
    parsed = Parsed(page(runs))
    titles = [one["aria-label"] for one in parsed.of("table")]
    assert titles.count("Where answers were lost") == 3
    assert "no passage is of a document of the evidence" in parsed.text
    assert "Where answers were lost" not in page([make(tmp_path, "answers", "old")])


def test_an_interrupted_run_says_so_and_settings_are_named(tmp_path: Path) -> None:
    settings = run_files.header(kind_named("qa"), 0)["settings"]
    settings["retrieve"]["k"] = 21
    run = make(tmp_path, "qa", planned=100, settings=settings)
    text = Parsed(page([run])).text
    assert "This run was interrupted: it has 40 of 100 questions." in text
    assert "retrieve.k" in text
    assert "Settings that are not the defaults" in text


def test_runs_with_little_in_them(tmp_path: Path) -> None:
    for kind in KINDS:
        nothing = run_files.write(tmp_path / f"{kind}-0.jsonl", kind, [], planned=5)
        assert "was interrupted: it has 0 of 5" in page([nothing])
        single = make(tmp_path, kind, "1", count=1)
        assert "Run 1" in page([single, single])


def test_a_thousand_cases_stay_under_a_megabyte(tmp_path: Path) -> None:
    long = "many words " * 2000
    passages = [{"uri": "a.md", "start": 0, "end": 9, "text": long}] * 10
    run = make(
        tmp_path, "answers", count=1000,
        change=lambda _, row: {**row, "question": long, "answer": long, "passages": passages},
    )  # fmt: skip
    assert len(page([run])) < 1_000_000


def test_where_the_page_goes(tmp_path: Path) -> None:
    run = make(tmp_path, "qa")
    assert write([run]) == tmp_path / "qa-a.html"
    assert write([run], tmp_path / "x.html").read_text("utf-8").endswith("</html>\n")
    with pytest.raises(UsageError, match="is a run file: name another place with --out"):
        write([run], run.path)
    with pytest.raises(UsageError, match=r"cannot be written \(No such file or directory\)"):
        write([run], tmp_path / "nowhere" / "x.html")


def test_charts_of_odd_values() -> None:
    assert histogram([0.001, 0.001], {"p50": 0.001}, x_label="ms").tag == "svg"
    assert histogram([1, 2, 3, 1e6], {"p50": 2.5, "p95": 850_000}, x_label="ms").tag == "svg"
    assert "from 0.50 at 1.00" in str(curve([[1, 0.5]], x_label="x", y_label="y").get("aria-label"))
