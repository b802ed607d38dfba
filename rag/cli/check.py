"""``rag check``: is each sentence of a text supported by some evidence?"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.common import (
    IndexOption,
    JsonOption,
    console,
    drop_output,
    open_pipeline,
    print_json,
)
from rag.errors import SourceError, UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from rag.ground.deciding import Span
    from rag.pipeline import Pipeline
    from rag.types import Verdict

_STYLES = {"supported": "green", "partial": "yellow", "unsupported": "red", "contradicted": "red",
           "not judged": "dim"}  # fmt: skip
_FAILED = 3  # exit status
_READ = (".md", ".txt", ".json")


@dataclass(frozen=True)
class _Checked:
    """A sentence of a file with its verdict, and the words that decide against it."""

    file: str
    verdict: Verdict
    words: tuple[list[Span], list[Span]]

    @property
    def label(self) -> str:
        if self.verdict.contradicted_by:
            return "contradicted"
        return self.verdict.label or "not judged"


def check(
    answer: Annotated[
        str,
        typer.Option(
            "--answer",
            help="File with the text, a folder of such files, - for stdin. What rag ask --json "
            "wrote (.json) is held against its own citations.",
            metavar="FILE|DIR|-",
        ),
    ],
    evidence: Annotated[
        list[str] | None,
        typer.Option("--evidence", help="Files with the evidence, any format.", metavar="FILE..."),
    ] = None,
    more: Annotated[
        list[str] | None, typer.Argument(help="More evidence.", metavar="[FILE...]")
    ] = None,
    index: IndexOption = None,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with 0 whatever is found.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge each sentence of any text against evidence.

    Exit status 3 means: a sentence is contradicted or not supported.
    """
    from rag.ingest.loading import read_documents

    pipeline = open_pipeline(index)
    fetch = pipeline.settings.fetch
    names = [*(evidence or ()), *(more or ())]
    texts = [d.text for name in names for d in read_documents(name, fetch)]
    files = {file: list(_checked(pipeline, file, texts)) for file in _files(answer)}
    checked = [one for found in files.values() for one in found]
    if not checked:
        raise UsageError(f"there is no sentence to check in {answer}")
    empty = [file for file, found in files.items() if not found]
    counts = Counter(one.label for one in checked)
    failed = counts["contradicted"] + counts["unsupported"]
    try:
        if as_json:
            rows = [_row(one) for one in checked]
            print_json({"verdicts": rows, "counts": dict(counts), "empty": empty})
        else:
            _show(checked, counts)
            for file in empty:
                console().print(f"{file}: there is no sentence to check in it", style="dim")
    except BrokenPipeError:  # a gate is one whoever reads it
        drop_output()
    raise typer.Exit(_FAILED if failed and not exit_zero else 0)


def _files(answer: str) -> list[str]:
    folder = Path(answer)
    if answer == "-" or not folder.is_dir():
        return [answer]
    files = sorted(
        str(path)
        for path in folder.rglob("*")
        if path.suffix.lower() in _READ
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise UsageError(f"there is no answer in {answer}: it takes {', '.join(_READ)} files")
    return files


def _checked(pipeline: Pipeline, file: str, texts: Sequence[str]) -> Iterator[_Checked]:
    if file.lower().endswith(".json"):
        verdicts = _of_answer(pipeline, file, _bytes(file), texts)
    elif texts:
        verdicts = pipeline.check(_text(file), texts)
    else:
        raise UsageError(f"name the evidence that {file} is held against: --evidence FILE")
    deciding = getattr(pipeline.checker, "deciding", None)
    for verdict in verdicts:
        against = verdict.contradicted_by
        words = deciding(verdict.claim, against) if against and deciding else ([], [])
        yield _Checked(file, verdict, words)


def _of_answer(pipeline: Pipeline, file: str, data: bytes, texts: Sequence[str]) -> list[Verdict]:
    """The verdicts on an answer of ``rag ask --json``, held against its own citations too."""
    from pydantic import ValidationError

    from rag.text.sentences import sentences
    from rag.types import Sentence

    try:
        found = [Sentence.model_validate(row) for row in json.loads(data)["sentences"]]
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError):
        raise SourceError(
            f"{file} is no answer of rag ask --json: write one, or give the text as .md or .txt"
        ) from None
    pairs = [
        (span.of(sentence.text), [*(citation.quote for citation in sentence.citations), *texts])
        for sentence in found
        if sentence.kind != "code"
        for span in sentences(sentence.text)
    ]
    return pipeline.checker.check([claim for claim, _ in pairs], [own for _, own in pairs])


def _row(one: _Checked) -> dict[str, Any]:
    row = {"file": one.file, **one.verdict.model_dump(mode="json")}
    if one.verdict.contradicted_by:
        row["words"] = {"claim": one.words[0], "evidence": one.words[1]}
    return row


def _show(checked: Sequence[_Checked], counts: Counter[str]) -> None:
    out = console()
    several = len({one.file for one in checked}) > 1
    file = ""
    for one in checked:
        if several and one.file != file:
            file = one.file
            out.print(file, style="bold")
        support = "" if one.verdict.support is None else f" {one.verdict.support:.2f}"
        out.print(f"{one.label}{support}", style=_STYLES[one.label], end="  ")
        out.print(_marked(one.verdict.claim, one.words[0]))
        if one.verdict.contradicted_by:
            out.print("    the evidence says: ", style="dim", end="")
            out.print(_marked(one.verdict.contradicted_by, one.words[1]))
        for reason in one.verdict.reasons:
            if not (one.verdict.contradicted_by and one.verdict.contradicted_by in reason):
                out.print(f"    {reason}", style="dim")
    total = ", ".join(f"{count} {label}" for label, count in counts.most_common())
    out.print(f"{len(checked)} sentence{'s' * (len(checked) != 1)}: {total}", style="dim")


def _marked(text: str, spans: Sequence[Span]) -> Text:
    """The text on one line with its deciding words between stars, as a pipe has no colours."""
    from rich.text import Text

    from rag.cli.common import printable

    found, at = Text(), 0
    for start, end in spans:
        found.append(printable(text[at:start]))
        found.append(f"*{printable(text[start:end])}*", style="bold red")
        at = end
    found.append(printable(text[at:]))
    return found


def _text(name: str) -> str:
    """An answer's text as evidence is read: lines joined to paragraphs, tables as rows."""
    from rag.ingest.extract import extract
    from rag.ingest.fetched import Fetched

    data = _bytes(name)
    if not data.strip():
        return ""
    # Answers are Markdown, whatever they are called: of plain text, each line would be a statement.
    file = "answer.md" if name == "-" else Path(name).with_suffix(".md").name
    return "\n\n".join(d.text for d in extract(Fetched(uri=file, data=data, name=file)).documents)


def _bytes(name: str) -> bytes:
    if name == "-":
        text = sys.stdin.read()
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise SourceError("what comes from stdin is not UTF-8: convert it first")
        return text.encode()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SourceError(f"{name} cannot be read ({why}): check the path") from None
