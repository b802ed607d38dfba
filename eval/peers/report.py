"""The tables: a row a peer, ours first, whatever the figures say."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from catalogue import OURS, THEIRS
from common import interval
from measure import Measured, best_times

from rag.evaluate.tables import Table, number

COLUMNS = ("", "nDCG@10", "95% interval", "ours − theirs", "95% interval", "recall@100",
           "95% interval", "documents/s", "p50 ms", "p95 ms", "peak MB", "lines")  # fmt: skip
TITLES = {peer.key: peer.title for peer in (OURS, *THEIRS)}


def rate(rounds: Sequence[Mapping[str, float]], of: str = "seconds") -> float:
    """Return documents a second: the median of the rounds."""
    return statistics.median(taken["documents"] / taken[of] for taken in rounds)


def figures(result: Measured, ours: Measured) -> dict[str, Any]:
    """Return the figures of a peer on a set; of one that failed, the reason."""
    if result.failure:
        return {"peer": result.peer, "failure": result.failure, "user_lines": result.user_lines}
    p50, p95 = np.percentile(best_times(result.milliseconds), (50, 95))
    difference = {}
    if result.peer != ours.peer and not ours.failure:
        apart = [mine - other for mine, other in zip(ours.ndcg, result.ndcg, strict=True)]
        difference = {"ours_minus_theirs": _mean(apart), "ours_minus_theirs_ci": interval(apart)}
    return {
        "peer": result.peer,
        "ndcg_10": _mean(result.ndcg),
        "ndcg_10_ci": interval(result.ndcg),
        **difference,
        "recall_100": _mean(result.recall),
        "recall_100_ci": interval(result.recall),
        "documents_per_second": rate(result.rounds),
        "documents_per_second_rounds": [rate([taken]) for taken in result.rounds],
        "documents_per_second_whole_set": rate([result.ingestion]),
        "documents_per_cpu_second_whole_set": rate([result.ingestion], of="cpu_seconds"),
        "chunks": result.ingestion["chunks"],
        "load_before": [taken["load_before"] for taken in (*result.rounds, result.ingestion)],
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p50_ms_all_passes": float(np.percentile(np.concatenate(result.milliseconds), 50)),
        "p95_ms_all_passes": float(np.percentile(np.concatenate(result.milliseconds), 95)),
        "peak_mb": result.peak,
        "user_lines": result.user_lines,
    }


def table(name: str, documents: int, rows: Sequence[Mapping[str, Any]], queries: int) -> Table:
    """Return the table of a set."""
    title = f"{name}: {documents:,} documents, {queries} queries"
    return Table(title, COLUMNS, [_row(row) for row in rows], frozenset({0}))


def notes(set_of: Mapping[str, Any], *, markdown: bool) -> str:
    """Return what stands under a table: versions, failures, the machine."""
    lines = [
        f"{TITLES[result['peer']]}: "
        + ", ".join(f"{package} {version}" for package, version in result["versions"].items())
        for result in set_of["results"]
        if result["versions"]
    ]
    lines += [
        f"{TITLES[result['peer']]} failed: {result['failure']}"
        for result in set_of["results"]
        if result["failure"]
    ]
    machine = set_of["machine"]
    lines.append(
        f"Measured {set_of['date']} on {machine['processor']}, {machine['cores']} cores, "
        f"{machine['threads']} threads each, Python {machine['python']}."
    )
    return "\n".join(f"- {line}" if markdown else line for line in lines)


def _row(row: Mapping[str, Any]) -> list[str]:
    title = TITLES[row["peer"]]
    if "failure" in row:
        return [title, "failed", *["–"] * 9, str(row["user_lines"])]
    apart, around = row.get("ours_minus_theirs"), row.get("ours_minus_theirs_ci")
    return [
        title,
        number(row["ndcg_10"]),
        _range(row["ndcg_10_ci"]),
        "" if apart is None else _signed(apart),
        "" if around is None else f"{_signed(around[0])} to {_signed(around[1])}",
        number(row["recall_100"]),
        _range(row["recall_100_ci"]),
        f"{row['documents_per_second']:.0f}",
        f"{row['p50_ms']:.1f}",
        f"{row['p95_ms']:.1f}",
        f"{row['peak_mb']:,.0f}",
        str(row["user_lines"]),
    ]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _range(ends: Sequence[float]) -> str:
    return f"{number(ends[0])} to {number(ends[1])}"


def _signed(value: float) -> str:
    sign = "+" if value >= 0 else "−"
    return sign + number(abs(value))
