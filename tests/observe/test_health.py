"""Health: what is usual, what alarms, and in which forms it is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rows_helper import row

from rag.observe import recorder
from rag.observe.health import (
    LEVEL,
    Freshness,
    Health,
    beta_binomial_tail,
    departs,
    health,
    poisson_tail,
    usual,
)
from rag.observe.page import page
from rag.observe.record import Record, connect
from rag.rows import Feedback, Row

HOUR, DAY = 3600.0, 86_400.0
NOW = 1_800_014_400.0 + 11 * HOUR + 1800  # half past eleven


def asked(rng: np.random.Generator, day: int, n: int, **changes: float) -> Iterator[Row]:
    """Questions of the day that ended so many days before now, in working hours."""
    share = {"abstained": 0.15, "error": 0.0, "slow": 1.0, **changes}
    for k in range(n):
        at = NOW - day * DAY - rng.uniform(0, 20 * HOUR)
        abstained = bool(rng.uniform() < share["abstained"])
        yield row(
            f"{day}{k:x}",
            at=at,
            abstained=abstained,
            said=() if abstained else row().said,
            error="ModelError: silent" if rng.uniform() < share["error"] else "",
            timings={"read_ms": float(share["slow"] * rng.lognormal(4, 0.4))},
            cost=0.001,
        )


def recorded(path: Path, today: dict[str, float], n: int = 300, days: int = 15) -> Record:
    rng = np.random.default_rng(7)
    db = connect(path, create=True)
    for day in range(days, 0, -1):
        recorder.insert(db, [(one, b"") for one in asked(rng, day, 300)])
    said = [Feedback("x", NOW - 60, "wrong"), Feedback("y", NOW - 50, "copied")]
    recorder.insert(db, [(one, b"") for one in asked(rng, 0, n, **today)], said)
    db.close()
    return Record.open(path)


def measured(tmp_path: Path, n: int = 300, days: int = 15, **today: float) -> Health:
    with recorded(tmp_path / "record.db", today, n, days) as record:
        return health(record, NOW)


def test_a_usual_day_alarms_nothing(tmp_path: Path) -> None:
    told = measured(tmp_path)
    assert told.alarms == []
    by_name = {one.name: one for one in told.measures}
    assert told.asked == 300
    assert told.windows == 14  # the first day began before the record did
    assert told.feedback == {"wrong": 1, "copied": 1}
    abstained = by_name["abstained"]
    assert abstained.band is not None
    assert abstained.band[0] < 0.15 < abstained.band[1]
    assert 50 < (by_name["read p50"].value or 0) < 60  # the median of that lognormal is 54.6
    assert by_name["cost of a question"].value == pytest.approx(0.001)
    assert json.loads(json.dumps(told.to_json()))["alarms"] == []
    assert told.lines()[-1] == "Nothing alarms."


@pytest.mark.parametrize(
    ("today", "alarm"),
    [
        ({"abstained": 0.4}, r"abstained: 4\d\.\d% of 300, where 1\d\.\d% are usual"),
        ({"error": 0.1}, r"errors: \d+\.\d% of 300, where 0\.0% are usual"),
        ({"slow": 2.5}, r"answer: .* take longer than .* ms, as 5% usually do"),
    ],
)
def test_what_breaks_alarms(tmp_path: Path, today: dict[str, float], alarm: str) -> None:
    told = measured(tmp_path, **today)
    assert any(re.match(alarm, one) for one in told.alarms), told.alarms
    assert any(line.startswith("ALARM: ") for line in told.lines())


def test_silence_and_a_flood_alarm(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    [silence] = measured(tmp_path / "a", n=0).alarms
    assert silence.startswith("only 0 questions")
    [flood] = measured(tmp_path, n=1500).alarms
    assert flood.startswith("1500 questions")


def test_without_a_history_only_what_is_plain_alarms(tmp_path: Path) -> None:
    told = measured(tmp_path, days=3, abstained=0.9)
    assert told.alarms == []
    assert "from 7 on it is known what is usual" in told.notes[0]
    (tmp_path / "b").mkdir()
    assert "questions fail" in measured(tmp_path / "b", days=3, error=0.9).alarms[0]


def test_rows_that_are_lost_and_an_old_index_alarm(tmp_path: Path) -> None:
    with recorded(tmp_path / "record.db", {}) as record:
        db = connect(record.path)
        recorder.insert(db, [], dropped=1)  # counted now, which is after that window
        db.execute("UPDATE hours SET hour = ?, n = 40 WHERE what = 'dropped'", (NOW // 3600,))
        db.close()
        old = Freshness(NOW - 50 * HOUR, 7, 2)
        told = health(record, NOW, index=old, stale_after=48)
        assert len(told.alarms) == 2
        assert told.alarms[0].startswith("40 rows were lost")
        assert told.alarms[1].startswith("no ingest for 50 hours")
        assert "2 sources could not be read" in told.notes[0]
        assert not health(record, NOW, index=old).alarms[1:]
        never = health(record, NOW, index=Freshness(None, 0, 0), stale_after=48)
        assert "no ingest ever" in never.alarms[1]


def test_a_window_of_an_hour_is_held_against_that_hour_of_other_days(tmp_path: Path) -> None:
    with recorded(tmp_path / "record.db", {}) as record:
        told = health(record, NOW, hours=1)
    assert told.windows == 15
    assert told.hours == 0.5  # it is half past
    history = told.measures[0].history
    assert {(NOW - NOW % HOUR - start) % DAY for start, _ in history} == {0.0}


def test_an_empty_record_is_told(tmp_path: Path) -> None:
    connect(tmp_path / "record.db", create=True).close()
    with Record.open(tmp_path / "record.db") as record:
        told = health(record, NOW)
    assert (told.asked, told.alarms) == (0, [])
    assert page(told)


def test_the_page_is_well_formed_and_says_the_same(tmp_path: Path) -> None:
    told = measured(tmp_path, abstained=0.5)
    html = page(told)
    body = html.partition("\n")[2].replace('<meta charset="utf-8">', "")
    root = ElementTree.fromstring(re.sub(r"<meta [^>]*>", "", body))
    text = " ".join(root.itertext())
    assert told.alarms[0] in text
    assert len(list(root.iter("tr"))) == len(told.measures) + 1
    assert "http" not in html


def test_prometheus_reads_what_is_exposed(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    from prometheus_client.parser import text_string_to_metric_families

    from rag.observe.prometheus import exposition

    with recorded(tmp_path / "record.db", {"error": 0.2}) as record:
        text = exposition(record, Freshness(NOW, 5, 0))
        total = sum(n for what, _, n, _ in record.counts() if what == "asked")
    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert families["rag_asked"].samples[0].value == total == 300 * 16
    assert families["rag_errors"].samples[0].labels == {"type": "ModelError"}
    assert families["rag_index_documents"].samples[0].value == 5
    kinds = {sample.labels["kind"] for sample in families["rag_feedback"].samples}
    assert {"right", "handed_over"} <= kinds  # a kind that nobody gave is there as well
    seconds = [one for one in families["rag_seconds"].samples if one.labels.get("le") == "+Inf"]
    assert {one.labels["stage"] for one in seconds} == {"all", "read"}


# The tests by themselves


def test_tails_are_those_of_the_distributions() -> None:
    from scipy.stats import betabinom, binom, poisson

    assert beta_binomial_tail(30, 100, 0.2, 0.01) == pytest.approx(
        betabinom.sf(29, 100, 0.2 * 99, 0.8 * 99), rel=1e-6
    )
    assert beta_binomial_tail(30, 100, 0.2, 1e-7) == pytest.approx(binom.sf(29, 100, 0.2), rel=1e-3)
    assert beta_binomial_tail(0, 10, 0.2, 0.1) == 1.0
    assert poisson_tail(9, 4.0, upper=True) == pytest.approx(poisson.sf(8, 4.0))
    assert poisson_tail(1, 4.0, upper=False) == pytest.approx(poisson.cdf(1, 4.0))
    assert poisson_tail(0, 4.0, upper=True) == 1.0


def test_what_varies_more_needs_more_to_alarm() -> None:
    rng = np.random.default_rng(0)
    steady = np.array([[rng.binomial(1000, 0.15), 1000] for _ in range(28)], float)
    shares = 1 / (1 + np.exp(1.7 + rng.normal(0, 0.5, 28)))
    restless = np.array([[rng.binomial(1000, share), 1000] for share in shares], float)
    assert usual(restless)[1] > 5 * usual(steady)[1]
    assert departs(250, 1000, steady, 0.05, "up")
    assert not departs(250, 1000, restless, 0.05, "up")
    assert not departs(250, 1000, steady, 0.05, "down")
    assert departs(30, 1000, steady, 0.05, "either")
    assert not departs(165, 1000, steady, 0.05, "either")  # too little to matter
    assert not departs(10, 10, steady, 0.05, "up")  # too few
    assert LEVEL < 1e-3


def test_clean_weeks_do_not_alarm() -> None:
    """A year of looks once a day, at a share that wanders from day to day."""
    rng = np.random.default_rng(1)
    shares = 1 / (1 + np.exp(1.7 + rng.normal(0, 0.2, 365 + 28)))
    days = np.array([[rng.binomial(300, share), 300] for share in shares], float)
    alarms = [
        departs(int(days[d, 0]), 300, days[d - 28 : d], 0.05, "either")
        for d in range(28, len(days))
    ]
    assert sum(alarms) == 0
