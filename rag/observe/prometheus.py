"""All that the record ever counted, in Prometheus's text format.

The labels are fixed: stages, kinds of feedback and of errors, sides of the tokens; nothing of a
question, a user or a document is in them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rag.errors import MissingExtraError
from rag.observe.health import Freshness
from rag.observe.record import Record
from rag.observe.recorder import RATIO
from rag.rows import KINDS, STOPPED

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
_COUNTERS = {
    "asked": "Questions.",
    "abstained": "Questions that were not answered.",
    "unsure": "Answers that say that they are not sure.",
    "asked_back": "Questions that were answered by a question.",
    "conflicts": "Answers about which versions of documents disagree.",
    "judged": "Sentences that were judged.",
    "supported": "Sentences that their evidence supports.",
    STOPPED: "Questions that were stopped.",
    "dropped": "Rows that were lost.",
}


def exposition(record: Record, index: Freshness | None = None) -> str:
    """The text to be scraped. Raises MissingExtraError without the prometheus extra."""
    try:
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.registry import Collector
    except ImportError:
        raise MissingExtraError("--prometheus", "prometheus") from None

    class Counts(Collector):
        def collect(self) -> Iterator[Metric]:
            return _metrics(record, index)

    registry = CollectorRegistry()
    registry.register(Counts())
    return generate_latest(registry).decode()


def _metrics(record: Record, index: Freshness | None) -> Iterator[Metric]:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    counted: dict[str, int] = defaultdict(int)
    sums: dict[str, float] = defaultdict(float)
    buckets: dict[str, dict[int, int]] = defaultdict(dict)
    for what, bucket, n, total in record.counts():
        counted[what] += n
        sums[what] += total
        if what.startswith("ms"):
            buckets[what.removeprefix("ms").removeprefix(":").removesuffix("_ms")][bucket] = n
    for what, text in _COUNTERS.items():
        yield CounterMetricFamily(f"rag_{what}", text, value=counted[what])
    errors = CounterMetricFamily("rag_errors", "Questions that failed.", labels=["type"])
    for what, n in counted.items():
        if what.startswith("error:"):
            errors.add_metric([what.removeprefix("error:")], n)
    yield errors
    feedback = CounterMetricFamily("rag_feedback", "What people said or did.", labels=["kind"])
    for kind in KINDS:
        feedback.add_metric([kind], counted[f"feedback:{kind}"])
    yield feedback
    tokens = CounterMetricFamily("rag_tokens", "Tokens of language models.", labels=["side"])
    for side in ("input", "output"):
        tokens.add_metric([side], sums[f"{side}_tokens"])
    yield tokens
    yield CounterMetricFamily("rag_cost", "In the currency of the prices.", value=sums["cost"])
    seconds = HistogramMetricFamily("rag_seconds", "By stage; all: an answer.", labels=["stage"])
    for stage, found in sorted(buckets.items()):
        total = sums[f"ms:{stage}_ms" if stage else "ms"] / 1000
        seconds.add_metric([stage or "all"], _cumulated(found), total)
    yield seconds
    if index is not None:
        yield GaugeMetricFamily("rag_index_documents", "Indexed.", value=index.documents)
        yield GaugeMetricFamily("rag_index_failed", "Sources unread.", value=index.failed)
        if index.newest is not None:
            told = "Seconds since 1970."
            yield GaugeMetricFamily("rag_index_ingested_seconds", told, value=index.newest)


def _cumulated(found: dict[int, int]) -> list[tuple[str, float]]:
    """How many lie under each bound; a bucket lies where its middle does."""
    middles = [(RATIO ** (bucket + 0.5) / 1000, n) for bucket, n in found.items()]
    edges = [(str(bound), bound) for bound in BOUNDS] + [("+Inf", float("inf"))]
    return [(name, sum(n for middle, n in middles if middle <= edge)) for name, edge in edges]
