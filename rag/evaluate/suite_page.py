"""The page of a suite: the verdict, the metrics beside the good run, trends, every time so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from rag import __version__
from rag.evaluate.charts import element, trend
from rag.evaluate.history import Entry
from rag.evaluate.report import comparison, figure, soft, table_of, whole
from rag.evaluate.suite import Outcome
from rag.evaluate.tables import Table, number, spoken

_TIMES = 100  # that a trend shows


def suite_page(
    name: str, entries: Sequence[Entry], good: dict[str, str], outcome: Outcome | None
) -> str:
    """The page after the last of the entries; ``good`` is the id of the good entry by evaluation.

    Without an ``outcome`` (the last time was accepted, not measured) it has no comparisons.
    """
    last = entries[-1]
    verdict = f"Accepted: {last.accepted}." if outcome is None else outcome.verdict
    wrong = [*(outcome.failures.items() if outcome else ()), *(("", r) for r in last.regressions)]
    tone = "good" if last.status in ("fine", "accepted") else "bad"
    header = element(
        "header",
        element("h1", f"Suite {name}"),
        soft(f"Made by Footnote {__version__}. Run {last.id}, {_when(last)}. Intervals are 95%."),
    )
    now = element(
        "section",
        element("h2", "Now"),
        element("p", verdict, class_=f"verdict {tone}"),
        element("ul", *(element("li", ": ".join(filter(None, line))) for line in wrong)),
        *(element("p", note, class_="soft") for note in (outcome.notes if outcome else ())),
        *(table_of(table) for table in (outcome.tables() if outcome else ())),
        class_="run",
    )
    compared = (
        comparison(
            f"{part.name}: now against the good run",
            f"A is {part.against.id if part.against else 'the good run'}; B is now.",
            f"part-{part.name}",
            part.comparison,
        )
        for part in (outcome.parts if outcome else ())
        if part.comparison
    )
    return whole(f"Suite {name}", header, now, _trends(entries, good), _times(entries), *compared)


def _when(entry: Entry) -> str:
    return f"{entry.created[:16].replace('T', ' ')} UTC"


def _trends(entries: Sequence[Entry], good: dict[str, str]) -> Element:
    """A chart for each metric of each evaluation that the last time had."""
    shown = entries[-_TIMES:]
    made = element(
        "section",
        element("h2", "Trends"),
        soft("Each dot is a time, with its interval; later ones are held against the large one."),
        class_="run",
    )
    for name, metrics in entries[-1].figures.items():
        charts = [_trend(shown, name, metric, good.get(name, "")) for metric in metrics]
        made.append(element("h3", name))
        made.append(element("div", *charts, class_="charts"))
    return made


def _trend(entries: Sequence[Entry], name: str, metric: str, good: str) -> Element:
    found = [one.figures.get(name, {}).get(metric) or [None] * 3 for one in entries]
    rows = [
        [_when(one), number(value[0]), one.status]
        for one, value in zip(entries, found, strict=True)
    ]
    return figure(
        spoken(metric),
        "",
        trend(
            [value for value, _, _ in found],
            [
                (low, high) if low is not None and high is not None else None
                for _, low, high in found
            ],
            [one.id == good for one in entries],
            [_when(one) for one in entries],
            label=spoken(metric),
        ),
        Table(metric, ["time", metric, "status"], rows, frozenset({0, 2})),
    )


def _times(entries: Sequence[Entry]) -> Element:
    rows = [list(_row(one)) for one in reversed(entries)]
    head = ["run", "time", "status", "what was said"]
    return element(
        "section",
        element("h2", "Every time"),
        table_of(Table(f"{len(rows)} times, newest first", head, rows, frozenset({0, 1, 2, 3}))),
        class_="run",
    )


def _row(one: Entry) -> Iterator[str]:
    yield from (one.id, _when(one), one.status)
    failed = [f"{name} was not measured: {why}" for name, why in one.failures.items()]
    yield "; ".join(filter(None, [one.accepted, *failed, *one.regressions]))
