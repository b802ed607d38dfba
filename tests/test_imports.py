"""The direction of imports, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import rag

ROOT = Path(rag.__file__).parent
STAGES = ("ingest", "index", "retrieve", "answer", "ground", "observe")
KNOWN_TO = {"index": ("ingest", "retrieve")}
LAYERS = [
    ("types", "errors"),
    (
        "protocols",
        "settings",
        "presets",
        "text",
        "resources",
        "prompts",
        "events",
        "sessions",
    ),
    ("models", "testing"),
    STAGES,
    ("pipeline",),
    ("evaluate", "bridges", "train"),
    ("cli",),
]
HEAVY = {
    "torch": ("train",),
    "transformers": ("train",),
    "sentence_transformers": (),
    "chromadb": (),
    "llama_index": ("bridges",),
    "openai": (),
    "pydantic_settings": (),
    "trafilatura": (),
    "onnxruntime": (),
}


def layer(room: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if room in rooms)


def modules() -> list[Path]:
    return sorted(p for p in ROOT.rglob("*.py") if p.relative_to(ROOT).as_posix() != "__init__.py")


def imported(path: Path, *, top_level: bool) -> list[str]:
    """Names of imported modules; with ``top_level`` those that an import of the file loads."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes: list[ast.stmt] = []
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and top_level
        typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if isinstance(node, ast.Import | ast.ImportFrom):
            nodes.append(node)
        elif not (inside or typing):
            pending.extend(ast.iter_child_nodes(node))
    names = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif node.module == "rag":
            names += [f"rag.{alias.name}" for alias in node.names]
        else:
            names.append(node.module or "")
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_point_inwards(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imported(path, top_level=False):
        if not name.startswith("rag."):
            continue
        other = name.split(".")[1]
        if other in ("_data", "__version__") or other == room:
            continue
        assert layer(other) <= layer(room), f"{path.name} in {room} imports {name}"
        if room in STAGES and room not in KNOWN_TO.get(other, ()):
            assert other not in STAGES, f"{room} imports its sibling stage {other}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    for name in imported(path, top_level=True):
        library = name.split(".")[0]
        if library in HEAVY:
            assert room in HEAVY[library], f"{path} imports {library} at module level"


def test_only_train_and_hub_know_torch() -> None:
    for path in modules():
        if path.relative_to(ROOT).parts[0] != "train":
            assert "torch" not in {n.split(".")[0] for n in imported(path, top_level=False)}, path


def test_one_file_knows_openai() -> None:
    knowing = [path for path in modules() if "openai" in str(imported(path, top_level=False))]
    assert [path.relative_to(ROOT).as_posix() for path in knowing] == ["models/connection.py"]


def test_no_import_circles() -> None:
    """Imports inside functions and for types count: a circle is one thing in two files."""
    names = {".".join(p.relative_to(ROOT.parent).with_suffix("").parts): p for p in modules()}
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        nodes = [n for n in ast.walk(ast.parse(path.read_text("utf-8")))
                 if isinstance(n, ast.ImportFrom) and n.module]  # fmt: skip
        wanted = {f"{n.module}.{alias.name}" for n in nodes for alias in n.names}
        found[name] = ({n.module or "" for n in nodes} | wanted) & names.keys()
    assert sum(map(len, found.values())) > 500
    TopologicalSorter(found).prepare()  # raises CycleError, which names the circle


def loaded_by(code: str) -> set[str]:
    script = f"import sys; {code}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_import_rag_loads_almost_nothing() -> None:
    assert loaded_by("import rag") & {*HEAVY, "pydantic", "numpy", "typer"} == set()


def test_help_loads_no_library_of_weight() -> None:
    code = "from rag.cli.main import app"
    assert loaded_by(code) & {*HEAVY, "pydantic", "numpy", "rich", "tantivy"} == set()


def test_opening_a_pipeline_loads_no_model() -> None:
    code = "from rag import Pipeline; Pipeline.open('/nonexistent/.rag')"
    assert loaded_by(code) & {*HEAVY, "tokenizers"} == set()


def test_public_names() -> None:
    for name in rag.__all__:
        assert getattr(rag, name) is not None
    assert set(rag.__all__) <= set(dir(rag))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        rag.nothing
