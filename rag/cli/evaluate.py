"""``rag eval``, ``compare``, ``report``: measure, check and draft question sets, compare runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.common import (
    IndexOption,
    JsonOption,
    ModelOption,
    console,
    echo,
    open_pipeline,
    print_json,
    progress,
)
from rag.errors import UsageError

if TYPE_CHECKING:
    from rag.evaluate.lint import Finding
    from rag.evaluate.runs import Run
    from rag.evaluate.tables import Table
    from rag.pipeline import Pipeline

_NAMED = 20  # failed cases, or drafts left out, that are named on the terminal
_REGRESSION = 5  # exit status

app = typer.Typer(
    help="Measure ranking, reading, grounding, rewriting, answers; check question sets.",
    no_args_is_help=True,
)

FileArgument = Annotated[
    Path, typer.Argument(help="Questions, .jsonl or .jsonl.gz.", metavar="FILE")
]
LimitOption = Annotated[int | None, typer.Option("--limit", help="Only the first so many.", min=1)]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Run file.", show_default="in the index", metavar="RUN.jsonl"),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the intervals.", min=0)]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with the last run of this data and settings.")
]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print tables as Markdown.")]


# Measuring


@app.command(short_help="Rank a BEIR folder's queries; nDCG, MRR, recall, speed.")
def retrieval(
    folder: Annotated[
        Path, typer.Argument(help="Corpus, queries and qrels in BEIR's layout.", metavar="DIR")
    ],
    split: Annotated[
        str | None, typer.Option("--split", help="Which qrels.", show_default="the only one")
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage",
            help="dense, lexical, fused or reranked.",
            show_default="each",
            metavar="STAGE",
        ),
    ] = None,
    rewrite: Annotated[
        bool,
        typer.Option(
            "--rewrite/--no-rewrite", help="Make queries with a history stand alone first."
        ),
    ] = True,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Where indexes are kept.", show_default="the user's cache"),
    ] = None,
    limit: LimitOption = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    resume: ResumeOption = False,
    markdown: MarkdownOption = False,
    as_json: JsonOption = False,
) -> None:
    """Rank the queries of a BEIR folder; nDCG, MRR, recall and latency by stage."""
    from rag.evaluate.beir import read_beir
    from rag.evaluate.retrieval import evaluate
    from rag.evaluate.runs import side_by_side

    _one_format(markdown, as_json)
    beir = read_beir(folder, split)
    pipeline = open_pipeline(None)
    with progress("Ranking") as on_progress:
        runs = evaluate(
            beir,
            pipeline,
            stages=[stage] if stage else [],
            rewrite=rewrite,
            limit=limit,
            out=out,
            seed=seed,
            resume=resume,
            cache=cache,
            on_progress=on_progress,
        )
    _name_rows([row for run in runs.values() for row in run.rows], "problem", "as fused")
    if stage:
        present(runs[stage].summary, runs[stage].tables, markdown=markdown, as_json=as_json)
    else:
        present(
            lambda: {name: run.summary() for name, run in runs.items()},
            lambda: [side_by_side(runs)],
            markdown=markdown,
            as_json=as_json,
        )
    _close(list(runs.values()))


def _of_file(title: str, task: str) -> Callable[..., None]:
    """The command that measures a task on the rows of a file."""

    def command(
        file: FileArgument,
        limit: LimitOption = None,
        out: OutOption = None,
        seed: SeedOption = 0,
        resume: ResumeOption = False,
        markdown: MarkdownOption = False,
        as_json: JsonOption = False,
    ) -> None:
        evaluate = import_module(f"rag.evaluate.{task}").evaluate
        _measure(
            title,
            evaluate,
            file,
            None,
            limit=limit,
            out=out,
            seed=seed,
            resume=resume,
            markdown=markdown,
            as_json=as_json,
        )

    return command


for _task, _title, _help in (
    ("qa", "Reading", "Answer from contexts; exact match, F1, risk, coverage."),
    ("grounding", "Checking", "Judge claims by evidence; accuracy, AUROC, calibration."),
    ("rewrite", "Rewriting", "Make follow-ups stand alone; term F1 and ROUGE-L."),
):
    app.command(_task, help=_help)(_of_file(_title, _task))


@app.command(short_help="Ask a question set end to end; answers, citations.")
def answers(
    file: FileArgument,
    index: IndexOption = None,
    limit: LimitOption = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    resume: ResumeOption = False,
    judge: Annotated[
        bool, typer.Option("--judge", help="Have the configured language model grade the answers.")
    ] = False,
    markdown: MarkdownOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask every question of a set end to end; measure answers, citations, abstentions.

    Where the rows name evidence, it also says at which stage the answers were lost.
    """
    from rag.evaluate.answers import evaluate

    run = _measure(
        "Asking",
        _judging(evaluate) if judge else evaluate,
        file,
        index,
        limit=limit,
        out=out,
        seed=seed,
        resume=resume,
        markdown=markdown,
        as_json=as_json,
    )
    unlocated = [row["id"] for row in run.rows if row.get("unlocated")]
    if unlocated:
        names = ", ".join(unlocated)
        echo(f"quotes not found, `rag eval lint` says which: {names}", err=True)
    if drafts := run.header["data"].get("drafts"):
        echo(f"left out: {drafts} drafts, see `rag eval review`", err=True)
    _name_rows(run.rows, "judge_failed", "judge failed, counts as 0")


def _judging(evaluate: Callable[..., Run]) -> Callable[..., Run]:
    """The evaluation with the language model of the pipeline's settings as its judge."""

    def judged(file: Path, pipeline: Pipeline, **options: Any) -> Run:
        from rag.evaluate.judge import LanguageModelJudge
        from rag.models.remote import remote_model

        with closing(remote_model(pipeline.settings.llm)) as model:
            return evaluate(file, pipeline, judge=LanguageModelJudge(model), **options)

    return judged


def _measure(
    title: str,
    evaluate: Callable[..., Run],
    file: Path,
    index: Path | None,
    *,
    markdown: bool,
    as_json: bool,
    **options: Any,
) -> Run:
    _one_format(markdown, as_json)
    pipeline = open_pipeline(index)
    with progress(title) as on_progress:
        run = evaluate(file, pipeline, on_progress=on_progress, **options)
    present(run.summary, run.tables, markdown=markdown, as_json=as_json)
    _close([run])
    return run


def _close(runs: Sequence[Run]) -> None:
    """Say on stderr what failed and where the runs are; leave with 130 if they were stopped."""
    for run in runs:
        _name_rows(run.rows, "failed", "failed")
        echo(f"run file: {run.path}", err=True)
    last = runs[-1]
    if last.interrupted:
        echo(
            f"interrupted: {len(last.rows)} of {last.header['planned']} {last.kind.cases} were "
            "measured; the same command with --resume goes on",
            err=True,
        )
        raise typer.Exit(130)


def _name_rows(rows: Sequence[Mapping[str, Any]], key: str, what: str) -> None:
    """Name the rows that have something under the key on stderr, the first of them."""
    found = [row for row in rows if row.get(key)]
    for row in found[:_NAMED]:
        echo(f"{what}  {row['id']}: {row[key]}", err=True)
    if len(found) > _NAMED:
        echo(f"… and {len(found) - _NAMED} more, all named in the run file", err=True)


# Question sets


@app.command(short_help="Draft a question set from your own documents.")
def make_questions(
    index: IndexOption = None,
    model: ModelOption = None,
    count: Annotated[
        int, typer.Option("--count", "-n", help="Questions with an answer.", min=0)
    ] = 20,
    unanswerable: Annotated[
        int, typer.Option("--unanswerable", help="Near misses that nothing answers.", min=0)
    ] = 0,
    each: Annotated[int, typer.Option("--each", help="Of one passage at most.", min=1, max=5)] = 2,
    out: Annotated[Path, typer.Option("--out", help="Question file.", metavar="FILE")] = Path(
        "questions.draft.jsonl"
    ),
    seed: Annotated[int, typer.Option("--seed", help="Of the choice of passages.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Have the language model draft questions with quotes; read them before you rely on them.

    Passages of the index are sent to the configured model. Near misses that a passage answers after
    all, and what the linter finds a fault in, are left out; every row is marked as a draft.
    """
    from rag.evaluate.drafting import draft
    from rag.models.chat import missing

    if not count + unanswerable:
        raise UsageError("nothing to draft: raise -n or --unanswerable")
    with open_pipeline(index, model=model) as pipeline:
        writer = pipeline.language_model
        if writer is None:
            raise UsageError(missing(pipeline.settings.llm) or "no language model is configured")
        with progress("Drafting") as on_progress, _without_model(pipeline) as reading:
            drafts = draft(
                reading,
                writer,
                out,
                count=count,
                unanswerable=unanswerable,
                each=each,
                seed=seed,
                on_progress=on_progress,
            )
    if as_json:
        print_json(drafts.to_json())
    else:
        for reason in drafts.rejected[:_NAMED]:
            echo(f"left out  {reason}", err=True)
        near = sum(not case.answerable for case in drafts.cases)
        of_them = f", {near} of them without an answer" if near else ""
        echo(
            f"{len(drafts.cases)} drafts in {out}{of_them}; {len(drafts.rejected)} left out. Go "
            f'through them with `rag eval review {out}`, or read each and take out "draft"; then '
            "`rag eval answers` measures with the file."
        )
    raise typer.Exit(0 if drafts.cases else 1)


def _without_model(pipeline: Pipeline) -> Pipeline:
    """The same pipeline that asks no language model: for what is looked up by the way."""
    from rag.settings import BUILT_IN, LANGUAGE_MODEL

    models = pipeline.settings.models
    if models.reranker == LANGUAGE_MODEL:
        models = models.model_copy(update={"reranker": BUILT_IN})
    answer = pipeline.settings.answer.model_copy(update={"generator": "extractive"})
    return pipeline.variant(models=models, answer=answer)


@app.command()
def lint(file: FileArgument, index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Hold a question set against an index. Exit status 1 means: it has faults."""
    from rag.evaluate.lint import lint as check

    pipeline = open_pipeline(index)
    with progress("Checking") as on_progress:
        report = check(file, pipeline, on_progress)
    if as_json:
        print_json(report.to_json())
    else:
        _show_findings("Faults", report.faults, file)
        _show_findings("To look at", report.to_look_at, file)
        _show_findings("Notes", report.notes, file)
        for table in report.tables():
            _show_table(table)
    raise typer.Exit(0 if report.clean else 1)


def _show_findings(title: str, findings: Sequence[Finding], file: Path) -> None:
    console().print(f"{title}: {len(findings) or 'none'}", style="bold")
    for finding in findings:
        name = f"{finding.id}: " if finding.id else ""
        # Not through rich, which would take `:100:` for an emoji.
        echo(f"  {file}:{finding.line}: {name}{finding.message} [{finding.kind}]")
    echo()


# Runs that are there


def compare(
    run_a: Annotated[Path, typer.Argument(help="Run file: before.", metavar="RUN_A")],
    run_b: Annotated[Path, typer.Argument(help="Run file: after.", metavar="RUN_B")],
    primary: Annotated[
        str | None,
        typer.Option(
            "--primary",
            help="Metric that decides.",
            show_default="that of the kind",
            metavar="METRIC",
        ),
    ] = None,
    seed: SeedOption = 0,
    show: Annotated[
        int, typer.Option("--show", help="Changed cases to show, each way.", min=0)
    ] = 5,
    markdown: MarkdownOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs over the same data, case by case. Exit status 5 means: B is worse."""
    from rag.evaluate.compare import compare as compared
    from rag.evaluate.runs import read_run

    _one_format(markdown, as_json)
    found = compared(read_run(run_a), read_run(run_b), primary=primary, seed=seed, show=show)
    if not as_json:
        bullet = "- " if markdown else ""
        echo(f"{found.verdict}\n\n{bullet}A: {run_a}\n{bullet}B: {run_b}")
        for line in (*found.notes, *(f"differs: {line}" for line in found.what_differs())):
            echo(f"{bullet}{line}")
        echo()
    present(found.to_json, found.tables, markdown=markdown, as_json=as_json)
    if found.regression:
        raise typer.Exit(_REGRESSION)


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run files.", metavar="RUN...")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="The page.", show_default="beside the first run", metavar="PAGE.html"
        ),
    ] = None,
) -> None:
    """Put runs on one HTML page: figures, charts, the worst cases; compared with the first."""
    from rag.evaluate.report import write
    from rag.evaluate.runs import read_run

    echo(write([read_run(path) for path in runs], out))


# Output


def _one_format(markdown: bool, as_json: bool) -> None:
    if markdown and as_json:
        raise UsageError("--markdown and --json: choose one")


def present(
    body: Callable[[], Mapping[str, Any]],
    tables: Callable[[], Sequence[Table]],
    *,
    markdown: bool,
    as_json: bool,
) -> None:
    """Print a body as JSON, or tables with an empty line after each; only one is computed."""
    if as_json:
        print_json(body())
        return
    for table in tables():
        echo(table.markdown()) if markdown else _show_table(table)
        echo()


def _show_table(table: Table) -> None:
    """Print a table: ruled on a terminal, aligned text elsewhere."""
    if not sys.stdout.isatty():
        echo(table.plain())
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Ruled
    from rich.text import Text

    ruled = Ruled(title=table.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for position, column in enumerate(table.columns):
        # Heads may wrap between words; nothing is cut short.
        words = position in table.words
        cells = column.split()
        if not position or not words:
            cells += [row[position] for row in table.rows]
        ruled.add_column(
            column, justify="left" if words else "right", min_width=max(map(len, cells))
        )
    for row in table.rows:
        ruled.add_row(*map(Text, row))  # as it is: a name may look like an emoji
    console().print(ruled)
