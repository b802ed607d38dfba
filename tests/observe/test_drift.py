from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rag.errors import DataError, UsageError
from rag.observe.drift import NOVELTY, Alarm, Sample, Watch, grouped
from rag.observe.quality import Quality

TOPICS = np.random.default_rng(0).standard_normal((9, 32))  # the last one is unknown
_EVEN = {"en": 0.9, "de": 0.1}


class Traffic:
    """Questions around eight topics."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.made = 0

    def sample(
        self,
        count: int = 100,
        *,
        unknown: int = 0,
        confidence: float = 0.6,
        languages: dict[str, float] | None = None,
    ) -> Sample:
        topics = self.rng.integers(0, 8, count)
        topics[:unknown] = 8
        vectors = TOPICS[topics] + 0.5 * self.rng.standard_normal((count, 32))
        self.made += 1
        shares = languages or _EVEN
        return Sample(
            ids=[f"{self.made}-{n}{'?' if n < unknown else ''}" for n in range(count)],
            vectors=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32),
            scores={"confidence": self.rng.normal(confidence, 0.2, count)},
            labels={"language": self.rng.choice(list(shares), count, p=list(shares.values()))},
            at=f"day {self.made}",
        )


def watched(count: int = 1000, seed: int = 0) -> tuple[Traffic, Watch]:
    traffic = Traffic(seed)
    return traffic, Watch.fit(traffic.sample(count))


def until(watch: Watch, traffic: Traffic, most: int, **change: object) -> list[Alarm]:
    for _ in range(most):
        if alarms := watch.see(traffic.sample(**change)):  # type: ignore[arg-type]
            return alarms
    return []


def test_clean_streams_are_quiet_however_few_are_known() -> None:
    for seed in range(2):
        for count in (60, 300):
            traffic, watch = watched(count, seed)
            assert until(watch, traffic, 60) == []


def test_questions_of_no_known_topic_are_found_and_shown() -> None:
    traffic, watch = watched()
    assert until(watch, traffic, 10) == []
    alarms = until(watch, traffic, 4, unknown=6)
    alarm = next(alarm for alarm in alarms if alarm.signal == NOVELTY)
    assert alarm.since in (10, 11, 12)
    assert alarm.since_at == f"day {alarm.since + 1}"  # the first was learnt from
    assert alarm.raised <= 14
    assert alarm.effect.before < 0.02 < 0.04 <= alarm.effect.now
    assert alarm.effect.low > 0
    largest = alarm.examples[0]
    assert len(largest) >= 5
    assert all("?" in name for name in largest)
    assert alarm.chance < 0.05
    assert "More questions unlike the known ones since window" in str(alarm)
    assert Alarm.model_validate_json(alarm.model_dump_json()) == alarm


def test_another_mix_of_languages() -> None:
    traffic, watch = watched()
    (alarm,) = until(watch, traffic, 6, languages={"en": 0.7, "de": 0.2, "fr": 0.1})
    assert alarm.signal == "language"
    assert alarm.what == "More questions with language (other)"
    assert alarm.effect.before == 0
    assert alarm.effect.low > 0.02
    assert "embedder" in alarm.advice


def test_lower_confidence() -> None:
    traffic, watch = watched()
    (alarm,) = until(watch, traffic, 6, confidence=0.5)
    assert alarm.what == "confidence is lower"
    assert alarm.effect.low < -0.1 < alarm.effect.high < 0
    assert alarm.effect.change == pytest.approx(-0.1, abs=0.05)


def test_an_alarm_stays_until_resumed_and_what_it_saw_is_forgotten() -> None:
    traffic, watch = watched()
    first = until(watch, traffic, 6, confidence=0.4)
    assert [a.signal for a in watch.see(traffic.sample())] == [a.signal for a in first]
    watch.resume()
    assert watch.alarms == []
    assert until(watch, traffic, 20) == []
    assert until(watch, traffic, 6, confidence=0.4)


def test_a_saved_watch_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    traffic, watch = watched()
    for _ in range(3):
        watch.see(traffic.sample())
    watch.save(tmp_path / "state" / "watch.npz")
    again = Watch.load(tmp_path / "state" / "watch.npz")
    for _ in range(5):
        window = traffic.sample(unknown=5)
        assert watch.see(window) == again.see(window)
    assert watch.alarms


def test_what_is_no_saved_watch(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        Watch.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("{}")
    with pytest.raises(DataError, match="fit it anew"):
        Watch.load(tmp_path / "text.npz")


def test_signals_that_are_not_known() -> None:
    count = 100
    scores = {"confidence": np.linspace(0, 1, count), "support": [float("nan")] * count}
    languages: list[str | None] = [None] * count
    usual = Sample([""] * count, scores=scores, labels={"language": languages})
    watch = Watch.fit(usual)
    assert watch.unwatched == ["support", "language"]
    assert watch.see(Sample([])) == []
    assert watch.see(Sample(["a"], scores={"confidence": [float("nan")]})) == []


def test_documents_are_watched_beside_with_a_part_of_the_chance() -> None:
    traffic = Traffic()
    watch = Watch.fit(traffic.sample(500), chance=0.01, things="documents")
    alarm = until(watch, traffic, 6, unknown=20)[0]
    assert alarm.what == "More documents unlike the known ones"
    assert "rag sources" in alarm.advice
    assert alarm.chance < 0.01


def test_what_nothing_can_be_learnt_from() -> None:
    with pytest.raises(UsageError, match="7 rows are too few"):
        Watch.fit(Sample([""] * 7))
    with pytest.raises(UsageError, match="Nothing to watch"):
        Watch.fit(Sample([""] * 70))
    with pytest.raises(UsageError, match="confidence has 1 values for 2 rows"):
        Sample(["a", "b"], scores={"confidence": [0.5]})


def test_constant_values_and_repeated_questions() -> None:
    vectors = np.tile(np.eye(32, dtype=np.float32)[0], (200, 1))
    usual = Sample(["same"] * 200, vectors, {"confidence": np.ones(200)})
    watch = Watch.fit(usual)
    window = Sample(["same"] * 100, vectors[:100], {"confidence": np.ones(100)})
    assert all(watch.see(window) == [] for _ in range(20))


def test_examples_that_are_alike_stand_together() -> None:
    east, north = np.eye(2, dtype=np.float32)
    vectors = {"a": east, "b": north, "c": north}
    assert grouped(["a", "b", "c", "b", "d"], vectors) == (("b", "c"), ("a",), ("d",))


def test_the_share_of_right_answers_is_estimated_with_its_error() -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(40):
        judged, window = rng.random(300), rng.random(100) ** 2
        learnt = Quality.fit(judged, rng.random(300) < judged)
        estimate = learnt.estimate(window)
        right = float((rng.random(100) < window).mean())
        held.append(estimate.low <= right <= estimate.high)
        assert estimate.high - estimate.low < 0.3
    assert np.mean(held) >= 0.85
    assert Quality.model_validate_json(learnt.model_dump_json()) == learnt


def test_quality_of_too_few() -> None:
    with pytest.raises(UsageError, match="give 50 or more"):
        Quality.fit([0.5] * 9, [1.0] * 9)
    learnt = Quality.fit([0.5] * 60, [1.0] * 60)
    assert learnt.estimate([]).answers == 0
    assert learnt.estimate([0.5] * 9).share > 0.9
