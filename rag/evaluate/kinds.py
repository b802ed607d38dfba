"""Every kind of run by its name, for whoever reads a run file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rag.errors import DataError
from rag.evaluate import answers, grounding, qa, retrieval, rewrite
from rag.evaluate.runs import Kind

KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND for module in (retrieval, qa, grounding, rewrite, answers)
}


def kind_of(path: Path, header: Mapping[str, Any]) -> Kind:
    """Return the kind that a header names; raises DataError for one that is not known."""
    kind = KINDS.get(str(header["kind"]))
    if kind is None:
        raise DataError(
            f"{path} is a run of kind {header['kind']}, which this version does not know: "
            f"{', '.join(KINDS)}"
        )
    return kind
