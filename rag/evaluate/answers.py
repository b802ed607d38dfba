"""End to end: every question of a file asked of an index, each answer held against what is known.

Every measure is a fraction of 1 for one case, or None where it does not apply to the case (there
is no gold evidence, say). A figure is the mean over the cases that it applies to, whatever came
back for them: one that crashed has the worst value and stays in the denominator.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rag.errors import ModelError, SourceError, StoreError, UsageError
from rag.evaluate import judge as judging
from rag.evaluate.datasets import Case
from rag.evaluate.judge import LanguageModelJudge
from rag.evaluate.runs import (
    RIGHT,
    Kind,
    Options,
    Result,
    Run,
    Source,
    each,
    measure_file,
    since,
)
from rag.evaluate.statistics import (
    area_under_risk_coverage,
    auroc,
    mean,
    mean_of_confident,
    ratio,
)
from rag.evaluate.text_metrics import contains, f1, locate, overlaps, stands
from rag.types import Answer, Chunk, Citation

if TYPE_CHECKING:
    from rag.pipeline import Pipeline

NO_ANSWER = "no answer"
ANSWERABLE_AUROC = auroc(
    "answerable_auroc",
    "chance that an answerable question has more confidence than an unanswerable one",
    score="confidence",
    positive="answerable",
)


# A gold quote: the id of its document, and every span of it in there.
Quote = tuple[str, tuple[tuple[int, int], ...]]
Measures = Mapping[str, float | None]


def _extra(run: Run) -> dict[str, Any]:
    return {
        "unlocated_quotes": [row["id"] for row in run.rows if row.get("unlocated")],
        "usage": judging.total(row.get("usage") for row in run.rows),
        **judging.summary(run.rows, ran=bool(run.header["options"].get("judge"))),
    }


def _explain(row: Result) -> tuple[str, str, str, list[Source]]:
    said = NO_ANSWER if row.get("abstained") else str(row.get("answer") or "")
    return said, accepted(row), "Passages that were retrieved", sources(row)


def accepted(row: Result) -> str:
    """What was expected of a question, in words."""
    if not row["answerable"]:
        return NO_ANSWER
    said = " | ".join(dict.fromkeys(row["accepted"])) or "an answer"
    needs = "".join(f"; with {' or '.join(need)}" for need in row.get("needs") or ())
    return said + needs + "".join(f"; without {rival}" for rival in row.get("rivals") or ())


def sources(row: Result) -> list[Source]:
    """The passages of a row, those marked that a citation overlaps."""
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
    span = ((passage["start"], passage["end"]),)
    same: bool = citation["uri"] == passage["uri"]
    return same and overlaps(citation["start"], citation["end"], span)


def worst(case: Case, *, judged: bool = False) -> Measures:
    """The measures of a case that crashed: the worst value of each that applies."""
    applies = {"f1", "supported"} | (
        {"answerable_f1", "containment", "abstention_wrong"}
        if case.answerable
        else {"abstention_right", "answered_unanswerable"}
    )
    if case.answers or not case.answerable:
        applies |= {"correct", "correct_if_answered"}
    if case.answerable and case.answers:
        applies |= {"right", "wrong"}
    if case.answerable and case.evidence:
        applies |= _OF_EVIDENCE
    if case.answerable and judged:
        applies |= judging.measures(0.0).keys()
    # Of no sentence there would be no share: a crash is as bad as one that is beside the evidence.
    lower = {m.name for m in KIND.metrics if m.lower_is_better} | {"sentences_shown"}
    return {
        **{name: float(name in lower) if name in applies else None for name in _MEASURES},
        # A crash is on the wrong side of every threshold.
        "confidence": float(not case.answerable),
        "answerable": float(case.answerable),
    }


def _describe(case: Case) -> Result:
    labels = case.human_labels
    told = {"id", "type", "question", "answerable", "needs", "rivals"}
    return {
        **case.model_dump(mode="json", include=told),
        "stage": "failed" if case.answerable and case.answers and case.evidence else None,
        "accepted": list(case.answers),
        "group": "/".join(case.conversation),
        **({"human_labels": labels.model_dump()} if labels else {}),
    }


KIND = Kind(
    name="answers",
    cases="questions",
    metrics=(
        mean("f1", "SQuAD F1 of the short answer; unanswerable: 1 for an abstention, else 0"),
        mean("answerable_f1", "the same, answerable questions only"),
        mean("containment", "an accepted answer stands in the answer's text"),
        mean("right", "an accepted answer and all needs are shown, to the sign, and no rival"),
        mean("wrong", "answerable, and got an answer that is not right", lower_is_better=True),
        mean_of_confident(
            "right_confident",
            "right, of the more confident half of all answers; to what is unanswerable, none is",
            score="confidence",
            gain="correct_if_answered",
        ),
        area_under_risk_coverage(
            "aurc",
            "mean risk over all coverages; risk: not right, or an answer where there is none",
            score="confidence",
            gain="correct",
        ),
        mean("page_found", "a passage is of a document of the gold evidence"),
        mean("evidence_retrieved", "gold quotes that a retrieved passage overlaps"),
        mean("evidence_first", "the first passage overlaps a gold quote"),
        mean("evidence_rank", "1 / rank of the first passage that does, 0 without one"),
        mean("unit_first", "the sentence that the reader thinks best overlaps a gold quote"),
        mean("unit_rank", "1 / rank of the first sentence, by the reader, that does"),
        mean("evidence_shown", "the citation of a sentence overlaps a gold quote"),
        ratio(
            "sentence_precision",
            "of all sentences shown to answerable questions, those that cite a gold quote",
            over="sentences_on_evidence",
            under="sentences_shown",
        ),
        mean(
            "citation_precision",
            "cited sentences that do, by question: their mean, 0 for each without an answer",
        ),
        mean("citation_recall", "recall of the evidence: gold quotes that a citation overlaps"),
        mean("document_cited", "a document of the gold evidence is cited"),
        mean("supported", "sentences that the checker calls supported by what they cite"),
        mean("abstention_right", "unanswerable questions that got no answer"),
        mean("abstention_wrong", "answerable questions that got no answer", lower_is_better=True),
        mean("abstention_precision", "abstentions that were right"),
        mean(
            "answered_unanswerable",
            "unanswerable questions that got an answer",
            lower_is_better=True,
        ),
        ANSWERABLE_AUROC,
        # Of answerable questions, and only where a judge was asked for.
        mean("judged_relevance", "judge: the answer speaks to the question"),
        mean("judged_completeness", "judge: the answer says what the question needs"),
        mean("judged_faithfulness", "judge: what is cited says what the sentences say"),
    ),
    primary="f1",
    describe=_describe,
    worst=worst,
    explain=_explain,
    sliced_by="type",
    # those that fit beside each other in 80 columns
    heads={
        "f1": "F1",
        "containment": "found",
        "right": "right",
        "wrong": "wrong",
        "evidence_retrieved": "seen",
        "citation_precision": "cite P",
        "citation_recall": "cite R",
        "abstention_right": "abst. right",
        "abstention_wrong": "abst. wrong",
    },
    extra=_extra,
    stages={
        "failed": "it crashed, or nothing came back",
        "page": "no passage is of a document of the evidence",
        "passage": "passages of the document, none with the evidence",
        "unit": "the reader thought another sentence best, and the evidence is not shown",
        "abstained": "it thought the evidence best, and no answer was given",
        "shown": "it thought the evidence best, and other sentences are shown",
        "answer": "the evidence is shown, but not the answer or not all needs, or a rival beside",
        RIGHT: "nothing was lost",
    },
)
_MEASURES = tuple(name for name in KIND.columns if name not in ("confidence", "answerable"))
_OF_EVIDENCE = frozenset(
    "page_found evidence_retrieved evidence_first evidence_rank unit_first unit_rank "
    "evidence_shown citation_precision citation_recall document_cited sentences_on_evidence "
    "sentences_shown".split()
)


def evaluate(
    path: Path,
    pipeline: Pipeline,
    *,
    judge: LanguageModelJudge | None = None,
    **options: Unpack[Options],
) -> Run:
    """Ask every question of a file, or the first ``limit``, and measure the answers.

    Writes a run file (default: in ``runs`` of the index folder). Ctrl-C ends the run: it then
    covers what was done, and says that it was interrupted. A ``judge`` grades the answers.
    Raises DataError for a bad file, StoreError or ModelError if the index, its model or the judge
    is not fit to be asked at all.
    """

    def prepare() -> dict[str, Any]:
        _load(pipeline)
        if not judge:
            return {}
        judge.prepare()
        return {"judge": judge.identity}

    answers = each(partial(_ask, pipeline, judge))
    kind = replace(KIND, worst=partial(worst, judged=judge is not None))
    return measure_file(kind, path, Case, pipeline, answers, options, prepare=prepare)


def _load(pipeline: Pipeline) -> None:
    """Load what the first question would load, and let what fails every question fail now."""
    try:
        pipeline.search("warm-up", 1)
    except (StoreError, ModelError, UsageError):
        raise
    except Exception:
        return  # a stage that crashes is what the run is there to count


def locate_evidence(case: Case, pipeline: Pipeline) -> tuple[list[Quote], bool]:
    """Where the gold quotes stand, and whether any could not be found.

    A quote that is not found stays as one without spans: nothing overlaps it, and it counts.
    """
    gold: list[Quote] = []
    for evidence in case.evidence:
        try:
            document = pipeline.document(evidence.uri)
        except SourceError:
            gold.append(("", ()))
        else:
            gold.append((document.id, locate(document.text, evidence.quote).spans))
    return gold, any(not spans for _, spans in gold)


def _ask(pipeline: Pipeline, judge: LanguageModelJudge | None, case: Case) -> Result:
    gold, unlocated = locate_evidence(case, pipeline)
    began = time.perf_counter()
    try:
        answer: Answer | None = pipeline.ask(case.question, history=case.history, recorded=False)
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}", "unlocated": unlocated}
    took = since(began)
    if answer is None or not (answer.abstained or answer_text(answer).strip()):
        return {"failed": "nothing came back", "unlocated": unlocated}
    judged = judge.judge(case, answer) if judge else None
    measured = measure(case, answer, gold)
    return {
        "unlocated": unlocated,
        "stage": stage(measured),
        "measures": {
            **measured,
            "confidence": answer.confidence,
            "answerable": float(case.answerable),
            **(judged.measures if judged else {}),
        },
        "latency_ms": took,
        "standalone": answer.standalone,
        "answer": answer_text(answer),
        "short": short_answer(answer),
        "abstained": answer.abstained,
        "confidence": answer.confidence,
        "generator": answer.generator,
        "verdicts": [s.verdict.label if s.verdict else None for s in answer.sentences],
        "citations": [
            c.model_dump(mode="json", include={"number", "uri", "start", "end", "quote"})
            for c in answer.citations
        ],
        "passages": [
            {
                "uri": p.uri,
                "start": p.chunk.start,
                "end": p.chunk.end,
                "score": p.score,
                "text": p.chunk.text,
            }
            for p in answer.passages
        ],
        "problems": list(answer.problems),
        "timings": dict(answer.timings),
        "usage": answer.usage.model_dump() if answer.usage else None,
        **(judged.row() if judged else {}),
    }


# One case


def answer_text(answer: Answer) -> str:
    """The words of an answer without its marks."""
    return "\n".join(sentence.text for sentence in answer.sentences)


def shown_text(answer: Answer) -> str:
    """What a person reads as the answer, without its marks."""
    return "\n".join(sentence.shown for sentence in answer.sentences)


def short_answer(answer: Answer) -> str:
    """The words that an answer highlights, if it does, else all of its words."""
    facts = [sentence.highlighted for sentence in answer.sentences if sentence.highlight]
    return " ".join(facts) or answer_text(answer)


def measure(case: Case, answer: Answer, gold: Sequence[Quote]) -> Measures:
    """Every measure of one answer; ``gold`` is where the case's evidence stands.

    F1 is of the short answer, because SQuAD's measure is for spans. An answerable question that
    got no answer scores 0 on citations too: silence must not look like precision.
    """
    if not case.answerable:
        abstained = float(answer.abstained)
        return {
            **dict.fromkeys(_MEASURES),
            "f1": abstained,
            "supported": _supported(answer),
            "correct": abstained,
            "correct_if_answered": None if answer.abstained else 0.0,
            "abstention_right": abstained,
            "abstention_precision": 1.0 if answer.abstained else None,
            "answered_unanswerable": 1 - abstained,
        }
    text, right = answer_text(answer), _right(case, answer)
    best = max((f1(short_answer(answer), a) for a in case.answers), default=0.0) if text else 0.0
    return {
        **dict.fromkeys(_MEASURES),
        "f1": best,
        "answerable_f1": best,
        "containment": float(any(contains(text, accepted) for accepted in case.answers)),
        "right": right,
        "wrong": None if right is None else float(not (right or answer.abstained)),
        "correct": right,
        "correct_if_answered": None if answer.abstained else right,
        "supported": _supported(answer),
        "abstention_wrong": float(answer.abstained),
        "abstention_precision": 0.0 if answer.abstained else None,
        **(_evidence(answer, gold) if gold else {}),
    }


def _right(case: Case, answer: Answer) -> float | None:
    """Whether what is shown is the answer; None where no accepted answer is known."""
    if not case.answers:
        return None
    shown = partial(stands, shown_text(answer))
    needed = all(any(map(shown, need)) for need in (case.answers, *case.needs))
    return float(needed and not any(map(shown, case.rivals)))


def stage(measures: Measures) -> str | None:
    """The first stage at which a right answer was lost, in the words of ``KIND.stages``.

    Empty if it was not lost: a right answer is none, wherever it is from, and neither is evidence
    that the reader did not think best if it is shown. None where evidence or answer is unknown.
    """
    if measures["right"] is None or measures["page_found"] is None:
        return None
    kept = {
        "page": measures["page_found"],
        "passage": measures["evidence_retrieved"],
        "unit": measures["unit_first"] or measures["evidence_shown"],
        "abstained": not measures["abstention_wrong"],
        "shown": measures["evidence_shown"],
        "answer": measures["right"],
    }
    return "" if measures["right"] else next(name for name, here in kept.items() if not here)


def _evidence(answer: Answer, gold: Sequence[Quote]) -> dict[str, float | None]:
    """Citation precision per sentence and recall per quote, after ALCE (Gao et al., 2023).

    ALCE asks a model whether the citations entail the sentence; here people marked the evidence,
    so what counts is overlap with it.
    """
    cited = [sentence.citations for sentence in answer.sentences if sentence.citations]
    flat = [citation for citations in cited for citation in citations]
    right = [any(_meets(c, quote) for c in citations for quote in gold) for citations in cited]
    found = [any(_meets(c, quote) for c in flat) for quote in gold]
    seen = [any(_meets(passage.chunk, quote) for passage in answer.passages) for quote in gold]
    passage = _rank([passage.chunk for passage in answer.passages], gold)
    unit = _rank(_units(answer), gold)
    documents = {document for document, _ in gold}
    return {
        "page_found": float(any(p.chunk.document_id in documents for p in answer.passages)),
        "evidence_retrieved": sum(seen) / len(seen),
        "evidence_first": float(passage == 1),
        "evidence_rank": passage,
        "unit_first": float(unit == 1),
        "unit_rank": unit,
        "evidence_shown": float(any(found)),
        "sentences_on_evidence": float(sum(right)),
        "sentences_shown": float(len(answer.sentences)),
        "citation_precision": sum(right) / len(right) if right else 0.0,
        "citation_recall": sum(found) / len(found),
        "document_cited": float(any(c.document_id in documents for c in flat)),
    }


def _rank(chunks: Sequence[Chunk], gold: Sequence[Quote]) -> float:
    """1 / rank of the first chunk that overlaps a gold quote; 0 if none does."""
    ranks = (
        1 / n for n, c in enumerate(chunks, start=1) if any(_meets(c, quote) for quote in gold)
    )
    return next(ranks, 0.0)


def _units(answer: Answer) -> list[Chunk]:
    """The sentences of all passages, the most relevant to the reader first; equals in order."""
    units = [
        (relevance, passage.chunk, start, end)
        for passage in answer.passages
        if passage.reading
        for start, end, relevance in passage.reading.sentences
    ]
    units.sort(key=lambda unit: -unit[0])
    return [
        chunk.model_copy(update={"start": chunk.start + start, "end": chunk.start + end})
        for _, chunk, start, end in units
    ]


def _meets(one: Citation | Chunk, quote: Quote) -> bool:
    document, spans = quote
    return one.document_id == document and overlaps(one.start, one.end, spans)


def _supported(answer: Answer) -> float | None:
    """The share of sentences judged supported; None where nothing was judged."""
    labels = [s.verdict.label for s in answer.sentences if s.verdict and s.verdict.label]
    return labels.count("supported") / len(labels) if labels else None
