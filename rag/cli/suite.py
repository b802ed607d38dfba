"""``rag eval suite``, ``from-record``, ``review``: what runs by itself, and cases to accept."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.common import IndexOption, JsonOption, echo, print_json, progress
from rag.cli.evaluate import MarkdownOption, present
from rag.cli.observe import RecordOption, SinceOption, opened, seconds

if TYPE_CHECKING:
    from rag.evaluate.datasets import Case
    from rag.evaluate.history import Entry, History
    from rag.evaluate.suite import Outcome


def suite(
    file: Annotated[Path, typer.Argument(help="What to measure.", metavar="SUITE.toml")],
    index: IndexOption = None,
    history: Annotated[
        Path | None,
        typer.Option(
            "--history", help="Folder of the runs.", show_default="as the suite says", metavar="DIR"
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page", help="The page.", show_default="in the history", metavar="PAGE.html"
        ),
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option(
            "--accept", help="Measure nothing: the last time is good from now on.", metavar="REASON"
        ),
    ] = None,
    markdown: MarkdownOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a set of evaluations and hold each against its last good run.

    The first run is good, and so is one that you accept. Exit status 5 means: something is worse;
    1: something could not be measured.
    """
    from rag.evaluate.history import History
    from rag.evaluate.suite import opener, read_suite, run_suite

    found = read_suite(file)
    kept = History((history or found.history).absolute())
    if accept is not None:
        entry = kept.accept(accept)
        place = _write(file.stem, kept, None, page)
        body = {"accepted": entry.id, "reason": entry.accepted, "page": str(place)}
        if as_json:
            print_json(body)
        else:
            echo(f"{entry.id} is good from now on: {entry.accepted}\npage: {place}")
        return
    with progress("Measuring") as on_progress:
        outcome, entry = run_suite(found, kept, opener(found, index), on_progress)
    place = _write(file.stem, kept, outcome, page)
    if not as_json:
        bullet = "- " if markdown else "  "
        echo(outcome.verdict)
        for name, why in outcome.failures.items():
            echo(f"{bullet}{name} was not measured: {why}")
        for line in (*outcome.regressions, *outcome.notes):
            echo(f"{bullet}{line}")
        echo()
    present(
        lambda: {**outcome.to_json(), **_named(entry, kept, place)},
        outcome.tables,
        markdown=markdown,
        as_json=as_json,
    )
    echo(f"page: {place}", err=True)
    if outcome.status:
        raise typer.Exit(outcome.status)


def _named(entry: Entry, history: History, page: Path) -> dict[str, Any]:
    return {"id": entry.id, "history": str(history.folder), "page": str(page)}


def _write(name: str, history: History, outcome: Outcome | None, page: Path | None) -> Path:
    from rag.evaluate.report import write_page
    from rag.evaluate.suite_page import suite_page

    entries = history.entries()
    text = suite_page(name, entries, history.good_ids(entries), outcome)
    return write_page(text, page or history.folder / "suite.html")


def from_record(
    index: IndexOption = None,
    record: RecordOption = None,
    count: Annotated[int, typer.Option("--count", "-n", help="Questions.", min=1)] = 50,
    since: SinceOption = None,
    judged: Annotated[
        bool, typer.Option("--judged", help="Only those that somebody said something of.")
    ] = False,
    known: Annotated[
        list[Path] | None,
        typer.Option("--known", help="Leave out what this file has.", metavar="FILE"),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Question file.", metavar="FILE")] = Path(
        "asked.draft.jsonl"
    ),
    as_json: JsonOption = False,
) -> None:
    """Draft cases from the questions that were asked, for you to accept.

    Each has the answer that was given, its evidence and what people said of it. No draft is
    measured: go through them with `rag eval review`.
    """
    from rag.evaluate.asked import draft_asked

    with opened(index, record) as (pipeline, found):
        cases = draft_asked(
            found,
            pipeline,
            out,
            count=count,
            since=seconds("--since", since, time.time()),
            judged=judged,
            known=known or (),
        )
    if as_json:
        print_json({"file": str(out) if cases else None, "questions": len(cases)})
    elif cases:
        echo(f"{len(cases)} drafts in {out}: go through them with `rag eval review {out}`")
    else:
        echo("nothing to draft: every question that was asked is known")
    raise typer.Exit(0 if cases else 1)


def review(
    file: Annotated[Path, typer.Argument(help="Questions, some of them drafts.", metavar="FILE")],
) -> None:
    """Go through the drafts of a question file, one by one, and accept what is right.

    Each decision is written at once, so you may stop at any time.
    """
    from rag.evaluate.asked import write_cases
    from rag.evaluate.datasets import Case, read_rows

    cases = {case.id: case for case in read_rows(file, Case).rows}
    drafts = [case for case in cases.values() if case.draft]
    for n, case in enumerate(drafts, start=1):
        _show_draft(case, f"{n} of {len(drafts)}")
        choice, decided = _decide(case)
        if choice == "q":
            break
        if decided:
            cases[case.id] = decided
        elif choice == "d":
            del cases[case.id]
        if choice != "s":
            write_cases(file, cases.values())
    left = sum(case.draft for case in cases.values())
    echo(f"{len(cases) - left} rows in {file} are accepted, {left} are drafts")


def _decide(case: Case) -> tuple[str, Case | None]:
    """What somebody chose for a draft, and the row if it is accepted; asked until it can be."""
    from rag.evaluate.asked import accepted, faults

    while True:
        choice = _read(
            "[a]ccept, [e]dit the answers, [n]o answer in the documents, [d]rop, [s]kip, [q]uit: "
        )
        if choice in ("d", "s", "q"):
            return choice, None
        if choice == "a" and not case.answers:
            echo("there is no answer to accept: e to write one, n if the documents have none")
        elif choice in ("a", "e", "n"):
            answers = list(case.answers) if choice == "a" else []
            if choice == "e":
                written = _read("accepted answers, | between them: ").split("|")
                answers = [answer.strip() for answer in written if answer.strip()]
                if not answers:
                    continue
            found = accepted(case, answers)
            if wrong := faults(found):
                echo(f"not accepted: {'; '.join(wrong)}")
            else:
                return choice, found


def _read(prompt: str) -> str:
    """A line from the person; raises EOFError at the end of the input."""
    echo(prompt, nl=False)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


def _show_draft(case: Case, place: str) -> None:
    echo(f"\n{place}  {case.id} ({case.type})\n  {case.question}")
    for turn in case.history:
        echo(f"  before: {turn.text}")
    for answer in case.answers:
        echo(f"  answer: {answer}")
    for one in case.evidence:
        echo(f"  evidence: {one.uri}: {' '.join(one.quote.split())}")
    if case.note:
        echo(f"  note: {case.note}")
