"""What several scripts share: the data folder, its rows, and an interval."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rag.evaluate.beir import Beir


def data_folder(given: str | None, files: str) -> Path:
    """The data folder, which holds such files; without them the script ends with status 2."""
    if not given or not any(Path(given).glob(files)):
        print(f"No data: give the folder that holds {files}, or set RAG_DATA.", file=sys.stderr)
        raise SystemExit(2)
    return Path(given)


def json_rows(path: Path) -> list[Any]:
    """The rows of a file of JSON lines, packed or not."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf8") as lines:
        return [json.loads(line) for line in lines]


def interval(
    values: Sequence[float] | NDArray[np.float64], seed: int = 0, draws: int = 2000
) -> tuple[float, float]:
    """The 95% bootstrap interval of a mean."""
    array = np.asarray(values)
    picks = np.random.default_rng(seed).integers(0, len(array), (draws, len(array)))
    low, high = np.quantile(array[picks].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def write_documents(beir: Beir, names: Sequence[str], folder: Path) -> str:
    """Write documents as text files, the title as the first paragraph; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        title, text = beir.corpus[name]
        (folder / f"{name}.txt").write_text(f"{title}\n\n{text}\n", "utf-8")
    return str(folder)
