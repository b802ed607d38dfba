"""Each sentence of a model's answer held against what it cites, and what is done if that fails.

In order: it is cited again, to a passage that supports it; it is written once more by the model
with the evidence in view, one request for all that failed; its source is quoted in its place if it
holds in part; it is left out, or marked where the reader wants to see it. Every step leaves a line
for ``answer.problems``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rag.answer.citations import evidence_of, quotes
from rag.answer.injection import asks_about_models, tainted
from rag.answer.llm.align import Aligned, Aligner, cited, without_headings
from rag.answer.llm.citation_marks import Marked, parse
from rag.answer.llm.point import BESIDE, BESIDE_UNCITED, Point
from rag.answer.llm.request import CITED, fitting, row_of, sanitized
from rag.errors import ModelError
from rag.models.chat import LanguageModel
from rag.prompts import as_data, list_schema, load_prompt, object_schema
from rag.text.numbers import numbers, unit_of
from rag.text.replies import loads, marks_of, spoken
from rag.types import Citation, Passage, Sentence, Usage, Verdict

if TYPE_CHECKING:
    from rag.protocols import Checker, Embedder

State = Literal["kept", "weak", "failing", "empty"]
_RANK: Mapping[State, int] = {"empty": 0, "failing": 0, "weak": 1, "kept": 2}

_NEAREST = 4  # passages that a failing sentence is tried against
_FOUND_FROM = 0.8
"""Support that a sentence needs from what was looked up for it: the best of many is flattered."""
_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_LOST = re.compile(r"the (?:number|name|month) .+ is not in the evidence")
_LOST_FIGURE = re.compile(r"the (?:number|month) .+ is not in the evidence")
_LEADS = re.compile(r":[*_]*$")
_SHOWN = 160  # characters of a sentence in a problem
_HEAD_START = 0.02  # seconds that a request has to go out before anything is done beside it


@dataclass(frozen=True)
class Judged:
    """A sentence and what became of it so far.

    ``kept`` is supported; ``weak`` is supported in part, ``failing`` is not, ``empty`` says nothing
    that could be, or nothing that was asked, as ``beside`` tells. Numbers of citations are those of
    the passages, from 1.
    """

    sentence: Sentence
    state: State
    problems: tuple[str, ...] = ()
    beside: str = ""

    @property
    def verdict(self) -> Verdict:
        """What the checker said."""
        return self.sentence.verdict or Verdict(claim=self.sentence.text)

    @property
    def passages(self) -> tuple[int, ...]:
        """The indexes of the passages that it cites."""
        return tuple(dict.fromkeys(c.number - 1 for c in self.sentence.citations))

    @property
    def failed(self) -> bool:
        """Whether its evidence does not bear it out, or in part only."""
        return self.state in ("weak", "failing")

    def with_problem(self, note: str, **changes: Any) -> Judged:
        """The same with one more problem, and with other changes."""
        return replace(self, problems=(*self.problems, note), **changes)


@dataclass(frozen=True)
class Broken:
    """A sentence that a model is asked to write again: why, and the passages that are nearest."""

    text: str
    reasons: tuple[str, ...]
    passages: tuple[int, ...]


class Rewritten(NamedTuple):
    """Text with marks by the place of its sentence; what cannot be said is missing."""

    texts: Mapping[int, str]
    usage: Usage | None = None


class Repaired(NamedTuple):
    """What is shown for each failed sentence, perhaps nothing, and what asking the model cost."""

    shown: list[list[Judged]]
    usage: Usage | None = None


Rewrite = Callable[[Sequence[Broken], Sequence[Passage]], Rewritten]
"""Writes failing sentences again, in one request. Raises ModelError."""


class Verifier:
    """Verifies the sentences of one answer over the passages that the model was sent.

    ``[1]`` is ``passages[0]``. With less support than ``shown_from`` a sentence counts as supported
    in part at most. Make one for each answer; threads must not share it.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        embedder: Embedder,
        checker: Checker,
        *,
        rewrite: Rewrite | None = None,
        keep_unsupported: bool = False,
        question: str = "",
        shown_from: float = 0.0,
    ) -> None:
        # What gives orders to models was not sent to one, so nothing can rest on it.
        hide = not asks_about_models(question)
        self._passages = [_without_orders(p) for p in passages] if hide else list(passages)
        self._originals = passages
        self._checker = checker
        self._aligner = Aligner(embedder)
        self.rewrite = rewrite
        self._keep = keep_unsupported
        self._shown_from = shown_from
        self._point = Point(question, passages)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Do, beside what runs within, what the first sentence would have to wait for.

        Passages are embedded and the checker is loaded in a thread. Nothing waits for it, and it
        changes no verdict: what it has not done yet is done when it is needed.
        """
        left = Event()
        # No daemon: one that is inside a model when the interpreter ends can take it down.
        Thread(target=self._prepare, args=(left,), name="verifier").start()
        try:
            yield
        finally:
            left.set()

    def _prepare(self, left: Event) -> None:
        steps: list[Callable[[], object]] = [
            *(partial(self._aligner.prepare, passage) for passage in self._passages),
            getattr(self._checker, "load", lambda: None),
        ]
        left.wait(_HEAD_START)
        with suppress(Exception):  # it comes again where what failed is needed
            for step in steps:
                if left.is_set():
                    return
                step()

    def judge(self, marked: Sequence[Marked]) -> list[Judged]:
        """Cite and check sentences, and cite again those that fail; no model is asked."""
        own = {index: index + 1 for index in range(len(self._passages))}
        sentences: list[Sentence] = []
        spoken: list[tuple[str, ...]] = []
        for one in marked:
            made, problems = cited([one], self._passages, self._aligner, own)
            for sentence in made:
                exact = tuple(filter(self._is_exact, sentence.citations))
                sentences.append(sentence.model_copy(update={"citations": exact}))
                spoken.append(tuple(problems))
        judged = [
            replace(one, problems=problems)
            for one, problems in zip(self._check(sentences), spoken, strict=True)
        ]
        return [
            self._to_the_point(self._cited_again(one), least=BESIDE_UNCITED)
            if one.failed
            else self._to_the_point(one, least=BESIDE)
            for one in judged
        ]

    def repair(self, failed: Sequence[Judged]) -> Repaired:
        """Return for each failed sentence what is shown for it; the model is asked once for all.

        What is not shown is in the last problem of the item, whose state tells: ``failing`` and
        ``empty`` are left out.
        """
        (texts, usage), trouble = self._rewritten(failed)
        result = []
        for place, one in enumerate(failed):
            # What went wrong with the request is said once.
            known = (*one.problems, *trouble) if not place else one.problems
            judged = replace(one, problems=known)
            result.append(self._better(judged, texts.get(place)) or [self.settled(judged)])
        return Repaired(result, usage)

    def settled(self, judged: Judged) -> Judged:
        """Return a sentence that nothing could mend as it is shown, or is left out."""
        why = "; ".join(judged.verdict.reasons[:2])
        because, state = f" ({why})" if why else "", judged.state
        match state:
            case "weak" if self._keep:
                note = f"supported in part only by what it cites{because}"
            case "weak":
                return self._in_quotes(judged, because)
            case "empty":
                note = f"left out, {judged.beside or 'it states nothing that could be checked'}"
            case _ if self._keep:
                note = f"not supported by the passages{because}, and marked as such"
                state = "kept"
            case _:
                note = f"not supported by the passages{because}, left out"
        return judged.with_problem(f"{note}: {_cut(judged.sentence.text)}", state=state)

    def _in_quotes(self, judged: Judged, because: str) -> Judged:
        """What a sentence cites in its place, which is borne out in part only; or nothing."""
        source = max(judged.sentence.citations, key=self._point.relevance)
        note = f"supported in part only{because}, "
        if self._point.relevance(source) < BESIDE_UNCITED:
            note += f"left out: {_cut(judged.sentence.text)}"
            return judged.with_problem(note, state="failing")
        quote = judged.sentence.model_copy(update={"text": source.quote, "citations": (source,)})
        [checked] = self._check([quote])
        note += f"its source is quoted instead: {_cut(judged.sentence.text)}"
        return judged.with_problem(note, sentence=checked.sentence, state="kept")

    # Checking

    def _check(self, sentences: Sequence[Sentence]) -> list[Judged]:
        """Judge sentences by their quotes; where those fall short, with their places in view."""
        quotes = [[c.quote for c in sentence.citations] for sentence in sentences]
        verdicts = self._verdicts([s.text for s in sentences], quotes)
        result = [self._judged(s, v) for s, v in zip(sentences, verdicts, strict=True)]
        short = [n for n, one in enumerate(result) if one.failed and one.sentence.citations]
        again = self._verdicts(
            [sentences[n].text for n in short], [evidence_of(sentences[n].citations) for n in short]
        )
        for n, verdict in zip(short, again, strict=True):
            if (verdict.support or 0.0) > (result[n].verdict.support or 0.0):
                result[n] = self._judged(sentences[n], verdict)
        return result

    def _verdicts(self, claims: Sequence[str], evidence: Sequence[Sequence[str]]) -> list[Verdict]:
        verdicts = self._checker.check(claims, evidence)
        pairs = zip(verdicts, evidence, strict=True)
        return [self._with_derived(verdict, texts) for verdict, texts in pairs]

    def _with_derived(self, verdict: Verdict, evidence: Sequence[str]) -> Verdict:
        """Judge again where all numbers that nothing says are worked out from what is said."""
        text = "\n".join(evidence)
        lost = numbers(verdict.claim) - numbers(text)
        if verdict.label in (None, "supported") or not lost:
            return verdict
        figures = derived(verdict.claim, text)
        if not lost <= figures.keys():
            return verdict
        claim = verdict.claim
        for word in _WORD.findall(verdict.claim):
            for figure in numbers(word) & lost:
                claim = in_terms_of(claim, word, figures[figure])
        [again] = self._checker.check([claim], [[*evidence, *figures]])
        how = tuple(f"{figure} is worked out: {figures[figure]}" for figure in sorted(figures))
        kept = tuple(quote for quote in again.evidence if quote not in figures)
        told = {"claim": verdict.claim, "evidence": kept, "reasons": (*again.reasons, *how)}
        return again.model_copy(update=told)

    def _judged(
        self, sentence: Sentence, verdict: Verdict, shown_from: float | None = None
    ) -> Judged:
        shown_from = self._shown_from if shown_from is None else shown_from
        state: State = "weak"
        label = verdict.label
        # Support that overlooks a figure, a name or a month that nothing says is none.
        bad = not sentence.citations or label == "unsupported" or self._lost(sentence, verdict)
        if label is None and verdict.readable:
            state = "empty"
        elif bad:
            state, label = "failing", "unsupported"
        elif label == "supported" and (verdict.support or 0.0) < shown_from:
            label = "partial"
        elif label in ("supported", None):  # None: nobody here knows its language
            state = "kept"
        support = 0.0 if label and verdict.support is None else verdict.support
        verdict = verdict.model_copy(update={"label": label, "support": support})
        return Judged(sentence.model_copy(update={"verdict": verdict}), state)

    def _to_the_point(self, judged: Judged, *, least: float) -> Judged:
        """Leave out what holds and answers something else."""
        if judged.state not in ("kept", "weak") or _LEADS.search(judged.sentence.text):
            return judged
        beside = self._point.missed_by(judged.sentence, least=least)
        return replace(judged, state="empty", beside=beside) if beside else judged

    def _is_exact(self, citation: Citation) -> bool:
        """Tell whether a citation is a span of the passage as it was found."""
        return quotes(citation, self._originals[citation.number - 1])

    def _lost(self, sentence: Sentence, verdict: Verdict) -> bool:
        """Tell whether the evidence lacks a number, a month or a name of the sentence."""
        languages = {self._passages[c.number - 1].language for c in sentence.citations}
        # In German every noun has a capital, so there a capital is no sign of a name.
        pattern = _LOST_FIGURE if "de" in languages else _LOST
        return any(pattern.fullmatch(reason) for reason in verdict.reasons)

    # Citing again

    def _cited_again(self, judged: Judged) -> Judged:
        """The sentence with citations that support it better, if there are any."""
        if not self._passages:
            return judged
        candidates = self._candidates(judged)
        text = judged.sentence.text
        verdicts = self._verdicts([text] * len(candidates), [evidence_of(c) for c in candidates])
        best = judged
        least = max(self._shown_from, _FOUND_FROM)
        for citations, verdict in zip(candidates, verdicts, strict=True):
            sentence = judged.sentence.model_copy(update={"citations": citations})
            found = self._judged(sentence, verdict, least)
            if _worth(found) > _worth(best):
                best = found
        if best is judged or best.state == "failing":
            return judged
        cited = dict.fromkeys(citation.place for citation in best.sentence.citations)
        places = " and ".join(f"“{place}”" for place in cited)
        note = f"cited again, to {places}, which bears it out: {_cut(judged.sentence.text)}"
        return judged.with_problem(note, sentence=best.sentence, state=best.state)

    def _ranked(self, judged: Judged) -> list[list[Aligned]]:
        """The spans of each passage that are about the sentence, best first."""
        text = judged.sentence.text
        return self._aligner.ranked([(text, passage) for passage in self._passages])

    def _candidates(self, judged: Judged) -> list[tuple[Citation, ...]]:
        """Return what the sentence might be cited to: the nearest spans, alone and in twos."""
        ranked = self._ranked(judged)
        order = sorted(
            (index for index, spans in enumerate(ranked) if spans),
            key=lambda index: (-round(ranked[index][0].score, 5), index),
        )

        def citation(index: int, span: Aligned) -> Citation:
            return Citation.of(index + 1, self._passages[index], span.start, span.end)

        best = [citation(index, ranked[index][0]) for index in order[:_NEAREST]]
        candidates: list[tuple[Citation, ...]] = [(one,) for one in best]
        for index in dict.fromkeys([*judged.passages, *order[:1]]):
            spans = ranked[index]
            apart = [s for s in spans[1:] if s.end <= spans[0].start or spans[0].end <= s.start]
            if apart:
                candidates.append((citation(index, spans[0]), citation(index, apart[0])))
        candidates += [(best[0], other) for other in best[1:3]]
        own = judged.sentence.citations
        return [c for c in candidates if c != own and all(map(self._is_exact, c))]

    # Writing again

    def _rewritten(self, failed: Sequence[Judged]) -> tuple[Rewritten, tuple[str, ...]]:
        """Ask the model once; what goes wrong there is a problem and no error."""
        asked = [place for place, one in enumerate(failed) if not _LEADS.search(one.sentence.text)]
        if self.rewrite is None or not asked:
            return Rewritten({}), ()
        broken = [self._broken(failed[place]) for place in asked]
        try:
            found, usage = self.rewrite(broken, self._originals)
        except ModelError as error:
            trouble = f"sentences that failed could not be written again: {error}"
            return Rewritten({}), (trouble,)
        texts = {asked[place]: text for place, text in found.items() if place < len(asked)}
        return Rewritten(texts, usage), ()

    def _broken(self, judged: Judged) -> Broken:
        ranked = self._ranked(judged)
        order = sorted(range(len(ranked)), key=lambda i: -(ranked[i][0].score if ranked[i] else 0))
        near = tuple(dict.fromkeys([*judged.passages, *order[:2]]))
        return Broken(judged.sentence.text, judged.verdict.reasons, near)

    def _better(self, judged: Judged, text: str | None) -> list[Judged] | None:
        """The sentences of a rewriting that hold; None if it does not hold as a whole."""
        if not text or text.strip() == judged.sentence.text:
            return None
        marked = list(without_headings(parse(text, len(self._passages)).sentences))
        found = [one for one in self.judge(marked) if one.state != "empty"]
        if not found or any(one.state != "kept" for one in found):
            return None
        why = "; ".join(judged.verdict.reasons[:2]) or "its evidence does not say it"
        note = f"written again, since {why}: {_cut(judged.sentence.text)}"
        layout: dict[str, str] = {"kind": judged.sentence.kind, "marker": judged.sentence.marker}
        shown = []
        for place, one in enumerate(found):
            sentence = one.sentence.model_copy(update=layout)
            problems = one.problems if place else (*judged.problems, note, *one.problems)
            shown.append(replace(one, sentence=sentence, problems=problems))
            layout["marker"] = ""  # one item of a list
        return shown


def _worth(judged: Judged) -> tuple[int, int, float]:
    """Order by what holds; of citations that bear a sentence out, few are better than many."""
    rank = _RANK[judged.state]
    few = -len(judged.sentence.citations) if judged.state == "kept" else 0
    return rank, few, judged.verdict.support or 0.0


def _without_orders(passage: Passage) -> Passage:
    """Return a passage in which paragraphs that give orders to models are empty lines.

    Every other character stays at its place, and no sentence runs across the gap.
    """
    text = passage.chunk.text
    for start, end in tainted(text):
        text = text[:start] + "\n" * (end - start) + text[end:]
    if text == passage.chunk.text:
        return passage
    return passage.model_copy(update={"chunk": passage.chunk.model_copy(update={"text": text})})


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1].rsplit(" ", 1)[0] + " …"


# --- writing failing sentences again --------------------------------------------------------------

_SCHEMA = object_schema(sentences=list_schema(object_schema(sentence={"type": "integer"}, **CITED)))
_REPLY = 120  # tokens for each sentence
_LINE = re.compile(r"^[\s*_#>-]*(?:(?:sentence|S)\s*)?(\d{1,3})\s*[:.)]\s*(.*?)\s*$", re.IGNORECASE)
_GIVEN_UP = re.compile(r"[-–—*_\s.]*(?:none|n/a)?[-–—*_\s.]*", re.IGNORECASE)


def written_again(
    model: LanguageModel,
    question: str,
    reply_tokens: int | None,
    broken: Sequence[Broken],
    passages: Sequence[Passage],
) -> Rewritten:
    """Have a model write sentences again, with the passages in view that are nearest to them.

    ``reply_tokens`` is the most that all of them may take, by their number if None. Raises
    ModelError.
    """
    structured = model.takes_schema
    prompt = load_prompt("repair", "form", "nonce", "data")
    form = load_prompt("repair_json" if structured else "repair_marks").parts[0][1]
    asked = {
        "question": sanitized(question),
        "sentences": [
            {"number": n, "text": sanitized(one.text), "missed": sanitized("; ".join(one.reasons))}
            for n, one in enumerate(broken, 1)
        ],
    }
    window = model.window
    alone = prompt.over(as_data([asked]), form=form)
    needed = sum(window.count(message["content"]) for message in alone)
    room = window.tokens - needed - _REPLY * len(broken) - 16
    near = sorted({index for one in broken for index in one.passages})
    rows = fitting([row_of(i + 1, passages[i], question) for i in near], room, window)
    reply = model.complete(
        prompt.over(as_data([*rows, asked]), form=form),
        schema=_SCHEMA if structured else None,
        max_tokens=reply_tokens or max(256, _REPLY * len(broken)),
    )
    return Rewritten(read(spoken(reply.text), len(broken)), reply.usage)


def read(text: str, count: int) -> dict[int, str]:
    """The sentences of a reply by their place from 0; what cannot be read is left out."""
    found = _from_json(text)
    found = _from_lines(text) if found is None else found
    return {n - 1: said for n, said in found.items() if 1 <= n <= count and said.strip()}


def _from_json(text: str) -> dict[int, str] | None:
    try:
        body = loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        return None
    items = body.get("sentences")
    found: dict[int, str] = {}
    for item in items if isinstance(items, list) else ():
        match item:
            case {"sentence": int(number), "text": str(said)}:
                marks = marks_of(item.get("citations"))
                found.setdefault(number, f"{said.strip()} {marks}".strip())
    return found


def _from_lines(text: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for line in text.splitlines():
        matched = _LINE.match(line)
        if matched and not _GIVEN_UP.fullmatch(matched[2]):
            found.setdefault(int(matched[1]), matched[2])
    return found


# --- numbers that follow from what is said ------------------------------------------------------

# Deliberately little. Among enough numbers any number is the sum of two, so a sum, a difference or
# a product counts only where the sentence names both of its terms.

_TERMS = 8  # numbers of a sentence beyond which no sums are tried
_GERMAN = {
    "sekund": "second", "minut": "minute", "stund": "hour", "tag": "day", "woch": "week",
    "monat": "month", "jahr": "year",
}  # fmt: skip
_AMOUNT = re.compile(
    r"\b(?:(?P<number>\d[\d.,]*)[ \u00a0-]?|(?P<word>[^\W\d_]+)[ \u00a0-])"
    r"(?=(?P<unit>[^\W\d_]+))"
)


def derived(claim: str, evidence: str) -> dict[str, str]:
    """The numbers of a claim that follow from the evidence, and how; as plain decimals."""
    said = numbers(evidence)
    lost = numbers(claim) - said
    if not lost:
        return {}
    found = {figure: how for figure, how in _converted(claim, evidence) if figure in lost}
    terms = sorted(numbers(claim) & said)
    if len(terms) <= _TERMS:
        for figure in lost - found.keys():
            if how := next(_sums(float(figure), terms), ""):
                found[figure] = how
    return found


def in_terms_of(claim: str, figure: str, how: str) -> str:
    """The claim with the amount that a figure was converted from; a sum stays as it is."""
    if any(sign in how for sign in "+-×"):
        return claim
    return re.sub(rf"(?<!\w){re.escape(figure)}[ \u00a0-]?[^\W\d_]+", how, claim, count=1)


def _sums(value: float, terms: list[str]) -> Iterator[str]:
    for first, second in permutations(terms, 2):
        a, b = float(first), float(second)
        if _same(a + b, value):
            yield f"{first} + {second}"
        elif _same(a - b, value):
            yield f"{first} - {second}"
        elif _same(a * b, value) and min(a, b) > 1:
            yield f"{first} × {second}"


def _converted(claim: str, evidence: str) -> Iterator[tuple[str, str]]:
    said = list(_amounts(evidence))
    for figure, _, (kind, size) in _amounts(claim):
        for other, unit, (other_kind, other_size) in said:
            same = _same(float(figure) * size, float(other) * other_size)
            if kind == other_kind and size != other_size and same:
                yield figure, f"{other} {unit}"


def _amounts(text: str) -> Iterator[tuple[str, str, tuple[str, float]]]:
    """Yield numbers with their units, also in words ("two weeks", "one hour"), and their size."""
    for found in _AMOUNT.finditer(text):
        word = found["unit"].casefold()
        if unit := unit_of(_GERMAN.get(word.rstrip("en"), word)):
            number = (found["number"] or found["word"]).casefold()
            for figure in numbers(number) or ({"1"} if number in ("a", "an", "one") else set()):
                yield figure, word, unit


def _same(left: float, right: float) -> bool:
    return abs(left - right) <= 1e-9 * max(1.0, abs(left), abs(right))
