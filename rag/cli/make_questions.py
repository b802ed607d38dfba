"""``rag eval make-questions``: a question set of one's own, drafted for a person to accept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.common import IndexOption, JsonOption, ModelOption, echo, open_pipeline, print_json
from rag.errors import UsageError

if TYPE_CHECKING:
    from rag.pipeline import Pipeline

_NAMED = 20  # drafts left out that are named on the terminal


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
    from rag.cli.ingest import progress
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
                reading, writer, out, count=count, unanswerable=unanswerable, each=each, seed=seed,
                on_progress=on_progress,
            )  # fmt: skip
    if as_json:
        print_json(drafts.to_json())
    else:
        for reason in drafts.rejected[:_NAMED]:
            echo(f"left out  {reason}", err=True)
        near = sum(not case.answerable for case in drafts.cases)
        of_them = f", {near} of them without an answer" if near else ""
        echo(
            f"{len(drafts.cases)} drafts in {out}{of_them}; {len(drafts.rejected)} left out. Read "
            'each and take out "draft" to accept it; then `rag eval answers` measures with the '
            "file."
        )
    raise typer.Exit(0 if drafts.cases else 1)


def _without_model(pipeline: Pipeline) -> Pipeline:
    """Return the same pipeline that asks no language model: for what is looked up by the way."""
    from rag.settings import BUILT_IN, LANGUAGE_MODEL

    settings = pipeline.settings
    models = settings.models
    if models.reranker == LANGUAGE_MODEL:
        models = models.model_copy(update={"reranker": BUILT_IN})
    answer = settings.answer.model_copy(update={"generator": "extractive"})
    return pipeline.variant(models=models, answer=answer)
