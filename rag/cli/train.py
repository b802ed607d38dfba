"""``rag train``: make the models that are shipped, or your own; needs the train extra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rag.cli.common import JsonOption, echo, print_json
from rag.errors import MissingExtraError, UsageError

app = typer.Typer(help="Train models (needs the train extra).", no_args_is_help=True)

OutOption = Annotated[
    Path, typer.Option("--out", help="Folder for examples, checkpoints and weights.")
]
DataArgument = Annotated[
    Path | None,
    typer.Argument(
        help="The development data.", metavar="DATA", envvar="RAG_DATA", show_default=False
    ),
]
MinutesOption = Annotated[
    float | None,
    typer.Option("--minutes", help="Stop after so long; the same command goes on.", min=0),
]
ScaleOption = Annotated[float, typer.Option("--scale", help="Share of the data.", min=0.0001)]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ….")]
AveragedOption = Annotated[
    Path | None,
    typer.Option(
        "--average",
        help="Average the weights with those of an earlier end of the run.",
        metavar="CHECKPOINT",
        exists=True,
        dir_okay=False,
    ),
]
ShareOption = Annotated[
    float, typer.Option("--share", help="Share of that checkpoint in the average.", min=0, max=1)
]
EpochsOption = Annotated[
    float, typer.Option("--epochs", help="Passes over the data. More make a run longer.", min=0.01)
]
ThreadsOption = Annotated[int | None, typer.Option("--threads", help="Of the processor.")]

_START = "built-in|CHECKPOINT"
_NOT_DONE = "not done: run it again"


@app.command()
def reader(
    out: OutOption,
    data: DataArgument = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            "--corpus",
            help="Folder with your questions.jsonl: train further on these alone.",
            metavar="DIR",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="The trained reader to begin with: built-in (the shipped one) or a file (with "
            "--corpus, by default that of --out).",
            metavar=_START,
        ),
    ] = None,
    manuals: Annotated[
        Path | None,
        typer.Option(
            "--manuals",
            help="Index of the manuals of --questions, which further passes learn from.",
            metavar="INDEX",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    questions: Annotated[
        list[Path] | None,
        typer.Option(
            "--questions",
            help="What is asked about the manuals.",
            show_default="eval/manuals/train*.jsonl.gz",
            metavar="FILE",
        ),
    ] = None,
    install: Annotated[
        Path | None,
        typer.Option(
            "--install",
            help="With --corpus: put the weights here if they are better.",
            metavar="FOLDER",
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            "--epochs",
            help="Passes over the data (1.75, with --from 1, with --corpus 2). More make a run "
            "longer.",
            min=0.01,
        ),
    ] = None,
    averaged: AveragedOption = None,
    share: ShareOption = 0.65,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="With --from: draw other examples than an earlier run."),
    ] = None,
    minutes: MinutesOption = None,
    scale: ScaleOption = 1.0,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the cross-encoder that ranks and reads; goes on from its last checkpoint.

    With --corpus, one that is trained already learns from your own questions and answers.
    """
    if corpus is None:
        if install:
            raise UsageError("--install goes with --corpus")
        _need_data(data)
    if seed is not None and (start is None or corpus is not None):
        raise UsageError("--seed goes with --from, and not with --corpus")
    if manuals is not None and corpus is not None:
        raise UsageError("--manuals does not go with --corpus")
    asked = questions or sorted(Path("eval/manuals").glob("train*.jsonl.gz"))
    if manuals is not None and not (asked and all(file.is_file() for file in asked)):
        missing = next((file for file in asked if not file.is_file()), "eval/manuals")
        raise UsageError(f"there are no questions about the manuals in {missing}: see --questions")
    try:
        from rag.models.cross_encoder import MODEL_FILE
        from rag.train.corpus import train_on_corpus
        from rag.train.reader import train_reader
    except ImportError:
        raise MissingExtraError("Training", "train") from None
    if corpus is not None and averaged is not None:
        raise UsageError("--average does not go with --corpus")
    if corpus is not None:
        result = train_on_corpus(
            corpus,
            out,
            start=_start(start, MODEL_FILE),
            install=install,
            epochs=epochs,
            minutes=minutes,
            device=device,
            threads=threads,
            log=_log,
        )
        _print(result, as_json=as_json)
        return
    assert data is not None
    result = train_reader(
        data,
        out,
        epochs=epochs,
        start=_start(start, MODEL_FILE),
        manuals=manuals,
        questions=asked if manuals is not None else (),
        averaged=averaged,
        share=share,
        seed=seed,
        scale=scale,
        minutes=minutes,
        device=device,
        threads=threads,
        log=_log,
    )
    _print_figures(result, as_json=as_json)


@app.command()
def checker(
    out: OutOption,
    data: DataArgument = None,
    contrasts: Annotated[
        Path,
        typer.Option("--contrasts", help="Folder with the written pairs.", metavar="DIR"),
    ] = Path("eval/contrasts"),
    base: Annotated[
        str,
        typer.Option(
            "--base",
            help="What it begins as: built-in (the shipped reader), a folder of rag train reader, "
            "or one with a BERT model.",
            metavar="NAME|FOLDER",
        ),
    ] = "built-in",
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="The trained checker to begin with: built-in (the shipped one) or a file.",
            metavar=_START,
        ),
    ] = None,
    epochs: EpochsOption = 1.0,
    averaged: AveragedOption = None,
    share: ShareOption = 0.5,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="A source to leave out, for an ablation.", metavar="SET"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="With --from: draw other pairs than an earlier run."),
    ] = None,
    minutes: MinutesOption = None,
    scale: ScaleOption = 1.0,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the model that says whether evidence supports a claim; goes on from its checkpoint."""
    folder = _need_data(data)
    if seed is not None and start is None:
        raise UsageError("--seed goes with --from")
    if not any(contrasts.glob("passages-*.jsonl.gz")):
        raise UsageError(f"there are no written pairs in {contrasts}: name --contrasts")
    try:
        from rag.models.support import SUPPORT_FILE
        from rag.train.checker import train_checker
    except ImportError:
        raise MissingExtraError("Training", "train") from None
    result = train_checker(
        folder,
        contrasts,
        out,
        base=base,
        start=_start(start, SUPPORT_FILE),
        averaged=averaged,
        share=share,
        seed=seed,
        epochs=epochs,
        without=tuple(without or ()),
        scale=scale,
        minutes=minutes,
        device=device,
        threads=threads,
        log=_log,
    )
    _print_figures(result, as_json=as_json)


@app.command()
def embedder(
    out: OutOption,
    data: DataArgument = None,
    minutes: MinutesOption = None,
    scale: ScaleOption = 1.0,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the embedder to find the chunk that answers; goes on from its last checkpoint.

    Says on which retrieval sets it is better than the shipped one, which it never replaces.
    """
    folder = _need_data(data)
    try:
        from rag.train.embedder import train_embedder
    except ImportError:
        raise MissingExtraError("Training", "train") from None
    result = train_embedder(
        folder, out, scale=scale, minutes=minutes, device=device, threads=threads, log=_log
    )
    if result["done"] and not as_json:
        for name, one in result["sets"].items():
            low, high = one["ci"] or (float("nan"), float("nan"))
            echo(
                f"{name:24} nDCG@10 {one['before']:.4f} -> {one['after']:.4f}  "
                f"{one['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"
            )
    _print(result, as_json=as_json)


def _print_figures(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for name, figures in result["figures"].items():
        echo(f"{name:24} " + "  ".join(f"{k} {v:.3f}" for k, v in figures.items()))
    echo(f"weights: {result['weights']}" if result["done"] else _NOT_DONE)


def _start(name: str | None, file: str) -> Path | None:
    """The checkpoint or graph that ``--from`` names, for built-in the shipped one of that name."""
    from rag.models.embedder import WEIGHTS
    from rag.settings import BUILT_IN

    return WEIGHTS / file if name == BUILT_IN else Path(name).expanduser() if name else None


def _need_data(data: Path | None) -> Path:
    if data is None or not (data / "qa").is_dir():
        raise UsageError("name the folder of the development data, or set RAG_DATA")
    return data


def _log(line: str) -> None:
    echo(line, err=True)


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
    elif result["done"]:
        echo(result["said"])
        echo(f"weights: {result['weights']}")
    else:
        echo(_NOT_DONE)
