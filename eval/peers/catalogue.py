"""Who is measured: each peer's worker, environment, and the packages whose versions are shown."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
WORKERS = HERE / "workers"

BEGIN, END = "# user code: begin", "# user code: end"


@dataclass(frozen=True)
class Peer:
    """One row of the table.

    ``packages[0]`` is the peer itself. ``takes_folder`` says that ``build`` reads a folder of text
    files; the others are handed the texts of those files.
    """

    key: str
    title: str
    worker: str
    environment: str
    packages: tuple[str, ...]
    takes_folder: bool = False

    @property
    def requirements(self) -> Path:
        """What its environment holds."""
        return HERE / "requirements" / f"{self.environment}.txt"

    @property
    def user_lines(self) -> int:
        """Lines that a user writes to ingest and search: no blanks, comments or docstrings."""
        return user_lines((WORKERS / f"{self.worker}.py").read_text("utf-8"))


OURS = Peer(
    "footnote",
    "Footnote",
    "footnote",
    "footnote",
    ("footnote-rag", "onnxruntime", "chromadb", "tantivy"),
    takes_folder=True,
)
_TORCH = ("sentence-transformers", "transformers", "torch")
_LLAMA_INDEX = ("llama-index-core", "llama-index-vector-stores-chroma", "chromadb")
THEIRS = (
    Peer(
        "llama-index",
        "LlamaIndex, stock",
        "llama_index_stock",
        "llama_index",
        (*_LLAMA_INDEX, *_TORCH),
    ),
    Peer(
        "llama-index-hybrid",
        "LlamaIndex, hybrid",
        "llama_index_hybrid",
        "llama_index",
        (*_LLAMA_INDEX, "llama-index-retrievers-bm25", "bm25s", *_TORCH),
    ),
    Peer("haystack", "Haystack, hybrid", "haystack_hybrid", "haystack", ("haystack-ai", *_TORCH)),
    Peer("txtai", "txtai, hybrid", "txtai_hybrid", "txtai", ("txtai", "faiss-cpu", *_TORCH[1:])),
)


def user_lines(source: str) -> int:
    """Count the lines of code between the marks of a worker."""
    lines = source.splitlines()
    marked = range(lines.index(BEGIN) + 1, lines.index(END))
    documented = {
        number - 1
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node)
        for number in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    code = (n for n in marked if n not in documented)
    return sum(1 for n in code if lines[n].strip() and not lines[n].lstrip().startswith("#"))
