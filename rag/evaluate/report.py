"""Runs as one HTML page that needs nothing else: figures, charts, the worst cases, comparisons.

What runs hold is data: all of it reaches the page as text of elements, never as markup.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

import numpy as np

from rag import __version__
from rag.errors import UsageError
from rag.evaluate.charts import calibration, curve, element, histogram, whisker
from rag.evaluate.compare import Comparison, compare, flat
from rag.evaluate.runs import Explained, Result, Run, Source
from rag.evaluate.statistics import Array, Difference, calibration_bins, risk_coverage
from rag.evaluate.tables import Table, between, number, spoken
from rag.settings import Settings

_WORST = 20  # cases that are shown of a run
_SAID = 600  # characters of a text that is shown
_STYLE = Path(__file__).with_name("report.css")

# kind -> what is 1 less the risk of the risk–coverage curve, and what the risk is; then the columns
# of the calibration plot
_RISK = {
    "qa": ("gain", "1 - F1"),
    "answers": ("correct", "The share that is not right, or an answer where there is none,"),
}
_CALIBRATION = {
    "qa": ("confidence", "answerable"),
    "answers": ("confidence", "answerable"),
    "grounding": ("support", "supported"),
}


def write(runs: Sequence[Run], out: Path | None = None) -> Path:
    """Write the page of some runs, by default beside the first of them; return where it is."""
    place = out or runs[0].path.with_suffix(".html")
    if any(place.resolve() == run.path.resolve() for run in runs):
        raise UsageError(f"{place} is a run file: name another place with --out")
    return write_page(page(runs), place)


def write_page(text: str, place: Path) -> Path:
    """Write a page at once, so that nobody reads half of it; return where it is."""
    part = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        part.write_text(text, "utf-8")
        part.replace(place)
    except OSError as error:
        raise UsageError(
            f"{place} cannot be written ({error.strerror}): name a place with --out"
        ) from None
    return place


def page(runs: Sequence[Run]) -> str:
    """The page of some runs. Those of one kind and data are compared with the first."""
    comparisons = [(one, other, compare(runs[one], runs[other])) for one, other in _pairs(runs)]
    title = ", ".join(dict.fromkeys(run.name for run in runs))
    return whole(
        f"Evaluation: {title}",
        _header(runs, comparisons),
        *(_comparison(*one) for one in comparisons),
        *(_run(n, run) for n, run in enumerate(runs, start=1)),
    )


def whole(title: str, header: Element, *sections: Element) -> str:
    """A page with its style, which needs nothing else."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", _STYLE.read_text("utf-8")),
    )
    body = element("body", header, element("main", *sections))
    root = element("html", head, body, lang="en")
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _pairs(runs: Sequence[Run]) -> Iterator[tuple[int, int]]:
    """Yield for each run the first one before it with which it can be compared."""
    for other, run in enumerate(runs):
        ids = {row["id"] for row in run.rows}
        for one, earlier in enumerate(runs[:other]):
            alike = (run.kind.name, run.header["data"]["digest"]) == (
                earlier.kind.name,
                earlier.header["data"]["digest"],
            )
            if alike and any(row["id"] in ids for row in earlier.rows):
                yield one, other
                break


def _header(runs: Sequence[Run], comparisons: Sequence[tuple[int, int, Comparison]]) -> Element:
    links = [
        (f"compare-{other + 1}", f"Run {other + 1} against run {one + 1}", found.verdict)
        for one, other, found in comparisons
    ]
    links += [(f"run-{n}", f"Run {n}", _heading(run)) for n, run in enumerate(runs, start=1)]
    made = element(
        "header",
        element("h1", "Evaluation report"),
        soft(f"Made by Footnote {__version__}. Intervals are 95%."),
    )
    if len(links) > 1:
        items = [
            element("li", element("a", name, href=f"#{place}"), f": {text}")
            for place, name, text in links
        ]
        made.append(element("nav", element("ul", *items), aria_label="Contents"))
    return made


def _heading(run: Run) -> str:
    return f"{run.name} ({run.kind.name}, {run.path.name})"


# A comparison


def _comparison(one: int, other: int, found: Comparison) -> Element:
    runs = f"A is run {one + 1}, {_heading(found.a)}; B is run {other + 1}, {_heading(found.b)}."
    return comparison(f"Run {other + 1} against run {one + 1}", runs, f"compare-{other + 1}", found)


def comparison(title: str, runs: str, name: str, found: Comparison) -> Element:
    """A section on two runs; ``runs`` says which A and B are, ``name`` is its place on the page."""
    tone = {True: "good", False: "bad", None: ""}[found.metrics[found.primary].better]
    made = element(
        "section",
        element("h2", title),
        soft(runs),
        element("p", found.verdict, class_=f"verdict {tone}".strip()),
        *(element("p", note, class_="warning") for note in found.notes),
        _differences(found),
        *(table_of(table) for table in found.stages),
        element("h3", "What differs between the runs"),
        element("ul", *(element("li", line) for line in found.what_differs())),
        class_="comparison",
        id=name,
    )
    if found.changed:
        made.extend(_changed(found))
    return made


def _differences(found: Comparison) -> Element:
    """The table of a comparison with a picture of each interval, all on one scale."""
    [table, *_] = found.tables()
    ends = [abs(end) for one in found.metrics.values() for end in one.interval or ()]
    reach = max(ends, default=0.0) or 1.0
    made = table_of(table, primary=found.primary)
    rows = made.findall(".//tr")
    rows[0].insert(1, element("th", "worse or better", scope="col"))
    for row, cells in zip(rows[1:], table.rows, strict=True):
        one = found.metrics.get(cells[0])  # none for the latency
        row.insert(1, element("td", _whisker(one, reach) if one else None))
    return made


def _whisker(one: Difference, reach: float) -> Element | None:
    if one.interval is None or one.difference is None:
        return None
    low, high = one.interval
    said = f"{one.difference:+.3f}, from {low:+.3f} to {high:+.3f}"
    if one.metric.lower_is_better:  # right is better, always
        return whisker(-one.difference, (-high, -low), reach, better=one.better, said=said)
    return whisker(one.difference, (low, high), reach, better=one.better, said=said)


def _changed(found: Comparison) -> list[Element]:
    name = spoken(found.primary)
    items = [
        element(
            "li",
            element("h4", _excerpt(one.before.question), dir="auto"),
            soft(f"{one.id}: {name} {number(one.a, 2)} in A, {number(one.b, 2)} in B"),
            _words(
                ("A said", one.before.said),
                ("B said", one.after.said),
                ("expected", one.after.expected),
            ),
        )
        for one in found.changed
    ]
    return [
        element("h3", "Cases that changed most"),
        element("p", f"{found.counts('are ')} in {name}."),
        element("ol", *items, class_="cases"),
    ]


# A run


def _run(place: int, run: Run) -> Element:
    body = run.summary()
    main, *further = run.tables()
    further = further[len(run.kind.show(run)) :]  # the kind's own tables: the charts show them
    figures = (_risk_figure(run), _calibration_figure(run), _latency_figure(run))
    charts = [one for one in figures if one is not None]
    created = str(run.header.get("created") or "")[:16].replace("T", " ")
    made = element(
        "section",
        element("h2", f"Run {place}: {run.name}"),
        soft(f"{run.kind.name}, {run.path.name}, measured {created} UTC"),
        _interrupted(run),
        _tiles(run, body),
        table_of(main, primary=run.kind.primary, explained=True),
        element("div", *charts, class_="charts") if charts else None,
        *(table_of(table) for table in further),
        class_="run",
        id=f"run-{place}",
    )
    made.extend(_worst(run))
    made.extend(_measured_with(run))
    return made


def _interrupted(run: Run) -> Element | None:
    if not run.interrupted:
        return None
    planned = run.header["planned"]
    text = f"This run was interrupted: it has {len(run.rows)} of {planned} {run.kind.cases}."
    return element("p", text, class_="warning")


def _tiles(run: Run, body: dict[str, Any]) -> Element:
    primary = run.kind.primary
    tiles = [
        (spoken(primary), number(body[primary]), between(body[f"{primary}_ci"])),
        (run.kind.cases, f"{body['n']:,}", f"{body['failed']} failed"),
    ]
    if latency := body.get("latency_ms"):
        p95 = f"p95 {number(latency['p95'], 1)} ms"
        tiles.append(("milliseconds a case, p50", number(latency["p50"], 1), p95))
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", value, element("small", more)))
            for name, value, more in tiles
        ),
        class_="tiles",
    )


def _risk_figure(run: Run) -> Element | None:
    gain, said = _RISK.get(run.kind.name, ("", ""))
    points = risk_coverage(run.columns["confidence"], run.columns[gain]) if gain else []
    if not points:
        return None
    rows = [[number(coverage, 2), number(risk)] for coverage, risk in points]
    return figure(
        "Risk and coverage",
        f"{said} where only the most confident questions are answered: lower to the left is what a "
        "threshold can buy.",
        curve(points, x_label="coverage", y_label="risk"),
        Table("risk by coverage", ["coverage", "risk"], rows, words=frozenset()),
    )


def _calibration_figure(run: Run) -> Element | None:
    if run.kind.name not in _CALIBRATION:
        return None
    score, positive = _CALIBRATION[run.kind.name]
    scores, labels = run.columns[score], run.columns[positive]
    known = ~(np.isnan(scores) | np.isnan(labels))
    found = calibration_bins(scores[known], labels[known])
    if not found:
        return None
    rows = [[str(one["n"]), number(one["mean_score"]), number(one["positive"])] for one in found]
    return figure(
        "Calibration",
        f"The share that is {positive} by {score}; the numbers are {run.kind.cases} in a bin. On "
        f"the dashed line {score} can be taken at its word.",
        calibration(found, x_label=score, y_label=f"share {positive}"),
        Table("bins", [run.kind.cases, f"{score}, mean", f"{positive}, share"], rows, frozenset()),
    )


def _latency_figure(run: Run) -> Element | None:
    times = [row["latency_ms"] for row in run.rows if row["latency_ms"] and row["failed"] is None]
    if len(times) < 2:
        return None
    marks = {"p50": float(np.percentile(times, 50)), "p95": float(np.percentile(times, 95))}
    return figure(
        "Latency",
        f"Milliseconds a case; the slowest took {max(times):,.0f}. The last bar has all that took "
        "longer.",
        histogram(times, marks, x_label="milliseconds"),
    )


def figure(title: str, text: str, picture: Element, table: Table | None = None) -> Element:
    """A picture with what it shows, and its figures to be opened."""
    return element(
        "figure",
        element("figcaption", element("b", title), text),
        picture,
        element("details", element("summary", "The figures"), table_of(table)) if table else None,
    )


def _worst(run: Run) -> list[Element]:
    """The failed cases and those with the lowest values, with what they rest on."""
    worst = worst_cases(run)
    if not worst:
        return []
    shown = worst[:_WORST]
    more = f" The first {len(shown)} of {len(worst)}." if len(shown) < len(worst) else ""
    return [
        element("h3", f"Worst {run.kind.cases}"),
        element("p", f"Failed ones first, then by {spoken(run.kind.primary)}.{more}"),
        element("ol", *(_case(run, row) for row in shown), class_="cases"),
    ]


def worst_cases(run: Run) -> list[Result]:
    """The cases that are not perfect, worst first: the failed, then by primary metric.

    Equal ones are ordered by the further metrics of the run, in turn.
    """
    order = [run.kind.metric(run.kind.primary), *run.kind.metrics]
    losses: list[Array] = []
    for metric in order:
        if metric.per_case is not None and len(run.rows):
            values = metric.per_case(run.columns)
            losses.append(np.nan_to_num(values if metric.lower_is_better else 1 - values))
    failed = np.array([row["failed"] is not None for row in run.rows])
    if not losses:
        return [row for row in run.rows if row["failed"]]
    ranked = np.lexsort([*(-loss for loss in reversed(losses)), ~failed])
    return [run.rows[n] for n in ranked if failed[n] or losses[0][n] > 0]


def _case(run: Run, row: Result) -> Element:
    found = run.kind.explained(row)
    names = [*(metric.name for metric in run.kind.metrics), "confidence"]
    values = [
        f"{spoken(name)} {number(row['measures'][name], 2)}"
        for name in names
        if row["measures"].get(name) is not None
    ]
    key = run.kind.sliced_by
    label = f"{row['id']} ({row[key]})" if key and row.get(key) else str(row["id"])
    notes = [("note", note) for note in found.notes]
    return element(
        "li",
        element("h4", _excerpt(found.question), dir="auto"),
        soft(": ".join(filter(None, (label, ", ".join(values))))),
        _words(("said", found.said), ("expected", found.expected), *notes),
        _sources(found),
    )


def soft(text: str) -> Element:
    """A paragraph that stands back."""
    return element("p", text, class_="soft")


def _words(*pairs: tuple[str, str | None]) -> Element:
    made = element("dl", class_="words")
    for name, text in pairs:
        if text:
            made.append(element("dt", name))
            made.append(element("dd", _excerpt(text), dir="auto"))
    return made


def _sources(found: Explained) -> Element | None:
    if not found.sources:
        return None
    count = len(found.sources)
    return element(
        "details",
        element("summary", f"{found.sources_title} ({count})"),
        *(_source(one) for one in found.sources),
    )


def _source(one: Source) -> Element:
    head = ": ".join(part for part in (one.name, one.note) if part)
    marked = one.note.startswith(("cited", "relevant")) or ", relevant" in one.note
    return element(
        "blockquote",
        element("cite", head) if head else None,
        _excerpt(one.text),
        dir="auto",
        class_="marked" if marked else "",
    )


def _excerpt(text: str) -> str:
    """A text, cut between words if it is long; lines stay."""
    text = text.strip()
    return text if len(text) <= _SAID else text[:_SAID].rsplit(None, 1)[0] + " …"


def _measured_with(run: Run) -> list[Element]:
    """What the figures depend on; settings only where they are not the defaults."""
    head = run.header
    defaults = dict(flat(Settings().model_dump(mode="json")))
    changed = [
        [name, str(value), str(defaults.get(name, "not there"))]
        for name, value in flat(head.get("settings") or {})
        if value != defaults.get(name)
    ]
    facts = {"data": "data", "option": "options", "weights": "weights", "version": "versions"}
    rows = [
        [f"{group} {name}", str(value)]
        for group, key in facts.items()
        for name, value in flat(head[key] or {})
        if value is not None
    ]
    rows += [["seed", str(head["seed"])], ["index fingerprint", str(head.get("fingerprint"))]]
    title, columns = "Settings that are not the defaults", ["setting", "value", "default"]
    what = Table("Data, options, weights, versions", ["what", "value"], rows, frozenset({0, 1}))
    return [
        element("h3", "Measured with"),
        table_of(Table(title, columns, changed, frozenset({0, 1, 2})))
        if changed
        else element("p", "All settings were the defaults."),
        element("details", element("summary", "Data, weights and versions"), table_of(what)),
    ]


def table_of(table: Table, *, primary: str = "", explained: bool = False) -> Element:
    """A table that scrolls sideways by itself where it is too wide for the screen.

    The row of the metric ``primary`` is set off. If it is ``explained``, the last column says what
    the first one means, and stands below it: a phone has no room for it beside the figures.
    """
    shown = len(table.columns) - explained

    def kind(place: int) -> dict[str, str]:
        return {} if place in table.words else {"class_": "number"}

    heads = [
        element("th", name, scope="col", **kind(n)) for n, name in enumerate(table.columns[:shown])
    ]
    body = element("tbody")
    for cells in table.rows:
        row = element("tr", **({"class_": "primary"} if cells[0] == primary else {}))
        for n, cell in enumerate(cells[:shown]):
            if n == 0 and n in table.words:
                meaning = element("small", cells[-1]) if explained else None
                row.append(element("th", cell, meaning, scope="row"))
            else:
                row.append(element("td", cell, **(kind(n) or {"class_": "long"})))
        body.append(row)
    said = {"aria_label": table.title}
    made = element("table", element("thead", element("tr", *heads)), body, **said)
    # The title stands outside of what scrolls, so that a phone shows all of it.
    return element(
        "div",
        element("p", table.title, class_="title"),
        element("div", made, class_="wide", role="region", tabindex="0", **said),
    )
