"""The way of one recorded question: what each side found, why it ranked, what became of it.

It is told from the row alone, so that it holds for what the index and the settings were then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rag.observe.record import as_json, moment
from rag.rows import STOPPED, Feedback, Found, Row
from rag.settings import OPERATING_POINTS

SIDES = ("dense", "lexical", "fused", "rerank")
"""The scores that put passages into an order of their own, from first to last."""

_REASONS = ("fused", "coverage", "title", "relevance", "talk")
_SHOWN = 5  # passages that ranked too low and are named
_CLIPPED = 160  # characters of a passage that are shown

TextOf = Callable[[Found], str | None]
"""What a passage said, None where the index has it no more."""


@dataclass(frozen=True)
class Explanation:
    """What is to be said of a row and what people said of it."""

    row: Row
    feedback: Sequence[Feedback] = ()

    @cached_property
    def ranks(self) -> dict[str, dict[str, int]]:
        """Of each side, chunk -> rank from 1, among the passages that the record has."""
        found = {}
        for side in SIDES:
            scored = [one for one in self.row.found if side in one.scores]
            scored.sort(key=lambda one: -one.scores[side])
            found[side] = {one.chunk: rank for rank, one in enumerate(scored, 1)}
        return {side: ranks for side, ranks in found.items() if ranks}

    @property
    def cited(self) -> dict[str, list[int]]:
        """Chunk -> the numbers of the footnotes that stand in it."""
        numbers: dict[str, list[int]] = {}
        for said in self.row.said:
            for one in said.citations:
                for passage in self.row.found:
                    inside = passage.start <= one.start and one.end <= passage.end
                    if passage.uri == one.uri and inside:
                        numbers.setdefault(passage.chunk, []).append(one.number)
        return {chunk: sorted(set(found)) for chunk, found in numbers.items()}

    @property
    def outcome(self) -> str:
        """What came of it and why, in a sentence."""
        row = self.row
        read = sum(one.read for one in row.found)
        sure = f"confidence {row.confidence:.2f}; {row.least:.2f} is needed"
        if row.error == STOPPED:
            return "stopped before its end"
        if row.error:
            return f"failed: {row.error}"
        if row.asked_back:
            return f"asked back, as it may mean several things ({sure})"
        if row.said:
            doubt = ", but is not sure of it" if row.unsure else ""
            return f"answered{doubt} ({sure})"
        if not row.found:
            return "abstained: nothing was found; a filter may have left nothing"
        if row.confidence < row.least:
            return f"abstained: none of the {read} passages that were read answers it ({sure})"
        return f"abstained: of what was drafted nothing held ({sure})"

    @property
    def first(self) -> str:
        """Why the first passage is the first, and not the second."""
        ranked = [one for one in self.row.found if one.read]
        if len(ranked) < 2:
            return ""
        one, other = ranked[:2]
        ahead, behind = [], []
        for name in _REASONS:
            mine, its = one.scores.get(name), other.scores.get(name)
            if mine is not None and its is not None and abs(mine - its) >= 0.005:
                (ahead if mine > its else behind).append(f"{name} {mine:.2f} against {its:.2f}")
        if not ahead and not behind:
            return ""
        told = f"by {one.score - other.score:.3f}: " + (", ".join(ahead) or "by nothing named here")
        return told + (f"; against it {', '.join(behind)}" if behind else "")

    @property
    def otherwise(self) -> list[str]:
        """What would have changed the outcome."""
        return [*self._risks(), *self._sides(), *self._doubts()]

    def _risks(self) -> list[str]:
        row = self.row
        if row.error or row.asked_back or not row.found:
            return []
        gap = row.confidence - row.least
        where = "above" if gap >= 0 else "under"
        told = [f"it is {abs(gap):.2f} {where} the threshold of {row.least:.2f}"]
        answers = {name: row.confidence >= least for name, least in OPERATING_POINTS.items()}
        for word, verdict in (("answer", True), ("abstain", False)):
            names = [f"“{name}”" for name, one in answers.items() if one is verdict]
            if names:
                told.append(f"answer.abstain = {' or '.join(names)} would {word}")
        return told

    def _sides(self) -> list[str]:
        """Which passage each side would have put first, and where the cited ones stand there."""
        told = []
        top = next((one.chunk for one in self.row.found if one.read), None)
        places = {one.chunk: _place(one) for one in self.row.found}
        for side, ranks in self.ranks.items():
            first = next(chunk for chunk, rank in ranks.items() if rank == 1)
            if first != top:
                told.append(f"{side} alone would have put first: {places[first]}")
        for chunk, numbers in self.cited.items():
            ranks = {side: found[chunk] for side, found in self.ranks.items() if chunk in found}
            if ranks and max(ranks.values()) > 1:
                named = ", ".join(f"{side} {rank}" for side, rank in ranks.items())
                told.append(f"what [{numbers[0]}] cites ranks {named}")
        return told

    def _doubts(self) -> list[str]:
        """Passages that answer it best, by the reader, where they are not cited."""
        read = [one for one in self.row.found if one.no_answer is not None]
        if not read or self.row.error:
            return []
        best = min(read, key=lambda one: one.no_answer or 0.0)
        if best.chunk in self.cited or 1 - (best.no_answer or 0.0) < 0.01:
            return []
        return [f"the reader saw an answer likeliest in: {_place(best)}"]

    def to_json(self, text_of: TextOf = lambda _: None) -> dict[str, Any]:
        """One JSON object: the row, with the rank by each side and the fate of every passage."""
        found = as_json(self.row, list(self.feedback))
        for passage, one in zip(found["found"], self.row.found, strict=True):
            passage["ranks"] = {s: r[one.chunk] for s, r in self.ranks.items() if one.chunk in r}
            passage["fate"] = self.fate(one)
            passage["text"] = text_of(one)
        return {
            **found,
            "outcome": self.outcome,
            "why_first": self.first,
            "otherwise": self.otherwise,
        }

    def fate(self, one: Found) -> str:
        """What became of a passage."""
        if one.chunk in self.cited:
            return "cited " + "".join(f"[{number}]" for number in self.cited[one.chunk])
        return "read" if one.read else "ranked too low to be read"

    def lines(self, text_of: TextOf = lambda _: None) -> list[str]:
        """The same for a person."""
        row = self.row
        asked = row.question or f"(not kept; equal ones have {row.repeat or 'nothing in common'})"
        about = [row.language or "language unknown", row.kind, row.generator, row.arm]
        told = [
            f"{row.id}  {moment(row.at)}",
            f"Question: {asked}",
            *([f"Read as:  {row.standalone}"] if row.standalone != row.question else []),
            f"          {', '.join(filter(None, about))}"
            + (f", after {row.turns} turns" if row.turns else ""),
            f"Outcome:  {self.outcome}",
            "",
        ]
        read = [one for one in row.found if one.read]
        rest = [one for one in row.found if not one.read]
        told += self._table("Read, best first", read, text_of)
        told += [f"  The first leads {self.first}"] if self.first else []
        told += self._table("Found, but ranked too low to be read", rest[:_SHOWN], lambda _: None)
        told += [f"  and {len(rest) - _SHOWN} more"] if len(rest) > _SHOWN else []
        told += [""] if row.found else []
        told += _listed("Said", [_sentence(one.text, one.label, one.support) for one in row.said])
        told += _listed("Left out and noted", row.problems)
        told += _listed("What would have changed it", self.otherwise)
        told += _listed("Feedback", [_remark(one) for one in self.feedback])
        times = ", ".join(f"{n.removesuffix('_ms')} {ms:.0f}" for n, ms in row.timings.items())
        told += _listed("Milliseconds", [f"{row.milliseconds:.0f}: {times}"] if times else [])
        versions = [f"{name} {said}" for name, said in row.versions.items()]
        return told + _listed("Versions", [*versions, f"generation {row.generation}"])

    def _table(self, title: str, found: Sequence[Found], text_of: TextOf) -> list[str]:
        if not found:
            return []
        told = [f"{title}:"]
        for one in found:
            place = self.row.found.index(one) + 1
            cited = f"  {self.fate(one)}" if one.chunk in self.cited else ""
            told.append(f"  {place}. {_place(one)}{cited}")
            scores = []
            for name, score in one.scores.items():
                rank = self.ranks.get(name, {}).get(one.chunk)
                scores.append(f"{name} {score:.3f}" + (f" (no. {rank})" if rank else ""))
            if one.no_answer is not None:
                scores.append(f"answers it {1 - one.no_answer:.2f}")
            told.append(f"     {' · '.join(scores)}")
            if text := text_of(one):
                told.append(f"     “{' '.join(text.split())[:_CLIPPED]}”")
        return told


def _place(one: Found) -> str:
    return f"{one.title} ({one.uri}, {one.start}:{one.end})"


def _sentence(text: str, label: str | None, support: float | None) -> str:
    verdict = label or "not judged"
    return f"{verdict}{'' if support is None else f' {support:.2f}'}: {text or '(not kept)'}"


def _remark(one: Feedback) -> str:
    return ": ".join(filter(None, [one.kind.replace("_", " "), one.words, one.uri]))


def _listed(title: str, items: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {item}" for item in items)] if items else []
