"""Every kind of run by its name, for whoever reads a run file."""

from __future__ import annotations

from pathlib import Path

from rag.errors import DataError
from rag.evaluate import answers, grounding, qa, retrieval, rewrite
from rag.evaluate.runs import Kind, Run, read_run_file

KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND for module in (retrieval, qa, grounding, rewrite, answers)
}


def read_run(path: Path) -> Run:
    """Read a run file; raises DataError that says what is wrong with it, and where."""
    header, rows = read_run_file(path)
    kind = KINDS.get(str(header["kind"]))
    if kind is None:
        raise DataError(
            f"{path} is a run of kind {header['kind']}, which this version does not know: "
            f"{', '.join(KINDS)}"
        )
    return Run(path, kind, header, tuple(rows))
