"""A case of a run in words: what was asked, what was said, what was expected, what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rag.evaluate.runs import Row

NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Source:
    """A text that a case rests on: its name, and what is to be said of it."""

    name: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Explained:
    """A case in words; ``expected`` is None where only grades of documents are known."""

    question: str
    said: str
    expected: str | None
    sources_title: str
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()


def explain(kind: str, row: Row) -> Explained:
    """Return a row of a run in words."""
    said, expected, title, sources = _BY_KIND[kind](row)
    return Explained(
        question=str(row.get("claim") or row.get("question") or row["id"]),
        said=f"failed: {row['failed']}" if row["failed"] else said,
        expected=expected,
        sources_title=title,
        sources=tuple(sources),
        notes=tuple(row.get("reasons") or row.get("problems") or ()),
    )


_Parts = tuple[str, str | None, str, Sequence[Source]]


def _retrieval(row: Row) -> _Parts:
    ranking = row.get("ranking") or []
    sources = [
        Source(
            one["title"] or one["id"],
            one["text"],
            f"{one['score']:.3f}, " + _graded(one["grade"]),
        )
        for one in ranking
    ]
    right = [str(n) for n, one in enumerate(ranking, start=1) if (one["grade"] or 0) > 0]
    first = (ranking[0]["title"] or ranking[0]["id"]) if ranking else "nothing"
    said = f"relevant at {', '.join(right) or 'none'} of {len(ranking)}; first: {first}"
    return said, None, "First in the ranking", sources


def _graded(grade: int | None) -> str:
    if grade is None:
        return "not judged"
    return f"relevant, grade {grade}" if grade > 0 else "judged not relevant"


def _qa(row: Row) -> _Parts:
    said = row.get("answer") or NO_ANSWER
    if said == NO_ANSWER and row.get("guess"):
        said = f"{NO_ANSWER} (would have said: {row['guess']})"
    return said, _accepted(row), "Passages that were read", _passages(row)


def _answers(row: Row) -> _Parts:
    said = NO_ANSWER if row.get("abstained") else str(row.get("answer") or "")
    return said, _accepted(row), "Passages that were retrieved", _passages(row)


def _passages(row: Row) -> list[Source]:
    cited = row.get("citations") or []
    return [
        Source(
            one.get("uri") or row.get("title") or "",
            one["text"],
            "cited" if any(_within(citation, one) for citation in cited) else "",
        )
        for one in row.get("passages") or []
    ]


def _within(citation: dict[str, Any], passage: dict[str, Any]) -> bool:
    return bool(
        citation["uri"] == passage["uri"]
        and citation["start"] < passage["end"]
        and passage["start"] < citation["end"]
    )


def _accepted(row: Row) -> str:
    if not row["answerable"]:
        return NO_ANSWER
    return " | ".join(dict.fromkeys(row["accepted"])) or "an answer"


def _grounding(row: Row) -> _Parts:
    support = row["measures"].get("support")
    said = str(row.get("said")) + ("" if support is None else f" (support {support:.2f})")
    sources = [Source("", text) for text in row.get("evidence") or []]
    return said, str(row["gold"]), "Evidence that was held against it", sources


def _rewrite(row: Row) -> _Parts:
    sources = [Source("", text) for text in row.get("history") or []]
    return str(row.get("standalone")), str(row["rewrite"]), "What was said before", sources


_BY_KIND: dict[str, Callable[[Row], _Parts]] = {
    "retrieval": _retrieval,
    "qa": _qa,
    "answers": _answers,
    "grounding": _grounding,
    "rewrite": _rewrite,
}


def clipped(text: str, length: int) -> str:
    """Return a text on one line, cut between words after ``length`` characters."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    cut = line[: length - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[length // 2 :] else cut) + "…"
